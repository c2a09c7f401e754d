/* Many clients on one thread: the ring accepts, receives and sends. */
#include "serving.h"
#include <liburing.h>

static struct io_uring ring;
static int session_count;

/* Has the ring do the work, but no longer than that. What is submitted at once always fits in. */
static void submit(struct io_uring_sqe *work, void *user_data, int milliseconds) {
    struct __kernel_timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    struct io_uring_sqe *limit = io_uring_get_sqe(&ring);
    io_uring_sqe_set_data(work, user_data);
    io_uring_sqe_set_flags(work, IOSQE_IO_LINK);
    io_uring_prep_link_timeout(limit, &time, 0);
    io_uring_sqe_set_data(limit, NULL);
    io_uring_submit(&ring);
}

/* The ring moves the next bytes. Nothing may call the session until it is done with the memory. */
static void advance(anwdl_session_t *session) {
    int fd = (int)(intptr_t)anwdl_session_get_user_data(session);
    transfer_t next = serve_session(session);
    if (next.len == 0) {
        session_count--;
        anwdl_session_free(session);
        close(fd);
        return;
    }
    struct io_uring_sqe *work = io_uring_get_sqe(&ring);
    set_socket_options(fd);
    if (next.room != NULL)
        io_uring_prep_recv(work, fd, next.room, next.len, 0);
    else
        io_uring_prep_send(work, fd, next.bytes, next.len, MSG_NOSIGNAL);
    submit(work, session, get_wait(anwdl_session_get_time_left(session)));
}

static void start(int fd, const anwdl_client_options_t *options) {
    anwdl_session_t *session = NULL;
    if (anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) != ANWDL_OK ||
        anwdl_session_set_user_data(session, (void *)(intptr_t)fd) != ANWDL_OK) {
        close(fd);
        return;
    }
    session_count++;
    advance(session);
}

static void accept_next(int listener) {
    struct io_uring_sqe *work = io_uring_get_sqe(&ring);
    io_uring_prep_accept(work, listener, NULL, NULL, 0);
    submit(work, &ring, 1000);
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = make_options(argc, argv);
    int listener = open_listener(argc, argv);
    if (options == NULL || listener < 0 || !stop_at_signals())
        return EXIT_FAILURE;
    if (io_uring_queue_init(256, &ring, 0) != 0)
        return fputs("the system refuses io_uring\n", stderr), EXIT_FAILURE;
    accept_next(listener);
    while (!is_stopping || session_count > 0) {
        struct io_uring_cqe *done;
        if (io_uring_wait_cqe(&ring, &done) != 0)
            continue; /* a signal came */
        void *user_data = io_uring_cqe_get_data(done);
        int result = done->res;
        bool has_result = result != -ECANCELED && result != -EINTR; /* else the time was over */
        io_uring_cqe_seen(&ring, done);
        if (user_data == &ring) {
            if (result >= 0)
                start(result, options);
            else if (has_result)
                usleep(1000); /* no descriptors: not all the time for asking again */
            is_stopping ? (void)close(listener) : accept_next(listener);
        } else if (user_data != NULL) {
            if (has_result)
                report(user_data, result);
            advance(user_data);
        }
    }
    io_uring_queue_exit(&ring);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
