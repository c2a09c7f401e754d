/* A first-in, first-out queue between threads. An entry is a member of its owner. */
#ifndef QUEUE_H
#define QUEUE_H

#include <pthread.h>

typedef struct queue_entry {
    void *owner; /* set before it is pushed */
    struct queue_entry *next;
} queue_entry_t;

typedef struct {
    pthread_mutex_t mutex; /* for the members below */
    queue_entry_t *first;
    queue_entry_t *last;
} queue_t;

#define QUEUE_INITIALIZER                                                                          \
    { PTHREAD_MUTEX_INITIALIZER, NULL, NULL }

void queue_push(queue_t *queue, queue_entry_t *entry);

/* Returns the owner of the first entry; NULL if the queue is empty. */
void *queue_pop(queue_t *queue);

#endif
