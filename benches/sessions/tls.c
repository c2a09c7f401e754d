#include "tls.h"

#include "bench.h"
#include "support.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { DAY = 24 * 60 * 60 };

/* -- key and certificate ----------------------------------------------------------------------- */

static EVP_PKEY *read_server_key(void) {
    char *pem = read_key("server");
    BIO *memory = BIO_new_mem_buf(pem, -1);
    MUST(memory != NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
    MUST(key != NULL);
    BIO_free(memory);
    free(pem);
    return key;
}

static X509 *make_certificate(EVP_PKEY *key) {
    static const unsigned char name[] = "bench";
    X509 *certificate = X509_new();
    MUST(certificate != NULL);
    MUST(X509_set_version(certificate, 2) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) != NULL);
    MUST(X509_gmtime_adj(X509_getm_notAfter(certificate), DAY) != NULL);
    MUST(X509_set_pubkey(certificate, key) == 1);
    X509_NAME *subject = X509_get_subject_name(certificate);
    MUST(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1);
    MUST(X509_set_issuer_name(certificate, subject) == 1);
    MUST(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

char *tls_certificate(void) {
    EVP_PKEY *key = read_server_key();
    X509 *certificate = make_certificate(key);
    BIO *memory = BIO_new(BIO_s_mem());
    MUST(memory != NULL && PEM_write_bio_X509(memory, certificate) == 1);
    char *bytes = NULL;
    long len = BIO_get_mem_data(memory, &bytes);
    char *pem = calloc(1, (size_t)len + 1);
    MUST(pem != NULL);
    memcpy(pem, bytes, (size_t)len);
    BIO_free(memory);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

/* -- contexts ---------------------------------------------------------------------------------- */

static SSL_CTX *new_context(const SSL_METHOD *method) {
    SSL_CTX *context = SSL_CTX_new(method);
    MUST(context != NULL);
    MUST(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

SSL_CTX *tls_server_context(void) {
    SSL_CTX *context = new_context(TLS_server_method());
    EVP_PKEY *key = read_server_key();
    X509 *certificate = make_certificate(key);
    MUST(SSL_CTX_use_certificate(context, certificate) == 1);
    MUST(SSL_CTX_use_PrivateKey(context, key) == 1);
    MUST(SSL_CTX_set_num_tickets(context, 0) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

SSL_CTX *tls_client_context(void) {
    return new_context(TLS_client_method());
}

/* -- a server by OpenSSL ----------------------------------------------------------------------- */

static void *context_new(void) {
    return tls_server_context();
}

static void context_free(void *context) {
    SSL_CTX_free(context);
}

static void *session_new(void *context, int fd) {
    SSL *session = SSL_new(context);
    MUST(session != NULL && SSL_set_fd(session, fd) == 1);
    return session;
}

static void handshake(void *session) {
    MUST(SSL_accept(session) == 1);
}

static size_t receive(void *session, char *bytes, size_t capacity) {
    int count = SSL_read(session, bytes, (int)capacity);
    MUST(count > 0);
    return (size_t)count;
}

static void send_all(void *session, const char *bytes, size_t len) {
    MUST(SSL_write(session, bytes, (int)len) == (int)len);
}

static void session_free(void *session) {
    SSL_free(session);
}

const tls_library_t TLS_BY_OPENSSL = {
    "openssl", context_new, context_free, session_new, handshake, receive, send_all, session_free,
};
