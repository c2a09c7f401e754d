/* Counts what a thread takes from the heap: malloc() and its relatives are replaced in the programs
   that link this, and so in the library that they load. */
#ifndef HEAP_H
#define HEAP_H

#include <stdint.h>

/* In bytes that blocks have, which is up to 15 more than were asked for, plus 8 for what the C
   library keeps in front of each. */
typedef struct {
    int64_t live; /* taken and not given back; negative when blocks from before were freed */
    int64_t peak; /* the most that was live */
    int64_t allocations;
} heap_count_t;

/* From here on, what the calling thread does is added to the count, until heap_stop(). */
void heap_start(heap_count_t *count);
void heap_stop(void);

/* Settles from which size on a block is remapped instead of copied when it grows, so that it can be
   told whether old and new were live at once. Else the C library chooses as it goes. */
void heap_fix_mapping_threshold(void);

#endif
