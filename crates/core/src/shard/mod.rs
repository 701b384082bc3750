//! A shard: one slice of all ids, counted in one place. It is the counter of an engine without its files: what a commit has
//! changed is handed out as bytes, and a shard is made anew of the bytes of all its commits. Nothing here is durable.
//!
//! Received times are carried, and its t is its own: the stamps of one clock that never goes back. So the order of blocks
//! does not matter.
mod block;
mod image;
mod split;
mod state;

use std::collections::BTreeMap;

use crate::accept::Partition;
use crate::count::{Counter, Running};
use crate::dedup::{Entry, Horizon, Memory};
use crate::engine::shape_of;
use crate::error::{CoreError, Kind, Result};
use crate::input::{Input, Source};
use crate::ledger::{Ledger, RowKey};
use crate::plan::{Plan, Stamps};
use crate::reader::{account_rows, ledger_table, side_table, totals_of};
use crate::side;
use crate::store::frame::{Changes, Positions, SideEntry, put_delta, take_delta};
use crate::store::ids::{ENTRY_BYTES, put_entry, take_entry};
use crate::store::tables::{CellTable, Tables};
use crate::wire::{Take, put_u64};
use image::Image;
pub use split::{Split, Splitter};
use state::{Chunk, Content, Head, chunks, damaged};

const MINUTE_US: i64 = 60_000_000;
/// The shard's own partition: its clock. The others are those that its records came from.
const OWN: usize = 0;
/// Cells are written anew when so many times their bytes were appended, but not before it is worth while.
const APPENDED_TIMES: u64 = 2;
const APPENDED_LEAST: u64 = 1 << 20;

/// Which slice of all ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub number: u32,
    pub shards: u32,
}

/// What a commit has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub sequence: u64,
    /// To be appended to the ids that are kept, by the end of their bucket in microseconds.
    pub ids: BTreeMap<i64, Vec<u8>>,
    /// To be appended to the cells that are kept; or in their place, where it was compacted.
    pub cells: Vec<u8>,
    pub compacted: bool,
    /// To be put in the place of the head that is kept.
    pub head: Vec<u8>,
    /// Buckets of ids that need not be kept any longer.
    pub freed: Vec<i64>,
}

pub struct Shard {
    plan: Plan,
    plan_json: String,
    tables: Tables,
    counter: Counter,
    image: Image,
    head: Head,
    rows: block::Rows,
    places: BTreeMap<String, usize>,
    /// What the last commit has put into the side log, and the rows of the ledger that it has touched.
    side: Vec<SideEntry>,
    touched: Ledger,
    /// Set when a call failed half-way: nothing but loading helps.
    poisoned: bool,
}

impl Shard {
    /// A shard that has counted nothing.
    ///
    /// # Errors
    /// The plan cannot be counted by shards, or there is no such shard.
    pub fn new(plan_json: &str, slice: Slice) -> Result<Shard> {
        let mut plan = plan_of(plan_json, slice)?;
        if plan.stamps() != Stamps::None {
            plan.stamps = Some(Stamps::Carried);
        }
        let tables = Tables::of(&plan)?;
        let memory = Memory::new(Horizon {
            bucket_us: plan.accept.bucket_us,
            horizon_us: plan.accept.horizon_us,
        });
        let mut counter = Counter::new(plan.clone(), memory)?;
        counter.own = Some(OWN);
        counter.partitions.push(Partition {
            live: true,
            ..Partition::default()
        });
        Ok(Shard {
            image: Image::new(&tables),
            head: Head {
                plan: plan_mark(plan_json),
                slice,
                passed: vec![0; plan.metrics.len()],
                expired: vec![0; tables.cells.len()],
                ..Head::default()
            },
            counter,
            tables,
            plan,
            plan_json: plan_json.to_owned(),
            rows: block::Rows::default(),
            places: BTreeMap::new(),
            side: vec![],
            touched: Ledger::default(),
            poisoned: false,
        })
    }

    /// The shard as its last commit left it, of the bytes of all commits. Buckets that were freed may be among the ids.
    ///
    /// # Errors
    /// The bytes are damaged or not all there, or those of another shard or plan.
    pub fn load(
        plan_json: &str,
        slice: Slice,
        head: &[u8],
        ids: &[(i64, impl AsRef<[u8]>)],
        cells: &[u8],
    ) -> Result<Shard> {
        let mut shard = Shard::new(plan_json, slice)?;
        let head = Head::decode(head)?;
        shard.is_mine(&head)?;
        shard.counter.clock = head.positions.clock;
        shard.counter.partitions = head.positions.partitions.iter().map(|(_, p)| p.clone()).collect();
        let named = shard.counter.partitions.iter().enumerate().skip(1);
        shard.places = named.map(|(number, p)| (p.name.clone(), number)).collect();
        shard.head = head;
        shard.load_ids(ids)?;
        shard.load_cells(cells)?;
        shard.balances()?;
        Ok(shard)
    }

    fn is_mine(&self, head: &Head) -> Result<()> {
        let Slice { number, shards } = head.slice;
        if head.slice != self.head.slice {
            let (mine, all) = (self.head.slice.number, self.head.slice.shards);
            return Err(CoreError::store(
                format!("this is the state of shard {number} of {shards}, not of shard {mine} of {all}"),
                "the number of shards is for the life of a state: start with an empty one to change it",
            ));
        }
        if head.plan != self.head.plan {
            return Err(CoreError::definition(format!(
                "the state of shard {number} of {shards} was counted with another definition"
            )));
        }
        Ok(())
    }

    fn load_ids(&mut self, ids: &[(i64, impl AsRef<[u8]>)]) -> Result<()> {
        let mut found = BTreeMap::<i64, u64>::new();
        self.counter
            .memory
            .reserve(self.head.buckets.values().sum::<u64>() as usize);
        for (end_us, bytes) in ids.iter().filter(|(end_us, _)| self.head.buckets.contains_key(end_us)) {
            let bytes = bytes.as_ref();
            let mut take = Take(bytes);
            while !take.is_empty() {
                self.counter.memory.remember(take_entry(&mut take)?);
            }
            *found.entry(*end_us).or_default() += (bytes.len() / ENTRY_BYTES) as u64;
        }
        for (end_us, ids) in &self.head.buckets {
            let found = found.get(end_us).copied().unwrap_or(0);
            if found != *ids {
                return Err(damaged(&format!(
                    "{found} of {ids} ids are there of the bucket that ends at {end_us}"
                )));
            }
        }
        Ok(())
    }

    fn load_cells(&mut self, cells: &[u8]) -> Result<()> {
        let expected = self.head.whole_bytes + self.head.appended_bytes;
        if cells.len() as u64 != expected {
            return Err(damaged(&format!(
                "{} of {expected} bytes of cells are there",
                cells.len()
            )));
        }
        for chunk in chunks(cells)? {
            match chunk.content {
                Content::Whole => self.image.read(chunk.body, &self.tables)?,
                Content::Changes => {
                    let changes = take_all(chunk.body, &self.tables)?;
                    self.image.add(&changes, &mut self.tables, chunk.sequence)?;
                }
            }
        }
        Ok(())
    }

    /// Every table's cells hold all events that passed its metric's `where`, but for those that retention has removed.
    fn balances(&self) -> Result<()> {
        for (number, table) in self.tables.cells.iter().enumerate() {
            let stored = self.image.events(number, &self.tables)? + self.head.expired.get(number).copied().unwrap_or(0);
            let passed = self.head.passed.get(table.metric).copied().unwrap_or(0);
            if stored != passed {
                return Err(damaged(&format!(
                    "{stored} of {passed} events are in set {} at grain {} of metric {}",
                    table.set, table.grain, table.metric
                )));
            }
        }
        Ok(())
    }

    /// Count a block that was split off for this shard; `stamp_us` is the clock of here. Nothing is durable before a commit.
    pub fn apply(&mut self, block: &[u8], stamp_us: i64) -> Result<()> {
        self.usable()?;
        let mut rows = std::mem::take(&mut self.rows);
        rows.read(block, self.head.plan, self.plan.fields.len())?;
        let partition = self.place(&rows.partition);
        self.poisoned = true;
        if let Some(own) = self.counter.partitions.get_mut(OWN) {
            own.live = true;
        }
        self.counter.apply(&Input {
            partition,
            batch: &rows.batch,
            chunk: block,
            span: (0, 0),
            source: Source::Routed(&rows.places, stamp_us),
            now_us: stamp_us,
        })?;
        self.rows = rows;
        self.poisoned = false;
        Ok(())
    }

    /// The number of a partition that records come from. It has no clock here.
    fn place(&mut self, name: &str) -> usize {
        if let Some(number) = self.places.get(name) {
            return *number;
        }
        let number = self.counter.partitions.len();
        self.counter.partitions.push(Partition {
            name: name.to_owned(),
            identity: name.to_owned(),
            ..Partition::default()
        });
        self.places.insert(name.to_owned(), number);
        number
    }

    /// The clock of here has reached a stamp; needed by nobody but who wants the watermark to go on without events.
    pub fn heartbeat(&mut self, stamp_us: i64) -> Result<()> {
        self.usable()?;
        self.counter.heartbeat(OWN, stamp_us)
    }

    /// No more is expected, until something comes.
    pub fn finish(&mut self) -> Result<()> {
        self.usable()?;
        self.counter.finish(OWN, None)
    }

    /// Close what was counted since the last commit.
    ///
    /// # Errors
    /// The accounts do not balance, or a limit is passed; what was committed before is what there is.
    pub fn commit(&mut self) -> Result<Delta> {
        self.usable()?;
        self.poisoned = true;
        let Positions { clock, now_us, .. } = self.counter.close()?;
        let Running { ledger, side, ids, .. } = std::mem::take(&mut self.counter.running);
        let metrics = self.take_cells()?;
        self.head.sequence += 1;
        let partitions = self.counter.partitions.iter().cloned();
        self.head.positions = Positions {
            clock,
            partitions: (0..).zip(partitions).collect(),
            now_us,
        };
        self.image.add(&metrics, &mut self.tables, self.head.sequence)?;
        self.keep_accounts(&ledger);
        self.side = side;
        let (ids, freed) = self.keep_ids(&ids);
        let (cells, compacted) = self.keep_cells(&metrics)?;
        self.within_limits()?;
        self.poisoned = false;
        Ok(Delta {
            sequence: self.head.sequence,
            ids,
            cells,
            compacted,
            head: self.head.encode()?,
            freed,
        })
    }

    /// What was folded since the last commit. Codes are given anew from here on, so each commit can be read by itself.
    fn take_cells(&mut self) -> Result<Vec<Changes>> {
        let mut fold = self.counter.fold()?;
        let mut metrics = fold.take();
        fold.reset();
        for ((_, deltas), layout) in metrics.iter_mut().zip(shape_of(&self.tables).0) {
            deltas.iter_mut().for_each(|delta| delta.rows.gather(layout));
        }
        Ok(metrics)
    }

    fn keep_accounts(&mut self, ledger: &Ledger) {
        let Head { totals, open, .. } = &mut self.head;
        self.touched = Ledger::default();
        for (key, value) in &ledger.rows {
            open.merge(*key, *value);
            totals.merge(
                RowKey {
                    minute_us: None,
                    ..*key
                },
                *value,
            );
        }
        for key in ledger.rows.keys() {
            open.rows
                .get(key)
                .into_iter()
                .for_each(|value| self.touched.merge(*key, *value));
        }
        // t never goes back, so the minutes before that of the last one are over.
        let minute = self.counter.partitions.get(OWN).and_then(|own| own.last_t_us);
        let minute = minute.map(|t| t.div_euclid(MINUTE_US).saturating_mul(MINUTE_US));
        open.rows
            .retain(|key, _| key.minute_us.is_none() || key.minute_us >= minute);
    }

    /// The new ids by bucket, and the buckets that no record can match any longer.
    fn keep_ids(&mut self, ids: &[Entry]) -> (BTreeMap<i64, Vec<u8>>, Vec<i64>) {
        let forgotten = self.counter.clock.forgotten_us.unwrap_or(i64::MIN);
        let horizon = Horizon {
            bucket_us: self.plan.accept.bucket_us,
            horizon_us: self.plan.accept.horizon_us,
        };
        let freed: Vec<i64> = self
            .head
            .buckets
            .range(..forgotten)
            .map(|(end_us, _)| *end_us)
            .collect();
        self.head.buckets = self.head.buckets.split_off(&forgotten);
        self.counter.memory.forget(forgotten);
        let mut appended = BTreeMap::<i64, Vec<u8>>::new();
        for entry in ids {
            let end_us = horizon.bucket_end(entry.event_us);
            if end_us >= forgotten {
                put_entry(appended.entry(end_us).or_default(), entry);
            }
        }
        for (end_us, bytes) in &appended {
            *self.head.buckets.entry(*end_us).or_default() += (bytes.len() / ENTRY_BYTES) as u64;
        }
        (appended, freed)
    }

    /// What is to be kept of the cells, and whether it takes the place of what was kept before.
    fn keep_cells(&mut self, metrics: &[Changes]) -> Result<(Vec<u8>, bool)> {
        let (mut body, mut cells) = (vec![], vec![]);
        let sequence = self.head.sequence;
        if metrics.iter().all(|(passed, _)| *passed == 0) {
            return Ok((cells, false));
        }
        for ((changes, shape), passed) in metrics.iter().zip(&self.tables.shapes).zip(&mut self.head.passed) {
            put_u64(&mut body, changes.0);
            let deltas = changes.1.iter();
            deltas.for_each(|delta| put_delta(&mut body, delta, &shape.layout));
            *passed += changes.0;
        }
        Chunk::new(Content::Changes, sequence, &body).encode(&mut cells);
        self.head.appended_bytes += cells.len() as u64;
        if self.head.appended_bytes <= (self.head.whole_bytes * APPENDED_TIMES).max(APPENDED_LEAST) {
            return Ok((cells, false));
        }
        body.clear();
        cells.clear();
        let watermark_us = self.counter.clock.watermark_us;
        let expired = &mut self.head.expired;
        self.image
            .write((&self.plan, &mut self.tables), watermark_us, expired, &mut body)?;
        self.image = Image::new(&self.tables);
        self.image.read(&body, &self.tables)?;
        self.balances()?;
        Chunk::new(Content::Whole, sequence, &body).encode(&mut cells);
        (self.head.whole_bytes, self.head.appended_bytes) = (cells.len() as u64, 0);
        Ok((cells, true))
    }

    fn within_limits(&self) -> Result<()> {
        let limit = self.plan.limits.cells_max;
        if self.image.cells() <= limit {
            return Ok(());
        }
        Err(CoreError::new(
            Kind::Data,
            format!("more stored cells in a shard than limits.cells_max = {limit}"),
            "raise it, declare fewer dimension sets and grains, or use more shards; what was committed is kept",
        ))
    }

    pub fn tables(&self) -> impl Iterator<Item = CellTable> {
        self.tables.cells.iter().copied()
    }

    /// The partial values of a stored table's cells that commits after one have changed, as an Arrow IPC stream.
    pub fn partials(&mut self, table: usize, after: u64) -> Result<Option<Vec<u8>>> {
        self.usable()?;
        let watermark_us = self.head.positions.clock.watermark_us;
        self.image
            .partials(table, (&self.plan, &mut self.tables), after, watermark_us)
    }

    /// The rows of the ledger that the last commit has touched, as `reader::ledger_stream` has them: absolute.
    pub fn ledger(&self) -> Result<Vec<u8>> {
        ledger_table(&self.touched.rows, &self.counter.partitions, &self.plan)
    }

    /// What the last commit has put into the side log, as `reader::side_stream` has it. It is kept nowhere else.
    pub fn side(&self) -> Result<Vec<u8>> {
        let entries = self.side.iter().map(|(key, value)| side::Entry::decode(key, value));
        let mut entries = entries.collect::<Result<Vec<_>>>()?;
        entries.sort_by_key(|e| (e.partition, e.record, e.element));
        side_table(&entries, &self.counter.partitions, &self.plan)
    }

    /// All accounts as of the last commit, without their minutes, as JSON: `[[partition, account, reason, part, records], …]`.
    pub fn accounts(&self) -> String {
        let rows = account_rows(&self.head.totals.rows, &self.counter.partitions, &self.plan);
        serde_json::json!(rows).to_string()
    }

    /// What the shard says of itself as of the last commit, as JSON.
    pub fn meta(&self) -> Result<String> {
        let Positions {
            clock,
            partitions,
            now_us,
        } = &self.head.positions;
        let plan: serde_json::Value =
            serde_json::from_str(&self.plan_json).map_err(|e| CoreError::definition(e.to_string()))?;
        let own = partitions.first().map(|(_, own)| own);
        let sources: Vec<&Partition> = partitions.iter().skip(1).map(|(_, p)| p).collect();
        let meta = serde_json::json!({
            "epoch": self.head.sequence,
            "shard": [self.head.slice.number, self.head.slice.shards],
            "plan": plan,
            "clock_us": clock.clock_us,
            "forgotten_us": clock.forgotten_us,
            "watermark_us": clock.watermark_us,
            "final": own.is_some_and(|own| !own.live),
            "committed_us": now_us,
            "partitions": sources,
            "ids": self.head.buckets.values().sum::<u64>(),
            "cells": self.image.cells(),
            "passed": self.head.passed,
            "ledger": totals_of(&self.head.totals.rows, &self.counter.partitions, &self.plan),
        });
        Ok(meta.to_string())
    }

    pub fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// Whether it stands where a head says, with nothing counted since: then it need not be loaded anew.
    pub fn is_at(&self, head: &[u8]) -> Result<bool> {
        let is_whole = !self.poisoned && self.counter.running.consumed.is_empty();
        Ok(is_whole && self.head.sequence > 0 && self.head.encode()? == head)
    }

    fn usable(&self) -> Result<()> {
        match self.poisoned {
            false => Ok(()),
            true => Err(CoreError::store(
                "an earlier call of this shard failed",
                "load it anew from its committed state",
            )),
        }
    }
}

/// All that a commit has changed, read back.
fn take_all(body: &[u8], tables: &Tables) -> Result<Vec<Changes>> {
    let mut take = Take(body);
    let (layouts, bases) = shape_of(tables);
    let metrics = layouts.into_iter().zip(bases);
    let changes = metrics.map(|(layout, bases)| {
        let passed = take.u64()?;
        let deltas = (0..bases).map(|_| take_delta(&mut take, layout));
        Ok((passed, deltas.collect::<Result<_>>()?))
    });
    changes.collect()
}

/// Stands for a plan in blocks and heads.
fn plan_mark(plan_json: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(plan_json.as_bytes())
}

fn plan_of(plan_json: &str, slice: Slice) -> Result<Plan> {
    split::check_shards(slice)?;
    let plan: Plan = serde_json::from_str(plan_json).map_err(|e| CoreError::definition(e.to_string()))?;
    match plan.metrics.iter().find(|metric| metric.values_max.is_some()) {
        None => Ok(plan),
        Some(metric) => Err(CoreError::new(
            Kind::Definition,
            format!(
                "shards cannot agree on which dimension values come first: metric {} has values_max",
                metric.name
            ),
            "remove values_max, or count with the embedded engine",
        )),
    }
}
