#include "links.h"

#include "bench.h"
#include "support.h"
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 4096 };

struct manner {
    const char *name;
    void (*open)(link_t *link);
    void (*ask)(link_t *link);
    bool (*hear)(link_t *link);
};

/* How much has come; 0: nothing yet. */
static size_t receive_now(const link_t *link, void *bytes, size_t capacity) {
    ssize_t count = recv(link->fd, bytes, capacity, 0);
    MUST(count > 0 || (count < 0 && errno == EAGAIN));
    return count > 0 ? (size_t)count : 0;
}

/* -- by the library ---------------------------------------------------------------------------- */

static void open_library(link_t *link) {
    peer_operation_t exchanging = exchanging_first();
    link->session = library_peer_new(link->linking->framing, link->linking->rsa);
    library_peer_run(link->session, &exchanging, link->fd, NULL);
}

/* True when the operation is done. */
static bool go_on(link_t *link) {
    anwdl_status_t status =
        library_peer_go_on(link->session, &link->operation, &link->heard, &link->said);
    MUST(send_exactly(link->fd, link->said.bytes, link->said.len));
    link->said.len = 0;
    return status == ANWDL_OK;
}

/* True at the end of the turn. */
static bool go_on_asking_or_hearing(link_t *link) {
    while (go_on(link)) {
        if (link->operation.response != NULL) {
            MUST(anwdl_response_get_success(link->operation.response));
            anwdl_response_free(link->operation.response);
            return true;
        }
        link->operation = hearing();
    }
    return false;
}

static void ask_library(link_t *link) {
    link->operation = asking_for_stat(STAT_PARAMETERS);
    MUST(!go_on_asking_or_hearing(link));
}

static bool hear_library(link_t *link) {
    uint8_t piece[PIECE];
    bytes_append(&link->heard, piece, receive_now(link, piece, sizeof piece));
    return go_on_asking_or_hearing(link);
}

/* -- by TLS ------------------------------------------------------------------------------------ */

static void open_tls(link_t *link) {
    link->tls = SSL_new(link->linking->tls);
    MUST(link->tls != NULL && SSL_set_fd(link->tls, link->fd) == 1);
    MUST(SSL_connect(link->tls) == 1);
}

static void ask_tls(link_t *link) {
    int size = (int)strlen(TLS_REQUEST);
    MUST(SSL_write(link->tls, TLS_REQUEST, size) == size);
}

static bool hear_tls(link_t *link) {
    char response[TLS_LARGEST];
    int count = SSL_read(link->tls, response, sizeof response);
    MUST(count > 0 || SSL_get_error(link->tls, count) == SSL_ERROR_WANT_READ);
    MUST(count <= 0 || count == (int)strlen(TLS_RESPONSE));
    return count > 0;
}

/* -- bare -------------------------------------------------------------------------------------- */

/* So many bytes are sent, and so many are then awaited. */
typedef struct {
    size_t sent;
    size_t awaited;
} step_t;

static size_t get_steps(const turn_t *turn, step_t steps[3]) {
    size_t request = turn->request_header_size;
    size_t response = turn->response_header_size;
    if (!turn->is_answered) {
        steps[0] =
            (step_t){request + turn->request_packet_size, response + turn->response_packet_size};
        return 1;
    }
    steps[0] = (step_t){request, 1};
    steps[1] = (step_t){turn->request_packet_size, response};
    steps[2] = (step_t){1, turn->response_packet_size};
    return 3;
}

static void begin_step(link_t *link, size_t step) {
    static const char nothing[PIECE];
    step_t steps[3];
    get_steps(&link->linking->turn, steps);
    link->step = step;
    link->left = steps[step].awaited;
    MUST(send_exactly(link->fd, nothing, steps[step].sent));
}

static void open_bare(link_t *link) {
    (void)link;
}

static void ask_bare(link_t *link) {
    begin_step(link, 0);
}

static bool hear_bare(link_t *link) {
    char piece[PIECE];
    step_t steps[3];
    size_t count = get_steps(&link->linking->turn, steps);
    link->left -= receive_now(link, piece, link->left);
    if (link->left > 0)
        return false;
    if (link->step + 1 == count)
        return true;
    begin_step(link, link->step + 1);
    return false;
}

/* -- all --------------------------------------------------------------------------------------- */

static const manner_t MANNERS[] = {
    {"library", open_library, ask_library, hear_library},
    {"tls", open_tls, ask_tls, hear_tls},
    {"bare", open_bare, ask_bare, hear_bare},
};

linking_t linking_new(const char *kind, anwdl_protocol_t framing) {
    linking_t linking = {.framing = framing};
    for (size_t at = 0; at < sizeof MANNERS / sizeof MANNERS[0]; at++)
        if (strcmp(MANNERS[at].name, kind) == 0)
            linking.manner = &MANNERS[at];
    if (linking.manner == NULL)
        bench_fail(EXIT_FAILURE, "--kind takes library, tls or bare");
    if (strcmp(kind, "bare") == 0)
        linking.turn = record_turn(framing, STAT_PARAMETERS, STAT_DATA);
    else if (strcmp(kind, "tls") == 0)
        linking.tls = tls_client_context();
    else
        linking.rsa = make_rsa_wrapper("client");
    return linking;
}

void linking_free(linking_t *linking) {
    turn_free(&linking->turn);
    SSL_CTX_free(linking->tls);
    anwdl_rsa_wrapper_free(linking->rsa);
}

void link_open(link_t *link, const linking_t *linking, uint16_t port) {
    *link = (link_t){.linking = linking, .fd = connect_to(port)};
    linking->manner->open(link);
    MUST(fcntl(link->fd, F_SETFL, O_NONBLOCK) == 0);
}

void link_close(link_t *link) {
    anwdl_session_free(link->session);
    bytes_free(&link->heard);
    bytes_free(&link->said);
    SSL_free(link->tls);
    close(link->fd);
}

void link_ask(link_t *link) {
    link->is_busy = true;
    link->asked_at = wall_clock();
    link->linking->manner->ask(link);
}

bool link_hear(link_t *link) {
    link->is_busy = !link->linking->manner->hear(link);
    return !link->is_busy;
}
