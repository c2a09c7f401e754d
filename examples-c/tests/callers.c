/* Valid values for each parameter of each function. */
#include "callers.h"

#include "check.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UUID      "12345678-1234-1234-1234-123456789abc"
#define SIXTEEN   "0123456789abcdef"
#define DIGEST    SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define FIFTY_ONE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
#define TOKEN     FIFTY_ONE FIFTY_ONE FIFTY_ONE FIFTY_ONE FIFTY_ONE

static const unsigned char UNTOUCHED = 0xa5;

/* Texts that suit every parameter of the name, except where a function is named. */
static const struct {
    const char *name, *function, *text;
} TEXTS[] = {
    {"message", NULL, "OK"},
    {"data_json", NULL, "{}"},
    {"parameters_json", NULL, "{}"},
    {"json", NULL, "{}"},
    {"reason", NULL, "a reason"},
    {"verb", NULL, "STAT"},
    {"ip", NULL, "192.0.2.1"},
    {"hex", NULL, DIGEST},
    {"host", NULL, "127.0.0.1"},
    {"parameter", NULL, "text"},
    {"name", NULL, "text"},
    {"value", NULL, "some text"},
    {"version", NULL, "1.0"},
    {"uuid", NULL, UUID},
    {"token", NULL, TOKEN},
    {"iso_sha256", NULL, DIGEST},
    {"user_name", NULL, "user_12345"},
    {"password", NULL, "secret"},
    {"path", "anwdl_rsa_wrapper_load", ANWDL_KEYS_DIR "/server.pem"},
};

static const struct {
    const char *name, *function;
    long long number;
} NUMBERS[] = {
    {"milliseconds", NULL, 1000},
    {"bytes", "anwdl_client_options_set_max_message_size", 1000},
    {"port", "anwdl_data_set_container", 1},
    {"public_exponent", NULL, 65537},
    {"key_size", "anwdl_rsa_wrapper_generate_key_pair", 2048},
    {"key_size", "anwdl_aes_wrapper_new", 256},
    {"count", NULL, 0},
    {"value", NULL, 1},
    {"uptime", NULL, 60},
    {"iv_len", NULL, 16},
    {"key_len", NULL, 32},
    {"store_request", NULL, 0},
    {"generate_key_pair", NULL, 0},
};

/* What valid values come to where that is not ANWDL_OK: these functions wait for a peer that is
   silent, or ask for something that is not there yet. */
static const struct {
    const char *method, *outcome;
} OUTCOMES[] = {
    {"client_exchange_keys", "WANT_READ"},
    {"interface_exchange_keys", "WANT_READ"},
    {"session_exchange_keys", "WANT_READ"},
    {"session_send_public_rsa_key", "WANT_WRITE"},
    {"session_send_request", "WANT_WRITE"},
    {"session_send_request_data", "WANT_WRITE"},
    {"session_send_response", "WANT_WRITE"},
    {"session_send_response_data", "WANT_WRITE"},
    {"_send_public_rsa_key", "WANT_READ"},
    {"_recv_public_rsa_key", "WANT_READ"},
    {"_send_aes_key", "KEY_MISSING"},
    {"_recv_aes_key", "WANT_READ"},
    {"_compute", "OUT_OF_TURN"},
    {"_recv_request", "WANT_READ"},
    {"_recv_response", "WANT_READ"},
    {"_get_server_fingerprint", "KEY_MISSING"},
};

bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

const char *prefix_of(handle_type_t type) {
    return type == CLIENT      ? "anwdl_client_"
           : type == INTERFACE ? "anwdl_client_interface_"
                               : "anwdl_session_";
}

const char *method_of(const function_t *function, handle_type_t type) {
    static const char *const TYPES[] = {"anwdl_client_t", "anwdl_session_t", "anwdl_session_t",
                                        "anwdl_client_interface_t"};
    if (function->count == 0 || function->parameters[0].kind != KIND_OBJECT ||
        strcmp(function->parameters[0].type, TYPES[type]) != 0)
        return NULL;
    return function->name + strlen(prefix_of(type));
}

/* -- what is freed with a call ----------------------------------------------------------------- */

static void free_client(void *thing) {
    anwdl_client_free(thing);
}

static void free_options(void *thing) {
    anwdl_client_options_free(thing);
}

static void free_session(void *thing) {
    anwdl_session_free(thing);
}

static void free_interface(void *thing) {
    anwdl_client_interface_free(thing);
}

static void free_request(void *thing) {
    anwdl_request_free(thing);
}

static void free_response(void *thing) {
    anwdl_response_free(thing);
}

static void free_data(void *thing) {
    anwdl_data_free(thing);
}

static void free_rsa_wrapper(void *thing) {
    anwdl_rsa_wrapper_free(thing);
}

static void free_aes_wrapper(void *thing) {
    anwdl_aes_wrapper_free(thing);
}

static void free_string(void *thing) {
    anwdl_string_free(thing);
}

static void free_bytes(void *thing) {
    anwdl_bytes_free(thing, 0);
}

static void close_descriptor(void *thing) {
    close((int)(intptr_t)thing);
}

static void remove_file(void *thing) {
    unlink(thing);
    free(thing);
}

/* How each type is freed that an output can own. */
static const struct {
    const char *type;
    void (*free)(void *thing);
} TYPES[] = {
    {"anwdl_client_t", free_client},
    {"anwdl_client_options_t", free_options},
    {"anwdl_session_t", free_session},
    {"anwdl_client_interface_t", free_interface},
    {"anwdl_request_t", free_request},
    {"anwdl_response_t", free_response},
    {"anwdl_data_t", free_data},
    {"anwdl_rsa_wrapper_t", free_rsa_wrapper},
    {"anwdl_aes_wrapper_t", free_aes_wrapper},
    {"char", free_string},
    {"uint8_t", free_bytes},
};

static void free_by_type(const char *type, void *thing) {
    for (size_t at = 0; at < sizeof TYPES / sizeof *TYPES; at++)
        if (strcmp(type, TYPES[at].type) == 0) {
            TYPES[at].free(thing);
            return;
        }
    fprintf(stderr, "nobody knows how to free %s\n", type);
    REQUIRE(!"a type of a new function");
}

static void *keep(call_t *call, void (*free)(void *thing), void *thing) {
    REQUIRE(call->thing_count < MOST_THINGS);
    call->things[call->thing_count].free = free;
    call->things[call->thing_count++].thing = thing;
    return thing;
}

/* -- objects ----------------------------------------------------------------------------------- */

static anwdl_client_options_t *make_quick_options(void) {
    anwdl_client_options_t *options = make_shared_key_options(ANWDL_AES_GCM);
    REQUIRE(anwdl_client_options_set_timeout(options, 5000) == ANWDL_OK);
    REQUIRE(anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK);
    return options;
}

static anwdl_session_t *make_quick_session(anwdl_role_t role) {
    anwdl_client_options_t *options = make_quick_options();
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

static void pass_on(anwdl_session_t *from, anwdl_session_t *to) {
    const uint8_t *bytes;
    size_t len;
    while (anwdl_session_get_pending(from, &bytes, &len) == ANWDL_OK && len > 0) {
        size_t taken = 0;
        anwdl_request_t *none = NULL;
        REQUIRE(anwdl_session_feed(to, bytes, len, &taken) == ANWDL_OK);
        REQUIRE(anwdl_session_sent(from, taken) == ANWDL_OK);
        if (taken < len && anwdl_session_get_role(to) == ANWDL_ROLE_SERVER)
            REQUIRE(anwdl_session_recv_request(to, false, &none) == ANWDL_WANT_READ);
        else if (taken < len)
            REQUIRE(anwdl_session_recv_response(to, (anwdl_response_t **)&none) == ANWDL_WANT_READ);
    }
}

/* A request and its response, as they come out of sessions. */
static void make_messages(anwdl_request_t **out_request, anwdl_response_t **out_response) {
    anwdl_session_t *server = make_quick_session(ANWDL_ROLE_SERVER);
    anwdl_session_t *client = make_quick_session(ANWDL_ROLE_CLIENT);
    REQUIRE(anwdl_session_recv_request(server, false, out_request) == ANWDL_WANT_READ);
    REQUIRE(anwdl_session_send_request(client, "STAT", "{\"text\": \"a\"}") == ANWDL_WANT_WRITE);
    pass_on(client, server);
    REQUIRE(anwdl_session_recv_request(server, false, out_request) == ANWDL_OK);
    REQUIRE(anwdl_session_send_request(client, "STAT", NULL) == ANWDL_OK);
    REQUIRE(anwdl_session_recv_response(client, out_response) == ANWDL_WANT_READ);
    REQUIRE(anwdl_session_send_response(server, true, "OK", "{\"text\": \"a\"}", NULL) ==
            ANWDL_WANT_WRITE);
    pass_on(server, client);
    REQUIRE(anwdl_session_recv_response(client, out_response) == ANWDL_OK);
    anwdl_session_free(server);
    anwdl_session_free(client);
}

static void make_message(call_t *call, value_t *value, bool is_request) {
    anwdl_request_t *request;
    anwdl_response_t *response;
    make_messages(&request, &response);
    value->pointer = is_request ? (void *)request : (void *)response;
    if (is_request)
        anwdl_response_free(response);
    else
        anwdl_request_free(request);
    keep(call, is_request ? free_request : free_response, value->pointer);
}

/* Functions that exchange keys get a handle that has exchanged none, the others one that needs
   none. */
static bool exchanges_keys(const function_t *function) {
    return strstr(function->name, "_keys") != NULL || strstr(function->name, "_key") != NULL ||
           strstr(function->name, "_compute") != NULL ||
           strstr(function->name, "_set_rsa_wrapper") != NULL ||
           strstr(function->name, "_set_aes_wrapper") != NULL;
}

static void make_quick_client(call_t *call, value_t *value) {
    anwdl_client_options_t *options = make_quick_options();
    anwdl_client_t *client = NULL;
    int ends[2];
    make_unix_pair(ends);
    keep(call, close_descriptor, (void *)(intptr_t)ends[PEER_SIDE]);
    REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
    anwdl_client_options_free(options);
    value->pointer = keep(call, free_client, client);
}

static void make_quick_interface(call_t *call, value_t *value) {
    anwdl_client_options_t *options = make_quick_options();
    anwdl_client_interface_t *interface = NULL;
    uint16_t port;
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    anwdl_client_options_free(options);
    value->pointer = keep(call, free_interface, interface);
    if (ends_with(call->function->name, "_connect_server"))
        return;
    int listener = make_listener(&port);
    keep(call, close_descriptor, (void *)(intptr_t)listener);
    REQUIRE(anwdl_client_interface_connect_server(interface, "127.0.0.1", port) == ANWDL_OK);
}

/* Whether the other side's methods are meant: sessions have those of both. */
static handle_type_t type_of_session(const function_t *function) {
    bool is_client = strstr(function->name, "_send_request") != NULL ||
                     strstr(function->name, "_recv_response") != NULL;
    return is_client ? CLIENT_SESSION : SERVER_SESSION;
}

static void make_session_object(call_t *call, value_t *value, handle_type_t type) {
    if (exchanges_keys(call->function)) {
        call->handle = make_handle(type, FRESH);
        value->pointer = call->handle.object;
    } else if (type == CLIENT) {
        make_quick_client(call, value);
    } else if (type == INTERFACE) {
        make_quick_interface(call, value);
    } else {
        anwdl_role_t role = type == SERVER_SESSION ? ANWDL_ROLE_SERVER : ANWDL_ROLE_CLIENT;
        value->pointer = keep(call, free_session, make_quick_session(role));
    }
}

/* A wrapper that has all keys. */
static anwdl_rsa_wrapper_t *make_full_rsa_wrapper(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    char *pem = NULL;
    REQUIRE(anwdl_rsa_wrapper_get_public_key(wrapper, &pem) == ANWDL_OK);
    REQUIRE(anwdl_rsa_wrapper_set_remote_public_key(wrapper, pem) == ANWDL_OK);
    anwdl_string_free(pem);
    return wrapper;
}

static void make_data(call_t *call, value_t *value, const char *name) {
    bool is_array =
        strcmp(name, "array") == 0 ||
        (strcmp(name, "data") == 0 && starts_with(call->function->name, "anwdl_data_add_"));
    anwdl_data_t *data = NULL;
    REQUIRE((is_array ? anwdl_data_new_array : anwdl_data_new)(&data) == ANWDL_OK);
    value->pointer = keep(call, free_data, data);
}

static void make_object(call_t *call, const parameter_t *parameter, value_t *value) {
    const char *type = parameter->type;
    if (strcmp(type, "anwdl_client_t") == 0)
        make_session_object(call, value, CLIENT);
    else if (strcmp(type, "anwdl_client_interface_t") == 0)
        make_session_object(call, value, INTERFACE);
    else if (strcmp(type, "anwdl_session_t") == 0)
        make_session_object(call, value, type_of_session(call->function));
    else if (strcmp(type, "anwdl_client_options_t") == 0)
        value->pointer = keep(call, free_options, make_quick_options());
    else if (strcmp(type, "anwdl_request_t") == 0)
        make_message(call, value, true);
    else if (strcmp(type, "anwdl_response_t") == 0)
        make_message(call, value, false);
    else if (strcmp(type, "anwdl_data_t") == 0)
        make_data(call, value, parameter->name);
    else if (strcmp(type, "anwdl_rsa_wrapper_t") == 0)
        value->pointer = keep(call, free_rsa_wrapper, make_full_rsa_wrapper());
    else if (strcmp(type, "anwdl_aes_wrapper_t") == 0)
        value->pointer =
            keep(call, free_aes_wrapper,
                 make_aes_wrapper(strcmp(call->function->name, "anwdl_aes_wrapper_set_key") == 0
                                      ? ANWDL_AES_CBC
                                      : ANWDL_AES_GCM));
    else
        REQUIRE(!"nobody knows how to make an object of this type");
}

/* -- everything else --------------------------------------------------------------------------- */

static void make_text(call_t *call, const parameter_t *parameter, value_t *value) {
    const char *function = call->function->name;
    if (strcmp(parameter->name, "pem") == 0) {
        anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
        char *pem = NULL;
        bool is_private = ends_with(function, "_set_private_key");
        REQUIRE((is_private ? anwdl_rsa_wrapper_get_private_key
                            : anwdl_rsa_wrapper_get_public_key)(wrapper, &pem) == ANWDL_OK);
        anwdl_rsa_wrapper_free(wrapper);
        value->pointer = keep(call, free_string, pem);
        return;
    }
    if (ends_with(function, "_save")) {
        char *path = strdup("/tmp/anwdl-callers-XXXXXX");
        REQUIRE(path != NULL);
        close(mkstemp(path));
        value->pointer = keep(call, remove_file, path);
        return;
    }
    for (size_t at = 0; at < sizeof TEXTS / sizeof *TEXTS; at++)
        if (strcmp(TEXTS[at].name, parameter->name) == 0 &&
            (TEXTS[at].function == NULL || strcmp(TEXTS[at].function, function) == 0)) {
            value->pointer = (void *)(uintptr_t)TEXTS[at].text;
            return;
        }
    fprintf(stderr, "%s: no text is known for %s\n", function, parameter->name);
    REQUIRE(!"a parameter of a new function");
}

/* Bytes of which the length follows; where a ciphertext is wanted, one that can be decrypted. */
static void make_bytes(call_t *call, size_t at) {
    static uint8_t BYTES[32] = "32 bytes of no special meaning ";
    value_t *values = call->values;
    uint8_t *out = NULL;
    size_t out_len = 0;
    values[at].pointer = BYTES;
    values[at + 1].number = sizeof BYTES;
    if (strcmp(call->function->parameters[at].name, "iv") == 0)
        values[at + 1].number = 16;
    if (strcmp(call->function->name, "anwdl_rsa_wrapper_decrypt_data") == 0)
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(values[0].pointer, BYTES, sizeof BYTES, true, &out,
                                               &out_len) == ANWDL_OK);
    if (strcmp(call->function->name, "anwdl_aes_wrapper_decrypt_data") == 0)
        REQUIRE(anwdl_aes_wrapper_encrypt_data(values[0].pointer, BYTES, sizeof BYTES, &out,
                                               &out_len) == ANWDL_OK);
    if (out != NULL) {
        values[at].pointer = keep(call, free_bytes, out);
        values[at + 1].number = (long long)out_len;
    }
}

static void make_owned(call_t *call, size_t at) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    uint8_t *bytes = NULL;
    char *text = NULL;
    size_t len = 0;
    if (call->function->count == 1) {
        REQUIRE(anwdl_rsa_wrapper_get_private_key(wrapper, &text) == ANWDL_OK);
        call->values[at].pointer = keep(call, free_string, text);
    } else {
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(wrapper, NULL, 0, true, &bytes, &len) == ANWDL_OK);
        call->values[at].pointer = keep(call, free_bytes, bytes);
        call->values[at + 1].number = (long long)len;
    }
    anwdl_rsa_wrapper_free(wrapper);
}

static void make_number(call_t *call, size_t at) {
    const function_t *function = call->function;
    const parameter_t *parameter = &function->parameters[at];
    value_t *value = &call->values[at];
    if (value->number != 0) /* a length, which came with the bytes */
        return;
    if (at > 0 && function->parameters[at - 1].kind == KIND_TEXT &&
        strcmp(parameter->name, "len") == 0) {
        value->number = (long long)strlen(call->values[at - 1].pointer);
        return;
    }
    if (ends_with(function->name, "_connect_server")) {
        uint16_t port;
        keep(call, close_descriptor, (void *)(intptr_t)make_listener(&port));
        value->number = port;
        return;
    }
    for (size_t entry = 0; entry < sizeof NUMBERS / sizeof *NUMBERS; entry++)
        if (strcmp(NUMBERS[entry].name, parameter->name) == 0 &&
            (NUMBERS[entry].function == NULL ||
             strcmp(NUMBERS[entry].function, function->name) == 0)) {
            value->number = NUMBERS[entry].number;
            return;
        }
    if (parameter->kind == KIND_BOOLEAN) {
        value->number = 1;
        return;
    }
    fprintf(stderr, "%s: no number is known for %s\n", function->name, parameter->name);
    REQUIRE(!"a parameter of a new function");
}

static void log_nothing(anwdl_log_level_t level, const char *client_id, const char *message,
                        void *user_data) {
    (void)level;
    (void)client_id;
    (void)message;
    (void)user_data;
}

static void make_value(call_t *call, size_t at) {
    const parameter_t *parameter = &call->function->parameters[at];
    value_t *value = &call->values[at];
    int ends[2];
    switch (parameter->kind) {
    case KIND_OBJECT:
        make_object(call, parameter, value);
        break;
    case KIND_TEXT:
        make_text(call, parameter, value);
        break;
    case KIND_BYTES:
        make_bytes(call, at);
        break;
    case KIND_OUTPUT:
        memset(call->places[at], UNTOUCHED, PLACE_SIZE);
        value->pointer = call->places[at];
        break;
    case KIND_OWNED:
        make_owned(call, at);
        break;
    case KIND_CALLBACK:
        value->function = log_nothing;
        break;
    case KIND_ANYTHING:
        value->pointer = call;
        break;
    case KIND_ENUM:
        value->number = 0;
        break;
    case KIND_DESCRIPTOR:
        make_unix_pair(ends);
        value->number = ends[SERVER_SIDE];
        keep(call, close_descriptor, (void *)(intptr_t)ends[PEER_SIDE]);
        keep(call, close_descriptor, (void *)(intptr_t)ends[SERVER_SIDE]);
        break;
    default:
        make_number(call, at);
    }
}

void make_call_on(call_t *call, const function_t *function, const handle_t *handle) {
    memset(call, 0, sizeof *call);
    call->function = function;
    call->handle.peer_fd = call->handle.detached_fd = -1;
    REQUIRE(function->count <= MOST_PARAMETERS);
    for (size_t at = 0; at < function->count; at++)
        if (at == 0 && handle != NULL)
            call->values[0].pointer = handle->object;
        else
            make_value(call, at);
}

void make_call(call_t *call, const function_t *function) {
    make_call_on(call, function, NULL);
}

/* It is somebody else's now. */
static void forget(call_t *call, const void *thing) {
    for (size_t at = 0; at < call->thing_count; at++)
        if (call->things[at].thing == thing) {
            call->things[at] = call->things[--call->thing_count];
            return;
        }
    if (call->handle.object == thing) {
        free_peer(&call->handle);
        call->handle.object = NULL;
    }
}

void free_call(call_t *call) {
    while (call->thing_count > 0) {
        call->thing_count--;
        call->things[call->thing_count].free(call->things[call->thing_count].thing);
    }
    if (call->handle.object != NULL)
        free_handle(&call->handle);
}

/* Frees what came out, and makes the places as they were before; gives the number of those that
   were written. */
static size_t clear_places(call_t *call) {
    size_t written = 0;
    for (size_t at = 0; at < call->function->count; at++) {
        unsigned char *place = call->places[at];
        size_t touched = 0;
        if (call->function->parameters[at].kind != KIND_OUTPUT)
            continue;
        for (size_t byte = 0; byte < PLACE_SIZE; byte++)
            touched += place[byte] != UNTOUCHED;
        written += touched > 0;
        if (touched > 0 && call->function->parameters[at].type[0] != '\0' &&
            strstr("size_t int64_t bool", call->function->parameters[at].type) == NULL) {
            void *thing;
            memcpy(&thing, place, sizeof thing);
            free_by_type(call->function->parameters[at].type, thing);
        }
        memset(place, UNTOUCHED, PLACE_SIZE);
    }
    return written;
}

outcome_t run_call_and_look(call_t *call, size_t *out_written) {
    const function_t *function = call->function;
    outcome_t outcome = {ANWDL_OK, NULL, 0};
    function->call(call->values, &outcome);
    if (ends_with(function->name, "_free") && call->values[0].pointer != NULL)
        forget(call, call->values[0].pointer);
    if (function->returns == RETURNS_STATUS && outcome.status == ANWDL_OK)
        for (size_t at = 0; at < function->count; at++)
            if (function->parameters[at].kind == KIND_DESCRIPTOR)
                forget(call, (void *)(intptr_t)call->values[at].number);
    if (ends_with(function->name, "_detach") && outcome.number >= 0)
        keep(call, close_descriptor, (void *)(intptr_t)outcome.number);
    if (strcmp(function->name, "anwdl_client_options_new") == 0 && outcome.pointer != NULL)
        keep(call, free_options, (void *)(uintptr_t)outcome.pointer);
    if (strcmp(function->name, "anwdl_set_log_callback") == 0)
        REQUIRE(outcome.status != ANWDL_OK ||
                anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL) == ANWDL_OK);
    *out_written = clear_places(call);
    return outcome;
}

outcome_t run_call(call_t *call) {
    size_t written;
    return run_call_and_look(call, &written);
}

/* -- outcomes ---------------------------------------------------------------------------------- */

void forget_last_error(void) {
    anwdl_client_t *client;
    REQUIRE(anwdl_client_new(-1, NULL, &client) == ANWDL_VALUE_ERROR);
}

/* Whether the last error is the one that forget_last_error() put in its place: only
   anwdl_client_new(), which has a status, has that reason. */
static bool is_forgotten(const function_t *function, anwdl_error_reason_t reason) {
    return function->returns != RETURNS_STATUS && reason == ANWDL_REASON_INVALID_DESCRIPTOR;
}

bool has_failed(const function_t *function, const outcome_t *outcome) {
    switch (function->returns) {
    case RETURNS_STATUS:
        return outcome->status < 0;
    case RETURNS_POINTER:
        return (outcome->pointer != NULL) == (function->fallback != 0);
    case RETURNS_NUMBER:
        return outcome->number == function->fallback;
    default:
        return true;
    }
}

const char *name_of(const function_t *function, const outcome_t *outcome) {
    static const char *const STATUSES[] = {"OK", "WANT_READ", "WANT_WRITE", "WANT_COMPUTATION"};
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    if (function->returns == RETURNS_STATUS && outcome->status >= 0)
        return outcome->status < 4 ? STATUSES[outcome->status] : "an unknown status";
    if (is_forgotten(function, reason))
        return "-";
    return anwdl_error_reason_name(reason);
}

const char *expected_outcome(const function_t *function) {
    if (function->returns != RETURNS_STATUS)
        return "-";
    for (size_t at = 0; at < sizeof OUTCOMES / sizeof *OUTCOMES; at++)
        if (ends_with(function->name, OUTCOMES[at].method))
            return OUTCOMES[at].outcome;
    return "OK";
}

bool is_documented(const function_t *function, const outcome_t *outcome) {
    anwdl_error_reason_t reason = anwdl_last_error_reason();
    if (function->returns == RETURNS_STATUS && outcome->status >= 0)
        return (function->statuses & (1u << outcome->status)) != 0;
    if (is_forgotten(function, reason))
        return true;
    if (function->returns == RETURNS_STATUS &&
        outcome->status != (reason < 20 ? ANWDL_VALUE_ERROR : ANWDL_RUNTIME_ERROR))
        return false;
    return (function->reasons & REASON_BIT(reason)) != 0;
}
