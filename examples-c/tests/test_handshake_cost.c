/* test_handshake_cost [ROUNDS]: what a peer that breaks the key exchange of v2, v3 or v4 costs a
   server: at most one private key operation, none of them before the secret has come,
   and half as much again.

   The processor's time is what the thread of the server used, as the least of many rounds (whatever
   disturbs a round adds to it), beside one bare private key operation in each of the same rounds.
   A case that seems too dear is played again, many times: on a busy machine a few rounds may all be
   disturbed, and what really costs too much does so in each. What the system takes for bytes that
   come one at a time is not in it. */
#include "check.h"
#include "made_up_keys.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS = 5,
    MOST_ROUNDS = 1001,
    MORE_ROUNDS = 300, /* of a case that seems too dear */
    MOST_CASES = 256,
    LONGEST_PEM = 16384,
    MILLISECOND = 1000000 /* nanoseconds */
};

/* -- a handshake ------------------------------------------------------------------------------- */

/* What the peer sends does not depend on what it hears, as it knows the server's key beforehand: so
   it is one run of bytes. The server takes what it waits for, and no more. */
typedef struct {
    char name[80];
    bool server_speaks_first;
    uint8_t *bytes;
    size_t len;
    size_t piece;                   /* as many bytes come at a time; 0: all at once */
    unsigned computations;          /* private key operations */
    int64_t cost;                   /* nanoseconds, the least of all rounds */
    anwdl_status_t expected_status; /* WANT_READ: the peer says no more, and the server waits */
} handshake_t;

typedef struct {
    anwdl_rsa_wrapper_t *key; /* of the server; the peer has its public half */
    anwdl_client_options_t *options;
    char *public_key;
    char *peer_public_key;
    uint8_t *secret; /* the right one, wrapped */
    size_t secret_len;
    handshake_t *cases;
    size_t case_count;
    size_t rounds;
    int64_t operation; /* nanoseconds that a bare one takes, the least of all rounds */
} scene_t;

static int64_t now_on_processor(void) {
    struct timespec now;
    REQUIRE(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The whole session, from its beginning to its end. Gives the status that it came to. Checks only
   afterwards, as it is timed. */
static anwdl_status_t play(const scene_t *scene, const handshake_t *handshake,
                           unsigned *out_computations) {
    anwdl_session_t *session = NULL;
    anwdl_status_t status;
    size_t sent = 0;
    int failures = 0;
    *out_computations = 0;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, scene->options, &session) == ANWDL_OK);
    while ((status = anwdl_session_exchange_keys(session, !handshake->server_speaks_first)) > 0) {
        size_t count = 0;
        if (status == ANWDL_WANT_WRITE) {
            const uint8_t *pending;
            failures |= anwdl_session_get_pending(session, &pending, &count);
            failures |= anwdl_session_sent(session, count);
        } else if (status == ANWDL_WANT_COMPUTATION) {
            ++*out_computations;
            failures |= anwdl_session_compute(session);
        } else if (sent < handshake->len) {
            size_t left = handshake->len - sent;
            size_t piece =
                handshake->piece > 0 && handshake->piece < left ? handshake->piece : left;
            failures |= anwdl_session_feed(session, handshake->bytes + sent, piece, &count);
            sent += count;
        } else {
            break;
        }
    }
    anwdl_session_free(session);
    CHECK_INTEGER(failures, ANWDL_OK);
    return status;
}

/* -- all ways to break it ---------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const void *length; /* eight bytes; NULL: those that fit the key */
    const void *key;    /* NULL: the right one */
    size_t key_len;
    const char *answers; /* to the length, to the key, and to the secret; NULL: "111" */
    const void *secret;  /* NULL: the right one */
    size_t secret_len;
    size_t end; /* the bytes after these are not sent; 0: all are */
    size_t piece;
    unsigned computations;
    anwdl_status_t status;
} recipe_t;

static void add_bytes(handshake_t *handshake, const void *bytes, size_t len) {
    memcpy(handshake->bytes + handshake->len, bytes, len);
    handshake->len += len;
}

static void add_key(handshake_t *handshake, const void *key, size_t len, const void *length) {
    char own_length[16];
    snprintf(own_length, sizeof own_length, "%zu=======", len);
    add_bytes(handshake, length != NULL ? length : own_length, 8);
    add_bytes(handshake, key, len);
}

static handshake_t *add_case(scene_t *scene, const recipe_t *recipe, bool server_speaks_first) {
    const char *answers = recipe->answers != NULL ? recipe->answers : "111";
    const void *key = recipe->key != NULL ? recipe->key : scene->peer_public_key;
    size_t key_len = recipe->key != NULL ? recipe->key_len : strlen(scene->peer_public_key);
    const void *secret = recipe->secret != NULL ? recipe->secret : scene->secret;
    size_t secret_len = recipe->secret != NULL ? recipe->secret_len : scene->secret_len;
    REQUIRE(scene->case_count < MOST_CASES);
    handshake_t *handshake = &scene->cases[scene->case_count++];
    memset(handshake, 0, sizeof *handshake);
    snprintf(handshake->name, sizeof handshake->name, "%s%s", recipe->name,
             server_speaks_first ? ", the server speaking first" : "");
    handshake->server_speaks_first = server_speaks_first;
    handshake->bytes = malloc(8 + key_len + 3 + secret_len);
    REQUIRE(handshake->bytes != NULL);
    if (!server_speaks_first) {
        add_key(handshake, key, key_len, recipe->length);
        add_bytes(handshake, answers, 2);
        add_bytes(handshake, secret, secret_len);
        add_bytes(handshake, answers + 2, 1);
    } else {
        add_bytes(handshake, answers, 2);
        add_key(handshake, key, key_len, recipe->length);
        add_bytes(handshake, answers + 2, 1);
        add_bytes(handshake, secret, secret_len);
    }
    if (recipe->end > 0 && recipe->end < handshake->len)
        handshake->len = recipe->end;
    handshake->piece = recipe->piece;
    handshake->computations = recipe->computations;
    handshake->expected_status = recipe->status;
    handshake->cost = INT64_MAX;
    return handshake;
}

static void add_both(scene_t *scene, const recipe_t *recipe) {
    add_case(scene, recipe, false);
    add_case(scene, recipe, true);
}

static void add_lengths(scene_t *scene) {
    static const char *const LENGTHS[] = {
        "0=======", "00000000", "99999999", "16385===", "-1======", "+800====",        " 800====",
        "8_00====", "800=0===", "========", "0x320===", "8e2=====", "\0\0\0\0\0\0\0\0"};
    for (size_t at = 0; at < sizeof LENGTHS / sizeof LENGTHS[0]; at++) {
        char name[64];
        snprintf(name, sizeof name, "the length \"%.8s\"", LENGTHS[at]);
        add_both(scene,
                 &(recipe_t){.name = name, .length = LENGTHS[at], .status = ANWDL_VALUE_ERROR});
    }
}

/* A text in place of the key. */
static void add_text(scene_t *scene, const char *name, const char *text, size_t len) {
    add_both(scene,
             &(recipe_t){.name = name, .key = text, .key_len = len, .status = ANWDL_VALUE_ERROR});
}

static void add_texts(scene_t *scene) {
    static char text[LONGEST_PEM + 1];
    memset(text, 0, LONGEST_PEM);
    add_text(scene, "a key of zeros", text, LONGEST_PEM);
    memset(text, 'A', LONGEST_PEM);
    add_text(scene, "a key of letters", text, LONGEST_PEM);
    memset(text, '\n', LONGEST_PEM);
    add_text(scene, "a key of empty lines", text, LONGEST_PEM);
    memset(text, 0xff, LONGEST_PEM);
    add_text(scene, "a key that is no text", text, LONGEST_PEM);
    memset(text, '-', LONGEST_PEM);
    add_text(scene, "a key of hyphens", text, LONGEST_PEM);
    memset(text, 'A', LONGEST_PEM);
    memcpy(text, "-----BEGIN PUBLIC KEY-----\n", 27);
    add_text(scene, "a key without an end", text, LONGEST_PEM);
    for (size_t at = 0; at + 27 <= LONGEST_PEM; at += 27)
        memcpy(text + at, "-----BEGIN PUBLIC KEY-----\n", 27);
    add_text(scene, "many beginnings of a key", text, LONGEST_PEM);

    char *private_key = read_key("peer-1");
    add_text(scene, "a private key", private_key, strlen(private_key));
    free(private_key);
    snprintf(text, sizeof text, "%s%s", scene->peer_public_key, scene->peer_public_key);
    add_text(scene, "two keys", text, strlen(text));

    static uint8_t bytes[12000];
    memset(bytes, 0x30, sizeof bytes);
    char *pem = make_pem("PUBLIC KEY", bytes, sizeof bytes);
    add_text(scene, "sequences in sequences", pem, strlen(pem));
    free(pem);
    for (size_t at = 0; at + 2 <= sizeof bytes; at += 2)
        memcpy(bytes + at, "\x30\x80", 2);
    pem = make_pem("PUBLIC KEY", bytes, sizeof bytes);
    add_text(scene, "sequences without an end", pem, strlen(pem));
    free(pem);
    pem = make_pem("CERTIFICATE", bytes, sizeof bytes);
    add_text(scene, "a certificate", pem, strlen(pem));
    free(pem);
}

static const uint8_t USUAL_EXPONENT[] = {1, 0, 1};

/* A key of numbers, with which a server that takes it goes on. */
static void add_numbers(scene_t *scene, const char *name, size_t bits, uint8_t fill, uint8_t last,
                        const uint8_t *exponent, size_t exponent_len, bool is_taken) {
    uint8_t *modulus = make_number(bits, fill, last);
    char *pem = make_public_key(modulus, (bits + 7) / 8, exponent, exponent_len);
    recipe_t recipe = {.name = name, .key = pem, .key_len = strlen(pem)};
    recipe.status = is_taken ? ANWDL_OK : ANWDL_VALUE_ERROR;
    recipe.computations = is_taken;
    REQUIRE(recipe.key_len <= LONGEST_PEM);
    add_case(scene, &recipe, false);
    /* There, the server wraps its own secret, which the peer cannot know. */
    recipe.status = ANWDL_VALUE_ERROR;
    add_case(scene, &recipe, true);
    free(pem);
    free(modulus);
}

typedef struct {
    const char *name;
    size_t bits;
    uint8_t fill;
    uint8_t last;
    bool is_taken;
} number_t;

static void add_keys(scene_t *scene) {
    static const number_t MODULI[] = {
        {"a modulus of 1024 bits", 1024, 0xff, 0xff, false},
        {"a modulus of 2047 bits", 2047, 0xff, 0xff, false},
        {"a modulus of 2048 ones", 2048, 0xff, 0xff, true},
        {"a modulus of 8192 ones", 8192, 0xff, 0xff, true},
        {"the modulus 2^8191 + 1", 8192, 0, 1, true},
        {"a modulus of 8192 bits that is even", 8192, 0xff, 0xfe, false},
        {"a modulus of 8193 bits", 8193, 0xff, 0xff, false},
        {"a modulus of 16384 bits", 16384, 0xff, 0xff, false},
        {"a modulus of 94000 bits", 94000, 0xff, 0xff, false},
    };
    for (size_t at = 0; at < sizeof MODULI / sizeof MODULI[0]; at++)
        add_numbers(scene, MODULI[at].name, MODULI[at].bits, MODULI[at].fill, MODULI[at].last,
                    USUAL_EXPONENT, sizeof USUAL_EXPONENT, MODULI[at].is_taken);

    static const number_t EXPONENTS[] = {
        {"the exponent 1", 1, 0, 1, false},
        {"the exponent 2", 2, 0, 2, false},
        {"the exponent 3", 2, 0xff, 3, true},
        {"an exponent of 33 ones", 33, 0xff, 0xff, true},
        {"an exponent of 34 ones", 34, 0xff, 0xff, false},
        {"an exponent of 8192 ones", 8192, 0xff, 0xff, false},
        {"an exponent of 80000 ones", 80000, 0xff, 0xff, false},
    };
    for (size_t at = 0; at < sizeof EXPONENTS / sizeof EXPONENTS[0]; at++) {
        uint8_t *exponent = make_number(EXPONENTS[at].bits, EXPONENTS[at].fill, EXPONENTS[at].last);
        add_numbers(scene, EXPONENTS[at].name, 8192, 0xff, 0xff, exponent,
                    (EXPONENTS[at].bits + 7) / 8, EXPONENTS[at].is_taken);
        free(exponent);
    }
}

static void add_secret(scene_t *scene, const char *name, const uint8_t *wrapped) {
    add_both(scene, &(recipe_t){.name = name,
                                .secret = wrapped,
                                .secret_len = scene->secret_len,
                                .computations = 1,
                                .status = ANWDL_VALUE_ERROR});
}

/* Numbers that nobody wrapped. */
static void add_made_up_secrets(scene_t *scene) {
    uint8_t wrapped[512];
    REQUIRE(scene->secret_len == sizeof wrapped);
    memset(wrapped, 0, sizeof wrapped);
    add_secret(scene, "the wrapped secret 0", wrapped);
    wrapped[sizeof wrapped - 1] = 1;
    add_secret(scene, "the wrapped secret 1", wrapped);
    wrapped[sizeof wrapped - 1] = 2;
    add_secret(scene, "the wrapped secret 2", wrapped);
    memset(wrapped, 0xff, sizeof wrapped);
    add_secret(scene, "a wrapped secret above the modulus", wrapped);
    memset(wrapped, 0x5a, sizeof wrapped);
    add_secret(scene, "a wrapped secret of nobody", wrapped);
    memcpy(wrapped, scene->secret, sizeof wrapped);
    wrapped[sizeof wrapped - 1] ^= 1;
    add_secret(scene, "a wrapped secret that was changed", wrapped);
}

/* Secrets of every length that nobody asks for. */
static void add_wrong_secrets(scene_t *scene) {
    static const size_t LENGTHS[] = {0, 1, 15, 16, 31, 33, 34, 39, 41, 47, 49, 64, 190};
    uint8_t secret[256];
    memset(secret, 7, sizeof secret);
    for (size_t at = 0; at < sizeof LENGTHS / sizeof LENGTHS[0]; at++) {
        char name[64];
        uint8_t *wrapped = NULL;
        size_t wrapped_len = 0;
        snprintf(name, sizeof name, "a secret of %zu bytes", LENGTHS[at]);
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(scene->key, secret, LENGTHS[at], true, &wrapped,
                                               &wrapped_len) == ANWDL_OK);
        add_secret(scene, name, wrapped);
        anwdl_bytes_free(wrapped, wrapped_len);
    }
}

/* The peer refuses what it is offered, or answers with something else. */
static void add_answers(scene_t *scene) {
    static const char *const ANSWERS[] = {"0", "2", "\xff", "="};
    for (size_t step = 0; step < 3; step++)
        for (size_t at = 0; at < sizeof ANSWERS / sizeof ANSWERS[0]; at++) {
            char name[64];
            char answers[] = "111";
            answers[step] = ANSWERS[at][0];
            snprintf(name, sizeof name, "answer %zu is byte %d", step + 1, (uint8_t)answers[step]);
            recipe_t recipe = {.name = name, .answers = answers, .status = ANWDL_RUNTIME_ERROR};
            recipe.computations = step == 2;
            add_case(scene, &recipe, false);
            recipe.computations = 0; /* the server's secret goes first */
            add_case(scene, &recipe, true);
        }
}

/* The peer says no more after some bytes. */
static void add_silences(scene_t *scene) {
    size_t key_end = 8 + strlen(scene->peer_public_key);
    size_t ends[] = {1,           8,           9,
                     key_end - 1, key_end,     key_end + 1,
                     key_end + 2, key_end + 3, key_end + 2 + scene->secret_len - 1};
    for (size_t at = 0; at < sizeof ends / sizeof ends[0]; at++) {
        char name[64];
        snprintf(name, sizeof name, "silence after %zu bytes", ends[at]);
        add_both(scene, &(recipe_t){.name = name, .end = ends[at], .status = ANWDL_WANT_READ});
    }
}

static void add_drips(scene_t *scene) {
    static char text[LONGEST_PEM];
    memset(text, 'A', sizeof text);
    recipe_t recipe = {.name = "a byte at a time", .piece = 1, .computations = 1};
    add_case(scene, &recipe, false);
    recipe.status = ANWDL_VALUE_ERROR;
    add_case(scene, &recipe, true);
    add_both(scene, &(recipe_t){.name = "the longest key, eight bytes at a time",
                                .key = text,
                                .key_len = sizeof text,
                                .piece = 8,
                                .status = ANWDL_VALUE_ERROR});
}

/* -- what they cost ---------------------------------------------------------------------------- */

static void keep_least(int64_t *least, int64_t cost) {
    *least = cost < *least ? cost : *least;
}

static void measure_bare_operation(scene_t *scene) {
    uint8_t *secret = NULL;
    size_t len = 0;
    int64_t begin = now_on_processor();
    anwdl_status_t status =
        anwdl_rsa_wrapper_decrypt_data(scene->key, scene->secret, scene->secret_len, &secret, &len);
    int64_t end = now_on_processor();
    REQUIRE(status == ANWDL_OK);
    anwdl_bytes_free(secret, len);
    keep_least(&scene->operation, end - begin);
}

static void measure(const scene_t *scene, handshake_t *handshake) {
    unsigned computations;
    int64_t begin = now_on_processor();
    anwdl_status_t status = play(scene, handshake, &computations);
    keep_least(&handshake->cost, now_on_processor() - begin);
    if (!CHECK_INTEGER(status, handshake->expected_status) ||
        !CHECK_INTEGER(computations, handshake->computations))
        fprintf(stderr, "  %s\n", handshake->name);
}

/* What a handshake costs besides its private key operations. */
static int64_t get_rest(const scene_t *scene, const handshake_t *handshake) {
    return handshake->cost - (int64_t)handshake->computations * scene->operation;
}

static bool is_too_dear(const scene_t *scene, const handshake_t *handshake) {
    return get_rest(scene, handshake) > scene->operation / 2;
}

static void check_costs(scene_t *scene) {
    for (size_t round = 0; round < scene->rounds; round++) {
        measure_bare_operation(scene);
        for (size_t at = 0; at < scene->case_count; at++)
            measure(scene, &scene->cases[at]);
    }
    int64_t most = INT64_MIN;
    const char *costliest = NULL;
    for (size_t at = 0; at < scene->case_count; at++) {
        handshake_t *handshake = &scene->cases[at];
        for (int more = 0; more < MORE_ROUNDS && is_too_dear(scene, handshake); more++)
            measure(scene, handshake);
        int64_t rest = get_rest(scene, handshake);
        if (!CHECK(!is_too_dear(scene, handshake)))
            fprintf(stderr, "  %s: %.3f ms besides %u private key operations of %.3f ms\n",
                    handshake->name, (double)rest / MILLISECOND, handshake->computations,
                    (double)scene->operation / MILLISECOND);
        if (rest > most) {
            most = rest;
            costliest = handshake->name;
        }
    }
    printf("figure: at most %.3f ms of the processor besides one private key operation (%.3f ms): "
           "%s\n",
           (double)most / MILLISECOND, (double)scene->operation / MILLISECOND, costliest);
}

static void make_scene(scene_t *scene) {
    uint8_t secret[48] = {9};
    anwdl_rsa_wrapper_t *peer_key = make_rsa_wrapper("peer-1");
    scene->key = make_rsa_wrapper("rsa-4096"); /* the usual size */
    scene->options = anwdl_client_options_new();
    REQUIRE(scene->options != NULL);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(scene->options, scene->key) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_separate_computation(scene->options, true) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_get_public_key(scene->key, &scene->public_key) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_get_public_key(peer_key, &scene->peer_public_key) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(scene->key, secret, sizeof secret, true, &scene->secret,
                                           &scene->secret_len) == ANWDL_OK);
    anwdl_rsa_wrapper_free(peer_key);
    scene->cases = calloc(MOST_CASES, sizeof *scene->cases);
    REQUIRE(scene->cases != NULL);
}

static void free_scene(scene_t *scene) {
    for (size_t at = 0; at < scene->case_count; at++)
        free(scene->cases[at].bytes);
    free(scene->cases);
    anwdl_rsa_wrapper_free(scene->key);
    anwdl_client_options_free(scene->options);
    anwdl_string_free(scene->public_key);
    anwdl_string_free(scene->peer_public_key);
    anwdl_bytes_free(scene->secret, scene->secret_len);
}

int main(int argc, char **argv) {
    scene_t scene = {.rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS,
                     .operation = INT64_MAX};
    REQUIRE(scene.rounds > 0 && scene.rounds <= MOST_ROUNDS);
    make_scene(&scene);
    /* First of all one that breaks nothing. */
    add_case(&scene, &(recipe_t){.name = "an honest one", .computations = 1}, false);
    add_lengths(&scene);
    add_texts(&scene);
    add_keys(&scene);
    add_made_up_secrets(&scene);
    add_wrong_secrets(&scene);
    add_answers(&scene);
    add_silences(&scene);
    add_drips(&scene);
    check_costs(&scene);
    printf("cases: %zu handshakes, at least %zu times each\n", scene.case_count, scene.rounds);
    free_scene(&scene);
    return check_finish();
}
