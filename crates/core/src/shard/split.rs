//! Splits what sources hand over by the shard that counts it: the pure step, then a block for each shard that gets something.
use std::collections::BTreeMap;

use super::block::{Routed, Writer};
use super::{Slice, plan_mark};
use crate::accept::{Clock, Stamped, Timely};
use crate::batch::{Batch, Row, Verdict};
use crate::error::{CoreError, Result};
use crate::front::Front;
use crate::identity::Key;
use crate::input::Place;
use crate::plan::{Id, Plan, Stamps};
use crate::prepared::State;
use crate::records::Records;

/// What became of some records: a block for each shard that gets something, the partition's state, and numbers.
#[derive(Clone, Debug, Default)]
pub struct Split {
    pub blocks: Vec<(u32, Vec<u8>)>,
    pub last_t_us: Option<i64>,
    pub records: u64,
    /// Entries that the ledgers will have: a record that is several events stands as often.
    pub events: u64,
    /// The largest received time.
    pub received_us: Option<i64>,
}

/// Prepares the records of any partitions of one definition, for so many shards.
pub struct Splitter {
    plan: Plan,
    mark: u64,
    key: Key,
    stamps: Stamps,
    front: Front,
    shards: u32,
    batch: Batch,
}

/// One call on its way.
struct Run<'a> {
    partition: &'a str,
    state: State,
    split: Split,
    writers: BTreeMap<u32, Writer>,
}

/// The rows of a batch with what they speak of. `base`: where the first record of the batch stands.
struct Source<'a> {
    chunk: &'a [u8],
    records: Option<&'a Records>,
    base: u64,
}

impl Splitter {
    /// # Errors
    /// The plan cannot be counted by shards, or there is none.
    pub fn new(plan_json: &str, shards: u32) -> Result<Splitter> {
        let plan = super::plan_of(plan_json, Slice { number: 0, shards })?;
        Ok(Splitter {
            mark: plan_mark(plan_json),
            key: Key::of(&plan)?,
            stamps: plan.stamps(),
            front: Front::new(&plan)?,
            plan,
            shards,
            batch: Batch::default(),
        })
    }

    /// Split records whose source gives positions, in the order of their positions.
    pub fn records(&mut self, partition: &str, records: &Records, state: State, now_us: i64) -> Result<Split> {
        let mut run = Run::new(partition, state);
        let (mut record, mut batch) = (0, std::mem::take(&mut self.batch));
        while record < records.len() {
            batch.clear();
            let next = self.front.fill_records(records, record, now_us, &mut batch);
            let source = Source {
                chunk: records.bytes(),
                records: Some(records),
                base: record as u64,
            };
            self.route(&mut run, &batch, &source)?;
            record = next;
        }
        self.batch = batch;
        Ok(run.finish())
    }

    /// Split whole lines; `first` is the ordinal of the first record among them.
    pub fn lines(&mut self, partition: &str, chunk: &[u8], first: u64, state: State, now_us: i64) -> Result<Split> {
        let mut run = Run::new(partition, state);
        let (mut at, mut batch) = (0, std::mem::take(&mut self.batch));
        while at < chunk.len() {
            batch.clear();
            at = self.front.fill(chunk, at, now_us, &mut batch);
            let base = first + run.split.records;
            let source = Source {
                chunk,
                records: None,
                base,
            };
            self.route(&mut run, &batch, &source)?;
        }
        self.batch = batch;
        Ok(run.finish())
    }

    fn route(&self, run: &mut Run<'_>, batch: &Batch, source: &Source<'_>) -> Result<()> {
        let fields = self.plan.fields.len();
        for (number, row) in batch.rows.iter().enumerate() {
            let origin = batch.origin(number);
            let ordinal = source.base + u64::from(origin.record);
            let place = Place {
                position: source
                    .records
                    .map_or(ordinal, |records| records.offset(ordinal as usize)),
                element: origin.element,
            };
            let mut row = *row;
            let is_event = row.verdict == Verdict::Event;
            if !is_event || matches!(self.plan.id, Id::Position) {
                let uuid = self.key.position(run.partition, place.position);
                row.uuid = place.element.map_or(uuid, |element| self.key.element(uuid, element));
            }
            if is_event {
                self.stamp(run, &mut row);
            }
            let shard = self.shard_of(row.uuid);
            let writer = run.writers.entry(shard);
            let values = batch.values.get(number * fields..(number + 1) * fields);
            let raw = source.chunk.get(row.start as usize..row.end as usize);
            writer
                .or_insert_with(|| Writer::new(self.mark, run.partition))
                .push(&Routed {
                    row: &row,
                    place,
                    values: values.unwrap_or_default(),
                    chunk: source.chunk,
                    arena: &batch.arena,
                    raw: raw.filter(|raw| !raw.is_empty() && self.is_refused(&row)),
                });
        }
        run.split.records += batch.records() as u64;
        run.split.events += batch.rows.len() as u64;
        Ok(())
    }

    /// a: by the ordered rule of the partition, or as it was carried.
    fn stamp(&self, run: &mut Run<'_>, row: &mut Row) {
        match self.stamps {
            Stamps::None => return,
            Stamps::Carried => {}
            Stamps::Field | Stamps::Ordered => row.stamp_us = run.state.move_to(row.stamp_us),
        }
        run.split.received_us = run.split.received_us.max(Some(row.stamp_us));
    }

    /// Whether it is known here that a row goes into the side log: then its bytes travel with it.
    fn is_refused(&self, row: &Row) -> bool {
        let stamped = Stamped {
            received_us: row.stamp_us,
            t_us: row.stamp_us,
        };
        let in_time = || Clock::default().judge(row.event_us, stamped, &self.plan.accept) == Timely::Yes;
        match row.verdict {
            Verdict::Event => self.stamps != Stamps::None && !in_time(),
            Verdict::Filtered | Verdict::Empty => false,
            Verdict::Invalid(..) | Verdict::Malformed(..) => true,
        }
    }

    /// Senders choose ids, so it is a keyed hash of them that is cut into slices.
    fn shard_of(&self, uuid: u128) -> u32 {
        let high = self.key.digest(uuid) >> 64;
        ((high * u128::from(self.shards)) >> 64) as u32
    }
}

impl<'a> Run<'a> {
    fn new(partition: &'a str, state: State) -> Run<'a> {
        Run {
            partition,
            state,
            split: Split::default(),
            writers: BTreeMap::new(),
        }
    }

    fn finish(self) -> Split {
        let blocks = self.writers.into_iter();
        Split {
            blocks: blocks.map(|(shard, writer)| (shard, writer.finish())).collect(),
            last_t_us: self.state.last_t_us,
            ..self.split
        }
    }
}

/// Whether there can be so many shards.
pub(super) fn check_shards(slice: Slice) -> Result<()> {
    if slice.number < slice.shards {
        return Ok(());
    }
    let Slice { number, shards } = slice;
    Err(CoreError::new(
        crate::error::Kind::Call,
        format!("there is no shard {number} of {shards}"),
        "shards are numbered from 0, and there is at least one",
    ))
}
