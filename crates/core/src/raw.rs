//! What a feed of raw events says of each record, before anything is remembered of it: a row each, as an Arrow stream.
mod lineage;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};

use crate::batch::{Batch, Origin, Row, Verdict};
use crate::error::Result;
use crate::front::Front;
use crate::identity::Key;
use crate::ledger::{ACCOUNTS, Account, invalid_reason, malformed_reason, reasons};
use crate::plan::{Id, Plan, Stamps};
use crate::reader::{Column, stream};
use crate::records::{ABSENT, Columns, Records};
use crate::slot::Malformed;
use lineage::{Lineages, Origins};

/// Makes rows of the records of any partitions of one definition.
pub struct RawRows {
    plan: Plan,
    key: Key,
    front: Front,
    lineages: Option<Lineages>,
    batch: Batch,
}

/// Some rows, and how many records they are of.
pub struct Made {
    pub stream: Vec<u8>,
    pub records: u64,
}

impl RawRows {
    /// # Errors
    /// The definition is wrong.
    pub fn new(plan: Plan) -> Result<RawRows> {
        Ok(RawRows {
            key: Key::of(&plan)?,
            front: Front::new(&plan)?,
            lineages: Lineages::of(&plan),
            batch: Batch::default(),
            plan,
        })
    }

    /// Rows of whole lines, of which the first record has this ordinal.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn lines(&mut self, partition: &str, chunk: &[u8], first: u64, now_us: i64) -> Result<Made> {
        let (mut table, mut batch) = (Table::default(), std::mem::take(&mut self.batch));
        let (mut at, mut records) = (0, first);
        while at < chunk.len() {
            batch.clear();
            at = self.front.fill(chunk, at, now_us, &mut batch);
            for (number, row) in batch.rows.iter().enumerate() {
                let Origin { record, element } = batch.origin(number);
                let place = Place {
                    partition,
                    position: records + u64::from(record),
                    element,
                    stamp_us: ABSENT,
                };
                self.add(&mut table, &place, row, None);
            }
            records += batch.records() as u64;
        }
        self.batch = batch;
        Ok(Made {
            stream: table.finish()?,
            records: records - first,
        })
    }

    /// Rows of records at their positions. `attempts`: of each record the publish attempt that came beside it; empty: none.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn records(&mut self, partition: &str, records: &Records, attempts: &[i32], now_us: i64) -> Result<Made> {
        let (mut table, mut batch) = (Table::default(), std::mem::take(&mut self.batch));
        let mut first = 0;
        let mut origins = (usize::MAX, Origins::default());
        while first < records.len() {
            batch.clear();
            let next = self.front.fill_records(records, first, now_us, &mut batch);
            for (number, row) in batch.rows.iter().enumerate() {
                let Origin { record, element } = batch.origin(number);
                let record = first + record as usize;
                let place = Place {
                    partition,
                    position: records.offset(record),
                    element,
                    stamp_us: records.stamps(record).stamp_us,
                };
                if let Some(lineages) = self.lineages.as_mut().filter(|_| origins.0 != record) {
                    let (start, end) = records.span(record);
                    origins = (
                        record,
                        lineages.read(records.bytes().get(start..end).unwrap_or_default()),
                    );
                }
                let mut origin = origins.1.at(element);
                if let Some(attempt) = attempts.get(record).filter(|attempt| **attempt > 0) {
                    origin.attempt = Some(*attempt);
                }
                self.add(&mut table, &place, row, Some(origin));
            }
            first = next;
        }
        self.batch = batch;
        Ok(Made {
            stream: table.finish()?,
            records: records.len() as u64,
        })
    }

    /// The row of a line over the size limit, which its source did not keep.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn long_line(&self, position: u64) -> Result<Made> {
        let (mut table, row) = (Table::default(), Verdict::Malformed(Malformed::Size, 0));
        let place = Place {
            partition: "",
            position,
            element: None,
            stamp_us: ABSENT,
        };
        let row = Row {
            verdict: row,
            ..Row::default()
        };
        self.add(&mut table, &place, &row, None);
        Ok(Made {
            stream: table.finish()?,
            records: 1,
        })
    }

    fn add(&self, table: &mut Table, place: &Place<'_>, row: &Row, origin: Option<lineage::Origin<'_>>) {
        let (account, reason, part) = self.judged(row.verdict);
        let is_event = row.verdict == Verdict::Event;
        table.position.append_value(place.position as i64);
        table.element.append_option(place.element.map(|element| element as i32));
        table
            .stamp
            .append_option(Some(place.stamp_us).filter(|stamp| *stamp != ABSENT));
        let has_received = is_event && self.plan.stamps() != Stamps::None;
        table.received.append_option(has_received.then_some(row.stamp_us));
        table.event_time.append_option(is_event.then_some(row.event_us));
        let uuid = is_event.then(|| format!("{:032x}", self.uuid(place, row)));
        table.uuid.append_option(uuid);
        table
            .content
            .append_option(is_event.then(|| format!("{:08x}", row.digest)));
        table.account.append_value(account);
        table.reason.append_option(Some(reason).filter(|text| !text.is_empty()));
        table.part.append_option(Some(part).filter(|text| !text.is_empty()));
        let origin = origin.unwrap_or_default();
        table.attempt.append_option(origin.attempt);
        table.origin_source.append_option(origin.source);
        table.origin_partition.append_option(origin.partition);
        table.origin_position.append_option(origin.position);
    }

    fn judged(&self, verdict: Verdict) -> (&'static str, &'static str, &str) {
        let (account, reason, part) = match verdict {
            Verdict::Event => return ("event", "", ""),
            Verdict::Malformed(reason, _) => (Account::Malformed, malformed_reason(reason), ""),
            Verdict::Filtered => (Account::Filtered, 0, ""),
            Verdict::Empty => (Account::Filtered, 1, ""),
            Verdict::Invalid(reason, part) => (Account::Invalid, invalid_reason(reason), self.plan.part_name(part)),
        };
        let name = ACCOUNTS.get(account as usize).map_or("", |named| named.1);
        (
            name,
            reasons(account).get(reason as usize).copied().unwrap_or_default(),
            part,
        )
    }

    fn uuid(&self, place: &Place<'_>, row: &Row) -> u128 {
        if !matches!(self.plan.id, Id::Position) {
            return row.uuid;
        }
        let uuid = self.key.position(place.partition, place.position);
        place.element.map_or(uuid, |element| self.key.element(uuid, element))
    }
}

/// Cut the attempt (an i32, little-endian) off the beginning of each record.
///
/// # Errors
/// A record is shorter than that.
pub fn without_attempts(data: &[u8], mut columns: Columns) -> Result<(Vec<u8>, Columns, Vec<i32>)> {
    let (mut kept, mut attempts, mut start) = (Vec::with_capacity(data.len()), vec![], 0);
    for end in &mut columns.ends {
        let record = data.get(start..*end as usize).unwrap_or_default();
        let (head, rest) = record.split_first_chunk::<4>().ok_or(crate::wire::Short)?;
        attempts.push(i32::from_le_bytes(*head));
        kept.extend_from_slice(rest);
        start = *end as usize;
        *end = kept.len() as u32;
    }
    Ok((kept, columns, attempts))
}

struct Place<'a> {
    partition: &'a str,
    position: u64,
    element: Option<u32>,
    stamp_us: i64,
}

#[derive(Default)]
struct Table {
    position: Int64Builder,
    element: Int32Builder,
    stamp: TimestampMicrosecondBuilder,
    received: TimestampMicrosecondBuilder,
    event_time: TimestampMicrosecondBuilder,
    uuid: StringBuilder,
    content: StringBuilder,
    account: StringBuilder,
    reason: StringBuilder,
    part: StringBuilder,
    attempt: Int32Builder,
    origin_source: StringBuilder,
    origin_partition: Int64Builder,
    origin_position: Int64Builder,
}

impl Table {
    fn finish(mut self) -> Result<Vec<u8>> {
        let column = |name: &str, array: ArrayRef| Column {
            name: name.into(),
            array,
            note: None,
        };
        stream(vec![
            column("position", Arc::new(self.position.finish())),
            column("element", Arc::new(self.element.finish())),
            column("stamp", Arc::new(self.stamp.finish().with_timezone("UTC"))),
            column("received", Arc::new(self.received.finish().with_timezone("UTC"))),
            column("event_time", Arc::new(self.event_time.finish().with_timezone("UTC"))),
            column("uuid", Arc::new(self.uuid.finish())),
            column("content", Arc::new(self.content.finish())),
            column("account", Arc::new(self.account.finish())),
            column("reason", Arc::new(self.reason.finish())),
            column("part", Arc::new(self.part.finish())),
            column("attempt", Arc::new(self.attempt.finish())),
            column("origin_source", Arc::new(self.origin_source.finish())),
            column("origin_partition", Arc::new(self.origin_partition.finish())),
            column("origin_position", Arc::new(self.origin_position.finish())),
        ])
    }
}
