//! A segment: an immutable file of sorted (key, value) pairs in checksummed blocks. A checkpoint writes several at once; they
//! are merged into one as they grow in number. Keys begin with a table number (see `tables`).
use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{CoreError, Result};
use crate::wire::{Short, Take, put_bytes, put_u64};

use super::output::{Input, Output};
use super::tables::KEPT;

const BLOCK_BYTES: usize = 32 << 10;
const FOOTER_BYTES: u64 = 40;
const MAGIC: u64 = u64::from_le_bytes(*b"CFSEG001");

pub fn damaged(path: &Path, offset: u64, what: &str) -> CoreError {
    CoreError::store(
        format!("damaged store: {what} in {} at byte {offset}", path.display()),
        "restore the store from a backup, or count again into a new one",
    )
}

/// Writes a segment; keys must come in ascending order.
pub struct Writer {
    output: Output,
    block: Vec<u8>,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    index: Vec<u8>,
    rows: u64,
    cells: u64,
}

/// How much a segment holds: keys, those of them that are cells, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub rows: u64,
    #[serde(default)]
    pub cells: u64,
    pub bytes: u64,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Writer> {
        let mut output = Output::create(path)?;
        output.past_cache(true);
        Ok(Writer {
            output,
            block: vec![],
            first_key: vec![],
            last_key: vec![],
            index: vec![],
            rows: 0,
            cells: 0,
        })
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut shared = shared(&self.last_key, key);
        if self.rows > 0 && key.get(shared..) <= self.last_key.get(shared..) {
            return Err(CoreError::internal("segment keys out of order"));
        }
        if self.block.is_empty() {
            self.first_key = key.to_vec();
            shared = 0;
        }
        let rest = key.get(shared..).unwrap_or_default();
        put_u64(&mut self.block, shared as u64);
        put_bytes(&mut self.block, rest);
        put_bytes(&mut self.block, value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
        self.rows += 1;
        self.cells += u64::from(key < &KEPT.to_be_bytes()[..]);
        if self.block.len() >= BLOCK_BYTES {
            self.end_block()
        } else {
            Ok(())
        }
    }

    fn end_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let crc = crc32c::crc32c(&self.block);
        self.block.extend_from_slice(&crc.to_le_bytes());
        put_bytes(&mut self.index, &self.first_key);
        put_u64(&mut self.index, self.output.length());
        put_u64(&mut self.index, self.block.len() as u64);
        self.output.write(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Write index and footer and sync.
    pub fn finish(mut self) -> Result<Size> {
        self.end_block()?;
        let index_offset = self.output.length();
        let crc = crc32c::crc32c(&self.index);
        self.output.write(&self.index)?;
        for word in [index_offset, self.index.len() as u64, self.rows, u64::from(crc), MAGIC] {
            self.output.write(&word.to_le_bytes())?;
        }
        Ok(Size {
            rows: self.rows,
            cells: self.cells,
            bytes: self.output.finish()?,
        })
    }
}

/// With how many equal bytes two keys begin.
fn shared(a: &[u8], b: &[u8]) -> usize {
    let (words, others) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let whole = words.iter().zip(others).take_while(|(a, b)| a == b).count() * 8;
    let (rest, other) = (a.get(whole..), b.get(whole..));
    let bytes = rest.into_iter().flatten().zip(other.into_iter().flatten());
    whole + bytes.take_while(|(a, b)| a == b).count()
}

struct BlockAt {
    first_key: Vec<u8>,
    offset: u64,
    len: u64,
}

/// An open segment.
pub struct Segment {
    file: Source,
    pub path: PathBuf,
    blocks: Vec<BlockAt>,
    pub rows: u64,
}

enum Source {
    Again(File),
    Once(RefCell<Input>),
}

impl Segment {
    pub fn open(path: &Path) -> Result<Segment> {
        Self::open_as(path, Source::Again)
    }

    /// To be read once, from its start to its end.
    pub fn open_once(path: &Path) -> Result<Segment> {
        Self::open_as(path, |file| Source::Once(RefCell::new(Input::new(file))))
    }

    fn open_as(path: &Path, source: impl FnOnce(File) -> Source) -> Result<Segment> {
        let file = File::open(path).map_err(|e| CoreError::io("open", path, &e))?;
        let size = file.metadata().map_err(|e| CoreError::io("read", path, &e))?.len();
        let at = size
            .checked_sub(FOOTER_BYTES)
            .ok_or_else(|| damaged(path, 0, "the file is too short"))?;
        let file = source(file);
        let footer = read_at(&file, path, at, FOOTER_BYTES)?;
        let mut take = Take(&footer);
        let mut word = || take.array().map(u64::from_le_bytes);
        let (offset, len, rows, crc, magic) = (word()?, word()?, word()?, word()?, word()?);
        if magic != MAGIC || offset.checked_add(len) != Some(at) {
            return Err(damaged(path, at, "a wrong footer"));
        }
        let index = read_at(&file, path, offset, len)?;
        if u64::from(crc32c::crc32c(&index)) != crc {
            return Err(damaged(path, offset, "a wrong checksum"));
        }
        let (mut take, mut blocks) = (Take(&index), vec![]);
        while !take.is_empty() {
            blocks.push(BlockAt {
                first_key: take.bytes()?.to_vec(),
                offset: take.u64()?,
                len: take.u64()?,
            });
        }
        Ok(Segment {
            file,
            path: path.to_path_buf(),
            blocks,
            rows,
        })
    }

    fn block(&self, number: usize) -> Result<Option<Vec<u8>>> {
        let Some(at) = self.blocks.get(number) else {
            return Ok(None);
        };
        let mut bytes = read_at(&self.file, &self.path, at.offset, at.len)?;
        let body = bytes.len().checked_sub(4).ok_or(Short)?;
        let mut tail = Take(bytes.get(body..).unwrap_or_default());
        let crc = u32::from_le_bytes(tail.array()?);
        bytes.truncate(body);
        if crc32c::crc32c(&bytes) != crc {
            return Err(damaged(&self.path, at.offset, "a wrong checksum"));
        }
        Ok(Some(bytes))
    }

    /// Visit the number of the table and the value of each pair, in order, without putting the keys together.
    pub fn for_each_value(&self, mut visit: impl FnMut(u16, &[u8]) -> Result<()>) -> Result<()> {
        let mut number = 0;
        while let Some(block) = self.block(number)? {
            let (mut take, mut table) = (Take(&block), [0; 2]);
            while !take.is_empty() {
                let shared = take.u64()? as usize;
                let rest = take.bytes()?;
                if let Some(differs) = table.get_mut(shared..) {
                    let bytes = rest.get(..differs.len()).ok_or(Short)?;
                    differs.copy_from_slice(bytes);
                }
                visit(u16::from_be_bytes(table), take.bytes()?)?;
            }
            number += 1;
        }
        Ok(())
    }

    /// Pairs with `key >= from`, in order.
    pub fn cursor<'a>(&'a self, from: &[u8]) -> Result<Cursor<'a>> {
        let number = self
            .blocks
            .partition_point(|b| b.first_key.as_slice() <= from)
            .saturating_sub(1);
        let mut cursor = Cursor {
            segment: self,
            number,
            block: vec![],
            at: 0,
            key: vec![],
            value: (0, 0),
            done: false,
        };
        cursor.load()?;
        while !cursor.done && cursor.key() < from {
            cursor.advance()?;
        }
        Ok(cursor)
    }
}

fn read_at(source: &Source, path: &Path, offset: u64, len: u64) -> Result<Vec<u8>> {
    let size = usize::try_from(len).ok().filter(|n| *n < 1 << 40).ok_or(Short)?;
    let mut bytes = vec![0; size];
    let read = match source {
        Source::Again(file) => file.read_exact_at(&mut bytes, offset),
        Source::Once(input) => input.borrow_mut().read_exact_at(&mut bytes, offset),
    };
    read.map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged(path, offset, "the file ends too early"),
        _ => CoreError::io("read", path, &e),
    })?;
    Ok(bytes)
}

/// A position in a segment.
pub struct Cursor<'a> {
    segment: &'a Segment,
    number: usize,
    block: Vec<u8>,
    at: usize,
    key: Vec<u8>,
    value: (usize, usize),
    pub done: bool,
}

impl Cursor<'_> {
    pub fn key(&self) -> &[u8] {
        &self.key
    }
    pub fn value(&self) -> &[u8] {
        self.block.get(self.value.0..self.value.1).unwrap_or_default()
    }

    fn load(&mut self) -> Result<()> {
        match self.segment.block(self.number)? {
            Some(block) => {
                (self.block, self.at) = (block, 0);
                self.key.clear();
                self.advance()
            }
            None => {
                self.done = true;
                Ok(())
            }
        }
    }

    /// Go on to the first pair with `key >= to`; never back.
    pub fn seek(&mut self, to: &[u8]) -> Result<()> {
        let ahead = self.segment.blocks.get(self.number + 1..).unwrap_or_default();
        let blocks = ahead.partition_point(|block| block.first_key.as_slice() <= to);
        if blocks > 0 && self.key() < to {
            self.number += blocks;
            self.load()?;
        }
        while !self.done && self.key() < to {
            self.advance()?;
        }
        Ok(())
    }

    pub fn advance(&mut self) -> Result<()> {
        let rest = self.block.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            self.number += 1;
            return self.load();
        }
        let mut take = Take(rest);
        let shared = take.u64()? as usize;
        if shared > self.key.len() {
            return Err(Short.into());
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(take.bytes()?);
        let len = take.bytes()?.len();
        let end = self.block.len() - take.0.len();
        (self.value, self.at) = ((end - len, end), end);
        Ok(())
    }
}

/// Visit the pairs with `from <= key < to` of several segments in key order; equal keys come together.
pub fn merge(
    segments: &[&Segment],
    from: &[u8],
    to: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[&[u8]]) -> Result<()>,
) -> Result<()> {
    let mut cursors = segments.iter().map(|s| s.cursor(from)).collect::<Result<Vec<_>>>()?;
    let mut key = vec![];
    loop {
        let least = cursors.iter().filter(|c| !c.done).map(Cursor::key).min();
        match least {
            Some(least) if to.is_none_or(|to| least < to) => {
                key.clear();
                key.extend_from_slice(least);
            }
            _ => return Ok(()),
        }
        let same = |c: &&Cursor<'_>| !c.done && c.key() == key.as_slice();
        let values: Vec<&[u8]> = cursors.iter().filter(same).map(Cursor::value).collect();
        visit(&key, &values)?;
        for cursor in &mut cursors {
            if !cursor.done && cursor.key == key {
                cursor.advance()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, pairs: &[(String, String)]) {
        let mut writer = Writer::create(path).unwrap();
        pairs
            .iter()
            .for_each(|(k, v)| writer.push(k.as_bytes(), v.as_bytes()).unwrap());
        writer.finish().unwrap();
    }
    fn pairs(step: usize) -> Vec<(String, String)> {
        (0..20_000)
            .step_by(step)
            .map(|i| (format!("key{i:08}"), format!("v{i}")))
            .collect()
    }

    #[test]
    fn a_cursor_starts_at_its_key_and_reads_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &pairs(2));
        let segment = Segment::open(&dir.path().join("a")).unwrap();
        for from in [0, 1, 777, 19_998, 19_999] {
            let mut cursor = segment.cursor(format!("key{from:08}").as_bytes()).unwrap();
            let mut n = 0;
            while !cursor.done {
                n += 1;
                cursor.advance().unwrap();
            }
            assert_eq!(n, (from..20_000).filter(|i| i % 2 == 0).count());
        }
    }

    #[test]
    fn a_cursor_goes_on_to_a_key_or_to_what_follows_it() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &pairs(2));
        let segment = Segment::open(&dir.path().join("a")).unwrap();
        let mut cursor = segment.cursor(b"").unwrap();
        for to in [0, 0, 3, 4, 777, 12_000, 12_001, 19_998] {
            cursor.seek(format!("key{to:08}").as_bytes()).unwrap();
            assert_eq!(cursor.key(), format!("key{:08}", to + to % 2).as_bytes());
        }
        cursor.seek(b"kez").unwrap();
        assert!(cursor.done);
        cursor.seek(b"kez").unwrap();
    }

    #[test]
    fn equal_keys_of_several_segments_come_together() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &pairs(2));
        write(&dir.path().join("b"), &pairs(3));
        let (a, b) = (
            Segment::open(&dir.path().join("a")).unwrap(),
            Segment::open(&dir.path().join("b")).unwrap(),
        );
        let (mut keys, mut values) = (0, 0);
        merge(&[&a, &b], b"", None, |_, v| {
            keys += 1;
            values += v.len();
            Ok(())
        })
        .unwrap();
        assert_eq!((keys, values), (13_333, 10_000 + 6_667));
    }

    #[test]
    fn a_flipped_byte_is_named_with_file_and_offset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, &pairs(1));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let segment = Segment::open(&path).unwrap();
        let error = merge(&[&segment], b"", None, |_, _| Ok(())).unwrap_err();
        assert!(
            error.message.contains("wrong checksum") && error.message.contains("at byte 3"),
            "{}",
            error.message
        );
    }
}
