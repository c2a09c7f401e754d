//! [`JsonError`]: why a text is not accepted.

use crate::error::Error;
use crate::secret::NoMemory;

/// Why a text is not accepted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// The offset in bytes.
    pub offset: usize,
    /// The error at that place.
    pub problem: &'static str,
    /// Whether Python's `json.loads` reads the whole text. Its limit of depth is ignored.
    pub is_python: bool,
}

impl JsonError {
    pub(super) const NO_MEMORY: &'static str = "there is no memory to compare the keys";

    /// Whether reading stopped for lack of memory, and not because of an error in the text.
    pub fn is_no_memory(self) -> bool {
        self.problem == Self::NO_MEMORY
    }
}

impl JsonError {
    /// The place in `text` and the error. Lines and columns are counted as in Python.
    pub fn describe(&self, text: &str) -> String {
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

    /// The error for such an argument, made by `refused` from the message.
    pub fn of_message(
        self,
        name: &str,
        text: &str,
        refused: impl FnOnce(String) -> Error,
    ) -> Error {
        if self.is_no_memory() {
            return NoMemory.into();
        }
        refused(format!(
            "{name} is not acceptable JSON {}",
            self.describe(text)
        ))
    }
}
