/* The forms with try_ of include/anwdl.hpp, in a program without exceptions and without run-time
   type information, compiled once for each standard. A part of it has both. */
#include <anwdl.hpp>

extern "C" {
#include "check.h"
#include "peer.h"
#include "support.h"
}

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>

#if !defined(ANWDL_NO_EXCEPTIONS) || defined(__cpp_exceptions) || defined(__GXX_RTTI)
#error "this is to be compiled with -fno-exceptions -fno-rtti"
#endif

/* The second example of the header: serve(). */
#include "bare.hpp"

/* test_cpp_other.cpp, compiled with exceptions and linked to this program. */
std::string other_standard_says();

namespace {

/* -- what is left out -------------------------------------------------------------------------- */

template <class...> struct to_void { typedef void type; };

template <class Object, class = void> struct can_throw : std::false_type {};
template <class Object>
struct can_throw<Object,
                 typename to_void<decltype(std::declval<Object &>().send_response(true, ""))>::type>
    : std::true_type {};
template <class Object>
struct can_throw<Object, typename to_void<decltype(std::declval<Object &>().set_null(""))>::type>
    : std::true_type {};
template <class Object>
struct can_throw<Object, typename to_void<decltype(std::declval<Object &>().set_timeout(
                             std::chrono::milliseconds()))>::type> : std::true_type {};

static_assert(!can_throw<anwdl::client>::value, "");
static_assert(!can_throw<anwdl::session>::value, "");
static_assert(!can_throw<anwdl::data>::value, "");
static_assert(!can_throw<anwdl::client_options>::value, "");
static_assert(!std::is_default_constructible<anwdl::data>::value, "");
static_assert(!std::is_default_constructible<anwdl::client_options>::value, "");
static_assert(!std::is_constructible<anwdl::client, int>::value, "");
static_assert(!std::is_constructible<anwdl::session, anwdl::role>::value, "");
static_assert(std::is_nothrow_constructible<anwdl::text, const std::string &>::value, "");
static_assert(std::is_nothrow_move_constructible<anwdl::result<anwdl::request>>::value, "");

/* -- helpers ----------------------------------------------------------------------------------- */

template <class Value>
bool is_error(const anwdl::result<Value> &result, anwdl_status_t status,
              anwdl_error_reason_t reason) {
    return CHECK(!result && !result.has_value()) &&
           CHECK_INTEGER(result.error().status(), status) &&
           CHECK_INTEGER(result.error().reason(), reason) &&
           CHECK_STRING(result.error().reason_name(), anwdl_error_reason_name(reason)) &&
           CHECK(result.error().is_unfinished() == result.error().message().empty());
}

template <class Value> bool is_refused(const anwdl::result<Value> &result) {
    return is_error(result, ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT);
}

bool is_fine(const anwdl::result<void> &result) {
    return CHECK(result.has_value());
}

template <class Value> Value take(anwdl::result<Value> result) {
    REQUIRE(result.has_value());
    return std::move(*result);
}

anwdl::rsa_wrapper key_pair(const char *name) {
    char *pem = read_key(name);
    anwdl::rsa_wrapper wrapper = take(anwdl::rsa_wrapper::try_from_private_key(pem));
    std::free(pem);
    return wrapper;
}

anwdl::client_options late_options() {
    return anwdl::client_options::adopt(make_late_options());
}

void move_bytes(anwdl::session &from, anwdl::session &to) {
    CHECK(is_fine(from.try_sent(take(to.try_feed(take(from.try_get_pending()))))));
}

/* -- results ----------------------------------------------------------------------------------- */

/* They hold one or the other, whatever they held before. */
void test_results() {
    anwdl::result<std::string> text = std::string("a text that is too long to be held in place");
    anwdl::result<std::string> other = std::move(text);
    CHECK_STRING(other->c_str(), "a text that is too long to be held in place");
    anwdl::result<anwdl::data> none = anwdl::data::try_from_json("[");
    CHECK(is_refused(none));
    none = anwdl::data::try_from_json("{\"a\": 1}");
    CHECK(none.has_value() && none->get_value().get_count() == 1);
    none = anwdl::data::try_from_json("[");
    CHECK(is_refused(none));
    anwdl::result<anwdl::data> moved(std::move(none));
    CHECK(is_refused(moved));
    CHECK_INTEGER(anwdl::result<int>(5).value_or(1), 5);
    const anwdl::error nothing;
    CHECK(nothing.status() == ANWDL_OK && nothing.reason() == ANWDL_REASON_NONE);
    const anwdl::data list = take(anwdl::data::try_from_json("{\"big\": 1e400, \"s\": \"x\"}"));
    const anwdl::value root = list.get_value();
    CHECK_INTEGER(root.try_get_integer("/big").value_or(7), 7);
    CHECK(is_error(root.try_get_integer("/big"), ANWDL_VALUE_ERROR, ANWDL_REASON_WRONG_TYPE));
    CHECK(is_error(root.try_get_float("/none"), ANWDL_VALUE_ERROR, ANWDL_REASON_NOT_FOUND));
    CHECK(is_error(root.try_get_boolean("/s"), ANWDL_VALUE_ERROR, ANWDL_REASON_WRONG_TYPE));
    CHECK(take(root.try_get_string("/s")) == anwdl::string_view("x"));
    CHECK_STRING(take(root.find("/s").try_to_json()).c_str(), "\"x\"");
    CHECK(is_error(root.find("/none").try_to_json(), ANWDL_VALUE_ERROR, ANWDL_REASON_NOT_FOUND));
}

/* C would see another text than was given; this is refused, also where no text at all is fine. */
void test_texts() {
    const std::string with_nul("a\0b", 3);
    anwdl::data data = take(anwdl::data::try_make());
    CHECK(is_refused(data.try_set_null(with_nul)));
    CHECK(is_refused(data.try_set_null(nullptr)));
    std::int64_t integer = 0;
    CHECK(!data.get_value().get_integer(with_nul, integer));
    CHECK(!data.get_value().get_member(with_nul));
    anwdl::client_options options = take(anwdl::client_options::try_make());
    CHECK(is_refused(options.try_set_expected_fingerprint(with_nul)));
    CHECK(is_refused(options.try_set_peer_ip(with_nul)));
    anwdl::rsa_wrapper wrapper = take(anwdl::rsa_wrapper::try_make(false));
    CHECK(is_refused(wrapper.try_save(with_nul)));
    CHECK(is_refused(wrapper.try_load(with_nul)));
    anwdl::session session = take(anwdl::session::try_make(anwdl::role::server, options));
    CHECK(is_refused(session.try_send_response(true, "OK", with_nul)));
    CHECK(is_refused(session.try_send_response(true, "OK", nullptr, with_nul)));
}

/* -- keys and data ----------------------------------------------------------------------------- */

/* Making a key is slow under valgrind. */
void test_keys(bool generate) {
    anwdl::rsa_wrapper wrapper = take(anwdl::rsa_wrapper::try_make(false));
    CHECK(is_error(wrapper.try_sign_data(std::string("x")), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_KEY_MISSING));
    CHECK(is_error(wrapper.try_set_public_key("no key"), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_INVALID_KEY));
    CHECK(is_error(anwdl::rsa_wrapper::try_from_private_key("no key"), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_INVALID_KEY));
    CHECK(!take(wrapper.try_get_public_key()));
    if (generate)
        CHECK(is_fine(wrapper.try_generate_key_pair(65537, 2048)));
    else
        wrapper = key_pair("server");
    CHECK(is_fine(wrapper.try_set_remote_public_key(take(wrapper.try_get_public_key()))));
    const anwdl::bytes cipher = take(wrapper.try_encrypt_data(std::string("x")));
    CHECK_INTEGER(take(wrapper.try_decrypt_data(cipher)).size(), 1);
    const anwdl::bytes signature = take(wrapper.try_sign_data(cipher));
    CHECK(take(wrapper.try_verify_data_signature(signature, cipher)));
    CHECK(take(wrapper.try_verify_data_signature(signature, cipher, true)));
    CHECK(is_fine(wrapper.try_set_private_key_der(take(wrapper.try_get_private_key_der()))));
    CHECK(is_fine(wrapper.try_set_public_key_der(take(wrapper.try_get_public_key_der()))));
    CHECK(is_error(wrapper.try_set_remote_public_key_der(cipher), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_INVALID_KEY));
    CHECK(is_fine(wrapper.try_set_private_key(take(wrapper.try_get_private_key()))));
    CHECK_STRING(take(wrapper.try_get_fingerprint(true)).c_str(),
                 take(wrapper.try_get_fingerprint()).c_str());
    CHECK_STRING(take(wrapper.try_get_remote_public_key()).c_str(),
                 take(wrapper.try_get_public_key()).c_str());
    CHECK_INTEGER(take(wrapper.try_get_remote_public_key_der()).size(),
                  take(wrapper.try_get_public_key_der()).size());

    anwdl::aes_wrapper aes = take(anwdl::aes_wrapper::try_make(256));
    CHECK(is_refused(anwdl::aes_wrapper::try_make(100)));
    CHECK(is_refused(aes.try_set_key(std::string("x"))));
    CHECK(is_fine(aes.try_set_key(anwdl::bytes_view(SHARED_KEY, sizeof SHARED_KEY))));
    CHECK_INTEGER(take(aes.try_get_key()).size(), 32);
    CHECK_INTEGER(take(aes.try_get_iv()).size(), 16);
    CHECK(is_error(aes.try_decrypt_data(std::string("x")), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_DECRYPTION_FAILED));
    CHECK_INTEGER(take(aes.try_encrypt_data(std::string("x"))).size(), 16);
    anwdl::aes_wrapper moved(std::move(aes));
    CHECK(is_refused(aes.try_get_key()));
}

void test_data() {
    anwdl::data list = take(anwdl::data::try_array());
    anwdl::data data = take(anwdl::data::try_make());
    CHECK(is_fine(list.try_add_string("x")) && is_fine(list.try_add_integer(-1)));
    CHECK(is_fine(list.try_add_float(0.5)) && is_fine(list.try_add_boolean(true)));
    CHECK(is_fine(list.try_add_null()) && is_fine(list.try_add_object(data)));
    CHECK(is_fine(list.try_add_array(list)) && is_fine(list.try_add_json("1e3")));
    CHECK(is_fine(list.try_add_value(data.get_value())));
    CHECK_STRING(take(list.try_to_json()).c_str(),
                 "[\"x\", -1, 0.5, true, null, {}, [\"x\", -1, 0.5, true, null, {}], 1e3, {}]");
    CHECK(is_refused(list.try_set_null("name")) && is_refused(data.try_add_null()));
    CHECK(is_fine(data.try_set_string("s", "x")) && is_fine(data.try_set_integer("i", 1)));
    CHECK(is_fine(data.try_set_float("f", 0.5)) && is_fine(data.try_set_boolean("b", true)));
    CHECK(is_fine(data.try_set_null("n")) && is_fine(data.try_set_json("j", "[2]")));
    CHECK(is_fine(data.try_set_object("o", take(anwdl::data::try_make()))));
    CHECK(is_fine(data.try_set_array("a", take(anwdl::data::try_array()))));
    CHECK(is_fine(data.try_set_value("v", data.get_value().find("/j/0"))));
    CHECK_STRING(take(data.try_to_json()).c_str(),
                 "{\"s\": \"x\", \"i\": 1, \"f\": 0.5, \"b\": true, \"n\": null, \"j\": [2], "
                 "\"o\": {}, \"a\": [], \"v\": 2}");
    CHECK(is_fine(data.try_set_statistics(1, "1")));
    CHECK(is_error(data.try_set_container("", "", "", "", "", 0), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_MALFORMED_RESPONSE));
}

void test_options() {
    anwdl::client_options options = take(anwdl::client_options::try_make());
    CHECK(is_fine(options.try_set_timeout(std::chrono::seconds(1))));
    CHECK(is_refused(options.try_set_timeout(std::chrono::milliseconds(-1))));
    CHECK(is_refused(options.try_set_idle_timeout(std::chrono::hours(24 * 365))));
    CHECK(is_fine(options.try_set_rsa_wrapper(key_pair("server"))));
    CHECK(is_fine(options.try_set_aes_wrapper(take(anwdl::aes_wrapper::try_make()))));
    CHECK(is_fine(options.try_set_exchange_keys(false)) && is_fine(options.try_set_key_echo(true)));
    CHECK(is_fine(options.try_set_non_blocking(true)));
    CHECK(is_fine(options.try_set_protocol(anwdl::protocol::v4)));
    CHECK(is_refused(options.try_set_protocol(static_cast<anwdl::protocol>(9))));
    CHECK(is_refused(options.try_set_max_message_size(0)));
    CHECK(is_fine(options.try_set_peer_ip("192.0.2.7")));
    CHECK(is_fine(options.try_set_proxy_protocol(anwdl::proxy_protocol::off)));
    CHECK(is_fine(options.try_set_separate_computation(true)));
    CHECK(is_fine(options.try_set_expected_fingerprint(std::string(64, 'a'))));
    CHECK_STRING(
        take(anwdl::session::try_make(anwdl::role::server, take(options.try_copy()))).get_ip(),
        "192.0.2.7");
}

/* -- sessions, clients and client interfaces --------------------------------------------------- */

/* What is unfinished is an error that says what it wants. */
void test_sessions() {
    anwdl::client_options options = late_options();
    anwdl::data data = take(anwdl::data::try_from_json("{\"a\": 1}"));
    CHECK(is_fine(options.try_set_protocol(anwdl::protocol::gcm)));
    anwdl::session server = take(anwdl::session::try_make(anwdl::role::server, options));
    anwdl::session client = take(anwdl::session::try_make(anwdl::role::client, options));
    CHECK(is_error(server.try_exchange_keys(), ANWDL_WANT_READ, ANWDL_REASON_NONE));
    CHECK(take(server.try_get_wants()) == anwdl::progress::want_read);
    exchange_keys_of(server.get(), client.get());
    anwdl::result<anwdl::request> request = server.try_recv_request();
    CHECK(is_error(request, ANWDL_WANT_READ, ANWDL_REASON_NONE));
    CHECK(request.error().wants() == anwdl::progress::want_read);
    CHECK(is_error(client.try_send_request("STAT", data), ANWDL_WANT_WRITE, ANWDL_REASON_NONE));
    while (!request) {
        move_bytes(client, server);
        request = server.try_recv_request();
    }
    CHECK_STRING(request->get_parameters_json(), "{\"a\": 1}");
    CHECK(is_fine(client.try_send_request("STAT", data)));
    CHECK(
        is_error(server.try_send_response(true, "OK", data), ANWDL_WANT_WRITE, ANWDL_REASON_NONE));
    anwdl::result<anwdl::response> response = client.try_recv_response();
    while (!response) {
        move_bytes(server, client);
        response = client.try_recv_response();
    }
    CHECK(response->get_success());
    CHECK(is_fine(server.try_send_response(true, "OK", data)));
    CHECK(is_error(server.try_compute(), ANWDL_VALUE_ERROR, ANWDL_REASON_OUT_OF_TURN));
    CHECK(is_error(server.try_set_rsa_wrapper(key_pair("server")), ANWDL_RUNTIME_ERROR,
                   ANWDL_REASON_KEYS_ALREADY_EXCHANGED));
    CHECK(is_fine(server.try_set_user_data(&data)) && server.get_user_data() == &data);
    CHECK(is_fine(server.try_set_time(std::chrono::steady_clock::now())));
    CHECK(is_fine(client.try_feed_end()) && is_fine(server.try_end()));
    CHECK(is_error(server.try_exchange_keys(), ANWDL_RUNTIME_ERROR, ANWDL_REASON_SESSION_FAILED));
    CHECK(take(anwdl::session::try_make(anwdl::role::client)).get_role() == anwdl::role::client);
}

/* A malformed request is a value: an error of try_recv_request(), and an event. */
void test_client() {
    anwdl::client_options options = late_options();
    CHECK(is_fine(options.try_set_timeout(std::chrono::minutes(1))));
    int ends[2];
    peer_t peer;
    make_unix_pair(ends);
    CHECK(
        is_error(anwdl::client::try_make(-1), ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_DESCRIPTOR));
    anwdl::client client = take(anwdl::client::try_make(ends[SERVER_SIDE], options));
    peer_init_gcm(&peer, ends[PEER_SIDE], client.get());
    CHECK(peer_send_request(&peer, "{\"verb\": 1}"));
    CHECK(is_error(client.try_recv_request(), ANWDL_VALUE_ERROR, ANWDL_REASON_MALFORMED_REQUEST));
    CHECK(std::strstr(client.get_request_errors(), "required field") != nullptr);
    CHECK(is_fine(client.try_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ)));
    CHECK(is_fine(client.try_set_timeout(std::chrono::seconds(30))));
    CHECK(is_refused(client.try_set_timeout(std::chrono::milliseconds(-1))));
    CHECK(take(client.try_get_wants()) == anwdl::progress::done);
    CHECK(is_fine(client.try_set_user_data(&peer)) && client.get_user_data() == &peer);
    char *answer = peer_receive_response(&peer);
    CHECK(answer != nullptr && std::strstr(answer, "Bad request") != nullptr);
    std::free(answer);

    anwdl::request request;
    CHECK(client.next_event(request) == anwdl::event::response_sent);
    CHECK(peer_send_request(&peer, "[]"));
    CHECK(client.next_event(request) == anwdl::event::malformed_request && !request);
    CHECK(is_fine(client.try_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ)));
    CHECK(client.next_event(request) == anwdl::event::response_sent);
    answer = peer_receive_response(&peer);
    CHECK(answer != nullptr);
    std::free(answer);
    peer_hang_up(&peer);
    CHECK(client.next_event(request) == anwdl::event::ended);
    CHECK_INTEGER(anwdl::error::last().reason(), ANWDL_REASON_PEER_CLOSED);
    CHECK_INTEGER(anwdl::error::last().status(), ANWDL_RUNTIME_ERROR);
    const int descriptor = take(client.try_detach());
    CHECK_INTEGER(descriptor, ends[SERVER_SIDE]);
    CHECK(is_error(client.try_detach(), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED));
    CHECK(is_error(client.try_close_connection(), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED));
    anwdl::client moved(std::move(client));
    CHECK(is_refused(client.try_detach()));
    close(descriptor);
    peer_free(&peer);
}

void test_client_interface() {
    anwdl::client_options options = late_options();
    anwdl::client_interface interface = take(anwdl::client_interface::try_make(options));
    CHECK(anwdl::client_interface::try_make().has_value());
    std::uint16_t port = 0;
    close(make_listener(&port));
    CHECK(is_error(interface.try_connect_server("127.0.0.1", port), ANWDL_RUNTIME_ERROR,
                   ANWDL_REASON_CONNECT_FAILED));
    CHECK(is_error(interface.try_attach(-1), ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_DESCRIPTOR));
    CHECK(is_error(interface.try_detach(), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED));
    CHECK(is_fine(interface.try_set_timeout(std::chrono::seconds(1))));
    CHECK(is_fine(interface.try_set_user_data(&port)));
    CHECK(take(interface.try_get_wants()) == anwdl::progress::done);
    CHECK(is_error(interface.try_get_server_fingerprint(), ANWDL_VALUE_ERROR,
                   ANWDL_REASON_KEY_MISSING));
    CHECK(is_error(interface.try_close_connection(), ANWDL_RUNTIME_ERROR, ANWDL_REASON_CLOSED));
}

void test_log() {
    int messages = 0;
    CHECK(is_fine(anwdl::try_set_log_callback(
        anwdl::log_level::debug,
        [&messages](anwdl::log_level, const char *, const char *) { messages++; })));
    anwdl::client_options options = late_options();
    anwdl::session server = take(anwdl::session::try_make(anwdl::role::server, options));
    anwdl::session client = take(anwdl::session::try_make(anwdl::role::client, options));
    exchange_keys_of(server.get(), client.get());
    CHECK(messages > 0);
    CHECK(is_refused(anwdl::try_set_log_callback(static_cast<anwdl::log_level>(9), nullptr)));
    CHECK(is_fine(anwdl::try_set_log_handler(anwdl::log_level::debug, nullptr)));
}

/* The example closes the descriptor of a client whom it refuses, and of one whom it served. */
void test_example() {
    const size_t before = count_open_descriptors();
    for (const anwdl::client_options &options :
         {anwdl::client_options::adopt(make_server_options()), late_options()}) {
        int ends[2];
        make_unix_pair(ends);
        close(ends[PEER_SIDE]);
        serve(ends[SERVER_SIDE], options);
        CHECK_INTEGER(count_open_descriptors(), before);
    }
}

} // namespace

int main(int argc, char **argv) {
    const size_t before = count_open_descriptors();
    CHECK_STRING(other_standard_says().c_str(), "{\"from\": \"another standard\"}");
    test_results();
    test_texts();
    test_keys(argc < 2 || std::strcmp(argv[1], "--without-generation") != 0);
    test_data();
    test_options();
    test_sessions();
    test_client();
    test_client_interface();
    test_log();
    test_example();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
