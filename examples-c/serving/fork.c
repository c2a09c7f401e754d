/* A process for each client: what happens to one, happens to no other. */
#include "serving.h"
#include <sys/wait.h>

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

int main(int argc, char **argv) {
    /* With the key pair, before the first fork: else every child would make one. */
    anwdl_client_options_t *options = NULL;
    int stopping[2], listener = start_serving(argc, argv, &options);
    if (listener < 0 || pipe(stopping) != 0)
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
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    close(listener);
    close(stopping[1]);
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
