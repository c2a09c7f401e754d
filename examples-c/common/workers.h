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
    pthread_mutex_t mutex; /* for the members below */
    pthread_cond_t changed;
    uint64_t wakes; /* so far */
    bool stops;
} workers_t;

#define WORKERS_INITIALIZER                                                                        \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Starts this many threads, which call work() again and again. If it returns false, there is no
 * work, and the thread waits. Returns false if not all threads started; stop them then, too. */
bool workers_start(workers_t *workers, size_t count, bool (*work)(void *context), void *context);

/* There is more work. Call it on any thread. */
void workers_wake(workers_t *workers);

/* Waits until each thread has finished its current work. */
void workers_stop(workers_t *workers);

#endif
