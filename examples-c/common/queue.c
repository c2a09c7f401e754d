#include "queue.h"

#include <stddef.h>

void queue_push(queue_t *queue, queue_entry_t *entry) {
    entry->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    if (queue->last != NULL)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
    pthread_mutex_unlock(&queue->mutex);
}

void *queue_pop(queue_t *queue) {
    pthread_mutex_lock(&queue->mutex);
    queue_entry_t *entry = queue->first;
    if (entry != NULL) {
        queue->first = entry->next;
        if (queue->first == NULL)
            queue->last = NULL;
    }
    pthread_mutex_unlock(&queue->mutex);
    return entry != NULL ? entry->owner : NULL;
}
