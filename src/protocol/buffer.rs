//! The bytes that a session received and those that it will send. Both may hold secrets, so they
//! are wiped before their memory is freed.

use std::ops::Range;

use zeroize::Zeroize;

use crate::secret::{NoMemory, SecretBytes};

/// The most memory that a message gets before its bytes have arrived: a length that the peer
/// merely claims never makes this side allocate.
const FIRST_ALLOCATION: usize = 16 * 1024;
/// The largest buffer that an idle session keeps: enough for everyday requests and responses.
const KEPT_CAPACITY: usize = 256;
/// Spare room behind a message that is taken out, for a verb and the NULs.
const SPARE_CAPACITY: usize = 16;

/// The longest header. Whatever fits here needs no allocation.
const HEADER_CAPACITY: usize = 16;

/// Received bytes, up to the number that the session waits for.
#[derive(Default)]
pub struct Input {
    /// Headers and answers.
    header: [u8; HEADER_CAPACITY],
    /// Everything longer.
    bytes: SecretBytes,
    filled: usize,
    wanted: usize,
}

impl Input {
    /// Waits until there are `wanted` bytes, including those already received. What began as a
    /// header never grows longer than the longest one.
    pub fn want(&mut self, wanted: usize) {
        debug_assert!(
            self.filled == 0 || (wanted <= HEADER_CAPACITY) == (self.wanted <= HEADER_CAPACITY)
        );
        self.wanted = wanted;
    }

    /// Whether all of these bytes were received.
    pub fn is_complete(&self) -> bool {
        self.filled == self.wanted
    }

    /// Makes room for some of the missing bytes; fails if there is no memory for them.
    pub fn reserve(&mut self) -> Result<(), NoMemory> {
        if self.wanted <= HEADER_CAPACITY {
            return Ok(());
        }
        // One system call receives a whole message unless it is large. A full buffer doubles, so
        // that many small pieces cost no more than a few large ones.
        let target = if self.filled < self.bytes.len() {
            self.bytes.len()
        } else {
            self.wanted.min(FIRST_ALLOCATION.max(2 * self.filled))
        };
        if self.bytes.len() < target {
            let spare = if target == self.wanted {
                SPARE_CAPACITY
            } else {
                0
            };
            self.bytes
                .try_reserve_exact(target - self.bytes.len() + spare)?;
            self.bytes.resize(target, 0);
        }
        Ok(())
    }

    /// Where the next bytes go. Never longer than what is missing, so that bytes of a later
    /// message stay in the socket. Empty if there is no memory, as [`reserve`](Self::reserve)
    /// reports.
    pub fn unfilled(&mut self) -> &mut [u8] {
        if self.wanted <= HEADER_CAPACITY {
            return &mut self.header[self.filled..self.wanted];
        }
        let _ = self.reserve();
        let end = self.wanted.min(self.bytes.len());
        &mut self.bytes[self.filled..end]
    }

    /// Counts `count` bytes that were written to [`unfilled`](Self::unfilled).
    pub fn advance(&mut self, count: usize) {
        self.filled += count;
        debug_assert!(self.filled <= self.wanted);
    }

    /// The bytes received so far.
    pub fn filled(&mut self) -> &mut [u8] {
        if self.wanted <= HEADER_CAPACITY {
            return &mut self.header[..self.filled];
        }
        &mut self.bytes[..self.filled]
    }

    /// Wipes everything and waits for nothing.
    pub fn clear(&mut self) {
        self.header.zeroize();
        self.bytes.wipe();
        self.filled = 0;
        self.wanted = 0;
        shrink(&mut self.bytes);
    }

    /// Takes out the bytes at `range`, with room for a few more, and clears the rest. Short ones
    /// are copied; long ones take the buffer with them.
    pub fn take(&mut self, range: Range<usize>) -> Result<SecretBytes, NoMemory> {
        if self.bytes.capacity() <= KEPT_CAPACITY {
            let taken = SecretBytes::try_copy(&self.filled()[range], SPARE_CAPACITY)?;
            self.clear();
            return Ok(taken);
        }
        let mut taken = std::mem::take(&mut self.bytes);
        self.clear();
        taken.truncate(range.end);
        taken.remove_front(range.start);
        Ok(taken)
    }
}

/// Bytes to send. The later part of them may have to wait for an answer.
#[derive(Default)]
pub struct Output {
    bytes: SecretBytes,
    sent: usize,
    released: usize,
}

impl Output {
    /// Adds bytes that may be sent right away; fails if there is no memory for them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), NoMemory> {
        self.bytes.try_reserve_exact(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        self.released = self.bytes.len();
        Ok(())
    }

    /// Takes a whole message of which only the first `released` bytes may be sent now.
    pub fn set(&mut self, message: SecretBytes, released: usize) {
        self.clear();
        self.bytes = message;
        self.released = released;
    }

    /// An empty buffer for the next message. It keeps its memory.
    pub fn take(&mut self) -> SecretBytes {
        self.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Allows the rest to be sent too.
    pub fn release(&mut self) {
        self.released = self.bytes.len();
    }

    /// What may be sent now.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..self.released]
    }

    /// Counts `count` bytes that were sent.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.released);
    }

    /// All bytes of the current message, sent or not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.wipe();
        self.sent = 0;
        self.released = 0;
        shrink(&mut self.bytes);
    }
}

/// Frees a buffer that is larger than an idle session keeps.
fn shrink(bytes: &mut SecretBytes) {
    if bytes.capacity() > KEPT_CAPACITY {
        *bytes = SecretBytes::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut input = Input::default();
        input.want(99_999_999);
        let space = input.unfilled();
        assert_eq!(space.len(), FIRST_ALLOCATION);
        space.fill(7);
        input.advance(FIRST_ALLOCATION);
        assert_eq!(input.unfilled().len(), FIRST_ALLOCATION);
        assert!(input.filled().iter().all(|&byte| byte == 7));
    }

    /// Each time that the buffer moves, all of it is copied and wiped.
    #[test]
    fn small_pieces_move_the_buffer_no_more_often_than_large_ones() {
        let moves = |piece: usize| {
            let mut input = Input::default();
            input.want(1 << 20);
            let (mut moves, mut place) = (0, 0);
            while !input.is_complete() {
                let space = input.unfilled();
                let count = space.len().min(piece);
                input.advance(count);
                let now = input.filled().as_ptr().addr();
                moves += usize::from(now != place);
                place = now;
            }
            moves
        };
        assert!(moves(1) <= 7 && moves(1400) <= 7);
    }

    #[test]
    fn space_ends_where_the_message_ends() {
        let mut input = Input::default();
        input.want(3);
        assert_eq!(input.unfilled().len(), 3);
        input.advance(2);
        assert!(!input.is_complete());
        assert_eq!(input.unfilled().len(), 1);
        input.advance(1);
        assert!(input.is_complete());
        input.want(5);
        assert_eq!(input.unfilled().len(), 2);
        input.clear();
        input.want(1);
        assert_eq!(input.unfilled(), [0]);
    }

    #[test]
    fn a_longer_message_has_its_space_at_once() {
        let mut input = Input::default();
        input.want(8);
        assert_eq!(input.unfilled().len(), 8);
        input.advance(8);
        input.want(16);
        assert_eq!(input.unfilled().len(), 8);
        input.advance(8);
        input.clear();
        assert_eq!(input.bytes.capacity(), 0);
        input.want(16 * 1024);
        assert_eq!(input.unfilled().len(), 16 * 1024);
    }

    #[test]
    fn a_message_is_taken_out_whole_whether_it_is_copied_or_not() {
        for len in [14, 20, KEPT_CAPACITY, KEPT_CAPACITY + 1, 100_000] {
            let mut input = Input::default();
            input.want(len + 3);
            while !input.is_complete() {
                let from = input.filled;
                let space = input.unfilled();
                for (at, byte) in space.iter_mut().enumerate() {
                    *byte = (from + at) as u8;
                }
                let count = space.len();
                input.advance(count);
            }
            let place = input.filled().as_ptr();
            let capacity = input.bytes.capacity();
            let taken = input.take(1..len + 1).unwrap();
            let is_moved = capacity > KEPT_CAPACITY;
            assert_eq!(taken.as_ptr() == place, is_moved, "{len}");
            assert_eq!(input.bytes.capacity(), if is_moved { 0 } else { capacity });
            assert!(
                taken.iter().copied().eq((1..=len).map(|at| at as u8)),
                "{len}"
            );
            assert!(taken.capacity() >= len + 2);
            assert!(input.filled().is_empty());
        }
    }

    #[test]
    fn the_memory_of_a_message_that_was_sent_serves_the_next() {
        let mut output = Output::default();
        output.push(&[7; 100]).unwrap();
        output.advance(100);
        let place = output.bytes().as_ptr();
        let message = output.take();
        assert!(message.is_empty() && message.as_ptr() == place);
        assert!(output.pending().is_empty());
        for (capacity, kept) in [(KEPT_CAPACITY, KEPT_CAPACITY), (KEPT_CAPACITY + 1, 0)] {
            output.set(SecretBytes::try_copy(&[], capacity).unwrap(), 0);
            assert_eq!(output.take().capacity(), kept);
        }
        assert!(output.pending().is_empty());
    }

    #[test]
    fn what_was_not_released_is_not_pending() {
        let mut output = Output::default();
        output.set(SecretBytes::from(&[1, 2, 3][..]), 1);
        assert_eq!(output.pending(), [1]);
        output.advance(1);
        assert!(output.pending().is_empty());
        output.release();
        assert_eq!(output.pending(), [2, 3]);
        assert_eq!(output.bytes(), [1, 2, 3]);
    }
}
