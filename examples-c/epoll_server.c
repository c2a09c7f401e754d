/* A server for many clients on few threads. Nothing waits but epoll_wait():

   - the main thread accepts clients and hands them out to the loops in turn;
   - each loop has an epoll of its own, and all that happens to its clients happens on its thread;
   - the private key operation of a key exchange, which takes milliseconds, is done by a pool of
     workers, so that no client of a loop has to wait for the exchange of another one;
   - who gets a place, and whose operation comes next, is said by admission.h.

   A client is used by one thread at a time: it belongs to its loop, but for the time of the private
   key operation, when it belongs to the pool. */
#define _GNU_SOURCE /* pthreads with -std=c11 */
#include "admission.h"
#include "answers.h"
#include "server_options.h"

#include <anwdl.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_THREADS = 256, EVENTS_AT_ONCE = 256 };

/* What a session is at. */
typedef enum {
    ARRIVING,   /* a descriptor, and no client of the library yet */
    EXCHANGING, /* the keys */
    COMPUTING,  /* for the exchange; it belongs to the pool */
    RESTING,    /* between two requests, where the peer may take its time */
    ANSWERING   /* a request, from its first byte to the last one of the response */
} phase_t;

typedef struct loop loop_t;
typedef struct session session_t;

struct session {
    loop_t *loop;
    place_t place;
    uint64_t number;
    int fd; /* the client's own once there is one */
    phase_t phase;
    anwdl_client_t *client;
    uint32_t events;     /* those that epoll is to tell */
    int64_t deadline;    /* as get_time() */
    session_t *previous; /* in the list of the phase */
    session_t *next;
    session_t *next_in_queue; /* in the inbox of the loop */
    const char *why_not;      /* why the pool did not compute; NULL: it did */
    bool computed;            /* whether it could do what it was asked */
    anwdl_request_t *request; /* the one that is being answered; NULL for a malformed one */
};

/* First in, first out. */
typedef struct {
    session_t *first;
    session_t *last;
} queue_t;

/* Sorted by deadline: whose time is over stands at the beginning. The sessions of a list are given
   about the same time, so that a new one belongs near the end. */
typedef struct {
    session_t *first;
    session_t *last;
} deadlines_t;

/* The workers. What they do next, the admission knows. */
typedef struct {
    admission_t *admission;
    pthread_t threads[MAX_THREADS];
    size_t count;
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t changed;
    bool stops;
} pool_t;

struct loop {
    pthread_t thread;
    int epoll_fd;
    int wake_fd; /* an eventfd: there is something in the inbox, or the loop is to stop */
    const anwdl_client_options_t *client_options;
    pool_t *pool;
    admission_t *admission;
    bool is_draining;       /* only requests and responses that are under way go on */
    deadlines_t operations; /* every session is in one of these three */
    deadlines_t computing;  /* only to be found again: the pool ends these */
    deadlines_t resting;
    pthread_mutex_t mutex; /* for all that follows */
    queue_t inbox;         /* new sessions, and those that come back from the pool */
    bool drains;
    bool stops;
};

typedef struct {
    server_options_t options;
    anwdl_client_options_t *client_options; /* only read once the threads run */
    loop_t loops[MAX_THREADS];
    size_t loop_count; /* of those that run */
    pool_t pool;
    admission_t *admission;
} server_t;

/* -- queues and lists -------------------------------------------------------------------------- */

static void push(queue_t *queue, session_t *session) {
    session->next_in_queue = NULL;
    if (queue->last != NULL)
        queue->last->next_in_queue = session;
    else
        queue->first = session;
    queue->last = session;
}

static session_t *pop(queue_t *queue) {
    session_t *session = queue->first;
    if (session != NULL) {
        queue->first = session->next_in_queue;
        if (queue->first == NULL)
            queue->last = NULL;
    }
    return session;
}

/* Most of the time, the place is at the end. */
static void insert_session(deadlines_t *list, session_t *session) {
    session_t *previous = list->last;
    while (previous != NULL && previous->deadline > session->deadline)
        previous = previous->previous;
    session->previous = previous;
    session->next = previous != NULL ? previous->next : list->first;
    if (session->previous != NULL)
        session->previous->next = session;
    else
        list->first = session;
    if (session->next != NULL)
        session->next->previous = session;
    else
        list->last = session;
}

static void remove_session(deadlines_t *list, session_t *session) {
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        list->first = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    else
        list->last = session->previous;
}

static deadlines_t *get_list(session_t *session) {
    switch (session->phase) {
    case RESTING:
        return &session->loop->resting;
    case COMPUTING:
        return &session->loop->computing;
    default:
        return &session->loop->operations;
    }
}

/* The client says how long it has. */
static void change_phase(session_t *session, phase_t phase) {
    int left = anwdl_client_get_time_left(session->client);
    remove_session(get_list(session), session);
    session->phase = phase;
    session->deadline = left < 0 ? INT64_MAX : get_time() + left;
    insert_session(get_list(session), session);
}

/* -- the pool ---------------------------------------------------------------------------------- */

/* From any thread. */
static void post_to_loop(loop_t *loop, session_t *session) {
    pthread_mutex_lock(&loop->mutex);
    push(&loop->inbox, session);
    pthread_mutex_unlock(&loop->mutex);
    eventfd_write(loop->wake_fd, 1);
}

/* False when too many wait already, in all or of the address. */
static bool post_to_pool(pool_t *pool, session_t *session) {
    bool is_queued = admission_queue(pool->admission, &session->place, session->deadline);
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    return is_queued;
}

/* NULL when the pool is to stop; what waits in the queue then stays there. */
static session_t *wait_for_work(pool_t *pool) {
    place_t *place = NULL;
    const char *why_not = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stops && (place = admission_take(pool->admission, get_time(), &why_not)) == NULL)
        pthread_cond_wait(&pool->changed, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    if (place == NULL)
        return NULL;
    session_t *session = place->owner;
    session->why_not = why_not;
    return session;
}

static void *run_worker(void *argument) {
    pool_t *pool = argument;
    session_t *session;
    while ((session = wait_for_work(pool)) != NULL) {
        session->computed =
            session->why_not == NULL && anwdl_client_compute(session->client) == ANWDL_OK;
        admission_end_computation(pool->admission, &session->place);
        post_to_loop(session->loop, session);
    }
    return NULL;
}

/* -- one session, on the thread of its loop ---------------------------------------------------- */

/* Closes the connection and forgets the session. */
static void free_session(session_t *session) {
    loop_t *loop = session->loop;
    remove_session(get_list(session), session);
    /* As long as the descriptor is open: giving way shuts it down. */
    admission_leave(loop->admission, &session->place);
    if (session->client == NULL && session->fd >= 0)
        close(session->fd);
    anwdl_client_free(session->client);
    anwdl_request_free(session->request);
    free(session);
}

/* In both, the line comes last: whoever reads it knows that the place is free again. */
static void end_session(session_t *session, const char *why) {
    uint64_t number = session->number;
    free_session(session);
    print_closed(number, why);
}

static void end_failed_session(session_t *session) {
    uint64_t number = session->number;
    if (session->phase == RESTING && anwdl_last_error_reason() == ANWDL_REASON_TIMEOUT) {
        end_session(session, "idle for too long");
        return;
    }
    /* To the library, this looks like the end of the connection. */
    if (admission_gave_way(session->loop->admission, &session->place)) {
        end_session(session, "gave way to another client");
        return;
    }
    free_session(session);
    print_closed_by_last_error(number);
}

/* Has epoll tell when the session can go on. Most of the time, that is set already. */
static bool wait_for_events(session_t *session, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = session};
    int action = session->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (session->events == events)
        return true;
    session->events = events;
    return epoll_ctl(session->loop->epoll_fd, action, session->fd, &event) == 0;
}

/* Epoll tells of a connection that breaks whether it was asked or not; so while the session is the
   pool's, it is not to know of it. */
static bool forget_events(session_t *session) {
    if (session->events == 0)
        return true;
    session->events = 0;
    return epoll_ctl(session->loop->epoll_fd, EPOLL_CTL_DEL, session->fd, NULL) == 0;
}

static bool send_answer(session_t *session, answer_t answer) {
    anwdl_status_t status = anwdl_client_send_response_data(
        session->client, answer.success, answer.message, answer.data, answer.reason);
    free_answer(&answer);
    return status >= ANWDL_OK; /* what is left to send is left to the next event */
}

static void finish_request(session_t *session) {
    if (session->request != NULL)
        print_request(session->number, anwdl_client_get_protocol(session->client),
                      anwdl_request_get_verb(session->request));
    anwdl_request_free(session->request);
    session->request = NULL;
}

/* Has the session wait for its peer. */
static void wait_for_peer(session_t *session, uint32_t events) {
    if (!wait_for_events(session, events))
        end_session(session, "epoll failed");
    else
        change_phase(session, session->phase);
}

static void begin_phase(session_t *session, phase_t phase) {
    change_phase(session, phase);
    admission_wait(session->loop->admission, &session->place);
}

/* Hands the session over to the pool. */
static void compute_elsewhere(session_t *session) {
    if (!forget_events(session)) {
        end_session(session, "epoll failed");
        return;
    }
    change_phase(session, COMPUTING);
    if (!post_to_pool(session->loop->pool, session))
        end_session(session, "too many key exchanges");
}

/* Takes the session as far as it goes without waiting. */
static void go_on(session_t *session) {
    anwdl_client_t *client = session->client;
    bool goes_on = true;
    while (goes_on) {
        if (session->phase == RESTING && session->loop->is_draining) {
            end_session(session, "the server stops");
            return;
        }
        switch (anwdl_client_next_event(client, &session->request)) {
        case ANWDL_EVENT_WANT_READ:
            wait_for_peer(session, EPOLLIN);
            return;
        case ANWDL_EVENT_WANT_WRITE:
            wait_for_peer(session, EPOLLOUT);
            return;
        case ANWDL_EVENT_WANT_COMPUTATION:
            compute_elsewhere(session);
            return;
        case ANWDL_EVENT_EXCHANGED:
            admission_end_exchange(session->loop->admission, &session->place);
            print_keys_exchanged(session->number);
            begin_phase(session, RESTING);
            break;
        case ANWDL_EVENT_REQUEST:
            goes_on = send_answer(session, make_answer(session->request));
            begin_phase(session, ANSWERING);
            break;
        case ANWDL_EVENT_MALFORMED_REQUEST:
            print_malformed_request(session->number, anwdl_client_get_protocol(client),
                                    anwdl_client_get_request_errors(client));
            goes_on = send_answer(session, make_answer_to_malformed_request());
            begin_phase(session, ANSWERING);
            break;
        case ANWDL_EVENT_RESPONSE_SENT:
            finish_request(session);
            begin_phase(session, RESTING);
            break;
        default:
            goes_on = false;
            break;
        }
    }
    end_failed_session(session);
}

/* Something has come from the client, or can be sent to it. */
static void handle_event(session_t *session) {
    if (session->phase == RESTING)
        begin_phase(session, ANSWERING);
    go_on(session);
}

/* A session has been put into the inbox. */
static void handle_arrival(session_t *session) {
    if (session->phase == COMPUTING) {
        /* How the computation ended, the exchange tells. */
        change_phase(session, EXCHANGING);
        if (session->loop->is_draining)
            end_session(session, "the server stops");
        else if (session->why_not != NULL)
            end_session(session, session->why_not);
        else if (session->computed)
            go_on(session);
        else
            end_session(session, "the key could not be computed");
        return;
    }
    insert_session(get_list(session), session);
    if (session->loop->is_draining) {
        end_session(session, "the server stops");
        return;
    }
    if (anwdl_client_new(session->fd, session->loop->client_options, &session->client) !=
        ANWDL_OK) {
        end_failed_session(session);
        return;
    }
    begin_phase(session, EXCHANGING);
    print_connected(session->number, anwdl_client_get_ip(session->client));
    go_on(session);
}

/* -- one loop ---------------------------------------------------------------------------------- */

/* Ends the sessions whose time is over: called now, the library says that it is. A peer that sends
   a byte now and then does not get past this. */
static void end_late_sessions(deadlines_t *list) {
    int64_t now = get_time();
    while (list->first != NULL && list->first->deadline <= now) {
        /* The clock of the library may have to catch up. */
        list->first->deadline = now + 1;
        go_on(list->first);
    }
}

/* Milliseconds until the first deadline; -1 if there is none. */
static int get_time_to_wait(const loop_t *loop) {
    const session_t *operation = loop->operations.first;
    const session_t *resting = loop->resting.first;
    int64_t deadline = INT64_MAX;
    if (operation != NULL)
        deadline = operation->deadline;
    if (resting != NULL && resting->deadline < deadline)
        deadline = resting->deadline;
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - get_time();
    return left > 0 ? (int)left : 0;
}

/* Ends what has not begun to ask. Those that compute come back from the pool first. */
static void begin_to_drain(loop_t *loop) {
    session_t *next;
    loop->is_draining = true;
    while (loop->resting.first != NULL)
        end_session(loop->resting.first, "the server stops");
    for (session_t *session = loop->operations.first; session != NULL; session = next) {
        next = session->next;
        if (session->phase == EXCHANGING)
            end_session(session, "the server stops");
    }
}

/* False when the loop is to stop. */
static bool empty_inbox(loop_t *loop) {
    eventfd_t count;
    /* Before the inbox is looked at: what comes into it afterwards wakes the loop again. */
    eventfd_read(loop->wake_fd, &count);
    for (;;) {
        pthread_mutex_lock(&loop->mutex);
        bool stops = loop->stops;
        bool drains = loop->drains;
        session_t *session = stops ? NULL : pop(&loop->inbox);
        pthread_mutex_unlock(&loop->mutex);
        if (drains && !loop->is_draining)
            begin_to_drain(loop);
        if (session == NULL)
            return !stops;
        handle_arrival(session);
    }
}

static void *run_loop(void *argument) {
    loop_t *loop = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    bool runs = true;
    while (runs) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, get_time_to_wait(loop));
        bool is_woken = false;
        for (int at = 0; at < count; at++) {
            if (events[at].data.ptr == loop)
                is_woken = true;
            else
                handle_event(events[at].data.ptr);
        }
        /* Only now: what is done here may end a session that one of the events is about. */
        if (is_woken)
            runs = empty_inbox(loop);
        end_late_sessions(&loop->operations);
        end_late_sessions(&loop->resting);
    }
    return NULL;
}

/* -- start and end ----------------------------------------------------------------------------- */

static void close_loop(loop_t *loop) {
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->mutex);
}

static bool start_loop(loop_t *loop, server_t *server) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop};
    pthread_mutex_init(&loop->mutex, NULL);
    loop->client_options = server->client_options;
    loop->pool = &server->pool;
    loop->admission = server->admission;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd >= 0 && loop->wake_fd >= 0 &&
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) == 0 &&
        pthread_create(&loop->thread, NULL, run_loop, loop) == 0)
        return true;
    fputs("no loop could be started\n", stderr);
    close_loop(loop);
    return false;
}

static void drain_loop(loop_t *loop) {
    pthread_mutex_lock(&loop->mutex);
    loop->drains = true;
    pthread_mutex_unlock(&loop->mutex);
    eventfd_write(loop->wake_fd, 1);
}

static void stop_loop(loop_t *loop) {
    pthread_mutex_lock(&loop->mutex);
    loop->stops = true;
    pthread_mutex_unlock(&loop->mutex);
    eventfd_write(loop->wake_fd, 1);
    pthread_join(loop->thread, NULL);
}

/* When neither the loop nor the pool runs any more, every session is the caller's. */
static void free_sessions(loop_t *loop) {
    session_t *session;
    while ((session = pop(&loop->inbox)) != NULL)
        if (session->phase == ARRIVING)
            insert_session(get_list(session), session);
    while ((session = loop->operations.first) != NULL ||
           (session = loop->computing.first) != NULL || (session = loop->resting.first) != NULL)
        end_session(session, "the server stops");
}

static bool start_worker(pool_t *pool) {
    if (pthread_create(&pool->threads[pool->count], NULL, run_worker, pool) != 0) {
        fputs("no worker could be started\n", stderr);
        return false;
    }
    pool->count++;
    return true;
}

static void stop_workers(pool_t *pool) {
    pthread_mutex_lock(&pool->mutex);
    pool->stops = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t at = 0; at < pool->count; at++)
        pthread_join(pool->threads[at], NULL);
}

static bool start_threads(server_t *server, size_t loops, size_t workers) {
    while (server->loop_count < loops) {
        if (!start_loop(&server->loops[server->loop_count], server))
            return false;
        server->loop_count++;
    }
    while (server->pool.count < workers)
        if (!start_worker(&server->pool))
            return false;
    return true;
}

/* Has what is under way come to its end, for a while. */
static void drain(server_t *server) {
    for (size_t at = 0; at < server->loop_count; at++)
        drain_loop(&server->loops[at]);
    (void)admission_wait_until_empty(server->admission, server->options.drain_timeout);
}

/* The workers first: what they are at must not come to an end that is gone already. */
static void stop_threads(server_t *server) {
    stop_workers(&server->pool);
    for (size_t at = 0; at < server->loop_count; at++)
        stop_loop(&server->loops[at]);
    for (size_t at = 0; at < server->loop_count; at++) {
        free_sessions(&server->loops[at]);
        close_loop(&server->loops[at]);
    }
}

/* The descriptor is open until the place is left. The loop sees the end of the connection. */
static void give_way(place_t *place) {
    const session_t *session = place->owner;
    (void)shutdown(session->fd, SHUT_RDWR);
}

/* Takes over the descriptor. */
static void hand_out(server_t *server, int fd, const struct sockaddr_storage *peer,
                     uint64_t number) {
    const char *why = "no memory";
    session_t *session = calloc(1, sizeof *session);
    if (session != NULL) {
        session->loop = &server->loops[number % server->loop_count];
        session->number = number;
        session->fd = fd;
        session->place.owner = session;
        why = admission_enter(server->admission, &session->place, (const struct sockaddr *)peer);
    }
    if (why == NULL && limit_unsent(fd)) {
        post_to_loop(session->loop, session);
        return;
    }
    if (why == NULL)
        admission_leave(server->admission, &session->place);
    print_refused(number, why != NULL ? why : "no way to limit what is queued for it");
    free(session);
    close(fd);
}

static bool set_client_options(server_t *server) {
    server->client_options = make_client_options(&server->options);
    if (server->client_options == NULL)
        return false;
    if (anwdl_client_options_set_non_blocking(server->client_options, true) == ANWDL_OK &&
        anwdl_client_options_set_separate_computation(server->client_options, true) == ANWDL_OK)
        return true;
    fprintf(stderr, "no options for clients: %s\n", anwdl_last_error_message());
    return false;
}

static void serve(server_t *server, int listener, int signals) {
    struct sockaddr_storage peer;
    int signal_number = 0;
    int fd;
    for (uint64_t number = 1; (fd = accept_client(listener, signals, &peer, &signal_number)) >= 0;
         number++)
        hand_out(server, fd, &peer, number);
    /* Whoever comes now is told so at once. */
    (void)shutdown(listener, SHUT_RDWR);
    if (signal_number == SIGTERM)
        drain(server);
}

static int run(server_t *server, size_t loops) {
    uint16_t port = server->options.port;
    int exit_status = EXIT_FAILURE;
    /* Before the threads are started, so that none of them takes the signals. */
    int signals = open_signals();
    int listener = open_listener(&port);
    if (signals >= 0 && listener >= 0 && raise_descriptor_limit(&server->options) &&
        start_threads(server, loops, server->options.limits.computations_at_once)) {
        start_uptime();
        print_listening(port);
        serve(server, listener, signals);
        exit_status = EXIT_SUCCESS;
    }
    stop_threads(server);
    if (exit_status == EXIT_SUCCESS)
        print_event("stopped");
    if (listener >= 0)
        close(listener);
    if (signals >= 0)
        close(signals);
    return exit_status;
}

int main(int argc, char **argv) {
    size_t loops = 2;
    const number_option_t own[] = {{"threads", "event loops", 1, MAX_THREADS, &loops},
                                   {NULL, NULL, 0, 0, NULL}};
    static server_t server = {
        .pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    int exit_status = EXIT_FAILURE;
    if (parse_server_options(argc, argv, own, &server.options) && set_client_options(&server)) {
        server.admission = admission_new(&server.options.limits, give_way);
        server.pool.admission = server.admission;
        if (server.admission != NULL)
            exit_status = run(&server, loops);
        else
            fputs("no memory\n", stderr);
    }
    admission_free(server.admission);
    anwdl_client_options_free(server.client_options);
    return exit_status;
}
