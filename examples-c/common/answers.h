/* What the example servers answer: STAT, CREATE (with an example of a container), DESTROY, and
   ECHO, which sends the parameters back. Nothing here knows how the answer gets to the client. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <anwdl.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The arguments of a send_response_data function. It must stay as it is until the response is sent,
   which may take several calls where nobody waits. */
typedef struct {
    bool success;
    const char *message; /* lasts for ever */
    anwdl_data_t *data;  /* NULL: none */
    const char *reason;  /* NULL: none; lasts for ever */
} answer_t;

/* Where the uptime that STAT tells begins; to be called once, before the first request. */
void start_uptime(void);

/* Never fails: where the answer cannot be made, it is that there was an internal error. To be freed
   with free_answer(). May be called from any thread. */
answer_t make_answer(const anwdl_request_t *request);

/* For ANWDL_REASON_MALFORMED_REQUEST. To be freed with free_answer(). */
answer_t make_answer_to_malformed_request(void);

/* May be called again for the same answer. */
void free_answer(answer_t *answer);

#ifdef __cplusplus
}
#endif

#endif
