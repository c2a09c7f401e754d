//! Talk to [Anweddol](https://anweddol.org) clients from a Rust, C or C++ server, and to
//! servers from a client.
//!
//! An Anweddol client asks a server for virtual machines, over a small encrypted protocol:
//! RSA keys are exchanged, an AES key is wrapped with them, then JSON requests and
//! responses go back and forth. [`ClientInstance`] is one connected client, seen from the
//! server, over any connected socket. It serves every released client, whichever of the
//! framings it speaks, and an authenticated one. [`SansIoSession`] is the same for programs
//! that move the bytes themselves, and [`ClientInterface`] is the side that connects.
//!
//! C and C++ programs use the functions of [`ffi`], which `include/anwdl.h` declares.
//!
//! ```no_run
//! use std::net::TcpListener;
//!
//! use anwdl::message::{RESPONSE_MSG_OK, RESPONSE_MSG_REFUSED_REQ};
//! use anwdl::{ClientInstance, ClientOptions};
//!
//! let listener = TcpListener::bind("127.0.0.1:6150")?;
//! for stream in listener.incoming() {
//!     // Exchanges the keys; the client speaks first.
//!     let mut client = ClientInstance::new(stream?, &ClientOptions::default())?;
//!     let request = client.recv_request(false)?;
//!     match request.verb() {
//!         "STAT" => {
//!             let data = r#"{"uptime": 86400, "version": "1.0.0"}"#;
//!             client.send_response(true, RESPONSE_MSG_OK, Some(data), None)?;
//!         }
//!         _ => client.send_response(false, RESPONSE_MSG_REFUSED_REQ, None, Some("unknown verb"))?,
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Windows has neither `ClientInstance` nor `ClientInterface`, which need a descriptor, nor key
//! files, because no file mode shows there who can read them.

// What only sockets, key files and forks need is compiled anyway.
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod client_interface;
pub mod crypto;
mod endpoint;
pub mod error;
pub mod ffi;
pub mod log;
pub mod message;
pub mod protocol;
mod secret;

#[cfg(test)]
#[path = "../tests/assurance/secret_paths.rs"]
mod secret_paths;

#[cfg(unix)]
pub use client::{ClientInstance, check_descriptor};
#[cfg(unix)]
pub use client_interface::ClientInterface;
#[cfg(unix)]
pub use crypto::KeyFilePermissions;
pub use crypto::{AesMode, AesWrapper, RsaWrapper};
pub use endpoint::events::Event;
pub use endpoint::options::ClientOptions;
pub use endpoint::proxy_header::ProxyProtocol;
pub use endpoint::sans_io::SansIoSession;
#[cfg(unix)]
pub use endpoint::transport::socket::CreationError;
pub use error::{Error, Reason};
pub use protocol::Protocol;
