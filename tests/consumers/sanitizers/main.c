/* A program that is compiled with a sanitizer and that has threads: each holds conversations of its
 * own, and one callback hears of all of them. */
#include "program/conversation.h"

#include <anwdl.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 2 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t messages;

static void count(anwdl_log_level_t level, const char *client_id, const char *message, void *data) {
    (void)level;
    (void)client_id;
    (void)data;
    pthread_mutex_lock(&mutex);
    messages += message[0] != '\0';
    pthread_mutex_unlock(&mutex);
}

static void *run(void *status) {
    *(int *)status = converse();
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    int statuses[THREADS];
    size_t at;
    if (anwdl_set_log_callback(ANWDL_LOG_DEBUG, count, NULL) != ANWDL_OK)
        return EXIT_FAILURE;
    for (at = 0; at < THREADS; at++)
        if (pthread_create(&threads[at], NULL, run, &statuses[at]) != 0)
            return EXIT_FAILURE;
    for (at = 0; at < THREADS; at++)
        if (pthread_join(threads[at], NULL) != 0 || statuses[at] != EXIT_SUCCESS)
            return EXIT_FAILURE;
    if (anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL) != ANWDL_OK)
        return EXIT_FAILURE;
    return messages > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
