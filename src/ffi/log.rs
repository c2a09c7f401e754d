//! The log hook.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;

use super::error::anwdl_status_t;
use super::handle::current_user_data;
use super::{UserData, c_string, status, value_or};
use crate::error::Error;
use crate::log::{self, Hook, Level};

/// How important a log message is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_log_level_t {
    /// No message has this level so far. As the least level, it lets all messages through.
    ANWDL_LOG_DEBUG = 0,
    /// What usually happens, a few times in a session: keys exchanged, framing detected, client behind a proxy,
    /// connection closed by the peer between two messages.
    ANWDL_LOG_INFO = 1,
    /// What the library or the peer refused, or a failure that did not end the session; and
    /// ANWDL_REASON_KEY_FILE_EXPOSED.
    ANWDL_LOG_WARNING = 2,
    /// What ended a session early.
    ANWDL_LOG_ERROR = 3,
}

use anwdl_log_level_t::*;

/// An [`anwdl_log_level_t`] as C passes it: any number.
pub type LogLevelNumber = c_int;

/// A function that takes log messages; see anwdl_set_log_callback(). The strings are valid during the call.
/// @param level How important the message is.
/// @param client_id The ID of the client that it is about, as from anwdl_client_get_id(), or ""; never NULL.
/// @param message One line of English, UTF-8, without a line end; never NULL. The text may change between
///   versions.
/// @param user_data What was passed to anwdl_set_log_callback().
pub type anwdl_log_function_t = Option<
    unsafe extern "C" fn(
        level: anwdl_log_level_t,
        client_id: *const c_char,
        message: *const c_char,
        user_data: *mut c_void,
    ),
>;

impl From<Level> for anwdl_log_level_t {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => ANWDL_LOG_DEBUG,
            Level::Info => ANWDL_LOG_INFO,
            Level::Warning => ANWDL_LOG_WARNING,
            Level::Error => ANWDL_LOG_ERROR,
        }
    }
}

fn level_of(number: LogLevelNumber) -> Result<Level, Error> {
    let levels = [Level::Debug, Level::Info, Level::Warning, Level::Error];
    let mut levels = levels.into_iter();
    levels
        .find(|&level| anwdl_log_level_t::from(level) as LogLevelNumber == number)
        .ok_or_else(|| {
            Error::invalid_argument(format!("least_level is {number}, which is not a log level"))
        })
}

/// Sets the function that takes the log messages of the whole process, in place of an earlier one. Messages
/// report key exchanges, framings, refusals and failures. They never hold a secret.
///
/// It can be set at any time, from any thread. When this call returns, no call of an earlier function is
/// running or will begin, so its user_data may be freed. For this it waits for running calls to return: do
/// not hold a lock that the function takes. Called from within the function it does not wait, as that call is
/// still running.
///
/// The function runs on the thread that does the work, before the call that does it returns, and on several
/// threads at once if several work. The library holds no lock meanwhile. The function may call this library,
/// even anwdl_set_log_callback(), but must not touch the object whose call is running; its own calls log
/// nothing. It must return: neither longjmp() nor a C++ exception may leave it.
/// Python: logging.Logger.addHandler().
///
/// @param least_level Messages below this level are skipped, and cost nothing.
/// @param function The function; NULL to log nothing (the default).
/// @param user_data Passed to each call of the function; NULL is fine.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT: the earlier function stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_set_log_callback(
    least_level: LogLevelNumber,
    function: anwdl_log_function_t,
    user_data: *mut c_void,
) -> anwdl_status_t {
    let hook = function.map(|function| {
        let user_data = UserData(user_data);
        move |level, client_id: &CStr, message: &CStr| {
            // SAFETY: the caller guarantees that the function is valid; the strings live as long as the call.
            unsafe {
                function(level, client_id.as_ptr(), message.as_ptr(), user_data.get());
            }
        }
    });
    set_hook(least_level, hook)
}

/// A function that takes log messages with their owner; see anwdl_set_log_handler(). The strings are valid
/// during the call.
/// @param level How important the message is.
/// @param owner What the program attached, with anwdl_client_set_user_data() for example, to the client,
///   session or client interface that the message is about; NULL for none. It has to stay valid until another
///   is attached or the handle is freed. Do not call the library with that handle: its call is still running.
/// @param client_id As for anwdl_log_function_t.
/// @param message As for anwdl_log_function_t.
/// @param user_data What was passed to anwdl_set_log_handler().
pub type anwdl_log_handler_t = Option<
    unsafe extern "C" fn(
        level: anwdl_log_level_t,
        owner: *mut c_void,
        client_id: *const c_char,
        message: *const c_char,
        user_data: *mut c_void,
    ),
>;

/// Sets the function that takes the log messages, as anwdl_set_log_callback(), with their owner. The process
/// has one function: each of the two calls replaces what the other has set. Python:
/// logging.Logger.addHandler().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_set_log_handler(
    least_level: LogLevelNumber,
    function: anwdl_log_handler_t,
    user_data: *mut c_void,
) -> anwdl_status_t {
    let hook = function.map(|function| {
        let user_data = UserData(user_data);
        move |level, client_id: &CStr, message: &CStr| {
            // SAFETY: the caller guarantees that the function is valid; the strings live as long as the call.
            unsafe {
                function(
                    level,
                    current_user_data(),
                    client_id.as_ptr(),
                    message.as_ptr(),
                    user_data.get(),
                );
            }
        }
    });
    set_hook(least_level, hook)
}

/// Sets the hook; `None` removes it.
fn set_hook(
    least_level: LogLevelNumber,
    call: Option<impl Fn(anwdl_log_level_t, &CStr, &CStr) + Send + Sync + 'static>,
) -> anwdl_status_t {
    status(|| {
        let least = level_of(least_level)?;
        let hook = call.map(|call| -> Hook {
            Arc::new(move |level: Level, client_id: &str, message: &str| {
                let (client_id, message) = (c_string(client_id), c_string(message));
                // The dynamic linker saves the registers on the stack when it binds the function at
                // its first call.
                super::registers::wipe();
                call(level.into(), &client_id, &message);
            })
        });
        log::set_hook(least, hook);
        Ok(())
    })
}

/// The name of a log level, for logs.
/// @param level Any number.
/// @return The name, such as "WARNING" for ANWDL_LOG_WARNING, as anwdl_error_reason_name(). Never NULL; a
///   constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_log_level_name(level: LogLevelNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let name = level_of(level).map_or(c"UNKNOWN", |level| match level {
            Level::Debug => c"DEBUG",
            Level::Info => c"INFO",
            Level::Warning => c"WARNING",
            Level::Error => c"ERROR",
        });
        Ok(name.as_ptr())
    })
}
