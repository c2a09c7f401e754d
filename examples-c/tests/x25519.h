/* X25519 (RFC 7748), written for the peer of the tests alone. Slow and not constant in time: never
   use it outside of tests. */
#ifndef X25519_H
#define X25519_H

#include <stdint.h>

enum { X25519_SIZE = 32 };

/* The public key of a secret, which is any 32 bytes. */
void x25519_public_key(const uint8_t secret[X25519_SIZE], uint8_t public_key[X25519_SIZE]);

void x25519(const uint8_t secret[X25519_SIZE], const uint8_t public_key[X25519_SIZE],
            uint8_t shared[X25519_SIZE]);

#endif
