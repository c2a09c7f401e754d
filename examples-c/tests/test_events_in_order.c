/* A server and a client as one loop each: what happens is reported in order, once, and without an
   argument of the operation under way. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAT   "{\"verb\": \"STAT\", \"parameters\": {}}"
#define BROKEN "{\"verb\": 1, \"parameters\": {}}"

enum { PATIENCE = 60000, MOST_EVENTS = 16 };

/* The events so far, without those that wait, as letters: what a test expects is a word. */
static void note(char *events, anwdl_event_t event) {
    static const char LETTERS[] = "E...YXRMSQPC"; /* in the order of anwdl_event_t */
    size_t len = strlen(events);
    REQUIRE(len + 1 < MOST_EVENTS);
    events[len] = LETTERS[event];
    events[len + 1] = '\0';
}

static bool is_waiting(anwdl_event_t event) {
    return event == ANWDL_EVENT_WANT_READ || event == ANWDL_EVENT_WANT_WRITE;
}

static void wait_as_told(int fd, anwdl_event_t event, int time_left) {
    short events = event == ANWDL_EVENT_WANT_READ ? POLLIN : POLLOUT;
    CHECK(time_left > 0 && time_left <= PATIENCE);
    CHECK(wait_for(fd, events, time_left));
}

/* A whole server: answers what comes until the peer has gone. */
static void serve(anwdl_client_t *client, char *events) {
    anwdl_request_t *request = NULL;
    anwdl_event_t event;
    do {
        anwdl_status_t status = ANWDL_OK;
        event = anwdl_client_next_event(client, &request);
        if (event == ANWDL_EVENT_WANT_COMPUTATION)
            status = anwdl_client_compute(client);
        else if (is_waiting(event))
            wait_as_told(anwdl_client_get_socket_descriptor(client), event,
                         anwdl_client_get_time_left(client));
        else
            note(events, event);
        if (event == ANWDL_EVENT_REQUEST) {
            CHECK_STRING(anwdl_request_get_json(request), STAT);
            anwdl_request_free(request);
            /* It waits for this side, and only for it. */
            note(events, anwdl_client_next_event(client, &request));
            CHECK_INTEGER(anwdl_client_get_time_left(client), -1);
            status = anwdl_client_send_response(client, true, "OK", "{\"a\": 1}", NULL);
        } else if (event == ANWDL_EVENT_MALFORMED_REQUEST) {
            CHECK(strstr(anwdl_client_get_request_errors(client), "verb") != NULL);
            status =
                anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_BAD_REQ, NULL, NULL);
        }
        CHECK(status >= ANWDL_OK);
    } while (event != ANWDL_EVENT_ENDED);
}

static void exchange_and_ask(peer_t *peer) {
    static const char *const REQUESTS[] = {STAT, BROKEN, STAT};
    if (!CHECK(peer_exchange_keys(peer, true)))
        return;
    for (size_t at = 0; at < 3; at++) {
        char *response = peer_ask(peer, REQUESTS[at]);
        CHECK(response != NULL && strstr(response, "\"success\"") != NULL);
        free(response);
    }
    peer_hang_up(peer);
}

static void check_server(anwdl_protocol_t framing, bool non_blocking, bool separately) {
    anwdl_client_options_t *options = make_server_options();
    char events[MOST_EVENTS] = "";
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, non_blocking));
    CHECK_OK(anwdl_client_options_set_separate_computation(options, separately));
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, true));
    CHECK_OK(anwdl_client_options_set_timeout(options, PATIENCE));
    peer_init(&peer, ends[PEER_SIDE], framing, "peer-1");
    peer_start(&peer, exchange_and_ask, NULL);
    anwdl_client_t *client = NULL;
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    serve(client, events);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_PEER_CLOSED);
    CHECK_STRING(events, "XRYSMSRYSE");
    CHECK(anwdl_client_has_failed(client));
    anwdl_client_free(client);
    peer_join(&peer);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

static anwdl_client_options_t *make_loop_options(void) {
    anwdl_client_options_t *options = make_server_options();
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    CHECK_OK(anwdl_client_options_set_timeout(options, PATIENCE));
    return options;
}

/* One step of either side; false when it has to wait. */
static bool step_server(anwdl_client_t *client, char *events) {
    anwdl_request_t *request = NULL;
    anwdl_event_t event = anwdl_client_next_event(client, &request);
    if (is_waiting(event))
        return false;
    note(events, event);
    if (event == ANWDL_EVENT_REQUEST)
        CHECK(anwdl_client_send_response(client, true, "OK", NULL, NULL) >= ANWDL_OK);
    anwdl_request_free(request);
    return event != ANWDL_EVENT_ENDED;
}

static bool step_client(anwdl_client_interface_t *client, char *events, int *requests) {
    anwdl_response_t *response = NULL;
    anwdl_event_t event = anwdl_client_interface_next_event(client, &response);
    if (is_waiting(event))
        return false;
    note(events, event);
    if (event == ANWDL_EVENT_RESPONSE)
        CHECK(anwdl_response_get_success(response));
    anwdl_response_free(response);
    if (event != ANWDL_EVENT_YOUR_TURN)
        return event != ANWDL_EVENT_ENDED;
    if ((*requests)-- > 0)
        return CHECK(anwdl_client_interface_send_request(client, "STAT", NULL) >= ANWDL_OK);
    CHECK_OK(anwdl_client_interface_close_connection(client));
    return false;
}

/* Both sides on one thread: neither waits for anything but the other. */
static void test_both_sides_on_one_thread(void) {
    anwdl_client_options_t *options = make_loop_options();
    anwdl_client_interface_t *interface = NULL;
    anwdl_client_t *client = NULL;
    char servers[MOST_EVENTS] = "", clients[MOST_EVENTS] = "";
    int requests = 2;
    int ends[2];
    uint16_t port;
    int listener = make_listener(&port);
    CHECK_OK(anwdl_client_interface_new(options, &interface));
    CHECK(anwdl_client_interface_connect_server(interface, "127.0.0.1", port) >= ANWDL_OK);
    ends[SERVER_SIDE] = accept(listener, NULL, NULL);
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    while (!anwdl_client_interface_is_closed(interface)) {
        struct pollfd both[2] = {
            {.fd = anwdl_client_interface_get_socket_descriptor(interface), .events = POLLIN},
            {.fd = ends[SERVER_SIDE], .events = POLLIN}};
        while (step_client(interface, clients, &requests))
            ;
        while (step_server(client, servers))
            ;
        if (!anwdl_client_interface_is_closed(interface))
            REQUIRE(poll(both, 2, PATIENCE) > 0);
    }
    /* The end of the connection may have been seen already. */
    while (strchr(servers, 'E') == NULL) {
        REQUIRE(wait_for(ends[SERVER_SIDE], POLLIN, PATIENCE));
        (void)step_server(client, servers);
    }
    CHECK_STRING(clients, "CXYQPYQPY");
    CHECK_STRING(servers, "XRSRSE");
    anwdl_client_interface_free(interface);
    anwdl_client_free(client);
    close(listener);
    anwdl_client_options_free(options);
}

/* A peer that is silent between two requests has the idle timeout, blocking or not. */
static void check_idle_timeout(bool non_blocking) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_request_t *request = NULL;
    anwdl_client_t *client = NULL;
    anwdl_event_t event;
    int ends[2];
    make_unix_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, non_blocking));
    CHECK_OK(anwdl_client_options_set_timeout(options, PATIENCE));
    CHECK_OK(anwdl_client_options_set_idle_timeout(options, 50));
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    while ((event = anwdl_client_next_event(client, &request)) == ANWDL_EVENT_WANT_READ) {
        int left = anwdl_client_get_time_left(client);
        CHECK(left <= 50);
        CHECK(!wait_for(ends[SERVER_SIDE], POLLIN, left));
    }
    CHECK_INTEGER(event, ANWDL_EVENT_ENDED);
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
    CHECK(anwdl_client_has_failed(client));
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

/* What has begun has the timeout, from its first byte on. */
static void test_time_of_a_request(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_request_t *request = NULL;
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    CHECK_OK(anwdl_client_options_set_timeout(options, PATIENCE));
    CHECK_OK(anwdl_client_options_set_idle_timeout(options, 0));
    CHECK_OK(anwdl_client_new(ends[SERVER_SIDE], options, &client));
    CHECK_INTEGER(anwdl_client_next_event(client, &request), ANWDL_EVENT_WANT_READ);
    CHECK_INTEGER(anwdl_client_get_time_left(client), -1);
    REQUIRE(write(ends[PEER_SIDE], "0", 1) == 1);
    CHECK_INTEGER(anwdl_client_next_event(client, &request), ANWDL_EVENT_WANT_READ);
    int left = anwdl_client_get_time_left(client);
    CHECK(left > 0 && left <= PATIENCE);
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

/* Requests without a pause do not keep a loop from its other clients. */
static void check_turns_of_others(anwdl_protocol_t framing) {
    enum { REQUESTS = 30, AT_ONCE = 16 };
    anwdl_client_options_t *options =
        framing == ANWDL_PROTOCOL_GCM ? make_late_options() : make_shared_key_options();
    anwdl_request_t *request = NULL;
    int answered = 0, since_wait = 0;
    peer_t peer;
    int ends[2];
    make_tcp_pair(ends);
    CHECK_OK(anwdl_client_options_set_non_blocking(options, true));
    anwdl_client_t *client = peer_open_client(&peer, ends, options, framing, NULL);
    peer.is_eager = true;
    for (int at = 0; at < REQUESTS; at++)
        REQUIRE(peer_send_request(&peer, STAT));
    while (answered < REQUESTS) {
        anwdl_event_t event = anwdl_client_next_event(client, &request);
        if (event == ANWDL_EVENT_WANT_READ) {
            /* It is no wait: the rest is there, and a server that stops must not leave it. */
            REQUIRE(wait_for(anwdl_client_get_socket_descriptor(client), POLLIN, 0));
            CHECK(!anwdl_client_is_idle(client));
            since_wait = 0;
        } else if (event == ANWDL_EVENT_REQUEST) {
            anwdl_request_free(request);
            REQUIRE(anwdl_client_send_response(client, true, "OK", NULL, NULL) >= ANWDL_OK);
            answered++;
            CHECK(++since_wait <= AT_ONCE);
        } else {
            REQUIRE(event == ANWDL_EVENT_EXCHANGED || event == ANWDL_EVENT_RESPONSE_SENT);
        }
    }
    while (anwdl_client_next_event(client, &request) != ANWDL_EVENT_WANT_READ ||
           !anwdl_client_is_idle(client))
        REQUIRE(!anwdl_client_has_failed(client));
    anwdl_client_free(client);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* The next event. Where it is a wait, that is said again before anything was done about it, and
   there is something to send if, and only if, that is what it waits for. */
static anwdl_event_t look_twice(anwdl_session_t *session, anwdl_request_t **out_request,
                                anwdl_response_t **out_response) {
    const uint8_t *bytes = NULL;
    size_t len = 0;
    anwdl_event_t event = anwdl_session_next_event(session, out_request, out_response);
    if (is_waiting(event)) {
        CHECK_INTEGER(anwdl_session_next_event(session, out_request, out_response), event);
        CHECK_OK(anwdl_session_get_pending(session, &bytes, &len));
        CHECK((len > 0) == (event == ANWDL_EVENT_WANT_WRITE));
    }
    return event;
}

/* What the other can use of what one has to send. */
static void carry(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes = NULL;
    size_t len = 0, taken = 0;
    CHECK_OK(anwdl_session_get_pending(from, &bytes, &len));
    CHECK_OK(anwdl_session_feed(to, bytes, len, &taken));
    CHECK_OK(anwdl_session_sent(from, taken));
}

static void test_waits_of_sessions(anwdl_protocol_t framing) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_session_t *server = NULL, *client = NULL;
    anwdl_request_t *request = NULL;
    anwdl_response_t *response = NULL;
    CHECK_OK(anwdl_client_options_set_protocol(options, framing));
    CHECK_OK(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server));
    CHECK_OK(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client));
    while (response == NULL) {
        anwdl_event_t clients = look_twice(client, NULL, &response);
        if (clients == ANWDL_EVENT_YOUR_TURN)
            CHECK(anwdl_session_send_request(client, "STAT", NULL) >= ANWDL_OK);
        else if (clients == ANWDL_EVENT_WANT_WRITE)
            carry(client, server);
        anwdl_event_t servers = look_twice(server, &request, NULL);
        if (servers == ANWDL_EVENT_REQUEST)
            CHECK(anwdl_session_send_response(server, true, "OK", NULL, NULL) >= ANWDL_OK);
        else if (servers == ANWDL_EVENT_WANT_WRITE)
            carry(server, client);
        REQUIRE(clients != ANWDL_EVENT_ENDED && servers != ANWDL_EVENT_ENDED);
    }
    anwdl_request_free(request);
    anwdl_response_free(response);
    anwdl_session_free(server);
    anwdl_session_free(client);
    anwdl_client_options_free(options);
}

int main(void) {
    static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};
    size_t descriptors = count_open_descriptors();
    for (size_t at = 0; at < 4; at++) {
        check_server(FRAMINGS[at], false, false);
        check_server(FRAMINGS[at], true, false);
        check_server(FRAMINGS[at], true, true);
        test_waits_of_sessions(FRAMINGS[at]);
    }
    test_both_sides_on_one_thread();
    check_idle_timeout(false);
    check_idle_timeout(true);
    test_time_of_a_request();
    check_turns_of_others(ANWDL_PROTOCOL_V2);
    check_turns_of_others(ANWDL_PROTOCOL_GCM);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    return check_finish();
}
