#include "peer.h"

#include "check.h"
#include "ml_kem.h"
#include "support.h"
#include "x25519.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE = ANWDL_PATIENCE * 60000, /* milliseconds after which a silent server counts as hung */
    CLEAR_HEADER_SIZE = 8,
    ENCRYPTED_HEADER_SIZE = 16,
    IV_SIZE = 16,
    RANDOM_SIZE = 32,
    GCM_SECRET_MARK = 6,
    GCM_SECRET_SIZE = 1 + RANDOM_SIZE + X25519_SIZE,
    GCM_LENGTH_SIZE = 4,
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

static bool send_first_cbc_secret(peer_t *peer) {
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

static bool receive_first_cbc_secret(peer_t *peer) {
    secret_t first;
    bool done = receive_secret(peer, &first) && send_answer(peer);
    if (done) {
        REQUIRE(first.secret_len == sizeof peer->key + sizeof peer->iv);
        memcpy(peer->key, first.secret, sizeof peer->key);
        memcpy(peer->iv, first.secret + sizeof peer->key, sizeof peer->iv);
        done = peer_send_wrapped(peer, first.secret, first.secret_len) && peer_receive_answer(peer);
    }
    secret_free(&first);
    return done;
}

/* -- key exchange: gcm ------------------------------------------------------------------------- */

/* What a peer draws for an exchange. */
typedef struct {
    uint8_t random[RANDOM_SIZE];
    uint8_t x25519[X25519_SIZE];
    uint8_t ml_kem[ML_KEM_SEED_SIZE]; /* of a key, or half of it of a ciphertext */
} ephemeral_t;

/* One side's secret: what RSA protects of it, and step 9 or 11 whole. */
typedef struct {
    uint8_t plain[GCM_SECRET_SIZE];
    uint8_t *step;
    size_t step_len;
} gcm_secret_t;

static ephemeral_t make_ephemeral(const peer_t *peer) {
    ephemeral_t own;
    make_secret(peer, (uint8_t *)&own, sizeof own);
    return own;
}

/* The peer's own secret, with what stands in clear behind what RSA protects. */
static gcm_secret_t make_gcm_secret(peer_t *peer, const ephemeral_t *own, const uint8_t *clear,
                                    size_t clear_len) {
    gcm_secret_t secret = {.plain = {GCM_SECRET_MARK}};
    uint8_t *wrapped = NULL;
    size_t wrapped_len = 0;
    memcpy(secret.plain + 1, own->random, RANDOM_SIZE);
    x25519_public_key(own->x25519, secret.plain + 1 + RANDOM_SIZE);
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(peer->rsa, secret.plain, sizeof secret.plain, false,
                                           &wrapped, &wrapped_len) == ANWDL_OK);
    secret.step_len = wrapped_len + clear_len;
    secret.step = malloc(secret.step_len);
    REQUIRE(secret.step != NULL);
    memcpy(secret.step, wrapped, wrapped_len);
    memcpy(secret.step + wrapped_len, clear, clear_len);
    anwdl_bytes_free(wrapped, wrapped_len);
    return secret;
}

static bool receive_gcm_secret(peer_t *peer, size_t clear_len, gcm_secret_t *secret) {
    secret_t received;
    memset(secret, 0, sizeof *secret);
    bool done = receive_secret(peer, &received) &&
                CHECK_INTEGER(received.secret_len, GCM_SECRET_SIZE) &&
                CHECK_INTEGER(received.secret[0], GCM_SECRET_MARK);
    if (done) {
        memcpy(secret->plain, received.secret, sizeof secret->plain);
        secret->step_len = received.wrapped_len + clear_len;
        secret->step = malloc(secret->step_len);
        REQUIRE(secret->step != NULL);
        memcpy(secret->step, received.wrapped, received.wrapped_len);
        done = peer_receive_bytes(peer, secret->step + received.wrapped_len, clear_len);
    }
    secret_free(&received);
    return done;
}

/* The part in clear, which is the last of its step. */
static const uint8_t *clear_part(const gcm_secret_t *secret, size_t len) {
    return secret->step + secret->step_len - len;
}

static void add_with_length(sha256_t *hash, const void *bytes, size_t len) {
    uint8_t prefix[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    sha256_add(hash, prefix, sizeof prefix);
    sha256_add(hash, bytes, len);
}

static record_key_t derive_record_key(const uint8_t salt[SHA256_SIZE], const uint8_t *input,
                                      size_t input_len, const char *key_info, const char *iv_info) {
    record_key_t key = {.number = 0};
    uint8_t iv[32];
    hkdf_sha256(salt, SHA256_SIZE, input, input_len, key_info, key.key);
    hkdf_sha256(salt, SHA256_SIZE, input, input_len, iv_info, iv);
    memcpy(key.iv, iv, sizeof key.iv);
    return key;
}

/* The initiator is the side that sent step 9. */
static void derive_gcm_keys(peer_t *peer, bool is_initiator, const ephemeral_t *own,
                            const gcm_secret_t *initiator, const gcm_secret_t *responder,
                            const uint8_t kem_shared[ML_KEM_SHARED_SIZE]) {
    const char *initiator_pem = is_initiator ? peer->own_pem : peer->server_pem;
    const char *responder_pem = is_initiator ? peer->server_pem : peer->own_pem;
    const gcm_secret_t *servers = is_initiator ? responder : initiator;
    uint8_t role = is_initiator ? 0 : 1;
    uint8_t salt[SHA256_SIZE];
    uint8_t input[X25519_SIZE + ML_KEM_SHARED_SIZE + 2 * RANDOM_SIZE];
    uint8_t *randoms = input + X25519_SIZE + ML_KEM_SHARED_SIZE;
    sha256_t hash;
    sha256_start(&hash);
    add_with_length(&hash, "anwdl gcm v2", 12);
    add_with_length(&hash, &role, 1);
    add_with_length(&hash, initiator_pem, strlen(initiator_pem));
    add_with_length(&hash, responder_pem, strlen(responder_pem));
    add_with_length(&hash, initiator->step, initiator->step_len);
    add_with_length(&hash, responder->step, responder->step_len);
    sha256_finish(&hash, salt);
    x25519(own->x25519, servers->plain + 1 + RANDOM_SIZE, input);
    memcpy(input + X25519_SIZE, kem_shared, ML_KEM_SHARED_SIZE);
    memcpy(randoms, initiator->plain + 1, RANDOM_SIZE);
    memcpy(randoms + RANDOM_SIZE, responder->plain + 1, RANDOM_SIZE);
    peer->gcm_sent = derive_record_key(salt, input, sizeof input, "client key", "client iv");
    peer->gcm_received = derive_record_key(salt, input, sizeof input, "server key", "server iv");
}

static bool send_first_gcm_secret(peer_t *peer) {
    ephemeral_t own = make_ephemeral(peer);
    ml_kem_key_t key;
    ml_kem_make_key(own.ml_kem, &key);
    gcm_secret_t first =
        make_gcm_secret(peer, &own, key.encapsulation_key, sizeof key.encapsulation_key);
    gcm_secret_t answer = {.step = NULL};
    bool done = peer_send_bytes(peer, first.step, first.step_len) && peer_receive_answer(peer) &&
                receive_gcm_secret(peer, ML_KEM_CIPHERTEXT_SIZE, &answer);
    if (done) {
        uint8_t shared[ML_KEM_SHARED_SIZE];
        ml_kem_decapsulate(&key, clear_part(&answer, ML_KEM_CIPHERTEXT_SIZE), shared);
        derive_gcm_keys(peer, true, &own, &first, &answer, shared);
        done = send_answer(peer);
    }
    free(first.step);
    free(answer.step);
    return done;
}

static bool receive_first_gcm_secret(peer_t *peer) {
    ephemeral_t own = make_ephemeral(peer);
    gcm_secret_t first;
    gcm_secret_t answer = {.step = NULL};
    bool done =
        receive_gcm_secret(peer, ML_KEM_ENCAPSULATION_KEY_SIZE, &first) && send_answer(peer);
    if (done) {
        uint8_t ciphertext[ML_KEM_CIPHERTEXT_SIZE];
        uint8_t shared[ML_KEM_SHARED_SIZE];
        ml_kem_encapsulate(clear_part(&first, ML_KEM_ENCAPSULATION_KEY_SIZE), own.ml_kem,
                           ciphertext, shared);
        answer = make_gcm_secret(peer, &own, ciphertext, sizeof ciphertext);
        derive_gcm_keys(peer, false, &own, &first, &answer, shared);
        done = peer_send_bytes(peer, answer.step, answer.step_len) && peer_receive_answer(peer);
    }
    free(first.step);
    free(answer.step);
    return done;
}

/* -- key exchange: all of it ------------------------------------------------------------------- */

bool peer_send_first_secret(peer_t *peer) {
    return peer->framing == ANWDL_PROTOCOL_GCM ? send_first_gcm_secret(peer)
                                               : send_first_cbc_secret(peer);
}

bool peer_receive_first_secret(peer_t *peer) {
    return peer->framing == ANWDL_PROTOCOL_GCM ? receive_first_gcm_secret(peer)
                                               : receive_first_cbc_secret(peer);
}

bool peer_exchange_keys(peer_t *peer, bool speaks_first) {
    if (speaks_first)
        return peer_send_public_key(peer) && peer_receive_public_key(peer) &&
               peer_send_first_secret(peer);
    return peer_receive_public_key(peer) && peer_send_public_key(peer) &&
           peer_receive_first_secret(peer);
}

static void exchange_as_first(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
}

void peer_init_gcm(peer_t *peer, int fd, anwdl_client_t *client) {
    anwdl_status_t status;
    peer_init(peer, fd, ANWDL_PROTOCOL_GCM, "peer-1");
    peer_start(peer, exchange_as_first, NULL);
    while ((status = anwdl_client_exchange_keys(client, true)) > ANWDL_OK)
        wait_for(anwdl_client_get_socket_descriptor(client),
                 status == ANWDL_WANT_READ ? POLLIN : POLLOUT, PATIENCE);
    peer_join(peer);
    REQUIRE(status == ANWDL_OK);
}

anwdl_client_t *peer_open_client(peer_t *peer, const int ends[2],
                                 const anwdl_client_options_t *options, anwdl_protocol_t framing,
                                 const char *key_name) {
    anwdl_client_t *client = NULL;
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    if (framing == ANWDL_PROTOCOL_GCM && key_name == NULL)
        peer_init_gcm(peer, ends[PEER_SIDE], client);
    else
        peer_init(peer, ends[PEER_SIDE], framing, key_name);
    return client;
}

anwdl_client_t *peer_open_gcm_client(peer_t *peer, const anwdl_client_options_t *options) {
    anwdl_client_options_t *late = make_late_options();
    int ends[2];
    make_unix_pair(ends);
    anwdl_client_t *client =
        peer_open_client(peer, ends, options != NULL ? options : late, ANWDL_PROTOCOL_GCM, NULL);
    anwdl_client_options_free(late);
    return client;
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
    bool sent = send_header(peer, cipher, encrypted_len + iv_len) &&
                (peer->is_eager || peer_receive_answer(peer));
    if (iv_len > 0)
        choose_next_iv(peer);
    memcpy(packet + encrypted_len, peer->iv, IV_SIZE);
    sent = sent && peer_send_bytes(peer, packet, encrypted_len + iv_len) &&
           (!peer->is_eager || send_answer(peer));
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
    if ((!peer->is_eager || peer_receive_answer(peer)) && receive_header(peer, cipher, &length) &&
        CHECK(length > iv_len) && (peer->is_eager || send_answer(peer))) {
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

/* The nonce of the next record. */
static void take_nonce(record_key_t *key, uint8_t nonce[GCM_NONCE_SIZE]) {
    put_big_endian(nonce, key->number++, GCM_NONCE_SIZE);
    for (size_t at = 0; at < GCM_NONCE_SIZE; at++)
        nonce[at] ^= key->iv[at];
}

static bool send_gcm_request(peer_t *peer, const char *json) {
    size_t len = strlen(json);
    size_t length = len + GCM_TAG_SIZE;
    uint8_t nonce[GCM_NONCE_SIZE];
    uint8_t *record = calloc(1, GCM_LENGTH_SIZE + length);
    REQUIRE(record != NULL);
    uint8_t *text = record + GCM_LENGTH_SIZE;
    put_big_endian(record, length, GCM_LENGTH_SIZE);
    take_nonce(&peer->gcm_sent, nonce);
    gcm_seal(peer->gcm_sent.key, nonce, record, GCM_LENGTH_SIZE, (const uint8_t *)json, len, text,
             text + len);
    bool sent = peer_send_bytes(peer, record, GCM_LENGTH_SIZE + length);
    free(record);
    return sent;
}

static char *receive_gcm_response(peer_t *peer) {
    uint8_t header[GCM_LENGTH_SIZE];
    uint8_t nonce[GCM_NONCE_SIZE];
    char *json = NULL;
    if (!peer_receive_bytes(peer, header, sizeof header))
        return NULL;
    size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
                    (size_t)header[3];
    REQUIRE(length > GCM_TAG_SIZE);
    uint8_t *record = malloc(length);
    REQUIRE(record != NULL);
    if (peer_receive_bytes(peer, record, length)) {
        size_t len = length - GCM_TAG_SIZE;
        json = calloc(1, len + 1);
        REQUIRE(json != NULL);
        take_nonce(&peer->gcm_received, nonce);
        CHECK(gcm_open(peer->gcm_received.key, nonce, header, sizeof header, record, len,
                       record + len, (uint8_t *)json));
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

void peer_check_response(peer_t *peer, const char *request, const char *response) {
    char *found = peer_ask(peer, request);
    CHECK_STRING(found, response);
    free(found);
}

void peer_check_hung_up(peer_t *peer) {
    char bytes[4096];
    ssize_t count;
    do {
        REQUIRE(wait_for(peer->fd, POLLIN, PATIENCE));
        count = recv(peer->fd, bytes, sizeof bytes, 0);
    } while (count > 0);
}
