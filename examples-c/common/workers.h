/* Threads for work that a loop cannot wait for. */
#ifndef WORKERS_H
#define WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_WORKERS = 256 };

typedef struct {
    bool (*work)(void *context);
    void *context;
    pthread_t threads[MOST_WORKERS];
    size_t count;
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t changed;
    uint64_t wakes; /* so far */
    bool stops;
} workers_t;

#define WORKERS_INITIALIZER                                                                        \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Each of so many threads calls work() again and again. When it returns false, as there is nothing
   to do, the thread waits. False when not all could be started; those that were are to be stopped.
 */
bool workers_start(workers_t *workers, size_t count, bool (*work)(void *context), void *context);

/* There is one thing more to do. From any thread. */
void workers_wake(workers_t *workers);

/* Waits until each is done with what it is at. */
void workers_stop(workers_t *workers);

#endif
