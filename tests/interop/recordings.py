"""The recordings of real sessions between the Python releases, in `tests/recordings/`."""

import json
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from peer import KeyPair

FOLDER = Path(__file__).resolve().parent.parent / "recordings"


@dataclass(frozen=True)
class Flight:
    """What one side sent before the other spoke again."""

    by_client: bool
    data: bytes


@dataclass(frozen=True)
class Turn:
    """A request and its response: what they say, and how they went over the wire."""

    request: dict[str, Any]
    request_flights: list[Flight]
    response: dict[str, Any]
    response_flights: list[Flight]


@dataclass(frozen=True)
class Recording:
    """One session."""

    name: str
    framing: str
    client_speaks_first: bool
    client_key_pair: KeyPair
    server_key_pair: KeyPair
    client_id: str
    peer_ip: str
    aes_key: bytes
    first_iv: bytes
    handshake_flights: list[Flight]
    turns: list[Turn]


def _flights(entries: list[dict[str, str]]) -> list[Flight]:
    return [Flight(entry["from"] == "client", b64decode(entry["bytes"])) for entry in entries]


@cache
def load(path: Path) -> Recording:
    """Reads one recording."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    return Recording(
        name=path.stem,
        framing=entry["label"].split(".")[0],
        client_speaks_first=entry["receive_first"],
        client_key_pair=KeyPair.from_pem(entry["client_rsa_private_pem"]),
        server_key_pair=KeyPair.from_pem(entry["server_rsa_private_pem"]),
        client_id=entry["client_id"],
        peer_ip=entry["peer_ip"],
        aes_key=b64decode(entry["session_aes_key"]),
        first_iv=b64decode(entry["initial_iv"]),
        handshake_flights=_flights(entry["handshake_flights"]),
        turns=[
            Turn(
                request=turn["request"],
                request_flights=_flights(turn["request_flights"]),
                response=turn["response"],
                response_flights=_flights(turn["response_flights"]),
            )
            for turn in entry["turns"]
        ],
    )


def load_all() -> list[Recording]:
    """Every recording; that there are none is an error, since nothing would be tested then."""
    paths = sorted(FOLDER.glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"no recordings in {FOLDER}")
    return [load(path) for path in paths]


def fixed_key_pairs() -> tuple[KeyPair, KeyPair]:
    """Key pairs of 2048 bits for a client and a server, where nothing depends on their newness."""
    recording = load(FOLDER / "v4.1-destroy.json")
    return recording.client_key_pair, recording.server_key_pair


def large_fixed_key_pair() -> KeyPair:
    """A key pair of 4096 bits."""
    return load(FOLDER / "v4.1-create.json").client_key_pair
