/* The messages of the connecting side as bytes, without a socket: seals requests and opens
   responses in every framing, with keys that both sides have from the start: in v2, v3 and v4 the
   one that make_aes_wrapper() of the tests gives, in gcm, of which only the floor has such keys,
   those of gcm_records.h. As lean as it can be, since it shares the machine with what is
   measured. */
#ifndef WIRE_H
#define WIRE_H

#include "gcm_records.h"

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_IV_SIZE = 16, WIRE_LARGEST_HEADER = 16 };

/* What changes from message to message of one session. */
typedef struct {
    uint8_t iv[WIRE_IV_SIZE]; /* of the next message, in v2, v3 and v4 */
    gcm_records_t *records;   /* in gcm */
} wire_state_t;

typedef struct {
    anwdl_protocol_t framing;
    anwdl_aes_wrapper_t *aes; /* of v2, v3 and v4 */
    wire_state_t state;       /* of the session whose turn it is; not the wire's own */

    /* The last request: header, packet and room for one byte more. */
    uint8_t *request;
    size_t request_capacity;
    size_t request_size;

    /* The text of the last response: from the library, or, in gcm, where the packet was. */
    uint8_t *text;
    size_t text_len;
} wire_t;

void wire_init(wire_t *wire, anwdl_protocol_t framing);
void wire_free(wire_t *wire);

/* The framing of a name: v2, v3, v4 or gcm. */
anwdl_protocol_t wire_framing(const char *name);

/* The state of a session in which no message was sent yet. */
wire_state_t wire_new_state(const wire_t *wire);
void wire_free_state(wire_state_t *state);

size_t wire_header_size(const wire_t *wire);

/* Whether a header is answered with one byte before the packet is sent. */
bool wire_is_answered(const wire_t *wire);

/* Writes the next request to wire->request. In v3 and v4 every request carries the same next IV: a
   bench needs no unpredictable ones, and a response recorded once can then be opened each time. */
void wire_seal_request(wire_t *wire, const char *json, size_t len);

/* The size of the packet that a header announces. */
size_t wire_packet_size(wire_t *wire, const uint8_t *header);

/* Opens the packet of the next response and keeps its text. False when it does not decrypt. */
bool wire_open_response(wire_t *wire, uint8_t *packet, size_t len);

#endif
