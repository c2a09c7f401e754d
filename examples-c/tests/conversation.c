#include "conversation.h"

#include "check.h"

/* Moves what one side has to say to the other. */
static void carry(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes;
    size_t len, taken;
    REQUIRE(anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK);
    while (len > 0) {
        REQUIRE(anwdl_session_feed(to, bytes, len, &taken) == ANWDL_OK);
        REQUIRE(anwdl_session_sent(from, taken) == ANWDL_OK);
        if (taken == 0)
            return;
        REQUIRE(anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK);
    }
}

void hold_conversation(const anwdl_client_options_t *options) {
    anwdl_session_t *server = NULL, *client = NULL;
    anwdl_status_t server_status = 1, client_status = 1;
    anwdl_request_t *request = NULL;
    anwdl_response_t *response = NULL;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server) == ANWDL_OK);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client) == ANWDL_OK);
    while (server_status > 0 || client_status > 0) {
        if (client_status > 0)
            client_status = anwdl_session_exchange_keys(client, false);
        carry(client, server);
        if (server_status > 0)
            server_status = anwdl_session_exchange_keys(server, true);
        carry(server, client);
    }
    CHECK_OK(server_status);
    CHECK_OK(client_status);
    client_status = server_status = 1;
    while (server_status > 0 || client_status > 0) {
        if (client_status > 0)
            client_status = anwdl_session_send_request(client, "STAT", NULL);
        carry(client, server);
        if (server_status > 0)
            server_status = anwdl_session_recv_request(server, false, &request);
        carry(server, client);
    }
    CHECK_OK(server_status);
    CHECK_STRING(anwdl_request_get_verb(request), "STAT");
    client_status = server_status = 1;
    while (server_status > 0 || client_status > 0) {
        if (server_status > 0)
            server_status =
                anwdl_session_send_response(server, true, ANWDL_RESPONSE_MSG_OK, "{}", NULL);
        carry(server, client);
        if (client_status > 0)
            client_status = anwdl_session_recv_response(client, &response);
        carry(client, server);
    }
    CHECK_OK(client_status);
    CHECK(anwdl_response_get_success(response));
    anwdl_request_free(request);
    anwdl_response_free(response);
    anwdl_session_free(server);
    anwdl_session_free(client);
}
