/* Many clients on one thread, with libevent: one event on the descriptor for each wait. */
#include "serving.h"
#include <event2/event.h>

static struct event_base *base;
static anwdl_client_options_t *options;

/* One wait, and no longer than that. */
static bool watch(int fd, short wanted, int milliseconds, event_callback_fn function, void *data) {
    const struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    return event_base_once(base, fd, wanted, function, data, &time) == 0;
}

/* Goes as far as it can without waiting, and ends a client that goes no further. */
static void advance(int fd, short happened, void *client) {
    anwdl_event_t event = serve(client);
    int wait = get_wait(anwdl_client_get_time_left(client));
    short wanted = event == ANWDL_EVENT_WANT_READ    ? EV_READ
                   : event == ANWDL_EVENT_WANT_WRITE ? EV_WRITE
                                                     : 0;
    if (wanted == 0 || !watch(fd, wanted, wait, advance, client))
        anwdl_client_free(client); /* which closes the descriptor */
}

static void accept_next(int listener, short happened, void *nothing) {
    anwdl_client_t *client = accept_client(listener, 0, options);
    if (client != NULL)
        advance(anwdl_client_get_socket_descriptor(client), 0, client);
    if (is_stopping || !watch(listener, EV_READ, 1000, accept_next, NULL))
        close(listener);
}

int main(int argc, char **argv) {
    int listener = start_serving(argc, argv, &options);
    base = event_base_new();
    if (listener < 0 || base == NULL || !watch(listener, EV_READ, 1000, accept_next, NULL))
        return EXIT_FAILURE;
    int result = event_base_dispatch(base); /* until there is nothing to wait for */
    event_base_free(base);
    anwdl_client_options_free(options);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
