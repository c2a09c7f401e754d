//! [`Identity`]: a client's IP address and the ID derived from it.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::crypto::rsa::hex;

/// How many hexadecimal digits of the hash make up the ID.
const ID_LEN: usize = 7;

/// An IP address as text and the ID derived from it, both with a NUL at the end. They share one
/// allocation, because a server has one of these for every client.
pub(crate) struct Identity {
    text: Box<str>,
    ip_len: usize,
}

impl Identity {
    /// The identity of a client with this address; without an address the text is empty.
    pub fn new(ip: Option<IpAddr>) -> Self {
        let ip = ip.map_or(String::new(), |ip| ip.to_string());
        let id = &hex(&Sha256::digest(&ip))[..ID_LEN];
        Self::from_texts(&ip, id)
    }

    /// The identity of a server, or of a peer without a known address.
    pub fn unknown() -> Self {
        Self::from_texts("", "")
    }

    fn from_texts(ip: &str, id: &str) -> Self {
        Self {
            text: [ip, "\0", id, "\0"].concat().into(),
            ip_len: ip.len(),
        }
    }

    pub fn ip(&self) -> &str {
        &self.text[..self.ip_len]
    }

    pub fn ip_with_nul(&self) -> &str {
        &self.text[..=self.ip_len]
    }

    pub fn id(&self) -> &str {
        &self.text[self.ip_len + 1..self.text.len() - 1]
    }

    pub fn id_with_nul(&self) -> &str {
        &self.text[self.ip_len + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_head_of_the_hash() {
        let identity = Identity::new(Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!((identity.ip(), identity.id()), ("127.0.0.1", "12ca17b"));
        assert_eq!(identity.ip_with_nul(), "127.0.0.1\0");
        assert_eq!(identity.id_with_nul(), "12ca17b\0");
        let nowhere = Identity::new(None);
        assert_eq!((nowhere.ip(), nowhere.id()), ("", "e3b0c44"));
        let none = Identity::unknown();
        assert_eq!((none.ip(), none.id()), ("", ""));
    }
}
