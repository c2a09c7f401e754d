/* The short servers of examples-c/, which say nothing when they are ready, as processes of their
   own:

   test_short_servers one SERVER: it serves one client after the other.
   test_short_servers many SERVER CERTIFICATE: the same, beside clients that do nothing; and it
   loses no request when it is stopped.
   test_short_servers deadlines CERTIFICATE SERVER...: they hang up on clients that do nothing.
   test_short_servers processes SERVER: the one with a process for each client has no more of them
   than it says.

   The certificate is for the one inside TLS. */
#include "check.h"
#include "peer.h"
#include "process.h"
#include "relay.h"
#include "support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FRAMING_COUNT = 4,
    MOST_SERVERS = 16,
    SILENCE_COUNT = 4,
    CUT_COUNT = 3,
    HEADER_SIZE = 5,     /* bytes of a TLS record */
    LONGEST_WAIT = 1000, /* milliseconds, of these servers */
    MOST_CHILDREN = 256,
    TOO_MANY = 44,                    /* of them */
    ACTIVATED = 3,                    /* the descriptor that systemd passes */
    PATIENCE = ANWDL_PATIENCE * 60000 /* milliseconds */
};

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};

typedef struct {
    process_t process;
    uint16_t port;
    bool is_inside_tls;
} server_t;

/* -- servers ----------------------------------------------------------------------------------- */

static bool try_to_connect(uint16_t port, int *out_fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *out_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*out_fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    close(*out_fd);
    return false;
}

/* Knocks until it opens. */
static server_t start(char *path, char *certificate) {
    server_t server = {.is_inside_tls = strstr(path, "_tls") != NULL};
    int64_t end = now_in_milliseconds() + PATIENCE;
    char port_text[8];
    int fd;
    close(make_listener(&server.port));
    snprintf(port_text, sizeof port_text, "%u", server.port);
    char *const arguments[] = {path, port_text, ANWDL_KEYS_DIR "/server.pem", certificate, NULL};
    server.process = start_process(arguments);
    while (!try_to_connect(server.port, &fd)) {
        REQUIRE(now_in_milliseconds() < end);
        REQUIRE(waitpid(server.process.pid, NULL, WNOHANG) == 0);
        poll(NULL, 0, 1);
    }
    close(fd);
    return server;
}

/* As systemd does: the socket is there before the server, which is told its own number. */
static server_t activate(char *path, char *certificate) {
    server_t server = {.is_inside_tls = strstr(path, "_tls") != NULL};
    char script[] = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    char *const arguments[] = {
        "/bin/sh",   "-c", script, "sh", path, "6150", ANWDL_KEYS_DIR "/server.pem",
        certificate, NULL};
    int earlier = fcntl(ACTIVATED, F_DUPFD_CLOEXEC, ACTIVATED + 1); /* -1 if it is free */
    int listener = make_listener(&server.port);
    REQUIRE(dup2(listener, ACTIVATED) == ACTIVATED);
    server.process = start_process(arguments);
    if (listener != ACTIVATED)
        close(listener);
    close(ACTIVATED);
    if (earlier >= 0) {
        REQUIRE(dup2(earlier, ACTIVATED) == ACTIVATED);
        close(earlier);
    }
    return server;
}

static int await_end(server_t *server) {
    int status = 0;
    close(server->process.output);
    CHECK(waitpid(server->process.pid, &status, 0) == server->process.pid);
    return status;
}

/* It is still there to be ended, and a signal ends it. */
static void stop(server_t *server) {
    CHECK(kill(server->process.pid, SIGTERM) == 0);
    int status = await_end(server);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* After a signal it ends by itself, without an error. */
static void check_success(server_t *server) {
    int status = await_end(server);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* -- clients ----------------------------------------------------------------------------------- */

/* OpenSSL's own client takes the bytes, and gives them on inside TLS. */
static int connect_inside_tls(uint16_t port) {
    int ends[2];
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    make_unix_pair(ends);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[0], STDIN_FILENO);
        dup2(ends[0], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        /* Quiet, it would stay when its input ends. */
        execlp("openssl", "openssl", "s_client", "-quiet", "-verify_quiet", "-no_ign_eof",
               "-nocommands", "-connect", address, NULL);
        perror("openssl");
        _exit(127);
    }
    close(ends[0]);
    return ends[1];
}

static void open_peer(peer_t *peer, const server_t *server, anwdl_protocol_t framing) {
    int fd = server->is_inside_tls ? connect_inside_tls(server->port) : connect_to(server->port);
    peer_init(peer, fd, framing, "peer-1");
}

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"
#define STATISTICS                                                                                 \
    "{\"success\": true, \"message\": \"OK\", \"data\": {\"uptime\": 60, \"version\": \"1.0.0\"}}"
#define REFUSAL     "{\"success\": false, \"message\": \"Refused request\", \"data\": {}}"
#define BAD_REQUEST "{\"success\": false, \"message\": \"Bad request\", \"data\": {}}"

static void be_served(const server_t *server, anwdl_protocol_t framing, bool answers_malformed) {
    peer_t peer;
    open_peer(&peer, server, framing);
    if (CHECK(peer_exchange_keys(&peer, true))) {
        peer_check_response(&peer, STAT, STATISTICS);
        peer_check_response(&peer, "{\"verb\": \"CREATE\", \"parameters\": {}}", REFUSAL);
        if (answers_malformed)
            peer_check_response(&peer, "{\"verb\": \"lower case\", \"parameters\": {}}",
                                BAD_REQUEST);
        peer_check_response(&peer, STAT, STATISTICS);
    }
    peer_free(&peer);
}

static void be_served_in_each_framing(const server_t *server, bool answers_malformed) {
    for (size_t at = 0; at < FRAMING_COUNT; at++)
        be_served(server, FRAMINGS[at], answers_malformed);
}

/* One says nothing at all; the others stop in the key exchange, between two requests, and in the
   middle of one. */
static void fall_silent(const server_t *server, peer_t silent[SILENCE_COUNT]) {
    peer_init(&silent[0], connect_to(server->port), ANWDL_PROTOCOL_V4, "peer-1");
    open_peer(&silent[1], server, ANWDL_PROTOCOL_V4);
    CHECK(peer_send_public_key(&silent[1]));
    open_peer(&silent[2], server, ANWDL_PROTOCOL_GCM);
    CHECK(peer_exchange_keys(&silent[2], true));
    open_peer(&silent[3], server, ANWDL_PROTOCOL_V2);
    CHECK(peer_exchange_keys(&silent[3], true));
    CHECK(peer_send_length(&silent[3], 32) && peer_receive_answer(&silent[3]));
}

/* A client with a request under way gets its answer from a server that stops; the others must go at
   once: if it waited for their timeouts, this one's would be over, too. */
static void ask_while_it_stops(peer_t *peer) {
    peer_check_response(peer, STAT, STATISTICS);
}

/* The bytes of its next request, unsent. */
static size_t take_request(peer_t *peer, uint8_t *bytes, size_t size) {
    int ends[2], fd = peer->fd;
    make_unix_pair(ends);
    peer->fd = ends[0];
    REQUIRE(peer_send_request(peer, STAT));
    peer->fd = fd;
    ssize_t len = read(ends[1], bytes, size);
    REQUIRE(len > 0 && (size_t)len < size);
    close(ends[0]);
    close(ends[1]);
    return (size_t)len;
}

static void check_answer_and_end(peer_t *peer) {
    char *response = peer_receive_response(peer);
    CHECK_STRING(response, STATISTICS);
    free(response);
    peer_check_hung_up(peer);
    peer_free(peer);
}

/* A client of gcm. Inside TLS, what it sends goes through a relay, which knows what has come. */
typedef struct {
    peer_t peer;
    relay_t *relay; /* or NULL */
} relayed_t;

static void open_relayed(relayed_t *client, const server_t *server) {
    client->relay = NULL;
    if (server->is_inside_tls) {
        uint16_t port;
        int listener = make_listener(&port);
        int fd = connect_inside_tls(port);
        client->relay = relay_new(accept(listener, NULL, NULL), connect_to(server->port));
        close(listener);
        peer_init(&client->peer, fd, ANWDL_PROTOCOL_GCM, "peer-1");
    } else {
        open_peer(&client->peer, server, ANWDL_PROTOCOL_GCM);
    }
    REQUIRE(peer_exchange_keys(&client->peer, true));
}

/* Until the first bytes of a request are in the server's socket. */
static void begin_relayed_request(relayed_t *client) {
    size_t passed = client->relay != NULL ? relay_get_passed(client->relay) : 0;
    REQUIRE(peer_send_request(&client->peer, STAT));
    if (client->relay != NULL)
        relay_await(client->relay, passed + 1);
}

static void end_relayed_request(relayed_t *client) {
    if (client->relay != NULL)
        relay_limit(client->relay, SIZE_MAX);
    check_answer_and_end(&client->peer);
    if (client->relay != NULL)
        relay_free(client->relay);
}

/* Of a request inside TLS, a part of the record comes: of its header, the header alone, or more. */
static const size_t CUTS[CUT_COUNT] = {HEADER_SIZE - 2, HEADER_SIZE, HEADER_SIZE + 20};

/* OpenSSL has that part; the socket has it no longer. */
static void begin_cut_requests(const server_t *server, relayed_t cut[CUT_COUNT]) {
    for (size_t at = 0; at < CUT_COUNT; at++) {
        open_relayed(&cut[at], server);
        peer_check_response(&cut[at].peer, STAT, STATISTICS);
        size_t end = relay_get_passed(cut[at].relay) + CUTS[at];
        relay_limit(cut[at].relay, end);
        REQUIRE(peer_send_request(&cut[at].peer, STAT));
        relay_await(cut[at].relay, end);
        relay_await_reader(cut[at].relay);
    }
}

static void check_drain(server_t *server) {
    relayed_t cut[CUT_COUNT], early;
    peer_t asking, ahead, silent[SILENCE_COUNT];
    uint8_t request[256];
    int gate[2], waiting;
    REQUIRE(pipe(gate) == 0);
    open_relayed(&early, server);
    open_peer(&ahead, server, ANWDL_PROTOCOL_GCM);
    REQUIRE(peer_exchange_keys(&ahead, true));
    size_t len = take_request(&ahead, request, sizeof request);
    request[len] = 0; /* the next one begins with it */
    REQUIRE(peer_send_bytes(&ahead, request, len - 1));
    open_peer(&asking, server, ANWDL_PROTOCOL_V2);
    REQUIRE(peer_exchange_keys(&asking, true));
    fall_silent(server, silent);
    peer_free(&silent[SILENCE_COUNT - 1]); /* it has begun a request */
    asking.gate = gate[0];
    peer_start(&asking, ask_while_it_stops, NULL);
    /* The server answers the eight bytes of the length, and only then the next is sent. */
    REQUIRE(write(gate[1], "123456789", 9) == 9);
    do
        REQUIRE(ioctl(gate[0], FIONREAD, &waiting) == 0 && poll(NULL, 0, 1) == 0);
    while (waiting > 0);
    if (server->is_inside_tls)
        begin_cut_requests(server, cut);
    /* One whole request is there before the signal, but came after the server's last wait, of a
       second at most, was over. */
    CHECK(kill(server->process.pid, SIGSTOP) == 0);
    poll(NULL, 0, LONGEST_WAIT + 100);
    begin_relayed_request(&early);
    CHECK(kill(server->process.pid, SIGTERM) == 0 && kill(server->process.pid, SIGCONT) == 0);
    end_relayed_request(&early);
    for (size_t at = 0; at < SILENCE_COUNT - 1; at++) {
        peer_check_hung_up(&silent[at]);
        peer_free(&silent[at]);
    }
    for (size_t at = 0; server->is_inside_tls && at < CUT_COUNT; at++)
        end_relayed_request(&cut[at]);
    static const char all_the_rest[4096];
    REQUIRE(write(gate[1], all_the_rest, sizeof all_the_rest) == sizeof all_the_rest);
    peer_join(&asking);
    peer_free(&asking);
    /* Whoever goes on asking does not keep the server. */
    REQUIRE(peer_send_bytes(&ahead, request + len - 1, 2));
    check_answer_and_end(&ahead);
    check_success(server);
    close(gate[0]);
    close(gate[1]);
}

/* -- which of them ----------------------------------------------------------------------------- */

static void test_one(char *path) {
    server_t server = start(path, NULL);
    be_served_in_each_framing(&server, false);
    stop(&server);
}

/* Those that do nothing stop nobody. */
static void test_many(char *path, char *certificate) {
    server_t server = activate(path, certificate);
    peer_t silent[SILENCE_COUNT];
    fall_silent(&server, silent);
    be_served_in_each_framing(&server, true);
    for (size_t at = 0; at < SILENCE_COUNT; at++)
        peer_free(&silent[at]);
    be_served(&server, ANWDL_PROTOCOL_GCM, true);
    check_drain(&server);
}

/* All at once, as each of them takes as long as its timeout. */
static void test_deadlines(char *certificate, char *const paths[], size_t count) {
    static peer_t silent[MOST_SERVERS][SILENCE_COUNT];
    server_t servers[MOST_SERVERS];
    REQUIRE(count <= MOST_SERVERS);
    for (size_t at = 0; at < count; at++) {
        servers[at] = start(paths[at], certificate);
        fall_silent(&servers[at], silent[at]);
    }
    for (size_t at = 0; at < count; at++) {
        for (size_t which = 0; which < SILENCE_COUNT; which++)
            peer_check_hung_up(&silent[at][which]);
        be_served(&servers[at], ANWDL_PROTOCOL_V3, true);
        CHECK(kill(servers[at].process.pid, SIGTERM) == 0);
        check_success(&servers[at]);
        for (size_t which = 0; which < SILENCE_COUNT; which++)
            peer_free(&silent[at][which]);
    }
}

static size_t count_children(pid_t pid) {
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    while (fscanf(file, "%*d") != EOF)
        count++;
    fclose(file);
    return count;
}

/* Waits until it has so many children, or more, and has nothing to do. */
static void await_full(const server_t *server) {
    int64_t end = now_in_milliseconds() + PATIENCE;
    size_t count;
    do {
        REQUIRE(now_in_milliseconds() < end);
        poll(NULL, 0, 1);
        count = count_children(server->process.pid);
    } while (count < MOST_CHILDREN || !is_asleep(server->process.pid));
    CHECK_INTEGER(count_children(server->process.pid), MOST_CHILDREN);
}

/* Those for whom there is no process wait until others have ended, and keep nobody from stopping
   the server. */
static void test_processes(char *path) {
    int silent[MOST_CHILDREN + TOO_MANY];
    REQUIRE(raise_descriptor_limit(2 * (MOST_CHILDREN + TOO_MANY)));
    server_t server = start(path, NULL);
    for (size_t at = 0; at < MOST_CHILDREN + TOO_MANY; at++)
        silent[at] = connect_to(server.port);
    await_full(&server);
    for (size_t at = 0; at < TOO_MANY + 1; at++)
        close(silent[at]);
    be_served(&server, ANWDL_PROTOCOL_GCM, true);
    for (size_t at = 0; at < TOO_MANY + 1; at++)
        silent[at] = connect_to(server.port);
    await_full(&server);
    CHECK(kill(server.process.pid, SIGTERM) == 0);
    check_success(&server);
    for (size_t at = 0; at < MOST_CHILDREN + TOO_MANY; at++)
        close(silent[at]);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "one") == 0)
        test_one(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "many") == 0)
        test_many(argv[2], argv[3]);
    else if (argc > 3 && strcmp(argv[1], "deadlines") == 0)
        test_deadlines(argv[2], argv + 3, (size_t)argc - 3);
    else if (argc == 3 && strcmp(argv[1], "processes") == 0)
        test_processes(argv[2]);
    else
        REQUIRE(!"such arguments");
    return check_finish();
}
