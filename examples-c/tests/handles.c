#include "handles.h"

#include "check.h"
#include "support.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const STATE_NAMES[STATES] = {"fresh",  "half-way", "due",      "exchanged", "pending",
                                         "failed", "closed",   "detached", "connecting"};

enum { PATIENCE = ANWDL_PATIENCE * 10000 };

/* Calls the method of the type that the handle has; the arguments in parentheses. */
#define CALL(handle, method, arguments)                                                            \
    ((handle)->type == CLIENT      ? anwdl_client_##method arguments                               \
     : (handle)->type == INTERFACE ? anwdl_client_interface_##method arguments                     \
                                   : anwdl_session_##method arguments)

typedef enum {
    SEND_PUBLIC_KEY,
    RECEIVE_PUBLIC_KEY,
    SEND_AES_KEY,
    RECEIVE_AES_KEY,
    EXCHANGE_KEYS,
    SEND_MESSAGE,
    RECEIVE_MESSAGE
} step_t;

static bool is_server(const handle_t *handle) {
    return handle->type == CLIENT || handle->type == SERVER_SESSION;
}

static anwdl_status_t send_message(const handle_t *handle) {
    if (handle->type == CLIENT)
        return anwdl_client_send_response(handle->object, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
    if (handle->type == INTERFACE)
        return anwdl_client_interface_send_request(handle->object, "STAT", NULL);
    if (handle->type == CLIENT_SESSION)
        return anwdl_session_send_request(handle->object, "STAT", NULL);
    return anwdl_session_send_response(handle->object, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL);
}

static anwdl_status_t receive_message(const handle_t *handle) {
    anwdl_response_t *response = NULL;
    if (handle->type == CLIENT)
        return anwdl_client_recv_request(handle->object, true, NULL);
    if (handle->type == SERVER_SESSION)
        return anwdl_session_recv_request(handle->object, true, NULL);
    anwdl_status_t status = handle->type == INTERFACE
                                ? anwdl_client_interface_recv_response(handle->object, &response)
                                : anwdl_session_recv_response(handle->object, &response);
    anwdl_response_free(response);
    return status;
}

static anwdl_status_t take(const handle_t *handle, step_t step) {
    switch (step) {
    case SEND_PUBLIC_KEY:
        return CALL(handle, send_public_rsa_key, (handle->object));
    case RECEIVE_PUBLIC_KEY:
        return CALL(handle, recv_public_rsa_key, (handle->object));
    case SEND_AES_KEY:
        return CALL(handle, send_aes_key, (handle->object));
    case RECEIVE_AES_KEY:
        return CALL(handle, recv_aes_key, (handle->object));
    case EXCHANGE_KEYS:
        return CALL(handle, exchange_keys, (handle->object, is_server(handle)));
    case SEND_MESSAGE:
        return send_message(handle);
    default:
        return receive_message(handle);
    }
}

/* The peer, as a handle of its own. */
static handle_t peer_of(const handle_t *handle) {
    handle_t peer = {.type = is_server(handle) ? CLIENT_SESSION : SERVER_SESSION,
                     .object = handle->peer,
                     .peer_fd = -1};
    return peer;
}

static void move_to(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes;
    size_t len, taken = 0;
    REQUIRE(anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK);
    if (len > 0 && anwdl_session_feed(to, bytes, len, &taken) == ANWDL_OK)
        REQUIRE(anwdl_session_sent(from, taken) == ANWDL_OK);
}

static void move_through_socket(const handle_t *handle) {
    uint8_t bytes[4096];
    const uint8_t *pending;
    size_t len, taken = 0;
    REQUIRE(anwdl_session_get_pending(handle->peer, &pending, &len) == ANWDL_OK);
    if (len > 0) {
        REQUIRE(send(handle->peer_fd, pending, len, MSG_NOSIGNAL) == (ssize_t)len);
        REQUIRE(anwdl_session_sent(handle->peer, len) == ANWDL_OK);
    }
    /* No more is taken from the socket than the peer can use now. */
    ssize_t count = recv(handle->peer_fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (count > 0 && anwdl_session_feed(handle->peer, bytes, (size_t)count, &taken) == ANWDL_OK &&
        taken > 0)
        REQUIRE(recv(handle->peer_fd, bytes, taken, 0) == (ssize_t)taken);
}

/* Lets the bytes of both sides through that are there. */
static void move(const handle_t *handle) {
    if (handle->peer_fd >= 0) {
        move_through_socket(handle);
    } else {
        move_to(handle->object, handle->peer);
        move_to(handle->peer, handle->object);
    }
}

static bool compute(const handle_t *handle, anwdl_status_t status) {
    return status == ANWDL_WANT_COMPUTATION && CALL(handle, compute, (handle->object)) == ANWDL_OK;
}

/* Both sides take a step at the same time. */
static bool together(const handle_t *handle, step_t step, step_t step_of_peer) {
    handle_t peer = peer_of(handle);
    anwdl_status_t status = ANWDL_WANT_READ, peer_status = ANWDL_WANT_READ;
    int64_t began = now_in_milliseconds();
    while (now_in_milliseconds() < began + PATIENCE) {
        if (status != ANWDL_OK)
            status = take(handle, step);
        move(handle);
        if (peer_status != ANWDL_OK)
            peer_status = take(&peer, step_of_peer);
        move(handle);
        compute(handle, status);
        if (status == ANWDL_OK && peer_status == ANWDL_OK)
            return true;
        if (status < 0 || peer_status < 0)
            return false;
    }
    return false;
}

static bool finish_message(const handle_t *handle, bool is_pending) {
    if (!is_server(handle) && !is_pending && !together(handle, SEND_MESSAGE, RECEIVE_MESSAGE))
        return false;
    return together(handle, RECEIVE_MESSAGE, SEND_MESSAGE);
}

/* A server receives its peer's key first, a client sends its own first. */
static bool exchange_by_steps(const handle_t *handle, step_t send_step, step_t receive_step) {
    step_t first = is_server(handle) ? receive_step : send_step;
    step_t second = is_server(handle) ? send_step : receive_step;
    return together(handle, first, second) && together(handle, second, first);
}

bool finish_handle(handle_t *handle, state_t state) {
    if ((state == FRESH || state == DUE) && !together(handle, EXCHANGE_KEYS, EXCHANGE_KEYS))
        return false;
    if (state == HALF_WAY && !exchange_by_steps(handle, SEND_AES_KEY, RECEIVE_AES_KEY))
        return false;
    return finish_message(handle, state == PENDING);
}

static anwdl_client_options_t *make_options(const char *key) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper(key);
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, wrapper) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK);
    anwdl_rsa_wrapper_free(wrapper);
    return options;
}

static void connect_interface(handle_t *handle) {
    uint16_t port;
    int listener = make_listener(&port), on = 1;
    connect_interface_to(handle->object, "127.0.0.1", port);
    handle->peer_fd = accept(listener, NULL, NULL);
    REQUIRE(handle->peer_fd >= 0);
    REQUIRE(setsockopt(handle->peer_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    close(listener);
}

/* A handle before its first operation; an interface is not connected yet. */
static handle_t open_handle(handle_type_t type) {
    handle_t handle = {.type = type, .peer_fd = -1, .detached_fd = -1};
    anwdl_client_options_t *options = make_options("peer-1");
    anwdl_role_t role = type == CLIENT_SESSION ? ANWDL_ROLE_CLIENT : ANWDL_ROLE_SERVER;
    anwdl_role_t peer_role = is_server(&handle) ? ANWDL_ROLE_CLIENT : ANWDL_ROLE_SERVER;
    anwdl_session_t *session = NULL;
    anwdl_client_t *client = NULL;
    anwdl_client_interface_t *interface = NULL;
    int ends[2];
    REQUIRE(anwdl_session_new(peer_role, options, &handle.peer) == ANWDL_OK);
    anwdl_client_options_free(options);
    options = make_options("server");
    REQUIRE(anwdl_client_options_set_separate_computation(options, true) == ANWDL_OK);
    switch (type) {
    case CLIENT:
        make_unix_pair(ends);
        REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
        handle.object = client;
        handle.peer_fd = ends[PEER_SIDE];
        break;
    case INTERFACE:
        REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
        handle.object = interface;
        break;
    default:
        REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
        handle.object = session;
    }
    anwdl_client_options_free(options);
    return handle;
}

/* Waits until what the peer has sent is there. */
static void wait_for_bytes(const handle_t *handle) {
    if (handle->type == CLIENT)
        REQUIRE(wait_for(anwdl_client_get_socket_descriptor(handle->object), POLLIN, PATIENCE));
    if (handle->type == INTERFACE)
        REQUIRE(wait_for(anwdl_client_interface_get_socket_descriptor(handle->object), POLLIN,
                         PATIENCE));
}

static void exchange_until_due(const handle_t *handle) {
    handle_t peer = peer_of(handle);
    int64_t began = now_in_milliseconds();
    while (take(handle, EXCHANGE_KEYS) != ANWDL_WANT_COMPUTATION) {
        REQUIRE(now_in_milliseconds() < began + PATIENCE);
        move(handle);
        take(&peer, EXCHANGE_KEYS);
        move(handle);
    }
}

static void begin_to_receive(const handle_t *handle) {
    if (!is_server(handle))
        REQUIRE(together(handle, SEND_MESSAGE, RECEIVE_MESSAGE));
    REQUIRE(take(handle, RECEIVE_MESSAGE) == ANWDL_WANT_READ);
}

static void drop_pending(anwdl_session_t *session) {
    const uint8_t *bytes;
    size_t len;
    REQUIRE(anwdl_session_get_pending(session, &bytes, &len) == ANWDL_OK);
    REQUIRE(anwdl_session_sent(session, len) == ANWDL_OK);
}

static void fail_session(const handle_t *handle) {
    static const uint8_t GARBAGE[] = "this is nothing that any framing knows";
    size_t fed = 0;
    begin_to_receive(handle);
    if (handle->peer_fd >= 0)
        REQUIRE(send(handle->peer_fd, GARBAGE, sizeof GARBAGE, MSG_NOSIGNAL) == sizeof GARBAGE);
    anwdl_status_t status;
    do {
        size_t taken = 0;
        if (handle->peer_fd < 0)
            REQUIRE(anwdl_session_feed(handle->object, GARBAGE + fed, sizeof GARBAGE - fed,
                                       &taken) == ANWDL_OK);
        else
            wait_for_bytes(handle);
        fed += taken;
        status = take(handle, RECEIVE_MESSAGE);
        if (status == ANWDL_WANT_WRITE) /* a session's refusal, which nobody needs to hear */
            drop_pending(handle->object);
    } while (status > 0);
    REQUIRE(status == ANWDL_VALUE_ERROR);
}

static void close_handle(handle_t *handle) {
    if (handle->type == CLIENT)
        REQUIRE(anwdl_client_close_connection(handle->object) == ANWDL_OK);
    else if (handle->type == INTERFACE)
        REQUIRE(anwdl_client_interface_close_connection(handle->object) == ANWDL_OK);
    else
        REQUIRE(anwdl_session_end(handle->object) == ANWDL_OK);
}

/* The peer is a listener that has no place left, and what fills it takes that of a detached one. */
static void begin_to_connect(handle_t *handle) {
    uint16_t port;
    handle->peer_fd = make_listener(&port);
    handle->detached_fd = fill_queue(handle->peer_fd, port);
    REQUIRE(anwdl_client_interface_connect_server(handle->object, "127.0.0.1", port) ==
            ANWDL_WANT_READ);
}

bool has_state(handle_type_t type, state_t state) {
    return state != CONNECTING || type == INTERFACE;
}

handle_t make_handle(handle_type_t type, state_t state) {
    handle_t handle = open_handle(type);
    REQUIRE(has_state(type, state));
    if (state == CONNECTING) {
        begin_to_connect(&handle);
        return handle;
    }
    if (state == DETACHED) {
        if (type == CLIENT)
            handle.detached_fd = anwdl_client_detach(handle.object);
        return handle;
    }
    if (type == INTERFACE)
        connect_interface(&handle);
    if (state == HALF_WAY)
        REQUIRE(exchange_by_steps(&handle, SEND_PUBLIC_KEY, RECEIVE_PUBLIC_KEY));
    if (state == DUE)
        exchange_until_due(&handle);
    if (state >= EXCHANGED)
        REQUIRE(together(&handle, EXCHANGE_KEYS, EXCHANGE_KEYS));
    if (state == PENDING)
        begin_to_receive(&handle);
    if (state == FAILED)
        fail_session(&handle);
    if (state == CLOSED)
        close_handle(&handle);
    return handle;
}

/* Lets the peer say what it has to say next in this state. */
static void speak(const handle_t *handle, state_t state) {
    handle_t peer = peer_of(handle);
    anwdl_status_t status;
    do {
        status = take(&peer, state == FRESH      ? SEND_PUBLIC_KEY
                             : state == HALF_WAY ? SEND_AES_KEY
                                                 : SEND_MESSAGE);
        move(handle);
    } while (status == ANWDL_WANT_WRITE);
}

void hang_up(handle_t *handle, state_t state, bool speaks_first) {
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (handle->peer_fd < 0)
        return;
    if (speaks_first && state <= PENDING)
        speak(handle, state);
    setsockopt(handle->peer_fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(handle->peer_fd);
    handle->peer_fd = -1;
}

void free_peer(handle_t *handle) {
    anwdl_session_free(handle->peer);
    if (handle->peer_fd >= 0)
        close(handle->peer_fd);
    if (handle->detached_fd >= 0)
        close(handle->detached_fd);
    handle->peer = NULL;
    handle->peer_fd = handle->detached_fd = -1;
}

void free_object(const handle_t *handle) {
    if (handle->type == CLIENT)
        anwdl_client_free(handle->object);
    else if (handle->type == INTERFACE)
        anwdl_client_interface_free(handle->object);
    else
        anwdl_session_free(handle->object);
}

void free_handle(handle_t *handle) {
    free_object(handle);
    handle->object = NULL;
    free_peer(handle);
}
