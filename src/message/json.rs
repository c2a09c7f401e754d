//! A strict reader of JSON text (RFC 8259) that builds nothing.
//!
//! Requests and responses are checked once and handed on as the very text that was
//! checked, so that integers keep every digit and unknown members survive. General JSON
//! libraries build values, merge duplicate keys or turn long integers into doubles; this
//! one refuses what two readers could understand differently: duplicate keys, lone
//! surrogates, anything after the value, and nesting beyond [`LARGEST_DEPTH`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use zeroize::Zeroize;

use super::members::{HASHED_AT_ONCE, Index, hash_into};
use crate::error::Error;
use crate::negative_control::is_broken;
use crate::secret::{NoMemory, SecretBytes};

/// The deepest nesting of objects and arrays that is read.
pub const LARGEST_DEPTH: usize = 64;

/// How many keys of open objects are kept without allocating: more than there are objects in one
/// another.
const INLINE_KEYS: usize = LARGEST_DEPTH + 8;
/// How many keys of one object are compared with each other as they come.
const COMPARED_KEYS: usize = 24;
/// The longest key that is compared with each of those, in bytes.
const LONGEST_COMPARED: usize = 64;

/// Why a text is not accepted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    /// The offset in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl NotJson {
    const NO_MEMORY: &'static str = "there is no memory to compare the keys";

    /// Whether nothing is known to be wrong: there was no memory to go on with.
    pub fn is_no_memory(self) -> bool {
        self.problem == Self::NO_MEMORY
    }
}

/// One value of a text that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(&'a str);

/// A string of a text that was accepted, as it is written between its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(&'a str);

/// What a [`Value`] is.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    Null,
    Boolean(bool),
    /// A number without fraction and exponent, as it is written.
    Integer(&'a str),
    /// Any other number.
    Fraction,
    String(Text<'a>),
    Array,
    Object(Object<'a>),
}

/// An object of a text that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(&'a str);

/// Is told of members while a text is read, of which it is not known yet whether it will be
/// accepted.
pub trait Observer<'a> {
    /// A member of the root object, after those of the object that is its value.
    fn member(&mut self, key: Text<'a>, value: Value<'a>);

    /// A member of an object that is itself the value of the root's member `parent`.
    fn inner_member(&mut self, parent: Text<'a>, key: Text<'a>, value: Value<'a>);
}

/// Is told and forgets.
impl<'a> Observer<'a> for () {
    fn member(&mut self, _key: Text<'a>, _value: Value<'a>) {}

    fn inner_member(&mut self, _parent: Text<'a>, _key: Text<'a>, _value: Value<'a>) {}
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    /// It is the root's member of this name.
    Member(Text<'a>),
    Deeper,
}

/// Accepts a text that is one JSON value with nothing but blanks around it.
pub fn check(text: &str) -> Result<Value<'_>, NotJson> {
    observe(text, 0, &mut ())
}

/// As [`check`], for a text that is to stand `depth` levels deep in another one, and tells
/// `observer` of the members while it passes them.
pub fn observe<'a>(
    text: &'a str,
    depth: usize,
    observer: &mut impl Observer<'a>,
) -> Result<Value<'a>, NotJson> {
    let mut reader = Reader::new(text, 0);
    reader.skip_blanks();
    let start = reader.at;
    reader.value(depth, Place::Root, observer)?;
    let end = reader.at;
    reader.skip_blanks();
    if reader.at < text.len() && !is_broken("nothing follows a JSON value") {
        return Err(reader.problem("something follows the value"));
    }
    Ok(Value(&text[start..end]))
}

impl From<NotJson> for Error {
    fn from(not_json: NotJson) -> Self {
        if not_json.is_no_memory() {
            return NoMemory.into();
        }
        let NotJson { offset, problem } = not_json;
        Self::invalid_argument(format!(
            "the text is no acceptable JSON at byte {offset}: {problem}"
        ))
    }
}

impl<'a> Value<'a> {
    /// The value as it is written.
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
            _ => Kind::Fraction,
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
    /// An object that was cut out of an accepted text.
    pub fn from_accepted(text: &'a str) -> Self {
        Self(text)
    }

    /// The members in the order in which they are written.
    pub fn members(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        self.members_from(1)
    }

    /// Those that stand from `at` on: where a key begins, or where a value ends.
    pub fn members_from(self, at: usize) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        let mut reader = Reader::new(self.0, at);
        std::iter::from_fn(move || {
            reader.skip_blanks();
            if reader.peek() == Some(b',') {
                reader.at += 1;
                reader.skip_blanks();
            }
            if reader.peek() == Some(b'}') {
                return None;
            }
            let key = reader.skip_string();
            reader.skip_blanks();
            reader.at += 1;
            reader.skip_blanks();
            let start = reader.at;
            reader.skip_value();
            Some((Text(key), Value(&self.0[start..reader.at])))
        })
    }
}

impl<'a> Text<'a> {
    /// A string that was cut out of an accepted text, without its quotes.
    pub fn from_accepted(text: &'a str) -> Self {
        Self(text)
    }

    /// The string as it is written between its quotes.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    fn is_escaped(self) -> bool {
        // Most strings are short, for which a search that is made for long ones takes longer.
        match self.0.len() {
            0..16 => self.0.bytes().any(|byte| byte == b'\\'),
            _ => self.0.contains('\\'),
        }
    }

    /// The characters that the string stands for.
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

    /// The string, borrowed where it is written without escapes.
    pub fn decode(self) -> Cow<'a, str> {
        if self.is_escaped() {
            // It never grows, which would leave a copy behind: an escape sequence is longer
            // than the character that it stands for.
            let mut text = String::with_capacity(self.0.len());
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

    /// Writes the decoded string to the front of `out`, which is no shorter than the written one;
    /// gives its length.
    fn decode_into(self, out: &mut [u8]) -> usize {
        let (mut len, mut at) = (0, 0);
        while at < self.0.len() {
            let (read, written) = self.decode_at(at, &mut out[len..]);
            at += read;
            len += written;
        }
        len
    }

    /// The same, but stops once there is more than a signature holds.
    fn decode_start(self, out: &mut [u8; SIGNED + 5]) -> usize {
        let (mut len, mut at) = (0, 0);
        while at < self.0.len() && len <= SIGNED {
            let (read, written) = self.decode_at(at, &mut out[len..]);
            at += read;
            len += written;
        }
        len
    }

    /// Decodes a byte, or the escape sequence, at `at`; gives how many bytes that were read and are
    /// written.
    fn decode_at(self, at: usize, out: &mut [u8]) -> (usize, usize) {
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

    /// The hash of the decoded string.
    pub fn hash(self, hashes: &RandomState) -> u64 {
        let mut hasher = hashes.build_hasher();
        if !self.is_escaped() {
            hash_into(&mut hasher, self.0.as_bytes());
            return hasher.finish();
        }
        // With room for a character that reaches into the next part.
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

    fn compare(self, other: Self) -> Ordering {
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

/// Marks, by its highest bit, the first of eight bytes that does not stand for itself in a
/// string: a control character, a quote or a backslash. Bytes behind it may be marked too.
fn ends_of_plain(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    // The lowest byte below a limit is the lowest one that borrows into its highest bit.
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (EACH * 0x80)
}

/// Decodes the escape sequence at the start of an accepted string; gives its length too.
fn unescape(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = &text.as_bytes()[at..at + 4];
        let value = |digit: u8| u32::from(digit & 0xf) + 9 * u32::from(digit >> 6);
        digits
            .iter()
            .fold(0, |code, &digit| code << 4 | value(digit))
    };
    match text.as_bytes()[1] {
        b'u' => match unit(2) {
            high @ 0xd800..=0xdbff => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (unit(8) - 0xdc00);
                (
                    char::from_u32(code).expect("a pair of surrogates is a character"),
                    12,
                )
            }
            code => (
                char::from_u32(code).expect("lone surrogates were refused"),
                6,
            ),
        },
        letter => (char::from(short_escape(letter)), 2),
    }
}

/// What a letter behind a backslash stands for.
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

/// A key of an object that is being read.
#[derive(Clone, Copy)]
struct Key<'a> {
    text: &'a str,
    signature: u64,
}

/// The signature of keys that are long, or written with escapes and no longer short when decoded.
/// UTF-8 has no such bytes.
const INDIRECT: u64 = u64::MAX;

impl Key<'_> {
    const NONE: Self = Self {
        text: "",
        signature: 0,
    };

    /// Whether two keys are the same; neither is indirect.
    fn is(self, other: Self) -> bool {
        self.signature == other.signature
            && (self.signature.to_le_bytes()[0] as usize <= SIGNED || self.text == other.text)
    }

    /// The same where one of them may be indirect.
    fn is_decoded(self, other: Self) -> bool {
        match self.signature == INDIRECT || other.signature == INDIRECT {
            true => Text(self.text).compare(Text(other.text)).is_eq(),
            false => self.is(other),
        }
    }
}

/// How many bytes of a key its signature holds. It is all of those that are no longer.
const SIGNED: usize = 7;

/// Length and first bytes of a decoded key that stands in `text`: what tells most keys apart.
fn signature(text: &[u8], key: Range<usize>) -> u64 {
    let len = key.len();
    let head = match text[key.start..].first_chunk::<8>() {
        Some(head) => u64::from_le_bytes(*head),
        None => {
            let bytes = text[key].iter().rev();
            bytes.fold(0, |head, &byte| head << 8 | u64::from(byte))
        }
    };
    let unused_bits = 8 * (8 - len.min(SIGNED)) as u32;
    let head = head.checked_shl(unused_bits).unwrap_or(0);
    head | len.min(0xfe) as u64
}

/// The keys of one object, whose first ones lie with the reader.
struct Keys<'a> {
    start: usize,
    /// The indirect ones, and those of a long object that the reader has no room for.
    more: Vec<Key<'a>>,
}

/// Whether a key stands twice, however it is written. Who wrote the keys cannot know the hashes,
/// so that comparing two of them costs the same whatever they begin with.
fn has_duplicate(mut keys: Vec<Key<'_>>) -> Result<bool, NoMemory> {
    let are_short = keys.iter().all(|key| key.signature != INDIRECT);
    if keys.len() <= 2 || (are_short && keys.len() <= 8) {
        let mut pairs = (1..keys.len()).flat_map(|at| keys[..at].iter().map(move |one| (one, at)));
        return Ok(pairs.any(|(one, at)| one.is_decoded(keys[at])));
    }
    let mut index = Index::with_room_for(keys.len())?;
    for key in &mut keys {
        key.signature = Text(key.text).hash(index.hashes());
    }
    Ok(keys.iter().zip(1..).any(|(key, number)| {
        let is_same = |at: usize| {
            let other = &keys[at - 1];
            other.signature == key.signature && Text(other.text).compare(Text(key.text)).is_eq()
        };
        !index.put(key.signature, number, is_same)
    }))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The keys of the objects that are being read, the innermost ones last.
    keys: [Key<'a>; INLINE_KEYS],
    key_count: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self {
            text,
            at,
            keys: [Key::NONE; INLINE_KEYS],
            key_count: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, problem: &'static str) -> NotJson {
        NotJson {
            offset: self.at,
            problem,
        }
    }

    /// Takes one more key; false if it is one of the first of this object again.
    fn add_key(&mut self, keys: &mut Keys<'a>, key: Key<'a>) -> Result<bool, NotJson> {
        let is_full = self.key_count == INLINE_KEYS || self.key_count - keys.start == COMPARED_KEYS;
        if is_full || key.signature == INDIRECT {
            let room = keys.more.try_reserve(1);
            room.map_err(|_| self.problem(NotJson::NO_MEMORY))?;
            keys.more.push(key);
            return Ok(true);
        }
        let earlier = &self.keys[keys.start..self.key_count];
        let is_new = !earlier.iter().any(|other| other.is(key));
        self.keys[self.key_count] = key;
        self.key_count += 1;
        Ok(is_new)
    }

    /// Ends an object; false if a key stands twice that was not compared when it was added.
    fn end_keys(&mut self, mut keys: Keys<'a>) -> Result<bool, NotJson> {
        let first = keys.start..std::mem::replace(&mut self.key_count, keys.start);
        if keys.more.is_empty() {
            return Ok(true);
        }
        let room = keys.more.try_reserve_exact(first.len());
        room.map_err(|_| self.problem(NotJson::NO_MEMORY))?;
        keys.more.extend_from_slice(&self.keys[first]);
        match has_duplicate(keys.more) {
            Ok(has_duplicate) => Ok(!has_duplicate),
            Err(NoMemory) => Err(self.problem(NotJson::NO_MEMORY)),
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(
        &mut self,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<(), NotJson> {
        match self.peek() {
            Some(b'{') => self.object(depth, place, observer),
            Some(b'[') => self.array(depth, observer),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null"),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(_) => Err(self.problem("no value starts like this")),
            None => Err(self.problem("a value is missing")),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), NotJson> {
        if depth == LARGEST_DEPTH + usize::from(is_broken("JSON is read 64 deep")) {
            return Err(self.problem("too deeply nested"));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    fn object(
        &mut self,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<(), NotJson> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut keys = Keys {
            start: self.key_count,
            more: Vec::new(),
        };
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.problem("a key is missing"));
            }
            let key_at = self.at;
            let key = self.key()?;
            if !self.add_key(&mut keys, key)? && !is_broken("a key stands once in its object") {
                self.at = key_at;
                return Err(self.problem("this key stands twice"));
            }
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.problem("a colon is missing"));
            }
            self.at += 1;
            self.skip_blanks();
            self.member(depth, place, Text(key.text), observer)?;
            if !self.another(b'}')? {
                break;
            }
        }
        if self.end_keys(keys)? {
            Ok(())
        } else {
            Err(self.problem("a key of this object stands twice"))
        }
    }

    fn member(
        &mut self,
        depth: usize,
        place: Place<'a>,
        key: Text<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<(), NotJson> {
        let inner = match place {
            Place::Root => Place::Member(key),
            Place::Member(_) | Place::Deeper => Place::Deeper,
        };
        let start = self.at;
        self.value(depth + 1, inner, observer)?;
        let value = Value(&self.text[start..self.at]);
        match place {
            Place::Root => observer.member(key, value),
            Place::Member(parent) => observer.inner_member(parent, key, value),
            Place::Deeper => {}
        }
        Ok(())
    }

    fn array(&mut self, depth: usize, observer: &mut impl Observer<'a>) -> Result<(), NotJson> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1, Place::Deeper, observer)?;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    /// After a member or an element: whether another follows, or the `end`.
    fn another(&mut self, end: u8) -> Result<bool, NotJson> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_blanks();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.problem("a comma or the end is missing")),
        }
    }

    fn key(&mut self) -> Result<Key<'a>, NotJson> {
        let (key, is_escaped) = self.string()?;
        let signature = if key.len() > LONGEST_COMPARED {
            INDIRECT
        } else if is_escaped {
            let mut decoded = [0; SIGNED + 5];
            match Text(&self.text[key.clone()]).decode_start(&mut decoded) {
                len @ 0..=SIGNED => signature(&decoded, 0..len),
                _ => INDIRECT,
            }
        } else {
            signature(self.text.as_bytes(), key.clone())
        };
        Ok(Key {
            text: &self.text[key],
            signature,
        })
    }

    /// Reads a string: what is between its quotes, and whether there are escapes in it.
    fn string(&mut self) -> Result<(Range<usize>, bool), NotJson> {
        self.at += 1;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let string = start..self.at;
                    self.at += 1;
                    return Ok((string, is_escaped));
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(0x20..) => self.skip_run(),
                Some(_) => return Err(self.problem("a raw control character")),
                None => return Err(self.problem("the string has no end")),
            }
        }
    }

    /// Passes over a byte that stands for itself in a string, and those behind it that do.
    fn skip_run(&mut self) {
        self.at += 1;
        // A single one between two escape sequences.
        if !matches!(self.peek(), Some(b'\\' | b'"')) {
            self.skip_plain();
        }
    }

    /// Passes over what stands for itself in a string.
    fn skip_plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let (words, tail) = rest.as_chunks::<8>();
        for (passed, word) in words.iter().enumerate() {
            let ends = ends_of_plain(u64::from_le_bytes(*word));
            if ends != 0 {
                self.at += 8 * passed + ends.trailing_zeros() as usize / 8;
                return;
            }
        }
        let plain = tail
            .iter()
            .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        self.at += 8 * words.len() + plain.unwrap_or(tail.len());
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.code_unit()? {
                0xd800..=0xdbff => match self.code_unit() {
                    Ok(0xdc00..=0xdfff) => {}
                    _ => return Err(self.problem("half a surrogate pair")),
                },
                0xdc00..=0xdfff => return Err(self.problem("half a surrogate pair")),
                _ => {}
            },
            _ => return Err(self.problem("no escape is written like this")),
        }
        Ok(())
    }

    /// Reads one `\uXXXX`.
    fn code_unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.as_bytes().get(self.at..self.at + 6);
        let Some([b'\\', b'u', digits @ ..]) = digits else {
            return Err(self.problem("no escape is written like this"));
        };
        let mut code = 0;
        for &digit in digits {
            let Some(digit) = char::from(digit).to_digit(16) else {
                return Err(self.problem("\\u takes four hexadecimal digits"));
            };
            code = code * 16 + digit;
        }
        self.at += 6;
        Ok(code)
    }

    fn number(&mut self) -> Result<(), NotJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.problem("a digit is missing"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.problem("no value starts like this"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a string of an accepted text and gives what is between its quotes.
    fn skip_string(&mut self) -> &'a str {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') | None => break,
                _ => self.skip_run(),
            }
        }
        self.at += 1;
        &self.text[start..self.at - 1]
    }

    /// Passes over a value of an accepted text.
    fn skip_value(&mut self) {
        match self.peek() {
            Some(b'"') => {
                self.skip_string();
                return;
            }
            Some(b'{' | b'[') => {}
            _ => return self.skip_scalar(),
        }
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.skip_string()),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                _ => self.skip_scalar(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_scalar(&mut self) {
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') = self.peek() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> &'static str {
        check(text).expect_err(text).problem
    }

    #[test]
    fn accepts_what_the_standard_allows() {
        for text in [
            "null",
            " true ",
            "\t\r\nfalse\n",
            "0",
            "-0",
            "12",
            "-1.5e+10",
            "1E400",
            "\"\"",
            "[]",
            "{}",
            "[ 1 , 2 ]",
            r#"{"a":{"b":[null]},"c":"\u00e9\ud83d\ude00"}"#,
            r#""\"\\\/\b\f\n\r\t""#,
            "\"\u{7f}é😀\"",
        ] {
            check(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        }
        check(&"9".repeat(5000)).unwrap();
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "NaN",
            "Infinity",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e+",
            "'a'",
            "\"",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\t\"",
            "\"\0\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[1 2]",
            "{",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1",
            "1 2",
            "{}{}",
            "\u{feff}1",
            "[1}",
            "{\"a\":1]",
            "/**/1",
        ] {
            problem(text);
        }
    }

    #[test]
    fn refuses_half_surrogate_pairs() {
        for text in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800\u0041""#,
            r#""\ud800x""#,
            r#""\ud800\ud800""#,
        ] {
            assert_eq!(problem(text), "half a surrogate pair", "{text}");
        }
    }

    #[test]
    fn refuses_a_key_that_stands_twice_however_it_is_written() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\u0061":1,"b":2,"\u0061":2}"#,
            r#"[{"x":{"é":1,"\u00e9":2}}]"#,
        ] {
            assert_eq!(problem(text), "this key stands twice");
        }
        let long = "k".repeat(LONGEST_COMPARED);
        for text in [
            format!(r#"{{"{long}l":1,"b":2,"{long}l":3}}"#),
            format!(r#"{{"{long}l":1,"b":2,"{long}\u006c":3}}"#),
        ] {
            assert_eq!(problem(&text), "a key of this object stands twice");
        }
        check(r#"{"a":{"a":1},"b":{"a":1}}"#).unwrap();
        check(&format!(r#"{{"{long}":1,"{long}l":2,"{long}m":3}}"#)).unwrap();
        check(r#"{"\u0061":{"\u0061":1},"\u0062":{"a":1}}"#).unwrap();
        let members = |count: usize| {
            (0..count)
                .map(|i| format!("\"k{i}\":{i}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        for count in [15, 16, 17, 18, 1000] {
            check(&format!("{{{}}}", members(count))).unwrap();
            for twice in [0, count / 2, count - 1] {
                let text = format!("{{{},\"k{twice}\":0}}", members(count));
                assert!(problem(&text).ends_with("stands twice"), "{count} {twice}");
            }
        }
    }

    #[test]
    fn reads_to_the_largest_depth_and_no_deeper() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth));
            check(&nested(LARGEST_DEPTH)).unwrap();
            assert_eq!(problem(&nested(LARGEST_DEPTH + 1)), "too deeply nested");
            problem(&open.repeat(1_000_000));
        }
    }

    #[test]
    fn says_where_the_problem_is() {
        assert_eq!(
            check("[1, x]").map(drop),
            Err(NotJson {
                offset: 4,
                problem: "no value starts like this"
            })
        );
    }

    #[test]
    fn lists_members_as_they_are_written() {
        let text =
            r#" { "a" : [1, {"b": "]}"}] , "\u0062\"": "x\\" ,"c":-1.5E2,"d":true, "e":{}} "#;
        let object = check(text).unwrap().object().unwrap();
        let members: Vec<_> = object
            .members()
            .map(|(key, value)| (key.decode().into_owned(), value.as_written()))
            .collect();
        let expected = [
            ("a", r#"[1, {"b": "]}"}]"#),
            ("b\"", r#""x\\""#),
            ("c", "-1.5E2"),
            ("d", "true"),
            ("e", "{}"),
        ];
        assert_eq!(
            members,
            expected.map(|(key, value)| (key.to_owned(), value))
        );
        assert_eq!(check("{}").unwrap().object().unwrap().members().count(), 0);
    }

    #[test]
    fn tells_kinds_apart() {
        let kind = |text| check(text).unwrap().kind();
        assert!(matches!(kind("null"), Kind::Null));
        assert!(matches!(kind("true"), Kind::Boolean(true)));
        assert!(matches!(kind("-12"), Kind::Integer("-12")));
        assert!(matches!(kind("1.0"), Kind::Fraction));
        assert!(matches!(kind("1e2"), Kind::Fraction));
        assert!(matches!(kind("[]"), Kind::Array));
        assert!(matches!(kind("{}"), Kind::Object(_)));
        let Kind::String(text) = kind(r#""\u0041\ud83d\ude00\n""#) else {
            panic!("a string")
        };
        assert_eq!(text.decode(), "A😀\n");
        assert!(text == *"A😀\n");
        assert!(text != *"A" && text != *r"\u0041\ud83d\ude00\n");
    }

    /// A second opinion: what serde_json says of texts made by breaking good ones.
    #[test]
    fn agrees_with_serde_json_on_broken_texts() {
        let seeds = [
            r#"{"verb":"STAT","parameters":{}}"#,
            r#"{"a":[1,-2.5e3,null,true],"b":"\u00e9\n","c":{"d":[]}}"#,
            r#"[[],{},"",0,-0.0e-0,"é"]"#,
        ];
        let mut compared = 0;
        for seed in seeds {
            for at in (0..seed.len()).filter(|&at| seed.is_char_boundary(at)) {
                for replacement in [
                    "", "0", "-", ".", "e", "\"", "\\", "{", "}", "[", "]", ",", ":", " ", "u", "t",
                ] {
                    let width = seed[at..].chars().next().map_or(0, char::len_utf8);
                    for skip in [0, width] {
                        let text = format!("{}{replacement}{}", &seed[..at], &seed[at + skip..]);
                        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
                        let ours = check(&text);
                        let duplicate = matches!(&ours, Err(problem) if problem.problem.ends_with("stands twice"));
                        assert!(ours.is_ok() == theirs || duplicate, "{text}: {ours:?}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 3000);
    }
}
