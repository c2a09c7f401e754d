#define _GNU_SOURCE
#include "faults.h"
#include "c_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* -- the C library's own ----------------------------------------------------------------------- */

static __typeof__(&recv) real_recv;
static __typeof__(&send) real_send;
static __typeof__(&poll) real_poll;
static __typeof__(&getsockopt) real_getsockopt;
static __typeof__(&setsockopt) real_setsockopt;
static __typeof__(&getpeername) real_getpeername;
static __typeof__(&socket) real_socket;
static __typeof__(&connect) real_connect;
static __typeof__(&ioctl) real_ioctl;
static __typeof__(&close) real_close;
static __typeof__(&getrandom) real_getrandom;
static __typeof__(&syscall) real_syscall;
static __typeof__(&pipe2) real_pipe2;
static __typeof__(&pthread_create) real_pthread_create;
static __typeof__(&epoll_create1) real_epoll_create1;
static __typeof__(&epoll_ctl) real_epoll_ctl;
static __typeof__(&timerfd_create) real_timerfd_create;
static __typeof__(&timerfd_settime) real_timerfd_settime;
static __typeof__(&nanosleep) real_nanosleep;
static __typeof__(&clock_gettime) real_clock_gettime;

static void find(void *place, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "the C library has no %s()\n", name);
        abort();
    }
    memcpy(place, &found, sizeof found);
}

__attribute__((constructor)) static void find_all(void) {
    find(&real_recv, "recv");
    find(&real_send, "send");
    find(&real_poll, "poll");
    find(&real_getsockopt, "getsockopt");
    find(&real_setsockopt, "setsockopt");
    find(&real_getpeername, "getpeername");
    find(&real_socket, "socket");
    find(&real_connect, "connect");
    find(&real_ioctl, "ioctl");
    find(&real_close, "close");
    find(&real_getrandom, "getrandom");
    find(&real_syscall, "syscall");
    find(&real_pipe2, "pipe2");
    find(&real_pthread_create, "pthread_create");
    find(&real_epoll_create1, "epoll_create1");
    find(&real_epoll_ctl, "epoll_ctl");
    find(&real_timerfd_create, "timerfd_create");
    find(&real_timerfd_settime, "timerfd_settime");
    find(&real_nanosleep, "nanosleep");
    find(&real_clock_gettime, "clock_gettime");
}

/* -- the plan ---------------------------------------------------------------------------------- */

static _Thread_local bool is_under_test; /* the rest belongs to the one thread of which it is */

static fault_plan_t plan;
static bool is_planned;
static bool is_overdue;
static int64_t deadline; /* of the session, by the real clock */
static int64_t skew;     /* by which the clock of the thread under test is fast */
static int stage;
static bool has_hesitated;
static bool has_looked;
static bool reads_ahead;

static call_t calls[MOST_CALLS];
static size_t call_count;
static size_t aws_lc_draws;
static call_t first_injected;
static size_t injected;

static moved_bytes_t sent;
static moved_bytes_t received;
static moved_bytes_t drawn;

const char *call_name(call_kind_t kind) {
    static const char *const NAMES[CALL_KINDS] = {
        "recv",           "send",           "poll",           "getsockopt",    "setsockopt",
        "getpeername",    "socket",         "connect",        "ioctl",         "close",
        "getrandom",      "pipe2",          "pthread_create", "epoll_create1", "epoll_ctl",
        "timerfd_create", "timerfd_settime"};
    return NAMES[kind];
}

static int64_t real_milliseconds(void) {
    struct timespec now;
    real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void faults_start(const fault_plan_t *new_plan, int milliseconds) {
    plan = *new_plan;
    is_planned = true;
    is_overdue = has_hesitated = has_looked = false;
    deadline = real_milliseconds() + milliseconds;
    skew = 0;
    call_count = aws_lc_draws = injected = 0;
    sent.len = received.len = drawn.len = 0;
}

void faults_forget_plan(void) {
    bool hesitates = plan.hesitates;
    memset(&plan, 0, sizeof plan);
    plan.hesitates = hesitates;
    is_planned = false;
}

bool faults_are_overdue(void) {
    return is_overdue;
}

void faults_begin(int new_stage) {
    stage = new_stage;
    is_under_test = true;
}

void faults_read_ahead(bool does_so) {
    reads_ahead = does_so;
}

void faults_end(void) {
    is_under_test = false;
}

size_t faults_call_count(void) {
    return call_count;
}

const call_t *faults_call(size_t at) {
    return at < call_count && at < MOST_CALLS ? &calls[at] : NULL;
}

size_t faults_aws_lc_draws(void) {
    return aws_lc_draws;
}

size_t faults_injected(void) {
    return injected;
}

const call_t *faults_first_injected(void) {
    return &first_injected;
}

const moved_bytes_t *faults_sent(void) {
    return &sent;
}

const moved_bytes_t *faults_received(void) {
    return &received;
}

bool faults_drew(const uint8_t *bytes, size_t len) {
    size_t kept = drawn.len < KEPT_BYTES ? drawn.len : KEPT_BYTES;
    return memmem(drawn.bytes, kept, bytes, len) != NULL;
}

static void inject(const call_t *call) {
    if (injected++ == 0)
        first_injected = *call;
}

static bool fails_for_aws_lc(void) {
    size_t number = aws_lc_draws++;
    bool is_meant = number == plan.at || (plan.from_then_on && number > plan.at);
    if (!is_planned || !plan.is_for_aws_lc || !is_meant)
        return false;
    injected++;
    errno = plan.error;
    return true;
}

/* Counts a call. True if it is to fail, with errno set. */
static bool fails(call_kind_t kind, int detail, size_t wanted) {
    call_t call = {.kind = kind, .detail = detail, .wanted = wanted, .stage = stage};
    size_t number = call_count++;
    if (number < MOST_CALLS)
        calls[number] = call;
    if (real_milliseconds() >= deadline) {
        is_overdue = true;
        errno = ECANCELED;
        return true;
    }
    if (!is_planned || plan.error == 0 || plan.is_for_aws_lc || number < plan.at)
        return false;
    bool is_repeatable = plan.error == EINTR || plan.error == EAGAIN;
    bool is_meant = number == plan.at || (plan.from_then_on && kind == first_injected.kind);
    if (!is_meant || (is_repeatable && injected >= BURST))
        return false;
    inject(&call);
    if (is_repeatable && plan.from_then_on && kind != CALL_GETRANDOM)
        skew += TICK;
    errno = plan.error;
    return true;
}

static size_t shorten(size_t wanted) {
    bool is_meant = is_planned && (plan.is_everywhere || call_count - 1 == plan.at);
    if (plan.most == 0 || !is_meant || wanted <= plan.most)
        return wanted;
    inject(&calls[(call_count - 1) % MOST_CALLS]);
    return plan.most;
}

/* Whether a transfer says that it would have to wait. */
static bool hesitates(void) {
    has_hesitated = plan.hesitates && !has_hesitated;
    if (has_hesitated)
        errno = EAGAIN;
    return has_hesitated;
}

/* Waits until all that is wanted has come, so that a session makes the same calls each time. False
   when it takes too long. */
static bool wait_for_bytes(int fd, size_t wanted) {
    for (;;) {
        struct pollfd entry = {.fd = fd, .events = POLLIN | POLLRDHUP};
        int64_t left = deadline - real_milliseconds();
        int available = 0;
        if (left <= 0 || real_poll(&entry, 1, (int)left) == 0) {
            is_overdue = true;
            errno = ECANCELED;
            return false;
        }
        if (real_ioctl(fd, FIONREAD, &available) != 0 || (size_t)available >= wanted ||
            (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
            return true;
        /* A part of it is there, for which poll() does not wait again. */
        real_poll(NULL, 0, 1);
    }
}

static void keep(moved_bytes_t *moved, const void *bytes, size_t len) {
    size_t room = moved->len < KEPT_BYTES ? KEPT_BYTES - moved->len : 0;
    memcpy(moved->bytes + (KEPT_BYTES - room), bytes, len < room ? len : room);
    moved->len += len;
}

/* -- in place of the C library's --------------------------------------------------------------- */

ssize_t recv(int fd, void *bytes, size_t len, int flags) {
    if (!is_under_test)
        return real_recv(fd, bytes, len, flags);
    /* At more than has to come. Who looks again whenever it could not take what it saw would never
       get further if looking and taking hesitated in turn. */
    bool only_looks = (flags & MSG_PEEK) != 0;
    if (fails(CALL_RECV, 0, len) || (!only_looks && hesitates()))
        return -1;
    size_t shortened = shorten(len);
    /* What is read ahead comes in one piece. */
    if (!wait_for_bytes(fd, only_looks || reads_ahead ? 1 : shortened))
        return -1;
    ssize_t count = real_recv(fd, bytes, shortened, flags);
    if (count > 0 && !only_looks)
        keep(&received, bytes, (size_t)count);
    return count;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    if (!is_under_test)
        return real_send(fd, bytes, len, flags);
    if (fails(CALL_SEND, 0, len) || hesitates())
        return -1;
    ssize_t count = real_send(fd, bytes, shorten(len), flags);
    if (count > 0)
        keep(&sent, bytes, (size_t)count);
    return count;
}

int poll(struct pollfd *entries, nfds_t count, int milliseconds) {
    if (!is_under_test)
        return real_poll(entries, count, milliseconds);
    if (fails(CALL_POLL, 0, 0))
        return -1;
    has_looked = plan.hesitates && milliseconds == 0 && !has_looked;
    if (has_looked)
        return 0;
    /* Who only looks finds what will be there soon, so that a session makes the same calls each
       time. */
    int64_t left = deadline - real_milliseconds();
    return real_poll(entries, count,
                     milliseconds <= 0 || milliseconds > left ? (int)left : milliseconds);
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len) {
    if (is_under_test && fails(CALL_GETSOCKOPT, name, 0))
        return -1;
    return real_getsockopt(fd, level, name, value, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    if (is_under_test && fails(CALL_SETSOCKOPT, name, 0))
        return -1;
    return real_setsockopt(fd, level, name, value, len);
}

int getpeername(int fd, ADDRESS address, socklen_t *restrict len) {
    if (is_under_test && fails(CALL_GETPEERNAME, 0, 0))
        return -1;
    return real_getpeername(fd, address, len);
}

int socket(int domain, int type, int protocol) {
    if (is_under_test && fails(CALL_SOCKET, 0, 0))
        return -1;
    return real_socket(domain, type, protocol);
}

int connect(int fd, CONST_ADDRESS address, socklen_t len) {
    if (is_under_test && fails(CALL_CONNECT, 0, 0))
        return -1;
    int result = real_connect(fd, address, len);
    if (is_under_test && plan.hesitates && result == 0) {
        errno = EINPROGRESS;
        return -1;
    }
    return result;
}

int ioctl(int fd, ioctl_request_t request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (is_under_test && fails(CALL_IOCTL, 0, 0))
        return -1;
    return real_ioctl(fd, request, argument);
}

/* Which of two threads closes an end of the pipe that they share is up to chance. */
static bool is_pipe(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

/* A descriptor is gone even where close() fails, as on Linux. */
int close(int fd) {
    if (real_close == NULL) /* AWS-LC is being loaded, and on ARM reads a file for that */
        find_all();
    bool has_failed = is_under_test && !is_pipe(fd) && fails(CALL_CLOSE, 0, 0);
    int error = errno;
    int result = real_close(fd);
    if (!has_failed)
        return result;
    errno = error;
    return -1;
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags) {
    if (!is_under_test || len == 0) /* the library asks once whether there is such a call */
        return real_getrandom(bytes, len, flags);
    if (fails(CALL_GETRANDOM, 0, len))
        return -1;
    ssize_t count = real_getrandom(bytes, shorten(len), flags);
    if (count > 0)
        keep(&drawn, bytes, (size_t)count);
    return count;
}

int pipe2(int ends[2], int flags) {
    if (is_under_test && fails(CALL_PIPE2, 0, 0))
        return -1;
    return real_pipe2(ends, flags);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*work)(void *), void *restrict argument) {
    if (is_under_test && fails(CALL_PTHREAD_CREATE, 0, 0))
        return errno;
    return real_pthread_create(thread, attributes, work, argument);
}

int epoll_create1(int flags) {
    if (is_under_test && fails(CALL_EPOLL_CREATE1, 0, 0))
        return -1;
    return real_epoll_create1(flags);
}

int epoll_ctl(int queue, int operation, int fd, struct epoll_event *event) {
    if (is_under_test && fails(CALL_EPOLL_CTL, operation, 0))
        return -1;
    return real_epoll_ctl(queue, operation, fd, event);
}

int timerfd_create(clockid_t clock, int flags) {
    if (is_under_test && fails(CALL_TIMERFD_CREATE, 0, 0))
        return -1;
    return real_timerfd_create(clock, flags);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *time, struct itimerspec *old) {
    bool starts = time->it_value.tv_sec != 0 || time->it_value.tv_nsec != 0;
    if (is_under_test && fails(CALL_TIMERFD_SETTIME, starts, 0))
        return -1;
    return real_timerfd_settime(fd, flags, time, old);
}

/* A system call has up to six arguments, whatever their number is; more are passed on than the call
   may have, and the kernel looks at its own only. */
long syscall(long number, ...) {
    long argument[6];
    va_list arguments;
    va_start(arguments, number);
    for (size_t at = 0; at < 6; at++)
        argument[at] = va_arg(arguments, long);
    va_end(arguments);
    if (is_under_test && number == SYS_getrandom && fails_for_aws_lc())
        return -1;
    return real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                        argument[5]);
}

/* AWS-LC waits before it tries again; not here. */
int nanosleep(const struct timespec *time, struct timespec *left) {
    return is_under_test ? 0 : real_nanosleep(time, left);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = real_clock_gettime(clock, now);
    if (is_under_test && result == 0 && clock == CLOCK_MONOTONIC)
        now->tv_sec += skew / 1000;
    return result;
}
