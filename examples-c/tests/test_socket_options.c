/* What a caller has set on a socket before it hands it over, as docs/sockets.md tells it. Its
   limits of time hold for the calls of the library, whether the descriptor blocks or not, beside a
   timeout of the options, and under signals; each other option is tried with whole sessions. */
#ifdef __linux__
#define _GNU_SOURCE /* for struct ucred */
#endif
#include "check.h"
#include "peer.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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
    bool is_interrupted;
} setting_t;

static const setting_t SETTINGS[] = {
    {"blocking, no timeout", false, LIMIT, 0, false},
    {"blocking, a longer timeout", false, LIMIT, LONG_LIMIT, false},
    {"blocking, a shorter timeout", false, LONG_LIMIT, LIMIT, false},
    {"non-blocking, no timeout", true, LIMIT, 0, false},
    {"non-blocking, a longer timeout", true, LIMIT, LONG_LIMIT, false},
    {"non-blocking, a shorter timeout", true, LONG_LIMIT, LIMIT, false},
    {"a timeout alone", false, 0, LIMIT, false},
    {"blocking, no timeout, signals", false, LIMIT, 0, true},
    {"blocking, a longer timeout, signals", false, LIMIT, LONG_LIMIT, true},
    {"non-blocking, no timeout, signals", true, LIMIT, 0, true},
    {"non-blocking, a longer timeout, signals", true, LIMIT, LONG_LIMIT, true},
};

/* -- signals ------------------------------------------------------------------------------------
 */

static volatile sig_atomic_t signals_heard;

static void hear_signal(int number) {
    (void)number;
    signals_heard++;
}

static void handle_signal(int number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = hear_signal; /* without SA_RESTART */
    REQUIRE(sigaction(number, &action, NULL) == 0);
}

typedef struct {
    pthread_t main;
    pthread_t thread;
    atomic_bool is_over;
} interrupter_t;

/* More often than the limit passes. */
static void *interrupt(void *context) {
    interrupter_t *interrupter = context;
    while (!atomic_load(&interrupter->is_over)) {
        pthread_kill(interrupter->main, SIGUSR1);
        poll(NULL, 0, LIMIT / 10);
    }
    return NULL;
}

static void start_interrupting(const setting_t *setting, interrupter_t *interrupter) {
    interrupter->main = pthread_self();
    atomic_init(&interrupter->is_over, !setting->is_interrupted);
    REQUIRE(pthread_create(&interrupter->thread, NULL, interrupt, interrupter) == 0);
}

static void stop_interrupting(interrupter_t *interrupter) {
    atomic_store(&interrupter->is_over, true);
    REQUIRE(pthread_join(interrupter->thread, NULL) == 0);
}

/* -- limits of time -----------------------------------------------------------------------------
 */

static void set_limit(int fd, int option, int milliseconds) {
    struct timeval limit = {.tv_sec = milliseconds / 1000,
                            .tv_usec = (milliseconds % 1000) * 1000L};
    REQUIRE(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit) == 0);
}

static anwdl_client_t *make_client(const setting_t *setting, int option, int ends[2]) {
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = make_shared_key_options();
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

/* A whole request, and the answer to the length of its response, in one piece: so that the library
   waits for nothing on the way, however late others get the processor. */
static void ask_ahead(int fd) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_session_t *session = NULL;
    uint8_t bytes[1024];
    size_t len = 0, count = 0;
    anwdl_status_t status;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &session) == ANWDL_OK);
    while ((status = anwdl_session_send_request(session, "STAT", NULL)) != ANWDL_OK) {
        const uint8_t *pending = NULL;
        if (status == ANWDL_WANT_READ) {
            REQUIRE(anwdl_session_feed(session, (const uint8_t *)"1", 1, &count) == ANWDL_OK);
            continue;
        }
        REQUIRE(status == ANWDL_WANT_WRITE);
        REQUIRE(anwdl_session_get_pending(session, &pending, &count) == ANWDL_OK);
        REQUIRE(len + count < sizeof bytes);
        memcpy(bytes + len, pending, count);
        len += count;
        REQUIRE(anwdl_session_sent(session, count) == ANWDL_OK);
    }
    bytes[len++] = '1';
    REQUIRE(send(fd, bytes, len, 0) == (ssize_t)len);
    anwdl_session_free(session);
    anwdl_client_options_free(options);
}

/* No byte has moved: the call can be repeated, and the session goes on. */
static void test_receiving(const setting_t *setting) {
    int ends[2];
    interrupter_t interrupter;
    anwdl_client_t *client = make_client(setting, SO_RCVTIMEO, ends);
    start_interrupting(setting, &interrupter);
    for (int round = 0; round < 2; round++)
        if (!CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                           ANWDL_REASON_TIMEOUT))
            fprintf(stderr, "  %s\n", setting->name);
    stop_interrupting(&interrupter);
    ask_ahead(ends[PEER_SIDE]);
    REQUIRE(wait_for(ends[SERVER_SIDE], POLLIN, LONG_LIMIT));
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

/* The peer accepts the length, and then reads nothing. */
static void test_sending(const setting_t *setting) {
    int ends[2];
    interrupter_t interrupter;
    anwdl_client_t *client = make_client(setting, SO_SNDTIMEO, ends);
    char *data = malloc(LARGE);
    REQUIRE(data != NULL);
    memset(data, 'a', LARGE);
    memcpy(data, "{\"a\":\"", 6);
    memcpy(data + LARGE - 3, "\"}", 3);
    REQUIRE(send(ends[PEER_SIDE], "1", 1, 0) == 1);
    start_interrupting(setting, &interrupter);
    if (!CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
                       ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT))
        fprintf(stderr, "  %s\n", setting->name);
    stop_interrupting(&interrupter);
    CHECK_FAILURE(anwdl_client_recv_request(client, true, NULL), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_SESSION_FAILED);
    free(data);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

/* -- the other options --------------------------------------------------------------------------
 */

enum { PATIENCE = ANWDL_PATIENCE * 60000 /* milliseconds */, ECHOED = 1024 * 1024 };

typedef enum { BLOCKING, BLOCKING_WITH_TIMEOUT, NON_BLOCKING, MANNERS } manner_t;

/* An option whose value is an int. */
typedef struct {
    const char *name;
    int level;
    int option;
    int value;
    int later; /* its value once the library has the socket; -1: whatever the system makes of it */
    bool is_optional; /* the system may refuse to set it */
} option_t;

static const option_t OPTIONS[] = {
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1, 1, false},
    {"SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 1000, 1, false},
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 1, -1, false},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 1, -1, false},
    {"TCP_NODELAY on", IPPROTO_TCP, TCP_NODELAY, 1, 1, false},
    {"TCP_NODELAY off", IPPROTO_TCP, TCP_NODELAY, 0, 1, false},
#ifdef TCP_CORK
    {"TCP_CORK", IPPROTO_TCP, TCP_CORK, 1, 0, false},
#endif
#ifdef TCP_QUICKACK
    {"TCP_QUICKACK off", IPPROTO_TCP, TCP_QUICKACK, 0, -1, false},
#endif
#ifdef TCP_USER_TIMEOUT
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, PATIENCE, PATIENCE, false},
#endif
#ifdef SO_BUSY_POLL
    {"SO_BUSY_POLL", SOL_SOCKET, SO_BUSY_POLL, 50, 50, true},
#endif
};

static int option_value(int fd, int level, int option) {
    int value = -1;
    socklen_t len = sizeof value;
    REQUIRE(getsockopt(fd, level, option, &value, &len) == 0);
    return value;
}

static void set_option(int fd, int level, int option, int value) {
    REQUIRE(setsockopt(fd, level, option, &value, sizeof value) == 0);
}

/* A request, and a response that is longer than a small buffer. */
static void talk(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
    for (int round = 0; round < 2; round++) {
        char *response = peer_ask(peer, "{\"verb\":\"STAT\",\"parameters\":{}}");
        CHECK(response != NULL && strlen(response) > ECHOED);
        free(response);
    }
}

static anwdl_status_t wait_to_go_on(int fd, anwdl_status_t status) {
    if (status > ANWDL_OK)
        REQUIRE(wait_for(fd, status == ANWDL_WANT_READ ? POLLIN : POLLOUT, PATIENCE));
    return status;
}

static anwdl_client_t *make_server_side(int fd, manner_t manner) {
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = make_server_options();
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_non_blocking(options, manner == NON_BLOCKING) == ANWDL_OK);
    if (manner == BLOCKING_WITH_TIMEOUT)
        REQUIRE(anwdl_client_options_set_timeout(options, PATIENCE) == ANWDL_OK);
    CHECK_OK(anwdl_client_new(fd, options, &client));
    anwdl_client_options_free(options);
    return client;
}

/* The whole of a session on sockets that somebody has prepared. The client is still open. */
static anwdl_client_t *hold_session(const int ends[2], manner_t manner) {
    static char data[ECHOED];
    peer_t peer;
    int fd = ends[SERVER_SIDE];
    anwdl_client_t *client = make_server_side(fd, manner);
    memset(data, 'a', sizeof data);
    memcpy(data, "{\"a\":\"", 6);
    memcpy(data + sizeof data - 3, "\"}", 3);
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&peer, talk, NULL);
    while (wait_to_go_on(fd, anwdl_client_exchange_keys(client, true)) > ANWDL_OK)
        ;
    for (int round = 0; round < 2; round++) {
        anwdl_status_t status;
        do
            status = wait_to_go_on(fd, anwdl_client_recv_request(client, true, NULL));
        while (status > ANWDL_OK);
        CHECK_OK(status);
        do
            status = wait_to_go_on(
                fd, anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL));
        while (status > ANWDL_OK);
        CHECK_OK(status);
    }
    peer_join(&peer);
    peer.fd = -1;
    peer_free(&peer);
    return client;
}

static void test_option(const option_t *option) {
    for (manner_t manner = BLOCKING; manner < MANNERS; manner++) {
        int ends[2];
        make_tcp_pair(ends);
        if (setsockopt(ends[SERVER_SIDE], option->level, option->option, &option->value,
                       sizeof option->value) != 0) {
            REQUIRE(option->is_optional);
            printf("left out: %s (%s)\n", option->name, strerror(errno));
            close(ends[SERVER_SIDE]);
            close(ends[PEER_SIDE]);
            return;
        }
        anwdl_client_t *client = hold_session(ends, manner);
        if (option->later != -1 &&
            !CHECK_INTEGER(option_value(ends[SERVER_SIDE], option->level, option->option) != 0,
                           option->later != 0))
            fprintf(stderr, "  %s\n", option->name);
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
}

/* Without SO_LINGER, or with a time, the peer reads all and then the end; with a time of 0, close()
   resets the connection. */
static void test_linger(void) {
    for (int is_reset = 0; is_reset < 2; is_reset++) {
        const struct linger linger = {.l_onoff = 1, .l_linger = is_reset ? 0 : PATIENCE / 1000};
        int ends[2];
        char byte;
        make_tcp_pair(ends);
        REQUIRE(setsockopt(ends[SERVER_SIDE], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
        anwdl_client_free(hold_session(ends, BLOCKING));
        REQUIRE(wait_for(ends[PEER_SIDE], POLLIN, PATIENCE));
        ssize_t count = recv(ends[PEER_SIDE], &byte, 1, 0);
        CHECK(is_reset ? count == -1 && errno == ECONNRESET : count == 0);
        close(ends[PEER_SIDE]);
    }
}

/* Whom the system gives up is no peer that was too slow for the library's own timeout. */
static void test_user_timeout(void) {
#ifdef TCP_USER_TIMEOUT
    for (manner_t manner = BLOCKING; manner < NON_BLOCKING; manner++) {
        const setting_t setting = {"TCP_USER_TIMEOUT", false, 0,
                                   manner == BLOCKING ? 0 : LONG_LIMIT, false};
        int ends[2];
        anwdl_client_t *client = make_client(&setting, SO_SNDTIMEO, ends);
        char *data = malloc(LARGE);
        REQUIRE(data != NULL);
        memset(data, 'a', LARGE);
        memcpy(data, "{\"a\":\"", 6);
        memcpy(data + LARGE - 3, "\"}", 3);
        set_option(ends[SERVER_SIDE], IPPROTO_TCP, TCP_USER_TIMEOUT, LIMIT);
        REQUIRE(send(ends[PEER_SIDE], "1", 1, 0) == 1);
        CHECK_FAILURE(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL),
                      ANWDL_RUNTIME_ERROR, ANWDL_REASON_IO_FAILED);
        CHECK_INTEGER(anwdl_last_error_errno(), ETIMEDOUT);
        free(data);
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
#endif
}

/* Signals interrupt whatever the library waits in. */
static void test_async(void) {
#ifdef O_ASYNC
    handle_signal(SIGIO);
    signals_heard = 0;
    for (manner_t manner = BLOCKING; manner < MANNERS; manner++) {
        int ends[2];
        make_tcp_pair(ends);
        int flags = fcntl(ends[SERVER_SIDE], F_GETFL);
        REQUIRE(fcntl(ends[SERVER_SIDE], F_SETOWN, getpid()) == 0);
        REQUIRE(fcntl(ends[SERVER_SIDE], F_SETFL, flags | O_ASYNC) == 0);
        anwdl_client_t *client = hold_session(ends, manner);
        CHECK((fcntl(ends[SERVER_SIDE], F_GETFL) & O_ASYNC) != 0);
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
    /* There is none for bytes that a blocking call waits for already. */
    CHECK(signals_heard > 0);
    signal(SIGIO, SIG_IGN);
#endif
}

/* The connection lasts as long as any descriptor of it. */
static void test_shared_descriptor(void) {
    int ends[2];
    char byte;
    make_tcp_pair(ends);
    int copy = dup(ends[SERVER_SIDE]);
    REQUIRE(copy >= 0);
    anwdl_client_free(hold_session(ends, BLOCKING));
    CHECK(!is_open(ends[SERVER_SIDE]) && is_open(copy));
    CHECK(recv(ends[PEER_SIDE], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    /* What shut down here is shut down for all. */
    REQUIRE(shutdown(copy, SHUT_RDWR) == 0);
    REQUIRE(wait_for(ends[PEER_SIDE], POLLIN, PATIENCE));
    CHECK(recv(ends[PEER_SIDE], &byte, 1, 0) == 0);
    close(copy);
    close(ends[PEER_SIDE]);
}

static void test_mptcp(void) {
#ifdef IPPROTO_MPTCP
    for (manner_t manner = BLOCKING; manner < MANNERS; manner++) {
        int ends[2];
        struct sockaddr_in address;
        socklen_t len = sizeof address;
        int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
        if (listener < 0) {
            printf("left out: MPTCP (%s)\n", strerror(errno));
            return;
        }
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
        REQUIRE(listen(listener, 1) == 0);
        REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
        ends[PEER_SIDE] = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
        REQUIRE(connect(ends[PEER_SIDE], (struct sockaddr *)&address, sizeof address) == 0);
        ends[SERVER_SIDE] = accept(listener, NULL, NULL);
        close(listener);
        anwdl_client_t *client = hold_session(ends, manner);
        CHECK_STRING(anwdl_client_get_ip(client), "127.0.0.1");
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
#endif
}

/* Credentials come beside the bytes of a Unix socket, to whoever asks for them. */
static void test_credentials(void) {
#ifdef SO_PASSCRED
    for (manner_t manner = BLOCKING; manner < MANNERS; manner++) {
        int ends[2];
        struct ucred credentials;
        socklen_t len = sizeof credentials;
        make_unix_pair(ends);
        set_option(ends[SERVER_SIDE], SOL_SOCKET, SO_PASSCRED, 1);
        anwdl_client_t *client = hold_session(ends, manner);
        CHECK_STRING(anwdl_client_get_ip(client), "");
        REQUIRE(getsockopt(anwdl_client_get_socket_descriptor(client), SOL_SOCKET, SO_PEERCRED,
                           &credentials, &len) == 0);
        CHECK_INTEGER(credentials.pid, getpid());
        anwdl_client_free(client);
        close(ends[PEER_SIDE]);
    }
#endif
}

/* -- zones of IPv6 addresses --------------------------------------------------------------------
 */

static void test_told_zone(void) {
    static const struct {
        const char *told;
        const char *kept; /* NULL: refused */
    } CASES[] = {
        {"fe80::1%eth0", "fe80::1"},
        {"FE80:0::1%25", "fe80::1"},
        {"2001:db8::1%1", "2001:db8::1"},
        {"::ffff:192.0.2.1%2", "192.0.2.1"},
        {"fe80::1%", NULL},
        {"%eth0", NULL},
        {"192.0.2.1%eth0", NULL},
        {"[fe80::1%eth0]", NULL},
    };
    for (size_t at = 0; at < sizeof CASES / sizeof CASES[0]; at++) {
        anwdl_client_options_t *options = make_shared_key_options();
        if (CASES[at].kept == NULL) {
            CHECK_FAILURE(anwdl_client_options_set_peer_ip(options, CASES[at].told),
                          ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
        } else if (CHECK_OK(anwdl_client_options_set_peer_ip(options, CASES[at].told))) {
            anwdl_client_t *client = NULL;
            int ends[2];
            make_tcp_pair(ends);
            REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
            CHECK_STRING(anwdl_client_get_ip(client), CASES[at].kept);
            anwdl_client_free(client);
            close(ends[PEER_SIDE]);
        }
        anwdl_client_options_free(options);
    }
}

/* A link-local address of this machine, as text with its zone; false if it has none. */
static bool find_link_local(struct sockaddr_in6 *out, char *text, size_t capacity) {
    struct ifaddrs *all = NULL;
    bool found = false;
    REQUIRE(getifaddrs(&all) == 0);
    for (const struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET6)
            continue;
        memcpy(out, one->ifa_addr, sizeof *out);
        found = IN6_IS_ADDR_LINKLOCAL(&out->sin6_addr) &&
                getnameinfo((struct sockaddr *)out, sizeof *out, text, (socklen_t)capacity, NULL, 0,
                            NI_NUMERICHOST) == 0;
    }
    freeifaddrs(all);
    return found;
}

static void test_link_local(void) {
    struct sockaddr_in6 address;
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE];
    socklen_t len = sizeof address;
    if (!find_link_local(&address, text, sizeof text)) {
        printf("left out: a connection between link-local addresses (there is none)\n");
        return;
    }
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    address.sin6_port = 0;
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    for (unsigned timeout = 0; timeout <= LONG_LIMIT; timeout += LONG_LIMIT) {
        anwdl_client_options_t *options = make_shared_key_options();
        anwdl_client_interface_t *interface = NULL;
        anwdl_client_t *client = NULL;
        REQUIRE(anwdl_client_options_set_timeout(options, timeout) == ANWDL_OK);
        REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
        CHECK_OK(anwdl_client_interface_connect_server(interface, text, ntohs(address.sin6_port)));
        REQUIRE(anwdl_client_new(accept(listener, NULL, NULL), options, &client) == ANWDL_OK);
        *strchrnul(text, '%') = '\0';
        CHECK_STRING(anwdl_client_get_ip(client), text);
        REQUIRE(find_link_local(&address, text, sizeof text));
        REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
        anwdl_client_free(client);
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
    }
    close(listener);
}

int main(void) {
    alarm(ANWDL_PATIENCE * 60); /* whoever waits for ever has failed */
    handle_signal(SIGUSR1);
    for (size_t at = 0; at < sizeof SETTINGS / sizeof SETTINGS[0]; at++) {
        test_receiving(&SETTINGS[at]);
        test_sending(&SETTINGS[at]);
    }
    for (size_t at = 0; at < sizeof OPTIONS / sizeof OPTIONS[0]; at++)
        test_option(&OPTIONS[at]);
    test_linger();
    test_user_timeout();
    test_async();
    test_shared_descriptor();
    test_mptcp();
    test_credentials();
    test_told_zone();
    test_link_local();
    printf("cases: %zu settings of a socket, receiving and sending\n",
           sizeof SETTINGS / sizeof SETTINGS[0]);
    return check_finish();
}
