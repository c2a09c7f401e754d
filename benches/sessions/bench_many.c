/* Many open sessions in one process: what each holds from the heap while it is idle, after it has
   served a request, and what a request costs while so many are open. The requests go round all
   sessions in a shuffled order, so that each finds its session as cold as it would be.
   --floor opens as many bare connections and makes the same calls on them for the same bytes.
   --exchange has each session begin with a key exchange, as those of gcm do in any case.

   The peers are a process of their own, so that a limit on descriptors counts the server's only. */
#include "bench.h"
#include "heap.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OTHER_DESCRIPTORS = 64,
    SESSIONS_PER_LISTENER = 10000, /* the kernel has some 28,000 ports to connect to one from */
    MOST_LISTENERS = 32,
    PATIENCE = 60000, /* milliseconds */
};

typedef struct {
    const char *protocol;
    long sessions;
    long requests;
    bool is_floor;
    bool exchanges;
} settings_t;

/* What both processes know. */
typedef struct {
    const settings_t *settings;
    size_t count;
    size_t *order;
    int listeners[MOST_LISTENERS];
    uint16_t ports[MOST_LISTENERS];
} plan_t;

/* The server's end of a session: a client of the library, or the floor. */
typedef struct {
    anwdl_client_t *client;
    bare_server_t bare;
} served_t;

/* How the server opens and serves them. */
typedef struct {
    const plan_t *plan;
    const anwdl_client_options_t *options;
    turn_t turn;    /* of the floor */
    uint8_t *space; /* the same */
    heap_count_t heap;
} server_t;

static settings_t read_settings(int argc, char **argv) {
    settings_t settings = {.protocol = "v4", .sessions = 1000, .requests = 20000};
    const option_t options[] = {{"--protocol", &settings.protocol, NULL, NULL},
                                {"--sessions", NULL, &settings.sessions, NULL},
                                {"--requests", NULL, &settings.requests, NULL},
                                {"--floor", NULL, NULL, &settings.is_floor},
                                {"--exchange", NULL, NULL, &settings.exchanges}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(settings.sessions > 0 && settings.requests > 0);
    MUST(settings.sessions < (long)MOST_LISTENERS * SESSIONS_PER_LISTENER);
    if (settings.exchanges && settings.is_floor)
        bench_fail(EXIT_FAILURE, "the floor exchanges no keys");
    if (exchanges_keys(wire_framing(settings.protocol)) && !settings.is_floor)
        settings.exchanges = true;
    return settings;
}

static void allow_descriptors(long sessions) {
    struct rlimit limit;
    rlim_t needed = (rlim_t)(sessions + OTHER_DESCRIPTORS);
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed)
        limit.rlim_max = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail(EXIT_NOT_ALLOWED, "%ld sessions need %ju descriptors, which are not allowed",
                   sessions, (uintmax_t)needed);
}

static void *zeroed(size_t count, size_t size) {
    void *block = calloc(count, size);
    MUST(block != NULL);
    return block;
}

/* -- the plan ---------------------------------------------------------------------------------- */

/* A shuffle by Fisher and Yates that comes out the same each time. */
static void shuffle(size_t *order, size_t count) {
    uint64_t state = 88172645463325252;
    for (size_t at = 0; at < count; at++)
        order[at] = at;
    for (size_t at = count - 1; at > 0; at--) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size_t other = state % (at + 1);
        size_t moved = order[at];
        order[at] = order[other];
        order[other] = moved;
    }
}

static plan_t make_plan(const settings_t *settings) {
    plan_t plan = {.settings = settings, .count = (size_t)settings->sessions};
    plan.order = zeroed(plan.count, sizeof *plan.order);
    shuffle(plan.order, plan.count);
    for (size_t at = 0; at <= plan.count / SESSIONS_PER_LISTENER; at++)
        plan.listeners[at] = make_listener(&plan.ports[at]);
    return plan;
}

static void free_plan(plan_t *plan) {
    for (size_t at = 0; at <= plan->count / SESSIONS_PER_LISTENER; at++)
        close(plan->listeners[at]);
    free(plan->order);
}

/* One session is opened and closed before all others: what the first of a process sets up for all
   does not count. Then each takes one turn, then all in order, once to warm up as far as so many
   can be warm, and then to be measured. */
static size_t count_turns_in_order(const plan_t *plan) {
    return plan->count + (size_t)plan->settings->requests;
}

/* -- the peers --------------------------------------------------------------------------------- */

static asked_session_t ask_first(const plan_t *plan, size_t number, asker_t *asker) {
    int fd = connect_to(plan->ports[number / SESSIONS_PER_LISTENER]);
    asked_session_t asked = asked_session_new(asker, fd);
    ask(asker, &asked);
    return asked;
}

/* So that no port stays taken for a minute. */
static void close_at_once(asked_session_t *asked) {
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    MUST(setsockopt(asked->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    close(asked->fd);
    asked_session_free(asked);
}

static void play_peers(const plan_t *plan) {
    asker_t asker;
    asked_session_t *sessions = zeroed(plan->count, sizeof *sessions);
    asker_init(&asker, wire_framing(plan->settings->protocol), STAT_PARAMETERS,
               plan->settings->exchanges);
    asked_session_t first = ask_first(plan, 0, &asker);
    close_at_once(&first);
    for (size_t at = 0; at < plan->count; at++)
        sessions[at] = ask_first(plan, at, &asker);
    asking_t asking = {.asker = &asker,
                       .sessions = sessions,
                       .order = plan->order,
                       .session_count = plan->count,
                       .turn_count = count_turns_in_order(plan)};
    take_turns(&asking);
    for (size_t at = 0; at < plan->count; at++)
        close_at_once(&sessions[at]);
    asker_free(&asker);
    free(sessions);
}

static pid_t start_peers(const plan_t *plan) {
    pid_t process = fork();
    MUST(process >= 0);
    if (process == 0) {
        play_peers(plan);
        exit(EXIT_SUCCESS);
    }
    return process;
}

static void join_peers(pid_t process) {
    int status = 0;
    MUST(waitpid(process, &status, 0) == process);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* -- the server -------------------------------------------------------------------------------- */

static void serve(const served_t *served) {
    if (served->client != NULL)
        serve_turn(served->client, STAT_DATA);
    else
        serve_bare_turn(&served->bare);
}

static served_t open_session(server_t *server, size_t number) {
    int listener = server->plan->listeners[number / SESSIONS_PER_LISTENER];
    /* Peers that have failed never connect. */
    MUST(wait_for(listener, POLLIN, PATIENCE));
    served_t served = {.client = NULL};
    int fd = accept(listener, NULL, NULL);
    MUST(fd >= 0);
    if (server->plan->settings->is_floor) {
        served.bare = bare_server_new(fd, &server->turn, server->space);
        serve(&served);
        return served;
    }
    heap_start(&server->heap);
    MUST_OK(anwdl_client_new(fd, server->options, &served.client));
    serve(&served);
    heap_stop();
    return served;
}

static void close_session(served_t *served) {
    if (served->client != NULL)
        anwdl_client_free(served->client);
    else
        bare_server_free(&served->bare);
}

static int64_t measure_requests(const server_t *server, const served_t *sessions) {
    const plan_t *plan = server->plan;
    for (size_t k = 0; k < plan->count; k++)
        serve(&sessions[plan->order[k]]);
    int64_t cpu = cpu_clock();
    for (size_t k = plan->count; k < count_turns_in_order(plan); k++)
        serve(&sessions[plan->order[k % plan->count]]);
    return (cpu_clock() - cpu) / plan->settings->requests;
}

static void run_server(server_t *server) {
    const plan_t *plan = server->plan;
    const settings_t *settings = plan->settings;
    served_t *sessions = zeroed(plan->count, sizeof *sessions);
    served_t first = open_session(server, 0);
    close_session(&first);
    server->heap = (heap_count_t){0};
    for (size_t at = 0; at < plan->count; at++)
        sessions[at] = open_session(server, at);
    int64_t heap = server->heap.live / settings->sessions;
    int64_t cpu = measure_requests(server, sessions);
    for (size_t at = 0; at < plan->count; at++)
        close_session(&sessions[at]);
    free(sessions);
    printf("{\"sessions\": %ld, \"heap_bytes_per_session\": %" PRId64
           ", \"server_cpu_ns\": %" PRId64 ", \"floor\": %s}\n",
           settings->sessions, heap, cpu, settings->is_floor ? "true" : "false");
}

int main(int argc, char **argv) {
    settings_t settings = read_settings(argc, argv);
    anwdl_protocol_t framing = wire_framing(settings.protocol);
    allow_descriptors(settings.sessions);
    anwdl_rsa_wrapper_t *rsa = settings.exchanges ? make_rsa_wrapper("server") : NULL;
    plan_t plan = make_plan(&settings);
    anwdl_client_options_t *options =
        settings.exchanges ? exchange_options(rsa, 0) : serving_options(framing, 0);
    server_t server = {.plan = &plan, .options = options};
    if (settings.is_floor) {
        server.turn = record_turn(framing, STAT_PARAMETERS, STAT_DATA);
        server.space = make_space(&server.turn);
    }

    pid_t peers = start_peers(&plan);
    stay_on_processor(SESSION_PROCESSOR);
    run_server(&server);
    join_peers(peers);

    turn_free(&server.turn);
    free(server.space);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(rsa);
    free_plan(&plan);
}
