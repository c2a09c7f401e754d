/* The example servers, as processes of their own: test_servers MINIMAL_SERVER ANWDL_SERVER
   [PREFIX...], where the prefix is a program to run the latter under. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"
#define REFUSED                                                                                    \
    "{\"success\": false, \"message\": \"Refused request (reason : unknown verb)\", \"data\": {}}"
#define BAD_REQUEST                                                                                \
    "{\"success\": false, \"message\": \"Bad request (reason : malformed request)\", \"data\": {}}"

enum { LONGEST_LINE = 4096, MOST_ARGUMENTS = 32 };

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
enum { FRAMING_COUNT = 4 };

/* -- processes --------------------------------------------------------------------------------- */

typedef struct {
    pid_t pid;
    FILE *output;
} process_t;

static process_t start_process(char *const arguments[]) {
    process_t process;
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    process.pid = fork();
    REQUIRE(process.pid >= 0);
    if (process.pid == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        execv(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    close(pipe_ends[1]);
    process.output = fdopen(pipe_ends[0], "r");
    REQUIRE(process.output != NULL);
    return process;
}

static void check_exit_status(process_t *process, int expected) {
    int status = 0;
    char line[LONGEST_LINE];
    while (fgets(line, sizeof line, process->output) != NULL)
        ;
    fclose(process->output);
    REQUIRE(waitpid(process->pid, &status, 0) == process->pid);
    CHECK(WIFEXITED(status));
    CHECK_INTEGER(WEXITSTATUS(status), expected);
}

/* Reads the server's lines until one contains the text. */
static bool find_line(process_t *process, const char *text) {
    char line[LONGEST_LINE];
    while (fgets(line, sizeof line, process->output) != NULL)
        if (strstr(line, text) != NULL)
            return true;
    fprintf(stderr, "the server did not print: %s\n", text);
    return false;
}

/* -- peers ------------------------------------------------------------------------------------- */

static void connect_peer(peer_t *peer, uint16_t port, anwdl_protocol_t framing) {
    peer_init(peer, connect_to(port), framing, "peer-1");
}

static void check_response(peer_t *peer, const char *request, const char *response) {
    char *found = peer_ask(peer, request);
    CHECK_STRING(found, response);
    free(found);
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

/* -- the full server --------------------------------------------------------------------------- */

static process_t start_server(char *const prefix[], char *server, char *const options[],
                              uint16_t *port) {
    char *arguments[MOST_ARGUMENTS];
    size_t count = 0;
    char line[LONGEST_LINE] = "";
    unsigned number = 0;
    while (*prefix != NULL)
        arguments[count++] = *prefix++;
    arguments[count++] = server;
    while (*options != NULL)
        arguments[count++] = *options++;
    REQUIRE(count < MOST_ARGUMENTS);
    arguments[count] = NULL;
    process_t process = start_process(arguments);
    REQUIRE(fgets(line, sizeof line, process.output) != NULL);
    REQUIRE(sscanf(line, "listening on 127.0.0.1:%u", &number) == 1);
    *port = (uint16_t)number;
    return process;
}

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
    check_response(peer, destroy, "{\"success\": true, \"message\": \"OK\", \"data\": {}}");
    check_response(peer, "{\"verb\": \"DESTROY\", \"parameters\": {}}",
                   "{\"success\": false, \"message\": \"Bad request\", \"data\": {}}");
    check_response(peer, "{\"verb\": \"ECHO\", \"parameters\": " ECHO_PARAMETERS "}",
                   "{\"success\": true, \"message\": \"OK\", \"data\": {\"echo\": " ECHO_PARAMETERS
                   "}}");
    check_response(peer, "{\"verb\": \"NONSENSE\", \"parameters\": {}}", REFUSED);
    check_response(peer, "{\"verb\": \"lower case\", \"parameters\": {}}", BAD_REQUEST);
    check_response_has(peer, STAT, "\"uptime\": ");
}

static void be_served(uint16_t port, anwdl_protocol_t framing, bool speaks_first) {
    peer_t peer;
    connect_peer(&peer, port, framing);
    if (CHECK(peer_exchange_keys(&peer, speaks_first)))
        ask_every_verb(&peer);
    peer_free(&peer);
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
    char byte;
    CHECK(recv(peer.fd, &byte, 1, 0) <= 0);
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

static void test_unacceptable_arguments(char *server_path) {
    char *const cases[][4] = {
        {server_path, "--port", "65536", NULL},          {server_path, "--port", "x", NULL},
        {server_path, "--receive-first", "maybe", NULL}, {server_path, "--timeout", "-1", NULL},
        {server_path, "--protocol", "v5", NULL},         {server_path, "--nonsense", NULL, NULL},
        {server_path, "superfluous", NULL, NULL},        {server_path, "--private-key", "/", NULL},
        {server_path, "--max-message-size", "0", NULL},  {server_path, "--port", NULL, NULL}};
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        process_t server = start_process(cases[at]);
        check_exit_status(&server, EXIT_FAILURE);
    }
}

/* -- the minimal server ------------------------------------------------------------------------ */

static bool try_to_connect(uint16_t port, int *out_fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *out_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*out_fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    close(*out_fd);
    return false;
}

/* It says nothing when it is ready, as a page of code must be short: knock until it opens. */
static int knock(const process_t *server, uint16_t port) {
    int64_t end = now_in_milliseconds() + 60000;
    int fd;
    while (!try_to_connect(port, &fd)) {
        REQUIRE(now_in_milliseconds() < end);
        REQUIRE(waitpid(server->pid, NULL, WNOHANG) == 0);
        poll(NULL, 0, 1);
    }
    return fd;
}

static void test_minimal_server(char *server_path) {
    uint16_t port;
    char port_text[8];
    close(make_listener(&port));
    snprintf(port_text, sizeof port_text, "%u", port);
    char *const arguments[] = {server_path, port_text, NULL};
    process_t server = start_process(arguments);
    for (size_t at = 0; at < FRAMING_COUNT; at++) {
        peer_t peer;
        peer_init(&peer, knock(&server, port), FRAMINGS[at], "peer-1");
        if (CHECK(peer_exchange_keys(&peer, true))) {
            check_response_has(&peer, STAT, "\"version\": \"1.0.0\"");
            check_response(&peer, "{\"verb\": \"CREATE\", \"parameters\": {}}",
                           "{\"success\": false, \"message\": \"Refused request\", \"data\": {}}");
            check_response_has(&peer, STAT, "\"uptime\": 60");
        }
        peer_free(&peer);
    }
    int status = 0;
    CHECK(kill(server.pid, SIGTERM) == 0);
    fclose(server.output);
    CHECK(waitpid(server.pid, &status, 0) == server.pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(int argc, char **argv) {
    REQUIRE(argc >= 3);
    char *const *prefix = argv + 3;
    test_every_framing_on_one_port(prefix, argv[2]);
    test_server_that_begins(prefix, argv[2]);
    if (*prefix == NULL) {
        test_unacceptable_arguments(argv[2]);
        test_minimal_server(argv[1]);
    }
    return check_finish();
}
