/* Many clients on one thread, with libevent: one event on the descriptor for each wait. */
#include "serving.h"
#include <event2/event.h>

static struct event_base *base;
static anwdl_client_options_t *options;

/* One wait, and no longer than that; -1 for no limit. */
static bool watch(int fd, short wanted, int milliseconds, event_callback_fn function, void *data) {
    const struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    return event_base_once(base, fd, wanted, function, data, milliseconds < 0 ? NULL : &time) == 0;
}

/* Goes as far as it can without waiting. The library knows by itself when the time is over. */
static void advance(int fd, short happened, void *client) {
    anwdl_event_t event = serve(client);
    short wanted = event == ANWDL_EVENT_WANT_READ    ? EV_READ
                   : event == ANWDL_EVENT_WANT_WRITE ? EV_WRITE
                                                     : 0;
    if (wanted == 0 || !watch(fd, wanted, anwdl_client_get_time_left(client), advance, client))
        anwdl_client_free(client); /* which closes the descriptor */
}

static void accept_client(int unused, short happened, void *listener) {
    anwdl_client_t *client = NULL;
    int fd = accept(*(int *)listener, NULL, NULL);
    if (fd >= 0 && anwdl_client_new(fd, options, &client) == ANWDL_OK)
        advance(fd, happened, client);
    else if (fd >= 0)
        close(fd);
    /* When there are no descriptors, others may end meanwhile. */
    if (!(fd < 0 ? watch(-1, EV_TIMEOUT, 100, accept_client, listener)
                 : watch(*(int *)listener, EV_READ, -1, accept_client, listener)))
        event_base_loopbreak(base);
}

int main(int argc, char **argv) {
    int listener = open_listener(argc, argv, SOCK_NONBLOCK);
    options = make_options(argc, argv, true);
    base = event_base_new();
    if (listener < 0 || options == NULL || base == NULL ||
        !watch(listener, EV_READ, -1, accept_client, &listener))
        return EXIT_FAILURE;
    return event_base_dispatch(base);
}
