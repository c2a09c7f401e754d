/* A panic in each exported function, forced by a build of the library that does what ANWDL_PANIC
   says: the caller gets ANWDL_REASON_INTERNAL, and both go on. Each is tried in a process of its
   own, so that one that is not caught is seen as such. */
#include "callers.h"
#include "check.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const IN_A_FUNCTION[] = {"in a function", "in a function, without a text"};
static const char *const IN_AN_OPERATION[] = {"in an operation", "in an operation, without a text"};

/* The functions that have nothing that could fail. */
static const char *const CONSTANTS[] = {"anwdl_version", "anwdl_build_info"};

static bool is_constant(const char *name) {
    for (size_t at = 0; at < sizeof CONSTANTS / sizeof *CONSTANTS; at++)
        if (strcmp(name, CONSTANTS[at]) == 0)
            return true;
    return false;
}

/* One of so many is enough to see that the test can fail. */
enum { SOME = 8 };

static unsigned panics, operations;

static bool expect(bool holds, const function_t *function, const char *what) {
    return check_condition(holds, what, function->name, 0);
}

/* The outcome of a call during which the library is told to panic. */
static outcome_t run_panicking(call_t *call, const char *where, size_t *out_written) {
    setenv("ANWDL_PANIC", where, true);
    outcome_t outcome = run_call_and_look(call, out_written);
    unsetenv("ANWDL_PANIC");
    return outcome;
}

static void check_internal(const function_t *function, const outcome_t *outcome, size_t written) {
    expect(function->returns != RETURNS_STATUS || outcome->status == ANWDL_RUNTIME_ERROR, function,
           "the status is ANWDL_RUNTIME_ERROR");
    expect(has_failed(function, outcome), function, "it returns what it returns after a failure");
    expect(anwdl_last_error_reason() == ANWDL_REASON_INTERNAL, function,
           "the reason is ANWDL_REASON_INTERNAL");
    expect(written == 0, function, "no result is written");
}

static void panic_in_function(const function_t *function) {
    for (int flavour = 0; flavour < 2; flavour++) {
        call_t call;
        size_t written;
        make_call(&call, function);
        forget_last_error();
        outcome_t outcome = run_panicking(&call, IN_A_FUNCTION[flavour], &written);
        check_internal(function, &outcome, written);
        forget_last_error();
        outcome = run_call(&call);
        expect(strcmp(name_of(function, &outcome), expected_outcome(function)) == 0, function,
               "the next call has the usual outcome");
        free_call(&call);
    }
}

/* A panic while a client is made and exchanges its keys: the descriptor is the caller's, and open,
   as after every failure of anwdl_client_new(). */
static void panic_in_creation(void) {
    anwdl_client_options_t *options = make_server_options();
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK_OK(anwdl_client_options_set_timeout(options, 5000));
    for (int flavour = 0; flavour < 2; flavour++) {
        anwdl_client_t *client = NULL;
        setenv("ANWDL_PANIC", IN_AN_OPERATION[flavour], true);
        anwdl_status_t status = anwdl_client_new(fds[0], options, &client);
        unsetenv("ANWDL_PANIC");
        CHECK(status == ANWDL_RUNTIME_ERROR && anwdl_last_error_reason() == ANWDL_REASON_INTERNAL);
        CHECK(client == NULL);
        CHECK(is_open(fds[0]));
    }
    close(fds[0]);
    close(fds[1]);
    anwdl_client_options_free(options);
}

/* Only what moves a session is an operation; the session is over then. */
static bool is_operation(const function_t *function, handle_type_t type) {
    return method_of(function, type) != NULL &&
           (function->reasons & REASON_BIT(ANWDL_REASON_SESSION_FAILED)) != 0;
}

static void panic_in_operation(const function_t *function, handle_type_t type) {
    for (int flavour = 0; flavour < 2; flavour++) {
        handle_t handle = make_handle(type, EXCHANGED);
        call_t call;
        size_t written;
        make_call_on(&call, function, &handle);
        forget_last_error();
        outcome_t outcome = run_panicking(&call, IN_AN_OPERATION[flavour], &written);
        check_internal(function, &outcome, written);
        forget_last_error();
        outcome = run_call(&call);
        expect(strcmp(name_of(function, &outcome), "SESSION_FAILED") == 0, function,
               "the session is over");
        free_call(&call);
        free_handle(&handle);
    }
}

static void panic_in(const function_t *function, bool in_operation) {
    if (!in_operation)
        panic_in_function(function);
    for (int type = 0; in_operation && type < HANDLE_TYPES; type++)
        if (is_operation(function, type))
            panic_in_operation(function, type);
}

/* Prints what the process wrote: all of it if it failed, else only what was broken on purpose. */
static void tell(FILE *report, bool failed) {
    char line[1024];
    rewind(report);
    while (fgets(line, sizeof line, report) != NULL)
        if (failed || starts_with(line, "negative control: "))
            fputs(line, stderr);
}

static bool has_reported(FILE *report) {
    char line[1024];
    rewind(report);
    while (fgets(line, sizeof line, report) != NULL)
        if (strstr(line, "panicked at") != NULL)
            return true;
    return false;
}

static void try_in_process(const function_t *function, bool in_operation) {
    FILE *report = tmpfile();
    int status = -1;
    REQUIRE(report != NULL);
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        setenv("RUST_BACKTRACE", "0", true); /* which would take most of the time */
        dup2(fileno(report), STDERR_FILENO);
        freopen("/dev/null", "w", stdout);
        panic_in(function, in_operation);
        _exit(check_finish());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    bool holds = expect(WIFEXITED(status), function, "the process goes on") &&
                 expect(WEXITSTATUS(status) == EXIT_SUCCESS, function, "the panic stays inside") &&
                 expect(has_reported(report), function, "standard error has a report");
    tell(report, !holds);
    fclose(report);
}

int main(int argc, char **argv) {
    unsigned constants = 0;
    bool all = argc < 2 || strcmp(argv[1], "--some") != 0;
    for (size_t at = 0; at < FUNCTION_COUNT; at += all ? 1 : SOME) {
        const function_t *function = &FUNCTIONS[at];
        bool is_one = false;
        if (is_constant(function->name)) {
            constants++;
            continue;
        }
        panics++;
        try_in_process(function, false);
        for (int type = 0; type < HANDLE_TYPES; type++)
            is_one = is_one || is_operation(function, type);
        operations += is_one;
        if (is_one)
            try_in_process(function, true);
    }
    panic_in_creation();
    /* What gives a constant has no place to panic at. */
    CHECK(!all || (constants == 2 && panics == FUNCTION_COUNT - constants));
    printf("cases: %u functions with a panic inside, with and without a text\n", panics);
    printf("cases: %u operations with a panic that ended the session\n", operations);
    return check_finish();
}
