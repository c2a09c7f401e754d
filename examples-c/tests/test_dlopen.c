/* The library in a program that loads it and lets go of it: again and again, while threads that
   used it live on, and beside another copy of itself.

       test_dlopen LIBRARY KEY

   The program is not linked with it. */
#include <anwdl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

enum { ROUNDS = 5, MOST_SECONDS = 60 };

typedef struct {
    void *handle;
    __typeof__(&anwdl_rsa_wrapper_new) rsa_wrapper_new;
    __typeof__(&anwdl_rsa_wrapper_load) rsa_wrapper_load;
    __typeof__(&anwdl_rsa_wrapper_encrypt_data) rsa_wrapper_encrypt_data;
    __typeof__(&anwdl_rsa_wrapper_free) rsa_wrapper_free;
    __typeof__(&anwdl_bytes_free) bytes_free;
    __typeof__(&anwdl_last_error_reason) last_error_reason;
} library_t;

static const char *library_path, *key_path;

static void find(void *handle, const char *name, void *place) {
    void *symbol = dlsym(handle, name);
    REQUIRE(symbol != NULL);
    memcpy(place, &symbol, sizeof symbol);
}

static library_t load(const char *path) {
    library_t library = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    REQUIRE(library.handle != NULL);
#define FIND(name) find(library.handle, "anwdl_" #name, &library.name)
    FIND(rsa_wrapper_new);
    FIND(rsa_wrapper_load);
    FIND(rsa_wrapper_encrypt_data);
    FIND(rsa_wrapper_free);
    FIND(bytes_free);
    FIND(last_error_reason);
    return library;
}

/* A success and a failure: each leaves something behind for the thread. */
static void use(const library_t *library) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    REQUIRE(library->rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    REQUIRE(library->rsa_wrapper_load(wrapper, key_path) == ANWDL_OK);
    REQUIRE(library->rsa_wrapper_encrypt_data(wrapper, (const uint8_t *)"x", 1, true, &bytes,
                                              &len) == ANWDL_OK);
    REQUIRE(library->rsa_wrapper_load(wrapper, "/nowhere") == ANWDL_RUNTIME_ERROR);
    library->bytes_free(bytes, len);
    library->rsa_wrapper_free(wrapper);
}

static pthread_barrier_t used, closed;

static void *use_and_outlive(void *context) {
    use(context);
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&closed);
    return NULL;
}

static void test_threads_outlive_it(void) {
    for (int round = 0; round < ROUNDS; round++) {
        int status = -1;
        pthread_t thread;
        library_t library = load(library_path);
        REQUIRE(pthread_create(&thread, NULL, use_and_outlive, &library) == 0);
        pthread_barrier_wait(&used);
        use(&library);
        REQUIRE(dlclose(library.handle) == 0);
        pthread_barrier_wait(&closed);
        REQUIRE(pthread_join(thread, NULL) == 0);
        pid_t child = fork(); /* there are handlers for it */
        REQUIRE(child >= 0);
        if (child == 0)
            _exit(EXIT_SUCCESS);
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void copy_file(const char *from, const char *to) {
    char bytes[65536];
    size_t len;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    REQUIRE(in != NULL && out != NULL);
    while ((len = fread(bytes, 1, sizeof bytes, in)) > 0)
        REQUIRE(fwrite(bytes, 1, len, out) == len);
    REQUIRE(fclose(in) == 0 && fclose(out) == 0);
}

/* As two plugins that each bring a version of it. */
static void test_two_copies(void) {
    char folder[] = "/tmp/anwdl-loading-XXXXXX", path[64];
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/libanwdl.so", folder);
    copy_file(library_path, path);
    library_t one = load(library_path), other = load(path);
    REQUIRE(unlink(path) == 0 && rmdir(folder) == 0);
    REQUIRE(one.rsa_wrapper_new != other.rsa_wrapper_new);
    use(&one);
    REQUIRE(one.last_error_reason() == ANWDL_REASON_IO_FAILED);
    REQUIRE(other.last_error_reason() == ANWDL_REASON_NONE);
    use(&other);
    REQUIRE(dlclose(one.handle) == 0);
    use(&other);
    REQUIRE(dlclose(other.handle) == 0);
}

int main(int argc, char **argv) {
    REQUIRE(argc == 3);
    library_path = argv[1];
    key_path = argv[2];
    alarm(ANWDL_PATIENCE * MOST_SECONDS);
    REQUIRE(pthread_barrier_init(&used, NULL, 2) == 0);
    REQUIRE(pthread_barrier_init(&closed, NULL, 2) == 0);
    test_threads_outlive_it();
    test_two_copies();
    puts("loaded and let go of, and again");
    return EXIT_SUCCESS;
}
