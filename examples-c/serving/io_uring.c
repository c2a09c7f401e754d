/* Many clients on one thread: the ring accepts, receives and sends. */
#include "serving.h"
#include <liburing.h>

static struct io_uring ring;
static int under_way; /* what the ring has to do */

/* Has the ring do that, but no longer than a second. It never overflows: each round of the loop
   submits what the last one began, four entries at most. */
static void begin(uint8_t operation, int fd, const void *memory, size_t len, void *user_data) {
    static struct __kernel_timespec second = {1, 0};
    struct io_uring_sqe *work = io_uring_get_sqe(&ring), *limit = io_uring_get_sqe(&ring);
    io_uring_prep_rw(operation, work, fd, memory, (unsigned)len, 0);
    io_uring_sqe_set_data(work, user_data);
    io_uring_sqe_set_flags(work, IOSQE_IO_LINK);
    io_uring_prep_link_timeout(limit, &second, 0);
    io_uring_sqe_set_data(limit, NULL);
    under_way += 2;
}

/* The ring moves the next bytes. Nothing may call the session until it is done with the memory. */
static void advance(anwdl_session_t *session) {
    transfer_t next = serve_session(session, false);
    if (next.len == 0)
        close_session(session);
    else if (next.room != NULL)
        begin(IORING_OP_RECV, next.fd, next.room, next.len, session);
    else
        begin(IORING_OP_SEND, next.fd, next.bytes, next.len, session);
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = NULL;
    int listener = start_serving(argc, argv, &options);
    if (listener < 0)
        return EXIT_FAILURE;
    if (io_uring_queue_init(256, &ring, 0) != 0)
        return fputs("the system refuses io_uring\n", stderr), EXIT_FAILURE;
    begin(IORING_OP_ACCEPT, listener, NULL, 0, &ring);
    while (under_way > 0) {
        struct io_uring_cqe *done;
        io_uring_submit_and_wait(&ring, 1);
        if (io_uring_peek_cqe(&ring, &done) != 0)
            continue; /* a signal came */
        void *who = io_uring_cqe_get_data(done);
        if (who == &ring) {
            anwdl_session_t *session = open_session(done->res, options);
            if (session != NULL)
                advance(session);
            else if (done->res != -ECANCELED)
                usleep(1000); /* out of descriptors: pause, instead of asking without end */
            is_stopping ? (void)close(listener) : begin(IORING_OP_ACCEPT, listener, NULL, 0, &ring);
        } else if (who != NULL) {
            if (done->res != -ECANCELED && done->res != -EINTR) /* else the second is over */
                report(who, done->res);
            advance(who);
        }
        io_uring_cqe_seen(&ring, done);
        under_way--;
    }
    io_uring_queue_exit(&ring);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
