/* A server's operations, one after the other, for callgrind to count their instructions:

       operations exchange|request v2|v3|v4|gcm COUNT
       operations features

   The peer is the library in its other role, without a descriptor. It gets the answers that it
   waits for beforehand, and what it says reaches the server as a whole. So neither side ever waits,
   one thread is enough but for the key exchange before the requests of gcm, and every run executes
   the same instructions. The second form prints the features of the processor as this process sees
   them, which under valgrind are not those of the machine. */
#include "check.h"
#include "flights.h"
#include "library_peer.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
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

#define RESPONSE_DATA "{\"uptime\": 86400, \"version\": \"1.0.0\"}"
#define RESPONSE      "{\"success\": true, \"message\": \"OK\", \"data\": " RESPONSE_DATA "}"

enum { LARGEST_FLIGHT = 4096 };

/* -- bytes on their way ------------------------------------------------------------------------ */

static void put(int fd, const bytes_t *bytes) {
    REQUIRE(send(fd, bytes->bytes, bytes->len, MSG_NOSIGNAL) == (ssize_t)bytes->len);
}

/* Takes all that lies ready. */
static bytes_t take(int fd) {
    uint8_t piece[LARGEST_FLIGHT];
    bytes_t bytes = {0};
    ssize_t count;
    while ((count = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        bytes_append(&bytes, piece, (size_t)count);
    REQUIRE(count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    return bytes;
}

/* -- requests ---------------------------------------------------------------------------------- */

typedef struct {
    anwdl_client_t *client;
    anwdl_session_t *peer;
    int far_end; /* of the server's socket */
    bool is_answered;
} session_t;

/* What a server waits for that exchanges keys. */
typedef struct {
    anwdl_session_t *peer;
    int fd;
} exchange_t;

static void *exchange_on_thread(void *argument) {
    exchange_t *exchange = argument;
    peer_operation_t exchanging = exchanging_first();
    library_peer_run(exchange->peer, &exchanging, exchange->fd, NULL);
    return NULL;
}

/* Under a key agreed on beforehand or, in gcm, where there is none, after a key exchange. */
static void open_session(session_t *session, anwdl_protocol_t framing) {
    bool is_gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_rsa_wrapper_t *rsa = is_gcm ? make_rsa_wrapper("server") : NULL;
    anwdl_rsa_wrapper_t *peer_rsa = is_gcm ? make_rsa_wrapper("client") : NULL;
    anwdl_client_options_t *options = library_peer_options(ANWDL_PROTOCOL_AUTO, rsa);
    int ends[2];
    pthread_t thread;
    make_unix_pair(ends);
    session->peer = library_peer_new(framing, peer_rsa);
    session->far_end = ends[PEER_SIDE];
    session->is_answered = !is_gcm;
    exchange_t exchange = {session->peer, session->far_end};
    if (is_gcm)
        REQUIRE(pthread_create(&thread, NULL, exchange_on_thread, &exchange) == 0);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &session->client) == ANWDL_OK);
    if (is_gcm)
        REQUIRE(pthread_join(thread, NULL) == 0);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(peer_rsa);
    anwdl_rsa_wrapper_free(rsa);
}

static void close_session(session_t *session) {
    anwdl_client_free(session->client);
    anwdl_session_free(session->peer);
    close(session->far_end);
}

/* The peer does one operation, given the answer that it waits for, if any, before what it hears. */
static bytes_t let_peer(session_t *session, peer_operation_t *operation, bytes_t *heard) {
    bytes_t said = {0};
    REQUIRE(library_peer_go_on(session->peer, operation, heard, &said) == ANWDL_OK);
    REQUIRE(heard->len == 0);
    bytes_free(heard);
    return said;
}

static void serve_request(session_t *session) {
    anwdl_request_t *request = NULL;
    peer_operation_t asking = asking_for_stat("{}");
    peer_operation_t hearing_it = hearing();
    size_t answer_size = session->is_answered ? 1 : 0;
    bytes_t heard = {0};
    bytes_append(&heard, "1", answer_size);
    bytes_t said = let_peer(session, &asking, &heard);
    /* The answer to the response's header. */
    bytes_append(&said, "1", answer_size);
    put(session->far_end, &said);
    bytes_free(&said);

    REQUIRE(anwdl_client_recv_request(session->client, false, &request) == ANWDL_OK);
    REQUIRE(strcmp(anwdl_request_get_verb(request), "STAT") == 0);
    REQUIRE(anwdl_client_send_response(session->client, true, ANWDL_RESPONSE_MSG_OK, RESPONSE_DATA,
                                       NULL) == ANWDL_OK);
    anwdl_request_free(request);

    heard = take(session->far_end);
    if (session->is_answered) {
        /* The answer to the request's header was given beforehand. */
        REQUIRE(heard.len > 1 && heard.bytes[0] == '1');
        memmove(heard.bytes, heard.bytes + 1, --heard.len);
    }
    said = let_peer(session, &hearing_it, &heard);
    REQUIRE(said.len == answer_size);
    bytes_free(&said);
    CHECK_STRING(anwdl_response_get_json(hearing_it.response), RESPONSE);
    anwdl_response_free(hearing_it.response);
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

static void exchange_keys(anwdl_protocol_t framing, unsigned long count) {
    anwdl_rsa_wrapper_t *rsa = make_rsa_wrapper("server");
    anwdl_client_options_t *options = library_peer_options(ANWDL_PROTOCOL_AUTO, rsa);
    bytes_t flights = record_flights(framing, rsa, "client", NULL);
    for (unsigned long at = 0; at < count; at++) {
        anwdl_client_t *client = NULL;
        int ends[2];
        make_unix_pair(ends);
        put(ends[PEER_SIDE], &flights);
        REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
        CHECK((anwdl_client_get_protocol(client) == ANWDL_PROTOCOL_GCM) ==
              (framing == ANWDL_PROTOCOL_GCM));
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
    bytes_free(&flights);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(rsa);
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
