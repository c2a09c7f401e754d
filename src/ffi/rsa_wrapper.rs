//! `anwdl_rsa_wrapper_t`: a local RSA key pair and a peer's public key.

use std::ffi::{CStr, OsStr, c_char, c_void};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
#[cfg(unix)]
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::error::{anwdl_error_reason_t, anwdl_status_t, record_warning};
use super::memory::{get_bytes, get_string, transform};
use super::{
    BooleanByte, Handle, UserData, borrow, borrow_mut, bytes, change, create, free, null, output,
    read, status, status_wiping_keys, wiping_keys,
};
use crate::crypto::RsaWrapper;
use crate::error::Error;

/// A local RSA key pair and a peer's public key, each of which may be missing. Python: RSAWrapper.
///
/// Keys are PEM of at most 16 KiB, with everything that OpenSSL accepts: text around it, a byte-order mark,
/// blanks, CRLF, lines of any length. Functions that end in "_der" take or return DER of at most 16 KiB. The
/// message of a refused key says what it is and what to do. The local keys can be set one by one; keys are
/// exchanged only with a public and a private one that belong together (ANWDL_REASON_KEY_MISSING). A modulus has
/// 2048 to 8192 bits; an exponent is odd, at least 3 and at most 33 bits long. The private key is wiped when the
/// last wrapper or client that shares it is freed.
pub enum anwdl_rsa_wrapper_t {}

impl Handle for anwdl_rsa_wrapper_t {
    type Inner = RsaWrapper;
    const NAME: &'static str = "wrapper";
}

/// Makes an RSA wrapper, with or without a new key pair. Python: RSAWrapper(generate_key_pair=...).
/// @param generate_key_pair true for a new key pair of 4096 bits with the exponent 65537, which takes
///   seconds; false for no keys.
/// @param out_wrapper Where to write the wrapper, to be freed with anwdl_rsa_wrapper_free().
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_new(
    generate_key_pair: BooleanByte,
    out_wrapper: *mut *mut anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        create((out_wrapper, "out_wrapper"), || {
            RsaWrapper::new(generate_key_pair != 0)
        })
    })
}

/// Replaces the local key pair with a new one, which takes seconds for large keys. Wrappers and clients that
/// share the old pair keep it. Python: RSAWrapper.generateKeyPair(public_exponent, key_size).
/// @param public_exponent An odd number from 3 and below 2^33; 65537 is usual. Others are
///   ANWDL_REASON_INVALID_ARGUMENT.
/// @param key_size The size of the modulus in bits, 2048 to 8192; 4096 is usual. Others are
///   ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_generate_key_pair(
    wrapper: *mut anwdl_rsa_wrapper_t,
    public_exponent: u64,
    key_size: u32,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(wrapper, |wrapper| {
            wrapper.generate_key_pair(public_exponent, key_size)
        })
    })
}

/// The size of the local public key. Python: RSAWrapper.getKeySize(), which gives None for 0.
/// @return The size of its modulus in bits; 0 if there is no local public key, even if there is a private
///   one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_key_size(
    wrapper: *const anwdl_rsa_wrapper_t,
) -> u32 {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { read(wrapper, 0, |wrapper| Ok(wrapper.key_size())) }
}

/// The local public key as PEM (SubjectPublicKeyInfo, LF line ends). Python: RSAWrapper.getPublicKey().
/// @param out_pem Where to write the PEM, to be freed with anwdl_string_free(); the PEM is NULL if there is
///   no such key.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_public_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_string(wrapper, (out_pem, "out_pem"), |wrapper| {
            Ok(wrapper.public_key())
        })
    }
}

/// The local public key as DER (SubjectPublicKeyInfo, RFC 5280).
/// Python: RSAWrapper.getPublicKey(pem_format=False).
/// @param out_bytes Where to write the address of the DER, to be freed with anwdl_bytes_free(); NULL if there is no
///   such key.
/// @param out_len Where to write its length in bytes, or 0.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_public_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_bytes(wrapper, out_bytes, out_len, |wrapper| {
            Ok(wrapper.public_key_der())
        })
    }
}

/// The local private key as PEM (PKCS #8, not encrypted, LF line ends). Python: RSAWrapper.getPrivateKey().
/// @param out_pem Where to write the PEM; NULL if there is no such key. Free it soon with
///   anwdl_string_free(), which wipes it.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: the key is elsewhere; see
///   anwdl_rsa_wrapper_set_private_operation().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_private_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        get_string(wrapper, (out_pem, "out_pem"), |wrapper| {
            wrapper.check_private_key_in_memory()?;
            Ok(wrapper.private_key())
        })
    })
}

/// The local private key as DER (PKCS #8, RFC 5958, not encrypted), otherwise as
/// anwdl_rsa_wrapper_get_private_key(). Python: RSAWrapper.getPrivateKey(pem_format=False).
/// @param out_bytes Where to write the address of the DER; NULL if there is no such key. Free it soon with
///   anwdl_bytes_free(), which wipes it.
/// @param out_len Where to write its length in bytes, or 0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_private_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        get_bytes(wrapper, out_bytes, out_len, |wrapper| {
            wrapper.check_private_key_in_memory()?;
            Ok(wrapper.private_key_der())
        })
    })
}

/// The peer's public key as PEM (SubjectPublicKeyInfo, LF line ends). The wrapper of a client
/// (anwdl_client_get_rsa_wrapper()) has it once the peer has sent it.
/// Python: RSAWrapper.getRemotePublicKey().
/// @param out_pem Where to write the PEM, to be freed with anwdl_string_free(); NULL if there is no such key.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_remote_public_key(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_pem: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_string(wrapper, (out_pem, "out_pem"), |wrapper| {
            Ok(wrapper.remote_public_key())
        })
    }
}

/// The peer's public key as DER (SubjectPublicKeyInfo, RFC 5280).
/// Python: RSAWrapper.getRemotePublicKey(pem_format=False).
/// @param out_bytes Where to write the address of the DER, to be freed with anwdl_bytes_free(); NULL if there is no
///   such key.
/// @param out_len Where to write its length in bytes, or 0.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_remote_public_key_der(
    wrapper: *const anwdl_rsa_wrapper_t,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_bytes(wrapper, out_bytes, out_len, |wrapper| {
            Ok(wrapper.remote_public_key_der())
        })
    }
}

/// Sets the local public key. The private key stays as it is. Python: RSAWrapper.setPublicKey(public_key).
/// @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); text around it need not be UTF-8.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_public_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_public_key(c_string(pem, "pem")?)
        })
    }
}

/// Sets the local public key. The private key stays as it is. Python: RSAWrapper.setPublicKey(public_key,
/// pem_format=False).
/// @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, but not a key.
/// @param len Its length in bytes.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_public_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_public_key_der(bytes(der, len, "der")?)
        })
    }
}

/// Sets the local private key. Python: RSAWrapper.setPrivateKey(private_key, derivate_public_key=...).
/// @param pem The key as PEM (PKCS #8 or PKCS #1, not encrypted); text around it need not be UTF-8.
///   Certificates and public keys beside it are skipped; a second private key is refused.
/// @param derivate_public_key true to set the local public key to match; false to leave it as it is.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old keys are kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_private_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
    derivate_public_key: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_private_key(c_string(pem, "pem")?, derivate_public_key != 0)
        })
    })
}

/// Sets the local private key. Python: RSAWrapper.setPrivateKey(private_key, pem_format=False,
/// derivate_public_key=...).
/// @param der The key as DER (PKCS #8 or PKCS #1, not encrypted); NULL is fine if len is 0, but not a key.
/// @param len Its length in bytes.
/// @param derivate_public_key true to set the local public key to match; false to leave it as it is.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old keys are kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_private_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
    derivate_public_key: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_private_key_der(bytes(der, len, "der")?, derivate_public_key != 0)
        })
    })
}

/// Sets the local public key from its numbers, in the form of PKCS #11 (CKA_MODULUS, CKA_PUBLIC_EXPONENT), TPM
/// 2.0 and JSON Web Keys. The private key stays as it is. Python: none.
/// @param modulus The modulus, big-endian, with or without leading zeros. NULL is fine if modulus_len is 0, but
///   not a key.
/// @param modulus_len Its length in bytes.
/// @param exponent The public exponent in the same form; usually the bytes 1, 0, 1. NULL is fine if
///   exponent_len is 0, but not a key.
/// @param exponent_len Its length in bytes.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_public_numbers(
    wrapper: *mut anwdl_rsa_wrapper_t,
    modulus: *const u8,
    modulus_len: usize,
    exponent: *const u8,
    exponent_len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_public_numbers(
                bytes(modulus, modulus_len, "modulus")?,
                bytes(exponent, exponent_len, "exponent")?,
            )
        })
    }
}

/// A private key operation of the program; see anwdl_rsa_wrapper_set_private_operation(). It raises a number
/// below the modulus to the power of the private exponent, modulo the modulus, and neither checks nor removes
/// padding: CKM_RSA_X_509 of PKCS #11, RSA_NO_PADDING of OpenSSL, TPM_ALG_NULL of TPM2_RSA_Decrypt().
/// @param input The number, big-endian.
/// @param output Where to write the result, big-endian, with leading zeros. It never overlaps input.
/// @param size The size of input, of output and of the modulus in bytes.
/// @param user_data What was passed to anwdl_rsa_wrapper_set_private_operation().
/// @return true if the result is written, false if the operation failed.
pub type anwdl_private_operation_t = Option<
    unsafe extern "C" fn(
        input: *const u8,
        output: *mut u8,
        size: usize,
        user_data: *mut c_void,
    ) -> BooleanByte,
>;

/// A function that frees user data.
/// @param user_data What was passed with the function.
pub type anwdl_free_function_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The caller's function, its user data and, once the wrapper owns them, the function that frees
/// the user data.
struct Operation {
    function: unsafe extern "C" fn(*const u8, *mut u8, usize, *mut c_void) -> BooleanByte,
    user_data: UserData,
    free: OnceLock<unsafe extern "C" fn(*mut c_void)>,
}

impl Operation {
    fn run(&self, input: &[u8], output: &mut [u8]) -> bool {
        // The dynamic linker saves the registers on the stack when it binds functions at their
        // first call.
        super::registers::wipe();
        // SAFETY: the caller guarantees that the function is valid, and both buffers have that
        // size.
        let is_done = unsafe {
            (self.function)(
                input.as_ptr(),
                output.as_mut_ptr(),
                input.len(),
                self.user_data.get(),
            )
        };
        is_done != 0
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(free) = self.free.get() {
            // SAFETY: the caller guarantees that the function is valid; no call of the operation is
            // running.
            unsafe { free(self.user_data.get()) };
        }
    }
}

/// Sets a function that does the private key operation, instead of a local private key: the key stays in a
/// hardware module, a TPM, an agent or another process, and the library never sees it. Set the local public key
/// first. Wrappers and clients that share the old private key keep it. Python: none.
///
/// The library does the padding. So every device with the bare operation will do, even without OAEP, and all
/// failed decryptions look the same to the peer; a service that only decrypts with OAEP will not do. The
/// library checks each result with the public key before it uses it. This call runs the function once, to find
/// a wrong key or PIN before the first client comes. Later, each key exchange, anwdl_rsa_wrapper_decrypt_data()
/// and anwdl_rsa_wrapper_sign_data() with this private key runs it.
///
/// The function runs on the thread that calls the library: with
/// anwdl_client_options_set_separate_computation(), that is the one that calls anwdl_client_compute(),
/// anwdl_session_compute() or anwdl_client_interface_compute(). It can run on several threads at once; the
/// library holds no lock meanwhile. Its time counts for the timeout of the call, but nothing interrupts it,
/// neither the timeout nor pthread_cancel(): it must return by itself, and neither longjmp() nor a C++
/// exception may leave it. It may call this library, but must not touch the object whose call is running. Its
/// time must not depend on the input in a way that others can measure; that of devices and OpenSSL does not.
///
/// After fork(), the child has the same function and user_data, and frees user_data too if it frees the
/// wrapper. Two processes can rarely share a connection to a device: with PKCS #11, the child needs
/// C_Initialize() and a new session.
///
/// @param wrapper The wrapper, with the local public key that belongs to the operation.
/// @param operation The function.
/// @param user_data Passed to each call of the function; NULL is fine.
/// @param free_user_data Called with user_data when nothing shares the private key, by the call that frees or
///   changes the last wrapper, client, session, interface or options, on its thread; NULL for none. After a
///   failure it is not called, and user_data still belongs to the caller.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: no local public key is set. The old private key is kept.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PRIVATE_OPERATION_FAILED: the function failed, or does not fit the
///   public key; the message says which. ANWDL_REASON_RANDOM_FAILED. The old private key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_private_operation(
    wrapper: *mut anwdl_rsa_wrapper_t,
    operation: anwdl_private_operation_t,
    user_data: *mut c_void,
    free_user_data: anwdl_free_function_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(wrapper, |wrapper| {
            let operation = Arc::new(Operation {
                function: operation.ok_or_else(|| null("operation"))?,
                user_data: UserData(user_data),
                free: OnceLock::new(),
            });
            let set = operation.clone();
            wrapper.set_private_operation(Box::new(move |input, output| set.run(input, output)))?;
            if let Some(free) = free_user_data {
                operation.free.get_or_init(|| free);
            }
            Ok(())
        })
    })
}

/// The string behind `pointer` in any encoding, for paths and for keys with text around them.
///
/// # Safety
/// As for [`text`](super::text).
unsafe fn c_string<'a>(pointer: *const c_char, name: &str) -> Result<&'a [u8], Error> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: it is not NULL; the caller guarantees the rest.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// The path behind `pointer`.
///
/// # Safety
/// As for [`c_string`].
#[cfg(unix)]
unsafe fn path<'a>(pointer: *const c_char) -> Result<&'a Path, Error> {
    // SAFETY: the caller guarantees it.
    let bytes = unsafe { c_string(pointer, "path") }?;
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Loads the local private key from a file, and sets the local public key to match. So a server keeps its
/// identity over restarts, several servers can have the same one, and clients that expect its fingerprint keep
/// working.
///
/// The key is loaded even if users other than the file's owner have rights to it (mode & 077), or the owner
/// is neither the effective user of the process nor root: others may have read the key, or can replace it.
/// Then the last error is ANWDL_REASON_KEY_FILE_EXPOSED although the status is ANWDL_OK, and an
/// ANWDL_LOG_WARNING is logged. After any other successful load the last error is ANWDL_REASON_NONE.
///
/// @param path The file, at most 16 KiB: the key as PEM (PKCS #8 or PKCS #1, not encrypted). The path need
///   not be UTF-8. A symbolic link is followed; a pipe is read to its end, which may take a while.
/// @retval ANWDL_OK The last error is ANWDL_REASON_NONE or ANWDL_REASON_KEY_FILE_EXPOSED.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_KEY: not an acceptable key, or too long; the old keys are
///   kept.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be read; the old keys are kept.
#[cfg(unix)]
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_load(
    wrapper: *mut anwdl_rsa_wrapper_t,
    path: *const c_char,
) -> anwdl_status_t {
    status_wiping_keys(|| {
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

/// Writes the local private key to a file with the mode 0600, from the first byte and under any umask. An
/// existing file is replaced as a whole: readers find the old key or the new one, even after a power cut. A
/// symbolic link is replaced, not followed; a pipe, a socket, a device, or a link to one is not replaced.
/// Other processes may see a hidden file beside it during the call; a process that is killed in the middle
/// leaves it behind.
/// @param path The file; it need not be UTF-8. A path that cannot name a file is
///   ANWDL_REASON_INVALID_ARGUMENT. The key is written as PEM (PKCS #8, not encrypted, LF line ends).
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: there is no local private key, or it is elsewhere.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED: the file cannot be written (EEXIST: something other
///   than a file is there); what was there is unchanged. ANWDL_REASON_RANDOM_FAILED.
#[cfg(unix)]
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_save(
    wrapper: *const anwdl_rsa_wrapper_t,
    path: *const c_char,
) -> anwdl_status_t {
    status_wiping_keys(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a string.
        wrapper.save(unsafe { self::path(path) }?)
    })
}

/// Sets the peer's public key of this wrapper. Clients ignore it: they receive their peer's.
/// Python: RSAWrapper.setRemotePublicKey(remote_public_key).
/// @param pem The key as PEM (SubjectPublicKeyInfo or PKCS #1); text around it need not be UTF-8.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_remote_public_key(
    wrapper: *mut anwdl_rsa_wrapper_t,
    pem: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_remote_public_key(c_string(pem, "pem")?)
        })
    }
}

/// Sets the peer's public key of this wrapper. Clients ignore it: they receive their peer's.
/// Python: RSAWrapper.setRemotePublicKey(remote_public_key, pem_format=False).
/// @param der The key as DER (SubjectPublicKeyInfo or PKCS #1); NULL is fine if len is 0, but not a key.
/// @param len Its length in bytes.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_KEY; the old key is kept.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_set_remote_public_key_der(
    wrapper: *mut anwdl_rsa_wrapper_t,
    der: *const u8,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_remote_public_key_der(bytes(der, len, "der")?)
        })
    }
}

/// Encrypts data under a public key: RSA-OAEP (RFC 8017) with SHA-256 for label and mask, and an empty label.
/// Python: RSAWrapper.encryptData(data, use_local_public_key=...).
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes, at most the size of the modulus less 66 (446 for 4096 bits). More is
///   ANWDL_REASON_INVALID_ARGUMENT.
/// @param use_local_public_key true for the local public key; false for the peer's.
/// @param out_bytes Where to write the address of the ciphertext, to be freed with anwdl_bytes_free().
/// @param out_len Where to write its length in bytes: the size of the modulus.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: that public key is not set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_encrypt_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    use_local_public_key: BooleanByte,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        transform(wrapper, (data, len), out_bytes, out_len, |wrapper, data| {
            wrapper.encrypt_data(data, use_local_public_key != 0)
        })
    })
}

/// Decrypts, with the local private key, what was encrypted under the local public key. With the key pair of
/// sessions this includes the secrets of their key exchanges: do not let strangers choose what is decrypted,
/// and use another key pair for other purposes. Python: RSAWrapper.decryptData(cipher, decode=False).
/// @param data The ciphertext; NULL is fine if len is 0, but does not decrypt.
/// @param len Its length in bytes.
/// @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
/// @param out_len Where to write its length in bytes.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_DECRYPTION_FAILED. ANWDL_REASON_KEY_MISSING: the private key is not
///   set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. ANWDL_REASON_PRIVATE_OPERATION_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_decrypt_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        transform(
            wrapper,
            (data, len),
            out_bytes,
            out_len,
            RsaWrapper::decrypt_data,
        )
    })
}

/// Signs data with the local private key: RSA-PSS (RFC 8017) with SHA-256 and the longest salt that fits.
///
/// In the build without AWS-LC the crate `rsa` signs: what it leaves in freed memory reveals the private key to
/// anyone who can read that, and its time depends on the key to some degree. Python: RSAWrapper.signData(data).
///
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param out_bytes Where to write the address of the signature, to be freed with anwdl_bytes_free().
/// @param out_len Where to write its length in bytes: the size of the modulus.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: the private key is not set.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED. ANWDL_REASON_PRIVATE_OPERATION_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_sign_data(
    wrapper: *const anwdl_rsa_wrapper_t,
    data: *const u8,
    len: usize,
    out_bytes: *mut *mut u8,
    out_len: *mut usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        transform(
            wrapper,
            (data, len),
            out_bytes,
            out_len,
            RsaWrapper::sign_data,
        )
    })
}

/// Verifies a signature as anwdl_rsa_wrapper_sign_data() makes it, under the peer's public key. The Python
/// method of this name uses the local public key, as anwdl_rsa_wrapper_verify_data_signature_with_key() can.
/// Python: none; RSAWrapper.verifyDataSignature() is another function.
/// @param signature The signature; NULL is fine if signature_len is 0.
/// @param signature_len Its length in bytes.
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param out_valid Where to write true if the signature is valid, false if not.
/// @retval ANWDL_OK Valid or not.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_KEY_MISSING: that public key is not set.
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
    // SAFETY: the caller guarantees the same.
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

/// Verifies a signature, as anwdl_rsa_wrapper_verify_data_signature(), under the peer's public key or the local
/// one. Python: RSAWrapper.verifyDataSignature(signature, data), with use_local_public_key.
/// @param use_local_public_key true for the local public key, so for what this side has signed; false for the
///   peer's.
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
        // SAFETY: the caller passes NULL or that many bytes.
        let signature = unsafe { bytes(signature, signature_len, "signature") }?;
        // SAFETY: the caller passes NULL or that many bytes.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller passes NULL or a place for the verdict.
        let out_valid = unsafe { output(out_valid, "out_valid") }?;
        let verdict = wrapper.verify_data_signature(signature, data, use_local_public_key != 0)?;
        out_valid.set(verdict);
        Ok(())
    })
}

/// The fingerprint of a public key, as the Python client shows it for users to compare: the SHA-256 of the
/// PEM that anwdl_rsa_wrapper_get_public_key() returns. It depends on the key alone, not on the line ends or
/// line lengths in which a peer sent it. Python: hashlib.sha256(RSAWrapper.getPublicKey()).hexdigest().
/// @param remote true for the peer's public key; false for the local one.
/// @param out_hex Where to write 64 hexadecimal digits in lower case, to be freed with anwdl_string_free().
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: that public key is not set.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_get_fingerprint(
    wrapper: *const anwdl_rsa_wrapper_t,
    remote: BooleanByte,
    out_hex: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_string(wrapper, (out_hex, "out_hex"), |wrapper| {
            Ok(Some(wrapper.fingerprint(remote != 0)?))
        })
    }
}

/// Frees an RSA wrapper that the caller owns; not one from anwdl_client_get_rsa_wrapper(). Clients and
/// options that share its key pair keep it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_rsa_wrapper_free(wrapper: *mut anwdl_rsa_wrapper_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(wrapper) }
}
