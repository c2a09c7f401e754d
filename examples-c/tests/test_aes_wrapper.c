/* The whole AES wrapper, against published answers. */
#include "check.h"
#include "support.h"

#include <string.h>

#define CHECK_BAD_ARGUMENT(call)                                                                   \
    CHECK_FAILURE((call), ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT)
#define CHECK_UNDECRYPTABLE(call)                                                                  \
    CHECK_FAILURE((call), ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED)

enum { BLOCK = 16, NONCE = 12, TAG = 16 };

static anwdl_aes_wrapper_t *make_wrapper(uint32_t bits, anwdl_aes_mode_t mode, const char *key_hex,
                                         const char *iv_hex) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    uint8_t key[32];
    uint8_t iv[16];
    size_t key_len = bytes_from_hex(key_hex, key, sizeof key);
    size_t iv_len = bytes_from_hex(iv_hex, iv, sizeof iv);
    REQUIRE(anwdl_aes_wrapper_new(bits, mode, &wrapper) == ANWDL_OK);
    CHECK_OK(anwdl_aes_wrapper_set_key(wrapper, key, key_len, iv_len > 0 ? iv : NULL, iv_len));
    return wrapper;
}

static void check_opens(const anwdl_aes_wrapper_t *wrapper, const uint8_t *data, size_t len,
                        const uint8_t *expected, size_t expected_len) {
    uint8_t *opened = NULL;
    size_t opened_len = 0;
    if (CHECK_OK(anwdl_aes_wrapper_decrypt_data(wrapper, data, len, &opened, &opened_len)))
        CHECK_BYTES(opened, opened_len, expected, expected_len);
    anwdl_bytes_free(opened, opened_len);
}

/* NIST SP 800-38A, F.2: the first block, then the block of padding that PKCS#7 adds. */
static void check_known_cbc(uint32_t bits, const char *key, const char *expected_hex) {
    anwdl_aes_wrapper_t *wrapper =
        make_wrapper(bits, ANWDL_AES_CBC, key, "000102030405060708090a0b0c0d0e0f");
    uint8_t data[BLOCK];
    uint8_t expected[2 * BLOCK];
    uint8_t *sealed = NULL;
    size_t sealed_len = 0;
    bytes_from_hex("6bc1bee22e409f96e93d7e117393172a", data, sizeof data);
    bytes_from_hex(expected_hex, expected, sizeof expected);
    CHECK_INTEGER(anwdl_aes_wrapper_get_key_size(wrapper), bits);
    /* Twice the same: in CBC the wrapper keeps its IV, as the Python one does. */
    for (int round = 0; round < 2; round++) {
        CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, data, sizeof data, &sealed, &sealed_len));
        CHECK_BYTES(sealed, sealed_len, expected, sizeof expected);
        anwdl_bytes_free(sealed, sealed_len);
    }
    check_opens(wrapper, expected, sizeof expected, data, sizeof data);
    anwdl_aes_wrapper_free(wrapper);
}

static void test_known_cbc(void) {
    check_known_cbc(128, "2b7e151628aed2a6abf7158809cf4f3c",
                    "7649abac8119b246cee98e9b12e9197d8964e0b149c10b7b682e6e39aaeb731c");
    check_known_cbc(192, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                    "4f021db243bc633d7178183a9fa071e8a647f1643b94812a175a13c8fa2014b2");
    check_known_cbc(256, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                    "f58c4c04d6e5f1ba779eabfb5f7bfbd6485a5c81519cf378fa36d42b8547edc0");
}

/* The GCM specification, test case 14: nonce, ciphertext, tag. */
static void test_known_gcm(void) {
    static const uint8_t zeros[BLOCK];
    uint8_t sealed[NONCE + BLOCK + TAG];
    anwdl_aes_wrapper_t *wrapper = make_wrapper(
        256, ANWDL_AES_GCM, "0000000000000000000000000000000000000000000000000000000000000000", "");
    bytes_from_hex("000000000000000000000000"
                   "cea7403d4d606b6e074ec5d3baf39d18"
                   "d0d1c8a799996bf0265b98b5d48ab919",
                   sealed, sizeof sealed);
    check_opens(wrapper, sealed, sizeof sealed, zeros, sizeof zeros);
    anwdl_aes_wrapper_free(wrapper);
}

static void check_round_trips(uint32_t bits, anwdl_aes_mode_t mode) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    uint8_t data[100];
    memset(data, 'x', sizeof data);
    REQUIRE(anwdl_aes_wrapper_new(bits, mode, &wrapper) == ANWDL_OK);
    for (size_t len = 0; len <= sizeof data; len++) {
        uint8_t *sealed = NULL;
        size_t sealed_len = 0;
        size_t expected = mode == ANWDL_AES_CBC ? (len / BLOCK + 1) * BLOCK : NONCE + len + TAG;
        CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, data, len, &sealed, &sealed_len));
        CHECK_INTEGER(sealed_len, expected);
        check_opens(wrapper, sealed, sealed_len, data, len);
        anwdl_bytes_free(sealed, sealed_len);
    }
    anwdl_aes_wrapper_free(wrapper);
}

/* Each wrapper draws a key of its own, each record of GCM a nonce. */
static void test_freshness(void) {
    anwdl_aes_wrapper_t *wrappers[2] = {NULL, NULL};
    const uint8_t *keys[2];
    const uint8_t *ivs[2];
    size_t key_len;
    size_t iv_len;
    for (size_t at = 0; at < 2; at++) {
        REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrappers[at]) == ANWDL_OK);
        CHECK_OK(anwdl_aes_wrapper_get_key(wrappers[at], &keys[at], &key_len, &ivs[at], &iv_len));
        CHECK_INTEGER(key_len, 32);
        CHECK_INTEGER(iv_len, 16);
    }
    CHECK(memcmp(keys[0], keys[1], 32) != 0);
    CHECK(memcmp(ivs[0], ivs[1], 16) != 0);

    /* So does a key that is set without an IV. */
    uint8_t drawn[16];
    memcpy(drawn, ivs[0], sizeof drawn);
    CHECK_OK(anwdl_aes_wrapper_set_key(wrappers[0], SHARED_KEY, sizeof SHARED_KEY, NULL, 0));
    CHECK_OK(anwdl_aes_wrapper_get_key(wrappers[0], &keys[0], &key_len, &ivs[0], &iv_len));
    CHECK_BYTES(keys[0], key_len, SHARED_KEY, sizeof SHARED_KEY);
    CHECK_INTEGER(iv_len, sizeof drawn);
    CHECK(memcmp(drawn, ivs[0], sizeof drawn) != 0);
    anwdl_aes_wrapper_free(wrappers[0]);
    anwdl_aes_wrapper_free(wrappers[1]);

    uint8_t *sealed[2] = {NULL, NULL};
    size_t sealed_len[2] = {0, 0};
    REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_GCM, &wrappers[0]) == ANWDL_OK);
    for (size_t at = 0; at < 2; at++)
        CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrappers[0], (const uint8_t *)"text", 4,
                                                &sealed[at], &sealed_len[at]));
    CHECK(memcmp(sealed[0], sealed[1], NONCE) != 0);
    anwdl_bytes_free(sealed[0], sealed_len[0]);
    anwdl_bytes_free(sealed[1], sealed_len[1]);
    CHECK_OK(anwdl_aes_wrapper_get_key(wrappers[0], &keys[0], &key_len, &ivs[0], &iv_len));
    CHECK_INTEGER(key_len, 32);
    CHECK_INTEGER(iv_len, 0);
    anwdl_aes_wrapper_free(wrappers[0]);
}

/* Any byte of a record of GCM that changes is noticed. */
static void test_altered_gcm(void) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_GCM);
    uint8_t *sealed = NULL;
    uint8_t *opened = NULL;
    size_t sealed_len = 0;
    size_t opened_len = 0;
    CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, (const uint8_t *)"some text", 9, &sealed,
                                            &sealed_len));
    for (size_t at = 0; at < sealed_len; at++) {
        sealed[at] ^= 0x20;
        CHECK_UNDECRYPTABLE(
            anwdl_aes_wrapper_decrypt_data(wrapper, sealed, sealed_len, &opened, &opened_len));
        sealed[at] ^= 0x20;
    }
    for (size_t len = 0; len < sealed_len; len++)
        CHECK_UNDECRYPTABLE(
            anwdl_aes_wrapper_decrypt_data(wrapper, sealed, len, &opened, &opened_len));
    CHECK(opened == NULL && opened_len == 0);
    check_opens(wrapper, sealed, sealed_len, (const uint8_t *)"some text", 9);
    anwdl_bytes_free(sealed, sealed_len);
    anwdl_aes_wrapper_free(wrapper);
}

/* CBC has no tag; but its padding must be whole, and so must its blocks. */
static void test_altered_cbc(void) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    uint8_t *sealed = NULL;
    uint8_t *opened = NULL;
    size_t sealed_len = 0;
    size_t opened_len = 0;
    static const uint8_t data[BLOCK + 1] = "seventeen bytes!";
    CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, data, sizeof data, &sealed, &sealed_len));
    REQUIRE(sealed_len == 2 * BLOCK);
    for (size_t at = 1; at < BLOCK; at++) {
        sealed[at] ^= 0x40; /* turns over the same bit of the padding in the next block */
        CHECK_UNDECRYPTABLE(
            anwdl_aes_wrapper_decrypt_data(wrapper, sealed, sealed_len, &opened, &opened_len));
        sealed[at] ^= 0x40;
    }
    for (size_t len = 0; len < sealed_len; len++)
        CHECK_UNDECRYPTABLE(
            anwdl_aes_wrapper_decrypt_data(wrapper, sealed, len, &opened, &opened_len));
    CHECK(opened == NULL && opened_len == 0);
    anwdl_bytes_free(sealed, sealed_len);
    anwdl_aes_wrapper_free(wrapper);
}

static void test_arguments(void) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    const uint8_t *key = NULL;
    const uint8_t *iv = NULL;
    uint8_t *out = NULL;
    size_t key_len = 0;
    size_t iv_len = 0;
    size_t len = 0;
    static const uint32_t sizes[] = {0, 1, 64, 127, 257, 512, UINT32_MAX};
    for (size_t at = 0; at < sizeof sizes / sizeof sizes[0]; at++)
        CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_new(sizes[at], ANWDL_AES_CBC, &wrapper));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_new(256, (anwdl_aes_mode_t)2, &wrapper));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_new(256, (anwdl_aes_mode_t)-1, &wrapper));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, NULL));
    CHECK(wrapper == NULL);

    wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, 31, SHARED_IV, 16));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, 32, SHARED_IV, 15));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, 32, NULL, 16));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(wrapper, NULL, 32, SHARED_IV, 16));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(NULL, SHARED_KEY, 32, SHARED_IV, 16));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_get_key(NULL, &key, &key_len, &iv, &iv_len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_get_key(wrapper, NULL, &key_len, &iv, &iv_len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_encrypt_data(NULL, SHARED_KEY, 1, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_encrypt_data(wrapper, NULL, 1, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_encrypt_data(wrapper, SHARED_KEY, 1, NULL, &len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_encrypt_data(wrapper, SHARED_KEY, 1, &out, NULL));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_decrypt_data(NULL, SHARED_KEY, 16, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_decrypt_data(wrapper, NULL, 16, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_decrypt_data(wrapper, SHARED_KEY, 16, NULL, &len));

    /* What was refused changed nothing. */
    CHECK_OK(anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len));
    CHECK_BYTES(key, key_len, SHARED_KEY, sizeof SHARED_KEY);
    CHECK_BYTES(iv, iv_len, SHARED_IV, sizeof SHARED_IV);

    /* No data is data too, and then its pointer does not matter. */
    CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, NULL, 0, &out, &len));
    CHECK_INTEGER(len, BLOCK);
    anwdl_bytes_free(out, len);
    anwdl_aes_wrapper_free(wrapper);

    wrapper = make_aes_wrapper(ANWDL_AES_GCM);
    CHECK_BAD_ARGUMENT(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, 32, SHARED_IV, 16));
    anwdl_aes_wrapper_free(wrapper);
}

int main(void) {
    test_known_cbc();
    test_known_gcm();
    check_round_trips(128, ANWDL_AES_CBC);
    check_round_trips(192, ANWDL_AES_CBC);
    check_round_trips(256, ANWDL_AES_CBC);
    check_round_trips(256, ANWDL_AES_GCM);
    test_freshness();
    test_altered_gcm();
    test_altered_cbc();
    test_arguments();
    return check_finish();
}
