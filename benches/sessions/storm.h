/* Key exchanges, one connection for each, as many as a server can do or as many as are asked for.
 */
#ifndef STORM_H
#define STORM_H

#include "links.h"

typedef struct {
    uint16_t port;
    SSL_CTX *tls;      /* a TLS handshake; else: */
    bytes_t flights;   /* what a client says, prepared, so that it computes nothing */
    size_t answer_len; /* what the server answers to it */
} storm_t;

/* For clients of this kind. The caller frees the flights. */
storm_t storm_new(const linking_t *linking, uint16_t port);
void storm_free(storm_t *storm);

typedef struct {
    int64_t done;
    int64_t failed; /* the server closed the connection before it was done */
} storm_count_t;

/* Always so many at once, for so many nanoseconds and until the last ones are done. */
storm_count_t storm_at_once(const storm_t *storm, int at_once, int64_t duration);

/* So many a second at random times, whether the server keeps up or not, until there is something to
   read from `stop`. */
storm_count_t storm_by_rate(const storm_t *storm, double per_second, int stop);

#endif
