#include "server.h"

#include "bench.h"
#include "support.h"

#include <stdlib.h>
#include <unistd.h>

_Noreturn void fail_with_library_error(anwdl_status_t status, const char *call) {
    bench_fail(EXIT_FAILURE, "%s returned %d: %s: %s", call, (int)status,
               anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
}

bool exchanges_keys(anwdl_protocol_t framing) {
    return framing == ANWDL_PROTOCOL_GCM;
}

anwdl_client_options_t *serving_options(anwdl_protocol_t framing, long timeout) {
    anwdl_rsa_wrapper_t *rsa = exchanges_keys(framing) ? make_rsa_wrapper("server") : NULL;
    anwdl_client_options_t *options = library_peer_options(ANWDL_PROTOCOL_AUTO, rsa);
    MUST_OK(anwdl_client_options_set_timeout(options, (uint32_t)timeout));
    anwdl_rsa_wrapper_free(rsa);
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
    anwdl_status_t status;
    do /* a client that does not block is told to wait after some requests in a row */
        status = anwdl_client_recv_request(client, false, &request);
    while (status == ANWDL_WANT_READ);
    MUST_OK(status);
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
    size_t request_size = turn->request_header_size + turn->request_packet_size;
    size_t response_size = turn->response_header_size + turn->response_packet_size;
    uint8_t *space = calloc(1, request_size > response_size ? request_size : response_size);
    MUST(space != NULL);
    return space;
}

bare_server_t bare_server_new(int fd, const turn_t *turn, uint8_t *space) {
    gcm_records_t *records = turn->is_answered ? NULL : gcm_records_new(false);
    set_no_delay(fd);
    return (bare_server_t){fd, turn, space, records};
}

void bare_server_free(bare_server_t *server) {
    gcm_records_free(server->records);
    close(server->fd);
}

void serve_bare_request(const bare_server_t *server) {
    const turn_t *turn = server->turn;
    MUST(receive_exactly(server->fd, server->space, turn->request_header_size));
    if (turn->is_answered)
        MUST(send_exactly(server->fd, "1", 1));
    MUST(receive_exactly(server->fd, server->space, turn->request_packet_size));
    if (!turn->is_answered)
        MUST(gcm_records_open(server->records, server->space, turn->request_packet_size));
}

void serve_bare_response(const bare_server_t *server) {
    const turn_t *turn = server->turn;
    size_t header_size = turn->response_header_size;
    if (!turn->is_answered) {
        gcm_records_seal(server->records, turn->response, turn->response_packet_size - GCM_TAG_SIZE,
                         server->space);
        MUST(send_exactly(server->fd, server->space, header_size + turn->response_packet_size));
        return;
    }
    char answer;
    MUST(send_exactly(server->fd, turn->response, header_size));
    MUST(receive_exactly(server->fd, &answer, 1));
    MUST(send_exactly(server->fd, turn->response + header_size, turn->response_packet_size));
}

void serve_bare_turn(const bare_server_t *server) {
    serve_bare_request(server);
    serve_bare_response(server);
}

/* -- a turn to go by --------------------------------------------------------------------------- */

turn_t record_turn(anwdl_protocol_t framing, const char *parameters, const char *data) {
    int ends[2];
    turn_t turn = {0};
    asker_t asker;
    static const size_t order[] = {0};
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = serving_options(framing, 0);
    make_tcp_pair(ends);
    asker_init(&asker, framing, parameters, exchanges_keys(framing));
    asker.record = &turn;
    asked_session_t session = asked_session_new(&asker, ends[PEER_SIDE]);
    asking_t asking = {&asker, &session, order, 1, 1, 0};
    asking_start(&asking);
    MUST_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    serve_turn(client, data);
    asking_join(&asking);
    asked_session_free(&session);
    close(ends[PEER_SIDE]);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    asker_free(&asker);
    return turn;
}
