//! The validator of requests and responses against the tables of the protocol's description.

use anwdl::message::{Request, Response};

use super::input::Input;
use super::model::format::{request_errors, response_errors, sorted};
use super::model::json::parse;

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const SHA256: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const DATA_FIELDS: [&str; 8] = [
    "container_uuid",
    "client_token",
    "container_iso_sha256",
    "container_username",
    "container_password",
    "container_listen_port",
    "uptime",
    "version",
];

/// A raw text, or a message that is made of choices.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let text = match input.below(4) {
        0 => match std::str::from_utf8(input.rest()) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
        1 | 2 => response(&mut input),
        _ => request(&mut input),
    };
    let tree = parse(&text);
    for (found, expected) in [
        (Request::errors_of(&text), request_errors as fn(&_) -> _),
        (Response::errors_of(&text), response_errors),
    ] {
        match (&tree, found) {
            (Ok(tree), Ok(found)) => {
                let found = found
                    .map(|errors| sorted(&serde_json::from_str(&errors).expect("errors are JSON")));
                assert_eq!(found, expected(tree), "{text}");
            }
            (Err(_), Err(_)) => {}
            other => panic!("{other:?} of {text}"),
        }
    }
}

fn request(input: &mut Input<'_>) -> String {
    let verb = value(input, "verb");
    let parameters = object(input, &DATA_FIELDS[..2]);
    members(input, &[("verb", verb), ("parameters", parameters)])
}

fn response(input: &mut Input<'_>) -> String {
    let success = value(input, "success");
    let message = value(input, "message");
    let data = object(input, &DATA_FIELDS);
    members(
        input,
        &[("success", success), ("message", message), ("data", data)],
    )
}

fn object(input: &mut Input<'_>, names: &[&str]) -> String {
    if input.below(16) == 15 {
        return value(input, "anything");
    }
    let members: Vec<_> = names
        .iter()
        .map(|name| (*name, value(input, name)))
        .collect();
    self::members(input, &members)
}

/// An object of these members, of which some may be missing and one may stand in addition.
fn members(input: &mut Input<'_>, members: &[(&str, String)]) -> String {
    let missing = input.byte();
    let is_cut = input.flag();
    let mut text = "{".to_owned();
    for (at, (name, value)) in members.iter().enumerate() {
        if is_cut && missing >> (at % 8) & 1 == 1 {
            continue;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&format!("\"{name}\": {value}"));
    }
    if input.below(8) == 7 {
        let more = value(input, "anything");
        let comma = if text.len() > 1 { "," } else { "" };
        text.push_str(&format!("{comma} \"more\":{more}"));
    }
    text.push('}');
    text
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of a value: a good one for this field more often than not.
fn value(input: &mut Input<'_>, name: &str) -> String {
    let good = match name {
        "success" => input.pick(&["true", "false"]).to_owned(),
        "verb" => quoted(input.pick(&["STAT", "A", "CREATE"])),
        "container_uuid" => quoted(UUID),
        "client_token" => quoted(&"Az0-_".repeat(51)),
        "container_iso_sha256" => quoted(SHA256),
        "container_username" => quoted("user_12345"),
        "container_password" => quoted("Az09"),
        "container_listen_port" => input.pick(&["1", "65535", "2222"]).to_owned(),
        "uptime" => input
            .pick(&["0", "18446744073709551616", "86400"])
            .to_owned(),
        _ => quoted("1.0.0"),
    };
    match input.below(24) {
        16 => "null".to_owned(),
        17 => input
            .pick(&[
                "0",
                "-1",
                "65536",
                "-0",
                "1.0",
                "1e3",
                "-18446744073709551617",
            ])
            .to_owned(),
        18 => input
            .pick(&["true", "false", "[]", "{}", "[null]"])
            .to_owned(),
        19 => quoted(&String::from_utf8_lossy(input.chunk())),
        20 => {
            let mut text = good.into_bytes();
            input.damage(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
        // A character written in another way.
        21 => match good.char_indices().nth(2) {
            Some((at, character)) if good.starts_with('"') && character != '"' => {
                let escaped = format!("\\u{:04x}", u32::from(character));
                let mut text = good.clone();
                text.replace_range(at..at + character.len_utf8(), &escaped);
                text
            }
            _ => good,
        },
        // A good text and something behind it.
        22 => match good.strip_suffix('"') {
            Some(start) => format!(
                "{start}{}\"",
                input.pick(&["\\n", "\\u0000", "a", "\u{661}"])
            ),
            None => good,
        },
        23 => String::from_utf8_lossy(input.chunk()).into_owned(),
        _ => good,
    }
}
