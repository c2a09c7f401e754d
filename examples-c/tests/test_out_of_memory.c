/* No memory: each allocation of the functions that make something the caller will own, in turn.
   Where it is the result that finds no room, the function says so; where it is the library's own
   work, the process is aborted. The same while connecting, on all threads. With --all: more of
   those. The program's malloc() and its kin take the place of the C library's. */
#include "check.h"
#include "children.h"
#include "peer.h"
#include "raw_rsa.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- the heap ---------------------------------------------------------------------------------- */

static _Thread_local bool is_counted; /* while the library is at work */
static atomic_bool all_are_counted;   /* of all threads */
static atomic_size_t allocations;     /* so far, of the thread on which that is, or of all */
static size_t failing;                /* the number of the one that fails; or, if this is not 0, */
static size_t failing_size;           /* of those of this size */

enum { MOST_BLOCKS = 8192, NOT_ANY = MOST_BLOCKS };
static struct {
    void *start;
    size_t size;
} blocks[MOST_BLOCKS];

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void start_counting(size_t new_failing, size_t new_failing_size) {
    allocations = 0;
    failing = new_failing;
    failing_size = new_failing_size;
    is_counted = true;
}

static bool fails(size_t size) {
    if (all_are_counted)
        return allocations++ == failing;
    if (!is_counted)
        return false;
    if (allocations < MOST_BLOCKS)
        blocks[allocations].size = size;
    size_t number = allocations++;
    if (failing_size == 0)
        return number == failing;
    return size == failing_size && failing-- == 0;
}

static void *keep(void *block) {
    if (is_counted && allocations <= MOST_BLOCKS)
        blocks[allocations - 1].start = block;
    return block;
}

void *malloc(size_t size) {
    return fails(size) ? NULL : keep(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return fails(0) ? NULL : keep(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    return fails(0) ? NULL : keep(__libc_realloc(block, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(0) ? NULL : keep(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = aligned_alloc(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

/* -- what the functions need ------------------------------------------------------------------- */

static anwdl_rsa_wrapper_t *rsa;      /* with a local and a remote key */
static anwdl_rsa_wrapper_t *external; /* with the same local key, elsewhere */
static raw_rsa_t key;
static anwdl_aes_wrapper_t *cbc;
static anwdl_aes_wrapper_t *gcm;
static anwdl_data_t *data;
static anwdl_client_interface_t *interface; /* that has heard its server's key */
static int listener;
static peer_t peer; /* plays that server */

static const uint8_t TEXT[] = "a text";
static uint8_t *wrapped, *cbc_text, *gcm_text;
static size_t wrapped_len, cbc_len, gcm_len;

static void hear_a_key(void) {
    anwdl_client_options_t *options = make_server_options();
    uint16_t port = 0;
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    anwdl_client_options_free(options);
    listener = make_listener(&port);
    REQUIRE(anwdl_client_interface_connect_server(interface, "127.0.0.1", port) == ANWDL_OK);
    peer_init(&peer, accept(listener, NULL, NULL), ANWDL_PROTOCOL_V4, "peer-1");
    REQUIRE(peer_send_length(&peer, strlen(peer.own_pem)));
    REQUIRE(peer_send_bytes(&peer, peer.own_pem, strlen(peer.own_pem)));
    REQUIRE(anwdl_client_interface_recv_public_rsa_key(interface) == ANWDL_OK);
}

static void set_up(void) {
    char *pem = NULL;
    rsa = make_rsa_wrapper("server");
    REQUIRE(anwdl_rsa_wrapper_get_public_key(rsa, &pem) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_remote_public_key(rsa, pem) == ANWDL_OK);
    anwdl_string_free(pem);
    raw_rsa_init(&key, "server");
    external = make_external_wrapper("server", raw_rsa_run, &key, NULL);
    cbc = make_aes_wrapper(ANWDL_AES_CBC);
    gcm = make_aes_wrapper(ANWDL_AES_GCM);
    REQUIRE(anwdl_data_new(&data) == ANWDL_OK);
    REQUIRE(anwdl_data_set_string(data, "name", "value") == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(rsa, TEXT, sizeof TEXT, false, &wrapped, &wrapped_len) ==
            ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(cbc, TEXT, sizeof TEXT, &cbc_text, &cbc_len) ==
            ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(gcm, TEXT, sizeof TEXT, &gcm_text, &gcm_len) ==
            ANWDL_OK);
    hear_a_key();
}

static void tear_down(void) {
    anwdl_rsa_wrapper_free(rsa);
    anwdl_rsa_wrapper_free(external);
    anwdl_aes_wrapper_free(cbc);
    anwdl_aes_wrapper_free(gcm);
    anwdl_data_free(data);
    anwdl_bytes_free(wrapped, wrapped_len);
    anwdl_bytes_free(cbc_text, cbc_len);
    anwdl_bytes_free(gcm_text, gcm_len);
    anwdl_client_interface_free(interface);
    peer_free(&peer);
    close(listener);
}

/* -- the functions ----------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    anwdl_status_t (*call)(void **out, size_t *len);
} function_t;

static anwdl_status_t get_public_key(void **out, size_t *len) {
    (void)len;
    return anwdl_rsa_wrapper_get_public_key(rsa, (char **)out);
}

static anwdl_status_t get_private_key(void **out, size_t *len) {
    (void)len;
    return anwdl_rsa_wrapper_get_private_key(rsa, (char **)out);
}

static anwdl_status_t get_remote_public_key(void **out, size_t *len) {
    (void)len;
    return anwdl_rsa_wrapper_get_remote_public_key(rsa, (char **)out);
}

static anwdl_status_t get_fingerprint(void **out, size_t *len) {
    (void)len;
    return anwdl_rsa_wrapper_get_fingerprint(rsa, false, (char **)out);
}

static anwdl_status_t get_server_fingerprint(void **out, size_t *len) {
    (void)len;
    return anwdl_client_interface_get_server_fingerprint(interface, (char **)out);
}

static anwdl_status_t data_to_json(void **out, size_t *len) {
    (void)len;
    return anwdl_data_to_json(data, (char **)out);
}

static anwdl_status_t rsa_encrypt(void **out, size_t *len) {
    return anwdl_rsa_wrapper_encrypt_data(rsa, TEXT, sizeof TEXT, false, (uint8_t **)out, len);
}

static anwdl_status_t rsa_decrypt(void **out, size_t *len) {
    return anwdl_rsa_wrapper_decrypt_data(rsa, wrapped, wrapped_len, (uint8_t **)out, len);
}

static anwdl_status_t external_decrypt(void **out, size_t *len) {
    return anwdl_rsa_wrapper_decrypt_data(external, wrapped, wrapped_len, (uint8_t **)out, len);
}

static anwdl_status_t external_sign(void **out, size_t *len) {
    return anwdl_rsa_wrapper_sign_data(external, TEXT, sizeof TEXT, (uint8_t **)out, len);
}

static anwdl_status_t get_private_key_der(void **out, size_t *len) {
    return anwdl_rsa_wrapper_get_private_key_der(rsa, (uint8_t **)out, len);
}

static anwdl_status_t rsa_sign(void **out, size_t *len) {
    return anwdl_rsa_wrapper_sign_data(rsa, TEXT, sizeof TEXT, (uint8_t **)out, len);
}

static anwdl_status_t cbc_encrypt(void **out, size_t *len) {
    return anwdl_aes_wrapper_encrypt_data(cbc, TEXT, sizeof TEXT, (uint8_t **)out, len);
}

static anwdl_status_t cbc_decrypt(void **out, size_t *len) {
    return anwdl_aes_wrapper_decrypt_data(cbc, cbc_text, cbc_len, (uint8_t **)out, len);
}

static anwdl_status_t gcm_encrypt(void **out, size_t *len) {
    return anwdl_aes_wrapper_encrypt_data(gcm, TEXT, sizeof TEXT, (uint8_t **)out, len);
}

static anwdl_status_t gcm_decrypt(void **out, size_t *len) {
    return anwdl_aes_wrapper_decrypt_data(gcm, gcm_text, gcm_len, (uint8_t **)out, len);
}

static const function_t FUNCTIONS[] = {
    {"get_public_key", get_public_key},
    {"get_private_key", get_private_key},
    {"get_remote_public_key", get_remote_public_key},
    {"get_fingerprint", get_fingerprint},
    {"get_server_fingerprint", get_server_fingerprint},
    {"data_to_json", data_to_json},
    {"get_private_key_der", get_private_key_der},
    {"rsa encrypt_data", rsa_encrypt},
    {"rsa decrypt_data", rsa_decrypt},
    {"rsa sign_data", rsa_sign},
    {"decrypt_data elsewhere", external_decrypt},
    {"sign_data elsewhere", external_sign},
    {"cbc encrypt_data", cbc_encrypt},
    {"cbc decrypt_data", cbc_decrypt},
    {"gcm encrypt_data", gcm_encrypt},
    {"gcm decrypt_data", gcm_decrypt},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof FUNCTIONS[0] };

/* -- one allocation that fails ----------------------------------------------------------------- */

/* In memory that the test shares with its children. */
typedef struct {
    size_t count; /* the allocations of a call; more or fewer where it draws random numbers */
    /* The one that becomes the result: it has this size, as so many before it. */
    size_t size_of_result;
    size_t before_result;
} counts_t;
static counts_t *counts;

static child_end_t count_allocations(const void *context) {
    const function_t *function = context;
    void *out = NULL;
    size_t len = 0;
    start_counting(NOT_ANY, 0);
    anwdl_status_t status = function->call(&out, &len);
    is_counted = false;
    size_t at = allocations < MOST_BLOCKS ? allocations : 0;
    counts->count = at;
    while (at > 0 && blocks[at - 1].start != out)
        at--;
    if (status != ANWDL_OK || at == 0)
        return CHILD_OTHER;
    counts->size_of_result = blocks[--at].size;
    counts->before_result = 0;
    while (at-- > 0)
        counts->before_result += blocks[at].size == counts->size_of_result;
    return CHILD_AS_USUAL;
}

typedef struct {
    const function_t *function;
    bool is_result;
    size_t failing; /* another one than the result */
} failure_t;

static child_end_t call_without_memory(const void *context) {
    static char untouched;
    const failure_t *failure = context;
    const function_t *function = failure->function;
    void *out = &untouched;
    size_t len = 12345;
    if (failure->is_result)
        start_counting(counts->before_result, counts->size_of_result);
    else
        start_counting(failure->failing, 0);
    anwdl_status_t status = function->call(&out, &len);
    is_counted = false;
    if (status == ANWDL_OK)
        return out != NULL && out != &untouched ? CHILD_AS_USUAL : CHILD_OTHER;
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    bool is_documented = status == ANWDL_RUNTIME_ERROR && reason == ANWDL_REASON_INTERNAL;
    /* AWS-LC does not tell why it did not decrypt. */
    if (function->call == rsa_decrypt && !failure->is_result)
        is_documented |= status == ANWDL_VALUE_ERROR && reason == ANWDL_REASON_DECRYPTION_FAILED;
    bool is_untouched = out == &untouched && len == 12345;
    /* Once there is memory again, all is as before. */
    bool goes_on = function->call(&out, &len) == ANWDL_OK;
    return is_documented && is_untouched && goes_on ? CHILD_REFUSED : CHILD_OTHER;
}

static size_t ends[CHILD_ENDS];

static void check_failure_of(const failure_t *failure) {
    child_end_t end = run_child(call_without_memory, failure);
    /* AWS-LC says so when it has no memory, and can do without in places. */
    bool holds = failure->is_result
                     ? CHECK_INTEGER(end, CHILD_REFUSED)
                     : CHECK(end == CHILD_ABORTED || end == CHILD_REFUSED || end == CHILD_AS_USUAL);
    if (!holds)
        fprintf(stderr, "  that was %s without memory for %s (%zu): %s\n", failure->function->name,
                failure->is_result ? "its result" : "its work", failure->failing,
                child_end_name(end));
    ends[end]++;
}

static void check_function(const function_t *function, size_t most) {
    failure_t failure = {.function = function, .is_result = true};
    REQUIRE(run_child(count_allocations, function) == CHILD_AS_USUAL);
    check_failure_of(&failure);
    failure.is_result = false;
    for (size_t at = 0; at < counts->count; at += counts->count / most + 1) {
        failure.failing = at;
        check_failure_of(&failure);
    }
}

/* The objects that C owns are Rust's own allocations. */
static child_end_t make_options(const void *context) {
    (void)context;
    start_counting(0, 0);
    anwdl_client_options_t *options = anwdl_client_options_new();
    is_counted = false;
    return options == NULL ? CHILD_REFUSED : CHILD_OTHER;
}

/* -- a response that is received --------------------------------------------------------------- */

static anwdl_session_t *server, *client; /* The server has a request to answer. */
static anwdl_response_t *response;

static anwdl_status_t ask(anwdl_session_t *session) {
    return anwdl_session_send_request(session, "STAT", NULL);
}

static anwdl_status_t listen_to(anwdl_session_t *session) {
    return anwdl_session_recv_request(session, true, NULL);
}

static anwdl_status_t recv_response(anwdl_session_t *session) {
    return anwdl_session_recv_response(session, &response);
}

static anwdl_status_t next_event(anwdl_session_t *session) {
    anwdl_event_t event = anwdl_session_next_event(session, NULL, &response);
    while (event == ANWDL_EVENT_REQUEST_SENT)
        event = anwdl_session_next_event(session, NULL, &response);
    switch (event) {
    case ANWDL_EVENT_WANT_READ:
        return ANWDL_WANT_READ;
    case ANWDL_EVENT_WANT_WRITE:
        return ANWDL_WANT_WRITE;
    case ANWDL_EVENT_RESPONSE:
        return ANWDL_OK;
    default:
        return ANWDL_RUNTIME_ERROR;
    }
}

static void make_sessions(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_V4) == ANWDL_OK);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    run_together(client, ask, server, listen_to);
}

typedef struct {
    operation_t *receive;
    size_t failing;
} loss_t;

/* It is received, or the session has ended. */
static child_end_t receive_without_memory(const void *context) {
    const loss_t *loss = context;
    anwdl_status_t sending = ANWDL_WANT_WRITE;
    anwdl_status_t receiving;
    start_counting(loss->failing, 0);
    do {
        is_counted = false;
        if (sending > 0)
            sending = anwdl_session_send_response(server, true, "OK", NULL, NULL);
        move_pending(server, client);
        is_counted = true;
        receiving = loss->receive(client);
        is_counted = false;
        if (receiving > 0)
            move_pending(client, server);
    } while (receiving > 0);
    counts->count = allocations;
    if (receiving == ANWDL_OK)
        return response != NULL ? CHILD_AS_USUAL : CHILD_OTHER;
    bool is_documented = anwdl_last_error_reason() == ANWDL_REASON_INTERNAL && response == NULL;
    bool has_ended = anwdl_session_has_failed(client) && loss->receive(client) < 0 &&
                     anwdl_last_error_reason() == ANWDL_REASON_SESSION_FAILED;
    return is_documented && has_ended ? CHILD_REFUSED : CHILD_OTHER;
}

static void check_receiving(void) {
    operation_t *ways[] = {recv_response, next_event};
    make_sessions();
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        loss_t loss = {ways[way], NOT_ANY};
        REQUIRE(run_child(receive_without_memory, &loss) == CHILD_AS_USUAL);
        size_t count = counts->count;
        child_end_t end = CHILD_AS_USUAL;
        for (loss.failing = 0; loss.failing < count; loss.failing++) {
            end = run_child(receive_without_memory, &loss);
            if (!CHECK(end == CHILD_ABORTED || end == CHILD_REFUSED))
                fprintf(stderr, "  that was a response without memory for %zu of %zu: %s\n",
                        loss.failing, count, child_end_name(end));
            ends[end]++;
        }
        CHECK_INTEGER(end, CHILD_REFUSED); /* the last one is for what the caller will own */
    }
    anwdl_session_free(server);
    anwdl_session_free(client);
}

/* -- connecting -------------------------------------------------------------------------------- */

/* A name is looked up on a thread, unless the call waits for it without a limit. */
typedef struct {
    const char *host;
    bool is_non_blocking;
    uint32_t timeout;
    size_t failing;
} way_t;

static uint16_t port_to_connect_to;

/* In place of the C library's resolver. Without memory, that of glibc 2.36 crashes, or keeps its
   lock on the file resolv.conf, so that no lookup of the process ever ends again: then each call
   takes until its timeout, as with the name "hang.test" in test_connecting.c. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out) {
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *found = calloc(1, sizeof *found);
    (void)name, (void)service, (void)hints;
    if (found == NULL)
        return EAI_MEMORY;
    found->address.sin_family = AF_INET;
    found->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    found->info.ai_family = AF_INET;
    found->info.ai_socktype = SOCK_STREAM;
    found->info.ai_addr = (struct sockaddr *)&found->address;
    found->info.ai_addrlen = sizeof found->address;
    *out = &found->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info) {
    free(info);
}

static anwdl_status_t connect_by(anwdl_client_interface_t *client, const way_t *way) {
    for (;;) {
        anwdl_status_t status =
            anwdl_client_interface_connect_server(client, way->host, port_to_connect_to);
        if (status != ANWDL_WANT_READ)
            return status;
        wait_for(anwdl_client_interface_get_socket_descriptor(client), POLLIN, 20000);
    }
}

/* Connects, learns of it, and makes another connection of the same socket. */
static anwdl_status_t connect_and_attach(anwdl_client_interface_t *client, const way_t *way) {
    anwdl_response_t *response = NULL;
    anwdl_status_t status = connect_by(client, way);
    if (status != ANWDL_OK)
        return status;
    if (way->is_non_blocking &&
        anwdl_client_interface_next_event(client, &response) != ANWDL_EVENT_CONNECTED)
        return ANWDL_RUNTIME_ERROR;
    int fd = anwdl_client_interface_detach(client);
    status = anwdl_client_interface_attach(client, fd);
    if (status != ANWDL_OK)
        close(fd);
    return status;
}

static child_end_t connect_without_memory(const void *context) {
    const way_t *way = context;
    anwdl_client_options_t *options = make_late_options();
    anwdl_client_interface_t *client = NULL;
    REQUIRE(anwdl_client_options_set_non_blocking(options, way->is_non_blocking) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_timeout(options, way->timeout) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &client) == ANWDL_OK);
    size_t threads = count_threads(), descriptors = count_open_descriptors();
    start_counting(way->failing, 0);
    is_counted = false;
    all_are_counted = true;
    anwdl_status_t status = connect_and_attach(client, way);
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    all_are_counted = false;
    counts->count = allocations;
    bool is_documented = status == ANWDL_RUNTIME_ERROR && reason == ANWDL_REASON_CONNECT_FAILED;
    /* Once there is memory again, it connects, and nothing was left open. */
    bool goes_on = status == ANWDL_OK || connect_and_attach(client, way) == ANWDL_OK;
    anwdl_client_interface_free(client);
    anwdl_client_options_free(options);
    while (count_threads() > threads)
        poll(NULL, 0, 1); /* the lookup's thread, with its end of a pipe; the alarm has a limit */
    if (!goes_on || count_open_descriptors() != descriptors)
        return CHILD_OTHER;
    return status == ANWDL_OK ? CHILD_AS_USUAL : is_documented ? CHILD_REFUSED : CHILD_OTHER;
}

static void check_connecting(size_t most) {
    way_t ways[] = {{"localhost", true, 0, 0},
                    {"localhost", false, 60000, 0},
                    {"localhost", false, 0, 0},
                    {"127.0.0.1", true, 60000, 0}};
    int server = make_listener(&port_to_connect_to);
    REQUIRE(listen(server, 512) == 0); /* nobody accepts */
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        ways[way].failing = NOT_ANY;
        REQUIRE(run_child(connect_without_memory, &ways[way]) == CHILD_AS_USUAL);
        size_t count = counts->count;
        CHECK(count > 0);
        for (size_t at = 0; at < count; at += count / (4 * most) + 1) {
            ways[way].failing = at;
            child_end_t end = run_child(connect_without_memory, &ways[way]);
            if (!CHECK(end == CHILD_ABORTED || end == CHILD_REFUSED || end == CHILD_AS_USUAL))
                fprintf(stderr, "  that was %s, %s, without memory for %zu of %zu: %s\n",
                        ways[way].host, ways[way].is_non_blocking ? "non-blocking" : "blocking", at,
                        count, child_end_name(end));
            ends[end]++;
        }
    }
    close(server);
}

int main(int argc, char **argv) {
    size_t most = argc > 1 && strcmp(argv[1], "--all") == 0 ? 60 : 5;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(counts != MAP_FAILED);
    set_up();
    for (size_t at = 0; at < FUNCTION_COUNT; at++)
        check_function(&FUNCTIONS[at], most);
    CHECK_INTEGER(run_child(make_options, NULL), CHILD_ABORTED);
    check_receiving();
    check_connecting(most);
    CHECK(ends[CHILD_REFUSED] >= FUNCTION_COUNT);
    CHECK(ends[CHILD_ABORTED] > 0);
    tear_down();
    printf("cases: %zu allocations that fail\n",
           ends[CHILD_AS_USUAL] + ends[CHILD_REFUSED] + ends[CHILD_ABORTED] + 1);
    printf("%zu refused with a status, %zu aborted, %zu did without\n", ends[CHILD_REFUSED],
           ends[CHILD_ABORTED] + 1, ends[CHILD_AS_USUAL]);
    return check_finish();
}
