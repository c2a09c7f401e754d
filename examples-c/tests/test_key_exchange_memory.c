/* What becomes of a session where there is no memory for its key exchange: each block of some size
   that either side takes in each framing is refused in turn, alone and with all that follow. With
   --all, the largest keys are tried in each framing; with --few, in none. */
#include "check.h"
#include "children.h"
#include "counted_heap.h"
#include "support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    anwdl_role_t role; /* of the side that has no memory */
    anwdl_protocol_t framing;
    const char *peer_key;
    anwdl_rsa_wrapper_t *own_rsa, *peer_rsa;
    size_t failing, failing_count;
} exchange_t;

/* Blocks below this are the library's own, and Rust asks for some of them in a way that ends the
   process if there is no memory. */
enum { SMALL_BLOCK = 512 };
/* What either side asks for before each step, so that the work of other crates finds memory. */
enum { FOREIGN_WORK = 64 * 1024 };
/* The two blocks that the crate `aws-lc-rs` asks for in that way: what it makes of ML-KEM. */
enum { ENCAPSULATION_KEY_SIZE = 1184, CIPHERTEXT_SIZE = 1088 };

/* Whether the process may end where such a block is missing. */
static bool may_abort(const exchange_t *exchange, size_t size) {
    bool is_server = exchange->role == ANWDL_ROLE_SERVER;
    return exchange->framing == ANWDL_PROTOCOL_GCM &&
           size == (size_t)(is_server ? CIPHERTEXT_SIZE : ENCAPSULATION_KEY_SIZE);
}

static anwdl_session_t *make_session(const exchange_t *exchange, anwdl_role_t role) {
    anwdl_client_options_t *options = make_late_options();
    anwdl_session_t *session = NULL;
    bool is_own = role == exchange->role;
    REQUIRE(anwdl_client_options_set_protocol(options, exchange->framing) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, is_own ? exchange->own_rsa
                                                                 : exchange->peer_rsa) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

static anwdl_status_t move_counted(anwdl_session_t *from, anwdl_session_t *to, bool is_counted_to) {
    const uint8_t *pending = NULL;
    size_t len = 0, taken = 0;
    if (anwdl_session_get_pending(from, &pending, &len) != ANWDL_OK || len == 0)
        return ANWDL_OK;
    is_counted = is_counted_to;
    anwdl_status_t status = anwdl_session_feed(to, pending, len, &taken);
    is_counted = false;
    return status == ANWDL_OK ? anwdl_session_sent(from, taken) : status;
}

/* Until the tested side has its keys, or has failed. */
static anwdl_status_t exchange_keys(const exchange_t *exchange, anwdl_session_t *own,
                                    anwdl_session_t *peer) {
    bool is_server = exchange->role == ANWDL_ROLE_SERVER;
    anwdl_status_t of_peer = ANWDL_WANT_READ;
    for (;;) {
        is_counted = true;
        anwdl_status_t status = anwdl_session_exchange_keys(own, is_server);
        is_counted = false;
        if (status <= ANWDL_OK)
            return status;
        if (of_peer != ANWDL_OK)
            of_peer = anwdl_session_exchange_keys(peer, !is_server);
        REQUIRE(of_peer >= ANWDL_OK);
        REQUIRE(move_counted(own, peer, false) == ANWDL_OK);
        status = move_counted(peer, own, true);
        if (status != ANWDL_OK)
            return status;
    }
}

static child_end_t exchange_without_memory(const void *context) {
    const exchange_t *exchange = context;
    anwdl_session_t *own = make_session(exchange, exchange->role);
    anwdl_session_t *peer = make_session(
        exchange, exchange->role == ANWDL_ROLE_SERVER ? ANWDL_ROLE_CLIENT : ANWDL_ROLE_SERVER);
    start_counting(exchange->failing, exchange->failing_count);
    anwdl_status_t status = exchange_keys(exchange, own, peer);
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    start_counting(SIZE_MAX, 0);
    if (status == ANWDL_OK)
        return CHILD_AS_USUAL;
    /* AWS-LC does not tell why it could not decrypt; the library does if there still is no memory.
     */
    bool is_documented = reason == ANWDL_REASON_INTERNAL ||
                         (reason == ANWDL_REASON_DECRYPTION_FAILED && exchange->failing_count == 1);
    return is_documented && anwdl_session_has_failed(own) ? CHILD_REFUSED : CHILD_OTHER;
}

static size_t exchanges, cases, refused, reservations;

static void check_exchange(exchange_t *exchange) {
    exchange->failing = SIZE_MAX;
    exchange->failing_count = 0;
    clear_sizes();
    REQUIRE(run_child(exchange_without_memory, exchange) == CHILD_AS_USUAL);
    size_t count = count_sizes();
    CHECK(count > 4);
    for (exchange->failing = 0; exchange->failing < count; exchange->failing++) {
        for (unsigned all = 0; all < 2; all++) {
            exchange->failing_count = all == 1 ? SIZE_MAX : 1;
            sizes[exchange->failing] = 0;
            child_end_t end = run_child(exchange_without_memory, exchange);
            size_t size = sizes[exchange->failing]; /* as the child asked for it */
            reservations += size == FOREIGN_WORK;
            if (end == CHILD_ABORTED && may_abort(exchange, size))
                continue;
            /* AWS-LC can do without in places. */
            bool is_expected =
                end == CHILD_REFUSED || (size != FOREIGN_WORK && end == CHILD_AS_USUAL);
            if (!CHECK(is_expected))
                fprintf(stderr,
                        "  that was the %s in framing %d with %s, block %zu of %zu bytes%s: %s\n",
                        exchange->role == ANWDL_ROLE_SERVER ? "server" : "client",
                        (int)exchange->framing, exchange->peer_key, exchange->failing, size,
                        all == 1 ? " and all that follow" : "", child_end_name(end));
            cases++;
            refused += end == CHILD_REFUSED;
        }
    }
}

int main(int argc, char **argv) {
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    bool few = argc > 1 && strcmp(argv[1], "--few") == 0;
    static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};
    static const anwdl_role_t ROLES[] = {ANWDL_ROLE_SERVER, ANWDL_ROLE_CLIENT};
    static const char *const PEER_KEYS[] = {"peer-1", "rsa-8192"};
    start_heap();
    /* The crate `rsa` asks for all its numbers in such a way. */
    bool is_pure_rust = strstr(anwdl_build_info(), "AWS-LC") == NULL;
    smallest_numbered = is_pure_rust ? FOREIGN_WORK : SMALL_BLOCK;
    anwdl_rsa_wrapper_t *own_rsa = make_rsa_wrapper("rsa-4096");
    for (size_t key = 0; key < (few ? 1 : 2); key++) {
        anwdl_rsa_wrapper_t *peer_rsa = make_rsa_wrapper(PEER_KEYS[key]);
        for (size_t role = 0; role < 2; role++)
            for (size_t framing = 0; framing < 4; framing++) {
                /* v2 and v3 take the same steps with the same blocks as v4. */
                if (key > 0 && FRAMINGS[framing] < ANWDL_PROTOCOL_V4 && !all)
                    continue;
                exchanges++;
                exchange_t exchange = {.role = ROLES[role],
                                       .framing = FRAMINGS[framing],
                                       .peer_key = PEER_KEYS[key],
                                       .own_rsa = own_rsa,
                                       .peer_rsa = peer_rsa};
                check_exchange(&exchange);
            }
        anwdl_rsa_wrapper_free(peer_rsa);
    }
    anwdl_rsa_wrapper_free(own_rsa);
    CHECK(refused > 0);
    /* Before each of the four steps, and in the middle of some. */
    CHECK(reservations >= 2 * exchanges * 4);
    printf("cases: %zu exchanges without memory, of which %zu failed\n", cases, refused);
    finish_heap();
    return check_finish();
}
