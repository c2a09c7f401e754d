/* Non-blocking sessions: every call picks up where it was, at any byte. The peer sends one byte for
   each WANT_READ that the library returns, and not one more. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAT   "{\"verb\": \"STAT\", \"parameters\": {}}"
#define ANSWER "{\"success\": true, \"message\": \"OK\", \"data\": {}}"

enum { PATIENCE = ANWDL_PATIENCE * 60000, WRITE_GATE = 1, READ_GATE = 0 };

typedef struct {
    anwdl_client_t *client;
    peer_t peer;
    int gate[2];
    size_t reads_wanted;
    size_t writes_wanted;
} session_t;

static void make_non_blocking(int fd) {
    REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

static void session_open(session_t *session, anwdl_protocol_t framing,
                         const anwdl_client_options_t *options, const char *peer_key) {
    int ends[2];
    memset(session, 0, sizeof *session);
    make_tcp_pair(ends);
    make_non_blocking(ends[SERVER_SIDE]);
    session->client = peer_open_client(&session->peer, ends, options, framing, peer_key);
    make_unix_pair(session->gate);
    session->peer.gate = session->gate[READ_GATE];
}

static void session_close(session_t *session) {
    anwdl_client_free(session->client);
    close(session->gate[WRITE_GATE]);
    peer_join(&session->peer);
    peer_free(&session->peer);
    close(session->gate[READ_GATE]);
}

/* What a server's event loop does with the status of a call: true when the call is to be repeated.
 */
static bool is_unfinished(session_t *session, anwdl_status_t status) {
    int fd = anwdl_client_get_socket_descriptor(session->client);
    if (status == ANWDL_WANT_READ) {
        session->reads_wanted++;
        REQUIRE(write(session->gate[WRITE_GATE], "1", 1) == 1);
        return CHECK(wait_for(fd, POLLIN, PATIENCE));
    }
    if (status == ANWDL_WANT_WRITE)
        return CHECK(wait_for(fd, POLLOUT, PATIENCE));
    return false;
}

static anwdl_client_options_t *make_options(anwdl_client_options_t *options) {
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    return options;
}

/* -- byte by byte ------------------------------------------------------------------------------ */

static void exchange_and_ask_twice(peer_t *peer) {
    const bool *speaks_first = peer->context;
    if (!CHECK(peer_exchange_keys(peer, *speaks_first)))
        return;
    for (int round = 0; round < 2; round++) {
        char *response = peer_ask(peer, STAT);
        CHECK_STRING(response, ANSWER);
        free(response);
    }
}

static anwdl_status_t exchange_by_steps(session_t *session, bool receive_first) {
    typedef anwdl_status_t step_t(anwdl_client_t *);
    step_t *const receiving_first[] = {anwdl_client_recv_public_rsa_key,
                                       anwdl_client_send_public_rsa_key, anwdl_client_recv_aes_key,
                                       anwdl_client_send_aes_key};
    step_t *const sending_first[] = {anwdl_client_send_public_rsa_key,
                                     anwdl_client_recv_public_rsa_key, anwdl_client_send_aes_key,
                                     anwdl_client_recv_aes_key};
    anwdl_status_t status = ANWDL_OK;
    for (size_t at = 0; at < 4 && status == ANWDL_OK; at++) {
        step_t *step = receive_first ? receiving_first[at] : sending_first[at];
        do
            status = step(session->client);
        while (is_unfinished(session, status));
    }
    return status;
}

static void check_byte_by_byte(anwdl_protocol_t framing, bool receive_first, bool by_steps) {
    anwdl_client_options_t *options = make_options(make_server_options());
    session_t session;
    anwdl_status_t status;
    if (framing == ANWDL_PROTOCOL_GCM && !receive_first)
        CHECK_OK(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_GCM));
    session_open(&session, framing, options, "peer-1");
    int fd = anwdl_client_get_socket_descriptor(session.client);
    int flags = fcntl(fd, F_GETFL);
    peer_start(&session.peer, exchange_and_ask_twice, &receive_first);

    if (by_steps) {
        status = exchange_by_steps(&session, receive_first);
    } else {
        do
            status = anwdl_client_exchange_keys(session.client, receive_first);
        while (is_unfinished(&session, status));
    }
    CHECK_OK(status);
    for (int round = 0; round < 2 && status == ANWDL_OK; round++) {
        anwdl_request_t *request = NULL;
        do {
            status = anwdl_client_recv_request(session.client, false, &request);
            CHECK((request == NULL) == (status != ANWDL_OK));
        } while (is_unfinished(&session, status));
        CHECK_OK(status);
        CHECK_STRING(anwdl_request_get_json(request), STAT);
        anwdl_request_free(request);
        do
            status =
                anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
        while (is_unfinished(&session, status));
        CHECK_OK(status);
    }
    CHECK_INTEGER(fcntl(fd, F_GETFL), flags);
    session_close(&session);
    /* The peer has counted its last byte only now that its thread has ended. */
    CHECK_INTEGER(session.reads_wanted, session.peer.bytes_sent);
    CHECK(session.peer.bytes_sent > 800);
    anwdl_client_options_free(options);
}

static void test_byte_by_byte(void) {
    for (int framing = ANWDL_PROTOCOL_V2; framing <= ANWDL_PROTOCOL_GCM; framing++) {
        check_byte_by_byte((anwdl_protocol_t)framing, true, false);
        check_byte_by_byte((anwdl_protocol_t)framing, false, false);
        check_byte_by_byte((anwdl_protocol_t)framing, true, true);
        check_byte_by_byte((anwdl_protocol_t)framing, false, true);
    }
}

/* -- a peer that does not read ----------------------------------------------------------------- */

enum { LARGE = 300000 };

static char *make_large_data(void) {
    char *data = malloc(LARGE + 1);
    REQUIRE(data != NULL);
    memset(data, 'x', LARGE);
    memcpy(data, "{\"text\": \"", 10);
    memcpy(data + LARGE - 2, "\"}", 3);
    return data;
}

static void read_when_told(peer_t *peer) {
    const int *permission = peer->context;
    char *data = make_large_data();
    char token;
    CHECK(peer_send_request(peer, STAT));
    CHECK(read(*permission, &token, 1) == 1);
    char *response = peer_receive_response(peer);
    if (CHECK(response != NULL))
        CHECK(strstr(response, data) != NULL);
    free(response);
    free(data);
}

static void test_peer_that_does_not_read(void) {
    anwdl_client_options_t *options = make_options(make_late_options());
    session_t session;
    anwdl_status_t status;
    char *data = make_large_data();
    int small = 4096;
    session_open(&session, ANWDL_PROTOCOL_GCM, options, NULL);
    session.peer.gate = -1;
    int fd = anwdl_client_get_socket_descriptor(session.client);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    REQUIRE(setsockopt(session.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    peer_start(&session.peer, read_when_told, &session.gate[READ_GATE]);

    while ((status = anwdl_client_recv_request(session.client, true, NULL)) == ANWDL_WANT_READ)
        CHECK(wait_for(fd, POLLIN, PATIENCE));
    CHECK_OK(status);
    while ((status = anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, data,
                                                NULL)) == ANWDL_WANT_WRITE) {
        if (session.writes_wanted++ == 0)
            REQUIRE(write(session.gate[WRITE_GATE], "1", 1) == 1);
        CHECK(wait_for(fd, POLLOUT, PATIENCE));
    }
    CHECK_OK(status);
    CHECK(session.writes_wanted > 0);
    session_close(&session);
    free(data);
    anwdl_client_options_free(options);
}

/* -- one operation at a time ------------------------------------------------------------------- */

static void test_operation_pending(void) {
    anwdl_client_options_t *options = make_options(make_late_options());
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    make_non_blocking(ends[SERVER_SIDE]);
    anwdl_client_t *client = peer_open_client(&peer, ends, options, ANWDL_PROTOCOL_GCM, NULL);

    /* Half a request; then something else is asked for; then the other half. */
    int pipe_ends[2];
    uint8_t record[256];
    make_unix_pair(pipe_ends);
    peer.fd = pipe_ends[1];
    CHECK(peer_send_request(&peer, STAT));
    peer.fd = ends[PEER_SIDE];
    ssize_t len = read(pipe_ends[0], record, sizeof record);
    REQUIRE(len > 20);
    CHECK(peer_send_bytes(&peer, record, 20));
    REQUIRE(wait_for(ends[SERVER_SIDE], POLLIN, PATIENCE));
    CHECK_STATUS(anwdl_client_recv_request(client, true, NULL), ANWDL_WANT_READ);
    CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL),
                  ANWDL_RUNTIME_ERROR, ANWDL_REASON_OPERATION_PENDING);
    CHECK(peer_send_bytes(&peer, record + 20, (size_t)len - 20));
    REQUIRE(wait_for(ends[SERVER_SIDE], POLLIN, PATIENCE));
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    char *response = peer_receive_response(&peer);
    CHECK_STRING(response, ANSWER);
    free(response);

    close(pipe_ends[0]);
    close(pipe_ends[1]);
    anwdl_client_free(client);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* -- blocking calls on a descriptor that does not block ---------------------------------------- */

static void ask_once(peer_t *peer) {
    char *response = peer_ask(peer, STAT);
    CHECK_STRING(response, ANSWER);
    free(response);
}

static void test_blocking_calls_on_non_blocking_descriptor(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    make_non_blocking(ends[SERVER_SIDE]);
    int flags = fcntl(ends[SERVER_SIDE], F_GETFL);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, NULL);
    peer_start(&peer, ask_once, NULL);
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    CHECK_INTEGER(fcntl(ends[SERVER_SIDE], F_GETFL), flags);
    peer_join(&peer);
    anwdl_client_free(client);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_byte_by_byte();
    test_peer_that_does_not_read();
    test_operation_pending();
    test_blocking_calls_on_non_blocking_descriptor();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
