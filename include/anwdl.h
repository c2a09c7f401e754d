/**
 * @file anwdl.h
 *
 * libanwdl: talk to Anweddol clients from a C or C++ server, and to servers from a client.
 *
 * The server accepts a connection and hands the descriptor to the library, which does the rest of
 * what ClientInstance does in the Python server: it exchanges the keys, receives requests and sends
 * responses. Every released Anweddol client is understood (releases 2.0 to 4.1), and so is the
 * authenticated framing, which no Python release speaks yet; the library finds out by itself which
 * one the peer uses.
 *
 * This header is made from the source of the library (`make header`): change it there.
 *
 * There are three handles, and one protocol machine behind them:
 *
 * - anwdl_client_t: a connected client, seen from the server, on a descriptor;
 * - anwdl_session_t: either side, without a descriptor, for programs that move the bytes themselves;
 * - anwdl_client_interface_t: the side that connects.
 *
 * Names. anwdl_TYPE_METHOD is the method METHOD, in snake case, of the Python class that TYPE
 * stands for: ClientInstance (anwdl_client_t), ClientInterface (anwdl_client_interface_t), RSAWrapper
 * (anwdl_rsa_wrapper_t) and AESWrapper (anwdl_aes_wrapper_t).
 *
 * A server for one connection, from accept() to the end:
 *
 * @code{.c}
 * #include <stdio.h>
 * #include <string.h>
 * #include <unistd.h>
 *
 * #include <anwdl.h>
 *
 * void serve(int fd)
 * {
 *     anwdl_client_t *client;
 *     anwdl_request_t *request;
 *     anwdl_status_t status;
 *
 *     if (anwdl_client_new(fd, NULL, &client) != ANWDL_OK) {
 *         fprintf(stderr, "no session: %s\n", anwdl_last_error_message());
 *         close(fd);
 *         return;
 *     }
 *     do {
 *         status = anwdl_client_recv_request(client, false, &request);
 *         if (status == ANWDL_OK) {
 *             if (strcmp(anwdl_request_get_verb(request), "STAT") == 0)
 *                 status = anwdl_client_send_response(
 *                     client, true, ANWDL_RESPONSE_MSG_OK,
 *                     "{\"uptime\": 60, \"version\": \"1.0\"}", NULL);
 *             else
 *                 status = anwdl_client_send_response(
 *                     client, false, ANWDL_RESPONSE_MSG_REFUSED_REQ, NULL, "unknown verb");
 *             anwdl_request_free(request);
 *         } else if (anwdl_last_error_reason() == ANWDL_REASON_MALFORMED_REQUEST) {
 *             status = anwdl_client_send_response(
 *                 client, false, ANWDL_RESPONSE_MSG_BAD_REQ, NULL, NULL);
 *         }
 *     } while (status == ANWDL_OK);
 *     if (anwdl_last_error_reason() != ANWDL_REASON_PEER_CLOSED)
 *         fprintf(stderr, "session ended: %s\n", anwdl_last_error_message());
 *     anwdl_client_free(client);
 * }
 * @endcode
 *
 * Statuses. A function that can fail returns an anwdl_status_t: ANWDL_OK is 0, a failure is
 * negative. What exactly happened is kept for each thread: anwdl_last_error_reason() for the
 * program (each reason belongs to one status), anwdl_last_error_message() for a person,
 * anwdl_last_error_errno() for the system call that failed. Functions without a status return NULL,
 * 0, false or -1 instead; what that means is said at each. The statuses and reasons that a function
 * can return are listed at it; ANWDL_REASON_INTERNAL can come from any of them and is not repeated.
 *
 * Arguments. Pointers must be NULL or point to what their type says, and objects must not be freed
 * yet. NULL where it is not allowed, an unknown enum number, and text that is not UTF-8 are refused
 * with ANWDL_VALUE_ERROR and ANWDL_REASON_INVALID_ARGUMENT, and the message names the argument.
 * Text is UTF-8 and ends with NUL. Inputs are copied where they are needed for longer than the
 * call.
 *
 * Results. The places that "out" arguments point to are written only if the call succeeds.
 *
 * Ownership. An object or memory that comes out through a pointer to a pointer that is not const,
 * or from a function whose name ends in _new, belongs to the caller, who frees it with the one
 * function that is named: anwdl_string_free() for char *, anwdl_bytes_free() for uint8_t *, the
 * function of the type for objects. Never free it with free(). Whatever comes as a pointer to const
 * is borrowed: it belongs to the object that it was asked of, is never freed by the caller, and is
 * valid until that object is changed or freed (where it stays valid for longer, it is said). All
 * functions that free take NULL and then do nothing.
 *
 * Threads. An object may be used by one thread at a time, different objects by different threads at
 * once. Objects that are only read (passed as pointers to const) may be read by many threads at
 * once, except clients, sessions and client interfaces. Many clients on many threads can share one RSA key pair.
 *
 * Blocking clients (the default) wait: each call returns when its work is done, or fails with
 * ANWDL_REASON_TIMEOUT when the timeout of the options has passed since the call began. The flags
 * of the descriptor do not matter and are never changed. If the caller limited each wait by
 * SO_RCVTIMEO or SO_SNDTIMEO before the client was made, the call fails with ANWDL_REASON_TIMEOUT
 * when one wait takes longer than that, too.
 *
 * Non-blocking clients (anwdl_client_options_set_non_blocking()) never wait: a call that would have
 * to returns ANWDL_WANT_READ or ANWDL_WANT_WRITE. That is no failure. Wait until the descriptor is
 * ready, together with all others that the program serves, and call the same function again with
 * the same arguments; it goes on where it was. One operation at a time: another one is refused with
 * ANWDL_REASON_OPERATION_PENDING. The same loop with one client only:
 *
 * @code{.c}
 * #include <poll.h>
 *
 * #include <anwdl.h>
 *
 * anwdl_status_t receive(anwdl_client_t *client, anwdl_request_t **out_request)
 * {
 *     for (;;) {
 *         anwdl_status_t status = anwdl_client_recv_request(client, false, out_request);
 *         struct pollfd descriptor = {0};
 *
 *         if (status != ANWDL_WANT_READ && status != ANWDL_WANT_WRITE)
 *             return status;
 *         descriptor.fd = anwdl_client_get_socket_descriptor(client);
 *         descriptor.events = status == ANWDL_WANT_READ ? POLLIN : POLLOUT;
 *         poll(&descriptor, 1, 1000);
 *     }
 * }
 * @endcode
 *
 * With a timeout set, poll for no longer than that, and call again in any case: the call itself
 * sees that the time has passed.
 *
 * Computations. The private key operation of a key exchange takes milliseconds. So that an event
 * loop does not stand still for it, it can be kept apart
 * (anwdl_client_options_set_separate_computation()): the exchange then returns
 * ANWDL_WANT_COMPUTATION, and anwdl_client_compute() does the operation on any other thread.
 *
 * Turns. A client sends one request and receives one response, and again. What is out of turn is
 * refused with ANWDL_REASON_OUT_OF_TURN, moves no byte, and the session goes on: a second request
 * before the response, a second response to one request, and on a server's side another
 * anwdl_client_recv_request() before the last request, well-formed or not, has its response. A
 * released client that gave up waiting and asks again is answered in order. Only a server that is
 * not available may send one response before any request.
 *
 * Failed sessions. A failure to decrypt, bytes that break the protocol, a failed system call, and a
 * timeout or a closed connection in the middle of a message end the session: its keys are wiped,
 * and every later exchange, receive or send fails with ANWDL_REASON_SESSION_FAILED. A request that
 * was decrypted well but does not fit the request format (ANWDL_REASON_MALFORMED_REQUEST) does not
 * end it.
 *
 * Signals and processes. No call raises SIGPIPE; a call that a signal interrupts goes on. A signal
 * handler must not call the library. After
 * fork(), only one of the two processes may go on with a client or session: two that send under one
 * key repeat an IV, which shows equal beginnings, or in the authenticated framing a nonce, which
 * gives the texts away and lets others forge messages. fork() may be called while other threads are
 * in calls of the library, but not while another thread is in a call with an object that the child
 * goes on with. On Linux a thread whose
 * cancellation is deferred, as it is by default, is not cancelled (pthread_cancel()) in a call: the call
 * goes on to its end, and the cancellation comes at the caller's own next cancellation point. Errors
 * can be read in destructors of thread-specific data and in atexit() handlers, too. A call needs at
 * most 64 KiB of stack; in the build without AWS-LC, the key exchange of the authenticated framing
 * 96 KiB.
 *
 * Defects. A defect of the library does not unwind into the caller and does not leave it with
 * undefined behaviour: the call fails with ANWDL_REASON_INTERNAL, and a report is written to
 * standard error. Three cases abort the process instead: a second defect while the first is being
 * cleaned up, no memory for the library's own work, and a system that gives AWS-LC no random bytes,
 * which it draws by itself for RSA and asks for several times. Where it is AWS-LC that has no
 * memory, RSA fails: to encrypt with ANWDL_REASON_INTERNAL, to decrypt with
 * ANWDL_REASON_DECRYPTION_FAILED, as nothing tells why it did not decrypt.
 */

#ifndef ANWDL_H
#define ANWDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Has the compiler warn where the result of a function is not used: a status that nobody looks at,
 * an object that nobody frees. Empty where the compiler has no such warning; a program that wants
 * none defines it as empty before it includes this header.
 */
#ifndef ANWDL_MUST_USE
#if defined(__cplusplus) && __cplusplus >= 201703L
#  define ANWDL_MUST_USE [[nodiscard]]
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#  define ANWDL_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#  define ANWDL_MUST_USE __attribute__((__warn_unused_result__))
#else
#  define ANWDL_MUST_USE
#endif
#endif

/** Has the compiler warn where a function is called; `note`, a text, says what to call instead. */
#ifndef ANWDL_DEPRECATED
#if defined(__GNUC__)
#  define ANWDL_DEPRECATED(note) __attribute__((__deprecated__(note)))
#elif defined(_MSC_VER)
#  define ANWDL_DEPRECATED(note) __declspec(deprecated(note))
#else
#  define ANWDL_DEPRECATED(note)
#endif
#endif

/** Tells gcc's analyzer (-fanalyzer) which function frees what the one that follows returns. */
#ifndef ANWDL_DEALLOC
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#  define ANWDL_DEALLOC(function) __attribute__((__malloc__(function, 1)))
#else
#  define ANWDL_DEALLOC(function)
#endif
#endif

/** Gives an enum the size of an int, as the library has it, also with -fshort-enums. */
#ifndef ANWDL_INT_ENUM
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#  define ANWDL_INT_ENUM : int
#elif defined(__GNUC__)
#  define ANWDL_INT_ENUM __attribute__((__mode__(__SI__)))
#else
#  define ANWDL_INT_ENUM
#endif
#endif

/** The version of this header; anwdl_version() is that of the library. */
#define ANWDL_VERSION "0.1.0"

/** The first number of ANWDL_VERSION. */
#define ANWDL_VERSION_MAJOR 0

/** The second number of ANWDL_VERSION. */
#define ANWDL_VERSION_MINOR 1

/** The third number of ANWDL_VERSION. */
#define ANWDL_VERSION_PATCH 0

/** ANWDL_VERSION as one number that grows with it, for the preprocessor: 1002003 for 1.2.3. */
#define ANWDL_VERSION_NUMBER (ANWDL_VERSION_MAJOR * 1000000 + ANWDL_VERSION_MINOR * 1000 + ANWDL_VERSION_PATCH)

/** Response message: the request was carried out. */
#define ANWDL_RESPONSE_MSG_OK "OK"

/** Response message: the client token does not belong to the container. */
#define ANWDL_RESPONSE_MSG_BAD_AUTH "Bad authentication"

/** Response message: the request does not fit the request format, or not this server. */
#define ANWDL_RESPONSE_MSG_BAD_REQ "Bad request"

/** Response message: the server does not want to carry out the request. */
#define ANWDL_RESPONSE_MSG_REFUSED_REQ "Refused request"

/** Response message: the server cannot carry out the request at present. */
#define ANWDL_RESPONSE_MSG_UNAVAILABLE "Unavailable"

/** Response message: the server failed while it carried out the request. */
#define ANWDL_RESPONSE_MSG_INTERNAL_ERROR "Internal error"


/**
 * Why a call failed.
 *
 * The numbers from 100 are warnings: the call has done its work and returned ANWDL_OK, and says at
 * itself that it can leave one. The numbers never change their meaning. Later versions may add
 * some, so give a `switch` over
 * them a default case.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * No call has failed on this thread yet.
   */
  ANWDL_REASON_NONE = 0,
  /**
   * (VALUE_ERROR) An argument is NULL, out of range, of a wrong size, an unknown enum number or
   * not UTF-8. The message names the argument. Nothing was done.
   */
  ANWDL_REASON_INVALID_ARGUMENT = 1,
  /**
   * (VALUE_ERROR) The descriptor is closed, is no stream socket, is not connected, or is
   * listening. It is still the caller's.
   */
  ANWDL_REASON_INVALID_DESCRIPTOR = 2,
  /**
   * (VALUE_ERROR) A key is not acceptable, the caller's or the peer's: it is no RSA key
   * in PEM or DER, or its modulus or exponent is out of bounds.
   */
  ANWDL_REASON_INVALID_KEY = 3,
  /**
   * (VALUE_ERROR) The request was received and decrypted, but does not fit the request format, or
   * is no strict JSON though Python's json.loads() reads it; anwdl_client_get_request_errors()
   * tells how. The session goes on: answer it with ANWDL_RESPONSE_MSG_BAD_REQ. Or the request to
   * send does not fit the format: nothing was sent, and the session goes on.
   */
  ANWDL_REASON_MALFORMED_REQUEST = 4,
  /**
   * (VALUE_ERROR) The response to send does not fit the response format. Nothing was sent, and
   * the session goes on. Or the response that was received does not fit it: the session has
   * ended.
   */
  ANWDL_REASON_MALFORMED_RESPONSE = 5,
  /**
   * (VALUE_ERROR) The peer announced a message beyond the limit: it was refused, and the session
   * has ended. Or a message to send is longer than the framing can carry: nothing was sent, and
   * the session goes on.
   */
  ANWDL_REASON_MESSAGE_TOO_LARGE = 6,
  /**
   * (VALUE_ERROR) The peer sent bytes that the protocol does not allow, such as a length that is
   * no number. The session has ended.
   */
  ANWDL_REASON_PROTOCOL_VIOLATION = 7,
  /**
   * (VALUE_ERROR) What was to be decrypted does not decrypt to anything that a released peer could
   * read. On purpose, nothing tells whether the key, the padding, the tag or the text was wrong.
   * In a session, it has ended.
   */
  ANWDL_REASON_DECRYPTION_FAILED = 8,
  /**
   * (VALUE_ERROR) The peer speaks another framing than the one that
   * anwdl_client_options_set_protocol() asked for. The session has ended.
   */
  ANWDL_REASON_PROTOCOL_MISMATCH = 9,
  /**
   * (VALUE_ERROR) The call belongs to the other side of the connection: a response asked of a
   * session in the role of a client, for example. Nothing was done.
   */
  ANWDL_REASON_WRONG_ROLE = 10,
  /**
   * (VALUE_ERROR) It is not this side's turn: a second response to one request, a request before
   * the response to the last one, another request received before the last one was answered, or a
   * computation while none is due. Nothing was done, and the session goes on.
   */
  ANWDL_REASON_OUT_OF_TURN = 11,
  /**
   * (VALUE_ERROR) There is a connection already. It goes on.
   */
  ANWDL_REASON_ALREADY_CONNECTED = 12,
  /**
   * (VALUE_ERROR) The connection does not begin with the PROXY protocol header that
   * anwdl_client_options_set_proxy_protocol() asked for: it is missing, malformed or too long.
   * Nothing was sent, and the session has ended.
   */
  ANWDL_REASON_BAD_PROXY_HEADER = 13,
  /**
   * (RUNTIME_ERROR) The client was closed by anwdl_client_close_connection(), or its descriptor
   * was given back by anwdl_client_detach(). A client interface: it is not connected.
   */
  ANWDL_REASON_CLOSED = 20,
  /**
   * (RUNTIME_ERROR) The peer closed the connection. Between two messages this is the usual end
   * of a session; in the middle of one, the session has ended as well.
   */
  ANWDL_REASON_PEER_CLOSED = 21,
  /**
   * (RUNTIME_ERROR) The peer answered that it does not accept what was offered (any answer byte
   * but '1'). The session is where it was before the step.
   */
  ANWDL_REASON_PEER_REFUSED = 22,
  /**
   * (RUNTIME_ERROR) The timeout passed before the work was done. If no byte of the operation had
   * moved, the session is unharmed and the call can be repeated; otherwise the session has
   * ended, and the next call says ANWDL_REASON_SESSION_FAILED.
   */
  ANWDL_REASON_TIMEOUT = 23,
  /**
   * (RUNTIME_ERROR) A system call failed; anwdl_last_error_errno() tells how. A session has ended
   * with it.
   */
  ANWDL_REASON_IO_FAILED = 24,
  /**
   * (RUNTIME_ERROR) An earlier failure ended this session, and its keys are wiped. All that is
   * left is to close, detach or free the client.
   */
  ANWDL_REASON_SESSION_FAILED = 25,
  /**
   * (VALUE_ERROR) A key that the call needs is not set; the message names it.
   */
  ANWDL_REASON_KEY_MISSING = 26,
  /**
   * (RUNTIME_ERROR) The keys must be exchanged before this call.
   */
  ANWDL_REASON_KEYS_NOT_EXCHANGED = 27,
  /**
   * (RUNTIME_ERROR) The keys, or the part of them that this step exchanges, are exchanged
   * already.
   */
  ANWDL_REASON_KEYS_ALREADY_EXCHANGED = 28,
  /**
   * (RUNTIME_ERROR) Another operation of this client or session returned ANWDL_WANT_READ,
   * ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION and is to be finished first.
   */
  ANWDL_REASON_OPERATION_PENDING = 29,
  /**
   * (RUNTIME_ERROR) As many messages as one key may protect have passed in one direction. No call
   * fails with it: the authenticated framing replaces its keys before they have protected too much.
   */
  ANWDL_REASON_SESSION_SPENT = 30,
  /**
   * (RUNTIME_ERROR) The system's random generator failed; anwdl_last_error_errno() tells how. A
   * message to send was not begun, and the session goes on: the call can be repeated. In the
   * middle of a key exchange, the session has ended.
   */
  ANWDL_REASON_RANDOM_FAILED = 31,
  /**
   * (RUNTIME_ERROR) A defect of this library, caught before it could reach the caller, or no
   * memory for a result. Any function can return it, and it is not listed at each. Free the
   * objects of the call; a client refuses further work with ANWDL_REASON_SESSION_FAILED.
   */
  ANWDL_REASON_INTERNAL = 32,
  /**
   * (RUNTIME_ERROR) The peer's public key has another fingerprint than the one that
   * anwdl_client_options_set_expected_fingerprint() asked for; the message has both. It was
   * refused before this side sent any secret, and the session has ended.
   */
  ANWDL_REASON_FINGERPRINT_MISMATCH = 33,
  /**
   * (RUNTIME_ERROR) The name of the server could not be resolved, or none of its addresses could
   * be connected to; anwdl_last_error_errno() has the errno of the last attempt, if there was one.
   */
  ANWDL_REASON_CONNECT_FAILED = 34,
  /**
   * (OK, a warning) anwdl_rsa_wrapper_load() has loaded the key, but others than the owner of the
   * file have rights to it, or its owner is neither this user nor root: they may know the key.
   */
  ANWDL_REASON_KEY_FILE_EXPOSED = 100
} anwdl_error_reason_t;

/**
 * What every function that can fail returns.
 *
 * Zero is success, positive is "not yet" (only where the call does not wait itself), negative is a
 * failure, which anwdl_last_error_reason() and anwdl_last_error_message() explain.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * Done. All outputs are written.
   */
  ANWDL_OK = 0,
  /**
   * Not an error; only with the non-blocking option, and from sessions without a descriptor. Call
   * the same function again, with the same arguments, when the descriptor is readable; after
   * anwdl_session_feed().
   */
  ANWDL_WANT_READ = 1,
  /**
   * Not an error; only with the non-blocking option, and from sessions without a descriptor. Call
   * the same function again, with the same arguments, when the descriptor is writable; after
   * anwdl_session_sent().
   */
  ANWDL_WANT_WRITE = 2,
  /**
   * Not an error; only where anwdl_client_options_set_separate_computation() asked for it: a
   * computation is due, the private key operation or, second, the answer to the peer's ephemeral keys
   * in the authenticated framing. Call anwdl_client_compute(), anwdl_session_compute() or
   * anwdl_client_interface_compute(), on any thread, then the same function again, with the same
   * arguments.
   */
  ANWDL_WANT_COMPUTATION = 3,
  /**
   * Python's ValueError: a bad argument, or bad content from the peer. The reasons that belong
   * to it have the numbers 1 to 19, and 26 (ANWDL_REASON_KEY_MISSING).
   */
  ANWDL_VALUE_ERROR = -1,
  /**
   * Python's RuntimeError: closed, refused by the peer, timed out, a system call failed, or the
   * call does not fit the state of the session. All other reasons from 20 to 99 belong to it; from
   * 100 on they are warnings, which come with ANWDL_OK.
   */
  ANWDL_RUNTIME_ERROR = -2
} anwdl_status_t;

/**
 * How requests and responses are framed on the wire.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * As an option: whatever the peer speaks (the default). As the state of a client: not known
   * yet; releases 2 to 4 first show themselves in the first request.
   */
  ANWDL_PROTOCOL_AUTO = 0,
  /**
   * Releases 2.0 and 2.1: AES-CBC with one IV for the whole session.
   */
  ANWDL_PROTOCOL_V2 = 1,
  /**
   * Release 3.1: AES-CBC; each message carries the next IV.
   */
  ANWDL_PROTOCOL_V3 = 2,
  /**
   * Release 4.1: as release 3.1, with an encrypted length.
   */
  ANWDL_PROTOCOL_V4 = 3,
  /**
   * The authenticated framing, AES-256-GCM. No Python release speaks it. Only here is a message
   * that was changed on its way, and a key exchange that was meddled with, noticed; and only here
   * does a recording stay secret if the RSA keys become known later.
   */
  ANWDL_PROTOCOL_GCM = 4
} anwdl_protocol_t;

/**
 * Which side of a connection this is.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * The side that accepted the connection: it receives requests and sends responses.
   */
  ANWDL_ROLE_SERVER = 0,
  /**
   * The side that connected: it sends requests and receives responses.
   */
  ANWDL_ROLE_CLIENT = 1
} anwdl_role_t;

/**
 * How much a log message matters.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * Each step, for someone who looks for a fault.
   */
  ANWDL_LOG_DEBUG = 0,
  /**
   * What usually happens, once or twice in a session: keys exchanged, framing detected.
   */
  ANWDL_LOG_INFO = 1,
  /**
   * What the library or the peer refused; the session may go on.
   */
  ANWDL_LOG_WARNING = 2,
  /**
   * What ended a session before its time.
   */
  ANWDL_LOG_ERROR = 3
} anwdl_log_level_t;

/**
 * Whether connections begin with a PROXY protocol header.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * They do not (the default).
   */
  ANWDL_PROXY_PROTOCOL_OFF = 0,
  /**
   * They do, of version 1 or 2. One that does not is refused.
   */
  ANWDL_PROXY_PROTOCOL_REQUIRED = 1
} anwdl_proxy_protocol_t;

/**
 * How an AES wrapper uses its key.
 */
typedef enum ANWDL_INT_ENUM {
  /**
   * Cipher block chaining with PKCS#7 padding and an IV of 16 bytes, as the Python AESWrapper.
   * It keeps a text secret and does not notice changes.
   */
  ANWDL_AES_CBC = 0,
  /**
   * Galois/counter mode, with a random nonce of 12 bytes for each text and a tag of 16 bytes. It
   * keeps a text secret and notices every change. No Python release has it.
   */
  ANWDL_AES_GCM = 1
} anwdl_aes_mode_t;

/**
 * An AES key of 128, 192 or 256 bits with its mode and, in CBC mode, an IV: the Python AESWrapper.
 *
 * It may be read by many threads at once (by the functions that take it as const) as long as none
 * changes it. The key is wiped when the wrapper is freed.
 */
typedef struct anwdl_aes_wrapper_t anwdl_aes_wrapper_t;

/**
 * A client of a server: the Python ClientInterface.
 *
 * One interface has one connection at a time, and can make another after it was closed. It may be
 * used by one thread at a time, whichever that is.
 */
typedef struct anwdl_client_interface_t anwdl_client_interface_t;

/**
 * Options: a set of values that anwdl_client_new(), anwdl_session_new() and
 * anwdl_client_interface_new() copy.
 *
 * What is said of a client here holds for a session and for a client interface as well, and what is
 * said of anwdl_client_X() for the functions of that name of the other two, unless it says
 * otherwise.
 *
 * One set can serve for any number of clients. It may be read by many threads at once (by those
 * three functions) as long as none changes it.
 */
typedef struct anwdl_client_options_t anwdl_client_options_t;

/**
 * A connected client: the Python ClientInstance.
 *
 * It may be used by one thread at a time, whichever that is.
 */
typedef struct anwdl_client_t anwdl_client_t;

/**
 * A JSON object, or an array, that is put together value by value: the data of a response, or the
 * parameters of a request.
 *
 * An object's members are set by name and stand in the order in which they were first set; to set
 * a name again replaces its value. What is put in is copied. At most 64 levels of objects and
 * arrays lie in one another; in the parameters of a request, 63.
 *
 * It may be read by many threads at once (by the functions that take it as const) as long as none
 * changes it. Names and values are wiped when they are replaced, or freed.
 */
typedef struct anwdl_data_t anwdl_data_t;

/**
 * A request from a client, checked against the request format.
 *
 * It never changes and does not depend on the client that it came from. It may be read by many
 * threads at once. All strings and numbers read from it are what was received, to the last digit.
 */
typedef struct anwdl_request_t anwdl_request_t;

/**
 * A response from a server, checked against the response format.
 *
 * It never changes and does not depend on the session that it came from. It may be read by many
 * threads at once. All strings and numbers read from it are what was received, to the last digit.
 */
typedef struct anwdl_response_t anwdl_response_t;

/**
 * A local RSA key pair and a peer's public key, each of which may be missing: the Python
 * RSAWrapper.
 *
 * Keys are PEM text of at most 16 KiB, written as freely as OpenSSL takes it: with text around it, a
 * byte-order mark, blanks, CRLF, lines of any length. Functions whose names end in "_der" have them
 * as DER, of at most 16 KiB too. Where a key is refused, the error message says
 * what it is and what to do. A modulus has 2048 to 8192 bits; an exponent is odd, at
 * least 3, and has at most 33 bits.
 *
 * It may be read by many threads at once (by the functions that take it as const) as long as none
 * changes it. The private key is wiped when the last wrapper or client that shares it is freed.
 */
typedef struct anwdl_rsa_wrapper_t anwdl_rsa_wrapper_t;

/**
 * A session without a descriptor: one side of one connection, for programs that move the bytes
 * themselves, through libuv, Asio, io_uring, TLS or a tunnel.
 *
 * No call waits, and none calls the kernel, except for random bytes. It is the same machine that
 * works behind anwdl_client_t.
 *
 * Each operation (exchange_keys and its steps, send and recv of requests and responses) returns
 * one of these until it is done:
 * - ANWDL_WANT_READ: bring bytes from the peer with anwdl_session_feed(), as they come, in pieces
 *   of any size;
 * - ANWDL_WANT_WRITE: send what anwdl_session_get_pending() lends, and count it with
 *   anwdl_session_sent();
 * - ANWDL_WANT_COMPUTATION, only with a separate computation: call anwdl_session_compute(), on any
 *   thread.
 *
 * Then call the same operation again, with the same arguments. One operation is under way at a
 * time. A session has no clock: when the patience with a peer ends, call anwdl_session_end() or
 * free the session. One way to receive a request, called whenever bytes have
 * come from the peer and the last request has its response:
 *
 * @code{.c}
 * #include <anwdl.h>
 *
 * // The program's own: copies the bytes, and sends them when it can.
 * void send_later(void *connection, const uint8_t *bytes, size_t len);
 *
 * anwdl_status_t on_bytes(anwdl_session_t *session, void *connection, const uint8_t **bytes,
 *                         size_t *len, anwdl_request_t **out_request)
 * {
 *     for (;;) {
 *         anwdl_status_t status = anwdl_session_recv_request(session, false, out_request);
 *         const uint8_t *pending;
 *         size_t count;
 *         if (status == ANWDL_WANT_WRITE) {
 *             status = anwdl_session_get_pending(session, &pending, &count);
 *             if (status != ANWDL_OK)
 *                 return status;
 *             send_later(connection, pending, count);
 *             status = anwdl_session_sent(session, count);
 *             if (status != ANWDL_OK)
 *                 return status;
 *         } else if (status == ANWDL_WANT_READ && *len > 0) {
 *             status = anwdl_session_feed(session, *bytes, *len, &count);
 *             if (status != ANWDL_OK)
 *                 return status;
 *             *bytes += count;
 *             *len -= count;
 *         } else {
 *             return status; // what is left of the bytes belongs to the next message
 *         }
 *     }
 * }
 * @endcode
 *
 * The caller owns the socket, and what is to be set on it. On a TCP socket set TCP_NODELAY. The
 * released peers leave Nagle's algorithm on, write small pieces by themselves, and wait for the
 * acknowledgement of one before the next leaves, which a system delays by about 40 ms: on Linux, set
 * TCP_QUICKACK to 1 whenever anwdl_session_exchange_keys() or one of its steps returns ANWDL_OK or
 * ANWDL_WANT_READ. The option does not last, and once is not enough. Requests need none of it.
 *
 * It may be used by one thread at a time, whichever that is.
 */
typedef struct anwdl_session_t anwdl_session_t;

/**
 * A function that takes log messages; see anwdl_set_log_callback().
 *
 * @param level How much the message matters.
 * @param client_id The ID of the client that it is about, as anwdl_client_get_id() gives it, or ""
 *   where there is none; never NULL. Valid during the call.
 * @param message One line of English, UTF-8, without a line end; never NULL. Valid during the
 *   call. The text may change between versions.
 * @param user_data What was given to anwdl_set_log_callback().
 */
typedef void (*anwdl_log_function_t)(anwdl_log_level_t level,
                                     const char *client_id,
                                     const char *message,
                                     void *user_data);

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------
 * Errors and version
 * ------------------ */

/**
 * Why the last failing call on this thread failed.
 *
 * Each thread has its own last error, for as long as it runs: also in destructors of thread-specific
 * data and in atexit() handlers. It stays until another call fails on the same thread: a call
 * that succeeds, or returns ANWDL_WANT_READ or ANWDL_WANT_WRITE, does not touch it. So ask only
 * after a call has failed; or after anwdl_rsa_wrapper_load(), the one call that leaves a warning or
 * ANWDL_REASON_NONE here when it succeeds.
 *
 * @return The reason; ANWDL_REASON_NONE if no call has failed on this thread yet.
 *
 * Python: the class of the exception, in more detail.
 */
anwdl_error_reason_t anwdl_last_error_reason(void);

/**
 * What the last failing call on this thread has to say, as one line of English for a person.
 *
 * It holds no secret and needs no freeing, and has at most 1000 bytes. What others named in it, such
 * as a host or a path, has its control characters escaped (`\n`, `\u{1b}`), so that it cannot forge
 * a line of a log. The text may change between versions: let programs decide by the reason.
 *
 * @return The message, UTF-8, never NULL ("no error" if no call has failed on this thread yet). It
 *   is valid until the next call that fails on this thread, or until the thread ends.
 *
 * Python: str() of the exception.
 */
const char *anwdl_last_error_message(void);

/**
 * The errno of the system call behind the last failing call on this thread.
 *
 * @return A number as in errno.h (ECONNRESET, EPIPE, ...) with ANWDL_REASON_IO_FAILED, and where
 *   another reason comes from a system call; 0 if no system call had failed.
 *
 * Python: errno of the OSError.
 */
int anwdl_last_error_errno(void);

/**
 * The name of a reason, for logs.
 *
 * @param reason Any number.
 *
 * @return The name without its prefix, such as "TIMEOUT" for ANWDL_REASON_TIMEOUT; "UNKNOWN" for a
 *   number that is no reason. Never NULL, valid for ever, not to be freed.
 */
const char *anwdl_error_reason_name(anwdl_error_reason_t reason);

/**
 * The version of the library that the program runs with.
 *
 * Compare it with ANWDL_VERSION, the version of the header that the program was compiled with.
 *
 * @return "MAJOR.MINOR.PATCH". Never NULL, valid for ever, not to be freed.
 *
 * Python: anwdlserver.__version__.
 */
const char *anwdl_version(void);

/**
 * The version of the library that the program runs with, and how it was built: for logs and for
 * reports of defects.
 *
 * @return "libanwdl MAJOR.MINOR.PATCH (AWS-LC)", or "(pure Rust)" in place of "(AWS-LC)" if the
 *   library was built without it. Never NULL, valid for ever, not to be freed.
 */
const char *anwdl_build_info(void);

/* -------------------
 * Options for clients
 * ------------------- */

/**
 * Frees a set of options. Clients that were made with it are not affected.
 *
 * @param options The options; NULL is fine and does nothing.
 */
void anwdl_client_options_free(anwdl_client_options_t *options);

/**
 * Makes a set of options, all at their defaults.
 *
 * @return The options, to be freed with anwdl_client_options_free(); NULL only after an internal
 *   failure (ANWDL_REASON_INTERNAL).
 *
 * Python: the default arguments of ClientInstance().
 */
ANWDL_MUST_USE
ANWDL_DEALLOC(anwdl_client_options_free)
anwdl_client_options_t *anwdl_client_options_new(void);

/**
 * Sets how long an operation on the connection may take.
 *
 * It is a deadline for the whole operation, counted from the call that begins it, however slowly
 * the peer drips its bytes. A blocking call returns when it has passed; a non-blocking client
 * looks at it each time the operation is called again. anwdl_client_new() with the automatic key
 * exchange counts as one operation, and so does anwdl_client_interface_connect_server(). A session
 * has no clock: to it, the timeout means nothing.
 *
 * @param options The options; not NULL.
 * @param milliseconds The timeout in milliseconds; 0 (the default) for none.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
 *
 * Python: ClientInstance(timeout=...), which is in seconds there, and for each recv() by itself.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_timeout(anwdl_client_options_t *options,
                                                uint32_t milliseconds);

/**
 * Sets the RSA key pair of the clients.
 *
 * Without it, all clients of the process share one key pair of 4096 bits, which is made when the
 * first of them needs it; that call then takes seconds.
 *
 * @param options The options; not NULL.
 * @param wrapper The wrapper; not NULL. It is copied cheaply: the copies share its local key pair,
 *   and the peer's public key is not copied. The caller may change or free it at once. One key
 *   pair can serve any number of clients on any number of threads; each client keeps its own
 *   peer's key.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or wrapper is NULL.
 *
 * Python: ClientInstance(rsa_wrapper=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_rsa_wrapper(anwdl_client_options_t *options,
                                                    const anwdl_rsa_wrapper_t *wrapper);

/**
 * Sets the AES key that the clients begin with.
 *
 * Where keys are exchanged, it is the key that this side offers if it sends its AES key first
 * (receive_first is false); if the peer sends first, the peer's key takes its place. Where keys
 * are not exchanged (anwdl_client_options_set_exchange_keys() with false), the session is ready at
 * once under this key, which the peer must have got in some other way.
 *
 * The key is for the framings v2 to v4, and in CBC mode. The authenticated framing, which
 * anwdl_client_options_set_protocol() chooses, always exchanges its keys: what was recorded under a
 * key that is used again could be replayed. So a wrapper in GCM mode is refused.
 *
 * Without it, each client draws a fresh key if it is the one to decide. Leave it so for peers that may
 * be released ones: they send the key back, so that sessions that share one can be replayed to each other.
 *
 * @param options The options; not NULL.
 * @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
 *   it at once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or wrapper is NULL, or the
 *   wrapper is in GCM mode.
 *
 * Python: ClientInstance(aes_wrapper=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_aes_wrapper(anwdl_client_options_t *options,
                                                    const anwdl_aes_wrapper_t *wrapper);

/**
 * Sets whether anwdl_client_new() exchanges the keys itself, the peer speaking first, and
 * anwdl_client_interface_connect_server(), this side speaking first.
 *
 * Neither does for a non-blocking client or one with a separate computation, and nothing does for a
 * session: call anwdl_client_exchange_keys(), or its four steps.
 *
 * @param options The options; not NULL.
 * @param exchange_keys true (the default) to exchange them there.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
 *
 * Python: ClientInstance(exchange_keys=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_exchange_keys(anwdl_client_options_t *options,
                                                      bool exchange_keys);

/**
 * Sets whether an AES key that was received is sent back as it came, as the released Python peers
 * do.
 *
 * By default this side answers it with a new key that is derived from it (HKDF-SHA-256, RFC 5869),
 * which every released peer takes. The authenticated framing never sends anything back.
 *
 * With true, whoever recorded a session can connect later with a key pair of his own, replay the
 * recorded key, get it back under his own key, and read the recording; whoever holds only the public
 * key of a pinned peer that speaks first passes for that peer; and recorded requests can be replayed.
 * Set it only to replay recordings, or for a peer that insists on its own key.
 *
 * @param options The options; not NULL.
 * @param key_echo true to send received keys back; false (the default) to answer with a new one.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_key_echo(anwdl_client_options_t *options,
                                                 bool key_echo);

/**
 * Sets whether calls that would have to wait for the peer return ANWDL_WANT_READ or
 * ANWDL_WANT_WRITE instead.
 *
 * The flags of the descriptor are never changed and do not matter: a blocking client works on a
 * descriptor with O_NONBLOCK set, and a non-blocking one without it. A session never waits, whatever
 * is set here.
 *
 * @param options The options; not NULL.
 * @param non_blocking true to return instead of waiting; false (the default) to wait.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
 *
 * Python: none; its sockets always block.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_non_blocking(anwdl_client_options_t *options,
                                                     bool non_blocking);

/**
 * Sets the only framing that the clients accept.
 *
 * A peer that speaks another one is refused, with ANWDL_REASON_PROTOCOL_MISMATCH: in the key
 * exchange where its secret already shows it (the authenticated framing against all others), else
 * at its first request. With ANWDL_PROTOCOL_GCM, nobody on the path can read or alter a message
 * unnoticed, provided the peer knows this side's fingerprint.
 *
 * To the side that connects, this is the framing that it speaks, and ANWDL_PROTOCOL_AUTO means
 * ANWDL_PROTOCOL_V4, unless the server sends its secret first and chooses the authenticated framing.
 *
 * @param options The options; not NULL.
 * @param protocol ANWDL_PROTOCOL_AUTO (the default) to accept all, or one of the others.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or protocol is an
 *   unknown number.
 *
 * Python: none; each release speaks one framing.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_protocol(anwdl_client_options_t *options,
                                                 anwdl_protocol_t protocol);

/**
 * Sets how long a request, or a response to this side, may be.
 *
 * A peer that announces a longer one is refused before anything is received or allocated for it,
 * with ANWDL_REASON_MESSAGE_TOO_LARGE.
 *
 * @param options The options; not NULL.
 * @param bytes The limit in bytes of JSON text (rounded up to whole cipher blocks), from 1 to
 *   99999999. The default is 1048576 (1 MiB).
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or bytes is out of
 *   range.
 *
 * Python: none; there is no limit.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_max_message_size(anwdl_client_options_t *options,
                                                         size_t bytes);

/**
 * Sets the IP address that the clients are said to have, in place of the address of the socket's
 * peer.
 *
 * It is what anwdl_client_get_ip() returns and what anwdl_client_get_id() is computed from: for a
 * server behind a proxy that reports the true address in some way of its own (for the usual one see
 * anwdl_client_options_set_proxy_protocol()), or on a Unix socket. It belongs to one
 * peer, so such options serve for one client.
 *
 * @param options The options; not NULL.
 * @param ip An IPv4 or IPv6 address as text, the latter with or without a zone
 *   ("fe80::1%eth0"); not NULL. It is copied, in the form that anwdl_client_get_ip() describes.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or ip is NULL, or ip is not
 *   UTF-8 or no IP address.
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_peer_ip(anwdl_client_options_t *options,
                                                const char *ip);

/**
 * Sets whether the connections of the clients begin with a PROXY protocol header: for a server behind
 * a proxy that sends one (HAProxy's "send-proxy" and "send-proxy-v2", and many others).
 *
 * The header is received at the beginning of the client's first operation, whichever that is, and
 * within its timeout; anwdl_client_new() with the automatic key exchange is such an operation. Not
 * one byte of what follows the header is taken with it. From then on anwdl_client_get_ip() and
 * anwdl_client_get_id() tell of the address in the header; "" if that is of a Unix socket. Before,
 * and after a header that names no client (LOCAL in version 2, as proxies send it for checks of
 * their own; UNKNOWN in version 1), they tell of the socket's. What
 * anwdl_client_options_set_peer_ip() gave has precedence over both. The additions of version 2
 * (TLVs) are skipped.
 *
 * A connection that begins with anything else, or with a header that is malformed or too long
 * (more than 107 bytes in version 1, or 4096 behind the first 16 in version 2), is refused with
 * ANWDL_REASON_BAD_PROXY_HEADER: nothing is sent to it, and the session has ended. One that stays
 * silent, or ends, is a timeout or a closed connection as in any other operation.
 *
 * Nothing proves what a header tells: with this option, nobody but the proxy may be able to connect
 * to the server, or everybody can claim any address.
 *
 * To a session, which has no connection, and to a client interface this means nothing.
 *
 * @param options The options; not NULL.
 * @param proxy_protocol ANWDL_PROXY_PROTOCOL_OFF (the default) or ANWDL_PROXY_PROTOCOL_REQUIRED.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or proxy_protocol is an
 *   unknown number.
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_proxy_protocol(anwdl_client_options_t *options,
                                                       anwdl_proxy_protocol_t proxy_protocol);

/**
 * Sets whether the private key operation of the key exchange is left to the caller.
 *
 * It takes milliseconds, for which an event loop would stand still. With true, an exchange returns
 * ANWDL_WANT_COMPUTATION when the operation is due. The caller then has anwdl_client_compute()
 * called on whatever thread it likes, while no other call uses the client, and calls the exchange
 * again afterwards. If the peer chose the authenticated framing, a second, shorter computation
 * follows: do the same again. This holds for blocking clients as well.
 *
 * A client that was given no RSA wrapper makes its key pair, or waits for it, when it begins to
 * exchange the keys, and that takes longer still: give it one.
 *
 * @param options The options; not NULL.
 * @param separate_computation true to leave it to the caller; false (the default) to do it within
 *   the exchange.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_separate_computation(anwdl_client_options_t *options,
                                                             bool separate_computation);

/**
 * Sets the fingerprint of the only public RSA key that is accepted from the peer.
 *
 * Another key is refused with ANWDL_REASON_FINGERPRINT_MISMATCH, before this side sends any secret.
 * It counts in a key exchange only. For the side that connects, this is what keeps others from
 * passing for the server; a server can pin a client in the same way.
 *
 * If the peer speaks first (receive_first is true), the exchange succeeds before the peer has shown
 * that it owns the key: only its first message does. Do nothing on its behalf until one was received.
 *
 * @param options The options; not NULL.
 * @param hex The fingerprint, 64 hexadecimal digits of either case, as
 *   anwdl_rsa_wrapper_get_fingerprint() and the Python client show it. It is copied. NULL (the
 *   default) to accept every key.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or hex is something else
 *   than 64 hexadecimal digits.
 *
 * Python: none; its client shows the fingerprint and asks the user.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_expected_fingerprint(anwdl_client_options_t *options,
                                                             const char *hex);

/* ----------------------------------
 * Clients: the Python ClientInstance
 * ---------------------------------- */

/**
 * Makes a client from a connected socket, as accept() returns it.
 *
 * Unless the options say otherwise, the call exchanges the keys before it returns, the peer
 * speaking first. It never does so for a non-blocking client or one with a separate computation,
 * and so never returns ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION.
 *
 * The flags of the descriptor are not changed. Of its options, SO_RCVLOWAT becomes 1 and, on a TCP
 * socket, TCP_NODELAY is set and TCP_CORK (Linux) cleared, so that no piece of the protocol waits for
 * the next. TCP_QUICKACK (Linux) is set twice while the keys are exchanged. All others hold as the
 * caller set them.
 *
 * @param fd A connected stream socket. With ANWDL_OK it belongs to the client, which closes it; do
 *   not use or close it otherwise from then on. After every failure it still belongs to the caller
 *   and is open.
 * @param options The options, copied; NULL for the defaults.
 * @param out_client Where to write the client, to be freed with anwdl_client_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_client is NULL.
 *   ANWDL_REASON_INVALID_DESCRIPTOR. If keys are exchanged, also those of
 *   anwdl_client_exchange_keys().
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED, ANWDL_REASON_RANDOM_FAILED. If keys are
 *   exchanged, also those of anwdl_client_exchange_keys().
 *
 * Python: ClientInstance(socket, timeout, rsa_wrapper, aes_wrapper, exchange_keys).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_new(int fd,
                                const anwdl_client_options_t *options,
                                anwdl_client_t **out_client);

/**
 * Closes the connection if it is open, wipes the keys and frees the client.
 *
 * Everything borrowed from the client ends with it. Requests that anwdl_client_recv_request()
 * returned through out_request do not.
 *
 * @param client The client; NULL is fine and does nothing.
 *
 * Python: del.
 */
void anwdl_client_free(anwdl_client_t *client);

/**
 * Closes the connection. The client stays, and must still be freed.
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED: it is closed, or detached, already.
 *
 * Python: ClientInstance.closeConnection().
 */
anwdl_status_t anwdl_client_close_connection(anwdl_client_t *client);

/**
 * Gives the descriptor back to the caller, unclosed. From then on the client counts as closed; it
 * must still be freed.
 *
 * Nothing that the peer has sent is lost if no operation is under way: the library does not read
 * beyond the message that it receives.
 *
 * @param client The client; not NULL.
 *
 * @return The descriptor, which the caller closes from now on. -1 if the client is closed or
 *   detached already (ANWDL_REASON_CLOSED), or client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: socket.detach().
 */
ANWDL_MUST_USE
int anwdl_client_detach(anwdl_client_t *client);

/**
 * Tells whether the client was closed or detached on this side.
 *
 * It does not notice that the peer has closed: the next operation does.
 *
 * @param client The client; not NULL.
 *
 * @return true after anwdl_client_close_connection() or anwdl_client_detach(), else false; false
 *   as well if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.isClosed().
 */
bool anwdl_client_is_closed(const anwdl_client_t *client);

/**
 * Tells whether the session has ended, by a failure or because the connection was closed or
 * detached.
 *
 * Asked after a failure, it tells whether the client is still of use: after ANWDL_REASON_TIMEOUT
 * before any byte has moved, say, the same call can be repeated; after one in the midst of a message
 * the session has ended.
 *
 * @param client The client; not NULL.
 *
 * @return true if nothing is left but to close and free the client, else false; false as well if
 *   client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none; there, a socket that failed is told from a sound one by trying again.
 */
bool anwdl_client_has_failed(const anwdl_client_t *client);

/**
 * Changes how long an operation on the connection may take.
 *
 * It holds for the operations that begin after the call; one that is under way in a non-blocking
 * client keeps its deadline. What a timeout is, is said at anwdl_client_options_set_timeout().
 *
 * @param client The client; not NULL.
 * @param milliseconds The timeout in milliseconds; 0 for none.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *
 * Python: ClientInstance.getSocketDescriptor().settimeout(), in seconds there, and for each
 * recv() by itself.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_timeout(anwdl_client_t *client,
                                        uint32_t milliseconds);

/**
 * The descriptor of the connection, for poll(), epoll and the like.
 *
 * It stays the client's: do not close it, and do not read from it or write to it.
 *
 * @param client The client; not NULL.
 *
 * @return The descriptor; -1 if the client is closed, which is no failure: the last error stays as
 *   it was. -1 as well if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getSocketDescriptor().
 */
int anwdl_client_get_socket_descriptor(const anwdl_client_t *client);

/**
 * The IP address of the peer as text.
 *
 * IPv4 is dotted ("192.0.2.1"), also where it came mapped into IPv6; IPv6 is in the form of RFC
 * 5952 ("2001:db8::1"), without a zone. What anwdl_client_options_set_peer_ip() gave takes its
 * place. For sockets
 * of another family, a Unix socket for example, it is "" otherwise.
 *
 * Where a PROXY protocol header is to come (anwdl_client_options_set_proxy_protocol()), it is the
 * address of the socket's peer, the proxy, until the first operation has received the header; ask
 * again then. A text from before stays valid, and as it was.
 *
 * @param client The client; not NULL.
 *
 * @return The text, borrowed until the client is freed, also while it is closed; NULL if client is
 *   NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getIP().
 */
const char *anwdl_client_get_ip(const anwdl_client_t *client);

/**
 * The ID of the client: the first 7 hexadecimal digits of the SHA-256 of its IP text.
 *
 * So two connections from one address have one ID. It changes when the text does: see
 * anwdl_client_get_ip().
 *
 * @param client The client; not NULL.
 *
 * @return The text, borrowed until the client is freed, also while it is closed; NULL if client is
 *   NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getID().
 */
const char *anwdl_client_get_id(const anwdl_client_t *client);

/**
 * When the client was made.
 *
 * @param client The client; not NULL.
 *
 * @return Seconds since 1970-01-01 00:00 UTC, negative before; 0 if client is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getCreationTimestamp().
 */
int64_t anwdl_client_get_creation_timestamp(const anwdl_client_t *client);

/**
 * The framing that the session uses.
 *
 * @param client The client; not NULL.
 *
 * @return The framing, once it is known: at once where the options name it, after the key exchange
 *   for the authenticated one, after the first request (or response) for the others. Until then,
 *   ANWDL_PROTOCOL_AUTO; also if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none; each release speaks one framing.
 */
anwdl_protocol_t anwdl_client_get_protocol(const anwdl_client_t *client);

/**
 * The RSA wrapper of the client: its local key pair and, once received, the peer's public key.
 *
 * @param client The client; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the client without const, or its
 *   end: do not free it. NULL while the client has none, which is no failure: one that was given
 *   none takes the process's key pair when it first needs it. NULL as well if client is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getRSAWrapper().
 */
const anwdl_rsa_wrapper_t *anwdl_client_get_rsa_wrapper(const anwdl_client_t *client);

/**
 * The AES wrapper of the client: the key of the session and its present IV.
 *
 * @param client The client; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the client without const, or its
 *   end: do not free it. NULL while the client has none, which is no failure, and in a session of the
 *   authenticated framing, whose keys, one for each
 *   direction, the library keeps to itself. NULL as well if
 *   client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getAESWrapper().
 */
const anwdl_aes_wrapper_t *anwdl_client_get_aes_wrapper(const anwdl_client_t *client);

/**
 * Replaces the RSA key pair of the client, before keys are exchanged.
 *
 * @param client The client; not NULL.
 * @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
 *   key pair is shared, its peer's key is not copied, and the caller may change or free it at
 *   once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or wrapper is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.setRSAWrapper(rsa_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_rsa_wrapper(anwdl_client_t *client,
                                            const anwdl_rsa_wrapper_t *wrapper);

/**
 * Replaces the AES key of the client, before keys are exchanged or where none are.
 *
 * What it then means is said at anwdl_client_options_set_aes_wrapper().
 *
 * @param client The client; not NULL.
 * @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
 *   it at once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or wrapper is NULL, or the
 *   wrapper is in GCM mode.
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.setAESWrapper(aes_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_aes_wrapper(anwdl_client_t *client,
                                            const anwdl_aes_wrapper_t *wrapper);

/**
 * Exchanges public RSA keys and the AES key with the peer: all four steps.
 *
 * With receive_first: anwdl_client_recv_public_rsa_key(), anwdl_client_send_public_rsa_key(),
 * anwdl_client_recv_aes_key(), anwdl_client_send_aes_key(). Without it, each "recv" and "send"
 * change places. The side that sends its AES key first decides the key of the session.
 *
 * Blocking: the call returns when the keys are exchanged or the timeout has passed. Non-blocking:
 * it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is done. With a separate computation, it
 * returns ANWDL_WANT_COMPUTATION once, in the authenticated framing twice if the peer chose that, also
 * where it blocks otherwise.
 *
 * @param client The client; not NULL.
 * @param receive_first true if the peer speaks first, as the released clients do.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
 *   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH, ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the
 *   wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
 *   ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInstance.exchangeKeys(receive_first).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_exchange_keys(anwdl_client_t *client,
                                          bool receive_first);

/**
 * One step of the key exchange: sends the local public RSA key.
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_public_rsa_key(anwdl_client_t *client);

/**
 * One step of the key exchange: receives the peer's public RSA key.
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
 *   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION,
 *   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInstance.recvPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_public_rsa_key(anwdl_client_t *client);

/**
 * One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
 *
 * If the peer's AES key was received before, a new key that is derived from it is sent, see
 * anwdl_client_options_set_key_echo().
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key, or the peer's public key was not received yet.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_aes_key(anwdl_client_t *client);

/**
 * One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
 * key.
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH,
 *   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.recvAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_aes_key(anwdl_client_t *client);

/**
 * Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
 * or, second, the answer to the peer's ephemeral keys in the authenticated framing.
 *
 * It takes milliseconds, and may be called on any thread; no other call may use the client
 * meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is called
 * again, which is due in any case.
 *
 * @param client The client; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
 *   ANWDL_REASON_OUT_OF_TURN: no computation is due.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED.
 *
 * Python: none; it is a part of ClientInstance.recvAESKey().
 */
anwdl_status_t anwdl_client_compute(anwdl_client_t *client);

/**
 * Receives a request.
 *
 * Blocking: the call returns when a whole request is there or the timeout has passed.
 * Non-blocking: it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is.
 *
 * @param client The client; not NULL.
 * @param store_request true to keep the request in the client, in place of an earlier one, for
 *   anwdl_client_get_stored_request(); false to leave the stored one as it is.
 * @param out_request Where to write the request, to be freed with anwdl_request_free(); it stays
 *   valid whatever happens to the client. NULL is fine if store_request is true.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL, or out_request is NULL
 *   and store_request false. ANWDL_REASON_MALFORMED_REQUEST: the session goes on,
 *   anwdl_client_get_request_errors() tells what is wrong, and
 *   anwdl_client_get_malformed_request_json() what was received. ANWDL_REASON_OUT_OF_TURN: the last
 *   request, well-formed or not, has no response yet; nothing was received, and the session goes
 *   on. ANWDL_REASON_MESSAGE_TOO_LARGE,
 *   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH, ANWDL_REASON_BAD_PROXY_HEADER: the session has ended.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT,
 *   ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.recvRequest(store_request).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_request(anwdl_client_t *client,
                                         bool store_request,
                                         anwdl_request_t **out_request);

/**
 * The request that the client keeps: the last one that anwdl_client_recv_request() received with
 * store_request.
 *
 * @param client The client; not NULL.
 *
 * @return The request, borrowed until the client stores another one or is freed: do not free it.
 *   NULL if none is stored, which is no failure. NULL as well if client is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getStoredRequest().
 */
const anwdl_request_t *anwdl_client_get_stored_request(const anwdl_client_t *client);

/**
 * What is wrong with the last request, if it did not fit the request format
 * (ANWDL_REASON_MALFORMED_REQUEST).
 *
 * It has the shape that the Python peers' validator gives, for example {"verb": ["required
 * field"], "parameters": [{"client_token": ["must be of string type"]}]}. Of a text that Python's
 * json.loads() reads and that is no strict JSON, it tells what is not, and where: {"request": ["no
 * strict JSON at line 1 column 37 (byte 36): no number of JSON: write null, or a string"]}.
 *
 * @param client The client; not NULL.
 *
 * @return A JSON object in UTF-8, ending with NUL, borrowed until the next
 *   anwdl_client_recv_request() or the end of the client. NULL if the last request was not
 *   malformed, which is no failure. NULL as well if client is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the errors in the tuple that ClientInstance.recvRequest() returns.
 */
const char *anwdl_client_get_request_errors(const anwdl_client_t *client);

/**
 * The text of the last request, if it did not fit the request format
 * (ANWDL_REASON_MALFORMED_REQUEST).
 *
 * It is the very text that was received, without the blanks around it: for a log of one's own, or
 * for a server that takes more than the format allows. Python's json.loads() reads it. Not every
 * other reader does: it may hold NaN, Infinity, half surrogate pairs, a key twice, and more than 64
 * levels of objects and arrays. Nothing says that it is an object.
 *
 * It may hold client tokens, and is wiped when it ends.
 *
 * @param client The client; not NULL.
 *
 * @return The text in UTF-8, ending with NUL and with no NUL inside, borrowed until the next
 *   anwdl_client_recv_request() or the end of the client. NULL if the last request was not
 *   malformed, which is no failure. NULL as well if client is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the request in the tuple that ClientInstance.recvRequest() returns.
 */
const char *anwdl_client_get_malformed_request_json(const anwdl_client_t *client);

/**
 * Sends a response.
 *
 * What goes out is {"success": success, "message": message, "data": data}, with the data as they
 * were given. With a reason, the message becomes "message (reason : reason)".
 *
 * The data are checked against the response format before anything is sent: container_uuid,
 * client_token, container_iso_sha256, container_username, container_password and
 * container_listen_port come together or not at all, so do uptime and version, and each fits its
 * own format. Other keys are allowed.
 *
 * There is one response to each request that was received, in their order. One may be sent before the
 * first request, to say that the server is unavailable. As no request has shown then what the client
 * speaks, it goes out in the framing that anwdl_client_options_set_protocol() names, and in that of
 * ANWDL_PROTOCOL_V4 without it, which clients of the releases 2 and 3 cannot read; to answer those,
 * receive their request first.
 *
 * Blocking: the call returns when the response is sent or the timeout has passed. Non-blocking: it
 * returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is; the repeated calls finish the response
 * of the first.
 *
 * @param client The client; not NULL.
 * @param success Whether the request was carried out.
 * @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
 * @param data_json The text of a JSON object, UTF-8; NULL for {}. It is strict JSON that every
 *   released peer reads: no NaN, no key twice, no half surrogate pair, at most 63 levels, no integer
 *   of more than 4300 digits. Numbers stay as they are written, 1e400 and -0 too.
 * @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or message is NULL, or a text is
 *   not UTF-8. ANWDL_REASON_MALFORMED_RESPONSE: data_json is no acceptable JSON object, and the
 *   message names line, column and cure, or it breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE:
 *   longer than the framing can carry.
 *   ANWDL_REASON_OUT_OF_TURN: each request has its response already. In all these cases
 *   nothing was sent and the session goes on. ANWDL_REASON_BAD_PROXY_HEADER: it has ended.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendResponse(success, message, data, reason).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_response(anwdl_client_t *client,
                                          bool success,
                                          const char *message,
                                          const char *data_json,
                                          const char *reason);

/* -----------------------------
 * Sessions without a descriptor
 * ----------------------------- */

/**
 * Makes a session. It begins to exchange the keys only when it is told to.
 *
 * @param role Which side of the connection it is.
 * @param options The options, copied; NULL for the defaults. The timeout and the non-blocking
 *   option mean nothing to a session. If keys are not to be exchanged, it is ready at once under
 *   the AES wrapper of the options.
 * @param out_session Where to write the session, to be freed with anwdl_session_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: role is an unknown number, or
 *   out_session is NULL. ANWDL_REASON_PROTOCOL_MISMATCH: the mode of the AES wrapper does not fit
 *   the framing that the options name.
 *
 * Python: none; ClientInstance() needs a socket.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_new(anwdl_role_t role,
                                 const anwdl_client_options_t *options,
                                 anwdl_session_t **out_session);

/**
 * Wipes the keys and frees the session.
 *
 * Everything borrowed from the session ends with it. Requests and responses that were received do
 * not.
 *
 * @param session The session; NULL is fine and does nothing.
 *
 * Python: del.
 */
void anwdl_session_free(anwdl_session_t *session);

/**
 * Exchanges public RSA keys and the AES key with the peer: all four steps.
 *
 * With receive_first: anwdl_session_recv_public_rsa_key(), anwdl_session_send_public_rsa_key(),
 * anwdl_session_recv_aes_key(), anwdl_session_send_aes_key(). Without it, each "recv" and "send"
 * change places. The side that sends its AES key first decides the key of the session.
 *
 * It returns ANWDL_WANT_READ, ANWDL_WANT_WRITE and, with a separate computation,
 * ANWDL_WANT_COMPUTATION until it is done.
 *
 * @param session The session; not NULL.
 * @param receive_first true if the peer speaks first, as the released clients do: usual for
 *   ANWDL_ROLE_SERVER; false if this side does.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
 *   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
 *   ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInstance.exchangeKeys(receive_first).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_exchange_keys(anwdl_session_t *session,
                                           bool receive_first);

/**
 * One step of the key exchange: sends the local public RSA key.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_public_rsa_key(anwdl_session_t *session);

/**
 * One step of the key exchange: receives the peer's public RSA key.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
 *   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInstance.recvPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_public_rsa_key(anwdl_session_t *session);

/**
 * One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
 *
 * If the peer's AES key was received before, a new key that is derived from it is sent, see
 * anwdl_client_options_set_key_echo().
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key, or the peer's public key was
 *   not received yet.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_aes_key(anwdl_session_t *session);

/**
 * One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
 * key.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.recvAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_aes_key(anwdl_session_t *session);

/**
 * Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
 * or, second, the answer to the peer's ephemeral keys in the authenticated framing.
 *
 * It takes milliseconds, and may be called on any thread; no other call may use the session
 * meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is
 * called again, which is due in any case.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *   ANWDL_REASON_OUT_OF_TURN: no computation is due.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED.
 *
 * Python: none; it is a part of ClientInstance.recvAESKey().
 */
anwdl_status_t anwdl_session_compute(anwdl_session_t *session);

/**
 * ANWDL_ROLE_SERVER only. Receives a request.
 *
 * @param session The session; not NULL.
 * @param store_request true to keep the request in the session, in place of an earlier one, for
 *   anwdl_session_get_stored_request(); false to leave the stored one as it is.
 * @param out_request Where to write the request, to be freed with anwdl_request_free(); it stays
 *   valid whatever happens to the session. NULL is fine if store_request is true.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL, or out_request is NULL
 *   and store_request false. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_REQUEST: the session
 *   goes on, anwdl_session_get_request_errors() tells what is wrong, and
 *   anwdl_session_get_malformed_request_json() what was received. ANWDL_REASON_OUT_OF_TURN: the
 *   last request, well-formed or not, has no response yet; nothing was received, and the session
 *   goes on. ANWDL_REASON_MESSAGE_TOO_LARGE, ANWDL_REASON_PROTOCOL_VIOLATION,
 *   ANWDL_REASON_DECRYPTION_FAILED, ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.recvRequest(store_request).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_request(anwdl_session_t *session,
                                          bool store_request,
                                          anwdl_request_t **out_request);

/**
 * ANWDL_ROLE_SERVER only. Sends a response.
 *
 * What goes out, what is checked before, and when a response may be sent, is said at
 * anwdl_client_send_response().
 *
 * @param session The session; not NULL.
 * @param success Whether the request was carried out.
 * @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
 * @param data_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said at
 *   anwdl_client_send_response().
 * @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or message is NULL, or a text
 *   is not UTF-8. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_RESPONSE: data_json is no
 *   acceptable JSON object or breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the
 *   framing can carry. ANWDL_REASON_OUT_OF_TURN: each request has its response already. In all
 *   these cases nothing was sent and the session goes on.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInstance.sendResponse(success, message, data, reason).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_response(anwdl_session_t *session,
                                           bool success,
                                           const char *message,
                                           const char *data_json,
                                           const char *reason);

/**
 * ANWDL_ROLE_CLIENT only. Sends a request.
 *
 * What goes out is {"verb": verb, "parameters": parameters}, with the parameters as they were
 * given. Both are checked against the request format before anything is sent: the verb has letters
 * A to Z only, and container_uuid and client_token come together or not at all, and each fits its
 * own format. Other parameters are allowed.
 *
 * There is one response to each request, and it is received before the next request is sent.
 *
 * @param session The session; not NULL.
 * @param verb What is asked for, UTF-8; not NULL. Every server knows "CREATE", "DESTROY" and
 *   "STAT".
 * @param parameters_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said of
 *   the data_json of anwdl_client_send_response().
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or verb is NULL, or a text is
 *   not UTF-8. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_REQUEST: verb or parameters_json
 *   breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the framing can carry.
 *   ANWDL_REASON_OUT_OF_TURN: the last request has no response yet. In all these cases nothing was
 *   sent and the session goes on.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInterface.sendRequest(verb, parameters).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_request(anwdl_session_t *session,
                                          const char *verb,
                                          const char *parameters_json);

/**
 * ANWDL_ROLE_CLIENT only. Receives a response.
 *
 * @param session The session; not NULL.
 * @param out_response Where to write the response, to be freed with anwdl_response_free(); it
 *   stays valid whatever happens to the session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ
 * @retval ANWDL_WANT_WRITE
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or out_response is NULL.
 *   ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
 *   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInterface.recvResponse().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_response(anwdl_session_t *session,
                                           anwdl_response_t **out_response);

/**
 * Takes bytes that came from the peer.
 *
 * No more are taken than the operation under way can use now: none if there is none under way, or
 * if it has all that it waited for and is to be called again. So what follows a message stays with
 * the caller. Pieces of any size will do.
 *
 * @param session The session; not NULL.
 * @param bytes The bytes, copied; NULL is fine if len is 0.
 * @param len Their number.
 * @param out_taken Where to write how many bytes were taken, counted from the first; the rest is
 *   to be fed again, after the operation was called again; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or out_taken is NULL, or bytes
 *   is NULL and len is not 0.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED: also after anwdl_session_end().
 *   ANWDL_REASON_PEER_CLOSED: anwdl_session_feed_end() was called before.
 *
 * Python: none; socket.recv() is called inside.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_feed(anwdl_session_t *session,
                                  const uint8_t *bytes,
                                  size_t len,
                                  size_t *out_taken);

/**
 * Tells the session that the peer has closed its side: no more bytes will be fed.
 *
 * An operation that waits for bytes then fails with ANWDL_REASON_PEER_CLOSED when it is called
 * again, as on a socket, and so does every later one.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED: also after anwdl_session_end().
 *
 * Python: none; socket.recv() is called inside.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_feed_end(anwdl_session_t *session);

/**
 * The bytes that are to be sent to the peer.
 *
 * After ANWDL_WANT_WRITE there are some. Send them in their order, all at once or in pieces of any
 * size, and count those that are on their way with anwdl_session_sent(). Whoever counts them
 * before they have left has to keep a copy.
 *
 * @param session The session; not NULL.
 * @param bytes Where to write the address of the bytes, borrowed until the next call that takes
 *   the session without const: do not free them; not NULL.
 * @param len Where to write their number, which may be 0; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: none; socket.sendall() is called inside.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_get_pending(const anwdl_session_t *session,
                                         const uint8_t **bytes,
                                         size_t *len);

/**
 * Counts bytes that anwdl_session_get_pending() lent and that are on their way to the peer.
 *
 * @param session The session; not NULL.
 * @param count How many of them, counted from the first; 0 is fine.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL, or fewer bytes are
 *   pending.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, only after a defect of the library.
 *
 * Python: none; socket.sendall() is called inside.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_sent(anwdl_session_t *session, size_t count);

/**
 * What the operation under way waits for.
 *
 * @param session The session; not NULL.
 *
 * @return ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION as the operation itself
 *   would return it. ANWDL_OK if it waits for nothing: none is under way, or the one under way
 *   gets further by being called again, as after the last byte that it waited for.
 *   ANWDL_VALUE_ERROR if session is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_get_wants(const anwdl_session_t *session);

/**
 * Ends the session and wipes its keys: for a peer that took too long, or after the last message.
 * The session must still be freed.
 *
 * Every later operation fails with ANWDL_REASON_SESSION_FAILED. Ending it again does nothing.
 *
 * @param session The session; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
 *
 * Python: ClientInstance.closeConnection().
 */
anwdl_status_t anwdl_session_end(anwdl_session_t *session);

/**
 * Tells whether a failure, or anwdl_session_end(), ended the session. What is pending then is
 * nothing more.
 *
 * @param session The session; not NULL.
 *
 * @return true if nothing is left but to free it, else false; false as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none.
 */
bool anwdl_session_has_failed(const anwdl_session_t *session);

/**
 * Which side of the connection the session is.
 *
 * @param session The session; not NULL.
 *
 * @return The role that it was made with; ANWDL_ROLE_SERVER as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the class, ClientInstance or ClientInterface.
 */
anwdl_role_t anwdl_session_get_role(const anwdl_session_t *session);

/**
 * The framing that the session uses.
 *
 * @param session The session; not NULL.
 *
 * @return The framing, once it is known: at once where the options name it and in the role of a
 *   client, after the key exchange for the authenticated one, after the first request for the
 *   others. Until then, ANWDL_PROTOCOL_AUTO. ANWDL_PROTOCOL_AUTO as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none; each release speaks one framing.
 */
anwdl_protocol_t anwdl_session_get_protocol(const anwdl_session_t *session);

/**
 * The RSA wrapper of the session: its local key pair and, once received, the peer's public key.
 *
 * @param session The session; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the session without const, or its
 *   end: do not free it. NULL while the session has none, which is no failure: one that was given
 *   none takes the process's key pair when it first needs it. NULL as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getRSAWrapper().
 */
const anwdl_rsa_wrapper_t *anwdl_session_get_rsa_wrapper(const anwdl_session_t *session);

/**
 * The AES wrapper of the session: the key of the session and its present IV.
 *
 * @param session The session; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the session without const, or its
 *   end: do not free it. NULL while the session has none, which is no failure, and in a session of the
 *   authenticated framing, whose keys, one for each
 *   direction, the library keeps to itself. NULL as well if
 *   session is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getAESWrapper().
 */
const anwdl_aes_wrapper_t *anwdl_session_get_aes_wrapper(const anwdl_session_t *session);

/**
 * Replaces the RSA key pair of the session, before keys are exchanged.
 *
 * @param session The session; not NULL.
 * @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
 *   key pair is shared, its peer's key is not copied, and the caller may change or free it at
 *   once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or wrapper is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.setRSAWrapper(rsa_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_set_rsa_wrapper(anwdl_session_t *session,
                                             const anwdl_rsa_wrapper_t *wrapper);

/**
 * Replaces the AES key of the session, before keys are exchanged or where none are.
 *
 * What it then means is said at anwdl_client_options_set_aes_wrapper().
 *
 * @param session The session; not NULL.
 * @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
 *   it at once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or wrapper is NULL, or the
 *   wrapper is in GCM mode.
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInstance.setAESWrapper(aes_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_set_aes_wrapper(anwdl_session_t *session,
                                             const anwdl_aes_wrapper_t *wrapper);

/**
 * The request that the session keeps: the last one that anwdl_session_recv_request() received with
 * store_request.
 *
 * @param session The session; not NULL.
 *
 * @return The request, borrowed until the session stores another one or is freed: do not free it.
 *   NULL if none is stored, which is no failure. NULL as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInstance.getStoredRequest().
 */
const anwdl_request_t *anwdl_session_get_stored_request(const anwdl_session_t *session);

/**
 * What is wrong with the last request, if it did not fit the request format
 * (ANWDL_REASON_MALFORMED_REQUEST).
 *
 * It has the shape that is shown at anwdl_client_get_request_errors().
 *
 * @param session The session; not NULL.
 *
 * @return A JSON object in UTF-8, ending with NUL, borrowed until the next
 *   anwdl_session_recv_request() or the end of the session. NULL if the last request was not
 *   malformed, which is no failure. NULL as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the errors in the tuple that ClientInstance.recvRequest() returns.
 */
const char *anwdl_session_get_request_errors(const anwdl_session_t *session);

/**
 * The text of the last request, if it did not fit the request format
 * (ANWDL_REASON_MALFORMED_REQUEST).
 *
 * What it may be is said at anwdl_client_get_malformed_request_json().
 *
 * @param session The session; not NULL.
 *
 * @return The text in UTF-8, ending with NUL and with no NUL inside, borrowed until the next
 *   anwdl_session_recv_request() or the end of the session. NULL if the last request was not
 *   malformed, which is no failure. NULL as well if session is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the request in the tuple that ClientInstance.recvRequest() returns.
 */
const char *anwdl_session_get_malformed_request_json(const anwdl_session_t *session);

/* --------------------------------------------------
 * The side that connects: the Python ClientInterface
 * -------------------------------------------------- */

/**
 * Makes a client interface that is not connected yet.
 *
 * @param options The options, copied; NULL for the defaults. ANWDL_PROTOCOL_AUTO means
 *   ANWDL_PROTOCOL_V4, as the released servers speak, unless the server chooses the authenticated
 *   framing. The peer's IP address means nothing here.
 * @param out_interface Where to write the interface, to be freed with
 *   anwdl_client_interface_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_interface is NULL.
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the mode of the AES wrapper does not fit the framing that the
 *   options name.
 *
 * Python: ClientInterface(server_ip, server_listen_port, timeout, rsa_wrapper, aes_wrapper); here the
 * address comes with the call that connects.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_new(const anwdl_client_options_t *options,
                                          anwdl_client_interface_t **out_interface);

/**
 * Closes the connection if there is one, wipes the keys and frees the interface.
 *
 * Everything borrowed from the interface ends with it. Responses that were received do not.
 *
 * @param client_interface The interface; NULL is fine and does nothing.
 *
 * Python: del.
 */
void anwdl_client_interface_free(anwdl_client_interface_t *client_interface);

/**
 * Connects to a server and, unless the options say otherwise, exchanges the keys, this side
 * speaking first.
 *
 * All addresses of a name are tried in turn, each with its share of the time that is left. The
 * call waits until all is done or the timeout of the options has passed, in a non-blocking
 * interface too; that one, and one with a separate computation, exchanges its keys only in
 * anwdl_client_interface_exchange_keys(), and so the call never returns ANWDL_WANT_READ,
 * ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION. To let the server speak first, set
 * anwdl_client_options_set_exchange_keys() to false and call that function as well.
 *
 * With a timeout, a name is looked up on a thread of the library's own, on which all signals are
 * blocked, and which is left behind if the timeout passes first.
 *
 * After a failure there is no connection, and the call can be repeated. If it was the server's key
 * that was not the expected one, anwdl_client_interface_get_server_fingerprint() still has its
 * fingerprint.
 *
 * @param client_interface The interface; not NULL.
 * @param host An IPv4 or IPv6 address or a name, UTF-8; not NULL.
 * @param port The port, 1 to 65535; servers listen at 6150 by default.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or host is NULL, host is
 *   empty or not UTF-8, or port is 0. ANWDL_REASON_ALREADY_CONNECTED: close the connection first.
 *   If keys are exchanged, also those of anwdl_client_interface_exchange_keys().
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CONNECT_FAILED, ANWDL_REASON_TIMEOUT. If keys are
 *   exchanged, also those of anwdl_client_interface_exchange_keys().
 *
 * Python: ClientInterface.connectServer(receive_first), which exchanges the keys as well and takes the
 * address from the constructor.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_connect_server(anwdl_client_interface_t *client_interface,
                                                     const char *host,
                                                     uint16_t port);

/**
 * Closes the connection and wipes the keys of the session. The interface stays, can connect again,
 * and must still be freed.
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED: there is no connection.
 *
 * Python: ClientInterface.closeConnection().
 */
anwdl_status_t anwdl_client_interface_close_connection(anwdl_client_interface_t *client_interface);

/**
 * Tells whether there is no connection: none was made yet, or it was closed on this side.
 *
 * It does not notice that the server has closed: the next operation does.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return true if there is no connection, else false; false as well if client_interface is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInterface.isClosed().
 */
bool anwdl_client_interface_is_closed(const anwdl_client_interface_t *client_interface);

/**
 * Tells whether the session has ended, by a failure or because the connection was closed.
 *
 * What it is asked for is said at anwdl_client_has_failed(). It has not ended before there was a
 * connection, nor where connecting failed.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return true if nothing is left but to close the connection, else false; false as well if
 *   client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none; there, a socket that failed is told from a sound one by trying again.
 */
bool anwdl_client_interface_has_failed(const anwdl_client_interface_t *client_interface);

/**
 * Changes how long an operation may take, in this connection and in those that are made later.
 *
 * It holds for the operations that begin after the call; one that is under way in a non-blocking
 * interface keeps its deadline. What a timeout is, is said at anwdl_client_options_set_timeout().
 *
 * @param client_interface The interface; not NULL.
 * @param milliseconds The timeout in milliseconds; 0 for none.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *
 * Python: ClientInterface.getSocketDescriptor().settimeout(), in seconds there, and for each
 * recv() by itself.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_timeout(anwdl_client_interface_t *client_interface,
                                                  uint32_t milliseconds);

/**
 * The descriptor of the connection, for poll(), epoll and the like.
 *
 * It stays the interface's: do not close it, and do not read from it or write to it.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return The descriptor; -1 if there is no connection, which is no failure: the last error stays
 *   as it was. -1 as well if client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInterface.getSocketDescriptor().
 */
int anwdl_client_interface_get_socket_descriptor(const anwdl_client_interface_t *client_interface);

/**
 * The fingerprint of the server's public RSA key, once it was received.
 *
 * @param client_interface The interface; not NULL.
 * @param out_hex Where to write the fingerprint, 64 hexadecimal digits in lower case, to be freed
 *   with anwdl_string_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *   ANWDL_REASON_KEY_MISSING: no key of the server was received yet.
 *
 * Python: none; its client computes it.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_get_server_fingerprint(const anwdl_client_interface_t *client_interface,
                                                             char **out_hex);

/**
 * The framing that the session uses.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return The framing that the options name, ANWDL_PROTOCOL_V4 for ANWDL_PROTOCOL_AUTO; the
 *   authenticated one once it is agreed on. ANWDL_PROTOCOL_AUTO as well if client_interface is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: none; each release speaks one framing.
 */
anwdl_protocol_t anwdl_client_interface_get_protocol(const anwdl_client_interface_t *client_interface);

/**
 * The RSA wrapper of the interface: its local key pair and, once received, the peer's public key.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the interface without const, or its
 *   end: do not free it. NULL while the interface has none, which is no failure: one that was
 *   given none takes the process's key pair when it first needs it. NULL as well if client_interface is
 *   NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInterface.getRSAWrapper().
 */
const anwdl_rsa_wrapper_t *anwdl_client_interface_get_rsa_wrapper(const anwdl_client_interface_t *client_interface);

/**
 * The AES wrapper of the interface: the key of the session and its present IV.
 *
 * @param client_interface The interface; not NULL.
 *
 * @return The wrapper, borrowed until the next call that takes the interface without const, or its
 *   end: do not free it. NULL while the interface has none, which is no failure, and in a session of the
 *   authenticated framing, whose keys, one for each
 *   direction, the library keeps to itself. NULL as well if
 *   client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: ClientInterface.getAESWrapper().
 */
const anwdl_aes_wrapper_t *anwdl_client_interface_get_aes_wrapper(const anwdl_client_interface_t *client_interface);

/**
 * Replaces the RSA key pair of the interface, before keys are exchanged. What is set is kept for
 * later connections.
 *
 * @param client_interface The interface; not NULL.
 * @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
 *   key pair is shared, its peer's key is not copied, and the caller may change or free it at
 *   once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or wrapper is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInterface.setRSAWrapper(rsa_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_rsa_wrapper(anwdl_client_interface_t *client_interface,
                                                      const anwdl_rsa_wrapper_t *wrapper);

/**
 * Replaces the AES key of the interface, before keys are exchanged or where none are. What is set
 * is kept for later connections.
 *
 * What it then means is said at anwdl_client_options_set_aes_wrapper().
 *
 * @param client_interface The interface; not NULL.
 * @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
 *   it at once.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or wrapper is NULL, or the
 *   wrapper is in GCM mode.
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInterface.setAESWrapper(aes_wrapper).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_aes_wrapper(anwdl_client_interface_t *client_interface,
                                                      const anwdl_aes_wrapper_t *wrapper);

/**
 * Exchanges public RSA keys and the AES key with the peer: all four steps.
 *
 * With receive_first: anwdl_client_interface_recv_public_rsa_key(),
 * anwdl_client_interface_send_public_rsa_key(), anwdl_client_interface_recv_aes_key(),
 * anwdl_client_interface_send_aes_key(). Without it, each "recv" and "send" change places. The
 * side that sends its AES key first decides the key of the session.
 *
 * Blocking: the call returns when the keys are exchanged or the timeout has passed. Non-blocking:
 * it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is done. With a separate computation, it
 * returns ANWDL_WANT_COMPUTATION once, in the authenticated framing twice if the peer chose that, also
 * where it blocks otherwise.
 *
 * @param client_interface The interface; not NULL.
 * @param receive_first true if the server speaks first; false if this side does, as the released
 *   clients do.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
 *   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
 *   key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
 *   ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInterface.connectServer(receive_first), of which it is a part.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_exchange_keys(anwdl_client_interface_t *client_interface,
                                                    bool receive_first);

/**
 * One step of the key exchange: sends the local public RSA key.
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInterface.sendPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_public_rsa_key(anwdl_client_interface_t *client_interface);

/**
 * One step of the key exchange: receives the peer's public RSA key.
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
 *   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
 *
 * Python: ClientInterface.recvPublicRSAKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_public_rsa_key(anwdl_client_interface_t *client_interface);

/**
 * One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
 *
 * If the peer's AES key was received before, a new key that is derived from it is sent, see
 * anwdl_client_options_set_key_echo().
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key, or the peer's public key was
 *   not received yet.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInterface.sendAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_aes_key(anwdl_client_interface_t *client_interface);

/**
 * One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
 * key.
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH.
 *   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInterface.recvAESKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_aes_key(anwdl_client_interface_t *client_interface);

/**
 * Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
 * or, second, the answer to the peer's ephemeral keys in the authenticated framing.
 *
 * It takes milliseconds, and may be called on any thread; no other call may use the interface
 * meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is
 * called again, which is due in any case.
 *
 * @param client_interface The interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
 *   ANWDL_REASON_OUT_OF_TURN: no computation is due.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED.
 *
 * Python: none; it is a part of ClientInterface.recvAESKey().
 */
anwdl_status_t anwdl_client_interface_compute(anwdl_client_interface_t *client_interface);

/**
 * Sends a request.
 *
 * What goes out is {"verb": verb, "parameters": parameters}, with the parameters as they were
 * given. Both are checked against the request format before anything is sent: the verb has letters
 * A to Z only, and container_uuid and client_token come together or not at all, and each fits its
 * own format. Other parameters are allowed.
 *
 * There is one response to each request, and it is received before the next request is sent.
 *
 * @param client_interface The interface; not NULL.
 * @param verb What is asked for, UTF-8; not NULL. Every server knows "CREATE", "DESTROY" and
 *   "STAT".
 * @param parameters_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said of
 *   the data_json of anwdl_client_send_response().
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or verb is NULL, or a text is
 *   not UTF-8. ANWDL_REASON_MALFORMED_REQUEST: verb or parameters_json breaks the format.
 *   ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the framing can carry. ANWDL_REASON_OUT_OF_TURN:
 *   the last request has no response yet. In all these cases nothing was sent and the session goes
 *   on.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
 *   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 *   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: ClientInterface.sendRequest(verb, parameters).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_request(anwdl_client_interface_t *client_interface,
                                                   const char *verb,
                                                   const char *parameters_json);

/**
 * Receives a response.
 *
 * @param client_interface The interface; not NULL.
 * @param out_response Where to write the response, to be freed with anwdl_response_free(); it
 *   stays valid whatever happens to the interface; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_WANT_WRITE Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or out_response is NULL.
 *   ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
 *   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT,
 *   ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED,
 *   ANWDL_REASON_OPERATION_PENDING.
 *
 * Python: ClientInterface.recvResponse().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_response(anwdl_client_interface_t *client_interface,
                                                    anwdl_response_t **out_response);

/* --------
 * Requests
 * -------- */

/**
 * The verb of a request: what the peer wants.
 *
 * Every server knows "CREATE", "DESTROY" and "STAT"; others are up to the server.
 *
 * @param request The request; not NULL.
 *
 * @return One or more of the letters A to Z, ending with NUL, borrowed until the request is freed;
 *   NULL if request is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the "verb" of the dictionary that ClientInstance.recvRequest() returns.
 */
const char *anwdl_request_get_verb(const anwdl_request_t *request);

/**
 * The whole request as JSON text.
 *
 * It is the very text that was received and checked: no duplicate keys, no NaN, no invalid UTF-8,
 * at most 64 levels deep, integers with every digit. Keys that the format does not know are in it.
 *
 * @param request The request; not NULL.
 *
 * @return JSON in UTF-8, ending with NUL, borrowed until the request is freed; NULL if request is
 *   NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the dictionary that ClientInstance.recvRequest() returns.
 */
const char *anwdl_request_get_json(const anwdl_request_t *request);

/**
 * The parameters of a request as the text of a JSON object.
 *
 * @param request The request; not NULL.
 *
 * @return JSON in UTF-8, ending with NUL ("{}" if there are none), borrowed until the request is
 *   freed; NULL if request is NULL (ANWDL_REASON_INVALID_ARGUMENT), or there is no memory for a
 *   copy (ANWDL_REASON_INTERNAL).
 *
 * Python: the "parameters" of the dictionary that ClientInstance.recvRequest() returns.
 */
const char *anwdl_request_get_parameters_json(const anwdl_request_t *request);

/**
 * A parameter of a request that is a string.
 *
 * "container_uuid" and "client_token", where present, fit their formats.
 *
 * @param request The request; not NULL.
 * @param parameter The name of the parameter, UTF-8; not NULL.
 * @param out_len Where to write the length of the value in bytes, without the NUL at its end; may
 *   be NULL. A value can have NULs of its own, which only the length tells from its end. Written
 *   only if a string is returned.
 *
 * @return The value in UTF-8, JSON escapes resolved, ending with NUL, borrowed until the request
 *   is freed. NULL if there is no such parameter or it is no string, which is no failure: the last
 *   error stays as it was. NULL as well, with ANWDL_REASON_INVALID_ARGUMENT, if request or
 *   parameter is NULL or parameter is not UTF-8; with ANWDL_REASON_INTERNAL, if there is no memory
 *   to decode the strings.
 *
 * Python: request["parameters"].get(parameter).
 */
const char *anwdl_request_get_string(const anwdl_request_t *request,
                                     const char *parameter,
                                     size_t *out_len);

/**
 * A parameter of a request that is an integer.
 *
 * @param request The request; not NULL.
 * @param parameter The name of the parameter, UTF-8; not NULL.
 * @param out_value Where to write the value; not NULL. Written only if true is returned.
 *
 * @return true if the parameter is an integer and fits 64 bits with a sign. false if there is no
 *   such parameter, or it is something else (1.0, 1e3 and true are no integers), or it is larger,
 *   which is no failure: the last error stays as it was, and anwdl_request_get_parameters_json()
 *   has every digit. false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or
 *   parameter is not UTF-8.
 *
 * Python: request["parameters"].get(parameter).
 */
bool anwdl_request_get_integer(const anwdl_request_t *request,
                               const char *parameter,
                               int64_t *out_value);

/**
 * A parameter of a request that is true or false.
 *
 * @param request The request; not NULL.
 * @param parameter The name of the parameter, UTF-8; not NULL.
 * @param out_value Where to write the value; not NULL. Written only if true is returned.
 *
 * @return true if the parameter is a boolean. false if there is no such parameter or it is
 *   something else (1 and "true" are no booleans), which is no failure: the last error stays as it
 *   was. false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or parameter is
 *   not UTF-8.
 *
 * Python: request["parameters"].get(parameter).
 */
bool anwdl_request_get_boolean(const anwdl_request_t *request,
                               const char *parameter,
                               bool *out_value);

/**
 * Frees a request that anwdl_client_recv_request() returned.
 *
 * Not for the one that anwdl_client_get_stored_request() lends.
 *
 * @param request The request; NULL is fine and does nothing.
 */
void anwdl_request_free(anwdl_request_t *request);

/* ---------
 * Responses
 * --------- */

/**
 * Whether the request was carried out.
 *
 * @param response The response; not NULL.
 *
 * @return What the server said; false as well if response is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the "success" of the dictionary that ClientInterface.recvResponse() returns.
 */
bool anwdl_response_get_success(const anwdl_response_t *response);

/**
 * The message of a response, with the reason in it if the server gave one.
 *
 * @param response The response; not NULL.
 *
 * @return The text in UTF-8, one of the ANWDL_RESPONSE_MSG_ strings for example, ending with NUL,
 *   borrowed until the response is freed. A NUL inside reads as '?'. NULL if response is NULL
 *   (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the "message" of the dictionary that ClientInterface.recvResponse() returns.
 */
const char *anwdl_response_get_message(const anwdl_response_t *response);

/**
 * The whole response as JSON text.
 *
 * It is the very text that was received and checked: no duplicate keys, no NaN, no invalid UTF-8,
 * at most 64 levels deep, integers with every digit. Keys that the format does not know are in it.
 *
 * @param response The response; not NULL.
 *
 * @return JSON in UTF-8, ending with NUL, borrowed until the response is freed; NULL if response is
 *   NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: the dictionary that ClientInterface.recvResponse() returns.
 */
const char *anwdl_response_get_json(const anwdl_response_t *response);

/**
 * The data of a response as the text of a JSON object.
 *
 * @param response The response; not NULL.
 *
 * @return JSON in UTF-8, ending with NUL ("{}" if there are none), borrowed until the response is
 *   freed; NULL if response is NULL (ANWDL_REASON_INVALID_ARGUMENT), or there is no memory for a
 *   copy (ANWDL_REASON_INTERNAL).
 *
 * Python: the "data" of the dictionary that ClientInterface.recvResponse() returns.
 */
const char *anwdl_response_get_data_json(const anwdl_response_t *response);

/**
 * A string among the data of a response.
 *
 * "container_uuid", "client_token", "container_iso_sha256", "container_username",
 * "container_password" and "version", where present, fit their formats.
 *
 * @param response The response; not NULL.
 * @param name The name in the data, UTF-8; not NULL.
 * @param out_len Where to write the length of the value in bytes, without the NUL at its end; may
 *   be NULL. A value can have NULs of its own, which only the length tells from its end. Written
 *   only if a string is returned.
 *
 * @return The value in UTF-8, JSON escapes resolved, ending with NUL, borrowed until the response
 *   is freed. NULL if the data have no such name or it is no string, which is no failure: the last
 *   error stays as it was. NULL as well, with ANWDL_REASON_INVALID_ARGUMENT, if response or name is
 *   NULL or name is not UTF-8; with ANWDL_REASON_INTERNAL, if there is no memory to decode the
 *   strings.
 *
 * Python: response["data"].get(name).
 */
const char *anwdl_response_get_string(const anwdl_response_t *response,
                                      const char *name,
                                      size_t *out_len);

/**
 * An integer among the data of a response.
 *
 * @param response The response; not NULL.
 * @param name The name in the data, UTF-8; not NULL.
 * @param out_value Where to write the value; not NULL. Written only if true is returned.
 *
 * @return true if it is an integer and fits 64 bits with a sign. false if the data have no such
 *   name, or it is something else (1.0, 1e3 and true are no integers), or it is larger, which is no
 *   failure: the last error stays as it was, and anwdl_response_get_data_json() has every digit.
 *   false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or name is not UTF-8.
 *
 * Python: response["data"].get(name).
 */
bool anwdl_response_get_integer(const anwdl_response_t *response,
                                const char *name,
                                int64_t *out_value);

/**
 * A boolean among the data of a response.
 *
 * @param response The response; not NULL.
 * @param name The name in the data, UTF-8; not NULL.
 * @param out_value Where to write the value; not NULL. Written only if true is returned.
 *
 * @return true if it is a boolean. false if the data have no such name or it is something else (1
 *   and "true" are no booleans), which is no failure: the last error stays as it was. false as
 *   well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or name is not UTF-8.
 *
 * Python: response["data"].get(name).
 */
bool anwdl_response_get_boolean(const anwdl_response_t *response,
                                const char *name,
                                bool *out_value);

/**
 * Wipes and frees a response.
 *
 * @param response The response; NULL is fine and does nothing.
 */
void anwdl_response_free(anwdl_response_t *response);

/* --------------------------------------------
 * Data of responses and parameters of requests
 * -------------------------------------------- */

/**
 * Makes an empty object.
 *
 * @param out_data Where to write the object, to be freed with anwdl_data_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_data is NULL.
 *
 * Python: {}.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_new(anwdl_data_t **out_data);

/**
 * Makes an empty array, to be filled by the functions whose names have "add" in them.
 *
 * @param out_data Where to write the array, to be freed with anwdl_data_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_data is NULL.
 *
 * Python: [].
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_new_array(anwdl_data_t **out_data);

/**
 * Makes an object from JSON text. Numbers and strings stay as they are written, to the last digit.
 *
 * @param json The text of a JSON object, UTF-8; not NULL.
 * @param out_data Where to write the object, to be freed with anwdl_data_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, or json is not
 *   UTF-8, no object, or no strict JSON that every released peer reads: NaN, a key twice, half a
 *   surrogate pair, more than 64 levels and an integer of more than 4300 digits are refused too. The
 *   message names line, column and cure.
 *
 * Python: json.loads(text).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_from_json(const char *json,
                                    anwdl_data_t **out_data);

/**
 * The data as JSON text, written as Python writes it, but with characters beyond ASCII as they
 * are: {"a": 1, "b": [true]}.
 *
 * @param data The data; not NULL.
 * @param out_json Where to write the text, UTF-8, ending with NUL and with no NUL inside, to be
 *   freed with anwdl_string_free(), which wipes it; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: json.dumps(data, ensure_ascii=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_to_json(const anwdl_data_t *data, char **out_json);

/**
 * Wipes and frees data.
 *
 * @param data The data; NULL is fine and does nothing.
 */
void anwdl_data_free(anwdl_data_t *data);

/**
 * Sets a member of an object to a string.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param value The string, UTF-8, ending with NUL; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name or value is
 *   not UTF-8, or data is an array.
 *
 * Python: data[name] = value.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_string(anwdl_data_t *data,
                                     const char *name,
                                     const char *value);

/**
 * Sets a member of an object to a string of a given length, which may have NULs inside.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param value The string, UTF-8; copied; NULL is fine if len is 0.
 * @param len Its length in bytes.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, value is NULL
 *   with a length, name or value is not UTF-8, or data is an array.
 *
 * Python: data[name] = value.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_string_with_length(anwdl_data_t *data,
                                                 const char *name,
                                                 const char *value,
                                                 size_t len);

/**
 * Sets a member of an object to an integer.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param value The integer.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
 *   UTF-8, or data is an array.
 *
 * Python: data[name] = value.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_integer(anwdl_data_t *data,
                                      const char *name,
                                      int64_t value);

/**
 * Sets a member of an object to true or false.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param value true or false.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
 *   UTF-8, or data is an array.
 *
 * Python: data[name] = value.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_boolean(anwdl_data_t *data,
                                      const char *name,
                                      bool value);

/**
 * Sets a member of an object to null.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
 *   UTF-8, or data is an array.
 *
 * Python: data[name] = None.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_null(anwdl_data_t *data, const char *name);

/**
 * Sets a member of an object to a copy of an object.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param value The object, as it is now; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name is not
 *   UTF-8, data is an array, value is an array, or data would have more than 64 levels.
 *
 * Python: data[name] = dict(value).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_object(anwdl_data_t *data,
                                     const char *name,
                                     const anwdl_data_t *value);

/**
 * Sets a member of an object to a copy of an array.
 *
 * @param data The object; not NULL.
 * @param name The name of the member, UTF-8; not NULL.
 * @param array The array, as it is now; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name is not
 *   UTF-8, data is an array, array is an object, or data would have more than 64 levels.
 *
 * Python: data[name] = list(array).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_array(anwdl_data_t *data,
                                    const char *name,
                                    const anwdl_data_t *array);

/**
 * Adds a string at the end of an array.
 *
 * @param data The array; not NULL.
 * @param value The string, UTF-8, ending with NUL; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, value is not
 *   UTF-8, or data is an object.
 *
 * Python: data.append(value).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_string(anwdl_data_t *data, const char *value);

/**
 * Adds a string of a given length, which may have NULs inside, at the end of an array.
 *
 * @param data The array; not NULL.
 * @param value The string, UTF-8; copied; NULL is fine if len is 0.
 * @param len Its length in bytes.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, value is NULL with a
 *   length, value is not UTF-8, or data is an object.
 *
 * Python: data.append(value).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_string_with_length(anwdl_data_t *data,
                                                 const char *value,
                                                 size_t len);

/**
 * Adds an integer at the end of an array.
 *
 * @param data The array; not NULL.
 * @param value The integer.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
 *
 * Python: data.append(value).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_integer(anwdl_data_t *data, int64_t value);

/**
 * Adds true or false at the end of an array.
 *
 * @param data The array; not NULL.
 * @param value true or false.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
 *
 * Python: data.append(value).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_boolean(anwdl_data_t *data, bool value);

/**
 * Adds null at the end of an array.
 *
 * @param data The array; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
 *
 * Python: data.append(None).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_null(anwdl_data_t *data);

/**
 * Adds a copy of an object at the end of an array.
 *
 * @param data The array; not NULL.
 * @param value The object, as it is now; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, data is an
 *   object, value is an array, or data would have more than 64 levels.
 *
 * Python: data.append(dict(value)).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_object(anwdl_data_t *data, const anwdl_data_t *value);

/**
 * Adds a copy of an array at the end of an array.
 *
 * @param data The array; not NULL.
 * @param array The array, as it is now; copied; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, data is an
 *   object, array is an object, or data would have more than 64 levels.
 *
 * Python: data.append(list(array)).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_array(anwdl_data_t *data, const anwdl_data_t *array);

/**
 * Sets the six members that describe a new container: container_uuid, client_token,
 * container_iso_sha256, container_username, container_password and container_listen_port.
 *
 * They are checked against the response format first; if one does not fit, none is set.
 *
 * @param data The object; not NULL.
 * @param uuid The container's UUID: lower case hexadecimal digits in groups of 8, 4, 4, 4 and 12,
 *   with hyphens between them; not NULL.
 * @param token What the client must show to have the container destroyed: 255 letters, digits,
 *   hyphens and underscores; not NULL.
 * @param iso_sha256 The SHA-256 of the container's ISO image: 64 lower case hexadecimal digits; not
 *   NULL.
 * @param user_name Whom to log in as: "user_" and five digits; not NULL.
 * @param password The password of that user: letters and digits; not NULL.
 * @param port The port on which the container listens; not 0.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL or not UTF-8, or
 *   data is an array. ANWDL_REASON_MALFORMED_RESPONSE: a value does not fit its format; the message
 *   names the member.
 *
 * Python: the data of the response to CREATE.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_container(anwdl_data_t *data,
                                        const char *uuid,
                                        const char *token,
                                        const char *iso_sha256,
                                        const char *user_name,
                                        const char *password,
                                        uint16_t port);

/**
 * Sets the two members that describe the server: uptime and version.
 *
 * @param data The object; not NULL.
 * @param uptime For how many seconds the server has been running.
 * @param version Its version; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or version is NULL, version is not
 *   UTF-8, or data is an array.
 *
 * Python: the data of the response to STAT.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_statistics(anwdl_data_t *data,
                                         uint64_t uptime,
                                         const char *version);

/**
 * Sends a response whose data were put together value by value.
 *
 * Else it is anwdl_client_send_response().
 *
 * @param client The client; not NULL.
 * @param success Whether the request was carried out.
 * @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
 * @param data An object; NULL for {}. It is copied.
 * @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
 *
 * @return As anwdl_client_send_response(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
 *   data is an array.
 *
 * Python: ClientInstance.sendResponse(success, message, data, reason).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_response_data(anwdl_client_t *client,
                                               bool success,
                                               const char *message,
                                               const anwdl_data_t *data,
                                               const char *reason);

/**
 * Sends a response whose data were put together value by value.
 *
 * Else it is anwdl_session_send_response().
 *
 * @param session The session; not NULL.
 * @param success Whether the request was carried out.
 * @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
 * @param data An object; NULL for {}. It is copied.
 * @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
 *
 * @return As anwdl_session_send_response(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
 *   data is an array.
 *
 * Python: ClientInstance.sendResponse(success, message, data, reason).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_response_data(anwdl_session_t *session,
                                                bool success,
                                                const char *message,
                                                const anwdl_data_t *data,
                                                const char *reason);

/**
 * Sends a request whose parameters were put together value by value.
 *
 * Else it is anwdl_session_send_request().
 *
 * @param session The session; not NULL.
 * @param verb What is asked for, UTF-8; not NULL.
 * @param parameters An object; NULL for {}. It is copied.
 *
 * @return As anwdl_session_send_request(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
 *   parameters is an array.
 *
 * Python: ClientInterface.sendRequest(verb, parameters).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_request_data(anwdl_session_t *session,
                                               const char *verb,
                                               const anwdl_data_t *parameters);

/**
 * Sends a request whose parameters were put together value by value.
 *
 * Else it is anwdl_client_interface_send_request().
 *
 * @param client_interface The interface; not NULL.
 * @param verb What is asked for, UTF-8; not NULL.
 * @param parameters An object; NULL for {}. It is copied.
 *
 * @return As anwdl_client_interface_send_request(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
 *   parameters is an array.
 *
 * Python: ClientInterface.sendRequest(verb, parameters).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_request_data(anwdl_client_interface_t *client_interface,
                                                        const char *verb,
                                                        const anwdl_data_t *parameters);

/* -------------------------------
 * RSA keys: the Python RSAWrapper
 * ------------------------------- */

/**
 * Makes an RSA wrapper, with or without a new key pair.
 *
 * @param generate_key_pair true for a new key pair of 4096 bits with the exponent 65537, which
 *   takes seconds; false for a wrapper without any key.
 * @param out_wrapper Where to write the wrapper, to be freed with anwdl_rsa_wrapper_free(); not
 *   NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_wrapper is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: RSAWrapper(generate_key_pair=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_new(bool generate_key_pair,
                                     anwdl_rsa_wrapper_t **out_wrapper);

/**
 * Makes a new local key pair in place of the present one, if any. It takes seconds for large keys.
 *
 * Wrappers and clients that share the old key pair keep it.
 *
 * @param wrapper The wrapper; not NULL.
 * @param public_exponent An odd number from 3 and below 2^33; 65537 is usual.
 * @param key_size The size of the modulus in bits, from 2048 to 8192; 4096 is usual.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or a number is out of
 *   range.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: RSAWrapper.generateKeyPair(public_exponent, key_size).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_generate_key_pair(anwdl_rsa_wrapper_t *wrapper,
                                                   uint64_t public_exponent,
                                                   uint32_t key_size);

/**
 * The size of the local public key.
 *
 * @param wrapper The wrapper; not NULL.
 *
 * @return The size of its modulus in bits; 0 if there is no local public key, even if there is a
 *   private one, and if wrapper is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: RSAWrapper.getKeySize(), which gives None for 0.
 */
uint32_t anwdl_rsa_wrapper_get_key_size(const anwdl_rsa_wrapper_t *wrapper);

/**
 * The local public key as PEM (SubjectPublicKeyInfo, with LF line ends).
 *
 * @param wrapper The wrapper; not NULL.
 * @param out_pem Where to write the PEM, ending with NUL, to be freed with anwdl_string_free(), or
 *   NULL if there is no local public key; not NULL itself.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getPublicKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_public_key(const anwdl_rsa_wrapper_t *wrapper,
                                                char **out_pem);

/**
 * The local public key as DER (SubjectPublicKeyInfo, RFC 5280).
 *
 * @param wrapper The wrapper; not NULL.
 * @param out Where to write the address of the DER, to be freed with
 *   anwdl_bytes_free(), or NULL if there is no local public key; not NULL itself.
 * @param out_len Where to write its length in bytes, or 0; not NULL.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getPublicKey(pem_format=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_public_key_der(const anwdl_rsa_wrapper_t *wrapper,
                                                    uint8_t **out,
                                                    size_t *out_len);

/**
 * The local private key as PEM (PKCS #8, not encrypted, with LF line ends).
 *
 * @param wrapper The wrapper; not NULL.
 * @param out_pem Where to write the PEM, ending with NUL, or NULL if there is no private key; not
 *   NULL itself. Free it with anwdl_string_free(), which wipes it; do so soon.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getPrivateKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_private_key(const anwdl_rsa_wrapper_t *wrapper,
                                                 char **out_pem);

/**
 * The local private key as DER (PKCS #8, RFC 5958, not encrypted).
 *
 * @param wrapper The wrapper; not NULL.
 * @param out Where to write the address of the DER, or NULL if there is no private
 *   key; not NULL itself. Free it with anwdl_bytes_free(), which wipes it; do so soon.
 * @param out_len Where to write its length in bytes, or 0; not NULL.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getPrivateKey(pem_format=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_private_key_der(const anwdl_rsa_wrapper_t *wrapper,
                                                     uint8_t **out,
                                                     size_t *out_len);

/**
 * The peer's public key as PEM (SubjectPublicKeyInfo, with LF line ends).
 *
 * In the wrapper of a client (anwdl_client_get_rsa_wrapper()) it is there once the peer has sent
 * it.
 *
 * @param wrapper The wrapper; not NULL.
 * @param out_pem Where to write the PEM, ending with NUL, to be freed with anwdl_string_free(), or
 *   NULL if there is no such key; not NULL itself.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getRemotePublicKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_remote_public_key(const anwdl_rsa_wrapper_t *wrapper,
                                                       char **out_pem);

/**
 * The peer's public key as DER (SubjectPublicKeyInfo, RFC 5280).
 *
 * @param wrapper The wrapper; not NULL.
 * @param out Where to write the address of the DER, to be freed with
 *   anwdl_bytes_free(), or NULL if there is no such key; not NULL itself.
 * @param out_len Where to write its length in bytes, or 0; not NULL.
 *
 * @retval ANWDL_OK Also if there is no such key.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: RSAWrapper.getRemotePublicKey(pem_format=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_remote_public_key_der(const anwdl_rsa_wrapper_t *wrapper,
                                                           uint8_t **out,
                                                           size_t *out_len);

/**
 * Sets the local public key. The private key stays as it is.
 *
 * @param wrapper The wrapper; not NULL.
 * @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); not NULL; text around it need not be
 *   UTF-8.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old key is kept.
 *
 * Python: RSAWrapper.setPublicKey(public_key).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_public_key(anwdl_rsa_wrapper_t *wrapper,
                                                const char *pem);

/**
 * Sets the local public key, given as DER. The private key stays as it is.
 *
 * @param wrapper The wrapper; not NULL.
 * @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, and is then no key.
 * @param len Its length in bytes.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
 *   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old key is kept.
 *
 * Python: RSAWrapper.setPublicKey(public_key, pem_format=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_public_key_der(anwdl_rsa_wrapper_t *wrapper,
                                                    const uint8_t *der,
                                                    size_t len);

/**
 * Sets the local private key.
 *
 * @param wrapper The wrapper; not NULL.
 * @param pem The key as PEM (PKCS #8 or PKCS #1, not encrypted); not NULL; text around it need not
 *   be UTF-8. Certificates and public keys beside it are passed over; a second private key is not.
 * @param derivate_public_key true to set the local public key to the one that belongs to it; false
 *   to leave the public key as it is.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or pem is NULL.
 *   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old keys are kept.
 *
 * Python: RSAWrapper.setPrivateKey(private_key, derivate_public_key=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_private_key(anwdl_rsa_wrapper_t *wrapper,
                                                 const char *pem,
                                                 bool derivate_public_key);

/**
 * Sets the local private key, given as DER.
 *
 * @param wrapper The wrapper; not NULL.
 * @param der The key as DER (PKCS #8 or PKCS #1, not encrypted); NULL is fine if len is 0, and is
 *   then no key.
 * @param len Its length in bytes.
 * @param derivate_public_key true to set the local public key to the one that belongs to it; false
 *   to leave the public key as it is.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
 *   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old keys are kept.
 *
 * Python: RSAWrapper.setPrivateKey(private_key, pem_format=False, derivate_public_key=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_private_key_der(anwdl_rsa_wrapper_t *wrapper,
                                                     const uint8_t *der,
                                                     size_t len,
                                                     bool derivate_public_key);

/**
 * Sets the local private key to the one in a file, and the local public key to the one that belongs
 * to it.
 *
 * Restarts and all the servers of a fleet keep one identity in this way, and clients that expect
 * its fingerprint go on.
 *
 * The key is loaded also when others than the owner of the file have any rights to it (mode & 077),
 * or when the file belongs to another user than the effective one of the process and root, who may
 * have read the key and can replace it. anwdl_last_error_reason() then is
 * ANWDL_REASON_KEY_FILE_EXPOSED, though the status is ANWDL_OK; it
 * is ANWDL_REASON_NONE after a load without that fault. A log message of the level
 * ANWDL_LOG_WARNING tells it too.
 *
 * @param wrapper The wrapper; not NULL.
 * @param path The file, of at most 16 KiB: the key as PEM (PKCS #8 or PKCS #1, not encrypted). Not
 *   NULL; it need not be UTF-8. A symbolic link is followed; a pipe is read to its end, which may
 *   have to be waited for.
 *
 * @retval ANWDL_OK The last error is ANWDL_REASON_NONE or ANWDL_REASON_KEY_FILE_EXPOSED.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *   ANWDL_REASON_INVALID_KEY: the file holds no acceptable key, or is too long; the old keys are
 *   kept.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be read; the old keys are
 *   kept.
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_load(anwdl_rsa_wrapper_t *wrapper,
                                      const char *path);

/**
 * Writes the local private key to a file that only its owner can read and write.
 *
 * The file has the mode 0600 from its first byte, under any umask. One that has the name already is
 * replaced as a whole: whoever reads it meanwhile finds the old key or the new one, also after a
 * power cut. A
 * symbolic link is replaced, not followed; a pipe, a socket or a device, or a link to one, is not
 * replaced. Other processes may see a hidden file beside it for the time of the call; one that is
 * killed just then leaves it behind.
 *
 * @param wrapper The wrapper; not NULL.
 * @param path The file; not NULL; it need not be UTF-8. The key is written as PEM (PKCS #8, not
 *   encrypted, with LF line ends).
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, or path cannot
 *   be the name of a file. ANWDL_REASON_KEY_MISSING: there is no local private key.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be written (EEXIST:
 *   something else than a file is there); what was there is as it was.
 *   ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: none.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_save(const anwdl_rsa_wrapper_t *wrapper,
                                      const char *path);

/**
 * Sets the peer's public key of this wrapper.
 *
 * A client never takes a peer's key from a wrapper that it is given: it receives it.
 *
 * @param wrapper The wrapper; not NULL.
 * @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); not NULL; text around it need not be
 *   UTF-8.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old key is kept.
 *
 * Python: RSAWrapper.setRemotePublicKey(remote_public_key).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_remote_public_key(anwdl_rsa_wrapper_t *wrapper,
                                                       const char *pem);

/**
 * Sets the peer's public key of this wrapper, given as DER.
 *
 * @param wrapper The wrapper; not NULL.
 * @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, and is then no key.
 * @param len Its length in bytes.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
 *   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old key is kept.
 *
 * Python: RSAWrapper.setRemotePublicKey(remote_public_key, pem_format=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_remote_public_key_der(anwdl_rsa_wrapper_t *wrapper,
                                                           const uint8_t *der,
                                                           size_t len);

/**
 * Encrypts data under the peer's public key, or the local one: RSA-OAEP with SHA-256 for label and
 * mask, and an empty label.
 *
 * @param wrapper The wrapper; not NULL.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes: at most the size of the modulus less 66 (446 for 4096 bits).
 * @param use_local_public_key true to encrypt under the local public key; false for the peer's.
 * @param out Where to write the address of the ciphertext, to be freed with anwdl_bytes_free();
 *   not NULL.
 * @param out_len Where to write its length in bytes, which is the size of the modulus; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, data
 *   is NULL with a length, or data is too long. ANWDL_REASON_KEY_MISSING: the public key is not
 *   set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: RSAWrapper.encryptData(data, use_local_public_key=...).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_encrypt_data(const anwdl_rsa_wrapper_t *wrapper,
                                              const uint8_t *data,
                                              size_t len,
                                              bool use_local_public_key,
                                              uint8_t **out,
                                              size_t *out_len);

/**
 * Decrypts, with the local private key, what was encrypted under the local public key.
 *
 * With the key pair of sessions, that includes the secrets of their key exchanges: let no stranger
 * choose what is decrypted with it, and use another key pair for other purposes.
 *
 * @param wrapper The wrapper; not NULL.
 * @param data The ciphertext; NULL is fine if len is 0, and is then not decryptable.
 * @param len Its length in bytes.
 * @param out Where to write the address of the result, to be freed with anwdl_bytes_free(); not
 *   NULL. A zero byte that is not counted follows the result, so that a text can be used as a C
 *   string, and a result of no bytes has an address too.
 * @param out_len Where to write the length of the result in bytes; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
 *   data is NULL with a length. ANWDL_REASON_DECRYPTION_FAILED: whatever else is wrong.
 *   ANWDL_REASON_KEY_MISSING: the private key is not set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: RSAWrapper.decryptData(cipher, decode=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_decrypt_data(const anwdl_rsa_wrapper_t *wrapper,
                                              const uint8_t *data,
                                              size_t len,
                                              uint8_t **out,
                                              size_t *out_len);

/**
 * Signs data with the local private key: RSA-PSS with SHA-256 and the longest salt that fits.
 *
 * In the build without AWS-LC the crate `rsa` signs: what it leaves in freed memory gives the private
 * key away to who can read that, and its time depends on the key to some degree.
 *
 * @param wrapper The wrapper; not NULL.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out Where to write the address of the signature, to be freed with anwdl_bytes_free(); not
 *   NULL.
 * @param out_len Where to write its length in bytes, which is the size of the modulus; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
 *   data is NULL with a length. ANWDL_REASON_KEY_MISSING: the private key is not set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: RSAWrapper.signData(data).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_sign_data(const anwdl_rsa_wrapper_t *wrapper,
                                           const uint8_t *data,
                                           size_t len,
                                           uint8_t **out,
                                           size_t *out_len);

/**
 * Tells whether a signature of the peer's fits the data: RSA-PSS as anwdl_rsa_wrapper_sign_data()
 * makes it, under the peer's public key.
 *
 * The Python method of this name verifies under the local public key:
 * anwdl_rsa_wrapper_verify_data_signature_with_key() does that.
 *
 * @param wrapper The wrapper; not NULL.
 * @param signature The signature; NULL is fine if signature_len is 0.
 * @param signature_len Its length in bytes.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out_valid Where to write true if the signature fits, false if not; not NULL.
 *
 * @retval ANWDL_OK Whatever the verdict is.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_valid is NULL, or
 *   signature or data is NULL with a length. ANWDL_REASON_KEY_MISSING: the peer's public key is
 *   not set.
 *
 * Python: none; RSAWrapper.verifyDataSignature() is another function.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_verify_data_signature(const anwdl_rsa_wrapper_t *wrapper,
                                                       const uint8_t *signature,
                                                       size_t signature_len,
                                                       const uint8_t *data,
                                                       size_t len,
                                                       bool *out_valid);

/**
 * Tells whether a signature fits the data, as anwdl_rsa_wrapper_verify_data_signature() does, under
 * the peer's public key or the local one.
 *
 * @param wrapper The wrapper; not NULL.
 * @param signature The signature; NULL is fine if signature_len is 0.
 * @param signature_len Its length in bytes.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param use_local_public_key true to verify under the local public key, and so what this side has
 *   signed; false for the peer's.
 * @param out_valid Where to write true if the signature fits, false if not; not NULL.
 *
 * @retval ANWDL_OK Whatever the verdict is.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_valid is NULL, or
 *   signature or data is NULL with a length. ANWDL_REASON_KEY_MISSING: that public key is not set.
 *
 * Python: RSAWrapper.verifyDataSignature(signature, data), with use_local_public_key.
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_verify_data_signature_with_key(const anwdl_rsa_wrapper_t *wrapper,
                                                                const uint8_t *signature,
                                                                size_t signature_len,
                                                                const uint8_t *data,
                                                                size_t len,
                                                                bool use_local_public_key,
                                                                bool *out_valid);

/**
 * The fingerprint of a public key, as the Python client shows it: the SHA-256 of the key as
 * anwdl_rsa_wrapper_get_public_key() writes it (PEM with LF line ends).
 *
 * Users compare it to be sure whom they talk to. It depends on the key alone, not on the form in
 * which a peer sent it: another line end or another line length gives the same fingerprint.
 *
 * @param wrapper The wrapper; not NULL.
 * @param remote true for the peer's public key; false for the local one.
 * @param out_hex Where to write 64 hexadecimal digits, ending with NUL, to be freed with
 *   anwdl_string_free(); not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_hex is NULL.
 *   ANWDL_REASON_KEY_MISSING: that public key is not set.
 *
 * Python: hashlib.sha256(RSAWrapper.getPublicKey()).hexdigest().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_fingerprint(const anwdl_rsa_wrapper_t *wrapper,
                                                 bool remote,
                                                 char **out_hex);

/**
 * Frees an RSA wrapper that the caller owns.
 *
 * Not for the one that anwdl_client_get_rsa_wrapper() lends. Clients and options that share its
 * key pair keep it.
 *
 * @param wrapper The wrapper; NULL is fine and does nothing.
 */
void anwdl_rsa_wrapper_free(anwdl_rsa_wrapper_t *wrapper);

/* -------------------------------
 * AES keys: the Python AESWrapper
 * ------------------------------- */

/**
 * Makes an AES wrapper with a fresh random key and, in CBC mode, a fresh random IV.
 *
 * @param key_size The size of the key in bits: 128, 192 or 256.
 * @param mode ANWDL_AES_CBC or ANWDL_AES_GCM.
 * @param out_wrapper Where to write the wrapper, to be freed with anwdl_aes_wrapper_free(); not
 *   NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_wrapper is NULL, key_size is none
 *   of the three, or mode is an unknown number.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: AESWrapper(key_size).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_new(uint32_t key_size,
                                     anwdl_aes_mode_t mode,
                                     anwdl_aes_wrapper_t **out_wrapper);

/**
 * The size of the key.
 *
 * @param wrapper The wrapper; not NULL.
 *
 * @return The size in bits: 128, 192 or 256; 0 if wrapper is NULL (ANWDL_REASON_INVALID_ARGUMENT).
 *
 * Python: AESWrapper.getKeySize().
 */
uint32_t anwdl_aes_wrapper_get_key_size(const anwdl_aes_wrapper_t *wrapper);

/**
 * The key and the IV.
 *
 * Both are borrowed from the wrapper, and not copied: they are valid until it changes or is freed.
 *
 * @param wrapper The wrapper; not NULL.
 * @param key Where to write the address of the key; not NULL.
 * @param key_len Where to write the length of the key in bytes: 16, 24 or 32; not NULL.
 * @param iv Where to write the address of the IV, or NULL in GCM mode; not NULL.
 * @param iv_len Where to write the length of the IV in bytes: 16, or 0 in GCM mode; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 *
 * Python: AESWrapper.getKey().
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_get_key(const anwdl_aes_wrapper_t *wrapper,
                                         const uint8_t **key,
                                         size_t *key_len,
                                         const uint8_t **iv,
                                         size_t *iv_len);

/**
 * Replaces the key and the IV. The mode stays.
 *
 * @param wrapper The wrapper; not NULL.
 * @param key The key; copied; not NULL.
 * @param key_len Its length in bytes: 16, 24 or 32.
 * @param iv The IV; copied. NULL is fine if iv_len is 0.
 * @param iv_len Its length in bytes: 16; or 0, to have one drawn at random, which
 *   anwdl_aes_wrapper_get_key() tells. In GCM mode there is none: 0.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or key is NULL, iv is NULL with
 *   a length, or a length is wrong.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED: no IV could be drawn.
 *
 * Python: AESWrapper.setKey(key, iv).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_set_key(anwdl_aes_wrapper_t *wrapper,
                                         const uint8_t *key,
                                         size_t key_len,
                                         const uint8_t *iv,
                                         size_t iv_len);

/**
 * Encrypts data.
 *
 * In CBC mode, the result is the ciphertext of the padded data under the wrapper's IV, which stays
 * as it is: the same data gives the same result, as in Python. In GCM mode, the result is a fresh
 * nonce (12 bytes), the ciphertext and the tag (16 bytes), in this order.
 *
 * @param wrapper The wrapper; not NULL.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out Where to write the address of the result, to be freed with anwdl_bytes_free(); not
 *   NULL.
 * @param out_len Where to write the length of the result in bytes; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
 *   data is NULL with a length. ANWDL_REASON_MESSAGE_TOO_LARGE: more data than GCM allows (64
 *   GiB).
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
 *
 * Python: AESWrapper.encryptData(data).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_encrypt_data(const anwdl_aes_wrapper_t *wrapper,
                                              const uint8_t *data,
                                              size_t len,
                                              uint8_t **out,
                                              size_t *out_len);

/**
 * Decrypts what anwdl_aes_wrapper_encrypt_data() made under the same key, IV and mode.
 *
 * @param wrapper The wrapper; not NULL.
 * @param data The encrypted data; NULL is fine if len is 0, and is then not decryptable.
 * @param len Its length in bytes.
 * @param out Where to write the address of the result, to be freed with anwdl_bytes_free(); not
 *   NULL. A zero byte that is not counted follows the result, so that a text can be used as a C
 *   string, and a result of no bytes has an address too.
 * @param out_len Where to write the length of the result in bytes; not NULL.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
 *   data is NULL with a length. ANWDL_REASON_DECRYPTION_FAILED: whatever else is wrong.
 *
 * Python: AESWrapper.decryptData(cipher, decode=False).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_decrypt_data(const anwdl_aes_wrapper_t *wrapper,
                                              const uint8_t *data,
                                              size_t len,
                                              uint8_t **out,
                                              size_t *out_len);

/**
 * Wipes and frees an AES wrapper that the caller owns.
 *
 * Not for the one that anwdl_client_get_aes_wrapper() lends.
 *
 * @param wrapper The wrapper; NULL is fine and does nothing.
 */
void anwdl_aes_wrapper_free(anwdl_aes_wrapper_t *wrapper);

/* ------------
 * Log messages
 * ------------ */

/**
 * Sets the function that takes the log messages of the library, in place of an earlier one. There
 * is one for the whole process.
 *
 * It may be set at any time, from any thread. When this call returns, no call of an earlier
 * function is under way and none will begin, so what its user_data points to may then be freed.
 * For this the call waits for the function to return; so do not hold a lock meanwhile that the
 * function takes. From within the function this cannot be so, as that very call is under way:
 * there, anwdl_set_log_callback() does not wait, and only a later one from outside tells that all
 * calls have ended.
 *
 * The function is called on the thread that does the work, before the call that does it returns;
 * on several threads at once if several work. No lock is held, and it may call this library, also
 * anwdl_set_log_callback(), but must not touch the object whose call is under way. What these
 * calls would log is left out, or it would be called by itself without end. It must return: no
 * longjmp() and no C++ exception may leave it.
 *
 * Messages tell of key exchanges, framings, refusals and failures. They never hold a secret.
 *
 * @param least_level Messages below this level are left out, and are not even made.
 * @param function The function; NULL to log nothing, as in the beginning.
 * @param user_data Handed to each call of the function as it is; NULL is fine.
 *
 * @retval ANWDL_OK
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: least_level is an unknown number. The
 *   earlier function stays.
 *
 * Python: logging.Logger.addHandler().
 */
anwdl_status_t anwdl_set_log_callback(anwdl_log_level_t least_level,
                                      anwdl_log_function_t function,
                                      void *user_data);

/* ---------------------------
 * Memory that the caller owns
 * --------------------------- */

/**
 * Wipes and frees a string that the library returned through a `char **`.
 *
 * The whole string is overwritten with zeros first, so that a private key does not stay behind in
 * memory. Wiped is what strlen() sees: a string that the caller has cut short leaves the rest
 * unwiped.
 *
 * @param string A string from this library, not freed yet. NULL is fine and does nothing. A string
 *   that was returned as `const char *` is borrowed and must not be freed.
 */
void anwdl_string_free(char *string);

/**
 * Wipes and frees bytes that the library returned through a `uint8_t **`.
 *
 * @param bytes Bytes from this library, not freed yet. NULL is fine and does nothing. Bytes that
 *   were returned as `const uint8_t *` are borrowed and must not be freed.
 * @param len Their number, exactly as it came with them: so many are overwritten with zeros.
 */
void anwdl_bytes_free(uint8_t *bytes, size_t len);

#ifdef __cplusplus
}
#endif 

#endif  /* ANWDL_H */
