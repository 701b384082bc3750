//! Lines that are almost right: changed members, changed bytes.
use super::oracle::Pairs;
use super::random::Random;

const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-1",
    "12345678901234567890123456789012345678901234567890",
    "1.50",
    "1e5",
    "-2.5E-3",
    "0.0",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "\"x\"",
    "\"null\"",
    "\"1\"",
    "\"é\"",
    "\"日本語\"",
    "\"😀\"",
    r#""\u00e9""#,
    r#""\ud83d\ude00""#,
    r#""a\nb\t\"c\"\\""#,
    r#""\/""#,
    r#""\u0000""#,
    "{}",
    "[]",
    "[1,2]",
    "[ ]",
    r#"{"b":1}"#,
    r#"{"b":{"c":2}}"#,
    r#"{"b":1,"b":2}"#,
    r#"[{"b":1},["x"]]"#,
    r#"{ "b" : null }"#,
    "\"a text that is much longer than one window of thirty-two bytes, and goes on\"",
    "\"a long text with ünïcödé somewhere in the middle and at the end as well: ß\"",
    r#""a long text with an escaped \"quote\" far behind the first window of bytes""#,
];

/// Not JSON, each in its own way.
const BROKEN_VALUES: &[&str] = &[
    "",
    "NaN",
    "Infinity",
    "-",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "0x1",
    "tru",
    "nulll",
    "'x'",
    "\"\\x\"",
    "\"\\u12\"",
    r#""\ud800""#,
    r#""\udc00x""#,
    r#""\ud800\u0041""#,
    "\"\u{1}\"",
    "\"\t\"",
    "[1,]",
    "[1 2]",
    "{\"b\"}",
    "{b:1}",
    "{\"b\":1,}",
    "[",
    "{",
    "\"",
    "1 2",
    "[[[[[[[[[[]]]]]]]]]]",
    "{\"b\":{\"b\":{\"b\":{\"b\":{\"b\":1}}}}}",
];

const BYTES: &[u8] = b"\"\\{}[],: \t\r019.-+eEntfu/ax_\x00\x01\x1f\x7f\x80\xbf\xc3\xe2\xf0\xff";

type Members = Vec<(String, String)>;

/// Keys (as JSON) and values of an object.
pub fn members(line: &[u8]) -> Members {
    let Pairs(pairs) = serde_json::from_slice(line).unwrap();
    pairs
        .into_iter()
        .map(|(key, value)| (serde_json::to_string(&key).unwrap(), value.get().to_string()))
        .collect()
}

/// A way to write records that differs from the corpus: other order, lost, doubled or renamed keys, white space.
/// All records of a session are written alike, so that decoders learn it.
pub struct Shape {
    seed: u64,
    changes: usize,
    comma: &'static str,
    colon: &'static str,
    end: &'static str,
}

impl Shape {
    pub fn new(random: &mut Random) -> Shape {
        Shape {
            seed: random.next(),
            changes: random.below(8).saturating_sub(4),
            comma: random.pick(&[",", ", ", " ,\t"]),
            colon: random.pick(&[":", ": ", " :\r"]),
            end: if random.one_in(10) {
                "\r"
            } else {
                random.pick(&["", " "])
            },
        }
    }

    fn apply(&self, members: &mut Members) {
        let mut random = Random::new(self.seed);
        for _ in 0..self.changes {
            let (at, other) = (random.below(members.len()), random.below(members.len()));
            match random.below(5) {
                0 => members.swap(at, other),
                1 if members.len() > 1 => drop(members.remove(at)),
                2 => members.insert(other, members[at].clone()),
                3 => members[at].0 = escaped_key(&members[at].0),
                _ => members[at].0 = members[other].0.clone(),
            }
        }
    }

    fn join(&self, members: &Members) -> Vec<u8> {
        let pairs: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{key}{}{value}", self.colon))
            .collect();
        format!("{{{}}}{}", pairs.join(self.comma), self.end).into_bytes()
    }
}

/// A line like `members` whose layout a decoder should know: the shape of the session, values of any kind.
pub fn tolerable(members: &Members, shape: &Shape, random: &mut Random) -> Vec<u8> {
    let mut members = members.clone();
    shape.apply(&mut members);
    for _ in 0..random.below(3) {
        let at = random.below(members.len());
        members[at].1 = random.pick(VALUES).to_string();
    }
    shape.join(&members)
}

/// A line like `members` in which members or bytes were changed; it may be malformed.
pub fn changed(members: &Members, shape: &Shape, random: &mut Random) -> Vec<u8> {
    let mut members = members.clone();
    shape.apply(&mut members);
    for _ in 0..random.below(3) {
        change_members(&mut members, random);
    }
    let mut line = shape.join(&members);
    for _ in 0..random.below(3) {
        change_bytes(&mut line, random);
    }
    line.retain(|&b| b != b'\n');
    line
}

fn change_members(members: &mut Members, random: &mut Random) {
    let (at, other) = (random.below(members.len()), random.below(members.len()));
    if members.is_empty() {
        return;
    }
    match random.below(10) {
        0 => members.swap(at, other),
        1 => drop(members.remove(at)),
        2 => members.insert(other, members[at].clone()),
        3 => members.insert(other, (members[at].0.clone(), random.pick(VALUES).to_string())),
        4 => members[at].0 = escaped_key(&members[at].0),
        5 => members[at].0 = members[other].0.clone(),
        6 => members[at].1 = random.pick(BROKEN_VALUES).to_string(),
        7 => members[at].1 = nested(random),
        8 => members[at].1 = format!(" {} ", members[at].1),
        _ => members[at].1 = random.pick(VALUES).to_string(),
    }
}

/// The key with its first letter as a unicode escape.
fn escaped_key(key: &str) -> String {
    match key.as_bytes() {
        [b'"', letter, rest @ ..] if letter.is_ascii_alphanumeric() => {
            format!("\"\\u{letter:04x}{}", String::from_utf8_lossy(rest))
        }
        _ => key.to_string(),
    }
}

fn nested(random: &mut Random) -> String {
    let depth = random.below(90);
    match random.below(3) {
        0 => "[".repeat(depth) + &"]".repeat(depth),
        1 => "{\"b\":".repeat(depth) + "1" + &"}".repeat(depth),
        _ => format!("[{}]", vec!["{\"b\":\"x\"}"; depth].join(",")),
    }
}

fn change_bytes(line: &mut Vec<u8>, random: &mut Random) {
    let (at, other) = (random.below(line.len()), random.below(line.len() + 1));
    let byte = BYTES[random.below(BYTES.len())];
    if line.is_empty() {
        return line.push(byte);
    }
    match random.below(8) {
        0 => line[at] ^= 1 << random.below(8),
        1 => line[at] = byte,
        2 => line.insert(other, byte),
        3 => drop(line.remove(at)),
        4 => line.truncate(at),
        5 => drop(line.drain(at.min(other)..at.max(other).min(at.min(other) + 9))),
        6 => {
            let piece: Vec<u8> = line[at..line.len().min(at + 1 + random.below(20))].to_vec();
            line.splice(other..other, piece);
        }
        _ => line.push(byte),
    }
}
