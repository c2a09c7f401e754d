#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "answers.h"

#include <string.h>
#include <time.h>

static struct timespec started;

void start_uptime(void) {
    clock_gettime(CLOCK_MONOTONIC, &started);
}

static anwdl_status_t set_statistics(anwdl_data_t *data) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return anwdl_data_set_statistics(data, (uint64_t)(now.tv_sec - started.tv_sec),
                                     anwdl_version());
}

/* A server that has containers tells here what it has just created. */
static anwdl_status_t set_container(anwdl_data_t *data) {
    char token[255 + 1];
    memset(token, 'x', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    return anwdl_data_set_container(
        data, "8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7", token,
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "user_12345",
        "ExamplePassword", 10022);
}

static anwdl_status_t set_echo(anwdl_data_t *data, const anwdl_request_t *request) {
    return anwdl_data_set_value(data, "echo", anwdl_request_get_parameters(request));
}

/* The library has checked that both are well-formed, and that neither stands alone. */
static bool names_container(const anwdl_request_t *request) {
    return anwdl_request_get_string(request, "container_uuid", NULL) != NULL &&
           anwdl_request_get_string(request, "client_token", NULL) != NULL;
}

answer_t make_answer(const anwdl_request_t *request) {
    answer_t answer = {.success = true, .message = ANWDL_RESPONSE_MSG_OK};
    const char *verb = anwdl_request_get_verb(request);
    anwdl_status_t status = anwdl_data_new(&answer.data);
    if (status == ANWDL_OK && strcmp(verb, "STAT") == 0) {
        status = set_statistics(answer.data);
    } else if (status == ANWDL_OK && strcmp(verb, "CREATE") == 0) {
        status = set_container(answer.data);
    } else if (status == ANWDL_OK && strcmp(verb, "ECHO") == 0) {
        status = set_echo(answer.data, request);
    } else if (strcmp(verb, "DESTROY") == 0) {
        answer.success = names_container(request);
        answer.message = answer.success ? ANWDL_RESPONSE_MSG_OK : ANWDL_RESPONSE_MSG_BAD_REQ;
    } else {
        answer.success = false;
        answer.message = ANWDL_RESPONSE_MSG_REFUSED_REQ;
        answer.reason = "unknown verb";
    }
    if (status != ANWDL_OK) {
        free_answer(&answer);
        answer = (answer_t){.success = false, .message = ANWDL_RESPONSE_MSG_INTERNAL_ERROR};
    }
    return answer;
}

answer_t make_answer_to_malformed_request(void) {
    return (answer_t){
        .success = false, .message = ANWDL_RESPONSE_MSG_BAD_REQ, .reason = "malformed request"};
}

void free_answer(answer_t *answer) {
    anwdl_data_free(answer->data);
    answer->data = NULL;
}
