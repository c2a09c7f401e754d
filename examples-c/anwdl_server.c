/* A server with every option of the library on its command line. It serves one client after
   another, prints a line for each event, and ends on SIGINT at once, or on SIGTERM after it has
   answered the current request.

   While it serves one client, the others have to wait. It limits how long: each exchange, request
   and response has a timeout; while others wait, a session has a time limit and must not pause; and
   addresses take turns. For a server on the internet, start from one of the servers for many
   clients. */
#define _GNU_SOURCE /* ppoll */
#include "admission.h"
#include "answers.h"
#include "server_options.h"

#include <anwdl.h>

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_MESSAGE_SIZE = 16384, /* bytes of a request, unless the command line says otherwise */
    TIMEOUT = 10000,          /* milliseconds, as all below; the same */
    TURN = 10000,             /* of a session, while others wait */
    SHORT_REST = 1000,        /* between two requests, while others wait */
    LONGEST_REST = 300000,    /* while nobody waits */
    LONGEST_WAIT = 60000,     /* of one that is not served yet */
    MOST_WAITING = 256,
    MOST_WAITING_OF_ADDRESS = 32
};

static const char USAGE[] =
    "usage: anwdl_server [--port NUMBER]              0 (the default): any free port\n"
    "                    [--receive-first yes|no]     who begins the key exchange; yes: the client\n"
    "                    [--max-message-size BYTES]   the longest request\n"
    "                    [--timeout MILLISECONDS]     for each exchange, request and response\n"
    "                    [--turn MILLISECONDS]        of a client, while others wait\n"
    "                    [--private-key FILE.pem]     instead of a new key pair\n"
    "                    [--key-file FILE.pem]        the same; made there if there is none yet\n"
    "                    [--protocol auto|v2|v3|v4|gcm]\n"
    "                    [--proxy-protocol]           connections begin with a PROXY header\n"
    "                    [--key-echo]                 send AES keys back as they came (unsafe)\n";

typedef struct {
    uint16_t port;
    bool receive_first;
    const char *private_key_file;
    bool make_private_key_file; /* if it does not exist */
    bool has_proxy;             /* then all addresses are the proxy's */
    uint32_t turn;
    anwdl_client_options_t *options;
} settings_t;

/* A client that has connected. */
typedef struct {
    place_t place;
    int fd;
} visitor_t;

typedef struct {
    const settings_t *settings;
    int listener;
    admission_t *admission; /* its computations are the sessions, one at a time */
    size_t visitors;        /* with a place, including the one being served */
} server_t;

typedef struct {
    const char *name;
    anwdl_protocol_t protocol;
} protocol_name_t;

static const protocol_name_t PROTOCOLS[] = {{"auto", ANWDL_PROTOCOL_AUTO},
                                            {"v2", ANWDL_PROTOCOL_V2},
                                            {"v3", ANWDL_PROTOCOL_V3},
                                            {"v4", ANWDL_PROTOCOL_V4},
                                            {"gcm", ANWDL_PROTOCOL_GCM}};
enum { PROTOCOL_COUNT = sizeof PROTOCOLS / sizeof PROTOCOLS[0] };

/* -- events ------------------------------------------------------------------------------------ */

static void print_failure(const char *who, const char *what) {
    print_event("client %s: %s: %s: %s", who, what,
                anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
}

static const char *get_protocol_name(anwdl_protocol_t protocol) {
    for (size_t at = 0; at < PROTOCOL_COUNT; at++)
        if (PROTOCOLS[at].protocol == protocol)
            return PROTOCOLS[at].name;
    return "unknown";
}

/* -- ending on a signal ------------------------------------------------------------------------ */

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t session_fd = -1;
static volatile sig_atomic_t is_busy; /* with a request, which SIGTERM does not interrupt */

/* The library waits on through signals, as it should; what ends its wait is the end of the
 * connection. */
static void stop(int signal_number) {
    int saved_errno = errno;
    stopped = 1;
    if (session_fd != -1 && (signal_number != SIGTERM || !is_busy))
        shutdown(session_fd, SHUT_RDWR);
    errno = saved_errno;
}

/* The signals are blocked except in the two calls that wait, so none is lost in between. */
static void catch_signals(sigset_t *while_waiting) {
    struct sigaction action;
    sigset_t both;
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, while_waiting);
    sigdelset(while_waiting, SIGINT);
    sigdelset(while_waiting, SIGTERM);
}

/* -- sessions ---------------------------------------------------------------------------------- */

static anwdl_status_t send_answer(anwdl_client_t *client, answer_t answer) {
    anwdl_status_t status = anwdl_client_send_response_data(client, answer.success, answer.message,
                                                            answer.data, answer.reason);
    free_answer(&answer);
    return status;
}

/* The exact text, unlike data that the library puts together. */
static anwdl_status_t answer_echo(anwdl_client_t *client, const anwdl_request_t *request) {
    const char *parameters = anwdl_request_get_parameters_json(request);
    size_t size = (parameters == NULL ? 0 : strlen(parameters)) + sizeof "{\"echo\": }";
    char *data = parameters == NULL ? NULL : malloc(size);
    if (data == NULL) /* out of memory, here or in the library */
        return anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_INTERNAL_ERROR, NULL,
                                          NULL);
    snprintf(data, size, "{\"echo\": %s}", parameters);
    anwdl_status_t status =
        anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, data, NULL);
    free(data);
    return status;
}

/* Receives and answers one request; a malformed one is answered too. */
static anwdl_status_t serve_request(anwdl_client_t *client) {
    const char *id = anwdl_client_get_id(client);
    const char *framing;
    anwdl_request_t *request = NULL;
    anwdl_status_t status = anwdl_client_recv_request(client, false, &request);
    if (status == ANWDL_VALUE_ERROR &&
        anwdl_last_error_reason() == ANWDL_REASON_MALFORMED_REQUEST) {
        framing = get_protocol_name(anwdl_client_get_protocol(client));
        print_event("client %s (%s): malformed request: %s", id, framing,
                    anwdl_client_get_request_errors(client));
        status = send_answer(client, make_answer_to_malformed_request());
    } else if (status == ANWDL_OK) {
        framing = get_protocol_name(anwdl_client_get_protocol(client));
        bool is_echo = strcmp(anwdl_request_get_verb(request), "ECHO") == 0;
        status = is_echo ? answer_echo(client, request) : send_answer(client, make_answer(request));
        if (status == ANWDL_OK)
            print_event("client %s (%s): answered %s", id, framing,
                        anwdl_request_get_verb(request));
    }
    anwdl_request_free(request);
    return status;
}

/* Applies only while others wait. */
static bool is_turn_over(const server_t *server, int64_t end_of_turn) {
    struct pollfd entry = {.fd = server->listener, .events = POLLIN};
    return get_time() >= end_of_turn && (server->visitors > 1 || poll(&entry, 1, 0) > 0);
}

/* Returns false if the client pauses while others wait, or pauses too long. */
static bool wait_for_request(const server_t *server, int fd) {
    struct pollfd entries[] = {{.fd = fd, .events = POLLIN},
                               {.fd = server->listener, .events = POLLIN}};
    int count;
    do
        count = poll(entries, 1, SHORT_REST);
    while (count < 0 && errno == EINTR);
    while (count == 0 && server->visitors == 1) {
        count = poll(entries, 2, LONGEST_REST);
        if (count == 0 || (count < 0 && errno != EINTR))
            break;
        if (count < 0)
            count = 0;
    }
    return count > 0 && entries[0].revents != 0;
}

static void serve_client(server_t *server, int fd) {
    anwdl_client_t *client = NULL;
    int64_t end_of_turn = get_time() + server->settings->turn;
    anwdl_status_t status = anwdl_client_new(fd, server->settings->options, &client);
    if (status != ANWDL_OK) {
        print_failure("unknown", "not served");
        close(fd);
        return;
    }
    if (!server->settings->receive_first)
        status = anwdl_client_exchange_keys(client, false);
    /* Behind a proxy, the address is unknown until now. */
    print_event("client %s: connected from %s", anwdl_client_get_id(client),
                anwdl_client_get_ip(client));
    bool is_over = false;
    for (bool is_first = true; status == ANWDL_OK && !stopped && !is_over; is_first = false) {
        is_over = (!is_first && is_turn_over(server, end_of_turn)) || !wait_for_request(server, fd);
        is_busy = !is_over;
        if (!is_over)
            status = serve_request(client);
        is_busy = false;
    }
    if (status != ANWDL_OK)
        print_failure(anwdl_client_get_id(client), "session ended");
    else if (is_over)
        print_event("client %s: its time is over", anwdl_client_get_id(client));
    anwdl_client_free(client);
}

/* Takes ownership of the descriptor. */
static void let_wait(server_t *server, int fd, const struct sockaddr_storage *peer) {
    const char *why = "no memory";
    visitor_t *visitor = calloc(1, sizeof *visitor);
    if (visitor != NULL) {
        visitor->fd = fd;
        visitor->place.owner = visitor;
        why = admission_enter(server->admission, &visitor->place, (const struct sockaddr *)peer);
    }
    if (why == NULL && (!limit_unsent(fd) || !admission_queue(server->admission, &visitor->place,
                                                              get_time() + LONGEST_WAIT))) {
        admission_leave(server->admission, &visitor->place);
        why = "it cannot wait";
    }
    if (why == NULL) {
        server->visitors++;
        return;
    }
    print_event("client unknown: refused: %s", why);
    free(visitor);
    close(fd);
}

/* Accepts some clients. Returns false if there are no more. *pause is for how many milliseconds no
 * more can be accepted. */
static bool accept_clients(server_t *server, int *pause) {
    for (int count = 0; count < ACCEPTED_AT_ONCE; count++) {
        struct sockaddr_storage peer;
        int fd = accept_now(server->listener, &peer, pause);
        if (fd < 0)
            return false;
        let_wait(server, fd, &peer);
    }
    return true;
}

static void forget(server_t *server, visitor_t *visitor) {
    admission_leave(server->admission, &visitor->place);
    server->visitors--;
    free(visitor);
}

/* Returns the next client; NULL if none waits, or one is being served. Disconnects those that must
 * not be served. */
static visitor_t *take_next(server_t *server) {
    const char *why_not = NULL;
    place_t *place;
    while ((place = admission_take(server->admission, get_time(), &why_not)) != NULL) {
        visitor_t *visitor = place->owner;
        if (why_not == NULL && !stopped)
            return visitor;
        print_event("client unknown: not served: %s", stopped ? "stopping" : why_not);
        close(visitor->fd);
        forget(server, visitor);
    }
    return NULL;
}

/* Accepts clients first, then returns the next one. A flood never ends, so it accepts a limited
 * number. */
static visitor_t *find_next(server_t *server, int *pause) {
    visitor_t *next = NULL;
    bool are_more = true;
    for (int count = 0; are_more && count < SOMAXCONN; count += ACCEPTED_AT_ONCE) {
        are_more = accept_clients(server, pause);
        visitor_t *visitor = take_next(server);
        if (visitor != NULL)
            next = visitor;
    }
    return next;
}

/* Serves until a signal comes. */
static void serve(server_t *server, const sigset_t *while_waiting) {
    struct pollfd entry = {.fd = server->listener, .events = POLLIN};
    sigset_t while_working;
    int pause = 0; /* milliseconds without accepting */
    while (!stopped) {
        struct timespec time = {.tv_nsec = pause * 1000000L};
        if (server->visitors == 0)
            (void)ppoll(&entry, pause > 0 ? 0 : 1, pause > 0 ? &time : NULL, while_waiting);
        visitor_t *visitor = find_next(server, &pause);
        if (visitor != NULL) {
            session_fd = visitor->fd;
            sigprocmask(SIG_SETMASK, while_waiting, &while_working);
            serve_client(server, visitor->fd);
            sigprocmask(SIG_SETMASK, &while_working, NULL);
            session_fd = -1;
            forget(server, visitor);
        }
    }
    (void)take_next(server); /* disconnects all that wait */
}

/* -- start and end ----------------------------------------------------------------------------- */

static bool parse_number(const char *text, unsigned long long limit, unsigned long long *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *out <= limit;
}

static anwdl_status_t set_option(settings_t *settings, int name, const char *value) {
    unsigned long long number;
    switch (name) {
    case 'p':
        if (!parse_number(value, UINT16_MAX, &number))
            return ANWDL_VALUE_ERROR;
        settings->port = (uint16_t)number;
        return ANWDL_OK;
    case 'r':
        settings->receive_first = strcmp(value, "no") != 0;
        if (settings->receive_first && strcmp(value, "yes") != 0)
            return ANWDL_VALUE_ERROR;
        return anwdl_client_options_set_exchange_keys(settings->options, settings->receive_first);
    case 'm':
        if (!parse_number(value, SIZE_MAX, &number))
            return ANWDL_VALUE_ERROR;
        return anwdl_client_options_set_max_message_size(settings->options, (size_t)number);
    case 't':
        if (!parse_number(value, UINT32_MAX, &number))
            return ANWDL_VALUE_ERROR;
        return anwdl_client_options_set_timeout(settings->options, (uint32_t)number);
    case 'T':
        if (!parse_number(value, INT32_MAX, &number))
            return ANWDL_VALUE_ERROR;
        settings->turn = (uint32_t)number;
        return ANWDL_OK;
    case 'k':
    case 'K':
        settings->private_key_file = value;
        settings->make_private_key_file = name == 'K';
        return ANWDL_OK;
    case 'E':
        return anwdl_client_options_set_key_echo(settings->options, true);
    case 'P':
        settings->has_proxy = true;
        return anwdl_client_options_set_proxy_protocol(settings->options,
                                                       ANWDL_PROXY_PROTOCOL_REQUIRED);
    case 'f':
        for (size_t at = 0; at < PROTOCOL_COUNT; at++)
            if (strcmp(value, PROTOCOLS[at].name) == 0)
                return anwdl_client_options_set_protocol(settings->options, PROTOCOLS[at].protocol);
        return ANWDL_VALUE_ERROR;
    default:
        return ANWDL_VALUE_ERROR;
    }
}

static bool parse_arguments(int argc, char **argv, settings_t *settings) {
    static const struct option names[] = {{"port", required_argument, NULL, 'p'},
                                          {"receive-first", required_argument, NULL, 'r'},
                                          {"max-message-size", required_argument, NULL, 'm'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"turn", required_argument, NULL, 'T'},
                                          {"private-key", required_argument, NULL, 'k'},
                                          {"key-file", required_argument, NULL, 'K'},
                                          {"protocol", required_argument, NULL, 'f'},
                                          {"proxy-protocol", no_argument, NULL, 'P'},
                                          {"key-echo", no_argument, NULL, 'E'},
                                          {NULL, 0, NULL, 0}};
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (set_option(settings, name, optarg) != ANWDL_OK) {
            if (name != '?')
                fprintf(stderr, "anwdl_server: not acceptable: %s\n",
                        optarg != NULL ? optarg : anwdl_last_error_message());
            return false;
        }
    }
    return optind == argc;
}

static bool load_private_key(const settings_t *settings, anwdl_rsa_wrapper_t *wrapper) {
    const char *path = settings->private_key_file;
    anwdl_status_t status = anwdl_rsa_wrapper_load(wrapper, path);
    if (status == ANWDL_OK && anwdl_last_error_reason() == ANWDL_REASON_KEY_FILE_EXPOSED)
        fprintf(stderr, "anwdl_server: warning: %s\n", anwdl_last_error_message());
    if (status != ANWDL_OK && settings->make_private_key_file &&
        anwdl_last_error_errno() == ENOENT) {
        status = anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 4096);
        if (status == ANWDL_OK)
            status = anwdl_rsa_wrapper_save(wrapper, path);
    }
    if (status != ANWDL_OK)
        fprintf(stderr, "anwdl_server: %s\n", anwdl_last_error_message());
    return status == ANWDL_OK;
}

/* The key pair is there before the first client is, so that no client has to wait until one is
 * made. */
static bool set_key_pair(const settings_t *settings) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    bool from_file = settings->private_key_file != NULL;
    bool done = anwdl_rsa_wrapper_new(!from_file, &wrapper) == ANWDL_OK &&
                (!from_file || load_private_key(settings, wrapper)) &&
                anwdl_client_options_set_rsa_wrapper(settings->options, wrapper) == ANWDL_OK;
    anwdl_rsa_wrapper_free(wrapper);
    return done;
}

/* No place gives way here: all wait for their turn, not for their peers. */
static void give_way(place_t *place) {
    (void)place;
}

static admission_t *make_admission(const settings_t *settings) {
    size_t of_address = settings->has_proxy ? MOST_WAITING : MOST_WAITING_OF_ADDRESS;
    /* In the queue, a client gives way only to one that has a place. */
    admission_limits_t limits = {.places = MOST_WAITING + ACCEPTED_AT_ONCE,
                                 .places_per_address = of_address,
                                 .exchanges_per_address = of_address,
                                 .computations = MOST_WAITING,
                                 .computations_per_address = of_address,
                                 .computations_at_once = 1};
    return admission_new(&limits, give_way);
}

static int run(settings_t *settings) {
    server_t server = {.settings = settings, .listener = -1};
    sigset_t while_waiting;
    if (!set_key_pair(settings)) {
        fprintf(stderr, "anwdl_server: no key pair: %s\n", anwdl_last_error_message());
        return EXIT_FAILURE;
    }
    server.admission = make_admission(settings);
    if (server.admission != NULL)
        server.listener = open_listener(&settings->port);
    if (server.listener >= 0) {
        catch_signals(&while_waiting);
        print_event("listening on 127.0.0.1:%u", settings->port);
        start_uptime();
        serve(&server, &while_waiting);
        close(server.listener);
        print_event("stopped");
    }
    admission_free(server.admission);
    return server.listener >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    settings_t settings = {
        .receive_first = true, .turn = TURN, .options = anwdl_client_options_new()};
    int exit_status = EXIT_FAILURE;
    if (settings.options == NULL ||
        anwdl_client_options_set_timeout(settings.options, TIMEOUT) != ANWDL_OK ||
        anwdl_client_options_set_max_message_size(settings.options, MAX_MESSAGE_SIZE) != ANWDL_OK)
        fprintf(stderr, "anwdl_server: %s\n", anwdl_last_error_message());
    else if (!parse_arguments(argc, argv, &settings))
        fputs(USAGE, stderr);
    else
        exit_status = run(&settings);
    anwdl_client_options_free(settings.options);
    return exit_status;
}
