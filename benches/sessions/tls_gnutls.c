/* A TLS server by GnuTLS. */
#include "tls.h"
#include "bench.h"
#include "support.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

static gnutls_datum_t datum_of(char *text) {
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

static void *context_new(void) {
    gnutls_certificate_credentials_t credentials;
    char *certificate = tls_certificate();
    char *key = read_key("server");
    gnutls_datum_t certificate_pem = datum_of(certificate);
    gnutls_datum_t key_pem = datum_of(key);
    MUST(gnutls_certificate_allocate_credentials(&credentials) == GNUTLS_E_SUCCESS);
    MUST(gnutls_certificate_set_x509_key_mem(credentials, &certificate_pem, &key_pem,
                                             GNUTLS_X509_FMT_PEM) >= 0);
    free(key);
    free(certificate);
    return credentials;
}

static void context_free(void *context) {
    gnutls_certificate_free_credentials(context);
}

static void *session_new(void *context, int fd) {
    gnutls_session_t session;
    MUST(gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_TICKETS) == GNUTLS_E_SUCCESS);
    MUST(gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL) ==
         GNUTLS_E_SUCCESS);
    MUST(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, context) == GNUTLS_E_SUCCESS);
    gnutls_transport_set_int(session, fd);
    return session;
}

static void handshake(void *session) {
    MUST(gnutls_handshake(session) == GNUTLS_E_SUCCESS);
}

static size_t receive(void *session, char *bytes, size_t capacity) {
    ssize_t count = gnutls_record_recv(session, bytes, capacity);
    MUST(count > 0);
    return (size_t)count;
}

static void send_all(void *session, const char *bytes, size_t len) {
    MUST(gnutls_record_send(session, bytes, len) == (ssize_t)len);
}

static void session_free(void *session) {
    gnutls_deinit(session);
}

const tls_library_t TLS_BY_GNUTLS = {
    "gnutls", context_new, context_free, session_new, handshake, receive, send_all, session_free,
};
