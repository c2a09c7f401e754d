/* What several tests need: sockets, keys, time. Whatever fails here ends the program. */
#ifndef SUPPORT_H
#define SUPPORT_H

/* How many times as long as on a machine of today everything may take: CMake says it to tests. */
#ifndef ANWDL_PATIENCE
#define ANWDL_PATIENCE 1
#endif

#include <anwdl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_SIDE = 0, PEER_SIDE = 1 };

/* Two ends of one connection: over TCP on 127.0.0.1, or of the unix family (which has no ports, no
   buffering by the kernel's TCP and no IP address). */
void make_tcp_pair(int ends[2]);
void make_unix_pair(int ends[2]);

/* The port of a new TCP listener on 127.0.0.1. */
int make_listener(uint16_t *out_port);

/* Makes a listener's queue as full as it gets: nobody else gets an answer to a connection. Gives
   the connection that fills it. */
int fill_queue(int listener, uint16_t port);

/* Connects to a port of 127.0.0.1. */
int connect_to(uint16_t port);

/* Connects an interface, blocking or not. */
void connect_interface_to(anwdl_client_interface_t *interface, const char *host, uint16_t port);

/* The same from another address of this machine, such as "127.0.0.2". */
int connect_from(const char *ip, uint16_t port);

/* The text of examples-c/tests/keys/<name>.pem; the caller frees it. */
char *read_key(const char *name);

/* A wrapper around that key; the caller frees it. */
anwdl_rsa_wrapper_t *make_rsa_wrapper(const char *key_name);

/* A wrapper around the AES key and IV that the tests agree on beforehand; the caller frees it. */
anwdl_aes_wrapper_t *make_aes_wrapper(anwdl_aes_mode_t mode);
extern const uint8_t SHARED_KEY[32];
extern const uint8_t SHARED_IV[16];

/* Options for a client of v2, v3 or v4 that finds the key make_aes_wrapper() gives and so exchanges
   none. */
anwdl_client_options_t *make_shared_key_options(void);

/* Options for a client with the server key of the tests. */
anwdl_client_options_t *make_server_options(void);

/* The same for a client that leaves the key exchange to the caller. */
anwdl_client_options_t *make_late_options(void);

/* Brings the other side what is to be sent, as much of it as that takes now. */
void move_pending(anwdl_session_t *from, anwdl_session_t *to);

/* Repeats an operation of each of two sessions, with what the other sends, until both are done. */
typedef anwdl_status_t operation_t(anwdl_session_t *session);
void run_together(anwdl_session_t *one, operation_t *ones, anwdl_session_t *other,
                  operation_t *others);

/* Exchanges the keys of two sessions; the client sends first. */
void exchange_keys_of(anwdl_session_t *server, anwdl_session_t *client);

/* Reads pairs of hexadecimal digits; returns how many bytes it wrote. */
size_t bytes_from_hex(const char *hex, uint8_t *out, size_t capacity);

size_t count_open_descriptors(void);
size_t count_threads(void);

/* Whether a thread, or a process of one thread, waits for something in the system. */
bool is_asleep(pid_t thread);

/* The names in a folder, without . and .. */
size_t count_names(const char *folder);

/* Has the system allow so many open descriptors; false where it does not. */
bool raise_descriptor_limit(size_t needed);

bool is_open(int fd);
int64_t now_in_milliseconds(void);

/* Waits until one of the events of poll() happens; false when it does not within the time. */
bool wait_for(int fd, short events, int milliseconds);

#endif
