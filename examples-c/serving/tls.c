/* Sessions inside TLS. The third argument is a file with the certificate and its key. */
#include "serving.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

static SSL_CTX *context;

/* As far as OpenSSL can, which begins with a handshake; or waits. */
static void move_bytes(SSL *tls, anwdl_session_t *session, transfer_t next) {
    ERR_clear_error(); /* SSL_get_error() looks at the thread's queue */
    int count = next.room != NULL ? SSL_read(tls, next.room, (int)next.len)
                                  : SSL_write(tls, next.bytes, (int)next.len);
    int error = SSL_get_error(tls, count);
    struct pollfd entry = {next.fd, error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, 0};
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        poll(&entry, 1, get_wait(anwdl_session_get_time_left(session)));
    else
        report(session, count > 0 ? count : error == SSL_ERROR_ZERO_RETURN ? 0 : -1);
}

/* Whether OpenSSL holds bytes for the session, or a part of a record; of that, SSL_has_pending()
   does not count the header. */
static bool has_more(const SSL *tls) {
    return SSL_has_pending(tls) || strcmp(SSL_rstate_string(tls), "RH") != 0;
}

static void *run(void *session) {
    int fd = get_descriptor(session);
    SSL *tls = SSL_new(context);
    if (tls != NULL && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && SSL_set_fd(tls, fd) == 1) {
        SSL_set_accept_state(tls);
        for (transfer_t next; (next = serve_session(session, has_more(tls))).len > 0;)
            move_bytes(tls, session, next);
        SSL_shutdown(tls); /* if the client can be told at once */
    }
    SSL_free(tls);
    close_session(session);
    return NULL;
}

int main(int argc, char **argv) {
    anwdl_client_options_t *options = NULL;
    int listener = start_serving(argc, argv, &options);
    context = SSL_CTX_new(TLS_server_method());
    if (argc < 4 || listener < 0 || context == NULL ||
        SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
        return EXIT_FAILURE;
    /* Otherwise SSL_read() does not return while a client sends records without data. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    while (!is_stopping) {
        pthread_t thread;
        anwdl_session_t *session = open_session(accept_one(listener, 1000), options);
        if (session != NULL && pthread_create(&thread, NULL, run, session) == 0)
            pthread_detach(thread);
        else if (session != NULL)
            close_session(session);
    }
    close(listener);
    anwdl_client_options_free(options); /* the sessions share what they need */
    pthread_exit(NULL);                 /* the process ends with its last thread */
}
