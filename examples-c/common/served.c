#include "served.h"

#include "answers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Milliseconds until the next look whether a signal has come. */
enum { LONGEST_WAIT = 100 };

/* -- a server ---------------------------------------------------------------------------------- */

bool server_open(server_base_t *server, int argc, char **argv, const number_option_t *own,
                 void (*give_way)(place_t *place)) {
    server->listener = -1;
    if (!parse_server_options(argc, argv, own, &server->options) ||
        !raise_descriptor_limit(&server->options, 0))
        return false;
    server->client_options = make_client_options(&server->options);
    if (server->client_options == NULL)
        return false;
    server->admission = admission_new(&server->options.limits, give_way);
    if (server->admission == NULL) {
        fputs("no memory\n", stderr);
        return false;
    }
    server->port = server->options.port;
    server->listener = open_listener(&server->port);
    return server->listener >= 0;
}

void server_announce(const server_base_t *server) {
    start_uptime();
    print_listening(server->port);
}

void server_drain(const server_base_t *server, int signals) {
    int64_t end = get_time() + server->options.drain_timeout;
    int64_t left;
    while ((left = end - get_time()) > 0 && read_signal_now(signals) != SIGINT) {
        uint32_t wait = left < LONGEST_WAIT ? (uint32_t)left : LONGEST_WAIT;
        if (admission_wait_until_empty(server->admission, wait))
            return;
    }
}

void server_close(server_base_t *server) {
    if (server->listener >= 0)
        close(server->listener);
    server->listener = -1;
    admission_free(server->admission);
    anwdl_client_options_free(server->client_options);
}

/* -- one of its clients ------------------------------------------------------------------------ */

/* Returns NULL if the client has got a place, otherwise the reason. */
static const char *enter(served_t *served, int fd, const struct sockaddr_storage *peer) {
    const char *why =
        admission_enter(served->admission, &served->place, (const struct sockaddr *)peer);
    if (why != NULL || limit_unsent(fd))
        return why;
    admission_leave(served->admission, &served->place);
    return "no way to limit what is queued for it";
}

void *served_new(size_t size, server_base_t *server, int fd, const struct sockaddr_storage *peer) {
    const char *why = "no memory";
    uint64_t number = ++server->last_number;
    served_t *served = calloc(1, size);
    if (served != NULL) {
        served->admission = server->admission;
        served->number = number;
        served->place.owner = served;
        why = enter(served, fd, peer);
    }
    if (why == NULL)
        return served;
    print_refused(number, why);
    free(served);
    close(fd);
    return NULL;
}

void served_begin(served_t *served, phase_t phase) {
    served->phase = phase;
    admission_wait(served->admission, &served->place);
}

static bool is_idle(const served_t *served) {
    return served->client != NULL ? anwdl_client_is_idle(served->client)
                                  : anwdl_session_is_idle(served->session);
}

bool served_may_wait(served_t *served, bool is_stopping) {
    if (served->phase == RESTING && !is_idle(served))
        served_begin(served, ANSWERING);
    return !is_stopping || served->phase == ANSWERING;
}

static anwdl_protocol_t get_protocol(const served_t *served) {
    return served->client != NULL ? anwdl_client_get_protocol(served->client)
                                  : anwdl_session_get_protocol(served->session);
}

/* Begins to send; the following events finish it. */
static bool send_answer(const served_t *served, answer_t answer) {
    anwdl_status_t status =
        served->client != NULL
            ? anwdl_client_send_response_data(served->client, answer.success, answer.message,
                                              answer.data, answer.reason)
            : anwdl_session_send_response_data(served->session, answer.success, answer.message,
                                               answer.data, answer.reason);
    free_answer(&answer);
    return status >= ANWDL_OK;
}

static void print_malformed(const served_t *served) {
    print_malformed_request(served->number, get_protocol(served),
                            served->client != NULL
                                ? anwdl_client_get_request_errors(served->client)
                                : anwdl_session_get_request_errors(served->session));
}

static void finish_request(served_t *served) {
    if (served->request != NULL)
        print_request(served->number, get_protocol(served),
                      anwdl_request_get_verb(served->request));
    anwdl_request_free(served->request);
    served->request = NULL;
}

bool served_handle(served_t *served, anwdl_event_t event) {
    bool goes_on = true;
    switch (event) {
    case ANWDL_EVENT_EXCHANGED:
        admission_end_exchange(served->admission, &served->place);
        print_keys_exchanged(served->number);
        served_begin(served, RESTING);
        return true;
    case ANWDL_EVENT_REQUEST:
        goes_on = send_answer(served, make_answer(served->request));
        served_begin(served, ANSWERING);
        return goes_on;
    case ANWDL_EVENT_MALFORMED_REQUEST:
        print_malformed(served);
        goes_on = send_answer(served, make_answer_to_malformed_request());
        served_begin(served, ANSWERING);
        return goes_on;
    case ANWDL_EVENT_RESPONSE_SENT:
        finish_request(served);
        served_begin(served, RESTING);
        return true;
    default:
        return false;
    }
}

void served_leave(served_t *served) {
    /* While the descriptor is still open, because giving way shuts it down. */
    admission_leave(served->admission, &served->place);
    anwdl_request_free(served->request);
    anwdl_client_free(served->client);
    anwdl_session_free(served->session);
}
