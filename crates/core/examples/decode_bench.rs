//! CPU time of decoding, per record: learned layouts and the general parser in turn, on the same lines.
//! `CROSSFOOT_TEST_DATA` names a folder of real event data; without it only generated lines are read.
use std::io::Read;
use std::path::Path;

use crossfoot_core::decode::{DecodeLimits, DecodeStats, Decoder};
use crossfoot_core::generate::{Generator, Workload as Engagement};
use crossfoot_core::slot::{Outcome, Slot};
use rustix::time::{ClockId, clock_gettime};

const LIMITS: DecodeLimits = DecodeLimits {
    record_bytes_max: 1 << 20,
    depth_max: 64,
    members_max: 4096,
};
const CHUNK: usize = 1 << 20;
const ROUNDS: usize = 7;

struct Workload {
    name: &'static str,
    paths: Vec<Vec<String>>,
    lines: Vec<u8>,
}

fn main() {
    println!(
        "{:34} {:>8} {:>7} {:>9} {:>12} {:>7}",
        "workload", "records", "bytes", "fast ns", "general ns", "hits"
    );
    for workload in workloads() {
        measure(&workload);
    }
}

fn workloads() -> Vec<Workload> {
    let lines = |shuffled| {
        Generator::new(Engagement {
            shuffled,
            ..Engagement::default()
        })
        .block(100_000)
    };
    let keys = [
        "id", "ts", "kind", "user", "item", "country", "client", "surface", "duration", "session",
    ];
    let mut all = vec![
        workload("engagement, all 10 keys", &keys, lines(false)),
        workload(
            "engagement, 6 of 10 keys",
            &["id", "ts", "kind", "item", "country", "duration"],
            lines(false),
        ),
        workload("engagement shuffled, all 10 keys", &keys, lines(true)),
    ];
    let wikipedia = [
        "time",
        "channel",
        "page",
        "user",
        "isRobot",
        "isNew",
        "namespace",
        "added",
        "deleted",
        "delta",
    ];
    let github = ["id", "type", "actor.login", "repo.name", "created_at", "public"];
    let git = ["author_time", "commit_time", "author", "status", "path"];
    all.extend(real(
        "wikipedia, 10 of 20 keys",
        &wikipedia,
        "wikipedia-edits/wikiticker-2015-09-12-sampled.json.gz",
    ));
    all.extend(real(
        "github, 6 paths",
        &github,
        "github-events-pinot/2021-07-21-few-hours.json.gz",
    ));
    all.extend(real(
        "git history, 5 of 7 keys",
        &git,
        "git-history/pinot-file-events.jsonl.gz",
    ));
    all
}

fn workload(name: &'static str, paths: &[&str], lines: Vec<u8>) -> Workload {
    let paths = paths
        .iter()
        .map(|path| path.split('.').map(String::from).collect())
        .collect();
    Workload { name, paths, lines }
}

fn real(name: &'static str, paths: &[&str], file: &str) -> Option<Workload> {
    let file = Path::new(&std::env::var_os("CROSSFOOT_TEST_DATA")?).join(file);
    let mut lines = vec![];
    flate2::read::MultiGzDecoder::new(std::fs::File::open(file).ok()?)
        .read_to_end(&mut lines)
        .ok()?;
    Some(workload(name, paths, lines))
}

fn measure(workload: &Workload) {
    let (mut fast, mut general) = (vec![], vec![]);
    let mut stats = DecodeStats::default();
    for _ in 0..ROUNDS {
        let (ns, seen) = decode(workload, true);
        fast.push(ns);
        stats = seen;
        general.push(decode(workload, false).0);
    }
    let records = stats.fast + stats.general + stats.malformed;
    let bytes = workload.lines.len() as u64 / records;
    let hits = 100.0 * stats.fast as f64 / records as f64;
    let (fast, general) = (median(fast), median(general));
    println!(
        "{:34} {records:8} {bytes:7} {fast:9.1} {general:12.1} {hits:6.2}%",
        workload.name
    );
}

/// Nanoseconds of this thread's CPU per record.
fn decode(workload: &Workload, speculate: bool) -> (f64, DecodeStats) {
    let mut decoder = Decoder::json(&workload.paths, LIMITS);
    decoder.speculate(speculate);
    let mut slots = vec![Slot::default(); workload.paths.len()];
    let mut arena = vec![];
    let (mut records, mut content) = (0u64, 0u64);
    let start = cpu_ns();
    for chunk in chunks(&workload.lines) {
        let mut at = 0;
        arena.clear();
        while at < chunk.len() {
            let line = decoder.next(chunk, at, &mut slots, &mut arena);
            records += u64::from(line.outcome != Outcome::Blank);
            content += slots.iter().map(|slot| u64::from(slot.len)).sum::<u64>();
            at = line.after;
        }
    }
    let spent = cpu_ns() - start;
    std::hint::black_box(content);
    (spent as f64 / records as f64, decoder.stats())
}

/// Whole lines, about a chunk each.
fn chunks(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let cut = lines
            .get(CHUNK..)
            .and_then(|rest| rest.iter().position(|&b| b == b'\n'));
        let (chunk, rest) = lines.split_at(cut.map_or(lines.len(), |n| CHUNK + n + 1));
        lines = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
