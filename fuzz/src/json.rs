//! The reader of JSON against the model and against `serde_json`, and the texts that C borrows
//! from a request.

use std::sync::Arc;

use anwdl::message::{Data, Request, Value, ValueType};
use anwdl::protocol::session::{Config, Message, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper};

use super::drive::go_on;
use super::model::format::request_errors;
use super::model::framing::{Keys, Wire};
use super::model::json::{DEEPEST, Refusal, Tree, parse};

/// Texts with this in them mean something else to `serde_json`.
const SERDE_NUMBER: &str = "$serde_json::private";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let expected = parse(text);
    let found = Request::errors_of(text);
    assert_eq!(found.is_ok(), expected.is_ok(), "{found:?}, {expected:?}");
    compare_with_serde(text, &expected);

    let data = Data::from_json(text);
    let Ok(tree @ Tree::Object(_)) = expected else {
        data.expect_err("it is no object");
        return;
    };
    let written = data.and_then(|data| data.to_json());
    let written = written.expect("it is an object");
    assert_eq!(parse(&written), Ok(tree.clone()), "{}", *written);
    if tree.depth() < DEEPEST {
        check_parameters(text, &tree);
    }
}

fn compare_with_serde(text: &str, expected: &Result<Tree, Refusal>) {
    if text.contains(SERDE_NUMBER) {
        return;
    }
    let found = serde_json::from_str::<serde_json::Value>(text);
    match expected {
        Ok(tree) => assert!(is_same(tree, &found.expect("it is JSON")), "{text}"),
        Err(Refusal::NoJson) => drop(found.expect_err("it is no JSON")),
        // It knows no such limits, or others.
        Err(Refusal::KeyTwice | Refusal::TooDeep) => {}
    }
}

fn is_same(tree: &Tree, value: &serde_json::Value) -> bool {
    use serde_json::Value;

    match (tree, value) {
        (Tree::Null, Value::Null) => true,
        (Tree::Boolean(one), Value::Bool(other)) => one == other,
        // It writes exponents in its own way.
        (Tree::Number(one), Value::Number(other)) => {
            tree.integer().is_none() || *one == other.to_string()
        }
        (Tree::Text(one), Value::String(other)) => one == other,
        (Tree::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Tree::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((name, one), (other_name, other))| {
                        name == other_name && is_same(one, other)
                    })
        }
        _ => false,
    }
}

/// What a server gets to know of parameters.
fn check_parameters(text: &str, tree: &Tree) {
    let request = format!("{{\"verb\":\"A\",\"parameters\":{text}}}");
    let whole = parse(&request).expect("it was made of JSON");
    let errors = Request::errors_of(&request).expect("it was made of JSON");
    assert_eq!(errors.is_some(), request_errors(&whole).is_some());
    if errors.is_some() {
        return;
    }
    let request = receive(&request);
    assert_eq!(request.verb(), "A");
    assert_eq!(request.verb_with_nul(), "A\0");
    let parameters = text.trim_matches([' ', '\t', '\r', '\n']);
    assert_eq!(request.parameters_json(), parameters);
    assert_eq!(
        request.parameters_json_with_nul(),
        Ok(&*format!("{parameters}\0"))
    );
    let Tree::Object(members) = tree else {
        unreachable!("it is an object");
    };
    for (name, value) in members {
        let string = match value {
            Tree::Text(text) => Some(text.as_str()),
            _ => None,
        };
        assert_eq!(request.string(name), string);
        let with_nul = string.map(|text| format!("{text}\0"));
        assert_eq!(request.string_with_nul(name), Ok(with_nul.as_deref()));
        let integer = value.integer().and_then(|digits| digits.parse().ok());
        assert_eq!(request.integer(name), integer);
        let boolean = match value {
            Tree::Boolean(value) => Some(*value),
            _ => None,
        };
        assert_eq!(request.boolean(name), boolean);
    }
    assert_eq!(read_back(request.parameters()), *tree);
    let absent = "a name that no parameter has: \u{1f50d}";
    if tree.get(absent).is_none() {
        assert_eq!(request.string(absent), None);
        assert_eq!(request.integer(absent), None);
        assert_eq!(request.boolean(absent), None);
    }
}

/// A value, as reading it piece by piece gives it.
fn read_back(value: Value<'_>) -> Tree {
    match value.value_type() {
        ValueType::Null => Tree::Null,
        ValueType::Boolean => Tree::Boolean(value.boolean("").unwrap()),
        ValueType::Integer | ValueType::Float => Tree::Number(value.to_json().unwrap().to_string()),
        ValueType::String => Tree::Text(value.string("").unwrap().to_owned()),
        ValueType::Array => Tree::Array(value.elements().map(read_back).collect()),
        ValueType::Object => {
            let members = value.elements().map(|member| {
                let name = member.name_with_nul().unwrap().expect("it is a member");
                (name[..name.len() - 1].to_owned(), read_back(member))
            });
            Tree::Object(members.collect())
        }
    }
}

/// The request of this text, as it comes out of a session.
fn receive(text: &str) -> Arc<Request> {
    let mut config = Config::new(Role::Server);
    config.exchange_keys = false;
    let mut session = Session::new(config);
    let mut aes = AesWrapper::new(256, AesMode::Cbc).unwrap();
    aes.set_key(&[1; 32], &[2; 16]).unwrap();
    session.set_aes_wrapper(&aes).unwrap();
    let wire = Wire {
        role: Role::Server,
        pinned: Protocol::Auto,
        settled: None,
        keys: Keys::Cbc {
            key: vec![1; 32],
            iv: [2; 16],
        },
        largest: 0,
        sent: 0,
        received: 0,
    };
    let bytes = wire.write(Protocol::V4, text.as_bytes(), [3; 16]);
    session.begin_receive().unwrap();
    match go_on(&mut session, &bytes, usize::MAX, &mut Vec::new()) {
        (_, Some(Ok(Some(Message::Request(request))))) => request,
        other => panic!("{other:?}"),
    }
}
