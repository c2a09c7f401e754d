"""The two ends of a connection: a client of this package, and the independent peer of tests/interop/."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

import recordings
from anwdl import AESWrapper, ClientInstance, Failure, RSAWrapper
from peer import PeerError, ProtocolName, Session, Settings
from peer.json_text import parse_strictly
from peer.key_exchange import ExchangedKeys, initiate, length_field, respond
from peer.stream import Stream

PEER_KEY_PAIR, OWN_KEY_PAIR = recordings.fixed_key_pairs()
TIMEOUT = 10
"""Seconds, that nothing here takes."""
STAT = {"verb": "STAT", "parameters": {}}

T = TypeVar("T")
U = TypeVar("U")


def own_keys() -> RSAWrapper:
    """A wrapper with the local key pair."""
    wrapper = RSAWrapper(generate_key_pair=False)
    wrapper.setPrivateKey(OWN_KEY_PAIR.private_pem, derivate_public_key=True)
    return wrapper


def known_aes_wrapper() -> AESWrapper:
    """A wrapper with a key that is no other's."""
    wrapper = AESWrapper()
    wrapper.setKey(bytes(range(32)), bytes(range(16)))
    return wrapper


@contextmanager
def two_ends(host: str = "127.0.0.1") -> Iterator[tuple[socket.socket, socket.socket]]:
    """What accept() gives, and the peer's socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        far = socket.create_connection(listener.getsockname()[:2], TIMEOUT)
        near, _ = listener.accept()
    with near, far:
        yield near, far


def together(peer: Callable[[], T], own: Callable[[], U]) -> tuple[T, U]:
    """What the peer does, on a thread, while this side is in a call."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(peer)
        result = own()
        return done.result(TIMEOUT), result


class Fresh(NamedTuple):
    """A client that has exchanged no keys, and its peer."""

    client: ClientInstance
    peer: socket.socket


@contextmanager
def fresh(**arguments: Any) -> Iterator[Fresh]:
    """A client with the local key pair, unless the arguments say otherwise."""
    with two_ends() as (near, far):
        given: dict[str, Any] = {"timeout": TIMEOUT, "rsa_wrapper": own_keys(), "exchange_keys": False} | arguments
        with ClientInstance(near, **given) as client:
            yield Fresh(client, far)


def peer_settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {"key_pair": PEER_KEY_PAIR, "protocol": ProtocolName.V4, "timeout": TIMEOUT} | changes
    return Settings(**given)


class Pair(NamedTuple):
    """A client and its peer's session, with their keys exchanged."""

    client: ClientInstance
    peer: Session


@contextmanager
def exchanged(framing: ProtocolName = ProtocolName.V4) -> Iterator[Pair]:
    """Two sides that are ready for a request."""
    with fresh() as (client, far):
        session, _ = together(partial(Session.connect, far, peer_settings(protocol=framing)), client.exchangeKeys)
        with session:
            yield Pair(client, session)


@contextmanager
def server(sessions: int = 1, **changes: Any) -> Iterator[tuple[int, list[Any]]]:
    """A server of the peer, of one client after the other, that answers every request; gives its port, and the requests."""
    seen: list[Any] = []
    settings = peer_settings(key_pair=OWN_KEY_PAIR, protocol=ProtocolName.AUTO, **changes)

    def serve(connection: socket.socket) -> None:
        with Session.accept(connection, settings) as session:
            while True:
                seen.append(parse_strictly(session.receive_text()))
                session.send_text('{"success": true, "message": "OK", "data": {"answer": 42}}')

    def serve_all() -> None:
        for _ in range(sessions):
            try:
                serve(listener.accept()[0])
            except PeerError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(TIMEOUT)
        ended = pool.submit(serve_all)
        yield listener.getsockname()[1], seen
        ended.result(TIMEOUT)


@contextmanager
def silent_server() -> Iterator[tuple[str, int]]:
    """A server that answers nobody, as its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        host, port = listener.getsockname()
        with socket.create_connection((host, port)):
            yield host, port


class Token:
    """Has the local key pair, whose private operation waits until it may go on."""

    def __init__(self) -> None:
        self._numbers = OWN_KEY_PAIR.private_key.private_numbers()
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.wrapper = RSAWrapper(generate_key_pair=False)
        self.wrapper.setPublicKey(OWN_KEY_PAIR.public_pem)
        self.goes_on.set()
        self.wrapper.setPrivateOperation(self._operate)
        self.goes_on.clear()
        self.begun.clear()

    def _operate(self, number: bytes) -> bytes:
        self.begun.set()
        need(self.goes_on.wait(TIMEOUT))
        return pow(int.from_bytes(number, "big"), self._numbers.d, self._numbers.public_numbers.n).to_bytes(len(number), "big")


def peer_initiates(far: socket.socket) -> ExchangedKeys:
    """The peer's part, as a released client's that speaks first."""
    settings = peer_settings()
    return initiate(
        Stream(far, TIMEOUT),
        PEER_KEY_PAIR,
        is_client=True,
        use_gcm=False,
        aes_key_size=settings.aes_key_size,
        derives_step_11=False,
        random_bytes=settings.random_bytes,
    )


def peer_responds(far: socket.socket) -> ExchangedKeys:
    """The peer's part, as a released client's that waits to be spoken to."""
    return respond(
        Stream(far, TIMEOUT),
        PEER_KEY_PAIR,
        is_client=True,
        accept_cbc=True,
        accept_gcm=False,
        derives_step_11=False,
        random_bytes=peer_settings().random_bytes,
    )


def peer_sends_key(stream: Stream, length: bytes = length_field(len(PEER_KEY_PAIR.public_pem))) -> None:
    """The first four steps, as the side that speaks first."""
    stream.write(length)
    stream.expect_acceptance("the length")
    stream.write(PEER_KEY_PAIR.public_pem)
    stream.expect_acceptance("the key")


def peer_takes_key(stream: Stream, answers: str = "11") -> bytes:
    """The public key that comes, with an answer to its length and one to itself."""
    length = int(stream.read(8).rstrip(b"="))
    stream.write(answers[0].encode())
    stream.flush()
    if answers[0] != "1":
        return b""
    pem = stream.read(length)
    stream.write(answers[1].encode())
    stream.flush()
    return pem


def keys_exchanged_by_hand(client: ClientInstance, far: socket.socket) -> ExchangedKeys:
    """All four steps, the peer first."""

    def steps() -> None:
        client.recvPublicRSAKey()
        client.sendPublicRSAKey()
        client.recvAESKey()
        client.sendAESKey()

    keys, _ = together(partial(peer_initiates, far), steps)
    return keys


def request_arrives(pair: Pair, request: object = STAT, **arguments: Any) -> dict[str, Any]:
    """The request, as recvRequest() gives it."""
    text = request if isinstance(request, str) else json.dumps(request)
    _, received = together(partial(pair.peer.send_text, text), partial(pair.client.recvRequest, **arguments))
    return received


def response_arrives(pair: Pair, *arguments: Any, **named: Any) -> dict[str, Any]:
    """The response that the peer gets to a request."""
    request_arrives(pair)
    return answer_arrives(pair, *arguments, **named)


def answer_arrives(pair: Pair, *arguments: Any, **named: Any) -> dict[str, Any]:
    """The same, of a request that has arrived."""
    text, _ = together(pair.peer.receive_text, partial(pair.client.sendResponse, *arguments, **named))
    response: dict[str, Any] = json.loads(text)
    return response


def is_at_end(far: socket.socket) -> bool:
    """Whether the other side has closed; waits for it."""
    far.settimeout(TIMEOUT)
    return far.recv(1) == b""


def need(condition: bool, what: object = "") -> None:
    """As `assert`, in every mode of Python."""
    if not condition:
        raise AssertionError(what)


def need_equal(found: object, expected: object) -> None:
    need(found == expected, f"{found!r} is not {expected!r}")


@contextmanager
def fails(kind: type[Failure], *reasons: str) -> Iterator[None]:
    """The block raises that, for one of these reasons."""
    try:
        yield
    except kind as failure:
        need(failure.reason in reasons, f"{failure.reason}: {failure}")
        return
    raise AssertionError(f"no {kind.__name__} was raised")
