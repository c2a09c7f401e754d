/** @file anwdl.h
 *
 * libanwdl: talk to Anweddol clients from a C or C++ server, and to Anweddol servers from a client.
 *
 * The server accepts a connection and passes its descriptor to the library, which exchanges keys, receives
 * requests and sends responses, as ClientInstance does in the Python server. It understands the wire formats
 * ("framings") of all released Anweddol clients (2.0 to 4.1) and an authenticated one, which no Python release
 * speaks yet, and detects which of them the peer uses.
 *
 * This header is generated from the source of the library (`make header`): change it there.
 *
 * There are three kinds of handles, all with the same implementation of the protocol:
 * - anwdl_client_t: a connected client, as its server sees it, on a descriptor;
 * - anwdl_session_t: either side, without a descriptor, for programs that move the bytes themselves;
 * - anwdl_client_interface_t: the side that connects.
 *
 * Windows has only anwdl_session_t, and neither anwdl_rsa_wrapper_load() nor anwdl_rsa_wrapper_save().
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
 * @par Names
 * anwdl_TYPE_METHOD() is the method METHOD, in snake case, of the Python class that TYPE stands for:
 * ClientInstance (anwdl_client_t), ClientInterface (anwdl_client_interface_t), RSAWrapper
 * (anwdl_rsa_wrapper_t) or AESWrapper (anwdl_aes_wrapper_t). Each function names its Python counterpart, if
 * it has one.
 *
 * @par How functions are described
 * A function's own object is its first parameter and is not listed. "As anwdl_client_X()" means: the same
 * parameters, results, reasons and lifetimes, unless the description says otherwise, but for this function's
 * own object. anwdl_client_t describes what all three kinds of handles do.
 *
 * @par Errors
 * A function that can fail returns an anwdl_status_t: 0 (ANWDL_OK) for success, a negative number for a
 * failure. Error details are stored per thread: anwdl_last_error_reason() is for the program,
 * anwdl_last_error_message() for a person, anwdl_last_error_errno() has the errno of a failed system call.
 * Each reason belongs to one status. Each function lists its statuses and reasons, except ANWDL_OK,
 * ANWDL_REASON_INVALID_ARGUMENT (see "Arguments") and ANWDL_REASON_INTERNAL, which any function can return.
 * Functions without a status return NULL, 0, false, -1 or "no value" if they fail. Unless they say otherwise,
 * only a NULL object makes them fail. Where that is also an ordinary answer, such as NULL for "none", it leaves
 * the last error alone.
 *
 * @par Arguments
 * NULL, an unknown enum number and text that is not UTF-8 are refused with ANWDL_VALUE_ERROR and
 * ANWDL_REASON_INVALID_ARGUMENT, unless a parameter says that it may be NULL or need not be UTF-8. So is a
 * number outside the documented range. The message names the argument; nothing has been done. Pointers
 * must point to what their type says, and objects must not have been freed. Text ends with NUL. A pointer to
 * bytes may be NULL if their number is 0. The library copies what it keeps: unless a parameter says otherwise,
 * the caller may change or free every argument after the call.
 *
 * @par Results
 * A function writes its result to where an "out" parameter points, and only if it succeeds. Strings and bytes
 * that the caller owns are followed by a zero byte, which their length does not count.
 *
 * @par Ownership
 * Results that are not const belong to the caller: free a char * with anwdl_string_free(), a uint8_t * with
 * anwdl_bytes_free() and an object with the function of its type, never with free(). Results that point to
 * const are borrowed: never free them. They are valid until the object that they came from changes or is
 * freed, unless the function says otherwise. All functions that free accept NULL and do nothing.
 *
 * @par Threads
 * Any thread may use an object, but only one at a time; different objects may be used at the same time. Many
 * threads may read one object at once (with functions that take it as a pointer to const) while none changes
 * it, except for clients, sessions and client interfaces. Any number of clients on any number of threads can
 * share one RSA key pair.
 *
 * @par Operations
 * The key exchange, its four steps, sending and receiving are operations. All of them can fail with
 * ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
 * ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_OPERATION_PENDING and, in a client that expects a PROXY header,
 * ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_TIMEOUT comes from a session only with
 * anwdl_session_set_time(). A session has no descriptor, so ANWDL_REASON_CLOSED, ANWDL_REASON_IO_FAILED and
 * ANWDL_REASON_BAD_PROXY_HEADER never come from one.
 *
 * @par Events
 * anwdl_client_next_event(), anwdl_session_next_event() and anwdl_client_interface_next_event() run all
 * operations, one after the other, and return what has happened: the loop of a server is one `switch`.
 *
 * @par Blocking
 * Clients and client interfaces wait by default: a call returns when its work is done, or fails with
 * ANWDL_REASON_TIMEOUT when the timeout of the options has passed since it began. The flags of the
 * descriptor do not matter and are never changed. If SO_RCVTIMEO or SO_SNDTIMEO was set before the client
 * was made, a single wait that takes longer than that fails with ANWDL_REASON_TIMEOUT as well.
 *
 * @par Non-blocking
 * With anwdl_client_options_set_non_blocking() no operation waits. One that would have to returns
 * ANWDL_WANT_READ or ANWDL_WANT_WRITE, which is not a failure. Wait until the descriptor is readable or
 * writable, together with all others that the program serves, and call the same function again with the same
 * arguments: it continues where it stopped. One operation can be under way at a time: another one, or the same
 * with another message, is refused with ANWDL_REASON_OPERATION_PENDING. The loop for a single client:
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
 * With a timeout, poll for no longer than anwdl_client_get_time_left() and call again in any case: the call
 * itself notices that the time is up.
 *
 * @par Separate computations
 * The private key operation of a key exchange takes milliseconds. To keep it out of an event loop, set
 * anwdl_client_options_set_separate_computation(): the exchange then returns ANWDL_WANT_COMPUTATION, and
 * anwdl_client_compute() does the work on any other thread.
 *
 * @par Turns
 * Requests and responses alternate. These calls are refused with ANWDL_REASON_OUT_OF_TURN: to send a second
 * request before the response, to send a second response to one request, and to receive on a server before
 * the last request, even a malformed one, has its response. Nothing is sent or received, and the session
 * continues. If a released client stops waiting and asks again, it gets both responses in order. A server
 * may send one response before any request, to say that it is unavailable. Only a client that receives before
 * it asks reads that: next_event does not. In v2, v3 and v4, such a server and a client that has begun to ask
 * wait for each other until a timeout.
 *
 * @par Failed sessions
 * Some failures end the session: data that does not decrypt, bytes that break the protocol, a failed system
 * call, and a timeout or a closed connection in the middle of a message. Its keys are wiped, and every later
 * operation fails with ANWDL_REASON_SESSION_FAILED. A request that decrypts but does not fit the request format
 * (ANWDL_REASON_MALFORMED_REQUEST) does not end it.
 *
 * @par Signals and processes
 * No call raises SIGPIPE, and a call that a signal interrupts continues. A signal handler must not call the
 * library. After fork(), only one of the two processes may continue a session. If both send under one key,
 * they repeat an IV, which reveals equal beginnings of messages; in the authenticated framing they repeat a
 * nonce, which reveals the texts and lets others forge messages. fork() is safe while other threads are in
 * calls of the library, but not while one is in a call with an object that the child continues to use.
 * fork() waits up to a second for their key operations. A handler that you give pthread_atfork() may call
 * the library, and take locks that your threads hold while they call it; if you load the library with
 * dlopen(), only one that you give afterwards. End a child with _exit(), or start another program in it:
 * exit() may hang there if another thread was just ending, or generating a key. On Linux, pthread_cancel()
 * with deferred cancellation (the default) takes effect after a call, never in it. Errors can also be read
 * in destructors of thread-specific data and in atexit() handlers. A call needs at most 64 KiB of stack; in
 * the build without AWS-LC, a key exchange of the authenticated framing needs 96 KiB.
 *
 * @par Defects
 * If the library hits a defect of its own (a Rust panic), the call fails with ANWDL_REASON_INTERNAL, and
 * standard error has a report. Nothing unwinds into the caller, and there is no undefined behaviour. Three
 * cases abort the process instead: a second defect while the first is cleaned up, no memory for the library's
 * own work, and a system that gives AWS-LC no random bytes after several attempts. Before each step
 * of a key exchange, the library makes sure that there are 64 KiB. If AWS-LC still runs out of memory, it
 * does not say so: RSA encryption fails with ANWDL_REASON_INTERNAL, RSA decryption with
 * ANWDL_REASON_DECRYPTION_FAILED.
 */

#ifndef ANWDL_H
#define ANWDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Makes the compiler warn if the result of a function is not used: a status that is not checked, an object
 * that is never freed. To turn the warning off, define this as empty before including the header. */
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

/** Makes the compiler warn if a function is called; `note`, a string, says what to call instead. */
#ifndef ANWDL_DEPRECATED
#if defined(__GNUC__)
#  define ANWDL_DEPRECATED(note) __attribute__((__deprecated__(note)))
#elif defined(_MSC_VER)
#  define ANWDL_DEPRECATED(note) __declspec(deprecated(note))
#else
#  define ANWDL_DEPRECATED(note)
#endif
#endif

/** Tells gcc's analyzer (-fanalyzer) which function frees the result of the next one. The compiler cannot follow
 * objects that come through out-parameters. */
#ifndef ANWDL_DEALLOC
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#  define ANWDL_DEALLOC(function) __attribute__((__malloc__(function, 1)))
#else
#  define ANWDL_DEALLOC(function)
#endif
#endif

/** Gives an enum the size of an int, as in the library, even with -fshort-enums. */
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

/** Response message: the request does not fit the request format, or this server. */
#define ANWDL_RESPONSE_MSG_BAD_REQ "Bad request"

/** Response message: the server refuses to carry out the request. */
#define ANWDL_RESPONSE_MSG_REFUSED_REQ "Refused request"

/** Response message: the server cannot carry out the request now. */
#define ANWDL_RESPONSE_MSG_UNAVAILABLE "Unavailable"

/** Response message: the server failed while carrying out the request. */
#define ANWDL_RESPONSE_MSG_INTERNAL_ERROR "Internal error"

/** Why a call failed. Numbers from 100 are warnings, which come with ANWDL_OK. A number never changes its
 * meaning. Later versions may add some, so give a `switch` over them a default case. */
typedef enum ANWDL_INT_ENUM {
  /** No call has failed on this thread yet. */
  ANWDL_REASON_NONE = 0,
  /** (VALUE_ERROR) An argument is NULL, out of range, of a wrong size, an unknown enum number or not UTF-8. The
   * message names it. Nothing was done. */
  ANWDL_REASON_INVALID_ARGUMENT = 1,
  /** (VALUE_ERROR) The descriptor is closed, not a stream socket, not connected, or listening. It still belongs
   * to the caller. */
  ANWDL_REASON_INVALID_DESCRIPTOR = 2,
  /** (VALUE_ERROR) A key, the caller's or the peer's, is not an RSA key in PEM or DER, or its modulus or
   * exponent is out of bounds. */
  ANWDL_REASON_INVALID_KEY = 3,
  /** (VALUE_ERROR) A received request decrypts but does not fit the request format, or is not strict JSON
   * although Python's json.loads() reads it; anwdl_client_get_request_errors() has the details. The session
   * continues: answer with ANWDL_RESPONSE_MSG_BAD_REQ. Or a request to send does not fit the format: nothing
   * was sent, and the session continues. */
  ANWDL_REASON_MALFORMED_REQUEST = 4,
  /** (VALUE_ERROR) A response to send does not fit the response format: nothing was sent, and the session
   * continues. Or a received response does not fit it: the session has ended. */
  ANWDL_REASON_MALFORMED_RESPONSE = 5,
  /** (VALUE_ERROR) The peer announced a message above the limit, or a PEM of more than 16 KiB: the session has
   * ended. Or a message to send is longer than the framing can carry: nothing was sent, and the session
   * continues. */
  ANWDL_REASON_MESSAGE_TOO_LARGE = 6,
  /** (VALUE_ERROR) The peer sent bytes that the protocol does not allow, such as a length that is not a number.
   * The session has ended. */
  ANWDL_REASON_PROTOCOL_VIOLATION = 7,
  /** (VALUE_ERROR) The data does not decrypt to anything that a released peer could read. Whether the key, the
   * padding, the tag or the text was wrong is kept secret on purpose. A session has ended with it. */
  ANWDL_REASON_DECRYPTION_FAILED = 8,
  /** (VALUE_ERROR) The peer speaks another framing than anwdl_client_options_set_protocol() asked for: the
   * session has ended. Or an AES wrapper was given for the authenticated framing, which takes none. */
  ANWDL_REASON_PROTOCOL_MISMATCH = 9,
  /** (VALUE_ERROR) The call belongs to the other side of the connection, such as sending a response in the role
   * of a client. Nothing was done. */
  ANWDL_REASON_WRONG_ROLE = 10,
  /** (VALUE_ERROR) It is not this side's turn (see "Turns"), no computation is due, or anwdl_client_detach()
   * would lose the start of a message. Nothing was done, and the session continues. */
  ANWDL_REASON_OUT_OF_TURN = 11,
  /** (VALUE_ERROR) There is a connection already. It continues. */
  ANWDL_REASON_ALREADY_CONNECTED = 12,
  /** (VALUE_ERROR) The PROXY protocol header that anwdl_client_options_set_proxy_protocol() asked for is
   * missing, malformed or too long. Nothing was sent, and the session has ended. */
  ANWDL_REASON_BAD_PROXY_HEADER = 13,
  /** (VALUE_ERROR) The parameters or data have no value at this place. */
  ANWDL_REASON_NOT_FOUND = 14,
  /** (VALUE_ERROR) A value in the parameters or data is not of the type that the call reads; the message names
   * both types. */
  ANWDL_REASON_WRONG_TYPE = 15,
  /** (VALUE_ERROR) A number in the parameters or data does not fit the result; anwdl_value_to_json() has every
   * digit. */
  ANWDL_REASON_OUT_OF_RANGE = 16,
  /** (RUNTIME_ERROR) The client was closed or detached on this side, or the interface is not connected. */
  ANWDL_REASON_CLOSED = 20,
  /** (RUNTIME_ERROR) The peer closed the connection. Between two messages this is the usual end of a session;
   * in the middle of one, the session has ended too. */
  ANWDL_REASON_PEER_CLOSED = 21,
  /** (RUNTIME_ERROR) The peer does not accept what was sent (it answered with a byte other than '1'). The
   * session is where it was before the step. */
  ANWDL_REASON_PEER_REFUSED = 22,
  /** (RUNTIME_ERROR) The timeout passed before the work was done. If no byte of the operation had moved (a
   * whole PROXY header does not count), the call can be repeated; otherwise the session has ended. */
  ANWDL_REASON_TIMEOUT = 23,
  /** (RUNTIME_ERROR) A system call failed; see anwdl_last_error_errno(). A session has ended with it. */
  ANWDL_REASON_IO_FAILED = 24,
  /** (RUNTIME_ERROR) An earlier failure ended this session, and its keys are wiped. It can only be closed,
   * detached or freed. */
  ANWDL_REASON_SESSION_FAILED = 25,
  /** (VALUE_ERROR) A key that the call needs is not set, or not in memory, or the local private key does not
   * belong to the local public one; the message says which. */
  ANWDL_REASON_KEY_MISSING = 26,
  /** (RUNTIME_ERROR) The keys must be exchanged before this call. */
  ANWDL_REASON_KEYS_NOT_EXCHANGED = 27,
  /** (RUNTIME_ERROR) The keys are exchanged already, or the part of them that this step exchanges. */
  ANWDL_REASON_KEYS_ALREADY_EXCHANGED = 28,
  /** (RUNTIME_ERROR) Another operation is under way, or this one with another message: it returned
   * ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION and must be finished first. */
  ANWDL_REASON_OPERATION_PENDING = 29,
  /** (RUNTIME_ERROR) One key has protected as many messages as it may. No call fails with it: the authenticated
   * framing replaces its keys in time. */
  ANWDL_REASON_SESSION_SPENT = 30,
  /** (RUNTIME_ERROR) The system's random generator failed; see anwdl_last_error_errno(). In the middle of a key
   * exchange the session has ended; otherwise nothing was sent and the call can be repeated. */
  ANWDL_REASON_RANDOM_FAILED = 31,
  /** (RUNTIME_ERROR) A defect of this library, or no memory: for a result, a copy, a message or a key exchange.
   * Any function can return it. Free the objects of the call; a session refuses further work with
   * ANWDL_REASON_SESSION_FAILED. */
  ANWDL_REASON_INTERNAL = 32,
  /** (RUNTIME_ERROR) The peer's public key does not have the fingerprint that
   * anwdl_client_options_set_expected_fingerprint() asked for; the message has both. The session has ended,
   * and this side had sent no secret. */
  ANWDL_REASON_FINGERPRINT_MISMATCH = 33,
  /** (RUNTIME_ERROR) The name of the server could not be resolved, or none of its addresses accepts a
   * connection; anwdl_last_error_errno() has the errno of the last attempt, if there was one. */
  ANWDL_REASON_CONNECT_FAILED = 34,
  /** (RUNTIME_ERROR) The function that anwdl_rsa_wrapper_set_private_operation() was given has failed, or its
   * result does not belong to the public key. A session has ended with it. The peer sees what it sees with
   * ANWDL_REASON_DECRYPTION_FAILED. */
  ANWDL_REASON_PRIVATE_OPERATION_FAILED = 35,
  /** (OK, a warning) anwdl_rsa_wrapper_load() has loaded the key, but users other than its owner have rights to
   * the file, or its owner is neither this user nor root: others may know the key. */
  ANWDL_REASON_KEY_FILE_EXPOSED = 100
} anwdl_error_reason_t;

/** What a function that can fail returns: 0 for success, a positive number for "not yet", a negative one for
 * a failure. See "Errors" at the top. */
typedef enum ANWDL_INT_ENUM {
  /** Done. All results are written. */
  ANWDL_OK = 0,
  /** Not a failure. Call the same function again, with the same arguments, when the descriptor is readable; for
   * a session, after anwdl_session_feed(), anwdl_session_received() or anwdl_session_feed_end(). Only from
   * non-blocking clients and interfaces, and from sessions. */
  ANWDL_WANT_READ = 1,
  /** Not a failure. The same, when the descriptor is writable; for a session, after anwdl_session_sent(). */
  ANWDL_WANT_WRITE = 2,
  /** Not a failure. Call anwdl_client_compute(), anwdl_session_compute() or anwdl_client_interface_compute() on
   * any thread, then the same function again with the same arguments. Only with
   * anwdl_client_options_set_separate_computation(). */
  ANWDL_WANT_COMPUTATION = 3,
  /** Python's ValueError: a bad argument, or bad content from the peer. Its reasons have the numbers 1 to 19,
   * and 26 (ANWDL_REASON_KEY_MISSING). */
  ANWDL_VALUE_ERROR = -1,
  /** Python's RuntimeError: closed, refused by the peer, timed out, a failed system call, or a call that does
   * not fit the state of the session. Its reasons are all others from 20 to 99. */
  ANWDL_RUNTIME_ERROR = -2
} anwdl_status_t;

/** How requests and responses are framed on the wire. */
typedef enum ANWDL_INT_ENUM {
  /** As an option: whatever the peer speaks (the default). As a result: not known yet; releases 2 to 4 can
   * first be told apart by the first request. */
  ANWDL_PROTOCOL_AUTO = 0,
  /** Releases 2.0 and 2.1: AES-CBC with one IV for the whole session. */
  ANWDL_PROTOCOL_V2 = 1,
  /** Release 3.1: AES-CBC; each message carries the next IV. */
  ANWDL_PROTOCOL_V3 = 2,
  /** Release 4.1: as release 3.1, with an encrypted length. */
  ANWDL_PROTOCOL_V4 = 3,
  /** The authenticated framing, AES-256-GCM, which no Python release speaks. Only this one detects changed
   * messages and a tampered key exchange, and keeps recordings secret if the RSA keys become known later. */
  ANWDL_PROTOCOL_GCM = 4
} anwdl_protocol_t;

/** What anwdl_client_next_event(), anwdl_session_next_event() and anwdl_client_interface_next_event() return:
 * what has happened, or what they need to go on. Later versions return new ones only to programs that ask for
 * them. */
typedef enum ANWDL_INT_ENUM {
  /** The session is over: free the handle. anwdl_last_error_reason() says why; ANWDL_REASON_PEER_CLOSED is the
   * usual end. Also if an argument is NULL. */
  ANWDL_EVENT_ENDED = 0,
  /** Call again when the descriptor is readable; for a session, after anwdl_session_feed(),
   * anwdl_session_received() or anwdl_session_feed_end(). */
  ANWDL_EVENT_WANT_READ = 1,
  /** Call again when the descriptor is writable; for a session, after anwdl_session_sent(). */
  ANWDL_EVENT_WANT_WRITE = 2,
  /** Call anwdl_client_compute(), anwdl_session_compute() or anwdl_client_interface_compute() on any thread, then
   * call again. Only with anwdl_client_options_set_separate_computation(). */
  ANWDL_EVENT_WANT_COMPUTATION = 3,
  /** It is the program's turn: a server must send the response to the last request, a client may send a request,
   * and a key exchange that was begun step by step needs its next step. Calling again changes nothing,
   * whatever the peer sends: do not wait for the descriptor meanwhile. */
  ANWDL_EVENT_YOUR_TURN = 4,
  /** The keys are exchanged. */
  ANWDL_EVENT_EXCHANGED = 5,
  /** A server has received a request. Answer it, then call again. */
  ANWDL_EVENT_REQUEST = 6,
  /** A server has received a request that does not fit the request format: see ANWDL_REASON_MALFORMED_REQUEST.
   * Answer it with ANWDL_RESPONSE_MSG_BAD_REQ, then call again. */
  ANWDL_EVENT_MALFORMED_REQUEST = 7,
  /** The response is sent. */
  ANWDL_EVENT_RESPONSE_SENT = 8,
  /** The request is sent. */
  ANWDL_EVENT_REQUEST_SENT = 9,
  /** A client has received the response to its request. */
  ANWDL_EVENT_RESPONSE = 10,
  /** A non-blocking client has a connection: wait for its descriptor in place of the earlier one, which is closed.
   */
  ANWDL_EVENT_CONNECTED = 11
} anwdl_event_t;

/** A side of a connection. */
typedef enum ANWDL_INT_ENUM {
  /** The side that accepted the connection: it receives requests and sends responses. */
  ANWDL_ROLE_SERVER = 0,
  /** The side that connected: it sends requests and receives responses. */
  ANWDL_ROLE_CLIENT = 1
} anwdl_role_t;

/** The type of a value. */
typedef enum ANWDL_INT_ENUM {
  /** There is no value. */
  ANWDL_VALUE_NONE = 0,
  /** null. */
  ANWDL_VALUE_NULL = 1,
  /** true or false. */
  ANWDL_VALUE_BOOLEAN = 2,
  /** A number without fraction and exponent, of any length. */
  ANWDL_VALUE_INTEGER = 3,
  /** Any other number: 1.0 and 1e3 are floats. */
  ANWDL_VALUE_FLOAT = 4,
  /** A string. */
  ANWDL_VALUE_STRING = 5,
  /** An array. */
  ANWDL_VALUE_ARRAY = 6,
  /** An object. */
  ANWDL_VALUE_OBJECT = 7
} anwdl_value_type_t;

/** How important a log message is. */
typedef enum ANWDL_INT_ENUM {
  /** No message has this level so far. As the least level, it lets all messages through. */
  ANWDL_LOG_DEBUG = 0,
  /** What usually happens, a few times in a session: keys exchanged, framing detected, client behind a proxy,
   * connection closed by the peer between two messages. */
  ANWDL_LOG_INFO = 1,
  /** What the library or the peer refused, or a failure that did not end the session; and
   * ANWDL_REASON_KEY_FILE_EXPOSED. */
  ANWDL_LOG_WARNING = 2,
  /** What ended a session early. */
  ANWDL_LOG_ERROR = 3
} anwdl_log_level_t;

/** Whether connections begin with a PROXY protocol header. */
typedef enum ANWDL_INT_ENUM {
  /** They do not (the default). */
  ANWDL_PROXY_PROTOCOL_OFF = 0,
  /** They do, in version 1 or 2. Connections without one are refused. */
  ANWDL_PROXY_PROTOCOL_REQUIRED = 1
} anwdl_proxy_protocol_t;

/** How an AES wrapper uses its key. */
typedef enum ANWDL_INT_ENUM {
  /** Cipher block chaining with PKCS#7 padding and an IV of 16 bytes, as the Python AESWrapper. It keeps a text
   * secret but does not detect changes. */
  ANWDL_AES_CBC = 0,
  /** Galois/counter mode with a random nonce of 12 bytes for each text and a tag of 16 bytes. It keeps a text
   * secret and detects every change. No Python release has it. */
  ANWDL_AES_GCM = 1
} anwdl_aes_mode_t;

/** An AES key of 128, 192 or 256 bits with its mode and, in CBC mode, an IV. The key is wiped when the
 * wrapper is freed. Python: AESWrapper. */
typedef struct anwdl_aes_wrapper_t anwdl_aes_wrapper_t;

/** A client of a server. It has one connection at a time, and can make another after closing it.
 * Python: ClientInterface. */
typedef struct anwdl_client_interface_t anwdl_client_interface_t;

/** Options, which anwdl_client_new(), anwdl_session_new() and anwdl_client_interface_new() copy. One set can
 * serve any number of clients. In their documentation, "client" also means sessions and client interfaces, and
 * anwdl_client_X() also means their functions of that name, unless it says otherwise. */
typedef struct anwdl_client_options_t anwdl_client_options_t;

/** A connected client, as the server sees it. Python: ClientInstance. */
typedef struct anwdl_client_t anwdl_client_t;

/** A JSON object or array that is built value by value: the data of a response, or the parameters of a request.
 * The functions anwdl_data_set_... set a member of an object, and anwdl_data_add_... append to an array; with
 * the other of the two they fail with ANWDL_REASON_INVALID_ARGUMENT. Members keep the order in which they were
 * first set; setting a name again replaces its value. Values are copied in. Objects and arrays nest at most 64
 * levels deep, in the parameters of a request and the data of a response 63; more is
 * ANWDL_REASON_INVALID_ARGUMENT. Names and values are wiped when they are replaced or freed. */
typedef struct anwdl_data_t anwdl_data_t;

/** A received request that fits the request format. It never changes, and does not depend on the session that
 * it came from. Strings and numbers are exactly as received, to the last digit. */
typedef struct anwdl_request_t anwdl_request_t;

/** A received response that fits the response format. It never changes, and does not depend on the session
 * that it came from. Strings and numbers are exactly as received, to the last digit. */
typedef struct anwdl_response_t anwdl_response_t;

/** A local RSA key pair and a peer's public key, each of which may be missing. Python: RSAWrapper.
 *
 * Keys are PEM of at most 16 KiB, with everything that OpenSSL accepts: text around it, a byte-order mark,
 * blanks, CRLF, lines of any length. Functions that end in "_der" take or return DER of at most 16 KiB. The
 * message of a refused key says what it is and what to do. The local keys can be set one by one; keys are
 * exchanged only with a public and a private one that belong together (ANWDL_REASON_KEY_MISSING). A modulus has
 * 2048 to 8192 bits; an exponent is odd, at least 3 and at most 33 bits long. The private key is wiped when the
 * last wrapper or client that shares it is freed. */
typedef struct anwdl_rsa_wrapper_t anwdl_rsa_wrapper_t;

/** A session without a descriptor: one side of one connection, for programs that move the bytes themselves,
 * through libuv, Asio, io_uring, TLS or a tunnel. It never waits, and its only system calls are those for
 * random bytes. Each operation returns one of these until it is done; then call it again, with the same
 * arguments:
 * - ANWDL_WANT_READ: pass on bytes from the peer with anwdl_session_feed(), in pieces of any size, or receive
 *   them into anwdl_session_get_receive_buffer() and report them with anwdl_session_received();
 * - ANWDL_WANT_WRITE: send what anwdl_session_get_pending() returns, and report it with
 *   anwdl_session_sent();
 * - ANWDL_WANT_COMPUTATION, only with a separate computation: call anwdl_session_compute() on any thread.
 *
 * A function for one role fails in the other with ANWDL_VALUE_ERROR and ANWDL_REASON_WRONG_ROLE. A session has no
 * clock: its timeouts need anwdl_session_set_time(). To give up on a peer, call anwdl_session_end() or free the
 * session. anwdl_session_next_event() runs all operations. Here is one by itself: to receive a request, call this
 * whenever bytes have come and the last request has its response.
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
 * The caller owns the socket and its options. Set TCP_NODELAY on a TCP socket. The released peers leave
 * Nagle's algorithm on and write small pieces, so each waits for the acknowledgement of the last, which
 * systems delay by about 40 ms. On Linux, set TCP_QUICKACK to 1 whenever anwdl_session_exchange_keys() or
 * one of its steps returns ANWDL_OK or ANWDL_WANT_READ, and in a loop of events at ANWDL_EVENT_EXCHANGED and
 * each ANWDL_EVENT_WANT_READ before it. The option does not last. Requests do not need it.
 */
typedef struct anwdl_session_t anwdl_session_t;

/** A value in the parameters of a request, in the data of a response, or in an anwdl_data_t. Copy it like a
 * number; it is never freed. It is valid until the object that it came from is freed or changed, and so are
 * the values and strings that are read from it. Many threads may read it at once. Its fields are private.
 *
 * An anwdl_value_t of zeros is "no value". Functions return it where there is nothing, which is not a failure
 * and leaves the last error alone. All functions accept it, and find nothing in it.
 *
 * A value is a place in the JSON text, and needs no memory. Reading it takes at most as long as to read the
 * text once, and so does walking through a whole array with anwdl_value_get_next(). Only strings and names are
 * decoded, all of them when the first one is read; together they are no longer than the text, and are wiped
 * with it. They are UTF-8 and end with NUL, but can contain NULs too: only their length shows where they end.
 *
 * A parameter named pointer is a JSON Pointer (RFC 6901) that begins at the value: "/disks/0/size" is the
 * member "size" of the first element of the member "disks", and "" is the value itself. In a name, write "~1"
 * for a slash and "~0" for a tilde. What is not a JSON Pointer is ANWDL_REASON_INVALID_ARGUMENT. For names
 * that others have chosen use anwdl_value_get_member(), and for long arrays anwdl_value_get_next(), as a
 * pointer counts the elements from the first one each time.
 *
 * Each disk of {"disks": [{"name": "sda", "size": 10}]}:
 *
 * @code{.c}
 * #include <stdio.h>
 *
 * #include <anwdl.h>
 *
 * anwdl_status_t print_disks(const anwdl_request_t *request)
 * {
 *     anwdl_value_t parameters = anwdl_request_get_parameters(request);
 *     anwdl_value_t disk = anwdl_value_get_first(anwdl_value_find(parameters, "/disks"));
 *     for (; anwdl_value_get_type(disk) != ANWDL_VALUE_NONE; disk = anwdl_value_get_next(disk)) {
 *         const char *name;
 *         double size;
 *         anwdl_status_t status = anwdl_value_get_string(disk, "/name", &name, NULL);
 *         if (status == ANWDL_OK)
 *             status = anwdl_value_get_float(disk, "/size", &size);
 *         if (status != ANWDL_OK)
 *             return status;
 *         printf("%s: %g\n", name, size);
 *     }
 *     return ANWDL_OK;
 * }
 * @endcode
 */
typedef struct {
  /** The object that it belongs to; NULL for no value. */
  const void *owner;
  /** Its place there. */
  uint32_t place;
  /** How deep it is nested. */
  uint32_t level;
} anwdl_value_t;

/** A private key operation of the program; see anwdl_rsa_wrapper_set_private_operation(). It raises a number
 * below the modulus to the power of the private exponent, modulo the modulus, and neither checks nor removes
 * padding: CKM_RSA_X_509 of PKCS #11, RSA_NO_PADDING of OpenSSL, TPM_ALG_NULL of TPM2_RSA_Decrypt().
 * @param input The number, big-endian.
 * @param output Where to write the result, big-endian, with leading zeros. It never overlaps input.
 * @param size The size of input, of output and of the modulus in bytes.
 * @param user_data What was passed to anwdl_rsa_wrapper_set_private_operation().
 * @return true if the result is written, false if the operation failed. */
typedef bool (*anwdl_private_operation_t)(const uint8_t *input, uint8_t *output, size_t size, void *user_data);

/** A function that frees user data.
 * @param user_data What was passed with the function. */
typedef void (*anwdl_free_function_t)(void *user_data);

/** A function that takes log messages; see anwdl_set_log_callback(). The strings are valid during the call.
 * @param level How important the message is.
 * @param client_id The ID of the client that it is about, as from anwdl_client_get_id(), or ""; never NULL.
 * @param message One line of English, UTF-8, without a line end; never NULL. The text may change between
 *   versions.
 * @param user_data What was passed to anwdl_set_log_callback(). */
typedef void (*anwdl_log_function_t)(anwdl_log_level_t level,
                                     const char *client_id,
                                     const char *message,
                                     void *user_data);

/** A function that takes log messages with their owner; see anwdl_set_log_handler(). The strings are valid
 * during the call.
 * @param level How important the message is.
 * @param owner What the program attached, with anwdl_client_set_user_data() for example, to the client,
 *   session or client interface that the message is about; NULL for none. It has to stay valid until another
 *   is attached or the handle is freed. Do not call the library with that handle: its call is still running.
 * @param client_id As for anwdl_log_function_t.
 * @param message As for anwdl_log_function_t.
 * @param user_data What was passed to anwdl_set_log_handler(). */
typedef void (*anwdl_log_handler_t)(anwdl_log_level_t level,
                                    void *owner,
                                    const char *client_id,
                                    const char *message,
                                    void *user_data);

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------
 * Errors and version
 * ------------------ */

/** Why the last failing call on this thread failed. The last error stays until another call fails on the same
 * thread: success, ANWDL_WANT_READ, ANWDL_WANT_WRITE and ANWDL_WANT_COMPUTATION leave it alone. So ask only
 * after a failure, or after anwdl_rsa_wrapper_load(), the one call that sets it on success. Python: the
 * class of the exception, in more detail.
 * @return The reason; ANWDL_REASON_NONE if no call has failed on this thread yet. */
anwdl_error_reason_t anwdl_last_error_reason(void);

/** The last failure on this thread as one line of English for a person, at most 1000 bytes. It holds no secret.
 * Control characters in foreign text, such as a host or a path, are escaped (`\n`, `\u{1b}`), so it cannot
 * forge a line of a log. The text may change between versions. Python: str() of the exception.
 * @return The message, UTF-8, never NULL ("no error" if there was none); valid until the next call on
 *   this thread that fails, warns (anwdl_rsa_wrapper_load()) or clears it, or until the thread ends. */
const char *anwdl_last_error_message(void);

/** The errno of the system call behind the last failing call on this thread. Python: errno of the OSError.
 * @return A number from errno.h, with ANWDL_REASON_IO_FAILED and where another reason comes from a system
 *   call; otherwise 0. */
int anwdl_last_error_errno(void);

/** The name of a reason, for logs.
 * @param reason Any number.
 * @return The name without its prefix, such as "TIMEOUT" for ANWDL_REASON_TIMEOUT; "UNKNOWN" for other
 *   numbers. Never NULL; a constant. */
const char *anwdl_error_reason_name(anwdl_error_reason_t reason);

/** Forgets the last error of this thread, as if no call had failed on it. Python: none. */
void anwdl_last_error_clear(void);

/** The name of a status, for logs.
 * @param status Any number.
 * @return The name, such as "WANT_READ" for ANWDL_WANT_READ, as anwdl_error_reason_name(). Never NULL; a
 *   constant. */
const char *anwdl_status_name(anwdl_status_t status);

/** The version of the library that the program runs with. ANWDL_VERSION is that of the header it was compiled
 * with. Python: anwdlserver.__version__.
 * @return "MAJOR.MINOR.PATCH". Never NULL; a constant. */
const char *anwdl_version(void);

/** The version of the library and how it was built, for logs and bug reports.
 * @return "libanwdl MAJOR.MINOR.PATCH (AWS-LC)", or "(pure Rust)" for a build without AWS-LC. Never NULL; a
 *   constant. */
const char *anwdl_build_info(void);

/* -------------------
 * Options for clients
 * ------------------- */

/** Frees options. Clients that were made with them are not affected. */
void anwdl_client_options_free(anwdl_client_options_t *options);

/** Makes a set of options, all at their defaults. Python: the default arguments of ClientInstance().
 * @return The options, to be freed with anwdl_client_options_free(); NULL only with ANWDL_REASON_INTERNAL. */
ANWDL_MUST_USE
ANWDL_DEALLOC(anwdl_client_options_free)
anwdl_client_options_t *anwdl_client_options_new(void);

/** Copies a set of options. The copy shares the RSA key pair, and nothing else. Python: copy.copy().
 * @param out_options Where to write the copy, to be freed with anwdl_client_options_free().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_copy(const anwdl_client_options_t *options,
                                         anwdl_client_options_t **out_options);

/** Sets how long an operation may take: a deadline for the whole operation, counted from the call that begins
 * it, however slowly the peer sends its bytes. A blocking call returns when it has passed; a non-blocking
 * client checks it whenever the operation is called again. anwdl_client_new() with the automatic key exchange
 * is one operation, and so is anwdl_client_interface_connect_server(). A session takes the time from
 * anwdl_session_set_time(). Python: ClientInstance(timeout=...), in seconds, and for each recv().
 * @param milliseconds The timeout in milliseconds; 0 (the default) for none.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_timeout(anwdl_client_options_t *options, uint32_t milliseconds);

/** Sets how long anwdl_client_next_event() and anwdl_session_next_event() wait for the first byte of a request.
 * From then on the timeout counts. All other functions ignore the idle timeout, and so does an operation that
 * anwdl_client_recv_request() or anwdl_session_recv_request() began. Python: none.
 * @param milliseconds The idle timeout in milliseconds; 0 for none. By default it is as long as the timeout.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_idle_timeout(anwdl_client_options_t *options, uint32_t milliseconds);

/** Sets the RSA key pair of the clients. Without it, all clients of the process share one key pair of 4096
 * bits, which is made when the first of them needs it; that call takes seconds.
 * Python: ClientInstance(rsa_wrapper=...).
 * @param wrapper The wrapper. Its local key pair is shared, not copied; its peer's key is ignored, as each
 *   client receives its own.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_rsa_wrapper(anwdl_client_options_t *options,
                                                    const anwdl_rsa_wrapper_t *wrapper);

/** Sets the AES key that the clients begin with, for the framings v2 to v4. Where keys are exchanged, this
 * side offers it if it sends its AES key first (receive_first is false); if the peer sends first, the peer's
 * key takes its place. Where keys are not exchanged (anwdl_client_options_set_exchange_keys()), the session
 * is ready at once under this key, which the peer must have received in some other way.
 *
 * Without it, a client that sends its key first draws a fresh one. Leave it so for peers that may be
 * released ones: they send the key back, and sessions that share a key can be replayed to each other. The
 * authenticated framing takes no key: recordings under a key that is used again could be replayed.
 * Python: ClientInstance(aes_wrapper=...).
 *
 * @param wrapper The wrapper, in CBC mode; GCM is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_aes_wrapper(anwdl_client_options_t *options,
                                                    const anwdl_aes_wrapper_t *wrapper);

/** Sets whether anwdl_client_new() exchanges the keys, the peer speaking first, and
 * anwdl_client_interface_connect_server(), this side speaking first. Neither does so for a non-blocking
 * client or with a separate computation, and a session never does it by itself: call
 * anwdl_client_exchange_keys() or its four steps. Python: ClientInstance(exchange_keys=...).
 * @param exchange_keys true (the default) to exchange them there.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_exchange_keys(anwdl_client_options_t *options, bool exchange_keys);

/** Sets whether a received AES key is sent back unchanged, as the released Python peers do. By default this
 * side answers with a new key that is derived from it (HKDF-SHA-256, RFC 5869), which every released peer
 * accepts. The authenticated framing never sends a key back.
 *
 * With true, someone who recorded a session can connect later with a key pair of their own, replay the
 * recorded key, get it back under their own key, and read the recording; someone who holds only the public
 * key of a pinned peer that speaks first can pass for that peer; and recorded requests can be replayed. Set
 * it only to replay recordings, or for a peer that insists on its own key.
 *
 * @param key_echo true to send received keys back; false (the default) to answer with a new one.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_key_echo(anwdl_client_options_t *options, bool key_echo);

/** Sets whether operations return ANWDL_WANT_READ or ANWDL_WANT_WRITE instead of waiting, to connect included.
 * The flags of the descriptor do not matter and are never changed. A session never waits.
 * @param non_blocking true to return; false (the default) to wait.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_non_blocking(anwdl_client_options_t *options, bool non_blocking);

/** Sets the only framing that the clients accept. A peer that speaks another one is refused with
 * ANWDL_REASON_PROTOCOL_MISMATCH: in the key exchange if its secret shows the framing (the authenticated one
 * against all others), otherwise at its first request. With ANWDL_PROTOCOL_GCM nobody on the path can read
 * or change a message unnoticed, provided that the peer knows this side's fingerprint.
 *
 * The side that connects speaks this framing; to it, ANWDL_PROTOCOL_AUTO means ANWDL_PROTOCOL_V4, unless the
 * server sends its secret first and chooses the authenticated framing.
 *
 * @param protocol ANWDL_PROTOCOL_AUTO (the default) to accept all, or one of the others.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_protocol(anwdl_client_options_t *options, anwdl_protocol_t protocol);

/** Sets how long a received request or response may be. A peer that announces more is refused with
 * ANWDL_REASON_MESSAGE_TOO_LARGE, before anything is received or allocated for it.
 * @param bytes The limit in bytes of JSON text (rounded up to whole cipher blocks), 1 to 99999999; 1048576
 *   (1 MiB) by default. Others are ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_max_message_size(anwdl_client_options_t *options, size_t bytes);

/** Sets the IP address that anwdl_client_get_ip() returns and that anwdl_client_get_id() is computed from, in
 * place of the address of the socket's peer: for Unix sockets, and for proxies that pass the address on
 * without the PROXY protocol (for that, see anwdl_client_options_set_proxy_protocol()). Such options serve one
 * client.
 * @param ip An IPv4 or IPv6 address, the latter with or without a zone ("fe80::1%eth0"); NULL (the default)
 *   for that of the socket. Anything else is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_peer_ip(anwdl_client_options_t *options, const char *ip);

/** Sets whether connections begin with a PROXY protocol header, as HAProxy ("send-proxy", "send-proxy-v2")
 * and other proxies send it. Sessions and client interfaces ignore this.
 *
 * The first operation of the client receives the header, within its timeout, and not one byte beyond it.
 * From then on anwdl_client_get_ip() and anwdl_client_get_id() report the address in the header ("" for a
 * Unix socket). Before, and after a header without a client (LOCAL in version 2, UNKNOWN in version 1), they
 * report the socket's. anwdl_client_options_set_peer_ip() takes precedence over both. Additions of version 2
 * (TLVs) are skipped.
 *
 * Where anwdl_client_next_event() waits for a request, the timeout counts from the first byte of the header to
 * its last; before and after, the idle timeout counts, as if there were no header.
 *
 * A connection that begins with anything else, or with a malformed or too long header (more than 107 bytes
 * in version 1, 4096 after the first 16 in version 2), is refused with ANWDL_REASON_BAD_PROXY_HEADER:
 * nothing is sent, and the session has ended.
 *
 * Nothing proves what a header says: make sure that only the proxy can connect to the server, or anyone can
 * claim any address.
 *
 * @param proxy_protocol ANWDL_PROXY_PROTOCOL_OFF (the default) or ANWDL_PROXY_PROTOCOL_REQUIRED.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_proxy_protocol(anwdl_client_options_t *options,
                                                       anwdl_proxy_protocol_t proxy_protocol);

/** Sets whether the private key operation of the key exchange, which takes milliseconds, is left to the
 * caller. With true, an exchange returns ANWDL_WANT_COMPUTATION when it is due, from blocking clients too.
 * Then call anwdl_client_compute() on any thread, while no other call uses the client, and call the exchange
 * again. If the peer chose the authenticated framing, a second, shorter computation follows: do the same
 * again.
 *
 * Set an RSA wrapper as well: without one, the client makes the key pair of the process, or waits for it,
 * when it begins the exchange.
 *
 * @param separate_computation true to leave it to the caller; false (the default) to do it in the exchange.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_separate_computation(anwdl_client_options_t *options,
                                                             bool separate_computation);

/** Sets the fingerprint of the only RSA public key that is accepted from the peer in a key exchange. Another
 * key is refused with ANWDL_REASON_FINGERPRINT_MISMATCH, before this side sends any secret. This keeps
 * others from passing for the server; a server can pin a client in the same way.
 *
 * A successful exchange shows that the peer owns the key only in v2, v3 and v4, and only if this side spoke
 * first. In the authenticated framing, or if the peer spoke first (receive_first is true), only its first
 * message shows that. Do nothing on its behalf until then. Python: none; its client shows the fingerprint and
 * asks the user.
 *
 * @param hex 64 hexadecimal digits of either case, as from anwdl_rsa_wrapper_get_fingerprint(); NULL (the
 *   default) to accept every key. Anything else is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_options_set_expected_fingerprint(anwdl_client_options_t *options, const char *hex);

/** The name of a framing, for logs.
 * @param protocol Any number.
 * @return The name, such as "V4" for ANWDL_PROTOCOL_V4, as anwdl_error_reason_name(). Never NULL; a
 *   constant. */
const char *anwdl_protocol_name(anwdl_protocol_t protocol);

/* ----------------------------------
 * Clients: the Python ClientInstance
 * ---------------------------------- */

/** Makes a client from a connected socket, as accept() returns it, and exchanges the keys, the peer speaking
 * first, unless the options say otherwise. It does not exchange them for a non-blocking client or one with a
 * separate computation, so it never returns ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION.
 *
 * It sets SO_RCVLOWAT to 1 and, on a TCP socket, sets TCP_NODELAY and clears TCP_CORK (Linux), so that no
 * piece of the protocol waits for the next. TCP_QUICKACK (Linux) is set twice during the key exchange. All
 * other options, and the flags of the descriptor, stay as they are. Python: ClientInstance(socket, timeout,
 * rsa_wrapper, aes_wrapper, exchange_keys).
 *
 * @param fd A connected stream socket. With ANWDL_OK it belongs to the client, which closes it: do not use
 *   or close it afterwards. After a failure it still belongs to the caller and is open.
 * @param options The options; NULL for the defaults.
 * @param out_client Where to write the client, to be freed with anwdl_client_free().
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_DESCRIPTOR; if keys are exchanged, also those of
 *   anwdl_client_exchange_keys().
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED, ANWDL_REASON_RANDOM_FAILED; likewise. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_new(int fd, const anwdl_client_options_t *options, anwdl_client_t **out_client);

/** Closes the connection if it is open, wipes the keys and frees the client. Everything borrowed from it
 * becomes invalid; requests that the caller owns stay valid. Python: del. */
void anwdl_client_free(anwdl_client_t *client);

/** Closes the connection and wipes the keys. The client must still be freed. If bytes have come that were not
 * received, TCP also throws away what the peer has not fetched of the last response (RFC 2525, 2.17): to close
 * then, use anwdl_client_detach() and receive them first. Python: ClientInstance.closeConnection().
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_CLOSED. */
anwdl_status_t anwdl_client_close_connection(anwdl_client_t *client);

/** Gives the open descriptor back to the caller. The client counts as closed from then on, and must still be
 * freed. Unless an operation is under way, no byte of the peer is lost: if the start of another message was
 * read already, the call refuses once. This happens only in the authenticated framing, and only if the peer
 * sent out of turn. Python: socket.detach().
 * @return The descriptor, which the caller must close; -1 if the client is closed or detached
 *   (ANWDL_REASON_CLOSED), or the start of another message was read (ANWDL_REASON_OUT_OF_TURN: receive it
 *   first, or call again to do without it). */
ANWDL_MUST_USE
int anwdl_client_detach(anwdl_client_t *client);

/** Whether the client was closed or detached on this side. If the peer has closed the connection, the
 * next operation reports that. Python: ClientInstance.isClosed().
 * @return true after anwdl_client_close_connection() or anwdl_client_detach(), otherwise false. */
bool anwdl_client_is_closed(const anwdl_client_t *client);

/** Whether the session has ended, by a failure or because it was closed or detached. After a failure it tells
 * whether the client is still usable: after ANWDL_REASON_TIMEOUT, for example, the call can be repeated if
 * no byte had moved.
 * @return true if the client can only be closed and freed, otherwise false. */
bool anwdl_client_has_failed(const anwdl_client_t *client);

/** Changes the timeout of operations that begin after this call; see anwdl_client_options_set_timeout().
 * Python: ClientInstance.getSocketDescriptor().settimeout(), in seconds, and for each recv().
 * @param milliseconds The timeout in milliseconds; 0 for none.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_timeout(anwdl_client_t *client, uint32_t milliseconds);

/** The descriptor of the connection, for poll(), epoll and the like. It belongs to the client: do not close
 * it, read from it or write to it. Python: ClientInstance.getSocketDescriptor().
 * @return The descriptor; -1 if the client is closed. */
int anwdl_client_get_socket_descriptor(const anwdl_client_t *client);

/** The IP address of the peer: dotted IPv4 ("192.0.2.1"), also if it came mapped into IPv6, or IPv6 as in RFC
 * 5952 ("2001:db8::1") without a zone; "" for sockets of other families. anwdl_client_options_set_peer_ip()
 * replaces it. If a PROXY protocol header is expected, this is the proxy's address until the first operation
 * has received the header; ask again then. Python: ClientInstance.getIP().
 * @return The text, valid and unchanged until the client is freed. */
const char *anwdl_client_get_ip(const anwdl_client_t *client);

/** The ID of the client: the first 7 hexadecimal digits of the SHA-256 of its IP text. Connections from one
 * address have one ID. It changes when the text does; see anwdl_client_get_ip().
 * Python: ClientInstance.getID().
 * @return The text, valid and unchanged until the client is freed. */
const char *anwdl_client_get_id(const anwdl_client_t *client);

/** When the client was made. Python: ClientInstance.getCreationTimestamp().
 * @return Seconds since 1970-01-01 00:00 UTC, negative before. */
int64_t anwdl_client_get_creation_timestamp(const anwdl_client_t *client);

/** The framing that the session uses. It is known at once if the options name it, after the key exchange if
 * it is the authenticated one, otherwise after the first request (or response).
 * @return The framing; ANWDL_PROTOCOL_AUTO until it is known. */
anwdl_protocol_t anwdl_client_get_protocol(const anwdl_client_t *client);

/** The RSA wrapper of the client: its local key pair and, once received, the peer's public key. A client
 * without one takes the key pair of the process when it first needs it.
 * Python: ClientInstance.getRSAWrapper().
 * @return The wrapper, borrowed until the next call that changes the client; NULL if there is none yet. */
const anwdl_rsa_wrapper_t *anwdl_client_get_rsa_wrapper(const anwdl_client_t *client);

/** The AES wrapper of the client: the session key and the current IV. The authenticated framing has none: its
 * keys, one for each direction, stay inside the library. Python: ClientInstance.getAESWrapper().
 * @return The wrapper, borrowed until the next call that changes the client; NULL if there is none. */
const anwdl_aes_wrapper_t *anwdl_client_get_aes_wrapper(const anwdl_client_t *client);

/** Replaces the RSA key pair before keys are exchanged. Python: ClientInstance.setRSAWrapper(rsa_wrapper).
 * @param wrapper The wrapper, as for anwdl_client_options_set_rsa_wrapper().
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_rsa_wrapper(anwdl_client_t *client, const anwdl_rsa_wrapper_t *wrapper);

/** Replaces the AES key before keys are exchanged, or in a session that does not exchange any.
 * Python: ClientInstance.setAESWrapper(aes_wrapper).
 * @param wrapper The wrapper, as for anwdl_client_options_set_aes_wrapper().
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing.
 * @retval ANWDL_RUNTIME_ERROR As anwdl_client_set_rsa_wrapper(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_aes_wrapper(anwdl_client_t *client, const anwdl_aes_wrapper_t *wrapper);

/** Exchanges RSA public keys and the AES key with the peer. With receive_first the four steps are
 * anwdl_client_recv_public_rsa_key(), anwdl_client_send_public_rsa_key(), anwdl_client_recv_aes_key() and
 * anwdl_client_send_aes_key(); without it, "recv" and "send" change places. The side that sends its AES key
 * first decides the key of the session.
 *
 * With a separate computation it returns ANWDL_WANT_COMPUTATION once, or twice in the authenticated framing.
 * Python: ClientInstance.exchangeKeys(receive_first).
 *
 * @param receive_first true if the peer speaks first, as the released clients do; false if this side does.
 * @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
 * @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_KEY: the peer's key. ANWDL_REASON_MESSAGE_TOO_LARGE: the
 *   peer's PEM has more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
 *   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the local wrapper lacks a key, or its two keys
 *   do not belong together, or the AES key is to be sent before the peer's public key has come.
 * @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_exchange_keys(anwdl_client_t *client, bool receive_first);

/** One step of the key exchange: sends the local RSA public key. Python: ClientInstance.sendPublicRSAKey().
 * @return As anwdl_client_exchange_keys(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_public_rsa_key(anwdl_client_t *client);

/** One step of the key exchange: receives the peer's RSA public key.
 * Python: ClientInstance.recvPublicRSAKey().
 * @return As anwdl_client_exchange_keys(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_public_rsa_key(anwdl_client_t *client);

/** One step of the key exchange: sends the AES key, encrypted under the peer's RSA public key. If the peer's
 * AES key came first, this sends a new key derived from it; see anwdl_client_options_set_key_echo().
 * Python: ClientInstance.sendAESKey().
 * @return As anwdl_client_exchange_keys(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_aes_key(anwdl_client_t *client);

/** One step of the key exchange: receives the peer's AES key, encrypted under the local RSA public key.
 * Python: ClientInstance.recvAESKey().
 * @return As anwdl_client_exchange_keys(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_aes_key(anwdl_client_t *client);

/** Does the long part of the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation or, the
 * second time, the answer to the peer's ephemeral keys in the authenticated framing. It takes milliseconds
 * and may run on any thread, while no other call uses the client. Then call the exchange again: that reports
 * whether the peer's secret could be decrypted. Python: none; it is part of ClientInstance.recvAESKey().
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_OUT_OF_TURN: no computation is due.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED. */
anwdl_status_t anwdl_client_compute(anwdl_client_t *client);

/** Receives a request. Python: ClientInstance.recvRequest(store_request).
 * @param store_request true to keep the request in the client, in place of an earlier one, for
 *   anwdl_client_get_stored_request(); false to leave the stored one as it is.
 * @param out_request Where to write the request, to be freed with anwdl_request_free(); it outlives the
 *   client. NULL is fine if store_request is true.
 * @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
 * @retval ANWDL_VALUE_ERROR The session continues after ANWDL_REASON_MALFORMED_REQUEST (see
 *   anwdl_client_get_request_errors() and anwdl_client_get_malformed_request_json()) and
 *   ANWDL_REASON_OUT_OF_TURN (the last request has no response yet; nothing was received). It has ended
 *   after ANWDL_REASON_MESSAGE_TOO_LARGE, ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED
 *   and ANWDL_REASON_PROTOCOL_MISMATCH.
 * @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_KEYS_NOT_EXCHANGED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_recv_request(anwdl_client_t *client, bool store_request,
                                         anwdl_request_t **out_request);

/** The last request that anwdl_client_recv_request() received with store_request.
 * Python: ClientInstance.getStoredRequest().
 * @return The request, borrowed until the client stores another one or is freed; NULL if none is stored. */
const anwdl_request_t *anwdl_client_get_stored_request(const anwdl_client_t *client);

/** What is wrong with the last request, if it was malformed (ANWDL_REASON_MALFORMED_REQUEST). The errors have
 * the form that the Python peers' validator gives, for example {"verb": ["required field"], "parameters":
 * [{"client_token": ["must be of string type"]}]}. For text that Python's json.loads() reads but that is not
 * strict JSON, they say what and where: {"request": ["not strict JSON at line 1 column 37 (byte 36): not a JSON
 * number: write null or a string"]}. Python: the errors in the tuple that ClientInstance.recvRequest() returns.
 * @return A JSON object in UTF-8, borrowed until the client begins to receive the next request, also in
 *   anwdl_client_next_event(); NULL if the last request was not malformed. */
const char *anwdl_client_get_request_errors(const anwdl_client_t *client);

/** The text of the last request, if it was malformed (ANWDL_REASON_MALFORMED_REQUEST), exactly as received
 * but without the blanks around it: for a log, or for a server that accepts more than the format allows.
 * Python's json.loads() reads it, but other parsers may not: it can contain NaN, Infinity, half surrogate
 * pairs, duplicate keys and more than 64 levels of nesting, and need not be an object. It may hold client
 * tokens, and is wiped when it is freed. Python: the request in the tuple that ClientInstance.recvRequest()
 * returns.
 * @return The text in UTF-8 with no NUL inside, borrowed until the client begins to receive the next
 *   request, also in anwdl_client_next_event(); NULL if the last request was not malformed. */
const char *anwdl_client_get_malformed_request_json(const anwdl_client_t *client);

/** Sends a response: {"success": success, "message": message, "data": data}, with the data as given. With a
 * reason, the message becomes "message (reason : reason)".
 *
 * The data is checked against the response format first: container_uuid, client_token, container_iso_sha256,
 * container_username, container_password and container_listen_port come together or not at all, so do uptime
 * and version, and each has its own format. Other keys are allowed.
 *
 * Each request gets one response, in order (see "Turns"). A response before the first request uses the
 * framing of anwdl_client_options_set_protocol(), or ANWDL_PROTOCOL_V4 without it, which clients of releases
 * 2 and 3 cannot read; to answer those, receive their request first. In non-blocking use, repeated calls
 * finish the response of the first. Python: ClientInstance.sendResponse(success, message, data, reason).
 *
 * @param success Whether the request was carried out.
 * @param message What the peer shows, UTF-8: one of the ANWDL_RESPONSE_MSG_ strings.
 * @param data_json A JSON object, UTF-8; NULL for {}. It must be strict JSON that every released peer reads:
 *   no NaN, no duplicate keys, no half surrogate pairs, at most 63 levels, no integer of more than 4300
 *   digits. Numbers stay as written, 1e400 and -0 too.
 * @param reason Why the request was refused or failed, UTF-8; may be NULL or "" for none.
 * @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
 * @retval ANWDL_VALUE_ERROR Nothing was sent and the session continues after ANWDL_REASON_MALFORMED_RESPONSE
 *   (data_json is not acceptable JSON: the error message says where, and what to write; or it breaks the format),
 *   ANWDL_REASON_MESSAGE_TOO_LARGE (more than the framing can carry) and ANWDL_REASON_OUT_OF_TURN (each
 *   request has its response).
 * @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_response(anwdl_client_t *client, bool success, const char *message,
                                          const char *data_json, const char *reason);

/** What the operation under way waits for. Python: none.
 * @return ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION; ANWDL_OK if no operation is under way,
 *   or if it can continue at once: call it again; ANWDL_VALUE_ERROR for NULL. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_get_wants(const anwdl_client_t *client);

/** Whether no request is under way, from its first byte to the last one of its response. A server that stops can
 * close the client then, and no request is lost. First call anwdl_client_next_event() until it returns
 * ANWDL_EVENT_WANT_READ: a request may wait in the socket. Python: none.
 * @return true before the first request, in the key exchange too, and between two requests; otherwise false, also
 *   after a failure, and after an ANWDL_EVENT_WANT_READ that only gave other clients their turn: it did not look
 *   into the socket. */
bool anwdl_client_is_idle(const anwdl_client_t *client);

/** Attaches a pointer of the program to the client, for anwdl_client_get_user_data() and for the function of
 * anwdl_set_log_handler(). The library neither reads nor frees what it points to.
 * Python: an attribute of the object.
 * @param user_data The pointer; NULL is fine.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_set_user_data(anwdl_client_t *client, void *user_data);

/** The pointer that anwdl_client_set_user_data() attached. Python: an attribute of the object.
 * @return The pointer; NULL if there is none. */
void *anwdl_client_get_user_data(const anwdl_client_t *client);

/** Runs the session, and returns what has happened or what it needs to go on, so a server is a loop with one
 * `switch`. It continues the operation under way, exchanges the keys (the peer speaks first) unless that is
 * done or an AES wrapper takes their place, and then receives requests. Python: none.
 *
 * The program only begins to send: call anwdl_client_send_response() once, and if it returns ANWDL_WANT_READ
 * or ANWDL_WANT_WRITE, leave the rest to this function. To speak first in the key exchange, begin it with
 * anwdl_client_exchange_keys() in the same way. ANWDL_EVENT_EXCHANGED and ANWDL_EVENT_RESPONSE_SENT come once
 * each, also if the function that began the operation has finished it, unless another operation has begun
 * since.
 *
 * ANWDL_EVENT_ENDED is final, even with reasons after which other functions could be called again:
 * ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT and ANWDL_REASON_PEER_REFUSED. The timeout of a request
 * counts from its first byte; until then the idle timeout counts, see anwdl_client_options_set_idle_timeout().
 * A blocking client waits, so it never returns ANWDL_EVENT_WANT_READ or ANWDL_EVENT_WANT_WRITE. You may call
 * too early: the call returns the same event again.
 *
 * To answer later, take the descriptor out of the poll set until then: it can be readable all the time, and each
 * call returns ANWDL_EVENT_YOUR_TURN. You learn afterwards whether the peer has gone.
 *
 * After 16 requests without a wait, a non-blocking client returns ANWDL_EVENT_WANT_READ once, so a peer that
 * sends without a pause does not keep your loop from its other clients. Polling reports at once that there is
 * more to read; if it is edge-triggered, call again. Other non-blocking functions return ANWDL_WANT_READ in the
 * same way. A server for one connection:
 *
 * @code{.c}
 * #include <anwdl.h>
 *
 * // The program's own: waits, or arranges to be called again; and sends a response.
 * void wait_for(anwdl_client_t *client, anwdl_event_t what);
 * anwdl_status_t answer(anwdl_client_t *client, const anwdl_request_t *request);
 *
 * void serve(anwdl_client_t *client)
 * {
 *     anwdl_request_t *request = NULL;
 *     anwdl_status_t status = ANWDL_OK;
 *     while (status >= ANWDL_OK) {
 *         anwdl_event_t event = anwdl_client_next_event(client, &request);
 *         switch (event) {
 *         case ANWDL_EVENT_REQUEST:
 *             status = answer(client, request);
 *             anwdl_request_free(request);
 *             break;
 *         case ANWDL_EVENT_MALFORMED_REQUEST:
 *             status = anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_BAD_REQ,
 *                                                 NULL, NULL);
 *             break;
 *         case ANWDL_EVENT_EXCHANGED:
 *         case ANWDL_EVENT_RESPONSE_SENT:
 *             break;
 *         case ANWDL_EVENT_WANT_READ:
 *         case ANWDL_EVENT_WANT_WRITE:
 *             wait_for(client, event);
 *             break;
 *         case ANWDL_EVENT_WANT_COMPUTATION:
 *             status = anwdl_client_compute(client);
 *             break;
 *         default:
 *             return;
 *         }
 *     }
 * }
 * @endcode
 *
 * @param out_request Where to write the request with ANWDL_EVENT_REQUEST, to be freed with
 *   anwdl_request_free(); it outlives the client. Untouched otherwise.
 * @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_exchange_keys(),
 *   anwdl_client_recv_request() and anwdl_client_send_response().
 */
ANWDL_MUST_USE
anwdl_event_t anwdl_client_next_event(anwdl_client_t *client, anwdl_request_t **out_request);

/** How long the operation under way may still take. Wait no longer, then call it again: that call fails with
 * ANWDL_REASON_TIMEOUT. Python: socket.gettimeout(), which is for each recv().
 * @return Milliseconds, rounded up, as poll() and epoll_wait() take them; 0 if the time is up; -1 if there is
 *   no limit, or no operation is under way. */
int anwdl_client_get_time_left(const anwdl_client_t *client);

/* -----------------------------
 * Sessions without a descriptor
 * ----------------------------- */

/** Makes a session. It begins to exchange the keys when anwdl_session_exchange_keys() or a step is called. If
 * the options say that keys are not exchanged, it is ready at once under their AES wrapper. Python: none;
 * ClientInstance() needs a socket.
 * @param role Which side of the connection it is.
 * @param options The options; NULL for the defaults. The non-blocking option is ignored; for the timeouts see
 *   anwdl_session_set_time().
 * @param out_session Where to write the session, to be freed with anwdl_session_free().
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_PROTOCOL_MISMATCH: the AES wrapper does not fit the
 *   framing of the options. */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_new(anwdl_role_t role, const anwdl_client_options_t *options,
                                 anwdl_session_t **out_session);

/** Wipes the keys and frees the session. Everything borrowed from it becomes invalid; requests and responses
 * that the caller owns stay valid. Python: del. */
void anwdl_session_free(anwdl_session_t *session);

/** Exchanges the keys, as anwdl_client_exchange_keys(). Usually the side in the role of a client speaks first.
 * Python: ClientInstance.exchangeKeys(receive_first). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_exchange_keys(anwdl_session_t *session, bool receive_first);

/** One step of the key exchange, as anwdl_client_send_public_rsa_key(). Python:
 * ClientInstance.sendPublicRSAKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_public_rsa_key(anwdl_session_t *session);

/** One step of the key exchange, as anwdl_client_recv_public_rsa_key(). Python:
 * ClientInstance.recvPublicRSAKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_public_rsa_key(anwdl_session_t *session);

/** One step of the key exchange, as anwdl_client_send_aes_key(). Python: ClientInstance.sendAESKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_aes_key(anwdl_session_t *session);

/** One step of the key exchange, as anwdl_client_recv_aes_key(). Python: ClientInstance.recvAESKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_aes_key(anwdl_session_t *session);

/** Does the long part of the key exchange, as anwdl_client_compute(). Python: none; it is part of
 * ClientInstance.recvAESKey(). */
anwdl_status_t anwdl_session_compute(anwdl_session_t *session);

/** ANWDL_ROLE_SERVER only: receives a request, as anwdl_client_recv_request(). Python:
 * ClientInstance.recvRequest(store_request). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_request(anwdl_session_t *session, bool store_request,
                                          anwdl_request_t **out_request);

/** ANWDL_ROLE_SERVER only: sends a response, as anwdl_client_send_response(). Python:
 * ClientInstance.sendResponse(success, message, data, reason). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_response(anwdl_session_t *session, bool success, const char *message,
                                           const char *data_json, const char *reason);

/** ANWDL_ROLE_CLIENT only: sends a request, as anwdl_client_interface_send_request(). Python:
 * ClientInterface.sendRequest(verb, parameters). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_request(anwdl_session_t *session, const char *verb,
                                          const char *parameters_json);

/** ANWDL_ROLE_CLIENT only: receives a response, as anwdl_client_interface_recv_response(). Python:
 * ClientInterface.recvResponse(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_recv_response(anwdl_session_t *session, anwdl_response_t **out_response);

/** Passes on bytes from the peer, in pieces of any size. It takes only what the operation under way can use:
 * nothing if no operation is under way, or if it has all it waited for and must be called again. Bytes after a
 * message stay with the caller. Python: none; socket.recv() is called inside.
 * @param bytes The bytes; NULL is fine if len is 0.
 * @param len Their number.
 * @param out_taken Where to write how many bytes were taken, from the first on. Feed the rest again after
 *   calling the operation.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after anwdl_session_end())
 *   or ANWDL_REASON_PEER_CLOSED (after anwdl_session_feed_end()). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_feed(anwdl_session_t *session, const uint8_t *bytes, size_t len,
                                  size_t *out_taken);

/** Lends memory to receive bytes from the peer into, in place of anwdl_session_feed(): pass it to recv(),
 * SSL_read() or an io_uring, and report what has come with anwdl_session_received(). It has room for what the
 * operation under way waits for and for the start of the next message, so that nothing is left for the caller to
 * keep. Python: none; socket.recv() is called inside.
 * @param out_len Where to write its length in bytes. Written only if there is one.
 * @return The address, lent until the next call that changes the session; NULL if the session waits for no bytes:
 *   after ANWDL_WANT_READ it does. */
uint8_t *anwdl_session_get_receive_buffer(anwdl_session_t *session,
                                          size_t *out_len);

/** Reports that bytes from the peer were received into what anwdl_session_get_receive_buffer() lent. Python: none;
 * socket.recv() is called inside.
 * @param count How many, from the first on; more than its length is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after anwdl_session_end()).
 */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_received(anwdl_session_t *session, size_t count);

/** Says that the peer has closed its side. An operation that waits for bytes then fails with
 * ANWDL_REASON_PEER_CLOSED when it is called again, and so does every later one. Python: none; socket.recv()
 * is called inside.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after
 *   anwdl_session_end()). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_feed_end(anwdl_session_t *session);

/** The bytes to be sent to the peer; after ANWDL_WANT_WRITE there are some. Send them in order, at once or in
 * pieces, and report what is on its way with anwdl_session_sent(). To report bytes before they are sent, keep
 * a copy: no timeout counts for these, and the program must limit how many wait. A timeout that passes while
 * some are pending ends the session: they may have left. Python: none; socket.sendall() is called inside.
 * @param bytes Where to write the address of the bytes, borrowed until the next call that changes the
 *   session.
 * @param len Where to write their number, which may be 0.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_get_pending(const anwdl_session_t *session, const uint8_t **bytes, size_t *len);

/** Reports that bytes of anwdl_session_get_pending() are on their way to the peer. Python: none;
 * socket.sendall() is called inside.
 * @param count How many of them, from the first on; more than are pending is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED, only after a defect of the
 *   library. */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_sent(anwdl_session_t *session, size_t count);

/** What the operation under way waits for, as anwdl_client_get_wants(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_get_wants(const anwdl_session_t *session);

/** Ends the session and wipes its keys: to give up on a slow peer, or after the last message. Every later
 * operation fails with ANWDL_REASON_SESSION_FAILED. The session must still be freed. Ending it twice does
 * nothing. Python: ClientInstance.closeConnection().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
anwdl_status_t anwdl_session_end(anwdl_session_t *session);

/** Whether a failure or anwdl_session_end() has ended the session. Nothing is pending then.
 * @return true if the session can only be freed, otherwise false. */
bool anwdl_session_has_failed(const anwdl_session_t *session);

/** Which side of the connection the session is. Python: the class, ClientInstance or ClientInterface.
 * @return The role that it was made with; ANWDL_ROLE_SERVER for NULL. */
anwdl_role_t anwdl_session_get_role(const anwdl_session_t *session);

/** The framing of the session, as anwdl_client_get_protocol(). In the role of a client it is known at once if
 * the options name it. */
anwdl_protocol_t anwdl_session_get_protocol(const anwdl_session_t *session);

/** The RSA wrapper, as anwdl_client_get_rsa_wrapper(). Python: ClientInstance.getRSAWrapper(). */
const anwdl_rsa_wrapper_t *anwdl_session_get_rsa_wrapper(const anwdl_session_t *session);

/** The AES wrapper, as anwdl_client_get_aes_wrapper(). Python: ClientInstance.getAESWrapper(). */
const anwdl_aes_wrapper_t *anwdl_session_get_aes_wrapper(const anwdl_session_t *session);

/** Replaces the RSA key pair, as anwdl_client_set_rsa_wrapper(). Python:
 * ClientInstance.setRSAWrapper(rsa_wrapper). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_set_rsa_wrapper(anwdl_session_t *session, const anwdl_rsa_wrapper_t *wrapper);

/** Replaces the AES key, as anwdl_client_set_aes_wrapper(). Python:
 * ClientInstance.setAESWrapper(aes_wrapper). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_set_aes_wrapper(anwdl_session_t *session, const anwdl_aes_wrapper_t *wrapper);

/** The stored request, as anwdl_client_get_stored_request(). Python: ClientInstance.getStoredRequest(). */
const anwdl_request_t *anwdl_session_get_stored_request(const anwdl_session_t *session);

/** What is wrong with a malformed request, as anwdl_client_get_request_errors(). Python: the errors in the
 * tuple that ClientInstance.recvRequest() returns. */
const char *anwdl_session_get_request_errors(const anwdl_session_t *session);

/** The text of a malformed request, as anwdl_client_get_malformed_request_json(). Python: the request in the
 * tuple that ClientInstance.recvRequest() returns. */
const char *anwdl_session_get_malformed_request_json(const anwdl_session_t *session);

/** Whether no request is under way, as anwdl_client_is_idle() or, in the role of a client,
 * anwdl_client_interface_is_idle(). It knows nothing of bytes that the program has not passed on yet. Python: none.
 * @return As theirs. */
bool anwdl_session_is_idle(const anwdl_session_t *session);

/** Attaches a pointer to the session, as anwdl_client_set_user_data(). Python: an attribute of the object. */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_set_user_data(anwdl_session_t *session, void *user_data);

/** The attached pointer, as anwdl_client_get_user_data(). Python: an attribute of the object. */
void *anwdl_session_get_user_data(const anwdl_session_t *session);

/** The address of anwdl_client_options_set_peer_ip(), as anwdl_client_get_ip(); "" without one. Python:
 * ClientInstance.getIP(). */
const char *anwdl_session_get_ip(const anwdl_session_t *session);

/** The ID of the peer, as anwdl_client_get_id(); "" without an address. Python: ClientInstance.getID(). */
const char *anwdl_session_get_id(const anwdl_session_t *session);

/** When the session was made, as anwdl_client_get_creation_timestamp(). Python:
 * ClientInstance.getCreationTimestamp(). */
int64_t anwdl_session_get_creation_timestamp(const anwdl_session_t *session);

/** The name of a role, for logs.
 * @param role Any number.
 * @return The name, such as "SERVER" for ANWDL_ROLE_SERVER, as anwdl_error_reason_name(). Never NULL; a
 *   constant. */
const char *anwdl_role_name(anwdl_role_t role);

/** Runs the session, as anwdl_client_next_event() or, in the role of a client,
 * anwdl_client_interface_next_event(). After ANWDL_EVENT_WANT_WRITE send what is pending; after
 * ANWDL_EVENT_WANT_READ feed it; then call again. Python: none.
 * @param out_request Where to write the request with ANWDL_EVENT_REQUEST, to be freed with
 *   anwdl_request_free(); it outlives the session. Ignored in the role of a client.
 * @param out_response Where to write the response with ANWDL_EVENT_RESPONSE, to be freed with
 *   anwdl_response_free(); it outlives the session. NULL is fine in the role of a server.
 * @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_next_event() and
 *   anwdl_client_interface_next_event(). */
ANWDL_MUST_USE
anwdl_event_t anwdl_session_next_event(anwdl_session_t *session, anwdl_request_t **out_request,
                                       anwdl_response_t **out_response);

/** Tells the session the time, for the timeouts of its options. Call it after each wait, before any other
 * function: the timeout of a request counts from the time last told when its first byte came. An operation
 * that began before the first call has no timeout. Python: none; the socket has a clock.
 * @param milliseconds The time in milliseconds from any fixed point: that of clock_gettime(CLOCK_MONOTONIC),
 *   uv_now() or std::chrono::steady_clock. A time before the last one is ignored; after one that is too large,
 *   the clock stands still until that time.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
anwdl_status_t anwdl_session_set_time(anwdl_session_t *session, uint64_t milliseconds);

/** How long the operation under way may take after the last anwdl_session_set_time(), as
 * anwdl_client_get_time_left(); -1 also without anwdl_session_set_time(). Python: none. */
int anwdl_session_get_time_left(const anwdl_session_t *session);

/* --------------------------------------------------
 * The side that connects: the Python ClientInterface
 * -------------------------------------------------- */

/** Makes a client interface, not connected yet. Python: ClientInterface(server_ip, server_listen_port,
 * timeout, rsa_wrapper, aes_wrapper); here the address is passed when connecting.
 * @param options The options; NULL for the defaults. ANWDL_PROTOCOL_AUTO means ANWDL_PROTOCOL_V4, as the
 *   released servers speak, unless the server chooses the authenticated framing. The peer's IP address is
 *   ignored.
 * @param out_interface Where to write the interface, to be freed with anwdl_client_interface_free().
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_PROTOCOL_MISMATCH: the AES wrapper does not fit
 *   the framing of the options. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_new(const anwdl_client_options_t *options,
                                          anwdl_client_interface_t **out_interface);

/** Closes the connection if there is one, wipes the keys and frees the interface. Everything borrowed from it
 * becomes invalid; responses stay valid. Python: del. */
void anwdl_client_interface_free(anwdl_client_interface_t *client_interface);

/** Connects to a server and, unless the options say otherwise, exchanges the keys, this side speaking first.
 * In the authenticated framing, ANWDL_OK does not show that the server owns its key: its first response does.
 * It tries the addresses of a name as RFC 8305 says: IPv6 and IPv4 in turn; the next one at once if one fails,
 * and beside it if it has not answered for 250 ms; the first that answers stays. At most 16 are tried at a time,
 * so an interface that connects without waiting takes up to 18 descriptors.
 *
 * A non-blocking interface does not wait. Until it is connected, the call returns ANWDL_WANT_READ: wait until
 * anwdl_client_interface_get_socket_descriptor() is readable, no longer than
 * anwdl_client_interface_get_time_left() tells, then call again with the same arguments, or
 * anwdl_client_interface_next_event(). That descriptor is for connecting only, and then closed: the connection
 * has another one. To give up, call anwdl_client_interface_close_connection() or
 * anwdl_client_interface_free(). A non-blocking interface, or one with a separate computation, exchanges its
 * keys only in anwdl_client_interface_exchange_keys() or anwdl_client_interface_next_event(). To let the server
 * speak first, turn off anwdl_client_options_set_exchange_keys() and call the first of the two.
 *
 * Unless the call blocks and has no timeout, a name is looked up on a thread of the library's own, on which all
 * signals are blocked. There are at most 16 such threads; further names wait for one. A thread whose answer
 * nobody waits for ends when the system's resolver gives up. After fork(), a child that goes on looks the name up
 * again, and waits for a descriptor of its own.
 *
 * After a failure there is no connection, and the call can be repeated. After
 * ANWDL_REASON_FINGERPRINT_MISMATCH, anwdl_client_interface_get_server_fingerprint() still has the server's
 * fingerprint. Python: ClientInterface.connectServer(receive_first), which takes the address from the
 * constructor.
 *
 * @param host An IPv4 or IPv6 address or a name, UTF-8, 1 to 1024 bytes.
 * @param port The port, 1 to 65535; servers listen on 6150 by default.
 * @retval ANWDL_OK Connected; the keys are exchanged too, but for the cases named above.
 * @retval ANWDL_WANT_READ Non-blocking only.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_ALREADY_CONNECTED; if keys are exchanged, also those of
 *   anwdl_client_interface_exchange_keys().
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CONNECT_FAILED, ANWDL_REASON_TIMEOUT; ANWDL_REASON_OPERATION_PENDING:
 *   another host is being connected to; likewise. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_connect_server(anwdl_client_interface_t *client_interface,
                                                     const char *host, uint16_t port);

/** Uses a socket that the program has connected to a server, in place of
 * anwdl_client_interface_connect_server(), and exchanges the keys in the same way. It can be of TCP, a Unix
 * socket, or from socketpair(). Its options are set as anwdl_client_new() sets them. Python: none.
 * @param fd A connected stream socket. With ANWDL_OK it belongs to the interface, which closes it: do not use
 *   or close it afterwards. After a failure it still belongs to the caller and is open.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_DESCRIPTOR, ANWDL_REASON_ALREADY_CONNECTED; if keys are
 *   exchanged, also those of anwdl_client_interface_exchange_keys().
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_OPERATION_PENDING: it is connecting; likewise. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_attach(anwdl_client_interface_t *client_interface, int fd);

/** Gives the open descriptor back to the caller. The interface can connect again, and must still be freed.
 * Python: socket.detach().
 * @return As anwdl_client_detach(); -1 also while it connects (ANWDL_REASON_OPERATION_PENDING). */
ANWDL_MUST_USE
int anwdl_client_interface_detach(anwdl_client_interface_t *client_interface);

/** Closes the connection and wipes the keys of the session, or stops connecting. The interface can connect
 * again, and must still be freed. Python: ClientInterface.closeConnection().
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_CLOSED: there is no connection. */
anwdl_status_t anwdl_client_interface_close_connection(anwdl_client_interface_t *client_interface);

/** Whether there is no connection, and none is being made: it was never begun, failed, or was closed or
 * detached on this side. If the server has closed the connection, the next operation reports that. Python:
 * ClientInterface.isClosed().
 * @return true if there is no connection and none is being made, otherwise false. */
bool anwdl_client_interface_is_closed(const anwdl_client_interface_t *client_interface);

/** Whether the session has ended, as anwdl_client_has_failed(): false before there was a connection, and if
 * connecting failed. */
bool anwdl_client_interface_has_failed(const anwdl_client_interface_t *client_interface);

/** Changes the timeout, as anwdl_client_set_timeout(), of this connection and later ones. Python:
 * ClientInterface.getSocketDescriptor().settimeout(), in seconds, and for each recv(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_timeout(anwdl_client_interface_t *client_interface,
                                                  uint32_t milliseconds);

/** The descriptor of the connection, as anwdl_client_get_socket_descriptor(); -1 without one. While a
 * non-blocking interface connects, it is another one, which becomes readable when there is more to do. Python:
 * ClientInterface.getSocketDescriptor(). */
int anwdl_client_interface_get_socket_descriptor(const anwdl_client_interface_t *client_interface);

/** The fingerprint of the server's RSA public key, once received; see anwdl_rsa_wrapper_get_fingerprint().
 * Python: none; its client computes it.
 * @param out_hex Where to write 64 hexadecimal digits in lower case, to be freed with anwdl_string_free().
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: no key of the server was received
 *   yet. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_get_server_fingerprint(const anwdl_client_interface_t *client_interface,
                                                             char **out_hex);

/** The framing of the session, as anwdl_client_get_protocol(): the one that the options name (ANWDL_PROTOCOL_V4
 * for ANWDL_PROTOCOL_AUTO), or the authenticated one once it is agreed on. */
anwdl_protocol_t anwdl_client_interface_get_protocol(const anwdl_client_interface_t *client_interface);

/** The RSA wrapper, as anwdl_client_get_rsa_wrapper(); its peer's key is the server's. Python:
 * ClientInterface.getRSAWrapper(). */
const anwdl_rsa_wrapper_t *anwdl_client_interface_get_rsa_wrapper(const anwdl_client_interface_t *client_interface);

/** The AES wrapper, as anwdl_client_get_aes_wrapper(). Python: ClientInterface.getAESWrapper(). */
const anwdl_aes_wrapper_t *anwdl_client_interface_get_aes_wrapper(const anwdl_client_interface_t *client_interface);

/** Replaces the RSA key pair, as anwdl_client_set_rsa_wrapper(), of this connection and later ones. Python:
 * ClientInterface.setRSAWrapper(rsa_wrapper). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_rsa_wrapper(anwdl_client_interface_t *client_interface,
                                                      const anwdl_rsa_wrapper_t *wrapper);

/** Replaces the AES key, as anwdl_client_set_aes_wrapper(), of this connection and later ones. Python:
 * ClientInterface.setAESWrapper(aes_wrapper). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_aes_wrapper(anwdl_client_interface_t *client_interface,
                                                      const anwdl_aes_wrapper_t *wrapper);

/** Exchanges the keys with the server, as anwdl_client_exchange_keys(). The released clients speak first: for
 * them, receive_first is false. Python: ClientInterface.connectServer(receive_first), of which it is a part. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_exchange_keys(anwdl_client_interface_t *client_interface,
                                                    bool receive_first);

/** One step of the key exchange, as anwdl_client_send_public_rsa_key(). Python:
 * ClientInterface.sendPublicRSAKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_public_rsa_key(anwdl_client_interface_t *client_interface);

/** One step of the key exchange, as anwdl_client_recv_public_rsa_key(). Python:
 * ClientInterface.recvPublicRSAKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_public_rsa_key(anwdl_client_interface_t *client_interface);

/** One step of the key exchange, as anwdl_client_send_aes_key(). Python: ClientInterface.sendAESKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_aes_key(anwdl_client_interface_t *client_interface);

/** One step of the key exchange, as anwdl_client_recv_aes_key(). Python: ClientInterface.recvAESKey(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_aes_key(anwdl_client_interface_t *client_interface);

/** Does the long part of the key exchange, as anwdl_client_compute(). Python: none; it is part of
 * ClientInterface.recvAESKey().
 * @return As anwdl_client_compute(), or ANWDL_RUNTIME_ERROR with ANWDL_REASON_OPERATION_PENDING: it is
 *   connecting. */
anwdl_status_t anwdl_client_interface_compute(anwdl_client_interface_t *client_interface);

/** Sends a request: {"verb": verb, "parameters": parameters}, with the parameters as given. Both are checked
 * against the request format first: the verb consists of the letters A to Z; container_uuid and client_token
 * come together or not at all, and each has its own format. Other parameters are allowed. Receive the
 * response before sending the next request. Python: ClientInterface.sendRequest(verb, parameters).
 * @param verb What is asked for, UTF-8. Every server knows "CREATE", "DESTROY" and "STAT".
 * @param parameters_json A JSON object, UTF-8; NULL for {}. The rules for the data_json of
 *   anwdl_client_send_response() apply.
 * @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
 * @retval ANWDL_VALUE_ERROR Nothing was sent and the session continues after ANWDL_REASON_MALFORMED_REQUEST
 *   (verb or parameters_json breaks the format), ANWDL_REASON_MESSAGE_TOO_LARGE (more than the framing can
 *   carry) and ANWDL_REASON_OUT_OF_TURN (the last request has no response yet).
 * @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
 *   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_request(anwdl_client_interface_t *client_interface, const char *verb,
                                                   const char *parameters_json);

/** Receives a response. Python: ClientInterface.recvResponse().
 * @param out_response Where to write the response, to be freed with anwdl_response_free(); it outlives the
 *   interface.
 * @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
 *   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED, ANWDL_REASON_PROTOCOL_MISMATCH: the
 *   session has ended.
 * @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_KEYS_NOT_EXCHANGED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_recv_response(anwdl_client_interface_t *client_interface,
                                                    anwdl_response_t **out_response);

/** What the operation under way waits for, as anwdl_client_get_wants(). Python: none. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_get_wants(const anwdl_client_interface_t *client_interface);

/** Whether the connection is between a response and the next request, and so can be kept for later, as a pool does.
 * That the server has closed it shows in the next operation. Python: none.
 * @return true if the keys are exchanged and no request or response is under way; otherwise false, also without a
 *   connection. */
bool anwdl_client_interface_is_idle(const anwdl_client_interface_t *client_interface);

/** Attaches a pointer to the interface, as anwdl_client_set_user_data(). Python: an attribute of the object. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_set_user_data(anwdl_client_interface_t *client_interface,
                                                    void *user_data);

/** The attached pointer, as anwdl_client_get_user_data(). Python: an attribute of the object. */
void *anwdl_client_interface_get_user_data(const anwdl_client_interface_t *client_interface);

/** Runs the session, as anwdl_client_next_event(). It continues to connect if
 * anwdl_client_interface_connect_server() has begun, exchanges the keys (this side speaks first), sends the
 * rest of a request that anwdl_client_interface_send_request() began, and receives the response. After
 * ANWDL_EVENT_YOUR_TURN, send the next request. Python: none.
 *
 * A non-blocking interface returns ANWDL_EVENT_CONNECTED once for each connection to a server, also if
 * anwdl_client_interface_connect_server() returned ANWDL_OK, unless an operation has begun since. An interface
 * that is not connected returns ANWDL_EVENT_ENDED with ANWDL_REASON_CLOSED. After ANWDL_EVENT_ENDED, close the
 * connection if there is one; then it can connect again.
 *
 * @param out_response Where to write the response with ANWDL_EVENT_RESPONSE, to be freed with
 *   anwdl_response_free(); it outlives the interface. Untouched otherwise.
 * @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_exchange_keys(),
 *   anwdl_client_interface_connect_server(), anwdl_client_interface_send_request() and
 *   anwdl_client_interface_recv_response(). */
ANWDL_MUST_USE
anwdl_event_t anwdl_client_interface_next_event(anwdl_client_interface_t *client_interface,
                                                anwdl_response_t **out_response);

/** How long the operation under way may still take, as anwdl_client_get_time_left(). Python:
 * socket.gettimeout(), which is for each recv(). */
int anwdl_client_interface_get_time_left(const anwdl_client_interface_t *client_interface);

/* --------
 * Requests
 * -------- */

/** The verb of a request: what the peer wants. Every server knows "CREATE", "DESTROY" and "STAT"; others are
 * up to the server. Python: the "verb" of the dictionary that ClientInstance.recvRequest() returns.
 * @return One or more of the letters A to Z, borrowed until the request is freed. */
const char *anwdl_request_get_verb(const anwdl_request_t *request);

/** The whole request as JSON, exactly as received: no duplicate keys, no NaN, no invalid UTF-8, at most 64
 * levels, integers with every digit. Keys that the format does not know are included. Python: the dictionary
 * that ClientInstance.recvRequest() returns.
 * @return JSON in UTF-8, borrowed until the request is freed. */
const char *anwdl_request_get_json(const anwdl_request_t *request);

/** The parameters of a request as JSON. Python: the "parameters" of the dictionary that
 * ClientInstance.recvRequest() returns.
 * @return A JSON object in UTF-8 ("{}" if there are none), borrowed until the request is freed; NULL also
 *   without memory for a copy (ANWDL_REASON_INTERNAL). */
const char *anwdl_request_get_parameters_json(const anwdl_request_t *request);

/** A string parameter of a request. "container_uuid" and "client_token", if present, fit their formats.
 * Python: request["parameters"].get(parameter).
 * @param parameter The name of the parameter, UTF-8.
 * @param out_len Where to write the length of the value in bytes; may be NULL. A value can contain NULs, so
 *   only the length shows where it ends. Written only if a string is returned.
 * @return The value in UTF-8 with its JSON escapes decoded, borrowed until the request is freed; NULL if
 *   there is no such string, or no memory to decode it (ANWDL_REASON_INTERNAL). */
const char *anwdl_request_get_string(const anwdl_request_t *request, const char *parameter, size_t *out_len);

/** An integer parameter of a request. Python: request["parameters"].get(parameter).
 * @param parameter The name of the parameter, UTF-8.
 * @param out_value Where to write the value. Written only if true is returned.
 * @return true if it is an integer that fits 64 bits with a sign; otherwise false (1.0, 1e3 and true are not
 *   integers; anwdl_request_get_parameters_json() has larger ones with every digit). */
bool anwdl_request_get_integer(const anwdl_request_t *request, const char *parameter, int64_t *out_value);

/** A boolean parameter of a request. Python: request["parameters"].get(parameter).
 * @param parameter The name of the parameter, UTF-8.
 * @param out_value Where to write the value. Written only if true is returned.
 * @return true if it is true or false; otherwise false (1 and "true" are not booleans). */
bool anwdl_request_get_boolean(const anwdl_request_t *request, const char *parameter, bool *out_value);

/** Frees a request that the caller owns; not one from anwdl_client_get_stored_request(). */
void anwdl_request_free(anwdl_request_t *request);

/* ---------
 * Responses
 * --------- */

/** Whether the request was carried out. Python: the "success" of the dictionary that
 * ClientInterface.recvResponse() returns.
 * @return What the server said. */
bool anwdl_response_get_success(const anwdl_response_t *response);

/** The message of a response, with the reason in it if the server gave one. Python: the "message" of the
 * dictionary that ClientInterface.recvResponse() returns.
 * @return The text in UTF-8, for example one of the ANWDL_RESPONSE_MSG_ strings, borrowed until the response
 *   is freed. A NUL in it reads as '?'. */
const char *anwdl_response_get_message(const anwdl_response_t *response);

/** The whole response as JSON, exactly as received; see anwdl_request_get_json(). Python: the dictionary that
 * ClientInterface.recvResponse() returns.
 * @return JSON in UTF-8, borrowed until the response is freed. */
const char *anwdl_response_get_json(const anwdl_response_t *response);

/** The data of a response as JSON. Python: the "data" of the dictionary that ClientInterface.recvResponse()
 * returns.
 * @return A JSON object in UTF-8 ("{}" if there are none), borrowed until the response is freed; NULL also
 *   without memory for a copy (ANWDL_REASON_INTERNAL). */
const char *anwdl_response_get_data_json(const anwdl_response_t *response);

/** A string in the data of a response. "container_uuid", "client_token", "container_iso_sha256",
 * "container_username", "container_password" and "version", if present, fit their formats.
 * Python: response["data"].get(name).
 * @param name The name in the data, UTF-8.
 * @param out_len Where to write the length in bytes; may be NULL. See anwdl_request_get_string().
 * @return The value in UTF-8 with its JSON escapes decoded, borrowed until the response is freed; NULL if
 *   there is no such string, or no memory to decode it (ANWDL_REASON_INTERNAL). */
const char *anwdl_response_get_string(const anwdl_response_t *response, const char *name, size_t *out_len);

/** An integer in the data of a response. Python: response["data"].get(name).
 * @param name The name in the data, UTF-8.
 * @param out_value Where to write the value. Written only if true is returned.
 * @return true if it is an integer that fits 64 bits with a sign; otherwise false. See
 *   anwdl_request_get_integer(). */
bool anwdl_response_get_integer(const anwdl_response_t *response, const char *name, int64_t *out_value);

/** A boolean in the data of a response. Python: response["data"].get(name).
 * @param name The name in the data, UTF-8.
 * @param out_value Where to write the value. Written only if true is returned.
 * @return true if it is true or false; otherwise false. See anwdl_request_get_boolean(). */
bool anwdl_response_get_boolean(const anwdl_response_t *response, const char *name, bool *out_value);

/** Wipes and frees a response. */
void anwdl_response_free(anwdl_response_t *response);

/* --------------------------------------------
 * Data of responses and parameters of requests
 * -------------------------------------------- */

/** Makes an empty object. Python: {}.
 * @param out_data Where to write the object, to be freed with anwdl_data_free().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_new(anwdl_data_t **out_data);

/** Makes an empty array, to be filled with the anwdl_data_add_ functions. Python: [].
 * @param out_data Where to write the array, to be freed with anwdl_data_free().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_new_array(anwdl_data_t **out_data);

/** Makes an object from JSON. Numbers and strings stay as written, to the last digit.
 * Python: json.loads(text).
 * @param json A JSON object, UTF-8. Anything else is ANWDL_REASON_INVALID_ARGUMENT, and so is JSON that not
 *   every released peer reads: NaN, duplicate keys, half a surrogate pair, more than 64 levels, an integer
 *   of more than 4300 digits. The error message says where, and what to write.
 * @param out_data Where to write the object, to be freed with anwdl_data_free().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_from_json(const char *json, anwdl_data_t **out_data);

/** The data as JSON, formatted as Python does, but with characters beyond ASCII unescaped: {"a": 1, "b":
 * [true]}. Python: json.dumps(data, ensure_ascii=False).
 * @param out_json Where to write the text, UTF-8 with no NUL inside, to be freed with anwdl_string_free().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_to_json(const anwdl_data_t *data, char **out_json);

/** Wipes and frees data. */
void anwdl_data_free(anwdl_data_t *data);

/** Sets a member to a string. Python: data[name] = value.
 * @param name The name of the member, UTF-8.
 * @param value The string, UTF-8.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_string(anwdl_data_t *data, const char *name, const char *value);

/** Sets a member to a string that may contain NULs. Python: data[name] = value.
 * @param name The name of the member, UTF-8.
 * @param value The string, UTF-8; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_string_with_length(anwdl_data_t *data, const char *name, const char *value,
                                                 size_t len);

/** Sets a member to an integer. Python: data[name] = value.
 * @param name The name of the member, UTF-8.
 * @param value The integer.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_integer(anwdl_data_t *data, const char *name, int64_t value);

/** Sets a member to true or false. Python: data[name] = value.
 * @param name The name of the member, UTF-8.
 * @param value true or false.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_boolean(anwdl_data_t *data, const char *name, bool value);

/** Sets a member to null. Python: data[name] = None.
 * @param name The name of the member, UTF-8.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_null(anwdl_data_t *data, const char *name);

/** Sets a member to a copy of an object. Python: data[name] = dict(value).
 * @param name The name of the member, UTF-8.
 * @param value The object to copy, which may be data itself; an array is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_object(anwdl_data_t *data, const char *name, const anwdl_data_t *value);

/** Sets a member to a copy of an array. Python: data[name] = list(array).
 * @param name The name of the member, UTF-8.
 * @param array The array to copy; an object is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_array(anwdl_data_t *data, const char *name, const anwdl_data_t *array);

/** Appends a string. Python: data.append(value).
 * @param value The string, UTF-8.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_string(anwdl_data_t *data, const char *value);

/** Appends a string that may contain NULs. Python: data.append(value).
 * @param value The string, UTF-8; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_string_with_length(anwdl_data_t *data, const char *value, size_t len);

/** Appends an integer. Python: data.append(value).
 * @param value The integer.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_integer(anwdl_data_t *data, int64_t value);

/** Appends true or false. Python: data.append(value).
 * @param value true or false.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_boolean(anwdl_data_t *data, bool value);

/** Appends null. Python: data.append(None).
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_null(anwdl_data_t *data);

/** Appends a copy of an object. Python: data.append(dict(value)).
 * @param value The object to copy; an array is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_object(anwdl_data_t *data, const anwdl_data_t *value);

/** Appends a copy of an array. Python: data.append(list(array)).
 * @param array The array to copy, which may be data itself; an object is ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_array(anwdl_data_t *data, const anwdl_data_t *array);

/** Sets the six members that describe a new container: container_uuid, client_token, container_iso_sha256,
 * container_username, container_password and container_listen_port. If one does not fit its format, none is
 * set. Python: the data of the response to CREATE.
 * @param uuid The container's UUID: lower case hexadecimal digits in groups of 8, 4, 4, 4 and 12, with
 *   hyphens between.
 * @param token What the client must show to destroy the container: 255 letters, digits, hyphens and
 *   underscores.
 * @param iso_sha256 The SHA-256 of the container's ISO image: 64 lower case hexadecimal digits.
 * @param user_name The user to log in as: "user_" and five digits.
 * @param password The password of that user: letters and digits.
 * @param port The port on which the container listens; not 0.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_MALFORMED_RESPONSE: a value does not fit its
 *   format; the message names the member. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_container(anwdl_data_t *data, const char *uuid, const char *token,
                                        const char *iso_sha256, const char *user_name, const char *password,
                                        uint16_t port);

/** Sets the two members that describe the server: uptime and version. Python: the data of the response to
 * STAT.
 * @param uptime How many seconds the server has been running.
 * @param version Its version, UTF-8.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_statistics(anwdl_data_t *data, uint64_t uptime, const char *version);

/** Sends a response, as anwdl_client_send_response(), with data from an anwdl_data_t. Python:
 * ClientInstance.sendResponse(success, message, data, reason).
 * @param data An object; NULL for {}. An array is ANWDL_REASON_INVALID_ARGUMENT. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_send_response_data(anwdl_client_t *client, bool success, const char *message,
                                               const anwdl_data_t *data, const char *reason);

/** ANWDL_ROLE_SERVER only: sends a response, as anwdl_client_send_response_data(). Python:
 * ClientInstance.sendResponse(success, message, data, reason). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_response_data(anwdl_session_t *session, bool success, const char *message,
                                                const anwdl_data_t *data, const char *reason);

/** ANWDL_ROLE_CLIENT only: sends a request, as anwdl_client_interface_send_request_data(). Python:
 * ClientInterface.sendRequest(verb, parameters). */
ANWDL_MUST_USE
anwdl_status_t anwdl_session_send_request_data(anwdl_session_t *session, const char *verb,
                                               const anwdl_data_t *parameters);

/** Sends a request, as anwdl_client_interface_send_request(), with parameters from an anwdl_data_t. Python:
 * ClientInterface.sendRequest(verb, parameters).
 * @param parameters An object; NULL for {}. An array is ANWDL_REASON_INVALID_ARGUMENT. */
ANWDL_MUST_USE
anwdl_status_t anwdl_client_interface_send_request_data(anwdl_client_interface_t *client_interface,
                                                        const char *verb, const anwdl_data_t *parameters);

/* -----------------------------------
 * Values: reading parameters and data
 * ----------------------------------- */

/** The parameters of a request, for reading. Python: request["parameters"].
 * @return The parameters, an object. */
anwdl_value_t anwdl_request_get_parameters(const anwdl_request_t *request);

/** The data of a response, for reading. Python: response["data"].
 * @return The data, an object. */
anwdl_value_t anwdl_response_get_data(const anwdl_response_t *response);

/** The content of an anwdl_data_t, for reading. It is written as JSON for this, and the text is kept until the
 * data is changed. Python: data.
 * @return The object or array; no value also if its text is longer than 4 GiB (ANWDL_REASON_OUT_OF_RANGE) or
 *   finds no memory (ANWDL_REASON_INTERNAL). */
anwdl_value_t anwdl_data_get_value(const anwdl_data_t *data);

/** The type of a value. Python: type(value).
 * @return The type; ANWDL_VALUE_NONE for no value. */
anwdl_value_type_t anwdl_value_get_type(anwdl_value_t value);

/** Finds a value by a JSON Pointer. Python: value["disks"][0] for "/disks/0".
 * @param value The value where the pointer begins.
 * @param pointer The JSON Pointer, UTF-8.
 * @return The value; no value if there is none at that place. */
anwdl_value_t anwdl_value_find(anwdl_value_t value, const char *pointer);

/** Finds a member of an object by its name, in which "/" and "~" mean nothing special. Python: value.get(name).
 * @param name The name of the member, UTF-8.
 * @return The value of the member; no value if the object has no such member, or value is not an object. */
anwdl_value_t anwdl_value_get_member(anwdl_value_t value, const char *name);

/** The first element of an array, or the value of the first member of an object. Python: next(iter(value)).
 * @param value The array or object.
 * @return The element; no value if there is none, or value is neither. */
anwdl_value_t anwdl_value_get_first(anwdl_value_t value);

/** The next element of the same array, or the value of the next member of the same object, in the order of the
 * text. Python: next() of the iterator.
 * @param value The element, or the value of a member.
 * @return The next one; no value after the last one, or if value is not in an array or object. */
anwdl_value_t anwdl_value_get_next(anwdl_value_t value);

/** Counts the elements of an array, or the members of an object, each time anew. Python: len(value).
 * @param value The array or object.
 * @return Their number; 0 if value is neither. */
size_t anwdl_value_get_count(anwdl_value_t value);

/** The name of a member of an object. Python: the key in value.items().
 * @param value The value of the member.
 * @param out_len Where to write the length of the name in bytes; may be NULL. Written only if a name is
 *   returned. anwdl_value_get_member() cannot find a name that contains NULs.
 * @return The name; NULL if value is not a member of an object, or without memory to decode names
 *   (ANWDL_REASON_INTERNAL). */
const char *anwdl_value_get_name(anwdl_value_t value, size_t *out_len);

/** Reads true or false. Python: value[name].
 * @param value The value where the pointer begins.
 * @param pointer The JSON Pointer, UTF-8, such as "/is_shared"; "" for value itself.
 * @param out_value Where to write true or false.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND or ANWDL_REASON_WRONG_TYPE (1 and "true"
 *   are not booleans). */
ANWDL_MUST_USE
anwdl_status_t anwdl_value_get_boolean(anwdl_value_t value, const char *pointer, bool *out_value);

/** Reads an integer of 64 bits with a sign. Python: value[name].
 * @param value The value where the pointer begins.
 * @param pointer The JSON Pointer, UTF-8, such as "/size"; "" for value itself.
 * @param out_value Where to write the integer.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND, ANWDL_REASON_WRONG_TYPE (1.0, 1e3 and
 *   true are not integers) or ANWDL_REASON_OUT_OF_RANGE (anwdl_value_to_json() has every digit). */
ANWDL_MUST_USE
anwdl_status_t anwdl_value_get_integer(anwdl_value_t value, const char *pointer, int64_t *out_value);

/** Reads any number as the nearest double. Python: float(value[name]).
 * @param value The value where the pointer begins.
 * @param pointer The JSON Pointer, UTF-8, such as "/load"; "" for value itself.
 * @param out_value Where to write the number; never infinite.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND, ANWDL_REASON_WRONG_TYPE or
 *   ANWDL_REASON_OUT_OF_RANGE (larger than every double). */
ANWDL_MUST_USE
anwdl_status_t anwdl_value_get_float(anwdl_value_t value, const char *pointer, double *out_value);

/** Reads a string. Python: value[name].
 * @param value The value where the pointer begins.
 * @param pointer The JSON Pointer, UTF-8, such as "/name"; "" for value itself.
 * @param out_string Where to write the address of the string, borrowed and valid as long as value.
 * @param out_len Where to write its length in bytes; may be NULL.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND or ANWDL_REASON_WRONG_TYPE;
 *   ANWDL_RUNTIME_ERROR with ANWDL_REASON_INTERNAL without memory to decode the strings. */
ANWDL_MUST_USE
anwdl_status_t anwdl_value_get_string(anwdl_value_t value, const char *pointer, const char **out_string,
                                      size_t *out_len);

/** Writes a value as JSON, as anwdl_data_to_json() does: an integer with all its digits, or a whole array. The
 * text can be half as long again as what was received. The call needs twice its length.
 * Python: json.dumps(value, ensure_ascii=False).
 * @param out_json Where to write the text, UTF-8 with no NUL inside, to be freed with anwdl_string_free().
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND: there is no value. */
ANWDL_MUST_USE
anwdl_status_t anwdl_value_to_json(anwdl_value_t value, char **out_json);

/** Sets a member to a copy of a value. Python: data[name] = copy.deepcopy(value).
 * @param name The name of the member, UTF-8.
 * @param value The value to copy, of any type; it may be one of data's own.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND: there is no value. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_value(anwdl_data_t *data, const char *name, anwdl_value_t value);

/** Appends a copy of a value. Python: data.append(copy.deepcopy(value)).
 * @param value The value to copy, of any type; it may be one of data's own.
 * @return As anwdl_data_set_value(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_value(anwdl_data_t *data, anwdl_value_t value);

/** Sets a member to a float. Python: data[name] = value.
 * @param name The name of the member, UTF-8.
 * @param value The float, written so that reading gives the same one; 1 as 1.0. Infinity and NaN, which JSON
 *   does not have, are ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_float(anwdl_data_t *data, const char *name, double value);

/** Appends a float. Python: data.append(value).
 * @param value The float, as for anwdl_data_set_float().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_float(anwdl_data_t *data, double value);

/** Sets a member to JSON text, such as an integer of more than 64 bits. Numbers and strings stay
 * as written, to the last digit. Python: data[name] = json.loads(text).
 * @param name The name of the member, UTF-8.
 * @param json Any JSON value, UTF-8, with the limits of anwdl_data_from_json().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_set_json(anwdl_data_t *data, const char *name, const char *json);

/** Appends JSON text, as anwdl_data_set_json(). Python: data.append(json.loads(text)).
 * @param json Any JSON value, UTF-8, with the limits of anwdl_data_from_json().
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_data_add_json(anwdl_data_t *data, const char *json);

/* -------------------------------
 * RSA keys: the Python RSAWrapper
 * ------------------------------- */

/** Makes an RSA wrapper, with or without a new key pair. Python: RSAWrapper(generate_key_pair=...).
 * @param generate_key_pair true for a new key pair of 4096 bits with the exponent 65537, which takes
 *   seconds; false for no keys.
 * @param out_wrapper Where to write the wrapper, to be freed with anwdl_rsa_wrapper_free().
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_new(bool generate_key_pair, anwdl_rsa_wrapper_t **out_wrapper);

/** Replaces the local key pair with a new one, which takes seconds for large keys. Wrappers and clients that
 * share the old pair keep it. Python: RSAWrapper.generateKeyPair(public_exponent, key_size).
 * @param public_exponent An odd number from 3 and below 2^33; 65537 is usual. Others are
 *   ANWDL_REASON_INVALID_ARGUMENT.
 * @param key_size The size of the modulus in bits, 2048 to 8192; 4096 is usual. Others are
 *   ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_generate_key_pair(anwdl_rsa_wrapper_t *wrapper, uint64_t public_exponent,
                                                   uint32_t key_size);

/** The size of the local public key. Python: RSAWrapper.getKeySize(), which gives None for 0.
 * @return The size of its modulus in bits; 0 if there is no local public key, even if there is a private
 *   one. */
uint32_t anwdl_rsa_wrapper_get_key_size(const anwdl_rsa_wrapper_t *wrapper);

/** The local public key as PEM (SubjectPublicKeyInfo, LF line ends). Python: RSAWrapper.getPublicKey().
 * @param out_pem Where to write the PEM, to be freed with anwdl_string_free(); the PEM is NULL if there is
 *   no such key.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_public_key(const anwdl_rsa_wrapper_t *wrapper, char **out_pem);

/** The local public key as DER (SubjectPublicKeyInfo, RFC 5280).
 * Python: RSAWrapper.getPublicKey(pem_format=False).
 * @param out_bytes Where to write the address of the DER, to be freed with anwdl_bytes_free(); NULL if there is no
 *   such key.
 * @param out_len Where to write its length in bytes, or 0.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_public_key_der(const anwdl_rsa_wrapper_t *wrapper, uint8_t **out_bytes,
                                                    size_t *out_len);

/** The local private key as PEM (PKCS #8, not encrypted, LF line ends). Python: RSAWrapper.getPrivateKey().
 * @param out_pem Where to write the PEM; NULL if there is no such key. Free it soon with
 *   anwdl_string_free(), which wipes it.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: the key is elsewhere; see
 *   anwdl_rsa_wrapper_set_private_operation(). */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_private_key(const anwdl_rsa_wrapper_t *wrapper, char **out_pem);

/** The local private key as DER (PKCS #8, RFC 5958, not encrypted), otherwise as
 * anwdl_rsa_wrapper_get_private_key(). Python: RSAWrapper.getPrivateKey(pem_format=False).
 * @param out_bytes Where to write the address of the DER; NULL if there is no such key. Free it soon with
 *   anwdl_bytes_free(), which wipes it.
 * @param out_len Where to write its length in bytes, or 0. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_private_key_der(const anwdl_rsa_wrapper_t *wrapper, uint8_t **out_bytes,
                                                     size_t *out_len);

/** The peer's public key as PEM (SubjectPublicKeyInfo, LF line ends). The wrapper of a client
 * (anwdl_client_get_rsa_wrapper()) has it once the peer has sent it.
 * Python: RSAWrapper.getRemotePublicKey().
 * @param out_pem Where to write the PEM, to be freed with anwdl_string_free(); NULL if there is no such key.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_remote_public_key(const anwdl_rsa_wrapper_t *wrapper, char **out_pem);

/** The peer's public key as DER (SubjectPublicKeyInfo, RFC 5280).
 * Python: RSAWrapper.getRemotePublicKey(pem_format=False).
 * @param out_bytes Where to write the address of the DER, to be freed with anwdl_bytes_free(); NULL if there is no
 *   such key.
 * @param out_len Where to write its length in bytes, or 0.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_remote_public_key_der(const anwdl_rsa_wrapper_t *wrapper,
                                                           uint8_t **out_bytes, size_t *out_len);

/** Sets the local public key. The private key stays as it is. Python: RSAWrapper.setPublicKey(public_key).
 * @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); text around it need not be UTF-8.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_public_key(anwdl_rsa_wrapper_t *wrapper, const char *pem);

/** Sets the local public key. The private key stays as it is. Python: RSAWrapper.setPublicKey(public_key,
 * pem_format=False).
 * @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, but not a key.
 * @param len Its length in bytes.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_public_key_der(anwdl_rsa_wrapper_t *wrapper, const uint8_t *der,
                                                    size_t len);

/** Sets the local private key. Python: RSAWrapper.setPrivateKey(private_key, derivate_public_key=...).
 * @param pem The key as PEM (PKCS #8 or PKCS #1, not encrypted); text around it need not be UTF-8.
 *   Certificates and public keys beside it are skipped; a second private key is refused.
 * @param derivate_public_key true to set the local public key to match; false to leave it as it is.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old keys are kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_private_key(anwdl_rsa_wrapper_t *wrapper, const char *pem,
                                                 bool derivate_public_key);

/** Sets the local private key. Python: RSAWrapper.setPrivateKey(private_key, pem_format=False,
 * derivate_public_key=...).
 * @param der The key as DER (PKCS #8 or PKCS #1, not encrypted); NULL is fine if len is 0, but not a key.
 * @param len Its length in bytes.
 * @param derivate_public_key true to set the local public key to match; false to leave it as it is.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old keys are kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_private_key_der(anwdl_rsa_wrapper_t *wrapper, const uint8_t *der,
                                                     size_t len, bool derivate_public_key);

/** Sets the local public key from its numbers, in the form of PKCS #11 (CKA_MODULUS, CKA_PUBLIC_EXPONENT), TPM
 * 2.0 and JSON Web Keys. The private key stays as it is. Python: none.
 * @param modulus The modulus, big-endian, with or without leading zeros. NULL is fine if modulus_len is 0, but
 *   not a key.
 * @param modulus_len Its length in bytes.
 * @param exponent The public exponent in the same form; usually the bytes 1, 0, 1. NULL is fine if
 *   exponent_len is 0, but not a key.
 * @param exponent_len Its length in bytes.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_public_numbers(anwdl_rsa_wrapper_t *wrapper, const uint8_t *modulus,
                                                    size_t modulus_len, const uint8_t *exponent,
                                                    size_t exponent_len);

/** Sets a function that does the private key operation, instead of a local private key: the key stays in a
 * hardware module, a TPM, an agent or another process, and the library never sees it. Set the local public key
 * first. Wrappers and clients that share the old private key keep it. Python: none.
 *
 * The library does the padding. So every device with the bare operation will do, even without OAEP, and all
 * failed decryptions look the same to the peer; a service that only decrypts with OAEP will not do. The
 * library checks each result with the public key before it uses it. This call runs the function once, to find
 * a wrong key or PIN before the first client comes. Later, each key exchange, anwdl_rsa_wrapper_decrypt_data()
 * and anwdl_rsa_wrapper_sign_data() with this private key runs it.
 *
 * The function runs on the thread that calls the library: with
 * anwdl_client_options_set_separate_computation(), that is the one that calls anwdl_client_compute(),
 * anwdl_session_compute() or anwdl_client_interface_compute(). It can run on several threads at once; the
 * library holds no lock meanwhile. Its time counts for the timeout of the call, but nothing interrupts it,
 * neither the timeout nor pthread_cancel(): it must return by itself, and neither longjmp() nor a C++
 * exception may leave it. It may call this library, but must not touch the object whose call is running. Its
 * time must not depend on the input in a way that others can measure; that of devices and OpenSSL does not.
 *
 * After fork(), the child has the same function and user_data, and frees user_data too if it frees the
 * wrapper. Two processes can rarely share a connection to a device: with PKCS #11, the child needs
 * C_Initialize() and a new session.
 *
 * @param wrapper The wrapper, with the local public key that belongs to the operation.
 * @param operation The function.
 * @param user_data Passed to each call of the function; NULL is fine.
 * @param free_user_data Called with user_data when nothing shares the private key, by the call that frees or
 *   changes the last wrapper, client, session, interface or options, on its thread; NULL for none. After a
 *   failure it is not called, and user_data still belongs to the caller.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: no local public key is set. The old private key is kept.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PRIVATE_OPERATION_FAILED: the function failed, or does not fit the
 *   public key; the message says which. ANWDL_REASON_RANDOM_FAILED. The old private key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_private_operation(anwdl_rsa_wrapper_t *wrapper,
                                                       anwdl_private_operation_t operation, void *user_data,
                                                       anwdl_free_function_t free_user_data);

/** Loads the local private key from a file, and sets the local public key to match. So a server keeps its
 * identity over restarts, several servers can have the same one, and clients that expect its fingerprint keep
 * working.
 *
 * The key is loaded even if users other than the file's owner have rights to it (mode & 077), or the owner
 * is neither the effective user of the process nor root: others may have read the key, or can replace it.
 * Then the last error is ANWDL_REASON_KEY_FILE_EXPOSED although the status is ANWDL_OK, and an
 * ANWDL_LOG_WARNING is logged. After any other successful load the last error is ANWDL_REASON_NONE.
 *
 * @param path The file, at most 16 KiB: the key as PEM (PKCS #8 or PKCS #1, not encrypted). The path need
 *   not be UTF-8. A symbolic link is followed; a pipe is read to its end, which may take a while.
 * @retval ANWDL_OK The last error is ANWDL_REASON_NONE or ANWDL_REASON_KEY_FILE_EXPOSED.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_KEY: not an acceptable key, or too long; the old keys are
 *   kept.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be read; the old keys are kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_load(anwdl_rsa_wrapper_t *wrapper, const char *path);

/** Writes the local private key to a file with the mode 0600, from the first byte and under any umask. An
 * existing file is replaced as a whole: readers find the old key or the new one, even after a power cut. A
 * symbolic link is replaced, not followed; a pipe, a socket, a device, or a link to one is not replaced.
 * Other processes may see a hidden file beside it during the call; a process that is killed in the middle
 * leaves it behind.
 * @param path The file; it need not be UTF-8. A path that cannot name a file is
 *   ANWDL_REASON_INVALID_ARGUMENT. The key is written as PEM (PKCS #8, not encrypted, LF line ends).
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: there is no local private key, or it is elsewhere.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be written (EEXIST: something other
 *   than a file is there); what was there is unchanged. ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_save(const anwdl_rsa_wrapper_t *wrapper, const char *path);

/** Sets the peer's public key of this wrapper. Clients ignore it: they receive their peer's.
 * Python: RSAWrapper.setRemotePublicKey(remote_public_key).
 * @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); text around it need not be UTF-8.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_remote_public_key(anwdl_rsa_wrapper_t *wrapper, const char *pem);

/** Sets the peer's public key of this wrapper. Clients ignore it: they receive their peer's.
 * Python: RSAWrapper.setRemotePublicKey(remote_public_key, pem_format=False).
 * @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, but not a key.
 * @param len Its length in bytes.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_set_remote_public_key_der(anwdl_rsa_wrapper_t *wrapper, const uint8_t *der,
                                                           size_t len);

/** Encrypts data under a public key: RSA-OAEP (RFC 8017) with SHA-256 for label and mask, and an empty label.
 * Python: RSAWrapper.encryptData(data, use_local_public_key=...).
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes, at most the size of the modulus less 66 (446 for 4096 bits). More is
 *   ANWDL_REASON_INVALID_ARGUMENT.
 * @param use_local_public_key true for the local public key; false for the peer's.
 * @param out_bytes Where to write the address of the ciphertext, to be freed with anwdl_bytes_free().
 * @param out_len Where to write its length in bytes: the size of the modulus.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: that public key is not set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_encrypt_data(const anwdl_rsa_wrapper_t *wrapper, const uint8_t *data,
                                              size_t len, bool use_local_public_key, uint8_t **out_bytes,
                                              size_t *out_len);

/** Decrypts, with the local private key, what was encrypted under the local public key. With the key pair of
 * sessions this includes the secrets of their key exchanges: do not let strangers choose what is decrypted,
 * and use another key pair for other purposes. Python: RSAWrapper.decryptData(cipher, decode=False).
 * @param data The ciphertext; NULL is fine if len is 0, but does not decrypt.
 * @param len Its length in bytes.
 * @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
 * @param out_len Where to write its length in bytes.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_DECRYPTION_FAILED. ANWDL_REASON_KEY_MISSING: the private key is not
 *   set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. ANWDL_REASON_PRIVATE_OPERATION_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_decrypt_data(const anwdl_rsa_wrapper_t *wrapper, const uint8_t *data,
                                              size_t len, uint8_t **out_bytes, size_t *out_len);

/** Signs data with the local private key: RSA-PSS (RFC 8017) with SHA-256 and the longest salt that fits.
 *
 * In the build without AWS-LC the crate `rsa` signs: what it leaves in freed memory reveals the private key to
 * anyone who can read that, and its time depends on the key to some degree. Python: RSAWrapper.signData(data).
 *
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out_bytes Where to write the address of the signature, to be freed with anwdl_bytes_free().
 * @param out_len Where to write its length in bytes: the size of the modulus.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: the private key is not set.
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. ANWDL_REASON_PRIVATE_OPERATION_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_sign_data(const anwdl_rsa_wrapper_t *wrapper, const uint8_t *data, size_t len,
                                           uint8_t **out_bytes, size_t *out_len);

/** Verifies a signature as anwdl_rsa_wrapper_sign_data() makes it, under the peer's public key. The Python
 * method of this name uses the local public key, as anwdl_rsa_wrapper_verify_data_signature_with_key() can.
 * Python: none; RSAWrapper.verifyDataSignature() is another function.
 * @param signature The signature; NULL is fine if signature_len is 0.
 * @param signature_len Its length in bytes.
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out_valid Where to write true if the signature is valid, false if not.
 * @retval ANWDL_OK Valid or not.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: that public key is not set. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_verify_data_signature(const anwdl_rsa_wrapper_t *wrapper,
                                                       const uint8_t *signature, size_t signature_len,
                                                       const uint8_t *data, size_t len, bool *out_valid);

/** Verifies a signature, as anwdl_rsa_wrapper_verify_data_signature(), under the peer's public key or the local
 * one. Python: RSAWrapper.verifyDataSignature(signature, data), with use_local_public_key.
 * @param use_local_public_key true for the local public key, so for what this side has signed; false for the
 *   peer's. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_verify_data_signature_with_key(const anwdl_rsa_wrapper_t *wrapper,
                                                                const uint8_t *signature, size_t signature_len,
                                                                const uint8_t *data, size_t len,
                                                                bool use_local_public_key, bool *out_valid);

/** The fingerprint of a public key, as the Python client shows it for users to compare: the SHA-256 of the
 * PEM that anwdl_rsa_wrapper_get_public_key() returns. It depends on the key alone, not on the line ends or
 * line lengths in which a peer sent it. Python: hashlib.sha256(RSAWrapper.getPublicKey()).hexdigest().
 * @param remote true for the peer's public key; false for the local one.
 * @param out_hex Where to write 64 hexadecimal digits in lower case, to be freed with anwdl_string_free().
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: that public key is not set. */
ANWDL_MUST_USE
anwdl_status_t anwdl_rsa_wrapper_get_fingerprint(const anwdl_rsa_wrapper_t *wrapper, bool remote,
                                                 char **out_hex);

/** Frees an RSA wrapper that the caller owns; not one from anwdl_client_get_rsa_wrapper(). Clients and
 * options that share its key pair keep it. */
void anwdl_rsa_wrapper_free(anwdl_rsa_wrapper_t *wrapper);

/* -------------------------------
 * AES keys: the Python AESWrapper
 * ------------------------------- */

/** Makes an AES wrapper with a fresh random key and, in CBC mode, a fresh random IV.
 * Python: AESWrapper(key_size).
 * @param key_size The size of the key in bits: 128, 192 or 256. Others are ANWDL_REASON_INVALID_ARGUMENT.
 * @param mode ANWDL_AES_CBC or ANWDL_AES_GCM.
 * @param out_wrapper Where to write the wrapper, to be freed with anwdl_aes_wrapper_free().
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_new(uint32_t key_size, anwdl_aes_mode_t mode,
                                     anwdl_aes_wrapper_t **out_wrapper);

/** The size of the key. Python: AESWrapper.getKeySize().
 * @return The size in bits: 128, 192 or 256. */
uint32_t anwdl_aes_wrapper_get_key_size(const anwdl_aes_wrapper_t *wrapper);

/** The key and the IV, both borrowed from the wrapper. Python: AESWrapper.getKey().
 * @param key Where to write the address of the key.
 * @param key_len Where to write the length of the key in bytes: 16, 24 or 32.
 * @param iv Where to write the address of the IV, or NULL in GCM mode.
 * @param iv_len Where to write the length of the IV in bytes: 16, or 0 in GCM mode.
 * @return ANWDL_OK or ANWDL_VALUE_ERROR. */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_get_key(const anwdl_aes_wrapper_t *wrapper, const uint8_t **key,
                                         size_t *key_len, const uint8_t **iv, size_t *iv_len);

/** Replaces the key and the IV. The mode stays. Python: AESWrapper.setKey(key, iv).
 * @param key The key.
 * @param key_len Its length in bytes: 16, 24 or 32. Others are ANWDL_REASON_INVALID_ARGUMENT.
 * @param iv The IV; NULL is fine if iv_len is 0.
 * @param iv_len Its length in bytes: 16, or 0 to draw a random IV; 0 in GCM mode, which has none. Others are
 *   ANWDL_REASON_INVALID_ARGUMENT.
 * @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED: no IV could be drawn. */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_set_key(anwdl_aes_wrapper_t *wrapper, const uint8_t *key, size_t key_len,
                                         const uint8_t *iv, size_t iv_len);

/** Encrypts data. In CBC mode the result is the ciphertext of the padded data under the wrapper's IV, which
 * does not change: the same data gives the same result, as in Python. In GCM mode it is a fresh nonce (12
 * bytes), the ciphertext and the tag (16 bytes). Python: AESWrapper.encryptData(data).
 * @param data The data; NULL is fine if len is 0.
 * @param len Its length in bytes.
 * @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
 * @param out_len Where to write its length in bytes.
 * @retval ANWDL_VALUE_ERROR ANWDL_REASON_MESSAGE_TOO_LARGE: more data than GCM allows (64 GiB).
 * @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_encrypt_data(const anwdl_aes_wrapper_t *wrapper, const uint8_t *data,
                                              size_t len, uint8_t **out_bytes, size_t *out_len);

/** Decrypts what anwdl_aes_wrapper_encrypt_data() made under the same key, IV and mode.
 * Python: AESWrapper.decryptData(cipher, decode=False).
 * @param data The encrypted data; NULL is fine if len is 0, but does not decrypt.
 * @param len Its length in bytes.
 * @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
 * @param out_len Where to write its length in bytes.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_DECRYPTION_FAILED: whatever is wrong. */
ANWDL_MUST_USE
anwdl_status_t anwdl_aes_wrapper_decrypt_data(const anwdl_aes_wrapper_t *wrapper, const uint8_t *data,
                                              size_t len, uint8_t **out_bytes, size_t *out_len);

/** Wipes and frees an AES wrapper that the caller owns; not one from anwdl_client_get_aes_wrapper(). */
void anwdl_aes_wrapper_free(anwdl_aes_wrapper_t *wrapper);

/* ------------
 * Log messages
 * ------------ */

/** Sets the function that takes the log messages of the whole process, in place of an earlier one. Messages
 * report key exchanges, framings, refusals and failures. They never hold a secret.
 *
 * It can be set at any time, from any thread. When this call returns, no call of an earlier function is
 * running or will begin, so its user_data may be freed. For this it waits for running calls to return: do
 * not hold a lock that the function takes. Called from within the function it does not wait, as that call is
 * still running.
 *
 * The function runs on the thread that does the work, before the call that does it returns, and on several
 * threads at once if several work. The library holds no lock meanwhile. The function may call this library,
 * even anwdl_set_log_callback(), but must not touch the object whose call is running; its own calls log
 * nothing. It must return: neither longjmp() nor a C++ exception may leave it.
 * Python: logging.Logger.addHandler().
 *
 * @param least_level Messages below this level are skipped, and cost nothing.
 * @param function The function; NULL to log nothing (the default).
 * @param user_data Passed to each call of the function; NULL is fine.
 * @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT: the earlier function stays. */
anwdl_status_t anwdl_set_log_callback(anwdl_log_level_t least_level, anwdl_log_function_t function,
                                      void *user_data);

/** Sets the function that takes the log messages, as anwdl_set_log_callback(), with their owner. The process
 * has one function: each of the two calls replaces what the other has set. Python:
 * logging.Logger.addHandler(). */
anwdl_status_t anwdl_set_log_handler(anwdl_log_level_t least_level, anwdl_log_handler_t function,
                                     void *user_data);

/** The name of a log level, for logs.
 * @param level Any number.
 * @return The name, such as "WARNING" for ANWDL_LOG_WARNING, as anwdl_error_reason_name(). Never NULL; a
 *   constant. */
const char *anwdl_log_level_name(anwdl_log_level_t level);

/* ---------------------------
 * Memory that the caller owns
 * --------------------------- */

/** Wipes and frees a string that the library returned through a `char **`. It is wiped up to its first NUL,
 * so a string that the caller has cut short is wiped only in part.
 * @param string The string, not freed yet; NULL is fine. A `const char *` is borrowed: never free it. */
void anwdl_string_free(char *string);

/** Wipes and frees bytes that the library returned through a `uint8_t **`.
 * @param bytes The bytes, not freed yet; NULL is fine. A `const uint8_t *` is borrowed: never free it.
 * @param len Their number, exactly as it came with them. */
void anwdl_bytes_free(uint8_t *bytes, size_t len);

#ifdef __cplusplus
}
#endif 

#endif  /* ANWDL_H */
