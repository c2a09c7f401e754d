/* Decides which clients get a place in a server, and whose private key operation comes next. A
   crowd costs little, and does not keep other clients from being served.

   - Each address (for IPv6, each network of 64 bits) has a limit for its places, for its key
     exchanges, and for its computations.
   - If there is no room for another place or another waiting computation, the greediest client
     gives way: one from the network that has the most, within it from the narrower network that has
     the most, and so on down to the address. Networks have 24 bits; for IPv6, 48 and then 56. So
     the owner of a whole network counts once, not once for each address. The newcomer takes part in
     the comparison, and is refused if it is the greediest.
   - A place gives way only while it waits for its peer: in a key exchange, between two requests or
     in the middle of a message. Among equals, the one that has waited longest gives way. A new
     place is last in this order, and so is one after admission_wait().
   - Computations run in rounds. A new one takes part in the next round; further computations of the
     same address come two rounds after its previous one. So if an address has only one computation
     in the queue, no later one overtakes it, and at most one of each other address runs first.
     Among equals, the last one in the queue gives way. Computations past their deadline do not run.

   All functions except the first two may be called from any thread. Finding an address, or the
   client that gives way, is a linear search: good for some thousands of places. */
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
    /* How many places that gave way may still be closing; their descriptors are open too. */
    MOST_LEAVING = 64
};

/* All limits are for one moment. */
typedef struct {
    size_t places;
    size_t places_per_address;
    size_t exchanges_per_address;
    size_t computations; /* that wait or run */
    size_t computations_per_address;
    size_t computations_at_once; /* that run */
} admission_limits_t;

typedef struct admission admission_t;

/* A session's place, which is a member of the session. Zeros: no place. */
typedef struct place {
    void *owner; /* the caller's */
    /* The rest belongs to admission.c. */
    struct network *address;
    struct place *previous; /* in the list of those that wait for the same */
    struct place *next;
    int64_t deadline; /* of the computation */
    uint64_t round;
    int state;
    bool exchanges; /* its keys */
    bool gave_way;
} place_t;

/* give_way is called for a place that another client gets. It must make the session end soon, for
 * example by shutting down the connection, and must not call functions of this file. NULL without
 * memory. */
admission_t *admission_new(const admission_limits_t *limits, void (*give_way)(place_t *place));

/* Call this after all places were left. NULL is fine. */
void admission_free(admission_t *admission);

/* A client has connected. Returns NULL if it got a place, otherwise the reason. */
const char *admission_enter(admission_t *admission, place_t *place, const struct sockaddr *peer);

/* The session is over. Its descriptor must still be open. Does nothing without a place. */
void admission_leave(admission_t *admission, place_t *place);

/* The session begins another phase in which it waits for its peer. */
void admission_wait(admission_t *admission, place_t *place);

/* Its keys are exchanged. */
void admission_end_exchange(admission_t *admission, place_t *place);

/* Whether its session ends because another client got the place, or the computation. */
bool admission_gave_way(admission_t *admission, const place_t *place);

/* A computation is due. It must begin before the deadline, in milliseconds of any clock. Returns
 * false if there are too many: end the session. If true, call admission_take(), because another
 * computation may have given way. */
bool admission_queue(admission_t *admission, place_t *place, int64_t deadline);

/* Returns the place with the next computation; NULL if there is none, or enough are running. If it
 * sets why_not, do not compute, but end the session for that reason. */
place_t *admission_take(admission_t *admission, int64_t now, const char **why_not);

/* The computation of a taken place is done. */
void admission_end_computation(admission_t *admission, place_t *place);

/* Waits until every place is left, up to this time. Returns false if some are not. */
bool admission_wait_until_empty(admission_t *admission, uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
