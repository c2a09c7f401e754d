/* Closing, giving the descriptor back, and freeing. */
#include "check.h"
#include "support.h"

#include <poll.h>
#include <unistd.h>

typedef struct {
    anwdl_client_t *client;
    int fd;
    int peer;
} connection_t;

static connection_t connect_client(void) {
    connection_t connection = {NULL, -1, -1};
    anwdl_client_options_t *options = make_shared_key_options();
    int ends[2];
    make_tcp_pair(ends);
    connection.fd = ends[SERVER_SIDE];
    connection.peer = ends[PEER_SIDE];
    REQUIRE(anwdl_client_new(connection.fd, options, &connection.client) == ANWDL_OK);
    anwdl_client_options_free(options);
    return connection;
}

static bool is_at_end(int fd) {
    char byte;
    return wait_for(fd, POLLIN, ANWDL_PATIENCE * 60000) && read(fd, &byte, 1) == 0;
}

static void check_closed(anwdl_client_t *client) {
    CHECK(anwdl_client_is_closed(client));
    CHECK_INTEGER(anwdl_client_get_socket_descriptor(client), -1);
    CHECK_INTEGER(anwdl_client_detach(client), -1);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_close_connection(client), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL),
                  ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_exchange_keys(client, true), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_send_public_rsa_key(client), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_recv_public_rsa_key(client), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_send_aes_key(client), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED);
    CHECK_FAILURE(anwdl_client_recv_aes_key(client), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED);
    anwdl_aes_wrapper_t *aes = make_aes_wrapper(ANWDL_AES_CBC);
    CHECK_FAILURE(anwdl_client_set_aes_wrapper(client, aes), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_CLOSED);
    anwdl_aes_wrapper_free(aes);

    /* What does not need the connection stays readable. */
    CHECK_STRING(anwdl_client_get_ip(client), "127.0.0.1");
    CHECK_STRING(anwdl_client_get_id(client), "12ca17b");
    CHECK(anwdl_client_get_creation_timestamp(client) > 0);
}

static void test_close(void) {
    connection_t connection = connect_client();
    CHECK(!anwdl_client_is_closed(connection.client));
    CHECK_OK(anwdl_client_close_connection(connection.client));
    CHECK(!is_open(connection.fd));
    CHECK(is_at_end(connection.peer));
    check_closed(connection.client);

    /* Freeing a closed client closes nothing again: the number may be somebody else's by now. */
    int reused = dup2(connection.peer, connection.fd);
    REQUIRE(reused == connection.fd);
    anwdl_client_free(connection.client);
    CHECK(is_open(reused));
    close(reused);
    close(connection.peer);
}

static void test_free_closes(void) {
    connection_t connection = connect_client();
    anwdl_client_free(connection.client);
    CHECK(!is_open(connection.fd));
    CHECK(is_at_end(connection.peer));
    close(connection.peer);
}

static void test_detach(void) {
    connection_t connection = connect_client();
    char byte = 0;
    CHECK_INTEGER(anwdl_client_detach(connection.client), connection.fd);
    check_closed(connection.client);
    anwdl_client_free(connection.client);
    CHECK(is_open(connection.fd));
    CHECK_INTEGER(write(connection.fd, "x", 1), 1);
    CHECK(wait_for(connection.peer, POLLIN, ANWDL_PATIENCE * 60000));
    CHECK_INTEGER(read(connection.peer, &byte, 1), 1);
    CHECK_INTEGER(byte, 'x');
    close(connection.fd);
    close(connection.peer);
}

static void test_nothing_to_free(void) {
    anwdl_client_free(NULL);
    anwdl_client_options_free(NULL);
    anwdl_request_free(NULL);
    anwdl_rsa_wrapper_free(NULL);
    anwdl_aes_wrapper_free(NULL);
    anwdl_string_free(NULL);
    anwdl_bytes_free(NULL, 0);
    CHECK_FAILURE(anwdl_client_close_connection(NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_INTEGER(anwdl_client_detach(NULL), -1);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_INVALID_ARGUMENT);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_close();
    test_free_closes();
    test_detach();
    test_nothing_to_free();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
