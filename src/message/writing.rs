//! Helpers for writing requests and responses.

use crate::secret::{NoMemory, SecretBytes};

/// The room around the text of a message: for a header before it, and capacity for a trailer after
/// it.
#[derive(Clone, Copy)]
pub(crate) struct Margins {
    pub header: usize,
    pub trailer: usize,
}

/// Empties `out`, and makes room for a text of `len` bytes and its surroundings.
pub(super) fn make_room(
    out: &mut SecretBytes,
    margins: Margins,
    len: usize,
) -> Result<(), NoMemory> {
    out.wipe();
    out.try_reserve_exact(margins.header + len + margins.trailer)?;
    out.resize(margins.header, 0);
    Ok(())
}

/// Writes `text` as the content of a JSON string, without the quotes.
pub(super) fn write_escaped(out: &mut SecretBytes, text: &str) {
    if !text
        .bytes()
        .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    // Written in place, because a separate buffer would have to be wiped.
    let start = out.len();
    serde_json::to_writer(&mut *out, text).expect("memory takes every text");
    out[start..].rotate_left(1);
    out.truncate(out.len() - 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_alone_is_escaped_as_it_must_be() {
        for character in ('\0'..='\u{ff}').chain(['😀']) {
            let text = character.to_string();
            let mut out = SecretBytes::from(&b"before"[..]);
            write_escaped(&mut out, &text);
            let quoted = serde_json::to_string(&text).unwrap();
            assert_eq!(out[..6], *b"before");
            assert_eq!(&out[6..], &quoted.as_bytes()[1..quoted.len() - 1]);
        }
    }
}
