/* A process for each client: what happens to one, happens to no other. */
#include "serving.h"
#include <sys/wait.h>

enum { MOST_CHILDREN = 256 };

/* Until the client has ended. When the parent closes its end of the pipe, or dies, stop. */
static void run(int fd, int parent, const anwdl_client_options_t *options) {
    anwdl_client_t *client = NULL;
    anwdl_event_t event = ANWDL_EVENT_ENDED;
    if (anwdl_client_new(fd, options, &client) == ANWDL_OK)
        event = serve(client);
    while (is_waiting(event)) {
        struct pollfd entries[] = {{fd, event == ANWDL_EVENT_WANT_READ ? POLLIN : POLLOUT, 0},
                                   {is_stopping ? -1 : parent, POLLIN, 0}};
        poll(entries, 2, get_wait(anwdl_client_get_time_left(client)));
        if (entries[1].revents != 0)
            is_stopping = true;
        event = serve(client);
    }
    anwdl_client_free(client);
}

/* SIGCHLD interrupts a wait only if it has a handler. */
static void on_child_end(int signal_number) {
    (void)signal_number;
}

/* Forgets the children that have ended. If there may be no more, waits for the end of one, or until
   the server stops. Signals are blocked but for the wait, so that none comes just before it. */
static void reap(int *count) {
    sigset_t all, usual;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &usual);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            --*count;
        if (*count < MOST_CHILDREN || is_stopping)
            break;
        sigsuspend(&usual);
    }
    sigprocmask(SIG_SETMASK, &usual, NULL);
}

int main(int argc, char **argv) {
    /* With the key pair, before the first fork: else every child would make one. */
    anwdl_client_options_t *options = NULL;
    int stopping[2], count = 0, listener = start_serving(argc, argv, &options);
    if (listener < 0 || pipe(stopping) != 0 || signal(SIGCHLD, on_child_end) == SIG_ERR)
        return EXIT_FAILURE;
    while (!is_stopping) {
        int fd = accept_one(listener, 1000);
        pid_t child = fd < 0 ? -1 : fork();
        if (child == 0) {
            close(listener); /* else nobody could listen again while a child is left */
            close(stopping[1]);
            run(fd, stopping[0], options);
            anwdl_client_options_free(options);
            _exit(EXIT_SUCCESS);
        }
        if (fd >= 0)
            close(fd); /* the child's from here on */
        count += child > 0;
        reap(&count);
    }
    close(listener);
    close(stopping[1]);
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
