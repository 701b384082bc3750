//! The learned layouts, the general parser and serde_json say the same of every record: real ones, generated ones
//! and ones that are almost right. `CROSSFOOT_FUZZ_RECORDS` sets how many, `CROSSFOOT_FUZZ_SEED` which.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::decode::{DecodeLimits, DecodeStats, Decoder};
use crossfoot_core::slot::{Outcome, Slot};

mod decode_support;
use decode_support::random::Random;
use decode_support::{ENGAGEMENT, LIMITS, engagement, mutate, oracle, paths, read_all, read_next, real};

const RECORDS: usize = 200_000;
/// Records that one pair of decoders reads.
const SESSION: usize = 2_000;

struct Corpus {
    lines: Vec<Vec<(String, String)>>,
    paths: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct Tally {
    records: u64,
    fast: u64,
    changed: u64,
    changed_and_fast: u64,
    malformed: u64,
    blank: u64,
    learned: u64,
    evicted: u64,
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

fn corpus(lines: impl IntoIterator<Item = Vec<u8>>, paths: &[&'static str]) -> Corpus {
    Corpus {
        lines: lines.into_iter().map(|line| mutate::members(&line)).collect(),
        paths: paths.to_vec(),
    }
}

fn nested_lines(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|i| {
        let context = format!(
            r#"{{"geo":{{"country":"C{}","city":null}},"device":{{"os":"x","v":[1,{i}]}}}}"#,
            i % 9
        );
        let optional = if i % 3 == 0 {
            format!(r#","note":"nö {i}""#)
        } else {
            String::new()
        };
        format!(r#"{{"id":"e{i}","ts":{i},"context":{context},"a":{{"b":{i}}}{optional},"ok":true}}"#).into_bytes()
    })
}

/// The first has nothing that a layout could be learned from.
fn corpora() -> Vec<Corpus> {
    let split = |block: Vec<u8>| {
        block
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (plain, shuffled): (Vec<_>, Vec<_>) = (split(engagement(500, false)), split(engagement(500, true)));
    let mut all = vec![
        corpus(
            shuffled,
            &["id", "ts", "surface", "session", "extra.note", "extra", "item"],
        ),
        corpus(plain, &ENGAGEMENT),
        corpus(
            nested_lines(500),
            &[
                "id",
                "ts",
                "context.geo.country",
                "context.geo",
                "context.device.os",
                "a",
                "a.b",
                "note",
                "ok",
                "none",
            ],
        ),
        corpus(
            real::lines(real::WIKIPEDIA, 4000),
            &["time", "channel", "page", "cityName", "isNew", "delta", "user"],
        ),
        corpus(
            real::lines(real::GITHUB, 800),
            &["id", "type", "actor.login", "actor", "repo.name", "org.id", "payload"],
        ),
        corpus(
            real::lines(real::GIT_HISTORY, 4000),
            &["author_time", "commit_time", "author", "status", "path"],
        ),
    ];
    all.retain(|corpus| !corpus.lines.is_empty());
    all
}

fn some_limits(random: &mut Random) -> DecodeLimits {
    if !random.one_in(4) {
        return LIMITS;
    }
    DecodeLimits {
        record_bytes_max: 60 + random.below(400),
        depth_max: 1 + random.below(6) as u32,
        members_max: 4 + random.below(24) as u32,
    }
}

fn some_paths(corpus: &Corpus, random: &mut Random) -> Vec<Vec<String>> {
    let mut wanted = corpus.paths.clone();
    for _ in 0..random.below(4) {
        wanted.remove(random.below(wanted.len()));
    }
    paths(&wanted)
}

/// How the lines of a session are made.
struct Style {
    shape: mutate::Shape,
    changed_percent: usize,
}

/// Lines with ends of all kinds, and of each whether it was changed.
fn chunk(corpus: &Corpus, records: usize, style: &Style, random: &mut Random) -> (Vec<u8>, Vec<bool>) {
    let (mut chunk, mut marks) = (vec![], vec![]);
    for record in 0..records {
        let members = &corpus.lines[random.below(corpus.lines.len())];
        let change = random.below(100) < style.changed_percent;
        let make = if change { mutate::changed } else { mutate::tolerable };
        chunk.extend(make(members, &style.shape, random));
        marks.push(change);
        match random.below(30) {
            0 => chunk.extend(b"\r\n"),
            1 => {
                chunk.extend(b"\n \t\n");
                marks.push(true);
            }
            2 if record + 1 == records => {}
            _ => chunk.push(b'\n'),
        }
    }
    (chunk, marks)
}

fn session(corpus: &Corpus, random: &mut Random, tally: &mut Tally) {
    let (limits, wanted) = (some_limits(random), some_paths(corpus, random));
    let (mut fast, mut general) = (Decoder::json(&wanted, limits), Decoder::json(&wanted, limits));
    general.speculate(false);
    let style = Style {
        shape: mutate::Shape::new(random),
        changed_percent: [5, 30, 60][random.below(3)],
    };
    let mut left = SESSION;
    while left > 0 {
        let records = left.min([1, 2, 20, 500][random.below(4)]);
        let (chunk, marks) = chunk(corpus, records, &style, random);
        compare(&mut fast, &mut general, &chunk, &marks, &wanted, &limits, tally);
        left -= records;
    }
    tally.learned += fast.stats().layouts_learned;
    tally.evicted += fast.stats().layouts_evicted;
}

fn compare(
    fast: &mut Decoder,
    general: &mut Decoder,
    chunk: &[u8],
    marks: &[bool],
    wanted: &[Vec<String>],
    limits: &DecodeLimits,
    tally: &mut Tally,
) {
    let (mut slots, mut arenas) = (vec![Slot::default(); wanted.len()], (vec![], vec![]));
    let (mut at, mut line) = (0, 0);
    while at < chunk.len() {
        let before = fast.stats().fast;
        let one = read_next(fast, chunk, at, &mut slots, &mut arenas.0);
        let other = read_next(general, chunk, at, &mut slots, &mut arenas.1);
        let bytes = &chunk[other.line.start..other.line.end];
        assert_eq!(one, other, "{}", bytes.escape_ascii());
        oracle::check(&other, bytes, wanted, limits);
        tally.add(&other.line.outcome, fast.stats().fast > before, marks[line]);
        (at, line) = (one.line.after, line + 1);
    }
}

impl Tally {
    fn add(&mut self, outcome: &Outcome, fast: bool, changed: bool) {
        match outcome {
            Outcome::Blank => return self.blank += 1,
            Outcome::Malformed(..) => self.malformed += 1,
            Outcome::Record => {}
        }
        self.records += 1;
        self.fast += u64::from(fast);
        self.changed += u64::from(changed);
        self.changed_and_fast += u64::from(changed && fast);
    }
}

/// Every record, whole or damaged, is read alike by all three.
#[test]
fn layouts_the_general_parser_and_serde_json_agree() {
    let corpora = corpora();
    let mut random = Random::new(number("CROSSFOOT_FUZZ_SEED", 1) as u64);
    let mut tally = Tally::default();
    while (tally.records as usize) < number("CROSSFOOT_FUZZ_RECORDS", RECORDS) {
        let corpus = if random.one_in(20) {
            0
        } else {
            1 + random.below(corpora.len() - 1)
        };
        session(&corpora[corpus], &mut random, &mut tally);
    }
    println!("{} kinds of records: {tally:?}", corpora.len());
    assert!(
        tally.fast * 2 > tally.records - tally.malformed && tally.changed_and_fast > 0 && tally.malformed > 0,
        "{tally:?}"
    );
}

fn hits(name: &str, wanted: &[&str], chunk: &[u8]) -> f64 {
    let wanted = paths(wanted);
    let (mut fast, mut general) = (Decoder::json(&wanted, LIMITS), Decoder::json(&wanted, LIMITS));
    general.speculate(false);
    let (one, other) = (
        read_all(&mut fast, chunk, wanted.len()),
        read_all(&mut general, chunk, wanted.len()),
    );
    assert!(one == other, "{name}: the ways differ");
    let DecodeStats {
        fast,
        general,
        malformed,
        ..
    } = fast.stats();
    let percent = 100.0 * fast as f64 / (fast + general + malformed) as f64;
    println!(
        "{name}: {percent:.2} % of {} records by layouts",
        fast + general + malformed
    );
    percent
}

/// At least 95 % of the engagement workload is read by layouts.
#[test]
fn engagement_is_read_by_layouts() {
    assert!(hits("engagement", &ENGAGEMENT, &engagement(20_000, false)) >= 95.0);
}

/// Nulls, flags that flip and free text do not break a layout.
#[test]
fn wikipedia_edits_are_read_by_layouts() {
    let Some(lines) = real::bytes(real::WIKIPEDIA) else {
        return;
    };
    assert!(
        hits(
            "wikipedia",
            &["time", "channel", "cityName", "isRobot", "page", "delta"],
            &lines
        ) >= 95.0
    );
}

/// Unwanted objects of any shape do not break a layout.
#[test]
fn github_events_are_read_by_layouts() {
    let Some(lines) = real::bytes(real::GITHUB) else { return };
    assert!(
        hits(
            "github",
            &["id", "type", "actor.login", "repo.name", "created_at"],
            &lines
        ) >= 95.0
    );
}
