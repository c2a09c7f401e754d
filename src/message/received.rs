//! The memory of a message that was received.

use std::ops::Range;

use crate::secret::{SecretBytes, SecretText};

/// A JSON text and another text that belongs to it, each with a NUL behind it, in one
/// allocation.
pub(super) struct ReceivedText {
    text: SecretText,
    json: Range<usize>,
}

impl ReceivedText {
    /// Takes bytes that begin with a text that was read, and in which the JSON stands at
    /// `json`. `write_extra` writes the other text behind them.
    pub fn new(
        mut bytes: SecretBytes,
        json: Range<usize>,
        write_extra: impl FnOnce(&mut SecretBytes),
    ) -> Self {
        bytes.truncate(json.end);
        bytes.push(0);
        write_extra(&mut bytes);
        bytes.push(0);
        let text = bytes.into_text().expect("texts were joined");
        Self { text, json }
    }

    /// Everything, at the places where it was read.
    pub fn all(&self) -> &str {
        &self.text
    }

    pub fn json(&self) -> &str {
        &self.text[self.json.clone()]
    }

    pub fn json_with_nul(&self) -> &str {
        &self.text[self.json.start..=self.json.end]
    }

    pub fn extra_with_nul(&self) -> &str {
        &self.text[self.json.end + 1..]
    }
}

/// Where `part`, which was cut out of `text`, stands in it.
pub(super) fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}
