/* A server whose private key stays in a PKCS #11 token: a hardware module, a smart card, SoftHSM.
   In the environment: PKCS11_MODULE, the module's file; PKCS11_TOKEN and PKCS11_KEY, the labels of
   the token and of the private key; PKCS11_PIN. */
#include "serving/serving.h"
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>

static CK_FUNCTION_LIST *pkcs11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* a session does one thing at a time */

/* The token only computes: the library does the padding, and checks the result. */
static bool run_private_operation(const uint8_t *input, uint8_t *output, size_t size, void *data) {
    CK_MECHANISM mechanism = {CKM_RSA_X_509, NULL, 0};
    CK_ULONG len = size;
    (void)data;
    pthread_mutex_lock(&mutex);
    CK_RV result = pkcs11->C_DecryptInit(session, &mechanism, key);
    if (result == CKR_OK)
        result = pkcs11->C_Decrypt(session, (CK_BYTE *)input, size, output, &len);
    pthread_mutex_unlock(&mutex);
    if (result != CKR_OK)
        fprintf(stderr, "PKCS #11: error 0x%lx\n", result);
    return result == CKR_OK && len == size;
}

/* A label is filled up with blanks. Another token must not be offered this PIN: it counts wrong
 * ones. */
static bool is_label(const CK_UTF8CHAR label[32], const char *token) {
    size_t len = strlen(token);
    if (len > 32 || memcmp(label, token, len) != 0)
        return false;
    while (len < 32 && label[len] == ' ')
        len++;
    return len == 32;
}

/* Opens a session on the token with this label. */
static bool open_token(const char *module, const char *token, const char *pin) {
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    CK_SLOT_ID slots[16];
    CK_TOKEN_INFO info;
    CK_ULONG count = 16;
    CK_C_GetFunctionList get_functions = NULL;
    void *library = dlopen(module, RTLD_NOW);
    if (library != NULL)
        *(void **)&get_functions = dlsym(library, "C_GetFunctionList");
    if (get_functions == NULL || get_functions(&pkcs11) != CKR_OK ||
        pkcs11->C_Initialize(&arguments) != CKR_OK ||
        pkcs11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
        return false;
    for (CK_ULONG at = 0; at < count; at++)
        if (pkcs11->C_GetTokenInfo(slots[at], &info) == CKR_OK && is_label(info.label, token))
            return pkcs11->C_OpenSession(slots[at], CKF_SERIAL_SESSION, NULL, NULL, &session) ==
                       CKR_OK &&
                   pkcs11->C_Login(session, CKU_USER, (CK_BYTE *)pin, strlen(pin)) == CKR_OK;
    return false;
}

/* Finds the private key with this label, and has the wrapper work with it. */
static bool use_key(anwdl_rsa_wrapper_t *wrapper, const char *label) {
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_BYTE modulus[1024], exponent[8];
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class},
                             {CKA_LABEL, (char *)label, strlen(label)}};
    CK_ATTRIBUTE numbers[] = {{CKA_MODULUS, modulus, sizeof modulus},
                              {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent}};
    CK_ULONG count = 0;
    return pkcs11->C_FindObjectsInit(session, wanted, 2) == CKR_OK &&
           pkcs11->C_FindObjects(session, &key, 1, &count) == CKR_OK && count == 1 &&
           pkcs11->C_FindObjectsFinal(session) == CKR_OK &&
           pkcs11->C_GetAttributeValue(session, key, numbers, 2) == CKR_OK &&
           anwdl_rsa_wrapper_set_public_numbers(wrapper, modulus, numbers[0].ulValueLen, exponent,
                                                numbers[1].ulValueLen) == ANWDL_OK &&
           anwdl_rsa_wrapper_set_private_operation(wrapper, run_private_operation, NULL, NULL) ==
               ANWDL_OK;
}

int main(int argc, char **argv) {
    const char *module = getenv("PKCS11_MODULE"), *token = getenv("PKCS11_TOKEN");
    const char *label = getenv("PKCS11_KEY"), *pin = getenv("PKCS11_PIN");
    anwdl_client_options_t *options = anwdl_client_options_new();
    anwdl_rsa_wrapper_t *wrapper = NULL;
    int listener;
    if (!module || !token || !label || !pin || !open_token(module, token, pin) ||
        anwdl_rsa_wrapper_new(false, &wrapper) != ANWDL_OK || !use_key(wrapper, label)) {
        fprintf(stderr, "no token, or no key: %s\n", anwdl_last_error_message());
        return EXIT_FAILURE;
    }
    if ((listener = open_listener(argc, argv)) < 0 ||
        anwdl_client_options_set_rsa_wrapper(options, wrapper) != ANWDL_OK ||
        anwdl_client_options_set_non_blocking(options, true) != ANWDL_OK ||
        anwdl_client_options_set_max_message_size(options, 16384) != ANWDL_OK ||
        anwdl_client_options_set_timeout(options, 10000) != ANWDL_OK || !stop_at_signals())
        return EXIT_FAILURE;
    while (!is_stopping) {
        anwdl_client_t *client = accept_client(listener, 1000, options);
        pthread_t thread;
        if (client != NULL && pthread_create(&thread, NULL, serve_to_the_end, client) == 0)
            pthread_detach(thread);
        else
            anwdl_client_free(client);
    }
    close(listener);
    pthread_exit(NULL); /* the process ends with its last thread */
}
