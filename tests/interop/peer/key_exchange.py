"""The twelve steps of the key exchange, for the side that speaks first and for the other.

The numbers in the comments are the steps of the table in the protocol's description. "Initiator" is the side that speaks first,
whichever role it has.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from .keys import KeyPair, PublicKey
from .stream import Stream

RandomBytes = Callable[[int], bytes]

IV_SIZE = 16
AES_KEY_SIZES = (16, 24, 32)
MAXIMUM_PEM_SIZE = 16 * 1024
LENGTH_FIELD_SIZE = 8
LENGTH_FIELD = re.compile(rb"([0-9]{1,8})=*")

GCM_MARK = b"\x06"
GCM_RANDOM_SIZE = 32
X25519_KEY_SIZE = 32
GCM_SECRET_SIZE = len(GCM_MARK) + GCM_RANDOM_SIZE + X25519_KEY_SIZE
ENCAPSULATION_KEY_SIZE = 1184
ENCAPSULATED_SIZE = 1088


@dataclass(frozen=True)
class CbcSecret:
    """What the framings v2, v3 and v4 start from."""

    key: bytes
    iv: bytes


@dataclass(frozen=True)
class RecordSecret:
    """What the records of one direction are protected with."""

    key: bytes
    iv: bytes


@dataclass(frozen=True)
class GcmSecret:
    """What the framing gcm starts from: "client" is what the client sends with."""

    client: RecordSecret
    server: RecordSecret


@dataclass(frozen=True)
class ExchangedKeys:
    """The outcome of a key exchange."""

    remote_public_key: PublicKey
    secret: CbcSecret | GcmSecret


def length_field(length: int) -> bytes:
    """A length in clear: decimal digits, padded with `=` to eight bytes."""
    return str(length).encode("ascii").ljust(LENGTH_FIELD_SIZE, b"=")


def parse_length_field(field: bytes) -> int | None:
    """The length that stands in eight bytes, or None if they are no length."""
    match = LENGTH_FIELD.fullmatch(field)
    return int(match[1]) if match else None


def initiate(
    stream: Stream,
    own: KeyPair,
    *,
    is_client: bool,
    use_gcm: bool,
    aes_key_size: int,
    derives_step_11: bool,
    random_bytes: RandomBytes,
) -> ExchangedKeys:
    """The exchange as the side that speaks first, which chooses the secret and so the family of framings.

    The released peers take whatever step 11 brings as their key; with `derives_step_11`, only what is derived from the secret is taken.
    """
    stream.write(length_field(len(own.public_pem)))  # 1
    stream.expect_acceptance("the length of the public key")  # 2
    stream.write(own.public_pem)  # 3
    stream.expect_acceptance("the public key")  # 4
    remote = _receive_public_key(stream)  # 5 to 8
    if use_gcm:
        ephemeral = EphemeralKeys()
        offer = GCM_MARK + random_bytes(GCM_RANDOM_SIZE) + ephemeral.x25519_public
        sent = remote.encrypt(offer) + ephemeral.encapsulation_key
    else:
        offer = random_bytes(aes_key_size) + random_bytes(IV_SIZE)
        sent = remote.encrypt(offer)
    stream.write(sent)  # 9
    stream.expect_acceptance("the session secret")  # 10
    received, reply = _receive_secret(stream, own)  # 11
    if use_gcm:
        if not _is_gcm_secret(reply):
            stream.refuse("the peer's half of the secret is not for gcm")
        encapsulated = stream.read(ENCAPSULATED_SIZE)
        try:
            shared = ephemeral.agree(reply[-X25519_KEY_SIZE:]) + ephemeral.decapsulate(encapsulated)
        except ValueError as error:
            stream.refuse(f"the peer's ephemeral keys are not acceptable: {error}")
        salt = gcm_salt(is_client, own.public_pem, remote.pem, sent, received + encapsulated)
        secret: CbcSecret | GcmSecret = gcm_secret(salt, shared, offer, reply)
    else:
        if len(reply) - IV_SIZE not in AES_KEY_SIZES:
            stream.refuse(f"a secret of {len(reply)} bytes is not accepted here")
        if derives_step_11 and reply != step_11_secret(own.public_pem, remote.pem, sent, offer, reply[-IV_SIZE:]):
            stream.refuse("the peer's secret is not derived from this side's")
        secret = CbcSecret(reply[:-IV_SIZE], reply[-IV_SIZE:])
    stream.accept()  # 12
    stream.flush()
    return ExchangedKeys(remote, secret)


def respond(
    stream: Stream,
    own: KeyPair,
    *,
    is_client: bool,
    accept_cbc: bool,
    accept_gcm: bool,
    derives_step_11: bool,
    random_bytes: RandomBytes,
) -> ExchangedKeys:
    """The exchange as the side that is spoken to, which takes the secret that it gets if it is of an accepted family.

    It sends an AES key back as it came, as the released peers do, or, with `derives_step_11`, one that is derived from it.
    """
    remote = _receive_public_key(stream)  # 1 to 4
    stream.write(length_field(len(own.public_pem)))  # 5
    stream.expect_acceptance("the length of the public key")  # 6
    stream.write(own.public_pem)  # 7
    stream.expect_acceptance("the public key")  # 8
    received, offer = _receive_secret(stream, own)  # 9
    if _is_gcm_secret(offer) and accept_gcm:
        received += stream.read(ENCAPSULATION_KEY_SIZE)
        ephemeral = EphemeralKeys()
        try:
            agreed = ephemeral.agree(offer[-X25519_KEY_SIZE:])
            encapsulated_secret, encapsulated = MLKEM768PublicKey.from_public_bytes(received[-ENCAPSULATION_KEY_SIZE:]).encapsulate()
        except ValueError as error:
            stream.refuse(f"the peer's ephemeral keys are not acceptable: {error}")
        reply = GCM_MARK + random_bytes(GCM_RANDOM_SIZE) + ephemeral.x25519_public
        sent = remote.encrypt(reply) + encapsulated
        salt = gcm_salt(not is_client, remote.pem, own.public_pem, received, sent)
        secret: CbcSecret | GcmSecret = gcm_secret(salt, agreed + encapsulated_secret, offer, reply)
    elif len(offer) - IV_SIZE in AES_KEY_SIZES and accept_cbc:
        reply = offer
        if derives_step_11:
            reply = step_11_secret(remote.pem, own.public_pem, received, offer, random_bytes(IV_SIZE))
        sent = remote.encrypt(reply)
        secret = CbcSecret(reply[:-IV_SIZE], reply[-IV_SIZE:])
    else:
        stream.refuse(f"a secret of {len(offer)} bytes is not accepted here")
    stream.accept()  # 10
    stream.write(sent)  # 11
    stream.expect_acceptance("the session secret")  # 12
    return ExchangedKeys(remote, secret)


class EphemeralKeys:
    """The keys that one exchange makes for itself and forgets."""

    def __init__(self) -> None:
        self._x25519 = X25519PrivateKey.generate()
        self._ml_kem = MLKEM768PrivateKey.generate()
        self.x25519_public = self._x25519.public_key().public_bytes_raw()
        self.encapsulation_key = self._ml_kem.public_key().public_bytes_raw()

    def agree(self, remote_public: bytes) -> bytes:
        """The shared secret of X25519; ValueError for a public key that gives all zeros."""
        return self._x25519.exchange(X25519PublicKey.from_public_bytes(remote_public))

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """The shared secret of ML-KEM-768; another one, and no error, for what was not encapsulated for this side."""
        return self._ml_kem.decapsulate(encapsulated)


def _receive_public_key(stream: Stream) -> PublicKey:
    length = parse_length_field(stream.read(LENGTH_FIELD_SIZE))
    if length is None or not 0 < length <= MAXIMUM_PEM_SIZE:
        stream.refuse("the length of the peer's public key is not acceptable")
    stream.accept()
    try:
        key = PublicKey.from_pem(stream.read(length))
    except ValueError as error:
        stream.refuse(f"the peer's public key is not acceptable: {error}")
    stream.accept()
    return key


def _receive_secret(stream: Stream, own: KeyPair) -> tuple[bytes, bytes]:
    """The secret as it came and decrypted; the caller judges it and answers."""
    wrapped = stream.read(own.modulus_size)
    try:
        return wrapped, own.decrypt(wrapped)
    except ValueError:
        stream.refuse("the session secret does not decrypt")


def _is_gcm_secret(secret: bytes) -> bool:
    return len(secret) == GCM_SECRET_SIZE and secret.startswith(GCM_MARK)


def gcm_salt(initiator_is_client: bool, initiator_pem: bytes, responder_pem: bytes, step_9: bytes, step_11: bytes) -> bytes:
    """Everything that both sides saw, so that whoever changed any of it gets other keys."""
    role = b"\x00" if initiator_is_client else b"\x01"
    return _digest(b"anwdl gcm v2", role, initiator_pem, responder_pem, step_9, step_11)


def gcm_secret(salt: bytes, shared: bytes, offer: bytes, reply: bytes) -> GcmSecret:
    """Key and IV of each direction; `shared` is that of X25519 and that of ML-KEM."""
    randoms = slice(len(GCM_MARK), len(GCM_MARK) + GCM_RANDOM_SIZE)
    source = shared + offer[randoms] + reply[randoms]

    def derive(info: bytes, length: int) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(source)

    return GcmSecret(
        RecordSecret(derive(b"client key", 32), derive(b"client iv", 12)),
        RecordSecret(derive(b"server key", 32), derive(b"server iv", 12)),
    )


def next_record_secret(secret: RecordSecret) -> RecordSecret:
    """What follows when a direction's key has protected as much as it may."""
    derived = HKDFExpand(algorithm=hashes.SHA256(), length=44, info=b"anwdl rekey").derive(secret.key)
    return RecordSecret(derived[:32], derived[32:])


def step_11_secret(initiator_pem: bytes, responder_pem: bytes, wrapped_offer: bytes, offer: bytes, iv: bytes) -> bytes:
    """The key and IV that answer an AES key: nothing of `offer` leaves again, and a replayed one gives another key each time."""
    salt = _digest(initiator_pem, responder_pem, wrapped_offer, iv)
    derivation = HKDF(algorithm=hashes.SHA256(), length=len(offer) - IV_SIZE, salt=salt, info=b"anwdl step 11 v1")
    return derivation.derive(offer) + iv


def _digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each behind its length."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
