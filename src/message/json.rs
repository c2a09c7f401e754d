//! A strict reader of JSON text (RFC 8259) that builds nothing.
//!
//! Requests and responses are checked once and handed on as the very text that was
//! checked, so that integers keep every digit and unknown members survive. General JSON
//! libraries build values, merge duplicate keys or turn long integers into doubles; this
//! one refuses what two readers could understand differently: duplicate keys, lone
//! surrogates, anything after the value, and nesting beyond [`LARGEST_DEPTH`].
//!
//! Python's `json`, with which the released peers read and write, takes some of that: of what
//! is refused, [`NotJson::is_python`] tells whether Python reads it.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use arrayvec::ArrayVec;
use zeroize::Zeroize;

use super::members::{HASHED_AT_ONCE, Index, hash_into, narrow};
use super::received::place;
use super::work::{self, Count};
use crate::error::Error;
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

/// The bytes of a member that has no name, and of the comma before it.
const SHORTEST_MEMBER: usize = 5;

/// How many digits Python turns into an integer at most.
const LONGEST_PYTHON_INTEGER: usize = 4300;

const TOO_DEEP: &str = "too deeply nested: 64 levels of objects and arrays are the most";
const NOT_FINITE: &str = "no number of JSON: write null, or a string";
const TWICE: &str = "this key stands twice in its object: leave one out";
const HALF_A_PAIR: &str = "half a surrogate pair: write both halves, or the character itself";
const TRAILING_COMMA: &str = "a comma too many: none stands behind the last member or element";

/// Who wrote a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The peer.
    Peer,
    /// The program, for the peer: it has to be what every Python reads, too.
    Caller,
}

/// Why a text is not accepted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    /// The offset in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
    /// Whether Python's `json.loads` reads the whole text all the same, of however many levels.
    pub is_python: bool,
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
    /// A member of the root object, after those of the object that is its value. Both add to `work`
    /// what it was to be told.
    fn member(&mut self, key: Text<'a>, value: Value<'a>, work: &mut impl Count);

    /// A member of an object that is itself the value of the root's member `parent`.
    fn inner_member(
        &mut self,
        parent: Text<'a>,
        key: Text<'a>,
        value: Value<'a>,
        work: &mut impl Count,
    );
}

/// Is told and forgets.
impl<'a> Observer<'a> for () {
    fn member(&mut self, _key: Text<'a>, _value: Value<'a>, _work: &mut impl Count) {}

    fn inner_member(
        &mut self,
        _parent: Text<'a>,
        _key: Text<'a>,
        _value: Value<'a>,
        _work: &mut impl Count,
    ) {
    }
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
pub fn check(text: &str, origin: Origin) -> Result<Value<'_>, NotJson> {
    observe(text, 0, origin, &mut (), &mut ())
}

/// Whether Python's `json.loads` reads a text, as far as there is memory to tell.
pub fn python_reads(text: &str, work: &mut impl Count) -> bool {
    observe(text, 0, Origin::Peer, &mut (), work).map_or_else(
        |problem| problem.is_python || problem.is_no_memory(),
        |_| true,
    )
}

/// Where the value stands in a text that is nothing else but blanks.
pub fn without_blanks(text: &str) -> Range<usize> {
    place(text, text.trim_matches([' ', '\t', '\n', '\r']))
}

/// As [`check`], for a text that is to stand `depth` levels deep in another one. Tells `observer` of
/// the members while it passes them, and adds to `work` what it took, whether the text is accepted
/// or not.
pub fn observe<'a>(
    text: &'a str,
    depth: usize,
    origin: Origin,
    observer: &mut impl Observer<'a>,
    work: &mut impl Count,
) -> Result<Value<'a>, NotJson> {
    let mut reader = Reader::<INLINE_KEYS, _>::new(text, 0, *work);
    if origin == Origin::Caller {
        reader.longest_integer = LONGEST_PYTHON_INTEGER;
    }
    let whole = reader.whole(depth, observer);
    reader.did(work::TEXT + work::BYTE * reader.at);
    *work = reader.work;
    match (whole, reader.flaw) {
        (Ok(value), None) => Ok(value),
        (Ok(_), Some(flaw)) => Err(flaw),
        (Err(problem), _) if problem.is_no_memory() => Err(problem),
        // What comes first is told.
        (Err(problem), flaw) => Err(NotJson {
            is_python: false,
            ..flaw.unwrap_or(problem)
        }),
    }
}

impl NotJson {
    /// Where in `text`, and what: lines and columns are counted as Python counts them.
    pub fn tell(&self, text: &str) -> String {
        let before = &text.as_bytes()[..self.offset];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let start = before.iter().rposition(|&byte| byte == b'\n');
        let characters = before[start.map_or(0, |at| at + 1)..].iter();
        let column = 1 + characters.filter(|&&byte| byte & 0xc0 != 0x80).count();
        let Self {
            offset, problem, ..
        } = self;
        format!("at line {line} column {column} (byte {offset}): {problem}")
    }

    /// The error of an argument of this name that holds `text`.
    pub fn of_argument(self, name: &str, text: &str) -> Error {
        self.of_message(name, text, Error::invalid_argument)
    }

    /// The error of such an argument, made by `refused` of what to tell.
    pub fn of_message(
        self,
        name: &str,
        text: &str,
        refused: impl FnOnce(String) -> Error,
    ) -> Error {
        if self.is_no_memory() {
            return NoMemory.into();
        }
        refused(format!("{name} is no acceptable JSON {}", self.tell(text)))
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

    /// What to tell of an argument of this name that holds the value, which is no object.
    pub fn told_as_no_object(self, name: &str) -> String {
        match self.kind() {
            Kind::Array => {
                format!(r#"{name} is an array; it has to be an object, such as {{"list": [...]}}"#)
            }
            _ => format!(r#"{name} is no object, such as {{"name": "value"}}"#),
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
        let mut reader = Reader::<0, ()>::new(self.0, at, ());
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

    /// The key that begins at `start`, behind its quote, in a text in which it was read.
    fn key_at(all: &'a str, start: u32) -> Self {
        let mut reader = Reader::<0, ()>::new(all, start as usize - 1, ());
        Self(reader.skip_string())
    }

    /// The string as it is written between its quotes.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    /// Whether it is written with escapes.
    pub fn is_escaped(self) -> bool {
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
    #[inline(always)]
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
        if self.0.len() <= HASHED_AT_ONCE {
            let mut decoded = [0; HASHED_AT_ONCE];
            let len = self.decode_into(&mut decoded);
            hash_into(&mut hasher, &decoded[..len]);
            decoded[..len].zeroize();
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

/// A byte in each place of a word.
const EACH: u64 = u64::MAX / 0xff;

/// Marks, by its highest bit, the first of eight bytes that does not stand for itself in a
/// string: a control character, a quote or a backslash. Bytes behind it may be marked too.
fn ends_of_plain(word: u64) -> u64 {
    // The lowest byte below a limit is the lowest one that borrows into its highest bit. With its
    // second bit flipped, a quote is below 0x21, too, and no other than the control characters.
    let controls_and_quotes = (word ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
    let backslashes = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
    (controls_and_quotes | backslashes) & !word & (EACH * 0x80)
}

/// Marks, by its highest bit, each of eight bytes that is no digit.
fn ends_of_digits(word: u64) -> u64 {
    let digits = word ^ (EACH * u64::from(b'0'));
    // What is more than 9 carries into its highest bit, and no further.
    (((digits & (EACH * 0x7f)) + EACH * (0x80 - 10)) | digits) & (EACH * 0x80)
}

/// Where the first byte stands, from `at` on, that `ends` marks in words and of which `is_passed` is
/// not true.
#[inline(always)]
fn behind(
    bytes: &[u8],
    mut at: usize,
    ends: impl Fn(u64) -> u64,
    is_passed: impl Fn(u8) -> bool,
) -> usize {
    // Two words a turn: that takes fewer instructions than one.
    while let Some(words) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let (words, _) = words.as_chunks();
        for word in words {
            let ends = ends(u64::from_le_bytes(*word));
            if ends != 0 {
                return at + ends.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
    }
    while bytes.get(at).is_some_and(|&byte| is_passed(byte)) {
        at += 1;
    }
    at
}

/// Where what stands for itself in a string ends.
#[inline(always)]
fn behind_plain(bytes: &[u8], at: usize) -> usize {
    let is_plain = |byte| byte >= 0x20 && byte != b'"' && byte != b'\\';
    behind(bytes, at, ends_of_plain, is_plain)
}

/// Where a byte that stands for itself in a string, and those behind it that do, end.
#[inline(always)]
fn behind_run(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        // A single one between two escape sequences.
        Some(b'\\' | b'"') => at + 1,
        _ => behind_plain(bytes, at + 1),
    }
}

/// Where digits end.
#[inline(always)]
fn behind_digits(bytes: &[u8], at: usize) -> usize {
    behind(bytes, at, ends_of_digits, |byte| byte.is_ascii_digit())
}

/// Where blanks end.
#[inline(always)]
fn behind_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
        // Texts that are written for people are indented.
        while bytes.get(at..).and_then(|rest| rest.first_chunk()) == Some(&[b' '; 8]) {
            at += 8;
        }
    }
    at
}

/// Decodes the escape sequence at the start of a string that was read; gives its length too. Half a
/// surrogate pair, which no accepted string has, becomes U+FFFD.
fn unescape(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    let alone = |unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    match bytes[1] {
        b'u' => {
            let value = |digit: u8| u32::from(digit & 0xf) + 9 * u32::from(digit >> 6);
            let digits = bytes[2..6].iter();
            let unit = digits.fold(0, |code, &digit| code << 4 | value(digit));
            match (unit, code_unit_behind(unit, bytes)) {
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

/// The second half of the surrogate pair at the start of `bytes`, whose first `unit` was read.
fn code_unit_behind(unit: u32, bytes: &[u8]) -> Option<u32> {
    match unit {
        0xd800..=0xdbff => code_unit(&bytes[6..]).filter(|low| (0xdc00..=0xdfff).contains(low)),
        _ => None,
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

/// Reads the `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else {
        return None;
    };
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}

/// A key of an object that is being read: where it stands between its quotes.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    end: usize,
    signature: u64,
}

/// What ends an object, or an array.
fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// The signature of keys that are long, or written with escapes and not found to be short when decoded.
/// UTF-8 has no such bytes.
const INDIRECT: u64 = u64::MAX;

impl Key {
    fn text(self, all: &str) -> Text<'_> {
        Text(&all[self.start..self.end])
    }

    /// Whether two keys of the same signature are the same.
    #[inline(never)]
    fn is_to_its_end(self, other: Self, all: &str) -> bool {
        self.signature.to_le_bytes()[0] as usize <= SIGNED || self.text(all).0 == other.text(all).0
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

/// Where the keys of one object begin among those of the reader.
#[derive(Clone, Copy)]
struct Keys {
    first: usize,
    more: usize,
}

/// An object or array that is being read.
#[derive(Clone, Copy)]
struct Frame {
    is_object: bool,
    keys: Keys,
}

/// Of the keys of a text that begin at `starts`, the one that stands twice, where it stands again,
/// however it is written. Who wrote the keys cannot know the hashes, so that comparing two of them
/// costs the same whatever they begin with.
fn duplicate(starts: &[u32], all: &str, work: &mut impl Count) -> Result<Option<usize>, NoMemory> {
    let mut key_at = |start: u32| {
        let key = Text::key_at(all, start);
        work.add(work::HASHED_KEY + work::HASHED_BYTE * key.0.len());
        key
    };
    let later = |one: u32, other: u32| one.max(other) as usize;
    match *starts {
        [] | [_] => return Ok(None),
        [one, other] => {
            let is_same = key_at(one).compare(key_at(other)).is_eq();
            return Ok(is_same.then(|| later(one, other)));
        }
        _ => {}
    }
    let mut index = Index::with_room_for(starts.len())?;
    // A part of each hash tells nearly all keys apart.
    let mut parts = Vec::new();
    parts.try_reserve_exact(starts.len())?;
    for (&start, number) in starts.iter().zip(1..) {
        let key = key_at(start);
        let hash = key.hash(index.hashes());
        let part = hash as u32;
        let same = Cell::new(None);
        let is_same = |at: usize| {
            let other = starts[at - 1];
            let is_same = parts[at - 1] == part && Text::key_at(all, other).compare(key).is_eq();
            same.set(is_same.then_some(other));
            is_same
        };
        index.put(hash, number, is_same);
        if let Some(other) = same.get() {
            return Ok(Some(later(start, other)));
        }
        parts.push(part);
    }
    Ok(None)
}

/// Which brackets are open, a bit for each.
#[derive(Default)]
struct Brackets {
    bits: Vec<u64>,
    count: usize,
}

impl Brackets {
    fn open(&mut self, is_object: bool) -> Result<(), NoMemory> {
        if self.count.is_multiple_of(64) {
            self.bits.try_reserve(1)?;
            self.bits.push(0);
        }
        let bits = self.bits.last_mut().expect("there is one for each 64");
        *bits = *bits << 1 | u64::from(is_object);
        self.count += 1;
        Ok(())
    }

    /// Whether the innermost one is an object's; `None` if all are closed.
    fn innermost(&self) -> Option<bool> {
        self.bits.last().map(|bits| bits & 1 == 1)
    }

    fn close(&mut self) {
        self.count -= 1;
        if self.count.is_multiple_of(64) {
            self.bits.pop();
        } else if let Some(bits) = self.bits.last_mut() {
            *bits >>= 1;
        }
    }
}

/// Reads, and keeps up to `KEYS` keys in place: none where the keys are known to differ.
struct Reader<'a, const KEYS: usize, W> {
    text: &'a str,
    /// Where it is: known where something is wrong, and to what passes over an accepted text.
    at: usize,
    /// The first keys of the objects that are being read, the innermost ones last.
    keys: ArrayVec<Key, KEYS>,
    /// Where those begin that are indirect, and those of a long object that there is no room for.
    more: Vec<u32>,
    longest_integer: usize,
    /// The first thing that is accepted by Python only.
    flaw: Option<NotJson>,
    /// What was done, less what each byte takes.
    work: W,
}

impl<'a, const KEYS: usize, W: Count> Reader<'a, KEYS, W> {
    fn new(text: &'a str, at: usize, work: W) -> Self {
        Self {
            text,
            at,
            keys: ArrayVec::new_const(),
            more: Vec::new(),
            longest_integer: usize::MAX,
            flaw: None,
            work,
        }
    }

    #[inline(always)]
    fn did(&mut self, work: usize) {
        self.work.add(work);
    }

    /// Has passed `len` bytes by whole words.
    #[inline(always)]
    fn did_words(&mut self, work: usize, len: usize) {
        self.did((work + len / 8 * work::WORD).wrapping_sub(work::BYTE * len));
    }

    /// Reads the whole text.
    fn whole(
        &mut self,
        depth: usize,
        observer: &mut impl Observer<'a>,
    ) -> Result<Value<'a>, NotJson> {
        let bytes = self.text.as_bytes();
        let start = behind_blanks(bytes, self.at);
        let end = self.value(start, depth, Place::Root, observer)?;
        self.at = behind_blanks(bytes, end);
        if self.at < self.text.len() {
            return Err(self.unexpected("something follows the value"));
        }
        Ok(Value(&self.text[start..end]))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, problem: &'static str) -> NotJson {
        NotJson {
            offset: self.at,
            problem,
            is_python: false,
        }
    }

    /// Here is something else than one of the things that may stand here.
    #[cold]
    fn unexpected(&self, otherwise: &'static str) -> NotJson {
        let rest = &self.text[self.at..];
        let before = self.text[..self.at].trim_end_matches([' ', '\t', '\n', '\r']);
        if rest.starts_with([']', '}']) && before.ends_with(',') {
            return NotJson {
                offset: before.len() - 1,
                problem: TRAILING_COMMA,
                is_python: false,
            };
        }
        self.problem(match rest.chars().next() {
            None if before.is_empty() => "the text is empty: {} is an object without members",
            Some('\u{feff}') => "a byte-order mark: leave it out",
            Some('/' | '#') => "a comment: JSON has none",
            Some('\'' | '\u{2018}' | '\u{201c}') => "a quote of another kind: write double quotes",
            _ => otherwise,
        })
    }

    /// No value stands here.
    #[cold]
    fn no_value(&self) -> NotJson {
        let rest = &self.text[self.at..];
        self.unexpected(match rest.chars().next() {
            None => "a value is missing: the text ends here",
            Some('+') => "a plus sign: a number has none",
            Some('.') => "a digit is missing before the point",
            Some('T' | 'F' | 'N' | 'I') => "the words of JSON are null, true and false",
            Some(',' | ':' | ']' | '}') => "a value is missing",
            Some(_) => "no value starts like this: a text stands between double quotes",
        })
    }

    /// What stands at `offset` is accepted by Python only.
    #[cold]
    fn python_only(&mut self, offset: usize, problem: &'static str) {
        self.flaw.get_or_insert(NotJson {
            offset,
            problem,
            is_python: true,
        });
    }

    /// The keys of an object that begins now.
    fn new_keys(&self) -> Keys {
        Keys {
            first: self.keys.len(),
            more: self.more.len(),
        }
    }

    /// Takes one more key.
    #[inline(always)]
    fn add_key(&mut self, keys: Keys, mut key: Key) -> Result<(), NotJson> {
        let is_full = self.keys.is_full() || self.keys.len() - keys.first == COMPARED_KEYS;
        if key.signature == INDIRECT && !is_full {
            key.signature = self.signature_of_other(key.start..key.end);
        }
        if is_full || key.signature == INDIRECT {
            return self.add_more(key);
        }
        let earlier = &self.keys[keys.first..];
        let mut compared = work::COMPARED_KEY + work::COMPARISON * earlier.len();
        let is_same = |other: &Key| {
            other.signature == key.signature && {
                compared += work::COMPARISON_TO_THE_END;
                other.is_to_its_end(key, self.text)
            }
        };
        if earlier.iter().any(is_same) {
            self.python_only(key.start - 1, TWICE);
        }
        self.keys.push(key);
        self.did(compared);
        Ok(())
    }

    /// Takes one that is compared at the end of its object.
    #[inline(never)]
    fn add_more(&mut self, key: Key) -> Result<(), NotJson> {
        self.did(work::KEPT_KEY);
        self.keep(key)
            .map_err(|NoMemory| self.problem(NotJson::NO_MEMORY))
    }

    fn keep(&mut self, key: Key) -> Result<(), NoMemory> {
        if self.more.len() == self.more.capacity() {
            // No more than can still come.
            let most = 1 + (self.text.len() - key.end) / SHORTEST_MEMBER;
            let room = self.more.len().max(INLINE_KEYS).min(most);
            self.more.try_reserve_exact(room)?;
        }
        self.more.push(narrow(key.start)?);
        Ok(())
    }

    /// Ends an object, and finds a key that stands twice and was not compared when it was added.
    #[inline(always)]
    fn end_keys(&mut self, keys: Keys) -> Result<(), NotJson> {
        if self.more.len() > keys.more {
            self.compare_more(keys)?;
        }
        self.keys.truncate(keys.first);
        Ok(())
    }

    #[inline(never)]
    fn compare_more(&mut self, keys: Keys) -> Result<(), NotJson> {
        if self.flaw.is_none() {
            let found = self
                .duplicate(keys)
                .map_err(|NoMemory| self.problem(NotJson::NO_MEMORY))?;
            if let Some(start) = found {
                self.python_only(start - 1, TWICE);
            }
        }
        self.more.truncate(keys.more);
        Ok(())
    }

    /// Where the key of an object begins that stands twice.
    fn duplicate(&mut self, keys: Keys) -> Result<Option<usize>, NoMemory> {
        let first = &self.keys[keys.first..];
        self.more.try_reserve_exact(first.len())?;
        for key in first {
            self.more.push(narrow(key.start)?);
        }
        duplicate(&self.more[keys.more..], self.text, &mut self.work)
    }

    fn skip_blanks(&mut self) {
        self.at = behind_blanks(self.text.as_bytes(), self.at);
    }

    /// As [`unexpected`](Self::unexpected), at `at`.
    #[cold]
    fn unexpected_at(&mut self, at: usize, otherwise: &'static str) -> NotJson {
        self.at = at;
        self.unexpected(otherwise)
    }

    /// Reads the value that begins at `at`; gives where it ends.
    fn value(
        &mut self,
        at: usize,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<usize, NotJson> {
        match (self.text.as_bytes().get(at), place) {
            (Some(b'{'), Place::Root | Place::Member(_)) => self.object(at, depth, place, observer),
            (Some(b'{' | b'['), _) => self.untold(at, depth),
            _ => self.scalar(at),
        }
    }

    /// Whether an object or array is one too deep in others.
    fn is_too_deep(&self, depth: usize) -> bool {
        depth == LARGEST_DEPTH
    }

    /// A value that has no others in it.
    #[inline(always)]
    fn scalar(&mut self, at: usize) -> Result<usize, NotJson> {
        self.did(work::SCALAR);
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        match rest {
            [b'"', ..] => self.string(at).map(|(_, end, _)| end + 1),
            [b'-' | b'0'..=b'9', ..] => self.number(at),
            [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Ok(at + 4),
            [b'f', b'a', b'l', b's', b'e', ..] => Ok(at + 5),
            _ => self.not_finite(at, at),
        }
    }

    /// What is at `at`, and part of a number that begins at `start`, is for Python only, or nothing.
    #[cold]
    fn not_finite(&mut self, start: usize, at: usize) -> Result<usize, NotJson> {
        let rest = &self.text.as_bytes()[at..];
        let words: [&[u8]; 2] = [b"NaN", b"Infinity"];
        let of_number = &words[usize::from(start < at)..];
        match of_number.iter().find(|word| rest.starts_with(word)) {
            Some(word) => {
                self.python_only(start, NOT_FINITE);
                Ok(at + word.len())
            }
            None => {
                self.at = at;
                Err(self.no_value())
            }
        }
    }

    /// Reads an object or array that nobody is told of, with all that is in it.
    fn untold(&mut self, mut at: usize, depth: usize) -> Result<usize, NotJson> {
        let bytes = self.text.as_bytes();
        // What is read now, and what it is in.
        let mut frame: Option<Frame> = None;
        let mut outer = ArrayVec::<_, { LARGEST_DEPTH + 1 }>::new_const();
        loop {
            at = match bytes.get(at) {
                Some(b'{' | b'[') if self.is_too_deep(depth + outer.len()) => {
                    self.deep_value(at)?
                }
                Some(bracket @ (b'{' | b'[')) => {
                    let is_object = *bracket == b'{';
                    let (inside, is_empty) = self.enter(at, closing(is_object));
                    if !is_empty {
                        let keys = self.new_keys();
                        self.did(work::FRAME);
                        outer.push(frame.replace(Frame { is_object, keys }));
                        at = match is_object {
                            true => self.member_key(inside, keys)?.1,
                            false => inside,
                        };
                        continue;
                    }
                    inside
                }
                _ => self.scalar(at)?,
            };
            loop {
                let Some(Frame { is_object, keys }) = frame else {
                    return Ok(at);
                };
                let (behind, is_another) = self.another(at, closing(is_object))?;
                at = behind;
                if is_another {
                    if is_object {
                        at = self.member_key(at, keys)?.1;
                    }
                    break;
                }
                if is_object {
                    self.end_keys(keys)?;
                }
                frame = outer.pop().flatten();
            }
        }
    }

    /// Reads an object or array that is one too deep, of any number of levels, in memory of its own
    /// instead of that of the stack.
    #[cold]
    fn deep_value(&mut self, mut at: usize) -> Result<usize, NotJson> {
        self.python_only(at, TOO_DEEP);
        let mut open = Brackets::default();
        loop {
            at = match self.text.as_bytes().get(at) {
                Some(bracket @ (b'{' | b'[')) => {
                    let is_object = *bracket == b'{';
                    let (inside, is_empty) = self.enter(at, closing(is_object));
                    if !is_empty {
                        let opened = open.open(is_object);
                        opened.map_err(|NoMemory| self.problem(NotJson::NO_MEMORY))?;
                        at = match is_object {
                            true => self.key(inside)?.1,
                            false => inside,
                        };
                        continue;
                    }
                    inside
                }
                _ => self.scalar(at)?,
            };
            loop {
                let Some(is_object) = open.innermost() else {
                    return Ok(at);
                };
                let (behind, is_another) = self.another(at, closing(is_object))?;
                at = behind;
                if is_another {
                    if is_object {
                        at = self.key(at)?.1;
                    }
                    break;
                }
                open.close();
            }
        }
    }

    /// Passes the opening bracket of an object or array at `at`, and the closing one where nothing
    /// is between them; gives where it is then, and whether that is so.
    #[inline(always)]
    fn enter(&mut self, at: usize, end: u8) -> (usize, bool) {
        self.did(work::BRACKET);
        let bytes = self.text.as_bytes();
        let at = behind_blanks(bytes, at + 1);
        let is_empty = bytes.get(at) == Some(&end);
        (at + usize::from(is_empty), is_empty)
    }

    /// Reads the key of a member at `at` and the colon behind it, and keeps it; gives where its
    /// value begins, too.
    #[inline(always)]
    fn member_key(&mut self, at: usize, keys: Keys) -> Result<(Key, usize), NotJson> {
        let (key, value) = self.key(at)?;
        self.add_key(keys, key)?;
        Ok((key, value))
    }

    /// The same without keeping it.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Result<(Key, usize), NotJson> {
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            let problem = "a key is missing: it stands between double quotes";
            return Err(self.unexpected_at(at, problem));
        }
        let (start, end, is_escaped) = self.string(at)?;
        self.did(work::KEY);
        let signature = match is_escaped || end - start > LONGEST_COMPARED {
            true => INDIRECT,
            false => signature(bytes, start..end),
        };
        let key = Key {
            start,
            end,
            signature,
        };
        let colon = behind_blanks(bytes, end + 1);
        if bytes.get(colon) != Some(&b':') {
            return Err(self.unexpected_at(colon, "a colon is missing"));
        }
        Ok((key, behind_blanks(bytes, colon + 1)))
    }

    /// The signature of a key that is long or written with escapes.
    #[inline(never)]
    fn signature_of_other(&mut self, key: Range<usize>) -> u64 {
        let escapes = self.text.as_bytes()[key.clone()]
            .iter()
            .filter(|&&byte| byte == b'\\');
        self.did(work::LONG_KEY + work::ESCAPE_OF_KEY * escapes.count());
        if key.len() > LONGEST_COMPARED {
            return INDIRECT;
        }
        let mut decoded = [0; SIGNED + 5];
        match Text(&self.text[key]).decode_start(&mut decoded) {
            len @ 0..=SIGNED => signature(&decoded, 0..len),
            _ => INDIRECT,
        }
    }

    /// Reads the object at `at`, of whose members the observer is told.
    fn object(
        &mut self,
        at: usize,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<usize, NotJson> {
        if self.is_too_deep(depth) {
            return self.deep_value(at);
        }
        let (mut at, is_empty) = self.enter(at, b'}');
        if is_empty {
            return Ok(at);
        }
        let keys = self.new_keys();
        loop {
            let (key, start) = self.member_key(at, keys)?;
            let key = key.text(self.text);
            let inner = match place {
                Place::Root => Place::Member(key),
                Place::Member(_) | Place::Deeper => Place::Deeper,
            };
            let end = self.value(start, depth + 1, inner, observer)?;
            let value = Value(&self.text[start..end]);
            match place {
                Place::Root => observer.member(key, value, &mut self.work),
                Place::Member(parent) => {
                    observer.inner_member(parent, key, value, &mut self.work);
                }
                Place::Deeper => {}
            }
            let is_another;
            (at, is_another) = self.another(end, b'}')?;
            if !is_another {
                break;
            }
        }
        self.end_keys(keys)?;
        Ok(at)
    }

    /// After a member or an element: where the next begins, or where it is behind the `end`, and
    /// whether there is a next.
    #[inline(always)]
    fn another(&mut self, at: usize, end: u8) -> Result<(usize, bool), NotJson> {
        self.did(work::ELEMENT);
        let bytes = self.text.as_bytes();
        let at = behind_blanks(bytes, at);
        match bytes.get(at) {
            Some(b',') => Ok((behind_blanks(bytes, at + 1), true)),
            Some(byte) if *byte == end => Ok((at + 1, false)),
            _ => Err(self.unexpected_at(at, "a comma or the end is missing")),
        }
    }

    /// Reads the string that begins at `at`: where it starts and ends between its quotes, and whether
    /// there are escapes in it.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Result<(usize, usize, bool), NotJson> {
        let bytes = self.text.as_bytes();
        let start = at + 1;
        let end = behind_plain(bytes, start);
        self.did_words(work::STRING, end - start);
        if bytes.get(end) == Some(&b'"') {
            return Ok((start, end, false));
        }
        let end = self.rest_of_string(end)?;
        Ok((start, end, true))
    }

    /// Reads a string from the first byte on that does not stand for itself; gives where its closing
    /// quote stands.
    #[inline(never)]
    fn rest_of_string(&mut self, mut at: usize) -> Result<usize, NotJson> {
        let bytes = self.text.as_bytes();
        loop {
            self.did(work::PART);
            match bytes.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') => match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') => at = self.escaped_unit(at)?,
                    _ => {
                        self.at = at;
                        let problem = r"no escape is written like this: a backslash is written \\";
                        return Err(self.problem(problem));
                    }
                },
                Some(0x20..) => {
                    let end = behind_run(bytes, at);
                    let run = [work::RUN, work::SINGLE][usize::from(end - at == 1)];
                    self.did_words(run, end - at);
                    at = end;
                }
                other => {
                    self.at = at;
                    return Err(self.problem(match other {
                        Some(_) => r"a raw control character: write an escape, \n or \u000a",
                        None => "the string has no end",
                    }));
                }
            }
        }
    }

    /// Reads the `\uXXXX` at `at`, and the other half of a surrogate pair; gives where it ends.
    fn escaped_unit(&mut self, at: usize) -> Result<usize, NotJson> {
        self.did(work::UNIT);
        let unit_at = |at: usize| code_unit(&self.text.as_bytes()[at..]);
        let Some(unit) = unit_at(at) else {
            self.at = at;
            return Err(self.problem(r"\u takes four hexadecimal digits"));
        };
        let end = at + 6;
        match unit {
            0xd800..=0xdbff if matches!(unit_at(end), Some(0xdc00..=0xdfff)) => return Ok(end + 6),
            0xd800..=0xdfff => self.python_only(at, HALF_A_PAIR),
            _ => {}
        }
        Ok(end)
    }

    /// Reads the number that begins at `at`.
    #[inline(always)]
    fn number(&mut self, at: usize) -> Result<usize, NotJson> {
        let bytes = self.text.as_bytes();
        let digits = at + usize::from(bytes[at] == b'-');
        let end = behind_digits(bytes, digits);
        self.did_words(work::NUMBER, end - digits);
        let is_integer = !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'));
        let is_well_written = match bytes.get(digits) {
            Some(b'0') => end == digits + 1,
            _ => end > digits && end - digits <= self.longest_integer,
        };
        // Most numbers.
        if is_integer && is_well_written {
            return Ok(end);
        }
        self.other_number(at, digits, end)
    }

    /// Reads one that is no plain integer, or none; its integer ends at `end`.
    #[inline(never)]
    fn other_number(&mut self, start: usize, digits: usize, end: usize) -> Result<usize, NotJson> {
        let bytes = self.text.as_bytes();
        if digits > start && bytes.get(digits) == Some(&b'I') {
            return self.not_finite(start, digits);
        }
        self.at = digits;
        self.did_words(work::OTHER_NUMBER, end - digits);
        if end > digits + 1 && bytes[digits] == b'0' {
            return Err(self.problem("a zero too many: no number starts with one"));
        }
        self.digits()?;
        match self.peek() {
            Some(b'.' | b'e' | b'E') => self.fraction()?,
            _ if end - digits > self.longest_integer => {
                self.at = start;
                return Err(self.problem(
                    "an integer of more than 4300 digits, which Python does not read: write a string",
                ));
            }
            _ => {}
        }
        Ok(self.at)
    }

    /// What follows the integer of a number.
    fn fraction(&mut self) -> Result<(), NotJson> {
        self.did(work::FRACTION);
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
        let end = behind_digits(self.text.as_bytes(), self.at);
        if end == self.at {
            return Err(self.problem("a digit is missing"));
        }
        self.at = end;
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
                _ => self.at = behind_run(self.text.as_bytes(), self.at),
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

    fn python_reads(text: &str) -> bool {
        super::python_reads(text, &mut ())
    }

    fn problem(text: &str) -> &'static str {
        check(text, Origin::Peer).expect_err(text).problem
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
            check(text, Origin::Peer).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        }
        check(&"9".repeat(5000), Origin::Peer).unwrap();
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
            assert_eq!(problem(text), HALF_A_PAIR, "{text}");
            assert!(python_reads(text));
        }
    }

    #[test]
    fn refuses_a_key_that_stands_twice_however_it_is_written() {
        assert_eq!(problem(r#"{"a":1,"a":2}"#), TWICE);
        for text in [
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\u0061":1,"b":2,"\u0061":2}"#,
            r#"[{"x":{"é":1,"\u00e9":2}}]"#,
        ] {
            assert_eq!(problem(text), TWICE);
        }
        let long = "k".repeat(LONGEST_COMPARED);
        for text in [
            format!(r#"{{"{long}l":1,"b":2,"{long}l":3}}"#),
            format!(r#"{{"{long}l":1,"b":2,"{long}\u006c":3}}"#),
        ] {
            assert_eq!(problem(&text), TWICE);
            assert!(python_reads(&text));
        }
        check(r#"{"a":{"a":1},"b":{"a":1}}"#, Origin::Peer).unwrap();
        check(
            &format!(r#"{{"{long}":1,"{long}l":2,"{long}m":3}}"#),
            Origin::Peer,
        )
        .unwrap();
        check(r#"{"\u0061":{"\u0061":1},"\u0062":{"a":1}}"#, Origin::Peer).unwrap();
        let members = |count: usize| {
            (0..count)
                .map(|i| format!("\"k{i}\":{i}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        for count in [15, 16, 17, 18, 1000] {
            check(&format!("{{{}}}", members(count)), Origin::Peer).unwrap();
            for twice in [0, count / 2, count - 1] {
                let text = format!("{{{},\"k{twice}\":0}}", members(count));
                assert_eq!(problem(&text), TWICE, "{count} {twice}");
            }
        }
    }

    #[test]
    fn reads_to_the_largest_depth_and_no_deeper() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth));
            check(&nested(LARGEST_DEPTH), Origin::Peer).unwrap();
            for depth in [65, 128, 129, 1_000_000] {
                let text = nested(depth);
                assert_eq!(problem(&text), TOO_DEEP);
                assert!(python_reads(&text));
                assert!(!python_reads(&text[..text.len() - 1]));
                assert!(!python_reads(&format!("{text}{close}")));
            }
            problem(&open.repeat(1_000_000));
        }
    }

    #[test]
    fn says_where_the_problem_is() {
        assert_eq!(
            check("[1, x]", Origin::Peer).map(drop),
            Err(NotJson {
                offset: 4,
                problem: "no value starts like this: a text stands between double quotes",
                is_python: false,
            })
        );
    }

    #[test]
    fn lists_members_as_they_are_written() {
        let text =
            r#" { "a" : [1, {"b": "]}"}] , "\u0062\"": "x\\" ,"c":-1.5E2,"d":true, "e":{}} "#;
        let object = check(text, Origin::Peer).unwrap().object().unwrap();
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
        assert_eq!(
            check("{}", Origin::Peer)
                .unwrap()
                .object()
                .unwrap()
                .members()
                .count(),
            0
        );
    }

    #[test]
    fn tells_kinds_apart() {
        let kind = |text| check(text, Origin::Peer).unwrap().kind();
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

    /// Each text, whether Python 3.11's `json.loads` reads it, and where the flaw is.
    const READ_BY_PYTHON: &[(&str, bool, usize)] = &[
        ("NaN", true, 0),
        ("[-Infinity]", true, 1),
        ("[1, Infinity ]", true, 4),
        ("-NaN", false, 1),
        ("-Inf", false, 1),
        ("NaNa", false, 0),
        ("[NaN,]", false, 1),
        (r#"{"\ud800": NaN, "a": 1, "a": 2}"#, true, 2),
        (r#"{"a": 1, "b": 2, "a": 3, "a": 4}"#, true, 17),
        (r#"{"b": 1, "\u0061": 2, "a": 3, "c": 4}"#, true, 22),
        (
            r#"{"a": 3, "c": {"\u0061": 2, "b": 1, "\u0061": 3}}"#,
            true,
            36,
        ),
        (r#"{"\ud800": 1, "\ud800": 2}"#, true, 2),
        (r#""\ud800\ud83d\ude00""#, true, 1),
        (r#""\ud800\u12""#, false, 1),
        (r#""\udc00é""#, true, 1),
        (r#""\ud800é\n""#, true, 1),
    ];

    #[test]
    fn tells_what_python_reads_all_the_same() {
        for &(text, is_read, offset) in READ_BY_PYTHON {
            let problem = check(text, Origin::Peer).expect_err(text);
            assert_eq!(
                (problem.is_python, problem.offset),
                (is_read, offset),
                "{text}"
            );
            assert_eq!(python_reads(text), is_read);
            assert_eq!(check(text, Origin::Caller).unwrap_err(), problem);
        }
        assert!(python_reads("{}") && !python_reads("{},"));
    }

    #[test]
    fn what_is_too_deep_is_read_to_its_end() {
        let around = |inner: &str| format!("{}{inner}{}", "[".repeat(64), "]".repeat(64));
        for inner in [
            "[]",
            "{}",
            "[ [ ] , { } , 1 ]",
            r#"{ "a" : [ { "b" : {} , "c" : [NaN , -0.5e1] } ] , "a" : "\ud800" }"#,
        ] {
            let text = around(inner);
            let problem = check(&text, Origin::Peer).unwrap_err();
            assert_eq!((problem.problem, problem.offset), (TOO_DEEP, 64));
            assert!(problem.is_python, "{inner}");
        }
        for inner in [
            "[}",
            "{]",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "[1 2]",
            "[[1}]",
            "{\"a\":[}",
            "['a']",
        ] {
            assert!(!python_reads(&around(inner)), "{inner}");
        }
    }

    #[test]
    fn brackets_are_closed_in_the_other_order() {
        let mut open = Brackets::default();
        let is_object = |at: usize| at % 3 == 1 || at % 7 == 2;
        for at in 0..1000 {
            open.open(is_object(at)).unwrap();
        }
        for at in (0..1000).rev() {
            assert_eq!(open.innermost(), Some(is_object(at)), "{at}");
            open.close();
        }
        assert_eq!(open.innermost(), None);
    }

    #[test]
    fn integers_that_python_does_not_read_are_not_sent() {
        let digits = "9".repeat(LONGEST_PYTHON_INTEGER);
        for text in [
            digits.clone(),
            format!("-{digits}"),
            format!("{digits}9.0"),
            format!("{digits}9e0"),
            "1e400".into(),
            "-0".into(),
            "123456789012345678901234567890".into(),
        ] {
            check(&text, Origin::Caller).unwrap();
        }
        for text in [format!("[{digits}9]"), format!("[-{digits}9]")] {
            let problem = check(&text, Origin::Caller).unwrap_err();
            assert!(problem.problem.contains("4300 digits"));
            assert_eq!(problem.offset, 1);
            check(&text, Origin::Peer).unwrap();
        }
    }

    #[test]
    fn tells_line_column_and_cure() {
        for (text, told) in [
            ("", "at line 1 column 1 (byte 0): the text is empty: {}"),
            (
                "{\n \"é\": x}",
                "at line 2 column 7 (byte 9): no value starts",
            ),
            (
                "{\"a\": 1,}",
                "at line 1 column 8 (byte 7): a comma too many",
            ),
            (
                "[1,\n2\n,\n]",
                "at line 3 column 1 (byte 6): a comma too many",
            ),
            ("[1] // one", "at line 1 column 5 (byte 4): a comment"),
            ("[1, # one\n2]", "at line 1 column 5 (byte 4): a comment"),
            ("[1 /* one */]", "at line 1 column 4 (byte 3): a comment"),
            (
                "{'a': 1}",
                "at line 1 column 2 (byte 1): a quote of another kind",
            ),
            (
                "['a']",
                "at line 1 column 2 (byte 1): a quote of another kind",
            ),
            (
                "\u{feff}{}",
                "at line 1 column 1 (byte 0): a byte-order mark",
            ),
            (
                "{}\u{feff}",
                "at line 1 column 3 (byte 2): a byte-order mark",
            ),
            (
                "{a: 1}",
                "at line 1 column 2 (byte 1): a key is missing: it stands between",
            ),
            (
                "{\"a\": True}",
                "column 7 (byte 6): the words of JSON are null, true and false",
            ),
            (
                "[None]",
                "column 2 (byte 1): the words of JSON are null, true and false",
            ),
            ("[01]", "column 2 (byte 1): a zero too many"),
            ("[+1]", "column 2 (byte 1): a plus sign"),
            (
                "[.5]",
                "column 2 (byte 1): a digit is missing before the point",
            ),
            ("[5.]", "column 4 (byte 3): a digit is missing"),
            (
                "\"a\tb\"",
                "column 3 (byte 2): a raw control character: write an escape",
            ),
            (
                r#""\d""#,
                "column 2 (byte 1): no escape is written like this",
            ),
            (
                "[NaN]",
                "column 2 (byte 1): no number of JSON: write null, or a string",
            ),
            (
                "[1",
                "at line 1 column 3 (byte 2): a comma or the end is missing",
            ),
            (
                "[1,",
                "at line 1 column 4 (byte 3): a value is missing: the text ends here",
            ),
            (
                "{} {}",
                "at line 1 column 4 (byte 3): something follows the value",
            ),
        ] {
            let found = check(text, Origin::Caller).unwrap_err().tell(text);
            assert!(found.contains(told), "{text}: {found}");
        }
    }

    #[test]
    fn a_word_tells_where_plain_bytes_and_digits_end() {
        for other in 0..=u8::MAX {
            let is_plain = other >= 0x20 && other != b'"' && other != b'\\';
            for at in 0..20 {
                for fill in [b'0', b'9', b' ', 0x7f, 0x80, 0xff] {
                    let mut bytes = [fill; 32];
                    bytes[at..].fill(other);
                    let plain = if is_plain { 32 } else { at };
                    assert_eq!(behind_plain(&bytes, 0), plain, "{other} at {at}");
                    let expected = match (fill.is_ascii_digit(), other.is_ascii_digit()) {
                        (true, true) => 32,
                        (true, false) => at,
                        _ if at == 0 && other.is_ascii_digit() => 32,
                        _ => 0,
                    };
                    assert_eq!(behind_digits(&bytes, 0), expected, "{other} at {at}");
                }
            }
        }
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
                        let ours = check(&text, Origin::Peer);
                        let duplicate = matches!(&ours, Err(problem) if problem.problem == TWICE);
                        assert!(ours.is_ok() == theirs || duplicate, "{text}: {ours:?}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 3000);
    }
}
