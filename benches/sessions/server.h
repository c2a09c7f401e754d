/* The server's side: through the library, and the floor below it, which makes the same calls on the
   socket for the same bytes and does no work between them but, in gcm, what OpenSSL does to open
   and to seal a record. */
#ifndef SERVER_H
#define SERVER_H

#include "turns.h"

#include <anwdl.h>
#include <stdbool.h>

/* What the benches ask for and are answered, as long as the real ones. */
#define STAT_PARAMETERS "{}"
#define STAT_DATA       "{\"uptime\": 86400, \"version\": \"1.0.0\"}"

/* As MUST(), for a call of the library: shows its error. */
#define MUST_OK(call) must_be_ok((call), #call)

_Noreturn void fail_with_library_error(anwdl_status_t status, const char *call);

static inline void must_be_ok(anwdl_status_t status, const char *call) {
    if (status != ANWDL_OK)
        fail_with_library_error(status, call);
}

/* Options for a server that takes messages of any size, and shares a key with the asker or, in gcm,
   where none can be shared beforehand, exchanges keys. No timeout if it is 0. The caller frees
   them. */
anwdl_client_options_t *serving_options(anwdl_protocol_t framing, long timeout);

/* Whether the asker exchanges keys with such a server. */
bool exchanges_keys(anwdl_protocol_t framing);

/* Options for a server that exchanges keys, its own being that of benches/keys. */
anwdl_client_options_t *exchange_options(const anwdl_rsa_wrapper_t *rsa, long timeout);

/* The floor of a session. */
typedef struct {
    int fd;
    const turn_t *turn;
    uint8_t *space;
    gcm_records_t *records; /* in gcm */
} bare_server_t;

/* Takes over fd. */
bare_server_t bare_server_new(int fd, const turn_t *turn, uint8_t *space);
void bare_server_free(bare_server_t *server);

/* One turn. */
void serve_turn(anwdl_client_t *client, const char *data);
void serve_bare_turn(const bare_server_t *server);

/* The halves of it. */
void serve_request(anwdl_client_t *client);
void serve_response(anwdl_client_t *client, const char *data);
void serve_bare_request(const bare_server_t *server);
void serve_bare_response(const bare_server_t *server);

/* Where the floor receives and writes what is said in such a turn; the caller frees it. */
uint8_t *make_space(const turn_t *turn);

/* Takes one turn over the library and keeps it, so that the floor moves the same bytes. The caller
   frees it. */
turn_t record_turn(anwdl_protocol_t framing, const char *parameters, const char *data);

#endif
