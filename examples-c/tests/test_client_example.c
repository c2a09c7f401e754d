/* The command line client, as a process: test_client_example CLIENT ANWDL_SERVER SERVER... [--
   PREFIX...], where the prefix is a program to run the client under. */
#include "check.h"
#include "own_server.h"
#include "peer.h"
#include "process.h"
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit statuses of the client. */
enum { SUCCEEDED = 0, REFUSED = 1, MISUSED = 2, FAILED = 3 };

enum { MOST_ARGUMENTS = 40, LONGEST_OUTPUT = 16384, PORT_SIZE = 6 };

#define SERVER_KEY ANWDL_KEYS_DIR "/server.pem"
#define CLIENT_KEY ANWDL_KEYS_DIR "/peer-1.pem"
#define TOKEN_64   "0123456789abcdefghijklmnopqrstuvwxyz-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define UUID       "8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7"

static const char *const FRAMINGS[] = {"v2", "v3", "v4", "gcm"};
enum { FRAMING_COUNT = 4 };

static char *client_path;
static char *const *prefix;
static char server_fingerprint[64 + 1];

/* -- processes --------------------------------------------------------------------------------- */

typedef struct {
    int exit_status; /* -1: it did not exit by itself */
    char output[LONGEST_OUTPUT];
    char errors[LONGEST_OUTPUT];
} outcome_t;

static void read_back(FILE *file, char text[LONGEST_OUTPUT]) {
    rewind(file);
    text[fread(text, 1, LONGEST_OUTPUT - 1, file)] = '\0';
    fclose(file);
}

static FILE *make_file(const char *text) {
    FILE *file = tmpfile();
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fflush(file) == 0);
    rewind(file);
    return file;
}

/* Runs the client to its end, with a key of its own unless told otherwise. */
static outcome_t run_client_bare(const char *input, const char *const arguments[]) {
    outcome_t outcome = {.exit_status = -1};
    const char *all[MOST_ARGUMENTS + 1] = {NULL};
    size_t count = 0;
    FILE *files[3] = {make_file(input), make_file(""), make_file("")};
    int status = 0;
    for (char *const *word = prefix; *word != NULL; word++)
        all[count++] = *word;
    all[count++] = client_path;
    for (; *arguments != NULL && count < MOST_ARGUMENTS; arguments++)
        all[count++] = *arguments;
    REQUIRE(*arguments == NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        for (int at = 0; at < 3; at++)
            dup2(fileno(files[at]), at);
        execv(all[0], (char *const *)all);
        perror(all[0]);
        _exit(127);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status))
        outcome.exit_status = WEXITSTATUS(status);
    fclose(files[0]);
    read_back(files[1], outcome.output);
    read_back(files[2], outcome.errors);
    return outcome;
}

static outcome_t run_client(uint16_t port, const char *input, const char *const arguments[]) {
    const char *all[MOST_ARGUMENTS + 1] = {"--port", NULL, "--private-key", CLIENT_KEY};
    char port_text[PORT_SIZE];
    size_t count = 4;
    snprintf(port_text, sizeof port_text, "%u", port);
    all[1] = port_text;
    while (*arguments != NULL && count < MOST_ARGUMENTS)
        all[count++] = *arguments++;
    REQUIRE(*arguments == NULL);
    return run_client_bare(input, all);
}

/* With the arguments that follow the port and the key. */
#define RUN_CLIENT(port, ...) run_client((port), "", (const char *const[]){__VA_ARGS__, NULL})

/* What it printed is shown where it was not what was expected. */
static bool check_outcome(const outcome_t *outcome, int exit_status, const char *output,
                          const char *in_errors) {
    bool as_expected = CHECK_INTEGER(outcome->exit_status, exit_status);
    if (output != NULL)
        as_expected = CHECK_STRING(outcome->output, output) && as_expected;
    as_expected = CHECK(strstr(outcome->errors, in_errors) != NULL) && as_expected;
    if (!as_expected)
        fprintf(stderr, "wanted: %s\nstandard error: %s\n", in_errors, outcome->errors);
    return as_expected;
}

typedef struct {
    process_t process;
    uint16_t port;
} server_t;

static server_t start(char *path, char *option, char *value) {
    static char *const NO_PREFIX[] = {NULL};
    char *const options[] = {"--port", "0", "--private-key", SERVER_KEY, option, value, NULL};
    server_t server;
    server.process = start_server(NO_PREFIX, path, options, &server.port);
    return server;
}

static void stop(server_t *server) {
    CHECK(kill(server->process.pid, SIGTERM) == 0);
    check_exit_status(&server->process, EXIT_SUCCESS);
}

/* -- against real servers ---------------------------------------------------------------------- */

/* The number after a text, where there is exactly one and then the rest. */
static void check_statistics(const char *output) {
    char rest[LONGEST_OUTPUT];
    unsigned long uptime;
    CHECK_INTEGER(sscanf(output, "OK\nuptime: %lu\n%16383[^\1]", &uptime, rest), 2);
    CHECK_STRING(rest, "version: " ANWDL_VERSION "\n");
}

/* Parses the text and writes it in one form. */
static void check_json(const char *output, const char *expected) {
    anwdl_data_t *data = NULL;
    char *json = NULL;
    if (CHECK_OK(anwdl_data_from_json(output, &data)) && CHECK_OK(anwdl_data_to_json(data, &json)))
        CHECK_STRING(json, expected);
    anwdl_string_free(json);
    anwdl_data_free(data);
}

static void ask_in_framing(server_t *server, const char *framing) {
    uint16_t port = server->port;
    outcome_t outcome = RUN_CLIENT(port, "--protocol", framing, "--fingerprint", server_fingerprint,
                                   "127.0.0.1", "STAT");
    check_outcome(&outcome, SUCCEEDED, NULL, server_fingerprint);
    check_statistics(outcome.output);
    CHECK(find_line(&server->process, framing));

    outcome = RUN_CLIENT(port, "--protocol", framing, "--json", "127.0.0.1", "ECHO",
                         "{\"number\": 12345678901234567890, \"list\": [1.50]}", "a=b=c", "d=");
    check_outcome(&outcome, SUCCEEDED, NULL, server_fingerprint);
    check_json(outcome.output,
               "{\"success\": true, \"message\": \"OK\", \"data\": {\"echo\": {\"number\": "
               "12345678901234567890, \"list\": [1.50], \"a\": \"b=c\", \"d\": \"\"}}}");

    outcome = RUN_CLIENT(port, "--protocol", framing, "127.0.0.1", "NONSENSE");
    check_outcome(&outcome, REFUSED, "Refused request (reason : unknown verb)\n",
                  "client: NONSENSE: the server said no: Refused request");
}

/* Several requests in one session; the secret is on no command line. */
static void ask_from_lines(uint16_t port) {
    const char *const ARGUMENTS[] = {"localhost", "-", NULL};
    outcome_t outcome = run_client(
        port,
        "CREATE\n\n  NONSENSE  \nECHO a=b c=d\nECHO {\"text\": \"two words\", \"a=b\": null}\n"
        "DESTROY container_uuid=" UUID " client_token=" TOKEN_64 TOKEN_64 TOKEN_64
        "0123456789abcdefghijklmnopqrstuvwxyz-_ABCDEFGHIJKLMNOPQRSTUVWXY",
        ARGUMENTS);
    check_outcome(&outcome, REFUSED, NULL, "client: NONSENSE: the server said no");
    CHECK(strncmp(outcome.output, "OK\ncontainer_uuid: ", 19) == 0);
    CHECK(strstr(outcome.output, "\ncontainer_username: user_") != NULL);
    const char *rest = strstr(outcome.output, "Refused");
    CHECK_STRING(rest, "Refused request (reason : unknown verb)\n"
                       "OK\necho: {\"a\": \"b\", \"c\": \"d\"}\n"
                       "OK\necho: {\"text\": \"two words\", \"a=b\": null}\n"
                       "OK\n");
}

static void test_real_server(char *path) {
    server_t server = start(path, NULL, NULL);
    for (size_t at = *prefix == NULL ? 0 : FRAMING_COUNT - 1; at < FRAMING_COUNT; at++)
        ask_in_framing(&server, FRAMINGS[at]);
    ask_from_lines(server.port);
    outcome_t outcome = RUN_CLIENT(server.port, "--show-fingerprint", "127.0.0.1");
    char expected[sizeof server_fingerprint + 1];
    snprintf(expected, sizeof expected, "%s\n", server_fingerprint);
    check_outcome(&outcome, SUCCEEDED, expected, "");
    CHECK_STRING(outcome.errors, "");
    stop(&server);
}

static void test_server_that_begins(char *anwdl_server) {
    server_t server = start(anwdl_server, "--receive-first", "no");
    for (size_t at = 0; at < FRAMING_COUNT - 1; at++) {
        outcome_t outcome = RUN_CLIENT(server.port, "--receive-first", "--protocol", FRAMINGS[at],
                                       "127.0.0.1", "STAT");
        check_outcome(&outcome, SUCCEEDED, NULL, server_fingerprint);
        check_statistics(outcome.output);
    }
    outcome_t outcome =
        RUN_CLIENT(server.port, "--receive-first", "--show-fingerprint", "127.0.0.1");
    check_outcome(&outcome, SUCCEEDED, NULL, "");
    CHECK(strncmp(outcome.output, server_fingerprint, sizeof server_fingerprint - 1) == 0);
    stop(&server);
}

/* Without --private-key, it makes a key pair before it connects. */
static void test_new_key_pair(char *anwdl_server) {
    char port[PORT_SIZE];
    server_t server = start(anwdl_server, NULL, NULL);
    snprintf(port, sizeof port, "%u", server.port);
    outcome_t outcome =
        run_client_bare("", (const char *const[]){"127.0.0.1", "STAT", "--port", port, NULL});
    check_outcome(&outcome, SUCCEEDED, NULL, server_fingerprint);
    check_statistics(outcome.output);
    stop(&server);
}

/* -- against servers of this program ----------------------------------------------------------- */

static void test_control_characters(void) {
    own_server_t server;
    start_own_server(&server, make_listener(&server.port), answer_with_escapes);
    outcome_t outcome = RUN_CLIENT(server.port, "127.0.0.1", "STAT");
    check_outcome(&outcome, SUCCEEDED,
                  "?[31mred???\xc3\xa9? (reason : why)\n"
                  "one?: ?\xe2\x82\xac?\n"
                  "two: {\"a\": [1, \"}\\\"\\u007f\"]}\n"
                  "three: -1.5e3\n",
                  "");
    join_own_server(&server);
    /* As JSON, nothing is lost. */
    start_own_server(&server, make_listener(&server.port), answer_with_escapes);
    outcome = RUN_CLIENT(server.port, "--json", "127.0.0.1", "STAT");
    check_outcome(&outcome, SUCCEEDED, NULL, "");
    check_harmless(outcome.output);
    check_json(outcome.output,
               "{\"success\": true, \"message\": \"\\u001b[31mred\\u009b\\u007f\\n\xc3\xa9\\u202e "
               "(reason : why)\", \"data\": {\"one\\u001b\": \"\\u0085\xe2\x82\xac\\u061c\", "
               "\"two\": {\"a\": [1, \"}\\\"\\u007f\"]}, \"three\": -1.5e3}}");
    join_own_server(&server);
}

/* Reads until the client closes; returns how many bytes came. */
static size_t count_to_the_end(int fd) {
    char bytes[256];
    size_t count = 0;
    ssize_t some;
    while ((some = recv(fd, bytes, sizeof bytes, 0)) > 0)
        count += (size_t)some;
    return count;
}

/* Another server than the client wants: with another key. */
static void pass_for_the_server(int fd) {
    peer_t peer;
    peer_init(&peer, fd, ANWDL_PROTOCOL_V4, "peer-2");
    CHECK(peer_receive_public_key(&peer));
    if (CHECK(!peer_send_public_key(&peer)) && CHECK(peer.refused))
        CHECK_INTEGER(count_to_the_end(fd), 0);
    peer_free(&peer);
}

static void begin_to_pass_for_the_server(int fd) {
    peer_t peer;
    peer_init(&peer, fd, ANWDL_PROTOCOL_V4, "peer-2");
    if (CHECK(!peer_send_public_key(&peer)) && CHECK(peer.refused))
        CHECK_INTEGER(count_to_the_end(fd), 0);
    peer_free(&peer);
}

static void get_fingerprint(const char *key_name, char fingerprint[64 + 1]) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper(key_name);
    char *hex = NULL;
    REQUIRE(anwdl_rsa_wrapper_get_fingerprint(wrapper, false, &hex) == ANWDL_OK);
    snprintf(fingerprint, 64 + 1, "%s", hex);
    anwdl_string_free(hex);
    anwdl_rsa_wrapper_free(wrapper);
}

/* Whatever it is to ask: the request has a secret in it, or what it is encrypted under is one. */
static void check_wrong_pin(void (*script)(int fd), const char *const arguments[]) {
    char other_fingerprint[64 + 1];
    own_server_t server;
    get_fingerprint("peer-2", other_fingerprint);
    start_own_server(&server, make_listener(&server.port), script);
    outcome_t outcome = run_client(server.port, "", arguments);
    check_outcome(&outcome, FAILED, "", "client: 127.0.0.1: FINGERPRINT_MISMATCH: ");
    CHECK(strstr(outcome.errors, server_fingerprint) != NULL);
    CHECK(strstr(outcome.errors, other_fingerprint) != NULL);
    join_own_server(&server);
}

#define CHECK_WRONG_PIN(script, ...)                                                               \
    check_wrong_pin((script), (const char *const[]){"--fingerprint", server_fingerprint,           \
                                                    "127.0.0.1", __VA_ARGS__, NULL})

static void test_wrong_pin(void) {
    CHECK_WRONG_PIN(pass_for_the_server, "STAT");
    CHECK_WRONG_PIN(pass_for_the_server, "--protocol", "gcm", "STAT");
    CHECK_WRONG_PIN(pass_for_the_server, "--show-fingerprint");
    CHECK_WRONG_PIN(begin_to_pass_for_the_server, "--receive-first", "STAT");
}

/* A key is as good as any other to a client that only shows its fingerprint. */
static void exchange_public_keys_only(int fd) {
    peer_t peer;
    peer_init(&peer, fd, ANWDL_PROTOCOL_V4, "peer-2");
    CHECK(peer_receive_public_key(&peer));
    CHECK(peer_send_public_key(&peer));
    CHECK_INTEGER(count_to_the_end(fd), 0);
    peer_free(&peer);
}

static void test_fingerprint_without_secrets(void) {
    char expected[64 + 2];
    own_server_t server;
    get_fingerprint("peer-2", expected);
    strcat(expected, "\n");
    start_own_server(&server, make_listener(&server.port), exchange_public_keys_only);
    outcome_t outcome = RUN_CLIENT(server.port, "--show-fingerprint", "127.0.0.1");
    check_outcome(&outcome, SUCCEEDED, expected, "");
    CHECK_STRING(outcome.errors, "");
    join_own_server(&server);
}

static void say_nothing(int fd) {
    count_to_the_end(fd);
    close(fd);
}

static void talk_nonsense(int fd) {
    CHECK(send(fd, "HTTP/1.1 400 Bad Request\r\n", 26, MSG_NOSIGNAL) == 26);
    count_to_the_end(fd);
    close(fd);
}

static void hang_up(int fd) {
    close(fd);
}

static void check_failure_of(void (*script)(int fd), const char *timeout, const char *reason) {
    own_server_t server;
    start_own_server(&server, make_listener(&server.port), script);
    outcome_t outcome = RUN_CLIENT(server.port, "--timeout", timeout, "127.0.0.1", "STAT");
    check_outcome(&outcome, FAILED, "", reason);
    join_own_server(&server);
}

static void test_bad_servers(void) {
    check_failure_of(say_nothing, "500", "client: 127.0.0.1: TIMEOUT: ");
    check_failure_of(talk_nonsense, "60000", "client: 127.0.0.1: PEER_REFUSED: ");
    check_failure_of(hang_up, "60000", "client: 127.0.0.1: ");
}

static void test_closed_port(void) {
    uint16_t port;
    close(make_listener(&port));
    outcome_t outcome = RUN_CLIENT(port, "127.0.0.1", "STAT");
    check_outcome(&outcome, FAILED, "", "client: 127.0.0.1: CONNECT_FAILED: ");
}

static int make_ipv6_listener(uint16_t *port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0) {
        close(listener);
        return -1;
    }
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    *port = ntohs(address.sin6_port);
    return listener;
}

static void test_ipv6(void) {
    own_server_t server;
    int listener = make_ipv6_listener(&server.port);
    if (listener < 0) {
        fprintf(stderr, "this machine has no ::1, so nothing was tried with it\n");
        return;
    }
    start_own_server(&server, listener, answer_with_escapes);
    outcome_t outcome = RUN_CLIENT(server.port, "--protocol", "gcm", "::1", "STAT");
    check_outcome(&outcome, SUCCEEDED, NULL, server_fingerprint);
    CHECK(strstr(outcome.output, "(reason : why)") != NULL);
    join_own_server(&server);
}

/* -- wrong usage ------------------------------------------------------------------------------- */

/* Found out before anything is connected to: the port is closed. */
static void test_wrong_usage(void) {
    static const struct {
        const char *in_errors;
        const char *arguments[6];
    } CASES[] = {
        {"usage: client ", {NULL}},
        {"usage: client ", {"127.0.0.1", NULL}},
        {"usage: client ", {"--show-fingerprint", NULL}},
        {"usage: client ", {"--show-fingerprint", "127.0.0.1", "STAT", NULL}},
        {"usage: client ", {"127.0.0.1", "-", "a=b", NULL}},
        {"usage: client ", {"--nonsense", "127.0.0.1", "STAT", NULL}},
        {"not acceptable: 0\n", {"--port", "0", "127.0.0.1", "STAT", NULL}},
        {"not acceptable: 65536\n", {"--port", "65536", "127.0.0.1", "STAT", NULL}},
        {"not acceptable: -1\n", {"--timeout", "-1", "127.0.0.1", "STAT", NULL}},
        {"not acceptable: v5\n", {"--protocol", "v5", "127.0.0.1", "STAT", NULL}},
        {"not acceptable: 12ab\n", {"--fingerprint", "12ab", "127.0.0.1", "STAT", NULL}},
        {"client: not NAME=VALUE: word\n", {"127.0.0.1", "STAT", "word", NULL}},
        {"client: not NAME=VALUE: =value\n", {"127.0.0.1", "STAT", "=value", NULL}},
        {"client: not NAME=VALUE: {}\n", {"127.0.0.1", "STAT", "a=b", "{}", NULL}},
        {"client: parameters: INVALID_ARGUMENT: ", {"127.0.0.1", "STAT", "{\"a\": }", NULL}},
        {"client: /nowhere: ", {"--private-key", "/nowhere", "127.0.0.1", "STAT", NULL}},
        {"client: /dev/null: INVALID_KEY: ",
         {"--private-key", "/dev/null", "127.0.0.1", "STAT", NULL}},
    };
    uint16_t port;
    close(make_listener(&port));
    for (size_t at = 0; at < sizeof CASES / sizeof CASES[0]; at++) {
        outcome_t outcome = run_client(port, "", CASES[at].arguments);
        check_outcome(&outcome, MISUSED, "", CASES[at].in_errors);
    }
}

/* What only the library knows to be wrong: nothing was sent. */
static void test_malformed_request(char *anwdl_server) {
    static const char *const FROM_LINES[] = {"127.0.0.1", "-", NULL};
    server_t server = start(anwdl_server, NULL, NULL);
    outcome_t outcome = RUN_CLIENT(server.port, "127.0.0.1", "stat");
    check_outcome(&outcome, MISUSED, "", "client: stat: MALFORMED_REQUEST: ");
    outcome = RUN_CLIENT(server.port, "127.0.0.1", "DESTROY", "client_token=short");
    check_outcome(&outcome, MISUSED, "", "client: DESTROY: MALFORMED_REQUEST: ");
    outcome = run_client(server.port, "ECHO\nECHO {\nECHO\n", FROM_LINES);
    check_outcome(&outcome, MISUSED, "OK\necho: {}\n", "client: parameters: INVALID_ARGUMENT: ");
    stop(&server);
}

int main(int argc, char **argv) {
    int at = 3;
    REQUIRE(argc >= 3);
    client_path = argv[1];
    get_fingerprint("server", server_fingerprint);
    while (at < argc && strcmp(argv[at], "--") != 0)
        at++;
    prefix = argv + (at < argc ? at + 1 : at);
    for (int server = 2; server < at; server++)
        test_real_server(argv[server]);
    test_control_characters();
    test_wrong_pin();
    test_closed_port();
    if (*prefix == NULL) {
        test_server_that_begins(argv[2]);
        test_malformed_request(argv[2]);
        test_fingerprint_without_secrets();
        test_bad_servers();
        test_ipv6();
        test_wrong_usage();
        test_new_key_pair(argv[2]);
    }
    return check_finish();
}
