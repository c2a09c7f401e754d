/* What a message takes from the heap: how much the largest ones hold once everything was asked of
   them, what becomes of a session where there is no memory for one, and of calls with large
   arguments. */
#include "check.h"
#include "children.h"
#include "counted_heap.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* -- messages ---------------------------------------------------------------------------------- */

enum { LIMIT = 512 * 1024, AROUND = 128 };

typedef struct {
    const char *name;
    /* One member, to which its number is written, or once the whole. */
    const char *member;
    const char *filling; /* of the one string */
    bool is_in_front;
    bool is_forged;       /* it is no JSON that the library sends, and no request */
    size_t written_as;    /* characters for one of the filling, where it is more */
    bool is_of_responses; /* the string is the verb or the message */
} kind_t;

static const kind_t KINDS[] = {
    {.name = "empty strings", .member = "\"%zx\":\"\""},
    {.name = "short strings", .member = "\"%zx\":\"short\""},
    {.name = "integers", .member = "\"%zx\":0"},
    {.name = "escaped keys and values", .member = "\"\\u0061%zx\":\"\\u00e9\\n\""},
    {.name = "objects", .member = "\"%zx\":{}"},
    {.name = "equal keys", .member = "\"\":0", .is_forged = true},
    {.name = "keys that stand twice", .member = "\"%zx\":0", .is_forged = true},
    {.name = "nested names", .member = "\"%zx\":{\"\":\"\",\"a\":[\"\",\"\"]}"},
    {.name = "one string", .filling = "x"},
    {.name = "one string of escapes", .filling = "\\u0061"},
    {.name = "one string in front", .filling = "X", .is_in_front = true},
    /* Each is six characters in JSON; a verb has none. */
    {.name = "control characters in front",
     .filling = "\x01",
     .is_in_front = true,
     .written_as = 6,
     .is_of_responses = true},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static void append(char *text, size_t *len, const char *part) {
    size_t part_len = strlen(part);
    memcpy(text + *len, part, part_len + 1);
    *len += part_len;
}

enum { DIFFERENT = 200 }; /* of the keys that stand twice */

/* An object of about so many bytes, or a text; the caller frees it. */
static char *make_object(const kind_t *kind, size_t size) {
    char *text = malloc(size + AROUND);
    char member[AROUND];
    size_t len = 0, number = 0;
    REQUIRE(text != NULL);
    text[0] = '\0';
    if (!kind->is_in_front)
        append(text, &len, kind->member == NULL ? "{\"text\":\"" : "{");
    while (len + AROUND < size) {
        if (kind->member == NULL) {
            append(text, &len, kind->filling);
            continue;
        }
        const char *place = strstr(kind->member, "%zx");
        const char *comma = number == 0 ? "" : ",";
        if (place == NULL)
            snprintf(member, sizeof member, "%s%s", comma, kind->member);
        else
            snprintf(member, sizeof member, "%s%.*s%zx%s", comma, (int)(place - kind->member),
                     kind->member, kind->is_forged ? number % DIFFERENT : number, place + 3);
        append(text, &len, member);
        number++;
    }
    if (!kind->is_in_front)
        append(text, &len, kind->member == NULL ? "\"}" : "}");
    return text;
}

/* -- sessions ---------------------------------------------------------------------------------- */

typedef struct {
    anwdl_protocol_t framing;
    anwdl_role_t receiver;
    const kind_t *kind;
    size_t size;
    anwdl_session_t *session; /* that is to receive it */
    uint8_t *bytes;           /* all that the sender sends */
    size_t len;
    size_t failing, failing_count;
    bool is_short_for_good; /* of memory */
} message_t;

static anwdl_session_t *make_session(const message_t *message, anwdl_role_t role) {
    bool is_gcm = message->framing == ANWDL_PROTOCOL_GCM;
    anwdl_client_options_t *options = is_gcm ? make_server_options() : make_shared_key_options();
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_client_options_set_protocol(options, message->framing) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_max_message_size(options, message->size) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

static anwdl_status_t send_message(const message_t *message, anwdl_session_t *sender,
                                   const char *text) {
    bool is_in_front = message->kind->is_in_front;
    if (message->receiver == ANWDL_ROLE_CLIENT)
        return anwdl_session_send_response(sender, true, is_in_front ? text : "OK",
                                           is_in_front ? NULL : text, NULL);
    return anwdl_session_send_request(sender, is_in_front ? text : "STAT",
                                      is_in_front ? NULL : text);
}

/* A request of v2, which is its length and its ciphertext, of a text that the library sends to
   nobody. */
static void forge(message_t *message, const char *parameters) {
    anwdl_aes_wrapper_t *wrapper = make_aes_wrapper(ANWDL_AES_CBC);
    size_t size = strlen(parameters) + AROUND, len = 0;
    char *text = malloc(size);
    uint8_t *packet = NULL;
    char header[32];
    REQUIRE(text != NULL);
    snprintf(text, size, "{\"verb\": \"STAT\", \"parameters\": %s}", parameters);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(wrapper, (const uint8_t *)text, strlen(text), &packet,
                                           &len) == ANWDL_OK);
    snprintf(header, sizeof header, "%zu========", len);
    memcpy(message->bytes, header, 8);
    memcpy(message->bytes + 8, packet, len);
    message->len = 8 + len;
    anwdl_bytes_free(packet, len);
    anwdl_aes_wrapper_free(wrapper);
    free(text);
}

static void send_whole(message_t *message, anwdl_session_t *sender, const char *text) {
    anwdl_status_t status;
    while ((status = send_message(message, sender, text)) != ANWDL_OK) {
        const uint8_t *pending = NULL;
        size_t len = 0, taken = 0;
        if (status == ANWDL_WANT_READ) {
            REQUIRE(anwdl_session_feed(sender, (const uint8_t *)"1", 1, &taken) == ANWDL_OK);
            continue;
        }
        REQUIRE(status == ANWDL_WANT_WRITE);
        REQUIRE(anwdl_session_get_pending(sender, &pending, &len) == ANWDL_OK);
        memcpy(message->bytes + message->len, pending, len);
        message->len += len;
        REQUIRE(anwdl_session_sent(sender, len) == ANWDL_OK);
    }
}

/* Makes the session, and records what the other side sends to it. */
static void record(message_t *message) {
    bool is_for_client = message->receiver == ANWDL_ROLE_CLIENT;
    anwdl_session_t *sender =
        make_session(message, is_for_client ? ANWDL_ROLE_SERVER : ANWDL_ROLE_CLIENT);
    message->session = make_session(message, message->receiver);
    if (message->framing == ANWDL_PROTOCOL_GCM)
        exchange_keys_of(is_for_client ? sender : message->session,
                         is_for_client ? message->session : sender);
    size_t written_as = message->kind->written_as > 0 ? message->kind->written_as : 1;
    char *text = make_object(message->kind, (message->size - AROUND) / written_as);
    message->bytes = malloc(message->size + AROUND);
    message->len = 0;
    REQUIRE(message->bytes != NULL);
    if (message->kind->is_forged)
        forge(message, text);
    else
        send_whole(message, sender, text);
    free(text);
    anwdl_session_free(sender);
}

typedef struct {
    anwdl_request_t *request;
    anwdl_response_t *response;
} received_t;

/* Receives it; the library's calls are counted. */
static anwdl_status_t receive(const message_t *message, anwdl_session_t *session,
                              received_t *received) {
    size_t at = 0;
    for (;;) {
        is_counted = true;
        anwdl_status_t status =
            message->receiver == ANWDL_ROLE_CLIENT
                ? anwdl_session_recv_response(session, &received->response)
                : anwdl_session_recv_request(session, false, &received->request);
        is_counted = false;
        if (status == ANWDL_WANT_WRITE) {
            const uint8_t *pending = NULL;
            size_t len = 0;
            REQUIRE(anwdl_session_get_pending(session, &pending, &len) == ANWDL_OK);
            REQUIRE(anwdl_session_sent(session, len) == ANWDL_OK);
            continue;
        }
        if (status != ANWDL_WANT_READ)
            return status;
        size_t taken = 0;
        is_counted = true;
        status = anwdl_session_feed(session, message->bytes + at, message->len - at, &taken);
        is_counted = false;
        if (status != ANWDL_OK)
            return status;
        at += taken;
    }
}

/* Reads each value, and each name, of what lies in a value. */
static bool read_all(anwdl_value_t value) {
    bool holds = true;
    anwdl_value_t inner = anwdl_value_get_first(value);
    for (; anwdl_value_get_type(inner) != ANWDL_VALUE_NONE; inner = anwdl_value_get_next(inner)) {
        const char *string;
        bool is_string = anwdl_value_get_type(inner) == ANWDL_VALUE_STRING;
        holds &= (anwdl_value_get_name(inner, NULL) != NULL) ==
                 (anwdl_value_get_type(value) == ANWDL_VALUE_OBJECT);
        holds &= !is_string || anwdl_value_get_string(inner, "", &string, NULL) == ANWDL_OK;
        holds &= read_all(inner);
    }
    return holds;
}

static anwdl_value_t root_of(const received_t *received) {
    return received->request != NULL ? anwdl_request_get_parameters(received->request)
                                     : anwdl_response_get_data(received->response);
}

/* Asks for everything but the copies of the JSON. What was said of a failure must be documented. */
static bool ask_for_values(const received_t *received) {
    static const char *const NAMES[] = {"text", "0", "a0", "1ff", "absent"};
    bool holds = true;
    for (size_t at = 0; at < sizeof NAMES / sizeof NAMES[0]; at++) {
        int64_t integer = 0;
        bool boolean = false;
        if (received->request != NULL) {
            anwdl_request_get_string(received->request, NAMES[at], NULL);
            anwdl_request_get_integer(received->request, NAMES[at], &integer);
            anwdl_request_get_boolean(received->request, NAMES[at], &boolean);
            holds &= anwdl_request_get_verb(received->request) != NULL;
            holds &= anwdl_request_get_json(received->request) != NULL;
        } else {
            anwdl_response_get_string(received->response, NAMES[at], NULL);
            anwdl_response_get_integer(received->response, NAMES[at], &integer);
            anwdl_response_get_boolean(received->response, NAMES[at], &boolean);
            holds &= anwdl_response_get_message(received->response) != NULL;
            holds &= anwdl_response_get_json(received->response) != NULL;
        }
    }
    return holds && read_all(root_of(received));
}

static const char *inner_json(const received_t *received) {
    return received->request != NULL ? anwdl_request_get_parameters_json(received->request)
                                     : anwdl_response_get_data_json(received->response);
}

static void free_received(const received_t *received) {
    anwdl_request_free(received->request);
    anwdl_response_free(received->response);
}

/* -- what a message holds ---------------------------------------------------------------------- */

enum { SMALL = 16 * 1024 };

/* The most of any message, in limits. */
static struct {
    double values;
    double with_inner_json;
    double while_read;
} most_held;

static double of_limit(long long bytes, double *most) {
    double share = (double)bytes / LIMIT;
    if (share > *most)
        *most = share;
    return share;
}

/* What is malformed is held as a text, until the next is received. */
static void check_held_malformed(message_t *message) {
    received_t received = {NULL, NULL};
    record(message);
    anwdl_session_t *session = message->session;
    start_counting(SIZE_MAX, 0);
    CHECK_FAILURE(receive(message, session, &received), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_MALFORMED_REQUEST);
    CHECK(anwdl_session_get_malformed_request_json(session) != NULL);
    CHECK(bytes_in_use <= LIMIT + SMALL);
    CHECK(most_in_use <= 4 * LIMIT);
    printf("a malformed request of %s holds %.2f of the limit; %.2f while read\n",
           message->kind->name, of_limit(bytes_in_use, &most_held.values),
           of_limit(most_in_use, &most_held.while_read));
    anwdl_session_free(session);
    free(message->bytes);
}

static void check_held(message_t *message) {
    received_t received = {NULL, NULL};
    record(message);
    anwdl_session_t *session = message->session;
    start_counting(SIZE_MAX, 0);
    if (!CHECK_OK(receive(message, session, &received)))
        exit(check_finish());
    long long most = most_in_use;
    is_counted = true;
    bool is_whole = ask_for_values(&received);
    is_counted = false;
    CHECK(is_whole);
    long long values = bytes_in_use;
    is_counted = true;
    const char *json = inner_json(&received);
    is_counted = false;
    CHECK(json != NULL);
    long long all = bytes_in_use;
    /* Everything by name and as one text, beside the text itself. */
    bool holds = CHECK(values <= 2 * LIMIT + SMALL);
    /* The parameters or data as a text of their own are one copy more. */
    holds &= CHECK(all <= values + (long long)strlen(json) + SMALL);
    holds &= CHECK(all <= 3 * LIMIT + SMALL);
    holds &= CHECK(most <= 4 * LIMIT);
    printf("a %s of %s holds %.2f of the limit, %.2f with its inner JSON; %.2f while read\n",
           message->receiver == ANWDL_ROLE_CLIENT ? "response" : "request", message->kind->name,
           of_limit(values, &most_held.values), of_limit(all, &most_held.with_inner_json),
           of_limit(most, &most_held.while_read));
    if (!holds)
        fprintf(stderr, "  that was %s\n", message->kind->name);
    is_counted = true;
    free_received(&received);
    anwdl_session_end(session);
    is_counted = false;
    CHECK(bytes_in_use <= SMALL);
    anwdl_session_free(session);
    free(message->bytes);
}

/* -- no memory for it -------------------------------------------------------------------------- */

/* The one block that is the library's own, whatever a peer sends, and that Rust cannot ask for in
   vain: a request with its share count, without its texts. It is smaller than this, and the only
   one of its kind. */
enum { OWN_BLOCK = 512, OWN_FAILURES = 2 };

static bool says_no_memory(void) {
    return anwdl_last_error_reason() == ANWDL_REASON_INTERNAL &&
           strcmp(anwdl_last_error_message(), "there is no memory for the message") == 0;
}

/* Whether what is said without memory is that, and once there is some again, the right thing. */
static child_end_t ask_without_memory(const message_t *message, const received_t *received) {
    bool was_refused = false;
    for (unsigned round = 0; round < (message->is_short_for_good ? 1 : 2); round++) {
        const char *name = "a0";
        bool has_members = !message->kind->is_in_front;
        is_counted = true;
        const char *string = !has_members ? ""
                             : received->request != NULL
                                 ? anwdl_request_get_string(received->request, name, NULL)
                                 : anwdl_response_get_string(received->response, name, NULL);
        is_counted = false;
        if (string == NULL && !says_no_memory())
            return CHILD_OTHER;
        is_counted = true;
        const char *first =
            !has_members ? ""
                         : anwdl_value_get_name(anwdl_value_get_first(root_of(received)), NULL);
        is_counted = false;
        if (first == NULL && !says_no_memory())
            return CHILD_OTHER;
        was_refused |= first == NULL;
        was_refused |= string == NULL;
        is_counted = true;
        const char *json = inner_json(received);
        is_counted = false;
        if (json == NULL && !says_no_memory())
            return CHILD_OTHER;
        was_refused |= json == NULL;
        /* From now on there is some. */
        start_counting(SIZE_MAX, 0);
        if (round == 1 && (string == NULL || first == NULL || json == NULL))
            return CHILD_OTHER;
    }
    return was_refused ? CHILD_REFUSED : CHILD_AS_USUAL;
}

static child_end_t receive_without_memory(const void *context) {
    const message_t *message = context; /* of a child, whose session is a copy */
    anwdl_session_t *session = message->session;
    received_t received = {NULL, NULL};
    start_counting(message->failing, message->failing_count);
    anwdl_status_t status = receive(message, session, &received);
    if (status == ANWDL_OK) {
        child_end_t end = ask_without_memory(message, &received);
        free_received(&received);
        anwdl_session_free(session);
        return end;
    }
    bool is_documented = status == ANWDL_RUNTIME_ERROR && says_no_memory();
    start_counting(SIZE_MAX, 0);
    /* Objects that could not be made are nobody's; the session has ended, unless it was only the
       last step, the response's own block, that failed. */
    bool has_failed = anwdl_session_has_failed(session) || message->receiver == ANWDL_ROLE_CLIENT;
    anwdl_session_free(session);
    bool is_untouched = received.request == NULL && received.response == NULL;
    return is_documented && has_failed && is_untouched ? CHILD_REFUSED : CHILD_OTHER;
}

static size_t refused, aborted, cases;

static void check_each_failure(message_t *message) {
    record(message);
    message->failing = SIZE_MAX;
    message->failing_count = 0;
    clear_sizes();
    REQUIRE(run_child(receive_without_memory, message) == CHILD_AS_USUAL);
    size_t count = count_sizes(), aborted_before = aborted;
    CHECK(count > 3);
    for (message->failing = 0; message->failing < count; message->failing++)
        for (unsigned all = 0; all < 2; all++) {
            message->failing_count = all == 1 ? SIZE_MAX : 1;
            child_end_t end = run_child(receive_without_memory, message);
            bool is_own = sizes[message->failing] < OWN_BLOCK;
            /* A buffer that could not grow is tried again, and an index only saves time. */
            if (!CHECK(end == CHILD_REFUSED || end == CHILD_AS_USUAL ||
                       (is_own && end == CHILD_ABORTED)))
                fprintf(stderr, "  that was %s, without memory for block %zu of %zu bytes: %s\n",
                        message->kind->name, message->failing, sizes[message->failing],
                        child_end_name(end));
            cases++;
            refused += end == CHILD_REFUSED;
            aborted += end == CHILD_ABORTED;
        }
    CHECK_INTEGER(aborted - aborted_before,
                  message->receiver == ANWDL_ROLE_SERVER ? OWN_FAILURES : 0);
    anwdl_session_free(message->session);
    free(message->bytes);
}

/* -- no memory for large arguments ------------------------------------------------------------- */

/* LIMITED is more than the library copies of an argument that has a limit. */
enum { BIG = 256 * 1024, LIMITED = 32 * 1024 };

static char big_text[BIG + 1], big_json[BIG + 64];
static char line_ends[BIG + 1];   /* each is two characters in JSON */
static char big_pointer[BIG + 1]; /* as a JSON Pointer, to the member of big_name */
static const char *const big_name = big_pointer + 1;
static char escaped_pointer[BIG + 1]; /* to a name of tildes */
static uint8_t *cbc_text, *gcm_text;  /* big_text, encrypted */
static size_t cbc_len, gcm_len;
static anwdl_data_t *changed, *changed_array, *big_data, *big_array;
static anwdl_value_t big_value, named_string, named_number;
static anwdl_session_t *answering, *asking;
static anwdl_aes_wrapper_t *cbc, *gcm;
static anwdl_rsa_wrapper_t *rsa;
static anwdl_client_options_t *changed_options;
static anwdl_client_interface_t *unconnected;

static anwdl_status_t set_string(void) {
    return anwdl_data_set_string(changed, "new", big_text);
}
static anwdl_status_t set_name(void) {
    return anwdl_data_set_integer(changed, big_text, 1);
}
static anwdl_status_t replace_string(void) {
    return anwdl_data_set_string(changed, "kept", big_text);
}
static anwdl_status_t set_json(void) {
    return anwdl_data_set_json(changed, "new", big_json);
}
static anwdl_status_t set_value(void) {
    return anwdl_data_set_value(changed, "new", big_value);
}
static anwdl_status_t set_object(void) {
    return anwdl_data_set_object(changed, "new", big_data);
}
static anwdl_status_t set_array(void) {
    return anwdl_data_set_array(changed, "new", big_array);
}
static anwdl_status_t set_statistics(void) {
    return anwdl_data_set_statistics(changed, 1, big_text);
}
static anwdl_status_t add_string(void) {
    return anwdl_data_add_string(changed_array, big_text);
}
static anwdl_status_t add_json(void) {
    return anwdl_data_add_json(changed_array, big_json);
}
static anwdl_status_t add_value(void) {
    return anwdl_data_add_value(changed_array, big_value);
}
static anwdl_status_t add_object(void) {
    return anwdl_data_add_object(changed_array, big_data);
}
static anwdl_status_t add_array(void) {
    return anwdl_data_add_array(changed_array, big_array);
}
static anwdl_status_t from_json(void) {
    anwdl_data_t *made = NULL;
    return anwdl_data_from_json(big_json, &made);
}
static anwdl_status_t to_json(void) {
    char *json = NULL;
    return anwdl_data_to_json(big_data, &json);
}
static anwdl_status_t value_to_json(void) {
    char *json = NULL;
    return anwdl_value_to_json(big_value, &json);
}
static anwdl_status_t get_value(void) {
    return anwdl_data_get_value(big_data).owner != NULL ? ANWDL_OK : ANWDL_RUNTIME_ERROR;
}
static anwdl_status_t begun(anwdl_status_t status) {
    return status == ANWDL_WANT_WRITE || status == ANWDL_WANT_READ ? ANWDL_OK : status;
}
static anwdl_status_t send_data(void) {
    return begun(
        anwdl_session_send_response_data(answering, true, ANWDL_RESPONSE_MSG_OK, big_data, NULL));
}
static anwdl_status_t send_json(void) {
    return begun(
        anwdl_session_send_response(answering, true, ANWDL_RESPONSE_MSG_OK, big_json, NULL));
}
static anwdl_status_t send_reason(void) {
    return begun(anwdl_session_send_response(answering, false, "no", NULL, big_text));
}
static anwdl_status_t send_escaped_reason(void) {
    return begun(anwdl_session_send_response(answering, false, "no", NULL, line_ends));
}
static anwdl_status_t send_escaped_message(void) {
    return begun(anwdl_session_send_response(answering, false, line_ends, big_json, line_ends));
}
static anwdl_status_t send_request(void) {
    return begun(anwdl_session_send_request(asking, "STAT", big_json));
}
static anwdl_status_t send_request_data(void) {
    return begun(anwdl_session_send_request_data(asking, "STAT", big_data));
}
static anwdl_status_t send_escaped_verb(void) {
    return begun(anwdl_session_send_request(asking, line_ends, NULL));
}
static anwdl_status_t set_escaped_string(void) {
    return anwdl_data_set_string(changed, line_ends, line_ends);
}
static anwdl_status_t find_escaped_pointer(void) {
    anwdl_last_error_clear();
    anwdl_value_t found = anwdl_value_find(big_value, escaped_pointer);
    bool has_failed = anwdl_last_error_reason() != ANWDL_REASON_NONE;
    return found.owner == NULL && !has_failed ? ANWDL_OK : ANWDL_RUNTIME_ERROR;
}

static anwdl_status_t encrypt_with(const anwdl_aes_wrapper_t *wrapper) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_aes_wrapper_encrypt_data(wrapper, (const uint8_t *)big_text, BIG, &bytes, &len);
}
static anwdl_status_t encrypt_cbc(void) {
    return encrypt_with(cbc);
}
static anwdl_status_t encrypt_gcm(void) {
    return encrypt_with(gcm);
}
static anwdl_status_t decrypt_cbc(void) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_aes_wrapper_decrypt_data(cbc, cbc_text, cbc_len, &bytes, &len);
}
static anwdl_status_t decrypt_gcm(void) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_aes_wrapper_decrypt_data(gcm, gcm_text, gcm_len, &bytes, &len);
}

static anwdl_status_t find_nothing(void) {
    int64_t number = 0;
    return anwdl_value_get_integer(big_value, big_pointer, &number);
}
static anwdl_status_t find_another_type(void) {
    int64_t number = 0;
    return anwdl_value_get_integer(named_string, big_pointer, &number);
}
static anwdl_status_t find_a_large_integer(void) {
    int64_t number = 0;
    return anwdl_value_get_integer(named_number, big_pointer, &number);
}
static anwdl_status_t find_a_large_float(void) {
    double number = 0;
    return anwdl_value_get_float(named_number, big_pointer, &number);
}
static anwdl_status_t set_peer_ip(void) {
    return anwdl_client_options_set_peer_ip(changed_options, big_text);
}
static anwdl_status_t set_fingerprint(void) {
    return anwdl_client_options_set_expected_fingerprint(changed_options, big_text);
}
static anwdl_status_t connect_server(void) {
    return anwdl_client_interface_connect_server(unconnected, big_text, 1);
}
static anwdl_status_t load_key(void) {
    return anwdl_rsa_wrapper_load(rsa, big_text);
}
static anwdl_status_t save_key(void) {
    return anwdl_rsa_wrapper_save(rsa, big_text);
}
static anwdl_status_t set_pem(void) {
    return anwdl_rsa_wrapper_set_private_key(rsa, big_text, true);
}
static anwdl_status_t set_der(void) {
    return anwdl_rsa_wrapper_set_remote_public_key_der(rsa, (const uint8_t *)big_text, BIG);
}
static anwdl_status_t set_numbers(void) {
    const uint8_t *digits = (const uint8_t *)big_text;
    return anwdl_rsa_wrapper_set_public_numbers(rsa, digits, BIG, digits, BIG);
}
static anwdl_status_t set_aes_key(void) {
    const uint8_t *key = (const uint8_t *)big_text;
    return anwdl_aes_wrapper_set_key(cbc, key, BIG, key, BIG);
}
static anwdl_status_t encrypt_rsa(void) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_rsa_wrapper_encrypt_data(rsa, (const uint8_t *)big_text, BIG, true, &bytes, &len);
}
static anwdl_status_t decrypt_rsa(void) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_rsa_wrapper_decrypt_data(rsa, (const uint8_t *)big_text, BIG, &bytes, &len);
}
static anwdl_status_t sign(void) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    return anwdl_rsa_wrapper_sign_data(rsa, (const uint8_t *)big_text, BIG, &bytes, &len);
}
static anwdl_status_t verify(void) {
    const uint8_t *bytes = (const uint8_t *)big_text;
    bool is_valid = true;
    return anwdl_rsa_wrapper_verify_data_signature_with_key(rsa, bytes, BIG, bytes, BIG, true,
                                                            &is_valid);
}

typedef struct {
    const char *name;
    anwdl_status_t (*make)(void);
    anwdl_error_reason_t refusal; /* of the argument, with memory; NONE where it is fine */
    bool is_limited;              /* the argument has a limit, or no copy of it is made */
    size_t failing, failing_count;
} big_call_t;

static char *json_of(const anwdl_data_t *data) {
    char *json = NULL;
    REQUIRE(anwdl_data_to_json(data, &json) == ANWDL_OK);
    return json;
}

/* What is refused changes nothing. */
static child_end_t make_big_call(const void *context) {
    const big_call_t *call = context;
    char *before = json_of(changed), *array_before = json_of(changed_array);
    start_counting(call->failing, call->failing_count);
    is_counted = true;
    anwdl_status_t status = call->make();
    is_counted = false;
    start_counting(SIZE_MAX, 0);
    anwdl_error_reason_t reason =
        status == ANWDL_OK ? ANWDL_REASON_NONE : anwdl_last_error_reason();
    if (reason == call->refusal)
        return CHILD_AS_USUAL;
    bool is_documented =
        status == ANWDL_RUNTIME_ERROR && anwdl_last_error_reason() == ANWDL_REASON_INTERNAL;
    char *after = json_of(changed), *array_after = json_of(changed_array);
    bool is_unchanged = strcmp(before, after) == 0 && strcmp(array_before, array_after) == 0;
    return is_documented && is_unchanged ? CHILD_REFUSED : CHILD_OTHER;
}

static anwdl_data_t *named(const char *json) {
    anwdl_data_t *data = NULL;
    REQUIRE(anwdl_data_new(&data) == ANWDL_OK);
    REQUIRE(anwdl_data_set_json(data, big_name, json) == ANWDL_OK);
    return data;
}

static void check_large_arguments(void) {
    static const big_call_t CALLS[] = {
        {.name = "set_string", .make = set_string},
        {.name = "set_integer under a long name", .make = set_name},
        {.name = "set_string again", .make = replace_string},
        {.name = "set_json", .make = set_json},
        {.name = "set_value", .make = set_value},
        {.name = "set_object", .make = set_object},
        {.name = "set_array", .make = set_array},
        {.name = "set_statistics", .make = set_statistics},
        {.name = "add_string", .make = add_string},
        {.name = "add_json", .make = add_json},
        {.name = "add_value", .make = add_value},
        {.name = "add_object", .make = add_object},
        {.name = "add_array", .make = add_array},
        {.name = "from_json", .make = from_json},
        {.name = "to_json", .make = to_json},
        {.name = "value_to_json", .make = value_to_json},
        {.name = "get_value", .make = get_value},
        {.name = "send_response_data", .make = send_data},
        {.name = "send_response with data", .make = send_json},
        {.name = "send_response with a reason", .make = send_reason},
        {.name = "send_response with a reason of line ends", .make = send_escaped_reason},
        {.name = "send_response with line ends and data", .make = send_escaped_message},
        {.name = "send_request", .make = send_request},
        {.name = "send_request_data", .make = send_request_data},
        {.name = "send_request with a verb of line ends",
         .make = send_escaped_verb,
         .refusal = ANWDL_REASON_MALFORMED_REQUEST},
        {.name = "set_string with line ends", .make = set_escaped_string},
        {.name = "find with escapes", .make = find_escaped_pointer},
        {.name = "encrypt_data with CBC", .make = encrypt_cbc},
        {.name = "encrypt_data with GCM", .make = encrypt_gcm},
        {.name = "decrypt_data with CBC", .make = decrypt_cbc},
        {.name = "decrypt_data with GCM", .make = decrypt_gcm},
        {"get_integer of nothing", find_nothing, ANWDL_REASON_NOT_FOUND, true, 0, 0},
        {"get_integer of a string", find_another_type, ANWDL_REASON_WRONG_TYPE, true, 0, 0},
        {"get_integer of too many digits", find_a_large_integer, ANWDL_REASON_OUT_OF_RANGE, true, 0,
         0},
        {"get_float of too many digits", find_a_large_float, ANWDL_REASON_OUT_OF_RANGE, true, 0, 0},
        {"set_peer_ip", set_peer_ip, ANWDL_REASON_INVALID_ARGUMENT, true, 0, 0},
        {"set_expected_fingerprint", set_fingerprint, ANWDL_REASON_INVALID_ARGUMENT, true, 0, 0},
        {"connect_server", connect_server, ANWDL_REASON_INVALID_ARGUMENT, true, 0, 0},
        {"load", load_key, ANWDL_REASON_IO_FAILED, true, 0, 0},
        {"save", save_key, ANWDL_REASON_IO_FAILED, true, 0, 0},
        {"set_private_key", set_pem, ANWDL_REASON_INVALID_KEY, true, 0, 0},
        {"set_remote_public_key_der", set_der, ANWDL_REASON_INVALID_KEY, true, 0, 0},
        {"set_public_numbers", set_numbers, ANWDL_REASON_INVALID_KEY, true, 0, 0},
        {"set_key", set_aes_key, ANWDL_REASON_INVALID_ARGUMENT, true, 0, 0},
        {"encrypt_data with RSA", encrypt_rsa, ANWDL_REASON_INVALID_ARGUMENT, true, 0, 0},
        {"decrypt_data with RSA", decrypt_rsa, ANWDL_REASON_DECRYPTION_FAILED, true, 0, 0},
        {"sign_data", sign, ANWDL_REASON_NONE, true, 0, 0},
        {"verify_data_signature", verify, ANWDL_REASON_NONE, true, 0, 0},
    };
    static char digits[512]; /* more than the largest float has */
    anwdl_client_options_t *options = make_shared_key_options();
    memset(big_text, 'x', BIG);
    memset(line_ends, '\n', BIG);
    memset(big_pointer, 'y', BIG);
    big_pointer[0] = '/';
    for (size_t at = 0; at < BIG; at += 2)
        memcpy(&escaped_pointer[at], at == 0 ? "/y" : "~0", 2);
    memset(digits, '9', sizeof digits - 1);
    snprintf(big_json, sizeof big_json, "{\"a\": \"%s\", \"b\\n\": [1]}", big_text);
    REQUIRE(anwdl_data_new(&changed) == ANWDL_OK);
    REQUIRE(anwdl_data_set_string(changed, "kept", "as it is") == ANWDL_OK);
    REQUIRE(anwdl_data_new_array(&changed_array) == ANWDL_OK);
    REQUIRE(anwdl_data_from_json(big_json, &big_data) == ANWDL_OK);
    REQUIRE(anwdl_data_new_array(&big_array) == ANWDL_OK);
    REQUIRE(anwdl_data_add_string(big_array, big_text) == ANWDL_OK);
    anwdl_data_t *read = NULL;
    REQUIRE(anwdl_data_from_json(big_json, &read) == ANWDL_OK);
    big_value = anwdl_data_get_value(read);
    anwdl_data_t *with_string = named("\"a string\""), *with_number = named(digits);
    named_string = anwdl_data_get_value(with_string);
    named_number = anwdl_data_get_value(with_number);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_SERVER, options, &answering) == ANWDL_OK);
    REQUIRE(anwdl_session_new(ANWDL_ROLE_CLIENT, options, &asking) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &unconnected) == ANWDL_OK);
    changed_options = options;
    cbc = make_aes_wrapper(ANWDL_AES_CBC);
    gcm = make_aes_wrapper(ANWDL_AES_GCM);
    rsa = make_rsa_wrapper("server");
    REQUIRE(anwdl_aes_wrapper_encrypt_data(cbc, (const uint8_t *)big_text, BIG, &cbc_text,
                                           &cbc_len) == ANWDL_OK);
    REQUIRE(anwdl_aes_wrapper_encrypt_data(gcm, (const uint8_t *)big_text, BIG, &gcm_text,
                                           &gcm_len) == ANWDL_OK);
    for (size_t at = 0; at < sizeof CALLS / sizeof CALLS[0]; at++) {
        big_call_t call = CALLS[at];
        call.failing = SIZE_MAX;
        clear_sizes();
        /* To find errors, and to tell of them, takes blocks of the library's own. */
        bool has_others = call.is_limited || call.refusal != ANWDL_REASON_NONE;
        smallest_numbered = has_others ? LIMITED : OWN_BLOCK;
        child_end_t end = run_child(make_big_call, &call);
        size_t count = count_sizes();
        if (!CHECK(end == CHILD_AS_USUAL) || !CHECK((count == 0) == call.is_limited))
            fprintf(stderr, "  that was %s, with %zu large blocks: %s\n", call.name, count,
                    child_end_name(end));
        for (call.failing = 0; call.failing < count; call.failing++)
            for (unsigned all = 0; all < 2; all++) {
                call.failing_count = all == 1 ? SIZE_MAX : 1;
                end = run_child(make_big_call, &call);
                if (!CHECK(end == CHILD_REFUSED))
                    fprintf(stderr,
                            "  that was %s, without memory for block %zu of %zu bytes: %s\n",
                            call.name, call.failing, sizes[call.failing], child_end_name(end));
                cases++;
            }
    }
    smallest_numbered = 0;
    anwdl_session_free(answering);
    anwdl_session_free(asking);
    anwdl_client_interface_free(unconnected);
    anwdl_client_options_free(options);
    anwdl_aes_wrapper_free(cbc);
    anwdl_aes_wrapper_free(gcm);
    anwdl_rsa_wrapper_free(rsa);
    anwdl_bytes_free(cbc_text, cbc_len);
    anwdl_bytes_free(gcm_text, gcm_len);
    anwdl_data_free(with_string);
    anwdl_data_free(with_number);
    anwdl_data_free(changed);
    anwdl_data_free(changed_array);
    anwdl_data_free(big_data);
    anwdl_data_free(big_array);
    anwdl_data_free(read);
}

/* What the process may take more than it has. */
static void limit_memory(size_t more) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    REQUIRE(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    struct rlimit limit = {most, most};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

enum { LARGE = 4 * 1024 * 1024, STEP = 512 * 1024, STEPS = 40 };

static child_end_t receive_in_little_memory(const void *context) {
    message_t message = *(const message_t *)context;
    limit_memory(message.failing * STEP);
    message.is_short_for_good = true;
    message.failing = SIZE_MAX;
    message.failing_count = 0;
    return receive_without_memory(&message);
}

static void check_address_space(message_t *message) {
    size_t ends[CHILD_ENDS] = {0};
    record(message);
    for (message->failing = 0; message->failing < STEPS; message->failing += 3) {
        child_end_t end = run_child(receive_in_little_memory, message);
        if (!CHECK(end == CHILD_REFUSED || end == CHILD_AS_USUAL))
            fprintf(stderr, "  that was %s in %zu bytes: %s\n", message->kind->name,
                    message->failing * STEP, child_end_name(end));
        ends[end]++;
        cases++;
    }
    CHECK(ends[CHILD_REFUSED] > 0);
    CHECK(ends[CHILD_AS_USUAL] > 0);
    anwdl_session_free(message->session);
    free(message->bytes);
}

int main(void) {
    static const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                ANWDL_PROTOCOL_V4, ANWDL_PROTOCOL_GCM};
    static const anwdl_role_t RECEIVERS[] = {ANWDL_ROLE_SERVER, ANWDL_ROLE_CLIENT};
    start_heap();
    for (size_t receiver = 0; receiver < 2; receiver++)
        for (size_t kind = 0; kind < KIND_COUNT; kind++) {
            if (KINDS[kind].is_of_responses && RECEIVERS[receiver] == ANWDL_ROLE_SERVER)
                continue;
            message_t message = {.framing = FRAMINGS[kind % 4],
                                 .receiver = RECEIVERS[receiver],
                                 .kind = &KINDS[kind],
                                 .size = LIMIT};
            if (!KINDS[kind].is_forged) {
                check_held(&message);
            } else if (RECEIVERS[receiver] == ANWDL_ROLE_SERVER) {
                message.framing = ANWDL_PROTOCOL_V2;
                check_held_malformed(&message);
            }
        }
    printf(
        "figure: a message holds at most %.2f of the limit, %.2f with its inner JSON; %.2f while "
        "it is read\n",
        most_held.values, most_held.with_inner_json, most_held.while_read);
    for (size_t receiver = 0; receiver < 2; receiver++)
        for (size_t framing = 0; framing < 4; framing++) {
            message_t message = {.framing = FRAMINGS[framing],
                                 .receiver = RECEIVERS[receiver],
                                 .kind = &KINDS[framing == 3 ? 3 : 0],
                                 .size = 64 * 1024};
            check_each_failure(&message);
        }
    message_t escaped = {.framing = ANWDL_PROTOCOL_V4,
                         .receiver = ANWDL_ROLE_CLIENT,
                         .kind = &KINDS[KIND_COUNT - 1],
                         .size = 64 * 1024};
    check_each_failure(&escaped);
    check_large_arguments();
    for (size_t receiver = 0; receiver < 2; receiver++) {
        message_t message = {.framing = ANWDL_PROTOCOL_V4,
                             .receiver = RECEIVERS[receiver],
                             .kind = &KINDS[0],
                             .size = LARGE};
        check_address_space(&message);
    }
    CHECK(refused > 0);
    printf("cases: %zu messages without memory\n", cases);
    printf("%zu failures refused, %zu aborted, for blocks of the library's own\n", refused,
           aborted);
    finish_heap();
    return check_finish();
}
