#include "workers.h"

#include <sys/resource.h>

enum { NICENESS = 10 };

/* Lets loops go first on a processor that they share with the calling thread: a request takes
   microseconds, and the computation for a new client a millisecond. Does nothing where a thread has
   no priority of its own. */
static void let_loops_go_first(void) {
#ifdef __linux__
    /* 0 means the calling thread. */
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
#endif
}

static void *run(void *argument) {
    workers_t *workers = argument;
    let_loops_go_first();
    pthread_mutex_lock(&workers->mutex);
    while (!workers->stops) {
        uint64_t wakes = workers->wakes;
        pthread_mutex_unlock(&workers->mutex);
        bool has_worked = workers->work(workers->context);
        pthread_mutex_lock(&workers->mutex);
        while (!has_worked && !workers->stops && workers->wakes == wakes)
            pthread_cond_wait(&workers->changed, &workers->mutex);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

bool workers_start(workers_t *workers, size_t count, bool (*work)(void *context), void *context) {
    workers->work = work;
    workers->context = context;
    while (workers->count < count && workers->count < MOST_WORKERS) {
        if (pthread_create(&workers->threads[workers->count], NULL, run, workers) != 0)
            return false;
        workers->count++;
    }
    return workers->count == count;
}

void workers_wake(workers_t *workers) {
    pthread_mutex_lock(&workers->mutex);
    workers->wakes++;
    pthread_cond_signal(&workers->changed);
    pthread_mutex_unlock(&workers->mutex);
}

void workers_stop(workers_t *workers) {
    pthread_mutex_lock(&workers->mutex);
    workers->stops = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->mutex);
    while (workers->count > 0)
        pthread_join(workers->threads[--workers->count], NULL);
}
