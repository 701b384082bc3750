//! What a remembered id costs: ns of a new one and of a copy, bytes, and the longest stop, while ids come in batches. A JSON
//! object each time that their number has grown tenfold. `cargo run --release --example ids_bench -- 100000000`.
use std::time::Instant;

use crossfoot_core::dedup::{Entry, Horizon, Memory, Query, Seen};

const BATCH: u64 = 5_000;
/// Copies are asked for in so many batches, of ids from all the time before.
const COPY_BATCHES: u64 = 200;

fn main() {
    let most: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000_000);
    let mut memory = Memory::new(Horizon {
        bucket_us: 3_600_000_000,
        horizon_us: None,
    });
    let (mut ids, mut next, mut spent, mut longest, mut before) = (0, 1_000_000, 0, 0, 0);
    while ids < most {
        let (ns, new) = judge(&mut memory, (ids..ids + BATCH).map(query));
        assert_eq!(new, BATCH, "an id that never came was known");
        ids += BATCH;
        spent += ns;
        longest = longest.max(ns);
        if ids == next.min(most) {
            let mut copies = 0;
            for batch in 0..COPY_BATCHES {
                let of = |place: u64| query(mix(batch * BATCH + place) % ids);
                let (ns, new) = judge(&mut memory, (0..BATCH).map(of));
                assert_eq!(new, 0, "an id was forgotten");
                copies += ns;
            }
            println!(
                r#"{{"ids": {ids}, "new_ns": {}, "copy_ns": {}, "bytes": {:.1}, "longest_ms": {:.2}}}"#,
                spent / (ids - before),
                copies / (COPY_BATCHES * BATCH),
                memory.size() as f64 / ids as f64,
                longest as f64 / 1e6
            );
            (before, spent, longest, next) = (ids, 0, 0, next * 10);
        }
    }
}

/// How long a batch took, in ns, and how many of it were new.
fn judge(memory: &mut Memory, queries: impl Iterator<Item = Query>) -> (u64, u64) {
    let (queries, mut seen): (Vec<Query>, _) = (queries.collect(), vec![]);
    let began = Instant::now();
    memory.judge(&queries, &mut seen);
    let ns = began.elapsed().as_nanos() as u64;
    (ns, seen.iter().filter(|verdict| **verdict == Seen::New).count() as u64)
}

fn query(number: u64) -> Query {
    Query {
        entry: Entry {
            uuid: u128::from(mix(number)) << 64 | u128::from(mix(!number)),
            event_us: number as i64,
            digest: number as u32,
        },
        t: None,
        forgotten: None,
    }
}

/// Each number has another mixed one.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
