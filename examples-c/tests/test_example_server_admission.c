/* The component that says who gets a place in an example server: no server runs here, and no clock
   but a number. */
#include "admission.h"
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 100, THREAD_COUNT = 4, ROUND_COUNT = 2000 };

static const admission_limits_t NO_LIMITS = {1000, 1000, 1000, 1000, 1000, 1000};

static place_t *gave_way[MANY + MOST_LEAVING];
static size_t gave_way_count;

static void note(place_t *place) {
    gave_way[gave_way_count++] = place;
}

static admission_t *make_admission(const admission_limits_t *limits) {
    admission_t *admission = admission_new(limits, note);
    REQUIRE(admission != NULL);
    gave_way_count = 0;
    return admission;
}

static const char *enter(admission_t *admission, place_t *place, const char *ip) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        return admission_enter(admission, place, (struct sockaddr *)&v6);
    REQUIRE(inet_pton(AF_INET, ip, &v4.sin_addr) == 1);
    return admission_enter(admission, place, (struct sockaddr *)&v4);
}

static void leave_all(admission_t *admission, place_t *places, size_t count) {
    for (size_t at = 0; at < count; at++)
        admission_leave(admission, &places[at]);
    CHECK(admission_wait_until_empty(admission, 0));
    admission_free(admission);
}

/* Takes the next computation, which is to be on time. */
static place_t *take(admission_t *admission) {
    const char *why_not = "";
    place_t *place = admission_take(admission, 0, &why_not);
    CHECK_STRING(why_not, NULL);
    return place;
}

static void test_limits_of_an_address(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t places[6] = {0};
    limits.places_per_address = 3;
    limits.exchanges_per_address = 2;
    admission_t *admission = make_admission(&limits);
    CHECK_STRING(enter(admission, &places[0], "192.0.2.1"), NULL);
    CHECK_STRING(enter(admission, &places[1], "192.0.2.1"), NULL);
    CHECK_STRING(enter(admission, &places[2], "192.0.2.1"),
                 "too many key exchanges of its address");
    admission_end_exchange(admission, &places[0]);
    admission_end_exchange(admission, &places[0]); /* a second time is none */
    CHECK_STRING(enter(admission, &places[2], "192.0.2.1"), NULL);
    admission_end_exchange(admission, &places[1]);
    CHECK_STRING(enter(admission, &places[3], "192.0.2.1"), "too many clients of its address");
    CHECK_STRING(enter(admission, &places[4], "192.0.2.2"), NULL);
    admission_leave(admission, &places[3]); /* which has none */
    admission_leave(admission, &places[2]);
    admission_leave(admission, &places[2]);
    CHECK_STRING(enter(admission, &places[2], "192.0.2.1"), NULL);
    CHECK(!admission_wait_until_empty(admission, 0));
    CHECK(gave_way_count == 0);
    leave_all(admission, places, 6);
}

static void test_what_an_address_is(void) {
    static const struct {
        const char *first;
        const char *second;
        bool is_one;
    } cases[] = {{"2001:db8::1", "2001:db8::ffff:0:0:2", true},
                 {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
                 {"192.0.2.1", "::ffff:192.0.2.1", true},
                 {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
                 {"0.0.0.0", "::", false},
                 {"192.0.2.1", "c000:201::", false}};
    admission_limits_t limits = NO_LIMITS;
    limits.places_per_address = 1;
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        place_t places[2] = {0};
        admission_t *admission = make_admission(&limits);
        CHECK_STRING(enter(admission, &places[0], cases[at].first), NULL);
        CHECK((enter(admission, &places[1], cases[at].second) != NULL) == cases[at].is_one);
        leave_all(admission, places, 2);
    }
}

static void check_gave_way(admission_t *admission, place_t *place) {
    if (CHECK(gave_way_count > 0))
        CHECK(gave_way[--gave_way_count] == place);
    CHECK(gave_way_count == 0);
    CHECK(admission_gave_way(admission, place));
}

static void test_who_gives_way(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t places[10] = {0};
    limits.places = 5;
    admission_t *admission = make_admission(&limits);
    CHECK_STRING(enter(admission, &places[0], "192.0.2.1"), NULL);
    for (size_t at = 1; at < 4; at++)
        CHECK_STRING(enter(admission, &places[at], "192.0.2.2"), NULL);
    CHECK_STRING(enter(admission, &places[4], "192.0.2.3"), NULL);
    /* Not the oldest of all, but that of the greediest. */
    CHECK_STRING(enter(admission, &places[5], "192.0.2.4"), NULL);
    check_gave_way(admission, &places[1]);
    CHECK(!admission_gave_way(admission, &places[0]));
    /* Until it is gone, it counts for its address, but not for the server. */
    admission_leave(admission, &places[1]);
    /* One that has done something has waited less long. */
    admission_wait(admission, &places[2]);
    CHECK_STRING(enter(admission, &places[6], "192.0.2.5"), NULL);
    check_gave_way(admission, &places[3]);
    admission_leave(admission, &places[3]);
    /* Where all are alike, it is the oldest. */
    CHECK_STRING(enter(admission, &places[7], "192.0.2.6"), NULL);
    check_gave_way(admission, &places[0]);
    /* It can do what it likes on its way out. */
    admission_wait(admission, &places[0]);
    CHECK(!admission_queue(admission, &places[0], 1));
    admission_leave(admission, &places[0]);
    /* Whoever would be the greediest himself makes room for himself. */
    CHECK_STRING(enter(admission, &places[8], "192.0.2.6"), NULL);
    check_gave_way(admission, &places[7]);
    admission_leave(admission, &places[7]);
    leave_all(admission, places, 10);
}

static void test_who_does_not_give_way(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t places[4] = {0};
    limits.places = 2;
    limits.computations_at_once = 1;
    admission_t *admission = make_admission(&limits);
    CHECK_STRING(enter(admission, &places[0], "192.0.2.1"), NULL);
    CHECK_STRING(enter(admission, &places[1], "192.0.2.1"), NULL);
    CHECK(admission_queue(admission, &places[0], 1) && admission_queue(admission, &places[1], 1));
    CHECK(take(admission) == &places[0]);
    CHECK(take(admission) == NULL);
    /* One computes, one waits for that. */
    CHECK_STRING(enter(admission, &places[2], "192.0.2.2"), "too many clients");
    admission_end_computation(admission, &places[0]);
    /* For somebody with more, those with less make no room. */
    CHECK_STRING(enter(admission, &places[2], "192.0.2.2"), NULL);
    check_gave_way(admission, &places[0]);
    admission_leave(admission, &places[0]);
    admission_leave(admission, &places[1]);
    CHECK_STRING(enter(admission, &places[0], "192.0.2.1"), NULL);
    CHECK(admission_queue(admission, &places[0], 1));
    CHECK_STRING(enter(admission, &places[1], "192.0.2.1"), "too many clients");
    CHECK_STRING(enter(admission, &places[3], "192.0.2.2"), NULL);
    check_gave_way(admission, &places[2]);
    leave_all(admission, places, 4);
}

static void test_how_many_leave(void) {
    admission_limits_t limits = NO_LIMITS;
    static place_t places[MANY + MOST_LEAVING];
    limits.places = MANY;
    admission_t *admission = make_admission(&limits);
    memset(places, 0, sizeof places);
    for (size_t at = 0; at < MANY + MOST_LEAVING; at++)
        CHECK_STRING(enter(admission, &places[at], "192.0.2.1"), NULL);
    place_t one_more = {0};
    CHECK_INTEGER(gave_way_count, MOST_LEAVING);
    CHECK_STRING(enter(admission, &one_more, "192.0.2.2"), "too many clients");
    admission_leave(admission, gave_way[0]);
    CHECK_STRING(enter(admission, &one_more, "192.0.2.2"), NULL);
    admission_leave(admission, &one_more);
    leave_all(admission, places, MANY + MOST_LEAVING);
}

static void test_queue(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t crowd[6] = {0};
    place_t honest[2] = {0};
    limits.computations_per_address = 4;
    limits.computations_at_once = 2;
    admission_t *admission = make_admission(&limits);
    for (size_t at = 0; at < 6; at++)
        CHECK_STRING(enter(admission, &crowd[at], "192.0.2.1"), NULL);
    for (size_t at = 0; at < 2; at++)
        CHECK_STRING(enter(admission, &honest[at], "192.0.2.2"), NULL);
    CHECK(take(admission) == NULL);
    for (size_t at = 0; at < 4; at++)
        CHECK(admission_queue(admission, &crowd[at], 1));
    CHECK(!admission_queue(admission, &crowd[4], 1)); /* too many of the address */
    CHECK(take(admission) == &crowd[0]);
    CHECK(!admission_queue(admission, &crowd[4], 1)); /* one that runs counts, too */
    CHECK(admission_queue(admission, &honest[0], 1) && admission_queue(admission, &honest[1], 1));
    CHECK(take(admission) == &honest[0]); /* the addresses take turns */
    CHECK(take(admission) == NULL);       /* two at once */
    admission_end_computation(admission, &crowd[0]);
    CHECK(take(admission) == &crowd[1]);
    CHECK(admission_queue(admission, &crowd[4], 1));
    admission_end_computation(admission, &honest[0]);
    CHECK(take(admission) == &honest[1]);
    CHECK(admission_queue(admission, &honest[0], 1));
    /* Whoever leaves is nowhere any more, whatever it was at. */
    admission_leave(admission, &crowd[1]);
    admission_leave(admission, &crowd[2]);
    CHECK(take(admission) == &honest[0]);
    admission_leave(admission, &honest[1]);
    CHECK(take(admission) == &crowd[3]);
    admission_leave(admission, &honest[0]);
    CHECK(take(admission) == &crowd[4]);
    CHECK(take(admission) == NULL);
    leave_all(admission, crowd, 6);
}

static void test_late_computations(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t places[3] = {0};
    const char *why_not = NULL;
    limits.computations_at_once = 1;
    admission_t *admission = make_admission(&limits);
    for (size_t at = 0; at < 3; at++)
        CHECK_STRING(enter(admission, &places[at], "192.0.2.1"), NULL);
    CHECK(admission_queue(admission, &places[0], 10));
    CHECK(admission_queue(admission, &places[1], 30));
    CHECK(admission_queue(admission, &places[2], 20));
    CHECK(admission_take(admission, 9, &why_not) == &places[0] && why_not == NULL);
    CHECK(admission_take(admission, 19, &why_not) == NULL && why_not == NULL);
    /* Told though as many run as may: they cost nothing. */
    CHECK(admission_take(admission, 20, &why_not) == &places[2] && why_not != NULL);
    CHECK(admission_take(admission, 29, &why_not) == NULL && why_not == NULL);
    admission_end_computation(admission, &places[0]);
    CHECK(admission_take(admission, 29, &why_not) == &places[1] && why_not == NULL);
    leave_all(admission, places, 3);
}

/* -- crowds ------------------------------------------------------------------------------------ */

enum { QUEUE_LEN = 256, MOST_COMPUTATIONS = 10000 };

/* Those of the example servers. */
static const admission_limits_t USUAL_LIMITS = {1000, 100, 32, QUEUE_LEN, 8, 1};

static bool come(admission_t *admission, place_t *place, const char *ip) {
    return CHECK(enter(admission, place, ip) == NULL) && admission_queue(admission, place, 1);
}

static bool come_from(admission_t *admission, place_t *place, const char *pattern, size_t number) {
    char ip[64];
    snprintf(ip, sizeof ip, pattern, (unsigned)number);
    return come(admission, place, ip);
}

/* Whoever is not computed any more is told before anybody is computed. */
static void check_sent_away(admission_t *admission, const place_t *place) {
    const char *why_not = NULL;
    CHECK(admission_take(admission, 0, &why_not) == place);
    CHECK_STRING(why_not, "gave way to another client");
    CHECK(admission_gave_way(admission, place));
}

/* The queue is full of what a few parties sent: a few addresses, or one who has a whole network.
   Whoever has less gets in, and the last one of the greediest is sent away. */
static void test_full_queue(void) {
    static const struct {
        const char *crowd;
        size_t of_address;
        const char *honest;
    } cases[] = {{"192.0.2.%u", 8, "192.0.2.200"},
                 {"192.0.%u.1", 8, "198.51.100.1"},
                 {"192.0.2.%u", 1, "198.51.100.1"},
                 {"2001:db8:%x::1", 8, "2001:db8:ffff::1"},
                 {"2001:db8:0:%x00::1", 1, "2001:db8:1::1"},
                 {"2001:db8:0:1%02x::1", 1, "2001:db8:0:200::1"}};
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        static place_t crowd[QUEUE_LEN];
        place_t honest[2] = {0};
        memset(crowd, 0, sizeof crowd);
        admission_t *admission = make_admission(&USUAL_LIMITS);
        for (size_t number = 0; number < QUEUE_LEN; number++)
            CHECK(come_from(admission, &crowd[number], cases[at].crowd,
                            number / cases[at].of_address));
        CHECK(come(admission, &honest[0], cases[at].honest));
        check_sent_away(admission, &crowd[QUEUE_LEN - 1]);
        CHECK(come(admission, &honest[1], cases[at].honest));
        check_sent_away(admission, &crowd[QUEUE_LEN - 1 - cases[at].of_address]);
        /* It gets nobody out again. */
        CHECK(!admission_queue(admission, &crowd[QUEUE_LEN - 1], 1));
        CHECK(take(admission) == &crowd[0]);
        for (size_t number = 0; number < 2; number++) {
            CHECK(!admission_gave_way(admission, &honest[number]));
            admission_leave(admission, &honest[number]);
        }
        leave_all(admission, crowd, QUEUE_LEN);
    }
}

/* What no queue can prevent: it is full of as many parties, of which none has more than another. */
static void test_queue_full_of_equals(void) {
    static place_t crowd[QUEUE_LEN];
    place_t honest = {0};
    memset(crowd, 0, sizeof crowd);
    admission_t *admission = make_admission(&USUAL_LIMITS);
    for (size_t number = 0; number < QUEUE_LEN; number++)
        CHECK(come_from(admission, &crowd[number], "192.0.%u.1", number));
    CHECK(!come(admission, &honest, "198.51.100.1"));
    CHECK(take(admission) == &crowd[0]);
    CHECK(!admission_queue(admission, &honest, 1)); /* one that runs counts, too */
    admission_end_computation(admission, &crowd[0]);
    CHECK(admission_queue(admission, &honest, 1));
    admission_leave(admission, &honest);
    leave_all(admission, crowd, QUEUE_LEN);
}

static void test_leaving_when_sent_away(void) {
    admission_limits_t limits = NO_LIMITS;
    place_t places[3] = {0};
    limits.computations = 2;
    admission_t *admission = make_admission(&limits);
    CHECK(come(admission, &places[0], "192.0.2.1"));
    CHECK(come(admission, &places[1], "192.0.2.1"));
    CHECK(come(admission, &places[2], "192.0.2.2"));
    admission_leave(admission, &places[1]);
    CHECK(take(admission) == &places[0]);
    CHECK(take(admission) == &places[2]);
    leave_all(admission, places, 3);
}

/* So many peers hang up as soon as they are computed, and are there again, from the same address or
   from one that nobody has seen, before the next computation begins. An honest address, that has
   another session, waits for one computation of each that was there before, and for each further
   one of its own for two rounds of them. */
static void test_those_who_come_anew(void) {
    static const char *const honest_ip = "198.51.100.1";
    for (size_t count = 1; count < QUEUE_LEN - 3; count *= 3) {
        for (int is_new = 0; is_new < 2; is_new++) {
            static place_t crowd[QUEUE_LEN];
            place_t honest[4] = {0};
            size_t next = 1;
            size_t computed = 0;
            size_t crowd_number = 0;
            memset(crowd, 0, sizeof crowd);
            admission_t *admission = make_admission(&USUAL_LIMITS);
            CHECK(come(admission, &honest[0], honest_ip));
            CHECK(take(admission) == &honest[0]);
            admission_end_computation(admission, &honest[0]);
            admission_end_exchange(admission, &honest[0]);
            for (; crowd_number < count; crowd_number++)
                CHECK(come_from(admission, &crowd[crowd_number], "2001:db8:%x::1", crowd_number));
            for (size_t at = 1; at < 4; at++)
                CHECK(come(admission, &honest[at], honest_ip));
            while (next < 4 && computed < MOST_COMPUTATIONS) {
                place_t *place = take(admission);
                REQUIRE(place != NULL);
                if (place == &honest[next]) {
                    CHECK(computed <= count * (2 * next - 1) + next - 1);
                    next++;
                }
                computed++;
                admission_leave(admission, place);
                if (place >= crowd && place < crowd + count) {
                    size_t number = is_new ? crowd_number++ : (size_t)(place - crowd);
                    CHECK(come_from(admission, place, "2001:db8:%x::1", number));
                }
            }
            CHECK_INTEGER(next, 4);
            admission_leave(admission, &honest[0]);
            leave_all(admission, crowd, count);
        }
    }
}

/* One who has a whole network takes all places with an address for each, and goes on coming: it
   makes room for itself, and those of others stay. */
static void test_places_of_a_network(void) {
    admission_limits_t limits = NO_LIMITS;
    static place_t crowd[2 * MANY];
    place_t honest[2] = {0};
    limits.places = MANY;
    memset(crowd, 0, sizeof crowd);
    admission_t *admission = make_admission(&limits);
    CHECK_STRING(enter(admission, &honest[0], "2001:db8:1::1"), NULL);
    for (size_t number = 0; number < 2 * MANY; number++) {
        char ip[64];
        snprintf(ip, sizeof ip, "2001:db8:0:%x::1", (unsigned)number);
        CHECK_STRING(enter(admission, &crowd[number], ip), NULL);
        if (number >= MANY - 1) {
            check_gave_way(admission, &crowd[number - (MANY - 1)]);
            admission_leave(admission, &crowd[number - (MANY - 1)]);
        }
    }
    CHECK_STRING(enter(admission, &honest[1], "2001:db8:1::1"), NULL);
    check_gave_way(admission, &crowd[MANY + 1]);
    for (size_t at = 0; at < 2; at++)
        admission_leave(admission, &honest[at]);
    leave_all(admission, crowd, 2 * MANY);
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct {
    admission_t *admission;
    const char *ip;
} visitor_t;

/* Comes and goes, and now and then computes something, whoever's it may be. */
static void *visit(void *argument) {
    const visitor_t *visitor = argument;
    for (size_t round = 0; round < ROUND_COUNT; round++) {
        place_t place = {0};
        const char *why_not;
        if (enter(visitor->admission, &place, visitor->ip) != NULL)
            continue;
        if (admission_queue(visitor->admission, &place, 1))
            (void)admission_take(visitor->admission, (int64_t)(round % 2), &why_not);
        admission_end_exchange(visitor->admission, &place);
        admission_wait(visitor->admission, &place);
        admission_leave(visitor->admission, &place);
    }
    return NULL;
}

static void ignore(place_t *place) {
    (void)place;
}

static void test_threads(void) {
    static const char *const ips[THREAD_COUNT] = {"192.0.2.1", "192.0.2.1", "192.0.2.2", "::1"};
    admission_limits_t limits = {2, 2, 2, 2, 2, 2};
    pthread_t threads[THREAD_COUNT];
    visitor_t visitors[THREAD_COUNT];
    admission_t *admission = admission_new(&limits, ignore);
    REQUIRE(admission != NULL);
    for (size_t at = 0; at < THREAD_COUNT; at++) {
        visitors[at] = (visitor_t){admission, ips[at]};
        REQUIRE(pthread_create(&threads[at], NULL, visit, &visitors[at]) == 0);
    }
    for (size_t at = 0; at < THREAD_COUNT; at++)
        REQUIRE(pthread_join(threads[at], NULL) == 0);
    CHECK(admission_wait_until_empty(admission, 0));
    /* Nothing is left of what they did: all limits are where they were. */
    place_t places[2] = {0};
    for (size_t at = 0; at < 2; at++) {
        CHECK_STRING(enter(admission, &places[at], "192.0.2.1"), NULL);
        CHECK(admission_queue(admission, &places[at], 1));
        CHECK(take(admission) == &places[at]);
    }
    leave_all(admission, places, 2);
    admission_free(NULL);
}

int main(void) {
    test_limits_of_an_address();
    test_what_an_address_is();
    test_who_gives_way();
    test_who_does_not_give_way();
    test_how_many_leave();
    test_queue();
    test_late_computations();
    test_full_queue();
    test_queue_full_of_equals();
    test_leaving_when_sent_away();
    test_those_who_come_anew();
    test_places_of_a_network();
    test_threads();
    return check_finish();
}
