#include "process.h"

#include "check.h"
#include "support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MOST_ARGUMENTS = 32,
    PATIENCE = ANWDL_PATIENCE *
               60000 /* milliseconds after which a program that prints nothing counts as hung */
};

process_t start_process(char *const arguments[]) {
    process_t process = {0};
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    process.pid = fork();
    REQUIRE(process.pid >= 0);
    if (process.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        execv(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    close(pipe_ends[1]);
    process.output = pipe_ends[0];
    return process;
}

/* Reads more of the output; false at its end. */
static bool read_more(process_t *process) {
    REQUIRE(process->len < sizeof process->lines);
    /* One that hangs is ended, so that whatever else is expected of it fails at once. */
    if (!CHECK(wait_for(process->output, POLLIN, PATIENCE)))
        kill(process->pid, SIGKILL);
    ssize_t count =
        read(process->output, process->lines + process->len, sizeof process->lines - process->len);
    if (count <= 0)
        return false;
    process->len += (size_t)count;
    return true;
}

/* Takes a whole line of what was read; false when there is none. */
static bool take_line(process_t *process, char line[LONGEST_LINE + 1]) {
    char *line_end = memchr(process->lines, '\n', process->len);
    if (line_end == NULL)
        return false;
    size_t len = (size_t)(line_end - process->lines);
    memcpy(line, process->lines, len);
    line[len] = '\0';
    process->len -= len + 1;
    memmove(process->lines, line_end + 1, process->len);
    return true;
}

bool read_line(process_t *process, char line[LONGEST_LINE + 1]) {
    while (!take_line(process, line))
        if (!read_more(process))
            return false;
    return true;
}

bool read_ready_line(process_t *process, char line[LONGEST_LINE + 1]) {
    while (!take_line(process, line)) {
        REQUIRE(process->len < sizeof process->lines);
        ssize_t count = read(process->output, process->lines + process->len,
                             sizeof process->lines - process->len);
        if (count <= 0)
            return false;
        process->len += (size_t)count;
    }
    return true;
}

process_t start_server(char *const prefix[], char *server, char *const options[],
                       uint16_t *out_port) {
    char *arguments[MOST_ARGUMENTS];
    size_t count = 0;
    char line[LONGEST_LINE + 1];
    unsigned number = 0;
    while (*prefix != NULL)
        arguments[count++] = *prefix++;
    arguments[count++] = server;
    while (*options != NULL)
        arguments[count++] = *options++;
    REQUIRE(count < MOST_ARGUMENTS);
    arguments[count] = NULL;
    process_t process = start_process(arguments);
    REQUIRE(read_line(&process, line));
    REQUIRE(sscanf(line, "listening on 127.0.0.1:%u", &number) == 1);
    *out_port = (uint16_t)number;
    return process;
}

bool find_line(process_t *process, const char *text) {
    char line[LONGEST_LINE + 1];
    while (read_line(process, line))
        if (strstr(line, text) != NULL)
            return true;
    fprintf(stderr, "the program did not print: %s\n", text);
    return false;
}

void check_exit_status(process_t *process, int expected) {
    int status = 0;
    do
        process->len = 0;
    while (read_more(process));
    close(process->output);
    REQUIRE(waitpid(process->pid, &status, 0) == process->pid);
    CHECK(WIFEXITED(status));
    CHECK_INTEGER(WEXITSTATUS(status), expected);
}

long read_memory(pid_t pid, const char *name) {
    char path[64];
    char line[256];
    long kilobytes = -1;
    size_t len = strlen(name);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    while (kilobytes < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            kilobytes = strtol(line + len + 1, NULL, 10);
    fclose(file);
    return kilobytes;
}
