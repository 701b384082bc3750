//! Records whose bounds, positions and stamps their source gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::collections::BTreeMap;
use std::path::Path;

use crossfoot_core::accept::Partition;
use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::engine::{Engine, Options};
use crossfoot_core::error::Result;
use crossfoot_core::reader::{Reader, account_name, reason_name};
use crossfoot_core::records::{ABSENT, Columns, Records};
use crossfoot_core::slot::{Malformed, Outcome, Slot};
use crossfoot_core::workers::Pipeline;

const PLAN: &str = r#"{"format": 1, "hash": "00", "key": "000102030405060708090a0b0c0d0e0f",
  "input": {"kind": "json", "untyped": false, "regex": null}, "paths": [["t"], ["id"]],
  "time": {"path": 0, "unit": "us", "pattern": null, "zone": null}, "received": "given", "stamps": "STAMPS",
  "id": {"fields": [1]}, "fields": [], "where": null, "where_fields": [],
  "accept": {"lateness_us": 100, "future_us": 10, "transport_us": TRANSPORT, "horizon_us": 1000, "bucket_us": 60000000,
             "out_of_order_us": 0, "not_before_us": null, "not_after_us": null},
  "metrics": [{"name": "n", "where": null, "sets": [[]],
    "measures": [{"name": "n", "kind": "count", "field": null, "rank": 0, "exact": 0}],
    "grains": [{"name": "all", "unit": "all", "n": 1, "zone": null, "retain_us": null}]}],
  "limits": {"record_bytes_max": 1000, "depth_max": 64, "members_max": 64, "cells_max": 1000, "ids_max": 1000,
             "memory_bytes_max": 10000000000},
  "zones": {}, "tzdata": "none"}"#;

/// Data, offset, stamp, received time.
type Given<'a> = (&'a str, u64, i64, i64);

fn bytes(given: &[Given<'_>]) -> Vec<u8> {
    given.iter().flat_map(|(data, ..)| data.bytes()).collect()
}

fn columns(given: &[Given<'_>]) -> Columns {
    let mut columns = Columns::default();
    let mut end = 0;
    for (data, offset, stamp_us, received_us) in given {
        end += data.len() as u32;
        columns.ends.push(end);
        columns.offsets.push(*offset);
        columns.stamps_us.push(*stamp_us);
        columns.received_us.push(*received_us);
    }
    columns
}

fn records(given: &[Given<'_>]) -> Records {
    Records::new(Box::new(bytes(given)), columns(given)).unwrap()
}

fn open(folder: &Path, stamps: &str) -> Pipeline {
    let transport = if stamps == "carried" { "50" } else { "0" };
    let plan = PLAN.replace("STAMPS", stamps).replace("TRANSPORT", transport);
    let pipeline = Pipeline::start(Engine::open(folder, &plan, Options::default()).unwrap()).unwrap();
    pipeline
        .call(|engine| engine.register(&[("p".into(), "p".into())]))
        .unwrap();
    pipeline
}

/// Count blocks at a reading clock; the partition, and the records of each account and reason.
fn count(stamps: &str, blocks: &[&[Given<'_>]], now_us: i64) -> (Partition, BTreeMap<String, u64>) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), stamps);
    for block in blocks {
        pipeline.feed_records(0, records(block), now_us).unwrap();
    }
    pipeline.call(Engine::commit).unwrap();
    accounts(folder.path())
}

fn accounts(folder: &Path) -> (Partition, BTreeMap<String, u64>) {
    let reader = Reader::open(folder).unwrap();
    let mut found = BTreeMap::new();
    for (key, value) in reader.ledger().unwrap().rows {
        let name = format!("{} {}", account_name(&key), reason_name(&key));
        *found.entry(name.trim().to_owned()).or_default() += value.records;
    }
    (reader.partitions[0].clone(), found)
}

fn of<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<String, u64> {
    pairs.map(|(name, records)| (name.to_owned(), records)).into()
}

#[test]
fn bounds_are_given_so_a_record_may_hold_newlines() {
    let (partition, accounts) = count(
        "ordered",
        &[&[("{\"t\":1,\n \"id\":1}\n", 0, 5, 0), ("{\"t\":1,\"id\":2}", 1, 5, 0)]],
        100,
    );
    assert_eq!((partition.records, accounts), (2, of([("counted", 2)])));
}

#[test]
fn a_record_without_content_has_a_position_and_so_an_account() {
    let (partition, accounts) = count(
        "ordered",
        &[&[("", 0, 5, 0), (" \n", 1, 5, 0), ("{\"t\":1,\"id\":2}", 2, 5, 0)]],
        100,
    );
    assert_eq!(
        (partition.records, accounts),
        (3, of([("counted", 1), ("malformed syntax", 2)]))
    );
}

#[test]
fn positions_that_are_never_handed_out_are_gaps() {
    let blocks: [&[Given<'_>]; 2] = [
        &[("{\"t\":1,\"id\":1}", 7, 5, 0), ("{\"t\":1,\"id\":2}", 9, 5, 0)],
        &[("{\"t\":1,\"id\":3}", 12, 5, 0)],
    ];
    let (partition, _) = count("ordered", &blocks, 100);
    assert_eq!((partition.first_offset, partition.next_offset), (Some(7), Some(13)));
    assert_eq!((partition.records, partition.gaps), (3, 3));
}

#[test]
fn what_the_source_passes_over_is_a_gap_too() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), "ordered");
    pipeline.call(|engine| engine.counter.skip_to(0, 3)).unwrap();
    pipeline
        .feed_records(0, records(&[("{\"t\":1,\"id\":1}", 4, 5, 0)]), 100)
        .unwrap();
    pipeline.call(|engine| engine.counter.skip_to(0, 8)).unwrap();
    pipeline.call(Engine::commit).unwrap();
    let (partition, _) = accounts(folder.path());
    assert_eq!(
        (partition.first_offset, partition.next_offset, partition.gaps),
        (Some(3), Some(8), 4)
    );
}

#[test]
fn a_restart_goes_on_at_the_next_position_and_refuses_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), "ordered");
    pipeline
        .feed_records(0, records(&[("{\"t\":1,\"id\":1}", 4, 5, 0)]), 100)
        .unwrap();
    pipeline.call(Engine::commit).unwrap();
    drop(pipeline);
    let pipeline = open(folder.path(), "ordered");
    let next = pipeline
        .call(|engine| Ok(engine.counter.partitions[0].position()))
        .unwrap();
    assert_eq!(next, 5);
    pipeline
        .feed_records(0, records(&[("{\"t\":1,\"id\":1}", 4, 5, 0)]), 100)
        .unwrap();
    let error = pipeline.call(Engine::commit).unwrap_err();
    assert_eq!(error.message, "p goes on at position 5, not 4");
}

#[test]
fn ordered_stamps_never_go_back() {
    let late = ("{\"t\":100,\"id\":1}", 1, 90, 0); // its own stamp says 10 before, t says 110 after
    let (partition, accounts) = count("ordered", &[&[("{\"t\":210,\"id\":0}", 0, 210, 0), late]], 1000);
    assert_eq!(
        (partition.last_t_us, accounts),
        (Some(210), of([("counted", 1), ("too_late lateness", 1)]))
    );
}

#[test]
fn a_stamp_beyond_the_reading_clock_is_invalid_and_moves_nothing() {
    let (partition, accounts) = count(
        "ordered",
        &[&[("{\"t\":1,\"id\":1}", 0, 61, 0), ("{\"t\":1,\"id\":2}", 1, 60, 0)]],
        50,
    );
    assert_eq!(
        (partition.last_t_us, accounts),
        (Some(60), of([("counted", 1), ("invalid stamp", 1)]))
    );
}

#[test]
fn carried_input_is_late_by_its_received_time_and_held_up_by_its_stamp() {
    let block: &[Given<'_>] = &[
        ("{\"t\":1,\"id\":1}", 0, 150, 101),   // a - e = L, t - a = 49
        ("{\"t\":1,\"id\":2}", 1, 152, 102),   // a - e > L
        ("{\"t\":100,\"id\":3}", 2, 152, 101), // t - a > D
        ("{\"t\":200,\"id\":4}", 3, 152, 120), // e > a + F
        ("{\"t\":130,\"id\":5}", 4, 100, 120), // t does not go back
    ];
    let (partition, accounts) = count("carried", &[block], 1000);
    let expected = [
        ("counted", 2),
        ("future", 1),
        ("too_late lateness", 1),
        ("too_late transport", 1),
    ];
    assert_eq!((partition.last_t_us, accounts), (Some(152), of(expected)));
    assert_eq!(partition.newest_us, Some(120));
}

#[test]
fn a_stamp_that_is_absent_is_missing() {
    let block: &[Given<'_>] = &[
        ("{\"t\":1,\"id\":1}", 0, ABSENT, 5),
        ("{\"t\":1,\"id\":2}", 1, 5, ABSENT),
        ("{\"t\":1,\"id\":3}", 2, 5, 5),
    ];
    assert_eq!(
        count("carried", &[block], 100).1,
        of([("counted", 1), ("invalid missing", 2)])
    );
    assert_eq!(
        count("ordered", &[block], 100).1,
        of([("counted", 2), ("invalid missing", 1)])
    );
}

#[test]
fn lines_have_no_stamp_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), "ordered");
    assert!(pipeline.feed(0, Box::new(*b"{}\n"), 0).is_err());
}

const LIMITS: DecodeLimits = DecodeLimits {
    record_bytes_max: 200,
    depth_max: 8,
    members_max: 8,
};

fn decode(bytes: &[u8], spans: &[(usize, usize)], speculate: bool) -> (Vec<(Outcome, Slot)>, u64) {
    let mut decoder = Decoder::json(&[vec!["a".into()]], LIMITS);
    decoder.speculate(speculate);
    let mut slots = vec![Slot::default()];
    let outcomes = spans.iter().map(|span| {
        let line = decoder.record(bytes, *span, &mut slots, &mut vec![]);
        (line.outcome, slots[0])
    });
    (outcomes.collect(), decoder.stats().fast)
}

#[test]
fn learned_layouts_read_records_as_the_general_parser_does() {
    let kinds = [
        "{\"a\":\"x\",\"b\":[1,{}]}",
        "{\"a\":7,\"b\":[1,\n2]}",
        "{\"a\":\"x\",\"b\":3}\n",
        "{\"a\":\"xyz",
    ];
    let mut bytes = vec![];
    let mut spans = vec![];
    for n in 0..2000usize {
        let start = bytes.len();
        // Most are alike, so that layouts are learned; a broken one is followed by what would complete it.
        let kind = if n % 40 == 39 { kinds[n / 40 % 4] } else { kinds[0] };
        bytes.extend_from_slice(kind.as_bytes());
        spans.push((start, bytes.len()));
    }
    let ((fast, hits), (general, none)) = (decode(&bytes, &spans, true), decode(&bytes, &spans, false));
    assert_eq!(fast, general);
    assert!(hits > 1900, "{hits}");
    assert_eq!(none, 0);
}

#[test]
fn a_record_ends_where_its_source_says() {
    // The same bytes are one good line; cut elsewhere they are two broken records.
    let bytes = b"{\"a\":1}{\"a\":2}";
    let outcomes = |spans: &[(usize, usize)]| {
        decode(bytes, spans, true)
            .0
            .into_iter()
            .map(|(o, _)| o)
            .collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&[(0, 7), (7, 14)]), [Outcome::Record; 2]);
    assert_eq!(outcomes(&[(0, 6)]), [Outcome::Malformed(Malformed::Syntax, 6)]);
    assert_eq!(outcomes(&[(0, 8)]), [Outcome::Malformed(Malformed::Syntax, 7)]);
}

#[test]
fn positions_say_nothing_of_a_source_without_them() -> Result<()> {
    let mut partition = Partition {
        records: 5,
        ..Partition::default()
    };
    assert_eq!(partition.position(), 5);
    partition.skip_to(9)?;
    assert_eq!((partition.position(), partition.gaps), (9, 0));
    Ok(())
}

/// Count one block of a recount: times that were recorded of its records, and whether they were lines.
fn recount(given: &[Given<'_>], recorded_us: &[i64], are_lines: bool) -> (Partition, BTreeMap<String, u64>) {
    let folder = tempfile::tempdir().unwrap();
    let plan = PLAN.replace("STAMPS", "ordered").replace("TRANSPORT", "0");
    let pipeline = Pipeline::start(Engine::open(folder.path(), &plan, Options::default()).unwrap()).unwrap();
    pipeline
        .call(|engine| engine.rejoin(vec![("p".into(), "p".into(), Some(40))]))
        .unwrap();
    let columns = Columns {
        recorded_us: recorded_us.to_vec(),
        are_lines,
        ..columns(given)
    };
    let records = Records::new(Box::new(bytes(given)), columns).unwrap();
    pipeline.feed_records(0, records, 10_000).unwrap();
    pipeline.call(Engine::commit).unwrap();
    accounts(folder.path())
}

#[test]
fn a_recount_judges_by_the_recorded_j_and_t() {
    let given: [Given<'_>; 2] = [("{\"t\":39,\"id\":1}", 0, 5, 0), ("{\"t\":99,\"id\":2}", 1, 6, 0)];
    let (partition, accounts) = recount(&given, &[ABSENT, 200], false);
    assert_eq!((partition.joined_us, partition.last_t_us), (Some(40), Some(200)));
    assert_eq!(accounts, of([("counted", 1), ("too_late lateness", 1)]));
}

#[test]
fn a_stamp_after_what_was_recorded_is_that_of_a_record_that_had_no_t() {
    let (partition, accounts) = recount(&[("{\"t\":300,\"id\":1}", 0, 300, 0)], &[50], false);
    assert_eq!((partition.last_t_us, accounts), (Some(300), of([("counted", 1)])));
}

#[test]
fn lines_that_are_recounted_have_no_positions_of_their_own() {
    let (partition, _) = recount(&[("{\"t\":1,\"id\":1}", 0, 5, 0)], &[50], true);
    assert_eq!((partition.records, partition.next_offset), (1, None));
}
