/* A server's operations, one after the other, for callgrind to count their instructions:

       operations exchange|request v2|v3|v4|gcm COUNT
       operations features

   The peer speaks over a socket pair of its own on which the answers that it waits for lie ready,
   and what it says reaches the server as a whole. So neither side ever waits, one thread is enough,
   and every run executes the same instructions. The second form prints the features of the
   processor as this process sees them, which under valgrind are not those of the machine. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#else
#include <sys/auxv.h>
#endif

#define REQUEST       "{\"verb\": \"STAT\", \"parameters\": {}}"
#define RESPONSE_DATA "{\"uptime\": 86400, \"version\": \"1.0.0\"}"
#define RESPONSE      "{\"success\": true, \"message\": \"OK\", \"data\": " RESPONSE_DATA "}"

enum {
    LARGEST_FLIGHT = 4096,
    CBC_SECRET_SIZE = 32 + 16, /* key and IV */
    GCM_SECRET_SIZE = 1 + 32,  /* mark and random bytes */
    GCM_SECRET_MARK = 5,
};

/* -- bytes on their way ------------------------------------------------------------------------ */

static void put(int fd, const void *bytes, size_t len) {
    REQUIRE(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Takes all that lies ready; returns how many bytes. */
static size_t take(int fd, uint8_t *bytes, size_t capacity) {
    size_t len = 0;
    for (;;) {
        ssize_t count = recv(fd, bytes + len, capacity - len, MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return len;
        REQUIRE(count > 0);
        len += (size_t)count;
        REQUIRE(len < capacity);
    }
}

static void carry(int from, int to) {
    uint8_t bytes[LARGEST_FLIGHT];
    size_t len = take(from, bytes, sizeof bytes);
    REQUIRE(len > 0);
    put(to, bytes, len);
}

/* Answers that are known beforehand and that nobody waits for. */
static void discard(int from, size_t expected) {
    uint8_t bytes[LARGEST_FLIGHT];
    REQUIRE(take(from, bytes, sizeof bytes) == expected);
}

/* -- requests ---------------------------------------------------------------------------------- */

/* A session under a key agreed on beforehand. */
typedef struct {
    anwdl_client_t *client;
    peer_t peer;
    int server_end;     /* the far end of the server's socket */
    int peer_end;       /* the far end of the peer's socket */
    size_t answer_size; /* what the other side sends between a header and its packet */
} session_t;

static void open_session(session_t *session, anwdl_protocol_t framing) {
    bool is_gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_options_t *options =
        make_shared_key_options(is_gcm ? ANWDL_AES_GCM : ANWDL_AES_CBC);
    int server_ends[2];
    int peer_ends[2];
    make_unix_pair(server_ends);
    make_unix_pair(peer_ends);
    REQUIRE(anwdl_client_new(server_ends[SERVER_SIDE], options, &session->client) == ANWDL_OK);
    anwdl_client_options_free(options);
    peer_init(&session->peer, peer_ends[PEER_SIDE], framing, NULL);
    session->server_end = server_ends[PEER_SIDE];
    session->peer_end = peer_ends[SERVER_SIDE];
    session->answer_size = is_gcm ? 0 : 1;
}

static void close_session(session_t *session) {
    anwdl_client_free(session->client);
    peer_free(&session->peer);
    close(session->server_end);
    close(session->peer_end);
}

static void serve_request(session_t *session) {
    anwdl_request_t *request = NULL;
    if (session->answer_size > 0)
        put(session->peer_end, "1", session->answer_size);
    REQUIRE(peer_send_request(&session->peer, REQUEST));
    carry(session->peer_end, session->server_end);

    REQUIRE(anwdl_client_recv_request(session->client, false, &request) == ANWDL_OK);
    REQUIRE(strcmp(anwdl_request_get_verb(request), "STAT") == 0);
    discard(session->server_end, session->answer_size);
    if (session->answer_size > 0)
        put(session->server_end, "1", session->answer_size);
    REQUIRE(anwdl_client_send_response(session->client, true, ANWDL_RESPONSE_MSG_OK, RESPONSE_DATA,
                                       NULL) == ANWDL_OK);
    anwdl_request_free(request);

    carry(session->server_end, session->peer_end);
    char *response = peer_receive_response(&session->peer);
    discard(session->peer_end, session->answer_size);
    CHECK_STRING(response, RESPONSE);
    free(response);
}

static void serve_requests(anwdl_protocol_t framing, unsigned long count) {
    session_t session;
    open_session(&session, framing);
    for (unsigned long at = 0; at < count; at++)
        serve_request(&session);
    CHECK_INTEGER(anwdl_client_get_protocol(session.client), framing);
    close_session(&session);
}

/* -- key exchanges ----------------------------------------------------------------------------- */

/* Everything that a peer sends in a key exchange, which is the same in each: it knows the server's
   public key beforehand. */
static size_t prepare_flights(anwdl_protocol_t framing, uint8_t *bytes, size_t capacity) {
    uint8_t secret[CBC_SECRET_SIZE] = {GCM_SECRET_MARK};
    size_t secret_len = framing == ANWDL_PROTOCOL_GCM ? GCM_SECRET_SIZE : CBC_SECRET_SIZE;
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    char *server_pem = NULL;
    peer_t peer;
    int ends[2];
    make_unix_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], framing, "client");
    REQUIRE(anwdl_rsa_wrapper_get_public_key(server, &server_pem) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_remote_public_key(peer.rsa, server_pem) == ANWDL_OK);
    anwdl_string_free(server_pem);
    anwdl_rsa_wrapper_free(server);

    put(ends[SERVER_SIDE], "11", 2); /* to its length and its key */
    REQUIRE(peer_send_public_key(&peer));
    REQUIRE(peer_send_bytes(&peer, "11", 2)); /* to the server's length and key */
    REQUIRE(peer_send_wrapped(&peer, secret, secret_len));
    REQUIRE(peer_send_bytes(&peer, "1", 1)); /* to the server's secret */
    size_t len = take(ends[SERVER_SIDE], bytes, capacity);
    peer_free(&peer);
    close(ends[SERVER_SIDE]);
    return len;
}

static void exchange_keys(anwdl_protocol_t framing, unsigned long count) {
    anwdl_client_options_t *options = make_server_options();
    uint8_t flights[LARGEST_FLIGHT];
    size_t len = prepare_flights(framing, flights, sizeof flights);
    for (unsigned long at = 0; at < count; at++) {
        anwdl_client_t *client = NULL;
        int ends[2];
        make_unix_pair(ends);
        put(ends[PEER_SIDE], flights, len);
        REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
        CHECK((anwdl_client_get_protocol(client) == ANWDL_PROTOCOL_GCM) ==
              (framing == ANWDL_PROTOCOL_GCM));
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
    anwdl_client_options_free(options);
}

/* -- features of the processor ----------------------------------------------------------------- */

#if defined(__x86_64__) || defined(__i386__)
static int print_features(void) {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    unsigned extended_ebx = 0, extended_ecx = 0;
    REQUIRE(__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 1);
    unsigned basic_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 1) {
        extended_ebx = ebx;
        extended_ecx = ecx;
    }
    const struct {
        const char *name;
        bool is_present;
    } features[] = {
        {"ssse3", basic_ecx & bit_SSSE3},      {"aes", basic_ecx & bit_AES},
        {"pclmulqdq", basic_ecx & bit_PCLMUL}, {"avx", basic_ecx & bit_AVX},
        {"rdrand", basic_ecx & bit_RDRND},     {"avx2", extended_ebx & bit_AVX2},
        {"bmi2", extended_ebx & bit_BMI2},     {"adx", extended_ebx & bit_ADX},
        {"sha_ni", extended_ebx & bit_SHA},    {"avx512f", extended_ebx & bit_AVX512F},
        {"vaes", extended_ecx & bit_VAES},     {"vpclmulqdq", extended_ecx & bit_VPCLMULQDQ},
    };
    const char *separator = "";
    for (size_t at = 0; at < sizeof features / sizeof features[0]; at++)
        if (features[at].is_present) {
            printf("%s%s", separator, features[at].name);
            separator = " ";
        }
    printf("\n");
    return EXIT_SUCCESS;
}
#else
static int print_features(void) {
    printf("hwcap %#lx\n", getauxval(AT_HWCAP));
    return EXIT_SUCCESS;
}
#endif

/* -- the command line -------------------------------------------------------------------------- */

static bool find_framing(const char *name, anwdl_protocol_t *framing) {
    static const struct {
        const char *name;
        anwdl_protocol_t framing;
    } framings[] = {{"v2", ANWDL_PROTOCOL_V2},
                    {"v3", ANWDL_PROTOCOL_V3},
                    {"v4", ANWDL_PROTOCOL_V4},
                    {"gcm", ANWDL_PROTOCOL_GCM}};
    for (size_t at = 0; at < sizeof framings / sizeof framings[0]; at++)
        if (strcmp(name, framings[at].name) == 0) {
            *framing = framings[at].framing;
            return true;
        }
    return false;
}

int main(int argc, char **argv) {
    anwdl_protocol_t framing = ANWDL_PROTOCOL_AUTO;
    if (argc == 2 && strcmp(argv[1], "features") == 0)
        return print_features();
    if (argc != 4 || !find_framing(argv[2], &framing)) {
        fprintf(stderr, "usage: operations exchange|request v2|v3|v4|gcm COUNT\n"
                        "       operations features\n");
        return EXIT_FAILURE;
    }
    char *end = NULL;
    unsigned long count = strtoul(argv[3], &end, 10);
    if (count == 0 || *end != '\0') {
        fprintf(stderr, "operations: COUNT is a number, 1 or more\n");
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "exchange") == 0)
        exchange_keys(framing, count);
    else if (strcmp(argv[1], "request") == 0)
        serve_requests(framing, count);
    else {
        fprintf(stderr, "operations: no such operation: %s\n", argv[1]);
        return EXIT_FAILURE;
    }
    return check_finish();
}
