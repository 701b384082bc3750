//! The pure step of the service that prepares: records at their positions become events of the prepared form, or are
//! refused. No clock, no input or output; what it must remember is handed in and out.
mod block;
mod form;
pub mod publish;
mod read;
mod single;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::accept::next_t;
use crate::batch::{Batch, Origin, Row, Value, Verdict, part};
use crate::error::{CoreError, Result};
use crate::front::Front;
use crate::identity::Key;
use crate::ledger::{ACCOUNTS, Account, invalid_reason, malformed_reason, reasons};
use crate::plan::{Id, Plan, Stamps};
use crate::records::Records;
use crate::slot::Malformed;
use crate::time::{EARLIEST_US, LATEST_US};
use block::Block;
pub use form::BLOCK_BEGINS;
pub use read::{BlockReader, Events, Fault};
use single::Single;

/// What the events say of themselves, and in which form they are written.
#[derive(Clone, Debug, Deserialize)]
pub struct Options {
    /// `crossfoot:` and the namespace.
    pub source: String,
    /// The hash of what preparing does.
    pub definition: String,
    /// `uuid`, or the declared field whose text is the key.
    #[serde(default = "uuid_key")]
    pub key: String,
    #[serde(default)]
    pub form: Form,
    /// A block ends when its values take about so many bytes.
    #[serde(default = "block_bytes")]
    pub block_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A message an event.
    #[default]
    Single,
    /// Many events in a message; one that is too large for that is a single.
    Block,
}

fn block_bytes() -> usize {
    512 << 10
}

fn uuid_key() -> String {
    "uuid".into()
}

/// Where a block of records comes from.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// By which a store would know the partition.
    pub name: String,
    pub topic: String,
    pub partition: i64,
    pub attempt: i64,
}

/// What is remembered of a partition: its last t, and the clock when it joined.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    pub last_t_us: Option<i64>,
    pub joined_us: Option<i64>,
}

impl State {
    /// The t of a record with a stamp; last t moves there.
    pub fn move_to(&mut self, stamp_us: i64) -> i64 {
        let t_us = next_t(stamp_us, self.last_t_us, self.joined_us);
        self.last_t_us = Some(t_us);
        t_us
    }
}

/// One event on its way out.
pub(crate) struct Event<'a> {
    pub uuid: u128,
    pub event_us: i64,
    pub received_us: i64,
    pub offset: u64,
    pub element: Option<u32>,
    pub values: &'a [Value],
    pub texts: Texts<'a>,
}

/// Where the texts of values lie.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    pub chunk: &'a [u8],
    pub arena: &'a [u8],
}

impl<'a> Texts<'a> {
    /// The bytes of a text, which are UTF-8.
    pub fn of(&self, in_arena: bool, at: u32, len: u32) -> &'a [u8] {
        let home = if in_arena { self.arena } else { self.chunk };
        home.get(at as usize..at as usize + len as usize).unwrap_or_default()
    }
}

/// Byte strings one behind the other, and where each ends.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    pub bytes: Vec<u8>,
    pub ends: Vec<u32>,
}

impl Strings {
    pub(crate) fn end(&mut self) -> Result<()> {
        let end = u32::try_from(self.bytes.len());
        self.ends
            .push(end.map_err(|_| CoreError::internal("more than 4 GiB of messages at once"))?);
        Ok(())
    }
}

/// A record, or an element of one, that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub offset: u64,
    pub element: Option<u32>,
    pub account: &'static str,
    pub reason: &'static str,
    pub part: String,
    /// The record's span in the block.
    pub span: (u32, u32),
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub records: u64,
    pub events: u64,
    pub messages: u64,
    pub filtered: u64,
    pub refused: u64,
    /// Account, reason, part and number of all that is not written.
    pub accounts: Vec<(&'static str, &'static str, String, u64)>,
    pub last_t_us: Option<i64>,
    pub next_offset: Option<u64>,
    pub time_min_us: Option<i64>,
    pub time_max_us: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub struct Output {
    pub messages: Strings,
    pub keys: Strings,
    pub refused: Vec<Refused>,
    pub summary: Summary,
}

/// Prepares the records of any partitions of one definition.
pub struct Preparation {
    plan: Plan,
    key: Key,
    front: Front,
    single: Single,
    /// Where events are gathered, if they are.
    block: Option<Block>,
    /// The field whose text is a message's key; none: the uuid.
    key_field: Option<usize>,
    batch: Batch,
}

impl Preparation {
    /// # Errors
    /// The definition has no received time, or the options name a field that it does not have.
    pub fn new(plan: Plan, options: &Options) -> Result<Preparation> {
        if plan.stamps() == Stamps::None {
            return Err(CoreError::definition(
                "records without a received time cannot be prepared for another place: event.received is none",
            ));
        }
        let key_field = match options.key.as_str() {
            "uuid" => None,
            name => {
                let place = plan.fields.iter().position(|field| field.name == name);
                Some(place.ok_or_else(|| CoreError::definition(format!("the key is no declared field: {name}")))?)
            }
        };
        let mut front = Front::new(&plan)?;
        front.leave_digests_out();
        Ok(Preparation {
            key: Key::of(&plan)?,
            front,
            single: Single::new(&plan, options)?,
            block: (options.form == Form::Block).then(|| Block::new(&plan, options)),
            key_field,
            plan,
            batch: Batch::default(),
        })
    }

    /// Prepare a block of records, in the order of their positions.
    ///
    /// # Errors
    /// More than 4 GiB of messages.
    pub fn prepare(&mut self, lineage: &Lineage, records: &Records, state: State, now_us: i64) -> Result<Output> {
        let mut run = Run {
            lineage,
            records,
            state,
            output: Output::default(),
            accounts: BTreeMap::new(),
        };
        self.block.iter_mut().for_each(Block::clear);
        let (mut record, mut batch) = (0, std::mem::take(&mut self.batch));
        while record < records.len() {
            batch.clear();
            let next = self.front.fill_records(records, record, now_us, &mut batch);
            for row in 0..batch.rows.len() {
                self.row(&mut run, &batch, record, row)?;
            }
            record = next;
        }
        self.batch = batch;
        self.end_block(&mut run)?;
        Ok(run.finish(&self.plan))
    }

    fn row(&mut self, run: &mut Run<'_>, batch: &Batch, first: usize, number: usize) -> Result<()> {
        let Some(row) = batch.rows.get(number) else {
            return Ok(());
        };
        let Origin { record, element } = batch.origin(number);
        let record = first + record as usize;
        let offset = run.records.offset(record);
        let refusal = match row.verdict {
            Verdict::Malformed(reason, _) => Some((Account::Malformed, malformed_reason(reason), 0)),
            Verdict::Filtered => Some((Account::Filtered, 0, 0)),
            Verdict::Empty => Some((Account::Filtered, 1, 0)),
            Verdict::Invalid(reason, part) => Some((Account::Invalid, invalid_reason(reason), part)),
            Verdict::Event => None,
        };
        let refusal = match refusal {
            Some(refusal) => Some(refusal),
            None => {
                let event = Event {
                    uuid: self.uuid(run.lineage, row, offset, element),
                    event_us: row.event_us,
                    received_us: self.received_us(run, row, record),
                    offset,
                    element,
                    values: self.values(batch, number),
                    texts: Texts {
                        chunk: run.records.bytes(),
                        arena: &batch.arena,
                    },
                };
                self.write(run, &event)?
            }
        };
        if let Some(refusal) = refusal {
            run.refuse(&self.plan, refusal, row, (offset, element));
        }
        Ok(())
    }

    /// a: by the ordered rule, or as it was carried. The partition's last t moves either way.
    fn received_us(&self, run: &mut Run<'_>, row: &Row, record: usize) -> i64 {
        let carried = self.plan.stamps() == Stamps::Carried;
        let stamp_us = if carried {
            run.records.stamps(record).stamp_us
        } else {
            row.stamp_us
        };
        let t_us = run.state.move_to(stamp_us);
        if carried { row.stamp_us } else { t_us }
    }

    fn uuid(&self, lineage: &Lineage, row: &Row, offset: u64, element: Option<u32>) -> u128 {
        if !matches!(self.plan.id, Id::Position) {
            return row.uuid;
        }
        let uuid = self.key.position(&lineage.name, offset);
        element.map_or(uuid, |place| self.key.element(uuid, place))
    }

    fn values<'a>(&self, batch: &'a Batch, row: usize) -> &'a [Value] {
        let fields = self.plan.fields.len();
        batch.values.get(row * fields..(row + 1) * fields).unwrap_or_default()
    }

    /// Write the event, or say why it cannot travel: it would be refused where it is read.
    fn write(&mut self, run: &mut Run<'_>, event: &Event<'_>) -> Result<Option<Refusal>> {
        if !(EARLIEST_US..=LATEST_US).contains(&event.received_us) {
            let range = invalid_reason(crate::batch::Invalid::Range);
            return Ok(Some((Account::Invalid, range, part::RECEIVED)));
        }
        if let Some(bytes) = self.block.as_ref().and_then(|block| block.room_for(event)) {
            if self.block.as_ref().is_some_and(|block| block.is_full_for(bytes)) {
                self.end_block(run)?;
            }
            if let Some(block) = &mut self.block {
                block.push(run.lineage, event, bytes)?;
            }
            run.wrote(event.event_us);
            return Ok(None);
        }
        self.end_block(run)?;
        let messages = &mut run.output.messages;
        let start = messages.bytes.len();
        self.single.write(run.lineage, event, &mut messages.bytes);
        if messages.bytes.len() - start > self.plan.limits.record_bytes_max {
            messages.bytes.truncate(start);
            return Ok(Some((Account::Malformed, malformed_reason(Malformed::Size), 0)));
        }
        messages.end()?;
        self.write_key(event, &mut run.output.keys.bytes);
        run.output.keys.end()?;
        run.wrote(event.event_us);
        Ok(None)
    }

    /// What was gathered becomes a message. It has no key: its events may have many.
    fn end_block(&mut self, run: &mut Run<'_>) -> Result<()> {
        if let Some(block) = self.block.as_mut().filter(|block| !block.is_empty()) {
            block.write(run.lineage, &mut run.output.messages.bytes)?;
            run.output.messages.end()?;
            run.output.keys.end()?;
        }
        Ok(())
    }

    fn write_key(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self
            .key_field
            .and_then(|field| Some((self.plan.fields.get(field)?, event.values.get(field)?)))
        {
            None => single::put_uuid(event.uuid, out),
            Some((_, Value::Null)) => {}
            Some((_, Value::Text { in_arena, at, len })) => {
                out.extend_from_slice(event.texts.of(*in_arena, *at, *len));
            }
            Some((field, value)) => single::put_plain(value, field.scale, out),
        }
    }
}

type Refusal = (Account, u8, u16);

/// One call on its way.
struct Run<'a> {
    lineage: &'a Lineage,
    records: &'a Records,
    state: State,
    output: Output,
    accounts: BTreeMap<Refusal, u64>,
}

impl Run<'_> {
    fn wrote(&mut self, event_us: i64) {
        let summary = &mut self.output.summary;
        summary.events += 1;
        summary.time_min_us = Some(summary.time_min_us.map_or(event_us, |least| least.min(event_us)));
        summary.time_max_us = summary.time_max_us.max(Some(event_us));
    }

    fn refuse(&mut self, plan: &Plan, refusal: Refusal, row: &Row, (offset, element): (u64, Option<u32>)) {
        *self.accounts.entry(refusal).or_default() += 1;
        let (account, reason, part) = names(plan, refusal);
        if refusal.0 == Account::Filtered {
            self.output.summary.filtered += 1;
            return;
        }
        self.output.refused.push(Refused {
            offset,
            element,
            account,
            reason,
            part: part.to_owned(),
            span: (row.start, row.end),
        });
    }

    fn finish(mut self, plan: &Plan) -> Output {
        let summary = &mut self.output.summary;
        summary.records = self.records.len() as u64;
        summary.messages = self.output.messages.ends.len() as u64;
        summary.refused = self.output.refused.len() as u64;
        summary.last_t_us = self.state.last_t_us;
        let last = self.records.len().checked_sub(1);
        summary.next_offset = last.map(|last| self.records.offset(last) + 1);
        let named = self.accounts.iter().map(|(refusal, number)| {
            let (account, reason, part) = names(plan, *refusal);
            (account, reason, part.to_owned(), *number)
        });
        summary.accounts = named.collect();
        self.output
    }
}

fn names(plan: &Plan, (account, reason, part): Refusal) -> (&'static str, &'static str, &str) {
    let name = ACCOUNTS.get(account as usize).map_or("", |named| named.1);
    let reason = reasons(account).get(reason as usize).copied().unwrap_or_default();
    let part = if account == Account::Invalid {
        plan.part_name(part)
    } else {
        ""
    };
    (name, reason, part)
}
