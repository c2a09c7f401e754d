//! Messages in both directions: in v2, v3 and v4 under a key that both sides have from the start,
//! in gcm under those of a key exchange that nothing disturbs.

use anwdl::protocol::session::{Config, Message, Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, Reason};

use super::drive::{check_failed, draw, go_on, piece, reset_generator};
use super::input::Input;
use super::key_exchange::exchanged;
use super::model::format::{data_errors, request_errors, response_errors, sorted};
use super::model::framing::{Keys, Verdict, Wire};
use super::model::json::{DEEPEST, Tree, parse};

const BLOCK: usize = 16;

/// `Auto`: a server that has to find out what the peer speaks.
pub fn run(protocol: Protocol, data: &[u8]) {
    reset_generator();
    let mut input = Input::new(data);
    let (mut session, mut wire) = make(protocol, &mut input);
    while !input.is_empty() && !session.has_failed() {
        let goes_on = if input.below(4) == 0 {
            send(&mut session, &mut wire, &mut input)
        } else {
            receive(&mut session, &mut wire, &mut input)
        };
        if !goes_on {
            break;
        }
    }
    if session.has_failed() {
        check_failed(&mut session);
    }
}

fn make(protocol: Protocol, input: &mut Input<'_>) -> (Session, Wire) {
    let choices = input.byte();
    let role = match (protocol, choices & 1) {
        (Protocol::Auto, _) | (_, 0) => Role::Server,
        _ => Role::Client,
    };
    let largest = [512, 1, 16, 100][usize::from(choices >> 4) % 4];
    let mut config = Config::new(role);
    config.protocol = protocol;
    config.max_message_size = largest;
    config.random = draw;
    let (session, keys) = match protocol {
        Protocol::Gcm => {
            // A server may leave the choice to the client.
            if role == Role::Server && choices & 2 == 2 {
                config.protocol = Protocol::Auto;
            }
            let (session, keys) = exchanged(config);
            (session, Keys::Gcm(Box::new(keys)))
        }
        _ => preset(config, choices),
    };
    let is_known = role == Role::Client || protocol == Protocol::Gcm;
    let wire = Wire {
        role,
        pinned: protocol,
        settled: is_known.then_some(protocol),
        keys,
        largest,
        sent: 0,
        received: 0,
    };
    (session, wire)
}

fn preset(mut config: Config, choices: u8) -> (Session, Keys) {
    let key_len = [32, 16, 24][usize::from(choices >> 1) % 3];
    let key: Vec<u8> = (0..key_len).map(|at| at as u8 ^ choices).collect();
    let iv = [choices; BLOCK];
    config.exchange_keys = false;
    let mut session = Session::new(config);
    let mut aes = AesWrapper::new(8 * key_len as u32, AesMode::Cbc).unwrap();
    aes.set_key(&key, &iv).unwrap();
    session.set_aes_wrapper(&aes).unwrap();
    (session, Keys::Cbc { key, iv })
}

const REQUESTS: [&str; 6] = [
    r#"{"verb": "STAT", "parameters": {}}"#,
    r#"{"verb":"A","parameters":{}}"#,
    r#"{"verb": "create", "parameters": {"container_uuid": 1}}"#,
    r#"{"verb": "X", "parameters": {"a": [1, {"b": "c"}]}, "more": null}"#,
    r#"{"verb": "X", "verb": "Y", "parameters": {}}"#,
    "1",
];
const RESPONSES: [&str; 6] = [
    r#"{"success": true, "message": "OK", "data": {}}"#,
    r#"{"success": true, "message": "OK", "data": {"uptime": 1, "version": "2"}}"#,
    r#"{"success": 1, "message": null, "data": {}}"#,
    r#"{"success": false, "message": "Refused request (reason : x)", "data": {"y": []}}"#,
    r#"{"success": true, "message": "OK", "data": {}} "#,
    "[]",
];

/// A text that the peer sends. It need not be JSON.
fn text<'a>(role: Role, input: &mut Input<'a>) -> Vec<u8> {
    let templates = match role {
        Role::Server => REQUESTS,
        Role::Client => RESPONSES,
    };
    match input.below(10) {
        9 => input.chunk().to_vec(),
        8 => {
            let mut text = input.pick(&templates).as_bytes().to_vec();
            input.damage(&mut text);
            text
        }
        at => templates[at % templates.len()].as_bytes().to_vec(),
    }
}

/// The peer sends something.
fn receive(session: &mut Session, wire: &mut Wire, input: &mut Input<'_>) -> bool {
    let spoken = match (wire.settled, wire.pinned) {
        (Some(framing), _) => framing,
        (None, Protocol::Auto) => input.pick(&[Protocol::V2, Protocol::V3, Protocol::V4]),
        (None, pinned) if input.below(8) == 7 => match pinned {
            Protocol::V2 => Protocol::V3,
            Protocol::V3 => Protocol::V4,
            _ => Protocol::V2,
        },
        (None, pinned) => pinned,
    };
    let text = text(wire.role, input);
    let random = [input.byte(); BLOCK];
    let mut bytes = wire.write(spoken, &text, random);
    input.damage(&mut bytes);
    let expected = wire.receive(&bytes);
    let piece = piece(input);

    session.begin_receive().expect("the session is ready");
    let mut answer = Vec::new();
    let (taken, outcome) = go_on(session, &bytes, piece, &mut answer);
    assert_eq!(taken, expected.taken, "bytes taken, where {expected:?}");
    assert_eq!(answer, expected.answer);
    let text = match expected.verdict {
        Verdict::Incomplete => {
            assert!(outcome.is_none(), "{outcome:?}");
            return false;
        }
        Verdict::Refused(reason) => {
            let error = outcome.expect("it has ended").expect_err("it was refused");
            assert_eq!(error.reason(), Some(reason));
            assert!(session.has_failed());
            return false;
        }
        Verdict::Text(text) => text,
    };
    let tree = match parse(&text) {
        Ok(tree) => tree,
        Err(_) => return check_python_only(session, wire, outcome, &text),
    };
    match (outcome.expect("it has ended"), wire.role) {
        (Ok(Some(Message::Request(request))), Role::Server) => {
            assert_eq!(request_errors(&tree), None);
            assert_eq!(request.json(), text.trim_matches([' ', '\t', '\r', '\n']));
        }
        (Ok(Some(Message::MalformedRequest(request))), Role::Server) => {
            let errors = serde_json::from_str(request.errors()).expect("errors are JSON");
            assert_eq!(Some(sorted(&errors)), request_errors(&tree));
            assert_eq!(request.json(), text.trim_matches([' ', '\t', '\r', '\n']));
        }
        (Ok(Some(Message::Response(response))), Role::Client) => {
            assert_eq!(response_errors(&tree), None);
            assert_eq!(response.json(), text.trim_matches([' ', '\t', '\r', '\n']));
        }
        (Err(error), Role::Client) => {
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
            assert!(response_errors(&tree).is_some());
            assert!(session.has_failed());
            return false;
        }
        other => panic!("{other:?} came of {text}"),
    }
    assert!(!session.has_failed());
    assert_eq!(Some(session.protocol()), wire.settled);
    true
}

/// What becomes of a text that is JSON to Python only; gives whether the session goes on.
fn check_python_only(
    session: &Session,
    wire: &Wire,
    outcome: Option<Result<Option<Message>, Error>>,
    text: &str,
) -> bool {
    match (outcome.expect("it has ended"), wire.role) {
        (Ok(Some(Message::MalformedRequest(request))), Role::Server) => {
            let errors = request.errors();
            assert!(
                errors.starts_with("{\"request\": [\"not strict JSON at line "),
                "{errors}"
            );
            assert_eq!(request.json(), text.trim_matches([' ', '\t', '\r', '\n']));
            assert!(!session.has_failed());
            true
        }
        (Err(error), Role::Client) => {
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
            assert!(session.has_failed());
            false
        }
        other => panic!("{other:?} came of {text}"),
    }
}

/// The session sends something, and the peer accepts it or does not.
fn send(session: &mut Session, wire: &mut Wire, input: &mut Input<'_>) -> bool {
    let expected = match wire.role {
        Role::Server => begin_response(session, input),
        Role::Client => begin_request(session, input),
    };
    let Some(expected) = expected else {
        assert!(session.operation().is_none() && session.pending().is_empty());
        assert!(!session.has_failed());
        return true;
    };
    assert_eq!(session.operation(), Some(Operation::Send));
    let framing = match (wire.settled, wire.pinned) {
        (Some(framing), _) => framing,
        // What a server speaks that has heard nothing yet.
        (None, Protocol::Auto) => Protocol::V4,
        (None, pinned) => pinned,
    };
    wire.settled = Some(framing);
    let piece = piece(input);
    let mut packet = Vec::new();
    if framing != Protocol::Gcm {
        let mut header = Vec::new();
        let (_, outcome) = go_on(session, &[], piece, &mut header);
        assert!(outcome.is_none(), "it waits for an answer: {outcome:?}");
        let len = wire.sent_header(framing, &header);
        let answer = if input.below(8) == 7 {
            input.byte()
        } else {
            b'1'
        };
        let (taken, outcome) = go_on(session, &[answer], piece, &mut packet);
        assert_eq!(taken, 1);
        if answer != b'1' {
            let error = outcome.expect("it has ended").expect_err("it was refused");
            assert_eq!(error.reason(), Some(Reason::PeerRefused));
            assert!(packet.is_empty() && !session.has_failed());
            return true;
        }
        assert_eq!(packet.len(), len);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
    } else {
        let (_, outcome) = go_on(session, &[], piece, &mut packet);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
    }
    let text = wire.sent_packet(framing, &packet);
    let text = String::from_utf8(text).expect("it is text");
    assert_eq!(parse(&text), Ok(expected), "{text}");
    true
}

/// Begins to send a response; gives what it has to say. `None` if it was refused.
fn begin_response(session: &mut Session, input: &mut Input<'_>) -> Option<Tree> {
    let success = input.flag();
    let message = String::from_utf8_lossy(input.chunk());
    let reason = input.flag().then(|| String::from_utf8_lossy(input.chunk()));
    let templates = [
        r#"{"uptime": 5, "version": "1"}"#,
        r#"{ "a" : [ 1 , 2.50 ] }"#,
        r#"{"uptime": 5}"#,
        r#"{"container_listen_port": 65536}"#,
        "7",
    ];
    let chosen = match input.below(8) {
        0 => None,
        7 => Some(String::from_utf8_lossy(input.chunk()).into_owned()),
        at => Some(templates[at % templates.len()].to_owned()),
    };
    let begun = session.begin_response(success, &message, chosen.as_deref(), reason.as_deref());
    let data = match chosen.as_deref().map(parse) {
        None => Some(Tree::Object(Vec::new())),
        Some(Ok(data @ Tree::Object(_)))
            if data.depth() < DEEPEST && data_errors(&data).is_none() =>
        {
            Some(data)
        }
        Some(_) => None,
    };
    let Some(data) = data else {
        let error = begun.expect_err("the data do not fit the format");
        assert_eq!(error.reason(), Some(Reason::MalformedResponse));
        return None;
    };
    begun.expect("the data fit the format");
    let message = match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{message} (reason : {reason})"),
        None => message.into_owned(),
    };
    Some(Tree::Object(vec![
        ("success".to_owned(), Tree::Boolean(success)),
        ("message".to_owned(), Tree::Text(message)),
        ("data".to_owned(), data),
    ]))
}

/// The same for a request.
fn begin_request(session: &mut Session, input: &mut Input<'_>) -> Option<Tree> {
    let verb = match input.below(4) {
        3 => String::from_utf8_lossy(input.chunk()).into_owned(),
        at => ["STAT", "CREATE", "destroy"][at].to_owned(),
    };
    let templates = [
        r#"{"a": 1}"#,
        r#"{"container_uuid": "x"}"#,
        "{} ",
        "null",
        r#"{}, "a": 1"#,
    ];
    let chosen = match input.below(8) {
        0 => None,
        7 => Some(String::from_utf8_lossy(input.chunk()).into_owned()),
        at => Some(templates[at % templates.len()].to_owned()),
    };
    let begun = session.begin_request(&verb, chosen.as_deref());
    let parameters = match chosen.as_deref().map(parse) {
        None => Some(Tree::Object(Vec::new())),
        Some(Ok(parameters)) if parameters.depth() < DEEPEST => Some(parameters),
        Some(_) => None,
    };
    let request = parameters.map(|parameters| {
        Tree::Object(vec![
            ("verb".to_owned(), Tree::Text(verb)),
            ("parameters".to_owned(), parameters),
        ])
    });
    match request {
        Some(request) if request_errors(&request).is_none() => {
            begun.expect("the request fits the format");
            Some(request)
        }
        _ => {
            let error = begun.expect_err("the request does not fit the format");
            assert_eq!(error.reason(), Some(Reason::MalformedRequest));
            None
        }
    }
}
