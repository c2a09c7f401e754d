/* What the example servers answer: STAT, CREATE (with an example of a container), DESTROY, and
   ECHO, which sends the parameters back. Nothing here knows how the answer gets to the client. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <anwdl.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The arguments of a send_response_data function. Keep them until the response is sent, which may
 * take several non-blocking calls. */
typedef struct {
    bool success;
    const char *message; /* a constant */
    anwdl_data_t *data;  /* NULL: none */
    const char *reason;  /* NULL for none; a constant */
} answer_t;

/* Starts the uptime that STAT reports. Call it once, before the first request. */
void start_uptime(void);

/* Never fails: if the answer cannot be made, it reports an internal error. Free it with
 * free_answer(). May be called on any thread. */
answer_t make_answer(const anwdl_request_t *request);

/* For ANWDL_REASON_MALFORMED_REQUEST. Free it with free_answer(). */
answer_t make_answer_to_malformed_request(void);

/* May be called twice for one answer. */
void free_answer(answer_t *answer);

#ifdef __cplusplus
}
#endif

#endif
