/* The calls themselves, and what they come to. */
#include "callers.h"

#include "call_values.h"
#include "check.h"
#include "support.h"

#include <string.h>

/* What valid values come to where that is not ANWDL_OK: these functions wait for a peer that is
   silent, or ask for something that is not there yet. */
static const struct {
    const char *method, *outcome;
} OUTCOMES[] = {
    {"client_exchange_keys", "WANT_READ"},
    {"interface_exchange_keys", "WANT_READ"},
    {"session_exchange_keys", "WANT_READ"},
    {"session_send_public_rsa_key", "WANT_WRITE"},
    {"session_send_request", "WANT_WRITE"},
    {"session_send_request_data", "WANT_WRITE"},
    {"session_send_response", "WANT_WRITE"},
    {"session_send_response_data", "WANT_WRITE"},
    {"_send_public_rsa_key", "WANT_READ"},
    {"_recv_public_rsa_key", "WANT_READ"},
    {"_send_aes_key", "KEY_MISSING"},
    {"_recv_aes_key", "WANT_READ"},
    {"_compute", "OUT_OF_TURN"},
    {"_send_request", "WANT_READ"},
    {"_send_request_data", "WANT_READ"},
    {"_send_response", "WANT_READ"},
    {"_send_response_data", "WANT_READ"},
    {"_recv_request", "WANT_READ"},
    {"_recv_response", "WANT_READ"},
    {"_get_server_fingerprint", "KEY_MISSING"},
};

anwdl_value_t value_of(const value_t *value) {
    static const anwdl_value_t NONE = {NULL, 0, 0};
    return value->pointer == NULL ? NONE : *(const anwdl_value_t *)value->pointer;
}

bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

const char *prefix_of(handle_type_t type) {
    return type == CLIENT      ? "anwdl_client_"
           : type == INTERFACE ? "anwdl_client_interface_"
                               : "anwdl_session_";
}

const char *method_of(const function_t *function, handle_type_t type) {
    static const char *const TYPES[] = {"anwdl_client_t", "anwdl_session_t", "anwdl_session_t",
                                        "anwdl_client_interface_t"};
    if (function->count == 0 || function->parameters[0].kind != KIND_OBJECT ||
        strcmp(function->parameters[0].type, TYPES[type]) != 0)
        return NULL;
    return function->name + strlen(prefix_of(type));
}

void make_call_on(call_t *call, const function_t *function, const handle_t *handle) {
    memset(call, 0, sizeof *call);
    call->function = function;
    call->handle.peer_fd = call->handle.detached_fd = -1;
    REQUIRE(function->count <= MOST_PARAMETERS);
    for (size_t at = 0; at < function->count; at++)
        if (at == 0 && handle != NULL)
            call->values[0].pointer = handle->object;
        else
            make_value(call, at);
}

void make_call(call_t *call, const function_t *function) {
    make_call_on(call, function, NULL);
}

/* It is somebody else's now. */
static void forget(call_t *call, const void *thing) {
    for (size_t at = 0; at < call->thing_count; at++)
        if (call->things[at].thing == thing) {
            call->things[at] = call->things[--call->thing_count];
            return;
        }
    if (call->handle.object == thing) {
        free_peer(&call->handle);
        call->handle.object = NULL;
    }
}

void free_call(call_t *call) {
    while (call->thing_count > 0) {
        call->thing_count--;
        call->things[call->thing_count].free(call->things[call->thing_count].thing);
    }
    if (call->handle.object != NULL)
        free_handle(&call->handle);
}

/* Frees what came out, and makes the places as they were before; gives the number of those that
   were written. */
static size_t clear_places(call_t *call) {
    size_t written = 0;
    for (size_t at = 0; at < call->function->count; at++) {
        unsigned char *place = call->places[at];
        size_t touched = 0;
        if (call->function->parameters[at].kind != KIND_OUTPUT)
            continue;
        for (size_t byte = 0; byte < PLACE_SIZE; byte++)
            touched += place[byte] != UNTOUCHED;
        written += touched > 0;
        if (touched > 0 && call->function->parameters[at].type[0] != '\0' &&
            strstr("size_t int64_t bool double", call->function->parameters[at].type) == NULL) {
            void *thing;
            memcpy(&thing, place, sizeof thing);
            free_by_type(call->function->parameters[at].type, thing);
        }
        memset(place, UNTOUCHED, PLACE_SIZE);
    }
    return written;
}

outcome_t run_call_and_look(call_t *call, size_t *out_written) {
    const function_t *function = call->function;
    outcome_t outcome = {ANWDL_OK, NULL, 0};
    function->call(call->values, &outcome);
    if (ends_with(function->name, "_free") && call->values[0].pointer != NULL)
        forget(call, call->values[0].pointer);
    if (function->returns == RETURNS_STATUS && outcome.status == ANWDL_OK)
        for (size_t at = 0; at < function->count; at++)
            if (function->parameters[at].kind == KIND_DESCRIPTOR)
                forget(call, (void *)(intptr_t)call->values[at].number);
    if (ends_with(function->name, "_detach") && outcome.number >= 0)
        keep(call, close_descriptor, (void *)(intptr_t)outcome.number);
    if (strcmp(function->name, "anwdl_client_options_new") == 0 && outcome.pointer != NULL)
        keep(call, free_options, (void *)(uintptr_t)outcome.pointer);
    if (strncmp(function->name, "anwdl_set_log_", strlen("anwdl_set_log_")) == 0)
        REQUIRE(outcome.status != ANWDL_OK ||
                anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL) == ANWDL_OK);
    *out_written = clear_places(call);
    return outcome;
}

outcome_t run_call(call_t *call) {
    size_t written;
    return run_call_and_look(call, &written);
}

/* -- outcomes ---------------------------------------------------------------------------------- */

void forget_last_error(void) {
    anwdl_client_t *client;
    REQUIRE(anwdl_client_new(-1, NULL, &client) == ANWDL_VALUE_ERROR);
}

/* Whether the last error is the one that forget_last_error() put in its place: only
   anwdl_client_new(), which has a status, has that reason. anwdl_last_error_clear() leaves none. */
static bool is_forgotten(const function_t *function, anwdl_error_reason_t reason) {
    return function->returns != RETURNS_STATUS &&
           (reason == ANWDL_REASON_INVALID_DESCRIPTOR || reason == ANWDL_REASON_NONE);
}

bool has_failed(const function_t *function, const outcome_t *outcome) {
    switch (function->returns) {
    case RETURNS_STATUS:
        return outcome->status < 0;
    case RETURNS_POINTER:
        return (outcome->pointer != NULL) == (function->fallback != 0);
    case RETURNS_NUMBER:
        return outcome->number == function->fallback;
    default:
        return true;
    }
}

const char *name_of(const function_t *function, const outcome_t *outcome) {
    static const char *const STATUSES[] = {"OK", "WANT_READ", "WANT_WRITE", "WANT_COMPUTATION"};
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    if (function->returns == RETURNS_STATUS && outcome->status >= 0)
        return outcome->status < 4 ? STATUSES[outcome->status] : "an unknown status";
    if (is_forgotten(function, reason))
        return "-";
    return anwdl_error_reason_name(reason);
}

const char *expected_outcome(const function_t *function) {
    if (function->returns != RETURNS_STATUS)
        return "-";
    for (size_t at = 0; at < sizeof OUTCOMES / sizeof *OUTCOMES; at++)
        if (ends_with(function->name, OUTCOMES[at].method))
            return OUTCOMES[at].outcome;
    return "OK";
}

bool is_documented(const function_t *function, const outcome_t *outcome) {
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    if (function->returns == RETURNS_STATUS && outcome->status >= 0)
        return (function->statuses & (1u << outcome->status)) != 0;
    if (is_forgotten(function, reason))
        return true;
    if (function->returns == RETURNS_STATUS &&
        outcome->status != (reason < 20 || reason == ANWDL_REASON_KEY_MISSING
                                ? ANWDL_VALUE_ERROR
                                : ANWDL_RUNTIME_ERROR))
        return false;
    return (function->reasons & REASON_BIT(reason)) != 0;
}
