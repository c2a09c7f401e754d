/* Refusals of messages of v2, v3 and v4, one after the other, for callgrind to count their
   instructions:

       refusals server|client v2|v3|v4 FILE...

   Each file holds a text and its padding, whatever they are. It is encrypted under a key agreed on
   beforehand and received as the first message of a session. Callgrind counts the call that reads
   it, and leaves a dump that has the file's name. A file whose name ends in `.valid` is accepted.
 */
#include "check.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum { BLOCK_SIZE = 16, HEADER_SIZE = 8 };

static anwdl_aes_wrapper_t *aes;

static uint8_t *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size > 0);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size);
    REQUIRE(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    *len = (size_t)size;
    return bytes;
}

/* Header and packet of whole blocks. The wrapper adds a block of padding, which is left out; where
   v3 and v4 have the next IV. */
static uint8_t *make_message(const char *framing, const uint8_t *blocks, size_t len, size_t *size) {
    size_t packet_size = len + (strcmp(framing, "v2") == 0 ? 0 : BLOCK_SIZE);
    uint8_t *ciphertext = NULL;
    size_t ciphertext_len = 0;
    uint8_t *message = calloc(1, BLOCK_SIZE + packet_size);
    char digits[BLOCK_SIZE + 1];
    size_t header_size = HEADER_SIZE;
    REQUIRE(message != NULL);
    if (strcmp(framing, "v4") == 0) {
        header_size = BLOCK_SIZE;
        int count = snprintf(digits, sizeof digits, "%zu", packet_size);
        REQUIRE(anwdl_aes_wrapper_encrypt_data(aes, (const uint8_t *)digits, (size_t)count,
                                               &ciphertext, &ciphertext_len) == ANWDL_OK);
        memcpy(message, ciphertext, BLOCK_SIZE);
        anwdl_bytes_free(ciphertext, ciphertext_len);
    } else {
        int count = snprintf(digits, sizeof digits, "%zu", packet_size);
        memset(message, '=', HEADER_SIZE);
        memcpy(message, digits, (size_t)count);
    }
    REQUIRE(anwdl_aes_wrapper_encrypt_data(aes, blocks, len, &ciphertext, &ciphertext_len) ==
            ANWDL_OK);
    memcpy(message + header_size, ciphertext, len);
    anwdl_bytes_free(ciphertext, ciphertext_len);
    *size = header_size + packet_size;
    return message;
}

/* Receives a message, and asks for what is in it. */
static anwdl_status_t receive(anwdl_session_t *session, anwdl_role_t role) {
    anwdl_request_t *request = NULL;
    anwdl_response_t *response = NULL;
    anwdl_status_t status = role == ANWDL_ROLE_SERVER
                                ? anwdl_session_recv_request(session, false, &request)
                                : anwdl_session_recv_response(session, &response);
    if (request != NULL)
        REQUIRE(anwdl_request_get_json(request) != NULL &&
                anwdl_request_get_parameters_json(request) != NULL &&
                anwdl_request_get_string(request, "text", NULL) == NULL);
    if (response != NULL)
        REQUIRE(anwdl_response_get_json(response) != NULL &&
                anwdl_response_get_data_json(response) != NULL &&
                anwdl_response_get_string(response, "text", NULL) == NULL);
    anwdl_request_free(request);
    anwdl_response_free(response);
    return status;
}

static void count_one(anwdl_role_t role, anwdl_protocol_t protocol, const char *framing,
                      const char *path) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_session_t *session = NULL;
    size_t len = 0;
    size_t size = 0;
    uint8_t *blocks = read_file(path, &len);
    uint8_t *message = make_message(framing, blocks, len, &size);
    const uint8_t *bytes = message;
    if (role == ANWDL_ROLE_CLIENT)
        REQUIRE(anwdl_client_options_set_protocol(options, protocol) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    anwdl_status_t status = ANWDL_OK;
    while (size > 0) {
        const uint8_t *pending = NULL;
        size_t count = 0;
        status = receive(session, role);
        if (status == ANWDL_WANT_WRITE) {
            REQUIRE(anwdl_session_get_pending(session, &pending, &count) == ANWDL_OK);
            REQUIRE(anwdl_session_sent(session, count) == ANWDL_OK);
            continue;
        }
        REQUIRE(status == ANWDL_WANT_READ);
        REQUIRE(anwdl_session_feed(session, bytes, size, &count) == ANWDL_OK);
        bytes += count;
        size -= count;
    }
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    status = receive(session, role);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(path);
    bool is_valid = strstr(path, ".valid") != NULL;
    REQUIRE(is_valid ? status == ANWDL_OK
                     : anwdl_last_error_reason() == ANWDL_REASON_DECRYPTION_FAILED);
    anwdl_session_free(session);
    free(message);
    free(blocks);
}

int main(int argc, char **argv) {
    static const char *const framings[] = {"v2", "v3", "v4"};
    static const anwdl_protocol_t protocols[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                 ANWDL_PROTOCOL_V4};
    REQUIRE(argc > 3);
    anwdl_role_t role = strcmp(argv[1], "server") == 0 ? ANWDL_ROLE_SERVER : ANWDL_ROLE_CLIENT;
    aes = make_aes_wrapper(ANWDL_AES_CBC);
    for (size_t at = 0; at < sizeof framings / sizeof framings[0]; at++)
        if (strcmp(argv[2], framings[at]) == 0)
            for (int file = 3; file < argc; file++) {
                count_one(role, protocols[at], argv[2], argv[file]);
                CHECK(true);
            }
    anwdl_aes_wrapper_free(aes);
    return check_finish();
}
