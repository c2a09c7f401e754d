//! `anwdl_aes_wrapper_t`: one AES key.

use std::ffi::c_int;

use super::error::anwdl_status_t;
use super::memory::transform;
use super::{Handle, borrow, bytes, change, create, free, output, read, status, wiping_keys};
use crate::crypto::{AesMode, AesWrapper};
use crate::error::Error;

/// How an AES wrapper uses its key.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_aes_mode_t {
    /// Cipher block chaining with PKCS#7 padding and an IV of 16 bytes, as the Python AESWrapper. It keeps a text
    /// secret but does not detect changes.
    ANWDL_AES_CBC = 0,
    /// Galois/counter mode with a random nonce of 12 bytes for each text and a tag of 16 bytes. It keeps a text
    /// secret and detects every change. No Python release has it.
    ANWDL_AES_GCM = 1,
}

/// An [`anwdl_aes_mode_t`] as C passes it: any number.
pub type AesModeNumber = c_int;

/// An AES key of 128, 192 or 256 bits with its mode and, in CBC mode, an IV. The key is wiped when the
/// wrapper is freed. Python: AESWrapper.
pub enum anwdl_aes_wrapper_t {}

impl Handle for anwdl_aes_wrapper_t {
    type Inner = AesWrapper;
    const NAME: &'static str = "wrapper";
}

fn mode_of(number: AesModeNumber) -> Result<AesMode, Error> {
    const CBC: AesModeNumber = anwdl_aes_mode_t::ANWDL_AES_CBC as AesModeNumber;
    const GCM: AesModeNumber = anwdl_aes_mode_t::ANWDL_AES_GCM as AesModeNumber;
    match number {
        CBC => Ok(AesMode::Cbc),
        GCM => Ok(AesMode::Gcm),
        _ => Err(Error::invalid_argument(format!(
            "mode is {number}, which is not an AES mode"
        ))),
    }
}

/// Makes an AES wrapper with a fresh random key and, in CBC mode, a fresh random IV.
/// Python: AESWrapper(key_size).
/// @param key_size The size of the key in bits: 128, 192 or 256. Others are ANWDL_REASON_INVALID_ARGUMENT.
/// @param mode ANWDL_AES_CBC or ANWDL_AES_GCM.
/// @param out_wrapper Where to write the wrapper, to be freed with anwdl_aes_wrapper_free().
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_new(
    key_size: u32,
    mode: AesModeNumber,
    out_wrapper: *mut *mut anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        create((out_wrapper, "out_wrapper"), || {
            AesWrapper::new(key_size, mode_of(mode)?)
        })
    })
}

/// The size of the key. Python: AESWrapper.getKeySize().
/// @return The size in bits: 128, 192 or 256.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_get_key_size(
    wrapper: *const anwdl_aes_wrapper_t,
) -> u32 {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { read(wrapper, 0, |wrapper| Ok(wrapper.key_size())) }
}

/// The key and the IV, both borrowed from the wrapper. Python: AESWrapper.getKey().
/// @param key Where to write the address of the key.
/// @param key_len Where to write the length of the key in bytes: 16, 24 or 32.
/// @param iv Where to write the address of the IV, or NULL in GCM mode.
/// @param iv_len Where to write the length of the IV in bytes: 16, or 0 in GCM mode.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_get_key(
    wrapper: *const anwdl_aes_wrapper_t,
    key: *mut *const u8,
    key_len: *mut usize,
    iv: *mut *const u8,
    iv_len: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        // SAFETY: the caller passes NULL or a place for an address.
        let key = unsafe { output(key, "key") }?;
        // SAFETY: the caller passes NULL or a place for a length.
        let key_len = unsafe { output(key_len, "key_len") }?;
        // SAFETY: the caller passes NULL or a place for an address.
        let iv = unsafe { output(iv, "iv") }?;
        // SAFETY: the caller passes NULL or a place for a length.
        let iv_len = unsafe { output(iv_len, "iv_len") }?;
        key.set(wrapper.key().as_ptr());
        key_len.set(wrapper.key().len());
        iv.set(match wrapper.iv() {
            [] => std::ptr::null(),
            some => some.as_ptr(),
        });
        iv_len.set(wrapper.iv().len());
        Ok(())
    })
}

/// Replaces the key and the IV. The mode stays. Python: AESWrapper.setKey(key, iv).
/// @param key The key.
/// @param key_len Its length in bytes: 16, 24 or 32. Others are ANWDL_REASON_INVALID_ARGUMENT.
/// @param iv The IV; NULL is fine if iv_len is 0.
/// @param iv_len Its length in bytes: 16, or 0 to draw a random IV; 0 in GCM mode, which has none. Others are
///   ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_RANDOM_FAILED: no IV could be drawn.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_set_key(
    wrapper: *mut anwdl_aes_wrapper_t,
    key: *const u8,
    key_len: usize,
    iv: *const u8,
    iv_len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(wrapper, |wrapper| {
            wrapper.set_key(bytes(key, key_len, "key")?, bytes(iv, iv_len, "iv")?)
        })
    })
}

/// Encrypts data. In CBC mode the result is the ciphertext of the padded data under the wrapper's IV, which
/// does not change: the same data gives the same result, as in Python. In GCM mode it is a fresh nonce (12
/// bytes), the ciphertext and the tag (16 bytes). Python: AESWrapper.encryptData(data).
/// @param data The data; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
/// @param out_len Where to write its length in bytes.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_MESSAGE_TOO_LARGE: more data than GCM allows (64 GiB).
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_encrypt_data(
    wrapper: *const anwdl_aes_wrapper_t,
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
            AesWrapper::encrypt_data,
        )
    })
}

/// Decrypts what anwdl_aes_wrapper_encrypt_data() made under the same key, IV and mode.
/// Python: AESWrapper.decryptData(cipher, decode=False).
/// @param data The encrypted data; NULL is fine if len is 0, but does not decrypt.
/// @param len Its length in bytes.
/// @param out_bytes Where to write the address of the result, to be freed with anwdl_bytes_free().
/// @param out_len Where to write its length in bytes.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_DECRYPTION_FAILED: whatever is wrong.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_decrypt_data(
    wrapper: *const anwdl_aes_wrapper_t,
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
            AesWrapper::decrypt_data,
        )
    })
}

/// Wipes and frees an AES wrapper that the caller owns; not one from anwdl_client_get_aes_wrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_aes_wrapper_free(wrapper: *mut anwdl_aes_wrapper_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(wrapper) }
}
