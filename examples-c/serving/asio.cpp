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
            (void)client.get_session().poll_send_response( // the next event sends the rest
                answer.success, answer.message, anwdl::data::adopt(answer.data));
            break;
        case anwdl::event::exchanged:
        case anwdl::event::response_sent:
            break;
        default:
            co_return; // client.get_error() says why
        }
    }
}

asio::awaitable<void> accept(tcp::acceptor &acceptor, std::list<connection> &clients,
                             const anwdl::client_options &options, asio::any_io_executor pool) {
    for (;;) {
        std::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (is_stopping)
            co_return;
        auto session = anwdl::session::try_make(anwdl::role::server, options);
        if (error || !session) {
            usleep(1000); // no descriptors or memory: not all the time for asking again
            continue;
        }
        const auto client =
            clients.emplace(clients.end(), std::move(socket), std::move(*session), pool);
        // An exception ends this client, and no other.
        asio::co_spawn(acceptor.get_executor(), serve(*client),
                       [&clients, client](std::exception_ptr) { clients.erase(client); });
    }
}

int main(int argc, char **argv) {
    asio::io_context loop(1);
    std::list<connection> clients;
    asio::thread_pool pool; // ends before the loop, to which it posts
    auto options = anwdl::client_options::adopt(make_options(argc, argv));
    const int listener = open_listener(argc, argv);
    if (!options || listener < 0)
        return EXIT_FAILURE;
    options.set_separate_computation(true);
    tcp::acceptor acceptor(loop, tcp::v4(), listener);
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&](std::error_code, int) {
        is_stopping = true;
        acceptor.close();
        for (connection &client : clients)
            client.drain();
    });
    asio::co_spawn(loop, accept(acceptor, clients, options, pool.get_executor()), asio::detached);
    loop.run(); // until nobody waits
}
