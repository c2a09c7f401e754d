/* The connections on which bench_load asks a server, without ever waiting: by the library, by TLS,
   or with as many bytes of nothing for the server that answers so. */
#ifndef LINKS_H
#define LINKS_H

#include "library_peer.h"
#include "server.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct manner manner_t;

/* What all links of a run share. */
typedef struct {
    const manner_t *manner;
    anwdl_protocol_t framing;
    anwdl_rsa_wrapper_t *rsa; /* of the library's clients */
    SSL_CTX *tls;
    turn_t turn; /* of the bare ones */
} linking_t;

typedef struct {
    const linking_t *linking;
    int fd;
    bool is_busy;
    int64_t asked_at;
    anwdl_session_t *session; /* by the library */
    peer_operation_t operation;
    bytes_t heard;
    bytes_t said;
    SSL *tls;    /* by TLS */
    size_t step; /* bare */
    size_t left;
} link_t;

/* library, tls or bare. */
linking_t linking_new(const char *kind, anwdl_protocol_t framing);
void linking_free(linking_t *linking);

/* Connects and exchanges keys, which waits. */
void link_open(link_t *link, const linking_t *linking, uint16_t port);
void link_close(link_t *link);

/* Begins a turn. */
void link_ask(link_t *link);

/* There is something to read: true when it was the end of the turn. */
bool link_hear(link_t *link);

#endif
