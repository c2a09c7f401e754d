/* Turns (a request and its response) as the connecting side takes them, in two manners:

   - waiting, on a thread of its own, as a real client does: each message goes out when its turn
     has come, so that the server has to wait for it;
   - ahead, on the thread of the server: everything that the client will say in the turn is sent at
     once, the server then finds it there and never waits, and the response is read in the end.

   Where keys are exchanged first, the library plays the connecting side; else it is the wire. */
#ifndef TURNS_H
#define TURNS_H

#include "library_peer.h"
#include "wire.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes a turn moves, and the response: header and packet as they came or, in gcm, where
   no record is sent twice, its text. */
typedef struct {
    size_t request_header_size;
    size_t request_packet_size;
    size_t response_header_size;
    size_t response_packet_size;
    uint8_t *response;
    bool is_answered;
} turn_t;

void turn_free(turn_t *turn);

/* One who asks, on any number of connections. */
typedef struct {
    wire_t wire;
    const char *parameters; /* JSON */
    char *request;          /* the same */
    size_t request_len;

    /* Unless NULL, each session begins with a key exchange. */
    anwdl_rsa_wrapper_t *rsa;

    /* Where to keep the turn in, unless NULL. */
    turn_t *record;

    uint8_t *response;
    size_t response_capacity;
} asker_t;

/* Asks for STAT with these parameters. An asker who exchanges keys has those of benches/keys. */
void asker_init(asker_t *asker, anwdl_protocol_t framing, const char *parameters,
                bool exchanges_keys);
void asker_free(asker_t *asker);

/* One connection of an asker. */
typedef struct {
    int fd;
    wire_state_t state;
    anwdl_session_t *library; /* where keys are exchanged */
    bool is_exchanged;
} asked_session_t;

/* On a connection on which nothing was said yet. */
asked_session_t asked_session_new(const asker_t *asker, int fd);
void asked_session_free(asked_session_t *session);

/* While the server does the same on another thread. */
void exchange_keys(asked_session_t *session);

/* One turn, waiting; the first of a session exchanges the keys before, if that is still to be. */
void ask(asker_t *asker, asked_session_t *session);

/* The two halves of a turn ahead. The whole turn has to fit into the buffers of the socket. Where
   keys are exchanged, they are, and for gcm, which answers no header. */
void ask_ahead(asker_t *asker, asked_session_t *session);
void hear_ahead(asker_t *asker, asked_session_t *session);

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
