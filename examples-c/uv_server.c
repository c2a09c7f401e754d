/* A server on libuv: the loop moves the bytes, a session without a descriptor does the protocol,
   and libuv's thread pool does the private key operations. admission.h decides which clients get a
   place, and whose operation comes next; served.h has the output and the answers, which all servers
   share. */
#define _GNU_SOURCE /* for uv.h */
#include "served.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

typedef struct {
    server_base_t base;
    uv_loop_t loop;
    uv_poll_t listener;
    uv_timer_t accept_timer; /* until it accepts again */
    uv_poll_t signals; /* not uv_signal_t: once that is closed, a signal ends the process at once */
    bool is_stopping;
    int64_t end; /* when the last connection closes; as get_time(), and only if it stops */
} server_t;

typedef struct {
    served_t served;
    server_t *server;
    uv_tcp_t tcp;
    uv_timer_t deadline;
    uv_write_t write;
    uv_work_t computation;
    int open_handles;  /* of the two above that libuv closes */
    bool is_computing; /* the session belongs to a thread of the pool */
    bool is_closing;
    anwdl_status_t computed;
    size_t pending; /* bytes of the session that are being written */
} connection_t;

/* -- the end of a connection ------------------------------------------------------------------- */

/* libuv has closed both handles, and no thread of the pool uses the session. */
static void free_if_unused(connection_t *connection) {
    if (connection->open_handles > 0 || connection->is_computing)
        return;
    served_leave(&connection->served);
    free(connection);
}

static void on_closed(uv_handle_t *handle) {
    connection_t *connection = handle->data;
    connection->open_handles--;
    free_if_unused(connection);
}

static void close_quietly(connection_t *connection) {
    connection->is_closing = true;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
    uv_close((uv_handle_t *)&connection->deadline, on_closed);
    /* If it has begun, it finishes first; on_computed is called in both cases. */
    if (connection->is_computing)
        uv_cancel((uv_req_t *)&connection->computation);
}

static void close_connection(connection_t *connection, const char *why) {
    if (connection->is_closing)
        return;
    print_closed(connection->served.number, why);
    close_quietly(connection);
}

static void close_by_last_error(connection_t *connection) {
    print_closed_by_last_error(connection->served.number);
    close_quietly(connection);
}

/* -- deadlines --------------------------------------------------------------------------------- */

static void on_deadline(uv_timer_t *timer) {
    connection_t *connection = timer->data;
    if (connection->server->is_stopping)
        close_connection(connection, "the server stops");
    close_connection(connection, connection->served.phase == RESTING ? "idle for too long"
                                                                     : "TIMEOUT: too slow");
}

static int64_t get_time_to_end(const server_t *server) {
    int64_t left = server->end - get_time();
    return left > 0 ? left : 0;
}

/* The session knows how long its operation may still take. */
static void start_deadline(connection_t *connection) {
    int64_t left = anwdl_session_get_time_left(connection->served.session);
    const server_t *server = connection->server;
    if (server->is_stopping && (left < 0 || left > get_time_to_end(server)))
        left = get_time_to_end(server);
    uv_timer_stop(&connection->deadline);
    if (left >= 0)
        uv_timer_start(&connection->deadline, on_deadline, (uint64_t)left, 0);
}

/* -- what the session does --------------------------------------------------------------------- */

/* Older clients write small pieces, and wait for the acknowledgement of one before they send the
 * next. The option does not last. */
static void acknowledge(const connection_t *connection) {
#ifdef TCP_QUICKACK
    const int on = 1;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&connection->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)connection;
#endif
}

/* -- what libuv does --------------------------------------------------------------------------- */

static void advance(connection_t *connection);

/* The session lends the memory until it is used again, in on_read. */
static void lend_input(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buffer) {
    connection_t *connection = handle->data;
    size_t len = 0;
    uint8_t *bytes = anwdl_session_get_receive_buffer(connection->served.session, &len);
    (void)suggested_size;
    *buffer = uv_buf_init((char *)bytes, (unsigned int)len);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    connection_t *connection = stream->data;
    (void)buffer;
    if (count == 0)
        return;
    uv_read_stop(stream);
    anwdl_session_set_time(connection->served.session, (uint64_t)get_time());
    if (count < 0 && count != UV_EOF)
        close_connection(connection, uv_strerror((int)count));
    else if ((count == UV_EOF
                  ? anwdl_session_feed_end(connection->served.session)
                  : anwdl_session_received(connection->served.session, (size_t)count)) != ANWDL_OK)
        close_by_last_error(connection);
    else
        advance(connection);
}

static void on_written(uv_write_t *write, int status) {
    connection_t *connection = write->data;
    if (connection->is_closing)
        return;
    if (status != 0)
        close_connection(connection, uv_strerror(status));
    else if (anwdl_session_sent(connection->served.session, connection->pending) != ANWDL_OK)
        close_by_last_error(connection);
    else
        advance(connection);
}

/* The pending bytes stay where they are until the session is used again, in on_written. */
static void write_pending(connection_t *connection) {
    const uint8_t *bytes = NULL;
    int failure = UV_EINVAL;
    start_deadline(connection);
    if (anwdl_session_get_pending(connection->served.session, &bytes, &connection->pending) ==
        ANWDL_OK) {
        uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned int)connection->pending);
        failure =
            uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1, on_written);
    }
    if (failure != 0)
        close_connection(connection, uv_strerror(failure));
}

/* On a thread of the pool. */
static void compute(uv_work_t *work) {
    connection_t *connection = work->data;
    connection->computed = anwdl_session_compute(connection->served.session);
}

static void start_computations(server_t *server);

static void on_computed(uv_work_t *work, int status) {
    connection_t *connection = work->data;
    server_t *server = connection->server;
    connection->is_computing = false;
    admission_end_computation(server->base.admission, &connection->served.place);
    if (connection->is_closing)
        free_if_unused(connection);
    else if (status != 0 || connection->computed != ANWDL_OK)
        close_connection(connection, "the computation failed");
    else
        advance(connection);
    start_computations(server);
}

/* Starts the computations that may run now. */
static void start_computations(server_t *server) {
    place_t *place;
    const char *why_not;
    while ((place = admission_take(server->base.admission, get_time(), &why_not)) != NULL) {
        connection_t *connection = place->owner;
        if (why_not == NULL &&
            uv_queue_work(&server->loop, &connection->computation, compute, on_computed) != 0)
            why_not = "no way to compute";
        connection->is_computing = why_not == NULL;
        if (why_not != NULL) {
            admission_end_computation(server->base.admission, place);
            close_connection(connection, why_not);
        }
    }
}

/* If the connection closes meanwhile, it leaves the queue when it is freed. */
static void queue_computation(connection_t *connection) {
    server_t *server = connection->server;
    start_deadline(connection);
    if (admission_queue(server->base.admission, &connection->served.place,
                        get_time() + (int64_t)uv_timer_get_due_in(&connection->deadline)))
        start_computations(server);
    else
        close_connection(connection, "too many key exchanges");
}

/* Whether the socket has bytes that nobody has read. */
static bool has_come(const connection_t *connection) {
    uv_os_fd_t fd;
    int available = 0;
    return uv_fileno((const uv_handle_t *)&connection->tcp, &fd) == 0 &&
           ioctl(fd, FIONREAD, &available) == 0 && available > 0;
}

/* False if the server stops, and nothing of the connection is left to answer: close it. */
static bool may_wait(connection_t *connection) {
    bool is_stopping = connection->server->is_stopping && !has_come(connection);
    return served_may_wait(&connection->served, is_stopping);
}

/* Reads only when the session needs bytes, so a peer that sends too much has to wait. */
static void read_more(connection_t *connection) {
    if (connection->served.phase == EXCHANGING)
        acknowledge(connection);
    start_deadline(connection);
    int failure = uv_read_start((uv_stream_t *)&connection->tcp, lend_input, on_read);
    if (failure != 0)
        close_connection(connection, uv_strerror(failure));
}

/* Runs the session until it has to wait. */
static void advance(connection_t *connection) {
    served_t *served = &connection->served;
    bool goes_on = true;
    anwdl_session_set_time(served->session, (uint64_t)get_time());
    while (goes_on) {
        anwdl_event_t event = anwdl_session_next_event(served->session, &served->request, NULL);
        switch (event) {
        case ANWDL_EVENT_WANT_READ:
        case ANWDL_EVENT_WANT_WRITE:
            if (!may_wait(connection))
                close_connection(connection, "the server stops");
            else if (event == ANWDL_EVENT_WANT_READ)
                read_more(connection);
            else
                write_pending(connection);
            return;
        case ANWDL_EVENT_WANT_COMPUTATION:
            queue_computation(connection);
            return;
        default:
            if (event == ANWDL_EVENT_EXCHANGED)
                acknowledge(connection);
            goes_on = served_handle(served, event);
        }
    }
    close_by_last_error(connection);
}

/* -- new connections --------------------------------------------------------------------------- */

/* Begins to serve the client, and takes ownership of the descriptor. Returns NULL, or why it
 * failed. */
static const char *open_connection(connection_t *connection, int fd) {
    int status = uv_tcp_open(&connection->tcp, fd);
    if (status != 0)
        close(fd);
    else
        status = uv_tcp_nodelay(&connection->tcp, 1);
    if (status != 0)
        return uv_strerror(status);
    if (anwdl_session_new(ANWDL_ROLE_SERVER, connection->server->base.client_options,
                          &connection->served.session) != ANWDL_OK)
        return anwdl_last_error_message();
    return NULL;
}

static void start_connection(server_t *server, int fd, const struct sockaddr_storage *peer) {
    char ip[INET6_ADDRSTRLEN];
    connection_t *connection = served_new(sizeof *connection, &server->base, fd, peer);
    if (connection == NULL)
        return;
    connection->server = server;
    connection->tcp.data = connection->deadline.data = connection;
    connection->write.data = connection->computation.data = connection;
    uv_tcp_init(&server->loop, &connection->tcp); /* neither fails without a socket */
    uv_timer_init(&server->loop, &connection->deadline);
    connection->open_handles = 2;
    const char *why = open_connection(connection, fd);
    if (why != NULL) {
        print_refused(connection->served.number, why);
        close_quietly(connection);
        return;
    }
    if (uv_ip_name((const struct sockaddr *)peer, ip, sizeof ip) == 0)
        print_connected(connection->served.number, ip);
    served_begin(&connection->served, EXCHANGING);
    advance(connection);
}

static void on_connections(uv_poll_t *listener, int status, int events);

static void on_accept_again(uv_timer_t *accept_timer) {
    server_t *server = accept_timer->data;
    uv_poll_start(&server->listener, UV_READABLE, on_connections);
}

/* Not uv_listen(): before version 1.45 it accepts as long as clients come. In a flood, no timer
 * would fire, and closed handles would never be freed. */
static void on_connections(uv_poll_t *listener, int status, int events) {
    server_t *server = listener->data;
    (void)status;
    (void)events;
    for (int count = 0; count < ACCEPTED_AT_ONCE; count++) {
        struct sockaddr_storage peer;
        int pause;
        int fd = accept_now(server->base.listener, &peer, &pause);
        if (pause > 0) {
            uv_poll_stop(listener);
            uv_timer_start(&server->accept_timer, on_accept_again, (uint64_t)pause, 0);
        }
        if (fd < 0)
            return;
        start_connection(server, fd, &peer);
    }
}

/* This is another connection than the accepted one. */
static void give_way(place_t *place) {
    close_connection(place->owner, "gave way to another client");
}

/* -- start and end ----------------------------------------------------------------------------- */

/* A handle has its connection as data, or the server. */
static void close_handle(uv_handle_t *handle, void *server) {
    if (uv_is_closing(handle))
        return;
    if (handle->data == server)
        uv_close(handle, NULL);
    else
        close_connection(handle->data, "the server stops");
}

/* Closes all handles, but gives requests under way some time to finish. Another signal may come
 * until then; the loop does not wait for it. */
static void drain_handle(uv_handle_t *handle, void *data) {
    server_t *server = data;
    connection_t *connection = handle->data;
    bool is_connection = handle->data != server;
    if (handle == (uv_handle_t *)&server->signals)
        uv_unref(handle);
    else if (!is_connection || uv_is_closing(handle) || !may_wait(connection))
        close_handle(handle, server);
    else if (handle == (uv_handle_t *)&connection->deadline && !uv_is_closing(handle) &&
             uv_timer_get_due_in(&connection->deadline) > (uint64_t)get_time_to_end(server))
        uv_timer_start(&connection->deadline, on_deadline, (uint64_t)get_time_to_end(server), 0);
}

/* The loop ends when the last connection is closed. */
static void on_signal(uv_poll_t *signals, int status, int events) {
    server_t *server = signals->data;
    uv_os_fd_t fd;
    (void)status;
    (void)events;
    int number = uv_fileno((uv_handle_t *)signals, &fd) == 0 ? read_signal_now(fd) : 0;
    if (number == 0)
        return;
    if (!server->is_stopping) {
        server->is_stopping = true;
        server->end = get_time() + server->base.options.drain_timeout;
        /* New clients are refused immediately. */
        uv_poll_stop(&server->listener);
        (void)shutdown(server->base.listener, SHUT_RDWR);
    }
    uv_walk(signals->loop, number == SIGTERM ? drain_handle : close_handle, server);
}

static bool is_done(const char *what, int status) {
    if (status != 0)
        fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    return status == 0;
}

static bool start_server(server_t *server) {
    uv_loop_t *loop = &server->loop;
    int signals = open_signals();
    server->listener.data = server->accept_timer.data = server->signals.data = server;
    return signals >= 0 && is_done("no timer", uv_timer_init(loop, &server->accept_timer)) &&
           is_done("no signals", uv_poll_init(loop, &server->signals, signals)) &&
           is_done("no signals", uv_poll_start(&server->signals, UV_READABLE, on_signal)) &&
           is_done("cannot listen", uv_poll_init(loop, &server->listener, server->base.listener)) &&
           is_done("cannot listen", uv_poll_start(&server->listener, UV_READABLE, on_connections));
}

/* Serves until a signal comes. */
static bool serve(server_t *server) {
    if (!is_done("no loop", uv_loop_init(&server->loop)))
        return false;
    bool started = start_server(server);
    if (started) {
        server_announce(&server->base);
        uv_run(&server->loop, UV_RUN_DEFAULT);
    }
    uv_walk(&server->loop, close_handle, server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return is_done("the loop", uv_loop_close(&server->loop)) && started;
}

int main(int argc, char **argv) {
    static server_t server;
    /* libuv writes to sockets whose peer may have gone, which must not end the server. */
    bool serves = server_open(&server.base, argc, argv, NULL, give_way) &&
                  signal(SIGPIPE, SIG_IGN) != SIG_ERR && serve(&server);
    server_close(&server.base);
    if (serves)
        print_event("stopped");
    return serves ? EXIT_SUCCESS : EXIT_FAILURE;
}
