#include "memory_scan.h"

#include "check.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8, MOST_PIECES = 8192, MOST_TOLD = 20 };

static const uint64_t MASK = 0xa5c3965a3cf0695a;

typedef struct {
    const char *label;
    size_t offset;
    uint64_t masked;
} piece_t;

static piece_t pieces[MOST_PIECES];
static size_t piece_count;
static size_t scan_count;

/* The pieces by their first two bytes: most places in memory begin none. */
static uint8_t begins[1 << 16];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(const char *label, const uint8_t *bytes, size_t len, bool reversed) {
    pthread_mutex_lock(&lock);
    for (size_t at = 0; at + PIECE <= len; at += PIECE) {
        REQUIRE(piece_count < MOST_PIECES);
        piece_t *piece = &pieces[piece_count++];
        uint8_t *masked = (uint8_t *)&piece->masked;
        const uint8_t *mask = (const uint8_t *)&MASK;
        for (size_t byte = 0; byte < PIECE; byte++)
            masked[byte] = bytes[at + (reversed ? PIECE - 1 - byte : byte)] ^ mask[byte];
        piece->label = label;
        piece->offset = at;
        uint16_t start;
        memcpy(&start, masked, sizeof start);
        begins[start] = 1;
    }
    pthread_mutex_unlock(&lock);
}

void remember_secret(const char *label, const void *bytes, size_t len) {
    remember(label, bytes, len, false);
}

void remember_reversed(const char *label, const void *bytes, size_t len) {
    remember(label, bytes, len, true);
}

void forget_secrets(void) {
    piece_count = 0;
    memset(begins, 0, sizeof begins);
}

size_t count_secrets(void) {
    return piece_count;
}

size_t count_scans(void) {
    return scan_count;
}

static size_t look_at(const uint8_t *from, const uint8_t *to, const char *mapping, size_t *told) {
    size_t found = 0;
    uint16_t start_mask;
    memcpy(&start_mask, &MASK, sizeof start_mask);
    for (const uint8_t *at = from; at + PIECE <= to; at++) {
        uint16_t start;
        memcpy(&start, at, sizeof start);
        if (!begins[start ^ start_mask])
            continue;
        uint64_t masked;
        memcpy(&masked, at, sizeof masked);
        masked ^= MASK;
        for (size_t piece = 0; piece < piece_count; piece++) {
            if (pieces[piece].masked != masked)
                continue;
            found++;
            if (told != NULL && (*told)++ < MOST_TOLD)
                fprintf(stderr, "  %s, bytes %zu to %zu, at %p in %s", pieces[piece].label,
                        pieces[piece].offset, pieces[piece].offset + PIECE, (const void *)at,
                        mapping);
            break;
        }
    }
    return found;
}

static size_t scan(size_t *told) {
    static char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t found = 0;
    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        char rights[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3 &&
            rights[0] == 'r' && rights[1] == 'w')
            found += look_at((const uint8_t *)from, (const uint8_t *)to, line, told);
    }
    fclose(maps);
    return found;
}

size_t find_secrets(void) {
    return scan(NULL);
}

void check_no_secrets(const char *when) {
    size_t told = 0;
    scan_count++;
    size_t found = scan(&told);
    if (found > 0)
        fprintf(stderr, "%s: found %zu pieces of secrets, see above\n", when, found);
    CHECK_INTEGER(found, 0);
}
