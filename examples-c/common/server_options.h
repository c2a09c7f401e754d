/* What the example servers have in common before and beside their loops: the command line, the key
   pair, the listening socket, and the lines that they print. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint16_t port;                /* --port; 0: any free one */
    const char *private_key_file; /* --private-key; NULL: a new key pair */
    size_t max_clients;           /* --max-clients; those beyond are closed when they connect */
    uint32_t timeout;             /* --timeout; milliseconds for each exchange, request, response */
    uint32_t idle_timeout;        /* --idle-timeout; milliseconds between two requests; 0: no end */
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

/* Options for the clients of the library, with the key pair and the timeout, to be freed with
   anwdl_client_options_free(); NULL after it said on standard error what failed. The key pair is
   there before the first client is, so that none has to wait until it is made. */
anwdl_client_options_t *make_client_options(const server_options_t *options);

/* Raises the limit of open descriptors to what max_clients and some others need, so that a full
   server can still accept, and close, the next client. False after it said what failed. */
bool raise_descriptor_limit(const server_options_t *options);

/* A non-blocking listening socket on 127.0.0.1; *port is the one that it got. -1 after it said on
   standard error what failed. */
int open_listener(uint16_t *port);

/* For servers whose main thread only accepts. Blocks SIGINT and SIGTERM, for this thread and for
   those that it starts from now on, and gives a descriptor that becomes readable when one of them
   comes. -1 after it said on standard error what failed. */
int open_signals(void);

/* Waits until a client connects, and gives its descriptor; -1 as soon as a signal comes. */
int accept_client(int listener, int signals);

/* Prints one line on standard output at once, whole, from any thread. */
void print_event(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The lines that each server prints, one for each thing that happens. Clients are numbered from 1,
   in the order in which they came. */
void print_listening(uint16_t port);
void print_connected(uint64_t client, const char *ip);
void print_refused(uint64_t client);
void print_keys_exchanged(uint64_t client);
void print_request(uint64_t client, anwdl_protocol_t framing, const char *verb);
void print_malformed_request(uint64_t client, anwdl_protocol_t framing, const char *errors);
void print_closed(uint64_t client, const char *why);
void print_closed_by_last_error(uint64_t client); /* of the library, on this thread */

#ifdef __cplusplus
}
#endif

#endif
