/* Whole sessions in which the system fails: every call of the library to the kernel in turn, with
   each error, once and from then on; every transfer cut short, to each length. A session goes on as
   if nothing had happened, or ends as the header says. With --all: all of them; with --few: some of
   each sort. */
#include "check.h"
#include "fault_sessions.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { FEW, SOME, ALL };

/* After so many failed cases, the rest tells nothing new. */
enum { ENOUGH = 5 };

static int extent = SOME;
static unsigned cases_of_errors;
static unsigned cases_of_lengths;
static unsigned failed_cases;
static bool has_failed[CALL_KINDS]; /* at least once */

static const int ERRORS[] = {EINTR,    EAGAIN, ECONNRESET, EPIPE,       ETIMEDOUT,
                             ENOTCONN, EBADF,  ENOBUFS,    EHOSTUNREACH};
enum { ERROR_COUNT = sizeof ERRORS / sizeof ERRORS[0] };

/* -- what the header promises ------------------------------------------------------------------ */

typedef struct {
    anwdl_status_t status; /* ANWDL_OK: as if nothing had happened */
    anwdl_error_reason_t reason;
    int error;
    bool ends; /* the session, if it failed in a later stage than creation */
} promise_t;

static const promise_t UNHARMED = {ANWDL_OK, ANWDL_REASON_NONE, 0, false};

static promise_t fails_with(anwdl_status_t status, anwdl_error_reason_t reason, int error) {
    promise_t promise = {status, reason, error, true};
    return promise;
}

static promise_t promise_for_transfer(const session_setup_t *setup, const fault_plan_t *plan,
                                      bool had_moved) {
    const session_kind_t *kind = &setup->kind;
    bool is_repeated = plan->error == EINTR || plan->error == EAGAIN;
    if (!is_repeated)
        return fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_IO_FAILED, plan->error);
    /* Whoever is interrupted for ever, or is told that nothing comes, looks at the clock. */
    bool is_timed = kind->has_timeout && !(plan->error == EINTR && kind->is_non_blocking);
    if (!plan->from_then_on || !is_timed)
        return UNHARMED;
    promise_t promise = fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT, 0);
    promise.ends = had_moved;
    return promise;
}

static promise_t promise_for_poll(const session_setup_t *setup, const fault_plan_t *plan,
                                  bool connecting) {
    if (plan->error != EINTR)
        return fails_with(ANWDL_RUNTIME_ERROR,
                          connecting ? ANWDL_REASON_CONNECT_FAILED : ANWDL_REASON_IO_FAILED,
                          plan->error);
    /* Between two polls, bytes move: here only a connection can be kept waiting by them. */
    if (connecting && plan->from_then_on && setup->kind.has_timeout)
        return fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT, 0);
    return UNHARMED;
}

/* Whether something was to be watched after that call. */
static bool has_added_since(size_t at) {
    const call_t *call;
    while ((call = faults_call(++at)) != NULL)
        if (call->kind == CALL_EPOLL_CTL && call->detail == EPOLL_CTL_ADD)
            return true;
    return false;
}

static promise_t promise_for(const session_setup_t *setup, const fault_plan_t *plan,
                             const call_t *hit, bool had_moved) {
    bool connecting = setup->kind.connects && hit->stage == STAGE_CREATE;
    promise_t refused =
        connecting ? fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_CONNECT_FAILED, plan->error)
                   : fails_with(ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_DESCRIPTOR, plan->error);
    switch (hit->kind) {
    case CALL_RECV:
    case CALL_SEND:
        return promise_for_transfer(setup, plan, had_moved);
    case CALL_POLL:
        return promise_for_poll(setup, plan, connecting);
    case CALL_GETSOCKOPT:
        /* Where nobody can tell whether a socket listens, getpeername() will. And a socket that
           cannot tell its limits of time is taken for one without. */
        return hit->detail == SO_ACCEPTCONN || hit->detail == SO_RCVTIMEO ||
                       hit->detail == SO_SNDTIMEO
                   ? UNHARMED
                   : refused;
    case CALL_GETPEERNAME:
        /* Whoever has just connected needs no address. */
        return connecting ? UNHARMED : refused;
    case CALL_SOCKET:
        /* The name has another address. */
        return setup->kind.by_name && !plan->from_then_on ? UNHARMED : refused;
    case CALL_CONNECT:
        /* Between its interruptions, time passes. */
        if (plan->error == EINTR && plan->from_then_on && setup->kind.has_timeout)
            return fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_TIMEOUT, 0);
        if (plan->error == EINTR || (setup->kind.by_name && !plan->from_then_on))
            return UNHARMED;
        return refused;
    case CALL_IOCTL:
    case CALL_PIPE2:
    case CALL_PTHREAD_CREATE:
    case CALL_EPOLL_CREATE1:
    case CALL_TIMERFD_CREATE:
        return refused;
    case CALL_EPOLL_CTL:
        return hit->detail == EPOLL_CTL_ADD || (plan->from_then_on && has_added_since(plan->at))
                   ? refused
                   : UNHARMED;
    case CALL_TIMERFD_SETTIME: /* what stops it comes last */
        return hit->detail != 0 ? refused : UNHARMED;
    case CALL_GETRANDOM: {
        if (plan->error == EINTR)
            return UNHARMED;
        promise_t promise =
            fails_with(ANWDL_RUNTIME_ERROR, ANWDL_REASON_RANDOM_FAILED, plan->error);
        promise.ends = hit->stage != STAGE_SEND;
        return promise;
    }
    case CALL_SETSOCKOPT: /* slower, and no worse */
    case CALL_CLOSE:
    default:
        return UNHARMED;
    }
}

/* -- one case ---------------------------------------------------------------------------------- */

static void tell_case(const session_setup_t *setup, const fault_plan_t *plan,
                      const outcome_t *outcome) {
    static const char *const FRAMINGS[] = {"", "v2", "v3", "v4", "gcm"};
    const call_t *hit = faults_first_injected();
    fprintf(stderr, "  that was %s in %s, %s%s%s, at call %zu (%s, stage %s), ",
            setup->kind.by_name    ? "a client of a name"
            : setup->kind.connects ? "a client"
                                   : "a server",
            FRAMINGS[setup->kind.framing],
            setup->kind.is_non_blocking ? "non-blocking" : "blocking",
            setup->kind.has_timeout ? " with a timeout" : "",
            setup->kind.is_proxied ? " behind a proxy" : "", plan->at,
            faults_injected() > 0 ? call_name(hit->kind) : "not reached",
            stage_name((stage_t)hit->stage));
    if (plan->most > 0)
        fprintf(stderr, "shortened to %zu of %zu bytes\n", plan->most, hit->wanted);
    else
        fprintf(stderr, "%s %s\n", strerror(plan->error), plan->from_then_on ? "for ever" : "once");
    if (outcome->has_failed)
        fprintf(stderr, "  failed with status %d, reason %s, errno %d in %s%s\n", outcome->status,
                anwdl_error_reason_name(outcome->reason), outcome->error,
                stage_name(outcome->stage), outcome->was_ended ? ", and was ended" : "");
}

static bool check_outcome(const outcome_t *outcome, promise_t promise) {
    bool holds = CHECK_INTEGER(outcome->status, promise.status);
    holds &= CHECK_INTEGER(outcome->reason, promise.reason);
    holds &= CHECK_INTEGER(outcome->error, promise.error);
    bool fails_later = outcome->has_failed && outcome->stage != STAGE_CREATE;
    if (fails_later)
        holds &= CHECK_INTEGER(outcome->was_ended, promise.ends);
    holds &= CHECK_INTEGER(outcome->is_finished, !outcome->was_ended);
    holds &= CHECK(outcome->is_unique);
    holds &= CHECK(outcome->is_consistent);
    holds &= CHECK(!outcome->has_leaked);
    holds &= CHECK(!faults_are_overdue());
    return holds;
}

static bool is_over(void) {
    return failed_cases >= ENOUGH || faults_are_overdue();
}

static void check_case(const session_setup_t *setup, const fault_plan_t *plan,
                       const call_t *meant) {
    if (is_over())
        return;
    outcome_t outcome = run_session(setup, plan);
    promise_t promise = UNHARMED;
    bool holds = true;
    if (meant != NULL) {
        holds = CHECK(faults_injected() > 0) &&
                CHECK_INTEGER(faults_first_injected()->kind, meant->kind) &&
                CHECK_INTEGER(faults_first_injected()->wanted, meant->wanted);
        has_failed[meant->kind] |= plan->error != 0;
        if (plan->error != 0)
            promise = promise_for(setup, plan, faults_first_injected(), outcome.had_moved);
    }
    holds &= check_outcome(&outcome, promise);
    if (!holds) {
        failed_cases++;
        tell_case(setup, plan, &outcome);
    }
}

/* -- all cases of a sort of session ------------------------------------------------------------ */

typedef struct {
    call_t calls[MOST_CALLS];
    size_t count;
} counted_calls_t;

/* A session without a fault: which calls are there? */
static void count_calls(const session_setup_t *setup, counted_calls_t *counted) {
    fault_plan_t plan = {.hesitates = setup->kind.is_non_blocking || setup->kind.has_timeout};
    check_case(setup, &plan, NULL);
    counted->count = faults_call_count();
    REQUIRE(counted->count > 0 && counted->count <= MOST_CALLS);
    for (size_t at = 0; at < counted->count; at++)
        counted->calls[at] = *faults_call(at);
}

static bool is_transfer(const call_t *call) {
    return call->kind == CALL_RECV || call->kind == CALL_SEND;
}

/* How many cases there are of which one is run. */
static size_t stride(size_t some, size_t few) {
    return extent == ALL ? 1 : extent == SOME ? some : few;
}

static void check_errors(const session_setup_t *setup, const counted_calls_t *counted,
                         size_t *number) {
    for (size_t at = 0; at < counted->count; at++) {
        /* Once it is connected, it makes no difference how. */
        if (setup->kind.by_name && counted->calls[at].stage != STAGE_CREATE)
            continue;
        for (size_t error = 0; error < 2 * ERROR_COUNT; error++) {
            fault_plan_t plan = {.at = at,
                                 .error = ERRORS[error / 2],
                                 .from_then_on = error % 2 == 1,
                                 .hesitates =
                                     setup->kind.is_non_blocking || setup->kind.has_timeout};
            bool is_about_time = plan.error == EAGAIN && plan.from_then_on;
            if (setup->kind.is_non_blocking && setup->kind.has_timeout && !is_about_time)
                continue; /* differs from the one without a timeout in nothing else */
            if ((*number)++ % stride(7, 97) != 0)
                continue;
            check_case(setup, &plan, &counted->calls[at]);
            cases_of_errors++;
        }
    }
}

static void check_everything_byte_by_byte(const session_setup_t *setup) {
    fault_plan_t plan = {.most = 1,
                         .is_everywhere = true,
                         .hesitates = setup->kind.is_non_blocking || setup->kind.has_timeout};
    check_case(setup, &plan, NULL);
    CHECK(is_over() || faults_injected() > 1000);
    cases_of_lengths++;
}

/* The key exchanges of v2, v3 and v4 are the same. */
static bool is_told_by_another(const session_setup_t *setup, size_t at, size_t exchange_end) {
    return at < exchange_end &&
           (setup->kind.framing == ANWDL_PROTOCOL_V2 || setup->kind.framing == ANWDL_PROTOCOL_V3);
}

static void check_lengths(const session_setup_t *setup, const counted_calls_t *counted,
                          size_t *number) {
    size_t exchange_end = 0;
    while (exchange_end < counted->count && counted->calls[exchange_end].stage <= STAGE_EXCHANGE)
        exchange_end++;
    for (size_t at = 0; at < counted->count; at++) {
        if (!is_transfer(&counted->calls[at]) || is_told_by_another(setup, at, exchange_end))
            continue;
        for (size_t most = 1; most < counted->calls[at].wanted; most++) {
            if ((*number)++ % stride(29, 1999) != 0)
                continue;
            fault_plan_t plan = {.at = at, .most = most};
            check_case(setup, &plan, &counted->calls[at]);
            cases_of_lengths++;
        }
    }
}

static void check_kind(session_kind_t kind, size_t *number) {
    static counted_calls_t counted;
    session_setup_t setup;
    session_setup(&setup, kind);
    count_calls(&setup, &counted);
    check_errors(&setup, &counted, number);
    if (!kind.by_name)
        check_everything_byte_by_byte(&setup);
    if (!kind.by_name && !kind.is_non_blocking && !kind.has_timeout)
        check_lengths(&setup, &counted, number);
    session_teardown(&setup);
}

/* What the first session of a process sets up, once, is no part of the others. */
static void warm_up(void) {
    session_setup_t setup;
    fault_plan_t none = {0};
    session_kind_t kind = {.framing = ANWDL_PROTOCOL_GCM};
    session_setup(&setup, kind);
    run_session(&setup, &none);
    session_teardown(&setup);
}

int main(int argc, char **argv) {
    if (argc > 1)
        extent = strcmp(argv[1], "--all") == 0 ? ALL : strcmp(argv[1], "--few") == 0 ? FEW : SOME;
    size_t number = 0;
    warm_up();
    for (int connects = 0; connects < 2; connects++)
        for (int framing = ANWDL_PROTOCOL_V2; framing <= ANWDL_PROTOCOL_GCM; framing++)
            for (int waiting = 0; waiting < 4; waiting++) {
                bool is_one_of_few = (framing == ANWDL_PROTOCOL_V4 && waiting == 0) ||
                                     (framing == ANWDL_PROTOCOL_GCM && waiting == 1);
                if (extent == FEW && !is_one_of_few)
                    continue;
                session_kind_t kind = {.connects = connects == 1,
                                       .framing = (anwdl_protocol_t)framing,
                                       .is_non_blocking = waiting >= 2,
                                       .has_timeout = waiting % 2 == 1};
                check_kind(kind, &number);
            }
    /* A name is looked up on a thread, unless the call waits for it without a limit. */
    for (int waiting = 0; waiting < 4; waiting++) {
        session_kind_t kind = {.connects = true,
                               .framing = ANWDL_PROTOCOL_V4,
                               .is_non_blocking = waiting >= 2,
                               .has_timeout = waiting % 2 == 1,
                               .by_name = true};
        if (extent != FEW || waiting == 2)
            check_kind(kind, &number);
    }
    /* With both sorts of waiting: bytes are looked at before they are taken. */
    for (int waiting = 1; waiting < 3 && extent != FEW; waiting++) {
        session_kind_t kind = {.framing = ANWDL_PROTOCOL_V4,
                               .is_non_blocking = waiting == 2,
                               .has_timeout = waiting == 1,
                               .is_proxied = true};
        check_kind(kind, &number);
    }
    /* They depend on nothing but the lengths of keys and messages. */
    if (extent == ALL && !is_over())
        CHECK_INTEGER(cases_of_lengths, 12550);
    for (int kind = 0; kind < CALL_KINDS && extent != FEW && !is_over(); kind++)
        if (!CHECK(has_failed[kind]))
            fprintf(stderr, "  that was %s\n", call_name((call_kind_t)kind));
    CHECK(!faults_are_overdue());
    printf("cases: %u sessions with a failing system call\n", cases_of_errors);
    printf("cases: %u sessions with shortened transfers\n", cases_of_lengths);
    return check_finish();
}
