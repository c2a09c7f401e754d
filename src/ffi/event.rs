//! `next_event`, which the three handles share.

use super::error::{anwdl_event_t, anwdl_status_t};
use super::handle::{End, PoisonOnPanic, set_response};
use super::request::{anwdl_request_t, request_into_raw};
use super::response::anwdl_response_t;
use super::{Handle, Output, borrow_mut, boundary, output};
use crate::endpoint::events::Event;
use crate::error::Error;

/// The body of functions that return an event. A pointer that the role does not need is ignored.
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
    S: End,
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
        handle.operate(|session| {
            Ok(match next(session)? {
                Event::Connected => anwdl_event_t::ANWDL_EVENT_CONNECTED,
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
                        set_response(session, place, response)?;
                    }
                    anwdl_event_t::ANWDL_EVENT_RESPONSE
                }
            })
        })
    });
    event.unwrap_or_else(|status| match status {
        anwdl_status_t::ANWDL_WANT_READ => anwdl_event_t::ANWDL_EVENT_WANT_READ,
        anwdl_status_t::ANWDL_WANT_WRITE => anwdl_event_t::ANWDL_EVENT_WANT_WRITE,
        anwdl_status_t::ANWDL_WANT_COMPUTATION => anwdl_event_t::ANWDL_EVENT_WANT_COMPUTATION,
        _ => anwdl_event_t::ANWDL_EVENT_ENDED,
    })
}
