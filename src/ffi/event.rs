//! `anwdl_event_t`: what has happened to a client, session or client interface.

use super::error::anwdl_status_t;
use super::handle::PoisonOnPanic;
use super::request::{anwdl_request_t, request_into_raw};
use super::response::anwdl_response_t;
use super::{Handle, Output, borrow_mut, boundary, output, try_into_raw};
use crate::endpoint::events::Event;
use crate::error::Error;

/// What anwdl_client_next_event(), anwdl_session_next_event() and anwdl_client_interface_next_event() return:
/// what has happened, or what they need to go on. Later versions add none that a program did not ask for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_event_t {
    /// The session is over: free the handle. anwdl_last_error_reason() says why; ANWDL_REASON_PEER_CLOSED is the
    /// usual end. Also if an argument is NULL.
    ANWDL_EVENT_ENDED = 0,
    /// Call again when the descriptor is readable; for a session, after anwdl_session_feed() or
    /// anwdl_session_feed_end().
    ANWDL_EVENT_WANT_READ = 1,
    /// Call again when the descriptor is writable; for a session, after anwdl_session_sent().
    ANWDL_EVENT_WANT_WRITE = 2,
    /// Call anwdl_client_compute(), anwdl_session_compute() or anwdl_client_interface_compute() on any thread, then
    /// call again. Only with anwdl_client_options_set_separate_computation().
    ANWDL_EVENT_WANT_COMPUTATION = 3,
    /// It is the program's turn, and calling again changes nothing: a server must send the response to the last
    /// request, a client may send a request. So it is between the steps of a key exchange that is done step by step.
    ANWDL_EVENT_YOUR_TURN = 4,
    /// The keys are exchanged.
    ANWDL_EVENT_EXCHANGED = 5,
    /// A server has received a request. Answer it, then call again.
    ANWDL_EVENT_REQUEST = 6,
    /// A server has received a request that does not fit the request format: see ANWDL_REASON_MALFORMED_REQUEST.
    /// Answer it with ANWDL_RESPONSE_MSG_BAD_REQ, then call again.
    ANWDL_EVENT_MALFORMED_REQUEST = 7,
    /// The response is sent.
    ANWDL_EVENT_RESPONSE_SENT = 8,
    /// The request is sent.
    ANWDL_EVENT_REQUEST_SENT = 9,
    /// A client has received the response to its request.
    ANWDL_EVENT_RESPONSE = 10,
}

/// The body of the functions that return an event. Where the role cannot have a request or a
/// response, its pointer is not looked at.
///
/// # Safety
/// As for [`borrow_mut`] and [`output`].
pub(super) unsafe fn next_event<H, S>(
    handle: *mut H,
    out_request: *mut *mut anwdl_request_t,
    out_response: *mut *mut anwdl_response_t,
    receives_requests: impl FnOnce(&S) -> bool,
    next: impl FnOnce(&mut S) -> Result<Event, Error>,
) -> anwdl_event_t
where
    H: Handle<Inner = PoisonOnPanic<S>>,
{
    let event = boundary(|| {
        // SAFETY: the caller guarantees it.
        let handle = unsafe { borrow_mut(handle, H::NAME) }?;
        let place: (
            Option<Output<'_, *mut anwdl_request_t>>,
            Option<Output<'_, *mut anwdl_response_t>>,
        ) = if receives_requests(handle.get_ref()) {
            // SAFETY: the caller guarantees it.
            (Some(unsafe { output(out_request, "out_request") }?), None)
        } else {
            // SAFETY: the caller guarantees it.
            (None, Some(unsafe { output(out_response, "out_response") }?))
        };
        Ok(match handle.operate(next)? {
            Event::Exchanged => anwdl_event_t::ANWDL_EVENT_EXCHANGED,
            Event::MalformedRequest => anwdl_event_t::ANWDL_EVENT_MALFORMED_REQUEST,
            Event::ResponseSent => anwdl_event_t::ANWDL_EVENT_RESPONSE_SENT,
            Event::RequestSent => anwdl_event_t::ANWDL_EVENT_REQUEST_SENT,
            Event::YourTurn => anwdl_event_t::ANWDL_EVENT_YOUR_TURN,
            Event::Request(request) => {
                if let Some(place) = place.0 {
                    place.set(request_into_raw(request));
                }
                anwdl_event_t::ANWDL_EVENT_REQUEST
            }
            Event::Response(response) => {
                if let Some(place) = place.1 {
                    place.set(try_into_raw(response)?);
                }
                anwdl_event_t::ANWDL_EVENT_RESPONSE
            }
        })
    });
    event.unwrap_or_else(|status| match status {
        anwdl_status_t::ANWDL_WANT_READ => anwdl_event_t::ANWDL_EVENT_WANT_READ,
        anwdl_status_t::ANWDL_WANT_WRITE => anwdl_event_t::ANWDL_EVENT_WANT_WRITE,
        anwdl_status_t::ANWDL_WANT_COMPUTATION => anwdl_event_t::ANWDL_EVENT_WANT_COMPUTATION,
        _ => anwdl_event_t::ANWDL_EVENT_ENDED,
    })
}
