/* A server in the test itself, which does to one client what no real server would do. */
#ifndef OWN_SERVER_H
#define OWN_SERVER_H

#include <pthread.h>
#include <stdint.h>

typedef struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*script)(int fd);
} own_server_t;

/* Accepts a client on a thread of its own and plays the script, which closes the descriptor. */
void start_own_server(own_server_t *server, int listener, void (*script)(int fd));
void join_own_server(own_server_t *server);

/* A script: exchanges keys in any framing, and answers one request with all that a terminal must
   not see. */
void answer_with_escapes(int fd);

/* Checks that a terminal would show the text as it is: it obeys no character in it but the line
   feeds. */
void check_harmless(const char *text);

#endif
