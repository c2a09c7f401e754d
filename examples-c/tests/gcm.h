/* AES-256-GCM with additional data, SHA-256 and HKDF, written for the peer of the tests alone: the
   library's wrapper takes no additional data, and a peer that used the library's own record layer
   would share its mistakes. Slow and not constant in time: never use it outside of tests. */
#ifndef GCM_H
#define GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_NONCE_SIZE = 12, GCM_TAG_SIZE = 16, SHA256_SIZE = 32 };

typedef struct {
    uint32_t state[8];
    uint8_t block[64];
    uint64_t length;
} sha256_t;

void sha256_start(sha256_t *hash);
void sha256_add(sha256_t *hash, const void *bytes, size_t len);
void sha256_finish(sha256_t *hash, uint8_t digest[SHA256_SIZE]);

/* HKDF-SHA-256 with one block of output. */
void hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *input, size_t input_len,
                 const char *info, uint8_t key[32]);

void gcm_seal(const uint8_t key[32], const uint8_t nonce[GCM_NONCE_SIZE], const uint8_t *aad,
              size_t aad_len, const uint8_t *plaintext, size_t len, uint8_t *ciphertext,
              uint8_t tag[GCM_TAG_SIZE]);

/* False when the tag does not fit; the plaintext is written all the same. */
bool gcm_open(const uint8_t key[32], const uint8_t nonce[GCM_NONCE_SIZE], const uint8_t *aad,
              size_t aad_len, const uint8_t *ciphertext, size_t len,
              const uint8_t tag[GCM_TAG_SIZE], uint8_t *plaintext);

#endif
