//! The bodies of functions that all three handles (client, session, client interface) have, each
//! written once. An exported function passes the method of its own class.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
#[cfg(unix)]
use std::os::fd::{IntoRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::client_options::anwdl_protocol_t;
use super::error::anwdl_status_t;
use super::request::{anwdl_request_t, request_as_ptr, request_into_raw};
use super::response::anwdl_response_t;
use super::{
    BooleanByte, Handle, Output, as_ptr, borrow, borrow_mut, change, optional_text, output, read,
    status, text, try_into_raw, value_or,
};
use crate::error::{Error, Interest, Reason};
use crate::message::{MalformedRequest, Request, Response};
use crate::protocol::Protocol;

/// A session that is poisoned if an operation panics half-way between two states. It begins no
/// other operation then.
pub(super) struct PoisonOnPanic<S> {
    session: S,
    is_poisoned: bool,
    /// The caller's pointer, which the library passes back and never dereferences.
    user_data: *mut c_void,
}

thread_local! {
    /// The user data of the handle whose operation runs on this thread.
    static CURRENT_USER_DATA: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

/// The user data of the handle whose operation runs on this thread; NULL for none.
pub(super) fn current_user_data() -> *mut c_void {
    CURRENT_USER_DATA.get()
}

/// Sets the current user data, and restores the earlier one when it is dropped.
struct UserDataScope(*mut c_void);

impl UserDataScope {
    fn begin(user_data: *mut c_void) -> Self {
        Self(CURRENT_USER_DATA.replace(user_data))
    }
}

impl Drop for UserDataScope {
    fn drop(&mut self) {
        CURRENT_USER_DATA.set(self.0);
    }
}

impl<S> PoisonOnPanic<S> {
    pub(super) fn new(session: S) -> Self {
        Self {
            session,
            is_poisoned: false,
            user_data: ptr::null_mut(),
        }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.session
    }

    /// For calls that a poisoned session allows.
    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.session
    }

    /// Runs an operation of the session.
    pub(super) fn operate<T>(
        &mut self,
        operation: impl FnOnce(&mut S) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _scope = UserDataScope::begin(self.user_data);
        if self.is_poisoned {
            return Err(Error::new(
                Reason::SessionFailed,
                "a defect of the library ended this session earlier",
            ));
        }
        self.is_poisoned = true;
        let result = operation(&mut self.session);
        self.is_poisoned = false;
        result
    }
}

/// Keeps the caller's pointer.
///
/// # Safety
/// As for [`borrow_mut`].
pub(super) unsafe fn set_user_data<H, S>(handle: *mut H, user_data: *mut c_void) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe {
        change(handle, |handle| {
            handle.user_data = user_data;
            Ok(())
        })
    }
}

/// The caller's pointer.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_user_data<H, S>(handle: *const H) -> *mut c_void
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe { read(handle, ptr::null_mut(), |handle| Ok(handle.user_data)) }
}

/// What the operation under way waits for.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_wants<H, S>(
    handle: *const H,
    wants: impl FnOnce(&S) -> Option<Interest>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    status(|| {
        // SAFETY: the caller guarantees it.
        match wants(unsafe { borrow(handle, H::NAME) }?.get_ref()) {
            None => Ok(()),
            Some(interest) => Err(Error::WouldBlock(interest)),
        }
    })
}

/// Reads from a session, even from a poisoned one.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn query<H, S, T>(handle: *const H, fallback: T, query: impl FnOnce(&S) -> T) -> T
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe { read(handle, fallback, |handle| Ok(query(handle.get_ref()))) }
}

/// The framing that the peer speaks.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_protocol<H, S>(
    handle: *const H,
    get: impl FnOnce(&S) -> Protocol,
) -> anwdl_protocol_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    let unknown = anwdl_protocol_t::ANWDL_PROTOCOL_AUTO;
    // SAFETY: the caller guarantees it.
    unsafe { query(handle, unknown, |session| get(session).into()) }
}

/// A wrapper of a session, borrowed; NULL for none.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_wrapper<H, S, W: Handle>(
    handle: *const H,
    get: impl FnOnce(&S) -> Option<&W::Inner>,
) -> *const W
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe { query(handle, ptr::null(), |session| as_ptr(get(session))) }
}

/// The stored request of a session, borrowed; NULL for none.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_stored_request<H, S>(
    handle: *const H,
    get: impl FnOnce(&S) -> Option<&Arc<Request>>,
) -> *const anwdl_request_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe { query(handle, ptr::null(), |session| request_as_ptr(get(session))) }
}

/// A text of the malformed request that a session received last, borrowed; NULL for none.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_malformed_request<H, S>(
    handle: *const H,
    get: impl FnOnce(&S) -> Option<&MalformedRequest>,
    text_with_nul: impl FnOnce(&MalformedRequest) -> &str,
) -> *const c_char
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe {
        query(handle, ptr::null(), |session| {
            get(session).map_or(ptr::null(), |request| {
                text_with_nul(request).as_ptr().cast()
            })
        })
    }
}

/// Whether a session has failed, or is poisoned.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn has_failed<H, S>(handle: *const H, has_failed: impl FnOnce(&S) -> bool) -> bool
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe {
        read(handle, false, |handle| {
            Ok(handle.is_poisoned || has_failed(handle.get_ref()))
        })
    }
}

/// Whether a session is between two messages; a poisoned one is not.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn is_idle<H, S>(handle: *const H, is_idle: impl FnOnce(&S) -> bool) -> bool
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    unsafe {
        read(handle, false, |handle| {
            Ok(!handle.is_poisoned && is_idle(handle.get_ref()))
        })
    }
}

/// The milliseconds left, rounded up, so that a wait of this length does not end early; -1 for no
/// limit.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn get_time_left<H, S>(
    handle: *const H,
    time_left: impl FnOnce(&S) -> Option<Duration>,
) -> c_int
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    let milliseconds = |left: Duration| {
        let milliseconds = left.as_nanos().div_ceil(1_000_000);
        c_int::try_from(milliseconds).unwrap_or(c_int::MAX)
    };
    // SAFETY: the caller guarantees it.
    unsafe {
        query(handle, -1, |session| {
            time_left(session).map_or(-1, milliseconds)
        })
    }
}

/// An operation without arguments that need checking.
///
/// # Safety
/// As for [`borrow_mut`].
pub(super) unsafe fn operate<H, S>(
    handle: *mut H,
    operation: impl FnOnce(&mut S) -> Result<(), Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    // SAFETY: the caller guarantees it.
    status(|| unsafe { borrow_mut(handle, H::NAME) }?.operate(operation))
}

/// Gives the descriptor back to the caller.
///
/// # Safety
/// As for [`borrow_mut`].
#[cfg(unix)]
pub(super) unsafe fn detach<H, S>(
    handle: *mut H,
    detach: impl FnOnce(&mut S) -> Result<OwnedFd, Error>,
) -> c_int
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    value_or(-1, || {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        Ok(detach(handle.get_mut())?.into_raw_fd())
    })
}

/// Exchanges the keys. If that fails, the descriptor still belongs to the caller and must stay
/// open.
#[cfg(unix)]
pub(super) fn exchange_or_leave_open<S>(
    handle: &mut PoisonOnPanic<S>,
    exchange: impl FnOnce(&mut S) -> Result<(), Error>,
    take_socket: impl FnOnce(&mut S) -> Option<OwnedFd>,
) -> Result<(), Error> {
    // Unwinding would close the descriptor, and then the caller would close it again.
    let exchanged = catch_unwind(AssertUnwindSafe(|| handle.operate(exchange)));
    if !matches!(exchanged, Ok(Ok(()))) {
        leave_open(take_socket(handle.get_mut()));
    }
    exchanged.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Leaves a descriptor open, because it belongs to the caller.
#[cfg(unix)]
pub(super) fn leave_open(socket: Option<OwnedFd>) {
    if let Some(socket) = socket {
        let _ = socket.into_raw_fd();
    }
}

/// Sets the keys of a session from a wrapper.
///
/// # Safety
/// As for [`borrow_mut`] and [`borrow`].
pub(super) unsafe fn set_wrapper<H, S, W: Handle>(
    handle: *mut H,
    wrapper: *const W,
    set: impl FnOnce(&mut S, &W::Inner) -> Result<(), Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
    W::Inner: Clone,
{
    status(|| {
        // The wrapper may belong to the handle: it is copied before the handle is borrowed.
        // SAFETY: the caller guarantees it.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?.clone();
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        handle.operate(|session| set(session, &wrapper))
    })
}

/// Receives a request.
///
/// # Safety
/// As for [`borrow_mut`] and [`output`].
pub(super) unsafe fn recv_request<H, S>(
    handle: *mut H,
    store_request: BooleanByte,
    out_request: *mut *mut anwdl_request_t,
    recv: impl FnOnce(&mut S, bool) -> Result<Arc<Request>, Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    let store_request = store_request != 0;
    status(|| {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        let out_request = if out_request.is_null() && store_request {
            None
        } else {
            // SAFETY: the caller guarantees it.
            Some(unsafe { output(out_request, "out_request") }?)
        };
        let request = handle.operate(|session| recv(session, store_request))?;
        if let Some(out_request) = out_request {
            out_request.set(request_into_raw(request));
        }
        Ok(())
    })
}

/// Sends a response; `data` returns its JSON object as text.
///
/// # Safety
/// As for [`borrow_mut`] and [`text`].
pub(super) unsafe fn send_response<H, S, J: AsRef<str>>(
    handle: *mut H,
    success: BooleanByte,
    message: *const c_char,
    data: impl FnOnce() -> Result<Option<J>, Error>,
    reason: *const c_char,
    send: impl FnOnce(&mut S, bool, &str, Option<&str>, Option<&str>) -> Result<(), Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    status(|| {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let message = unsafe { text(message, "message") }?;
        let data = data()?;
        let data = data.as_ref().map(AsRef::as_ref);
        // SAFETY: the caller guarantees it.
        let reason = unsafe { optional_text(reason, "reason") }?;
        handle.operate(|session| send(session, success != 0, message, data, reason))
    })
}

/// Sends a request; `parameters` returns its JSON object as text.
///
/// # Safety
/// As for [`borrow_mut`] and [`text`].
pub(super) unsafe fn send_request<H, S, J: AsRef<str>>(
    handle: *mut H,
    verb: *const c_char,
    parameters: impl FnOnce() -> Result<Option<J>, Error>,
    send: impl FnOnce(&mut S, &str, Option<&str>) -> Result<(), Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    status(|| {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let verb = unsafe { text(verb, "verb") }?;
        let parameters = parameters()?;
        let parameters = parameters.as_ref().map(AsRef::as_ref);
        handle.operate(|session| send(session, verb, parameters))
    })
}

/// A session that C can lose a message of.
pub(super) trait End {
    /// Ends the session and wipes its keys.
    fn end(&mut self);
}

/// Passes a response to C. If there is no memory for that, the response is lost, so the session ends.
pub(super) fn set_response(
    session: &mut impl End,
    out_response: Output<'_, *mut anwdl_response_t>,
    response: Response,
) -> Result<(), Error> {
    out_response.set(try_into_raw(response).inspect_err(|_| session.end())?);
    Ok(())
}

/// Receives a response.
///
/// # Safety
/// As for [`borrow_mut`] and [`output`].
pub(super) unsafe fn recv_response<H, S>(
    handle: *mut H,
    out_response: *mut *mut anwdl_response_t,
    recv: impl FnOnce(&mut S) -> Result<Response, Error>,
) -> anwdl_status_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
    S: End,
{
    status(|| {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let out_response = unsafe { output(out_response, "out_response") }?;
        handle.operate(|session| {
            let response = recv(session)?;
            set_response(session, out_response, response)
        })
    })
}
