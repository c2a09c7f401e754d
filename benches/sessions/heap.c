#include "heap.h"

#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* By these names the GNU C library keeps its own functions for those who replace the usual ones. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

enum { BOOKKEEPING = 8, MAPPING_THRESHOLD = 128 * 1024 };

static _Thread_local heap_count_t *current;

void heap_start(heap_count_t *count) {
    current = count;
}

void heap_stop(void) {
    current = NULL;
}

void heap_fix_mapping_threshold(void) {
    MUST(mallopt(M_MMAP_THRESHOLD, MAPPING_THRESHOLD) == 1);
}

static int64_t size_of(void *block) {
    return block == NULL ? 0 : (int64_t)malloc_usable_size(block) + BOOKKEEPING;
}

static void add(int64_t size) {
    current->live += size;
    if (current->live > current->peak)
        current->peak = current->live;
}

static void *count_new(void *block) {
    if (current != NULL && block != NULL) {
        add(size_of(block));
        current->allocations++;
    }
    return block;
}

void *malloc(size_t size) {
    return count_new(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return count_new(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    if (current == NULL)
        return __libc_realloc(block, size);
    int64_t old_size = size_of(block);
    void *moved = __libc_realloc(block, size);
    if (moved == NULL && size > 0)
        return NULL;
    int64_t new_size = size_of(moved);
    bool was_copied =
        moved != block && (old_size < MAPPING_THRESHOLD || new_size < MAPPING_THRESHOLD);
    current->live -= was_copied ? 0 : old_size;
    add(new_size);
    current->live -= was_copied ? old_size : 0;
    current->allocations++;
    return moved;
}

void free(void *block) {
    if (current != NULL)
        current->live -= size_of(block);
    __libc_free(block);
}

void *memalign(size_t alignment, size_t size) {
    return count_new(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made = memalign(alignment, size);
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}
