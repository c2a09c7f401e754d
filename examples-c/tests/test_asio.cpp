/* include/anwdl_asio.hpp, with coroutines, callbacks and futures, against peers of each framing:
   what is under way is cancelled at each step, and sessions go on after it or end with it. */
#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include <anwdl_asio.hpp>

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#if defined(ANWDL_HAS_OPENSSL)
#include <asio/ssl.hpp>
#endif

extern "C" {
#include "check.h"
#include "peer.h"
#include "relay.h"
#include "support.h"
}

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <variant>

namespace {

using asio::ip::tcp;

const char *const STAT = "{\"verb\": \"STAT\", \"parameters\": {}}";
const char *const BROKEN = "{\"verb\": 1, \"parameters\": {}}";
const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                     ANWDL_PROTOCOL_GCM};
enum { MOST_STEPS = 30, LONG_RESPONSE = 1 << 20, SHORT_BUFFER = 65536, NEVER = -1 };

struct user_error {};

/* What has happened, and how it ended. */
struct record {
    std::string events{};
    anwdl::error why{};
    int interruptions = 0;
    bool is_cancelled = false; /* while an operation was under way */
    std::exception_ptr exception{};
    std::function<void()> drain{}; /* as long as there is a connection */
    std::string drains_at = "never";
    std::chrono::milliseconds limit = std::chrono::hours(1);
};

anwdl::client_options server_options() {
    anwdl::client_options options = anwdl::client_options::adopt(make_late_options());
    options.set_separate_computation(true).set_timeout(std::chrono::minutes(1));
    return options;
}

anwdl::session server_session() {
    return anwdl::session(anwdl::role::server, server_options());
}

/* Answers what has come, and notes it; false if the session is over. */
bool handle(anwdl::session &session, anwdl::event happened, anwdl::request &request, record &out) {
    switch (happened) {
    case anwdl::event::exchanged:
        out.events += 'X';
        return true;
    case anwdl::event::request:
        out.events += 'R';
        if (std::strcmp(request.get_verb(), "LONG") == 0) {
            anwdl::data data;
            data.set_string("text", std::string(LONG_RESPONSE, 'x'));
            (void)session.poll_send_response(true, ANWDL_RESPONSE_MSG_OK, data);
        } else {
            (void)session.poll_send_response(true, ANWDL_RESPONSE_MSG_OK, "{\"a\": 1}");
        }
        return true;
    case anwdl::event::malformed_request:
        out.events += 'M';
        CHECK(!request);
        (void)session.poll_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ);
        return true;
    case anwdl::event::response_sent:
        out.events += 'S';
        return true;
    default:
        out.events += 'E';
        CHECK(happened == anwdl::event::ended);
        return false;
    }
}

/* A whole server. It goes on after what is under way was cancelled, or ends with it; with
   `throws_at`, so many events later, by an exception of its own. */
template <class Stream>
asio::awaitable<void> serve(Stream stream, asio::any_io_executor pool, record &out,
                            asio::cancellation_signal &signal, bool goes_on, int throws_at) {
    anwdl::connection<Stream> connection(std::move(stream), server_session(), pool);
    out.drain = [&connection, &out] { connection.drain(out.limit); };
    for (;;) {
        anwdl::request request;
        std::optional<anwdl::event> happened;
        try {
            happened = co_await connection.async_next_event(
                request, asio::bind_cancellation_slot(signal.slot(), asio::use_awaitable));
        } catch (const std::system_error &error) {
            CHECK(error.code() == asio::error::operation_aborted);
            out.interruptions++;
            if (!goes_on)
                throw;
        }
        if (!happened)
            continue;
        if (throws_at-- == 0)
            throw user_error();
        if (!handle(connection.get_session(), *happened, request, out))
            break;
        if (out.events == out.drains_at)
            out.drain();
    }
    out.drain = nullptr;
    out.why = connection.get_error();
}

void exchange_and_ask(peer_t *peer) {
    /* The server may end at any time. */
    if (!peer_exchange_keys(peer, true))
        return;
    for (const char *request : {STAT, BROKEN, STAT}) {
        char *response = peer_ask(peer, request);
        if (response == nullptr)
            return;
        CHECK(std::strstr(response, "\"success\"") != nullptr);
        std::free(response);
    }
    peer_hang_up(peer);
}

/* A peer on a thread of its own. */
class remote {
  public:
    remote(anwdl_protocol_t framing, void (*script)(peer_t *), void *context = nullptr) {
        make_tcp_pair(ends_);
        peer_init(&peer_, ends_[PEER_SIDE], framing, "peer-1");
        peer_start(&peer_, script, context);
    }
    remote(const remote &) = delete;
    remote &operator=(const remote &) = delete;
    ~remote() {
        peer_join(&peer_);
        peer_free(&peer_);
    }

    /* The socket that is connected to it, to be called once. */
    tcp::socket open(const asio::any_io_executor &executor) const {
        return tcp::socket(executor, tcp::v4(), ends_[SERVER_SIDE]);
    }

    /* Until it has sent something. */
    void wait_for_input() const {
        pollfd entry = {ends_[SERVER_SIDE], POLLIN, 0};
        REQUIRE(poll(&entry, 1, -1) == 1);
    }

  private:
    int ends_[2];
    peer_t peer_;
};

auto note(record &out) {
    return [&out](std::exception_ptr exception) { out.exception = exception; };
}

template <class Exception> bool has_thrown(const record &out) {
    try {
        if (out.exception)
            std::rethrow_exception(out.exception);
    } catch (const Exception &) {
        return true;
    }
    return false;
}

/* -- coroutines -------------------------------------------------------------------------------- */

/* Cancels after so many steps of the loop; ends after so many, whatever is under way. */
void converse(anwdl_protocol_t framing, record &out, bool goes_on, int cancelled_at,
              asio::cancellation_type type, int ends_at = NEVER, int throws_at = NEVER) {
    const remote peer(framing, exchange_and_ask); // joined last, when its connection was closed
    asio::cancellation_signal signal;
    asio::io_context loop(1);
    asio::thread_pool pool(1);
    asio::co_spawn(
        loop,
        serve(peer.open(loop.get_executor()), pool.get_executor(), out, signal, goes_on, throws_at),
        note(out));
    for (int step = 0; step != ends_at && loop.run_one() > 0; step++)
        if (step == cancelled_at) {
            out.is_cancelled = signal.slot().has_handler();
            signal.emit(type);
        }
}

void test_every_framing() {
    for (const anwdl_protocol_t framing : FRAMINGS) {
        record out;
        converse(framing, out, true, NEVER, asio::cancellation_type::none);
        CHECK_STRING(out.events.c_str(), "XRSMSRSE");
        CHECK_INTEGER(out.why.reason(), ANWDL_REASON_PEER_CLOSED);
        CHECK(!out.exception);
    }
}

/* Nothing is lost, whatever is cancelled, in whatever way. */
void test_cancellations() {
    static const asio::cancellation_type types[] = {asio::cancellation_type::terminal,
                                                    asio::cancellation_type::partial,
                                                    asio::cancellation_type::total};
    int counts[3] = {0, 0, 0};
    for (const anwdl_protocol_t framing : FRAMINGS) {
        for (int at = 0; at < MOST_STEPS; at++) {
            record out;
            converse(framing, out, true, at, types[at % 3]);
            /* What was cancelled takes no event: `||` throws away what it completes with. */
            CHECK_INTEGER(out.interruptions, out.is_cancelled ? 1 : 0);
            CHECK(!out.exception);
            CHECK_STRING(out.events.c_str(), "XRSMSRSE");
            counts[at % 3] += out.interruptions;
        }
    }
    for (const int count : counts)
        CHECK(count >= 4);
}

/* The coroutine ends with it, with what the program throws, or with the loop; valgrind sees that it
   leaves nothing. */
void test_ends() {
    for (int at = 0; at < MOST_STEPS; at++) {
        record out;
        converse(ANWDL_PROTOCOL_GCM, out, false, at, asio::cancellation_type::terminal);
        CHECK(has_thrown<std::system_error>(out) == (out.interruptions == 1));
        record other;
        converse(ANWDL_PROTOCOL_V4, other, true, NEVER, asio::cancellation_type::none, at);
        CHECK(other.interruptions == 0);
    }
    for (int event = 0; event < 8; event++) {
        record out;
        converse(ANWDL_PROTOCOL_V3, out, true, NEVER, asio::cancellation_type::none, NEVER, event);
        CHECK(has_thrown<user_error>(out));
        CHECK_INTEGER(out.events.size(), event);
    }
}

/* The peer reads nothing before it may: the server is in the middle of its response. */
void read_late(peer_t *peer) {
    char byte;
    REQUIRE(peer_exchange_keys(peer, true));
    CHECK(peer_send_request(peer, "{\"verb\": \"LONG\", \"parameters\": {}}"));
    REQUIRE(read(*static_cast<int *>(peer->context), &byte, 1) == 1);
    char *response = peer_receive_response(peer);
    CHECK(response != nullptr && std::strlen(response) > LONG_RESPONSE);
    std::free(response);
    peer_hang_up(peer);
}

void test_cancelled_response() {
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    {
        const remote peer(ANWDL_PROTOCOL_GCM, read_late, &gate[0]);
        asio::cancellation_signal signal;
        asio::io_context loop(1);
        asio::thread_pool pool(1);
        record out;
        tcp::socket socket = peer.open(loop.get_executor());
        socket.set_option(asio::socket_base::send_buffer_size(SHORT_BUFFER));
        asio::co_spawn(loop,
                       serve(std::move(socket), pool.get_executor(), out, signal, true, NEVER),
                       note(out));
        while (out.events != "XR")
            loop.run_one();
        for (int count = 1; count <= 3; count++) {
            while (loop.poll() > 0)
                ;
            signal.emit(asio::cancellation_type::terminal);
            while (out.interruptions < count)
                loop.run_one();
        }
        REQUIRE(write(gate[1], "x", 1) == 1);
        loop.run();
        CHECK_STRING(out.events.c_str(), "XRSE");
        CHECK(!out.exception);
    }
    close(gate[0]);
    close(gate[1]);
}

#if defined(ANWDL_HAS_OPENSSL)
using unix_end = asio::local::stream_protocol::socket;
using tls_stream = asio::ssl::stream<unix_end>;

/* Asks for the long response, and reads it once it is let. */
asio::awaitable<void> ask_through_tls(tls_stream &stream, asio::steady_timer &gate,
                                      std::string &out) {
    anwdl::client_options options = server_options();
    options.set_protocol(anwdl::protocol::gcm).set_max_message_size(2 * LONG_RESPONSE);
    co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
    anwdl::connection<tls_stream &> connection(stream, anwdl::session(anwdl::role::client, options),
                                               stream.get_executor());
    for (;;) {
        anwdl::response response;
        const anwdl::event happened =
            co_await connection.async_next_event(response, asio::use_awaitable);
        if (happened == anwdl::event::your_turn) {
            (void)connection.get_session().poll_send_request("LONG");
        } else if (happened == anwdl::event::request_sent) {
            out = "asked";
            std::error_code cancelled;
            co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        } else if (happened == anwdl::event::response) {
            out = response.get_string("text").value_or("no text");
            break;
        } else if (happened != anwdl::event::exchanged) {
            CHECK(happened == anwdl::event::ended);
            out = connection.get_error().message();
            break;
        }
    }
    stream.lowest_layer().close();
}

asio::awaitable<void> serve_through_tls(tls_stream stream, record &out,
                                        asio::cancellation_signal &signal) {
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
    const asio::any_io_executor executor = stream.get_executor();
    co_await serve(std::move(stream), executor, out, signal, true, NEVER);
}

asio::ssl::context make_context() {
    asio::ssl::context context(asio::ssl::context::tlsv12); // without certificates
    REQUIRE(SSL_CTX_set_cipher_list(context.native_handle(), "AECDH:@SECLEVEL=0") == 1);
    return context;
}

/* A write that is cancelled would leave half a record of TLS, and what follows it is garbage to the
   peer: so it is brought to its end, also where the connection drains. */
void test_interrupted_write_through_tls(bool drains) {
    int ends[2];
    std::string response;
    record out, other;
    make_unix_pair(ends);
    asio::ssl::context context = make_context();
    asio::cancellation_signal signal;
    asio::io_context loop(1);
    asio::steady_timer gate(loop, asio::steady_timer::time_point::max());
    tls_stream client(unix_end(loop, asio::local::stream_protocol(), ends[PEER_SIDE]), context);
    asio::co_spawn(
        loop,
        serve_through_tls(
            tls_stream(unix_end(loop, asio::local::stream_protocol(), ends[SERVER_SIDE]), context),
            out, signal),
        note(out));
    asio::co_spawn(loop, ask_through_tls(client, gate, response), note(other));
    while (response != "asked" || out.events != "XR")
        loop.run_one();
    while (loop.poll() > 0)
        ;
    drains ? out.drain() : signal.emit(asio::cancellation_type::terminal);
    while (loop.poll() > 0)
        ;
    CHECK_INTEGER(out.interruptions, 0);
    gate.cancel();
    loop.run();
    CHECK(response == std::string(LONG_RESPONSE, 'x'));
    CHECK_INTEGER(out.interruptions, drains ? 0 : 1);
    CHECK_STRING(out.events.c_str(), "XRSE");
    CHECK(!out.exception && !other.exception);
}
#endif

/* -- ends of a session ------------------------------------------------------------------------- */

/* Of one whose peer is this thread. */
template <class Action> void test_end(anwdl::client_options options, Action action, record &out) {
    int ends[2];
    asio::io_context loop(1);
    make_tcp_pair(ends);
    tcp::socket socket(loop, tcp::v4(), ends[SERVER_SIDE]);
    anwdl::connection<tcp::socket &> connection(socket,
                                                anwdl::session(anwdl::role::server, options));
    anwdl::request request;
    std::error_code failure;
    connection.async_next_event(request, [&](std::error_code error, anwdl::event happened) {
        failure = error;
        if (!error)
            handle(connection.get_session(), happened, request, out);
    });
    loop.poll();
    action(ends[PEER_SIDE], connection);
    loop.run();
    out.why = connection.get_error();
    CHECK((failure == asio::error::operation_aborted) == out.events.empty());
    CHECK(out.events.empty() || socket.is_open());
    if (!failure)
        CHECK(connection.next_event(request) == anwdl::event::ended);
    CHECK(connection.get_error().reason() == out.why.reason());
    close(ends[PEER_SIDE]);
}

using plain_connection = anwdl::connection<tcp::socket &>;

void test_ends_of_a_session() {
    record late, broken, gone, closed, cancelled, drained, drained_late;
    anwdl::client_options options = server_options();
    options.set_timeout(std::chrono::milliseconds(20));
    test_end(
        options.copy(), [](int, plain_connection &) {}, late);
    CHECK_STRING(late.events.c_str(), "E");
    CHECK_INTEGER(late.why.reason(), ANWDL_REASON_TIMEOUT);

    /* A system call fails: the session cannot know, but the connection does. */
    test_end(
        server_options(),
        [](int peer, plain_connection &) {
            const linger none = {1, 0};
            REQUIRE(setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
            REQUIRE(dup2(STDIN_FILENO, peer) == peer);
        },
        broken);
    CHECK_STRING(broken.events.c_str(), "E");
    CHECK_INTEGER(broken.why.reason(), ANWDL_REASON_IO_FAILED);
    CHECK_INTEGER(broken.why.system_errno(), ECONNRESET);
    CHECK_INTEGER(broken.why.status(), ANWDL_RUNTIME_ERROR);
    CHECK(!broken.why.message().empty());

    test_end(
        server_options(), [](int peer, plain_connection &) { shutdown(peer, SHUT_WR); }, gone);
    CHECK_STRING(gone.events.c_str(), "E");
    CHECK_INTEGER(gone.why.reason(), ANWDL_REASON_PEER_CLOSED);

    test_end(
        server_options(), [](int, plain_connection &waits) { waits.next_layer().close(); }, closed);
    CHECK_INTEGER(closed.why.reason(), ANWDL_REASON_NONE);
    test_end(
        server_options(), [](int, plain_connection &waits) { waits.next_layer().cancel(); },
        cancelled);
    CHECK_INTEGER(cancelled.why.reason(), ANWDL_REASON_NONE);

    /* Without a failure, with a timeout and without one. */
    const auto drain_twice = [](int, plain_connection &waits) {
        waits.drain(std::chrono::hours(1));
        waits.drain(std::chrono::hours(2));
    };
    test_end(server_options(), drain_twice, drained);
    test_end(anwdl::client_options::adopt(make_late_options()), drain_twice, drained_late);
    for (const record *each : {&drained, &drained_late}) {
        CHECK_STRING(each->events.c_str(), "E");
        CHECK_INTEGER(each->why.status(), ANWDL_OK);
        CHECK_INTEGER(each->why.reason(), ANWDL_REASON_NONE);
    }
}

/* -- draining ---------------------------------------------------------------------------------- */

/* The request comes when it may, and nothing but its response after it. */
void ask_late(peer_t *peer) {
    char byte;
    REQUIRE(peer_exchange_keys(peer, true));
    REQUIRE(read(*static_cast<int *>(peer->context), &byte, 1) == 1);
    peer_check_response(peer, STAT,
                        "{\"success\": true, \"message\": \"OK\", \"data\": {\"a\": 1}}");
    peer_check_hung_up(peer);
}

/* One that nobody has read is answered; nobody but the socket knows of it. */
void test_drained_request() {
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    for (const anwdl_protocol_t framing : FRAMINGS) {
        const remote peer(framing, ask_late, &gate[0]);
        asio::cancellation_signal signal;
        asio::io_context loop(1);
        asio::thread_pool pool(1);
        record out;
        asio::co_spawn(
            loop,
            serve(peer.open(loop.get_executor()), pool.get_executor(), out, signal, true, NEVER),
            note(out));
        while (out.events != "X")
            loop.run_one();
        while (loop.poll() > 0)
            ;
        REQUIRE(write(gate[1], "x", 1) == 1);
        peer.wait_for_input();
        out.limit = std::chrono::milliseconds::max();
        out.drain();
        loop.run();
        CHECK_STRING(out.events.c_str(), "XRSE");
        CHECK_INTEGER(out.why.status(), ANWDL_OK);
        CHECK(!out.exception);
    }
    close(gate[0]);
    close(gate[1]);
}

struct counts {
    int requests = 0;
    int responses = 0;
};

/* One after the other, as long as somebody answers. */
template <class Stream>
asio::awaitable<void> keep_asking(Stream stream, anwdl_protocol_t framing, counts &out) {
    anwdl::client_options options = server_options();
    options.set_protocol(static_cast<anwdl::protocol>(framing));
    const asio::any_io_executor executor = stream.get_executor();
    anwdl::connection<Stream> connection(std::move(stream),
                                         anwdl::session(anwdl::role::client, options), executor);
    for (;;) {
        anwdl::response response;
        switch (co_await connection.async_next_event(response, asio::use_awaitable)) {
        case anwdl::event::your_turn:
            (void)connection.get_session().poll_send_request("STAT");
            break;
        case anwdl::event::request_sent:
            out.requests++;
            break;
        case anwdl::event::response:
            out.responses++;
            break;
        case anwdl::event::exchanged:
            break;
        default:
            co_return;
        }
    }
}

/* Both sides on this thread, so that what the client has sent has come. */
struct both_sides {
    counts asked{};
    record server{}, client{};
    asio::cancellation_signal signal{};
    asio::io_context loop{1}, client_loop{1};
    asio::thread_pool pool{1};

    void open(anwdl_protocol_t framing) {
        int ends[2];
        make_tcp_pair(ends);
        asio::co_spawn(loop,
                       serve(tcp::socket(loop, tcp::v4(), ends[SERVER_SIDE]), pool.get_executor(),
                             server, signal, true, NEVER),
                       note(server));
        asio::co_spawn(
            client_loop,
            keep_asking(tcp::socket(client_loop, tcp::v4(), ends[PEER_SIDE]), framing, asked),
            note(client));
    }

    /* The client goes on when the server does not. */
    void run_to_the_end(bool loses_requests = false) {
        while (!loop.stopped() || !client_loop.stopped()) {
            while (loop.run_one_for(std::chrono::milliseconds(1)) > 0)
                ;
            client_loop.poll();
        }
        if (!loses_requests) {
            CHECK_INTEGER(std::count(server.events.begin(), server.events.end(), 'R'),
                          asked.responses);
            CHECK_INTEGER(std::count(server.events.begin(), server.events.end(), 'S'),
                          asked.responses);
        }
        CHECK(server.events.back() == 'E');
        CHECK_INTEGER(server.why.status(), ANWDL_OK);
        CHECK(!server.exception && !client.exception);
    }

    /* So many steps of the server after the beginning, and the client is always ahead. All that it
       has asked by then is answered. */
    void drain_at_step(int at) {
        for (int step = 0; step < at || !server.drain; step++) {
            client_loop.poll();
            loop.run_one_for(std::chrono::milliseconds(1));
        }
        client_loop.poll();
        const int requests = asked.requests;
        server.drain();
        run_to_the_end();
        CHECK(asked.responses >= requests);
    }
};

/* In the middle of a request, whose response is sent, and after it. */
void test_drain_in_a_handler() {
    for (const anwdl_protocol_t framing : FRAMINGS)
        for (const char *when : {"XR", "XRS"}) {
            both_sides sides;
            sides.server.drains_at = when;
            sides.open(framing);
            sides.run_to_the_end();
            CHECK_STRING(sides.server.events.c_str(), "XRSE");
        }
}

/* Whoever is at a request then, or always begins another one, does not keep the server. */
void test_drain_with_a_limit() {
    using std::chrono::milliseconds;
    for (const anwdl_protocol_t framing : FRAMINGS)
        for (const char *when : {"X", "XR", "XRS"}) {
            both_sides sides;
            sides.server.drains_at = when;
            sides.server.limit = when[1] == 'R' ? milliseconds(0) : milliseconds::min();
            sides.open(framing);
            sides.run_to_the_end(true);
            CHECK_STRING(sides.server.events.c_str(), (when + std::string("E")).c_str());
        }
}

enum { STEPS_OF_A_DRAIN = 60 };

void test_drain_at_each_step(int stride) {
    for (const anwdl_protocol_t framing : FRAMINGS)
        for (int at = 0; at < STEPS_OF_A_DRAIN; at += stride) {
            both_sides sides;
            sides.open(framing);
            sides.drain_at_step(at);
        }
}

#if defined(ANWDL_HAS_OPENSSL)
asio::awaitable<void> keep_asking_through_tls(tls_stream stream, counts &out) {
    co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
    co_await keep_asking(std::move(stream), ANWDL_PROTOCOL_GCM, out);
}

void open_through_tls(both_sides &sides, asio::ssl::context &context, int server, int client) {
    const auto open = [&](asio::io_context &loop, int fd) {
        return tls_stream(unix_end(loop, asio::local::stream_protocol(), fd), context);
    };
    asio::co_spawn(sides.loop,
                   serve_through_tls(open(sides.loop, server), sides.server, sides.signal),
                   note(sides.server));
    asio::co_spawn(sides.client_loop,
                   keep_asking_through_tls(open(sides.client_loop, client), sides.asked),
                   note(sides.client));
}

/* There, a request may be in the stream that the socket no longer has. */
void test_drain_at_each_step_through_tls(int stride) {
    asio::ssl::context context = make_context();
    for (int at = 0; at < STEPS_OF_A_DRAIN; at += stride) {
        int ends[2];
        both_sides sides;
        make_unix_pair(ends);
        open_through_tls(sides, context, ends[SERVER_SIDE], ends[PEER_SIDE]);
        sides.drain_at_step(at);
    }
}

/* Of a request, so many bytes of the record of TLS have come: OpenSSL has them before the drain
   begins, or the socket has. The header has five. */
void test_drained_part_of_a_record(size_t part, bool is_read) {
    int ends[2], far_ends[2];
    both_sides sides;
    asio::ssl::context context = make_context();
    make_unix_pair(ends);
    make_unix_pair(far_ends);
    relay_t *relay = relay_new(far_ends[PEER_SIDE], ends[PEER_SIDE]);
    open_through_tls(sides, context, ends[SERVER_SIDE], far_ends[SERVER_SIDE]);
    while (sides.server.events != "XR") {
        sides.client_loop.poll();
        sides.loop.run_one_for(std::chrono::milliseconds(1));
    }
    while (sides.server.events != "XRS" || sides.loop.poll() > 0)
        sides.loop.run_one_for(std::chrono::milliseconds(1));
    const size_t end = relay_get_passed(relay) + part;
    relay_limit(relay, end);
    while (sides.asked.requests < 2)
        sides.client_loop.run_one_for(std::chrono::milliseconds(1));
    relay_await(relay, end);
    while (is_read && sides.loop.poll() > 0)
        ;
    sides.server.drain();
    while (sides.loop.poll() > 0)
        ;
    CHECK_STRING(sides.server.events.c_str(), "XRS");
    relay_limit(relay, SIZE_MAX);
    sides.run_to_the_end();
    CHECK_STRING(sides.server.events.c_str(), "XRSRSE");
    relay_free(relay);
}
#endif

/* -- other tokens, streams and executors ------------------------------------------------------- */

/* Nobody is called back from within the call that begins, even where there is nothing to wait for.
 */
void test_callbacks() {
    const remote peer(ANWDL_PROTOCOL_V4, exchange_and_ask);
    asio::io_context loop(1);
    asio::thread_pool pool(1);
    record out;
    anwdl::connection<tcp::socket> connection(peer.open(loop.get_executor()), server_session(),
                                              pool.get_executor());
    anwdl::request request;
    bool begins = false;
    std::function<void()> begin = [&] {
        begins = true;
        connection.async_next_event(request, [&](std::error_code error, anwdl::event happened) {
            CHECK(!begins && !error);
            anwdl::request taken = std::exchange(request, anwdl::request());
            if (handle(connection.get_session(), happened, taken, out))
                begin();
        });
        begins = false;
    };
    begin();
    loop.run();
    CHECK_STRING(out.events.c_str(), "XRSMSRSE");
    loop.restart();
    begin();
    loop.run();
    CHECK_STRING(out.events.c_str(), "XRSMSRSEE");
}

/* The loop runs elsewhere. Without an executor to compute on, that is left to the program. */
void test_futures() {
    const remote peer(ANWDL_PROTOCOL_GCM, exchange_and_ask);
    asio::io_context loop(1);
    auto work = asio::make_work_guard(loop);
    std::thread thread([&loop] { loop.run(); });
    record out;
    {
        anwdl::connection<tcp::socket> connection(peer.open(loop.get_executor()), server_session());
        int computations = 0;
        for (;;) {
            anwdl::request request;
            const anwdl::event happened =
                connection.async_next_event(request, asio::use_future).get();
            if (happened == anwdl::event::want_computation) {
                connection.get_session().compute();
                computations++;
            } else if (!handle(connection.get_session(), happened, request, out)) {
                break;
            }
        }
        CHECK_INTEGER(computations, 2);
    }
    CHECK_STRING(out.events.c_str(), "XRSMSRSE");
    work.reset();
    thread.join();
}

/* Both sides on one loop, over sockets of the unix family whose default token is that of
 * coroutines. */
using unix_socket = asio::use_awaitable_t<>::as_default_on_t<asio::local::stream_protocol::socket>;

asio::awaitable<void> ask(unix_socket &socket, int &responses) {
    using namespace asio::experimental::awaitable_operators;
    anwdl::client_options options = server_options();
    options.set_protocol(anwdl::protocol::v2);
    anwdl::connection<unix_socket &> connection(
        socket, anwdl::session(anwdl::role::client, options), socket.get_executor());
    asio::steady_timer timer(socket.get_executor(), asio::steady_timer::time_point::min());
    connection.drain(std::chrono::milliseconds(0)); /* which is for servers */
    while (responses < 3) {
        anwdl::response response;
        /* The timer is always the first, here: what is waited for is cancelled, and then taken up.
         */
        const std::variant<anwdl::event, std::monostate> first =
            co_await (connection.async_next_event(response, asio::use_awaitable) ||
                      timer.async_wait(asio::use_awaitable));
        const anwdl::event happened = first.index() == 0
                                          ? std::get<0>(first)
                                          : co_await connection.async_next_event(response);
        if (happened == anwdl::event::your_turn) {
            (void)connection.get_session().poll_send_request("STAT");
        } else if (happened == anwdl::event::response) {
            CHECK_STRING(response.get_data_json(), "{\"a\": 1}");
            responses++;
        } else if (!CHECK(happened == anwdl::event::exchanged ||
                          happened == anwdl::event::request_sent)) {
            break;
        }
    }
    socket.close();
}

void test_both_sides() {
    int ends[2];
    int responses = 0;
    record out;
    make_unix_pair(ends);
    asio::cancellation_signal signal;
    asio::io_context loop(1);
    unix_socket server(loop, asio::local::stream_protocol(), ends[SERVER_SIDE]);
    unix_socket client(loop, asio::local::stream_protocol(), ends[PEER_SIDE]);
    asio::co_spawn(loop, serve(std::move(server), loop.get_executor(), out, signal, true, NEVER),
                   note(out));
    asio::co_spawn(loop, ask(client, responses), asio::detached);
    loop.run();
    CHECK_INTEGER(responses, 3);
    CHECK_STRING(out.events.c_str(), "XRSRSRSE");
}

/* Several threads: each connection has a strand. */
void test_strands() {
    record out[4];
    std::optional<remote> peers[4];
    asio::cancellation_signal signals[4];
    asio::thread_pool pool(2);
    for (int at = 0; at < 4; at++) {
        const auto strand = asio::make_strand(pool);
        peers[at].emplace(FRAMINGS[at], exchange_and_ask);
        asio::co_spawn(
            strand,
            serve(peers[at]->open(strand), pool.get_executor(), out[at], signals[at], true, NEVER),
            note(out[at]));
    }
    pool.join();
    for (const record &each : out)
        CHECK_STRING(each.events.c_str(), "XRSMSRSE");
}

} // namespace

int main(int argc, char **argv) {
    const size_t before = count_open_descriptors();
    const bool is_short = argc > 1 && std::strcmp(argv[1], "--few") == 0;
    const int stride = is_short ? 7 : 1;
    test_every_framing();
    test_cancelled_response();
#if defined(ANWDL_HAS_OPENSSL)
    test_interrupted_write_through_tls(false);
    test_interrupted_write_through_tls(true);
    test_drain_at_each_step_through_tls(stride);
    for (const size_t part : {1, 5, 6, 25}) {
        test_drained_part_of_a_record(part, true);
        test_drained_part_of_a_record(part, false);
    }
#endif
    test_ends();
    test_ends_of_a_session();
    test_drained_request();
    test_drain_in_a_handler();
    test_drain_with_a_limit();
    test_drain_at_each_step(stride);
    test_callbacks();
    test_futures();
    test_both_sides();
    test_strands();
    if (!is_short)
        test_cancellations();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
