/* A process that may make only the system calls that the manual lists (docs/processes.md), by
   seccomp:

       test_system_filter sessions|keys|connections

   The numbers are a table that CMake makes of that list. Each call is ended by a signal that tells
   which one is missing there. */
#define _GNU_SOURCE
#include "check.h"
#include "conversation.h"
#include "peer.h"
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    const char *purpose;
    int number;
    const char *name;
} listed_call_t;

static const listed_call_t LISTED[] = {
#include "listed_calls.h"
};

enum { SKIPPED = 77, TIMEOUT = 20000 };
enum { LISTED_CALLS = sizeof LISTED / sizeof *LISTED, MOST_INSTRUCTIONS = 2 * LISTED_CALLS + 8 };

static volatile int *refused_number; /* shared with the parent */

static void on_refusal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    *refused_number = info->si_syscall;
    _exit(EXIT_FAILURE);
}

static void allow(struct sock_filter *program, unsigned short *len, unsigned number) {
    program[(*len)++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    program[(*len)++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

/* False where the system has no such filters. */
static bool filter_calls(const char *purpose) {
    static struct sock_filter program[MOST_INSTRUCTIONS];
    struct sock_fprog whole = {.len = 0, .filter = program};
    struct sigaction action = {.sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO};
    program[whole.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t at = 0; at < LISTED_CALLS; at++)
        if (strcmp(LISTED[at].purpose, "all") == 0 || strcmp(LISTED[at].purpose, purpose) == 0)
            allow(program, &whole.len, (unsigned)LISTED[at].number);
    allow(program, &whole.len, SYS_exit_group); /* the program's own end */
    program[whole.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    REQUIRE(sigaction(SIGSYS, &action, NULL) == 0);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}

/* -- what is done behind the filter ------------------------------------------------------------ */

enum { FRAMINGS = 3 };
static const anwdl_protocol_t FRAMING[FRAMINGS] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3,
                                                   ANWDL_PROTOCOL_V4};
static int server_ends[FRAMINGS + 1]; /* the last has a peer that says nothing */
static uint16_t port;
static int listener;
static char key_path[] = "/tmp/anwdl-filter-XXXXXX";

static void play_peer(int fd, anwdl_protocol_t framing) {
    peer_t peer;
    peer_init(&peer, fd, framing, "peer-1");
    REQUIRE(peer_exchange_keys(&peer, true));
    free(peer_ask(&peer, "{\"verb\": \"STAT\", \"parameters\": {}}"));
    peer_free(&peer);
}

/* Peers in processes of their own, without a filter. */
static void prepare_sessions(void) {
    for (size_t at = 0; at <= FRAMINGS; at++) {
        int ends[2];
        make_tcp_pair(ends);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            close(ends[SERVER_SIDE]);
            char end;
            if (at < FRAMINGS)
                play_peer(ends[PEER_SIDE], FRAMING[at]);
            else /* until the server has gone */
                while (read(ends[PEER_SIDE], &end, 1) > 0)
                    continue;
            _exit(EXIT_SUCCESS);
        }
        close(ends[PEER_SIDE]);
        server_ends[at] = ends[SERVER_SIDE];
    }
}

static void close_prepared(void) {
    for (size_t at = 0; at <= FRAMINGS; at++)
        if (server_ends[at] > 0)
            close(server_ends[at]);
    memset(server_ends, 0, sizeof server_ends);
}

static void serve(const anwdl_client_options_t *options, int fd) {
    anwdl_client_t *client = NULL;
    anwdl_request_t *request = NULL;
    REQUIRE(anwdl_client_new(fd, options, &client) == ANWDL_OK);
    CHECK_OK(anwdl_client_exchange_keys(client, true));
    CHECK_OK(anwdl_client_recv_request(client, false, &request));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    anwdl_request_free(request);
    anwdl_client_free(client);
}

static void ignore_log(anwdl_log_level_t level, const char *client_id, const char *message,
                       void *user_data) {
    (void)level, (void)client_id, (void)message, (void)user_data;
}

static void hold_sessions(void) {
    anwdl_client_t *client = NULL;
    anwdl_client_options_t *options = make_server_options();
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    if (!filter_calls("sessions"))
        _exit(SKIPPED);
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, ignore_log, NULL));
    hold_conversation(options);
    for (size_t at = 0; at < FRAMINGS; at++) {
        /* With a timeout and without, waiting and not. */
        CHECK_OK(anwdl_client_options_set_timeout(options, at == 0 ? 0 : TIMEOUT));
        serve(options, server_ends[at]);
    }
    CHECK_OK(anwdl_client_options_set_timeout(options, 1));
    REQUIRE(anwdl_client_new(server_ends[FRAMINGS], options, &client) == ANWDL_OK);
    CHECK_FAILURE(anwdl_client_exchange_keys(client, true), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_TIMEOUT);
    anwdl_client_free(client);
    anwdl_client_options_free(options);
}

static void prepare_keys(void) {
    int fd = mkstemp(key_path);
    REQUIRE(fd >= 0);
    close(fd);
}

static void keep_keys(void) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    if (!filter_calls("keys"))
        _exit(SKIPPED);
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    CHECK_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048));
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, key_path));
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, key_path));
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, "/dev/null"), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, "/nowhere/key.pem"), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    anwdl_rsa_wrapper_free(wrapper);
}

static void prepare_connections(void) {
    listener = make_listener(&port);
}

static void connect_to_servers(void) {
    static const char *const HOSTS[] = {"127.0.0.1", "localhost"};
    anwdl_client_options_t *options = make_server_options();
    REQUIRE(anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK);
    if (!filter_calls("connections"))
        _exit(SKIPPED);
    for (size_t at = 0; at < 3 * sizeof HOSTS / sizeof *HOSTS; at++) {
        anwdl_client_interface_t *client = NULL;
        CHECK_OK(anwdl_client_options_set_timeout(options, at % 3 == 0 ? 0 : TIMEOUT));
        CHECK_OK(anwdl_client_options_set_non_blocking(options, at % 3 == 2));
        REQUIRE(anwdl_client_interface_new(options, &client) == ANWDL_OK);
        connect_interface_to(client, HOSTS[at / 3], port);
        anwdl_client_interface_free(client);
    }
    anwdl_client_options_free(options);
}

/* -- the test ---------------------------------------------------------------------------------- */

static const struct {
    const char *purpose;
    void (*prepare)(void);
    void (*run)(void);
} PURPOSES[] = {
    {"sessions", prepare_sessions, hold_sessions},
    {"keys", prepare_keys, keep_keys},
    {"connections", prepare_connections, connect_to_servers},
};

static const char *name_of(int number) {
    static char text[32];
    for (size_t at = 0; at < LISTED_CALLS; at++)
        if (LISTED[at].number == number)
            return LISTED[at].name;
    snprintf(text, sizeof text, "number %d", number);
    return text;
}

static int run_filtered(void (*run)(void)) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        run();
        _exit(check_finish());
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void) {
    static char output[BUFSIZ]; /* or the C library would look what standard output is */
    REQUIRE(setvbuf(stdout, output, _IOFBF, sizeof output) == 0);
    refused_number = mmap(NULL, sizeof *refused_number, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(refused_number != MAP_FAILED);
    for (size_t at = 0; at < sizeof PURPOSES / sizeof *PURPOSES; at++) {
        *refused_number = -1;
        PURPOSES[at].prepare();
        int status = run_filtered(PURPOSES[at].run);
        close_prepared();
        if (status == SKIPPED) {
            printf("skipped: this system filters no calls: %s\n", strerror(errno));
            return SKIPPED;
        }
        if (*refused_number >= 0)
            printf("%s: the manual does not list %s for it\n", PURPOSES[at].purpose,
                   name_of(*refused_number));
        CHECK_INTEGER(*refused_number, -1);
        CHECK_INTEGER(status, 0);
    }
    unlink(key_path);
    return check_finish();
}
