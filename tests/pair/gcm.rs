//! One side of gcm by means of its own: what it sends in a key exchange, and records.

use anwdl::protocol::session::{Operation, Session};
use anwdl::protocol::{Protocol, Role};

use super::{CLIENT_KEY, SERVER_KEY, exchange_public_keys, go_on, rsa, session};

// A program that has all models has this one twice.
#[allow(clippy::duplicate_mod)]
#[path = "../../fuzz/src/model/gcm.rs"]
mod model;

pub use model::*;

/// All that is known of a key exchange to one of its sides.
pub struct Exchange {
    pub initiator_pem: String,
    pub responder_pem: String,
    /// Steps 9 and 11 whole.
    pub initiator_secret: Vec<u8>,
    pub responder_secret: Vec<u8>,
    /// The secrets of X25519 and ML-KEM and both randoms, one behind the other.
    pub input: Vec<u8>,
}

impl Exchange {
    pub fn keys(&self) -> SessionKeys {
        self.keys_from(&self.input)
    }

    /// The keys if this were what goes into them.
    pub fn keys_from(&self, input: &[u8]) -> SessionKeys {
        let transcript = Transcript {
            initiator: Role::Client,
            initiator_pem: &self.initiator_pem,
            responder_pem: &self.responder_pem,
            initiator_secret: &self.initiator_secret,
            responder_secret: &self.responder_secret,
        };
        transcript.keys(input)
    }
}

/// A session that has exchanged its keys with the side above, the client sending its secret first,
/// and those keys.
pub fn exchanged(role: Role) -> (Session, SessionKeys) {
    let (session, exchange) = exchange_with(role);
    (session, exchange.keys())
}

/// The same, and what was said and known.
pub fn exchange_with(role: Role) -> (Session, Exchange) {
    let (own, peers) = match role {
        Role::Client => (CLIENT_KEY, SERVER_KEY),
        Role::Server => (SERVER_KEY, CLIENT_KEY),
    };
    let mut session = session(role, Protocol::Gcm, own);
    let mut peer = super::session(role, Protocol::Gcm, peers);
    let mut keys = rsa(peers);
    let own_pem = rsa(own).public_key().unwrap().to_owned();
    let peers_pem = keys.public_key().unwrap().to_owned();
    keys.set_remote_public_key(&own_pem).unwrap();
    exchange_public_keys(&mut session, &mut peer);

    let (mut inbox, mut outbox) = (b"1".to_vec(), Vec::new());
    let exchange = if role == Role::Client {
        session.begin_exchange(Operation::SendAesKey).unwrap();
        let outcome = go_on(&mut session, &mut inbox, &mut outbox);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        let (wrapped, key) = outbox.split_at(outbox.len() - ENCAPSULATION_KEY_SIZE);
        let (secret, ciphertext, input) = respond(&keys.decrypt_data(wrapped).unwrap(), key);
        let sent = [keys.encrypt_data(&secret, false).unwrap(), ciphertext].concat();
        session.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let outcome = go_on(&mut session, &mut sent.clone(), &mut Vec::new());
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        Exchange {
            initiator_pem: own_pem,
            responder_pem: peers_pem,
            initiator_secret: outbox,
            responder_secret: sent,
            input,
        }
    } else {
        let initiator = Initiator::new();
        let wrapped = keys.encrypt_data(&initiator.secret(), false).unwrap();
        let sent = [wrapped, initiator.encapsulation_key()].concat();
        session.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let outcome = go_on(&mut session, &mut sent.clone(), &mut Vec::new());
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        session.begin_exchange(Operation::SendAesKey).unwrap();
        let outcome = go_on(&mut session, &mut inbox, &mut outbox);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        let (wrapped, ciphertext) = outbox.split_at(outbox.len() - CIPHERTEXT_SIZE);
        let input = initiator.input(&keys.decrypt_data(wrapped).unwrap(), ciphertext);
        Exchange {
            initiator_pem: peers_pem,
            responder_pem: own_pem,
            initiator_secret: sent,
            responder_secret: outbox,
            input,
        }
    };
    (session, exchange)
}
