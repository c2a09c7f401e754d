//! What moves a session: bytes in pieces of any size, and a random generator that repeats itself.

use std::cell::Cell;

use anwdl::protocol::session::{Message, Progress, Session};
use anwdl::{Error, Reason};

use super::input::Input;

thread_local! {
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// A generator that gives every run of an input the same bytes.
pub fn draw(bytes: &mut [u8]) -> Result<(), Error> {
    for byte in bytes {
        let drawn = DRAWN
            .get()
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        DRAWN.set(drawn);
        *byte = (drawn >> 33) as u8;
    }
    Ok(())
}

/// Lets it begin anew.
pub fn reset_generator() {
    DRAWN.set(0);
}

/// Takes the operation of a session as far as `bytes` go, in pieces of at most `piece` bytes;
/// gives how many it took. `None` if the operation waits for more.
pub fn go_on(
    session: &mut Session,
    bytes: &[u8],
    piece: usize,
    answer: &mut Vec<u8>,
) -> (usize, Option<Result<Option<Message>, Error>>) {
    let mut taken = 0;
    loop {
        match session.advance() {
            Err(error) => return (taken, Some(Err(error))),
            Ok(Progress::Done(message)) => return (taken, Some(Ok(message))),
            Ok(Progress::Compute) => session.compute().unwrap_or_else(|error| {
                assert_ne!(error.reason(), Some(Reason::OutOfTurn));
            }),
            Ok(Progress::Write) => {
                assert!(!session.pending().is_empty());
                let count = session.pending().len().min(piece);
                answer.extend_from_slice(&session.pending()[..count]);
                session.sent(count);
            }
            Ok(Progress::Read) => {
                let rest = &bytes[taken..];
                if rest.is_empty() {
                    assert!(session.pending().is_empty());
                    return (taken, None);
                }
                let space = session.receive_buffer();
                assert!(!space.is_empty());
                let count = space.len().min(rest.len()).min(piece);
                space[..count].copy_from_slice(&rest[..count]);
                session.received(count);
                taken += count;
            }
        }
    }
}

/// The size of the pieces in which bytes come.
pub fn piece(input: &mut Input<'_>) -> usize {
    match input.byte() {
        small @ 1..=64 => small.into(),
        _ => usize::MAX,
    }
}

/// A session that has failed stays so, and says so to everything.
pub fn check_failed(session: &mut Session) {
    use anwdl::protocol::session::Operation;

    let failed = Some(Reason::SessionFailed);
    assert!(session.has_failed());
    assert!(session.operation().is_none() && session.pending().is_empty());
    assert!(session.aes_wrapper().is_none());
    assert_eq!(session.begin_receive().unwrap_err().reason(), failed);
    let send = session.begin_response(true, "OK", None, None);
    assert_eq!(send.unwrap_err().reason(), failed);
    assert_eq!(
        session.begin_request("STAT", None).unwrap_err().reason(),
        failed
    );
    for operation in [
        Operation::ExchangeKeys {
            receive_first: true,
        },
        Operation::SendPublicKey,
        Operation::ReceivePublicKey,
        Operation::SendAesKey,
        Operation::ReceiveAesKey,
    ] {
        let begun = session.begin_exchange(operation);
        assert_eq!(begun.unwrap_err().reason(), failed);
    }
    assert_eq!(session.compute().unwrap_err().reason(), failed);
    assert!(session.has_failed());
}
