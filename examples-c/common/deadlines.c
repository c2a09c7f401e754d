#include "deadlines.h"

#include "server_options.h"

void deadlines_remove(deadline_t *entry) {
    if (entry->list == NULL)
        return;
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        entry->list->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        entry->list->last = entry->previous;
    entry->list = NULL;
}

/* Searches from the end, because a new entry is usually the last. */
void deadlines_put(deadlines_t *list, deadline_t *entry, int milliseconds) {
    deadlines_remove(entry);
    entry->list = list;
    entry->time = milliseconds < 0 ? INT64_MAX : get_time() + milliseconds;
    entry->previous = list->last;
    while (entry->previous != NULL && entry->previous->time > entry->time)
        entry->previous = entry->previous->previous;
    entry->next = entry->previous != NULL ? entry->previous->next : list->first;
    if (entry->previous != NULL)
        entry->previous->next = entry;
    else
        list->first = entry;
    if (entry->next != NULL)
        entry->next->previous = entry;
    else
        list->last = entry;
}

int deadlines_get_wait(const deadlines_t *one, const deadlines_t *other) {
    int64_t first = INT64_MAX;
    if (one->first != NULL)
        first = one->first->time;
    if (other->first != NULL && other->first->time < first)
        first = other->first->time;
    if (first == INT64_MAX)
        return -1;
    int64_t left = first - get_time();
    return left > 0 ? (int)left : 0;
}
