/* The connecting side of a session by the library itself, in its other role: where keys are
   exchanged for gcm, which nothing else in C here can do as fast. It takes no part in what is
   measured, but shares the machine with it. */
#ifndef LIBRARY_PEER_H
#define LIBRARY_PEER_H

#include <anwdl.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on their way; zeroed, it is empty. */
typedef struct {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
} bytes_t;

void bytes_append(bytes_t *to, const void *bytes, size_t len);
void bytes_free(bytes_t *bytes);

/* An operation of a session, and what it is called with. */
typedef struct peer_operation {
    anwdl_status_t (*call)(anwdl_session_t *session, struct peer_operation *operation);
    const char *parameters;     /* of a request */
    anwdl_response_t *response; /* that was received; the caller frees it */
} peer_operation_t;

peer_operation_t exchanging_first(void);
peer_operation_t exchanging_second(void);
peer_operation_t asking_for_stat(const char *parameters);
peer_operation_t hearing(void);

/* Options for a session that speaks this framing, with these RSA keys or, if there are none, with
   the key that make_aes_wrapper() of the tests gives. The caller frees them. */
anwdl_client_options_t *library_peer_options(anwdl_protocol_t framing,
                                             const anwdl_rsa_wrapper_t *rsa);

/* A new client, and a new server that speaks what the client does. */
anwdl_session_t *library_peer_new(anwdl_protocol_t framing, const anwdl_rsa_wrapper_t *rsa);
anwdl_session_t *library_peer_new_server(const anwdl_rsa_wrapper_t *rsa);

/* Takes an operation as far as the bytes that were heard go, and takes those that it needs away
   from them; adds what it says. ANWDL_OK or ANWDL_WANT_READ. */
anwdl_status_t library_peer_go_on(anwdl_session_t *session, peer_operation_t *operation,
                                  bytes_t *heard, bytes_t *said);

/* Does all of an operation over a socket, on which the other side says nothing beyond it. Tells how
   many bytes went each way, unless NULL. */
typedef struct {
    size_t sent;
    size_t received;
} traffic_t;

void library_peer_run(anwdl_session_t *session, peer_operation_t *operation, int fd,
                      traffic_t *traffic);

#endif
