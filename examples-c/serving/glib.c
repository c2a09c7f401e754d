/* Many clients on one thread, in a GLib main loop: one source on the descriptor for each wait. */
#include "serving.h"
#include <glib-unix.h>

static anwdl_client_options_t *options;
static int client_count;

/* One wait, and no longer than that. */
static void watch(int fd, GIOCondition wanted, int milliseconds, GUnixFDSourceFunc function,
                  gpointer data) {
    GSource *source = g_unix_fd_source_new(fd, wanted);
    gint64 end = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
    g_source_set_callback(source, G_SOURCE_FUNC(function), data, NULL);
    g_source_set_ready_time(source, end);
    g_source_attach(source, NULL);
    g_source_unref(source); /* the loop has it */
}

/* Goes as far as it can without waiting, and ends a client that goes no further. */
static gboolean advance(int fd, GIOCondition happened, gpointer client) {
    anwdl_event_t event = serve(client);
    int wait = get_wait(anwdl_client_get_time_left(client));
    if (is_waiting(event)) {
        watch(fd, event == ANWDL_EVENT_WANT_READ ? G_IO_IN : G_IO_OUT, wait, advance, client);
    } else {
        anwdl_client_free(client); /* which closes the descriptor */
        client_count--;
    }
    return G_SOURCE_REMOVE;
}

static gboolean accept_next(int listener, GIOCondition happened, gpointer nothing) {
    anwdl_client_t *client = accept_client(listener, 0, options);
    if (client != NULL) {
        client_count++;
        advance(anwdl_client_get_socket_descriptor(client), 0, client);
    }
    if (is_stopping)
        close(listener);
    else
        watch(listener, G_IO_IN, 1000, accept_next, NULL);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
    int listener = start_serving(argc, argv, &options);
    if (listener < 0)
        return EXIT_FAILURE;
    watch(listener, G_IO_IN, 1000, accept_next, NULL);
    while (!is_stopping || client_count > 0)
        g_main_context_iteration(NULL, TRUE);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
