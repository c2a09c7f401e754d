/* A server of TLS 1.3 by OpenSSL, written as examples-c/epoll_server.c is: one epoll loop, and a
   pool of workers for the private key operations, so that no client waits for the handshake of
   another one. A request is answered without being looked at, and a line is printed for each. */
#include "bench.h"
#include "event_loop.h"
#include "tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 16 };

typedef enum {
    ARRIVING,  /* what the client says first is to come */
    COMPUTING, /* the pool's */
    FINISHING, /* what the client says last is to come */
    SERVING,
} phase_t;

typedef struct session {
    connection_t connection;
    phase_t phase;
    unsigned long number;
    SSL *tls;
    bool is_broken;
    struct session *next; /* in a queue */
} session_t;

/* First in, first out. */
typedef struct {
    session_t *first;
    session_t *last;
} queue_t;

static SSL_CTX *context;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for both queues */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static queue_t to_compute;
static queue_t computed;

static void push(queue_t *queue, session_t *session) {
    session->next = NULL;
    if (queue->last != NULL)
        queue->last->next = session;
    else
        queue->first = session;
    queue->last = session;
}

static session_t *pop(queue_t *queue) {
    session_t *session = queue->first;
    if (session != NULL) {
        queue->first = session->next;
        if (queue->first == NULL)
            queue->last = NULL;
    }
    return session;
}

/* -- the pool ---------------------------------------------------------------------------------- */

static session_t *wait_for_work(void) {
    session_t *session;
    pthread_mutex_lock(&mutex);
    while ((session = pop(&to_compute)) == NULL)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return session;
}

/* Takes the handshake as far as it goes; false when it has failed. */
static bool shake_hands(session_t *session) {
    int result = SSL_accept(session->tls);
    if (result == 1)
        session->phase = SERVING;
    return result == 1 || SSL_get_error(session->tls, result) == SSL_ERROR_WANT_READ;
}

static void *run_worker(void *unused) {
    (void)unused;
    for (;;) {
        session_t *session = wait_for_work();
        session->phase = FINISHING;
        session->is_broken = !shake_hands(session);
        pthread_mutex_lock(&mutex);
        push(&computed, session);
        pthread_mutex_unlock(&mutex);
        loop_wake();
    }
    return NULL;
}

static void compute(session_t *session) {
    loop_forget(&session->connection);
    session->phase = COMPUTING;
    pthread_mutex_lock(&mutex);
    push(&to_compute, session);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

/* -- on the thread of the loop ----------------------------------------------------------------- */

static connection_t *open_session(int fd) {
    static unsigned long count;
    session_t *session = calloc(1, sizeof *session);
    MUST(session != NULL);
    session->connection.fd = fd;
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
    pthread_mutex_lock(&mutex);
    session_t *session = computed.first;
    computed = (queue_t){0};
    pthread_mutex_unlock(&mutex);
    while (session != NULL) {
        session_t *next = session->next;
        if (session->is_broken)
            loop_close(&session->connection);
        else
            loop_remember(&session->connection);
        session = next;
    }
}

int main(int argc, char **argv) {
    static const server_calls_t calls = {open_session, go_on, free_session, take_computed};
    long port = 0;
    long workers = 1;
    const option_t options[] = {{"--port", NULL, &port, NULL}, {"--workers", NULL, &workers, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(0 < workers && workers <= MOST_WORKERS);
    context = tls_server_context();
    for (long at = 0; at < workers; at++) {
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, run_worker, NULL) == 0);
    }
    loop_run((uint16_t)port, &calls);
}
