//! What the library does for its callers, and what becomes of peers that do what they must not. All in one program: each
//! program more is another link of the whole library.

#[cfg(unix)]
mod client_interface;
#[cfg(unix)]
mod fuzz_corpus;
mod hostile_peer;
#[path = "../pair/mod.rs"]
mod pair;
#[cfg(unix)]
mod patience;
mod read_ahead;
mod recorded_sessions;
mod recording;
mod sessions_without_sockets;
mod stolen_sessions;
mod validator_like_cerberus;
