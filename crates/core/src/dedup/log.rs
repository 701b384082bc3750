//! The remembered ids themselves, one behind the other as they came. Those of one bucket lie together, in chunks, so that a
//! bucket that no record can match any longer is let go as a whole.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Horizon};
use crate::machine::prefetch;

/// Ids of a chunk. A number is that of the chunk, and behind it that of the place.
const BITS: u32 = 13;
const CHUNK: usize = 1 << BITS;
/// More buckets share the ones that there are.
const MOST_BUCKETS: usize = 1 << 16;
/// Numbers reach twice as far: not all chunks are full.
pub const MOST_IDS: u64 = 1 << (u32::BITS - 1);

struct Chunk {
    ids: Ids,
    /// Of the field list that their digests were made with.
    version: u32,
}

enum Ids {
    Growing(Vec<Entry>),
    /// All that there will be.
    Whole(Arc<Vec<Entry>>),
}

impl Ids {
    #[inline]
    fn all(&self) -> &[Entry] {
        match self {
            Ids::Growing(ids) => ids,
            Ids::Whole(ids) => ids,
        }
    }
}

/// Ids that were added one after the other.
pub struct FreshIds {
    ids: Arc<Vec<Entry>>,
    from: usize,
}

impl FreshIds {
    pub fn all(&self) -> &[Entry] {
        self.ids.get(self.from..).unwrap_or_default()
    }
}

/// What nobody has taken yet.
#[derive(Default)]
struct Untaken {
    /// Chunks, and from which id on.
    chunks: Vec<(u32, usize)>,
    /// Of chunks that were let go, which are kept for it.
    gone: Vec<FreshIds>,
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
    /// None: nobody takes any.
    fresh: Option<Untaken>,
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
            fresh: None,
            len: 0,
            freed: 0,
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        let room = |chunk: &Chunk| match &chunk.ids {
            Ids::Growing(ids) => ids.capacity(),
            Ids::Whole(ids) => ids.capacity(),
        };
        let gone = self
            .fresh
            .iter()
            .flat_map(|fresh| &fresh.gone)
            .map(|ids| ids.ids.capacity());
        self.chunks.iter().map(room).chain(gone).sum::<usize>() * size_of::<Entry>()
    }

    /// An id and the version of its digest; None: it was let go.
    #[inline]
    pub fn get(&self, number: u32) -> Option<(Entry, u32)> {
        let chunk = self.chunks.get((number >> BITS) as usize)?;
        let entry = chunk.ids.all().get(number as usize & (CHUNK - 1))?;
        Some((*entry, chunk.version))
    }

    /// An id will be asked for soon.
    #[inline]
    pub fn expect(&self, number: u32) {
        if let Some(chunk) = self.chunks.get((number >> BITS) as usize) {
            prefetch(chunk.ids.all(), number as usize & (CHUNK - 1));
        }
    }

    /// Add an id, whose digest was made with a version of the field list. Returns its number.
    #[inline]
    pub fn add(&mut self, entry: Entry, version: u32) -> u32 {
        self.len += 1;
        let event_us = entry.event_us;
        let is_fit = |open: &&Open| (open.from_us..=open.last_us).contains(&event_us);
        if let Some(open) = self.open.as_ref().filter(is_fit)
            && let Some(number) = self.push(open.chunk, entry, version)
        {
            return number;
        }
        let chunk = self.chunk_for(event_us, version);
        self.push(chunk, entry, version).unwrap_or_default()
    }

    /// None: there is no place.
    #[inline]
    fn push(&mut self, number: u32, entry: Entry, version: u32) -> Option<u32> {
        let chunk = self
            .chunks
            .get_mut(number as usize)
            .filter(|chunk| chunk.has_place(version))?;
        let Ids::Growing(ids) = &mut chunk.ids else { return None };
        ids.push(entry);
        Some(number << BITS | (ids.len() as u32 - 1))
    }

    /// A chunk with a place for an id of this time; the next ones are likely to go there, too.
    fn chunk_for(&mut self, event_us: i64, version: u32) -> u32 {
        let (end, from_us, last_us) = self.bucket_of(event_us);
        let bucket = self.buckets.entry(end).or_default();
        let last = bucket.last().copied();
        let has_place = |last: &u32| {
            self.chunks
                .get(*last as usize)
                .is_some_and(|chunk| chunk.has_place(version))
        };
        let chunk = match last.filter(has_place) {
            Some(last) => last,
            None => {
                // A bucket that filled a chunk will fill more.
                let ids = Vec::with_capacity(if last.is_some() { CHUNK } else { 0 });
                let chunk = Chunk {
                    ids: Ids::Growing(ids),
                    version,
                };
                let number = self.free.pop().unwrap_or(self.chunks.len() as u32);
                match self.chunks.get_mut(number as usize) {
                    Some(place) => *place = chunk,
                    None => self.chunks.push(chunk),
                }
                bucket.push(number);
                self.fresh.iter_mut().for_each(|fresh| fresh.chunks.push((number, 0)));
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
        if gone.is_empty() {
            return;
        }
        self.open = None;
        for number in gone.into_values().flatten() {
            let Some(chunk) = self.chunks.get_mut(number as usize) else {
                continue;
            };
            let ids = chunk.let_go();
            self.len -= ids.len();
            self.freed += ids.len() as u64;
            self.free.push(number);
            if let Some(fresh) = &mut self.fresh
                && let Some(at) = fresh.chunks.iter().position(|(chunk, _)| *chunk == number)
            {
                let (_, from) = fresh.chunks.remove(at);
                fresh.gone.push(FreshIds { ids, from });
            }
        }
    }

    /// From here on, what is added is fresh.
    pub fn keep_fresh(&mut self) {
        let growing = self.chunks.iter().map(|chunk| chunk.ids.all().len());
        let chunks = (0..).zip(growing).filter(|(_, ids)| (1..CHUNK).contains(ids)).collect();
        self.fresh = Some(Untaken { chunks, gone: vec![] });
    }

    /// What has come since the last time, of each bucket in its order.
    pub fn take_fresh(&mut self) -> Vec<FreshIds> {
        let Some(Untaken { chunks, gone }) = self.fresh.as_mut().map(std::mem::take) else {
            return vec![];
        };
        let mut taken = gone;
        for (number, from) in chunks {
            let Some(chunk) = self.chunks.get_mut(number as usize) else {
                continue;
            };
            let ids = chunk.ids.all().len();
            taken.push(chunk.fresh_from(from));
            if let Some(fresh) = self.fresh.as_mut().filter(|_| ids < CHUNK) {
                fresh.chunks.push((number, ids));
            }
        }
        taken.retain(|ids| !ids.all().is_empty());
        taken
    }

    /// The numbers of all ids.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let ids = |chunk: &u32| {
            self.chunks
                .get(*chunk as usize)
                .map_or(0, |chunk| chunk.ids.all().len() as u32)
        };
        let chunks = self.buckets.values().flatten();
        chunks.flat_map(move |chunk| (0..ids(chunk)).map(move |place| chunk << BITS | place))
    }
}

impl Chunk {
    /// Whether an id with a digest of this version can be added.
    #[inline]
    fn has_place(&self, version: u32) -> bool {
        self.version == version && self.ids.all().len() < CHUNK
    }

    /// Its ids from one on. Those of a full one are shared, of another one copied.
    fn fresh_from(&mut self, from: usize) -> FreshIds {
        if let Ids::Growing(ids) = &mut self.ids {
            if ids.len() < CHUNK {
                let ids = ids.get(from..).unwrap_or_default().to_vec();
                return FreshIds {
                    ids: Arc::new(ids),
                    from: 0,
                };
            }
            self.ids = Ids::Whole(Arc::new(std::mem::take(ids)));
        }
        let ids = match &self.ids {
            Ids::Whole(ids) => ids.clone(),
            Ids::Growing(_) => Arc::default(),
        };
        FreshIds { ids, from }
    }

    fn let_go(&mut self) -> Arc<Vec<Entry>> {
        match std::mem::replace(&mut self.ids, Ids::Growing(vec![])) {
            Ids::Growing(ids) => Arc::new(ids),
            Ids::Whole(ids) => ids,
        }
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

    #[test]
    fn what_is_fresh_is_taken_once_in_the_order_of_its_bucket_also_where_it_was_let_go() {
        let mut log = Log::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        log.add(entry(1 << 100, 5), 0);
        log.keep_fresh();
        let (mut expected, mut taken) = (BTreeMap::<i64, Vec<u128>>::new(), BTreeMap::<i64, Vec<u128>>::new());
        let mut numbers = 0..;
        for (ids, forgotten_us) in [
            (20_000, 0),
            (3, 0),
            (30_000, 11),
            (0, 0),
            (9_000, 21),
            (70_000, 0),
            (5, 100),
        ] {
            for i in numbers.by_ref().take(ids) {
                let event_us = i % 40;
                log.add(entry(i as u128, event_us), 0);
                expected.entry(event_us / 10).or_default().push(i as u128);
            }
            log.forget(forgotten_us);
            for id in log.take_fresh().iter().flat_map(FreshIds::all) {
                taken.entry(id.event_us / 10).or_default().push(id.uuid);
            }
            assert_eq!(taken, expected);
        }
        assert!(log.take_fresh().is_empty());
    }

    #[test]
    fn what_was_let_go_is_held_until_it_is_taken() {
        let mut log = Log::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        log.keep_fresh();
        for i in 0..10 {
            log.add(entry(i, 5), 0);
        }
        let held = log.size();
        log.forget(i64::MAX);
        assert_eq!((log.len, log.size()), (0, held));
        assert_eq!(log.take_fresh().len(), 1);
        assert_eq!(log.size(), 0);
    }
}
