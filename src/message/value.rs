//! Reads the values of an accepted text in place, without building a tree. Each call reads no more of
//! the text than it needs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use super::inner_strings::InnerStrings;
use super::json::substr_range;
use super::json::{Kind, Reader, Text, Value as Written};
use super::members::{CopyWithNul, Members, get_or_try_init};
use super::received::ReceivedText;
use crate::error::{Error, Reason, Result, excerpt};
use crate::secret::{NoMemory, SecretBytes};

/// The object or array that values are read from: the parameters of a request, the data of a response,
/// or [`Data`](super::Data).
pub(crate) struct Values {
    text: ReceivedText,
    root: Range<usize>,
    root_with_nul: CopyWithNul,
    members: Members,
    inner_strings: OnceLock<InnerStrings>,
}

/// A value in the parameters of a request, the data of a response, or in [`Data`](super::Data).
///
/// It is a place in the text, and cheap to copy. Each call reads the text from that place on, at
/// most once.
///
/// A pointer is a JSON Pointer (RFC 6901) that begins at the value: `/disks/0/size` is the member `size`
/// of the first element of the member `disks`, and an empty one is the value itself. In a name, write
/// `~1` for a slash and `~0` for a tilde.
///
/// ```
/// use anwdl::message::{Data, ValueType};
///
/// let data = Data::from_json(r#"{"disks": [{"size": 10, "name": "sda"}, {"size": 2.5}]}"#)?;
/// let disks = data.value()?.at("/disks")?.unwrap();
/// assert_eq!(disks.integer("/0/size")?, 10);
/// let sizes: Result<Vec<_>, _> = disks.elements().map(|disk| disk.float("/size")).collect();
/// assert_eq!(sizes?, [10.0, 2.5]);
/// assert_eq!(disks.value_type(), ValueType::Array);
/// # Ok::<(), anwdl::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a> {
    values: &'a Values,
    at: usize,
    /// How deep it is nested.
    level: usize,
}

/// The type of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction and exponent, of any length.
    Integer,
    /// Any other number.
    Float,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl ValueType {
    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Float => "a float",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl Values {
    /// For the object or array at `root` in a text; `member_count` is that of an object.
    pub(super) fn new(text: ReceivedText, root: Range<usize>, member_count: usize) -> Self {
        Self {
            text,
            root,
            root_with_nul: CopyWithNul::default(),
            members: Members::new(member_count),
            inner_strings: OnceLock::new(),
        }
    }

    /// From the text of [`Data`](super::Data).
    pub fn of_data(json: &str, member_count: usize) -> std::result::Result<Self, NoMemory> {
        // With room for the NULs.
        let bytes = SecretBytes::try_copy(json.as_bytes(), 2)?;
        let text = ReceivedText::with(bytes, 0..json.len(), "")?;
        Ok(Self::new(text, 0..json.len(), member_count))
    }

    /// Without any value.
    pub fn empty() -> Self {
        Self::new(ReceivedText::default(), 0..0, 0)
    }

    /// The text that contains the root.
    pub(super) fn text(&self) -> &ReceivedText {
        &self.text
    }

    pub fn root_json(&self) -> &str {
        &self.text.all()[self.root.clone()]
    }

    pub fn root_json_with_nul(&self) -> std::result::Result<&str, NoMemory> {
        self.root_with_nul.of(self.root_json())
    }

    pub fn string_with_nul(&self, name: &str) -> std::result::Result<Option<&str>, NoMemory> {
        self.members.string_with_nul(self.root_json(), name)
    }

    pub fn member(&self, name: &str) -> Option<Written<'_>> {
        self.members.find(self.root_json(), name)
    }

    pub fn root(&self) -> Value<'_> {
        Value {
            values: self,
            at: 0,
            level: 0,
        }
    }

    /// The value of a [`place`](Value::place).
    pub fn value_at(&self, at: usize, level: usize) -> Option<Value<'_>> {
        let first = self.root_json().as_bytes().get(at)?;
        let can_begin = matches!(
            first,
            b'n' | b't' | b'f' | b'"' | b'-' | b'0'..=b'9' | b'[' | b'{'
        );
        (can_begin && (level == 0) == (at == 0)).then_some(Value {
            values: self,
            at,
            level,
        })
    }

    #[cfg(test)]
    fn memory_of_members(&self) -> usize {
        self.members.held()
    }

    /// The string at `at`, which is a name, or deeper than the root's members.
    fn inner_string(&self, at: usize) -> Result<&str> {
        let strings = get_or_try_init(&self.inner_strings, || {
            // There is not enough room for both.
            self.members.drop_index();
            InnerStrings::of(self.root_json())
        })?;
        let string = strings.at(self.root_json(), at);
        string.ok_or_else(no_value)
    }
}

/// The error of a call with "no value".
pub(crate) fn no_value() -> Error {
    Error::invalid_argument("value is not from this library, or its data was changed")
}

impl<'a> Value<'a> {
    /// Its place, for [`Values::value_at`].
    pub(crate) fn place(self) -> (&'a Values, usize, usize) {
        (self.values, self.at, self.level)
    }

    fn text(self) -> &'a str {
        self.values.root_json()
    }

    fn first_byte(self) -> u8 {
        self.text().as_bytes()[self.at]
    }

    fn written(self) -> Written<'a> {
        Written::from_accepted(self.text(), self.at)
    }

    /// Its type.
    pub fn value_type(self) -> ValueType {
        match self.first_byte() {
            b'n' => ValueType::Null,
            b't' | b'f' => ValueType::Boolean,
            b'"' => ValueType::String,
            b'[' => ValueType::Array,
            b'{' => ValueType::Object,
            _ => match self.written().kind() {
                Kind::Integer(_) => ValueType::Integer,
                _ => ValueType::Float,
            },
        }
    }

    /// The member of this name; `None` if there is none, or this is not an object.
    pub fn member(self, name: &str) -> Option<Self> {
        if self.level == 0 && self.first_byte() == b'{' {
            let found = self.values.member(name)?;
            let at = substr_range(self.text(), found.as_written()).start;
            return Some(Self {
                at,
                level: 1,
                ..self
            });
        }
        if self.first_byte() != b'{' {
            return None;
        }
        self.elements()
            .find(|member| member.written_name().is_some_and(|(_, key)| key == *name))
    }

    /// The value at a JSON Pointer; `None` if there is none.
    pub fn at(self, pointer: &str) -> Result<Option<Self>> {
        let mut found = self;
        let mut tokens = pointer.split('/');
        if tokens.next() != Some("") {
            return Err(Error::invalid_argument(
                "pointer is not a JSON Pointer: it must begin with a slash, such as /name, or be empty",
            ));
        }
        let mut is_there = true;
        for token in tokens {
            let name = unescaped(token)?;
            if !is_there {
                continue;
            }
            let next = match found.first_byte() {
                b'[' => element_number(&name).and_then(|number| found.elements().nth(number)),
                _ => found.member(&name),
            };
            match next {
                Some(next) => found = next,
                None => is_there = false,
            }
        }
        Ok(is_there.then_some(found))
    }

    /// The first element of an array, or the value of the first member of an object.
    pub fn first(self) -> Option<Self> {
        if !matches!(self.first_byte(), b'[' | b'{') {
            return None;
        }
        let mut reader = Reader::of_accepted(self.text(), self.at + 1);
        reader.skip_whitespace();
        let (is_object, level) = (self.first_byte() == b'{', self.level + 1);
        self.begin(reader, is_object, level)
    }

    /// The next element, or the value of the next member.
    pub fn next(self) -> Option<Self> {
        if self.level == 0 {
            return None;
        }
        let is_object = self.written_name().is_some();
        let mut reader = Reader::of_accepted(self.text(), self.at);
        reader.skip_value();
        reader.skip_whitespace();
        if reader.peek() != Some(b',') {
            return None;
        }
        reader.at += 1;
        reader.skip_whitespace();
        self.begin(reader, is_object, self.level)
    }

    /// The value at the reader's position, after the name of a member if there is one.
    fn begin(self, mut reader: Reader<'a, 0>, is_object: bool, level: usize) -> Option<Self> {
        if matches!(reader.peek(), Some(b']' | b'}')) {
            return None;
        }
        if is_object {
            reader.skip_string();
            reader.skip_whitespace();
            reader.at += 1;
            reader.skip_whitespace();
        }
        Some(Self {
            at: reader.at,
            level,
            ..self
        })
    }

    /// The elements of an array, or the values of the members of an object, in the order of the text.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.first(), |element| element.next())
    }

    /// How many elements or members there are.
    pub fn count(self) -> usize {
        self.elements().count()
    }

    /// The name of a member, and where it begins.
    fn written_name(self) -> Option<(usize, Text<'a>)> {
        let before = |end: usize| self.text()[..end].trim_end_matches([' ', '\t', '\n', '\r']);
        let name = before(before(self.at).strip_suffix(':')?.len());
        let end = name.len() - 1;
        // In a string, each quote has a backslash before it; before a string, there is none.
        let mut start = name[..end].rfind('"')?;
        while start > 0 && name.as_bytes()[start - 1] == b'\\' {
            start = name[..start].rfind('"')?;
        }
        Some((start, Text::from_accepted(&name[start + 1..end])))
    }

    /// The name of a member, followed by a NUL; `None` if this is not a member. Fails without memory to
    /// decode the names.
    pub fn name_with_nul(self) -> Result<Option<&'a str>> {
        let Some((start, _)) = self.written_name() else {
            return Ok(None);
        };
        self.values.inner_string(start).map(Some)
    }

    /// The name of a member; `None` if this is not a member.
    ///
    /// # Panics
    /// If there is no memory to decode it; [`name_with_nul`](Self::name_with_nul) fails instead.
    pub fn name(self) -> Option<Cow<'a, str>> {
        self.written_name().map(|(_, name)| name.decode())
    }

    /// The value at a JSON Pointer, or an error if there is none.
    fn required(self, pointer: &str) -> Result<Self> {
        self.at(pointer)?.ok_or_else(|| {
            Error::new(
                Reason::NotFound,
                format!("there is no value at {:?}", excerpt(pointer)),
            )
        })
    }

    fn is_no(self, pointer: &str, wanted: ValueType) -> Error {
        let (is, wanted) = (self.value_type().name(), wanted.name());
        let pointer = excerpt(pointer);
        Error::new(
            Reason::WrongType,
            format!("the value at {pointer:?} is {is}, not {wanted}"),
        )
    }

    /// `true` or `false`.
    pub fn boolean(self, pointer: &str) -> Result<bool> {
        let value = self.required(pointer)?;
        let boolean = value.written().boolean();
        boolean.ok_or_else(|| value.is_no(pointer, ValueType::Boolean))
    }

    /// An integer of 64 bits with a sign.
    pub fn integer(self, pointer: &str) -> Result<i64> {
        let value = self.required(pointer)?;
        let Kind::Integer(digits) = value.written().kind() else {
            return Err(value.is_no(pointer, ValueType::Integer));
        };
        digits.parse().map_err(|_| {
            Error::new(
                Reason::OutOfRange,
                format!(
                    "the integer at {:?} does not fit 64 bits with a sign: read it as JSON",
                    excerpt(pointer)
                ),
            )
        })
    }

    /// Any number, integers too, as the nearest float.
    pub fn float(self, pointer: &str) -> Result<f64> {
        let value = self.required(pointer)?;
        let (Kind::Integer(number) | Kind::Fraction(number)) = value.written().kind() else {
            return Err(value.is_no(pointer, ValueType::Float));
        };
        let float: f64 = number.parse().expect("it was read as a number");
        if float.is_infinite() {
            return Err(Error::new(
                Reason::OutOfRange,
                format!(
                    "the number at {:?} is beyond the largest float: read it as JSON",
                    excerpt(pointer)
                ),
            ));
        }
        Ok(float)
    }

    /// A decoded string, followed by a NUL. Fails without memory to decode the strings.
    pub fn string_with_nul(self, pointer: &str) -> Result<&'a str> {
        let value = self.required(pointer)?;
        let written = value.written();
        let Kind::String(text) = written.kind() else {
            return Err(value.is_no(pointer, ValueType::String));
        };
        let (values, root) = (self.values, self.text());
        if value.level == 1 && root.starts_with('{') {
            return Ok(values.members.decoded(root, written, text)?);
        }
        values.inner_string(value.at)
    }

    /// A string.
    pub fn string(self, pointer: &str) -> Result<&'a str> {
        let string = self.string_with_nul(pointer)?;
        Ok(&string[..string.len() - 1])
    }

    pub(super) fn as_written(self) -> &'a str {
        self.written().as_written()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be secret.
        let mut shown = f.debug_struct("Value");
        shown.field("type", &self.value_type());
        shown.finish_non_exhaustive()
    }
}

/// A part of a JSON Pointer.
fn unescaped(token: &str) -> Result<Cow<'_, str>> {
    if !token.contains('~') {
        return Ok(token.into());
    }
    let mut parts = token.split('~');
    let mut name = String::new();
    name.try_reserve_exact(token.len())
        .map_err(NoMemory::from)?;
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (character, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => {
                return Err(Error::invalid_argument(
                    "pointer is not a JSON Pointer: a tilde must be followed by 0 or 1",
                ));
            }
        };
        name.push(character);
        name.push_str(rest);
    }
    Ok(name.into())
}

/// The index of an element in a JSON Pointer: digits without leading zeros.
fn element_number(token: &str) -> Option<usize> {
    let is_number = token.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = token == "0" || !token.starts_with('0');
    (is_number && is_plain)
        .then(|| token.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::json::MAX_DEPTH;
    use super::super::{Data, DataValue, Request};
    use super::*;

    fn request(parameters: &str) -> Request {
        Request::from_text(&format!(r#"{{"verb":"A","parameters":{parameters}}}"#))
    }

    /// Reads everything, and writes it down again as it was read.
    fn written(value: Value<'_>) -> String {
        let parts: Vec<_> = value.elements().map(written).collect();
        match value.value_type() {
            ValueType::Array => format!("[{}]", parts.join(",")),
            ValueType::Object => {
                let names = value.elements().map(|member| {
                    let name = member.name_with_nul().unwrap().unwrap();
                    assert_eq!(member.name().unwrap(), name[..name.len() - 1]);
                    serde_json::to_string(&name[..name.len() - 1]).unwrap()
                });
                let members: Vec<_> = names
                    .zip(parts)
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
            ValueType::String => serde_json::to_string(value.string("").unwrap()).unwrap(),
            ValueType::Boolean => value.boolean("").unwrap().to_string(),
            ValueType::Integer => value.integer("").unwrap().to_string(),
            ValueType::Float => value.float("").unwrap().to_string(),
            ValueType::Null => "null".to_owned(),
        }
    }

    /// An object whose members are of every type, and nested.
    fn everything(count: usize) -> String {
        let members = (0..count).map(|at| match at % 7 {
            0 => format!(r#""k{at}":"v{at}""#),
            1 => format!(r#""\u006b\"{at}\\":"\u00e9\n\\\"{at}""#),
            2 => format!(r#""k{at}":[[],{{}},["a:",":","\"",{at}],"{at}"]"#),
            3 => format!(r#""k{at}":{{"a":{{"a":"]}}\"","b\u0000":[1.5,true]}},"c":""}}"#),
            4 => format!(r#""k{at}":{at}"#),
            5 => format!(r#""\\{at}":null"#),
            _ => format!(r#""k:{at}":false"#),
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn everything_is_read_as_it_was_written() {
        for count in [0, 1, 7, 16, 17, 100, 1000] {
            let text = everything(count);
            let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
            let spaced = serde_json::to_string_pretty(&expected).unwrap();
            for text in [&text, &spaced] {
                let request = request(text);
                let found = written(request.parameters());
                let found: serde_json::Value = serde_json::from_str(&found).unwrap();
                assert_eq!(found, expected);
                assert_eq!(request.parameters().count(), count);
                // By name, too, once the names are decoded.
                for member in request.parameters().elements() {
                    let name = member.name().unwrap();
                    let again = request.parameters().member(&name).unwrap();
                    assert_eq!((again.at, again.level), (member.at, member.level));
                }
            }
        }
    }

    #[test]
    fn what_is_decoded_takes_no_more_than_the_text() {
        for member in [
            r#""\\k@":"""#,
            r#""@":0"#,
            r#""@":"""#,
            r#""@":["","",""]"#,
            r#""@":[[""],[""],{"":""}]"#,
            r#""\u0061@":"\u00e9""#,
        ] {
            let members = (0..20_000).map(|at| member.replace('@', &format!("{at:x}")));
            let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            let request = request(&text);
            // In the order in which most is kept: the index first.
            assert!(request.integer("absent").is_none());
            let mut held = 0;
            for value in request.parameters().elements() {
                held += value.name_with_nul().unwrap().unwrap().len();
                if value.value_type() == ValueType::String {
                    held += value.string_with_nul("").unwrap().len();
                }
                for inner in value.elements() {
                    if inner.value_type() == ValueType::String {
                        held += inner.string_with_nul("").unwrap().len();
                    }
                }
            }
            assert!(held > 0);
            let (values, ..) = request.parameters().place();
            let inner = values.inner_strings.get().unwrap().held();
            let all = inner + values.memory_of_members();
            assert!(all <= text.len(), "{member}: {all} {}", text.len());
        }
    }

    #[test]
    fn values_are_read_as_deep_as_they_may_lie() {
        let mut text = "7".to_owned();
        let mut pointer = String::new();
        for level in 0..MAX_DEPTH - 1 {
            text = match level % 2 {
                0 => format!(r#"{{"a":{text}}}"#),
                _ => format!("[0,{text}]"),
            };
        }
        for level in (0..MAX_DEPTH - 1).rev() {
            pointer += ["/a", "/1"][level % 2];
        }
        let text = format!(r#"{{"x":1,{}"#, &text[1..]);
        let request = request(&text);
        assert_eq!(request.parameters().integer(&pointer), Ok(7));
    }

    #[test]
    fn data_are_read_as_they_are_at_the_time() {
        let mut data = Data::new();
        assert_eq!(data.value().unwrap().count(), 0);
        data.set("a", 1_i64).unwrap();
        assert_eq!(data.value().unwrap().integer("/a"), Ok(1));
        data.set("a", "two").unwrap();
        assert_eq!(data.value().unwrap().string("/a"), Ok("two"));
        let mut list = Data::new_array();
        list.add(data.value().unwrap()).unwrap();
        assert_eq!(list.value().unwrap().string("/0/a"), Ok("two"));
        list.add(DataValue::null()).unwrap();
        assert_eq!(list.value().unwrap().count(), 2);
    }
}
