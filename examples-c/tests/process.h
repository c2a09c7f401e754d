/* Programs that a test runs as processes of their own, and what they print. They do not outlive the
   test, and one that prints nothing for a minute while somebody waits for it is ended. Whatever
   fails here ends the test, unless it says otherwise. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LONGEST_LINE = 8191 };

typedef struct {
    pid_t pid;
    int output;                   /* the reading end of its standard output */
    char lines[LONGEST_LINE + 1]; /* what was read of it, and no one has asked for yet */
    size_t len;
} process_t;

/* Starts the program that is the first argument; NULL ends them. */
process_t start_process(char *const arguments[]);

/* As before, with a program (and its arguments) in front of it to run it under; NULL ends each. A
   server prints, first of all, the port of 127.0.0.1 that it listens on. */
process_t start_server(char *const prefix[], char *server, char *const options[],
                       uint16_t *out_port);

/* The next line, without its end; false when there is none. */
bool read_line(process_t *process, char line[LONGEST_LINE + 1]);

/* The same of an output that was made non-blocking: false, too, when no whole line has come yet. */
bool read_ready_line(process_t *process, char line[LONGEST_LINE + 1]);

/* Reads lines until one contains the text. False, after it said so, when there is none. */
bool find_line(process_t *process, const char *text);

/* A figure of /proc/PID/status in kB, such as VmRSS or VmHWM. */
long read_memory(pid_t pid, const char *name);

/* Waits until the process ends, whatever it prints, and checks its exit status. */
void check_exit_status(process_t *process, int expected);

#endif
