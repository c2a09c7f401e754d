//! Finds the end of a run of bytes, eight at a time.

/// A word with this byte in every place.
const EACH: u64 = u64::MAX / 0xff;

/// Sets the highest bit of the first of eight bytes that is special in a string: a control character,
/// a quote or a backslash. Later bytes may be marked too.
pub fn ends_of_plain(word: u64) -> u64 {
    // The lowest byte below a limit is the lowest one that borrows into its highest bit. With the
    // second bit flipped, the only bytes below 0x21 are control characters and the quote.
    let controls_and_quotes = (word ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
    let backslashes = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
    (controls_and_quotes | backslashes) & !word & (EACH * 0x80)
}

/// Sets the highest bit of each of eight bytes that is not a digit.
pub fn ends_of_digits(word: u64) -> u64 {
    let digits = word ^ (EACH * u64::from(b'0'));
    // A byte above 9 carries into its highest bit, and no further.
    (((digits & (EACH * 0x7f)) + EACH * (0x80 - 10)) | digits) & (EACH * 0x80)
}

/// The first byte, from `at` on, that `ends` marks in a word, and for which `is_passed` is false.
#[inline(always)]
fn behind(
    bytes: &[u8],
    mut at: usize,
    ends: impl Fn(u64) -> u64,
    is_passed: impl Fn(u8) -> bool,
) -> usize {
    // Two words a turn take fewer instructions than one.
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

/// The end of a run of plain bytes in a string.
#[inline(always)]
pub fn plain_end(bytes: &[u8], at: usize) -> usize {
    let is_plain = |byte| byte >= 0x20 && byte != b'"' && byte != b'\\';
    behind(bytes, at, ends_of_plain, is_plain)
}

/// Like [`plain_end`], if the first byte is known to be plain.
#[inline(always)]
pub fn run_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        // A single byte between two escape sequences.
        Some(b'\\' | b'"') => at + 1,
        _ => plain_end(bytes, at + 1),
    }
}

/// The closing quote of a string of an accepted text; `at` is its first byte.
#[inline(always)]
pub fn string_end(bytes: &[u8], at: usize) -> usize {
    // Most strings have no escapes.
    let mut at = plain_end(bytes, at);
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at,
            _ => at = run_end(bytes, at),
        }
    }
}

/// The end of a run of digits.
#[inline(always)]
pub fn digits_end(bytes: &[u8], at: usize) -> usize {
    behind(bytes, at, ends_of_digits, |byte| byte.is_ascii_digit())
}

/// The end of a number, null, true or false of an accepted text.
#[inline(always)]
pub fn scalar_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of a run of whitespace.
#[inline(always)]
pub fn whitespace_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
        // Pretty-printed text is indented.
        while bytes.get(at..).and_then(|rest| rest.first_chunk()) == Some(&[b' '; 8]) {
            at += 8;
        }
    }
    at
}
