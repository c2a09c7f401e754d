//! Requests and responses, as the tables of the protocol's description have them, and the errors
//! that `cerberus` gives for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json::Tree;

/// Names of fields, with their lists of messages.
pub type Errors = BTreeMap<String, Vec<Value>>;

/// What is wrong with a request; `None` if nothing is.
pub fn request_errors(request: &Tree) -> Option<Value> {
    message_errors(
        request,
        "request",
        &[("verb", check_verb), ("parameters", check_parameters)],
    )
}

/// What is wrong with a response; `None` if nothing is.
pub fn response_errors(response: &Tree) -> Option<Value> {
    message_errors(
        response,
        "response",
        &[
            ("success", check_success),
            ("message", check_any_text),
            ("data", check_data),
        ],
    )
}

/// What is wrong with the data of a response; `None` if nothing is.
pub fn data_errors(data: &Tree) -> Option<Value> {
    finish(check_fields(data, DATA_FIELDS, DATA_GROUPS))
}

type Check = fn(&Tree) -> Vec<Value>;

fn message_errors(message: &Tree, kind: &str, required: &[(&str, Check)]) -> Option<Value> {
    if !matches!(message, Tree::Object(_)) {
        return Some(json!({kind: ["must be of dict type"]}));
    }
    let mut errors = Errors::new();
    for (name, check) in required {
        let problems = match message.get(name) {
            None => vec![json!("required field")],
            Some(value) => check(value),
        };
        errors.insert((*name).to_owned(), problems);
    }
    finish(errors)
}

/// As one value, in which lists are in order, since theirs is free.
fn finish(mut errors: Errors) -> Option<Value> {
    errors.retain(|_, problems| !problems.is_empty());
    if errors.is_empty() {
        return None;
    }
    Some(sorted(&json!(errors)))
}

/// Brings the messages of a list, the order of which is free, into one order.
pub fn sorted(errors: &Value) -> Value {
    match errors {
        Value::Array(list) => {
            let mut list: Vec<_> = list.iter().map(sorted).collect();
            list.sort_by_key(Value::to_string);
            Value::Array(list)
        }
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            members.into_iter().collect()
        }
        other => other.clone(),
    }
}

const REQUEST_FIELDS: &[(&str, Check)] = &[
    ("container_uuid", check_uuid),
    ("client_token", check_token),
];
const REQUEST_GROUPS: &[&[&str]] = &[&["container_uuid", "client_token"]];

const DATA_FIELDS: &[(&str, Check)] = &[
    ("container_uuid", check_uuid),
    ("client_token", check_token),
    ("container_iso_sha256", check_sha256),
    ("container_username", check_user_name),
    ("container_password", check_password),
    ("container_listen_port", check_port),
    ("uptime", check_uptime),
    ("version", check_any_text),
];
const DATA_GROUPS: &[&[&str]] = &[
    &[
        "container_uuid",
        "client_token",
        "container_iso_sha256",
        "container_username",
        "container_password",
        "container_listen_port",
    ],
    &["uptime", "version"],
];

fn check_fields(object: &Tree, fields: &[(&str, Check)], groups: &[&[&str]]) -> Errors {
    let mut errors = Errors::new();
    for (name, check) in fields {
        let Some(value) = object.get(name) else {
            continue;
        };
        let mut problems = check(value);
        let has_wrong_type = problems.iter().any(|problem| {
            problem
                .as_str()
                .is_some_and(|text| text.starts_with("must be of "))
        });
        // Where the type is wrong, nothing more is said.
        if !has_wrong_type {
            let group = groups.iter().find(|group| group.contains(name));
            for other in *group.expect("each field is in a group") {
                if other != name && object.get(other).is_none() {
                    problems.push(json!(format!("field '{other}' is required")));
                }
            }
        }
        errors.insert((*name).to_owned(), problems);
    }
    errors
}

fn wrong_type(name: &str) -> Vec<Value> {
    vec![json!(format!("must be of {name} type"))]
}

fn null() -> Vec<Value> {
    vec![json!("null value not allowed")]
}

fn check_object(value: &Tree, fields: &[(&str, Check)], groups: &[&[&str]]) -> Vec<Value> {
    match value {
        Tree::Null => null(),
        Tree::Object(_) => finish(check_fields(value, fields, groups))
            .into_iter()
            .collect(),
        _ => wrong_type("dict"),
    }
}

fn check_parameters(value: &Tree) -> Vec<Value> {
    check_object(value, REQUEST_FIELDS, REQUEST_GROUPS)
}

fn check_data(value: &Tree) -> Vec<Value> {
    check_object(value, DATA_FIELDS, DATA_GROUPS)
}

fn check_success(value: &Tree) -> Vec<Value> {
    match value {
        Tree::Null => null(),
        Tree::Boolean(_) => Vec::new(),
        _ => wrong_type("boolean"),
    }
}

fn check_text(value: &Tree, pattern: &str, matches: fn(&str) -> bool) -> Vec<Value> {
    match value {
        Tree::Null => null(),
        Tree::Text(text) if matches(text) => Vec::new(),
        Tree::Text(_) => vec![json!(format!("value does not match regex '{pattern}'"))],
        _ => wrong_type("string"),
    }
}

fn check_any_text(value: &Tree) -> Vec<Value> {
    check_text(value, "", |_| true)
}

fn check_verb(value: &Tree) -> Vec<Value> {
    check_text(value, "^[A-Z]{1,}$", |text| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

fn is_lower_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
}

fn check_uuid(value: &Tree) -> Vec<Value> {
    let pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    check_text(value, pattern, |text| {
        let parts: Vec<_> = text.split('-').collect();
        let lens = [8, 4, 4, 4, 12];
        parts.len() == lens.len()
            && parts
                .iter()
                .zip(lens)
                .all(|(part, len)| is_lower_hex(part, len))
    })
}

fn check_token(value: &Tree) -> Vec<Value> {
    check_text(value, "^[0-9a-zA-Z-_]{255}$", |text| {
        text.len() == 255
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

fn check_sha256(value: &Tree) -> Vec<Value> {
    check_text(value, "^[a-f0-9]{64}$", |text| is_lower_hex(text, 64))
}

fn check_user_name(value: &Tree) -> Vec<Value> {
    check_text(value, "^user_[0-9]{5}$", |text| {
        text.strip_prefix("user_")
            .is_some_and(|rest| rest.len() == 5 && rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn check_password(value: &Tree) -> Vec<Value> {
    check_text(value, "^[a-zA-Z0-9]+$", |text| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn check_integer(value: &Tree, min: i128, max: Option<i128>) -> Vec<Value> {
    let number = match value {
        Tree::Null => return null(),
        // As in Python.
        Tree::Boolean(is_true) => i128::from(*is_true),
        _ => match value.integer() {
            None => return wrong_type("integer"),
            // What has too many digits for this lies beyond every bound.
            Some(digits) => digits.parse().unwrap_or(if digits.starts_with('-') {
                i128::MIN
            } else {
                i128::MAX
            }),
        },
    };
    let mut problems = Vec::new();
    if number < min {
        problems.push(json!(format!("min value is {min}")));
    }
    if let Some(max) = max
        && number > max
    {
        problems.push(json!(format!("max value is {max}")));
    }
    problems
}

fn check_port(value: &Tree) -> Vec<Value> {
    check_integer(value, 1, Some(65535))
}

fn check_uptime(value: &Tree) -> Vec<Value> {
    check_integer(value, 0, None)
}
