#include "turns.h"

#include "bench.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void turn_free(turn_t *turn) {
    free(turn->response);
    turn->response = NULL;
}

/* The library writes a request with these parameters in the same way. */
static char *make_request(const char *parameters) {
    static const char format[] = "{\"verb\": \"STAT\", \"parameters\": %s}";
    size_t size = sizeof format + strlen(parameters);
    char *request = malloc(size);
    MUST(request != NULL);
    snprintf(request, size, format, parameters);
    return request;
}

void asker_init(asker_t *asker, anwdl_protocol_t framing, const char *parameters,
                bool exchanges_keys) {
    memset(asker, 0, sizeof *asker);
    wire_init(&asker->wire, framing);
    asker->parameters = parameters;
    asker->request = make_request(parameters);
    asker->request_len = strlen(asker->request);
    if (exchanges_keys)
        asker->rsa = make_rsa_wrapper("client");
}

void asker_free(asker_t *asker) {
    wire_free(&asker->wire);
    anwdl_rsa_wrapper_free(asker->rsa);
    free(asker->request);
    free(asker->response);
}

asked_session_t asked_session_new(const asker_t *asker, int fd) {
    asked_session_t session = {.fd = fd};
    if (asker->rsa != NULL)
        session.library = library_peer_new(asker->wire.framing, asker->rsa);
    else
        session.state = wire_new_state(&asker->wire);
    return session;
}

void asked_session_free(asked_session_t *session) {
    anwdl_session_free(session->library);
    wire_free_state(&session->state);
}

/* -- by the library ---------------------------------------------------------------------------- */

void exchange_keys(asked_session_t *session) {
    peer_operation_t exchanging = exchanging_first();
    library_peer_run(session->library, &exchanging, session->fd, NULL);
    session->is_exchanged = true;
}

/* Of gcm, the only framing in which keys are exchanged for a turn that is kept. */
static void keep_text(turn_t *turn, const asker_t *asker, size_t sent, size_t received,
                      const char *text) {
    turn_free(turn);
    turn->request_header_size = GCM_HEADER_SIZE;
    turn->request_packet_size = sent - GCM_HEADER_SIZE;
    turn->response_header_size = GCM_HEADER_SIZE;
    turn->response_packet_size = received - GCM_HEADER_SIZE;
    turn->is_answered = wire_is_answered(&asker->wire);
    MUST(!turn->is_answered && turn->response_packet_size == strlen(text) + GCM_TAG_SIZE);
    turn->response = malloc(strlen(text) + 1);
    MUST(turn->response != NULL);
    memcpy(turn->response, text, strlen(text) + 1);
}

static size_t ask_by_library(const asker_t *asker, asked_session_t *session) {
    traffic_t traffic;
    peer_operation_t asking = asking_for_stat(asker->parameters);
    library_peer_run(session->library, &asking, session->fd, &traffic);
    return traffic.sent;
}

static void hear_by_library(const asker_t *asker, asked_session_t *session, size_t sent) {
    traffic_t traffic;
    peer_operation_t hearing_it = hearing();
    library_peer_run(session->library, &hearing_it, session->fd, &traffic);
    MUST(anwdl_response_get_success(hearing_it.response));
    if (asker->record != NULL)
        keep_text(asker->record, asker, sent, traffic.received,
                  anwdl_response_get_json(hearing_it.response));
    anwdl_response_free(hearing_it.response);
}

/* -- on the wire ------------------------------------------------------------------------------- */

static uint8_t *reserve_response(asker_t *asker, size_t size) {
    if (size > asker->response_capacity) {
        asker->response = realloc(asker->response, size);
        MUST(asker->response != NULL);
        asker->response_capacity = size;
    }
    return asker->response;
}

static void keep_turn(turn_t *turn, const asker_t *asker, size_t packet_size) {
    const wire_t *wire = &asker->wire;
    size_t header_size = wire_header_size(wire);
    turn_free(turn);
    turn->request_header_size = header_size;
    turn->request_packet_size = wire->request_size - header_size;
    turn->response_header_size = header_size;
    turn->response_packet_size = packet_size;
    turn->is_answered = wire_is_answered(wire);
    turn->response = malloc(header_size + packet_size);
    MUST(turn->response != NULL);
    memcpy(turn->response, asker->response, header_size + packet_size);
}

/* A wrong key would be noticed here at the latest. */
static void check_response(const wire_t *wire) {
    static const char beginning[] = "{\"success\": true, ";
    size_t len = sizeof beginning - 1;
    MUST(wire->text_len > len && memcmp(wire->text, beginning, len) == 0);
}

static void receive_packet(asker_t *asker, int fd) {
    size_t header_size = wire_header_size(&asker->wire);
    size_t size = wire_packet_size(&asker->wire, asker->response);
    uint8_t *packet = reserve_response(asker, header_size + size) + header_size;
    MUST(receive_exactly(fd, packet, size));
    if (asker->record != NULL)
        keep_turn(asker->record, asker, size);
    MUST(wire_open_response(&asker->wire, packet, size));
    check_response(&asker->wire);
}

static void receive_header(asker_t *asker, int fd) {
    uint8_t *header = reserve_response(asker, WIRE_LARGEST_HEADER);
    MUST(receive_exactly(fd, header, wire_header_size(&asker->wire)));
}

static void receive_answer(int fd) {
    char answer;
    MUST(receive_exactly(fd, &answer, 1));
    MUST(answer == '1');
}

static void ask_with_answers(asker_t *asker, int fd) {
    const wire_t *wire = &asker->wire;
    size_t header_size = wire_header_size(wire);
    MUST(send_exactly(fd, wire->request, header_size));
    receive_answer(fd);
    MUST(send_exactly(fd, wire->request + header_size, wire->request_size - header_size));
    receive_header(asker, fd);
    MUST(send_exactly(fd, "1", 1));
    receive_packet(asker, fd);
}

static void ask_on_wire(asker_t *asker, int fd) {
    wire_seal_request(&asker->wire, asker->request, asker->request_len);
    if (wire_is_answered(&asker->wire)) {
        ask_with_answers(asker, fd);
    } else {
        MUST(send_exactly(fd, asker->wire.request, asker->wire.request_size));
        receive_header(asker, fd);
        receive_packet(asker, fd);
    }
}

/* With the answer to the header of the response, which follows the request. */
static void ask_ahead_on_wire(asker_t *asker, int fd) {
    wire_t *wire = &asker->wire;
    size_t size;
    wire_seal_request(wire, asker->request, asker->request_len);
    size = wire->request_size;
    if (wire_is_answered(wire))
        wire->request[size++] = '1';
    MUST(send_exactly(fd, wire->request, size));
}

static void hear_ahead_on_wire(asker_t *asker, int fd) {
    if (wire_is_answered(&asker->wire))
        receive_answer(fd);
    receive_header(asker, fd);
    receive_packet(asker, fd);
}

/* -- either ------------------------------------------------------------------------------------ */

void ask(asker_t *asker, asked_session_t *session) {
    if (session->library != NULL) {
        if (!session->is_exchanged)
            exchange_keys(session);
        size_t sent = ask_by_library(asker, session);
        hear_by_library(asker, session, sent);
        return;
    }
    asker->wire.state = session->state;
    ask_on_wire(asker, session->fd);
    session->state = asker->wire.state;
}

void ask_ahead(asker_t *asker, asked_session_t *session) {
    if (session->library != NULL) {
        ask_by_library(asker, session);
        return;
    }
    asker->wire.state = session->state;
    ask_ahead_on_wire(asker, session->fd);
}

void hear_ahead(asker_t *asker, asked_session_t *session) {
    if (session->library != NULL) {
        hear_by_library(asker, session, 0);
        return;
    }
    hear_ahead_on_wire(asker, session->fd);
    session->state = asker->wire.state;
}

/* -- many turns -------------------------------------------------------------------------------- */

void take_turns(asking_t *asking) {
    asker_t *asker = asking->asker;
    stay_on_processor(SESSION_PROCESSOR);
    for (size_t k = 0; k < asking->turn_count; k++)
        ask(asker, &asking->sessions[asking->order[k % asking->session_count]]);
}

static void *run_thread(void *asking) {
    take_turns(asking);
    return NULL;
}

void asking_start(asking_t *asking) {
    MUST(pthread_create(&asking->thread, NULL, run_thread, asking) == 0);
}

void asking_join(asking_t *asking) {
    MUST(pthread_join(asking->thread, NULL) == 0);
}
