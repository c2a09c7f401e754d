//! Unencrypted lengths, as v2, v3 and the key exchange write them: 8 bytes, decimal digits padded
//! on the right with `=`.

use crate::error::{Error, Reason, Result};

/// The size of an unencrypted length, in bytes.
pub const CLEAR_HEADER_SIZE: usize = 8;

/// Whether these bytes are an unencrypted length.
pub fn is_clear_header(header: &[u8]) -> bool {
    let digits = header
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    digits > 0 && header[digits..].iter().all(|&byte| byte == b'=')
}

/// Reads an unencrypted length.
pub fn read_clear_header(header: &[u8]) -> Result<u64> {
    if header.len() != CLEAR_HEADER_SIZE || !is_clear_header(header) {
        return Err(violation(
            "the peer sent a length that is not a decimal number",
        ));
    }
    let digits = header.iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Writes an unencrypted length.
pub fn clear_header(len: usize) -> Result<[u8; CLEAR_HEADER_SIZE]> {
    let mut header = [b'='; CLEAR_HEADER_SIZE];
    match write_digits(len, &mut header) {
        Some(_) => Ok(header),
        None => Err(Error::new(
            Reason::MessageTooLarge,
            format!("a packet of {len} bytes is too long for a length of 8 digits"),
        )),
    }
}

/// Writes decimal digits to the start of `buffer`; returns how many, or `None` if they do not fit.
pub fn write_digits(number: usize, buffer: &mut [u8]) -> Option<usize> {
    let count = number.checked_ilog10().map_or(1, |last| last as usize + 1);
    let mut rest = number;
    for digit in buffer.get_mut(..count)?.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Some(count)
}

pub fn violation(message: &'static str) -> Error {
    Error::new(Reason::ProtocolViolation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_and_padding_only() {
        for (header, number) in [
            (b"800=====", 800),
            (b"99999999", 99_999_999),
            (b"0=======", 0),
            (b"00000007", 7),
        ] {
            assert_eq!(read_clear_header(header), Ok(number));
        }
        for header in [
            "========",
            "-1======",
            "+1======",
            " 1======",
            "1 ======",
            "1_0=====",
            "1=2=====",
            "1.0=====",
            "0x10====",
            "1\0======",
            "\u{661}\u{662}====",
            "12345678=",
            "1======",
        ] {
            let error = read_clear_header(header.as_bytes()).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::ProtocolViolation), "{header}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for len in [1, 800, 99_999_999] {
            assert_eq!(
                read_clear_header(&clear_header(len).unwrap()),
                Ok(len as u64)
            );
        }
        assert_eq!(
            clear_header(100_000_000).unwrap_err().reason(),
            Some(Reason::MessageTooLarge)
        );
    }
}
