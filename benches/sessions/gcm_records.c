#include "gcm_records.h"

#include "bench.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_SIZE = 12, NUMBER_SIZE = 8 };

/* One direction. */
typedef struct {
    EVP_CIPHER_CTX *cipher;
    uint8_t iv[NONCE_SIZE];
    uint64_t number; /* of the next record */
} direction_t;

struct gcm_records {
    direction_t sent;
    direction_t received;
};

/* What a client sends with, and what a server does; any will do. */
static const uint8_t KEYS[2][32] = {"the key that a client sends with",
                                    "and another one for the server.."};
static const uint8_t IVS[2][NONCE_SIZE] = {"a client's.", "a server's."};

static direction_t make_direction(bool is_clients, bool encrypts) {
    direction_t direction = {.cipher = EVP_CIPHER_CTX_new()};
    const uint8_t *key = KEYS[is_clients ? 0 : 1];
    memcpy(direction.iv, IVS[is_clients ? 0 : 1], sizeof direction.iv);
    MUST(direction.cipher != NULL);
    MUST(EVP_CipherInit_ex(direction.cipher, EVP_aes_256_gcm(), NULL, key, NULL, encrypts) == 1);
    return direction;
}

gcm_records_t *gcm_records_new(bool is_client) {
    gcm_records_t *records = calloc(1, sizeof *records);
    MUST(records != NULL);
    records->sent = make_direction(is_client, true);
    records->received = make_direction(!is_client, false);
    return records;
}

void gcm_records_free(gcm_records_t *records) {
    if (records == NULL)
        return;
    EVP_CIPHER_CTX_free(records->sent.cipher);
    EVP_CIPHER_CTX_free(records->received.cipher);
    free(records);
}

size_t gcm_record_length(const uint8_t header[GCM_HEADER_SIZE]) {
    return (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
           (size_t)header[3];
}

static void put_length(uint8_t header[GCM_HEADER_SIZE], size_t len) {
    for (size_t at = GCM_HEADER_SIZE; at > 0; len >>= 8)
        header[--at] = (uint8_t)len;
}

static void begin_record(direction_t *direction, const uint8_t header[GCM_HEADER_SIZE]) {
    uint8_t nonce[NONCE_SIZE];
    int count = 0;
    uint64_t number = direction->number++;
    memcpy(nonce, direction->iv, sizeof nonce);
    for (size_t at = 0; at < NUMBER_SIZE; at++)
        nonce[NONCE_SIZE - 1 - at] ^= (uint8_t)(number >> 8 * at);
    MUST(EVP_CipherInit_ex(direction->cipher, NULL, NULL, NULL, nonce, -1) == 1);
    MUST(EVP_CipherUpdate(direction->cipher, NULL, &count, header, GCM_HEADER_SIZE) == 1);
}

void gcm_records_seal(gcm_records_t *records, const void *text, size_t len, uint8_t *record) {
    EVP_CIPHER_CTX *cipher = records->sent.cipher;
    uint8_t *sealed = record + GCM_HEADER_SIZE;
    int count = 0;
    put_length(record, len + GCM_TAG_SIZE);
    begin_record(&records->sent, record);
    MUST(EVP_CipherUpdate(cipher, sealed, &count, text, (int)len) == 1);
    MUST(EVP_CipherFinal_ex(cipher, sealed + count, &count) == 1);
    MUST(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, sealed + len) == 1);
}

bool gcm_records_open(gcm_records_t *records, uint8_t *record, size_t len) {
    EVP_CIPHER_CTX *cipher = records->received.cipher;
    uint8_t header[GCM_HEADER_SIZE];
    int count = 0;
    if (len < GCM_TAG_SIZE)
        return false;
    size_t text_len = len - GCM_TAG_SIZE;
    put_length(header, len);
    begin_record(&records->received, header);
    MUST(EVP_CipherUpdate(cipher, record, &count, record, (int)text_len) == 1);
    MUST(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_SIZE, record + text_len) == 1);
    return EVP_CipherFinal_ex(cipher, record + count, &count) == 1;
}
