/* A peer that is gone costs no process its life: every function of a client and a client interface,
   in each state, in a process that SIGPIPE would end. */
#include "callers.h"
#include "check.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the processes tell each other. */
static struct {
    const function_t *function; /* the one that is called now */
    unsigned calls;
    unsigned broken_pipes; /* calls that failed with EPIPE, which raises the signal if it may */
    unsigned failures;
} * shared;

static void call_without_peer(handle_type_t type, state_t state, const function_t *function,
                              bool speaks_first) {
    handle_t handle = make_handle(type, state);
    hang_up(&handle, state, speaks_first);
    call_t call;
    make_call_on(&call, function, &handle);
    shared->function = function;
    for (int round = 0; round < 2; round++) {
        forget_last_error();
        outcome_t outcome = run_call(&call);
        shared->calls++;
        if (!CHECK(is_documented(function, &outcome)))
            fprintf(stderr, "  %s: %s\n", function->name, anwdl_last_error_message());
        if (has_failed(function, &outcome)) {
            shared->failures++;
            shared->broken_pipes += anwdl_last_error_errno() == EPIPE;
        }
    }
    free_call(&call);
    free_handle(&handle);
}

static void play(handle_type_t type, state_t state) {
    for (size_t at = 0; at < FUNCTION_COUNT; at++) {
        const char *method = method_of(&FUNCTIONS[at], type);
        /* The library's own descriptor of a detached client is gone already. */
        if (method == NULL || strcmp(method, "free") == 0 || strcmp(method, "detach") == 0)
            continue;
        for (int speaks_first = 0; speaks_first <= 1; speaks_first++)
            call_without_peer(type, state, &FUNCTIONS[at], speaks_first);
    }
}

static void test(handle_type_t type, state_t state) {
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        freopen("/dev/null", "w", stdout);
        play(type, state);
        _exit(check_finish());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    if (!CHECK(WIFEXITED(status)) || !CHECK(WEXITSTATUS(status) == EXIT_SUCCESS))
        fprintf(stderr, "  %s of %s %s: signal %d\n", shared->function->name, prefix_of(type),
                STATE_NAMES[state], WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(void) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    for (int state = 0; state < STATES; state++) {
        if (has_state(CLIENT, state))
            test(CLIENT, state);
        test(INTERFACE, state);
    }
    CHECK(shared->broken_pipes >= 10);
    printf("cases: %u calls on a connection whose peer is gone\n", shared->calls);
    printf("cases: %u of them that failed with EPIPE\n", shared->broken_pipes);
    return check_finish();
}
