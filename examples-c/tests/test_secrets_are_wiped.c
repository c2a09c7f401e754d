/* What is left of secrets in memory once a session has ended or a wrapper was freed: nothing. Both
   sides of each session are the library's, in this process; but for those whose other side, in a
   process of its own, tells the keys of gcm, which the library shows to nobody. */
#include "check.h"
#include "memory_scan.h"
#include "peer.h"
#include "raw_rsa.h"
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOKEN_SIZE = 48, MODULUS_SIZE = 256, LONGEST_PEM = 8192 };

static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                            ANWDL_PROTOCOL_GCM};
enum { FRAMING_COUNT = 4 };

/* -- secrets ----------------------------------------------------------------------------------- */

/* A text that no other has; remembered. */
static void make_token(const char *label, char token[TOKEN_SIZE + 1]) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t at = 0; at < TOKEN_SIZE; at++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        token[at] = (char)('a' + (state >> 33) % 26);
    }
    token[TOKEN_SIZE] = '\0';
    remember_secret(label, token, TOKEN_SIZE);
}

/* -- what AES makes of a key (FIPS 197, section 5.2) ------------------------------------------- */

static uint8_t times(uint8_t a, uint8_t b) {
    uint8_t product = 0;
    for (; b != 0; b >>= 1) {
        if (b & 1)
            product ^= a;
        a = (uint8_t)(a << 1 ^ (a >> 7) * 0x1b);
    }
    return product;
}

static uint8_t substitute(uint8_t byte) {
    uint8_t inverse = 1;
    for (int round = 0; round < 254; round++)
        inverse = times(inverse, byte);
    uint8_t result = 0x63;
    for (unsigned turn = 0; turn < 5; turn++)
        result ^= (uint8_t)(inverse << turn | inverse >> (8 - turn));
    return result;
}

/* Two neighbouring round keys give the key back. */
static void remember_round_keys(const uint8_t *key, size_t key_len) {
    uint8_t words[60][4];
    size_t key_words = key_len / 4;
    size_t count = 4 * (key_words + 7);
    uint8_t constant = 1;
    memcpy(words, key, key_len);
    for (size_t at = key_words; at < count; at++) {
        uint8_t word[4];
        memcpy(word, words[at - 1], sizeof word);
        if (at % key_words == 0) {
            uint8_t first = word[0];
            for (size_t byte = 0; byte < 4; byte++)
                word[byte] = substitute(byte < 3 ? word[byte + 1] : first);
            word[0] ^= constant;
            constant = times(constant, 2);
        } else if (key_words == 8 && at % 8 == 4) {
            for (size_t byte = 0; byte < 4; byte++)
                word[byte] = substitute(word[byte]);
        }
        for (size_t byte = 0; byte < 4; byte++)
            words[at][byte] = words[at - key_words][byte] ^ word[byte];
    }
    remember_secret("a round key", words[key_words], 4 * (count - key_words));
    explicit_bzero(words, sizeof words);
}

/* The IVs of v3 and v4 go over the wire in clear, but for the one that was exchanged. */
static void remember_key(const anwdl_aes_wrapper_t *wrapper, bool is_iv_secret) {
    const uint8_t *key = NULL;
    const uint8_t *iv = NULL;
    size_t key_len = 0;
    size_t iv_len = 0;
    if (wrapper == NULL) /* gcm shows its keys to nobody */
        return;
    REQUIRE(anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len) == ANWDL_OK);
    remember_secret("the AES key", key, key_len);
    remember_round_keys(key, key_len);
    if (is_iv_secret)
        remember_secret("the IV", iv, iv_len);
}

/* -- two sessions that talk to each other in memory -------------------------------------------- */

typedef struct side side_t;
struct side {
    anwdl_session_t *session;
    anwdl_status_t (*operation)(side_t *side);
    anwdl_status_t status;
    bool is_first;      /* in the key exchange */
    const char *text;   /* what it sends: parameters, or data and reason */
    const char *reason; /* of a response */
    anwdl_request_t *request;
    anwdl_response_t *response;
    const anwdl_rsa_wrapper_t *rsa;
};

static anwdl_status_t exchange(side_t *side) {
    return anwdl_session_exchange_keys(side->session, !side->is_first);
}

static anwdl_status_t send_request(side_t *side) {
    return anwdl_session_send_request(side->session, "CREATE", side->text);
}

static anwdl_status_t recv_request(side_t *side) {
    return anwdl_session_recv_request(side->session, false, &side->request);
}

static anwdl_status_t send_response(side_t *side) {
    return anwdl_session_send_response(side->session, true, ANWDL_RESPONSE_MSG_OK, side->text,
                                       side->reason);
}

static anwdl_status_t recv_response(side_t *side) {
    return anwdl_session_recv_response(side->session, &side->response);
}

static bool is_waiting(anwdl_status_t status) {
    return status == ANWDL_WANT_READ || status == ANWDL_WANT_WRITE;
}

/* What goes over the wire wrapped in RSA is a secret. An answer may stand before it. */
static void remember_wrapped(const side_t *to, const uint8_t *bytes, size_t len) {
    uint8_t *plain = NULL;
    size_t plain_len = 0;
    if (len < MODULUS_SIZE || len > MODULUS_SIZE + 1)
        return;
    REQUIRE(anwdl_rsa_wrapper_decrypt_data(to->rsa, bytes + len - MODULUS_SIZE, MODULUS_SIZE,
                                           &plain, &plain_len) == ANWDL_OK);
    remember_secret("the secret behind OAEP", plain, plain_len);
    if (plain_len == 33)
        remember_secret("the random half of a secret behind OAEP", plain + 1, plain_len - 1);
    anwdl_bytes_free(plain, plain_len);
}

/* Carries what one side has to send, with a bit of the last byte flipped if asked for. */
static void carry(side_t *from, side_t *to, size_t flip_from) {
    const uint8_t *pending = NULL;
    size_t len = 0;
    size_t taken = 0;
    REQUIRE(anwdl_session_get_pending(from->session, &pending, &len) == ANWDL_OK);
    if (len == 0 || anwdl_session_get_wants(to->session) != ANWDL_WANT_READ)
        return;
    if (from->operation == exchange)
        remember_wrapped(to, pending, len);
    if (len >= flip_from) {
        uint8_t *changed = malloc(len);
        REQUIRE(changed != NULL);
        memcpy(changed, pending, len);
        changed[len - 1 - 20] ^= 1;
        REQUIRE(anwdl_session_feed(to->session, changed, len, &taken) == ANWDL_OK);
        free(changed);
    } else {
        REQUIRE(anwdl_session_feed(to->session, pending, len, &taken) == ANWDL_OK);
    }
    REQUIRE(anwdl_session_sent(from->session, taken) == ANWDL_OK);
}

/* Takes an operation of each side to its end. */
static void talk(side_t *one, anwdl_status_t (*of_one)(side_t *), side_t *other,
                 anwdl_status_t (*of_other)(side_t *), size_t flip_from) {
    one->operation = of_one;
    other->operation = of_other;
    one->status = of_one(one);
    other->status = of_other(other);
    for (int round = 0; round < 200; round++) {
        carry(one, other, flip_from);
        carry(other, one, flip_from);
        if (is_waiting(one->status))
            one->status = of_one(one);
        if (is_waiting(other->status))
            other->status = of_other(other);
        if (!is_waiting(one->status) && !is_waiting(other->status))
            return;
    }
}

typedef enum { ENDS_WITH_END, ENDS_WITH_FAILURE, ENDS_WITH_FREE, ENDINGS } ending_t;

static anwdl_session_t *make_session(anwdl_role_t role, anwdl_protocol_t framing,
                                     const anwdl_rsa_wrapper_t *rsa) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_session_t *session = NULL;
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, rsa) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_protocol(options, framing) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

/* Reads all names and strings in a value, so that they are decoded. */
static void read_values(anwdl_value_t value) {
    anwdl_value_t inner = anwdl_value_get_first(value);
    for (; anwdl_value_get_type(inner) != ANWDL_VALUE_NONE; inner = anwdl_value_get_next(inner)) {
        const char *string = NULL;
        anwdl_value_get_name(inner, NULL);
        CHECK(anwdl_value_get_type(inner) != ANWDL_VALUE_STRING ||
              anwdl_value_get_string(inner, "", &string, NULL) == ANWDL_OK);
        read_values(inner);
    }
}

/* Reads everything that a request and a response can be asked for, so that it is made. */
static void read_messages(side_t *server, side_t *client) {
    if (server->request != NULL) {
        CHECK(anwdl_request_get_json(server->request) != NULL);
        CHECK(anwdl_request_get_parameters_json(server->request) != NULL);
        CHECK(anwdl_request_get_string(server->request, "token", NULL) != NULL);
        CHECK(anwdl_request_get_string(server->request, "escaped", NULL) != NULL);
        read_values(anwdl_request_get_parameters(server->request));
    }
    if (client->response != NULL) {
        CHECK(anwdl_response_get_json(client->response) != NULL);
        CHECK(anwdl_response_get_data_json(client->response) != NULL);
        CHECK(anwdl_response_get_message(client->response) != NULL);
        CHECK(anwdl_response_get_string(client->response, "password", NULL) != NULL);
        CHECK(anwdl_response_get_string(client->response, "escaped", NULL) != NULL);
        read_values(anwdl_response_get_data(client->response));
    }
    anwdl_request_free(server->request);
    anwdl_response_free(client->response);
    server->request = NULL;
    client->response = NULL;
}

/* Both texts hold tokens, of which one is escaped; `padding` makes them longer. */
static void ask(side_t *server, side_t *client, size_t padding) {
    char tokens[9][TOKEN_SIZE + 1];
    size_t size = padding + 512;
    char *parameters = malloc(size);
    char *data = malloc(size);
    char reason[TOKEN_SIZE + 16];
    REQUIRE(parameters != NULL && data != NULL);
    make_token("a token of a request", tokens[0]);
    make_token("an escaped token of a request", tokens[1]);
    make_token("a password of a response", tokens[2]);
    make_token("an escaped password of a response", tokens[3]);
    make_token("the reason of a response", tokens[4]);
    make_token("the name of a request's token", tokens[5]);
    make_token("the name of a response's password", tokens[6]);
    make_token("a token in a list", tokens[7]);
    make_token("a password in an object", tokens[8]);
    snprintf(parameters, size,
             "{\"token\": \"%s\", \"escaped\": \"\\u00e9%s\", \"%s\": [\"\\u00e9%s\"], "
             "\"pad\": \"%*s\"}",
             tokens[0], tokens[1], tokens[5], tokens[7], (int)padding, "");
    snprintf(data, size,
             "{\"password\": \"%s\", \"escaped\": \"\\n%s\", \"\\t%s\": {\"a\": \"%s\"}, "
             "\"pad\": \"%*s\"}",
             tokens[2], tokens[3], tokens[6], tokens[8], (int)padding, "");
    snprintf(reason, sizeof reason, "\"%s\"", tokens[4]);
    client->text = parameters;
    server->text = data;
    server->reason = reason;
    talk(client, send_request, server, recv_request, SIZE_MAX);
    CHECK_INTEGER(client->status, ANWDL_OK);
    CHECK_INTEGER(server->status, ANWDL_OK);
    talk(server, send_response, client, recv_response, SIZE_MAX);
    CHECK_INTEGER(server->status, ANWDL_OK);
    CHECK_INTEGER(client->status, ANWDL_OK);
    read_messages(server, client);
    explicit_bzero(tokens, sizeof tokens);
    explicit_bzero(parameters, size);
    explicit_bzero(data, size);
    explicit_bzero(reason, sizeof reason);
    free(parameters);
    free(data);
}

/* A request that does not fit the format, which no library's client sends: in v2, it is its length
   and its ciphertext. */
static void ask_wrongly(side_t *server, side_t *client) {
    char token[TOKEN_SIZE + 1];
    char request[2 * TOKEN_SIZE];
    char header[32];
    uint8_t *packet = NULL;
    size_t len = 0;
    size_t taken = 0;
    make_token("a token of a malformed request", token);
    snprintf(request, sizeof request, "{\"verb\": NaN, \"token\": \"%s\"}", token);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(anwdl_session_get_aes_wrapper(client->session),
                                           (const uint8_t *)request, strlen(request), &packet,
                                           &len) == ANWDL_OK);
    snprintf(header, sizeof header, "%zu========", len);
    CHECK_STATUS(recv_request(server), ANWDL_WANT_READ);
    REQUIRE(anwdl_session_feed(server->session, (const uint8_t *)header, 8, &taken) == ANWDL_OK);
    CHECK_STATUS(recv_request(server), ANWDL_WANT_WRITE);
    REQUIRE(anwdl_session_sent(server->session, 1) == ANWDL_OK);
    CHECK_STATUS(recv_request(server), ANWDL_WANT_READ);
    REQUIRE(anwdl_session_feed(server->session, packet, len, &taken) == ANWDL_OK);
    CHECK_FAILURE(recv_request(server), ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_REQUEST);
    anwdl_bytes_free(packet, len);
    CHECK_STRING(anwdl_session_get_malformed_request_json(server->session), request);
    CHECK(strstr(anwdl_session_get_request_errors(server->session), "column 10") != NULL);
    CHECK(strstr(anwdl_last_error_message(), token) == NULL);
    explicit_bzero(token, sizeof token);
    explicit_bzero(request, sizeof request);
    server->text = NULL;
    server->reason = NULL;
    talk(server, send_response, client, recv_response, SIZE_MAX);
    CHECK_INTEGER(server->status, ANWDL_OK);
    CHECK_INTEGER(client->status, ANWDL_OK);
    anwdl_response_free(client->response);
    client->response = NULL;
}

typedef struct {
    side_t *server;
    side_t *client;
    bool is_v2;
    bool ends_malformed; /* the last request, which then lasts as long as its session */
} sides_t;

static void *ask_three_times(void *context) {
    const sides_t *sides = context;
    ask(sides->server, sides->client, 0);
    if (sides->is_v2)
        ask_wrongly(sides->server, sides->client);
    ask(sides->server, sides->client, 40000);
    ask(sides->server, sides->client, 100);
    if (sides->is_v2 && sides->ends_malformed)
        ask_wrongly(sides->server, sides->client);
    return NULL;
}

/* A message in which a bit is flipped ends the receiving side. */
static void fail(side_t *server, side_t *client) {
    char parameters[2 * TOKEN_SIZE];
    char token[TOKEN_SIZE + 1];
    make_token("a token of a request that arrived broken", token);
    snprintf(parameters, sizeof parameters, "{\"token\": \"%s\"}", token);
    client->text = parameters;
    talk(client, send_request, server, recv_request, 48);
    explicit_bzero(token, sizeof token);
    explicit_bzero(parameters, sizeof parameters);
    CHECK_INTEGER(server->status, ANWDL_VALUE_ERROR);
    CHECK(anwdl_session_has_failed(server->session));
    CHECK_OK(anwdl_session_end(client->session));
}

typedef struct {
    anwdl_protocol_t framing;
    bool server_first;
    ending_t ending;
    const anwdl_rsa_wrapper_t *server_rsa;
    const anwdl_rsa_wrapper_t *client_rsa;
} plan_t;

static void *run_fed_sessions(void *context) {
    const plan_t *plan = context;
    side_t server = {.rsa = plan->server_rsa, .is_first = plan->server_first};
    side_t client = {.rsa = plan->client_rsa, .is_first = !plan->server_first};
    server.session = make_session(ANWDL_ROLE_SERVER, plan->framing, plan->server_rsa);
    client.session = make_session(ANWDL_ROLE_CLIENT, plan->framing, plan->client_rsa);

    talk(&server, exchange, &client, exchange, SIZE_MAX);
    CHECK_INTEGER(server.status, ANWDL_OK);
    CHECK_INTEGER(client.status, ANWDL_OK);
    remember_key(anwdl_session_get_aes_wrapper(server.session), true);
    /* On another stack than the one on which the sessions end. */
    sides_t sides = {&server, &client, plan->framing == ANWDL_PROTOCOL_V2,
                     plan->ending == ENDS_WITH_FREE};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, ask_three_times, &sides) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    /* The means find what is there: the key and the IV, where they can be asked for. */
    CHECK(plan->framing == ANWDL_PROTOCOL_GCM || find_secrets() >= 8);
    switch (plan->ending) {
    case ENDS_WITH_END:
        CHECK_OK(anwdl_session_end(server.session));
        CHECK_OK(anwdl_session_end(client.session));
        check_no_secrets("sessions that were ended");
        break;
    case ENDS_WITH_FAILURE:
        fail(&server, &client);
        check_no_secrets("sessions that failed");
        break;
    default:
        break;
    }
    anwdl_session_free(server.session);
    anwdl_session_free(client.session);
    check_no_secrets("sessions that were freed");
    return NULL;
}

/* -- over sockets ------------------------------------------------------------------------------ */

typedef struct {
    int fd;
    anwdl_protocol_t framing;
    const anwdl_rsa_wrapper_t *rsa;
    int ending;
} served_t;

enum { CLOSE, DETACH, FREE, PEER_GONE, SOCKET_ENDINGS };

static void send_secret_data(anwdl_client_t *client, anwdl_status_t expected) {
    char token[TOKEN_SIZE + 1];
    char data[2 * TOKEN_SIZE];
    make_token("a password of a response over a socket", token);
    snprintf(data, sizeof data, "{\"password\": \"%s\"}", token);
    CHECK_STATUS(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
                 expected);
    explicit_bzero(token, sizeof token);
    explicit_bzero(data, sizeof data);
}

static void *serve(void *context) {
    const served_t *served = context;
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_client_t *client = NULL;
    anwdl_request_t *request = NULL;
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, served->rsa) == ANWDL_OK);
    REQUIRE(anwdl_client_new(served->fd, options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    REQUIRE(anwdl_client_recv_request(client, served->ending == FREE, &request) == ANWDL_OK);
    CHECK(anwdl_request_get_string(request, "token", NULL) != NULL);
    anwdl_request_free(request);
    remember_key(anwdl_client_get_aes_wrapper(client), served->framing == ANWDL_PROTOCOL_V2);
    send_secret_data(client, ANWDL_OK);
    switch (served->ending) {
    case CLOSE:
        CHECK_OK(anwdl_client_close_connection(client));
        break;
    case DETACH:
        close(anwdl_client_detach(client));
        break;
    case PEER_GONE:
        CHECK_STATUS(anwdl_client_recv_request(client, false, &request), ANWDL_RUNTIME_ERROR);
        CHECK_OK(anwdl_client_close_connection(client));
        break;
    default:
        anwdl_client_free(client);
        return NULL;
    }
    return client;
}

static void test_socket(anwdl_protocol_t framing, int ending, const anwdl_rsa_wrapper_t *rsa,
                        const anwdl_rsa_wrapper_t *peer_rsa) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_client_interface_t *interface = NULL;
    anwdl_response_t *response = NULL;
    served_t served = {.framing = framing, .rsa = rsa, .ending = ending};
    pthread_t thread;
    uint16_t port;
    char token[TOKEN_SIZE + 1];
    char parameters[2 * TOKEN_SIZE];

    int listener = make_listener(&port);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, peer_rsa) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_protocol(options, framing) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    anwdl_client_options_free(options);
    CHECK_OK(anwdl_client_interface_connect_server(interface, "127.0.0.1", port));
    served.fd = accept(listener, NULL, NULL);
    close(listener);
    REQUIRE(pthread_create(&thread, NULL, serve, &served) == 0);
    CHECK_OK(anwdl_client_interface_exchange_keys(interface, false));
    make_token("a token of a request over a socket", token);
    snprintf(parameters, sizeof parameters, "{\"token\": \"%s\"}", token);
    CHECK_OK(anwdl_client_interface_send_request(interface, "CREATE", parameters));
    explicit_bzero(token, sizeof token);
    explicit_bzero(parameters, sizeof parameters);
    CHECK_OK(anwdl_client_interface_recv_response(interface, &response));
    CHECK(anwdl_response_get_string(response, "password", NULL) != NULL);
    anwdl_response_free(response);
    CHECK_OK(anwdl_client_interface_close_connection(interface));
    void *client = NULL;
    REQUIRE(pthread_join(thread, &client) == 0);
    check_no_secrets("connections that were closed");
    anwdl_client_free(client);
    anwdl_client_interface_free(interface);
    check_no_secrets("connections that were freed");
}

/* -- the keys of gcm's records ----------------------------------------------------------------- */

enum { TOLD_SIZE = 2 * (32 + GCM_NONCE_SIZE), MASK = 0xa5, GCM_TURNS = 3 };

/* A key and an IV for each direction, masked, so that the bytes that carry them are not found. */
static void tell_keys(const peer_t *peer, int fd) {
    uint8_t told[TOLD_SIZE];
    uint8_t *at = told;
    const record_key_t *keys[] = {&peer->gcm_sent, &peer->gcm_received};
    for (size_t direction = 0; direction < 2; direction++) {
        memcpy(at, keys[direction]->key, 32);
        memcpy(at + 32, keys[direction]->iv, GCM_NONCE_SIZE);
        at += 32 + GCM_NONCE_SIZE;
    }
    for (size_t byte = 0; byte < sizeof told; byte++)
        told[byte] ^= MASK;
    REQUIRE(write(fd, told, sizeof told) == (ssize_t)sizeof told);
}

static void remember_told_keys(int fd) {
    uint8_t told[TOLD_SIZE];
    REQUIRE(recv(fd, told, sizeof told, MSG_WAITALL) == (ssize_t)sizeof told);
    for (size_t byte = 0; byte < sizeof told; byte++)
        told[byte] ^= MASK;
    for (const uint8_t *at = told; at < told + sizeof told; at += 32 + GCM_NONCE_SIZE) {
        remember_secret("a record key", at, 32);
        remember_round_keys(at, 32);
        remember_secret("the IV of a record key", at + 32, GCM_NONCE_SIZE);
    }
    explicit_bzero(told, sizeof told);
}

typedef struct {
    int fd;   /* of the session */
    int told; /* where the keys come from */
    bool receive_first;
    int ending;
    const anwdl_rsa_wrapper_t *rsa;
} gcm_served_t;

/* The child: its memory is its own. */
static void play_gcm_peer(const gcm_served_t *served, int fd, int told) {
    peer_t peer;
    static char request[40000];
    peer_init(&peer, fd, ANWDL_PROTOCOL_GCM, "peer-1");
    REQUIRE(peer_exchange_keys(&peer, served->receive_first));
    tell_keys(&peer, told);
    for (size_t turn = 0; turn < GCM_TURNS; turn++) {
        snprintf(request, sizeof request,
                 "{\"verb\": \"STAT\", \"parameters\": {\"pad\": \"%*s\"}}", turn == 1 ? 30000 : 10,
                 "");
        char *response = peer_ask(&peer, request);
        REQUIRE(response != NULL);
        free(response);
    }
    peer_free(&peer);
}

static void *serve_gcm(void *context) {
    const gcm_served_t *served = context;
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_client_t *client = NULL;
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, served->rsa) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_GCM) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_new(served->fd, options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    REQUIRE(anwdl_client_exchange_keys(client, served->receive_first) == ANWDL_OK);
    remember_told_keys(served->told);
    for (size_t turn = 0; turn < GCM_TURNS; turn++) {
        anwdl_request_t *request = NULL;
        REQUIRE(anwdl_client_recv_request(client, false, &request) == ANWDL_OK);
        anwdl_request_free(request);
        CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    }
    /* Both keys and IVs. */
    CHECK(find_secrets() >= 2 * (32 / 8 + 1));
    if (served->ending == CLOSE)
        CHECK_OK(anwdl_client_close_connection(client));
    else if (served->ending == DETACH)
        close(anwdl_client_detach(client));
    if (served->ending != FREE)
        check_no_secrets("a session of gcm that was ended");
    anwdl_client_free(client);
    return NULL;
}

static void test_record_keys(int ending, bool receive_first, const anwdl_rsa_wrapper_t *rsa) {
    int session[2];
    int told[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, session) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, told) == 0);
    gcm_served_t served = {session[0], told[0], receive_first, ending, rsa};
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(session[0]);
        close(told[0]);
        play_gcm_peer(&served, session[1], told[1]);
        _exit(check_finish());
    }
    close(session[1]);
    close(told[1]);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, serve_gcm, &served) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    check_no_secrets("a session of gcm whose keys were told");
    forget_secrets();
    close(told[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INTEGER(status, 0);
}

/* -- the wrappers ------------------------------------------------------------------------------ */

static void test_aes_wrappers(void) {
    for (int mode = ANWDL_AES_CBC; mode <= ANWDL_AES_GCM; mode++) {
        for (uint32_t bits = 128; bits <= 256; bits += 64) {
            anwdl_aes_wrapper_t *wrapper = NULL;
            char token[TOKEN_SIZE + 1];
            uint8_t *ciphertext = NULL;
            uint8_t *text = NULL;
            size_t ciphertext_len = 0;
            size_t len = 0;
            REQUIRE(anwdl_aes_wrapper_new(bits, (anwdl_aes_mode_t)mode, &wrapper) == ANWDL_OK);
            remember_key(wrapper, true);
            make_token("a text under an AES wrapper", token);
            CHECK_OK(anwdl_aes_wrapper_encrypt_data(wrapper, (const uint8_t *)token, TOKEN_SIZE,
                                                    &ciphertext, &ciphertext_len));
            CHECK_OK(
                anwdl_aes_wrapper_decrypt_data(wrapper, ciphertext, ciphertext_len, &text, &len));
            explicit_bzero(token, sizeof token);
            CHECK(find_secrets() >= bits / 64 + TOKEN_SIZE / 8);
            anwdl_bytes_free(text, len);
            /* In CBC mode this makes the last byte of a whole block of padding 17. */
            ciphertext[ciphertext_len - 17] ^= 1;
            CHECK_STATUS(
                anwdl_aes_wrapper_decrypt_data(wrapper, ciphertext, ciphertext_len, &text, &len),
                ANWDL_VALUE_ERROR);
            anwdl_bytes_free(ciphertext, ciphertext_len);
            anwdl_aes_wrapper_free(wrapper);
            check_no_secrets("an AES wrapper that was freed");
            forget_secrets();
        }
    }
}

/* Names and values; set, replaced, taken from JSON, put into other data, and written. */
static void test_data(void) {
    char tokens[5][TOKEN_SIZE + 1];
    char json[4 * TOKEN_SIZE];
    anwdl_data_t *data = NULL;
    anwdl_data_t *list = NULL;
    anwdl_data_t *read = NULL;
    char *text = NULL;
    make_token("a string of data", tokens[0]);
    make_token("the name of a string of data", tokens[1]);
    make_token("a string of data that was replaced", tokens[2]);
    make_token("a string of a list", tokens[3]);
    make_token("a string of data that was JSON", tokens[4]);
    REQUIRE(anwdl_data_new(&data) == ANWDL_OK && anwdl_data_new_array(&list) == ANWDL_OK);
    CHECK_OK(anwdl_data_set_string(data, tokens[1], tokens[2]));
    CHECK_OK(anwdl_data_set_string(data, tokens[1], tokens[0]));
    CHECK_OK(anwdl_data_add_string(list, tokens[3]));
    CHECK_OK(anwdl_data_set_array(data, "list", list));
    snprintf(json, sizeof json, "{\"\\n%s\": \"%s\"}", tokens[1], tokens[4]);
    REQUIRE(anwdl_data_from_json(json, &read) == ANWDL_OK);
    CHECK_OK(anwdl_data_set_object(data, "read", read));
    CHECK_OK(anwdl_data_to_json(data, &text));
    explicit_bzero(tokens, sizeof tokens);
    explicit_bzero(json, sizeof json);
    CHECK(find_secrets() >= 4 * TOKEN_SIZE / 8);
    anwdl_string_free(text);
    anwdl_data_free(read);
    anwdl_data_free(list);
    anwdl_data_free(data);
    check_no_secrets("data that were freed");
    forget_secrets();
}

static int value_of(char digit) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *place = strchr(digits, digit);
    return digit != '\0' && place != NULL ? (int)(place - digits) : -1;
}

/* What follows the public exponent in a private key, as text and as numbers. */
static void remember_private_key(const char *pem) {
    static const uint8_t exponent[] = {2, 3, 1, 0, 1};
    static uint8_t der[LONGEST_PEM];
    size_t len = 0;
    uint32_t bits = 0;
    int bit_count = 0;
    const char *body = strchr(pem, '\n') + 1;
    for (const char *at = body; value_of(*at) >= 0 || *at == '\n'; at++) {
        if (*at == '\n')
            continue;
        bits = bits << 6 | (uint32_t)value_of(*at);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            der[len++] = (uint8_t)(bits >> bit_count);
        }
    }
    size_t secret = 0;
    while (secret + sizeof exponent < len && memcmp(der + secret, exponent, sizeof exponent) != 0)
        secret++;
    /* Behind the exponent, and behind the head of the number that follows. */
    secret += sizeof exponent + 8;
    REQUIRE(secret < len);
    remember_secret("a private key in DER", der + secret, len - secret);
    remember_reversed("a private key in numbers", der + secret, len - secret);
    const char *line = body + (secret * 4 / 3 / 64 + 1) * 65;
    for (; strchr(line, '\n') != NULL && line[0] != '-'; line = strchr(line, '\n') + 1)
        remember_secret("a private key in PEM", line, strcspn(line, "\n"));
    explicit_bzero(der, sizeof der);
    explicit_bzero(&bits, sizeof bits);
}

/* All but one character of a key is a good part of it. */
static void try_damaged_key(char *pem) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    char *damaged = strstr(pem, "\n-----END") - 70;
    char right = *damaged;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    *damaged = '*';
    CHECK_FAILURE(anwdl_rsa_wrapper_set_private_key(wrapper, pem, true), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    *damaged = right;
    anwdl_rsa_wrapper_free(wrapper);
}

static void use_rsa_wrapper(anwdl_rsa_wrapper_t *wrapper) {
    char token[TOKEN_SIZE + 1];
    uint8_t *out = NULL;
    uint8_t *plain = NULL;
    char *pem = NULL;
    size_t len = 0;
    size_t plain_len = 0;
    make_token("a text under an RSA wrapper", token);
    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)token, TOKEN_SIZE, true, &out,
                                            &len));
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(wrapper, out, len, &plain, &plain_len));
    CHECK_INTEGER(plain_len, TOKEN_SIZE);
    anwdl_bytes_free(plain, plain_len);
    anwdl_bytes_free(out, len);
    CHECK_OK(anwdl_rsa_wrapper_sign_data(wrapper, (const uint8_t *)token, TOKEN_SIZE, &out, &len));
    anwdl_bytes_free(out, len);
    explicit_bzero(token, sizeof token);
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(wrapper, &pem));
    remember_private_key(pem);
    try_damaged_key(pem);
    CHECK(find_secrets() > 100);
    anwdl_string_free(pem);
}

/* Where a test has a key from: a file, a text of the caller's, or the library. */
enum { LOADED, SET, MADE, SOURCES };

static void *run_rsa_wrapper(void *context) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    char path[512];
    static char pem[LONGEST_PEM];
    snprintf(path, sizeof path, "%s/peer-3.pem", ANWDL_KEYS_DIR);
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    switch (*(const int *)context) {
    case LOADED:
        CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
        break;
    case SET: {
        int file = open(path, O_RDONLY);
        REQUIRE(file >= 0 && read(file, pem, sizeof pem - 1) > 0);
        close(file);
        CHECK_OK(anwdl_rsa_wrapper_set_private_key(wrapper, pem, true));
        explicit_bzero(pem, sizeof pem);
        break;
    }
    default:
        CHECK_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048));
    }
    use_rsa_wrapper(wrapper);
    anwdl_rsa_wrapper_free(wrapper);
    return NULL;
}

static void test_rsa_wrappers(void) {
    for (int source = 0; source < SOURCES; source++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, run_rsa_wrapper, &source) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        check_no_secrets("an RSA wrapper that was freed");
        forget_secrets();
    }
}

/* What a key gives that is elsewhere. */
static bool run_and_remember(const uint8_t *input, uint8_t *output, size_t size, void *user_data) {
    bool is_done = raw_rsa_run(input, output, size, user_data);
    remember_secret("a result of a private operation", output, size);
    remember_reversed("a result of a private operation, as a number", output, size);
    return is_done;
}

static void *run_external_wrapper(void *key) {
    char token[TOKEN_SIZE + 1];
    uint8_t *out = NULL, *plain = NULL;
    size_t len = 0, plain_len = 0;
    anwdl_rsa_wrapper_t *wrapper = make_external_wrapper("peer-3", run_and_remember, key, NULL);
    make_token("a text under a key that is elsewhere", token);
    CHECK_OK(anwdl_rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)token, TOKEN_SIZE, true, &out,
                                            &len));
    explicit_bzero(token, sizeof token);
    CHECK_OK(anwdl_rsa_wrapper_decrypt_data(wrapper, out, len, &plain, &plain_len));
    CHECK_INTEGER(plain_len, TOKEN_SIZE);
    CHECK(find_secrets() > 0);
    anwdl_bytes_free(plain, plain_len);
    out[0] ^= 1; /* a result that holds no text */
    CHECK_FAILURE(anwdl_rsa_wrapper_decrypt_data(wrapper, out, len, &plain, &plain_len),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_DECRYPTION_FAILED);
    anwdl_bytes_free(out, len);
    anwdl_rsa_wrapper_free(wrapper);
    return NULL;
}

static void test_external_wrapper(void) {
    static raw_rsa_t key;
    pthread_t thread;
    raw_rsa_init(&key, "peer-3");
    REQUIRE(pthread_create(&thread, NULL, run_external_wrapper, &key) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    check_no_secrets("an RSA wrapper without a private key that was freed");
    forget_secrets();
}

/* The first call of a function puts on the stack what the vector registers hold, and what this
   program itself leaves in them is its own affair: its functions are bound while there is no
   secret. */
static void bind_own_functions(void) {
    const char *volatile text = "text\n";
    char copy[8];
    memcpy(copy, text, sizeof "text\n");
    REQUIRE(memcmp(text, copy, strlen(text)) == 0 && strcspn(text, "\n") == 4);
    REQUIRE(strchr(text, '\n') != NULL && strstr(text, "xt") != NULL);
    REQUIRE(strcmp(text, copy) == 0);
    explicit_bzero(copy, sizeof copy);
}

int main(void) {
    bind_own_functions();
    test_data();
    test_aes_wrappers();
    test_rsa_wrappers();
    test_external_wrapper();

    anwdl_rsa_wrapper_t *server_rsa = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *client_rsa = make_rsa_wrapper("peer-1");
    for (int at = 0; at < 2 * FRAMING_COUNT * ENDINGS; at++) {
        plan_t plan = {FRAMINGS[at % FRAMING_COUNT], at / FRAMING_COUNT % 2 == 1,
                       (ending_t)(at / FRAMING_COUNT / 2), server_rsa, client_rsa};
        /* On the stack of this thread, and on one that has ended. */
        run_fed_sessions(&plan);
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, run_fed_sessions, &plan) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        check_no_secrets("sessions of a thread that has ended");
        forget_secrets();
    }
    for (int at = 0; at < FRAMING_COUNT * SOCKET_ENDINGS; at++) {
        test_socket(FRAMINGS[at % FRAMING_COUNT], at / FRAMING_COUNT, server_rsa, client_rsa);
        forget_secrets();
    }
    for (int at = 0; at < 2 * PEER_GONE; at++)
        test_record_keys(at / 2, at % 2 == 0, server_rsa);
    anwdl_rsa_wrapper_free(server_rsa);
    anwdl_rsa_wrapper_free(client_rsa);
    printf("cases: %zu scans of memory for what is secret\n", count_scans());
    return check_finish();
}
