/* The checks of the tests: each failure says where and what, and the program goes on. */
#ifndef CHECK_H
#define CHECK_H

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>

/* A condition. */
#define CHECK(condition) check_condition((condition), #condition, __FILE__, __LINE__)

/* A condition without which the rest of the test makes no sense: ends the program. */
#define REQUIRE(condition) check_required((condition), #condition, __FILE__, __LINE__)

/* Two integers, compared as long long. */
#define CHECK_INTEGER(actual, expected)                                                            \
    check_integer((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)

/* Two strings, of which either may be NULL. */
#define CHECK_STRING(actual, expected)                                                             \
    check_string((actual), (expected), #actual, __FILE__, __LINE__)

/* Two runs of bytes. */
#define CHECK_BYTES(actual, actual_len, expected, expected_len)                                    \
    check_bytes((actual), (actual_len), (expected), (expected_len), #actual, __FILE__, __LINE__)

/* A call that must return a status; one that must return ANWDL_OK shows the error when it fails. */
#define CHECK_STATUS(call, expected) check_status((call), (expected), #call, __FILE__, __LINE__)
#define CHECK_OK(call)               CHECK_STATUS((call), ANWDL_OK)

/* A call that must fail with this status and this reason, and leave a message. */
#define CHECK_FAILURE(call, status, reason)                                                        \
    check_failure((call), (status), (reason), #call, __FILE__, __LINE__)

bool check_condition(bool holds, const char *what, const char *file, int line);
void check_required(bool holds, const char *what, const char *file, int line);
bool check_integer(long long actual, long long expected, const char *what, const char *file,
                   int line);
bool check_string(const char *actual, const char *expected, const char *what, const char *file,
                  int line);
bool check_bytes(const void *actual, size_t actual_len, const void *expected, size_t expected_len,
                 const char *what, const char *file, int line);
bool check_status(anwdl_status_t actual, anwdl_status_t expected, const char *what,
                  const char *file, int line);
bool check_failure(anwdl_status_t actual, anwdl_status_t expected, anwdl_error_reason_t reason,
                   const char *what, const char *file, int line);

/* Prints how many checks ran and failed; returns the exit status of the program. A test that
   checked nothing has failed. */
int check_finish(void);

#endif
