"""The wrappers for RSA and AES keys."""

import enum
import os
import warnings
from functools import partial
from itertools import chain, starmap
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple, Type, TypeVar, Union

from anwdl._library import (
    Guard,
    Lent,
    NotCopied,
    Owned,
    check,
    compute,
    ffi,
    given_bytes,
    given_number,
    given_text,
    in_one_step,
    invalid,
    lib,
    on_callback_error,
    outcome,
    reason_name,
    returned,
    some_bytes,
    taken_bytes,
    taken_string,
)

DEFAULT_RSA_EXPONENT = 65537
DEFAULT_RSA_KEY_SIZE = 4096
DEFAULT_AES_KEY_SIZE = 256
LONGEST_AES_KEY = 32
"""Bytes."""

MOST_32 = (1 << 32) - 1
MOST_64 = (1 << 64) - 1

W = TypeVar("W", bound="_Wrapper")


class AESMode(enum.IntEnum):
    """How an AESWrapper encrypts."""

    CBC = lib.ANWDL_AES_CBC
    GCM = lib.ANWDL_AES_GCM


PrivateOperation = Callable[[bytes], bytes]


@ffi.callback("anwdl_private_operation_t", error=False, onerror=on_callback_error)  # type: ignore[untyped-decorator]
def _run_operation(number: Any, result: Any, size: int, user_data: Any) -> bool:
    operation: PrivateOperation = ffi.from_handle(user_data)
    found = bytes(operation(bytes(ffi.buffer(number, size))))
    if len(found) != size:
        raise ValueError(f"the private key operation returned {len(found)} bytes; the modulus has {size}")
    ffi.memmove(result, found, size)
    return True


def new_options() -> Any:
    """Options for clients, which are freed with what is returned."""
    [made] = map(ffi.gc, starmap(lib.anwdl_client_options_new, ((),)), (lib.anwdl_client_options_free,))
    return made


class _Wrapper(NotCopied):
    """Keys that this object owns, or the current keys of a client, which it looks up at each use because they change."""

    _set_option: ClassVar[Any]
    _get_from: ClassVar[Any]
    _keys: Union[Owned, Lent]
    _guard: Guard

    @classmethod
    def _lent_by(cls: Type[W], guard: Guard, keys: Lent) -> W:
        wrapper = cls.__new__(cls)
        wrapper._guard, wrapper._keys = guard, keys
        return wrapper

    def _own_keys(self) -> Owned:
        """The keys, to change them."""
        if isinstance(self._keys, Lent):
            raise invalid("this wrapper belongs to a client: give the client another one instead")
        return self._keys

    def _share(self, options: Any, keeps: Dict[int, Any]) -> None:
        """Sets the keys in options, and adds what their users must keep, by its identity."""

        def share() -> None:
            keys = self._keys
            if keys.keeps is not None:
                keeps[id(keys.keeps)] = keys.keeps
            check(self._set_option, options, keys)

        self._guard.run(share)

    def _shared(self) -> Tuple[Any, Dict[int, Any], Any]:
        """The keys as they are now, but not the peer's, in an object of the library that does nothing else; what their users must keep; and
        that object."""
        options, keeps, out = new_options(), dict[int, Any](), ffi.new("anwdl_client_interface_t *[1]")
        self._share(options, keeps)
        # No Owned: what a signal handler raises in __del__() is lost.
        made = outcome(lib.anwdl_client_interface_new, ((options, out),))
        *found, sharing = chain(made, map(ffi.gc, out, (lib.anwdl_client_interface_free,)))
        returned(*found)
        return self._get_from(sharing), keeps, sharing


class RSAWrapper(_Wrapper):
    """An RSA key pair, and the peer's public key. What takes long works with keys that no other call changes, so nothing waits for it."""

    _set_option = lib.anwdl_client_options_set_rsa_wrapper
    _get_from = lib.anwdl_client_interface_get_rsa_wrapper

    def __init__(
        self,
        public_exponent: int = DEFAULT_RSA_EXPONENT,
        key_size: int = DEFAULT_RSA_KEY_SIZE,
        generate_key_pair: bool = True,
    ) -> None:
        self._guard = Guard()
        self._keys = self._empty()
        if generate_key_pair:
            self.generateKeyPair(public_exponent, key_size)

    def generateKeyPair(self, public_exponent: int = DEFAULT_RSA_EXPONENT, key_size: int = DEFAULT_RSA_KEY_SIZE) -> None:
        """Makes a key pair, which takes seconds."""
        numbers = given_number("public_exponent", public_exponent, MOST_64), given_number("key_size", key_size, MOST_32)
        self._own_keys()
        made = self._empty()
        check(lib.anwdl_rsa_wrapper_generate_key_pair, made, *numbers)
        self._guard.run(partial(self._replace, made))

    def getKeySize(self) -> Optional[int]:
        """The size of the public key in bits, or None without one."""
        return self._guard.run(lambda: check(lib.anwdl_rsa_wrapper_get_key_size, self._keys)) or None

    def getPublicKey(self, pem_format: bool = True) -> Optional[bytes]:
        """The local public key as PEM or DER, or None."""
        return self._get("public_key", pem_format)

    def getPrivateKey(self, pem_format: bool = True) -> Optional[bytes]:
        """The local private key as PEM or DER, or None."""
        return self._get("private_key", pem_format)

    def getRemotePublicKey(self, pem_format: bool = True) -> Optional[bytes]:
        """The peer's public key as PEM or DER, or None."""
        return self._get("remote_public_key", pem_format)

    def setPublicKey(self, public_key: Union[str, bytes], pem_format: bool = True) -> None:
        """Sets the local public key, from PEM or DER."""
        self._set("public_key", public_key, pem_format)

    def setPrivateKey(self, private_key: Union[str, bytes], pem_format: bool = True, derivate_public_key: bool = False) -> None:
        """Sets the local private key, from PEM or DER, and on request the matching public key."""
        self._set("private_key", private_key, pem_format, bool(derivate_public_key))

    def setRemotePublicKey(self, remote_public_key: Union[str, bytes], pem_format: bool = True) -> None:
        """Sets the peer's public key, from PEM or DER."""
        self._set("remote_public_key", remote_public_key, pem_format)

    def setPublicNumbers(self, modulus: int, exponent: int) -> None:
        """Sets the local public key, of a key pair that is elsewhere."""
        numbers = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (modulus, exponent)]
        given = [part for number in numbers for part in (number, len(number))]
        self._guard.run(lambda: check(lib.anwdl_rsa_wrapper_set_public_numbers, self._own_keys(), *given))

    def setPrivateOperation(self, operation: PrivateOperation) -> None:
        """Sets a function that does the private key operation in place of a private key; set the public key first.

        It raises a number below the modulus to the power of the private exponent, without padding. It is given the number and returns the
        result, both big-endian and as long as the modulus; an exception is a failure. It runs on the thread that computes, on several at
        once if several do, and once within this call. It must not use the client whose key exchange it is in."""
        self._own_keys()
        public, made = self.getPublicKey(pem_format=False), self._empty()
        if public is not None:
            check(lib.anwdl_rsa_wrapper_set_public_key_der, made, public, len(public))
        made.keeps = ffi.new_handle(operation)
        compute(lib.anwdl_rsa_wrapper_set_private_operation, made, _run_operation, made.keeps, ffi.NULL)
        self._guard.run(partial(self._replace, made))

    def encryptData(self, data: Union[str, bytes], use_local_public_key: bool = False) -> bytes:
        """Encrypts for the peer, or for this side."""
        given = given_bytes(data)
        function, local = lib.anwdl_rsa_wrapper_encrypt_data, bool(use_local_public_key)
        return self._guard.run(lambda: some_bytes(function, self._keys, given, len(given), local))

    def decryptData(self, cipher: bytes, decode: bool = True) -> Union[str, bytes]:
        """Decrypts what was encrypted for this side."""
        plain = self._process_privately(lib.anwdl_rsa_wrapper_decrypt_data, cipher)
        return plain.decode() if decode else plain

    def signData(self, data: Union[str, bytes]) -> bytes:
        """Signs with the local private key."""
        return self._process_privately(lib.anwdl_rsa_wrapper_sign_data, data)

    def verifyDataSignature(self, signature: bytes, data: Union[str, bytes], *, use_local_public_key: bool = True) -> bool:
        """Whether a signature is valid under the local public key or the peer's."""
        valid, signed, text = ffi.new("bool *"), given_bytes(signature), given_bytes(data)
        given = signed, len(signed), text, len(text), bool(use_local_public_key)
        self._guard.run(lambda: check(lib.anwdl_rsa_wrapper_verify_data_signature_with_key, self._keys, *given, valid))
        return bool(valid[0])

    def getFingerprint(self, *, remote: bool = False) -> str:
        """The fingerprint of a public key, as clients show it: 64 hexadecimal digits."""
        fingerprint = self._guard.run(lambda: taken_string(lib.anwdl_rsa_wrapper_get_fingerprint, self._keys, bool(remote)))
        assert fingerprint is not None
        return fingerprint.decode()

    def load(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Reads the key pair from a file, and warns if users other than its owner have rights to it."""
        self._own_keys()
        made = self._empty()
        found = [*outcome(lib.anwdl_rsa_wrapper_load, in_one_step((made, given_text("path", os.fsencode(path)))))]
        returned(*found)
        self._guard.run(partial(self._replace, made))
        _status, reason, _errno, message = found
        if reason_name(reason) == "KEY_FILE_EXPOSED":
            warnings.warn(message.decode(), RuntimeWarning, stacklevel=2)

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the private key to a file that only its owner can read."""
        text = given_text("path", os.fsencode(path))
        keys, *_kept = self._shared()
        check(lib.anwdl_rsa_wrapper_save, keys, text)

    def _get(self, key: str, pem_format: bool) -> Optional[bytes]:
        if pem_format:
            return self._guard.run(lambda: taken_string(getattr(lib, f"anwdl_rsa_wrapper_get_{key}"), self._keys))
        return self._guard.run(lambda: taken_bytes(getattr(lib, f"anwdl_rsa_wrapper_get_{key}_der"), self._keys))

    def _set(self, key: str, given: Union[str, bytes], pem_format: bool, *more: bool) -> None:
        text = given_text(key, given) if pem_format else given_bytes(given)
        form, length = ("", ()) if pem_format else ("_der", (len(text),))
        function = getattr(lib, f"anwdl_rsa_wrapper_set_{key}{form}")
        self._guard.run(lambda: check(function, self._own_keys(), text, *length, *more))

    def _empty(self) -> Owned:
        """Keys for _replace()."""
        return Owned("anwdl_rsa_wrapper_t", lib.anwdl_rsa_wrapper_free, lib.anwdl_rsa_wrapper_new, False)

    def _replace(self, made: Owned) -> None:
        """Takes local keys that were made apart from this object."""
        remote = taken_bytes(lib.anwdl_rsa_wrapper_get_remote_public_key_der, self._own_keys())
        if remote is not None:
            check(lib.anwdl_rsa_wrapper_set_remote_public_key_der, made, remote, len(remote))
        self._keys = made

    def _process_privately(self, function: Callable[..., int], data: Union[str, bytes]) -> bytes:
        """Uses the local keys as they are at the beginning."""
        given = given_bytes(data)
        keys, *_kept = self._shared()
        return some_bytes(compute, function, keys, given, len(given))


class AESWrapper(_Wrapper):
    """An AES key and its IV."""

    _set_option = lib.anwdl_client_options_set_aes_wrapper
    _get_from = lib.anwdl_client_interface_get_aes_wrapper

    def __init__(self, key_size: int = DEFAULT_AES_KEY_SIZE, *, mode: AESMode = AESMode.CBC) -> None:
        self._guard = Guard()
        size = given_number("key_size", key_size, MOST_32)
        self._keys = Owned("anwdl_aes_wrapper_t", lib.anwdl_aes_wrapper_free, lib.anwdl_aes_wrapper_new, size, mode)

    def getKeySize(self) -> int:
        """The size of the key in bits."""
        return self._guard.run(lambda: check(lib.anwdl_aes_wrapper_get_key_size, self._keys))

    def getKey(self) -> Tuple[bytes, bytes]:
        """The key and the IV, which is empty in GCM mode."""
        return self._guard.run(self._get_key)

    def _get_key(self) -> Tuple[bytes, bytes]:
        lent, lengths = [ffi.new("uint8_t const *[1]") for _ in "ki"], [ffi.new("size_t[1]") for _ in "ki"]
        copies = bytearray(LONGEST_AES_KEY), bytearray(LONGEST_AES_KEY)
        arguments = self._keys, lent[0], lengths[0], lent[1], lengths[1]
        copied = (starmap(ffi.memmove, zip((copy,), source, length)) for copy, source, length in zip(copies, lent, lengths))
        # ffi.memmove() returns None.
        returned(*chain(outcome(lib.anwdl_aes_wrapper_get_key, in_one_step(arguments)), filter(None, chain(*copied))))
        key, iv = (bytes(copy[: length[0]]) for copy, length in zip(copies, lengths))
        return key, iv

    def setKey(self, key: bytes, iv: Optional[bytes] = None) -> None:
        """Sets the key and the IV. Without an IV, it draws one."""
        key, iv = bytes(key), bytes(iv or b"")
        self._guard.run(lambda: check(lib.anwdl_aes_wrapper_set_key, self._own_keys(), key, len(key), iv, len(iv)))

    def encryptData(self, data: Union[str, bytes]) -> bytes:
        """Encrypts under the key and the IV, which do not change."""
        return self._process(lib.anwdl_aes_wrapper_encrypt_data, data)

    def decryptData(self, cipher: bytes, decode: bool = True) -> Union[str, bytes]:
        """Decrypts what was encrypted under the same key and IV."""
        plain = self._process(lib.anwdl_aes_wrapper_decrypt_data, cipher)
        return plain.decode() if decode else plain

    def _process(self, function: Callable[..., int], data: Union[str, bytes]) -> bytes:
        given = given_bytes(data)
        return self._guard.run(lambda: some_bytes(function, self._keys, given, len(given)))
