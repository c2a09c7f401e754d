/* fork() with live handles: parent and child go on from the same state, and neither repeats a key,
   an IV, a nonce or a salt of the other. And what the header says: one of them may go on with a
   client, whatever becomes of the other's. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DRAWN = 256, SESSIONS = 64, WRAPPERS = 32, SIGNATURES = 8 };
enum { WRAPPED_SIZE = 256 }; /* what RSA protects of a secret; the ephemeral key stands behind it */
#ifdef __SANITIZE_ADDRESS__
enum { ALLOCATOR_SURVIVES_FORKS = false }; /* in a child, a lock of it may stay taken */
#else
enum { ALLOCATOR_SURVIVES_FORKS = true };
#endif

/* -- what is drawn at random, by both processes ------------------------------------------------ */

typedef struct {
    uint8_t bytes[16];
} drawn_t;

typedef struct {
    const char *what;
    size_t count; /* at most DRAWN */
    void (*draw)(drawn_t *drawn, size_t count);
} source_t;

static anwdl_aes_wrapper_t *aes_wrapper;
static anwdl_rsa_wrapper_t *rsa_wrapper;
static anwdl_session_t *gcm_sessions[SESSIONS];
static anwdl_session_t *cbc_sessions[2][SESSIONS]; /* v3 and v4 */

static void put(drawn_t *drawn, const void *bytes, size_t len) {
    memset(drawn, 0, sizeof *drawn);
    memcpy(drawn->bytes, bytes, len < sizeof drawn->bytes ? len : sizeof drawn->bytes);
}

static void draw_nonces(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        uint8_t *out;
        size_t len;
        REQUIRE(anwdl_aes_wrapper_encrypt_data(aes_wrapper, NULL, 0, &out, &len) == ANWDL_OK);
        put(&drawn[at], out, GCM_NONCE_SIZE);
        anwdl_bytes_free(out, len);
    }
}

/* Keys and IVs of new wrappers, by turns. */
static void draw_keys(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at += 2) {
        anwdl_aes_wrapper_t *wrapper;
        const uint8_t *key, *iv;
        size_t key_len, iv_len;
        REQUIRE(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrapper) == ANWDL_OK);
        REQUIRE(anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len) == ANWDL_OK);
        put(&drawn[at], key, key_len);
        put(&drawn[at + 1], iv, iv_len);
        anwdl_aes_wrapper_free(wrapper);
    }
}

/* The seed of OAEP makes each ciphertext another one, the salt of PSS each signature. */
static void draw_ciphertexts(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        uint8_t *out;
        size_t len;
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(rsa_wrapper, NULL, 0, true, &out, &len) == ANWDL_OK);
        put(&drawn[at], out, len);
        anwdl_bytes_free(out, len);
    }
}

static void draw_signatures(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        uint8_t *out;
        size_t len;
        REQUIRE(anwdl_rsa_wrapper_sign_data(rsa_wrapper, NULL, 0, &out, &len) == ANWDL_OK);
        put(&drawn[at], out, len);
        anwdl_bytes_free(out, len);
    }
}

static void draw_key_pairs(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        anwdl_rsa_wrapper_t *wrapper;
        char *hex;
        REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
        REQUIRE(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048) == ANWDL_OK);
        REQUIRE(anwdl_rsa_wrapper_get_fingerprint(wrapper, false, &hex) == ANWDL_OK);
        put(&drawn[at], hex, strlen(hex));
        anwdl_string_free(hex);
        anwdl_rsa_wrapper_free(wrapper);
    }
}

static void respond(anwdl_session_t *session) {
    REQUIRE(anwdl_session_send_response(session, true, "OK", NULL, NULL) == ANWDL_WANT_WRITE);
}

static void draw_ephemeral_keys(drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        const uint8_t *bytes;
        size_t len;
        REQUIRE(anwdl_session_send_aes_key(gcm_sessions[at]) == ANWDL_WANT_WRITE);
        REQUIRE(anwdl_session_get_pending(gcm_sessions[at], &bytes, &len) == ANWDL_OK);
        REQUIRE(len > WRAPPED_SIZE);
        put(&drawn[at], bytes + WRAPPED_SIZE, len - WRAPPED_SIZE);
    }
}

/* A message carries the IV of the next one. The IV of the message itself was settled before the
   fork: it is the reason for which only one of the two processes may go on. */
static void draw_next_ivs(anwdl_session_t *sessions[SESSIONS], drawn_t *drawn, size_t count) {
    for (size_t at = 0; at < count; at++) {
        const uint8_t *key, *iv, *bytes;
        size_t key_len, iv_len, len;
        anwdl_status_t status;
        respond(sessions[at]);
        do { /* the peer takes everything */
            REQUIRE(anwdl_session_get_pending(sessions[at], &bytes, &len) == ANWDL_OK);
            REQUIRE(anwdl_session_sent(sessions[at], len) == ANWDL_OK);
            status = anwdl_session_send_response(sessions[at], true, "OK", NULL, NULL);
            if (status == ANWDL_WANT_READ)
                REQUIRE(anwdl_session_feed(sessions[at], (const uint8_t *)"1", 1, &len) ==
                        ANWDL_OK);
        } while (status > 0);
        REQUIRE(status == ANWDL_OK);
        REQUIRE(anwdl_aes_wrapper_get_key(anwdl_session_get_aes_wrapper(sessions[at]), &key,
                                          &key_len, &iv, &iv_len) == ANWDL_OK);
        put(&drawn[at], iv, iv_len);
    }
}

static void draw_ivs_of_v3(drawn_t *drawn, size_t count) {
    draw_next_ivs(cbc_sessions[0], drawn, count);
}

static void draw_ivs_of_v4(drawn_t *drawn, size_t count) {
    draw_next_ivs(cbc_sessions[1], drawn, count);
}

static const source_t SOURCES[] = {
    {"nonces of one AES wrapper", DRAWN, draw_nonces},
    {"keys and IVs of new AES wrappers", 2 * WRAPPERS, draw_keys},
    {"ciphertexts of one RSA wrapper", WRAPPERS, draw_ciphertexts},
    {"signatures of one RSA wrapper", SIGNATURES, draw_signatures},
    {"RSA key pairs", 1, draw_key_pairs},
    {"ephemeral keys of sessions in the authenticated framing", SESSIONS, draw_ephemeral_keys},
    {"next IVs of sessions in v3", SESSIONS, draw_ivs_of_v3},
    {"next IVs of sessions in v4", SESSIONS, draw_ivs_of_v4},
};

static anwdl_session_t *make_session(anwdl_role_t role, anwdl_protocol_t protocol,
                                     anwdl_client_options_t *options) {
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_client_options_set_protocol(options, protocol) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

static anwdl_session_t *make_cbc_session(anwdl_protocol_t protocol) {
    return make_session(ANWDL_ROLE_SERVER, protocol, make_shared_key_options());
}

/* Whose next step is to send its ephemeral key. */
static anwdl_session_t *make_gcm_session(void) {
    anwdl_session_t *session =
        make_session(ANWDL_ROLE_CLIENT, ANWDL_PROTOCOL_GCM, make_server_options());
    anwdl_session_t *server =
        make_session(ANWDL_ROLE_SERVER, ANWDL_PROTOCOL_GCM, make_server_options());
    run_together(session, anwdl_session_send_public_rsa_key, server,
                 anwdl_session_recv_public_rsa_key);
    run_together(session, anwdl_session_recv_public_rsa_key, server,
                 anwdl_session_send_public_rsa_key);
    anwdl_session_free(server);
    return session;
}

static void make_all(void) {
    aes_wrapper = make_aes_wrapper(ANWDL_AES_GCM);
    rsa_wrapper = make_rsa_wrapper("server");
    for (size_t at = 0; at < SESSIONS; at++) {
        gcm_sessions[at] = make_gcm_session();
        cbc_sessions[0][at] = make_cbc_session(ANWDL_PROTOCOL_V3);
        cbc_sessions[1][at] = make_cbc_session(ANWDL_PROTOCOL_V4);
    }
    /* Whatever generator the library might keep is in use before the fork. */
    drawn_t drawn[4];
    draw_nonces(drawn, 4);
    draw_keys(drawn, 4);
    draw_ciphertexts(drawn, 4);
    draw_signatures(drawn, 4);
}

static void free_all(void) {
    anwdl_aes_wrapper_free(aes_wrapper);
    anwdl_rsa_wrapper_free(rsa_wrapper);
    for (size_t at = 0; at < SESSIONS; at++) {
        anwdl_session_free(gcm_sessions[at]);
        anwdl_session_free(cbc_sessions[0][at]);
        anwdl_session_free(cbc_sessions[1][at]);
    }
}

static pid_t start_child(void) {
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    return pid;
}

static void end_child(pid_t pid) {
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static int compare(const void *one, const void *other) {
    return memcmp(one, other, sizeof(drawn_t));
}

static unsigned test_source(const source_t *source) {
    static drawn_t drawn[2 * DRAWN];
    size_t size = source->count * sizeof *drawn, have = 0;
    int ends[2];
    REQUIRE(source->count <= DRAWN);
    REQUIRE(pipe(ends) == 0);
    pid_t pid = start_child();
    source->draw(drawn, source->count);
    if (pid == 0) {
        bool wrote = write(ends[1], drawn, size) == (ssize_t)size;
        _exit(wrote ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    while (have < size) {
        ssize_t count = read(ends[0], (char *)(drawn + source->count) + have, size - have);
        REQUIRE(count > 0);
        have += (size_t)count;
    }
    close(ends[0]);
    end_child(pid);
    qsort(drawn, 2 * source->count, sizeof *drawn, compare);
    for (size_t at = 1; at < 2 * source->count; at++)
        if (!CHECK(compare(&drawn[at - 1], &drawn[at]) != 0)) {
            fprintf(stderr, "  repeated: %s\n", source->what);
            break;
        }
    return (unsigned)(2 * source->count);
}

/* -- one of the two goes on -------------------------------------------------------------------- */

static void serve(anwdl_client_t *client) {
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response(client, true, "OK", NULL, NULL));
    anwdl_client_free(client);
}

static void ask(peer_t *peer) {
    char *response = peer_ask(peer, "{\"verb\": \"STAT\", \"parameters\": {}}");
    CHECK(response != NULL);
    free(response);
}

/* One process frees its client, or closes it, before the other begins to serve. */
static void test_one_goes_on(anwdl_protocol_t framing, bool child_goes_on, bool closes) {
    bool is_gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_options_t *options = is_gcm ? make_late_options() : make_shared_key_options();
    peer_t peer;
    int ends[2], is_freed[2];
    char byte = 0;
    make_tcp_pair(ends);
    REQUIRE(pipe(is_freed) == 0);
    REQUIRE(anwdl_client_options_set_protocol(options, framing) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_timeout(options, ANWDL_PATIENCE * 10000) == ANWDL_OK);
    anwdl_client_t *client = peer_open_client(&peer, ends, options, framing, NULL);
    anwdl_client_options_free(options);
    pid_t pid = start_child();
    bool goes_on = (pid == 0) == child_goes_on;
    if (!goes_on) {
        if (closes)
            CHECK_OK(anwdl_client_close_connection(client));
        anwdl_client_free(client);
        REQUIRE(write(is_freed[1], &byte, 1) == 1);
    } else {
        REQUIRE(read(is_freed[0], &byte, 1) == 1);
    }
    if (pid == 0) { /* as a peer, the parent alone holds the other end */
        if (goes_on)
            serve(client);
        else
            ask(&peer);
        _exit(check_finish());
    }
    if (goes_on)
        serve(client);
    else
        ask(&peer);
    end_child(pid);
    peer_free(&peer);
    close(is_freed[0]);
    close(is_freed[1]);
}

/* -- children of a process whose other threads are busy -----------------------------------------
 */

enum { BUSY_THREADS = 3, BUSY_CHILDREN = 40, ENDING_CHILDREN = 600 };

typedef struct {
    pthread_t threads[BUSY_THREADS];
    void (*work)(const void *shared);
    const void *shared;
    atomic_bool is_over;
    atomic_uint rounds;
} busy_t;

static void *work_until_over(void *argument) {
    busy_t *busy = argument;
    while (!atomic_load(&busy->is_over)) {
        busy->work(busy->shared);
        atomic_fetch_add(&busy->rounds, 1);
    }
    return NULL;
}

/* Returns when the threads are at work. */
static void start_busy(busy_t *busy) {
    for (size_t at = 0; at < BUSY_THREADS; at++)
        REQUIRE(pthread_create(&busy->threads[at], NULL, work_until_over, busy) == 0);
    while (atomic_load(&busy->rounds) < BUSY_THREADS)
        sched_yield();
}

static void end_busy(busy_t *busy) {
    atomic_store(&busy->is_over, true);
    for (size_t at = 0; at < BUSY_THREADS; at++)
        REQUIRE(pthread_join(busy->threads[at], NULL) == 0);
}

/* A session of its own, of which nothing is shared but the options with their key pair. */
static void exchange(const void *options) {
    anwdl_session_t *server = NULL;
    anwdl_session_t *client = NULL;
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &server) == ANWDL_OK);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &client) == ANWDL_OK);
    exchange_keys_of(server, client);
    anwdl_session_free(server);
    anwdl_session_free(client);
}

static unsigned test_children_of_busy_threads(void) {
    anwdl_client_options_t *options = make_server_options();
    busy_t busy = {.work = exchange, .shared = options};
    start_busy(&busy);
    for (size_t child = 0; child < BUSY_CHILDREN; child++) {
        pid_t pid = start_child();
        if (pid == 0) {
            exchange(options);
            exchange(options);
            pid_t grandchild = start_child();
            if (grandchild != 0)
                end_child(grandchild);
            exchange(options);
            _exit(check_finish());
        }
        end_child(pid);
    }
    end_busy(&busy);
    anwdl_client_options_free(options);
    return 2 * BUSY_CHILDREN;
}

static void encrypt_text(const void *wrapper) {
    uint8_t *ciphertext = NULL;
    size_t len = 0;
    REQUIRE(anwdl_rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)"text", 4, true, &ciphertext,
                                           &len) == ANWDL_OK);
    anwdl_bytes_free(ciphertext, len);
}

/* They end as programs do, while other threads draw random numbers. */
static unsigned test_children_that_exit(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    busy_t busy = {.work = encrypt_text, .shared = wrapper};
    start_busy(&busy);
    for (size_t child = 0; child < ENDING_CHILDREN; child++) {
        pid_t pid = start_child();
        if (pid == 0) {
            alarm(10 * ANWDL_PATIENCE); /* ends it if a lock of another thread stops it */
            exit(EXIT_SUCCESS);
        }
        end_child(pid);
    }
    end_busy(&busy);
    anwdl_rsa_wrapper_free(wrapper);
    return ENDING_CHILDREN;
}

int main(void) {
    unsigned drawn = 0, sessions = 0;
    make_all();
    for (size_t at = 0; at < sizeof SOURCES / sizeof *SOURCES; at++)
        drawn += test_source(&SOURCES[at]);
    free_all();
    for (int child_goes_on = 0; child_goes_on <= 1; child_goes_on++)
        for (int closes = 0; closes <= 1; closes++)
            for (int framing = ANWDL_PROTOCOL_V2; framing <= ANWDL_PROTOCOL_GCM; framing++) {
                sessions++;
                test_one_goes_on(framing, child_goes_on, closes);
            }
    printf("cases: %u keys, IVs, nonces and salts of a parent and its child, all different\n",
           drawn);
    if (ALLOCATOR_SURVIVES_FORKS) {
        printf("cases: %u children of threads that use the same key pair\n",
               test_children_of_busy_threads());
        printf("cases: %u children that exit() while other threads draw random numbers\n",
               test_children_that_exit());
    }
    printf("cases: %u clients that one of two processes goes on with\n", sessions);
    return check_finish();
}
