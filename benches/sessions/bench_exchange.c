/* One key exchange after another, each over a new TCP connection on the loopback: what one side's
   thread computes, and how long both sides take together. What the peer's thread computes is given
   too. The keys are the RSA-4096 keys of benches/keys or, with --bits, ones made for this.

   The side that is measured is the server, from anwdl_client_new() to anwdl_client_free(), or with
   --connecting the other one, from anwdl_client_interface_new() to its free(), which connects.
   --floor makes the same calls on the socket for as many bytes, and nothing else. */
#include "bench.h"
#include "library_peer.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM_UP = 3, EXPONENT = 65537, LONGEST_MESSAGE = 16384 };

typedef struct {
    const char *protocol;
    long count;
    long timeout;
    long bits;
    bool is_connecting;
    bool is_floor;
} settings_t;

typedef struct {
    int64_t cpu;
    int64_t peer_cpu;
    int64_t wall;
} cost_t;

/* -- the floor --------------------------------------------------------------------------------- */

enum {
    LENGTH_SIZE = 8,
    ML_KEM_KEY_SIZE = 1184,
    ML_KEM_CIPHERTEXT_SIZE = 1088,
    MOST_CALLS = 12,
};

/* What one side calls, in this order: so many bytes are sent or, below 0, received. 0 ends it. */
typedef struct {
    int calls[MOST_CALLS];
} script_t;

typedef struct {
    script_t server;
    script_t client; /* which speaks first */
} scripts_t;

static int public_key_size(const anwdl_rsa_wrapper_t *rsa) {
    char *pem = NULL;
    MUST_OK(anwdl_rsa_wrapper_get_public_key(rsa, &pem));
    int size = (int)strlen(pem);
    anwdl_string_free(pem);
    return size;
}

static scripts_t write_scripts(anwdl_protocol_t framing, const anwdl_rsa_wrapper_t *server,
                               const anwdl_rsa_wrapper_t *client) {
    bool is_gcm = framing == ANWDL_PROTOCOL_GCM;
    int server_pem = public_key_size(server);
    int client_pem = public_key_size(client);
    int clients_secret =
        (int)anwdl_rsa_wrapper_get_key_size(server) / 8 + (is_gcm ? ML_KEM_KEY_SIZE : 0);
    int servers_secret =
        (int)anwdl_rsa_wrapper_get_key_size(client) / 8 + (is_gcm ? ML_KEM_CIPHERTEXT_SIZE : 0);
    /* A flight of answer and message is one call for whoever sends it, and two for the other. */
    return (scripts_t){
        .server = {{-LENGTH_SIZE, 1, -client_pem, 1 + LENGTH_SIZE, -1, server_pem, -1,
                    -clients_secret, 1 + servers_secret, -1}},
        .client = {{LENGTH_SIZE, -1, client_pem, -1, -LENGTH_SIZE, 1, -server_pem,
                    1 + clients_secret, -1, -servers_secret, 1}},
    };
}

static void play(const script_t *script, int fd) {
    static _Thread_local char bytes[LONGEST_MESSAGE];
    for (const int *call = script->calls; *call != 0; call++)
        MUST(*call > 0 ? send_exactly(fd, bytes, (size_t)*call)
                       : receive_exactly(fd, bytes, (size_t) - *call));
}

/* -- both sides -------------------------------------------------------------------------------- */

typedef struct {
    settings_t settings;
    anwdl_protocol_t framing;
    anwdl_rsa_wrapper_t *server_rsa;
    anwdl_rsa_wrapper_t *client_rsa;
    anwdl_client_options_t *options; /* of the side that is measured */
    scripts_t scripts;
    int listener;
    uint16_t port;
} bench_t;

/* The peer of one exchange. */
typedef struct {
    const bench_t *bench;
    pthread_barrier_t start;
    anwdl_session_t *session;
    int fd;
    int64_t cpu;
} exchanger_t;

static void exchange_as_peer(const exchanger_t *peer, int fd) {
    const bench_t *bench = peer->bench;
    bool is_connecting = bench->settings.is_connecting;
    peer_operation_t exchanging = is_connecting ? exchanging_second() : exchanging_first();
    if (bench->settings.is_floor)
        play(is_connecting ? &bench->scripts.server : &bench->scripts.client, fd);
    else
        library_peer_run(peer->session, &exchanging, fd, NULL);
}

static int accept_client(int listener) {
    int fd = accept(listener, NULL, NULL);
    MUST(fd >= 0);
    set_no_delay(fd);
    return fd;
}

static void *exchange_and_hang_up(void *argument) {
    exchanger_t *peer = argument;
    stay_on_processor(SESSION_PROCESSOR);
    pthread_barrier_wait(&peer->start);
    int fd = peer->fd >= 0 ? peer->fd : accept_client(peer->bench->listener);
    int64_t cpu = cpu_clock();
    exchange_as_peer(peer, fd);
    peer->cpu = cpu_clock() - cpu;
    /* Whoever connects hangs up first, and the server's port is free at once. */
    if (peer->fd < 0) {
        char byte;
        MUST(recv(fd, &byte, 1, 0) <= 0);
    }
    close(fd);
    return NULL;
}

static void serve(const bench_t *bench, int fd) {
    anwdl_client_t *client = NULL;
    if (bench->settings.is_floor) {
        set_no_delay(fd);
        play(&bench->scripts.server, fd);
        close(fd);
        return;
    }
    MUST_OK(anwdl_client_new(fd, bench->options, &client));
    anwdl_client_free(client);
}

static void connect_and_exchange(const bench_t *bench) {
    anwdl_client_interface_t *connecting = NULL;
    if (bench->settings.is_floor) {
        int fd = connect_to(bench->port);
        play(&bench->scripts.client, fd);
        close(fd);
        return;
    }
    MUST_OK(anwdl_client_interface_new(bench->options, &connecting));
    MUST_OK(anwdl_client_interface_connect_server(connecting, "127.0.0.1", bench->port));
    anwdl_client_interface_free(connecting);
}

static anwdl_session_t *new_peer_session(const bench_t *bench) {
    if (bench->settings.is_floor)
        return NULL;
    return bench->settings.is_connecting ? library_peer_new_server(bench->server_rsa)
                                         : library_peer_new(bench->framing, bench->client_rsa);
}

static void exchange_once(const bench_t *bench, cost_t *total) {
    int ends[2] = {-1, -1};
    pthread_t thread;
    if (!bench->settings.is_connecting) {
        make_tcp_pair(ends);
        set_no_delay(ends[PEER_SIDE]);
    }
    exchanger_t peer = {.bench = bench, .session = new_peer_session(bench), .fd = ends[PEER_SIDE]};
    MUST(pthread_barrier_init(&peer.start, NULL, 2) == 0);
    MUST(pthread_create(&thread, NULL, exchange_and_hang_up, &peer) == 0);
    pthread_barrier_wait(&peer.start);

    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    if (bench->settings.is_connecting)
        connect_and_exchange(bench);
    else
        serve(bench, ends[SERVER_SIDE]);
    total->cpu += cpu_clock() - cpu;
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

static settings_t read_settings(int argc, char **argv) {
    settings_t settings = {.protocol = "v4", .count = 100};
    const option_t options[] = {{"--protocol", &settings.protocol, NULL, NULL},
                                {"--count", NULL, &settings.count, NULL},
                                {"--timeout", NULL, &settings.timeout, NULL},
                                {"--bits", NULL, &settings.bits, NULL},
                                {"--connecting", NULL, NULL, &settings.is_connecting},
                                {"--floor", NULL, NULL, &settings.is_floor}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(settings.count > 0);
    return settings;
}

static bench_t bench_new(const settings_t *settings) {
    bench_t bench = {.settings = *settings, .framing = wire_framing(settings->protocol)};
    bench.server_rsa = find_keys("server", settings->bits);
    bench.client_rsa = find_keys("client", settings->bits);
    bench.options = exchange_options(settings->is_connecting ? bench.client_rsa : bench.server_rsa,
                                     settings->timeout);
    if (settings->is_connecting)
        MUST_OK(anwdl_client_options_set_protocol(bench.options, bench.framing));
    bench.scripts = write_scripts(bench.framing, bench.server_rsa, bench.client_rsa);
    bench.listener = make_listener(&bench.port);
    return bench;
}

static void bench_free(bench_t *bench) {
    close(bench->listener);
    anwdl_client_options_free(bench->options);
    anwdl_rsa_wrapper_free(bench->client_rsa);
    anwdl_rsa_wrapper_free(bench->server_rsa);
}

int main(int argc, char **argv) {
    settings_t settings = read_settings(argc, argv);
    stay_on_processor(SESSION_PROCESSOR);
    bench_t bench = bench_new(&settings);
    cost_t warm_up = {0};
    cost_t total = {0};
    for (int at = 0; at < WARM_UP; at++)
        exchange_once(&bench, &warm_up);
    for (long at = 0; at < settings.count; at++)
        exchange_once(&bench, &total);
    bench_free(&bench);
    printf("{\"protocol\": \"%s\", \"count\": %ld, \"cpu_ns\": %" PRId64
           ", \"peer_cpu_ns\": %" PRId64 ", \"wall_ns\": %" PRId64 "}\n",
           settings.protocol, settings.count, total.cpu / settings.count,
           total.peer_cpu / settings.count, total.wall / settings.count);
}
