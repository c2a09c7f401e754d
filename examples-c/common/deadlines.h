/* Sorted by time: what is over stands at the beginning. The entries of a list are given about the
   same time, so that a new one belongs near the end. An entry is a part of what it stands for. */
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

/* Puts an entry into a list, from whichever it is in. The milliseconds count from now on; below 0,
   there are no end of them. */
void deadlines_put(deadlines_t *list, deadline_t *entry, int milliseconds);

/* Does nothing to an entry that is in no list. */
void deadlines_remove(deadline_t *entry);

/* Milliseconds until the first deadline of either list, as poll() takes them: -1 if there is none.
 */
int deadlines_get_wait(const deadlines_t *one, const deadlines_t *other);

#endif
