/* A thread for each client. */
#include "serving.h"
#include <pthread.h>

int main(int argc, char **argv) {
    anwdl_client_options_t *options = make_options(argc, argv);
    int listener = open_listener(argc, argv);
    if (options == NULL || listener < 0 || !stop_at_signals())
        return EXIT_FAILURE;
    while (!is_stopping) {
        anwdl_client_t *client = accept_client(listener, 1000, options);
        pthread_t thread;
        if (client != NULL && pthread_create(&thread, NULL, serve_to_the_end, client) == 0)
            pthread_detach(thread);
        else
            anwdl_client_free(client);
    }
    close(listener);
    anwdl_client_options_free(options);
    pthread_exit(NULL); /* the process ends with its last thread */
}
