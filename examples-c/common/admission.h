/* Who gets a place in a server, and whose private key operation comes next: so that a crowd costs
   little, and keeps nobody else from being served.

   - An address (of IPv6: a network of 64 bits) gets so many places, so many of them whose key
     exchange is under way, and so many computations.
   - When there is no room for one more, be it among the places or among the computations that wait,
     the greediest gives way: one of the network with the most, in it of the narrower network with
     the most, and so on to the address. Networks have 24 bits, of IPv6 48 and then 56, so that
     whoever has a whole network is one party, and not as many as it has addresses. The newcomer is
     compared with the others, and is turned away when it is the greediest itself.
   - Of places, only those give way that wait for their peer: in a key exchange, between two
     requests or in the middle of a message. Among equals it is the one that has waited the longest.
     A new place, and each call of admission_wait(), puts the place at the end of those.
   - Computations go by rounds. Who comes takes part in the next round, and each further computation
     of an address comes two rounds after the one before. So nobody overtakes the only one that an
     address has in the queue, and before it comes at most one of each address that was there.
     Among equals the last one of the queue gives way. What is past its deadline is not computed.

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
    struct network *address;
    struct place *previous; /* among those that wait for the same */
    struct place *next;
    int64_t deadline; /* of the computation */
    uint64_t round;
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

/* Whether its session ends because another client got the place, or the computation. */
bool admission_gave_way(admission_t *admission, const place_t *place);

/* A computation is due; it has to begin before the deadline, in milliseconds of any clock that the
   caller likes. False when there are too many: the session is to end. Where it is true, call
   admission_take(), as another one may have had to give way. */
bool admission_queue(admission_t *admission, place_t *place, int64_t deadline);

/* The place whose computation is next, or NULL: there is none, or enough of them run. With a
   why_not, which is the reason, it is not to be computed: its session is to end. */
place_t *admission_take(admission_t *admission, int64_t now, const char **why_not);

/* The computation that was taken has been done. */
void admission_end_computation(admission_t *admission, place_t *place);

/* Waits until every place is left, but no longer than that; false if some are not. */
bool admission_wait_until_empty(admission_t *admission, uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
