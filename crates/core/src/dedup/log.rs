//! The remembered ids themselves, one behind the other as they came. Those of one bucket lie together, in chunks, so that a
//! bucket that no record can match any longer is let go as a whole.
use std::collections::BTreeMap;

use super::{Entry, Horizon};
use crate::decode::simd::prefetch;

/// Ids of a chunk. A number is that of the chunk, and behind it that of the place.
const BITS: u32 = 13;
const CHUNK: usize = 1 << BITS;
/// More buckets share the ones that there are.
const MOST_BUCKETS: usize = 1 << 16;
/// Numbers reach twice as far: not all chunks are full.
pub const MOST_IDS: u64 = 1 << (u32::BITS - 1);

/// An entry without the gaps.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct Kept {
    uuid: u128,
    event_us: i64,
    digest: u32,
}

struct Chunk {
    ids: Vec<Kept>,
    /// Of the field list that their digests were made with.
    version: u32,
}

/// The chunk that was added to last, and the event times that belong to it.
struct Open {
    chunk: u32,
    from_us: i64,
    last_us: i64,
}

pub struct Log {
    horizon: Horizon,
    chunks: Vec<Chunk>,
    /// Chunks that were let go.
    free: Vec<u32>,
    /// The chunks of each bucket, by its end; the last one is added to.
    buckets: BTreeMap<i64, Vec<u32>>,
    open: Option<Open>,
    pub len: usize,
    /// How many ids have been let go.
    pub freed: u64,
}

impl Log {
    pub fn new(horizon: Horizon) -> Log {
        Log {
            horizon,
            chunks: vec![],
            free: vec![],
            buckets: BTreeMap::new(),
            open: None,
            len: 0,
            freed: 0,
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        let ids: usize = self.chunks.iter().map(|chunk| chunk.ids.capacity()).sum();
        ids * size_of::<Kept>()
    }

    /// An id and the version of its digest; None: it was let go.
    #[inline]
    pub fn get(&self, number: u32) -> Option<(Entry, u32)> {
        let chunk = self.chunks.get((number >> BITS) as usize)?;
        let Kept { uuid, event_us, digest } = *chunk.ids.get(number as usize & (CHUNK - 1))?;
        Some((Entry { uuid, event_us, digest }, chunk.version))
    }

    /// An id will be asked for soon.
    #[inline]
    pub fn expect(&self, number: u32) {
        if let Some(chunk) = self.chunks.get((number >> BITS) as usize) {
            prefetch(&chunk.ids, number as usize & (CHUNK - 1));
        }
    }

    /// Add an id, whose digest was made with a version of the field list. Returns its number.
    #[inline]
    pub fn add(&mut self, Entry { uuid, event_us, digest }: Entry, version: u32) -> u32 {
        self.len += 1;
        let is_fit = |open: &&Open| (open.from_us..=open.last_us).contains(&event_us);
        if let Some(open) = self.open.as_ref().filter(is_fit)
            && let Some(number) = self.push(open.chunk, Kept { uuid, event_us, digest }, version)
        {
            return number;
        }
        let chunk = self.chunk_for(event_us, version);
        self.push(chunk, Kept { uuid, event_us, digest }, version)
            .unwrap_or_default()
    }

    /// None: there is no place.
    #[inline]
    fn push(&mut self, number: u32, kept: Kept, version: u32) -> Option<u32> {
        let chunk = self.chunks.get_mut(number as usize)?;
        if chunk.version != version || chunk.ids.len() == CHUNK {
            return None;
        }
        chunk.ids.push(kept);
        Some(number << BITS | (chunk.ids.len() as u32 - 1))
    }

    /// A chunk with a place for an id of this time; the next ones are likely to go there, too.
    fn chunk_for(&mut self, event_us: i64, version: u32) -> u32 {
        let (end, from_us, last_us) = self.bucket_of(event_us);
        let bucket = self.buckets.entry(end).or_default();
        let has_place = |chunk: &Chunk| chunk.version == version && chunk.ids.len() < CHUNK;
        let last = bucket.last().copied();
        let chunk = match last.filter(|last| self.chunks.get(*last as usize).is_some_and(has_place)) {
            Some(last) => last,
            None => {
                // A bucket that filled a chunk will fill more.
                let ids = Vec::with_capacity(if last.is_some() { CHUNK } else { 0 });
                let chunk = Chunk { ids, version };
                let number = self.free.pop().unwrap_or(self.chunks.len() as u32);
                match self.chunks.get_mut(number as usize) {
                    Some(place) => *place = chunk,
                    None => self.chunks.push(chunk),
                }
                bucket.push(number);
                number
            }
        };
        self.open = Some(Open {
            chunk,
            from_us,
            last_us,
        });
        chunk
    }

    /// The end of the bucket that an id is kept in, and the event times that are kept there without asking.
    fn bucket_of(&self, event_us: i64) -> (i64, i64, i64) {
        if self.horizon.horizon_us.is_none() {
            return (i64::MAX, i64::MIN, i64::MAX);
        }
        let end = self.horizon.bucket_end(event_us);
        if self.buckets.len() < MOST_BUCKETS || self.buckets.contains_key(&end) {
            return (end, end.saturating_sub(self.horizon.bucket_us), end.saturating_sub(1));
        }
        // In a later one it is let go later: what it matches does not depend on that.
        let later = self.buckets.range(end..).next();
        (later.map_or(i64::MAX, |(end, _)| *end), event_us, event_us)
    }

    /// Let go the buckets that ended before.
    pub fn forget(&mut self, forgotten_us: i64) {
        let live = self.buckets.split_off(&forgotten_us);
        let gone = std::mem::replace(&mut self.buckets, live);
        for number in gone.into_values().flatten() {
            if let Some(chunk) = self.chunks.get_mut(number as usize) {
                let ids = std::mem::take(&mut chunk.ids).len();
                self.len -= ids;
                self.freed += ids as u64;
            }
            self.free.push(number);
            self.open = None;
        }
    }

    /// The numbers of all ids.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let ids = |chunk: &u32| {
            self.chunks
                .get(*chunk as usize)
                .map_or(0, |chunk| chunk.ids.len() as u32)
        };
        let chunks = self.buckets.values().flatten();
        chunks.flat_map(move |chunk| (0..ids(chunk)).map(move |place| chunk << BITS | place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uuid: u128, event_us: i64) -> Entry {
        Entry {
            uuid,
            event_us,
            digest: uuid as u32,
        }
    }

    #[test]
    fn a_bucket_is_let_go_as_a_whole_and_its_numbers_are_given_to_others() {
        let mut log = Log::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        let mut numbers = vec![];
        for i in 0..30_000 {
            numbers.push(log.add(entry(i as u128, i % 30), 0));
        }
        for (i, number) in numbers.iter().enumerate() {
            assert_eq!(log.get(*number), Some((entry(i as u128, i as i64 % 30), 0)));
        }
        assert_eq!((log.len, log.numbers().count()), (30_000, 30_000));
        let size = log.size();
        log.forget(20);
        assert_eq!((log.len, log.freed), (20_000, 10_000));
        assert_eq!(log.get(numbers[0]), None);
        assert_eq!(log.get(numbers[10]), Some((entry(10, 10), 0)));
        assert!(log.size() < size);
        let chunks = log.chunks.len();
        assert!(log.numbers().all(|number| log.get(number).is_some()));
        log.add(entry(1, 1_000), 0);
        assert_eq!(log.chunks.len(), chunks);
    }

    #[test]
    fn each_version_has_its_chunks_and_without_a_horizon_there_is_one_bucket() {
        let mut log = Log::new(Horizon {
            bucket_us: 10,
            horizon_us: None,
        });
        for i in 0..1_000i64 {
            let number = log.add(entry(i as u128, i * 1_000_000), (i / 500) as u32);
            assert_eq!(
                log.get(number),
                Some((entry(i as u128, i * 1_000_000), (i / 500) as u32))
            );
        }
        assert_eq!((log.chunks.len(), log.buckets.len()), (2, 1));
    }
}
