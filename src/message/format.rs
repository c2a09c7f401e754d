//! The formats of requests and responses as tables of rules, and their validator.
//!
//! The errors have the form of the Python package `cerberus`, which the released servers and
//! clients use to check messages.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Value as Tree};

use super::json::{JsonError, Kind, Observer, Origin, Text, Value, observe};
use super::work::{self, Count};

/// The most fields that a schema has.
const MAX_FIELDS: usize = 8;

/// The rules for an object. Other fields are allowed. At most one of the fields is an object with
/// its own schema.
pub(super) struct Schema {
    fields: &'static [Field],
    /// The length of the shortest name.
    shortest: usize,
}

/// Some fields of a schema: a bit for each, the lowest for the first.
pub(super) type FieldMask = u8;

struct Field {
    name: &'static str,
    rule: Rule,
    required: bool,
    /// The fields, including this one, that must be given together or not at all.
    together: FieldMask,
}

impl Field {
    const fn required(name: &'static str, rule: Rule) -> Self {
        Self {
            name,
            rule,
            required: true,
            together: 0,
        }
    }

    const fn one_of(together: FieldMask, name: &'static str, rule: Rule) -> Self {
        Self {
            name,
            rule,
            required: false,
            together,
        }
    }
}

enum Rule {
    Text(Option<&'static Pattern>),
    Integer { min: u64, max: Option<u64> },
    Boolean,
    Object(&'static Schema),
}

/// A pattern that a whole text must match.
struct Pattern {
    /// The pattern as a regular expression, for messages.
    expression: &'static str,
    parts: &'static [Part],
}

enum Part {
    Literal(&'static str),
    Exactly(usize, Class),
    OneOrMore(Class),
}

/// A class of characters.
type Class = fn(char) -> bool;

const LOWER_HEX: Class = |c| matches!(c, '0'..='9' | 'a'..='f');
const DIGIT: Class = |c| c.is_ascii_digit();
const UPPER: Class = |c| c.is_ascii_uppercase();
const ALPHANUMERIC: Class = |c| c.is_ascii_alphanumeric();
const TOKEN: Class = |c| c.is_ascii_alphanumeric() || c == '-' || c == '_';

static VERB: Pattern = Pattern {
    expression: "^[A-Z]{1,}$",
    parts: &[Part::OneOrMore(UPPER)],
};
static UUID: Pattern = Pattern {
    expression: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    parts: &[
        Part::Exactly(8, LOWER_HEX),
        Part::Literal("-"),
        Part::Exactly(4, LOWER_HEX),
        Part::Literal("-"),
        Part::Exactly(4, LOWER_HEX),
        Part::Literal("-"),
        Part::Exactly(4, LOWER_HEX),
        Part::Literal("-"),
        Part::Exactly(12, LOWER_HEX),
    ],
};
static CLIENT_TOKEN: Pattern = Pattern {
    expression: "^[0-9a-zA-Z-_]{255}$",
    parts: &[Part::Exactly(255, TOKEN)],
};
static SHA256: Pattern = Pattern {
    expression: "^[a-f0-9]{64}$",
    parts: &[Part::Exactly(64, LOWER_HEX)],
};
static USER_NAME: Pattern = Pattern {
    expression: "^user_[0-9]{5}$",
    parts: &[Part::Literal("user_"), Part::Exactly(5, DIGIT)],
};
static PASSWORD: Pattern = Pattern {
    expression: "^[a-zA-Z0-9]+$",
    parts: &[Part::OneOrMore(ALPHANUMERIC)],
};

pub(super) static REQUEST: Schema = Schema::of(&[
    Field::required("verb", Rule::Text(Some(&VERB))),
    Field::required("parameters", Rule::Object(&PARAMETERS)),
]);

static PARAMETERS: Schema = Schema::of(&[
    Field::one_of(ACCESS, "container_uuid", Rule::Text(Some(&UUID))),
    Field::one_of(ACCESS, "client_token", Rule::Text(Some(&CLIENT_TOKEN))),
]);

pub(super) static RESPONSE: Schema = Schema::of(&[
    Field::required("success", Rule::Boolean),
    Field::required("message", Rule::Text(None)),
    Field::required("data", Rule::Object(&DATA)),
]);

pub(super) static DATA: Schema = Schema::of(&[
    Field::one_of(CONTAINER, "container_uuid", Rule::Text(Some(&UUID))),
    Field::one_of(CONTAINER, "client_token", Rule::Text(Some(&CLIENT_TOKEN))),
    Field::one_of(CONTAINER, "container_iso_sha256", Rule::Text(Some(&SHA256))),
    Field::one_of(
        CONTAINER,
        "container_username",
        Rule::Text(Some(&USER_NAME)),
    ),
    Field::one_of(CONTAINER, "container_password", Rule::Text(Some(&PASSWORD))),
    Field::one_of(
        CONTAINER,
        "container_listen_port",
        Rule::Integer {
            min: 1,
            max: Some(65535),
        },
    ),
    Field::one_of(STATISTICS, "uptime", Rule::Integer { min: 0, max: None }),
    Field::one_of(STATISTICS, "version", Rule::Text(None)),
]);

const ACCESS: FieldMask = 0b11;
/// The fields of data that describe a container.
pub(super) const CONTAINER: FieldMask = 0b0011_1111;
/// The fields of data that describe the server.
pub(super) const STATISTICS: FieldMask = 0b1100_0000;

/// The errors of an object, by field: an object of lists, as in `cerberus`.
pub(super) type Errors = Map<String, Tree>;

/// Writes errors as Python's `json.dumps` does, so that logs of both servers look the same.
pub(super) fn write_errors(errors: Errors) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, PythonStyle);
    Tree::Object(errors)
        .serialize(&mut serializer)
        .expect("a Vec takes everything");
    String::from_utf8(out).expect("JSON is written in UTF-8")
}

/// Errors of a message as a whole.
pub(crate) fn errors_of_whole(message: &str, problem: &str) -> String {
    let problems = Tree::Array(vec![problem.into()]);
    write_errors(Errors::from_iter([(message.to_owned(), problems)]))
}

/// A space after each comma and each colon.
struct PythonStyle;

impl Formatter for PythonStyle {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// The values of a schema's fields, in its order.
type Values<'a> = [Option<Value<'a>>; MAX_FIELDS];

/// An accepted text, and the values of its schema's fields, which were found while it was read.
pub(crate) struct Document<'a> {
    schema: &'static Schema,
    root: Option<Value<'a>>,
    values: Values<'a>,
    /// The values of the field that is an object with a schema.
    inner: Values<'a>,
    /// How many members that object has.
    inner_count: usize,
    /// The address of the key whose object is being read, and the object's schema.
    parent: Option<(*const u8, Option<&'static Schema>)>,
}

impl<'a> Observer<'a> for Document<'a> {
    fn member(&mut self, key: Text<'a>, value: Value<'a>, work: &mut impl Count) {
        if let Some(at) = self.schema.position(key, work) {
            self.values[at] = Some(value);
        }
    }

    fn inner_member(
        &mut self,
        parent: Text<'a>,
        key: Text<'a>,
        value: Value<'a>,
        work: &mut impl Count,
    ) {
        let address = parent.as_written().as_ptr();
        let schema = match self.parent {
            Some((known, schema)) if known == address => schema,
            _ => self.schema.schema_of(parent, work),
        };
        self.parent = Some((address, schema));
        let Some(schema) = schema else {
            return;
        };
        self.inner_count += 1;
        if let Some(at) = schema.position(key, work) {
            self.inner[at] = Some(value);
        }
    }
}

impl<'a> Document<'a> {
    /// The root value.
    pub fn root(&self) -> Value<'a> {
        self.root.expect("a document is a text that was accepted")
    }

    /// The value of a field that the schema has.
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        let at = self
            .schema
            .fields
            .iter()
            .position(|field| field.name == name);
        self.values[at?]
    }

    /// How many members the field with its own schema has.
    pub fn inner_count(&self) -> usize {
        self.inner_count
    }

    /// The errors of the root, which is an object; `None` if it fits.
    pub fn errors(&self) -> Option<Errors> {
        self.schema.errors(&self.values, &self.inner)
    }
}

impl Schema {
    const fn of(fields: &'static [Field]) -> Self {
        let (mut shortest, mut at) = (usize::MAX, 0);
        while at < fields.len() {
            if fields[at].name.len() < shortest {
                shortest = fields[at].name.len();
            }
            at += 1;
        }
        Self { fields, shortest }
    }

    /// Reads a text in one pass, without building a tree.
    #[inline(always)]
    pub fn read<'a>(&'static self, text: &'a str) -> Result<Document<'a>, JsonError> {
        self.read_counted(text, &mut ())
    }

    /// Like [`read`](Self::read), but adds the work to `work`.
    #[inline(always)]
    pub fn read_counted<'a>(
        &'static self,
        text: &'a str,
        work: &mut impl Count,
    ) -> Result<Document<'a>, JsonError> {
        self.read_any(text, 0, Origin::Peer, work)
    }

    /// Reads a text that will be nested `depth` levels deep in another one.
    #[inline(always)]
    pub fn read_inside<'a>(
        &'static self,
        text: &'a str,
        depth: usize,
        origin: Origin,
    ) -> Result<Document<'a>, JsonError> {
        self.read_any(text, depth, origin, &mut ())
    }

    #[inline(always)]
    fn read_any<'a>(
        &'static self,
        text: &'a str,
        depth: usize,
        origin: Origin,
        work: &mut impl Count,
    ) -> Result<Document<'a>, JsonError> {
        let mut document = Document {
            schema: self,
            root: None,
            values: Values::default(),
            inner: Values::default(),
            inner_count: 0,
            parent: None,
        };
        document.root = Some(observe(text, depth, origin, &mut document, work)?);
        Ok(document)
    }

    fn position(&self, key: Text<'_>, work: &mut impl Count) -> Option<usize> {
        let written = key.as_written();
        // A decoded string is never longer than its text.
        if written.len() < self.shortest {
            work.add(work::TOO_SHORT);
            return None;
        }
        work.add(
            work::OBSERVED
                + work::FIELD * self.fields.len()
                + work::OBSERVED_BYTE * written.len().min(16),
        );
        let mut fields = self.fields.iter();
        match fields.position(|field| field.name == written) {
            None if key.is_escaped() => {
                work.add(work::ESCAPED_FIELD * self.fields.len());
                // An escape sequence is longer than the character that it stands for.
                let same = |field: &Field| {
                    written.len() > field.name.len() && key.chars().eq(field.name.chars())
                };
                self.fields.iter().position(same)
            }
            found => found,
        }
    }

    /// The schema of the field of this name, if it has one.
    fn schema_of(&self, key: Text<'_>, work: &mut impl Count) -> Option<&'static Schema> {
        match self.fields[self.position(key, work)?].rule {
            Rule::Object(schema) => Some(schema),
            _ => None,
        }
    }

    /// The names of some fields, in the order of the schema.
    pub fn names(&self, places: FieldMask) -> impl Iterator<Item = &'static str> {
        let fields = self.fields.iter().enumerate();
        let named = fields.filter(move |(at, _)| places >> at & 1 == 1);
        named.map(|(_, field)| field.name)
    }

    fn errors(&self, values: &Values<'_>, inner: &Values<'_>) -> Option<Errors> {
        let is_there = values.iter().enumerate();
        let present = is_there.fold(0, |present, (at, value)| {
            present | FieldMask::from(value.is_some()) << at
        });
        let mut errors = None;
        for (field, value) in self.fields.iter().zip(values) {
            let mut problems = Vec::new();
            match *value {
                Some(value) if field.rule.check(value, inner, &mut problems) => {
                    let missing = field.together & !present;
                    if missing != 0 {
                        let told = |name| Tree::from(format!("field '{name}' is required"));
                        problems.extend(self.names(missing).map(told));
                    }
                }
                None if field.required => problems.push("required field".into()),
                Some(_) | None => {}
            }
            if !problems.is_empty() {
                errors
                    .get_or_insert_with(Errors::new)
                    .insert(field.name.to_owned(), Tree::Array(problems));
            }
        }
        errors
    }
}

impl Rule {
    /// Adds the errors of `value`, in which the values `inner` were found. Returns false if its
    /// type is wrong, because other checks of the field are pointless then.
    fn check(&self, value: Value<'_>, inner: &Values<'_>, problems: &mut Vec<Tree>) -> bool {
        match (self, value.kind()) {
            // As in `cerberus`, null has any type, but no rule allows it.
            (_, Kind::Null) => problems.push("null value not allowed".into()),
            (Rule::Text(None), Kind::String(_)) | (Rule::Boolean, Kind::Boolean(_)) => {}
            (Rule::Text(Some(pattern)), Kind::String(text)) => {
                if !pattern.matches(text) {
                    problems.push(
                        format!("value does not match regex '{}'", pattern.expression).into(),
                    );
                }
            }
            (Rule::Integer { min, max }, Kind::Integer(_) | Kind::Boolean(_)) => {
                // To Python, and so to `cerberus`, true is the integer 1 and false is 0.
                let digits = match value.kind() {
                    Kind::Integer(digits) => digits,
                    Kind::Boolean(true) => "1",
                    _ => "0",
                };
                if is_below(digits, *min) {
                    problems.push(format!("min value is {min}").into());
                }
                if let Some(max) = max.filter(|max| is_above(digits, *max)) {
                    problems.push(format!("max value is {max}").into());
                }
            }
            (Rule::Object(schema), Kind::Object(_)) => {
                let errors = schema.errors(inner, &Values::default());
                problems.extend(errors.map(Tree::Object));
            }
            _ => {
                problems.push(format!("must be of {} type", self.type_name()).into());
                return false;
            }
        }
        true
    }

    fn type_name(&self) -> &'static str {
        match self {
            Rule::Text(_) => "string",
            Rule::Integer { .. } => "integer",
            Rule::Boolean => "boolean",
            Rule::Object(_) => "dict",
        }
    }
}

impl Pattern {
    fn matches(&self, text: Text<'_>) -> bool {
        let mut rest = text.chars().peekable();
        let parts_match = self.parts.iter().all(|part| match part {
            Part::Literal(literal) => literal.chars().all(|c| rest.next() == Some(c)),
            Part::Exactly(count, class) => (0..*count).all(|_| rest.next().is_some_and(class)),
            Part::OneOrMore(class) => {
                let first = rest.next_if(|c| class(*c)).is_some();
                while rest.next_if(|c| class(*c)).is_some() {}
                first
            }
        });
        parts_match && rest.next().is_none()
    }
}

/// Whether an integer of any length, given as text, is below `limit`.
fn is_below(digits: &str, limit: u64) -> bool {
    match digits.strip_prefix('-') {
        Some(digits) => limit > 0 || digits != "0",
        None => digits.parse::<u64>().is_ok_and(|value| value < limit),
    }
}

/// Whether an integer of any length, given as text, is above `limit`.
fn is_above(digits: &str, limit: u64) -> bool {
    // JSON has no leading zeros, so what does not fit in 64 bits is larger than any limit.
    !digits.starts_with('-') && digits.parse::<u64>().map_or(true, |value| value > limit)
}

#[cfg(test)]
mod tests {
    use super::super::json::{Origin, check};
    use super::*;

    fn errors(schema: &'static Schema, text: &str) -> String {
        let document = schema.read(text).unwrap();
        document
            .errors()
            .map_or(String::new(), |errors| Tree::Object(errors).to_string())
    }

    #[test]
    fn every_schema_is_as_simple_as_documents_need_it() {
        for schema in [&REQUEST, &PARAMETERS, &RESPONSE, &DATA] {
            assert!(schema.fields.len() <= MAX_FIELDS && MAX_FIELDS <= FieldMask::BITS as usize);
            for (at, field) in schema.fields.iter().enumerate() {
                let alike = schema.fields.iter().enumerate();
                let alike = alike.filter(|(_, other)| other.together == field.together);
                let places = alike.fold(0, |places, (other, _)| places | 1 << other);
                assert!(field.together == places || field.together == 0, "{at}");
            }
            let mut inner = schema.fields.iter().filter_map(|field| match field.rule {
                Rule::Object(inner) => Some(inner),
                _ => None,
            });
            if let Some(inner) = inner.next() {
                let is_object = |field: &Field| matches!(field.rule, Rule::Object(_));
                assert!(!inner.fields.iter().any(is_object));
            }
            assert!(inner.next().is_none());
        }
    }

    #[test]
    fn only_the_named_object_is_looked_into() {
        let text = r#"{"verb": "STAT", "other": {"client_token": 1},
            "parameters": {"deeper": {"client_token": 1}}, "list": [{"verb": 1}]}"#;
        assert_eq!(errors(&REQUEST, text), "");
    }

    #[test]
    fn what_fits_has_no_errors() {
        assert_eq!(
            errors(
                &REQUEST,
                r#"{"verb":"ST\u0041T","parameters":{"other":1},"more":null}"#
            ),
            ""
        );
        assert_eq!(
            errors(&DATA, r#"{"uptime":18446744073709551616,"version":""}"#),
            ""
        );
        assert_eq!(errors(&DATA, r#"{"uptime":-0,"version":"1"}"#), "");
    }

    #[test]
    fn errors_read_as_those_of_cerberus() {
        for (schema, text, expected) in [
            (
                &REQUEST,
                "{}",
                r#"{"parameters":["required field"],"verb":["required field"]}"#,
            ),
            (
                &REQUEST,
                r#"{"verb":"stat","parameters":[]}"#,
                r#"{"parameters":["must be of dict type"],"verb":["value does not match regex '^[A-Z]{1,}$'"]}"#,
            ),
            (
                &REQUEST,
                r#"{"verb":"STAT\n","parameters":{}}"#,
                r#"{"verb":["value does not match regex '^[A-Z]{1,}$'"]}"#,
            ),
            (
                &REQUEST,
                r#"{"verb":null,"parameters":{"client_token":1}}"#,
                r#"{"parameters":[{"client_token":["must be of string type"]}],"verb":["null value not allowed"]}"#,
            ),
            (
                &PARAMETERS,
                r#"{"client_token":null}"#,
                r#"{"client_token":["null value not allowed","field 'container_uuid' is required"]}"#,
            ),
            (
                &DATA,
                r#"{"uptime":1.0}"#,
                r#"{"uptime":["must be of integer type"]}"#,
            ),
            (
                &DATA,
                r#"{"uptime":-1,"version":false}"#,
                r#"{"uptime":["min value is 0"],"version":["must be of string type"]}"#,
            ),
            (
                &RESPONSE,
                r#"{"success":0,"message":"","data":{}}"#,
                r#"{"success":["must be of boolean type"]}"#,
            ),
        ] {
            let sorted: serde_json::Map<String, Tree> = serde_json::from_str(expected).unwrap();
            let given: serde_json::Map<String, Tree> =
                serde_json::from_str(&errors(schema, text)).unwrap();
            assert_eq!(given, sorted, "{text}");
        }
    }

    #[test]
    fn errors_are_written_as_python_writes_them() {
        let text = r#"{"container_uuid":null,"client_token":null}"#;
        let errors = PARAMETERS.read(text).unwrap().errors().unwrap();
        assert_eq!(
            write_errors(errors),
            r#"{"container_uuid": ["null value not allowed"], "client_token": ["null value not allowed"]}"#
        );
        let errors = PARAMETERS
            .read(r#"{"client_token":null}"#)
            .unwrap()
            .errors()
            .unwrap();
        assert_eq!(
            write_errors(errors),
            r#"{"client_token": ["null value not allowed", "field 'container_uuid' is required"]}"#
        );
    }

    #[test]
    fn a_boolean_is_the_integer_that_python_takes_it_for() {
        let says_too_small = |text| errors(&DATA, text).contains("min value is 1");
        assert!(says_too_small(r#"{"container_listen_port":false}"#));
        assert!(!says_too_small(r#"{"container_listen_port":true}"#));
    }

    #[test]
    fn integers_of_any_length_are_compared_exactly() {
        let huge = "9".repeat(400);
        assert!(is_above(&huge, 65535) && !is_below(&huge, 1));
        assert!(is_below(&format!("-{huge}"), 0) && !is_above(&format!("-{huge}"), 65535));
        assert!(is_above("65536", 65535) && !is_above("65535", 65535));
        assert!(is_below("0", 1) && is_below("-0", 1) && !is_below("-0", 0) && !is_below("1", 1));
    }

    #[test]
    fn patterns_match_whole_texts_only() {
        let matches = |pattern: &Pattern, text: &str| {
            let text = format!("\"{text}\"");
            let Kind::String(text) = check(&text, Origin::Peer).unwrap().kind() else {
                panic!("a string")
            };
            pattern.matches(text)
        };
        assert!(matches(&USER_NAME, "user_12345"));
        for text in [
            "user_1234",
            "user_123456",
            "user_1234a",
            "xuser_12345",
            "user_١٢٣٤٥",
            "",
        ] {
            assert!(!matches(&USER_NAME, text), "{text}");
        }
        assert!(matches(&PASSWORD, "a") && !matches(&PASSWORD, "") && !matches(&PASSWORD, "a b"));
        let token = "aZ09-_".repeat(43)[..255].to_owned();
        assert!(matches(&CLIENT_TOKEN, &token));
        for other in ["", ".", "é", " ", "a-"] {
            assert!(!matches(&CLIENT_TOKEN, &format!("{}{other}", &token[1..])));
        }
        assert!(matches(&UUID, "01234567-89ab-cdef-0123-456789abcdef"));
        assert!(!matches(&UUID, "01234567-89AB-cdef-0123-456789abcdef"));
    }
}
