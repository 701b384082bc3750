//! CPU time of preparing, per record, on decoded lines of the engagement workload: whole, and with parts of the definition
//! left out; and of finding windows.
use crossfoot_core::batch::Batch;
use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::generate::{Generator, Workload};
use crossfoot_core::plan::{Grain, GrainUnit, Plan};
use crossfoot_core::prepare::{Preparer, Reading};
use crossfoot_core::slot::{Line, Outcome, Slot};
use crossfoot_core::windows::Calendar;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const RECORDS: usize = 50_000;
/// So few that their bytes and slots are still in the cache when they are prepared, as in the engine.
const BATCH: usize = 200;
const ROUNDS: usize = 15;
const LIMITS: DecodeLimits = DecodeLimits {
    record_bytes_max: 1 << 20,
    depth_max: 64,
    members_max: 4096,
};
const PATHS: [&str; 8] = ["ts", "id", "kind", "user", "item", "country", "client", "duration"];

fn main() {
    let lines = Generator::new(Workload::default()).block(RECORDS);
    let fields = ["kind", "user", "item", "country", "client", "duration"];
    let fields: Vec<Value> = (2..)
        .zip(fields)
        .map(|(path, name)| field(name, json!(["path", path])))
        .collect();
    let mut lower = fields.clone();
    if let Some(kind) = lower.first_mut() {
        *kind = field("kind", json!(["lower", ["path", 2]]));
    }
    let kinds = json!([
        "in",
        ["field", 0],
        ["text", "click"],
        ["text", "like"],
        ["text", "view"]
    ]);
    let metric = |filter: &Value| json!([{"name": "m", "where": filter, "sets": [[]], "measures": [], "grains": []}]);
    println!("{:44} {:>9}", "preparing", "ns/record");
    measure("uuid, ms time, 6 fields", &lines, json!({"fields": fields}));
    measure("without fields", &lines, json!({"fields": []}));
    measure(
        "id of two fields",
        &lines,
        json!({"fields": fields, "id": {"fields": [1, 3]}}),
    );
    measure("an expression lower(kind)", &lines, json!({"fields": lower}));
    measure(
        "a metric's where, kind in three texts",
        &lines,
        json!({"fields": fields, "metrics": metric(&kinds)}),
    );
    let user = json!(["ne", ["field", 1], ["int", 0]]);
    measure(
        "where user <> 0",
        &lines,
        json!({"fields": fields, "where": user, "where_fields": [1]}),
    );
    windows();
}

fn field(name: &str, expression: Value) -> Value {
    json!({"name": name, "type": "any", "scale": 0, "expression": expression, "default": null})
}

fn plan(changes: &Value) -> Result<Plan, serde_json::Error> {
    let mut plan = json!({
        "format": 1, "hash": "00", "key": "000102030405060708090a0b0c0d0e0f",
        "input": {"kind": "json", "untyped": false, "regex": null}, "paths": PATHS.map(|path| vec![path]),
        "time": {"path": 0, "unit": "ms", "pattern": null, "zone": null}, "received": null, "id": {"fields": [1]},
        "where": null, "where_fields": [], "metrics": [],
        "accept": {"lateness_us": null, "future_us": 0, "transport_us": 0, "horizon_us": null,
                   "bucket_us": 3_600_000_000_i64, "out_of_order_us": 0, "not_before_us": null, "not_after_us": null},
        "limits": {"record_bytes_max": 1_000_000, "depth_max": 64, "members_max": 64, "cells_max": 1, "ids_max": 1,
                   "memory_bytes_max": 1},
        "zones": {}, "tzdata": "none",
    });
    if let (Some(plan), Some(changes)) = (plan.as_object_mut(), changes.as_object()) {
        plan.extend(changes.clone());
    }
    serde_json::from_value(plan)
}

fn measure(name: &str, lines: &[u8], changes: Value) {
    let Some(mut preparer) = plan(&changes).ok().and_then(|plan| Preparer::new(&plan).ok()) else {
        println!("{name:44} the plan is wrong");
        return;
    };
    let mut batch = Batch::default();
    let mut decoded = vec![
        (
            Line {
                start: 0,
                end: 0,
                after: 0,
                outcome: Outcome::Blank
            },
            [Slot::default(); PATHS.len()]
        );
        BATCH
    ];
    let mut times = vec![];
    for _ in 0..ROUNDS {
        let mut decoder = Decoder::json(&PATHS.map(|path| vec![path.to_string()]), LIMITS);
        let (mut at, mut spent) = (0, 0);
        while at < lines.len() {
            batch.clear();
            let mut count = 0;
            for (line, slots) in &mut decoded {
                if at >= lines.len() {
                    break;
                }
                *line = decoder.next(lines, at, slots, &mut batch.arena);
                at = line.after;
                count += 1;
            }
            let start = cpu_ns();
            for (line, slots) in decoded.iter().take(count) {
                preparer.prepare(line, slots, lines, Reading::at(i64::MAX), &mut batch);
            }
            spent += cpu_ns() - start;
        }
        times.push(spent as f64 / RECORDS as f64);
    }
    println!("{name:44} {:9.1}", median(times));
}

fn windows() {
    let grain = |unit, zone: Option<&str>| Grain {
        name: "g".into(),
        unit,
        n: 1,
        zone: zone.map(String::from),
        retain_us: None,
    };
    let minute_hour_day = [GrainUnit::Minute, GrainUnit::Hour, GrainUnit::Day].map(|unit| grain(unit, None));
    let Some(plan) = plan(&json!({"fields": []})).ok() else {
        return;
    };
    let Some(mut calendar) = Calendar::new(&minute_hour_day, &plan).ok() else {
        return;
    };
    println!("{:44} {:>9}", "atoms of 1m, 1h, 1d", "ns/event");
    for (name, spread_us) in [
        ("within two seconds", 2_000_000),
        ("within a day", 86_400_000_000),
        ("a century", i64::MAX >> 12),
    ] {
        let mut random = 1u64;
        let mut times = vec![];
        for _ in 0..ROUNDS {
            let start = cpu_ns();
            let mut sum = 0;
            for _ in 0..RECORDS {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at_us = 1_767_225_600_000_000 + (random >> 1) as i64 % spread_us;
                sum ^= calendar.atom_of(at_us).0;
            }
            times.push((cpu_ns() - start) as f64 / RECORDS as f64);
            std::hint::black_box(sum);
        }
        println!("{name:44} {:9.1}", median(times));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
