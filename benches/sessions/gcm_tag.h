/* The tag of AES-256-GCM with additional data, from the tag without.

   The library's wrapper encrypts as fast as the processor can, but takes no additional data, which
   enter the tag alone. Since GHASH is linear, what they add to it depends only on the key, the
   additional data and the length of the ciphertext: three multiplications, however long the message
   is. The GCM of the tests would take longer than what is to be measured. */
#ifndef GCM_TAG_H
#define GCM_TAG_H

#include <stddef.h>
#include <stdint.h>

enum { GCM_TAG_LEN = 16, GCM_LONGEST_AAD = 32 };

/* An element of the field of GHASH. */
typedef struct {
    uint64_t high;
    uint64_t low;
} gcm_block_t;

/* What the correction needs of a key, and of the last length that was asked for. */
typedef struct {
    gcm_block_t h;
    gcm_block_t power;
    uint64_t exponent;
} gcm_tag_t;

void gcm_tag_init(gcm_tag_t *state, const uint8_t key[32]);

/* Turns the tag of a ciphertext without additional data into the one with them, and back. The
   additional data have 17 to 32 bytes. */
void gcm_tag_correct(gcm_tag_t *state, const uint8_t *aad, size_t aad_len, size_t ciphertext_len,
                     uint8_t tag[GCM_TAG_LEN]);

#endif
