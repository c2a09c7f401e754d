//! Bytes that came in and bytes that go out. Both may hold secrets: they are wiped
//! whenever they are let go of.

use zeroize::Zeroize;

/// What is received at once at most before more memory is taken: a length that the peer
/// merely claims never makes this side allocate.
const FIRST_ALLOCATION: usize = 16 * 1024;
/// The largest buffer that an idle session keeps.
const KEPT_CAPACITY: usize = 512;

/// Received bytes, up to the number that is waited for.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    filled: usize,
    wanted: usize,
}

impl Input {
    /// Waits for `wanted` bytes, those that are here already among them.
    pub fn want(&mut self, wanted: usize) {
        self.wanted = wanted;
    }

    /// Whether all bytes that were waited for are here.
    pub fn is_complete(&self) -> bool {
        self.filled == self.wanted
    }

    /// Where the next bytes go. Never longer than what is still missing, so that nothing is
    /// taken off the socket that belongs to a later message.
    pub fn space(&mut self) -> &mut [u8] {
        // One call of the system takes a whole message, unless it is a large one.
        let target = self.wanted.min(FIRST_ALLOCATION.max(2 * self.filled));
        if self.bytes.len() < target {
            grow(&mut self.bytes, target);
        }
        let end = self.wanted.min(self.bytes.len());
        &mut self.bytes[self.filled..end]
    }

    /// Counts `count` bytes that were written to [`space`](Self::space).
    pub fn fill(&mut self, count: usize) {
        self.filled += count;
        debug_assert!(self.filled <= self.wanted);
    }

    /// The bytes that are here.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }

    /// Wipes everything and waits for nothing.
    pub fn clear(&mut self) {
        self.bytes[..self.filled].zeroize();
        self.filled = 0;
        self.wanted = 0;
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
    }
}

/// Bytes to send, of which a later part may have to wait for an answer.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
    released: usize,
}

impl Output {
    /// Adds bytes that may be sent at once.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.released = self.bytes.len();
    }

    /// Takes a whole message of which only the first `released` bytes may be sent now.
    pub fn set(&mut self, message: Vec<u8>, released: usize) {
        self.clear();
        self.bytes = message;
        self.released = released;
    }

    /// An empty buffer to write the next message in, which keeps its memory.
    pub fn take(&mut self) -> Vec<u8> {
        self.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Lets the rest go too.
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

    /// All bytes of the message under way, sent or not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.zeroize();
        self.sent = 0;
        self.released = 0;
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Grows `bytes` to `len` without leaving a copy of its content behind.
fn grow(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        let mut larger = Vec::with_capacity(len);
        larger.extend_from_slice(bytes);
        bytes.zeroize();
        *bytes = larger;
    }
    bytes.resize(len, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut input = Input::default();
        input.want(99_999_999);
        let space = input.space();
        assert_eq!(space.len(), FIRST_ALLOCATION);
        space.fill(7);
        input.fill(FIRST_ALLOCATION);
        assert_eq!(input.space().len(), FIRST_ALLOCATION);
        assert!(input.bytes().iter().all(|&byte| byte == 7));
    }

    #[test]
    fn space_ends_where_the_message_ends() {
        let mut input = Input::default();
        input.want(3);
        assert_eq!(input.space().len(), 3);
        input.fill(2);
        assert!(!input.is_complete());
        assert_eq!(input.space().len(), 1);
        input.fill(1);
        assert!(input.is_complete());
        input.want(5);
        assert_eq!(input.space().len(), 2);
        input.clear();
        input.want(1);
        assert_eq!(input.space(), [0]);
    }

    #[test]
    fn a_longer_message_has_its_space_at_once() {
        let mut input = Input::default();
        input.want(8);
        let header = input.space().len();
        input.fill(header);
        input.clear();
        input.want(800);
        assert_eq!(input.space().len(), 800);
    }

    #[test]
    fn what_was_not_released_is_not_pending() {
        let mut output = Output::default();
        output.set(vec![1, 2, 3], 1);
        assert_eq!(output.pending(), [1]);
        output.advance(1);
        assert!(output.pending().is_empty());
        output.release();
        assert_eq!(output.pending(), [2, 3]);
        assert_eq!(output.bytes(), [1, 2, 3]);
    }
}
