//! The PROXY protocol header, versions 1 and 2: the first bytes of a connection, in which a proxy
//! gives the address of the client. HAProxy's `proxy-protocol.txt` specifies it.
//!
//! [`IncomingHeader`] receives one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::transport::{TransferError, Transport};
use crate::error::{Error, Reason, Result};

/// Whether a connection begins with a PROXY protocol header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProxyProtocol {
    /// It does not.
    #[default]
    Off,
    /// It does, in version 1 or 2; otherwise it is refused.
    Required,
}

/// Who is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The socket's peer: the proxy connects for itself, or does not know the client.
    Local,
    /// A client, with its IP address if it has one.
    Client(Option<IpAddr>),
}

/// How much of a header the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// At least this many bytes are missing.
    NeedMore(usize),
    /// A whole header of this length, with this source.
    Done(usize, Source),
}

/// The longest header of version 1, including its line end.
const MAX_LINE_SIZE: usize = 107;

/// The longest accepted header of version 2 after its fixed part: more than any address needs, to
/// leave room for TLVs.
const MAX_BLOCK_SIZE: usize = 4096;

const LINE_START: &[u8] = b"PROXY ";
const LINE_END: &[u8] = b"\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const HEAD_SIZE: usize = SIGNATURE.len() + 4;

/// Parses the header at the start of `bytes`; more may follow it.
fn parse(bytes: &[u8]) -> Result<Progress> {
    if may_start_with(bytes, LINE_START) {
        parse_line(bytes)
    } else if may_start_with(bytes, SIGNATURE) {
        parse_block(bytes)
    } else {
        Err(bad("there is no PROXY protocol header"))
    }
}

/// Whether `bytes` are the beginning of `start`, or begin with it.
fn may_start_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

/// Version 1: a line of text.
fn parse_line(bytes: &[u8]) -> Result<Progress> {
    let line = &bytes[..bytes.len().min(MAX_LINE_SIZE)];
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        if line.len() == MAX_LINE_SIZE {
            return Err(bad("the PROXY protocol header is too long"));
        }
        let missing = if line.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Progress::NeedMore(missing));
    };
    let source = line[..=end]
        .strip_suffix(LINE_END)
        .and_then(|line| line.strip_prefix(LINE_START))
        .and_then(parse_source)
        .ok_or_else(malformed)?;
    Ok(Progress::Done(end + 1, source))
}

/// Parses what is between the start and the end of the line.
fn parse_source(line: &[u8]) -> Option<Source> {
    // The specification says to ignore the rest.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(Source::Local);
    }
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let address: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => return None,
    };
    let source = address(words.next()?)?;
    let _destination = address(words.next()?)?;
    for _ in ["of the source", "of the destination"] {
        check_port(words.next()?)?;
    }
    match words.next() {
        Some(_) => None,
        None => Some(client_at(source)),
    }
}

/// A port is decimal, without a sign or leading zeros.
fn check_port(word: &str) -> Option<u16> {
    let port: u16 = word.parse().ok()?;
    (port.to_string() == word).then_some(port)
}

/// Version 2: a fixed binary part that contains the length of the rest.
fn parse_block(bytes: &[u8]) -> Result<Progress> {
    if bytes.len() < HEAD_SIZE {
        return Ok(Progress::NeedMore(HEAD_SIZE - bytes.len()));
    }
    let (head, rest) = bytes.split_at(HEAD_SIZE);
    let [command, family, high, low] = head[SIGNATURE.len()..] else {
        unreachable!("the head has its size")
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_BLOCK_SIZE {
        return Err(bad("the PROXY protocol header is too long"));
    }
    let kind = address_family(command, family).ok_or_else(malformed)?;
    if len < kind.addresses_size() {
        return Err(malformed());
    }
    if rest.len() < len {
        return Ok(Progress::NeedMore(len - rest.len()));
    }
    // TLVs may follow the addresses; they are ignored.
    Ok(Progress::Done(HEAD_SIZE + len, kind.source(rest)))
}

/// The kind of addresses in version 2.
enum AddressFamily {
    /// No addresses, or ones to ignore.
    Unspecified,
    V4,
    V6,
    Unix,
}

fn address_family(command: u8, family: u8) -> Option<AddressFamily> {
    match (command, family) {
        // LOCAL: the rest does not matter.
        (0x20, _) => Some(AddressFamily::Unspecified),
        // PROXY, with an unknown family, or a stream socket of a known one.
        (0x21, 0x00) => Some(AddressFamily::Unspecified),
        (0x21, 0x11) => Some(AddressFamily::V4),
        (0x21, 0x21) => Some(AddressFamily::V6),
        (0x21, 0x31) => Some(AddressFamily::Unix),
        _ => None,
    }
}

impl AddressFamily {
    /// The size of both addresses with their ports.
    fn addresses_size(&self) -> usize {
        match self {
            AddressFamily::Unspecified => 0,
            AddressFamily::V4 => 2 * (4 + 2),
            AddressFamily::V6 => 2 * (16 + 2),
            AddressFamily::Unix => 2 * 108,
        }
    }

    /// The source comes first.
    fn source(&self, addresses: &[u8]) -> Source {
        match self {
            AddressFamily::Unspecified => Source::Local,
            AddressFamily::V4 => client_at(first::<4>(addresses).into()),
            AddressFamily::V6 => client_at(first::<16>(addresses).into()),
            AddressFamily::Unix => Source::Client(None),
        }
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("their number was checked")
}

/// An IPv4 address that is mapped into IPv6 becomes IPv4.
fn client_at(address: IpAddr) -> Source {
    Source::Client(Some(address.to_canonical()))
}

fn malformed() -> Error {
    bad("the PROXY protocol header is malformed")
}

fn bad(message: &'static str) -> Error {
    Error::new(Reason::BadProxyHeader, message)
}

/// A header that is being received.
#[derive(Debug, Default)]
pub struct IncomingHeader {
    received: Vec<u8>,
}

/// Why no header was received.
#[derive(Debug)]
pub enum ReceiveError {
    /// Bytes are missing.
    Transfer(TransferError),
    /// The peer has closed its side.
    PeerClosed,
    /// The bytes are not a header.
    Bad(Error),
}

impl From<TransferError> for ReceiveError {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

impl From<Error> for ReceiveError {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

impl IncomingHeader {
    /// Whether a part of it was received.
    pub fn has_begun(&self) -> bool {
        !self.received.is_empty()
    }

    /// Receives the header and no byte after it. Only its end shows how long a header of version 1
    /// is, so this peeks at the bytes first.
    pub fn receive(
        &mut self,
        transport: &mut impl Transport,
    ) -> std::result::Result<Source, ReceiveError> {
        loop {
            let before = self.received.len();
            let missing = match parse(&self.received)? {
                Progress::NeedMore(count) => count,
                Progress::Done(_, source) => return Ok(source),
            };
            let window = missing.max(MAX_LINE_SIZE.saturating_sub(before));
            let mut seen = self.received.clone();
            seen.resize(before + window, 0);
            let count = transport.peek(&mut seen[before..])?;
            if count == 0 {
                return Err(ReceiveError::PeerClosed);
            }
            let end = match parse(&seen[..before + count])? {
                Progress::Done(len, _) => len,
                // All of them belong to the header.
                _ => before + count,
            };
            let count = transport.receive(&mut seen[before..end])?;
            self.received
                .extend_from_slice(&seen[before..before + count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Source {
        Source::Client(Some(address.parse().unwrap()))
    }

    fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &len, rest].concat()
    }

    fn addresses_v6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        [&source.octets()[..], &[0; 16], &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

    fn good() -> Vec<(Vec<u8>, Source)> {
        let unix = [b"/run/client\0".as_slice(), &[0; 204]].concat();
        let additions = [V4, &[0x03, 0, 4, 1, 2, 3, 4], &[0x20; 300]].concat();
        let longest = [V4, &[0xff; MAX_BLOCK_SIZE - 12]].concat();
        let full_v6 = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                       ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let longest_line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE_SIZE - 16));
        let line = |text: &str| text.as_bytes().to_vec();
        vec![
            (
                line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
                client("192.0.2.1"),
            ),
            (
                line("PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n"),
                client("1.1.1.1"),
            ),
            (
                line("PROXY TCP6 2001:db8::1 ::1 65535 1\r\n"),
                client("2001:db8::1"),
            ),
            (
                line("PROXY TCP6 ::ffff:192.0.2.1 ::1 5 1\r\n"),
                client("192.0.2.1"),
            ),
            (
                line(full_v6),
                client("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ),
            (line("PROXY UNKNOWN\r\n"), Source::Local),
            (line("PROXY UNKNOWN 192.0.2.1 any thing\r\n"), Source::Local),
            (line(&longest_line), Source::Local),
            (block(0x21, 0x11, V4), client("192.0.2.1")),
            (
                block(0x21, 0x21, &addresses_v6("2001:db8::1")),
                client("2001:db8::1"),
            ),
            (
                block(0x21, 0x21, &addresses_v6("::ffff:192.0.2.1")),
                client("192.0.2.1"),
            ),
            (block(0x21, 0x31, &unix), Source::Client(None)),
            (block(0x21, 0x11, &additions), client("192.0.2.1")),
            (block(0x21, 0x11, &longest), client("192.0.2.1")),
            (block(0x21, 0x00, b""), Source::Local),
            (block(0x21, 0x00, b"additions"), Source::Local),
            (block(0x20, 0x00, b""), Source::Local),
            (block(0x20, 0x11, V4), Source::Local),
            (block(0x20, 0xff, b"any thing"), Source::Local),
        ]
    }

    #[test]
    fn a_header_says_whose_connection_it_is() {
        for (header, source) in good() {
            assert_eq!(parse(&header), Ok(Progress::Done(header.len(), source)));
        }
    }

    #[test]
    fn what_follows_is_no_part_of_it() {
        for (header, source) in good() {
            for next in [&b"\n"[..], b"\r\n", b"451=====", header.as_slice()] {
                let bytes = [&header, next].concat();
                assert_eq!(parse(&bytes), Ok(Progress::Done(header.len(), source)));
            }
        }
    }

    #[test]
    fn a_part_needs_more_and_never_more_than_there_is() {
        for (header, _) in good() {
            for at in 0..header.len() {
                match parse(&header[..at]) {
                    Ok(Progress::NeedMore(count)) if count > 0 => {
                        assert!(count <= header.len() - at, "{count} at {at} of {header:?}");
                    }
                    other => panic!("{other:?} at {at} of {header:?}"),
                }
            }
        }
    }

    #[test]
    fn all_else_is_refused() {
        let line = |text: &str| text.as_bytes().to_vec();
        let mut bad = vec![
            line("451====="),
            line("GET / HTTP/1.1\r\n"),
            line("P-"),
            line("PROXY\r\n"),
            line("PROXY \r\n"),
            line("proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
            line("PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n"),
            line("PROXY TCP4 192.0.2.1  198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.2.1\t198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.2.256 198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.02.1 198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.2 198.51.100.7 56324 443\r\n"),
            line("PROXY TCP4 192.0.2.1 nowhere 56324 443\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 0443\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 +5632 443\r\n"),
            line("PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n"),
            line("PROXY TCP4 ::1 ::1 56324 443\r\n"),
            line("PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n"),
            line("PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n"),
            line("PROXY TCP6 [::1] ::1 56324 443\r\n"),
            line("PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
            line("PROXY UNKNOWNS\r\n"),
            line("PROXY unknown\r\n"),
            line("PROXY UNKNOWN \n any thing\r\n"),
            line(&format!(
                "PROXY UNKNOWN {}\r\n",
                "x".repeat(MAX_LINE_SIZE - 15)
            )),
            b"PROXY TCP4 \xff.0.2.1 198.51.100.7 56324 443\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0".to_vec(),
            // Too long: nothing is read after the fixed part.
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x01".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x20\x00\xff\xff".to_vec(),
            block(0x21, 0x11, &V4[1..]),
            block(0x21, 0x21, &[0; 35]),
            block(0x21, 0x31, &[0; 215]),
        ];
        let commands = (0x22..=0x2f).chain([0x00, 0x11, 0x12]);
        bad.extend(commands.map(|command| block(command, 0x11, V4)));
        let families = [0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32, 0x41, 0xff];
        bad.extend(families.map(|family| block(0x21, family, &[0; 216])));
        for header in bad {
            let error = parse(&header).expect_err(&format!("{header:?}"));
            assert_eq!(error.reason(), Some(Reason::BadProxyHeader));
        }
    }

    #[test]
    fn a_line_that_does_not_end_is_refused_at_its_limit() {
        let endless = [LINE_START, &[b'x'; MAX_LINE_SIZE]].concat();
        for len in 0..MAX_LINE_SIZE {
            assert_eq!(parse(&endless[..len]), Ok(Progress::NeedMore(2)));
        }
        assert!(parse(&endless[..MAX_LINE_SIZE]).is_err());
        assert!(parse(&endless).is_err());
    }
}
