/* A thread for each client. */
#include "serving.h"
#include <pthread.h>

int main(int argc, char **argv) {
    anwdl_client_options_t *options = NULL;
    int listener = start_serving(argc, argv, &options);
    if (listener < 0)
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
