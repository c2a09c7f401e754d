/* A process for each client: what happens to one, happens to no other. */
#include <anwdl.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool answer(anwdl_client_t *client, anwdl_request_t *request) {
    bool is_stat = request != NULL && strcmp(anwdl_request_get_verb(request), "STAT") == 0;
    const char *message = is_stat           ? ANWDL_RESPONSE_MSG_OK
                          : request != NULL ? ANWDL_RESPONSE_MSG_REFUSED_REQ
                                            : ANWDL_RESPONSE_MSG_BAD_REQ;
    const char *data = is_stat ? "{\"uptime\": 60, \"version\": \"1.0.0\"}" : NULL;
    anwdl_request_free(request);
    return anwdl_client_send_response(client, is_stat, message, data, NULL) == ANWDL_OK;
}

static void serve(anwdl_client_t *client) {
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
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *keys = NULL;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    /* The key pair is made before the first fork: else every child would make one. */
    if (anwdl_rsa_wrapper_new(true, &keys) != ANWDL_OK ||
        anwdl_client_options_set_rsa_wrapper(options, keys) != ANWDL_OK ||
        anwdl_client_options_set_timeout(options, 10000) != ANWDL_OK ||
        signal(SIGCHLD, SIG_IGN) == SIG_ERR || /* nobody waits for the children */
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, SOMAXCONN) != 0)
        return EXIT_FAILURE;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0) {
            anwdl_client_t *client = NULL;
            if (anwdl_client_new(fd, options, &client) == ANWDL_OK)
                serve(client);
            _exit(EXIT_SUCCESS);
        }
        if (fd >= 0)
            close(fd); /* the child's from here on */
        else
            usleep(100000); /* no descriptors: others may end meanwhile */
    }
}
