/* A list of deadlines, the earliest first. All entries of a list have about the same timeout, so a
 * new one belongs near the end. An entry is a member of its owner. */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <stdint.h>

typedef struct deadline {
    void *owner;
    int64_t time; /* as get_time() */
    struct deadlines *list;
    struct deadline *previous;
    struct deadline *next;
} deadline_t;

typedef struct deadlines {
    deadline_t *first;
    deadline_t *last;
} deadlines_t;

/* Moves an entry into a list. The milliseconds count from now; a negative number means no deadline.
 */
void deadlines_put(deadlines_t *list, deadline_t *entry, int milliseconds);

/* Does nothing if the entry is not in a list. */
void deadlines_remove(deadline_t *entry);

/* Milliseconds until the first deadline of either list, as poll() takes them: -1 if there is none.
 */
int deadlines_get_wait(const deadlines_t *one, const deadlines_t *other);

#endif
