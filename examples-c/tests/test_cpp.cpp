/* include/anwdl.hpp, compiled once for each standard: every class and every form of a call. What
   the C functions behind them do is tested in C. */
#include <anwdl.hpp>

extern "C" {
#include "check.h"
#include "peer.h"
#include "raw_rsa.h"
#include "support.h"
}

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <type_traits>
#include <typeinfo>
#include <unistd.h>
#include <vector>

/* The first example of the header: serve(). */
#include "throwing.hpp"

/* test_cpp_other.cpp, compiled for another standard and linked to this program. */
std::string other_standard_says();
std::string other_standard_calls_data();
void other_standard_logs(const std::function<void()> &function);

namespace {

const char *const STAT = "{\"verb\": \"STAT\", \"parameters\": {}}";
const char *const UUID = "01234567-89ab-cdef-0123-456789abcdef";

/* -- what the compiler has to say -------------------------------------------------------------- */

template <class Type> constexpr bool moves_only() {
    return std::is_nothrow_move_constructible<Type>::value &&
           std::is_nothrow_move_assignable<Type>::value &&
           !std::is_copy_constructible<Type>::value && !std::is_copy_assignable<Type>::value;
}

template <class Type> constexpr bool is_a_pointer_that_moves() {
    return moves_only<Type>() && sizeof(Type) == sizeof(void *);
}

static_assert(is_a_pointer_that_moves<anwdl::rsa_wrapper>(), "");
static_assert(is_a_pointer_that_moves<anwdl::aes_wrapper>(), "");
static_assert(is_a_pointer_that_moves<anwdl::client_options>(), "");
static_assert(is_a_pointer_that_moves<anwdl::client>(), "");
static_assert(is_a_pointer_that_moves<anwdl::session>(), "");
static_assert(is_a_pointer_that_moves<anwdl::client_interface>(), "");
static_assert(is_a_pointer_that_moves<anwdl::request>(), "");
static_assert(is_a_pointer_that_moves<anwdl::response>(), "");
static_assert(is_a_pointer_that_moves<anwdl::data>(), "");
static_assert(is_a_pointer_that_moves<anwdl::string>(), "");
static_assert(moves_only<anwdl::bytes>(), "");
static_assert(sizeof(anwdl::rsa_wrapper_view) == sizeof(void *), "");
static_assert(std::is_base_of<std::invalid_argument, anwdl::value_error>::value, "");
static_assert(std::is_base_of<std::runtime_error, anwdl::runtime_error>::value, "");
static_assert(std::is_base_of<std::logic_error, anwdl::unfinished>::value, "");

/* What a temporary owns ends with it: nothing is lent from one. */
template <class Type> auto lends(int) -> decltype(std::declval<Type>().get_value(), true) {
    return true;
}
template <class Type> auto lends(int) -> decltype(std::declval<Type>().get_parameters(), true) {
    return true;
}
template <class Type> auto lends(int) -> decltype(std::declval<Type>().get_data(), true) {
    return true;
}
template <class Type> bool lends(long) {
    return false;
}

/* As a bool, a pointer would be true. NAME##_takes<Type>(0) is whether a call takes a Type in the
   place of GIVEN. */
#define GIVEN std::declval<Type>()
#define CALL(NAME, OBJECT, ...)                                                                    \
    template <class Type>                                                                          \
    constexpr auto NAME##_takes(int)->decltype(static_cast<void>(                                  \
                                                   std::declval<OBJECT &>().__VA_ARGS__),          \
                                               true) {                                             \
        return true;                                                                               \
    }                                                                                              \
    template <class Type> constexpr bool NAME##_takes(long) {                                      \
        return false;                                                                              \
    }
CALL(send_response, anwdl::client, send_response(GIVEN, "OK"))
CALL(send_response_data, anwdl::client, send_response(GIVEN, "OK", anwdl::data()))
CALL(poll_send_response, anwdl::session, poll_send_response(GIVEN, "OK", "{}"))
CALL(poll_send_response_data, anwdl::session, poll_send_response(GIVEN, "OK", anwdl::data(), ""))
CALL(try_send_response, anwdl::session, try_send_response(GIVEN, "OK"))
CALL(try_send_response_data, anwdl::client, try_send_response(GIVEN, "OK", anwdl::data()))
CALL(recv_request, anwdl::client, recv_request(GIVEN))
CALL(exchange_keys, anwdl::client_interface, exchange_keys(GIVEN))
CALL(set_boolean, anwdl::data, set_boolean("name", GIVEN))
CALL(try_set_boolean, anwdl::data, try_set_boolean("name", GIVEN))
CALL(add_boolean, anwdl::data, add_boolean(GIVEN))
CALL(try_add_boolean, anwdl::data, try_add_boolean(GIVEN))
CALL(set_non_blocking, anwdl::client_options, set_non_blocking(GIVEN))
CALL(set_private_key, anwdl::rsa_wrapper, set_private_key("PEM", GIVEN))
CALL(get_fingerprint, anwdl::rsa_wrapper_view, get_fingerprint(GIVEN))
CALL(try_make, anwdl::rsa_wrapper, try_make(GIVEN))

template <class Type> constexpr int count_takers() {
    return send_response_takes<Type>(0) + send_response_data_takes<Type>(0) +
           poll_send_response_takes<Type>(0) + poll_send_response_data_takes<Type>(0) +
           try_send_response_takes<Type>(0) + try_send_response_data_takes<Type>(0) +
           recv_request_takes<Type>(0) + exchange_keys_takes<Type>(0) + set_boolean_takes<Type>(0) +
           try_set_boolean_takes<Type>(0) + add_boolean_takes<Type>(0) +
           try_add_boolean_takes<Type>(0) + set_non_blocking_takes<Type>(0) +
           set_private_key_takes<Type>(0) + get_fingerprint_takes<Type>(0) +
           try_make_takes<Type>(0) + std::is_constructible<anwdl::rsa_wrapper, Type>::value;
}

static_assert(count_takers<bool>() == 17, "");
static_assert(count_takers<const bool &>() == 17, "");
static_assert(count_takers<int>() == 17, "");
static_assert(count_takers<std::true_type>() == 17, "");
static_assert(count_takers<std::vector<bool>::reference>() == 17, "");
static_assert(count_takers<std::atomic<bool> &>() == 17, "");
static_assert(count_takers<const char (&)[3]>() == 0, "");
static_assert(count_takers<const char *>() == 0, "");
static_assert(count_takers<char *const &>() == 0, "");
static_assert(count_takers<anwdl::request *>() == 0, "");
static_assert(count_takers<bool (*)()>() == 0, "");
static_assert(count_takers<bool (&)()>() == 0, "");
static_assert(count_takers<std::string>() == 0, "");
static_assert(count_takers<anwdl::string>() == 0, "");
static_assert(count_takers<anwdl::string_view>() == 0, "");
static_assert(count_takers<std::nullptr_t>() == 0, "");

/* -- helpers ----------------------------------------------------------------------------------- */

/* Whether a call throws this failure, with a message. */
template <class Failure, class Call> bool fails(anwdl_error_reason_t reason, Call call) {
    try {
        call();
    } catch (const Failure &failure) {
        return CHECK_INTEGER(failure.reason(), reason) && CHECK(failure.what()[0] != '\0') &&
               CHECK_STRING(failure.reason_name(), anwdl_error_reason_name(reason));
    }
    return false;
}

template <class Call> bool is_refused(Call call) {
    return fails<anwdl::value_error>(ANWDL_REASON_INVALID_ARGUMENT, call);
}

bool is_same(anwdl::string_view actual, anwdl::string_view expected) {
    return CHECK_BYTES(actual.data(), actual.size(), expected.data(), expected.size());
}

anwdl::rsa_wrapper key_pair(const char *name) {
    char *pem = read_key(name);
    anwdl::rsa_wrapper wrapper = anwdl::rsa_wrapper::from_private_key(pem);
    std::free(pem);
    return wrapper;
}

anwdl::client_options shared_key_options() {
    return anwdl::client_options::adopt(make_shared_key_options());
}

anwdl::client_options late_options() {
    return anwdl::client_options::adopt(make_late_options());
}

struct descriptor_pair {
    descriptor_pair() {
        make_unix_pair(ends);
    }
    int ends[2];
};

/* A client of the library, and its peer, whose keys for gcm are exchanged. In gcm no message needs
   an answer byte, so that one thread can play both sides. */
struct connection {
    explicit connection(anwdl::client_options options = late_options())
        : client(pair.ends[SERVER_SIDE], options) {
        peer_init_gcm(&peer, pair.ends[PEER_SIDE], client.get());
    }
    ~connection() {
        peer_free(&peer);
    }
    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    /* The response that the peer receives. */
    std::string answer() {
        char *json = peer_receive_response(&peer);
        REQUIRE(json != nullptr);
        std::string text(json);
        std::free(json);
        return text;
    }

    descriptor_pair pair;
    anwdl::client client;
    peer_t peer;
};

/* -- failures ---------------------------------------------------------------------------------- */

void test_failures() {
    /* By their own classes, by those of the standard, and by what they have in common. */
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_INVALID_DESCRIPTOR, [] { anwdl::client(-1); }));
    bool caught = false;
    try {
        anwdl::client(-1);
    } catch (const std::invalid_argument &error) {
        caught = CHECK_STRING(error.what(), anwdl_last_error_message());
    }
    CHECK(caught);
    const anwdl::rsa_wrapper empty(false);
    caught = false;
    try {
        empty.sign_data(std::string("text"));
    } catch (const anwdl::value_error &error) {
        caught = CHECK_STRING(error.what(), anwdl_last_error_message());
    }
    CHECK(caught);
    caught = false;
    try {
        empty.sign_data(std::string("text"));
    } catch (const anwdl::failure &failure) {
        caught = CHECK_INTEGER(failure.reason(), ANWDL_REASON_KEY_MISSING);
        CHECK_STRING(failure.reason_name(), "KEY_MISSING");
        CHECK_INTEGER(failure.system_errno(), 0);
    }
    CHECK(caught);

    /* The errno of the system call comes along. */
    connection broken;
    const struct linger none = {1, 0};
    int ends[2];
    make_tcp_pair(ends);
    anwdl::client client(ends[SERVER_SIDE], shared_key_options());
    REQUIRE(setsockopt(ends[PEER_SIDE], SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    close(ends[PEER_SIDE]);
    try {
        (void)client.recv_request();
        CHECK(false);
    } catch (const anwdl::runtime_error &error) {
        CHECK_INTEGER(error.reason(), ANWDL_REASON_IO_FAILED);
        CHECK_INTEGER(error.system_errno(), ECONNRESET);
    }
}

void test_moves() {
    anwdl::aes_wrapper one(128);
    anwdl_aes_wrapper_t *const handle = one.get();
    anwdl::aes_wrapper two(std::move(one));
    CHECK(two.get() == handle && one.get() == nullptr && !one && two);
    CHECK_INTEGER(one.get_key_size(), 0);
    CHECK(is_refused([&] { one.get_key(); }));
    one = std::move(two);
    CHECK(one.get() == handle && !two);
    one = anwdl::aes_wrapper(256);
    CHECK_INTEGER(one.get_key_size(), 256);
    anwdl_aes_wrapper_t *const released = one.release();
    CHECK(!one);
    one = anwdl::aes_wrapper::adopt(released);
    CHECK(one.get() == released);

    anwdl::bytes cipher = one.encrypt_data(std::string("text"));
    const std::uint8_t *const start = cipher.data();
    anwdl::bytes moved(std::move(cipher));
    CHECK(moved.data() == start && cipher.empty() && cipher.data() == nullptr);
    cipher = std::move(moved);
    CHECK(cipher.data() == start && cipher.size() == 16 && moved.empty());
    cipher = one.encrypt_data(std::string(16, 'x'));
    CHECK_INTEGER(cipher.size(), 32);

    anwdl::request nothing;
    CHECK(!nothing && nothing.get_verb() == nullptr);
}

/* -- texts, bytes and keys --------------------------------------------------------------------- */

void test_texts() {
    anwdl::data data;
    const std::string name = "name";
    data.set_string(name, std::string("a\0b", 3)).set_string("literal", "x");
    CHECK_STRING(data.to_json().c_str(), "{\"name\": \"a\\u0000b\", \"literal\": \"x\"}");
    /* C would see another text than was given. */
    CHECK(is_refused([&] { data.set_null(std::string("na\0me", 5)); }));
    CHECK(is_refused([&] { data.set_null(nullptr); }));
    CHECK(is_refused([&] { data.set_null("\xff"); }));
#if __cplusplus >= 201703L
    const std::string_view longer = "names and more";
    data.set_integer(longer.substr(0, 5), 1).set_string(longer.substr(6, 3), longer.substr(0, 4));
    CHECK_STRING(data.to_json().c_str(),
                 "{\"name\": \"a\\u0000b\", \"literal\": \"x\", \"names\": 1, \"and\": \"name\"}");
    CHECK(is_refused([&] { data.set_null(std::string_view("na\0me", 5)); }));
#else
    CHECK(anwdl::string_view("ab") == std::string("ab"));
    CHECK(anwdl::string_view("ab", 1) != anwdl::string_view("ab"));
    CHECK_STRING(std::string(anwdl::string_view("abc", 2)).c_str(), "ab");
    CHECK(anwdl::string_view().empty());
#endif
    const anwdl::string none;
    CHECK(!none && none.c_str() == nullptr && anwdl::string_view(none).size() == 0);
    CHECK(is_same(data.to_json(), data.to_json().c_str()));
}

void test_rsa_wrapper(bool generates) {
    const anwdl::rsa_wrapper server = key_pair("server");
    anwdl::rsa_wrapper peer = key_pair("peer-1");
    CHECK_INTEGER(server.get_key_size(), 2048);
    CHECK(!peer.get_remote_public_key());
    peer.set_remote_public_key(server.get_public_key());
    CHECK_STRING(peer.get_remote_public_key().c_str(), server.get_public_key().c_str());
    CHECK_STRING(peer.get_fingerprint(true).c_str(), server.get_fingerprint().c_str());
    CHECK_INTEGER(std::strlen(server.get_fingerprint().c_str()), 64);

    const anwdl::bytes cipher = peer.encrypt_data(std::string("secret"));
    const anwdl::bytes plain = server.decrypt_data(cipher);
    CHECK_BYTES(plain.data(), plain.size(), "secret", 6);
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_DECRYPTION_FAILED,
                                    [&] { peer.decrypt_data(cipher); }));
    const std::array<unsigned char, 3> content = {{1, 2, 3}};
    const anwdl::bytes signature = server.sign_data(content);
    CHECK(peer.verify_data_signature(signature, content));
    CHECK(!peer.verify_data_signature(signature, std::vector<std::uint8_t>{1, 2}));
    CHECK(server.verify_data_signature(signature, content, true));
    CHECK(!peer.verify_data_signature(signature, content, true));

    anwdl::rsa_wrapper copy(false);
    CHECK(!copy.get_public_key() && !copy.get_private_key());
    CHECK(copy.get_private_key_der().data() == nullptr);
    copy.set_private_key_der(server.get_private_key_der());
    CHECK_STRING(copy.get_private_key().c_str(), server.get_private_key().c_str());
    copy.set_remote_public_key_der(server.get_public_key_der());
    CHECK_STRING(copy.get_fingerprint(true).c_str(), server.get_fingerprint().c_str());
    const anwdl::bytes der = copy.get_remote_public_key_der();
    copy = anwdl::rsa_wrapper(false);
    copy.set_public_key_der(der);
    CHECK_STRING(copy.get_public_key().c_str(), server.get_public_key().c_str());
    copy = anwdl::rsa_wrapper(false);
    copy.set_private_key(server.get_private_key(), false);
    CHECK(!copy.get_public_key());
    copy.set_public_key(server.get_public_key());
    CHECK_STRING(copy.get_fingerprint().c_str(), server.get_fingerprint().c_str());
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_INVALID_KEY,
                                    [&] { copy.set_public_key("no key"); }));
    if (generates)
        copy.generate_key_pair(65537, 2048);
    CHECK_INTEGER(copy.get_key_size(), 2048);
}

void test_aes_wrapper() {
    anwdl::aes_wrapper wrapper(256, anwdl::aes_mode::gcm);
    CHECK(wrapper.get_iv().empty());
    wrapper = anwdl::aes_wrapper();
    wrapper.set_key(anwdl::bytes_view(SHARED_KEY, sizeof SHARED_KEY),
                    anwdl::bytes_view(SHARED_IV, sizeof SHARED_IV));
    CHECK_BYTES(wrapper.get_key().data(), wrapper.get_key().size(), SHARED_KEY, sizeof SHARED_KEY);
    CHECK_BYTES(wrapper.get_iv().data(), wrapper.get_iv().size(), SHARED_IV, sizeof SHARED_IV);
    wrapper.set_key(anwdl::bytes_view(SHARED_KEY, sizeof SHARED_KEY));
    CHECK_INTEGER(wrapper.get_iv().size(), sizeof SHARED_IV);
    CHECK(std::memcmp(wrapper.get_iv().data(), SHARED_IV, sizeof SHARED_IV) != 0);
    const anwdl::bytes plain = wrapper.decrypt_data(wrapper.encrypt_data(anwdl::bytes_view()));
    CHECK(plain.empty() && plain.data() != nullptr && *plain.data() == 0);
    CHECK(is_refused([&] { wrapper.set_key(std::string("short")); }));
    CHECK(is_refused([&] { anwdl::aes_wrapper(100); }));
}

/* -- data -------------------------------------------------------------------------------------- */

void test_data() {
    anwdl::data list = anwdl::data::array();
    list.add_string("x").add_integer(INT64_MIN).add_boolean(true).add_null();
    list.add_object(anwdl::data()).add_array(list);
    anwdl::data data = anwdl::data::from_json("{\"n\":123456789012345678901234567890}");
    data.set_string("s", "\"").set_integer("i", -1).set_boolean("b", false).set_null("o");
    data.set_array("a", list).set_object("o", anwdl::data());
    CHECK_STRING(
        data.to_json().c_str(),
        "{\"n\": 123456789012345678901234567890, \"s\": \"\\\"\", \"i\": -1, \"b\": false, "
        "\"o\": {}, \"a\": [\"x\", -9223372036854775808, true, null, {}, "
        "[\"x\", -9223372036854775808, true, null, {}]]}");
    CHECK(is_refused([&] { list.set_null("name"); }));
    CHECK(is_refused([&] { data.add_null(); }));
    CHECK(is_refused([&] { data.set_array("name", data); }));
    CHECK(is_refused([] { anwdl::data::from_json("[]"); }));

    const std::string token(255, 't');
    const std::string sum(64, 'a');
    anwdl::data normalized;
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_MALFORMED_RESPONSE, [&] {
        normalized.set_container(UUID, token, sum, "root", "password", 1);
    }));
    CHECK(std::strstr(anwdl_last_error_message(), "container_username") != nullptr);
    CHECK_STRING(normalized.to_json().c_str(), "{}");
    normalized.set_container(UUID, token, sum, "user_12345", "password", 1);
    normalized.set_statistics(UINT64_MAX, "1.0");
    CHECK(std::strstr(normalized.to_json().c_str(), "\"uptime\": 18446744073709551615"));
}

void test_values() {
    CHECK(lends<anwdl::data &>(0) && !lends<anwdl::data>(0));
    CHECK(lends<const anwdl::request &>(0) && !lends<anwdl::request>(0));
    CHECK(lends<anwdl::response &>(0) && !lends<const anwdl::response>(0));
    CHECK(lends<anwdl::request_view>(0));
    anwdl::data data = anwdl::data::from_json(
        "{\"disks\": [{\"name\": \"sda\", \"size\": 10}, {\"size\": 2.5}], \"on\": true}");
    anwdl::value root = data.get_value();
    CHECK(root && root.get_type() == anwdl::value_type::object && root.get_count() == 2);
    double sum = 0, size = 0;
    for (anwdl::value disk : root.find("/disks")) {
        CHECK(disk.get_float("/size", size));
        sum += size;
    }
    CHECK(sum == 12.5);
    std::string names;
    for (anwdl::value member : root) {
        anwdl::string_view name;
        CHECK(member.get_name(name));
        names += std::string(name);
    }
    CHECK_STRING(names.c_str(), "diskson");
    anwdl::string_view string = "untouched";
    std::int64_t integer = 0;
    bool boolean = false;
    CHECK(!root.get_string("/disks/1/name", string) && is_same(string, "untouched"));
    CHECK(anwdl_last_error_reason() == ANWDL_REASON_NOT_FOUND);
    CHECK(root.get_string("/disks/0/name", string) && is_same(string, "sda"));
    CHECK(root.get_integer("/disks/0/size", integer) && integer == 10);
    CHECK(root.get_member("on").get_boolean("", boolean) && boolean);
    CHECK_STRING(root.find("/disks/1").to_json().c_str(), "{\"size\": 2.5}");
    anwdl::value none;
    CHECK(!none && none.begin() == none.end() && !none.find("/x") && !none.get_name(string));
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_NOT_FOUND, [&] { none.to_json(); }));
    anwdl::data list = anwdl::data::array();
    list.add_value(root.find("/disks/0/size")).add_float(0.5).add_json("18446744073709551616");
    anwdl::data copy;
    copy.set_value("list", list.get_value()).set_float("half", 0.5).set_json("none", "null");
    CHECK_STRING(copy.to_json().c_str(),
                 "{\"list\": [10, 0.5, 18446744073709551616], \"half\": 0.5, \"none\": null}");
    CHECK(is_refused([&] { copy.set_json("name", "[1,]"); }));
#if __cplusplus >= 201703L
    CHECK(root.get_integer("/disks/0/size") == 10 && !root.get_integer("/on"));
    CHECK(root.get_float("/disks/1/size") == 2.5 && root.get_boolean("/on") == true);
    CHECK(root.get_string("/disks/0/name") == "sda" && !root.get_name());
    CHECK((*root.begin()).get_name() == "disks");
#endif
}

/* -- clients ----------------------------------------------------------------------------------- */

void test_client() {
    connection connected;
    anwdl::client &client = connected.client;
    CHECK(!client.is_closed() && !client.has_failed());
    CHECK(client.get_wants() == anwdl::progress::done && client.get_user_data() == nullptr);
    client.set_user_data(&connected);
    CHECK(client.get_user_data() == &connected);
    CHECK_STRING(anwdl::name_of(client.get_protocol()), "GCM");
    CHECK_STRING(anwdl::name_of(anwdl::role::client), "CLIENT");
    CHECK_STRING(anwdl::name_of(anwdl::log_level::info), "INFO");
    CHECK_STRING(anwdl::name_of(anwdl::progress::want_read), "WANT_READ");
    anwdl::client_options options;
    options.set_peer_ip("127.0.0.1");
    anwdl::session session(anwdl::role::server, options.copy());
    CHECK_STRING(session.get_ip(), "127.0.0.1");
    CHECK_STRING(session.get_id(), "12ca17b");
    CHECK(session.get_creation_timestamp() > 0);
    options.set_peer_ip(nullptr);
    CHECK_STRING(anwdl::session(anwdl::role::server, options).get_ip(), "");
    CHECK_INTEGER(client.get_time_left(), -1);
    client.set_timeout(std::chrono::seconds(30));
    CHECK(is_refused([&] { client.set_timeout(std::chrono::milliseconds(-1)); }));
    CHECK_INTEGER(client.get_socket_descriptor(), connected.pair.ends[SERVER_SIDE]);
    CHECK_STRING(client.get_ip(), "");
    CHECK_STRING(client.get_id(), "e3b0c44");
    CHECK(client.get_creation_timestamp() > 0);
    CHECK(client.get_protocol() == anwdl::protocol::gcm);
    CHECK_INTEGER(client.get_rsa_wrapper().get_key_size(), 2048);
    CHECK(!client.get_aes_wrapper());
    CHECK(!client.get_stored_request());

    CHECK(peer_send_request(
        &connected.peer, "{\"verb\": \"TELL\", \"parameters\": {\"s\": \"a\\u0000b\", \"i\": -5, "
                         "\"b\": true}}"));
    anwdl::request request = client.recv_request(true);
    CHECK_STRING(request.get_verb(), "TELL");
    CHECK_STRING(request.get_parameters_json(), "{\"s\": \"a\\u0000b\", \"i\": -5, \"b\": true}");
    CHECK_STRING(client.get_stored_request().get_json(), request.get_json());
    CHECK(client.get_request_errors() == nullptr);
    CHECK(client.get_malformed_request_json() == nullptr);
    anwdl::string_view string = "untouched";
    std::int64_t integer = 0;
    bool boolean = false;
    CHECK(!request.get_string("i", string) && is_same(string, "untouched"));
    CHECK(request.get_string("s", string) && is_same(string, anwdl::string_view("a\0b", 3)));
    CHECK(request.get_integer("i", integer) && integer == -5);
    CHECK(request.get_boolean("b", boolean) && boolean);
    CHECK(request.get_parameters().get_integer("/i", integer) && integer == -5);
    CHECK(!request.get_integer("absent", integer) && !request.get_boolean("i", boolean));
#if __cplusplus >= 201703L
    CHECK(request.get_string("s") == std::string_view("a\0b", 3) && !request.get_string("absent"));
    CHECK(request.get_integer("i") == -5 && !request.get_integer("b"));
    CHECK(request.get_boolean("b") == true && !request.get_boolean("i"));
#endif

    client.send_response(true, ANWDL_RESPONSE_MSG_OK, "{\"a\":1}");
    CHECK_STRING(connected.answer().c_str(),
                 "{\"success\": true, \"message\": \"OK\", \"data\": {\"a\":1}}");
    anwdl::data data;
    data.set_statistics(60, "1.0");
    CHECK(peer_send_request(&connected.peer, STAT));
    request = client.recv_request();
    client.send_response(true, ANWDL_RESPONSE_MSG_OK, data, std::string("why"));
    CHECK_STRING(connected.answer().c_str(),
                 "{\"success\": true, \"message\": \"OK (reason : why)\""
                 ", \"data\": {\"uptime\": 60, \"version\": \"1.0\"}}");
    CHECK(peer_send_request(&connected.peer, STAT));
    request = client.recv_request();
    client.send_response(false, ANWDL_RESPONSE_MSG_REFUSED_REQ, nullptr, "no");
    CHECK_STRING(connected.answer().c_str(), "{\"success\": false, \"message\": \"Refused request "
                                             "(reason : no)\", \"data\": {}}");

    CHECK(peer_send_request(&connected.peer, "{\"verb\": 1}"));
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_MALFORMED_REQUEST,
                                    [&] { (void)client.recv_request(); }));
    CHECK(std::strstr(client.get_request_errors(), "required field") != nullptr);
    CHECK_STRING(client.get_malformed_request_json(), "{\"verb\": 1}");

    const int descriptor = client.detach();
    CHECK_INTEGER(descriptor, connected.pair.ends[SERVER_SIDE]);
    CHECK(client.is_closed() && is_open(descriptor));
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_CLOSED, [&] { (void)client.detach(); }));
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_CLOSED, [&] { client.close_connection(); }));
    close(descriptor);
    anwdl::client moved(std::move(client));
    CHECK(is_refused([&] { (void)client.detach(); }));
}

/* Where C takes NULL for the default options or for no text, what was moved from is not taken for
 * it. */
void test_arguments_that_own_nothing() {
    anwdl::client_options options = late_options();
    options.set_expected_fingerprint(std::string(64, 'a'));
    anwdl::client_options kept(std::move(options));
    int ends[2];
    make_tcp_pair(ends);
    CHECK(is_refused([&] { anwdl::client(ends[SERVER_SIDE], options); }));
    CHECK(is_refused([&] { anwdl::session(anwdl::role::client, options); }));
    CHECK(is_refused([&] { anwdl::client_interface{options}; }));
    anwdl::string nothing;
    CHECK(is_refused([&] { kept.set_expected_fingerprint(nothing); }));
    CHECK(is_refused([&] { kept.set_peer_ip(nothing); }));
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
}

/* What is not finished is no failure, and goes on where it was. */
void test_polling() {
    anwdl::client_options options = late_options();
    options.set_non_blocking(true).set_timeout(std::chrono::minutes(1)).set_max_message_size(1000);
    connection connected(std::move(options));
    anwdl::client &client = connected.client;
    anwdl::request request;
    CHECK(client.poll_recv_request(request) == anwdl::progress::want_read && !request);
    bool caught = false;
    try {
        (void)client.recv_request();
    } catch (const anwdl::unfinished &unfinished) {
        caught = CHECK(unfinished.wants() == anwdl::progress::want_read);
    }
    CHECK(caught);
    CHECK(peer_send_request(&connected.peer, STAT));
    CHECK(client.poll_recv_request(request) == anwdl::progress::done);
    CHECK_STRING(request.get_verb(), "STAT");
    CHECK(client.poll_send_response(true, ANWDL_RESPONSE_MSG_OK) == anwdl::progress::done);
    CHECK_STRING(connected.answer().c_str(),
                 "{\"success\": true, \"message\": \"OK\", \"data\": {}}");
    peer_hang_up(&connected.peer);
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PEER_CLOSED,
                                      [&] { (void)client.poll_recv_request(request); }));
}

void test_options() {
    anwdl::client_options options;
    options.set_timeout(std::chrono::seconds(1))
        .set_rsa_wrapper(key_pair("server"))
        .set_aes_wrapper(anwdl::aes_wrapper(256))
        .set_exchange_keys(false)
        .set_protocol(anwdl::protocol::v4)
        .set_peer_ip("192.0.2.7")
        .set_separate_computation(true)
        .set_expected_fingerprint(std::string(64, 'a'))
        .set_expected_fingerprint(nullptr);
    CHECK(is_refused([&] { options.set_timeout(std::chrono::milliseconds(-1)); }));
    CHECK(is_refused([&] { options.set_timeout(std::chrono::hours(24 * 365)); }));
    CHECK(is_refused([&] { options.set_max_message_size(0); }));
    CHECK(is_refused([&] { options.set_expected_fingerprint("123"); }));
    CHECK(is_refused([&] { options.set_protocol(static_cast<anwdl::protocol>(9)); }));

    descriptor_pair pair;
    anwdl::client client(pair.ends[SERVER_SIDE], options);
    CHECK_STRING(client.get_ip(), "192.0.2.7");
    close(pair.ends[PEER_SIDE]);
}

/* -- sessions ---------------------------------------------------------------------------------- */

void move_bytes(anwdl::session &from, anwdl::session &to) {
    from.sent(to.feed(from.get_pending()));
}

/* Polls two operations, one of each session, until both are done. */
template <class One, class Other>
void run_both(anwdl::session &one, One poll_one, anwdl::session &other, Other poll_other) {
    anwdl::progress first = anwdl::progress::want_write;
    anwdl::progress second = anwdl::progress::want_write;
    while (first != anwdl::progress::done || second != anwdl::progress::done) {
        if (first != anwdl::progress::done)
            first = poll_one();
        if (second != anwdl::progress::done)
            second = poll_other();
        if (first == anwdl::progress::want_computation) {
            CHECK(one.get_wants() == anwdl::progress::want_computation);
            std::thread([&] { one.compute(); }).join();
        }
        move_bytes(one, other);
        move_bytes(other, one);
    }
}

/* Adds what happens, up to where the session has to wait. */
template <class Received>
void run_events(anwdl::session &session, Received &received, std::vector<anwdl::event> &events) {
    for (;;) {
        const anwdl::event event = session.next_event(received);
        if (event == anwdl::event::want_computation) {
            session.compute();
            continue;
        }
        if (event == anwdl::event::want_read || event == anwdl::event::want_write)
            return;
        if (event == anwdl::event::your_turn && !events.empty() && events.back() == event)
            return;
        events.push_back(event);
        if (event == anwdl::event::your_turn || event == anwdl::event::ended)
            return;
    }
}

void test_events() {
    typedef std::vector<anwdl::event> events;
    anwdl::client_options options;
    anwdl::request request;
    anwdl::response response;
    options.set_rsa_wrapper(key_pair("server")).set_separate_computation(true);
    options.set_timeout(std::chrono::seconds(10)).set_idle_timeout(std::chrono::seconds(20));
    anwdl::session server(anwdl::role::server, options);
    anwdl::session client(anwdl::role::client, options);
    const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    CHECK_INTEGER(server.get_time_left(), -1);
    server.set_time(start);
    events of_server, of_client;
    const auto run_until = [&](const events &last, anwdl::event end) {
        while (last.empty() || last.back() != end) {
            run_events(client, response, of_client);
            move_bytes(client, server);
            run_events(server, request, of_server);
            move_bytes(server, client);
        }
    };
    run_until(of_client, anwdl::event::your_turn);
    CHECK((of_client == events{anwdl::event::exchanged, anwdl::event::your_turn}));
    CHECK((of_server == events{anwdl::event::exchanged}));
    CHECK_INTEGER(server.get_time_left(), 20000);

    of_server.clear();
    of_client.clear();
    CHECK(client.poll_send_request("TELL") == anwdl::progress::want_write);
    run_until(of_server, anwdl::event::your_turn);
    CHECK((of_server == events{anwdl::event::request, anwdl::event::your_turn}));
    CHECK_STRING(request.get_verb(), "TELL");
    CHECK(server.poll_send_response(true, "OK") == anwdl::progress::want_write);
    run_until(of_client, anwdl::event::your_turn);
    CHECK((of_client ==
           events{anwdl::event::request_sent, anwdl::event::response, anwdl::event::your_turn}));
    CHECK_STRING(response.get_message(), "OK");
    of_server.clear();
    run_events(server, request, of_server);
    server.set_time(start + std::chrono::seconds(20));
    CHECK_INTEGER(server.get_time_left(), 0);
    of_server.clear();
    run_events(server, request, of_server);
    CHECK((of_server == events{anwdl::event::ended}));
    CHECK_INTEGER(anwdl_last_error_reason(), ANWDL_REASON_TIMEOUT);
}

void test_sessions() {
    anwdl::client_options server_options;
    anwdl::client_options client_options;
    const anwdl::rsa_wrapper server_keys = key_pair("server");
    server_options.set_rsa_wrapper(server_keys).set_separate_computation(true);
    client_options.set_rsa_wrapper(key_pair("peer-1"))
        .set_protocol(anwdl::protocol::v4)
        .set_expected_fingerprint(server_keys.get_fingerprint());
    anwdl::session server(anwdl::role::server, server_options);
    anwdl::session client(anwdl::role::client, client_options);
    CHECK(server.get_role() == anwdl::role::server && client.get_role() == anwdl::role::client);
    CHECK(server.get_wants() == anwdl::progress::done);
    CHECK_INTEGER(server.feed(std::string("too early")), 0);

    run_both(
        server, [&] { return server.poll_exchange_keys(); }, //
        client, [&] { return client.poll_exchange_keys(false); });
    CHECK_STRING(client.get_rsa_wrapper().get_fingerprint(true).c_str(),
                 server_keys.get_fingerprint().c_str());
    CHECK(client.get_protocol() == anwdl::protocol::v4);

    anwdl::data parameters;
    parameters.set_integer("a", 1);
    anwdl::request request;
    anwdl::response response;
    run_both(
        server, [&] { return server.poll_recv_request(request, true); }, //
        client, [&] { return client.poll_send_request("TELL", parameters); });
    CHECK_STRING(server.get_stored_request().get_parameters_json(), "{\"a\": 1}");
    anwdl::data data;
    data.set_string("s", "x").set_integer("i", 2).set_boolean("b", true);
    run_both(
        server, [&] { return server.poll_send_response(true, "OK", data, "why"); }, //
        client, [&] { return client.poll_recv_response(response); });
    CHECK(response.get_success());
    CHECK_STRING(response.get_message(), "OK (reason : why)");
    CHECK_STRING(response.get_data_json(), "{\"s\": \"x\", \"i\": 2, \"b\": true}");
    CHECK_STRING(response.get_json(), "{\"success\": true, \"message\": \"OK (reason : why)\", "
                                      "\"data\": {\"s\": \"x\", \"i\": 2, \"b\": true}}");
    anwdl::string_view string;
    std::int64_t integer = 0;
    bool boolean = false;
    CHECK(response.get_string("s", string) && is_same(string, "x"));
    CHECK(response.get_integer("i", integer) && integer == 2);
    CHECK(response.get_boolean("b", boolean) && boolean);
    CHECK(response.get_data().get_count() == 3);

    CHECK(fails<anwdl::value_error>(ANWDL_REASON_OUT_OF_TURN,
                                    [&] { server.send_response(true, "OK"); }));
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_WRONG_ROLE,
                                    [&] { client.send_response(true, "OK"); }));
    CHECK(client.poll_send_request("STAT") == anwdl::progress::want_write);
    CHECK(!client.get_pending().empty());
    client.end();
    CHECK(client.has_failed() && !server.has_failed());
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_SESSION_FAILED,
                                      [&] { client.send_request("STAT"); }));
    CHECK(server.poll_recv_request(request) == anwdl::progress::want_read);
    server.feed_end();
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PEER_CLOSED,
                                      [&] { (void)server.poll_recv_request(request); }));
}

/* The steps of the exchange one by one, and a server that is not the expected one. */
void test_steps() {
    anwdl::session server(anwdl::role::server);
    anwdl::session client(anwdl::role::client);
    const anwdl::rsa_wrapper server_keys = key_pair("server");
    server.set_rsa_wrapper(server_keys);
    client.set_rsa_wrapper(key_pair("peer-1"));
    client.set_aes_wrapper(anwdl::aes_wrapper(256));
    run_both(
        server, [&] { return server.poll_recv_public_rsa_key(); }, //
        client, [&] { return client.poll_send_public_rsa_key(); });
    run_both(
        server, [&] { return server.poll_send_public_rsa_key(); }, //
        client, [&] { return client.poll_recv_public_rsa_key(); });
    run_both(
        server, [&] { return server.poll_recv_aes_key(); }, //
        client, [&] { return client.poll_send_aes_key(); });
    run_both(
        server, [&] { return server.poll_send_aes_key(); }, //
        client, [&] { return client.poll_recv_aes_key(); });
    CHECK_BYTES(server.get_aes_wrapper().get_key().data(), 32,
                client.get_aes_wrapper().get_key().data(), 32);

    anwdl::client_options options;
    options.set_rsa_wrapper(key_pair("peer-1")).set_expected_fingerprint(std::string(64, '0'));
    anwdl::session other_server(anwdl::role::server);
    anwdl::session careful(anwdl::role::client, options);
    other_server.set_rsa_wrapper(server_keys);
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_FINGERPRINT_MISMATCH, [&] {
        run_both(
            careful, [&] { return careful.poll_exchange_keys(false); }, //
            other_server, [&] { return other_server.poll_exchange_keys(); });
    }));
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PEER_REFUSED,
                                      [&] { (void)other_server.poll_exchange_keys(); }));
}

/* -- the connecting side ----------------------------------------------------------------------- */

void serve_one(int listener, const anwdl::client_options &options) {
    anwdl::client client(accept(listener, nullptr, nullptr), options);
    const anwdl::request request = client.recv_request();
    client.send_response(true, request.get_verb(), request.get_parameters_json());
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PEER_CLOSED,
                                      [&] { (void)client.recv_request(); }));
}

void test_client_interface() {
    std::uint16_t port = 0;
    const int listener = make_listener(&port);
    const anwdl::rsa_wrapper server_keys = key_pair("server");
    anwdl::client_options server_options;
    anwdl::client_options options;
    server_options.set_rsa_wrapper(server_keys);
    options.set_rsa_wrapper(key_pair("peer-1")).set_timeout(std::chrono::minutes(1));
    std::thread server([&] { serve_one(listener, server_options); });
    anwdl::client_interface interface(options);
    CHECK(interface.is_closed());
    CHECK_INTEGER(interface.get_socket_descriptor(), -1);
    interface.connect_server("127.0.0.1", port);
    CHECK(!interface.is_closed() && interface.get_socket_descriptor() >= 0);
    CHECK(!interface.has_failed());
    interface.set_timeout(std::chrono::seconds(30));
    anwdl::response none;
    CHECK(interface.next_event(none) == anwdl::event::exchanged);
    CHECK(interface.next_event(none) == anwdl::event::your_turn && !none);
    CHECK_INTEGER(interface.get_time_left(), -1);
    CHECK(is_refused([&] { interface.set_timeout(std::chrono::milliseconds(-1)); }));
    CHECK_STRING(interface.get_server_fingerprint().c_str(), server_keys.get_fingerprint().c_str());
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_ALREADY_CONNECTED,
                                    [&] { interface.connect_server("127.0.0.1", port); }));
    interface.send_request("TELL", "{\"a\": true}");
    const anwdl::response response = interface.recv_response();
    CHECK_STRING(response.get_message(), "TELL");
    CHECK_STRING(response.get_data_json(), "{\"a\": true}");
    interface.close_connection();
    server.join();
    close(listener);
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_CONNECT_FAILED, [&] {
        anwdl::client_interface(options).connect_server("127.0.0.1", port);
    }));
}

/// In a loop, and over a descriptor of the program's.
void test_connecting() {
    std::uint16_t port = 0;
    const int listener = make_listener(&port);
    anwdl::client_options options;
    options.set_non_blocking(true).set_timeout(std::chrono::minutes(1));
    anwdl::client_interface interface(options);
    anwdl::progress progress;
    while ((progress = interface.poll_connect_server("127.0.0.1", port)) != anwdl::progress::done) {
        CHECK(progress == anwdl::progress::want_read);
        CHECK(wait_for(interface.get_socket_descriptor(), POLLIN, interface.get_time_left()));
    }
    anwdl::response none;
    CHECK(interface.next_event(none) == anwdl::event::connected);
    interface.close_connection();
    close(accept(listener, nullptr, nullptr));

    const int queued = fill_queue(listener, port);
    CHECK(interface.poll_connect_server("127.0.0.1", port) == anwdl::progress::want_read);
    CHECK(interface.next_event(none) == anwdl::event::want_read);
    descriptor_pair pair;
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_OPERATION_PENDING,
                                      [&] { (void)interface.detach(); }));
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_OPERATION_PENDING,
                                      [&] { interface.attach(pair.ends[SERVER_SIDE]); }));
    interface.close_connection();
    close(queued);
    close(listener);

    CHECK(
        fails<anwdl::value_error>(ANWDL_REASON_INVALID_DESCRIPTOR, [&] { interface.attach(-1); }));
    interface.attach(pair.ends[SERVER_SIDE]);
    CHECK_INTEGER(interface.get_socket_descriptor(), pair.ends[SERVER_SIDE]);
    CHECK_INTEGER(interface.detach(), pair.ends[SERVER_SIDE]);
    CHECK(interface.is_closed());
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_CLOSED, [&] { (void)interface.detach(); }));
    close(pair.ends[SERVER_SIDE]);
    close(pair.ends[PEER_SIDE]);
}

/* -- log messages ------------------------------------------------------------------------------ */

/* One session that ends with a failure, which is logged as an error. */
void fail_once() {
    connection connected;
    CHECK(peer_send_bytes(&connected.peer, "\xff\xff\xff\xff", 4));
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_MESSAGE_TOO_LARGE,
                                    [&] { (void)connected.client.recv_request(); }));
}

struct counted {
    explicit counted(std::atomic<int> &count) : count_(&count) {
        ++*count_;
    }
    counted(const counted &other) : count_(other.count_) {
        ++*count_;
    }
    counted &operator=(const counted &) = delete;
    ~counted() {
        --*count_;
    }
    std::atomic<int> *count_;
};

void test_log() {
    std::atomic<int> alive(0);
    int errors = 0;
    {
        const counted token(alive);
        anwdl::set_log_callback(
            anwdl::log_level::warning,
            [&errors, token](anwdl::log_level level, const char *client_id, const char *message) {
                CHECK(level == anwdl::log_level::error);
                CHECK_STRING(client_id, "e3b0c44");
                CHECK(message[0] != '\0');
                /* The library may be used. */
                anwdl::data().set_string("message", message);
                errors++;
            });
    }
    CHECK_INTEGER(alive.load(), 1);
    fail_once();
    CHECK_INTEGER(errors, 1);
    CHECK(is_refused([] { anwdl::set_log_callback(static_cast<anwdl::log_level>(9), nullptr); }));
    fail_once();
    CHECK_INTEGER(errors, 2);
    anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
    CHECK_INTEGER(alive.load(), 0);
    fail_once();
    CHECK_INTEGER(errors, 2);
    CHECK(anwdl::take_log_exception() == nullptr);
}

/* What a log function throws goes no further, and does not disturb the call that logs. */
void test_log_that_throws() {
    int calls = 0;
    anwdl::set_log_callback(anwdl::log_level::error,
                            [&calls](anwdl::log_level, const char *, const char *) {
                                throw std::out_of_range(calls++ == 0 ? "first" : "later");
                            });
    fail_once();
    fail_once();
    anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
    CHECK_INTEGER(calls, 2);
    const std::exception_ptr thrown = anwdl::take_log_exception();
    REQUIRE(thrown != nullptr);
    try {
        std::rethrow_exception(thrown);
    } catch (const std::out_of_range &error) {
        CHECK_STRING(error.what(), "first");
    }
    CHECK(anwdl::take_log_exception() == nullptr);
}

/* A function that takes itself off lives on until its call has ended, and a later setting from
   outside destroys it. */
void test_log_that_takes_itself_off() {
    std::atomic<int> alive(0);
    int calls = 0;
    {
        const counted token(alive);
        anwdl::set_log_callback(
            anwdl::log_level::error,
            [&calls, &alive, token](anwdl::log_level, const char *, const char *) {
                anwdl::set_log_callback(anwdl::log_level::error, nullptr);
                calls++;
                CHECK_INTEGER(alive.load(), 1);
            });
    }
    fail_once();
    fail_once();
    CHECK_INTEGER(calls, 1);
    anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
    CHECK_INTEGER(alive.load(), 0);
}

/* There is one function for all parts of a program, whatever each is compiled for. */
void test_log_of_another_standard() {
    std::atomic<int> alive(0);
    int calls = 0;
    {
        const counted token(alive);
        other_standard_logs([&calls, token] { calls++; });
    }
    fail_once();
    CHECK_INTEGER(calls, 1);
    CHECK(anwdl::take_log_exception() != nullptr);
    CHECK_INTEGER(alive.load(), 1);
    anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
    CHECK_INTEGER(alive.load(), 0);
    {
        const counted token(alive);
        other_standard_logs([&calls, &alive, token] {
            anwdl::set_log_callback(anwdl::log_level::error, nullptr);
            CHECK_INTEGER(alive.load(), 1);
            calls++;
        });
    }
    fail_once();
    CHECK_INTEGER(calls, 2);
    CHECK(anwdl::take_log_exception() != nullptr);
    anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
    CHECK_INTEGER(alive.load(), 0);
}

/* What an operation captures is destroyed with the last wrapper that shares it. */
void test_private_operation() {
    raw_rsa_t key;
    raw_rsa_init(&key, "server");
    const anwdl::rsa_wrapper server = key_pair("server");
    const std::array<std::uint8_t, 3> exponent = {{1, 0, 1}};
    int calls = 0;
    bool throws = false;
    std::atomic<int> alive(0);
    const counted captured(alive);
    const anwdl::private_operation operation = [&, captured](const anwdl::bytes_view &input,
                                                             std::uint8_t *output) {
        calls++;
        if (throws)
            throw std::runtime_error("of the operation");
        return raw_rsa_run(input.data(), output, input.size(), &key);
    };
    anwdl::rsa_wrapper wrapper(false);
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_KEY_MISSING,
                                    [&] { wrapper.set_private_operation(operation); }));
    wrapper.set_public_numbers(anwdl::bytes_view(key.modulus_bytes, 256), exponent);
    CHECK_STRING(wrapper.get_public_key().c_str(), server.get_public_key().c_str());
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_INVALID_ARGUMENT, [&] {
        wrapper.set_private_operation(anwdl::private_operation());
    }));
    const int before = alive.load();
    wrapper.set_private_operation(operation);
    CHECK_INTEGER(calls, 1);
    CHECK_INTEGER(alive.load(), before + 1);

    const anwdl::bytes secret = server.encrypt_data(std::string("a secret"), true);
    const anwdl::bytes plain = wrapper.decrypt_data(secret);
    CHECK_BYTES(plain.data(), plain.size(), "a secret", 8);
    const anwdl::bytes signature = wrapper.sign_data(std::string("data"));
    CHECK(server.verify_data_signature(signature, std::string("data"), true));
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_KEY_MISSING,
                                    [&] { static_cast<void>(wrapper.get_private_key()); }));
    throws = true;
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PRIVATE_OPERATION_FAILED,
                                      [&] { static_cast<void>(wrapper.decrypt_data(secret)); }));
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_PRIVATE_OPERATION_FAILED,
                                      [&] { wrapper.set_private_operation(operation); }));
    CHECK_INTEGER(alive.load(), before + 1);
    wrapper = anwdl::rsa_wrapper(false);
    CHECK_INTEGER(alive.load(), before);
}

/* Functions change while two threads log. None is called once it is destroyed. */
void test_log_from_threads() {
    std::atomic<bool> done(false);
    std::atomic<int> calls(0);
    std::vector<std::thread> threads;
    for (int index = 0; index < 2; index++)
        threads.emplace_back([&done] {
            while (!done)
                fail_once();
        });
    for (int round = 0; round < 100; round++) {
        const std::shared_ptr<std::atomic<bool>> alive = std::make_shared<std::atomic<bool>>(true);
        const int before = calls;
        anwdl::set_log_callback(anwdl::log_level::debug,
                                [&calls, alive](anwdl::log_level, const char *, const char *) {
                                    calls++;
                                    for (int turn = 0; turn < 20; turn++)
                                        std::this_thread::yield();
                                    CHECK(*alive);
                                });
        while (round % 10 == 0 && calls == before)
            std::this_thread::yield();
        anwdl::set_log_callback(anwdl::log_level::debug, nullptr);
        CHECK(alive.use_count() == 1);
        *alive = false;
    }
    done = true;
    for (std::thread &thread : threads)
        thread.join();
}

/* -- results ----------------------------------------------------------------------------------- */

template <class Value> void raise(const anwdl::result<Value> &result) {
    result.error().raise();
}

/* What the forms with try_ give is tested in test_cpp_results.cpp. Their errors can be thrown. */
void test_results() {
    CHECK_INTEGER(anwdl::aes_wrapper::try_make(128).value().get_key_size(), 128);
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_INVALID_DESCRIPTOR,
                                    [] { raise(anwdl::client::try_make(-1)); }));
    anwdl::session server(anwdl::role::server, late_options());
    bool caught = false;
    try {
        raise(server.try_exchange_keys());
    } catch (const anwdl::unfinished &unfinished) {
        caught = unfinished.wants() == anwdl::progress::want_read;
    }
    CHECK(caught);
    server.end();
    CHECK(fails<anwdl::runtime_error>(ANWDL_REASON_SESSION_FAILED,
                                      [&] { raise(server.try_exchange_keys()); }));
#if defined(__cpp_lib_expected)
    static_assert(std::is_same<anwdl::result<int>, std::expected<int, anwdl::error>>::value, "");
    std::printf("with std::expected\n");
#else
    CHECK(fails<anwdl::value_error>(ANWDL_REASON_INVALID_DESCRIPTOR,
                                    [] { anwdl::client::try_make(-1).value(); }));
#endif
}

/* The example closes the descriptor of a client whom it refuses, and of one whom it served. */
void test_example() {
    const size_t before = count_open_descriptors();
    for (const anwdl::client_options &options :
         {anwdl::client_options::adopt(make_server_options()), late_options()}) {
        descriptor_pair pair;
        close(pair.ends[PEER_SIDE]);
        serve(pair.ends[SERVER_SIDE], options);
        CHECK_INTEGER(count_open_descriptors(), before);
    }
}

} // namespace

int main(int argc, char **argv) {
    const size_t before = count_open_descriptors();
    CHECK_STRING(anwdl::version(), ANWDL_VERSION);
    CHECK_STRING(other_standard_says().c_str(), "{\"from\": \"another standard\"}");
    /* Where the classes differ, so do their names, or the linker would take one for the other. */
    CHECK(other_standard_calls_data() != typeid(anwdl::data).name());
    test_failures();
    test_moves();
    test_texts();
    test_rsa_wrapper(argc < 2 || std::strcmp(argv[1], "--without-generation") != 0);
    test_private_operation();
    test_aes_wrapper();
    test_data();
    test_values();
    test_client();
    test_arguments_that_own_nothing();
    test_polling();
    test_options();
    test_sessions();
    test_events();
    test_steps();
    test_client_interface();
    test_connecting();
    test_log();
    test_log_that_throws();
    test_log_that_takes_itself_off();
    test_log_of_another_standard();
    test_log_from_threads();
    test_results();
    test_example();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
