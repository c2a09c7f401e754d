#include "event_loop.h"

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256 };

static const server_calls_t *server;
static int epoll_fd;
/* These two have a place of their own among the connections. */
static connection_t listener;
static connection_t wake;

static int listen_on(uint16_t port) {
    struct sockaddr_in address;
    int on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    MUST(fd >= 0);
    MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    MUST(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    MUST(listen(fd, SOMAXCONN) == 0);
    return fd;
}

void loop_remember(connection_t *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) == 0);
}

void loop_forget(connection_t *connection) {
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL) == 0);
}

void loop_close(connection_t *connection) {
    int fd = connection->fd;
    server->free(connection);
    close(fd);
}

void loop_wake(void) {
    MUST(eventfd_write(wake.fd, 1) == 0);
}

static void accept_all(void) {
    int fd;
    while ((fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        set_no_delay(fd);
        loop_remember(server->open(fd));
    }
    MUST(errno == EAGAIN || errno == ECONNABORTED);
}

static void handle(connection_t *connection) {
    eventfd_t count;
    if (connection == &listener) {
        accept_all();
    } else if (connection == &wake) {
        MUST(eventfd_read(wake.fd, &count) == 0);
        server->woken();
    } else if (!server->go_on(connection)) {
        loop_close(connection);
    }
}

_Noreturn void loop_run(uint16_t port, const server_calls_t *calls) {
    struct epoll_event events[EVENTS_AT_ONCE];
    server = calls;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = listen_on(port);
    wake.fd = eventfd(0, EFD_CLOEXEC);
    MUST(epoll_fd >= 0 && wake.fd >= 0);
    loop_remember(&listener);
    loop_remember(&wake);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
        MUST(count >= 0 || errno == EINTR);
        for (int at = 0; at < count; at++)
            handle(events[at].data.ptr);
    }
}
