//! What a message costs at most, in instructions under callgrind: no message costs much more than a
//! plain one of its size, however it is written and in whatever pieces it comes, and four times as
//! much of anything costs four times as much.

use std::process::Command;

use anwdl::protocol::session::{Message, Progress, Session};
use anwdl::protocol::{Protocol, Role};

mod pair;

use pair::*;

/// Writes about so many bytes of members.
type Writer = fn(usize) -> String;

/// Members as programs send them.
const PLAIN: &str = "plain";

/// What a stranger can send as the parameters of a request.
const KINDS: [(&str, Writer); 12] = [
    (PLAIN, |size| {
        joined(size / 40, |at| {
            member(&format!("name_{at:05}"), "an everyday value")
        })
    }),
    ("one string", |size| member("text", &"x".repeat(size))),
    ("a long key among short ones", |size| {
        let long = format!("{}:1", quoted(&"k".repeat(size / 2)));
        joined(size / 16, |at| format!("{}:{at}", quoted(&at.to_string()))) + "," + &long
    }),
    ("keys that begin alike", |size| {
        let beginning = "k".repeat(size / 64);
        joined(60, |at| {
            format!("{}:1", quoted(&format!("{beginning}{at}")))
        })
    }),
    ("escaped keys that begin alike", |size| {
        let beginning = r"\u00e9".repeat(size / 400);
        joined(60, |at| {
            format!("{}:1", quoted(&format!("{beginning}{at}")))
        })
    }),
    ("many short keys", |size| {
        joined(size / 12, |at| format!("{}:0", quoted(&format!("{at:x}"))))
    }),
    ("many objects of a few keys", |size| {
        let objects = joined(size / 24, |_| r#"{"a":0,"b":1,"\u0063":2}"#.to_owned());
        format!(r#""list":[{objects}]"#)
    }),
    ("many empty strings", |size| {
        joined(size / 12, |at| {
            format!("{}:{}", quoted(&format!("{at:x}")), quoted(""))
        })
    }),
    ("escapes", |size| {
        member("text", &r"\u00e9".repeat(size / 6))
    }),
    ("short escapes", |size| {
        member("text", &r"\n".repeat(size / 2))
    }),
    ("a long number", |size| {
        format!(r#""number":{}"#, "9".repeat(size))
    }),
    ("nesting", |size| {
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        format!(r#""list":[{}]"#, joined(size / 121, |_| deep.clone()))
    }),
];

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn member(name: &str, text: &str) -> String {
    format!("{}:{}", quoted(name), quoted(text))
}

fn joined(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(",")
}

/// Receives a request and asks for all that is in it. Callgrind counts what happens in here.
#[inline(never)]
fn counted_receive(server: &mut Session, mut bytes: &[u8], piece: usize) {
    server.begin_receive().unwrap();
    let request = loop {
        match server.advance().unwrap() {
            Progress::Read => {
                let space = server.space();
                let count = space.len().min(bytes.len()).min(piece);
                space[..count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                server.received(count);
            }
            Progress::Write => {
                let count = server.pending().len();
                server.sent(count);
            }
            Progress::Done(Some(Message::Request(request))) => break request,
            other => panic!("{other:?}"),
        }
    };
    assert!(!request.parameters_json_with_nul().unwrap().is_empty());
    assert_eq!(request.verb(), "ECHO");
    request.string("text");
    request.integer("number");
    request.boolean("absent");
}

#[test]
#[ignore = "another test runs it under callgrind"]
fn under_callgrind() {
    let setting = |name| std::env::var(name).unwrap();
    let number = |name| setting(name).parse::<usize>().unwrap();
    let (_, parameters) = KINDS
        .iter()
        .find(|(kind, _)| *kind == setting("KIND"))
        .unwrap();
    let parameters = format!("{{{}}}", parameters(number("SIZE")));
    let mut client = preset(Role::Client, Protocol::V2);
    client.begin_request("ECHO", Some(&parameters)).unwrap();
    let (mut answer, mut bytes) = (b"1".to_vec(), Vec::new());
    go_on(&mut client, &mut answer, &mut bytes);
    println!("\nbytes: {}", bytes.len());
    counted_receive(
        &mut preset(Role::Server, Protocol::V2),
        &bytes,
        number("PIECE"),
    );
}

/// Instructions for each byte of a message.
fn cost(kind: &str, size: usize, piece: usize) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_receive*")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--test-threads=1", "--exact"])
        .arg("under_callgrind")
        .env("KIND", kind)
        .env("SIZE", size.to_string())
        .env("PIECE", piece.to_string())
        .output()
        .unwrap();
    let (printed, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{printed}\n{told}");
    let number_behind = |text: &str, word: &str| -> Option<f64> {
        let (_, rest) = text.split_once(word)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let instructions = number_behind(&told, "Collected :").expect(&told);
    instructions / number_behind(&printed, "bytes:").expect(&printed)
}

fn has_valgrind() -> bool {
    let found = Command::new("valgrind").arg("--version").output().is_ok();
    if !found {
        println!("skipped: it takes valgrind");
    }
    found
}

const SIZE: usize = 128 * 1024;

#[test]
fn no_message_costs_much_more_than_a_plain_one() {
    if !has_valgrind() {
        return;
    }
    let plain = cost(PLAIN, SIZE, usize::MAX);
    let mut too_much = Vec::new();
    for (kind, _) in KINDS {
        let (once, four_times) = (
            cost(kind, SIZE, usize::MAX),
            cost(kind, 4 * SIZE, usize::MAX),
        );
        println!(
            "figure: {kind}: {once:.1} instructions a byte, {:.2} x a plain message",
            once / plain
        );
        if once > 3.0 * plain || four_times > 1.25 * once {
            too_much.push((kind, once, four_times));
        }
    }
    assert!(too_much.is_empty(), "{too_much:?}, plain: {plain}");
}

#[test]
fn pieces_cost_what_their_calls_cost() {
    if !has_valgrind() {
        return;
    }
    let at_once = cost(PLAIN, SIZE, usize::MAX);
    let segments = cost(PLAIN, SIZE, 1400);
    let bytes = [cost(PLAIN, SIZE, 1), cost(PLAIN, 4 * SIZE, 1)];
    println!(
        "figure: {segments:.1} in segments, {:.1} byte by byte, {at_once:.1} at once",
        bytes[0]
    );
    assert!(segments <= 1.2 * at_once, "{segments} {at_once}");
    assert!(bytes[1] <= 1.05 * bytes[0], "{bytes:?}");
}
