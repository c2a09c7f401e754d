/* Who gets a place in a server, and whose private key operation comes next: so that a crowd from a
   few addresses costs little, and keeps nobody else from being served.

   - An address (of IPv6: a network of 64 bits, which one customer has) gets so many places, so many
     of them whose key exchange is under way, and so many computations.
   - When all places are taken, a newcomer gets one that waits for its peer: in a key exchange,
     between two requests or in the middle of a message. It is that of the address with the most
     places, and among these the one that has waited the longest. Nobody makes room for an address
     that has more places than every one that could.
   - Computations wait in a queue that is bounded. The addresses take turns in it, and what is past
     its deadline is not computed any more.

   A new place, and each call of admission_wait(), puts the place at the end of those that wait;
   only one that waits for a computation, or computes, cannot give way.

   Every function but the first two may be called from any thread. To find an address and to find
   who gives way, it walks over what there is: good for some thousands of places. */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* So many that gave way may still be on their way out: as many descriptors more are open. */
    MOST_LEAVING = 64
};

/* At a time. */
typedef struct {
    size_t places;
    size_t places_per_address;
    size_t exchanges_per_address;
    size_t computations; /* that wait or run */
    size_t computations_per_address;
    size_t computations_at_once; /* that run */
} admission_limits_t;

typedef struct admission admission_t;

/* What a session has of it, as a part of its own. Zeros: no place. */
typedef struct place {
    void *owner; /* the caller's */
    /* The rest is the component's. */
    struct address *address;
    struct place *previous; /* among those that wait for their peer, or for a computation */
    struct place *next;
    int64_t deadline; /* of the computation */
    int state;
    bool exchanges; /* its keys */
    bool gave_way;
} place_t;

/* give_way is called for a place that another client gets. It is to see to it that its session ends
   soon, as by shutting down the connection, and must call nothing of this file. NULL when there is
   no memory. */
admission_t *admission_new(const admission_limits_t *limits, void (*give_way)(place_t *place));

/* When all places have been left. NULL is nothing to free. */
void admission_free(admission_t *admission);

/* A client has connected. NULL when it got the place, or else why it did not. */
const char *admission_enter(admission_t *admission, place_t *place, const struct sockaddr *peer);

/* The session is over. Its descriptor must still be open; nothing is done to one without place. */
void admission_leave(admission_t *admission, place_t *place);

/* Another phase begins, in which it waits for its peer. */
void admission_wait(admission_t *admission, place_t *place);

/* Its keys are exchanged. */
void admission_end_exchange(admission_t *admission, place_t *place);

/* Whether its session ends because another client got the place. */
bool admission_gave_way(admission_t *admission, const place_t *place);

/* A computation is due; it has to begin before the deadline, in milliseconds of any clock that the
   caller likes. False when there are too many: the session is to end. */
bool admission_queue(admission_t *admission, place_t *place, int64_t deadline);

/* The place whose computation is next, or NULL: there is none, or enough of them run. One that is
   late is not to be computed: its session is to end. */
place_t *admission_take(admission_t *admission, int64_t now, bool *is_late);

/* The computation that was taken has been done. */
void admission_end_computation(admission_t *admission, place_t *place);

/* Waits until every place is left, but no longer than that; false if some are not. */
bool admission_wait_until_empty(admission_t *admission, uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
