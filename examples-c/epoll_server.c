/* A server for many clients on few threads. Only epoll_wait() waits:

   - the main thread accepts clients and gives them to the loops in turn;
   - each loop has its own epoll, and handles its clients on its own thread;
   - workers do the private key operations, which take milliseconds, so no client has to wait for
     the key exchange of another one;
   - admission.h decides which clients get a place, and whose operation comes next;
   - served.h has the output and the answers, which all servers share.

   One thread at a time uses a client: its loop, or a worker during the private key operation. */
#define _GNU_SOURCE /* pthreads with -std=c11 */
#include "deadlines.h"
#include "queue.h"
#include "served.h"
#include "workers.h"

#include <anwdl.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_THREADS = 256, DESCRIPTORS_OF_LOOP = 2, EVENTS_AT_ONCE = 256 };

typedef struct server server_t;

typedef struct {
    server_t *server;
    pthread_t thread;
    int epoll_fd;
    int wake_fd;            /* an eventfd: check the inbox and the server's state */
    queue_t inbox;          /* new sessions, and sessions back from the workers */
    deadlines_t operations; /* each session, except new ones, is in one of these */
    deadlines_t resting;
    deadlines_t computing; /* only to find them at the end; they have no timeout here */
    deadlines_t undrained; /* those to which the loop has yet to turn, now that it drains */
    bool is_draining;      /* only requests and responses under way continue */
} loop_t;

typedef struct {
    served_t served;
    loop_t *loop;
    int fd;          /* the client's own once there is one */
    uint32_t events; /* that epoll waits for */
    deadline_t deadline;
    queue_entry_t in_inbox;
    bool is_computing;   /* it belongs to the workers */
    const char *why_not; /* why they did not compute; NULL if they did */
    bool computed;       /* whether the computation succeeded */
} session_t;

struct server {
    server_base_t base;
    loop_t loops[MAX_THREADS];
    size_t loop_count; /* how many run */
    workers_t workers;
    pthread_mutex_t mutex; /* for the members below */
    bool drains;
    bool stops;
};

/* From any thread. Once it is in the queue, the session is the loop's, which may free it. */
static void post(session_t *session) {
    loop_t *loop = session->loop;
    queue_push(&loop->inbox, &session->in_inbox);
    eventfd_write(loop->wake_fd, 1);
}

/* -- the workers ------------------------------------------------------------------------------- */

static bool compute_next(void *context) {
    server_t *server = context;
    const char *why_not = NULL;
    place_t *place = admission_take(server->base.admission, get_time(), &why_not);
    if (place == NULL)
        return false;
    session_t *session = place->owner;
    session->why_not = why_not;
    session->computed = why_not == NULL && anwdl_client_compute(session->served.client) == ANWDL_OK;
    admission_end_computation(server->base.admission, place);
    post(session);
    return true;
}

/* -- one session, on the thread of its loop ---------------------------------------------------- */

/* Closes the connection and frees the session. If why is NULL, prints the library's last error. */
static void end_session(session_t *session, const char *why) {
    uint64_t number = session->served.number;
    bool has_client = session->served.client != NULL;
    deadlines_remove(&session->deadline);
    served_leave(&session->served);
    if (!has_client)
        close(session->fd);
    free(session);
    /* Last, because a reader of this line may rely on the free place. */
    if (why != NULL)
        print_closed(number, why);
    else
        print_closed_by_last_error(number);
}

static void end_failed_session(session_t *session) {
    const char *why = NULL;
    if (session->served.phase == RESTING && anwdl_last_error_reason() == ANWDL_REASON_TIMEOUT)
        why = "idle for too long";
    /* The library only sees a closed connection. */
    else if (admission_gave_way(session->served.admission, &session->served.place))
        why = "gave way to another client";
    end_session(session, why);
}

/* Puts the session into a list of deadlines, with the time left for its operation. */
static void wait_in(session_t *session, deadlines_t *list) {
    deadlines_put(list, &session->deadline, anwdl_client_get_time_left(session->served.client));
}

/* Lets epoll wait for the session. Mostly, the events are already the right ones. */
static void wait_for_peer(session_t *session, uint32_t events) {
    loop_t *loop = session->loop;
    struct epoll_event event = {.events = events, .data.ptr = session};
    int action = session->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    wait_in(session, session->served.phase == RESTING ? &loop->resting : &loop->operations);
    if (session->events != events && epoll_ctl(loop->epoll_fd, action, session->fd, &event) != 0)
        end_session(session, "epoll failed");
    else
        session->events = events;
}

/* Passes the session to the workers. Removes it from epoll, which would report a broken connection
 * in any case. */
static void compute_elsewhere(session_t *session) {
    server_t *server = session->loop->server;
    if (session->events != 0 &&
        epoll_ctl(session->loop->epoll_fd, EPOLL_CTL_DEL, session->fd, NULL) != 0) {
        end_session(session, "epoll failed");
        return;
    }
    session->events = 0;
    session->is_computing = true;
    wait_in(session, &session->loop->computing);
    bool is_queued =
        admission_queue(session->served.admission, &session->served.place, session->deadline.time);
    /* In both cases, because another computation may have given way. */
    workers_wake(&server->workers);
    if (!is_queued)
        end_session(session, "too many key exchanges");
}

/* Runs the session until it has to wait. */
static void go_on(session_t *session) {
    served_t *served = &session->served;
    for (;;) {
        anwdl_event_t event = anwdl_client_next_event(served->client, &served->request);
        switch (event) {
        case ANWDL_EVENT_WANT_READ:
        case ANWDL_EVENT_WANT_WRITE:
            if (served_may_wait(served, session->loop->is_draining))
                wait_for_peer(session, event == ANWDL_EVENT_WANT_READ ? EPOLLIN : EPOLLOUT);
            else
                end_session(session, "the server stops");
            return;
        case ANWDL_EVENT_WANT_COMPUTATION:
            compute_elsewhere(session);
            return;
        default:
            if (!served_handle(served, event)) {
                end_failed_session(session);
                return;
            }
        }
    }
}

/* The key exchange reports whether the computation succeeded. */
static void handle_computed(session_t *session) {
    session->is_computing = false;
    if (session->loop->is_draining)
        end_session(session, "the server stops");
    else if (session->why_not != NULL)
        end_session(session, session->why_not);
    else if (session->computed)
        go_on(session);
    else
        end_session(session, "the key could not be computed");
}

static void handle_new(session_t *session) {
    served_t *served = &session->served;
    const server_base_t *base = &session->loop->server->base;
    if (session->loop->is_draining) {
        end_session(session, "the server stops");
    } else if (anwdl_client_new(session->fd, base->client_options, &served->client) != ANWDL_OK) {
        end_failed_session(session);
    } else {
        print_connected(served->number, anwdl_client_get_ip(served->client));
        served_begin(served, EXCHANGING);
        go_on(session);
    }
}

/* -- one loop ---------------------------------------------------------------------------------- */

/* Ends sessions after their deadline: the library fails when it is called then, even if the peer
 * sends a byte now and then. */
static void end_late_sessions(deadlines_t *list) {
    int64_t now = get_time();
    while (list->first != NULL && list->first->time <= now) {
        /* The library's clock may be a moment behind. */
        list->first->time = now + 1;
        go_on(list->first->owner);
    }
}

static void move_all(deadlines_t *from, deadlines_t *to) {
    while (from->first != NULL)
        deadlines_put(to, from->first, 0);
}

static bool is_told(server_t *server, const bool *what) {
    pthread_mutex_lock(&server->mutex);
    bool is_true = *what;
    pthread_mutex_unlock(&server->mutex);
    return is_true;
}

/* Ends sessions without a request, once they have looked whether one has come. Those with the
   workers end when they come back. Each has one turn: out of this list it comes into another one,
   where peers who always ask more may stay until the server stops. */
static void begin_to_drain(loop_t *loop) {
    loop->is_draining = true;
    move_all(&loop->operations, &loop->undrained);
    move_all(&loop->resting, &loop->undrained);
    while (loop->undrained.first != NULL && !is_told(loop->server, &loop->server->stops))
        go_on(loop->undrained.first->owner);
}

/* Returns false if the loop must stop. */
static bool handle_wake(loop_t *loop) {
    server_t *server = loop->server;
    session_t *session;
    eventfd_t count;
    /* First, so that later changes wake the loop again. */
    eventfd_read(loop->wake_fd, &count);
    if (is_told(server, &server->drains) && !loop->is_draining)
        begin_to_drain(loop);
    while (!is_told(server, &server->stops)) {
        if ((session = queue_pop(&loop->inbox)) == NULL)
            return true;
        if (session->is_computing)
            handle_computed(session);
        else
            handle_new(session);
    }
    return false;
}

static void *run_loop(void *argument) {
    loop_t *loop = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    bool runs = true;
    while (runs) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE,
                               deadlines_get_wait(&loop->operations, &loop->resting));
        bool is_woken = false;
        for (int at = 0; at < count; at++) {
            if (events[at].data.ptr == loop)
                is_woken = true;
            else
                go_on(events[at].data.ptr);
        }
        /* Last, because it may end a session that has an event here. */
        if (is_woken)
            runs = handle_wake(loop);
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
}

static bool start_loop(server_t *server) {
    loop_t *loop = &server->loops[server->loop_count];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop};
    *loop = (loop_t){.server = server, .inbox = QUEUE_INITIALIZER};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd >= 0 && loop->wake_fd >= 0 &&
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) == 0 &&
        pthread_create(&loop->thread, NULL, run_loop, loop) == 0) {
        server->loop_count++;
        return true;
    }
    close_loop(loop);
    return false;
}

static bool start_threads(server_t *server, size_t loops) {
    bool started = true;
    while (started && server->loop_count < loops)
        started = start_loop(server);
    if (started && workers_start(&server->workers, server->base.options.limits.computations_at_once,
                                 compute_next, server))
        return true;
    fputs("not all threads could be started\n", stderr);
    return false;
}

static void tell_loops(server_t *server, bool *what) {
    pthread_mutex_lock(&server->mutex);
    *what = true;
    pthread_mutex_unlock(&server->mutex);
    for (size_t at = 0; at < server->loop_count; at++)
        eventfd_write(server->loops[at].wake_fd, 1);
}

/* Call this after the loop and the workers have ended. */
static void free_sessions(loop_t *loop) {
    session_t *session;
    while ((session = queue_pop(&loop->inbox)) != NULL)
        end_session(session, "the server stops");
    deadlines_t *const lists[] = {&loop->operations, &loop->resting, &loop->computing,
                                  &loop->undrained};
    for (size_t at = 0; at < sizeof lists / sizeof lists[0]; at++)
        while (lists[at]->first != NULL)
            end_session(lists[at]->first->owner, "the server stops");
}

/* The workers first, because they post their results to the loops. */
static void stop_threads(server_t *server) {
    workers_stop(&server->workers);
    tell_loops(server, &server->stops);
    for (size_t at = 0; at < server->loop_count; at++)
        pthread_join(server->loops[at].thread, NULL);
    for (size_t at = 0; at < server->loop_count; at++) {
        free_sessions(&server->loops[at]);
        close_loop(&server->loops[at]);
    }
}

/* The descriptor stays open until the place is left. The loop notices that the connection ends. */
static void give_way(place_t *place) {
    const session_t *session = place->owner;
    (void)shutdown(session->fd, SHUT_RDWR);
}

static void serve(server_t *server, int signals) {
    struct sockaddr_storage peer;
    int signal_number = 0;
    int fd;
    while ((fd = accept_client(server->base.listener, signals, &peer, &signal_number)) >= 0) {
        session_t *session = served_new(sizeof *session, &server->base, fd, &peer);
        if (session == NULL)
            continue;
        session->loop = &server->loops[session->served.number % server->loop_count];
        session->fd = fd;
        session->deadline.owner = session->in_inbox.owner = session;
        post(session);
    }
    /* New clients are refused immediately. */
    (void)shutdown(server->base.listener, SHUT_RDWR);
    if (signal_number != SIGTERM)
        return;
    /* Requests under way have some time to finish. */
    tell_loops(server, &server->drains);
    server_drain(&server->base, signals);
}

int main(int argc, char **argv) {
    static server_t server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .workers = WORKERS_INITIALIZER};
    size_t loops = 2;
    const number_option_t own[] = {{"threads", "event loops", 1, MAX_THREADS, &loops},
                                   {NULL, NULL, 0, 0, NULL}};
    int signals = -1;
    /* Before the threads start, so they inherit the blocked signals. */
    bool serves =
        server_open(&server.base, argc, argv, own, give_way) &&
        raise_descriptor_limit(&server.base.options, loops * DESCRIPTORS_OF_LOOP) &&
        anwdl_client_options_set_non_blocking(server.base.client_options, true) == ANWDL_OK &&
        (signals = open_signals()) >= 0 && start_threads(&server, loops);
    if (serves) {
        server_announce(&server.base);
        serve(&server, signals);
    }
    stop_threads(&server);
    server_close(&server.base);
    if (serves)
        print_event("stopped");
    return serves ? EXIT_SUCCESS : EXIT_FAILURE;
}
