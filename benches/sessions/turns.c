#include "turns.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

void turn_free(turn_t *turn) {
    free(turn->response);
    turn->response = NULL;
}

void asker_init(asker_t *asker, anwdl_protocol_t framing, const char *request) {
    memset(asker, 0, sizeof *asker);
    wire_init(&asker->wire, framing);
    asker->request = request;
    asker->request_len = strlen(request);
}

void asker_free(asker_t *asker) {
    wire_free(&asker->wire);
    free(asker->response);
}

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
    if (asker->is_response_replayed)
        asker->wire.state.received = 0;
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

void ask(asker_t *asker, int fd) {
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
void ask_ahead(asker_t *asker, int fd) {
    wire_t *wire = &asker->wire;
    size_t size;
    wire_seal_request(wire, asker->request, asker->request_len);
    size = wire->request_size;
    if (wire_is_answered(wire))
        wire->request[size++] = '1';
    MUST(send_exactly(fd, wire->request, size));
}

void hear_ahead(asker_t *asker, int fd) {
    if (wire_is_answered(&asker->wire))
        receive_answer(fd);
    receive_header(asker, fd);
    receive_packet(asker, fd);
}

/* -- many turns -------------------------------------------------------------------------------- */

void take_turns(asking_t *asking) {
    asker_t *asker = asking->asker;
    stay_on_processor(SESSION_PROCESSOR);
    for (size_t k = 0; k < asking->turn_count; k++) {
        asked_session_t *session = &asking->sessions[asking->order[k % asking->session_count]];
        asker->wire.state = session->state;
        ask(asker, session->fd);
        session->state = asker->wire.state;
    }
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
