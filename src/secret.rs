//! Secrets: bytes and texts that are wiped when they are dropped or reallocated, wiping the stack,
//! and [`declassify`], the only way from a secret to a branch.

use std::borrow::Cow;
use std::collections::TryReserveError;
use std::fmt;
use std::hint::black_box;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut, Range};

use subtle::Choice;
use zeroize::Zeroize;

use crate::error::{Error, Reason};

/// Bytes that may be secret. Growing leaves no copy behind.
#[derive(Default)]
pub(crate) struct SecretBytes(Vec<u8>);

/// A text that may be secret.
#[derive(Default)]
pub(crate) struct SecretText(String);

/// An allocation failed whose size a peer or a caller decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory;

impl From<TryReserveError> for NoMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

impl From<NoMemory> for Error {
    fn from(NoMemory: NoMemory) -> Self {
        // The text is static, because there may be no memory for another one.
        Self::new(Reason::Internal, "there is no memory for the message")
    }
}

/// An empty buffer for `len` bytes, if a peer or a caller decides how many.
pub(crate) fn try_with_capacity(len: usize) -> Result<Vec<u8>, NoMemory> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len)?;
    Ok(bytes)
}

/// A copy of bytes, if a peer or a caller decides how many.
pub(crate) fn try_copy(bytes: &[u8]) -> Result<Vec<u8>, NoMemory> {
    let mut copy = try_with_capacity(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// `len` zeros, if a peer or a caller decides how many.
pub(crate) fn try_zeros(len: usize) -> Result<Vec<u8>, NoMemory> {
    let mut zeros = try_with_capacity(len)?;
    zeros.resize(len, 0);
    Ok(zeros)
}

/// A value on the heap, whose block is wiped with all that is between its fields: where a variant of
/// an enum is shorter than another, moving it there copies what the stack held.
#[derive(Clone)]
pub(crate) struct SecretBox<T>(Box<[T]>);

impl<T> SecretBox<T> {
    /// Fails if there is no memory. `Box::new` cannot report that; allocating an array can.
    pub fn try_new(value: T) -> Result<Self, NoMemory> {
        let mut one = Vec::new();
        one.try_reserve_exact(1)?;
        one.push(value);
        Ok(Self(one.into_boxed_slice()))
    }
}

impl<T> Deref for SecretBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0[0]
    }
}

impl<T> DerefMut for SecretBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0[0]
    }
}

impl<T> Drop for SecretBox<T> {
    fn drop(&mut self) {
        let mut block = Vec::from(std::mem::take(&mut self.0));
        block.clear();
        block.spare_capacity_mut().zeroize();
    }
}

/// More heap than any one operation with the longest RSA keys, or with ML-KEM, needs.
const CRYPTO_HEAP: usize = 64 * 1024;

/// Fails if the heap has no block of this size for another crate, which would abort the process if
/// an allocation failed. The block is freed again, so another thread can still take it first.
pub(crate) fn check_heap_for_crypto() -> Result<(), NoMemory> {
    let mut block = try_with_capacity(CRYPTO_HEAP)?;
    // Without this the compiler removes the unused allocation.
    black_box(block.as_mut_ptr());
    Ok(())
}

impl SecretBytes {
    /// How many bytes fit without reallocating.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Makes room for `additional` more bytes.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        let needed = self.0.len() + additional;
        if needed > self.0.capacity() {
            self.move_to(needed.max(2 * self.0.capacity()));
        }
    }

    /// Like [`reserve`](Self::reserve), but for exactly that many.
    pub fn reserve_exact(&mut self, additional: usize) {
        let needed = self.0.len() + additional;
        if needed > self.0.capacity() {
            self.move_to(needed);
        }
    }

    /// Like [`reserve_exact`](Self::reserve_exact), for a size that a peer decides: fails and
    /// changes nothing if there is no memory.
    pub fn try_reserve_exact(&mut self, additional: usize) -> Result<(), NoMemory> {
        let needed = self.0.len().checked_add(additional).ok_or(NoMemory)?;
        if self.0.capacity() == 0 {
            self.0.try_reserve_exact(needed)?;
        } else if needed > self.0.capacity() {
            let mut larger = Vec::new();
            larger.try_reserve_exact(needed)?;
            self.replace(larger);
        }
        Ok(())
    }

    /// A copy of `bytes` with room for `additional` more; fails if there is no memory.
    pub fn try_copy(bytes: &[u8], additional: usize) -> Result<Self, NoMemory> {
        let mut copy = Self::default();
        copy.try_reserve_exact(bytes.len().saturating_add(additional))?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    /// Adds bytes at the end.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Appends a copy of the bytes at `range`.
    pub fn extend_from_within(&mut self, range: Range<usize>) {
        self.reserve(range.len());
        self.0.extend_from_within(range);
    }

    /// Adds a byte at the end.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.reserve(1);
        self.0.push(byte);
    }

    /// Shortens the bytes to `len`, or extends them with `fill`.
    #[inline]
    pub fn resize(&mut self, len: usize, fill: u8) {
        self.reserve_exact(len.saturating_sub(self.0.len()));
        self.0.resize(len, fill);
    }

    /// Shortens the bytes to `len`. The rest is wiped later, with everything else.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Removes the first `count` bytes.
    pub fn remove_front(&mut self, count: usize) {
        self.0.drain(..count);
    }

    /// Wipes the bytes and keeps their memory.
    #[inline]
    pub fn wipe(&mut self) {
        // An empty vector may point to no memory, where even writing nothing takes some processors
        // as long as 500 instructions.
        if !self.0.is_empty() {
            // `zeroize` wipes a slice many bytes at a time, but a vector byte by byte.
            self.0.as_mut_slice().zeroize();
            self.0.clear();
        }
    }

    /// The bytes as a text, if they are UTF-8.
    pub fn into_text(mut self) -> Option<SecretText> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Some(SecretText(text)),
            Err(error) => {
                self.0 = error.into_bytes();
                None
            }
        }
    }

    fn move_to(&mut self, capacity: usize) {
        self.replace(Vec::with_capacity(capacity));
    }

    fn replace(&mut self, mut larger: Vec<u8>) {
        larger.extend_from_slice(&self.0);
        self.wipe_all();
        self.0 = larger;
    }

    /// Wipes the whole allocation, including what was cut off.
    fn wipe_all(&mut self) {
        if self.0.len() < self.0.capacity() {
            self.0.resize(self.0.capacity(), 0);
        }
        self.wipe();
    }
}

impl SecretText {
    /// A copy; fails if there is no memory.
    pub fn try_copy(text: &str) -> Result<Self, NoMemory> {
        let mut copy = String::new();
        copy.try_reserve_exact(text.len())?;
        copy.push_str(text);
        Ok(Self(copy))
    }

    /// The text and a NUL, in one allocation of exactly that size; fails if there is no memory.
    pub fn try_with_nul(text: &str) -> Result<Self, NoMemory> {
        let mut copy = String::new();
        copy.try_reserve_exact(text.len() + 1)?;
        copy.push_str(text);
        copy.push('\0');
        Ok(Self(copy))
    }
}

/// An owned text is moved, not copied.
impl From<Cow<'_, str>> for SecretText {
    fn from(text: Cow<'_, str>) -> Self {
        Self(text.into_owned())
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Write for SecretBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.wipe_all();
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        drop(SecretBytes(std::mem::take(&mut self.0).into_bytes()));
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretText").finish_non_exhaustive()
    }
}

type Piece = [u64; 32];

/// The most stack that generating, moving and decrypting keys uses, in pieces of 256 bytes.
pub(crate) const KEYS_STACK: usize = 64;

/// Does `work`, then wipes `PIECES` times 256 bytes of the stack that it used: moved values and
/// expanded keys leave copies there that no variable owns.
pub(crate) fn wiping_stack<const PIECES: usize, T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn below<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    fn overwrite<const PIECES: usize>() {
        let mut stack = [const { MaybeUninit::<Piece>::uninit() }; PIECES];
        for piece in &mut stack {
            piece.write([0; 32]);
            // Keeps the compiler from removing the write.
            black_box(piece);
        }
    }

    let result = below(work);
    overwrite::<PIECES>();
    result
}

/// Marks a value that was computed from secrets as public, so that code may branch on it.
///
/// This does something only in tests, where valgrind is told that secrets are undefined memory.
/// This marks the value as defined; any other branch on a secret is an error
/// (`tests/assurance/secret_paths.rs`).
#[inline(always)]
pub(crate) fn declassify<T: Copy>(value: T) -> T {
    #[cfg(test)]
    let value = crate::secret_paths::valgrind::defined(value);
    value
}

/// Like [`declassify`], for the result of a comparison of secrets.
#[inline(always)]
pub(crate) fn declassify_choice(choice: Choice) -> bool {
    declassify(choice.unwrap_u8()) == 1
}

/// Like [`declassify`], for bytes that code with a data-dependent time will read.
#[inline(always)]
pub(crate) fn declassify_bytes(_bytes: &[u8]) {
    #[cfg(test)]
    crate::secret_paths::valgrind::define(_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_and_keep_their_content() {
        let mut bytes = SecretBytes::try_copy(&[], 2).unwrap();
        for byte in 0..100 {
            bytes.push(byte);
        }
        assert!(bytes.iter().copied().eq(0..100));
        bytes.resize(102, 7);
        assert_eq!(bytes[100..], [7, 7]);
        assert_eq!(bytes.capacity(), 128);
        bytes.wipe();
        assert!(bytes.is_empty());
        assert_eq!(bytes.capacity(), 128);
    }

    #[test]
    fn what_finds_no_memory_leaves_the_bytes_as_they_are() {
        let mut bytes = SecretBytes::from(&b"kept"[..]);
        for size in [usize::MAX, usize::MAX / 2] {
            assert_eq!(bytes.try_reserve_exact(size), Err(NoMemory));
        }
        // A program of 32 bits may well get that much.
        #[cfg(target_pointer_width = "64")]
        assert_eq!(
            bytes.try_reserve_exact(isize::MAX as usize - 4),
            Err(NoMemory)
        );
        assert_eq!(&*bytes, b"kept");
        bytes.try_reserve_exact(100).unwrap();
        assert_eq!((&*bytes, bytes.capacity()), (&b"kept"[..], 104));
        assert_eq!(&*SecretBytes::try_copy(b"copied", 4).unwrap(), b"copied");
    }

    #[test]
    fn only_utf8_becomes_a_text() {
        let mut bytes = SecretBytes::default();
        bytes.extend_from_slice("é".as_bytes());
        assert_eq!(&*bytes.into_text().unwrap(), "é");
        let mut bytes = SecretBytes::default();
        bytes.push(0xc3);
        assert!(bytes.into_text().is_none());
        assert_eq!(&*SecretText::try_with_nul("abc").unwrap(), "abc\0");
    }

    #[test]
    fn debug_shows_no_text() {
        let text = format!("{:?}", SecretText::try_with_nul("hunter2").unwrap());
        assert_eq!(text, "SecretText { .. }");
    }
}
