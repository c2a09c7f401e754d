"""Keys as people have them: the library that ANWDL_TEST_LIBRARY names takes those that OpenSSL or `cryptography` take.

What both refuse, the library refuses, and it says why and what to do. Where it differs on purpose, DIFFERENT says so.
"""

import base64
import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

HERE = Path(__file__).resolve().parent
KEYS = HERE.parent.parent / "examples-c" / "tests" / "keys"
HEADER = HERE.parent.parent / "include" / "anwdl.h"

RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
RSASSA_PSS = bytes.fromhex("06092a864886f70d01010a")
NULL = bytes.fromhex("0500")

LIMITS = r"\d+ bits; 2048 to 8192 are accepted"
DIFFERENT = {
    "two private keys": r"2 private keys; keep only one",
    "two public keys": r"2 public keys; keep only one",
    "a modulus of 1024 bits": LIMITS,
    "three primes": r"more than two primes.*`openssl genpkey",
    "primes of 1088 and 960 bits": r"1088 and 960 bits.*`openssl genpkey",
    "primes of 1025 and 1023 bits": r"1025 and 1023 bits.*`openssl genpkey",
}
"""What OpenSSL or `cryptography` take and the library may refuse, in these words: which of two keys is meant nobody knows, and the
sizes are those of the protocol and of the arithmetic."""

TOLERATED = ("an empty line before END", "empty lines between")
"""Ways that both refuse, in which a text has one meaning all the same."""

REFUSED = {
    "a public key for a private one": r"public key; the private key is needed",
    "a private key for a public one": r"private key; write its public key with `openssl pkey .* -pubout`",
    "encrypted": r"encrypted; decrypt it with `openssl pkey ",
    "encrypted as in PKCS #1": r"encrypted; decrypt it with `openssl pkey ",
    "a certificate alone": r"is a certificate.*`openssl ",
    "OpenSSH's form": r"OpenSSH.*`ssh-keygen ",
    "a public key in OpenSSH's form": r"OpenSSH.*`ssh-keygen ",
    "an EC key": r"EC key; an RSA key is needed, as made with `openssl genpkey ",
    "an EC key in its old form": r"EC key; an RSA key is needed, as made with `openssl genpkey ",
    "a DSA key": r"DSA key; an RSA key is needed, as made with `openssl genpkey ",
    "an Ed25519 key": r"Ed25519 key; an RSA key is needed, as made with `openssl genpkey ",
    "DER": r"is DER; PEM is needed, as written by `openssl pkey -inform DER ",
    "base64 alone": r"base64 alone; PEM is needed, with its lines BEGIN and END",
    "UTF-16": r"UTF-16; UTF-8 or ASCII is needed",
    "a certificate request": r'"CERTIFICATE REQUEST", not an RSA key',
    "line ends written as \\n": r"line ends .* are written as \\n, .*`printf %b`",
    "cut off": r"cut off",
    "no END line": r"cut off",
    "a letter that is none of base64": r"not base64",
    "hello": r"not a key: .*a key as PEM is needed",
    "nothing": r"empty; a key as PEM is needed",
}
"""What all refuse, and the words of the library."""


class Case(NamedTuple):
    name: str
    is_private: bool
    text: bytes


def pem(label: str, der: bytes, width: int = 64) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode(), width)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def der_length(content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([len(content)])
    size = (len(content).bit_length() + 7) // 8
    return bytes([0x80 | size]) + len(content).to_bytes(size, "big")


def sequence(*parts: bytes) -> bytes:
    content = b"".join(parts)
    return b"\x30" + der_length(content) + content


def private_der(algorithm: bytes, pkcs1: bytes) -> bytes:
    return sequence(b"\x02\x01\x00", algorithm, b"\x04" + der_length(pkcs1) + pkcs1)


def public_der(algorithm: bytes, pkcs1: bytes) -> bytes:
    bits = b"\x00" + pkcs1
    return sequence(algorithm, b"\x03" + der_length(bits) + bits)


def load(name: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key((KEYS / f"{name}.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey


def private_bytes(
    key: Private,
    encoding: str = "PEM",
    form: str = "PKCS8",
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption(),
) -> bytes:
    return key.private_bytes(getattr(serialization.Encoding, encoding), getattr(serialization.PrivateFormat, form), encryption)


def public_bytes(key: Private, encoding: str = "PEM", form: str = "SubjectPublicKeyInfo") -> bytes:
    return key.public_key().public_bytes(getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form))


def certificate_of(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
    day = datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def request_of(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
    builder = x509.CertificateSigningRequestBuilder(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def forms(key: rsa.RSAPrivateKey) -> Iterator[tuple[str, bool, str, bytes]]:
    """Name, whether it is the private key, label and DER."""
    private = private_bytes(key, "DER", "TraditionalOpenSSL")
    public = public_bytes(key, "DER", "PKCS1")
    yield "PKCS #1", True, "RSA PRIVATE KEY", private
    yield "PKCS #1", False, "RSA PUBLIC KEY", public
    for name, algorithm in (
        ("PKCS #8", sequence(RSA_ENCRYPTION, NULL)),
        ("PKCS #8 without parameters", sequence(RSA_ENCRYPTION)),
        ("id-RSASSA-PSS", sequence(RSASSA_PSS)),
    ):
        yield name, True, "PRIVATE KEY", private_der(algorithm, private)
        yield name.replace("PKCS #8", "SubjectPublicKeyInfo"), False, "PUBLIC KEY", public_der(algorithm, public)


def ways(label: str, der: bytes, certificate: str) -> Iterator[tuple[str, str | bytes]]:
    """The PEM text as people write it."""
    text = pem(label, der)
    lines = text.splitlines()

    def each(change: Callable[[str], str]) -> str:
        return "".join(map(change, lines))

    yield "as it is", text
    yield "empty lines before", f"\n\n{text}"
    yield "empty lines behind", f"{text}\n\n\n"
    yield "an empty line behind BEGIN", text.replace("-----\n", "-----\n\n", 1)
    yield "an empty line before END", text.replace("\n-----END", "\n\n-----END")
    yield "empty lines between", each(lambda line: f"{line}\n\n")
    yield "text before", f"subject=CN = x\nissuer=CN = x\n{text}"
    yield "text behind", f"{text}# the key of the server\n"
    yield "text in Latin-1 before", b"Schl\xfcssel\n" + text.encode()
    yield "a byte-order mark", f"\ufeff{text}"
    yield "indented", each(lambda line: f"    {line}\n")
    yield "indented by tabs", each(lambda line: f"\t{line}\n")
    yield "blanks at line ends", each(lambda line: f"{line}  \n")
    yield "tabs at line ends", each(lambda line: f"{line}\t\n")
    yield "one line", pem(label, der, len(der) * 2)
    yield "76 characters a line", pem(label, der, 76)
    yield "1 character a line", pem(label, der, 1)
    yield "CRLF", each(lambda line: f"{line}\r\n")
    yield "CR", each(lambda line: f"{line}\r")
    yield "no line end", text.rstrip()
    yield "blanks in place of line ends", " ".join(lines)
    yield "a name before", f"key = {text}"
    yield "in quotes", f'KEY="{text.rstrip()}"\n'
    yield "something behind the last line", f"{text.rstrip()} # mine\n"
    yield "a comment that names the first line", f"# {lines[0]} and so on:\n{text}"
    yield "a comment as in RFC 1421", text.replace("-----\n", "-----\nComment: mine\n\n", 1)
    yield "a certificate before", certificate + text
    yield "a certificate behind", text + certificate


def written_cases() -> Iterator[Case]:
    """A good key in each form and way."""
    key = load("server")
    certificate = certificate_of(key)
    for form, is_private, label, der in forms(key):
        for way, text in ways(label, der, certificate):
            encoded = text if isinstance(text, bytes) else text.encode()
            yield Case(f"{form}, {way}", is_private, encoded)
    public, private = public_bytes(key), private_bytes(key)
    for text in (public + private, private + public):
        yield Case("the public key beside the private one", True, text)
    exponent = "rsa-2048-exponent-3"
    yield Case(exponent, True, private_bytes(load(exponent)))
    yield Case("three primes", True, make("genrsa", "-primes", "3", "2048"))
    yield Case("PKCS #8 as by openssl pkcs8", True, make("pkcs8", "-topk8", "-nocrypt", "-in", str(KEYS / "server.pem")))
    yield Case("with the lines of openssl pkey -text", True, make("pkey", "-text", "-in", str(KEYS / "server.pem")))
    yield Case("with the lines of openssl pkey -text", False, make("pkey", "-text", "-pubout", "-in", str(KEYS / "server.pem")))
    yield Case("with the attributes of PKCS #12", True, attributed(private_bytes(key)))
    yield Case("two private keys", True, private + private_bytes(load("peer-1")))
    yield Case("two public keys", False, public + public_bytes(load("peer-1")))
    for small in (rsa.generate_private_key(65537, 1024),):
        yield Case("a modulus of 1024 bits", True, private_bytes(small))
        yield Case("a modulus of 1024 bits", False, public_bytes(small))
    for sizes in ("1088-960", "1025-1023"):
        yield Case(f"primes of {sizes.replace('-', ' and ')} bits", True, (KEYS / f"primes-{sizes}.pem").read_bytes())


def refused_cases() -> Iterator[Case]:
    """What is no RSA key of the wanted half, readable as it is."""
    key = load("server")
    private, public = private_bytes(key), public_bytes(key)
    encryption = serialization.BestAvailableEncryption(b"secret")
    certificate = certificate_of(key).encode()
    yield Case("a public key for a private one", True, public)
    yield Case("a public key for a private one", True, public_bytes(key, form="PKCS1"))
    yield Case("a private key for a public one", False, private)
    yield Case("a private key for a public one", False, private_bytes(key, form="TraditionalOpenSSL"))
    yield Case("encrypted", True, private_bytes(key, encryption=encryption))
    yield Case("encrypted as in PKCS #1", True, private_bytes(key, form="TraditionalOpenSSL", encryption=encryption))
    for is_private in (True, False):
        yield Case("a certificate alone", is_private, certificate)
        yield Case("a certificate request", is_private, request_of(key))
        yield Case("hello", is_private, b"hello")
        yield Case("nothing", is_private, b"")
        yield Case("nothing", is_private, b"\n \n")
    yield Case("OpenSSH's form", True, private_bytes(key, form="OpenSSH"))
    yield Case("OpenSSH's form", False, private_bytes(key, form="OpenSSH"))
    yield Case("a public key in OpenSSH's form", False, public_bytes(key, "OpenSSH", "OpenSSH"))
    yield Case("a public key in OpenSSH's form", True, public_bytes(key, "OpenSSH", "OpenSSH"))
    others: dict[str, Private] = {
        "an EC key": ec.generate_private_key(ec.SECP256R1()),
        "a DSA key": dsa.generate_private_key(2048),
        "an Ed25519 key": ed25519.Ed25519PrivateKey.generate(),
    }
    for name, other in others.items():
        yield Case(name, True, private_bytes(other))
        yield Case(name, False, public_bytes(other))
    yield Case("an EC key in its old form", True, private_bytes(others["an EC key"], form="TraditionalOpenSSL"))
    for is_private, text in ((True, private), (False, public)):
        lines = text.decode().splitlines()
        yield Case("DER", is_private, base64.b64decode("".join(lines[1:-1])))
        yield Case("base64 alone", is_private, "\n".join(lines[1:-1]).encode())
        yield Case("UTF-16", is_private, text.decode().encode("utf-16"))
        yield Case("line ends written as \\n", is_private, "\\n".join(lines).encode())
        yield Case("cut off", is_private, text[: len(text) // 2])
        yield Case("no END line", is_private, "\n".join(lines[:-1]).encode())
        yield Case("a letter that is none of base64", is_private, text.replace(b"\nM", b"\n!", 1))
    yield Case("DER", True, private_bytes(key, "DER", "TraditionalOpenSSL"))


def openssl() -> str:
    command = shutil.which("openssl")
    if command is None:
        raise unittest.SkipTest("the command openssl is missing")
    return command


def make(*arguments: str) -> bytes:
    """What a command of OpenSSL writes."""
    return subprocess.run([openssl(), *arguments], check=True, capture_output=True).stdout


def attributed(text: bytes) -> bytes:
    """As `openssl pkcs12 -nodes` writes it."""
    return b"Bag Attributes\n    localKeyID: 01 02 03 \n    friendlyName: server\nKey Attributes: <No Attributes>\n" + text


def modulus_by_openssl(case: Case) -> int | None:
    """The modulus, if the command takes the key."""
    half = [] if case.is_private else ["-pubin"]
    command = [openssl(), "pkey", *half, "-inform", "PEM", "-passin", "pass:", "-pubout", "-outform", "DER"]
    done = subprocess.run(command, input=case.text, capture_output=True)
    if done.returncode != 0 or not done.stdout:
        return None
    return modulus_of(serialization.load_der_public_key(done.stdout))


def modulus_by_cryptography(case: Case) -> int | None:
    """The same for `cryptography`."""
    try:
        if case.is_private:
            return modulus_of(serialization.load_pem_private_key(case.text, None).public_key())
        return modulus_of(serialization.load_pem_public_key(case.text))
    except (ValueError, TypeError, KeyError) as _:
        return None
    except Exception as error:  # its own, of an unsupported algorithm
        if type(error).__name__ == "UnsupportedAlgorithm":
            return None
        raise


def modulus_of(key: object) -> int | None:
    return key.public_numbers().n if isinstance(key, rsa.RSAPublicKey) else None


class Library:
    def __init__(self, path: str) -> None:
        self.functions = ctypes.CDLL(path)
        self.functions.anwdl_last_error_message.restype = ctypes.c_char_p
        text = HEADER.read_text(encoding="utf-8")
        self.numbers = {name: int(number) for name, number in re.findall(r"(ANWDL_\w+) = (\d+)", text)}

    def ways(self, is_private: bool, folder: Path) -> list[tuple[str, Callable[[ctypes.c_void_p, bytes], int]]]:
        """Each function that takes a key as people have it, and the one that gives the public key back."""

        def load(wrapper: ctypes.c_void_p, text: bytes) -> int:
            path = folder / "key.pem"
            path.write_bytes(text)
            path.chmod(0o600)
            return self.functions.anwdl_rsa_wrapper_load(wrapper, bytes(path))

        def set_private_key(wrapper: ctypes.c_void_p, text: bytes) -> int:
            return self.functions.anwdl_rsa_wrapper_set_private_key(wrapper, text, 1)

        if is_private:
            return [("public_key", load), ("public_key", set_private_key)]
        return [
            (name, getattr(self.functions, f"anwdl_rsa_wrapper_set_{name}")) for name in ("public_key", "remote_public_key")
        ]

    def read(self, case: Case) -> int | str:
        """The modulus, or why it was refused; by all functions alike."""
        with tempfile.TemporaryDirectory() as folder:
            found = [self.read_by(*way, case.text) for way in self.ways(case.is_private, Path(folder))]
        results = [re.sub(r'^"[^"]*": ', "", result) if isinstance(result, str) else result for result in found]
        assert len(set(results)) == 1, results
        return results[0]

    def read_by(self, half: str, function: Callable[[ctypes.c_void_p, bytes], int], text: bytes) -> int | str:
        wrapper, public = ctypes.c_void_p(), ctypes.c_char_p()
        assert self.functions.anwdl_rsa_wrapper_new(0, ctypes.byref(wrapper)) == 0
        try:
            if function(wrapper, text) != 0:
                reason = self.functions.anwdl_last_error_reason()
                message = self.functions.anwdl_last_error_message().decode()
                assert reason == self.numbers["ANWDL_REASON_INVALID_KEY"], message
                return message
            assert getattr(self.functions, f"anwdl_rsa_wrapper_get_{half}")(wrapper, ctypes.byref(public)) == 0
            modulus = modulus_of(serialization.load_pem_public_key(public.value or b""))
            self.functions.anwdl_string_free(public)
            assert modulus is not None
            return modulus
        finally:
            self.functions.anwdl_rsa_wrapper_free(wrapper)


class KeyTexts(unittest.TestCase):
    def setUp(self) -> None:
        path = os.environ.get("ANWDL_TEST_LIBRARY")
        if path is None:
            self.skipTest("ANWDL_TEST_LIBRARY is not set")
        self.library = Library(path)

    def compare(self, cases: list[Case], check: Callable[[Case, int | None, int | str], None]) -> None:
        with ThreadPoolExecutor() as pool:
            by_openssl = list(pool.map(modulus_by_openssl, cases))
        for case, modulus in zip(cases, by_openssl):
            with self.subTest(case.name, is_private=case.is_private):
                expected = modulus_by_cryptography(case) if modulus is None else modulus
                check(case, expected, self.library.read(case))

    def test_what_they_take_is_taken(self) -> None:
        taken = []

        def check(case: Case, expected: int | None, found: int | str) -> None:
            if isinstance(found, str) and case.name in DIFFERENT:
                self.assertRegex(found, DIFFERENT[case.name])
            elif expected is None:
                self.assertIn(case.name.split(", ")[-1], TOLERATED)
            else:
                self.assertEqual(found, expected)
                taken.append(case)

        cases = list(written_cases())
        self.compare(cases, check)
        self.assertGreater(len(taken), len(cases) // 2)

    def test_what_they_refuse_is_refused_and_named(self) -> None:
        def check(case: Case, expected: int | None, found: int | str) -> None:
            self.assertIsNone(expected)
            self.assertIsInstance(found, str)
            self.assertRegex(str(found), REFUSED[case.name])

        cases = list(refused_cases())
        self.assertEqual({case.name for case in cases}, set(REFUSED))
        self.compare(cases, check)


if __name__ == "__main__":
    unittest.main()
