/* Many clients on one thread, with libuv: it tells when a descriptor is ready. */
#define _GNU_SOURCE /* for uv.h */
#include "serving.h"
#include <uv.h>

static anwdl_client_options_t *options;
static uv_poll_t incoming; /* its data is NULL, and so is the timer's: they are no clients */
static int listener, client_count, next_wait;

static void forget(uv_handle_t *poll) {
    anwdl_client_free(poll->data); /* which closes the descriptor */
    free(poll);
    client_count--;
}

/* Goes as far as it can without waiting, and ends a client that goes no further. */
static void advance(uv_poll_t *poll, int status, int events) {
    anwdl_event_t event = serve(poll->data);
    int wanted = event == ANWDL_EVENT_WANT_READ    ? UV_READABLE
                 : event == ANWDL_EVENT_WANT_WRITE ? UV_WRITABLE
                                                   : 0;
    if (wanted == 0 || uv_poll_start(poll, wanted, advance) != 0)
        uv_close((uv_handle_t *)poll, forget);
}

static void accept_next(uv_poll_t *unused, int status, int events) {
    anwdl_client_t *client = accept_client(listener, 0, options);
    uv_poll_t *poll = client == NULL ? NULL : malloc(sizeof *poll);
    int fd = anwdl_client_get_socket_descriptor(client);
    if (poll != NULL && uv_poll_init(incoming.loop, poll, fd) == 0) {
        poll->data = client;
        client_count++;
        advance(poll, 0, 0);
    } else {
        anwdl_client_free(client);
        free(poll);
    }
}

/* Those whose time is over; and when the first of the others' will be. */
static void check_time(uv_handle_t *handle, void *timer) {
    if (handle->data == NULL || uv_is_closing(handle))
        return;
    int wait = get_wait(anwdl_client_get_time_left(handle->data));
    if (is_stopping || wait == 0)
        advance((uv_poll_t *)handle, 0, 0);
    else if (wait < next_wait)
        next_wait = wait;
}

static void check_all(uv_timer_t *timer) {
    next_wait = 1000;
    uv_walk(timer->loop, check_time, NULL);
    uv_timer_start(timer, check_all, (uint64_t)next_wait, 0);
    if (is_stopping && listener >= 0) {
        uv_close((uv_handle_t *)&incoming, NULL);
        close(listener);
        listener = -1;
    }
    if (is_stopping && client_count == 0)
        uv_stop(timer->loop);
}

int main(int argc, char **argv) {
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t timer = {.data = NULL};
    listener = start_serving(argc, argv, &options);
    if (listener < 0 || uv_poll_init(loop, &incoming, listener) != 0 ||
        uv_poll_start(&incoming, UV_READABLE, accept_next) != 0 ||
        uv_timer_init(loop, &timer) != 0 || uv_timer_start(&timer, check_all, 1000, 0) != 0)
        return EXIT_FAILURE;
    uv_run(loop, UV_RUN_DEFAULT);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
