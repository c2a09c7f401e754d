/* One whole session under a plan of faults: connection, key exchange, two requests with their
   responses, and the end. The other side does what it should, on a thread of its own. */
#ifndef FAULT_SESSIONS_H
#define FAULT_SESSIONS_H

#include "faults.h"

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    bool connects; /* anwdl_client_interface_t is under test, or anwdl_client_t */
    anwdl_protocol_t framing;
    bool is_non_blocking;
    bool has_timeout;
    bool by_name;    /* it connects to a name of two addresses */
    bool is_proxied; /* a PROXY protocol header comes first; not with keys exchanged at creation */
} session_kind_t;

/* What is under way; the stages of the calls that the interposer records. */
typedef enum {
    STAGE_CREATE,   /* and, where the calls block and have no timeout, to exchange the keys */
    STAGE_EXCHANGE, /* where that did not */
    STAGE_SEND,
    STAGE_RECEIVE,
    STAGE_CLOSE,
    STAGE_COUNT
} stage_t;

const char *stage_name(stage_t stage);

/* How the session went. Its first failure is kept; there must be no second one. */
typedef struct {
    bool has_failed;
    stage_t stage;
    anwdl_status_t status;
    anwdl_error_reason_t reason;
    int error;          /* anwdl_last_error_errno() */
    bool had_moved;     /* some bytes of the failed call had been sent or received; a whole PROXY
                           protocol header is none of them */
    bool was_ended;     /* by the failure: nothing could be done with it any more */
    bool is_finished;   /* both requests have their response, perhaps after a second try */
    bool is_unique;     /* no IV and no nonce was used twice, and all of its own were drawn */
    bool has_leaked;    /* descriptors */
    bool is_consistent; /* what was looked at on the way was as it should be */
} outcome_t;

/* What all sessions of a kind have in common. */
typedef struct {
    session_kind_t kind;
    anwdl_client_options_t *options;       /* of the side under test */
    anwdl_client_options_t *other_options; /* of the server that it connects to */
} session_setup_t;

void session_setup(session_setup_t *setup, session_kind_t kind);
void session_teardown(session_setup_t *setup);

outcome_t run_session(const session_setup_t *setup, const fault_plan_t *plan);

#endif
