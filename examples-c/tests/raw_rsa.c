#include "raw_rsa.h"

#include "check.h"
#include "support.h"

#include <string.h>

/* -- the numbers of a key ---------------------------------------------------------------------- */

/* Steps into the next element of DER, which has this tag; returns how long its content is. */
static size_t enter(const uint8_t **der, uint8_t tag) {
    size_t len = (*der)[1];
    REQUIRE((*der)[0] == tag);
    *der += 2;
    if (len > 0x80) {
        size_t count = len - 0x80;
        for (len = 0; count > 0; count--)
            len = len << 8 | *(*der)++;
    }
    return len;
}

static void skip(const uint8_t **der, uint8_t tag) {
    size_t len = enter(der, tag);
    *der += len;
}

static void read_limbs(uint32_t *limbs, const uint8_t *bytes, size_t size) {
    for (size_t at = 0; at < size; at++)
        limbs[at / 4] |= (uint32_t)bytes[size - 1 - at] << 8 * (at % 4);
}

static void write_limbs(uint8_t *bytes, const uint32_t *limbs, size_t size) {
    for (size_t at = 0; at < size; at++)
        bytes[size - 1 - at] = (uint8_t)(limbs[at / 4] >> 8 * (at % 4));
}

/* Reads a number, and returns how many limbs it has. */
static size_t read_number(const uint8_t **der, uint32_t *limbs) {
    size_t len = enter(der, 2);
    size_t zeros = **der == 0;
    REQUIRE(len - zeros <= 4 * MOST_LIMBS);
    read_limbs(limbs, *der + zeros, len - zeros);
    *der += len;
    return (len - zeros + 3) / 4;
}

void raw_rsa_init(raw_rsa_t *key, const char *key_name) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper(key_name);
    uint8_t *pkcs8 = NULL;
    size_t len = 0;
    REQUIRE(anwdl_rsa_wrapper_get_private_key_der(wrapper, &pkcs8, &len) == ANWDL_OK);
    const uint8_t *der = pkcs8;
    memset(key, 0, sizeof *key);
    enter(&der, 0x30);
    skip(&der, 2);
    skip(&der, 0x30); /* that it is RSA */
    enter(&der, 4);
    enter(&der, 0x30);
    skip(&der, 2);
    key->limbs = read_number(&der, key->modulus);
    skip(&der, 2); /* the public exponent */
    read_number(&der, key->exponent);
    write_limbs(key->modulus_bytes, key->modulus, 4 * key->limbs);
    anwdl_bytes_free(pkcs8, len);
    anwdl_rsa_wrapper_free(wrapper);
}

/* -- arithmetic
 * ------------------------------------------------------------------------------------ */

static bool is_less(const uint32_t *one, const uint32_t *other, size_t limbs) {
    while (limbs-- > 0)
        if (one[limbs] != other[limbs])
            return one[limbs] < other[limbs];
    return false;
}

/* A number with one limb more, that is below twice the modulus, becomes one below it. */
static void reduce(const raw_rsa_t *key, uint32_t *number) {
    uint64_t borrow = 0;
    if (number[key->limbs] == 0 && is_less(number, key->modulus, key->limbs))
        return;
    for (size_t at = 0; at < key->limbs; at++) {
        uint64_t difference = (uint64_t)number[at] - key->modulus[at] - borrow;
        number[at] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    number[key->limbs] = 0;
}

/* Montgomery's product: out = one * other / 2^(32 * limbs). */
static void multiply(const raw_rsa_t *key, uint32_t *out, const uint32_t *one,
                     const uint32_t *other) {
    uint32_t sum[MOST_LIMBS + 2] = {0};
    uint32_t inverse = 1; /* of the lowest limb, modulo 2^32 */
    for (int round = 0; round < 5; round++)
        inverse *= 2 - key->modulus[0] * inverse;
    for (size_t row = 0; row < key->limbs; row++) {
        uint64_t carry = 0;
        for (size_t at = 0; at < key->limbs; at++) {
            carry += sum[at] + (uint64_t)one[at] * other[row];
            sum[at] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += sum[key->limbs];
        sum[key->limbs] = (uint32_t)carry;
        sum[key->limbs + 1] = (uint32_t)(carry >> 32);

        uint32_t factor = 0 - sum[0] * inverse;
        carry = (sum[0] + (uint64_t)factor * key->modulus[0]) >> 32;
        for (size_t at = 1; at < key->limbs; at++) {
            carry += sum[at] + (uint64_t)factor * key->modulus[at];
            sum[at - 1] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += sum[key->limbs];
        sum[key->limbs - 1] = (uint32_t)carry;
        sum[key->limbs] = sum[key->limbs + 1] + (uint32_t)(carry >> 32);
    }
    reduce(key, sum);
    memcpy(out, sum, 4 * key->limbs);
}

/* number * 2^(32 * limbs), by doubling. */
static void bring_in(const raw_rsa_t *key, uint32_t *number) {
    uint32_t sum[MOST_LIMBS + 1] = {0};
    memcpy(sum, number, 4 * key->limbs);
    for (size_t round = 0; round < 32 * key->limbs; round++) {
        for (size_t at = key->limbs; at > 0; at--)
            sum[at] = sum[at] << 1 | sum[at - 1] >> 31;
        sum[0] <<= 1;
        reduce(key, sum);
    }
    memcpy(number, sum, 4 * key->limbs);
}

bool raw_rsa_run(const uint8_t *input, uint8_t *output, size_t size, void *user_data) {
    const raw_rsa_t *key = user_data;
    uint32_t base[MOST_LIMBS] = {0}, power[MOST_LIMBS] = {1};
    const uint32_t one[MOST_LIMBS] = {1};
    if (size != 4 * key->limbs)
        return false;
    read_limbs(base, input, size);
    bring_in(key, base);
    bring_in(key, power);
    for (size_t bit = 32 * key->limbs; bit-- > 0;) {
        multiply(key, power, power, power);
        if (key->exponent[bit / 32] >> bit % 32 & 1)
            multiply(key, power, power, base);
    }
    multiply(key, power, power, one);
    write_limbs(output, power, size);
    return true;
}

anwdl_rsa_wrapper_t *make_external_wrapper(const char *key_name,
                                           anwdl_private_operation_t operation, void *user_data,
                                           anwdl_free_function_t free_user_data) {
    anwdl_rsa_wrapper_t *own = make_rsa_wrapper(key_name);
    anwdl_rsa_wrapper_t *wrapper = NULL;
    char *pem = NULL;
    REQUIRE(anwdl_rsa_wrapper_get_public_key(own, &pem) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_public_key(wrapper, pem) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_private_operation(wrapper, operation, user_data,
                                                    free_user_data) == ANWDL_OK);
    anwdl_string_free(pem);
    anwdl_rsa_wrapper_free(own);
    return wrapper;
}
