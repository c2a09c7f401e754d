/* A thread for each client: every call waits, up to the timeout. */
#include <anwdl.h>
#include <arpa/inet.h>
#include <pthread.h>
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

static void *serve(void *argument) {
    anwdl_client_t *client = argument;
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
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    anwdl_client_options_t *options = anwdl_client_options_new();
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    /* The keys are exchanged on the client's own thread, and not here, by anwdl_client_new(). */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        anwdl_client_options_set_exchange_keys(options, false) != ANWDL_OK ||
        anwdl_client_options_set_timeout(options, 10000) != ANWDL_OK)
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
