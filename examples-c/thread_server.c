/* A server with a thread for each client. Every call waits until its work is done or the timeout
   has passed, so that a session reads from top to bottom. For some hundreds of clients. */
#define _GNU_SOURCE /* pthreads and poll with -std=c11 */
#include "answers.h"
#include "server_options.h"

#include <anwdl.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct server server_t;

typedef struct session {
    server_t *server;
    pthread_t thread;
    uint64_t number;
    int fd;
    struct session *previous; /* in the list that it is in */
    struct session *next;
} session_t;

struct server {
    server_options_t options;
    anwdl_client_options_t *client_options; /* only read once the threads run */
    pthread_mutex_t mutex;                  /* for all that follows */
    session_t *running;                     /* their descriptors are open */
    session_t *finished;                    /* their threads are to be joined */
    size_t running_count;
    pthread_cond_t one_finished;
    bool stops;
};

static void add_session(session_t **list, session_t *session) {
    session->previous = NULL;
    session->next = *list;
    if (session->next != NULL)
        session->next->previous = session;
    *list = session;
}

static void remove_session(session_t **list, session_t *session) {
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        *list = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
}

/* -- one session, on its thread ---------------------------------------------------------------- */

static bool is_stopping(server_t *server) {
    pthread_mutex_lock(&server->mutex);
    bool stops = server->stops;
    pthread_mutex_unlock(&server->mutex);
    return stops;
}

/* The timeout of the library counts for a request from its beginning on, as for every call. How
   long a client may take until it begins one is another matter. */
static bool wait_for_request(const session_t *session) {
    uint32_t idle_timeout = session->server->options.idle_timeout;
    struct pollfd entry = {.fd = session->fd, .events = POLLIN};
    int count;
    do
        count = poll(&entry, 1, idle_timeout == 0 ? -1 : (int)idle_timeout);
    while (count < 0 && errno == EINTR);
    return count > 0;
}

static anwdl_status_t send_answer(anwdl_client_t *client, answer_t answer) {
    anwdl_status_t status = anwdl_client_send_response_data(client, answer.success, answer.message,
                                                            answer.data, answer.reason);
    free_answer(&answer);
    return status;
}

/* Receives and answers one request; a malformed one is answered too. */
static anwdl_status_t serve_request(anwdl_client_t *client, uint64_t number) {
    anwdl_request_t *request = NULL;
    anwdl_status_t status = anwdl_client_recv_request(client, false, &request);
    if (status == ANWDL_OK) {
        status = send_answer(client, make_answer(request));
        if (status == ANWDL_OK)
            print_request(number, anwdl_client_get_protocol(client),
                          anwdl_request_get_verb(request));
        anwdl_request_free(request);
    } else if (status == ANWDL_VALUE_ERROR &&
               anwdl_last_error_reason() == ANWDL_REASON_MALFORMED_REQUEST) {
        print_malformed_request(number, anwdl_client_get_protocol(client),
                                anwdl_client_get_request_errors(client));
        status = send_answer(client, make_answer_to_malformed_request());
    }
    return status;
}

/* Gives why it ended; NULL for the last error of the library. */
static const char *serve_client(const session_t *session, anwdl_client_t *client) {
    print_connected(session->number, anwdl_client_get_ip(client));
    anwdl_status_t status = anwdl_client_exchange_keys(client, true);
    if (status == ANWDL_OK)
        print_keys_exchanged(session->number);
    while (status == ANWDL_OK) {
        if (!wait_for_request(session))
            return "idle for too long";
        status = serve_request(client, session->number);
    }
    /* To this thread, the end of the server looks like the end of the connection. */
    return is_stopping(session->server) ? "the server stops" : NULL;
}

static void *run_session(void *argument) {
    session_t *session = argument;
    server_t *server = session->server;
    anwdl_client_t *client = NULL;
    const char *why = NULL;
    bool is_made = anwdl_client_new(session->fd, server->client_options, &client) == ANWDL_OK;
    if (is_made)
        why = serve_client(session, client);
    /* Before the descriptor is closed, as its number may be that of another client at once. */
    pthread_mutex_lock(&server->mutex);
    remove_session(&server->running, session);
    pthread_mutex_unlock(&server->mutex);
    if (!is_made)
        close(session->fd);
    anwdl_client_free(client);
    pthread_mutex_lock(&server->mutex);
    server->running_count--;
    add_session(&server->finished, session);
    pthread_cond_signal(&server->one_finished);
    pthread_mutex_unlock(&server->mutex);
    /* Last: whoever reads the line knows that the place is free again. */
    if (why != NULL)
        print_closed(session->number, why);
    else
        print_closed_by_last_error(session->number);
    return NULL;
}

/* -- all sessions, on the main thread ---------------------------------------------------------- */

static session_t *take_finished(server_t *server) {
    pthread_mutex_lock(&server->mutex);
    session_t *session = server->finished;
    if (session != NULL)
        remove_session(&server->finished, session);
    pthread_mutex_unlock(&server->mutex);
    return session;
}

static void join_finished(server_t *server) {
    session_t *session;
    while ((session = take_finished(server)) != NULL) {
        pthread_join(session->thread, NULL);
        free(session);
    }
}

/* Takes over the descriptor. */
static void start_session(server_t *server, int fd, uint64_t number) {
    session_t *session = calloc(1, sizeof *session);
    pthread_mutex_lock(&server->mutex);
    bool is_full = server->running_count == server->options.max_clients;
    bool started = false;
    if (session != NULL && !is_full) {
        session->server = server;
        session->number = number;
        session->fd = fd;
        /* It cannot leave the list before it is in there: the mutex is held. */
        started = pthread_create(&session->thread, NULL, run_session, session) == 0;
    }
    if (started) {
        add_session(&server->running, session);
        server->running_count++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (started)
        return;
    if (is_full)
        print_refused(number);
    else
        print_closed(number, "no memory for another thread");
    close(fd);
    free(session);
}

/* The library waits on through signals, as it should; what ends a wait is the end of the
   connection. */
static void stop_sessions(server_t *server) {
    pthread_mutex_lock(&server->mutex);
    server->stops = true;
    for (session_t *session = server->running; session != NULL; session = session->next)
        shutdown(session->fd, SHUT_RDWR);
    while (server->running_count > 0)
        pthread_cond_wait(&server->one_finished, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    join_finished(server);
}

static void serve(server_t *server, int listener, int signals) {
    int fd;
    for (uint64_t number = 1; (fd = accept_client(listener, signals)) >= 0; number++) {
        join_finished(server);
        start_session(server, fd, number);
    }
    stop_sessions(server);
}

static int run(server_t *server) {
    uint16_t port = server->options.port;
    int exit_status = EXIT_FAILURE;
    server->client_options = make_client_options(&server->options);
    if (server->client_options == NULL)
        return EXIT_FAILURE;
    int signals = open_signals();
    int listener = open_listener(&port);
    /* anwdl_client_new() could exchange the keys as well; then nothing could be printed between. */
    if (signals >= 0 && listener >= 0 && raise_descriptor_limit(&server->options) &&
        anwdl_client_options_set_exchange_keys(server->client_options, false) == ANWDL_OK) {
        start_uptime();
        print_listening(port);
        serve(server, listener, signals);
        print_event("stopped");
        exit_status = EXIT_SUCCESS;
    }
    if (listener >= 0)
        close(listener);
    if (signals >= 0)
        close(signals);
    anwdl_client_options_free(server->client_options);
    return exit_status;
}

int main(int argc, char **argv) {
    server_t server = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                       .one_finished = PTHREAD_COND_INITIALIZER};
    if (!parse_server_options(argc, argv, NULL, &server.options))
        return EXIT_FAILURE;
    return run(&server);
}
