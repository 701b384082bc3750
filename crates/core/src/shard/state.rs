//! The bytes of a shard's state: the head, which each commit replaces, and the chunks of its cells, which are appended.
use std::collections::BTreeMap;

use super::Slice;
use crate::error::{CoreError, Result};
use crate::ledger::{Ledger, RowKey, RowValue};
use crate::store::frame::Positions;
use crate::wire::{Short, Take, put_bytes, put_i64, put_u64};

const MAGIC: [u8; 4] = *b"CFH1";

/// What a commit leaves beside ids and cells.
#[derive(Clone, Default)]
pub(super) struct Head {
    /// Stands for the plan that was counted with.
    pub plan: u64,
    pub slice: Slice,
    pub sequence: u64,
    pub positions: Positions,
    /// Rows without their minutes.
    pub totals: Ledger,
    /// Rows of minutes that can still change.
    pub open: Ledger,
    /// By metric: events that passed its own `where`.
    pub passed: Vec<u64>,
    /// By table: events in windows that retention has removed.
    pub expired: Vec<u64>,
    /// How many ids are kept, by the end of their bucket.
    pub buckets: BTreeMap<i64, u64>,
    /// Bytes of cells when they were written anew last, and what was appended since.
    pub whole_bytes: u64,
    pub appended_bytes: u64,
}

impl Head {
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut body = vec![];
        for number in [
            self.plan,
            u64::from(self.slice.number),
            u64::from(self.slice.shards),
            self.sequence,
            self.whole_bytes,
            self.appended_bytes,
        ] {
            put_u64(&mut body, number);
        }
        let positions = serde_json::to_vec(&self.positions).map_err(|e| CoreError::internal(e.to_string()))?;
        put_bytes(&mut body, &positions);
        for ledger in [&self.totals, &self.open] {
            put_u64(&mut body, ledger.rows.len() as u64);
            for (key, value) in &ledger.rows {
                key.encode(&mut body);
                value.encode(&mut body);
            }
        }
        for numbers in [&self.passed, &self.expired] {
            put_u64(&mut body, numbers.len() as u64);
            numbers.iter().for_each(|number| put_u64(&mut body, *number));
        }
        put_u64(&mut body, self.buckets.len() as u64);
        for (end_us, ids) in &self.buckets {
            put_i64(&mut body, *end_us);
            put_u64(&mut body, *ids);
        }
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        head.extend_from_slice(&body);
        Ok(head)
    }

    pub fn decode(bytes: &[u8]) -> Result<Head> {
        let mut take = Take(bytes);
        let (magic, check) = (take.array().ok(), take.array().ok());
        if magic != Some(MAGIC) || check != Some(crc32c::crc32c(take.0).to_le_bytes()) {
            return Err(damaged("its head has a wrong checksum"));
        }
        let mut head = Head {
            plan: take.u64()?,
            slice: Slice {
                number: u32::try_from(take.u64()?).map_err(|_| Short)?,
                shards: u32::try_from(take.u64()?).map_err(|_| Short)?,
            },
            sequence: take.u64()?,
            whole_bytes: take.u64()?,
            appended_bytes: take.u64()?,
            ..Head::default()
        };
        head.positions = serde_json::from_slice(take.bytes()?).map_err(|e| CoreError::internal(e.to_string()))?;
        for ledger in [&mut head.totals, &mut head.open] {
            for _ in 0..take.u64()? {
                let key = RowKey::decode(&mut take)?;
                ledger.merge(key, RowValue::decode(&mut take)?);
            }
        }
        for numbers in [&mut head.passed, &mut head.expired] {
            for _ in 0..take.u64()? {
                numbers.push(take.u64()?);
            }
        }
        for _ in 0..take.u64()? {
            head.buckets.insert(take.i64()?, take.u64()?);
        }
        Ok(head)
    }
}

/// What a chunk of cells holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All cells.
    Whole,
    /// What one commit has changed.
    Changes,
}

pub(super) struct Chunk<'a> {
    pub content: Content,
    pub sequence: u64,
    pub body: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub fn new(content: Content, sequence: u64, body: &'a [u8]) -> Chunk<'a> {
        Chunk {
            content,
            sequence,
            body,
        }
    }

    /// Append: checksum of all that follows, content, sequence, body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut chunk = vec![u8::from(self.content == Content::Whole)];
        chunk.extend_from_slice(&self.sequence.to_le_bytes());
        chunk.extend_from_slice(self.body);
        put_u64(out, chunk.len() as u64);
        out.extend_from_slice(&crc32c::crc32c(&chunk).to_le_bytes());
        out.extend_from_slice(&chunk);
    }
}

/// The chunks that were appended, in the order of their commits.
pub(super) fn chunks(bytes: &[u8]) -> Result<Vec<Chunk<'_>>> {
    let (mut take, mut chunks) = (Take(bytes), vec![]);
    while !take.is_empty() {
        let length = usize::try_from(take.u64()?).map_err(|_| Short)?;
        let check: [u8; 4] = take.array()?;
        let chunk = take.take(length).map_err(|_| damaged("its cells end too early"))?;
        if check != crc32c::crc32c(chunk).to_le_bytes() {
            return Err(damaged("its cells have a wrong checksum"));
        }
        let mut take = Take(chunk);
        let content = if take.u8()? == 1 {
            Content::Whole
        } else {
            Content::Changes
        };
        let sequence = u64::from_le_bytes(take.array()?);
        chunks.push(Chunk::new(content, sequence, take.0));
    }
    chunks.sort_by_key(|chunk| chunk.sequence);
    Ok(chunks)
}

pub(super) fn damaged(what: &str) -> CoreError {
    CoreError::store(
        format!("the state of a shard is damaged: {what}"),
        "restore the state that the runner has saved, or count again with an empty one",
    )
}
