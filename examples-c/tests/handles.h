/* The handles that have a session behind them, in each state that one can be in, with a peer for
   each. None of them blocks. Whatever fails here ends the program. */
#ifndef HANDLES_H
#define HANDLES_H

#include <anwdl.h>
#include <stdbool.h>

typedef enum { CLIENT, SERVER_SESSION, CLIENT_SESSION, INTERFACE, HANDLE_TYPES } handle_type_t;

typedef enum {
    FRESH,      /* before the key exchange */
    HALF_WAY,   /* the public keys are exchanged */
    DUE,        /* in the exchange; the private key operation is due */
    EXCHANGED,  /* it is this side's turn to receive (a server) or to send (a client) */
    PENDING,    /* an operation that receives is under way */
    FAILED,     /* the peer broke the protocol */
    CLOSED,     /* on this side; a session: ended */
    DETACHED,   /* a client; the others: freshly made, and an interface: never connected */
    CONNECTING, /* an interface, to a server that does not answer */
    STATES
} state_t;

typedef struct {
    handle_type_t type;
    void *object;          /* anwdl_client_t, anwdl_session_t or anwdl_client_interface_t */
    anwdl_session_t *peer; /* the other side */
    int peer_fd;           /* where its bytes go; -1 for a session, which has them fed */
    int detached_fd;       /* the descriptor that a detached client gave back, or -1 */
} handle_t;

extern const char *const STATE_NAMES[STATES];

/* Whether a handle of this type can be in this state. */
bool has_state(handle_type_t type, state_t state);

handle_t make_handle(handle_type_t type, state_t state);
void free_handle(handle_t *handle);

/* Frees nothing but what the library made, and leaves the handle as it is. */
void free_object(const handle_t *handle);

/* Frees all but the handle itself. */
void free_peer(handle_t *handle);

/* Closes the peer's end, at once, or when it has said what it had to say next; over TCP with a
   reset. A handle whose peer has no descriptor stays as it is. */
void hang_up(handle_t *handle, state_t state, bool speaks_first);

/* Goes on from a state in which that is possible (FRESH to PENDING) until a message has come
   through; false when it does not. */
bool finish_handle(handle_t *handle, state_t state);

#endif
