//! The memory of a message that was received.

use std::ops::Range;

use super::json::Text;
use crate::secret::{NoMemory, SecretBytes, SecretText};

/// A JSON text and another text that belongs to it, each followed by a NUL, in one allocation.
#[derive(Default)]
pub(super) struct ReceivedText {
    text: SecretText,
    json: Range<usize>,
}

impl ReceivedText {
    /// Takes bytes that begin with a text that was read, with the JSON at `json`. The other text is
    /// the decoded string at `extra`, with a question mark for each NUL, because C would end the
    /// string there.
    pub fn new(
        mut bytes: SecretBytes,
        json: Range<usize>,
        extra: Range<usize>,
    ) -> Result<Self, NoMemory> {
        bytes.truncate(json.end);
        let mut decoded = SecretBytes::default();
        let text = std::str::from_utf8(&bytes[extra.clone()]).expect("it was read as UTF-8");
        let text = Text::from_accepted(text);
        let len = text.decoded_len();
        let is_plain = len == extra.len();
        if !is_plain {
            // Decoding needs as much room as the string takes in the text.
            decoded.try_reserve_exact(extra.len())?;
            text.decode_to(&mut decoded);
        }
        bytes.try_reserve_exact(1 + len + 1)?;
        bytes.push(0);
        let start = bytes.len();
        match is_plain {
            true => bytes.extend_from_within(extra),
            false => bytes.extend_from_slice(&decoded),
        }
        for byte in &mut bytes[start..] {
            if *byte == 0 {
                *byte = b'?';
            }
        }
        bytes.push(0);
        let text = bytes.into_text().expect("texts were joined");
        Ok(Self { text, json })
    }

    /// Like [`new`](Self::new), with a given other text, which has no NUL.
    pub fn with(mut bytes: SecretBytes, json: Range<usize>, extra: &str) -> Result<Self, NoMemory> {
        bytes.truncate(json.end);
        bytes.try_reserve_exact(1 + extra.len() + 1)?;
        bytes.push(0);
        bytes.extend_from_slice(extra.as_bytes());
        bytes.push(0);
        let text = bytes.into_text().expect("texts were joined");
        Ok(Self { text, json })
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
