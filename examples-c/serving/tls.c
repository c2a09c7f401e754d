/* Sessions inside TLS. The third argument is a file with the certificate and its key. */
#include "serving.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

static anwdl_client_options_t *options;

/* As far as OpenSSL can, which begins with a handshake; or waits. */
static void move_bytes(SSL *tls, anwdl_session_t *session, transfer_t next) {
    set_socket_options(SSL_get_fd(tls));
    ERR_clear_error(); /* SSL_get_error() looks at the thread's queue */
    int count = next.room != NULL ? SSL_read(tls, next.room, (int)next.len)
                                  : SSL_write(tls, next.bytes, (int)next.len);
    int error = SSL_get_error(tls, count);
    struct pollfd entry = {SSL_get_fd(tls), error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, 0};
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        poll(&entry, 1, get_wait(anwdl_session_get_time_left(session)));
    else
        report(session, count > 0 ? count : error == SSL_ERROR_ZERO_RETURN ? 0 : -1);
}

static void *run(void *tls) {
    anwdl_session_t *session = NULL;
    SSL_set_accept_state(tls);
    if (anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK)
        for (transfer_t next; (next = serve_session(session)).len > 0;)
            move_bytes(tls, session, next);
    anwdl_session_free(session);
    SSL_shutdown(tls); /* if the client can be told at once */
    close(SSL_get_fd(tls));
    SSL_free(tls);
    return NULL;
}

int main(int argc, char **argv) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int listener = open_listener(argc, argv);
    if (argc < 4 || listener < 0 || (options = make_options(argc, argv)) == NULL ||
        context == NULL || SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1 || !stop_at_signals())
        return EXIT_FAILURE;
    while (!is_stopping) {
        pthread_t thread;
        int fd = accept_one(listener);
        SSL *tls = fd < 0 ? NULL : SSL_new(context);
        if (tls != NULL && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && SSL_set_fd(tls, fd) == 1 &&
            pthread_create(&thread, NULL, run, tls) == 0) {
            pthread_detach(thread);
        } else if (fd >= 0) {
            SSL_free(tls);
            close(fd);
        }
    }
    close(listener);
    SSL_CTX_free(context); /* the connections share it */
    pthread_exit(NULL);    /* the process ends with its last thread */
}
