#define _POSIX_C_SOURCE 200809L /* pthreads and clock_gettime with -std=c11 */
#include "admission.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LEVELS = 3,
    MAX_PREFIX = 8,            /* bytes of an address */
    KEY_SIZE = 2 + MAX_PREFIX, /* the family, the level and the prefix */
};

/* The prefixes that are counted, from the widest network down to the address. */
static const size_t BYTES_OF_V4[LEVELS] = {3, 3, 4};
static const size_t BYTES_OF_V6[LEVELS] = {6, 7, 8};

/* The state of a place. */
enum { OUTSIDE, WAITING, LEAVING, QUEUED, SENT_AWAY, COMPUTING };

typedef enum { PLACES, COMPUTATIONS, KIND_COUNT } kind_t;

/* A network or an address that has places. */
typedef struct network {
    struct network *next;
    struct network *wider; /* the next wider network; NULL for the widest */
    uint8_t key[KEY_SIZE];
    size_t counts[KIND_COUNT];
    size_t exchanges; /* only counted for addresses */
} network_t;

typedef struct {
    place_t *first;
    place_t *last;
} line_t;

struct admission {
    admission_limits_t limits;
    void (*give_way)(place_t *place);
    pthread_mutex_t mutex; /* for the members below */
    pthread_cond_t emptied;
    network_t *networks;
    size_t places; /* including those that are leaving */
    size_t leaving;
    line_t waiting; /* for their peers; the one that has waited longest is first */
    line_t queue;   /* in the order of their rounds */
    line_t sent_away;
    size_t computations;
    size_t running;
    uint64_t round; /* of the last computation that was taken */
};

/* -- lines ------------------------------------------------------------------------------------- */

/* previous is NULL for the beginning of the line. */
static void insert_after(line_t *line, place_t *previous, place_t *place) {
    place->previous = previous;
    place->next = previous != NULL ? previous->next : line->first;
    if (place->previous != NULL)
        place->previous->next = place;
    else
        line->first = place;
    if (place->next != NULL)
        place->next->previous = place;
    else
        line->last = place;
}

static void append(line_t *line, place_t *place) {
    insert_after(line, line->last, place);
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

/* -- networks ---------------------------------------------------------------------------------- */

/* An IPv4 address has one key, whether it is mapped into IPv6 or not. */
static void make_key(const struct sockaddr *peer, int level, uint8_t key[KEY_SIZE]) {
    memset(key, 0, KEY_SIZE);
    key[1] = (uint8_t)level;
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in address;
        memcpy(&address, peer, sizeof address);
        key[0] = 4;
        memcpy(key + 2, &address.sin_addr, BYTES_OF_V4[level]);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 address;
        memcpy(&address, peer, sizeof address);
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
        key[0] = is_mapped ? 4 : 6;
        if (is_mapped)
            memcpy(key + 2, address.sin6_addr.s6_addr + 12, BYTES_OF_V4[level]);
        else
            memcpy(key + 2, address.sin6_addr.s6_addr, BYTES_OF_V6[level]);
    }
}

/* Finds a network, or adds it. Returns NULL without memory. */
static network_t *find_network(admission_t *admission, const struct sockaddr *peer, int level,
                               network_t *wider) {
    uint8_t key[KEY_SIZE];
    network_t *network = admission->networks;
    make_key(peer, level, key);
    while (network != NULL && memcmp(network->key, key, KEY_SIZE) != 0)
        network = network->next;
    if (network == NULL && (network = calloc(1, sizeof *network)) != NULL) {
        memcpy(network->key, key, KEY_SIZE);
        network->wider = wider;
        network->next = admission->networks;
        admission->networks = network;
    }
    return network;
}

/* Frees a network that has no places, and each wider one that has none either. */
static void forget_networks(admission_t *admission, network_t *network) {
    while (network != NULL && network->counts[PLACES] == 0) {
        network_t *wider = network->wider;
        network_t **at = &admission->networks;
        while (*at != network)
            at = &(*at)->next;
        *at = network->next;
        free(network);
        network = wider;
    }
}

static network_t *find_address(admission_t *admission, const struct sockaddr *peer) {
    network_t *wider = NULL;
    for (int level = 0; level < LEVELS; level++) {
        network_t *network = find_network(admission, peer, level, wider);
        if (network == NULL) {
            forget_networks(admission, wider);
            return NULL;
        }
        wider = network;
    }
    return wider;
}

static void count_one_more(network_t *network, kind_t kind) {
    for (; network != NULL; network = network->wider)
        network->counts[kind]++;
}

static void count_one_less(network_t *network, kind_t kind) {
    for (; network != NULL; network = network->wider)
        network->counts[kind]--;
}

/* Positive if the first is greedier, negative if the second is. Compares the widest networks first.
 */
static int compare_greed(const network_t *first, const network_t *second, kind_t kind) {
    int order = first->wider != NULL ? compare_greed(first->wider, second->wider, kind) : 0;
    if (order != 0)
        return order;
    return (first->counts[kind] > second->counts[kind]) -
           (first->counts[kind] < second->counts[kind]);
}

/* Returns NULL if the line is empty. */
static place_t *find_greediest(const line_t *line, kind_t kind, bool is_last_of_equals) {
    place_t *greediest = line->first;
    for (place_t *place = line->first; place != NULL; place = place->next) {
        int order = compare_greed(place->address, greediest->address, kind);
        if (order > 0 || (order == 0 && is_last_of_equals))
            greediest = place;
    }
    return greediest;
}

/* -- places ------------------------------------------------------------------------------------ */

static void end_exchange(place_t *place) {
    if (place->exchanges)
        place->address->exchanges--;
    place->exchanges = false;
}

/* For a computation that is queued or running. */
static void end_computation(admission_t *admission, place_t *place) {
    if (place->state == QUEUED)
        take_out(&admission->queue, place);
    else
        admission->running--;
    admission->computations--;
    count_one_less(place->address, COMPUTATIONS);
    append(&admission->waiting, place);
    place->state = WAITING;
}

static void take_place(admission_t *admission, place_t *place, network_t *address) {
    admission->places++;
    count_one_more(address, PLACES);
    address->exchanges++;
    place->address = address;
    place->exchanges = true;
    place->gave_way = false;
    place->state = WAITING;
    append(&admission->waiting, place);
}

static void leave_place(admission_t *admission, place_t *place) {
    if (place->state == QUEUED || place->state == COMPUTING)
        end_computation(admission, place);
    if (place->state == LEAVING)
        admission->leaving--;
    else
        take_out(place->state == SENT_AWAY ? &admission->sent_away : &admission->waiting, place);
    end_exchange(place);
    count_one_less(place->address, PLACES);
    place->state = OUTSIDE;
    admission->places--;
}

/* Called after the newcomer has taken a place. Returns false if the newcomer must give way. */
static bool make_room(admission_t *admission, const place_t *newcomer) {
    if (admission->places - admission->leaving <= admission->limits.places)
        return true;
    place_t *place = find_greediest(&admission->waiting, PLACES, false);
    if (place == newcomer || admission->leaving >= MOST_LEAVING)
        return false;
    take_out(&admission->waiting, place);
    place->state = LEAVING;
    place->gave_way = true;
    admission->leaving++;
    admission->give_way(place);
    return true;
}

const char *admission_enter(admission_t *admission, place_t *place, const struct sockaddr *peer) {
    const char *why = NULL;
    pthread_mutex_lock(&admission->mutex);
    network_t *address = find_address(admission, peer);
    if (address == NULL) {
        why = "no memory";
    } else if (address->counts[PLACES] >= admission->limits.places_per_address) {
        why = "too many clients of its address";
    } else if (address->exchanges >= admission->limits.exchanges_per_address) {
        why = "too many key exchanges of its address";
    } else {
        take_place(admission, place, address);
        if (!make_room(admission, place)) {
            leave_place(admission, place);
            why = "too many clients";
        }
    }
    if (why != NULL)
        forget_networks(admission, address);
    pthread_mutex_unlock(&admission->mutex);
    return why;
}

void admission_leave(admission_t *admission, place_t *place) {
    pthread_mutex_lock(&admission->mutex);
    if (place->state != OUTSIDE) {
        leave_place(admission, place);
        forget_networks(admission, place->address);
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

/* An address without a computation in the queue needs no record: reconnecting gains it nothing. */
static void join_queue(admission_t *admission, place_t *place) {
    place_t *previous = admission->queue.last;
    place->round = admission->round + 1;
    for (const place_t *other = admission->queue.first; other != NULL; other = other->next)
        if (other->address == place->address)
            place->round = other->round + 2;
    while (previous != NULL && previous->round > place->round)
        previous = previous->previous;
    insert_after(&admission->queue, previous, place);
    place->state = QUEUED;
    admission->computations++;
    count_one_more(place->address, COMPUTATIONS);
}

/* The queue is not empty, because the newcomer is in it. */
static void send_greediest_away(admission_t *admission, const place_t *newcomer) {
    place_t *place = find_greediest(&admission->queue, COMPUTATIONS, true);
    end_computation(admission, place);
    if (place == newcomer)
        return;
    take_out(&admission->waiting, place);
    append(&admission->sent_away, place);
    place->state = SENT_AWAY;
    place->gave_way = true;
}

bool admission_queue(admission_t *admission, place_t *place, int64_t deadline) {
    pthread_mutex_lock(&admission->mutex);
    /* A place that gave way is about to leave. */
    if (place->state == WAITING &&
        place->address->counts[COMPUTATIONS] < admission->limits.computations_per_address) {
        take_out(&admission->waiting, place);
        place->deadline = deadline;
        join_queue(admission, place);
        if (admission->computations > admission->limits.computations)
            send_greediest_away(admission, place);
    }
    bool is_queued = place->state == QUEUED;
    pthread_mutex_unlock(&admission->mutex);
    return is_queued;
}

static place_t *find_late(const admission_t *admission, int64_t now) {
    place_t *place = admission->queue.first;
    while (place != NULL && place->deadline > now)
        place = place->next;
    return place;
}

/* Takes a computation that will not run: it gave way, or is past its deadline. */
static place_t *take_useless(admission_t *admission, int64_t now, const char **why) {
    place_t *place = admission->sent_away.first;
    if (place != NULL) {
        take_out(&admission->sent_away, place);
        append(&admission->waiting, place);
        place->state = WAITING;
        *why = "gave way to another client";
    } else if ((place = find_late(admission, now)) != NULL) {
        end_computation(admission, place);
        *why = "TIMEOUT: no time was left to compute the key";
    }
    return place;
}

place_t *admission_take(admission_t *admission, int64_t now, const char **why_not) {
    *why_not = NULL;
    pthread_mutex_lock(&admission->mutex);
    place_t *place = take_useless(admission, now, why_not);
    if (place == NULL && admission->running < admission->limits.computations_at_once &&
        (place = admission->queue.first) != NULL) {
        take_out(&admission->queue, place);
        place->state = COMPUTING;
        admission->round = place->round;
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

/* With a clock that setting the time does not change. */
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
