//! One epoch as bytes: a header, an index, and sections that have each a length and a checksum of their own, so that who wants a
//! part of it reads that part. At its end are zeros up to a whole block.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::accept::{Clock, Partition};
use crate::dedup::Entry;
use crate::error::{CoreError, Result};
use crate::fold::Delta;
use crate::intern::Strings;
use crate::ledger::{Ledger, RowKey, RowValue};
use crate::measure::Layout;
use crate::rows::Rows;
use crate::wire::{Take, put_bytes, put_u64};

use super::ids::{put_entry, take_entry};
use super::output::BLOCK;
use super::segment::damaged;

const MAGIC: [u8; 4] = *b"CFJ2";
/// Magic, checksum of what follows up to the end of the index, length, epoch, parent, generation, number of sections.
const HEADER_BYTES: usize = 48;
/// A section's length and checksum.
const INDEX_BYTES: usize = 16;

/// The sections of a frame, by number; those of the base sets follow, metric by metric.
const HEAD: usize = 0;
const IDS: usize = 1;
const LEDGER: usize = 2;
const SIDE: usize = 3;
const FIRST_BASE: usize = 4;

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

/// What of a frame is wanted beside its positions, and how many events passed each metric.
pub enum Part<'a> {
    All,
    Ledger,
    Side,
    /// What it changed in some base sets: metric and base.
    Bases(&'a [(usize, usize)]),
}

impl Part<'_> {
    fn has_base(&self, metric: usize, base: usize) -> bool {
        match self {
            Part::All => true,
            Part::Bases(bases) => bases.contains(&(metric, base)),
            _ => false,
        }
    }
}

impl Frame {
    /// Bring all states that were added to into their final form.
    pub fn gather(&mut self, layouts: &[&Layout]) {
        for ((_, deltas), layout) in self.metrics.iter_mut().zip(layouts) {
            deltas.iter_mut().for_each(|delta| delta.rows.gather(layout));
        }
    }

    /// The frame's bytes, whole blocks.
    pub fn encode(&self, id: FrameId, layouts: &[&Layout], out: &mut Vec<u8>) -> Result<()> {
        let bases: usize = self.metrics.iter().map(|(_, deltas)| deltas.len()).sum();
        let mut sections = Sections::begin(out, FIRST_BASE + bases);
        let positions = serde_json::to_vec(&self.positions).map_err(|e| CoreError::internal(e.to_string()))?;
        sections.put(|out| {
            put_bytes(out, &positions);
            self.metrics.iter().for_each(|(passed, _)| put_u64(out, *passed));
        });
        sections.put(|out| self.ids.iter().for_each(|entry| put_entry(out, entry)));
        sections.put(|out| {
            for (key, value) in &self.ledger.rows {
                key.encode(out);
                value.encode(out);
            }
        });
        sections.put(|out| {
            for (key, value) in &self.side {
                put_bytes(out, key);
                put_bytes(out, value);
            }
        });
        for ((_, deltas), layout) in self.metrics.iter().zip(layouts) {
            for delta in deltas {
                sections.put(|out| put_delta(out, delta, layout));
            }
        }
        sections.seal(id);
        Ok(())
    }

    /// What is not wanted is left empty. `bases`: how many base sets each metric has.
    pub fn decode(body: &mut Body<'_>, layouts: &[&Layout], bases: &[usize], part: &Part<'_>) -> Result<Frame> {
        let mut take = Take(body.section(HEAD)?);
        let mut frame = Frame {
            positions: serde_json::from_slice(take.bytes()?).map_err(|e| CoreError::internal(e.to_string()))?,
            ..Frame::default()
        };
        for _ in bases {
            frame.metrics.push((take.u64()?, vec![]));
        }
        let mut number = FIRST_BASE;
        for (metric, ((_, deltas), (layout, &bases))) in
            frame.metrics.iter_mut().zip(layouts.iter().zip(bases)).enumerate()
        {
            for base in 0..bases {
                deltas.push(match part.has_base(metric, base) {
                    true => take_delta(&mut Take(body.section(number)?), layout)?,
                    false => Delta::default(),
                });
                number += 1;
            }
        }
        if let Part::All = part {
            frame.ids = body.ids()?;
        }
        if let Part::All | Part::Ledger = part {
            let mut take = Take(body.section(LEDGER)?);
            while !take.is_empty() {
                let key = RowKey::decode(&mut take)?;
                frame.ledger.merge(key, RowValue::decode(&mut take)?);
            }
        }
        if let Part::All | Part::Side = part {
            let mut take = Take(body.section(SIDE)?);
            while !take.is_empty() {
                frame.side.push((take.bytes()?.to_vec(), take.bytes()?.to_vec()));
            }
        }
        Ok(frame)
    }
}

pub fn put_delta(out: &mut Vec<u8>, delta: &Delta, layout: &Layout) {
    put_u64(out, delta.new_keys.len() as u64);
    delta.new_keys.iter().for_each(|key| put_bytes(out, key));
    delta.rows.encode(layout, out);
}

pub fn take_delta(take: &mut Take<'_>, layout: &Layout) -> Result<Delta> {
    let mut new_keys = Strings::default();
    for _ in 0..take.u64()? {
        new_keys.push(take.bytes()?);
    }
    Ok(Delta {
        new_keys,
        rows: Rows::decode(take, layout)?,
    })
}

/// Sections as they are written, behind room for header and index.
struct Sections<'a> {
    out: &'a mut Vec<u8>,
    /// Length and checksum of each.
    index: Vec<(u64, u64)>,
}

impl Sections<'_> {
    fn begin(out: &mut Vec<u8>, count: usize) -> Sections<'_> {
        out.clear();
        out.resize(HEADER_BYTES + count * INDEX_BYTES, 0);
        Sections {
            out,
            index: Vec::with_capacity(count),
        }
    }

    fn put(&mut self, content: impl FnOnce(&mut Vec<u8>)) {
        let from = self.out.len();
        content(self.out);
        let section = self.out.get(from..).unwrap_or_default();
        self.index.push((section.len() as u64, crc32c::crc32c(section).into()));
    }

    fn seal(self, id: FrameId) {
        let Sections { out, index } = self;
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        let first = [out.len() as u64, id.epoch, id.parent, id.generation, index.len() as u64];
        let sections = index.iter().flat_map(|(length, crc)| [*length, *crc]);
        for (place, word) in out.chunks_exact_mut(8).skip(1).zip(first.into_iter().chain(sections)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let end = HEADER_BYTES + index.len() * INDEX_BYTES;
        let crc = crc32c::crc32c(out.get(8..end).unwrap_or_default());
        if let Some(head) = out.first_chunk_mut::<8>() {
            let word = u64::from(u32::from_le_bytes(MAGIC)) | u64::from(crc) << 32;
            *head = word.to_le_bytes();
        }
    }
}

/// A frame in a file, of which sections are read as they are asked for.
pub struct Body<'a> {
    file: &'a File,
    path: &'a Path,
    at: u64,
    pub id: FrameId,
    pub length: u64,
    /// Where each section begins, its length and its checksum.
    index: Vec<(u64, usize, u64)>,
    bytes: Vec<u8>,
}

impl<'a> Body<'a> {
    /// The frame that begins at a place; None: there is no header and index of one before the end.
    pub fn open(file: &'a File, path: &'a Path, at: u64, end: u64) -> Result<Option<Body<'a>>> {
        let room = usize::try_from(end - at).unwrap_or(usize::MAX);
        let mut bytes = vec![0; HEADER_BYTES];
        if room < HEADER_BYTES {
            return Ok(None);
        }
        let fail = |e: std::io::Error| CoreError::io("read", path, &e);
        file.read_exact_at(&mut bytes, at).map_err(fail)?;
        let mut take = Take(&bytes);
        let (magic, crc) = (take.array::<4>()?, u32::from_le_bytes(take.array()?));
        let mut word = || take.array().map(u64::from_le_bytes);
        let length = word()?;
        let id = FrameId {
            epoch: word()?,
            parent: word()?,
            generation: word()?,
        };
        let sections = usize::try_from(word()?).ok();
        let behind = sections.and_then(|count| count.checked_mul(INDEX_BYTES)?.checked_add(HEADER_BYTES));
        let Some(behind) = behind.filter(|behind| magic == MAGIC && *behind as u64 <= length && length <= end - at)
        else {
            return Ok(None);
        };
        bytes.resize(behind, 0);
        let rest = bytes.get_mut(HEADER_BYTES..).unwrap_or_default();
        file.read_exact_at(rest, at + HEADER_BYTES as u64).map_err(fail)?;
        if crc32c::crc32c(bytes.get(8..).unwrap_or_default()) != crc {
            return Ok(None);
        }
        let mut take = Take(bytes.get(HEADER_BYTES..).unwrap_or_default());
        let (mut index, mut from) = (vec![], at + behind as u64);
        while !take.is_empty() {
            let (length, crc) = (u64::from_le_bytes(take.array()?), u64::from_le_bytes(take.array()?));
            index.push((from, length as usize, crc));
            from = from.saturating_add(length);
        }
        Ok((from <= at + length).then_some(Body {
            file,
            path,
            at,
            id,
            length,
            index,
            bytes,
        }))
    }

    /// Whether all of it is as it was written.
    pub fn is_whole(&mut self) -> Result<bool> {
        for number in 0..self.index.len() {
            if !self.read(number)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A section's bytes into the room for them; whether they are as they were written.
    fn read(&mut self, number: usize) -> Result<bool> {
        let Some(&(from, length, crc)) = self.index.get(number) else {
            return Ok(false);
        };
        self.bytes.resize(length, 0);
        self.file
            .read_exact_at(&mut self.bytes, from)
            .map_err(|e| CoreError::io("read", self.path, &e))?;
        Ok(u64::from(crc32c::crc32c(&self.bytes)) == crc)
    }

    fn section(&mut self, number: usize) -> Result<&[u8]> {
        match self.read(number)? {
            true => Ok(&self.bytes),
            false => Err(damaged(self.path, self.at, "an epoch that was committed is damaged")),
        }
    }

    /// How many bytes it has of what was changed in a base set. `bases`: how many each metric has.
    pub fn base_bytes(&self, bases: &[usize], (metric, base): (usize, usize)) -> usize {
        let before: usize = bases.iter().take(metric).sum();
        let section = self.index.get(FIRST_BASE + before + base);
        section.map_or(0, |(_, length, _)| *length)
    }

    /// The ids that the epoch has counted.
    pub fn ids(&mut self) -> Result<Vec<Entry>> {
        let mut take = Take(self.section(IDS)?);
        let mut ids = vec![];
        while !take.is_empty() {
            ids.push(take_entry(&mut take)?);
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::store::tables::Tables;

    const ID: FrameId = FrameId {
        epoch: 7,
        parent: 6,
        generation: 2,
    };

    fn tables() -> Tables {
        let plan: Plan = serde_json::from_str(include_str!("../../tests/store_plan.json")).unwrap();
        Tables::of(&plan).unwrap()
    }

    /// One event, under one group.
    fn frame(layout: &Layout) -> Frame {
        let mut delta = Delta::default();
        delta.new_keys.push(b"group");
        let (words, _) = delta.rows.push(0, 60, layout);
        words[0] = 1;
        Frame {
            ids: vec![Entry {
                uuid: 9,
                event_us: 61,
                digest: 3,
            }],
            metrics: vec![(1, vec![delta])],
            side: vec![(b"key".to_vec(), b"entry".to_vec())],
            ..Frame::default()
        }
    }

    /// Its bytes in a file; what is done with the frame that stands there.
    fn with<T>(bytes: &[u8], visit: impl FnOnce(Option<Body<'_>>) -> T) -> T {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let path = file.path().to_path_buf();
        visit(Body::open(file.as_file(), &path, 0, bytes.len() as u64).unwrap())
    }

    #[test]
    fn a_part_is_read_and_a_damaged_one_is_noticed_where_it_is_asked_for() {
        let tables = tables();
        let layout = &tables.shapes[0].layout;
        let mut bytes = vec![];
        frame(layout).encode(ID, &[layout], &mut bytes).unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        let read = |body: &mut Body<'_>, part: &Part<'_>| Frame::decode(body, &[layout], &[1], part);
        let shape = |frame: &Frame| {
            let (passed, deltas) = &frame.metrics[0];
            (*passed, deltas[0].rows.len(), frame.ids.len(), frame.side.len())
        };
        let places = with(&bytes, |body| {
            let mut body = body.unwrap();
            assert_eq!((body.id, body.length), (ID, bytes.len() as u64));
            assert!(body.is_whole().unwrap());
            assert!(body.base_bytes(&[1], (0, 0)) > 0);
            for (part, expected) in [
                (Part::All, (1, 1, 1, 1)),
                (Part::Ledger, (1, 0, 0, 0)),
                (Part::Side, (1, 0, 0, 1)),
                (Part::Bases(&[(0, 0)]), (1, 1, 0, 0)),
                (Part::Bases(&[]), (1, 0, 0, 0)),
            ] {
                assert_eq!(shape(&read(&mut body, &part).unwrap()), expected);
            }
            body.index.clone()
        });
        let mut torn = bytes.clone();
        torn[places[IDS].0 as usize] ^= 1;
        with(&torn, |body| {
            let mut body = body.unwrap();
            assert!(!body.is_whole().unwrap());
            assert!(read(&mut body, &Part::Bases(&[(0, 0)])).is_ok());
            let error = read(&mut body, &Part::All).err().unwrap();
            assert!(error.message.contains("at byte 0"), "{error}");
        });
    }

    #[test]
    fn what_is_not_the_beginning_of_a_frame_is_none() {
        let layout = &tables().shapes[0].layout;
        let mut bytes = vec![];
        frame(layout).encode(ID, &[layout], &mut bytes).unwrap();
        assert!(with(&bytes[..bytes.len() - 1], |body| body.is_none()));
        assert!(with(&bytes[..20], |body| body.is_none()));
        let index = HEADER_BYTES + 5 * INDEX_BYTES;
        for place in 0..index {
            let mut other = bytes.clone();
            other[place] ^= 0x80;
            assert!(with(&other, |body| body.is_none()), "{place}");
        }
    }
}
