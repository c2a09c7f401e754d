/* A server of TLS 1.3 by OpenSSL, written as examples-c/epoll_server.c is: one epoll loop, and
   workers for the private key operations, so that no client waits for the handshake of another one.
   A request is answered without being looked at, and a line is printed for each. */
#include "bench.h"
#include "event_loop.h"
#include "tls.h"

#include "queue.h"
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    ARRIVING,  /* what the client says first is to come */
    COMPUTING, /* the workers' */
    FINISHING, /* what the client says last is to come */
    SERVING,
} phase_t;

typedef struct {
    connection_t connection;
    phase_t phase;
    unsigned long number;
    SSL *tls;
    bool is_broken;
    queue_entry_t entry;
} session_t;

static SSL_CTX *context;
static queue_t to_compute = QUEUE_INITIALIZER;
static queue_t computed = QUEUE_INITIALIZER;
static workers_t workers = WORKERS_INITIALIZER;

/* -- the workers ------------------------------------------------------------------------------- */

/* Takes the handshake as far as it goes; false when it has failed. */
static bool shake_hands(session_t *session) {
    int result = SSL_accept(session->tls);
    if (result == 1)
        session->phase = SERVING;
    return result == 1 || SSL_get_error(session->tls, result) == SSL_ERROR_WANT_READ;
}

static bool compute_next(void *unused) {
    (void)unused;
    session_t *session = queue_pop(&to_compute);
    if (session == NULL)
        return false;
    session->phase = FINISHING;
    session->is_broken = !shake_hands(session);
    queue_push(&computed, &session->entry);
    loop_wake();
    return true;
}

static void compute(session_t *session) {
    loop_forget(&session->connection);
    session->phase = COMPUTING;
    queue_push(&to_compute, &session->entry);
    workers_wake(&workers);
}

/* -- on the thread of the loop ----------------------------------------------------------------- */

static connection_t *open_session(int fd) {
    static unsigned long count;
    session_t *session = calloc(1, sizeof *session);
    MUST(session != NULL);
    session->connection.fd = fd;
    session->entry.owner = session;
    session->number = ++count;
    session->tls = SSL_new(context);
    MUST(session->tls != NULL && SSL_set_fd(session->tls, fd) == 1);
    return &session->connection;
}

static void free_session(connection_t *connection) {
    session_t *session = (session_t *)connection;
    SSL_free(session->tls);
    free(session);
}

/* All requests that are there. */
static bool serve(session_t *session) {
    do {
        char request[TLS_LARGEST];
        int count = SSL_read(session->tls, request, sizeof request);
        if (count <= 0)
            return SSL_get_error(session->tls, count) == SSL_ERROR_WANT_READ;
        if (SSL_write(session->tls, TLS_RESPONSE, (int)strlen(TLS_RESPONSE)) <= 0)
            return false;
        printf("client %lu: tls: STAT\n", session->number);
        fflush(stdout);
    } while (SSL_has_pending(session->tls));
    return true;
}

static bool go_on(connection_t *connection) {
    session_t *session = (session_t *)connection;
    switch (session->phase) {
    case ARRIVING:
        compute(session);
        return true;
    case FINISHING:
        if (!shake_hands(session))
            return false;
        /* What was read ahead, epoll does not tell of. */
        return !SSL_has_pending(session->tls) || serve(session);
    default:
        return serve(session);
    }
}

static void take_computed(void) {
    session_t *session;
    while ((session = queue_pop(&computed)) != NULL) {
        if (session->is_broken)
            loop_close(&session->connection);
        else
            loop_remember(&session->connection);
    }
}

int main(int argc, char **argv) {
    static const server_calls_t calls = {open_session, go_on, free_session, take_computed};
    long port = 0;
    long count = 1;
    const option_t options[] = {{"--port", NULL, &port, NULL}, {"--workers", NULL, &count, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(0 < count && count <= MOST_WORKERS);
    context = tls_server_context();
    MUST(workers_start(&workers, (size_t)count, compute_next, NULL));
    loop_run((uint16_t)port, &calls);
}
