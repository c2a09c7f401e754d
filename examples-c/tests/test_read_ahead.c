/* A peer that sends a second message before the first is answered: what came along with the first
   is kept, and whoever waits for the descriptor to become readable is never left waiting. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST_TEXT = 256 };

typedef struct {
    anwdl_client_t *client;
    peer_t peer;
    int fd;
} session_t;

static void open_session_with(session_t *session, const anwdl_client_options_t *options) {
    int ends[2];
    session->client = NULL;
    make_tcp_pair(ends);
    session->fd = ends[SERVER_SIDE];
    REQUIRE(anwdl_client_new(session->fd, options, &session->client) == ANWDL_OK);
    peer_init_gcm(&session->peer, ends[PEER_SIDE], session->client);
}

static void open_session(session_t *session) {
    anwdl_client_options_t *options = make_late_options();
    open_session_with(session, options);
    anwdl_client_options_free(options);
}

static void close_session(session_t *session) {
    anwdl_client_free(session->client);
    peer_free(&session->peer);
}

/* A request that fits the format, with a verb of so many letters. */
static const char *make_request(int letters) {
    static char text[LONGEST_TEXT];
    char verb[LONGEST_TEXT];
    memset(verb, 'A', (size_t)letters);
    snprintf(text, sizeof text, "{\"verb\":\"%.*s\",\"parameters\":{}}", letters, verb);
    return text;
}

static void serve(session_t *session) {
    anwdl_request_t *request = NULL;
    char *response;
    CHECK_OK(anwdl_client_recv_request(session->client, false, &request));
    anwdl_request_free(request);
    CHECK_OK(anwdl_client_send_response(session->client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    response = peer_receive_response(&session->peer);
    CHECK(response != NULL);
    free(response);
}

static void test_readable_while_there_is_a_message(void) {
    session_t session;
    open_session(&session);
    for (int first = 1; first < 60; first += 3)
        for (int second = 1; second < 120; second += 7) {
            CHECK(!wait_for(session.fd, POLLIN, 0));
            CHECK(peer_send_request(&session.peer, make_request(first)));
            CHECK(peer_send_request(&session.peer, make_request(second)));
            CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
            serve(&session);
            CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
            serve(&session);
        }
    close_session(&session);
}

/* Not before the peer's second message has been received, of which the socket has only the end. */
static void test_detach(void) {
    session_t session;
    anwdl_request_t *request = NULL;
    open_session(&session);
    CHECK(peer_send_request(&session.peer, make_request(1)));
    CHECK(peer_send_request(&session.peer, make_request(1)));
    CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
    CHECK_OK(anwdl_client_recv_request(session.client, false, &request));
    anwdl_request_free(request);
    CHECK_INTEGER(anwdl_client_detach(session.client), -1);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_OUT_OF_TURN);
    CHECK(!anwdl_client_is_closed(session.client));
    CHECK_INTEGER(anwdl_client_get_socket_descriptor(session.client), session.fd);
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    CHECK_OK(anwdl_client_recv_request(session.client, false, &request));
    anwdl_request_free(request);
    /* Whoever asks twice does without it. */
    CHECK(peer_send_request(&session.peer, make_request(1)));
    CHECK(peer_send_request(&session.peer, make_request(1)));
    CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    CHECK_OK(anwdl_client_recv_request(session.client, false, &request));
    anwdl_request_free(request);
    CHECK_INTEGER(anwdl_client_detach(session.client), -1);
    CHECK_INTEGER(anwdl_client_detach(session.client), session.fd);
    close(session.fd);
    close_session(&session);
}

/* What came before the end is received; what was cut ends the session. */
static void test_end_behind_a_message(void) {
    session_t session;
    anwdl_request_t *request = NULL;
    open_session(&session);
    CHECK(peer_send_request(&session.peer, make_request(1)));
    session.peer.budget = session.peer.bytes_sent + 30;
    peer_send_request(&session.peer, make_request(1));
    CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
    CHECK_OK(anwdl_client_recv_request(session.client, false, &request));
    anwdl_request_free(request);
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    CHECK(wait_for(session.fd, POLLIN, ANWDL_PATIENCE * 60000));
    request = NULL;
    CHECK_FAILURE(anwdl_client_recv_request(session.client, false, &request), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_PEER_CLOSED);
    CHECK(anwdl_client_has_failed(session.client));
    close_session(&session);
}

/* As long as nothing of a request is here, the idle timeout counts, of which there is none. */
static void test_timeout_of_what_has_begun(void) {
    anwdl_client_options_t *options = make_late_options();
    session_t session;
    REQUIRE(anwdl_client_options_set_timeout(options, 60000) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_idle_timeout(options, 0) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK);
    for (size_t ahead = 0; ahead < 4; ahead++) {
        anwdl_request_t *request = NULL;
        open_session_with(&session, options);
        CHECK(peer_send_request(&session.peer, make_request(1)));
        /* The beginning of a length. */
        REQUIRE(send(session.peer.fd, "\0\0", ahead, 0) == (ssize_t)ahead);
        CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_EXCHANGED);
        REQUIRE(wait_for(session.fd, POLLIN, 60000));
        REQUIRE(anwdl_client_next_event(session.client, &request) == ANWDL_EVENT_REQUEST);
        anwdl_request_free(request);
        CHECK_OK(
            anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
        REQUIRE(anwdl_client_next_event(session.client, &request) == ANWDL_EVENT_RESPONSE_SENT);
        CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_WANT_READ);
        CHECK((anwdl_client_get_time_left(session.client) >= 0) == (ahead > 0));
        close_session(&session);
    }
    anwdl_client_options_free(options);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_readable_while_there_is_a_message();
    test_detach();
    test_end_behind_a_message();
    test_timeout_of_what_has_begun();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
