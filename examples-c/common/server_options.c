#define _GNU_SOURCE /* accept4, explicit_bzero */
#include "server_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
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
#include <unistd.h>

enum {
    MAX_PEM_SIZE = 16384,
    MAX_OWN_OPTIONS = 8,
    FIRST_OWN_OPTION = 256,
    /* Standard streams, the listener, and what a loop has beside its clients. */
    OTHER_DESCRIPTORS = 64
};

/* -- the command line -------------------------------------------------------------------------- */

static void print_usage(const char *program, const number_option_t *own) {
    fprintf(stderr,
            "usage: %s [OPTION VALUE]...\n"
            "  --port NUMBER                0 (the default): any free port\n"
            "  --private-key FILE.pem       instead of a new key pair\n"
            "  --max-clients NUMBER         clients at a time; those beyond are closed (1000)\n"
            "  --timeout MILLISECONDS       for each key exchange, and for each request and\n"
            "                               response from its first byte on (10000)\n"
            "  --idle-timeout MILLISECONDS  how long a client may wait between two requests;\n"
            "                               0: for ever (300000)\n",
            program);
    for (; own != NULL && own->name != NULL; own++) {
        char name[32];
        snprintf(name, sizeof name, "--%s NUMBER", own->name);
        fprintf(stderr, "  %-28s %s (%zu)\n", name, own->description, *own->value);
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

static bool set_option(server_options_t *options, int name, const char *value) {
    size_t number = 0;
    switch (name) {
    case 'k':
        options->private_key_file = value;
        return true;
    case 'p':
        if (!parse_number(value, 0, UINT16_MAX, &number))
            return false;
        options->port = (uint16_t)number;
        return true;
    case 'm':
        return parse_number(value, 1, 1000000, &options->max_clients);
    case 't':
        /* Without a deadline, one peer that stops in the middle would keep its place for ever. */
        if (!parse_number(value, 1, INT32_MAX, &number))
            return false;
        options->timeout = (uint32_t)number;
        return true;
    default:
        if (!parse_number(value, 0, INT32_MAX, &number))
            return false;
        options->idle_timeout = (uint32_t)number;
        return true;
    }
}

bool parse_server_options(int argc, char **argv, const number_option_t *own,
                          server_options_t *options) {
    struct option names[5 + MAX_OWN_OPTIONS + 1] = {{"port", required_argument, NULL, 'p'},
                                                    {"private-key", required_argument, NULL, 'k'},
                                                    {"max-clients", required_argument, NULL, 'm'},
                                                    {"timeout", required_argument, NULL, 't'},
                                                    {"idle-timeout", required_argument, NULL, 'i'}};
    for (int at = 0; own != NULL && own[at].name != NULL && at < MAX_OWN_OPTIONS; at++)
        names[5 + at] =
            (struct option){own[at].name, required_argument, NULL, FIRST_OWN_OPTION + at};
    *options =
        (server_options_t){.max_clients = 1000, .timeout = 10000, .idle_timeout = 300 * 1000};
    bool acceptable = true;
    int name;
    while (acceptable && (name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == '?') {
            acceptable = false;
        } else if (name >= FIRST_OWN_OPTION) {
            const number_option_t *option = &own[name - FIRST_OWN_OPTION];
            acceptable = parse_number(optarg, option->least, option->most, option->value);
        } else {
            acceptable = set_option(options, name, optarg);
        }
        if (!acceptable && name != '?')
            fprintf(stderr, "%s: not acceptable: %s\n", argv[0], optarg);
    }
    acceptable = acceptable && optind == argc;
    if (!acceptable)
        print_usage(argv[0], own);
    return acceptable;
}

/* -- the key pair ------------------------------------------------------------------------------ */

static bool read_private_key(const char *path, char pem[MAX_PEM_SIZE + 1]) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return false;
    }
    setvbuf(file, NULL, _IONBF, 0); /* so that the only copy is the one that is wiped */
    pem[fread(pem, 1, MAX_PEM_SIZE, file)] = '\0';
    bool is_read = ferror(file) == 0;
    if (!is_read)
        perror(path);
    fclose(file);
    return is_read;
}

/* Without a private key, makes a new one. */
static anwdl_status_t set_key_pair(anwdl_client_options_t *client_options, const char *pem) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    anwdl_status_t status = anwdl_rsa_wrapper_new(pem == NULL, &wrapper);
    if (status == ANWDL_OK && pem != NULL)
        status = anwdl_rsa_wrapper_set_private_key(wrapper, pem, true);
    if (status == ANWDL_OK)
        status = anwdl_client_options_set_rsa_wrapper(client_options, wrapper);
    anwdl_rsa_wrapper_free(wrapper);
    return status;
}

anwdl_client_options_t *make_client_options(const server_options_t *options) {
    char pem[MAX_PEM_SIZE + 1];
    bool from_file = options->private_key_file != NULL;
    if (from_file && !read_private_key(options->private_key_file, pem))
        return NULL;
    anwdl_client_options_t *client_options = anwdl_client_options_new();
    bool done = client_options != NULL &&
                set_key_pair(client_options, from_file ? pem : NULL) == ANWDL_OK &&
                anwdl_client_options_set_timeout(client_options, options->timeout) == ANWDL_OK;
    explicit_bzero(pem, sizeof pem);
    if (done)
        return client_options;
    fprintf(stderr, "no options for clients: %s\n", anwdl_last_error_message());
    anwdl_client_options_free(client_options);
    return NULL;
}

/* -- the listening socket ---------------------------------------------------------------------- */

bool raise_descriptor_limit(const server_options_t *options) {
    struct rlimit limit;
    rlim_t needed = (rlim_t)options->max_clients + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        perror("the limit of open descriptors");
        return false;
    }
    if (limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fprintf(stderr, "%zu clients need %llu open descriptors, of which %llu are allowed\n",
                options->max_clients, (unsigned long long)needed,
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

/* What fails of one client is no failure of the server. What the system has run out of may be there
   again a little later, and in the meantime the listener would stay ready. */
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

int accept_client(int listener, int signals) {
    int pause = 0;
    for (;;) {
        struct pollfd entries[] = {{.fd = signals, .events = POLLIN},
                                   {.fd = pause > 0 ? -1 : listener, .events = POLLIN}};
        int count = poll(entries, 2, pause > 0 ? pause : -1);
        if (count > 0 && entries[0].revents != 0)
            return -1;
        pause = 0;
        if (count <= 0 || entries[1].revents == 0)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        pause = get_pause_after(errno);
        if (pause > 0)
            perror("cannot accept");
    }
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

void print_refused(uint64_t client) {
    print_event("client %llu: refused: too many clients", (unsigned long long)client);
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
