/* A program with fork handlers of its own, registered before main(): they take a lock that another
   thread holds while it calls the library, and the one in the child calls it, too. Meanwhile a
   thread is in the log function. During a fork the library leaves the heap alone, whose locks other
   threads may hold in the child. */
#include "check.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 100 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static anwdl_rsa_wrapper_t *wrapper;
static atomic_bool is_over;
static atomic_bool is_logging;
static atomic_uint calls;

/* -- the heap ---------------------------------------------------------------------------------- */

static _Thread_local bool is_forking;
static _Thread_local unsigned uses_of_heap; /* by this thread, while it forks */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) {
    uses_of_heap += is_forking;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    uses_of_heap += is_forking;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    uses_of_heap += is_forking;
    return __libc_realloc(block, size);
}

void free(void *block) {
    uses_of_heap += is_forking;
    __libc_free(block);
}
#endif

/* -- the handlers ------------------------------------------------------------------------------ */

static void take(void) {
    pthread_mutex_lock(&lock);
    is_forking = true; /* the library's handlers come next */
}

static void release(void) {
    is_forking = false;
    pthread_mutex_unlock(&lock);
}

static void release_in_child(void) {
    release();
    anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, NULL); /* waits for log functions to return */
}

__attribute__((constructor)) static void register_handlers(void) {
    if (pthread_atfork(take, release, release_in_child) != 0)
        abort();
}

/* -- the threads ------------------------------------------------------------------------------- */

static void encrypt_text(void) {
    uint8_t *ciphertext = NULL;
    size_t len = 0;
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)"text", 4, true, &ciphertext,
                                           &len) == ANWDL_OK);
    anwdl_bytes_free(ciphertext, len);
}

static void *call_under_lock(void *unused) {
    while (!atomic_load(&is_over)) {
        pthread_mutex_lock(&lock);
        encrypt_text();
        pthread_mutex_unlock(&lock);
        atomic_fetch_add(&calls, 1);
    }
    return unused;
}

static void log_for_ever(anwdl_log_level_t level, const char *client_id, const char *message,
                         void *user_data) {
    (void)level, (void)client_id, (void)message, (void)user_data;
    atomic_store(&is_logging, true);
    for (;;)
        pause();
}

static void *fail(void *unused) {
    anwdl_session_t *session = NULL;
    anwdl_response_t *response = NULL;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, NULL, &session) == ANWDL_OK);
    REQUIRE(anwdl_session_recv_response(session, &response) == ANWDL_RUNTIME_ERROR);
    return unused;
}

/* Whether the child gets through its handlers, and can use the library. */
static bool fork_once(void) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10 * ANWDL_PATIENCE);
        encrypt_text();
        _exit(uses_of_heap == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXIT_SUCCESS && uses_of_heap == 0;
}

/* When the thread-local values of the thread are destroyed already. */
static void fork_at_exit(void) {
    if (!fork_once()) {
        fprintf(stderr, "the child of an atexit() handler did not end as it should\n");
        _exit(EXIT_FAILURE);
    }
}

int main(void) {
    pthread_t caller, logger;
    alarm(60 * ANWDL_PATIENCE); /* ends it if two threads wait for each other */
    wrapper = make_rsa_wrapper("server");
    REQUIRE(anwdl_set_log_callback(ANWDL_LOG_DEBUG, log_for_ever, NULL) == ANWDL_OK);
    REQUIRE(pthread_create(&logger, NULL, fail, NULL) == 0);
    while (!atomic_load(&is_logging))
        sched_yield();
    REQUIRE(pthread_create(&caller, NULL, call_under_lock, NULL) == 0);
    for (unsigned number = 0; number < FORKS; number++) {
        unsigned before = atomic_load(&calls);
        REQUIRE(fork_once());
        while (atomic_load(&calls) == before) /* a mutex is not fair: let the thread have it */
            sched_yield();
    }
    atomic_store(&is_over, true);
    REQUIRE(pthread_join(caller, NULL) == 0);
    CHECK(atomic_load(&calls) >= FORKS);
    REQUIRE(atexit(fork_at_exit) == 0);
    printf("cases: %d forks beside calls under a lock of the program's fork handlers\n", FORKS + 1);
    return check_finish();
}
