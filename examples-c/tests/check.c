#include "check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Atomic, because the peers of a test check things on threads of their own. They order nothing
   else, or ThreadSanitizer would take every check for something that threads agree on. */
static atomic_uint checks;
static atomic_uint failures;

static bool report(bool holds, const char *file, int line, const char *what) {
    atomic_fetch_add_explicit(&checks, 1, memory_order_relaxed);
    if (!holds) {
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return holds;
}

bool check_condition(bool holds, const char *what, const char *file, int line) {
    return report(holds, file, line, what);
}

void check_required(bool holds, const char *what, const char *file, int line) {
    if (report(holds, file, line, what))
        return;
    fprintf(stderr, "the last error of the library on this thread: %s: %s\n",
            anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
    exit(check_finish());
}

bool check_integer(long long actual, long long expected, const char *what, const char *file,
                   int line) {
    bool holds = report(actual == expected, file, line, what);
    if (!holds)
        fprintf(stderr, "  expected %lld, found %lld\n", expected, actual);
    return holds;
}

bool check_string(const char *actual, const char *expected, const char *what, const char *file,
                  int line) {
    bool same =
        actual == NULL || expected == NULL ? actual == expected : strcmp(actual, expected) == 0;
    if (!report(same, file, line, what))
        fprintf(stderr, "  expected %s\n  found    %s\n", expected == NULL ? "NULL" : expected,
                actual == NULL ? "NULL" : actual);
    return same;
}

bool check_bytes(const void *actual, size_t actual_len, const void *expected, size_t expected_len,
                 const char *what, const char *file, int line) {
    bool same = actual_len == expected_len &&
                (expected_len == 0 || memcmp(actual, expected, expected_len) == 0);
    if (!report(same, file, line, what))
        fprintf(stderr, "  %zu bytes expected, %zu found\n", expected_len, actual_len);
    return same;
}

static void print_last_error(void) {
    fprintf(stderr, "  last error: %s: %s\n", anwdl_error_reason_name(anwdl_last_error_reason()),
            anwdl_last_error_message());
}

bool check_status(anwdl_status_t actual, anwdl_status_t expected, const char *what,
                  const char *file, int line) {
    bool holds = check_integer(actual, expected, what, file, line);
    if (!holds && actual < 0)
        print_last_error();
    return holds;
}

bool check_failure(anwdl_status_t actual, anwdl_status_t expected, anwdl_error_reason_t reason,
                   const char *what, const char *file, int line) {
    bool holds = check_status(actual, expected, what, file, line);
    if (!holds)
        return false;
    anwdl_error_reason_t found = anwdl_last_error_reason();
    const char *message = anwdl_last_error_message();
    holds = report(found == reason, file, line, what);
    if (!holds) {
        fprintf(stderr, "  expected the reason %s\n", anwdl_error_reason_name(reason));
        print_last_error();
    }
    return report(message != NULL && message[0] != '\0', file, line, "an error has a message") &&
           holds;
}

int check_finish(void) {
    unsigned ran = atomic_load(&checks);
    unsigned failed = atomic_load(&failures);
    printf("%u checks, %u failed\n", ran, failed);
    return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
