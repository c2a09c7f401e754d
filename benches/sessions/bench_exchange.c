/* One RSA-4096 key exchange after another, each over a new TCP connection on the loopback: what the
   server's thread computes from anwdl_client_new() to anwdl_client_free(), and how long both sides
   take together. What the peer's thread computes is given too, since the wall time is to be
   compared with the sum. Connecting, and reading the peer's own key, are not measured. */
#include "bench.h"
#include "peer.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    int64_t server_cpu;
    int64_t peer_cpu;
    int64_t wall;
} cost_t;

/* What server and peer of one exchange share. */
typedef struct {
    pthread_barrier_t start;
    int64_t peer_cpu;
} meeting_t;

static void exchange_and_hang_up(peer_t *peer) {
    meeting_t *meeting = peer->context;
    stay_on_processor(SESSION_PROCESSOR);
    pthread_barrier_wait(&meeting->start);
    int64_t cpu = cpu_clock();
    MUST(peer_exchange_keys(peer, true));
    peer_hang_up(peer);
    meeting->peer_cpu = cpu_clock() - cpu;
}

static void exchange_once(const anwdl_client_options_t *options, cost_t *total) {
    int ends[2];
    peer_t peer;
    meeting_t meeting = {.peer_cpu = 0};
    anwdl_client_t *client = NULL;
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "client");
    MUST(pthread_barrier_init(&meeting.start, NULL, 2) == 0);
    peer_start(&peer, exchange_and_hang_up, &meeting);
    pthread_barrier_wait(&meeting.start);

    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    MUST_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    anwdl_client_free(client);
    total->server_cpu += cpu_clock() - cpu;
    total->wall += wall_clock() - wall;

    peer_join(&peer);
    total->peer_cpu += meeting.peer_cpu;
    peer_free(&peer);
    pthread_barrier_destroy(&meeting.start);
}

int main(int argc, char **argv) {
    long count = 100;
    long timeout = 0;
    const option_t options[] = {{"--count", NULL, &count, NULL},
                                {"--timeout", NULL, &timeout, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(count > 0);

    stay_on_processor(SESSION_PROCESSOR);
    anwdl_rsa_wrapper_t *rsa = make_rsa_wrapper("server");
    anwdl_client_options_t *client_options = exchange_options(rsa, timeout);
    cost_t warm_up = {0};
    cost_t total = {0};
    for (int at = 0; at < 3; at++)
        exchange_once(client_options, &warm_up);
    for (long at = 0; at < count; at++)
        exchange_once(client_options, &total);
    anwdl_client_options_free(client_options);
    anwdl_rsa_wrapper_free(rsa);
    printf("{\"count\": %ld, \"server_cpu_ns\": %" PRId64 ", \"peer_cpu_ns\": %" PRId64
           ", \"wall_ns\": %" PRId64 "}\n",
           count, total.server_cpu / count, total.peer_cpu / count, total.wall / count);
}
