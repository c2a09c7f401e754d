/* A thread for each client. */
#include "serving.h"
#include <pthread.h>

int main(int argc, char **argv) {
    anwdl_client_options_t *options = make_options(argc, argv);
    int listener = open_listener(argc, argv);
    if (options == NULL || listener < 0 || !stop_at_signals())
        return EXIT_FAILURE;
    while (!is_stopping) {
        anwdl_client_t *client = NULL;
        pthread_t thread;
        int fd = accept_one(listener);
        if (fd < 0)
            continue;
        if (anwdl_client_new(fd, options, &client) != ANWDL_OK)
            close(fd);
        else if (pthread_create(&thread, NULL, serve_to_the_end, client) != 0)
            anwdl_client_free(client);
        else
            pthread_detach(thread);
    }
    close(listener);
    anwdl_client_options_free(options);
    pthread_exit(NULL); /* the process ends with its last thread */
}
