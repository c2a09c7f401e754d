/* One key exchange after another, each over a new TCP connection on the loopback: what the server's
   thread computes from anwdl_client_new() to anwdl_client_free(), and how long both sides take
   together. What the peer's thread computes is given too. Connecting, and reading the peer's own
   key, are not measured. The keys are the RSA-4096 keys of benches/keys or, with --bits, ones made
   for this. */
#include "bench.h"
#include "library_peer.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WARM_UP = 3, EXPONENT = 65537 };

typedef struct {
    int64_t server_cpu;
    int64_t peer_cpu;
    int64_t wall;
} cost_t;

/* The peer of one exchange. */
typedef struct {
    pthread_barrier_t start;
    anwdl_session_t *session;
    int fd;
    int64_t cpu;
} exchanger_t;

static void *exchange_and_hang_up(void *argument) {
    exchanger_t *peer = argument;
    peer_operation_t exchanging = exchanging_first();
    stay_on_processor(SESSION_PROCESSOR);
    pthread_barrier_wait(&peer->start);
    int64_t cpu = cpu_clock();
    library_peer_run(peer->session, &exchanging, peer->fd, NULL);
    close(peer->fd);
    peer->cpu = cpu_clock() - cpu;
    return NULL;
}

static void exchange_once(const anwdl_client_options_t *options, anwdl_protocol_t framing,
                          const anwdl_rsa_wrapper_t *peer_rsa, cost_t *total) {
    int ends[2];
    pthread_t thread;
    anwdl_client_t *client = NULL;
    make_tcp_pair(ends);
    set_no_delay(ends[PEER_SIDE]);
    exchanger_t peer = {.session = library_peer_new(framing, peer_rsa), .fd = ends[PEER_SIDE]};
    MUST(pthread_barrier_init(&peer.start, NULL, 2) == 0);
    MUST(pthread_create(&thread, NULL, exchange_and_hang_up, &peer) == 0);
    pthread_barrier_wait(&peer.start);

    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    MUST_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    anwdl_client_free(client);
    total->server_cpu += cpu_clock() - cpu;
    total->wall += wall_clock() - wall;

    MUST(pthread_join(thread, NULL) == 0);
    total->peer_cpu += peer.cpu;
    anwdl_session_free(peer.session);
    pthread_barrier_destroy(&peer.start);
}

static anwdl_rsa_wrapper_t *find_keys(const char *name, long bits) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    if (bits == 0)
        return make_rsa_wrapper(name);
    MUST_OK(anwdl_rsa_wrapper_new(false, &wrapper));
    MUST_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, EXPONENT, (uint32_t)bits));
    return wrapper;
}

int main(int argc, char **argv) {
    const char *protocol = "v4";
    long count = 100;
    long timeout = 0;
    long bits = 0;
    const option_t options[] = {{"--protocol", &protocol, NULL, NULL},
                                {"--count", NULL, &count, NULL},
                                {"--timeout", NULL, &timeout, NULL},
                                {"--bits", NULL, &bits, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(count > 0);
    anwdl_protocol_t framing = wire_framing(protocol);

    stay_on_processor(SESSION_PROCESSOR);
    anwdl_rsa_wrapper_t *rsa = find_keys("server", bits);
    anwdl_rsa_wrapper_t *peer_rsa = find_keys("client", bits);
    anwdl_client_options_t *client_options = exchange_options(rsa, timeout);
    cost_t warm_up = {0};
    cost_t total = {0};
    for (int at = 0; at < WARM_UP; at++)
        exchange_once(client_options, framing, peer_rsa, &warm_up);
    for (long at = 0; at < count; at++)
        exchange_once(client_options, framing, peer_rsa, &total);
    anwdl_client_options_free(client_options);
    anwdl_rsa_wrapper_free(peer_rsa);
    anwdl_rsa_wrapper_free(rsa);
    printf("{\"protocol\": \"%s\", \"count\": %ld, \"server_cpu_ns\": %" PRId64
           ", \"peer_cpu_ns\": %" PRId64 ", \"wall_ns\": %" PRId64 "}\n",
           protocol, count, total.server_cpu / count, total.peer_cpu / count, total.wall / count);
}
