#include "children.h"

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONGEST = 20 /* seconds */ };

child_end_t run_child(child_end_t (*work)(const void *context), const void *context) {
    int status = 0;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        /* Except where the library says that a rule of its own is broken on purpose. */
        if (getenv("ANWDL_BREAK") == NULL)
            dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        alarm(ANWDL_PATIENCE * LONGEST);
        _exit((int)work(context));
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status))
        return WEXITSTATUS(status) < CHILD_ENDS ? (child_end_t)WEXITSTATUS(status) : CHILD_OTHER;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? CHILD_ABORTED : CHILD_CRASHED;
}

const char *child_end_name(child_end_t end) {
    static const char *const NAMES[CHILD_ENDS] = {"as usual", "refused", "failed in another way",
                                                  "aborted", "crashed"};
    return NAMES[end];
}
