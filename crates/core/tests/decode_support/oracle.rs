//! What a line holds according to serde_json: slow, and nothing of ours in it.
use std::fmt;

use crossfoot_core::decode::DecodeLimits;
use crossfoot_core::slot::{Kind, Malformed, Outcome};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Found, Read};

enum Tree {
    Scalar(Kind, Vec<u8>),
    Object(Vec<(String, Tree)>),
    Array,
}

#[derive(Default)]
struct Size {
    depth: u32,
    members: u32,
}

/// Members in the order of the text, repeated keys too.
pub struct Pairs<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = vec![];
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(InOrder).map(Pairs)
    }
}

fn tree(raw: &str, level: u32, size: &mut Size) -> serde_json::Result<Tree> {
    let scalar = |kind, text: &str| Ok(Tree::Scalar(kind, text.as_bytes().to_vec()));
    match raw.as_bytes()[0] {
        b'{' => {
            size.depth = size.depth.max(level + 1);
            let Pairs(pairs) = serde_json::from_str(raw)?;
            size.members += pairs.len() as u32;
            let trees = pairs
                .into_iter()
                .map(|(key, value)| Ok((key, tree(value.get(), level + 1, size)?)));
            Ok(Tree::Object(trees.collect::<serde_json::Result<_>>()?))
        }
        b'[' => {
            size.depth = size.depth.max(level + 1);
            let items: Vec<&RawValue> = serde_json::from_str(raw)?;
            items
                .into_iter()
                .try_for_each(|item| tree(item.get(), level + 1, size).map(drop))?;
            Ok(Tree::Array)
        }
        b'"' => scalar(Kind::Text, &serde_json::from_str::<String>(raw)?),
        b'n' => scalar(Kind::Null, ""),
        b't' => scalar(Kind::True, ""),
        b'f' => scalar(Kind::False, ""),
        _ => scalar(Kind::Number, raw),
    }
}

fn find(tree: &Tree, path: &[String]) -> Found {
    match (tree, path) {
        (Tree::Scalar(kind, bytes), []) => (*kind, bytes.clone()),
        (Tree::Object(_) | Tree::Array, []) => (Kind::Nested, vec![]),
        (Tree::Object(pairs), [key, rest @ ..]) => match pairs.iter().rfind(|(name, _)| name == key) {
            Some((_, below)) => find(below, rest),
            None => (Kind::Missing, vec![]),
        },
        _ => (Kind::Missing, vec![]),
    }
}

/// Panics unless what was read of `line` is what serde_json says of it.
pub fn check(read: &Read, line: &[u8], paths: &[Vec<String>], limits: &DecodeLimits) {
    let expected = expect(line, paths, limits);
    let right = match (&expected, read.line.outcome) {
        (Expected::Blank, Outcome::Blank) => true,
        (Expected::Values(values), Outcome::Record) => *values == read.found,
        (Expected::OneOf(reasons), Outcome::Malformed(reason, at)) => {
            reasons.contains(&reason) && at as usize <= line.len()
        }
        _ => false,
    };
    assert!(right, "{}\nread {read:?}\nexpected {expected:?}", line.escape_ascii());
}

#[derive(Debug)]
enum Expected {
    Blank,
    Values(Vec<Found>),
    OneOf(Vec<Malformed>),
}

fn expect(line: &[u8], paths: &[Vec<String>], limits: &DecodeLimits) -> Expected {
    if line.iter().all(|b| b" \t\r\n".contains(b)) {
        return Expected::Blank;
    }
    if line.len() > limits.record_bytes_max {
        return Expected::OneOf(vec![Malformed::Size]);
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Expected::OneOf(vec![Malformed::Utf8]);
    };
    // RawValue holds to the grammar, but does not look at surrogates.
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else {
        return Expected::OneOf(vec![
            Malformed::Syntax,
            Malformed::Utf8,
            Malformed::Depth,
            Malformed::Members,
        ]);
    };
    let mut size = Size::default();
    match tree(raw.get(), 0, &mut size) {
        Err(_) => Expected::OneOf(vec![Malformed::Utf8, Malformed::Depth, Malformed::Members]),
        Ok(tree) => match over(&size, limits, &tree) {
            reasons if reasons.is_empty() => Expected::Values(paths.iter().map(|path| find(&tree, path)).collect()),
            reasons => Expected::OneOf(reasons),
        },
    }
}

fn over(size: &Size, limits: &DecodeLimits, tree: &Tree) -> Vec<Malformed> {
    let mut reasons = vec![];
    if size.depth > limits.depth_max {
        reasons.push(Malformed::Depth);
    }
    if size.members > limits.members_max {
        reasons.push(Malformed::Members);
    }
    if reasons.is_empty() && !matches!(tree, Tree::Object(_)) {
        reasons.push(Malformed::NotObject);
    }
    reasons
}
