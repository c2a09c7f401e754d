#include "storm.h"

#include "bench.h"
#include "flights.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, SECOND = 1000000000, MOST_DUE = 64 };

/* One exchange. */
typedef struct {
    int fd;
    SSL *tls;
    size_t left; /* of the answers */
} exchange_t;

/* Those under way. */
typedef struct {
    const storm_t *storm;
    int epoll_fd;
    int under_way;
    storm_count_t count;
} run_t;

storm_t storm_new(const linking_t *linking, uint16_t port) {
    storm_t storm = {.port = port, .tls = linking->tls};
    if (storm.tls == NULL) {
        anwdl_rsa_wrapper_t *server = make_rsa_wrapper("server");
        storm.flights = record_flights(linking->framing, server, "client", &storm.answer_len);
        anwdl_rsa_wrapper_free(server);
    }
    return storm;
}

void storm_free(storm_t *storm) {
    bytes_free(&storm->flights);
}

/* True when the handshake is over, either way. */
static bool shake_hands(run_t *run, exchange_t *exchange) {
    int result = SSL_connect(exchange->tls);
    if (result == 1)
        run->count.done++;
    else if (SSL_get_error(exchange->tls, result) == SSL_ERROR_WANT_READ)
        return false;
    else
        run->count.failed++;
    return true;
}

/* The same. */
static bool take_answers(run_t *run, exchange_t *exchange) {
    char bytes[8192];
    ssize_t count = recv(exchange->fd, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0 || (size_t)count > exchange->left) {
        run->count.failed++;
        return true;
    }
    exchange->left -= (size_t)count;
    run->count.done += exchange->left == 0;
    return exchange->left == 0;
}

static bool go_on(run_t *run, exchange_t *exchange) {
    return exchange->tls != NULL ? shake_hands(run, exchange) : take_answers(run, exchange);
}

static void end_exchange(run_t *run, exchange_t *exchange) {
    SSL_free(exchange->tls);
    close(exchange->fd);
    free(exchange);
    run->under_way--;
}

static void begin_exchange(run_t *run) {
    const storm_t *storm = run->storm;
    exchange_t *exchange = calloc(1, sizeof *exchange);
    MUST(exchange != NULL);
    exchange->fd = connect_to(storm->port);
    exchange->left = storm->answer_len;
    run->under_way++;
    MUST(fcntl(exchange->fd, F_SETFL, O_NONBLOCK) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = exchange};
    MUST(epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, exchange->fd, &event) == 0);
    if (storm->tls == NULL) {
        if (send_exactly(exchange->fd, storm->flights.bytes, storm->flights.len))
            return;
        run->count.failed++;
        end_exchange(run, exchange);
        return;
    }
    exchange->tls = SSL_new(storm->tls);
    MUST(exchange->tls != NULL && SSL_set_fd(exchange->tls, exchange->fd) == 1);
    if (shake_hands(run, exchange))
        end_exchange(run, exchange);
}

/* What has come, and what comes within the milliseconds. */
static void handle_events(run_t *run, int patience) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(run->epoll_fd, events, EVENTS_AT_ONCE, patience);
    for (int at = 0; at < count; at++)
        if (events[at].data.ptr != NULL && go_on(run, events[at].data.ptr))
            end_exchange(run, events[at].data.ptr);
}

static run_t run_new(const storm_t *storm) {
    run_t run = {.storm = storm, .epoll_fd = epoll_create1(0)};
    MUST(run.epoll_fd >= 0);
    return run;
}

storm_count_t storm_at_once(const storm_t *storm, int at_once, int64_t duration) {
    run_t run = run_new(storm);
    int64_t end = wall_clock() + duration;
    while (wall_clock() < end) {
        while (run.under_way < at_once)
            begin_exchange(&run);
        handle_events(&run, 1);
    }
    while (run.under_way > 0)
        handle_events(&run, -1);
    close(run.epoll_fd);
    return run.count;
}

/* Between two exchanges of a Poisson process, which comes out the same each time. */
static int64_t draw_pause(unsigned short state[3], double per_second) {
    return (int64_t)(-log(1 - erand48(state)) / per_second * SECOND);
}

storm_count_t storm_by_rate(const storm_t *storm, double per_second, int stop) {
    unsigned short state[3] = {6150, 0, 0};
    run_t run = run_new(storm);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    MUST(epoll_ctl(run.epoll_fd, EPOLL_CTL_ADD, stop, &event) == 0);
    int64_t due = wall_clock();
    while (!wait_for(stop, EPOLLIN, 0)) {
        for (int begun = 0; due <= wall_clock() && begun < MOST_DUE; begun++) {
            begin_exchange(&run);
            due += draw_pause(state, per_second);
        }
        handle_events(&run, 1);
    }
    /* Those still under way are of no interest to anybody. */
    close(run.epoll_fd);
    return run.count;
}
