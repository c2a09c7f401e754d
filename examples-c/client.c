/* A client for the command line: it connects to a server, asks it one thing (or one after another,
   from standard input), and prints what the server answers. */
#define _GNU_SOURCE /* getopt_long, getline */
#include <anwdl.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PEM_SIZE = 16384, DEFAULT_PORT = 6150, DEFAULT_TIMEOUT = 30000 };

/* Exit statuses. */
enum { SUCCEEDED = 0, REFUSED = 1, MISUSED = 2, FAILED = 3 };

static const char USAGE[] =
    "usage: client [OPTION...] HOST VERB [JSON] [NAME=VALUE...]\n"
    "       client [OPTION...] HOST -         one request from each line of standard input\n"
    "       client [OPTION...] --show-fingerprint HOST\n"
    "\n"
    "VERB is STAT, CREATE, DESTROY or what else the server knows. Its parameters are a JSON object\n"
    "and strings by name; what is on a command line can be seen by others, standard input cannot.\n"
    "\n"
    "  --port NUMBER                  default: 6150\n"
    "  --protocol v2|v3|v4|gcm        default: v4, as released servers speak\n"
    "  --fingerprint HEX              the server's, 64 digits; another server is told nothing\n"
    "  --show-fingerprint             print the server's fingerprint, and ask nothing\n"
    "  --timeout MILLISECONDS         to connect, and for each message; 0: none; default: 30000\n"
    "  --receive-first                the server begins the key exchange\n"
    "  --private-key FILE.pem         the client's own; default: a new one, which takes seconds\n"
    "  --json, --text                 how to print responses; default: text\n"
    "\n"
    "Exit status: 0 success, 1 the server said no, 2 wrong usage, 3 no connection, or it failed.\n";

typedef struct {
    const char *host;
    uint16_t port;
    bool receive_first;
    bool show_fingerprint;
    bool as_json;
    const char *private_key_file;
    anwdl_client_options_t *options;
} settings_t;

typedef struct {
    const char *name;
    anwdl_protocol_t protocol;
} protocol_name_t;

static const protocol_name_t PROTOCOLS[] = {{"v2", ANWDL_PROTOCOL_V2},
                                            {"v3", ANWDL_PROTOCOL_V3},
                                            {"v4", ANWDL_PROTOCOL_V4},
                                            {"gcm", ANWDL_PROTOCOL_GCM}};
enum { PROTOCOL_COUNT = sizeof PROTOCOLS / sizeof PROTOCOLS[0] };

/* -- failures ---------------------------------------------------------------------------------- */

/* Says why the last call of the library failed. */
static int report(int exit_status, const char *what) {
    fprintf(stderr, "client: %s: %s: %s\n", what,
            anwdl_error_reason_name(anwdl_last_error_reason()), anwdl_last_error_message());
    return exit_status;
}

static int report_misuse(const char *what, const char *which) {
    fprintf(stderr, "client: %s: %s\n", what, which);
    return MISUSED;
}

/* -- parameters -------------------------------------------------------------------------------- */

/* Adds NAME=VALUE. */
static int add_string(anwdl_data_t *parameters, const char *word) {
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word)
        return report_misuse("not NAME=VALUE", word);
    char *name = strndup(word, (size_t)(equals - word));
    if (name == NULL)
        return report_misuse("no memory", word);
    anwdl_status_t status = anwdl_data_set_string(parameters, name, equals + 1);
    free(name);
    return status == ANWDL_OK ? SUCCEEDED : report(MISUSED, word);
}

/* Makes the parameters: the object, if the first word is one, and each NAME=VALUE. */
static int make_parameters(char *const words[], anwdl_data_t **out_parameters) {
    bool has_json = words[0] != NULL && words[0][0] == '{';
    anwdl_data_t *parameters = NULL;
    anwdl_status_t status =
        has_json ? anwdl_data_from_json(words[0], &parameters) : anwdl_data_new(&parameters);
    int exit_status = status == ANWDL_OK ? SUCCEEDED : report(MISUSED, "parameters");
    for (size_t at = has_json ? 1 : 0; exit_status == SUCCEEDED && words[at] != NULL; at++)
        exit_status = add_string(parameters, words[at]);
    if (exit_status == SUCCEEDED)
        *out_parameters = parameters;
    else
        anwdl_data_free(parameters);
    return exit_status;
}

/* -- responses --------------------------------------------------------------------------------- */

/* The size of the first character if a terminal would obey it instead of showing it, otherwise 0:
   control characters, line separators, and what reverses the direction of reading. */
static size_t read_obeyed(const char *text, size_t len, unsigned *code) {
    const unsigned char *bytes = (const unsigned char *)text;
    *code = bytes[0];
    if (*code < 0x20 || *code == 0x7f)
        return 1;
    if (len >= 2 && *code >= 0xc0 && *code < 0xe0) {
        *code = (*code & 0x1f) << 6 | (bytes[1] & 0x3f);
        return (*code >= 0x80 && *code < 0xa0) || *code == 0x61c ? 2 : 0;
    }
    if (len >= 3 && *code == 0xe2) {
        *code = (*code & 0x0f) << 12 | (bytes[1] & 0x3fU) << 6 | (bytes[2] & 0x3f);
        bool is_mark = *code == 0x200e || *code == 0x200f || (*code >= 0x2066 && *code <= 0x2069);
        return is_mark || (*code >= 0x2028 && *code <= 0x202e) ? 3 : 0;
    }
    return 0;
}

/* Prints a server's text with a '?' for each character that a terminal would obey. */
static void print_text(FILE *stream, const char *text, size_t len) {
    for (size_t at = 0; at < len;) {
        unsigned code;
        size_t size = read_obeyed(text + at, len - at, &code);
        putc(size > 0 ? '?' : text[at], stream);
        at += size > 0 ? size : 1;
    }
}

/* Prints a server's JSON as JSON of the same meaning, on one line. Below 0x20, it can only have
   blanks between values. */
static void print_json(const char *json) {
    for (size_t at = 0, len = strlen(json); at < len;) {
        unsigned code;
        size_t size = read_obeyed(json + at, len - at, &code);
        if (size == 0)
            putchar(json[at++]);
        else if (code < 0x20)
            putchar(' ');
        else
            printf("\\u%04x", code);
        at += size;
    }
}

/* Prints a string as it is, and any other value as JSON. */
static bool print_value(anwdl_value_t value) {
    const char *string;
    char *json = NULL;
    size_t len;
    if (anwdl_value_get_string(value, "", &string, &len) == ANWDL_OK) {
        print_text(stdout, string, len);
        return true;
    }
    if (anwdl_value_to_json(value, &json) != ANWDL_OK)
        return false;
    print_json(json);
    anwdl_string_free(json);
    return true;
}

/* Prints each member of an object on a line of its own. */
static bool print_members(anwdl_value_t object) {
    anwdl_value_t member = anwdl_value_get_first(object);
    for (; anwdl_value_get_type(member) != ANWDL_VALUE_NONE;
         member = anwdl_value_get_next(member)) {
        size_t len;
        const char *name = anwdl_value_get_name(member, &len);
        if (name == NULL)
            return false;
        print_text(stdout, name, len);
        fputs(": ", stdout);
        if (!print_value(member))
            return false;
        putchar('\n');
    }
    return true;
}

static int print_response(const settings_t *settings, const char *verb,
                          const anwdl_response_t *response) {
    const char *message = anwdl_response_get_message(response);
    bool success = anwdl_response_get_success(response);
    if (settings->as_json) {
        print_json(anwdl_response_get_json(response));
        putchar('\n');
    } else {
        print_text(stdout, message, strlen(message));
        putchar('\n');
        if (!print_members(anwdl_response_get_data(response)))
            return report(FAILED, "the response");
    }
    if (fflush(stdout) != 0) {
        perror("client: cannot print the response");
        return FAILED;
    }
    if (!success) {
        fprintf(stderr, "client: %s: the server said no: ", verb);
        print_text(stderr, message, strlen(message));
        putc('\n', stderr);
    }
    return success ? SUCCEEDED : REFUSED;
}

/* -- requests ---------------------------------------------------------------------------------- */

/* Sends one request and prints its response. */
static int ask(anwdl_client_interface_t *interface, const settings_t *settings, const char *verb,
               const anwdl_data_t *parameters) {
    anwdl_response_t *response = NULL;
    if (anwdl_client_interface_send_request_data(interface, verb, parameters) != ANWDL_OK) {
        bool is_misuse = anwdl_last_error_reason() == ANWDL_REASON_MALFORMED_REQUEST ||
                         anwdl_last_error_reason() == ANWDL_REASON_INVALID_ARGUMENT;
        return report(is_misuse ? MISUSED : FAILED, verb);
    }
    if (anwdl_client_interface_recv_response(interface, &response) != ANWDL_OK)
        return report(FAILED, verb);
    int exit_status = print_response(settings, verb, response);
    anwdl_response_free(response);
    return exit_status;
}

/* Asks what a line says: VERB, then words without blanks, of which the first may be an object that
   goes on to the end of the line. */
static int ask_line(anwdl_client_interface_t *interface, const settings_t *settings, char *line) {
    enum { MOST_WORDS = 64 };
    char *words[MOST_WORDS + 1] = {NULL};
    size_t count = 0;
    const char *blanks = " \t\r\n";
    char *verb = line + strspn(line, blanks);
    if (*verb == '\0')
        return SUCCEEDED;
    char *rest = verb + strcspn(verb, blanks);
    if (*rest != '\0')
        *rest++ = '\0';
    rest += strspn(rest, blanks);
    if (*rest == '{') {
        words[0] = rest;
    } else {
        /* Where strtok_r() leaves its last argument is not for others to use. */
        for (char *word = rest; (words[count] = strtok_r(word, blanks, &rest)) != NULL; word = NULL)
            if (++count == MOST_WORDS)
                return report_misuse("too many parameters", verb);
    }
    anwdl_data_t *parameters = NULL;
    int exit_status = make_parameters(words, &parameters);
    if (exit_status == SUCCEEDED)
        exit_status = ask(interface, settings, verb, parameters);
    anwdl_data_free(parameters);
    return exit_status;
}

/* Continues after a refusal, and returns it at the end. */
static int ask_lines(anwdl_client_interface_t *interface, const settings_t *settings) {
    char *line = NULL;
    size_t size = 0;
    int exit_status = SUCCEEDED;
    while (exit_status <= REFUSED && getline(&line, &size, stdin) != -1) {
        int line_status = ask_line(interface, settings, line);
        if (line_status > exit_status)
            exit_status = line_status;
    }
    free(line);
    if (ferror(stdin)) {
        perror("client: standard input");
        return FAILED;
    }
    return exit_status;
}

/* -- connection -------------------------------------------------------------------------------- */

static int print_fingerprint(const anwdl_client_interface_t *interface, FILE *stream,
                             const char *prefix) {
    char *fingerprint = NULL;
    if (anwdl_client_interface_get_server_fingerprint(interface, &fingerprint) != ANWDL_OK)
        return report(FAILED, "no fingerprint");
    fprintf(stream, "%s%s\n", prefix, fingerprint);
    anwdl_string_free(fingerprint);
    return SUCCEEDED;
}

/* The fingerprint needs only the public keys, so nothing secret is exchanged. */
static int show_fingerprint(anwdl_client_interface_t *interface, const settings_t *settings) {
    anwdl_status_t status =
        anwdl_client_interface_connect_server(interface, settings->host, settings->port);
    if (status == ANWDL_OK && !settings->receive_first)
        status = anwdl_client_interface_send_public_rsa_key(interface);
    if (status == ANWDL_OK)
        status = anwdl_client_interface_recv_public_rsa_key(interface);
    if (status != ANWDL_OK)
        return report(FAILED, settings->host);
    return print_fingerprint(interface, stdout, "");
}

static int connect_server(anwdl_client_interface_t *interface, const settings_t *settings) {
    anwdl_status_t status =
        anwdl_client_interface_connect_server(interface, settings->host, settings->port);
    if (status == ANWDL_OK && settings->receive_first)
        status = anwdl_client_interface_exchange_keys(interface, true);
    if (status != ANWDL_OK)
        return report(FAILED, settings->host);
    return print_fingerprint(interface, stderr, "client: server fingerprint ");
}

/* Does what the command line asks for, over one connection. */
static int converse(anwdl_client_interface_t *interface, const settings_t *settings,
                    char *const words[]) {
    if (settings->show_fingerprint)
        return show_fingerprint(interface, settings);
    const char *verb = words[0];
    bool from_lines = strcmp(verb, "-") == 0;
    anwdl_data_t *parameters = NULL;
    int exit_status = make_parameters(words + 1, &parameters);
    if (exit_status == SUCCEEDED)
        exit_status = connect_server(interface, settings);
    if (exit_status == SUCCEEDED)
        exit_status = from_lines ? ask_lines(interface, settings)
                                 : ask(interface, settings, verb, parameters);
    anwdl_data_free(parameters);
    return exit_status;
}

/* -- start and end ----------------------------------------------------------------------------- */

static bool parse_number(const char *text, unsigned long least, unsigned long most,
                         unsigned long *out) {
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *out >= least &&
           *out <= most;
}

static anwdl_status_t set_option(settings_t *settings, int name, const char *value) {
    unsigned long number;
    switch (name) {
    case 'p':
        if (!parse_number(value, 1, UINT16_MAX, &number))
            return ANWDL_VALUE_ERROR;
        settings->port = (uint16_t)number;
        return ANWDL_OK;
    case 'm':
        for (size_t at = 0; at < PROTOCOL_COUNT; at++)
            if (strcmp(value, PROTOCOLS[at].name) == 0)
                return anwdl_client_options_set_protocol(settings->options, PROTOCOLS[at].protocol);
        return ANWDL_VALUE_ERROR;
    case 'f':
        return anwdl_client_options_set_expected_fingerprint(settings->options, value);
    case 's':
        settings->show_fingerprint = true;
        return anwdl_client_options_set_exchange_keys(settings->options, false);
    case 't':
        if (!parse_number(value, 0, UINT32_MAX, &number))
            return ANWDL_VALUE_ERROR;
        return anwdl_client_options_set_timeout(settings->options, (uint32_t)number);
    case 'r':
        settings->receive_first = true;
        return anwdl_client_options_set_exchange_keys(settings->options, false);
    case 'k':
        settings->private_key_file = value;
        return ANWDL_OK;
    case 'j':
    case 'x':
        settings->as_json = name == 'j';
        return ANWDL_OK;
    default:
        return ANWDL_VALUE_ERROR;
    }
}

static bool parse_arguments(int argc, char **argv, settings_t *settings) {
    static const struct option names[] = {{"port", required_argument, NULL, 'p'},
                                          {"protocol", required_argument, NULL, 'm'},
                                          {"fingerprint", required_argument, NULL, 'f'},
                                          {"show-fingerprint", no_argument, NULL, 's'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"receive-first", no_argument, NULL, 'r'},
                                          {"private-key", required_argument, NULL, 'k'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"text", no_argument, NULL, 'x'},
                                          {NULL, 0, NULL, 0}};
    int name;
    if (anwdl_client_options_set_timeout(settings->options, DEFAULT_TIMEOUT) != ANWDL_OK)
        return false;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (set_option(settings, name, optarg) != ANWDL_OK) {
            if (name != '?')
                fprintf(stderr, "client: not acceptable: %s\n", optarg);
            return false;
        }
    }
    int words = argc - optind;
    settings->host = argv[optind];
    if (settings->show_fingerprint)
        return words == 1;
    return words >= 2 && (strcmp(argv[optind + 1], "-") != 0 || words == 2);
}

static int read_private_key(const char *path, anwdl_rsa_wrapper_t *wrapper) {
    char pem[MAX_PEM_SIZE + 1];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "client: %s: %s\n", path, strerror(errno));
        return MISUSED;
    }
    pem[fread(pem, 1, MAX_PEM_SIZE, file)] = '\0';
    fclose(file);
    anwdl_status_t status = anwdl_rsa_wrapper_set_private_key(wrapper, pem, true);
    explicit_bzero(pem, sizeof pem);
    return status == ANWDL_OK ? SUCCEEDED : report(MISUSED, path);
}

/* Makes the key pair before connecting, so the server does not wait for it. */
static int set_key_pair(const settings_t *settings) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    bool from_file = settings->private_key_file != NULL;
    int exit_status = SUCCEEDED;
    if (anwdl_rsa_wrapper_new(!from_file, &wrapper) != ANWDL_OK)
        return report(FAILED, "no key pair");
    if (from_file)
        exit_status = read_private_key(settings->private_key_file, wrapper);
    if (exit_status == SUCCEEDED &&
        anwdl_client_options_set_rsa_wrapper(settings->options, wrapper) != ANWDL_OK)
        exit_status = report(FAILED, "no key pair");
    anwdl_rsa_wrapper_free(wrapper);
    return exit_status;
}

static int run(const settings_t *settings, char *const words[]) {
    anwdl_client_interface_t *interface = NULL;
    int exit_status = set_key_pair(settings);
    if (exit_status != SUCCEEDED)
        return exit_status;
    if (anwdl_client_interface_new(settings->options, &interface) != ANWDL_OK)
        return report(FAILED, "no client");
    exit_status = converse(interface, settings, words);
    anwdl_client_interface_free(interface);
    return exit_status;
}

int main(int argc, char **argv) {
    settings_t settings = {.port = DEFAULT_PORT, .options = anwdl_client_options_new()};
    int exit_status = MISUSED;
    if (settings.options == NULL)
        exit_status = report(FAILED, "no options");
    else if (!parse_arguments(argc, argv, &settings))
        fputs(USAGE, stderr);
    else
        exit_status = run(&settings, argv + optind + 1);
    anwdl_client_options_free(settings.options);
    return exit_status;
}
