//! A private key that the library cannot read, such as one in a hardware module, a TPM or an agent.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{MontyForm, MontyMultiplier};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPublicKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::key::{PublicKey, max_salt_len};
use super::padding::{decode_oaep, encode_pss};
use crate::crypto::aes::decryption_failed;
use crate::error::{Error, Reason, Result};
use crate::secret::{declassify_choice, try_copy, try_zeros};

/// The private key operation without padding (RSADP and RSASP1 of RFC 8017): raises a number below
/// the modulus to the power of the private exponent, modulo the modulus. Input and output are
/// big-endian and have the size of the modulus. Returns false if it fails.
///
/// It runs on the thread that needs it, and can run on several threads at once.
pub type PrivateOperation = Box<dyn Fn(&[u8], &mut [u8]) -> bool + Send + Sync>;

/// A private key of which only the public half and the operation are available.
pub(super) struct ExternalKey {
    bits: u32,
    modulus: Vec<u8>,
    public: RsaPublicKey,
    operation: PrivateOperation,
}

impl ExternalKey {
    /// Runs the operation once, to check that it belongs to the public key.
    pub fn new(public: &PublicKey, operation: PrivateOperation) -> Result<Self> {
        let numbers = RsaPublicKey::from_public_key_der(public.der())
            .map_err(|_| Error::new(Reason::InvalidKey, "the RSA public key cannot verify"))?;
        let key = Self {
            bits: public.bits(),
            modulus: try_copy(&numbers.n_bytes())?,
            public: numbers,
            operation,
        };
        key.decrypt(&public.encrypt(b"a key that works")?)?;
        Ok(key)
    }

    pub fn modulus_size(&self) -> usize {
        self.modulus.len()
    }

    /// Whether this is the public key that the operation was checked with.
    pub fn belongs_to(&self, public: &PublicKey) -> bool {
        RsaPublicKey::from_public_key_der(public.der()).is_ok_and(|numbers| numbers == self.public)
    }

    pub fn decrypt(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if data.len() != self.modulus_size() || !self.is_ciphertext(data) {
            return Err(decryption_failed());
        }
        decode_oaep(&self.run(data)?)?.ok_or_else(decryption_failed)
    }

    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>> {
        let block = encode_pss(data, self.bits, max_salt_len(self.bits))?;
        let signature = self.run(&block)?;
        Ok(try_copy(&signature)?)
    }

    /// Whether a block is a valid input of the operation. Devices fail with other numbers (NIST SP
    /// 800-56B, section 7.1.2.1), and a peer must not be able to make one fail. Nothing is lost: 0,
    /// 1 and the modulus less 1 never decrypt to a text.
    fn is_ciphertext(&self, block: &[u8]) -> bool {
        let (last, front) = block.split_last().expect("a modulus is not empty");
        let (modulus_last, modulus_front) = self.modulus.split_last().expect("it is not empty");
        let is_small = *last <= 1 && front.iter().all(|byte| *byte == 0);
        let is_largest = front == modulus_front && *last == modulus_last ^ 1;
        block < self.modulus.as_slice() && !is_small && !is_largest
    }

    /// The result of the operation. It is used only if the public key turns it back into the input,
    /// so a device that computes wrongly or mixes up its callers reveals nothing.
    fn run(&self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let failed = |message| Err(Error::new(Reason::PrivateOperationFailed, message));
        let mut result = Zeroizing::new(try_zeros(self.modulus_size())?);
        if !(self.operation)(input, &mut result) {
            return failed("the function for the RSA private key operation failed");
        }
        if !self.is_result(&result, input) {
            return failed(
                "the function for the RSA private key operation returned a result that does not belong \
                 to the public key",
            );
        }
        Ok(result)
    }

    /// The exponent and a right input are public; the result is secret, so no copy of it must stay
    /// behind.
    fn is_result(&self, result: &[u8], input: &[u8]) -> bool {
        let params: &BoxedMontyParams = self.public.n_params();
        let Ok(number) = BoxedUint::from_be_slice(result, params.bits_precision()) else {
            return false;
        };
        let number = Zeroizing::new(BoxedMontyForm::new(number, params));
        let mut power = number.clone();
        let mut multiplier = <BoxedMontyForm as MontyForm>::Multiplier::from(params);
        let exponent = self.public.e();
        for at in (0..exponent.bits() - 1).rev() {
            multiplier.square_assign(&mut power);
            if exponent.bit_vartime(at) {
                multiplier.mul_assign(&mut power, &number);
            }
        }
        let power = power.retrieve().to_be_bytes();
        let front = power.len() - input.len();
        // The result must be below the modulus.
        let reduced = Zeroizing::new(number.retrieve());
        let reduced = Zeroizing::new(reduced.to_be_bytes());
        declassify_choice(power[front..].ct_eq(input) & reduced[front..].ct_eq(result))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::super::{RsaWrapper, operation_of};
    use super::*;

    const LOCAL: &str = include_str!("../../../examples-c/tests/keys/server.pem");
    const OTHER: &str = include_str!("../../../examples-c/tests/keys/peer-1.pem");

    fn here(pem: &str) -> RsaWrapper {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_private_key(pem, true).unwrap();
        wrapper
    }

    /// The public half of a key, and an operation.
    fn elsewhere(key: &RsaWrapper, operation: PrivateOperation) -> Result<RsaWrapper> {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_public_key_der(key.public_key_der().unwrap())?;
        wrapper.set_private_operation(operation)?;
        Ok(wrapper)
    }

    #[track_caller]
    fn assert_reason<T>(result: Result<T>, reason: Reason) -> String {
        let error = result.err().expect("it fails");
        assert_eq!(error.reason(), Some(reason), "{error}");
        error.to_string()
    }

    #[test]
    fn it_does_what_a_key_does_that_is_here() {
        let mut unusual = RsaWrapper::default();
        // The block to sign is a byte shorter than the modulus.
        unusual.generate_key_pair(3, 2049).unwrap();
        for key in [here(LOCAL), unusual] {
            let wrapper = elsewhere(&key, operation_of(&key)).unwrap();
            assert_eq!(wrapper.key_size(), key.key_size());
            let size = wrapper.ciphertext_size().unwrap();
            for len in [0, 1, 32, size - 66] {
                let text = vec![1; len];
                let sent = key.encrypt_data(&text, true).unwrap();
                assert_eq!(*wrapper.decrypt_data(&sent).unwrap(), text);
            }
            let signature = wrapper.sign_data(b"data").unwrap();
            assert!(
                key.verify_data_signature(&signature, b"data", true)
                    .unwrap()
            );
            assert!(
                !key.verify_data_signature(&signature, b"else", true)
                    .unwrap()
            );
            assert_ne!(
                signature,
                wrapper.sign_data(b"data").unwrap(),
                "the salt is random"
            );
        }
    }

    #[test]
    fn the_key_cannot_be_read() {
        let key = here(LOCAL);
        let wrapper = elsewhere(&key, operation_of(&key)).unwrap();
        assert!(wrapper.private_key().is_none() && wrapper.private_key_der().is_none());
        assert_reason(wrapper.check_private_key_in_memory(), Reason::KeyMissing);
        assert!(key.check_private_key_in_memory().is_ok());
        assert!(RsaWrapper::default().check_private_key_in_memory().is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_elsewhere_is_not_saved() {
        let key = here(LOCAL);
        let wrapper = elsewhere(&key, operation_of(&key)).unwrap();
        let path = std::env::temp_dir().join("never-written.pem");
        let message = assert_reason(wrapper.save(&path), Reason::KeyMissing);
        assert!(message.contains("cannot be read"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn what_does_not_belong_to_the_public_key_is_not_taken() {
        let (key, other) = (here(LOCAL), here(OTHER));
        let reason = Reason::PrivateOperationFailed;
        let wrong = assert_reason(elsewhere(&key, operation_of(&other)), reason);
        assert!(wrong.contains("does not belong"), "{wrong}");
        let failed = assert_reason(elsewhere(&key, Box::new(|_, _| false)), reason);
        assert!(failed.ends_with("failed"), "{failed}");
        let mut empty = RsaWrapper::default();
        let set = empty.set_private_operation(operation_of(&key));
        assert_reason(set, Reason::KeyMissing);

        let dropped = Arc::new(());
        let kept = dropped.clone();
        let mut own = key.clone();
        let set = own.set_private_operation(Box::new(move |_, _| Arc::strong_count(&kept) == 0));
        assert_reason(set, reason);
        assert_eq!(Arc::strong_count(&dropped), 1);
        assert_eq!(own.private_key(), key.private_key(), "the old one is kept");
    }

    /// A device whose results are as the test wants them.
    fn device(key: &RsaWrapper, result: &Arc<Mutex<Option<Vec<u8>>>>) -> RsaWrapper {
        let (right, wanted) = (operation_of(key), result.clone());
        let operation = move |input: &[u8], output: &mut [u8]| match &*wanted.lock().unwrap() {
            None => right(input, output),
            Some(result) if result.is_empty() => false,
            Some(result) => {
                output.copy_from_slice(result);
                true
            }
        };
        elsewhere(key, Box::new(operation)).unwrap()
    }

    #[test]
    fn a_result_is_used_only_if_it_is_right() {
        let key = here(LOCAL);
        let wanted = Arc::new(Mutex::new(None));
        let wrapper = device(&key, &wanted);
        let (mine, other) = (
            key.encrypt_data(b"mine", true).unwrap(),
            key.encrypt_data(b"another's", true).unwrap(),
        );
        let mut right = vec![0; other.len()];
        assert!(operation_of(&key)(&mine, &mut right));
        let mut swapped = vec![0; other.len()];
        assert!(operation_of(&key)(&other, &mut swapped));
        let flipped = |at: usize| {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            wrong
        };
        let mut wrong = vec![vec![], vec![0; 256], vec![0xff; 256], mine.clone(), swapped];
        wrong.extend([0, 1, 100, 255].map(flipped));
        // The same, but not below the modulus: what is signed or encrypted is often small enough.
        let info = rsa::RsaPublicKey::from_public_key_der(key.public_key_der().unwrap()).unwrap();
        let precision = info.n_params().bits_precision();
        let number = BoxedUint::from_be_slice(&right, precision).unwrap();
        wrong.push(number.wrapping_add(info.n().as_ref()).to_be_bytes().into());
        for result in wrong {
            *wanted.lock().unwrap() = Some(result.clone());
            let reason = Reason::PrivateOperationFailed;
            assert_reason(wrapper.decrypt_data(&mine), reason);
            assert_reason(wrapper.sign_data(b"data"), reason);
        }
        *wanted.lock().unwrap() = Some(right);
        assert_eq!(*wrapper.decrypt_data(&mine).unwrap(), *b"mine");
    }

    #[test]
    fn what_never_decrypts_does_not_reach_the_operation() {
        let key = here(LOCAL);
        let count = Arc::new(AtomicUsize::new(0));
        let (right, counted) = (operation_of(&key), count.clone());
        let wrapper = elsewhere(
            &key,
            Box::new(move |input, output| {
                counted.fetch_add(1, Ordering::SeqCst);
                right(input, output)
            }),
        )
        .unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1, "it is tried once");

        let size = wrapper.ciphertext_size().unwrap();
        let number = |last: u8| {
            let mut block = vec![0; size];
            block[size - 1] = last;
            block
        };
        let info = rsa::RsaPublicKey::from_public_key_der(key.public_key_der().unwrap()).unwrap();
        let modulus = info.n_bytes().to_vec();
        let beside = |distance: i16| {
            let mut block = modulus.clone();
            block[size - 1] = (i16::from(block[size - 1]) + distance) as u8;
            block
        };
        for block in [
            vec![],
            vec![7; size - 1],
            vec![7; size + 1],
            number(0),
            number(1),
            beside(-1),
            beside(0),
            beside(1),
            vec![0xff; size],
        ] {
            assert_reason(wrapper.decrypt_data(&block), Reason::DecryptionFailed);
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        for block in [number(2), beside(-2), beside(-3)] {
            assert_reason(wrapper.decrypt_data(&block), Reason::DecryptionFailed);
        }
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn numbers_make_a_public_key() {
        let key = here(LOCAL);
        let info = rsa::RsaPublicKey::from_public_key_der(key.public_key_der().unwrap()).unwrap();
        let modulus = info.n_bytes().to_vec();
        let mut wrapper = RsaWrapper::default();
        for exponent in [&[1, 0, 1][..], &[0, 0, 1, 0, 1]] {
            let long = [&[0; 3][..], &modulus].concat();
            for modulus in [&modulus, &long] {
                wrapper.set_public_numbers(modulus, exponent).unwrap();
                assert_eq!(wrapper.public_key(), key.public_key());
            }
        }
        for (modulus, exponent) in [
            (&[][..], &[1, 0, 1][..]),
            (&modulus[1..], &[1, 0, 1]),
            (&modulus, &[]),
            (&modulus, &[1]),
            (&modulus, &[2]),
            (&modulus, &[4, 0, 0, 0, 1]),
            (&vec![0xff; 1025], &[1, 0, 1]),
            (&vec![0xff; 1 << 20], &[1, 0, 1]),
        ] {
            let set = wrapper.set_public_numbers(modulus, exponent);
            assert_reason(set, Reason::InvalidKey);
        }
        assert_eq!(wrapper.public_key(), key.public_key(), "it is kept");
    }
}
