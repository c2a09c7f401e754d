"""The library's RSA and AES wrappers under their Python names, against `cryptography`, which those of the Python releases are made of."""

import contextlib
import copy
import gc
import io
import pickle
import socket
import tempfile
import threading
import unittest
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import recordings
from anwdl import AESWrapper, ClientInstance, ClientInterface, LibraryRuntimeError, LibraryValueError, RSAWrapper
from anwdl._library import _thread, lib
from ends import TIMEOUT, Token, fails, need, own_keys

OWN, PEER = (pair.private_key for pair in recordings.fixed_key_pairs())
DER = serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
INFO = serialization.PublicFormat.SubjectPublicKeyInfo
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)


def private_der(key: rsa.RSAPrivateKey, form: serialization.PrivateFormat = PKCS8) -> bytes:
    return key.private_bytes(DER, form, serialization.NoEncryption())


def public_der(key: rsa.RSAPrivateKey, form: serialization.PublicFormat = INFO) -> bytes:
    return key.public_key().public_bytes(DER, form)


@contextlib.contextmanager
def silenced_callbacks() -> Iterator[None]:
    """Without the reports of exceptions that a callback raises."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


class Copies(unittest.TestCase):
    def test_what_has_an_object_of_the_library_is_not_copied(self) -> None:
        here, there = socket.socketpair()
        with here, there:
            client = ClientInstance(here, exchange_keys=False)
            for original in (RSAWrapper(generate_key_pair=False), AESWrapper(), client, ClientInterface("::1")):
                for make_copy in (copy.copy, copy.deepcopy, pickle.dumps):
                    with self.subTest(type(original).__name__, how=make_copy), self.assertRaisesRegex(TypeError, "make another one"):
                        make_copy(original)


class Arguments(unittest.TestCase):
    def test_a_number_is_neither_text_nor_bytes(self) -> None:
        wrapper = RSAWrapper(generate_key_pair=False)
        for use in (lambda: wrapper.encryptData(5), lambda: wrapper.setPublicKey(5), lambda: ClientInterface(5)):  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "int"):
                use()


class ElsewhereKeys(unittest.TestCase):
    """The private key is where only a function can use it."""

    def setUp(self) -> None:
        numbers = OWN.private_numbers()
        self.modulus, self.secret = numbers.public_numbers.n, numbers.d
        self.wrapper = RSAWrapper(generate_key_pair=False)
        self.wrapper.setPublicNumbers(self.modulus, numbers.public_numbers.e)

    def operation(self, number: bytes) -> bytes:
        return pow(int.from_bytes(number, "big"), self.secret, self.modulus).to_bytes(len(number), "big")

    def test_it_decrypts_and_signs(self) -> None:
        self.wrapper.setPrivateOperation(self.operation)
        with self.assertRaisesRegex(LibraryValueError, "through a function"):
            self.wrapper.getPrivateKey()
        self.assertEqual(self.wrapper.decryptData(self.wrapper.encryptData("text", use_local_public_key=True)), "text")
        OWN.public_key().verify(self.wrapper.signData("text"), b"text", PSS, hashes.SHA256())

    def test_one_that_fails_is_refused_and_forgotten(self) -> None:
        def fail(number: bytes) -> bytes:
            raise OSError("no token")

        for answer in (fail, lambda number: number, lambda number: b""):
            operation = partial(answer)
            is_alive = weakref.ref(operation)
            with fails(LibraryRuntimeError, "PRIVATE_OPERATION_FAILED"), silenced_callbacks():
                self.wrapper.setPrivateOperation(operation)
            del operation
            gc.collect()
            self.assertIsNone(is_alive())

    def test_it_may_use_the_wrapper_that_has_it(self) -> None:
        sizes: list[object] = []

        def operation(number: bytes) -> bytes:
            sizes.append(self.wrapper.getKeySize())
            return self.operation(number)

        self.wrapper.setPrivateOperation(operation)
        self.wrapper.signData("text")
        self.assertEqual(sizes, [OWN.key_size] * 2)

    def test_what_is_set_meanwhile_is_for_later_calls(self) -> None:
        token = Token()
        with ThreadPoolExecutor(1) as pool:
            signed = pool.submit(token.wrapper.signData, "text")
            self.assertTrue(token.begun.wait(TIMEOUT))
            earlier = serialization.load_pem_public_key(token.wrapper.getPublicKey() or b"")
            later = rsa.generate_private_key(65537, 2048)
            token.wrapper.setPrivateKey(private_der(later), pem_format=False, derivate_public_key=True)
            token.goes_on.set()
            assert isinstance(earlier, rsa.RSAPublicKey)
            earlier.verify(signed.result(TIMEOUT), b"text", PSS, hashes.SHA256())
        later.public_key().verify(token.wrapper.signData("text"), b"text", PSS, hashes.SHA256())

    def test_it_is_forgotten_with_the_object_that_has_the_wrapper(self) -> None:
        class Token:
            """The private key's, in the shape in which one writes it."""

            def __init__(self, modulus: int, raise_number: Callable[[bytes], bytes]) -> None:
                self.raise_number = raise_number
                self.wrapper = RSAWrapper(generate_key_pair=False)
                self.wrapper.setPublicNumbers(modulus, 65537)
                self.wrapper.setPrivateOperation(self.operate)

            def operate(self, number: bytes) -> bytes:
                return self.raise_number(number)

        token = Token(self.modulus, self.operation)
        here, there = socket.socketpair()
        with here, there:
            # Its key exchange needs the operation, also if nothing else does.
            client = ClientInstance(here, rsa_wrapper=token.wrapper, exchange_keys=False)
            is_alive = weakref.ref(token)
            lent = client.getRSAWrapper()
            assert lent is not None
            del token
            gc.collect()
            self.assertEqual(lent.decryptData(lent.encryptData("x", use_local_public_key=True)), "x")
            del client, lent
            gc.collect()
            self.assertIsNone(is_alive())

    def test_no_thread_waits_for_a_client_while_it_has_the_wrapper(self) -> None:
        guards: list[int] = []

        def set_keys(*arguments: Any) -> int:
            guards.append(_thread.guards)
            return int(lib.anwdl_client_interface_set_rsa_wrapper(*arguments))

        client = ClientInterface("127.0.0.1", 1)
        with mock.patch.object(ClientInterface._functions, "set_rsa_wrapper", set_keys):
            client.setRSAWrapper(self.wrapper)
        self.assertEqual(guards, [1])

    def test_a_client_keeps_it_once(self) -> None:
        self.wrapper.setPrivateOperation(self.operation)
        client = ClientInterface("127.0.0.1", 1)
        for _ in range(10):
            client.setRSAWrapper(self.wrapper)
            client.setAESWrapper(AESWrapper())
        self.assertEqual(len(client._keeps), 1)

    def test_it_lives_as_long_as_a_wrapper_has_it(self) -> None:
        class Token:
            operation = self.operation

            def __call__(self, number: bytes) -> bytes:
                return type(self).operation(number)

        token = Token()
        is_alive = weakref.ref(token)
        self.wrapper.setPrivateOperation(token)
        del token
        gc.collect()
        self.assertIsNotNone(is_alive())
        self.assertEqual(self.wrapper.decryptData(self.wrapper.encryptData("x", use_local_public_key=True)), "x")
        del self.wrapper
        gc.collect()
        self.assertIsNone(is_alive())


class RSA(unittest.TestCase):
    def setUp(self) -> None:
        self.wrapper = RSAWrapper(generate_key_pair=False)

    def test_der_in_and_out(self) -> None:
        for private in (PKCS8, PKCS1):
            self.wrapper.setPrivateKey(private_der(OWN, private), pem_format=False)
            self.assertEqual(self.wrapper.getPrivateKey(pem_format=False), private_der(OWN))
            self.assertIsNone(self.wrapper.getPublicKey(pem_format=False))
        for public in (INFO, serialization.PublicFormat.PKCS1):
            self.wrapper.setPublicKey(public_der(OWN, public), pem_format=False)
            self.wrapper.setRemotePublicKey(public_der(PEER, public), pem_format=False)
            self.assertEqual(self.wrapper.getPublicKey(pem_format=False), public_der(OWN))
            self.assertEqual(self.wrapper.getRemotePublicKey(pem_format=False), public_der(PEER))
        self.wrapper.setPrivateKey(private_der(PEER), pem_format=False, derivate_public_key=True)
        self.assertEqual(self.wrapper.getPublicKey(pem_format=False), public_der(PEER))

    def test_signatures_are_those_of_the_local_key(self) -> None:
        self.wrapper.setPrivateKey(private_der(OWN), pem_format=False, derivate_public_key=True)
        self.wrapper.setRemotePublicKey(public_der(PEER), pem_format=False)
        OWN.public_key().verify(self.wrapper.signData("text"), b"text", PSS, hashes.SHA256())
        self.assertTrue(self.wrapper.verifyDataSignature(OWN.sign(b"text", PSS, hashes.SHA256()), "text"))
        self.assertFalse(self.wrapper.verifyDataSignature(PEER.sign(b"text", PSS, hashes.SHA256()), "text"))

    def test_the_size_is_that_of_the_public_key(self) -> None:
        self.assertIsNone(self.wrapper.getKeySize())
        self.wrapper.setPrivateKey(private_der(OWN), pem_format=False)
        self.assertIsNone(self.wrapper.getKeySize())
        self.wrapper.setPublicKey(public_der(OWN), pem_format=False)
        self.assertEqual(self.wrapper.getKeySize(), OWN.key_size)

    def test_nothing_waits_for_a_file(self) -> None:
        begun, goes_on = threading.Event(), threading.Event()

        def save(*arguments: Any) -> int:
            begun.set()
            need(goes_on.wait(TIMEOUT))
            return int(lib.anwdl_rsa_wrapper_save(*arguments))

        slow = SimpleNamespace(**{name: getattr(lib, name) for name in dir(lib)} | {"anwdl_rsa_wrapper_save": save})
        with tempfile.TemporaryDirectory() as folder, mock.patch("anwdl._wrappers.lib", slow), ThreadPoolExecutor(1) as pool:
            path = Path(folder) / "key.pem"
            wrapper = own_keys()
            saved = pool.submit(wrapper.save, path)
            self.assertTrue(begun.wait(TIMEOUT))
            self.assertEqual(wrapper.getKeySize(), 2048)
            goes_on.set()
            saved.result(TIMEOUT)
            self.assertEqual(path.read_bytes(), wrapper.getPrivateKey())

    def test_a_key_that_is_missing_is_a_value_error(self) -> None:
        for use in (
            lambda: self.wrapper.encryptData("text"),
            lambda: self.wrapper.encryptData("text", use_local_public_key=True),
            lambda: self.wrapper.decryptData(bytes(256)),
            lambda: self.wrapper.signData("text"),
            lambda: self.wrapper.verifyDataSignature(bytes(256), "text"),
        ):
            with self.assertRaises(LibraryValueError) as raised:
                use()
            self.assertEqual(raised.exception.reason, "KEY_MISSING")

    def test_a_short_key_is_refused(self) -> None:
        short = rsa.generate_private_key(65537, 1024)
        for set_key, der in (
            (self.wrapper.setPrivateKey, private_der(short)),
            (self.wrapper.setPublicKey, public_der(short)),
            (self.wrapper.setRemotePublicKey, public_der(short)),
        ):
            with self.assertRaises(LibraryValueError) as raised:
                set_key(der, pem_format=False)
            self.assertEqual(raised.exception.reason, "INVALID_KEY")


class AES(unittest.TestCase):
    def test_a_key_without_an_iv_gets_one(self) -> None:
        key = bytes(range(24))
        wrapper = AESWrapper(128)
        ivs = set()
        for _ in range(2):
            wrapper.setKey(key)
            found, iv = wrapper.getKey()
            self.assertEqual((found, len(iv), wrapper.getKeySize()), (key, 16, 192))
            ivs.add(iv)
        self.assertEqual(len(ivs), 2)
        self.assertEqual(wrapper.decryptData(wrapper.encryptData("text")), "text")


if __name__ == "__main__":
    unittest.main()
