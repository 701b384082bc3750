//! CPU time per event of the prepared form on the engagement workload, on one thread: making raw records into events, as
//! counting does; into messages, singles and blocks; and reading those. What is read must be what was made.
use crossfoot_core::batch::{Batch, Verdict};
use crossfoot_core::error::{CoreError, Result};
use crossfoot_core::front::Front;
use crossfoot_core::generate::{Generator, Workload};
use crossfoot_core::plan::Plan;
use crossfoot_core::prepared::{Lineage, Options, Preparation, State};
use crossfoot_core::records::{Columns, Records};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const RECORDS: usize = 200_000;
/// As many as a service hands over at once.
const AT_ONCE: usize = 10_000;
const ROUNDS: usize = 5;
const NOW_US: i64 = i64::MAX / 2;
const PLAN: &str = include_str!("engagement_plan.json");
const MARKS: (&str, &str) = ("00000000000000000000000000000000", "crossfoot:engagement");

fn main() {
    if let Err(error) = run() {
        eprintln!("{}", error.message);
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let lines = Generator::new(Workload::default()).block(RECORDS);
    let lines: Vec<&[u8]> = lines.split_inclusive(|&byte| byte == b'\n').collect();
    let raw: Vec<Records> = lines.chunks(AT_ONCE).map(records).collect::<Result<_>>()?;
    println!("{:28} {:>9} {:>12}", "", "ns/event", "bytes/event");
    let (made, events) = read("raw records, decoded", &raw, writer()?)?;
    for form in ["single", "block"] {
        let messages = write(form, &raw, events)?;
        let (found, _) = read(&format!("{form}s, read"), &messages, reader()?)?;
        if found != made {
            return Err(CoreError::internal(format!(
                "{form}s do not hold the events they were made of"
            )));
        }
    }
    Ok(())
}

fn plan() -> Result<Value> {
    let mut plan: Value = serde_json::from_str(PLAN).map_err(|e| CoreError::internal(e.to_string()))?;
    put(&mut plan, json!({"received": "given", "stamps": "ordered"}));
    Ok(plan)
}

fn put(plan: &mut Value, changes: Value) {
    if let (Some(plan), Value::Object(changes)) = (plan.as_object_mut(), changes) {
        plan.extend(changes);
    }
}

fn writer() -> Result<Plan> {
    typed(plan()?)
}

/// As `crossfoot.definition.compile` makes it for prepared events.
fn reader() -> Result<Plan> {
    let mut plan = plan()?;
    let names: Vec<String> = typed(plan.clone())?
        .fields
        .into_iter()
        .map(|field| field.name)
        .collect();
    let mut paths = ["time", "id", "received", "definition", "source"]
        .map(|name| json!([name]))
        .to_vec();
    paths.extend(names.iter().map(|name| json!(["data", name])));
    for (field, path) in plan
        .get_mut("fields")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .zip(5..)
    {
        put(field, json!({"expression": ["path", path]}));
    }
    let time = |path: usize| json!({"path": path, "unit": "iso", "pattern": null, "zone": null});
    put(
        &mut plan,
        json!({"paths": paths, "time": time(0), "id": {"uuid": [1]}, "received": time(2), "stamps": "carried",
               "guard": [[3, MARKS.0], [4, MARKS.1]],
               "input": {"kind": "prepared", "untyped": false, "regex": null}}),
    );
    typed(plan)
}

fn typed(plan: Value) -> Result<Plan> {
    serde_json::from_value(plan).map_err(|e| CoreError::internal(e.to_string()))
}

fn records<T: AsRef<[u8]>>(parts: &[T]) -> Result<Records> {
    let mut bytes = vec![];
    let mut columns = Columns::default();
    for (part, offset) in parts.iter().zip(0..) {
        bytes.extend_from_slice(part.as_ref());
        columns.ends.push(bytes.len() as u32);
        columns.offsets.push(offset);
        columns.stamps_us.push(1);
    }
    Records::new(Box::new(bytes), columns)
}

/// The messages, as records again.
fn write(form: &str, raw: &[Records], events: u64) -> Result<Vec<Records>> {
    let options = json!({"source": MARKS.1, "definition": MARKS.0, "form": form});
    let options: Options = serde_json::from_value(options).map_err(|e| CoreError::internal(e.to_string()))?;
    let lineage = Lineage {
        name: "kafka:events/0".into(),
        topic: "events".into(),
        partition: 0,
        attempt: 1,
    };
    let mut preparation = Preparation::new(writer()?, &options)?;
    let (mut times, mut messages, mut bytes) = (vec![], vec![], 0);
    for _ in 0..ROUNDS {
        let began = cpu_ns();
        let mut outputs = vec![];
        for block in raw {
            outputs.push(preparation.prepare(&lineage, block, State::default(), NOW_US)?);
        }
        times.push(cpu_ns() - began);
        bytes = outputs.iter().map(|output| output.messages.bytes.len()).sum();
        messages = outputs.into_iter().map(|output| output.messages).collect();
    }
    show(&format!("raw records into {form}s"), &mut times, events, bytes);
    let again = messages.into_iter().map(|messages| {
        let count = messages.ends.len();
        let columns = Columns {
            ends: messages.ends,
            offsets: (0..count as u64).collect(),
            stamps_us: vec![1; count],
            ..Columns::default()
        };
        Records::new(Box::new(messages.bytes), columns)
    });
    again.collect()
}

/// A digest of the events, and how many there are.
fn read(name: &str, blocks: &[Records], plan: Plan) -> Result<(u128, u64)> {
    let (mut times, mut found) = (vec![], (0u128, 0u64));
    let bytes = blocks.iter().map(|block| block.bytes().len()).sum();
    for _ in 0..ROUNDS {
        let (mut front, mut batch, mut spent) = (Front::new(&plan)?, Batch::default(), 0);
        found = (0, 0);
        for block in blocks {
            let mut record = 0;
            while record < block.len() {
                let began = cpu_ns();
                batch.clear();
                record = front.fill_records(block, record, NOW_US, &mut batch);
                spent += cpu_ns() - began;
                for row in batch.rows.iter().filter(|row| row.verdict == Verdict::Event) {
                    let of_row = row.uuid ^ u128::from(row.digest) << 64 ^ row.event_us as u128;
                    found = (found.0.wrapping_add(of_row), found.1 + 1);
                }
            }
        }
        times.push(spent);
    }
    show(name, &mut times, found.1, bytes);
    Ok(found)
}

fn show(name: &str, times: &mut [u64], events: u64, bytes: usize) {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let each = |number: f64| number / events.max(1) as f64;
    println!("{name:28} {:9.1} {:12.1}", each(median as f64), each(bytes as f64));
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
