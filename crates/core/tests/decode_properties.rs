//! Laws of decoding over records that nobody thought of.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::decode::Decoder;
use crossfoot_core::slot::{Kind, Outcome};
use proptest::prelude::*;

mod decode_support;
use decode_support::{Found, LIMITS, oracle, paths, read_all, read_next};

const PATHS: [&str; 6] = ["a", "b", "a.b", "a.b.c", "b.a", "é"];

#[derive(Clone, Debug)]
enum Json {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(vec!["a", "b", "c", "é"]).prop_map(String::from), 1 => any::<String>()]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Json::Word),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?".prop_map(Json::Number),
        any::<String>().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

fn object() -> impl Strategy<Value = Json> {
    prop::collection::vec((key(), json()), 0..8).prop_map(Json::Object)
}

/// The value's text; `style` chooses among equal ways to write it.
fn write(json: &Json, style: u8, out: &mut String) {
    let space = ["", " ", "\t", " \r"][usize::from(style & 3)];
    let list =
        |open, items: Vec<String>, close| format!("{open}{space}{}{space}{close}", items.join(&format!("{space},")));
    let written = |json: &Json| {
        let mut item = String::new();
        write(json, style, &mut item);
        item
    };
    match json {
        Json::Word(word) => out.push_str(word),
        Json::Number(literal) => out.push_str(literal),
        Json::Text(text) => out.push_str(&quoted(text, style)),
        Json::Array(items) => out.push_str(&list('[', items.iter().map(written).collect(), ']')),
        Json::Object(members) => {
            let member =
                |(key, value): &(String, Json)| format!("{}{space}:{space}{}", quoted(key, style), written(value));
            out.push_str(&list('{', members.iter().map(member).collect(), '}'));
        }
    }
}

fn quoted(text: &str, style: u8) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c < ' ' || style & 4 != 0 => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn find(json: &Json, path: &[String]) -> Found {
    match (json, path) {
        (Json::Word("null"), []) => (Kind::Null, vec![]),
        (Json::Word("true"), []) => (Kind::True, vec![]),
        (Json::Word(_), []) => (Kind::False, vec![]),
        (Json::Number(literal), []) => (Kind::Number, literal.clone().into_bytes()),
        (Json::Text(text), []) => (Kind::Text, text.clone().into_bytes()),
        (_, []) => (Kind::Nested, vec![]),
        (Json::Object(members), [key, rest @ ..]) => members
            .iter()
            .rfind(|(name, _)| name == key)
            .map_or((Kind::Missing, vec![]), |(_, below)| find(below, rest)),
        _ => (Kind::Missing, vec![]),
    }
}

proptest! {
    /// Whatever the way it is written, a record's values are what it was made of.
    #[test]
    fn what_is_written_is_read(json in object(), style in 0u8..8) {
        let mut line = String::new();
        write(&json, style, &mut line);
        let paths = paths(&PATHS);
        let expected: Vec<Found> = paths.iter().map(|path| find(&json, path)).collect();
        let chunk = format!("{line}\n{line}\r\n{line}");
        for read in read_all(&mut Decoder::json(&paths, LIMITS), chunk.as_bytes(), paths.len()) {
            prop_assert_eq!(read.line.outcome, Outcome::Record);
            prop_assert_eq!(&read.found, &expected);
        }
    }

    /// Any bytes are read as serde_json reads them, with learned layouts and without.
    #[test]
    fn any_bytes_are_judged_as_by_serde_json(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&bytes)?;
    }

    /// The same for bytes that JSON is made of.
    #[test]
    fn json_like_bytes_are_judged_as_by_serde_json(text in "[{}\\[\\]\",:ab\\\\u0d8-9.eE+ ntf\n\r\té]{0,60}") {
        judge(text.as_bytes())?;
    }
}

fn judge(bytes: &[u8]) -> Result<(), TestCaseError> {
    let paths = paths(&PATHS);
    let (mut fast, mut general) = (Decoder::json(&paths, LIMITS), Decoder::json(&paths, LIMITS));
    general.speculate(false);
    let (mut slots, mut arena, mut at) = (vec![Default::default(); paths.len()], vec![], 0);
    while at < bytes.len() {
        let read = read_next(&mut general, bytes, at, &mut slots, &mut arena);
        oracle::check(&read, &bytes[read.line.start..read.line.end], &paths, &LIMITS);
        prop_assert_eq!(&read, &read_next(&mut fast, bytes, at, &mut slots, &mut arena));
        at = read.line.after;
    }
    Ok(())
}
