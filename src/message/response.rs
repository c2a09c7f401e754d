//! Responses: what a server answers.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::format::{DATA, RESPONSE, write_errors};
use super::json::{self, Kind, NotJson, Value};
use crate::error::{Error, Reason, Result};

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

/// A response that fits the response format, as its JSON text was received.
pub struct Response {
    json: Zeroizing<Box<str>>,
}

impl Response {
    /// Takes an accepted JSON text that should be a response.
    pub(crate) fn from_json(root: Value<'_>) -> Result<Self> {
        let Some(object) = root.object() else {
            return Err(malformed("the response is no JSON object"));
        };
        match RESPONSE.errors(object) {
            Some(errors) => Err(malformed(format!(
                "the response does not fit the format: {}",
                write_errors(errors)
            ))),
            None => Ok(Self {
                json: Zeroizing::new(object.as_written().into()),
            }),
        }
    }

    /// What is wrong with a response, as the JSON text of an object of lists by field;
    /// `None` if it fits the format. Fails if the text is no acceptable JSON. Mirrors the
    /// Python server's `verifyResponseContent`.
    pub fn errors_of(json: &str) -> Result<Option<String>> {
        let Some(object) = json::accept(json)?.object() else {
            return Err(malformed("the response is no JSON object"));
        };
        Ok(RESPONSE.errors(object).map(write_errors))
    }

    /// The whole response as JSON text.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether the request was served.
    pub fn success(&self) -> bool {
        matches!(self.member("success").kind(), Kind::Boolean(true))
    }

    /// The message, with the reason in it if there is one.
    pub fn message(&self) -> Cow<'_, str> {
        match self.member("message").kind() {
            Kind::String(text) => text.decode(),
            _ => unreachable!("the format requires a string"),
        }
    }

    /// The data, a JSON object, as text.
    pub fn data_json(&self) -> &str {
        self.member("data").as_written()
    }

    fn member(&self, name: &str) -> Value<'_> {
        json::Object::from_accepted(&self.json)
            .members()
            .find_map(|(key, value)| (key == *name).then_some(value))
            .expect("the format requires this member")
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

/// Writes the JSON text of a response behind what is in `out`, as the Python server writes
/// it. On an error `out` is as it was.
pub(crate) fn write_response(
    out: &mut Vec<u8>,
    success: bool,
    message: &str,
    data_json: Option<&str>,
    reason: Option<&str>,
) -> Result<()> {
    let data = match data_json {
        Some(text) => checked_data(text)?,
        None => "{}",
    };
    out.extend_from_slice(if success {
        b"{\"success\": true"
    } else {
        b"{\"success\": false"
    });
    out.extend_from_slice(b", \"message\": \"");
    write_escaped(out, message);
    if let Some(reason) = reason {
        out.extend_from_slice(b" (reason : ");
        write_escaped(out, reason);
        out.push(b')');
    }
    out.extend_from_slice(b"\", \"data\": ");
    out.extend_from_slice(data.as_bytes());
    out.push(b'}');
    Ok(())
}

fn checked_data(text: &str) -> Result<&str> {
    let value = json::check(text).map_err(|NotJson { offset, problem }| {
        malformed(format!(
            "data_json is not acceptable JSON at byte {offset}: {problem}"
        ))
    })?;
    let Some(object) = value.object() else {
        return Err(malformed("data_json is no JSON object"));
    };
    match DATA.errors(object) {
        Some(errors) => Err(malformed(format!(
            "data_json does not fit the response format: {}",
            write_errors(errors)
        ))),
        None => Ok(object.as_written()),
    }
}

/// Writes `text` as it stands between the quotes of a JSON string.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    serde_json::to_writer(&mut *out, text).expect("a Vec takes everything");
    out.remove(start);
    out.pop();
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Reason::MalformedResponse, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        success: bool,
        message: &str,
        data: Option<&str>,
        reason: Option<&str>,
    ) -> Result<String> {
        let mut out = b"before".to_vec();
        let result = write_response(&mut out, success, message, data, reason);
        let text = String::from_utf8(out).unwrap();
        match result {
            Ok(()) => Ok(text["before".len()..].to_owned()),
            Err(error) => {
                assert_eq!(text, "before");
                Err(error)
            }
        }
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
        let response = Response::from_json(json::check(&text).unwrap()).unwrap();
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
    fn bad_data_is_named_and_nothing_is_written() {
        for (data, expected) in [
            ("", "at byte 0"),
            ("[]", "no JSON object"),
            ("{\"a\": 1, \"a\": 2}", "stands twice"),
            ("{\"uptime\": 1}", "field 'version' is required"),
            ("{\"uptime\": -1, \"version\": \"1\"}", "min value is 0"),
        ] {
            let error = written(true, "OK", Some(data), None).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_malformed_response_is_refused() {
        for text in ["[]", "{}", r#"{"success": 1, "message": "OK", "data": {}}"#] {
            let error = Response::from_json(json::check(text).unwrap()).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
        }
    }
}
