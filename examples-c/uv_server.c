/* A server on libuv: the loop moves the bytes, a session without a descriptor makes sense of them,
   and the private key operation of each key exchange is done on libuv's thread pool. */
#define _GNU_SOURCE /* for uv.h */
#include "answers.h"
#include "server_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

enum { INPUT_SIZE = 4096 };

typedef struct {
    server_options_t options;
    anwdl_client_options_t *client_options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    size_t clients;       /* connections that are not freed yet */
    uint64_t last_number; /* of a client */
} server_t;

typedef enum {
    EXCHANGING_KEYS,
    WAITING, /* for a request of which nothing has come yet */
    RECEIVING,
    RESPONDING,
} phase_t;

typedef struct {
    server_t *server;
    uint64_t number;
    uv_tcp_t tcp;
    uv_timer_t deadline;
    uv_write_t write;
    uv_work_t computation;
    int open_handles;  /* of the two above that libuv closes */
    bool is_computing; /* the session belongs to a thread of the pool */
    bool is_closing;
    phase_t phase;
    anwdl_session_t *session;
    anwdl_status_t computed;
    anwdl_request_t *request; /* NULL where the answer is to a malformed one */
    answer_t answer;
    size_t pending;  /* bytes of the session that are being written */
    size_t received; /* bytes in input */
    size_t fed;      /* those of them that the session has taken */
    uint8_t input[INPUT_SIZE];
} connection_t;

/* -- the end of a connection ------------------------------------------------------------------- */

/* libuv has let go of both handles, and no thread of the pool uses the session. */
static void free_if_unused(connection_t *connection) {
    if (connection->open_handles > 0 || connection->is_computing)
        return;
    connection->server->clients--;
    free_answer(&connection->answer);
    anwdl_request_free(connection->request);
    anwdl_session_free(connection->session);
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
    /* One that has begun is waited for: on_computed is called in either case. */
    if (connection->is_computing)
        uv_cancel((uv_req_t *)&connection->computation);
}

static void close_connection(connection_t *connection, const char *why) {
    if (connection->is_closing)
        return;
    print_closed(connection->number, why);
    close_quietly(connection);
}

static void close_by_last_error(connection_t *connection) {
    print_closed_by_last_error(connection->number);
    close_quietly(connection);
}

/* -- deadlines --------------------------------------------------------------------------------- */

static void on_deadline(uv_timer_t *timer) {
    connection_t *connection = timer->data;
    close_connection(connection,
                     connection->phase == WAITING ? "idle for too long" : "TIMEOUT: too slow");
}

/* Each phase has its time, however many steps it takes. */
static void begin(connection_t *connection, phase_t phase) {
    const server_options_t *options = &connection->server->options;
    uint32_t timeout = phase == WAITING ? options->idle_timeout : options->timeout;
    connection->phase = phase;
    uv_timer_stop(&connection->deadline);
    if (timeout > 0)
        uv_timer_start(&connection->deadline, on_deadline, timeout, 0);
}

/* -- what the session does --------------------------------------------------------------------- */

/* Older clients write small pieces one by one, and the next waits for the acknowledgement of the
   last. The option does not last. */
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

static anwdl_status_t exchange_keys(connection_t *connection) {
    anwdl_status_t status = anwdl_session_exchange_keys(connection->session, true);
    if (status == ANWDL_OK || status == ANWDL_WANT_READ)
        acknowledge(connection);
    if (status == ANWDL_OK) {
        print_keys_exchanged(connection->number);
        begin(connection, WAITING);
    }
    return status;
}

/* A request that is malformed is answered too. */
static anwdl_status_t receive_request(connection_t *connection) {
    anwdl_session_t *session = connection->session;
    anwdl_status_t status = anwdl_session_recv_request(session, false, &connection->request);
    if (status == ANWDL_OK) {
        connection->answer = make_answer(connection->request);
        begin(connection, RESPONDING);
    } else if (status == ANWDL_VALUE_ERROR &&
               anwdl_last_error_reason() == ANWDL_REASON_MALFORMED_REQUEST) {
        print_malformed_request(connection->number, anwdl_session_get_protocol(session),
                                anwdl_session_get_request_errors(session));
        connection->answer = make_answer_to_malformed_request();
        begin(connection, RESPONDING);
        status = ANWDL_OK;
    }
    return status;
}

static anwdl_status_t respond(connection_t *connection) {
    const answer_t *answer = &connection->answer;
    anwdl_status_t status = anwdl_session_send_response_data(
        connection->session, answer->success, answer->message, answer->data, answer->reason);
    if (status != ANWDL_OK)
        return status;
    if (connection->request != NULL)
        print_request(connection->number, anwdl_session_get_protocol(connection->session),
                      anwdl_request_get_verb(connection->request));
    anwdl_request_free(connection->request);
    connection->request = NULL;
    free_answer(&connection->answer);
    begin(connection, WAITING);
    return ANWDL_OK;
}

static anwdl_status_t operate(connection_t *connection) {
    switch (connection->phase) {
    case EXCHANGING_KEYS:
        return exchange_keys(connection);
    case RESPONDING:
        return respond(connection);
    default:
        return receive_request(connection);
    }
}

/* The session takes what it can use now; the rest stays for later. */
static anwdl_status_t feed(connection_t *connection) {
    size_t taken = 0;
    if (connection->phase == WAITING)
        begin(connection, RECEIVING);
    anwdl_status_t status =
        anwdl_session_feed(connection->session, connection->input + connection->fed,
                           connection->received - connection->fed, &taken);
    connection->fed += taken;
    return status;
}

/* -- what libuv does --------------------------------------------------------------------------- */

static void advance(connection_t *connection);

static void lend_input(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buffer) {
    connection_t *connection = handle->data;
    (void)suggested_size;
    *buffer = uv_buf_init((char *)connection->input, INPUT_SIZE);
}

/* Nothing more is read before the session asks for it: a peer that sends too much waits. */
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    connection_t *connection = stream->data;
    (void)buffer;
    if (count == 0)
        return;
    uv_read_stop(stream);
    connection->fed = 0;
    connection->received = count > 0 ? (size_t)count : 0;
    if (count == UV_EOF && anwdl_session_feed_end(connection->session) != ANWDL_OK)
        close_by_last_error(connection);
    else if (count < 0 && count != UV_EOF)
        close_connection(connection, uv_strerror((int)count));
    else
        advance(connection);
}

static void on_written(uv_write_t *write, int status) {
    connection_t *connection = write->data;
    if (connection->is_closing)
        return;
    if (status != 0)
        close_connection(connection, uv_strerror(status));
    else if (anwdl_session_sent(connection->session, connection->pending) != ANWDL_OK)
        close_by_last_error(connection);
    else
        advance(connection);
}

/* The pending bytes stay where they are until the session is used again, in on_written. */
static int write_pending(connection_t *connection) {
    const uint8_t *bytes = NULL;
    if (anwdl_session_get_pending(connection->session, &bytes, &connection->pending) != ANWDL_OK)
        return UV_EINVAL;
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned int)connection->pending);
    return uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1, on_written);
}

/* On a thread of the pool. */
static void compute(uv_work_t *work) {
    connection_t *connection = work->data;
    connection->computed = anwdl_session_compute(connection->session);
}

static void on_computed(uv_work_t *work, int status) {
    connection_t *connection = work->data;
    connection->is_computing = false;
    if (connection->is_closing)
        free_if_unused(connection);
    else if (status != 0 || connection->computed != ANWDL_OK)
        close_connection(connection, "the computation failed");
    else
        advance(connection);
}

static int start_computing(connection_t *connection) {
    int status =
        uv_queue_work(&connection->server->loop, &connection->computation, compute, on_computed);
    connection->is_computing = status == 0;
    return status;
}

/* Goes on as far as it can without waiting. */
static void advance(connection_t *connection) {
    int failure = 0;
    anwdl_status_t status;
    do {
        status = operate(connection);
        if (status == ANWDL_WANT_READ && connection->fed < connection->received)
            status = feed(connection);
    } while (status == ANWDL_OK);
    if (status == ANWDL_WANT_READ)
        failure = uv_read_start((uv_stream_t *)&connection->tcp, lend_input, on_read);
    else if (status == ANWDL_WANT_WRITE)
        failure = write_pending(connection);
    else if (status == ANWDL_WANT_COMPUTATION)
        failure = start_computing(connection);
    else
        close_by_last_error(connection);
    if (failure != 0)
        close_connection(connection, uv_strerror(failure));
}

/* -- new connections --------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *handle) {
    free(handle);
}

/* Accepts the connection and closes it. */
static void refuse_client(server_t *server) {
    uv_tcp_t *tcp = calloc(1, sizeof *tcp);
    if (tcp == NULL || uv_tcp_init(&server->loop, tcp) != 0) {
        free(tcp);
        return;
    }
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)tcp) == 0)
        print_refused(++server->last_number);
    uv_close((uv_handle_t *)tcp, free_handle);
}

static void get_peer_ip(const uv_tcp_t *tcp, char *ip, size_t size) {
    struct sockaddr_storage address;
    int len = sizeof address;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&address, &len) != 0 ||
        uv_ip_name((struct sockaddr *)&address, ip, size) != 0)
        snprintf(ip, size, "unknown");
}

/* Takes the connection that waits. All that has been made is freed with the connection. */
static int start_connection(connection_t *connection) {
    server_t *server = connection->server;
    char ip[INET6_ADDRSTRLEN];
    int status = uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->tcp);
    if (status != 0)
        return status;
    connection->number = ++server->last_number;
    get_peer_ip(&connection->tcp, ip, sizeof ip);
    print_connected(connection->number, ip);
    return uv_tcp_nodelay(&connection->tcp, 1);
}

static connection_t *make_connection(server_t *server) {
    connection_t *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->server = server;
    connection->tcp.data = connection->deadline.data = connection;
    connection->write.data = connection->computation.data = connection;
    if (anwdl_session_new(ANWDL_ROLE_SERVER, server->client_options, &connection->session) !=
            ANWDL_OK ||
        uv_tcp_init(&server->loop, &connection->tcp) != 0) {
        anwdl_session_free(connection->session);
        free(connection);
        return NULL;
    }
    uv_timer_init(&server->loop, &connection->deadline);
    connection->open_handles = 2;
    server->clients++;
    return connection;
}

static void on_connection(uv_stream_t *listener, int status) {
    server_t *server = listener->data;
    connection_t *connection = NULL;
    if (status != 0) {
        fprintf(stderr, "cannot accept: %s\n", uv_strerror(status));
        return;
    }
    if (server->clients < server->options.max_clients)
        connection = make_connection(server);
    if (connection == NULL) {
        refuse_client(server);
        return;
    }
    status = start_connection(connection);
    if (status != 0) {
        close_connection(connection, uv_strerror(status));
        return;
    }
    begin(connection, EXCHANGING_KEYS);
    advance(connection);
}

/* -- start and end ----------------------------------------------------------------------------- */

/* Only the handles of connections know of one. */
static void close_handle(uv_handle_t *handle, void *server) {
    if (uv_is_closing(handle))
        return;
    if (handle->data == server)
        uv_close(handle, NULL);
    else
        close_connection(handle->data, "the server stops");
}

/* The loop ends when the last handle is closed. */
static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    uv_walk(signal->loop, close_handle, signal->data);
}

static bool is_done(const char *what, int status) {
    if (status != 0)
        fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    return status == 0;
}

static bool start_listening(server_t *server) {
    uint16_t port = server->options.port;
    int descriptor = open_listener(&port);
    if (descriptor < 0 || !is_done("cannot listen", uv_tcp_open(&server->listener, descriptor)) ||
        !is_done("cannot listen",
                 uv_listen((uv_stream_t *)&server->listener, SOMAXCONN, on_connection)))
        return false;
    print_listening(port);
    return true;
}

static bool start_server(server_t *server) {
    uv_loop_t *loop = &server->loop;
    server->listener.data = server->interrupt.data = server->terminate.data = server;
    return is_done("no socket", uv_tcp_init(loop, &server->listener)) &&
           is_done("no signals", uv_signal_init(loop, &server->interrupt)) &&
           is_done("no signals", uv_signal_init(loop, &server->terminate)) &&
           is_done("no signals", uv_signal_start(&server->interrupt, on_signal, SIGINT)) &&
           is_done("no signals", uv_signal_start(&server->terminate, on_signal, SIGTERM)) &&
           start_listening(server);
}

/* Serves until a signal comes. */
static bool serve(server_t *server) {
    if (!is_done("no loop", uv_loop_init(&server->loop)))
        return false;
    bool started = start_server(server);
    if (!started)
        uv_walk(&server->loop, close_handle, server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return is_done("the loop", uv_loop_close(&server->loop)) && started;
}

int main(int argc, char **argv) {
    server_t server = {0};
    if (!parse_server_options(argc, argv, NULL, &server.options) ||
        !raise_descriptor_limit(&server.options))
        return EXIT_FAILURE;
    server.client_options = make_client_options(&server.options);
    if (server.client_options == NULL)
        return EXIT_FAILURE;
    bool served = false;
    /* libuv writes to sockets whose peer may have gone, which must not end the server. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        perror("SIGPIPE");
    else if (anwdl_client_options_set_separate_computation(server.client_options, true) != ANWDL_OK)
        fprintf(stderr, "no options for clients: %s\n", anwdl_last_error_message());
    else {
        start_uptime();
        served = serve(&server);
    }
    anwdl_client_options_free(server.client_options);
    if (served)
        print_event("stopped");
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
