//! What a message of v2 costs at most, in instructions under callgrind: none costs much more than a
//! plain one of its size, however it is written, and four times as much of anything costs at most
//! five times as much. Byte by byte, only the second is asked. With `ANWDL_EXHAUSTIVE` in the environment the messages
//! are as long as the figures of the manual say, and both sides get each kind.

// None of it depends on who does the RSA: once is enough.
#![cfg(feature = "aws-lc")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anwdl::message::{Data, Value, ValueType};
use anwdl::protocol::session::{Message, Progress, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper};

mod pair;

use pair::*;

/// Writes about so many bytes of members.
type Writer = fn(usize) -> String;

/// Members as programs send them.
const PLAIN: &str = "plain";

/// What a stranger can send as the parameters of a request.
const KINDS: [(&str, Writer); 16] = [
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
    // What Python alone reads, the flaw before everything else.
    ("NaN", |size| {
        format!(r#""nan":NaN,{}"#, member("text", &"x".repeat(size)))
    }),
    ("deep arrays", |size| {
        let levels = size / 2;
        format!(r#""list":{}{}"#, "[".repeat(levels), "]".repeat(levels))
    }),
    ("deep objects", |size| {
        let levels = size / 6;
        format!(
            r#""a":{}0{}"#,
            r#"{"a":"#.repeat(levels),
            "}".repeat(levels)
        )
    }),
    ("keys and surrogates without end", |size| {
        joined(size / 12, |_| r#""\ud800":0"#.to_owned())
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

/// Receives a message and asks for all that is in it. Callgrind counts what happens in here.
#[inline(never)]
fn counted_receive(receiver: &mut Session, mut bytes: &[u8], piece: usize) -> bool {
    receiver.begin_receive().unwrap();
    let message = loop {
        match receiver.advance() {
            Ok(Progress::Read) => {
                let space = receiver.receive_buffer();
                let count = space.len().min(bytes.len()).min(piece);
                space[..count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                receiver.received(count);
            }
            Ok(Progress::Write) => {
                let count = receiver.pending().len();
                receiver.sent(count);
            }
            Ok(Progress::Done(message)) => break message,
            Ok(Progress::Compute) => unreachable!("the keys are known"),
            Err(_) => return false,
        }
    };
    match message {
        Some(Message::Request(request)) => {
            assert!(!request.verb().is_empty() && !request.json_with_nul().is_empty());
            assert!(!request.parameters_json_with_nul().unwrap().is_empty());
            request.string_with_nul("text").unwrap();
            request.integer("number");
            request.boolean("absent");
            true
        }
        Some(Message::Response(response)) => {
            assert!(response.success() && !response.json_with_nul().is_empty());
            assert!(!response.message_with_nul().is_empty());
            assert!(!response.data_json_with_nul().unwrap().is_empty());
            response.string_with_nul("text").unwrap();
            response.integer("number");
            response.boolean("absent");
            true
        }
        Some(Message::MalformedRequest(request)) => {
            assert!(!request.errors().is_empty() && !request.json().is_empty());
            false
        }
        None => false,
    }
}

/// What a peer sends for this text, good or bad, in the simplest framing.
fn sent(text: &str) -> Vec<u8> {
    let mut key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    key.set_key(&[1; 32], &[2; BLOCK_SIZE]).unwrap();
    let packet = key.encrypt_data(text.as_bytes()).unwrap();
    [format!("{:=<8}", packet.len()).as_bytes(), &packet].concat()
}

/// A message around parameters or data.
fn message(role: Role, members: &str) -> String {
    match role {
        Role::Server => format!(r#"{{"verb":"ECHO","parameters":{{{members}}}}}"#),
        Role::Client => format!(r#"{{"success":true,"message":"OK","data":{{{members}}}}}"#),
    }
}

fn receive_counted(role: Role, text: &str, piece: usize) {
    let bytes = sent(text);
    let is_whole = counted_receive(&mut preset(role, Protocol::V2), &bytes, piece);
    println!("received whole: {is_whole}");
    end_case(bytes.len());
}

/// Says for how many bytes the case's instructions are. Callgrind writes down here what it has counted since the last case.
#[inline(never)]
fn end_case(bytes: usize) {
    println!("\nbytes: {bytes}");
}

/// What a test counts: one process under callgrind takes many of these, as it needs longer to start than for most of them.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    kind: &'a str,
    /// About how many bytes, or how many names.
    size: usize,
    /// How many bytes arrive at once.
    piece: usize,
}

impl<'a> Case<'a> {
    /// Whatever arrives at once.
    fn whole(kind: &'a str, size: usize) -> Self {
        Self {
            kind,
            size,
            piece: usize::MAX,
        }
    }

    fn to_line(self) -> String {
        format!("{}\t{}\t{}\n", self.kind, self.size, self.piece)
    }

    fn from_line(line: &'a str) -> Self {
        let mut parts = line.split('\t');
        let mut part = || parts.next().unwrap();
        println!("{line}");
        Self {
            kind: part(),
            size: part().parse().unwrap(),
            piece: part().parse().unwrap(),
        }
    }

    fn members(&self) -> String {
        let (_, members) = KINDS.iter().find(|(kind, _)| *kind == self.kind).unwrap();
        members(self.size)
    }
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap()
}

fn role() -> Role {
    match setting("ROLE").as_str() {
        "Server" => Role::Server,
        _ => Role::Client,
    }
}

#[test]
#[ignore = "another test runs it under callgrind"]
fn under_callgrind() {
    for case in setting("CASES").lines().map(Case::from_line) {
        let text = message(role(), &case.members());
        receive_counted(role(), &text, case.piece);
    }
}

/// One, or a folder of them, in order.
fn files_in(path: &str) -> Vec<PathBuf> {
    let mut files = match std::fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => vec![path.into()],
    };
    files.sort();
    files
}

#[test]
#[ignore = "another test, and the search for such messages, run it under callgrind"]
fn files_under_callgrind() {
    for file in files_in(&setting("FILES")) {
        let text = std::fs::read_to_string(&file).unwrap();
        receive_counted(role(), &text, usize::MAX);
    }
}

const GROWING: [&str; 3] = ["set", "request", "response"];

/// Does something by each of many names.
#[inline(never)]
fn counted_by_name(names: &[String], mut work: impl FnMut(&str)) {
    names.iter().for_each(|name| work(name));
}

#[test]
#[ignore = "another test runs it under callgrind"]
fn growth_under_callgrind() {
    for case in setting("CASES").lines().map(Case::from_line) {
        count_growth(case.kind, case.size);
        end_case(1);
    }
}

fn count_growth(kind: &str, count: usize) {
    let names: Vec<_> = (0..count).map(|at| format!("name {at}")).collect();
    // In another order than they have.
    let mixed: Vec<_> = (0..count)
        .map(|at| names[at * 7919 % count].clone())
        .collect();
    let members = joined(count, |at| match at % 2 {
        0 => member(&names[at], "value"),
        _ => format!("{}:{at}", quoted(&names[at])),
    });
    let received = |role| {
        let outcome = receive(
            &mut preset(role, Protocol::V2),
            &sent(&message(role, &members)),
        );
        outcome.unwrap().unwrap().unwrap()
    };
    match kind {
        "set" => {
            let mut data = Data::new();
            counted_by_name(&mixed, |name| data.set(name, 1_i64).unwrap());
            counted_by_name(&names, |name| data.set(name, 2_i64).unwrap());
        }
        "request" => {
            let Message::Request(request) = received(Role::Server) else {
                panic!("it is a request");
            };
            counted_by_name(&mixed, |name| {
                let is_there = [
                    request.string(name).is_some(),
                    request.integer(name).is_some(),
                ];
                assert!(is_there.contains(&true) && request.boolean(name).is_none());
            });
        }
        _ => {
            let Message::Response(response) = received(Role::Client) else {
                panic!("it is a response");
            };
            counted_by_name(&mixed, |name| {
                let is_there = [
                    response.string_with_nul(name).unwrap().is_some(),
                    response.integer(name).is_some(),
                ];
                assert!(is_there.contains(&true) && response.boolean(name).is_none());
            });
        }
    }
}

/// Reads each name and each value, and asks for some by their places.
#[inline(never)]
fn counted_reading(root: Value<'_>) -> usize {
    let mut count = root.count();
    for pointer in ["", "/text", "/list/1000000", "/number", "/absent"] {
        count += usize::from(root.at(pointer).unwrap().is_some());
    }
    // Which levels are open is kept here instead of on the stack.
    let mut open: Vec<_> = root.first().into_iter().collect();
    while let Some(value) = open.pop() {
        count += 1;
        count += value.name_with_nul().unwrap().map_or(0, str::len);
        count += match value.value_type() {
            ValueType::String => value.string("").unwrap().len(),
            ValueType::Integer => usize::from(value.integer("").is_ok()),
            ValueType::Float => usize::from(value.float("").is_ok()),
            _ => 0,
        };
        open.extend(value.next());
        open.extend(value.first());
    }
    count
}

#[test]
#[ignore = "another test runs it under callgrind"]
fn reading_under_callgrind() {
    for case in setting("CASES").lines().map(Case::from_line) {
        let bytes = sent(&message(Role::Server, &case.members()));
        let received = receive(&mut preset(Role::Server, Protocol::V2), &bytes);
        if let Some(Message::Request(request)) = received.unwrap().unwrap() {
            assert!(counted_reading(request.parameters()) > 0);
        }
        end_case(bytes.len());
    }
}

/// Runs a test under callgrind; gives the instructions for each byte of each case.
fn measure(test: &str, role: Role, cases: (&str, &str)) -> Vec<f64> {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("callgrind-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let counted = folder.join("counted");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", counted.display()))
        .args(["--toggle-collect=*counted_*", "--dump-after=*end_case*"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--test-threads=1", "--exact"])
        .arg(test)
        .env("ROLE", format!("{role:?}"))
        .envs([cases])
        .output()
        .unwrap();
    let (printed, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{printed}\n{told}");
    // What a broken rule says of itself.
    let controls = told.lines().filter(|line| line.starts_with("negative"));
    controls.for_each(|line| eprintln!("{line}"));
    let number_behind = |text: &str, word: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap().trim().parse().unwrap()
    };
    let bytes = printed.lines().filter(|line| line.starts_with("bytes:"));
    let costs = (1..).zip(bytes).map(|(at, bytes)| {
        let dump = std::fs::read_to_string(counted.with_extension(at.to_string())).unwrap();
        let instructions = number_behind(&dump, "totals:");
        assert!(instructions > 0.0, "nothing was counted: {bytes}");
        instructions / number_behind(bytes, "bytes:")
    });
    let costs = costs.collect();
    std::fs::remove_dir_all(&folder).unwrap();
    costs
}

fn costs(test: &str, role: Role, cases: &[Case]) -> Vec<f64> {
    let lines: String = cases.iter().map(|case| case.to_line()).collect();
    let costs = measure(test, role, ("CASES", &lines));
    assert_eq!(costs.len(), cases.len());
    costs
}

fn has_valgrind() -> bool {
    let found = Command::new("valgrind").arg("--version").output().is_ok();
    if !found {
        println!("skipped: it takes valgrind");
    }
    found
}

fn is_exhaustive() -> bool {
    std::env::var_os("ANWDL_EXHAUSTIVE").is_some()
}

fn size() -> usize {
    if is_exhaustive() {
        128 * 1024
    } else {
        16 * 1024
    }
}

/// The size of the messages that were searched for.
const SEARCHED_SIZE: usize = 8 * 1024;

#[test]
fn no_message_costs_much_more_than_a_plain_one() {
    if !has_valgrind() {
        return;
    }
    let mut too_much = Vec::new();
    let roles = [Role::Server, Role::Client];
    let roles = &roles[..if is_exhaustive() { 2 } else { 1 }];
    for role in roles.iter().copied() {
        let sizes = |kind| [Case::whole(kind, size()), Case::whole(kind, 4 * size())];
        let cases: Vec<_> = KINDS.iter().flat_map(|(kind, _)| sizes(kind)).collect();
        let costs = costs("under_callgrind", role, &cases);
        let plain = costs[0];
        let mut dearest = (0.0, "");
        for ((kind, _), costs) in KINDS.iter().zip(costs.chunks(2)) {
            let (once, four_times) = (costs[0], costs[1]);
            let ratio = once / plain;
            println!(
                "{role:?}: {kind}: {once:.1} instructions a byte, {ratio:.2} x a plain message"
            );
            if ratio > dearest.0 {
                dearest = (ratio, kind);
            }
            if ratio > 3.0 || four_times > 1.25 * once {
                too_much.push((role, kind, once, four_times, plain));
            }
        }
        println!(
            "figure: {role:?}: the most is {:.2} x a plain message, of {}",
            dearest.0, dearest.1
        );
    }
    println!("cases: {} kinds of messages", roles.len() * KINDS.len());
    assert!(too_much.is_empty(), "{too_much:?}");
}

/// The worst that `benches/worst_messages.py` has found.
#[test]
fn no_message_that_was_searched_for_costs_much_more_than_a_plain_one() {
    if !has_valgrind() {
        return;
    }
    for (role, folder) in [(Role::Server, "requests"), (Role::Client, "responses")] {
        let files = format!(
            "{}/tests/worst_messages/{folder}",
            env!("CARGO_MANIFEST_DIR")
        );
        let plain = costs(
            "under_callgrind",
            role,
            &[Case::whole(PLAIN, SEARCHED_SIZE)],
        )[0];
        let costs = measure("files_under_callgrind", role, ("FILES", &files));
        let files = files_in(&files);
        assert_eq!(costs.len(), files.len());
        let mut dearest: f64 = 0.0;
        for (file, cost) in files.iter().zip(costs) {
            let path = file.display();
            println!(
                "{path}: {cost:.1} instructions a byte, {:.2} x a plain message",
                cost / plain
            );
            dearest = dearest.max(cost / plain);
            assert!(cost <= 3.0 * plain, "{path}: {cost} {plain}");
        }
        println!(
            "figure: {role:?}: the most that a search found is {dearest:.2} x a plain message"
        );
    }
}

#[test]
fn four_times_as_many_names_cost_four_times_as_much() {
    if !has_valgrind() {
        return;
    }
    let cases = GROWING.map(|kind| [Case::whole(kind, 4000), Case::whole(kind, 16_000)]);
    let costs = costs("growth_under_callgrind", Role::Server, cases.as_flattened());
    for (kind, costs) in GROWING.iter().zip(costs.chunks(2)) {
        let (once, four_times) = (costs[0], costs[1]);
        println!(
            "{kind} by name: {:.2} times as much for four times as many",
            four_times / once
        );
        assert!(four_times <= 4.6 * once, "{kind}: {once} {four_times}");
    }
}

#[test]
fn four_times_as_much_to_read_costs_four_times_as_much() {
    if !has_valgrind() {
        return;
    }
    // The others are no requests.
    let read = KINDS.iter().filter(|(kind, _)| {
        !kind.starts_with("deep") && !kind.ends_with("without end") && *kind != "NaN"
    });
    let sizes = |kind| [Case::whole(kind, size() / 4), Case::whole(kind, size())];
    let cases: Vec<_> = read.flat_map(|(kind, _)| sizes(kind)).collect();
    let costs = costs("reading_under_callgrind", Role::Server, &cases);
    for (case, costs) in cases.iter().step_by(2).zip(costs.chunks(2)) {
        let (kind, once, four_times) = (case.kind, costs[0], costs[1]);
        println!("{kind}: {once:.1} instructions a byte to read all of it");
        assert!(four_times <= 1.25 * once, "{kind}: {once} {four_times}");
    }
}

#[test]
fn pieces_cost_what_their_calls_cost() {
    if !has_valgrind() {
        return;
    }
    let case = |size, piece| Case {
        kind: PLAIN,
        size,
        piece,
    };
    let cases = [
        case(size(), usize::MAX),
        case(size(), 1400),
        case(size(), 1),
        case(4 * size(), 1),
    ];
    let costs = costs("under_callgrind", Role::Server, &cases);
    let (at_once, segments, bytes) = (costs[0], costs[1], &costs[2..]);
    println!(
        "figure: {segments:.1} instructions a byte in segments, {:.1} byte by byte, {at_once:.1} at once",
        bytes[0]
    );
    assert!(segments <= 1.2 * at_once, "{segments} {at_once}");
    assert!(bytes[1] <= 1.05 * bytes[0], "{bytes:?}");
}
