//! Exact deduplication: every remembered id with its event time and content digest.
//!
//! The ids lie one behind the other (`log`), and an index says where each is found by a keyed mix of it (`index`). An id may
//! stand several times (a copy beyond its horizon is remembered anew). The rules of matching and forgetting are in `Memory`.
mod index;
mod log;

use std::hash::{BuildHasher, RandomState};

use index::{Index, Numbered};
use log::Log;
pub use log::{FreshIds, MOST_IDS};

use crate::bits::{mix, split};

/// So many ids are looked up at once.
const GROUP: usize = 64;

/// A remembered id, without gaps: there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
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
    index: Index,
    log: Log,
    seeds: Seeds,
    horizon: Horizon,
    /// The version of the field list that digests are made with now.
    pub version: u32,
}

/// What makes the hashes of a process its own.
#[derive(Clone, Copy)]
struct Seeds(u64, u64);

impl Seeds {
    #[inline]
    fn hash(self, id: u128) -> u64 {
        let (low, high) = split(id);
        mix(low ^ self.0, high ^ self.1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Numbered for (Seeds, &Log) {
    #[inline]
    fn hash_of(&self, number: u32) -> Option<u64> {
        self.1.get(number).map(|(entry, _)| self.0.hash(entry.uuid))
    }
    #[inline]
    fn expect(&self, number: u32) {
        self.1.expect(number);
    }
    fn freed(&self) -> u64 {
        self.1.freed
    }
}

impl Memory {
    pub fn new(horizon: Horizon) -> Memory {
        let state = RandomState::new();
        Memory {
            index: Index::with_room(0),
            log: Log::new(horizon),
            seeds: Seeds(state.hash_one(1u8) | 1, state.hash_one(2u8) | 1),
            horizon,
            version: 0,
        }
    }

    /// From here on the ids that come are handed over by `take_fresh`.
    pub fn keep_fresh(&mut self) {
        self.log.keep_fresh();
    }

    /// The ids that have come since the last time, those included that were let go since; of each bucket in their order.
    pub fn take_fresh(&mut self) -> Vec<FreshIds> {
        self.log.take_fresh()
    }

    /// Room for so many ids, in a memory without any.
    pub fn reserve(&mut self, ids: usize) {
        if self.is_empty() {
            self.index = Index::with_room(ids);
        }
    }

    pub fn len(&self) -> usize {
        self.log.len
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.index.size() + self.log.size()
    }

    /// Look up many ids and remember the new ones; answers go to `seen`, in order.
    pub fn judge(&mut self, queries: &[Query], seen: &mut Vec<Seen>) {
        for group in queries.chunks(GROUP) {
            let mut hashes = [0; GROUP];
            for (hash, query) in hashes.iter_mut().zip(group) {
                *hash = self.seeds.hash(query.entry.uuid);
                self.index.expect(*hash);
            }
            let known = hashes.iter().take(group.len());
            known.for_each(|hash| self.index.candidates(*hash, |number| self.log.expect(number)));
            let judged = group
                .iter()
                .zip(hashes)
                .map(|(query, hash)| self.judge_one(query, hash));
            seen.extend(judged);
        }
    }

    fn judge_one(&mut self, query: &Query, hash: u64) -> Seen {
        let Entry { uuid, event_us, digest } = query.entry;
        let now = self.version;
        let mut verdict = Seen::New;
        self.index.candidates(hash, |number| {
            let Some((kept, version)) = self.log.get(number).filter(|(kept, _)| kept.uuid == uuid) else {
                return;
            };
            if !self.horizon.matches(kept.event_us, query.t, query.forgotten) {
                return;
            }
            // Digests of different fields say nothing of each other.
            let same = kept.digest == digest || version != now;
            match (kept.event_us == event_us, same) {
                (true, true) => verdict = Seen::Duplicate,
                (true, false) if verdict != Seen::Duplicate => verdict = Seen::ConflictContent,
                (false, _) if verdict == Seen::New => verdict = Seen::ConflictTime,
                _ => {}
            }
        });
        if verdict == Seen::New {
            self.put(query.entry, now, hash);
        }
        verdict
    }

    /// Add an id without asking whether it is there (a new one, or one read back from disk).
    pub fn remember(&mut self, entry: Entry) {
        self.remember_as(entry, self.version);
    }

    /// Add an id whose digest was made with a version of the field list.
    pub fn remember_as(&mut self, entry: Entry, version: u32) {
        self.put(entry, version, self.seeds.hash(entry.uuid));
    }

    #[inline]
    fn put(&mut self, entry: Entry, version: u32, hash: u64) {
        let number = self.log.add(entry, version);
        self.index.put(hash, number, &(self.seeds, &self.log));
    }

    /// Ids whose bucket ended before `forgotten` are no longer remembered: no look-up can match them.
    pub fn forget(&mut self, forgotten: i64) {
        self.log.forget(forgotten);
        if self.index.is_sparse(self.len()) {
            self.index = Index::with_room(self.len());
            let ids = (self.seeds, &self.log);
            for number in self.log.numbers() {
                if let Some(hash) = ids.hash_of(number) {
                    self.index.put(hash, number, &ids);
                }
            }
        }
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

    #[test]
    fn an_id_that_comes_again_and_again_has_room() {
        let mut memory = Memory::new(Horizon {
            bucket_us: 10,
            horizon_us: Some(100),
        });
        for i in 0..20_000 {
            assert_eq!(ask(&mut memory, 7, i * 1000, 0, Some(i * 1000)), Seen::New);
        }
        assert_eq!(ask(&mut memory, 7, 19_999_000, 0, Some(19_999_001)), Seen::Duplicate);
        memory.forget(19_000_000);
        assert_eq!(memory.len(), 1000);
        assert!(!memory.index.is_sparse(1000));
        memory.forget(19_998_000);
        assert_eq!(memory.len(), 2);
        assert!(!memory.index.is_sparse(2));
    }

    #[test]
    fn a_memory_that_is_large_enough_is_not_laid_out_anew() {
        let mut memory = Memory::new(EVER);
        memory.reserve(100_000);
        let lines = memory.index.size();
        (1..=70_000).for_each(|i| assert_eq!(ask(&mut memory, i, 5, 1, None), Seen::New));
        assert_eq!((memory.len(), memory.index.size()), (70_000, lines));
        assert_eq!(ask(&mut memory, 1, 5, 1, None), Seen::Duplicate);
    }

    #[test]
    fn a_stream_that_goes_on_takes_no_more_than_at_first() {
        let mut memory = Memory::new(Horizon {
            bucket_us: 1_000,
            horizon_us: Some(8_000),
        });
        for live in [500, 10_000, 100_000] {
            for i in 0..live * 30 {
                let at = i * 9_000 / live;
                assert_eq!(ask(&mut memory, i as u128 | 1 << 64, at, 0, Some(at)), Seen::New);
                if at % 1_000 == 0 {
                    memory.forget(at - 8_000);
                }
            }
            let size = memory.size();
            assert!(
                size < live as usize * 90 + (1 << 14),
                "{live}: {size} bytes for {}",
                memory.len()
            );
            memory.forget(i64::MAX);
        }
    }

    #[test]
    fn an_id_takes_forty_bytes() {
        let mut memory = Memory::new(EVER);
        let mix = |i: u128| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        for i in 1..=1_000_000 {
            memory.remember(Entry {
                uuid: mix(i),
                event_us: 0,
                digest: 0,
            });
        }
        assert!(memory.size() < 45_000_000, "{}", memory.size());
        (1..=1_000_000)
            .step_by(1000)
            .for_each(|i| assert_eq!(ask(&mut memory, mix(i), 0, 0, None), Seen::Duplicate));
    }

    proptest! {
        #[test]
        fn what_was_forgotten_is_new_and_the_rest_is_not(steps in proptest::collection::vec((0u128..3000, 0i64..40), 0..40_000)) {
            let mut memory = Memory::new(Horizon { bucket_us: 100, horizon_us: Some(20_000) });
            let mut times = std::collections::HashMap::<u128, i64>::new();
            for (number, (id, back)) in steps.into_iter().enumerate() {
                let (id, now) = (id * id * 0x9E37_79B9, number as i64 * 7);
                let forgotten = (now - 20_000).max(0) / 100 * 100;
                let known = times.get(&id).is_some_and(|at| at.div_euclid(100) * 100 + 100 + 20_000 >= now);
                let time = if known { times[&id] } else { now - back };
                let expected = if known { Seen::Duplicate } else { Seen::New };
                prop_assert_eq!(ask(&mut memory, id, time, 1, Some(now)), expected);
                times.insert(id, time);
                if number % 1000 == 0 {
                    memory.forget(forgotten);
                }
            }
        }

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
