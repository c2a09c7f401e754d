//! The bytes that a session has received and those that it will send. Both may hold secrets, so
//! they are wiped before their memory is freed.

use std::ops::Range;

use zeroize::Zeroize;

use crate::secret::{NoMemory, SecretBytes};

/// The most memory that a message gets before its bytes have arrived, so that a peer cannot make
/// this side allocate by announcing a large length.
const FIRST_ALLOCATION: usize = 16 * 1024;
/// The largest buffer that an idle session keeps: enough for everyday requests and responses.
const KEPT_CAPACITY: usize = 256;
/// Spare room after a message that is taken out, for a verb and the NULs.
const SPARE_CAPACITY: usize = 16;

/// The longest header. Whatever fits here needs no allocation.
const HEADER_CAPACITY: usize = 16;

/// Received bytes: up to the wanted number or, if records are read ahead, a few more.
#[derive(Default)]
pub struct Input {
    /// Headers and answers.
    header: [u8; HEADER_CAPACITY],
    /// Everything longer, and records with their headers.
    bytes: SecretBytes,
    /// The usual `bytes`, kept while a record that is too long for them is received.
    small: SecretBytes,
    filled: usize,
    wanted: usize,
    /// If not 0: up to how many bytes may be received, even if `wanted` is less. They are all in
    /// `bytes`.
    ahead: usize,
}

impl Input {
    /// Waits until there are `wanted` bytes, including those already received. What began as a
    /// header must stay one.
    pub fn want(&mut self, wanted: usize) {
        debug_assert!(
            self.filled == 0 || (wanted <= HEADER_CAPACITY) == (self.wanted <= HEADER_CAPACITY)
        );
        self.wanted = wanted;
        self.ahead = 0;
    }

    /// Waits for the header of a record, which begins with the bytes that were read ahead. Up to
    /// `ahead` bytes may be received at once.
    pub fn want_header(&mut self, size: usize, ahead: usize) {
        self.wanted = size;
        self.ahead = ahead;
    }

    /// Drops that header and waits for the packet after it.
    pub fn want_packet(&mut self, size: usize) {
        let header_size = self.wanted;
        self.bytes.copy_within(header_size..self.filled, 0);
        self.filled -= header_size;
        self.ahead -= header_size;
        self.wanted = size;
    }

    /// Whether all wanted bytes have been received.
    pub fn is_complete(&self) -> bool {
        self.filled >= self.wanted
    }

    /// The bytes that were read ahead: the start of the next record.
    pub fn next_record(&mut self) -> &mut [u8] {
        let start = self.filled - self.len_ahead();
        self.bytes.get_mut(start..self.filled).unwrap_or_default()
    }

    /// How many bytes were read ahead.
    pub fn len_ahead(&self) -> usize {
        self.filled.saturating_sub(self.wanted)
    }

    #[inline]
    fn is_in_header(&self) -> bool {
        self.wanted <= HEADER_CAPACITY && self.ahead == 0
    }

    /// Makes room in [`unfilled`](Self::unfilled) for some of the missing bytes; fails if there is
    /// no memory.
    #[inline]
    pub fn reserve(&mut self) -> Result<(), NoMemory> {
        let len = self.bytes.len();
        if self.is_in_header() || len >= self.wanted.max(self.ahead) {
            return Ok(());
        }
        // A large buffer grows only when it is full. This is called for each piece, which may be a
        // single byte.
        if len >= FIRST_ALLOCATION && self.filled < len {
            return Ok(());
        }
        self.grow()
    }

    #[inline(never)]
    fn grow(&mut self) -> Result<(), NoMemory> {
        // One system call receives a whole message, unless it is large. The buffer doubles when it
        // is full, so that small pieces cost no more than large ones.
        let needed = self.wanted.max(self.ahead);
        let is_full = self.filled == self.bytes.len();
        let target = needed.min(if is_full {
            FIRST_ALLOCATION.max(2 * self.filled)
        } else {
            FIRST_ALLOCATION
        });
        if self.bytes.len() < target {
            let spare = if target == needed { SPARE_CAPACITY } else { 0 };
            let more = target - self.bytes.len() + spare;
            let is_small = (1..=KEPT_CAPACITY).contains(&self.bytes.capacity());
            if self.ahead > 0 && is_small && self.bytes.len() + more > self.bytes.capacity() {
                let longer = SecretBytes::try_copy(&self.bytes, more)?;
                self.small = std::mem::replace(&mut self.bytes, longer);
            } else {
                self.bytes.try_reserve_exact(more)?;
            }
            self.bytes.resize(target, 0);
        }
        Ok(())
    }

    /// Where the next bytes go. Never longer than what is missing, so that bytes of a later message
    /// stay in the socket. Empty if there is no memory, which [`reserve`](Self::reserve) reports.
    pub fn unfilled(&mut self) -> &mut [u8] {
        self.unfilled_up_to(self.wanted)
    }

    /// Like [`unfilled`](Self::unfilled), with room to read ahead.
    pub fn unfilled_ahead(&mut self) -> &mut [u8] {
        self.unfilled_up_to(self.wanted.max(self.ahead))
    }

    #[inline]
    fn unfilled_up_to(&mut self, end: usize) -> &mut [u8] {
        if self.is_in_header() {
            return &mut self.header[self.filled..end];
        }
        let _ = self.reserve();
        let end = end.min(self.bytes.len());
        &mut self.bytes[self.filled.min(end)..end]
    }

    /// Counts `count` bytes that were written to [`unfilled`](Self::unfilled).
    pub fn advance(&mut self, count: usize) {
        self.filled += count;
        debug_assert!(self.filled <= self.wanted.max(self.ahead));
    }

    /// The received bytes, up to the wanted number.
    pub fn filled(&mut self) -> &mut [u8] {
        let end = self.filled.min(self.wanted);
        if self.is_in_header() {
            return &mut self.header[..end];
        }
        &mut self.bytes[..end]
    }

    /// Wipes everything but the bytes that were read ahead, and waits for nothing.
    #[inline]
    pub fn clear(&mut self) {
        let kept = self.len_ahead();
        if kept == 0 {
            self.wipe();
        } else {
            self.keep_ahead(kept);
        }
    }

    #[cold]
    fn keep_ahead(&mut self, len: usize) {
        self.bytes.copy_within(self.wanted..self.filled, 0);
        self.bytes[len..].zeroize();
        self.filled = len;
        self.wanted = 0;
    }

    /// Wipes everything and waits for nothing.
    #[inline]
    pub fn wipe(&mut self) {
        self.header.zeroize();
        self.bytes.wipe();
        self.filled = 0;
        self.wanted = 0;
        self.ahead = 0;
        if self.bytes.capacity() == 0 || self.bytes.capacity() > KEPT_CAPACITY {
            self.return_to_small();
        }
    }

    #[cold]
    fn return_to_small(&mut self) {
        self.bytes = std::mem::take(&mut self.small);
        self.bytes.wipe();
    }

    /// Takes out the bytes at `range`, with room for a few more, and clears the rest. Short ones
    /// are copied; long ones take the buffer with them.
    pub fn take(&mut self, range: Range<usize>) -> Result<SecretBytes, NoMemory> {
        if self.bytes.capacity() <= KEPT_CAPACITY {
            let taken = SecretBytes::try_copy(&self.filled()[range], SPARE_CAPACITY)?;
            self.clear();
            return Ok(taken);
        }
        // It is longer than what can be read ahead, so no bytes follow it.
        let mut taken = std::mem::take(&mut self.bytes);
        self.wipe();
        taken.truncate(range.end);
        taken.remove_front(range.start);
        Ok(taken)
    }
}

/// Bytes to send. The later part may have to wait for an answer.
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

    /// Takes a whole message, of which only the first `released` bytes may be sent now.
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

    /// Allows the rest to be sent.
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

    /// Wipes everything.
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

    /// Receives a record of `len` bytes behind a header of 4, with as many of the next one's as
    /// have room; gives where it was received.
    fn receive_record(input: &mut Input, len: usize) -> *const u8 {
        input.want_header(4, 95);
        while !input.is_complete() {
            let space = input.unfilled_ahead();
            space.fill(1);
            let count = space.len();
            input.advance(count);
        }
        input.want_packet(len);
        while !input.is_complete() {
            let space = input.unfilled_ahead();
            space.fill(2);
            let count = space.len();
            input.advance(count);
        }
        assert_eq!(input.filled().len(), len);
        input.filled().as_ptr()
    }

    #[test]
    fn what_was_read_ahead_stays_until_everything_is_wiped() {
        let mut input = Input::default();
        receive_record(&mut input, 60);
        assert_eq!(input.len_ahead(), 31);
        input.next_record().fill(3);
        assert_eq!(*input.take(0..60).unwrap(), [1; 60]);
        input.clear();
        assert_eq!(*input.next_record(), [3; 31]);
        assert!(input.bytes.iter().skip(31).all(|&byte| byte == 0));
        input.want_header(4, 95);
        assert!(input.is_complete());
        assert_eq!(
            (input.unfilled().len(), input.unfilled_ahead().len()),
            (0, 95 - 31)
        );
        input.wipe();
        assert_eq!(input.len_ahead(), 0);
        assert!(input.filled().is_empty());
    }

    #[test]
    fn the_memory_of_a_short_record_serves_the_next_one_behind_a_long_one() {
        let mut input = Input::default();
        let place = receive_record(&mut input, 91);
        input.take(0..91).unwrap();
        for len in [91, 300, 40, 100_000, 91] {
            input.wipe();
            let here = receive_record(&mut input, len);
            assert_eq!(here == place, len <= 91, "{len}");
            input.take(0..len).unwrap();
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
