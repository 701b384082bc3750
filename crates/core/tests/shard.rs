//! A shard is the same whether it was kept or loaded, and a commit costs what it has changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::collections::BTreeMap;

use crossfoot_core::error::Kind;
use crossfoot_core::prepared::State;
use crossfoot_core::records::{ABSENT, Columns, Records};
use crossfoot_core::shard::{Delta, Shard, Slice, Splitter};
use serde_json::{Value, json};

const ONE: Slice = Slice { number: 0, shards: 1 };
const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Without stamps: ids are kept for ever. A page is what `k` says.
fn plan() -> String {
    let mut plan: Value = serde_json::from_str(include_str!("store_plan.json")).unwrap();
    plan["paths"] = json!([["t"], ["k"]]);
    plan["fields"][0]["expression"] = json!(["path", 1]);
    plan["limits"]["ids_max"] = json!(1_000_000);
    plan["limits"]["cells_max"] = json!(1_000_000);
    plan.to_string()
}

/// An event that happened at a time, which is its id, too; there are so many pages.
fn line(time_us: i64, pages: i64) -> String {
    format!("{{\"t\": {time_us}, \"k\": {}}}\n", time_us % pages)
}

/// Carried stamps, an hour of lateness, an hour on the way, ids for two hours.
fn carried() -> String {
    let mut plan: Value = serde_json::from_str(&plan()).unwrap();
    plan["received"] = json!("given");
    plan["stamps"] = json!("carried");
    plan["accept"] = json!({"lateness_us": HOUR_US, "future_us": 0, "transport_us": HOUR_US, "horizon_us": 2 * HOUR_US,
        "bucket_us": 15 * MINUTE_US, "out_of_order_us": 0, "not_before_us": null, "not_after_us": null});
    plan.to_string()
}

/// What a runner keeps of a shard.
#[derive(Clone, Default)]
struct Kept {
    head: Vec<u8>,
    ids: BTreeMap<i64, Vec<u8>>,
    cells: Vec<u8>,
}

impl Kept {
    fn add(&mut self, delta: &Delta) {
        self.head.clone_from(&delta.head);
        for (end, ids) in &delta.ids {
            self.ids.entry(*end).or_default().extend(ids);
        }
        for end in &delta.freed {
            self.ids.remove(end);
        }
        if delta.compacted {
            self.cells.clear();
        }
        self.cells.extend(&delta.cells);
    }

    fn load(&self, plan: &str) -> crossfoot_core::error::Result<Shard> {
        let ids: Vec<_> = self.ids.iter().map(|(end, ids)| (*end, ids)).collect();
        Shard::load(plan, ONE, &self.head, &ids, &self.cells)
    }
}

/// A block of events that happened at these times, on few pages.
fn block(plan: &str, times_us: impl IntoIterator<Item = i64>) -> Vec<u8> {
    block_of(plan, times_us, 7)
}

fn block_of(plan: &str, times_us: impl IntoIterator<Item = i64>, pages: i64) -> Vec<u8> {
    let lines: String = times_us.into_iter().map(|t| line(t, pages)).collect();
    let mut splitter = Splitter::new(plan, 1).unwrap();
    let split = splitter.lines("p", lines.as_bytes(), 0, State::default(), 0).unwrap();
    split.blocks.into_iter().next().map(|(_, block)| block).unwrap()
}

/// A block of one event that happened and was received at a time, under carried stamps.
fn carried_block(plan: &str, time_us: i64) -> Vec<u8> {
    let line = line(time_us, 7);
    let columns = Columns {
        ends: vec![line.len() as u32],
        offsets: vec![0],
        stamps_us: vec![time_us],
        received_us: vec![time_us],
        ..Columns::default()
    };
    let records = Records::new(Box::new(line.into_bytes()), columns).unwrap();
    let mut splitter = Splitter::new(plan, 1).unwrap();
    let split = splitter.records("p", &records, State::default(), time_us).unwrap();
    split.blocks.into_iter().next().map(|(_, block)| block).unwrap()
}

fn values(shard: &mut Shard) -> Vec<Option<Vec<u8>>> {
    (0..shard.tables().count())
        .map(|table| shard.partials(table, 0).unwrap())
        .collect()
}

#[test]
fn a_loaded_shard_hands_out_what_a_kept_one_does() {
    let plan = plan();
    let (mut shard, mut kept) = (Shard::new(&plan, ONE).unwrap(), Kept::default());
    for round in 0..8 {
        let block = block(
            &plan,
            (0..500).map(|i| (i * 37 + round * 11_000) * 1_000_000 % (9 * HOUR_US)),
        );
        let mut again = if round == 0 {
            Shard::new(&plan, ONE).unwrap()
        } else {
            kept.load(&plan).unwrap()
        };
        for counting in [&mut shard, &mut again] {
            counting.apply(&block, 0).unwrap();
        }
        let delta = shard.commit().unwrap();
        assert_eq!(again.commit().unwrap(), delta);
        kept.add(&delta);
        assert_eq!(values(&mut again), values(&mut shard));
        assert_eq!(again.accounts(), shard.accounts());
    }
}

#[test]
fn cells_that_were_compacted_are_the_same_and_take_less() {
    let plan = plan();
    let (mut shard, mut kept, mut appended, mut compacted) = (Shard::new(&plan, ONE).unwrap(), Kept::default(), 0, 0);
    for round in 0..60 {
        let block = block_of(&plan, (0..2_000).map(|i| i * 1_000 + round), 1_999);
        shard.apply(&block, 0).unwrap();
        let delta = shard.commit().unwrap();
        appended += delta.cells.len();
        compacted += usize::from(delta.compacted);
        kept.add(&delta);
        if delta.compacted {
            assert_eq!(values(&mut kept.load(&plan).unwrap()), values(&mut shard));
        }
    }
    assert!((1..20).contains(&compacted), "{compacted}");
    assert!(kept.cells.len() < appended, "{} of {appended}", kept.cells.len());
}

#[test]
fn a_commit_costs_what_changed() {
    let plan = plan();
    let mut shard = Shard::new(&plan, ONE).unwrap();
    let few = |from: i64| block(&plan, (from..from + 100).map(|i| i % 60 * MINUTE_US + i / 60));
    shard.apply(&few(0), 0).unwrap();
    let small = shard.commit().unwrap();
    for part in 1..5 {
        shard
            .apply(
                &block(&plan, (0..20_000).map(|i| i % 60 * MINUTE_US + part * 20_000 + i)),
                0,
            )
            .unwrap();
    }
    shard.commit().unwrap();
    shard.apply(&few(1_000_000), 0).unwrap();
    let later = shard.commit().unwrap();
    let size = |delta: &Delta| delta.head.len() + delta.cells.len() + delta.ids.values().map(Vec::len).sum::<usize>();
    assert_eq!(later.ids.values().map(Vec::len).sum::<usize>(), 100 * 28);
    assert!(size(&later) < size(&small) * 3 / 2, "{} {}", size(&later), size(&small));
}

#[test]
fn ids_are_freed_when_nothing_can_match_them_and_a_late_copy_is_not_counted_again() {
    let plan = carried();
    let (mut shard, mut kept) = (Shard::new(&plan, ONE).unwrap(), Kept::default());
    let start = 1_000 * HOUR_US;
    let mut freed = 0;
    for step in 0..40 {
        let now = start + step * 15 * MINUTE_US;
        shard.apply(&carried_block(&plan, now), now).unwrap();
        let delta = shard.commit().unwrap();
        freed += delta.freed.len();
        kept.add(&delta);
        shard = kept.load(&plan).unwrap();
    }
    assert!(
        freed >= 30 && kept.ids.len() <= 10,
        "{freed} freed, {} kept",
        kept.ids.len()
    );
    let late = start + 39 * 15 * MINUTE_US;
    shard.apply(&carried_block(&plan, start), late).unwrap();
    shard.apply(&carried_block(&plan, late), late).unwrap();
    shard.commit().unwrap();
    let accounts: Vec<(String, String, String, String, u64)> = serde_json::from_str(&shard.accounts()).unwrap();
    let of = |account: &str| {
        accounts
            .iter()
            .filter(|row| row.1 == account)
            .map(|row| row.4)
            .sum::<u64>()
    };
    assert_eq!((of("counted"), of("duplicate"), of("too_late")), (40, 1, 1));
}

#[test]
fn a_clock_that_goes_back_is_held() {
    let plan = carried();
    let mut shard = Shard::new(&plan, ONE).unwrap();
    let now = 1_000 * HOUR_US;
    shard.apply(&carried_block(&plan, now), now).unwrap();
    shard.apply(&carried_block(&plan, now - HOUR_US), ABSENT).unwrap();
    shard.commit().unwrap();
    let meta: Value = serde_json::from_str(&shard.meta().unwrap()).unwrap();
    assert_eq!(meta["clock_us"], json!(now));
}

#[test]
fn a_state_that_is_not_whole_or_not_of_this_shard_is_refused() {
    let plan = plan();
    let (mut shard, mut kept) = (Shard::new(&plan, ONE).unwrap(), Kept::default());
    shard.apply(&block(&plan, [1, 2, HOUR_US * 3]), 0).unwrap();
    kept.add(&shard.commit().unwrap());
    let refused = |kept: &Kept, plan: &str, part: &str| {
        let error = kept.load(plan).err().unwrap();
        assert!(error.message.contains(part), "{}", error.message);
        error.kind
    };
    let mut less = kept.clone();
    less.ids.pop_first();
    assert_eq!(
        refused(
            &less,
            &plan,
            "0 of 2 ids are there of the bucket that ends at 3600000000"
        ),
        Kind::Store
    );
    let mut less = kept.clone();
    less.cells.pop();
    refused(&less, &plan, "bytes of cells are there");
    let mut other = kept.clone();
    *other.cells.last_mut().unwrap() ^= 1;
    refused(&other, &plan, "a wrong checksum");
    let mut other = kept.clone();
    other.head[20] ^= 1;
    refused(&other, &plan, "its head has a wrong checksum");
    assert_eq!(
        refused(&kept, &carried(), "counted with another definition"),
        Kind::Definition
    );
    let two = Slice { number: 0, shards: 2 };
    let ids: Vec<_> = kept
        .ids
        .iter()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(end, ids)| (*end, ids))
        .collect();
    let error = Shard::load(&plan, two, &kept.head, &ids, &kept.cells).err().unwrap();
    assert_eq!(error.message, "this is the state of shard 0 of 1, not of shard 0 of 2");
}

#[test]
fn what_shards_cannot_count_is_refused() {
    let mut bounded: Value = serde_json::from_str(&plan()).unwrap();
    bounded["metrics"][0]["values_max"] = json!(3);
    let bounded = bounded.to_string();
    let error = Splitter::new(&bounded, 4).err().unwrap();
    assert!(
        error.message.contains("metric views has values_max"),
        "{}",
        error.message
    );
    let slice = Slice { number: 4, shards: 4 };
    assert_eq!(
        Shard::new(&plan(), slice).err().unwrap().message,
        "there is no shard 4 of 4"
    );
}

#[test]
fn windows_that_retention_has_removed_leave_the_cells_and_the_sums_stay_right() {
    let mut plan: Value = serde_json::from_str(&carried()).unwrap();
    plan["metrics"][0]["grains"][0]["retain_us"] = json!(3 * HOUR_US);
    let plan = plan.to_string();
    let (mut shard, mut kept) = (Shard::new(&plan, ONE).unwrap(), Kept::default());
    let (start, mut compacted) = (1_000 * HOUR_US, 0);
    for step in 0..24 {
        let now = start + step * HOUR_US;
        let lines: Vec<String> = (0..4_000).map(|i| line(now - i * 1_000, i64::MAX)).collect();
        let columns = Columns {
            ends: lines
                .iter()
                .scan(0, |end, line| {
                    *end += line.len() as u32;
                    Some(*end)
                })
                .collect(),
            offsets: (0..4_000).collect(),
            stamps_us: vec![now; 4_000],
            received_us: vec![now; 4_000],
            ..Columns::default()
        };
        let records = Records::new(Box::new(lines.concat().into_bytes()), columns).unwrap();
        let split = Splitter::new(&plan, 1)
            .unwrap()
            .records("p", &records, State::default(), now)
            .unwrap();
        shard.apply(&split.blocks[0].1, now).unwrap();
        let delta = shard.commit().unwrap();
        compacted += usize::from(delta.compacted);
        kept.add(&delta);
        let mut loaded = kept.load(&plan).unwrap();
        assert_eq!(values(&mut loaded), values(&mut shard));
    }
    let meta: Value = serde_json::from_str(&shard.meta().unwrap()).unwrap();
    assert!(compacted > 0);
    assert_eq!(meta["passed"], json!([96_000]));
    let (minutes, hours) = (96_000, 96_000);
    assert!(
        meta["cells"].as_u64().unwrap() < minutes + hours - 15_000,
        "{}",
        meta["cells"]
    );
}
