//! RSA and AES wrappers.

use std::ffi::c_void;

use super::*;

#[test]
fn an_rsa_wrapper_refuses_wrong_arguments() {
    let (wrapper, none, constant) = (rsa_wrapper(), null_mut(), null());
    let (pem, wrong) = (c"no PEM".as_ptr(), NOT_UTF_8.as_ptr());
    let untouched: *mut c_char = std::ptr::dangling_mut();
    let mut string = untouched;
    let (mut out, mut out_len, mut valid) = (null_mut(), 7, true);
    let data = b"data".as_ptr();

    value_error!("out_wrapper", anwdl_rsa_wrapper_new(0, null_mut()));
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_generate_key_pair(none, 65537, 2048)
    );
    value_error!(
        "key_size",
        anwdl_rsa_wrapper_generate_key_pair(wrapper, 65537, 1024)
    );
    value_error!(
        "public_exponent",
        anwdl_rsa_wrapper_generate_key_pair(wrapper, 4, 2048)
    );
    gives!(0, "wrapper", anwdl_rsa_wrapper_get_key_size(constant));
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_get_public_key(constant, &mut string)
    );
    value_error!(
        "out_pem",
        anwdl_rsa_wrapper_get_public_key(wrapper, null_mut())
    );
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_get_private_key(constant, &mut string)
    );
    value_error!(
        "out_pem",
        anwdl_rsa_wrapper_get_private_key(wrapper, null_mut())
    );
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_get_remote_public_key(constant, &mut string)
    );
    value_error!(
        "out_pem",
        anwdl_rsa_wrapper_get_remote_public_key(wrapper, null_mut())
    );
    value_error!("wrapper", anwdl_rsa_wrapper_set_public_key(none, pem));
    value_error!("pem", anwdl_rsa_wrapper_set_public_key(wrapper, null()));
    value_error!("wrapper", anwdl_rsa_wrapper_set_private_key(none, pem, 1));
    value_error!("pem", anwdl_rsa_wrapper_set_private_key(wrapper, null(), 1));
    for function in [
        anwdl_rsa_wrapper_get_public_key_der,
        anwdl_rsa_wrapper_get_private_key_der,
        anwdl_rsa_wrapper_get_remote_public_key_der,
    ] {
        value_error!("wrapper", function(constant, &mut out, &mut out_len));
        value_error!("out_bytes", function(wrapper, null_mut(), &mut out_len));
        value_error!("out_len", function(wrapper, &mut out, null_mut()));
    }
    for function in [
        anwdl_rsa_wrapper_set_public_key_der,
        anwdl_rsa_wrapper_set_remote_public_key_der,
    ] {
        value_error!("wrapper", function(none, data, 4));
        value_error!("der", function(wrapper, null(), 4));
    }
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_set_private_key_der(none, data, 4, 1)
    );
    value_error!(
        "der",
        anwdl_rsa_wrapper_set_private_key_der(wrapper, null(), 4, 1)
    );
    value_error!("wrapper", anwdl_rsa_wrapper_load(none, pem));
    value_error!("path", anwdl_rsa_wrapper_load(wrapper, null()));
    value_error!("wrapper", anwdl_rsa_wrapper_save(constant, pem));
    value_error!("path", anwdl_rsa_wrapper_save(wrapper, null()));
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_set_remote_public_key(none, pem)
    );
    value_error!(
        "pem",
        anwdl_rsa_wrapper_set_remote_public_key(wrapper, null())
    );
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_get_fingerprint(constant, 1, &mut string)
    );
    value_error!(
        "out_hex",
        anwdl_rsa_wrapper_get_fingerprint(wrapper, 1, null_mut())
    );

    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_encrypt_data(constant, data, 4, 1, &mut out, &mut out_len)
    );
    value_error!(
        "data",
        anwdl_rsa_wrapper_encrypt_data(wrapper, null(), 4, 1, &mut out, &mut out_len)
    );
    value_error!(
        "data",
        anwdl_rsa_wrapper_encrypt_data(wrapper, data, usize::MAX, 1, &mut out, &mut out_len)
    );
    value_error!(
        "out_bytes",
        anwdl_rsa_wrapper_encrypt_data(wrapper, data, 4, 1, null_mut(), &mut out_len)
    );
    value_error!(
        "out_len",
        anwdl_rsa_wrapper_encrypt_data(wrapper, data, 4, 1, &mut out, null_mut())
    );
    for function in [anwdl_rsa_wrapper_decrypt_data, anwdl_rsa_wrapper_sign_data] {
        value_error!(
            "wrapper",
            function(constant, data, 4, &mut out, &mut out_len)
        );
        value_error!("data", function(wrapper, null(), 4, &mut out, &mut out_len));
        value_error!(
            "out_bytes",
            function(wrapper, data, 4, null_mut(), &mut out_len)
        );
        value_error!("out_len", function(wrapper, data, 4, &mut out, null_mut()));
    }
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_verify_data_signature(constant, data, 4, data, 4, &mut valid)
    );
    value_error!(
        "signature",
        anwdl_rsa_wrapper_verify_data_signature(wrapper, null(), 4, data, 4, &mut valid)
    );
    value_error!(
        "data",
        anwdl_rsa_wrapper_verify_data_signature(wrapper, data, 4, null(), 4, &mut valid)
    );
    value_error!(
        "out_valid",
        anwdl_rsa_wrapper_verify_data_signature(wrapper, data, 4, data, 4, null_mut())
    );
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_verify_data_signature_with_key(constant, data, 4, data, 4, 1, &mut valid)
    );
    value_error!(
        "signature",
        anwdl_rsa_wrapper_verify_data_signature_with_key(
            wrapper,
            null(),
            4,
            data,
            4,
            1,
            &mut valid
        )
    );
    value_error!(
        "data",
        anwdl_rsa_wrapper_verify_data_signature_with_key(
            wrapper,
            data,
            4,
            null(),
            4,
            1,
            &mut valid
        )
    );
    value_error!(
        "out_valid",
        anwdl_rsa_wrapper_verify_data_signature_with_key(wrapper, data, 4, data, 4, 1, null_mut())
    );
    assert_eq!(
        (string, out, out_len, valid),
        (untouched, null_mut(), 7, true)
    );

    // SAFETY: every pointer points to what its type says; the wrapper is freed last.
    unsafe {
        assert_eq!(
            anwdl_rsa_wrapper_set_public_key(wrapper, pem),
            ANWDL_VALUE_ERROR
        );
        assert_eq!(last_reason(), ANWDL_REASON_INVALID_KEY);
        let status = anwdl_rsa_wrapper_sign_data(wrapper, null(), 0, &mut out, &mut out_len);
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_KEY_MISSING);
        forget_last_error();
        let status = anwdl_rsa_wrapper_save(wrapper, c"/nowhere".as_ptr());
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_KEY_MISSING);
        for use_local_public_key in [0, 1] {
            let status = anwdl_rsa_wrapper_verify_data_signature_with_key(
                wrapper,
                data,
                4,
                data,
                4,
                use_local_public_key,
                &mut valid,
            );
            assert_eq!(status, ANWDL_VALUE_ERROR);
            assert_eq!(last_reason(), ANWDL_REASON_KEY_MISSING);
            forget_last_error();
        }
        let status = anwdl_rsa_wrapper_set_private_key_der(wrapper, null(), 0, 1);
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_INVALID_KEY);
        // No path is refused for its encoding.
        let status = anwdl_rsa_wrapper_load(wrapper, wrong);
        assert_eq!(status, ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_IO_FAILED);
        assert_eq!(anwdl_last_error_errno(), libc::ENOENT);
        ok!(anwdl_rsa_wrapper_get_public_key(wrapper, &mut string));
        assert!(string.is_null(), "there is no key");
        out = std::ptr::dangling_mut();
        ok!(anwdl_rsa_wrapper_get_public_key_der(
            wrapper,
            &mut out,
            &mut out_len
        ));
        assert_eq!((out, out_len), (null_mut(), 0), "there is no key");
        anwdl_rsa_wrapper_free(wrapper);
        anwdl_rsa_wrapper_free(null_mut());
    }
}

unsafe extern "C" fn fail_and_count(
    _input: *const u8,
    output: *mut u8,
    size: usize,
    user_data: *mut c_void,
) -> u8 {
    // SAFETY: the test passes a number, and the library a place of that size.
    unsafe {
        output.write_bytes(0xff, size);
        *user_data.cast::<usize>() += 1;
    }
    0
}

unsafe extern "C" fn free_and_count(user_data: *mut c_void) {
    // SAFETY: the test passes a number.
    unsafe { *user_data.cast::<usize>() += 1000 };
}

#[test]
fn a_private_operation_is_taken_only_if_it_works() {
    let (wrapper, none) = (rsa_wrapper(), null_mut());
    let mut count = 0usize;
    let user_data = (&raw mut count).cast();
    let number = [1, 0, 1].as_ptr();
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_set_public_numbers(none, number, 3, number, 3)
    );
    value_error!(
        "modulus",
        anwdl_rsa_wrapper_set_public_numbers(wrapper, null(), 3, number, 3)
    );
    value_error!(
        "exponent",
        anwdl_rsa_wrapper_set_public_numbers(wrapper, number, 3, null(), 3)
    );
    value_error!(
        "wrapper",
        anwdl_rsa_wrapper_set_private_operation(
            none,
            Some(fail_and_count),
            user_data,
            Some(free_and_count)
        )
    );
    value_error!(
        "operation",
        anwdl_rsa_wrapper_set_private_operation(wrapper, None, user_data, Some(free_and_count))
    );
    // SAFETY: the pointers point to what their types say.
    unsafe {
        let set = || {
            anwdl_rsa_wrapper_set_private_operation(
                wrapper,
                Some(fail_and_count),
                user_data,
                Some(free_and_count),
            )
        };
        assert_eq!(set(), ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_KEY_MISSING);
        assert_eq!(count, 0);
        let status = anwdl_rsa_wrapper_set_public_numbers(wrapper, number, 3, number, 3);
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_INVALID_KEY);
        let modulus = [0xff; 256].as_ptr();
        ok!(anwdl_rsa_wrapper_set_public_numbers(
            wrapper, modulus, 256, number, 3
        ));
        assert_eq!(anwdl_rsa_wrapper_get_key_size(wrapper), 2048);
        assert_eq!(set(), ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_PRIVATE_OPERATION_FAILED);
        assert_eq!(count, 1, "it ran once, and its data is still the caller's");
        let mut pem = null_mut();
        ok!(anwdl_rsa_wrapper_get_private_key(wrapper, &mut pem));
        assert!(pem.is_null());
        anwdl_rsa_wrapper_free(wrapper);
    }
    assert_eq!(count, 1);
}

#[test]
fn an_aes_wrapper_refuses_wrong_arguments() {
    let wrapper = aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC);
    let (none, constant) = (null_mut(), null());
    let (mut key, mut key_len, mut iv, mut iv_len) = (null(), 7, null(), 7);
    let (mut out, mut out_len) = (null_mut(), 7);
    let mut made = null_mut();
    let data = [0; 32].as_ptr();

    value_error!("out_wrapper", anwdl_aes_wrapper_new(256, 0, null_mut()));
    value_error!("key_size", anwdl_aes_wrapper_new(100, 0, &mut made));
    for number in [-1, 2, i32::MIN, i32::MAX] {
        value_error!("mode", anwdl_aes_wrapper_new(256, number, &mut made));
    }
    assert!(made.is_null());
    gives!(0, "wrapper", anwdl_aes_wrapper_get_key_size(constant));
    value_error!(
        "wrapper",
        anwdl_aes_wrapper_get_key(constant, &mut key, &mut key_len, &mut iv, &mut iv_len)
    );
    value_error!(
        "key",
        anwdl_aes_wrapper_get_key(wrapper, null_mut(), &mut key_len, &mut iv, &mut iv_len)
    );
    value_error!(
        "key_len",
        anwdl_aes_wrapper_get_key(wrapper, &mut key, null_mut(), &mut iv, &mut iv_len)
    );
    value_error!(
        "iv",
        anwdl_aes_wrapper_get_key(wrapper, &mut key, &mut key_len, null_mut(), &mut iv_len)
    );
    value_error!(
        "iv_len",
        anwdl_aes_wrapper_get_key(wrapper, &mut key, &mut key_len, &mut iv, null_mut())
    );
    assert_eq!((key, key_len, iv, iv_len), (null(), 7, null(), 7));
    value_error!(
        "wrapper",
        anwdl_aes_wrapper_set_key(none, data, 32, data, 16)
    );
    value_error!(
        "key",
        anwdl_aes_wrapper_set_key(wrapper, null(), 32, data, 16)
    );
    value_error!(
        "key",
        anwdl_aes_wrapper_set_key(wrapper, null(), 0, data, 16)
    );
    value_error!(
        "key",
        anwdl_aes_wrapper_set_key(wrapper, data, 31, data, 16)
    );
    value_error!(
        "iv",
        anwdl_aes_wrapper_set_key(wrapper, data, 32, null(), 16)
    );
    value_error!("iv", anwdl_aes_wrapper_set_key(wrapper, data, 32, data, 15));
    for function in [
        anwdl_aes_wrapper_encrypt_data,
        anwdl_aes_wrapper_decrypt_data,
    ] {
        value_error!(
            "wrapper",
            function(constant, data, 4, &mut out, &mut out_len)
        );
        value_error!("data", function(wrapper, null(), 4, &mut out, &mut out_len));
        value_error!(
            "out_bytes",
            function(wrapper, data, 4, null_mut(), &mut out_len)
        );
        value_error!("out_len", function(wrapper, data, 4, &mut out, null_mut()));
    }
    assert_eq!((out, out_len), (null_mut(), 7));
    // SAFETY: the wrapper is not used any more; NULL is fine.
    unsafe {
        anwdl_aes_wrapper_free(wrapper);
        anwdl_aes_wrapper_free(null_mut());
    }
}

#[test]
fn a_key_is_lent_with_its_iv() {
    for (mode, expected) in [
        (anwdl_aes_mode_t::ANWDL_AES_CBC, 16),
        (anwdl_aes_mode_t::ANWDL_AES_GCM, 0),
    ] {
        let wrapper = aes_wrapper(mode);
        let (mut key, mut key_len, mut iv, mut iv_len) = (null(), 0, null(), 7);
        ok!(anwdl_aes_wrapper_get_key(
            wrapper,
            &mut key,
            &mut key_len,
            &mut iv,
            &mut iv_len
        ));
        assert_eq!((key.is_null(), key_len), (false, 32));
        assert_eq!((iv.is_null(), iv_len), (expected == 0, expected));
        // SAFETY: the wrapper is not used any more.
        unsafe { anwdl_aes_wrapper_free(wrapper) };
    }
}

#[test]
fn bytes_come_with_an_address_and_a_zero_behind_them() {
    for text in [&b""[..], b"a text"] {
        let wrapper = aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC);
        let (mut secret, mut secret_len, mut out, mut out_len) = (null_mut(), 0, null_mut(), 7);
        let data = if text.is_empty() {
            null()
        } else {
            text.as_ptr()
        };
        ok!(anwdl_aes_wrapper_encrypt_data(
            wrapper,
            data,
            text.len(),
            &mut secret,
            &mut secret_len
        ));
        ok!(anwdl_aes_wrapper_decrypt_data(
            wrapper,
            secret,
            secret_len,
            &mut out,
            &mut out_len
        ));
        assert_eq!(out_len, text.len());
        assert!(!out.is_null());
        // SAFETY: the library says that so many bytes are there, and a zero byte.
        let got = unsafe { std::slice::from_raw_parts(out, out_len + 1) };
        assert_eq!(got, [text, &[0]].concat());
        // SAFETY: they come from the library and are not used any more; NULL is fine.
        unsafe {
            anwdl_bytes_free(out, out_len);
            anwdl_bytes_free(secret, secret_len);
            anwdl_bytes_free(null_mut(), 0);
            anwdl_bytes_free(null_mut(), 5);
            anwdl_aes_wrapper_free(wrapper);
        }
    }
}
