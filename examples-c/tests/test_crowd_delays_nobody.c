/* test_crowd_delays_nobody SERVER [--measure]: crowds against a server for many clients: of one
   address, 1,000 that connect and do nothing, 1,000 that drip, and 990 that send random bytes where
   the server has to compute, and of eight addresses 1,000 that do the last, and would fill the
   queue. They come back as soon as they are hung up on. Meanwhile every session of an honest client
   from another address is served.

   Twice: with the limits of an address as they are, and without them, where only giving way and the
   queue are left.

   With --measure, the median time of a new session may be three times the one without a crowd, if
   that has one address. Only a machine that does nothing else can tell. */
#include "check.h"
#include "peer.h"
#include "process.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_MEMBERS = 1000,
    HONEST_SESSIONS = 100,
    MOST_TIMES_SLOWER = 3,
    TICK = 10,           /* milliseconds */
    COME_IN_A_TICK = 20, /* at most */
    TICKS_OF_A_DRIP = 10,
    OTHER_DESCRIPTORS = 64,
    EVENTS_AT_ONCE = 256,
    PATIENCE = ANWDL_PATIENCE * 60000,
    SKIPPED = 77 /* exit status */
};

typedef enum { IDLE, DRIPPING, COMPUTING } kind_t;

typedef struct {
    const char *name;
    kind_t kind;
    size_t count;
    size_t addresses;
} case_t;

static const case_t CASES[] = {{"idle", IDLE, 1000, 1},
                               {"dripping", DRIPPING, 1000, 1},
                               {"computing", COMPUTING, 990, 1},
                               {"computing", COMPUTING, 1000, 8}};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

typedef struct {
    int fd; /* -1: hung up on */
    size_t dripped;
} member_t;

typedef struct {
    const case_t *it;
    uint16_t port;
    process_t server;
    int epoll_fd;
    member_t members[MOST_MEMBERS];
    char exchange[32768]; /* all that a client sends until the server has to compute */
    size_t exchange_len;
    atomic_size_t came; /* so many have connected, however often */
    atomic_bool stops;
    pthread_t thread;
} crowd_t;

/* -- the crowd, on its thread ------------------------------------------------------------------ */

/* Nobody keeps it from sending the answers before it has what they answer. */
static void make_exchange(crowd_t *crowd) {
    anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
    anwdl_rsa_wrapper_t *own = make_rsa_wrapper("peer-2");
    char *pem = NULL;
    size_t secret_len = anwdl_rsa_wrapper_get_key_size(server) / 8;
    REQUIRE(anwdl_rsa_wrapper_get_public_key(own, &pem) == ANWDL_OK);
    int len = snprintf(crowd->exchange, sizeof crowd->exchange, "%zu", strlen(pem));
    memset(crowd->exchange + len, '=', 8 - (size_t)len);
    len = 8 + snprintf(crowd->exchange + 8, sizeof crowd->exchange - 8, "%s11", pem);
    /* Below any modulus, so that it is not refused before the computation. */
    REQUIRE(getrandom(crowd->exchange + len, secret_len, 0) == (ssize_t)secret_len);
    crowd->exchange[len] = 0;
    crowd->exchange_len = (size_t)len + secret_len;
    anwdl_string_free(pem);
    anwdl_rsa_wrapper_free(own);
    anwdl_rsa_wrapper_free(server);
}

static void send_some(const member_t *member, const char *bytes, size_t len) {
    ssize_t count = send(member->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    CHECK(count == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

static in_addr_t get_address(const crowd_t *crowd, const member_t *member) {
    size_t number = (size_t)(member - crowd->members) % crowd->it->addresses;
    return htonl(INADDR_LOOPBACK + 1 + (in_addr_t)number);
}

static void come(crowd_t *crowd, member_t *member) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
    const struct in_addr address = {get_address(crowd, member)};
    char ip[INET_ADDRSTRLEN];
    REQUIRE(inet_ntop(AF_INET, &address, ip, sizeof ip) != NULL);
    *member = (member_t){.fd = connect_from(ip, crowd->port)};
    REQUIRE(epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, member->fd, &event) == 0);
    if (crowd->it->kind == COMPUTING)
        send_some(member, crowd->exchange, crowd->exchange_len);
    atomic_fetch_add(&crowd->came, 1);
}

static void look(member_t *member) {
    char bytes[4096];
    ssize_t count = recv(member->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count > 0 || (count < 0 && errno == EAGAIN))
        return;
    close(member->fd);
    member->fd = -1;
}

static void read_output(const crowd_t *crowd) {
    char bytes[65536];
    while (read(crowd->server.output, bytes, sizeof bytes) > 0)
        ;
}

static void tick(crowd_t *crowd, size_t number) {
    size_t coming = 0;
    for (size_t at = 0; at < crowd->it->count; at++) {
        member_t *member = &crowd->members[at];
        if (member->fd < 0 && coming++ < COME_IN_A_TICK)
            come(crowd, member);
        else if (member->fd >= 0 && crowd->it->kind == DRIPPING && number % TICKS_OF_A_DRIP == 0)
            send_some(member, crowd->exchange + member->dripped++ % crowd->exchange_len, 1);
    }
}

static void *run_crowd(void *argument) {
    crowd_t *crowd = argument;
    int64_t next_tick = 0;
    size_t ticks = 0;
    while (!atomic_load(&crowd->stops)) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(crowd->epoll_fd, events, EVENTS_AT_ONCE, TICK / 2);
        for (int at = 0; at < count; at++) {
            if (events[at].data.ptr == NULL)
                read_output(crowd);
            else
                look(events[at].data.ptr);
        }
        if (now_in_milliseconds() >= next_tick) {
            tick(crowd, ticks++);
            next_tick = now_in_milliseconds() + TICK;
        }
    }
    return NULL;
}

/* -- honest clients ---------------------------------------------------------------------------- */

static int64_t now_in_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const char RULE[] = "honest clients have an address of their own";

/* Of the honest clients; that of the crowd, to see that the test can fail. */
static const char *get_honest_ip(void) {
    const char *broken = getenv("ANWDL_BREAK");
    if (broken == NULL || strcmp(broken, RULE) != 0)
        return "127.0.0.1";
    fprintf(stderr, "negative control: %s is broken\n", RULE);
    return "127.0.0.2";
}

/* Gives how long it took. */
static int64_t be_served(const char *ip, uint16_t port) {
    peer_t peer;
    peer_init(&peer, -1, ANWDL_PROTOCOL_V4, "peer-1");
    int64_t begin = now_in_nanoseconds();
    peer.fd = connect_from(ip, port);
    char *json = peer_exchange_keys(&peer, true)
                     ? peer_ask(&peer, "{\"verb\": \"STAT\", \"parameters\": {}}")
                     : NULL;
    int64_t end = now_in_nanoseconds();
    CHECK(json != NULL && strstr(json, "\"uptime\"") != NULL);
    free(json);
    peer_free(&peer);
    return end - begin;
}

static int compare(const void *left, const void *right) {
    int64_t first = *(const int64_t *)left;
    int64_t second = *(const int64_t *)right;
    return (first > second) - (first < second);
}

/* The median, in milliseconds. */
static double be_served_often(uint16_t port) {
    int64_t times[HONEST_SESSIONS];
    const char *ip = get_honest_ip();
    for (size_t at = 0; at < HONEST_SESSIONS; at++)
        times[at] = be_served(ip, port);
    qsort(times, HONEST_SESSIONS, sizeof times[0], compare);
    return (double)times[HONEST_SESSIONS / 2] / 1e6;
}

/* -- the whole --------------------------------------------------------------------------------- */

static void start(crowd_t *crowd, char *path, bool has_limits) {
    char *const no_prefix[] = {NULL};
    char *const options[] = {"--private-key",
                             ANWDL_KEYS_DIR "/server.pem",
                             "--max-computations",
                             "64", /* eight addresses with eight */
                             has_limits ? NULL : "--max-clients-per-address",
                             "1000000",
                             "--max-exchanges-per-address",
                             "1000000",
                             NULL};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    crowd->server = start_server(no_prefix, path, options, &crowd->port);
    crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    REQUIRE(crowd->epoll_fd >= 0);
    REQUIRE(fcntl(crowd->server.output, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, crowd->server.output, &event) == 0);
    for (size_t at = 0; at < MOST_MEMBERS; at++)
        crowd->members[at].fd = -1;
}

static void end(crowd_t *crowd) {
    atomic_store(&crowd->stops, true);
    REQUIRE(pthread_join(crowd->thread, NULL) == 0);
    REQUIRE(kill(crowd->server.pid, SIGTERM) == 0);
    check_exit_status(&crowd->server, EXIT_SUCCESS);
    for (size_t at = 0; at < MOST_MEMBERS; at++)
        if (crowd->members[at].fd >= 0)
            close(crowd->members[at].fd);
    close(crowd->epoll_fd);
}

/* Returns how many times as long a new session takes while they are there. */
static double test_crowd(char *path, const case_t *it, bool has_limits, bool measures) {
    crowd_t *crowd = calloc(1, sizeof *crowd);
    REQUIRE(crowd != NULL);
    crowd->it = it;
    make_exchange(crowd);
    start(crowd, path, has_limits);
    int64_t patience = now_in_milliseconds() + PATIENCE;
    double quiet = be_served_often(crowd->port);
    REQUIRE(pthread_create(&crowd->thread, NULL, run_crowd, crowd) == 0);
    while (atomic_load(&crowd->came) < it->count) {
        REQUIRE(now_in_milliseconds() < patience);
        poll(NULL, 0, 1);
    }
    double crowded = be_served_often(crowd->port);
    printf("cases: %d sessions while %zu peers of %zu address%s are %s%s\n", HONEST_SESSIONS,
           it->count, it->addresses, it->addresses == 1 ? "" : "es", it->name,
           has_limits ? "" : ", without limits of clients and exchanges");
    printf("a new session takes %.1f ms, and %.1f ms without them\n", crowded, quiet);
    if (measures && it->addresses == 1)
        CHECK(crowded <= MOST_TIMES_SLOWER * quiet);
    end(crowd);
    free(crowd);
    return crowded / quiet;
}

int main(int argc, char **argv) {
    REQUIRE(argc == 2 || (argc == 3 && strcmp(argv[2], "--measure") == 0));
    if (!raise_descriptor_limit(MOST_MEMBERS + OTHER_DESCRIPTORS)) {
        printf("skipped: %d open descriptors are not allowed\n", MOST_MEMBERS + OTHER_DESCRIPTORS);
        return SKIPPED;
    }
    double slowest = 0; /* beside one address */
    for (size_t at = 0; at < CASE_COUNT; at++)
        for (int has_limits = 0; has_limits < 2; has_limits++) {
            double times = test_crowd(argv[1], &CASES[at], has_limits > 0, argc == 3);
            if (CASES[at].addresses == 1 && times > slowest)
                slowest = times;
        }
    const char *slash = strrchr(argv[1], '/');
    printf("figure: %s: beside one address a new session takes at most %.1f times as long\n",
           slash != NULL ? slash + 1 : argv[1], slowest);
    return check_finish();
}
