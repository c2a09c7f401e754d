/**
 * @file anwdl_asio.hpp
 *
 * Sessions of libanwdl on standalone Asio: C++14 and up, header only, over anwdl.hpp. Tested with
 * Asio 1.22, of which it uses the parallel groups that are still called experimental.
 *
 * A server for one connection, as a coroutine (C++20), with the private key operations on a pool:
 *
 * @code{.cpp}
 * #include <cstring>
 *
 * #include <asio.hpp>
 *
 * #include <anwdl_asio.hpp>
 *
 * asio::awaitable<void> serve(asio::ip::tcp::socket socket, const anwdl::client_options &options,
 *                             asio::thread_pool &pool)
 * {
 *     anwdl::connection<asio::ip::tcp::socket> connection(
 *         std::move(socket), anwdl::session(anwdl::role::server, options), pool.get_executor());
 *     anwdl::session &session = connection.get_session();
 *     for (;;) {
 *         anwdl::request request;
 *         switch (co_await connection.async_next_event(request, asio::use_awaitable)) {
 *         case anwdl::event::request:
 *             if (std::strcmp(request.get_verb(), "STAT") == 0)
 *                 (void)session.poll_send_response(true, ANWDL_RESPONSE_MSG_OK,
 *                                                  "{\"uptime\": 60, \"version\": \"1.0.0\"}");
 *             else
 *                 (void)session.poll_send_response(false, ANWDL_RESPONSE_MSG_REFUSED_REQ);
 *             break;
 *         case anwdl::event::malformed_request:
 *             (void)session.poll_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ);
 *             break;
 *         case anwdl::event::exchanged:
 *         case anwdl::event::response_sent:
 *             break;
 *         default: // the session is over: connection.get_error() says why
 *             co_return;
 *         }
 *     }
 * }
 * @endcode
 *
 * The options need set_separate_computation(true) for the pool, and set_timeout().
 *
 * Define ASIO_STANDALONE before the first header of Asio, unless your version does it by itself.
 */

#ifndef ANWDL_ASIO_HPP
#define ANWDL_ASIO_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <type_traits>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/experimental/parallel_group.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include "anwdl.hpp"

namespace anwdl {
inline namespace ANWDL_DETAIL_STANDARD {

template <class Stream> class connection;

namespace detail {

/// An option of a TCP socket that is switched on.
template <int Name> struct tcp_switch {
    int on = 1;

    template <class Protocol> int level(const Protocol &) const noexcept {
        return IPPROTO_TCP;
    }
    template <class Protocol> int name(const Protocol &) const noexcept {
        return Name;
    }
    template <class Protocol> const void *data(const Protocol &) const noexcept {
        return &on;
    }
    template <class Protocol> std::size_t size(const Protocol &) const noexcept {
        return sizeof on;
    }
};

/// Where there is no TCP below a stream, this does nothing.
template <class Option, class Stream>
auto switch_on(Stream &stream, int)
    -> decltype(stream.lowest_layer().set_option(Option(), std::declval<std::error_code &>()),
                void()) {
    std::error_code ignored;
    stream.lowest_layer().set_option(Option(), ignored);
}
template <class Option, class Stream> void switch_on(Stream &, long) {
}

/// Whether a stream writes through another one, as asio::ssl::stream does. If such a write is
/// cancelled, nobody knows what has gone out.
template <class Stream>
constexpr auto is_layered(int)
    -> decltype(static_cast<typename Stream::next_layer_type *>(nullptr), true) {
    return true;
}
template <class Stream> constexpr bool is_layered(long) {
    return false;
}

/// Whether a stream of TLS holds bytes that its reader has not got yet, be it a part of a record:
/// of that, SSL_has_pending() does not count the header. asio/ssl.hpp declares OpenSSL's functions.
template <class Stream>
auto holds_bytes(Stream &stream, int)
    -> decltype(SSL_has_pending(stream.native_handle()),
                BIO_ctrl_pending(SSL_get_rbio(stream.native_handle())),
                SSL_rstate_string(stream.native_handle()), true) {
    const auto tls = stream.native_handle();
    return SSL_has_pending(tls) != 0 || BIO_ctrl_pending(SSL_get_rbio(tls)) > 0 ||
           std::strcmp(SSL_rstate_string(tls), "RH") != 0;
}
template <class Stream> bool holds_bytes(Stream &, long) {
    return false;
}

template <class Self> bool is_cancelled(Self &self) {
    return self.get_cancellation_state().cancelled() != asio::cancellation_type::none;
}

/// What async_wait() does. It never ends before what it has begun: a computation, too, is waited
/// for, as the session must not end meanwhile.
template <class Stream> class wait_operation {
  public:
    wait_operation(connection<Stream> &owner, event what) : owner_(owner), what_(what) {
    }

    /// To begin, and where there is nothing to report.
    template <class Self> void operator()(Self &self) {
        if (has_begun_)
            return complete(self, std::error_code());
        has_begun_ = true;
        self.reset_cancellation_state(asio::enable_total_cancellation());
        if (what_ == event::want_read && owner_.is_drainable())
            owner_.look(std::move(self));
        else if (what_ == event::want_read)
            begin(self, owner_.receiver());
        else if (what_ == event::want_write) {
            if (is_layered<typename connection<Stream>::next_layer_type>(0))
                self.reset_cancellation_state(asio::enable_total_cancellation(),
                                              asio::disable_cancellation());
            begin(self, owner_.sender());
        } else if (what_ == event::want_computation)
            owner_.compute(std::move(self));
        else
            asio::post(asio::get_associated_executor(self), std::move(self));
    }

    /// The bytes have been moved. Or the timer has ended it: the time is over, which the session
    /// notices at its next event, or the connection drains.
    template <class Self>
    void operator()(Self &self, const std::array<std::size_t, 2> &order,
                    const std::error_code &failure, std::size_t count, const std::error_code &) {
        if (failure != asio::error::operation_aborted)
            finish(self, failure, count);
        else
            complete(self, order[0] == 0 ? failure : std::error_code());
    }

    /// It has looked what there is.
    template <class Self>
    void operator()(Self &self, const std::error_code &failure, std::size_t count) {
        if (failure != asio::error::operation_aborted)
            return finish(self, failure, count);
        owner_.has_found_nothing();
        complete(self, std::error_code());
    }

  private:
    template <class Self, class Operation> void begin(Self &self, Operation operation) {
        owner_.start_timer(what_);
        asio::experimental::make_parallel_group(std::move(operation), owner_.timeout())
            .async_wait(asio::experimental::wait_for_one(), std::move(self));
    }

    template <class Self>
    void finish(Self &self, const std::error_code &failure, std::size_t count) {
        if (what_ == event::want_read)
            owner_.has_received(failure, count);
        else
            owner_.has_sent(failure, count);
        complete(self, std::error_code());
    }

    template <class Self> void complete(Self &self, std::error_code failure) {
        if (is_cancelled(self))
            failure = asio::error::operation_aborted;
        self.complete(failure);
    }

    connection<Stream> &owner_;
    event what_;
    bool has_begun_ = false;
};

/// What async_next_event() does.
template <class Stream, class Received> class event_operation {
  public:
    event_operation(connection<Stream> &owner, Received &received)
        : owner_(owner), received_(received) {
    }

    template <class Self> void operator()(Self &self, const std::error_code &failure = {}) {
        if (failure)
            return self.complete(failure, happened_);
        if (!has_begun_) {
            // Nobody is called back from within the call that begins.
            has_begun_ = true;
            self.reset_cancellation_state(asio::enable_total_cancellation());
            return asio::post(asio::get_associated_executor(self), std::move(self));
        }
        // Before an event is taken: who cancelled it would never see it.
        if (is_cancelled(self))
            return self.complete(asio::error::operation_aborted, happened_);
        happened_ = owner_.next_event(received_);
        if (owner_.can_wait_for(happened_))
            owner_.async_wait(happened_, std::move(self));
        else
            self.complete(std::error_code(), happened_);
    }

  private:
    connection<Stream> &owner_;
    Received &received_;
    event happened_ = event::ended;
    bool has_begun_ = false;
};

} // namespace detail

/// A session on a stream of Asio: asio::ip::tcp::socket, asio::ssl::stream or another that has
/// async_read_some() and async_write_some(). Stream may be a reference, to one that lives longer.
///
/// It receives up to 4096 bytes at once, and nothing before the session asks for it, so that a peer
/// that sends too much has to wait. On TCP it sets TCP_NODELAY, and TCP_QUICKACK during the key
/// exchange.
///
/// Everything is called, and completes, on the executor of the stream, or the one that is
/// associated with the handler: with several threads, a strand. One operation at a time; the
/// connection must not end before it has completed.
///
/// Operations can be cancelled through their cancellation slot, by any type of cancellation, and by
/// closing the stream. Then they complete with asio::error::operation_aborted, and the session is
/// as good as before: nothing is lost, and the next operation continues. Two things cannot be
/// interrupted, and the operation completes after them: a computation, and a write on a layered
/// stream such as asio::ssl::stream, which would leave half a record.
///
/// The executor for computations must end before that of the stream: declare an asio::thread_pool
/// after the asio::io_context.
template <class Stream> class connection {
  public:
    using next_layer_type = typename std::remove_reference<Stream>::type;
    using executor_type = typename next_layer_type::executor_type;
    using default_token = typename asio::default_completion_token<executor_type>::type;
    using clock = asio::steady_timer::clock_type;

    /// @param stream The stream, connected.
    /// @param side The session, of either role, at its very beginning.
    /// @param computations Where to compute, such as the executor of an asio::thread_pool. Without
    ///   one, async_next_event() completes with event::want_computation, and the program has
    ///   get_session().compute() called on any thread. Only with set_separate_computation(true).
    connection(Stream stream, session side, asio::any_io_executor computations = {})
        : stream_(std::forward<Stream>(stream)), session_(std::move(side)),
          timer_(stream_.get_executor()), computations_(std::move(computations)) {
        detail::switch_on<detail::tcp_switch<TCP_NODELAY>>(stream_, 0);
    }

    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    executor_type get_executor() noexcept {
        return stream_.get_executor();
    }

    /// The stream; close it to end the operation under way.
    next_layer_type &next_layer() noexcept {
        return stream_;
    }

    /// The session: to send responses and requests. What a poll_ function of it leaves undone, the
    /// next event continues. Use it while no operation is under way.
    session &get_session() noexcept {
        return session_;
    }
    const session &get_session() const noexcept {
        return session_;
    }

    /// Whether bytes have come that the session has not taken yet. While it waits for a request,
    /// the next one has begun.
    bool has_input() const noexcept {
        return fed_ < received_;
    }

    /// Whether no request is under way, as far as the bytes show that were read: more may wait in
    /// the stream, which drain() looks at.
    bool is_idle() const noexcept {
        return session_.is_idle() && !has_input();
    }

    /// For a server that stops: waits for no further request. One that has begun, or waits in the
    /// stream, is still delivered, and its response sent: inside asio::ssl::stream, it begins with
    /// the first byte of a TLS record; in another layered stream, with what that delivers. As soon
    /// as there is none, or the limit is over, which is there for peers who always ask one more,
    /// the next event is event::ended, also for an operation that waits already, and get_error()
    /// has no failure. Key exchanges end, too, but a computation is waited for, and so is a write
    /// that has begun, up to its own timeout.
    ///
    /// Call it on the executor, at any time: while an operation is under way, in a handler, before
    /// the first operation, again. It does nothing in the role of a client, which does not wait for
    /// requests.
    void drain(std::chrono::milliseconds limit) {
        if (session_.get_role() == role::client)
            return;
        is_draining_ = true;
        drain_end_ = get_end(limit);
        if (is_reading_)
            timer_.cancel(); // which ends the read, without a loss
    }

    /// Why the session ended, after event::ended. Its status is ANWDL_OK after drain().
    const error &get_error() const noexcept {
        return error_;
    }

    /// Takes the session as far as it goes without waiting, and says what has happened, or what it
    /// needs; `received` is set with event::request or event::response. For programs that do more
    /// than wait between two events; others use async_next_event().
    template <class Received> event next_event(Received &received) {
        for (;;) {
            if (error_.status() != ANWDL_OK || has_drained())
                return event::ended;
            (void)session_.try_set_time(clock::now());
            const event happened = session_.next_event(received);
            if (happened == event::want_read && has_input()) {
                feed();
                continue;
            }
            if (happened == event::ended)
                error_ = error::last();
            has_exchanged_ = has_exchanged_ || happened == event::exchanged;
            if (happened == event::exchanged || (happened == event::want_read && !has_exchanged_))
                acknowledge();
            return happened;
        }
    }

    /// Does once what next_event() asked for, for no longer than the session's timeout allows. Then
    /// call next_event() again, which reports failures.
    ///
    /// @param what event::want_read: receives some bytes. event::want_write: sends some.
    ///   event::want_computation: computes, which needs the executor. With others it does nothing.
    /// @param token Is told void(std::error_code): asio::error::operation_aborted or none.
    template <class Token = default_token> auto async_wait(event what, Token &&token = Token()) {
        return asio::async_compose<Token, void(std::error_code)>(
            detail::wait_operation<Stream>(*this, what), token, stream_);
    }

    /// Waits until something happens, and so never completes with event::want_read or
    /// event::want_write.
    ///
    /// @param received Is set with event::request or event::response; it must live until then.
    /// @param token Is told void(std::error_code, event). The only error is
    ///   asio::error::operation_aborted: whatever else ends the session is event::ended, and
    ///   get_error() says why.
    template <class Received, class Token = default_token>
    auto async_next_event(Received &received, Token &&token = Token()) {
        return asio::async_compose<Token, void(std::error_code, event)>(
            detail::event_operation<Stream, Received>(*this, received), token, stream_);
    }

  private:
    friend class detail::wait_operation<Stream>;
    template <class, class> friend class detail::event_operation;

    /// As far away as the clock can tell, if the limit is longer.
    static clock::time_point get_end(std::chrono::milliseconds limit) {
        const clock::time_point now = clock::now();
        const auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(
            (clock::time_point::max)() - (std::max)(now, clock::time_point()));
        return limit > longest ? (clock::time_point::max)()
                               : now + (std::max)(limit, std::chrono::milliseconds(0));
    }

    bool can_wait_for(event what) const noexcept {
        return what == event::want_read || what == event::want_write ||
               (what == event::want_computation && computations_);
    }

    /// The session takes what it can use now; the rest stays for later.
    void feed() {
        const result<std::size_t> taken =
            session_.try_feed(bytes_view(input_.data() + fed_, received_ - fed_));
        if (taken)
            fed_ += *taken;
        else
            error_ = taken.error();
    }

    /// Older clients write small pieces one by one, and the next waits for the acknowledgement of
    /// the last. The option does not last.
    void acknowledge() {
#if defined(TCP_QUICKACK)
        detail::switch_on<detail::tcp_switch<TCP_QUICKACK>>(stream_, 0);
#endif
    }

    // For the operations. Each of these functions is one, for a token.

    auto receiver() {
        return [this](auto token) {
            return stream_.async_read_some(asio::buffer(input_), std::move(token));
        };
    }
    /// The pending bytes stay where they are until the session is used again.
    auto sender() {
        return [this](auto token) {
            const result<bytes_view> pending = session_.try_get_pending();
            const bytes_view bytes = pending ? *pending : bytes_view();
            return stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                            std::move(token));
        };
    }
    auto timeout() {
        return [this](auto token) { return timer_.async_wait(std::move(token)); };
    }

    /// Limits what begins.
    void start_timer(event what) {
        is_reading_ = what == event::want_read;
        const int left = session_.get_time_left();
        const clock::time_point end =
            left < 0 ? clock::time_point::max() : clock::now() + std::chrono::milliseconds(left);
        timer_.expires_at(is_draining_ ? (std::min)(end, drain_end_) : end);
    }

    /// Whether to wait for nothing more.
    bool is_drainable() {
        return is_draining_ && is_idle() && !detail::holds_bytes(stream_, 0);
    }
    /// Receives what has come, and does not wait for more.
    template <class Self> void look(Self self) {
        receiver()(asio::bind_cancellation_slot(look_.slot(), std::move(self)));
        look_.emit(asio::cancellation_type::all);
    }
    void has_found_nothing() {
        looks_ = detail::holds_bytes(stream_, 0) ? 0 : looks_ + 1;
    }
    bool has_drained() const noexcept {
        return is_draining_ && (looks_ == enough_looks || clock::now() >= drain_end_);
    }

    void has_received(const std::error_code &failure, std::size_t count) {
        looks_ = 0;
        fed_ = 0;
        received_ = count;
        if (failure == asio::error::eof)
            (void)session_.try_feed_end();
        else if (failure)
            fail(failure);
    }
    void has_sent(const std::error_code &failure, std::size_t count) {
        (void)session_.try_sent(count);
        if (failure)
            fail(failure);
    }
    void fail(const std::error_code &failure) {
        error_ =
            error(ANWDL_RUNTIME_ERROR, ANWDL_REASON_IO_FAILED, failure.message(), failure.value());
    }

    /// Lends the session to the other executor, and calls `self` on its own.
    template <class Self> void compute(Self self) {
        const auto home = asio::get_associated_executor(self);
        asio::post(computations_, [this, home, self = std::move(self)]() mutable {
            (void)session_.try_compute(); // the next event reports how it went
            asio::post(home, std::move(self));
        });
    }

    Stream stream_;
    session session_;
    asio::steady_timer timer_;
    asio::any_io_executor computations_;
    error error_{};
    std::array<std::uint8_t, 4096> input_{};
    std::size_t received_ = 0; ///< bytes in input_
    std::size_t fed_ = 0;      ///< those of them that the session has taken
    bool has_exchanged_ = false;
    bool is_draining_ = false;
    clock::time_point drain_end_{};
    bool is_reading_ = false; ///< or has last: nobody ends a write, or waits with the timer
    /// What the first takes from the socket may stay in a layered stream, for the second.
    static constexpr int enough_looks = detail::is_layered<next_layer_type>(0) ? 2 : 1;
    asio::cancellation_signal look_{};
    int looks_ = 0;
};

} // namespace ANWDL_DETAIL_STANDARD
} // namespace anwdl

#endif
