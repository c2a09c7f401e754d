//! The PROXY protocol header before a session on a real socket: whom it names, what is refused,
//! and that no byte behind it is lost.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use anwdl::error::Interest;
use anwdl::{AesMode, AesWrapper, ClientInstance, ClientOptions, Error, ProxyProtocol, Reason};

use super::input::Input;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Address(IpAddr),
    /// No address, and not the proxy's either.
    Unix,
    Nothing,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The header has so many bytes.
    Header(usize, Says),
    Incomplete,
    Bad,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (bytes, cut) = match input.below(4) {
        0 => (input.rest().to_vec(), usize::MAX),
        1 | 2 => {
            let header = line(&mut input);
            (header, input.below(256))
        }
        _ => {
            let header = block(&mut input);
            (header, input.below(256))
        }
    };
    check(&bytes, cut);
}

/// Sends the bytes in two pieces, the first of `cut` bytes, each time asking the library how far
/// it gets.
fn check(bytes: &[u8], cut: usize) {
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let mut client = ClientInstance::new(socket, options()).expect("the socket is connected");
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    for (piece, so_far) in [(first, first), (second, bytes)] {
        peer.write_all(piece).expect("a socket has room for it");
        let verdict = judge(so_far);
        let found = client.recv_request(false);
        match verdict {
            Verdict::Bad => {
                let error = found.expect_err("a bad header is refused");
                assert_eq!(error.reason(), Some(Reason::BadProxyHeader), "{so_far:?}");
                let again = client.recv_request(false).expect_err("it has failed");
                assert_eq!(again.reason(), Some(Reason::SessionFailed));
                assert_eq!(client.ip(), "");
                return check_silence(client, peer);
            }
            Verdict::Incomplete => {
                let waiting = Error::WouldBlock(Interest::Read);
                assert_eq!(found.err(), Some(waiting), "{so_far:?}");
                assert_eq!(client.ip(), "");
            }
            Verdict::Header(len, says) => {
                let ip = match says {
                    Says::Address(ip) => ip.to_canonical().to_string(),
                    Says::Unix | Says::Nothing => String::new(),
                };
                assert_eq!(client.ip(), ip, "{so_far:?}");
                return check_rest(client, peer, found.err(), &bytes[len..], so_far.len() - len);
            }
        }
    }
    // The header does not end: the peer has gone.
    peer.shutdown(Shutdown::Write).unwrap();
    let error = client.recv_request(false).expect_err("the peer has gone");
    assert_eq!(error.reason(), Some(Reason::PeerClosed));
}

/// The bytes behind a header are the session's: eight of them are a length, as of a session of
/// v2, and what is no length is refused. Of others, `come` have come so far.
fn check_rest(
    client: ClientInstance,
    mut peer: UnixStream,
    found: Option<Error>,
    rest: &[u8],
    come: usize,
) {
    let found = found.expect("the session's key is nobody's");
    if come < 8 {
        assert_eq!(found, Error::WouldBlock(Interest::Read));
        return;
    }
    let digits = rest[..8]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let is_length = digits > 0 && rest[digits..8].iter().all(|&byte| byte == b'=');
    if !is_length {
        // Half the header of a session of v4.
        if come < 16 {
            assert_eq!(found, Error::WouldBlock(Interest::Read));
        }
        return;
    }
    drop(client);
    let mut answer = Vec::new();
    // What the client has left unread resets the connection behind the answer.
    let _ = peer.read_to_end(&mut answer);
    assert!(matches!(answer[..], [b'0' | b'1']), "{answer:?}");
}

fn check_silence(client: ClientInstance, mut peer: UnixStream) {
    drop(client);
    let mut answer = Vec::new();
    let _ = peer.read_to_end(&mut answer);
    assert_eq!(answer, b"");
}

fn options() -> &'static ClientOptions {
    static OPTIONS: OnceLock<ClientOptions> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        let mut options = ClientOptions::default();
        let mut aes = AesWrapper::new(256, AesMode::Cbc).unwrap();
        aes.set_key(&[1; 32], &[2; 16]).unwrap();
        options.set_aes_wrapper(&aes).unwrap();
        options.set_exchange_keys(false);
        options.set_non_blocking(true);
        options.set_proxy_protocol(ProxyProtocol::Required);
        options
    })
}

/// What the specification says of these bytes.
fn judge(bytes: &[u8]) -> Verdict {
    let is_start = |of: &[u8]| bytes.starts_with(of) || of.starts_with(bytes);
    if is_start(b"PROXY ") {
        return judge_line(bytes);
    }
    if is_start(SIGNATURE) {
        return judge_block(bytes);
    }
    Verdict::Bad
}

fn judge_line(bytes: &[u8]) -> Verdict {
    // With its end, a line has at most 107 bytes.
    let Some(end) = bytes.iter().take(107).position(|&byte| byte == b'\n') else {
        return if bytes.len() < 107 {
            Verdict::Incomplete
        } else {
            Verdict::Bad
        };
    };
    let says = bytes[..end]
        .strip_suffix(b"\r")
        .and_then(|line| line.strip_prefix(b"PROXY "))
        .and_then(read_line);
    match says {
        Some(says) => Verdict::Header(end + 1, says),
        None => Verdict::Bad,
    }
}

fn read_line(line: &[u8]) -> Option<Says> {
    let line = line.to_vec();
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(Says::Nothing);
    }
    let line = String::from_utf8(line).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let [family, source, destination, source_port, destination_port] = words[..] else {
        return None;
    };
    let addresses: [IpAddr; 2] = match family {
        "TCP4" => [
            source.parse::<Ipv4Addr>().ok()?.into(),
            destination.parse::<Ipv4Addr>().ok()?.into(),
        ],
        "TCP6" => [
            source.parse::<Ipv6Addr>().ok()?.into(),
            destination.parse::<Ipv6Addr>().ok()?.into(),
        ],
        _ => return None,
    };
    for port in [source_port, destination_port] {
        let is_canonical = !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && (port == "0" || !port.starts_with('0'));
        if !is_canonical || port.len() > 5 || port.parse::<u32>().ok()? > 65535 {
            return None;
        }
    }
    Some(Says::Address(addresses[0]))
}

fn judge_block(bytes: &[u8]) -> Verdict {
    let Some(&[command, family, high, low]) = bytes.get(12..16) else {
        return Verdict::Incomplete;
    };
    let len = usize::from(high) * 256 + usize::from(low);
    // The library's own limit.
    if len > 4096 {
        return Verdict::Bad;
    }
    let needed = match (command, family) {
        (0x20, _) | (0x21, 0x00) => 0,
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        (0x21, 0x31) => 216,
        _ => return Verdict::Bad,
    };
    if len < needed {
        return Verdict::Bad;
    }
    let Some(addresses) = bytes.get(16..16 + len) else {
        return Verdict::Incomplete;
    };
    let says = match needed {
        12 => Says::Address(<[u8; 4]>::try_from(&addresses[..4]).unwrap().into()),
        36 => Says::Address(<[u8; 16]>::try_from(&addresses[..16]).unwrap().into()),
        216 => Says::Unix,
        _ => Says::Nothing,
    };
    Verdict::Header(16 + len, says)
}

/// A header of version 1, made of choices.
fn line(input: &mut Input<'_>) -> Vec<u8> {
    let addresses = [
        "192.0.2.1",
        "255.255.255.255",
        "::1",
        "2001:db8::1",
        "::ffff:192.0.2.1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "0.0.0.0",
        "01.2.3.4",
    ];
    let ports = ["0", "1", "65535", "65536", "080", "443", "+1", ""];
    let family = input.pick(&["TCP4", "TCP6", "UNKNOWN", "UDP4"]);
    let mut line = format!(
        "PROXY {family} {} {} {} {}",
        input.pick(&addresses),
        input.pick(&addresses),
        input.pick(&ports),
        input.pick(&ports),
    )
    .into_bytes();
    input.damage(&mut line);
    line.extend_from_slice(input.pick(&[b"\r\n".as_slice(), b"\n", b"\r", b" \r\n"]));
    line.extend_from_slice(input.chunk());
    line
}

/// One of version 2.
fn block(input: &mut Input<'_>) -> Vec<u8> {
    let command = input.pick(&[0x21, 0x20, 0x21, 0x22, 0x11]);
    let family = input.pick(&[0x11, 0x21, 0x31, 0x00, 0x12, 0x41]);
    let size = input.pick(&[12, 36, 216, 0, 4096, 4097, 35, 300]);
    let mut addresses = input.chunk().to_vec();
    addresses.resize(size, input.byte());
    let mut block = SIGNATURE.to_vec();
    block.extend([command, family]);
    block.extend((size as u16).to_be_bytes());
    block.extend(addresses);
    input.damage(&mut block);
    block.extend_from_slice(input.chunk());
    block
}
