/* A process for each client: what happens to one, happens to no other. */
#include "serving.h"
#include <signal.h>

int main(int argc, char **argv) {
    /* With the key pair, before the first fork: else every child would make one. */
    anwdl_client_options_t *options = make_options(argc, argv, false);
    int listener = open_listener(argc, argv, 0);
    if (listener < 0 || options == NULL ||
        signal(SIGCHLD, SIG_IGN) == SIG_ERR) /* nobody waits for the children */
        return EXIT_FAILURE;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0) {
            anwdl_client_t *client = NULL;
            close(listener); /* else nobody could listen again while a child is left */
            if (anwdl_client_new(fd, options, &client) == ANWDL_OK)
                (void)serve(client); /* until it is over */
            anwdl_client_free(client);
            _exit(EXIT_SUCCESS);
        }
        if (fd >= 0)
            close(fd); /* the child's from here on */
        else
            usleep(100000); /* no descriptors: others may end meanwhile */
    }
}
