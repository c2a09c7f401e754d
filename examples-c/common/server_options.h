/* What the example servers have in common before and beside their loops: the command line, the key
   pair, the listening socket, and the lines that they print. */
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
    size_t *value; /* holds the default beforehand */
} number_option_t;

/* Reads the command line. When it is not acceptable, says so and how to do it on standard error,
   and returns false. own may be NULL. */
bool parse_server_options(int argc, char **argv, const number_option_t *own,
                          server_options_t *options);

/* Options for the clients of the library, with the key pair, the timeouts and the longest request,
   and computations left to the server, to be freed with anwdl_client_options_free(); NULL after it
   said on standard error what failed. The key pair is there before the first client is, so that
   none has to wait until it is made. */
anwdl_client_options_t *make_client_options(const server_options_t *options);

/* Raises the limit of open descriptors to what all places and some others need, so that a full
   server can still accept, and close, the next client. False after it said what failed. */
bool raise_descriptor_limit(const server_options_t *options);

/* A non-blocking listening socket on 127.0.0.1; *port is the one that it got. -1 after it said on
   standard error what failed. */
int open_listener(uint16_t *port);

/* For servers whose main thread only accepts. Blocks SIGINT and SIGTERM, for this thread and for
   those that it starts from now on, and gives a descriptor that becomes readable when one of them
   comes. -1 after it said on standard error what failed. */
int open_signals(void);

/* Accepts a client, if there is one: gives its descriptor and address, or else -1. *pause is for
   how many milliseconds not to ask again, though the listener stays readable: the system lacks
   descriptors or memory, which has been said on standard error. A loop does not ask more than
   ACCEPTED_AT_ONCE times before it looks at all else: in a flood, there is always one more. */
int accept_now(int listener, struct sockaddr_storage *peer, int *pause);

/* Waits until a client connects, and gives its descriptor and address; -1 as soon as a signal
   comes, whose number it then writes. */
int accept_client(int listener, int signals, struct sockaddr_storage *peer, int *signal_number);

/* Has the socket take a response only when the one before is on its way: the system would queue
   thousands of them for a client that sends requests and reads nothing. */
bool limit_unsent(int fd);

/* Milliseconds of a clock that nobody sets. */
int64_t get_time(void);

/* Prints one line on standard output at once, whole, from any thread. */
void print_event(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The lines that each server prints, one for each thing that happens. Clients are numbered from 1,
   in the order in which they came. */
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
