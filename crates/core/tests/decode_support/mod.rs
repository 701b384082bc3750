//! What the decode tests share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop"
)]

use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::generate::{Generator, Workload};
use crossfoot_core::slot::{Kind, Line, Malformed, Outcome, Slot};

pub mod mutate;
pub mod oracle;
pub mod random;
pub mod real;

pub const LIMITS: DecodeLimits = DecodeLimits {
    record_bytes_max: 1 << 20,
    depth_max: 64,
    members_max: 4096,
};

/// The keys of the engagement workload.
pub const ENGAGEMENT: [&str; 10] = [
    "id", "ts", "kind", "user", "item", "country", "client", "surface", "duration", "session",
];

/// Lines of the engagement workload.
pub fn engagement(lines: usize, shuffled: bool) -> Vec<u8> {
    Generator::new(Workload {
        shuffled,
        ..Workload::default()
    })
    .block(lines)
}

/// Kind and content of a wanted value.
pub type Found = (Kind, Vec<u8>);

#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub line: Line,
    pub found: Vec<Found>,
}

/// Dotted paths as lists of keys.
pub fn paths(dotted: &[&str]) -> Vec<Vec<String>> {
    dotted
        .iter()
        .map(|path| path.split('.').map(String::from).collect())
        .collect()
}

/// The next line; the slots are dirty before, as they are in use.
pub fn read_next(decoder: &mut Decoder, chunk: &[u8], at: usize, slots: &mut [Slot], arena: &mut Vec<u8>) -> Read {
    slots.fill(Slot {
        kind: Kind::Text,
        in_arena: true,
        at: 7,
        len: 7,
    });
    let line = decoder.next(chunk, at, slots, arena);
    let found = slots
        .iter()
        .map(|slot| (slot.kind, slot.bytes(chunk, arena).to_vec()))
        .collect();
    Read { line, found }
}

pub fn read_all(decoder: &mut Decoder, chunk: &[u8], count: usize) -> Vec<Read> {
    let (mut slots, mut arena) = (vec![Slot::default(); count], vec![]);
    let (mut at, mut all) = (0, vec![]);
    while at < chunk.len() {
        let read = read_next(decoder, chunk, at, &mut slots, &mut arena);
        assert!(read.line.after > at, "no way forward at {at}");
        at = read.line.after;
        all.push(read);
    }
    all
}

/// The values of one record, first by the general parser and then, after lines like it, by its layout.
pub fn values(dotted: &[&str], line: &str) -> Vec<Found> {
    let paths = paths(dotted);
    let chunk = format!("{line}\n").repeat(3);
    let reads = read_all(&mut Decoder::json(&paths, LIMITS), chunk.as_bytes(), paths.len());
    assert!(
        reads.iter().all(|read| read.line.outcome == Outcome::Record),
        "{line}: {:?}",
        reads[0].line
    );
    assert!(
        reads.iter().all(|read| read.found == reads[0].found),
        "{line}: the ways differ"
    );
    reads[0].found.clone()
}

/// Kind and content in short: `1` and `x` for numbers and texts.
pub fn shown(found: &[Found]) -> Vec<String> {
    let show = |(kind, bytes): &Found| match kind {
        Kind::Number => String::from_utf8(bytes.clone()).unwrap(),
        Kind::Text => format!("'{}'", String::from_utf8(bytes.clone()).unwrap()),
        other => format!("{other:?}"),
    };
    found.iter().map(show).collect()
}

/// Why a line is malformed, and where.
pub fn fault(line: &[u8], limits: DecodeLimits) -> Option<(Malformed, u32)> {
    let paths = paths(&["a", "a.b", "c"]);
    let read = read_all(&mut Decoder::json(&paths, limits), line, paths.len()).remove(0);
    match read.line.outcome {
        Outcome::Malformed(reason, at) => Some((reason, at)),
        _ => None,
    }
}
