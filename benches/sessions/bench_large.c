/* Large messages over TCP on the loopback: what the server's thread computes to receive one (and
   give it back), or to send one. The other direction of each turn carries a small message, which is
   not measured. --floor makes the same calls on the socket for the same bytes, and nothing else
   but, in gcm, the AES-GCM of OpenSSL.
   --memory counts, in place of time, how much the library holds at most from its heap. */
#include "bench.h"
#include "heap.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *protocol;
    const char *direction;
    const char *document;
    long count;
    bool is_floor;
    bool is_memory;
    bool is_request; /* the direction */
} settings_t;

/* What is said in every turn, as JSON. */
typedef struct {
    char *parameters;
    char *data;
    size_t message_size; /* of the large one of the two, as it is encrypted */
} texts_t;

typedef struct {
    int64_t server_cpu;
    int64_t wall;
    heap_count_t heap;
} cost_t;

static settings_t read_settings(int argc, char **argv) {
    settings_t settings = {.protocol = "v4", .direction = "request", .count = 20};
    const option_t options[] = {{"--protocol", &settings.protocol, NULL, NULL},
                                {"--direction", &settings.direction, NULL, NULL},
                                {"--document", &settings.document, NULL, NULL},
                                {"--count", NULL, &settings.count, NULL},
                                {"--floor", NULL, NULL, &settings.is_floor},
                                {"--memory", NULL, NULL, &settings.is_memory}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    settings.is_request = strcmp(settings.direction, "request") == 0;
    if (!settings.is_request && strcmp(settings.direction, "response") != 0)
        bench_fail(EXIT_FAILURE, "--direction takes request or response");
    if (settings.document == NULL)
        bench_fail(EXIT_FAILURE, "--document FILE is missing");
    if (settings.is_floor && settings.is_memory)
        bench_fail(EXIT_FAILURE, "the floor takes nothing from the heap");
    MUST(settings.count > 0);
    return settings;
}

/* -- what is said ------------------------------------------------------------------------------ */

static char *read_document(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        bench_fail(EXIT_FAILURE, "cannot read %s", path);
    MUST(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    MUST(size > 0);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    MUST(text != NULL);
    MUST(fread(text, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    return text;
}

static char *surround(const char *before, const char *text, const char *after) {
    size_t size = strlen(before) + strlen(text) + strlen(after) + 1;
    char *whole = malloc(size);
    MUST(whole != NULL);
    snprintf(whole, size, "%s%s%s", before, text, after);
    return whole;
}

static texts_t make_texts(const settings_t *settings) {
    texts_t texts = {0};
    char *document = read_document(settings->document);
    if (settings->is_request) {
        texts.parameters = surround("{\"document\": ", document, "}");
        texts.data = surround(STAT_DATA, "", "");
        texts.message_size =
            strlen("{\"verb\": \"STAT\", \"parameters\": }") + strlen(texts.parameters);
    } else {
        texts.parameters = surround(STAT_PARAMETERS, "", "");
        texts.data = surround("{\"document\": ", document, "}");
        texts.message_size =
            strlen("{\"success\": true, \"message\": \"OK\", \"data\": }") + strlen(texts.data);
    }
    free(document);
    return texts;
}

/* -- the server -------------------------------------------------------------------------------- */

/* The server's end: a client of the library, or the floor and a turn to repeat. */
typedef struct {
    anwdl_client_t *client;
    bare_server_t bare;
    turn_t turn;
    uint8_t *space;
    const char *data;
} server_t;

static void server_init(server_t *server, int fd, const settings_t *settings,
                        const texts_t *texts) {
    anwdl_protocol_t framing = wire_framing(settings->protocol);
    memset(server, 0, sizeof *server);
    server->data = texts->data;
    if (settings->is_floor) {
        server->turn = record_turn(framing, texts->parameters, texts->data);
        server->space = make_space(&server->turn);
        server->bare = bare_server_new(fd, &server->turn, server->space);
        return;
    }
    anwdl_client_options_t *options = serving_options(framing, 0);
    MUST_OK(anwdl_client_new(fd, options, &server->client));
    anwdl_client_options_free(options);
}

static void free_server(server_t *server) {
    if (server->client == NULL)
        bare_server_free(&server->bare);
    anwdl_client_free(server->client);
    turn_free(&server->turn);
    free(server->space);
}

static void receive(const server_t *server) {
    if (server->client != NULL)
        serve_request(server->client);
    else
        serve_bare_request(&server->bare);
}

static void respond(const server_t *server) {
    if (server->client != NULL)
        serve_response(server->client, server->data);
    else
        serve_bare_response(&server->bare);
}

/* -- what is measured -------------------------------------------------------------------------- */

static void measure(const server_t *server, void (*step)(const server_t *server), bool is_memory,
                    cost_t *cost) {
    if (is_memory) {
        heap_start(&cost->heap);
        step(server);
        heap_stop();
        return;
    }
    int64_t wall = wall_clock();
    int64_t cpu = cpu_clock();
    step(server);
    cost->server_cpu += cpu_clock() - cpu;
    cost->wall += wall_clock() - wall;
}

static void take_turn(const server_t *server, const settings_t *settings, cost_t *cost) {
    if (settings->is_request) {
        measure(server, receive, settings->is_memory, cost);
        respond(server);
    } else {
        receive(server);
        measure(server, respond, settings->is_memory, cost);
    }
}

static void print_result(const settings_t *settings, const texts_t *texts, const cost_t *cost) {
    printf("{\"protocol\": \"%s\", \"direction\": \"%s\", \"floor\": %s, \"count\": %ld, "
           "\"message_bytes\": %zu",
           settings->protocol, settings->direction, settings->is_floor ? "true" : "false",
           settings->count, texts->message_size);
    if (settings->is_memory)
        printf(", \"peak_heap_bytes\": %" PRId64 "}\n", cost->heap.peak);
    else
        printf(", \"server_cpu_ns\": %" PRId64 ", \"wall_ns\": %" PRId64 "}\n",
               cost->server_cpu / settings->count, cost->wall / settings->count);
}

int main(int argc, char **argv) {
    static const size_t order[] = {0};
    int ends[2];
    asker_t asker;
    cost_t warm_up = {0};
    cost_t cost = {0};
    settings_t settings = read_settings(argc, argv);
    /* Memory is counted from the first message on: what a session keeps of it counts as well. */
    size_t warm_up_turns = settings.is_memory ? 0 : 1;

    if (settings.is_memory)
        heap_fix_mapping_threshold();
    stay_on_processor(SESSION_PROCESSOR);
    texts_t texts = make_texts(&settings);
    make_tcp_pair(ends);
    anwdl_protocol_t framing = wire_framing(settings.protocol);
    asker_init(&asker, framing, texts.parameters, exchanges_keys(framing) && !settings.is_floor);
    asked_session_t session = asked_session_new(&asker, ends[PEER_SIDE]);
    asking_t asking = {&asker, &session, order, 1, warm_up_turns + (size_t)settings.count, 0};
    server_t server;
    asking_start(&asking);
    server_init(&server, ends[SERVER_SIDE], &settings, &texts);
    for (size_t at = 0; at < warm_up_turns; at++)
        take_turn(&server, &settings, &warm_up);
    for (long at = 0; at < settings.count; at++)
        take_turn(&server, &settings, &cost);
    asking_join(&asking);
    asked_session_free(&session);
    free_server(&server);
    close(ends[PEER_SIDE]);
    asker_free(&asker);
    print_result(&settings, &texts, &cost);
    free(texts.parameters);
    free(texts.data);
}
