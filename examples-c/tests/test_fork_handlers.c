/* A program with fork handlers of its own, registered before its first call of the library: they
   take a lock that other threads hold while they call the library, and the one in the child calls
   it, too. */
#include "check.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 300 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static anwdl_rsa_wrapper_t *wrapper;
static atomic_bool is_over;
static atomic_uint calls;

static void take(void) {
    pthread_mutex_lock(&lock);
}

static void release(void) {
    pthread_mutex_unlock(&lock);
}

static void release_in_child(void) {
    release();
    anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, NULL); /* takes a lock of the library */
}

static void encrypt_text(void) {
    uint8_t *ciphertext = NULL;
    size_t len = 0;
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)"text", 4, true, &ciphertext,
                                           &len) == ANWDL_OK);
    anwdl_bytes_free(ciphertext, len);
}

static void *call_under_lock(void *unused) {
    while (!atomic_load(&is_over)) {
        take();
        encrypt_text();
        release();
        atomic_fetch_add(&calls, 1);
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    REQUIRE(pthread_atfork(take, release, release_in_child) == 0);
    alarm(60 * ANWDL_PATIENCE); /* ends it if the two wait for each other */
    wrapper = make_rsa_wrapper("server");
    REQUIRE(pthread_create(&thread, NULL, call_under_lock, NULL) == 0);
    for (unsigned fork_number = 0; fork_number < FORKS; fork_number++) {
        unsigned before = atomic_load(&calls);
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            alarm(10 * ANWDL_PATIENCE);
            encrypt_text();
            _exit(EXIT_SUCCESS);
        }
        int status = -1;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
        while (atomic_load(&calls) == before) /* a mutex is not fair: let the thread have it */
            sched_yield();
    }
    atomic_store(&is_over, true);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(atomic_load(&calls) >= FORKS);
    anwdl_rsa_wrapper_free(wrapper);
    printf("cases: %d forks beside calls under a lock of the program's fork handlers\n", FORKS);
    return check_finish();
}
