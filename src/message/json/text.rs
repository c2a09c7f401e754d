//! The parts of an accepted text: values, objects and strings, and how strings are decoded.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use zeroize::Zeroize;

use crate::message::hash_index::{HASHED_AT_ONCE, hash_into};
use crate::secret::{NoMemory, SecretBytes, SecretText};

/// A value of an accepted text.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(pub(super) &'a str);

/// A string of an accepted text, without its quotes and with its escapes.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(pub(super) &'a str);

/// The type of a [`Value`].
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    Null,
    Boolean(bool),
    /// A number without fraction and exponent, as in the text.
    Integer(&'a str),
    /// Any other number, as in the text.
    Fraction(&'a str),
    String(Text<'a>),
    Array,
    Object(Object<'a>),
}

/// An object of an accepted text.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(pub(super) &'a str);

impl<'a> Value<'a> {
    /// The value as in the text.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    pub fn kind(self) -> Kind<'a> {
        match self.0.as_bytes()[0] {
            b'n' => Kind::Null,
            b't' => Kind::Boolean(true),
            b'f' => Kind::Boolean(false),
            b'"' => Kind::String(Text(&self.0[1..self.0.len() - 1])),
            b'[' => Kind::Array,
            b'{' => Kind::Object(Object(self.0)),
            _ if self
                .0
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit()) =>
            {
                Kind::Integer(self.0)
            }
            _ => Kind::Fraction(self.0),
        }
    }

    /// The message for an argument of this name with this value, which is not an object.
    pub fn describe_as_no_object(self, name: &str) -> String {
        match self.kind() {
            Kind::Array => {
                format!(r#"{name} is an array; it must be an object, such as {{"list": [...]}}"#)
            }
            _ => format!(r#"{name} is not an object, such as {{"name": "value"}}"#),
        }
    }

    /// The value if it is an integer that fits in 64 bits with sign.
    pub fn integer(self) -> Option<i64> {
        match self.kind() {
            Kind::Integer(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The value if it is `true` or `false`.
    pub fn boolean(self) -> Option<bool> {
        match self.kind() {
            Kind::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub fn object(self) -> Option<Object<'a>> {
        match self.kind() {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl<'a> Object<'a> {
    /// An object from a part of an accepted text.
    pub fn from_accepted(text: &'a str) -> Self {
        Self(text)
    }
}

impl<'a> Text<'a> {
    /// A string from a part of an accepted text, without its quotes.
    pub fn from_accepted(text: &'a str) -> Self {
        Self(text)
    }

    /// The string as in the text, without its quotes.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    /// Whether it has escapes.
    pub fn is_escaped(self) -> bool {
        // Most strings are short: a search that is fast for long ones would be slower.
        match self.0.len() {
            0..16 => self.0.bytes().any(|byte| byte == b'\\'),
            _ => self.0.contains('\\'),
        }
    }

    /// The decoded characters.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let (character, len) = if first == '\\' {
                unescape(rest)
            } else {
                (first, first.len_utf8())
            };
            rest = &rest[len..];
            Some(character)
        })
    }

    /// The decoded string, borrowed if it has no escapes.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn decode(self) -> Cow<'a, str> {
        if self.is_escaped() {
            // It never grows, which would leave a copy behind: an escape sequence is longer
            // than the character that it stands for.
            let mut text = String::new();
            let reserved = text.try_reserve_exact(self.0.len());
            reserved.expect("there is memory");
            text.extend(self.chars());
            text.into()
        } else {
            Cow::Borrowed(self.0)
        }
    }

    /// The length of the decoded string in bytes.
    pub fn decoded_len(self) -> usize {
        if !self.is_escaped() {
            return self.0.len();
        }
        let (mut len, mut at) = (0, 0);
        while at < self.0.len() {
            let (read, written) = self.decode_at(at, &mut [0; 4]);
            at += read;
            len += written;
        }
        len
    }

    /// Writes the decoded string to the front of `out`, which must be at least as long as the string in
    /// the text. Returns its length.
    fn decode_into(self, out: &mut [u8]) -> usize {
        let (mut len, mut at) = (0, 0);
        while at < self.0.len() {
            let (read, written) = self.decode_at(at, &mut out[len..]);
            at += read;
            len += written;
        }
        len
    }

    /// Decodes the byte or escape sequence at `at`. Returns how many bytes were read and written.
    #[inline(always)]
    pub(super) fn decode_at(self, at: usize, out: &mut [u8]) -> (usize, usize) {
        let written = self.0.as_bytes();
        match written[at] {
            b'\\' if written[at + 1] != b'u' => {
                out[0] = short_escape(written[at + 1]);
                (2, 1)
            }
            b'\\' => {
                let (character, len) = unescape(&self.0[at..]);
                (len, character.encode_utf8(out).len())
            }
            plain => {
                out[0] = plain;
                (1, 1)
            }
        }
    }

    /// Adds the decoded string to `out`.
    pub fn decode_to(self, out: &mut SecretBytes) {
        let start = out.len();
        out.resize(start + self.0.len(), 0);
        let len = self.decode_into(&mut out[start..]);
        out.truncate(start + len);
    }

    /// The string, decoded; fails if there is no memory.
    pub fn try_decode(self) -> Result<SecretText, NoMemory> {
        let mut text = SecretBytes::try_copy(&[], self.0.len())?;
        self.decode_to(&mut text);
        Ok(text.into_text().expect("an accepted string is UTF-8"))
    }

    /// The hash of the decoded string.
    pub fn hash(self, hashes: &RandomState) -> u64 {
        let mut hasher = hashes.build_hasher();
        if !self.is_escaped() {
            hash_into(&mut hasher, self.0.as_bytes());
            return hasher.finish();
        }
        if self.0.len() <= HASHED_AT_ONCE {
            let mut decoded = [0; HASHED_AT_ONCE];
            let len = self.decode_into(&mut decoded);
            hash_into(&mut hasher, &decoded[..len]);
            decoded[..len].zeroize();
            return hasher.finish();
        }
        // Leaves room for a character that reaches into the next part.
        let mut part = [0; HASHED_AT_ONCE + 4];
        let (mut filled, mut used, mut at) = (0, 0, 0);
        while at < self.0.len() {
            let (read, written) = self.decode_at(at, &mut part[filled..]);
            at += read;
            filled += written;
            used = used.max(filled);
            if filled >= HASHED_AT_ONCE {
                hash_into(&mut hasher, &part[..HASHED_AT_ONCE]);
                part.copy_within(HASHED_AT_ONCE..filled, 0);
                filled -= HASHED_AT_ONCE;
            }
        }
        hash_into(&mut hasher, &part[..filled]);
        part[..used].zeroize();
        hasher.finish()
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        self.chars().cmp(other.chars())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        // An escape sequence is longer than the character that it stands for.
        match self.0.len().cmp(&other.len()) {
            Ordering::Less => false,
            Ordering::Equal => self.0 == other && !other.contains('\\'),
            Ordering::Greater => self.is_escaped() && self.chars().eq(other.chars()),
        }
    }
}

/// Decodes the escape sequence at the start of a string that was read, and returns its length too. Half
/// a surrogate pair, which no accepted string has, becomes U+FFFD.
fn unescape(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    let alone = |unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    match bytes[1] {
        b'u' => {
            let value = |digit: u8| u32::from(digit & 0xf) + 9 * u32::from(digit >> 6);
            let digits = bytes[2..6].iter();
            let unit = digits.fold(0, |code, &digit| code << 4 | value(digit));
            match (unit, second_code_unit(unit, bytes)) {
                (high, Some(low)) => (
                    alone(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)),
                    12,
                ),
                (unit, None) => (alone(unit), 6),
            }
        }
        letter => (char::from(short_escape(letter)), 2),
    }
}

/// The second half of a surrogate pair, at the start of `bytes`; `unit` is the first half.
fn second_code_unit(unit: u32, bytes: &[u8]) -> Option<u32> {
    match unit {
        0xd800..=0xdbff => code_unit(&bytes[6..]).filter(|low| (0xdc00..=0xdfff).contains(low)),
        _ => None,
    }
}

/// The character that a letter after a backslash stands for.
fn short_escape(letter: u8) -> u8 {
    match letter {
        b'b' => 0x8,
        b'f' => 0xc,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// Reads the `\uXXXX` at the start of `bytes`.
pub(super) fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else {
        return None;
    };
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}

/// The range of `text` that `part`, a slice of it, takes up.
pub fn substr_range(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}
