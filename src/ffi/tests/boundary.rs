//! Statuses, the last error, panics, and memory that the caller owns.

use super::*;
use crate::error::Interest;
use crate::ffi::{Output, boundary, output, status, value_or};

#[test]
fn strings_may_be_shortened_before_they_are_freed() {
    for cut in [0, 3, 11] {
        let mut string: *mut c_char = null_mut();
        // SAFETY: the place is there.
        let out = unsafe { output(&mut string, "out") }.unwrap();
        set_string(out, Some("some secret")).unwrap();
        // SAFETY: the string has 11 bytes and a NUL.
        unsafe {
            assert_eq!(CStr::from_ptr(string), c"some secret");
            string.add(cut).write(0);
            anwdl_string_free(string);
        }
    }
    // SAFETY: NULL is fine.
    unsafe { anwdl_string_free(null_mut()) };
}

#[test]
fn freed_memory_is_wiped_first() {
    // What was freed must not be read. So the wiping is watched without the freeing.
    let mut bytes = *b"some secret!";
    // SAFETY: the bytes are this array's, all but the last.
    unsafe { wipe(bytes.as_mut_ptr(), bytes.len() - 1) };
    assert_eq!(&bytes, b"\0\0\0\0\0\0\0\0\0\0\0!");
}

#[test]
fn a_panic_becomes_an_internal_error() {
    forget_last_error();
    let status = status(|| panic!("a secret that must not get into the message"));
    assert_eq!(status, ANWDL_RUNTIME_ERROR);
    assert_eq!(last_reason(), ANWDL_REASON_INTERNAL);
    assert!(!last_message().contains("secret"), "{}", last_message());
    assert_eq!(value_or(-1, || panic!("again")), -1);

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while the first panic is thrown away");
        }
    }
    assert_eq!(value_or(-1, || std::panic::panic_any(Bomb)), -1);
}

#[test]
fn each_error_has_its_status() {
    let reported = |error: Error| (status(|| Err(error)), last_reason(), last_message());
    forget_last_error();
    assert_eq!(
        status(|| Err(Error::WouldBlock(Interest::Read))),
        ANWDL_WANT_READ
    );
    assert_eq!(
        status(|| Err(Error::WouldBlock(Interest::Write))),
        ANWDL_WANT_WRITE
    );
    assert_eq!(
        status(|| Err(Error::WouldBlock(Interest::Computation))),
        ANWDL_WANT_COMPUTATION
    );
    assert_untouched();
    for &reason in Reason::ALL {
        let kind = if (reason as i32) < 20 || reason == Reason::KeyMissing {
            ANWDL_VALUE_ERROR
        } else {
            ANWDL_RUNTIME_ERROR
        };
        let expected = (kind, reason.into(), "what happened".to_owned());
        assert_eq!(reported(Error::new(reason, "what happened")), expected);
    }
    let (_, _, message) = reported(Error::new(Reason::Timeout, "a NUL \0 inside"));
    assert_eq!(message, "a NUL \\u{0} inside");
    assert!(boundary(|| Ok(())).is_ok());
    assert_eq!(last_message(), "a NUL \\u{0} inside");
}

#[test]
fn the_errno_is_kept_with_the_error() {
    // SAFETY: it takes nothing.
    let errno = || unsafe { anwdl_last_error_errno() };
    status(|| {
        Err(Error::with_errno(
            Reason::IoFailed,
            "reset",
            libc::ECONNRESET,
        ))
    });
    assert_eq!(errno(), libc::ECONNRESET);
    status(|| Err(Error::new(Reason::Timeout, "late")));
    assert_eq!(errno(), 0);
}

#[test]
fn a_warning_is_kept_like_an_error_and_taken_back() {
    forget_last_error();
    record_warning(Some((
        ANWDL_REASON_KEY_FILE_EXPOSED,
        "a NUL \0 inside".to_owned(),
    )));
    assert_eq!(last_reason(), ANWDL_REASON_KEY_FILE_EXPOSED);
    assert_eq!(last_message(), "a NUL \\u{0} inside");
    record_warning(None);
    assert_eq!(last_reason(), ANWDL_REASON_NONE);
    assert_eq!(last_message(), "no error");
}

#[test]
fn each_thread_has_its_own_last_error() {
    forget_last_error();
    let other = std::thread::spawn(|| (last_reason(), last_message()));
    let fresh = (ANWDL_REASON_NONE, "no error".to_owned());
    assert_eq!(other.join().unwrap(), fresh);
    assert_untouched();
}

/// The numbers and names are part of the ABI: this table only grows.
const REASONS: &[(i32, &str)] = &[
    (0, "NONE"),
    (1, "INVALID_ARGUMENT"),
    (2, "INVALID_DESCRIPTOR"),
    (3, "INVALID_KEY"),
    (4, "MALFORMED_REQUEST"),
    (5, "MALFORMED_RESPONSE"),
    (6, "MESSAGE_TOO_LARGE"),
    (7, "PROTOCOL_VIOLATION"),
    (8, "DECRYPTION_FAILED"),
    (9, "PROTOCOL_MISMATCH"),
    (10, "WRONG_ROLE"),
    (11, "OUT_OF_TURN"),
    (12, "ALREADY_CONNECTED"),
    (13, "BAD_PROXY_HEADER"),
    (14, "NOT_FOUND"),
    (15, "WRONG_TYPE"),
    (16, "OUT_OF_RANGE"),
    (20, "CLOSED"),
    (21, "PEER_CLOSED"),
    (22, "PEER_REFUSED"),
    (23, "TIMEOUT"),
    (24, "IO_FAILED"),
    (25, "SESSION_FAILED"),
    (26, "KEY_MISSING"),
    (27, "KEYS_NOT_EXCHANGED"),
    (28, "KEYS_ALREADY_EXCHANGED"),
    (29, "OPERATION_PENDING"),
    (30, "SESSION_SPENT"),
    (31, "RANDOM_FAILED"),
    (32, "INTERNAL"),
    (33, "FINGERPRINT_MISMATCH"),
    (34, "CONNECT_FAILED"),
    (35, "PRIVATE_OPERATION_FAILED"),
    (100, "KEY_FILE_EXPOSED"),
];

/// From here on they are warnings of calls that have succeeded, which Rust does not count
/// among its errors.
const FIRST_WARNING: i32 = 100;

#[test]
fn reasons_keep_their_numbers_and_names() {
    let name = |number| {
        // SAFETY: any number is fine, and the name is valid for ever.
        let name = unsafe { CStr::from_ptr(anwdl_error_reason_name(number)) };
        name.to_str().unwrap()
    };
    for &(number, expected) in REASONS {
        assert_eq!(name(number), expected);
    }
    for number in (-2..200).chain([i32::MIN, i32::MAX]) {
        if REASONS.iter().all(|(known, _)| *known != number) {
            assert_eq!(name(number), "UNKNOWN");
        }
    }
    let of_rust: Vec<_> = Reason::ALL
        .iter()
        .map(|&reason| (reason as i32, reason.name()))
        .collect();
    let errors = REASONS.partition_point(|(number, _)| *number < FIRST_WARNING);
    assert_eq!(of_rust, REASONS[1..errors]);
    for &reason in Reason::ALL {
        assert_eq!(anwdl_error_reason_t::from(reason) as i32, reason as i32);
    }
}

#[test]
fn the_version_is_the_crate_s() {
    // SAFETY: the version is valid for ever.
    let version = unsafe { CStr::from_ptr(anwdl_version()) };
    assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    let parts = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    assert_eq!(version.to_str().unwrap(), parts.join("."));
    // SAFETY: it is a text that is never freed.
    let info = unsafe { CStr::from_ptr(anwdl_build_info()) };
    let crypto = if cfg!(feature = "aws-lc") {
        "AWS-LC"
    } else {
        "pure Rust"
    };
    let expected = format!("libanwdl {} ({crypto})", env!("CARGO_PKG_VERSION"));
    assert_eq!(info.to_str(), Ok(&*expected));
}

#[test]
fn outputs_are_written_through() {
    let mut place = 1;
    // SAFETY: the place is there.
    let out: Output<'_, i32> = unsafe { output(&mut place, "place") }.unwrap();
    out.set(2);
    assert_eq!(place, 2);
}
