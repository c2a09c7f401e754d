#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void bench_fail_because(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: failed: %s (errno: %s)\n", file, line, condition, strerror(errno));
    exit(EXIT_FAILURE);
}

void bench_fail(int exit_status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(exit_status);
}

/* -- options ----------------------------------------------------------------------------------- */

static const option_t *find_option(const char *name, const option_t *options, size_t count) {
    for (size_t at = 0; at < count; at++)
        if (strcmp(options[at].name, name) == 0)
            return &options[at];
    bench_fail(EXIT_FAILURE, "unknown option %s", name);
}

static long read_number(const char *name, const char *text) {
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0)
        bench_fail(EXIT_FAILURE, "%s takes a number, not %s", name, text);
    return number;
}

void parse_options(int argc, char **argv, const option_t *options, size_t count) {
    for (int at = 1; at < argc; at++) {
        const option_t *option = find_option(argv[at], options, count);
        if (option->flag != NULL) {
            *option->flag = true;
            continue;
        }
        if (++at == argc)
            bench_fail(EXIT_FAILURE, "%s takes a value", option->name);
        if (option->text != NULL)
            *option->text = argv[at];
        else
            *option->number = read_number(option->name, argv[at]);
    }
}

/* -- clocks ------------------------------------------------------------------------------------ */

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    MUST(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t wall_clock(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t cpu_clock(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* -- processors -------------------------------------------------------------------------------- */

/* Of the process, asked for once: a thread that stays somewhere has but one itself. */
static cpu_set_t allowed_processors;
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;

static void find_allowed_processors(void) {
    MUST(sched_getaffinity(0, sizeof allowed_processors, &allowed_processors) == 0);
}

void stay_on_processor(int n) {
    MUST(pthread_once(&allowed_once, find_allowed_processors) == 0);
    if (CPU_COUNT(&allowed_processors) <= n)
        return;
    int processor = -1;
    for (int seen = -1; seen < n;)
        if (CPU_ISSET(++processor, &allowed_processors))
            seen++;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    MUST(pthread_setaffinity_np(pthread_self(), sizeof only, &only) == 0);
}

/* -- bare sockets ------------------------------------------------------------------------------ */

bool receive_exactly(int fd, void *bytes, size_t len) {
    char *to = bytes;
    while (len > 0) {
        ssize_t count = recv(fd, to, len, 0);
        if (count <= 0)
            return false;
        to += count;
        len -= (size_t)count;
    }
    return true;
}

bool send_exactly(int fd, const void *bytes, size_t len) {
    const char *from = bytes;
    while (len > 0) {
        ssize_t count = send(fd, from, len, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        from += count;
        len -= (size_t)count;
    }
    return true;
}

void set_no_delay(int fd) {
    int on = 1;
    MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}
