//! CPU time per event of each step of counting a file of JSON lines under a compiled plan, on one thread: prepare, count,
//! commit, checkpoint. `cargo run --release --example count_bench -- PLAN.json EVENTS.jsonl`; the plan is what
//! `crossfoot.definition.compile.compile_plan` makes of a definition.
use std::path::Path;

use crossfoot_core::batch::Batch;
use crossfoot_core::engine::{Engine, Options};
use crossfoot_core::error::CoreError;
use crossfoot_core::front::Front;
use crossfoot_core::input::{Input, Source};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 3;
/// As often as the embedded engine commits by default.
const COMMIT_BYTES: usize = 64 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, plan, events] = arguments.as_slice() else {
        eprintln!("usage: count_bench PLAN.json EVENTS.jsonl");
        std::process::exit(2);
    };
    let read = std::fs::read_to_string(plan).and_then(|plan| Ok((plan, std::fs::read(events)?)));
    let (plan, events) = match read {
        Ok(both) => both,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    };
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>9} ns/event",
        "prepare", "count", "commit", "checkpoint", "all"
    );
    for _ in 0..ROUNDS {
        if let Err(error) = round(&plan, &events) {
            eprintln!("{}", error.message);
            std::process::exit(1);
        }
    }
}

/// CPU time of the whole process, so that threads that a step starts are in it.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn round(plan: &str, events: &[u8]) -> Result<(), CoreError> {
    let folder = std::env::temp_dir().join(format!("crossfoot-count-bench-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut engine = Engine::open(Path::new(&folder), plan, Options::default())?;
    engine.register(&[("events".into(), "events".into())])?;
    let mut front = Front::new(&engine.plan)?;
    let (mut batch, mut pos, mut committed, mut spent) = (Batch::default(), 0, 0, [0u64; 4]);
    while pos < events.len() {
        let began = cpu_ns();
        batch.clear();
        let after = front.fill(events, pos, 0, &mut batch);
        let prepared = cpu_ns();
        engine.apply(&Input {
            partition: 0,
            source: Source::Lines,
            batch: &batch,
            chunk: events,
            span: (pos, after),
            now_us: 0,
        })?;
        let counted = cpu_ns();
        pos = after;
        if pos - committed >= COMMIT_BYTES || pos == events.len() {
            engine.commit()?;
            committed = pos;
        }
        for (sum, step) in spent
            .iter_mut()
            .zip([prepared - began, counted - prepared, cpu_ns() - counted])
        {
            *sum += step;
        }
    }
    let before = cpu_ns();
    engine.checkpoint()?;
    if let Some(sum) = spent.last_mut() {
        *sum = cpu_ns() - before;
    }
    let records: u64 = engine.counter.totals.iter().sum();
    let all: u64 = spent.iter().sum();
    for sum in spent.iter().chain([&all]) {
        print!("{:>9} ", sum / records.max(1));
    }
    println!();
    drop(engine);
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}
