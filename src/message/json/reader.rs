//! [`Reader`]: reads a text once, from beginning to end.

use std::ops::Range;

use arrayvec::ArrayVec;

use super::error::JsonError;
use super::keys::{INDIRECT, Key, SIGNATURE_LEN, decode_start, duplicate, signature};
use super::scan::{digits_end, plain_end, run_end, scalar_end, string_end, whitespace_end};
use super::text::{Object, Text, Value, code_unit};
use crate::message::hash_index::to_u32;
use crate::message::work::{self, Count};
use crate::secret::NoMemory;

/// How deep objects and arrays may be nested.
pub const MAX_DEPTH: usize = 64;

/// How many keys of open objects are kept without allocating. It is more than [`MAX_DEPTH`].
pub(super) const INLINE_KEYS: usize = MAX_DEPTH + 8;
/// How many keys of one object are compared with each other at once.
const COMPARED_KEYS: usize = 24;
/// The longest key that is compared at once, in bytes.
pub(super) const MAX_COMPARED_LEN: usize = 64;
/// The length of a member with an empty name, and of the comma before it.
const MIN_MEMBER_LEN: usize = 5;

pub(super) const TOO_DEEP: &str =
    "nested too deep: at most 64 levels of objects and arrays are allowed";
pub(super) const NOT_FINITE: &str = "not a JSON number: write null or a string";
pub(super) const DUPLICATE_KEY: &str = "a duplicate key: leave one out";
pub(super) const LONE_SURROGATE: &str =
    "half a surrogate pair: write both halves, or the character itself";
pub(super) const TRAILING_COMMA: &str = "a trailing comma: leave it out";

/// Called for the members of a text while it is read, before it is known whether the text is accepted.
pub trait Observer<'a> {
    /// A member of the root object, after the members of its value. Both methods add their work to
    /// `work`.
    fn member(&mut self, key: Text<'a>, value: Value<'a>, work: &mut impl Count);

    /// A member of the object that is the value of the root's member `parent`.
    fn inner_member(
        &mut self,
        parent: Text<'a>,
        key: Text<'a>,
        value: Value<'a>,
        work: &mut impl Count,
    );
}

/// Ignores all members.
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

/// The position of a value.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    /// The value of the root's member of this name.
    Member(Text<'a>),
    Deeper,
}

/// The bracket that ends an object or an array.
fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// The first key of an object, among the keys of the reader.
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

/// Which brackets are open, a bit for each.
#[derive(Default)]
pub(super) struct Brackets {
    bits: Vec<u64>,
    count: usize,
}

impl Brackets {
    pub(super) fn open(&mut self, is_object: bool) -> Result<(), NoMemory> {
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
    pub(super) fn innermost(&self) -> Option<bool> {
        self.bits.last().map(|bits| bits & 1 == 1)
    }

    pub(super) fn close(&mut self) {
        self.count -= 1;
        if self.count.is_multiple_of(64) {
            self.bits.pop();
        } else if let Some(bits) = self.bits.last_mut() {
            *bits >>= 1;
        }
    }
}

/// Reads a text, and keeps up to `KEYS` keys in place. With `KEYS` 0, it does not look for duplicates.
pub struct Reader<'a, const KEYS: usize, W = ()> {
    text: &'a str,
    /// The position. It is up to date after an error, and while skipping through an accepted text.
    pub at: usize,
    /// The first keys of the open objects, the innermost ones last.
    keys: ArrayVec<Key, KEYS>,
    /// The starts of the keys that are compared at the end: indirect ones, and those of a long object.
    more: Vec<u32>,
    pub(super) longest_integer: usize,
    /// The first thing that only Python accepts.
    pub(super) flaw: Option<JsonError>,
    /// The work, without what each byte takes.
    pub(super) work: W,
}

impl<'a> Reader<'a, 0> {
    /// Skips through an accepted text, starting at `at`.
    pub fn of_accepted(text: &'a str, at: usize) -> Self {
        Self::new(text, at, ())
    }
}

impl<'a, const KEYS: usize, W: Count> Reader<'a, KEYS, W> {
    pub(super) fn new(text: &'a str, at: usize, work: W) -> Self {
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
    pub(super) fn count_work(&mut self, work: usize) {
        self.work.add(work);
    }

    /// Counts `len` bytes that were read as words.
    #[inline(always)]
    fn count_words(&mut self, work: usize, len: usize) {
        self.count_work((work + len / 8 * work::WORD).wrapping_sub(work::BYTE * len));
    }

    /// Reads the whole text.
    pub(super) fn whole(
        &mut self,
        depth: usize,
        observer: &mut impl Observer<'a>,
    ) -> Result<Value<'a>, JsonError> {
        let bytes = self.text.as_bytes();
        let start = whitespace_end(bytes, self.at);
        let end = self.value(start, depth, Place::Root, observer)?;
        self.at = whitespace_end(bytes, end);
        if self.at < self.text.len() {
            return Err(self.unexpected("there is text after the value"));
        }
        Ok(Value(&self.text[start..end]))
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, problem: &'static str) -> JsonError {
        JsonError {
            offset: self.at,
            problem,
            is_python: false,
        }
    }

    /// The error for anything that is not allowed here.
    #[cold]
    fn unexpected(&self, otherwise: &'static str) -> JsonError {
        let rest = &self.text[self.at..];
        let before = self.text[..self.at].trim_end_matches([' ', '\t', '\n', '\r']);
        if rest.starts_with([']', '}']) && before.ends_with(',') {
            return JsonError {
                offset: before.len() - 1,
                problem: TRAILING_COMMA,
                is_python: false,
            };
        }
        self.problem(match rest.chars().next() {
            None if before.is_empty() => "the text is empty: {} is an object without members",
            Some('\u{feff}') => "a byte-order mark: leave it out",
            Some('/' | '#') => "a comment: JSON has none",
            Some('\'' | '\u{2018}' | '\u{201c}') => "the wrong kind of quote: write double quotes",
            _ => otherwise,
        })
    }

    /// The error for a missing value.
    #[cold]
    fn no_value(&self) -> JsonError {
        let rest = &self.text[self.at..];
        self.unexpected(match rest.chars().next() {
            None => "a value is missing: the text ends here",
            Some('+') => "a plus sign: numbers have none",
            Some('.') => "a digit is missing before the point",
            Some('T' | 'F' | 'N' | 'I') => "the words of JSON are null, true and false",
            Some(',' | ':' | ']' | '}') => "a value is missing",
            Some(_) => "no value starts like this: strings need double quotes",
        })
    }

    /// Notes that only Python accepts what is at `offset`.
    #[cold]
    fn python_only(&mut self, offset: usize, problem: &'static str) {
        self.flaw.get_or_insert(JsonError {
            offset,
            problem,
            is_python: true,
        });
    }

    /// Begins the keys of an object.
    fn new_keys(&self) -> Keys {
        Keys {
            first: self.keys.len(),
            more: self.more.len(),
        }
    }

    /// Adds a key.
    #[inline(always)]
    fn add_key(&mut self, keys: Keys, mut key: Key) -> Result<(), JsonError> {
        if KEYS == 0 {
            return Ok(());
        }
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
                other.is_equal_in_full(key, self.text)
            }
        };
        if earlier.iter().any(is_same) {
            self.python_only(key.start - 1, DUPLICATE_KEY);
        }
        self.keys.push(key);
        self.count_work(compared);
        Ok(())
    }

    /// Adds a key that is compared at the end of its object.
    #[inline(never)]
    fn add_more(&mut self, key: Key) -> Result<(), JsonError> {
        self.count_work(work::KEPT_KEY);
        self.keep_key(key)
            .map_err(|NoMemory| self.problem(JsonError::NO_MEMORY))
    }

    fn keep_key(&mut self, key: Key) -> Result<(), NoMemory> {
        if self.more.len() == self.more.capacity() {
            // The rest of the text cannot have more.
            let most = 1 + (self.text.len() - key.end) / MIN_MEMBER_LEN;
            let room = self.more.len().max(INLINE_KEYS).min(most);
            self.more.try_reserve_exact(room)?;
        }
        self.more.push(to_u32(key.start)?);
        Ok(())
    }

    /// Ends an object, and looks for duplicates among the keys that were not compared at once.
    #[inline(always)]
    fn end_keys(&mut self, keys: Keys) -> Result<(), JsonError> {
        if self.more.len() > keys.more {
            self.compare_more(keys)?;
        }
        self.keys.truncate(keys.first);
        Ok(())
    }

    #[inline(never)]
    fn compare_more(&mut self, keys: Keys) -> Result<(), JsonError> {
        if self.flaw.is_none() {
            let found = self
                .duplicate(keys)
                .map_err(|NoMemory| self.problem(JsonError::NO_MEMORY))?;
            if let Some(start) = found {
                self.python_only(start - 1, DUPLICATE_KEY);
            }
        }
        self.more.truncate(keys.more);
        Ok(())
    }

    /// The start of a duplicate key.
    fn duplicate(&mut self, keys: Keys) -> Result<Option<usize>, NoMemory> {
        let first = &self.keys[keys.first..];
        self.more.try_reserve_exact(first.len())?;
        for key in first {
            self.more.push(to_u32(key.start)?);
        }
        duplicate(&self.more[keys.more..], self.text, &mut self.work)
    }

    pub fn skip_whitespace(&mut self) {
        self.at = whitespace_end(self.text.as_bytes(), self.at);
    }

    /// As [`unexpected`](Self::unexpected), at `at`.
    #[cold]
    fn unexpected_at(&mut self, at: usize, otherwise: &'static str) -> JsonError {
        self.at = at;
        self.unexpected(otherwise)
    }

    /// Reads the value at `at`. Returns its end.
    fn value(
        &mut self,
        at: usize,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<usize, JsonError> {
        match (self.text.as_bytes().get(at), place) {
            (Some(b'{'), Place::Root | Place::Member(_)) => self.object(at, depth, place, observer),
            (Some(b'{' | b'['), _) => self.unobserved(at, depth),
            _ => self.scalar(at),
        }
    }

    /// Whether an object or array is nested too deep.
    fn is_too_deep(&self, depth: usize) -> bool {
        depth == MAX_DEPTH
    }

    /// Reads a value other than an object or array.
    #[inline(always)]
    fn scalar(&mut self, at: usize) -> Result<usize, JsonError> {
        self.count_work(work::SCALAR);
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        match rest {
            [b'"', ..] => self.string(at).map(|(_, end, _)| end + 1),
            [b'-' | b'0'..=b'9', ..] => self.number(at),
            [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Ok(at + 4),
            [b'f', b'a', b'l', b's', b'e', ..] => Ok(at + 5),
            _ => self.not_finite(at, at),
        }
    }

    /// Reads `NaN` or `Infinity` at `at`, which only Python accepts; anything else is an error. The number
    /// begins at `start`.
    #[cold]
    fn not_finite(&mut self, start: usize, at: usize) -> Result<usize, JsonError> {
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

    /// Reads an object or array with everything in it, without calling the observer.
    fn unobserved(&mut self, mut at: usize, depth: usize) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        // The innermost open bracket, and those around it.
        let mut frame: Option<Frame> = None;
        let mut outer = ArrayVec::<_, { MAX_DEPTH + 1 }>::new_const();
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
                        self.count_work(work::FRAME);
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

    /// Reads an object or array that is nested too deep, with any number of levels. It keeps them on the
    /// heap instead of the stack.
    #[cold]
    fn deep_value(&mut self, mut at: usize) -> Result<usize, JsonError> {
        self.python_only(at, TOO_DEEP);
        let mut open = Brackets::default();
        loop {
            at = match self.text.as_bytes().get(at) {
                Some(bracket @ (b'{' | b'[')) => {
                    let is_object = *bracket == b'{';
                    let (inside, is_empty) = self.enter(at, closing(is_object));
                    if !is_empty {
                        let opened = open.open(is_object);
                        opened.map_err(|NoMemory| self.problem(JsonError::NO_MEMORY))?;
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

    /// Reads the opening bracket at `at`, and the closing one if the object or array is empty. Returns
    /// the position, and whether it is empty.
    #[inline(always)]
    fn enter(&mut self, at: usize, end: u8) -> (usize, bool) {
        self.count_work(work::BRACKET);
        let bytes = self.text.as_bytes();
        let at = whitespace_end(bytes, at + 1);
        let is_empty = bytes.get(at) == Some(&end);
        (at + usize::from(is_empty), is_empty)
    }

    /// Reads the key of a member at `at` and the colon after it, and keeps the key. Also returns where
    /// its value begins.
    #[inline(always)]
    fn member_key(&mut self, at: usize, keys: Keys) -> Result<(Key, usize), JsonError> {
        let (key, value) = self.key(at)?;
        self.add_key(keys, key)?;
        Ok((key, value))
    }

    /// As [`member_key`](Self::member_key), without keeping the key.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Result<(Key, usize), JsonError> {
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            let problem = "a key is missing: keys need double quotes";
            return Err(self.unexpected_at(at, problem));
        }
        let (start, end, is_escaped) = self.string(at)?;
        self.count_work(work::KEY);
        let signature = match is_escaped || end - start > MAX_COMPARED_LEN {
            true => INDIRECT,
            false => signature(bytes, start..end),
        };
        let key = Key {
            start,
            end,
            signature,
        };
        let colon = whitespace_end(bytes, end + 1);
        if bytes.get(colon) != Some(&b':') {
            return Err(self.unexpected_at(colon, "a colon is missing"));
        }
        Ok((key, whitespace_end(bytes, colon + 1)))
    }

    /// The signature of a key that is long or has escapes.
    #[inline(never)]
    fn signature_of_other(&mut self, key: Range<usize>) -> u64 {
        let escapes = self.text.as_bytes()[key.clone()]
            .iter()
            .filter(|&&byte| byte == b'\\');
        self.count_work(work::LONG_KEY + work::ESCAPE_OF_KEY * escapes.count());
        if key.len() > MAX_COMPARED_LEN {
            return INDIRECT;
        }
        let mut decoded = [0; SIGNATURE_LEN + 5];
        match decode_start(Text(&self.text[key]), &mut decoded) {
            len @ 0..=SIGNATURE_LEN => signature(&decoded, 0..len),
            _ => INDIRECT,
        }
    }

    /// Reads the object at `at`, and calls the observer for its members.
    fn object(
        &mut self,
        at: usize,
        depth: usize,
        place: Place<'a>,
        observer: &mut impl Observer<'a>,
    ) -> Result<usize, JsonError> {
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
            // Most values need no call.
            let end = match self.text.as_bytes().get(start) {
                Some(b'{' | b'[') => self.value(start, depth + 1, inner, observer)?,
                _ => self.scalar(start)?,
            };
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

    /// After a member or an element: returns where the next one begins, or the position after the
    /// `end`, and whether there is a next one.
    #[inline(always)]
    fn another(&mut self, at: usize, end: u8) -> Result<(usize, bool), JsonError> {
        self.count_work(work::ELEMENT);
        let bytes = self.text.as_bytes();
        let at = whitespace_end(bytes, at);
        match bytes.get(at) {
            Some(b',') => Ok((whitespace_end(bytes, at + 1), true)),
            Some(byte) if *byte == end => Ok((at + 1, false)),
            _ => Err(self.unexpected_at(at, "a comma or the end is missing")),
        }
    }

    /// Reads the string at `at`. Returns its start and end without the quotes, and whether it has
    /// escapes.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Result<(usize, usize, bool), JsonError> {
        let bytes = self.text.as_bytes();
        let start = at + 1;
        let end = plain_end(bytes, start);
        self.count_words(work::STRING, end - start);
        if bytes.get(end) == Some(&b'"') {
            return Ok((start, end, false));
        }
        let end = self.rest_of_string(end)?;
        Ok((start, end, true))
    }

    /// Reads a string from its first special byte on. Returns the place of its closing quote.
    #[inline(never)]
    fn rest_of_string(&mut self, mut at: usize) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        loop {
            self.count_work(work::PART);
            match bytes.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') => match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') => at = self.escaped_unit(at)?,
                    _ => {
                        self.at = at;
                        let problem = r"not an escape sequence: for a backslash write \\";
                        return Err(self.problem(problem));
                    }
                },
                Some(0x20..) => {
                    let end = run_end(bytes, at);
                    let run = [work::RUN, work::SINGLE][usize::from(end - at == 1)];
                    self.count_words(run, end - at);
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

    /// Reads the `\uXXXX` at `at`, and the other half of a surrogate pair. Returns the end.
    fn escaped_unit(&mut self, at: usize) -> Result<usize, JsonError> {
        self.count_work(work::UNIT);
        let unit_at = |at: usize| code_unit(&self.text.as_bytes()[at..]);
        let Some(unit) = unit_at(at) else {
            self.at = at;
            return Err(self.problem(r"\u takes four hexadecimal digits"));
        };
        let end = at + 6;
        match unit {
            0xd800..=0xdbff if matches!(unit_at(end), Some(0xdc00..=0xdfff)) => return Ok(end + 6),
            0xd800..=0xdfff => self.python_only(at, LONE_SURROGATE),
            _ => {}
        }
        Ok(end)
    }

    /// Reads the number at `at`.
    #[inline(always)]
    fn number(&mut self, at: usize) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        let digits = at + usize::from(bytes[at] == b'-');
        let end = digits_end(bytes, digits);
        self.count_words(work::NUMBER, end - digits);
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

    /// Reads a number that is not a plain integer, or not a number; its integer part ends at `end`.
    #[inline(never)]
    fn other_number(
        &mut self,
        start: usize,
        digits: usize,
        end: usize,
    ) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        if digits > start && bytes.get(digits) == Some(&b'I') {
            return self.not_finite(start, digits);
        }
        self.at = digits;
        self.count_words(work::OTHER_NUMBER, end - digits);
        if end > digits + 1 && bytes[digits] == b'0' {
            return Err(self.problem("a leading zero: leave it out"));
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

    /// Reads what follows the integer part of a number.
    fn fraction(&mut self) -> Result<(), JsonError> {
        self.count_work(work::FRACTION);
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

    fn digits(&mut self) -> Result<(), JsonError> {
        let end = digits_end(self.text.as_bytes(), self.at);
        if end == self.at {
            return Err(self.problem("a digit is missing"));
        }
        self.at = end;
        Ok(())
    }

    /// Skips a string of an accepted text. Returns its content without the quotes.
    pub fn skip_string(&mut self) -> &'a str {
        let start = self.at + 1;
        let end = string_end(self.text.as_bytes(), start);
        self.at = end + 1;
        &self.text[start..end]
    }

    /// Skips a value of an accepted text.
    pub fn skip_value(&mut self) {
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
                Some(_) => self.skip_scalar(),
                // Where a stale value of the caller's points, the text may be cut short.
                None => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_scalar(&mut self) {
        self.at = scalar_end(self.text.as_bytes(), self.at);
    }
}

impl<'a> Value<'a> {
    /// The value at `at` in an accepted text.
    pub fn from_accepted(text: &'a str, at: usize) -> Self {
        Self(&text[at..Self::end(text, at)])
    }

    /// The end of the value at `at` in an accepted text.
    fn end(text: &str, at: usize) -> usize {
        let mut reader = Reader::of_accepted(text, at);
        reader.skip_value();
        reader.at
    }
}

impl<'a> Object<'a> {
    /// The members, in the order of the text.
    pub fn members(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        self.members_from(1)
    }

    /// The members from `at` on, which is the start of a key or the end of a value.
    pub fn members_from(self, mut at: usize) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        let (text, bytes) = (self.0, self.0.as_bytes());
        std::iter::from_fn(move || {
            at = whitespace_end(bytes, at);
            if bytes.get(at) == Some(&b',') {
                at = whitespace_end(bytes, at + 1);
            }
            if bytes.get(at) == Some(&b'}') {
                return None;
            }
            let key = at + 1..string_end(bytes, at + 1);
            let colon = whitespace_end(bytes, key.end + 1);
            let start = whitespace_end(bytes, colon + 1);
            at = Value::end(text, start);
            Some((Text(&text[key]), Value(&text[start..at])))
        })
    }
}
