/* Asks several servers at once, on one thread: poll_client HOST PORT [HOST PORT]... */
#include <anwdl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_SERVERS = 64 };

/* Goes as far as it can without waiting. Gives what to wait for; 0 when it is over. */
static short advance(anwdl_client_interface_t *server, const char *host) {
    for (;;) {
        anwdl_response_t *response = NULL;
        int64_t uptime;
        switch (anwdl_client_interface_next_event(server, &response)) {
        case ANWDL_EVENT_WANT_READ:
            return POLLIN;
        case ANWDL_EVENT_WANT_WRITE:
            return POLLOUT;
        case ANWDL_EVENT_CONNECTED: /* with epoll: add the descriptor, which has changed */
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_REQUEST_SENT:
            break;
        case ANWDL_EVENT_YOUR_TURN:
            if (anwdl_client_interface_send_request(server, "STAT", NULL) < ANWDL_OK)
                return 0;
            break;
        case ANWDL_EVENT_RESPONSE:
            if (anwdl_response_get_integer(response, "uptime", &uptime))
                printf("%s: up for %lld seconds\n", host, (long long)uptime);
            else /* what else it says could control the terminal: client.c shows how to print it */
                printf("%s: no uptime\n", host);
            anwdl_response_free(response);
            return 0;
        default:
            printf("%s: %s\n", host, anwdl_last_error_message());
            return 0;
        }
    }
}

int main(int argc, char **argv) {
    anwdl_client_interface_t *servers[MOST_SERVERS] = {NULL};
    anwdl_client_options_t *options = anwdl_client_options_new();
    int count = (argc - 1) / 2 < MOST_SERVERS ? (argc - 1) / 2 : MOST_SERVERS;
    anwdl_rsa_wrapper_t *keys = NULL;
    /* A key pair takes seconds to make, which would be a part of the servers' time otherwise. */
    if (anwdl_rsa_wrapper_new(true, &keys) != ANWDL_OK ||
        anwdl_client_options_set_rsa_wrapper(options, keys) != ANWDL_OK ||
        anwdl_client_options_set_non_blocking(options, true) != ANWDL_OK ||
        anwdl_client_options_set_timeout(options, 10000) != ANWDL_OK)
        return EXIT_FAILURE;
    for (int at = 0; at < count; at++) {
        const char *host = argv[1 + 2 * at];
        uint16_t port = (uint16_t)atoi(argv[2 + 2 * at]);
        if (anwdl_client_interface_new(options, &servers[at]) != ANWDL_OK ||
            anwdl_client_interface_connect_server(servers[at], host, port) < ANWDL_OK) {
            printf("%s: %s\n", host, anwdl_last_error_message());
            anwdl_client_interface_free(servers[at]);
            servers[at] = NULL;
        }
    }
    for (;;) {
        struct pollfd entries[MOST_SERVERS];
        nfds_t waiting = 0;
        int wait = -1; /* until the first of them has no time left */
        for (int at = 0; at < count; at++) {
            short events = servers[at] != NULL ? advance(servers[at], argv[1 + 2 * at]) : 0;
            if (events == 0) {
                anwdl_client_interface_free(servers[at]);
                servers[at] = NULL;
                continue;
            }
            entries[waiting].fd = anwdl_client_interface_get_socket_descriptor(servers[at]);
            entries[waiting++].events = events;
            int left = anwdl_client_interface_get_time_left(servers[at]);
            if (left >= 0 && (wait < 0 || left < wait))
                wait = left;
        }
        if (waiting == 0)
            break;
        poll(entries, waiting, wait);
    }
    anwdl_rsa_wrapper_free(keys);
    anwdl_client_options_free(options);
    return EXIT_SUCCESS;
}
