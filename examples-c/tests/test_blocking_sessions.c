/* Whole sessions over TCP, blocking, with a peer of every framing on a thread of its own. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT      "{\"verb\": \"STAT\", \"parameters\": {}}"
#define STAT_DATA "{\"uptime\": 86400, \"version\": \"9.9.9\"}"

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
enum { FRAMING_COUNT = 4 };

/* A connection whose peer plays a script; the keys are exchanged step by step or not at all. */
typedef struct {
    anwdl_client_t *client;
    peer_t peer;
} session_t;

static void session_open(session_t *session, anwdl_protocol_t framing,
                         const anwdl_client_options_t *options, const char *peer_key,
                         void (*script)(peer_t *peer), void *context) {
    int ends[2];
    make_tcp_pair(ends);
    session->client = NULL;
    peer_init(&session->peer, ends[PEER_SIDE], framing, peer_key);
    peer_start(&session->peer, script, context);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &session->client) == ANWDL_OK);
}

static void session_close(session_t *session) {
    anwdl_client_free(session->client);
    peer_join(&session->peer);
    peer_free(&session->peer);
}

/* -- three requests in a session, in both orders of the exchange ------------------------------- */

#define ECHO_PARAMETERS "{\"text\": \"na\xc3\xafve\", \"number\": 123456789012345678901234567890}"

static void ask_three_times(peer_t *peer) {
    const bool *speaks_first = peer->context;
    if (!CHECK(peer_exchange_keys(peer, *speaks_first)))
        return;
    peer_check_response(peer, STAT,
                        "{\"success\": true, \"message\": \"OK\", \"data\": " STAT_DATA "}");
    peer_check_response(
        peer, "{\"verb\": \"ECHO\", \"parameters\": " ECHO_PARAMETERS "}",
        "{\"success\": true, \"message\": \"OK\", \"data\": {\"echo\": " ECHO_PARAMETERS "}}");
    peer_check_response(
        peer, "{\"verb\": \"NONSENSE\", \"parameters\": {}}",
        "{\"success\": false, \"message\": \"Refused request (reason : unknown verb)\", "
        "\"data\": {}}");
    peer_hang_up(peer);
}

static void serve_three_requests(session_t *session) {
    anwdl_client_t *client = session->client;
    anwdl_request_t *request = NULL;

    CHECK_OK(anwdl_client_recv_request(client, false, &request));
    CHECK_STRING(anwdl_request_get_json(request), STAT);
    CHECK(anwdl_client_get_stored_request(client) == NULL);
    anwdl_request_free(request);
    CHECK_INTEGER(anwdl_client_get_protocol(client), session->peer.framing);
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, STAT_DATA, NULL));

    char data[256];
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    const anwdl_request_t *stored = anwdl_client_get_stored_request(client);
    REQUIRE(stored != NULL);
    CHECK_STRING(anwdl_request_get_parameters_json(stored), ECHO_PARAMETERS);
    snprintf(data, sizeof data, "{\"echo\": %s}", anwdl_request_get_parameters_json(stored));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL));

    CHECK_OK(anwdl_client_recv_request(client, true, &request));
    CHECK_STRING(anwdl_request_get_verb(request), "NONSENSE");
    CHECK_STRING(anwdl_request_get_verb(anwdl_client_get_stored_request(client)), "NONSENSE");
    anwdl_request_free(request);
    CHECK_OK(anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL,
                                        "unknown verb"));

    /* The end between two messages is no failure of the session. */
    for (int round = 0; round < 2; round++)
        CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_PEER_CLOSED);
    CHECK_STRING(anwdl_request_get_verb(anwdl_client_get_stored_request(client)), "NONSENSE");
}

/* The side that sends its AES key first chooses between gcm and the rest. */
static void pin_gcm_when_server_chooses(anwdl_client_options_t *options, anwdl_protocol_t framing,
                                        bool receive_first) {
    bool pin = !receive_first && framing == ANWDL_PROTOCOL_GCM;
    CHECK_OK(
        anwdl_client_options_set_protocol(options, pin ? ANWDL_PROTOCOL_GCM : ANWDL_PROTOCOL_AUTO));
}

static void test_every_framing_in_both_orders(void) {
    anwdl_client_options_t *options = make_late_options();
    bool orders[] = {true, false};
    for (size_t at = 0; at < 2 * FRAMING_COUNT; at++) {
        session_t session;
        bool *receive_first = &orders[at % 2];
        pin_gcm_when_server_chooses(options, FRAMINGS[at / 2], *receive_first);
        session_open(&session, FRAMINGS[at / 2], options, "peer-1", ask_three_times, receive_first);
        if (CHECK_OK(anwdl_client_exchange_keys(session.client, *receive_first)))
            serve_three_requests(&session);
        session_close(&session);
    }
    anwdl_client_options_free(options);
}

/* -- the exchange, step by step ---------------------------------------------------------------- */

static void check_known_remote(const anwdl_client_t *client, const peer_t *peer) {
    char *expected = NULL;
    char *found = NULL;
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(peer->rsa, false, &expected));
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(anwdl_client_get_rsa_wrapper(client), true, &found));
    CHECK_STRING(found, expected);
    anwdl_string_free(expected);
    anwdl_string_free(found);
}

static void test_steps(bool receive_first) {
    anwdl_client_options_t *options = make_late_options();
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        session_t session;
        pin_gcm_when_server_chooses(options, FRAMINGS[at], receive_first);
        session_open(&session, FRAMINGS[at], options, "peer-1", ask_three_times, &receive_first);
        if (receive_first)
            CHECK_OK(anwdl_client_recv_public_rsa_key(session.client));
        CHECK_OK(anwdl_client_send_public_rsa_key(session.client));
        if (receive_first)
            CHECK_OK(anwdl_client_recv_aes_key(session.client));
        else
            CHECK_OK(anwdl_client_recv_public_rsa_key(session.client));
        CHECK_OK(anwdl_client_send_aes_key(session.client));
        if (!receive_first)
            CHECK_OK(anwdl_client_recv_aes_key(session.client));
        check_known_remote(session.client, &session.peer);
        CHECK_FAILURE(anwdl_client_send_aes_key(session.client), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_KEYS_ALREADY_EXCHANGED);
        serve_three_requests(&session);
        session_close(&session);
    }
    anwdl_client_options_free(options);
}

/* -- the key pair that all clients share by default -------------------------------------------- */

static void exchange_and_ask(peer_t *peer) {
    if (CHECK(peer_exchange_keys(peer, true)))
        peer_check_response(peer, STAT, "{\"success\": true, \"message\": \"OK\", \"data\": {}}");
}

static void test_defaults(void) {
    char *pems[2] = {NULL, NULL};
    for (size_t at = 0; at < 2; at++) {
        session_t session;
        session_open(&session, ANWDL_PROTOCOL_V4, NULL, "peer-1", exchange_and_ask, NULL);
        CHECK_OK(anwdl_client_recv_request(session.client, true, NULL));
        CHECK_OK(
            anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
        const anwdl_rsa_wrapper_t *rsa = anwdl_client_get_rsa_wrapper(session.client);
        CHECK_INTEGER(anwdl_rsa_wrapper_get_key_size(rsa), 4096);
        CHECK_OK(anwdl_rsa_wrapper_get_public_key(rsa, &pems[at]));
        session_close(&session);
    }
    CHECK_STRING(pems[1], pems[0]);
    anwdl_string_free(pems[0]);
    anwdl_string_free(pems[1]);
}

/* -- responses --------------------------------------------------------------------------------- */

#define OTHER_DATA                                                                                 \
    "{ \"note\" : \"kept as \\u0069t is\", \"number\": 1e400, \"uptime\": 0, \"version\": \"\"}"

typedef struct {
    bool success;
    const char *message;
    const char *data;
    const char *reason;
    const char *expected;
} response_t;

static const response_t RESPONSES[] = {
    {true, ANWDL_RESPONSE_MSG_OK, NULL, NULL,
     "{\"success\": true, \"message\": \"OK\", \"data\": {}}"},
    {true, ANWDL_RESPONSE_MSG_OK, OTHER_DATA, NULL,
     "{\"success\": true, \"message\": \"OK\", \"data\": " OTHER_DATA "}"},
    {false, ANWDL_RESPONSE_MSG_BAD_AUTH, NULL, NULL,
     "{\"success\": false, \"message\": \"Bad authentication\", \"data\": {}}"},
    {false, ANWDL_RESPONSE_MSG_BAD_REQ, "{}", "malformed",
     "{\"success\": false, \"message\": \"Bad request (reason : malformed)\", \"data\": {}}"},
    {false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL, "says \"no\"\n",
     "{\"success\": false, \"message\": \"Refused request (reason : says \\\"no\\\"\\n)\", "
     "\"data\": {}}"},
    {false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL, "",
     "{\"success\": false, \"message\": \"Refused request\", \"data\": {}}"},
    {true, ANWDL_RESPONSE_MSG_OK, "\n{\"a\": [1e400, -0, 18446744073709551616]}\n", NULL,
     "{\"success\": true, \"message\": \"OK\", \"data\": {\"a\": [1e400, -0, "
     "18446744073709551616]}}"},
    {false, ANWDL_RESPONSE_MSG_UNAVAILABLE, NULL, NULL,
     "{\"success\": false, \"message\": \"Unavailable\", \"data\": {}}"},
    {false, ANWDL_RESPONSE_MSG_INTERNAL_ERROR, NULL, NULL,
     "{\"success\": false, \"message\": \"Internal error\", \"data\": {}}"},
};
enum { RESPONSE_COUNT = sizeof RESPONSES / sizeof RESPONSES[0] };

static void read_responses(peer_t *peer) {
    for (size_t at = 0; at < RESPONSE_COUNT; at++)
        peer_check_response(peer, STAT, RESPONSES[at].expected);
}

static void check_refused_response(anwdl_client_t *client, const char *data, const char *told) {
    CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_RESPONSE);
    CHECK_STRING(anwdl_last_error_message(), told);
}

static void test_responses(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    for (size_t framing = 0; framing < 3; framing++) {
        session_t session;
        session_open(&session, FRAMINGS[framing], options, NULL, read_responses, NULL);
        for (size_t at = 0; at < RESPONSE_COUNT; at++) {
            const response_t *response = &RESPONSES[at];
            CHECK_OK(anwdl_client_recv_request(session.client, true, NULL));

            /* What breaks the format is refused, and not a byte of it is sent: the right one
             * follows. */
            check_refused_response(
                session.client, "{\"a\":\n 'b'}",
                "data_json is not acceptable JSON at line 2 column 2 (byte 7): the "
                "wrong kind of quote: write double quotes");
            check_refused_response(
                session.client, "{\"a\": 1,}",
                "data_json is not acceptable JSON at line 1 column 8 (byte 7): a "
                "trailing comma: leave it out");
            check_refused_response(
                session.client, "{\"a\": NaN}",
                "data_json is not acceptable JSON at line 1 column 7 (byte 6): not "
                "a JSON number: write null or a string");
            check_refused_response(session.client, "[]",
                                   "data_json is an array; it must be an object, such as "
                                   "{\"list\": [...]}");
            check_refused_response(session.client, "{\"uptime\": 1}",
                                   "data_json does not fit the response format: {\"uptime\": "
                                   "[\"field 'version' is required\"]}");
            check_refused_response(session.client, "{\"a\": 1, \"a\": 2}",
                                   "data_json is not acceptable JSON at line 1 column 10 (byte 9): "
                                   "a duplicate key: leave one out");
            CHECK_FAILURE(anwdl_client_send_response(session.client, true, NULL, NULL, NULL),
                          ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
            CHECK_FAILURE(anwdl_client_send_response(session.client, true, "\xff", NULL, NULL),
                          ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);

            CHECK_OK(anwdl_client_send_response(session.client, response->success,
                                                response->message, response->data,
                                                response->reason));
        }
        session_close(&session);
    }
    anwdl_client_options_free(options);
}

/* -- requests that do not fit the format ------------------------------------------------------- */

#define BAD_REQUEST                                                                                \
    "{\"success\": false, \"message\": \"Bad request (reason : malformed request)\", \"data\": {}}"

/* What Python's json.loads() reads and strict JSON forbids. */
typedef struct {
    const char *value; /* of a parameter; NULL for many arrays in one another */
    const char *told;
} python_only_t;

#define NOT_STRICT_JSON "{\"request\": [\"not strict JSON at line 2 column "
static const python_only_t PYTHON_ONLY[] = {
    {"NaN", NOT_STRICT_JSON "22 (byte 38): not a JSON number: write null or a string\"]}"},
    {"-Infinity", NOT_STRICT_JSON "22 (byte 38): not a JSON number: write null or a string\"]}"},
    {"\"\\ud83d\"", NOT_STRICT_JSON "23 (byte 39): half a surrogate pair: write both halves, or "
                                    "the character itself\"]}"},
    {"1, \"x\": 2", NOT_STRICT_JSON "25 (byte 41): a duplicate key: leave one out\"]}"},
    {NULL,
     NOT_STRICT_JSON "84 (byte 100): nested too deep: at most 64 levels of objects and arrays "
                     "are allowed\"]}"},
};
enum { PYTHON_ONLY_COUNT = sizeof PYTHON_ONLY / sizeof PYTHON_ONLY[0], DEEP = 900 };

static char *make_python_only(const python_only_t *text) {
    char deep[2 * DEEP + 1];
    const size_t size = sizeof deep + 64;
    char *request = malloc(size);
    REQUIRE(request != NULL);
    memset(deep, '[', DEEP);
    memset(deep + DEEP, ']', DEEP);
    deep[2 * DEEP] = '\0';
    snprintf(request, size, "{\"verb\": \"STAT\",\n \"parameters\": {\"x\": %s}}",
             text->value != NULL ? text->value : deep);
    return request;
}

static void ask_wrongly(peer_t *peer) {
    peer_check_response(peer, "{\"parameters\": {}}", BAD_REQUEST);
    peer_check_response(peer, " [1]\n", BAD_REQUEST);
    for (size_t at = 0; at < PYTHON_ONLY_COUNT; at++) {
        char *request = make_python_only(&PYTHON_ONLY[at]);
        peer_check_response(peer, request, BAD_REQUEST);
        free(request);
    }
    peer_check_response(peer, STAT, "{\"success\": true, \"message\": \"OK\", \"data\": {}}");
}

static void check_malformed(anwdl_client_t *client, const char *request, const char *errors) {
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_MALFORMED_REQUEST);
    CHECK_STRING(anwdl_client_get_request_errors(client), errors);
    CHECK(anwdl_client_get_stored_request(client) == NULL);
    CHECK_OK(anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_BAD_REQ, NULL,
                                        "malformed request"));
    CHECK_STRING(anwdl_client_get_malformed_request_json(client), request);
}

static void test_malformed_requests(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    for (size_t framing = 0; framing < 3; framing++) {
        session_t session;
        session_open(&session, FRAMINGS[framing], options, NULL, ask_wrongly, NULL);
        check_malformed(session.client, "{\"parameters\": {}}", "{\"verb\": [\"required field\"]}");
        check_malformed(session.client, "[1]", "{\"request\": [\"must be of dict type\"]}");
        for (size_t at = 0; at < PYTHON_ONLY_COUNT; at++) {
            char *request = make_python_only(&PYTHON_ONLY[at]);
            check_malformed(session.client, request, PYTHON_ONLY[at].told);
            free(request);
        }
        CHECK_OK(anwdl_client_recv_request(session.client, true, NULL));
        CHECK(anwdl_client_get_request_errors(session.client) == NULL);
        CHECK(anwdl_client_get_malformed_request_json(session.client) == NULL);
        CHECK_OK(
            anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
        session_close(&session);
    }
    anwdl_client_options_free(options);
}

/* -- one framing pinned ------------------------------------------------------------------------ */

static void ask_once(peer_t *peer) {
    free(peer_ask(peer, STAT));
}

static void test_pinned_framings(void) {
    for (size_t pinned = 0; pinned < 3; pinned++) {
        anwdl_client_options_t *options = make_shared_key_options();
        CHECK_OK(anwdl_client_options_set_protocol(options, FRAMINGS[pinned]));
        for (size_t spoken = 0; spoken < 3; spoken++) {
            session_t session;
            session_open(&session, FRAMINGS[spoken], options, NULL, ask_once, NULL);
            anwdl_status_t status = anwdl_client_recv_request(session.client, true, NULL);
            if (pinned == spoken) {
                CHECK_OK(status);
                CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK,
                                                    NULL, NULL));
            } else {
                CHECK_STATUS(status, ANWDL_VALUE_ERROR);
                CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL),
                              ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
            }
            session_close(&session);
        }
        anwdl_client_options_free(options);
    }
}

/* A server that takes gcm alone refuses the secret of every other release. */
static void exchange_in_vain(peer_t *peer) {
    CHECK(!peer_exchange_keys(peer, true));
    CHECK(peer->refused);
}

static void test_gcm_alone(void) {
    anwdl_client_options_t *options = make_late_options();
    session_t session;
    CHECK_OK(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_GCM));
    session_open(&session, ANWDL_PROTOCOL_V4, options, "peer-1", exchange_in_vain, NULL);
    CHECK_FAILURE(anwdl_client_exchange_keys(session.client, true), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_PROTOCOL_MISMATCH);
    session_close(&session);
    anwdl_client_options_free(options);
}

/* -- the server speaks before any request ------------------------------------------------------ */

static void listen_only(peer_t *peer) {
    char *response = peer_receive_response(peer);
    CHECK_STRING(response, "{\"success\": false, \"message\": \"Unavailable\", \"data\": {}}");
    free(response);
}

static void test_response_before_any_request(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    session_t session;
    session_open(&session, ANWDL_PROTOCOL_V4, options, NULL, listen_only, NULL);
    CHECK_OK(anwdl_client_send_response(session.client, false, ANWDL_RESPONSE_MSG_UNAVAILABLE, NULL,
                                        NULL));
    CHECK_INTEGER(anwdl_client_get_protocol(session.client), ANWDL_PROTOCOL_V4);
    session_close(&session);
    anwdl_client_options_free(options);
}

/* -- a key agreed on beforehand ---------------------------------------------------------------- */

/* Set after the client was made, instead of by an option. */
static void test_aes_wrapper_set_later(void) {
    anwdl_client_options_t *options = make_late_options();
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    anwdl_aes_wrapper_t *gcm_wrapper = make_aes_wrapper(ANWDL_AES_GCM);
    session_t session;
    session_open(&session, ANWDL_PROTOCOL_V3, options, NULL, ask_once, NULL);
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_KEYS_NOT_EXCHANGED);
    /* gcm always exchanges its keys. */
    CHECK_FAILURE(anwdl_client_set_aes_wrapper(session.client, gcm_wrapper), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_client_options_set_aes_wrapper(options, gcm_wrapper), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_OK(anwdl_client_set_aes_wrapper(session.client, wrapper));
    CHECK_OK(anwdl_client_recv_request(session.client, true, NULL));
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    session_close(&session);
    anwdl_aes_wrapper_free(wrapper);
    anwdl_aes_wrapper_free(gcm_wrapper);
    anwdl_client_options_free(options);
}

/* Making a key of 4096 bits is slow under valgrind, which runs everything else. */
int main(int argc, char **argv) {
    size_t before = count_open_descriptors();
    bool generate = argc < 2 || strcmp(argv[1], "--without-generation") != 0;
    test_every_framing_in_both_orders();
    test_steps(true);
    test_steps(false);
    if (generate)
        test_defaults();
    test_responses();
    test_malformed_requests();
    test_pinned_framings();
    test_gcm_alone();
    test_response_before_any_request();
    test_aes_wrapper_set_later();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
