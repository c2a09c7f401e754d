//! Requests: what a client asks a server for.

use std::fmt;
use std::ops::Range;

use super::format::Document;
use super::format::{REQUEST, errors_of_whole, write_errors};
use super::json::substr_range;
use super::json::{JsonError, Kind, Origin, observe};
use super::received::ReceivedText;
use super::value::{Value, Values};
use super::work::Count;
use super::writing::{Escaped, Margins, make_room};
use crate::error::{Error, Reason, Result};
use crate::secret::{NoMemory, SecretBytes};

/// An upper bound for the characters of a request around its verb and parameters.
const PUNCTUATION: usize = 32;

/// The length of the shortest request that fits the format.
pub(crate) const SHORTEST_REQUEST: &str = r#"{"verb":"A","parameters":{}}"#;

/// A request that fits the request format: a verb and parameters.
///
/// It keeps the JSON text as received, with all digits of integers and with members that the format
/// does not know. The text is wiped when the request is dropped.
pub struct Request {
    /// The parameters, in the JSON text, and the verb.
    parameters: Values,
}

/// The places of a request's parts, in a text that fits the format.
pub(crate) struct RequestOutline {
    json: Range<usize>,
    parameters: Range<usize>,
    parameter_count: usize,
    /// The verb, as written between its quotes.
    verb: Range<usize>,
}

/// A request that does not fit the request format, and what is wrong with it.
///
/// The text is wiped when it is dropped.
pub struct MalformedRequest {
    /// The JSON text, and the errors.
    text: ReceivedText,
}

impl MalformedRequest {
    /// From a text that Python's `json` reads.
    pub(crate) fn new(
        text: SecretBytes,
        json: Range<usize>,
        errors: &str,
    ) -> std::result::Result<Self, NoMemory> {
        Ok(Self {
            text: ReceivedText::with(text, json, errors)?,
        })
    }

    /// The whole request as text. Python's `json` reads it, but it need not be strict JSON.
    pub fn json(&self) -> &str {
        self.text.json()
    }

    /// The errors by field, as the JSON text of an object of lists.
    pub fn errors(&self) -> &str {
        without_nul(self.errors_with_nul())
    }

    /// [`json`](Self::json) with a NUL behind it, for C.
    pub fn json_with_nul(&self) -> &str {
        self.text.json_with_nul()
    }

    /// [`errors`](Self::errors) with a NUL behind it, for C.
    pub fn errors_with_nul(&self) -> &str {
        self.text.extra_with_nul()
    }
}

impl fmt::Debug for MalformedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters hold client tokens.
        f.debug_struct("MalformedRequest")
            .field("errors", &self.errors())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Makes the request whose outline was read from `text`.
    pub(crate) fn new(
        text: SecretBytes,
        outline: RequestOutline,
    ) -> std::result::Result<Self, NoMemory> {
        let text = ReceivedText::new(text, outline.json, outline.verb)?;
        Ok(Self {
            parameters: Values::new(text, outline.parameters, outline.parameter_count),
        })
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        let Ok(Ok(outline)) = RequestOutline::read(text) else {
            panic!("{text} is no request");
        };
        Self::new(SecretBytes::from(text.as_bytes()), outline).unwrap()
    }

    /// The errors of a request by field, as the JSON text of an object of lists; `None` if it fits
    /// the format. Fails if the text is not acceptable JSON. This is the Python server's
    /// `verifyRequestContent`.
    pub fn errors_of(json: &str) -> Result<Option<String>> {
        let outline =
            RequestOutline::read(json).map_err(|problem| problem.of_argument("json", json))?;
        Ok(outline.err())
    }

    /// The verb: capital letters A to Z. Every server knows `CREATE`, `DESTROY` and `STAT`.
    pub fn verb(&self) -> &str {
        without_nul(self.verb_with_nul())
    }

    /// The whole request as JSON text.
    pub fn json(&self) -> &str {
        self.parameters.text().json()
    }

    /// The parameters, a JSON object, as text.
    pub fn parameters_json(&self) -> &str {
        self.parameters.root_json()
    }

    /// The parameters, an object, for reading.
    pub fn parameters(&self) -> Value<'_> {
        self.parameters.root()
    }

    /// The parameter of this name if it is a string, which may contain any character, even
    /// U+0000.
    ///
    /// # Panics
    /// If there is no memory to decode the strings of the request;
    /// [`string_with_nul`](Self::string_with_nul) fails instead.
    pub fn string(&self, parameter: &str) -> Option<&str> {
        let string = self.string_with_nul(parameter);
        string.expect("there is memory").map(without_nul)
    }

    /// The parameter of this name if it is an integer that fits in 64 bits with sign.
    pub fn integer(&self, parameter: &str) -> Option<i64> {
        self.parameters.member(parameter)?.integer()
    }

    /// The parameter of this name if it is `true` or `false`.
    pub fn boolean(&self, parameter: &str) -> Option<bool> {
        self.parameters.member(parameter)?.boolean()
    }

    /// [`verb`](Self::verb) with a NUL behind it, for C.
    pub fn verb_with_nul(&self) -> &str {
        self.parameters.text().extra_with_nul()
    }

    /// [`json`](Self::json) with a NUL behind it, for C.
    pub fn json_with_nul(&self) -> &str {
        self.parameters.text().json_with_nul()
    }

    /// [`parameters_json`](Self::parameters_json) with a NUL behind it, for C. Fails if there is no
    /// memory for it.
    pub fn parameters_json_with_nul(&self) -> Result<&str> {
        Ok(self.parameters.root_json_with_nul()?)
    }

    /// [`string`](Self::string) with a NUL behind it, for C. Fails if there is no memory for it.
    pub fn string_with_nul(&self, parameter: &str) -> Result<Option<&str>> {
        Ok(self.parameters.string_with_nul(parameter)?)
    }
}

impl RequestOutline {
    /// Reads a JSON text as a request.
    pub fn read(text: &str) -> std::result::Result<std::result::Result<Self, String>, JsonError> {
        Ok(Self::of(text, &REQUEST.read(text)?))
    }

    /// Checks that the text is JSON, and adds the work to `work`.
    #[inline(always)]
    pub fn read_json<'a>(
        text: &'a str,
        work: &mut impl Count,
    ) -> std::result::Result<Document<'a>, JsonError> {
        REQUEST.read_counted(text, work)
    }

    /// The outline of a text that was read, or its errors if it is not a request.
    #[inline(always)]
    pub fn of(text: &str, document: &Document<'_>) -> std::result::Result<Self, String> {
        if document.root().object().is_none() {
            return Err(errors_of_whole("request", "must be of dict type"));
        }
        if let Some(errors) = document.errors() {
            return Err(write_errors(errors));
        }
        let required = |name| document.value(name).expect("the format requires it");
        let verb = match required("verb").kind() {
            Kind::String(verb) => substr_range(text, verb.as_written()),
            _ => unreachable!("the format requires a string"),
        };
        Ok(Self {
            json: substr_range(text, document.root().as_written()),
            parameters: substr_range(text, required("parameters").as_written()),
            parameter_count: document.inner_count(),
            verb,
        })
    }
}

/// Writes the JSON text of a request into `out`.
pub(crate) fn write_request(
    out: &mut SecretBytes,
    margins: Margins,
    verb: &str,
    parameters_json: Option<&str>,
) -> Result<()> {
    let malformed = |problem: String| {
        Error::new(
            Reason::MalformedRequest,
            format!("the request does not fit the format: {problem}"),
        )
    };
    let parameters = match parameters_json {
        // Checked separately, because a text that closes the object early could add members to the
        // request.
        Some(text) => {
            let name = "parameters_json";
            let parameters = observe(text, 1, Origin::Caller, &mut (), &mut ())
                .map_err(|problem| problem.of_message(name, text, malformed))?;
            if parameters.object().is_none() {
                return Err(malformed(parameters.describe_as_no_object(name)));
            }
            parameters.as_written()
        }
        None => "{}",
    };
    let verb = Escaped::new(verb);
    make_room(out, margins, parameters.len() + verb.room() + PUNCTUATION)?;
    out.extend_from_slice(b"{\"verb\": \"");
    verb.write_to(out);
    out.extend_from_slice(b"\", \"parameters\": ");
    out.extend_from_slice(parameters.as_bytes());
    out.push(b'}');
    let text = std::str::from_utf8(&out[margins.header..]).expect("texts were joined");
    let problem = match Request::errors_of(text) {
        Ok(None) => return Ok(()),
        Ok(Some(errors)) => errors,
        Err(error) if error.reason() == Some(Reason::Internal) => return Err(error),
        Err(error) => error.to_string(),
    };
    Err(malformed(problem))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters hold client tokens.
        f.debug_struct("Request")
            .field("verb", &self.verb())
            .finish_non_exhaustive()
    }
}

fn without_nul(text: &str) -> &str {
    &text[..text.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_was_received() {
        let text = r#" {"parameters" : {"n": 12345678901234567890123, "s": "a\u0000é", "i": -5, "b": true, "o": {"s": "x"}},
            "verb": "\u0053TAT", "extra": [1]}"#;
        let request = Request::from_text(text);
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
            Ok(&*format!("{}\0", request.parameters_json()))
        );
        assert_eq!(request.string("s"), Some("a\0é"));
        assert_eq!(request.string_with_nul("s"), Ok(Some("a\0é\0")));
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
    fn a_request_takes_the_room_that_it_needs_and_no_more() {
        let margins = Margins {
            header: 1000,
            trailer: 500,
        };
        let (verb, parameters) = (
            "V".repeat(100),
            format!("{{\"a\": \"{}\"}}", "p".repeat(200)),
        );
        let mut out = SecretBytes::default();
        write_request(&mut out, margins, &verb, Some(&parameters)).unwrap();
        let texts = verb.len() + parameters.len();
        assert_eq!(out.capacity(), 1000 + texts + PUNCTUATION + 500);
    }

    #[test]
    fn parameters_are_one_object_and_nothing_behind_it() {
        let margins = Margins {
            header: 0,
            trailer: 0,
        };
        let mut out = SecretBytes::default();
        write_request(&mut out, margins, "STAT", Some(" {\"a\": 1}\n")).unwrap();
        assert_eq!(&*out, br#"{"verb": "STAT", "parameters": {"a": 1}}"#);
        for parameters in [
            r#"{}, "more": 1"#,
            r#"{}, "more": {}"#,
            "{}}",
            "\u{b}{}",
            "",
            "null",
            "[]",
        ] {
            let error = write_request(&mut out, margins, "STAT", Some(parameters)).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::MalformedRequest));
        }
        let error = write_request(&mut out, margins, "STAT", Some("\n[1,]")).unwrap_err();
        let told =
            "parameters_json is not acceptable JSON at line 2 column 3 (byte 3): a trailing comma";
        assert!(error.to_string().contains(told), "{error}");
        let error = write_request(&mut out, margins, "STAT", Some("[1]")).unwrap_err();
        let told = "parameters_json is an array; it must be an object";
        assert!(error.to_string().contains(told), "{error}");
    }

    #[test]
    fn a_malformed_request_is_kept_in_the_room_that_it_needs() {
        let (text, errors) = (r#" {"x": NaN}  "#, r#"{"request": ["x"]}"#);
        let request =
            MalformedRequest::new(SecretBytes::from(text.as_bytes()), 1..11, errors).unwrap();
        assert_eq!(
            (request.json(), request.errors()),
            (r#"{"x": NaN}"#, errors)
        );
        assert_eq!(request.json_with_nul(), "{\"x\": NaN}\0");
        assert_eq!(request.errors_with_nul(), format!("{errors}\0"));
        let shown = format!("{request:?}");
        assert!(
            shown.contains("request") && !shown.contains("NaN"),
            "{shown}"
        );
    }

    #[test]
    fn a_root_that_is_no_object_is_malformed() {
        for text in ["[]", "1", "\"STAT\"", "null"] {
            let errors = Request::errors_of(text).unwrap().unwrap();
            assert_eq!(errors, r#"{"request": ["must be of dict type"]}"#);
        }
    }
}
