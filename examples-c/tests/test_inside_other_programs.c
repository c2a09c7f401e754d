/* The library inside somebody's process: threads that are cancelled while they are in a call, forks
   while other threads are, calls at the end of a thread and of the process, small stacks. */
#include "check.h"
#include "conversation.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_SECONDS = 60,
    STACK_SIZE = 64 * 1024,       /* as the header says */
    STACK_SIZE_OF_GCM = 96 * 1024 /* without AWS-LC */
};

/* -- processes and threads --------------------------------------------------------------------- */

/* Runs a function in a child, which ends by an alarm if it hangs; gives the exit status, or -1. */
static int run_in_child(int (*run)(void)) {
    int status;
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(ANWDL_PATIENCE * MOST_SECONDS);
        _exit(run());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* -- cancellation ------------------------------------------------------------------------------ */

typedef struct {
    anwdl_client_t *client;
    _Atomic pid_t thread;
    _Atomic int status;
    anwdl_error_reason_t reason;
    int earlier_state;
} waiting_t;

static void *wait_for_request(void *context) {
    waiting_t *waiting = context;
    waiting->thread = (pid_t)syscall(SYS_gettid);
    waiting->status = anwdl_client_recv_request(waiting->client, true, NULL);
    waiting->reason = anwdl_last_error_reason();
    /* The call left the thread as it was: it can be cancelled. */
    REQUIRE(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &waiting->earlier_state) == 0);
    pthread_testcancel();
    return waiting;
}

static void test_cancellation(void) {
    int ends[2];
    pthread_t thread;
    void *result = NULL;
    waiting_t waiting = {.thread = 0, .status = 1, .earlier_state = -1};
    anwdl_client_options_t *options = make_shared_key_options();
    make_tcp_pair(ends);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &waiting.client) == ANWDL_OK);
    REQUIRE(pthread_create(&thread, NULL, wait_for_request, &waiting) == 0);
    while (waiting.thread == 0 || !is_asleep(waiting.thread))
        sched_yield();
    REQUIRE(pthread_cancel(thread) == 0);
    CHECK_INTEGER(waiting.status, 1); /* it still waits */
    close(ends[PEER_SIDE]);
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_INTEGER(waiting.status, ANWDL_RUNTIME_ERROR);
    CHECK_INTEGER(waiting.reason, ANWDL_REASON_PEER_CLOSED);
    CHECK_INTEGER(waiting.earlier_state, PTHREAD_CANCEL_ENABLE);
    anwdl_client_free(waiting.client);
    anwdl_client_options_free(options);
}

/* -- fork() while another thread is in the log callback ---------------------------------------- */

static atomic_bool is_in_callback, may_return;

static void stay(anwdl_log_level_t level, const char *client_id, const char *message, void *data) {
    (void)level, (void)client_id, (void)message, (void)data;
    is_in_callback = true;
    while (!may_return)
        sched_yield();
}

static void *log_something(void *context) {
    (void)context;
    int ends[2];
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = make_shared_key_options();
    make_tcp_pair(ends);
    close(ends[PEER_SIDE]);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_PEER_CLOSED);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    return NULL;
}

static int take_callback_off(void) {
    return anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL) == ANWDL_OK ? 0 : 1;
}

static void test_fork_beside_the_callback(void) {
    pthread_t thread;
    REQUIRE(anwdl_set_log_callback(ANWDL_LOG_DEBUG, stay, NULL) == ANWDL_OK);
    REQUIRE(pthread_create(&thread, NULL, log_something, NULL) == 0);
    while (!is_in_callback)
        sched_yield();
    CHECK_INTEGER(run_in_child(take_callback_off), 0);
    may_return = true;
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
}

/* The callback itself forks. */
static int status_of_forked_callback = -1;

static int log_in_child(void) {
    return anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL) == ANWDL_OK ? 0 : 1;
}

static void fork_in_callback(anwdl_log_level_t level, const char *client_id, const char *message,
                             void *data) {
    (void)level, (void)client_id, (void)message, (void)data;
    if (status_of_forked_callback == -1)
        status_of_forked_callback = run_in_child(log_in_child);
}

static void test_fork_in_the_callback(void) {
    REQUIRE(anwdl_set_log_callback(ANWDL_LOG_DEBUG, fork_in_callback, NULL) == ANWDL_OK);
    log_something(NULL);
    CHECK_INTEGER(status_of_forked_callback, 0);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
}

/* -- fork() while another thread makes the key pair of the process ----------------------------- */

static atomic_bool is_making, has_made;

/* Without keys of its own, a session takes those of the process, and makes them. */
static int need_key_pair(void) {
    anwdl_session_t *session = NULL;
    if (anwdl_session_new(ANWDL_ROLE_SERVER, NULL, &session) != ANWDL_OK)
        return 1;
    anwdl_status_t status = anwdl_session_exchange_keys(session, false);
    bool has_key = anwdl_session_get_rsa_wrapper(session) != NULL;
    anwdl_session_free(session);
    return status == ANWDL_WANT_WRITE && has_key ? 0 : 2;
}

static void *make_key_pair(void *context) {
    (void)context;
    is_making = true;
    REQUIRE(need_key_pair() == 0);
    has_made = true;
    return NULL;
}

/* In a child: the fork beside it, or 3 if the thread was too fast for it. */
static int fork_beside_the_making(void) {
    pthread_t thread;
    clockid_t clock;
    struct timespec spent = {0};
    REQUIRE(pthread_create(&thread, NULL, make_key_pair, NULL) == 0);
    REQUIRE(pthread_getcpuclockid(thread, &clock) == 0);
    /* It takes hundreds of milliseconds. */
    while (!is_making || spent.tv_nsec < 5000000)
        REQUIRE(clock_gettime(clock, &spent) == 0);
    int status = run_in_child(need_key_pair);
    return has_made && status == 0 ? 3 : status;
}

static void test_fork_beside_the_making(void) {
    int status;
    int tries = 0;
    do {
        status = run_in_child(fork_beside_the_making);
    } while (status == 3 && ++tries < 20);
    CHECK(status == 0 || status == 3);
}

/* -- late calls -------------------------------------------------------------------------------- */

/* A failure, and what a program that decides by its reason needs. */
static bool fails_with_reason(void) {
    anwdl_client_t *client = NULL;
    return anwdl_client_new(-1, NULL, &client) == ANWDL_VALUE_ERROR &&
           anwdl_last_error_reason() == ANWDL_REASON_INVALID_DESCRIPTOR &&
           strstr(anwdl_last_error_message(), "-1") != NULL;
}

static pthread_key_t destructed;
static atomic_int late_successes;

/* The system calls it again for as long as there is a value: so that it runs after all others. */
static void fail_late(void *value) {
    uintptr_t round = (uintptr_t)value;
    late_successes += fails_with_reason();
    if (round < 3)
        REQUIRE(pthread_setspecific(destructed, (void *)(round + 1)) == 0);
}

static void *end_late(void *context) {
    CHECK(fails_with_reason()); /* the library's own thread-local values are older */
    REQUIRE(pthread_setspecific(destructed, (void *)1) == 0);
    return context;
}

static void test_late_calls_of_a_thread(void) {
    pthread_t thread;
    REQUIRE(pthread_key_create(&destructed, fail_late) == 0);
    REQUIRE(pthread_create(&thread, NULL, end_late, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    REQUIRE(pthread_key_delete(destructed) == 0);
    CHECK_INTEGER(late_successes, 3);
}

static bool is_exiting;

static void fail_at_exit(void) {
    if (!fails_with_reason())
        _exit(4);
    is_exiting = true;
}

__attribute__((destructor)) static void fail_at_the_very_end(void) {
    if (is_exiting)
        _exit(fails_with_reason() ? 0 : 5);
}

static int end_process(void) {
    if (atexit(fail_at_exit) != 0 || !fails_with_reason())
        return 6;
    exit(7); /* the destructor has another one */
}

static void test_late_calls_of_a_process(void) {
    CHECK_INTEGER(run_in_child(end_process), 0);
}

/* -- stacks ------------------------------------------------------------------------------------ */

static void *play_session(void *context) {
    anwdl_client_options_t *options = make_server_options();
    if (context != NULL) /* gcm */
        REQUIRE(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_GCM) == ANWDL_OK);
    hold_conversation(options);
    anwdl_client_options_free(options);
    return NULL;
}

static void *generate_keys(void *context) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    CHECK_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048));
    anwdl_rsa_wrapper_free(wrapper);
    return context;
}

/* Not every system makes one as small as that: on aarch64, no thread has less than 128 KiB. */
static void set_stack_size(pthread_attr_t *attributes, long size) {
    long least = sysconf(_SC_THREAD_STACK_MIN);
    REQUIRE(pthread_attr_setstacksize(attributes, (size_t)(size < least ? least : size)) == 0);
}

static void test_small_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    bool is_gcm = true;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    set_stack_size(&attributes, STACK_SIZE);
    REQUIRE(pthread_create(&thread, &attributes, play_session, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    if (strstr(anwdl_build_info(), "AWS-LC") == NULL)
        set_stack_size(&attributes, STACK_SIZE_OF_GCM);
    REQUIRE(pthread_create(&thread, &attributes, play_session, &is_gcm) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    set_stack_size(&attributes, STACK_SIZE);
    REQUIRE(pthread_create(&thread, &attributes, generate_keys, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    REQUIRE(pthread_attr_destroy(&attributes) == 0);
}

int main(void) {
    alarm(ANWDL_PATIENCE * 2 * MOST_SECONDS);
    test_cancellation();
    test_fork_beside_the_callback();
    test_fork_in_the_callback();
    test_fork_beside_the_making();
    test_late_calls_of_a_thread();
    test_late_calls_of_a_process();
    test_small_stack();
    return check_finish();
}
