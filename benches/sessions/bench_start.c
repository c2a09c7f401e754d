/* How long a server takes from loading the library to being ready to exchange keys, in a process
   that did nothing before: dlopen() alone, and dlopen() and reading a private RSA-4096 key
   together. */
#include "bench.h"

#include <anwdl.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_KEY_FILE = 16384 };

typedef anwdl_status_t rsa_wrapper_new_t(bool generate, anwdl_rsa_wrapper_t **out);
typedef anwdl_status_t set_private_key_t(anwdl_rsa_wrapper_t *wrapper, const char *pem,
                                         bool derive_public_key);

static char *read_server_key(void) {
    FILE *file = fopen(BENCH_KEYS_DIR "/server.pem", "r");
    MUST(file != NULL);
    char *pem = calloc(1, LARGEST_KEY_FILE);
    MUST(pem != NULL);
    MUST(fread(pem, 1, LARGEST_KEY_FILE - 1, file) > 0);
    fclose(file);
    return pem;
}

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        bench_fail(EXIT_FAILURE, "%s", dlerror());
    return library;
}

/* ISO C has no cast from a pointer to an object to one to a function; POSIX has the bytes alike. */
static void find(void *library, const char *name, void *function, size_t size) {
    void *symbol = dlsym(library, name);
    MUST(symbol != NULL);
    memcpy(function, &symbol, size);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    rsa_wrapper_new_t *rsa_wrapper_new;
    set_private_key_t *set_private_key;
    anwdl_rsa_wrapper_t *wrapper = NULL;
    const option_t options[] = {{"--library", &path, NULL, NULL}};
    parse_options(argc, argv, options, 1);
    if (path == NULL)
        bench_fail(EXIT_FAILURE, "--library PATH is missing");
    char *pem = read_server_key();

    int64_t start = wall_clock();
    void *library = load(path);
    int64_t loaded = wall_clock();
    find(library, "anwdl_rsa_wrapper_new", &rsa_wrapper_new, sizeof rsa_wrapper_new);
    find(library, "anwdl_rsa_wrapper_set_private_key", &set_private_key, sizeof set_private_key);
    MUST(rsa_wrapper_new(false, &wrapper) == ANWDL_OK);
    MUST(set_private_key(wrapper, pem, true) == ANWDL_OK);
    int64_t ready = wall_clock();

    free(pem);
    printf("{\"dlopen_ns\": %" PRId64 ", \"key_ready_ns\": %" PRId64 "}\n", loaded - start,
           ready - start);
}
