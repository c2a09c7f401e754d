//! [`RecordKey`]: the key of one direction of a gcm session.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::aes::{AES_256_SIZE, NONCE_SIZE, TAG_SIZE};
use super::record_cipher;
use crate::error::Result;
use crate::secret::wiping_stack;

/// How many records one key may protect.
const MAX_RECORDS: u64 = 1 << 20;
/// How many bytes one key may protect, counting the announced lengths of the records.
const MAX_BYTES: u64 = 1 << 36;
/// The stack on which HKDF leaves copies of a key, in pieces of 256 bytes.
const REKEY_STACK: usize = 16;

/// The key and IV of one direction, the number of its next record, and how much the key has
/// protected so far. The key is not kept expanded: an expanded one is twenty times as large, and
/// expanding it costs less than a record.
pub struct RecordKey {
    key: Zeroizing<[u8; AES_256_SIZE]>,
    iv: Zeroizing<[u8; NONCE_SIZE]>,
    number: u64,
    records: u64,
    bytes: u64,
}

impl RecordKey {
    /// The size of a key and its IV, in bytes.
    pub const SIZE: usize = AES_256_SIZE + NONCE_SIZE;

    /// Boxed, because a move would leave a copy behind.
    pub fn new(key: &[u8; AES_256_SIZE], iv: &[u8; NONCE_SIZE]) -> Box<Self> {
        let mut made = Box::new(Self {
            key: Zeroizing::new([0; AES_256_SIZE]),
            iv: Zeroizing::new([0; NONCE_SIZE]),
            number: 0,
            records: 0,
            bytes: 0,
        });
        made.key.copy_from_slice(key);
        made.iv.copy_from_slice(iv);
        made
    }

    /// Encrypts the text of the next record in place and returns its tag.
    pub fn seal(&self, additional_data: &[u8], text: &mut [u8]) -> Result<[u8; TAG_SIZE]> {
        record_cipher::seal(&self.key, || self.nonce(), additional_data, text)
    }

    /// Decrypts the text of the next record in place, if its tag is valid.
    pub fn open(
        &self,
        additional_data: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_SIZE],
    ) -> Result<()> {
        record_cipher::open(&self.key, || self.nonce(), additional_data, text, tag)
    }

    /// Moves on to the next record after one of this length, and replaces the key if it has
    /// protected as much as it may.
    pub fn advance(&mut self, record_len: usize) {
        self.number += 1;
        self.records += 1;
        self.bytes = self.bytes.saturating_add(record_len as u64);
        if self.records >= MAX_RECORDS || self.bytes >= MAX_BYTES {
            self.rekey();
        }
    }

    fn rekey(&mut self) {
        wiping_stack::<REKEY_STACK, _>(|| {
            let mut next = Zeroizing::new([0; Self::SIZE]);
            Hkdf::<Sha256>::from_prk(self.key.as_slice())
                .expect("a key is as long as a hash")
                .expand(b"anwdl rekey", next.as_mut_slice())
                .expect("HKDF gives far more");
            let (key, iv) = next.split_at(AES_256_SIZE);
            self.key.copy_from_slice(key);
            self.iv.copy_from_slice(iv);
        });
        (self.records, self.bytes) = (0, 0);
    }

    fn nonce(&self) -> [u8; NONCE_SIZE] {
        let mut nonce = *self.iv;
        let number = self.number.to_be_bytes();
        let place = &mut nonce[NONCE_SIZE - number.len()..];
        place
            .iter_mut()
            .zip(number)
            .for_each(|(byte, of_number)| *byte ^= of_number);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: usize = 3 + TAG_SIZE;

    fn pair() -> (Box<RecordKey>, Box<RecordKey>) {
        let made = || RecordKey::new(&[1; AES_256_SIZE], &[2; NONCE_SIZE]);
        (made(), made())
    }

    /// Sends one record from one to the other.
    fn pass(from: &mut RecordKey, to: &mut RecordKey) -> Result<()> {
        let mut text = *b"abc";
        let tag = from.seal(b"length", &mut text)?;
        from.advance(RECORD);
        to.open(b"length", &mut text, &tag)?;
        to.advance(RECORD);
        assert_eq!(text, *b"abc");
        Ok(())
    }

    #[test]
    fn the_number_stands_at_the_right_end_of_the_nonce() {
        let mut key = pair().0;
        assert_eq!(key.nonce(), [2; NONCE_SIZE]);
        key.number = 0x0102;
        let mut expected = [2; NONCE_SIZE];
        expected[10..].copy_from_slice(&[3, 0]);
        assert_eq!(key.nonce(), expected);
        key.number = u64::MAX;
        assert_eq!(
            key.nonce(),
            [2, 2, 2, 2, 253, 253, 253, 253, 253, 253, 253, 253]
        );
    }

    #[test]
    fn a_key_ends_with_its_last_record_or_byte_on_both_sides_at_once() {
        for (records, bytes) in [(MAX_RECORDS - 2, 0), (0, MAX_BYTES - 2 * RECORD as u64)] {
            let (mut one, mut other) = pair();
            for key in [&mut one, &mut other] {
                (key.number, key.records, key.bytes) = (7, records, bytes);
            }
            pass(&mut one, &mut other).unwrap();
            assert_eq!((*one.key, *one.iv), ([1; AES_256_SIZE], [2; NONCE_SIZE]));
            pass(&mut one, &mut other).unwrap();
            assert!(*one.key != [1; AES_256_SIZE] && *one.iv != [2; NONCE_SIZE]);
            assert_eq!((*one.key, *one.iv), (*other.key, *other.iv));
            // Numbers go on, and so does the count of what the new key protects.
            assert_eq!((one.number, one.records, one.bytes), (9, 0, 0));
            pass(&mut one, &mut other).unwrap();
            assert_eq!((one.number, one.records, one.bytes), (10, 1, RECORD as u64));
        }
        println!("\ncases: 2 ends of a key");
    }

    /// Computed with Python's `hmac` alone.
    #[test]
    fn the_next_key_is_the_documented_one() {
        let mut key = pair().0;
        key.rekey();
        assert_eq!(
            crate::crypto::rsa::hex(&[&key.key[..], &key.iv[..]].concat()),
            "d1440e4bc1508fc23df138c041775c4cf6cb25adb0dd1fcfcd38ffbc1147eb3e83f2487e5b96e860c84dbc53"
        );
    }

    #[test]
    fn a_side_that_missed_a_record_reads_no_more() {
        let (mut one, mut other) = pair();
        one.advance(RECORD);
        assert!(pass(&mut one, &mut other).is_err());
    }
}
