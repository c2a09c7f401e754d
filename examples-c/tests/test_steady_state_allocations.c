/* What a session in its steady state takes from the heap: the requests that are kept, and nothing
   else. The program's malloc() and its kin take the place of the C library's, and count what the
   library does on the thread of the server. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In blocks of memory, for each request or response. */
enum {
    /* The request with its share count, and its text. */
    REQUEST_GIVEN_TO_THE_CALLER = 2,
    /* The same; what it replaces is freed. */
    REQUEST_STORED_IN_THE_CLIENT = 2,
    /* The request keeps its decoded strings, all in one block. */
    STRINGS_OF_A_REQUEST = 1,
    /* It is written, encrypted and sent in the buffer of the one before. */
    RESPONSE = 0,
    /* An idle session gives up a buffer that is longer than most messages need, so as to stay
       small: the next long response takes a new one, of its size. */
    LONG_RESPONSE = 1,
    /* Where a request is answered, that byte takes a new buffer after a long response. */
    ANSWER_AFTER_A_LONG_RESPONSE = 1,
};

enum {
    WARM_UP = 3, /* rounds after which buffers have the size that they keep */
    ROUNDS = 100,
};

#define UUID     "01234567-89ab-cdef-0123-456789abcdef"
#define TEN      "Az09-_xyZ3"
#define FIFTY    TEN TEN TEN TEN TEN
#define TOKEN    FIFTY FIFTY FIFTY FIFTY FIFTY "abcde"
#define FIFTEEN  "Az09AzBy18CxDw2"
#define SIXTEEN  "0123456789abcdef"
#define SHA256   SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define PASSWORD FIFTEEN FIFTEEN FIFTEEN FIFTEEN FIFTEEN FIFTEEN FIFTEEN FIFTEEN

#define STAT   "{\"verb\": \"STAT\", \"parameters\": {}}"
#define CREATE "{\"verb\": \"CREATE\", \"parameters\": {}}"
#define DESTROY                                                                                    \
    "{\"verb\": \"DESTROY\", \"parameters\": {\"container_uuid\": \"" UUID                         \
    "\", \"client_token\": \"" TOKEN "\"}}"
#define STAT_DATA "{\"uptime\": 86400, \"version\": \"1.0.0\"}"
#define CREATE_DATA                                                                                \
    "{\"container_uuid\": \"" UUID "\", \"client_token\": \"" TOKEN                                \
    "\", \"container_iso_sha256\": \"" SHA256 "\", \"container_username\": \"user_12345\", "       \
    "\"container_password\": \"" PASSWORD "\", \"container_listen_port\": 2222}"

typedef struct {
    const char *name;
    const char *request;
    const char *verb;
    const char *data; /* of the response */
    bool is_stored;
    bool has_strings;
    long long received; /* blocks that each step takes */
    long long answered; /* and receiving also, where a request is answered */
    long long read;
    long long sent;
} case_t;

static const case_t CASES[] = {
    {.name = "a request and its response",
     .request = STAT,
     .verb = "STAT",
     .data = STAT_DATA,
     .received = REQUEST_GIVEN_TO_THE_CALLER,
     .sent = RESPONSE},
    {.name = "a request that is stored",
     .request = STAT,
     .verb = "STAT",
     .data = STAT_DATA,
     .is_stored = true,
     .received = REQUEST_STORED_IN_THE_CLIENT,
     .sent = RESPONSE},
    {.name = "a request with strings",
     .request = DESTROY,
     .verb = "DESTROY",
     .data = "{}",
     .has_strings = true,
     .received = REQUEST_GIVEN_TO_THE_CALLER,
     .read = STRINGS_OF_A_REQUEST,
     .sent = RESPONSE},
    {.name = "a long response",
     .request = CREATE,
     .verb = "CREATE",
     .data = CREATE_DATA,
     .received = REQUEST_GIVEN_TO_THE_CALLER,
     .answered = ANSWER_AFTER_A_LONG_RESPONSE,
     .sent = LONG_RESPONSE},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

/* -- the heap ---------------------------------------------------------------------------------- */

static _Thread_local bool is_counted;         /* while the library is at work */
static _Thread_local long long allocations;   /* so far */
static _Thread_local long long blocks_in_use; /* of these */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static void *count_block(void *block) {
    if (is_counted && block != NULL) {
        allocations++;
        blocks_in_use++;
    }
    return block;
}

void *malloc(size_t size) {
    return count_block(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return count_block(__libc_calloc(count, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return count_block(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = count_block(__libc_memalign(alignment, size));
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

void free(void *block) {
    if (is_counted && block != NULL)
        blocks_in_use--;
    __libc_free(block);
}

/* A block that changes its size counts as a new one: it may have to move. */
void *realloc(void *block, size_t size) {
    void *resized = __libc_realloc(block, size);
    if (is_counted && block != NULL && (resized != NULL || size == 0))
        blocks_in_use--;
    return count_block(resized);
}

/* How many blocks were taken since the count was last asked for. */
static long long take_allocations(void) {
    long long count = allocations;
    allocations = 0;
    return count;
}

/* -- sessions ---------------------------------------------------------------------------------- */

static void ask(peer_t *peer) {
    if (peer->rsa != NULL && !CHECK(peer_exchange_keys(peer, true)))
        return;
    for (size_t at = 0; at < CASE_COUNT; at++)
        for (unsigned round = 0; round < WARM_UP + ROUNDS; round++) {
            char *response = peer_ask(peer, CASES[at].request);
            if (CHECK(response != NULL))
                CHECK(strstr(response, CASES[at].data) != NULL);
            free(response);
        }
}

typedef struct {
    long long received;
    long long read;
    long long sent;
} counts_t;

static void serve_once(anwdl_client_t *client, const case_t *this, counts_t *counts) {
    anwdl_request_t *request = NULL;
    size_t len = 0;
    take_allocations();
    is_counted = true;
    anwdl_status_t status =
        anwdl_client_recv_request(client, this->is_stored, this->is_stored ? NULL : &request);
    is_counted = false;
    counts->received += take_allocations();
    REQUIRE(status == ANWDL_OK);

    const anwdl_request_t *found =
        this->is_stored ? anwdl_client_get_stored_request(client) : request;
    is_counted = true;
    const char *verb = anwdl_request_get_verb(found);
    const char *json = anwdl_request_get_json(found);
    if (this->has_strings) {
        CHECK_STRING(anwdl_request_get_string(found, "container_uuid", &len), UUID);
        CHECK_STRING(anwdl_request_get_string(found, "client_token", NULL), TOKEN);
        CHECK_INTEGER(len, strlen(UUID));
    }
    is_counted = false;
    counts->read += take_allocations();
    CHECK_STRING(verb, this->verb);
    CHECK_STRING(json, this->request);

    is_counted = true;
    status = anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, this->data, NULL);
    anwdl_request_free(request);
    is_counted = false;
    counts->sent += take_allocations();
    REQUIRE(status == ANWDL_OK);
}

static void check_case(anwdl_client_t *client, const case_t *this) {
    bool is_answered = anwdl_client_get_protocol(client) != ANWDL_PROTOCOL_GCM;
    long long received = this->received + (is_answered ? this->answered : 0);
    counts_t counts = {0};
    for (unsigned round = 0; round < WARM_UP; round++)
        serve_once(client, this, &counts);
    long long in_use = blocks_in_use;
    memset(&counts, 0, sizeof counts);
    for (unsigned round = 0; round < ROUNDS; round++)
        serve_once(client, this, &counts);
    bool holds = CHECK_INTEGER(counts.received, ROUNDS * received);
    holds &= CHECK_INTEGER(counts.read, ROUNDS * this->read);
    holds &= CHECK_INTEGER(counts.sent, ROUNDS * this->sent);
    holds &= CHECK_INTEGER(blocks_in_use, in_use);
    if (!holds)
        fprintf(stderr, "  that was: %s\n", this->name);
}

static void check_session(anwdl_protocol_t framing, const char *name) {
    bool is_gcm = framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_t *client = NULL;
    peer_t peer;
    int ends[2];
    make_unix_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], framing, is_gcm ? "peer-1" : NULL);
    peer_start(&peer, ask, NULL);

    blocks_in_use = 0;
    is_counted = true;
    anwdl_client_options_t *options = is_gcm ? make_server_options() : make_shared_key_options();
    anwdl_status_t status = anwdl_client_new(ends[SERVER_SIDE], options, &client);
    is_counted = false;
    REQUIRE(status == ANWDL_OK);
    for (size_t at = 0; at < CASE_COUNT; at++)
        check_case(client, &CASES[at]);
    CHECK_INTEGER(anwdl_client_get_protocol(client), framing);
    is_counted = true;
    anwdl_client_free(client);
    anwdl_client_options_free(options);
    is_counted = false;
    if (!CHECK_INTEGER(blocks_in_use, 0))
        fprintf(stderr, "  that was the end of a session of %s\n", name);

    peer_join(&peer);
    peer_free(&peer);
}

/* What the process keeps of its first key exchange is nobody's leak. */
static void exchange_once(void) {
    peer_t peer;
    anwdl_client_free(peer_open_gcm_client(&peer, NULL));
    peer_free(&peer);
}

int main(void) {
    exchange_once();
    check_session(ANWDL_PROTOCOL_V2, "v2");
    check_session(ANWDL_PROTOCOL_V3, "v3");
    check_session(ANWDL_PROTOCOL_V4, "v4");
    check_session(ANWDL_PROTOCOL_GCM, "gcm");
    return check_finish();
}
