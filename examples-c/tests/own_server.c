#include "own_server.h"

#include "check.h"
#include "support.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *accept_and_play(void *argument) {
    const own_server_t *server = argument;
    int fd = accept(server->listener, NULL, NULL);
    REQUIRE(fd >= 0);
    server->script(fd);
    close(server->listener);
    return NULL;
}

void start_own_server(own_server_t *server, int listener, void (*script)(int fd)) {
    server->listener = listener;
    server->script = script;
    REQUIRE(pthread_create(&server->thread, NULL, accept_and_play, server) == 0);
}

void join_own_server(own_server_t *server) {
    REQUIRE(pthread_join(server->thread, NULL) == 0);
}

void answer_with_escapes(int fd) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_t *client = NULL;
    anwdl_request_t *request = NULL;
    REQUIRE(anwdl_client_new(fd, options, &client) == ANWDL_OK);
    CHECK_OK(anwdl_client_recv_request(client, false, &request));
    CHECK_OK(anwdl_client_send_response(
        client, true, "\x1b[31mred\xc2\x9b\x7f\n\xc3\xa9\xe2\x80\xae",
        "{ \"one\\u001b\" : \"\xc2\x85\xe2\x82\xac\xd8\x9c\",\r\n\t\"two\":{\"a\":[1, "
        "\"}\\\"\x7f\"]} ,\"three\":-1.5e3}",
        "why"));
    anwdl_request_free(request);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
}

void check_harmless(const char *text) {
    static const char *const OBEYED[] = {"\x7f", "\xc2\x85", "\xc2\x9b", "\xe2\x80\xae",
                                         "\xd8\x9c"};
    CHECK(text[0] != '\0');
    for (const char *at = text; *at != '\0'; at++)
        CHECK((unsigned char)*at >= ' ' || *at == '\n');
    for (size_t at = 0; at < sizeof OBEYED / sizeof OBEYED[0]; at++)
        CHECK(strstr(text, OBEYED[at]) == NULL);
}
