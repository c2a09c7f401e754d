#include "gcm_tag.h"

#include "bench.h"

#include <anwdl.h>
#include <string.h>

enum { BLOCK_SIZE = 16 };

static gcm_block_t block_from(const uint8_t bytes[BLOCK_SIZE]) {
    gcm_block_t block = {0, 0};
    for (size_t at = 0; at < 8; at++) {
        block.high = block.high << 8 | bytes[at];
        block.low = block.low << 8 | bytes[at + 8];
    }
    return block;
}

static gcm_block_t add(gcm_block_t a, gcm_block_t b) {
    return (gcm_block_t){a.high ^ b.high, a.low ^ b.low};
}

/* The first bit of a block is the coefficient of x^0, and x^128 = x^7 + x^2 + x + 1. */
static gcm_block_t multiply(gcm_block_t a, gcm_block_t b) {
    gcm_block_t product = {0, 0};
    for (unsigned bit = 0; bit < 128; bit++) {
        uint64_t word = bit < 64 ? a.high : a.low;
        uint64_t mask = -(word >> (63 - bit % 64) & 1);
        uint64_t carry = -(b.low & 1);
        product.high ^= b.high & mask;
        product.low ^= b.low & mask;
        b.low = b.low >> 1 | b.high << 63;
        b.high = b.high >> 1 ^ (carry & 0xe100000000000000);
    }
    return product;
}

/* The exponent is at least 1. */
static gcm_block_t power(gcm_block_t base, uint64_t exponent) {
    gcm_block_t result = base;
    for (exponent -= 1; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = multiply(result, base);
        base = multiply(base, base);
    }
    return result;
}

/* H is the encryption of the block of zeros: the first block of CBC with an IV of zeros. */
void gcm_tag_init(gcm_tag_t *state, const uint8_t key[32]) {
    static const uint8_t zeros[BLOCK_SIZE];
    anwdl_aes_wrapper_t *aes = NULL;
    uint8_t *encrypted = NULL;
    size_t len = 0;
    MUST(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &aes) == ANWDL_OK);
    MUST(anwdl_aes_wrapper_set_key(aes, key, 32, zeros, sizeof zeros) == ANWDL_OK);
    MUST(anwdl_aes_wrapper_encrypt_data(aes, zeros, sizeof zeros, &encrypted, &len) == ANWDL_OK);
    memset(state, 0, sizeof *state);
    state->h = block_from(encrypted);
    anwdl_bytes_free(encrypted, len);
    anwdl_aes_wrapper_free(aes);
}

/* GHASH over the additional data A1 A2, m blocks of ciphertext and the block of the lengths is
   A1 H^(m+3) + A2 H^(m+2) + (what the ciphertext gives) + (the length of A) H. */
void gcm_tag_correct(gcm_tag_t *state, const uint8_t *aad, size_t aad_len, size_t ciphertext_len,
                     uint8_t tag[GCM_TAG_LEN]) {
    MUST(aad_len > BLOCK_SIZE && aad_len <= GCM_LONGEST_AAD);
    uint8_t padded[GCM_LONGEST_AAD] = {0};
    uint64_t exponent = (ciphertext_len + BLOCK_SIZE - 1) / BLOCK_SIZE + 2;
    memcpy(padded, aad, aad_len);
    if (state->exponent != exponent) {
        state->power = power(state->h, exponent);
        state->exponent = exponent;
    }
    gcm_block_t first = multiply(block_from(padded), state->h);
    gcm_block_t both = multiply(add(first, block_from(padded + BLOCK_SIZE)), state->power);
    gcm_block_t length = multiply((gcm_block_t){8 * aad_len, 0}, state->h);
    gcm_block_t correction = add(both, length);
    for (size_t at = 0; at < 8; at++) {
        tag[at] ^= (uint8_t)(correction.high >> (56 - 8 * at));
        tag[at + 8] ^= (uint8_t)(correction.low >> (56 - 8 * at));
    }
}
