//! Id files: the remembered ids of one checkpoint, grouped by bucket so that a dead bucket is skipped on load.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::dedup::{Entry, FreshIds, Horizon};
use crate::error::{CoreError, Result};
use crate::wire::Take;

use super::output::Output;
use super::segment::damaged;

pub const ENTRY_BYTES: usize = 28;
const BLOCK_ENTRIES: usize = 32 << 10;

pub fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.extend_from_slice(&entry.uuid.to_le_bytes());
    out.extend_from_slice(&entry.event_us.to_le_bytes());
    out.extend_from_slice(&entry.digest.to_le_bytes());
}

pub fn take_entry(take: &mut Take<'_>) -> Result<Entry> {
    Ok(Entry {
        uuid: u128::from_le_bytes(take.array()?),
        event_us: i64::from_le_bytes(take.array()?),
        digest: u32::from_le_bytes(take.array()?),
    })
}

/// Write the entries in blocks of one bucket each and sync. Returns the end of the newest bucket.
pub fn write(path: &Path, fresh: &[FreshIds], horizon: &Horizon) -> Result<i64> {
    // Entries of one bucket mostly come together.
    let mut buckets: BTreeMap<i64, Vec<&[Entry]>> = BTreeMap::new();
    for ids in fresh {
        for together in ids
            .all()
            .chunk_by(|a, b| horizon.bucket_end(a.event_us) == horizon.bucket_end(b.event_us))
        {
            let end = together
                .first()
                .map_or(i64::MIN, |first| horizon.bucket_end(first.event_us));
            buckets.entry(end).or_default().push(together);
        }
    }
    let newest = buckets.keys().next_back().copied().unwrap_or(i64::MIN);
    let mut output = Output::create(path)?;
    output.past_cache(true);
    let mut block = vec![];
    for (end, lists) in buckets {
        let mut left: usize = lists.iter().map(|list| list.len()).sum();
        let mut entries = lists.into_iter().flatten();
        while left > 0 {
            let count = left.min(BLOCK_ENTRIES);
            block.clear();
            block.extend_from_slice(&end.to_le_bytes());
            block.extend_from_slice(&(count as u64).to_le_bytes());
            entries.by_ref().take(count).for_each(|e| put_entry(&mut block, e));
            let crc = crc32c::crc32c(&block);
            block.extend_from_slice(&crc.to_le_bytes());
            output.write(&block)?;
            left -= count;
        }
    }
    output.finish()?;
    Ok(newest)
}

/// Read the entries whose bucket has not ended before `forgotten`. Returns how many blocks were checked.
pub fn read(path: &Path, forgotten: Option<i64>, mut each: impl FnMut(Entry)) -> Result<u64> {
    let file = File::open(path).map_err(|e| CoreError::io("open", path, &e))?;
    let size = file.metadata().map_err(|e| CoreError::io("read", path, &e))?.len();
    let mut input = BufReader::with_capacity(1 << 20, file);
    let (mut offset, mut blocks) = (0u64, 0);
    let mut block = vec![];
    while offset < size {
        let mut head = [0u8; 16];
        read_exact(&mut input, &mut head, path, offset)?;
        let mut take = Take(&head);
        let (end, n) = (i64::from_le_bytes(take.array()?), u64::from_le_bytes(take.array()?));
        if n > BLOCK_ENTRIES as u64 {
            return Err(damaged(path, offset, "a wrong length"));
        }
        block.clear();
        block.extend_from_slice(&head);
        block.resize(16 + n as usize * ENTRY_BYTES, 0);
        read_exact(&mut input, block.get_mut(16..).unwrap_or_default(), path, offset)?;
        let mut crc = [0u8; 4];
        read_exact(&mut input, &mut crc, path, offset)?;
        if crc32c::crc32c(&block).to_le_bytes() != crc {
            return Err(damaged(path, offset, "a wrong checksum"));
        }
        if forgotten.is_none_or(|g| end >= g) {
            let mut take = Take(block.get(16..).unwrap_or_default());
            while !take.is_empty() {
                each(take_entry(&mut take)?);
            }
        }
        offset += block.len() as u64 + 4;
        blocks += 1;
    }
    Ok(blocks)
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8], path: &Path, offset: u64) -> Result<()> {
    input.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged(path, offset, "the file ends too early"),
        _ => CoreError::io("read", path, &e),
    })
}
