/* Timeouts are deadlines for the whole call, however slowly the peer drips. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"

/* A drip comes well within the deadline each time; all of them together take far longer than the
   deadline. The longest time that a call may take is generous, because machines stall, and yet much
   shorter than the time that the whole message would take. */
enum {
    TIMEOUT = ANWDL_PATIENCE * 200,
    DRIP = ANWDL_PATIENCE * 50,
    LONGEST = ANWDL_PATIENCE * 10000
};

typedef struct {
    anwdl_client_t *client;
    peer_t peer;
    int64_t started;
} session_t;

static void session_open(session_t *session, const anwdl_client_options_t *options,
                         anwdl_protocol_t framing, const char *peer_key) {
    int ends[2];
    make_tcp_pair(ends);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &session->client) == ANWDL_OK);
    if (framing == ANWDL_PROTOCOL_GCM) {
        CHECK_OK(anwdl_client_set_timeout(session->client, 0));
        peer_init_gcm(&session->peer, ends[PEER_SIDE], session->client);
        CHECK_OK(anwdl_client_set_timeout(session->client, TIMEOUT));
    } else {
        peer_init(&session->peer, ends[PEER_SIDE], framing, peer_key);
    }
    session->started = now_in_milliseconds();
}

static void session_close(session_t *session) {
    anwdl_client_free(session->client);
    peer_free(&session->peer);
}

static void check_elapsed(const session_t *session) {
    int64_t elapsed = now_in_milliseconds() - session->started;
    CHECK(elapsed >= TIMEOUT);
    CHECK(elapsed < LONGEST);
}

static anwdl_client_options_t *make_options(anwdl_client_options_t *options) {
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    CHECK_OK(anwdl_client_options_set_timeout(options, TIMEOUT));
    return options;
}

static void ask(peer_t *peer) {
    free(peer_ask(peer, STAT));
}

/* Before a byte has moved, nothing is lost: the session goes on. */
static void test_silence(void) {
    anwdl_client_options_t *options = make_options(make_shared_key_options());
    session_t session;
    session_open(&session, options, ANWDL_PROTOCOL_V4, NULL);
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK(!anwdl_client_has_failed(session.client));
    peer_start(&session.peer, ask, NULL);
    anwdl_status_t status;
    do /* a slow machine may let the deadline pass once more */
        status = anwdl_client_recv_request(session.client, true, NULL);
    while (status == ANWDL_RUNTIME_ERROR && anwdl_last_error_reason() == ANWDL_REASON_TIMEOUT);
    CHECK_OK(status);
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    peer_join(&session.peer);
    session_close(&session);
    anwdl_client_options_free(options);
}

static void ask_at_length(peer_t *peer) {
    char json[1200] = "{\"verb\": \"STAT\", \"parameters\": {\"text\": \"";
    size_t len = strlen(json);
    memset(json + len, 'x', sizeof json - len - 4);
    memcpy(json + sizeof json - 4, "\"}}", 4);
    peer->drip = DRIP;
    CHECK(!peer_send_request(peer, json));
}

static void check_dripping_request(anwdl_protocol_t framing) {
    bool gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_options_t *options =
        make_options(gcm ? make_server_options() : make_shared_key_options());
    session_t session;
    session_open(&session, options, framing, NULL);
    peer_start(&session.peer, ask_at_length, NULL);
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK(anwdl_client_has_failed(session.client)); /* is known before the next call */
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_SESSION_FAILED);
    CHECK_OK(anwdl_client_close_connection(session.client));
    peer_join(&session.peer);
    session_close(&session);
    anwdl_client_options_free(options);
}

static void exchange_slowly(peer_t *peer) {
    peer->drip = DRIP;
    CHECK(!peer_exchange_keys(peer, true));
}

static void test_dripping_exchange(void) {
    anwdl_client_options_t *options = make_options(make_server_options());
    session_t session;
    session_open(&session, options, ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&session.peer, exchange_slowly, NULL);
    CHECK_FAILURE(anwdl_client_exchange_keys(session.client, true), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK_OK(anwdl_client_close_connection(session.client));
    peer_join(&session.peer);
    session_close(&session);
    anwdl_client_options_free(options);
}

/* Creation exchanges the keys under the same deadline, and gives the descriptor back. */
static void test_creation(void) {
    anwdl_client_options_t *options = make_options(make_server_options());
    anwdl_client_t *client = NULL;
    int ends[2];
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, true));
    make_tcp_pair(ends);
    CHECK_FAILURE(anwdl_client_new(ends[SERVER_SIDE], options, &client), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    CHECK(client == NULL);
    CHECK(is_open(ends[SERVER_SIDE]));
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

/* A peer that reads nothing: the kernel's buffers fill, and the rest has to wait. */
static void test_response_that_nobody_reads(void) {
    enum { LARGE = 8000000 };
    anwdl_client_options_t *options = make_options(make_shared_key_options());
    session_t session;
    char *data = malloc(LARGE + 1);
    int small = 4096;
    REQUIRE(data != NULL);
    memset(data, 'x', LARGE);
    memcpy(data, "{\"text\": \"", 10);
    memcpy(data + LARGE - 2, "\"}", 3);
    session_open(&session, options, ANWDL_PROTOCOL_V4, NULL);
    CHECK(peer_send_bytes(&session.peer, "1", 1)); /* it takes the header */
    int fd = anwdl_client_get_socket_descriptor(session.client);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    CHECK_FAILURE(
        anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
        ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_SESSION_FAILED);
    session_close(&session);
    free(data);
    anwdl_client_options_free(options);
}

/* Non-blocking: the deadline runs from the first call of an operation, and each call looks at it. A
   timeout that is changed meanwhile is the next operation's. */
static void test_non_blocking(bool is_changed) {
    anwdl_client_options_t *options = make_options(make_shared_key_options());
    session_t session;
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    session_open(&session, options, ANWDL_PROTOCOL_V4, NULL);
    int fd = anwdl_client_get_socket_descriptor(session.client);
    CHECK_STATUS(anwdl_client_recv_request(session.client, true, NULL), ANWDL_WANT_READ);
    if (is_changed)
        CHECK_OK(anwdl_client_set_timeout(session.client, 0));
    CHECK(!wait_for(fd, POLLIN, TIMEOUT + DRIP)); /* the event loop has nothing to report */
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK_STATUS(anwdl_client_recv_request(session.client, true, NULL), ANWDL_WANT_READ);
    if (is_changed) {
        CHECK(!wait_for(fd, POLLIN, TIMEOUT + DRIP));
        CHECK_STATUS(anwdl_client_recv_request(session.client, true, NULL), ANWDL_WANT_READ);
    }
    session_close(&session);
    anwdl_client_options_free(options);
}

/* A timeout can be changed between two operations, and holds from the next one on. */
static void test_changed_timeout(void) {
    anwdl_client_options_t *options = make_options(make_shared_key_options());
    session_t session;
    CHECK_OK(anwdl_client_options_set_timeout(options, 0));
    session_open(&session, options, ANWDL_PROTOCOL_V4, NULL);
    CHECK_OK(anwdl_client_set_timeout(session.client, TIMEOUT));
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    CHECK_OK(anwdl_client_set_timeout(session.client, 0));
    peer_start(&session.peer, ask, NULL);
    CHECK_OK(anwdl_client_recv_request(session.client, true, NULL));
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    peer_join(&session.peer);
    CHECK(!anwdl_client_has_failed(session.client));
    CHECK_OK(anwdl_client_close_connection(session.client));
    CHECK(anwdl_client_has_failed(session.client));
    session_close(&session);
    anwdl_client_options_free(options);
}

/* SO_RCVTIMEO makes a blocking socket return EAGAIN: only the call's own deadline counts. */
static void test_socket_timeout(void) {
    anwdl_client_options_t *options = make_options(make_shared_key_options());
    session_t session;
    struct timeval short_time = {.tv_usec = 1000};
    session_open(&session, options, ANWDL_PROTOCOL_V4, NULL);
    int fd = anwdl_client_get_socket_descriptor(session.client);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time) == 0);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof short_time) == 0);
    CHECK_FAILURE(anwdl_client_recv_request(session.client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    check_elapsed(&session);
    session_close(&session);
    anwdl_client_options_free(options);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_silence();
    for (int framing = ANWDL_PROTOCOL_V2; framing <= ANWDL_PROTOCOL_GCM; framing++)
        check_dripping_request((anwdl_protocol_t)framing);
    test_dripping_exchange();
    test_creation();
    test_response_that_nobody_reads();
    test_non_blocking(false);
    test_changed_timeout();
    test_non_blocking(true);
    test_socket_timeout();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
