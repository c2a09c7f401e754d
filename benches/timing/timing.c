/* Whether the time of a decryption tells how it failed: Welch's t-test between two classes of
   ciphertexts, 1,024 each, that take turns at random (Reparaz, Balasch, Verbauwhede: "Dude, is my
code constant time?", 2017). Prints one row for each pair of classes.

usage: timing OAEP_CLASSES [SAMPLES [PART_OF_A_NAME]]    (100000 samples a class) */
#define _GNU_SOURCE /* CPU_SET() */
#include "check.h"
#include "support.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BLOCK_SIZE = 16,
    MODULUS_SIZE = 256,
    VARIANTS = 1024, /* of the ciphertext of each class */
    CROPS = 4,
};

/* Beyond this, a difference is certain: less than one in 100,000 such pairs gets there by chance.
 */
static const double THRESHOLD = 4.5;

typedef struct {
    uint8_t bytes[VARIANTS][1024];
    size_t len;
} ciphertexts_t;

typedef struct {
    const char *name;
    void (*make)(int class, ciphertexts_t *out);
    void (*run)(const uint8_t *bytes, size_t len);
    bool may_differ;
} pair_t;

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint32_t random_number(void) {
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 33);
}

static uint64_t now_in_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* -- RSA-OAEP ---------------------------------------------------------------------------------- */

static anwdl_rsa_wrapper_t *rsa;

static void decrypt_oaep(const uint8_t *bytes, size_t len) {
    uint8_t *out = NULL;
    size_t out_len = 0;
    anwdl_status_t status = anwdl_rsa_wrapper_decrypt_data(rsa, bytes, len, &out, &out_len);
    if (status == ANWDL_OK)
        anwdl_bytes_free(out, out_len);
}

/* Class 0 decrypts to a block whose first byte is not 0, class 1 to one that begins with 0 and
   fails behind it; oaep_classes.py has made both, as the library has no bare public operation. */
static const char *oaep_path;

static void make_oaep(int class, ciphertexts_t *out) {
    FILE *file = fopen(oaep_path, "rb");
    REQUIRE(file != NULL);
    out->len = MODULUS_SIZE;
    REQUIRE(fseek(file, (long)class * VARIANTS * MODULUS_SIZE, SEEK_SET) == 0);
    for (int at = 0; at < VARIANTS; at++)
        REQUIRE(fread(out->bytes[at], 1, MODULUS_SIZE, file) == MODULUS_SIZE);
    fclose(file);
}

static anwdl_client_options_t *server_options;

/* Feeds a server a wrapped secret. What runs is the whole step of the key exchange. */
static void receive_secret(const uint8_t *bytes, size_t len) {
    anwdl_session_t *session = NULL;
    size_t taken = 0;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, server_options, &session) == ANWDL_OK);
    REQUIRE(anwdl_session_recv_aes_key(session) == ANWDL_WANT_READ);
    REQUIRE(anwdl_session_feed(session, bytes, len, &taken) == ANWDL_OK && taken == len);
    REQUIRE(anwdl_session_recv_aes_key(session) != ANWDL_WANT_READ);
    anwdl_session_free(session);
}

/* Class 0 begins with 0 and is wrong behind it. Class 1 is right, and what is in it no secret: it
   has the size of none. These may differ. A wrong OAEP is something that AWS-LC makes a note of.
   And whoever makes a ciphertext whose OAEP is right has made it of a text that he knows: he learns
   nothing of another one's. */
static void make_secret(int class, ciphertexts_t *out) {
    make_oaep(1, out);
    if (class == 0)
        return;
    for (int variant = 0; variant < VARIANTS; variant++) {
        uint8_t secret[47];
        uint8_t *wrapped = NULL;
        size_t wrapped_len = 0;
        for (size_t at = 0; at < sizeof secret; at++)
            secret[at] = (uint8_t)random_number();
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(rsa, secret, sizeof secret, true, &wrapped,
                                               &wrapped_len) == ANWDL_OK);
        REQUIRE(wrapped_len == MODULUS_SIZE);
        memcpy(out->bytes[variant], wrapped, wrapped_len);
        anwdl_bytes_free(wrapped, wrapped_len);
    }
}

/* -- AES-CBC ----------------------------------------------------------------------------------- */

static anwdl_aes_wrapper_t *aes;

static void decrypt_cbc(const uint8_t *bytes, size_t len) {
    uint8_t *out = NULL;
    size_t out_len = 0;
    if (anwdl_aes_wrapper_decrypt_data(aes, bytes, len, &out, &out_len) == ANWDL_OK)
        anwdl_bytes_free(out, out_len);
}

/* A text under CBC whose last block is `last`, to the byte: the wrapper pads a text that is longer
   by one block, and that block is left out. The text before it is random letters. */
static size_t encrypt_blocks(const char *text, size_t len, const uint8_t last[BLOCK_SIZE],
                             uint8_t *out) {
    uint8_t plain[1024];
    uint8_t *ciphertext = NULL;
    size_t ciphertext_len = 0;
    memcpy(plain, text, len);
    memcpy(plain + len, last, BLOCK_SIZE);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(aes, plain, len + BLOCK_SIZE, &ciphertext,
                                           &ciphertext_len) == ANWDL_OK);
    memcpy(out, ciphertext, len + BLOCK_SIZE);
    anwdl_bytes_free(ciphertext, ciphertext_len);
    return len + BLOCK_SIZE;
}

/* Sixteen bytes of padding, of which one is wrong: none (-1), or the one at this place. */
static void fill_padding(uint8_t last[BLOCK_SIZE], int wrong_at) {
    memset(last, BLOCK_SIZE, BLOCK_SIZE);
    if (wrong_at >= 0)
        last[wrong_at] ^= 0x20;
}

static void make_cbc(int wrong_at, ciphertexts_t *out) {
    char text[256];
    uint8_t last[BLOCK_SIZE];
    fill_padding(last, wrong_at);
    for (int variant = 0; variant < VARIANTS; variant++) {
        for (size_t at = 0; at < sizeof text; at++)
            text[at] = (char)('a' + random_number() % 26);
        out->len = encrypt_blocks(text, sizeof text, last, out->bytes[variant]);
    }
}

static void make_cbc_first_or_last(int class, ciphertexts_t *out) {
    make_cbc(class == 0 ? 0 : BLOCK_SIZE - 2, out);
}

static void make_cbc_last_byte_or_first(int class, ciphertexts_t *out) {
    make_cbc(class == 0 ? BLOCK_SIZE - 1 : 0, out);
}

/* -- whole messages ---------------------------------------------------------------------------- */

static anwdl_client_options_t *session_options[2]; /* of any framing, of v4 */

/* Feeds a server the first message of a session, of which the first `header` bytes are its header.
 */
static void receive(const anwdl_client_options_t *options, const uint8_t *bytes, size_t len) {
    anwdl_session_t *session = NULL;
    anwdl_request_t *request = NULL;
    size_t taken = 0;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK);
    anwdl_status_t status = anwdl_session_recv_request(session, false, &request);
    while (status == ANWDL_WANT_READ || status == ANWDL_WANT_WRITE) {
        if (status == ANWDL_WANT_WRITE) {
            const uint8_t *pending;
            size_t count;
            REQUIRE(anwdl_session_get_pending(session, &pending, &count) == ANWDL_OK);
            REQUIRE(anwdl_session_sent(session, count) == ANWDL_OK);
        } else {
            REQUIRE(anwdl_session_feed(session, bytes, len, &taken) == ANWDL_OK && taken > 0);
            bytes += taken;
            len -= taken;
        }
        status = anwdl_session_recv_request(session, false, &request);
    }
    anwdl_request_free(request);
    anwdl_session_free(session);
}

static void receive_any(const uint8_t *bytes, size_t len) {
    receive(session_options[0], bytes, len);
}

static void receive_v4(const uint8_t *bytes, size_t len) {
    receive(session_options[1], bytes, len);
}

/* A text that is no JSON only at its very end, so that all of it is read, and its padding: right in
   class 1, wrong in class 0. Its last byte is right: it says how much of the text is read. */
static void make_packet(int class, uint8_t *out, size_t *len) {
    char text[256];
    uint8_t last[BLOCK_SIZE];
    memset(text, ' ', sizeof text);
    text[0] = '"';
    for (size_t at = 1; at < sizeof text; at++)
        text[at] = (char)('a' + random_number() % 26);
    fill_padding(last, class == 0 ? (int)(random_number() % (BLOCK_SIZE - 1)) : -1);
    *len = encrypt_blocks(text, sizeof text, last, out);
}

static void make_v4(int class, ciphertexts_t *out) {
    for (int variant = 0; variant < VARIANTS; variant++) {
        uint8_t *header = NULL;
        size_t header_len = 0;
        char digits[16];
        size_t len;
        make_packet(class, out->bytes[variant] + BLOCK_SIZE, &len);
        memset(out->bytes[variant] + BLOCK_SIZE + len, 9, BLOCK_SIZE);
        int count = snprintf(digits, sizeof digits, "%zu", len + BLOCK_SIZE);
        REQUIRE(anwdl_aes_wrapper_encrypt_data(aes, (uint8_t *)digits, (size_t)count, &header,
                                               &header_len) == ANWDL_OK);
        memcpy(out->bytes[variant], header, BLOCK_SIZE);
        anwdl_bytes_free(header, header_len);
        out->len = 2 * BLOCK_SIZE + len;
    }
}

static void make_detected(int class, ciphertexts_t *out, size_t trailer) {
    for (int variant = 0; variant < VARIANTS; variant++) {
        size_t len;
        char header[32];
        make_packet(class, out->bytes[variant] + 8, &len);
        snprintf(header, sizeof header, "%zu========", len + trailer);
        memcpy(out->bytes[variant], header, 8);
        memset(out->bytes[variant] + 8 + len, 9, trailer);
        out->len = 8 + len + trailer;
    }
}

static void make_v2(int class, ciphertexts_t *out) {
    make_detected(class, out, 0);
}

static void make_v3(int class, ciphertexts_t *out) {
    make_detected(class, out, BLOCK_SIZE);
}

/* Headers of v4: the padding is wrong (0), or right and the number none (1). */
static void make_v4_header(int class, ciphertexts_t *out) {
    for (int variant = 0; variant < VARIANTS; variant++) {
        uint8_t last[BLOCK_SIZE];
        memset(last, 13, sizeof last);
        memcpy(last, class == 0 ? "112" : "11a", 3);
        if (class == 0)
            last[14] = 1;
        out->len = encrypt_blocks("", 0, last, out->bytes[variant]);
    }
}

/* No difference at all: what the measurement itself makes of that. */
static void make_same(int class, ciphertexts_t *out) {
    (void)class;
    make_cbc(0, out);
}

static const pair_t PAIRS[] = {
    {"the same twice (CBC, wrong first byte of the padding)", make_same, decrypt_cbc, false},
    {"OAEP: first byte not 0, or 0 and wrong behind it", make_oaep, decrypt_oaep, false},
    {"wrapped secret: wrong OAEP, or right OAEP around no secret", make_secret, receive_secret,
     true},
    {"CBC: wrong first or last but one byte of the padding", make_cbc_first_or_last, decrypt_cbc,
     false},
    {"CBC: wrong length byte or first byte of the padding", make_cbc_last_byte_or_first,
     decrypt_cbc, false},
    {"v4 header: wrong padding or no number", make_v4_header, receive_v4, false},
    {"v4 message: wrong padding or no JSON", make_v4, receive_v4, false},
    {"v3 first message: wrong padding or no JSON", make_v3, receive_any, false},
    {"v2 first message: wrong padding or no JSON", make_v2, receive_any, false},
};

/* -- the test ---------------------------------------------------------------------------------- */

typedef struct {
    double count, mean, squares;
} moments_t;

static void add(moments_t *moments, double value) {
    double distance = value - moments->mean;
    moments->count++;
    moments->mean += distance / moments->count;
    moments->squares += distance * (value - moments->mean);
}

static double welch(const moments_t of[2]) {
    double error = 0;
    for (int class = 0; class < 2; class ++)
        error += of[class].squares / (of[class].count - 1) / of[class].count;
    return error > 0 ? (of[0].mean - of[1].mean) / sqrt(error) : 0;
}

static int compare(const void *one, const void *other) {
    double a = *(const double *)one;
    double b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Adds, for each ciphertext, the mean of its times up to the limit to its class. A ciphertext has a
   place in the caches and a way through the memory of its own: samples of the same one are not
   independent, and ciphertexts are what the test has to count. */
static void add_means(const double *times, const uint16_t *drawn_at, size_t count, double limit,
                      const uint8_t *class_of, moments_t moments[2]) {
    static moments_t of_ciphertext[2 * VARIANTS];
    memset(of_ciphertext, 0, sizeof of_ciphertext);
    for (size_t at = 0; at < count; at++)
        if (times[at] <= limit)
            add(&of_ciphertext[drawn_at[at]], times[at]);
    for (size_t at = 0; at < 2 * VARIANTS; at++)
        if (of_ciphertext[at].count > 0)
            add(&moments[class_of[at]], of_ciphertext[at].mean);
}

/* Prints a row; whether the classes differ. */
static bool measure(const pair_t *pair, size_t samples) {
    static const double crops[CROPS] = {1.0, 0.99, 0.95, 0.80};
    static ciphertexts_t classes[2];
    size_t count = 2 * samples;
    double *times = malloc(count * sizeof *times);
    double *sorted = malloc(count * sizeof *sorted);
    uint16_t *drawn_at = malloc(count * sizeof *drawn_at);
    REQUIRE(times != NULL && sorted != NULL && drawn_at != NULL);
    for (int class = 0; class < 2; class ++)
        pair->make(class, &classes[class]);
    REQUIRE(classes[0].len == classes[1].len);
    size_t len = classes[0].len;
    /* Shuffled, so that neither class has the better places in the caches. */
    static uint8_t pool[2 * VARIANTS][sizeof classes[0].bytes[0]];
    static uint8_t class_in_pool[2 * VARIANTS];
    for (size_t at = 0; at < 2 * VARIANTS; at++) {
        size_t place = random_number() % (at + 1);
        memcpy(pool[at], pool[place], sizeof pool[at]);
        class_in_pool[at] = class_in_pool[place];
        memcpy(pool[place], classes[at % 2].bytes[at / 2], sizeof pool[place]);
        class_in_pool[place] = at % 2;
    }
    for (size_t at = 0; at < count; at++) {
        size_t drawn = random_number() % (2 * VARIANTS);
        /* Copied, so that both classes are read from the same place. Nothing here depends on the
           class but the bytes: even a look at something that each class has for itself would put
           other lines of the caches to use before what is timed. */
        static uint8_t bytes[1024];
        memcpy(bytes, pool[drawn], sizeof bytes);
        uint64_t start = now_in_nanoseconds();
        pair->run(bytes, len);
        times[at] = (double)(now_in_nanoseconds() - start);
        drawn_at[at] = (uint16_t)drawn;
    }
    memcpy(sorted, times, count * sizeof *times);
    qsort(sorted, count, sizeof *sorted, compare);
    double worst = 0;
    moments_t all[2] = {{0, 0, 0}, {0, 0, 0}};
    for (int crop = 0; crop < CROPS; crop++) {
        moments_t moments[2] = {{0, 0, 0}, {0, 0, 0}};
        double limit = sorted[(size_t)((double)(count - 1) * crops[crop])];
        add_means(times, drawn_at, count, limit, class_in_pool, moments);
        double t = welch(moments);
        if (fabs(t) > fabs(worst))
            worst = t;
        if (crop == CROPS - 1)
            memcpy(all, moments, sizeof all);
    }
    bool differs = fabs(worst) >= THRESHOLD;
    double p = erfc(fabs(worst) / sqrt(2));
    printf("| %s | %zu | %.0f, %.0f | %+.1f | %+.2f | %.2g | %s |\n", pair->name, count / 2,
           all[0].mean, all[1].mean, all[0].mean - all[1].mean, worst, p,
           !differs           ? "alike"
           : pair->may_differ ? "differ, as they may"
                              : "DIFFER");
    printf("figure: %s: |t| = %.2f with %zu samples a class\n", pair->name, fabs(worst), count / 2);
    fflush(stdout);
    free(times);
    free(sorted);
    free(drawn_at);
    return differs && !pair->may_differ;
}

static void stay_on_one_processor(void) {
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET((size_t)sched_getcpu(), &processors);
    CHECK(sched_setaffinity(0, sizeof processors, &processors) == 0);
}

int main(int count, char **arguments) {
    oaep_path = count > 1 ? arguments[1] : "";
    size_t samples = count > 2 ? strtoul(arguments[2], NULL, 10) : 100000;
    const char *part = count > 3 ? arguments[3] : "";
    size_t pairs = 0;
    size_t differing = 0;
    stay_on_one_processor();
    rsa = make_rsa_wrapper("server");
    aes = make_aes_wrapper(ANWDL_AES_CBC);
    server_options = make_server_options();
    for (int at = 0; at < 2; at++)
        session_options[at] = make_shared_key_options();
    CHECK_OK(anwdl_client_options_set_protocol(session_options[1], ANWDL_PROTOCOL_V4));

    printf(
        "| classes | samples a class | nanoseconds, each (80 %% fastest) | difference | worst t | p "
        "| |\n|---|---|---|---|---|---|---|\n");
    for (size_t at = 0; at < sizeof PAIRS / sizeof PAIRS[0]; at++) {
        if (strstr(PAIRS[at].name, part) == NULL)
            continue;
        pairs++;
        differing += measure(&PAIRS[at], samples);
    }
    printf("cases: %zu pairs of classes\n", pairs);
    CHECK_INTEGER(differing, 0);
    for (int at = 0; at < 2; at++)
        anwdl_client_options_free(session_options[at]);
    anwdl_client_options_free(server_options);
    anwdl_aes_wrapper_free(aes);
    anwdl_rsa_wrapper_free(rsa);
    return check_finish();
}
