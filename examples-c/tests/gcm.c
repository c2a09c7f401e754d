#include "gcm.h"

#include "check.h"

#include <anwdl.h>
#include <string.h>

static const uint32_t ROUND_CONSTANTS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, unsigned by) {
    return value >> by | value << (32 - by);
}

static void sha256_block(sha256_t *hash) {
    uint32_t words[64];
    uint32_t s[8];
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *at = hash->block + 4 * i;
        words[i] =
            (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];
        words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, hash->state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + ROUND_CONSTANTS[i] + words[i];
        uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        hash->state[i] += s[i];
}

void sha256_start(sha256_t *hash) {
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, initial, sizeof initial);
}

void sha256_add(sha256_t *hash, const void *bytes, size_t len) {
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i++) {
        hash->block[hash->length++ % 64] = from[i];
        if (hash->length % 64 == 0)
            sha256_block(hash);
    }
}

void sha256_finish(sha256_t *hash, uint8_t digest[SHA256_SIZE]) {
    uint64_t bits = hash->length * 8;
    uint8_t byte = 0x80;
    do {
        sha256_add(hash, &byte, 1);
        byte = 0;
    } while (hash->length % 64 != 56);
    for (unsigned shift = 64; shift > 0;) {
        shift -= 8;
        byte = (uint8_t)(bits >> shift);
        sha256_add(hash, &byte, 1);
    }
    for (size_t i = 0; i < SHA256_SIZE; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* The key of an HMAC is no longer than a block wherever it is used here. */
static void hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                        uint8_t digest[SHA256_SIZE]) {
    uint8_t inner_pad[64];
    uint8_t outer_pad[64];
    sha256_t hash;
    for (size_t i = 0; i < sizeof inner_pad; i++) {
        uint8_t byte = i < key_len ? key[i] : 0;
        inner_pad[i] = byte ^ 0x36;
        outer_pad[i] = byte ^ 0x5c;
    }
    sha256_start(&hash);
    sha256_add(&hash, inner_pad, sizeof inner_pad);
    sha256_add(&hash, data, len);
    sha256_finish(&hash, digest);
    sha256_start(&hash);
    sha256_add(&hash, outer_pad, sizeof outer_pad);
    sha256_add(&hash, digest, SHA256_SIZE);
    sha256_finish(&hash, digest);
}

void hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *input, size_t input_len,
                 const char *info, uint8_t key[32]) {
    uint8_t extracted[SHA256_SIZE];
    uint8_t block[64];
    size_t info_len = strlen(info);
    hmac_sha256(salt, salt_len, input, input_len, extracted);
    memcpy(block, info, info_len);
    block[info_len] = 1;
    hmac_sha256(extracted, sizeof extracted, block, info_len + 1, key);
}

/* One block of AES is the first block of CBC under an IV of zeros. */
static void encrypt_block(const uint8_t key[32], const uint8_t in[16], uint8_t out[16]) {
    static const uint8_t zeros[16];
    anwdl_aes_wrapper_t *wrapper = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrapper) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_set_key(wrapper, key, 32, zeros, sizeof zeros) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(wrapper, in, 16, &bytes, &len) == ANWDL_OK);
    memcpy(out, bytes, 16);
    anwdl_bytes_free(bytes, len);
    anwdl_aes_wrapper_free(wrapper);
}

/* value = value * by, in the field of GCM, whose first bit is the lowest. */
static void multiply(uint8_t value[16], const uint8_t by[16]) {
    uint8_t product[16] = {0};
    uint8_t shifted[16];
    memcpy(shifted, by, sizeof shifted);
    for (unsigned bit = 0; bit < 128; bit++) {
        if (value[bit / 8] >> (7 - bit % 8) & 1)
            for (size_t i = 0; i < 16; i++)
                product[i] ^= shifted[i];
        bool carry = shifted[15] & 1;
        for (size_t i = 15; i > 0; i--)
            shifted[i] = (uint8_t)(shifted[i] >> 1 | shifted[i - 1] << 7);
        shifted[0] >>= 1;
        if (carry)
            shifted[0] ^= 0xe1;
    }
    memcpy(value, product, sizeof product);
}

static void hash_bytes(uint8_t hash[16], const uint8_t h[16], const uint8_t *bytes, size_t len) {
    for (size_t at = 0; at < len; at += 16) {
        for (size_t i = 0; i < 16 && at + i < len; i++)
            hash[i] ^= bytes[at + i];
        multiply(hash, h);
    }
}

static void authenticate(const uint8_t key[32], const uint8_t first_counter[16], const uint8_t *aad,
                         size_t aad_len, const uint8_t *ciphertext, size_t len,
                         uint8_t tag[GCM_TAG_SIZE]) {
    static const uint8_t zeros[16];
    uint8_t h[16];
    uint8_t mask[16];
    uint8_t lengths[16];
    encrypt_block(key, zeros, h);
    encrypt_block(key, first_counter, mask);
    for (unsigned i = 0; i < 8; i++) {
        lengths[i] = (uint8_t)((uint64_t)aad_len * 8 >> (56 - 8 * i));
        lengths[8 + i] = (uint8_t)((uint64_t)len * 8 >> (56 - 8 * i));
    }
    memset(tag, 0, GCM_TAG_SIZE);
    hash_bytes(tag, h, aad, aad_len);
    hash_bytes(tag, h, ciphertext, len);
    hash_bytes(tag, h, lengths, sizeof lengths);
    for (size_t i = 0; i < GCM_TAG_SIZE; i++)
        tag[i] ^= mask[i];
}

static void start_counter(const uint8_t nonce[GCM_NONCE_SIZE], uint8_t counter[16]) {
    memcpy(counter, nonce, GCM_NONCE_SIZE);
    memset(counter + GCM_NONCE_SIZE, 0, 3);
    counter[15] = 1;
}

static void apply_key_stream(const uint8_t key[32], const uint8_t first_counter[16],
                             const uint8_t *in, size_t len, uint8_t *out) {
    uint8_t counter[16];
    uint8_t stream[16];
    memcpy(counter, first_counter, sizeof counter);
    for (size_t at = 0; at < len; at += 16) {
        for (size_t i = 15; i >= GCM_NONCE_SIZE && ++counter[i] == 0; i--)
            ;
        encrypt_block(key, counter, stream);
        for (size_t i = 0; i < 16 && at + i < len; i++)
            out[at + i] = in[at + i] ^ stream[i];
    }
}

void gcm_seal(const uint8_t key[32], const uint8_t nonce[GCM_NONCE_SIZE], const uint8_t *aad,
              size_t aad_len, const uint8_t *plaintext, size_t len, uint8_t *ciphertext,
              uint8_t tag[GCM_TAG_SIZE]) {
    uint8_t counter[16];
    start_counter(nonce, counter);
    apply_key_stream(key, counter, plaintext, len, ciphertext);
    authenticate(key, counter, aad, aad_len, ciphertext, len, tag);
}

bool gcm_open(const uint8_t key[32], const uint8_t nonce[GCM_NONCE_SIZE], const uint8_t *aad,
              size_t aad_len, const uint8_t *ciphertext, size_t len,
              const uint8_t tag[GCM_TAG_SIZE], uint8_t *plaintext) {
    uint8_t counter[16];
    uint8_t expected[GCM_TAG_SIZE];
    start_counter(nonce, counter);
    authenticate(key, counter, aad, aad_len, ciphertext, len, expected);
    apply_key_stream(key, counter, ciphertext, len, plaintext);
    return memcmp(expected, tag, sizeof expected) == 0;
}
