/* Response data and request parameters that are put together value by value. */
#include "check.h"
#include "peer.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define STAT "{\"verb\": \"STAT\", \"parameters\": {}}"

static anwdl_data_t *make_object(void) {
    anwdl_data_t *data = NULL;
    REQUIRE(anwdl_data_new(&data) == ANWDL_OK);
    return data;
}

static anwdl_data_t *make_array(void) {
    anwdl_data_t *data = NULL;
    REQUIRE(anwdl_data_new_array(&data) == ANWDL_OK);
    return data;
}

static bool is_json(const anwdl_data_t *data, const char *expected) {
    char *json = NULL;
    REQUIRE(anwdl_data_to_json(data, &json) == ANWDL_OK);
    bool same = CHECK_STRING(json, expected);
    anwdl_string_free(json);
    return same;
}

static void test_objects(void) {
    anwdl_data_t *data = make_object();
    anwdl_data_t *inner = make_object();
    is_json(data, "{}");
    CHECK_OK(anwdl_data_set_string(data, "text", "caf\xc3\xa9 \"quoted\" \\ \n"));
    CHECK_OK(anwdl_data_set_string_with_length(data, "cut", "a\0b", 3));
    CHECK_OK(anwdl_data_set_string_with_length(data, "", NULL, 0));
    CHECK_OK(anwdl_data_set_integer(data, "least", INT64_MIN));
    CHECK_OK(anwdl_data_set_boolean(data, "yes", true));
    CHECK_OK(anwdl_data_set_boolean(data, "no", false));
    CHECK_OK(anwdl_data_set_null(data, "nothing"));
    CHECK_OK(anwdl_data_set_object(data, "inner", inner));
    /* What was put in is a copy: a later change of the original is none of it. */
    CHECK_OK(anwdl_data_set_null(inner, "later"));
    /* A name that is set again keeps its place. */
    CHECK_OK(anwdl_data_set_integer(data, "text", 1));
    is_json(data, "{\"text\": 1, \"cut\": \"a\\u0000b\", \"\": \"\", "
                  "\"least\": -9223372036854775808, \"yes\": true, \"no\": false, "
                  "\"nothing\": null, \"inner\": {}}");
    anwdl_data_free(inner);
    anwdl_data_free(data);
    anwdl_data_free(NULL);
}

static void test_arrays(void) {
    anwdl_data_t *list = make_array();
    anwdl_data_t *data = make_object();
    is_json(list, "[]");
    CHECK_OK(anwdl_data_add_string(list, "x"));
    CHECK_OK(anwdl_data_add_string_with_length(list, "xyz", 2));
    CHECK_OK(anwdl_data_add_integer(list, INT64_MAX));
    CHECK_OK(anwdl_data_add_boolean(list, true));
    CHECK_OK(anwdl_data_add_null(list));
    CHECK_OK(anwdl_data_add_object(list, data));
    CHECK_OK(anwdl_data_add_array(list, list));
    CHECK_OK(anwdl_data_set_array(data, "list", list));
    is_json(data, "{\"list\": [\"x\", \"xy\", 9223372036854775807, true, null, {}, "
                  "[\"x\", \"xy\", 9223372036854775807, true, null, {}]]}");
    anwdl_data_free(data);
    anwdl_data_free(list);
}

static void test_from_json(void) {
    anwdl_data_t *data = NULL;
    CHECK_OK(anwdl_data_from_json(" {\"n\":123456789012345678901234567890 ,\"r\":[1.0,1e2],"
                                  "\"s\":\"\\u00e9, :\",\"b\":{\"\\\\\" : [ ] }}\n",
                                  &data));
    CHECK_OK(anwdl_data_set_null(data, "s2"));
    is_json(data, "{\"n\": 123456789012345678901234567890, \"r\": [1.0, 1e2], "
                  "\"s\": \"\\u00e9, :\", \"b\": {\"\\\\\": []}, \"s2\": null}");
    anwdl_data_free(data);

    static const char *const wrong[] = {"",      "[]",          "1", "{\"a\": 1, \"a\": 2}",
                                        "{} {}", "{\"a\": NaN}"};
    data = NULL;
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
        CHECK_FAILURE(anwdl_data_from_json(wrong[at], &data), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_ARGUMENT);
    CHECK(data == NULL);
}

/* Each text as people write it, and what is told of it. */
static const struct {
    const char *json;
    const char *told;
} WRITTEN_WRONGLY[] = {
    {"", "at line 1 column 1 (byte 0): the text is empty: {} is an object without members"},
    {"{\n  \"a\": 1, // one\n}", "at line 2 column 11 (byte 12): a comment: JSON has none"},
    {"{\"a\": 1 /* one */}", "at line 1 column 9 (byte 8): a comment: JSON has none"},
    {"{\"a\": 1,\n}", "at line 1 column 8 (byte 7): a trailing comma: leave it out"},
    {"{'a': 1}", "at line 1 column 2 (byte 1): the wrong kind of quote: write double quotes"},
    {"{\"\xc3\xa9\": 'a'}", "at line 1 column 7 (byte 7): the wrong kind of quote: write double "
                            "quotes"},
    {"\xef\xbb\xbf{}", "at line 1 column 1 (byte 0): a byte-order mark: leave it out"},
    {"{\"a\": \"\t\"}",
     "at line 1 column 8 (byte 7): a raw control character: write an escape, \\n "
     "or \\u000a"},
    {"{\"a\": 1, \"a\": 2}", "at line 1 column 10 (byte 9): a duplicate key: leave one out"},
    {"{\"a\": NaN}", "at line 1 column 7 (byte 6): not a JSON number: write null or a string"},
    {"{\"a\": True}", "at line 1 column 7 (byte 6): the words of JSON are null, true and false"},
    {"{\"a\": 01}", "at line 1 column 7 (byte 6): a leading zero: leave it out"},
    {"{a: 1}", "at line 1 column 2 (byte 1): a key is missing: keys need double quotes"},
    {"{\"a\": \"\\ud83d\"}",
     "at line 1 column 8 (byte 7): half a surrogate pair: write both halves, "
     "or the character itself"},
};

/* An integer of so many digits as the value of a member. */
static char *make_integer(size_t digits) {
    char *json = malloc(digits + 16);
    char *end = json;
    REQUIRE(json != NULL);
    end = strcpy(json, "{\"a\": ") + 6;
    memset(end, '9', digits);
    strcpy(end + digits, "}");
    return json;
}

static void test_written_wrongly(void) {
    for (size_t at = 0; at < sizeof WRITTEN_WRONGLY / sizeof WRITTEN_WRONGLY[0]; at++) {
        anwdl_data_t *data = NULL;
        char expected[256];
        CHECK_FAILURE(anwdl_data_from_json(WRITTEN_WRONGLY[at].json, &data), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_ARGUMENT);
        snprintf(expected, sizeof expected, "json is not acceptable JSON %s",
                 WRITTEN_WRONGLY[at].told);
        CHECK_STRING(anwdl_last_error_message(), expected);
    }
    anwdl_data_t *data = NULL;
    CHECK_FAILURE(anwdl_data_from_json("[1]", &data), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_STRING(anwdl_last_error_message(),
                 "json is an array; it must be an object, such as {\"list\": [...]}");
}

/* Numbers go out as they are written, as long as Python reads them. */
static void test_numbers(void) {
    anwdl_data_t *data = NULL;
    CHECK_OK(anwdl_data_from_json("{\"a\": [1e400, -0, 18446744073709551616, -1E-9]}", &data));
    is_json(data, "{\"a\": [1e400, -0, 18446744073709551616, -1E-9]}");
    anwdl_data_free(data);
    char *longest = make_integer(4300);
    char *too_long = make_integer(4301);
    data = NULL;
    CHECK_OK(anwdl_data_from_json(longest, &data));
    anwdl_data_free(data);
    data = NULL;
    CHECK_FAILURE(anwdl_data_from_json(too_long, &data), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    CHECK(strstr(anwdl_last_error_message(),
                 "at line 1 column 7 (byte 6): an integer of more than 4300 digits") != NULL);
    CHECK(data == NULL);
    free(longest);
    free(too_long);
}

static void test_refusals(void) {
    anwdl_data_t *data = make_object();
    anwdl_data_t *list = make_array();
#define CHECK_REFUSED(call, argument)                                                              \
    CHECK(CHECK_FAILURE(call, ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT) &&                 \
          strncmp(anwdl_last_error_message(), argument " ", sizeof argument) == 0)
    CHECK_REFUSED(anwdl_data_set_null(list, "name"), "data");
    CHECK_REFUSED(anwdl_data_add_null(data), "data");
    CHECK_REFUSED(anwdl_data_set_object(data, "name", list), "value");
    CHECK_REFUSED(anwdl_data_set_array(data, "name", data), "array");
    CHECK_REFUSED(anwdl_data_add_object(list, list), "value");
    CHECK_REFUSED(anwdl_data_add_array(list, data), "array");
    CHECK_REFUSED(anwdl_data_set_null(NULL, "name"), "data");
    CHECK_REFUSED(anwdl_data_set_null(data, NULL), "name");
    CHECK_REFUSED(anwdl_data_set_string(data, "name", NULL), "value");
    CHECK_REFUSED(anwdl_data_set_string(data, "name", "\xff"), "value");
    CHECK_REFUSED(anwdl_data_set_string_with_length(data, "name", NULL, 1), "value");
    CHECK_REFUSED(anwdl_data_new(NULL), "out_data");
    is_json(data, "{}");
    is_json(list, "[]");
    anwdl_data_free(data);
    anwdl_data_free(list);
}

static void test_depth(void) {
    anwdl_data_t *data = make_object();
    for (int level = 1; level < 64; level++) {
        anwdl_data_t *outer = make_object();
        CHECK_OK(anwdl_data_set_object(outer, "a", data));
        anwdl_data_free(data);
        data = outer;
    }
    CHECK_FAILURE(anwdl_data_set_object(data, "b", data), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_INVALID_ARGUMENT);
    anwdl_data_free(data);
}

static void test_normalized(void) {
    char token[256];
    char sum[65];
    anwdl_data_t *data = make_object();
    memset(token, 't', 255);
    token[255] = '\0';
    memset(sum, 'a', 64);
    sum[64] = '\0';
#define CHECK_MALFORMED(call, member)                                                              \
    CHECK(CHECK_FAILURE(call, ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_RESPONSE) &&               \
          strstr(anwdl_last_error_message(), member) != NULL && is_json(data, "{}"))
    CHECK_MALFORMED(anwdl_data_set_container(data, "1", token, sum, "user_12345", "secret", 1),
                    "container_uuid");
    CHECK_MALFORMED(anwdl_data_set_container(data, UUID, "t", sum, "user_12345", "secret", 1),
                    "client_token");
    CHECK_MALFORMED(anwdl_data_set_container(data, UUID, token, "A", "user_12345", "secret", 1),
                    "container_iso_sha256");
    CHECK_MALFORMED(anwdl_data_set_container(data, UUID, token, sum, "root", "secret", 1),
                    "container_username");
    CHECK_MALFORMED(anwdl_data_set_container(data, UUID, token, sum, "user_12345", "no secret", 1),
                    "container_password");
    CHECK(strstr(anwdl_last_error_message(), "no secret") == NULL);
    CHECK_MALFORMED(anwdl_data_set_container(data, UUID, token, sum, "user_12345", "secret", 0),
                    "container_listen_port");

    CHECK_OK(anwdl_data_set_container(data, UUID, token, sum, "user_12345", "secret", 65535));
    CHECK_OK(anwdl_data_set_statistics(data, UINT64_MAX, "1.0.0"));
    char expected[1024];
    snprintf(expected, sizeof expected,
             "{\"container_uuid\": \"%s\", \"client_token\": \"%s\", \"container_iso_sha256\": "
             "\"%s\", \"container_username\": \"user_12345\", \"container_password\": \"secret\", "
             "\"container_listen_port\": 65535, \"uptime\": 18446744073709551615, "
             "\"version\": \"1.0.0\"}",
             UUID, token, sum);
    is_json(data, expected);
    anwdl_data_free(data);
}

static bool is_json_of(anwdl_value_t value, const char *expected) {
    char *json = NULL;
    REQUIRE(anwdl_value_to_json(value, &json) == ANWDL_OK);
    bool same = CHECK_STRING(json, expected);
    anwdl_string_free(json);
    return same;
}

/* The header's example, more or less. */
static void test_reading(void) {
    anwdl_data_t *data = NULL;
    const char *string = NULL;
    int64_t integer = 0, sum = 0;
    double number = 0;
    bool boolean = false;
    size_t len = 0, count = 0;
    CHECK_OK(anwdl_data_from_json(
        "{\"disks\": [{\"name\": \"sd\\u0061\", \"size\": 10}, {\"size\": 20}], \"load\": 1e-1,"
        " \"on\": true, \"a/b\": {\"m~n\": \"a\\u0000b\"}, \"big\": 123456789012345678901}",
        &data));
    anwdl_value_t root = anwdl_data_get_value(data);
    anwdl_value_t disk = anwdl_value_get_first(anwdl_value_find(root, "/disks"));
    for (; anwdl_value_get_type(disk) != ANWDL_VALUE_NONE; disk = anwdl_value_get_next(disk)) {
        CHECK_OK(anwdl_value_get_integer(disk, "/size", &integer));
        sum += integer;
        count++;
    }
    CHECK_INTEGER(count, 2);
    CHECK_INTEGER(sum, 30);
    CHECK_OK(anwdl_value_get_string(root, "/disks/0/name", &string, NULL));
    CHECK_STRING(string, "sda");
    CHECK_OK(anwdl_value_get_string(root, "/a~1b/m~0n", &string, &len));
    CHECK(len == 3 && memcmp(string, "a\0b", 4) == 0);
    CHECK_OK(anwdl_value_get_float(root, "/load", &number));
    /* Without the cast, an i686 compares with more digits than a double has. */
    CHECK(number == (double)0.1);
    CHECK_OK(anwdl_value_get_boolean(root, "/on", &boolean));
    CHECK(boolean);
    CHECK_FAILURE(anwdl_value_get_integer(root, "/big", &integer), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_OUT_OF_RANGE);
    is_json_of(anwdl_value_get_member(root, "big"), "123456789012345678901");
    CHECK_FAILURE(anwdl_value_get_string(root, "/on", &string, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_WRONG_TYPE);
    CHECK_STRING(anwdl_last_error_message(), "the value at \"/on\" is a boolean, not a string");
    CHECK_FAILURE(anwdl_value_get_string(root, "/off", &string, NULL), ANWDL_VALUE_ERROR,
                  ANWDL_REASON_NOT_FOUND);
    CHECK_STRING(anwdl_last_error_message(), "there is no value at \"/off\"");
    anwdl_value_t last = anwdl_value_get_member(root, "big");
    CHECK_STRING(anwdl_value_get_name(last, &len), "big");
    CHECK_INTEGER(anwdl_value_get_type(anwdl_value_get_next(last)), ANWDL_VALUE_NONE);
    CHECK_OK(anwdl_data_set_value(data, "disks", anwdl_value_find(root, "/disks/1/size")));
    is_json_of(anwdl_value_get_first(anwdl_data_get_value(data)), "20");
    anwdl_data_free(data);
}

/* Names that were read from data are arguments of changes of the same data. */
static void test_own_names(void) {
    static const char *const AFTER[] = {"1",  "true", "null",  "0.5", "\"x\"",
                                        "[]", "{}",   "\"x\"", "2"};
    for (size_t at = 0; at < sizeof AFTER / sizeof *AFTER; at++) {
        anwdl_data_t *data = NULL, *list = make_array(), *object = make_object();
        char *json = NULL;
        char expected[80];
        CHECK_OK(anwdl_data_from_json("{\"a name with an \\u0065scape\": [1, 2, 3]}", &data));
        anwdl_value_t member = anwdl_value_get_first(anwdl_data_get_value(data));
        const char *name = anwdl_value_get_name(member, NULL);
        anwdl_status_t status;
        switch (at) {
        case 0:
            status = anwdl_data_set_integer(data, name, 1);
            break;
        case 1:
            status = anwdl_data_set_boolean(data, name, true);
            break;
        case 2:
            status = anwdl_data_set_null(data, name);
            break;
        case 3:
            status = anwdl_data_set_float(data, name, 0.5);
            break;
        case 4:
            status = anwdl_data_set_string(data, name, "x");
            break;
        case 5:
            status = anwdl_data_set_array(data, name, list);
            break;
        case 6:
            status = anwdl_data_set_object(data, name, object);
            break;
        case 7:
            status = anwdl_data_set_json(data, name, "\"x\"");
            break;
        default:
            status = anwdl_data_set_value(data, name,
                                          anwdl_value_get_next(anwdl_value_get_first(member)));
            break;
        }
        CHECK_OK(status);
        snprintf(expected, sizeof expected, "{\"a name with an escape\": %s}", AFTER[at]);
        CHECK_OK(anwdl_data_to_json(data, &json));
        CHECK_STRING(json, expected);
        anwdl_string_free(json);
        anwdl_data_free(data);
        anwdl_data_free(list);
        anwdl_data_free(object);
    }
}

static void check_answer(peer_t *peer, const char *expected) {
    char *response = peer_receive_response(peer);
    CHECK_STRING(response, expected);
    free(response);
}

/* What the peer receives from a client that sends data. */
static void test_sending(void) {
    anwdl_data_t *data = make_object();
    anwdl_data_t *list = make_array();
    peer_t peer;
    anwdl_client_t *client = peer_open_gcm_client(&peer, NULL);

    CHECK(peer_send_request(&peer, STAT));
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_FAILURE(anwdl_client_send_response_data(client, true, "OK", list, NULL),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
    CHECK_OK(anwdl_data_set_integer(data, "uptime", -1));
    CHECK_FAILURE(anwdl_client_send_response_data(client, true, "OK", data, NULL),
                  ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_RESPONSE);
    CHECK_OK(anwdl_data_set_statistics(data, 60, "1.0.0"));
    CHECK_OK(anwdl_client_send_response_data(client, true, "OK", data, "why"));
    check_answer(&peer, "{\"success\": true, \"message\": \"OK (reason : why)\", \"data\": "
                        "{\"uptime\": 60, \"version\": \"1.0.0\"}}");
    CHECK(peer_send_request(&peer, STAT));
    CHECK_OK(anwdl_client_recv_request(client, true, NULL));
    CHECK_OK(anwdl_client_send_response_data(client, false, "no", NULL, NULL));
    check_answer(&peer, "{\"success\": false, \"message\": \"no\", \"data\": {}}");

    anwdl_client_free(client);
    anwdl_data_free(data);
    anwdl_data_free(list);
    peer_free(&peer);
}

/* A value of data that were changed since is refused, and nothing is read for it. */
static void test_values_of_changed_data(void) {
    anwdl_data_t *data = NULL;
    const char *string = NULL;
    REQUIRE(anwdl_data_from_json("{\"kept\": \"as it is\"}", &data) == ANWDL_OK);
    for (int number = 0; number < 3; number++) {
        anwdl_value_t root = anwdl_data_get_value(data);
        anwdl_value_t kept = anwdl_value_find(root, "/kept");
        CHECK_OK(anwdl_value_get_string(kept, "", &string, NULL));
        CHECK_OK(anwdl_data_set_integer(data, "number", number));
        CHECK_FAILURE(anwdl_value_get_string(kept, "", &string, NULL), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_ARGUMENT);
        CHECK_FAILURE(anwdl_data_set_value(data, "copy", kept), ANWDL_VALUE_ERROR,
                      ANWDL_REASON_INVALID_ARGUMENT);
        anwdl_last_error_clear();
        CHECK_INTEGER(anwdl_value_get_type(root), ANWDL_VALUE_NONE);
        CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_INVALID_ARGUMENT);
    }
    anwdl_data_free(data);
}

int main(void) {
    size_t before = count_open_descriptors();
    test_objects();
    test_arrays();
    test_from_json();
    test_written_wrongly();
    test_numbers();
    test_refusals();
    test_depth();
    test_reading();
    test_own_names();
    test_normalized();
    test_sending();
    test_values_of_changed_data();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
