/* Valid values for each parameter of each function. */
#include "call_values.h"

#include "check.h"
#include "raw_rsa.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARAMETERS "{\"text\": \"a\", \"boolean\": true, \"integer\": 1, \"float\": 1.5}"
#define UUID       "12345678-1234-1234-1234-123456789abc"
#define SIXTEEN    "0123456789abcdef"
#define DIGEST     SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define FIFTY_ONE  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
#define TOKEN      FIFTY_ONE FIFTY_ONE FIFTY_ONE FIFTY_ONE FIFTY_ONE

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
    {"pointer", "anwdl_value_get_boolean", "/boolean"},
    {"pointer", "anwdl_value_get_integer", "/integer"},
    {"pointer", "anwdl_value_get_float", "/float"},
    {"pointer", NULL, "/text"},
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

/* -- what is freed with a call ----------------------------------------------------------------- */

static void free_client(void *thing) {
    anwdl_client_free(thing);
}

void free_options(void *thing) {
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

void close_descriptor(void *thing) {
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

void free_by_type(const char *type, void *thing) {
    for (size_t at = 0; at < sizeof TYPES / sizeof *TYPES; at++)
        if (strcmp(type, TYPES[at].type) == 0) {
            TYPES[at].free(thing);
            return;
        }
    fprintf(stderr, "nobody knows how to free %s\n", type);
    REQUIRE(!"a type of a new function");
}

void *keep(call_t *call, void (*free)(void *thing), void *thing) {
    REQUIRE(call->thing_count < MOST_THINGS);
    call->things[call->thing_count].free = free;
    call->things[call->thing_count++].thing = thing;
    return thing;
}

/* -- objects ----------------------------------------------------------------------------------- */

static anwdl_client_options_t *make_quick_options(void) {
    anwdl_client_options_t *options = make_shared_key_options();
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

static anwdl_session_t *make_gcm_session(anwdl_role_t role) {
    anwdl_client_options_t *options = make_server_options();
    anwdl_session_t *session = NULL;
    REQUIRE(anwdl_client_options_set_protocol(options, ANWDL_PROTOCOL_GCM) == ANWDL_OK);
    REQUIRE(anwdl_session_new(role, options, &session) == ANWDL_OK);
    anwdl_client_options_free(options);
    return session;
}

/* A request and its response, as they come out of sessions. */
static void make_messages(anwdl_request_t **out_request, anwdl_response_t **out_response) {
    anwdl_session_t *server = make_gcm_session(ANWDL_ROLE_SERVER);
    anwdl_session_t *client = make_gcm_session(ANWDL_ROLE_CLIENT);
    exchange_keys_of(server, client);
    REQUIRE(anwdl_session_recv_request(server, false, out_request) == ANWDL_WANT_READ);
    REQUIRE(anwdl_session_send_request(client, "STAT", PARAMETERS) == ANWDL_WANT_WRITE);
    pass_on(client, server);
    REQUIRE(anwdl_session_recv_request(server, false, out_request) == ANWDL_OK);
    REQUIRE(anwdl_session_send_request(client, "STAT", PARAMETERS) == ANWDL_OK);
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
    if (ends_with(call->function->name, "_connect_server") ||
        ends_with(call->function->name, "_attach"))
        return;
    int listener = make_listener(&port);
    keep(call, close_descriptor, (void *)(intptr_t)listener);
    connect_interface_to(interface, "127.0.0.1", port);
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
                 make_aes_wrapper(starts_with(call->function->name, "anwdl_aes_wrapper_") &&
                                          !ends_with(call->function->name, "_set_key")
                                      ? ANWDL_AES_GCM
                                      : ANWDL_AES_CBC));
    else
        REQUIRE(!"nobody knows how to make an object of this type");
}

static void make_read_value(call_t *call, value_t *value) {
    anwdl_value_t *made = malloc(sizeof *made);
    REQUIRE(made != NULL);
    make_message(call, value, true);
    *made = anwdl_request_get_parameters(value->pointer);
    value->pointer = keep(call, free, made);
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

/* The key that the wrappers have the public half of. */
static raw_rsa_t server_key;
static void read_server_key(void) {
    raw_rsa_init(&server_key, "server");
}

static raw_rsa_t *get_server_key(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_server_key);
    return &server_key;
}

static bool run_server_key(const uint8_t *input, uint8_t *output, size_t size, void *user_data) {
    (void)user_data;
    return raw_rsa_run(input, output, size, get_server_key());
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
    if (strcmp(call->function->parameters[at].name, "modulus") == 0) {
        values[at].pointer = get_server_key()->modulus_bytes;
        values[at + 1].number = 256;
    }
    if (strcmp(call->function->parameters[at].name, "exponent") == 0) {
        static uint8_t EXPONENT[] = {1, 0, 1};
        values[at].pointer = EXPONENT;
        values[at + 1].number = sizeof EXPONENT;
    }
    if (strcmp(call->function->name, "anwdl_rsa_wrapper_decrypt_data") == 0)
        REQUIRE(anwdl_rsa_wrapper_encrypt_data(values[0].pointer, BYTES, sizeof BYTES, true, &out,
                                               &out_len) == ANWDL_OK);
    if (strcmp(call->function->parameters[at].name, "der") == 0) {
        bool is_private = ends_with(call->function->name, "_set_private_key_der");
        REQUIRE((is_private ? anwdl_rsa_wrapper_get_private_key_der
                            : anwdl_rsa_wrapper_get_public_key_der)(values[0].pointer, &out,
                                                                    &out_len) == ANWDL_OK);
    }
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

static void handle_nothing(anwdl_log_level_t level, void *owner, const char *client_id,
                           const char *message, void *user_data) {
    (void)owner;
    log_nothing(level, client_id, message, user_data);
}

static void free_nothing(void *user_data) {
    (void)user_data;
}

void make_value(call_t *call, size_t at) {
    const parameter_t *parameter = &call->function->parameters[at];
    value_t *value = &call->values[at];
    int ends[2];
    switch (parameter->kind) {
    case KIND_OBJECT:
        make_object(call, parameter, value);
        break;
    case KIND_VALUE:
        make_read_value(call, value);
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
        value->handler = handle_nothing;
        value->operation = run_server_key;
        value->free_function = free_nothing;
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
