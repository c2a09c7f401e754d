/* A server with a thread for each client, for up to some hundreds of clients. Every call waits
   until it is done or times out, so the code of a session reads from top to bottom. admission.h
   decides which clients get a place, and whose private key operation comes next; served.h has the
   output and the answers, which all servers share. */
#define _GNU_SOURCE /* pthreads and poll with -std=c11 */
#include "served.h"

#include <anwdl.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct server server_t;

typedef struct session {
    served_t served;
    server_t *server;
    pthread_t thread;
    int fd;
    int64_t deadline;         /* of the key exchange, as get_time() */
    bool has_turn;            /* to compute; the server's mutex guards this and the rest */
    const char *why_not;      /* why it must not compute */
    bool finishes;            /* by itself when the server stops, with its last response */
    struct session *previous; /* in its list */
    struct session *next;
} session_t;

struct server {
    server_base_t base;
    pthread_mutex_t mutex; /* for the members below */
    session_t *running;    /* their descriptors are open */
    session_t *finished;   /* their threads must be joined */
    size_t unfinished_count;
    pthread_cond_t turns_changed;
    pthread_cond_t one_finished;
    bool stops;
    int stopping[2]; /* a pipe that is closed when the server stops */
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

/* Gives turns to all sessions that may compute now, or are late. Holds the mutex. */
static void give_turns(server_t *server) {
    place_t *place;
    const char *why_not;
    while ((place = admission_take(server->base.admission, get_time(), &why_not)) != NULL) {
        session_t *session = place->owner;
        session->has_turn = true;
        session->why_not = why_not;
    }
    pthread_cond_broadcast(&server->turns_changed);
}

/* Waits for the turn to compute. Returns NULL, or why the session must not compute. */
static const char *wait_for_turn(session_t *session) {
    server_t *server = session->server;
    if (!admission_queue(server->base.admission, &session->served.place, session->deadline))
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

/* Returns false if it failed, with the reason as in serve_client(). */
static bool compute(session_t *session, const char **why) {
    server_t *server = session->server;
    *why = wait_for_turn(session);
    if (*why != NULL)
        return false;
    bool is_done = anwdl_client_compute(session->served.client) == ANWDL_OK;
    admission_end_computation(server->base.admission, &session->served.place);
    pthread_mutex_lock(&server->mutex);
    give_turns(server);
    pthread_mutex_unlock(&server->mutex);
    return is_done;
}

/* From here on the session ends by itself when the server stops: once nothing is left to answer. */
static void begin_to_serve(session_t *session) {
    pthread_mutex_lock(&session->server->mutex);
    session->finishes = true;
    pthread_mutex_unlock(&session->server->mutex);
}

/* The idle timeout limits the time until a request begins; from then on, the library's timeout
 * counts. Returns NULL if there is a request, otherwise why the session ends. */
static const char *wait_for_request(session_t *session) {
    uint32_t idle_timeout = session->server->base.options.idle_timeout;
    struct pollfd entries[2] = {{.fd = session->fd, .events = POLLIN},
                                {.fd = session->server->stopping[0], .events = POLLIN}};
    const char *why = NULL;
    if (anwdl_client_is_idle(session->served.client)) {
        int count;
        do
            count = poll(entries, 2, idle_timeout == 0 ? -1 : (int)idle_timeout);
        while (count < 0 && errno == EINTR);
        if (count <= 0)
            why = "idle for too long";
        else if (entries[0].revents == 0)
            why = "the server stops";
    }
    served_begin(&session->served, ANSWERING);
    return why;
}

/* Returns why it ended; NULL for the library's last error. */
static const char *serve_client(session_t *session) {
    served_t *served = &session->served;
    const char *why = NULL;
    bool goes_on = true;
    print_connected(served->number, anwdl_client_get_ip(served->client));
    while (goes_on) {
        if (served->phase == RESTING) {
            why = wait_for_request(session);
            if (why != NULL)
                break;
        }
        anwdl_event_t event = anwdl_client_next_event(served->client, &served->request);
        if (event == ANWDL_EVENT_EXCHANGED)
            begin_to_serve(session);
        goes_on = event == ANWDL_EVENT_WANT_COMPUTATION ? compute(session, &why)
                                                        : served_handle(served, event);
    }
    /* This thread sees both as a closed connection. */
    if (admission_gave_way(served->admission, &served->place))
        return "gave way to another client";
    return is_stopping(session->server) ? "the server stops" : why;
}

static void *run_session(void *argument) {
    session_t *session = argument;
    server_t *server = session->server;
    served_t *served = &session->served;
    const char *why = NULL;
    session->deadline = get_time() + server->base.options.timeout;
    bool is_made =
        anwdl_client_new(session->fd, server->base.client_options, &served->client) == ANWDL_OK;
    if (is_made)
        why = serve_client(session);
    /* Before the descriptor is closed, because another client may get its number at once. */
    pthread_mutex_lock(&server->mutex);
    remove_session(&server->running, session);
    pthread_mutex_unlock(&server->mutex);
    served_leave(served);
    if (!is_made)
        close(session->fd);
    /* After the place is free, because a reader of this line may rely on that. */
    if (why != NULL)
        print_closed(served->number, why);
    else
        print_closed_by_last_error(served->number);
    /* Last, because the main thread may then join this thread and free its session. */
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

/* The descriptor stays open until the place is left. */
static void give_way(place_t *place) {
    const session_t *session = place->owner;
    (void)shutdown(session->fd, SHUT_RDWR);
}

/* Takes ownership of the descriptor. */
static void start_session(server_t *server, int fd, const struct sockaddr_storage *peer) {
    session_t *session = served_new(sizeof *session, &server->base, fd, peer);
    if (session == NULL)
        return;
    session->server = server;
    session->fd = fd;
    /* The thread cannot leave the list before it is in it, because the mutex is held. */
    pthread_mutex_lock(&server->mutex);
    bool started = pthread_create(&session->thread, NULL, run_session, session) == 0;
    if (started) {
        add_session(&server->running, session);
        server->unfinished_count++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (started)
        return;
    print_refused(session->served.number, "no memory for another thread");
    served_leave(&session->served);
    close(fd);
    free(session);
}

/* Tells the sessions that the server stops. Those who still exchange their keys read no more than
   what has come: a request may be behind the last step, and is answered. */
static void begin_to_drain(server_t *server) {
    pthread_mutex_lock(&server->mutex);
    server->stops = true;
    close(server->stopping[1]);
    for (session_t *session = server->running; session != NULL; session = session->next)
        if (!session->finishes)
            (void)shutdown(session->fd, SHUT_RD);
    pthread_mutex_unlock(&server->mutex);
}

/* Signals do not interrupt the library's calls, so this ends their connections. */
static void stop_sessions(server_t *server) {
    pthread_mutex_lock(&server->mutex);
    for (session_t *session = server->running; session != NULL; session = session->next)
        (void)shutdown(session->fd, SHUT_RDWR);
    while (server->unfinished_count > 0)
        pthread_cond_wait(&server->one_finished, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    join_finished(server);
}

static void serve(server_t *server, int signals) {
    struct sockaddr_storage peer;
    int signal_number = 0;
    int fd;
    while ((fd = accept_client(server->base.listener, signals, &peer, &signal_number)) >= 0) {
        join_finished(server);
        start_session(server, fd, &peer);
    }
    /* New clients are refused immediately. */
    (void)shutdown(server->base.listener, SHUT_RDWR);
    begin_to_drain(server);
    if (signal_number == SIGTERM)
        server_drain(&server->base, signals);
    stop_sessions(server);
}

int main(int argc, char **argv) {
    server_t server = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                       .turns_changed = PTHREAD_COND_INITIALIZER,
                       .one_finished = PTHREAD_COND_INITIALIZER};
    int signals = -1;
    /* anwdl_client_new() could also exchange the keys, but this server prints a line in between. */
    bool serves =
        server_open(&server.base, argc, argv, NULL, give_way) &&
        anwdl_client_options_set_exchange_keys(server.base.client_options, false) == ANWDL_OK &&
        (signals = open_signals()) >= 0 && pipe(server.stopping) == 0;
    if (serves) {
        server_announce(&server.base);
        serve(&server, signals);
        close(server.stopping[0]);
        print_event("stopped");
    }
    server_close(&server.base);
    return serves ? EXIT_SUCCESS : EXIT_FAILURE;
}
