//! The X25519 keys and the 32 random bytes that both sides of a gcm session drew for its key exchange
//! are nowhere in memory once the exchange is done, while the session continues.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anwdl::protocol::session::{Config, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, RsaWrapper};

mod pair;

use pair::*;

const SIZE: usize = 32;
const MASK: u8 = 0x5a;

/// How many times something was drawn.
static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// A byte of what was drawn at a time, masked, so that nothing but the library ever has the
/// bytes themselves.
fn masked(time: usize, at: usize) -> u8 {
    let mixed = (time as u64 + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((at as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    ((mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8
}

fn draw(bytes: &mut [u8]) -> Result<(), Error> {
    let time = DRAWN.fetch_add(1, Relaxed);
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = masked(time, at) ^ MASK;
    }
    Ok(())
}

/// How often it stands in writable memory, in the stacks and in what was freed.
fn count_in_memory(time: usize) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        if !rest.starts_with("rw") {
            continue;
        }
        let mut bytes = vec![0; (end - start) as usize];
        let Ok(read) = memory.read_at(&mut bytes, start) else {
            continue;
        };
        bytes.truncate(read);
        // Masked: the copy that was read is no finding of a later range.
        bytes.iter_mut().for_each(|byte| *byte ^= MASK);
        let is_it = |window: &[u8]| (0..SIZE).all(|at| window[at] == masked(time, at));
        found += bytes.windows(SIZE).filter(|window| is_it(window)).count();
    }
    found
}

fn side(role: Role, pem: &str) -> Session {
    let mut config = Config::new(role);
    config.protocol = Protocol::Gcm;
    config.random = draw;
    let mut session = Session::new(config);
    let keys: RsaWrapper = rsa(pem);
    session.set_rsa_wrapper(&keys).unwrap();
    session
}

#[test]
fn nothing_of_the_exchange_is_left_behind() {
    let mut client = side(Role::Client, CLIENT_KEY);
    let mut server = side(Role::Server, SERVER_KEY);
    exchange_public_keys(&mut client, &mut server);
    {
        use anwdl::protocol::session::Operation::{ReceiveAesKey, SendAesKey};
        step(&mut client, SendAesKey, &mut server, ReceiveAesKey);
        // The random and the key of X25519 of the client.
        assert!(count_in_memory(0) > 0 && count_in_memory(1) > 0);
        step(&mut server, SendAesKey, &mut client, ReceiveAesKey);
    }
    let (_, received) = request(&mut client, &mut server, "STAT");
    assert!(matches!(received, Some(Ok(Some(_)))));
    let drawn = DRAWN.load(Relaxed);
    assert_eq!(drawn, 4, "a random and a key of X25519 on each side");
    for time in 0..drawn {
        assert_eq!(count_in_memory(time), 0, "what was drawn at {time}");
    }
    println!("\ncases: {drawn} secrets that are gone");
}
