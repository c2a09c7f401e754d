#include "relay.h"

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 4096 };

struct relay {
    int client;
    int server;
    int wake[2]; /* a pipe: the limit has changed */
    pthread_t thread;
    pthread_mutex_t mutex; /* for the members below */
    size_t passed;
    size_t most;
};

static size_t get_left(relay_t *relay) {
    pthread_mutex_lock(&relay->mutex);
    size_t left = relay->most - relay->passed;
    pthread_mutex_unlock(&relay->mutex);
    return left < CHUNK ? left : CHUNK;
}

/* Returns how many bytes it has passed; 0 when that is over. */
static size_t pass(int from, int to, size_t most) {
    char bytes[CHUNK];
    ssize_t len = recv(from, bytes, most, 0);
    for (ssize_t at = 0, sent; at < len; at += sent)
        if ((sent = send(to, bytes + at, (size_t)(len - at), MSG_NOSIGNAL)) < 0)
            return 0;
    return len > 0 ? (size_t)len : 0;
}

static bool pass_on(relay_t *relay) {
    size_t left = get_left(relay);
    /* The last is looked at last: a limit that came before bytes is noticed before them. */
    struct pollfd entries[] = {{left > 0 ? relay->client : -1, POLLIN, 0},
                               {relay->server, POLLIN, 0},
                               {relay->wake[0], POLLIN, 0}};
    char token;
    REQUIRE(poll(entries, 3, -1) > 0);
    if (entries[2].revents != 0)
        return read(relay->wake[0], &token, 1) == 1;
    if (entries[1].revents != 0)
        return pass(relay->server, relay->client, CHUNK) > 0;
    /* All in one: what the server has got is counted. */
    pthread_mutex_lock(&relay->mutex);
    size_t len = pass(relay->client, relay->server, left);
    relay->passed += len;
    pthread_mutex_unlock(&relay->mutex);
    return len > 0;
}

static void *run(void *argument) {
    relay_t *relay = argument;
    while (pass_on(relay))
        ;
    (void)shutdown(relay->client, SHUT_RDWR);
    (void)shutdown(relay->server, SHUT_RDWR);
    return NULL;
}

relay_t *relay_new(int client, int server) {
    relay_t *relay = malloc(sizeof *relay);
    REQUIRE(relay != NULL);
    *relay = (relay_t){.client = client, .server = server, .most = SIZE_MAX};
    REQUIRE(pthread_mutex_init(&relay->mutex, NULL) == 0 && pipe(relay->wake) == 0);
    REQUIRE(pthread_create(&relay->thread, NULL, run, relay) == 0);
    return relay;
}

void relay_free(relay_t *relay) {
    close(relay->wake[1]);
    REQUIRE(pthread_join(relay->thread, NULL) == 0);
    pthread_mutex_destroy(&relay->mutex);
    close(relay->wake[0]);
    close(relay->client);
    close(relay->server);
    free(relay);
}

void relay_limit(relay_t *relay, size_t most) {
    pthread_mutex_lock(&relay->mutex);
    relay->most = most;
    pthread_mutex_unlock(&relay->mutex);
    REQUIRE(write(relay->wake[1], "", 1) == 1);
}

size_t relay_get_passed(relay_t *relay) {
    pthread_mutex_lock(&relay->mutex);
    size_t passed = relay->passed;
    pthread_mutex_unlock(&relay->mutex);
    return passed;
}

void relay_await(relay_t *relay, size_t passed) {
    while (relay_get_passed(relay) < passed)
        poll(NULL, 0, 1);
}

/* How much waits in a socket of this machine whose peer is ours. */
static unsigned count_unread(int fd) {
    struct sockaddr_in own, peer;
    socklen_t len = sizeof own;
    char line[256], ends[64];
    unsigned unread = 0;
    bool is_found = false;
    REQUIRE(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
    REQUIRE(getpeername(fd, (struct sockaddr *)&peer, &len) == 0);
    snprintf(ends, sizeof ends, " %08X:%04X %08X:%04X ", (unsigned)peer.sin_addr.s_addr,
             (unsigned)ntohs(peer.sin_port), (unsigned)own.sin_addr.s_addr,
             (unsigned)ntohs(own.sin_port));
    FILE *table = fopen("/proc/net/tcp", "r");
    REQUIRE(table != NULL);
    while (!is_found && fgets(line, sizeof line, table) != NULL) {
        const char *found = strstr(line, ends);
        is_found = found != NULL;
        if (is_found)
            REQUIRE(sscanf(found + strlen(ends), "%*x %*x:%x", &unread) == 1);
    }
    fclose(table);
    REQUIRE(is_found);
    return unread;
}

void relay_await_reader(relay_t *relay) {
    while (count_unread(relay->server) > 0)
        poll(NULL, 0, 1);
}
