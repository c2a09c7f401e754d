/* A peer that closes after any byte of a session gets a documented status, and never a hang. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"

static bool play(peer_t *peer, bool exchange) {
    if (exchange && !peer_exchange_keys(peer, true))
        return false;
    char *response = peer_ask(peer, STAT);
    bool answered = response != NULL;
    free(response);
    return answered;
}

static void play_exchange_too(peer_t *peer) {
    bool *finished = peer->context;
    *finished = play(peer, true);
}

static void play_requests_alone(peer_t *peer) {
    bool *finished = peer->context;
    *finished = play(peer, false);
}

/* Once a message has begun, its end is the end of the session. Between two messages it is no
 * failure. */
static void check_failed(anwdl_client_t *client, anwdl_status_t status) {
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    CHECK_STATUS(status, ANWDL_RUNTIME_ERROR);
    CHECK(reason == ANWDL_REASON_PEER_CLOSED || reason == ANWDL_REASON_IO_FAILED);
    status = anwdl_client_recv_request(client, true, NULL);
    CHECK_STATUS(status, ANWDL_RUNTIME_ERROR);
    reason = anwdl_last_error_reason();
    CHECK(reason == ANWDL_REASON_SESSION_FAILED || reason == ANWDL_REASON_PEER_CLOSED ||
          reason == ANWDL_REASON_IO_FAILED || reason == ANWDL_REASON_KEYS_NOT_EXCHANGED);
}

/* Plays one session in which the peer sends no more than so many bytes; true when they were enough.
 */
static bool play_cut_session(const anwdl_client_options_t *options, anwdl_protocol_t framing,
                             bool exchange, size_t budget) {
    anwdl_status_t status = ANWDL_OK;
    peer_t peer;
    bool finished = false;
    int ends[2];
    make_unix_pair(ends);
    anwdl_client_t *client =
        peer_open_client(&peer, ends, options, framing, exchange ? "peer-1" : NULL);
    peer.budget = budget;
    peer.bytes_sent = 0;
    peer_start(&peer, exchange ? play_exchange_too : play_requests_alone, &finished);
    if (exchange)
        status = anwdl_client_exchange_keys(client, true);
    if (status == ANWDL_OK)
        status = anwdl_client_recv_request(client, true, NULL);
    if (status == ANWDL_OK)
        status = anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
    if (status != ANWDL_OK)
        check_failed(client, status);
    anwdl_client_free(client);
    peer_join(&peer);
    CHECK((status == ANWDL_OK) == finished);
    CHECK(finished || peer.bytes_sent == budget);
    peer_free(&peer);
    return finished;
}

static void cut_everywhere(anwdl_protocol_t framing, bool exchange) {
    bool gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_options_t *options =
        exchange || gcm ? make_server_options() : make_shared_key_options();
    size_t budget = 0;
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    while (!play_cut_session(options, framing, exchange, budget))
        budget++;
    CHECK(budget > strlen(STAT));
    anwdl_client_options_free(options);
}

int main(void) {
    size_t before = count_open_descriptors();
    for (int framing = ANWDL_PROTOCOL_V2; framing <= ANWDL_PROTOCOL_GCM; framing++)
        cut_everywhere((anwdl_protocol_t)framing, false);
    cut_everywhere(ANWDL_PROTOCOL_V4, true);
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
