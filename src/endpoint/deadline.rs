//! [`Deadline`]: how long an operation may take, by whatever clock.

use std::time::{Duration, Instant};

/// A point in time.
pub trait Time: Copy + Ord {
    /// The time that comes `span` later; `None` if no such time can be told.
    fn after(self, span: Duration) -> Option<Self>;

    /// How long it is from `earlier` to this; zero if it is not later.
    fn since(self, earlier: Self) -> Duration;
}

impl Time for Instant {
    fn after(self, span: Duration) -> Option<Self> {
        self.checked_add(span)
    }

    fn since(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// Since whatever the program counts from.
impl Time for Duration {
    fn after(self, span: Duration) -> Option<Self> {
        self.checked_add(span)
    }

    fn since(self, earlier: Self) -> Duration {
        self.saturating_sub(earlier)
    }
}

/// The time limits of a transport.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of an operation; `None` for as long as it takes.
    pub timeout: Option<Duration>,
    /// Of the time before the peer begins a message, where no operation was called for it; `None`
    /// for the same as [`timeout`](Self::timeout), `Some(None)` for as long as it likes.
    pub idle_timeout: Option<Option<Duration>>,
}

/// When the operation under way has to be done.
#[derive(Debug)]
pub struct Deadline<T> {
    limits: Limits,
    end: Option<T>,
    /// Whether the peer may take the idle timeout to begin.
    is_idle: bool,
}

impl<T: Time> Deadline<T> {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            end: None,
            is_idle: false,
        }
    }

    /// Changes the timeout of operations that begin after this.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.limits.timeout = timeout;
    }

    /// An operation begins. With `is_idle` the idle timeout counts until the first byte comes.
    pub fn start(&mut self, is_idle: bool, now: impl FnOnce() -> Option<T>) {
        let span = match self.limits.idle_timeout {
            Some(idle_timeout) if is_idle => idle_timeout,
            _ => self.limits.timeout,
        };
        self.is_idle = is_idle;
        self.end = span.and_then(|span| now()?.after(span));
    }

    /// Bytes have come from the peer.
    pub fn received(&mut self, now: impl FnOnce() -> Option<T>) {
        if self.is_idle {
            self.start(false, now);
        }
    }

    /// `None` if there is none.
    pub fn end(&self) -> Option<T> {
        self.end
    }
}
