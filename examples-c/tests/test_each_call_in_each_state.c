/* Every function of a client, a session and a client interface, in every state that one can be in:
   what it comes to stands in the tables below, and the header has it among the function's
   outcomes. Afterwards the handle goes on as if nothing had happened, or can be freed. */
#include "callers.h"
#include "check.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

/* Words for the tables. */
#define READ    "WANT_READ"
#define WRITE   "WANT_WRITE"
#define COMPUTE "WANT_COMPUTATION"
#define DONE    "OK"
#define ALREADY "KEYS_ALREADY_EXCHANGED"
#define NO_KEY  "KEY_MISSING"
#define NOT_YET "KEYS_NOT_EXCHANGED"
#define BUSY    "OPERATION_PENDING"
#define TURN    "OUT_OF_TURN"
#define ROLE    "WRONG_ROLE"
#define OVER    "SESSION_FAILED"
#define SHUT    "CLOSED"
#define JOINED  "ALREADY_CONNECTED"
#define FINE    "-"
#define NONE    NULL /* there is no such state */

typedef struct {
    const char *method;
    const char *outcomes[STATES]; /* in the order of state_t */
} row_t;

/* clang-format off */
/*   fresh, half-way, due, exchanged, pending, failed, closed, detached (never connected), and of
     an interface: connecting */
static const row_t CLIENT_ROWS[] = {
    {"close_connection", {DONE, DONE, DONE, DONE, DONE, DONE, SHUT, SHUT}},
    {"detach", {FINE, FINE, FINE, FINE, FINE, FINE, SHUT, SHUT}},
    {"set_rsa_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"set_aes_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"exchange_keys", {READ, ALREADY, COMPUTE, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"send_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"recv_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"send_aes_key", {NO_KEY, READ, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"recv_aes_key", {READ, READ, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT}},
    {"compute", {TURN, TURN, DONE, TURN, TURN, OVER, SHUT, SHUT}},
    {"recv_request", {NOT_YET, NOT_YET, BUSY, READ, READ, OVER, SHUT, SHUT}},
    {"send_response", {NOT_YET, NOT_YET, BUSY, READ, BUSY, OVER, SHUT, SHUT}},
    {"send_response_data", {NOT_YET, NOT_YET, BUSY, READ, BUSY, OVER, SHUT, SHUT}},
    {"set_timeout", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE}},
    {"set_user_data", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE}},
    {"get_wants", {DONE, DONE, COMPUTE, DONE, READ, DONE, DONE, DONE}},
    {"next_event", {FINE, FINE, FINE, FINE, FINE, OVER, SHUT, SHUT}},
};

static const row_t SERVER_SESSION_ROWS[] = {
    {"exchange_keys", {READ, ALREADY, COMPUTE, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_public_rsa_key", {WRITE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"recv_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_aes_key", {NO_KEY, WRITE, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"recv_aes_key", {READ, READ, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"compute", {TURN, TURN, DONE, TURN, TURN, OVER, OVER, NONE}},
    {"recv_request", {NOT_YET, NOT_YET, BUSY, READ, READ, OVER, OVER, NONE}},
    {"send_response", {NOT_YET, NOT_YET, BUSY, WRITE, BUSY, OVER, OVER, NONE}},
    {"send_request", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"recv_response", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"feed", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"feed_end", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"received", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"get_pending", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"sent", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"get_wants", {DONE, DONE, COMPUTE, DONE, READ, DONE, DONE, NONE}},
    {"set_user_data", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"end", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"set_rsa_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"set_aes_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_response_data", {NOT_YET, NOT_YET, BUSY, WRITE, BUSY, OVER, OVER, NONE}},
    {"send_request_data", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"next_event", {FINE, FINE, FINE, FINE, FINE, OVER, OVER, NONE}},
    {"set_time", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
};

static const row_t CLIENT_SESSION_ROWS[] = {
    {"exchange_keys", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_public_rsa_key", {WRITE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"recv_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_aes_key", {NO_KEY, WRITE, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"recv_aes_key", {READ, READ, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"compute", {TURN, TURN, DONE, TURN, TURN, OVER, OVER, NONE}},
    {"recv_request", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"send_response", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"send_request", {NOT_YET, NOT_YET, BUSY, WRITE, BUSY, OVER, OVER, NONE}},
    {"recv_response", {NOT_YET, NOT_YET, BUSY, READ, READ, OVER, OVER, NONE}},
    {"feed", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"feed_end", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"received", {DONE, DONE, DONE, DONE, DONE, OVER, OVER, NONE}},
    {"get_pending", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"sent", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"get_wants", {DONE, DONE, COMPUTE, DONE, READ, DONE, DONE, NONE}},
    {"set_user_data", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"end", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
    {"set_rsa_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"set_aes_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, OVER, NONE}},
    {"send_response_data", {ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, ROLE, NONE}},
    {"send_request_data", {NOT_YET, NOT_YET, BUSY, WRITE, BUSY, OVER, OVER, NONE}},
    {"next_event", {FINE, FINE, FINE, FINE, FINE, OVER, OVER, NONE}},
    {"set_time", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, NONE}},
};

static const row_t INTERFACE_ROWS[] = {
    {"connect_server", {JOINED, JOINED, JOINED, JOINED, JOINED, JOINED, DONE, DONE, BUSY}},
    {"attach", {JOINED, JOINED, JOINED, JOINED, JOINED, JOINED, DONE, DONE, BUSY}},
    {"detach", {FINE, FINE, FINE, FINE, FINE, FINE, SHUT, SHUT, BUSY}},
    {"close_connection", {DONE, DONE, DONE, DONE, DONE, DONE, SHUT, SHUT, DONE}},
    {"get_server_fingerprint", {NO_KEY, DONE, DONE, DONE, DONE, DONE, DONE, NO_KEY, NO_KEY}},
    {"set_rsa_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, DONE, DONE, BUSY}},
    {"set_aes_wrapper", {DONE, ALREADY, BUSY, ALREADY, BUSY, OVER, DONE, DONE, BUSY}},
    {"exchange_keys", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"send_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"recv_public_rsa_key", {READ, ALREADY, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"send_aes_key", {NO_KEY, READ, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"recv_aes_key", {READ, READ, BUSY, ALREADY, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"compute", {TURN, TURN, DONE, TURN, TURN, OVER, SHUT, SHUT, BUSY}},
    {"send_request", {NOT_YET, NOT_YET, BUSY, READ, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"recv_response", {NOT_YET, NOT_YET, BUSY, READ, READ, OVER, SHUT, SHUT, BUSY}},
    {"send_request_data", {NOT_YET, NOT_YET, BUSY, READ, BUSY, OVER, SHUT, SHUT, BUSY}},
    {"set_timeout", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE}},
    {"set_user_data", {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE}},
    {"get_wants", {DONE, DONE, COMPUTE, DONE, READ, DONE, DONE, DONE, READ}},
    {"next_event", {FINE, FINE, FINE, FINE, FINE, OVER, SHUT, SHUT, FINE}},
};

/* clang-format on */

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
static const struct {
    const row_t *rows;
    size_t count;
} TABLES[HANDLE_TYPES] = {
    {CLIENT_ROWS, COUNT(CLIENT_ROWS)},
    {SERVER_SESSION_ROWS, COUNT(SERVER_SESSION_ROWS)},
    {CLIENT_SESSION_ROWS, COUNT(CLIENT_SESSION_ROWS)},
    {INTERFACE_ROWS, COUNT(INTERFACE_ROWS)},
};

static unsigned calls, continued, freed;

/* What the tables say; a function that only reads never fails and stands in none of them. */
static const char *outcome_of(handle_type_t type, const function_t *function, state_t state) {
    const char *method = method_of(function, type);
    for (size_t at = 0; at < TABLES[type].count; at++)
        if (strcmp(TABLES[type].rows[at].method, method) == 0)
            return TABLES[type].rows[at].outcomes[state];
    CHECK(function->returns != RETURNS_STATUS);
    return FINE;
}

static void complain(const function_t *function, handle_type_t type, state_t state,
                     const char *found) {
    fprintf(stderr, "  %s of a handle of type %d that is %s: %s: %s\n", function->name, (int)type,
            STATE_NAMES[state], found, anwdl_last_error_message());
}

static void check_call(handle_type_t type, state_t state, const function_t *function) {
    const char *expected = outcome_of(type, function, state);
    call_t call;
    if (expected == NULL || !has_state(type, state))
        return;
    handle_t handle = make_handle(type, state);
    make_call_on(&call, function, &handle);
    forget_last_error();
    outcome_t outcome = run_call(&call);
    const char *found = name_of(function, &outcome);
    calls++;
    if (!CHECK_STRING(found, expected) || !CHECK(is_documented(function, &outcome)))
        complain(function, type, state, found);
    bool was_refused = function->returns == RETURNS_STATUS
                           ? outcome.status < 0
                           : strcmp(method_of(function, type), "detach") != 0;
    if (was_refused && state <= PENDING) {
        continued++;
        if (!CHECK(finish_handle(&handle, state)))
            complain(function, type, state, "does not go on");
    }
    free_call(&call);
    free_handle(&handle);
}

/* Freed in each state, also while a call waits, and after the peer is gone. */
static void check_free(handle_type_t type, state_t state) {
    for (int peer_is_gone = 0; peer_is_gone <= 1 && has_state(type, state); peer_is_gone++) {
        handle_t handle = make_handle(type, state);
        if (peer_is_gone)
            free_peer(&handle);
        freed++;
        free_handle(&handle);
    }
}

int main(void) {
    size_t descriptors = count_open_descriptors();
    for (int type = 0; type < HANDLE_TYPES; type++) {
        size_t functions = 0;
        for (size_t at = 0; at < FUNCTION_COUNT; at++) {
            const char *method = method_of(&FUNCTIONS[at], type);
            if (method == NULL || strcmp(method, "free") == 0)
                continue;
            functions++;
            for (int state = 0; state < STATES; state++)
                check_call(type, state, &FUNCTIONS[at]);
        }
        CHECK(functions >= TABLES[type].count);
        for (int state = 0; state < STATES; state++)
            check_free(type, state);
    }
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    printf("cases: %u calls, each function in each state\n", calls);
    printf("cases: %u handles that went on after the call as before\n", continued);
    printf("cases: %u handles freed in each state\n", freed);
    return check_finish();
}
