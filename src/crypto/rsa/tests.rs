use rand::rngs::SysRng;
use rsa::BoxedUint;
use rsa::hazmat::rsa_decrypt;
use rsa::pkcs1::{ALGORITHM_ID, EncodeRsaPrivateKey, RsaPublicKey as Pkcs1PublicKey, UintRef};
use rsa::pkcs8::der::asn1::BitStringRef;
use rsa::pkcs8::der::{Decode, Encode};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, LineEnding};
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use rsa::traits::PublicKeyParts;

use super::*;

const LOCAL: &str = include_str!("../../../examples-c/tests/keys/server.pem");
const PEER: &str = include_str!("../../../examples-c/tests/keys/peer-1.pem");
const MODULUS_SIZE: usize = 256;
const LARGEST_TEXT: usize = MODULUS_SIZE - 66;

fn local() -> RsaWrapper {
    let mut wrapper = RsaWrapper::default();
    wrapper.set_private_key(LOCAL, true).unwrap();
    wrapper
}

/// A wrapper whose peer is itself.
fn own_peer() -> RsaWrapper {
    let mut wrapper = local();
    let pem = wrapper.public_key().unwrap().to_owned();
    wrapper.set_remote_public_key(&pem).unwrap();
    wrapper
}

/// The operation of a private key that is here.
pub(crate) fn operation_of(key: &RsaWrapper) -> PrivateOperation {
    let der = key.private_key_der().expect("it is here");
    let key = rsa::RsaPrivateKey::from_pkcs8_der(der).unwrap();
    Box::new(move |input, output| {
        let number = BoxedUint::from_be_slice(input, key.n_bits_precision()).unwrap();
        let result = rsa_decrypt(None::<&mut SysRng>, &key, &number).unwrap();
        let bytes = result.to_be_bytes();
        output.copy_from_slice(&bytes[bytes.len() - output.len()..]);
        true
    })
}

#[track_caller]
fn assert_reason<T>(result: Result<T>, reason: Reason) {
    assert_eq!(result.err().and_then(|error| error.reason()), Some(reason));
}

/// The PEM text of a public key with these big-endian numbers, whatever they are.
fn public_pem(modulus: &[u8], exponent: &[u8]) -> String {
    let key = Pkcs1PublicKey {
        modulus: UintRef::new(modulus).unwrap(),
        public_exponent: UintRef::new(exponent).unwrap(),
    };
    let key = key.to_der().unwrap();
    let info = SubjectPublicKeyInfoRef {
        algorithm: ALGORITHM_ID,
        subject_public_key: BitStringRef::from_bytes(&key).unwrap(),
    };
    rsa::pkcs1::pem::encode_string("PUBLIC KEY", LineEnding::LF, &info.to_der().unwrap()).unwrap()
}

#[test]
fn pem_texts_come_back_as_they_were() {
    let wrapper = local();
    assert_eq!(*wrapper.private_key().unwrap(), LOCAL);
    assert_eq!(wrapper.key_size(), 2048);

    let public = wrapper.public_key().unwrap();
    let mut other = RsaWrapper::default();
    other.set_public_key(public).unwrap();
    other.set_remote_public_key(public).unwrap();
    assert_eq!(other.public_key(), Some(public));
    assert_eq!(other.remote_public_key().as_deref(), Some(public));
    assert_eq!(other.key_size(), 2048);
    assert!(other.private_key().is_none());
}

#[test]
fn a_private_key_leaves_the_public_one_alone_if_told_to() {
    let mut wrapper = RsaWrapper::default();
    wrapper.set_private_key(LOCAL, false).unwrap();
    assert_eq!(wrapper.public_key(), None);
    assert_eq!(wrapper.key_size(), 0, "it is that of the public key");
}

#[test]
fn keys_are_read_and_written_as_der() {
    let own = own_peer();
    let (_, pkcs8) = rsa::pkcs1::pem::decode_vec(LOCAL.as_bytes()).unwrap();
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(LOCAL).unwrap();
    let pkcs1 = key.to_pkcs1_der().unwrap().as_bytes().to_vec();
    assert_eq!(own.private_key_der(), Some(&pkcs8[..]));
    for der in [&pkcs8, &pkcs1] {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_private_key_der(der, false).unwrap();
        assert_eq!(wrapper.public_key(), None);
        wrapper.set_private_key_der(der, true).unwrap();
        assert_eq!(*wrapper.private_key().unwrap(), LOCAL);
        assert_eq!(wrapper.public_key(), own.public_key());
    }

    let info = own.public_key_der().unwrap();
    assert_eq!(own.remote_public_key_der(), Some(info));
    let pem = own.public_key().unwrap();
    assert_eq!(rsa::pkcs1::pem::decode_vec(pem.as_bytes()).unwrap().1, info);
    let pkcs1 = SubjectPublicKeyInfoRef::from_der(info).unwrap();
    let pkcs1 = pkcs1.subject_public_key.as_bytes().unwrap();
    for der in [info, pkcs1] {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_public_key_der(der).unwrap();
        wrapper.set_remote_public_key_der(der).unwrap();
        assert_eq!(wrapper.public_key(), Some(pem));
        assert_eq!(wrapper.remote_public_key().as_deref(), Some(pem));
        assert_eq!(wrapper.private_key_der(), None);
    }
}

#[test]
fn unusable_der_is_refused_and_the_old_keys_are_kept() {
    let mut wrapper = own_peer();
    let private = wrapper.private_key_der().unwrap().to_vec();
    let public = wrapper.public_key_der().unwrap().to_vec();
    let (longer, long) = ([&private[..], &[0]].concat(), vec![0; MAX_PEM_SIZE + 1]);
    let short = public_pem(&[0xff; 128], &[1, 0, 1]);
    let (_, short) = rsa::pkcs1::pem::decode_vec(short.as_bytes()).unwrap();
    for (der, word) in [
        (&b""[..], "not an RSA"),
        (b"0", "not an RSA"),
        (LOCAL.as_bytes(), "is PEM"),
        (&private[..private.len() - 1], "not an RSA"),
        (&longer, "not an RSA"),
        (&long, "at most 16384"),
    ] {
        for result in [
            wrapper.set_private_key_der(der, true),
            wrapper.set_public_key_der(der),
            wrapper.set_remote_public_key_der(der),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.reason(), Some(Reason::InvalidKey));
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    assert_reason(
        wrapper.set_private_key_der(&public, true),
        Reason::InvalidKey,
    );
    for der in [&private, &short] {
        assert_reason(wrapper.set_public_key_der(der), Reason::InvalidKey);
        assert_reason(wrapper.set_remote_public_key_der(der), Reason::InvalidKey);
    }
    assert_eq!(wrapper.private_key_der(), Some(&private[..]));
    assert_eq!(wrapper.public_key_der(), Some(&public[..]));
    assert_eq!(wrapper.remote_public_key_der(), Some(&public[..]));
}

#[test]
fn a_pkcs1_private_key_is_read() {
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(LOCAL).unwrap();
    let pem = key.to_pkcs1_pem(LineEnding::LF).unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let mut wrapper = RsaWrapper::default();
    wrapper.set_private_key(&pem, true).unwrap();
    assert_eq!(wrapper.public_key(), local().public_key());
    let wrapped = wrapper.encrypt_data(b"text", true).unwrap();
    assert_eq!(*local().decrypt_data(&wrapped).unwrap(), b"text");
}

#[test]
fn a_pem_text_is_read_up_to_its_limit() {
    let pem = local().public_key().unwrap().to_owned();
    let mut text = "-".repeat(MAX_PEM_SIZE - pem.len() - 1) + "\n" + &pem;
    let mut wrapper = RsaWrapper::default();
    wrapper.set_public_key(&text).unwrap();
    text.insert(0, '-');
    let error = wrapper.set_public_key(&text).unwrap_err();
    assert!(error.to_string().contains("at most 16384"), "{error}");
}

#[test]
fn unusable_pem_texts_are_refused() {
    let public = local().public_key().unwrap().to_owned();
    let relabel = |label: &str| LOCAL.replace("PRIVATE KEY", label);
    for pem in [
        relabel("ENCRYPTED PRIVATE KEY"),
        relabel("EC PRIVATE KEY"),
        relabel("PUBLIC KEY"),
        // The label promises PKCS #1, the body is PKCS #8.
        relabel("RSA PRIVATE KEY"),
        public.clone(),
        String::new(),
        "garbage".to_owned(),
        LOCAL[..LOCAL.len() / 2].to_owned(),
        [LOCAL, LOCAL].concat(),
        [LOCAL, &"\n".repeat(MAX_PEM_SIZE)].concat(),
    ] {
        let mut wrapper = RsaWrapper::default();
        assert_reason(wrapper.set_private_key(&pem, true), Reason::InvalidKey);
        assert!(wrapper.private_key().is_none() && wrapper.public_key().is_none());
    }
    for pem in [
        LOCAL.to_owned(),
        LOCAL.replace("PRIVATE KEY", "PUBLIC KEY"),
        public.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
        String::new(),
        "garbage".to_owned(),
        public.repeat(2),
        [&public, "\n".repeat(MAX_PEM_SIZE).as_str()].concat(),
    ] {
        let mut wrapper = RsaWrapper::default();
        assert_reason(wrapper.set_public_key(&pem), Reason::InvalidKey);
        assert_reason(wrapper.set_remote_public_key(&pem), Reason::InvalidKey);
    }
}

#[test]
fn numbers_outside_the_limits_are_refused() {
    let key = rsa::RsaPublicKey::from_public_key_pem(local().public_key().unwrap()).unwrap();
    let modulus = key.n().to_be_bytes();
    let mut even = modulus.to_vec();
    *even.last_mut().unwrap() ^= 1;
    let exponent: &[u8] = &[1, 0, 1];
    let mut wrapper = RsaWrapper::default();
    wrapper
        .set_public_key(public_pem(&modulus, exponent))
        .unwrap();
    for (modulus, exponent) in [
        (&modulus[128..], exponent),
        (&modulus[1..], exponent),
        (&even, exponent),
        (&[0xff; 1025], exponent),
        (&modulus, &[1]),
        (&modulus, &[2]),
        (&modulus, &[4]),
        (&modulus, &[2, 0, 0, 0, 1]),
    ] {
        let pem = public_pem(modulus, exponent);
        let error = wrapper.set_public_key(&pem).unwrap_err();
        assert_eq!(error.reason(), Some(Reason::InvalidKey));
        // By this side's own look at the numbers, before anybody computes with them.
        let named = ["the RSA modulus", "the RSA public exponent"];
        assert!(
            named
                .iter()
                .any(|named| error.to_string().starts_with(named)),
            "{error}"
        );
    }
    assert_eq!(wrapper.public_key(), local().public_key());
}

#[test]
fn encryption_and_decryption_fit_together() {
    let wrapper = own_peer();
    for size in [0, 1, 48, LARGEST_TEXT] {
        let text = vec![7; size];
        for use_local_public_key in [true, false] {
            let wrapped = wrapper.encrypt_data(&text, use_local_public_key).unwrap();
            assert_eq!(wrapped.len(), MODULUS_SIZE);
            assert_eq!(*wrapper.decrypt_data(&wrapped).unwrap(), text);
        }
    }
    let too_long = wrapper.encrypt_data(&[7; LARGEST_TEXT + 1], true);
    assert_reason(too_long, Reason::InvalidArgument);
}

#[test]
fn a_key_at_rest_still_encrypts() {
    let mut wrapper = own_peer();
    wrapper.drop_encrypting_key();
    let remote = wrapper.remote.as_ref().unwrap();
    assert!(remote.encrypting.is_none());
    let wrapped = wrapper.encrypt_data(b"text", false).unwrap();
    assert_eq!(*wrapper.decrypt_data(&wrapped).unwrap(), b"text");
}

#[test]
fn wrong_ciphertexts_do_not_decrypt() {
    let wrapper = local();
    let wrapped = wrapper.encrypt_data(b"text", true).unwrap();
    let mut changed = wrapped.clone();
    changed[100] ^= 1;
    let longer = [&wrapped[..], &[0]].concat();
    for wrong in [
        &[][..],
        &wrapped[1..],
        &longer,
        &changed,
        &[0; MODULUS_SIZE],
        &[0xff; MODULUS_SIZE],
    ] {
        assert_reason(wrapper.decrypt_data(wrong), Reason::DecryptionFailed);
    }
}

#[test]
fn signatures_hold_for_what_was_signed_only() {
    let wrapper = own_peer();
    let signature = wrapper.sign_data(b"text").unwrap();
    let verify = |signature: &[u8], text: &[u8]| {
        wrapper
            .verify_data_signature(signature, text, false)
            .expect("a wrong signature is no failure")
    };
    assert!(verify(&signature, b"text"));
    assert!(!verify(&signature, b"Text"));
    let mut changed = signature.clone();
    changed[10] ^= 1;
    assert!(!verify(&changed, b"text"));
    assert!(!verify(&signature[1..], b"text"));
    assert!(!verify(&[&signature[..], &[0]].concat(), b"text"));
    assert!(!verify(&[0, 0].repeat(MODULUS_SIZE / 2), b"text"));
    assert!(!verify(&[], b"text"));

    let mut other = RsaWrapper::default();
    other.set_private_key(PEER, true).unwrap();
    assert!(!verify(&other.sign_data(b"text").unwrap(), b"text"));
}

#[test]
fn signatures_are_verified_under_either_public_key() {
    let mut peer = RsaWrapper::default();
    peer.set_private_key(PEER, true).unwrap();
    let mut wrapper = local();
    wrapper
        .set_remote_public_key(peer.public_key().unwrap())
        .unwrap();
    for (signer, is_local) in [(&wrapper, true), (&peer, false)] {
        let signature = signer.sign_data(b"text").unwrap();
        for use_local_public_key in [true, false] {
            assert_eq!(
                wrapper.verify_data_signature(&signature, b"text", use_local_public_key),
                Ok(use_local_public_key == is_local)
            );
        }
    }
}

#[test]
fn signatures_have_the_longest_salt() {
    let wrapper = local();
    let signature = wrapper.sign_data(b"text").unwrap();
    let signature = Signature::try_from(&signature[..]).unwrap();
    let key = rsa::RsaPublicKey::from_public_key_pem(wrapper.public_key().unwrap()).unwrap();
    let longest = MODULUS_SIZE - 32 - 2;
    for (salt, is_valid) in [(longest, true), (longest - 1, false), (32, false)] {
        let key = VerifyingKey::<Sha256>::new_with_salt_len(key.clone(), salt);
        assert_eq!(key.verify(b"text", &signature).is_ok(), is_valid);
    }
}

#[test]
fn a_fingerprint_is_the_hash_of_the_pem_text() {
    let mut wrapper = local();
    let mut peer = RsaWrapper::default();
    peer.set_private_key(PEER, true).unwrap();
    let peer = peer.public_key().unwrap();
    wrapper.set_remote_public_key(peer).unwrap();
    let hash = |pem: &str| hex(&Sha256::digest(pem));
    let local = hash(wrapper.public_key().unwrap());
    assert_eq!(wrapper.fingerprint(false), Ok(local));
    assert_eq!(wrapper.fingerprint(true), Ok(hash(peer)));
    assert_eq!(hex(&[0x0a, 0xff]), "0aff");
}

#[test]
fn missing_keys_are_told() {
    let wrapper = RsaWrapper::new(false).unwrap();
    assert_eq!(wrapper.key_size(), 0);
    for use_local_public_key in [true, false] {
        let encrypted = wrapper.encrypt_data(b"", use_local_public_key);
        assert_reason(encrypted, Reason::KeyMissing);
        assert_reason(
            wrapper.fingerprint(use_local_public_key),
            Reason::KeyMissing,
        );
    }
    assert_reason(wrapper.decrypt_data(b""), Reason::KeyMissing);
    assert_reason(wrapper.sign_data(b""), Reason::KeyMissing);
    for use_local_public_key in [true, false] {
        let verified = wrapper.verify_data_signature(b"", b"", use_local_public_key);
        assert_reason(verified, Reason::KeyMissing);
    }
}

#[test]
fn only_keys_that_belong_together_are_a_pair() {
    let (mut wrapper, mut peer) = (local(), RsaWrapper::default());
    peer.set_private_key(PEER, true).unwrap();
    let (own_key, peers_key) = (
        wrapper.public_key_der().unwrap().to_vec(),
        peer.public_key_der().unwrap(),
    );
    let private = wrapper.private_key().unwrap();
    let mut operation = Some(operation_of(&wrapper));
    assert_eq!(wrapper.check_pair(), Ok(()));
    assert_eq!(wrapper.clone().local_keys().check_pair(), Ok(()));
    for _private_key_is in ["here", "elsewhere"] {
        wrapper.set_public_key_der(peers_key).unwrap();
        assert_reason(wrapper.check_pair(), Reason::KeyMissing);
        wrapper.set_public_key_der(&own_key).unwrap();
        assert_eq!(wrapper.check_pair(), Ok(()));
        assert_reason(wrapper.set_public_key_der(b"no key"), Reason::InvalidKey);
        assert_eq!(wrapper.check_pair(), Ok(()));
        if let Some(operation) = operation.take() {
            wrapper.set_private_operation(operation).unwrap();
        }
    }

    let mut wrapper = RsaWrapper::default();
    assert_reason(wrapper.check_pair(), Reason::KeyMissing);
    wrapper.set_private_key(&*private, false).unwrap();
    assert_reason(wrapper.check_pair(), Reason::KeyMissing);
    wrapper.set_public_key_der(&own_key).unwrap();
    assert_eq!(wrapper.check_pair(), Ok(()));
}

#[test]
fn clones_share_local_keys_and_no_peer() {
    let wrapper = local();
    let mut clone = wrapper.clone();
    clone
        .set_remote_public_key(wrapper.public_key().unwrap())
        .unwrap();
    assert!(clone.has_remote() && !wrapper.has_remote());
    let shared = wrapper.private.as_ref().zip(clone.private.as_ref());
    assert!(shared.is_some_and(|(one, other)| Arc::ptr_eq(one, other)));
    assert!(!clone.local_keys().has_remote());
}

#[test]
fn made_keys_are_what_was_asked_for() {
    // The last one is a prime of 33 bits.
    for exponent in [DEFAULT_PUBLIC_EXPONENT, 3, (1 << 32) + 15] {
        let mut wrapper = RsaWrapper::default();
        wrapper.generate_key_pair(exponent, 2048).unwrap();
        assert_eq!(wrapper.key_size(), 2048);
        let key = rsa::RsaPublicKey::from_public_key_pem(wrapper.public_key().unwrap()).unwrap();
        assert_eq!(*key.e(), rsa::BoxedUint::from(exponent));
        let wrapped = wrapper.encrypt_data(b"text", true).unwrap();
        assert_eq!(*wrapper.decrypt_data(&wrapped).unwrap(), b"text");
    }
}

#[test]
fn a_process_has_one_key_pair_for_all_that_were_given_none() {
    let (one, other) = (
        crate::crypto::default_key_pair::get().unwrap(),
        crate::crypto::default_key_pair::get().unwrap(),
    );
    assert_eq!(one.key_size(), DEFAULT_KEY_SIZE);
    assert!(one.private_key().is_some());
    assert_eq!(one.public_key(), other.public_key());
}

#[test]
fn unusable_sizes_and_exponents_are_refused() {
    let mut wrapper = RsaWrapper::default();
    for (exponent, size) in [
        (65537, 0),
        (65537, 1024),
        (65537, 2047),
        (65537, 8193),
        (65537, u32::MAX),
        (0, 2048),
        (1, 2048),
        (65536, 2048),
        ((1 << 33) + 1, 2048),
        (u64::MAX, 2048),
    ] {
        let made = wrapper.generate_key_pair(exponent, size);
        assert_reason(made, Reason::InvalidArgument);
    }
    assert_eq!(wrapper.key_size(), 0);
}

#[test]
fn debug_output_shows_no_key() {
    assert_eq!(
        format!("{:?}", own_peer()),
        "RsaWrapper { key_size: 2048, has_private_key: true, has_remote_public_key: true }"
    );
}

#[test]
fn a_fingerprint_is_of_the_key_and_not_of_its_text() {
    let pem = include_str!("../../../examples-c/tests/keys/peer-1.pem");
    let mut wrapper = RsaWrapper::default();
    wrapper.set_private_key(pem, true).unwrap();
    let public = wrapper.public_key().unwrap().to_owned();
    let expected = hex(&Sha256::digest(&public));
    assert_eq!(wrapper.fingerprint(false).unwrap(), expected);
    wrapper
        .set_remote_public_key(public.replace('\n', "\r\n"))
        .unwrap();
    assert_eq!(wrapper.fingerprint(true).unwrap(), expected);
}
