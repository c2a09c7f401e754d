"""RSA key pairs, and the names that are derived from keys and addresses."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PUBLIC_EXPONENT = 65537
DEFAULT_KEY_BITS = 4096
MINIMUM_KEY_BITS = 2048
MAXIMUM_KEY_BITS = 8192


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@dataclass(frozen=True)
class PublicKey:
    """A peer's public key, with the PEM text exactly as it was received."""

    pem: bytes
    key: rsa.RSAPublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Raises ValueError if `pem` is no RSA public key of an accepted size."""
        try:
            key = load_pem_public_key(pem)
        except UnsupportedAlgorithm as error:
            raise ValueError("a key of an unknown kind") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("the key is no RSA key")
        if not MINIMUM_KEY_BITS <= key.key_size <= MAXIMUM_KEY_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is not accepted")
        return cls(pem, key)

    def encrypt(self, secret: bytes) -> bytes:
        """RSA-OAEP with SHA-256."""
        return self.key.encrypt(secret, _oaep())


@dataclass(frozen=True)
class KeyPair:
    """This side's RSA key pair."""

    private_key: rsa.RSAPrivateKey

    @classmethod
    def generate(cls, bits: int = DEFAULT_KEY_BITS) -> "KeyPair":
        """Makes a new key pair; takes a while."""
        return cls(rsa.generate_private_key(PUBLIC_EXPONENT, bits))

    @classmethod
    def from_pem(cls, pem: str | bytes) -> "KeyPair":
        """Raises ValueError if `pem` is no RSA private key."""
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the key is no RSA private key")
        return cls(key)

    @cached_property
    def public_pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM: LF line ends, trailing LF."""
        return self.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def private_pem(self) -> bytes:
        """PKCS#8 in PEM, without a password."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def modulus_size(self) -> int:
        """Bytes of the modulus, and so of everything that is encrypted for this key."""
        return self.private_key.key_size // 8

    def decrypt(self, ciphertext: bytes) -> bytes:
        """RSA-OAEP with SHA-256; raises ValueError if it does not decrypt."""
        return self.private_key.decrypt(ciphertext, _oaep())


def fingerprint(public_pem: bytes) -> str:
    """What a person compares to know a server: SHA-256 of the public key's PEM text."""
    return hashlib.sha256(public_pem).hexdigest()


def client_id(ip: str) -> str:
    """The name that a server gives to the client at this address."""
    return hashlib.sha256(ip.encode()).hexdigest()[:7]
