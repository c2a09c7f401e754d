/* Mistakes that sanitizers and valgrind are there to find. As it is, the program makes none of
   them; when ANWDL_BREAK names one of the rules below, it breaks that rule, and whatever watches it
   has to end it with a failure. Some mistakes are the caller's and happen in its own code, on
   memory of the library's; others show that the code of the library is watched, too. */
#include "check.h"
#include "support.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEN = 16, CALLS = 1000 };

static bool is_broken(const char *rule) {
    const char *broken = getenv("ANWDL_BREAK");
    if (broken == NULL || strcmp(broken, rule) != 0)
        return false;
    fprintf(stderr, "negative control: %s is broken\n", rule);
    return true;
}

static void encrypt(const anwdl_aes_wrapper_t *wrapper, const uint8_t *data, size_t len) {
    uint8_t *out = NULL;
    size_t out_len = 0;
    if (CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, data, len, &out, &out_len)))
        anwdl_bytes_free(out, out_len);
}

/* The library's memory, freed by the library, read by the program. */
static void read_what_was_lent(void) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    const uint8_t *key = NULL;
    const uint8_t *iv = NULL;
    size_t key_len = 0;
    size_t iv_len = 0;
    CHECK_OK(anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len));
    bool is_late = is_broken("what the library lends is not read after its end");
    if (is_late)
        anwdl_aes_wrapper_free(wrapper);
    CHECK_INTEGER(key[0], is_late ? key[0] : SHARED_KEY[0]);
    if (!is_late)
        anwdl_aes_wrapper_free(wrapper);
}

/* The program's memory, freed by the program, read by the library. */
static void hand_over_what_is_freed(const anwdl_aes_wrapper_t *wrapper) {
    uint8_t *data = calloc(LEN, 1);
    REQUIRE(data != NULL);
    uint8_t *volatile kept = data; /* the compiler need not know it */
    bool is_freed = is_broken("the library is given no memory that is freed");
    if (is_freed)
        free(data);
    encrypt(wrapper, kept, LEN);
    if (!is_freed)
        free(data);
}

static void hand_over_too_long_a_length(const anwdl_aes_wrapper_t *wrapper) {
    uint8_t *data = calloc(LEN, 1);
    REQUIRE(data != NULL);
    bool is_too_long = is_broken("the library is given no more bytes than there are");
    encrypt(wrapper, data, is_too_long ? LEN + 1 : LEN);
    free(data);
}

static void forget_an_object(void) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_GCM);
    if (!is_broken("every object is freed"))
        anwdl_aes_wrapper_free(wrapper);
}

static anwdl_aes_wrapper_t *volatile kept;

static void keep_an_object(void) {
    kept = make_aes_wrapper(ANWDL_AES_GCM);
    if (!is_broken("nothing stays but what is known to")) {
        anwdl_aes_wrapper_free(kept);
        kept = NULL;
    }
}

static void overflow(void) {
    volatile int number = is_broken("no signed integer overflows") ? INT_MAX : 0;
    number = number + 1;
    CHECK(number != 0);
}

static void *set_keys(void *context) {
    anwdl_aes_wrapper_t *wrapper = context;
    for (unsigned call = 0; call < CALLS; call++)
        CHECK_OK(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, sizeof SHARED_KEY, SHARED_IV,
                                           sizeof SHARED_IV));
    return NULL;
}

static void change_on_two_threads(void) {
    anwdl_aes_wrapper_t *wrappers[2] = {make_aes_wrapper(ANWDL_AES_CBC),
                                        make_aes_wrapper(ANWDL_AES_CBC)};
    bool is_shared = is_broken("no object is changed on two threads at once");
    pthread_t threads[2];
    for (unsigned at = 0; at < 2; at++)
        REQUIRE(pthread_create(&threads[at], NULL, set_keys, wrappers[is_shared ? 0 : at]) == 0);
    for (unsigned at = 0; at < 2; at++)
        REQUIRE(pthread_join(threads[at], NULL) == 0);
    for (unsigned at = 0; at < 2; at++)
        anwdl_aes_wrapper_free(wrappers[at]);
}

int main(void) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    read_what_was_lent();
    hand_over_what_is_freed(wrapper);
    hand_over_too_long_a_length(wrapper);
    forget_an_object();
    keep_an_object();
    overflow();
    change_on_two_threads();
    anwdl_aes_wrapper_free(wrapper);
    printf("cases: 7 kinds of misuse, none of them made\n");
    return check_finish();
}
