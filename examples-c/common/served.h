/* What the servers for many clients have in common around their loops: how they begin and end, and
   what they do for a client whose session has come to an event. */
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

/* Reads the command line, and makes all that is in there. False after it said what failed. To be
   closed in either case. */
bool server_open(server_base_t *server, int argc, char **argv, const number_option_t *own,
                 void (*give_way)(place_t *place));

/* It serves from here on. */
void server_announce(const server_base_t *server);

/* When all places have been left. */
void server_close(server_base_t *server);

/* -- one of its clients ------------------------------------------------------------------------ */

/* What a session is at. */
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
    anwdl_request_t *request; /* that is being answered; NULL for a malformed one */
} served_t;

/* A client has connected: gives it a number and a place. What the server keeps of it has this size,
   begins with a served_t, is zero behind that, and is to be freed with free() after served_leave();
   it is the owner of the place. NULL after it said why the client is refused, and closed it. */
void *served_new(size_t size, server_base_t *server, int fd, const struct sockaddr_storage *peer);

/* A phase begins, in which the session waits for its peer. */
void served_begin(served_t *served, phase_t phase);

/* An event of the session that is no wait: prints it, and answers requests. False when the session
   goes no further; the last error says why. */
bool served_handle(served_t *served, anwdl_event_t event);

/* Frees the place and all of the library's. Where there is an anwdl_client_t, its descriptor is
   closed by that; another one is to be closed afterwards. */
void served_leave(served_t *served);

#ifdef __cplusplus
}
#endif

#endif
