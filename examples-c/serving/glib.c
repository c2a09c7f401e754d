/* Many clients on one thread, in a GLib main loop: one source on the descriptor for each wait. */
#include "serving.h"
#include <glib-unix.h>

static anwdl_client_options_t *options;

/* One wait, and no longer than that; -1 for no limit. */
static void watch(int fd, GIOCondition wanted, int milliseconds, GUnixFDSourceFunc function,
                  gpointer data) {
    GSource *source = g_unix_fd_source_new(fd, wanted);
    gint64 end = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
    g_source_set_callback(source, G_SOURCE_FUNC(function), data, NULL);
    g_source_set_ready_time(source, milliseconds < 0 ? -1 : end);
    g_source_attach(source, NULL);
    g_source_unref(source); /* the loop has it */
}

/* Goes as far as it can without waiting. The library knows by itself when the time is over. */
static gboolean advance(int fd, GIOCondition happened, gpointer client) {
    anwdl_event_t event = serve(client);
    int time_left = anwdl_client_get_time_left(client);
    if (event == ANWDL_EVENT_WANT_READ || event == ANWDL_EVENT_WANT_WRITE)
        watch(fd, event == ANWDL_EVENT_WANT_READ ? G_IO_IN : G_IO_OUT, time_left, advance, client);
    else
        anwdl_client_free(client); /* which closes the descriptor */
    return G_SOURCE_REMOVE;
}

static gboolean accept_client(int listener, GIOCondition happened, gpointer nothing) {
    anwdl_client_t *client = NULL;
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && anwdl_client_new(fd, options, &client) == ANWDL_OK)
        advance(fd, happened, client);
    else if (fd >= 0)
        close(fd);
    /* When there are no descriptors, others may end meanwhile. */
    watch(listener, fd < 0 ? 0 : G_IO_IN, fd < 0 ? 100 : -1, accept_client, NULL);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
    int listener = open_listener(argc, argv, SOCK_NONBLOCK);
    options = make_options(argc, argv, true);
    if (listener < 0 || options == NULL)
        return EXIT_FAILURE;
    watch(listener, G_IO_IN, -1, accept_client, NULL);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
}
