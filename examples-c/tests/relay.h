/* What lies between a client and a server, on a thread of its own: it passes bytes in both
   directions, and those of the client as far as the test lets it. */
#ifndef RELAY_H
#define RELAY_H

#include <stddef.h>

typedef struct relay relay_t;

/* Takes over both sockets. It ends as soon as one side does, and then ends the other. */
relay_t *relay_new(int client, int server);
void relay_free(relay_t *relay); /* ends both */

/* The most bytes of the client that it passes, counted from the beginning; SIZE_MAX: all, as it
   does at first. Call it while the client sends nothing, or waits for this. */
void relay_limit(relay_t *relay, size_t most);

size_t relay_get_passed(relay_t *relay);

/* Waits until so many bytes of the client have been passed. */
void relay_await(relay_t *relay, size_t passed);

/* Waits until the server has read all that was passed, over TCP. */
void relay_await_reader(relay_t *relay);

#endif
