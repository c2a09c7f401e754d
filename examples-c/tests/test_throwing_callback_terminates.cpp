/* What a plain callback throws, which the header forbids, ends the process. It does not go on in a
   library that is half-way through something. */
#include <anwdl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
static void throw_something(anwdl_log_level_t, const char *, const char *, void *) {
    throw std::runtime_error("of the callback");
}

static bool throw_for_a_key(const std::uint8_t *, std::uint8_t *, std::size_t, void *) {
    throw std::runtime_error("of the operation");
}
}

static void require(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "failed: %s\n", what);
        std::_Exit(EXIT_FAILURE);
    }
}

/* Its peer is gone before the first byte, and that is logged. */
static void log_something() {
    int ends[2];
    anwdl_client_t *client = nullptr;
    anwdl_aes_wrapper_t *key = nullptr;
    anwdl_request_t *request = nullptr;
    anwdl_client_options_t *options = anwdl_client_options_new();
    require(anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &key) == ANWDL_OK &&
                anwdl_client_options_set_exchange_keys(options, false) == ANWDL_OK &&
                anwdl_client_options_set_aes_wrapper(options, key) == ANWDL_OK,
            "options");
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && close(ends[1]) == 0, "sockets");
    require(anwdl_client_new(ends[0], options, &client) == ANWDL_OK, "client");
    require(anwdl_set_log_callback(ANWDL_LOG_DEBUG, throw_something, nullptr) == ANWDL_OK,
            "callback");
    try {
        require(anwdl_client_recv_request(client, true, &request) != ANWDL_OK, "no failure");
    } catch (const std::exception &) {
        require(false, "the exception came through");
    }
}

/* The operation is tried at once. */
static void use_key() {
    std::uint8_t modulus[256];
    const std::uint8_t exponent[] = {1, 0, 1};
    anwdl_rsa_wrapper_t *wrapper = nullptr;
    std::memset(modulus, 0xff, sizeof modulus);
    require(anwdl_rsa_wrapper_new(false, &wrapper) == ANWDL_OK &&
                anwdl_rsa_wrapper_set_public_numbers(wrapper, modulus, sizeof modulus, exponent,
                                                     sizeof exponent) == ANWDL_OK,
            "public key");
    try {
        require(anwdl_rsa_wrapper_set_private_operation(wrapper, throw_for_a_key, nullptr,
                                                        nullptr) != ANWDL_OK,
                "no failure");
    } catch (const std::exception &) {
        require(false, "the exception came through");
    }
}

static void check_aborted(void (*function)()) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        const rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        function();
        std::_Exit(EXIT_SUCCESS);
    }
    require(child > 0 && waitpid(child, &status, 0) == child, "child");
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the process is aborted");
}

int main() {
    check_aborted(log_something);
    check_aborted(use_key);
    std::puts("aborted, as it should");
    return EXIT_SUCCESS;
}
