//! The PROXY protocol header, versions 1 and 2: the first bytes of a connection, in which a
//! proxy says whose it is. HAProxy's `proxy-protocol.txt` specifies it.
//!
//! [`IncomingHeader`] receives one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::transport::{TransferError, Transport};
use crate::error::{Error, Reason, Result};

/// Whether connections begin with a PROXY protocol header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// They do, of version 1 or 2, and those that do not are refused.
    Required,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// That of the socket's own peer: the proxy speaks for itself, or does not know.
    Socket,
    /// A client's, with this address if it is one of IP.
    Client(Option<IpAddr>),
}

/// What the first bytes of a connection say.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// All of them belong to the header, and so do at least this many more.
    NeedMore(usize),
    /// The header has this length and says this.
    Done(usize, Source),
}

/// The longest header of version 1, with its line end.
const LONGEST_LINE: usize = 107;

/// The longest header of version 2 behind its head: more than any address needs, so that
/// there is room for what proxies add.
const LONGEST_BLOCK: usize = 4096;

const LINE_START: &[u8] = b"PROXY ";
const LINE_END: &[u8] = b"\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const HEAD_SIZE: usize = SIGNATURE.len() + 4;

/// Reads a header from the first bytes of a connection, of which there may be more than the
/// header has.
fn parse(bytes: &[u8]) -> Result<Progress> {
    if begins_as(bytes, LINE_START) {
        parse_line(bytes)
    } else if begins_as(bytes, SIGNATURE) {
        parse_block(bytes)
    } else {
        Err(bad("there is no PROXY protocol header"))
    }
}

/// Whether bytes that may be only the first few are those of `start`.
fn begins_as(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

/// Version 1: a line of text.
fn parse_line(bytes: &[u8]) -> Result<Progress> {
    let line = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        if line.len() == LONGEST_LINE {
            return Err(bad("the PROXY protocol header is too long"));
        }
        let missing = if line.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Progress::NeedMore(missing));
    };
    let source = line[..=end]
        .strip_suffix(LINE_END)
        .and_then(|line| line.strip_prefix(LINE_START))
        .and_then(source_of_line)
        .ok_or_else(malformed)?;
    Ok(Progress::Done(end + 1, source))
}

/// What stands between the start of the line and its end.
fn source_of_line(line: &[u8]) -> Option<Source> {
    // Whatever follows is to be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(Source::Socket);
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

/// A port is decimal, without sign and without zeros in front.
fn check_port(word: &str) -> Option<u16> {
    let port: u16 = word.parse().ok()?;
    (port.to_string() == word).then_some(port)
}

/// Version 2: a head that tells the length of the rest, in binary.
fn parse_block(bytes: &[u8]) -> Result<Progress> {
    if bytes.len() < HEAD_SIZE {
        return Ok(Progress::NeedMore(HEAD_SIZE - bytes.len()));
    }
    let (head, rest) = bytes.split_at(HEAD_SIZE);
    let [command, family, high, low] = head[SIGNATURE.len()..] else {
        unreachable!("the head has its size")
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > LONGEST_BLOCK {
        return Err(bad("the PROXY protocol header is too long"));
    }
    let kind = kind_of(command, family).ok_or_else(malformed)?;
    if len < kind.addresses_size() {
        return Err(malformed());
    }
    if rest.len() < len {
        return Ok(Progress::NeedMore(len - rest.len()));
    }
    // What follows the addresses are additions (TLVs), of no use here.
    Ok(Progress::Done(HEAD_SIZE + len, kind.source(rest)))
}

/// What kind of addresses stand behind the head of version 2.
enum Kind {
    /// None that count.
    Socket,
    V4,
    V6,
    Unix,
}

fn kind_of(command: u8, family: u8) -> Option<Kind> {
    match (command, family) {
        // LOCAL: the rest does not matter, whatever it is.
        (0x20, _) => Some(Kind::Socket),
        // PROXY, of an unknown family, or of a stream of a known one.
        (0x21, 0x00) => Some(Kind::Socket),
        (0x21, 0x11) => Some(Kind::V4),
        (0x21, 0x21) => Some(Kind::V6),
        (0x21, 0x31) => Some(Kind::Unix),
        _ => None,
    }
}

impl Kind {
    /// Both addresses with their ports.
    fn addresses_size(&self) -> usize {
        match self {
            Kind::Socket => 0,
            Kind::V4 => 2 * (4 + 2),
            Kind::V6 => 2 * (16 + 2),
            Kind::Unix => 2 * 108,
        }
    }

    /// The source comes first.
    fn source(&self, addresses: &[u8]) -> Source {
        match self {
            Kind::Socket => Source::Socket,
            Kind::V4 => client_at(first::<4>(addresses).into()),
            Kind::V6 => client_at(first::<16>(addresses).into()),
            Kind::Unix => Source::Client(None),
        }
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("their number was checked")
}

/// An IPv4 address that is mapped into IPv6 reads as IPv4.
fn client_at(address: IpAddr) -> Source {
    Source::Client(Some(address.to_canonical()))
}

fn malformed() -> Error {
    bad("the PROXY protocol header is malformed")
}

fn bad(message: &'static str) -> Error {
    Error::new(Reason::BadProxyHeader, message)
}

/// A header while it is received.
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

    /// Receives the header and no byte behind it: only its end shows how long a header of
    /// version 1 is, so the bytes are peeked at first.
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
            let window = missing.max(LONGEST_LINE.saturating_sub(before));
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
        let longest = [V4, &[0xff; LONGEST_BLOCK - 12]].concat();
        let full_v6 = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                       ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let longest_line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
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
            (line("PROXY UNKNOWN\r\n"), Source::Socket),
            (
                line("PROXY UNKNOWN 192.0.2.1 any thing\r\n"),
                Source::Socket,
            ),
            (line(&longest_line), Source::Socket),
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
            (block(0x21, 0x00, b""), Source::Socket),
            (block(0x21, 0x00, b"additions"), Source::Socket),
            (block(0x20, 0x00, b""), Source::Socket),
            (block(0x20, 0x11, V4), Source::Socket),
            (block(0x20, 0xff, b"any thing"), Source::Socket),
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
                "x".repeat(LONGEST_LINE - 15)
            )),
            b"PROXY TCP4 \xff.0.2.1 198.51.100.7 56324 443\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0".to_vec(),
            // Not even the head of a block that is too long is followed by anything.
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
        let endless = [LINE_START, &[b'x'; LONGEST_LINE]].concat();
        for len in 0..LONGEST_LINE {
            assert_eq!(parse(&endless[..len]), Ok(Progress::NeedMore(2)));
        }
        assert!(parse(&endless[..LONGEST_LINE]).is_err());
        assert!(parse(&endless).is_err());
    }
}
