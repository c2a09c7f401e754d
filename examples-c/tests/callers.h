/* The exported functions as data, so that a test can call each of them with whatever it likes. The
   table is made by callers.py from the header. */
#ifndef CALLERS_H
#define CALLERS_H

#include "handles.h"

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    KIND_OBJECT, /* a handle of the library */
    KIND_VALUE,  /* an anwdl_value_t, behind the pointer; NULL for none */
    KIND_TEXT,   /* ends with NUL, or a length follows */
    KIND_BYTES,  /* a length follows */
    KIND_OUTPUT, /* a place for a result */
    KIND_OWNED,  /* what came out of an output earlier */
    KIND_CALLBACK,
    KIND_ANYTHING, /* handed through */
    KIND_ENUM,
    KIND_BOOLEAN,
    KIND_NUMBER,
    KIND_DESCRIPTOR
} kind_t;

typedef struct {
    const char *name;
    kind_t kind;
    const char *type; /* of an object, or of what an output owns; else "" */
    enum { NULL_REFUSED, NULL_ALLOWED } null;
    int condition;             /* the parameter that allows NULL all the same, or -1 ... */
    long long condition_value; /* ... when it is this */
    int last_number;           /* of an enum */
    bool takes_all;            /* text that need not be UTF-8, a number that need not be known */
} parameter_t;

typedef struct {
    void *pointer;
    long long number;
    anwdl_log_function_t function;
    anwdl_log_handler_t handler;
    anwdl_private_operation_t operation;
    anwdl_free_function_t free_function;
} value_t;

anwdl_value_t value_of(const value_t *value);

typedef struct {
    anwdl_status_t status;
    const void *pointer;
    long long number;
} outcome_t;

typedef enum { RETURNS_STATUS, RETURNS_POINTER, RETURNS_NUMBER, RETURNS_NOTHING } returns_t;

#define REASON_BIT(reason) (UINT64_C(1) << ((reason) % 64))

typedef struct {
    const char *name;
    returns_t returns;
    int fallback; /* what it returns if it fails; for a pointer, 1 is anything but NULL */
    const parameter_t *parameters;
    size_t count;
    void (*call)(const value_t *values, outcome_t *out);
    uint64_t reasons;  /* REASON_BIT() of those that are documented */
    unsigned statuses; /* and 1 << those that are no failures */
} function_t;

extern const function_t FUNCTIONS[];
extern const size_t FUNCTION_COUNT;

enum { MOST_PARAMETERS = 8, PLACE_SIZE = 16, MOST_THINGS = 24 };

/* One call: valid values for all parameters, and whatever has to be freed afterwards. */
typedef struct {
    const function_t *function;
    value_t values[MOST_PARAMETERS];
    unsigned char places[MOST_PARAMETERS][PLACE_SIZE]; /* what the outputs point to */
    struct {
        void (*free)(void *thing);
        void *thing;
    } things[MOST_THINGS];
    size_t thing_count;
    handle_t handle; /* what the function is called on, where that is a handle of handles.h */
} call_t;

/* Values with which the function succeeds, or says what expected_outcome() says. */
void make_call(call_t *call, const function_t *function);
void free_call(call_t *call);

/* As before, on this handle, which stays the caller's. */
void make_call_on(call_t *call, const function_t *function, const handle_t *handle);

/* Calls it. Afterwards, what came out is freed, and the places are as they were before. */
outcome_t run_call(call_t *call);

/* As before, and counts the places that were written. */
outcome_t run_call_and_look(call_t *call, size_t *out_written);

/* "OK", "WANT_READ" or the name of the reason; "-" for a function without a status that did not
   fail. The last error must have been forgotten before the call. */
const char *name_of(const function_t *function, const outcome_t *outcome);
void forget_last_error(void);

/* The name of what a call with valid values comes to. */
const char *expected_outcome(const function_t *function);

/* Whether the header has that outcome among those of the function. */
bool is_documented(const function_t *function, const outcome_t *outcome);

/* Whether it failed, that is, returned what the header says of a failure. */
bool has_failed(const function_t *function, const outcome_t *outcome);

bool starts_with(const char *text, const char *start);
bool ends_with(const char *text, const char *end);

/* What the handles of this type are called in the names of their functions: "anwdl_client_", ... */
const char *prefix_of(handle_type_t type);

/* A method of such a handle: NULL, or the rest of its name. */
const char *method_of(const function_t *function, handle_type_t type);

#endif
