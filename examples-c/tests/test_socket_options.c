/* What a caller has set on a socket before it hands it over: its limits of time hold for the calls
   of the library, whether the descriptor blocks or not, and beside a timeout of the options. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LIMIT = 50, LONG_LIMIT = 60000, LARGE = 4 * 1024 * 1024 /* more than any buffer holds */ };

typedef struct {
    const char *name;
    bool non_blocking; /* the descriptor, not the client */
    int limit;         /* of the socket, in milliseconds; 0: none */
    unsigned timeout;  /* of the options; 0: none */
} setting_t;

static const setting_t SETTINGS[] = {
    {"blocking, no timeout", false, LIMIT, 0},
    {"blocking, a longer timeout", false, LIMIT, LONG_LIMIT},
    {"blocking, a shorter timeout", false, LONG_LIMIT, LIMIT},
    {"non-blocking, no timeout", true, LIMIT, 0},
    {"non-blocking, a longer timeout", true, LIMIT, LONG_LIMIT},
    {"non-blocking, a shorter timeout", true, LONG_LIMIT, LIMIT},
    {"a timeout alone", false, 0, LIMIT},
};

static void set_limit(int fd, int option, int milliseconds) {
    struct timeval limit = {.tv_sec = milliseconds / 1000,
                            .tv_usec = (milliseconds % 1000) * 1000L};
    REQUIRE(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit) == 0);
}

static anwdl_client_t *make_client(const setting_t *setting, int option, int ends[2]) {
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = make_shared_key_options(ANWDL_AES_CBC);
    REQUIRE(anwdl_client_options_set_timeout(options, setting->timeout) == ANWDL_OK);
    make_tcp_pair(ends);
    const int small = 4096;
    REQUIRE(setsockopt(ends[SERVER_SIDE], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    REQUIRE(setsockopt(ends[PEER_SIDE], SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    set_limit(ends[SERVER_SIDE], option, setting->limit);
    if (setting->non_blocking)
        REQUIRE(fcntl(ends[SERVER_SIDE], F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    return client;
}

static void ask(peer_t *peer) {
    char *response = peer_ask(peer, "{\"verb\":\"STAT\",\"parameters\":{}}");
    CHECK(response != NULL);
    free(response);
}

/* No byte has moved: the call can be repeated, and the session goes on. */
static void test_receiving(const setting_t *setting) {
    int ends[2];
    peer_t peer;
    anwdl_client_t *client = make_client(setting, SO_RCVTIMEO, ends);
    for (int round = 0; round < 2; round++)
        if (!CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                           ANWDL_REASON_TIMEOUT))
            fprintf(stderr, "  %s\n", setting->name);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, NULL);
    peer_start(&peer, ask, NULL);
    anwdl_status_t status;
    do { /* the peer may begin late, too */
        status = anwdl_client_recv_request(client, true, NULL);
    } while (status != ANWDL_OK && anwdl_last_error_reason() == ANWDL_REASON_TIMEOUT);
    CHECK_OK(status);
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    peer_join(&peer);
    peer_free(&peer);
    anwdl_client_free(client);
}

/* The peer accepts the length, and then reads nothing. */
static void test_sending(const setting_t *setting) {
    int ends[2];
    anwdl_client_t *client = make_client(setting, SO_SNDTIMEO, ends);
    char *data = malloc(LARGE);
    REQUIRE(data != NULL);
    memset(data, 'a', LARGE);
    memcpy(data, "{\"a\":\"", 6);
    memcpy(data + LARGE - 3, "\"}", 3);
    REQUIRE(send(ends[PEER_SIDE], "1", 1, 0) == 1);
    if (!CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
                       ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT))
        fprintf(stderr, "  %s\n", setting->name);
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_SESSION_FAILED);
    free(data);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

int main(void) {
    alarm(60); /* whoever waits for ever has failed */
    for (size_t at = 0; at < sizeof SETTINGS / sizeof SETTINGS[0]; at++) {
        test_receiving(&SETTINGS[at]);
        test_sending(&SETTINGS[at]);
    }
    printf("cases: %zu settings of a socket, receiving and sending\n",
           sizeof SETTINGS / sizeof SETTINGS[0]);
    return check_finish();
}
