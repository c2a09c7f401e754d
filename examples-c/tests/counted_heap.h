/* The heap of the program: its malloc() and its kin take the place of the C library's. They count
   what the library takes, and fail when they are told to. */
#ifndef COUNTED_HEAP_H
#define COUNTED_HEAP_H

#include <stdbool.h>
#include <stddef.h>

enum { MOST_ALLOCATIONS = 4096 };

extern _Thread_local bool is_counted; /* while the library is at work */
extern long long bytes_in_use;        /* of what was taken then */
extern long long most_in_use;

/* The size of each, in memory that the test shares with its children. */
extern size_t *sizes;

/* Smaller blocks have no number, and never fail. */
extern size_t smallest_numbered;

/* Before all else, and after it. */
void start_heap(void);
void finish_heap(void);

/* Counts anew; from the given allocation on, so many fail. */
void start_counting(size_t failing, size_t failing_count);

/* Forgets the sizes; how many there are since. */
void clear_sizes(void);
size_t count_sizes(void);

#endif
