//! Counts generated events into a store and prints nanoseconds of CPU per event by stage: `count_bench [events] [folder] [events per
//! second of event time]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::time::Instant;

use crossfoot_core::engine::{Engine, Options};
use crossfoot_core::generate::{Generator, Workload};
use crossfoot_core::workers::Pipeline;

const PLAN: &str = include_str!("engagement_plan.json");

fn main() {
    let mut arguments = std::env::args().skip(1);
    let events: usize = arguments.next().map_or(2_000_000, |n| n.parse().unwrap());
    let folder = arguments
        .next()
        .unwrap_or_else(|| std::env::temp_dir().join("crossfoot-count-bench").display().to_string());
    let _ = std::fs::remove_dir_all(&folder);
    let rate = arguments.next().map_or(2_000.0, |n| n.parse().unwrap());
    let mut generator = Generator::new(Workload {
        rate,
        ..Workload::default()
    });
    let blocks: Vec<Vec<u8>> = (0..events.div_ceil(5_000)).map(|_| generator.block(5_000)).collect();
    let start = Instant::now();
    let pipeline = Pipeline::start(Engine::open(folder.as_ref(), PLAN, Options::default()).unwrap()).unwrap();
    pipeline
        .call(|engine| engine.register(&[("a".into(), "a".into())]))
        .unwrap();
    for (number, block) in blocks.into_iter().enumerate() {
        pipeline.feed(0, Box::new(block), 0).unwrap();
        if number % 100 == 99 {
            pipeline.call(Engine::commit).unwrap();
        }
    }
    pipeline.call(Engine::commit).unwrap();
    let counted = start.elapsed().as_secs_f64();
    pipeline.call(Engine::checkpoint).unwrap();
    let all = start.elapsed().as_secs_f64();
    let (spent, n) = (pipeline.spent(), events as f64);
    println!(
        "{:.2} M events/s before the last checkpoint, {:.2} with it",
        n / counted / 1e6,
        n / all / 1e6
    );
    println!(
        "CPU ns per event: prepare {:.0}, count {:.0}, commit and checkpoint {:.0}",
        spent.prepare_ns as f64 / n,
        spent.count_ns as f64 / n,
        spent.commit_ns as f64 / n
    );
}
