/* What the library does to descriptors, seen by functions of this program that take the place of
   the C library's: it closes what is its own, once, and touches nothing else. */
#include "c_library.h"
#include "check.h"
#include "handles.h"
#include "peer.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- what is watched --------------------------------------------------------------------------- */

enum { MOST_DESCRIPTORS = 1024 };

/* Since watch(): what was closed, what else was done to descriptors that were open then. */
static struct {
    bool is_on;
    bool was_open[MOST_DESCRIPTORS];
    unsigned closed[MOST_DESCRIPTORS];
    unsigned closed_in_vain; /* what was not open */
    unsigned changes;        /* by fcntl, ioctl, dup or shutdown */
} watched;

static unsigned cases;

static bool is_open_now(int fd) {
    return syscall(SYS_fcntl, fd, F_GETFD) >= 0;
}

static void watch(void) {
    memset(&watched, 0, sizeof watched);
    for (int fd = 0; fd < MOST_DESCRIPTORS; fd++)
        watched.was_open[fd] = is_open_now(fd);
    watched.is_on = true;
}

static void note_change(int fd) {
    if (watched.is_on && fd >= 0 && fd < MOST_DESCRIPTORS && watched.was_open[fd] &&
        watched.closed[fd] == 0)
        watched.changes++;
}

int close(int fd) {
    if (watched.is_on && (fd < 0 || !is_open_now(fd)))
        watched.closed_in_vain++;
    else if (watched.is_on && fd < MOST_DESCRIPTORS)
        watched.closed[fd]++;
    return (int)syscall(SYS_close, fd);
}

static int change(int fd, int command, long argument) {
    note_change(fd);
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return change(fd, command, argument);
}

int fcntl64(int fd, int command, ...);
int fcntl64(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return change(fd, command, argument);
}

int ioctl(int fd, ioctl_request_t request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    note_change(fd);
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

int shutdown(int fd, int how) {
    note_change(fd);
    return (int)syscall(SYS_shutdown, fd, how);
}

int dup(int fd) {
    note_change(fd);
    return (int)syscall(SYS_dup, fd);
}

int dup2(int fd, int other) {
    note_change(fd);
    return (int)syscall(SYS_dup3, fd, other, 0);
}

/* Ends the watch: of all that was open, this one alone was closed, once; or none, for -1. */
static void check_watched(const char *what, int closed_fd) {
    bool holds = true;
    watched.is_on = false;
    cases++;
    for (int fd = 0; fd < MOST_DESCRIPTORS; fd++)
        if (watched.was_open[fd])
            holds = CHECK_INTEGER(watched.closed[fd], fd == closed_fd) && holds;
        else /* of the library's own making, and still there or not */
            holds = CHECK(fd != closed_fd) && holds;
    holds = CHECK_INTEGER(watched.closed_in_vain, 0) && holds;
    holds = CHECK_INTEGER(watched.changes, 0) && holds;
    if (!holds)
        fprintf(stderr, "  %s\n", what);
}

/* The flags of a descriptor and of what is open behind it. */
static int flags_of(int fd) {
    int of_file = (int)syscall(SYS_fcntl, fd, F_GETFL),
        of_fd = (int)syscall(SYS_fcntl, fd, F_GETFD);
    return of_file * 4 + of_fd;
}

/* -- descriptors that become a client ---------------------------------------------------------- */

static const int FLAGS[] = {0, O_NONBLOCK};

static anwdl_client_t *open_client(int fd, bool exchanges_keys) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_t *client = NULL;
    if (exchanges_keys)
        REQUIRE(anwdl_client_options_set_exchange_keys(options, true) == ANWDL_OK);
    const anwdl_status_t status = anwdl_client_new(fd, options, &client);
    REQUIRE((status == ANWDL_OK) == (client != NULL));
    anwdl_client_options_free(options);
    return client;
}

typedef enum { FREE, CLOSE, CLOSE_TWICE, DETACH, DETACH_AND_CLOSE, WAYS_TO_END } way_t;

static void end_client(anwdl_client_t *client, way_t way, int fd) {
    if (way == CLOSE || way == CLOSE_TWICE)
        CHECK_OK(anwdl_client_close_connection(client));
    if (way == DETACH || way == DETACH_AND_CLOSE) {
        CHECK_INTEGER(anwdl_client_detach(client), fd);
        CHECK_INTEGER(anwdl_client_detach(client), -1);
    }
    if (way != FREE) {
        CHECK(anwdl_client_is_closed(client));
        CHECK_INTEGER(anwdl_client_get_socket_descriptor(client), -1);
        /* What does not need the connection stays readable. */
        CHECK(anwdl_client_get_id(client) != NULL);
        CHECK(anwdl_client_get_creation_timestamp(client) > 0);
    }
    if (way == CLOSE_TWICE || way == DETACH_AND_CLOSE)
        CHECK_FAILURE(anwdl_client_close_connection(client), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_CLOSED);
    anwdl_client_free(client);
}

static void test_success(bool over_tcp, int flags, way_t way) {
    int ends[2];
    (over_tcp ? make_tcp_pair : make_unix_pair)(ends);
    int fd = ends[SERVER_SIDE];
    REQUIRE(syscall(SYS_fcntl, fd, F_SETFL, flags) == 0);
    REQUIRE(syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC) == 0);
    int flags_before = flags_of(fd);
    watch();
    anwdl_client_t *client = open_client(fd, false);
    CHECK(client != NULL);
    CHECK_INTEGER(flags_of(fd), flags_before);
    REQUIRE(send(ends[PEER_SIDE], "1", 1, MSG_NOSIGNAL) == 1); /* it takes the header */
    CHECK_OK(anwdl_client_send_response(client, true, "OK", NULL, NULL));
    CHECK_INTEGER(flags_of(fd), flags_before);
    end_client(client, way, fd);
    bool is_given_back = way == DETACH || way == DETACH_AND_CLOSE;
    check_watched("a client", is_given_back ? -1 : fd);
    CHECK_INTEGER(is_open_now(fd), is_given_back);
    if (is_given_back) {
        CHECK_INTEGER(flags_of(fd), flags_before);
        close(fd);
    }
    close(ends[PEER_SIDE]);
}

/* A descriptor that is refused stays open, and its owner's. */
static void check_refused(int fd, bool exchanges_keys, const char *what) {
    int flags_before = fd >= 0 ? flags_of(fd) : 0;
    bool was_open = fd >= 0 && is_open_now(fd);
    watch();
    anwdl_client_t *client = open_client(fd, exchanges_keys);
    check_watched(what, -1);
    if (!CHECK(client == NULL))
        fprintf(stderr, "  %s\n", what);
    CHECK_INTEGER(fd >= 0 && is_open_now(fd), was_open);
    if (was_open) {
        CHECK_INTEGER(flags_of(fd), flags_before);
        close(fd);
    }
}

static void test_bad_descriptors(void) {
    int ends[2];
    uint16_t port;
    check_refused(-1, false, "no descriptor");
    check_refused(1000, false, "a closed descriptor");
    check_refused(open("/dev/null", O_RDWR), false, "no socket");
    check_refused(socket(AF_INET, SOCK_DGRAM, 0), false, "no stream");
    check_refused(socket(AF_INET, SOCK_STREAM, 0), false, "not connected");
    check_refused(make_listener(&port), false, "a listener");
    REQUIRE(pipe(ends) == 0);
    check_refused(ends[0], false, "a pipe");
    close(ends[1]);
    make_unix_pair(ends);
    watch();
    CHECK_FAILURE(anwdl_client_new(ends[0], NULL, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    check_watched("no place for the client", -1);
    close(ends[0]);
    close(ends[1]);
}

/* What a peer can say so that the key exchange in anwdl_client_new() fails. */
static void test_failed_exchanges(int flags) {
    static const char *const WORDS[] = {"",          "8",        "abcdefgh", "00000010too short!",
                                        "+1=======", "99999999", "00000000"};
    for (size_t at = 0; at < sizeof WORDS / sizeof *WORDS; at++)
        for (int over_tcp = 0; over_tcp <= 1; over_tcp++) {
            int ends[2];
            size_t len = strlen(WORDS[at]);
            (over_tcp ? make_tcp_pair : make_unix_pair)(ends);
            REQUIRE(syscall(SYS_fcntl, ends[SERVER_SIDE], F_SETFL, flags) == 0);
            REQUIRE(send(ends[PEER_SIDE], WORDS[at], len, MSG_NOSIGNAL) == (ssize_t)len);
            REQUIRE(syscall(SYS_shutdown, ends[PEER_SIDE], SHUT_WR) == 0);
            anwdl_client_options_t *options = make_server_options();
            anwdl_client_t *client = NULL;
            int fd = ends[SERVER_SIDE], flags_before = flags_of(fd);
            REQUIRE(anwdl_client_options_set_timeout(options, 5000) == ANWDL_OK);
            watch();
            CHECK(anwdl_client_new(fd, options, &client) < 0);
            check_watched("a failed exchange", -1);
            CHECK(client == NULL);
            CHECK(is_open_now(fd));
            CHECK_INTEGER(flags_of(fd), flags_before);
            anwdl_client_options_free(options);
            close(fd);
            close(ends[PEER_SIDE]);
        }
}

/* -- handles in each state --------------------------------------------------------------------- */

static int descriptor_of(const handle_t *handle) {
    return handle->type == CLIENT ? anwdl_client_get_socket_descriptor(handle->object)
           : handle->type == INTERFACE
               ? anwdl_client_interface_get_socket_descriptor(handle->object)
               : -1;
}

static void test_states(void) {
    for (int type = 0; type < HANDLE_TYPES; type++)
        for (int state = 0; state < CONNECTING; state++) /* which has several */
            for (int closes = 0; closes <= 1; closes++) {
                handle_t handle = make_handle(type, state);
                int fd = descriptor_of(&handle);
                CHECK_INTEGER(fd >= 0, (type == CLIENT || type == INTERFACE) && state < CLOSED);
                watch();
                if (closes && type == CLIENT)
                    anwdl_client_close_connection(handle.object);
                if (closes && type == INTERFACE)
                    anwdl_client_interface_close_connection(handle.object);
                free_object(&handle);
                check_watched(STATE_NAMES[state], fd);
                free_peer(&handle);
            }
}

/* -- descriptors that the library opens itself ------------------------------------------------- */

/* The attempts to connect, and what they are waited for with. */
static void test_connecting(bool closes) {
    handle_t handle = make_handle(INTERFACE, CONNECTING);
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_interface_t *interface = NULL;
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    REQUIRE(getsockname(handle.peer_fd, (struct sockaddr *)&address, &len) == 0);
    REQUIRE(anwdl_client_options_set_non_blocking(options, true) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    size_t descriptors = count_open_descriptors();
    watch();
    CHECK_INTEGER(
        anwdl_client_interface_connect_server(interface, "127.0.0.1", ntohs(address.sin_port)),
        ANWDL_WANT_READ);
    CHECK(count_open_descriptors() > descriptors);
    if (closes)
        CHECK_OK(anwdl_client_interface_close_connection(interface));
    anwdl_client_interface_free(interface);
    check_watched("a connection that is being made", -1);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    anwdl_client_options_free(options);
    free_handle(&handle);
}

/* One that is attached is given back as it was, or closed. */
static void test_attaching(int flags, bool detaches) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_interface_t *interface = NULL;
    int ends[2];
    make_tcp_pair(ends);
    int fd = ends[SERVER_SIDE];
    REQUIRE(syscall(SYS_fcntl, fd, F_SETFL, flags) == 0);
    int flags_before = flags_of(fd);
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    watch();
    CHECK_FAILURE(anwdl_client_interface_attach(interface, -1), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_DESCRIPTOR);
    CHECK_OK(anwdl_client_interface_attach(interface, fd));
    CHECK_FAILURE(anwdl_client_interface_attach(interface, ends[PEER_SIDE]), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_ALREADY_CONNECTED);
    if (detaches)
        CHECK_INTEGER(anwdl_client_interface_detach(interface), fd);
    anwdl_client_interface_free(interface);
    check_watched("an attached descriptor", detaches ? -1 : fd);
    CHECK_INTEGER(is_open_now(fd), detaches);
    if (detaches) {
        CHECK_INTEGER(flags_of(fd), flags_before);
        close(fd);
    }
    close(ends[PEER_SIDE]);
    anwdl_client_options_free(options);
}

static void test_interface(void) {
    anwdl_client_options_t *options = make_shared_key_options();
    anwdl_client_interface_t *interface = NULL;
    uint16_t port;
    int listener = make_listener(&port);
    size_t descriptors = count_open_descriptors();
    REQUIRE(anwdl_client_options_set_timeout(options, 5000) == ANWDL_OK);
    REQUIRE(anwdl_client_interface_new(options, &interface) == ANWDL_OK);
    for (int round = 0; round < 3; round++) {
        watch();
        CHECK_OK(anwdl_client_interface_connect_server(interface, "127.0.0.1", port));
        CHECK_FAILURE(anwdl_client_interface_connect_server(interface, "127.0.0.1", port),
                      ANWDL_VALUE_ERROR, ANWDL_REASON_ALREADY_CONNECTED);
        CHECK_OK(anwdl_client_interface_close_connection(interface));
        CHECK_FAILURE(anwdl_client_interface_close_connection(interface), ANWDL_RUNTIME_ERROR,
                      ANWDL_REASON_CLOSED);
        check_watched("a connection", -1);
        CHECK_INTEGER(count_open_descriptors(), descriptors);
    }
    close(listener);
    descriptors--;
    watch();
    CHECK_FAILURE(anwdl_client_interface_connect_server(interface, "127.0.0.1", port),
                  ANWDL_RUNTIME_ERROR, ANWDL_REASON_CONNECT_FAILED);
    anwdl_client_interface_free(interface);
    check_watched("a connection that fails", -1);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    anwdl_client_options_free(options);
}

static void test_key_files(void) {
    size_t descriptors = count_open_descriptors();
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("server");
    char path[] = "/tmp/anwdl-descriptors-XXXXXX";
    close(mkstemp(path));
    watch();
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, path));
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
    CHECK(anwdl_rsa_wrapper_save(wrapper, "/no/such/folder/key") < 0);
    CHECK(anwdl_rsa_wrapper_save(wrapper, "/") < 0);
    CHECK(anwdl_rsa_wrapper_load(wrapper, "/") < 0);
    CHECK(anwdl_rsa_wrapper_load(wrapper, "/dev/null") < 0);
    CHECK(anwdl_rsa_wrapper_load(wrapper, "/no/such/folder/key") < 0);
    check_watched("key files", -1);
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    unlink(path);
    anwdl_rsa_wrapper_free(wrapper);
}

int main(void) {
    size_t descriptors = count_open_descriptors();
    for (int over_tcp = 0; over_tcp <= 1; over_tcp++)
        for (int way = 0; way < WAYS_TO_END; way++)
            for (size_t at = 0; at < sizeof FLAGS / sizeof *FLAGS; at++)
                test_success(over_tcp, FLAGS[at], way);
    test_bad_descriptors();
    for (size_t at = 0; at < sizeof FLAGS / sizeof *FLAGS; at++)
        test_failed_exchanges(FLAGS[at]);
    test_states();
    test_interface();
    for (int way = 0; way <= 1; way++) {
        test_connecting(way);
        for (size_t at = 0; at < sizeof FLAGS / sizeof *FLAGS; at++)
            test_attaching(FLAGS[at], way);
    }
    test_key_files();
    CHECK_INTEGER(count_open_descriptors(), descriptors);
    printf("cases: %u times descriptors were watched, from before a call until after it\n", cases);
    return check_finish();
}
