#include "made_up_keys.h"

#include "check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_SEQUENCE = 0x30,
    LONGEST_KEY = 16384,
    LINE = 64 /* characters of a line of PEM text */
};

uint8_t *make_number(size_t bits, uint8_t fill, uint8_t last_byte) {
    size_t len = (bits + 7) / 8;
    unsigned bits_of_first = (unsigned)((bits - 1) % 8);
    uint8_t *number = malloc(len);
    REQUIRE(number != NULL);
    memset(number, fill, len);
    number[0] = (uint8_t)(1u << bits_of_first | (fill & ((1u << bits_of_first) - 1)));
    if (len > 1)
        number[len - 1] = last_byte;
    return number;
}

/* -- DER, written from its end to its beginning ------------------------------------------------ */

typedef struct {
    uint8_t bytes[LONGEST_KEY];
    size_t from; /* everything before is still empty */
} der_t;

static void put_bytes(der_t *der, const uint8_t *bytes, size_t len) {
    REQUIRE(len <= der->from);
    der->from -= len;
    memcpy(der->bytes + der->from, bytes, len);
}

static void put_byte(der_t *der, uint8_t byte) {
    put_bytes(der, &byte, 1);
}

/* In front of the content that reaches to `end`. */
static void put_header(der_t *der, uint8_t tag, size_t end) {
    size_t len = end - der->from;
    if (len < 128) {
        put_byte(der, (uint8_t)len);
    } else {
        uint8_t digits = 0;
        for (size_t rest = len; rest > 0; rest >>= 8, digits++)
            put_byte(der, (uint8_t)rest);
        put_byte(der, 0x80 | digits);
    }
    put_byte(der, tag);
}

static void put_number(der_t *der, const uint8_t *number, size_t len) {
    size_t end = der->from;
    put_bytes(der, number, len);
    if (len == 0 || number[0] >= 0x80)
        put_byte(der, 0); /* or it would be negative */
    put_header(der, DER_INTEGER, end);
}

char *make_public_key(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                      size_t exponent_len) {
    static const uint8_t ALGORITHM[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    static der_t der;
    der.from = sizeof der.bytes;
    put_number(&der, exponent, exponent_len);
    put_number(&der, modulus, modulus_len);
    put_header(&der, DER_SEQUENCE, sizeof der.bytes);
    put_byte(&der, 0); /* no bits of the last byte are unused */
    put_header(&der, DER_BIT_STRING, sizeof der.bytes);
    put_bytes(&der, ALGORITHM, sizeof ALGORITHM);
    put_header(&der, DER_SEQUENCE, sizeof der.bytes);
    return make_pem("PUBLIC KEY", der.bytes + der.from, sizeof der.bytes - der.from);
}

/* -- PEM --------------------------------------------------------------------------------------- */

static void encode_three(const uint8_t *bytes, size_t len, char out[4]) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned group = (unsigned)bytes[0] << 16;
    if (len > 1)
        group |= (unsigned)bytes[1] << 8;
    if (len > 2)
        group |= bytes[2];
    for (size_t at = 0; at < 4; at++)
        out[at] = at <= len ? DIGITS[group >> (18 - 6 * at) & 63] : '=';
}

char *make_pem(const char *label, const uint8_t *bytes, size_t len) {
    size_t digits = (len + 2) / 3 * 4;
    char *text = malloc(digits + digits / LINE + 2 * strlen(label) + 64);
    REQUIRE(text != NULL);
    char *to = text + sprintf(text, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < len; at += 3) {
        encode_three(bytes + at, len - at < 3 ? len - at : 3, to);
        to += 4;
        bool is_last = at + 3 >= len;
        if (is_last || (at / 3 + 1) % (LINE / 4) == 0)
            *to++ = '\n';
    }
    sprintf(to, "-----END %s-----\n", label);
    return text;
}
