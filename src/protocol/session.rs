//! [`Session`]: one side of one connection.

use std::sync::Arc;

use super::buffer::{Input, Output};
use super::framing::{
    self, CLEAR_HEADER_SIZE, Direction, Framing, Keys, clear_header, detect, is_clear_header,
    read_clear_header,
};
use super::key_exchange::{KeyExchange, RECEIVE_FIRST, SEND_FIRST, Step};
use super::{Protocol, Role};
use crate::crypto::aes::decryption_failed;
use crate::crypto::rsa::LARGEST_PEM;
use crate::crypto::{AesMode, AesWrapper, RsaWrapper, random};
use crate::error::{Error, Reason, Result};
use crate::message::json::{self, Value};
use crate::message::{MalformedRequest, Request, Response, write_request, write_response};

const ACCEPTED: u8 = b'1';
const REFUSED: u8 = b'0';
/// The size in bits of an AES key that this side makes.
const OWN_KEY_SIZE: u32 = 256;

/// What a session is and how far it goes.
#[derive(Clone)]
pub struct Config {
    /// Which side of the connection this is.
    pub role: Role,
    /// The framing to insist on. As a client, [`Protocol::Auto`] means [`Protocol::V4`].
    pub protocol: Protocol,
    /// The longest message that is received, in bytes of JSON text.
    pub max_message_size: usize,
    /// Whether keys are exchanged. If not, an AES wrapper that was set is the session's key.
    pub exchange_keys: bool,
    /// The random generator; the operating system's unless a test replays a recording.
    pub random: fn(&mut [u8]) -> Result<()>,
}

impl Config {
    /// The defaults for this side of a connection.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            protocol: Protocol::Auto,
            max_message_size: 1024 * 1024,
            exchange_keys: true,
            random: random::fill,
        }
    }
}

/// What an operation of a session does. One is under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The whole key exchange, the peer speaking first or this side.
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
    /// Receives a message: as a server a request, as a client a response.
    Receive,
    /// Sends a message: as a server a response, as a client a request.
    Send,
}

/// What a session needs to go on.
#[derive(Debug)]
pub enum Progress {
    /// Bytes from the peer.
    Read,
    /// Its bytes to be sent.
    Write,
    /// Nothing: the operation is done. Receiving gives a message.
    Done(Option<Message>),
}

/// A message that was received.
#[derive(Debug)]
pub enum Message {
    /// A request that fits the format.
    Request(Arc<Request>),
    /// The errors, as JSON text, of a request that does not.
    MalformedRequest(String),
    /// A response that fits the format.
    Response(Response),
}

/// Where an operation stands.
enum State {
    Exchange {
        steps: &'static [Step],
        wait: Wait,
    },
    /// Waits for the first bytes of a message, enough to tell framings apart.
    ReceiveFirst,
    ReceiveHeader(&'static dyn Framing),
    ReceivePacket(&'static dyn Framing),
    /// As `ReceivePacket`, while v2 and v3 are still possible.
    ReceiveUndetected,
    SendHeader(&'static dyn Framing),
    SendPacket(&'static dyn Framing),
    /// Sends what is left, a refusal, before it fails.
    Failing(Error),
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
}

/// One side of one connection, from the key exchange to its end, without a socket.
///
/// An operation is begun, and then [`advance`](Self::advance) tells what it needs: bytes
/// from the peer are written to [`space`](Self::space) and counted by
/// [`received`](Self::received); bytes for it are found in [`pending`](Self::pending) and
/// counted by [`sent`](Self::sent).
pub struct Session {
    config: Config,
    rsa: Option<RsaWrapper>,
    keys: Option<Keys>,
    exchange: Option<Box<KeyExchange>>,
    is_exchanged: bool,
    framing: Option<&'static dyn Framing>,
    operation: Option<(Operation, State)>,
    has_moved: bool,
    has_failed: bool,
    input: Input,
    output: Output,
}

impl Session {
    /// A session before its first operation.
    pub fn new(config: Config) -> Self {
        let framing = match (config.role, config.protocol) {
            (Role::Client, Protocol::Auto) => framing::of(Protocol::V4),
            // A server hears the first bytes before it believes in a framing.
            (Role::Server, _) => None,
            (Role::Client, protocol) => framing::of(protocol),
        };
        Self {
            config,
            rsa: None,
            keys: None,
            exchange: None,
            is_exchanged: false,
            framing,
            operation: None,
            has_moved: false,
            has_failed: false,
            input: Input::default(),
            output: Output::default(),
        }
    }

    /// The framing: the one that was asked for, or the one that was found out.
    pub fn protocol(&self) -> Protocol {
        match (self.config.protocol, self.framing) {
            (Protocol::Auto, Some(framing)) => framing.protocol(),
            (protocol, _) => protocol,
        }
    }

    /// The RSA keys: this side's and, once it was received, the peer's public one.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.rsa.as_ref()
    }

    /// The AES key of the session, or the one that is to be sent.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.keys.as_ref().map(|keys| &keys.aes)
    }

    /// Sets this side's RSA keys, before they are exchanged.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        self.check_changeable()?;
        self.rsa = Some(wrapper.local_keys());
        Ok(())
    }

    /// Sets the AES key: the one to send in the key exchange, or, where none takes place,
    /// the key of the session.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.check_changeable()?;
        check_session_key(wrapper)?;
        let is_gcm = wrapper.mode() == AesMode::Gcm;
        let fits = match self.config.protocol {
            Protocol::Auto => true,
            protocol => is_gcm == (protocol == Protocol::Gcm),
        };
        if !fits {
            return Err(Error::new(
                Reason::ProtocolMismatch,
                "wrapper is of a mode that the framing asked for does not use",
            ));
        }
        if is_gcm {
            self.framing = framing::of(Protocol::Gcm);
        } else if self.config.role == Role::Server {
            self.framing = None;
        }
        self.keys = Some(Keys::new(wrapper.clone(), self.config.role));
        Ok(())
    }

    /// Whether an earlier failure ended the session.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The operation under way.
    pub fn operation(&self) -> Option<Operation> {
        self.operation.as_ref().map(|(operation, _)| *operation)
    }

    /// Begins a key exchange or one of its steps.
    pub fn begin_exchange(&mut self, operation: Operation) -> Result<()> {
        self.check_idle()?;
        let steps: &'static [Step] = match operation {
            Operation::ExchangeKeys {
                receive_first: true,
            } => RECEIVE_FIRST,
            Operation::ExchangeKeys {
                receive_first: false,
            } => SEND_FIRST,
            Operation::SendPublicKey => &[Step::SendPublicKey],
            Operation::ReceivePublicKey => &[Step::ReceivePublicKey],
            Operation::SendAesKey => &[Step::SendSecret],
            Operation::ReceiveAesKey => &[Step::ReceiveSecret],
            Operation::Receive | Operation::Send => unreachable!("no part of a key exchange"),
        };
        let is_repeated = match &self.exchange {
            Some(exchange) => steps.iter().any(|step| exchange.is_done(*step)),
            None => self.is_exchanged,
        };
        if is_repeated {
            return Err(Error::new(
                Reason::KeysAlreadyExchanged,
                "the keys, or this part of them, are exchanged already",
            ));
        }
        self.prepare_keys(steps)?;
        self.exchange.get_or_insert_default();
        self.start(
            operation,
            State::Exchange {
                steps,
                wait: Wait::Nothing,
            },
        );
        Ok(())
    }

    /// Makes or checks what the steps need, so that nothing is missing half-way.
    fn prepare_keys(&mut self, steps: &[Step]) -> Result<()> {
        let rsa = match &mut self.rsa {
            Some(rsa) => rsa,
            none => none.insert(RsaWrapper::process_wide()?),
        };
        let missing = |message| Err(Error::new(Reason::KeyMissing, message));
        if rsa.public_key().is_none() {
            return missing("no local public RSA key is set");
        }
        rsa.ciphertext_size()?;
        if steps == [Step::SendSecret] && !rsa.has_remote() {
            return missing("the peer's public RSA key was not received yet");
        }
        if steps.contains(&Step::SendSecret) && self.keys.is_none() {
            let aes = AesWrapper::new(OWN_KEY_SIZE, AesMode::Cbc)?;
            self.keys = Some(Keys::new(aes, self.config.role));
        }
        Ok(())
    }

    /// Begins to receive a message.
    pub fn begin_receive(&mut self) -> Result<()> {
        self.check_idle()?;
        self.check_ready()?;
        match self.framing {
            Some(framing) => {
                self.input.want(framing.header_size());
                self.start(Operation::Receive, State::ReceiveHeader(framing));
            }
            None => {
                self.input.want(CLEAR_HEADER_SIZE);
                self.start(Operation::Receive, State::ReceiveFirst);
            }
        }
        Ok(())
    }

    /// Begins to send a response.
    pub fn begin_response(
        &mut self,
        success: bool,
        message: &str,
        data_json: Option<&str>,
        reason: Option<&str>,
    ) -> Result<()> {
        self.begin_send(|out| write_response(out, success, message, data_json, reason))
    }

    /// Begins to send a request.
    pub fn begin_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.begin_send(|out| write_request(out, verb, parameters_json))
    }

    fn begin_send(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.check_idle()?;
        self.check_ready()?;
        let framing = match (self.framing, self.config.protocol) {
            (Some(framing), _) => framing,
            // A server that speaks before it heard anything speaks as the newest release.
            (None, Protocol::Auto) => framing::of(Protocol::V4).expect("it is listed"),
            (None, protocol) => framing::of(protocol).expect("it is listed"),
        };
        let mut message = self.output.take();
        message.resize(framing.header_size(), 0);
        let keys = self.keys.as_ref().expect("the session is ready");
        write(&mut message)?;
        framing.seal(keys, &mut message, self.config.random)?;
        let released = if framing.is_answered() {
            framing.header_size()
        } else {
            message.len()
        };
        self.output.set(message, released);
        self.framing = Some(framing);
        let state = if framing.is_answered() {
            self.input.want(1);
            State::SendHeader(framing)
        } else {
            State::SendPacket(framing)
        };
        self.start(Operation::Send, state);
        Ok(())
    }

    /// Where bytes from the peer go. Not empty after [`Progress::Read`], and never longer
    /// than the message under way.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Counts bytes that were written to [`space`](Self::space).
    pub fn received(&mut self, count: usize) {
        self.has_moved |= count > 0;
        self.input.fill(count);
    }

    /// The bytes to send.
    pub fn pending(&self) -> &[u8] {
        self.output.pending()
    }

    /// Counts bytes of [`pending`](Self::pending) that were sent.
    pub fn sent(&mut self, count: usize) {
        self.has_moved |= count > 0;
        self.output.advance(count);
    }

    /// Takes the operation as far as it goes. On an error the operation is over, and so is
    /// the session unless the error's reason says that it goes on.
    pub fn advance(&mut self) -> Result<Progress> {
        loop {
            // One flight, one send: nothing goes out before everything is written that can
            // be without hearing from the peer.
            let (_, state) = self.operation.as_ref().expect("an operation was begun");
            let can_go_on = match state {
                State::Exchange {
                    wait: Wait::Nothing,
                    steps,
                } => !steps.is_empty(),
                State::SendPacket(_) | State::Failing(_) => false,
                State::SendHeader(_) => {
                    self.output.pending().is_empty() && self.input.is_complete()
                }
                _ => self.input.is_complete(),
            };
            if can_go_on {
                if let Some(message) = self.step()? {
                    return Ok(Progress::Done(Some(message)));
                }
                continue;
            }
            if !self.output.pending().is_empty() {
                return Ok(Progress::Write);
            }
            match self.operation.as_ref().map(|(_, state)| state) {
                Some(State::Failing(_)) => return Err(self.abort(decryption_failed())),
                Some(State::SendPacket(framing)) => self.finish_send(*framing),
                Some(State::Exchange { steps: [], .. }) => self.stop(),
                _ => return Ok(Progress::Read),
            }
            return Ok(Progress::Done(None));
        }
    }

    /// Ends the operation because of a failure outside the session: no bytes in time, a
    /// broken connection. A session of which nothing moved in this operation goes on if
    /// `is_survivable`. Gives the error to report: an earlier one of the session's own has
    /// precedence.
    pub fn interrupt(&mut self, error: Error, is_survivable: bool) -> Error {
        if is_survivable && !self.has_moved {
            self.stop();
            return error;
        }
        self.abort(error)
    }

    /// Ends the session and wipes its keys.
    pub fn end(&mut self) {
        self.has_failed = true;
        self.stop();
        self.keys = None;
        self.exchange = None;
    }

    fn start(&mut self, operation: Operation, state: State) {
        self.has_moved = false;
        self.operation = Some((operation, state));
    }

    fn stop(&mut self) {
        self.operation = None;
        self.input.clear();
        self.output.clear();
    }

    fn abort(&mut self, error: Error) -> Error {
        let earlier = self.operation.take();
        self.end();
        match earlier {
            Some((_, State::Failing(earlier))) => earlier,
            _ => error,
        }
    }

    /// Sends `0` and then fails.
    fn refuse(&mut self, error: Error) -> Result<()> {
        self.output.push(&[REFUSED]);
        self.set_state(State::Failing(error));
        Ok(())
    }

    /// Takes one step with complete input.
    fn step(&mut self) -> Result<Option<Message>> {
        let (_, state) = self.operation.as_ref().expect("an operation was begun");
        let result = match state {
            State::Exchange { steps, wait } => {
                let (steps, wait) = (*steps, *wait);
                self.step_exchange(steps, wait).map(|()| None)
            }
            State::ReceiveFirst => self.tell_apart().map(|()| None),
            State::ReceiveHeader(framing) => {
                let framing = *framing;
                self.accept_header(framing).map(|()| None)
            }
            State::ReceivePacket(framing) => {
                let framing = *framing;
                self.open_packet(framing).map(Some)
            }
            State::ReceiveUndetected => self.open_undetected().map(Some),
            State::SendHeader(framing) => {
                let framing = *framing;
                self.hear_answer()?;
                self.output.release();
                self.set_state(State::SendPacket(framing));
                return Ok(None);
            }
            State::SendPacket(_) | State::Failing(_) => unreachable!("they only send"),
        };
        // What a peer could not be told before is what ends a session; a refusal of its own
        // has ended the operation already.
        match result {
            Err(error) if self.operation.is_some() => Err(self.abort(error)),
            other => other,
        }
    }

    /// Takes an answer byte. A refusal ends the operation, not the session.
    fn hear_answer(&mut self) -> Result<()> {
        let answer = self.input.bytes()[0];
        self.input.clear();
        if answer == ACCEPTED {
            return Ok(());
        }
        self.stop();
        Err(Error::new(
            Reason::PeerRefused,
            "the peer refused what it was offered",
        ))
    }

    fn set_state(&mut self, state: State) {
        let (_, current) = self.operation.as_mut().expect("an operation was begun");
        *current = state;
    }

    fn wait_for(&mut self, steps: &'static [Step], wait: Wait, count: usize) {
        self.input.clear();
        self.input.want(count);
        self.set_state(State::Exchange { steps, wait });
    }

    fn step_exchange(&mut self, steps: &'static [Step], wait: Wait) -> Result<()> {
        match wait {
            Wait::Nothing => self.begin_step(steps),
            Wait::LengthAnswer => {
                self.hear_answer()?;
                let rsa = self.rsa.as_ref().expect("keys were prepared");
                let pem = rsa.public_key().expect("keys were prepared");
                self.output.push(pem.as_bytes());
                self.wait_for(steps, Wait::Answer, 1);
                Ok(())
            }
            Wait::Answer => {
                if let Err(error) = self.hear_answer() {
                    if steps[0] == Step::SendSecret
                        && let Some(exchange) = &mut self.exchange
                    {
                        exchange.take_back_secret();
                    }
                    return Err(error);
                }
                self.finish_step(steps);
                Ok(())
            }
            Wait::Length => {
                let size = match read_clear_header(self.input.bytes()) {
                    Ok(0) => Err(Error::new(
                        Reason::ProtocolViolation,
                        "the peer announced an empty public key",
                    )),
                    Ok(size) if size > LARGEST_PEM as u64 => Err(Error::new(
                        Reason::MessageTooLarge,
                        format!(
                            "the peer announced a public key of {size} bytes; at most {LARGEST_PEM} are read"
                        ),
                    )),
                    other => other,
                };
                match size {
                    Ok(size) => {
                        self.output.push(&[ACCEPTED]);
                        self.wait_for(steps, Wait::PublicKey, size as usize);
                        Ok(())
                    }
                    Err(error) => self.refuse(error),
                }
            }
            Wait::PublicKey => {
                let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
                match exchange.accept_public_key(rsa, self.input.bytes()) {
                    Ok(()) => {
                        self.output.push(&[ACCEPTED]);
                        self.finish_step(steps);
                        Ok(())
                    }
                    Err(error) => self.refuse(error),
                }
            }
            Wait::Secret => {
                let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
                match exchange.accept_secret(rsa, self.input.bytes(), self.config.protocol) {
                    Ok(()) => {
                        self.output.push(&[ACCEPTED]);
                        self.finish_step(steps);
                        Ok(())
                    }
                    Err(error) => self.refuse(error),
                }
            }
        }
    }

    fn begin_step(&mut self, steps: &'static [Step]) -> Result<()> {
        let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
        match steps[0] {
            Step::SendPublicKey => {
                let pem = rsa.public_key().expect("keys were prepared");
                self.output.push(&clear_header(pem.len())?);
                self.wait_for(steps, Wait::LengthAnswer, 1);
            }
            Step::ReceivePublicKey => self.wait_for(steps, Wait::Length, CLEAR_HEADER_SIZE),
            Step::SendSecret => {
                let own_key = &self.keys.as_ref().expect("keys were prepared").aes;
                let wrapped =
                    exchange.wrap_secret(rsa, own_key, self.config.protocol, self.config.random)?;
                self.output.push(&wrapped);
                self.wait_for(steps, Wait::Answer, 1);
            }
            Step::ReceiveSecret => {
                let size = rsa.ciphertext_size()?;
                self.wait_for(steps, Wait::Secret, size);
            }
        }
        Ok(())
    }

    fn finish_step(&mut self, steps: &'static [Step]) {
        let (exchange, _) = exchange_parts(&mut self.exchange, &mut self.rsa);
        exchange.finish(steps[0]);
        if let Some(key) = exchange.agreed_key() {
            if key.mode() == AesMode::Gcm {
                self.framing = framing::of(Protocol::Gcm);
            }
            self.keys = Some(Keys::new(key, self.config.role));
            self.is_exchanged = true;
            self.exchange = None;
            if let Some(rsa) = &mut self.rsa {
                rsa.rest();
            }
        }
        self.input.clear();
        self.set_state(State::Exchange {
            steps: &steps[1..],
            wait: Wait::Nothing,
        });
    }

    /// Has the first bytes of the first message: the header of v2 or v3, or half of v4's.
    fn tell_apart(&mut self) -> Result<()> {
        let is_clear = is_clear_header(self.input.bytes());
        let pinned = self.config.protocol;
        let fits = match pinned {
            Protocol::Auto => true,
            Protocol::V2 | Protocol::V3 => is_clear,
            Protocol::V4 => !is_clear,
            Protocol::Gcm => false,
        };
        if !fits {
            return self.refuse(mismatch());
        }
        if is_clear {
            // v3 is the longer of the two.
            return self.accept_header(framing::of(Protocol::V3).expect("it is listed"));
        }
        let v4 = framing::of(Protocol::V4).expect("it is listed");
        self.input.want(v4.header_size());
        self.set_state(State::ReceiveHeader(v4));
        Ok(())
    }

    fn accept_header(&mut self, framing: &'static dyn Framing) -> Result<()> {
        let keys = self.keys.as_ref().expect("the session is ready");
        let largest = self.config.max_message_size;
        match framing.packet_size(keys, self.input.bytes(), largest) {
            Ok(size) => {
                if framing.is_answered() {
                    self.output.push(&[ACCEPTED]);
                }
                self.input.clear();
                self.input.want(size);
                self.set_state(match self.framing {
                    None if framing.protocol() == Protocol::V3 => State::ReceiveUndetected,
                    _ => State::ReceivePacket(framing),
                });
                Ok(())
            }
            Err(error) if framing.is_answered() => self.refuse(error),
            Err(error) => Err(error),
        }
    }

    fn open_packet(&mut self, framing: &'static dyn Framing) -> Result<Message> {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.bytes();
        let opened = framing.open(keys, packet)?;
        let message = read_message(self.config.role, &packet[opened.text]);
        let message = if opened.valid.into() {
            message?
        } else {
            return Err(decryption_failed());
        };
        framing.finish(keys, Direction::Received, packet);
        self.framing = Some(framing);
        self.stop();
        Ok(message)
    }

    fn open_undetected(&mut self) -> Result<Message> {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.bytes();
        let (framing, opened, last_block) = detect(keys, packet, |text| accept(text).is_some())?;
        let message = read_message(self.config.role, &packet[opened.text]);
        let message = if opened.valid.into() {
            message?
        } else {
            return Err(decryption_failed());
        };
        if !matches!(self.config.protocol, Protocol::Auto)
            && framing.protocol() != self.config.protocol
        {
            return Err(mismatch());
        }
        framing.finish(keys, Direction::Received, &last_block);
        self.framing = Some(framing);
        self.stop();
        Ok(message)
    }

    fn finish_send(&mut self, framing: &'static dyn Framing) {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = &self.output.bytes()[framing.header_size()..];
        framing.finish(keys, Direction::Sent, packet);
        self.stop();
    }

    fn check_alive(&self) -> Result<()> {
        if self.has_failed {
            return Err(Error::new(
                Reason::SessionFailed,
                "an earlier failure ended this session",
            ));
        }
        Ok(())
    }

    fn check_idle(&self) -> Result<()> {
        self.check_alive()?;
        if self.operation.is_some() {
            return Err(Error::new(
                Reason::OperationPending,
                "another operation of this client waits to be finished first",
            ));
        }
        Ok(())
    }

    fn check_ready(&self) -> Result<()> {
        let is_preset =
            !self.config.exchange_keys && self.exchange.is_none() && self.keys.is_some();
        if self.is_exchanged || is_preset {
            return Ok(());
        }
        Err(Error::new(
            Reason::KeysNotExchanged,
            "the keys are not exchanged yet",
        ))
    }

    fn check_changeable(&self) -> Result<()> {
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

    /// Sets how many messages have passed, to reach the end of a key in a test.
    #[cfg(test)]
    pub(crate) fn set_message_numbers(&mut self, number: u64) {
        let keys = self.keys.as_mut().expect("the session is ready");
        (keys.sent, keys.received) = (number, number);
    }
}

/// Checks that a framing can use this key.
pub(crate) fn check_session_key(wrapper: &AesWrapper) -> Result<()> {
    if wrapper.mode() == AesMode::Gcm && wrapper.key_size() != 256 {
        return Err(Error::invalid_argument(
            "wrapper has a GCM key of another size than 256 bits",
        ));
    }
    Ok(())
}

fn exchange_parts<'a>(
    exchange: &'a mut Option<Box<KeyExchange>>,
    rsa: &'a mut Option<RsaWrapper>,
) -> (&'a mut KeyExchange, &'a mut RsaWrapper) {
    const PREPARED: &str = "the exchange was prepared";
    (
        exchange.as_mut().expect(PREPARED),
        rsa.as_mut().expect(PREPARED),
    )
}

/// The JSON value of a decrypted text, if it is one.
fn accept(text: &[u8]) -> Option<Value<'_>> {
    json::check(std::str::from_utf8(text).ok()?).ok()
}

/// Reads a decrypted text. One that is no JSON counts as not decrypted.
fn read_message(role: Role, text: &[u8]) -> Result<Message> {
    let root = accept(text).ok_or_else(decryption_failed)?;
    match role {
        Role::Server => Ok(match Request::from_json(root) {
            Ok(request) => Message::Request(Arc::new(request)),
            Err(MalformedRequest(errors)) => Message::MalformedRequest(errors),
        }),
        Role::Client => Response::from_json(root).map(Message::Response),
    }
}

fn mismatch() -> Error {
    Error::new(
        Reason::ProtocolMismatch,
        "the peer speaks another framing than the one asked for",
    )
}
