/* The bare private key operation of RSA, without a padding, written out in plain C: what a device
   does for the tests of anwdl_rsa_wrapper_set_private_operation(). It takes its time, and that
   depends on the key. */
#ifndef RAW_RSA_H
#define RAW_RSA_H

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_LIMBS = 128 }; /* 4096 bits */

/* Numbers have their least significant limb first. */
typedef struct {
    size_t limbs;
    uint32_t modulus[MOST_LIMBS];
    uint32_t exponent[MOST_LIMBS];         /* the private one */
    uint8_t modulus_bytes[4 * MOST_LIMBS]; /* big-endian, 4 * limbs of them */
} raw_rsa_t;

/* The key of keys/<name>.pem. */
void raw_rsa_init(raw_rsa_t *key, const char *key_name);

/* An anwdl_private_operation_t; user_data is the key. It changes nothing, so threads may share it.
 */
bool raw_rsa_run(const uint8_t *input, uint8_t *output, size_t size, void *user_data);

/* A wrapper with the public half of that key and this operation; the caller frees it. */
anwdl_rsa_wrapper_t *make_external_wrapper(const char *key_name,
                                           anwdl_private_operation_t operation, void *user_data,
                                           anwdl_free_function_t free_user_data);

#endif
