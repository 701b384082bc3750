//! Exact deduplication: every remembered id with its event time and content digest.
//!
//! Two ids, their times and digests lie in one cache line; a line is found by a keyed mix of the id, and a full line
//! continues in the next one. The table grows where it lies: memory that was never used is what costs most. An id may stand several times (a copy beyond its horizon is remembered anew), so
//! a look-up reads on until a line with a free place. The rules of matching and forgetting are in `Memory`.
#![allow(clippy::indexing_slicing)] // measured hot path: every line is below their number, every place below `PLACES`

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::decode::simd::prefetch;

const PLACES: usize = 2;
/// Lines of a piece of the table.
const PIECE: usize = 1 << 12;
/// A table of so many pieces has a quarter of a GiB.
const LARGE: usize = 1 << 10;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line {
    ids: [u128; PLACES],
    times: [i64; PLACES],
    digests: [Digest; PLACES],
}

/// A digest, and the version of the field list that it was made with.
type Digest = (u32, u32);

/// A remembered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub uuid: u128,
    pub event_us: i64,
    pub digest: u32,
}

/// What the memory says of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    New,
    /// Remembered with the same time and digest.
    Duplicate,
    /// Remembered with another time, or with the same time and another digest.
    ConflictTime,
    ConflictContent,
}

/// How long ids are remembered: the bucket width and the horizon (None: for ever).
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    pub bucket_us: i64,
    pub horizon_us: Option<i64>,
}

impl Horizon {
    /// End of the bucket that an event time falls into.
    #[inline]
    pub fn bucket_end(&self, event_us: i64) -> i64 {
        event_us
            .div_euclid(self.bucket_us)
            .saturating_add(1)
            .saturating_mul(self.bucket_us)
    }
    /// Whether an id with this event time still matches a record with stamp `t`, when everything before `forgotten` may
    /// have been freed.
    #[inline]
    fn matches(&self, event_us: i64, t: Option<i64>, forgotten: Option<i64>) -> bool {
        let (Some(horizon), Some(t)) = (self.horizon_us, t) else {
            return true;
        };
        let end = self.bucket_end(event_us);
        t <= end.saturating_add(horizon) && forgotten.is_none_or(|g| end >= g)
    }
}

/// One look-up: the id and the clock's state when its record was judged.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub entry: Entry,
    pub t: Option<i64>,
    pub forgotten: Option<i64>,
}

pub struct Memory {
    pieces: Vec<Box<[Line; PIECE]>>,
    /// The nil uuid stands for a free place in a line, so its entries live here.
    nil: Vec<(Entry, u32)>,
    len: usize,
    seeds: (u64, u64),
    horizon: Horizon,
    /// The version of the field list that digests are made with now.
    pub version: u32,
    /// Live ids per bucket end.
    buckets: BTreeMap<i64, usize>,
    /// The running bucket, so that most ids touch no map.
    last_bucket: (i64, usize),
}

impl Memory {
    pub fn new(horizon: Horizon) -> Memory {
        let state = RandomState::new();
        Memory {
            pieces: pieces(1).collect(),
            nil: vec![],
            version: 0,
            len: 0,
            seeds: (state.hash_one(1u8) | 1, state.hash_one(2u8) | 1),
            horizon,
            buckets: BTreeMap::new(),
            last_bucket: (0, 0),
        }
    }

    pub fn len(&self) -> usize {
        self.len + self.nil.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.lines() * size_of::<Line>()
    }

    fn lines(&self) -> usize {
        self.pieces.len() * PIECE
    }

    fn line(&mut self, line: usize) -> &mut Line {
        &mut self.pieces[line / PIECE][line % PIECE]
    }

    fn behind(&self, line: usize) -> usize {
        if line + 1 == self.lines() { 0 } else { line + 1 }
    }

    /// More lines never move an id's line down.
    #[inline]
    fn line_of(&self, id: u128) -> usize {
        let product = u128::from(id as u64 ^ self.seeds.0) * u128::from((id >> 64) as u64 ^ self.seeds.1);
        let mixed = ((product as u64) ^ (product >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mixed) * self.lines() as u128) >> 64) as usize
    }

    /// Look up many ids and remember the new ones; answers go to `seen`, in order.
    pub fn judge(&mut self, queries: &[Query], seen: &mut Vec<Seen>) {
        for group in queries.chunks(64) {
            self.reserve(group.len());
            for query in group {
                let line = self.line_of(query.entry.uuid);
                prefetch(&*self.pieces[line / PIECE], line % PIECE);
            }
            seen.extend(group.iter().map(|query| self.judge_one(query)));
        }
    }

    fn judge_one(&mut self, query: &Query) -> Seen {
        let Entry { uuid, event_us, digest } = query.entry;
        let now = self.version;
        let mut verdict = Seen::New;
        // Digests of different fields say nothing of each other.
        let same = |(kept, version): Digest| kept == digest || version != now;
        let mut note = |time: i64, kept: Digest| match (time == event_us, same(kept)) {
            (true, true) => verdict = Seen::Duplicate,
            (true, false) if verdict != Seen::Duplicate => verdict = Seen::ConflictContent,
            (false, _) if verdict == Seen::New => verdict = Seen::ConflictTime,
            _ => {}
        };
        if uuid == 0 {
            let alive = self
                .nil
                .iter()
                .filter(|(e, _)| self.horizon.matches(e.event_us, query.t, query.forgotten));
            alive.for_each(|(e, version)| note(e.event_us, (e.digest, *version)));
            if verdict == Seen::New {
                self.remember(query.entry);
            }
            return verdict;
        }
        let mut line = self.line_of(uuid);
        let free = loop {
            let Line { ids, times, digests } = &self.pieces[line / PIECE][line % PIECE];
            for place in (0..PLACES).filter(|place| ids[*place] == uuid) {
                if self.horizon.matches(times[place], query.t, query.forgotten) {
                    note(times[place], digests[place]);
                }
            }
            match ids.iter().position(|id| *id == 0) {
                Some(free) => break free,
                None => line = self.behind(line),
            }
        };
        if verdict == Seen::New {
            self.count(event_us);
            self.line(line).put(free, &query.entry, now);
            self.len += 1;
        }
        verdict
    }

    /// Add an id without asking whether it is there (a new one, or one read back from disk).
    pub fn remember(&mut self, entry: Entry) {
        self.remember_as(entry, self.version);
    }

    /// Add an id whose digest was made with a version of the field list.
    pub fn remember_as(&mut self, entry: Entry, version: u32) {
        self.count(entry.event_us);
        if entry.uuid == 0 {
            self.nil.push((entry, version));
        } else {
            self.reserve(1);
            self.place(entry, version);
            self.len += 1;
        }
    }

    fn count(&mut self, event_us: i64) {
        let (end, ids) = self.last_bucket;
        if ids == 0 || event_us >= end || event_us < end.saturating_sub(self.horizon.bucket_us) {
            self.settle_buckets();
            self.last_bucket = (self.horizon.bucket_end(event_us), 0);
        }
        self.last_bucket.1 += 1;
    }

    fn settle_buckets(&mut self) {
        let (end, ids) = std::mem::take(&mut self.last_bucket);
        if ids > 0 {
            *self.buckets.entry(end).or_default() += ids;
        }
    }

    fn place(&mut self, entry: Entry, version: u32) {
        let (home, lines) = (self.line_of(entry.uuid), self.lines());
        if let Some((line, place)) = self.free(home..lines).or_else(|| self.free(0..home)) {
            self.line(line).put(place, &entry, version);
        }
    }

    /// The first free place in some lines.
    fn free(&mut self, mut lines: Range<usize>) -> Option<(usize, usize)> {
        lines.find_map(|line| Some((line, self.line(line).ids.iter().position(|id| *id == 0)?)))
    }

    /// Make room for `more` ids: at most 75 % of the places are taken. A small table doubles, a large one grows by half.
    pub fn reserve(&mut self, more: usize) {
        let need = self.len + more;
        if need * 4 > self.lines() * PLACES * 3 {
            let pieces = self.pieces.len();
            let grown = if pieces < LARGE { pieces * 2 } else { pieces * 3 / 2 };
            self.grow(pieces_for(need).max(grown));
        }
    }

    /// From the last line down, each is emptied and its ids are put where they belong now: not below it, but for those that
    /// had to go on to a line behind their own. These, and those that would have to go on to the first line, come last.
    fn grow(&mut self, wanted: usize) {
        let before = self.lines();
        self.pieces.extend(pieces(wanted - self.pieces.len()));
        let lines = self.lines();
        let mut last = vec![];
        for line in (0..before).rev() {
            for (entry, version) in std::mem::take(self.line(line)).entries() {
                let home = self.line_of(entry.uuid);
                let free = if home < line { None } else { self.free(home..lines) };
                match free {
                    Some((line, place)) => self.line(line).put(place, &entry, version),
                    None => last.push((entry, version)),
                }
            }
        }
        last.into_iter().for_each(|(entry, version)| self.place(entry, version));
    }

    /// Free the ids whose bucket ended before `forgotten`, once they are a quarter of all: no look-up can match them.
    pub fn forget(&mut self, forgotten: i64) {
        self.settle_buckets();
        let dead: usize = self.buckets.range(..forgotten).map(|(_, n)| n).sum();
        if dead * 4 < self.len().max(4096) {
            return;
        }
        self.buckets = self.buckets.split_off(&forgotten);
        self.nil
            .retain(|(e, _)| self.horizon.bucket_end(e.event_us) >= forgotten);
        let live: usize = self.buckets.values().sum();
        let old = std::mem::replace(&mut self.pieces, pieces(pieces_for(live)).collect());
        self.len = 0;
        for (entry, version) in old.iter().flat_map(|piece| piece.iter()).flat_map(Line::entries) {
            if self.horizon.bucket_end(entry.event_us) >= forgotten {
                self.place(entry, version);
                self.len += 1;
            }
        }
    }
}

impl Line {
    fn put(&mut self, place: usize, entry: &Entry, version: u32) {
        self.ids[place] = entry.uuid;
        self.times[place] = entry.event_us;
        self.digests[place] = (entry.digest, version);
    }

    /// The entries, each with the version of its digest.
    fn entries(&self) -> impl Iterator<Item = (Entry, u32)> {
        let Line { ids, times, digests } = *self;
        (0..PLACES).filter(move |place| ids[*place] != 0).map(move |place| {
            let entry = Entry {
                uuid: ids[place],
                event_us: times[place],
                digest: digests[place].0,
            };
            (entry, digests[place].1)
        })
    }
}

fn pieces(count: usize) -> impl Iterator<Item = Box<[Line; PIECE]>> {
    (0..count).map(|_| {
        let lines = vec![Line::default(); PIECE].into_boxed_slice();
        lines.try_into().unwrap_or_else(|_| Box::new([Line::default(); PIECE]))
    })
}

/// How many pieces keep so many ids, with room for as many more as a table has after it has grown.
fn pieces_for(ids: usize) -> usize {
    (ids * 16 / 9).div_ceil(PLACES * PIECE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVER: Horizon = Horizon {
        bucket_us: 10,
        horizon_us: None,
    };

    fn ask(memory: &mut Memory, uuid: u128, event_us: i64, digest: u32, t: Option<i64>) -> Seen {
        let mut seen = vec![];
        memory.judge(
            &[Query {
                entry: Entry { uuid, event_us, digest },
                t,
                forgotten: None,
            }],
            &mut seen,
        );
        seen[0]
    }

    #[test]
    fn the_second_copy_is_a_duplicate_and_another_time_or_content_a_conflict() {
        let mut memory = Memory::new(EVER);
        for uuid in [7, 0] {
            assert_eq!(ask(&mut memory, uuid, 5, 1, None), Seen::New);
            assert_eq!(ask(&mut memory, uuid, 5, 1, None), Seen::Duplicate);
            assert_eq!(ask(&mut memory, uuid, 500, 1, None), Seen::ConflictTime);
            assert_eq!(ask(&mut memory, uuid, 5, 2, None), Seen::ConflictContent);
        }
    }

    #[test]
    fn across_versions_of_the_field_list_the_time_alone_decides() {
        let mut memory = Memory::new(EVER);
        for uuid in [7, 0] {
            memory.version = 0;
            assert_eq!(ask(&mut memory, uuid, 5, 1, None), Seen::New);
            memory.version = 1;
            assert_eq!(ask(&mut memory, uuid, 5, 2, None), Seen::Duplicate);
            assert_eq!(ask(&mut memory, uuid, 6, 1, None), Seen::ConflictTime);
            memory.version = 0; // what is kept has not changed
            assert_eq!(ask(&mut memory, uuid, 5, 2, None), Seen::ConflictContent);
        }
    }

    #[test]
    fn ids_read_back_from_disk_make_their_own_room() {
        let mut memory = Memory::new(EVER);
        for uuid in 1..=20_000 {
            memory.remember(Entry {
                uuid,
                event_us: 0,
                digest: 0,
            });
        }
        assert_eq!(memory.len(), 20_000);
        assert_eq!(ask(&mut memory, 20_000, 0, 0, None), Seen::Duplicate);
    }

    #[test]
    fn an_id_matches_up_to_the_end_of_its_bucket_plus_the_horizon() {
        let mut memory = Memory::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        assert_eq!(ask(&mut memory, 7, 5, 1, Some(5)), Seen::New);
        assert_eq!(ask(&mut memory, 7, 60, 1, Some(110)), Seen::ConflictTime);
        assert_eq!(ask(&mut memory, 7, 60, 1, Some(111)), Seen::New);
        assert_eq!(ask(&mut memory, 7, 60, 1, Some(112)), Seen::Duplicate);
    }

    #[test]
    fn forgetting_frees_only_what_can_no_longer_match() {
        let mut memory = Memory::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        for i in 1..=10_000u128 {
            assert_eq!(ask(&mut memory, i, i as i64, 0, Some(i as i64)), Seen::New);
        }
        memory.forget(9_000);
        assert_eq!(memory.len(), 10_000 - 8_989); // the bucket [8990, 9000) ends at 9000 and stays
        assert_eq!(ask(&mut memory, 9_500, 9_500, 0, Some(9_600)), Seen::Duplicate);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(ids in proptest::collection::vec(0u128..20_000, 0..30_000)) {
            let mut memory = Memory::new(EVER);
            let mut map = std::collections::HashSet::new();
            for id in ids {
                let expected = if map.insert(id) { Seen::New } else { Seen::Duplicate };
                prop_assert_eq!(ask(&mut memory, id, 1, 1, None), expected);
            }
            prop_assert_eq!(memory.len(), map.len());
        }
    }
}
