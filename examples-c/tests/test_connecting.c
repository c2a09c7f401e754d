/* Connecting, in a loop and without one: names that are not found, hang, or have many addresses;
   addresses that refuse, do not answer, or cannot be reached; deadlines, and giving up, at each
   point. The resolver is this program's, and so is connect(), to see what is tried. */
#define _GNU_SOURCE
#include "c_library.h"
#include "check.h"
#include "conversation.h"
#include "support.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = ANWDL_PATIENCE * 10000, SHORT = 100, DELAY = 250, MOST_LOOKUPS = 16 };

/* -- in place of the C library's resolver ------------------------------------------------------ */

/* The names that there are. Others are not found; "hang.test" is not until it is let go. */
static const struct {
    const char *name;
    const char *addresses[5];
} HOSTS[] = {
    {"one.test", {"127.0.0.1"}},
    {"slow.test", {"127.0.0.2", "127.0.0.1"}},
    {"hang.test", {"127.0.0.1"}},
    {"order.test", {"::1", "::2", "::3", "127.0.0.3", "127.0.0.4"}},
    {"nowhere.test", {"255.255.255.255", "127.0.0.1"}},
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;
static bool hangs = true;
static unsigned hanging;    /* threads, now */
static atomic_uint lookups; /* that have begun */

static void set_hanging(bool is_hanging) {
    pthread_mutex_lock(&mutex);
    hangs = is_hanging;
    pthread_cond_broadcast(&let_go);
    pthread_mutex_unlock(&mutex);
}

/* Waits until so many threads hang, and hold no lock. */
static void wait_until_hanging(unsigned expected) {
    unsigned count = 0;
    while (count < expected) {
        sched_yield();
        pthread_mutex_lock(&mutex);
        count = hanging;
        pthread_mutex_unlock(&mutex);
    }
}

static struct addrinfo *make_address(const char *text, uint16_t port) {
    struct addrinfo *info = calloc(1, sizeof *info);
    struct sockaddr_storage *address = calloc(1, sizeof *address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    REQUIRE(info != NULL && address != NULL);
    info->ai_addr = (struct sockaddr *)address;
    info->ai_socktype = SOCK_STREAM;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        info->ai_addrlen = sizeof *v4;
    } else {
        REQUIRE(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        info->ai_addrlen = sizeof *v6;
    }
    info->ai_family = address->ss_family;
    return info;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out) {
    (void)service, (void)hints; /* the library fills the port in itself */
    atomic_fetch_add(&lookups, 1);
    pthread_mutex_lock(&mutex);
    while (hangs && strcmp(name, "hang.test") == 0) {
        hanging++;
        pthread_cond_wait(&let_go, &mutex);
        hanging--;
    }
    pthread_mutex_unlock(&mutex);
    for (size_t at = 0; at < sizeof HOSTS / sizeof *HOSTS; at++)
        if (strcmp(HOSTS[at].name, name) == 0) {
            struct addrinfo **place = out;
            for (size_t number = 0; number < 5 && HOSTS[at].addresses[number] != NULL; number++) {
                *place = make_address(HOSTS[at].addresses[number], 0);
                place = &(*place)->ai_next;
            }
            return 0;
        }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info) {
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_addr);
        free(info);
        info = next;
    }
}

/* -- in place of connect() --------------------------------------------------------------------- */

static char tried[256]; /* the addresses, in order */
static int interrupted; /* so many calls are, after they have begun */

int connect(int fd, CONST_ADDRESS address, socklen_t len) {
    static __typeof__(&connect) real;
    const struct sockaddr *plain = *(const struct sockaddr *const *)(const void *)&address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)plain;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)plain;
    char text[INET6_ADDRSTRLEN] = "";
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "connect");
        memcpy(&real, &found, sizeof real);
    }
    if (plain->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    snprintf(tried + strlen(tried), sizeof tried - strlen(tried), "%s ", text);
    int result = real(fd, address, len);
    if (interrupted > 0) {
        interrupted--;
        errno = EINTR;
        return -1;
    }
    return result;
}

/* -- interfaces -------------------------------------------------------------------------------- */

static anwdl_client_interface_t *make_interface(bool non_blocking, uint32_t timeout) {
    anwdl_client_options_t *options = make_late_options();
    anwdl_client_interface_t *interface = NULL;
    REQUIRE(anwdl_client_options_set_non_blocking(options, non_blocking) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_timeout(options, timeout) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    anwdl_client_options_free(options);
    return interface;
}

/* As a loop: it waits for the descriptor and the time that it is told, and for nothing else. */
static anwdl_status_t connect_to_host(anwdl_client_interface_t *interface, const char *host,
                                      uint16_t port) {
    for (;;) {
        anwdl_status_t status = anwdl_client_interface_connect_server(interface, host, port);
        int left = anwdl_client_interface_get_time_left(interface);
        if (status != ANWDL_WANT_READ) {
            CHECK_INTEGER(left, -1);
            CHECK_INTEGER(anwdl_client_interface_get_wants(interface), ANWDL_OK);
            return status;
        }
        CHECK_INTEGER(anwdl_client_interface_get_wants(interface), ANWDL_WANT_READ);
        CHECK(!anwdl_client_interface_is_closed(interface));
        int fd = anwdl_client_interface_get_socket_descriptor(interface);
        bool is_awake = wait_for(fd, POLLIN, left < 0 ? PATIENCE : left);
        REQUIRE(is_awake || left >= 0);
    }
}

static void check_fails(const char *host, uint16_t port, anwdl_error_reason_t reason, int error) {
    for (int non_blocking = 0; non_blocking <= 1; non_blocking++)
        for (uint32_t timeout = 0; timeout <= PATIENCE; timeout += PATIENCE) {
            anwdl_client_interface_t *interface = make_interface(non_blocking, timeout);
            for (int round = 0; round < 2; round++) {
                CHECK_FAILURE(connect_to_host(interface, host, port), ANWDL_RUNTIME_ERROR, reason);
                CHECK(error < 0 || anwdl_last_error_errno() == error);
                CHECK(anwdl_client_interface_is_closed(interface));
                CHECK(!anwdl_client_interface_has_failed(interface));
            }
            anwdl_client_interface_free(interface);
        }
}

static size_t own_threads; /* all but those of lookups */

/* Waits until the threads of lookups are gone, and what they have with them. */
static size_t count_settled_descriptors(void) {
    int64_t began = now_in_milliseconds();
    while (count_threads() != own_threads) {
        REQUIRE(now_in_milliseconds() < began + PATIENCE);
        sched_yield();
    }
    return count_open_descriptors();
}

/* -- what can go wrong ------------------------------------------------------------------------- */

/* A port of 127.0.0.1 that is taken, and at which nobody listens. */
static int take_port(uint16_t *out_port) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    uint16_t other;
    int listener = make_listener(&other);
    int fd = connect_to(other);
    REQUIRE(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *out_port = ntohs(address.sin_port);
    close(listener);
    return fd;
}

static void test_failures(void) {
    uint16_t port;
    int taken = take_port(&port);
    check_fails("127.0.0.1", port, ANWDL_REASON_CONNECT_FAILED, ECONNREFUSED);
    check_fails("one.test", port, ANWDL_REASON_CONNECT_FAILED, ECONNREFUSED);
    check_fails("nowhere.test", port, ANWDL_REASON_CONNECT_FAILED, ECONNREFUSED);
    check_fails("255.255.255.255", port, ANWDL_REASON_CONNECT_FAILED, -1);
    check_fails("none.test", port, ANWDL_REASON_CONNECT_FAILED, 0);
    close(taken);
}

/* Families in turn, the preferred one first; where all fail, none waits for its time. */
static void test_order(void) {
    uint16_t port;
    int taken = take_port(&port);
    for (int non_blocking = 0; non_blocking <= 1; non_blocking++) {
        anwdl_client_interface_t *interface = make_interface(non_blocking, PATIENCE);
        tried[0] = '\0';
        CHECK_FAILURE(connect_to_host(interface, "order.test", port), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_CONNECT_FAILED);
        if (strcmp(tried, "::1 127.0.0.3 ") != 0) /* without IPv6 there is no socket for it */
            CHECK(strcmp(tried, "::1 127.0.0.3 ::2 127.0.0.4 ::3 ") == 0 ||
                  strcmp(tried, "127.0.0.3 127.0.0.4 ") == 0);
        anwdl_client_interface_free(interface);
    }
    close(taken);
}

/* Two listeners at the same port: that of 127.0.0.2 gives no answer. */
typedef struct {
    int good, silent, queued;
    uint16_t port;
} pair_t;

static pair_t make_pair(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    pair_t pair;
    REQUIRE(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr) == 1);
    for (;;) {
        pair.good = make_listener(&pair.port);
        pair.silent = socket(AF_INET, SOCK_STREAM, 0);
        address.sin_port = htons(pair.port);
        if (bind(pair.silent, (struct sockaddr *)&address, sizeof address) == 0)
            break;
        /* A client of another test may have that port at the second address. */
        REQUIRE(errno == EADDRINUSE);
        close(pair.silent);
        close(pair.good);
    }
    REQUIRE(fcntl(pair.good, F_SETFL, O_NONBLOCK) == 0);
    pair.queued = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(listen(pair.silent, 0) == 0);
    REQUIRE(connect(pair.queued, (struct sockaddr *)&address, sizeof address) == 0);
    return pair;
}

static void close_pair(const pair_t *pair) {
    close(pair->good);
    close(pair->silent);
    close(pair->queued);
}

/* Closes the connections that wait at a listener; a forked process may do so at the same time. */
static void drain(int listener) {
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        close(fd);
}

static void test_slow_address(const pair_t *pair) {
    for (int non_blocking = 0; non_blocking <= 1; non_blocking++)
        for (uint32_t timeout = 0; timeout <= PATIENCE; timeout += PATIENCE) {
            anwdl_client_interface_t *interface = make_interface(non_blocking, timeout);
            size_t descriptors = count_settled_descriptors();
            int64_t began = now_in_milliseconds();
            tried[0] = '\0';
            CHECK_OK(connect_to_host(interface, "slow.test", pair->port));
            CHECK_STRING(tried, "127.0.0.2 127.0.0.1 ");
            CHECK(now_in_milliseconds() >= began + DELAY);
            CHECK_INTEGER(count_settled_descriptors(), descriptors + 1);
            anwdl_client_interface_free(interface);
            drain(pair->good);
        }
}

/* -- deadlines --------------------------------------------------------------------------------- */

static void test_deadlines(const pair_t *pair) {
    static const char *const SLOW[] = {"hang.test", "127.0.0.2"};
    size_t descriptors = count_settled_descriptors();
    for (size_t at = 0; at < 2; at++)
        for (int non_blocking = 0; non_blocking <= 1; non_blocking++) {
            anwdl_client_interface_t *interface = make_interface(non_blocking, SHORT);
            int64_t began = now_in_milliseconds();
            CHECK_FAILURE(connect_to_host(interface, SLOW[at], pair->port), ANWDL_RUNTIME_ERROR,
                          ANWDL_REASON_TIMEOUT);
            CHECK(now_in_milliseconds() >= began + SHORT);
            CHECK(anwdl_client_interface_is_closed(interface));
            anwdl_client_interface_free(interface);
        }
    set_hanging(false);
    CHECK_INTEGER(count_settled_descriptors(), descriptors);
    set_hanging(true);
}

static void test_time_left(const pair_t *pair) {
    static const char *const SLOW[] = {"hang.test", "127.0.0.2"};
    for (size_t at = 0; at < 2; at++) {
        anwdl_client_interface_t *interface = make_interface(true, PATIENCE);
        anwdl_response_t *response = NULL;
        CHECK_INTEGER(anwdl_client_interface_get_time_left(interface), -1);
        CHECK_INTEGER(anwdl_client_interface_connect_server(interface, SLOW[at], pair->port),
                      ANWDL_WANT_READ);
        int left = anwdl_client_interface_get_time_left(interface);
        CHECK(left > 0 && left <= PATIENCE);
        /* The time of what is under way stays as it is. */
        CHECK_OK(anwdl_client_interface_set_timeout(interface, SHORT));
        CHECK(anwdl_client_interface_get_time_left(interface) > SHORT);
        CHECK_INTEGER(anwdl_client_interface_next_event(interface, &response),
                      ANWDL_EVENT_WANT_READ);
        CHECK_OK(anwdl_client_interface_close_connection(interface));
        CHECK_INTEGER(anwdl_client_interface_get_time_left(interface), -1);
        anwdl_status_t status =
            anwdl_client_interface_connect_server(interface, SLOW[at], pair->port);
        /* On a slow machine the time is over before the call returns. */
        if (status == ANWDL_WANT_READ) {
            while (anwdl_client_interface_get_time_left(interface) != 0)
                wait_for(anwdl_client_interface_get_socket_descriptor(interface), POLLIN,
                         anwdl_client_interface_get_time_left(interface));
            CHECK_INTEGER(anwdl_client_interface_next_event(interface, &response),
                          ANWDL_EVENT_ENDED);
        } else
            CHECK_INTEGER(status, ANWDL_RUNTIME_ERROR);
        CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
        CHECK_INTEGER(anwdl_client_interface_next_event(interface, &response), ANWDL_EVENT_ENDED);
        CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_CLOSED);
        anwdl_client_interface_free(interface);
    }
    set_hanging(false);
    count_settled_descriptors();
    set_hanging(true);
}

/* -- giving up --------------------------------------------------------------------------------- */

static void test_giving_up(const pair_t *pair) {
    static const char *const SLOW[] = {"hang.test", "127.0.0.2", "slow.test"};
    size_t descriptors = count_settled_descriptors();
    for (size_t at = 0; at < 3; at++)
        for (int closes = 0; closes <= 1; closes++) {
            anwdl_client_interface_t *interface = make_interface(true, 0);
            CHECK_INTEGER(anwdl_client_interface_connect_server(interface, SLOW[at], pair->port),
                          ANWDL_WANT_READ);
            CHECK(count_open_descriptors() > descriptors);
            if (closes) {
                CHECK_OK(anwdl_client_interface_close_connection(interface));
                CHECK(anwdl_client_interface_is_closed(interface));
                CHECK_INTEGER(anwdl_client_interface_get_socket_descriptor(interface), -1);
                CHECK_OK(connect_to_host(interface, "127.0.0.1", pair->port));
                drain(pair->good);
            }
            anwdl_client_interface_free(interface);
        }
    /* What a thread looks up cannot be stopped; it ends by itself, though nobody reads its answer.
     */
    set_hanging(false);
    CHECK_INTEGER(count_settled_descriptors(), descriptors);
    set_hanging(true);
}

/* Names beyond the most that are looked up at once wait, and are looked up after that. */
static void test_many_names(const pair_t *pair) {
    enum { COUNT = 40 };
    static anwdl_client_interface_t *interfaces[COUNT];
    size_t descriptors = count_settled_descriptors();
    unsigned before = atomic_load(&lookups);
    for (size_t at = 0; at < COUNT; at++) {
        interfaces[at] = make_interface(true, PATIENCE);
        CHECK_INTEGER(
            anwdl_client_interface_connect_server(interfaces[at], "hang.test", pair->port),
            ANWDL_WANT_READ);
    }
    CHECK_INTEGER(count_threads(), own_threads + MOST_LOOKUPS);
    /* Of those that wait for a thread, some are given up. */
    for (size_t at = COUNT - 10; at < COUNT; at++)
        anwdl_client_interface_free(interfaces[at]);
    set_hanging(false);
    for (size_t at = 0; at < COUNT - 10; at++) {
        CHECK_OK(connect_to_host(interfaces[at], "hang.test", pair->port));
        drain(pair->good);
        anwdl_client_interface_free(interfaces[at]);
    }
    count_settled_descriptors();
    CHECK_INTEGER(atomic_load(&lookups) - before, COUNT - 10);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    set_hanging(true);
}

/* -- no descriptors, interruptions, cancellation ----------------------------------------------- */

/* With so many descriptors free, from none on, it fails until it can be done; nothing is lost. */
static void test_no_descriptors(const pair_t *pair) {
    static const char *const ONE[] = {"127.0.0.1", "one.test"};
    struct rlimit usual, low;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &usual) == 0);
    for (size_t host = 0; host < 2; host++)
        for (int non_blocking = 0; non_blocking <= 1; non_blocking++) {
            anwdl_client_interface_t *interface = make_interface(non_blocking, PATIENCE);
            size_t descriptors = count_settled_descriptors();
            int next = dup(pair->good);
            unsigned failures = 0;
            anwdl_status_t status = ANWDL_RUNTIME_ERROR;
            close(next);
            for (int spare = 0; status != ANWDL_OK && spare < 16; spare++) {
                low = usual;
                low.rlim_cur = (rlim_t)(next + spare);
                REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
                status = connect_to_host(interface, ONE[host], pair->port);
                REQUIRE(setrlimit(RLIMIT_NOFILE, &usual) == 0);
                if (status == ANWDL_OK)
                    break;
                failures++;
                CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_CONNECT_FAILED);
                CHECK_INTEGER(anwdl_last_error_errno(), EMFILE);
                CHECK(anwdl_client_interface_is_closed(interface));
                CHECK_INTEGER(count_settled_descriptors(), descriptors);
            }
            CHECK_OK(status);
            CHECK(failures > 0);
            anwdl_client_interface_free(interface);
            drain(pair->good);
        }
}

static void test_interruptions(const pair_t *pair) {
    for (int non_blocking = 0; non_blocking <= 1; non_blocking++)
        for (int times = 1; times <= 2; times++) {
            anwdl_client_interface_t *interface = make_interface(non_blocking, 0);
            interrupted = times;
            CHECK_OK(connect_to_host(interface, "127.0.0.1", pair->port));
            CHECK_INTEGER(interrupted, 0);
            anwdl_client_interface_free(interface);
            drain(pair->good);
        }
}

typedef struct {
    anwdl_client_interface_t *interface;
    uint16_t port;
    anwdl_status_t status;
    atomic_bool is_connecting;
} canceled_t;

static void *connect_until_canceled(void *context) {
    canceled_t *canceled = context;
    atomic_store(&canceled->is_connecting, true);
    canceled->status =
        anwdl_client_interface_connect_server(canceled->interface, "hang.test", canceled->port);
    for (;;)
        pthread_testcancel();
    return NULL;
}

/* A thread in a call is canceled only after it. */
static void test_cancellation(const pair_t *pair) {
    unsigned before = atomic_load(&lookups);
    canceled_t canceled = {.interface = make_interface(false, PATIENCE), .port = pair->port};
    pthread_t thread;
    void *result = NULL;
    canceled.status = ANWDL_VALUE_ERROR;
    REQUIRE(pthread_create(&thread, NULL, connect_until_canceled, &canceled) == 0);
    while (atomic_load(&lookups) == before)
        sched_yield();
    REQUIRE(pthread_cancel(thread) == 0);
    set_hanging(false);
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_INTEGER(canceled.status, ANWDL_OK);
    anwdl_client_interface_free(canceled.interface);
    drain(pair->good);
    count_settled_descriptors();
    set_hanging(true);
}

static void do_nothing(int signal) {
    (void)signal;
}

static void *interrupt(void *thread) {
    pthread_t other = *(pthread_t *)thread;
    for (int times = 0; times < 50; times++) {
        pthread_kill(other, SIGUSR1);
        poll(NULL, 0, 1);
    }
    set_hanging(false);
    return NULL;
}

/* Signals that interrupt system calls end no call; they go to the program's threads. */
static void test_signals(const pair_t *pair) {
    struct sigaction action = {.sa_handler = do_nothing}; /* without SA_RESTART */
    struct sigaction earlier;
    pthread_t own = pthread_self(), thread;
    REQUIRE(sigaction(SIGUSR1, &action, &earlier) == 0);
    anwdl_client_interface_t *interface = make_interface(false, PATIENCE);
    REQUIRE(pthread_create(&thread, NULL, interrupt, &own) == 0);
    CHECK_OK(anwdl_client_interface_connect_server(interface, "hang.test", pair->port));
    REQUIRE(pthread_join(thread, NULL) == 0);
    REQUIRE(sigaction(SIGUSR1, &earlier, NULL) == 0);
    anwdl_client_interface_free(interface);
    drain(pair->good);
    count_settled_descriptors();
    set_hanging(true);
}

/* -- fork() ------------------------------------------------------------------------------------ */

/* In the child, nobody looks the name up any more; and what it waits with is its parent's too. One
   goes on, after the other has freed its own; and then the child connects to others. */
static void test_fork(const pair_t *pair, const char *host, bool child_goes_on) {
    size_t descriptors = count_settled_descriptors();
    anwdl_client_interface_t *interface = make_interface(true, PATIENCE), *others[MOST_LOOKUPS];
    int is_freed[2], status = -1;
    char byte = 0;
    REQUIRE(pipe(is_freed) == 0);
    CHECK_INTEGER(anwdl_client_interface_connect_server(interface, host, pair->port),
                  ANWDL_WANT_READ);
    if (strcmp(host, "hang.test") == 0) {
        wait_until_hanging(1);
    } else { /* the name is found, and the first address silent */
        count_settled_descriptors();
        CHECK_INTEGER(anwdl_client_interface_connect_server(interface, host, pair->port),
                      ANWDL_WANT_READ);
    }
    /* No thread is left for another name. */
    for (size_t at = 0; at < MOST_LOOKUPS; at++) {
        others[at] = make_interface(true, PATIENCE);
        CHECK_INTEGER(anwdl_client_interface_connect_server(others[at], "hang.test", pair->port),
                      ANWDL_WANT_READ);
    }
    wait_until_hanging(MOST_LOOKUPS);
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if ((pid == 0) == child_goes_on) {
        REQUIRE(read(is_freed[0], &byte, 1) == 1);
        set_hanging(false);
        CHECK_OK(connect_to_host(interface, host, pair->port));
        drain(pair->good);
        anwdl_client_interface_free(interface);
    } else {
        anwdl_client_interface_free(interface);
        REQUIRE(write(is_freed[1], &byte, 1) == 1);
    }
    for (size_t at = 0; at < MOST_LOOKUPS; at++)
        anwdl_client_interface_free(others[at]);
    if (pid == 0) {
        set_hanging(false);
        for (int at = 0; at < 2 * MOST_LOOKUPS; at++) {
            interface = make_interface(true, PATIENCE);
            CHECK_OK(connect_to_host(interface, "one.test", pair->port));
            drain(pair->good);
            anwdl_client_interface_free(interface);
        }
        CHECK_INTEGER(count_settled_descriptors(), descriptors + 2);
        _exit(check_finish());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    set_hanging(false);
    count_settled_descriptors();
    close(is_freed[0]);
    close(is_freed[1]);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    set_hanging(true);
}

/* -- strangers --------------------------------------------------------------------------------- */

typedef struct {
    const char *what;
    const char *bytes;
    bool resets, closes;
    anwdl_error_reason_t reason;
} stranger_t;

/* What a server does as soon as it has accepted, and what next_event() comes to. */
static const stranger_t STRANGERS[] = {
    {"says nothing", "", false, false, ANWDL_REASON_TIMEOUT},
    {"closes", "", false, true, ANWDL_REASON_PEER_CLOSED},
    {"resets", "", true, true, ANWDL_REASON_IO_FAILED},
    {"refuses", "0", false, false, ANWDL_REASON_PEER_REFUSED},
    {"talks of something else", "SSH-2.0-server\r\n", false, false, ANWDL_REASON_PEER_REFUSED},
    {"says too much", "11111111111111111111", false, false, ANWDL_REASON_MESSAGE_TOO_LARGE},
};

static void test_stranger(const pair_t *pair, const stranger_t *stranger) {
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    anwdl_client_interface_t *interface = make_interface(true, PATIENCE);
    anwdl_response_t *response = NULL;
    size_t len = strlen(stranger->bytes);
    anwdl_event_t event;
    CHECK_OK(connect_to_host(interface, "127.0.0.1", pair->port));
    if (stranger->reason == ANWDL_REASON_TIMEOUT)
        CHECK_OK(anwdl_client_interface_set_timeout(interface, SHORT));
    REQUIRE(wait_for(pair->good, POLLIN, PATIENCE));
    int fd = accept(pair->good, NULL, NULL);
    REQUIRE(send(fd, stranger->bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
    if (stranger->resets)
        REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    if (stranger->closes)
        close(fd);
    CHECK_INTEGER(anwdl_client_interface_next_event(interface, &response), ANWDL_EVENT_CONNECTED);
    for (;;) {
        event = anwdl_client_interface_next_event(interface, &response);
        if (event != ANWDL_EVENT_WANT_READ && event != ANWDL_EVENT_WANT_WRITE)
            break;
        wait_for(anwdl_client_interface_get_socket_descriptor(interface),
                 event == ANWDL_EVENT_WANT_READ ? POLLIN : POLLOUT,
                 anwdl_client_interface_get_time_left(interface));
    }
    CHECK_INTEGER(event, ANWDL_EVENT_ENDED);
    if (!CHECK_INTEGER(anwdl_last_error_reason(), stranger->reason))
        fprintf(stderr, "  a server that %s: %s\n", stranger->what, anwdl_last_error_message());
    CHECK(anwdl_client_interface_has_failed(interface));
    CHECK_OK(anwdl_client_interface_close_connection(interface));
    anwdl_client_interface_free(interface);
    if (!stranger->closes)
        close(fd);
}

int main(void) {
    size_t descriptors = count_open_descriptors();
    pair_t pair = make_pair();
    own_threads = count_threads();
    test_failures();
    test_order();
    test_slow_address(&pair);
    test_deadlines(&pair);
    test_time_left(&pair);
    test_giving_up(&pair);
    test_many_names(&pair);
    test_no_descriptors(&pair);
    test_interruptions(&pair);
    test_cancellation(&pair);
    test_signals(&pair);
    for (int child_goes_on = 0; child_goes_on <= 1; child_goes_on++) {
        test_fork(&pair, "hang.test", child_goes_on);
        test_fork(&pair, "slow.test", child_goes_on);
    }
    for (size_t at = 0; at < sizeof STRANGERS / sizeof *STRANGERS; at++)
        test_stranger(&pair, &STRANGERS[at]);
    close_pair(&pair);
    CHECK_INTEGER(count_settled_descriptors(), descriptors);
    return check_finish();
}
