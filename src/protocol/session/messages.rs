//! The part of a session that sends and receives messages.

use std::ops::Range;
use std::sync::Arc;

use super::{ACCEPTED, Message, Operation, Session, State};
use crate::crypto::aes::decryption_failed;
use crate::error::{Error, Reason, Result};
use crate::message::json::JsonError;
use crate::message::{
    Count, Document, MalformedRequest, Margins, Request, RequestOutline, Response, ResponseOutline,
    Work, equalize_work, errors_of_whole, json, write_request, write_response,
};
use crate::protocol::config::{Protocol, Role};
use crate::protocol::framing::{
    self, CLEAR_HEADER_SIZE, Detected, Direction, Framing, MAX_TRAILER_SIZE, Opened, detect,
    is_clear_header,
};
use crate::secret::{NoMemory, SecretBytes, wiping_stack};
use crate::secret::{declassify_bytes, declassify_choice};

/// A decrypted and checked message, before it is taken out of the buffer.
enum Checked {
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
                let has_begun = self.has_read_ahead();
                let header_size = framing.header_size();
                match framing.read_ahead(self.config.role) {
                    0 => self.input.want(header_size),
                    ahead => self.input.want_header(header_size, ahead),
                }
                self.start(Operation::Receive, State::ReceiveHeader(framing));
                self.has_transferred = has_begun;
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
        self.begin_send(|out, margins| {
            write_response(out, margins, success, message, data_json, reason)
        })
    }

    /// Begins to send a request.
    pub fn begin_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.begin_send(|out, margins| write_request(out, margins, verb, parameters_json))
    }

    fn begin_send(
        &mut self,
        write: impl FnOnce(&mut SecretBytes, Margins) -> Result<()>,
    ) -> Result<()> {
        self.check_idle()?;
        self.check_ready()?;
        let framing = match (self.framing, self.config.protocol) {
            (Some(framing), _) => framing,
            // A server that sends before it has received anything speaks like the newest release.
            (None, Protocol::Auto) => framing::of(Protocol::V4).expect("it is listed"),
            (None, protocol) => framing::of(protocol).expect("it is listed"),
        };
        let keys = self.keys.as_ref().expect("the session is ready");
        let mut message = self.output.take();
        let margins = Margins {
            header: framing.header_size(),
            trailer: MAX_TRAILER_SIZE,
        };
        write(&mut message, margins)?;
        framing.seal(keys, &mut message, self.config.random)?;
        let released = if framing.is_answered() {
            framing.header_size()
        } else {
            message.len()
        };
        self.output.set(message, released);
        let state = if framing.is_answered() {
            self.input.want(1);
            State::SendHeader(framing)
        } else {
            State::SendPacket(framing)
        };
        self.start(Operation::Send, state);
        Ok(())
    }

    /// Detects the framing from the first bytes of the first message: a whole header of v2 or v3,
    /// or half of one of v4.
    pub(super) fn detect_framing(&mut self) -> Result<()> {
        let is_clear = is_clear_header(self.input.filled());
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
            // v3 allows the longer packet.
            return self.accept_header(framing::of(Protocol::V3).expect("it is listed"));
        }
        let v4 = framing::of(Protocol::V4).expect("it is listed");
        self.input.want(v4.header_size());
        self.set_state(State::ReceiveHeader(v4));
        Ok(())
    }

    pub(super) fn accept_header(&mut self, framing: &'static dyn Framing) -> Result<()> {
        let keys = self.keys.as_ref().expect("the session is ready");
        match framing.packet_size(keys, self.input.filled(), self.config.max_message_size) {
            Ok(size) => {
                if framing.is_answered() {
                    self.output.push(&[ACCEPTED])?;
                    self.input.clear();
                    self.input.want(size);
                } else {
                    self.input.want_packet(size);
                }
                self.set_state(match self.framing {
                    None if framing.protocol() == Protocol::V3 => State::ReceiveV2OrV3,
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
        self.check_ahead(framing)?;
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.filled();
        let opened = framing.open(keys, packet)?;
        let reading = wiping_words(|| match framing.protocol() {
            // Records are authenticated: the peer knows what is in them, so timing reveals nothing.
            Protocol::Gcm => read(self.config.role, packet, &opened, ()),
            _ => read(self.config.role, packet, &opened, Work::of(1)),
        })?;
        framing.advance_keys(keys, Direction::Received, packet);
        self.finish_receive(framing, opened.text, reading, message)
    }

    /// Refuses a whole message among the bytes that were read ahead: it is shorter than any valid
    /// one. It cannot wait here either, because the socket would not become readable for it.
    fn check_ahead(&mut self, framing: &dyn Framing) -> Result<()> {
        let keys = self.keys.as_ref().expect("the session is ready");
        let next = self.input.next_record();
        let Some((header, packet)) = next.split_at_mut_checked(framing.header_size()) else {
            return Ok(());
        };
        match framing.packet_size(keys, header, self.config.max_message_size) {
            Ok(size) if packet.len() < size => Ok(()),
            _ => Err(Error::new(
                Reason::ProtocolViolation,
                "the peer sent invalid bytes after a message",
            )),
        }
    }

    pub(super) fn open_v2_or_v3(&mut self, message: &mut Option<Message>) -> Result<()> {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = self.input.filled();
        let mut work = Work::of(2);
        let Detected {
            is_v3,
            opened,
            last_block,
        } = wiping_words(|| detect(keys, packet, |text| is_read(text, &mut work)))?;
        let reading = wiping_words(|| read(self.config.role, packet, &opened, work))?;
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
        framing.advance_keys(keys, Direction::Received, &last_block);
        self.finish_receive(framing, opened.text, reading, message)
    }

    fn finish_receive(
        &mut self,
        framing: &'static dyn Framing,
        text: Range<usize>,
        reading: Checked,
        message: &mut Option<Message>,
    ) -> Result<()> {
        let text = self.input.take(text)?;
        match reading {
            Checked::Request(outline) => {
                let request = Arc::new(Request::new(text, outline)?);
                *message = Some(Message::Request(request));
            }
            Checked::MalformedRequest(json, errors) => {
                let request = MalformedRequest::new(text, json, &errors)?;
                *message = Some(Message::MalformedRequest(request));
            }
            Checked::Response(outline) => {
                let response = Response::new(text, outline)?;
                *message = Some(Message::Response(response));
            }
        }
        self.framing = Some(framing);
        self.stop();
        Ok(())
    }

    pub(super) fn finish_send(&mut self, framing: &'static dyn Framing) {
        let keys = self.keys.as_mut().expect("the session is ready");
        let packet = &self.output.bytes()[framing.header_size()..];
        framing.advance_keys(keys, Direction::Sent, packet);
        self.framing = Some(framing);
        self.stop();
    }

    /// Fails if no message can be sent or received right now.
    pub(crate) fn check_ready_to_begin(&self) -> Result<()> {
        self.check_idle()?;
        self.check_ready()
    }

    /// Whether messages can be sent and received.
    pub fn is_ready(&self) -> bool {
        let is_preset =
            !self.config.exchange_keys && self.exchange.is_none() && self.keys.is_some();
        self.is_exchanged || is_preset
    }

    fn check_ready(&self) -> Result<()> {
        if self.is_ready() {
            return Ok(());
        }
        Err(Error::new(
            Reason::KeysNotExchanged,
            "the keys are not exchanged yet",
        ))
    }
}

/// Reads a text. On 32 bits its words do not fit the registers, so what the reader leaves of them on
/// the stack is wiped.
fn wiping_words<T>(read: impl FnOnce() -> T) -> T {
    /// In pieces of 256 bytes.
    const WORDS_STACK: usize = 16;
    match cfg!(target_pointer_width = "32") {
        true => wiping_stack::<WORDS_STACK, _>(read),
        false => read(),
    }
}

/// Whether [`read`] accepts a decrypted text. If there is no memory to find out, returns true:
/// reading it then fails for lack of memory.
fn is_read(text: &[u8], work: &mut Work) -> bool {
    declassify_bytes(text);
    let text = work.check_utf8(text);
    text.is_some_and(|text| json::python_reads(text, work))
}

/// Reads a packet that was decrypted in place. The text is read before the padding is judged, so
/// that a wrong padding takes as long as a right one. A text that released peers cannot read fails
/// like a failed decryption, after the same `work` if that is counted.
fn read(role: Role, packet: &[u8], opened: &Opened, mut work: impl Count) -> Result<Checked> {
    let text = &packet[opened.text.clone()];
    declassify_bytes(text);
    let found = work.check_utf8(text).map(|text| {
        let document = match role {
            Role::Server => RequestOutline::read_json(text, &mut work),
            Role::Client => ResponseOutline::read_json(text, &mut work),
        };
        (text, document)
    });
    let is_read = |document: &std::result::Result<_, JsonError>| match document {
        Ok(_) => true,
        Err(problem) => problem.is_python || problem.is_no_memory(),
    };
    match &found {
        Some((text, document)) if is_read(document) && declassify_choice(opened.valid) => {
            reading(role, text, document)
        }
        _ => {
            equalize_work(work, packet);
            Err(decryption_failed())
        }
    }
}

/// Checks a text that Python can read and whose padding is valid against the format.
fn reading(
    role: Role,
    text: &str,
    document: &std::result::Result<Document<'_>, JsonError>,
) -> Result<Checked> {
    let name = match role {
        Role::Server => "request",
        Role::Client => "response",
    };
    let errors = match (document, role) {
        (Ok(document), Role::Server) => match RequestOutline::of(text, document) {
            Ok(outline) => return Ok(Checked::Request(outline)),
            Err(errors) => errors,
        },
        (Ok(document), Role::Client) => match ResponseOutline::of(text, document) {
            Ok(outline) => return Ok(Checked::Response(outline)),
            Err(errors) => errors,
        },
        (Err(problem), _) if problem.is_no_memory() => return Err(NoMemory.into()),
        (Err(problem), _) => {
            errors_of_whole(name, &format!("not strict JSON {}", problem.describe(text)))
        }
    };
    match role {
        Role::Server => {
            let json = json::trim_whitespace(text);
            Ok(Checked::MalformedRequest(json, errors))
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
        "the peer speaks a framing other than the configured one",
    )
}
