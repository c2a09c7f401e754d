// A server on standalone Asio, in C++20: one coroutine for each client, all on one thread, and a
// thread pool for the private key operation of each key exchange. Who gets a place, and whose
// operation comes next, is said by admission.h.
#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include "admission.h"
#include "answers.h"
#include "server_options.h"

#include <anwdl_asio.hpp>

#include <asio.hpp>

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

class visitor;

/// What all clients share.
struct server_state {
    server_options_t options;
    anwdl::client_options client_options;
    admission_t *admission;
    asio::any_io_executor pool; ///< where they compute
    asio::steady_timer end;     ///< of those that are still there when the server stops
    /// SIGINT and SIGTERM. Not a signal_set: without it, a signal ends the process at once.
    asio::posix::stream_descriptor signals;
    bool is_stopping = false;
    std::unordered_set<visitor *> visitors{}; ///< each from its beginning to its end
};

/// A client. It belongs to the coroutine serve(), which uses it on the thread of the loop only; the
/// session is lent to a thread of the pool while it computes.
class visitor {
  public:
    visitor(server_state &server, std::uint64_t number, tcp::socket socket)
        : server_(server), number_(number),
          connection_(std::move(socket), anwdl::session::adopt(nullptr), server.pool),
          turn_(connection_.get_executor(), clock::time_point::max()) {
        place_.owner = this;
        server_.visitors.insert(this);
        if (server_.is_stopping)
            drain();
    }

    visitor(const visitor &) = delete;
    visitor &operator=(const visitor &) = delete;

    ~visitor() {
        end_turn();
        admission_leave(server_.admission, &place_);
        server_.visitors.erase(this);
        if (server_.is_stopping && server_.visitors.empty()) {
            server_.end.cancel();
            server_.signals.cancel();
        }
    }

    /// Serves it until it is closed, here or by others.
    asio::awaitable<void> serve() {
        if (!enter())
            co_return;
        anwdl::session &session = connection_.get_session();
        anwdl::request request;
        begin(phase::exchanging_keys);
        while (!is_closed_) {
            const anwdl::event event = connection_.next_event(request);
            switch (event) {
            case anwdl::event::want_computation:
                co_await wait_for_turn();
                if (is_closed_)
                    break;
                [[fallthrough]];
            case anwdl::event::want_read:
            case anwdl::event::want_write:
                if (phase_ == phase::waiting && !connection_.is_idle())
                    begin(phase::answering); // a request has begun
                co_await connection_.async_wait(event, asio::use_awaitable);
                end_turn();
                break;
            case anwdl::event::exchanged:
                admission_end_exchange(server_.admission, &place_);
                print_keys_exchanged(number_);
                begin(phase::waiting);
                break;
            case anwdl::event::request:
                send(make_answer(request.get()));
                break;
            case anwdl::event::malformed_request:
                print_malformed_request(number_, get_framing(), session.get_request_errors());
                send(make_answer_to_malformed_request());
                break;
            case anwdl::event::response_sent:
                if (request)
                    print_request(number_, get_framing(), request.get_verb());
                request = anwdl::request();
                begin(phase::waiting);
                break;
            default:
                close(describe(connection_.get_error()));
            }
        }
    }

    /// Ends the connection; what is under way for it ends soon after.
    void close(const std::string &why) {
        if (!is_closed_)
            print_closed(number_, why.c_str());
        is_closed_ = true;
        std::error_code ignored; // the descriptor is closed in any case
        connection_.next_layer().close(ignored);
    }

    /// Ends it as soon as it is at no request or response.
    void drain() {
        connection_.drain(milliseconds(server_.options.drain_timeout));
    }

    /// Wakes those whose computation may run now.
    static void start_computations(server_state &server) {
        const char *why_not = nullptr;
        while (place_t *place = admission_take(server.admission, get_time(), &why_not)) {
            auto *self = static_cast<visitor *>(place->owner);
            self->has_turn_ = true;
            self->turn_.cancel();
            if (why_not != nullptr)
                self->close(why_not);
        }
    }

  private:
    enum class phase {
        exchanging_keys,
        waiting,   ///< for a request of which nothing has come yet
        answering, ///< a request, from its first byte to the last one of the response
    };

    /// Whether it gets a place. There is no session for one that does not.
    bool enter() {
        const tcp::endpoint peer = connection_.next_layer().remote_endpoint();
        const char *why = admission_enter(server_.admission, &place_, peer.data());
        if (why != nullptr) {
            print_refused(number_, why);
            return false;
        }
        connection_.get_session() = anwdl::session(anwdl::role::server, server_.client_options);
        print_connected(number_, peer.address().to_string().c_str());
        if (!limit_unsent(connection_.next_layer().native_handle()))
            close("no way to limit what is queued for it");
        return !is_closed_;
    }

    void begin(phase next) {
        phase_ = next;
        admission_wait(server_.admission, &place_);
    }

    /// Begins to send; the rest is left to the next events.
    void send(const answer_t &answer) {
        const anwdl::data data = anwdl::data::adopt(answer.data);
        (void)connection_.get_session().poll_send_response(answer.success, answer.message, data,
                                                           answer.reason);
        begin(phase::answering);
    }

    anwdl_protocol_t get_framing() const {
        return static_cast<anwdl_protocol_t>(connection_.get_session().get_protocol());
    }

    /// One line for the log. Between two requests, the timeout is that of idle clients.
    std::string describe(const anwdl::error &why) const {
        if (why.status() == ANWDL_OK)
            return "the server stops";
        if (why.reason() == ANWDL_REASON_TIMEOUT && phase_ == phase::waiting)
            return "idle for too long";
        return std::string(why.reason_name()) + ": " + why.message();
    }

    /// Waits until its computation may run. Whoever is closed meanwhile is not computed.
    asio::awaitable<void> wait_for_turn() {
        const int left = connection_.get_session().get_time_left();
        const std::int64_t deadline = left < 0 ? INT64_MAX : get_time() + left;
        if (!admission_queue(server_.admission, &place_, deadline)) {
            close("too many key exchanges");
            co_return;
        }
        start_computations(server_);
        std::error_code ignored; // that the timer was cancelled
        while (!has_turn_)
            co_await turn_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (is_closed_)
            end_turn();
    }

    void end_turn() {
        if (!std::exchange(has_turn_, false))
            return;
        admission_end_computation(server_.admission, &place_);
        start_computations(server_);
    }

    server_state &server_;
    place_t place_{};
    const std::uint64_t number_;
    anwdl::connection<tcp::socket> connection_; ///< its session is empty until it has a place
    asio::steady_timer turn_;                   ///< never expires: it is cancelled
    bool has_turn_ = false;
    phase phase_ = phase::exchanging_keys;
    bool is_closed_ = false;
};

/// Whatever fails ends this client, and no other.
asio::awaitable<void> serve(server_state &server, std::uint64_t number, tcp::socket socket) {
    visitor visitor(server, number, std::move(socket));
    try {
        co_await visitor.serve();
    } catch (const std::exception &error) {
        visitor.close(describe(error));
    }
}

/// Accepts clients until the listener is closed.
asio::awaitable<void> accept(server_state &server, tcp::acceptor &acceptor) {
    asio::steady_timer patience(acceptor.get_executor());
    for (std::uint64_t number = 1; acceptor.is_open();) {
        std::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (!acceptor.is_open())
            break; // it stops, even if a client has just come
        if (!error) {
            asio::co_spawn(acceptor.get_executor(), serve(server, number, std::move(socket)),
                           [number](const std::exception_ptr &failure) {
                               if (failure)
                                   print_closed(number, "no memory");
                           });
            number++;
        } else { // the system lacks descriptors or memory, and may have some again soon
            std::cerr << "cannot accept: " << error.message() << '\n';
            patience.expires_after(milliseconds(100));
            co_await patience.async_wait(asio::use_awaitable);
        }
    }
}

void close_all(server_state &server) {
    for (visitor *each : server.visitors)
        each->close("the server stops");
}

/// Waits for a signal; gives 0 if there is none after all.
asio::awaitable<int> wait_for_signal(server_state &server) {
    std::error_code ignored; // that the wait was cancelled
    co_await server.signals.async_wait(asio::posix::stream_descriptor::wait_read,
                                       asio::redirect_error(asio::use_awaitable, ignored));
    co_return read_signal_now(server.signals.native_handle());
}

/// Waits for a signal, and stops the server: SIGTERM lets it answer what has begun, for a while,
/// and until SIGINT comes.
asio::awaitable<void> stop_at_signal(server_state &server, tcp::acceptor &acceptor) {
    int number = 0;
    while (number == 0)
        number = co_await wait_for_signal(server);
    acceptor.close();
    server.is_stopping = true;
    if (number == SIGINT)
        co_return close_all(server);
    for (visitor *each : server.visitors)
        each->drain();
    if (server.visitors.empty())
        co_return;
    server.end.expires_after(milliseconds(server.options.drain_timeout));
    server.end.async_wait([&server](std::error_code error) {
        if (!error) // else the last client has gone
            close_all(server);
    });
    while (!server.visitors.empty())
        if (co_await wait_for_signal(server) == SIGINT)
            close_all(server);
}

void give_way(place_t *place) {
    static_cast<visitor *>(place->owner)->close("gave way to another client");
}

int run(const server_options_t &options) {
    anwdl::client_options client_options =
        anwdl::client_options::adopt(make_client_options(&options));
    if (!client_options || !raise_descriptor_limit(&options, 0))
        return EXIT_FAILURE;
    client_options.set_separate_computation(true);
    std::uint16_t port = options.port;
    const int listener = open_listener(&port);
    const int signals = listener < 0 ? -1 : open_signals();
    if (signals < 0)
        return EXIT_FAILURE;
    const std::unique_ptr<admission_t, decltype(&admission_free)> admission(
        admission_new(&options.limits, give_way), admission_free);
    if (admission == nullptr)
        throw std::bad_alloc();
    // In this order: the computations end before the loop does, and the clients with it.
    asio::io_context loop(1);
    server_state state{
        options, std::move(client_options), admission.get(),
        {},      asio::steady_timer(loop),  asio::posix::stream_descriptor(loop, signals)};
    asio::thread_pool pool(options.limits.computations_at_once);
    state.pool = pool.get_executor();
    tcp::acceptor acceptor(loop, tcp::v4(), listener);
    asio::co_spawn(loop, accept(state, acceptor), asio::detached);
    asio::co_spawn(loop, stop_at_signal(state, acceptor), asio::detached);
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
