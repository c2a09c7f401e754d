/* ML-KEM-768 (FIPS 203), written for the peer of the tests alone. Not constant in time: never use
   it outside of tests. */
#ifndef ML_KEM_H
#define ML_KEM_H

#include <stdint.h>

enum {
    ML_KEM_ENCAPSULATION_KEY_SIZE = 1184,
    ML_KEM_CIPHERTEXT_SIZE = 1088,
    ML_KEM_SHARED_SIZE = 32,
    ML_KEM_SEED_SIZE = 64,
    ML_KEM_RANK = 3,
    ML_KEM_DEGREE = 256
};

typedef struct {
    uint16_t secret[ML_KEM_RANK][ML_KEM_DEGREE];
    uint8_t encapsulation_key[ML_KEM_ENCAPSULATION_KEY_SIZE];
    uint8_t rejection[32];
} ml_kem_key_t;

void ml_kem_make_key(const uint8_t seed[ML_KEM_SEED_SIZE], ml_kem_key_t *key);

/* `message` is what would be drawn at random. */
void ml_kem_encapsulate(const uint8_t encapsulation_key[ML_KEM_ENCAPSULATION_KEY_SIZE],
                        const uint8_t message[32], uint8_t ciphertext[ML_KEM_CIPHERTEXT_SIZE],
                        uint8_t shared[ML_KEM_SHARED_SIZE]);

void ml_kem_decapsulate(const ml_kem_key_t *key, const uint8_t ciphertext[ML_KEM_CIPHERTEXT_SIZE],
                        uint8_t shared[ML_KEM_SHARED_SIZE]);

#endif
