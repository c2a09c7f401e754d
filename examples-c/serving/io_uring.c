/* Many clients on one thread, with io_uring: one poll of the descriptor for each wait. */
#include "serving.h"
#include <liburing.h>
#include <poll.h>

static struct io_uring ring;
static anwdl_client_options_t *options;

/* One wait, linked with the end of its time. What is told of then is the owner. */
static void watch(int fd, unsigned events, int milliseconds, void *owner) {
    struct __kernel_timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    struct io_uring_sqe *wait = io_uring_get_sqe(&ring), *end = io_uring_get_sqe(&ring);
    io_uring_prep_poll_add(wait, fd, events);
    io_uring_sqe_set_flags(wait, IOSQE_IO_LINK);
    io_uring_sqe_set_data(wait, owner);
    io_uring_prep_link_timeout(end, &time, 0);
    io_uring_sqe_set_data(end, NULL);
    io_uring_submit(&ring); /* there is always room for two, as none waits here */
}

/* Goes as far as it can without waiting. The library knows by itself when the time is over. */
static void advance(anwdl_client_t *client) {
    int fd = anwdl_client_get_socket_descriptor(client);
    for (bool goes_on = true; goes_on;) {
        anwdl_request_t *request = NULL;
        switch (anwdl_client_next_event(client, &request)) {
        case ANWDL_EVENT_WANT_READ:
            watch(fd, POLLIN, anwdl_client_get_time_left(client), client);
            return;
        case ANWDL_EVENT_WANT_WRITE:
            watch(fd, POLLOUT, anwdl_client_get_time_left(client), client);
            return;
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            goes_on = answer(client, request);
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            goes_on = false;
        }
    }
    anwdl_client_free(client); /* which closes the descriptor */
}

static void accept_client(int listener) {
    anwdl_client_t *client = NULL;
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && anwdl_client_new(fd, options, &client) == ANWDL_OK)
        advance(client);
    else if (fd >= 0)
        close(fd);
    /* When there are no descriptors, others may end meanwhile. */
    watch(listener, fd < 0 ? 0 : POLLIN, fd < 0 ? 100 : 60000, &ring);
}

int main(int argc, char **argv) {
    int listener = open_listener(argc, argv, SOCK_NONBLOCK);
    if (io_uring_queue_init(256, &ring, 0) != 0) {
        fputs("the system refuses io_uring\n", stderr);
        return EXIT_FAILURE;
    }
    if (listener < 0 || (options = make_options(argc, argv, true)) == NULL)
        return EXIT_FAILURE;
    accept_client(listener);
    for (struct io_uring_cqe *done;;) {
        if (io_uring_wait_cqe(&ring, &done) != 0)
            continue; /* a signal came */
        void *owner = io_uring_cqe_get_data(done);
        io_uring_cqe_seen(&ring, done);
        if (owner == &ring)
            accept_client(listener);
        else if (owner != NULL)
            advance(owner);
    }
}
