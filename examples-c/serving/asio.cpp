// Many clients on one thread, as coroutines of Asio; a pool does the private key operations.
#define ASIO_STANDALONE
#include <anwdl_asio.hpp>
#include <asio.hpp>
#include <cstdlib>
#include <cstring>

using asio::ip::tcp;

void answer(anwdl::session &session, const anwdl::request &request) {
    const bool is_stat = request && std::strcmp(request.get_verb(), "STAT") == 0;
    const char *message = is_stat   ? ANWDL_RESPONSE_MSG_OK
                          : request ? ANWDL_RESPONSE_MSG_REFUSED_REQ
                                    : ANWDL_RESPONSE_MSG_BAD_REQ;
    const char *data = is_stat ? "{\"uptime\": 60, \"version\": \"1.0.0\"}" : nullptr;
    (void)session.poll_send_response(is_stat, message, data); // the next event sends the rest
}

asio::awaitable<void> serve(tcp::socket socket, const anwdl::client_options &options,
                            asio::any_io_executor pool) {
    anwdl::connection<tcp::socket> client(std::move(socket),
                                          anwdl::session(anwdl::role::server, options), pool);
    for (;;) {
        anwdl::request request;
        switch (co_await client.async_next_event(request, asio::use_awaitable)) {
        case anwdl::event::request:
        case anwdl::event::malformed_request: // the request is empty
            answer(client.get_session(), request);
            break;
        case anwdl::event::exchanged:
        case anwdl::event::response_sent:
            break;
        default:
            co_return; // client.get_error() says why
        }
    }
}

asio::awaitable<void> accept(tcp::acceptor acceptor, const anwdl::client_options &options,
                             asio::any_io_executor pool) {
    asio::steady_timer patience(acceptor.get_executor());
    for (;;) {
        std::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            // An exception ends this client, and no other.
            asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), options, pool),
                           [](std::exception_ptr) {});
        } else { // no descriptors: others may end meanwhile
            patience.expires_after(std::chrono::milliseconds(100));
            co_await patience.async_wait(asio::use_awaitable);
        }
    }
}

int main(int argc, char **argv) {
    const auto port = static_cast<asio::ip::port_type>(std::atoi(argc > 1 ? argv[1] : "6150"));
    anwdl::rsa_wrapper keys(argc < 3); // makes a key pair, which takes seconds, or loads one
    if (argc > 2)
        keys.load(argv[2]);
    anwdl::client_options options;
    options.set_rsa_wrapper(keys).set_separate_computation(true).set_max_message_size(16384);
    options.set_timeout(std::chrono::seconds(10));
    asio::io_context loop(1);
    asio::thread_pool pool; // ends before the loop, to which it posts
    tcp::acceptor acceptor(loop, tcp::endpoint(asio::ip::address_v4::loopback(), port));
    asio::co_spawn(loop, accept(std::move(acceptor), options, pool.get_executor()), asio::detached);
    loop.run();
}
