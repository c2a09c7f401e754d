/* A client is made from a descriptor and options; whatever is wrong with either leaves the
 * descriptor alone. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What an output holds before a call that must not touch it. */
static char untouched;
#define UNTOUCHED ((anwdl_client_t *)(void *)&untouched)

static void check_refused_descriptor(int fd, const anwdl_client_options_t *options) {
    anwdl_client_t *client = UNTOUCHED;
    bool was_open = is_open(fd);
    CHECK_FAILURE(anwdl_client_new(fd, options, &client), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_DESCRIPTOR);
    CHECK(client == UNTOUCHED);
    CHECK(is_open(fd) == was_open);
}

static void test_bad_descriptors(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    int pipe_ends[2];
    int connected[2];
    uint16_t port;
    int listener = make_listener(&port);
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    int file = open("/dev/null", O_RDWR);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(pipe(pipe_ends) == 0);
    REQUIRE(unconnected >= 0 && datagrams >= 0 && file >= 0);
    REQUIRE(connect(datagrams, (struct sockaddr *)&address, sizeof address) == 0);
    make_unix_pair(connected);
    int closed = connected[SERVER_SIDE];
    close(closed);

    int refused[] = {-1,       INT32_MAX,   closed,    pipe_ends[0], pipe_ends[1],
                     listener, unconnected, datagrams, file};
    for (size_t at = 0; at < sizeof refused / sizeof refused[0]; at++) {
        check_refused_descriptor(refused[at], options);
        check_refused_descriptor(refused[at], NULL);
    }

    close(connected[PEER_SIDE]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(listener);
    close(unconnected);
    close(datagrams);
    close(file);
    anwdl_client_options_free(options);
}

static void test_missing_output(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    int ends[2];
    make_unix_pair(ends);
    CHECK_FAILURE(anwdl_client_new(ends[SERVER_SIDE], options, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK(is_open(ends[SERVER_SIDE]));
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

static void hang_up_after_the_length(peer_t *peer) {
    peer_send_length(peer, strlen(peer->own_pem));
    peer_hang_up(peer);
}

/* The keys are exchanged by default, and an exchange that fails makes no client. */
static void test_failing_exchange(void) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = UNTOUCHED;
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&peer, hang_up_after_the_length, NULL);
    anwdl_status_t status = anwdl_client_new(ends[SERVER_SIDE], options, &client);
    CHECK_STATUS(status, ANWDL_RUNTIME_ERROR);
    CHECK(client == UNTOUCHED);
    CHECK(is_open(ends[SERVER_SIDE]));
    peer_join(&peer);
    peer_free(&peer);
    close(ends[SERVER_SIDE]);
    anwdl_client_options_free(options);
}

static void exchange_as_first(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
}

static void test_automatic_exchange(void) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, true));
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&peer, exchange_as_first, NULL);
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    peer_join(&peer);
    CHECK(anwdl_client_get_aes_wrapper(client) != NULL);
    CHECK_FAILURE(anwdl_client_exchange_keys(client, true), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_KEYS_ALREADY_EXCHANGED);
    anwdl_client_free(client);
    CHECK(!is_open(ends[SERVER_SIDE]));
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* Non-blocking creation never waits for the peer, whatever exchange_keys says. */
static void test_non_blocking_creation(void) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    int ends[2];
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, true));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    make_tcp_pair(ends);
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK(anwdl_client_get_aes_wrapper(client) == NULL);
    CHECK_STATUS(anwdl_client_exchange_keys(client, true), ANWDL_WANT_READ);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

/* Nothing is sent, and the client can go on with a key pair. */
static void check_no_pair(const anwdl_rsa_wrapper_t *halves) {
    anwdl_client_options_t *options = make_late_options();
    anwdl_rsa_wrapper_t *pair = make_rsa_wrapper("server");
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    CHECK_OK(anwdl_client_options_set_rsa_wrapper(options, halves));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK_FAILURE(anwdl_client_exchange_keys(client, false), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_KEY_MISSING);
    CHECK_STRING(anwdl_last_error_message(),
                 "the local private RSA key does not belong to the local public one");
    CHECK(!wait_for(ends[PEER_SIDE], POLLIN, 0));
    CHECK_OK(anwdl_client_set_rsa_wrapper(client, pair));
    CHECK_STATUS(anwdl_client_exchange_keys(client, false), ANWDL_WANT_READ);
    CHECK(wait_for(ends[PEER_SIDE], POLLIN, 0));
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
    anwdl_rsa_wrapper_free(pair);
    anwdl_client_options_free(options);
}

/* A wrapper takes one half of a pair after the other, but keys are exchanged only with a pair. */
static void test_halves_of_two_pairs(void) {
    anwdl_rsa_wrapper_t *other = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    char *private_key = read_key("server");
    char *public_key = NULL;
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(other, &public_key));
    CHECK_OK(anwdl_rsa_wrapper_set_public_key(wrapper, public_key));
    check_no_pair(wrapper);
    anwdl_rsa_wrapper_free(wrapper);

    wrapper = make_rsa_wrapper("peer-1");
    CHECK_OK(anwdl_rsa_wrapper_set_private_key(wrapper, private_key, false));
    check_no_pair(wrapper);
    CHECK_OK(anwdl_rsa_wrapper_set_private_key(wrapper, private_key, true));
    anwdl_string_free(public_key);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(wrapper, &public_key));
    CHECK_OK(anwdl_rsa_wrapper_set_public_key(wrapper, public_key));
    anwdl_client_options_t *options = make_late_options();
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    CHECK_OK(anwdl_client_options_set_rsa_wrapper(options, wrapper));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK_STATUS(anwdl_client_exchange_keys(client, true), ANWDL_WANT_READ);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
    anwdl_string_free(public_key);
    free(private_key);
    anwdl_rsa_wrapper_free(wrapper);
    anwdl_rsa_wrapper_free(other);
}

static void test_option_arguments(void) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *rsa = make_rsa_wrapper("server");
    anwdl_aes_wrapper_t *aes = make_aes_wrapper(ANWDL_AES_CBC);
    REQUIRE(options != NULL);

    CHECK_OK(anwdl_client_options_set_timeout(options, 0));
    CHECK_OK(anwdl_client_options_set_timeout(options, UINT32_MAX));
    CHECK_OK(anwdl_client_options_set_rsa_wrapper(options, rsa));
    CHECK_OK(anwdl_client_options_set_aes_wrapper(options, aes));
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    CHECK_OK(anwdl_client_options_set_max_message_size(options, 99999999));
    CHECK_OK(anwdl_client_options_set_peer_ip(options, "192.0.2.1"));
    CHECK_OK(anwdl_client_options_set_peer_ip(options, "2001:db8::1"));
    CHECK_OK(anwdl_client_options_set_peer_ip(options, NULL));
    for (int protocol = ANWDL_PROTOCOL_AUTO; protocol <= ANWDL_PROTOCOL_GCM; protocol++)
        CHECK_OK(anwdl_client_options_set_protocol(options, (anwdl_protocol_t)protocol));

#define CHECK_BAD_ARGUMENT(call)                                                                   \
    CHECK_FAILURE((call), ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT)
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_protocol(options, (anwdl_protocol_t)5));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_protocol(options, (anwdl_protocol_t)-1));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_max_message_size(options, 0));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_max_message_size(options, 100000000));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_peer_ip(options, "no address"));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_peer_ip(options, "\xff\xfe"));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_rsa_wrapper(options, NULL));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_aes_wrapper(options, NULL));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_timeout(NULL, 1));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_rsa_wrapper(NULL, rsa));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_aes_wrapper(NULL, aes));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_exchange_keys(NULL, false));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_non_blocking(NULL, false));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_protocol(NULL, ANWDL_PROTOCOL_V2));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_max_message_size(NULL, 1000));
    CHECK_BAD_ARGUMENT(anwdl_client_options_set_peer_ip(NULL, "192.0.2.1"));

    anwdl_rsa_wrapper_free(rsa);
    anwdl_aes_wrapper_free(aes);
    anwdl_client_options_free(options);
    anwdl_client_options_free(NULL);
}

/* A framing that the options name is known from the start; a key of another mode does not fit it.
 */
static void test_pinned_framing(void) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_aes_wrapper_t *aes = make_aes_wrapper(ANWDL_AES_CBC);
    REQUIRE(options != NULL);
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    for (int protocol = ANWDL_PROTOCOL_AUTO; protocol <= ANWDL_PROTOCOL_GCM; protocol++) {
        anwdl_client_t *client = NULL;
        int ends[2];
        make_unix_pair(ends);
        CHECK_OK(anwdl_client_options_set_protocol(options, (anwdl_protocol_t)protocol));
        CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
        CHECK_INTEGER(anwdl_client_get_protocol(client), protocol);
        if (protocol == ANWDL_PROTOCOL_GCM)
            CHECK_FAILURE(anwdl_client_set_aes_wrapper(client, aes), ANWDL_VALUE_ERROR,
                          ANWDL_REASON_PROTOCOL_MISMATCH);
        else
            CHECK_OK(anwdl_client_set_aes_wrapper(client, aes));
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
    anwdl_aes_wrapper_free(aes);
    anwdl_client_options_free(options);
}

/* One set of options serves many clients, and is of no further use to them afterwards. */
static void test_options_are_copied(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_t *clients[2] = {NULL, NULL};
    int ends[2][2];
    CHECK_OK(anwdl_client_options_set_peer_ip(options, "192.0.2.1"));
    for (size_t at = 0; at < 2; at++) {
        make_tcp_pair(ends[at]);
        CHECK_OK(anwdl_client_new(ends[at][SERVER_SIDE], options, &clients[at]));
        CHECK_OK(anwdl_client_options_set_peer_ip(options, "192.0.2.2"));
    }
    anwdl_client_options_free(options);
    CHECK_STRING(anwdl_client_get_ip(clients[0]), "192.0.2.1");
    CHECK_STRING(anwdl_client_get_ip(clients[1]), "192.0.2.2");
    for (size_t at = 0; at < 2; at++) {
        anwdl_client_free(clients[at]);
        close(ends[at][PEER_SIDE]);
    }
}

/* A message may be as long as the limit says, and no longer. */
static void check_message_limit(size_t limit, const char *json, anwdl_status_t expected) {
    anwdl_client_options_t *options = make_late_options();
    peer_t peer;
    CHECK_OK(anwdl_client_options_set_max_message_size(options, limit));
    anwdl_client_t *client = peer_open_gcm_client(&peer, options);
    CHECK(peer_send_request(&peer, json));
    anwdl_status_t status = anwdl_client_recv_request(client, true, NULL);
    CHECK_STATUS(status, expected);
    if (expected != ANWDL_OK)
        CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_MESSAGE_TOO_LARGE);
    anwdl_client_free(client);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

static void test_message_limit(void) {
    const char *json = "{\"verb\": \"STAT\", \"parameters\": {\"note\": \"a few more bytes\"}}";
    check_message_limit(strlen(json), json, ANWDL_OK);
    check_message_limit(strlen(json) - 1, json, ANWDL_VALUE_ERROR);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_bad_descriptors();
    test_missing_output();
    test_failing_exchange();
    test_automatic_exchange();
    test_non_blocking_creation();
    test_halves_of_two_pairs();
    test_option_arguments();
    test_pinned_framing();
    test_options_are_copied();
    test_message_limit();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
