#include "library_peer.h"

#include "bench.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The most that the library lets through. */
enum { LARGEST_MESSAGE = 99999999, PIECE = 1 << 16 };

void bytes_append(bytes_t *to, const void *bytes, size_t len) {
    if (to->len + len > to->capacity) {
        to->capacity = 2 * to->len + len;
        to->bytes = realloc(to->bytes, to->capacity);
        MUST(to->bytes != NULL);
    }
    if (len > 0)
        memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
}

void bytes_free(bytes_t *bytes) {
    free(bytes->bytes);
    *bytes = (bytes_t){0};
}

static void remove_front(bytes_t *from, size_t len) {
    from->len -= len;
    if (from->len > 0)
        memmove(from->bytes, from->bytes + len, from->len);
}

/* -- operations -------------------------------------------------------------------------------- */

static anwdl_status_t exchange_first(anwdl_session_t *session, peer_operation_t *operation) {
    (void)operation;
    return anwdl_session_exchange_keys(session, false);
}

static anwdl_status_t exchange_second(anwdl_session_t *session, peer_operation_t *operation) {
    (void)operation;
    return anwdl_session_exchange_keys(session, true);
}

static anwdl_status_t ask_for_stat(anwdl_session_t *session, peer_operation_t *operation) {
    return anwdl_session_send_request(session, "STAT", operation->parameters);
}

static anwdl_status_t hear(anwdl_session_t *session, peer_operation_t *operation) {
    return anwdl_session_recv_response(session, &operation->response);
}

peer_operation_t exchanging_first(void) {
    return (peer_operation_t){.call = exchange_first};
}

peer_operation_t exchanging_second(void) {
    return (peer_operation_t){.call = exchange_second};
}

peer_operation_t asking_for_stat(const char *parameters) {
    return (peer_operation_t){.call = ask_for_stat, .parameters = parameters};
}

peer_operation_t hearing(void) {
    return (peer_operation_t){.call = hear};
}

/* -- sessions ---------------------------------------------------------------------------------- */

anwdl_client_options_t *library_peer_options(anwdl_protocol_t framing,
                                             const anwdl_rsa_wrapper_t *rsa) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    MUST(options != NULL);
    MUST(anwdl_client_options_set_protocol(options, framing) == ANWDL_OK);
    MUST(anwdl_client_options_set_max_message_size(options, LARGEST_MESSAGE) == ANWDL_OK);
    if (rsa != NULL) {
        MUST(anwdl_client_options_set_rsa_wrapper(options, rsa) == ANWDL_OK);
    } else {
        anwdl_aes_wrapper_t *aes = make_aes_wrapper(ANWDL_AES_CBC);
        MUST(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
        MUST(anwdl_client_options_set_aes_wrapper(options, aes) == ANWDL_OK);
        anwdl_aes_wrapper_free(aes);
    }
    return options;
}

static anwdl_session_t *new_session(anwdl_role_t role, anwdl_protocol_t framing,
                                    const anwdl_rsa_wrapper_t *rsa) {
    anwdl_session_t *session = NULL;
    anwdl_client_options_t *options = library_peer_options(framing, rsa);
    MUST(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

anwdl_session_t *library_peer_new(anwdl_protocol_t framing, const anwdl_rsa_wrapper_t *rsa) {
    return new_session(ANWDL_ROLE_CLIENT, framing, rsa);
}

anwdl_session_t *library_peer_new_server(const anwdl_rsa_wrapper_t *rsa) {
    return new_session(ANWDL_ROLE_SERVER, ANWDL_PROTOCOL_AUTO, rsa);
}

anwdl_status_t library_peer_go_on(anwdl_session_t *session, peer_operation_t *operation,
                                  bytes_t *heard, bytes_t *said) {
    for (;;) {
        const uint8_t *pending = NULL;
        size_t count = 0;
        anwdl_status_t status = operation->call(session, operation);
        if (status == ANWDL_WANT_WRITE) {
            MUST(anwdl_session_get_pending(session, &pending, &count) == ANWDL_OK);
            bytes_append(said, pending, count);
            MUST(anwdl_session_sent(session, count) == ANWDL_OK);
            continue;
        }
        MUST(status == ANWDL_OK || status == ANWDL_WANT_READ);
        if (status == ANWDL_OK || heard->len == 0)
            return status;
        MUST(anwdl_session_feed(session, heard->bytes, heard->len, &count) == ANWDL_OK);
        remove_front(heard, count);
    }
}

void library_peer_run(anwdl_session_t *session, peer_operation_t *operation, int fd,
                      traffic_t *traffic) {
    bytes_t heard = {0};
    bytes_t said = {0};
    traffic_t passed = {0, 0};
    for (;;) {
        static _Thread_local uint8_t piece[PIECE];
        anwdl_status_t status = library_peer_go_on(session, operation, &heard, &said);
        MUST(send_exactly(fd, said.bytes, said.len));
        passed.sent += said.len;
        said.len = 0;
        if (status == ANWDL_OK)
            break;
        ssize_t count = recv(fd, piece, sizeof piece, 0);
        MUST(count > 0);
        bytes_append(&heard, piece, (size_t)count);
        passed.received += (size_t)count;
    }
    MUST(heard.len == 0);
    bytes_free(&heard);
    bytes_free(&said);
    if (traffic != NULL)
        *traffic = passed;
}
