/* The whole RSA wrapper, against values that OpenSSL made from keys/server.pem. */
#include "check.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* openssl pkey -in server.pem -pubout | sha256sum */
static const char FINGERPRINT[] =
    "59a7a58726e4b1650c9f4dac3413f4623dcfbcfaf25a629fcd526421e7aef17b";

/* "signed by OpenSSL": RSASSA-PSS, SHA-256, the longest salt that fits */
static const char SIGNATURE[] =
    "180d1d989cdd18c37fef543bfcb29d4fca3e65494d63325116587d5fe24de2946473b1806212df04bbc4088a"
    "837b350fe2375b3241b0cd05e7bff9024ced9198b8f7e94a424ba023744d19c4f7ffb282bdd8104b1e360f6c"
    "e06fa47b2ec0d6fb94a300cbd57ae9589349bcda97fba0cccd1c1d2f76d39a10ed4fbf629c4dd92b76a2be6b"
    "85cbdb22a31c4961bf1a97b232830f2cd56179ce053a7de7259ef432a3b830203e8ec7d3ce488989733ff948"
    "481b9f77e23c00260c922a2786ff0f5192a23ad947fa585193f631b22c7d8006ed32ef69de3a711479af5356"
    "cf6a283d62b109a007d0115bdd5ff49cc2943f2bd72693b8e0f8fda3d61005ef91d8420f";

/* "encrypted by OpenSSL": RSA-OAEP, SHA-256 */
static const char CIPHERTEXT[] =
    "8edc1798a6ca86467c312c224b488f051c4a766f3ac80c3c393d97d537eb14adc7f961b508378683fba92efd"
    "ce8cd53855a60f927f90bda8d468b68d79b70a8579d078feb0a448433f9085da8188df0a3de54fbb95bf68d7"
    "75b065aa54c66d6f36e61433e2584c254ab64c5bbc0b2babe37a4b481a27b51a56cb5d4c4f0c1d81db93745f"
    "4056a39f00b4252d8759a5005b2484c90d3fbcfe85d9b3c8ecf7f54c7c1ea17b49ece8384c39007cdc9577a5"
    "34933fa8d4148cf3147471d11ece7313f7011655ba3dcadf91e735353cd311223bc97d5ec0c2bb04f448dc00"
    "b8229392ed17a0adb029d62597e3abd093b53178669a264caa9a77a68d08f4d8c47b2ec4";

/* 1024 bits: too short to be accepted */
static const char SHORT_KEY[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDZ6WAJGeFt5fvA7bicLM22U5eR\n"
                                "X75QE9FKMfE26bXtr4Po0RBEV6XQ0k3NzXEI8c0Tpjk8Nq7YCDPjvL41aTxUdbDE\n"
                                "hfvcEp3T0OoTRhyS4+RpGjftELMkFPn8yL1mrgIsHPmGR9oD5xbPr/buDX1P1xnX\n"
                                "HBqOM0eCHAyRDnK0oQIDAQAB\n"
                                "-----END PUBLIC KEY-----\n";

#define CHECK_BAD_ARGUMENT(call)                                                                   \
    CHECK_FAILURE((call), ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT)
#define CHECK_KEY_MISSING(call) CHECK_FAILURE((call), ANWDL_VALUE_ERROR, ANWDL_REASON_KEY_MISSING)

static anwdl_rsa_wrapper_t *make_empty(void) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    return wrapper;
}

static void test_empty(void) {
    anwdl_rsa_wrapper_t *wrapper = make_empty();
    uint8_t *out = NULL;
    size_t out_len = 99;
    bool valid = true;
    char *text = (char *)&valid;
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 0);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &text));
    CHECK_STRING(text, NULL);
    text = (char *)&valid;
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(wrapper, &text));
    CHECK_STRING(text, NULL);
    text = (char *)&valid;
    CHECK_OK(anwdl_rsa_wrapper_get_remote_public_key(wrapper, &text));
    CHECK_STRING(text, NULL);

    const uint8_t data[256] = {1};
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_encrypt_data(wrapper, data, 1, true, &out, &out_len));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_encrypt_data(wrapper, data, 1, false, &out, &out_len));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_decrypt_data(wrapper, data, 256, &out, &out_len));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_sign_data(wrapper, data, 1, &out, &out_len));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_verify_data_signature(wrapper, data, 256, data, 1, &valid));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_verify_data_signature_with_key(wrapper, data, 256, data, 1,
                                                                       true, &valid));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_verify_data_signature_with_key(wrapper, data, 256, data, 1,
                                                                       false, &valid));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_get_fingerprint(wrapper, false, &text));
    CHECK_KEY_MISSING(anwdl_rsa_wrapper_get_fingerprint(wrapper, true, &text));
    CHECK(out == NULL && out_len == 99 && valid && text == NULL);
    anwdl_rsa_wrapper_free(wrapper);
}

static bool is_pem(const char *pem, const char *label) {
    char line[64] = "-----BEGIN ";
    size_t len = pem == NULL ? 0 : strlen(pem);
    strcat(line, label);
    strcat(line, "-----\n");
    return len > strlen(line) && strncmp(pem, line, strlen(line)) == 0 && pem[len - 1] == '\n' &&
           strchr(pem, '\r') == NULL;
}

static void test_generation(void) {
    anwdl_rsa_wrapper_t *wrapper = make_empty();
    char *public_key = NULL;
    char *private_key = NULL;
    CHECK_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048));
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &public_key));
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(wrapper, &private_key));
    CHECK(is_pem(public_key, "PUBLIC KEY"));
    CHECK(is_pem(private_key, "PRIVATE KEY"));

    /* What it made is a key like any other. */
    anwdl_rsa_wrapper_t *copy = make_empty();
    char *derived = NULL;
    CHECK_OK(anwdl_rsa_wrapper_set_private_key(copy, private_key, true));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(copy, &derived));
    CHECK_STRING(derived, public_key);
    anwdl_string_free(derived);
    anwdl_string_free(public_key);
    anwdl_string_free(private_key);
    anwdl_rsa_wrapper_free(copy);

    /* A pair that cannot be made leaves the one that is there. */
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 1024));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 16384));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65536, 2048));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_generate_key_pair(wrapper, 1, 2048));
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);
    anwdl_rsa_wrapper_free(wrapper);
}

static void test_keys_in_and_out(void) {
    char *pem = read_key("server");
    anwdl_rsa_wrapper_t *wrapper = make_empty();
    char *public_key = NULL;
    char *text = NULL;

    CHECK_OK(anwdl_rsa_wrapper_set_private_key(wrapper, pem, true));
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(wrapper, &text));
    CHECK_STRING(text, pem);
    anwdl_string_free(text);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &public_key));
    CHECK(is_pem(public_key, "PUBLIC KEY"));

    /* Without deriving, only the private key is set. */
    anwdl_rsa_wrapper_t *underived = make_empty();
    CHECK_OK(anwdl_rsa_wrapper_set_private_key(underived, pem, false));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(underived, &text));
    CHECK_STRING(text, NULL);
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(underived), 0);
    CHECK_OK(anwdl_rsa_wrapper_set_public_key(underived, public_key));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(underived, &text));
    CHECK_STRING(text, public_key);
    anwdl_string_free(text);
    anwdl_rsa_wrapper_free(underived);

    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key(wrapper, public_key));
    CHECK_OK(anwdl_rsa_wrapper_get_remote_public_key(wrapper, &text));
    CHECK_STRING(text, public_key);
    anwdl_string_free(text);

    /* Text that is no key, or not the right one, changes nothing. */
    const char *const refused[] = {"", "no key", SHORT_KEY, "-----BEGIN PUBLIC KEY-----\n"};
    for (size_t at = 0; at < sizeof refused / sizeof refused[0]; at++) {
        CHECK_FAILURE(anwdl_rsa_wrapper_set_public_key(wrapper, refused[at]), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_KEY);
        CHECK_FAILURE(anwdl_rsa_wrapper_set_remote_public_key(wrapper, refused[at]),
                      ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
        CHECK_FAILURE(anwdl_rsa_wrapper_set_private_key(wrapper, refused[at], true),
                      ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
    }
    CHECK_FAILURE(anwdl_rsa_wrapper_set_public_key(wrapper, pem), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_key(wrapper, public_key, true), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_public_key(wrapper, "\xff"), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &text));
    CHECK_STRING(text, public_key);
    anwdl_string_free(text);

    anwdl_string_free(public_key);
    anwdl_rsa_wrapper_free(wrapper);
    free(pem);
}

typedef anwdl_status_t get_der_t(const anwdl_rsa_wrapper_t *, uint8_t **, size_t *);

static void check_der(const anwdl_rsa_wrapper_t *wrapper, get_der_t *get, const uint8_t *expected,
                      size_t expected_len) {
    uint8_t *der = (uint8_t *)&expected_len;
    size_t len = 99;
    CHECK_OK(get(wrapper, &der, &len));
    if (expected == NULL)
        CHECK(der == NULL && len == 0);
    else
        CHECK_BYTES(der, len, expected, expected_len);
    anwdl_bytes_free(der, len);
}

static void test_der(void) {
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *wrapper = make_empty();
    uint8_t *private_key = NULL;
    uint8_t *public_key = NULL;
    size_t private_len = 0;
    size_t public_len = 0;
    CHECK_OK(anwdl_rsa_wrapper_get_private_key_der(server, &private_key, &private_len));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key_der(server, &public_key, &public_len));
    check_der(wrapper, anwdl_rsa_wrapper_get_private_key_der, NULL, 0);
    check_der(wrapper, anwdl_rsa_wrapper_get_public_key_der, NULL, 0);
    check_der(wrapper, anwdl_rsa_wrapper_get_remote_public_key_der, NULL, 0);

    CHECK_OK(anwdl_rsa_wrapper_set_private_key_der(wrapper, private_key, private_len, false));
    check_der(wrapper, anwdl_rsa_wrapper_get_private_key_der, private_key, private_len);
    check_der(wrapper, anwdl_rsa_wrapper_get_public_key_der, NULL, 0);
    CHECK_OK(anwdl_rsa_wrapper_set_private_key_der(wrapper, private_key, private_len, true));
    check_der(wrapper, anwdl_rsa_wrapper_get_public_key_der, public_key, public_len);
    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key_der(wrapper, public_key, public_len));
    check_der(wrapper, anwdl_rsa_wrapper_get_remote_public_key_der, public_key, public_len);
    anwdl_rsa_wrapper_free(wrapper);
    wrapper = make_empty();
    CHECK_OK(anwdl_rsa_wrapper_set_public_key_der(wrapper, public_key, public_len));
    check_der(wrapper, anwdl_rsa_wrapper_get_public_key_der, public_key, public_len);
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);

    /* What is cut off, and a public key for a private one. */
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_key_der(wrapper, private_key, 100, true),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_key_der(wrapper, public_key, public_len, true),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_public_key_der(wrapper, public_key, 100), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_remote_public_key_der(wrapper, NULL, 0), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_public_key_der(wrapper, NULL, 1));
    check_der(wrapper, anwdl_rsa_wrapper_get_public_key_der, public_key, public_len);

    anwdl_bytes_free(private_key, private_len);
    anwdl_bytes_free(public_key, public_len);
    anwdl_rsa_wrapper_free(wrapper);
    anwdl_rsa_wrapper_free(server);
}

static void test_encryption(void) {
    static const uint8_t data[] = "a secret";
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *peer = make_rsa_wrapper("peer-1");
    char *server_key = NULL;
    uint8_t *sealed = NULL;
    uint8_t *opened = NULL;
    size_t sealed_len = 0;
    size_t opened_len = 0;

    uint8_t known[256];
    size_t known_len = bytes_from_hex(CIPHERTEXT, known, sizeof known);
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(server, known, known_len, &opened, &opened_len));
    CHECK_BYTES(opened, opened_len, "encrypted by OpenSSL", 20);
    anwdl_bytes_free(opened, opened_len);

    /* For the remote side. */
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(server, &server_key));
    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key(peer, server_key));
    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(peer, data, sizeof data, false, &sealed, &sealed_len));
    CHECK_INTEGER(sealed_len, 256);
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(server, sealed, sealed_len, &opened, &opened_len));
    CHECK_BYTES(opened, opened_len, data, sizeof data);
    anwdl_bytes_free(opened, opened_len);
    opened = NULL;

    /* Nobody else reads it, and nobody reads what was altered. */
    CHECK_FAILURE(anwdl_rsa_wrapper_decrypt_data(peer, sealed, sealed_len, &opened, &opened_len),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    sealed[100] ^= 1;
    CHECK_FAILURE(anwdl_rsa_wrapper_decrypt_data(server, sealed, sealed_len, &opened, &opened_len),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    CHECK_FAILURE(anwdl_rsa_wrapper_decrypt_data(server, sealed, 255, &opened, &opened_len),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    CHECK(opened == NULL);
    anwdl_bytes_free(sealed, sealed_len);

    /* For itself; the longest and the shortest text that OAEP takes. */
    uint8_t longest[256 - 2 * 32 - 2] = {7};
    size_t lengths[] = {0, 1, sizeof longest};
    for (size_t at = 0; at < 3; at++) {
        CHECK_OK(anwdl_rsa_wrapper_encrypt_data(server, longest, lengths[at], true, &sealed,
                                                &sealed_len));
        CHECK_OK(anwdl_rsa_wrapper_decrypt_data(server, sealed, sealed_len, &opened, &opened_len));
        CHECK_BYTES(opened, opened_len, longest, lengths[at]);
        anwdl_bytes_free(opened, opened_len);
        anwdl_bytes_free(sealed, sealed_len);
    }
    uint8_t too_long[sizeof longest + 1] = {0};
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_encrypt_data(server, too_long, sizeof too_long, true,
                                                      &sealed, &sealed_len));

    anwdl_string_free(server_key);
    anwdl_rsa_wrapper_free(server);
    anwdl_rsa_wrapper_free(peer);
}

static bool is_valid_under(const anwdl_rsa_wrapper_t *verifier, bool use_local_public_key,
                           const uint8_t *signature, size_t len) {
    bool valid = false;
    CHECK_OK(anwdl_rsa_wrapper_verify_data_signature_with_key(
        verifier, signature, len, (const uint8_t *)"text", 4, use_local_public_key, &valid));
    return valid;
}

static bool is_valid(const anwdl_rsa_wrapper_t *verifier, const uint8_t *signature, size_t len,
                     const char *text) {
    bool valid = false;
    CHECK_OK(anwdl_rsa_wrapper_verify_data_signature(verifier, signature, len,
                                                     (const uint8_t *)text, strlen(text), &valid));
    return valid;
}

static void test_signatures(void) {
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *peer = make_rsa_wrapper("peer-1");
    char *server_key = NULL;
    uint8_t *signature = NULL;
    size_t len = 0;
    uint8_t known[256];
    size_t known_len = bytes_from_hex(SIGNATURE, known, sizeof known);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(server, &server_key));
    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key(peer, server_key));

    CHECK(is_valid(peer, known, known_len, "signed by OpenSSL"));
    CHECK(!is_valid(peer, known, known_len, "signed by somebody"));
    CHECK(!is_valid(peer, known, known_len - 1, "signed by OpenSSL"));
    known[0] ^= 1;
    CHECK(!is_valid(peer, known, known_len, "signed by OpenSSL"));

    CHECK_OK(anwdl_rsa_wrapper_sign_data(server, (const uint8_t *)"text", 4, &signature, &len));
    CHECK_INTEGER(len, 256);
    CHECK(is_valid(peer, signature, len, "text"));
    CHECK(!is_valid(peer, signature, len, "test"));
    CHECK(is_valid_under(peer, false, signature, len));
    CHECK(!is_valid_under(peer, true, signature, len));
    CHECK(is_valid_under(server, true, signature, len));
    anwdl_bytes_free(signature, len);

    anwdl_string_free(server_key);
    anwdl_rsa_wrapper_free(server);
    anwdl_rsa_wrapper_free(peer);
}

static void test_fingerprints(void) {
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *peer = make_rsa_wrapper("peer-1");
    char *server_key = NULL;
    char *fingerprint = NULL;
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(server, false, &fingerprint));
    CHECK_STRING(fingerprint, FINGERPRINT);
    anwdl_string_free(fingerprint);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(server, &server_key));
    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key(peer, server_key));
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(peer, true, &fingerprint));
    CHECK_STRING(fingerprint, FINGERPRINT);
    anwdl_string_free(fingerprint);
    anwdl_string_free(server_key);
    anwdl_rsa_wrapper_free(server);
    anwdl_rsa_wrapper_free(peer);
}

static void test_missing_arguments(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    const uint8_t data[1] = {0};
    uint8_t *out = NULL;
    size_t len = 0;
    bool valid = false;
    char *text = NULL;
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_new(false, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_generate_key_pair(NULL, 65537, 2048));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_public_key(NULL, &text));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_public_key(wrapper, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_private_key(NULL, &text));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_private_key(wrapper, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_remote_public_key(NULL, &text));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_remote_public_key(wrapper, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_public_key(NULL, ""));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_public_key(wrapper, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_private_key(NULL, "", true));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_private_key(wrapper, NULL, true));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_remote_public_key(NULL, ""));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_set_remote_public_key(wrapper, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_encrypt_data(NULL, data, 1, true, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_encrypt_data(wrapper, NULL, 1, true, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_encrypt_data(wrapper, data, 1, true, NULL, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_encrypt_data(wrapper, data, 1, true, &out, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_decrypt_data(NULL, data, 1, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_decrypt_data(wrapper, NULL, 1, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_decrypt_data(wrapper, data, 1, NULL, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_sign_data(NULL, data, 1, &out, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_sign_data(wrapper, data, 1, NULL, &len));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_verify_data_signature(NULL, data, 1, data, 1, &valid));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_verify_data_signature(wrapper, NULL, 1, data, 1, &valid));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_verify_data_signature(wrapper, data, 1, data, 1, NULL));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_fingerprint(NULL, false, &text));
    CHECK_BAD_ARGUMENT(anwdl_rsa_wrapper_get_fingerprint(wrapper, false, NULL));
    CHECK(out == NULL && len == 0 && text == NULL);
    anwdl_rsa_wrapper_free(wrapper);
}

/* Making a key is slow under valgrind, which runs everything else. */
int main(int argc, char **argv) {
    bool generate = argc < 2 || strcmp(argv[1], "--without-generation") != 0;
    test_empty();
    if (generate)
        test_generation();
    test_keys_in_and_out();
    test_der();
    test_encryption();
    test_signatures();
    test_fingerprints();
    test_missing_arguments();
    return check_finish();
}
