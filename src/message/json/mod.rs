//! A strict reader of JSON text (RFC 8259) that does not build a tree.
//!
//! Requests and responses are checked once, and the program gets the text that was checked:
//! integers keep every digit, and unknown members stay. General JSON libraries build values, merge
//! duplicate keys or turn long integers into doubles. This reader refuses what two readers could
//! understand differently: duplicate keys, lone surrogates, anything after the value, and nesting
//! beyond [`MAX_DEPTH`].
//!
//! The released peers use Python's `json`, which accepts some of that: [`JsonError::is_python`] says
//! whether Python reads a refused text.

mod error;
mod keys;
mod reader;
mod scan;
mod text;

use std::ops::Range;

use super::work::{self, Count};
use reader::INLINE_KEYS;

pub use error::JsonError;
pub(super) use reader::Reader;
pub use reader::{MAX_DEPTH, Observer};
pub use text::{Kind, Object, Text, Value, substr_range};

/// The most digits that Python turns into an integer.
const MAX_PYTHON_INTEGER_LEN: usize = 4300;

/// Who wrote a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The peer.
    Peer,
    /// The program, for the peer: every version of Python must be able to read it.
    Caller,
}

/// Accepts a text that is one JSON value, with only whitespace around it.
pub fn check(text: &str, origin: Origin) -> Result<Value<'_>, JsonError> {
    observe(text, 0, origin, &mut (), &mut ())
}

/// Whether Python's `json.loads` reads a text; true if there is no memory to find out.
pub fn python_reads(text: &str, work: &mut impl Count) -> bool {
    // Python accepts duplicate keys.
    let reader = Reader::<0, _>::new(text, 0, *work);
    read_whole(reader, 0, &mut (), work).map_or_else(
        |problem| problem.is_python || problem.is_no_memory(),
        |_| true,
    )
}

/// The range of a text without the whitespace around it.
pub fn trim_whitespace(text: &str) -> Range<usize> {
    substr_range(text, text.trim_matches([' ', '\t', '\n', '\r']))
}

/// Like [`check`], for a text that will be nested `depth` levels deep in another one. Calls
/// `observer` for the members as it reads them, and adds the work to `work`, whether the text is
/// accepted or not.
pub fn observe<'a>(
    text: &'a str,
    depth: usize,
    origin: Origin,
    observer: &mut impl Observer<'a>,
    work: &mut impl Count,
) -> Result<Value<'a>, JsonError> {
    let mut reader = Reader::<INLINE_KEYS, _>::new(text, 0, *work);
    if origin == Origin::Caller {
        reader.longest_integer = MAX_PYTHON_INTEGER_LEN;
    }
    read_whole(reader, depth, observer, work)
}

fn read_whole<'a, const KEYS: usize, W: Count>(
    mut reader: Reader<'a, KEYS, W>,
    depth: usize,
    observer: &mut impl Observer<'a>,
    work: &mut W,
) -> Result<Value<'a>, JsonError> {
    let whole = reader.whole(depth, observer);
    reader.count_work(work::TEXT + work::BYTE * reader.at);
    *work = reader.work;
    match (whole, reader.flaw) {
        (Ok(value), None) => Ok(value),
        (Ok(_), Some(flaw)) => Err(flaw),
        (Err(problem), _) if problem.is_no_memory() => Err(problem),
        // The first error is reported.
        (Err(problem), flaw) => Err(JsonError {
            is_python: false,
            ..flaw.unwrap_or(problem)
        }),
    }
}

#[cfg(test)]
mod tests;
