/* test_builds_agree LIBRARY OTHER [CASES]: two builds of the library in one program, each of which
   reads what the other one makes: ciphertexts of RSA-OAEP, signatures of RSA-PSS, and keys as PEM
   text. CASES is how many there are in each direction. */
#define _GNU_SOURCE /* dladdr() */
#include "check.h"
#include "support.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CASES = 100, /* unless another number is given */
    LONGEST_DATA = 600,
    OAEP_OVERHEAD = 66
};

/* -- a build ----------------------------------------------------------------------------------- */

#define FUNCTIONS(DO)                                                                              \
    DO(rsa_wrapper_new)                                                                            \
    DO(rsa_wrapper_free)                                                                           \
    DO(rsa_wrapper_generate_key_pair)                                                              \
    DO(rsa_wrapper_get_key_size)                                                                   \
    DO(rsa_wrapper_get_public_key)                                                                 \
    DO(rsa_wrapper_get_private_key)                                                                \
    DO(rsa_wrapper_get_remote_public_key)                                                          \
    DO(rsa_wrapper_get_fingerprint)                                                                \
    DO(rsa_wrapper_set_private_key)                                                                \
    DO(rsa_wrapper_set_remote_public_key)                                                          \
    DO(rsa_wrapper_encrypt_data)                                                                   \
    DO(rsa_wrapper_decrypt_data)                                                                   \
    DO(rsa_wrapper_sign_data)                                                                      \
    DO(rsa_wrapper_verify_data_signature)                                                          \
    DO(last_error_reason)                                                                          \
    DO(string_free)                                                                                \
    DO(bytes_free)

#define DECLARE(name) __typeof__(anwdl_##name) *name;
#define LOAD(name)    load_function(build, path, "anwdl_" #name, &build->name);

typedef struct {
    void *handle;
    FUNCTIONS(DECLARE)
} build_t;

/* A function of that very file: the test itself is linked with a build, whose functions have the
   same names. */
static void load_function(const build_t *build, const char *path, const char *name,
                          void *out_function) {
    Dl_info info;
    struct stat asked_for;
    struct stat found;
    void *function = dlsym(build->handle, name);
    REQUIRE(function != NULL);
    REQUIRE(dladdr(function, &info) != 0);
    REQUIRE(stat(path, &asked_for) == 0 && stat(info.dli_fname, &found) == 0);
    REQUIRE(asked_for.st_ino == found.st_ino && asked_for.st_dev == found.st_dev);
    memcpy(out_function, &function, sizeof function);
}

static void load_build(build_t *build, const char *path) {
    build->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (build->handle == NULL)
        fprintf(stderr, "%s\n", dlerror());
    REQUIRE(build->handle != NULL);
    FUNCTIONS(LOAD)
}

/* -- random numbers ---------------------------------------------------------------------------- */

/* The same in each run, by Marsaglia's xorshift. */
static uint64_t draw(void) {
    static uint64_t state = 20240229;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t draw_bytes(uint8_t *bytes, size_t longest) {
    size_t len = draw() % (longest + 1);
    for (size_t at = 0; at < len; at++)
        bytes[at] = (uint8_t)(draw() >> 32);
    return len;
}

/* -- what one build makes, and the other one reads --------------------------------------------- */

/* A private key under the care of the one, and its copy that went over to the other as PEM text. */
typedef struct {
    const build_t *from;
    const build_t *to;
    anwdl_rsa_wrapper_t *original;
    anwdl_rsa_wrapper_t *copy;
} pair_t;

static anwdl_rsa_wrapper_t *make_wrapper(const build_t *build) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(build->rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    return wrapper;
}

static void cross_keys(pair_t *pair) {
    char *private_key = NULL;
    char *public_key = NULL;
    char *fingerprint = NULL;
    char *copied = NULL;
    const build_t *from = pair->from;
    const build_t *to = pair->to;
    REQUIRE(from->rsa_wrapper_get_private_key(pair->original, &private_key) == ANWDL_OK);
    REQUIRE(from->rsa_wrapper_get_public_key(pair->original, &public_key) == ANWDL_OK);
    REQUIRE(from->rsa_wrapper_get_fingerprint(pair->original, false, &fingerprint) == ANWDL_OK);

    pair->copy = make_wrapper(to);
    REQUIRE(to->rsa_wrapper_set_private_key(pair->copy, private_key, true) == ANWDL_OK);
    REQUIRE(to->rsa_wrapper_set_remote_public_key(pair->copy, public_key) == ANWDL_OK);
    CHECK_INTEGER(to->rsa_wrapper_get_key_size(pair->copy),
                  from->rsa_wrapper_get_key_size(pair->original));
    REQUIRE(to->rsa_wrapper_get_private_key(pair->copy, &copied) == ANWDL_OK);
    CHECK_STRING(copied, private_key);
    to->string_free(copied);
    REQUIRE(to->rsa_wrapper_get_public_key(pair->copy, &copied) == ANWDL_OK);
    CHECK_STRING(copied, public_key);
    to->string_free(copied);
    REQUIRE(to->rsa_wrapper_get_remote_public_key(pair->copy, &copied) == ANWDL_OK);
    CHECK_STRING(copied, public_key);
    REQUIRE(from->rsa_wrapper_set_remote_public_key(pair->original, copied) == ANWDL_OK);
    to->string_free(copied);
    REQUIRE(to->rsa_wrapper_get_fingerprint(pair->copy, true, &copied) == ANWDL_OK);
    CHECK_STRING(copied, fingerprint);
    to->string_free(copied);

    from->string_free(private_key);
    from->string_free(public_key);
    from->string_free(fingerprint);
}

static void cross_ciphertext(const pair_t *pair) {
    uint8_t text[LONGEST_DATA];
    uint8_t *ciphertext = NULL;
    uint8_t *read = NULL;
    size_t ciphertext_len = 0;
    size_t read_len = 0;
    size_t longest = pair->from->rsa_wrapper_get_key_size(pair->original) / 8 - OAEP_OVERHEAD;
    size_t len = draw_bytes(text, longest);
    REQUIRE(pair->from->rsa_wrapper_encrypt_data(pair->original, text, len, false, &ciphertext,
                                                 &ciphertext_len) == ANWDL_OK);
    if (CHECK(pair->to->rsa_wrapper_decrypt_data(pair->copy, ciphertext, ciphertext_len, &read,
                                                 &read_len) == ANWDL_OK)) {
        CHECK_BYTES(read, read_len, text, len);
        pair->to->bytes_free(read, read_len);
    }
    /* Both refuse one that was changed. The first bit stays, so that it is below the modulus. */
    ciphertext[1 + draw() % (ciphertext_len - 1)] ^= (uint8_t)(1 + draw() % 255);
    CHECK_INTEGER(pair->to->rsa_wrapper_decrypt_data(pair->copy, ciphertext, ciphertext_len, &read,
                                                     &read_len),
                  ANWDL_VALUE_ERROR);
    CHECK_INTEGER(pair->to->last_error_reason(), ANWDL_REASON_DECRYPTION_FAILED);
    pair->from->bytes_free(ciphertext, ciphertext_len);
}

static void cross_signature(const pair_t *pair) {
    uint8_t data[LONGEST_DATA];
    uint8_t *signature = NULL;
    size_t signature_len = 0;
    bool is_valid = false;
    size_t len = 1 + draw_bytes(data, sizeof data - 1);
    data[len - 1] = (uint8_t)len;
    REQUIRE(pair->from->rsa_wrapper_sign_data(pair->original, data, len, &signature,
                                              &signature_len) == ANWDL_OK);
    REQUIRE(pair->to->rsa_wrapper_verify_data_signature(pair->copy, signature, signature_len, data,
                                                        len, &is_valid) == ANWDL_OK);
    CHECK(is_valid);
    data[draw() % len] ^= (uint8_t)(1 + draw() % 255);
    REQUIRE(pair->to->rsa_wrapper_verify_data_signature(pair->copy, signature, signature_len, data,
                                                        len, &is_valid) == ANWDL_OK);
    CHECK(!is_valid);
    pair->from->bytes_free(signature, signature_len);
}

static void free_pair(pair_t *pair) {
    pair->from->rsa_wrapper_free(pair->original);
    pair->to->rsa_wrapper_free(pair->copy);
}

/* -- the keys ---------------------------------------------------------------------------------- */

/* OpenSSL made them. Most have 2048 bits, with which a case takes milliseconds. */
static const char *choose_key(size_t number) {
    static const char *const SHORT[] = {"server", "peer-1", "peer-2", "peer-3", "peer-4",
                                        "peer-5", "peer-6", "peer-7", "peer-8"};
    switch (number % 50) {
    case 0:
        return "rsa-4096";
    case 1:
    case 26:
        return "rsa-3072";
    case 2:
    case 12:
    case 22:
    case 32:
    case 42:
        return "rsa-2048-exponent-3";
    default:
        return SHORT[draw() % (sizeof SHORT / sizeof SHORT[0])];
    }
}

static void test_keys_of_others(const build_t *from, const build_t *to, size_t count) {
    for (size_t number = 0; number < count; number++) {
        pair_t pair = {.from = from, .to = to, .original = make_wrapper(from)};
        char *pem = read_key(choose_key(number));
        REQUIRE(from->rsa_wrapper_set_private_key(pair.original, pem, true) == ANWDL_OK);
        free(pem);
        cross_keys(&pair);
        cross_ciphertext(&pair);
        cross_signature(&pair);
        free_pair(&pair);
    }
}

static void test_own_key(const build_t *from, const build_t *to, uint64_t exponent, uint32_t size) {
    pair_t pair = {.from = from, .to = to, .original = make_wrapper(from)};
    REQUIRE(from->rsa_wrapper_generate_key_pair(pair.original, exponent, size) == ANWDL_OK);
    cross_keys(&pair);
    cross_ciphertext(&pair);
    cross_signature(&pair);
    free_pair(&pair);
}

int main(int argc, char **argv) {
    build_t one = {0};
    build_t other = {0};
    REQUIRE(argc == 3 || argc == 4);
    size_t count = argc == 4 ? strtoul(argv[3], NULL, 10) : CASES;
    load_build(&one, argv[1]);
    load_build(&other, argv[2]);
    REQUIRE(one.rsa_wrapper_new != other.rsa_wrapper_new);
    test_own_key(&one, &other, 65537, 2048);
    test_own_key(&other, &one, 65537, 2048);
    test_own_key(&one, &other, 3, 2048);
    test_own_key(&other, &one, 3, 2048);
    test_keys_of_others(&one, &other, count);
    test_keys_of_others(&other, &one, count);
    printf("cases: %zu ciphertexts, signatures and keys each way\n", count);
    printf("cases: 4 key pairs made by one build and read by the other\n");
    return check_finish();
}
