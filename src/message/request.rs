//! Requests: what a client asks of a server.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value as Tree;
use zeroize::{Zeroize, Zeroizing};

use super::format::{REQUEST, write_errors};
use super::json::{Kind, Object, Value, accept};
use crate::error::{Error, Reason, Result};

/// A request that fits the request format: a verb and parameters.
///
/// It keeps the JSON text as it was received; integers have all their digits, and members
/// that the format does not name are there too. The text is wiped when the request is
/// dropped.
pub struct Request {
    /// The JSON text and the verb, each with a NUL behind it, in one allocation.
    text: Zeroizing<Box<str>>,
    json_len: usize,
    parameters: Range<usize>,
    /// Made when they are first asked for.
    parameters_with_nul: OnceLock<Zeroizing<Box<str>>>,
    strings: OnceLock<Vec<StringParameter>>,
}

/// A parameter that is a string, decoded.
struct StringParameter {
    name: Box<str>,
    value_with_nul: Zeroizing<Box<str>>,
}

/// The errors of a request that does not fit the format, as a JSON text.
#[derive(Debug)]
pub(crate) struct MalformedRequest(pub String);

impl Request {
    /// Takes an accepted JSON text that should be a request.
    pub(crate) fn from_json(root: Value<'_>) -> std::result::Result<Self, MalformedRequest> {
        let Some(object) = root.object() else {
            return Err(MalformedRequest(
                r#"{"request": ["must be of dict type"]}"#.to_owned(),
            ));
        };
        if let Some(errors) = REQUEST.errors(object) {
            return Err(MalformedRequest(write_errors(errors)));
        }
        let json = object.as_written();
        let mut verb = None;
        let mut parameters = 0..0;
        for (key, value) in object.members() {
            match value.kind() {
                Kind::String(text) if key == *"verb" => verb = Some(text),
                Kind::Object(_) if key == *"parameters" => {
                    let written = value.as_written();
                    let start = written.as_ptr().addr() - json.as_ptr().addr();
                    parameters = start..start + written.len();
                }
                _ => {}
            }
        }
        let verb = verb.expect("the format requires a verb").decode();
        let mut text = String::with_capacity(json.len() + verb.len() + 2);
        for part in [json, "\0", &verb, "\0"] {
            text.push_str(part);
        }
        Ok(Self {
            text: Zeroizing::new(text.into_boxed_str()),
            json_len: json.len(),
            parameters,
            parameters_with_nul: OnceLock::new(),
            strings: OnceLock::new(),
        })
    }

    /// What is wrong with a request, as the JSON text of an object of lists by field;
    /// `None` if it fits the format. Fails if the text is no acceptable JSON. Mirrors the
    /// Python server's `verifyRequestContent`.
    pub fn errors_of(json: &str) -> Result<Option<String>> {
        let root = accept(json)?;
        Ok(Self::from_json(root)
            .err()
            .map(|MalformedRequest(errors)| errors))
    }

    /// The verb: capital letters A to Z. `CREATE`, `DESTROY` and `STAT` are known to every
    /// server.
    pub fn verb(&self) -> &str {
        without_nul(self.verb_with_nul())
    }

    /// The whole request as JSON text.
    pub fn json(&self) -> &str {
        &self.text[..self.json_len]
    }

    /// The parameters, a JSON object, as text.
    pub fn parameters_json(&self) -> &str {
        &self.text[self.parameters.clone()]
    }

    /// The parameter of this name if it is a string. It may contain any character,
    /// U+0000 too.
    pub fn string(&self, parameter: &str) -> Option<&str> {
        self.string_with_nul(parameter).map(without_nul)
    }

    /// The parameter of this name if it is an integer that fits in 64 bits with sign.
    pub fn integer(&self, parameter: &str) -> Option<i64> {
        match self.parameter(parameter)?.kind() {
            Kind::Integer(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The parameter of this name if it is `true` or `false`.
    pub fn boolean(&self, parameter: &str) -> Option<bool> {
        match self.parameter(parameter)?.kind() {
            Kind::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// [`verb`](Self::verb) with a NUL behind it, for C.
    pub fn verb_with_nul(&self) -> &str {
        &self.text[self.json_len + 1..]
    }

    /// [`json`](Self::json) with a NUL behind it, for C.
    pub fn json_with_nul(&self) -> &str {
        &self.text[..=self.json_len]
    }

    /// [`parameters_json`](Self::parameters_json) with a NUL behind it, for C.
    pub fn parameters_json_with_nul(&self) -> &str {
        self.parameters_with_nul
            .get_or_init(|| with_nul(self.parameters_json()))
    }

    /// [`string`](Self::string) with a NUL behind it, for C.
    pub fn string_with_nul(&self, parameter: &str) -> Option<&str> {
        let strings = self.strings.get_or_init(|| {
            let strings = self
                .object()
                .members()
                .filter_map(|(key, value)| match value.kind() {
                    Kind::String(text) => Some(StringParameter {
                        name: key.decode().into(),
                        value_with_nul: with_nul(&Zeroizing::new(text.decode().into_owned())),
                    }),
                    _ => None,
                });
            strings.collect()
        });
        strings
            .iter()
            .find(|string| *string.name == *parameter)
            .map(|string| &**string.value_with_nul)
    }

    fn parameter(&self, name: &str) -> Option<Value<'_>> {
        let mut members = self.object().members();
        members
            .find(|(key, _)| *key == *name)
            .map(|(_, value)| value)
    }

    fn object(&self) -> Object<'_> {
        Object::from_accepted(self.parameters_json())
    }
}

/// Writes the JSON text of a request behind what is in `out`. On an error `out` is as it
/// was.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    verb: &str,
    parameters_json: Option<&str>,
) -> Result<()> {
    let start = out.len();
    let mut write = |part: &[u8]| out.extend_from_slice(part);
    write(b"{\"verb\": ");
    write(Tree::from(verb).to_string().as_bytes());
    write(b", \"parameters\": ");
    write(parameters_json.map_or("{}", str::trim).as_bytes());
    write(b"}");
    let text = std::str::from_utf8(&out[start..]).expect("texts were joined");
    let problem = match Request::errors_of(text) {
        Ok(None) => return Ok(()),
        Ok(Some(errors)) => errors,
        Err(error) => error.to_string(),
    };
    out.truncate(start);
    Err(Error::new(
        Reason::MalformedRequest,
        format!("the request does not fit the format: {problem}"),
    ))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters hold client tokens.
        f.debug_struct("Request")
            .field("verb", &self.verb())
            .finish_non_exhaustive()
    }
}

fn with_nul(text: &str) -> Zeroizing<Box<str>> {
    let mut copy = String::with_capacity(text.len() + 1);
    copy.push_str(text);
    copy.push('\0');
    Zeroizing::new(copy.into_boxed_str())
}

fn without_nul(text: &str) -> &str {
    &text[..text.len() - 1]
}

impl Drop for StringParameter {
    fn drop(&mut self) {
        self.name.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request::from_json(accept(text).unwrap()).unwrap()
    }

    #[test]
    fn gives_what_was_received() {
        let text = r#" {"parameters" : {"n": 12345678901234567890123, "s": "a\u0000é", "i": -5, "b": true, "o": {"s": "x"}},
            "verb": "\u0053TAT", "extra": [1]}"#;
        let request = request(text);
        assert_eq!(request.verb(), "STAT");
        assert_eq!(request.json(), text.trim());
        assert_eq!(request.verb_with_nul(), "STAT\0");
        assert_eq!(request.json_with_nul(), format!("{}\0", text.trim()));
        assert!(
            request
                .parameters_json()
                .starts_with(r#"{"n": 12345678901234567890123"#)
        );
        assert_eq!(
            request.parameters_json_with_nul(),
            format!("{}\0", request.parameters_json())
        );
        assert_eq!(request.string("s"), Some("a\0é"));
        assert_eq!(request.string_with_nul("s"), Some("a\0é\0"));
        assert_eq!(
            (
                request.string("i"),
                request.string("absent"),
                request.string("o")
            ),
            (None, None, None)
        );
        assert_eq!(
            (
                request.integer("i"),
                request.integer("n"),
                request.integer("s")
            ),
            (Some(-5), None, None)
        );
        assert_eq!(
            (request.boolean("b"), request.boolean("i")),
            (Some(true), None)
        );
        assert_eq!(format!("{request:?}"), r#"Request { verb: "STAT", .. }"#);
    }

    #[test]
    fn a_root_that_is_no_object_is_malformed() {
        for text in ["[]", "1", "\"STAT\"", "null"] {
            let MalformedRequest(errors) = Request::from_json(accept(text).unwrap()).unwrap_err();
            assert_eq!(errors, r#"{"request": ["must be of dict type"]}"#);
        }
    }
}
