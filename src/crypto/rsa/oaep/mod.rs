//! RSA-OAEP and RSA-PSS with SHA-256 (RFC 8017), and how RSA keys are generated, by AWS-LC or in pure
//! Rust.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(not(feature = "aws-lc"))]
mod pure_rust;

#[cfg(feature = "aws-lc")]
pub use aws_lc::*;
#[cfg(not(feature = "aws-lc"))]
pub use pure_rust::*;
