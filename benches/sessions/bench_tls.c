/* What a server's thread computes for TLS 1.3, over TCP on the loopback and waiting in recv(), as
   bench_exchange and bench_requests measure the library: a handshake with an RSA-4096 certificate,
   from a connected socket to its end, or a turn of the same JSON. The client is OpenSSL's, on a
   thread of its own, and is not counted. */
#include "bench.h"
#include "support.h"
#include "tls.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WARM_UP_HANDSHAKES = 3, WARM_UP_TURNS = 200 };

/* The client of one connection. */
typedef struct {
    pthread_barrier_t start;
    SSL_CTX *context;
    int fd;
    long turns;
} client_t;

static void take_turn(SSL *session) {
    char response[TLS_LARGEST];
    MUST(SSL_write(session, TLS_REQUEST, (int)strlen(TLS_REQUEST)) == (int)strlen(TLS_REQUEST));
    MUST(SSL_read(session, response, sizeof response) == (int)strlen(TLS_RESPONSE));
}

static void *play_client(void *argument) {
    client_t *client = argument;
    stay_on_processor(SESSION_PROCESSOR);
    pthread_barrier_wait(&client->start);
    SSL *session = SSL_new(client->context);
    MUST(session != NULL && SSL_set_fd(session, client->fd) == 1);
    MUST(SSL_connect(session) == 1);
    for (long at = 0; at < client->turns; at++)
        take_turn(session);
    SSL_free(session);
    close(client->fd);
    return NULL;
}

static void serve_turn(const tls_library_t *library, void *session) {
    char request[TLS_LARGEST];
    MUST(library->receive(session, request, sizeof request) == strlen(TLS_REQUEST));
    library->send(session, TLS_RESPONSE, strlen(TLS_RESPONSE));
}

typedef struct {
    int64_t turns;
    int64_t whole; /* the session from its socket to its end */
} cost_t;

/* One connection. */
static cost_t serve(const tls_library_t *library, void *context, SSL_CTX *client_context,
                    long warm_up_turns, long turns) {
    int ends[2];
    pthread_t thread;
    make_tcp_pair(ends);
    set_no_delay(ends[PEER_SIDE]);
    client_t client = {
        .context = client_context, .fd = ends[PEER_SIDE], .turns = warm_up_turns + turns};
    MUST(pthread_barrier_init(&client.start, NULL, 2) == 0);
    MUST(pthread_create(&thread, NULL, play_client, &client) == 0);
    pthread_barrier_wait(&client.start);

    int64_t begun = cpu_clock();
    set_no_delay(ends[SERVER_SIDE]);
    void *session = library->session_new(context, ends[SERVER_SIDE]);
    library->handshake(session);
    for (long at = 0; at < warm_up_turns; at++)
        serve_turn(library, session);
    int64_t warm = cpu_clock();
    for (long at = 0; at < turns; at++)
        serve_turn(library, session);
    int64_t answered = cpu_clock();
    library->session_free(session);
    close(ends[SERVER_SIDE]);
    cost_t cost = {answered - warm, cpu_clock() - begun};

    MUST(pthread_join(thread, NULL) == 0);
    pthread_barrier_destroy(&client.start);
    return cost;
}

static int64_t measure_handshakes(const tls_library_t *library, void *context, SSL_CTX *client,
                                  long count) {
    int64_t total = 0;
    for (long at = 0; at < WARM_UP_HANDSHAKES; at++)
        serve(library, context, client, 0, 0);
    for (long at = 0; at < count; at++)
        total += serve(library, context, client, 0, 0).whole;
    return total / count;
}

int main(int argc, char **argv) {
    const char *library_name = "openssl";
    const char *what = "exchange";
    long count = 60;
    const option_t options[] = {{"--library", &library_name, NULL, NULL},
                                {"--what", &what, NULL, NULL},
                                {"--count", NULL, &count, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(count > 0);
    const tls_library_t *library =
        strcmp(library_name, TLS_BY_GNUTLS.name) == 0 ? &TLS_BY_GNUTLS : &TLS_BY_OPENSSL;
    if (strcmp(library_name, library->name) != 0)
        bench_fail(1, "--library takes openssl or gnutls");
    bool is_request = strcmp(what, "request") == 0;
    if (!is_request && strcmp(what, "exchange") != 0)
        bench_fail(1, "--what takes exchange or request");

    stay_on_processor(SESSION_PROCESSOR);
    void *context = library->context_new();
    SSL_CTX *client = tls_client_context();
    int64_t cpu = is_request ? serve(library, context, client, WARM_UP_TURNS, count).turns / count
                             : measure_handshakes(library, context, client, count);
    SSL_CTX_free(client);
    library->context_free(context);
    printf("{\"library\": \"%s\", \"what\": \"%s\", \"count\": %ld, \"server_cpu_ns\": %" PRId64
           "}\n",
           library->name, what, count, cpu);
}
