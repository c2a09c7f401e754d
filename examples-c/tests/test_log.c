/* What the library logs of real sessions, and how the callback is set and taken off. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"
/* The ID of a client from 127.0.0.1. */
#define ID "12ca17b"

enum { ROOM = 64, ROUNDS = 40 };

typedef struct {
    anwdl_log_level_t level;
    char client_id[16];
    char message[256];
} entry_t;

/* Filled by one thread at a time. */
typedef struct {
    entry_t entries[ROOM];
    size_t count;
} journal_t;

static void keep(anwdl_log_level_t level, const char *client_id, const char *message,
                 void *user_data) {
    journal_t *journal = user_data;
    REQUIRE(journal->count < ROOM);
    entry_t *entry = &journal->entries[journal->count++];
    entry->level = level;
    snprintf(entry->client_id, sizeof entry->client_id, "%s", client_id);
    snprintf(entry->message, sizeof entry->message, "%s", message);
    /* It may call the library, and a failure of that call is not the one that is logged. */
    CHECK_STATUS(anwdl_client_options_set_timeout(NULL, 1), ANWDL_VALUE_ERROR);
}

static size_t count_of(const journal_t *journal, anwdl_log_level_t level) {
    size_t count = 0;
    for (size_t at = 0; at < journal->count; at++)
        count += journal->entries[at].level == level;
    return count;
}

static bool has(const journal_t *journal, anwdl_log_level_t level, const char *part) {
    for (size_t at = 0; at < journal->count; at++)
        if (journal->entries[at].level == level && strstr(journal->entries[at].message, part))
            return true;
    return false;
}

static void exchange_and_ask(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
    char *response = peer_ask(peer, STAT);
    CHECK(response != NULL);
    free(response);
}

/* A session of this framing from the key exchange to a failure. */
static void run_session(anwdl_protocol_t framing) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], framing, "peer-1");
    peer_start(&peer, exchange_and_ask, NULL);
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response(client, true, "OK", NULL, NULL));
    peer_join(&peer);
    CHECK(peer_send_bytes(&peer, "x", 1));
    peer_hang_up(&peer);
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_PEER_CLOSED);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    peer_free(&peer);
}

/* Whose they are. */
static void keep_owner(anwdl_log_level_t level, void *owner, const char *client_id,
                       const char *message, void *user_data) {
    (void)level;
    (void)client_id;
    (void)message;
    size_t *counts = user_data;
    counts[owner == NULL ? 0 : *(const size_t *)owner]++;
}

static void test_owners(void) {
    static size_t first = 1, second = 2;
    size_t counts[3] = {0};
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_session_t *sessions[2] = {NULL, NULL};
    for (size_t at = 0; at < 2; at++)
        REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &sessions[at]) == ANWDL_OK);
    CHECK_OK(anwdl_session_set_user_data(sessions[0], &first));
    CHECK_OK(anwdl_session_set_user_data(sessions[1], &second));
    CHECK_OK(anwdl_set_log_handler(ANWDL_LOG_DEBUG, keep_owner, counts));
    for (size_t at = 0; at < 2; at++) {
        CHECK_OK(anwdl_session_end(sessions[at]));
        CHECK_FAILURE(anwdl_session_recv_request(sessions[at], true, NULL), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_SESSION_FAILED);
    }
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
    CHECK_INTEGER(counts[0], 0);
    CHECK_INTEGER(counts[1], 1);
    CHECK_INTEGER(counts[2], 1);
    anwdl_session_free(sessions[0]);
    anwdl_session_free(sessions[1]);
    anwdl_client_options_free(options);
}

static void test_what_is_logged(anwdl_protocol_t framing, const char *name) {
    journal_t journal = {0};
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, keep, &journal));
    run_session(framing);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
    CHECK(has(&journal, ANWDL_LOG_INFO, "keys"));
    CHECK(has(&journal, ANWDL_LOG_INFO, name));
    CHECK_INTEGER(count_of(&journal, ANWDL_LOG_ERROR), 1);
    for (size_t at = 0; at < journal.count; at++) {
        const entry_t *entry = &journal.entries[at];
        CHECK_STRING(entry->client_id, ID);
        CHECK(entry->message[0] != '\0' && strchr(entry->message, '\n') == NULL);
    }

    /* A higher level leaves the rest out; no function takes nothing. */
    size_t all = journal.count;
    journal.count = 0;
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, keep, &journal));
    run_session(framing);
    CHECK_INTEGER(journal.count, 1);
    CHECK(all > journal.count);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, &journal));
    run_session(framing);
    CHECK_INTEGER(journal.count, 1);
}

/* The texts of secrets that pass through a session: none may come up in a message. */
static void test_no_secret_is_logged(void) {
    static const char *const secrets[] = {"hunter2hunter2", "tttttttttt"};
    journal_t journal = {0};
    peer_t peer;
    char request[600];
    char token[256];
    memset(token, 't', 255);
    token[255] = '\0';
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, keep, &journal));
    anwdl_client_t *client = peer_open_gcm_client(&peer, NULL);
    snprintf(request, sizeof request,
             "{\"verb\": \"DESTROY\", \"parameters\": {\"container_uuid\": \"hunter2hunter2\", "
             "\"client_token\": \"%s\"}}",
             token);
    CHECK(peer_send_request(&peer, request));
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_MALFORMED_REQUEST);
    CHECK_FAILURE(anwdl_client_send_response(client, true, "OK",
                                             "{\"container_password\": \"hunter2hunter2\"}", NULL),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_RESPONSE);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
    /* Each of the two. */
    CHECK_INTEGER(count_of(&journal, ANWDL_LOG_WARNING), 2);
    for (size_t at = 0; at < journal.count; at++)
        for (size_t secret = 0; secret < sizeof secrets / sizeof secrets[0]; secret++)
            CHECK(strstr(journal.entries[at].message, secrets[secret]) == NULL);
    anwdl_client_free(client);
    peer_free(&peer);
}

static void test_refusals(void) {
    journal_t journal = {0};
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, keep, &journal));
    CHECK_FAILURE(anwdl_set_log_callback((anwdl_log_level_t)4, NULL, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    /* The earlier one stays. */
    run_session(ANWDL_PROTOCOL_V4);
    CHECK_INTEGER(journal.count, 1);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, NULL));
}

static anwdl_client_options_t *make_v2_options(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    REQUIRE(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_V2) == ANWDL_OK);
    return options;
}

/* A session without a descriptor, whose failure is logged as an error. */
static void fail_once(const anwdl_client_options_t *options) {
    anwdl_session_t *session = NULL;
    size_t taken = 0;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK);
    CHECK_STATUS(anwdl_session_recv_request(session, true, NULL), ANWDL_WANT_READ);
    CHECK_OK(anwdl_session_feed(session, (const uint8_t *)"no count", 8, &taken));
    /* The refusal is to be sent first. */
    CHECK_STATUS(anwdl_session_recv_request(session, true, NULL), ANWDL_WANT_WRITE);
    CHECK_OK(anwdl_session_sent(session, 1));
    CHECK_STATUS(anwdl_session_recv_request(session, true, NULL), ANWDL_VALUE_ERROR);
    anwdl_session_free(session);
}

/* -- a callback that uses the library ---------------------------------------------------------- */

typedef struct {
    const anwdl_client_options_t *options;
    int calls;
    bool takes_itself_off;
} user_t;

static void use_library(anwdl_log_level_t level, const char *client_id, const char *message,
                        void *user_data) {
    user_t *user = user_data;
    CHECK(level == ANWDL_LOG_ERROR && client_id[0] == '\0' && message[0] != '\0');
    user->calls++;
    /* What this would log is left out: else the calls would have no end. */
    fail_once(user->options);
    if (user->takes_itself_off)
        CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, NULL));
}

static void test_callback_that_uses_library(void) {
    anwdl_client_options_t *options = make_v2_options();
    user_t user = {.options = options};
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, use_library, &user));
    fail_once(options);
    CHECK_INTEGER(user.calls, 1);
    user.takes_itself_off = true;
    fail_once(options);
    fail_once(options);
    CHECK_INTEGER(user.calls, 2);
    anwdl_client_options_free(options);
}

/* -- from several threads ---------------------------------------------------------------------- */

typedef struct {
    atomic_bool is_set;
    atomic_uint late_calls;
} watch_t;

/* One for each setting of the callback, so that a call that comes too late is still seen. */
static watch_t watches[ROUNDS];
static atomic_uint calls;
static atomic_bool done;

static void watch_calls(anwdl_log_level_t level, const char *client_id, const char *message,
                        void *user_data) {
    watch_t *watch = user_data;
    CHECK(level == ANWDL_LOG_ERROR && client_id != NULL && message != NULL);
    atomic_fetch_add(&calls, 1);
    /* Whoever does not wait for this call has the time to be seen. */
    for (int turn = 0; turn < 20; turn++)
        sched_yield();
    if (!atomic_load(&watch->is_set))
        atomic_fetch_add(&watch->late_calls, 1);
}

static void *fail_until_done(void *options) {
    while (!atomic_load(&done))
        fail_once(options);
    return NULL;
}

static void test_threads(void) {
    anwdl_client_options_t *options = make_v2_options();
    pthread_t threads[2];
    for (size_t at = 0; at < 2; at++)
        REQUIRE(pthread_create(&threads[at], NULL, fail_until_done, options) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        watch_t *watch = &watches[round];
        unsigned before = atomic_load(&calls);
        atomic_store(&watch->is_set, true);
        CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, watch_calls, watch));
        while (atomic_load(&calls) == before)
            sched_yield();
        /* From here on, the watch could be freed. */
        CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_ERROR, NULL, NULL));
        atomic_store(&watch->is_set, false);
    }
    atomic_store(&done, true);
    for (size_t at = 0; at < 2; at++)
        REQUIRE(pthread_join(threads[at], NULL) == 0);
    for (int round = 0; round < ROUNDS; round++)
        CHECK_INTEGER(atomic_load(&watches[round].late_calls), 0);
    anwdl_client_options_free(options);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_owners();
    test_what_is_logged(ANWDL_PROTOCOL_V2, "v2");
    test_what_is_logged(ANWDL_PROTOCOL_GCM, "gcm");
    test_no_secret_is_logged();
    test_refusals();
    test_callback_that_uses_library();
    test_threads();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
