/* The floor of a whole server: on one epoll loop, the calls on a socket that a turn of a framing
   takes, for as many bytes, and a line for each turn, with nothing between them. What a request
   says, it does not know. */
#include "bench.h"
#include "event_loop.h"
#include "server.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MOST_STEPS = 8, LARGEST_STEP = 4096 };

typedef struct {
    connection_t connection;
    unsigned long number;
    size_t step;
    size_t left; /* of the step */
} echoed_t;

static const char *protocol = "v4";

/* So many bytes are sent or, below 0, received. 0 ends a turn. */
static long steps[MOST_STEPS];

static void set_steps(const turn_t *turn) {
    long request_header = (long)turn->request_header_size;
    long request_packet = (long)turn->request_packet_size;
    long response_header = (long)turn->response_header_size;
    long response_packet = (long)turn->response_packet_size;
    const long answered[] = {-request_header, 1, -request_packet, response_header, -1,
                             response_packet, 0};
    const long at_once[] = {-(request_header + request_packet), response_header + response_packet,
                            0};
    const long *source = turn->is_answered ? answered : at_once;
    for (size_t at = 0; source[at] != 0; at++) {
        MUST(labs(source[at]) <= LARGEST_STEP);
        steps[at] = source[at];
    }
}

static void begin_step(echoed_t *echoed, size_t step) {
    echoed->step = step;
    echoed->left = (size_t)labs(steps[step]);
}

static connection_t *open_echoed(int fd) {
    static unsigned long count;
    echoed_t *echoed = calloc(1, sizeof *echoed);
    MUST(echoed != NULL);
    echoed->number = ++count;
    echoed->connection.fd = fd;
    begin_step(echoed, 0);
    return &echoed->connection;
}

static void free_echoed(connection_t *connection) {
    free(connection);
}

/* Until the end of the turn; behind it, epoll tells when the next one begins. */
static bool go_on(connection_t *connection) {
    static char bytes[LARGEST_STEP];
    echoed_t *echoed = (echoed_t *)connection;
    while (steps[echoed->step] != 0) {
        if (steps[echoed->step] > 0) {
            /* A turn always fits into the socket's buffer. */
            MUST(send_exactly(connection->fd, bytes, echoed->left));
            begin_step(echoed, echoed->step + 1);
            continue;
        }
        ssize_t count = recv(connection->fd, bytes, echoed->left, MSG_DONTWAIT);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        echoed->left -= (size_t)count;
        if (echoed->left == 0)
            begin_step(echoed, echoed->step + 1);
    }
    printf("client %lu: %s: STAT\n", echoed->number, protocol);
    fflush(stdout);
    begin_step(echoed, 0);
    return true;
}

int main(int argc, char **argv) {
    static const server_calls_t calls = {open_echoed, go_on, free_echoed, NULL};
    long port = 0;
    const option_t options[] = {{"--protocol", &protocol, NULL, NULL},
                                {"--port", NULL, &port, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    turn_t turn = record_turn(wire_framing(protocol), STAT_PARAMETERS, STAT_DATA);
    set_steps(&turn);
    turn_free(&turn);
    loop_run((uint16_t)port, &calls);
}
