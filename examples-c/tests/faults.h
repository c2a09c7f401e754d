/* System calls that fail. The program's recv(), send(), ... take the place of the C library's: the
   program exports its symbols, and the library finds these first. On the thread under test, while
   the library is at work, they follow a plan; on all others, and at all other times, they only pass
   on what they are asked for. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    CALL_RECV,
    CALL_SEND,
    CALL_POLL,
    CALL_GETSOCKOPT,
    CALL_SETSOCKOPT,
    CALL_GETPEERNAME,
    CALL_SOCKET,
    CALL_CONNECT,
    CALL_IOCTL,
    CALL_CLOSE,
    CALL_GETRANDOM,
    CALL_PIPE2,
    CALL_PTHREAD_CREATE,
    CALL_EPOLL_CREATE1,
    CALL_EPOLL_CTL,
    CALL_TIMERFD_CREATE,
    CALL_TIMERFD_SETTIME,
    CALL_KINDS
} call_kind_t;

const char *call_name(call_kind_t kind);

/* One call of the thread under test. */
typedef struct {
    call_kind_t kind;
    int detail;    /* the option of getsockopt() and setsockopt(), the operation of epoll_ctl(), and
                      of timerfd_settime() whether it starts the timer */
    size_t wanted; /* bytes, of a transfer */
    int stage;     /* what the test was doing */
} call_t;

enum {
    MOST_CALLS = 512,
    /* Interruptions come singly, and in bursts, but not for ever. */
    BURST = 1000,
    /* By so much does the clock of the thread under test go forward with each call that is to be
       repeated: a timeout of a minute is over before a burst is. */
    TICK = 100, /* milliseconds */
};

typedef struct {
    size_t at;          /* the number of the call that the plan is about, from 0 */
    bool from_then_on;  /* the later ones of its kind, too */
    int error;          /* the errno that it fails with, or 0 */
    size_t most;        /* at most so many bytes are transferred, or 0 */
    bool is_everywhere; /* `most` holds for each call */
    bool hesitates;     /* what moves bytes says EAGAIN once before that; nothing is connected at
                           once, and who only looks whether it is sees nothing the first time */
    bool
        is_for_aws_lc; /* `at` and `error` are about its getrandom(), which it calls by syscall() */
} fault_plan_t;

/* A session begins: nothing has happened yet. Its calls wait until `milliseconds` from now and no
   longer; from then on they fail with ECANCELED, and faults_are_overdue(). */
void faults_start(const fault_plan_t *plan, int milliseconds);
/* The plan ends; calls are counted and recorded still. */
void faults_forget_plan(void);
bool faults_are_overdue(void);

/* Around each call of the library that is under test. One that reads ahead asks for more bytes than
   have to come. */
void faults_begin(int stage);
void faults_read_ahead(bool reads_ahead);
void faults_end(void);

/* What happened since faults_start(). */
size_t faults_call_count(void);
const call_t *faults_call(size_t at); /* NULL: so many were not recorded */
size_t faults_aws_lc_draws(void);     /* not among the above: it makes them when it likes */
size_t faults_injected(void);         /* how many calls failed or were shortened by the plan */
const call_t *faults_first_injected(void);

/* The bytes that were moved. Only the first ones are kept; `len` counts all. */
enum { KEPT_BYTES = 1 << 14 };
typedef struct {
    uint8_t bytes[KEPT_BYTES];
    size_t len;
} moved_bytes_t;
const moved_bytes_t *faults_sent(void);
const moved_bytes_t *faults_received(void);

/* Whether these bytes are among the random ones that the library drew. */
bool faults_drew(const uint8_t *bytes, size_t len);

#endif
