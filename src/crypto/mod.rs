//! The two wrappers of the Python server, [`RsaWrapper`] and [`AesWrapper`], and what
//! they need. No other module touches a key.

pub mod aes;
pub(crate) mod ephemeral;
pub(crate) mod fork_generation;
pub(crate) mod key_derivation;
pub(crate) mod key_file;
pub(crate) mod process_wide;
pub(crate) mod random;
pub(crate) mod record_cipher;
pub(crate) mod record_key;
pub mod rsa;

pub use aes::{AesMode, AesWrapper};
pub use key_file::KeyFileRights;
pub use rsa::RsaWrapper;
