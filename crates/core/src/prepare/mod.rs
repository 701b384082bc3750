//! The pure step: a decoded record becomes an event, or the account it ends in before clocks and memory are asked.
//!
//! The order (semantics section 5): the fields that `where` names, `where`, time, received, id, the other fields.
mod field;
mod given;

use crate::batch::{Batch, Invalid, Origin, Row, Value, Verdict, part};
use crate::error::{CoreError, Result};
use crate::expression::{Node, truth};
use crate::identity::{Form, Key};
use crate::plan::{self, Id, Plan, Time};
use crate::prepared::Events;
use crate::records::{ABSENT, Stamps};
use crate::slot::{Line, Outcome, Slot};
use crate::time::TimeReader;
use field::{Declared, FieldReader};
use given::{Given, Made, Slots};

/// Metrics of a plan; `Row::metrics` has a bit for each.
const METRICS_MAX: usize = 64;

/// Turns decoded records into rows. It keeps nothing from one record to the next but buffers.
pub struct Preparer {
    /// Paths, and the texts that stand there in records of this definition.
    guard: Vec<(usize, String)>,
    fields: Vec<FieldReader>,
    /// What a verdict calls them.
    parts: Vec<u16>,
    /// The fields that `where` names, and the others, in declared order.
    first: Vec<usize>,
    others: Vec<usize>,
    filter: Option<Node>,
    time: Stamp,
    received: Received,
    future_us: i64,
    id: Identity,
    /// An element's uuid is made from its record's, and its place.
    by_place: bool,
    key: Key,
    metrics: Vec<Option<Node>>,
    /// Whether anybody asks for digests of contents.
    with_digests: bool,
    scratch: Vec<u8>,
}

/// A declared time: where it is read, what it is called, and its bounds.
struct Stamp {
    path: usize,
    reader: TimeReader,
    part: u16,
    bounds_us: (i64, i64),
}

/// Where the received time is read: nowhere, in a field, or beside the record. `carried`: the stamp beside it is another.
enum Received {
    Never,
    Field { carried: bool, stamp: Stamp },
    Given { carried: bool },
}

/// What the pure step is told beside the record: the reading clock, and the stamps that came with it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub now_us: i64,
    pub stamps: Stamps,
}

impl Reading {
    /// Of a record that nothing stands beside.
    pub fn at(now_us: i64) -> Reading {
        Reading {
            now_us,
            stamps: Stamps::NONE,
        }
    }
}

enum Identity {
    Position,
    /// It was made already, and stands here.
    Made(usize),
    Values {
        form: Form,
        paths: Vec<usize>,
    },
}

/// One record on its way, with the buffers that its texts lie in.
struct Record<'a> {
    chunk: &'a [u8],
    arena: &'a mut Vec<u8>,
    values: &'a mut [Value],
}

impl Preparer {
    /// # Errors
    /// The plan names what it does not have.
    pub fn new(plan: &Plan) -> Result<Preparer> {
        if plan.metrics.len() > METRICS_MAX {
            return Err(CoreError::definition(format!(
                "more than {METRICS_MAX} metrics: {}",
                plan.metrics.len()
            )));
        }
        let accept = &plan.accept;
        let bounds_us = (
            accept.not_before_us.unwrap_or(i64::MIN),
            accept.not_after_us.unwrap_or(i64::MAX),
        );
        let unbounded = (i64::MIN, i64::MAX);
        let carried = plan.stamps() == plan::Stamps::Carried;
        Ok(Preparer {
            guard: plan.guard.clone(),
            fields: plan
                .fields
                .iter()
                .map(|field| FieldReader::new(field, plan.input.untyped))
                .collect(),
            parts: plan.field_parts(),
            first: plan.where_fields.clone(),
            others: (0..plan.fields.len())
                .filter(|field| !plan.where_fields.contains(field))
                .collect(),
            filter: plan.filter.clone(),
            time: Stamp::new(&plan.time, plan, part::TIME, bounds_us)?,
            received: match &plan.received {
                None => Received::Never,
                Some(plan::Received::Field(time)) => Received::Field {
                    carried,
                    stamp: Stamp::new(time, plan, part::RECEIVED, unbounded)?,
                },
                Some(plan::Received::Given(_)) => Received::Given { carried },
            },
            future_us: accept.future_us,
            id: Identity::new(&plan.id),
            by_place: plan.explode.as_ref().is_some_and(|explode| !explode.own_id),
            key: Key::of(plan)?,
            metrics: plan.metrics.iter().map(|metric| metric.filter.clone()).collect(),
            with_digests: true,
            scratch: vec![],
        })
    }

    /// From here on rows have 0 for the digest of their content.
    pub fn leave_digests_out(&mut self) {
        self.with_digests = false;
    }

    /// Append the row of a line that is not blank, and a value for each declared field (nulls unless it is an event).
    /// `slots` are what the decoder found; the spans they hold and the values get are of `chunk` and `batch.arena`.
    pub fn prepare(&mut self, line: &Line, slots: &[Slot], chunk: &[u8], reading: Reading, batch: &mut Batch) {
        let mut row = Row::of(line);
        let base = batch.values.len();
        batch.values.resize(base + self.fields.len(), Value::Null);
        let values = batch.values.get_mut(base..).unwrap_or_default();
        row.verdict = match line.outcome {
            Outcome::Malformed(reason, at) => Verdict::Malformed(reason, at),
            _ => {
                let mut record = Record {
                    chunk,
                    arena: &mut batch.arena,
                    values,
                };
                self.judge(&Slots { slots, chunk }, &mut record, reading, &mut row)
            }
        };
        batch.rows.push(row);
    }

    /// Append the row of an event of a block. Its bytes are not kept in a side log: `origin` says where they stand.
    pub fn prepare_made(
        &mut self,
        origin: Origin,
        (events, number): (&Events, usize),
        reading: Reading,
        batch: &mut Batch,
    ) {
        let mut row = Row::default();
        let base = batch.values.len();
        batch.values.resize(base + self.fields.len(), Value::Null);
        let mut record = Record {
            chunk: &[],
            arena: &mut batch.arena,
            values: batch.values.get_mut(base..).unwrap_or_default(),
        };
        row.verdict = self.judge(&Made { events, number }, &mut record, reading, &mut row);
        batch.rows.push(row);
        batch.origins.push(origin);
    }

    #[inline]
    fn judge<G: Given>(&mut self, given: &G, record: &mut Record<'_>, reading: Reading, row: &mut Row) -> Verdict {
        match self.event(given, record, reading, row) {
            Ok(()) => Verdict::Event,
            Err(verdict) => {
                record.values.fill(Value::Null);
                verdict
            }
        }
    }

    /// Append the row of an element of a record that is several events; `slots` are those of the element.
    pub fn prepare_element(
        &mut self,
        (line, origin): (&Line, Origin),
        slots: &[Slot],
        chunk: &[u8],
        reading: Reading,
        batch: &mut Batch,
    ) {
        self.prepare(line, slots, chunk, reading, batch);
        batch.origins.push(origin);
        if let (true, Some(place), Some(row)) = (self.by_place, origin.element, batch.rows.last_mut())
            && row.verdict == Verdict::Event
            && !matches!(self.id, Identity::Position)
        {
            row.uuid = self.key.element(row.uuid, place);
        }
    }

    /// Append the row of a record that is refused as a whole.
    pub fn refuse(&self, (line, origin): (&Line, Origin), verdict: Verdict, batch: &mut Batch) {
        batch.values.resize(batch.values.len() + self.fields.len(), Value::Null);
        batch.rows.push(Row {
            verdict,
            ..Row::of(line)
        });
        batch.origins.push(origin);
    }

    #[inline]
    fn event<G: Given>(
        &mut self,
        given: &G,
        record: &mut Record<'_>,
        reading: Reading,
        row: &mut Row,
    ) -> std::result::Result<(), Verdict> {
        if !given.is_of(&self.guard, record.arena) {
            return Err(Verdict::Invalid(Invalid::Definition, part::DEFINITION));
        }
        self.read_fields(true, given, record)?;
        if let Some(filter) = &self.filter {
            match truth(filter, &self.declared(record)) {
                Ok(Some(true)) => {}
                Ok(_) => return Err(Verdict::Filtered),
                Err(reason) => return Err(Verdict::Invalid(reason, part::WHERE)),
            }
        }
        let event_us = self.time.read(given, record.arena)?;
        let stamp_us = self.stamp(given, record.arena, reading)?;
        let uuid = given
            .uuid(&self.id, &self.key, &mut self.scratch, record.arena)
            .map_err(|reason| Verdict::Invalid(reason, part::ID))?;
        self.read_fields(false, given, record)?;
        let metrics = self.metrics(record);
        let digest = if self.with_digests { self.digest(record) } else { 0 };
        *row = Row {
            uuid,
            event_us,
            stamp_us,
            metrics,
            digest,
            ..*row
        };
        Ok(())
    }

    /// The received time as it is read; neither it nor the stamp beside the record may be beyond the reading clock + F.
    #[inline]
    fn stamp<G: Given>(&self, given: &G, arena: &[u8], reading: Reading) -> std::result::Result<i64, Verdict> {
        let Stamps { stamp_us, received_us } = reading.stamps;
        let missing = Err(Verdict::Invalid(Invalid::Missing, part::RECEIVED));
        let received_us = match &self.received {
            Received::Never => return Ok(0),
            Received::Field { carried: false, stamp } => stamp.read(given, arena)?,
            _ if stamp_us == ABSENT => return missing,
            Received::Field { carried: true, stamp } => stamp.read(given, arena)?,
            Received::Given { carried: false } => stamp_us,
            Received::Given { carried: true } if received_us == ABSENT => return missing,
            Received::Given { carried: true } => received_us,
        };
        if received_us.max(stamp_us) > reading.now_us.saturating_add(self.future_us) {
            return Err(Verdict::Invalid(Invalid::Stamp, part::RECEIVED));
        }
        Ok(received_us)
    }

    #[inline]
    fn read_fields<G: Given>(
        &mut self,
        first: bool,
        given: &G,
        record: &mut Record<'_>,
    ) -> std::result::Result<(), Verdict> {
        let Preparer {
            fields,
            parts,
            first: named,
            others,
            scratch,
            ..
        } = self;
        let numbers = if first { &*named } else { &*others };
        for &number in numbers {
            let (Some(field), Some(place)) = (fields.get(number), record.values.get_mut(number)) else {
                continue;
            };
            let read = given.field((number, field), record.arena, scratch, place);
            read.map_err(|reason| Verdict::Invalid(reason, parts.get(number).copied().unwrap_or(part::FIELD)))?;
        }
        Ok(())
    }

    fn declared<'a>(&'a self, record: &'a Record<'_>) -> Declared<'a> {
        Declared {
            values: record.values,
            fields: &self.fields,
            chunk: record.chunk,
            arena: record.arena,
        }
    }

    /// A bit for each metric whose own `where` is true; an error in one is not true.
    #[inline]
    fn metrics(&self, record: &Record<'_>) -> u64 {
        let declared = self.declared(record);
        let passes = |filter: &Node| truth(filter, &declared) == Ok(Some(true));
        let bits = self.metrics.iter().enumerate();
        bits.fold(0, |bits, (at, filter)| {
            bits | u64::from(filter.as_ref().is_none_or(passes)) << at
        })
    }

    #[inline]
    fn digest(&self, record: &Record<'_>) -> u32 {
        let declared = self.declared(record);
        self.key
            .content(record.values.iter().map(|value| (value, declared.bytes(value))))
    }
}

impl Stamp {
    fn new(time: &Time, plan: &Plan, part: u16, bounds_us: (i64, i64)) -> Result<Stamp> {
        Ok(Stamp {
            path: time.path,
            reader: TimeReader::new(time, plan)?,
            part,
            bounds_us,
        })
    }

    #[inline]
    fn read<G: Given>(&self, given: &G, arena: &[u8]) -> std::result::Result<i64, Verdict> {
        let (first, last) = self.bounds_us;
        match given.time(self, arena) {
            Ok(at_us) if (first..=last).contains(&at_us) => Ok(at_us),
            Ok(_) => Err(Verdict::Invalid(Invalid::Range, self.part)),
            Err(reason) => Err(Verdict::Invalid(reason, self.part)),
        }
    }
}

impl Identity {
    fn new(id: &Id) -> Identity {
        match id {
            Id::Position => Identity::Position,
            Id::Uuid([path]) => Identity::Made(*path),
            Id::Fields(paths) => Identity::Values {
                form: Form::Fields,
                paths: paths.clone(),
            },
            Id::Fingerprint(paths) => Identity::Values {
                form: Form::Fingerprint,
                paths: paths.clone(),
            },
        }
    }
}
