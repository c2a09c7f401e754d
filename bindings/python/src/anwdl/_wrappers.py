"""The wrappers for RSA and AES keys."""

import enum
import os
import warnings
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple, Type, TypeVar, Union

from anwdl._library import (
    Guard,
    LibraryRuntimeError,
    NotCopied,
    callback,
    check,
    ffi,
    given_bytes,
    given_number,
    given_text,
    invalid,
    lib,
    reason_name,
    some_bytes,
    string,
    taken_bytes,
    taken_string,
)

DEFAULT_RSA_EXPONENT = 65537
DEFAULT_RSA_KEY_SIZE = 4096
DEFAULT_AES_KEY_SIZE = 256

MOST_32 = (1 << 32) - 1
MOST_64 = (1 << 64) - 1

W = TypeVar("W", bound="_Wrapper")


class AESMode(enum.IntEnum):
    """How an AESWrapper encrypts."""

    CBC = lib.ANWDL_AES_CBC
    GCM = lib.ANWDL_AES_GCM


PrivateOperation = Callable[[bytes], bytes]

_operations: Dict[int, Any] = {}
"""What the library has a pointer to, and will free."""


@ffi.callback("anwdl_private_operation_t", error=False)  # type: ignore[untyped-decorator]
def _run_operation(number: Any, result: Any, size: int, user_data: Any) -> bool:
    operation: PrivateOperation = ffi.from_handle(user_data)
    with callback():
        found = bytes(operation(bytes(ffi.buffer(number, size))))
    if len(found) != size:
        raise ValueError(f"the private key operation returned {len(found)} bytes; the modulus has {size}")
    ffi.memmove(result, found, size)
    return True


@ffi.callback("anwdl_free_function_t")  # type: ignore[untyped-decorator]
def _free_operation(user_data: Any) -> None:
    del _operations[int(ffi.cast("uintptr_t", user_data))]


class _Wrapper(NotCopied):
    """Keys that this object owns, or the current keys of a client, which it looks up at each use because they change."""

    _free: ClassVar[Any]
    _handle: Any = ffi.NULL
    _guard: Guard
    _lent: Optional[Callable[[], Any]] = None

    def __del__(self) -> None:
        # For the same reason as in Connection._free().
        handle, self._handle = self._handle, ffi.NULL
        self._free(handle)

    @classmethod
    def _lent_by(cls: Type[W], guard: Guard, look_up: Callable[[], Any]) -> W:
        wrapper = cls.__new__(cls)
        wrapper._guard, wrapper._lent = guard, look_up
        return wrapper

    def _read(self) -> Any:
        if self._lent is None:
            return self._handle
        handle = self._lent()
        if handle == ffi.NULL:
            raise LibraryRuntimeError("the client to which this wrapper belongs has no such keys any more", "KEY_MISSING")
        return handle

    def _write(self) -> Any:
        if self._lent is not None:
            raise invalid("this wrapper belongs to a client: give the client another one instead")
        return self._handle


class RSAWrapper(_Wrapper):
    """An RSA key pair, and the peer's public key."""

    _free = lib.anwdl_rsa_wrapper_free

    def __init__(
        self,
        public_exponent: int = DEFAULT_RSA_EXPONENT,
        key_size: int = DEFAULT_RSA_KEY_SIZE,
        generate_key_pair: bool = True,
    ) -> None:
        out = ffi.new("anwdl_rsa_wrapper_t **")
        check(lib.anwdl_rsa_wrapper_new(False, out))
        self._handle = out[0]
        self._guard = Guard()
        if generate_key_pair:
            self.generateKeyPair(public_exponent, key_size)

    def generateKeyPair(self, public_exponent: int = DEFAULT_RSA_EXPONENT, key_size: int = DEFAULT_RSA_KEY_SIZE) -> None:
        """Makes a key pair, which takes seconds."""
        numbers = given_number("public_exponent", public_exponent, MOST_64), given_number("key_size", key_size, MOST_32)
        with self._guard:
            check(lib.anwdl_rsa_wrapper_generate_key_pair(self._write(), *numbers))

    def getKeySize(self) -> Optional[int]:
        """The size of the public key in bits, or None without one."""
        with self._guard:
            return int(lib.anwdl_rsa_wrapper_get_key_size(self._read())) or None

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
        with self._guard:
            check(lib.anwdl_rsa_wrapper_set_public_numbers(self._write(), numbers[0], len(numbers[0]), numbers[1], len(numbers[1])))

    def setPrivateOperation(self, operation: PrivateOperation) -> None:
        """Sets a function that does the private key operation in place of a private key; set the public key first.

        It raises a number below the modulus to the power of the private exponent, without padding. It is given the number and returns the
        result, both big-endian and as long as the modulus; an exception is a failure. It runs on the thread that computes, on several at
        once if several do, and once within this call. It must not use the object whose call it is in."""
        handle = ffi.new_handle(operation)
        # From here on it may be called and freed.
        key = int(ffi.cast("uintptr_t", handle))
        _operations[key] = handle
        try:
            with self._guard:
                check(lib.anwdl_rsa_wrapper_set_private_operation(self._write(), _run_operation, handle, _free_operation))
        except BaseException:
            del _operations[key]
            raise

    def encryptData(self, data: Union[str, bytes], use_local_public_key: bool = False) -> bytes:
        """Encrypts for the peer, or for this side."""
        return self._process("encrypt_data", data, bool(use_local_public_key))

    def decryptData(self, cipher: bytes, decode: bool = True) -> Union[str, bytes]:
        """Decrypts what was encrypted for this side."""
        plain = self._process("decrypt_data", cipher)
        return plain.decode() if decode else plain

    def signData(self, data: Union[str, bytes]) -> bytes:
        """Signs with the local private key."""
        return self._process("sign_data", data)

    def verifyDataSignature(self, signature: bytes, data: Union[str, bytes], *, use_local_public_key: bool = True) -> bool:
        """Whether a signature is valid under the local public key or the peer's."""
        valid, signed, text = ffi.new("bool *"), given_bytes(signature), given_bytes(data)
        with self._guard:
            check(
                lib.anwdl_rsa_wrapper_verify_data_signature_with_key(
                    self._read(), signed, len(signed), text, len(text), bool(use_local_public_key), valid
                )
            )
        return bool(valid[0])

    def getFingerprint(self, *, remote: bool = False) -> str:
        """The fingerprint of a public key, as clients show it: 64 hexadecimal digits."""
        with self._guard:
            fingerprint = taken_string(lib.anwdl_rsa_wrapper_get_fingerprint, self._read(), bool(remote))
        assert fingerprint is not None
        return fingerprint.decode()

    def load(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Reads the key pair from a file, and warns if users other than its owner have rights to it."""
        with self._guard:
            check(lib.anwdl_rsa_wrapper_load(self._write(), given_text("path", os.fsencode(path))))
            warning = reason_name(lib.anwdl_last_error_reason()) == "KEY_FILE_EXPOSED" and string(lib.anwdl_last_error_message())
        if warning:
            warnings.warn(warning, RuntimeWarning, stacklevel=2)

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the private key to a file that only its owner can read."""
        with self._guard:
            check(lib.anwdl_rsa_wrapper_save(self._read(), given_text("path", os.fsencode(path))))

    def _get(self, key: str, pem_format: bool) -> Optional[bytes]:
        with self._guard:
            if pem_format:
                return taken_string(getattr(lib, f"anwdl_rsa_wrapper_get_{key}"), self._read())
            return taken_bytes(getattr(lib, f"anwdl_rsa_wrapper_get_{key}_der"), self._read())

    def _set(self, key: str, given: Union[str, bytes], pem_format: bool, *more: bool) -> None:
        text = given_text(key, given) if pem_format else given_bytes(given)
        form, length = ("", ()) if pem_format else ("_der", (len(text),))
        with self._guard:
            check(getattr(lib, f"anwdl_rsa_wrapper_set_{key}{form}")(self._write(), text, *length, *more))

    def _process(self, what: str, data: Union[str, bytes], *more: bool) -> bytes:
        given = given_bytes(data)
        with self._guard:
            return some_bytes(getattr(lib, f"anwdl_rsa_wrapper_{what}"), self._read(), given, len(given), *more)


class AESWrapper(_Wrapper):
    """An AES key and its IV."""

    _free = lib.anwdl_aes_wrapper_free

    def __init__(self, key_size: int = DEFAULT_AES_KEY_SIZE, *, mode: AESMode = AESMode.CBC) -> None:
        out = ffi.new("anwdl_aes_wrapper_t **")
        check(lib.anwdl_aes_wrapper_new(given_number("key_size", key_size, MOST_32), mode, out))
        self._handle = out[0]
        self._guard = Guard()

    def getKeySize(self) -> int:
        """The size of the key in bits."""
        with self._guard:
            return int(lib.anwdl_aes_wrapper_get_key_size(self._read()))

    def getKey(self) -> Tuple[bytes, bytes]:
        """The key and the IV, which is empty in GCM mode."""
        key, key_length, iv, iv_length = (ffi.new(f"{kind} *") for kind in ("uint8_t const *", "size_t", "uint8_t const *", "size_t"))
        with self._guard:
            check(lib.anwdl_aes_wrapper_get_key(self._read(), key, key_length, iv, iv_length))
            return bytes(ffi.buffer(key[0], key_length[0])), bytes(ffi.buffer(iv[0], iv_length[0])) if iv_length[0] else b""

    def setKey(self, key: bytes, iv: Optional[bytes] = None) -> None:
        """Sets the key and the IV. Without an IV, it draws one."""
        key, iv = bytes(key), bytes(iv or b"")
        with self._guard:
            check(lib.anwdl_aes_wrapper_set_key(self._write(), key, len(key), iv, len(iv)))

    def encryptData(self, data: Union[str, bytes]) -> bytes:
        """Encrypts under the key and the IV, which do not change."""
        given = given_bytes(data)
        with self._guard:
            return some_bytes(lib.anwdl_aes_wrapper_encrypt_data, self._read(), given, len(given))

    def decryptData(self, cipher: bytes, decode: bool = True) -> Union[str, bytes]:
        """Decrypts what was encrypted under the same key and IV."""
        given = given_bytes(cipher)
        with self._guard:
            plain = some_bytes(lib.anwdl_aes_wrapper_decrypt_data, self._read(), given, len(given))
        return plain.decode() if decode else plain
