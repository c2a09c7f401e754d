/* C callers make mistakes: each exported function with each of its arguments wrong in turn, all
   others being right, and then once more with all of them right. */
#include "callers.h"
#include "check.h"
#include "support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLONG = 1 << 20 };

static const char *const NO_UTF8[] = {
    "\xff\xfe",         /* bytes that never occur */
    "a\x80",            /* in the middle of nothing */
    "\xc3",             /* cut short */
    "\xc0\xaf",         /* longer than need be */
    "\xed\xa0\x80",     /* half of a pair */
    "\xf4\x90\x80\x80", /* beyond the last character */
};

/* Numbers that parameters of this name refuse. */
static const struct {
    const char *name;
    const char *function; /* or NULL for all */
    long long number;
} OUT_OF_RANGE[] = {
    {"port", "anwdl_client_interface_connect_server", 0},
    {"bytes", "anwdl_client_options_set_max_message_size", 0},
    {"bytes", "anwdl_client_options_set_max_message_size", 100000000},
    {"bytes", "anwdl_client_options_set_max_message_size", -1},
    {"key_size", NULL, 0},
    {"key_size", NULL, 1},
    {"key_size", NULL, 257},
    {"key_size", NULL, -1},
    {"public_exponent", NULL, 0},
    {"public_exponent", NULL, 1},
    {"public_exponent", NULL, 65536},
    {"public_exponent", NULL, -1},
    {"count", NULL, 1},
    {"count", NULL, -1},
    {"len", NULL, -1},
    {"len", NULL, PTRDIFF_MIN},
    {"signature_len", NULL, -1},
    {"key_len", NULL, 0},
    {"key_len", NULL, 31},
    {"key_len", NULL, -1},
    {"iv_len", NULL, 17},
    {"iv_len", NULL, 15},
    {"iv_len", NULL, -1},
};

static struct { unsigned refused_null, allowed_null, numbers, not_utf8, overlong, no_value; } cases;

static char *overlong;

static bool expect(bool holds, const function_t *function, const char *argument, const char *what,
                   const outcome_t *outcome) {
    if (!check_condition(holds, what, function->name, 0))
        fprintf(stderr, "  %s%s: %s: %s\n", argument == NULL ? "" : "wrong is ",
                argument == NULL ? "all arguments are right" : argument, name_of(function, outcome),
                anwdl_last_error_message());
    return holds;
}

/* All arguments are right. */
static void check_right(call_t *call, const char *after) {
    const function_t *function = call->function;
    forget_last_error();
    outcome_t outcome = run_call(call);
    expect(strcmp(name_of(function, &outcome), expected_outcome(function)) == 0, function, after,
           "right arguments have the usual outcome", &outcome);
    expect(is_documented(function, &outcome), function, after, "the outcome is documented",
           &outcome);
}

/* One argument is wrong. */
static void check_refused(call_t *call, const parameter_t *parameter, bool is_named) {
    const function_t *function = call->function;
    size_t written;
    forget_last_error();
    outcome_t outcome = run_call_and_look(call, &written);
    expect(has_failed(function, &outcome), function, parameter->name, "it fails", &outcome);
    expect(anwdl_last_error_reason() == ANWDL_REASON_INVALID_ARGUMENT, function, parameter->name,
           "the reason is an invalid argument", &outcome);
    expect(is_documented(function, &outcome), function, parameter->name,
           "the failure is documented", &outcome);
    expect(written == 0, function, parameter->name, "no result is written", &outcome);
    if (is_named) {
        const char *message = anwdl_last_error_message();
        size_t len = strlen(parameter->name);
        expect(strncmp(message, parameter->name, len) == 0 && message[len] == ' ', function,
               parameter->name, "the message begins with the argument", &outcome);
    }
}

/* A wrong argument, and then the right one, on the same objects. */
static void check_wrong(const function_t *function, size_t at, value_t wrong, bool is_named) {
    call_t call;
    make_call(&call, function);
    value_t right = call.values[at];
    call.values[at] = wrong;
    check_refused(&call, &function->parameters[at], is_named);
    call.values[at] = right;
    check_right(&call, function->parameters[at].name);
    free_call(&call);
}

/* Something unusual that may be refused, in a way that is documented. */
static void check_unusual(call_t *call, const parameter_t *parameter) {
    size_t written;
    forget_last_error();
    outcome_t outcome = run_call_and_look(call, &written);
    expect(is_documented(call->function, &outcome), call->function, parameter->name,
           "the outcome is documented", &outcome);
    expect(written == 0 || !has_failed(call->function, &outcome), call->function, parameter->name,
           "no result is written after a failure", &outcome);
}

static void check_null(const function_t *function, size_t at) {
    const parameter_t *parameter = &function->parameters[at];
    value_t null = {.pointer = NULL};
    call_t call;
    if (parameter->null == NULL_REFUSED) {
        cases.refused_null++;
        check_wrong(function, at, null, true);
        if (parameter->condition < 0)
            return;
    }
    /* All defaults begin with a key pair that takes seconds: test_blocking_sessions has that. */
    if (strcmp(function->name, "anwdl_client_new") == 0)
        return;
    cases.allowed_null++;
    make_call(&call, function);
    call.values[at] = null;
    if (parameter->condition >= 0) {
        call.values[parameter->condition].number = parameter->condition_value;
        forget_last_error();
        outcome_t outcome = run_call(&call);
        expect(anwdl_last_error_reason() != ANWDL_REASON_INVALID_ARGUMENT || outcome.status >= 0,
               function, parameter->name, "NULL is allowed then", &outcome);
        expect(is_documented(function, &outcome), function, parameter->name,
               "the outcome is documented", &outcome);
    } else {
        check_right(&call, parameter->name);
    }
    free_call(&call);
}

/* No value at all. */
static void check_no_value(const function_t *function, size_t at) {
    call_t call;
    size_t written;
    make_call(&call, function);
    value_t right = call.values[at];
    call.values[at] = (value_t){.pointer = NULL};
    cases.no_value++;
    forget_last_error();
    outcome_t outcome = run_call_and_look(&call, &written);
    bool has_status = function->returns == RETURNS_STATUS;
    expect(strcmp(name_of(function, &outcome), has_status ? "NOT_FOUND" : "-") == 0, function,
           function->parameters[at].name, "there is nothing in no value", &outcome);
    expect(has_failed(function, &outcome), function, function->parameters[at].name,
           "nothing is found", &outcome);
    expect(is_documented(function, &outcome), function, function->parameters[at].name,
           "the outcome is documented", &outcome);
    expect(written == 0, function, function->parameters[at].name, "no result is written", &outcome);
    call.values[at] = right;
    check_right(&call, function->parameters[at].name);
    free_call(&call);
}

static void check_enum(const function_t *function, size_t at) {
    const parameter_t *parameter = &function->parameters[at];
    const int unknown[] = {-1, parameter->last_number + 1, 100, INT_MAX, INT_MIN};
    for (size_t entry = 0; entry < sizeof unknown / sizeof *unknown; entry++) {
        value_t wrong = {.number = unknown[entry]};
        cases.numbers++;
        if (parameter->takes_all) {
            call_t call;
            make_call(&call, function);
            call.values[at] = wrong;
            check_right(&call, parameter->name);
            free_call(&call);
        } else {
            check_wrong(function, at, wrong, true);
        }
    }
}

static void check_number(const function_t *function, size_t at) {
    const char *name = function->parameters[at].name;
    if (ends_with(function->name, "_free")) /* the length of what is freed must be right */
        return;
    for (size_t entry = 0; entry < sizeof OUT_OF_RANGE / sizeof *OUT_OF_RANGE; entry++) {
        value_t wrong = {.number = OUT_OF_RANGE[entry].number};
        const char *only = OUT_OF_RANGE[entry].function;
        if (strcmp(OUT_OF_RANGE[entry].name, name) != 0 ||
            (only != NULL && strcmp(only, function->name) != 0))
            continue;
        cases.numbers++;
        /* Of a wrong length, the message says what it is the length of. */
        check_wrong(function, at, wrong, strstr(name, "len") == NULL);
    }
}

/* A text, with its length where one follows. */
static void put_text(call_t *call, size_t at, const char *text) {
    const function_t *function = call->function;
    call->values[at].pointer = (void *)(uintptr_t)text;
    if (at + 1 < function->count && strcmp(function->parameters[at + 1].name, "len") == 0)
        call->values[at + 1].number = (long long)strlen(text);
}

static void check_text(const function_t *function, size_t at) {
    const parameter_t *parameter = &function->parameters[at];
    call_t call;
    for (size_t entry = 0; entry < sizeof NO_UTF8 / sizeof *NO_UTF8; entry++) {
        cases.not_utf8++;
        make_call(&call, function);
        const char *right = call.values[at].pointer;
        put_text(&call, at, NO_UTF8[entry]);
        if (parameter->takes_all)
            check_unusual(&call, parameter);
        else
            check_refused(&call, parameter, true);
        put_text(&call, at, right);
        check_right(&call, parameter->name);
        free_call(&call);
        if (parameter->takes_all)
            remove(NO_UTF8[entry]);
    }
    cases.overlong++;
    make_call(&call, function);
    put_text(&call, at, overlong);
    check_unusual(&call, parameter);
    free_call(&call);
    cases.overlong++;
    make_call(&call, function);
    put_text(&call, at, "");
    check_unusual(&call, parameter);
    free_call(&call);
}

static void check_function(const function_t *function) {
    call_t call;
    make_call(&call, function);
    check_right(&call, NULL);
    free_call(&call);
    for (size_t at = 0; at < function->count; at++) {
        switch (function->parameters[at].kind) {
        case KIND_ENUM:
            check_enum(function, at);
            break;
        case KIND_VALUE:
            check_no_value(function, at);
            break;
        case KIND_NUMBER:
            check_number(function, at);
            break;
        case KIND_BOOLEAN:
        case KIND_DESCRIPTOR: /* test_descriptors_are_closed_once has those */
            break;
        case KIND_TEXT:
            check_text(function, at);
            /* fall through */
        default:
            check_null(function, at);
        }
    }
}

int main(void) {
    overlong = malloc(OVERLONG + 1);
    REQUIRE(overlong != NULL);
    memset(overlong, 'A', OVERLONG);
    overlong[OVERLONG] = '\0';
    size_t descriptors = count_open_descriptors();
    for (size_t at = 0; at < FUNCTION_COUNT; at++)
        check_function(&FUNCTIONS[at]);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    free(overlong);
    printf("cases: %zu functions, with wrong arguments in turn\n", FUNCTION_COUNT);
    printf("cases: %u times NULL where it is refused\n", cases.refused_null);
    printf("cases: %u times NULL where it is allowed\n", cases.allowed_null);
    printf("cases: %u numbers that are unknown or out of range\n", cases.numbers);
    printf("cases: %u times no value\n", cases.no_value);
    printf("cases: %u texts that are not UTF-8\n", cases.not_utf8);
    printf("cases: %u texts of 1 MiB, or empty\n", cases.overlong);
    return check_finish();
}
