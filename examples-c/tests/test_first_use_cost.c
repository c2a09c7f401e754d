/* The program whose instructions test_first_use_cost.py counts:

       test_first_use process|child CONVERSATIONS

   So many conversations in a process that did nothing before, or in the child of one that had one.
 */
#include "check.h"
#include "conversation.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void converse(const anwdl_client_options_t *options, unsigned long count) {
    for (unsigned long at = 0; at < count; at++)
        hold_conversation(options);
}

static void converse_in_child(const anwdl_client_options_t *options, unsigned long count) {
    int status = -1;
    converse(options, 1);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        converse(options, count);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
    REQUIRE(argc == 3);
    unsigned long count = strtoul(argv[2], NULL, 10);
    anwdl_client_options_t *options = make_server_options();
    if (strcmp(argv[1], "child") == 0)
        converse_in_child(options, count);
    else
        converse(options, count);
    anwdl_client_options_free(options);
    return 0;
}
