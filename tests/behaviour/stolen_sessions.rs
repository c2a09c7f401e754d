//! What an attacker gets who records a session, or knows a public key, and then connects: no text, no
//! other's name, no second run of a request. Each attack is also made against a side that sends
//! received keys back, as the released servers do, where some of them succeed.

use anwdl::protocol::session::{Config, Message, Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Reason};
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;

use crate::pair::*;
use crate::recording::other;

const CBC_FRAMINGS: [Protocol; 3] = [Protocol::V2, Protocol::V3, Protocol::V4];
const REQUEST: &str = "DESTROY";

/// A session of one side with the key pair of `pem`.
fn side(role: Role, protocol: Protocol, pem: &str, key_echo: bool) -> Session {
    session_with(role, pem, |config| {
        config.protocol = protocol;
        config.key_echo = key_echo;
    })
}

/// One that accepts nobody but the owner of `expected`.
fn pinning_side(
    role: Role,
    protocol: Protocol,
    pem: &str,
    expected: &str,
    key_echo: bool,
) -> Session {
    let fingerprint = rsa(expected).fingerprint(false).unwrap();
    let digits = |at: usize| u8::from_str_radix(&fingerprint[2 * at..2 * at + 2], 16).unwrap();
    session_with(role, pem, |config| {
        config.protocol = protocol;
        config.expected_fingerprint = Some(std::array::from_fn(digits));
        config.key_echo = key_echo;
    })
}

fn session_with(role: Role, pem: &str, change: impl FnOnce(&mut Config)) -> Session {
    let mut config = Config::new(role);
    change(&mut config);
    let mut session = Session::new(config);
    session.set_rsa_wrapper(&rsa(pem)).unwrap();
    session
}

/// All that a client sent in one session: its side of the key exchange, and a request.
struct Recording {
    exchange: Vec<u8>,
    request: Vec<u8>,
}

impl Recording {
    fn of(framing: Protocol, client_first: bool, key_echo: bool) -> Self {
        let mut client = side(Role::Client, framing, CLIENT_KEY, key_echo);
        let insisted = match framing {
            Protocol::Gcm => framing,
            _ => Protocol::Auto,
        };
        let mut server = side(Role::Server, insisted, SERVER_KEY, key_echo);
        begin_exchange(&mut client, !client_first);
        begin_exchange(&mut server, client_first);
        let mut exchange = Vec::new();
        let (of_client, of_server) = recorded_shuttle(&mut client, &mut server, &mut exchange);
        assert!(matches!((of_client, of_server), (Some(Ok(_)), Some(Ok(_)))));
        let mut request = Vec::new();
        client.begin_request(REQUEST, None).unwrap();
        server.begin_receive().unwrap();
        let (_, received) = recorded_shuttle(&mut client, &mut server, &mut request);
        assert!(is_request(&received));
        Self { exchange, request }
    }

    /// The secret that the client wrapped for the server. It stands behind the client's public
    /// key and two answers, in step 9 as in step 11.
    fn wrapped_secret(&self, client_first: bool) -> &[u8] {
        let public_key = rsa(CLIENT_KEY).public_key().unwrap().len();
        // Who hears the other first has answered twice before its own key, and twice behind it.
        let answers = if client_first { 2 } else { 3 };
        let size = rsa(SERVER_KEY).key_size() as usize / 8;
        &self.exchange[8 + public_key + answers..][..size]
    }
}

fn print_cases(count: usize, what: &str) {
    println!("\ncases: {count} {what}");
}

fn begin_exchange(session: &mut Session, receive_first: bool) {
    session
        .begin_exchange(Operation::ExchangeKeys { receive_first })
        .unwrap();
}

fn is_request(outcome: &Outcome) -> bool {
    matches!(outcome, Some(Ok(Some(Message::Request(request)))) if request.verb() == REQUEST)
}

/// Lets a thief connect with a key pair of his own and replay a recorded secret as step 9. Gives
/// the key that step 11 brings him.
fn key_for_replay(wrapped_secret: &[u8], key_echo: bool) -> AesWrapper {
    let mut thief = session(Role::Client, Protocol::V4, STRANGER_KEY);
    let mut server = side(Role::Server, Protocol::Auto, SERVER_KEY, key_echo);
    exchange_public_keys(&mut thief, &mut server);
    let mut inbox = wrapped_secret.to_vec();
    let mut outbox = Vec::new();
    server.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let accepted = go_on(&mut server, &mut inbox, &mut outbox);
    assert!(matches!(accepted, Some(Ok(None))) && outbox == b"1");
    outbox.clear();
    server.begin_exchange(Operation::SendAesKey).unwrap();
    assert!(go_on(&mut server, &mut inbox, &mut outbox).is_none());
    let secret = rsa(STRANGER_KEY).decrypt_data(&outbox).unwrap();
    let (key, iv) = secret.split_at(secret.len() - BLOCK_SIZE);
    let mut stolen = AesWrapper::new(256, AesMode::Cbc).unwrap();
    stolen.set_key(key, iv).unwrap();
    stolen
}

/// The same number modulo the modulus of the key, where it has no more bytes.
fn plus_modulus(wrapped: &[u8], pem: &str) -> Option<Vec<u8>> {
    let key = RsaPublicKey::from_public_key_pem(rsa(pem).public_key().unwrap()).unwrap();
    let mut carry = 0;
    let mut sum = Vec::new();
    for (one, other) in wrapped.iter().rev().zip(key.n_bytes().iter().rev()) {
        carry += u16::from(*one) + u16::from(*other);
        sum.push(carry as u8);
        carry >>= 8;
    }
    sum.reverse();
    (carry == 0).then_some(sum)
}

/// Sends each side of a fleet that has one key pair back what it sent.
#[test]
fn a_mirror_passes_for_nobody() {
    let mut count = 0;
    for role in [Role::Client, Role::Server] {
        for framing in FRAMINGS {
            for key_echo in [false, true] {
                for is_disguised in [false, true] {
                    // Not every number can be disguised.
                    while !is_mirror_refused(role, framing, key_echo, is_disguised) {}
                    count += 1;
                }
            }
        }
    }
    print_cases(count, "mirrors of a side whose peer has the same key pair");
}

/// False if this secret can't be disguised as another number.
fn is_mirror_refused(role: Role, framing: Protocol, key_echo: bool, is_disguised: bool) -> bool {
    let mut victim = pinning_side(role, framing, SERVER_KEY, SERVER_KEY, key_echo);
    let mut mirror = session(other(role), framing, SERVER_KEY);
    exchange_public_keys(&mut victim, &mut mirror);
    let mut secret = sent_secret(&mut victim);
    let size = rsa(SERVER_KEY).key_size() as usize / 8;
    if framing == Protocol::Gcm {
        secret.truncate(size + gcm::CIPHERTEXT_SIZE);
    }
    if is_disguised {
        let Some(wrapped) = plus_modulus(&secret[..size], SERVER_KEY) else {
            return false;
        };
        secret[..size].copy_from_slice(&wrapped);
    }
    let outcome = hear_secret(&mut victim, secret);
    assert!(
        matches!(outcome, Some(Err(_))),
        "{role:?} of {framing:?} takes its own secret for that of the owner of its key"
    );
    assert_eq!(reason(outcome), Reason::DecryptionFailed);
    assert!(victim.has_failed());
    true
}

/// The secret that a session sends first; its peer accepts it.
fn sent_secret(session: &mut Session) -> Vec<u8> {
    let mut secret = Vec::new();
    session.begin_exchange(Operation::SendAesKey).unwrap();
    let sent = go_on(session, &mut b"1".to_vec(), &mut secret);
    assert!(matches!(sent, Some(Ok(None))), "{sent:?}");
    secret
}

fn hear_secret(session: &mut Session, mut secret: Vec<u8>) -> Outcome {
    session.begin_exchange(Operation::ReceiveAesKey).unwrap();
    go_on(session, &mut secret, &mut Vec::new())
}

/// Who is between a client and the server that it pins, with a key pair of his own, shows the client
/// the server's public key, has the server decrypt the client's step 9, and answers with what comes
/// out. It comes out where the server sends received keys back, as released servers do.
#[test]
fn a_server_that_echoes_keys_gives_away_the_clients_that_pin_it() {
    let mut passed = 0;
    for protocol in CBC_FRAMINGS {
        for key_echo in [false, true] {
            let mut client = pinning_side(Role::Client, protocol, CLIENT_KEY, SERVER_KEY, false);
            let mut shown = side(Role::Server, protocol, SERVER_KEY, false);
            exchange_public_keys(&mut client, &mut shown);
            let stolen = key_for_replay(&sent_secret(&mut client), key_echo);

            let mut between = rsa(STRANGER_KEY);
            let clients_key = rsa(CLIENT_KEY).public_key().unwrap().to_owned();
            between.set_remote_public_key(&clients_key).unwrap();
            let secret = [stolen.key(), stolen.iv()].concat();
            let answer = between.encrypt_data(&secret, false).unwrap();
            let outcome = hear_secret(&mut client, answer);
            let accepted = matches!(outcome, Some(Ok(None)));
            assert_eq!(accepted, key_echo, "{protocol:?}: {outcome:?}");
            passed += usize::from(accepted);
        }
    }
    print_cases(
        CBC_FRAMINGS.len(),
        "clients that a server without echo keeps from somebody between",
    );
    assert_eq!(passed, CBC_FRAMINGS.len());
}

#[test]
fn a_replayed_secret_does_not_open_its_recording() {
    let mut count = 0;
    for framing in CBC_FRAMINGS {
        for client_first in [true, false] {
            for key_echo in [false, true] {
                count += 1;
                let recording = Recording::of(framing, client_first, key_echo);
                let key = key_for_replay(recording.wrapped_secret(client_first), key_echo);
                let mut reader = preset_with(Role::Server, framing, &key);
                let outcome = receive(&mut reader, &recording.request);
                if key_echo {
                    assert!(is_request(&outcome), "{framing:?} {client_first}");
                } else {
                    assert!(
                        matches!(outcome, Some(Err(_)) | None),
                        "{framing:?} {client_first}"
                    );
                }
            }
        }
    }
    print_cases(count, "recordings of which a replayed secret opens none");
}

/// The one who speaks first with somebody else's public key: his side of the exchange, up to the
/// answer to a step 11 that he cannot read. The exchange succeeds all the same: it is his first
/// message that fails. His secret is that of [`preset`].
fn pose_as_owner(of: &str, victim: &mut Session, victims: &str) {
    let public_key = rsa(of).public_key().unwrap().to_owned();
    let mut keys = rsa(STRANGER_KEY);
    keys.set_remote_public_key(rsa(victims).public_key().unwrap())
        .unwrap();
    let secret = [[1; 32].as_slice(), &[2; BLOCK_SIZE]].concat();
    let mut inbox = [
        format!("{:=<8}", public_key.len()).as_bytes(),
        public_key.as_bytes(),
        b"11",
        &keys.encrypt_data(&secret, false).unwrap(),
        b"1",
    ]
    .concat();
    begin_exchange(victim, true);
    let outcome = go_on(victim, &mut inbox, &mut Vec::new());
    assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
}

#[test]
fn who_has_only_a_public_key_does_not_pass_for_a_pinned_client() {
    let mut count = 0;
    for framing in CBC_FRAMINGS {
        for key_echo in [false, true] {
            count += 1;
            let mut server = pinning_side(
                Role::Server,
                Protocol::Auto,
                SERVER_KEY,
                CLIENT_KEY,
                key_echo,
            );
            pose_as_owner(CLIENT_KEY, &mut server, SERVER_KEY);
            let mut thief = preset(Role::Client, framing);
            let (_, received) = request(&mut thief, &mut server, REQUEST);
            assert_eq!(is_request(&received), key_echo, "{framing:?}");
            if !key_echo {
                assert!(matches!(received, Some(Err(_)) | None), "{framing:?}");
            }
        }
    }
    print_cases(count, "strangers with the public key of a pinned client");
}

#[test]
fn who_has_only_a_public_key_does_not_pass_for_a_pinned_server() {
    let mut count = 0;
    for framing in CBC_FRAMINGS {
        for key_echo in [false, true] {
            count += 1;
            let mut client = pinning_side(Role::Client, framing, CLIENT_KEY, SERVER_KEY, key_echo);
            pose_as_owner(SERVER_KEY, &mut client, CLIENT_KEY);
            let mut thief = preset(Role::Server, framing);
            let (_, read) = request(&mut client, &mut thief, REQUEST);
            assert_eq!(is_request(&read), key_echo, "{framing:?}");
        }
    }
    print_cases(count, "strangers with the public key of a pinned server");
}

/// Of who speaks second, only the exchange of v2, v3 and v4 shows that he owns his key. In gcm, it
/// is his first message that fails.
#[test]
fn who_has_only_a_public_key_answers_for_no_pinned_peer() {
    let mut count = 0;
    for role in [Role::Client, Role::Server] {
        for framing in FRAMINGS {
            for key_echo in [false, true] {
                count += 1;
                let mut victim = pinning_side(role, framing, CLIENT_KEY, SERVER_KEY, key_echo);
                let mut shown = session(other(role), framing, SERVER_KEY);
                exchange_public_keys(&mut victim, &mut shown);
                sent_secret(&mut victim);

                let mut keys = rsa(STRANGER_KEY);
                keys.set_remote_public_key(rsa(CLIENT_KEY).public_key().unwrap())
                    .unwrap();
                let (secret, clear) = match framing {
                    Protocol::Gcm => (vec![6; 65], vec![7; gcm::CIPHERTEXT_SIZE]),
                    _ => (vec![6; 48], Vec::new()),
                };
                let wrapped = keys.encrypt_data(&secret, false).unwrap();
                let outcome = hear_secret(&mut victim, [wrapped, clear].concat());
                if framing != Protocol::Gcm {
                    assert_eq!(reason(outcome), Reason::DecryptionFailed);
                    continue;
                }
                assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
                match role {
                    Role::Client => victim.begin_request(REQUEST, None).unwrap(),
                    Role::Server => victim.begin_response(true, "OK", None, None).unwrap(),
                }
                let mut record = Vec::new();
                go_on(&mut victim, &mut Vec::new(), &mut record);
                let outcome = receive(&mut victim, &record);
                assert_eq!(reason(outcome), Reason::DecryptionFailed);
            }
        }
    }
    print_cases(
        count,
        "strangers who answer with the public key of a pinned peer",
    );
}

#[test]
fn a_recorded_session_cannot_be_played_again() {
    let mut count = 0;
    for framing in FRAMINGS {
        for client_first in [true, false] {
            for key_echo in [false, true] {
                count += 1;
                let recording = Recording::of(framing, client_first, key_echo);
                let insisted = match framing {
                    Protocol::Gcm => framing,
                    _ => Protocol::Auto,
                };
                let mut server = side(Role::Server, insisted, SERVER_KEY, key_echo);
                begin_exchange(&mut server, client_first);
                let mut inbox = recording.exchange.clone();
                let exchanged = go_on(&mut server, &mut inbox, &mut Vec::new());
                let runs_again = match exchanged {
                    Some(Ok(None)) => is_request(&receive(&mut server, &recording.request)),
                    // As the initiator, a server draws a key that no recording holds.
                    other => {
                        assert_eq!(reason(other), Reason::DecryptionFailed);
                        false
                    }
                };
                let is_expected = key_echo && client_first && framing != Protocol::Gcm;
                assert_eq!(
                    runs_again, is_expected,
                    "{framing:?} {client_first} {key_echo}"
                );
            }
        }
    }
    print_cases(count, "recorded sessions played again");
}

/// Released peers, which send received keys back and take what they get, keep working with ours.
#[test]
fn peers_that_send_keys_back_are_served_in_both_orders() {
    for framing in CBC_FRAMINGS {
        for client_first in [true, false] {
            for echoes in [[true, false], [false, true], [false, false], [true, true]] {
                let mut client = side(Role::Client, framing, CLIENT_KEY, echoes[0]);
                let mut server = side(Role::Server, Protocol::Auto, SERVER_KEY, echoes[1]);
                let outcome = exchange(&mut client, &mut server, client_first);
                assert!(matches!(outcome, (Some(Ok(_)), Some(Ok(_)))));
                let keys =
                    [&client, &server].map(|side| side.aes_wrapper().unwrap().key().to_vec());
                assert_eq!(keys[0], keys[1]);
                let (_, received) = request(&mut client, &mut server, REQUEST);
                assert!(is_request(&received));
            }
        }
    }
}

/// What somebody can make of a recording who has both private RSA keys later: each pair of secrets
/// of X25519 and ML-KEM that follows from what was sent.
fn secrets_to_try(exchange: &gcm::Exchange) -> Vec<(String, [u8; 32], [u8; 32])> {
    use ml_kem::kem::Decapsulate;
    use ml_kem::{DecapsulationKey768, Seed};
    use x25519_dalek::{PublicKey, StaticSecret};

    let opened = |pem, sent: &[u8]| {
        let keys = rsa(pem);
        let (wrapped, clear) = sent.split_at(keys.key_size() as usize / 8);
        (keys.decrypt_data(wrapped).unwrap(), clear.to_vec())
    };
    let (first, key) = opened(SERVER_KEY, &exchange.initiator_secret);
    let (second, ciphertext) = opened(CLIENT_KEY, &exchange.responder_secret);
    let part = |bytes: &[u8], at: usize| <[u8; 32]>::try_from(&bytes[at..at + 32]).unwrap();
    let publics = [part(&first, 33), part(&second, 33)];
    let mut known = vec![
        ("nothing", [0; 32]),
        ("a random", part(&first, 1)),
        ("the other random", part(&second, 1)),
        ("a public key", publics[0]),
        ("the other public key", publics[1]),
        ("the encapsulation key", part(&key, 0)),
        ("the seed of its matrix", part(&key, 1152)),
        ("the ciphertext", part(&ciphertext, 0)),
    ];
    let mut of_x25519 = known.clone();
    for (_, bytes) in &known {
        for public in publics {
            let shared = StaticSecret::from(*bytes).diffie_hellman(&PublicKey::from(public));
            of_x25519.push(("what X25519 makes of it", *shared.as_bytes()));
        }
    }
    let of_drawn: Vec<_> = known
        .iter()
        .flat_map(|(_, one)| known.iter().map(move |(_, other)| [*one, *other].concat()))
        .collect();
    for seed in of_drawn {
        let key = DecapsulationKey768::from_seed(Seed::try_from(&seed[..]).unwrap());
        let secret = key.decapsulate(ciphertext[..].try_into().unwrap());
        known.push(("what ML-KEM makes of it", secret.into()));
    }
    let pairs = of_x25519.iter().flat_map(|(x_name, x25519)| {
        known
            .iter()
            .map(move |(name, kem)| (format!("{x_name}, {name}"), *x25519, *kem))
    });
    pairs.collect()
}

#[test]
fn private_rsa_keys_do_not_open_a_recording_of_gcm() {
    let mut count = 0;
    for role in [Role::Client, Role::Server] {
        let (mut session, exchange) = gcm::exchange_with(role);
        let mut record = Vec::new();
        if role == Role::Client {
            record = sent_request(&mut session, REQUEST);
        } else {
            session.begin_response(true, "OK", None, None).unwrap();
            go_on(&mut session, &mut Vec::new(), &mut record);
        }
        let opens = |keys: gcm::SessionKeys| keys.open(role, 0, &record[4..]).is_some();
        // Who knows the ephemeral secrets, too, reads it; one of them alone is not enough.
        assert!(opens(exchange.keys()));
        let (secrets, randoms) = exchange.input.split_at(64);
        let (x25519, kem) = secrets.split_first_chunk::<32>().unwrap();
        let kem: [u8; 32] = kem.try_into().unwrap();
        let tries = secrets_to_try(&exchange);
        let halves = [
            ("X25519 alone".to_owned(), *x25519, [0; 32]),
            ("ML-KEM alone".to_owned(), [0; 32], kem),
        ];
        for (name, x25519, kem) in tries.into_iter().chain(halves) {
            let input = [&x25519[..], &kem, randoms].concat();
            assert!(!opens(exchange.keys_from(&input)), "{role:?}: {name}");
            count += 1;
        }
    }
    print_cases(count, "ways to read gcm with both private RSA keys");
}

/// Under a key that is used again, what was recorded could be replayed.
#[test]
fn a_session_takes_no_key_for_gcm() {
    let key = AesWrapper::new(256, AesMode::Gcm).unwrap();
    for role in [Role::Client, Role::Server] {
        for exchange_keys in [false, true] {
            for protocol in [Protocol::Auto, Protocol::Gcm] {
                let mut session = session_with(role, CLIENT_KEY, |config| {
                    config.exchange_keys = exchange_keys;
                    config.protocol = protocol;
                });
                let error = session.set_aes_wrapper(&key).unwrap_err();
                assert_eq!(error.reason(), Some(Reason::InvalidArgument));
                let error = session.begin_receive().unwrap_err();
                assert_eq!(error.reason(), Some(Reason::KeysNotExchanged));
            }
        }
    }
    print_cases(8, "sessions that take no key for gcm");
}
