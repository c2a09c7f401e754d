//! `anwdl_rsa_wrapper_t`: a local RSA key pair and a peer's public key.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::{anwdl_error_reason_t, anwdl_status_t, record_warning};
use super::memory::{bytes_output, set_string};
use super::{
    BooleanByte, Handle, borrow, borrow_mut, bytes, give, null, output, status, status_of_secrets,
    take_back, value_or,
};
use crate::crypto::RsaWrapper;
use crate::error::Error;

/// A local RSA key pair and a peer's public key, each of which may be missing: the Python
/// RSAWrapper.
///
/// Keys are PEM text of at most 16 KiB, written as freely as OpenSSL takes it: with text around it, a
/// byte-order mark, blanks, CRLF, lines of any length. Functions whose names end in "_der" have them
/// as DER, of at most 16 KiB too. Where a key is refused, the error message says
/// what it is and what to do. A modulus has 2048 to 8192 bits; an exponent is odd, at
/// least 3, and has at most 33 bits.
///
/// It may be read by many threads at once (by the functions that take it as const) as long as none
/// changes it. The private key is wiped when the last wrapper or client that shares it is freed.
pub enum anwdl_rsa_wrapper_t {}

impl Handle for anwdl_rsa_wrapper_t {
    type Inner = RsaWrapper;
}

/// Makes an RSA wrapper, with or without a new key pair.
///
/// @param generate_key_pair true for a new key pair of 4096 bits with the exponent 65537, which
///   takes seconds; false for a wrapper without any key.
/// @param out_wrapper Where to write the wrapper, to be freed with anwdl_rsa_wrapper_free(); not
///   NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_wrapper is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
///
/// Python: RSAWrapper(generate_key_pair=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_new(
    generate_key_pair: BooleanByte,
    out_wrapper: *mut *mut anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a place for the wrapper.
        let out_wrapper = unsafe { output(out_wrapper, "out_wrapper") }?;
        out_wrapper.set(give(RsaWrapper::new(generate_key_pair != 0)?));
        Ok(())
    })
}

/// Makes a new local key pair in place of the present one, if any. It takes seconds for large keys.
///
/// Wrappers and clients that share the old key pair keep it.
///
/// @param wrapper The wrapper; not NULL.
/// @param public_exponent An odd number from 3 and below 2^33; 65537 is usual.
/// @param key_size The size of the modulus in bits, from 2048 to 8192; 4096 is usual.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or a number is out of
///   range.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
///
/// Python: RSAWrapper.generateKeyPair(public_exponent, key_size).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_generate_key_pair(
    wrapper: *mut anwdl_rsa_wrapper_t,
    public_exponent: u64,
    key_size: u32,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        wrapper.generate_key_pair(public_exponent, key_size)
    })
}

/// The size of the local public key.
///
/// @param wrapper The wrapper; not NULL.
///
/// @return The size of its modulus in bits; 0 if there is no local public key, even if there is a
///   private one, and if wrapper is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: RSAWrapper.getKeySize(), which gives None for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_key_size(
    wrapper: *const anwdl_rsa_wrapper_t,
) -> u32 {
    value_or(0, || {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        Ok(wrapper.key_size())
    })
}

/// The local public key as PEM (SubjectPublicKeyInfo, with LF line ends).
///
/// @param wrapper The wrapper; not NULL.
/// @param out_pem Where to write the PEM, ending with NUL, to be freed with anwdl_string_free(), or
///   NULL if there is no local public key; not NULL itself.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getPublicKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_public_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a place for the string.
        let out_pem = unsafe { output(out_pem, "out_pem") }?;
        set_string(out_pem, wrapper.public_key())
    })
}

/// The local public key as DER (SubjectPublicKeyInfo, RFC 5280).
///
/// @param wrapper The wrapper; not NULL.
/// @param out Where to write the address of the DER, to be freed with
///   anwdl_bytes_free(), or NULL if there is no local public key; not NULL itself.
/// @param out_len Where to write its length in bytes, or 0; not NULL.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getPublicKey(pem_format=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_public_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set_optional(wrapper.public_key_der())
    })
}

/// The local private key as PEM (PKCS #8, not encrypted, with LF line ends).
///
/// @param wrapper The wrapper; not NULL.
/// @param out_pem Where to write the PEM, ending with NUL, or NULL if there is no private key; not
///   NULL itself. Free it with anwdl_string_free(), which wipes it; do so soon.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getPrivateKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_private_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a place for the string.
        let out_pem = unsafe { output(out_pem, "out_pem") }?;
        set_string(out_pem, wrapper.private_key())
    })
}

/// The local private key as DER (PKCS #8, RFC 5958, not encrypted).
///
/// @param wrapper The wrapper; not NULL.
/// @param out Where to write the address of the DER, or NULL if there is no private
///   key; not NULL itself. Free it with anwdl_bytes_free(), which wipes it; do so soon.
/// @param out_len Where to write its length in bytes, or 0; not NULL.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getPrivateKey(pem_format=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_private_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set_optional(wrapper.private_key_der())
    })
}

/// The peer's public key as PEM (SubjectPublicKeyInfo, with LF line ends).
///
/// In the wrapper of a client (anwdl_client_get_rsa_wrapper()) it is there once the peer has sent
/// it.
///
/// @param wrapper The wrapper; not NULL.
/// @param out_pem Where to write the PEM, ending with NUL, to be freed with anwdl_string_free(), or
///   NULL if there is no such key; not NULL itself.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getRemotePublicKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_remote_public_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a place for the string.
        let out_pem = unsafe { output(out_pem, "out_pem") }?;
        set_string(out_pem, wrapper.remote_public_key())
    })
}

/// The peer's public key as DER (SubjectPublicKeyInfo, RFC 5280).
///
/// @param wrapper The wrapper; not NULL.
/// @param out Where to write the address of the DER, to be freed with
///   anwdl_bytes_free(), or NULL if there is no such key; not NULL itself.
/// @param out_len Where to write its length in bytes, or 0; not NULL.
///
/// @retval ANWDL_OK Also if there is no such key.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: RSAWrapper.getRemotePublicKey(pem_format=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_remote_public_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set_optional(wrapper.remote_public_key_der())
    })
}

/// Sets the local public key. The private key stays as it is.
///
/// @param wrapper The wrapper; not NULL.
/// @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); not NULL; text around it need not be
///   UTF-8.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old key is kept.
///
/// Python: RSAWrapper.setPublicKey(public_key).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_public_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        let pem = unsafe { c_string(pem, "pem") }?;
        wrapper.set_public_key(pem)
    })
}

/// Sets the local public key, given as DER. The private key stays as it is.
///
/// @param wrapper The wrapper; not NULL.
/// @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, and is then no key.
/// @param len Its length in bytes.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
///   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old key is kept.
///
/// Python: RSAWrapper.setPublicKey(public_key, pem_format=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_public_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let der = unsafe { bytes(der, len, "der") }?;
        wrapper.set_public_key_der(der)
    })
}

/// Sets the local private key.
///
/// @param wrapper The wrapper; not NULL.
/// @param pem The key as PEM (PKCS #8 or PKCS #1, not encrypted); not NULL; text around it need not
///   be UTF-8. Certificates and public keys beside it are passed over; a second private key is not.
/// @param derivate_public_key true to set the local public key to the one that belongs to it; false
///   to leave the public key as it is.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or pem is NULL.
///   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old keys are kept.
///
/// Python: RSAWrapper.setPrivateKey(private_key, derivate_public_key=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_private_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
    derivate_public_key: BooleanByte,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        let pem = unsafe { c_string(pem, "pem") }?;
        wrapper.set_private_key(pem, derivate_public_key != 0)
    })
}

/// Sets the local private key, given as DER.
///
/// @param wrapper The wrapper; not NULL.
/// @param der The key as DER (PKCS #8 or PKCS #1, not encrypted); NULL is fine if len is 0, and is
///   then no key.
/// @param len Its length in bytes.
/// @param derivate_public_key true to set the local public key to the one that belongs to it; false
///   to leave the public key as it is.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
///   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old keys are kept.
///
/// Python: RSAWrapper.setPrivateKey(private_key, pem_format=False, derivate_public_key=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_private_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
    derivate_public_key: BooleanByte,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let der = unsafe { bytes(der, len, "der") }?;
        wrapper.set_private_key_der(der, derivate_public_key != 0)
    })
}

/// The string behind `pointer`: bytes of any encoding. A key may have text around it, and the
/// system takes paths so.
///
/// # Safety
/// As for [`text`](super::text).
unsafe fn c_string<'a>(pointer: *const c_char, name: &str) -> Result<&'a [u8], Error> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: it is not NULL; the caller vouches for the rest.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// The path behind `pointer`.
///
/// # Safety
/// As for [`c_string`].
unsafe fn path<'a>(pointer: *const c_char) -> Result<&'a Path, Error> {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { c_string(pointer, "path") }?;
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Sets the local private key to the one in a file, and the local public key to the one that belongs
/// to it.
///
/// Restarts and all the servers of a fleet keep one identity in this way, and clients that expect
/// its fingerprint go on.
///
/// The key is loaded also when others than the owner of the file have any rights to it (mode & 077),
/// or when the file belongs to another user than the effective one of the process and root, who may
/// have read the key and can replace it. anwdl_last_error_reason() then is
/// ANWDL_REASON_KEY_FILE_EXPOSED, though the status is ANWDL_OK; it
/// is ANWDL_REASON_NONE after a load without that fault. A log message of the level
/// ANWDL_LOG_WARNING tells it too.
///
/// @param wrapper The wrapper; not NULL.
/// @param path The file, of at most 16 KiB: the key as PEM (PKCS #8 or PKCS #1, not encrypted). Not
///   NULL; it need not be UTF-8. A symbolic link is followed; a pipe is read to its end, which may
///   have to be waited for.
///
/// @retval ANWDL_OK The last error is ANWDL_REASON_NONE or ANWDL_REASON_KEY_FILE_EXPOSED.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///   ANWDL_REASON_INVALID_KEY: the file holds no acceptable key, or is too long; the old keys are
///   kept.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be read; the old keys are
///   kept.
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_load(
    wrapper: *mut anwdl_rsa_wrapper_t,
    path: *const c_char,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        let path = unsafe { self::path(path) }?;
        let warning = wrapper.load(path)?.warning(path);
        record_warning(warning.map(|warning| {
            let reason = anwdl_error_reason_t::ANWDL_REASON_KEY_FILE_EXPOSED;
            (reason, warning)
        }));
        Ok(())
    })
}

/// Writes the local private key to a file that only its owner can read and write.
///
/// The file has the mode 0600 from its first byte, under any umask. One that has the name already is
/// replaced as a whole: whoever reads it meanwhile finds the old key or the new one, also after a
/// power cut. A
/// symbolic link is replaced, not followed; a pipe, a socket or a device, or a link to one, is not
/// replaced. Other processes may see a hidden file beside it for the time of the call; one that is
/// killed just then leaves it behind.
///
/// @param wrapper The wrapper; not NULL.
/// @param path The file; not NULL; it need not be UTF-8. The key is written as PEM (PKCS #8, not
///   encrypted, with LF line ends).
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, or path cannot
///   be the name of a file. ANWDL_REASON_KEY_MISSING: there is no local private key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be written (EEXIST:
///   something else than a file is there); what was there is as it was.
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_save(
    wrapper: *const anwdl_rsa_wrapper_t,
    path: *const c_char,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        wrapper.save(unsafe { self::path(path) }?)
    })
}

/// Sets the peer's public key of this wrapper.
///
/// A client never takes a peer's key from a wrapper that it is given: it receives it.
///
/// @param wrapper The wrapper; not NULL.
/// @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); not NULL; text around it need not be
///   UTF-8.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///   ANWDL_REASON_INVALID_KEY: pem is no acceptable key; the old key is kept.
///
/// Python: RSAWrapper.setRemotePublicKey(remote_public_key).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_remote_public_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        let pem = unsafe { c_string(pem, "pem") }?;
        wrapper.set_remote_public_key(pem)
    })
}

/// Sets the peer's public key of this wrapper, given as DER.
///
/// @param wrapper The wrapper; not NULL.
/// @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, and is then no key.
/// @param len Its length in bytes.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper is NULL, or der is NULL with a
///   length. ANWDL_REASON_INVALID_KEY: der is no acceptable key; the old key is kept.
///
/// Python: RSAWrapper.setRemotePublicKey(remote_public_key, pem_format=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_remote_public_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        let wrapper = unsafe { borrow_mut(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let der = unsafe { bytes(der, len, "der") }?;
        wrapper.set_remote_public_key_der(der)
    })
}

/// Encrypts data under the peer's public key, or the local one: RSA-OAEP with SHA-256 for label and
/// mask, and an empty label.
///
/// @param wrapper The wrapper; not NULL.
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes: at most the size of the modulus less 66 (446 for 4096 bits).
/// @param use_local_public_key true to encrypt under the local public key; false for the peer's.
/// @param out Where to write the address of the ciphertext, to be freed with anwdl_bytes_free();
///   not NULL.
/// @param out_len Where to write its length in bytes, which is the size of the modulus; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, data
///   is NULL with a length, or data is too long. ANWDL_REASON_KEY_MISSING: the public key is not
///   set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
///
/// Python: RSAWrapper.encryptData(data, use_local_public_key=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_encrypt_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    use_local_public_key: BooleanByte,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set(&wrapper.encrypt_data(data, use_local_public_key != 0)?)
    })
}

/// Decrypts, with the local private key, what was encrypted under the local public key.
///
/// With the key pair of sessions, that includes the secrets of their key exchanges: let no stranger
/// choose what is decrypted with it, and use another key pair for other purposes.
///
/// @param wrapper The wrapper; not NULL.
/// @param data The ciphertext; NULL is fine if len is 0, and is then not decryptable.
/// @param len Its length in bytes.
/// @param out Where to write the address of the result, to be freed with anwdl_bytes_free(); not
///   NULL. A zero byte that is not counted follows the result, so that a text can be used as a C
///   string, and a result of no bytes has an address too.
/// @param out_len Where to write the length of the result in bytes; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
///   data is NULL with a length. ANWDL_REASON_DECRYPTION_FAILED: whatever else is wrong.
///   ANWDL_REASON_KEY_MISSING: the private key is not set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
///
/// Python: RSAWrapper.decryptData(cipher, decode=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_decrypt_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set(&wrapper.decrypt_data(data)?)
    })
}

/// Signs data with the local private key: RSA-PSS with SHA-256 and the longest salt that fits.
///
/// In the build without AWS-LC the crate `rsa` signs: what it leaves in freed memory gives the private
/// key away to who can read that, and its time depends on the key to some degree.
///
/// @param wrapper The wrapper; not NULL.
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param out Where to write the address of the signature, to be freed with anwdl_bytes_free(); not
///   NULL.
/// @param out_len Where to write its length in bytes, which is the size of the modulus; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper, out or out_len is NULL, or
///   data is NULL with a length. ANWDL_REASON_KEY_MISSING: the private key is not set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
///
/// Python: RSAWrapper.signData(data).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_sign_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    out: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller passes NULL or places for an address and a length.
        let result = unsafe { bytes_output(out, out_len) }?;
        result.set(&wrapper.sign_data(data)?)
    })
}

/// Tells whether a signature of the peer's fits the data: RSA-PSS as anwdl_rsa_wrapper_sign_data()
/// makes it, under the peer's public key.
///
/// The Python method of this name verifies under the local public key:
/// anwdl_rsa_wrapper_verify_data_signature_with_key() does that.
///
/// @param wrapper The wrapper; not NULL.
/// @param signature The signature; NULL is fine if signature_len is 0.
/// @param signature_len Its length in bytes.
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param out_valid Where to write true if the signature fits, false if not; not NULL.
///
/// @retval ANWDL_OK Whatever the verdict is.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_valid is NULL, or
///   signature or data is NULL with a length. ANWDL_REASON_KEY_MISSING: the peer's public key is
///   not set.
///
/// Python: none; RSAWrapper.verifyDataSignature() is another function.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_verify_data_signature(
    wrapper: *const anwdl_rsa_wrapper_t,
    signature: *const u8,
    signature_len: usize,
    data: *const u8,
    len: usize,
    out_valid: *mut bool,
) -> anwdl_status_t {
    // SAFETY: the caller vouches for the same.
    unsafe {
        anwdl_rsa_wrapper_verify_data_signature_with_key(
            wrapper,
            signature,
            signature_len,
            data,
            len,
            0,
            out_valid,
        )
    }
}

/// Tells whether a signature fits the data, as anwdl_rsa_wrapper_verify_data_signature() does, under
/// the peer's public key or the local one.
///
/// @param wrapper The wrapper; not NULL.
/// @param signature The signature; NULL is fine if signature_len is 0.
/// @param signature_len Its length in bytes.
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param use_local_public_key true to verify under the local public key, and so what this side has
///   signed; false for the peer's.
/// @param out_valid Where to write true if the signature fits, false if not; not NULL.
///
/// @retval ANWDL_OK Whatever the verdict is.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_valid is NULL, or
///   signature or data is NULL with a length. ANWDL_REASON_KEY_MISSING: that public key is not set.
///
/// Python: RSAWrapper.verifyDataSignature(signature, data), with use_local_public_key.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_verify_data_signature_with_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    signature: *const u8,
    signature_len: usize,
    data: *const u8,
    len: usize,
    use_local_public_key: BooleanByte,
    out_valid: *mut bool,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let signature = unsafe { bytes(signature, signature_len, "signature") }?;
        // SAFETY: the caller passes NULL or so many bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller passes NULL or a place for the verdict.
        let out_valid = unsafe { output(out_valid, "out_valid") }?;
        let verdict = wrapper.verify_data_signature(signature, data, use_local_public_key != 0)?;
        out_valid.set(verdict);
        Ok(())
    })
}

/// The fingerprint of a public key, as the Python client shows it: the SHA-256 of the key as
/// anwdl_rsa_wrapper_get_public_key() writes it (PEM with LF line ends).
///
/// Users compare it to be sure whom they talk to. It depends on the key alone, not on the form in
/// which a peer sent it: another line end or another line length gives the same fingerprint.
///
/// @param wrapper The wrapper; not NULL.
/// @param remote true for the peer's public key; false for the local one.
/// @param out_hex Where to write 64 hexadecimal digits, ending with NUL, to be freed with
///   anwdl_string_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: wrapper or out_hex is NULL.
///   ANWDL_REASON_KEY_MISSING: that public key is not set.
///
/// Python: hashlib.sha256(RSAWrapper.getPublicKey()).hexdigest().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_fingerprint(
    wrapper: *const anwdl_rsa_wrapper_t,
    remote: BooleanByte,
    out_hex: *mut *mut c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a place for the string.
        let out_hex = unsafe { output(out_hex, "out_hex") }?;
        set_string(out_hex, Some(wrapper.fingerprint(remote != 0)?))
    })
}

/// Frees an RSA wrapper that the caller owns.
///
/// Not for the one that anwdl_client_get_rsa_wrapper() lends. Clients and options that share its
/// key pair keep it.
///
/// @param wrapper The wrapper; NULL is fine and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_free(wrapper: *mut anwdl_rsa_wrapper_t) {
    value_or((), || {
        // SAFETY: the caller passes NULL or a wrapper that it owns.
        unsafe { take_back(wrapper) };
        Ok(())
    });
}
