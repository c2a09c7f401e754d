//! The log hook.

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::log::{Level, TESTS, emit};

type Taken = Mutex<Vec<(anwdl_log_level_t, String, String)>>;

/// Keeps the messages about the client "ffi", and calls the library as it does.
unsafe extern "C" fn keep(
    level: anwdl_log_level_t,
    client_id: *const c_char,
    message: *const c_char,
    user_data: *mut c_void,
) {
    // SAFETY: both are strings, and user_data is what the test gave.
    let (client_id, message, taken) = unsafe {
        (
            CStr::from_ptr(client_id).to_str().unwrap().to_owned(),
            CStr::from_ptr(message).to_str().unwrap().to_owned(),
            &*user_data.cast::<Taken>(),
        )
    };
    if client_id == "ffi" {
        // SAFETY: it takes nothing.
        let version = unsafe { CStr::from_ptr(anwdl_version()) };
        let message = format!("{message} {}", version.to_str().unwrap());
        taken.lock().unwrap().push((level, client_id, message));
    }
}

#[test]
fn a_callback_takes_its_level_and_above() {
    let _one = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = Taken::default();
    let user_data = std::ptr::from_ref(&taken).cast_mut().cast::<c_void>();
    let all = [
        (anwdl_log_level_t::ANWDL_LOG_DEBUG, Level::Debug),
        (anwdl_log_level_t::ANWDL_LOG_INFO, Level::Info),
        (anwdl_log_level_t::ANWDL_LOG_WARNING, Level::Warning),
        (anwdl_log_level_t::ANWDL_LOG_ERROR, Level::Error),
    ];
    for (index, (least, _)) in all.into_iter().enumerate() {
        ok!(anwdl_set_log_callback(
            least as LogLevelNumber,
            Some(keep),
            user_data
        ));
        for (_, level) in all {
            emit(level, "ffi", || "a NUL \0 inside,");
        }
        let expected: Vec<_> = all[index..]
            .iter()
            .map(|(level, _)| {
                let message = format!("a NUL \\u{{0}} inside, {}", env!("CARGO_PKG_VERSION"));
                (*level, "ffi".to_owned(), message)
            })
            .collect();
        assert_eq!(*taken.lock().unwrap(), expected);
        taken.lock().unwrap().clear();
    }

    // A level that is none changes nothing.
    for number in [-1, 4, i32::MIN, i32::MAX] {
        value_error!(
            "least_level",
            anwdl_set_log_callback(number, None, null_mut())
        );
    }
    emit(Level::Error, "ffi", || "still there,");
    assert_eq!(taken.lock().unwrap().len(), 1);
    ok!(anwdl_set_log_callback(0, None, null_mut()));
    emit(Level::Error, "ffi", || -> &str { panic!("nobody asked") });
    assert_eq!(taken.lock().unwrap().len(), 1);
}
