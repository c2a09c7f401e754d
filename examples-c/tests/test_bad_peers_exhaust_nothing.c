/* test_bad_peers_exhaust_nothing SERVER: 2,000 peers that only hold up a server, all at once: they
   connect and do nothing, drip, announce more than they are allowed to or than they send. Meanwhile
   it serves others, its memory grows with what came and not with what was announced, and each bad
   peer is gone 50 milliseconds after its deadline at the latest.

   Lateness is what lies between the deadline and the end of the connection, as the peer sees both.
   What the system let the server or this program wait for a processor is taken off. */
#include "check.h"
#include "peer.h"
#include "process.h"
#include "scheduling.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PEER_COUNT = 2000,
    TIMEOUT = ANWDL_PATIENCE * 5000, /* milliseconds, of an operation and between two of them */
    MOST_LATE = 50,
    LOST = 2000, /* so late is a peer whom the server forgot */
    TICK = 100,  /* between two bytes of a peer that drips */
    LIES_AT_ONCE = 10,
    LIE_INTERVAL = 4, /* milliseconds */
    CONNECTED_AT_ONCE = 50,
    HONEST_COUNT = 4, /* threads, of which each has a framing */
    HONEST_REQUESTS = 3,
    OTHER_DESCRIPTORS = 128,
    EVENTS_AT_ONCE = 256,
    SKIPPED = 77 /* exit status */
};

/* Bytes. A session has a fixed part, and what has come of a message: 16 KiB at first, and twice as
   much as is there later. */
enum {
    LARGEST_KEY = 16384,
    LARGEST_CLAIM = 99999999,
    LARGE_MESSAGE = 1000000, /* below the server's limit */
    PART_OF_MESSAGE = 65536,
    FIRST_BUFFER = 16384,
    FIXED_PART = 4096,
    CONSTANT = 8 * 1024 * 1024
};

/* -- bad peers --------------------------------------------------------------------------------- */

typedef enum {
    /* Before the keys are exchanged: */
    SILENT,
    DRIPPING,
    PART_OF_KEY, /* all but the last byte of the longest one */
    LIE_ABOUT_KEY,
    /* After that: */
    RESTING,
    DRIPPING_REQUEST,
    PART_OF_REQUEST,
    LIE_ABOUT_REQUEST,
    KIND_COUNT
} kind_t;

typedef struct {
    const char *name;
    size_t count;
    bool lies;     /* what it sends is refused at once; the others have their time */
    size_t buffer; /* what a session of that kind may take, besides its fixed part */
} kind_info_t;

static const kind_info_t KINDS[KIND_COUNT] = {
    [SILENT] = {"silent", 500, false, 0},
    [DRIPPING] = {"dripping a key", 500, false, FIRST_BUFFER},
    [PART_OF_KEY] = {"sending most of a key", 400, false, LARGEST_KEY},
    [LIE_ABOUT_KEY] = {"announcing a key of 99,999,999 bytes", 400, true, 0},
    [RESTING] = {"silent after the key exchange", 50, false, 0},
    [DRIPPING_REQUEST] = {"dripping a request", 50, false, FIRST_BUFFER},
    [PART_OF_REQUEST] = {"sending a part of a request", 50, false, 2 * PART_OF_MESSAGE},
    [LIE_ABOUT_REQUEST] = {"announcing a request of 99,999,999 bytes", 50, true, 0},
};

typedef struct {
    kind_t kind;
    peer_t peer;
    size_t dripped;
    int64_t deadline; /* when it has to be gone, but for what is allowed besides */
    int64_t earliest; /* the same, counted from before the server could know of it */
    int64_t ended;    /* 0: it has not */
} bad_t;

typedef struct {
    process_t server;
    uint16_t port;
    int epoll_fd;
    bad_t *bad;
    size_t ended_count;
    size_t lines_connected;
    pthread_t honest[HONEST_COUNT];
    atomic_bool honest_stop;
    atomic_size_t conversations[HONEST_COUNT];
    delays_t delays;
} scene_t;

static const anwdl_protocol_t FRAMINGS[HONEST_COUNT] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                        ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};

/* Sends what there is room for, which is all of it as long as the server reads. */
static void send_some(bad_t *bad, const void *bytes, size_t len) {
    ssize_t count = send(bad->peer.fd, bytes, len, MSG_NOSIGNAL);
    /* One that has been ended is found out when it is read from. */
    CHECK(count == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

static void drip(bad_t *bad) {
    static const char KEY[] = "1600====-----BEGIN PUBLIC KEY-----\n";
    char byte = 'A';
    if (bad->kind == DRIPPING && bad->dripped < sizeof KEY - 1)
        byte = KEY[bad->dripped];
    else if (bad->peer.framing != ANWDL_PROTOCOL_GCM && bad->dripped < 8)
        byte = "1600===="[bad->dripped]; /* v4 cannot read that, but only after 16 bytes */
    else if (bad->peer.framing == ANWDL_PROTOCOL_GCM && bad->dripped < 4)
        byte = "\0\0\x40\0"[bad->dripped];
    bad->dripped++;
    send_some(bad, &byte, 1);
}

/* Does what makes it bad. An operation that begins with it has its time from here on. */
static void begin(bad_t *bad) {
    static const char part[PART_OF_MESSAGE] = {0};
    /* A key exchange began when the client connected. */
    if (bad->kind != PART_OF_KEY)
        bad->earliest = bad->deadline =
            now_in_milliseconds() + (KINDS[bad->kind].lies ? 0 : TIMEOUT);
    switch (bad->kind) {
    case DRIPPING_REQUEST:
        drip(bad);
        break;
    case PART_OF_KEY:
        CHECK(peer_send_length(&bad->peer, LARGEST_KEY));
        send_some(bad, part, LARGEST_KEY - 1);
        break;
    case LIE_ABOUT_KEY:
        CHECK(peer_send_length(&bad->peer, LARGEST_CLAIM));
        break;
    case PART_OF_REQUEST:
        CHECK(peer_announce(&bad->peer, LARGE_MESSAGE));
        send_some(bad, part, sizeof part);
        break;
    case LIE_ABOUT_REQUEST:
        CHECK(peer_announce(&bad->peer, LARGEST_CLAIM));
        break;
    default:
        break;
    }
}

/* Looks whether the server has ended it. */
static void look(scene_t *scene, bad_t *bad) {
    char bytes[4096];
    ssize_t count;
    while ((count = recv(bad->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        ;
    if (count < 0 && errno == EAGAIN)
        return;
    bad->ended = now_in_milliseconds();
    scene->ended_count++;
    peer_hang_up(&bad->peer);
}

/* -- the server's output ----------------------------------------------------------------------- */

static void read_output(scene_t *scene) {
    char line[LONGEST_LINE + 1];
    while (read_ready_line(&scene->server, line)) {
        if (strstr(line, ": connected from") != NULL)
            scene->lines_connected++;
        CHECK(strstr(line, "refused") == NULL || strstr(line, "closed") != NULL);
    }
}

static void handle_events(scene_t *scene, int milliseconds) {
    struct epoll_event events[EVENTS_AT_ONCE];
    sample_delays(&scene->delays);
    int count = epoll_wait(scene->epoll_fd, events, EVENTS_AT_ONCE, milliseconds);
    for (int at = 0; at < count; at++) {
        if (events[at].data.ptr == NULL)
            read_output(scene);
        else
            look(scene, events[at].data.ptr);
    }
    sample_delays(&scene->delays);
}

/* -- honest clients ---------------------------------------------------------------------------- */

static void converse(uint16_t port, anwdl_protocol_t framing) {
    peer_t peer;
    peer_init(&peer, connect_to(port), framing, "peer-1");
    if (CHECK(peer_exchange_keys(&peer, true)))
        for (size_t at = 0; at < HONEST_REQUESTS; at++) {
            char *json = peer_ask(&peer, "{\"verb\": \"STAT\", \"parameters\": {}}");
            CHECK(json != NULL && strstr(json, "\"uptime\"") != NULL);
            free(json);
        }
    peer_free(&peer);
}

typedef struct {
    scene_t *scene;
    size_t number;
} honest_t;

static void *be_honest(void *argument) {
    honest_t *honest = argument;
    scene_t *scene = honest->scene;
    while (!atomic_load(&scene->honest_stop)) {
        converse(scene->port, FRAMINGS[honest->number]);
        atomic_fetch_add(&scene->conversations[honest->number], 1);
    }
    free(honest);
    return NULL;
}

static void start_honest_clients(scene_t *scene) {
    for (size_t at = 0; at < HONEST_COUNT; at++) {
        honest_t *honest = malloc(sizeof *honest);
        REQUIRE(honest != NULL);
        *honest = (honest_t){scene, at};
        REQUIRE(pthread_create(&scene->honest[at], NULL, be_honest, honest) == 0);
    }
}

/* -- what happens ------------------------------------------------------------------------------ */

static void start(scene_t *scene, char *path) {
    char *const no_prefix[] = {NULL};
    char timeout[16];
    char most_clients[16];
    snprintf(timeout, sizeof timeout, "%d", TIMEOUT);
    snprintf(most_clients, sizeof most_clients, "%d", PEER_COUNT + OTHER_DESCRIPTORS / 2);
    char *const options[] = {"--private-key",
                             ANWDL_KEYS_DIR "/server.pem",
                             "--max-clients",
                             most_clients,
                             "--max-clients-per-address",
                             most_clients,
                             "--max-exchanges-per-address",
                             most_clients,
                             "--max-message-size",
                             "1048576",
                             "--timeout",
                             timeout,
                             "--idle-timeout",
                             timeout,
                             NULL};
    scene->server = start_server(no_prefix, path, options, &scene->port);
    scene->delays.pid = scene->server.pid;
    scene->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    REQUIRE(scene->epoll_fd >= 0);
    REQUIRE(fcntl(scene->server.output, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(epoll_ctl(scene->epoll_fd, EPOLL_CTL_ADD, scene->server.output, &event) == 0);
    for (size_t at = 0; at < HONEST_COUNT; at++)
        converse(scene->port, FRAMINGS[at]); /* whatever is made once is made now */
}

static void connect_bad(scene_t *scene, bad_t *bad, size_t number) {
    bool exchanges = bad->kind >= RESTING;
    bad->earliest = now_in_milliseconds() + TIMEOUT;
    peer_init(&bad->peer, connect_to(scene->port), FRAMINGS[number % HONEST_COUNT],
              exchanges ? "peer-2" : NULL);
    /* For the time being, all are silent. */
    bad->deadline = now_in_milliseconds() + TIMEOUT;
    if (exchanges) {
        REQUIRE(peer_exchange_keys(&bad->peer, true));
        bad->deadline = now_in_milliseconds() + TIMEOUT;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = bad};
    REQUIRE(epoll_ctl(scene->epoll_fd, EPOLL_CTL_ADD, bad->peer.fd, &event) == 0);
}

/* Those that take longer to connect come first. */
static void connect_all(scene_t *scene) {
    size_t number = 0;
    scene->bad = calloc(PEER_COUNT, sizeof *scene->bad);
    REQUIRE(scene->bad != NULL);
    for (size_t kind = KIND_COUNT; kind-- > 0;)
        for (size_t at = 0; at < KINDS[kind].count; at++) {
            scene->bad[number].kind = (kind_t)kind;
            connect_bad(scene, &scene->bad[number], number);
            number++;
            while (number + HONEST_COUNT > scene->lines_connected + CONNECTED_AT_ONCE)
                handle_events(scene, 1);
        }
    REQUIRE(number == PEER_COUNT);
    while (scene->lines_connected < PEER_COUNT + HONEST_COUNT)
        handle_events(scene, 1);
    /* All of them at once. */
    REQUIRE(scene->ended_count == 0);
}

/* Not more than some at a time: what is measured is the server, not the crowd at its door. */
static void begin_all(scene_t *scene) {
    for (size_t at = 0; at < PEER_COUNT; at++)
        if (!scene->bad[at].ended && scene->bad[at].kind != SILENT &&
            scene->bad[at].kind != RESTING && scene->bad[at].kind != DRIPPING) {
            begin(&scene->bad[at]);
            if (at % LIES_AT_ONCE == 0)
                handle_events(scene, LIE_INTERVAL);
        }
}

static void wait_for_the_end(scene_t *scene) {
    int64_t next_tick = now_in_milliseconds();
    while (scene->ended_count < PEER_COUNT) {
        int64_t now = now_in_milliseconds();
        int64_t left = next_tick - now;
        handle_events(scene, left > 0 ? (int)left : 0);
        if (left > 0)
            continue;
        next_tick = now + TICK;
        for (size_t at = 0; at < PEER_COUNT; at++) {
            bad_t *bad = &scene->bad[at];
            if (bad->ended)
                continue;
            if (bad->kind == DRIPPING || bad->kind == DRIPPING_REQUEST)
                drip(bad);
            if (now > bad->deadline + LOST) {
                fprintf(stderr, "the server did not end a peer: %s\n", KINDS[bad->kind].name);
                REQUIRE(!"a bad peer is ended");
            }
        }
    }
}

/* -- what came of it --------------------------------------------------------------------------- */

static void check_deadlines(const scene_t *scene) {
    int64_t latest[KIND_COUNT] = {0};
    int64_t latest_of_all = 0;
    size_t allowed_more = 0;
    for (size_t at = 0; at < PEER_COUNT; at++) {
        const bad_t *bad = &scene->bad[at];
        int64_t late = bad->ended - bad->deadline;
        int64_t delay =
            late > MOST_LATE ? get_delay(&scene->delays, bad->deadline - TICK, bad->ended) : 0;
        allowed_more += late > MOST_LATE;
        if (!CHECK(late - delay <= MOST_LATE))
            fprintf(stderr, "  %s: %d ms late, of which the system took %d\n",
                    KINDS[bad->kind].name, (int)late, (int)delay);
        CHECK(bad->ended >= bad->earliest - 1); /* time is cut to milliseconds */
        if (late > latest[bad->kind])
            latest[bad->kind] = late;
    }
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        printf("%4zu %s: the last one %d ms after its deadline\n", KINDS[kind].count,
               KINDS[kind].name, (int)latest[kind]);
        if (latest[kind] > latest_of_all)
            latest_of_all = latest[kind];
    }
    printf("figure: ended %d ms after the deadline at the latest", (int)latest_of_all);
    if (allowed_more > 0)
        printf(" (%zu waited for a processor)", allowed_more);
    printf("\n");
}

static void check_memory(long before, long most) {
    size_t bound = CONSTANT;
    for (size_t kind = 0; kind < KIND_COUNT; kind++)
        bound += KINDS[kind].count * (FIXED_PART + KINDS[kind].buffer);
    printf("figure: memory grew by %ld KiB, of %zu that are allowed\n", most - before,
           bound / 1024);
    CHECK(most - before <= (long)(bound / 1024));
}

static void end_honest_clients(scene_t *scene) {
    size_t conversations = 0;
    atomic_store(&scene->honest_stop, true);
    for (size_t at = 0; at < HONEST_COUNT; at++) {
        REQUIRE(pthread_join(scene->honest[at], NULL) == 0);
        size_t count = atomic_load(&scene->conversations[at]);
        CHECK(count > 0);
        conversations += count;
    }
    printf("figure: %zu conversations with honest clients meanwhile\n", conversations);
}

static void test_exhaustion(char *server_path) {
    scene_t *scene = calloc(1, sizeof *scene);
    REQUIRE(scene != NULL);
    start(scene, server_path);
    long before = read_memory(scene->server.pid, "VmRSS");
    connect_all(scene);
    start_honest_clients(scene);
    begin_all(scene);
    wait_for_the_end(scene);
    long most = read_memory(scene->server.pid, "VmHWM");
    end_honest_clients(scene);
    check_deadlines(scene);
    check_memory(before, most);
    REQUIRE(kill(scene->server.pid, SIGTERM) == 0);
    check_exit_status(&scene->server, EXIT_SUCCESS);
    for (size_t at = 0; at < PEER_COUNT; at++)
        peer_free(&scene->bad[at].peer);
    free(scene->bad);
    close(scene->epoll_fd);
    free(scene);
    printf("cases: %d bad peers at once\n", PEER_COUNT);
}

int main(int argc, char **argv) {
    REQUIRE(argc == 2);
    if (!raise_descriptor_limit(PEER_COUNT + OTHER_DESCRIPTORS)) {
        printf("skipped: %d open descriptors are not allowed\n", PEER_COUNT + OTHER_DESCRIPTORS);
        return SKIPPED;
    }
    test_exhaustion(argv[1]);
    return check_finish();
}
