//! The validator against `cerberus` itself, the Python package that the released servers
//! and clients check their messages with: the same verdict and the same errors.
//!
//! `tests/interop/validator_cases.py` makes the cases and asks `cerberus` about each.
//! ANWDL_VALIDATOR_CASES names a file of other cases than the committed ones.

use std::collections::BTreeMap;

use anwdl::message::{Request, Response};
use serde_json::Value;

#[test]
fn gives_the_verdicts_and_the_errors_of_cerberus() {
    let path = std::env::var("ANWDL_VALIDATOR_CASES").unwrap_or_else(|_| {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/validator-cases.jsonl"
        )
        .to_owned()
    });
    let cases = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut compared = BTreeMap::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect("a case is one line of JSON");
        let text = case["text"].as_str().expect("a case has a text");
        let kind = case["kind"].as_str().expect("a case has a kind");
        let errors = match kind {
            "request" => Request::errors_of(text),
            "response" => Response::errors_of(text),
            other => panic!("{other} is no kind of message"),
        };
        let errors = errors.unwrap_or_else(|error| panic!("{text}: {error}"));
        let given =
            errors.map(|errors| sorted(&serde_json::from_str(&errors).expect("errors are JSON")));
        let expected = Some(&case["errors"])
            .filter(|errors| !errors.is_null())
            .map(sorted);
        assert_eq!(given, expected, "{text}");
        assert_eq!(
            given.is_none(),
            case["valid"].as_bool().expect("a case has a verdict"),
            "{text}"
        );
        *compared
            .entry((kind.to_owned(), given.is_none()))
            .or_insert(0) += 1;
    }
    println!("cases compared, by kind and verdict: {compared:?}");
    assert!(compared.values().sum::<usize>() >= 2000, "{compared:?}");
    assert!(
        compared.len() == 4 && compared.values().all(|&count| count >= 100),
        "{compared:?}"
    );
}

/// The order of the messages in a list is free: put them in one.
fn sorted(errors: &Value) -> Value {
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
