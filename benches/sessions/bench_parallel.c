/* How much several threads do at once. Each keeps to a processor and plays both ends of its own
   sessions: the peer says all that it has to say ahead, so that no thread waits for another, and
   the server computes. All threads share one RSA key pair.

   exchange     a key exchange over a new connection, the peer's side prepared
   request      a turn in one session over TCP
   floor-rsa    the private operation of an exchange alone
   floor-calls  the calls on the socket that a turn makes and, in gcm, the AES-GCM of OpenSSL, alone

   Both ends count in the processor time per operation, which tells whether threads hinder each
   other even where something else on the machine takes their time away. */
#include "bench.h"
#include "flights.h"
#include "server.h"
#include "support.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_THREADS = 64,
    WRAPPED_SECRET_SIZE = 48,
    CACHE_LINES = 128, /* bytes: processors fetch two lines of 64 at once */
};

/* What all threads read. */
typedef struct {
    anwdl_rsa_wrapper_t *rsa;
    bytes_t flights;
    uint8_t *wrapped; /* what floor-rsa decrypts */
    size_t wrapped_len;
    anwdl_protocol_t framing;
    turn_t turn; /* of floor-calls */
    int64_t duration;
    pthread_barrier_t start;
} shared_t;

/* What one thread has of its own, on cache lines of its own. */
typedef struct worker {
    _Alignas(CACHE_LINES) shared_t *shared;
    const struct task *task;
    int processor;
    anwdl_client_options_t *options;
    int ends[2];
    asker_t asker;
    asked_session_t asked;
    anwdl_client_t *client;
    bare_server_t bare; /* of floor-calls */
    uint8_t *space;     /* the same */
    int64_t operations;
    int64_t wall;
    int64_t cpu;
    pthread_t thread;
} worker_t;

typedef struct task {
    const char *name;
    void (*begin)(worker_t *worker);
    void (*run)(worker_t *worker);
    void (*end)(worker_t *worker);
} task_t;

/* -- exchange ---------------------------------------------------------------------------------- */

static void begin_exchanges(worker_t *worker) {
    worker->options = exchange_options(worker->shared->rsa, 0);
    MUST_OK(anwdl_client_options_set_non_blocking(worker->options, true));
}

/* A connection of the Unix family, so that no port is used up. */
static void exchange(worker_t *worker) {
    int ends[2];
    anwdl_client_t *client = NULL;
    make_unix_pair(ends);
    const bytes_t *flights = &worker->shared->flights;
    MUST(send_exactly(ends[PEER_SIDE], flights->bytes, flights->len));
    MUST_OK(anwdl_client_new(ends[SERVER_SIDE], worker->options, &client));
    MUST_OK(anwdl_client_exchange_keys(client, true));
    anwdl_client_free(client);
    close(ends[PEER_SIDE]);
}

static void end_exchanges(worker_t *worker) {
    anwdl_client_options_free(worker->options);
}

/* -- request ----------------------------------------------------------------------------------- */

static void begin_asking(worker_t *worker, bool exchanges) {
    make_tcp_pair(worker->ends);
    asker_init(&worker->asker, worker->shared->framing, STAT_PARAMETERS, exchanges);
    worker->asked = asked_session_new(&worker->asker, worker->ends[PEER_SIDE]);
}

static void end_asking(worker_t *worker) {
    asked_session_free(&worker->asked);
    asker_free(&worker->asker);
    close(worker->ends[PEER_SIDE]);
}

static void *exchange_on_thread(void *asked) {
    exchange_keys(asked);
    return NULL;
}

/* A client that exchanges keys waits for its peer to do so, here on another thread. */
static void begin_requests(worker_t *worker) {
    bool exchanges = exchanges_keys(worker->shared->framing);
    pthread_t thread;
    begin_asking(worker, exchanges);
    worker->options = serving_options(worker->shared->framing, 0);
    if (exchanges)
        MUST(pthread_create(&thread, NULL, exchange_on_thread, &worker->asked) == 0);
    else
        MUST_OK(anwdl_client_options_set_non_blocking(worker->options, true));
    MUST_OK(anwdl_client_new(worker->ends[SERVER_SIDE], worker->options, &worker->client));
    if (exchanges)
        MUST(pthread_join(thread, NULL) == 0);
}

static void request(worker_t *worker) {
    ask_ahead(&worker->asker, &worker->asked);
    serve_turn(worker->client, STAT_DATA);
    hear_ahead(&worker->asker, &worker->asked);
}

static void end_requests(worker_t *worker) {
    anwdl_client_free(worker->client);
    anwdl_client_options_free(worker->options);
    end_asking(worker);
}

/* -- the floors -------------------------------------------------------------------------------- */

static void begin_nothing(worker_t *worker) {
    (void)worker;
}

static void decrypt_secret(worker_t *worker) {
    const shared_t *shared = worker->shared;
    uint8_t *secret = NULL;
    size_t len = 0;
    MUST_OK(anwdl_rsa_wrapper_decrypt_data(shared->rsa, shared->wrapped, shared->wrapped_len,
                                           &secret, &len));
    anwdl_bytes_free(secret, len);
}

static void begin_calls(worker_t *worker) {
    const turn_t *turn = &worker->shared->turn;
    begin_asking(worker, false);
    worker->space = make_space(turn);
    worker->bare = bare_server_new(worker->ends[SERVER_SIDE], turn, worker->space);
}

static void make_calls(worker_t *worker) {
    ask_ahead(&worker->asker, &worker->asked);
    serve_bare_turn(&worker->bare);
    hear_ahead(&worker->asker, &worker->asked);
}

static void end_calls(worker_t *worker) {
    bare_server_free(&worker->bare);
    free(worker->space);
    end_asking(worker);
}

/* -- all --------------------------------------------------------------------------------------- */

static const task_t TASKS[] = {
    {"exchange", begin_exchanges, exchange, end_exchanges},
    {"request", begin_requests, request, end_requests},
    {"floor-rsa", begin_nothing, decrypt_secret, begin_nothing},
    {"floor-calls", begin_calls, make_calls, end_calls},
};

static const task_t *find_task(const char *name) {
    for (size_t at = 0; at < sizeof TASKS / sizeof TASKS[0]; at++)
        if (strcmp(TASKS[at].name, name) == 0)
            return &TASKS[at];
    bench_fail(EXIT_FAILURE, "--what takes exchange, request, floor-rsa or floor-calls");
}

static void shared_init(shared_t *shared, const char *protocol, long seconds, long threads) {
    static const uint8_t secret[WRAPPED_SECRET_SIZE];
    memset(shared, 0, sizeof *shared);
    shared->rsa = make_rsa_wrapper("server");
    shared->framing = wire_framing(protocol);
    shared->flights = record_flights(shared->framing, shared->rsa, "client", NULL);
    MUST_OK(anwdl_rsa_wrapper_encrypt_data(shared->rsa, secret, sizeof secret, true,
                                           &shared->wrapped, &shared->wrapped_len));
    shared->turn = record_turn(shared->framing, STAT_PARAMETERS, STAT_DATA);
    shared->duration = (int64_t)seconds * 1000000000;
    MUST(pthread_barrier_init(&shared->start, NULL, (unsigned)threads) == 0);
}

static void shared_free(shared_t *shared) {
    anwdl_bytes_free(shared->wrapped, shared->wrapped_len);
    bytes_free(&shared->flights);
    anwdl_rsa_wrapper_free(shared->rsa);
    turn_free(&shared->turn);
    pthread_barrier_destroy(&shared->start);
}

static void *work(void *argument) {
    worker_t *worker = argument;
    const task_t *task = worker->task;
    stay_on_processor(worker->processor);
    task->begin(worker);
    task->run(worker);
    pthread_barrier_wait(&worker->shared->start);
    int64_t start = wall_clock();
    int64_t cpu = cpu_clock();
    do {
        task->run(worker);
        worker->operations++;
        worker->wall = wall_clock() - start;
    } while (worker->wall < worker->shared->duration);
    worker->cpu = cpu_clock() - cpu;
    task->end(worker);
    return NULL;
}

/* What all threads did. */
typedef struct {
    double operations_per_second;
    int64_t operations;
    int64_t cpu;
} result_t;

/* Each thread counts by its own time, so that an operation that ends late is not counted twice. */
static void add_result(result_t *sum, const worker_t *worker) {
    sum->operations_per_second += (double)worker->operations * 1e9 / (double)worker->wall;
    sum->operations += worker->operations;
    sum->cpu += worker->cpu;
}

static result_t work_together(shared_t *shared, const task_t *task, long threads) {
    static worker_t workers[MOST_THREADS];
    result_t sum = {0};
    for (long at = 0; at < threads; at++) {
        workers[at] = (worker_t){.shared = shared, .task = task, .processor = (int)at};
        MUST(pthread_create(&workers[at].thread, NULL, work, &workers[at]) == 0);
    }
    for (long at = 0; at < threads; at++) {
        MUST(pthread_join(workers[at].thread, NULL) == 0);
        add_result(&sum, &workers[at]);
    }
    return sum;
}

int main(int argc, char **argv) {
    const char *what = "request";
    const char *protocol = "v4";
    long threads = 1;
    long seconds = 2;
    shared_t shared;
    const option_t options[] = {{"--what", &what, NULL, NULL},
                                {"--protocol", &protocol, NULL, NULL},
                                {"--threads", NULL, &threads, NULL},
                                {"--seconds", NULL, &seconds, NULL}};
    parse_options(argc, argv, options, sizeof options / sizeof options[0]);
    MUST(threads > 0 && threads <= MOST_THREADS && seconds > 0);
    const task_t *task = find_task(what);
    shared_init(&shared, protocol, seconds, threads);
    result_t result = work_together(&shared, task, threads);
    shared_free(&shared);
    printf("{\"what\": \"%s\", \"threads\": %ld, \"operations_per_second\": %.1f, "
           "\"cpu_ns\": %" PRId64 "}\n",
           what, threads, result.operations_per_second, result.cpu / result.operations);
}
