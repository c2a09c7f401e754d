/* Knows libanwdl by the name of its shared library and the types of its header, and is not linked
 * with it. */
#include <anwdl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;

static void *find(const char *name) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    return symbol;
}

/* ISO C converts no pointer to an object into one to a function; POSIX asks for this way. */
#define FIND(type, name)                                                                           \
    type name;                                                                                     \
    *(void **)(&name) = find("anwdl_" #name)

typedef const char *(*version_t)(void);
typedef anwdl_status_t (*aes_wrapper_new_t)(uint32_t, anwdl_aes_mode_t, anwdl_aes_wrapper_t **);
typedef anwdl_status_t (*aes_wrapper_crypt_t)(const anwdl_aes_wrapper_t *, const uint8_t *, size_t,
                                              uint8_t **, size_t *);
typedef void (*aes_wrapper_free_t)(anwdl_aes_wrapper_t *);
typedef void (*bytes_free_t)(uint8_t *, size_t);

int main(int argc, char **argv) {
    static const char TEXT[] = "kept for later";
    anwdl_aes_wrapper_t *wrapper = NULL;
    uint8_t *secret = NULL;
    uint8_t *text = NULL;
    size_t secret_len = 0;
    size_t text_len = 0;

    library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "usage: main LIBRARY: %s\n", argc == 2 ? dlerror() : "no name");
        return EXIT_FAILURE;
    }
    FIND(version_t, version);
    FIND(aes_wrapper_new_t, aes_wrapper_new);
    FIND(aes_wrapper_crypt_t, aes_wrapper_encrypt_data);
    FIND(aes_wrapper_crypt_t, aes_wrapper_decrypt_data);
    FIND(aes_wrapper_free_t, aes_wrapper_free);
    FIND(bytes_free_t, bytes_free);

    if (strcmp(version(), ANWDL_VERSION) != 0 ||
        aes_wrapper_new(256, ANWDL_AES_GCM, &wrapper) != ANWDL_OK ||
        aes_wrapper_encrypt_data(wrapper, (const uint8_t *)TEXT, sizeof TEXT, &secret,
                                 &secret_len) != ANWDL_OK ||
        aes_wrapper_decrypt_data(wrapper, secret, secret_len, &text, &text_len) != ANWDL_OK ||
        text_len != sizeof TEXT || memcmp(text, TEXT, text_len) != 0) {
        fprintf(stderr, "%s does not do what its header says\n", argv[1]);
        return EXIT_FAILURE;
    }
    printf("libanwdl %s: %s\n", version(), (const char *)text);
    bytes_free(text, text_len);
    bytes_free(secret, secret_len);
    aes_wrapper_free(wrapper);
    return dlclose(library) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
