#include "conversation.h"

#include <anwdl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One operation of one side, called again until it is done. */
typedef anwdl_status_t (*operation_t)(anwdl_session_t *session, void *result);

static anwdl_status_t exchange_as_client(anwdl_session_t *session, void *result) {
    (void)result;
    return anwdl_session_exchange_keys(session, false);
}

static anwdl_status_t exchange_as_server(anwdl_session_t *session, void *result) {
    (void)result;
    return anwdl_session_exchange_keys(session, true);
}

static anwdl_status_t send_request(anwdl_session_t *session, void *result) {
    (void)result;
    return anwdl_session_send_request(session, "STAT", NULL);
}

static anwdl_status_t receive_request(anwdl_session_t *session, void *result) {
    return anwdl_session_recv_request(session, false, (anwdl_request_t **)result);
}

static anwdl_status_t send_response(anwdl_session_t *session, void *result) {
    (void)result;
    return anwdl_session_send_response(session, true, ANWDL_RESPONSE_MSG_OK,
                                       "{\"uptime\": 60, \"version\": \"1.0.0\"}", NULL);
}

static anwdl_status_t receive_response(anwdl_session_t *session, void *result) {
    return anwdl_session_recv_response(session, (anwdl_response_t **)result);
}

static void require(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s: %s\n", what, anwdl_error_reason_name(anwdl_last_error_reason()),
                anwdl_last_error_message());
        exit(EXIT_FAILURE);
    }
}

/* Carries what one side has to send to the other one. */
static size_t carry(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes = NULL;
    size_t len = 0;
    size_t taken = 0;
    require(anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK, "get_pending");
    require(anwdl_session_feed(to, bytes, len, &taken) == ANWDL_OK, "feed");
    require(anwdl_session_sent(from, taken) == ANWDL_OK, "sent");
    return taken;
}

/* Both sides take turns until both are done. */
static void run(anwdl_session_t *client, operation_t as_client, void *client_result,
                anwdl_session_t *server, operation_t as_server, void *server_result) {
    anwdl_status_t client_status = ANWDL_WANT_WRITE;
    anwdl_status_t server_status = ANWDL_WANT_WRITE;
    while (client_status != ANWDL_OK || server_status != ANWDL_OK) {
        anwdl_status_t client_before = client_status;
        anwdl_status_t server_before = server_status;
        size_t carried = 0;
        if (client_status != ANWDL_OK)
            client_status = as_client(client, client_result);
        require(client_status >= 0, "client");
        carried += carry(client, server);
        if (server_status != ANWDL_OK)
            server_status = as_server(server, server_result);
        require(server_status >= 0, "server");
        carried += carry(server, client);
        require(carried > 0 || client_status != client_before || server_status != server_before,
                "both sides wait for each other");
    }
}

int converse(void) {
    anwdl_rsa_wrapper_t *keys = NULL;
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_session_t *client = NULL;
    anwdl_session_t *server = NULL;
    anwdl_request_t *request = NULL;
    anwdl_response_t *response = NULL;

    require(strcmp(anwdl_version(), ANWDL_VERSION) == 0, "another version than the header's");
    require(anwdl_rsa_wrapper_new(false, &keys) == ANWDL_OK, "wrapper");
    require(anwdl_rsa_wrapper_generate_key_pair(keys, 65537, 2048) == ANWDL_OK, "key pair");
    require(anwdl_client_options_set_rsa_wrapper(options, keys) == ANWDL_OK, "options");
    require(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client) == ANWDL_OK, "client");
    require(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server) == ANWDL_OK, "server");

    run(client, exchange_as_client, NULL, server, exchange_as_server, NULL);
    run(client, send_request, NULL, server, receive_request, &request);
    require(strcmp(anwdl_request_get_verb(request), "STAT") == 0, "not the verb that was sent");
    run(client, receive_response, &response, server, send_response, NULL);
    require(anwdl_response_get_success(response), "no success");
    printf("libanwdl %s: %s %s\n", anwdl_version(), anwdl_response_get_message(response),
           anwdl_response_get_data_json(response));

    anwdl_response_free(response);
    anwdl_request_free(request);
    anwdl_session_free(server);
    anwdl_session_free(client);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(keys);
    return EXIT_SUCCESS;
}
