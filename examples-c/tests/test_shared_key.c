/* One RSA wrapper for the clients of eight threads: each client sees its own peer's public key, and
 * no other. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, EXCHANGES = 50 };

typedef struct {
    pthread_t thread;
    unsigned number;
    anwdl_client_options_t *options; /* of this thread; its RSA wrapper is everybody's */
    unsigned exchanges;              /* that ended well */
} server_t;

static void exchange(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
}

static void exchange_once(server_t *server) {
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    char key_name[16];
    char *expected = NULL;
    char *found = NULL;
    snprintf(key_name, sizeof key_name, "peer-%u", server->number + 1);
    make_unix_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, key_name);
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(peer.rsa, false, &expected));
    peer_start(&peer, exchange, NULL);
    if (CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], server->options, &client))) {
        const anwdl_rsa_wrapper_t *rsa = anwdl_client_get_rsa_wrapper(client);
        CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(rsa, true, &found));
        if (CHECK_STRING(found, expected))
            server->exchanges++;
    }
    peer_join(&peer);
    anwdl_string_free(expected);
    anwdl_string_free(found);
    anwdl_client_free(client);
    peer_free(&peer);
}

static void *serve(void *context) {
    server_t *server = context;
    for (unsigned round = 0; round < EXCHANGES; round++)
        exchange_once(server);
    return NULL;
}

int main(void) {
    size_t before = count_open_descriptors();
    anwdl_rsa_wrapper_t *shared = make_rsa_wrapper("server");
    server_t servers[THREADS] = {0};
    unsigned exchanges = 0;
    char *remote = NULL;
    for (unsigned at = 0; at < THREADS; at++) {
        servers[at].number = at;
        servers[at].options = anwdl_client_options_new();
        CHECK_OK(anwdl_client_options_set_rsa_wrapper(servers[at].options, shared));
        REQUIRE(pthread_create(&servers[at].thread, NULL, serve, &servers[at]) == 0);
    }
    for (unsigned at = 0; at < THREADS; at++) {
        REQUIRE(pthread_join(servers[at].thread, NULL) == 0);
        exchanges += servers[at].exchanges;
        anwdl_client_options_free(servers[at].options);
    }
    CHECK_INTEGER(exchanges, THREADS * EXCHANGES);

    /* The caller's wrapper has learned nothing of any peer. */
    CHECK_OK(anwdl_rsa_wrapper_get_remote_public_key(shared, &remote));
    CHECK_STRING(remote, NULL);
    anwdl_rsa_wrapper_free(shared);
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
