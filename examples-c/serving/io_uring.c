/* Many clients on one thread: the ring accepts, receives and sends. */
#include "serving.h"
#include <liburing.h>

static struct io_uring ring;

/* The ring moves what is next, while there is time. It always has room for what is submitted at
   once. */
static void advance(anwdl_session_t *session) {
    int fd = (int)(intptr_t)anwdl_session_get_user_data(session);
    transfer_t next = serve_session(session);
    int left = anwdl_session_get_time_left(session);
    struct __kernel_timespec time = {left / 1000, left % 1000 * 1000000};
    if (next.len == 0) {
        anwdl_session_free(session);
        close(fd);
        return;
    }
    struct io_uring_sqe *work = io_uring_get_sqe(&ring), *end = io_uring_get_sqe(&ring);
    if (next.room != NULL)
        io_uring_prep_recv(work, fd, next.room, next.len, 0);
    else
        io_uring_prep_send(work, fd, next.bytes, next.len, MSG_NOSIGNAL);
    io_uring_sqe_set_data(work, session);
    io_uring_sqe_set_flags(work, IOSQE_IO_LINK);
    io_uring_prep_link_timeout(end, &time, 0);
    io_uring_sqe_set_data(end, NULL);
    io_uring_submit(&ring);
}

static void accept_next(int listener) {
    struct io_uring_sqe *work = io_uring_get_sqe(&ring);
    io_uring_prep_accept(work, listener, NULL, NULL, 0);
    io_uring_sqe_set_data(work, &ring);
    io_uring_submit(&ring);
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = make_options(argc, argv, true);
    int listener = open_listener(argc, argv, 0);
    int refusal = io_uring_queue_init(256, &ring, 0);
    if (refusal != 0)
        fputs("the system refuses io_uring\n", stderr);
    if (refusal != 0 || options == NULL || listener < 0)
        return EXIT_FAILURE;
    accept_next(listener);
    for (struct io_uring_cqe *done;;) {
        anwdl_session_t *session = NULL;
        if (io_uring_wait_cqe(&ring, &done) != 0)
            continue; /* a signal came */
        void *owner = io_uring_cqe_get_data(done);
        int result = done->res;
        io_uring_cqe_seen(&ring, done);
        if (owner == &ring) {
            if (result < 0)
                usleep(1000); /* no descriptors: not all the time for asking again */
            else if (anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK &&
                     anwdl_session_set_user_data(session, (void *)(intptr_t)result) == ANWDL_OK)
                advance(session);
            else
                close(result);
            accept_next(listener);
        } else if (owner != NULL) { /* which fails when its time is over */
            report(owner, result);
            advance(owner);
        }
    }
}
