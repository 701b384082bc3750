//! Exact deduplication: every remembered id with its event time and content digest.
//!
//! Two ids, their times and digests lie in one cache line; a line is found by a keyed mix of the id, and a full line
//! continues in the next one of its piece. A piece that is full gives half of its ids to a new one, a few thousand at a time:
//! however many ids there are, no event waits for all of them to be moved. An id may stand several times (a copy beyond its
//! horizon is remembered anew), so a look-up reads on until a line with a free place. The rules of matching and forgetting
//! are in `Memory`.
#![allow(clippy::indexing_slicing)] // measured hot path: every line is below their number, every place below `PLACES`

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use crate::decode::simd::prefetch;

const PLACES: usize = 2;
/// So many ids are looked up at once.
const GROUP: usize = 64;
/// Lines of a piece: at first, and when it is split.
const FEW: usize = 1 << 6;
const MANY: usize = 1 << 12;
/// A directory has at most so many times as many entries as there are pieces.
const SPARSE: usize = 16;

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

/// Ids whose hashes begin alike.
struct Piece {
    /// Their number is a power of two.
    lines: Box<[Line]>,
    /// How many ids are in it, those included that are no longer remembered; with so many it is full.
    ids: usize,
    full: usize,
    /// So many first bits the hashes have in common.
    bits: u32,
}

pub struct Memory {
    /// The piece of each value of the first bits of a hash; their number is a power of two.
    directory: Vec<u32>,
    pieces: Vec<Piece>,
    /// Empty lines of a piece that was split, for the next one: memory that was never used is what costs most.
    spare: Box<[Line]>,
    /// The nil uuid stands for a free place in a line, so its entries live here.
    nil: Vec<(Entry, u32)>,
    len: usize,
    seeds: (u64, u64),
    horizon: Horizon,
    /// The version of the field list that digests are made with now.
    pub version: u32,
    /// Ids whose bucket ended before are no longer remembered: their places are free when their piece is full.
    forgotten: Option<i64>,
    /// Remembered ids per bucket end.
    buckets: BTreeMap<i64, usize>,
    /// The running bucket, so that most ids touch no map.
    last_bucket: (i64, usize),
}

impl Memory {
    pub fn new(horizon: Horizon) -> Memory {
        let state = RandomState::new();
        let mut memory = Memory {
            directory: vec![],
            pieces: vec![],
            spare: Box::default(),
            nil: vec![],
            version: 0,
            len: 0,
            seeds: (state.hash_one(1u8) | 1, state.hash_one(2u8) | 1),
            horizon,
            forgotten: None,
            buckets: BTreeMap::new(),
            last_bucket: (0, 0),
        };
        memory.lay_out(0);
        memory
    }

    /// Room for so many ids, in a memory without any.
    pub fn reserve(&mut self, ids: usize) {
        if self.is_empty() {
            self.lay_out(ids);
        }
    }

    /// Empty pieces with room for so many ids.
    fn lay_out(&mut self, ids: usize) {
        let pieces = ids.div_ceil(MANY * PLACES * 5 / 8).next_power_of_two();
        let lines = ids.next_power_of_two().clamp(FEW, MANY);
        let bits = pieces.trailing_zeros();
        self.pieces = (0..pieces)
            .map(|number| Piece::new(empty(lines), number, bits))
            .collect();
        self.directory = (0..pieces as u32).collect();
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
        self.pieces.iter().map(|piece| piece.lines.len()).sum()
    }

    /// The first bits say the piece, the last ones the line.
    #[inline]
    fn hash(&self, id: u128) -> u64 {
        let product = u128::from(id as u64 ^ self.seeds.0) * u128::from((id >> 64) as u64 ^ self.seeds.1);
        ((product as u64) ^ (product >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Where a hash stands in the directory.
    #[inline]
    fn place_of(&self, hash: u64) -> usize {
        (hash >> 1 >> (63 - self.directory.len().trailing_zeros())) as usize
    }

    #[inline]
    fn piece_of(&self, hash: u64) -> usize {
        self.directory[self.place_of(hash)] as usize
    }

    /// Look up many ids and remember the new ones; answers go to `seen`, in order.
    pub fn judge(&mut self, queries: &[Query], seen: &mut Vec<Seen>) {
        for group in queries.chunks(GROUP) {
            let mut hashes = [0; GROUP];
            for (hash, query) in hashes.iter_mut().zip(group) {
                *hash = self.hash(query.entry.uuid);
                let piece = &self.pieces[self.piece_of(*hash)];
                prefetch(&piece.lines, piece.line_of(*hash));
            }
            seen.extend(
                group
                    .iter()
                    .zip(hashes)
                    .map(|(query, hash)| self.judge_one(query, hash)),
            );
        }
    }

    fn judge_one(&mut self, query: &Query, hash: u64) -> Seen {
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
        let number = self.piece_of(hash);
        let piece = &mut self.pieces[number];
        let mut line = piece.line_of(hash);
        let free = loop {
            let Line { ids, times, digests } = &piece.lines[line];
            for place in (0..PLACES).filter(|place| ids[*place] == uuid) {
                if self.horizon.matches(times[place], query.t, query.forgotten) {
                    note(times[place], digests[place]);
                }
            }
            match ids.iter().position(|id| *id == 0) {
                Some(free) => break free,
                None => line = piece.behind(line),
            }
        };
        if verdict == Seen::New {
            piece.lines[line].put(free, &query.entry, now);
            piece.ids += 1;
            self.added(number, hash, event_us);
        }
        verdict
    }

    /// Add an id without asking whether it is there (a new one, or one read back from disk).
    pub fn remember(&mut self, entry: Entry) {
        self.remember_as(entry, self.version);
    }

    /// Add an id whose digest was made with a version of the field list.
    pub fn remember_as(&mut self, entry: Entry, version: u32) {
        if entry.uuid == 0 {
            self.count(entry.event_us);
            self.nil.push((entry, version));
        } else {
            let hash = self.hash(entry.uuid);
            let number = self.place(entry, version, hash);
            self.added(number, hash, entry.event_us);
        }
    }

    /// An id was put into a piece.
    #[inline]
    fn added(&mut self, number: usize, hash: u64, event_us: i64) {
        self.count(event_us);
        self.len += 1;
        if self.pieces[number].ids >= self.pieces[number].full {
            self.make_room(number, hash);
        }
    }

    #[inline]
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

    /// Put an id into the first free place from its line on. Returns the piece, which is never without one.
    fn place(&mut self, entry: Entry, version: u32, hash: u64) -> usize {
        let number = self.piece_of(hash);
        let piece = &mut self.pieces[number];
        let mut line = piece.line_of(hash);
        loop {
            if let Some(free) = piece.lines[line].ids.iter().position(|id| *id == 0) {
                piece.lines[line].put(free, &entry, version);
                piece.ids += 1;
                return number;
            }
            line = piece.behind(line);
        }
    }

    /// A full piece loses what is no longer remembered. Where that is less than a quarter, it becomes twice as large, or half
    /// of it becomes another one. `hash`: of an id in it.
    fn make_room(&mut self, number: usize, hash: u64) {
        let piece = &mut self.pieces[number];
        let mut old = std::mem::take(&mut piece.lines);
        let live = old
            .iter()
            .flat_map(Line::entries)
            .filter(is_live(self.forgotten, self.horizon));
        let is_crowded = live.count() * 4 > piece.ids * 3;
        let may_split = old.len() >= MANY && self.directory.len() < self.pieces.len() * SPARSE;
        let lines = if is_crowded && !may_split {
            old.len() * 2
        } else {
            old.len()
        };
        let spare = std::mem::take(&mut self.spare);
        let lines = if spare.len() == lines { spare } else { empty(lines) };
        self.pieces[number] = Piece::new(lines, number, self.pieces[number].bits);
        if is_crowded && may_split {
            self.split(number, hash);
        }
        self.refill(&old);
        old.fill(Line::default());
        self.spare = old;
    }

    /// Half of the hashes of an empty piece, all of which begin as this one, become those of a new piece.
    fn split(&mut self, number: usize, hash: u64) {
        let lines = self.pieces[number].lines.len();
        let bits = self.pieces[number].bits + 1;
        if bits > self.directory.len().trailing_zeros() {
            self.directory = self.directory.iter().flat_map(|piece| [*piece; 2]).collect();
        }
        let half = self.directory.len() >> bits;
        let first = self.place_of(hash) & !(2 * half - 1);
        self.directory[first + half..first + 2 * half].fill(self.pieces.len() as u32);
        self.pieces[number].bits = bits;
        self.pieces.push(Piece::new(empty(lines), self.pieces.len(), bits));
    }

    /// Put back what of some lines is still remembered.
    fn refill(&mut self, lines: &[Line]) {
        let is_live = is_live(self.forgotten, self.horizon);
        for (entry, version) in lines.iter().flat_map(Line::entries).filter(is_live) {
            self.place(entry, version, self.hash(entry.uuid));
        }
    }

    /// Ids whose bucket ended before `forgotten` are no longer remembered: no look-up can match them.
    pub fn forget(&mut self, forgotten: i64) {
        self.settle_buckets();
        self.forgotten = self.forgotten.max(Some(forgotten));
        self.buckets = self.buckets.split_off(&forgotten);
        let horizon = self.horizon;
        self.nil.retain(|(e, _)| horizon.bucket_end(e.event_us) >= forgotten);
        self.len = self.buckets.values().sum::<usize>() - self.nil.len();
        if self.lines() > FEW.max(self.len) * SPARSE {
            let old = std::mem::take(&mut self.pieces);
            self.lay_out(self.len);
            old.iter().for_each(|piece| self.refill(&piece.lines));
        }
    }
}

fn empty(lines: usize) -> Box<[Line]> {
    vec![Line::default(); lines].into_boxed_slice()
}

/// Whether an id is still remembered.
fn is_live(forgotten: Option<i64>, horizon: Horizon) -> impl Fn(&(Entry, u32)) -> bool {
    move |(entry, _)| forgotten.is_none_or(|bound| horizon.bucket_end(entry.event_us) >= bound)
}

impl Piece {
    /// An empty one. Large ones are full with between five and six and a half eighths of their places taken, for not all of
    /// them are to be split at the same time.
    fn new(lines: Box<[Line]>, number: usize, bits: u32) -> Piece {
        let places = lines.len() * PLACES;
        let earlier = if lines.len() < MANY {
            0
        } else {
            (number as u32).wrapping_mul(0x9E37_79B9) as usize >> 8
        };
        Piece {
            lines,
            ids: 0,
            full: places * 13 / 16 - earlier % (places * 3 / 16),
            bits,
        }
    }

    #[inline]
    fn line_of(&self, hash: u64) -> usize {
        hash as usize & (self.lines.len() - 1)
    }

    #[inline]
    fn behind(&self, line: usize) -> usize {
        (line + 1) & (self.lines.len() - 1)
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
        assert!(memory.directory.len() <= 2 * SPARSE * memory.pieces.len());
        memory.forget(19_000_000);
        assert_eq!(memory.len(), 1000);
        assert!(memory.lines() <= 1000 * SPARSE);
        memory.forget(19_998_000);
        assert_eq!(memory.len(), 2);
        assert!(memory.lines() <= FEW * SPARSE);
    }

    #[test]
    fn a_memory_that_is_large_enough_is_not_laid_out_anew() {
        let mut memory = Memory::new(EVER);
        memory.reserve(100_000);
        let lines = memory.lines();
        (1..=70_000).for_each(|i| assert_eq!(ask(&mut memory, i, 5, 1, None), Seen::New));
        assert_eq!((memory.len(), memory.lines()), (70_000, lines));
        assert_eq!(ask(&mut memory, 1, 5, 1, None), Seen::Duplicate);
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
