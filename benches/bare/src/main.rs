//! The floors that live in Rust crates: one operation of RSA, AES or JSON with nothing
//! around it, which `benches/run.py` sets beside what libanwdl takes for the same.
//!
//! ```text
//! bare rsa aws-lc|rsa-crate private|public|public-new-key [--bits B] --count N
//! bare ephemeral respond|initiate --count N
//! bare aes cbc-encrypt|cbc-decrypt|gcm-encrypt|gcm-decrypt [--library rust|aws-lc] --size B --count N
//! bare json value|ignored --size B --count N
//! bare document --size B
//! ```
//!
//! Each prints one line of JSON with nanoseconds per operation; `document` prints the
//! document that `json` parses, as it is.

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::time::{ClockId, Timespec, clock_gettime};

type Failure = Box<dyn std::error::Error>;

/// What is wrapped in a key exchange: an AES-256 key and an IV.
const SECRET: &[u8; 48] = b"an AES key of 32 bytes, and an IV of 16 bytes...";
const AES_KEY: &[u8; 32] = b"any key of 32 bytes is as good. ";
const IV: &[u8; 16] = b"and any IV too. ";
const NONCE: &[u8; 12] = b"12 bytes too";

/// Adds up the processor time of this thread and the wall time of the operations alone,
/// not of what prepares each.
#[derive(Default)]
struct Stopwatch {
    count: u32,
    processor: Duration,
    wall: Duration,
}

impl Stopwatch {
    fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        self.count += 1;
        self.time_more(operation)
    }

    /// As [`time`](Self::time), for the second half of an operation.
    fn time_more<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let wall = Instant::now();
        let processor = processor_time();
        let result = black_box(operation());
        self.processor += processor_time() - processor;
        self.wall += wall.elapsed();
        result
    }

    /// One line for `run.py`.
    fn report(&self) -> String {
        serde_json::json!({
            "count": self.count,
            "cpu_ns": (self.processor / self.count).as_nanos() as u64,
            "wall_ns": (self.wall / self.count).as_nanos() as u64,
        })
        .to_string()
    }
}

fn processor_time() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec as u64, tv_nsec as u32)
}

/// Runs once untimed, then `count` times.
fn repeat(
    count: u32,
    mut once: impl FnMut(&mut Stopwatch) -> Result<(), Failure>,
) -> Result<String, Failure> {
    once(&mut Stopwatch::default())?;
    let mut stopwatch = Stopwatch::default();
    for _ in 0..count {
        once(&mut stopwatch)?;
    }
    Ok(stopwatch.report())
}

mod bare_rsa {
    //! OAEP with SHA-256, as the key exchange needs it, under the RSA-4096 key of the benches or a
    //! new one of another size.

    use rsa::oaep::Oaep;
    use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
    use rsa::{RsaPrivateKey, RsaPublicKey};
    use sha2::Sha256;

    use super::*;

    const KEY: &str = include_str!("../../keys/server.pem");

    fn private_key(bits: Option<usize>) -> Result<RsaPrivateKey, Failure> {
        Ok(match bits {
            Some(bits) => RsaPrivateKey::new(&mut rand::make_rng::<StdRng>(), bits)?,
            None => RsaPrivateKey::from_pkcs8_pem(KEY)?,
        })
    }

    pub fn rsa_crate(operation: &str, count: u32, bits: Option<usize>) -> Result<String, Failure> {
        let private = private_key(bits)?;
        let public = RsaPublicKey::from(&private);
        let mut random: StdRng = rand::make_rng();
        let ciphertext = public.encrypt(&mut random, Oaep::<Sha256>::new(), SECRET)?;
        match operation {
            "private" => repeat(count, |stopwatch| {
                let padding = Oaep::<Sha256>::new();
                let text = stopwatch.time(|| {
                    private.decrypt_blinded(&mut random, padding, black_box(&ciphertext))
                })?;
                check_secret(&text)
            }),
            "public" => repeat(count, |stopwatch| {
                let padding = Oaep::<Sha256>::new();
                stopwatch.time(|| public.encrypt(&mut random, padding, black_box(SECRET)))?;
                Ok(())
            }),
            other => Err(unknown(other)),
        }
    }

    pub fn aws_lc(operation: &str, count: u32, bits: Option<usize>) -> Result<String, Failure> {
        use aws_lc_rs::rsa::{
            OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
            PrivateDecryptingKey, PublicEncryptingKey,
        };
        use rsa::pkcs8::EncodePrivateKey;

        let pkcs8 = private_key(bits)?.to_pkcs8_der()?;
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8.as_bytes())?;
        let public = OaepPublicEncryptingKey::new(key.public_key())?;
        let private = OaepPrivateDecryptingKey::new(key)?;
        let mut ciphertext = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, SECRET, &mut ciphertext, None)?;
        let mut text = vec![0; private.min_output_size()];
        match operation {
            "private" => repeat(count, |stopwatch| {
                let text = stopwatch.time(|| {
                    private.decrypt(
                        &OAEP_SHA256_MGF1SHA256,
                        black_box(&ciphertext),
                        &mut text,
                        None,
                    )
                })?;
                check_secret(text)
            }),
            "public" => repeat(count, |stopwatch| {
                stopwatch.time(|| {
                    public
                        .encrypt(
                            &OAEP_SHA256_MGF1SHA256,
                            black_box(SECRET),
                            &mut ciphertext,
                            None,
                        )
                        .map(|_| ())
                })?;
                Ok(())
            }),
            // As for a key that has just come: what is worked out of it for its first use is done
            // each time.
            "public-new-key" => {
                let der = public_der(bits)?;
                repeat(count, |stopwatch| {
                    stopwatch.time(|| -> Result<_, Failure> {
                        let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(
                            black_box(&der),
                        )?)?;
                        public.encrypt(&OAEP_SHA256_MGF1SHA256, SECRET, &mut ciphertext, None)?;
                        Ok(())
                    })
                })
            }
            other => Err(unknown(other)),
        }
    }

    fn public_der(bits: Option<usize>) -> Result<Vec<u8>, Failure> {
        let public = RsaPublicKey::from(&private_key(bits)?);
        Ok(public.to_public_key_der()?.as_bytes().to_vec())
    }

    fn unknown(operation: &str) -> Failure {
        format!("rsa: {operation} is unknown").into()
    }

    fn check_secret(text: &[u8]) -> Result<(), Failure> {
        if text == SECRET {
            return Ok(());
        }
        Err("rsa: what was decrypted is not what was encrypted".into())
    }
}

mod bare_ephemeral {
    //! X25519 and ML-KEM-768 by AWS-LC: all that a side does with them in a key exchange for gcm.

    use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
    use aws_lc_rs::error::Unspecified;
    use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};

    use super::*;

    pub fn respond(count: u32) -> Result<String, Failure> {
        let peer = PrivateKey::generate(&X25519)?.compute_public_key()?;
        let encapsulation_key = DecapsulationKey::generate(&ML_KEM_768)?.encapsulation_key()?;
        let encapsulation_key = encapsulation_key.key_bytes()?;
        repeat(count, |stopwatch| {
            stopwatch.time(|| -> Result<_, Failure> {
                let own = PrivateKey::generate(&X25519)?;
                let peer = UnparsedPublicKey::new(&X25519, black_box(&peer));
                let agreed = agree(&own, peer, Unspecified, |shared| Ok(shared.to_vec()))?;
                let key = black_box(encapsulation_key.as_ref());
                let made = EncapsulationKey::new(&ML_KEM_768, key)?.encapsulate()?;
                Ok((own.compute_public_key()?, agreed, made))
            })?;
            Ok(())
        })
    }

    pub fn initiate(count: u32) -> Result<String, Failure> {
        let peer = PrivateKey::generate(&X25519)?.compute_public_key()?;
        repeat(count, |stopwatch| {
            let (own, decapsulation_key) = stopwatch.time(|| -> Result<_, Failure> {
                let own = PrivateKey::generate(&X25519)?;
                let decapsulation_key = DecapsulationKey::generate(&ML_KEM_768)?;
                black_box(own.compute_public_key()?);
                black_box(decapsulation_key.encapsulation_key()?.key_bytes()?);
                Ok((own, decapsulation_key))
            })?;
            let (ciphertext, _) = decapsulation_key.encapsulation_key()?.encapsulate()?;
            let ciphertext = ciphertext.as_ref().to_vec();
            stopwatch.time_more(|| -> Result<_, Failure> {
                let peer = UnparsedPublicKey::new(&X25519, black_box(&peer));
                let agreed = agree(&own, peer, Unspecified, |shared| Ok(shared.to_vec()))?;
                let shared = decapsulation_key.decapsulate(black_box(&ciphertext[..]).into())?;
                Ok((agreed, shared))
            })?;
            Ok(())
        })
    }
}

mod bare_aes {
    //! AES-256 over one buffer, in place, with a key schedule that is kept.

    use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
    use aes::{Aes256, Block};
    use aes_gcm::Aes256Gcm;
    use aes_gcm::aead::AeadInOut;

    use super::*;

    pub fn rust(operation: &str, size: usize, count: u32) -> Result<String, Failure> {
        let mut text = vec![0x5a; size];
        match operation {
            // What is encrypted or decrypted does not matter to the time, so the buffer
            // stays as the last round left it.
            "cbc-encrypt" | "cbc-decrypt" => {
                let cipher = Aes256::new(AES_KEY.into());
                text.resize((size / IV.len() + 1) * IV.len(), 0);
                let encrypt = operation == "cbc-encrypt";
                repeat(count, |stopwatch| {
                    let (blocks, _) = Block::slice_as_chunks_mut(black_box(&mut text));
                    stopwatch.time(|| {
                        if encrypt {
                            cbc::Encryptor::inner_iv_init(&cipher, IV.into())
                                .encrypt_blocks(blocks);
                        } else {
                            cbc::Decryptor::inner_iv_init(&cipher, IV.into())
                                .decrypt_blocks(blocks);
                        }
                    });
                    Ok(())
                })
            }
            "gcm-encrypt" => {
                let cipher = Aes256Gcm::new(AES_KEY.into());
                repeat(count, |stopwatch| {
                    let text = black_box(&mut text[..]);
                    stopwatch
                        .time(|| cipher.encrypt_inout_detached(NONCE.into(), &[], text.into()))
                        .map_err(|_| "aes: gcm-encrypt failed")?;
                    Ok(())
                })
            }
            "gcm-decrypt" => {
                let cipher = Aes256Gcm::new(AES_KEY.into());
                let mut ciphertext = text.clone();
                let tag = cipher
                    .encrypt_inout_detached(NONCE.into(), &[], (&mut ciphertext[..]).into())
                    .map_err(|_| "aes: gcm-encrypt failed")?;
                repeat(count, |stopwatch| {
                    text.copy_from_slice(&ciphertext);
                    let text = black_box(&mut text[..]);
                    stopwatch
                        .time(|| {
                            cipher.decrypt_inout_detached(NONCE.into(), &[], text.into(), &tag)
                        })
                        .map_err(|_| "aes: gcm-decrypt failed".into())
                })
            }
            other => Err(unknown(other)),
        }
    }
    pub fn aws_lc(operation: &str, size: usize, count: u32) -> Result<String, Failure> {
        use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
        use aws_lc_rs::cipher::{
            AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
            PaddedBlockEncryptingKey, UnboundCipherKey,
        };

        let cbc_key = || UnboundCipherKey::new(&AES_256, AES_KEY);
        let gcm_key = || UnboundKey::new(&AES_256_GCM, AES_KEY).map(LessSafeKey::new);
        let nonce = || Nonce::assume_unique_for_key(*NONCE);
        let encrypt_cbc = |key: &PaddedBlockEncryptingKey, text: &mut Vec<u8>| {
            key.less_safe_encrypt(text, EncryptionContext::Iv128(IV.into()))
        };
        let original = vec![0x5a; size];
        let mut text = Vec::with_capacity(size + IV.len());
        match operation {
            "cbc-encrypt" => {
                let key = PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key()?)?;
                repeat(count, |stopwatch| {
                    text.clone_from(&original);
                    stopwatch.time(|| encrypt_cbc(&key, black_box(&mut text)))?;
                    Ok(())
                })
            }
            "cbc-decrypt" => {
                let mut ciphertext = original.clone();
                encrypt_cbc(
                    &PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key()?)?,
                    &mut ciphertext,
                )?;
                let key = PaddedBlockDecryptingKey::cbc_pkcs7(cbc_key()?)?;
                repeat(count, |stopwatch| {
                    text.clone_from(&ciphertext);
                    let text = black_box(&mut text[..]);
                    stopwatch.time(|| key.decrypt(text, DecryptionContext::Iv128(IV.into())))?;
                    Ok(())
                })
            }
            "gcm-encrypt" => {
                let key = gcm_key()?;
                text.clone_from(&original);
                repeat(count, |stopwatch| {
                    let text = black_box(&mut text[..]);
                    let _tag = stopwatch
                        .time(|| key.seal_in_place_separate_tag(nonce(), Aad::empty(), text))?;
                    Ok(())
                })
            }
            "gcm-decrypt" => {
                let key = gcm_key()?;
                let mut sealed = original.clone();
                key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)?;
                repeat(count, |stopwatch| {
                    text.clone_from(&sealed);
                    let text = black_box(&mut text[..]);
                    stopwatch.time(|| key.open_in_place(nonce(), Aad::empty(), text))?;
                    Ok(())
                })
            }
            other => Err(unknown(other)),
        }
    }

    fn unknown(operation: &str) -> Failure {
        format!("aes: {operation} is unknown").into()
    }
}

mod bare_json {
    //! A document of mixed content, and the parsing of it.

    use serde::de::IgnoredAny;
    use serde_json::{Value, json};

    use super::*;

    /// A JSON object of at most `size` bytes and at least a record's length less, always
    /// the same for one size.
    pub fn document(size: usize) -> Result<String, Failure> {
        const START: &str = "{\"records\": [";
        const END: &str = "]}";
        let mut random = StdRng::seed_from_u64(6150);
        let mut document = START.to_owned();
        loop {
            let separator = if document.len() == START.len() {
                ""
            } else {
                ", "
            };
            let record = record(&mut random);
            if document.len() + separator.len() + record.len() + END.len() > size {
                break;
            }
            document.push_str(separator);
            document.push_str(&record);
        }
        if document.len() == START.len() {
            return Err(format!("document: {size} bytes have no room for a record").into());
        }
        document.push_str(END);
        Ok(document)
    }

    fn record(random: &mut StdRng) -> String {
        let words = [
            "idle",
            "running",
            "arrêté",
            "line\nbreak",
            "\"quoted\"",
            "C:\\",
        ];
        let tags: Vec<&str> = (0..random.random_range(0..5))
            .map(|_| words[random.random_range(0..words.len())])
            .collect();
        json!({
            "id": random.random::<u32>(),
            "name": format!("container-{:016x}", random.random::<u64>()),
            "active": random.random::<bool>(),
            "balance": random.random_range(-1_000_000..1_000_000),
            "tags": tags,
            "limits": {"cores": random.random_range(1..64), "memory": random.random::<u32>(), "shared": random.random::<bool>()},
            "note": format!("started by user_{:05}, and in use ever since", random.random_range(0..100_000)),
        })
        .to_string()
    }

    pub fn parse(into: &str, size: usize, count: u32) -> Result<String, Failure> {
        let document = document(size)?.into_bytes();
        // A tree is dropped outside of the measured time.
        match into {
            "value" => repeat(count, |stopwatch| {
                stopwatch.time(|| serde_json::from_slice::<Value>(black_box(&document)))?;
                Ok(())
            }),
            "ignored" => repeat(count, |stopwatch| {
                stopwatch.time(|| serde_json::from_slice::<IgnoredAny>(black_box(&document)))?;
                Ok(())
            }),
            other => Err(format!("json: {other} is neither value nor ignored").into()),
        }
    }
}

/// The command line: words, and options with numbers.
struct Arguments {
    words: Vec<String>,
    library: String,
    size: Option<usize>,
    bits: Option<usize>,
    count: Option<u32>,
}

impl Arguments {
    fn read() -> Result<Self, lexopt::Error> {
        let mut arguments = Self {
            words: Vec::new(),
            library: "rust".to_owned(),
            size: None,
            bits: None,
            count: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("library") => arguments.library = parser.value()?.string()?,
                Long("size") => arguments.size = Some(parser.value()?.parse()?),
                Long("bits") => arguments.bits = Some(parser.value()?.parse()?),
                Long("count") => arguments.count = Some(parser.value()?.parse()?),
                // Cargo gives this to every bench.
                Long("bench") => {}
                Value(word) => arguments.words.push(word.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }

    fn size(&self) -> Result<usize, Failure> {
        self.size.ok_or_else(|| "--size is missing".into())
    }

    fn count(&self) -> Result<u32, Failure> {
        match self.count {
            Some(count) if count > 0 => Ok(count),
            _ => Err("--count is missing or 0".into()),
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match (&words[..], arguments.library.as_str()) {
        (["rsa", "rsa-crate", operation], _) => {
            bare_rsa::rsa_crate(operation, arguments.count()?, arguments.bits)
        }
        (["rsa", "aws-lc", operation], _) => {
            bare_rsa::aws_lc(operation, arguments.count()?, arguments.bits)
        }
        (["ephemeral", "respond"], _) => bare_ephemeral::respond(arguments.count()?),
        (["ephemeral", "initiate"], _) => bare_ephemeral::initiate(arguments.count()?),
        (["aes", operation], "rust") => {
            bare_aes::rust(operation, arguments.size()?, arguments.count()?)
        }
        (["aes", operation], "aws-lc") => {
            bare_aes::aws_lc(operation, arguments.size()?, arguments.count()?)
        }
        (["json", into], _) => bare_json::parse(into, arguments.size()?, arguments.count()?),
        (["document"], _) => bare_json::document(arguments.size()?),
        _ => Err(format!("not understood: {}", words.join(" ")).into()),
    }
}

fn main() -> ExitCode {
    let result = Arguments::read()
        .map_err(Failure::from)
        .and_then(|arguments| run(&arguments))
        .and_then(|output| Ok(std::io::stdout().write_all(output.as_bytes())?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bare: {failure}");
            ExitCode::FAILURE
        }
    }
}
