#include "counted_heap.h"

#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local bool is_counted;
long long bytes_in_use;
long long most_in_use;
size_t *sizes;
size_t smallest_numbered;
static size_t allocations;
static size_t failing;       /* the number of the first one that fails, */
static size_t failing_count; /* and how many do */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

enum { SIZES = MOST_ALLOCATIONS * sizeof(size_t) };

void start_heap(void) {
    sizes = mmap(NULL, SIZES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(sizes != MAP_FAILED);
}

void finish_heap(void) {
    munmap(sizes, SIZES);
}

void clear_sizes(void) {
    memset(sizes, 0, SIZES);
}

size_t count_sizes(void) {
    size_t count = 0;
    while (count < MOST_ALLOCATIONS && sizes[count] != 0)
        count++;
    REQUIRE(count < MOST_ALLOCATIONS);
    return count;
}

void start_counting(size_t new_failing, size_t new_failing_count) {
    bytes_in_use = most_in_use = 0;
    allocations = 0;
    failing = new_failing;
    failing_count = new_failing_count;
}

static bool fails(size_t size) {
    if (!is_counted || size < smallest_numbered)
        return false;
    if (allocations < MOST_ALLOCATIONS)
        sizes[allocations] = size;
    size_t number = allocations++;
    return number >= failing && number - failing < failing_count;
}

static void *count_block(void *block) {
    if (is_counted && block != NULL) {
        bytes_in_use += (long long)malloc_usable_size(block);
        if (bytes_in_use > most_in_use)
            most_in_use = bytes_in_use;
    }
    return block;
}

static void uncount_block(void *block) {
    if (is_counted && block != NULL)
        bytes_in_use -= (long long)malloc_usable_size(block);
}

void *malloc(size_t size) {
    return fails(size) ? NULL : count_block(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return fails(count * size) ? NULL : count_block(__libc_calloc(count, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(size) ? NULL : count_block(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = aligned_alloc(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

void free(void *block) {
    uncount_block(block);
    __libc_free(block);
}

void *realloc(void *block, size_t size) {
    if (fails(size))
        return NULL;
    uncount_block(block);
    void *resized = __libc_realloc(block, size);
    if (resized == NULL && size != 0)
        return count_block(block), NULL;
    return count_block(resized);
}
