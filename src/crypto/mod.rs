//! The two wrappers of the Python server, [`RsaWrapper`] and [`AesWrapper`], and the cryptography
//! behind them. No other module computes with keys.

pub mod aes;
pub(crate) mod block_by_block;
pub(crate) mod default_key_pair;
#[cfg(feature = "aws-lc")]
pub(crate) mod drawing;
pub(crate) mod ephemeral;
pub(crate) mod fork_generation;
pub(crate) mod key_derivation;
#[cfg(unix)]
pub(crate) mod key_file;
pub(crate) mod random;
pub(crate) mod record_cipher;
pub(crate) mod record_key;
pub mod rsa;

pub use aes::{AesMode, AesWrapper};
#[cfg(unix)]
pub use key_file::KeyFilePermissions;
pub use rsa::RsaWrapper;
