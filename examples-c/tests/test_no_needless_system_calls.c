/* The server whose system calls test_no_needless_system_calls.py looks at:

       test_system_calls v2|v3|v4|gcm SESSIONS REQUESTS

   One session after the other, each with a key exchange and so many requests. The peer is a process
   of its own. Before each thing that it asks of the library the server writes the name of that to a
   descriptor that does not exist: a call that fails and changes nothing, but that strace shows. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"
#define DATA "{\"uptime\": 86400, \"version\": \"1.0.0\"}"

static void mark(const char *name) {
    REQUIRE(write(-1, name, strlen(name)) == -1);
}

/* Returns the exit status of the peer's process. */
static int play_peer(int fd, anwdl_protocol_t framing, unsigned long requests) {
    peer_t peer;
    peer_init(&peer, fd, framing, "peer-1");
    CHECK(peer_exchange_keys(&peer, true));
    for (unsigned long at = 0; at < requests; at++) {
        char *response = peer_ask(&peer, STAT);
        CHECK(response != NULL && strstr(response, DATA) != NULL);
        free(response);
    }
    peer_free(&peer);
    return check_finish();
}

static void serve_request(anwdl_client_t *client) {
    anwdl_request_t *request = NULL;
    mark("receive");
    anwdl_status_t status = anwdl_client_recv_request(client, false, &request);
    mark("-");
    REQUIRE(status == ANWDL_OK);
    mark("send");
    status = anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, DATA, NULL);
    anwdl_request_free(request);
    mark("-");
    REQUIRE(status == ANWDL_OK);
}

static void serve_session(const anwdl_client_options_t *options, anwdl_protocol_t framing,
                          unsigned long requests) {
    anwdl_client_t *client = NULL;
    int ends[2];
    int exit_status = -1;
    make_tcp_pair(ends);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(ends[SERVER_SIDE]);
        _exit(play_peer(ends[PEER_SIDE], framing, requests));
    }
    close(ends[PEER_SIDE]);

    mark("create");
    anwdl_status_t status = anwdl_client_new(ends[SERVER_SIDE], options, &client);
    mark("-");
    REQUIRE(status == ANWDL_OK);
    mark("exchange");
    status = anwdl_client_exchange_keys(client, true);
    mark("-");
    REQUIRE(status == ANWDL_OK);
    for (unsigned long at = 0; at < requests; at++)
        serve_request(client);
    CHECK_INTEGER(anwdl_client_get_protocol(client), framing);
    mark("free");
    anwdl_client_free(client);
    mark("-");

    REQUIRE(waitpid(child, &exit_status, 0) == child);
    CHECK(WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == EXIT_SUCCESS);
}

static anwdl_protocol_t framing_called(const char *name) {
    static const char *const names[] = {"v2", "v3", "v4", "gcm"};
    static const anwdl_protocol_t framings[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++)
        if (strcmp(name, names[at]) == 0)
            return framings[at];
    return ANWDL_PROTOCOL_AUTO;
}

int main(int argc, char **argv) {
    anwdl_protocol_t framing = argc == 4 ? framing_called(argv[1]) : ANWDL_PROTOCOL_AUTO;
    if (framing == ANWDL_PROTOCOL_AUTO) {
        fprintf(stderr, "usage: test_system_calls v2|v3|v4|gcm SESSIONS REQUESTS\n");
        return EXIT_FAILURE;
    }
    unsigned long sessions = strtoul(argv[2], NULL, 10);
    unsigned long requests = strtoul(argv[3], NULL, 10);
    anwdl_client_options_t *options = make_server_options();
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    for (unsigned long at = 0; at < sessions; at++)
        serve_session(options, framing, requests);
    anwdl_client_options_free(options);
    return check_finish();
}
