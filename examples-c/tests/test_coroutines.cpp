/* next_event() of include/anwdl.hpp in coroutines, with all that a coroutine library needs: a task,
   and a loop on poll(). Each wait is interrupted once, and sessions go on after it or end with it.
 */
#include <anwdl.hpp>

extern "C" {
#include "check.h"
#include "peer.h"
#include "support.h"
}

#include <algorithm>
#include <array>
#include <coroutine>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

/* -- a coroutine library ----------------------------------------------------------------------- */

template <class Value> class task {
  public:
    struct promise_type {
        std::coroutine_handle<> caller = std::noop_coroutine();
        std::optional<Value> value;
        std::exception_ptr exception;

        task get_return_object() {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept {
            return {};
        }
        auto final_suspend() noexcept {
            struct awaiter : std::suspend_always {
                std::coroutine_handle<>
                await_suspend(std::coroutine_handle<promise_type> own) noexcept {
                    return own.promise().caller;
                }
            };
            return awaiter{};
        }
        void return_value(Value returned) {
            value = std::move(returned);
        }
        void unhandled_exception() {
            exception = std::current_exception();
        }
    };

    task(task &&other) noexcept : own_(std::exchange(other.own_, nullptr)) {
    }
    task &operator=(task &&) = delete;
    ~task() {
        if (own_)
            own_.destroy();
    }

    bool await_ready() const noexcept {
        return false;
    }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        own_.promise().caller = caller;
        return own_;
    }
    Value await_resume() {
        if (own_.promise().exception)
            std::rethrow_exception(own_.promise().exception);
        return std::move(*own_.promise().value);
    }

    void start() {
        own_.resume();
    }
    bool is_done() const {
        return own_.done();
    }

  private:
    explicit task(std::coroutine_handle<promise_type> own) : own_(own) {
    }

    std::coroutine_handle<promise_type> own_;
};

struct interrupted {};

/* Whoever waits, in one thread. */
class loop {
  public:
    enum { NEVER = -1 };

    class wait {
      public:
        wait(loop &owner, int fd, short events, int time_left)
            : owner_(owner), fd_(fd), events_(events),
              deadline_(time_left < 0 ? INT64_MAX : now_in_milliseconds() + time_left) {
        }
        bool await_ready() const {
            return false;
        }
        void await_suspend(std::coroutine_handle<> who) {
            who_ = who;
            owner_.waits_.push_back(this);
        }
        void await_resume() const {
            if (is_interrupted_)
                throw interrupted();
        }

      private:
        friend class loop;
        loop &owner_;
        int fd_;
        short events_;
        int64_t deadline_;
        std::coroutine_handle<> who_{};
        bool is_interrupted_ = false;
    };

    /* Interrupts the wait of this number, from 0. */
    explicit loop(int interrupt = NEVER) : interrupt_(interrupt) {
    }

    /* Until nobody waits. */
    void run() {
        while (!waits_.empty()) {
            std::vector<pollfd> descriptors;
            int64_t deadline = INT64_MAX;
            for (const wait *each : waits_) {
                descriptors.push_back({each->fd_, each->events_, 0});
                deadline = std::min(deadline, each->deadline_);
            }
            const bool interrupts = count_ == interrupt_;
            const int64_t left = std::max<int64_t>(deadline - now_in_milliseconds(), 0);
            if (!interrupts)
                REQUIRE(poll(descriptors.data(), descriptors.size(),
                             deadline == INT64_MAX ? -1 : static_cast<int>(left)) >= 0);
            const std::vector<wait *> before = std::exchange(waits_, {});
            std::vector<wait *> ready;
            for (size_t at = 0; at < before.size(); at++) {
                const bool is_over = before[at]->deadline_ <= now_in_milliseconds();
                if (descriptors[at].revents != 0 || is_over || (interrupts && at == 0))
                    ready.push_back(before[at]);
                else
                    waits_.push_back(before[at]);
            }
            if (interrupts)
                ready[0]->is_interrupted_ = true;
            for (wait *each : ready) {
                count_++;
                each->who_.resume();
            }
        }
    }

    bool has_interrupted() const {
        return interrupt_ >= 0 && count_ > interrupt_;
    }

  private:
    int interrupt_;
    int count_ = 0;
    std::vector<wait *> waits_{};
};

/* -- how it waits ------------------------------------------------------------------------------ */

/* The thread has computed when something can be read from the pipe. An interruption comes after. */
template <class Handle> task<bool> compute_on_a_thread(loop &loop, Handle &handle) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::thread thread([&] {
        CHECK(handle.try_compute().has_value());
        REQUIRE(write(ends[1], "x", 1) == 1);
    });
    std::exception_ptr exception;
    try {
        co_await loop::wait(loop, ends[0], POLLIN, -1);
    } catch (...) {
        exception = std::current_exception();
    }
    thread.join();
    close(ends[0]);
    close(ends[1]);
    if (exception)
        std::rethrow_exception(exception);
    co_return true;
}

/* For clients and client interfaces. */
struct descriptor_waiter {
    loop *owner;

    template <class Handle> loop::wait wait_readable(Handle &handle, int time_left) {
        return loop::wait(*owner, handle.get_socket_descriptor(), POLLIN, time_left);
    }
    template <class Handle> loop::wait wait_writable(Handle &handle, int time_left) {
        return loop::wait(*owner, handle.get_socket_descriptor(), POLLOUT, time_left);
    }
    template <class Handle> task<bool> compute(Handle &handle) {
        return compute_on_a_thread(*owner, handle);
    }
};

/* For sessions, whose bytes it moves; few at once, so that there are more waits. */
struct session_waiter {
    loop *owner;
    int fd;
    std::string *received; /* not fed yet */

    task<bool> wait_readable(anwdl::session &session, int time_left) {
        if (received->empty()) {
            std::array<char, 300> bytes;
            co_await loop::wait(*owner, fd, POLLIN, time_left);
            const ssize_t count = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (count == 0)
                session.feed_end();
            if (count > 0)
                received->assign(bytes.data(), static_cast<size_t>(count));
        }
        received->erase(0, session.feed(*received));
        co_return true;
    }
    task<bool> wait_writable(anwdl::session &session, int time_left) {
        co_await loop::wait(*owner, fd, POLLOUT, time_left);
        const anwdl::bytes_view pending = session.get_pending();
        const ssize_t count = send(fd, pending.data(), pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            session.sent(static_cast<size_t>(count));
        co_return true;
    }
    task<bool> compute(anwdl::session &session) {
        return compute_on_a_thread(*owner, session);
    }
};

static_assert(anwdl::event_waiter<descriptor_waiter, anwdl::client>);
static_assert(anwdl::event_waiter<descriptor_waiter, anwdl::client_interface>);
static_assert(anwdl::event_waiter<session_waiter, anwdl::session>);
static_assert(!anwdl::event_waiter<session_waiter, anwdl::client>);

/* -- servers ----------------------------------------------------------------------------------- */

const char *const STAT = "{\"verb\": \"STAT\", \"parameters\": {}}";
const char *const BROKEN = "{\"verb\": 1, \"parameters\": {}}";

enum { MOST_WAITS = 12 };

struct user_error {};

/* What has happened, and how it ended. */
struct record {
    std::string events;
    anwdl::error why;
    int interruptions = 0;
};

/* A whole server. It goes on after an interruption, or ends with it; with `throws_at`, so many
   events later, by an exception of its own. */
template <class Handle, class Waiter>
task<bool> serve(Handle handle, Waiter waiter, record &out, bool goes_on, int throws_at) {
    for (;;) {
        anwdl::request request;
        anwdl::event happened = anwdl::event::ended;
        try {
            happened = co_await anwdl::next_event<task>(handle, request, waiter, &out.why);
        } catch (const interrupted &) {
            out.interruptions++;
            if (!goes_on)
                throw;
            continue;
        }
        if (throws_at-- == 0)
            throw user_error();
        switch (happened) {
        case anwdl::event::exchanged:
            out.events += 'X';
            break;
        case anwdl::event::request:
            out.events += 'R';
            CHECK_STRING(request.get_json(), STAT);
            (void)handle.poll_send_response(true, ANWDL_RESPONSE_MSG_OK, "{\"a\": 1}");
            break;
        case anwdl::event::malformed_request:
            out.events += 'M';
            CHECK(!request);
            (void)handle.poll_send_response(false, ANWDL_RESPONSE_MSG_BAD_REQ);
            break;
        case anwdl::event::response_sent:
            out.events += 'S';
            break;
        default:
            out.events += 'E';
            CHECK(happened == anwdl::event::ended);
            co_return true;
        }
    }
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

anwdl::client_options server_options() {
    /* A key pair takes longer to read than most of what is tested with it, above all under
     * valgrind. */
    static const anwdl::client_options late = anwdl::client_options::adopt(make_late_options());
    anwdl::client_options options = late.copy();
    options.set_exchange_keys(true).set_non_blocking(true).set_separate_computation(true);
    options.set_timeout(std::chrono::minutes(1));
    return options;
}

enum class kind { client, session };

struct conversation {
    kind handle = kind::client;
    anwdl_protocol_t framing = ANWDL_PROTOCOL_GCM;
    int interrupt = loop::NEVER;
    bool goes_on = true;
    int throws_at = -1;
};

/* Runs one against a peer on a thread; false if it was over before it could be interrupted. */
bool converse(const conversation &how, record &out) {
    int ends[2];
    peer_t peer;
    make_tcp_pair(ends);
    peer_init(&peer, ends[PEER_SIDE], how.framing, "peer-1");
    peer_start(&peer, exchange_and_ask, nullptr);
    loop loop(how.interrupt);
    std::string received;
    bool has_thrown = false;
    {
        const bool is_client = how.handle == kind::client;
        task<bool> server = is_client
                                ? serve(anwdl::client(ends[SERVER_SIDE], server_options()),
                                        descriptor_waiter{&loop}, out, how.goes_on, how.throws_at)
                                : serve(anwdl::session(anwdl::role::server, server_options()),
                                        session_waiter{&loop, ends[SERVER_SIDE], &received}, out,
                                        how.goes_on, how.throws_at);
        server.start();
        loop.run();
        REQUIRE(server.is_done());
        try {
            CHECK(server.await_resume());
        } catch (const interrupted &) {
            has_thrown = !how.goes_on;
        } catch (const user_error &) {
            has_thrown = how.throws_at >= 0;
        }
        if (!is_client)
            close(ends[SERVER_SIDE]);
    }
    const bool expects = (!how.goes_on && loop.has_interrupted()) || how.throws_at >= 0;
    CHECK(has_thrown == expects);
    peer_join(&peer);
    peer_free(&peer);
    return loop.has_interrupted();
}

const anwdl_protocol_t FRAMINGS[] = {ANWDL_PROTOCOL_V2, ANWDL_PROTOCOL_V3, ANWDL_PROTOCOL_V4,
                                     ANWDL_PROTOCOL_GCM};

void test_every_framing(kind handle) {
    for (const anwdl_protocol_t framing : FRAMINGS) {
        record out;
        converse({handle, framing}, out);
        CHECK_STRING(out.events.c_str(), "XRSMSRSE");
        CHECK_INTEGER(out.why.reason(), ANWDL_REASON_PEER_CLOSED);
    }
}

/* Whatever it waits for: nothing is lost when the wait is given up, and taken up again. How often
   it waits depends on the peer; there are two computations, or one, at least. */
void test_interruptions(kind handle) {
    for (const anwdl_protocol_t framing : FRAMINGS) {
        int count = 0;
        for (int at = 0; at < MOST_WAITS; at++) {
            record out;
            const bool is_interrupted = converse({handle, framing, at}, out);
            CHECK_INTEGER(out.interruptions, is_interrupted);
            CHECK_STRING(out.events.c_str(), "XRSMSRSE");
            count += is_interrupted;
        }
        CHECK(count >= 1);
    }
}

/* The coroutine ends with the wait, or with what the program throws; valgrind sees that it leaves
   nothing. */
void test_ends(kind handle) {
    for (int at = 0; at < MOST_WAITS; at++) {
        record out;
        const bool is_interrupted = converse({handle, ANWDL_PROTOCOL_GCM, at, false}, out);
        CHECK_INTEGER(out.interruptions, is_interrupted);
    }
    for (int event = 0; event < 8; event++) {
        record out;
        converse({handle, ANWDL_PROTOCOL_V4, loop::NEVER, true, event}, out);
        CHECK_INTEGER(out.events.size(), event);
    }
}

/* -- timeouts, and both sides in one loop ------------------------------------------------------ */

void test_timeout(kind handle) {
    int ends[2];
    loop loop;
    record out;
    std::string received;
    anwdl::client_options options = server_options();
    options.set_timeout(std::chrono::milliseconds(20));
    make_tcp_pair(ends);
    {
        task<bool> server =
            handle == kind::client
                ? serve(anwdl::client(dup(ends[SERVER_SIDE]), options), descriptor_waiter{&loop},
                        out, true, -1)
                : serve(anwdl::session(anwdl::role::server, options),
                        session_waiter{&loop, ends[SERVER_SIDE], &received}, out, true, -1);
        server.start();
        loop.run();
        CHECK(server.is_done());
    }
    CHECK_STRING(out.events.c_str(), "E");
    CHECK_INTEGER(out.why.reason(), ANWDL_REASON_TIMEOUT);
    CHECK_INTEGER(out.why.status(), ANWDL_RUNTIME_ERROR);
    CHECK(!out.why.message().empty());
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
}

task<bool> ask(anwdl::session session, session_waiter waiter, int &responses) {
    for (;;) {
        anwdl::response response;
        switch (co_await anwdl::next_event<task>(session, response, waiter)) {
        case anwdl::event::response:
            CHECK_STRING(response.get_data_json(), "{\"a\": 1}");
            if (++responses == 3) {
                shutdown(waiter.fd, SHUT_WR);
                co_return true;
            }
            break;
        case anwdl::event::your_turn:
            (void)session.poll_send_request("STAT");
            break;
        case anwdl::event::exchanged:
        case anwdl::event::request_sent:
            break;
        default:
            co_return false;
        }
    }
}

void test_both_sides() {
    int ends[2];
    loop loop;
    record out;
    int responses = 0;
    std::string received[2];
    anwdl::client_options options = server_options();
    options.set_protocol(anwdl::protocol::v3);
    make_unix_pair(ends);
    {
        task<bool> server =
            serve(anwdl::session(anwdl::role::server, server_options()),
                  session_waiter{&loop, ends[SERVER_SIDE], &received[0]}, out, true, -1);
        task<bool> client = ask(anwdl::session(anwdl::role::client, options),
                                session_waiter{&loop, ends[PEER_SIDE], &received[1]}, responses);
        server.start();
        client.start();
        loop.run();
        CHECK(server.is_done() && client.is_done() && client.await_resume());
    }
    CHECK_INTEGER(responses, 3);
    CHECK_STRING(out.events.c_str(), "XRSRSRSE");
    close(ends[SERVER_SIDE]);
    close(ends[PEER_SIDE]);
}

} // namespace

int main(int argc, char **argv) {
    const size_t before = count_open_descriptors();
    const bool few = argc > 1 && std::strcmp(argv[1], "--few") == 0;
    for (const kind handle : {kind::client, kind::session}) {
        test_every_framing(handle);
        test_timeout(handle);
        test_ends(handle);
        if (!few)
            test_interruptions(handle);
    }
    test_both_sides();
    CHECK_INTEGER(count_open_descriptors(), before);
    return check_finish();
}
