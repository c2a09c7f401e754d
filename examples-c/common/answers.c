#define _DEFAULT_SOURCE /* clock_gettime, getrandom */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
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

/* Fills text with characters of the alphabet (of at most 64) and a final NUL. */
static bool draw_text(char *text, size_t len, const char *alphabet) {
    size_t letters = strlen(alphabet);
    if (getrandom(text, len, 0) != (ssize_t)len)
        return false;
    for (size_t at = 0; at < len; at++)
        text[at] = alphabet[(unsigned char)text[at] % letters];
    text[len] = '\0';
    return true;
}

/* A server that has containers tells here what it has just created. */
static anwdl_status_t set_container(anwdl_data_t *data) {
    static const char HEX[] = "0123456789abcdef";
    static const char DIGITS[] = "0123456789";
    static const char TOKEN[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    static const char PASSWORD[] = "23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
    char digits[32 + 1];
    char uuid[36 + 1];
    char token[255 + 1];
    char checksum[64 + 1];
    char user[5 + 5 + 1] = "user_";
    char password[24 + 1];
    if (!draw_text(digits, 32, HEX) || !draw_text(token, 255, TOKEN) ||
        !draw_text(checksum, 64, HEX) || !draw_text(user + 5, 5, DIGITS) ||
        !draw_text(password, 24, PASSWORD))
        return ANWDL_RUNTIME_ERROR;
    snprintf(uuid, sizeof uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
             digits + 16, digits + 20);
    return anwdl_data_set_container(data, uuid, token, checksum, user, password,
                                    (uint16_t)(10000 + atoi(user + 5) % 50000));
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
