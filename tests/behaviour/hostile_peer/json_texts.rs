//! Texts that are no JSON, or that two readers would read in two ways, in every framing and
//! both directions.

use anwdl::Reason;
use anwdl::protocol::{Protocol, Role};

use super::forger::session_and_message;
use super::play::{Act, play};
use super::tell;
use crate::pair::FRAMINGS;

/// How deep a text may be nested.
const DEPTH: usize = 64;

/// What becomes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is handed on as it is.
    Accepted,
    /// It is JSON, if only to Python, and neither a request nor a response.
    Malformed,
    /// Python does not read it either: it counts as not decrypted.
    NoJson,
}
use Verdict::{Accepted, Malformed, NoJson};

/// Values of a member that the format does not name.
fn values() -> Vec<(String, Verdict)> {
    // The member is two levels deep.
    let arrays = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth| r#"{"a":"#.repeat(depth) + "0" + &"}".repeat(depth);
    let many_keys = |last: &str| {
        let keys: String = (0..40).map(|key| format!("\"key {key}\": 0, ")).collect();
        format!("{{{keys}{last}: 1}}")
    };
    let mut values: Vec<(String, Verdict)> = vec![
        // depth
        (arrays(DEPTH - 2), Accepted),
        (arrays(DEPTH - 1), Malformed),
        (objects(DEPTH - 2), Accepted),
        (objects(DEPTH - 1), Malformed),
        (arrays(100_000), Malformed),
        (objects(100_000), Malformed),
        ("[".repeat(100_000), NoJson),
        (r#"{"a":"#.repeat(100_000), NoJson),
        (r#"[{"a":"#.repeat(50_000), NoJson),
        ("[".repeat(DEPTH - 2) + &"]".repeat(DEPTH - 3), NoJson),
        // numbers
        ("1".repeat(5_000), Accepted),
        (format!("-{}", "9".repeat(5_000)), Accepted),
        (format!("0.{}", "1".repeat(5_000)), Accepted),
        (format!("1e{}", "9".repeat(5_000)), Accepted),
        // keys that stand twice
        (r#"{"a": 1, "a": 1}"#.into(), Malformed),
        (r#"{"a": 1, "a": 2}"#.into(), Malformed),
        (r#"{"a": 1, "\u0061": 2}"#.into(), Malformed),
        (r#"{"\u0061": 1, "a": 2}"#.into(), Malformed),
        (r#"{"": 1, "": 2}"#.into(), Malformed),
        (r#"{"\ud83d\ude00": 1, "😀": 2}"#.into(), Malformed),
        (r#"{"\/": 1, "/": 2}"#.into(), Malformed),
        (r#"{"a": {"a": {"a": 1}}}"#.into(), Accepted),
        (r#"[{"a": 1}, {"a": 2}]"#.into(), Accepted),
        (r#"[{"a": {"b": 1, "b": 2}}]"#.into(), Malformed),
        (r#"{"a": 1, "A": 2}"#.into(), Accepted),
        (many_keys("\"key 40\""), Accepted),
        (many_keys("\"key 39\""), Malformed),
        (many_keys("\"key 0\""), Malformed),
        (many_keys("\"key \\u0030\""), Malformed),
    ];
    for value in [
        // numbers
        "0",
        "-0",
        "1e999",
        "-1e999",
        "1E+2",
        "1e-999",
        "0.0",
        // strings
        r#""""#,
        r#""\u0000""#,
        r#""\ud83d\ude00""#,
        "\"\u{7f}\"",
        "\"\u{feff}\"",
        r#""\/""#,
        "\"\u{2028}\"",
        "\"\u{ffff}\"",
        // words and containers
        "null",
        "true",
        "[]",
        "{}",
        "[ \t\r\n ]",
        "[[],{}]",
    ] {
        values.push((value.into(), Accepted));
    }
    for value in [
        // numbers
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN, -Infinity, Infinity]",
        // lone surrogates
        r#""\ud800""#,
        r#""\udfff""#,
        r#""\udc00\ud800""#,
        r#""\ud800\ud800""#,
        r#""\ud800 ""#,
        r#""\ud800\n""#,
        r#""\ud83d\\ude00""#,
        r#"{"\ud800": 1}"#,
    ] {
        values.push((value.into(), Malformed));
    }
    for value in [
        // numbers
        "nan",
        "-NaN",
        "+Infinity",
        "- Infinity",
        "inf",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "-",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "1,000",
        "\u{661}",
        "\u{ff11}",
        "--1",
        "1.2.3",
        "1e1.5",
        "- 1",
        "1f",
        // escapes
        r#""\x41""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u{41}""#,
        r#""\'""#,
        r#""\a""#,
        r#""\U0041""#,
        r#""\u+041""#,
        r#""\0""#,
        "\"\\\n\"",
        // strings and containers without an end, with another's end, with more or less in them
        r#"""#,
        r#""a"#,
        r#"'a'"#,
        "\u{201c}a\u{201d}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "{null:1}",
        "[1]]",
        "{}}",
        // words and comments
        "True",
        "NULL",
        "nul",
        "nulll",
        "tru",
        "None",
        "undefined",
        "/**/ 1",
        "1 // one",
        "# 1",
        // blanks that are none
        "\u{a0}1",
        "\u{2003}1",
        "\u{b}1",
        "\u{c}1",
        "\u{feff}1",
        "\u{85}1",
        // nothing
        "",
    ] {
        values.push((value.into(), NoJson));
    }
    for control in 0..0x20u8 {
        values.push((format!("\"{}\"", char::from(control)), NoJson));
        let is_blank = matches!(control, b'\t' | b'\n' | b'\r');
        let verdict = if is_blank { Accepted } else { NoJson };
        values.push((format!("[{}1]", char::from(control)), verdict));
    }
    values
}

/// Whole texts, around a right one.
fn texts(right: &str) -> Vec<(Vec<u8>, Verdict)> {
    let around = |before: &str, behind: &str| format!("{before}{right}{behind}").into_bytes();
    let mut texts = vec![
        (around("", ""), Accepted),
        (around(" \t\r\n", " \t\r\n"), Accepted),
        (around("\u{feff}", ""), NoJson),
        (around("", "\u{feff}"), NoJson),
        (around("\0", ""), NoJson),
        (around("", "\0"), NoJson),
        (around("", " x"), NoJson),
        (around("", ","), NoJson),
        (around("", "}"), NoJson),
        (around("", "{}"), NoJson),
        (around("", "\n1"), NoJson),
        (around("", right), NoJson),
        (around("(", ")"), NoJson),
        (around(")]}',\n", ""), NoJson),
        (around("\u{1e}", "\n"), NoJson),
        (around("[", "]"), Malformed),
        (around("{\"x\": ", "}"), Malformed),
        (around("", "")[1..].to_vec(), NoJson),
        (around("", "")[..right.len() - 1].to_vec(), NoJson),
        (
            right.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            NoJson,
        ),
        (
            right.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            NoJson,
        ),
    ];
    for text in ["1", "null", "\"a\"", "[]", "{}", "NaN"] {
        texts.push((text.as_bytes().to_vec(), Malformed));
    }
    for text in ["", " ", "{", "-NaN"] {
        texts.push((text.as_bytes().to_vec(), NoJson));
    }
    // Bytes that are no UTF-8: alone, a byte missing, overlong, a surrogate, beyond Unicode.
    for bytes in [
        &[0x80][..],
        &[0xff],
        &[0xfe],
        &[0xc3],
        &[0xe2, 0x82],
        &[0xf0, 0x9f, 0x98],
        &[0xc0, 0x80],
        &[0xc1, 0xbf],
        &[0xe0, 0x80, 0x80],
        &[0xf0, 0x80, 0x80, 0x80],
        &[0xed, 0xa0, 0x80],
        &[0xed, 0xbf, 0xbf],
        &[0xf4, 0x90, 0x80, 0x80],
        &[0xf8, 0x88, 0x80, 0x80, 0x80],
        &[0xc3, 0x28],
    ] {
        let (start, end) = right.as_bytes().split_at(right.len() - 1);
        let within = [start, b", \"x\": \"", bytes, b"\"", end].concat();
        texts.push((within, NoJson));
        texts.push(([right.as_bytes(), bytes].concat(), NoJson));
    }
    texts
}

fn check(protocol: Protocol, role: Role, text: &[u8], verdict: Verdict) {
    let act = Act::receive(role);
    // The largest of these texts have a length that is within all limits.
    let (session, bytes) = session_and_message(role, protocol, text);
    let played = play(session, &[act], &bytes);
    let shown = String::from_utf8_lossy(&text[..text.len().min(200)]);
    let expected = match (verdict, role) {
        (Accepted, _) => None,
        // A record without a text is none, which its length tells.
        (NoJson, _) if text.is_empty() && protocol == Protocol::Gcm => {
            Some(Reason::ProtocolViolation)
        }
        (NoJson, _) => Some(Reason::DecryptionFailed),
        (Malformed, Role::Server) => Some(Reason::MalformedRequest),
        (Malformed, Role::Client) => Some(Reason::MalformedResponse),
    };
    assert_eq!(played.reason(), expected, "{protocol:?} {role:?}: {shown}");
    if verdict == Accepted {
        // Every digit and every blank within is there.
        let text = str::from_utf8(text).unwrap();
        let blanks = [' ', '\t', '\r', '\n'];
        assert_eq!(played.messages, [text.trim_matches(blanks)]);
    }
    if protocol != Protocol::Gcm {
        // What is wrong with a text is not told to the peer.
        assert_eq!(played.sent, b"1");
    }
}

#[test]
fn texts_that_are_no_json() {
    let request = |value: &str| format!(r#"{{"verb": "STAT", "parameters": {{"x": {value}}}}}"#);
    let response =
        |value: &str| format!(r#"{{"success": true, "message": "OK", "data": {{"x": {value}}}}}"#);
    let mut cases = 0;
    for protocol in FRAMINGS {
        for role in [Role::Server, Role::Client] {
            for (value, verdict) in values() {
                let text = match role {
                    Role::Server => request(&value),
                    Role::Client => response(&value),
                };
                check(protocol, role, text.as_bytes(), verdict);
                cases += 1;
            }
            let right = match role {
                Role::Server => request("0"),
                Role::Client => response("0"),
            };
            for (text, verdict) in texts(&right) {
                check(protocol, role, &text, verdict);
                cases += 1;
            }
        }
        // Keys of the format itself that stand twice.
        for text in [
            r#"{"verb": "STAT", "verb": "STAT", "parameters": {}}"#,
            r#"{"verb": "STAT", "parameters": {}, "v\u0065rb": "DESTROY"}"#,
            r#"{"verb": "STAT", "parameters": {}, "parameters": {"x": 0}}"#,
        ] {
            check(protocol, Role::Server, text.as_bytes(), Malformed);
            cases += 1;
        }
        for text in [
            r#"{"success": false, "success": true, "message": "OK", "data": {}}"#,
            r#"{"success": true, "message": "OK", "data": {}, "d\u0061ta": {"x": 0}}"#,
        ] {
            check(protocol, Role::Client, text.as_bytes(), Malformed);
            cases += 1;
        }
        // Numbers where the format wants an integer.
        for value in [
            "1e999",
            "1e2",
            "NaN",
            "1.0",
            "\"1\"",
            "-1",
            "99999999999999999999999999",
        ] {
            let text = format!(
                r#"{{"success": true, "message": "OK", "data": {{"uptime": {value}, "version": "1"}}}}"#
            );
            let verdict = match value {
                "99999999999999999999999999" => Accepted,
                _ => Malformed,
            };
            check(protocol, Role::Client, text.as_bytes(), verdict);
            cases += 1;
        }
    }
    tell(cases, "texts");
}
