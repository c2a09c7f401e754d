#include "wire.h"

#include "bench.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLEAR_HEADER_SIZE = 8,
    V4_HEADER_SIZE = 16,
    BLOCK_SIZE = 16,
};

static bool is_gcm(const wire_t *wire) {
    return wire->framing == ANWDL_PROTOCOL_GCM;
}

/* How many bytes of the next IV stand behind a ciphertext. */
static size_t iv_size(const wire_t *wire) {
    return wire->framing == ANWDL_PROTOCOL_V2 ? 0 : WIRE_IV_SIZE;
}

void wire_init(wire_t *wire, anwdl_protocol_t framing) {
    memset(wire, 0, sizeof *wire);
    wire->framing = framing;
    if (!is_gcm(wire))
        wire->aes = make_aes_wrapper(ANWDL_AES_CBC);
}

static void forget_text(wire_t *wire) {
    if (!is_gcm(wire))
        anwdl_bytes_free(wire->text, wire->text_len);
    wire->text = NULL;
    wire->text_len = 0;
}

void wire_free(wire_t *wire) {
    anwdl_aes_wrapper_free(wire->aes);
    forget_text(wire);
    free(wire->request);
}

anwdl_protocol_t wire_framing(const char *name) {
    static const struct {
        const char *name;
        anwdl_protocol_t framing;
    } framings[] = {{"v2", ANWDL_PROTOCOL_V2},
                    {"v3", ANWDL_PROTOCOL_V3},
                    {"v4", ANWDL_PROTOCOL_V4},
                    {"gcm", ANWDL_PROTOCOL_GCM}};
    for (size_t at = 0; at < sizeof framings / sizeof framings[0]; at++)
        if (strcmp(framings[at].name, name) == 0)
            return framings[at].framing;
    bench_fail(EXIT_FAILURE, "--protocol takes v2, v3, v4 or gcm, not %s", name);
}

wire_state_t wire_new_state(const wire_t *wire) {
    wire_state_t state = {.records = is_gcm(wire) ? gcm_records_new(true) : NULL};
    memcpy(state.iv, SHARED_IV, sizeof state.iv);
    return state;
}

void wire_free_state(wire_state_t *state) {
    gcm_records_free(state->records);
    state->records = NULL;
}

size_t wire_header_size(const wire_t *wire) {
    switch (wire->framing) {
    case ANWDL_PROTOCOL_V4:
        return V4_HEADER_SIZE;
    case ANWDL_PROTOCOL_GCM:
        return GCM_HEADER_SIZE;
    default:
        return CLEAR_HEADER_SIZE;
    }
}

bool wire_is_answered(const wire_t *wire) {
    return !is_gcm(wire);
}

static void reserve_request(wire_t *wire, size_t packet_size) {
    wire->request_size = wire_header_size(wire) + packet_size;
    if (wire->request_size + 1 > wire->request_capacity) {
        wire->request_capacity = wire->request_size + 1;
        wire->request = realloc(wire->request, wire->request_capacity);
        MUST(wire->request != NULL);
    }
}

/* -- v2, v3, v4 -------------------------------------------------------------------------------- */

static void use_iv(wire_t *wire) {
    MUST(anwdl_aes_wrapper_set_key(wire->aes, SHARED_KEY, sizeof SHARED_KEY, wire->state.iv,
                                   sizeof wire->state.iv) == ANWDL_OK);
}

static void write_cbc_header(wire_t *wire, size_t packet_size) {
    char digits[V4_HEADER_SIZE];
    int count = snprintf(digits, sizeof digits, "%zu", packet_size);
    if (wire->framing != ANWDL_PROTOCOL_V4) {
        MUST(count <= CLEAR_HEADER_SIZE);
        memset(wire->request, '=', CLEAR_HEADER_SIZE);
        memcpy(wire->request, digits, (size_t)count);
        return;
    }
    uint8_t *header = NULL;
    size_t len = 0;
    MUST(anwdl_aes_wrapper_encrypt_data(wire->aes, (const uint8_t *)digits, (size_t)count, &header,
                                        &len) == ANWDL_OK);
    MUST(len == V4_HEADER_SIZE);
    memcpy(wire->request, header, len);
    anwdl_bytes_free(header, len);
}

static void seal_cbc(wire_t *wire, const uint8_t *text, size_t len) {
    uint8_t *ciphertext = NULL;
    size_t ciphertext_len = 0;
    use_iv(wire);
    MUST(anwdl_aes_wrapper_encrypt_data(wire->aes, text, len, &ciphertext, &ciphertext_len) ==
         ANWDL_OK);
    reserve_request(wire, ciphertext_len + iv_size(wire));
    write_cbc_header(wire, ciphertext_len + iv_size(wire));
    uint8_t *packet = wire->request + wire_header_size(wire);
    memcpy(packet, ciphertext, ciphertext_len);
    anwdl_bytes_free(ciphertext, ciphertext_len);
    memcpy(packet + ciphertext_len, SHARED_IV, iv_size(wire));
    memcpy(wire->state.iv, SHARED_IV, WIRE_IV_SIZE);
    use_iv(wire);
}

static size_t read_digits(const uint8_t *bytes, size_t len) {
    char text[V4_HEADER_SIZE + 1] = {0};
    char *end = NULL;
    memcpy(text, bytes, len);
    size_t number = strtoul(text, &end, 10);
    MUST(end != text);
    return number;
}

static size_t read_v4_header(wire_t *wire, const uint8_t *header) {
    uint8_t *digits = NULL;
    size_t len = 0;
    MUST(anwdl_aes_wrapper_decrypt_data(wire->aes, header, V4_HEADER_SIZE, &digits, &len) ==
         ANWDL_OK);
    size_t size = read_digits(digits, len);
    anwdl_bytes_free(digits, len);
    return size;
}

static bool open_cbc(wire_t *wire, const uint8_t *packet, size_t len) {
    size_t behind = iv_size(wire);
    if (len < behind + BLOCK_SIZE ||
        anwdl_aes_wrapper_decrypt_data(wire->aes, packet, len - behind, &wire->text,
                                       &wire->text_len) != ANWDL_OK)
        return false;
    memcpy(wire->state.iv, packet + len - behind, behind);
    return true;
}

/* -- gcm --------------------------------------------------------------------------------------- */

static void seal_gcm(wire_t *wire, const uint8_t *text, size_t len) {
    reserve_request(wire, len + GCM_TAG_SIZE);
    gcm_records_seal(wire->state.records, text, len, wire->request);
}

static bool open_gcm(wire_t *wire, uint8_t *record, size_t len) {
    if (!gcm_records_open(wire->state.records, record, len))
        return false;
    wire->text = record;
    wire->text_len = len - GCM_TAG_SIZE;
    return true;
}

/* -- all --------------------------------------------------------------------------------------- */

void wire_seal_request(wire_t *wire, const char *json, size_t len) {
    if (is_gcm(wire))
        seal_gcm(wire, (const uint8_t *)json, len);
    else
        seal_cbc(wire, (const uint8_t *)json, len);
}

size_t wire_packet_size(wire_t *wire, const uint8_t *header) {
    switch (wire->framing) {
    case ANWDL_PROTOCOL_GCM:
        return gcm_record_length(header);
    case ANWDL_PROTOCOL_V4:
        return read_v4_header(wire, header);
    default:
        return read_digits(header, CLEAR_HEADER_SIZE);
    }
}

bool wire_open_response(wire_t *wire, uint8_t *packet, size_t len) {
    forget_text(wire);
    return is_gcm(wire) ? open_gcm(wire, packet, len) : open_cbc(wire, packet, len);
}
