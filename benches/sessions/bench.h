/* What every program needs: options, clocks, processors, bare sockets. Whatever fails here ends the
   program with a message. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit status of a program that the limits of the machine do not allow to run. */
enum { EXIT_NOT_ALLOWED = 77 };

/* What has to hold for a result to mean anything. Costs a comparison: it may stand in what is
   measured. */
#define MUST(condition) ((condition) ? (void)0 : bench_fail_because(#condition, __FILE__, __LINE__))

_Noreturn void bench_fail_because(const char *condition, const char *file, int line);

/* Prints a message, as printf() would, to standard error and ends the program. */
_Noreturn void bench_fail(int exit_status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -- options ----------------------------------------------------------------------------------- */

/* One option: exactly one of the pointers is set, and holds the default. */
typedef struct {
    const char *name;
    const char **text;
    long *number; /* not negative */
    bool *flag;
} option_t;

void parse_options(int argc, char **argv, const option_t *options, size_t count);

/* -- clocks, in nanoseconds -------------------------------------------------------------------- */

int64_t wall_clock(void);

/* What the calling thread has used of its processor, in the kernel too. */
int64_t cpu_clock(void);

/* -- processors -------------------------------------------------------------------------------- */

/* Where server and peer take turns. Both stay on one processor: to wake a thread on another one,
   the sender has to interrupt it, which on a virtual machine costs several times as much as
   everything else that send() does, and would hide what is to be measured. Nothing is lost, since
   in this protocol the two never compute at once. */
enum { SESSION_PROCESSOR = 0 };

/* Keeps the calling thread on the n-th processor that the process may use; does nothing when it may
   use fewer. */
void stay_on_processor(int n);

/* -- bare sockets ------------------------------------------------------------------------------ */

/* One call, unless the message arrives in parts. False when the connection ends. */
bool receive_exactly(int fd, void *bytes, size_t len);

/* One call, unless the socket takes it in parts. False when the connection ends. */
bool send_exactly(int fd, const void *bytes, size_t len);

/* Switches Nagle's algorithm off, as the library does. */
void set_no_delay(int fd);

#endif
