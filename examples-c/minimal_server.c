/* A complete Anweddol server: answers STAT, refuses every other verb. Only for trying things out:
   it serves one client at a time, without a timeout or any other limit, so one client that does
   nothing keeps all others out. The other servers in this folder do better. */
#include <anwdl.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static anwdl_status_t answer_one_request(anwdl_client_t *client) {
    anwdl_request_t *request = NULL;
    anwdl_status_t status = anwdl_client_recv_request(client, false, &request);
    if (status != ANWDL_OK)
        return status;
    bool is_stat = strcmp(anwdl_request_get_verb(request), "STAT") == 0;
    anwdl_request_free(request);
    if (!is_stat)
        return anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL,
                                          NULL);
    const char *data = "{\"uptime\": 60, \"version\": \"1.0.0\"}";
    return anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1; /* restart even while old connections linger */
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 16) != 0) {
        perror("cannot listen");
        return EXIT_FAILURE;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        anwdl_client_t *client = NULL;
        anwdl_status_t status = anwdl_client_new(fd, NULL, &client); /* exchanges the keys too */
        if (status != ANWDL_OK)
            close(fd); /* there is no client to own it */
        while (status == ANWDL_OK)
            status = answer_one_request(client);
        fprintf(stderr, "session ended: %s\n", anwdl_last_error_message());
        anwdl_client_free(client);
    }
}
