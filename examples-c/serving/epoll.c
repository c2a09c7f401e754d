/* Many clients on one thread, with epoll. */
#define _GNU_SOURCE /* accept4 */
#include <anwdl.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 1024 };
static anwdl_client_t *clients[MOST_DESCRIPTORS]; /* by descriptor */

static bool answer(anwdl_client_t *client, anwdl_request_t *request) {
    bool is_stat = request != NULL && strcmp(anwdl_request_get_verb(request), "STAT") == 0;
    const char *message = is_stat           ? ANWDL_RESPONSE_MSG_OK
                          : request != NULL ? ANWDL_RESPONSE_MSG_REFUSED_REQ
                                            : ANWDL_RESPONSE_MSG_BAD_REQ;
    const char *data = is_stat ? "{\"uptime\": 60, \"version\": \"1.0.0\"}" : NULL;
    anwdl_request_free(request);
    return anwdl_client_send_response(client, is_stat, message, data, NULL) >= ANWDL_OK;
}

/* Goes as far as it can without waiting, and ends a client that goes no further. */
static void advance(int epoll_fd, int fd) {
    for (bool goes_on = true; goes_on;) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        anwdl_request_t *request = NULL;
        switch (anwdl_client_next_event(clients[fd], &request)) {
        case ANWDL_EVENT_WANT_WRITE:
            event.events = EPOLLOUT;
            /* fall through */
        case ANWDL_EVENT_WANT_READ:
            if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
                return;
            goes_on = false;
            break;
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            goes_on = answer(clients[fd], request);
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            goes_on = false;
        }
    }
    anwdl_client_free(clients[fd]); /* which closes the descriptor, and epoll forgets it */
    clients[fd] = NULL;
}

int main(int argc, char **argv) {
    uint16_t port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    struct sockaddr_in address = {AF_INET, port, {htonl(INADDR_LOOPBACK)}, {0}};
    anwdl_client_options_t *options = anwdl_client_options_new();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0 ||
        anwdl_client_options_set_non_blocking(options, true) != ANWDL_OK ||
        anwdl_client_options_set_timeout(options, 10000) != ANWDL_OK)
        return EXIT_FAILURE;
    for (;;) {
        int fd, count = epoll_wait(epoll_fd, &event, 1, 1000);
        if (count > 0 && event.data.fd != listener)
            advance(epoll_fd, event.data.fd);
        else if (count > 0 && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
            event.data.fd = fd;
            if (fd >= MOST_DESCRIPTORS || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 ||
                anwdl_client_new(fd, options, &clients[fd]) != ANWDL_OK)
                close(fd);
            else
                advance(epoll_fd, fd);
        }
        for (fd = 0; fd < MOST_DESCRIPTORS; fd++) /* those whose time is over */
            if (clients[fd] != NULL && anwdl_client_get_time_left(clients[fd]) == 0)
                advance(epoll_fd, fd);
    }
}
