/* The parts that all example servers share besides their loops: the command line, the key pair, the
 * listening socket, and the lines that they print. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "admission.h"

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ACCEPTED_AT_ONCE = 64 };

typedef struct {
    uint16_t port;                /* --port; 0: any free one */
    const char *private_key_file; /* --private-key; NULL: a new key pair */
    admission_limits_t limits;    /* --max-..., and --workers: computations at once */
    size_t max_message_size;      /* --max-message-size; bytes of a request */
    uint32_t timeout;             /* --timeout; milliseconds for each exchange, request, response */
    uint32_t idle_timeout;        /* --idle-timeout; milliseconds between two requests; 0: no end */
    uint32_t drain_timeout; /* --drain-timeout; milliseconds for what is under way at SIGTERM */
} server_options_t;

/* An option that only one of the servers has; its value is a whole number. */
typedef struct {
    const char *name;        /* without the two hyphens; NULL ends a table */
    const char *description; /* one line for the usage */
    size_t least;
    size_t most;
    size_t *value; /* initialized with the default */
} number_option_t;

/* Reads the command line. If it is wrong, prints the error and the usage, and returns false. own
 * may be NULL. */
bool parse_server_options(int argc, char **argv, const number_option_t *own,
                          server_options_t *options);

/* Makes the options for the library's clients: key pair, timeouts, message limit, and separate
   computation. Free them with anwdl_client_options_free(). Returns NULL after an error message. The
   key pair is made now, so no client has to wait for it. */
anwdl_client_options_t *make_client_options(const server_options_t *options);

/* Raises the limit of open descriptors to what all places, these others and some more need, so a
 * full server can still accept and close the next client. Returns false after an error message. */
bool raise_descriptor_limit(const server_options_t *options, size_t others);

/* Opens a non-blocking listening socket on 127.0.0.1, and sets *port to its port. Returns -1 after
 * an error message. */
int open_listener(uint16_t *port);

/* Blocks SIGINT and SIGTERM for this thread and those that it starts later, and returns a
 * descriptor that becomes readable when one of them comes. They stay blocked, so that none ends the
 * process while it stops. Returns -1 after an error message. */
int open_signals(void);

/* Accepts a client. Returns its descriptor and address, or -1 if there is none. If the system lacks
   descriptors or memory, prints that, and sets *pause: do not accept for this many milliseconds,
   although the listener stays readable. Accept at most ACCEPTED_AT_ONCE clients before the loop
   does other work, because in a flood there is always one more. */
int accept_now(int listener, struct sockaddr_storage *peer, int *pause);

/* Waits until a client connects, and returns its descriptor and address. Returns -1 and the number
 * of the signal if one comes. */
int accept_client(int listener, int signals, struct sockaddr_storage *peer, int *signal_number);

/* The number of a signal that has come; 0 if there is none. */
int read_signal_now(int signals);

/* Lets the socket accept a response only when the one before is on its way. Otherwise the system
 * would queue thousands for a client that sends requests and reads nothing. */
bool limit_unsent(int fd);

/* Milliseconds of a monotonic clock. */
int64_t get_time(void);

/* Prints one whole line on standard output at once, on any thread. */
void print_event(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The lines that the servers print, one for each event. Clients are numbered from 1, in the order
 * in which they connect. */
void print_listening(uint16_t port);
void print_connected(uint64_t client, const char *ip);
void print_refused(uint64_t client, const char *why);
void print_keys_exchanged(uint64_t client);
void print_request(uint64_t client, anwdl_protocol_t framing, const char *verb);
void print_malformed_request(uint64_t client, anwdl_protocol_t framing, const char *errors);
void print_closed(uint64_t client, const char *why);
void print_closed_by_last_error(uint64_t client); /* of the library, on this thread */

#ifdef __cplusplus
}
#endif

#endif
