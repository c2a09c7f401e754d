/* A whole server under load from many connections. Starts the server, with a port added to its
   command line, and measures one after the other:

   - key exchanges and requests, as many at once as there are connections, per second of the
     processor that the server uses. Both sides stay on one processor, so that the server always
     finds all that has come in the meantime;
   - how long a request takes, at a steady rate on those connections: with nothing else, and while
     other clients exchange keys at 80 % of what one processor can do. The server stays on one
     processor, and its clients on another one.

   --kind bare takes a server that exchanges no keys and prints only its requests. */
#include "bench.h"
#include "links.h"
#include "storm.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CLIENT_PROCESSOR = 1,
    MOST_ARGUMENTS = 32,
    EVENTS_AT_ONCE = 256,
    EXCHANGES_AT_ONCE = 16,
    PATIENCE = 10000, /* milliseconds until the server listens */
    MOST_SAMPLES = 1 << 20,
};

static const int64_t SECOND = 1000000000;
static const int64_t MILLISECOND = 1000000;
static const double STORM = 0.8;        /* of what the server can do */
static const double HONEST_LOAD = 0.05; /* the same */

typedef struct {
    const char *protocol;
    const char *kind;
    const char *server;
    long connections;
    long milliseconds; /* of each measurement; a storm takes twice as long */
    long rate;         /* honest requests in a second, unless that is too much for the server */
} settings_t;

typedef struct {
    settings_t settings;
    linking_t linking;
    uint16_t port;
    pid_t server;
    clockid_t server_clock;
    link_t *links;
    int epoll_fd;
} load_t;

/* -- the server -------------------------------------------------------------------------------- */

static uint16_t find_free_port(void) {
    uint16_t port;
    close(make_listener(&port));
    return port;
}

static _Noreturn void become_server(const char *command, uint16_t port) {
    char number[8];
    char *words = strdup(command);
    char *arguments[MOST_ARGUMENTS + 3] = {NULL};
    size_t count = 0;
    MUST(words != NULL);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        MUST(count < MOST_ARGUMENTS);
        arguments[count++] = word;
    }
    snprintf(number, sizeof number, "%u", port);
    arguments[count++] = "--port";
    arguments[count++] = number;
    int nowhere = open("/dev/null", O_WRONLY);
    MUST(nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0);
    stay_on_processor(SESSION_PROCESSOR);
    /* It ends with this program, however that ends. */
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    execvp(arguments[0], arguments);
    bench_fail(EXIT_FAILURE, "cannot run %s: %s", arguments[0], strerror(errno));
}

static bool is_listening(uint16_t port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(fd >= 0);
    bool listens = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return listens;
}

static void start_server(load_t *load) {
    int64_t deadline = wall_clock() + PATIENCE * MILLISECOND;
    load->port = find_free_port();
    load->server = fork();
    MUST(load->server >= 0);
    if (load->server == 0)
        become_server(load->settings.server, load->port);
    MUST(clock_getcpuclockid(load->server, &load->server_clock) == 0);
    while (!is_listening(load->port)) {
        const struct timespec pause = {0, 5 * MILLISECOND};
        MUST(wall_clock() < deadline && waitpid(load->server, NULL, WNOHANG) == 0);
        nanosleep(&pause, NULL);
    }
}

static void stop_server(const load_t *load) {
    MUST(kill(load->server, SIGKILL) == 0);
    MUST(waitpid(load->server, NULL, 0) == load->server);
}

/* What all of its threads have used. */
static int64_t server_cpu(const load_t *load) {
    struct timespec used;
    MUST(clock_gettime(load->server_clock, &used) == 0);
    return (int64_t)used.tv_sec * SECOND + used.tv_nsec;
}

static double per_second(int64_t count, int64_t nanoseconds) {
    return (double)count * (double)SECOND / (double)nanoseconds;
}

/* -- as much as it can ------------------------------------------------------------------------- */

static double measure_exchanges(const load_t *load, const storm_t *storm) {
    stay_on_processor(SESSION_PROCESSOR);
    storm_at_once(storm, EXCHANGES_AT_ONCE, load->settings.milliseconds * MILLISECOND / 4);
    int64_t cpu = server_cpu(load);
    storm_count_t count =
        storm_at_once(storm, EXCHANGES_AT_ONCE, load->settings.milliseconds * MILLISECOND);
    cpu = server_cpu(load) - cpu;
    MUST(count.failed == 0);
    return per_second(count.done, cpu);
}

static void open_links(load_t *load) {
    size_t count = (size_t)load->settings.connections;
    load->links = calloc(count, sizeof *load->links);
    load->epoll_fd = epoll_create1(0);
    MUST(load->links != NULL && load->epoll_fd >= 0);
    for (size_t at = 0; at < count; at++) {
        link_t *link = &load->links[at];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
        link_open(link, &load->linking, load->port);
        MUST(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) == 0);
    }
}

static void close_links(load_t *load) {
    for (long at = 0; at < load->settings.connections; at++)
        link_close(&load->links[at]);
    close(load->epoll_fd);
    free(load->links);
}

/* Answers that have come, or come soon: each is the end of a turn, after which the link asks again
   if it is to. */
static int64_t hear_all(const load_t *load, bool asks_again) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t ended = 0;
    int count = epoll_wait(load->epoll_fd, events, EVENTS_AT_ONCE, -1);
    MUST(count >= 0);
    for (int at = 0; at < count; at++) {
        link_t *link = events[at].data.ptr;
        if (!link_hear(link))
            continue;
        ended++;
        if (asks_again)
            link_ask(link);
    }
    return ended;
}

static int64_t ask_until(const load_t *load, int64_t end) {
    int64_t count = 0;
    while (wall_clock() < end)
        count += hear_all(load, true);
    return count;
}

static double measure_requests(const load_t *load) {
    int64_t duration = load->settings.milliseconds * MILLISECOND;
    int64_t open = load->settings.connections;
    stay_on_processor(SESSION_PROCESSOR);
    for (long at = 0; at < load->settings.connections; at++)
        link_ask(&load->links[at]);
    ask_until(load, wall_clock() + duration / 4);
    int64_t cpu = server_cpu(load);
    int64_t count = ask_until(load, wall_clock() + duration);
    cpu = server_cpu(load) - cpu;
    while (open > 0)
        open -= hear_all(load, false);
    return per_second(count, cpu);
}

/* -- how long a request takes ------------------------------------------------------------------ */

typedef struct {
    int64_t *samples;
    size_t count;
    int64_t skipped; /* no link was free: the server is far behind */
} latencies_t;

static int compare(const void *one, const void *other) {
    int64_t left = *(const int64_t *)one;
    int64_t right = *(const int64_t *)other;
    return (left > right) - (left < right);
}

static void ask_next(load_t *load, size_t *next, latencies_t *latencies) {
    size_t count = (size_t)load->settings.connections;
    for (size_t tried = 0; tried < count; tried++) {
        link_t *link = &load->links[(*next)++ % count];
        if (!link->is_busy) {
            link_ask(link);
            return;
        }
    }
    latencies->skipped++;
}

static void hear(link_t *link, latencies_t *latencies) {
    if (!link_hear(link))
        return;
    MUST(latencies->count < MOST_SAMPLES);
    latencies->samples[latencies->count++] = wall_clock() - link->asked_at;
}

static bool any_busy(const load_t *load) {
    for (long at = 0; at < load->settings.connections; at++)
        if (load->links[at].is_busy)
            return true;
    return false;
}

/* A turn at each tick of a clock, whether the turns before have ended or not. */
static latencies_t measure_latencies(load_t *load, double rate, int64_t duration) {
    latencies_t latencies = {.samples = calloc(MOST_SAMPLES, sizeof(int64_t))};
    struct epoll_event events[EVENTS_AT_ONCE];
    struct epoll_event tick = {.events = EPOLLIN, .data.ptr = NULL};
    int64_t interval = (int64_t)((double)SECOND / rate);
    struct itimerspec times = {{interval / SECOND, interval % SECOND}, {0, 1}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    size_t next = 0;
    MUST(latencies.samples != NULL && timer >= 0);
    MUST(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, timer, &tick) == 0);
    MUST(timerfd_settime(timer, 0, &times, NULL) == 0);
    int64_t end = wall_clock() + duration;
    while (wall_clock() < end || any_busy(load)) {
        int count = epoll_wait(load->epoll_fd, events, EVENTS_AT_ONCE, -1);
        MUST(count >= 0);
        for (int at = 0; at < count; at++) {
            uint64_t ticks = 0;
            if (events[at].data.ptr != NULL) {
                hear(events[at].data.ptr, &latencies);
                continue;
            }
            if (read(timer, &ticks, sizeof ticks) != sizeof ticks || wall_clock() >= end)
                continue;
            for (; ticks > 0; ticks--)
                ask_next(load, &next, &latencies);
        }
    }
    close(timer);
    qsort(latencies.samples, latencies.count, sizeof(int64_t), compare);
    return latencies;
}

static int64_t percentile(const latencies_t *latencies, double part) {
    MUST(latencies->count > 0);
    return latencies->samples[(size_t)((double)(latencies->count - 1) * part)];
}

/* Exchanges keys in a process of its own, which lets this one go first. */
typedef struct {
    pid_t process;
    int stop;
    int result;
} storming_t;

static storming_t start_storm(const storm_t *storm, double rate) {
    int stop[2];
    int result[2];
    MUST(pipe(stop) == 0 && pipe(result) == 0);
    pid_t process = fork();
    MUST(process >= 0);
    if (process == 0) {
        close(stop[1]);
        errno = 0;
        MUST(nice(19) != -1 || errno == 0);
        storm_count_t count = storm_by_rate(storm, rate, stop[0]);
        MUST(write(result[1], &count, sizeof count) == sizeof count);
        _exit(EXIT_SUCCESS);
    }
    close(stop[0]);
    close(result[1]);
    return (storming_t){process, stop[1], result[0]};
}

static storm_count_t stop_storm(const storming_t *storming) {
    storm_count_t count;
    close(storming->stop);
    MUST(read(storming->result, &count, sizeof count) == sizeof count);
    MUST(waitpid(storming->process, NULL, 0) == storming->process);
    close(storming->result);
    return count;
}

static void print_latencies(const char *when, latencies_t *latencies) {
    printf(", \"%s_p50_ns\": %" PRId64 ", \"%s_p99_ns\": %" PRId64 ", \"%s_p999_ns\": %" PRId64
           ", \"%s_count\": %zu, \"%s_skipped\": %" PRId64,
           when, percentile(latencies, 0.5), when, percentile(latencies, 0.99), when,
           percentile(latencies, 0.999), when, latencies->count, when, latencies->skipped);
    free(latencies->samples);
}

static void measure_storm(load_t *load, const storm_t *storm, double exchanges, double requests) {
    int64_t duration = load->settings.milliseconds * MILLISECOND;
    double rate = HONEST_LOAD * requests;
    if (rate > (double)load->settings.rate)
        rate = (double)load->settings.rate;
    stay_on_processor(CLIENT_PROCESSOR);
    latencies_t quiet = measure_latencies(load, rate, 2 * duration);
    storming_t storming = start_storm(storm, STORM * exchanges);
    int64_t started = wall_clock();
    latencies_t stormy = measure_latencies(load, rate, 4 * duration);
    int64_t took = wall_clock() - started;
    storm_count_t count = stop_storm(&storming);
    printf(", \"requests_asked_per_second\": %.1f, \"storm_asked_per_second\": %.1f, "
           "\"storm_per_second\": %.1f, \"storm_failed\": %" PRId64,
           rate, STORM * exchanges, per_second(count.done, took), count.failed);
    print_latencies("quiet", &quiet);
    print_latencies("storm", &stormy);
}

static settings_t read_settings(int argc, char **argv) {
    settings_t settings = {
        .protocol = "v4", .kind = "library", .connections = 200, .milliseconds = 500, .rate = 1000};
    const option_t options[] = {{"--protocol", &settings.protocol, NULL, NULL},
                                {"--kind", &settings.kind, NULL, NULL},
                                {"--server", &settings.server, NULL, NULL},
                                {"--connections", NULL, &settings.connections, NULL},
                                {"--milliseconds", NULL, &settings.milliseconds, NULL},
                                {"--rate", NULL, &settings.rate, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(settings.connections > 0 && settings.milliseconds > 0 && settings.rate > 0);
    if (settings.server == NULL)
        bench_fail(EXIT_FAILURE, "--server COMMAND is missing");
    return settings;
}

int main(int argc, char **argv) {
    settings_t settings = read_settings(argc, argv);
    load_t load = {.settings = settings};
    bool exchanges_keys = strcmp(settings.kind, "bare") != 0;
    double exchanges = 0;
    storm_t storm = {0};
    MUST(prctl(PR_SET_TIMERSLACK, 1) == 0);
    load.linking = linking_new(settings.kind, wire_framing(settings.protocol));
    start_server(&load);
    if (exchanges_keys) {
        storm = storm_new(&load.linking, load.port);
        exchanges = measure_exchanges(&load, &storm);
    }
    stay_on_processor(CLIENT_PROCESSOR);
    open_links(&load);
    double requests = measure_requests(&load);
    printf("{\"kind\": \"%s\", \"protocol\": \"%s\", \"connections\": %ld, "
           "\"requests_per_second\": %.1f, \"exchanges_per_second\": %.1f",
           settings.kind, settings.protocol, settings.connections, requests, exchanges);
    if (exchanges_keys)
        measure_storm(&load, &storm, exchanges, requests);
    printf("}\n");
    close_links(&load);
    stop_server(&load);
    storm_free(&storm);
    linking_free(&load.linking);
}
