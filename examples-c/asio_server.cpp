// A server on standalone Asio, in C++17: one thread moves the bytes, sessions without a descriptor
// make sense of them, and a thread pool does the private key operation of each key exchange. Who
// gets a place, and whose operation comes next, is said by admission.h.
#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include "admission.h"
#include "answers.h"
#include "server_options.h"

#include <anwdl.hpp>

#include <asio.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using clock = asio::steady_timer::clock_type;

/// One line for the log: with the reason, if it was the library that failed.
std::string describe(const std::exception &error) {
    const auto *failure = dynamic_cast<const anwdl::failure *>(&error);
    return (failure != nullptr ? std::string(failure->reason_name()) + ": " : "") + error.what();
}

class connection;

/// What all connections share.
struct server_state {
    server_options_t options;
    anwdl::client_options client_options;
    admission_t *admission;
    asio::any_io_executor pool; ///< where they compute
    bool is_stopping;
    std::unordered_set<connection *> connections; ///< each from its beginning to its end
};

/// A client. Whatever is under way for it (a read, a write, a wait, a computation) shares the
/// ownership, so that it ends with the last of them.
///
/// Its members are used on the thread of the loop only; the session is lent to a thread of the pool
/// while it computes.
class connection : public std::enable_shared_from_this<connection> {
  public:
    connection(server_state &server, std::uint64_t number, tcp::socket socket)
        : server_(server), number_(number), socket_(std::move(socket)),
          deadline_(socket_.get_executor()), session_(anwdl::session::adopt(nullptr)) {
        place_.owner = this;
        server_.connections.insert(this);
    }

    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    ~connection() {
        admission_leave(server_.admission, &place_);
        server_.connections.erase(this);
    }

    void start() {
        attempt([this] {
            const tcp::endpoint peer = socket_.remote_endpoint();
            const char *why = admission_enter(server_.admission, &place_, peer.data());
            if (why != nullptr)
                return refuse(why);
            session_ = anwdl::session(anwdl::role::server, server_.client_options);
            print_connected(number_, peer.address().to_string().c_str());
            socket_.set_option(tcp::no_delay(true));
            if (!limit_unsent(socket_.native_handle()))
                return close("no way to limit what is queued for it");
            begin(phase::exchanging_keys);
            advance();
        });
    }

    /// Ends the connection; what is under way for it ends soon after.
    void close(const std::string &why) {
        if (is_closed_)
            return;
        is_closed_ = true;
        print_closed(number_, why.c_str());
        deadline_.cancel();
        std::error_code ignored; // the descriptor is closed in any case
        socket_.close(ignored);
    }

    /// Ends it, unless it is at a request or its response; that has some time.
    void drain() {
        if (phase_ != phase::answering)
            return close("the server stops");
        wait_until(std::min(deadline_.expiry(), clock::now() + get_drain_timeout()));
    }

    /// Starts the computations that may run now.
    static void start_computations(server_state &server) {
        const char *why_not = nullptr;
        while (place_t *place = admission_take(server.admission, get_time(), &why_not)) {
            const auto self = static_cast<connection *>(place->owner)->shared_from_this();
            if (why_not != nullptr || self->is_closed_) {
                admission_end_computation(server.admission, place);
                self->queued_.reset();
                if (why_not != nullptr)
                    self->close(why_not);
            } else {
                self->compute();
            }
        }
    }

  private:
    enum class phase {
        exchanging_keys,
        waiting,   ///< for a request of which nothing has come yet
        answering, ///< a request, from its first byte to the last one of the response
    };

    /// Does what may fail; a failure ends this connection, and no other.
    template <class Action> void attempt(Action action) {
        if (is_closed_)
            return;
        try {
            action();
        } catch (const std::exception &error) {
            close(describe(error));
        }
    }

    void begin(phase next) {
        phase_ = next;
        admission_wait(server_.admission, &place_);
    }

    /// The session says how long the operation under way may take.
    void start_deadline() {
        const int left = session_.get_time_left();
        const milliseconds timeout = left < 0 ? milliseconds::max() : milliseconds(left);
        if (server_.is_stopping)
            wait_until(clock::now() + std::min(timeout, get_drain_timeout()));
        else if (left < 0)
            deadline_.expires_at(clock::time_point::max());
        else
            wait_until(clock::now() + timeout);
    }

    milliseconds get_drain_timeout() const {
        return milliseconds(server_.options.drain_timeout);
    }

    void wait_until(clock::time_point end) {
        deadline_.expires_at(end);
        deadline_.async_wait([self = shared_from_this()](const std::error_code &error) {
            // One that was put off after it had passed is no longer meant.
            if (error || self->deadline_.expiry() > clock::now())
                return;
            const bool is_idle = self->phase_ == phase::waiting;
            self->close(self->server_.is_stopping ? "the server stops"
                        : is_idle                 ? "idle for too long"
                                                  : "TIMEOUT: too slow");
        });
    }

    void refuse(const char *why) {
        is_closed_ = true;
        print_refused(number_, why);
        std::error_code ignored; // the descriptor is closed in any case
        socket_.close(ignored);
    }

    /// Goes on as far as it can without waiting.
    void advance() {
        session_.set_time(clock::now());
        while (!is_closed_) {
            if (server_.is_stopping && phase_ == phase::waiting)
                return close("the server stops");
            switch (session_.next_event(request_)) {
            case anwdl::event::want_read:
                if (fed_ < received_) {
                    feed();
                    break;
                }
                if (phase_ == phase::exchanging_keys)
                    acknowledge();
                start_deadline();
                return read();
            case anwdl::event::want_write:
                start_deadline();
                return write();
            case anwdl::event::want_computation:
                start_deadline();
                return queue_computation();
            case anwdl::event::exchanged:
                acknowledge();
                admission_end_exchange(server_.admission, &place_);
                print_keys_exchanged(number_);
                begin(phase::waiting);
                break;
            case anwdl::event::request:
                send(make_answer(request_.get()));
                break;
            case anwdl::event::malformed_request:
                print_malformed_request(number_, get_framing(), session_.get_request_errors());
                send(make_answer_to_malformed_request());
                break;
            case anwdl::event::response_sent:
                if (request_)
                    print_request(number_, get_framing(), request_.get_verb());
                request_ = anwdl::request();
                begin(phase::waiting);
                break;
            default:
                close(std::string(anwdl_error_reason_name(anwdl_last_error_reason())) + ": " +
                      anwdl_last_error_message());
            }
        }
    }

    /// Begins to send; the rest is left to the next events.
    void send(const answer_t &answer) {
        const anwdl::data data = anwdl::data::adopt(answer.data);
        (void)session_.poll_send_response(answer.success, answer.message, data, answer.reason);
        begin(phase::answering);
    }

    /// Older clients write small pieces one by one, and the next waits for the acknowledgement of
    /// the last. The option does not last.
    void acknowledge() {
#ifdef TCP_QUICKACK
        const int on = 1;
        setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#endif
    }

    anwdl_protocol_t get_framing() const {
        return static_cast<anwdl_protocol_t>(session_.get_protocol());
    }

    /// The session takes what it can use now; the rest stays for later.
    void feed() {
        if (phase_ == phase::waiting)
            begin(phase::answering);
        fed_ += session_.feed(anwdl::bytes_view(input_.data() + fed_, received_ - fed_));
    }

    /// Nothing more is read before the session asks for it: a peer that sends too much waits.
    void read() {
        socket_.async_read_some(
            asio::buffer(input_),
            [self = shared_from_this()](const std::error_code &error, std::size_t count) {
                self->attempt([&] {
                    self->fed_ = 0;
                    self->received_ = count;
                    if (error == asio::error::eof)
                        self->session_.feed_end();
                    else if (error)
                        throw std::system_error(error);
                    self->advance();
                });
            });
    }

    /// The pending bytes stay where they are until the session is used again, in the handler.
    void write() {
        const anwdl::bytes_view pending = session_.get_pending();
        asio::async_write(
            socket_, asio::buffer(pending.data(), pending.size()),
            [self = shared_from_this()](const std::error_code &error, std::size_t count) {
                self->attempt([&] {
                    if (error)
                        throw std::system_error(error);
                    self->session_.sent(count);
                    self->advance();
                });
            });
    }

    /// One that waits there shares the ownership, too.
    void queue_computation() {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline_.expiry() - clock::now());
        if (!admission_queue(server_.admission, &place_, get_time() + left.count()))
            return close("too many key exchanges");
        queued_ = shared_from_this();
        start_computations(server_);
    }

    /// On a thread of the pool, which hands its share of the ownership back to the loop; that does
    /// not end meanwhile.
    void compute() {
        auto loop = asio::make_work_guard(socket_.get_executor());
        asio::post(server_.pool,
                   [self = std::exchange(queued_, nullptr), loop = std::move(loop)]() mutable {
                       std::exception_ptr failure;
                       try {
                           self->session_.compute();
                       } catch (...) {
                           failure = std::current_exception();
                       }
                       asio::post(loop.get_executor(), [self = std::move(self), failure] {
                           admission_end_computation(self->server_.admission, &self->place_);
                           start_computations(self->server_);
                           self->attempt([&] {
                               if (failure)
                                   std::rethrow_exception(failure);
                               self->advance();
                           });
                       });
                   });
    }

    server_state &server_;
    place_t place_{};
    std::shared_ptr<connection> queued_; ///< itself, while it waits for its computation
    const std::uint64_t number_;
    tcp::socket socket_;
    asio::steady_timer deadline_;
    anwdl::session session_; ///< empty until it has a place
    phase phase_ = phase::exchanging_keys;
    anwdl::request request_; ///< empty where the answer is to a malformed one
    std::array<std::uint8_t, 4096> input_;
    std::size_t received_ = 0; ///< bytes in input_
    std::size_t fed_ = 0;      ///< those of them that the session has taken
    bool is_closed_ = false;
};

/// Accepts clients until a signal comes.
class server {
  public:
    /// The listener is taken over.
    server(asio::io_context &loop, server_state &state, int listener)
        : state_(state), acceptor_(loop, tcp::v4(), listener), patience_(loop),
          signals_(loop, SIGINT, SIGTERM) {
        signals_.async_wait([this](const std::error_code &error, int number) {
            if (!error)
                stop(number == SIGTERM);
        });
        accept();
    }

  private:
    void accept() {
        acceptor_.async_accept([this](const std::error_code &error, tcp::socket socket) {
            if (!acceptor_.is_open())
                return; // it stops, even if a client has just come
            if (error)
                return accept_later(error);
            serve(std::move(socket));
            accept();
        });
    }

    /// The system lacks descriptors or memory, and may have some again soon.
    void accept_later(const std::error_code &why) {
        std::cerr << "cannot accept: " << why.message() << '\n';
        patience_.expires_after(milliseconds(100));
        patience_.async_wait([this](const std::error_code &error) {
            if (!error && acceptor_.is_open())
                accept();
        });
    }

    void serve(tcp::socket socket) {
        const std::uint64_t number = ++last_number_;
        try {
            std::make_shared<connection>(state_, number, std::move(socket))->start();
        } catch (const std::exception &error) {
            print_closed(number, describe(error).c_str());
        }
    }

    void stop(bool drains) {
        acceptor_.close();
        patience_.cancel();
        state_.is_stopping = true;
        for (connection *each : state_.connections) {
            if (drains)
                each->drain();
            else
                each->close("the server stops");
        }
    }

    server_state &state_;
    tcp::acceptor acceptor_;
    asio::steady_timer patience_;
    asio::signal_set signals_;
    std::uint64_t last_number_ = 0; ///< of a client
};

void give_way(place_t *place) {
    static_cast<connection *>(place->owner)->close("gave way to another client");
}

int run(const server_options_t &options) {
    anwdl::client_options client_options =
        anwdl::client_options::adopt(make_client_options(&options));
    if (!client_options || !raise_descriptor_limit(&options))
        return EXIT_FAILURE;
    client_options.set_separate_computation(true);
    std::uint16_t port = options.port;
    const int listener = open_listener(&port);
    if (listener < 0)
        return EXIT_FAILURE;
    const std::unique_ptr<admission_t, decltype(&admission_free)> admission(
        admission_new(&options.limits, give_way), admission_free);
    if (admission == nullptr)
        throw std::bad_alloc();
    // In this order: the computations end before the loop does, and the connections with it.
    server_state state{options, std::move(client_options), admission.get(), {}, false, {}};
    asio::io_context loop(1);
    asio::thread_pool pool(options.limits.computations_at_once);
    state.pool = pool.get_executor();
    server server(loop, state, listener);
    start_uptime();
    print_listening(port);
    loop.run();
    print_event("stopped");
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char **argv) {
    try {
        server_options_t options;
        return parse_server_options(argc, argv, nullptr, &options) ? run(options) : EXIT_FAILURE;
    } catch (const std::exception &error) {
        std::cerr << argv[0] << ": " << describe(error) << '\n';
        return EXIT_FAILURE;
    }
}
