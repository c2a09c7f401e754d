#include "ml_kem.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    RANK = ML_KEM_RANK,
    DEGREE = ML_KEM_DEGREE,
    Q = 3329,
    SYMBOL = 32, /* bytes of seeds, messages and shared secrets */
    NOISE_SIZE = 128,
    U_BITS = 10,
    V_BITS = 4,
    COEFFICIENT_BITS = 12
};

/* -- SHA-3 and SHAKE (FIPS 202) ---------------------------------------------------------------- */

typedef struct {
    uint8_t state[200];
    size_t rate;
    size_t at;
} sponge_t;

static uint64_t rotate(uint64_t value, unsigned by) {
    return by == 0 ? value : value << by | value >> (64 - by);
}

/* The constants of iota, by the linear register of section 3.2.5. */
static uint64_t next_round_constant(uint8_t *bits) {
    uint64_t constant = 0;
    for (unsigned j = 0; j < 7; j++) {
        if (*bits & 1)
            constant |= (uint64_t)1 << ((1u << j) - 1);
        *bits = (uint8_t)(*bits << 1 ^ (*bits >> 7) * 0x71);
    }
    return constant;
}

static void load_lanes(const uint8_t state[200], uint64_t lanes[25]) {
    for (size_t i = 0; i < 25; i++) {
        lanes[i] = 0;
        for (size_t byte = 8; byte > 0; byte--)
            lanes[i] = lanes[i] << 8 | state[8 * i + byte - 1];
    }
}

static void store_lanes(const uint64_t lanes[25], uint8_t state[200]) {
    for (size_t i = 0; i < 200; i++)
        state[i] = (uint8_t)(lanes[i / 8] >> (8 * (i % 8)));
}

static void permute(uint8_t state[200]) {
    uint64_t a[25];
    uint8_t register_bits = 1;
    load_lanes(state, a);
    for (int round = 0; round < 24; round++) {
        uint64_t c[5];
        for (size_t x = 0; x < 5; x++)
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (size_t i = 0; i < 25; i++)
            a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);

        /* rho and pi: each lane turns and takes the place of the next one. */
        size_t x = 1;
        size_t y = 0;
        uint64_t moving = a[1];
        for (unsigned t = 0; t < 24; t++) {
            size_t new_y = (2 * x + 3 * y) % 5;
            x = y;
            y = new_y;
            uint64_t here = a[x + 5 * y];
            a[x + 5 * y] = rotate(moving, (t + 1) * (t + 2) / 2 % 64);
            moving = here;
        }
        for (size_t row = 0; row < 25; row += 5) {
            uint64_t old[5];
            memcpy(old, a + row, sizeof old);
            for (size_t i = 0; i < 5; i++)
                a[row + i] = old[i] ^ (~old[(i + 1) % 5] & old[(i + 2) % 5]);
        }
        a[0] ^= next_round_constant(&register_bits);
    }
    store_lanes(a, state);
}

static void sponge_start(sponge_t *sponge, size_t rate) {
    memset(sponge, 0, sizeof *sponge);
    sponge->rate = rate;
}

static void sponge_add(sponge_t *sponge, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        sponge->state[sponge->at++] ^= bytes[i];
        if (sponge->at == sponge->rate) {
            permute(sponge->state);
            sponge->at = 0;
        }
    }
}

static void sponge_turn(sponge_t *sponge, uint8_t suffix) {
    sponge->state[sponge->at] ^= suffix;
    sponge->state[sponge->rate - 1] ^= 0x80;
    permute(sponge->state);
    sponge->at = 0;
}

static void sponge_take(sponge_t *sponge, uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (sponge->at == sponge->rate) {
            permute(sponge->state);
            sponge->at = 0;
        }
        bytes[i] = sponge->state[sponge->at++];
    }
}

enum { SHA3_256_RATE = 136, SHA3_512_RATE = 72, SHAKE128_RATE = 168, SHAKE256_RATE = 136 };
enum { SHA3_SUFFIX = 0x06, SHAKE_SUFFIX = 0x1f };

/* Of two texts, one behind the other. */
static void hash_two(size_t rate, uint8_t suffix, const uint8_t *one, size_t one_len,
                     const uint8_t *other, size_t other_len, uint8_t *out, size_t out_len) {
    sponge_t sponge;
    sponge_start(&sponge, rate);
    sponge_add(&sponge, one, one_len);
    sponge_add(&sponge, other, other_len);
    sponge_turn(&sponge, suffix);
    sponge_take(&sponge, out, out_len);
}

/* -- polynomials ------------------------------------------------------------------------------- */

typedef struct {
    uint16_t at[DEGREE]; /* each below Q */
} polynomial_t;

static uint16_t remainder_of(uint32_t value) {
    return (uint16_t)(value % Q);
}

static polynomial_t sum(const polynomial_t *a, const polynomial_t *b) {
    polynomial_t result;
    for (size_t i = 0; i < DEGREE; i++)
        result.at[i] = remainder_of((uint32_t)a->at[i] + b->at[i]);
    return result;
}

/* 17 to the power of i's seven bits in reverse order. */
static uint32_t zeta(unsigned i) {
    uint32_t power = 17;
    uint32_t result = 1;
    for (unsigned bit = 64; bit > 0; bit >>= 1) {
        if (i & bit)
            result = remainder_of(result * power);
        power = remainder_of(power * power);
    }
    return result;
}

static void transform(polynomial_t *f) {
    unsigned i = 1;
    for (size_t len = 128; len >= 2; len /= 2)
        for (size_t start = 0; start < DEGREE; start += 2 * len) {
            uint32_t z = zeta(i++);
            for (size_t j = start; j < start + len; j++) {
                uint16_t t = remainder_of(z * f->at[j + len]);
                f->at[j + len] = remainder_of((uint32_t)f->at[j] + Q - t);
                f->at[j] = remainder_of((uint32_t)f->at[j] + t);
            }
        }
}

static void transform_back(polynomial_t *f) {
    unsigned i = 127;
    for (size_t len = 2; len <= 128; len *= 2)
        for (size_t start = 0; start < DEGREE; start += 2 * len) {
            uint32_t z = zeta(i--);
            for (size_t j = start; j < start + len; j++) {
                uint16_t t = f->at[j];
                f->at[j] = remainder_of((uint32_t)t + f->at[j + len]);
                f->at[j + len] = remainder_of(z * (uint32_t)(f->at[j + len] + Q - t));
            }
        }
    for (size_t j = 0; j < DEGREE; j++)
        f->at[j] = remainder_of(3303u * f->at[j]); /* 1 / 128 */
}

/* Adds the product of two that are transformed. */
static void add_product(polynomial_t *to, const uint16_t a[DEGREE], const uint16_t b[DEGREE]) {
    for (size_t i = 0; i < DEGREE; i += 2) {
        uint32_t gamma = zeta(64 + (unsigned)i / 4);
        if (i % 4 != 0)
            gamma = Q - gamma;
        uint32_t high = remainder_of((uint32_t)a[i + 1] * b[i + 1]);
        to->at[i] = remainder_of(to->at[i] + (uint32_t)a[i] * b[i] + high * gamma);
        to->at[i + 1] =
            remainder_of(to->at[i + 1] + (uint32_t)a[i] * b[i + 1] + (uint32_t)a[i + 1] * b[i]);
    }
}

/* -- bytes and samples ------------------------------------------------------------------------- */

static void pack(const uint16_t values[DEGREE], unsigned bits, uint8_t *out) {
    memset(out, 0, DEGREE * bits / 8);
    for (size_t i = 0; i < DEGREE * bits; i++)
        out[i / 8] |= (uint8_t)((values[i / bits] >> (i % bits) & 1) << (i % 8));
}

static void unpack(const uint8_t *bytes, unsigned bits, uint16_t values[DEGREE]) {
    memset(values, 0, DEGREE * sizeof *values);
    for (size_t i = 0; i < DEGREE * bits; i++)
        values[i / bits] |= (uint16_t)((bytes[i / 8] >> (i % 8) & 1) << (i % bits));
}

static void pack_compressed(const polynomial_t *f, unsigned bits, uint8_t *out) {
    uint16_t values[DEGREE];
    for (size_t i = 0; i < DEGREE; i++)
        values[i] = (uint16_t)((((uint32_t)f->at[i] << bits) + Q / 2) / Q & ((1u << bits) - 1));
    pack(values, bits, out);
}

static polynomial_t unpack_compressed(const uint8_t *bytes, unsigned bits) {
    polynomial_t f;
    unpack(bytes, bits, f.at);
    for (size_t i = 0; i < DEGREE; i++)
        f.at[i] = (uint16_t)(((uint32_t)f.at[i] * Q + (1u << (bits - 1))) >> bits);
    return f;
}

/* One entry of the public matrix, transformed already. */
static polynomial_t sample_entry(const uint8_t seed[SYMBOL], size_t row, size_t column) {
    polynomial_t f;
    sponge_t sponge;
    const uint8_t place[2] = {(uint8_t)column, (uint8_t)row};
    size_t count = 0;
    sponge_start(&sponge, SHAKE128_RATE);
    sponge_add(&sponge, seed, SYMBOL);
    sponge_add(&sponge, place, sizeof place);
    sponge_turn(&sponge, SHAKE_SUFFIX);
    while (count < DEGREE) {
        uint8_t three[3];
        sponge_take(&sponge, three, sizeof three);
        uint16_t values[2] = {(uint16_t)(three[0] | (three[1] & 15) << 8),
                              (uint16_t)(three[1] >> 4 | three[2] << 4)};
        for (size_t i = 0; i < 2; i++)
            if (values[i] < Q && count < DEGREE)
                f.at[count++] = values[i];
    }
    return f;
}

static polynomial_t sample_noise(const uint8_t seed[SYMBOL], uint8_t number) {
    polynomial_t f;
    uint8_t bytes[NOISE_SIZE];
    hash_two(SHAKE256_RATE, SHAKE_SUFFIX, seed, SYMBOL, &number, 1, bytes, sizeof bytes);
    for (size_t i = 0; i < DEGREE; i++) {
        unsigned four = bytes[i / 2] >> (4 * (i % 2)) & 15;
        unsigned plus = (four & 1) + (four >> 1 & 1);
        unsigned minus = (four >> 2 & 1) + (four >> 3);
        f.at[i] = remainder_of(Q + plus - minus);
    }
    return f;
}

/* -- keys and ciphertexts ---------------------------------------------------------------------- */

enum { PACKED_SIZE = DEGREE * COEFFICIENT_BITS / 8, PACKED_U_SIZE = DEGREE * U_BITS / 8 };

void ml_kem_make_key(const uint8_t seed[ML_KEM_SEED_SIZE], ml_kem_key_t *key) {
    static const uint8_t rank = RANK;
    uint8_t seeds[2 * SYMBOL];
    hash_two(SHA3_512_RATE, SHA3_SUFFIX, seed, SYMBOL, &rank, 1, seeds, sizeof seeds);
    for (uint8_t i = 0; i < RANK; i++) {
        polynomial_t secret = sample_noise(seeds + SYMBOL, i);
        transform(&secret);
        memcpy(key->secret[i], secret.at, sizeof key->secret[i]);
    }
    for (uint8_t i = 0; i < RANK; i++) {
        polynomial_t row = sample_noise(seeds + SYMBOL, RANK + i);
        transform(&row);
        for (size_t j = 0; j < RANK; j++) {
            polynomial_t entry = sample_entry(seeds, i, j);
            add_product(&row, entry.at, key->secret[j]);
        }
        pack(row.at, COEFFICIENT_BITS, key->encapsulation_key + i * PACKED_SIZE);
    }
    memcpy(key->encapsulation_key + RANK * PACKED_SIZE, seeds, SYMBOL);
    memcpy(key->rejection, seed + SYMBOL, SYMBOL);
}

static void encrypt(const uint8_t *encapsulation_key, const uint8_t message[SYMBOL],
                    const uint8_t randomness[SYMBOL], uint8_t *ciphertext) {
    const uint8_t *seed = encapsulation_key + RANK * PACKED_SIZE;
    polynomial_t secret[RANK];
    for (uint8_t i = 0; i < RANK; i++) {
        secret[i] = sample_noise(randomness, i);
        transform(&secret[i]);
    }
    for (uint8_t i = 0; i < RANK; i++) {
        polynomial_t u = {{0}};
        for (size_t j = 0; j < RANK; j++) {
            polynomial_t entry = sample_entry(seed, j, i);
            add_product(&u, entry.at, secret[j].at);
        }
        transform_back(&u);
        polynomial_t noise = sample_noise(randomness, RANK + i);
        u = sum(&u, &noise);
        pack_compressed(&u, U_BITS, ciphertext + i * PACKED_U_SIZE);
    }
    polynomial_t v = {{0}};
    for (size_t i = 0; i < RANK; i++) {
        uint16_t row[DEGREE];
        unpack(encapsulation_key + i * PACKED_SIZE, COEFFICIENT_BITS, row);
        add_product(&v, row, secret[i].at);
    }
    transform_back(&v);
    polynomial_t noise = sample_noise(randomness, 2 * RANK);
    polynomial_t text = unpack_compressed(message, 1);
    v = sum(&v, &noise);
    v = sum(&v, &text);
    pack_compressed(&v, V_BITS, ciphertext + RANK * PACKED_U_SIZE);
}

/* Gives the shared secret, and behind it what the ciphertext is made of. */
static void hash_message(const uint8_t message[SYMBOL], const uint8_t *encapsulation_key,
                         uint8_t out[2 * SYMBOL]) {
    uint8_t hash[SYMBOL];
    hash_two(SHA3_256_RATE, SHA3_SUFFIX, encapsulation_key, ML_KEM_ENCAPSULATION_KEY_SIZE, NULL, 0,
             hash, sizeof hash);
    hash_two(SHA3_512_RATE, SHA3_SUFFIX, message, SYMBOL, hash, sizeof hash, out, 2 * SYMBOL);
}

void ml_kem_encapsulate(const uint8_t encapsulation_key[ML_KEM_ENCAPSULATION_KEY_SIZE],
                        const uint8_t message[32], uint8_t ciphertext[ML_KEM_CIPHERTEXT_SIZE],
                        uint8_t shared[ML_KEM_SHARED_SIZE]) {
    uint8_t hashed[2 * SYMBOL];
    hash_message(message, encapsulation_key, hashed);
    encrypt(encapsulation_key, message, hashed + SYMBOL, ciphertext);
    memcpy(shared, hashed, SYMBOL);
}

void ml_kem_decapsulate(const ml_kem_key_t *key, const uint8_t ciphertext[ML_KEM_CIPHERTEXT_SIZE],
                        uint8_t shared[ML_KEM_SHARED_SIZE]) {
    uint8_t message[SYMBOL];
    uint8_t hashed[2 * SYMBOL];
    uint8_t expected[ML_KEM_CIPHERTEXT_SIZE];
    polynomial_t product = {{0}};
    for (size_t i = 0; i < RANK; i++) {
        polynomial_t u = unpack_compressed(ciphertext + i * PACKED_U_SIZE, U_BITS);
        transform(&u);
        add_product(&product, u.at, key->secret[i]);
    }
    transform_back(&product);
    polynomial_t text = unpack_compressed(ciphertext + RANK * PACKED_U_SIZE, V_BITS);
    for (size_t i = 0; i < DEGREE; i++)
        text.at[i] = remainder_of((uint32_t)text.at[i] + Q - product.at[i]);
    pack_compressed(&text, 1, message);
    hash_message(message, key->encapsulation_key, hashed);
    encrypt(key->encapsulation_key, message, hashed + SYMBOL, expected);
    if (memcmp(expected, ciphertext, sizeof expected) == 0)
        memcpy(shared, hashed, SYMBOL);
    else
        hash_two(SHAKE256_RATE, SHAKE_SUFFIX, key->rejection, SYMBOL, ciphertext,
                 ML_KEM_CIPHERTEXT_SIZE, shared, SYMBOL);
}
