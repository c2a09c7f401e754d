/* A thread for each client: every call waits, up to the timeout. */
#include "serving.h"
#include <pthread.h>

static void *run(void *client) {
    (void)serve(client); /* until it is over */
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
        else if (pthread_create(&thread, NULL, run, client) != 0)
            anwdl_client_free(client);
        else
            pthread_detach(thread);
    }
}
