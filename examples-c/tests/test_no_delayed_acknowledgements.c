/* Peers that write as the released ones do: each piece by itself, under Nagle's algorithm, which
   holds a second small piece back until the first is acknowledged. Whoever has taken the first in
   and waits for the second must have let its system acknowledge; a system left alone delays that by
   tens of milliseconds.

   No clock is looked at. Both ends are played by turns on one thread, and the system counts the
   segments that it sends: one has to leave between the first piece and the end of the call that
   takes it in. The peer is a session of the library's, whose flights are taken apart here. */
#include "check.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

enum {
    PATIENCE = ANWDL_PATIENCE * 60000 /* milliseconds */,
    BUFFER_SIZE = 65536,
    MOST_ATTEMPTS = 50
};

typedef struct {
    const char *name;
    bool connects; /* the side under test */
    bool client_speaks_first;
    unsigned pairs; /* of pieces that the peer writes one after the other */
} order_t;

static const order_t ORDERS[] = {
    /* The secret behind an answer, and the first request behind the last one. */
    {"accepting, the client speaks first", false, true, 2},
    /* The length behind an answer, and the secret behind one. */
    {"accepting, the server speaks first", false, false, 2},
    {"connecting, the client speaks first", true, true, 2},
    {"connecting, the server speaks first", true, false, 1},
};

typedef struct {
    const order_t *order;
    anwdl_client_t *client;
    anwdl_client_interface_t *interface;
    int fd; /* of the library's side */

    anwdl_session_t *peer;
    int peer_fd;
    uint8_t received[BUFFER_SIZE]; /* by the peer, and not fed yet */
    size_t received_len;

    unsigned held_back; /* how often the peer's system kept a piece */
} scene_t;

/* -- what the system tells --------------------------------------------------------------------- */

static unsigned segments_sent(int fd) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    memset(&info, 0, sizeof info);
    REQUIRE(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    return info.tcpi_segs_out;
}

static int bytes_not_sent(int fd) {
    int count = 0;
    REQUIRE(ioctl(fd, SIOCOUTQNSD, &count) == 0);
    return count;
}

/* -- the peer ---------------------------------------------------------------------------------- */

static void send_piece(scene_t *scene, const uint8_t *bytes, size_t len) {
    REQUIRE(send(scene->peer_fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* An answer, and what stands behind it in the same flight. No length begins with its digit, as all
   keys have 2048 bits. */
static void send_pieces(scene_t *scene) {
    const uint8_t *pending = NULL;
    size_t len = 0;
    REQUIRE(anwdl_session_get_pending(scene->peer, &pending, &len) == ANWDL_OK);
    size_t first = len > 1 && pending[0] == '1' ? 1 : len;
    send_piece(scene, pending, first);
    if (first < len)
        send_piece(scene, pending + first, len - first);
    REQUIRE(anwdl_session_sent(scene->peer, len) == ANWDL_OK);
}

static void feed(scene_t *scene) {
    size_t taken = 0;
    ssize_t count = recv(scene->peer_fd, scene->received + scene->received_len,
                         BUFFER_SIZE - scene->received_len, MSG_DONTWAIT);
    REQUIRE(count > 0 || (count < 0 && errno == EAGAIN));
    scene->received_len += count > 0 ? (size_t)count : 0;
    REQUIRE(anwdl_session_feed(scene->peer, scene->received, scene->received_len, &taken) ==
            ANWDL_OK);
    scene->received_len -= taken;
    memmove(scene->received, scene->received + taken, scene->received_len);
}

static anwdl_status_t call_peer(scene_t *scene, bool exchanging) {
    return exchanging
               ? anwdl_session_exchange_keys(scene->peer, scene->order->connects ==
                                                              scene->order->client_speaks_first)
               : anwdl_session_send_request(scene->peer, "STAT", NULL);
}

/* As far as the peer gets without bytes that are not there yet. Returns whether it is done. */
static bool play_peer(scene_t *scene, bool exchanging) {
    for (;;) {
        anwdl_status_t status = call_peer(scene, exchanging);
        REQUIRE(status >= ANWDL_OK);
        if (status == ANWDL_OK)
            return true;
        if (status == ANWDL_WANT_WRITE) {
            send_pieces(scene);
            continue;
        }
        feed(scene);
        if (anwdl_session_get_wants(scene->peer) == ANWDL_WANT_READ)
            return false;
    }
}

/* -- the side under test ----------------------------------------------------------------------- */

static anwdl_status_t call_library(scene_t *scene) {
    bool receive_first = scene->order->connects != scene->order->client_speaks_first;
    return scene->order->connects
               ? anwdl_client_interface_exchange_keys(scene->interface, receive_first)
               : anwdl_client_exchange_keys(scene->client, receive_first);
}

static void make_scene(scene_t *scene, const order_t *order) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_client_options_t *peer_options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *peer_key = make_rsa_wrapper("peer-1");
    uint16_t port;
    int listener = make_listener(&port);
    int off = 0;
    memset(scene, 0, sizeof *scene);
    scene->order = order;
    REQUIRE(anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(peer_options, peer_key) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_key_echo(peer_options, true) == ANWDL_OK);
    REQUIRE(anwdl_session_new(order->connects ? ANWDL_ROLE_SERVER : ANWDL_ROLE_CLIENT, peer_options,
                              &scene->peer) == ANWDL_OK);
    if (order->connects) {
        REQUIRE(anwdl_client_interface_new(options, &scene->interface) == ANWDL_OK);
        REQUIRE(anwdl_client_interface_connect_server(scene->interface, "127.0.0.1", port) ==
                ANWDL_OK);
        scene->fd = anwdl_client_interface_get_socket_descriptor(scene->interface);
        scene->peer_fd = accept(listener, NULL, NULL);
        REQUIRE(scene->peer_fd >= 0);
    } else {
        scene->peer_fd = connect_to(port);
        scene->fd = accept(listener, NULL, NULL);
        REQUIRE(anwdl_client_new(scene->fd, options, &scene->client) == ANWDL_OK);
    }
    REQUIRE(setsockopt(scene->peer_fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off) == 0);
    close(listener);
    anwdl_rsa_wrapper_free(peer_key);
    anwdl_client_options_free(peer_options);
    anwdl_client_options_free(options);
}

static void free_scene(scene_t *scene) {
    anwdl_client_free(scene->client);
    anwdl_client_interface_free(scene->interface);
    anwdl_session_free(scene->peer);
    close(scene->peer_fd);
}

/* -- both -------------------------------------------------------------------------------------- */

static void wait_for_either(const scene_t *scene) {
    struct pollfd entries[] = {{.fd = scene->fd, .events = POLLIN},
                               {.fd = scene->peer_fd, .events = POLLIN}};
    REQUIRE(poll(entries, 2, PATIENCE) > 0);
}

/* Whether the peer's system held back every piece that can wait. It does not if this process gets
   no processor for tens of milliseconds, after which the library's system acknowledges by itself.
 */
static bool test_order(const order_t *order) {
    static scene_t scene;
    anwdl_status_t status = ANWDL_WANT_READ;
    bool peer_is_done = false;
    make_scene(&scene, order);
    do {
        unsigned before = segments_sent(scene.fd);
        if (!peer_is_done) {
            peer_is_done = play_peer(&scene, true);
            /* A client goes on with its first request at once. */
            if (peer_is_done && !order->connects)
                play_peer(&scene, false);
        }
        bool is_held_back = bytes_not_sent(scene.peer_fd) > 0;
        scene.held_back += is_held_back;
        if (is_held_back)
            REQUIRE(wait_for(scene.fd, POLLIN, PATIENCE));
        status = call_library(&scene);
        REQUIRE(status >= ANWDL_OK);
        if (is_held_back && segments_sent(scene.fd) == before) {
            fprintf(stderr, "  %s: the peer is kept waiting\n", order->name);
            CHECK(false);
        }
        if (status == ANWDL_WANT_READ)
            wait_for_either(&scene);
    } while (status != ANWDL_OK);
    free_scene(&scene);
    return scene.held_back == order->pairs;
}

int main(void) {
    alarm(ANWDL_PATIENCE * 60);
    for (size_t at = 0; at < sizeof ORDERS / sizeof ORDERS[0]; at++) {
        unsigned attempts = 1;
        while (!test_order(&ORDERS[at]))
            REQUIRE(++attempts < MOST_ATTEMPTS);
    }
    printf("cases: %zu orders of speaking\n", sizeof ORDERS / sizeof ORDERS[0]);
    return check_finish();
}
#else
int main(void) {
    printf("skipped: no system but Linux tells how many segments it sent\n");
    return 77;
}
#endif
