//! [`Deadline`]: how long an operation may take, by any clock.

use std::time::{Duration, Instant};

/// A point in time.
pub trait Time: Copy + Ord {
    /// The time `span` later; `None` if it cannot be represented.
    fn after(self, span: Duration) -> Option<Self>;

    /// The time since `earlier`; zero if `earlier` is later.
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

/// The time since a point that the program chooses.
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
    /// The limit of an operation; `None` for no limit.
    pub timeout: Option<Duration>,
    /// How long `next_event` waits for the peer to begin a message; `None` for the same as
    /// [`timeout`](Self::timeout), `Some(None)` for no limit.
    pub idle_timeout: Option<Option<Duration>>,
}

/// When the current operation times out.
#[derive(Debug)]
pub struct Deadline<T> {
    limits: Limits,
    end: Option<T>,
    /// Whether the idle timeout counts until the first byte.
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

    /// Changes the timeout of later operations.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.limits.timeout = timeout;
    }

    /// Starts an operation. With `is_idle` the idle timeout counts until the first byte comes.
    pub fn start(&mut self, is_idle: bool, now: impl FnOnce() -> Option<T>) {
        let span = match self.limits.idle_timeout {
            Some(idle_timeout) if is_idle => idle_timeout,
            _ => self.limits.timeout,
        };
        self.is_idle = is_idle;
        self.end = span.and_then(|span| now()?.after(span));
    }

    /// To be called when bytes have come from the peer.
    pub fn received(&mut self, now: impl FnOnce() -> Option<T>) {
        if self.is_idle {
            self.start(false, now);
        }
    }

    /// When the operation times out; `None` for never.
    pub fn end(&self) -> Option<T> {
        self.end
    }
}
