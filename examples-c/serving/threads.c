/* A thread for each client: every call waits, up to the timeout. */
#include "serving.h"
#include <pthread.h>

static void *serve(void *client) {
    for (bool goes_on = true; goes_on;) {
        anwdl_request_t *request = NULL;
        switch (anwdl_client_next_event(client, &request)) {
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            goes_on = answer(client, request);
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            goes_on = false;
        }
    }
    anwdl_client_free(client);
    return NULL;
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = make_options(argc, argv, false);
    int listener = open_listener(argc, argv, 0);
    /* The keys are exchanged on the client's own thread, and not here, by anwdl_client_new(). */
    if (listener < 0 || anwdl_client_options_set_exchange_keys(options, false) != ANWDL_OK)
        return EXIT_FAILURE;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        anwdl_client_t *client = NULL;
        pthread_t thread;
        if (fd < 0)
            usleep(100000); /* no descriptors: others may end meanwhile */
        else if (anwdl_client_new(fd, options, &client) != ANWDL_OK)
            close(fd);
        else if (pthread_create(&thread, NULL, serve, client) != 0)
            anwdl_client_free(client);
        else
            pthread_detach(thread);
    }
}
