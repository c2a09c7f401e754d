#define _POSIX_C_SOURCE 200809L /* pthreads and clock_gettime with -std=c11 */
#include "admission.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_SIZE = 9 }; /* the family, and up to 64 bits */

/* Of a place. */
enum { OUTSIDE, WAITING, LEAVING, QUEUED, COMPUTING };

/* One from which somebody has a place. */
typedef struct address {
    struct address *next;
    uint8_t key[KEY_SIZE];
    size_t places;
    size_t exchanges;
    size_t computations;
    uint64_t last_turn; /* to compute; 0: it had none */
} address_t;

typedef struct {
    place_t *first;
    place_t *last;
} line_t;

struct admission {
    admission_limits_t limits;
    void (*give_way)(place_t *place);
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t emptied;
    address_t *addresses;
    size_t places; /* those that are leaving among them */
    size_t leaving;
    line_t waiting; /* for their peers; who has waited the longest comes first */
    line_t queue;
    size_t computations;
    size_t running;
    uint64_t turns;
};

/* -- lines ------------------------------------------------------------------------------------- */

static void append(line_t *line, place_t *place) {
    place->previous = line->last;
    place->next = NULL;
    if (line->last != NULL)
        line->last->next = place;
    else
        line->first = place;
    line->last = place;
}

static void take_out(line_t *line, place_t *place) {
    if (place->previous != NULL)
        place->previous->next = place->next;
    else
        line->first = place->next;
    if (place->next != NULL)
        place->next->previous = place->previous;
    else
        line->last = place->previous;
}

/* -- addresses --------------------------------------------------------------------------------- */

/* Whoever has an IPv6 address has the 2^64 of its network; an IPv4 address is one in either form.
 */
static void make_key(const struct sockaddr *peer, uint8_t key[KEY_SIZE]) {
    memset(key, 0, KEY_SIZE);
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in address;
        memcpy(&address, peer, sizeof address);
        key[0] = 4;
        memcpy(key + 1, &address.sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 address;
        memcpy(&address, peer, sizeof address);
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
        key[0] = is_mapped ? 4 : 6;
        if (is_mapped)
            memcpy(key + 1, address.sin6_addr.s6_addr + 12, 4);
        else
            memcpy(key + 1, address.sin6_addr.s6_addr, 8);
    }
}

/* One of nobody is made. NULL: no memory. */
static address_t *find_address(admission_t *admission, const struct sockaddr *peer) {
    uint8_t key[KEY_SIZE];
    address_t *address = admission->addresses;
    make_key(peer, key);
    while (address != NULL && memcmp(address->key, key, KEY_SIZE) != 0)
        address = address->next;
    if (address == NULL && (address = calloc(1, sizeof *address)) != NULL) {
        memcpy(address->key, key, KEY_SIZE);
        address->next = admission->addresses;
        admission->addresses = address;
    }
    return address;
}

static void forget_address(admission_t *admission, address_t *address) {
    address_t **at = &admission->addresses;
    if (address->places > 0)
        return;
    while (*at != address)
        at = &(*at)->next;
    *at = address->next;
    free(address);
}

/* -- places ------------------------------------------------------------------------------------ */

/* Who gives way to a newcomer from the address; NULL: nobody. */
static place_t *find_greediest(const admission_t *admission, const address_t *newcomer) {
    place_t *greediest = NULL;
    size_t most = newcomer->places; /* with the one that it has not got yet, it has one more */
    for (place_t *place = admission->waiting.first; place != NULL; place = place->next) {
        size_t count = place->address->places + (place->address == newcomer ? 1 : 0);
        if (count > most) {
            most = count;
            greediest = place;
        }
    }
    return greediest;
}

static bool make_room(admission_t *admission, const address_t *newcomer) {
    place_t *place = NULL;
    if (admission->places - admission->leaving < admission->limits.places)
        return true;
    if (admission->leaving < MOST_LEAVING)
        place = find_greediest(admission, newcomer);
    if (place == NULL)
        return false;
    take_out(&admission->waiting, place);
    place->state = LEAVING;
    place->gave_way = true;
    admission->leaving++;
    admission->give_way(place);
    return true;
}

static void end_exchange(place_t *place) {
    if (place->exchanges)
        place->address->exchanges--;
    place->exchanges = false;
}

/* Whether it waits or runs. */
static void end_computation(admission_t *admission, place_t *place) {
    if (place->state == QUEUED)
        take_out(&admission->queue, place);
    else
        admission->running--;
    admission->computations--;
    place->address->computations--;
    append(&admission->waiting, place);
    place->state = WAITING;
}

const char *admission_enter(admission_t *admission, place_t *place, const struct sockaddr *peer) {
    const char *why = NULL;
    pthread_mutex_lock(&admission->mutex);
    address_t *address = find_address(admission, peer);
    if (address == NULL)
        why = "no memory";
    else if (address->places >= admission->limits.places_per_address)
        why = "too many clients of its address";
    else if (address->exchanges >= admission->limits.exchanges_per_address)
        why = "too many key exchanges of its address";
    else if (!make_room(admission, address))
        why = "too many clients";
    if (why == NULL) {
        admission->places++;
        address->places++;
        address->exchanges++;
        place->address = address;
        place->exchanges = true;
        place->gave_way = false;
        place->state = WAITING;
        append(&admission->waiting, place);
    } else if (address != NULL) {
        forget_address(admission, address);
    }
    pthread_mutex_unlock(&admission->mutex);
    return why;
}

void admission_leave(admission_t *admission, place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    if (place->state == QUEUED || place->state == COMPUTING)
        end_computation(admission, place);
    if (place->state != OUTSIDE) {
        if (place->state == LEAVING)
            admission->leaving--;
        else
            take_out(&admission->waiting, place);
        end_exchange(place);
        place->address->places--;
        forget_address(admission, place->address);
        place->state = OUTSIDE;
        admission->places--;
    }
    if (admission->places == 0)
        pthread_cond_broadcast(&admission->emptied);
    pthread_mutex_unlock(&admission->mutex);
}

void admission_wait(admission_t *admission, place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    if (place->state == WAITING) {
        take_out(&admission->waiting, place);
        append(&admission->waiting, place);
    }
    pthread_mutex_unlock(&admission->mutex);
}

void admission_end_exchange(admission_t *admission, place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    end_exchange(place);
    pthread_mutex_unlock(&admission->mutex);
}

bool admission_gave_way(admission_t *admission, const place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    bool gave_way = place->gave_way;
    pthread_mutex_unlock(&admission->mutex);
    return gave_way;
}

/* -- computations ------------------------------------------------------------------------------ */

bool admission_queue(admission_t *admission, place_t *place, int64_t deadline) {
    pthread_mutex_lock(&admission->mutex);
    /* One that gave way is on its way out. */
    bool is_queued = place->state == WAITING &&
                     admission->computations < admission->limits.computations &&
                     place->address->computations < admission->limits.computations_per_address;
    if (is_queued) {
        take_out(&admission->waiting, place);
        append(&admission->queue, place);
        place->state = QUEUED;
        place->deadline = deadline;
        admission->computations++;
        place->address->computations++;
    }
    pthread_mutex_unlock(&admission->mutex);
    return is_queued;
}

/* The first of the address whose last turn was the longest ago. One that has just come had none. */
static place_t *find_next(const admission_t *admission) {
    place_t *next = NULL;
    for (place_t *place = admission->queue.first; place != NULL; place = place->next)
        if (next == NULL || place->address->last_turn < next->address->last_turn)
            next = place;
    return next;
}

static place_t *find_late(const admission_t *admission, int64_t now) {
    place_t *place = admission->queue.first;
    while (place != NULL && place->deadline > now)
        place = place->next;
    return place;
}

place_t *admission_take(admission_t *admission, int64_t now, bool *is_late) {
    pthread_mutex_lock(&admission->mutex);
    place_t *place = find_late(admission, now);
    *is_late = place != NULL;
    if (*is_late) {
        end_computation(admission, place);
    } else if (admission->running < admission->limits.computations_at_once &&
               (place = find_next(admission)) != NULL) {
        take_out(&admission->queue, place);
        place->state = COMPUTING;
        place->address->last_turn = ++admission->turns;
        admission->running++;
    }
    pthread_mutex_unlock(&admission->mutex);
    return place;
}

void admission_end_computation(admission_t *admission, place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    if (place->state == COMPUTING)
        end_computation(admission, place);
    pthread_mutex_unlock(&admission->mutex);
}

/* -- beginning and end ------------------------------------------------------------------------- */

/* Waits by a clock that nobody sets. */
static bool init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool is_done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return is_done;
}

admission_t *admission_new(const admission_limits_t *limits, void (*give_way)(place_t *place)) {
    admission_t *admission = calloc(1, sizeof *admission);
    if (admission == NULL || !init_condition(&admission->emptied)) {
        free(admission);
        return NULL;
    }
    if (pthread_mutex_init(&admission->mutex, NULL) != 0) {
        pthread_cond_destroy(&admission->emptied);
        free(admission);
        return NULL;
    }
    admission->limits = *limits;
    admission->give_way = give_way;
    return admission;
}

void admission_free(admission_t *admission) {
    if (admission == NULL)
        return;
    pthread_cond_destroy(&admission->emptied);
    pthread_mutex_destroy(&admission->mutex);
    free(admission);
}

bool admission_wait_until_empty(admission_t *admission, uint32_t milliseconds) {
    struct timespec end;
    int failure = clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += milliseconds / 1000;
    end.tv_nsec += milliseconds % 1000 * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&admission->mutex);
    while (failure == 0 && admission->places > 0)
        failure = pthread_cond_timedwait(&admission->emptied, &admission->mutex, &end);
    bool is_empty = admission->places == 0;
    pthread_mutex_unlock(&admission->mutex);
    return is_empty;
}
