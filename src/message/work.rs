//! How much work the reading of a text was, and how to do as much for another one.
//!
//! Under AES-CBC a peer can have texts read that he has put together of pieces of other messages,
//! without knowing them. How long it takes until such a text is refused must not tell him what is
//! in it: so the reader counts what it does, and what a refused text lacks of the most that a
//! message of its size can take is made up for, by reading.

/// Is told what the reader does.
pub trait Count: Copy {
    /// About so many instructions more.
    fn add(&mut self, more: usize);

    /// How many bytes of a text were found to be UTF-8.
    fn add_checked(&mut self, len: usize);

    /// What was counted; `None` if nothing is.
    fn counted(self) -> Option<Work>;

    /// Checks that a text is UTF-8.
    fn check_utf8<'a>(&mut self, text: &'a [u8]) -> Option<&'a str> {
        let checked = std::str::from_utf8(text);
        self.add_checked(checked.map_or_else(|error| error.valid_up_to(), str::len));
        checked.ok()
    }
}

/// Counts nothing: for a text whose sender knows what is in it.
impl Count for () {
    fn add(&mut self, _more: usize) {}

    fn add_checked(&mut self, _len: usize) {}

    fn counted(self) -> Option<Work> {
        None
    }
}

/// What the reader was counted to do with a packet.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub(super) done: usize,
    /// How many bytes were found to be UTF-8.
    pub(super) checked: usize,
    /// How often the packet is read.
    pub(super) times: usize,
}

/// A text, whatever is in it.
pub const TEXT: usize = 215;
/// Each byte, but those of words.
pub const BYTE: usize = 2;
/// Eight bytes of a string or number.
pub const WORD: usize = 17;
pub const STRING: usize = 40;
/// An escape sequence in a string, what is behind it, and the end.
pub const PART: usize = 15;
/// Bytes that stand for themselves there.
pub const RUN: usize = 42;
/// Only one of them.
pub const SINGLE: usize = 15;
/// Four digits.
pub const UNIT: usize = 46;
pub const NUMBER: usize = 55;
/// More for one that is no integer.
pub const OTHER_NUMBER: usize = 60;
pub const FRACTION: usize = 95;
/// A value that is no object or array.
pub const SCALAR: usize = 42;
/// An object or array.
pub const BRACKET: usize = 28;
/// More for one that is no deeper than is accepted, and not empty.
pub const FRAME: usize = 38;
/// A member or element, and what stands behind it.
pub const ELEMENT: usize = 50;
/// A member whose name is shorter than those of all fields of a schema.
pub const TOO_SHORT: usize = 20;
/// A member that is looked for among the fields of a schema.
pub const OBSERVED: usize = 87;
pub const FIELD: usize = 4;
/// For each byte of a short key.
pub const OBSERVED_BYTE: usize = 12;
/// More for each of them if the key is written with escapes.
pub const ESCAPED_FIELD: usize = 25;
pub const KEY: usize = 49;
/// A key that is long or written with escapes.
pub const LONG_KEY: usize = 200;
pub const ESCAPE_OF_KEY: usize = 130;
/// A key that is compared as it comes.
pub const COMPARED_KEY: usize = 63;
/// With one before it.
pub const COMPARISON: usize = 5;
/// More with one that begins alike.
pub const COMPARISON_TO_THE_END: usize = 90;
/// A key that is kept, to be compared with the others at the end of its object.
pub const KEPT_KEY: usize = 100;
/// And then is.
pub const HASHED_KEY: usize = 260;
pub const HASHED_BYTE: usize = 8;

impl Work {
    /// Of a packet that is read so many `times`.
    pub fn of(times: usize) -> Self {
        Self {
            done: 0,
            checked: 0,
            times,
        }
    }
}

impl Count for Work {
    #[inline(always)]
    fn add(&mut self, more: usize) {
        self.done = self.done.wrapping_add(more);
    }

    fn add_checked(&mut self, len: usize) {
        self.add(len / 2);
        self.checked = self.checked.max(len);
    }

    fn counted(self) -> Option<Work> {
        Some(self)
    }
}
