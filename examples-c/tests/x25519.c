#include "x25519.h"

#include <string.h>

/* A number below 2^256, lowest 16 bits first, of which only the remainder by p = 2^255 - 19
   counts. */
enum { LIMBS = 16, LIMB_BITS = 16, LIMB_MASK = 0xffff };
typedef struct {
    uint32_t limbs[LIMBS];
} field_t;

/* 2^256 leaves 38. */
static field_t carry(uint64_t sums[LIMBS]) {
    field_t result;
    for (int pass = 0; pass < 3; pass++) {
        uint64_t over = 0;
        for (int i = 0; i < LIMBS; i++) {
            sums[i] += over;
            over = sums[i] >> LIMB_BITS;
            sums[i] &= LIMB_MASK;
        }
        sums[0] += 38 * over;
    }
    for (int i = 0; i < LIMBS; i++)
        result.limbs[i] = (uint32_t)sums[i];
    return result;
}

static field_t add(field_t a, field_t b) {
    uint64_t sums[LIMBS];
    for (int i = 0; i < LIMBS; i++)
        sums[i] = (uint64_t)a.limbs[i] + b.limbs[i];
    return carry(sums);
}

/* Each limb gets that of 4 p first, which is more than is taken away. */
static field_t subtract(field_t a, field_t b) {
    uint64_t sums[LIMBS];
    for (int i = 0; i < LIMBS; i++)
        sums[i] = (uint64_t)a.limbs[i] + (i == 0 ? 0x1ffb4 : 0x1fffe) - b.limbs[i];
    return carry(sums);
}

static field_t multiply(field_t a, field_t b) {
    uint64_t sums[2 * LIMBS] = {0};
    for (int i = 0; i < LIMBS; i++)
        for (int j = 0; j < LIMBS; j++)
            sums[i + j] += (uint64_t)a.limbs[i] * b.limbs[j];
    for (int i = 0; i < LIMBS; i++)
        sums[i] += 38 * sums[i + LIMBS];
    return carry(sums);
}

static field_t from_small(uint32_t value) {
    field_t result = {{value}};
    return result;
}

/* 1 / a = a ^ (p - 2), all of whose 255 bits are set but two. */
static field_t invert(field_t a) {
    field_t result = from_small(1);
    for (int bit = 254; bit >= 0; bit--) {
        result = multiply(result, result);
        if (bit != 2 && bit != 4)
            result = multiply(result, a);
    }
    return result;
}

static field_t from_bytes(const uint8_t bytes[X25519_SIZE]) {
    field_t result;
    for (int i = 0; i < LIMBS; i++)
        result.limbs[i] = (uint32_t)bytes[2 * i] | (uint32_t)bytes[2 * i + 1] << 8;
    result.limbs[LIMBS - 1] &= 0x7fff;
    return result;
}

/* The remainder by p, whose bits from 2^255 on are a multiple of p and 19 times as much. */
static void to_bytes(field_t a, uint8_t bytes[X25519_SIZE]) {
    for (int pass = 0; pass < 2; pass++) {
        uint32_t offset = pass == 0 ? 0 : 19;
        uint32_t over = offset;
        for (int i = 0; i < LIMBS; i++)
            over = (a.limbs[i] + over) >> (i == LIMBS - 1 ? 15 : LIMB_BITS);
        over *= 19;
        for (int i = 0; i < LIMBS; i++) {
            over += a.limbs[i];
            a.limbs[i] = over & (i == LIMBS - 1 ? 0x7fff : LIMB_MASK);
            over >>= LIMB_BITS;
        }
    }
    for (int i = 0; i < LIMBS; i++) {
        bytes[2 * i] = (uint8_t)a.limbs[i];
        bytes[2 * i + 1] = (uint8_t)(a.limbs[i] >> 8);
    }
}

/* The Montgomery ladder of RFC 7748, section 5. */
void x25519(const uint8_t secret[X25519_SIZE], const uint8_t public_key[X25519_SIZE],
            uint8_t shared[X25519_SIZE]) {
    uint8_t scalar[X25519_SIZE];
    field_t base = from_bytes(public_key);
    field_t x[2] = {from_small(1), base};
    field_t z[2] = {from_small(0), from_small(1)};
    memcpy(scalar, secret, sizeof scalar);
    scalar[0] &= 248;
    scalar[31] = (uint8_t)((scalar[31] & 127) | 64);
    for (int bit = 254; bit >= 0; bit--) {
        int near = scalar[bit / 8] >> (bit % 8) & 1;
        int far = 1 - near;
        field_t sum = add(x[near], z[near]);
        field_t difference = subtract(x[near], z[near]);
        field_t one = multiply(add(x[far], z[far]), difference);
        field_t other = multiply(subtract(x[far], z[far]), sum);
        field_t total = add(one, other);
        field_t rest = subtract(one, other);
        field_t square = multiply(sum, sum);
        field_t square_of_difference = multiply(difference, difference);
        field_t e = subtract(square, square_of_difference);
        x[far] = multiply(total, total);
        z[far] = multiply(base, multiply(rest, rest));
        x[near] = multiply(square, square_of_difference);
        z[near] = multiply(e, add(square, multiply(from_small(121665), e)));
    }
    to_bytes(multiply(x[0], invert(z[0])), shared);
}

void x25519_public_key(const uint8_t secret[X25519_SIZE], uint8_t public_key[X25519_SIZE]) {
    static const uint8_t base_point[X25519_SIZE] = {9};
    x25519(secret, base_point, public_key);
}
