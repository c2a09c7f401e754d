/* The parts that the servers for many clients share: start, end, and the handling of a session's
 * events. */
#ifndef SERVED_H
#define SERVED_H

#include "admission.h"
#include "server_options.h"

#include <anwdl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- a server ---------------------------------------------------------------------------------- */

typedef struct {
    server_options_t options;
    anwdl_client_options_t *client_options; /* only read once there are clients */
    admission_t *admission;
    int listener;
    uint16_t port;
    uint64_t last_number; /* of a client */
} server_base_t;

/* Reads the command line, and initializes the server. Returns false, after an error message, if
 * that fails. Call server_close() in both cases. A server that has descriptors for each of many
 * loops calls raise_descriptor_limit(), too. */
bool server_open(server_base_t *server, int argc, char **argv, const number_option_t *own,
                 void (*give_way)(place_t *place));

/* Prints that the server is ready. */
void server_announce(const server_base_t *server);

/* After SIGTERM: waits until all places were left, but no longer than the drain timeout, and only
 * until SIGINT comes. The descriptor is that of open_signals(). */
void server_drain(const server_base_t *server, int signals);

/* Call this after all places were left. */
void server_close(server_base_t *server);

/* -- one of its clients ------------------------------------------------------------------------ */

/* The phase of a session. */
typedef enum {
    EXCHANGING, /* the keys */
    RESTING,    /* between two requests, where the peer may take its time */
    ANSWERING   /* a request, from its first byte to the last one of the response */
} phase_t;

typedef struct {
    admission_t *admission;
    place_t place;
    uint64_t number;
    phase_t phase;
    anwdl_client_t *client; /* one of these two, once it is there */
    anwdl_session_t *session;
    anwdl_request_t *request; /* being answered; NULL for a malformed one */
} served_t;

/* A client has connected: gives it a number and a place. Returns the server's struct for it, of
   this size: it begins with a served_t, the rest is zero, and it owns the place. Free it with
   free() after served_leave(). Returns NULL if the client is refused, after printing why and
   closing it. */
void *served_new(size_t size, server_base_t *server, int fd, const struct sockaddr_storage *peer);

/* Begins a phase in which the session waits for its peer. */
void served_begin(served_t *served, phase_t phase);

/* Call this when the session has to wait for its peer: notes whether a request has begun. False if
 * the server stops, and the session has nothing left to answer: end it. */
bool served_may_wait(served_t *served, bool is_stopping);

/* Handles an event other than waiting: prints it, and answers requests. Returns false if the
 * session has ended; the last error says why. */
bool served_handle(served_t *served, anwdl_event_t event);

/* Frees the place and the library's objects. An anwdl_client_t closes its descriptor; otherwise
 * close it afterwards. */
void served_leave(served_t *served);

#ifdef __cplusplus
}
#endif

#endif
