/* libanwdl and OpenSSL in one process, at work at the same time and with each other: what one
   encrypts, the other one decrypts, while a session of libanwdl runs and while OpenSSL computes on
   another thread. */
#include "program/conversation.h"

#include <anwdl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200, KEY_SIZE = 32, BLOCK_SIZE = 16, MOST_BYTES = 1024 };

static const unsigned char TEXT[] = "the same bytes under both libraries";

static void require(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, anwdl_last_error_message());
        ERR_print_errors_fp(stderr);
        exit(EXIT_FAILURE);
    }
}

static int encrypt(const unsigned char *key, const unsigned char *iv, unsigned char *out) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;
    int rest = 0;
    require(context != NULL && EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, iv) == 1 &&
                EVP_EncryptUpdate(context, out, &len, TEXT, sizeof TEXT) == 1 &&
                EVP_EncryptFinal_ex(context, out + len, &rest) == 1,
            "AES of OpenSSL");
    EVP_CIPHER_CTX_free(context);
    return len + rest;
}

/* AES-256-CBC gives the same bytes on both sides. */
static void compare_aes(void) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    const uint8_t *key = NULL;
    const uint8_t *iv = NULL;
    uint8_t *theirs = NULL;
    size_t key_len = 0;
    size_t iv_len = 0;
    size_t theirs_len = 0;
    unsigned char ours[MOST_BYTES];

    require(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrapper) == ANWDL_OK, "aes_wrapper_new");
    require(anwdl_aes_wrapper_get_key(wrapper, &key, &key_len, &iv, &iv_len) == ANWDL_OK &&
                key_len == KEY_SIZE && iv_len == BLOCK_SIZE,
            "get_key");
    int ours_len = encrypt(key, iv, ours);
    require(anwdl_aes_wrapper_encrypt_data(wrapper, TEXT, sizeof TEXT, &theirs, &theirs_len) ==
                ANWDL_OK,
            "encrypt_data");
    require((size_t)ours_len == theirs_len && memcmp(ours, theirs, theirs_len) == 0,
            "AES differs between the libraries");
    anwdl_bytes_free(theirs, theirs_len);
    anwdl_aes_wrapper_free(wrapper);
}

/* OpenSSL encrypts under the public key of libanwdl, whose private key opens it. */
static void compare_rsa(void) {
    anwdl_rsa_wrapper_t *wrapper = NULL;
    char *pem = NULL;
    uint8_t *opened = NULL;
    size_t opened_len = 0;
    unsigned char sealed[MOST_BYTES];
    size_t sealed_len = sizeof sealed;

    require(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK &&
                anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 2048) == ANWDL_OK &&
                anwdl_rsa_wrapper_get_public_key(wrapper, &pem) == ANWDL_OK,
            "key pair");
    BIO *text = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(text, NULL, NULL, NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    require(key != NULL && context != NULL && EVP_PKEY_encrypt_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_encrypt(context, sealed, &sealed_len, TEXT, sizeof TEXT) == 1,
            "RSA of OpenSSL");
    require(anwdl_rsa_wrapper_decrypt_data(wrapper, sealed, sealed_len, &opened, &opened_len) ==
                    ANWDL_OK &&
                opened_len == sizeof TEXT && memcmp(opened, TEXT, opened_len) == 0,
            "RSA differs between the libraries");
    anwdl_bytes_free(opened, opened_len);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(text);
    anwdl_string_free(pem);
    anwdl_rsa_wrapper_free(wrapper);
}

static void *work_with_openssl(void *unused) {
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        SSL_CTX *context = SSL_CTX_new(TLS_method());
        require(context != NULL, "TLS of OpenSSL");
        SSL_CTX_free(context);
    }
    return NULL;
}

int main(void) {
    pthread_t thread;
    require(pthread_create(&thread, NULL, work_with_openssl, NULL) == 0, "thread");
    int status = converse();
    compare_aes();
    compare_rsa();
    require(pthread_join(thread, NULL) == 0, "thread");
    printf("beside %s\n", OpenSSL_version(OPENSSL_VERSION));
    return status;
}
