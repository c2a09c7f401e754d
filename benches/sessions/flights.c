#include "flights.h"

#include "bench.h"
#include "support.h"

bytes_t record_flights(anwdl_protocol_t framing, const anwdl_rsa_wrapper_t *server,
                       const char *peer_key, size_t *answer_len) {
    anwdl_rsa_wrapper_t *peer = make_rsa_wrapper(peer_key);
    anwdl_session_t *ends[2] = {library_peer_new(framing, peer), library_peer_new_server(server)};
    peer_operation_t operations[2] = {exchanging_first(), exchanging_second()};
    bytes_t to_client = {0};
    bytes_t to_server = {0};
    size_t answered = 0;
    bytes_t flights = {0};
    anwdl_status_t status;
    do {
        bytes_t said = {0};
        status = library_peer_go_on(ends[0], &operations[0], &to_client, &said);
        bytes_append(&flights, said.bytes, said.len);
        bytes_append(&to_server, said.bytes, said.len);
        bytes_free(&said);
        size_t heard = to_client.len;
        status += library_peer_go_on(ends[1], &operations[1], &to_server, &to_client);
        answered += to_client.len - heard;
    } while (status != ANWDL_OK);
    for (int at = 0; at < 2; at++)
        anwdl_session_free(ends[at]);
    bytes_free(&to_client);
    bytes_free(&to_server);
    anwdl_rsa_wrapper_free(peer);
    if (answer_len != NULL)
        *answer_len = answered;
    return flights;
}
