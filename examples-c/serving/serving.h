/* What the servers of this folder share: what they answer, and how they start and stop. */
#ifndef SERVING_H
#define SERVING_H

#include <anwdl.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __cplusplus
#include <atomic>
using std::atomic_int;
#else
#include <stdatomic.h>
#endif

/* Whether SIGTERM or SIGINT has come; threads read it, too. From then on, a client ends with its
   next response, or as soon as it has no request under way. */
static atomic_int is_stopping;

static inline void stop(int signal_number) {
    is_stopping = signal_number;
}

static inline bool stop_at_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    return sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
           signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

/* How long to wait, in milliseconds: the time left (-1: no limit), but at most a second, so that
   is_stopping is looked at. */
static inline int get_wait(int time_left) {
    return time_left < 0 || time_left > 1000 ? 1000 : time_left;
}

/* The program's own answers, to all verbs but STAT; NULL if it has none. Such a function returns an
   ANWDL_RESPONSE_MSG_ text. If that is ANWDL_RESPONSE_MSG_OK, the data is sent, too. */
static const char *(*answer_request)(const anwdl_request_t *request, anwdl_data_t *data);

typedef struct {
    bool success;
    const char *message;
    anwdl_data_t *data; /* whoever sends the answer frees it */
} answer_t;

/* Frees the request, which is NULL when it was malformed. */
static inline answer_t make_answer(anwdl_request_t *request) {
    answer_t answer = {false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL};
    if (request == NULL)
        answer.message = ANWDL_RESPONSE_MSG_BAD_REQ;
    else if (anwdl_data_new(&answer.data) != ANWDL_OK)
        answer.message = ANWDL_RESPONSE_MSG_INTERNAL_ERROR;
    else if (strcmp(anwdl_request_get_verb(request), "STAT") == 0)
        answer.message = anwdl_data_set_statistics(answer.data, 60, "1.0.0") == ANWDL_OK
                             ? ANWDL_RESPONSE_MSG_OK
                             : ANWDL_RESPONSE_MSG_INTERNAL_ERROR;
    else if (answer_request != NULL)
        answer.message = answer_request(request, answer.data);
    answer.success = strcmp(answer.message, ANWDL_RESPONSE_MSG_OK) == 0;
    if (!answer.success) {
        anwdl_data_free(answer.data);
        answer.data = NULL;
    }
    anwdl_request_free(request);
    return answer;
}

/* Whether a client has to wait. Any other event of serve() means that it has ended. */
static inline bool is_waiting(anwdl_event_t event) {
    return event == ANWDL_EVENT_WANT_READ || event == ANWDL_EVENT_WANT_WRITE;
}

/* Throws away what has come. If a connection is closed before that was read, the system also throws
   away what the client has not fetched of its response. */
static inline void discard_input(int fd) {
    char bytes[4096];
    for (int count = 0; count < 16 && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0; count++) {
    }
}

/* Runs a client until it has to wait. Call it at once for a new one: its time begins with that. If
   is_waiting(), wait for what the event says, no longer than get_wait() of
   anwdl_client_get_time_left(), and call it again; else free the client. */
static inline anwdl_event_t serve(anwdl_client_t *client) {
    for (bool was_stopping = is_stopping;;) { /* when it began to read */
        anwdl_request_t *request = NULL;
        anwdl_event_t event = anwdl_client_next_event(client, &request);
        answer_t answer;
        anwdl_status_t status;
        switch (event) {
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            answer = make_answer(request);
            /* The next event sends what does not fit into the socket at once. */
            status = anwdl_client_send_response_data(client, answer.success, answer.message,
                                                     answer.data, NULL);
            anwdl_data_free(answer.data);
            if (status < ANWDL_OK)
                return ANWDL_EVENT_ENDED;
            break;
        case ANWDL_EVENT_EXCHANGED:
            break;
        case ANWDL_EVENT_RESPONSE_SENT:
            if (!was_stopping)
                break;
            discard_input(anwdl_client_get_socket_descriptor(client)); /* of the next request */
            return ANWDL_EVENT_ENDED;
        case ANWDL_EVENT_WANT_READ:
            return was_stopping && anwdl_client_is_idle(client) ? ANWDL_EVENT_ENDED : event;
        default:
            return event;
        }
    }
}

/* Runs a client until it has ended, for a thread of its own. */
static inline void *serve_to_the_end(void *data) {
    anwdl_client_t *client = (anwdl_client_t *)data;
    anwdl_event_t event;
    while (is_waiting(event = serve(client))) {
        short wanted = event == ANWDL_EVENT_WANT_READ ? POLLIN : POLLOUT;
        struct pollfd entry = {anwdl_client_get_socket_descriptor(client), wanted, 0};
        poll(&entry, 1, get_wait(anwdl_client_get_time_left(client)));
    }
    anwdl_client_free(client);
    return NULL;
}

/* A session has no clock. */
static inline void tell_time(anwdl_session_t *session) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    anwdl_session_set_time(session, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* It has no descriptor either; these functions keep that in its user data. */
static inline int get_descriptor(const anwdl_session_t *session) {
    return (int)(intptr_t)anwdl_session_get_user_data(session);
}

static inline void close_session(anwdl_session_t *session) {
    int fd = get_descriptor(session);
    anwdl_session_free(session);
    discard_input(fd);
    close(fd);
}

/* A session for a connection; NULL if there is none (-1) or something fails. */
static inline anwdl_session_t *open_session(int fd, const anwdl_client_options_t *options) {
    anwdl_session_t *session = NULL;
    if (fd >= 0 && anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK &&
        anwdl_session_set_user_data(session, (void *)(intptr_t)fd) == ANWDL_OK)
        return session;
    anwdl_session_free(session);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* TCP_NODELAY: small pieces leave at once. TCP_QUICKACK: those of older clients are acknowledged at
   once; the kernel forgets it, so set it again each time. */
static inline void set_socket_options(int fd) {
    int on = 1; /* they only save time, so failures do not matter */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_QUICKACK
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#endif
}

static inline bool has_input(int fd) {
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
}

/* The bytes that a session wants to have moved. */
typedef struct {
    int fd;
    uint8_t *room;        /* receive into this; or, if NULL, */
    const uint8_t *bytes; /* send these */
    size_t len;           /* 0: neither, the session has ended */
} transfer_t;

/* As serve(), for a session: runs it until bytes must be moved. A layer between, such as TLS, may
   hold some that came for it and are no longer in the socket: has_more says so. */
static inline transfer_t serve_session(anwdl_session_t *session, bool has_more) {
    bool was_stopping = is_stopping;
    tell_time(session);
    set_socket_options(get_descriptor(session));
    for (transfer_t next = {get_descriptor(session), NULL, NULL, 0};;) {
        anwdl_request_t *request = NULL;
        answer_t answer;
        anwdl_status_t status;
        switch (anwdl_session_next_event(session, &request, NULL)) {
        case ANWDL_EVENT_WANT_READ:
            if (!was_stopping || !anwdl_session_is_idle(session) || has_more || has_input(next.fd))
                next.room = anwdl_session_get_receive_buffer(session, &next.len);
            return next;
        case ANWDL_EVENT_WANT_WRITE:
            if (anwdl_session_get_pending(session, &next.bytes, &next.len) != ANWDL_OK)
                next.len = 0;
            return next;
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            answer = make_answer(request);
            status = anwdl_session_send_response_data(session, answer.success, answer.message,
                                                      answer.data, NULL);
            anwdl_data_free(answer.data);
            if (status < ANWDL_OK)
                return next;
            break;
        case ANWDL_EVENT_EXCHANGED:
            break;
        case ANWDL_EVENT_RESPONSE_SENT:
            if (was_stopping)
                return next;
            break;
        default:
            return next;
        }
    }
}

/* Reports what recv() or send() returned for that; a failure ends the session. */
static inline void report(anwdl_session_t *session, ssize_t count) {
    bool is_received = anwdl_session_get_wants(session) == ANWDL_WANT_READ;
    anwdl_status_t status = ANWDL_RUNTIME_ERROR;
    tell_time(session);
    if (count > 0)
        status = is_received ? anwdl_session_received(session, (size_t)count)
                             : anwdl_session_sent(session, (size_t)count);
    else if (count == 0 && is_received)
        status = anwdl_session_feed_end(session);
    if (status != ANWDL_OK)
        anwdl_session_end(session);
}

/* The second argument is the file with the key pair. Without it one is generated, which takes
   seconds, so call this before you accept clients. NULL if something fails. */
static inline anwdl_client_options_t *make_options(int argc, char **argv) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *keys = NULL;
    bool is_done = anwdl_rsa_wrapper_new(argc < 3, &keys) == ANWDL_OK &&
                   (argc < 3 || anwdl_rsa_wrapper_load(keys, argv[2]) == ANWDL_OK) &&
                   anwdl_client_options_set_rsa_wrapper(options, keys) == ANWDL_OK &&
                   anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK &&
                   anwdl_client_options_set_max_message_size(options, 16384) == ANWDL_OK &&
                   anwdl_client_options_set_timeout(options, 10000) == ANWDL_OK;
    anwdl_rsa_wrapper_free(keys); /* the options share the key pair */
    if (is_done)
        return options;
    fprintf(stderr, "no options: %s\n", anwdl_last_error_message());
    anwdl_client_options_free(options);
    return NULL;
}

/* The socket that systemd passes, or one on 127.0.0.1 and the port that is the first argument; -1
   if there is none. It does not block. */
static inline int open_listener(int argc, char **argv) {
    const char *activated = getenv("LISTEN_PID");
    bool is_passed = activated != NULL && atoi(activated) == getpid();
    int on = 1, fd = is_passed ? 3 : socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_done = fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
                   (is_passed || (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                                  bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                                  listen(fd, SOMAXCONN) == 0));
    if (!is_done)
        perror("cannot listen");
    return is_done ? fd : -1;
}

/* What a server begins with: its options, a listener, and signals that set is_stopping. Returns the
   listener; -1 if something fails. */
static inline int start_serving(int argc, char **argv, anwdl_client_options_t **out_options) {
    int listener = open_listener(argc, argv);
    if (listener >= 0 && (*out_options = make_options(argc, argv)) != NULL && stop_at_signals())
        return listener;
    return -1;
}

/* The next connection; -1 if none comes within the time. */
static inline int accept_one(int listener, int milliseconds) {
    struct pollfd entry = {listener, POLLIN, 0};
    int fd = poll(&entry, 1, milliseconds) > 0 ? accept(listener, NULL, NULL) : -1;
    if (fd < 0 && entry.revents != 0)
        usleep(1000); /* out of descriptors: pause, instead of asking without end */
    return fd;
}

/* The next client; NULL if none comes within the time or something fails. */
static inline anwdl_client_t *accept_client(int listener, int milliseconds,
                                            const anwdl_client_options_t *options) {
    int fd = accept_one(listener, milliseconds);
    anwdl_client_t *client = NULL;
    if (fd >= 0 && anwdl_client_new(fd, options, &client) != ANWDL_OK)
        close(fd);
    return client;
}

#endif
