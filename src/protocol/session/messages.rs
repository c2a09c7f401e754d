//! The part of a session that sends and receives messages.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{ACCEPTED, Message, Operation, Session, State};
use crate::crypto::aes::decryption_failed;
use crate::error::{Error, Reason, Result};
use crate::message::json::{self, Value};
use crate::message::{MalformedRequest, Request, Response, write_request, write_response};
use crate::protocol::framing::{
    self, CLEAR_HEADER_SIZE, Direction, Framing, Opened, detect, is_clear_header,
};
use crate::protocol::{Protocol, Role};

impl Session {
    /// Begins to receive a message.
    pub fn begin_receive(&mut self) -> Result<()> {
        self.check_idle()?;
        self.check_ready()?;
        match self.framing {
            Some(framing) => {
                let keys = self.keys.as_ref().expect("the session is ready");
                framing.check_unspent(keys, Direction::Received)?;
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
        let keys = self.keys.as_ref().expect("the session is ready");
        framing.check_unspent(keys, Direction::Sent)?;
        // Wiped if it fails half-way: it holds the text.
        let mut message = Zeroizing::new(self.output.take());
        message.resize(framing.header_size(), 0);
        write(&mut message)?;
        framing.seal(keys, &mut message, self.config.random)?;
        let released = if framing.is_answered() {
            framing.header_size()
        } else {
            message.len()
        };
        self.output.set(std::mem::take(&mut *message), released);
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

    /// Has the first bytes of the first message: the header of v2 or v3, or half of v4's.
    pub(super) fn tell_apart(&mut self) -> Result<()> {
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

    pub(super) fn accept_header(&mut self, framing: &'static dyn Framing) -> Result<()> {
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

    pub(super) fn open_packet(&mut self, framing: &'static dyn Framing) -> Result<Message> {
        let keys = self.keys.as_ref().expect("the session is ready");
        let opened = framing.open(keys, self.input.bytes())?;
        let message = self.read_opened(opened)?;
        let keys = self.keys.as_mut().expect("the session is ready");
        framing.finish(keys, Direction::Received, self.input.bytes());
        self.finish_receive(framing);
        Ok(message)
    }

    pub(super) fn open_undetected(&mut self) -> Result<Message> {
        let keys = self.keys.as_ref().expect("the session is ready");
        let is_message = |text: &[u8]| accept(text).is_some();
        let (framing, opened, last_block) = detect(keys, self.input.bytes(), is_message)?;
        let message = self.read_opened(opened)?;
        let pinned = self.config.protocol;
        if pinned != Protocol::Auto && framing.protocol() != pinned {
            return Err(mismatch());
        }
        let keys = self.keys.as_mut().expect("the session is ready");
        framing.finish(keys, Direction::Received, &last_block);
        self.finish_receive(framing);
        Ok(message)
    }

    /// Reads a packet that was decrypted in place, its text first and its padding's verdict
    /// last, so that a wrong padding takes no less time.
    fn read_opened(&mut self, opened: Opened) -> Result<Message> {
        let message = read_message(self.config.role, &self.input.bytes()[opened.text]);
        if bool::from(opened.valid) {
            message
        } else {
            Err(decryption_failed())
        }
    }

    fn finish_receive(&mut self, framing: &'static dyn Framing) {
        self.framing = Some(framing);
        self.stop();
    }

    pub(super) fn finish_send(&mut self, framing: &'static dyn Framing) {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = &self.output.bytes()[framing.header_size()..];
        framing.finish(keys, Direction::Sent, packet);
        self.stop();
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
