//! [`Session`]: one side of one connection.

mod exchange;
mod messages;

use std::sync::Arc;

use super::buffer::{Input, Output};
use super::config::{Protocol, Role};
use super::framing::{self, Framing, Keys};
use super::key_exchange::{KeyExchange, Step};
use crate::crypto::aes::decryption_failed;
use crate::crypto::{AesMode, AesWrapper, RsaWrapper};
use crate::error::{Error, Interest, Reason, Result};
use crate::message::{MalformedRequest, Request, Response};

pub use super::config::Config;

const ACCEPTED: u8 = b'1';
const REFUSED: u8 = b'0';

/// An operation of a session. Only one is under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The whole key exchange.
    ExchangeKeys {
        /// Whether the peer speaks first.
        receive_first: bool,
    },
    /// Sends the public RSA key.
    SendPublicKey,
    /// Receives the peer's public RSA key.
    ReceivePublicKey,
    /// Sends the AES key.
    SendAesKey,
    /// Receives the peer's AES key.
    ReceiveAesKey,
    /// Receives a message: a request as a server, a response as a client.
    Receive,
    /// Sends a message: a response as a server, a request as a client.
    Send,
}

impl Operation {
    /// The name of the function that begins it.
    pub(crate) fn name(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::ExchangeKeys { .. }, _) => "exchange_keys",
            (Self::SendPublicKey, _) => "send_public_rsa_key",
            (Self::ReceivePublicKey, _) => "recv_public_rsa_key",
            (Self::SendAesKey, _) => "send_aes_key",
            (Self::ReceiveAesKey, _) => "recv_aes_key",
            (Self::Receive, Role::Server) => "recv_request",
            (Self::Receive, Role::Client) => "recv_response",
            (Self::Send, Role::Server) => "send_response",
            (Self::Send, Role::Client) => "send_request",
        }
    }
}

/// What a session needs to continue.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is taken out at once, and a box would need memory"
)]
pub enum Progress {
    /// Bytes from the peer.
    Read,
    /// Its pending bytes to be sent.
    Write,
    /// [`Session::compute`].
    Compute,
    /// Nothing: the operation is done. Receiving returns a message.
    Done(Option<Message>),
}

/// What an operation needs next.
enum Need {
    /// Nothing: it can take its next step.
    Step,
    Read,
    Write,
    Compute,
    /// Nothing: everything is sent, and it can end.
    End,
}

/// A message that was received.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "as above")]
pub enum Message {
    /// A request that fits the format.
    Request(Arc<Request>),
    /// A request that does not.
    MalformedRequest(MalformedRequest),
    /// A response that fits the format.
    Response(Response),
}

/// How far an operation has come.
enum State {
    Exchange {
        steps: &'static [Step],
        wait: Wait,
    },
    /// Waits for enough bytes of the first message to detect its framing.
    ReceiveFirst,
    ReceiveHeader(&'static dyn Framing),
    ReceivePacket(&'static dyn Framing),
    /// Like `ReceivePacket`, while it may be v2 or v3.
    ReceiveV2OrV3,
    SendHeader(&'static dyn Framing),
    SendPacket(&'static dyn Framing),
    /// Sends the refusal, then fails.
    SendingRefusal(Error),
}

/// What a step of a key exchange waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Nothing,
    LengthAnswer,
    Answer,
    Length,
    PublicKey,
    Secret,
    /// The unencrypted part of a gcm secret.
    EncapsulationKey,
}

/// One side of one connection, from the key exchange to the end, without a socket.
///
/// Begin an operation, then call [`advance`](Self::advance), which says what it needs. Write bytes
/// from the peer to [`receive_buffer`](Self::receive_buffer) and report them with
/// [`received`](Self::received); send those in [`pending`](Self::pending) and report them with
/// [`sent`](Self::sent).
pub struct Session {
    config: Config,
    rsa: Option<RsaWrapper>,
    keys: Option<Keys>,
    exchange: Option<Box<KeyExchange>>,
    is_exchanged: bool,
    framing: Option<&'static dyn Framing>,
    operation: Option<(Operation, State)>,
    has_transferred: bool,
    has_failed: bool,
    /// Whether to acknowledge on TCP at once: see [`take_ack_due`](Self::take_ack_due).
    ack_due: bool,
    input: Input,
    output: Output,
}

impl Session {
    /// A session before its first operation.
    pub fn new(config: Config) -> Self {
        Self {
            framing: framing_before_keys(&config),
            config,
            rsa: None,
            keys: None,
            exchange: None,
            is_exchanged: false,
            operation: None,
            has_transferred: false,
            has_failed: false,
            ack_due: false,
            input: Input::default(),
            output: Output::default(),
        }
    }

    /// Which side of the connection this is.
    pub fn role(&self) -> Role {
        self.config.role
    }

    /// Whether the keys were exchanged.
    pub fn is_exchanged(&self) -> bool {
        self.is_exchanged
    }

    /// The framing: the configured one, or the detected one.
    pub fn protocol(&self) -> Protocol {
        match (self.config.protocol, self.framing) {
            (Protocol::Auto, Some(framing)) => framing.protocol(),
            (protocol, _) => protocol,
        }
    }

    /// The RSA keys: this side's and, once received, the peer's public one.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.rsa.as_ref()
    }

    /// The AES key of the session, or the one that will be sent. `None` in a gcm session, which has
    /// a key for each direction and does not show them.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.keys.as_ref().and_then(Keys::aes)
    }

    /// Sets this side's RSA keys, before they are exchanged.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        self.check_keys_can_be_set()?;
        self.rsa = Some(wrapper.local_keys());
        Ok(())
    }

    /// Sets the AES key: the one to send in the key exchange or, without an exchange, that of the
    /// session.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.check_keys_can_be_set()?;
        check_session_key(wrapper)?;
        if self.config.protocol == Protocol::Gcm {
            return Err(Error::new(
                Reason::ProtocolMismatch,
                "wrapper is in CBC mode, but the configured framing is gcm, which always exchanges its keys",
            ));
        }
        self.keys = Some(Keys::Cbc(wrapper.clone()));
        Ok(())
    }

    /// Whether an earlier failure ended the session.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The current operation.
    pub fn operation(&self) -> Option<Operation> {
        self.operation.as_ref().map(|(operation, _)| *operation)
    }

    /// Where to write bytes from the peer. Not empty after [`Progress::Read`], and never longer
    /// than the rest of the current message. Empty if there is no memory, which the next
    /// [`advance`](Self::advance) reports.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        self.input.unfilled()
    }

    /// Like [`receive_buffer`](Self::receive_buffer), with room for the start of the next message,
    /// which is kept for it. This saves a system call for each message on a socket. A whole message
    /// never fits in that room, so none is left here when an operation is done.
    pub fn receive_buffer_ahead(&mut self) -> &mut [u8] {
        self.input.unfilled_ahead()
    }

    /// Whether the start of the next message has been received.
    pub fn has_read_ahead(&self) -> bool {
        self.operation.is_none() && self.input.len_ahead() > 0
    }

    /// Whether a part of a message was received, or is still to be sent.
    pub fn is_message_under_way(&self) -> bool {
        match self.operation() {
            None => self.is_ready() && self.has_read_ahead(),
            Some(Operation::Receive) => self.has_transferred,
            Some(Operation::Send) => true,
            Some(_) => false,
        }
    }

    /// Reports bytes that were written to [`receive_buffer`](Self::receive_buffer).
    pub fn received(&mut self, count: usize) {
        self.has_transferred |= count > 0;
        self.input.advance(count);
    }

    /// The bytes to send.
    pub fn pending(&self) -> &[u8] {
        self.output.pending()
    }

    /// Tells that somebody else sends the [`pending`](Self::pending) bytes: from then on they may be
    /// on their way. To drop them would encrypt the next message with the same nonce or IV.
    pub fn lent(&mut self) {
        self.has_transferred = true;
    }

    /// Marks bytes of [`pending`](Self::pending) as sent.
    pub fn sent(&mut self, count: usize) {
        self.has_transferred |= count > 0;
        self.output.advance(count);
    }

    /// Runs the operation as far as possible. An error ends the operation and, unless its reason
    /// says otherwise, the session.
    pub fn advance(&mut self) -> Result<Progress> {
        let mut message = None;
        Ok(match self.advance_to(&mut message)? {
            Some(Interest::Read) => Progress::Read,
            Some(Interest::Write) => Progress::Write,
            Some(Interest::Computation) => Progress::Compute,
            None => Progress::Done(message),
        })
    }

    /// Like [`advance`](Self::advance), but stores a received message in `message`, because moving
    /// it through several functions is slow. Returns `None` when the operation is done.
    pub(crate) fn advance_to(&mut self, message: &mut Option<Message>) -> Result<Option<Interest>> {
        loop {
            match self.need().expect("an operation was begun") {
                Need::Step => {
                    self.step(message)?;
                    if message.is_some() {
                        return Ok(None);
                    }
                }
                Need::Read => {
                    return match self.input.reserve() {
                        Ok(()) => Ok(Some(Interest::Read)),
                        Err(error) => Err(self.abort(error.into())),
                    };
                }
                Need::Write => return Ok(Some(Interest::Write)),
                Need::Compute => return Ok(Some(Interest::Computation)),
                Need::End => {
                    match self.operation.as_ref().map(|(_, state)| state) {
                        Some(State::SendingRefusal(_)) => {
                            return Err(self.abort(decryption_failed()));
                        }
                        Some(State::SendPacket(framing)) => self.finish_send(*framing),
                        _ => self.stop(),
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// What the current operation waits for; `None` if there is none, or if
    /// [`advance`](Self::advance) can continue it at once.
    pub fn wants(&self) -> Option<Interest> {
        match self.need()? {
            Need::Step | Need::End => None,
            Need::Read => Some(Interest::Read),
            Need::Write => Some(Interest::Write),
            Need::Compute => Some(Interest::Computation),
        }
    }

    /// Whether to acknowledge on TCP at once, because the peer sends again before this side does.
    /// Returns true once. With Nagle's algorithm on, the peer's system holds those bytes back until
    /// then.
    pub fn take_ack_due(&mut self) -> bool {
        std::mem::take(&mut self.ack_due)
    }

    /// Does the expensive work after [`Progress::Compute`]: the private key operation or, after
    /// that in gcm, the answer to the ephemeral keys. The next [`advance`](Self::advance) returns
    /// the result.
    pub fn compute(&mut self) -> Result<()> {
        self.check_alive()?;
        match (self.need(), &self.operation) {
            (Some(Need::Compute), Some((_, State::Exchange { steps, wait }))) => {
                let (steps, wait) = (*steps, *wait);
                match self.step_exchange(steps, wait) {
                    // An error without a refusal to the peer ends the session, as in `step`.
                    Err(error) if self.operation.is_some() => Err(self.abort(error)),
                    other => other,
                }
            }
            _ => Err(Error::new(Reason::OutOfTurn, "no computation is due")),
        }
    }

    /// What the current operation needs next.
    fn need(&self) -> Option<Need> {
        let (_, state) = self.operation.as_ref()?;
        let is_sent = self.output.pending().is_empty();
        let is_received = self.input.is_complete();
        let is_separate = self.config.separate_computation;
        // Send as much as possible at once: everything that does not depend on the peer's next
        // bytes.
        let (can_step, otherwise) = match state {
            State::Exchange { steps: [], .. } | State::SendPacket(_) | State::SendingRefusal(_) => {
                (false, Need::End)
            }
            State::Exchange {
                wait: Wait::Nothing,
                ..
            } => (true, Need::Step),
            State::Exchange {
                wait: Wait::Secret | Wait::EncapsulationKey,
                ..
            } if is_separate && is_received => (false, Need::Compute),
            State::SendHeader(_) => (is_sent && is_received, Need::Read),
            _ => (is_received, Need::Read),
        };
        Some(match (can_step, is_sent) {
            (true, _) => Need::Step,
            (false, false) => Need::Write,
            (false, true) => otherwise,
        })
    }

    /// Ends the operation because of a failure outside the session: a timeout, or a broken
    /// connection. The session continues if `is_recoverable` and no byte of this operation has
    /// moved. Returns the error to report: an earlier one of the session takes precedence.
    pub fn interrupt(&mut self, error: Error, is_recoverable: bool) -> Error {
        if is_recoverable && !self.has_transferred {
            self.stop();
            return error;
        }
        self.abort(error)
    }

    /// Ends the session and wipes its keys.
    pub fn end(&mut self) {
        self.has_failed = true;
        self.stop();
        self.input.wipe();
        self.keys = None;
        self.exchange = None;
    }

    fn start(&mut self, operation: Operation, state: State) {
        self.has_transferred = false;
        self.operation = Some((operation, state));
    }

    fn stop(&mut self) {
        self.operation = None;
        // One of which no step is done leaves the session as it was before.
        self.exchange.take_if(|exchange| !exchange.has_begun());
        if let Some(exchange) = &mut self.exchange {
            exchange.discard_secret();
        }
        self.input.clear();
        self.output.clear();
    }

    fn abort(&mut self, error: Error) -> Error {
        let earlier = self.operation.take();
        self.end();
        match earlier {
            Some((_, State::SendingRefusal(earlier))) => earlier,
            _ => error,
        }
    }

    /// Sends `0` and then fails.
    fn refuse(&mut self, error: Error) -> Result<()> {
        self.output.push(&[REFUSED])?;
        self.set_state(State::SendingRefusal(error));
        Ok(())
    }

    /// Takes one step with complete input; sets `message` if a message is complete.
    fn step(&mut self, message: &mut Option<Message>) -> Result<()> {
        let (_, state) = self.operation.as_ref().expect("an operation was begun");
        let result = match state {
            State::Exchange { steps, wait } => {
                let (steps, wait) = (*steps, *wait);
                self.step_exchange(steps, wait)
            }
            State::ReceiveFirst => self.detect_framing(),
            State::ReceiveHeader(framing) => {
                let framing = *framing;
                self.accept_header(framing)
            }
            State::ReceivePacket(framing) => {
                let framing = *framing;
                self.open_packet(framing, message)
            }
            State::ReceiveV2OrV3 => self.open_v2_or_v3(message),
            State::SendHeader(framing) => {
                let framing = *framing;
                self.receive_answer()?;
                self.output.release();
                self.set_state(State::SendPacket(framing));
                return Ok(());
            }
            State::SendPacket(_) | State::SendingRefusal(_) => unreachable!("they only send"),
        };
        // An error without a refusal to the peer ends the session. A refusal by the peer has
        // already ended the operation.
        match result {
            Err(error) if self.operation.is_some() => Err(self.abort(error)),
            other => other,
        }
    }

    /// Receives an answer byte. A refusal ends the operation, not the session.
    fn receive_answer(&mut self) -> Result<()> {
        let answer = self.input.filled()[0];
        self.input.clear();
        if answer == ACCEPTED {
            return Ok(());
        }
        self.stop();
        Err(Error::new(
            Reason::PeerRefused,
            "the peer refused what was sent",
        ))
    }

    fn set_state(&mut self, state: State) {
        let (_, current) = self.operation.as_mut().expect("an operation was begun");
        *current = state;
    }

    /// Fails if a failure or [`end`](Self::end) has ended the session.
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.has_failed {
            return Err(Error::new(
                Reason::SessionFailed,
                "an earlier failure ended this session",
            ));
        }
        Ok(())
    }

    #[inline]
    fn check_idle(&self) -> Result<()> {
        self.check_alive()?;
        match &self.operation {
            Some((operation, _)) => Err(operation_pending(operation.name(self.role()))),
            None => Ok(()),
        }
    }

    fn check_keys_can_be_set(&self) -> Result<()> {
        self.check_idle()?;
        if self.is_exchanged
            || self
                .exchange
                .as_ref()
                .is_some_and(|exchange| exchange.has_begun())
        {
            return Err(Error::new(
                Reason::KeysAlreadyExchanged,
                "the keys, or a part of them, are exchanged already",
            ));
        }
        Ok(())
    }
}

/// The error of a call while another operation, which is named, is under way.
#[cold]
pub(crate) fn operation_pending(operation: &str) -> Error {
    Error::new(
        Reason::OperationPending,
        format!("{operation} is under way and must be finished first"),
    )
}

/// The framing for these keys, if it is known before the first message.
fn framing_under(config: &Config, keys: &Keys) -> Option<&'static dyn Framing> {
    match keys {
        Keys::Gcm(_) => framing::of(Protocol::Gcm),
        Keys::Cbc(_) => framing_before_keys(config),
    }
}

/// The same without keys, or with keys of v2, v3 or v4.
fn framing_before_keys(config: &Config) -> Option<&'static dyn Framing> {
    match (config.role, config.protocol) {
        // A server detects the framing from the first bytes.
        (Role::Server, _) => None,
        (Role::Client, Protocol::Auto) => framing::of(Protocol::V4),
        (Role::Client, protocol) => framing::of(protocol),
    }
}

/// Checks that a session can begin with this key.
pub(crate) fn check_session_key(wrapper: &AesWrapper) -> Result<()> {
    if wrapper.mode() == AesMode::Gcm {
        return Err(Error::invalid_argument(
            "wrapper is in GCM mode: a session of gcm always exchanges its keys, as what was \
             recorded under a key that is used again could be replayed",
        ));
    }
    Ok(())
}
