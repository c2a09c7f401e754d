/* Turns (a request and its response) as the connecting side takes them, in two manners:

   - waiting, on a thread of its own, as a real client does: each message goes out when its turn
     has come, so that the server has to wait for it;
   - ahead, on the thread of the server: everything that the client will say in the turn is sent at
     once, the server then finds it there and never waits, and the response is read in the end. */
#ifndef TURNS_H
#define TURNS_H

#include "wire.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes a turn moves, and the response as it came. */
typedef struct {
    size_t request_header_size;
    size_t request_packet_size;
    size_t response_header_size;
    size_t response_packet_size;
    uint8_t *response; /* header and packet */
    bool is_answered;
} turn_t;

void turn_free(turn_t *turn);

/* One who asks, on any number of connections. */
typedef struct {
    wire_t wire;
    const char *request; /* JSON */
    size_t request_len;

    /* The server sends the first response of a session again and again. */
    bool is_response_replayed;

    /* Where to keep the turn in, unless NULL. */
    turn_t *record;

    uint8_t *response;
    size_t response_capacity;
} asker_t;

void asker_init(asker_t *asker, anwdl_protocol_t framing, const char *request);
void asker_free(asker_t *asker);

/* One turn, waiting. */
void ask(asker_t *asker, int fd);

/* The two halves of a turn ahead. The whole turn has to fit into the buffers of the socket. */
void ask_ahead(asker_t *asker, int fd);
void hear_ahead(asker_t *asker, int fd);

/* One connection of an asker. */
typedef struct {
    int fd;
    wire_state_t state;
} asked_session_t;

/* Turns, waiting: the k-th is taken in the session order[k % session_count]. */
typedef struct {
    asker_t *asker;
    asked_session_t *sessions;
    const size_t *order;
    size_t session_count;
    size_t turn_count;
    pthread_t thread;
} asking_t;

void take_turns(asking_t *asking);

/* On a thread of their own. */
void asking_start(asking_t *asking);
void asking_join(asking_t *asking);

#endif
