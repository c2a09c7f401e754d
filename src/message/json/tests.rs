//! Which texts are accepted, and the errors of the others.

use super::reader::{Brackets, DUPLICATE_KEY, LONE_SURROGATE, MAX_COMPARED_LEN, TOO_DEEP};
use super::scan::{digits_end, plain_end};
use super::*;

fn python_reads(text: &str) -> bool {
    super::python_reads(text, &mut ())
}

fn problem(text: &str) -> &'static str {
    check(text, Origin::Peer).expect_err(text).problem
}

#[test]
fn accepts_what_the_standard_allows() {
    for text in [
        "null",
        " true ",
        "\t\r\nfalse\n",
        "0",
        "-0",
        "12",
        "-1.5e+10",
        "1E400",
        "\"\"",
        "[]",
        "{}",
        "[ 1 , 2 ]",
        r#"{"a":{"b":[null]},"c":"\u00e9\ud83d\ude00"}"#,
        r#""\"\\\/\b\f\n\r\t""#,
        "\"\u{7f}é😀\"",
    ] {
        check(text, Origin::Peer).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
    }
    check(&"9".repeat(5000), Origin::Peer).unwrap();
}

#[test]
fn refuses_what_is_no_json() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "'a'",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\t\"",
        "\"\0\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[1 2]",
        "{",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1",
        "1 2",
        "{}{}",
        "\u{feff}1",
        "[1}",
        "{\"a\":1]",
        "/**/1",
    ] {
        problem(text);
    }
}

#[test]
fn refuses_half_surrogate_pairs() {
    for text in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        r#""\ud800x""#,
        r#""\ud800\ud800""#,
    ] {
        assert_eq!(problem(text), LONE_SURROGATE, "{text}");
        assert!(python_reads(text));
    }
}

#[test]
fn refuses_a_key_that_stands_twice_however_it_is_written() {
    assert_eq!(problem(r#"{"a":1,"a":2}"#), DUPLICATE_KEY);
    for text in [
        r#"{"a":1,"\u0061":2}"#,
        r#"{"\u0061":1,"b":2,"\u0061":2}"#,
        r#"[{"x":{"é":1,"\u00e9":2}}]"#,
    ] {
        assert_eq!(problem(text), DUPLICATE_KEY);
    }
    let long = "k".repeat(MAX_COMPARED_LEN);
    for text in [
        format!(r#"{{"{long}l":1,"b":2,"{long}l":3}}"#),
        format!(r#"{{"{long}l":1,"b":2,"{long}\u006c":3}}"#),
    ] {
        assert_eq!(problem(&text), DUPLICATE_KEY);
        assert!(python_reads(&text));
    }
    check(r#"{"a":{"a":1},"b":{"a":1}}"#, Origin::Peer).unwrap();
    check(
        &format!(r#"{{"{long}":1,"{long}l":2,"{long}m":3}}"#),
        Origin::Peer,
    )
    .unwrap();
    check(r#"{"\u0061":{"\u0061":1},"\u0062":{"a":1}}"#, Origin::Peer).unwrap();
    let members = |count: usize| {
        (0..count)
            .map(|i| format!("\"k{i}\":{i}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    for count in [15, 16, 17, 18, 1000] {
        check(&format!("{{{}}}", members(count)), Origin::Peer).unwrap();
        for twice in [0, count / 2, count - 1] {
            let text = format!("{{{},\"k{twice}\":0}}", members(count));
            assert_eq!(problem(&text), DUPLICATE_KEY, "{count} {twice}");
        }
    }
}

#[test]
fn reads_to_the_largest_depth_and_no_deeper() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth));
        check(&nested(MAX_DEPTH), Origin::Peer).unwrap();
        for depth in [65, 128, 129, 1_000_000] {
            let text = nested(depth);
            assert_eq!(problem(&text), TOO_DEEP);
            assert!(python_reads(&text));
            assert!(!python_reads(&text[..text.len() - 1]));
            assert!(!python_reads(&format!("{text}{close}")));
        }
        problem(&open.repeat(1_000_000));
    }
}

#[test]
fn says_where_the_problem_is() {
    assert_eq!(
        check("[1, x]", Origin::Peer).map(drop),
        Err(JsonError {
            offset: 4,
            problem: "no value starts like this: strings need double quotes",
            is_python: false,
        })
    );
}

#[test]
fn lists_members_as_they_are_written() {
    let text = r#" { "a" : [1, {"b": "]}"}] , "\u0062\"": "x\\" ,"c":-1.5E2,"d":true, "e":{}} "#;
    let object = check(text, Origin::Peer).unwrap().object().unwrap();
    let members: Vec<_> = object
        .members()
        .map(|(key, value)| (key.decode().into_owned(), value.as_written()))
        .collect();
    let expected = [
        ("a", r#"[1, {"b": "]}"}]"#),
        ("b\"", r#""x\\""#),
        ("c", "-1.5E2"),
        ("d", "true"),
        ("e", "{}"),
    ];
    assert_eq!(
        members,
        expected.map(|(key, value)| (key.to_owned(), value))
    );
    assert_eq!(
        check("{}", Origin::Peer)
            .unwrap()
            .object()
            .unwrap()
            .members()
            .count(),
        0
    );
}

#[test]
fn tells_kinds_apart() {
    let kind = |text| check(text, Origin::Peer).unwrap().kind();
    assert!(matches!(kind("null"), Kind::Null));
    assert!(matches!(kind("true"), Kind::Boolean(true)));
    assert!(matches!(kind("-12"), Kind::Integer("-12")));
    assert!(matches!(kind("1.0"), Kind::Fraction("1.0")));
    assert!(matches!(kind("1e2"), Kind::Fraction("1e2")));
    assert!(matches!(kind("[]"), Kind::Array));
    assert!(matches!(kind("{}"), Kind::Object(_)));
    let Kind::String(text) = kind(r#""\u0041\ud83d\ude00\n""#) else {
        panic!("a string")
    };
    assert_eq!(text.decode(), "A😀\n");
    assert!(text == *"A😀\n");
    assert!(text != *"A" && text != *r"\u0041\ud83d\ude00\n");
}

/// Each text, whether Python 3.11's `json.loads` reads it, and where the flaw is.
const READ_BY_PYTHON: &[(&str, bool, usize)] = &[
    ("NaN", true, 0),
    ("[-Infinity]", true, 1),
    ("[1, Infinity ]", true, 4),
    ("-NaN", false, 1),
    ("-Inf", false, 1),
    ("NaNa", false, 0),
    ("[NaN,]", false, 1),
    (r#"{"\ud800": NaN, "a": 1, "a": 2}"#, true, 2),
    (r#"{"a": 1, "b": 2, "a": 3, "a": 4}"#, true, 17),
    (r#"{"b": 1, "\u0061": 2, "a": 3, "c": 4}"#, true, 22),
    (
        r#"{"a": 3, "c": {"\u0061": 2, "b": 1, "\u0061": 3}}"#,
        true,
        36,
    ),
    (r#"{"\ud800": 1, "\ud800": 2}"#, true, 2),
    (r#""\ud800\ud83d\ude00""#, true, 1),
    (r#""\ud800\u12""#, false, 1),
    (r#""\udc00é""#, true, 1),
    (r#""\ud800é\n""#, true, 1),
];

#[test]
fn tells_what_python_reads_all_the_same() {
    for &(text, is_read, offset) in READ_BY_PYTHON {
        let problem = check(text, Origin::Peer).expect_err(text);
        assert_eq!(
            (problem.is_python, problem.offset),
            (is_read, offset),
            "{text}"
        );
        assert_eq!(python_reads(text), is_read);
        assert_eq!(check(text, Origin::Caller).unwrap_err(), problem);
    }
    assert!(python_reads("{}") && !python_reads("{},"));
}

#[test]
fn what_is_too_deep_is_read_to_its_end() {
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(64), "]".repeat(64));
    for inner in [
        "[]",
        "{}",
        "[ [ ] , { } , 1 ]",
        r#"{ "a" : [ { "b" : {} , "c" : [NaN , -0.5e1] } ] , "a" : "\ud800" }"#,
    ] {
        let text = nested(inner);
        let problem = check(&text, Origin::Peer).unwrap_err();
        assert_eq!((problem.problem, problem.offset), (TOO_DEEP, 64));
        assert!(problem.is_python, "{inner}");
    }
    for inner in [
        "[}",
        "{]",
        "[1,]",
        "{,}",
        "{\"a\"}",
        "[1 2]",
        "[[1}]",
        "{\"a\":[}",
        "['a']",
    ] {
        assert!(!python_reads(&nested(inner)), "{inner}");
    }
}

#[test]
fn brackets_are_closed_in_the_other_order() {
    let mut open = Brackets::default();
    let is_object = |at: usize| at % 3 == 1 || at % 7 == 2;
    for at in 0..1000 {
        open.open(is_object(at)).unwrap();
    }
    for at in (0..1000).rev() {
        assert_eq!(open.innermost(), Some(is_object(at)), "{at}");
        open.close();
    }
    assert_eq!(open.innermost(), None);
}

#[test]
fn integers_that_python_does_not_read_are_not_sent() {
    let digits = "9".repeat(MAX_PYTHON_INTEGER_LEN);
    for text in [
        digits.clone(),
        format!("-{digits}"),
        format!("{digits}9.0"),
        format!("{digits}9e0"),
        "1e400".into(),
        "-0".into(),
        "123456789012345678901234567890".into(),
    ] {
        check(&text, Origin::Caller).unwrap();
    }
    for text in [format!("[{digits}9]"), format!("[-{digits}9]")] {
        let problem = check(&text, Origin::Caller).unwrap_err();
        assert!(problem.problem.contains("4300 digits"));
        assert_eq!(problem.offset, 1);
        check(&text, Origin::Peer).unwrap();
    }
}

#[test]
fn tells_line_column_and_cure() {
    for (text, told) in [
        ("", "at line 1 column 1 (byte 0): the text is empty: {}"),
        (
            "{\n \"é\": x}",
            "at line 2 column 7 (byte 9): no value starts",
        ),
        (
            "{\"a\": 1,}",
            "at line 1 column 8 (byte 7): a trailing comma",
        ),
        (
            "[1,\n2\n,\n]",
            "at line 3 column 1 (byte 6): a trailing comma",
        ),
        ("[1] // one", "at line 1 column 5 (byte 4): a comment"),
        ("[1, # one\n2]", "at line 1 column 5 (byte 4): a comment"),
        ("[1 /* one */]", "at line 1 column 4 (byte 3): a comment"),
        (
            "{'a': 1}",
            "at line 1 column 2 (byte 1): the wrong kind of quote",
        ),
        (
            "['a']",
            "at line 1 column 2 (byte 1): the wrong kind of quote",
        ),
        (
            "\u{feff}{}",
            "at line 1 column 1 (byte 0): a byte-order mark",
        ),
        (
            "{}\u{feff}",
            "at line 1 column 3 (byte 2): a byte-order mark",
        ),
        (
            "{a: 1}",
            "at line 1 column 2 (byte 1): a key is missing: keys need",
        ),
        (
            "{\"a\": True}",
            "column 7 (byte 6): the words of JSON are null, true and false",
        ),
        (
            "[None]",
            "column 2 (byte 1): the words of JSON are null, true and false",
        ),
        ("[01]", "column 2 (byte 1): a leading zero"),
        ("[+1]", "column 2 (byte 1): a plus sign"),
        (
            "[.5]",
            "column 2 (byte 1): a digit is missing before the point",
        ),
        ("[5.]", "column 4 (byte 3): a digit is missing"),
        (
            "\"a\tb\"",
            "column 3 (byte 2): a raw control character: write an escape",
        ),
        (r#""\d""#, "column 2 (byte 1): not an escape sequence"),
        (
            "[NaN]",
            "column 2 (byte 1): not a JSON number: write null or a string",
        ),
        (
            "[1",
            "at line 1 column 3 (byte 2): a comma or the end is missing",
        ),
        (
            "[1,",
            "at line 1 column 4 (byte 3): a value is missing: the text ends here",
        ),
        (
            "{} {}",
            "at line 1 column 4 (byte 3): there is text after the value",
        ),
    ] {
        let found = check(text, Origin::Caller).unwrap_err().describe(text);
        assert!(found.contains(told), "{text}: {found}");
    }
}

#[test]
fn a_word_tells_where_plain_bytes_and_digits_end() {
    for other in 0..=u8::MAX {
        let is_plain = other >= 0x20 && other != b'"' && other != b'\\';
        for at in 0..20 {
            for fill in [b'0', b'9', b' ', 0x7f, 0x80, 0xff] {
                let mut bytes = [fill; 32];
                bytes[at..].fill(other);
                let plain = if is_plain { 32 } else { at };
                assert_eq!(plain_end(&bytes, 0), plain, "{other} at {at}");
                let expected = match (fill.is_ascii_digit(), other.is_ascii_digit()) {
                    (true, true) => 32,
                    (true, false) => at,
                    _ if at == 0 && other.is_ascii_digit() => 32,
                    _ => 0,
                };
                assert_eq!(digits_end(&bytes, 0), expected, "{other} at {at}");
            }
        }
    }
}

/// A value of the caller's that is stale may point to a bracket in a string.
#[test]
fn skipping_ends_where_the_text_does() {
    for text in ["[", "[[1", r#"{"a": ["#, r#"[y", "b"#] {
        let mut reader = Reader::of_accepted(text, 0);
        reader.skip_value();
        assert!(reader.peek().is_none(), "{text}");
    }
}

/// Compares with serde_json, for texts made by breaking good ones.
#[test]
fn agrees_with_serde_json_on_broken_texts() {
    let seeds = [
        r#"{"verb":"STAT","parameters":{}}"#,
        r#"{"a":[1,-2.5e3,null,true],"b":"\u00e9\n","c":{"d":[]}}"#,
        r#"[[],{},"",0,-0.0e-0,"é"]"#,
    ];
    let mut compared = 0;
    for seed in seeds {
        for at in (0..seed.len()).filter(|&at| seed.is_char_boundary(at)) {
            for replacement in [
                "", "0", "-", ".", "e", "\"", "\\", "{", "}", "[", "]", ",", ":", " ", "u", "t",
            ] {
                let width = seed[at..].chars().next().map_or(0, char::len_utf8);
                for skip in [0, width] {
                    let text = format!("{}{replacement}{}", &seed[..at], &seed[at + skip..]);
                    let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
                    let ours = check(&text, Origin::Peer);
                    let duplicate =
                        matches!(&ours, Err(problem) if problem.problem == DUPLICATE_KEY);
                    assert!(ours.is_ok() == theirs || duplicate, "{text}: {ours:?}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 3000);
}
