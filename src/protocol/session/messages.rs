//! The part of a session that sends and receives messages.

use std::ops::Range;
use std::sync::Arc;

use super::{ACCEPTED, Message, Operation, Session, State};
use crate::crypto::aes::decryption_failed;
use crate::error::{Error, Reason, Result};
use crate::message::json::NotJson;
use crate::message::{
    Around, Count, Document, MalformedRequest, Request, RequestOutline, Response, ResponseOutline,
    Work, errors_of_whole, json, write_request, write_response,
};
use crate::protocol::config::{Protocol, Role};
use crate::protocol::framing::{
    self, CLEAR_HEADER_SIZE, Detected, Direction, Framing, LARGEST_TRAILER, Opened, detect,
    is_clear_header,
};
use crate::secret::{NoMemory, SecretBytes};
use crate::secret::{declassify_bytes, declassify_choice};

/// What a decrypted text says, before it is taken out of the buffer.
enum Reading {
    Request(RequestOutline),
    /// Its text, and its errors.
    MalformedRequest(Range<usize>, String),
    Response(ResponseOutline),
}

impl Session {
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
        self.begin_send(|out, around| {
            write_response(out, around, success, message, data_json, reason)
        })
    }

    /// Begins to send a request.
    pub fn begin_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.begin_send(|out, around| write_request(out, around, verb, parameters_json))
    }

    fn begin_send(
        &mut self,
        write: impl FnOnce(&mut SecretBytes, Around) -> Result<()>,
    ) -> Result<()> {
        self.check_idle()?;
        self.check_ready()?;
        let framing = match (self.framing, self.config.protocol) {
            (Some(framing), _) => framing,
            // A server that speaks before it heard anything speaks as the newest release.
            (None, Protocol::Auto) => framing::of(Protocol::V4).expect("it is listed"),
            (None, protocol) => framing::of(protocol).expect("it is listed"),
        };
        let keys = self.keys.as_ref().expect("the session is ready");
        let mut message = self.output.take();
        let around = Around {
            before: framing.header_size(),
            behind: LARGEST_TRAILER,
        };
        write(&mut message, around)?;
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
        match framing.packet_size(keys, self.input.bytes(), self.config.max_message_size) {
            Ok(size) => {
                if framing.is_answered() {
                    self.output.push(&[ACCEPTED])?;
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

    pub(super) fn open_packet(
        &mut self,
        framing: &'static dyn Framing,
        message: &mut Option<Message>,
    ) -> Result<()> {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.bytes();
        let opened = framing.open(keys, packet)?;
        let reading = match framing.protocol() {
            // Its records are authentic: the peer knows what is in them.
            Protocol::Gcm => read(self.config.role, packet, &opened, ()),
            _ => read(self.config.role, packet, &opened, Work::of(1)),
        }?;
        framing.finish(keys, Direction::Received, packet);
        self.finish_receive(framing, opened.text, reading, message)
    }

    pub(super) fn open_undetected(&mut self, message: &mut Option<Message>) -> Result<()> {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.bytes();
        let mut work = Work::of(2);
        let Detected {
            is_v3,
            opened,
            last_block,
        } = detect(keys, packet, |text| is_read(text, &mut work))?;
        let reading = read(self.config.role, packet, &opened, work)?;
        let found = if declassify_choice(is_v3) {
            Protocol::V3
        } else {
            Protocol::V2
        };
        let pinned = self.config.protocol;
        if pinned != Protocol::Auto && found != pinned {
            return Err(mismatch());
        }
        let framing = framing::of(found).expect("it is listed");
        framing.finish(keys, Direction::Received, &last_block);
        self.finish_receive(framing, opened.text, reading, message)
    }

    fn finish_receive(
        &mut self,
        framing: &'static dyn Framing,
        text: Range<usize>,
        reading: Reading,
        message: &mut Option<Message>,
    ) -> Result<()> {
        *message = Some(match reading {
            Reading::Request(outline) => {
                Message::Request(Arc::new(Request::new(self.input.take(text)?, outline)?))
            }
            Reading::MalformedRequest(json, errors) => {
                let text = self.input.take(text)?;
                Message::MalformedRequest(MalformedRequest::new(text, json, &errors)?)
            }
            Reading::Response(outline) => {
                Message::Response(Response::new(self.input.take(text)?, outline)?)
            }
        });
        self.framing = Some(framing);
        self.stop();
        Ok(())
    }

    pub(super) fn finish_send(&mut self, framing: &'static dyn Framing) {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = &self.output.bytes()[framing.header_size()..];
        framing.finish(keys, Direction::Sent, packet);
        self.stop();
    }

    /// Fails if no message can be begun now.
    pub(crate) fn check_ready_to_begin(&self) -> Result<()> {
        self.check_idle()?;
        self.check_ready()
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

/// Whether a decrypted text is one that [`read`] reads, as far as there is memory to tell: if not,
/// the reading of it fails for that reason.
fn is_read(text: &[u8], work: &mut Work) -> bool {
    declassify_bytes(text);
    let text = work.check_utf8(text);
    text.is_some_and(|text| json::python_reads(text, work))
}

/// Reads a packet that was decrypted in place, its text first and its padding's verdict last,
/// so that a wrong padding takes no less time. One that a released peer could not read
/// either counts as not decrypted, by the same way out, and all of them are the same `work` where
/// that is counted.
fn read(role: Role, packet: &[u8], opened: &Opened, mut work: impl Count) -> Result<Reading> {
    let text = &packet[opened.text.clone()];
    declassify_bytes(text);
    let found = work.check_utf8(text).and_then(|text| {
        let document = match role {
            Role::Server => RequestOutline::read_json(text, &mut work),
            Role::Client => ResponseOutline::read_json(text, &mut work),
        };
        let is_read = document.as_ref().map_or_else(
            |problem| problem.is_python || problem.is_no_memory(),
            |_| true,
        );
        is_read.then_some((text, document))
    });
    match found {
        Some((text, document)) if declassify_choice(opened.valid) => reading(role, text, document),
        _ => {
            work.refused(packet);
            Err(decryption_failed())
        }
    }
}

/// What a text says that Python reads, behind a right padding: whoever made it knows it.
fn reading(
    role: Role,
    text: &str,
    document: std::result::Result<Document<'_>, NotJson>,
) -> Result<Reading> {
    let name = match role {
        Role::Server => "request",
        Role::Client => "response",
    };
    let errors = match (document, role) {
        (Ok(document), Role::Server) => match RequestOutline::of(text, &document) {
            Ok(outline) => return Ok(Reading::Request(outline)),
            Err(errors) => errors,
        },
        (Ok(document), Role::Client) => match ResponseOutline::of(text, &document) {
            Ok(outline) => return Ok(Reading::Response(outline)),
            Err(errors) => errors,
        },
        (Err(problem), _) if problem.is_no_memory() => return Err(NoMemory.into()),
        (Err(problem), _) => {
            errors_of_whole(name, &format!("no strict JSON {}", problem.tell(text)))
        }
    };
    match role {
        Role::Server => {
            let json = json::without_blanks(text);
            Ok(Reading::MalformedRequest(json, errors))
        }
        Role::Client => Err(Error::new(
            Reason::MalformedResponse,
            format!("the response does not fit the format: {errors}"),
        )),
    }
}

fn mismatch() -> Error {
    Error::new(
        Reason::ProtocolMismatch,
        "the peer speaks another framing than the one asked for",
    )
}
