/* The example servers with options, as processes of their own: test_example_servers NAME SERVER
   CLIENT [PREFIX...], with the name of the server, its path, the path of the client example, and a
   program to run the server under. */
#include "check.h"
#include "peer.h"
#include "process.h"
#include "relay.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"
#define REFUSED                                                                                    \
    "{\"success\": false, \"message\": \"Refused request (reason : unknown verb)\", \"data\": {}}"
#define BAD_REQUEST                                                                                \
    "{\"success\": false, \"message\": \"Bad request (reason : malformed request)\", \"data\": {}}"

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
enum {
    FRAMING_COUNT = 4,
    MOST_UNREAD = 4000, /* bytes of a response */
    MOST_ANSWERED = 100,
    MOST_ANSWERED_AT_END = 20,
    INSATIABLE_COUNT = 80,
    MUCH = 4096, /* bytes of responses */
    FLOOD_COUNT = 200,
    GONE_COUNT = 8000,
    PATIENCE = ANWDL_PATIENCE *
               60000 /* milliseconds after which a server that does nothing counts as hung */
};

/* -- peers ------------------------------------------------------------------------------------- */

static void connect_peer(peer_t *peer, uint16_t port, anwdl_protocol_t framing) {
    peer_init(peer, connect_to(port), framing, "peer-1");
}

/* For a response that is not known beforehand: the beginning, and what else it contains. */
static void check_response_has(peer_t *peer, const char *request, const char *part) {
    char *found = peer_ask(peer, request);
    const char *success = "{\"success\": true, \"message\": \"OK\", \"data\": {";
    if (CHECK(found != NULL)) {
        CHECK(strncmp(found, success, strlen(success)) == 0);
        CHECK(strstr(found, part) != NULL);
    }
    free(found);
}

/* -- every server --------------------------------------------------------------------------- */

#define ECHO_PARAMETERS                                                                            \
    "{\"text\": \"\xe2\x82\xac\", \"number\": 123456789012345678901234567890, \"list\": [1.50]}"
#define DESTROY                                                                                    \
    "{\"verb\": \"DESTROY\", \"parameters\": {\"container_uuid\": "                                \
    "\"8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7\", \"client_token\": \"%s\"}}"

static void ask_every_verb(peer_t *peer) {
    char token[255 + 1] = "";
    char destroy[512];
    memset(token, 'x', sizeof token - 1);
    snprintf(destroy, sizeof destroy, DESTROY, token);
    check_response_has(peer, STAT, "\"version\": \"" ANWDL_VERSION "\"");
    check_response_has(peer, "{\"verb\": \"CREATE\", \"parameters\": {}}",
                       "\"container_username\": \"user_");
    peer_check_response(peer, destroy, "{\"success\": true, \"message\": \"OK\", \"data\": {}}");
    peer_check_response(peer, "{\"verb\": \"DESTROY\", \"parameters\": {}}",
                        "{\"success\": false, \"message\": \"Bad request\", \"data\": {}}");
    peer_check_response(
        peer, "{\"verb\": \"ECHO\", \"parameters\": " ECHO_PARAMETERS "}",
        "{\"success\": true, \"message\": \"OK\", \"data\": {\"echo\": " ECHO_PARAMETERS "}}");
    peer_check_response(peer, "{\"verb\": \"NONSENSE\", \"parameters\": {}}", REFUSED);
    peer_check_response(peer, "{\"verb\": \"lower case\", \"parameters\": {}}", BAD_REQUEST);
    check_response_has(peer, STAT, "\"uptime\": ");
}

static void be_served(uint16_t port, anwdl_protocol_t framing, bool speaks_first) {
    peer_t peer;
    connect_peer(&peer, port, framing);
    if (CHECK(peer_exchange_keys(&peer, speaks_first)))
        ask_every_verb(&peer);
    peer_free(&peer);
}

static void open_session(peer_t *peer, uint16_t port, anwdl_protocol_t framing) {
    connect_peer(peer, port, framing);
    REQUIRE(peer_exchange_keys(peer, true));
    check_response_has(peer, STAT, "uptime");
}

/* The peer has been hung up on: nothing comes any more. */
static void check_hung_up(peer_t *peer) {
    char byte;
    REQUIRE(wait_for(peer->fd, POLLIN, PATIENCE));
    CHECK(recv(peer->fd, &byte, 1, 0) <= 0);
}

/* None of these ends the server, and each is told apart in what it prints. */
static void behave_badly(process_t *server, uint16_t port) {
    peer_t peer;
    connect_peer(&peer, port, ANWDL_PROTOCOL_V4);
    CHECK(peer_send_bytes(&peer, "GET / HTTP/1.1\r\n\r\n", 18));
    peer_free(&peer);
    CHECK(find_line(server, "PROTOCOL_VIOLATION"));

    connect_peer(&peer, port, ANWDL_PROTOCOL_V4);
    peer_free(&peer);
    CHECK(find_line(server, "PEER_CLOSED"));

    connect_peer(&peer, port, ANWDL_PROTOCOL_V4);
    CHECK(peer_exchange_keys(&peer, true));
    peer.key[0] ^= 1;
    CHECK(!peer_send_request(&peer, STAT));
    peer_free(&peer);
    CHECK(find_line(server, "_FAILED"));
}

/* Signals that come until the process is gone do not end it before its time. It runs as seldom as
   may be, so that they come at each step of its end. */
static void test_signals_to_the_end(char *server_path) {
    char *const no_prefix[] = {NULL};
    char *const options[] = {"--private-key", ANWDL_KEYS_DIR "/server.pem", NULL};
    for (size_t round = 0; round < 16; round++) {
        int signal_number = round % 2 == 0 ? SIGTERM : SIGINT;
        uint16_t port;
        process_t server = start_server(no_prefix, server_path, options, &port);
        siginfo_t ended = {0};
        peer_t peer;
        open_session(&peer, port, ANWDL_PROTOCOL_V4);
        REQUIRE(setpriority(PRIO_PROCESS, (id_t)server.pid, 19) == 0);
        do
            REQUIRE(kill(server.pid, signal_number) == 0 &&
                    waitid(P_PID, (id_t)server.pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0);
        while (ended.si_pid == 0);
        check_exit_status(&server, EXIT_SUCCESS);
        peer_free(&peer);
    }
}

/* -- the server with all options --------------------------------------------------------------- */

static void test_every_framing_on_one_port(char *const prefix[], char *server_path) {
    uint16_t port;
    char *const options[] = {
        "--port", "0",          "--private-key", ANWDL_KEYS_DIR "/server.pem", "--timeout",
        "60000",  "--protocol", "auto",          "--max-message-size",         "100000",
        NULL};
    process_t server = start_server(prefix, server_path, options, &port);
    for (size_t round = 0; round < 2; round++) {
        for (size_t at = 0; at < FRAMING_COUNT; at++)
            be_served(port, FRAMINGS[at], true);
        for (size_t at = 0; at < FRAMING_COUNT; at++)
            CHECK(find_line(&server, "connected from 127.0.0.1"));
        behave_badly(&server, port);
    }

    /* A signal while a client is being served: no byte comes from it any more. */
    peer_t peer;
    connect_peer(&peer, port, ANWDL_PROTOCOL_V3);
    CHECK(peer_exchange_keys(&peer, true));
    check_response_has(&peer, STAT, "uptime");
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    check_hung_up(&peer);
    peer_free(&peer);
}

static void test_server_that_begins(char *const prefix[], char *server_path) {
    uint16_t port;
    char *const options[] = {"--receive-first", "no", "--private-key", ANWDL_KEYS_DIR "/server.pem",
                             NULL};
    process_t server = start_server(prefix, server_path, options, &port);
    for (size_t at = 0; at < FRAMING_COUNT - 1; at++)
        be_served(port, FRAMINGS[at], false);
    /* A signal while nobody is being served. */
    CHECK(kill(server.pid, SIGINT) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

static void check_refused_arguments(char *server_path, char *const cases[][3], size_t count) {
    for (size_t at = 0; at < count; at++) {
        char *const arguments[] = {server_path, cases[at][0], cases[at][1], cases[at][2], NULL};
        process_t server = start_process(arguments);
        check_exit_status(&server, EXIT_FAILURE);
    }
}

/* One that never rests keeps its turn, but no longer when others wait. */
static void test_turns(char *const prefix[], char *server_path) {
    uint16_t port;
    char *const options[] = {"--private-key", ANWDL_KEYS_DIR "/server.pem", "--turn", "0", NULL};
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t busy, other;
    unsigned answered = 0;
    char *response;
    open_session(&busy, port, ANWDL_PROTOCOL_GCM);
    check_response_has(&busy, STAT, "uptime");
    connect_peer(&other, port, ANWDL_PROTOCOL_V4);
    while (answered < MOST_ANSWERED && (response = peer_ask(&busy, STAT)) != NULL) {
        free(response);
        answered++;
    }
    CHECK(answered <= 1);
    CHECK(find_line(&server, "its time is over"));
    if (CHECK(peer_exchange_keys(&other, true)))
        ask_every_verb(&other);
    peer_free(&busy);
    peer_free(&other);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

/* The script runs the server, whose errors are printed with the rest. */
static process_t start_with_script(char *script, char *server_path, uint16_t *out_port) {
    char *const arguments[] = {
        "/bin/sh", "-c", script, server_path, "--private-key", ANWDL_KEYS_DIR "/server.pem", NULL};
    process_t server = start_process(arguments);
    char line[LONGEST_LINE + 1];
    unsigned port = 0;
    do
        REQUIRE(read_line(&server, line));
    while (sscanf(line, "listening on 127.0.0.1:%u", &port) != 1);
    *out_port = (uint16_t)port;
    return server;
}

/* Those who wait take all descriptors that there are. It goes on with one after the other. */
static void test_lack_of_descriptors(char *server_path) {
    uint16_t port;
    process_t server =
        start_with_script("exec 2>&1; ulimit -n 16; exec \"$0\" \"$@\"", server_path, &port);
    peer_t peers[24];
    for (size_t at = 0; at < 24; at++)
        connect_peer(&peers[at], port, ANWDL_PROTOCOL_V4);
    for (size_t at = 0; at < 24; at++) {
        peer_hang_up(&peers[at]);
        if (at == 0)
            CHECK(find_line(&server, "cannot accept: "));
        peer_free(&peers[at]);
    }
    be_served(port, ANWDL_PROTOCOL_GCM, true);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

/* There is none left at all, and nobody whose end would bring one. */
static void test_no_descriptor(char *server_path) {
    uint16_t port;
    process_t server =
        start_with_script("exec 2>&1 3<&-; ulimit -n 4; exec \"$0\" \"$@\"", server_path, &port);
    peer_t peer;
    connect_peer(&peer, port, ANWDL_PROTOCOL_V4);
    for (size_t count = 0; count < 3; count++)
        CHECK(find_line(&server, "cannot accept: "));
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    peer_free(&peer);
}

static void test_anwdl_server(char *const prefix[], char *server_path, char *client_path) {
    char *const cases[][3] = {{"--port", "65536"},
                              {"--port", "x"},
                              {"--receive-first", "maybe"},
                              {"--timeout", "-1"},
                              {"--turn", "soon"},
                              {"--protocol", "v5"},
                              {"--nonsense"},
                              {"superfluous"},
                              {"--port"},
                              {"--private-key", "/"},
                              {"--max-message-size", "0"}};
    (void)client_path;
    test_every_framing_on_one_port(prefix, server_path);
    test_server_that_begins(prefix, server_path);
    test_turns(prefix, server_path);
    if (*prefix == NULL) {
        test_lack_of_descriptors(server_path);
        test_no_descriptor(server_path);
        test_signals_to_the_end(server_path);
        check_refused_arguments(server_path, cases, sizeof cases / sizeof cases[0]);
    }
}

/* -- servers for many clients ------------------------------------------------------------------ */

#define BASIC_OPTIONS "--port", "0", "--private-key", ANWDL_KEYS_DIR "/server.pem"

static bool find_client_line(process_t *server, unsigned client, const char *what) {
    char text[128];
    snprintf(text, sizeof text, "client %u: %s", client, what);
    return find_line(server, text);
}

static void check_lines_of_one_client(process_t *server, unsigned client, const char *framing) {
    const char *const lines[] = {
        "STAT", "CREATE", "DESTROY", "DESTROY", "ECHO", "NONSENSE", "malformed request: {", "STAT"};
    CHECK(find_client_line(server, client, "connected from 127.0.0.1"));
    CHECK(find_client_line(server, client, "keys exchanged"));
    for (size_t at = 0; at < sizeof lines / sizeof lines[0]; at++) {
        char text[64];
        snprintf(text, sizeof text, "%s: %s", framing, lines[at]);
        CHECK(find_client_line(server, client, text));
    }
    CHECK(find_client_line(server, client, "closed: PEER_CLOSED"));
}

/* The other program that speaks the protocol: no line of it is shared with the peer. */
static void ask_with_client_example(char *client_path, uint16_t port, char *framing) {
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%u", port);
    char *const arguments[] = {client_path,
                               "--port",
                               port_text,
                               "--protocol",
                               framing,
                               "--private-key",
                               ANWDL_KEYS_DIR "/peer-2.pem",
                               "--json",
                               "127.0.0.1",
                               "ECHO",
                               "text=hello",
                               NULL};
    process_t client = start_process(arguments);
    CHECK(find_line(&client, "\"echo\""));
    check_exit_status(&client, EXIT_SUCCESS);
}

/* The answers to what it asked reach nobody, and are no reason for the server to end. */
static void leave_before_the_answers(process_t *server, uint16_t port) {
    int on = 1;
    int off = 0;
    peer_t peer;
    open_session(&peer, port, ANWDL_PROTOCOL_GCM);
    /* All requests, and the end, come at once. */
    REQUIRE(setsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0);
    for (int count = 0; count < 20; count++)
        CHECK(peer_send_request(&peer, STAT));
    REQUIRE(shutdown(peer.fd, SHUT_WR) == 0);
    REQUIRE(setsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off) == 0);
    peer_free(&peer);
    CHECK(find_line(server, "closed: "));
}

static void test_every_framing_in_turn(char *const prefix[], char *server_path, char *client_path) {
    static char *const names[] = {"v2", "v3", "v4", "gcm"};
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    unsigned client = 0;
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        be_served(port, FRAMINGS[at], true);
        check_lines_of_one_client(&server, ++client, names[at]);
        ask_with_client_example(client_path, port, names[at]);
        CHECK(find_client_line(&server, ++client, names[at]));
        CHECK(find_client_line(&server, client, "closed: PEER_CLOSED"));
    }
    behave_badly(&server, port);
    leave_before_the_answers(&server, port);
    be_served(port, ANWDL_PROTOCOL_V4, true);
    CHECK(kill(server.pid, SIGINT) == 0);
    CHECK(find_line(&server, "stopped"));
    check_exit_status(&server, EXIT_SUCCESS);
}

/* Nobody waits for another one, and SIGINT ends them all, whatever they are at. */
static void test_clients_at_the_same_time(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peers[6];
    connect_peer(&peers[0], port, ANWDL_PROTOCOL_V4); /* has said nothing */
    connect_peer(&peers[1], port, ANWDL_PROTOCOL_V4); /* in the middle of the exchange */
    CHECK(peer_send_public_key(&peers[1]));
    open_session(&peers[2], port, ANWDL_PROTOCOL_GCM); /* between two requests */
    open_session(&peers[3], port, ANWDL_PROTOCOL_V2);  /* in the middle of a request */
    CHECK(peer_send_length(&peers[3], 32) && peer_receive_answer(&peers[3]));
    open_session(&peers[4], port, ANWDL_PROTOCOL_V3); /* in the middle of a response */
    CHECK(peer_send_request(&peers[4], STAT));
    CHECK(wait_for(peers[4].fd, POLLIN, PATIENCE));
    for (size_t at = 0; at < FRAMING_COUNT; at++)
        be_served(port, FRAMINGS[at], true);
    connect_peer(&peers[5], port, ANWDL_PROTOCOL_V4); /* has just arrived */
    CHECK(kill(server.pid, SIGINT) == 0);
    for (size_t at = 0; at < 5; at++)
        CHECK(find_line(&server, "closed: the server stops"));
    CHECK(find_line(&server, "stopped"));
    check_exit_status(&server, EXIT_SUCCESS);
    for (size_t at = 0; at < sizeof peers / sizeof peers[0]; at++)
        peer_free(&peers[at]);
}

static void be_refused(process_t *server, uint16_t port, unsigned client, const char *why) {
    peer_t peer;
    char line[64];
    connect_peer(&peer, port, ANWDL_PROTOCOL_V4);
    check_hung_up(&peer);
    snprintf(line, sizeof line, "refused: %s", why);
    CHECK(find_client_line(server, client, line));
    peer_free(&peer);
}

static void test_limits_of_an_address(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout",
                             "60000",       "--max-clients-per-address",
                             "3",           "--max-exchanges-per-address",
                             "1",           NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peers[5];
    open_session(&peers[0], port, ANWDL_PROTOCOL_V4);
    open_session(&peers[1], port, ANWDL_PROTOCOL_GCM);
    connect_peer(&peers[2], port, ANWDL_PROTOCOL_V4);
    CHECK(find_client_line(&server, 3, "connected"));
    be_refused(&server, port, 4, "too many clients of its address");
    peer_hang_up(&peers[0]);
    CHECK(find_client_line(&server, 1, "closed: PEER_CLOSED"));
    be_refused(&server, port, 5, "too many key exchanges of its address");
    peer_init(&peers[3], connect_from("127.0.0.2", port), ANWDL_PROTOCOL_V3, "peer-2");
    CHECK(peer_exchange_keys(&peers[3], true));
    CHECK(peer_exchange_keys(&peers[2], true));
    CHECK(find_client_line(&server, 3, "keys exchanged"));
    open_session(&peers[4], port, ANWDL_PROTOCOL_V2);
    check_response_has(&peers[1], STAT, "uptime");
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    for (size_t at = 0; at < sizeof peers / sizeof peers[0]; at++)
        peer_free(&peers[at]);
}

/* All places are taken: by one that rests, one that stops in the exchange, and one that stops in
   the middle of a request. */
static void test_giving_way(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", "--max-clients", "3", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t old[3], new[3];
    open_session(&old[0], port, ANWDL_PROTOCOL_V4);
    connect_peer(&old[1], port, ANWDL_PROTOCOL_V4);
    CHECK(peer_send_public_key(&old[1]));
    open_session(&old[2], port, ANWDL_PROTOCOL_V2);
    CHECK(peer_send_length(&old[2], 32) && peer_receive_answer(&old[2]));
    for (size_t at = 0; at < 3; at++) {
        peer_init(&new[at], connect_from("127.0.0.2", port), ANWDL_PROTOCOL_GCM, "peer-2");
        CHECK(peer_exchange_keys(&new[at], true));
        check_response_has(&new[at], STAT, "uptime");
        CHECK(find_line(&server, "closed: gave way"));
    }
    /* The third one had the most already, so that one of its own gave way. */
    size_t hung_up[2] = {0, 0};
    for (size_t at = 0; at < 3; at++) {
        hung_up[0] += wait_for(old[at].fd, POLLIN, 0);
        hung_up[1] += wait_for(new[at].fd, POLLIN, 0);
    }
    /* One of the old ones was sent the server's key, which it has not read. */
    CHECK(hung_up[0] == 2 || hung_up[0] == 3);
    CHECK_INTEGER(hung_up[1], 1);
    CHECK(kill(server.pid, SIGINT) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    for (size_t at = 0; at < 3; at++) {
        peer_free(&old[at]);
        peer_free(&new[at]);
    }
}

/* Each loop takes descriptors of its own: with many, there are still enough for every place and for
   the client that comes next, though the system allows few at first. */
static void test_giving_way_with_many_loops(char *server_path) {
    uint16_t port;
    process_t server = start_with_script(
        "ulimit -S -n 64; exec \"$0\" \"$@\" --threads 70 --max-clients 20", server_path, &port);
    peer_t silent[20], honest;
    for (size_t at = 0; at < 20; at++)
        connect_peer(&silent[at], port, ANWDL_PROTOCOL_V4);
    CHECK(find_client_line(&server, 20, "connected"));
    peer_init(&honest, connect_from("127.9.9.9", port), ANWDL_PROTOCOL_GCM, "peer-2");
    if (CHECK(peer_exchange_keys(&honest, true)))
        check_response_has(&honest, STAT, "uptime");
    CHECK(find_line(&server, "closed: gave way"));
    CHECK(kill(server.pid, SIGINT) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    for (size_t at = 0; at < 20; at++)
        peer_free(&silent[at]);
    peer_free(&honest);
}

/* What follows the length in v2. */
static void encrypt_request(const peer_t *peer, const char *json, uint8_t **out, size_t *out_len) {
    anwdl_aes_wrapper_t *cipher = NULL;
    REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &cipher) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_set_key(cipher, peer->key, sizeof peer->key, peer->iv,
                                      sizeof peer->iv) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(cipher, (const uint8_t *)json, strlen(json), out,
                                           out_len) == ANWDL_OK);
    anwdl_aes_wrapper_free(cipher);
}

/* Whether the length of another request is taken, and the request answered. */
static bool goes_on_asking(peer_t *peer, const uint8_t *request, size_t len) {
    char *response = NULL;
    if (peer_receive_answer(peer) && peer_send_bytes(peer, request, len))
        response = peer_receive_response(peer);
    bool is_answered = response != NULL && strstr(response, "uptime") != NULL;
    free(response);
    return is_answered;
}

/* The end of a request, of which the length was taken; and the length of the next in one piece with
   the answer that lets the server send the response. */
static bool ask_twice_at_once(peer_t *peer, const uint8_t *request, size_t len) {
    char bytes[1 + 8 + 1] = "1", packet[4096];
    size_t packet_len;
    memset(bytes + 1, '=', 8);
    int digits = snprintf(packet, sizeof packet, "%zu", len);
    memcpy(bytes + 1, packet, (size_t)digits);
    if (!peer_send_bytes(peer, request, len) || !peer_receive_bytes(peer, packet, 8))
        return false;
    peer->drip = 0;
    packet_len = strtoul(packet, NULL, 10);
    return CHECK(packet_len > 0 && packet_len <= sizeof packet) &&
           peer_send_bytes(peer, bytes, 9) && peer_receive_bytes(peer, packet, packet_len);
}

/* Nobody whose request has begun loses it, however close to SIGTERM that was: in one turn of the
   server with the end of the last one, or with the signal. */
static void test_draining_loses_no_request(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", "--drain-timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t idle, hasty, late;
    uint8_t *request = NULL, *late_request = NULL;
    size_t len = 0;
    siginfo_t stopped;
    open_session(&idle, port, ANWDL_PROTOCOL_V4);
    open_session(&hasty, port, ANWDL_PROTOCOL_V2);
    open_session(&late, port, ANWDL_PROTOCOL_V2);
    encrypt_request(&hasty, STAT, &request, &len);
    encrypt_request(&late, STAT, &late_request, &len);
    CHECK(peer_send_length(&hasty, len) && peer_receive_answer(&hasty));
    REQUIRE(kill(server.pid, SIGSTOP) == 0);
    REQUIRE(waitid(P_PID, (id_t)server.pid, &stopped, WSTOPPED) == 0);
    CHECK(peer_send_length(&late, len));
    REQUIRE(kill(server.pid, SIGTERM) == 0);
    REQUIRE(kill(server.pid, SIGCONT) == 0);
    check_hung_up(&idle); /* so it drains */
    CHECK(goes_on_asking(&late, late_request, len));
    check_hung_up(&late);
    CHECK(ask_twice_at_once(&hasty, request, len));
    CHECK(goes_on_asking(&hasty, request, len));
    check_hung_up(&hasty);
    check_exit_status(&server, EXIT_SUCCESS);
    anwdl_bytes_free(request, len);
    anwdl_bytes_free(late_request, len);
    peer_free(&idle);
    peer_free(&hasty);
    peer_free(&late);
}

/* At SIGTERM, who is in the middle of a request gets its response, and nobody else anything. */
static void test_draining(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", "--drain-timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t idle, asking, exchanging;
    uint8_t *request = NULL;
    size_t len = 0;
    open_session(&idle, port, ANWDL_PROTOCOL_V4);
    open_session(&asking, port, ANWDL_PROTOCOL_V2);
    /* So that the server has seen it idle: a request begins from there. */
    CHECK(find_client_line(&server, 2, "keys exchanged"));
    connect_peer(&exchanging, port, ANWDL_PROTOCOL_V4);
    CHECK(peer_send_public_key(&exchanging));
    encrypt_request(&asking, STAT, &request, &len);
    CHECK(peer_send_length(&asking, len) && peer_receive_answer(&asking));
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_hung_up(&idle);
    peer_check_hung_up(&exchanging);
    char *response = NULL;
    if (CHECK(peer_send_bytes(&asking, request, len)))
        response = peer_receive_response(&asking);
    CHECK(response != NULL && strstr(response, "uptime") != NULL);
    free(response);
    anwdl_bytes_free(request, len);
    check_hung_up(&asking);
    CHECK(find_line(&server, "stopped"));
    check_exit_status(&server, EXIT_SUCCESS);
    peer_free(&idle);
    peer_free(&asking);
    peer_free(&exchanging);
}

/* What does not come to its end is not waited for, nor is a client that always has more to ask. */
static void test_end_of_draining(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "600000", "--drain-timeout", "1000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t silent, asking;
    uint8_t *request = NULL;
    size_t len = 0;
    unsigned answered = 0;
    open_session(&silent, port, ANWDL_PROTOCOL_V2);
    open_session(&asking, port, ANWDL_PROTOCOL_V2);
    encrypt_request(&asking, STAT, &request, &len);
    CHECK(peer_send_length(&silent, 32) && peer_receive_answer(&silent));
    CHECK(peer_send_length(&asking, len) && peer_receive_answer(&asking));
    CHECK(kill(server.pid, SIGTERM) == 0);
    do
        asking.drip = 5; /* milliseconds for each of the 48 bytes */
    while (ask_twice_at_once(&asking, request, len) && peer_receive_answer(&asking) &&
           ++answered < MOST_ANSWERED_AT_END);
    CHECK(answered < MOST_ANSWERED_AT_END);
    peer_check_hung_up(&asking);
    check_hung_up(&silent);
    CHECK(find_line(&server, "closed: the server stops"));
    CHECK(find_line(&server, "closed: the server stops"));
    check_exit_status(&server, EXIT_SUCCESS);
    anwdl_bytes_free(request, len);
    peer_free(&silent);
    peer_free(&asking);
}

/* A client that sends the same request again and again, as fast as it can, and reads what comes. */
typedef struct {
    peer_t peer;
    uint8_t bytes[32768]; /* whole requests */
    size_t len;
    size_t at;
    size_t received;
    bool has_ended;
} insatiable_t;

static void open_insatiable(insatiable_t *client, uint16_t port) {
    uint8_t *request = NULL;
    size_t len = 0;
    char length[8 + 1];
    open_session(&client->peer, port, ANWDL_PROTOCOL_V2);
    encrypt_request(&client->peer, STAT, &request, &len);
    int digits = snprintf(length, sizeof length, "%zu", len);
    memset(length + digits, '=', sizeof length - (size_t)digits);
    client->len = client->at = client->received = 0;
    client->has_ended = false;
    while (client->len + 8 + len + 1 <= sizeof client->bytes) {
        memcpy(client->bytes + client->len, length, 8);
        memcpy(client->bytes + client->len + 8, request, len);
        client->bytes[client->len + 8 + len] = '1'; /* the answer to the response's length */
        client->len += 8 + len + 1;
    }
    anwdl_bytes_free(request, len);
    REQUIRE(fcntl(client->peer.fd, F_SETFL, O_NONBLOCK) == 0);
}

static void ask_and_read(insatiable_t *client) {
    char bytes[4096];
    ssize_t count;
    while ((count = send(client->peer.fd, client->bytes + client->at, client->len - client->at,
                         MSG_NOSIGNAL)) > 0)
        client->at = (client->at + (size_t)count) % client->len;
    while ((count = recv(client->peer.fd, bytes, sizeof bytes, 0)) > 0)
        client->received += (size_t)count;
    client->has_ended = count == 0 || errno != EAGAIN;
}

/* So many that the server is never done with all of them. They do not keep it beyond its time. */
static void test_insatiable_clients(char *server_path) {
    char *const no_prefix[] = {NULL};
    char *const options[] = {BASIC_OPTIONS, "--timeout", "600000", "--drain-timeout", "500", NULL};
    static insatiable_t clients[INSATIABLE_COUNT];
    uint16_t port;
    process_t server = start_server(no_prefix, server_path, options, &port);
    size_t left = INSATIABLE_COUNT;
    bool is_told = false;
    int64_t end = now_in_milliseconds() + PATIENCE;
    for (size_t at = 0; at < INSATIABLE_COUNT; at++)
        open_insatiable(&clients[at], port);
    while (left > 0 && now_in_milliseconds() < end) {
        struct pollfd entries[INSATIABLE_COUNT + 1];
        char lines[4096];
        size_t sated = 0;
        left = 0;
        for (size_t at = 0; at < INSATIABLE_COUNT; at++) {
            if (!clients[at].has_ended)
                ask_and_read(&clients[at]);
            entries[at] = (struct pollfd){.fd = clients[at].has_ended ? -1 : clients[at].peer.fd,
                                          .events = POLLIN | POLLOUT};
            left += !clients[at].has_ended;
            sated += clients[at].received >= MUCH;
        }
        if (!is_told && sated == INSATIABLE_COUNT) {
            is_told = true;
            CHECK(kill(server.pid, SIGTERM) == 0);
        }
        entries[INSATIABLE_COUNT] = (struct pollfd){.fd = server.output, .events = POLLIN};
        REQUIRE(poll(entries, INSATIABLE_COUNT + 1, 1000) >= 0 || errno == EINTR);
        if (entries[INSATIABLE_COUNT].revents != 0)
            REQUIRE(read(server.output, lines, sizeof lines) >= 0);
    }
    if (!CHECK(left == 0))
        CHECK(kill(server.pid, SIGKILL) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    for (size_t at = 0; at < INSATIABLE_COUNT; at++)
        peer_free(&clients[at].peer);
}

/* While the server drains, SIGINT ends what is under way, too. */
static void test_interrupted_draining(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS,     "--timeout", "600000",
                             "--drain-timeout", "600000",    NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t idle, asking;
    open_session(&idle, port, ANWDL_PROTOCOL_V4);
    open_session(&asking, port, ANWDL_PROTOCOL_V2);
    CHECK(peer_send_length(&asking, 32) && peer_receive_answer(&asking));
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_hung_up(&idle); /* so it drains */
    CHECK(kill(server.pid, SIGTERM) == 0);
    CHECK(kill(server.pid, SIGINT) == 0);
    check_hung_up(&asking);
    CHECK(find_line(&server, "stopped"));
    check_exit_status(&server, EXIT_SUCCESS);
    peer_free(&idle);
    peer_free(&asking);
}

/* The last step of the key exchange and a request have come by the time that the server looks, and
   so has the signal. */
static void test_request_behind_the_exchange(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", "--drain-timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peers[FRAMING_COUNT];
    relay_t *relays[FRAMING_COUNT];
    siginfo_t stopped;
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        int ends[2];
        peer_t first; /* which shows how much the key exchange is */
        connect_peer(&first, port, FRAMINGS[at]);
        REQUIRE(peer_exchange_keys(&first, true));
        make_unix_pair(ends);
        relays[at] = relay_new(ends[0], connect_to(port));
        relay_limit(relays[at], first.bytes_sent - 1);
        peer_init(&peers[at], ends[1], FRAMINGS[at], "peer-1");
        REQUIRE(peer_exchange_keys(&peers[at], true));
        CHECK(peers[at].bytes_sent == first.bytes_sent);
        peers[at].is_eager = true;
        REQUIRE(peer_send_request(&peers[at], STAT));
        peer_free(&first);
    }
    REQUIRE(kill(server.pid, SIGSTOP) == 0);
    REQUIRE(waitid(P_PID, (id_t)server.pid, &stopped, WSTOPPED) == 0);
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        relay_limit(relays[at], SIZE_MAX);
        relay_await(relays[at], peers[at].bytes_sent);
    }
    REQUIRE(kill(server.pid, SIGTERM) == 0);
    REQUIRE(kill(server.pid, SIGCONT) == 0);
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        char *response = peer_receive_response(&peers[at]);
        CHECK(response != NULL && strstr(response, "uptime") != NULL);
        free(response);
        peer_check_hung_up(&peers[at]);
        peer_free(&peers[at]);
        relay_free(relays[at]);
    }
    check_exit_status(&server, EXIT_SUCCESS);
}

/* Requests whose responses nobody reads: how many are answered does not depend on how much the
   system would queue. */
static void test_responses_that_nobody_reads(char *const prefix[], char *server_path) {
    /* Keys are exchanged within this time, too, which valgrind makes long. */
    char *const timeout = prefix[0] != NULL ? "8000" : "2000";
    char *const options[] = {BASIC_OPTIONS, "--timeout", timeout, NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peer;
    char echo[8192];
    char line[LONGEST_LINE + 1];
    unsigned answered = 0;
    int size = 4096;
    snprintf(echo, sizeof echo, "{\"verb\": \"ECHO\", \"parameters\": {\"text\": \"%0*d\"}}",
             MOST_UNREAD, 0);
    open_session(&peer, port, ANWDL_PROTOCOL_V2);
    peer.is_eager = true;
    CHECK(setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    /* It ends when the server hangs up. */
    while (peer_send_request(&peer, echo))
        ;
    do {
        REQUIRE(read_line(&server, line));
        answered += strstr(line, ": v2: ECHO") != NULL;
    } while (strstr(line, "closed: ") == NULL);
    CHECK(strstr(line, "TIMEOUT") != NULL);
    CHECK(answered < MOST_ANSWERED);
    printf("%u responses of %d bytes that nobody reads\n", answered, MOST_UNREAD);
    peer_free(&peer);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

static void test_longest_request(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peer;
    open_session(&peer, port, ANWDL_PROTOCOL_GCM);
    CHECK(peer_announce(&peer, 32768));
    check_hung_up(&peer);
    CHECK(find_client_line(&server, 1, "closed: MESSAGE_TOO_LARGE"));
    peer_free(&peer);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

/* It never lets the server wait for long, and is not done before the deadline. */
static void drip_exchange(peer_t *peer) {
    peer->drip = 20;
    CHECK(!peer_exchange_keys(peer, true));
}

static void drip_request(peer_t *peer) {
    char request[1024];
    snprintf(request, sizeof request,
             "{\"verb\": \"STAT\", \"parameters\": {\"long\": \"%0900d\"}}", 0);
    peer->drip = 20;
    /* Whether the last byte found the connection open does not matter. */
    if (peer_send_request(peer, request))
        check_hung_up(peer);
}

static void test_deadlines(char *server_path) {
    char *const no_prefix[] = {NULL};
    char *const options[] = {BASIC_OPTIONS, "--timeout", "2000", NULL};
    uint16_t port;
    process_t server = start_server(no_prefix, server_path, options, &port);
    peer_t idle, in_exchange, in_request, in_response;
    open_session(&idle, port, ANWDL_PROTOCOL_V4);
    open_session(&in_request, port, ANWDL_PROTOCOL_GCM);
    open_session(&in_response, port, ANWDL_PROTOCOL_V4);
    connect_peer(&in_exchange, port, ANWDL_PROTOCOL_V4);
    peer_start(&in_exchange, drip_exchange, NULL);
    peer_start(&in_request, drip_request, NULL);
    CHECK(peer_send_request(&in_response, STAT));
    be_served(port, ANWDL_PROTOCOL_V4, true);
    peer_join(&in_exchange);
    peer_join(&in_request);
    CHECK(peer_receive_bytes(&in_response, (char[16]){0}, 16)); /* the header */
    check_hung_up(&in_response);
    /* The idle one has done nothing for longer than the timeout. */
    check_response_has(&idle, STAT, "uptime");
    CHECK(find_line(&server, "closed: TIMEOUT"));
    CHECK(find_line(&server, "closed: TIMEOUT"));
    CHECK(find_line(&server, "closed: TIMEOUT"));
    CHECK(kill(server.pid, SIGTERM) == 0);
    CHECK(find_client_line(&server, 1, "closed: the server stops"));
    check_exit_status(&server, EXIT_SUCCESS);
    peer_free(&idle);
    peer_free(&in_exchange);
    peer_free(&in_request);
    peer_free(&in_response);
}

static void test_idle_timeout(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", "--idle-timeout", "500", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peer;
    connect_peer(&peer, port, ANWDL_PROTOCOL_GCM);
    CHECK(peer_exchange_keys(&peer, true));
    check_hung_up(&peer);
    CHECK(find_client_line(&server, 1, "closed: idle for too long"));
    peer_free(&peer);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

/* So many have connected by the time that the server looks: it does not take all of them before it
   looks at its clients. */
static void test_flood(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--timeout", "60000", NULL};
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    peer_t peer;
    int flood[FLOOD_COUNT];
    char line[LONGEST_LINE + 1];
    int status = 0;
    unsigned taken = 0;
    open_session(&peer, port, ANWDL_PROTOCOL_GCM);
    CHECK(find_client_line(&server, 1, "gcm: STAT"));
    REQUIRE(kill(server.pid, SIGSTOP) == 0);
    REQUIRE(waitpid(server.pid, &status, WUNTRACED) == server.pid && WIFSTOPPED(status));
    for (size_t at = 0; at < FLOOD_COUNT; at++)
        flood[at] = connect_from("127.0.0.2", port);
    peer_hang_up(&peer);
    REQUIRE(kill(server.pid, SIGCONT) == 0);
    for (;;) {
        REQUIRE(read_line(&server, line));
        if (strstr(line, "client 1: closed: PEER_CLOSED") != NULL)
            break;
        taken++;
    }
    CHECK(taken < FLOOD_COUNT / 2);
    printf("%u of %d are taken first\n", taken, FLOOD_COUNT);
    for (size_t at = 0; at < FLOOD_COUNT; at++)
        close(flood[at]);
    peer_free(&peer);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

/* Each client has one. */
static bool is_last_line(const char *line) {
    return strstr(line, ": closed: ") != NULL || strstr(line, ": refused: ") != NULL;
}

/* They are gone again before the server looks, so that a session ends as soon as it begins. Under
   ThreadSanitizer this shows who still uses a session that is another thread's by then. */
static void test_clients_that_are_gone(char *const prefix[], char *server_path) {
    char *const options[] = {BASIC_OPTIONS, "--max-clients",
                             "40",          "--max-clients-per-address",
                             "1000",        "--max-exchanges-per-address",
                             "1000",        NULL};
    const size_t count = *prefix == NULL ? GONE_COUNT : FLOOD_COUNT;
    uint16_t port;
    process_t server = start_server(prefix, server_path, options, &port);
    char line[LONGEST_LINE + 1];
    size_t ended = 0;
    REQUIRE(fcntl(server.output, F_SETFL, O_NONBLOCK) == 0);
    for (size_t at = 0; at < count; at++) {
        int fd = connect_from("127.0.0.2", port);
        CHECK(send(fd, "rubbish!", 8, MSG_NOSIGNAL) == 8);
        close(fd);
        while (read_ready_line(&server, line))
            ended += is_last_line(line);
    }
    while (ended < count && CHECK(read_line(&server, line)))
        ended += is_last_line(line);
    be_served(port, ANWDL_PROTOCOL_GCM, true);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
}

static void test_concurrent_server(char *const prefix[], char *server_path, char *client_path) {
    char *const cases[][3] = {
        {"--port", "65536"},    {"--port", "x"},        {"--timeout", "0"},
        {"--timeout", "-1"},    {"--max-clients", "0"}, {"--idle-timeout", "soon"},
        {"--nonsense"},         {"superfluous"},        {"--port"},
        {"--private-key", "/"}, {"--threads", "0"},     {"--workers", "0"}};
    test_every_framing_in_turn(prefix, server_path, client_path);
    test_clients_at_the_same_time(prefix, server_path);
    test_limits_of_an_address(prefix, server_path);
    test_giving_way(prefix, server_path);
    test_clients_that_are_gone(prefix, server_path);
    test_draining(prefix, server_path);
    test_draining_loses_no_request(prefix, server_path);
    test_request_behind_the_exchange(prefix, server_path);
    test_end_of_draining(prefix, server_path);
    test_interrupted_draining(prefix, server_path);
    test_longest_request(prefix, server_path);
    test_responses_that_nobody_reads(prefix, server_path);
    test_idle_timeout(prefix, server_path);
    if (*prefix == NULL) {
        test_deadlines(server_path);
        test_signals_to_the_end(server_path);
        test_insatiable_clients(server_path);
        check_refused_arguments(server_path, cases, sizeof cases / sizeof cases[0]);
    }
}

static void test_epoll_server(char *const prefix[], char *server_path, char *client_path) {
    test_concurrent_server(prefix, server_path, client_path);
    if (*prefix == NULL)
        test_giving_way_with_many_loops(server_path);
}

/* One that accepts clients, and serves them, on the same thread. */
static void test_one_loop(char *const prefix[], char *server_path, char *client_path) {
    test_concurrent_server(prefix, server_path, client_path);
    test_flood(prefix, server_path);
}

/* -- which of them ------------------------------------------------------------------------------
 */

typedef struct {
    const char *name;
    void (*test)(char *const prefix[], char *server_path, char *client_path);
} case_t;

static const case_t CASES[] = {{"anwdl_server", test_anwdl_server},
                               {"thread_server", test_concurrent_server},
                               {"epoll_server", test_epoll_server},
                               {"uv_server", test_one_loop},
                               {"asio_server", test_one_loop}};

int main(int argc, char **argv) {
    bool is_known = false;
    REQUIRE(argc >= 4);
    for (size_t at = 0; at < sizeof CASES / sizeof CASES[0]; at++) {
        if (strcmp(argv[1], CASES[at].name) == 0) {
            is_known = true;
            CASES[at].test(argv + 4, argv[2], argv[3]);
        }
    }
    REQUIRE(is_known);
    return check_finish();
}
