/* The short servers of the manual answer with a function of the program's own, where there is one;
   and a signal stops what other threads serve, of which ThreadSanitizer sees whether that is a
   race. */
#include "../serving/serving.h"
#include "check.h"
#include "peer.h"
#include "support.h"
#include <pthread.h>

static const char *answer(const anwdl_request_t *request, anwdl_data_t *data) {
    anwdl_value_t text = anwdl_value_find(anwdl_request_get_parameters(request), "/text");
    if (strcmp(anwdl_request_get_verb(request), "ECHO") != 0)
        return ANWDL_RESPONSE_MSG_REFUSED_REQ;
    /* It may have set something before it fails. */
    if (anwdl_data_set_integer(data, "number", 1) != ANWDL_OK ||
        anwdl_data_set_value(data, "text", text) != ANWDL_OK)
        return ANWDL_RESPONSE_MSG_BAD_REQ;
    return ANWDL_RESPONSE_MSG_OK;
}

#define RESPONSE(success, message, data)                                                           \
    "{\"success\": " success ", \"message\": \"" message "\", \"data\": {" data "}}"
#define REFUSED     RESPONSE("false", "Refused request", "")
#define BAD_REQUEST RESPONSE("false", "Bad request", "")
#define STATISTICS  RESPONSE("true", "OK", "\"uptime\": 60, \"version\": \"1.0.0\"")
#define ECHO        "{\"verb\": \"ECHO\", \"parameters\": {\"text\": \"a\"}}"

static void ask(peer_t *peer) {
    bool is_own = answer_request != NULL;
    peer_check_response(
        peer, ECHO, is_own ? RESPONSE("true", "OK", "\"number\": 1, \"text\": \"a\"") : REFUSED);
    peer_check_response(peer, "{\"verb\": \"ECHO\", \"parameters\": {}}",
                        is_own ? BAD_REQUEST : REFUSED);
    peer_check_response(peer, "{\"verb\": \"OTHER\", \"parameters\": {}}", REFUSED);
    peer_check_response(peer, "{\"verb\": \"STAT\", \"parameters\": {}}", STATISTICS);
    peer_check_response(peer, "{\"verb\": \"lower case\"}", BAD_REQUEST);
    peer_hang_up(peer);
}

static void test(void (*act)(peer_t *peer), bool is_stopped) {
    anwdl_client_options_t *options = make_shared_key_options();
    peer_t peer;
    pthread_t thread;
    int ends[2];
    make_tcp_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    anwdl_client_t *client = peer_open_client(&peer, ends, options, ANWDL_PROTOCOL_V4, NULL);
    peer_start(&peer, act, NULL);
    REQUIRE(pthread_create(&thread, NULL, serve_to_the_end, client) == 0);
    if (is_stopped)
        CHECK(raise(SIGTERM) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    peer_join(&peer);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* A server that stops: a request has begun, so it is answered. The response is longer than what the
   peer can take at once, and the peer sends the beginning of another request before it reads on. */
enum { LONG_TEXT = 200000 };

static const char *answer_with_long_text(const anwdl_request_t *request, anwdl_data_t *data) {
    static char text[LONG_TEXT + 1];
    (void)request;
    memset(text, 'a', LONG_TEXT);
    return anwdl_data_set_string(data, "text", text) == ANWDL_OK
               ? ANWDL_RESPONSE_MSG_OK
               : ANWDL_RESPONSE_MSG_INTERNAL_ERROR;
}

static void ask_again_before_the_response(peer_t *peer) {
    const int *has_ended = peer->context;
    static uint8_t response[LONG_TEXT];
    char header[8];
    char byte;
    CHECK(peer_send_request(peer, ECHO));
    CHECK(peer_receive_bytes(peer, header, sizeof header));
    CHECK(peer_send_bytes(peer,
                          "1"
                          "0",
                          2));
    CHECK(read(*has_ended, &byte, 1) == 0);
    CHECK(peer_receive_bytes(peer, response, sizeof response));
}

static void test_response_on_its_way(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    int size = 4 * LONG_TEXT;
    peer_t peer;
    pthread_t thread;
    int ends[2];
    int has_ended[2];
    REQUIRE(pipe(has_ended) == 0);
    make_tcp_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    anwdl_client_t *client = peer_open_client(&peer, ends, options, ANWDL_PROTOCOL_V2, NULL);
    int fd = anwdl_client_get_socket_descriptor(client);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    answer_request = answer_with_long_text;
    peer_start(&peer, ask_again_before_the_response, &has_ended[0]);
    REQUIRE(wait_for(fd, POLLIN, 10000));
    CHECK(is_stopping);
    REQUIRE(pthread_create(&thread, NULL, serve_to_the_end, client) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    close(has_ended[1]);
    peer_join(&peer);
    close(has_ended[0]);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

int main(void) {
    test(ask, false);
    answer_request = answer;
    test(ask, false);
    CHECK(stop_at_signals());
    test(peer_check_hung_up, true);
    test_response_on_its_way();
    return check_finish();
}
