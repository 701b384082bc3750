//! The journal: one checksummed frame per epoch. The synced frame is the epoch.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::accept::{Clock, Partition};
use crate::dedup::Entry;
use crate::error::{CoreError, Result};
use crate::fold::Delta;
use crate::intern::Strings;
use crate::ledger::{Ledger, RowKey, RowValue};
use crate::measure::Layout;
use crate::rows::Rows;
use crate::wire::{Short, Take, put_bytes, put_u64};

use super::files::{Head, Marks, Paths, open_to_write};
use super::ids::{ENTRY_BYTES, put_entry, take_entry};
use super::output::{BLOCK, Output};
use super::segment::damaged;

const HEADER_BYTES: usize = 40;
const MAGIC: [u8; 4] = *b"CFJ1";
/// A frame of so many bytes goes past the system's cache.
const LARGE: usize = 1 << 20;

/// What an epoch says of the positions and clocks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Positions {
    pub clock: Clock,
    /// The partitions that changed, by number.
    pub partitions: Vec<(u32, Partition)>,
    /// The reading clock at the commit.
    pub now_us: i64,
}

/// A side log entry under its key.
pub type SideEntry = (Vec<u8>, Vec<u8>);

/// What an epoch changed in a metric: events that passed, and a delta per base set.
pub type Changes = (u64, Vec<Delta>);

/// One epoch's content.
#[derive(Default)]
pub struct Frame {
    pub positions: Positions,
    pub ids: Vec<Entry>,
    pub metrics: Vec<Changes>,
    pub ledger: Ledger,
    pub side: Vec<SideEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId {
    pub epoch: u64,
    pub parent: u64,
    pub generation: u64,
}

impl Frame {
    /// Bring all states that were added to into their final form.
    pub fn gather(&mut self, layouts: &[&Layout]) {
        for ((_, deltas), layout) in self.metrics.iter_mut().zip(layouts) {
            deltas.iter_mut().for_each(|delta| delta.rows.gather(layout));
        }
    }

    /// The frame's bytes, header and checksum included: whole blocks, with zeros at the end.
    pub fn encode(&self, id: FrameId, layouts: &[&Layout], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.resize(HEADER_BYTES, 0);
        let positions = serde_json::to_vec(&self.positions).map_err(|e| CoreError::internal(e.to_string()))?;
        put_bytes(out, &positions);
        put_u64(out, self.ids.len() as u64);
        self.ids.iter().for_each(|e| put_entry(out, e));
        for (changes, layout) in self.metrics.iter().zip(layouts) {
            put_changes(out, changes, layout);
        }
        put_u64(out, self.ledger.rows.len() as u64);
        for (key, value) in &self.ledger.rows {
            key.encode(out);
            value.encode(out);
        }
        put_u64(out, self.side.len() as u64);
        for (key, value) in &self.side {
            put_bytes(out, key);
            put_bytes(out, value);
        }
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        seal(out, id);
        Ok(())
    }

    /// `bases`: how many base sets each metric has.
    pub fn decode(body: &[u8], layouts: &[&Layout], bases: &[usize]) -> Result<Frame> {
        Frame::decode_part(body, layouts, bases, &Part::All)
    }

    /// What is not wanted is left empty.
    pub fn decode_part(body: &[u8], layouts: &[&Layout], bases: &[usize], part: &Part) -> Result<Frame> {
        let mut take = Take(body);
        let mut frame = Frame {
            positions: serde_json::from_slice(take.bytes()?).map_err(|e| CoreError::internal(e.to_string()))?,
            ..Frame::default()
        };
        let ids = take.u64()?;
        match part {
            Part::All => {
                for _ in 0..ids {
                    frame.ids.push(take_entry(&mut take)?);
                }
            }
            _ => skip_ids(&mut take, ids)?,
        }
        for (metric, (layout, &bases)) in layouts.iter().zip(bases).enumerate() {
            if part.ends_before(metric) {
                return Ok(frame);
            }
            frame.metrics.push(take_changes(&mut take, layout, bases)?);
        }
        if let Part::Cells { .. } = part {
            return Ok(frame);
        }
        for _ in 0..take.u64()? {
            let key = RowKey::decode(&mut take)?;
            frame.ledger.merge(key, RowValue::decode(&mut take)?);
        }
        for _ in 0..take.u64()? {
            frame.side.push((take.bytes()?.to_vec(), take.bytes()?.to_vec()));
        }
        Ok(frame)
    }
}

/// What of a frame is wanted beside its positions.
pub enum Part {
    All,
    /// All but the ids.
    NoIds,
    /// The cells of so many metrics.
    Cells {
        metrics: usize,
    },
}

impl Part {
    fn ends_before(&self, metric: usize) -> bool {
        matches!(self, Part::Cells { metrics } if metric >= *metrics)
    }
}

fn skip_ids(take: &mut Take<'_>, ids: u64) -> Result<()> {
    let bytes = usize::try_from(ids).ok().and_then(|n| n.checked_mul(ENTRY_BYTES));
    take.take(bytes.ok_or(Short)?)?;
    Ok(())
}

pub fn put_changes(out: &mut Vec<u8>, (passed, deltas): &Changes, layout: &Layout) {
    put_u64(out, *passed);
    for delta in deltas {
        put_u64(out, delta.new_keys.len() as u64);
        delta.new_keys.iter().for_each(|k| put_bytes(out, k));
        delta.rows.encode(layout, out);
    }
}

/// `bases`: how many base sets the metric has.
pub fn take_changes(take: &mut Take<'_>, layout: &Layout, bases: usize) -> Result<Changes> {
    let passed = take.u64()?;
    let deltas = (0..bases).map(|_| take_delta(take, layout));
    Ok((passed, deltas.collect::<Result<_>>()?))
}

fn take_delta(take: &mut Take<'_>, layout: &Layout) -> Result<Delta> {
    let mut new_keys = Strings::default();
    for _ in 0..take.u64()? {
        new_keys.push(take.bytes()?);
    }
    Ok(Delta {
        new_keys,
        rows: Rows::decode(take, layout)?,
    })
}

/// Fill in the header: magic, checksum of all that follows it, length, epoch, parent, generation.
fn seal(out: &mut [u8], id: FrameId) {
    let length = out.len() as u64;
    let words = [length, id.epoch, id.parent, id.generation];
    for (place, word) in out.chunks_exact_mut(8).skip(1).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc32c::crc32c(out.get(8..).unwrap_or_default());
    if let Some(head) = out.first_chunk_mut::<8>() {
        let word = u64::from(u32::from_le_bytes(MAGIC)) | u64::from(crc) << 32;
        *head = word.to_le_bytes();
    }
}

/// An open journal at its end.
pub struct Journal {
    output: Output,
}

impl Journal {
    pub fn open(path: PathBuf, length: u64) -> Result<Journal> {
        let file = open_to_write(&path)?;
        file.set_len(length).map_err(|e| CoreError::io("cut", &path, &e))?;
        file.sync_all().map_err(|e| CoreError::io("sync", &path, &e))?;
        Ok(Journal {
            output: Output::new(file, path, length),
        })
    }

    pub fn length(&self) -> u64 {
        self.output.length()
    }

    /// Append a frame and sync it: from then on the epoch exists.
    pub fn append(&mut self, frame: &[u8], marks: &Marks) -> Result<()> {
        let is_large = frame.len() >= LARGE;
        let half = frame.len() / 2;
        let (first, second) = frame.split_at(if is_large { half / BLOCK * BLOCK } else { half });
        marks.pass("frame.before")?;
        self.output.past_cache(is_large);
        self.output.write(first)?;
        self.output.flush()?;
        marks.pass("frame.half")?;
        self.output.write(second)?;
        self.output.flush()?;
        marks.pass("frame.written")?;
        self.output.sync_data()?;
        marks.pass("frame.synced")
    }
}

/// How a journal is read.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub number: u64,
    pub path: PathBuf,
    /// Up to so many bytes; None: to its end.
    pub limit: Option<u64>,
    /// The length below which a damaged frame is damage, not a tail that was never acknowledged.
    pub synced: u64,
}

impl Stretch {
    /// The journals from one on, as far as HEAD says; `beyond`: and what was written after that.
    pub fn from(first: u64, head: &Head, paths: &Paths, beyond: bool) -> Result<Vec<Stretch>> {
        let mut stretches = vec![];
        let is_there = |number| beyond && paths.journal(number).exists();
        for number in (first..).take_while(|&number| number == first || number <= head.journal || is_there(number)) {
            let path = paths.journal(number);
            // Before a journal was followed by another one, all of it was synced.
            let synced = match number.cmp(&head.journal) {
                std::cmp::Ordering::Less => std::fs::metadata(&path)
                    .map_err(|e| CoreError::io("open", &path, &e))?
                    .len(),
                std::cmp::Ordering::Equal => head.length,
                std::cmp::Ordering::Greater => 0,
            };
            stretches.push(Stretch {
                number,
                path,
                limit: if beyond { None } else { Some(synced) },
                synced,
            });
        }
        Ok(stretches)
    }

    /// Visit its whole frames from its start. Returns where the last whole frame ends.
    pub fn replay(&self, visit: impl FnMut(FrameId, &[u8]) -> Result<()>) -> Result<u64> {
        match Reading::open(&self.path) {
            Err(_) if self.synced == 0 && !self.path.exists() => Ok(0),
            Err(error) => Err(error),
            Ok(reading) => reading.frames(0, self, visit),
        }
    }
}

/// A journal that is read. What it held when it was opened can be read as long as it is open, also when the writer has
/// removed it since.
pub struct Reading {
    file: File,
    path: PathBuf,
}

impl Reading {
    pub fn open(path: &Path) -> Result<Reading> {
        let file = File::open(path).map_err(|e| CoreError::io("open", path, &e))?;
        Ok(Reading {
            file,
            path: path.to_path_buf(),
        })
    }

    /// Visit the whole frames of a stretch from a place on where one begins. Returns where the last whole frame ends. One
    /// frame is in memory at a time.
    pub fn frames(
        &self,
        from: u64,
        stretch: &Stretch,
        mut visit: impl FnMut(FrameId, &[u8]) -> Result<()>,
    ) -> Result<u64> {
        let fail = |e: std::io::Error| CoreError::io("read", &self.path, &e);
        let size = self.file.metadata().map_err(fail)?.len();
        let end = stretch.limit.unwrap_or(u64::MAX).min(size);
        let (mut at, mut bytes) = (from, vec![]);
        while at < end {
            let Some(length) = self.length_at(at, end)? else { break };
            bytes.resize(length, 0);
            self.file.read_exact_at(&mut bytes, at).map_err(fail)?;
            let Some((id, body)) = open_frame(&bytes) else { break };
            visit(id, body)?;
            at += length as u64;
        }
        if at < stretch.synced {
            return Err(damaged(&self.path, at, "an epoch that was committed is damaged"));
        }
        Ok(at)
    }

    /// How long the frame at a place is; None: there is no whole one before the end.
    fn length_at(&self, at: u64, end: u64) -> Result<Option<usize>> {
        let mut header = [0; HEADER_BYTES];
        if end - at < HEADER_BYTES as u64 {
            return Ok(None);
        }
        self.file
            .read_exact_at(&mut header, at)
            .map_err(|e| CoreError::io("read", &self.path, &e))?;
        let mut take = Take(&header);
        take.take(8)?;
        let length = u64::from_le_bytes(take.array()?);
        Ok(usize::try_from(length)
            .ok()
            .filter(|_| (HEADER_BYTES as u64..=end - at).contains(&length)))
    }
}

/// Number and content of a frame, if these bytes are a whole one.
fn open_frame(bytes: &[u8]) -> Option<(FrameId, &[u8])> {
    let mut take = Take(bytes.get(..HEADER_BYTES)?);
    let (magic, crc) = (take.array::<4>().ok()?, u32::from_le_bytes(take.array().ok()?));
    let mut word = || take.array().ok().map(u64::from_le_bytes);
    let (_, epoch, parent, generation) = (word()?, word()?, word()?, word()?);
    let id = FrameId {
        epoch,
        parent,
        generation,
    };
    (magic == MAGIC && crc32c::crc32c(bytes.get(8..)?) == crc).then_some((id, bytes.get(HEADER_BYTES..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::CrashPoint;

    fn frame(epoch: u64, ids: u128) -> Vec<u8> {
        let entry = |uuid| Entry {
            uuid,
            event_us: 7,
            digest: 1,
        };
        let frame = Frame {
            ids: (0..ids).map(entry).collect(),
            ..Frame::default()
        };
        let id = FrameId {
            epoch,
            parent: epoch - 1,
            generation: 1,
        };
        let mut bytes = vec![];
        frame.encode(id, &[], &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn frames_past_the_cache_and_others_are_read_in_their_order_as_far_as_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(path.clone(), 0).unwrap();
        let sizes = [3, 100_000, 0, 200_000];
        for (epoch, ids) in (1..).zip(sizes) {
            journal.append(&frame(epoch, ids), &Marks::default()).unwrap();
        }
        let length = journal.length();
        let torn = Marks::new(Some(CrashPoint {
            step: "frame.half".into(),
            nth: 1,
            abort: false,
        }));
        journal.append(&frame(5, 100_000), &torn).unwrap_err();
        assert!(std::fs::metadata(&path).unwrap().len() > length);
        let mut seen = vec![];
        let stretch = Stretch {
            number: 1,
            path,
            limit: None,
            synced: length,
        };
        let end = stretch.replay(|id, body| {
            seen.push((id.epoch, Frame::decode(body, &[], &[])?.ids.len() as u128));
            Ok(())
        });
        assert_eq!(end.unwrap(), length);
        assert!(seen.into_iter().eq((1..).zip(sizes)));
    }
}
