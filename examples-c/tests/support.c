#include "support.h"

#include "check.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const uint8_t SHARED_KEY[32] = "the shared key of the C tests !!";
const uint8_t SHARED_IV[16] = "the shared IV !!";

static struct sockaddr_in loopback(uint16_t port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int make_listener(uint16_t *out_port) {
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(listener >= 0);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 16) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    *out_port = ntohs(address.sin_port);
    return listener;
}

int fill_queue(int listener, uint16_t port) {
    REQUIRE(listen(listener, 0) == 0);
    return connect_to(port);
}

int connect_to(uint16_t port) {
    return connect_from("127.0.0.1", port);
}

int connect_from(const char *ip, uint16_t port) {
    struct sockaddr_in address = loopback(port);
    struct sockaddr_in own = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    REQUIRE(fd >= 0);
    REQUIRE(inet_pton(AF_INET, ip, &own.sin_addr) == 1);
    REQUIRE(bind(fd, (struct sockaddr *)&own, sizeof own) == 0);
    REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return fd;
}

void connect_interface_to(anwdl_client_interface_t *interface, const char *host, uint16_t port) {
    anwdl_status_t status;
    while ((status = anwdl_client_interface_connect_server(interface, host, port)) ==
           ANWDL_WANT_READ)
        REQUIRE(wait_for(anwdl_client_interface_get_socket_descriptor(interface), POLLIN,
                         ANWDL_PATIENCE * 10000));
    REQUIRE(status == ANWDL_OK);
}

void make_tcp_pair(int ends[2]) {
    uint16_t port;
    int listener = make_listener(&port);
    ends[PEER_SIDE] = connect_to(port);
    ends[SERVER_SIDE] = accept(listener, NULL, NULL);
    REQUIRE(ends[SERVER_SIDE] >= 0);
    close(listener);
}

void make_unix_pair(int ends[2]) {
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

char *read_key(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pem", ANWDL_KEYS_DIR, name);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    char *text = calloc(1, 8192);
    REQUIRE(text != NULL);
    REQUIRE(fread(text, 1, 8191, file) > 0);
    fclose(file);
    return text;
}

anwdl_rsa_wrapper_t *make_rsa_wrapper(const char *key_name) {
    char *pem = read_key(key_name);
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_private_key(wrapper, pem, true) == ANWDL_OK);
    free(pem);
    return wrapper;
}

anwdl_aes_wrapper_t *make_aes_wrapper(anwdl_aes_mode_t mode) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    size_t iv_len = mode == ANWDL_AES_CBC ? sizeof SHARED_IV : 0;
    REQUIRE(anwdl_aes_wrapper_new(256, mode, &wrapper) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_set_key(wrapper, SHARED_KEY, sizeof SHARED_KEY,
                                      iv_len > 0 ? SHARED_IV : NULL, iv_len) == ANWDL_OK);
    return wrapper;
}

anwdl_client_options_t *make_shared_key_options(void) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_aes_wrapper(options, wrapper) == ANWDL_OK);
    anwdl_aes_wrapper_free(wrapper);
    return options;
}

anwdl_client_options_t *make_server_options(void) {
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    REQUIRE(options != NULL);
    REQUIRE(anwdl_client_options_set_rsa_wrapper(options, wrapper) == ANWDL_OK);
    anwdl_rsa_wrapper_free(wrapper);
    return options;
}

anwdl_client_options_t *make_late_options(void) {
    anwdl_client_options_t *options = make_server_options();
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    return options;
}

void move_pending(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes;
    size_t len;
    size_t taken = 0;
    REQUIRE(anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK);
    REQUIRE(anwdl_session_feed(to, bytes, len, &taken) == ANWDL_OK);
    REQUIRE(anwdl_session_sent(from, taken) == ANWDL_OK);
}

void run_together(anwdl_session_t *one, operation_t *ones, anwdl_session_t *other,
                  operation_t *others) {
    anwdl_status_t of_one = ANWDL_WANT_READ;
    anwdl_status_t of_other = ANWDL_WANT_READ;
    while (of_one != ANWDL_OK || of_other != ANWDL_OK) {
        if (of_one != ANWDL_OK)
            of_one = ones(one);
        if (of_other != ANWDL_OK)
            of_other = others(other);
        REQUIRE(of_one >= ANWDL_OK && of_other >= ANWDL_OK);
        move_pending(one, other);
        move_pending(other, one);
    }
}

static anwdl_status_t exchange_receiving(anwdl_session_t *session) {
    return anwdl_session_exchange_keys(session, true);
}

static anwdl_status_t exchange_sending(anwdl_session_t *session) {
    return anwdl_session_exchange_keys(session, false);
}

void exchange_keys_of(anwdl_session_t *server, anwdl_session_t *client) {
    run_together(client, exchange_sending, server, exchange_receiving);
}

size_t bytes_from_hex(const char *hex, uint8_t *out, size_t capacity) {
    size_t len = strlen(hex) / 2;
    REQUIRE(len <= capacity);
    for (size_t at = 0; at < len; at++) {
        unsigned byte;
        REQUIRE(sscanf(hex + 2 * at, "%2x", &byte) == 1);
        out[at] = (uint8_t)byte;
    }
    return len;
}

size_t count_names(const char *folder) {
    DIR *directory = opendir(folder);
    size_t count = 0;
    REQUIRE(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

size_t count_open_descriptors(void) {
    return count_names("/proc/self/fd");
}

size_t count_threads(void) {
    return count_names("/proc/self/task");
}

bool is_asleep(pid_t thread) {
    char path[64], text[256], state = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)thread);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    if (fgets(text, sizeof text, file) != NULL && strrchr(text, ')') != NULL)
        state = strrchr(text, ')')[2];
    fclose(file);
    return state == 'S';
}

bool raise_descriptor_limit(size_t needed) {
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    return limit.rlim_max >= needed && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

int64_t now_in_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool wait_for(int fd, short events, int milliseconds) {
    struct pollfd entry = {.fd = fd, .events = events};
    int count;
    do
        count = poll(&entry, 1, milliseconds);
    while (count < 0 && errno == EINTR);
    return count > 0;
}
