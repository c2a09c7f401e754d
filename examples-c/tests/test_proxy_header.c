/* Connections that begin with a PROXY protocol header: who is taken for the client, that nothing
   but the header is taken, and that what begins in another way gets no answer. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAT      "{\"verb\": \"STAT\", \"parameters\": {}}"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_LINE   "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define V4_BYTES  "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
#define ZEROS_12  "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_36  ZEROS_12 ZEROS_12 ZEROS_12
#define ZEROS_108 ZEROS_36 ZEROS_36 ZEROS_36
#define X_10      "xxxxxxxxxx"
#define X_50      X_10 X_10 X_10 X_10 X_10

/* As in test_timeouts_are_deadlines.c: a drip comes well within the deadline each time. PATIENCE is
   for what has no reason to wait at all: where it does not suffice, a failed check ends the
   program. Only an exchange of keys has to compute, slowly under valgrind. */
enum {
    TIMEOUT = 200,
    DRIP = 50,
    LONGEST = ANWDL_PATIENCE * 10000,
    PATIENCE = ANWDL_PATIENCE * 10000,
    EXCHANGE = ANWDL_PATIENCE * 60000
};

typedef struct {
    const char *bytes;
    size_t len;
    const char *ip; /* NULL: the socket's own */
} header_t;

#define HEADER(bytes, ip)                                                                          \
    { bytes, sizeof bytes - 1, ip }

static const header_t GOOD[] = {
    HEADER(V4_LINE, "192.0.2.1"),
    HEADER("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", "2001:db8::1"),
    HEADER("PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n", "192.0.2.1"),
    HEADER("PROXY UNKNOWN\r\n", NULL),
    HEADER("PROXY UNKNOWN 192.0.2.1 198.51.100.7 56324 443\r\n", NULL),
    HEADER("PROXY UNKNOWN " X_50 X_10 X_10 X_10 X_10 "x\r\n", NULL), /* 107 bytes */
    HEADER(SIGNATURE "\x21\x11\x00\x0c" V4_BYTES, "192.0.2.1"),
    HEADER(SIGNATURE "\x21\x11\x00\x16" V4_BYTES "\x03\x00\x07"
                     "skipped",
           "192.0.2.1"),
    HEADER(SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8" ZEROS_12 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                     "\0\0\0\0",
           "2001:db8::"),
    HEADER(SIGNATURE "\x21\x21\x00\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01" ZEROS_12
                     "\0\0\0\0\0\0\0\0",
           "192.0.2.1"),
    HEADER(SIGNATURE "\x21\x31\x00\xd8" ZEROS_108 ZEROS_108, ""),
    HEADER(SIGNATURE "\x21\x00\x00\x00", NULL),
    HEADER(SIGNATURE "\x20\x00\x00\x00", NULL),
    HEADER(SIGNATURE "\x20\x11\x00\x0c" V4_BYTES, NULL),
};
enum { GOOD_COUNT = sizeof GOOD / sizeof GOOD[0] };

static const header_t BAD[] = {
    HEADER("800=====", NULL), /* a client that came past the proxy */
    HEADER("\0\0\0\1", NULL),
    HEADER("PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n", NULL),
    HEADER("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n", NULL),
    HEADER("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n", NULL),
    HEADER("PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n", NULL),
    HEADER("PROXY TCP4 192.0.2.01 198.51.100.7 56324 443\r\n", NULL),
    HEADER("PROXY TCP4 ::1 ::1 56324 443\r\n", NULL),
    HEADER("PROXY TCP5 192.0.2.1 198.51.100.7 56324 443\r\n", NULL),
    HEADER("PROXY UNKNOWN " X_50 X_10 X_10 X_10 X_10 "xx\r\n", NULL), /* 108 bytes */
    HEADER("\r\n\r\n\0\r\nQUIT\r", NULL),
    HEADER(SIGNATURE "\x31\x11\x00\x0c" V4_BYTES, NULL),
    HEADER(SIGNATURE "\x22\x11\x00\x0c" V4_BYTES, NULL),
    HEADER(SIGNATURE "\x21\x12\x00\x0c" V4_BYTES, NULL),
    HEADER(SIGNATURE "\x21\x11\x00\x0b" V4_BYTES, NULL),
    HEADER(SIGNATURE "\x21\x11\x10\x01", NULL), /* 4097 bytes to come */
    HEADER(SIGNATURE "\x20\x00\xff\xff", NULL),
};
enum { BAD_COUNT = sizeof BAD / sizeof BAD[0] };

/* -- sessions behind a proxy ------------------------------------------------------------------- */

typedef struct {
    anwdl_client_t *client;
    peer_t peer;
} session_t;

/* With a key agreed on beforehand and a peer that waits for no answer, which needs no thread. */
static anwdl_client_options_t *make_options(bool non_blocking, uint32_t timeout) {
    anwdl_client_options_t *options = make_shared_key_options();
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    CHECK_OK(anwdl_client_options_set_non_blocking(options, non_blocking));
    CHECK_OK(anwdl_client_options_set_timeout(options, timeout));
    return options;
}

static session_t open_session_on(int ends[2], anwdl_client_options_t *options) {
    session_t session = {.client = NULL};
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &session.client) == ANWDL_OK);
    anwdl_client_options_free(options);
    peer_init(&session.peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, NULL);
    session.peer.is_eager = true;
    return session;
}

static session_t open_session(anwdl_client_options_t *options) {
    int ends[2];
    make_tcp_pair(ends);
    return open_session_on(ends, options);
}

static void close_session(session_t *session) {
    anwdl_client_free(session->client);
    peer_free(&session->peer);
}

static anwdl_status_t receive(session_t *session) {
    anwdl_request_t *request = NULL;
    anwdl_status_t status = anwdl_client_recv_request(session->client, false, &request);
    if (status == ANWDL_OK)
        CHECK_STRING(anwdl_request_get_verb(request), "STAT");
    anwdl_request_free(request);
    return status;
}

/* Where it fails, the peer would wait for what never comes. */
static void require_request(session_t *session) {
    REQUIRE(CHECK_OK(receive(session)));
}

static void check_ip(const session_t *session, const char *ip) {
    CHECK_STRING(anwdl_client_get_ip(session->client), ip);
}

/* The peer's next bytes go out together with the header, as TCP likes to join them. */
static void send_header_and_request(session_t *session, const header_t *header, const char *tail) {
    int on = 1;
    int off = 0;
    /* On a socket of another family there is nothing to join. */
    bool corked = setsockopt(session->peer.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0;
    REQUIRE(peer_send_bytes(&session->peer, header->bytes, header->len));
    REQUIRE(peer_send_request(&session->peer, STAT));
    REQUIRE(peer_send_bytes(&session->peer, tail, strlen(tail)));
    if (corked)
        REQUIRE(setsockopt(session->peer.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off) == 0);
}

/* -- good headers ------------------------------------------------------------------------------ */

/* Nothing behind the header is lost to it, nor behind the request. */
static void check_good(const header_t *header, int ends[2], const char *socket_ip) {
    char tail[16] = {0};
    session_t session = open_session_on(ends, make_options(false, PATIENCE));
    check_ip(&session, socket_ip);
    send_header_and_request(&session, header, "the tail");
    require_request(&session);
    check_ip(&session, header->ip != NULL ? header->ip : socket_ip);
    CHECK_OK(anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    char *response = peer_receive_response(&session.peer);
    CHECK(response != NULL && strstr(response, "\"OK\"") != NULL);
    free(response);
    int fd = anwdl_client_detach(session.client);
    REQUIRE(fd >= 0);
    CHECK_INTEGER(recv(fd, tail, sizeof tail - 1, MSG_DONTWAIT), strlen("the tail"));
    CHECK_STRING(tail, "the tail");
    close(fd);
    close_session(&session);
}

static void test_good_headers(void) {
    for (size_t at = 0; at < GOOD_COUNT; at++) {
        int ends[2];
        make_tcp_pair(ends);
        check_good(&GOOD[at], ends, "127.0.0.1");
        make_unix_pair(ends);
        check_good(&GOOD[at], ends, "");
    }
}

/* A non-blocking client sees each byte by itself, and says each time what it waits for. */
static void check_byte_by_byte(const header_t *header) {
    session_t session = open_session(make_options(true, 0));
    int fd = anwdl_client_get_socket_descriptor(session.client);
    CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
    for (size_t at = 0; at < header->len; at++) {
        check_ip(&session, "127.0.0.1");
        REQUIRE(peer_send_bytes(&session.peer, header->bytes + at, 1));
        REQUIRE(wait_for(fd, POLLIN, PATIENCE));
        CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
        /* It has taken the byte, or poll() would never wait again. */
        CHECK(!wait_for(fd, POLLIN, 0));
        CHECK_FAILURE(
            anwdl_client_send_response(session.client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL),
            ANWDL_RUNTIME_ERROR, ANWDL_REASON_OPERATION_PENDING);
    }
    check_ip(&session, header->ip != NULL ? header->ip : "127.0.0.1");
    REQUIRE(peer_send_request(&session.peer, STAT));
    anwdl_status_t status;
    do {
        REQUIRE(wait_for(fd, POLLIN, PATIENCE));
        status = receive(&session);
    } while (status == ANWDL_WANT_READ);
    CHECK_OK(status);
    close_session(&session);
}

/* What C has borrowed stays as it was, and the ID goes with the IP. */
static void test_identity(void) {
    session_t session = open_session(make_options(false, PATIENCE));
    const char *ip = anwdl_client_get_ip(session.client);
    const char *id = anwdl_client_get_id(session.client);
    send_header_and_request(&session, &GOOD[0], "");
    require_request(&session);
    CHECK_STRING(ip, "127.0.0.1");
    CHECK_STRING(id, "12ca17b");
    CHECK_STRING(anwdl_client_get_ip(session.client), "192.0.2.1");
    CHECK_STRING(anwdl_client_get_id(session.client), "37fcff2");
    CHECK_OK(anwdl_client_close_connection(session.client));
    CHECK_STRING(anwdl_client_get_ip(session.client), "192.0.2.1");
    close_session(&session);
}

static void test_peer_ip_has_precedence(void) {
    anwdl_client_options_t *options = make_options(false, PATIENCE);
    CHECK_OK(anwdl_client_options_set_peer_ip(options, "203.0.113.9"));
    session_t session = open_session(options);
    send_header_and_request(&session, &GOOD[0], "");
    require_request(&session);
    check_ip(&session, "203.0.113.9");
    close_session(&session);
}

/* The first operation may be one that sends. */
static void test_response_first(void) {
    session_t session = open_session(make_options(false, PATIENCE));
    REQUIRE(peer_send_bytes(&session.peer, GOOD[0].bytes, GOOD[0].len));
    REQUIRE(peer_send_bytes(&session.peer, "1", 1)); /* it takes the header of the response */
    session.peer.is_eager = false;
    REQUIRE(CHECK_OK(anwdl_client_send_response(session.client, false,
                                                ANWDL_RESPONSE_MSG_UNAVAILABLE, NULL, NULL)));
    check_ip(&session, "192.0.2.1");
    char *response = peer_receive_response(&session.peer);
    CHECK(response != NULL);
    free(response);
    close_session(&session);
}

/* -- key exchanges ----------------------------------------------------------------------------- */

static void exchange_behind_header(peer_t *peer) {
    const bool *speaks_first = peer->context;
    CHECK(peer_send_bytes(peer, V4_LINE, strlen(V4_LINE)));
    CHECK(peer_exchange_keys(peer, *speaks_first));
}

static void check_exchange(bool receive_first) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, receive_first));
    CHECK_OK(anwdl_client_options_set_timeout(options, EXCHANGE));
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&peer, exchange_behind_header, &receive_first);
    REQUIRE(CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client)));
    if (!receive_first) {
        CHECK_STRING(anwdl_client_get_ip(client), "127.0.0.1");
        REQUIRE(CHECK_OK(anwdl_client_exchange_keys(client, false)));
    }
    CHECK_STRING(anwdl_client_get_ip(client), "192.0.2.1");
    peer_join(&peer);
    anwdl_client_free(client);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* Where no client is made, the descriptor is the caller's, and nothing was sent. */
static void test_refused_creation(void) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    char byte;
    int ends[2];
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    CHECK_OK(anwdl_client_options_set_timeout(options, PATIENCE));
    make_tcp_pair(ends);
    REQUIRE(send(ends[PEER_SIDE], "800=====", 8, 0) == 8);
    CHECK_FAILURE(anwdl_client_new(ends[SERVER_SIDE], options, &client), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_BAD_PROXY_HEADER);
    CHECK(client == NULL);
    CHECK(is_open(ends[SERVER_SIDE]));
    CHECK_INTEGER(recv(ends[PEER_SIDE], &byte, 1, MSG_DONTWAIT), -1);
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

/* -- bad headers ------------------------------------------------------------------------------- */

static anwdl_status_t respond(session_t *session) {
    return anwdl_client_send_response(session->client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
}

/* Nothing is taken, nothing is sent, and it is over. */
static void check_bad(const header_t *header, anwdl_status_t (*operate)(session_t *session)) {
    uint8_t left[256];
    uint8_t byte;
    session_t session = open_session(make_options(false, PATIENCE));
    REQUIRE(peer_send_bytes(&session.peer, header->bytes, header->len));
    REQUIRE(CHECK_FAILURE(operate(&session), ANWDL_VALUE_ERROR, ANWDL_REASON_BAD_PROXY_HEADER));
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
    CHECK_FAILURE(respond(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
    check_ip(&session, "127.0.0.1");
    CHECK_INTEGER(recv(session.peer.fd, &byte, 1, MSG_DONTWAIT), -1);
    CHECK_INTEGER(errno, EAGAIN);
    int fd = anwdl_client_detach(session.client);
    REQUIRE(fd >= 0);
    ssize_t count = recv(fd, left, sizeof left, MSG_DONTWAIT);
    CHECK_BYTES(left, count < 0 ? 0 : (size_t)count, header->bytes, header->len);
    close(fd);
    close_session(&session);
}

/* A length that is refused is not waited for, and what came late is not either. */
static void check_bad_byte_by_byte(const header_t *header) {
    session_t session = open_session(make_options(true, 0));
    int fd = anwdl_client_get_socket_descriptor(session.client);
    anwdl_status_t status = ANWDL_WANT_READ;
    for (size_t at = 0; at < header->len && status == ANWDL_WANT_READ; at++) {
        REQUIRE(peer_send_bytes(&session.peer, header->bytes + at, 1));
        REQUIRE(wait_for(fd, POLLIN, PATIENCE));
        status = receive(&session);
    }
    CHECK_FAILURE(status, ANWDL_VALUE_ERROR, ANWDL_REASON_BAD_PROXY_HEADER);
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
    close_session(&session);
}

/* -- headers that do not come ------------------------------------------------------------------ */

/* So that a server which waits for ever finds an end, and the check of why it ended fails. */
static void hang_up_at_last(peer_t *peer) {
    const int *told = peer->context;
    if (!wait_for(*told, POLLIN, LONGEST))
        shutdown(peer->fd, SHUT_WR);
}

static void test_silence(void) {
    session_t session = open_session(make_options(false, TIMEOUT));
    int64_t started = now_in_milliseconds();
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    peer_start(&session.peer, hang_up_at_last, &gate[0]);
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT);
    CHECK(now_in_milliseconds() - started >= TIMEOUT);
    REQUIRE(write(gate[1], "1", 1) == 1);
    peer_join(&session.peer);
    close(gate[0]);
    close(gate[1]);
    /* No byte had moved: it may come still. */
    send_header_and_request(&session, &GOOD[0], "");
    CHECK_OK(receive(&session));
    check_ip(&session, "192.0.2.1");
    close_session(&session);
}

static void send_slowly(peer_t *peer) {
    peer->drip = DRIP;
    CHECK(!peer_send_bytes(peer, GOOD[5].bytes, GOOD[5].len));
}

static void test_dripping_header(void) {
    session_t session = open_session(make_options(false, TIMEOUT));
    int64_t started = now_in_milliseconds();
    peer_start(&session.peer, send_slowly, NULL);
    /* A machine that stalls may let the deadline pass before the first byte comes. */
    anwdl_status_t status;
    int64_t elapsed;
    do {
        status = receive(&session);
        elapsed = now_in_milliseconds() - started;
    } while (status == ANWDL_RUNTIME_ERROR && anwdl_last_error_reason() == ANWDL_REASON_TIMEOUT &&
             elapsed < LONGEST);
    CHECK_FAILURE(status, ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
    CHECK(elapsed >= TIMEOUT);
    CHECK(elapsed < LONGEST);
    CHECK_OK(anwdl_client_close_connection(session.client));
    peer_join(&session.peer);
    close_session(&session);
}

/* The deadline holds for a part of a header in a non-blocking client as well. */
static void test_part_in_time(void) {
    session_t session = open_session(make_options(true, TIMEOUT));
    int fd = anwdl_client_get_socket_descriptor(session.client);
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE, 20));
    REQUIRE(wait_for(fd, POLLIN, PATIENCE));
    int64_t started = now_in_milliseconds();
    anwdl_status_t status;
    do {
        status = receive(&session);
        if (status == ANWDL_WANT_READ)
            CHECK(!wait_for(fd, POLLIN, TIMEOUT));
    } while (status == ANWDL_WANT_READ && now_in_milliseconds() - started < LONGEST);
    CHECK_FAILURE(status, ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT);
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED);
    close_session(&session);
}

/* The header is no part of a request: behind it, the whole idle timeout counts. */
static void test_idle_timeout(void) {
    anwdl_client_options_t *options = make_options(false, TIMEOUT);
    anwdl_request_t *request = NULL;
    CHECK_OK(anwdl_client_options_set_idle_timeout(options, 2 * TIMEOUT));
    session_t session = open_session(options);
    int64_t started = now_in_milliseconds();
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE, strlen(V4_LINE)));
    CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_ENDED);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
    CHECK(now_in_milliseconds() - started >= 2 * TIMEOUT);
    check_ip(&session, "192.0.2.1");
    close_session(&session);
}

static void check_time_left(const session_t *session, bool has_timeout) {
    int left = anwdl_client_get_time_left(session->client);
    CHECK(has_timeout ? left > 0 && left <= PATIENCE : left == -1);
}

/* Which timeout counts is up to the call that began the operation, and to what has come since. */
static void check_timeouts(bool is_event) {
    enum { CUT = 20 };
    anwdl_client_options_t *options = make_options(true, PATIENCE);
    anwdl_request_t *request = NULL;
    CHECK_OK(anwdl_client_options_set_idle_timeout(options, 0));
    session_t session = open_session(options);
    int fd = anwdl_client_get_socket_descriptor(session.client);
    if (is_event)
        CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_WANT_READ);
    else
        CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
    check_time_left(&session, !is_event);
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE, CUT));
    REQUIRE(wait_for(fd, POLLIN, PATIENCE));
    CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
    check_time_left(&session, true);
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE + CUT, strlen(V4_LINE) - CUT));
    REQUIRE(wait_for(fd, POLLIN, PATIENCE));
    if (is_event)
        CHECK_STATUS(receive(&session), ANWDL_WANT_READ);
    else
        CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_WANT_READ);
    check_ip(&session, "192.0.2.1");
    check_time_left(&session, !is_event);
    REQUIRE(peer_send_bytes(&session.peer, "0", 1));
    REQUIRE(wait_for(fd, POLLIN, PATIENCE));
    CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_WANT_READ);
    check_time_left(&session, true);
    close_session(&session);
}

/* A header wins nobody time: whoever needs longer than the idle timeout to end it is too late, even
   if a request begins right behind it. */
static void test_late_end(void) {
    enum { CUT = 20 };
    anwdl_request_t *request = NULL;
    session_t session;
    for (;;) {
        anwdl_client_options_t *options = make_options(true, PATIENCE);
        CHECK_OK(anwdl_client_options_set_idle_timeout(options, TIMEOUT));
        session = open_session(options);
        REQUIRE(peer_send_bytes(&session.peer, V4_LINE, CUT));
        int fd = anwdl_client_get_socket_descriptor(session.client);
        REQUIRE(wait_for(fd, POLLIN, PATIENCE));
        if (anwdl_client_next_event(session.client, &request) == ANWDL_EVENT_WANT_READ) {
            CHECK(!wait_for(fd, POLLIN, TIMEOUT));
            break;
        }
        close_session(&session); /* the machine stalled before the first byte was taken */
    }
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE + CUT, strlen(V4_LINE) - CUT));
    REQUIRE(peer_send_bytes(&session.peer, "0", 1));
    REQUIRE(wait_for(anwdl_client_get_socket_descriptor(session.client), POLLIN, PATIENCE));
    CHECK_INTEGER(anwdl_client_next_event(session.client, &request), ANWDL_EVENT_ENDED);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
    close_session(&session);
}

static void check_closed(size_t sent) {
    session_t session = open_session(make_options(false, PATIENCE));
    if (sent > 0)
        REQUIRE(peer_send_bytes(&session.peer, V4_LINE, sent));
    peer_hang_up(&session.peer);
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR, ANWDL_REASON_PEER_CLOSED);
    CHECK_FAILURE(receive(&session), ANWDL_RUNTIME_ERROR,
                  sent > 0 ? ANWDL_REASON_SESSION_FAILED : ANWDL_REASON_PEER_CLOSED);
    close_session(&session);
}

/* -- without the option ------------------------------------------------------------------------ */

static void test_off(void) {
    anwdl_client_options_t *options = make_server_options();
    int ends[2];
    session_t session = {.client = NULL};
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_REQUIRED));
    CHECK_OK(anwdl_client_options_set_proxy_protocol(options, ANWDL_PROXY_PROTOCOL_OFF));
    make_tcp_pair(ends);
    session = open_session_on(ends, options);
    REQUIRE(peer_send_bytes(&session.peer, V4_LINE, strlen(V4_LINE)));
    CHECK_FAILURE(anwdl_client_exchange_keys(session.client, true), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_PROTOCOL_VIOLATION);
    check_ip(&session, "127.0.0.1");
    close_session(&session);
}

/* A session has no connection that could begin with anything. */
static void test_session(void) {
    anwdl_client_options_t *options = make_options(false, 0);
    anwdl_session_t *sessions[2] = {NULL, NULL};
    const uint8_t *pending = NULL;
    size_t len = 0;
    size_t taken = 0;
    anwdl_request_t *request = NULL;
    CHECK_OK(anwdl_session_new(ANWDL_ROLE_SERVER, options, &sessions[0]));
    CHECK_OK(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &sessions[1]));
    anwdl_client_options_free(options);
    CHECK_STATUS(anwdl_session_send_request(sessions[1], "STAT", NULL), ANWDL_WANT_WRITE);
    CHECK_OK(anwdl_session_get_pending(sessions[1], &pending, &len));
    anwdl_status_t status = anwdl_session_recv_request(sessions[0], false, &request);
    for (size_t at = 0; status == ANWDL_WANT_READ && at < len; at += taken) {
        CHECK_OK(anwdl_session_feed(sessions[0], pending + at, len - at, &taken));
        REQUIRE(taken > 0);
        status = anwdl_session_recv_request(sessions[0], false, &request);
    }
    /* The header of a request was understood, and is answered. */
    CHECK_STATUS(status, ANWDL_WANT_WRITE);
    anwdl_session_free(sessions[0]);
    anwdl_session_free(sessions[1]);
}

/* What the tests below go through, byte by byte where that is how they come. */
static void tell_cases(void) {
    size_t cut = 0;
    for (size_t at = 0; at < GOOD_COUNT; at++)
        cut += GOOD[at].len;
    printf("cases: %d headers taken, on TCP and unix sockets\n", GOOD_COUNT);
    printf("cases: %d headers refused, by receiving and by responding\n", BAD_COUNT);
    printf("cases: %zu cuts in headers\n", cut);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_good_headers();
    for (size_t at = 0; at < GOOD_COUNT; at++)
        check_byte_by_byte(&GOOD[at]);
    test_identity();
    test_peer_ip_has_precedence();
    test_response_first();
    check_exchange(true);
    check_exchange(false);
    test_refused_creation();
    for (size_t at = 0; at < BAD_COUNT; at++) {
        check_bad(&BAD[at], receive);
        check_bad(&BAD[at], respond);
        check_bad_byte_by_byte(&BAD[at]);
    }
    test_silence();
    test_dripping_header();
    test_part_in_time();
    test_idle_timeout();
    check_timeouts(true);
    check_timeouts(false);
    test_late_end();
    check_closed(0);
    check_closed(1);
    check_closed(strlen(V4_LINE) - 1);
    test_off();
    test_session();
    CHECK_INTEGER(count_open_descriptors(), before);
    tell_cases();
    return check_finish();
}
