/* test_slow_peers_delay_nobody SERVER: epoll_server with 2,000 open sessions of all framings at
   once, of which 20 are with peers that send one byte every 100 milliseconds, in the key exchange
   and in a request. None of the others feels it: while those are at one message, each of the others
   gets through with everything that it does. That is an order of events; how long it takes is only
   printed.

   All peers are played by one thread, each through a session of the library in the role of a
   client. That the library understands others than itself is what other tests are for. */
#include "check.h"
#include "process.h"
#include "support.h"

#include <anwdl.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PEER_COUNT = 2000,
    SLOW_COUNT = 20,
    FAST_COUNT = PEER_COUNT - SLOW_COUNT,
    ROUND_COUNT = 5,         /* requests of each fast peer while the slow ones are at one message */
    SLOW_INTERVAL = 100,     /* milliseconds between two bytes of a slow peer */
    SLOW_BYTES = 5,          /* so many of them pass while the fast peers work */
    OPENING_BYTES = 200,     /* at most so many do before, less than the shortest key has */
    EXCHANGES_AT_ONCE = 100, /* of fast peers */
    LONG_TEXT = 800,         /* of a slow peer's request: more bytes than it gets to send */
    PATIENCE = ANWDL_PATIENCE * 100000, /* milliseconds after which the test counts as hung */
    OTHER_DESCRIPTORS = 64,
    EVENTS_AT_ONCE = 256,
    KEY_COUNT = 8,
    SKIPPED = 77 /* exit status */
};

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
static const char *const FRAMING_NAMES[] = {"v2", "v3", "v4", "gcm"};
enum { FRAMING_COUNT = 4 };

/* -- peers ------------------------------------------------------------------------------------- */

typedef enum { EXCHANGING, ASKING, HEARING, RESTING } step_t;

typedef struct {
    anwdl_session_t *session;
    int fd;
    size_t framing; /* in FRAMINGS */
    step_t step;
    const char *parameters; /* of its requests; NULL: none */
    bool is_slow;           /* for as long as it is, its bytes leave at the ticks of the clock */
    size_t slow_bytes;      /* sent at ticks since the message began */
    size_t asked;           /* requests still to be sent, without the one under way */
    size_t answered;        /* responses that have come */
    size_t piece;           /* at most so many bytes are fed at a time */
    uint8_t bytes[4096];    /* from the server, and not yet taken by the session */
    size_t len;
} peer_t;

typedef struct {
    peer_t *peers; /* the slow ones come first */
    process_t server;
    int epoll_fd;
    int64_t next_tick;
    size_t slow_bytes_allowed; /* of each; a slow machine takes long for the others */
    int64_t end;               /* of the test's patience */
    size_t exchanged_count;
    size_t resting_count; /* of the fast peers: those that have come to rest */
    size_t lines_exchanged;
    size_t lines_closed;
    size_t lines_asked[FRAMING_COUNT];
} scene_t;

static anwdl_client_options_t *make_peer_options(size_t framing, const anwdl_rsa_wrapper_t *key) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_protocol(options, FRAMINGS[framing]) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, key) == ANWDL_OK);
    return options;
}

static void make_peers(scene_t *scene) {
    anwdl_rsa_wrapper_t *keys[KEY_COUNT];
    for (size_t at = 0; at < KEY_COUNT; at++) {
        char name[16];
        snprintf(name, sizeof name, "peer-%zu", at + 1);
        keys[at] = make_rsa_wrapper(name);
    }
    scene->peers = calloc(PEER_COUNT, sizeof *scene->peers);
    REQUIRE(scene->peers != NULL);
    for (size_t at = 0; at < PEER_COUNT; at++) {
        peer_t *peer = &scene->peers[at];
        peer->framing = at % FRAMING_COUNT;
        peer->fd = -1;
        peer->step = EXCHANGING;
        peer->is_slow = at < SLOW_COUNT;
        peer->piece = 1 + at % 300;
        anwdl_client_options_t *options = make_peer_options(peer->framing, keys[at % KEY_COUNT]);
        REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &peer->session) == ANWDL_OK);
        anwdl_client_options_free(options);
    }
    for (size_t at = 0; at < KEY_COUNT; at++)
        anwdl_rsa_wrapper_free(keys[at]);
}

static void free_peers(scene_t *scene) {
    for (size_t at = 0; at < PEER_COUNT; at++) {
        anwdl_session_free(scene->peers[at].session);
        if (scene->peers[at].fd >= 0)
            close(scene->peers[at].fd);
    }
    free(scene->peers);
}

static anwdl_status_t hear(peer_t *peer) {
    anwdl_response_t *response = NULL;
    anwdl_status_t status = anwdl_session_recv_response(peer->session, &response);
    if (status == ANWDL_OK) {
        int64_t uptime;
        CHECK(anwdl_response_get_success(response));
        CHECK(anwdl_response_get_integer(response, "uptime", &uptime));
        anwdl_response_free(response);
    }
    return status;
}

static anwdl_status_t call_operation(peer_t *peer) {
    switch (peer->step) {
    case EXCHANGING:
        return anwdl_session_exchange_keys(peer->session, false);
    case ASKING:
        return anwdl_session_send_request(peer->session, "STAT", peer->parameters);
    default:
        return hear(peer);
    }
}

static void begin_rest(scene_t *scene, peer_t *peer) {
    peer->step = peer->asked > 0 ? ASKING : RESTING;
    if (peer->step == ASKING)
        peer->asked--;
    else if (!peer->is_slow)
        scene->resting_count++;
}

static void begin_next(scene_t *scene, peer_t *peer) {
    switch (peer->step) {
    case EXCHANGING:
        scene->exchanged_count++;
        begin_rest(scene, peer);
        break;
    case ASKING:
        peer->step = HEARING;
        break;
    default:
        peer->answered++;
        begin_rest(scene, peer);
        break;
    }
}

/* Sends up to `most` bytes of what is pending; false if nothing can be sent now. */
static bool send_pending(peer_t *peer, size_t most) {
    const uint8_t *bytes;
    size_t len;
    REQUIRE(anwdl_session_get_pending(peer->session, &bytes, &len) == ANWDL_OK);
    ssize_t count = send(peer->fd, bytes, len < most ? len : most, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
        REQUIRE(errno == EAGAIN);
        return false;
    }
    REQUIRE(anwdl_session_sent(peer->session, (size_t)count) == ANWDL_OK);
    return true;
}

/* Brings bytes to the session, from what has come before or else from the socket; false if there
   are none now. */
static bool feed_bytes(peer_t *peer) {
    if (peer->len == 0) {
        ssize_t count = recv(peer->fd, peer->bytes, sizeof peer->bytes, MSG_DONTWAIT);
        if (count < 0) {
            REQUIRE(errno == EAGAIN);
            return false;
        }
        REQUIRE(count > 0); /* the server has hung up */
        peer->len = (size_t)count;
    }
    size_t taken;
    REQUIRE(anwdl_session_feed(peer->session, peer->bytes,
                               peer->len < peer->piece ? peer->len : peer->piece,
                               &taken) == ANWDL_OK);
    REQUIRE(taken > 0);
    peer->len -= taken;
    memmove(peer->bytes, peer->bytes + taken, peer->len);
    return true;
}

/* Takes a peer as far as it goes. */
static void go_on(scene_t *scene, peer_t *peer) {
    while (peer->step != RESTING) {
        anwdl_status_t status = call_operation(peer);
        bool moves = true;
        if (status == ANWDL_OK)
            begin_next(scene, peer);
        else if (status == ANWDL_WANT_WRITE)
            moves = !peer->is_slow && send_pending(peer, SIZE_MAX);
        else if (status == ANWDL_WANT_READ)
            moves = feed_bytes(peer);
        else
            REQUIRE(!"a session of a peer failed");
        if (!moves)
            return;
    }
}

static void connect_peer(scene_t *scene, peer_t *peer, uint16_t port) {
    /* Edge-triggered: a peer goes on until nothing can be sent and nothing is there. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
    peer->fd = connect_to(port);
    REQUIRE(epoll_ctl(scene->epoll_fd, EPOLL_CTL_ADD, peer->fd, &event) == 0);
    go_on(scene, peer);
}

/* -- the server's output ----------------------------------------------------------------------- */

static void count_line(scene_t *scene, const char *line) {
    if (strstr(line, ": keys exchanged") != NULL)
        scene->lines_exchanged++;
    if (strstr(line, ": closed: ") != NULL)
        scene->lines_closed++;
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        char text[16];
        snprintf(text, sizeof text, ": %s: STAT", FRAMING_NAMES[at]);
        if (strstr(line, text) != NULL)
            scene->lines_asked[at]++;
    }
}

static void read_output(scene_t *scene) {
    char line[LONGEST_LINE + 1];
    while (read_ready_line(&scene->server, line))
        count_line(scene, line);
}

/* -- events ------------------------------------------------------------------------------------ */

/* One byte of each peer that is slow and has something to send. */
static void tick(scene_t *scene) {
    for (size_t at = 0; at < SLOW_COUNT; at++) {
        peer_t *peer = &scene->peers[at];
        if (peer->is_slow && peer->slow_bytes < scene->slow_bytes_allowed &&
            anwdl_session_get_wants(peer->session) == ANWDL_WANT_WRITE && send_pending(peer, 1)) {
            peer->slow_bytes++;
            go_on(scene, peer);
        }
    }
}

/* Handles what happens until the next tick at the latest. */
static void handle_events(scene_t *scene) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t now = now_in_milliseconds();
    int64_t left = scene->next_tick - now;
    REQUIRE(now < scene->end);
    int count = epoll_wait(scene->epoll_fd, events, EVENTS_AT_ONCE, left > 0 ? (int)left : 0);
    for (int at = 0; at < count; at++) {
        if (events[at].data.ptr == NULL)
            read_output(scene);
        else
            go_on(scene, events[at].data.ptr);
    }
    if (now_in_milliseconds() >= scene->next_tick) {
        tick(scene);
        scene->next_tick = now_in_milliseconds() + SLOW_INTERVAL;
    }
}

/* -- what happens ------------------------------------------------------------------------------ */

static void start_epoll_server(scene_t *scene, char *path, uint16_t *port) {
    char peer_count[16];
    snprintf(peer_count, sizeof peer_count, "%d", PEER_COUNT);
    char *const no_prefix[] = {NULL};
    /* The slow peers are not to be ended here: how that is done is what test_servers is for. */
    char *const options[] = {"--private-key",
                             ANWDL_KEYS_DIR "/server.pem",
                             "--max-clients",
                             peer_count,
                             "--threads",
                             "2",
                             "--workers",
                             "1",
                             "--timeout",
                             "600000",
                             "--idle-timeout",
                             "0",
                             "--max-clients-per-address",
                             peer_count,
                             "--max-exchanges-per-address",
                             peer_count,
                             "--max-computations",
                             peer_count,
                             "--max-computations-per-address",
                             peer_count,
                             NULL};
    scene->server = start_server(no_prefix, path, options, port);
    /* Read as it comes from here on: a server that cannot print stands still. */
    int fd = scene->server.output;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(epoll_ctl(scene->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* All slow peers begin, then all others come and ask once. */
static void open_sessions(scene_t *scene, uint16_t port) {
    size_t connected = SLOW_COUNT;
    scene->slow_bytes_allowed = OPENING_BYTES;
    for (size_t at = 0; at < SLOW_COUNT; at++)
        connect_peer(scene, &scene->peers[at], port);
    while (scene->resting_count < FAST_COUNT) {
        while (connected < PEER_COUNT &&
               connected - SLOW_COUNT < scene->exchanged_count + EXCHANGES_AT_ONCE) {
            scene->peers[connected].asked = 1;
            connect_peer(scene, &scene->peers[connected++], port);
        }
        handle_events(scene);
    }
}

static size_t count_least_slow_bytes(const scene_t *scene) {
    size_t least = SIZE_MAX;
    for (size_t at = 0; at < SLOW_COUNT; at++)
        if (scene->peers[at].slow_bytes < least)
            least = scene->peers[at].slow_bytes;
    return least;
}

/* Each peer from the first on has one request answered, and waits for no other. */
static void ask_once(scene_t *scene, size_t first) {
    scene->resting_count = 0;
    for (size_t at = first; at < PEER_COUNT; at++) {
        peer_t *peer = &scene->peers[at];
        peer->asked = 1;
        begin_rest(scene, peer);
        go_on(scene, peer);
    }
    while (scene->resting_count < PEER_COUNT - first)
        handle_events(scene);
}

/* No slow peer has come to the end of what it is at. */
static void check_slow_peers(const scene_t *scene, step_t step) {
    for (size_t at = 0; at < SLOW_COUNT; at++) {
        REQUIRE(scene->peers[at].step == step);
        REQUIRE(scene->peers[at].answered == 0);
    }
}

/* The fast peers go on until the slow ones have sent some bytes, so that both happen at once. Gives
   how many requests each fast peer had answered. */
static size_t ask_while_slow_bytes_pass(scene_t *scene, step_t step_of_slow_peers) {
    size_t rounds = 0;
    scene->slow_bytes_allowed = count_least_slow_bytes(scene) + SLOW_BYTES;
    while (rounds < ROUND_COUNT || count_least_slow_bytes(scene) < scene->slow_bytes_allowed) {
        ask_once(scene, SLOW_COUNT);
        check_slow_peers(scene, step_of_slow_peers);
        rounds++;
    }
    return rounds;
}

/* The slow peers finish what they are at like any other peer. */
static void hurry_slow_peers(scene_t *scene) {
    for (size_t at = 0; at < SLOW_COUNT; at++) {
        scene->peers[at].is_slow = false; /* what is resting is counted anew before it matters */
        go_on(scene, &scene->peers[at]);
    }
    for (size_t at = 0; at < SLOW_COUNT; at++)
        while (scene->peers[at].step != RESTING)
            handle_events(scene);
}

static void begin_slow_requests(scene_t *scene) {
    static char parameters[LONG_TEXT + 32];
    snprintf(parameters, sizeof parameters, "{\"text\": \"%0*d\"}", LONG_TEXT, 0);
    for (size_t at = 0; at < SLOW_COUNT; at++) {
        peer_t *peer = &scene->peers[at];
        peer->is_slow = true;
        peer->slow_bytes = 0;
        peer->parameters = parameters;
        peer->asked = 1;
        begin_rest(scene, peer);
        go_on(scene, peer);
    }
}

/* -- figures ----------------------------------------------------------------------------------- */

static size_t count_descriptors(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    return count_names(path);
}

/* -- the whole --------------------------------------------------------------------------------- */

/* One client more than the server takes of an address. */
static void check_limit(scene_t *scene, uint16_t port) {
    char byte;
    int fd = connect_to(port);
    while (!wait_for(fd, POLLIN, 0))
        handle_events(scene);
    CHECK(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

/* Half of the peers leave, and a signal ends the others. */
static void end_sessions(scene_t *scene) {
    size_t answered[FRAMING_COUNT] = {0};
    for (size_t at = 0; at < PEER_COUNT / 2; at++) {
        close(scene->peers[at].fd);
        scene->peers[at].fd = -1;
    }
    while (scene->lines_closed < PEER_COUNT / 2)
        handle_events(scene);
    REQUIRE(kill(scene->server.pid, SIGTERM) == 0);
    while (scene->lines_closed < PEER_COUNT)
        handle_events(scene);
    check_exit_status(&scene->server, EXIT_SUCCESS);
    for (size_t at = 0; at < PEER_COUNT; at++) {
        char byte;
        const peer_t *peer = &scene->peers[at];
        answered[peer->framing] += peer->answered;
        CHECK(peer->fd < 0 || recv(peer->fd, &byte, 1, MSG_DONTWAIT) <= 0);
    }
    CHECK_INTEGER(scene->lines_exchanged, PEER_COUNT);
    for (size_t at = 0; at < FRAMING_COUNT; at++)
        CHECK_INTEGER(scene->lines_asked[at], answered[at]);
}

static void test_many_sessions(char *server_path) {
    scene_t *scene = calloc(1, sizeof *scene);
    REQUIRE(scene != NULL);
    uint16_t port;
    scene->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    REQUIRE(scene->epoll_fd >= 0);
    make_peers(scene);
    start_epoll_server(scene, server_path, &port);
    long memory_before = read_memory(scene->server.pid, "VmRSS");
    int64_t begin = now_in_milliseconds();
    scene->end = begin + PATIENCE;

    open_sessions(scene, port);
    int64_t opened = now_in_milliseconds();
    size_t rounds = ask_while_slow_bytes_pass(scene, EXCHANGING);
    int64_t asked = now_in_milliseconds();
    printf("%d sessions opened in %d ms, while %d peers were slow to exchange their keys\n",
           FAST_COUNT, (int)(opened - begin), SLOW_COUNT);
    printf("%zu requests of each answered in %d ms meanwhile\n", rounds, (int)(asked - opened));

    hurry_slow_peers(scene);
    begin_slow_requests(scene);
    int64_t again = now_in_milliseconds();
    rounds = ask_while_slow_bytes_pass(scene, ASKING);
    asked = now_in_milliseconds();
    printf("%zu requests of each answered in %d ms, while %d peers were slow to send a request\n",
           rounds, (int)(asked - again), SLOW_COUNT);

    hurry_slow_peers(scene);
    begin = now_in_milliseconds();
    ask_once(scene, 0);
    printf("1 request of each answered in %d ms, while no peer was slow\n",
           (int)(now_in_milliseconds() - begin));
    CHECK(count_descriptors(scene->server.pid) >= PEER_COUNT);
    printf("memory of the server: %ld kB before, %ld kB with %d sessions\n", memory_before,
           read_memory(scene->server.pid, "VmRSS"), PEER_COUNT);
    check_limit(scene, port);
    end_sessions(scene);
    free_peers(scene);
    close(scene->epoll_fd);
    free(scene);
}

int main(int argc, char **argv) {
    REQUIRE(argc == 2);
    if (!raise_descriptor_limit(PEER_COUNT + OTHER_DESCRIPTORS)) {
        printf("skipped: %d open descriptors are not allowed\n", PEER_COUNT + OTHER_DESCRIPTORS);
        return SKIPPED;
    }
    test_many_sessions(argv[1]);
    return check_finish();
}
