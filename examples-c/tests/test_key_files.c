/* Private keys in files: what is saved is for its owner only, whole at every moment, and loaded
   again by whoever restarts; what others have rights to is loaded with a warning. */
#include "check.h"
#include "peer.h"
#include "process.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST_FILE = 16384 };

/* How often a file is replaced, and how often a process is killed while it replaces one. */
static int replacements = 200, kills_wanted = 40;

static char folder[] = "/tmp/anwdl-key-files-XXXXXX";

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *content, size_t len, mode_t mode) {
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(content, 1, len, file) == len);
    REQUIRE(fclose(file) == 0);
    REQUIRE(chmod(path, mode) == 0);
}

static int mode_of(const char *path) {
    struct stat found;
    REQUIRE(lstat(path, &found) == 0);
    REQUIRE(S_ISREG(found.st_mode));
    return found.st_mode & 07777;
}

static void check_same_identity(const anwdl_rsa_wrapper_t *one, const anwdl_rsa_wrapper_t *other) {
    char *expected = NULL;
    char *found = NULL;
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(one, false, &expected));
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(other, false, &found));
    CHECK_STRING(found, expected);
    anwdl_string_free(expected);
    anwdl_string_free(found);
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(one, &expected));
    CHECK_OK(anwdl_rsa_wrapper_get_private_key(other, &found));
    CHECK_STRING(found, expected);
    anwdl_string_free(expected);
    anwdl_string_free(found);
}

/* -- saving ------------------------------------------------------------------------------------ */

static void test_restart(void) {
    anwdl_rsa_wrapper_t *before = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *after = make_rsa_wrapper("peer-2");
    const char *path = path_of("server.pem");
    /* Not even a mask that takes nothing away opens it to others, and none closes it to its owner.
     */
    static const mode_t MASKS[] = {0277, 0377, 0777, 0077, 0};
    for (size_t at = 0; at < sizeof MASKS / sizeof MASKS[0]; at++) {
        mode_t mask = umask(MASKS[at]);
        CHECK_OK(anwdl_rsa_wrapper_save(before, path));
        umask(mask);
        CHECK_INTEGER(mode_of(path), 0600);
    }
    CHECK_INTEGER(count_names(folder), 1);
    CHECK_OK(anwdl_rsa_wrapper_load(after, path));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    check_same_identity(before, after);
    anwdl_rsa_wrapper_free(before);
    anwdl_rsa_wrapper_free(after);
    CHECK_INTEGER(unlink(path), 0);
}

static void test_replaced(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    const char *path = path_of("server.pem");
    char content[sizeof "the old content"] = {0};
    write_file(path, "the old content", sizeof "the old content" - 1, 0666);
    int old = open(path, O_RDONLY);
    REQUIRE(old >= 0);
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, path));
    CHECK_INTEGER(mode_of(path), 0600);
    /* Whoever has the old file open has the old file. */
    CHECK_INTEGER(read(old, content, sizeof content - 1), sizeof content - 1);
    CHECK_STRING(content, "the old content");
    CHECK_INTEGER(count_names(folder), 1);
    close(old);
    anwdl_rsa_wrapper_free(wrapper);
    CHECK_INTEGER(unlink(path), 0);
}

typedef struct {
    const char *path;
    atomic_bool done;
    unsigned loads;
} reader_t;

static void *load_for_ever(void *context) {
    reader_t *reader = context;
    anwdl_rsa_wrapper_t *wrapper = NULL;
    REQUIRE(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    do {
        CHECK_OK(anwdl_rsa_wrapper_load(wrapper, reader->path));
        CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
        reader->loads++;
    } while (!atomic_load(&reader->done));
    anwdl_rsa_wrapper_free(wrapper);
    return NULL;
}

/* Others who read meanwhile find a whole key of mode 0600 each time. */
static void test_replaced_while_others_read(void) {
    anwdl_rsa_wrapper_t *keys[] = {make_rsa_wrapper("peer-1"), make_rsa_wrapper("peer-2")};
    reader_t reader = {.path = path_of("server.pem")};
    pthread_t thread;
    CHECK_OK(anwdl_rsa_wrapper_save(keys[0], reader.path));
    REQUIRE(pthread_create(&thread, NULL, load_for_ever, &reader) == 0);
    for (int round = 1; round <= replacements; round++)
        CHECK_OK(anwdl_rsa_wrapper_save(keys[round % 2], reader.path));
    atomic_store(&reader.done, true);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(reader.loads > 0);
    CHECK_INTEGER(count_names(folder), 1);
    CHECK_INTEGER(unlink(reader.path), 0);
    anwdl_rsa_wrapper_free(keys[0]);
    anwdl_rsa_wrapper_free(keys[1]);
}

static void test_link(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    char target[256];
    char content[sizeof "untouched"] = {0};
    snprintf(target, sizeof target, "%s", path_of("target"));
    write_file(target, "untouched", sizeof "untouched" - 1, 0644);
    const char *path = path_of("link.pem");
    REQUIRE(symlink(target, path) == 0);
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, path));
    CHECK_INTEGER(mode_of(path), 0600); /* and it is no link any more */
    int fd = open(target, O_RDONLY);
    REQUIRE(fd >= 0);
    CHECK_INTEGER(read(fd, content, sizeof content - 1), sizeof content - 1);
    close(fd);
    CHECK_STRING(content, "untouched");
    CHECK_INTEGER(unlink(path), 0);
    CHECK_INTEGER(unlink(target), 0);
    anwdl_rsa_wrapper_free(wrapper);
}

static bool is_whole_key_of(const char *path, const anwdl_rsa_wrapper_t *const keys[2]) {
    anwdl_rsa_wrapper_t *found = NULL;
    bool is_one = false;
    REQUIRE(anwdl_rsa_wrapper_new(false, &found) == ANWDL_OK);
    if (CHECK_OK(anwdl_rsa_wrapper_load(found, path))) {
        char *name = NULL;
        CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(found, false, &name));
        for (int at = 0; at < 2; at++) {
            char *expected = NULL;
            CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(keys[at], false, &expected));
            is_one = is_one || strcmp(name, expected) == 0;
            anwdl_string_free(expected);
        }
        anwdl_string_free(name);
    }
    anwdl_rsa_wrapper_free(found);
    return CHECK(is_one);
}

/* On a disk that is full after any number of bytes, the old key stays whole and alone. */
static void test_full_disk(void) {
    anwdl_rsa_wrapper_t *old = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *new = make_rsa_wrapper("peer-2");
    anwdl_rsa_wrapper_t *found = NULL;
    const char *path = path_of("server.pem");
    struct rlimit limit;
    struct stat saved;
    unsigned failures = 0;
    CHECK_OK(anwdl_rsa_wrapper_new(false, &found));
    CHECK_OK(anwdl_rsa_wrapper_save(old, path));
    REQUIRE(stat(path, &saved) == 0);
    REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct rlimit lower = limit;
    for (lower.rlim_cur = 0; lower.rlim_cur < (rlim_t)saved.st_size - 8; lower.rlim_cur += 100) {
        REQUIRE(setrlimit(RLIMIT_FSIZE, &lower) == 0);
        anwdl_status_t status = anwdl_rsa_wrapper_save(new, path);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK_FAILURE(status, ANWDL_RUNTIME_ERROR, ANWDL_REASON_IO_FAILED);
        CHECK_INTEGER(anwdl_last_error_errno(), EFBIG);
        if (CHECK_OK(anwdl_rsa_wrapper_load(found, path)))
            check_same_identity(found, old);
        CHECK_INTEGER(count_names(folder), 1);
        failures++;
    }
    CHECK_OK(anwdl_rsa_wrapper_save(new, path));
    printf("cases: %u saves that fail after some bytes\n", failures);
    REQUIRE(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    CHECK_INTEGER(unlink(path), 0);
    anwdl_rsa_wrapper_free(found);
    anwdl_rsa_wrapper_free(new);
    anwdl_rsa_wrapper_free(old);
}

static void remove_entries(void) {
    DIR *directory = opendir(folder);
    REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            CHECK_INTEGER(unlinkat(dirfd(directory), entry->d_name, 0), 0);
    closedir(directory);
}

/* A process that is killed while it saves, at any moment, leaves the old key or the new one. */
static void test_killed(void) {
    anwdl_rsa_wrapper_t *keys[] = {make_rsa_wrapper("peer-1"), make_rsa_wrapper("peer-2")};
    const char *path = path_of("server.pem");
    unsigned kills = 0;
    CHECK_OK(anwdl_rsa_wrapper_save(keys[0], path));
    for (int round = 0; round < kills_wanted; round++) {
        int alive[2];
        char token;
        REQUIRE(pipe(alive) == 0);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            for (int save = 0;; save++)
                if (anwdl_rsa_wrapper_save(keys[save % 2], path) != ANWDL_OK ||
                    write(alive[1], "1", 1) != 1)
                    _exit(EXIT_FAILURE);
        }
        /* It is at work; the moment differs from round to round. */
        CHECK_INTEGER(read(alive[0], &token, 1), 1);
        struct timespec moment = {.tv_nsec = round * 50000L};
        nanosleep(&moment, NULL);
        CHECK_INTEGER(kill(child, SIGKILL), 0);
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(alive[0]);
        close(alive[1]);
        if (!is_whole_key_of(path, (const anwdl_rsa_wrapper_t *const *)keys))
            break;
        CHECK_INTEGER(mode_of(path), 0600);
        kills++;
    }
    printf("cases: %u processes killed while they save\n", kills);
    remove_entries();
    anwdl_rsa_wrapper_free(keys[0]);
    anwdl_rsa_wrapper_free(keys[1]);
}

static void check_not_replaced(const anwdl_rsa_wrapper_t *wrapper, const char *path, mode_t type) {
    struct stat found;
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, path), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), EEXIST);
    REQUIRE(stat(path, &found) == 0);
    CHECK_INTEGER(found.st_mode & S_IFMT, type);
}

/* Pipes, sockets and devices are there for others; a link to one stands for it. */
static void test_no_regular_file(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = path_of("special");
    char link[256];
    snprintf(link, sizeof link, "%s/link", folder);
    REQUIRE(mkfifo(path, 0600) == 0 && symlink(path, link) == 0);
    check_not_replaced(wrapper, path, S_IFIFO);
    check_not_replaced(wrapper, link, S_IFIFO);
    CHECK_INTEGER(unlink(path), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/special", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    check_not_replaced(wrapper, path, S_IFSOCK);
    close(fd);
    CHECK_INTEGER(unlink(path), 0);
    CHECK_INTEGER(unlink(link), 0);
    /* A link to the device: where the check is broken, it is the link that is lost. */
    REQUIRE(symlink("/dev/null", link) == 0);
    check_not_replaced(wrapper, link, S_IFCHR);
    CHECK_INTEGER(unlink(link), 0);
    CHECK_INTEGER(count_names(folder), 0);
    anwdl_rsa_wrapper_free(wrapper);
}

static void test_failures_to_save(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *empty = NULL;
    CHECK_OK(anwdl_rsa_wrapper_new(false, &empty));
    CHECK_FAILURE(anwdl_rsa_wrapper_save(empty, path_of("key.pem")), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_KEY_MISSING);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, path_of("none/key.pem")), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), ENOENT);
    const char *path = path_of("taken");
    REQUIRE(mkdir(path, 0700) == 0);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, path), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), EISDIR);
    CHECK_INTEGER(count_names(folder), 1);
    CHECK_INTEGER(rmdir(path), 0);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, ""), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(wrapper, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_rsa_wrapper_save(NULL, "key.pem"), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    anwdl_rsa_wrapper_free(empty);
    anwdl_rsa_wrapper_free(wrapper);
}

/* -- loading ----------------------------------------------------------------------------------- */

static unsigned warnings;

static void test_owner(void) {
    if (geteuid() != 0) {
        printf("left out: only root can give a file to somebody else\n");
        return;
    }
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-2");
    char *pem = read_key("peer-1");
    const char *path = path_of("owner.pem");
    write_file(path, pem, strlen(pem), 0600);
    REQUIRE(chown(path, 12345, (gid_t)-1) == 0);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_KEY_FILE_EXPOSED);
    CHECK(strstr(anwdl_last_error_message(), "12345") != NULL);
    REQUIRE(chown(path, 0, (gid_t)-1) == 0);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    anwdl_rsa_wrapper_free(wrapper);
    free(pem);
    CHECK_INTEGER(unlink(path), 0);
}

static void count_warnings(anwdl_log_level_t level, const char *client_id, const char *message,
                           void *user_data) {
    CHECK_INTEGER(level, ANWDL_LOG_WARNING);
    CHECK_STRING(client_id, "");
    CHECK(strstr(message, user_data) != NULL);
    warnings++;
}

static void test_rights(void) {
    static const mode_t MODES[] = {0600, 0400, 0640, 0604, 0660, 0610, 0602, 0666, 0600};
    anwdl_rsa_wrapper_t *key = make_rsa_wrapper("peer-1");
    char *pem = read_key("peer-1");
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, count_warnings, "rights.pem"));
    printf("cases: %zu rights of a key file\n", sizeof MODES / sizeof MODES[0]);
    for (size_t at = 0; at < sizeof MODES / sizeof MODES[0]; at++) {
        bool exposed = (MODES[at] & 077) != 0;
        anwdl_rsa_wrapper_t *wrapper = NULL;
        const char *path = path_of("rights.pem");
        write_file(path, pem, strlen(pem), MODES[at]);
        CHECK_OK(anwdl_rsa_wrapper_new(false, &wrapper));
        warnings = 0;
        CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
        CHECK_INTEGER(anwdl_last_error_reason(),
                      exposed ? ANWDL_REASON_KEY_FILE_EXPOSED : ANWDL_REASON_NONE);
        CHECK((strstr(anwdl_last_error_message(), path) != NULL) == exposed);
        CHECK_INTEGER(anwdl_last_error_errno(), 0);
        CHECK_INTEGER(warnings, exposed);
        check_same_identity(key, wrapper);
        anwdl_rsa_wrapper_free(wrapper);
        CHECK_INTEGER(unlink(path), 0);
    }
    CHECK_OK(anwdl_set_log_callback(ANWDL_LOG_DEBUG, NULL, NULL));
    CHECK_STRING(anwdl_error_reason_name(ANWDL_REASON_KEY_FILE_EXPOSED), "KEY_FILE_EXPOSED");
    anwdl_rsa_wrapper_free(key);
    free(pem);
}

static void check_refused_file(anwdl_rsa_wrapper_t *wrapper, const void *content, size_t len) {
    const char *path = path_of("bad.pem");
    write_file(path, content, len, 0600);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, path), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    CHECK(strstr(anwdl_last_error_message(), "bad.pem") != NULL);
    CHECK_INTEGER(unlink(path), 0);
}

/* What is no key leaves the old one as it was. */
static void test_failures_to_load(void) {
    anwdl_rsa_wrapper_t *key = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    char *pem = read_key("peer-2");
    char *public_pem = NULL;
    char large[LARGEST_FILE + 1];
    CHECK_OK(anwdl_rsa_wrapper_get_public_key(key, &public_pem));
    check_refused_file(wrapper, "", 0);
    check_refused_file(wrapper, "no key", 6);
    check_refused_file(wrapper, "\xff\xfe", 2);
    check_refused_file(wrapper, pem, strlen(pem) / 2);
    check_refused_file(wrapper, public_pem, strlen(public_pem));
    memset(large, '\n', sizeof large);
    memcpy(large, pem, strlen(pem));
    check_refused_file(wrapper, large, sizeof large);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, path_of("none.pem")), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), ENOENT);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, folder), ANWDL_RUNTIME_ERROR,
                  ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(anwdl_last_error_errno(), EISDIR);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_FAILURE(anwdl_rsa_wrapper_load(NULL, "key.pem"), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    check_same_identity(key, wrapper);

    /* As many bytes as a file may have. */
    const char *path = path_of("large.pem");
    write_file(path, large, LARGEST_FILE, 0600);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
    CHECK_INTEGER(unlink(path), 0);
    anwdl_string_free(public_pem);
    free(pem);
    anwdl_rsa_wrapper_free(wrapper);
    anwdl_rsa_wrapper_free(key);
}

typedef struct {
    const char *path;
    const char *pem;
} writer_t;

static void *write_to_pipe(void *context) {
    const writer_t *writer = context;
    int fd = open(writer->path, O_WRONLY);
    REQUIRE(fd >= 0);
    CHECK_INTEGER(write(fd, writer->pem, strlen(writer->pem)), strlen(writer->pem));
    close(fd);
    return NULL;
}

/* A link and a pipe (as shells make them of a command) are read, and what has no end is not. */
static void test_loaded_from_elsewhere(void) {
    anwdl_rsa_wrapper_t *key = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-2");
    char *pem = read_key("peer-1");
    const char *path = path_of("source");
    char link[256];
    pthread_t thread;
    writer_t writer = {.path = path, .pem = pem};
    snprintf(link, sizeof link, "%s/link", folder);
    REQUIRE(symlink(path, link) == 0);

    /* The rights are those of the file behind the link, which has all rights itself. */
    write_file(path, pem, strlen(pem), 0600);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, link));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    check_same_identity(key, wrapper);
    REQUIRE(chmod(path, 0644) == 0);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, link));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_KEY_FILE_EXPOSED);
    CHECK_INTEGER(unlink(path), 0);
    anwdl_rsa_wrapper_free(wrapper);

    wrapper = make_rsa_wrapper("peer-2");
    REQUIRE(mkfifo(path, 0600) == 0);
    REQUIRE(pthread_create(&thread, NULL, write_to_pipe, &writer) == 0);
    CHECK_OK(anwdl_rsa_wrapper_load(wrapper, path));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_NONE);
    REQUIRE(pthread_join(thread, NULL) == 0);
    check_same_identity(key, wrapper);
    CHECK_INTEGER(unlink(path), 0);
    CHECK_INTEGER(unlink(link), 0);

    CHECK_FAILURE(anwdl_rsa_wrapper_load(wrapper, "/dev/zero"), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_KEY);
    check_same_identity(key, wrapper);
    free(pem);
    anwdl_rsa_wrapper_free(wrapper);
    anwdl_rsa_wrapper_free(key);
}

/* Names of any bytes, and names without a folder. */
static void test_other_forms(void) {
    anwdl_rsa_wrapper_t *wrapper = make_rsa_wrapper("peer-1");
    anwdl_rsa_wrapper_t *again = NULL;
    const char *path = path_of("k\xe9y.pem");
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, path));
    CHECK_OK(anwdl_rsa_wrapper_new(false, &again));
    CHECK_OK(anwdl_rsa_wrapper_load(again, path));
    check_same_identity(wrapper, again);
    CHECK_INTEGER(unlink(path), 0);

    /* Without a folder in front of the name. */
    char *here = getcwd(NULL, 0);
    REQUIRE(here != NULL && chdir(folder) == 0);
    CHECK_OK(anwdl_rsa_wrapper_save(wrapper, "key.pem"));
    CHECK_OK(anwdl_rsa_wrapper_load(again, "key.pem"));
    CHECK_INTEGER(mode_of("key.pem"), 0600);
    CHECK_INTEGER(unlink("key.pem"), 0);
    REQUIRE(chdir(here) == 0);
    free(here);
    anwdl_rsa_wrapper_free(again);
    anwdl_rsa_wrapper_free(wrapper);
}

/* -- a server that is started twice ------------------------------------------------------------ */

/* The fingerprint that a client finds; the caller frees it. */
static char *start_and_ask(char *server_path, const char *key_path) {
    char option[] = "--key-file";
    char name[256];
    char *const prefix[] = {NULL};
    char *const options[] = {option, name, NULL};
    char *fingerprint = NULL;
    uint16_t port;
    peer_t peer;
    snprintf(name, sizeof name, "%s", key_path);
    process_t server = start_server(prefix, server_path, options, &port);
    peer_init(&peer, connect_to(port), ANWDL_PROTOCOL_V4, "peer-1");
    CHECK(peer_exchange_keys(&peer, true));
    CHECK_OK(anwdl_rsa_wrapper_get_fingerprint(peer.rsa, true, &fingerprint));
    peer_free(&peer);
    CHECK(kill(server.pid, SIGTERM) == 0);
    check_exit_status(&server, EXIT_SUCCESS);
    return fingerprint;
}

/* The first start makes the key, the second one finds it. */
static void test_server(char *server_path) {
    const char *path = path_of("identity.pem");
    char *first = start_and_ask(server_path, path);
    CHECK_INTEGER(mode_of(path), 0600);
    char *second = start_and_ask(server_path, path);
    CHECK(first != NULL);
    CHECK_STRING(second, first);
    anwdl_string_free(first);
    anwdl_string_free(second);
    CHECK_INTEGER(unlink(path), 0);
}

/* With an argument, the path of anwdl_server, it is started as well. */
int main(int argc, char **argv) {
    size_t before = count_open_descriptors();
    if (argc > 1 && strcmp(argv[1], "--few") == 0) {
        replacements = 10;
        kills_wanted = 2;
        argc = 1;
    }
    REQUIRE(mkdtemp(folder) != NULL);
    test_restart();
    test_replaced();
    test_replaced_while_others_read();
    test_link();
    test_full_disk();
    test_killed();
    test_no_regular_file();
    test_failures_to_save();
    test_rights();
    test_owner();
    test_failures_to_load();
    test_loaded_from_elsewhere();
    test_other_forms();
    if (argc > 1)
        test_server(argv[1]);
    CHECK_INTEGER(count_names(folder), 0);
    CHECK_INTEGER(rmdir(folder), 0);
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
