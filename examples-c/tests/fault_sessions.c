#include "fault_sessions.h"

#include "check.h"
#include "peer.h"
#include "support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAT   "{\"verb\": \"STAT\", \"parameters\": {}}"
#define HEADER "PROXY TCP4 192.0.2.7 192.0.2.1 40000 6150\r\n"
#define ANSWER "{\"success\": true, \"message\": \"OK\", \"data\": {}}"

enum {
    TURNS = 2,
    TIMEOUT = 60000, /* of the sessions that have one; it passes only by the interposer's clock */
    LONGEST = ANWDL_PATIENCE * 10000, /* that a session may take */
    IV_SIZE = 16,
    MOST_IVS = 1 + 2 * TURNS,
};

const char *stage_name(stage_t stage) {
    static const char *const NAMES[STAGE_COUNT] = {"creation", "key exchange", "sending",
                                                   "receiving", "closing"};
    return NAMES[stage];
}

/* -- in place of the C library's resolver ------------------------------------------------------ */

/* The same address, twice. The library fills the port in itself. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out) {
    static struct sockaddr_in address = {.sin_family = AF_INET};
    static struct addrinfo found[2];
    (void)name, (void)service, (void)hints;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int at = 0; at < 2; at++) {
        found[at].ai_family = AF_INET;
        found[at].ai_socktype = SOCK_STREAM;
        found[at].ai_addr = (struct sockaddr *)&address;
        found[at].ai_addrlen = sizeof address;
    }
    found[0].ai_next = &found[1];
    *out = found;
    return 0;
}

void freeaddrinfo(struct addrinfo *found) {
    (void)found;
}

/* -- the other side ---------------------------------------------------------------------------- */

typedef struct {
    peer_t peer; /* of a server */
    pthread_t thread;
    const anwdl_client_options_t *options;
    int listener; /* of a client */
    uint16_t port;
    int stop[2]; /* a byte here, and it accepts no more */
    int turns;   /* that it finished */
    bool is_proxied;
} other_side_t;

static void ask(peer_t *peer) {
    other_side_t *other = peer->context;
    if (other->is_proxied && !peer_send_bytes(peer, HEADER, strlen(HEADER)))
        return;
    if (!peer_exchange_keys(peer, true))
        return;
    for (int turn = 0; turn < TURNS; turn++) {
        char *response = peer_ask(peer, STAT);
        if (response != NULL && strcmp(response, ANSWER) == 0)
            other->turns++;
        free(response);
    }
}

static int serve(int fd, const anwdl_client_options_t *options) {
    anwdl_client_t *client = NULL;
    int turns = 0;
    if (anwdl_client_new(fd, options, &client) != ANWDL_OK) {
        close(fd);
        return 0;
    }
    while (turns < TURNS && anwdl_client_recv_request(client, true, NULL) == ANWDL_OK &&
           anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL) == ANWDL_OK)
        turns++;
    anwdl_client_free(client);
    return turns;
}

static void *serve_until_stopped(void *context) {
    other_side_t *other = context;
    struct pollfd entries[2] = {{.fd = other->listener, .events = POLLIN},
                                {.fd = other->stop[0], .events = POLLIN}};
    while (poll(entries, 2, -1) > 0) {
        if (entries[0].revents != 0)
            other->turns += serve(accept(other->listener, NULL, NULL), other->options);
        else if (entries[1].revents != 0)
            break;
    }
    return NULL;
}

/* Gives the descriptor of a server. */
static int other_side_start(other_side_t *other, const session_setup_t *setup) {
    memset(other, 0, sizeof *other);
    if (!setup->kind.connects) {
        int ends[2];
        make_tcp_pair(ends);
        peer_init(&other->peer, ends[PEER_SIDE], setup->kind.framing, "peer-1");
        other->is_proxied = setup->kind.is_proxied;
        peer_start(&other->peer, ask, other);
        return ends[SERVER_SIDE];
    }
    other->listener = make_listener(&other->port);
    other->options = setup->other_options;
    make_unix_pair(other->stop);
    REQUIRE(pthread_create(&other->thread, NULL, serve_until_stopped, other) == 0);
    return -1;
}

static void other_side_join(other_side_t *other, const session_setup_t *setup) {
    if (!setup->kind.connects) {
        peer_join(&other->peer);
        peer_free(&other->peer);
        return;
    }
    REQUIRE(write(other->stop[1], "", 1) == 1);
    REQUIRE(pthread_join(other->thread, NULL) == 0);
    close(other->listener);
    close(other->stop[0]);
    close(other->stop[1]);
}

/* -- the side under test ----------------------------------------------------------------------- */

typedef struct {
    const session_setup_t *setup;
    other_side_t other;
    int fd; /* while it is the test's */
    anwdl_client_t *client;
    anwdl_client_interface_t *interface;
    uint8_t ivs[MOST_IVS][IV_SIZE];
    size_t iv_count;
    outcome_t outcome;
} session_t;

static size_t bytes_moved(void) {
    return faults_sent()->len + faults_received()->len;
}

static void expect(session_t *session, bool holds) {
    if (!holds)
        session->outcome.is_consistent = false;
}

static anwdl_status_t call_client(session_t *session, stage_t stage) {
    anwdl_client_t *client = session->client;
    switch (stage) {
    case STAGE_CREATE:
        return anwdl_client_new(session->fd, session->setup->options, &session->client);
    case STAGE_EXCHANGE:
        return anwdl_client_exchange_keys(client, true);
    case STAGE_SEND:
        return anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
    case STAGE_RECEIVE:
        return anwdl_client_recv_request(client, true, NULL);
    default:
        return anwdl_client_close_connection(client);
    }
}

static anwdl_status_t call_interface(session_t *session, stage_t stage) {
    anwdl_client_interface_t *interface = session->interface;
    switch (stage) {
    case STAGE_CREATE:
        return anwdl_client_interface_connect_server(
            interface, session->setup->kind.by_name ? "two.test" : "127.0.0.1",
            session->other.port);
    case STAGE_EXCHANGE:
        return anwdl_client_interface_exchange_keys(interface, false);
    case STAGE_SEND:
        return anwdl_client_interface_send_request(interface, "STAT", NULL);
    case STAGE_RECEIVE: {
        anwdl_response_t *response = NULL;
        anwdl_status_t status = anwdl_client_interface_recv_response(interface, &response);
        expect(session, (response != NULL) == (status == ANWDL_OK));
        anwdl_response_free(response);
        return status;
    }
    default:
        return anwdl_client_interface_close_connection(interface);
    }
}

static int descriptor(const session_t *session) {
    return session->setup->kind.connects
               ? anwdl_client_interface_get_socket_descriptor(session->interface)
               : anwdl_client_get_socket_descriptor(session->client);
}

/* One step, with what an event loop does where it does not block. */
static anwdl_status_t take_step(session_t *session, stage_t stage) {
    for (;;) {
        faults_begin(stage);
        faults_read_ahead(session->setup->kind.framing == ANWDL_PROTOCOL_GCM &&
                          stage == STAGE_RECEIVE);
        anwdl_status_t status = session->setup->kind.connects ? call_interface(session, stage)
                                                              : call_client(session, stage);
        faults_end();
        if (status != ANWDL_WANT_READ && status != ANWDL_WANT_WRITE)
            return status;
        expect(session, session->setup->kind.is_non_blocking);
        short event = status == ANWDL_WANT_READ ? POLLIN : POLLOUT;
        if (!wait_for(descriptor(session), event, LONGEST)) {
            expect(session, false);
            return ANWDL_RUNTIME_ERROR;
        }
    }
}

/* -- IVs and nonces ---------------------------------------------------------------------------- */

static bool is_iv_new(session_t *session, const uint8_t *iv, size_t len) {
    uint8_t padded[IV_SIZE] = {0};
    memcpy(padded, iv, len);
    for (size_t at = 0; at < session->iv_count; at++)
        if (memcmp(session->ivs[at], padded, IV_SIZE) == 0)
            return false;
    if (session->iv_count == MOST_IVS)
        return false;
    memcpy(session->ivs[session->iv_count++], padded, IV_SIZE);
    return true;
}

/* The IV of the first message, which the server draws, or of the next one has just been agreed on.
   Where the side under test chose it, it comes from the system's generator. */
static void look_at_iv(session_t *session, bool is_own) {
    const uint8_t *key = NULL, *iv = NULL;
    size_t key_len = 0, iv_len = 0;
    const anwdl_aes_wrapper_t *wrapper =
        session->setup->kind.connects ? anwdl_client_interface_get_aes_wrapper(session->interface)
                                      : anwdl_client_get_aes_wrapper(session->client);
    if (session->setup->kind.framing == ANWDL_PROTOCOL_GCM)
        return;
    bool is_known = anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len) == ANWDL_OK;
    expect(session, is_known && iv_len == IV_SIZE);
    if (!is_known || iv_len != IV_SIZE)
        return;
    bool is_first = session->iv_count == 0;
    /* v2 has one IV for the whole session. */
    if (!is_first && session->setup->kind.framing == ANWDL_PROTOCOL_V2)
        return;
    if ((is_own && !faults_drew(iv, iv_len)) || !is_iv_new(session, iv, iv_len))
        session->outcome.is_unique = false;
}

/* -- a session --------------------------------------------------------------------------------- */

static void keep_failure(session_t *session, stage_t stage, anwdl_status_t status, bool had_moved) {
    expect(session, !session->outcome.has_failed);
    session->outcome.has_failed = true;
    session->outcome.stage = stage;
    session->outcome.status = status;
    session->outcome.reason = anwdl_last_error_reason();
    session->outcome.error = anwdl_last_error_errno();
    session->outcome.had_moved = had_moved;
    expect(session, anwdl_last_error_message()[0] != '\0');
}

/* After a failure without a fault any more: does the session go on? One that was ended refuses
   everything, and sends nothing. */
static bool goes_on(session_t *session, stage_t stage) {
    size_t moved = bytes_moved();
    anwdl_status_t status = take_step(session, stage);
    if (status == ANWDL_OK)
        return true;
    session->outcome.was_ended = true;
    for (stage_t later = STAGE_EXCHANGE; later <= STAGE_RECEIVE; later++)
        expect(session, take_step(session, later) == ANWDL_RUNTIME_ERROR &&
                            anwdl_last_error_reason() == ANWDL_REASON_SESSION_FAILED);
    expect(session, bytes_moved() == moved);
    return false;
}

/* After a creation that failed: it leaves nothing behind, and can be repeated; but bytes that were
   exchanged with a server's peer do not come again. */
static bool create_again(session_t *session) {
    bool connects = session->setup->kind.connects;
    if (connects) {
        expect(session,
               anwdl_client_interface_is_closed(session->interface) && descriptor(session) == -1);
    } else {
        expect(session, session->client == NULL && is_open(session->fd));
        session->outcome.was_ended = session->outcome.had_moved;
    }
    return !session->outcome.was_ended && take_step(session, STAGE_CREATE) == ANWDL_OK;
}

static bool run_stage(session_t *session, stage_t stage) {
    size_t moved = bytes_moved();
    anwdl_status_t status = take_step(session, stage);
    if (status != ANWDL_OK) {
        size_t more = bytes_moved() - moved;
        bool is_header = session->setup->kind.is_proxied && moved == 0 && more == strlen(HEADER);
        keep_failure(session, stage, status, more > 0 && !is_header);
        faults_forget_plan();
        bool done = stage == STAGE_CREATE ? create_again(session) : goes_on(session, stage);
        if (!done)
            return false;
    }
    bool is_exchanging = !session->setup->kind.is_non_blocking && !session->setup->kind.has_timeout;
    bool is_proxied = session->setup->kind.is_proxied;
    if (stage == (is_exchanging ? STAGE_CREATE : STAGE_EXCHANGE)) {
        if (is_proxied)
            expect(session, strcmp(anwdl_client_get_ip(session->client), "192.0.2.7") == 0);
        look_at_iv(session, !session->setup->kind.connects);
    } else if (stage == STAGE_SEND || stage == STAGE_RECEIVE) {
        look_at_iv(session, stage == STAGE_SEND);
    } else if (stage == STAGE_CREATE && !session->setup->kind.connects) {
        expect(session, strcmp(anwdl_client_get_ip(session->client), "127.0.0.1") == 0);
    }
    return true;
}

static bool run_stages(session_t *session) {
    const session_kind_t *kind = &session->setup->kind;
    if (!run_stage(session, STAGE_CREATE))
        return false;
    if ((kind->is_non_blocking || kind->has_timeout) && !run_stage(session, STAGE_EXCHANGE))
        return false;
    for (int turn = 0; turn < TURNS; turn++)
        if (!run_stage(session, kind->connects ? STAGE_SEND : STAGE_RECEIVE) ||
            !run_stage(session, kind->connects ? STAGE_RECEIVE : STAGE_SEND))
            return false;
    return true;
}

outcome_t run_session(const session_setup_t *setup, const fault_plan_t *plan) {
    session_t session = {.setup = setup};
    session.outcome.is_unique = session.outcome.is_consistent = true;
    size_t before = count_open_descriptors(), threads = count_threads();
    session.fd = other_side_start(&session.other, setup);
    if (setup->kind.connects)
        REQUIRE(anwdl_client_interface_new(setup->options, &session.interface) == ANWDL_OK);

    faults_start(plan, LONGEST);
    bool done = run_stages(&session);
    bool is_there = setup->kind.connects ? !anwdl_client_interface_is_closed(session.interface)
                                         : session.client != NULL;
    if (is_there) {
        expect(&session, take_step(&session, STAGE_CLOSE) == ANWDL_OK);
        expect(&session, descriptor(&session) == -1);
    } else if (!setup->kind.connects) {
        close(session.fd);
    }
    anwdl_client_free(session.client);
    anwdl_client_interface_free(session.interface);
    other_side_join(&session.other, setup);
    while (setup->kind.by_name && count_threads() > threads)
        poll(NULL, 0, 1); /* that of the lookup, with its end of a pipe */
    session.outcome.is_finished = done && session.other.turns == TURNS;
    session.outcome.has_leaked = count_open_descriptors() != before;
    return session.outcome;
}

void session_setup(session_setup_t *setup, session_kind_t kind) {
    anwdl_rsa_wrapper_t *rsa = make_rsa_wrapper(kind.connects ? "peer-1" : "server");
    anwdl_client_options_t *options = anwdl_client_options_new();
    setup->kind = kind;
    setup->options = options;
    setup->other_options = make_server_options();
    REQUIRE(options != NULL);
    CHECK_OK(anwdl_client_options_set_rsa_wrapper(options, rsa));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, kind.is_non_blocking));
    CHECK_OK(anwdl_client_options_set_timeout(options, kind.has_timeout ? TIMEOUT : 0));
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, !kind.has_timeout));
    if (kind.is_proxied)
        CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    if (kind.connects)
        CHECK_OK(anwdl_client_options_set_protocol(options, kind.framing));
    CHECK_OK(anwdl_client_options_set_timeout(setup->other_options, TIMEOUT));
    anwdl_rsa_wrapper_free(rsa);
}

void session_teardown(session_setup_t *setup) {
    anwdl_client_options_free(setup->options);
    anwdl_client_options_free(setup->other_options);
}
