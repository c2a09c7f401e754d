// Many clients on one thread, as coroutines of Asio; a pool does the private key operations.
#define ASIO_STANDALONE
#include "serving.h"
#include <anwdl_asio.hpp>
#include <asio.hpp>
#include <set>

using asio::ip::tcp;
using connection = anwdl::connection<tcp::socket>;

std::set<asio::cancellation_signal *> waits; // for events, one of each client

asio::awaitable<void> serve(tcp::socket socket, const anwdl::client_options &options,
                            asio::any_io_executor pool) {
    connection client(std::move(socket), anwdl::session(anwdl::role::server, options), pool);
    asio::cancellation_signal wait;
    const auto forget = [](asio::cancellation_signal *which) { waits.erase(which); };
    const std::unique_ptr<asio::cancellation_signal, decltype(forget)> entry(&wait, forget);
    waits.insert(&wait);
    while (!is_stopping || !client.is_idle() || client.next_layer().available() > 0) {
        answer_t answer;
        anwdl::request request;
        std::error_code cancelled; // then nothing has been taken, and it can go on
        switch (co_await client.async_next_event(
            request, asio::bind_cancellation_slot(
                         wait.slot(), asio::redirect_error(asio::use_awaitable, cancelled)))) {
        case anwdl::event::request:
        case anwdl::event::malformed_request: // the request is empty
            answer = make_answer(request.release());
            (void)client.get_session().poll_send_response( // the next event sends the rest
                answer.success, answer.message, anwdl::data::adopt(answer.data));
            break;
        case anwdl::event::exchanged:
        case anwdl::event::response_sent:
            break;
        default:
            if (!cancelled)
                co_return; // client.get_error() says why
        }
    }
}

asio::awaitable<void> accept(tcp::acceptor &acceptor, const anwdl::client_options &options,
                             asio::any_io_executor pool) {
    while (!is_stopping) {
        std::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            // An exception ends this client, and no other.
            asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), options, pool),
                           [](std::exception_ptr) {});
        } else if (!is_stopping) {
            usleep(1000); // no descriptors: not all the time for asking again
        }
    }
}

int main(int argc, char **argv) {
    asio::io_context loop(1);
    asio::thread_pool pool; // ends before the loop, to which it posts
    auto options = anwdl::client_options::adopt(make_options(argc, argv));
    const int listener = open_listener(argc, argv);
    if (!options || listener < 0)
        return EXIT_FAILURE;
    options.set_separate_computation(true);
    tcp::acceptor acceptor(loop, tcp::v4(), listener);
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&acceptor](std::error_code, int) {
        is_stopping = true;
        acceptor.close();
        for (asio::cancellation_signal *wait : waits)
            wait->emit(asio::cancellation_type::total);
    });
    asio::co_spawn(loop, accept(acceptor, options, pool.get_executor()), asio::detached);
    loop.run(); // until nobody waits
}
