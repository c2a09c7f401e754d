/* Every reason that a C program can be given, reached through the C API. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"

/* -- a system generator that fails when told --------------------------------------------------- */

static atomic_bool random_fails;

/* Takes the place of the C library's: the program exports its symbols, and the library looks them
 * up. */
ssize_t getrandom(void *buffer, size_t len, unsigned flags) {
    if (atomic_load(&random_fails)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_getrandom, buffer, len, flags);
}

/* -- an allocator that fails once -------------------------------------------------------------- */

static atomic_bool next_allocation_fails;

void *__libc_malloc(size_t size);

void *malloc(size_t size) {
    if (atomic_exchange(&next_allocation_fails, false)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

/* -- clients and what their peers send --------------------------------------------------------- */

typedef struct {
    anwdl_client_t *client;
    peer_t peer;
} session_t;

static session_t open_session(anwdl_client_options_t *options, anwdl_protocol_t framing,
                              const char *peer_key) {
    session_t session;
    int ends[2];
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    make_tcp_pair(ends);
    session.client = peer_open_client(&session.peer, ends, options, framing, peer_key);
    anwdl_client_options_free(options);
    return session;
}

static session_t open_gcm_session(void) {
    return open_session(make_server_options(), ANWDL_PROTOCOL_GCM, NULL);
}

static session_t open_cbc_session(anwdl_protocol_t framing) {
    return open_session(make_shared_key_options(), framing, NULL);
}

static session_t open_fresh_session(void) {
    return open_session(make_server_options(), ANWDL_PROTOCOL_V4, "peer-1");
}

static anwdl_status_t close_session(session_t *session, anwdl_status_t status) {
    anwdl_client_free(session->client);
    peer_free(&session->peer);
    return status;
}

static anwdl_status_t receive(session_t *session) {
    return anwdl_client_recv_request(session->client, true, NULL);
}

static anwdl_status_t respond(session_t *session, const char *data) {
    return anwdl_client_send_response(session->client, true, ANWDL_RESPONSE_MSG_OK, data, NULL);
}

/* -- bad arguments and bad content ------------------------------------------------------------- */

static anwdl_status_t reach_invalid_argument(void) {
    return anwdl_client_options_set_timeout(NULL, 1);
}

static anwdl_status_t reach_invalid_descriptor(void) {
    anwdl_client_t *client = NULL;
    return anwdl_client_new(-1, NULL, &client);
}

static anwdl_status_t reach_invalid_key(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    anwdl_status_t status = anwdl_rsa_wrapper_set_public_key(wrapper, "no key");
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

static anwdl_status_t reach_invalid_key_of_the_peer(void) {
    session_t session = open_fresh_session();
    peer_send_length(&session.peer, 20);
    peer_send_bytes(&session.peer, "this is no key at al", 20);
    return close_session(&session, anwdl_client_recv_public_rsa_key(session.client));
}

static anwdl_status_t reach_malformed_request(void) {
    session_t session = open_gcm_session();
    peer_send_request(&session.peer, "{\"verb\": \"STAT\"}");
    return close_session(&session, receive(&session));
}

static anwdl_status_t reach_malformed_response(void) {
    session_t session = open_gcm_session();
    return close_session(&session, respond(&session, "{\"uptime\": -1, \"version\": \"\"}"));
}

static anwdl_status_t reach_message_too_large(void) {
    session_t session = open_gcm_session();
    peer_send_bytes(&session.peer, "\xff\xff\xff\xff", 4);
    return close_session(&session, receive(&session));
}

static anwdl_status_t reach_message_too_large_in_v2(void) {
    session_t session = open_cbc_session(ANWDL_PROTOCOL_V2);
    peer_send_length(&session.peer, 99999999);
    anwdl_status_t status = receive(&session);
    CHECK(!peer_receive_answer(&session.peer));
    CHECK(session.peer.refused);
    return close_session(&session, status);
}

static anwdl_status_t reach_message_too_large_of_its_own(void) {
    enum { LARGE = 100000000 };
    anwdl_client_options_t *options = make_shared_key_options();
    CHECK_OK(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_V2));
    session_t session = open_session(options, ANWDL_PROTOCOL_V2, NULL);
    char *data = malloc(LARGE + 1);
    REQUIRE(data != NULL);
    memset(data, 'x', LARGE);
    memcpy(data, "{\"text\": \"", 10);
    memcpy(data + LARGE - 2, "\"}", 3);
    anwdl_status_t status = respond(&session, data);
    free(data);
    return close_session(&session, status);
}

static anwdl_status_t reach_protocol_violation(void) {
    session_t session = open_fresh_session();
    peer_send_bytes(&session.peer, "+12=====", 8);
    return close_session(&session, anwdl_client_recv_public_rsa_key(session.client));
}

static anwdl_status_t reach_decryption_failed(void) {
    session_t session = open_gcm_session();
    session.peer.gcm_sent.key[0] ^= 1;
    peer_send_request(&session.peer, STAT);
    return close_session(&session, receive(&session));
}

static void send_secret_of_wrong_length(peer_t *peer) {
    CHECK(peer_send_public_key(peer) && peer_receive_public_key(peer));
    CHECK(peer_send_wrapped(peer, "twenty bytes, no less", 20));
    CHECK(!peer_receive_answer(peer));
    CHECK(peer->refused);
}

static anwdl_status_t reach_decryption_failed_in_the_exchange(void) {
    session_t session = open_fresh_session();
    peer_start(&session.peer, send_secret_of_wrong_length, NULL);
    anwdl_status_t status = anwdl_client_exchange_keys(session.client, true);
    peer_join(&session.peer);
    return close_session(&session, status);
}

static anwdl_status_t reach_protocol_mismatch(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    CHECK_OK(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_V4));
    CHECK_OK(anwdl_client_options_set_timeout(options, ANWDL_PATIENCE * 60000));
    session_t session = open_session(options, ANWDL_PROTOCOL_V2, NULL);
    peer_send_length(&session.peer, 48);
    return close_session(&session, receive(&session));
}

/* -- values ------------------------------------------------------------------------------------ */

static anwdl_status_t read_integer(const char *json) {
    anwdl_data_t *data = NULL;
    int64_t integer;
    CHECK_OK(anwdl_data_from_json(json, &data));
    anwdl_status_t status = anwdl_value_get_integer(anwdl_data_get_value(data), "/size", &integer);
    anwdl_data_free(data);
    return status;
}

static anwdl_status_t reach_not_found(void) {
    return read_integer("{\"name\": \"sda\"}");
}

static anwdl_status_t reach_wrong_type(void) {
    return read_integer("{\"size\": \"large\"}");
}

static anwdl_status_t reach_out_of_range(void) {
    return read_integer("{\"size\": 9223372036854775808}");
}

/* -- states, the peer and the system ----------------------------------------------------------- */

static anwdl_status_t reach_closed(void) {
    session_t session = open_gcm_session();
    CHECK_OK(anwdl_client_close_connection(session.client));
    return close_session(&session, anwdl_client_close_connection(session.client));
}

static anwdl_status_t reach_peer_closed(void) {
    session_t session = open_gcm_session();
    peer_hang_up(&session.peer);
    return close_session(&session, receive(&session));
}

static anwdl_status_t reach_peer_refused(void) {
    session_t session = open_fresh_session();
    peer_send_bytes(&session.peer, "0", 1);
    return close_session(&session, anwdl_client_send_public_rsa_key(session.client));
}

static anwdl_status_t reach_timeout(void) {
    session_t session = open_gcm_session();
    CHECK_OK(anwdl_client_set_timeout(session.client, 1));
    return close_session(&session, receive(&session));
}

/* A peer that closes with lingering switched off resets the connection. */
static anwdl_status_t reach_io_failed(void) {
    session_t session = open_gcm_session();
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    REQUIRE(setsockopt(session.peer.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    peer_hang_up(&session.peer);
    anwdl_status_t status = receive(&session);
    CHECK_INTEGER(anwdl_last_error_errno(), ECONNRESET);
    return close_session(&session, status);
}

static anwdl_status_t reach_session_failed(void) {
    session_t session = open_gcm_session();
    peer_send_bytes(&session.peer, "\xff\xff\xff\xff", 4);
    CHECK_STATUS(receive(&session), ANWDL_VALUE_ERROR);
    return close_session(&session, receive(&session));
}

static anwdl_status_t reach_key_missing(void) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    uint8_t *out = NULL;
    size_t len = 0;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    anwdl_status_t status =
        anwdl_rsa_wrapper_sign_data(wrapper, (const uint8_t *)"text", 4, &out, &len);
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

static anwdl_status_t reach_keys_not_exchanged(void) {
    session_t session = open_fresh_session();
    return close_session(&session, receive(&session));
}

static void exchange_as_first(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
}

static anwdl_status_t reach_keys_already_exchanged(void) {
    session_t session = open_fresh_session();
    peer_start(&session.peer, exchange_as_first, NULL);
    CHECK_OK(anwdl_client_exchange_keys(session.client, true));
    peer_join(&session.peer);
    return close_session(&session, anwdl_client_exchange_keys(session.client, true));
}

static anwdl_status_t reach_operation_pending(void) {
    anwdl_client_options_t *options = make_server_options();
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    session_t session = open_session(options, ANWDL_PROTOCOL_GCM, NULL);
    peer_send_bytes(&session.peer, "\0", 1);
    REQUIRE(wait_for(anwdl_client_get_socket_descriptor(session.client), POLLIN,
                     ANWDL_PATIENCE * 60000));
    CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
    return close_session(&session, respond(&session, NULL));
}

static anwdl_status_t reach_random_failed(void) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    atomic_store(&random_fails, true);
    anwdl_status_t status = anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrapper);
    atomic_store(&random_fails, false);
    CHECK(wrapper == NULL);
    return status;
}

static anwdl_status_t reach_random_failed_in_a_response(void) {
    session_t session = open_cbc_session(ANWDL_PROTOCOL_V4);
    atomic_store(&random_fails, true);
    anwdl_status_t status = respond(&session, NULL);
    atomic_store(&random_fails, false);
    return close_session(&session, status);
}

/* -- the connecting side, sessions without a descriptor, turns -----------------------------------
 */

static anwdl_status_t reach_out_of_turn(void) {
    session_t session = open_gcm_session();
    CHECK_OK(respond(&session, NULL));
    return close_session(&session, respond(&session, NULL));
}

static anwdl_status_t reach_wrong_role(void) {
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, NULL, &session) == ANWDL_OK);
    anwdl_status_t status =
        anwdl_session_send_response(session, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
    anwdl_session_free(session);
    return status;
}

static anwdl_status_t reach_fingerprint_mismatch(void) {
    static const char OTHER[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    anwdl_client_options_t *options = make_server_options();
    CHECK_OK(anwdl_client_options_set_expected_fingerprint(options, OTHER));
    session_t session = open_session(options, ANWDL_PROTOCOL_V4, "peer-1");
    peer_send_length(&session.peer, strlen(session.peer.own_pem));
    peer_send_bytes(&session.peer, session.peer.own_pem, strlen(session.peer.own_pem));
    return close_session(&session, anwdl_client_recv_public_rsa_key(session.client));
}

static anwdl_client_interface_t *make_interface(void) {
    anwdl_client_interface_t *interface = NULL;
    anwdl_client_options_t *options = make_server_options();
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    anwdl_client_options_free(options);
    return interface;
}

static anwdl_status_t reach_already_connected(void) {
    anwdl_client_interface_t *interface = make_interface();
    uint16_t port = 0;
    int listener = make_listener(&port);
    CHECK_OK(anwdl_client_interface_connect_server(interface, "127.0.0.1", port));
    anwdl_status_t status = anwdl_client_interface_connect_server(interface, "127.0.0.1", port);
    anwdl_client_interface_free(interface);
    close(listener);
    return status;
}

static anwdl_status_t reach_connect_failed(void) {
    anwdl_client_interface_t *interface = make_interface();
    uint16_t port = 0;
    close(make_listener(&port));
    anwdl_status_t status = anwdl_client_interface_connect_server(interface, "127.0.0.1", port);
    CHECK_INTEGER(anwdl_last_error_errno(), ECONNREFUSED);
    anwdl_client_interface_free(interface);
    return status;
}

/* The result is the first thing that the call allocates. */
static anwdl_status_t reach_internal(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    char *pem = NULL;
    atomic_store(&next_allocation_fails, true);
    anwdl_status_t status = anwdl_rsa_wrapper_get_public_key(wrapper, &pem);
    CHECK(pem == NULL && !atomic_load(&next_allocation_fails));
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

/* -- proxies and key files --------------------------------------------------------------------- */

static anwdl_status_t reach_bad_proxy_header(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    session_t session = open_session(options, ANWDL_PROTOCOL_V4, NULL);
    peer_send_bytes(&session.peer, "800=====", 8);
    return close_session(&session, receive(&session));
}

static bool fail(const uint8_t *input, uint8_t *output, size_t size, void *user_data) {
    (void)input;
    (void)output;
    (void)size;
    (void)user_data;
    return false;
}

static anwdl_status_t reach_private_operation_failed(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    anwdl_status_t status = anwdl_rsa_wrapper_set_private_operation(wrapper, fail, NULL, NULL);
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

/* Only a warning: the key is loaded. */
static anwdl_status_t reach_key_file_exposed(void) {
    char path[] = "/tmp/anwdl-test-reasons-XXXXXX";
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && close(fd) == 0);
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, path));
    REQUIRE(chmod(path, 0644) == 0);
    anwdl_status_t status = anwdl_rsa_wrapper_load(wrapper, path);
    REQUIRE(unlink(path) == 0);
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

/* -- the table --------------------------------------------------------------------------------- */

typedef struct {
    anwdl_error_reason_t reason;
    anwdl_status_t status;
    anwdl_status_t (*reach)(void);
} row_t;

#define VALUE_ROW(reason, reach)                                                                   \
    { ANWDL_REASON_##reason, ANWDL_VALUE_ERROR, reach }
#define RUNTIME_ROW(reason, reach)                                                                 \
    { ANWDL_REASON_##reason, ANWDL_RUNTIME_ERROR, reach }

static const row_t ROWS[] = {
    VALUE_ROW(INVALID_ARGUMENT, reach_invalid_argument),
    VALUE_ROW(INVALID_DESCRIPTOR, reach_invalid_descriptor),
    VALUE_ROW(INVALID_KEY, reach_invalid_key),
    VALUE_ROW(INVALID_KEY, reach_invalid_key_of_the_peer),
    VALUE_ROW(MALFORMED_REQUEST, reach_malformed_request),
    VALUE_ROW(MALFORMED_RESPONSE, reach_malformed_response),
    VALUE_ROW(MESSAGE_TOO_LARGE, reach_message_too_large),
    VALUE_ROW(MESSAGE_TOO_LARGE, reach_message_too_large_in_v2),
    VALUE_ROW(MESSAGE_TOO_LARGE, reach_message_too_large_of_its_own),
    VALUE_ROW(PROTOCOL_VIOLATION, reach_protocol_violation),
    VALUE_ROW(DECRYPTION_FAILED, reach_decryption_failed),
    VALUE_ROW(DECRYPTION_FAILED, reach_decryption_failed_in_the_exchange),
    VALUE_ROW(PROTOCOL_MISMATCH, reach_protocol_mismatch),
    VALUE_ROW(WRONG_ROLE, reach_wrong_role),
    VALUE_ROW(OUT_OF_TURN, reach_out_of_turn),
    VALUE_ROW(ALREADY_CONNECTED, reach_already_connected),
    VALUE_ROW(BAD_PROXY_HEADER, reach_bad_proxy_header),
    VALUE_ROW(NOT_FOUND, reach_not_found),
    VALUE_ROW(WRONG_TYPE, reach_wrong_type),
    VALUE_ROW(OUT_OF_RANGE, reach_out_of_range),
    VALUE_ROW(KEY_MISSING, reach_key_missing),
    RUNTIME_ROW(CLOSED, reach_closed),
    RUNTIME_ROW(PEER_CLOSED, reach_peer_closed),
    RUNTIME_ROW(PEER_REFUSED, reach_peer_refused),
    RUNTIME_ROW(TIMEOUT, reach_timeout),
    RUNTIME_ROW(IO_FAILED, reach_io_failed),
    RUNTIME_ROW(SESSION_FAILED, reach_session_failed),
    RUNTIME_ROW(KEYS_NOT_EXCHANGED, reach_keys_not_exchanged),
    RUNTIME_ROW(KEYS_ALREADY_EXCHANGED, reach_keys_already_exchanged),
    RUNTIME_ROW(OPERATION_PENDING, reach_operation_pending),
    RUNTIME_ROW(RANDOM_FAILED, reach_random_failed),
    RUNTIME_ROW(RANDOM_FAILED, reach_random_failed_in_a_response),
    RUNTIME_ROW(INTERNAL, reach_internal),
    RUNTIME_ROW(FINGERPRINT_MISMATCH, reach_fingerprint_mismatch),
    RUNTIME_ROW(CONNECT_FAILED, reach_connect_failed),
    RUNTIME_ROW(PRIVATE_OPERATION_FAILED, reach_private_operation_failed),
    {ANWDL_REASON_KEY_FILE_EXPOSED, ANWDL_OK, reach_key_file_exposed},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0], REASON_COUNT = 101 };

int main(void) {
    size_t before = count_open_descriptors();
    bool reached[REASON_COUNT] = {true}; /* NONE: what a thread without errors reads */
    size_t count = 0;
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    CHECK_STRING(anwdl_error_reason_name(ANWDL_REASON_NONE), "NONE");
    for (size_t at = 0; at < ROW_COUNT; at++) {
        const row_t *row = &ROWS[at];
        if (!CHECK_FAILURE(row->reach(), row->status, row->reason))
            fprintf(stderr, "  in row %zu, %s\n", at, anwdl_error_reason_name(row->reason));
        if (row->reason != ANWDL_REASON_IO_FAILED && row->reason != ANWDL_REASON_RANDOM_FAILED &&
            row->reason != ANWDL_REASON_INVALID_DESCRIPTOR &&
            row->reason != ANWDL_REASON_CONNECT_FAILED)
            CHECK_INTEGER(anwdl_last_error_errno(), 0);
        count += !reached[row->reason];
        reached[row->reason] = true;
    }
    reached[ANWDL_REASON_SESSION_SPENT] = true; /* kept for programs that name it */

    /* Whatever number has a name of its own is in the table. */
    const char *unknown = anwdl_error_reason_name((anwdl_error_reason_t)1000);
    REQUIRE(unknown != NULL);
    for (int reason = 0; reason < 256; reason++) {
        bool known = strcmp(anwdl_error_reason_name((anwdl_error_reason_t)reason), unknown) != 0;
        bool listed = reason < REASON_COUNT && reached[reason];
        if (!CHECK(known == listed))
            fprintf(stderr, "  reason %d: %s\n", reason,
                    anwdl_error_reason_name((anwdl_error_reason_t)reason));
    }
    printf("cases: %zu reasons reached from C\n", count);
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
