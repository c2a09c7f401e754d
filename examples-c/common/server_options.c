#define _GNU_SOURCE /* accept4 */
#include "server_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_OPTIONS = 24,
    /* Standard streams, the listener, and what a server with one loop has beside its clients. */
    OTHER_DESCRIPTORS = 64
};

/* -- the command line -------------------------------------------------------------------------- */

static void print_usage(const char *program, const number_option_t *numbers, size_t count) {
    fprintf(stderr,
            "usage: %s [OPTION VALUE]...\n"
            "  --private-key FILE.pem             instead of a new key pair\n",
            program);
    for (size_t at = 0; at < count; at++) {
        char name[40];
        snprintf(name, sizeof name, "--%s NUMBER", numbers[at].name);
        fprintf(stderr, "  %-34s %s (%zu)\n", name, numbers[at].description, *numbers[at].value);
    }
}

static bool parse_number(const char *text, size_t least, size_t most, size_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || number < least ||
        number > most)
        return false;
    *out = (size_t)number;
    return true;
}

/* Leaves one processor for everything else. */
static size_t count_workers(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 2 ? (size_t)processors - 1 : 1;
}

/* Reads the options; numbers are those with a number. */
static bool parse_options(int argc, char **argv, const number_option_t *numbers, size_t count,
                          const char **private_key_file) {
    struct option names[MOST_OPTIONS + 2] = {{"private-key", required_argument, NULL, 0}};
    int at;
    for (size_t number = 0; number < count; number++)
        names[number + 1] =
            (struct option){numbers[number].name, required_argument, NULL, (int)number + 1};
    while ((at = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (at == '?')
            return false;
        if (at == 0) {
            *private_key_file = optarg;
            continue;
        }
        const number_option_t *option = &numbers[at - 1];
        if (!parse_number(optarg, option->least, option->most, option->value)) {
            fprintf(stderr, "%s: not acceptable: %s\n", argv[0], optarg);
            return false;
        }
    }
    return optind == argc;
}

bool parse_server_options(int argc, char **argv, const number_option_t *own,
                          server_options_t *options) {
    const size_t most = 1000000;
    size_t port = 0;
    size_t timeout = 10000;
    size_t idle_timeout = 300 * 1000;
    size_t drain_timeout = 5000;
    *options = (server_options_t){.max_message_size = 16384,
                                  .limits = {.places = 1000,
                                             .places_per_address = 100,
                                             .exchanges_per_address = 32,
                                             .computations = 256,
                                             .computations_per_address = 8,
                                             .computations_at_once = count_workers()}};
    admission_limits_t *limits = &options->limits;
    /* Without a deadline, one peer that stops in the middle would keep its place for ever. */
    number_option_t numbers[MOST_OPTIONS] = {
        {"port", "0: any free port", 0, UINT16_MAX, &port},
        {"max-clients", "at a time", 1, most, &limits->places},
        {"max-clients-per-address", "of them", 1, most, &limits->places_per_address},
        {"max-exchanges-per-address", "of them, who exchange their keys", 1, most,
         &limits->exchanges_per_address},
        {"max-computations", "private key operations that wait or run", 1, most,
         &limits->computations},
        {"max-computations-per-address", "of them", 1, most, &limits->computations_per_address},
        {"workers", "private key operations at once", 1, 256, &limits->computations_at_once},
        {"max-message-size", "bytes of a request", 1, 99999999, &options->max_message_size},
        {"timeout", "milliseconds of a key exchange, request or response", 1, INT32_MAX, &timeout},
        {"idle-timeout", "milliseconds between two requests; 0: for ever", 0, INT32_MAX,
         &idle_timeout},
        {"drain-timeout", "milliseconds for what is under way at SIGTERM", 0, INT32_MAX,
         &drain_timeout}};
    size_t count = 0;
    while (numbers[count].name != NULL)
        count++;
    while (own != NULL && own->name != NULL && count < MOST_OPTIONS)
        numbers[count++] = *own++;
    if (!parse_options(argc, argv, numbers, count, &options->private_key_file)) {
        print_usage(argv[0], numbers, count);
        return false;
    }
    options->port = (uint16_t)port;
    options->timeout = (uint32_t)timeout;
    options->idle_timeout = (uint32_t)idle_timeout;
    options->drain_timeout = (uint32_t)drain_timeout;
    return true;
}

/* -- the key pair ------------------------------------------------------------------------------ */

/* Without a file, makes a new one. */
static anwdl_status_t set_key_pair(anwdl_client_options_t *client_options, const char *path) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    anwdl_status_t status = anwdl_rsa_wrapper_new(path == NULL, &wrapper);
    if (status == ANWDL_OK && path != NULL)
        status = anwdl_rsa_wrapper_load(wrapper, path);
    if (status == ANWDL_OK)
        status = anwdl_client_options_set_rsa_wrapper(client_options, wrapper);
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

anwdl_client_options_t *make_client_options(const server_options_t *options) {
    anwdl_client_options_t *client_options = anwdl_client_options_new();
    bool done =
        client_options != NULL &&
        set_key_pair(client_options, options->private_key_file) == ANWDL_OK &&
        anwdl_client_options_set_separate_computation(client_options, true) == ANWDL_OK &&
        anwdl_client_options_set_timeout(client_options, options->timeout) == ANWDL_OK &&
        anwdl_client_options_set_idle_timeout(client_options, options->idle_timeout) == ANWDL_OK &&
        anwdl_client_options_set_max_message_size(client_options, options->max_message_size) ==
            ANWDL_OK;
    if (done)
        return client_options;
    fprintf(stderr, "no options for clients: %s\n", anwdl_last_error_message());
    anwdl_client_options_free(client_options);
    return NULL;
}

/* -- the listening socket ---------------------------------------------------------------------- */

bool raise_descriptor_limit(const server_options_t *options, size_t others) {
    struct rlimit limit;
    rlim_t needed = (rlim_t)options->limits.places + MOST_LEAVING + OTHER_DESCRIPTORS + others;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        perror("the limit of open descriptors");
        return false;
    }
    if (limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fprintf(stderr, "%zu clients need %llu open descriptors, of which %llu are allowed\n",
                options->limits.places, (unsigned long long)needed,
                (unsigned long long)limit.rlim_max);
        return false;
    }
    return true;
}

int open_listener(uint16_t *port) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    int on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(*port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* Non-blocking: a client may be gone again before it is accepted. */
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, SOMAXCONN) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &len) == 0) {
        *port = ntohs(address.sin_port);
        return listener;
    }
    perror("cannot listen");
    if (listener >= 0)
        close(listener);
    return -1;
}

/* -- accepting --------------------------------------------------------------------------------- */

int open_signals(void) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    int signals = -1;
    errno = pthread_sigmask(SIG_BLOCK, &both, NULL);
    if (errno == 0)
        signals = signalfd(-1, &both, SFD_CLOEXEC);
    if (signals < 0)
        perror("cannot wait for signals");
    return signals;
}

/* A failure of one client does not concern the server. If the system lacks something, it may have
   it again a little later; until then the listener would stay readable. */
static int get_pause_after(int error) {
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return 100; /* milliseconds */
    default:
        return 0;
    }
}

int accept_now(int listener, struct sockaddr_storage *peer, int *pause) {
    socklen_t len = sizeof *peer;
    int fd = accept4(listener, (struct sockaddr *)peer, &len, SOCK_CLOEXEC);
    *pause = fd < 0 ? get_pause_after(errno) : 0;
    if (*pause > 0)
        perror("cannot accept");
    return fd;
}

static int read_signal(int signals) {
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : SIGINT;
}

int accept_client(int listener, int signals, struct sockaddr_storage *peer, int *signal_number) {
    int pause = 0;
    for (;;) {
        struct pollfd entries[] = {{.fd = signals, .events = POLLIN},
                                   {.fd = pause > 0 ? -1 : listener, .events = POLLIN}};
        int fd = -1;
        int count = poll(entries, 2, pause > 0 ? pause : -1);
        if (count > 0 && entries[0].revents != 0) {
            *signal_number = read_signal(signals);
            return -1;
        }
        pause = 0;
        if (count > 0 && entries[1].revents != 0)
            fd = accept_now(listener, peer, &pause);
        if (fd >= 0)
            return fd;
    }
}

int read_signal_now(int signals) {
    struct pollfd entry = {.fd = signals, .events = POLLIN};
    return poll(&entry, 1, 0) > 0 ? read_signal(signals) : 0;
}

bool limit_unsent(int fd) {
    int bytes = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes) == 0;
}

int64_t get_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- lines ------------------------------------------------------------------------------------- */

void print_event(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flockfile(stdout);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
    va_end(arguments);
}

static const char *get_framing_name(anwdl_protocol_t framing) {
    switch (framing) {
    case ANWDL_PROTOCOL_V2:
        return "v2";
    case ANWDL_PROTOCOL_V3:
        return "v3";
    case ANWDL_PROTOCOL_V4:
        return "v4";
    case ANWDL_PROTOCOL_GCM:
        return "gcm";
    default:
        return "unknown";
    }
}

void print_listening(uint16_t port) {
    print_event("listening on 127.0.0.1:%u", port);
}

void print_connected(uint64_t client, const char *ip) {
    print_event("client %llu: connected from %s", (unsigned long long)client, ip);
}

void print_refused(uint64_t client, const char *why) {
    print_event("client %llu: refused: %s", (unsigned long long)client, why);
}

void print_keys_exchanged(uint64_t client) {
    print_event("client %llu: keys exchanged", (unsigned long long)client);
}

void print_request(uint64_t client, anwdl_protocol_t framing, const char *verb) {
    print_event("client %llu: %s: %s", (unsigned long long)client, get_framing_name(framing), verb);
}

void print_malformed_request(uint64_t client, anwdl_protocol_t framing, const char *errors) {
    print_event("client %llu: %s: malformed request: %s", (unsigned long long)client,
                get_framing_name(framing), errors);
}

void print_closed(uint64_t client, const char *why) {
    print_event("client %llu: closed: %s", (unsigned long long)client, why);
}

void print_closed_by_last_error(uint64_t client) {
    print_event("client %llu: closed: %s: %s", (unsigned long long)client,
                anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
}
