//! What the fuzzers do with their inputs, as plain functions: `targets/` hands them to libFuzzer,
//! and `tests/behaviour/fuzz_corpus.rs` of the library runs them over `corpus/` without it.
//!
//! Whatever a function sees that does not fit its model of the protocol is a panic.

mod c_calls;
mod c_check;
mod c_objects;
mod drive;
mod framing;
mod input;
mod json;
mod key_exchange;
mod model;
mod pem;
mod proxy_header;
mod validator;

use anwdl::protocol::{Protocol, Role};

/// One fuzzer: the name of its binary and of its corpus, and what it does with an input.
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 12] = [
    target("key_exchange_server", |data| {
        key_exchange::run(Role::Server, data);
    }),
    target("key_exchange_client", |data| {
        key_exchange::run(Role::Client, data);
    }),
    target("framing_v2", |data| framing::run(Protocol::V2, data)),
    target("framing_v3", |data| framing::run(Protocol::V3, data)),
    target("framing_v4", |data| framing::run(Protocol::V4, data)),
    target("framing_gcm", |data| framing::run(Protocol::Gcm, data)),
    target("detection", |data| framing::run(Protocol::Auto, data)),
    target("pem", pem::run),
    target("json", json::run),
    target("validator", validator::run),
    target("proxy_header", proxy_header::run),
    target("c_calls", c_calls::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("it is listed").run)(data);
}
