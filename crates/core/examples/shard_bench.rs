//! What a shard costs: CPU time per event of splitting and of applying, and bytes and time of a commit of few events on top
//! of many ids. `cargo run --release --example shard_bench -- PLAN.json EVENTS.jsonl`; the plan is what
//! `crossfoot.engines.shard.shard_plan` makes of a definition.
use crossfoot_core::error::CoreError;
use crossfoot_core::prepared::State;
use crossfoot_core::shard::{Delta, Shard, Slice, Splitter};
use rustix::time::{ClockId, clock_gettime};

/// Lines that are split, and counted, at once.
const BLOCK_LINES: usize = 4_000;
/// The last lines of the file are counted in commits of this many blocks.
const LAST_BLOCKS: usize = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, plan, events] = arguments.as_slice() else {
        eprintln!("usage: shard_bench PLAN.json EVENTS.jsonl");
        std::process::exit(2);
    };
    let read = std::fs::read_to_string(plan).and_then(|plan| Ok((plan, std::fs::read(events)?)));
    let done = match read {
        Ok((plan, events)) => run(&plan, &events).map_err(|error| error.message),
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = done {
        eprintln!("{message}");
        std::process::exit(1);
    }
}

/// CPU time of the whole process.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn run(plan: &str, events: &[u8]) -> Result<(), CoreError> {
    let slice = Slice { number: 0, shards: 1 };
    let (mut splitter, mut shard) = (Splitter::new(plan, 1)?, Shard::new(plan, slice)?);
    let lines: Vec<&[u8]> = events.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut blocks, mut state, mut first) = (vec![], State::default(), 0);
    let began = cpu_ns();
    for some in lines.chunks(BLOCK_LINES) {
        let split = splitter.lines("events", &some.concat(), first, state, i64::MAX / 2)?;
        first += split.records;
        state.last_t_us = split.last_t_us;
        let stamp_us = split.received_us.unwrap_or(0);
        blocks.extend(split.blocks.into_iter().map(|(_, block)| (block, stamp_us)));
    }
    let split_ns = cpu_ns() - began;
    let bytes: usize = blocks.iter().map(|(block, _)| block.len()).sum();
    println!(
        "split: {} ns and {} bytes an event",
        split_ns / first.max(1),
        bytes as u64 / first.max(1)
    );
    let (many, few) = blocks.split_at(blocks.len().saturating_sub(LAST_BLOCKS));
    let began = cpu_ns();
    for (block, stamp_us) in many {
        shard.apply(block, *stamp_us)?;
    }
    let events = (many.len() * BLOCK_LINES).max(1) as u64;
    println!("apply: {} ns an event", (cpu_ns() - began) / events);
    let mut kept = Kept::default();
    report("the commit of all before", &mut shard, &mut kept)?;
    for (block, stamp_us) in few {
        shard.apply(block, *stamp_us)?;
        report("a commit of one block", &mut shard, &mut kept)?;
    }
    let began = cpu_ns();
    Shard::load(plan, slice, &kept.head, &kept.ids, &kept.cells)?;
    println!(
        "load: {} ms, {} bytes of cells",
        (cpu_ns() - began) / 1_000_000,
        kept.cells.len()
    );
    Ok(())
}

#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    ids: Vec<(i64, Vec<u8>)>,
    cells: Vec<u8>,
}

fn report(what: &str, shard: &mut Shard, kept: &mut Kept) -> Result<(), CoreError> {
    let began = cpu_ns();
    let Delta {
        ids,
        cells,
        compacted,
        head,
        ..
    } = shard.commit()?;
    let spent = (cpu_ns() - began) / 1_000;
    let id_bytes: usize = ids.values().map(Vec::len).sum();
    println!(
        "{what}: {spent} us, {id_bytes} bytes of ids, {} of cells{}, {} of head",
        cells.len(),
        if compacted { " (compacted)" } else { "" },
        head.len()
    );
    if compacted {
        kept.cells.clear();
    }
    kept.cells.extend(cells);
    kept.ids.extend(ids);
    kept.head = head;
    Ok(())
}
