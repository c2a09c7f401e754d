/* Private keys that are elsewhere: the operation is a function of the program's, in exchanges of
   every framing, on threads, failing, lying, slow, and freed exactly once. */
#include "check.h"
#include "conversation.h"
#include "peer.h"
#include "raw_rsa.h"
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
enum { FRAMING_COUNT = 4, THREADS = 4, SECRET_SIZE = 48 };

static size_t exchanges, failures;

/* -- a device ---------------------------------------------------------------------------------- */

typedef enum { RIGHT, FAILING, SILENT, LYING, OTHER_KEY } conduct_t;

typedef struct {
    raw_rsa_t key;
    raw_rsa_t other;
    _Atomic conduct_t conduct;
    _Atomic size_t calls;
    _Atomic size_t frees;
    _Atomic(pthread_t) thread;    /* of the last call */
    void (*_Atomic within)(void); /* called in each call */
} device_t;

static bool device_run(const uint8_t *input, uint8_t *output, size_t size, void *user_data) {
    device_t *device = user_data;
    void (*within)(void) = device->within;
    device->calls++;
    device->thread = pthread_self();
    if (within != NULL)
        within();
    switch (device->conduct) {
    case FAILING:
        memset(output, 0xff, size);
        return false;
    case SILENT: /* says that it is done, and has written nothing */
        return true;
    case LYING:
        return raw_rsa_run(input, output, size, &device->key) && (output[size / 2] ^= 1, true);
    case OTHER_KEY:
        return raw_rsa_run(input, output, size, &device->other);
    default:
        return raw_rsa_run(input, output, size, &device->key);
    }
}

static void device_free(void *user_data) {
    device_t *device = user_data;
    device->frees++;
}

static device_t *make_device(void) {
    device_t *device = calloc(1, sizeof *device);
    REQUIRE(device != NULL);
    raw_rsa_init(&device->key, "server");
    raw_rsa_init(&device->other, "peer-2");
    return device;
}

static anwdl_rsa_wrapper_t *make_wrapper(device_t *device) {
    return make_external_wrapper("server", device_run, device, device_free);
}

static anwdl_client_options_t *make_options(device_t *device, anwdl_protocol_t framing) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *wrapper = make_wrapper(device);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, wrapper) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_protocol(options, framing) == ANWDL_OK);
    anwdl_rsa_wrapper_free(wrapper);
    return options;
}

/* -- what the wrapper does --------------------------------------------------------------------- */

static void test_wrapper(void) {
    device_t *device = make_device();
    anwdl_rsa_wrapper_t *wrapper = make_wrapper(device);
    anwdl_rsa_wrapper_t *own = make_rsa_wrapper("server");
    uint8_t *bytes = NULL, *text = NULL;
    size_t len = 0, text_len = 0;
    bool valid = false;
    CHECK_INTEGER(device->calls, 1); /* it is tried at once */

    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(own, (const uint8_t *)"a text", 6, true, &bytes, &len));
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(wrapper, bytes, len, &text, &text_len));
    CHECK_BYTES(text, text_len, "a text", 6);
    anwdl_bytes_free(text, text_len);
    bytes[100] ^= 1;
    CHECK_FAILURE(anwdl_rsa_wrapper_decrypt_data(wrapper, bytes, len, &text, &text_len),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    anwdl_bytes_free(bytes, len);

    CHECK_OK(anwdl_rsa_wrapper_sign_data(wrapper, (const uint8_t *)"data", 4, &bytes, &len));
    CHECK_OK(anwdl_rsa_wrapper_verify_data_signature_with_key(
        own, bytes, len, (const uint8_t *)"data", 4, true, &valid));
    CHECK(valid);
    anwdl_bytes_free(bytes, len);

    const conduct_t wrong[] = {FAILING, SILENT, LYING, OTHER_KEY};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        device->conduct = wrong[at];
        bytes = NULL;
        CHECK_FAILURE(anwdl_rsa_wrapper_sign_data(wrapper, NULL, 0, &bytes, &len),
                      ANWDL_RUNTIME_ERROR, ANWDL_REASON_PRIVATE_OPERATION_FAILED);
        CHECK(strstr(anwdl_last_error_message(),
                     wrong[at] == FAILING ? "failed" : "does not belong") != NULL);
        CHECK(bytes == NULL);
    }
    anwdl_rsa_wrapper_free(own);
    anwdl_rsa_wrapper_free(wrapper);
    CHECK_INTEGER(device->frees, 1);
    free(device);
}

/* The key is not here: nothing that gives it out succeeds, or says that there is none. */
static void test_key_cannot_be_read(void) {
    device_t *device = make_device();
    anwdl_rsa_wrapper_t *wrapper = make_wrapper(device);
    char *pem = NULL;
    uint8_t *der = NULL;
    size_t len = 7;
    CHECK_FAILURE(anwdl_rsa_wrapper_get_private_key(wrapper, &pem), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_KEY_MISSING);
    CHECK(strstr(anwdl_last_error_message(), "cannot be read") != NULL);
    CHECK_FAILURE(anwdl_rsa_wrapper_get_private_key_der(wrapper, &der, &len), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_KEY_MISSING);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, "/tmp/anwdl-never-written.pem"),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_KEY_MISSING);
    CHECK(access("/tmp/anwdl-never-written.pem", F_OK) != 0);
    CHECK(pem == NULL && der == NULL && len == 7);
    CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);
    CHECK_INTEGER(device->calls, 1);
    anwdl_rsa_wrapper_free(wrapper);
    free(device);
}

/* Whatever is decrypted with the key of the sessions can be a secret of theirs: see "One key pair,
   one purpose" in docs/keys.md. */
static void test_one_purpose(void) {
    device_t *device = make_device();
    anwdl_rsa_wrapper_t *wrapper = make_wrapper(device);
    uint8_t secret[SECRET_SIZE] = "an AES key and its IV";
    uint8_t *bytes = NULL, *text = NULL;
    size_t len = 0, text_len = 0;
    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(wrapper, secret, sizeof secret, true, &bytes, &len));
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(wrapper, bytes, len, &text, &text_len));
    CHECK_BYTES(text, text_len, secret, sizeof secret);
    anwdl_bytes_free(bytes, len);
    anwdl_bytes_free(text, text_len);
    anwdl_rsa_wrapper_free(wrapper);
    free(device);
}

/* -- whose the device is ----------------------------------------------------------------------- */

static void test_setting(void) {
    device_t *device = make_device();
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *empty = NULL;
    char *before = NULL, *after = NULL;
    REQUIRE(anwdl_rsa_wrapper_get_private_key(wrapper, &before) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_new(false, &empty) == ANWDL_OK);

    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_operation(empty, device_run, device, device_free),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_KEY_MISSING);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_operation(NULL, device_run, device, device_free),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_operation(wrapper, NULL, device, device_free),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_INTEGER(device->calls, 0);
    /* The public key is another's. */
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_operation(wrapper, device_run, device, device_free),
                  ANWDL_RUNTIME_ERROR, ANWDL_REASON_PRIVATE_OPERATION_FAILED);
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(wrapper, &after));
    CHECK_STRING(after, before);
    CHECK_INTEGER(device->frees, 0); /* it is still the caller's */
    anwdl_string_free(after);

    /* Each other key takes its place. */
    char *pem = read_key("server");
    for (int way = 0; way < 3; way++) {
        anwdl_rsa_wrapper_t *external = make_wrapper(device);
        device->frees = 0;
        if (way == 0)
            CHECK_OK(anwdl_rsa_wrapper_set_private_key(external, pem, false));
        else if (way == 1)
            CHECK_OK(anwdl_rsa_wrapper_load(external, ANWDL_KEYS_DIR "/peer-1.pem"));
        else
            CHECK_OK(
                anwdl_rsa_wrapper_set_private_operation(external, raw_rsa_run, &device->key, NULL));
        CHECK_INTEGER(device->frees, 1);
        anwdl_rsa_wrapper_free(external);
        CHECK_INTEGER(device->frees, 1);
    }
    free(pem);
    anwdl_string_free(before);
    anwdl_rsa_wrapper_free(empty);
    anwdl_rsa_wrapper_free(wrapper);
    free(device);
}

/* It lives as long as anything that shares the key. */
static void test_sharing(void) {
    device_t *device = make_device();
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_AUTO);
    anwdl_session_t *session = NULL;
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    CHECK_INTEGER(device->frees, 0);
    anwdl_session_free(session);
    CHECK_INTEGER(device->frees, 0);
    anwdl_client_free(client);
    CHECK_INTEGER(device->frees, 1);
    close(ends[PEER_SIDE]);
    free(device);
}

static void test_numbers(void) {
    const uint8_t exponent[] = {0, 1, 0, 1};
    device_t *device = make_device();
    anwdl_rsa_wrapper_t *own = make_rsa_wrapper("server"), *wrapper = NULL;
    char *expected = NULL, *found = NULL;
    const uint8_t *modulus = device->key.modulus_bytes;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    CHECK_OK(
        anwdl_rsa_wrapper_set_public_numbers(wrapper, modulus, 256, exponent, sizeof exponent));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(own, &expected));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &found));
    CHECK_STRING(found, expected);
    CHECK_OK(anwdl_rsa_wrapper_set_private_operation(wrapper, raw_rsa_run, &device->key, NULL));
    CHECK_FAILURE(
        anwdl_rsa_wrapper_set_public_numbers(wrapper, modulus, 128, exponent, sizeof exponent),
        ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
    CHECK_FAILURE(anwdl_rsa_wrapper_set_public_numbers(wrapper, NULL, 0, NULL, 0),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_KEY);
    anwdl_string_free(found);
    anwdl_string_free(expected);
    anwdl_rsa_wrapper_free(own);
    anwdl_rsa_wrapper_free(wrapper);
    free(device);
}

/* -- exchanges --------------------------------------------------------------------------------- */

static void be_served(peer_t *peer) {
    const bool *speaks_first = peer->context;
    if (!CHECK(peer_exchange_keys(peer, *speaks_first)))
        return;
    char *response = peer_ask(peer, STAT);
    CHECK(response != NULL && strstr(response, "\"success\": true") != NULL);
    free(response);
}

/* With a peer that knows nothing of it, who speaks first or not. */
static void test_framings(void) {
    for (size_t at = 0; at < FRAMING_COUNT; at++)
        for (int order = 0; order < 2; order++) {
            bool speaks_first = order == 0;
            device_t *device = make_device();
            anwdl_client_options_t *options =
                make_options(device, speaks_first ? ANWDL_PROTOCOL_AUTO : FRAMINGS[at]);
            anwdl_request_t *request = NULL;
            peer_t peer;
            int ends[2];
            make_tcp_pair(ends);
            anwdl_client_t *client = peer_open_client(&peer, ends, options, FRAMINGS[at], "peer-1");
            anwdl_client_options_free(options);
            peer_start(&peer, be_served, &speaks_first);
            CHECK_OK(anwdl_client_exchange_keys(client, speaks_first));
            if (CHECK_OK(anwdl_client_recv_request(client, false, &request)))
                CHECK_OK(
                    anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, "{}", NULL));
            CHECK_INTEGER(anwdl_client_get_protocol(client), FRAMINGS[at]);
            CHECK_INTEGER(device->calls, 2); /* one of them when it was set */
            exchanges++;
            anwdl_request_free(request);
            peer_join(&peer);
            peer_free(&peer);
            anwdl_client_free(client);
            CHECK_INTEGER(device->frees, 1);
            free(device);
        }
}

static anwdl_status_t computing(anwdl_session_t *session, anwdl_status_t status);

static anwdl_status_t exchange_sending(anwdl_session_t *session) {
    return computing(session, anwdl_session_exchange_keys(session, false));
}

static anwdl_status_t exchange_receiving(anwdl_session_t *session) {
    return computing(session, anwdl_session_exchange_keys(session, true));
}

static void *compute(void *session) {
    CHECK_OK(anwdl_session_compute(session));
    return NULL;
}

/* Does a computation that is due on a thread of its own. */
static anwdl_status_t computing(anwdl_session_t *session, anwdl_status_t status) {
    if (status == ANWDL_WANT_COMPUTATION) {
        pthread_t worker;
        REQUIRE(pthread_create(&worker, NULL, compute, session) == 0);
        pthread_join(worker, NULL);
    }
    return status;
}

/* Both sides have the same device; either may speak first; the operation waits for the step that
   computes, and runs where that is called. */
static void test_computation(void) {
    for (size_t at = 0; at < FRAMING_COUNT; at++)
        for (int order = 0; order < 2; order++) {
            device_t *device = make_device();
            anwdl_client_options_t *options = make_options(device, FRAMINGS[at]);
            anwdl_session_t *server = NULL, *client = NULL;
            CHECK_OK(anwdl_client_options_set_separate_computation(options, true));
            REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server) == ANWDL_OK);
            REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client) == ANWDL_OK);
            anwdl_client_options_free(options);
            anwdl_session_t *first = order == 0 ? client : server;
            anwdl_session_t *second = order == 0 ? server : client;
            run_together(first, exchange_sending, second, exchange_receiving);
            CHECK_INTEGER(device->calls, 3);
            exchanges++;
            CHECK(!pthread_equal(device->thread, pthread_self()));
            anwdl_session_free(server);
            CHECK_INTEGER(device->frees, 0);
            anwdl_session_free(client);
            CHECK_INTEGER(device->frees, 1);
            free(device);
        }
}

/* -- failures ---------------------------------------------------------------------------------- */

/* What a peer gets after its secret. */
typedef struct {
    bool is_wrong; /* the secret does not decrypt */
    uint8_t bytes[64];
    size_t len;
} seen_t;

static void send_a_secret(peer_t *peer) {
    seen_t *seen = peer->context;
    uint8_t secret[256] = {1};
    CHECK(peer_send_public_key(peer) && peer_receive_public_key(peer));
    if (seen->is_wrong)
        CHECK(peer_send_bytes(peer, secret, sizeof secret));
    else
        CHECK(peer_send_wrapped(peer, secret, SECRET_SIZE));
    while (seen->len < sizeof seen->bytes && peer_receive_bytes(peer, seen->bytes + seen->len, 1))
        seen->len++;
}

static void fail(device_t *device, seen_t *seen, anwdl_status_t status,
                 anwdl_error_reason_t reason) {
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_AUTO);
    anwdl_request_t *request = NULL;
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    anwdl_client_t *client = peer_open_client(&peer, ends, options, ANWDL_PROTOCOL_V4, "peer-1");
    anwdl_client_options_free(options);
    peer_start(&peer, send_a_secret, seen);
    conduct_t conduct = device->conduct;
    CHECK_FAILURE(anwdl_client_exchange_keys(client, true), status, reason);
    device->conduct = RIGHT;
    CHECK_FAILURE(anwdl_client_recv_request(client, false, &request), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_SESSION_FAILED);
    device->conduct = conduct;
    anwdl_client_free(client);
    peer_join(&peer);
    peer_free(&peer);
}

/* Set while the device still works: the public key is checked then. */
static conduct_t next_conduct;
static device_t *next_device;
static void turn(void) {
    if (next_device->calls > 1)
        next_device->conduct = next_conduct;
}

/* Nobody learns from outside that there is a device, nor what it does. */
static void test_failures_look_alike(void) {
    const conduct_t wrong[] = {FAILING, SILENT, LYING, OTHER_KEY};
    seen_t undecryptable = {.is_wrong = true};
    device_t *device = make_device();
    fail(device, &undecryptable, ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    CHECK_BYTES(undecryptable.bytes, undecryptable.len, "0", 1);
    free(device);
    for (size_t at = 0; at < 2 * sizeof wrong / sizeof *wrong; at++) {
        seen_t seen = {.is_wrong = at % 2 == 1};
        device = next_device = make_device();
        next_conduct = wrong[at / 2];
        device->within = turn;
        fail(device, &seen, ANWDL_RUNTIME_ERROR, ANWDL_REASON_PRIVATE_OPERATION_FAILED);
        CHECK_BYTES(seen.bytes, seen.len, undecryptable.bytes, undecryptable.len);
        failures++;
        CHECK_INTEGER(device->frees, 1);
        free(device);
    }
}

/* A time for the exchange that is over before the device is done. */
enum { SHORT_TIME = 20 };
static void linger(void) {
    if (next_device->calls > 1) {
        int64_t end = now_in_milliseconds() + 2 * SHORT_TIME;
        while (now_in_milliseconds() < end)
            wait_for(-1, 0, SHORT_TIME);
    }
}

static void test_slow_device(void) {
    seen_t seen = {.is_wrong = false};
    device_t *device = next_device = make_device();
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_AUTO);
    peer_t peer;
    int ends[2];
    device->within = linger;
    make_tcp_pair(ends);
    anwdl_client_t *client = peer_open_client(&peer, ends, options, ANWDL_PROTOCOL_V4, "peer-1");
    anwdl_client_options_free(options);
    peer_start(&peer, send_a_secret, &seen);
    /* The first three steps may take what they like. */
    CHECK_OK(anwdl_client_recv_public_rsa_key(client));
    CHECK_OK(anwdl_client_send_public_rsa_key(client));
    wait_for(ends[SERVER_SIDE], POLLIN, 10000 * ANWDL_PATIENCE);
    CHECK_OK(anwdl_client_set_timeout(client, SHORT_TIME));
    anwdl_status_t status = anwdl_client_recv_aes_key(client);
    CHECK_INTEGER(status, ANWDL_RUNTIME_ERROR);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
    anwdl_client_free(client);
    peer_join(&peer);
    peer_free(&peer);
    free(device);
}

/* -- threads and processes --------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static _Thread_local bool has_met;

/* The operations of all threads are under way at once. */
static void meet(void) {
    if (!has_met) {
        has_met = true;
        pthread_barrier_wait(&barrier);
    }
}

static void *converse(void *options) {
    hold_conversation(options);
    return NULL;
}

static void test_threads(void) {
    device_t *device = make_device();
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_GCM);
    pthread_t threads[THREADS];
    REQUIRE(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    device->within = meet;
    for (size_t at = 0; at < THREADS; at++)
        REQUIRE(pthread_create(&threads[at], NULL, converse, options) == 0);
    for (size_t at = 0; at < THREADS; at++)
        pthread_join(threads[at], NULL);
    pthread_barrier_destroy(&barrier);
    CHECK_INTEGER(device->calls, 1 + 2 * THREADS);
    anwdl_client_options_free(options);
    CHECK_INTEGER(device->frees, 1);
    free(device);
}

/* What the function may do: whatever does not touch the object whose call is running. */
static void use_the_library(void) {
    next_device->within = NULL;
    anwdl_client_options_t *options = make_options(next_device, ANWDL_PROTOCOL_V3);
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-3");
    uint8_t *signature = NULL;
    size_t len = 0;
    hold_conversation(options);
    CHECK_OK(anwdl_rsa_wrapper_sign_data(wrapper, NULL, 0, &signature, &len));
    CHECK_FAILURE(anwdl_rsa_wrapper_new(false, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    anwdl_bytes_free(signature, len);
    anwdl_rsa_wrapper_free(wrapper);
    anwdl_client_options_free(options);
}

static void test_reentrance(void) {
    device_t *device = next_device = make_device();
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_V4);
    device->within = use_the_library;
    hold_conversation(options);
    CHECK_INTEGER(device->calls, 3 + 3);
    CHECK_INTEGER(device->frees, 1);
    anwdl_client_options_free(options);
    CHECK_INTEGER(device->frees, 2);
    free(device);
}

static void cancel_myself(void) {
    next_device->within = NULL;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

/* A request to cancel the thread waits until the call is over. */
static void *sign_and_be_cancelled(void *wrapper) {
    uint8_t *signature = NULL;
    size_t len = 0;
    CHECK_OK(anwdl_rsa_wrapper_sign_data(wrapper, NULL, 0, &signature, &len));
    anwdl_bytes_free(signature, len);
    pthread_testcancel();
    return wrapper;
}

static void test_cancellation(void) {
    device_t *device = next_device = make_device();
    anwdl_rsa_wrapper_t *wrapper = make_wrapper(device);
    pthread_t thread;
    void *result = NULL;
    device->within = cancel_myself;
    REQUIRE(pthread_create(&thread, NULL, sign_and_be_cancelled, wrapper) == 0);
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_INTEGER(device->calls, 2);
    anwdl_rsa_wrapper_free(wrapper);
    free(device);
}

/* A child has the function and the device as they were, and frees its own. */
static void test_fork(void) {
    device_t *device = make_device();
    anwdl_client_options_t *options = make_options(device, ANWDL_PROTOCOL_GCM);
    int status = 0;
    pid_t child = fork();
    REQUIRE(child >= 0);
    hold_conversation(options);
    anwdl_client_options_free(options);
    CHECK_INTEGER(device->calls, 3);
    CHECK_INTEGER(device->frees, 1);
    free(device);
    if (child == 0)
        _exit(check_finish());
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* With --without-fork, for valgrind: a child that ends at once leaves what it still has. */
int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--without-fork") != 0)
        test_fork();
    test_wrapper();
    test_key_cannot_be_read();
    test_one_purpose();
    test_setting();
    test_sharing();
    test_numbers();
    test_framings();
    test_computation();
    test_failures_look_alike();
    test_slow_device();
    test_threads();
    test_reentrance();
    test_cancellation();
    printf("cases: %zu exchanges with a key that is elsewhere\n", exchanges);
    printf("cases: %zu failures of its function in an exchange\n", failures);
    return check_finish();
}
