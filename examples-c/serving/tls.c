/* Sessions inside TLS. The third argument is a file with the certificate and its key. */
#define _GNU_SOURCE /* accept4 */
#include "serving.h"
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

static anwdl_client_options_t *options;

/* As far as OpenSSL can, which begins with a handshake. False: it failed, or the time is over. */
static bool move_bytes(SSL *tls, anwdl_session_t *session, input_t *input) {
    const uint8_t *bytes = NULL;
    size_t len = 0;
    bool sends = anwdl_session_get_pending(session, &bytes, &len) == ANWDL_OK && len > 0;
    if (!sends && input->fed < input->received)
        return feed(session, input);
    int count =
        sends ? SSL_write(tls, bytes, (int)len) : SSL_read(tls, input->bytes, sizeof input->bytes);
    if (sends && count > 0)
        return anwdl_session_sent(session, (size_t)count) == ANWDL_OK;
    input->received = count > 0 ? (size_t)count : 0;
    int error = SSL_get_error(tls, count);
    struct pollfd entry = {SSL_get_fd(tls), error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, 0};
    return count > 0 || ((error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) &&
                         poll(&entry, 1, anwdl_session_get_time_left(session)) > 0);
}

static void *serve(void *tls) {
    anwdl_session_t *session = NULL;
    input_t input = {.received = 0};
    bool goes_on = anwdl_session_new(ANWDL_ROLE_SERVER, options, &session) == ANWDL_OK;
    SSL_set_accept_state(tls);
    while (goes_on) {
        anwdl_request_t *request = NULL;
        answer_t answer;
        tell_time(session);
        switch (anwdl_session_next_event(session, &request, NULL)) {
        case ANWDL_EVENT_WANT_READ:
        case ANWDL_EVENT_WANT_WRITE:
            goes_on = move_bytes(tls, session, &input);
            break;
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            answer = make_answer(request);
            goes_on = anwdl_session_send_response(session, answer.success, answer.message,
                                                  answer.data, NULL) >= ANWDL_OK;
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            goes_on = false;
        }
    }
    anwdl_session_free(session);
    SSL_shutdown(tls); /* if it can be told at once */
    close(SSL_get_fd(tls));
    SSL_free(tls);
    return NULL;
}

int main(int argc, char **argv) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int listener = open_listener(argc, argv, 0);
    if (argc < 4 || listener < 0 || (options = make_options(argc, argv, true)) == NULL ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
        return EXIT_FAILURE;
    for (pthread_t thread;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        SSL *tls = fd < 0 ? NULL : SSL_new(context);
        if (tls != NULL && SSL_set_fd(tls, fd) == 1 &&
            pthread_create(&thread, NULL, serve, tls) == 0 && pthread_detach(thread) == 0)
            continue;
        SSL_free(tls);
        fd < 0 ? usleep(100000) : close(fd); /* no descriptors: others may end meanwhile */
    }
}
