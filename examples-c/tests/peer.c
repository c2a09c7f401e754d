#include "peer.h"

#include "check.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE = 60000, /* milliseconds after which a silent server counts as hung */
    CLEAR_HEADER_SIZE = 8,
    ENCRYPTED_HEADER_SIZE = 16,
    IV_SIZE = 16,
    GCM_SECRET_SIZE = 33,
    GCM_SECRET_MARK = 5,
    GCM_LENGTH_SIZE = 4,
    GCM_AAD_SIZE = 6 + 1 + 8 + 4,
    GCM_OVERHEAD = GCM_NONCE_SIZE + GCM_TAG_SIZE,
};

void peer_init(peer_t *peer, int fd, anwdl_protocol_t framing, const char *key_name) {
    memset(peer, 0, sizeof *peer);
    peer->fd = fd;
    peer->framing = framing;
    peer->budget = SIZE_MAX;
    peer->gate = -1;
    if (key_name != NULL) {
        char *pem = NULL;
        peer->rsa = make_rsa_wrapper(key_name);
        REQUIRE(anwdl_rsa_wrapper_get_public_key(peer->rsa, &pem) == ANWDL_OK);
        peer->own_pem = strdup(pem);
        anwdl_string_free(pem);
    } else {
        memcpy(peer->key, SHARED_KEY, sizeof peer->key);
        memcpy(peer->iv, SHARED_IV, sizeof peer->iv);
    }
}

void peer_free(peer_t *peer) {
    if (peer->fd >= 0)
        close(peer->fd);
    anwdl_rsa_wrapper_free(peer->rsa);
    free(peer->own_pem);
    free(peer->server_pem);
}

static void *run_script(void *peer) {
    ((peer_t *)peer)->script(peer);
    return NULL;
}

void peer_start(peer_t *peer, void (*script)(peer_t *peer), void *context) {
    peer->script = script;
    peer->context = context;
    REQUIRE(pthread_create(&peer->thread, NULL, run_script, peer) == 0);
}

void peer_join(peer_t *peer) {
    REQUIRE(pthread_join(peer->thread, NULL) == 0);
}

void peer_hang_up(peer_t *peer) {
    close(peer->fd);
    peer->fd = -1;
}

/* -- bytes ------------------------------------------------------------------------------------- */

static bool send_now(peer_t *peer, const uint8_t *bytes, size_t len) {
    while (len > 0) {
        if (!wait_for(peer->fd, POLLOUT, PATIENCE))
            return false;
        ssize_t count = send(peer->fd, bytes, len, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        bytes += count;
        len -= (size_t)count;
        peer->bytes_sent += (size_t)count;
    }
    return true;
}

static bool pass_gate(peer_t *peer) {
    uint8_t token;
    if (peer->gate != -1 && read(peer->gate, &token, 1) != 1)
        return false;
    /* A server that hangs up ends the wait at once. */
    return peer->drip == 0 || !wait_for(peer->fd, 0, peer->drip);
}

bool peer_send_bytes(peer_t *peer, const void *bytes, size_t len) {
    const uint8_t *from = bytes;
    size_t left = peer->budget - peer->bytes_sent;
    bool cut = peer->budget != SIZE_MAX && len > left;
    size_t sendable = cut ? left : len;
    if (peer->gate == -1 && peer->drip == 0) {
        if (!send_now(peer, from, sendable))
            return false;
    } else {
        for (size_t at = 0; at < sendable; at++)
            if (!pass_gate(peer) || !send_now(peer, from + at, 1))
                return false;
    }
    if (cut)
        shutdown(peer->fd, SHUT_WR);
    return !cut;
}

bool peer_receive_bytes(peer_t *peer, void *bytes, size_t len) {
    uint8_t *to = bytes;
    while (len > 0) {
        if (!CHECK(wait_for(peer->fd, POLLIN, PATIENCE)))
            return false;
        ssize_t count = recv(peer->fd, to, len, 0);
        if (count <= 0)
            return false;
        to += count;
        len -= (size_t)count;
    }
    return true;
}

bool peer_receive_answer(peer_t *peer) {
    char answer;
    if (!peer_receive_bytes(peer, &answer, 1))
        return false;
    peer->refused = answer != '1';
    return !peer->refused;
}

static bool send_answer(peer_t *peer) {
    return peer_send_bytes(peer, "1", 1);
}

bool peer_send_length(peer_t *peer, size_t length) {
    char text[CLEAR_HEADER_SIZE + 1];
    int digits = snprintf(text, sizeof text, "%zu", length);
    memset(text + digits, '=', CLEAR_HEADER_SIZE - (size_t)digits);
    return peer_send_bytes(peer, text, CLEAR_HEADER_SIZE);
}

static bool receive_length(peer_t *peer, size_t *length) {
    char text[CLEAR_HEADER_SIZE + 1] = {0};
    if (!peer_receive_bytes(peer, text, CLEAR_HEADER_SIZE))
        return false;
    size_t digits = strspn(text, "0123456789");
    CHECK(digits > 0);
    CHECK_INTEGER(digits + strspn(text + digits, "="), CLEAR_HEADER_SIZE);
    *length = strtoul(text, NULL, 10);
    return true;
}

/* -- key exchange ------------------------------------------------------------------------------ */

bool peer_send_public_key(peer_t *peer) {
    size_t len = strlen(peer->own_pem);
    return peer_send_length(peer, len) && peer_receive_answer(peer) &&
           peer_send_bytes(peer, peer->own_pem, len) && peer_receive_answer(peer);
}

bool peer_receive_public_key(peer_t *peer) {
    size_t len;
    if (!receive_length(peer, &len) || !send_answer(peer))
        return false;
    REQUIRE(len > 0 && len < 16384);
    peer->server_pem = calloc(1, len + 1);
    REQUIRE(peer->server_pem != NULL);
    if (!peer_receive_bytes(peer, peer->server_pem, len))
        return false;
    CHECK_OK(anwdl_rsa_wrapper_set_remote_public_key(peer->rsa, peer->server_pem));
    return send_answer(peer);
}

bool peer_send_wrapped(peer_t *peer, const void *secret, size_t len) {
    uint8_t *wrapped = NULL;
    size_t wrapped_len = 0;
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(peer->rsa, secret, len, false, &wrapped, &wrapped_len) ==
            ANWDL_OK);
    bool sent = peer_send_bytes(peer, wrapped, wrapped_len);
    anwdl_bytes_free(wrapped, wrapped_len);
    return sent;
}

/* A secret that the other side has wrapped: what came over the wire, and what it holds. */
typedef struct {
    uint8_t *wrapped;
    size_t wrapped_len;
    uint8_t *secret;
    size_t secret_len;
} secret_t;

static void secret_free(secret_t *secret) {
    free(secret->wrapped);
    anwdl_bytes_free(secret->secret, secret->secret_len);
}

static bool receive_secret(peer_t *peer, secret_t *secret) {
    memset(secret, 0, sizeof *secret);
    secret->wrapped_len = anwdl_rsa_wrapper_get_key_size(peer->rsa) / 8;
    secret->wrapped = malloc(secret->wrapped_len);
    REQUIRE(secret->wrapped != NULL);
    if (!peer_receive_bytes(peer, secret->wrapped, secret->wrapped_len))
        return false;
    return CHECK_OK(anwdl_rsa_wrapper_decrypt_data(peer->rsa, secret->wrapped, secret->wrapped_len,
                                                   &secret->secret, &secret->secret_len));
}

static void add_with_length(sha256_t *hash, const void *bytes, size_t len) {
    uint8_t prefix[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    sha256_add(hash, prefix, sizeof prefix);
    sha256_add(hash, bytes, len);
}

/* The initiator is the side that sent step 9. */
typedef struct {
    const char *pem;
    const uint8_t *wrapped;
    size_t wrapped_len;
    const uint8_t *random;
} contribution_t;

static void derive_gcm_key(peer_t *peer, contribution_t initiator, contribution_t responder) {
    sha256_t hash;
    uint8_t salt[SHA256_SIZE];
    uint8_t input[64];
    sha256_start(&hash);
    add_with_length(&hash, initiator.pem, strlen(initiator.pem));
    add_with_length(&hash, responder.pem, strlen(responder.pem));
    add_with_length(&hash, initiator.wrapped, initiator.wrapped_len);
    add_with_length(&hash, responder.wrapped, responder.wrapped_len);
    sha256_finish(&hash, salt);
    memcpy(input, initiator.random, 32);
    memcpy(input + 32, responder.random, 32);
    hkdf_sha256(salt, sizeof salt, input, sizeof input, "anwdl gcm v1", peer->key);
}

/* A test needs no unpredictable bytes, only ones that differ from peer to peer. */
static void make_secret(const peer_t *peer, uint8_t *bytes, size_t len) {
    sha256_t hash;
    uint8_t digest[SHA256_SIZE];
    sha256_start(&hash);
    sha256_add(&hash, peer->own_pem, strlen(peer->own_pem));
    sha256_finish(&hash, digest);
    for (size_t at = 0; at < len; at++)
        bytes[at] = digest[at % sizeof digest] ^ (uint8_t)(at / sizeof digest);
}

static bool send_first_gcm_secret(peer_t *peer) {
    uint8_t own[GCM_SECRET_SIZE] = {GCM_SECRET_MARK};
    uint8_t *wrapped = NULL;
    size_t wrapped_len = 0;
    secret_t answer = {0};
    make_secret(peer, own + 1, sizeof own - 1);
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(peer->rsa, own, sizeof own, false, &wrapped,
                                           &wrapped_len) == ANWDL_OK);
    bool done = peer_send_bytes(peer, wrapped, wrapped_len) && peer_receive_answer(peer) &&
                receive_secret(peer, &answer);
    if (done) {
        CHECK_INTEGER(answer.secret_len, GCM_SECRET_SIZE);
        CHECK_INTEGER(answer.secret[0], GCM_SECRET_MARK);
        contribution_t initiator = {peer->own_pem, wrapped, wrapped_len, own + 1};
        contribution_t responder = {peer->server_pem, answer.wrapped, answer.wrapped_len,
                                    answer.secret + 1};
        derive_gcm_key(peer, initiator, responder);
        done = send_answer(peer);
    }
    anwdl_bytes_free(wrapped, wrapped_len);
    secret_free(&answer);
    return done;
}

bool peer_send_first_secret(peer_t *peer) {
    if (peer->framing == ANWDL_PROTOCOL_GCM)
        return send_first_gcm_secret(peer);
    uint8_t own[sizeof peer->key + sizeof peer->iv];
    secret_t answer = {0};
    make_secret(peer, own, sizeof own);
    bool done = peer_send_wrapped(peer, own, sizeof own) && peer_receive_answer(peer) &&
                receive_secret(peer, &answer);
    if (done) {
        /* The released clients take whatever comes. */
        REQUIRE(answer.secret_len == sizeof own);
        memcpy(peer->key, answer.secret, sizeof peer->key);
        memcpy(peer->iv, answer.secret + sizeof peer->key, sizeof peer->iv);
        done = send_answer(peer);
    }
    secret_free(&answer);
    return done;
}

static bool answer_gcm_secret(peer_t *peer, const secret_t *first) {
    uint8_t own[GCM_SECRET_SIZE] = {GCM_SECRET_MARK};
    uint8_t *wrapped = NULL;
    size_t wrapped_len = 0;
    make_secret(peer, own + 1, sizeof own - 1);
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(peer->rsa, own, sizeof own, false, &wrapped,
                                           &wrapped_len) == ANWDL_OK);
    contribution_t initiator = {peer->server_pem, first->wrapped, first->wrapped_len,
                                first->secret + 1};
    contribution_t responder = {peer->own_pem, wrapped, wrapped_len, own + 1};
    derive_gcm_key(peer, initiator, responder);
    bool done = peer_send_bytes(peer, wrapped, wrapped_len) && peer_receive_answer(peer);
    anwdl_bytes_free(wrapped, wrapped_len);
    return done;
}

bool peer_receive_first_secret(peer_t *peer) {
    secret_t first;
    bool done = receive_secret(peer, &first) && send_answer(peer);
    if (done && peer->framing == ANWDL_PROTOCOL_GCM) {
        REQUIRE(first.secret_len == GCM_SECRET_SIZE && first.secret[0] == GCM_SECRET_MARK);
        done = answer_gcm_secret(peer, &first);
    } else if (done) {
        REQUIRE(first.secret_len == sizeof peer->key + sizeof peer->iv);
        memcpy(peer->key, first.secret, sizeof peer->key);
        memcpy(peer->iv, first.secret + sizeof peer->key, sizeof peer->iv);
        done = peer_send_wrapped(peer, first.secret, first.secret_len) && peer_receive_answer(peer);
    }
    secret_free(&first);
    return done;
}

bool peer_exchange_keys(peer_t *peer, bool speaks_first) {
    if (speaks_first)
        return peer_send_public_key(peer) && peer_receive_public_key(peer) &&
               peer_send_first_secret(peer);
    return peer_receive_public_key(peer) && peer_send_public_key(peer) &&
           peer_receive_first_secret(peer);
}

/* -- messages: v2, v3, v4 ---------------------------------------------------------------------- */

static anwdl_aes_wrapper_t *make_cipher(const peer_t *peer) {
    anwdl_aes_wrapper_t *cipher = NULL;
    REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &cipher) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_set_key(cipher, peer->key, sizeof peer->key, peer->iv,
                                      sizeof peer->iv) == ANWDL_OK);
    return cipher;
}

static bool send_header(peer_t *peer, const anwdl_aes_wrapper_t *cipher, size_t length) {
    if (peer->framing != ANWDL_PROTOCOL_V4)
        return peer_send_length(peer, length);
    char digits[ENCRYPTED_HEADER_SIZE];
    uint8_t *header = NULL;
    size_t header_len = 0;
    int count = snprintf(digits, sizeof digits, "%zu", length);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(cipher, (const uint8_t *)digits, (size_t)count, &header,
                                           &header_len) == ANWDL_OK);
    CHECK_INTEGER(header_len, ENCRYPTED_HEADER_SIZE);
    bool sent = peer_send_bytes(peer, header, header_len);
    anwdl_bytes_free(header, header_len);
    return sent;
}

bool peer_announce(peer_t *peer, size_t length) {
    if (peer->framing == ANWDL_PROTOCOL_GCM) {
        uint8_t header[GCM_LENGTH_SIZE] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                           (uint8_t)(length >> 8), (uint8_t)length};
        return peer_send_bytes(peer, header, sizeof header);
    }
    anwdl_aes_wrapper_t *cipher = make_cipher(peer);
    bool sent = send_header(peer, cipher, length);
    anwdl_aes_wrapper_free(cipher);
    return sent;
}

/* The IV that a packet of v3 and v4 carries for the next one. */
static void choose_next_iv(peer_t *peer) {
    sha256_t hash;
    uint8_t digest[SHA256_SIZE];
    sha256_start(&hash);
    sha256_add(&hash, peer->iv, sizeof peer->iv);
    sha256_finish(&hash, digest);
    memcpy(peer->iv, digest, sizeof peer->iv);
}

static bool send_cbc_request(peer_t *peer, const char *json) {
    anwdl_aes_wrapper_t *cipher = make_cipher(peer);
    uint8_t *encrypted = NULL;
    size_t encrypted_len = 0;
    size_t iv_len = peer->framing == ANWDL_PROTOCOL_V2 ? 0 : IV_SIZE;
    REQUIRE(anwdl_aes_wrapper_encrypt_data(cipher, (const uint8_t *)json, strlen(json), &encrypted,
                                           &encrypted_len) == ANWDL_OK);
    uint8_t *packet = malloc(encrypted_len + IV_SIZE);
    REQUIRE(packet != NULL);
    memcpy(packet, encrypted, encrypted_len);
    bool sent = send_header(peer, cipher, encrypted_len + iv_len) && peer_receive_answer(peer);
    if (iv_len > 0)
        choose_next_iv(peer);
    memcpy(packet + encrypted_len, peer->iv, IV_SIZE);
    sent = sent && peer_send_bytes(peer, packet, encrypted_len + iv_len);
    free(packet);
    anwdl_bytes_free(encrypted, encrypted_len);
    anwdl_aes_wrapper_free(cipher);
    return sent;
}

static bool receive_header(peer_t *peer, const anwdl_aes_wrapper_t *cipher, size_t *length) {
    if (peer->framing != ANWDL_PROTOCOL_V4)
        return receive_length(peer, length);
    uint8_t header[ENCRYPTED_HEADER_SIZE];
    uint8_t *decrypted = NULL;
    size_t len = 0;
    char digits[ENCRYPTED_HEADER_SIZE] = {0};
    if (!peer_receive_bytes(peer, header, sizeof header) ||
        !CHECK_OK(anwdl_aes_wrapper_decrypt_data(cipher, header, sizeof header, &decrypted, &len)))
        return false;
    REQUIRE(len > 0 && len < sizeof digits);
    memcpy(digits, decrypted, len);
    CHECK_INTEGER(strspn(digits, "0123456789"), len);
    *length = strtoul(digits, NULL, 10);
    anwdl_bytes_free(decrypted, len);
    return true;
}

static char *copy_text(const uint8_t *bytes, size_t len) {
    char *text = malloc(len + 1);
    REQUIRE(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    return text;
}

static char *receive_cbc_response(peer_t *peer) {
    anwdl_aes_wrapper_t *cipher = make_cipher(peer);
    uint8_t *packet = NULL;
    char *json = NULL;
    size_t length = 0;
    size_t iv_len = peer->framing == ANWDL_PROTOCOL_V2 ? 0 : IV_SIZE;
    if (receive_header(peer, cipher, &length) && CHECK(length > iv_len) && send_answer(peer)) {
        packet = malloc(length);
        REQUIRE(packet != NULL);
    }
    if (packet != NULL && peer_receive_bytes(peer, packet, length)) {
        uint8_t *decrypted = NULL;
        size_t len = 0;
        if (CHECK_OK(
                anwdl_aes_wrapper_decrypt_data(cipher, packet, length - iv_len, &decrypted, &len)))
            json = copy_text(decrypted, len);
        anwdl_bytes_free(decrypted, len);
        if (iv_len > 0)
            memcpy(peer->iv, packet + length - iv_len, iv_len);
    }
    free(packet);
    anwdl_aes_wrapper_free(cipher);
    return json;
}

/* -- messages: gcm ----------------------------------------------------------------------------- */

static void put_big_endian(uint8_t *to, uint64_t value, size_t size) {
    for (size_t at = size; at > 0; value >>= 8)
        to[--at] = (uint8_t)value;
}

static void make_aad(uint8_t aad[GCM_AAD_SIZE], uint8_t direction, uint64_t number, size_t length) {
    memcpy(aad, "anwdl1", 6);
    aad[6] = direction;
    put_big_endian(aad + 7, number, 8);
    put_big_endian(aad + 15, length, 4);
}

static bool send_gcm_request(peer_t *peer, const char *json) {
    size_t len = strlen(json);
    size_t length = len + GCM_OVERHEAD;
    uint8_t aad[GCM_AAD_SIZE];
    uint8_t *record = calloc(1, GCM_LENGTH_SIZE + length);
    REQUIRE(record != NULL);
    uint8_t *nonce = record + GCM_LENGTH_SIZE;
    put_big_endian(record, length, GCM_LENGTH_SIZE);
    put_big_endian(nonce, peer->messages_sent + 1, GCM_NONCE_SIZE);
    make_aad(aad, 0, peer->messages_sent++, length);
    gcm_seal(peer->key, nonce, aad, sizeof aad, (const uint8_t *)json, len, nonce + GCM_NONCE_SIZE,
             nonce + GCM_NONCE_SIZE + len);
    bool sent = peer_send_bytes(peer, record, GCM_LENGTH_SIZE + length);
    free(record);
    return sent;
}

static char *receive_gcm_response(peer_t *peer) {
    uint8_t header[GCM_LENGTH_SIZE];
    uint8_t aad[GCM_AAD_SIZE];
    char *json = NULL;
    if (!peer_receive_bytes(peer, header, sizeof header))
        return NULL;
    size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
                    (size_t)header[3];
    REQUIRE(length > GCM_OVERHEAD);
    uint8_t *record = malloc(length);
    REQUIRE(record != NULL);
    if (peer_receive_bytes(peer, record, length)) {
        size_t len = length - GCM_OVERHEAD;
        json = calloc(1, len + 1);
        REQUIRE(json != NULL);
        make_aad(aad, 1, peer->messages_received++, length);
        CHECK(gcm_open(peer->key, record, aad, sizeof aad, record + GCM_NONCE_SIZE, len,
                       record + GCM_NONCE_SIZE + len, (uint8_t *)json));
    }
    free(record);
    return json;
}

bool peer_send_request(peer_t *peer, const char *json) {
    return peer->framing == ANWDL_PROTOCOL_GCM ? send_gcm_request(peer, json)
                                               : send_cbc_request(peer, json);
}

char *peer_receive_response(peer_t *peer) {
    return peer->framing == ANWDL_PROTOCOL_GCM ? receive_gcm_response(peer)
                                               : receive_cbc_response(peer);
}

char *peer_ask(peer_t *peer, const char *json) {
    return peer_send_request(peer, json) ? peer_receive_response(peer) : NULL;
}
