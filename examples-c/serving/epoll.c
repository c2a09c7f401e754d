/* Many clients on one thread, with epoll. */
#include "serving.h"
#include <sys/epoll.h>

enum { MOST_DESCRIPTORS = 1024 };
static anwdl_client_t *clients[MOST_DESCRIPTORS]; /* by descriptor */
static int epoll_fd, client_count;

static bool watch(int fd, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll_fd, operation, fd, &event) == 0;
}

/* Goes as far as it can without waiting, and ends a client that goes no further. */
static void advance(int fd) {
    anwdl_event_t event = serve(clients[fd]);
    uint32_t wanted = event == ANWDL_EVENT_WANT_READ ? EPOLLIN : EPOLLOUT;
    if (is_waiting(event) && watch(fd, EPOLL_CTL_MOD, wanted))
        return;
    anwdl_client_free(clients[fd]); /* which closes the descriptor, and epoll forgets it */
    clients[fd] = NULL;
    client_count--;
}

static void start(anwdl_client_t *client) {
    int fd = anwdl_client_get_socket_descriptor(client);
    if (client != NULL && fd < MOST_DESCRIPTORS && watch(fd, EPOLL_CTL_ADD, 0)) {
        clients[fd] = client;
        client_count++;
        advance(fd);
    } else {
        anwdl_client_free(client);
    }
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = NULL;
    int wait = 1000, fd, listener = start_serving(argc, argv, &options);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || !watch(listener, EPOLL_CTL_ADD, EPOLLIN))
        return EXIT_FAILURE;
    while (!is_stopping || client_count > 0) {
        struct epoll_event event;
        int count = epoll_wait(epoll_fd, &event, 1, wait);
        if (count > 0 && event.data.fd != listener)
            advance(event.data.fd);
        else if (count > 0)
            start(accept_client(listener, 0, options));
        wait = 1000;
        for (fd = 0; fd < MOST_DESCRIPTORS; fd++) { /* those whose time is over, or will be next */
            if (clients[fd] == NULL)
                continue;
            int time = get_wait(anwdl_client_get_time_left(clients[fd]));
            if (is_stopping || time == 0)
                advance(fd);
            else if (time < wait)
                wait = time;
        }
        if (is_stopping && listener >= 0) {
            close(listener);
            listener = -1;
        }
    }
    close(epoll_fd);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
