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
    /// When the idle timeout ends, in an operation that began with it; `Some(None)` for never.
    idle_end: Option<Option<T>>,
}

impl<T: Time> Deadline<T> {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            end: None,
            is_idle: false,
            idle_end: None,
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
        self.end = span.and_then(|span| now()?.after(span));
        self.is_idle = is_idle;
        self.idle_end = is_idle.then_some(self.end);
    }

    /// To be called when bytes have come from the peer.
    pub fn received(&mut self, now: impl FnOnce() -> Option<T>) {
        if self.is_idle {
            self.is_idle = false;
            self.end = self.limits.timeout.and_then(|span| now()?.after(span));
        }
    }

    /// To be called when the bytes that have come were none of a message. An idle timeout goes on
    /// as if they had not come, so that they win the peer no time.
    pub fn resume_idle(&mut self) {
        if let Some(end) = self.idle_end {
            self.end = end;
            self.is_idle = true;
        }
    }

    /// When the operation times out; `None` for never.
    pub fn end(&self) -> Option<T> {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);
    const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

    fn deadline(idle_timeout: Option<Option<Duration>>) -> Deadline<Duration> {
        Deadline::new(Limits {
            timeout: Some(TIMEOUT),
            idle_timeout,
        })
    }

    fn at(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn an_idle_timeout_that_goes_on_ends_when_it_would_have() {
        for (idle_timeout, idle_end) in [
            (Some(Some(IDLE_TIMEOUT)), at(110)),
            (Some(None), None),
            (None, at(103)),
        ] {
            let mut deadline = deadline(idle_timeout);
            deadline.start(true, || at(100));
            assert_eq!(deadline.end(), idle_end);
            for second in [101, 102] {
                deadline.received(|| at(second));
                assert_eq!(deadline.end(), at(second + 3), "it had a byte");
                deadline.received(|| at(second + 1));
                assert_eq!(
                    deadline.end(),
                    at(second + 3),
                    "it had its first byte before"
                );
                deadline.resume_idle();
                assert_eq!(deadline.end(), idle_end);
            }
        }
    }

    #[test]
    fn no_idle_timeout_goes_on_in_an_operation_without_one() {
        let mut deadline = deadline(Some(None));
        deadline.start(true, || at(100));
        deadline.start(false, || at(200));
        deadline.received(|| at(201));
        deadline.resume_idle();
        assert_eq!(deadline.end(), at(203));
        deadline.received(|| at(202));
        assert_eq!(deadline.end(), at(203));
    }
}
