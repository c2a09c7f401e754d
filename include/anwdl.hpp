/**
 * @file anwdl.hpp
 *
 * libanwdl for C++: C++11 and up, header only, over the C functions of anwdl.h.
 *
 * A server for one connection, from accept() to the end:
 *
 * @code{.cpp}
 * #include <cstring>
 * #include <iostream>
 *
 * #include <unistd.h>
 *
 * #include <anwdl.hpp>
 *
 * // Exchanges the keys, too. A client owns its descriptor only once it is created.
 * anwdl::client make_client(int fd, const anwdl::client_options &options)
 * {
 *     try {
 *         return anwdl::client(fd, options);
 *     } catch (...) {
 *         close(fd);
 *         throw;
 *     }
 * }
 *
 * // Closes the descriptor, whatever happens.
 * void serve(int fd, const anwdl::client_options &options)
 * {
 *     try {
 *         anwdl::client client = make_client(fd, options);
 *         for (;;) {
 *             const anwdl::request request = client.recv_request();
 *             if (std::strcmp(request.get_verb(), "STAT") == 0) {
 *                 anwdl::data data;
 *                 data.set_statistics(60, "1.0.0");
 *                 client.send_response(true, ANWDL_RESPONSE_MSG_OK, data);
 *             } else {
 *                 client.send_response(false, ANWDL_RESPONSE_MSG_REFUSED_REQ);
 *             }
 *         }
 *     } catch (const anwdl::runtime_error &error) {
 *         if (error.reason() != ANWDL_REASON_PEER_CLOSED)
 *             std::cerr << "session ended: " << error.what() << '\n';
 *     } catch (const anwdl::value_error &error) {
 *         std::cerr << error.reason_name() << ": " << error.what() << '\n';
 *     }
 * }
 * @endcode
 *
 * Names. anwdl_TYPE_METHOD() in C is the member METHOD() of the class TYPE, with the same meaning.
 * anwdl.h documents what each one does; this header documents what is different in C++. Constants
 * are those of C (ANWDL_RESPONSE_MSG_OK, ANWDL_REASON_TIMEOUT), enums are enum classes.
 *
 * Objects. Each class owns one object of the C library and frees it in its destructor. Objects can
 * be moved but not copied, and are the size of a pointer. An object that was moved from can only be
 * assigned to and destroyed; anything else is refused with a value_error, but for data, which are
 * sent as {}. get() returns the C object, release() gives up its ownership, TYPE::adopt() takes
 * ownership of one. Classes whose names end in _view own nothing: they wrap what C returns as a
 * pointer to const, are valid until the object that they come from changes or ends, and may be
 * empty.
 *
 * Strings that C returns as const char * are not copied. Texts are taken as const anwdl::text &,
 * which is made from a const char *, a std::string or an anwdl::string without a copy, and with
 * C++17 from a std::string_view, which is copied because C needs a NUL at the end. What is true or
 * false is taken as an anwdl::flag, which is made from what converts to bool, but from no pointer.
 *
 * Failures. ANWDL_VALUE_ERROR is thrown as anwdl::value_error, a std::invalid_argument;
 * ANWDL_RUNTIME_ERROR as anwdl::runtime_error, a std::runtime_error. Both carry the reason and the
 * errno, and both are an anwdl::failure. Out of memory is std::bad_alloc. What throws NAME() has a
 * second form, try_NAME(), that throws none of these: it returns an anwdl::result with the value or
 * an anwdl::error, and compilers warn if it is ignored. Constructors have try_make(). Getters that
 * are noexcept have one form.
 *
 * Without exceptions. With -fno-exceptions, or if ANWDL_NO_EXCEPTIONS is defined before this header
 * is included, everything that throws is left out: what remains are the forms with try_ and what is
 * noexcept. Nothing needs run-time type information (-fno-rtti). The first example becomes:
 *
 * @code{.cpp}
 * #include <cstring>
 * #include <iostream>
 *
 * #include <unistd.h>
 *
 * #include <anwdl.hpp>
 *
 * bool answer(anwdl::client &client, const anwdl::request &request)
 * {
 *     anwdl::result<anwdl::data> data = anwdl::data::try_make();
 *     if (!data || !data->try_set_statistics(60, "1.0.0"))
 *         return false;
 *     if (std::strcmp(request.get_verb(), "STAT") != 0)
 *         return client.try_send_response(false, ANWDL_RESPONSE_MSG_REFUSED_REQ).has_value();
 *     return client.try_send_response(true, ANWDL_RESPONSE_MSG_OK, *data).has_value();
 * }
 *
 * void serve(int fd, const anwdl::client_options &options)
 * {
 *     anwdl::result<anwdl::client> client = anwdl::client::try_make(fd, options);
 *     if (!client) {
 *         std::cerr << "no session: " << client.error().message() << '\n';
 *         close(fd); // it still belongs to us
 *         return;
 *     }
 *     for (bool goes_on = true; goes_on;) {
 *         anwdl::result<anwdl::request> request = client->try_recv_request();
 *         if (request)
 *             goes_on = answer(*client, *request);
 *         else if (request.error().reason() == ANWDL_REASON_MALFORMED_REQUEST)
 *             goes_on = client->try_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ).has_value();
 *         else
 *             goes_on = false;
 *     }
 * }
 * @endcode
 *
 * Waiting. Operations that may have to wait for the peer come in up to three forms:
 *
 * - operation(...) does its work, returns the result, and throws if it fails. It is for blocking
 *   clients. Where C returns ANWDL_WANT_READ or another of these statuses, it throws
 *   anwdl::unfinished; the operation is then under way all the same.
 * - poll_operation(...) is for non-blocking clients, and for sessions: it does what can be done now
 *   and returns an anwdl::progress. Unless that is progress::done, call it again with the same
 *   arguments when it can continue. It throws if the operation fails.
 * - try_operation(...) throws neither: an unfinished operation is an anwdl::error, too, which says
 *   so and what it waits for.
 *
 * Events. next_event() runs all operations, one after the other, and returns what has happened; it
 * is noexcept. A malformed request is an event like any other. In a coroutine of any library,
 * anwdl::next_event() (C++20) waits as well; anwdl_asio.hpp does it for Asio.
 *
 * Threads are as in C: one object, one thread at a time.
 *
 * Compile all parts of a program with one version of this header. They may be compiled for
 * different standards, and with and without exceptions, as long as they do not pass objects of
 * these classes to each other.
 */

#ifndef ANWDL_HPP
#define ANWDL_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <forward_list>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "anwdl.h"

#if __cplusplus >= 201703L
#include <optional>
#include <string_view>
#endif
#if __cplusplus > 202002L
/* Some compilers know C++23 before their library does. */
#if __has_include(<expected>)
#include <expected>
#endif
#endif

/* Without exceptions (-fno-exceptions), everything that throws is left out. A program may ask for
   the same by defining this before it includes the header. */
#if !defined(ANWDL_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define ANWDL_NO_EXCEPTIONS
#endif

/* What the C++ standard in use offers. Its name is part of the name of every class, so that the
   linker keeps classes apart that differ between the parts of a program. */
#if defined(__cpp_lib_expected)
#define ANWDL_DETAIL_STANDARD_NAME cpp23
#elif __cplusplus >= 201703L
#define ANWDL_DETAIL_STANDARD_NAME cpp17
#else
#define ANWDL_DETAIL_STANDARD_NAME cpp11
#endif
#define ANWDL_DETAIL_JOIN(one, other) one##other
#define ANWDL_DETAIL_WITH(name)       ANWDL_DETAIL_JOIN(name, _no_exceptions)
#if defined(ANWDL_NO_EXCEPTIONS)
#define ANWDL_DETAIL_STANDARD ANWDL_DETAIL_WITH(ANWDL_DETAIL_STANDARD_NAME)
#else
#define ANWDL_DETAIL_STANDARD ANWDL_DETAIL_STANDARD_NAME
#endif
/* Where the standard has no such attribute, gcc takes it all the same, and clang has one of its own
   that a cast to void silences, too. */
#if __cplusplus >= 201703L
#define ANWDL_DETAIL_NODISCARD [[nodiscard]]
#elif defined(__clang__)
#define ANWDL_DETAIL_NODISCARD __attribute__((__warn_unused_result__))
#elif defined(__GNUC__) && __GNUC__ >= 7
#define ANWDL_DETAIL_NODISCARD [[nodiscard]]
#else
#define ANWDL_DETAIL_NODISCARD
#endif

namespace anwdl {

/* What the parts of a program share, whatever each is compiled for, as the C library has one log
   function for all of them: of types that no standard changes. */
namespace process_wide {

/// The log functions of this program, and the first exception that left one.
struct log_state {
    std::mutex mutex{};
    /// Every function that was set and may still be running, each of its own part's type.
    std::forward_list<std::shared_ptr<void>> functions{};
    std::exception_ptr exception{};

    /// Never destroyed: other threads may log until the process has ended.
    static log_state &get() {
        static log_state *const state = new log_state;
        return *state;
    }

    /// Whether this thread is in a call of a log function.
    static bool &is_running() noexcept {
        static thread_local bool running = false;
        return running;
    }
};

} // namespace process_wide

inline namespace ANWDL_DETAIL_STANDARD {

// -------------------------------------------------------------------------------------------------
// Enums and version
// -------------------------------------------------------------------------------------------------

/// How requests and responses are framed on the wire: anwdl_protocol_t.
enum class protocol {
    automatic =
        ANWDL_PROTOCOL_AUTO, ///< as an option: whatever the peer speaks; as a result: not known yet
    v2 = ANWDL_PROTOCOL_V2,
    v3 = ANWDL_PROTOCOL_V3,
    v4 = ANWDL_PROTOCOL_V4,
    gcm = ANWDL_PROTOCOL_GCM, ///< the authenticated framing
};

/// Whether connections begin with a PROXY protocol header: anwdl_proxy_protocol_t.
enum class proxy_protocol {
    off = ANWDL_PROXY_PROTOCOL_OFF,
    required = ANWDL_PROXY_PROTOCOL_REQUIRED, ///< of version 1 or 2; others are refused
};

/// How an AES wrapper uses its key: anwdl_aes_mode_t.
enum class aes_mode {
    cbc = ANWDL_AES_CBC,
    gcm = ANWDL_AES_GCM,
};

/// Which side of the connection a session is: anwdl_role_t.
enum class role {
    server = ANWDL_ROLE_SERVER,
    client = ANWDL_ROLE_CLIENT,
};

/// What a value is: anwdl_value_type_t.
enum class value_type {
    none = ANWDL_VALUE_NONE, ///< there is no value
    null = ANWDL_VALUE_NULL,
    boolean = ANWDL_VALUE_BOOLEAN,
    integer = ANWDL_VALUE_INTEGER, ///< of however many digits
    floating = ANWDL_VALUE_FLOAT,  ///< any other number
    string = ANWDL_VALUE_STRING,
    array = ANWDL_VALUE_ARRAY,
    object = ANWDL_VALUE_OBJECT,
};

/// How important a log message is: anwdl_log_level_t.
enum class log_level {
    debug = ANWDL_LOG_DEBUG,
    info = ANWDL_LOG_INFO,
    warning = ANWDL_LOG_WARNING,
    error = ANWDL_LOG_ERROR,
};

/// How far an operation has come.
enum class progress {
    done = ANWDL_OK,             ///< finished; its results are written
    want_read = ANWDL_WANT_READ, ///< call again when the descriptor is readable, or bytes were fed
    want_write = ANWDL_WANT_WRITE, ///< call again when it is writable, or pending bytes were sent
    want_computation = ANWDL_WANT_COMPUTATION, ///< call compute(), on any thread; then call again
};

/// What has happened, or what next_event() needs: anwdl_event_t.
enum class event {
    ended = ANWDL_EVENT_ENDED, ///< the session is over; anwdl_last_error_reason() says why
    want_read =
        ANWDL_EVENT_WANT_READ, ///< call again when the descriptor is readable, or bytes were fed
    want_write =
        ANWDL_EVENT_WANT_WRITE, ///< call again when it is writable, or pending bytes were sent
    want_computation = ANWDL_EVENT_WANT_COMPUTATION, ///< call compute(), on any thread; then again
    your_turn = ANWDL_EVENT_YOUR_TURN,               ///< only the program can go on
    exchanged = ANWDL_EVENT_EXCHANGED,
    request = ANWDL_EVENT_REQUEST, ///< answer it
    malformed_request =
        ANWDL_EVENT_MALFORMED_REQUEST, ///< answer it with ANWDL_RESPONSE_MSG_BAD_REQ
    response_sent = ANWDL_EVENT_RESPONSE_SENT,
    request_sent = ANWDL_EVENT_REQUEST_SENT,
    response = ANWDL_EVENT_RESPONSE,
    connected = ANWDL_EVENT_CONNECTED, ///< there is another descriptor to wait for
};

/// The name of a constant, for logs, such as "V4"; "UNKNOWN" for what is none. Valid for ever.
inline const char *name_of(protocol value) noexcept {
    return anwdl_protocol_name(static_cast<anwdl_protocol_t>(value));
}
inline const char *name_of(role value) noexcept {
    return anwdl_role_name(static_cast<anwdl_role_t>(value));
}
inline const char *name_of(log_level value) noexcept {
    return anwdl_log_level_name(static_cast<anwdl_log_level_t>(value));
}
inline const char *name_of(progress value) noexcept {
    return anwdl_status_name(static_cast<anwdl_status_t>(value));
}

/// The version of the library that the program runs with; ANWDL_VERSION is that of the header.
inline const char *version() noexcept {
    return anwdl_version();
}

/// The version of that library and how it was built, such as "libanwdl 1.2.3 (AWS-LC)".
inline const char *build_info() noexcept {
    return anwdl_build_info();
}

// -------------------------------------------------------------------------------------------------
// Failures
// -------------------------------------------------------------------------------------------------

/// What value_error, runtime_error and error have in common: why a call failed.
class failure {
  public:
    /// The reason; for a switch. Later versions may add some.
    anwdl_error_reason_t reason() const noexcept {
        return reason_;
    }

    /// The name of the reason, such as "TIMEOUT"; never NULL, valid for ever.
    const char *reason_name() const noexcept {
        return anwdl_error_reason_name(reason_);
    }

    /// The errno of the system call that failed, or 0.
    int system_errno() const noexcept {
        return errno_;
    }

  protected:
    failure(anwdl_error_reason_t reason, int system_errno) noexcept
        : reason_(reason), errno_(system_errno) {
    }
    failure(const failure &) = default;
    failure &operator=(const failure &) = default;
    ~failure() = default;

  private:
    anwdl_error_reason_t reason_;
    int errno_;
};

#if !defined(ANWDL_NO_EXCEPTIONS)

/// Python's ValueError: a bad argument, or bad content from the peer. what() is the message.
class value_error : public std::invalid_argument, public failure {
  public:
    value_error(anwdl_error_reason_t reason, const std::string &message, int system_errno = 0)
        : std::invalid_argument(message), failure(reason, system_errno) {
    }
};

/// Python's RuntimeError: closed, refused by the peer, timed out, a system call failed, or the call
/// does not fit the state of the session. what() is the message.
class runtime_error : public std::runtime_error, public failure {
  public:
    runtime_error(anwdl_error_reason_t reason, const std::string &message, int system_errno = 0)
        : std::runtime_error(message), failure(reason, system_errno) {
    }
};

/// An operation in the form that finishes or throws has to wait: use its poll_ form. Nothing is
/// lost: the operation is under way.
class unfinished : public std::logic_error {
  public:
    explicit unfinished(progress wants)
        : std::logic_error("the operation has to wait: it must be polled"), wants_(wants) {
    }

    /// What the operation waits for.
    progress wants() const noexcept {
        return wants_;
    }

  private:
    progress wants_;
};

#endif

/// A failure, or an operation that is unfinished, as a value: why there is no result.
class error : public failure {
  public:
    /// No failure, to be assigned to.
    error() noexcept : error(ANWDL_OK, ANWDL_REASON_NONE, std::string()) {
    }

    error(anwdl_status_t status, anwdl_error_reason_t reason, std::string message,
          int system_errno = 0) noexcept
        : failure(reason, system_errno), status_(status), message_(std::move(message)) {
    }

    /// The failure of the last call on this thread, which returned `status`.
    static error last(anwdl_status_t status) {
        if (status >= ANWDL_OK)
            return error(status, ANWDL_REASON_NONE, std::string());
        return error(status, anwdl_last_error_reason(), anwdl_last_error_message(),
                     anwdl_last_error_errno());
    }

    /// The same where the call returned no status.
    static error last() {
        const anwdl_error_reason_t reason = anwdl_last_error_reason();
        return last(reason < 20 || reason == ANWDL_REASON_KEY_MISSING ? ANWDL_VALUE_ERROR
                                                                      : ANWDL_RUNTIME_ERROR);
    }

    /// What the C function returned. ANWDL_OK is no failure.
    anwdl_status_t status() const noexcept {
        return status_;
    }

    /// Whether this is not a failure: call the operation again.
    bool is_unfinished() const noexcept {
        return status_ > ANWDL_OK;
    }

    /// What an unfinished operation waits for. Only if is_unfinished().
    progress wants() const noexcept {
        return static_cast<progress>(status_);
    }

    /// What happened, as one line of English; empty if the operation is unfinished.
    const std::string &message() const noexcept {
        return message_;
    }

#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Throws it: as value_error, runtime_error or unfinished.
    [[noreturn]] void raise() const {
        if (status_ == ANWDL_VALUE_ERROR)
            throw value_error(reason(), message_, system_errno());
        if (status_ == ANWDL_RUNTIME_ERROR)
            throw runtime_error(reason(), message_, system_errno());
        throw unfinished(wants());
    }
#endif

  private:
    anwdl_status_t status_;
    std::string message_;
};

#if defined(__cpp_lib_expected)

/// What the forms with try_ return: with C++23 this is std::expected.
template <class T> using result = std::expected<T, error>;

#else

namespace detail {
/// What a result holds where a function returns nothing.
struct nothing {};
} // namespace detail

/// What the forms with try_ return: a value, or the error that says why there is none. With C++23
/// it is a std::expected, if the library of the compiler has that; elsewhere this class, with the
/// same members, as far as most programs need them. It can be moved, but not copied.
///
/// @code
/// anwdl::result<anwdl::request> request = client.try_recv_request();
/// if (request)
///     std::cout << request->get_verb() << '\n';
/// else
///     std::cerr << request.error().reason_name() << ": " << request.error().message() << '\n';
/// @endcode
template <class T> class ANWDL_DETAIL_NODISCARD result {
    using held = typename std::conditional<std::is_void<T>::value, detail::nothing, T>::type;

  public:
    using value_type = T;
    using error_type = anwdl::error;

    result(held value = held()) noexcept : value_(std::move(value)), has_value_(true) {
    }
    result(anwdl::error why) noexcept : error_(std::move(why)), has_value_(false) {
    }
    result(result &&other) noexcept : has_value_(other.has_value_) {
        if (has_value_)
            new (static_cast<void *>(std::addressof(value_))) held(std::move(other.value_));
        else
            new (static_cast<void *>(std::addressof(error_))) anwdl::error(std::move(other.error_));
    }
    result &operator=(result &&other) noexcept {
        if (this != &other) {
            this->~result();
            new (static_cast<void *>(this)) result(std::move(other));
        }
        return *this;
    }
    ~result() {
        if (has_value_)
            value_.~held();
        else
            error_.~error_type();
    }

    /// Whether there is a value.
    bool has_value() const noexcept {
        return has_value_;
    }
    explicit operator bool() const noexcept {
        return has_value_;
    }

    /// The value; only if there is one.
    held &operator*() &noexcept {
        return value_;
    }
    const held &operator*() const &noexcept {
        return value_;
    }
    held &&operator*() &&noexcept {
        return std::move(value_);
    }
    held *operator->() noexcept {
        return std::addressof(value_);
    }
    const held *operator->() const noexcept {
        return std::addressof(value_);
    }

    /// The error; only if there is no value.
    const anwdl::error &error() const noexcept {
        return error_;
    }

    /// The value, or another one if there is none.
    held value_or(held other) &&noexcept {
        return has_value_ ? std::move(value_) : std::move(other);
    }

#if !defined(ANWDL_NO_EXCEPTIONS)
    /// The value. If there is none, it throws what the form without try_ would have thrown (a
    /// std::expected: std::bad_expected_access).
    held &value() & {
        raise_if_failed();
        return value_;
    }
    const held &value() const & {
        raise_if_failed();
        return value_;
    }
    held &&value() && {
        raise_if_failed();
        return std::move(value_);
    }
#endif

  private:
#if !defined(ANWDL_NO_EXCEPTIONS)
    void raise_if_failed() const {
        if (!has_value_)
            error_.raise();
    }
#endif

    union {
        held value_;
        anwdl::error error_;
    };
    bool has_value_;
};

#endif

namespace detail {

/// A result that is an error.
template <class T> result<T> fail(error why) {
#if defined(__cpp_lib_expected)
    return std::unexpected(std::move(why));
#else
    return result<T>(std::move(why));
#endif
}

/// Of an argument that has to own something, where C takes NULL for the default.
inline error empty_argument() {
    return error(ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT,
                 "an argument owns nothing: it was moved from, or released");
}

inline result<void> expect(anwdl_status_t status) {
    if (status != ANWDL_OK)
        return fail<void>(error::last(status));
    return {};
}

/// With the value that the call made if it succeeded.
template <class T> result<T> expect(anwdl_status_t status, T &value) {
    if (status != ANWDL_OK)
        return fail<T>(error::last(status));
    return std::move(value);
}

/// For calls that give a descriptor back.
inline result<int> expect_descriptor(int descriptor) {
    if (descriptor < 0)
        return fail<int>(error::last());
    return descriptor;
}

/// For calls that say what an operation waits for.
inline result<progress> expect_progress(anwdl_status_t status) {
    if (status < ANWDL_OK)
        return fail<progress>(error::last(status));
    return static_cast<progress>(status);
}

/// For calls that take a timeout in milliseconds.
template <class Call>
result<void> expect_timeout(std::chrono::milliseconds timeout, const Call &call) {
    if (timeout.count() < 0 || timeout.count() > UINT32_MAX)
        return fail<void>(
            error(ANWDL_VALUE_ERROR, ANWDL_REASON_INVALID_ARGUMENT, "timeout is out of range"));
    return expect(call(static_cast<std::uint32_t>(timeout.count())));
}

#if !defined(ANWDL_NO_EXCEPTIONS)

/// The value of a result; throws if it has none.
inline void take(const result<void> &from) {
    if (!from)
        from.error().raise();
}
template <class T> T take(result<T> from) {
    if (!from)
        from.error().raise();
    return *std::move(from);
}

/// For calls that may have to wait.
inline progress advance(anwdl_status_t status) {
    return take(expect_progress(status));
}

#endif

} // namespace detail

// -------------------------------------------------------------------------------------------------
// Texts, bytes and flags
// -------------------------------------------------------------------------------------------------

#if __cplusplus >= 201703L
using std::string_view;
#else
/// As std::string_view: characters and their number, not owned, without a NUL at the end.
class string_view {
  public:
    string_view() noexcept : data_(nullptr), size_(0) {
    }
    string_view(const char *data, std::size_t size) noexcept : data_(data), size_(size) {
    }
    string_view(const char *text) noexcept : data_(text), size_(std::strlen(text)) {
    }
    string_view(const std::string &text) noexcept : data_(text.data()), size_(text.size()) {
    }

    const char *data() const noexcept {
        return data_;
    }
    std::size_t size() const noexcept {
        return size_;
    }
    bool empty() const noexcept {
        return size_ == 0;
    }
    const char *begin() const noexcept {
        return data_;
    }
    const char *end() const noexcept {
        return data_ + size_;
    }
    explicit operator std::string() const {
        return std::string(data_, size_);
    }
    friend bool operator==(string_view one, string_view other) noexcept {
        return one.size_ == other.size_ &&
               (one.size_ == 0 || std::memcmp(one.data_, other.data_, one.size_) == 0);
    }
    friend bool operator!=(string_view one, string_view other) noexcept {
        return !(one == other);
    }

  private:
    const char *data_;
    std::size_t size_;
};
#endif

namespace detail {

/// Frees with a function of the C library; takes no space in a std::unique_ptr.
template <class Handle, void (*Free)(Handle *)> struct freer {
    void operator()(Handle *handle) const noexcept {
        Free(handle);
    }
};

template <class Handle, void (*Free)(Handle *)>
using owner = std::unique_ptr<Handle, freer<Handle, Free>>;

} // namespace detail

/// A string that the library made for the caller, or none. It is wiped when it is freed, as it may
/// be a private key.
class string {
  public:
    using handle_type = char;

    string() = default;

    /// Takes ownership of what came through a char **.
    static string adopt(char *text) noexcept {
        return string(text);
    }

    /// Whether there is one.
    explicit operator bool() const noexcept {
        return text_ != nullptr;
    }

    /// The text, ending with NUL; NULL if there is none.
    const char *c_str() const noexcept {
        return text_.get();
    }

    operator string_view() const noexcept {
        return text_ ? string_view(text_.get()) : string_view();
    }

    char *release() noexcept {
        return text_.release();
    }

  private:
    explicit string(char *text) noexcept : text_(text) {
    }

    detail::owner<char, anwdl_string_free> text_{};
};

/// Bytes that are not owned: made from a pointer and a length, or from anything that has
/// data() and size() and whose elements are bytes (std::vector, std::array, std::string, std::span,
/// anwdl::bytes).
class bytes_view {
  public:
    bytes_view() noexcept : data_(nullptr), size_(0) {
    }
    bytes_view(const void *data, std::size_t size) noexcept
        : data_(static_cast<const std::uint8_t *>(data)), size_(size) {
    }
    template <class Container,
              class = typename std::enable_if<
                  sizeof(*std::declval<const Container &>().data()) == 1 &&
                  std::is_convertible<decltype(std::declval<const Container &>().size()),
                                      std::size_t>::value>::type>
    bytes_view(const Container &bytes) noexcept : bytes_view(bytes.data(), bytes.size()) {
    }

    const std::uint8_t *data() const noexcept {
        return data_;
    }
    std::size_t size() const noexcept {
        return size_;
    }
    bool empty() const noexcept {
        return size_ == 0;
    }
    const std::uint8_t *begin() const noexcept {
        return data_;
    }
    const std::uint8_t *end() const noexcept {
        return data_ + size_;
    }

  private:
    const std::uint8_t *data_;
    std::size_t size_;
};

/// Memory that the library lends to receive into.
class receive_buffer {
  public:
    receive_buffer() noexcept : data_(nullptr), size_(0) {
    }
    receive_buffer(std::uint8_t *data, std::size_t size) noexcept : data_(data), size_(size) {
    }

    std::uint8_t *data() const noexcept {
        return data_;
    }
    std::size_t size() const noexcept {
        return size_;
    }
    bool empty() const noexcept {
        return size_ == 0;
    }

  private:
    std::uint8_t *data_;
    std::size_t size_;
};

/// Bytes that the library made for the caller. They are wiped when they are freed.
class bytes {
  public:
    bytes() noexcept : data_(nullptr), size_(0) {
    }
    bytes(bytes &&other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    bytes &operator=(bytes &&other) noexcept {
        bytes taken(std::move(other));
        std::swap(data_, taken.data_);
        std::swap(size_, taken.size_);
        return *this;
    }
    bytes(const bytes &) = delete;
    bytes &operator=(const bytes &) = delete;
    ~bytes() {
        anwdl_bytes_free(data_, size_);
    }

    /// Takes ownership of what came through a uint8_t ** and a size_t *.
    static bytes adopt(std::uint8_t *data, std::size_t size) noexcept {
        bytes taken;
        taken.data_ = data;
        taken.size_ = size;
        return taken;
    }

    const std::uint8_t *data() const noexcept {
        return data_;
    }
    std::size_t size() const noexcept {
        return size_;
    }
    bool empty() const noexcept {
        return size_ == 0;
    }
    const std::uint8_t *begin() const noexcept {
        return data_;
    }
    const std::uint8_t *end() const noexcept {
        return data_ + size_;
    }

  private:
    std::uint8_t *data_;
    std::size_t size_;
};

/// A text as an argument for a C function: it is valid during the call. nullptr is no text, which C
/// refuses where one is needed.
///
/// A C text ends at its first NUL, so one that has a NUL inside is refused as one that is not
/// UTF-8: with ANWDL_VALUE_ERROR.
class text {
  public:
    text(const char *value) noexcept : text_(value) {
    }
    text(const std::string &value) noexcept : text_(value.c_str()) {
        refuse_inner_nul(value.size());
    }
    /// One that owns nothing is the empty text, as a std::string that was moved from may be.
    text(const anwdl::string &value) noexcept : text_(value ? value.c_str() : "") {
    }
#if __cplusplus >= 201703L
    /// Copied; the copy is wiped after the call.
    text(std::string_view value)
        : copy_(new char[value.size() + 1]), copy_size_(value.size()), text_(copy_.get()) {
        value.copy(copy_.get(), value.size());
        copy_[value.size()] = '\0';
        refuse_inner_nul(value.size());
    }
    ~text() {
        for (std::size_t index = 0; index < copy_size_; index++)
            const_cast<volatile char &>(copy_[index]) = '\0';
    }
#endif
    text(const text &) = delete;
    text &operator=(const text &) = delete;

    const char *c_str() const noexcept {
        return text_;
    }

    /// For paths, which need not be UTF-8: NULL is refused.
    const char *path() const noexcept {
        return text_ == not_utf8() ? nullptr : text_;
    }

  private:
    static const char *not_utf8() noexcept {
        static const char bytes[] = "\xff";
        return bytes;
    }
    void refuse_inner_nul(std::size_t size) noexcept {
        if (std::memchr(text_, '\0', size) != nullptr)
            text_ = not_utf8();
    }

#if __cplusplus >= 201703L
    std::unique_ptr<char[]> copy_{};
    std::size_t copy_size_ = 0;
#endif
    const char *text_;
};

/// true or false as an argument: whatever converts to bool, but no pointer. As a bool that would be
/// true, such as a message before which the success was left out.
class flag {
  public:
    template <class Value, class = typename std::enable_if<
                               std::is_convertible<const Value &, bool>::value>::type>
    flag(const Value &value) : value_(value) {
    }
    template <class Pointee> flag(Pointee *) = delete;

    operator bool() const noexcept {
        return value_;
    }

  private:
    bool value_;
};

namespace detail {

/// Calls a C function that makes an object. Nothing is written unless it succeeds.
template <class Object, class Function, class... Arguments>
anwdl_status_t make(Object &out, Function function, Arguments... arguments) {
    typename Object::handle_type *made = nullptr;
    const anwdl_status_t status = function(arguments..., &made);
    if (status == ANWDL_OK)
        out = Object::adopt(made);
    return status;
}

/// Calls a C function that returns an event, perhaps with an object.
template <class Object, class Function, class Handle>
event next_event(Object &out, Function function, Handle *handle) noexcept {
    typename Object::handle_type *made = nullptr;
    const anwdl_event_t happened = function(handle, &made);
    if (made != nullptr)
        out = Object::adopt(made);
    return static_cast<event>(happened);
}

/// Calls a C function that makes bytes.
template <class Function, class... Arguments>
anwdl_status_t make_bytes(bytes &out, Function function, Arguments... arguments) {
    std::uint8_t *data = nullptr;
    std::size_t size = 0;
    const anwdl_status_t status = function(arguments..., &data, &size);
    if (status == ANWDL_OK)
        out = bytes::adopt(data, size);
    return status;
}

/// The part of a class that owns an object of the C library.
template <class Handle, void (*Free)(Handle *)> class object {
  public:
    using handle_type = Handle;

    /// The C object, borrowed. NULL after a move or release().
    Handle *get() noexcept {
        return handle_.get();
    }
    const Handle *get() const noexcept {
        return handle_.get();
    }

    /// Passes ownership of the C object to the caller.
    Handle *release() noexcept {
        return handle_.release();
    }

    /// Whether it owns a C object: false after a move or release().
    explicit operator bool() const noexcept {
        return handle_ != nullptr;
    }

  protected:
    object() = default;
    explicit object(Handle *handle) noexcept : handle_(handle) {
    }
    object(object &&) = default;
    object &operator=(object &&) = default;
    ~object() = default;

  private:
    owner<Handle, Free> handle_{};
};

/// The part of a class that borrows an object of the C library for reading.
template <class Handle> class view {
  public:
    /// The C object; NULL if there is none.
    const Handle *get() const noexcept {
        return handle_;
    }

    /// Whether there is a C object.
    explicit operator bool() const noexcept {
        return handle_ != nullptr;
    }

  protected:
    explicit view(const Handle *handle) noexcept : handle_(handle) {
    }

  private:
    const Handle *handle_;
};

} // namespace detail

// -------------------------------------------------------------------------------------------------
// RSA keys: the Python RSAWrapper
// -------------------------------------------------------------------------------------------------

namespace detail {

/// The functions of an RSA wrapper that do not change it.
template <class Self> class reads_rsa_wrapper {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// The local public key as PEM, or none.
    string get_public_key() const {
        return take(try_get_public_key());
    }

    /// The local private key as PEM, or none.
    string get_private_key() const {
        return take(try_get_private_key());
    }

    /// The public key of the peer as PEM, or none.
    string get_remote_public_key() const {
        return take(try_get_remote_public_key());
    }

    /// The local public key as DER; without data if there is none.
    bytes get_public_key_der() const {
        return take(try_get_public_key_der());
    }

    /// The local private key as DER; without data if there is none.
    bytes get_private_key_der() const {
        return take(try_get_private_key_der());
    }

    /// The public key of the peer as DER; without data if there is none.
    bytes get_remote_public_key_der() const {
        return take(try_get_remote_public_key_der());
    }

    /// The SHA-256 of a public key in hexadecimal digits: of the local one, or of the peer's.
    string get_fingerprint(flag remote = false) const {
        return take(try_get_fingerprint(remote));
    }

    /// Writes the local private key to a file that only its owner can read and write.
    void save(const text &path) const {
        take(try_save(path));
    }

    /// Encrypts under the public key of the peer, or under the local one.
    bytes encrypt_data(const bytes_view &plain, flag use_local_public_key = false) const {
        return take(try_encrypt_data(plain, use_local_public_key));
    }

    /// Decrypts with the local private key. A zero byte that is not counted follows the result.
    bytes decrypt_data(const bytes_view &cipher) const {
        return take(try_decrypt_data(cipher));
    }

    /// Signs with the local private key.
    bytes sign_data(const bytes_view &content) const {
        return take(try_sign_data(content));
    }

    /// Verifies a signature under the public key of the peer, or under the local one, as in Python.
    bool verify_data_signature(const bytes_view &signature, const bytes_view &content,
                               flag use_local_public_key = false) const {
        return take(try_verify_data_signature(signature, content, use_local_public_key));
    }
#endif

    /// The size of the local public key in bits; 0 if there is none.
    std::uint32_t get_key_size() const noexcept {
        return anwdl_rsa_wrapper_get_key_size(handle());
    }

    ANWDL_DETAIL_NODISCARD result<string> try_get_public_key() const {
        string pem;
        return expect(make(pem, anwdl_rsa_wrapper_get_public_key, handle()), pem);
    }
    ANWDL_DETAIL_NODISCARD result<string> try_get_private_key() const {
        string pem;
        return expect(make(pem, anwdl_rsa_wrapper_get_private_key, handle()), pem);
    }
    ANWDL_DETAIL_NODISCARD result<string> try_get_remote_public_key() const {
        string pem;
        return expect(make(pem, anwdl_rsa_wrapper_get_remote_public_key, handle()), pem);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_get_public_key_der() const {
        bytes der;
        return expect(make_bytes(der, anwdl_rsa_wrapper_get_public_key_der, handle()), der);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_get_private_key_der() const {
        bytes der;
        return expect(make_bytes(der, anwdl_rsa_wrapper_get_private_key_der, handle()), der);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_get_remote_public_key_der() const {
        bytes der;
        return expect(make_bytes(der, anwdl_rsa_wrapper_get_remote_public_key_der, handle()), der);
    }
    ANWDL_DETAIL_NODISCARD result<string> try_get_fingerprint(flag remote = false) const {
        string hex;
        return expect(make(hex, anwdl_rsa_wrapper_get_fingerprint, handle(), remote), hex);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_save(const text &path) const {
        return expect(anwdl_rsa_wrapper_save(handle(), path.path()));
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_encrypt_data(const bytes_view &plain,
                                                          flag use_local_public_key = false) const {
        bytes cipher;
        return expect(encrypt(cipher, plain, use_local_public_key), cipher);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_decrypt_data(const bytes_view &cipher) const {
        bytes plain;
        return expect(decrypt(plain, cipher), plain);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_sign_data(const bytes_view &content) const {
        bytes signature;
        return expect(sign(signature, content), signature);
    }
    ANWDL_DETAIL_NODISCARD result<bool>
    try_verify_data_signature(const bytes_view &signature, const bytes_view &content,
                              flag use_local_public_key = false) const {
        bool valid = false;
        return expect(verify_signature(valid, signature, content, use_local_public_key), valid);
    }

  private:
    const anwdl_rsa_wrapper_t *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
    anwdl_status_t encrypt(bytes &out, const bytes_view &plain, flag local) const {
        return make_bytes(out, anwdl_rsa_wrapper_encrypt_data, handle(), plain.data(), plain.size(),
                          local);
    }
    anwdl_status_t decrypt(bytes &out, const bytes_view &cipher) const {
        return make_bytes(out, anwdl_rsa_wrapper_decrypt_data, handle(), cipher.data(),
                          cipher.size());
    }
    anwdl_status_t sign(bytes &out, const bytes_view &content) const {
        return make_bytes(out, anwdl_rsa_wrapper_sign_data, handle(), content.data(),
                          content.size());
    }
    anwdl_status_t verify_signature(bool &out, const bytes_view &signature,
                                    const bytes_view &content, flag local) const {
        return anwdl_rsa_wrapper_verify_data_signature_with_key(handle(), signature.data(),
                                                                signature.size(), content.data(),
                                                                content.size(), local, &out);
    }
};

} // namespace detail

/// The private key operation of RSA, wherever the key is: takes input, a number as long as the
/// modulus, to the power of the private exponent, writes as many bytes to output, and returns
/// whether it could; see anwdl_private_operation_t. It may run on several threads at once. An
/// exception that leaves it is caught, as it must not pass through C, and counts as false.
using private_operation = std::function<bool(const bytes_view &input, std::uint8_t *output)>;

namespace detail {

inline bool run_private_operation(const std::uint8_t *input, std::uint8_t *output, std::size_t size,
                                  void *operation) noexcept {
    const private_operation &run = *static_cast<const private_operation *>(operation);
#if defined(ANWDL_NO_EXCEPTIONS)
    return run(bytes_view(input, size), output);
#else
    try {
        return run(bytes_view(input, size), output);
    } catch (...) {
        return false;
    }
#endif
}

inline void delete_private_operation(void *operation) noexcept {
    delete static_cast<private_operation *>(operation);
}

inline anwdl_status_t set_private_operation(anwdl_rsa_wrapper_t *wrapper,
                                            private_operation &&operation) {
    std::unique_ptr<private_operation> owned;
    if (operation)
        owned.reset(new private_operation(std::move(operation)));
    const anwdl_status_t status = anwdl_rsa_wrapper_set_private_operation(
        wrapper, owned ? &run_private_operation : nullptr, owned.get(), &delete_private_operation);
    if (status == ANWDL_OK)
        static_cast<void>(owned.release()); // the wrapper has it
    return status;
}

} // namespace detail

/// An RSA wrapper that is borrowed, from a client for example. It may be empty.
class rsa_wrapper_view : public detail::view<anwdl_rsa_wrapper_t>,
                         public detail::reads_rsa_wrapper<rsa_wrapper_view> {
  public:
    explicit rsa_wrapper_view(const anwdl_rsa_wrapper_t *wrapper) noexcept : view(wrapper) {
    }
};

/// A local RSA key pair and a peer's public key, each of which may be missing.
class rsa_wrapper : public detail::object<anwdl_rsa_wrapper_t, anwdl_rsa_wrapper_free>,
                    public detail::reads_rsa_wrapper<rsa_wrapper> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Makes a new key pair of 4096 bits, which takes seconds; or none.
    explicit rsa_wrapper(bool generate_key_pair = true)
        : rsa_wrapper(detail::take(try_make(generate_key_pair))) {
    }

    /// Neither from a path nor from a key, either of which would count as true: load() takes the
    /// path of a private key, from_private_key() takes one as PEM.
    template <class Pointee> explicit rsa_wrapper(Pointee *path_or_pem) = delete;

    /// A wrapper with the key pair that belongs to a private key, given as PEM.
    static rsa_wrapper from_private_key(const text &pem) {
        return detail::take(try_from_private_key(pem));
    }

    /// Makes a new local key pair, which takes seconds.
    void generate_key_pair(std::uint64_t public_exponent = 65537, std::uint32_t key_size = 4096) {
        detail::take(try_generate_key_pair(public_exponent, key_size));
    }

    /// Sets the local public key.
    void set_public_key(const text &pem) {
        detail::take(try_set_public_key(pem));
    }

    /// Sets the local private key and, unless told otherwise, the public one that belongs to it.
    void set_private_key(const text &pem, flag derivate_public_key = true) {
        detail::take(try_set_private_key(pem, derivate_public_key));
    }

    /// Sets the local public key from its numbers, both big-endian, such as those of PKCS #11.
    void set_public_numbers(const bytes_view &modulus, const bytes_view &exponent) {
        detail::take(try_set_public_numbers(modulus, exponent));
    }

    /// Sets what does the private key operation in place of a local private key; set the local
    /// public key first. The operation runs once at once, and is destroyed with the last object
    /// that shares it.
    void set_private_operation(private_operation operation) {
        detail::take(try_set_private_operation(std::move(operation)));
    }

    /// Sets the local private key to the one in a file, and the public one that belongs to it.
    /// Returns the warning: ANWDL_REASON_KEY_FILE_EXPOSED if others than the owner of the file have
    /// rights to it, else ANWDL_REASON_NONE.
    anwdl_error_reason_t load(const text &path) {
        return detail::take(try_load(path));
    }

    /// Sets the public key of the peer.
    void set_remote_public_key(const text &pem) {
        detail::take(try_set_remote_public_key(pem));
    }

    /// Sets the local public key, given as DER.
    void set_public_key_der(const bytes_view &der) {
        detail::take(try_set_public_key_der(der));
    }

    /// Sets the local private key, given as DER, and, unless told otherwise, the public one that
    /// belongs to it.
    void set_private_key_der(const bytes_view &der, flag derivate_public_key = true) {
        detail::take(try_set_private_key_der(der, derivate_public_key));
    }

    /// Sets the public key of the peer, given as DER.
    void set_remote_public_key_der(const bytes_view &der) {
        detail::take(try_set_remote_public_key_der(der));
    }
#endif

    /// Takes ownership of what anwdl_rsa_wrapper_new() made.
    static rsa_wrapper adopt(anwdl_rsa_wrapper_t *wrapper) noexcept {
        return rsa_wrapper(wrapper);
    }

    ANWDL_DETAIL_NODISCARD static result<rsa_wrapper> try_make(bool generate_key_pair = true) {
        rsa_wrapper made(nullptr);
        return detail::expect(detail::make(made, anwdl_rsa_wrapper_new, generate_key_pair), made);
    }

    /// Neither from a path nor from a key: try_load() takes the path of a private key,
    /// try_from_private_key() takes one as PEM.
    template <class Pointee> static result<rsa_wrapper> try_make(Pointee *path_or_pem) = delete;
    ANWDL_DETAIL_NODISCARD static result<rsa_wrapper> try_from_private_key(const text &pem) {
        result<rsa_wrapper> made = try_make(false);
        if (made) {
            result<void> set = made->try_set_private_key(pem);
            if (!set)
                return detail::fail<rsa_wrapper>(set.error());
        }
        return made;
    }
    ANWDL_DETAIL_NODISCARD result<void> try_generate_key_pair(std::uint64_t public_exponent = 65537,
                                                              std::uint32_t key_size = 4096) {
        return detail::expect(
            anwdl_rsa_wrapper_generate_key_pair(get(), public_exponent, key_size));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_public_key(const text &pem) {
        return detail::expect(anwdl_rsa_wrapper_set_public_key(get(), pem.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_private_key(const text &pem,
                                                            flag derivate_public_key = true) {
        return detail::expect(
            anwdl_rsa_wrapper_set_private_key(get(), pem.c_str(), derivate_public_key));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_public_numbers(const bytes_view &modulus,
                                                               const bytes_view &exponent) {
        return detail::expect(anwdl_rsa_wrapper_set_public_numbers(
            get(), modulus.data(), modulus.size(), exponent.data(), exponent.size()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_private_operation(private_operation operation) {
        return detail::expect(detail::set_private_operation(get(), std::move(operation)));
    }
    ANWDL_DETAIL_NODISCARD result<anwdl_error_reason_t> try_load(const text &path) {
        const anwdl_status_t status = anwdl_rsa_wrapper_load(get(), path.path());
        anwdl_error_reason_t warning = anwdl_last_error_reason();
        return detail::expect(status, warning);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_remote_public_key(const text &pem) {
        return detail::expect(anwdl_rsa_wrapper_set_remote_public_key(get(), pem.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_public_key_der(const bytes_view &der) {
        return detail::expect(anwdl_rsa_wrapper_set_public_key_der(get(), der.data(), der.size()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_private_key_der(const bytes_view &der,
                                                                flag derivate_public_key = true) {
        return detail::expect(anwdl_rsa_wrapper_set_private_key_der(get(), der.data(), der.size(),
                                                                    derivate_public_key));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_remote_public_key_der(const bytes_view &der) {
        return detail::expect(
            anwdl_rsa_wrapper_set_remote_public_key_der(get(), der.data(), der.size()));
    }

  private:
    explicit rsa_wrapper(anwdl_rsa_wrapper_t *wrapper) noexcept : object(wrapper) {
    }
};

// -------------------------------------------------------------------------------------------------
// AES keys: the Python AESWrapper
// -------------------------------------------------------------------------------------------------

namespace detail {

/// The functions of an AES wrapper that do not change it.
template <class Self> class reads_aes_wrapper {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// The key, borrowed until the wrapper changes or ends.
    bytes_view get_key() const {
        return take(try_get_key());
    }

    /// The IV, borrowed likewise; empty in GCM mode.
    bytes_view get_iv() const {
        return take(try_get_iv());
    }

    /// Encrypts; in GCM mode, under a fresh nonce.
    bytes encrypt_data(const bytes_view &plain) const {
        return take(try_encrypt_data(plain));
    }

    /// Decrypts. A zero byte that is not counted follows the result.
    bytes decrypt_data(const bytes_view &cipher) const {
        return take(try_decrypt_data(cipher));
    }
#endif

    /// The size of the key in bits.
    std::uint32_t get_key_size() const noexcept {
        return anwdl_aes_wrapper_get_key_size(handle());
    }

    ANWDL_DETAIL_NODISCARD result<bytes_view> try_get_key() const {
        bytes_view key, iv;
        return expect(get_parts(key, iv), key);
    }
    ANWDL_DETAIL_NODISCARD result<bytes_view> try_get_iv() const {
        bytes_view key, iv;
        return expect(get_parts(key, iv), iv);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_encrypt_data(const bytes_view &plain) const {
        bytes cipher;
        return expect(encrypt(cipher, plain), cipher);
    }
    ANWDL_DETAIL_NODISCARD result<bytes> try_decrypt_data(const bytes_view &cipher) const {
        bytes plain;
        return expect(decrypt(plain, cipher), plain);
    }

  private:
    const anwdl_aes_wrapper_t *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
    anwdl_status_t get_parts(bytes_view &out_key, bytes_view &out_iv) const noexcept {
        const std::uint8_t *key = nullptr;
        const std::uint8_t *iv = nullptr;
        std::size_t key_size = 0;
        std::size_t iv_size = 0;
        const anwdl_status_t status =
            anwdl_aes_wrapper_get_key(handle(), &key, &key_size, &iv, &iv_size);
        out_key = bytes_view(key, key_size);
        out_iv = bytes_view(iv, iv_size);
        return status;
    }
    anwdl_status_t encrypt(bytes &out, const bytes_view &plain) const {
        return make_bytes(out, anwdl_aes_wrapper_encrypt_data, handle(), plain.data(),
                          plain.size());
    }
    anwdl_status_t decrypt(bytes &out, const bytes_view &cipher) const {
        return make_bytes(out, anwdl_aes_wrapper_decrypt_data, handle(), cipher.data(),
                          cipher.size());
    }
};

} // namespace detail

/// An AES wrapper that is borrowed, from a client for example. It may be empty.
class aes_wrapper_view : public detail::view<anwdl_aes_wrapper_t>,
                         public detail::reads_aes_wrapper<aes_wrapper_view> {
  public:
    explicit aes_wrapper_view(const anwdl_aes_wrapper_t *wrapper) noexcept : view(wrapper) {
    }
};

/// An AES key with its mode and, in CBC mode, an IV.
class aes_wrapper : public detail::object<anwdl_aes_wrapper_t, anwdl_aes_wrapper_free>,
                    public detail::reads_aes_wrapper<aes_wrapper> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Draws a fresh key of 128, 192 or 256 bits and, in CBC mode, a fresh IV.
    explicit aes_wrapper(std::uint32_t key_size = 256, aes_mode mode = aes_mode::cbc)
        : aes_wrapper(detail::take(try_make(key_size, mode))) {
    }

    /// Replaces the key and the IV; without an IV, one is drawn in CBC mode. There is none in GCM
    /// mode. The mode stays.
    void set_key(const bytes_view &key, const bytes_view &iv = bytes_view()) {
        detail::take(try_set_key(key, iv));
    }
#endif

    /// Takes ownership of what anwdl_aes_wrapper_new() made.
    static aes_wrapper adopt(anwdl_aes_wrapper_t *wrapper) noexcept {
        return aes_wrapper(wrapper);
    }

    ANWDL_DETAIL_NODISCARD static result<aes_wrapper> try_make(std::uint32_t key_size = 256,
                                                               aes_mode mode = aes_mode::cbc) {
        aes_wrapper made(nullptr);
        return detail::expect(detail::make(made, anwdl_aes_wrapper_new, key_size,
                                           static_cast<anwdl_aes_mode_t>(mode)),
                              made);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_key(const bytes_view &key,
                                                    const bytes_view &iv = bytes_view()) {
        return detail::expect(
            anwdl_aes_wrapper_set_key(get(), key.data(), key.size(), iv.data(), iv.size()));
    }

  private:
    explicit aes_wrapper(anwdl_aes_wrapper_t *wrapper) noexcept : object(wrapper) {
    }
};

// -------------------------------------------------------------------------------------------------
// Requests, responses and their data
// -------------------------------------------------------------------------------------------------

/// A value among the parameters of a request, the data of a response, or data that were put
/// together; or none. It is copied like a number, and valid until what it was asked of is changed,
/// or ends.
///
/// A pointer is a JSON Pointer, such as "/disks/0/size"; "" is the value itself. A range-for passes
/// the elements of an array, or the values of the members of an object:
///
/// @code
/// for (anwdl::value disk : request.get_parameters().find("/disks"))
///     if (auto size = disk.get_integer("/size"))
///         add_disk(*size);
/// @endcode
class value {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// The value as JSON text, with every digit.
    string to_json() const {
        return detail::take(try_to_json());
    }
#endif

    /// Passes elements and members in the order of the text.
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = value;
        using difference_type = std::ptrdiff_t;
        using pointer = const value *;
        using reference = value;

        iterator() = default;
        explicit iterator(anwdl_value_t at) noexcept : at_(at) {
        }

        value operator*() const noexcept {
            return value(at_);
        }
        iterator &operator++() noexcept {
            at_ = anwdl_value_get_next(at_);
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(iterator one, iterator other) noexcept {
            return one.at_.owner == other.at_.owner && one.at_.place == other.at_.place;
        }
        friend bool operator!=(iterator one, iterator other) noexcept {
            return !(one == other);
        }

      private:
        anwdl_value_t at_{};
    };

    /// No value.
    value() = default;

    /// Takes what the C library gave.
    explicit value(anwdl_value_t given) noexcept : value_(given) {
    }

    anwdl_value_t get() const noexcept {
        return value_;
    }

    /// Whether there is a value.
    explicit operator bool() const noexcept {
        return get_type() != anwdl::value_type::none;
    }

    anwdl::value_type get_type() const noexcept {
        return static_cast<anwdl::value_type>(anwdl_value_get_type(value_));
    }

    /// The value that a JSON Pointer leads to, or none.
    value find(const text &pointer) const noexcept {
        return value(anwdl_value_find(value_, pointer.c_str()));
    }

    /// The member of this name, taken as it is, or none.
    value get_member(const text &name) const noexcept {
        return value(anwdl_value_get_member(value_, name.c_str()));
    }

    /// How many elements or members there are. They are counted each time.
    std::size_t get_count() const noexcept {
        return anwdl_value_get_count(value_);
    }

    iterator begin() const noexcept {
        return iterator(anwdl_value_get_first(value_));
    }

    iterator end() const noexcept {
        return iterator();
    }

    /// The name of a member. It may have NULs inside, and one more follows it.
    ///
    /// @return Whether it is a member; else `name` stays as it is.
    bool get_name(string_view &name) const noexcept {
        std::size_t size = 0;
        const char *found = anwdl_value_get_name(value_, &size);
        if (found != nullptr)
            name = string_view(found, size);
        return found != nullptr;
    }

    /// A string. It may have NULs inside, and one more follows it.
    ///
    /// @return Whether it is there, of that type, and fits; else the result stays as it is, and
    /// anwdl_last_error_reason() tells why. So do the others.
    bool get_string(const text &pointer, string_view &result) const noexcept {
        return read_string(pointer, result) == ANWDL_OK;
    }
    bool get_integer(const text &pointer, std::int64_t &result) const noexcept {
        return anwdl_value_get_integer(value_, pointer.c_str(), &result) == ANWDL_OK;
    }

    bool get_float(const text &pointer, double &result) const noexcept {
        return anwdl_value_get_float(value_, pointer.c_str(), &result) == ANWDL_OK;
    }

    bool get_boolean(const text &pointer, bool &result) const noexcept {
        return anwdl_value_get_boolean(value_, pointer.c_str(), &result) == ANWDL_OK;
    }

    /// The same, with an error that says why there is none: ANWDL_REASON_NOT_FOUND,
    /// ANWDL_REASON_WRONG_TYPE, or ANWDL_REASON_OUT_OF_RANGE for an integer.
    ANWDL_DETAIL_NODISCARD result<string_view> try_get_string(const text &pointer = "") const {
        string_view found;
        return detail::expect(read_string(pointer, found), found);
    }
    ANWDL_DETAIL_NODISCARD result<std::int64_t> try_get_integer(const text &pointer = "") const {
        std::int64_t found = 0;
        return detail::expect(anwdl_value_get_integer(value_, pointer.c_str(), &found), found);
    }
    ANWDL_DETAIL_NODISCARD result<double> try_get_float(const text &pointer = "") const {
        double found = 0;
        return detail::expect(anwdl_value_get_float(value_, pointer.c_str(), &found), found);
    }
    ANWDL_DETAIL_NODISCARD result<bool> try_get_boolean(const text &pointer = "") const {
        bool found = false;
        return detail::expect(anwdl_value_get_boolean(value_, pointer.c_str(), &found), found);
    }

#if __cplusplus >= 201703L
    std::optional<std::string_view> get_name() const noexcept {
        std::string_view name;
        return get_name(name) ? std::optional(name) : std::nullopt;
    }
    std::optional<std::string_view> get_string(const text &pointer = "") const noexcept {
        std::string_view result;
        return get_string(pointer, result) ? std::optional(result) : std::nullopt;
    }
    std::optional<std::int64_t> get_integer(const text &pointer = "") const noexcept {
        std::int64_t result = 0;
        return get_integer(pointer, result) ? std::optional(result) : std::nullopt;
    }
    std::optional<double> get_float(const text &pointer = "") const noexcept {
        double result = 0;
        return get_float(pointer, result) ? std::optional(result) : std::nullopt;
    }
    std::optional<bool> get_boolean(const text &pointer = "") const noexcept {
        bool result = false;
        return get_boolean(pointer, result) ? std::optional(result) : std::nullopt;
    }
#endif

    ANWDL_DETAIL_NODISCARD result<string> try_to_json() const {
        string json;
        return detail::expect(detail::make(json, anwdl_value_to_json, value_), json);
    }

  private:
    anwdl_status_t read_string(const text &pointer, string_view &out) const noexcept {
        std::size_t size = 0;
        const char *found = nullptr;
        const anwdl_status_t status =
            anwdl_value_get_string(value_, pointer.c_str(), &found, &size);
        if (status == ANWDL_OK)
            out = string_view(found, size);
        return status;
    }

    anwdl_value_t value_{};
};

namespace detail {

/// The members of a request or response that have a name: get_string() and so on.
template <class Handle> struct member_functions;

template <> struct member_functions<anwdl_request_t> {
    static constexpr auto get_string = &anwdl_request_get_string;
    static constexpr auto get_integer = &anwdl_request_get_integer;
    static constexpr auto get_boolean = &anwdl_request_get_boolean;
};

template <> struct member_functions<anwdl_response_t> {
    static constexpr auto get_string = &anwdl_response_get_string;
    static constexpr auto get_integer = &anwdl_response_get_integer;
    static constexpr auto get_boolean = &anwdl_response_get_boolean;
};

template <class Self, class Handle> class reads_members {
    using functions = member_functions<Handle>;

  public:
    /// A string in the parameters of a request, or the data of a response. It may contain NULs, and
    /// one more follows it; it is borrowed until the object ends.
    ///
    /// @return Whether there is one; if not, `value` is unchanged.
    bool get_string(const text &name, string_view &value) const noexcept {
        std::size_t size = 0;
        const char *found = functions::get_string(handle(), name.c_str(), &size);
        if (found != nullptr)
            value = string_view(found, size);
        return found != nullptr;
    }

    /// An integer of 64 bits with a sign.
    bool get_integer(const text &name, std::int64_t &value) const noexcept {
        return functions::get_integer(handle(), name.c_str(), &value);
    }

    /// true or false.
    bool get_boolean(const text &name, bool &value) const noexcept {
        return functions::get_boolean(handle(), name.c_str(), &value);
    }

#if __cplusplus >= 201703L
    std::optional<std::string_view> get_string(const text &name) const noexcept {
        std::string_view value;
        return get_string(name, value) ? std::optional(value) : std::nullopt;
    }
    std::optional<std::int64_t> get_integer(const text &name) const noexcept {
        std::int64_t value = 0;
        return get_integer(name, value) ? std::optional(value) : std::nullopt;
    }
    std::optional<bool> get_boolean(const text &name) const noexcept {
        bool value = false;
        return get_boolean(name, value) ? std::optional(value) : std::nullopt;
    }
#endif

  private:
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// The functions of a request.
template <class Self> class reads_request : public reads_members<Self, anwdl_request_t> {
  public:
    /// What the peer wants: letters A to Z. Borrowed, as all texts of a request.
    const char *get_verb() const noexcept {
        return anwdl_request_get_verb(static_cast<const Self *>(this)->get());
    }

    /// The whole request, as it was received.
    const char *get_json() const noexcept {
        return anwdl_request_get_json(static_cast<const Self *>(this)->get());
    }

    /// Its parameters, an object, for reading.
    value get_parameters() const noexcept {
        return value(anwdl_request_get_parameters(static_cast<const Self *>(this)->get()));
    }

    /// Its parameters, a JSON object.
    const char *get_parameters_json() const noexcept {
        return anwdl_request_get_parameters_json(static_cast<const Self *>(this)->get());
    }
};

} // namespace detail

/// A request that is borrowed: the one that a client has stored. It may be empty.
class request_view : public detail::view<anwdl_request_t>,
                     public detail::reads_request<request_view> {
  public:
    explicit request_view(const anwdl_request_t *request) noexcept : view(request) {
    }
};

/// A request, checked against the request format. It never changes, and outlives the client that
/// it came from.
class request : public detail::object<anwdl_request_t, anwdl_request_free>,
                public detail::reads_request<request> {
  public:
    /// Empty, for poll_recv_request() to put a request in.
    request() = default;

    /// Takes ownership of what anwdl_client_recv_request() made.
    static request adopt(anwdl_request_t *taken) noexcept {
        return request(taken);
    }

    /// Its parameters, an object, for reading.
    value get_parameters() const &noexcept {
        return reads_request::get_parameters();
    }
    value get_parameters() const && = delete; // they end with the request

  private:
    explicit request(anwdl_request_t *taken) noexcept : object(taken) {
    }
};

/// A response, checked against the response format. It never changes, and outlives the client that
/// it came from.
class response : public detail::object<anwdl_response_t, anwdl_response_free>,
                 public detail::reads_members<response, anwdl_response_t> {
  public:
    /// Empty, for poll_recv_response() to put a response in.
    response() = default;

    /// Takes ownership of what anwdl_session_recv_response() made.
    static response adopt(anwdl_response_t *taken) noexcept {
        return response(taken);
    }

    /// Whether the request was carried out.
    bool get_success() const noexcept {
        return anwdl_response_get_success(get());
    }

    /// What the server says, with its reason if it gave one. Borrowed, as all texts of a response.
    const char *get_message() const noexcept {
        return anwdl_response_get_message(get());
    }

    /// The data, an object, for reading.
    value get_data() const &noexcept {
        return value(anwdl_response_get_data(get()));
    }
    value get_data() const && = delete; // they end with the response

    /// The data, a JSON object.
    const char *get_data_json() const noexcept {
        return anwdl_response_get_data_json(get());
    }

    /// The whole response, as it was received.
    const char *get_json() const noexcept {
        return anwdl_response_get_json(get());
    }

  private:
    explicit response(anwdl_response_t *taken) noexcept : object(taken) {
    }
};

/// A JSON object or array that is built value by value: the data of a response, or the parameters
/// of a request.
///
/// @code
/// auto disks = anwdl::data::array();
/// disks.add_string("sda").add_string("sdb");
/// anwdl::data data;
/// data.set_statistics(86400, "1.0.0").set_array("disks", disks);
/// @endcode
class data : public detail::object<anwdl_data_t, anwdl_data_free> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// An empty object.
    data() : data(detail::take(try_make())) {
    }

    /// An empty array.
    static data array() {
        return detail::take(try_array());
    }

    /// An object from JSON text. Numbers and strings stay as they are written.
    static data from_json(const text &json) {
        return detail::take(try_from_json(json));
    }

    /// The data as JSON text.
    string to_json() const {
        return detail::take(try_to_json());
    }
    data &set_string(const text &name, string_view value) {
        return done(try_set_string(name, value));
    }
    data &set_integer(const text &name, std::int64_t value) {
        return done(try_set_integer(name, value));
    }
    data &set_float(const text &name, double value) {
        return done(try_set_float(name, value));
    }
    data &set_boolean(const text &name, flag value) {
        return done(try_set_boolean(name, value));
    }
    data &set_null(const text &name) {
        return done(try_set_null(name));
    }
    data &set_object(const text &name, const data &value) {
        return done(try_set_object(name, value));
    }
    data &set_array(const text &name, const data &array) {
        return done(try_set_array(name, array));
    }

    /// Sets a copy of a value that is read.
    data &set_value(const text &name, const anwdl::value &value) {
        return done(try_set_value(name, value));
    }

    /// Sets a value from its JSON text.
    data &set_json(const text &name, const text &json) {
        return done(try_set_json(name, json));
    }
    data &add_string(string_view value) {
        return done(try_add_string(value));
    }
    data &add_integer(std::int64_t value) {
        return done(try_add_integer(value));
    }
    data &add_float(double value) {
        return done(try_add_float(value));
    }
    data &add_boolean(flag value) {
        return done(try_add_boolean(value));
    }
    data &add_null() {
        return done(try_add_null());
    }
    data &add_object(const data &value) {
        return done(try_add_object(value));
    }
    data &add_array(const data &array) {
        return done(try_add_array(array));
    }
    data &add_value(const anwdl::value &value) {
        return done(try_add_value(value));
    }
    data &add_json(const text &json) {
        return done(try_add_json(json));
    }

    /// Sets the six members that describe a new container, checked: all or none.
    data &set_container(const text &uuid, const text &token, const text &iso_sha256,
                        const text &user_name, const text &password, std::uint16_t port) {
        return done(try_set_container(uuid, token, iso_sha256, user_name, password, port));
    }

    /// Sets the members that describe the server: its uptime in seconds, and its version.
    data &set_statistics(std::uint64_t uptime, const text &version) {
        return done(try_set_statistics(uptime, version));
    }
#endif

    /// Takes ownership of what anwdl_data_new() made.
    static data adopt(anwdl_data_t *taken) noexcept {
        return data(taken);
    }

    /// The data, for reading.
    value get_value() const &noexcept {
        return value(anwdl_data_get_value(get()));
    }
    value get_value() const && = delete; // it ends with the data

    // Members of an object. The value may have NULs inside, the name may not.

    // Elements of an array.

    ANWDL_DETAIL_NODISCARD static result<data> try_make() {
        data made(nullptr);
        return detail::expect(detail::make(made, anwdl_data_new), made);
    }
    ANWDL_DETAIL_NODISCARD static result<data> try_array() {
        data made(nullptr);
        return detail::expect(detail::make(made, anwdl_data_new_array), made);
    }
    ANWDL_DETAIL_NODISCARD result<string> try_to_json() const {
        string json;
        return detail::expect(detail::make(json, anwdl_data_to_json, get()), json);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_string(const text &name, string_view value) {
        return detail::expect(
            anwdl_data_set_string_with_length(get(), name.c_str(), value.data(), value.size()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_integer(const text &name, std::int64_t value) {
        return detail::expect(anwdl_data_set_integer(get(), name.c_str(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_float(const text &name, double value) {
        return detail::expect(anwdl_data_set_float(get(), name.c_str(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_boolean(const text &name, flag value) {
        return detail::expect(anwdl_data_set_boolean(get(), name.c_str(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_null(const text &name) {
        return detail::expect(anwdl_data_set_null(get(), name.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_object(const text &name, const data &value) {
        return detail::expect(anwdl_data_set_object(get(), name.c_str(), value.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_array(const text &name, const data &array) {
        return detail::expect(anwdl_data_set_array(get(), name.c_str(), array.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_value(const text &name, const anwdl::value &value) {
        return detail::expect(anwdl_data_set_value(get(), name.c_str(), value.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_json(const text &name, const text &json) {
        return detail::expect(anwdl_data_set_json(get(), name.c_str(), json.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_string(string_view value) {
        return detail::expect(anwdl_data_add_string_with_length(get(), value.data(), value.size()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_integer(std::int64_t value) {
        return detail::expect(anwdl_data_add_integer(get(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_float(double value) {
        return detail::expect(anwdl_data_add_float(get(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_boolean(flag value) {
        return detail::expect(anwdl_data_add_boolean(get(), value));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_null() {
        return detail::expect(anwdl_data_add_null(get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_object(const data &value) {
        return detail::expect(anwdl_data_add_object(get(), value.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_array(const data &array) {
        return detail::expect(anwdl_data_add_array(get(), array.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_value(const anwdl::value &value) {
        return detail::expect(anwdl_data_add_value(get(), value.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_add_json(const text &json) {
        return detail::expect(anwdl_data_add_json(get(), json.c_str()));
    }
    ANWDL_DETAIL_NODISCARD static result<data> try_from_json(const text &json) {
        data made(nullptr);
        return detail::expect(detail::make(made, anwdl_data_from_json, json.c_str()), made);
    }
    ANWDL_DETAIL_NODISCARD result<void>
    try_set_container(const text &uuid, const text &token, const text &iso_sha256,
                      const text &user_name, const text &password, std::uint16_t port) {
        return detail::expect(anwdl_data_set_container(get(), uuid.c_str(), token.c_str(),
                                                       iso_sha256.c_str(), user_name.c_str(),
                                                       password.c_str(), port));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_statistics(std::uint64_t uptime,
                                                           const text &version) {
        return detail::expect(anwdl_data_set_statistics(get(), uptime, version.c_str()));
    }

  private:
    explicit data(anwdl_data_t *taken) noexcept : object(taken) {
    }
#if !defined(ANWDL_NO_EXCEPTIONS)
    data &done(const result<void> &set) {
        detail::take(set);
        return *this;
    }
#endif
};

// -------------------------------------------------------------------------------------------------
// Options
// -------------------------------------------------------------------------------------------------

/// Options for new clients, sessions and client interfaces, which copy them. anwdl.h documents each
/// function, and the default, at the function of the same name.
///
/// @code
/// anwdl::client_options options;
/// options.set_timeout(std::chrono::seconds(30)).set_rsa_wrapper(key_pair);
/// @endcode
class client_options : public detail::object<anwdl_client_options_t, anwdl_client_options_free> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    client_options() : client_options(detail::take(try_make())) {
    }

    /// A copy, to be changed by itself.
    client_options copy() const {
        return detail::take(try_copy());
    }

    /// How long an operation may take; 0 for no limit.
    client_options &set_timeout(std::chrono::milliseconds timeout) {
        return done(try_set_timeout(timeout));
    }

    /// How long next_event() lets the peer take to begin its next request; zero for no limit. By
    /// default as long as the timeout.
    client_options &set_idle_timeout(std::chrono::milliseconds timeout) {
        return done(try_set_idle_timeout(timeout));
    }
    client_options &set_rsa_wrapper(const rsa_wrapper &wrapper) {
        return done(try_set_rsa_wrapper(wrapper));
    }
    client_options &set_aes_wrapper(const aes_wrapper &wrapper) {
        return done(try_set_aes_wrapper(wrapper));
    }

    /// Whether the constructor of a client, or connect_server(), exchanges the keys.
    client_options &set_exchange_keys(flag exchange_keys) {
        return done(try_set_exchange_keys(exchange_keys));
    }

    /// Whether received AES keys are sent back unchanged; read the warning in anwdl.h.
    client_options &set_key_echo(flag key_echo) {
        return done(try_set_key_echo(key_echo));
    }

    /// Whether operations return instead of waiting.
    client_options &set_non_blocking(flag non_blocking) {
        return done(try_set_non_blocking(non_blocking));
    }

    /// The only framing that is accepted, or spoken.
    client_options &set_protocol(protocol value) {
        return done(try_set_protocol(value));
    }

    /// How many bytes a message may have.
    client_options &set_max_message_size(std::size_t size) {
        return done(try_set_max_message_size(size));
    }

    /// The IP address to report for the peer.
    /// nullptr for that of the socket.
    client_options &set_peer_ip(const text &ip) {
        return done(try_set_peer_ip(ip));
    }

    /// Whether connections begin with a PROXY protocol header.
    client_options &set_proxy_protocol(proxy_protocol value) {
        return done(try_set_proxy_protocol(value));
    }

    /// Whether the private key operation of the key exchange is left to compute().
    client_options &set_separate_computation(flag separate) {
        return done(try_set_separate_computation(separate));
    }

    /// The fingerprint of the only public key that the peer may have; nullptr for any.
    client_options &set_expected_fingerprint(const text &hex) {
        return done(try_set_expected_fingerprint(hex));
    }
#endif

    /// Takes ownership of what anwdl_client_options_new() made.
    static client_options adopt(anwdl_client_options_t *taken) noexcept {
        return client_options(taken);
    }

    ANWDL_DETAIL_NODISCARD static result<client_options> try_make() {
        client_options made(anwdl_client_options_new());
        if (!made)
            return detail::fail<client_options>(error::last(ANWDL_RUNTIME_ERROR));
        return made;
    }
    ANWDL_DETAIL_NODISCARD result<client_options> try_copy() const {
        client_options copied(nullptr);
        return detail::expect(detail::make(copied, anwdl_client_options_copy, get()), copied);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_timeout(std::chrono::milliseconds timeout) {
        return detail::expect_timeout(timeout, [this](std::uint32_t milliseconds) {
            return anwdl_client_options_set_timeout(get(), milliseconds);
        });
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_idle_timeout(std::chrono::milliseconds timeout) {
        return detail::expect_timeout(timeout, [this](std::uint32_t milliseconds) {
            return anwdl_client_options_set_idle_timeout(get(), milliseconds);
        });
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_rsa_wrapper(const rsa_wrapper &wrapper) {
        return detail::expect(anwdl_client_options_set_rsa_wrapper(get(), wrapper.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_aes_wrapper(const aes_wrapper &wrapper) {
        return detail::expect(anwdl_client_options_set_aes_wrapper(get(), wrapper.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_exchange_keys(flag exchange_keys) {
        return detail::expect(anwdl_client_options_set_exchange_keys(get(), exchange_keys));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_key_echo(flag key_echo) {
        return detail::expect(anwdl_client_options_set_key_echo(get(), key_echo));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_non_blocking(flag non_blocking) {
        return detail::expect(anwdl_client_options_set_non_blocking(get(), non_blocking));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_protocol(protocol value) {
        return detail::expect(
            anwdl_client_options_set_protocol(get(), static_cast<anwdl_protocol_t>(value)));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_max_message_size(std::size_t size) {
        return detail::expect(anwdl_client_options_set_max_message_size(get(), size));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_peer_ip(const text &ip) {
        return detail::expect(anwdl_client_options_set_peer_ip(get(), ip.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_proxy_protocol(proxy_protocol value) {
        return detail::expect(anwdl_client_options_set_proxy_protocol(
            get(), static_cast<anwdl_proxy_protocol_t>(value)));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_separate_computation(flag separate) {
        return detail::expect(anwdl_client_options_set_separate_computation(get(), separate));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_expected_fingerprint(const text &hex) {
        return detail::expect(anwdl_client_options_set_expected_fingerprint(get(), hex.c_str()));
    }

  private:
    explicit client_options(anwdl_client_options_t *taken) noexcept : object(taken) {
    }
#if !defined(ANWDL_NO_EXCEPTIONS)
    client_options &done(const result<void> &set) {
        detail::take(set);
        return *this;
    }
#endif
};

// -------------------------------------------------------------------------------------------------
// What clients, sessions and client interfaces have in common
// -------------------------------------------------------------------------------------------------

namespace detail {

/// The C functions of a type, by what they do.
template <class Handle> struct functions;

template <> struct functions<anwdl_client_t> {
    static constexpr auto get_wants = &anwdl_client_get_wants;
    static constexpr auto get_time_left = &anwdl_client_get_time_left;
    static constexpr auto has_failed = &anwdl_client_has_failed;
    static constexpr auto is_idle = &anwdl_client_is_idle;
    static constexpr auto get_user_data = &anwdl_client_get_user_data;
    static constexpr auto set_user_data = &anwdl_client_set_user_data;
    static constexpr auto get_socket_descriptor = &anwdl_client_get_socket_descriptor;
    static constexpr auto is_closed = &anwdl_client_is_closed;
    static constexpr auto close_connection = &anwdl_client_close_connection;
    static constexpr auto detach = &anwdl_client_detach;
    static constexpr auto set_timeout = &anwdl_client_set_timeout;
    static constexpr auto get_ip = &anwdl_client_get_ip;
    static constexpr auto get_id = &anwdl_client_get_id;
    static constexpr auto get_creation_timestamp = &anwdl_client_get_creation_timestamp;
    static constexpr auto exchange_keys = &anwdl_client_exchange_keys;
    static constexpr auto send_public_rsa_key = &anwdl_client_send_public_rsa_key;
    static constexpr auto recv_public_rsa_key = &anwdl_client_recv_public_rsa_key;
    static constexpr auto send_aes_key = &anwdl_client_send_aes_key;
    static constexpr auto recv_aes_key = &anwdl_client_recv_aes_key;
    static constexpr auto compute = &anwdl_client_compute;
    static constexpr auto get_protocol = &anwdl_client_get_protocol;
    static constexpr auto get_rsa_wrapper = &anwdl_client_get_rsa_wrapper;
    static constexpr auto get_aes_wrapper = &anwdl_client_get_aes_wrapper;
    static constexpr auto set_rsa_wrapper = &anwdl_client_set_rsa_wrapper;
    static constexpr auto set_aes_wrapper = &anwdl_client_set_aes_wrapper;
    static constexpr auto recv_request = &anwdl_client_recv_request;
    static constexpr auto get_stored_request = &anwdl_client_get_stored_request;
    static constexpr auto get_request_errors = &anwdl_client_get_request_errors;
    static constexpr auto get_malformed_request_json = &anwdl_client_get_malformed_request_json;
    static constexpr auto send_response = &anwdl_client_send_response;
    static constexpr auto send_response_data = &anwdl_client_send_response_data;
};

template <> struct functions<anwdl_session_t> {
    static constexpr auto get_wants = &anwdl_session_get_wants;
    static constexpr auto get_time_left = &anwdl_session_get_time_left;
    static constexpr auto has_failed = &anwdl_session_has_failed;
    static constexpr auto is_idle = &anwdl_session_is_idle;
    static constexpr auto get_user_data = &anwdl_session_get_user_data;
    static constexpr auto set_user_data = &anwdl_session_set_user_data;
    static constexpr auto get_ip = &anwdl_session_get_ip;
    static constexpr auto get_id = &anwdl_session_get_id;
    static constexpr auto get_creation_timestamp = &anwdl_session_get_creation_timestamp;
    static constexpr auto exchange_keys = &anwdl_session_exchange_keys;
    static constexpr auto send_public_rsa_key = &anwdl_session_send_public_rsa_key;
    static constexpr auto recv_public_rsa_key = &anwdl_session_recv_public_rsa_key;
    static constexpr auto send_aes_key = &anwdl_session_send_aes_key;
    static constexpr auto recv_aes_key = &anwdl_session_recv_aes_key;
    static constexpr auto compute = &anwdl_session_compute;
    static constexpr auto get_protocol = &anwdl_session_get_protocol;
    static constexpr auto get_rsa_wrapper = &anwdl_session_get_rsa_wrapper;
    static constexpr auto get_aes_wrapper = &anwdl_session_get_aes_wrapper;
    static constexpr auto set_rsa_wrapper = &anwdl_session_set_rsa_wrapper;
    static constexpr auto set_aes_wrapper = &anwdl_session_set_aes_wrapper;
    static constexpr auto recv_request = &anwdl_session_recv_request;
    static constexpr auto get_stored_request = &anwdl_session_get_stored_request;
    static constexpr auto get_request_errors = &anwdl_session_get_request_errors;
    static constexpr auto get_malformed_request_json = &anwdl_session_get_malformed_request_json;
    static constexpr auto send_response = &anwdl_session_send_response;
    static constexpr auto send_response_data = &anwdl_session_send_response_data;
    static constexpr auto send_request = &anwdl_session_send_request;
    static constexpr auto send_request_data = &anwdl_session_send_request_data;
    static constexpr auto recv_response = &anwdl_session_recv_response;
};

template <> struct functions<anwdl_client_interface_t> {
    static constexpr auto get_wants = &anwdl_client_interface_get_wants;
    static constexpr auto get_time_left = &anwdl_client_interface_get_time_left;
    static constexpr auto has_failed = &anwdl_client_interface_has_failed;
    static constexpr auto is_idle = &anwdl_client_interface_is_idle;
    static constexpr auto get_user_data = &anwdl_client_interface_get_user_data;
    static constexpr auto set_user_data = &anwdl_client_interface_set_user_data;
    static constexpr auto get_socket_descriptor = &anwdl_client_interface_get_socket_descriptor;
    static constexpr auto is_closed = &anwdl_client_interface_is_closed;
    static constexpr auto close_connection = &anwdl_client_interface_close_connection;
    static constexpr auto detach = &anwdl_client_interface_detach;
    static constexpr auto set_timeout = &anwdl_client_interface_set_timeout;
    static constexpr auto exchange_keys = &anwdl_client_interface_exchange_keys;
    static constexpr auto send_public_rsa_key = &anwdl_client_interface_send_public_rsa_key;
    static constexpr auto recv_public_rsa_key = &anwdl_client_interface_recv_public_rsa_key;
    static constexpr auto send_aes_key = &anwdl_client_interface_send_aes_key;
    static constexpr auto recv_aes_key = &anwdl_client_interface_recv_aes_key;
    static constexpr auto compute = &anwdl_client_interface_compute;
    static constexpr auto get_protocol = &anwdl_client_interface_get_protocol;
    static constexpr auto get_rsa_wrapper = &anwdl_client_interface_get_rsa_wrapper;
    static constexpr auto get_aes_wrapper = &anwdl_client_interface_get_aes_wrapper;
    static constexpr auto set_rsa_wrapper = &anwdl_client_interface_set_rsa_wrapper;
    static constexpr auto set_aes_wrapper = &anwdl_client_interface_set_aes_wrapper;
    static constexpr auto send_request = &anwdl_client_interface_send_request;
    static constexpr auto send_request_data = &anwdl_client_interface_send_request_data;
    static constexpr auto recv_response = &anwdl_client_interface_recv_response;
};

/// What every one of them tells of its operations.
template <class Self, class Handle> class has_operations {
    using functions = detail::functions<Handle>;

  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// What the operation under way waits for; progress::done if none is.
    progress get_wants() const {
        return take(try_get_wants());
    }

    /// Keeps a pointer of the program's, which the library only hands back.
    void set_user_data(void *user_data) {
        take(try_set_user_data(user_data));
    }
#endif

    void *get_user_data() const noexcept {
        return functions::get_user_data(handle());
    }

    /// How many milliseconds the operation under way may still take; -1 for no limit.
    int get_time_left() const noexcept {
        return functions::get_time_left(handle());
    }

    /// Whether the session has ended, by a failure, because the connection was closed, or by end().
    /// After a timeout that left it, the same call can be repeated.
    bool has_failed() const noexcept {
        return functions::has_failed(handle());
    }

    /// Whether no request is under way, from its first byte to the last one of its response. A
    /// session goes by the bytes that it was fed; a client_interface must be connected, too.
    bool is_idle() const noexcept {
        return functions::is_idle(handle());
    }

    ANWDL_DETAIL_NODISCARD result<progress> try_get_wants() const {
        return expect_progress(functions::get_wants(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_user_data(void *user_data) {
        return expect(functions::set_user_data(handle(), user_data));
    }

  private:
    Handle *handle() noexcept {
        return static_cast<Self *>(this)->get();
    }
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// What those with a descriptor do with it.
template <class Self, class Handle> class has_descriptor {
    using functions = detail::functions<Handle>;

  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Closes the connection, as the destructor does; a client_interface may be connecting still.
    void close_connection() {
        take(try_close_connection());
    }

    /// Gives the open descriptor back. This side counts as closed from then on; a client_interface
    /// can connect again.
    ANWDL_DETAIL_NODISCARD int detach() {
        return take(try_detach());
    }

    /// How long each operation that begins after this call may take; zero for no limit.
    void set_timeout(std::chrono::milliseconds timeout) {
        take(try_set_timeout(timeout));
    }
#endif

    /// Whether it was closed or detached on this side; also, whether a client_interface has not
    /// begun to connect.
    bool is_closed() const noexcept {
        return functions::is_closed(handle());
    }

    /// The descriptor, for poll() and the like; -1 if it is closed. While a client_interface
    /// connects, it is one to wait with.
    int get_socket_descriptor() const noexcept {
        return functions::get_socket_descriptor(handle());
    }

    ANWDL_DETAIL_NODISCARD result<void> try_close_connection() {
        return expect(functions::close_connection(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<int> try_detach() {
        return expect_descriptor(functions::detach(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_timeout(std::chrono::milliseconds timeout) {
        return expect_timeout(timeout, [this](std::uint32_t milliseconds) {
            return functions::set_timeout(handle(), milliseconds);
        });
    }

  private:
    Handle *handle() noexcept {
        return static_cast<Self *>(this)->get();
    }
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// Who the peer is.
template <class Self, class Handle> class has_peer {
    using functions = detail::functions<Handle>;

  public:
    /// The IP address of the peer, as text; "" if a session's options name none. Lent, as the ID
    /// is.
    const char *get_ip() const noexcept {
        return functions::get_ip(handle());
    }

    /// The ID: the first 7 hexadecimal digits of the SHA-256 of the address; "" if there is none.
    const char *get_id() const noexcept {
        return functions::get_id(handle());
    }

    /// When this object was made, in seconds since 1970-01-01 00:00 UTC.
    std::int64_t get_creation_timestamp() const noexcept {
        return functions::get_creation_timestamp(handle());
    }

  private:
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// The key exchange, and what it exchanges.
template <class Self, class Handle, bool ReceiveFirst> class exchanges_keys {
    using functions = detail::functions<Handle>;

  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Exchanges all keys. receive_first is true if the peer speaks first: the default, except for
    /// a client_interface. Pass false for a session in the role of a client.
    void exchange_keys(flag receive_first = ReceiveFirst) {
        take(try_exchange_keys(receive_first));
    }
    ANWDL_DETAIL_NODISCARD progress poll_exchange_keys(flag receive_first = ReceiveFirst) {
        return advance(functions::exchange_keys(handle(), receive_first));
    }

    /// One step of it: sends the local public RSA key.
    void send_public_rsa_key() {
        take(try_send_public_rsa_key());
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_public_rsa_key() {
        return advance(functions::send_public_rsa_key(handle()));
    }

    /// One step of it: receives the public RSA key of the peer.
    void recv_public_rsa_key() {
        take(try_recv_public_rsa_key());
    }
    ANWDL_DETAIL_NODISCARD progress poll_recv_public_rsa_key() {
        return advance(functions::recv_public_rsa_key(handle()));
    }

    /// One step of it: sends the AES key.
    void send_aes_key() {
        take(try_send_aes_key());
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_aes_key() {
        return advance(functions::send_aes_key(handle()));
    }

    /// One step of it: receives the AES key of the peer.
    void recv_aes_key() {
        take(try_recv_aes_key());
    }
    ANWDL_DETAIL_NODISCARD progress poll_recv_aes_key() {
        return advance(functions::recv_aes_key(handle()));
    }

    /// Does the computation after progress::want_computation, on any thread. Then call the
    /// operation again, which reports whether it failed.
    void compute() {
        take(try_compute());
    }

    /// Replaces the local key pair, before keys are exchanged.
    void set_rsa_wrapper(const rsa_wrapper &wrapper) {
        take(try_set_rsa_wrapper(wrapper));
    }

    /// Replaces the AES key, before keys are exchanged or where none are.
    void set_aes_wrapper(const aes_wrapper &wrapper) {
        take(try_set_aes_wrapper(wrapper));
    }
#endif

    /// The framing that is spoken, once it is known.
    protocol get_protocol() const noexcept {
        return static_cast<protocol>(functions::get_protocol(handle()));
    }

    /// The local key pair and the public key of the peer; empty while there is none.
    rsa_wrapper_view get_rsa_wrapper() const noexcept {
        return rsa_wrapper_view(functions::get_rsa_wrapper(handle()));
    }

    /// The key of the session; empty while there is none.
    aes_wrapper_view get_aes_wrapper() const noexcept {
        return aes_wrapper_view(functions::get_aes_wrapper(handle()));
    }

    ANWDL_DETAIL_NODISCARD result<void> try_exchange_keys(flag receive_first = ReceiveFirst) {
        return expect(functions::exchange_keys(handle(), receive_first));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_send_public_rsa_key() {
        return expect(functions::send_public_rsa_key(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_recv_public_rsa_key() {
        return expect(functions::recv_public_rsa_key(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_send_aes_key() {
        return expect(functions::send_aes_key(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_recv_aes_key() {
        return expect(functions::recv_aes_key(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_compute() {
        return expect(functions::compute(handle()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_rsa_wrapper(const rsa_wrapper &wrapper) {
        return expect(functions::set_rsa_wrapper(handle(), wrapper.get()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_aes_wrapper(const aes_wrapper &wrapper) {
        return expect(functions::set_aes_wrapper(handle(), wrapper.get()));
    }

  private:
    Handle *handle() noexcept {
        return static_cast<Self *>(this)->get();
    }
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// The server's part: requests in, responses out.
template <class Self, class Handle> class serves_requests {
    using functions = detail::functions<Handle>;

  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Receives a request; with store_request, get_stored_request() returns it too.
    ///
    /// A value_error with ANWDL_REASON_MALFORMED_REQUEST does not end the session:
    /// get_request_errors() has the errors, get_malformed_request_json() the text, and
    /// ANWDL_RESPONSE_MSG_BAD_REQ is the answer.
    ANWDL_DETAIL_NODISCARD request recv_request(flag store_request = false) {
        return take(try_recv_request(store_request));
    }
    ANWDL_DETAIL_NODISCARD progress poll_recv_request(request &received,
                                                      flag store_request = false) {
        return advance(make(received, functions::recv_request, handle(), store_request));
    }

    /// Sends a response. `data_json` is the text of a JSON object, nullptr for {}; `reason` says
    /// why a request was refused, nullptr or "" for none.
    void send_response(flag success, const text &message, const text &data_json = nullptr,
                       const text &reason = nullptr) {
        take(try_send_response(success, message, data_json, reason));
    }
    void send_response(flag success, const text &message, const data &content,
                       const text &reason = nullptr) {
        take(try_send_response(success, message, content, reason));
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_response(flag success, const text &message,
                                                       const text &data_json = nullptr,
                                                       const text &reason = nullptr) {
        return advance(functions::send_response(handle(), success, message.c_str(),
                                                data_json.c_str(), reason.c_str()));
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_response(flag success, const text &message,
                                                       const data &content,
                                                       const text &reason = nullptr) {
        return advance(functions::send_response_data(handle(), success, message.c_str(),
                                                     content.get(), reason.c_str()));
    }
#endif

    /// The last request that was stored; empty if there is none.
    request_view get_stored_request() const noexcept {
        return request_view(functions::get_stored_request(handle()));
    }

    /// What is wrong with the last request, as JSON; NULL if nothing is.
    const char *get_request_errors() const noexcept {
        return functions::get_request_errors(handle());
    }

    /// The text of the last request if it was malformed, until the next one; NULL if it was not.
    const char *get_malformed_request_json() const noexcept {
        return functions::get_malformed_request_json(handle());
    }

    ANWDL_DETAIL_NODISCARD result<request> try_recv_request(flag store_request = false) {
        request received;
        return expect(make(received, functions::recv_request, handle(), store_request), received);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_send_response(flag success, const text &message,
                                                          const text &data_json = nullptr,
                                                          const text &reason = nullptr) {
        return expect(functions::send_response(handle(), success, message.c_str(),
                                               data_json.c_str(), reason.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_send_response(flag success, const text &message,
                                                          const data &content,
                                                          const text &reason = nullptr) {
        return expect(functions::send_response_data(handle(), success, message.c_str(),
                                                    content.get(), reason.c_str()));
    }

  private:
    Handle *handle() noexcept {
        return static_cast<Self *>(this)->get();
    }
    const Handle *handle() const noexcept {
        return static_cast<const Self *>(this)->get();
    }
};

/// The client's part: requests out, responses in.
template <class Self, class Handle> class makes_requests {
    using functions = detail::functions<Handle>;

  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Sends a request. `parameters_json` is the text of a JSON object, nullptr for {}.
    void send_request(const text &verb, const text &parameters_json = nullptr) {
        take(try_send_request(verb, parameters_json));
    }
    void send_request(const text &verb, const data &parameters) {
        take(try_send_request(verb, parameters));
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_request(const text &verb,
                                                      const text &parameters_json = nullptr) {
        return advance(functions::send_request(handle(), verb.c_str(), parameters_json.c_str()));
    }
    ANWDL_DETAIL_NODISCARD progress poll_send_request(const text &verb, const data &parameters) {
        return advance(functions::send_request_data(handle(), verb.c_str(), parameters.get()));
    }

    /// Receives the response to it.
    ANWDL_DETAIL_NODISCARD response recv_response() {
        return take(try_recv_response());
    }
    ANWDL_DETAIL_NODISCARD progress poll_recv_response(response &received) {
        return advance(make(received, functions::recv_response, handle()));
    }
#endif

    ANWDL_DETAIL_NODISCARD result<void> try_send_request(const text &verb,
                                                         const text &parameters_json = nullptr) {
        return expect(functions::send_request(handle(), verb.c_str(), parameters_json.c_str()));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_send_request(const text &verb, const data &parameters) {
        return expect(functions::send_request_data(handle(), verb.c_str(), parameters.get()));
    }
    ANWDL_DETAIL_NODISCARD result<response> try_recv_response() {
        response received;
        return expect(make(received, functions::recv_response, handle()), received);
    }

  private:
    Handle *handle() noexcept {
        return static_cast<Self *>(this)->get();
    }
};

} // namespace detail

// -------------------------------------------------------------------------------------------------
// Clients: the Python ClientInstance
// -------------------------------------------------------------------------------------------------

/// A connected client, seen from the server.
class client : public detail::object<anwdl_client_t, anwdl_client_free>,
               public detail::has_operations<client, anwdl_client_t>,
               public detail::has_descriptor<client, anwdl_client_t>,
               public detail::has_peer<client, anwdl_client_t>,
               public detail::exchanges_keys<client, anwdl_client_t, true>,
               public detail::serves_requests<client, anwdl_client_t> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    /// Makes a client from a connected socket and, unless the options say otherwise, exchanges the
    /// keys. The descriptor then belongs to the client; if this throws, it still belongs to the
    /// caller.
    explicit client(int descriptor) : client(detail::take(try_make(descriptor))) {
    }
    client(int descriptor, const client_options &options)
        : client(detail::take(try_make(descriptor, options))) {
    }

#endif

    /// Takes ownership of what anwdl_client_new() made.
    static client adopt(anwdl_client_t *taken) noexcept {
        return client(taken);
    }

    /// Takes the client as far as it goes, and says what has happened; `received` is set with
    /// event::request. Throws nothing.
    ANWDL_DETAIL_NODISCARD event next_event(request &received) noexcept {
        return detail::next_event(received, anwdl_client_next_event, get());
    }

    ANWDL_DETAIL_NODISCARD static result<client> try_make(int descriptor) {
        client made(nullptr);
        return detail::expect(detail::make(made, anwdl_client_new, descriptor,
                                           static_cast<const anwdl_client_options_t *>(nullptr)),
                              made);
    }
    ANWDL_DETAIL_NODISCARD static result<client> try_make(int descriptor,
                                                          const client_options &options) {
        if (!options)
            return detail::fail<client>(detail::empty_argument());
        client made(nullptr);
        return detail::expect(detail::make(made, anwdl_client_new, descriptor, options.get()),
                              made);
    }

  private:
    explicit client(anwdl_client_t *taken) noexcept : object(taken) {
    }
};

// -------------------------------------------------------------------------------------------------
// Sessions without a descriptor
// -------------------------------------------------------------------------------------------------

/// The protocol without a socket, for programs that move the bytes themselves: over libuv, Asio,
/// TLS.
///
/// No function waits or uses a descriptor. Poll the operations; when one wants to read, feed() it
/// what was received, and always send what get_pending() returns:
///
/// @code
/// anwdl::request request;
/// anwdl::progress progress = session.poll_recv_request(request);
/// const anwdl::bytes_view pending = session.get_pending();
/// const ssize_t count = write(fd, pending.data(), pending.size());
/// if (count > 0)
///     session.sent(static_cast<std::size_t>(count));
/// if (progress == anwdl::progress::want_read)
///     taken += session.feed(anwdl::bytes_view(received + taken, size - taken));
/// @endcode
class session : public detail::object<anwdl_session_t, anwdl_session_free>,
                public detail::has_operations<session, anwdl_session_t>,
                public detail::has_peer<session, anwdl_session_t>,
                public detail::exchanges_keys<session, anwdl_session_t, true>,
                public detail::serves_requests<session, anwdl_session_t>,
                public detail::makes_requests<session, anwdl_session_t> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    explicit session(role side) : session(detail::take(try_make(side))) {
    }
    session(role side, const client_options &options)
        : session(detail::take(try_make(side, options))) {
    }

    /// Takes bytes that were received.
    ///
    /// @return How many were taken: no more than the operation under way can use now. Feed the rest
    ///   again later.
    ANWDL_DETAIL_NODISCARD std::size_t feed(const bytes_view &received) {
        return detail::take(try_feed(received));
    }

    /// Reports that `count` bytes were received into get_receive_buffer().
    void received(std::size_t count) {
        detail::take(try_received(count));
    }

    /// Reports that the peer has closed its side.
    void feed_end() {
        detail::take(try_feed_end());
    }

    /// The bytes to be sent, borrowed until the session changes.
    bytes_view get_pending() const {
        return detail::take(try_get_pending());
    }

    /// Reports that `count` of the pending bytes are on their way.
    void sent(std::size_t count) {
        detail::take(try_sent(count));
    }

    /// Tells the time, so that the timeouts of the options count.
    void set_time(std::chrono::steady_clock::time_point now) {
        detail::take(try_set_time(now));
    }

    /// Ends the session and wipes its keys.
    void end() {
        detail::take(try_end());
    }
#endif

    /// Takes ownership of what anwdl_session_new() made.
    static session adopt(anwdl_session_t *taken) noexcept {
        return session(taken);
    }

    /// As a server, takes the session as far as it goes, and says what has happened; `received` is
    /// set with event::request. Throws nothing. In the role of a client it is event::ended.
    ANWDL_DETAIL_NODISCARD event next_event(request &received) noexcept {
        return detail::next_event(received, &session::next_as_server, get());
    }

    /// As a client, the same; `received` is set with event::response.
    ANWDL_DETAIL_NODISCARD event next_event(response &received) noexcept {
        return detail::next_event(received, &session::next_as_client, get());
    }

    /// Memory to receive bytes into, in place of feed(), lent until the session changes. Empty
    /// unless it waits for bytes.
    receive_buffer get_receive_buffer() noexcept {
        std::size_t size = 0;
        std::uint8_t *lent = anwdl_session_get_receive_buffer(get(), &size);
        return receive_buffer(lent, size);
    }

    /// Which side of the connection it is.
    role get_role() const noexcept {
        return static_cast<role>(anwdl_session_get_role(get()));
    }

    ANWDL_DETAIL_NODISCARD static result<session> try_make(role side) {
        session made(nullptr);
        return detail::expect(detail::make(made, anwdl_session_new, static_cast<anwdl_role_t>(side),
                                           static_cast<const anwdl_client_options_t *>(nullptr)),
                              made);
    }
    ANWDL_DETAIL_NODISCARD static result<session> try_make(role side,
                                                           const client_options &options) {
        if (!options)
            return detail::fail<session>(detail::empty_argument());
        session made(nullptr);
        return detail::expect(
            detail::make(made, anwdl_session_new, static_cast<anwdl_role_t>(side), options.get()),
            made);
    }
    ANWDL_DETAIL_NODISCARD result<std::size_t> try_feed(const bytes_view &received) {
        std::size_t taken = 0;
        return detail::expect(anwdl_session_feed(get(), received.data(), received.size(), &taken),
                              taken);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_received(std::size_t count) {
        return detail::expect(anwdl_session_received(get(), count));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_feed_end() {
        return detail::expect(anwdl_session_feed_end(get()));
    }
    ANWDL_DETAIL_NODISCARD result<bytes_view> try_get_pending() const {
        const std::uint8_t *pending = nullptr;
        std::size_t size = 0;
        const anwdl_status_t status = anwdl_session_get_pending(get(), &pending, &size);
        bytes_view borrowed(pending, size);
        return detail::expect(status, borrowed);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_set_time(std::chrono::steady_clock::time_point now) {
        const std::chrono::milliseconds milliseconds =
            std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
        return detail::expect(
            anwdl_session_set_time(get(), static_cast<std::uint64_t>(milliseconds.count())));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_sent(std::size_t count) {
        return detail::expect(anwdl_session_sent(get(), count));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_end() {
        return detail::expect(anwdl_session_end(get()));
    }

  private:
    static anwdl_event_t next_as_server(anwdl_session_t *handle, anwdl_request_t **out_request) {
        return anwdl_session_next_event(handle, out_request, nullptr);
    }
    static anwdl_event_t next_as_client(anwdl_session_t *handle, anwdl_response_t **out_response) {
        return anwdl_session_next_event(handle, nullptr, out_response);
    }
    explicit session(anwdl_session_t *taken) noexcept : object(taken) {
    }
};

// -------------------------------------------------------------------------------------------------
// The connecting side: the Python ClientInterface
// -------------------------------------------------------------------------------------------------

/// A client of a server.
///
/// @code
/// anwdl::client_interface server;
/// server.connect_server("198.51.100.7", 6150); // exchanges the keys, too
/// server.send_request("STAT");
/// std::cout << server.recv_response().get_data_json() << '\n';
/// @endcode
class client_interface
    : public detail::object<anwdl_client_interface_t, anwdl_client_interface_free>,
      public detail::has_operations<client_interface, anwdl_client_interface_t>,
      public detail::has_descriptor<client_interface, anwdl_client_interface_t>,
      public detail::exchanges_keys<client_interface, anwdl_client_interface_t, false>,
      public detail::makes_requests<client_interface, anwdl_client_interface_t> {
  public:
#if !defined(ANWDL_NO_EXCEPTIONS)
    client_interface() : client_interface(detail::take(try_make())) {
    }
    explicit client_interface(const client_options &options)
        : client_interface(detail::take(try_make(options))) {
    }

    /// Connects to a server, given by name or address, and exchanges the keys unless the options
    /// say otherwise or the client is non-blocking.
    void connect_server(const text &host, std::uint16_t port) {
        detail::take(try_connect_server(host, port));
    }
    ANWDL_DETAIL_NODISCARD progress poll_connect_server(const text &host, std::uint16_t port) {
        return detail::advance(anwdl_client_interface_connect_server(get(), host.c_str(), port));
    }

    /// Takes a socket that is connected to a server, and exchanges the keys in the same way. The
    /// descriptor then belongs to the client; if this throws, it still belongs to the caller.
    void attach(int descriptor) {
        detail::take(try_attach(descriptor));
    }

    /// The fingerprint of the server's public key.
    string get_server_fingerprint() const {
        return detail::take(try_get_server_fingerprint());
    }
#endif

    /// Takes ownership of what anwdl_client_interface_new() made.
    static client_interface adopt(anwdl_client_interface_t *taken) noexcept {
        return client_interface(taken);
    }

    /// Takes the interface as far as it goes, and says what has happened; `received` is set with
    /// event::response. Throws nothing.
    ANWDL_DETAIL_NODISCARD event next_event(response &received) noexcept {
        return detail::next_event(received, anwdl_client_interface_next_event, get());
    }

    ANWDL_DETAIL_NODISCARD static result<client_interface> try_make() {
        client_interface made(static_cast<anwdl_client_interface_t *>(nullptr));
        return detail::expect(detail::make(made, anwdl_client_interface_new,
                                           static_cast<const anwdl_client_options_t *>(nullptr)),
                              made);
    }
    ANWDL_DETAIL_NODISCARD static result<client_interface> try_make(const client_options &options) {
        if (!options)
            return detail::fail<client_interface>(detail::empty_argument());
        client_interface made(static_cast<anwdl_client_interface_t *>(nullptr));
        return detail::expect(detail::make(made, anwdl_client_interface_new, options.get()), made);
    }
    ANWDL_DETAIL_NODISCARD result<void> try_connect_server(const text &host, std::uint16_t port) {
        return detail::expect(anwdl_client_interface_connect_server(get(), host.c_str(), port));
    }
    ANWDL_DETAIL_NODISCARD result<void> try_attach(int descriptor) {
        return detail::expect(anwdl_client_interface_attach(get(), descriptor));
    }
    ANWDL_DETAIL_NODISCARD result<string> try_get_server_fingerprint() const {
        string hex;
        return detail::expect(
            detail::make(hex, anwdl_client_interface_get_server_fingerprint, get()), hex);
    }

  private:
    explicit client_interface(anwdl_client_interface_t *taken) noexcept : object(taken) {
    }
};

// -------------------------------------------------------------------------------------------------
// Coroutines
// -------------------------------------------------------------------------------------------------

#if defined(__cpp_impl_coroutine) && defined(__cpp_concepts)

/// How a program waits, for next_event() in a coroutine. Each function returns something that the
/// program's coroutines can await; what that gives is ignored, and what it throws ends
/// next_event().
///
/// - wait_readable(handle, time_left) waits until the descriptor of a client is readable; for a
///   session, it receives bytes and feeds them. `time_left`, in milliseconds, is how long it may
///   take, -1 for ever: it is no failure if that passes.
/// - wait_writable(handle, time_left) waits until the descriptor is writable; for a session, it
/// sends
///   pending bytes and reports them.
/// - compute(handle) has handle.compute() called, on any thread, and waits until it has returned.
/// It
///   is needed with set_separate_computation() alone.
template <class Waiter, class Handle>
concept event_waiter = requires(Waiter &waiter, Handle &handle, int time_left) {
    waiter.wait_readable(handle, time_left);
    waiter.wait_writable(handle, time_left);
    waiter.compute(handle);
};

/// handle.next_event(), for coroutines of any library: it waits as `waiter` does, and so never
/// gives event::want_read, event::want_write or event::want_computation. A session is told the
/// time.
///
/// Task is the library's type of coroutines, Task<event> one that gives an event; `waiter` returns
/// what such a coroutine can await:
///
/// @code
/// task<void> serve(anwdl::client &client, poller poller)
/// {
///     for (;;) {
///         anwdl::request request;
///         switch (co_await anwdl::next_event<task>(client, request, poller)) {
///         case anwdl::event::request:
///         case anwdl::event::malformed_request: // the request is empty
///             answer(client, request);
///             break;
///         case anwdl::event::exchanged:
///         case anwdl::event::response_sent:
///             break;
///         default:
///             co_return;
///         }
///     }
/// }
/// @endcode
///
/// @param handle A client or a client interface, both non-blocking, or a session. It must outlive
///   the coroutine, as what `received` and `why` refer to must.
/// @param received Is set with event::request or event::response.
/// @param waiter Is copied into the coroutine.
/// @param why Is set with event::ended, unless it is nullptr: the reason, on whatever thread the
///   coroutine goes on.
template <template <class...> class Task, class Handle, class Received, event_waiter<Handle> Waiter>
Task<event> next_event(Handle &handle, Received &received, Waiter waiter, error *why = nullptr) {
    for (;;) {
        if constexpr (std::is_same_v<Handle, session>)
            (void)handle.try_set_time(std::chrono::steady_clock::now());
        const event happened = handle.next_event(received);
        switch (happened) {
        case event::want_read:
            co_await waiter.wait_readable(handle, handle.get_time_left());
            break;
        case event::want_write:
            co_await waiter.wait_writable(handle, handle.get_time_left());
            break;
        case event::want_computation:
            co_await waiter.compute(handle);
            break;
        default:
            if (happened == event::ended && why != nullptr)
                *why = error::last();
            co_return happened;
        }
    }
}

#endif

// -------------------------------------------------------------------------------------------------
// Log messages
// -------------------------------------------------------------------------------------------------

/// Takes a log message: its level, the ID of the client that it is about ("" if there is none), and
/// the text. Both are valid during the call.
using log_function =
    std::function<void(log_level level, const char *client_id, const char *message)>;

/// Takes a log message, as a log_function does, and what set_user_data() stored in the object that
/// it is about; nullptr if it is about none, or nothing was stored.
using log_handler =
    std::function<void(log_level level, void *owner, const char *client_id, const char *message)>;

namespace detail {

using process_wide::log_state;

inline void run_log_handler(anwdl_log_level_t level, void *owner, const char *client_id,
                            const char *message, void *function) noexcept {
    const log_handler &handler = *static_cast<const log_handler *>(function);
    log_state::is_running() = true;
#if defined(ANWDL_NO_EXCEPTIONS)
    handler(static_cast<log_level>(level), owner, client_id, message);
#else
    try {
        handler(static_cast<log_level>(level), owner, client_id, message);
    } catch (...) {
        log_state &state = log_state::get();
        const std::lock_guard<std::mutex> lock(state.mutex);
        if (state.exception == nullptr)
            state.exception = std::current_exception();
    }
#endif
    log_state::is_running() = false;
}

} // namespace detail

/// Sets the function that takes the log messages of the whole process, in place of an earlier one:
/// any callable. An empty one logs nothing. See anwdl_set_log_handler().
///
/// When this returns, no call of an earlier function is running, and it is destroyed; called from
/// within the function itself, that happens later. (Shared libraries that are built with
/// -fvisibility=hidden know nothing of each other's functions: set it in one of them.) The function
/// runs on any thread, and on several at once, and must not use the object whose call is running.
///
/// An exception that leaves the function is caught, as it must not pass through C, and the call of
/// the library continues. The first one is stored for take_log_exception().
ANWDL_DETAIL_NODISCARD inline result<void> try_set_log_handler(log_level least_level,
                                                               log_handler function) {
    detail::log_state &state = detail::log_state::get();
    std::forward_list<std::shared_ptr<void>> fresh;
    std::forward_list<std::shared_ptr<void>> earlier;
    if (function)
        fresh.push_front(std::make_shared<log_handler>(std::move(function)));
    {
        const std::lock_guard<std::mutex> lock(state.mutex);
        earlier.swap(state.functions);
    }
    /* No lock is held here: a log function that is waited for may come by. */
    const anwdl_status_t status =
        anwdl_set_log_handler(static_cast<anwdl_log_level_t>(least_level),
                              fresh.empty() ? nullptr : &detail::run_log_handler,
                              fresh.empty() ? nullptr : fresh.front().get());
    {
        const std::lock_guard<std::mutex> lock(state.mutex);
        if (status == ANWDL_OK)
            state.functions.splice_after(state.functions.before_begin(), fresh);
        if (status != ANWDL_OK || detail::log_state::is_running())
            state.functions.splice_after(state.functions.before_begin(), earlier);
    }
    return detail::expect(status);
}

/// As try_set_log_handler(), for a function that needs no owner; see anwdl_set_log_callback().
/// There is one function for the whole process: each of the two calls replaces the other's.
ANWDL_DETAIL_NODISCARD inline result<void> try_set_log_callback(log_level least_level,
                                                                log_function function) {
    log_handler handler;
    if (function)
        handler = [function](log_level level, void *, const char *client_id, const char *message) {
            function(level, client_id, message);
        };
    return try_set_log_handler(least_level, std::move(handler));
}

/// Clears the error details of this thread. Exceptions have their own.
inline void clear_last_error() noexcept {
    anwdl_last_error_clear();
}

#if !defined(ANWDL_NO_EXCEPTIONS)

inline void set_log_handler(log_level least_level, log_handler function) {
    detail::take(try_set_log_handler(least_level, std::move(function)));
}
inline void set_log_callback(log_level least_level, log_function function) {
    detail::take(try_set_log_callback(least_level, std::move(function)));
}

/// The first exception that left the log function since this was last called, on whatever thread,
/// for std::rethrow_exception(); nullptr if there was none.
inline std::exception_ptr take_log_exception() {
    detail::log_state &state = detail::log_state::get();
    const std::lock_guard<std::mutex> lock(state.mutex);
    std::exception_ptr taken;
    std::swap(taken, state.exception);
    return taken;
}

#endif

} // namespace ANWDL_DETAIL_STANDARD
} // namespace anwdl

#undef ANWDL_DETAIL_NODISCARD

#endif
