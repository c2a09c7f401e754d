//! [`Input`]: the bytes of a fuzzer, taken as choices. What is not there is zero, so that each
//! input is a valid one, and a short one too.

pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        let number = if limit <= 0x100 {
            usize::from(self.byte())
        } else {
            usize::from(self.byte()) << 8 | usize::from(self.byte())
        };
        number % limit.max(1)
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// At most `count` bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Some bytes, with their number before them.
    pub fn chunk(&mut self) -> &'a [u8] {
        let count = match self.byte() {
            0xff => self.below(0x10000),
            count => usize::from(count),
        };
        self.take(count)
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Changes `bytes`, or leaves them as they are, which is likelier.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        match self.below(12) {
            1 if !bytes.is_empty() => {
                let at = self.below(bytes.len());
                bytes[at] ^= self.byte().max(1);
            }
            2 => {
                let len = self.below(bytes.len() + 1);
                bytes.truncate(len);
            }
            3 => {
                let at = self.below(bytes.len() + 1);
                let inserted = self.chunk();
                bytes.splice(at..at, inserted.iter().copied());
            }
            4 => *bytes = self.chunk().to_vec(),
            5 => {
                let at = self.below(bytes.len() + 1);
                let written = self.chunk();
                let end = bytes.len().min(at + written.len());
                bytes.splice(at..end, written.iter().copied());
            }
            _ => {}
        }
    }
}
