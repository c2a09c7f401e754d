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

int main(void) {
    test(ask, false);
    answer_request = answer;
    test(ask, false);
    CHECK(stop_at_signals());
    test(peer_check_hung_up, true);
    return check_finish();
}
