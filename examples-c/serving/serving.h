/* What the servers of this folder have in common: what they answer, and how they begin. */
#ifndef SERVING_H
#define SERVING_H

#include <anwdl.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    bool success;
    const char *message;
    const char *data;
} answer_t;

/* Frees the request, which is NULL when it was malformed. */
static inline answer_t make_answer(anwdl_request_t *request) {
    answer_t answer = {false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL};
    if (request == NULL)
        answer.message = ANWDL_RESPONSE_MSG_BAD_REQ;
    else if (strcmp(anwdl_request_get_verb(request), "STAT") == 0)
        answer =
            (answer_t){true, ANWDL_RESPONSE_MSG_OK, "{\"uptime\": 60, \"version\": \"1.0.0\"}"};
    anwdl_request_free(request);
    return answer;
}

/* False when the client goes no further. What is left to send is left to the next event. */
static inline bool answer(anwdl_client_t *client, anwdl_request_t *request) {
    answer_t answer = make_answer(request);
    return anwdl_client_send_response(client, answer.success, answer.message, answer.data, NULL) >=
           ANWDL_OK;
}

/* The second argument is the file with the key pair. Without, one is made, which takes seconds: so
   before there are clients. NULL if something fails. */
static inline anwdl_client_options_t *make_options(int argc, char **argv, bool non_blocking) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *keys = NULL;
    bool is_done = anwdl_rsa_wrapper_new(argc < 3, &keys) == ANWDL_OK &&
                   (argc < 3 || anwdl_rsa_wrapper_load(keys, argv[2]) == ANWDL_OK) &&
                   anwdl_client_options_set_rsa_wrapper(options, keys) == ANWDL_OK &&
                   anwdl_client_options_set_non_blocking(options, non_blocking) == ANWDL_OK &&
                   anwdl_client_options_set_max_message_size(options, 16384) == ANWDL_OK &&
                   anwdl_client_options_set_timeout(options, 10000) == ANWDL_OK;
    anwdl_rsa_wrapper_free(keys); /* the options share the key pair */
    if (!is_done)
        fprintf(stderr, "no options: %s\n", anwdl_last_error_message());
    return is_done ? options : NULL;
}

/* On 127.0.0.1 and the port that is the first argument; -1 if that is not possible. */
static inline int open_listener(int argc, char **argv, int flags) {
    uint16_t port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "6150"));
    struct sockaddr_in address = {AF_INET, port, {htonl(INADDR_LOOPBACK)}, {0}};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    bool is_done = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                   bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   listen(fd, SOMAXCONN) == 0;
    if (!is_done)
        perror("cannot listen");
    return is_done ? fd : -1;
}

/* Bytes that have come, for a session that has no descriptor. Zeros: none. */
typedef struct {
    uint8_t bytes[4096];
    size_t received, fed;
} input_t;

/* The session takes what it can use now; the rest stays for the next time. */
static inline bool feed(anwdl_session_t *session, input_t *input) {
    size_t taken = 0;
    bool is_done = anwdl_session_feed(session, input->bytes + input->fed,
                                      input->received - input->fed, &taken) == ANWDL_OK;
    input->fed += taken;
    if (input->fed == input->received)
        input->fed = input->received = 0;
    return is_done;
}

/* A session has no clock: to be called before anwdl_session_next_event(). */
static inline void tell_time(anwdl_session_t *session) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    anwdl_session_set_time(session, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

#endif
