/* A server with a thread for each client. Every call waits until its work is done or the timeout
   has passed, so that a session reads from top to bottom. For some hundreds of clients. Who gets a
   place, and whose private key operation comes next, is said by admission.h. */
#define _GNU_SOURCE /* pthreads and poll with -std=c11 */
#include "admission.h"
#include "answers.h"
#include "server_options.h"

#include <anwdl.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct server server_t;

typedef struct session {
    server_t *server;
    place_t place;
    pthread_t thread;
    uint64_t number;
    int fd;
    bool has_turn;            /* to compute; guarded by the server's mutex, as all that follows */
    const char *why_not;      /* why it is not to compute, even so */
    bool is_busy;             /* with a request or its response */
    struct session *previous; /* in the list that it is in */
    struct session *next;
} session_t;

struct server {
    server_options_t options;
    anwdl_client_options_t *client_options; /* only read once the threads run */
    admission_t *admission;
    pthread_mutex_t mutex; /* for all that follows */
    session_t *running;    /* their descriptors are open */
    session_t *finished;   /* their threads are to be joined */
    size_t unfinished_count;
    pthread_cond_t turns_changed;
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

/* False when the server stops: one that is busy by then may end what it is at. */
static bool set_busy(session_t *session, bool is_busy) {
    pthread_mutex_lock(&session->server->mutex);
    session->is_busy = is_busy;
    bool goes_on = !session->server->stops;
    pthread_mutex_unlock(&session->server->mutex);
    return goes_on;
}

/* Gives turns to all that may compute now, or are late; with the mutex held. */
static void give_turns(server_t *server) {
    place_t *place;
    const char *why_not;
    while ((place = admission_take(server->admission, get_time(), &why_not)) != NULL) {
        session_t *session = place->owner;
        session->has_turn = true;
        session->why_not = why_not;
    }
    pthread_cond_broadcast(&server->turns_changed);
}

/* Gives why it is not to compute; NULL if it is. */
static const char *wait_for_turn(session_t *session, int64_t deadline) {
    server_t *server = session->server;
    if (!admission_queue(server->admission, &session->place, deadline))
        return "too many key exchanges";
    pthread_mutex_lock(&server->mutex);
    give_turns(server);
    while (!session->has_turn)
        pthread_cond_wait(&server->turns_changed, &server->mutex);
    session->has_turn = false;
    const char *why_not = session->why_not;
    pthread_mutex_unlock(&server->mutex);
    return why_not;
}

/* The whole exchange: gives why it failed, as serve_client(). */
static bool exchange_keys(session_t *session, anwdl_client_t *client, const char **why) {
    server_t *server = session->server;
    int64_t deadline = get_time() + server->options.timeout;
    anwdl_status_t status;
    while ((status = anwdl_client_exchange_keys(client, true)) == ANWDL_WANT_COMPUTATION) {
        *why = wait_for_turn(session, deadline);
        if (*why != NULL)
            return false;
        status = anwdl_client_compute(client);
        admission_end_computation(server->admission, &session->place);
        pthread_mutex_lock(&server->mutex);
        give_turns(server);
        pthread_mutex_unlock(&server->mutex);
        if (status != ANWDL_OK)
            return false;
    }
    if (status == ANWDL_OK)
        admission_end_exchange(server->admission, &session->place);
    return status == ANWDL_OK;
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
static const char *serve_client(session_t *session, anwdl_client_t *client) {
    server_t *server = session->server;
    const char *why = NULL;
    anwdl_status_t status = ANWDL_OK;
    print_connected(session->number, anwdl_client_get_ip(client));
    bool goes_on = exchange_keys(session, client, &why);
    if (goes_on)
        print_keys_exchanged(session->number);
    while (goes_on && status == ANWDL_OK) {
        admission_wait(server->admission, &session->place);
        if (!wait_for_request(session))
            return "idle for too long";
        admission_wait(server->admission, &session->place);
        goes_on = set_busy(session, true);
        if (goes_on) {
            status = serve_request(client, session->number);
            goes_on = set_busy(session, false);
        }
    }
    /* To this thread, both look like the end of the connection. */
    if (admission_gave_way(server->admission, &session->place))
        return "gave way to another client";
    return is_stopping(server) ? "the server stops" : why;
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
    admission_leave(server->admission, &session->place);
    if (!is_made)
        close(session->fd);
    anwdl_client_free(client);
    /* Whoever reads the line knows that the place is free again. */
    if (why != NULL)
        print_closed(session->number, why);
    else
        print_closed_by_last_error(session->number);
    /* Last: from here on, the main thread may wait for this one and free its session. */
    pthread_mutex_lock(&server->mutex);
    server->unfinished_count--;
    add_session(&server->finished, session);
    pthread_cond_signal(&server->one_finished);
    pthread_mutex_unlock(&server->mutex);
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

/* The descriptor is open until the place is left. */
static void give_way(place_t *place) {
    const session_t *session = place->owner;
    (void)shutdown(session->fd, SHUT_RDWR);
}

/* Gives why it could not be started; NULL if it was. */
static const char *start_thread(server_t *server, session_t *session) {
    if (!limit_unsent(session->fd))
        return "no way to limit what is queued for it";
    /* It cannot leave the list before it is in there: the mutex is held. */
    pthread_mutex_lock(&server->mutex);
    bool started = pthread_create(&session->thread, NULL, run_session, session) == 0;
    if (started) {
        add_session(&server->running, session);
        server->unfinished_count++;
    }
    pthread_mutex_unlock(&server->mutex);
    return started ? NULL : "no memory for another thread";
}

/* Takes over the descriptor. */
static void start_session(server_t *server, int fd, const struct sockaddr_storage *peer,
                          uint64_t number) {
    const char *why = "no memory";
    session_t *session = calloc(1, sizeof *session);
    if (session != NULL) {
        session->server = server;
        session->number = number;
        session->fd = fd;
        session->place.owner = session;
        why = admission_enter(server->admission, &session->place, (const struct sockaddr *)peer);
    }
    if (why == NULL) {
        why = start_thread(server, session);
        if (why == NULL)
            return;
        admission_leave(server->admission, &session->place);
    }
    print_refused(number, why);
    free(session);
    close(fd);
}

/* The library waits on through signals, as it should; what ends a wait is the end of the
   connection. */
static void shut_down(server_t *server, bool busy_ones_too) {
    pthread_mutex_lock(&server->mutex);
    server->stops = true;
    for (session_t *session = server->running; session != NULL; session = session->next)
        if (busy_ones_too || !session->is_busy)
            (void)shutdown(session->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
}

static void stop_sessions(server_t *server, bool drains) {
    shut_down(server, !drains);
    if (drains) {
        (void)admission_wait_until_empty(server->admission, server->options.drain_timeout);
        shut_down(server, true);
    }
    pthread_mutex_lock(&server->mutex);
    while (server->unfinished_count > 0)
        pthread_cond_wait(&server->one_finished, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    join_finished(server);
}

static void serve(server_t *server, int listener, int signals) {
    struct sockaddr_storage peer;
    int signal_number = 0;
    int fd;
    uint64_t number = 0;
    while ((fd = accept_client(listener, signals, &peer, &signal_number)) >= 0) {
        join_finished(server);
        start_session(server, fd, &peer, ++number);
    }
    /* Whoever comes now is told so at once. */
    (void)shutdown(listener, SHUT_RDWR);
    stop_sessions(server, signal_number == SIGTERM);
}

static int run(server_t *server) {
    uint16_t port = server->options.port;
    int exit_status = EXIT_FAILURE;
    server->client_options = make_client_options(&server->options);
    if (server->client_options == NULL)
        return EXIT_FAILURE;
    server->admission = admission_new(&server->options.limits, give_way);
    int signals = open_signals();
    int listener = open_listener(&port);
    /* anwdl_client_new() could exchange the keys as well; then nothing could be printed between. */
    if (server->admission != NULL && signals >= 0 && listener >= 0 &&
        raise_descriptor_limit(&server->options) &&
        anwdl_client_options_set_exchange_keys(server->client_options, false) == ANWDL_OK &&
        anwdl_client_options_set_separate_computation(server->client_options, true) == ANWDL_OK) {
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
    admission_free(server->admission);
    anwdl_client_options_free(server->client_options);
    return exit_status;
}

int main(int argc, char **argv) {
    server_t server = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                       .turns_changed = PTHREAD_COND_INITIALIZER,
                       .one_finished = PTHREAD_COND_INITIALIZER};
    if (!parse_server_options(argc, argv, NULL, &server.options))
        return EXIT_FAILURE;
    return run(&server);
}
