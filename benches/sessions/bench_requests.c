/* STAT requests and their responses, one after another in one session over TCP on the loopback:
   what the server's thread computes per turn, waiting in recv() as a server with a thread per
   client does. --floor makes the same calls on the socket for the same bytes, and nothing else but,
   in gcm, the AES-GCM of OpenSSL.
   --allocations also counts those of the library, for which its times are worth nothing. */
#include "bench.h"
#include "heap.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WARM_UP = 200 };

typedef struct {
    const char *protocol;
    long count;
    long timeout;
    bool is_floor;
    bool counts_allocations;
} settings_t;

typedef struct {
    int64_t server_cpu;
    int64_t wall;
    heap_count_t heap;
} cost_t;

static settings_t read_settings(int argc, char **argv) {
    settings_t settings = {.protocol = "v4", .count = 20000};
    const option_t options[] = {{"--protocol", &settings.protocol, NULL, NULL},
                                {"--count", NULL, &settings.count, NULL},
                                {"--timeout", NULL, &settings.timeout, NULL},
                                {"--floor", NULL, NULL, &settings.is_floor},
                                {"--allocations", NULL, NULL, &settings.counts_allocations}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(settings.count > 0);
    return settings;
}

static void serve_all(anwdl_client_t *client, const settings_t *settings, cost_t *cost) {
    for (long at = 0; at < WARM_UP; at++)
        serve_turn(client, STAT_DATA);
    if (settings->counts_allocations)
        heap_start(&cost->heap);
    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    for (long at = 0; at < settings->count; at++)
        serve_turn(client, STAT_DATA);
    cost->server_cpu = cpu_clock() - cpu;
    cost->wall = wall_clock() - wall;
    heap_stop();
}

static void serve_all_bare(const bare_server_t *server, const settings_t *settings, cost_t *cost) {
    for (long at = 0; at < WARM_UP; at++)
        serve_bare_turn(server);
    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    for (long at = 0; at < settings->count; at++)
        serve_bare_turn(server);
    cost->server_cpu = cpu_clock() - cpu;
    cost->wall = wall_clock() - wall;
}

static cost_t measure_library(int fd, anwdl_protocol_t framing, const settings_t *settings) {
    cost_t cost = {0};
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = serving_options(framing, settings->timeout);
    MUST_OK(anwdl_client_new(fd, options, &client));
    serve_all(client, settings, &cost);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    return cost;
}

static cost_t measure_floor(int fd, anwdl_protocol_t framing, const settings_t *settings) {
    cost_t cost = {0};
    turn_t turn = record_turn(framing, STAT_PARAMETERS, STAT_DATA);
    uint8_t *space = make_space(&turn);
    bare_server_t server = bare_server_new(fd, &turn, space);
    serve_all_bare(&server, settings, &cost);
    bare_server_free(&server);
    free(space);
    turn_free(&turn);
    return cost;
}

static void print_result(const settings_t *settings, const cost_t *cost) {
    printf("{\"protocol\": \"%s\", \"floor\": %s, \"count\": %ld, \"server_cpu_ns\": %" PRId64
           ", \"wall_ns\": %" PRId64,
           settings->protocol, settings->is_floor ? "true" : "false", settings->count,
           cost->server_cpu / settings->count, cost->wall / settings->count);
    if (settings->counts_allocations)
        printf(", \"allocations\": %.3f", (double)cost->heap.allocations / (double)settings->count);
    printf("}\n");
}

int main(int argc, char **argv) {
    static const size_t order[] = {0};
    int ends[2];
    asker_t asker;
    settings_t settings = read_settings(argc, argv);
    anwdl_protocol_t framing = wire_framing(settings.protocol);

    stay_on_processor(SESSION_PROCESSOR);
    make_tcp_pair(ends);
    asker_init(&asker, framing, STAT_PARAMETERS, exchanges_keys(framing) && !settings.is_floor);
    asked_session_t session = asked_session_new(&asker, ends[PEER_SIDE]);
    asking_t asking = {&asker, &session, order, 1, WARM_UP + (size_t)settings.count, 0};
    asking_start(&asking);
    cost_t cost = settings.is_floor ? measure_floor(ends[SERVER_SIDE], framing, &settings)
                                    : measure_library(ends[SERVER_SIDE], framing, &settings);
    asking_join(&asking);
    asked_session_free(&session);
    close(ends[PEER_SIDE]);
    asker_free(&asker);
    print_result(&settings, &cost);
}
