/* A session that begins: the client has its public key to send. */
#include <anwdl.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    anwdl_session_t *session = NULL;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    if (strcmp(anwdl_version(), ANWDL_VERSION) != 0 ||
        anwdl_session_new(ANWDL_ROLE_CLIENT, NULL, &session) != ANWDL_OK ||
        anwdl_session_exchange_keys(session, false) != ANWDL_WANT_WRITE ||
        anwdl_session_get_pending(session, &bytes, &len) != ANWDL_OK || len == 0) {
        fprintf(stderr, "%s\n", anwdl_last_error_message());
        return 1;
    }
    printf("%s\n", anwdl_build_info());
    anwdl_session_free(session);
    return 0;
}
