//! Counts the work of reading a text, so that a refused text can be made to take as much as any
//! other.
//!
//! Under AES-CBC, an attacker can assemble a message from pieces of other messages without knowing
//! their text. The time until it is refused must not reveal what it contains. So the reader counts
//! its work, and a refusal continues to read until it has done as much as the slowest message of
//! that size takes.

/// Counts what the reader does.
pub trait Count: Copy {
    /// Adds about this many instructions.
    fn add(&mut self, more: usize);

    /// Adds bytes of a text that are valid UTF-8.
    fn add_checked(&mut self, len: usize);

    /// The total; `None` if nothing is counted.
    fn counted(self) -> Option<Work>;

    /// Checks that a text is UTF-8.
    fn check_utf8<'a>(&mut self, text: &'a [u8]) -> Option<&'a str> {
        let checked = std::str::from_utf8(text);
        self.add_checked(checked.map_or_else(|error| error.valid_up_to(), str::len));
        checked.ok()
    }
}

/// Counts nothing, for texts that the sender knows anyway.
impl Count for () {
    fn add(&mut self, _more: usize) {}

    fn add_checked(&mut self, _len: usize) {}

    fn counted(self) -> Option<Work> {
        None
    }
}

/// The work that the reader has done for a packet.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Counted in 64 bits everywhere: a long message takes more than 32 hold.
    pub(super) done: u64,
    /// How many bytes were valid UTF-8.
    pub(super) checked: usize,
    /// How many times the packet is read.
    pub(super) times: usize,
}

/// For any text.
pub const TEXT: usize = 215;
/// For each byte that is not read as part of a word.
pub const BYTE: usize = 2;
/// For eight bytes of a string or number.
pub const WORD: usize = 17;
pub const STRING: usize = 40;
/// For an escape sequence in a string, the bytes after it, and the end.
pub const PART: usize = 15;
/// For a run of plain bytes there.
pub const RUN: usize = 42;
/// For a single plain byte.
pub const SINGLE: usize = 15;
/// For four digits.
pub const UNIT: usize = 46;
pub const NUMBER: usize = 55;
/// In addition, for a number that is not an integer.
pub const OTHER_NUMBER: usize = 60;
pub const FRACTION: usize = 95;
/// For a value other than an object or array.
pub const SCALAR: usize = 42;
/// For an object or array.
pub const BRACKET: usize = 28;
/// In addition, if it is not empty and within the depth limit.
pub const FRAME: usize = 38;
/// For a member or element, and what follows it.
pub const ELEMENT: usize = 50;
/// For a member with a name shorter than all field names of a schema.
pub const TOO_SHORT: usize = 20;
/// For a member that is looked up in a schema.
pub const OBSERVED: usize = 87;
pub const FIELD: usize = 4;
/// For each byte of a short key.
pub const OBSERVED_BYTE: usize = 12;
/// In addition, for each byte if the key has escapes.
pub const ESCAPED_FIELD: usize = 25;
pub const KEY: usize = 49;
/// For a key that is long or has escapes.
pub const LONG_KEY: usize = 200;
pub const ESCAPE_OF_KEY: usize = 130;
/// For a key that is compared at once.
pub const COMPARED_KEY: usize = 63;
/// For comparing it with one earlier key.
pub const COMPARISON: usize = 5;
/// In addition, if both begin alike.
pub const COMPARISON_TO_THE_END: usize = 90;
/// For storing a key that is compared at the end of its object.
pub const KEPT_KEY: usize = 100;
/// For comparing it there.
pub const HASHED_KEY: usize = 260;
pub const HASHED_BYTE: usize = 8;

impl Work {
    /// For a packet that is read this many `times`.
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
        self.done = self.done.wrapping_add(more as u64);
    }

    fn add_checked(&mut self, len: usize) {
        self.add(len / 2);
        self.checked = self.checked.max(len);
    }

    fn counted(self) -> Option<Work> {
        Some(self)
    }
}
