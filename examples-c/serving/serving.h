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

/* Answers what comes. ANWDL_EVENT_WANT_READ and ANWDL_EVENT_WANT_WRITE: wait for that, no longer
   than anwdl_client_get_time_left(), and call it again. All else: the client is over. One that
   blocks waits in here. */
static inline anwdl_event_t serve(anwdl_client_t *client) {
    for (;;) {
        anwdl_request_t *request = NULL;
        anwdl_event_t event = anwdl_client_next_event(client, &request);
        answer_t answer;
        switch (event) {
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            answer = make_answer(request);
            /* What is left to send is left to the next event. */
            if (anwdl_client_send_response(client, answer.success, answer.message, answer.data,
                                           NULL) < ANWDL_OK)
                return ANWDL_EVENT_ENDED;
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            return event;
        }
    }
}

/* A session has no clock. */
static inline void tell_time(anwdl_session_t *session) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    anwdl_session_set_time(session, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* What to do for a session, which has no descriptor. */
typedef struct {
    uint8_t *room;        /* receive into this, or else */
    const uint8_t *bytes; /* send these */
    size_t len;           /* 0: neither, as the session is over */
} transfer_t;

/* The same for a session. */
static inline transfer_t serve_session(anwdl_session_t *session) {
    tell_time(session);
    for (transfer_t next = {NULL, NULL, 0};;) {
        anwdl_request_t *request = NULL;
        answer_t answer;
        switch (anwdl_session_next_event(session, &request, NULL)) {
        case ANWDL_EVENT_WANT_READ:
            next.room = anwdl_session_get_receive_buffer(session, &next.len);
            return next;
        case ANWDL_EVENT_WANT_WRITE:
            if (anwdl_session_get_pending(session, &next.bytes, &next.len) != ANWDL_OK)
                next.len = 0;
            return next;
        case ANWDL_EVENT_REQUEST:
        case ANWDL_EVENT_MALFORMED_REQUEST:
            answer = make_answer(request);
            if (anwdl_session_send_response(session, answer.success, answer.message, answer.data,
                                            NULL) < ANWDL_OK)
                return next;
            break;
        case ANWDL_EVENT_EXCHANGED:
        case ANWDL_EVENT_RESPONSE_SENT:
            break;
        default:
            return next;
        }
    }
}

/* What recv() or send() returned for that; a failure ends the session. */
static inline void report(anwdl_session_t *session, ssize_t count) {
    bool is_received = anwdl_session_get_wants(session) == ANWDL_WANT_READ;
    anwdl_status_t status = ANWDL_RUNTIME_ERROR;
    tell_time(session);
    if (count > 0)
        status = is_received ? anwdl_session_received(session, (size_t)count)
                             : anwdl_session_sent(session, (size_t)count);
    else if (count == 0 && is_received)
        status = anwdl_session_feed_end(session);
    if (status != ANWDL_OK)
        anwdl_session_end(session);
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

#endif
