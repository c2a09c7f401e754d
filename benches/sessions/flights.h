/* A key exchange whose connecting side was prepared: all that it says, with the session secret
   wrapped under the server's key already, so that the server alone computes. The library reads
   message by message, so that all may be sent at once. Yields the key that an asker uses. */
#ifndef FLIGHTS_H
#define FLIGHTS_H

#include <anwdl.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *bytes; /* what the peer says */
    size_t len;
    size_t heard_len; /* how many bytes the server says meanwhile */
} flights_t;

/* The server's keys, and the name of the peer's in benches/keys. Not for gcm, whose key depends on
   what the server draws. */
void flights_init(flights_t *flights, const anwdl_rsa_wrapper_t *server, const char *peer_key);
void flights_free(flights_t *flights);

/* Sends it all; the server exchanges its keys next. */
void flights_send(const flights_t *flights, int fd);

/* Takes what the server said off the socket. */
void flights_skip_heard(const flights_t *flights, int fd);

#endif
