//! The pure steps, a batch at a time: records are decoded and prepared. No state but what decoding has learned, no clock.
use crate::batch::{Batch, Invalid, Origin, Verdict, part};
use crate::decode::{DecodeLimits, DecodeStats, Decoder, Elements, List};
use crate::error::{CoreError, Result};
use crate::plan::{self, InputKind, Plan};
use crate::prepare::{Preparer, Reading};
use crate::prepared::{BLOCK_BEGINS, BlockReader, Fault};
use crate::records::{Records, Stamps};
use crate::slot::{Line, Outcome, Slot};

/// A chunk is handed on in batches of about this many bytes, so that both threads work on small pieces.
const BATCH_BYTES: usize = 256 << 10;
/// And in batches of at most this many rows, however short the records are.
const BATCH_ROWS: usize = 16 << 10;
/// And until the texts that are not in the chunk as they are take about this many bytes.
const ARENA_BYTES: usize = 8 << 20;

/// The pure steps: decode and prepare.
pub struct Front {
    decoder: Decoder,
    /// Where a record is several events.
    elements: Option<Elements>,
    /// Where a record may be a block of prepared events.
    blocks: Option<BlockReader>,
    preparer: Preparer,
    slots: Vec<Slot>,
    /// Whether the stamps beside records are read.
    stamped: bool,
}

impl Front {
    pub fn new(plan: &Plan) -> Result<Front> {
        let limits = DecodeLimits {
            record_bytes_max: plan.limits.record_bytes_max,
            depth_max: plan.limits.depth_max,
            members_max: plan.limits.members_max,
        };
        let mut paths = plan.paths.clone();
        let elements = plan
            .explode
            .as_ref()
            .map(|explode| Elements::new(&mut paths, &explode.path));
        let mut decoder = match (plan.input.kind, &plan.input.regex) {
            (InputKind::Regex, Some(pattern)) => {
                Decoder::regex(pattern, &paths, limits).map_err(CoreError::definition)?
            }
            _ => Decoder::json(&paths, limits),
        };
        // Only the general parser says where a list begins.
        decoder.speculate(elements.is_none());
        Ok(Front {
            decoder,
            preparer: Preparer::new(plan)?,
            elements,
            blocks: match plan.input.kind {
                InputKind::Prepared => Some(BlockReader::new(plan)?),
                _ => None,
            },
            slots: vec![Slot::default(); paths.len()],
            stamped: matches!(plan.stamps(), plan::Stamps::Ordered | plan::Stamps::Carried),
        })
    }

    /// From here on rows have 0 for the digest of their content.
    pub fn leave_digests_out(&mut self) {
        self.preparer.leave_digests_out();
    }

    /// How records were decoded so far.
    pub fn stats(&self) -> DecodeStats {
        self.decoder.stats()
    }

    /// Decode and prepare lines from `pos` until about `BATCH_BYTES` are used. Returns where it stopped.
    pub fn fill(&mut self, chunk: &[u8], mut pos: usize, now_us: i64, batch: &mut Batch) -> usize {
        let stop = pos.saturating_add(BATCH_BYTES).min(chunk.len());
        while pos < stop {
            let line = self.decoder.next(chunk, pos, &mut self.slots, &mut batch.arena);
            if line.outcome != Outcome::Blank {
                self.prepare(&line, chunk, Reading::at(now_us), batch);
            }
            pos = line.after;
        }
        pos
    }

    /// Decode and prepare records from number `record` until about `BATCH_BYTES` are used. Returns where it stopped.
    pub fn fill_records(&mut self, records: &Records, mut record: usize, now_us: i64, batch: &mut Batch) -> usize {
        let (chunk, first) = (records.bytes(), records.start(record));
        while record < records.len() && records.start(record) < first + BATCH_BYTES && has_room(batch) {
            let span = records.span(record);
            let stamps = if self.stamped {
                records.stamps(record)
            } else {
                Stamps::NONE
            };
            let reading = Reading { now_us, stamps };
            if self.blocks.is_some() {
                self.prepared(chunk, span, reading, batch);
            } else {
                let line = self.decoder.record(chunk, span, &mut self.slots, &mut batch.arena);
                self.prepare(&line, chunk, reading, batch);
            }
            record += 1;
        }
        record
    }

    #[inline]
    fn prepare(&mut self, line: &Line, chunk: &[u8], reading: Reading, batch: &mut Batch) {
        match self.elements {
            None => self.preparer.prepare(line, &self.slots, chunk, reading, batch),
            Some(_) => self.explode(line, chunk, reading, batch),
        }
    }

    /// A row for each prepared event of a message, or one for the message as a whole.
    fn prepared(&mut self, chunk: &[u8], (start, end): (usize, usize), reading: Reading, batch: &mut Batch) {
        let record = batch.records() as u32;
        let whole = Origin { record, element: None };
        let message = chunk.get(start..end).unwrap_or_default();
        let Some(blocks) = self.blocks.as_mut().filter(|_| message.first() == Some(&BLOCK_BEGINS)) else {
            let line = self
                .decoder
                .record(chunk, (start, end), &mut self.slots, &mut batch.arena);
            let Front { preparer, slots, .. } = self;
            return preparer.prepare_element((&line, whole), slots, chunk, reading, batch);
        };
        let line = Line {
            start,
            end,
            after: end,
            outcome: Outcome::Record,
        };
        let mark = batch.arena.len();
        let verdict = match blocks.read(message, &mut batch.arena) {
            Ok(batches) if batches.iter().any(|events| events.rows > 0) => {
                let places = batches
                    .iter()
                    .flat_map(|events| (0..events.rows).map(move |row| (events, row)));
                for (place, made) in (0..).zip(places) {
                    let element = Some(place);
                    self.preparer
                        .prepare_made(Origin { record, element }, made, reading, batch);
                }
                return;
            }
            Ok(_) => Verdict::Empty,
            Err(Fault::Other) => Verdict::Invalid(Invalid::Definition, part::DEFINITION),
            Err(Fault::Malformed(reason)) => Verdict::Malformed(reason, 0),
        };
        batch.arena.truncate(mark);
        self.preparer.refuse((&line, whole), verdict, batch);
    }

    /// A row for each element of the record's list, or one for the record as a whole.
    fn explode(&mut self, line: &Line, chunk: &[u8], reading: Reading, batch: &mut Batch) {
        let Front {
            elements: Some(elements),
            preparer,
            slots,
            ..
        } = self
        else {
            return;
        };
        let record = batch.records() as u32;
        let whole = Origin { record, element: None };
        let first = match line.outcome {
            Outcome::Record => elements.first(chunk, slots),
            _ => return preparer.prepare_element((line, whole), slots, chunk, reading, batch),
        };
        let mut next = match first {
            List::First(at) => Some(at),
            List::Empty => return preparer.refuse((line, whole), Verdict::Empty, batch),
            List::Other => {
                return preparer.refuse((line, whole), Verdict::Invalid(Invalid::Type, part::EXPLODE), batch);
            }
        };
        for place in 0.. {
            let Some(at) = next else { return };
            next = elements.read(chunk, at, slots, &mut batch.arena);
            let origin = Origin {
                record,
                element: Some(place),
            };
            preparer.prepare_element((line, origin), slots, chunk, reading, batch);
        }
    }
}

fn has_room(batch: &Batch) -> bool {
    batch.rows.len() < BATCH_ROWS && batch.arena.len() < ARENA_BYTES
}
