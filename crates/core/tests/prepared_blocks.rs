//! Blocks that were damaged: whatever stands in them, each is one record with rows, and the one behind it is read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]
mod prepare_support;

use crossfoot_core::batch::{Batch, Verdict};
use crossfoot_core::front::Front;
use crossfoot_core::plan::Plan;
use crossfoot_core::prepared::{Lineage, Options, Preparation, State};
use crossfoot_core::records::{Columns, Records};
use prepare_support::{field, plan};
use proptest::prelude::*;
use serde_json::{Value, json};

const EVENTS: usize = 40;

fn fields(path: impl Fn(usize) -> Value) -> Value {
    let kinds = ["text", "integer", "decimal", "float", "boolean", "any"];
    let named = kinds.iter().enumerate();
    named
        .map(|(number, kind)| field(&format!("f{number}"), kind, path(number)))
        .collect()
}

fn writer() -> Plan {
    let values = [
        json!(["text", "é"]),
        json!(["int", 7]),
        json!(["int", 3]),
        json!(["int", 2]),
        json!(["bool", true]),
        json!(["text", "any"]),
    ];
    plan(
        json!({"received": "given", "stamps": "ordered", "fields": fields(|number| values[number].clone()),
                "limits": limits()}),
    )
}

fn reader() -> Plan {
    let time = |path: usize| json!({"path": path, "unit": "iso", "pattern": null, "zone": null});
    let mut paths: Vec<Value> = ["time", "id", "received", "definition", "source"]
        .iter()
        .map(|name| json!([name]))
        .collect();
    paths.extend((0..6).map(|number| json!(["data", format!("f{number}")])));
    plan(
        json!({"paths": paths, "time": time(0), "id": {"uuid": [1]}, "received": time(2), "stamps": "carried",
                "guard": [[3, "hash"], [4, "crossfoot:test"]], "fields": fields(|number| json!(["path", number + 5])),
                "input": {"kind": "prepared", "untyped": false, "regex": null}, "limits": limits()}),
    )
}

fn limits() -> Value {
    json!({"record_bytes_max": 1 << 20, "depth_max": 64, "members_max": 64, "cells_max": 1, "ids_max": 1,
           "memory_bytes_max": 1})
}

fn records(parts: &[&[u8]]) -> Records {
    let ends = parts.iter().scan(0, |end, part| {
        *end += part.len() as u32;
        Some(*end)
    });
    let columns = Columns {
        ends: ends.collect(),
        offsets: (0..parts.len() as u64).collect(),
        stamps_us: vec![1; parts.len()],
        ..Columns::default()
    };
    Records::new(Box::new(parts.concat()), columns).unwrap()
}

fn block() -> Vec<u8> {
    let options = json!({"source": "crossfoot:test", "definition": "hash", "form": "block"});
    let options: Options = serde_json::from_value(options).unwrap();
    let lineage = Lineage {
        name: "p".into(),
        topic: "t".into(),
        partition: 0,
        attempt: 1,
    };
    let lines: Vec<String> = (0..EVENTS).map(|n| format!(r#"{{"t":{n},"id":{n}}}"#)).collect();
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let mut preparation = Preparation::new(writer(), &options).unwrap();
    let made = preparation
        .prepare(&lineage, &records(&lines), State::default(), 10)
        .unwrap();
    assert_eq!((made.messages.ends.len(), made.summary.events), (1, EVENTS as u64));
    made.messages.bytes
}

fn read(parts: &[&[u8]]) -> Batch {
    let (mut front, mut batch) = (Front::new(&reader()).unwrap(), Batch::default());
    assert_eq!(front.fill_records(&records(parts), 0, 10, &mut batch), parts.len());
    batch
}

#[test]
fn a_block_is_read_wherever_it_begins() {
    let block = block();
    for before in 1..9 {
        let batch = read(&[&vec![b'x'; before], &block]);
        let events = batch.rows.iter().filter(|row| row.verdict == Verdict::Event).count();
        assert_eq!((events, batch.records()), (EVENTS, 2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_damage_is_one_record(
        changes in prop::collection::vec((0.0..1.0f64, prop::sample::select(vec![0u8, 1, 4, 127, 128, 254, 255]) ), 1..6),
        cut in prop::option::of(0.0..1.0f64),
    ) {
        let whole = block();
        let mut damaged = whole.clone();
        for (place, byte) in changes {
            let at = 1 + (place * (damaged.len() - 1) as f64) as usize;
            damaged[at] = byte;
        }
        damaged.truncate(cut.map_or(damaged.len(), |cut| 1 + (cut * damaged.len() as f64) as usize));
        let batch = read(&[&damaged, &whole]);
        prop_assert_eq!(batch.records(), 2);
        prop_assert!(batch.rows.len() > EVENTS);
        prop_assert!(batch.rows.len() <= EVENTS + (1 << 16));
    }
}
