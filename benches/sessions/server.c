#include "server.h"

#include "bench.h"
#include "support.h"

#include <stdlib.h>
#include <unistd.h>

/* The most that the library lets through. */
enum { LARGEST_MESSAGE = 99999999 };

_Noreturn void fail_with_library_error(anwdl_status_t status, const char *call) {
    bench_fail(EXIT_FAILURE, "%s returned %d: %s: %s", call, (int)status,
               anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
}

anwdl_client_options_t *preset_key_options(anwdl_protocol_t framing, long timeout) {
    anwdl_client_options_t *options =
        make_shared_key_options(framing == ANWDL_PROTOCOL_GCM ? ANWDL_AES_GCM : ANWDL_AES_CBC);
    MUST_OK(anwdl_client_options_set_timeout(options, (uint32_t)timeout));
    MUST_OK(anwdl_client_options_set_max_message_size(options, LARGEST_MESSAGE));
    return options;
}

anwdl_client_options_t *exchange_options(const anwdl_rsa_wrapper_t *rsa, long timeout) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    MUST(options != NULL);
    MUST_OK(anwdl_client_options_set_rsa_wrapper(options, rsa));
    MUST_OK(anwdl_client_options_set_timeout(options, (uint32_t)timeout));
    return options;
}

/* -- through the library ----------------------------------------------------------------------- */

void serve_request(anwdl_client_t *client) {
    anwdl_request_t *request = NULL;
    MUST_OK(anwdl_client_recv_request(client, false, &request));
    anwdl_request_free(request);
}

void serve_response(anwdl_client_t *client, const char *data) {
    MUST_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL));
}

void serve_turn(anwdl_client_t *client, const char *data) {
    serve_request(client);
    serve_response(client, data);
}

/* -- the floor --------------------------------------------------------------------------------- */

uint8_t *make_space(const turn_t *turn) {
    size_t header_size = turn->request_header_size;
    size_t packet_size = turn->request_packet_size;
    uint8_t *space = calloc(1, packet_size > header_size ? packet_size : header_size);
    MUST(space != NULL);
    return space;
}

void serve_bare_request(int fd, const turn_t *turn, uint8_t *space) {
    MUST(receive_exactly(fd, space, turn->request_header_size));
    if (turn->is_answered)
        MUST(send_exactly(fd, "1", 1));
    MUST(receive_exactly(fd, space, turn->request_packet_size));
}

void serve_bare_response(int fd, const turn_t *turn) {
    size_t header_size = turn->response_header_size;
    if (!turn->is_answered) {
        MUST(send_exactly(fd, turn->response, header_size + turn->response_packet_size));
        return;
    }
    char answer;
    MUST(send_exactly(fd, turn->response, header_size));
    MUST(receive_exactly(fd, &answer, 1));
    MUST(send_exactly(fd, turn->response + header_size, turn->response_packet_size));
}

void serve_bare_turn(int fd, const turn_t *turn, uint8_t *space) {
    serve_bare_request(fd, turn, space);
    serve_bare_response(fd, turn);
}

/* -- a turn to go by --------------------------------------------------------------------------- */

turn_t record_turn(anwdl_protocol_t framing, const char *request, const char *data) {
    int ends[2];
    turn_t turn = {0};
    asker_t asker;
    static const size_t order[] = {0};
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = preset_key_options(framing, 0);
    make_tcp_pair(ends);
    asker_init(&asker, framing, request);
    asker.record = &turn;
    asked_session_t session = {ends[PEER_SIDE], wire_new_state()};
    asking_t asking = {&asker, &session, order, 1, 1, 0};
    asking_start(&asking);
    MUST_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    serve_turn(client, data);
    asking_join(&asking);
    close(ends[PEER_SIDE]);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    asker_free(&asker);
    return turn;
}
