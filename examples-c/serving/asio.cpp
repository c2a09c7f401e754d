// Many clients on one thread, as coroutines of Asio; a pool does the private key operations.
#define ASIO_STANDALONE
#include "serving.h"
#include <anwdl_asio.hpp>
#include <asio.hpp>
#include <list>

using asio::ip::tcp;
using connection = anwdl::connection<tcp::socket>;

asio::awaitable<void> serve(connection &client) {
    for (;;) {
        answer_t answer;
        anwdl::request request;
        switch (co_await client.async_next_event(request, asio::use_awaitable)) {
        case anwdl::event::request:
        case anwdl::event::malformed_request: // the request is empty
            answer = make_answer(request.release());
            // The next event sends what does not fit into the socket at once.
            (void)client.get_session().poll_send_response(answer.success, answer.message,
                                                          anwdl::data::adopt(answer.data));
            break;
        case anwdl::event::exchanged:
        case anwdl::event::response_sent:
            break;
        default:
            co_return; // client.get_error() says why
        }
    }
}

int main(int argc, char **argv) {
    asio::io_context loop(1);
    std::list<connection> clients;
    asio::thread_pool pool; // ends before the loop, to which it posts
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    auto options = anwdl::client_options::adopt(make_options(argc, argv));
    const int listener = open_listener(argc, argv);
    if (!options || listener < 0)
        return EXIT_FAILURE;
    options.set_separate_computation(true);
    tcp::acceptor acceptor(loop, tcp::v4(), listener);

    const auto accept = [&]() -> asio::awaitable<void> {
        while (acceptor.is_open()) {
            std::error_code error;
            tcp::socket socket =
                co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
            auto session = anwdl::session::try_make(anwdl::role::server, options);
            if (error || !session || !acceptor.is_open()) {
                usleep(1000); // out of descriptors or memory: pause, instead of asking without end
                continue;
            }
            clients.emplace_front(std::move(socket), std::move(*session), pool.get_executor());
            // An exception ends this client, and no other.
            asio::co_spawn(loop, serve(clients.front()),
                           [&, at = clients.begin()](std::exception_ptr) { clients.erase(at); });
        }
    };
    asio::co_spawn(loop, accept, asio::detached);

    signals.async_wait([&](std::error_code, int) {
        acceptor.close();
        for (connection &client : clients)
            client.drain(std::chrono::seconds(5));
    });
    loop.run(); // until the last client has ended
}
