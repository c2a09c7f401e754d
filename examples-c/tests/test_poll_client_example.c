/* The client that asks several servers at once: test_poll_client_example CLIENT SERVER. */
#include "check.h"
#include "own_server.h"
#include "process.h"
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing that a server writes reaches the terminal raw. */
static void test_control_characters(char *client_path) {
    own_server_t server;
    char port[6], line[LONGEST_LINE + 1];
    start_own_server(&server, make_listener(&server.port), answer_with_escapes);
    snprintf(port, sizeof port, "%u", server.port);
    char *arguments[] = {client_path, "127.0.0.1", port, NULL};
    process_t client = start_process(arguments);
    CHECK(read_line(&client, line));
    check_harmless(line);
    CHECK(!read_line(&client, line));
    check_exit_status(&client, EXIT_SUCCESS);
    join_own_server(&server);
}

int main(int argc, char **argv) {
    static char *const NO_PREFIX[] = {NULL};
    static char *const OPTIONS[] = {"--private-key", ANWDL_KEYS_DIR "/server.pem", NULL};
    char ports[2][6], refusing[6], line[LONGEST_LINE + 1];
    process_t servers[2];
    uint16_t port;
    int answers = 0, refusals = 0, unknown = 0;
    REQUIRE(argc == 3);
    for (int at = 0; at < 2; at++) {
        servers[at] = start_server(NO_PREFIX, argv[2], OPTIONS, &port);
        snprintf(ports[at], sizeof ports[at], "%u", port);
    }
    close(make_listener(&port));
    snprintf(refusing, sizeof refusing, "%u", port);
    char *arguments[] = {argv[1],     "127.0.0.1", ports[0],       "localhost", ports[1],
                         "127.0.0.1", refusing,    "name.invalid", "1",         NULL};
    process_t client = start_process(arguments);
    while (read_line(&client, line)) {
        answers += strstr(line, ": up for ") != NULL;
        refusals += strstr(line, "127.0.0.1: cannot connect to ") == line;
        unknown += strstr(line, "name.invalid: cannot connect to ") == line;
    }
    check_exit_status(&client, EXIT_SUCCESS);
    CHECK_INTEGER(answers, 2);
    CHECK_INTEGER(refusals, 1);
    CHECK_INTEGER(unknown, 1);
    for (int at = 0; at < 2; at++) {
        CHECK(kill(servers[at].pid, SIGTERM) == 0);
        check_exit_status(&servers[at], EXIT_SUCCESS);
    }
    test_control_characters(argv[1]);
    return check_finish();
}
