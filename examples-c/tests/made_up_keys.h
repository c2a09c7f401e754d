/* Public RSA keys of any numbers, whether anybody has their private half or not. */
#ifndef MADE_UP_KEYS_H
#define MADE_UP_KEYS_H

#include <stddef.h>
#include <stdint.h>

/* A big-endian number of so many bits: its first bit is set, all others are as `fill` (all ones or
   all zeros), and its last byte is as given. The caller frees it. */
uint8_t *make_number(size_t bits, uint8_t fill, uint8_t last_byte);

/* The PEM text (SubjectPublicKeyInfo) of a public key with these numbers; the caller frees it. */
char *make_public_key(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                      size_t exponent_len);

/* The same for whatever bytes stand in place of the key's. */
char *make_pem(const char *label, const uint8_t *bytes, size_t len);

#endif
