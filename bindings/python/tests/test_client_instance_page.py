"""The documentation page of the Python server's ClientInstance, sentence by sentence, against that of this package, and so of the library.

Where it does otherwise, that is what is asserted, and the sentence names the row of docs/porting.md that says why.
"""

import gc
import os
import socket
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anwdl
from anwdl import ClientInstance, LibraryRuntimeError, LibraryValueError, RSAWrapper
from ends import (
    OWN_KEY_PAIR,
    PEER_KEY_PAIR,
    STAT,
    TIMEOUT,
    Pair,
    answer_arrives,
    exchanged,
    fails,
    fresh,
    is_at_end,
    keys_exchanged_by_hand,
    known_aes_wrapper,
    need,
    need_equal,
    own_keys,
    peer_initiates,
    peer_responds,
    peer_sends_key,
    peer_settings,
    peer_takes_key,
    request_arrives,
    response_arrives,
    together,
    two_ends,
)
from peer import ProtocolName, Session, client_id
from peer.framing import CbcFraming
from peer.key_exchange import CbcSecret, length_field
from peer.stream import Stream

PORTING = Path(__file__).resolve().parents[3] / "docs" / "porting.md"
SHORT = 0.01
CONTAINER_UUID = "8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7"

# The first cells of the rows of docs/porting.md.
INTEGRITY = "The page says that the key exchange guarantees security and integrity"
SECONDS = "A timeout is in seconds and counts for each `recv()`"
IP = "`getIP()` is for IPv4"
KEY_PAIR = "Each `ClientInstance` makes an RSA key pair of its own"
WRAPPERS_LATE = "`getRSAWrapper()` and `getAESWrapper()` give an object from the beginning"
WRAPPERS_COPIED = "Wrappers that are given become the client's, and the exchange changes them"
WRAPPERS_FIXED = "`setRSAWrapper()` and `setAESWrapper()` can be called at any time"
SECOND_EXCHANGE = "A second `exchangeKeys()` exchanges again"
STEPS = "Steps of the exchange can be skipped, and repeated"
STEP_11 = "`sendAESKey()` sends the AES key that was received before back (step 11)"
ONE_RESPONSE = "`sendResponse()` can be called any number of times"
NOT_RECEIVED = (
    "The page lets `sendResponse()` raise `ValueError` for a length that the client sent, and `recvAESKey()` and `sendResponse()` raise "
    "`RuntimeError` for an RSA key that it refused"
)
STRICT_JSON = "`json` takes `NaN`, infinities, half surrogate pairs, a key twice, and hundreds of levels"


# -- what the sentences say --------------------------------------------------------------------------------------------------------


def serves_a_client_that_has_just_connected() -> None:
    with two_ends() as (near, far):
        session, client = together(
            partial(Session.connect, far, peer_settings()), partial(ClientInstance, near, TIMEOUT, own_keys(), None, True)
        )
        response = response_arrives(Pair(client, session), True, anwdl.RESPONSE_MSG_OK)
        need_equal(response, {"success": True, "message": "OK", "data": {}})


def a_framing_of_the_releases_notices_no_change() -> None:
    with exchanged(ProtocolName.V3) as pair:
        response_arrives(pair, True, "OK")
        # The IV came in clear, so that whoever stands between can change it: the T of STAT, here.
        framing = pair.peer._framing
        assert isinstance(framing, CbcFraming)
        state = framing._state
        state.iv = bytes(byte ^ (ord("T") ^ ord("P")) * (at == 11) for at, byte in enumerate(state.iv))
        need_equal(request_arrives(pair)["verb"], "SPAT")


def is_closed_at_the_end_of_with() -> None:
    with fresh() as (client, far):
        with client:
            need(not client.isClosed())
        need(client.isClosed() and is_at_end(far))


def shares_the_socket() -> None:
    with two_ends() as (near, _), ClientInstance(near, TIMEOUT, own_keys(), exchange_keys=False) as client:
        need(client.getSocketDescriptor() is near and near.fileno() >= 0)


def takes_no_socket_but_an_active_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as unconnected:
        for wrong in (listener, unconnected):
            with fails(LibraryValueError, "INVALID_DESCRIPTOR"):
                ClientInstance(wrong, TIMEOUT, own_keys())
            need(wrong.fileno() >= 0, "it is still the caller's")


def a_timeout_is_applied() -> None:
    with fresh(timeout=SHORT) as (client, _), fails(LibraryRuntimeError, "TIMEOUT"):
        client.exchangeKeys()


def a_timeout_is_for_the_whole_of_a_call() -> None:
    with fresh(timeout=SHORT) as (client, far):
        # Each byte would begin the time anew in Python.
        far.sendall(length_field(len(PEER_KEY_PAIR.public_pem))[:4])
        with fails(LibraryRuntimeError, "TIMEOUT"):
            client.recvPublicRSAKey()


def there_is_no_timeout_unless_it_is_given() -> None:
    with fresh(timeout=None) as (client, far), fails(LibraryRuntimeError, "PEER_CLOSED"):
        together(partial(far.shutdown, socket.SHUT_WR), client.exchangeKeys)


def an_rsa_wrapper_that_is_given_is_used() -> None:
    with exchanged() as (_, peer):
        need_equal(peer.remote_public_pem, OWN_KEY_PAIR.public_pem)


def clients_without_an_rsa_wrapper_share_a_key_pair() -> None:
    pems = []
    for _ in range(2):
        with fresh(rsa_wrapper=None) as (client, far):
            pem, _ = together(partial(peer_takes_key, Stream(far, TIMEOUT)), client.sendPublicRSAKey)
            pems.append(pem)
    need(pems[0] == pems[1], "Python would make two")


def the_aes_key_of(**arguments: Any) -> tuple[CbcSecret, ClientInstance]:
    """What the peer gets that waits to be spoken to."""
    with fresh(**arguments) as (client, far):
        keys, _ = together(partial(peer_responds, far), partial(client.exchangeKeys, receive_first=False))
        assert isinstance(keys.secret, CbcSecret)
        return keys.secret, client


def an_aes_wrapper_that_is_given_is_used() -> None:
    wrapper = known_aes_wrapper()
    secret, _ = the_aes_key_of(aes_wrapper=wrapper)
    need_equal((secret.key, secret.iv), wrapper.getKey())


def without_an_aes_wrapper_a_key_is_drawn() -> None:
    (one, _), (other, _) = the_aes_key_of(), the_aes_key_of()
    need(one.key != other.key and len(one.key) == 32)


def the_rsa_wrapper_that_is_given_stays_without_the_peers_key() -> None:
    given = own_keys()
    with fresh(rsa_wrapper=given) as (client, far):
        together(partial(peer_initiates, far), client.exchangeKeys)
        found = client.getRSAWrapper()
        need(found is not None and found.getRemotePublicKey() == PEER_KEY_PAIR.public_pem)
        need(given.getRemotePublicKey() is None, "Python would set it")


def the_aes_wrapper_that_is_given_stays_as_it_was() -> None:
    given = known_aes_wrapper()
    before = given.getKey()
    with fresh(aes_wrapper=given) as (client, far):
        together(partial(peer_initiates, far), client.exchangeKeys)
        need_equal(given.getKey(), before)
        found = client.getAESWrapper()
        need(found is not None and found.getKey() != before)


def keys_are_exchanged_at_once_unless_told_otherwise() -> None:
    unless_told: tuple[dict[str, Any], ...] = ({}, {"exchange_keys": True})
    for more in unless_told:
        with two_ends() as (near, far):
            make = partial(ClientInstance, near, timeout=TIMEOUT, rsa_wrapper=own_keys(), **more)
            keys, client = together(partial(peer_initiates, far), make)
            need_equal(keys.remote_public_key.pem, OWN_KEY_PAIR.public_pem)
            client.closeConnection()
    with fresh(exchange_keys=False) as (client, _), fails(LibraryRuntimeError, "KEYS_NOT_EXCHANGED"):
        client.recvRequest()


def the_end_of_an_object_closes_its_connection() -> None:
    with two_ends() as (near, far):
        client = ClientInstance(near, TIMEOUT, own_keys(), exchange_keys=False)
        del client
        gc.collect()
        need(is_at_end(far) and near.fileno() == -1)


def whether_it_is_closed_is_told() -> None:
    with fresh() as (client, _):
        need(client.isClosed() is False)
        client.closeConnection()
        need(client.isClosed() is True)


def a_socket_that_was_closed_elsewhere_is_noticed() -> None:
    with exchanged() as (client, _):
        client.getSocketDescriptor().close()
        need(client.isClosed() is True)
        with fails(LibraryRuntimeError, "CLOSED"):
            client.recvRequest()


def the_ip_is_the_peers() -> None:
    with fresh() as (client, far):
        need_equal(client.getIP(), far.getsockname()[0])


def an_ip_may_be_of_another_family() -> None:
    near, far = socket.socketpair()
    with far, ClientInstance(near, TIMEOUT, own_keys(), exchange_keys=False) as client:
        need_equal(client.getIP(), "")
    try:
        with two_ends("::1") as (near, _), ClientInstance(near, TIMEOUT, own_keys(), exchange_keys=False) as client:
            need_equal(client.getIP(), "::1")
    except OSError:
        print("this machine has no IPv6: its text was not looked at")


def the_id_comes_from_the_ip() -> None:
    with fresh() as (client, _):
        need_equal(client.getID(), client_id("127.0.0.1"))
        need_equal(len(client.getID()), 7)


def the_timestamp_is_when_it_was_made() -> None:
    before = int(time.time())
    with fresh() as (client, _):
        need(before <= client.getCreationTimestamp() <= int(time.time()))


def the_stored_request_is_the_one_received() -> None:
    with exchanged() as pair:
        need(pair.client.getStoredRequest() is None)
        need_equal(request_arrives(pair), STAT)
        need_equal(pair.client.getStoredRequest(), STAT)


def there_is_no_rsa_wrapper_before_it_is_needed() -> None:
    with fresh(rsa_wrapper=None) as (client, _):
        need(client.getRSAWrapper() is None, "Python would give one")


def the_rsa_wrapper_has_the_keys_of_both() -> None:
    with exchanged() as (client, _):
        wrapper = client.getRSAWrapper()
        assert wrapper is not None
        need_equal(wrapper.getPublicKey(), OWN_KEY_PAIR.public_pem)
        need_equal(wrapper.getRemotePublicKey(), PEER_KEY_PAIR.public_pem)


def there_is_no_aes_wrapper_before_the_exchange_and_in_gcm() -> None:
    with fresh() as (client, _):
        need(client.getAESWrapper() is None, "Python would give one")
    with exchanged(ProtocolName.GCM) as (client, _):
        need(client.getAESWrapper() is None)


def the_aes_wrapper_has_the_key_of_the_session() -> None:
    with fresh() as (client, far):
        keys, _ = together(partial(peer_initiates, far), client.exchangeKeys)
        wrapper = client.getAESWrapper()
        assert wrapper is not None and isinstance(keys.secret, CbcSecret)
        need_equal(wrapper.getKey(), (keys.secret.key, keys.secret.iv))


def an_rsa_wrapper_can_be_set_before_the_exchange() -> None:
    with fresh(rsa_wrapper=None) as (client, far):
        client.setRSAWrapper(own_keys())
        keys, _ = together(partial(peer_initiates, far), client.exchangeKeys)
        need_equal(keys.remote_public_key.pem, OWN_KEY_PAIR.public_pem)


def an_rsa_wrapper_cannot_be_set_after_the_exchange() -> None:
    with exchanged() as (client, _), fails(LibraryRuntimeError, "KEYS_ALREADY_EXCHANGED"):
        client.setRSAWrapper(own_keys())


def an_aes_wrapper_can_be_set_before_the_exchange() -> None:
    wrapper = known_aes_wrapper()
    with fresh() as (client, far):
        client.setAESWrapper(wrapper)
        keys, _ = together(partial(peer_responds, far), partial(client.exchangeKeys, receive_first=False))
        need_equal(keys.secret, CbcSecret(*wrapper.getKey()))


def an_aes_wrapper_cannot_be_set_after_the_exchange() -> None:
    with exchanged() as (client, _), fails(LibraryRuntimeError, "KEYS_ALREADY_EXCHANGED"):
        client.setAESWrapper(known_aes_wrapper())


def closing_closes() -> None:
    with fresh() as (client, far):
        client.closeConnection()
        need(is_at_end(far))
        need_equal(client.getSocketDescriptor().fileno(), -1)


def what_is_closed_does(method: str, *arguments: Any) -> Callable[[], None]:
    """A sentence on a method of a client that is closed."""

    def shown() -> None:
        with exchanged() as (client, _):
            client.closeConnection()
            with fails(LibraryRuntimeError, "CLOSED"):
                getattr(client, method)(*arguments)

    return shown


def what_loses_its_peer_does(method: str, *arguments: Any) -> Callable[[], None]:
    """A sentence on a step of the exchange whose peer goes away."""

    def shown() -> None:
        with fresh() as (client, far):
            if method.endswith("AESKey"):
                public_keys_exchanged(client, Stream(far, TIMEOUT))
            far.close()
            with fails(LibraryRuntimeError, "PEER_CLOSED", "IO_FAILED"):
                getattr(client, method)(*arguments)

    return shown


def a_message_whose_peer_is_gone_is_a_runtime_error() -> None:
    respond_ok = partial(ClientInstance.sendResponse, success=True, message="OK")
    messages: tuple[Callable[[ClientInstance], object], ...] = (ClientInstance.recvRequest, respond_ok)
    for begin in messages:
        with exchanged() as pair:
            pair.peer.close()
            with fails(LibraryRuntimeError, "PEER_CLOSED", "IO_FAILED"):
                begin(pair.client)


def keys_are_exchanged() -> None:
    with fresh() as (client, far):
        keys, _ = together(partial(peer_initiates, far), client.exchangeKeys)
        need_equal(keys.remote_public_key.pem, OWN_KEY_PAIR.public_pem)


def keys_are_exchanged_once() -> None:
    with exchanged() as (client, _), fails(LibraryRuntimeError, "KEYS_ALREADY_EXCHANGED"):
        client.exchangeKeys()


def either_side_can_be_the_first() -> None:
    for peer, receive_first in ((peer_initiates, True), (peer_responds, False)):
        with fresh() as (client, far):
            keys, _ = together(partial(peer, far), partial(client.exchangeKeys, receive_first))
            need_equal(keys.remote_public_key.pem, OWN_KEY_PAIR.public_pem)


def the_steps_make_an_exchange_together() -> None:
    with fresh() as (client, far):
        keys = keys_exchanged_by_hand(client, far)
        wrapper = client.getAESWrapper()
        assert wrapper is not None
        need_equal(keys.secret, CbcSecret(*wrapper.getKey()))


def each_step_is_done_once_and_none_is_left_out() -> None:
    with fresh() as (client, far):
        together(partial(peer_takes_key, Stream(far, TIMEOUT)), client.sendPublicRSAKey)
        with fails(LibraryRuntimeError, "KEYS_ALREADY_EXCHANGED"):
            client.sendPublicRSAKey()
        with fails(LibraryRuntimeError, "KEYS_NOT_EXCHANGED"):
            client.recvRequest()


def the_public_key_is_sent() -> None:
    with fresh() as (client, far):
        pem, _ = together(partial(peer_takes_key, Stream(far, TIMEOUT)), client.sendPublicRSAKey)
        need_equal(pem, OWN_KEY_PAIR.public_pem)


def what_is_refused_does(answers: str) -> Callable[[], None]:
    """A sentence on a public key, whose peer answers its length, and itself, like this."""

    def shown() -> None:
        with fresh() as (client, far), fails(LibraryRuntimeError, "PEER_REFUSED"):
            together(partial(peer_takes_key, Stream(far, TIMEOUT), answers), client.sendPublicRSAKey)

    return shown


def the_peers_public_key_is_received() -> None:
    with fresh() as (client, far):
        together(partial(peer_sends_key, Stream(far, TIMEOUT)), client.recvPublicRSAKey)
        wrapper = client.getRSAWrapper()
        need(wrapper is not None and wrapper.getRemotePublicKey() == PEER_KEY_PAIR.public_pem)


def a_length_that_is_none_is_a_value_error() -> None:
    for length in (b"0=======", b"-1======", b"abc====="):
        with fresh() as (client, far):
            far.sendall(length)
            with fails(LibraryValueError, "PROTOCOL_VIOLATION"):
                client.recvPublicRSAKey()
            need_equal(far.recv(1), b"0")


def a_key_that_is_none_is_a_value_error() -> None:
    with fresh() as (client, far):

        def send() -> None:
            stream = Stream(far, TIMEOUT)
            stream.write(length_field(5))
            stream.expect_acceptance("the length")
            stream.write(b"a key")
            stream.flush()
            need_equal(stream.read(1), b"0")

        with fails(LibraryValueError, "INVALID_KEY"):
            together(send, client.recvPublicRSAKey)


def an_aes_key_that_was_received_is_not_sent_back() -> None:
    with fresh() as (client, far):
        drawn: list[bytes] = []

        def random_bytes(size: int) -> bytes:
            drawn.append(os.urandom(size))
            return drawn[-1]

        settings = peer_settings(random_bytes=random_bytes, derives_step_11=True)
        # The peer takes nothing but what is derived from its own.
        session, _ = together(partial(Session.connect, far, settings), client.exchangeKeys)
        wrapper = client.getAESWrapper()
        need(wrapper is not None and wrapper.getKey()[0] != drawn[0])
        session.close()


def public_keys_exchanged(client: ClientInstance, stream: Stream) -> None:
    """The first half of an exchange, this side first."""
    together(partial(peer_takes_key, stream), client.sendPublicRSAKey)
    together(partial(peer_sends_key, stream), client.recvPublicRSAKey)


def an_aes_key_that_is_refused_is_a_runtime_error() -> None:
    with fresh() as (client, far):
        stream = Stream(far, TIMEOUT)
        public_keys_exchanged(client, stream)

        def refuse() -> None:
            stream.read(PEER_KEY_PAIR.modulus_size)
            far.sendall(b"0")

        with fails(LibraryRuntimeError, "PEER_REFUSED"):
            together(refuse, client.sendAESKey)


def the_peers_aes_key_is_received() -> None:
    with fresh() as (client, far):
        stream = Stream(far, TIMEOUT)
        public_keys_exchanged(client, stream)
        secret = bytes(range(48))
        wrapper = RSAWrapper(generate_key_pair=False)
        wrapper.setRemotePublicKey(OWN_KEY_PAIR.public_pem)

        def send() -> None:
            stream.write(wrapper.encryptData(secret))
            stream.expect_acceptance("the AES key")

        together(send, client.recvAESKey)


def nothing_is_sent_that_could_be_refused() -> None:
    with fresh() as (client, far):
        stream = Stream(far, TIMEOUT)
        public_keys_exchanged(client, stream)
        # A peer that says no says it in the place of an AES key, and then it is the key that is wrong.
        far.sendall(b"0" * OWN_KEY_PAIR.modulus_size)
        with fails(LibraryValueError, "DECRYPTION_FAILED"):
            client.recvAESKey()


def a_response_is_sent() -> None:
    with exchanged() as pair:
        response = response_arrives(pair, True, "OK", {"answer": 42})
        need_equal(response, {"success": True, "message": "OK", "data": {"answer": 42}})


def a_request_has_one_response() -> None:
    with exchanged() as pair:
        response_arrives(pair, True, "OK")
        with fails(LibraryValueError, "OUT_OF_TURN"):
            pair.client.sendResponse(True, "OK")


def success_is_what_was_said() -> None:
    for success in (True, False):
        with exchanged() as pair:
            need(response_arrives(pair, success, "OK")["success"] is success)


def a_message_is_what_was_said() -> None:
    with exchanged() as pair:
        need_equal(response_arrives(pair, True, "Fait, très bien")["message"], "Fait, très bien")


def the_constant(name: str, text: str) -> Callable[[], None]:
    """A sentence on a message that has a name."""

    def shown() -> None:
        with exchanged() as pair:
            need_equal(response_arrives(pair, True, getattr(anwdl, name))["message"], text)

    return shown


def constants_exist() -> None:
    need(all(hasattr(anwdl, f"RESPONSE_MSG_{name}") for name in ("OK", "BAD_AUTH", "BAD_REQ", "REFUSED_REQ", "UNAVAILABLE")))


def data_fit_the_response_format() -> None:
    with exchanged() as pair:
        request_arrives(pair)
        wrongs: tuple[dict[str, Any], ...] = ({"uptime": -1, "version": "1"}, {"uptime": 1}, {"container_uuid": CONTAINER_UUID})
        for wrong in wrongs:
            with fails(LibraryValueError, "MALFORMED_RESPONSE"):
                pair.client.sendResponse(True, "OK", wrong)
    with exchanged() as pair:
        need_equal(response_arrives(pair, True, "OK", {"uptime": 1, "version": "1"})["data"], {"uptime": 1, "version": "1"})


def data_are_strict_json() -> None:
    with exchanged() as pair:
        request_arrives(pair)
        with fails(LibraryValueError, "MALFORMED_RESPONSE"):
            pair.client.sendResponse(True, "OK", {"load": float("nan")})


def data_are_empty_unless_given() -> None:
    with exchanged() as pair:
        need_equal(response_arrives(pair, True, "OK")["data"], {})


def a_reason_is_appended() -> None:
    with exchanged() as pair:
        response = response_arrives(pair, False, anwdl.RESPONSE_MSG_REFUSED_REQ, reason="full")
        need_equal(response["message"], "Refused request (reason : full)")


def without_a_reason_the_message_stays() -> None:
    for more in ({}, {"reason": None}):
        with exchanged() as pair:
            need_equal(response_arrives(pair, False, "Refused request", **more)["message"], "Refused request")


def a_response_waits_for_no_length() -> None:
    with exchanged() as pair:
        request_arrives(pair)
        # What the client says is one byte, and everything else than 1 is a refusal.
        stream = pair.peer._stream
        stream.write(b"0=======")
        stream.flush()
        with fails(LibraryRuntimeError, "PEER_REFUSED"):
            pair.client.sendResponse(True, "OK")


def a_response_that_is_refused_is_a_runtime_error() -> None:
    with exchanged() as pair:
        request_arrives(pair)
        stream = pair.peer._stream

        def refuse() -> None:
            stream.read(16)
            stream.write(b"0")
            stream.flush()

        with fails(LibraryRuntimeError, "PEER_REFUSED"):
            together(refuse, partial(pair.client.sendResponse, True, "OK"))


def a_request_is_received() -> None:
    with exchanged() as pair:
        need_equal(request_arrives(pair, {"verb": "ECHO", "parameters": {"é": [1]}}), {"verb": "ECHO", "parameters": {"é": [1]}})


def a_request_is_stored_if_wanted() -> None:
    for wanted in (True, False):
        with exchanged() as pair:
            need_equal(request_arrives(pair, store_request=wanted), STAT)
            need_equal(pair.client.getStoredRequest(), STAT if wanted else None)


def a_request_fits_the_format() -> None:
    with exchanged() as pair:
        wrongs: tuple[object, ...] = ({"verb": "stat", "parameters": {}}, {"verb": "STAT"}, [])
        for wrong in wrongs:
            with fails(LibraryValueError, "MALFORMED_REQUEST"):
                request_arrives(pair, wrong)
            answer_arrives(pair, False, "Bad request")
        need_equal(request_arrives(pair), STAT)


def a_request_is_strict_json() -> None:
    with exchanged() as pair, fails(LibraryValueError, "MALFORMED_REQUEST"):
        request_arrives(pair, '{"verb": "STAT", "parameters": {"load": NaN}}')


def a_packet_length_that_is_none_is_a_value_error() -> None:
    with exchanged() as pair:
        stream = pair.peer._stream
        stream.write(b"0=======")
        stream.flush()
        with fails(LibraryValueError, "PROTOCOL_VIOLATION"):
            pair.client.recvRequest()
        need_equal(stream.read(1), b"0")


# -- the page ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sentence:
    """A sentence of the page, or a part of one that can be shown by itself."""

    text: str
    shown_by: Callable[[], None]
    row: str | None = None
    """The row of docs/porting.md, if it is otherwise."""


S = Sentence

OURS = {"compute", "getMalformedRequest", "getProtocol", "getRequestErrors", "hasFailed", "isIdle"}
"""The methods that the page does not have."""

PAGE: dict[str, list[Sentence]] = {
    "ClientInstance(socket, timeout, rsa_wrapper, aes_wrapper, exchange_keys)": [
        S("This class is used when a new client has just connected to a listening socket", serves_a_client_that_has_just_connected),
        S("and when RSA and AES keys must be exchanged", serves_a_client_that_has_just_connected),
        S(
            "in order to guarantee the security and integrity of request and response transmission.",
            a_framing_of_the_releases_notices_no_change,
            INTEGRITY,
        ),
        S("This class can be used in a 'with' statement.", is_closed_at_the_end_of_with),
        S("socket: Type : `socket.socket`", shares_the_socket),
        S("socket: The client socket descriptor.", shares_the_socket),
        S("socket: Must be an active client socket.", takes_no_socket_but_an_active_one),
        S("timeout: Type : int", a_timeout_is_for_the_whole_of_a_call, SECONDS),
        S("timeout: The timeout to apply to the client.", a_timeout_is_applied),
        S("timeout: Default is `None`.", there_is_no_timeout_unless_it_is_given),
        S("rsa_wrapper: The `RSAWrapper` object that will be used with the client.", an_rsa_wrapper_that_is_given_is_used),
        S("rsa_wrapper: Default is `None`.", clients_without_an_rsa_wrapper_share_a_key_pair, KEY_PAIR),
        S("aes_wrapper: The `AESWrapper` object that will be used with the client.", an_aes_wrapper_that_is_given_is_used),
        S("aes_wrapper: Default is `None`.", without_an_aes_wrapper_a_key_is_drawn),
        S(
            "The `rsa_wrapper` remote public key will be set with those of the client if they are exchanged.",
            the_rsa_wrapper_that_is_given_stays_without_the_peers_key,
            WRAPPERS_COPIED,
        ),
        S(
            "and the `aes_wrapper` key will be set with those of the client if they are exchanged.",
            the_aes_wrapper_that_is_given_stays_as_it_was,
            WRAPPERS_COPIED,
        ),
        S("exchange_keys: Automatically exchange keys on initialization.", keys_are_exchanged_at_once_unless_told_otherwise),
        S("exchange_keys: Default is `True`.", keys_are_exchanged_at_once_unless_told_otherwise),
        S("The method `closeConnection()` will be called on `__del__` method.", the_end_of_an_object_closes_its_connection),
    ],
    "isClosed()": [
        S("Check if the client socket is closed or not.", whether_it_is_closed_is_told),
        S("`True` if the client socket is closed", a_socket_that_was_closed_elsewhere_is_noticed),
        S("`False` otherwise.", whether_it_is_closed_is_told),
    ],
    "getSocketDescriptor()": [
        S("Get the client socket descriptor.", shares_the_socket),
        S("The socket descriptor of the client.", shares_the_socket),
    ],
    "getIP()": [
        S("Get the client IP.", the_ip_is_the_peers),
        S("The client IP, in a IPv4 format.", an_ip_may_be_of_another_family, IP),
    ],
    "getID()": [
        S("Get the client ID.", the_id_comes_from_the_ip),
        S("The client ID.", the_id_comes_from_the_ip),
        S("It is the first 7 characters of the client's IP SHA256", the_id_comes_from_the_ip),
    ],
    "getCreationTimestamp()": [
        S("Get the client creation timestamp.", the_timestamp_is_when_it_was_made),
        S("The client creation timestamp.", the_timestamp_is_when_it_was_made),
    ],
    "getStoredRequest()": [
        S("Get the stored received request from the client.", the_stored_request_is_the_one_received),
        S("A dictionary following the normalized Request format", the_stored_request_is_the_one_received),
        S("or `None` if there is none.", the_stored_request_is_the_one_received),
    ],
    "getRSAWrapper()": [
        S("Get the client `RSAWrapper` object.", there_is_no_rsa_wrapper_before_it_is_needed, WRAPPERS_LATE),
        S("The `RSAWrapper` object of the client.", the_rsa_wrapper_has_the_keys_of_both),
    ],
    "getAESWrapper()": [
        S("Get the client `AESWrapper` object.", there_is_no_aes_wrapper_before_the_exchange_and_in_gcm, WRAPPERS_LATE),
        S("The `AESWrapper` object of the client.", the_aes_wrapper_has_the_key_of_the_session),
    ],
    "setRSAWrapper(rsa_wrapper)": [
        S("Set the client `RSAWrapper` object.", an_rsa_wrapper_can_be_set_before_the_exchange),
        S("rsa_wrapper: The `RSAWrapper` object to set.", an_rsa_wrapper_cannot_be_set_after_the_exchange, WRAPPERS_FIXED),
    ],
    "setAESWrapper(aes_wrapper)": [
        S("Set the client `AESWrapper` object.", an_aes_wrapper_can_be_set_before_the_exchange),
        S("aes_wrapper: The `AESWrapper` object to set.", an_aes_wrapper_cannot_be_set_after_the_exchange, WRAPPERS_FIXED),
    ],
    "closeConnection()": [
        S("Close the client connection.", closing_closes),
        S("RuntimeError: Raised in this method if the client is already closed.", what_is_closed_does("closeConnection")),
    ],
    "exchangeKeys(receive_first)": [
        S("Exchange the local RSA and AES keys with the client.", keys_are_exchanged_once, SECOND_EXCHANGE),
        S("receive_first: `True` to receive the key first, `False` otherwise.", either_side_can_be_the_first),
        S("receive_first: Default is `True`.", keys_are_exchanged),
        S("RuntimeError: An error occured due to a failed internal action.", what_loses_its_peer_does("exchangeKeys")),
        S("RuntimeError: Raised in this method if the client is closed.", what_is_closed_does("exchangeKeys")),
        S("This method is just a wrapper exchanging RSA and AES keys", each_step_is_done_once_and_none_is_left_out, STEPS),
        S("using every related method below.", the_steps_make_an_exchange_together),
    ],
    "sendPublicRSAKey()": [
        S("Send the local public RSA key to the client.", the_public_key_is_sent),
        S("RuntimeError: An error occured due to a failed internal action.", what_loses_its_peer_does("sendPublicRSAKey")),
        S("RuntimeError: Raised in this method if the client is closed", what_is_closed_does("sendPublicRSAKey")),
        S("or that the client refused the sent packet", what_is_refused_does("0")),
        S("or the RSA key.", what_is_refused_does("10")),
    ],
    "recvPublicRSAKey()": [
        S("Receive the client public RSA key from the client.", the_peers_public_key_is_received),
        S(
            "ValueError: An error occured due to an invalid value set before or during the method call.",
            a_key_that_is_none_is_a_value_error,
        ),
        S(
            "ValueError: Raised in this method if an invalid key length has been received from the client.",
            a_length_that_is_none_is_a_value_error,
        ),
        S("RuntimeError: An error occured due to a failed internal action.", what_loses_its_peer_does("recvPublicRSAKey")),
        S("RuntimeError: Raised in this method if the client is closed.", what_is_closed_does("recvPublicRSAKey")),
    ],
    "sendAESKey()": [
        S("Send the local AES key to the client.", an_aes_key_that_was_received_is_not_sent_back, STEP_11),
        S("RuntimeError: An error occured due to a failed internal action.", what_loses_its_peer_does("sendAESKey")),
        S("RuntimeError: Raised in this method if the client is closed", what_is_closed_does("sendAESKey")),
        S("or that the client refused the RSA key.", an_aes_key_that_is_refused_is_a_runtime_error),
    ],
    "recvAESKey()": [
        S("Receive the AES key from the client.", the_peers_aes_key_is_received),
        S("RuntimeError: An error occured due to a failed internal action.", what_loses_its_peer_does("recvAESKey")),
        S("RuntimeError: Raised in this method if the client is closed", what_is_closed_does("recvAESKey")),
        S("or that the client refused the RSA key.", nothing_is_sent_that_could_be_refused, NOT_RECEIVED),
    ],
    "sendResponse(success, message, data, reason)": [
        S("Send a response to the client.", a_request_has_one_response, ONE_RESPONSE),
        S("success: `True` to announce a success in the previous request processing, `False` otherwise.", success_is_what_was_said),
        S(
            "message: The message to send back to the client explaining the stata of the request processing.",
            a_message_is_what_was_said,
        ),
        S("Some pre-defined messages constants exists on the `anwdlserver.core.client` module", constants_exist),
        S("Message meaning that the request was processed withour errors.", the_constant("RESPONSE_MSG_OK", "OK")),
        S("Message meaning that an authentication procesus failed.", the_constant("RESPONSE_MSG_BAD_AUTH", "Bad authentication")),
        S("Message meaning that an invalid request was received.", the_constant("RESPONSE_MSG_BAD_REQ", "Bad request")),
        S("Message meaning that the request was refused.", the_constant("RESPONSE_MSG_REFUSED_REQ", "Refused request")),
        S("Message meaning that the server is temporarily unavailable.", the_constant("RESPONSE_MSG_UNAVAILABLE", "Unavailable")),
        S(
            "Message meaning that an internal error occured during request processing.",
            the_constant("RESPONSE_MSG_INTERNAL_ERROR", "Internal error"),
        ),
        S("data: Type : dict", data_are_strict_json, STRICT_JSON),
        S("data: The data to send.", a_response_is_sent),
        S("data: Must be an empty dictionary or a normalized Response format dictionary.", data_fit_the_response_format),
        S("data: Default is an empty dict.", data_are_empty_unless_given),
        S("reason: An additional explanation concerning the response content.", a_reason_is_appended),
        S(
            "reason: The value will be appended to the `message` value in the form : `Refused request (reason : <reason>)`",
            a_reason_is_appended,
        ),
        S("reason: unless the passed value is `None`.", without_a_reason_the_message_stays),
        S("reason: Default is `None`.", without_a_reason_the_message_stays),
        S("ValueError: An error occured due to an invalid value set before or during the method call.", data_fit_the_response_format),
        S(
            "ValueError: Raised in this method if an invalid packet length has been received from the client.",
            a_response_waits_for_no_length,
            NOT_RECEIVED,
        ),
        S("RuntimeError: An error occured due to a failed internal action.", a_message_whose_peer_is_gone_is_a_runtime_error),
        S("RuntimeError: Raised in this method if the client is closed", what_is_closed_does("sendResponse", True, "OK")),
        S("or that the client refused the sent packet", a_response_that_is_refused_is_a_runtime_error),
        S("or the RSA key.", a_response_is_sent, NOT_RECEIVED),
    ],
    "recvRequest(store_request)": [
        S("Receive a request from the client.", a_request_is_received),
        S("store_request: `True` to store the received request on the instance, `False` otherwise.", a_request_is_stored_if_wanted),
        S("store_request: Default is `True`.", the_stored_request_is_the_one_received),
        S("The received request as a normalized Request format", a_request_fits_the_format),
        S("dictionary", a_request_is_strict_json, STRICT_JSON),
        S("ValueError: An error occured due to an invalid value set before or during the method call.", a_request_fits_the_format),
        S(
            "ValueError: Raised in this method if an invalid packet length has been received from the client.",
            a_packet_length_that_is_none_is_a_value_error,
        ),
        S("RuntimeError: An error occured due to a failed internal action.", a_message_whose_peer_is_gone_is_a_runtime_error),
        S("RuntimeError: Raised in this method if the client is closed.", what_is_closed_does("recvRequest")),
    ],
}


def rows() -> set[str]:
    """The first cells of the tables."""
    lines = PORTING.read_text(encoding="utf-8").splitlines()
    return {line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")}


class ClientInstancePage(unittest.TestCase):
    """Each sentence, by itself."""

    def test_each_sentence_is_as_it_says_or_as_its_row_says(self) -> None:
        for heading, sentences in PAGE.items():
            for sentence in sentences:
                with self.subTest(heading, sentence=sentence.text, row=sentence.row):
                    sentence.shown_by()

    def test_what_is_otherwise_has_its_row(self) -> None:
        known = rows()
        self.assertGreater(len(known), 10)
        for heading, sentences in PAGE.items():
            for sentence in sentences:
                if sentence.row is not None:
                    with self.subTest(heading, sentence=sentence.text):
                        self.assertIn(sentence.row, known)

    def test_each_method_has_its_sentences(self) -> None:
        methods = {heading.split("(")[0] for heading in PAGE}
        public = {name for name in dir(ClientInstance) if not name.startswith("_") and callable(getattr(ClientInstance, name))}
        self.assertEqual(methods - {"ClientInstance"}, public - OURS)


if __name__ == "__main__":
    unittest.main()
