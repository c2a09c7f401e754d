/* Different objects on different threads at once, and objects that all of them read: one RSA
   wrapper, one set of options, one AES wrapper, one request, one set of data. Made to be run under
   ThreadSanitizer, too: there, a race is a failure. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 10 };

/* Some objects make a part of themselves when it is first needed, under a lock of Rust's standard
   library. That is not compiled for ThreadSanitizer, which so does not see the lock: only there,
   everything is needed once before the threads begin. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define READS_BEFORE_THREADS true
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define READS_BEFORE_THREADS true
#endif
#ifndef READS_BEFORE_THREADS
#define READS_BEFORE_THREADS false
#endif

/* Broken by this test itself: only ThreadSanitizer can notice that one. */
static const char RULE[] = "nobody changes an object that others use";

/* Read by all threads, changed by none. */
static struct {
    anwdl_rsa_wrapper_t *rsa;
    anwdl_aes_wrapper_t *aes;
    anwdl_client_options_t *options, *separate_options;
    anwdl_request_t *request;
    anwdl_data_t *data;
    unsigned rounds;
    bool is_broken;
} shared;

static atomic_uint sessions, messages, computations, readings, log_messages;

/* Orders nothing else: ThreadSanitizer would take it for something that threads agree on. */
static void count(atomic_uint *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

typedef struct {
    pthread_t thread;
    unsigned number;
    anwdl_protocol_t framing;
} worker_t;

/* -- sessions ---------------------------------------------------------------------------------- */

typedef struct {
    char json[128];
    bool exchanges_keys;
    char *response;
} conversation_t;

static void converse(peer_t *peer) {
    conversation_t *conversation = peer->context;
    if (CHECK(!conversation->exchanges_keys || peer_exchange_keys(peer, true)))
        conversation->response = peer_ask(peer, conversation->json);
    else /* nobody waits for the rest */
        peer_hang_up(peer);
}

static void *compute(void *context) {
    count(&computations);
    CHECK_OK(anwdl_client_compute(context));
    return NULL;
}

/* Each computation on a thread of its own: one, or two in gcm. */
static anwdl_status_t exchange_with_computations(anwdl_client_t *client, unsigned expected) {
    anwdl_status_t status;
    unsigned found = 0;
    while ((status = anwdl_client_exchange_keys(client, true)) == ANWDL_WANT_COMPUTATION) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, compute, client) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        found++;
    }
    CHECK_INTEGER(found, expected);
    return status;
}

static void answer(anwdl_client_t *client, const char *text) {
    anwdl_request_t *request = NULL;
    if (!CHECK_OK(anwdl_client_recv_request(client, false, &request)))
        return;
    CHECK_STRING(anwdl_request_get_string(request, "text", NULL), text);
    CHECK_OK(anwdl_client_send_response_data(client, true, text, shared.data, NULL));
    anwdl_request_free(request);
    count(&messages);
}

/* One session from beginning to end: whatever is said in it is this thread's alone. */
static void serve(const worker_t *worker, unsigned round, bool separate) {
    anwdl_client_options_t *options = separate ? shared.separate_options : shared.options;
    conversation_t conversation = {.exchanges_keys = true};
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    char key_name[16], text[64], *expected = NULL, *found = NULL;
    snprintf(key_name, sizeof key_name, "peer-%u", worker->number + 1);
    snprintf(text, sizeof text, "thread %u, round %u", worker->number, round);
    snprintf(conversation.json, sizeof conversation.json,
             "{\"verb\": \"STAT\", \"parameters\": {\"text\": \"%s\"}}", text);
    make_unix_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], worker->framing, key_name);
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(peer.rsa, false, &expected));
    peer_start(&peer, converse, &conversation);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    unsigned computations_due = worker->framing == ANWDL_PROTOCOL_GCM ? 2 : 1;
    CHECK_OK(separate ? exchange_with_computations(client, computations_due)
                      : anwdl_client_exchange_keys(client, true));
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(anwdl_client_get_rsa_wrapper(client), true, &found));
    if (CHECK_STRING(found, expected))
        answer(client, text);
    anwdl_client_free(client);
    peer_join(&peer);
    CHECK(conversation.response != NULL && strstr(conversation.response, text) != NULL);
    free(conversation.response);
    anwdl_string_free(expected);
    anwdl_string_free(found);
    peer_free(&peer);
    count(&sessions);
}

/* -- what all threads read --------------------------------------------------------------------- */

static void read_rsa_wrapper(void) {
    static const uint8_t TEXT[] = "a text";
    uint8_t *ciphertext = NULL, *text = NULL, *signature = NULL;
    size_t ciphertext_len, text_len, signature_len;
    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(shared.rsa, TEXT, sizeof TEXT, true, &ciphertext,
                                            &ciphertext_len));
    CHECK_OK(
        anwdl_rsa_wrapper_decrypt_data(shared.rsa, ciphertext, ciphertext_len, &text, &text_len));
    CHECK_BYTES(text, text_len, TEXT, sizeof TEXT);
    CHECK_OK(
        anwdl_rsa_wrapper_sign_data(shared.rsa, TEXT, sizeof TEXT, &signature, &signature_len));
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(shared.rsa), 2048);
    anwdl_bytes_free(ciphertext, ciphertext_len);
    anwdl_bytes_free(text, text_len);
    anwdl_bytes_free(signature, signature_len);
}

static void read_aes_wrapper(void) {
    static const uint8_t TEXT[] = "a text";
    uint8_t *ciphertext = NULL, *text = NULL;
    size_t ciphertext_len, text_len;
    CHECK_OK(anwdl_aes_wrapper_encrypt_data(shared.aes, TEXT, sizeof TEXT, &ciphertext,
                                            &ciphertext_len));
    CHECK_OK(
        anwdl_aes_wrapper_decrypt_data(shared.aes, ciphertext, ciphertext_len, &text, &text_len));
    CHECK_BYTES(text, text_len, TEXT, sizeof TEXT);
    anwdl_bytes_free(ciphertext, ciphertext_len);
    anwdl_bytes_free(text, text_len);
}

/* They are decoded when the first thread asks. */
static void read_values(void) {
    anwdl_value_t root = anwdl_request_get_parameters(shared.request);
    const char *string = NULL;
    int64_t sum = 0, integer = 0;
    anwdl_value_t value = anwdl_value_get_first(root);
    for (; anwdl_value_get_type(value) != ANWDL_VALUE_NONE; value = anwdl_value_get_next(value)) {
        const char *name = anwdl_value_get_name(value, NULL);
        CHECK(name != NULL && anwdl_value_get_type(anwdl_value_get_member(root, name)) ==
                                  anwdl_value_get_type(value));
        if (anwdl_value_get_type(value) == ANWDL_VALUE_INTEGER) {
            CHECK_OK(anwdl_value_get_integer(value, "", &integer));
            sum += integer;
        }
    }
    CHECK_INTEGER(sum, 120);
    CHECK_OK(anwdl_value_get_string(root, "/p/0", &string, NULL));
    CHECK_STRING(string, "deep");
    CHECK_OK(anwdl_value_get_integer(anwdl_data_get_value(shared.data), "/uptime", &integer));
    CHECK_INTEGER(integer, 60);
}

static void read_all(void) {
    size_t len = 0;
    char *json = NULL;
    read_rsa_wrapper();
    read_aes_wrapper();
    CHECK_STRING(anwdl_request_get_string(shared.request, "text", &len), "everybody's");
    CHECK_STRING(anwdl_request_get_verb(shared.request), "STAT");
    read_values();
    CHECK_OK(anwdl_data_to_json(shared.data, &json));
    CHECK_STRING(json, "{\"uptime\": 60, \"version\": \"1.0\"}");
    anwdl_string_free(json);
    count(&readings);
}

/* -- what is each thread's own ----------------------------------------------------------------- */

static void fail(const worker_t *worker, anwdl_session_t *session) {
    CHECK_FAILURE(anwdl_session_sent(session, worker->number + 1000), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
}

static void check_last_error(const worker_t *worker) {
    char number[16];
    snprintf(number, sizeof number, "%u", worker->number + 1000);
    CHECK(strstr(anwdl_last_error_message(), number) != NULL);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_INVALID_ARGUMENT);
}

static void count_log_message(anwdl_log_level_t level, const char *client_id, const char *message,
                              void *user_data) {
    (void)level;
    (void)client_id;
    (void)message;
    count(user_data);
}

static void *work(void *context) {
    const worker_t *worker = context;
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, NULL, &session) == ANWDL_OK);
    for (unsigned round = 0; round < shared.rounds; round++) {
        fail(worker, session);
        serve(worker, round, round % 2 == 1);
        read_all();
        check_last_error(worker);
        /* Of the process, and meant to be set from any thread. */
        CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, round % 2 == 0 ? count_log_message : NULL,
                                        &log_messages));
        if (shared.is_broken && worker->number == 0)
            CHECK_OK(anwdl_aes_wrapper_set_key(shared.aes, SHARED_KEY, sizeof SHARED_KEY, NULL, 0));
    }
    anwdl_session_free(session);
    return NULL;
}

/* -- the beginning and the end ----------------------------------------------------------------- */

static anwdl_client_options_t *make_options(bool separate) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, shared.rsa) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_separate_computation(options, separate) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_timeout(options, ANWDL_PATIENCE * 60000) == ANWDL_OK);
    return options;
}

static void make_request(void) {
    /* More members than are looked through one by one. */
    static const char JSON[] =
        "{\"verb\": \"STAT\", \"parameters\": {\"text\": \"everybody's\", \"a\": 1, \"b\": 2, "
        "\"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6, \"g\": 7, \"h\": 8, \"i\": 9, \"j\": 10, "
        "\"k\": 11, \"l\": 12, \"m\": 13, \"n\": 14, \"o\": 15, \"p\": [\"deep\"]}}";
    peer_t peer;
    anwdl_client_t *client = peer_open_gcm_client(&peer, NULL);
    REQUIRE(peer_send_request(&peer, JSON));
    REQUIRE(anwdl_client_recv_request(client, false, &shared.request) == ANWDL_OK);
    anwdl_client_free(client);
    peer_free(&peer);
}

static void make_all(void) {
    const char *broken = getenv("ANWDL_BREAK");
    shared.is_broken = broken != NULL && strcmp(broken, RULE) == 0;
    if (shared.is_broken)
        fprintf(stderr, "negative control: %s is broken\n", RULE);
    shared.rsa = make_rsa_wrapper("server");
    shared.aes = make_aes_wrapper(ANWDL_AES_GCM);
    shared.options = make_options(false);
    shared.separate_options = make_options(true);
    REQUIRE(anwdl_data_new(&shared.data) == ANWDL_OK);
    REQUIRE(anwdl_data_set_statistics(shared.data, 60, "1.0") == ANWDL_OK);
    make_request();
}

static void free_all(void) {
    anwdl_rsa_wrapper_free(shared.rsa);
    anwdl_aes_wrapper_free(shared.aes);
    anwdl_client_options_free(shared.options);
    anwdl_client_options_free(shared.separate_options);
    anwdl_data_free(shared.data);
    anwdl_request_free(shared.request);
}

int main(int argc, char **argv) {
    static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};
    const size_t before = count_open_descriptors();
    worker_t workers[THREADS] = {0};
    shared.rounds = argc > 2 && strcmp(argv[1], "--rounds") == 0 ? (unsigned)atoi(argv[2]) : ROUNDS;
    make_all();
    if (READS_BEFORE_THREADS)
        read_all();
    for (unsigned at = 0; at < THREADS; at++) {
        workers[at].number = at;
        workers[at].framing = FRAMINGS[at % 4];
        REQUIRE(pthread_create(&workers[at].thread, NULL, work, &workers[at]) == 0);
    }
    for (unsigned at = 0; at < THREADS; at++)
        REQUIRE(pthread_join(workers[at].thread, NULL) == 0);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
    CHECK(atomic_load(&log_messages) > 0);
    CHECK_INTEGER(sessions, THREADS * shared.rounds);
    CHECK_INTEGER(messages, THREADS * shared.rounds);
    /* A quarter of the threads speaks gcm. */
    CHECK_INTEGER(computations, (THREADS + THREADS / 4) * (shared.rounds / 2));
    /* The wrapper that they share has learned nothing of any peer. */
    char *remote = NULL;
    CHECK_OK(anwdl_rsa_wrapper_get_remote_public_key(shared.rsa, &remote));
    CHECK_STRING(remote, NULL);
    free_all();
    CHECK_INTEGER(count_open_descriptors(), before);
    printf("cases: %u sessions on %d threads, which share one RSA wrapper\n",
           atomic_load(&sessions), (int)THREADS);
    printf("cases: %u computations on threads of their own\n", atomic_load(&computations));
    printf("cases: %u times that a thread read what all threads read\n", atomic_load(&readings));
    return check_finish();
}
