/* The library in surroundings that are not those of every day: a clock that is wrong, a folder in
   place of the whole file system, no open descriptor, the small stacks of coroutines, a key file
   that is mounted by itself, somebody else's environment. */
#define _GNU_SOURCE
#include "check.h"
#include "conversation.h"
#include "peer.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOST_SECONDS = 60, NOT_ALLOWED = 77, TIMEOUT = 20000 };

/* -- what takes the place of the C library's --------------------------------------------------- */

enum { MOST_NAMES = 64 };
static const char *asked_names[MOST_NAMES];
static size_t asked_count;
static bool is_clock_wrong;
static time_t wrong_time;

/* The library finds these in the program. Names that are asked for before main() are those of its
   constructors. */
char *getenv(const char *name) {
    static __typeof__(&getenv) real;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getenv");
    if (asked_count < MOST_NAMES)
        asked_names[asked_count++] = name;
    return real(name);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) real;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (is_clock_wrong && clock == CLOCK_REALTIME)
        now->tv_sec = wrong_time;
    return result;
}

/* -- processes --------------------------------------------------------------------------------- */

/* Runs a function in a child; false if this system does not let it do what it needs. */
static bool run_in_child(const char *what, void (*run)(void)) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(ANWDL_PATIENCE * MOST_SECONDS);
        run();
        _exit(check_finish());
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
        printf("not tried, as this system does not let us: %s\n", what);
        return false;
    }
    CHECK_INTEGER(status, 0);
    return true;
}

/* The rights of root over a name space of its own, for those that have none. */
static void become_root_of(int name_spaces) {
    char map[64];
    uid_t user = geteuid();
    if (user != 0) {
        name_spaces |= CLONE_NEWUSER;
        snprintf(map, sizeof map, "0 %u 1", (unsigned)user);
    }
    if (name_spaces != 0 && unshare(name_spaces) != 0)
        _exit(NOT_ALLOWED);
    if (user != 0) {
        int fd = open("/proc/self/uid_map", O_WRONLY);
        if (fd < 0 || write(fd, map, strlen(map)) < 0)
            _exit(NOT_ALLOWED);
        close(fd);
    }
}

static void serve_peer(const anwdl_client_options_t *options, int fd) {
    anwdl_client_t *client = NULL;
    anwdl_request_t *request = NULL;
    REQUIRE(anwdl_client_new(fd, options, &client) == ANWDL_OK);
    CHECK_OK(anwdl_client_recv_request(client, false, &request));
    CHECK_OK(anwdl_client_send_response(client, true, ANWDL_RESPONSE_MSG_OK, NULL, NULL));
    anwdl_request_free(request);
    anwdl_client_free(client);
}

static void ask(peer_t *peer) {
    CHECK(peer_exchange_keys(peer, true));
    char *response = peer_ask(peer, "{\"verb\": \"STAT\", \"parameters\": {}}");
    CHECK(response != NULL);
    free(response);
}

/* A session over this connection; frees the options. */
static void hold_session_over(const int ends[2], anwdl_client_options_t *options) {
    peer_t peer;
    peer_init(&peer, ends[PEER_SIDE], ANWDL_PROTOCOL_V4, "peer-1");
    peer_start(&peer, ask, NULL);
    serve_peer(options, ends[SERVER_SIDE]);
    peer_join(&peer);
    peer_free(&peer);
    anwdl_client_options_free(options);
}

/* A session over TCP with a timeout. */
static void hold_session(void) {
    int ends[2];
    anwdl_client_options_t *options = make_server_options();
    CHECK_OK(anwdl_client_options_set_timeout(options, TIMEOUT));
    make_tcp_pair(ends);
    hold_session_over(ends, options);
}

/* -- clocks ------------------------------------------------------------------------------------ */

static void test_clocks(void) {
    static const time_t TIMES[] = {-86400, -1, 0, sizeof(time_t) > 4 ? 4102444800 : INT32_MAX};
    for (size_t at = 0; at < sizeof TIMES / sizeof *TIMES; at++) {
        int ends[2];
        anwdl_client_t *client = NULL;
        anwdl_client_options_t *options = make_shared_key_options();
        is_clock_wrong = true;
        wrong_time = TIMES[at];
        hold_session();
        make_tcp_pair(ends);
        CHECK_OK(anwdl_client_options_set_timeout(options, 1));
        REQUIRE(anwdl_client_new(ends[SERVER_SIDE], options, &client) == ANWDL_OK);
        /* Of a second that has begun before 1970, the end may count. */
        int64_t difference = anwdl_client_get_creation_timestamp(client) - TIMES[at];
        CHECK(difference == 0 || (TIMES[at] < 0 && difference == 1));
        /* It jumps while a call waits. */
        wrong_time += 1000000;
        CHECK_FAILURE(anwdl_client_recv_request(client, false, NULL), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_ARGUMENT);
        anwdl_request_t *request = NULL;
        CHECK_FAILURE(anwdl_client_recv_request(client, false, &request), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_TIMEOUT);
        is_clock_wrong = false;
        anwdl_client_free(client);
        anwdl_client_options_free(options);
        close(ends[PEER_SIDE]);
    }
}

/* -- no file system, no descriptors ------------------------------------------------------------ */

static anwdl_rsa_wrapper_t *new_key_pair(void) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    CHECK_OK(anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048));
    return wrapper;
}

/* What needs nothing of /dev, /etc and /proc: all but to look a name up. */
static void work_without_files(void) {
    uint16_t port = 0;
    int listener = make_listener(&port);
    anwdl_client_interface_t *client = NULL;
    anwdl_rsa_wrapper_t *wrapper = new_key_pair();
    anwdl_client_options_t *options = anwdl_client_options_new();
    REQUIRE(options != NULL);
    CHECK_OK(anwdl_client_options_set_rsa_wrapper(options, wrapper));
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, "key.pem"));
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, "key.pem"));
    hold_conversation(options);
    CHECK_OK(anwdl_client_options_set_exchange_keys(options, false));
    REQUIRE(anwdl_client_interface_new(options, &client) == ANWDL_OK);
    CHECK_OK(anwdl_client_interface_connect_server(client, "127.0.0.1", port));
    anwdl_client_interface_close_connection(client);
    CHECK_FAILURE(anwdl_client_interface_connect_server(client, "name.example", port),
                  ANWDL_RUNTIME_ERROR, ANWDL_REASON_CONNECT_FAILED);
    anwdl_client_interface_free(client);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(wrapper);
    close(listener);
}

static char folder[] = "/tmp/anwdl-surroundings-XXXXXX";

static void work_in_chroot(void) {
    become_root_of(0);
    if (chroot(folder) != 0)
        _exit(NOT_ALLOWED);
    REQUIRE(chdir("/") == 0);
    work_without_files();
    REQUIRE(access("/dev", F_OK) == -1 && unlink("key.pem") == 0);
}

/* A daemon that closes what it inherited gets 0, 1 and 2 for its sockets. */
static void work_without_descriptors(void) {
    anwdl_client_options_t *options = make_server_options();
    int ends[2];
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    CHECK_OK(anwdl_client_options_set_timeout(options, TIMEOUT));
    make_tcp_pair(ends);
    bool begins_with_0 = ends[SERVER_SIDE] <= 2 || ends[PEER_SIDE] <= 2;
    hold_session_over(ends, options);
    CHECK(begins_with_0 && !is_open(0) && !is_open(1) && !is_open(2));
}

/* -- a key file that is a mount ---------------------------------------------------------------- */

static void save_over_mount(void) {
    char one[64], other[64], text[8] = "";
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    snprintf(one, sizeof one, "%s/one.pem", folder);
    snprintf(other, sizeof other, "%s/other.pem", folder);
    become_root_of(CLONE_NEWNS);
    for (const char *const *path = (const char *const[]){one, other, NULL}; *path != NULL; path++) {
        FILE *file = fopen(*path, "w");
        REQUIRE(file != NULL && fputs("old", file) >= 0 && fclose(file) == 0);
    }
    if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0 ||
        mount(one, other, NULL, MS_BIND, NULL) != 0)
        _exit(NOT_ALLOWED);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, other), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), EBUSY);
    CHECK(strstr(anwdl_last_error_message(), "mount the folder") != NULL);
    FILE *file = fopen(other, "r");
    REQUIRE(file != NULL && fgets(text, sizeof text, file) != NULL && fclose(file) == 0);
    CHECK_STRING(text, "old");
    CHECK_OK(anwdl_rsa_wrapper_load(make_rsa_wrapper("peer-1"), ANWDL_KEYS_DIR "/server.pem"));
    REQUIRE(umount(other) == 0 && unlink(one) == 0 && unlink(other) == 0);
    REQUIRE(rmdir(folder) == 0 && mkdir(folder, 0700) == 0); /* nothing was left behind */
    anwdl_rsa_wrapper_free(wrapper);
}

/* -- coroutines -------------------------------------------------------------------------------- */
#ifdef ANWDL_HAS_COROUTINES

enum { STACK_SIZE = 64 * 1024 /* as the header says */, COROUTINES = 2 };

static ucontext_t main_context, coroutines[COROUTINES];
static size_t finished;

static void run_coroutine(void) {
    anwdl_client_options_t *options = make_server_options();
    hold_conversation(options);
    anwdl_client_options_free(options);
    anwdl_rsa_wrapper_free(new_key_pair());
    finished++;
}

static void test_coroutines(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    finished = 0;
    for (size_t at = 0; at < COROUTINES; at++) {
        /* Whoever needs more runs into a page that cannot be touched. */
        char *memory = mmap(NULL, STACK_SIZE + page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED && mprotect(memory, page, PROT_NONE) == 0);
        REQUIRE(getcontext(&coroutines[at]) == 0);
        coroutines[at].uc_stack.ss_sp = memory + page;
        coroutines[at].uc_stack.ss_size = STACK_SIZE;
        coroutines[at].uc_link = &main_context;
        makecontext(&coroutines[at], run_coroutine, 0);
        REQUIRE(swapcontext(&main_context, &coroutines[at]) == 0);
        REQUIRE(munmap(memory, STACK_SIZE + page) == 0);
    }
    CHECK_INTEGER(finished, COROUTINES);
}
#else
static void test_coroutines(void) {
    printf("skipped: coroutines, which this C library has not\n");
}
#endif

/* -- the environment --------------------------------------------------------------------------- */

/* As docs/processes.md lists them. The program itself asks for nothing. */
static void test_environment(void) {
    static const char *const LISTED[] = {"OPENSSL_ia32cap", "OPENSSL_armcap",     "OPENSSL_ppccap",
                                         "RUST_BACKTRACE",  "RUST_LIB_BACKTRACE", "RUST_MIN_STACK"};
    for (size_t at = 0; at < asked_count; at++) {
        bool is_listed = false;
        for (size_t name = 0; name < sizeof LISTED / sizeof *LISTED; name++)
            is_listed |= strcmp(asked_names[at], LISTED[name]) == 0;
        if (!is_listed)
            printf("the manual does not list the variable %s\n", asked_names[at]);
        CHECK(is_listed);
    }
}

int main(void) {
    REQUIRE(mkdtemp(folder) != NULL);
    test_clocks();
    test_coroutines();
    run_in_child("chroot", work_in_chroot);
    run_in_child("a process without descriptors", work_without_descriptors);
    run_in_child("a mounted file", save_over_mount);
    test_environment();
    REQUIRE(rmdir(folder) == 0);
    return check_finish();
}
