/* A random generator that fails, outside of sessions (those are in test_failing_system_calls.c): at
   each draw of each function that draws; and of AWS-LC, which draws for itself and gives up the
   process when there is nothing to draw from. */
#include "check.h"
#include "children.h"
#include "faults.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = ANWDL_PATIENCE * 20000 };

static const int ERRORS[] = {EINTR, EAGAIN, EIO, ENOSYS, EPERM};
enum { ERROR_COUNT = sizeof ERRORS / sizeof ERRORS[0] };

/* -- the library's own draws ------------------------------------------------------------------- */

static anwdl_rsa_wrapper_t *rsa;
static anwdl_aes_wrapper_t *gcm, *cbc;
static char folder[] = "/tmp/anwdl-random-XXXXXX";
static char path[sizeof folder + 16];

static const uint8_t TEXT[] = "a text";

static anwdl_status_t make_cbc_key(void) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    anwdl_status_t status = anwdl_aes_wrapper_new(256, ANWDL_AES_CBC, &wrapper);
    CHECK((wrapper != NULL) == (status == ANWDL_OK));
    anwdl_aes_wrapper_free(wrapper);
    return status;
}

static anwdl_status_t make_gcm_key(void) {
    anwdl_aes_wrapper_t *wrapper = NULL;
    anwdl_status_t status = anwdl_aes_wrapper_new(128, ANWDL_AES_GCM, &wrapper);
    CHECK((wrapper != NULL) == (status == ANWDL_OK));
    anwdl_aes_wrapper_free(wrapper);
    return status;
}

/* A key without an IV; where none can be drawn, the old key stays. */
static anwdl_status_t set_key(void) {
    static const uint8_t KEY[32] = {7};
    const uint8_t *key, *iv;
    size_t key_len, iv_len;
    CHECK_OK(
        anwdl_aes_wrapper_set_key(cbc, SHARED_KEY, sizeof SHARED_KEY, SHARED_IV, sizeof SHARED_IV));
    anwdl_status_t status = anwdl_aes_wrapper_set_key(cbc, KEY, sizeof KEY, NULL, 0);
    CHECK_OK(anwdl_aes_wrapper_get_key(cbc, &key, &key_len, &iv, &iv_len));
    if (status == ANWDL_OK)
        CHECK(faults_drew(iv, iv_len) && memcmp(key, KEY, sizeof KEY) == 0);
    else
        CHECK_BYTES(key, key_len, SHARED_KEY, sizeof SHARED_KEY);
    return status;
}

static anwdl_status_t encrypt_data(void) {
    uint8_t *out = NULL;
    size_t len = 0;
    anwdl_status_t status = anwdl_aes_wrapper_encrypt_data(gcm, TEXT, sizeof TEXT, &out, &len);
    CHECK((out != NULL) == (status == ANWDL_OK));
    if (status == ANWDL_OK)
        CHECK(faults_drew(out, 12)); /* the nonce */
    anwdl_bytes_free(out, len);
    return status;
}

static anwdl_status_t sign(void) {
    uint8_t *out = NULL;
    size_t len = 0;
    anwdl_status_t status = anwdl_rsa_wrapper_sign_data(rsa, TEXT, sizeof TEXT, &out, &len);
    CHECK((out != NULL) == (status == ANWDL_OK));
    anwdl_bytes_free(out, len);
    return status;
}

/* The name of the file that the key is written to before it is renamed. */
static anwdl_status_t save(void) {
    return anwdl_rsa_wrapper_save(rsa, path);
}

typedef struct {
    const char *name;
    anwdl_status_t (*call)(void);
    size_t draws;
    bool is_of_aws_lc; /* in the build that has it, which is tried by check_aws_lc() */
} function_t;

static const function_t FUNCTIONS[] = {
    {"aes_wrapper_new in CBC mode", make_cbc_key, 2, false}, /* key and IV */
    {"aes_wrapper_new in GCM mode", make_gcm_key, 1, false},
    {"aes_wrapper_set_key without an IV", set_key, 1, false},
    {"aes_wrapper_encrypt_data in GCM mode", encrypt_data, 1, false},
    {"rsa_wrapper_sign_data", sign, 1, true},
    {"rsa_wrapper_save", save, 1, false},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof FUNCTIONS[0] };

static bool has_aws_lc(void) {
    return strstr(anwdl_build_info(), "AWS-LC") != NULL;
}

static anwdl_status_t call(const function_t *function, const fault_plan_t *plan) {
    faults_start(plan, LONGEST);
    faults_begin(0);
    anwdl_status_t status = function->call();
    faults_end();
    return status;
}

static size_t count_draws(const function_t *function, size_t numbers[], size_t capacity) {
    fault_plan_t none = {0};
    size_t draws = 0;
    CHECK_OK(call(function, &none));
    for (size_t at = 0; at < faults_call_count(); at++)
        if (faults_call(at)->kind == CALL_GETRANDOM) {
            REQUIRE(draws < capacity);
            numbers[draws++] = at;
        }
    unlink(path);
    return draws;
}

static unsigned check_function(const function_t *function) {
    size_t numbers[8];
    unsigned cases = 0;
    size_t draws = count_draws(function, numbers, 8);
    CHECK_INTEGER(draws, function->is_of_aws_lc && has_aws_lc() ? 0 : function->draws);
    for (size_t draw = 0; draw < draws; draw++)
        for (size_t error = 0; error < 2 * ERROR_COUNT; error++) {
            fault_plan_t plan = {
                .at = numbers[draw], .error = ERRORS[error / 2], .from_then_on = error % 2 == 1};
            anwdl_status_t status = call(function, &plan);
            bool holds = CHECK(faults_injected() > 0);
            if (plan.error == EINTR)
                holds &= CHECK_OK(status);
            else
                holds &= CHECK_FAILURE(status, ANWDL_RUNTIME_ERROR, ANWDL_REASON_RANDOM_FAILED) &&
                         CHECK_INTEGER(anwdl_last_error_errno(), plan.error) &&
                         CHECK_INTEGER(count_names(folder), 0);
            unlink(path);
            if (!holds)
                fprintf(stderr, "  that was %s, draw %zu, %s\n", function->name, draw,
                        strerror(plan.error));
            cases++;
        }
    return cases;
}

/* -- AWS-LC ------------------------------------------------------------------------------------ */

static size_t draws_of_aws_lc;

/* In a child, which has never drawn: OAEP needs random bytes. */
static child_end_t wrap_a_secret(const void *context) {
    uint8_t *out = NULL;
    size_t len = 0;
    faults_start(context, LONGEST);
    faults_begin(0);
    anwdl_status_t status =
        anwdl_rsa_wrapper_encrypt_data(rsa, TEXT, sizeof TEXT, true, &out, &len);
    faults_end();
    return status == ANWDL_OK && len == 256 ? CHILD_AS_USUAL : CHILD_OTHER;
}

/* Its exit status tells how often AWS-LC draws. */
static child_end_t count_draws_of_aws_lc(const void *context) {
    if (wrap_a_secret(context) != CHILD_AS_USUAL || faults_aws_lc_draws() > 100)
        return CHILD_CRASHED;
    FILE *file = fopen(path, "w");
    fprintf(file, "%zu", faults_aws_lc_draws());
    fclose(file);
    return CHILD_AS_USUAL;
}

static unsigned check_aws_lc(void) {
    fault_plan_t none = {0};
    unsigned cases = 0;
    REQUIRE(run_child(count_draws_of_aws_lc, &none) == CHILD_AS_USUAL);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL && fscanf(file, "%zu", &draws_of_aws_lc) == 1);
    fclose(file);
    unlink(path);
    for (size_t at = 0; at < draws_of_aws_lc; at++)
        for (size_t error = 0; error < 2 * ERROR_COUNT; error++) {
            fault_plan_t plan = {.at = at,
                                 .error = ERRORS[error / 2],
                                 .from_then_on = error % 2 == 1,
                                 .is_for_aws_lc = true};
            if (plan.error == EINTR && plan.from_then_on)
                continue; /* it would be repeated for ever */
            child_end_t end = run_child(wrap_a_secret, &plan);
            /* It tries some times more before it gives up; from an old kernel it turns to
               /dev/urandom. Never does it go on without. */
            bool is_fine = plan.error == EINTR || plan.error == ENOSYS || !plan.from_then_on;
            bool holds = CHECK(end == CHILD_ABORTED || (is_fine && end == CHILD_AS_USUAL));
            holds &= plan.error != EINTR || CHECK_INTEGER(end, CHILD_AS_USUAL);
            if (!holds)
                fprintf(stderr, "  that was draw %zu of AWS-LC, %s%s: %s\n", at,
                        strerror(plan.error), plan.from_then_on ? " for ever" : "",
                        child_end_name(end));
            cases++;
        }
    return cases;
}

int main(void) {
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/key", folder);
    rsa = make_rsa_wrapper("server");
    gcm = make_aes_wrapper(ANWDL_AES_GCM);
    cbc = make_aes_wrapper(ANWDL_AES_CBC);
    unsigned of_aws_lc = check_aws_lc();
    unsigned cases = 0;
    for (size_t at = 0; at < FUNCTION_COUNT; at++)
        cases += check_function(&FUNCTIONS[at]);
    /* Two faults of each of five errors at each of seven draws, or of six. */
    CHECK_INTEGER(cases, has_aws_lc() ? 60 : 70);
    anwdl_rsa_wrapper_free(rsa);
    anwdl_aes_wrapper_free(gcm);
    anwdl_aes_wrapper_free(cbc);
    rmdir(folder);
    printf("cases: %u draws of random bytes that fail\n", cases);
    if (draws_of_aws_lc > 0)
        printf("cases: %u of them within AWS-LC\n", of_aws_lc);
    return check_finish();
}
