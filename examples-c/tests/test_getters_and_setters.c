/* Every getter and setter of a client and of a request. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static anwdl_client_t *make_client(int fd) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_client_t *client = NULL;
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_key_echo(options, true) == ANWDL_OK);
    REQUIRE(anwdl_client_new(fd, options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    return client;
}

/* The time to the nanosecond, rounded down. time() may be some milliseconds behind it. */
static int64_t seconds_now(void) {
    struct timespec now;
    REQUIRE(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return now.tv_sec;
}

static void test_fresh_client(void) {
    int ends[2];
    make_tcp_pair(ends);
    int64_t before = seconds_now();
    anwdl_client_t *client = make_client(ends[SERVER_SIDE]);
    int64_t after = seconds_now();
    CHECK(!anwdl_client_is_closed(client));
    CHECK_INTEGER(anwdl_client_get_socket_descriptor(client), ends[SERVER_SIDE]);
    CHECK_STRING(anwdl_client_get_ip(client), "127.0.0.1");
    CHECK_STRING(anwdl_client_get_id(client), "12ca17b");
    CHECK(anwdl_client_get_creation_timestamp(client) >= before);
    CHECK(anwdl_client_get_creation_timestamp(client) <= after);
    CHECK_INTEGER(anwdl_client_get_protocol(client), ANWDL_PROTOCOL_AUTO);
    CHECK_INTEGER(anwdl_client_get_time_left(client), -1);
    CHECK(anwdl_client_is_idle(client)); /* nothing was asked */
    CHECK(anwdl_client_get_rsa_wrapper(client) == NULL);
    CHECK(anwdl_client_get_aes_wrapper(client) == NULL);
    CHECK(anwdl_client_get_stored_request(client) == NULL);
    CHECK(anwdl_client_get_request_errors(client) == NULL);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

static void check_ip(int fd, const char *ip, const char *id) {
    anwdl_client_t *client = make_client(fd);
    CHECK_STRING(anwdl_client_get_ip(client), ip);
    CHECK_STRING(anwdl_client_get_id(client), id);
    anwdl_client_free(client);
}

/* A listener of the IPv6 family takes IPv4 connections too, unless it is told not to. */
static void check_ip_of_ipv6_listener(int family, const char *ip, const char *id) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    socklen_t len = sizeof address;
    int off = 0;
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    REQUIRE(listener >= 0);
    REQUIRE(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    int peer;
    if (family == AF_INET) {
        peer = connect_to(ntohs(address.sin6_port));
    } else {
        peer = socket(AF_INET6, SOCK_STREAM, 0);
        address.sin6_addr = in6addr_loopback;
        REQUIRE(connect(peer, (struct sockaddr *)&address, sizeof address) == 0);
    }
    check_ip(accept(listener, NULL, NULL), ip, id);
    close(peer);
    close(listener);
}

static bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool usable = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return usable;
}

/* The ID is the beginning of the SHA-256 of the text. */
static void test_ip_texts(void) {
    int ends[2];
    make_unix_pair(ends);
    check_ip(ends[SERVER_SIDE], "", "e3b0c44");
    close(ends[PEER_SIDE]);
    if (has_ipv6()) {
        check_ip_of_ipv6_listener(AF_INET6, "::1", "eff8e7c");
        check_ip_of_ipv6_listener(AF_INET, "127.0.0.1", "12ca17b");
    } else {
        printf("this machine has no IPv6: its texts were not checked through a socket\n");
    }
}

static void check_peer_ip(const char *given, const char *ip) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    CHECK_OK(anwdl_client_options_set_peer_ip(options, given));
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK_STRING(anwdl_client_get_ip(client), ip);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    close(ends[PEER_SIDE]);
}

static void test_given_ip_texts(void) {
    check_peer_ip("192.0.2.7", "192.0.2.7");
    check_peer_ip("2001:0DB8:0:0:0:0:0:1", "2001:db8::1");
    check_peer_ip("::ffff:192.0.2.7", "192.0.2.7");
}

static void check_same_key(const anwdl_aes_wrapper_t *wrapper, const uint8_t *key, size_t key_len) {
    const uint8_t *found = NULL;
    const uint8_t *iv = NULL;
    size_t found_len = 0;
    size_t iv_len = 0;
    CHECK_OK(anwdl_aes_wrapper_get_key(wrapper, &found, &found_len, &iv, &iv_len));
    CHECK_BYTES(found, found_len, key, key_len);
}

static void test_wrappers(void) {
    int ends[2];
    make_tcp_pair(ends);
    anwdl_client_t *client = make_client(ends[SERVER_SIDE]);
    anwdl_rsa_wrapper_t *rsa = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *other = make_rsa_wrapper("peer-1");
    anwdl_aes_wrapper_t *aes = make_aes_wrapper(ANWDL_AES_CBC);
    char *expected = NULL;
    char *found = NULL;

    /* The client's own copy: the caller's wrapper may go at once. */
    CHECK_OK(anwdl_client_set_rsa_wrapper(client, other));
    CHECK_OK(anwdl_client_set_rsa_wrapper(client, rsa));
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(rsa, &expected));
    anwdl_rsa_wrapper_free(rsa);
    anwdl_rsa_wrapper_free(other);
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(anwdl_client_get_rsa_wrapper(client), &found));
    CHECK_STRING(found, expected);
    anwdl_string_free(found);
    anwdl_string_free(expected);

    CHECK_OK(anwdl_client_set_aes_wrapper(client, aes));
    anwdl_aes_wrapper_free(aes);
    CHECK(anwdl_client_get_aes_wrapper(client) != NULL);
    check_same_key(anwdl_client_get_aes_wrapper(client), SHARED_KEY, sizeof SHARED_KEY);

    /* The authenticated framing has keys of one size only. */
    REQUIRE(anwdl_aes_wrapper_new(128, ANWDL_AES_GCM, &aes) == ANWDL_OK);
    CHECK_FAILURE(anwdl_client_set_aes_wrapper(client, aes), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    anwdl_aes_wrapper_free(aes);

    CHECK_FAILURE(anwdl_client_set_rsa_wrapper(client, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_client_set_aes_wrapper(client, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

/* Text that has an escaped NUL and text beyond ASCII, integers of more than 53 and more than 64
 * bits. */
#define PARAMETERS                                                                                 \
    "{\"text\": \"caf\xc3\xa9 \xe2\x82\xac\", \"cut\": \"a\\u0000b\", \"empty\": \"\", "           \
    "\"large\": 9007199254740993, \"least\": -9223372036854775808, "                               \
    "\"huge\": 123456789012345678901234567890, \"real\": 1.0, \"yes\": true, \"no\": false, "      \
    "\"nothing\": null, \"list\": [1, 2]}"

static void check_request(const anwdl_request_t *request) {
    size_t len = 99;
    int64_t integer = 99;
    bool boolean = false;
    CHECK_STRING(anwdl_request_get_verb(request), "ECHO");
    CHECK_STRING(anwdl_request_get_json(request),
                 "{\"verb\": \"ECHO\", \"parameters\": " PARAMETERS ", \"more\": [true]}");
    CHECK_STRING(anwdl_request_get_parameters_json(request), PARAMETERS);

    CHECK_STRING(anwdl_request_get_string(request, "text", &len), "caf\xc3\xa9 \xe2\x82\xac");
    CHECK_INTEGER(len, 9);
    CHECK_STRING(anwdl_request_get_string(request, "text", NULL), "caf\xc3\xa9 \xe2\x82\xac");
    CHECK_STRING(anwdl_request_get_string(request, "empty", &len), "");
    CHECK_INTEGER(len, 0);
    const char *cut = anwdl_request_get_string(request, "cut", &len);
    REQUIRE(cut != NULL);
    CHECK_BYTES(cut, len, "a\0b", 3);

    CHECK(anwdl_request_get_integer(request, "large", &integer));
    CHECK(integer == INT64_C(9007199254740993));
    CHECK(anwdl_request_get_integer(request, "least", &integer));
    CHECK(integer == INT64_MIN);
    CHECK(anwdl_request_get_boolean(request, "yes", &boolean) && boolean);
    CHECK(anwdl_request_get_boolean(request, "no", &boolean) && !boolean);

    /* Absent, or of another type: nothing is written. */
    static const char *const no_string[] = {"absent", "large", "yes", "nothing", "list"};
    static const char *const no_integer[] = {"absent", "text", "yes", "nothing", "huge", "real"};
    static const char *const no_boolean[] = {"absent", "text", "large", "nothing", "list"};
    len = 99;
    integer = 99;
    boolean = true;
    for (size_t at = 0; at < sizeof no_string / sizeof no_string[0]; at++)
        CHECK(anwdl_request_get_string(request, no_string[at], &len) == NULL);
    for (size_t at = 0; at < sizeof no_integer / sizeof no_integer[0]; at++)
        CHECK(!anwdl_request_get_integer(request, no_integer[at], &integer));
    for (size_t at = 0; at < sizeof no_boolean / sizeof no_boolean[0]; at++)
        CHECK(!anwdl_request_get_boolean(request, no_boolean[at], &boolean));
    CHECK_INTEGER(len, 99);
    CHECK_INTEGER(integer, 99);
    CHECK(boolean);

    CHECK(anwdl_request_get_string(request, NULL, &len) == NULL);
    CHECK(!anwdl_request_get_integer(request, NULL, &integer));
    CHECK(!anwdl_request_get_integer(request, "large", NULL));
    CHECK(!anwdl_request_get_boolean(request, "yes", NULL));
}

static void test_request(void) {
    /* In gcm a request needs no answer from the server, so that one thread does for both sides. */
    anwdl_request_t *request = NULL;
    peer_t peer;
    anwdl_client_t *client = peer_open_gcm_client(&peer, NULL);
    CHECK(anwdl_client_is_idle(client));
    CHECK(peer_send_request(&peer, "{\"verb\": \"ECHO\", \"parameters\": " PARAMETERS
                                   ", \"more\": [true]}"));
    CHECK_OK(anwdl_client_recv_request(client, true, &request));
    CHECK(!anwdl_client_is_idle(client)); /* it has no response yet */
    check_request(request);
    check_request(anwdl_client_get_stored_request(client));
    CHECK(anwdl_client_get_request_errors(client) == NULL);
    CHECK_INTEGER(anwdl_client_get_protocol(client), ANWDL_PROTOCOL_GCM);

    /* A request outlives the client that received it. */
    anwdl_client_free(client);
    check_request(request);
    anwdl_request_free(request);
    peer_free(&peer);
}

/* Whoever passes no object gets nothing, and is told which argument it was. */
static void test_missing_objects(void) {
    int64_t integer;
    bool boolean;
#define CHECK_TOLD(condition)                                                                      \
    CHECK((condition) && anwdl_last_error_reason() == ANWDL_REASON_INVALID_ARGUMENT)
    CHECK_TOLD(anwdl_client_get_ip(NULL) == NULL && strstr(anwdl_last_error_message(), "client"));
    CHECK_TOLD(anwdl_client_get_id(NULL) == NULL);
    CHECK_TOLD(anwdl_client_get_socket_descriptor(NULL) == -1);
    CHECK_TOLD(!anwdl_client_is_closed(NULL));
    CHECK_TOLD(!anwdl_client_has_failed(NULL));
    CHECK_TOLD(!anwdl_client_is_idle(NULL));
    CHECK_TOLD(anwdl_client_get_creation_timestamp(NULL) == 0);
    CHECK_TOLD(anwdl_client_get_time_left(NULL) == -1);
    CHECK_TOLD(anwdl_client_get_protocol(NULL) == ANWDL_PROTOCOL_AUTO);
    CHECK_TOLD(anwdl_client_get_rsa_wrapper(NULL) == NULL);
    CHECK_TOLD(anwdl_client_get_aes_wrapper(NULL) == NULL);
    CHECK_TOLD(anwdl_client_get_stored_request(NULL) == NULL);
    CHECK_TOLD(anwdl_client_get_request_errors(NULL) == NULL);
    CHECK_TOLD(anwdl_client_get_malformed_request_json(NULL) == NULL);
    CHECK_TOLD(anwdl_request_get_verb(NULL) == NULL);
    CHECK_TOLD(anwdl_request_get_json(NULL) == NULL);
    CHECK_TOLD(anwdl_request_get_parameters_json(NULL) == NULL);
    CHECK_TOLD(anwdl_request_get_string(NULL, "name", NULL) == NULL);
    CHECK_TOLD(!anwdl_request_get_integer(NULL, "name", &integer));
    CHECK_TOLD(!anwdl_request_get_boolean(NULL, "name", &boolean));
    CHECK_TOLD(anwdl_rsa_wrapper_get_key_size(NULL) == 0);
    CHECK_TOLD(anwdl_aes_wrapper_get_key_size(NULL) == 0);
}

static void test_version(void) {
    char version[64];
    snprintf(version, sizeof version, "%d.%d.%d", ANWDL_VERSION_MAJOR, ANWDL_VERSION_MINOR,
             ANWDL_VERSION_PATCH);
    CHECK_STRING(anwdl_version(), version);
    CHECK_STRING(anwdl_version(), ANWDL_VERSION);
}

int main(void) {
    size_t before = count_open_descriptors();
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    CHECK_STRING(anwdl_last_error_message(), "no error");
    CHECK_INTEGER(anwdl_last_error_errno(), 0);
    test_fresh_client();
    test_ip_texts();
    test_given_ip_texts();
    test_wrappers();
    test_request();
    test_missing_objects();
    test_version();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
