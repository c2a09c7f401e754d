//! The framings: what the peer's bytes mean, and how the peer writes a message.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};
use anwdl::Reason;
use anwdl::protocol::{Protocol, Role};

use super::gcm::SessionKeys;
use super::json;

const BLOCK: usize = 16;

/// What the session must make of the peer's bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A message with this text, which is JSON.
    Text(String),
    Refused(Reason),
    /// There is more to come.
    Incomplete,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    /// How many of the bytes are the message's.
    pub taken: usize,
    /// What the session answers.
    pub answer: Vec<u8>,
    pub verdict: Verdict,
}

/// The keys that both sides have.
pub enum Keys {
    /// Those of v2, v3 and v4: the IV is the next message's.
    Cbc {
        key: Vec<u8>,
        iv: [u8; BLOCK],
    },
    Gcm(Box<SessionKeys>),
}

/// What both sides of a session share, seen from beside it.
pub struct Wire {
    /// The side that the library plays.
    pub role: Role,
    /// The framing that it insists on; `Auto` if on none.
    pub pinned: Protocol,
    /// The framing, once it is known.
    pub settled: Option<Protocol>,
    pub keys: Keys,
    /// The longest text that it receives.
    pub largest: usize,
    /// How many messages it has sent and received.
    pub sent: u64,
    pub received: u64,
}

impl Wire {
    /// The peer's bytes, of one message or more, as the session has to receive the first.
    pub fn receive(&mut self, bytes: &[u8]) -> Received {
        let mut received = Received {
            taken: 0,
            answer: Vec::new(),
            verdict: Verdict::Incomplete,
        };
        received.verdict = match self.settled {
            Some(Protocol::Gcm) => self.receive_gcm(bytes, &mut received.taken),
            Some(framing) => self.receive_answered(framing, bytes, &mut received),
            None => self.receive_first(bytes, &mut received),
        };
        if matches!(received.verdict, Verdict::Text(_)) {
            self.received += 1;
        }
        received
    }

    fn receive_first(&mut self, bytes: &[u8], received: &mut Received) -> Verdict {
        let Some(header) = take(bytes, 8, &mut received.taken) else {
            return Verdict::Incomplete;
        };
        let is_clear = clear_length(header).is_some();
        let fits = match self.pinned {
            Protocol::Auto => true,
            Protocol::V2 | Protocol::V3 => is_clear,
            Protocol::V4 => !is_clear,
            Protocol::Gcm => false,
        };
        if !fits {
            received.answer.push(b'0');
            return Verdict::Refused(Reason::ProtocolMismatch);
        }
        received.taken = 0;
        if !is_clear {
            let verdict = self.receive_answered(Protocol::V4, bytes, received);
            if matches!(verdict, Verdict::Text(_)) {
                self.settled = Some(Protocol::V4);
            }
            return verdict;
        }
        let packet = match self.receive_packet(Protocol::V3, bytes, received) {
            Ok(packet) => packet,
            Err(verdict) => return verdict,
        };
        // It is v3 if all but its last 16 bytes decrypts and is JSON, else v2.
        let as_v3 = packet
            .split_last_chunk::<BLOCK>()
            .and_then(|(ciphertext, _)| self.decrypt(ciphertext))
            .and_then(json_text);
        let as_v2 = || self.decrypt(&packet).and_then(json_text);
        let (framing, text) = match as_v3 {
            Some(text) => (Protocol::V3, text),
            None => match as_v2() {
                Some(text) => (Protocol::V2, text),
                None => return Verdict::Refused(Reason::DecryptionFailed),
            },
        };
        if self.pinned != Protocol::Auto && self.pinned != framing {
            return Verdict::Refused(Reason::ProtocolMismatch);
        }
        self.settled = Some(framing);
        self.take_iv(framing, &packet);
        Verdict::Text(text)
    }

    fn receive_answered(
        &mut self,
        framing: Protocol,
        bytes: &[u8],
        received: &mut Received,
    ) -> Verdict {
        let packet = match self.receive_packet(framing, bytes, received) {
            Ok(packet) => packet,
            Err(verdict) => return verdict,
        };
        let ciphertext = match framing {
            Protocol::V2 => Some(packet.as_slice()),
            _ => packet.split_last_chunk::<BLOCK>().map(|(text, _)| text),
        };
        let text = ciphertext
            .and_then(|ciphertext| self.decrypt(ciphertext))
            .and_then(json_text);
        match text {
            Some(text) => {
                self.take_iv(framing, &packet);
                Verdict::Text(text)
            }
            None => Verdict::Refused(Reason::DecryptionFailed),
        }
    }

    /// The packet behind a header that is answered with `1`.
    fn receive_packet(
        &self,
        framing: Protocol,
        bytes: &[u8],
        received: &mut Received,
    ) -> Result<Vec<u8>, Verdict> {
        let header_size = if framing == Protocol::V4 { 16 } else { 8 };
        let header = take(bytes, header_size, &mut received.taken).ok_or(Verdict::Incomplete)?;
        let behind_text = if framing == Protocol::V2 { 0 } else { BLOCK };
        let largest = (self.largest / BLOCK + 1) * BLOCK + behind_text;
        let len = match self.announced(framing, header) {
            Err(reason) => Err(reason),
            Ok(0) => Err(Reason::ProtocolViolation),
            Ok(len) if len > largest as u64 => Err(Reason::MessageTooLarge),
            Ok(len) => Ok(len as usize),
        };
        let len = len.map_err(|reason| {
            received.answer.push(b'0');
            Verdict::Refused(reason)
        })?;
        received.answer.push(b'1');
        let packet = take(bytes, len, &mut received.taken).ok_or(Verdict::Incomplete)?;
        Ok(packet.to_vec())
    }

    fn announced(&self, framing: Protocol, header: &[u8]) -> Result<u64, Reason> {
        if framing != Protocol::V4 {
            return clear_length(header).ok_or(Reason::ProtocolViolation);
        }
        let digits = self.decrypt(header).ok_or(Reason::DecryptionFailed)?;
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Reason::DecryptionFailed);
        }
        Ok(std::str::from_utf8(&digits)
            .expect("digits are text")
            .parse()
            .expect("at most 15 digits fit in a block"))
    }

    fn receive_gcm(&self, bytes: &[u8], taken: &mut usize) -> Verdict {
        let Some(header) = take(bytes, 4, taken) else {
            return Verdict::Incomplete;
        };
        let len = u32::from_be_bytes(header.try_into().expect("four bytes"));
        if len <= 16 {
            return Verdict::Refused(Reason::ProtocolViolation);
        }
        if len as usize - 16 > self.largest {
            return Verdict::Refused(Reason::MessageTooLarge);
        }
        let Some(record) = take(bytes, len as usize, taken) else {
            return Verdict::Incomplete;
        };
        let text = self.gcm().open(self.peer(), self.received, record);
        match text.and_then(json_text) {
            Some(text) => Verdict::Text(text),
            None => Verdict::Refused(Reason::DecryptionFailed),
        }
    }

    /// A message of the peer's with this text, in this framing.
    pub fn write(&self, framing: Protocol, text: &[u8], next_iv: [u8; BLOCK]) -> Vec<u8> {
        if framing == Protocol::Gcm {
            let record = self.gcm().record(self.peer(), self.received, text);
            return [&(record.len() as u32).to_be_bytes()[..], &record].concat();
        }
        let mut packet = self.encrypt(text);
        if framing != Protocol::V2 {
            packet.extend(next_iv);
        }
        let mut message = match framing {
            Protocol::V4 => self.encrypt(packet.len().to_string().as_bytes()),
            _ => format!("{:=<8}", packet.len()).into_bytes(),
        };
        message.extend(packet);
        message
    }

    /// The length of the packet that a header of the session's announces.
    pub fn sent_header(&self, framing: Protocol, header: &[u8]) -> usize {
        self.announced(framing, header)
            .expect("the session writes good headers") as usize
    }

    /// The text in a packet of the session's, which the peer has received.
    pub fn sent_packet(&mut self, framing: Protocol, packet: &[u8]) -> Vec<u8> {
        let text = match framing {
            Protocol::Gcm => {
                let (header, record) = packet.split_first_chunk::<4>().expect("it has a header");
                assert_eq!(u32::from_be_bytes(*header) as usize, record.len());
                self.gcm().open(self.role, self.sent, record)
            }
            Protocol::V2 => self.decrypt(packet),
            _ => self.decrypt(&packet[..packet.len() - BLOCK]),
        };
        self.sent += 1;
        self.take_iv(framing, packet);
        text.expect("the session encrypts so that it decrypts")
    }

    fn take_iv(&mut self, framing: Protocol, packet: &[u8]) {
        if let (Protocol::V3 | Protocol::V4, Keys::Cbc { iv, .. }) = (framing, &mut self.keys) {
            *iv = *packet.last_chunk().expect("it ends with an IV");
        }
    }

    fn peer(&self) -> Role {
        match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    fn gcm(&self) -> &SessionKeys {
        match &self.keys {
            Keys::Gcm(keys) => keys,
            Keys::Cbc { .. } => unreachable!("gcm has keys of its own"),
        }
    }

    fn cbc(&self) -> (&[u8], [u8; BLOCK]) {
        match &self.keys {
            Keys::Cbc { key, iv } => (key, *iv),
            Keys::Gcm(_) => unreachable!("the keys of gcm are for gcm alone"),
        }
    }

    fn encrypt(&self, text: &[u8]) -> Vec<u8> {
        let padding = BLOCK - text.len() % BLOCK;
        let mut padded = text.to_vec();
        padded.extend(vec![padding as u8; padding]);
        let (key, mut previous) = self.cbc();
        let mut out = Vec::new();
        for block in padded.chunks(BLOCK) {
            let mixed = std::array::from_fn(|at| block[at] ^ previous[at]);
            previous = encrypt_block(key, mixed);
            out.extend(previous);
        }
        out
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return None;
        }
        let (key, mut previous) = self.cbc();
        let mut text = Vec::new();
        for block in ciphertext.chunks(BLOCK) {
            let block: [u8; BLOCK] = block.try_into().expect("a whole block");
            let mixed = decrypt_block(key, block);
            text.extend(mixed.iter().zip(previous).map(|(one, other)| one ^ other));
            previous = block;
        }
        let padding = usize::from(*text.last()?);
        if padding == 0 || padding > BLOCK {
            return None;
        }
        let padded = text.split_off(text.len() - padding);
        padded
            .iter()
            .all(|&byte| usize::from(byte) == padding)
            .then_some(text)
    }
}

/// The next `count` bytes behind the first `taken`, which then are taken too; what there is of
/// them is taken in any case.
fn take<'a>(bytes: &'a [u8], count: usize, taken: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*taken..];
    *taken += count.min(rest.len());
    rest.get(..count)
}

fn clear_length(header: &[u8]) -> Option<u64> {
    std::str::from_utf8(header)
        .ok()
        .map(|text| text.trim_end_matches('='))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
}

fn json_text(text: Vec<u8>) -> Option<String> {
    String::from_utf8(text)
        .ok()
        .filter(|text| json::python_reads(text))
}

fn encrypt_block(key: &[u8], block: [u8; BLOCK]) -> [u8; BLOCK] {
    let mut block = Block::from(block);
    match key.len() {
        16 => Aes128::new_from_slice(key)
            .unwrap()
            .encrypt_block(&mut block),
        24 => Aes192::new_from_slice(key)
            .unwrap()
            .encrypt_block(&mut block),
        _ => Aes256::new_from_slice(key)
            .unwrap()
            .encrypt_block(&mut block),
    }
    block.into()
}

fn decrypt_block(key: &[u8], block: [u8; BLOCK]) -> [u8; BLOCK] {
    let mut block = Block::from(block);
    match key.len() {
        16 => Aes128::new_from_slice(key)
            .unwrap()
            .decrypt_block(&mut block),
        24 => Aes192::new_from_slice(key)
            .unwrap()
            .decrypt_block(&mut block),
        _ => Aes256::new_from_slice(key)
            .unwrap()
            .decrypt_block(&mut block),
    }
    block.into()
}
