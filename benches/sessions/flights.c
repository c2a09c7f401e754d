#include "flights.h"

#include "bench.h"
#include "server.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_SIZE = 8, SECRET_SIZE = 48 };

static void append(flights_t *flights, const void *bytes, size_t len) {
    flights->bytes = realloc(flights->bytes, flights->len + len);
    MUST(flights->bytes != NULL);
    memcpy(flights->bytes + flights->len, bytes, len);
    flights->len += len;
}

static void append_public_key(flights_t *flights, const char *pem) {
    char length[LENGTH_SIZE + 1];
    int digits = snprintf(length, sizeof length, "%zu", strlen(pem));
    memset(length + digits, '=', LENGTH_SIZE - (size_t)digits);
    append(flights, length, LENGTH_SIZE);
    append(flights, pem, strlen(pem));
}

static void append_secret(flights_t *flights, const anwdl_rsa_wrapper_t *server) {
    uint8_t secret[SECRET_SIZE];
    uint8_t *wrapped = NULL;
    size_t wrapped_len = 0;
    memcpy(secret, SHARED_KEY, sizeof SHARED_KEY);
    memcpy(secret + sizeof SHARED_KEY, SHARED_IV, sizeof SHARED_IV);
    MUST_OK(anwdl_rsa_wrapper_encrypt_data(server, secret, sizeof secret, true, &wrapped,
                                           &wrapped_len));
    append(flights, wrapped, wrapped_len);
    anwdl_bytes_free(wrapped, wrapped_len);
}

/* The server says: two answers, its key behind its length, an answer, the wrapped secret. */
static size_t count_heard(const anwdl_rsa_wrapper_t *server, const anwdl_rsa_wrapper_t *peer) {
    char *pem = NULL;
    MUST_OK(anwdl_rsa_wrapper_get_public_key(server, &pem));
    size_t pem_len = strlen(pem);
    anwdl_string_free(pem);
    return 2 + LENGTH_SIZE + pem_len + 1 + anwdl_rsa_wrapper_get_key_size(peer) / 8;
}

void flights_init(flights_t *flights, const anwdl_rsa_wrapper_t *server, const char *peer_key) {
    char *pem = NULL;
    anwdl_rsa_wrapper_t *peer = make_rsa_wrapper(peer_key);
    memset(flights, 0, sizeof *flights);
    MUST_OK(anwdl_rsa_wrapper_get_public_key(peer, &pem));
    append_public_key(flights, pem);
    append(flights, "1", 1); /* to the length of the server's key */
    append(flights, "1", 1); /* to the key */
    append_secret(flights, server);
    append(flights, "1", 1); /* to the server's secret */
    flights->heard_len = count_heard(server, peer);
    anwdl_string_free(pem);
    anwdl_rsa_wrapper_free(peer);
}

void flights_free(flights_t *flights) {
    free(flights->bytes);
}

void flights_send(const flights_t *flights, int fd) {
    MUST(send_exactly(fd, flights->bytes, flights->len));
}

void flights_skip_heard(const flights_t *flights, int fd) {
    uint8_t heard[2048];
    MUST(flights->heard_len <= sizeof heard);
    MUST(receive_exactly(fd, heard, flights->heard_len));
}
