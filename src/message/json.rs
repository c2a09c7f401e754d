//! A strict reader of JSON text (RFC 8259) that builds nothing.
//!
//! Requests and responses are checked once and handed on as the very text that was
//! checked, so that integers keep every digit and unknown members survive. General JSON
//! libraries build values, merge duplicate keys or turn long integers into doubles; this
//! one refuses what two readers could understand differently: duplicate keys, lone
//! surrogates, anything after the value, and nesting beyond [`LARGEST_DEPTH`].

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::Error;

/// The deepest nesting of objects and arrays that is read.
pub const LARGEST_DEPTH: usize = 64;

/// How many keys of one object are kept without allocating.
const INLINE_KEYS: usize = 16;

/// Why a text is not accepted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    /// The offset in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

/// One value of a text that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(&'a str);

/// A string of a text that was accepted, as it is written between its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(&'a str);

/// What a [`Value`] is.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    Null,
    Boolean(bool),
    /// A number without fraction and exponent, as it is written.
    Integer(&'a str),
    /// Any other number.
    Fraction,
    String(Text<'a>),
    Array,
    Object(Object<'a>),
}

/// An object of a text that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(&'a str);

/// Accepts a text that is one JSON value with nothing but blanks around it.
pub fn check(text: &str) -> Result<Value<'_>, NotJson> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_blanks();
    let start = reader.at;
    reader.value(0)?;
    let end = reader.at;
    reader.skip_blanks();
    if reader.at < text.len() {
        return Err(reader.problem("something follows the value"));
    }
    Ok(Value(&text[start..end]))
}

/// As [`check`], with an error to report to a caller.
pub fn accept(text: &str) -> Result<Value<'_>, Error> {
    check(text).map_err(|NotJson { offset, problem }| {
        Error::invalid_argument(format!(
            "the text is no acceptable JSON at byte {offset}: {problem}"
        ))
    })
}

impl<'a> Value<'a> {
    /// The value as it is written.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    pub fn kind(self) -> Kind<'a> {
        match self.0.as_bytes()[0] {
            b'n' => Kind::Null,
            b't' => Kind::Boolean(true),
            b'f' => Kind::Boolean(false),
            b'"' => Kind::String(Text(&self.0[1..self.0.len() - 1])),
            b'[' => Kind::Array,
            b'{' => Kind::Object(Object(self.0)),
            _ if self
                .0
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit()) =>
            {
                Kind::Integer(self.0)
            }
            _ => Kind::Fraction,
        }
    }

    pub fn object(self) -> Option<Object<'a>> {
        match self.kind() {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl<'a> Object<'a> {
    /// An object that was cut out of an accepted text.
    pub fn from_accepted(text: &'a str) -> Self {
        Self(text)
    }

    /// The object as it is written.
    pub fn as_written(self) -> &'a str {
        self.0
    }

    /// The members in the order in which they are written.
    pub fn members(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        let mut reader = Reader {
            text: self.0,
            at: 1,
        };
        std::iter::from_fn(move || {
            reader.skip_blanks();
            if reader.peek() == Some(b',') {
                reader.at += 1;
                reader.skip_blanks();
            }
            if reader.peek() == Some(b'}') {
                return None;
            }
            let key = reader.skip_string();
            reader.skip_blanks();
            reader.at += 1;
            reader.skip_blanks();
            let start = reader.at;
            reader.skip_value();
            Some((Text(key), Value(&self.0[start..reader.at])))
        })
    }
}

impl<'a> Text<'a> {
    /// The characters that the string stands for.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let (character, len) = if first == '\\' {
                unescape(rest)
            } else {
                (first, first.len_utf8())
            };
            rest = &rest[len..];
            Some(character)
        })
    }

    /// The string, borrowed where it is written without escapes.
    pub fn decode(self) -> Cow<'a, str> {
        if self.0.contains('\\') {
            self.chars().collect()
        } else {
            Cow::Borrowed(self.0)
        }
    }

    fn compare(self, other: Self) -> Ordering {
        if self.0.contains('\\') || other.0.contains('\\') {
            self.chars().cmp(other.chars())
        } else {
            self.0.cmp(other.0)
        }
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        if self.0.contains('\\') {
            self.chars().eq(other.chars())
        } else {
            self.0 == other
        }
    }
}

/// Decodes the escape sequence at the start of an accepted string; gives its length too.
fn unescape(text: &str) -> (char, usize) {
    let unit =
        |at: usize| u32::from_str_radix(&text[at..at + 4], 16).expect("checked when accepted");
    match text.as_bytes()[1] {
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => match unit(2) {
            high @ 0xd800..=0xdbff => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (unit(8) - 0xdc00);
                (
                    char::from_u32(code).expect("a pair of surrogates is a character"),
                    12,
                )
            }
            code => (
                char::from_u32(code).expect("lone surrogates were refused"),
                6,
            ),
        },
        other => (char::from(other), 2),
    }
}

/// The keys of one object.
struct Keys<'a> {
    inline: [&'a str; INLINE_KEYS],
    len: usize,
    all: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn new() -> Self {
        Self {
            inline: [""; INLINE_KEYS],
            len: 0,
            all: Vec::new(),
        }
    }

    /// Takes one more key; false if a short object has it already.
    fn add(&mut self, key: &'a str) -> bool {
        if self.len < INLINE_KEYS {
            let fresh = self.inline[..self.len]
                .iter()
                .all(|other| Text(other).compare(Text(key)).is_ne());
            self.inline[self.len] = key;
            self.len += 1;
            return fresh;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.inline);
        }
        self.all.push(key);
        true
    }

    /// Whether a long object has no key twice: found by sorting, so that an object of
    /// many keys cannot make this slow.
    fn are_distinct(mut self) -> bool {
        self.all
            .sort_unstable_by(|one, other| Text(one).compare(Text(other)));
        self.all
            .windows(2)
            .all(|pair| Text(pair[0]).compare(Text(pair[1])).is_ne())
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, problem: &'static str) -> NotJson {
        NotJson {
            offset: self.at,
            problem,
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), NotJson> {
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null"),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(_) => Err(self.problem("no value starts like this")),
            None => Err(self.problem("a value is missing")),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), NotJson> {
        if depth == LARGEST_DEPTH {
            return Err(self.problem("too deeply nested"));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), NotJson> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut keys = Keys::new();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.problem("a key is missing"));
            }
            let key_at = self.at;
            let key = self.string()?;
            if !keys.add(key) {
                self.at = key_at;
                return Err(self.problem("this key stands twice"));
            }
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.problem("a colon is missing"));
            }
            self.at += 1;
            self.skip_blanks();
            self.value(depth + 1)?;
            if !self.another(b'}')? {
                break;
            }
        }
        if keys.are_distinct() {
            Ok(())
        } else {
            Err(self.problem("a key of this object stands twice"))
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), NotJson> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    /// After a member or an element: whether another follows, or the `end`.
    fn another(&mut self, end: u8) -> Result<bool, NotJson> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_blanks();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.problem("a comma or the end is missing")),
        }
    }

    fn string(&mut self) -> Result<&'a str, NotJson> {
        self.at += 1;
        let start = self.at;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    let string = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.problem("a raw control character")),
                None => return Err(self.problem("the string has no end")),
            }
        }
    }

    /// Passes over what stands for itself in a string.
    fn skip_plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let plain = rest
            .iter()
            .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        self.at += plain.unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.code_unit()? {
                0xd800..=0xdbff => match self.code_unit() {
                    Ok(0xdc00..=0xdfff) => {}
                    _ => return Err(self.problem("half a surrogate pair")),
                },
                0xdc00..=0xdfff => return Err(self.problem("half a surrogate pair")),
                _ => {}
            },
            _ => return Err(self.problem("no escape is written like this")),
        }
        Ok(())
    }

    /// Reads one `\uXXXX`.
    fn code_unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.as_bytes().get(self.at..self.at + 6);
        let Some([b'\\', b'u', digits @ ..]) = digits else {
            return Err(self.problem("no escape is written like this"));
        };
        let mut code = 0;
        for &digit in digits {
            let Some(digit) = char::from(digit).to_digit(16) else {
                return Err(self.problem("\\u takes four hexadecimal digits"));
            };
            code = code * 16 + digit;
        }
        self.at += 6;
        Ok(code)
    }

    fn number(&mut self) -> Result<(), NotJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.problem("a digit is missing"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.problem("no value starts like this"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a string of an accepted text and gives what is between its quotes.
    fn skip_string(&mut self) -> &'a str {
        self.at += 1;
        let start = self.at;
        loop {
            self.skip_plain();
            if self.peek() != Some(b'\\') {
                break;
            }
            self.at += 2;
        }
        self.at += 1;
        &self.text[start..self.at - 1]
    }

    /// Passes over a value of an accepted text.
    fn skip_value(&mut self) {
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.skip_string()),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                _ => self.skip_scalar(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_scalar(&mut self) {
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') = self.peek() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> &'static str {
        check(text).expect_err(text).problem
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
            check(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        }
        check(&"9".repeat(5000)).unwrap();
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
            assert_eq!(problem(text), "half a surrogate pair", "{text}");
        }
    }

    #[test]
    fn refuses_a_key_that_stands_twice_however_it_is_written() {
        assert_eq!(problem(r#"{"a":1,"a":2}"#), "this key stands twice");
        assert_eq!(problem(r#"{"a":1,"\u0061":2}"#), "this key stands twice");
        assert_eq!(
            problem(r#"[{"x":{"é":1,"\u00e9":2}}]"#),
            "this key stands twice"
        );
        check(r#"{"a":{"a":1},"b":{"a":1}}"#).unwrap();
        let members = |count: usize| {
            (0..count)
                .map(|i| format!("\"k{i}\":{i}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        for count in [15, 16, 17, 18, 1000] {
            check(&format!("{{{}}}", members(count))).unwrap();
            for twice in [0, count / 2, count - 1] {
                let text = format!("{{{},\"k{twice}\":0}}", members(count));
                assert!(problem(&text).ends_with("stands twice"), "{count} {twice}");
            }
        }
    }

    #[test]
    fn reads_to_the_largest_depth_and_no_deeper() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth));
            check(&nested(LARGEST_DEPTH)).unwrap();
            assert_eq!(problem(&nested(LARGEST_DEPTH + 1)), "too deeply nested");
            problem(&open.repeat(1_000_000));
        }
    }

    #[test]
    fn says_where_the_problem_is() {
        assert_eq!(
            check("[1, x]").map(drop),
            Err(NotJson {
                offset: 4,
                problem: "no value starts like this"
            })
        );
    }

    #[test]
    fn lists_members_as_they_are_written() {
        let text =
            r#" { "a" : [1, {"b": "]}"}] , "\u0062\"": "x\\" ,"c":-1.5E2,"d":true, "e":{}} "#;
        let object = check(text).unwrap().object().unwrap();
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
        assert_eq!(check("{}").unwrap().object().unwrap().members().count(), 0);
    }

    #[test]
    fn tells_kinds_apart() {
        let kind = |text| check(text).unwrap().kind();
        assert!(matches!(kind("null"), Kind::Null));
        assert!(matches!(kind("true"), Kind::Boolean(true)));
        assert!(matches!(kind("-12"), Kind::Integer("-12")));
        assert!(matches!(kind("1.0"), Kind::Fraction));
        assert!(matches!(kind("1e2"), Kind::Fraction));
        assert!(matches!(kind("[]"), Kind::Array));
        assert!(matches!(kind("{}"), Kind::Object(_)));
        let Kind::String(text) = kind(r#""\u0041\ud83d\ude00\n""#) else {
            panic!("a string")
        };
        assert_eq!(text.decode(), "A😀\n");
        assert!(text == *"A😀\n");
    }

    /// A second opinion: what serde_json says of texts made by breaking good ones.
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
                        let ours = check(&text);
                        let duplicate = matches!(&ours, Err(problem) if problem.problem.ends_with("stands twice"));
                        assert!(ours.is_ok() == theirs || duplicate, "{text}: {ours:?}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 3000);
    }
}
