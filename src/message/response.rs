//! Responses: what a server answers.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::format::Document;
use super::format::{DATA, RESPONSE, errors_of_whole, write_errors};
use super::json::substr_range;
use super::json::{JsonError, Kind, Origin, Text};
use super::received::ReceivedText;
use super::value::{Value, Values};
use super::work::Count;
use super::writing::{Escaped, Margins, make_room};
use crate::error::{Error, Reason, Result};
use crate::secret::{NoMemory, SecretBytes};

/// An upper bound for the characters of a response around its message, reason and data.
const PUNCTUATION: usize = 64;

/// The request was served.
pub const RESPONSE_MSG_OK: &str = "OK";
/// The client token does not belong to the container.
pub const RESPONSE_MSG_BAD_AUTH: &str = "Bad authentication";
/// The request does not fit the request format, or lacks something.
pub const RESPONSE_MSG_BAD_REQ: &str = "Bad request";
/// The server refuses the request.
pub const RESPONSE_MSG_REFUSED_REQ: &str = "Refused request";
/// The server cannot serve the request now.
pub const RESPONSE_MSG_UNAVAILABLE: &str = "Unavailable";
/// Something went wrong in the server.
pub const RESPONSE_MSG_INTERNAL_ERROR: &str = "Internal error";

/// The length of the shortest response that fits the format.
pub(crate) const SHORTEST_RESPONSE: &str = r#"{"success":true,"message":"","data":{}}"#;

/// A response that fits the response format, as its JSON text was received.
pub struct Response {
    /// The data, in the JSON text, and the message.
    data: Values,
    success: bool,
    /// The message, as written between its quotes.
    message: Range<usize>,
}

/// The places of a response's parts, in a text that fits the format.
pub(crate) struct ResponseOutline {
    json: Range<usize>,
    success: bool,
    message: Range<usize>,
    data: Range<usize>,
    /// The data.
    member_count: usize,
}

impl ResponseOutline {
    /// Reads a JSON text as a response.
    pub fn read(text: &str) -> std::result::Result<std::result::Result<Self, String>, JsonError> {
        Ok(Self::of(text, &RESPONSE.read(text)?))
    }

    /// Checks that the text is JSON, and adds the work to `work`.
    #[inline(always)]
    pub fn read_json<'a>(
        text: &'a str,
        work: &mut impl Count,
    ) -> std::result::Result<Document<'a>, JsonError> {
        RESPONSE.read_counted(text, work)
    }

    /// The outline of a text that was read, or its errors if it is not a response.
    #[inline(always)]
    pub fn of(text: &str, document: &Document<'_>) -> std::result::Result<Self, String> {
        if document.root().object().is_none() {
            return Err(errors_of_whole("response", "must be of dict type"));
        }
        if let Some(errors) = document.errors() {
            return Err(write_errors(errors));
        }
        let required = |name| document.value(name).expect("the format requires it");
        let message = match required("message").kind() {
            Kind::String(message) => substr_range(text, message.as_written()),
            _ => unreachable!("the format requires a string"),
        };
        Ok(Self {
            json: substr_range(text, document.root().as_written()),
            success: matches!(required("success").kind(), Kind::Boolean(true)),
            message,
            data: substr_range(text, required("data").as_written()),
            member_count: document.inner_count(),
        })
    }
}

impl Response {
    /// Makes the response whose outline was read from `text`.
    pub(crate) fn new(
        text: SecretBytes,
        outline: ResponseOutline,
    ) -> std::result::Result<Self, NoMemory> {
        let text = ReceivedText::new(text, outline.json, outline.message.clone())?;
        Ok(Self {
            data: Values::new(text, outline.data, outline.member_count),
            success: outline.success,
            message: outline.message,
        })
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        let Ok(Ok(outline)) = ResponseOutline::read(text) else {
            panic!("{text} is no response");
        };
        Self::new(SecretBytes::from(text.as_bytes()), outline).unwrap()
    }

    /// The errors of a response by field, as the JSON text of an object of lists; `None` if it fits
    /// the format. Fails if the text is not acceptable JSON. This is the Python server's
    /// `verifyResponseContent`.
    pub fn errors_of(json: &str) -> Result<Option<String>> {
        let outline =
            ResponseOutline::read(json).map_err(|problem| problem.of_argument("json", json))?;
        Ok(outline.err())
    }

    /// The whole response as JSON text.
    pub fn json(&self) -> &str {
        self.data.text().json()
    }

    /// Whether the request was served.
    pub fn success(&self) -> bool {
        self.success
    }

    /// The message, with the reason in it if there is one.
    ///
    /// # Panics
    /// If there is no memory to decode it.
    pub fn message(&self) -> Cow<'_, str> {
        Text::from_accepted(&self.data.text().all()[self.message.clone()]).decode()
    }

    /// The data, a JSON object, as text.
    pub fn data_json(&self) -> &str {
        self.data.root_json()
    }

    /// The data, an object, for reading.
    pub fn data(&self) -> Value<'_> {
        self.data.root()
    }

    /// [`json`](Self::json) with a NUL behind it, for C.
    pub fn json_with_nul(&self) -> &str {
        self.data.text().json_with_nul()
    }

    /// [`message`](Self::message) with a NUL behind it, for C. A NUL inside reads as `?`.
    pub fn message_with_nul(&self) -> &str {
        self.data.text().extra_with_nul()
    }

    /// [`data_json`](Self::data_json) with a NUL behind it, for C. Fails if there is no memory for
    /// it.
    pub fn data_json_with_nul(&self) -> Result<&str> {
        Ok(self.data.root_json_with_nul()?)
    }

    /// The member of the data that has this name, if it is a string, with a NUL behind it, for C.
    /// Fails if there is no memory for it.
    pub fn string_with_nul(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.data.string_with_nul(name)?)
    }

    /// The member of the data that has this name, if it is an integer that fits in 64 bits with
    /// sign.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.data.member(name)?.integer()
    }

    /// The member of the data that has this name, if it is `true` or `false`.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.data.member(name)?.boolean()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Data hold passwords and client tokens.
        f.debug_struct("Response")
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

/// Writes the JSON text of a response into `out`, like the Python server.
pub(crate) fn write_response(
    out: &mut SecretBytes,
    margins: Margins,
    success: bool,
    message: &str,
    data_json: Option<&str>,
    reason: Option<&str>,
) -> Result<()> {
    // As in Python, an empty reason counts as none.
    let reason = reason.filter(|reason| !reason.is_empty());
    let data = match data_json {
        Some(text) => checked_data(text)?,
        None => "{}",
    };
    let (message, reason) = (Escaped::new(message), reason.map(Escaped::new));
    let texts = message.room() + reason.as_ref().map_or(0, Escaped::room) + data.len();
    make_room(out, margins, texts + PUNCTUATION)?;
    let head = if success {
        "{\"success\": true, \"message\": \""
    } else {
        "{\"success\": false, \"message\": \""
    };
    out.extend_from_slice(head.as_bytes());
    message.write_to(out);
    if let Some(reason) = reason {
        out.extend_from_slice(b" (reason : ");
        reason.write_to(out);
        out.push(b')');
    }
    out.extend_from_slice(b"\", \"data\": ");
    out.extend_from_slice(data.as_bytes());
    out.push(b'}');
    Ok(())
}

fn checked_data(text: &str) -> Result<&str> {
    let document = DATA
        .read_inside(text, 1, Origin::Caller)
        .map_err(|problem| problem.of_message("data_json", text, malformed))?;
    if document.root().object().is_none() {
        return Err(malformed(
            document.root().describe_as_no_object("data_json"),
        ));
    }
    match document.errors() {
        Some(errors) => Err(malformed(format!(
            "data_json does not fit the response format: {}",
            write_errors(errors)
        ))),
        None => Ok(document.root().as_written()),
    }
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Reason::MalformedResponse, message)
}

#[cfg(test)]
mod tests {
    use super::super::json::MAX_DEPTH;
    use super::*;

    fn written(
        success: bool,
        message: &str,
        data: Option<&str>,
        reason: Option<&str>,
    ) -> Result<String> {
        let margins = Margins {
            header: 3,
            trailer: 5,
        };
        let mut out = SecretBytes::default();
        write_response(&mut out, margins, success, message, data, reason)?;
        let capacity = out.capacity();
        assert!(capacity >= out.len() + 5);
        let text = out.into_text().unwrap();
        assert_eq!(text[..3], *"\0\0\0");
        Ok(text[3..].to_owned())
    }

    #[test]
    fn reads_as_the_python_server_writes() {
        assert_eq!(
            written(true, RESPONSE_MSG_OK, None, None).unwrap(),
            r#"{"success": true, "message": "OK", "data": {}}"#
        );
        let text = written(
            false,
            RESPONSE_MSG_REFUSED_REQ,
            Some(" {\"x\": [1e2, 123456789012345678901]}\n"),
            Some("say \"no\"\n"),
        )
        .unwrap();
        assert_eq!(
            text,
            r#"{"success": false, "message": "Refused request (reason : say \"no\"\n)", "data": {"x": [1e2, 123456789012345678901]}}"#
        );
        assert_eq!(
            written(false, RESPONSE_MSG_REFUSED_REQ, None, Some("")).unwrap(),
            r#"{"success": false, "message": "Refused request", "data": {}}"#
        );
        let response = Response::from_text(&text);
        assert!(!response.success());
        assert_eq!(
            response.message(),
            "Refused request (reason : say \"no\"\n)"
        );
        assert_eq!(
            response.data_json(),
            r#"{"x": [1e2, 123456789012345678901]}"#
        );
    }

    #[test]
    fn a_response_takes_the_room_that_it_needs_and_no_more() {
        let margins = Margins {
            header: 1000,
            trailer: 500,
        };
        let (message, reason) = ("m".repeat(100), "r".repeat(200));
        let data = format!("{{\"a\": \"{}\"}}", "d".repeat(300));
        let mut out = SecretBytes::default();
        write_response(
            &mut out,
            margins,
            true,
            &message,
            Some(&data),
            Some(&reason),
        )
        .unwrap();
        let texts = message.len() + reason.len() + data.len();
        assert_eq!(out.capacity(), 1000 + texts + PUNCTUATION + 500);
    }

    #[test]
    fn bad_data_is_named() {
        for (data, expected) in [
            (
                "",
                "data_json is not acceptable JSON at line 1 column 1 (byte 0): the text is empty",
            ),
            ("[]", "data_json is an array; it must be an object"),
            ("{\"a\": 1, \"a\": 2}", "a duplicate key"),
            ("{\"uptime\": 1}", "field 'version' is required"),
            ("{\"uptime\": -1, \"version\": \"1\"}", "min value is 0"),
        ] {
            let error = written(true, "OK", Some(data), None).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_written_is_never_too_deep_to_be_read() {
        let nested = |depth| format!("{}1{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
        let text = written(true, "OK", Some(&nested(MAX_DEPTH - 1)), None).unwrap();
        assert_eq!(Response::errors_of(&text), Ok(None));
        let error = written(true, "OK", Some(&nested(MAX_DEPTH)), None).unwrap_err();
        assert!(error.to_string().contains("nested too deep"), "{error}");
    }

    #[test]
    fn a_malformed_response_is_refused() {
        for text in ["[]", "{}", r#"{"success": 1, "message": "OK", "data": {}}"#] {
            assert!(Response::errors_of(text).unwrap().is_some(), "{text}");
        }
    }
}
