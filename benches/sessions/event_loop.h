/* A server on one epoll loop, for what stands beside the example servers: written as they are, and
   no more than needed. Whatever fails here ends the program with a message. */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* The first member of what a server keeps of a connection. */
typedef struct {
    int fd;
} connection_t;

typedef struct {
    /* What to keep of a new connection. */
    connection_t *(*open)(int fd);
    /* There is something to read; false when the connection is to be closed. */
    bool (*go_on)(connection_t *connection);
    /* Frees it; its descriptor is closed by the loop. */
    void (*free)(connection_t *connection);
    /* On the thread of the loop, after loop_wake(); may be NULL. */
    void (*woken)(void);
} server_calls_t;

/* Listens on a port of 127.0.0.1 and serves until the process is ended. */
_Noreturn void loop_run(uint16_t port, const server_calls_t *calls);

/* From any thread. */
void loop_wake(void);

/* While a connection is forgotten, nothing is told of it. */
void loop_forget(connection_t *connection);
void loop_remember(connection_t *connection);

/* What go_on() being false does. */
void loop_close(connection_t *connection);

#endif
