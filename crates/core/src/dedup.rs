//! Exact deduplication: every remembered id with its event time and content digest.
//!
//! Two ids, their times and digests lie in one cache line; a line is found by a keyed mix of the id, and a full line
//! continues in the next one. An id may stand several times (a copy beyond its horizon is remembered anew), so
//! a look-up reads on until a line with a free place. The rules of matching and forgetting are in `Memory`.
#![allow(clippy::indexing_slicing)] // measured hot path: every line is below their number, every place below `PLACES`

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use crate::decode::simd::prefetch;

const PLACES: usize = 2;
/// A table of this many lines has half a GiB.
const LARGE: usize = 8 << 20;

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
    lines: Vec<Line>,
    /// The nil uuid stands for a free place in a line, so its entries live here.
    nil: Vec<(Entry, u32)>,
    len: usize,
    seeds: (u64, u64),
    horizon: Horizon,
    /// The version of the field list that digests are made with now.
    pub version: u32,
    /// Live ids per bucket end.
    buckets: BTreeMap<i64, usize>,
    last_bucket: (i64, i64, usize),
}

impl Memory {
    pub fn new(horizon: Horizon) -> Memory {
        let state = RandomState::new();
        Memory {
            lines: vec![Line::default(); 1 << 11],
            nil: vec![],
            version: 0,
            len: 0,
            seeds: (state.hash_one(1u8) | 1, state.hash_one(2u8) | 1),
            horizon,
            buckets: BTreeMap::new(),
            last_bucket: (0, 0, 0),
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
        self.lines.len() * size_of::<Line>()
    }

    #[inline]
    fn line_of(&self, id: u128) -> usize {
        let product = u128::from(id as u64 ^ self.seeds.0) * u128::from((id >> 64) as u64 ^ self.seeds.1);
        let mixed = ((product as u64) ^ (product >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mixed) * self.lines.len() as u128) >> 64) as usize
    }

    /// Look up many ids and remember the new ones; answers go to `seen`, in order.
    pub fn judge(&mut self, queries: &[Query], seen: &mut Vec<Seen>) {
        for group in queries.chunks(64) {
            self.reserve(group.len());
            for query in group {
                let line = self.line_of(query.entry.uuid);
                prefetch(&self.lines, line);
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
        } else {
            let mut line = self.line_of(uuid);
            loop {
                let Line { ids, times, digests } = &self.lines[line];
                for place in (0..PLACES).filter(|place| ids[*place] == uuid) {
                    if self.horizon.matches(times[place], query.t, query.forgotten) {
                        note(times[place], digests[place]);
                    }
                }
                if ids.contains(&0) {
                    break;
                }
                line = if line + 1 == self.lines.len() { 0 } else { line + 1 };
            }
        }
        if verdict == Seen::New {
            self.remember(query.entry);
        }
        verdict
    }

    /// Add an id without asking whether it is there (a new one, or one read back from disk).
    pub fn remember(&mut self, entry: Entry) {
        self.remember_as(entry, self.version);
    }

    /// Add an id whose digest was made with a version of the field list.
    pub fn remember_as(&mut self, entry: Entry, version: u32) {
        self.count(self.horizon.bucket_end(entry.event_us));
        if entry.uuid == 0 {
            self.nil.push((entry, version));
        } else {
            self.reserve(1);
            self.place(entry, version);
            self.len += 1;
        }
    }

    fn count(&mut self, bucket: i64) {
        if self.last_bucket.2 > 0 && self.last_bucket.0 != bucket {
            self.settle_buckets();
        }
        self.last_bucket.0 = bucket;
        self.last_bucket.2 += 1;
    }

    fn settle_buckets(&mut self) {
        if self.last_bucket.2 > 0 {
            *self.buckets.entry(self.last_bucket.0).or_default() += self.last_bucket.2;
            self.last_bucket.2 = 0;
        }
    }

    fn place(&mut self, entry: Entry, version: u32) {
        let mut line = self.line_of(entry.uuid);
        loop {
            let Line { ids, times, digests } = &mut self.lines[line];
            if let Some(free) = ids.iter().position(|id| *id == 0) {
                (ids[free], times[free], digests[free]) = (entry.uuid, entry.event_us, (entry.digest, version));
                return;
            }
            line = if line + 1 == self.lines.len() { 0 } else { line + 1 };
        }
    }

    /// Make room for `more` ids: at most 75 % of the places are taken. A small table doubles, a large one grows by a third.
    pub fn reserve(&mut self, more: usize) {
        let need = self.len + more;
        if need * 4 > self.lines.len() * PLACES * 3 {
            let lines = self.lines.len();
            let grown = if lines < LARGE { lines * 2 } else { lines * 4 / 3 };
            self.resize((need * 16 / 9).div_ceil(PLACES).max(grown), None);
        }
    }

    fn resize(&mut self, lines: usize, forgotten: Option<i64>) {
        let old = std::mem::replace(&mut self.lines, vec![Line::default(); lines]);
        self.len = 0;
        for Line { ids, times, digests } in &old {
            for place in (0..PLACES).filter(|place| ids[*place] != 0) {
                let entry = Entry {
                    uuid: ids[place],
                    event_us: times[place],
                    digest: digests[place].0,
                };
                if forgotten.is_none_or(|g| self.horizon.bucket_end(entry.event_us) >= g) {
                    self.place(entry, digests[place].1);
                    self.len += 1;
                }
            }
        }
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
        self.resize((live * 16 / 9).div_ceil(PLACES).max(1 << 10), Some(forgotten));
    }
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
        fn it_agrees_with_a_map(ids in proptest::collection::vec(0u128..2_000, 0..6_000)) {
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
