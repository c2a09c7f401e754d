/* TLS 1.3 by OpenSSL and by GnuTLS, for what stands beside the library: with the RSA-4096 key of
   benches/keys and a certificate that it has signed itself, no session tickets, and otherwise what
   the libraries choose by themselves (X25519 and AES-256-GCM). */
#ifndef TLS_H
#define TLS_H

#include <openssl/ssl.h>
#include <stddef.h>

/* What is said in a turn, as long as what the library says. */
#define TLS_REQUEST "{\"verb\": \"STAT\", \"parameters\": {}}"
#define TLS_RESPONSE                                                                               \
    "{\"success\": true, \"message\": \"OK\", \"data\": {\"uptime\": 86400, \"version\": \"1.0.0\"}}"

enum { TLS_LARGEST = 256 };

/* Contexts of OpenSSL; the caller frees them with SSL_CTX_free(). A record takes one recv(), as far
   as OpenSSL can: it reads ahead. The client does not ask who the server is. */
SSL_CTX *tls_server_context(void);
SSL_CTX *tls_client_context(void);

/* A server of one of the libraries; `session` is that library's own, on a blocking socket. */
typedef struct tls_library {
    const char *name;
    void *(*context_new)(void);
    void (*context_free)(void *context);
    void *(*session_new)(void *context, int fd);
    void (*handshake)(void *session);
    size_t (*receive)(void *session, char *bytes, size_t capacity);
    void (*send)(void *session, const char *bytes, size_t len);
    void (*session_free)(void *session);
} tls_library_t;

extern const tls_library_t TLS_BY_OPENSSL;
extern const tls_library_t TLS_BY_GNUTLS;

/* The certificate as PEM; the caller frees it. */
char *tls_certificate(void);

#endif
