//! Where the remembered ids lie: hash of an id -> its number in the log.
//!
//! A line of the cache holds ten numbers, each with sixteen bits of its hash, so that a look-up of a new id mostly touches
//! one line and no id. A full line is passed over, and says so; a look-up reads on until a line that nobody passed over. A
//! piece that is full gives half of its numbers to a new one, a hundred thousand and more at a time: however many ids there are,
//! no event waits for all of them to be moved.
#![allow(clippy::indexing_slicing)] // measured hot path: every place is below the number of what it is a place in

use crate::machine::{prefetch, table};

const PLACES: usize = 10;
/// Lines of a piece: at first, and when it is split, which are then a huge page.
const FEW: usize = 1 << 4;
const MANY: usize = 1 << 15;
/// The directory has at most so many times as many entries as there are pieces.
const SPARSE: usize = 16;
/// Tags that tell less are made anew when their piece is split.
const TELLING_BITS: u32 = 6;
/// So many ids are asked for at once.
const BURST: usize = 64;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line {
    tags: [u16; PLACES],
    taken: u8,
    /// A number that belongs here stands in a line behind.
    passed: bool,
    /// Bit i is set where the number at place i belongs to a line before.
    behind: u16,
    numbers: [u32; PLACES],
}

/// Numbers whose hashes begin alike.
struct Piece {
    /// Their number is a power of two.
    lines: Box<[Line]>,
    /// How many numbers are in it, those included that nobody remembers; with so many it is full.
    taken: usize,
    full: usize,
    /// So many first bits the hashes have in common; behind `base` bits the tags begin.
    bits: u32,
    base: u32,
    /// How many ids had been let go when it was laid out.
    freed: u64,
}

pub struct Index {
    /// The piece of each value of the first bits of a hash; their number is a power of two.
    directory: Vec<u32>,
    pieces: Vec<Piece>,
    /// Empty lines of a piece that was split, for the next one: memory that was never used is what costs most.
    spare: Box<[Line]>,
    /// Hash and number of what is moved.
    moving: Vec<(u64, u32)>,
}

/// What the numbers stand for.
pub trait Numbered {
    /// The hash of a number's id; None: it is no longer remembered.
    fn hash_of(&self, number: u32) -> Option<u64>;
    /// A number's id will be asked for soon.
    fn expect(&self, number: u32);
    /// How many ids have been let go so far.
    fn freed(&self) -> u64;
}

impl Index {
    /// An empty one with room for so many ids.
    pub fn with_room(ids: usize) -> Index {
        let pieces = ids.div_ceil(MANY * PLACES * 5 / 8).next_power_of_two();
        let lines = (ids / PLACES * 2).next_power_of_two().clamp(FEW, MANY);
        let bits = pieces.trailing_zeros();
        let piece = |number| Piece::new(empty(lines), number, bits, (bits, 0));
        Index {
            directory: (0..pieces as u32).collect(),
            pieces: (0..pieces).map(piece).collect(),
            spare: Box::default(),
            moving: vec![],
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.lines() * size_of::<Line>()
    }

    fn lines(&self) -> usize {
        self.pieces.iter().map(|piece| piece.lines.len()).sum()
    }

    /// Whether there is much more room than so many ids need.
    pub fn is_sparse(&self, ids: usize) -> bool {
        self.lines() > FEW.max(ids / PLACES) * SPARSE
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

    /// A hash will be looked up soon.
    #[inline]
    pub fn expect(&self, hash: u64) {
        let piece = &self.pieces[self.piece_of(hash)];
        prefetch(&piece.lines, piece.line_of(hash));
    }

    /// Visit the numbers that may be those of a hash.
    #[inline]
    pub fn candidates(&self, hash: u64, mut visit: impl FnMut(u32)) {
        let piece = &self.pieces[self.piece_of(hash)];
        let tag = tag_of(hash, piece.base);
        let mut at = piece.line_of(hash);
        loop {
            let line = &piece.lines[at];
            let mut same = line.same(tag);
            while same != 0 {
                visit(line.numbers[same.trailing_zeros() as usize]);
                same &= same - 1;
            }
            if !line.passed {
                return;
            }
            at = piece.behind(at);
        }
    }

    /// Add a number.
    #[inline]
    pub fn put(&mut self, hash: u64, number: u32, ids: &impl Numbered) {
        let at = self.piece_of(hash);
        let piece = &mut self.pieces[at];
        piece.put(hash, number);
        if piece.taken >= piece.full {
            self.make_room(at, hash, ids);
        }
    }

    /// A full piece loses what is no longer remembered. Where that is less than a quarter, it becomes twice as large, or half
    /// of it becomes another one. `hash`: one that belongs to it.
    fn make_room(&mut self, at: usize, hash: u64, ids: &impl Numbered) {
        let Piece {
            taken,
            bits,
            base,
            freed,
            ..
        } = self.pieces[at];
        let old = std::mem::take(&mut self.pieces[at].lines);
        let may_split = old.len() >= MANY && self.directory.len() < self.pieces.len() * SPARSE;
        if may_split && freed == ids.freed() && bits - base < u16::BITS - TELLING_BITS {
            self.split(at, hash, old.len(), (base, freed));
            self.share_out(at, &old, ids);
        } else {
            // The number of an id that was let go may be that of another one by now, which stands elsewhere.
            let mut moving = std::mem::take(&mut self.moving);
            let stood: Vec<(u16, u32)> = old.iter().flat_map(Line::taken).collect();
            Self::hashed(&stood, ids, |hash, tag, number| {
                if self.piece_of(hash) == at && tag_of(hash, base) == tag {
                    moving.push((hash, number));
                }
            });
            let is_crowded = moving.len() * 4 > taken * 3;
            if is_crowded && may_split {
                self.split(at, hash, old.len(), (bits + 1, ids.freed()));
            } else {
                let lines = self.empty(if is_crowded { old.len() * 2 } else { old.len() });
                self.pieces[at] = Piece::new(lines, at, bits, (bits, ids.freed()));
            }
            for (hash, number) in moving.drain(..) {
                self.put_anew(hash, number);
            }
            self.moving = moving;
        }
        self.spare = old;
    }

    /// The hashes of what was taken, but for what is no longer remembered.
    fn hashed(taken: &[(u16, u32)], ids: &impl Numbered, mut visit: impl FnMut(u64, u16, u32)) {
        for burst in taken.chunks(BURST) {
            burst.iter().for_each(|(_, number)| ids.expect(*number));
            for (tag, number) in burst {
                if let Some(hash) = ids.hash_of(*number) {
                    visit(hash, *tag, *number);
                }
            }
        }
    }

    /// Half of the hashes of a piece, all of which begin as this one, become those of a new piece, the last one. Both are empty.
    fn split(&mut self, at: usize, hash: u64, lines: usize, (base, freed): (u32, u64)) {
        let (bits, new) = (self.pieces[at].bits + 1, self.pieces.len());
        if bits > self.directory.len().trailing_zeros() {
            self.directory = self.directory.iter().flat_map(|piece| [*piece; 2]).collect();
        }
        let half = self.directory.len() >> bits;
        let first = self.place_of(hash) & !(2 * half - 1);
        self.directory[first + half..first + 2 * half].fill(new as u32);
        let fresh = self.empty(lines);
        self.pieces[at] = Piece::new(fresh, at, bits, (base, freed));
        self.pieces.push(Piece::new(empty(lines), new, bits, (base, freed)));
    }

    /// Put what was in a piece that has been split into its halves, all of it remembered: the next bit of a tag tells the
    /// half. Only of what stands behind its own line the id is asked.
    fn share_out(&mut self, at: usize, old: &[Line], ids: &impl Numbered) {
        let (new, Piece { bits, base, .. }) = (self.pieces.len() - 1, &self.pieces[at]);
        let deciding = u16::BITS - (bits - base);
        let is_upper = |tag: u16| tag >> deciding & 1 == 1;
        let mut behind = vec![];
        for (home, line) in old.iter().enumerate() {
            for (place, (tag, number)) in line.taken().enumerate() {
                if line.behind >> place & 1 == 1 {
                    behind.push((tag, number));
                } else {
                    self.pieces[if is_upper(tag) { new } else { at }].put_from(home, tag, number);
                }
            }
        }
        Self::hashed(&behind, ids, |hash, _, number| self.put_anew(hash, number));
    }

    fn put_anew(&mut self, hash: u64, number: u32) {
        let at = self.piece_of(hash);
        self.pieces[at].put(hash, number);
    }

    /// Lines of a piece that was split, or new ones.
    fn empty(&mut self, lines: usize) -> Box<[Line]> {
        let mut spare = std::mem::take(&mut self.spare);
        if spare.len() != lines {
            return empty(lines);
        }
        spare.fill(Line::default());
        spare
    }
}

fn empty(lines: usize) -> Box<[Line]> {
    table(lines, Line::default()).into_boxed_slice()
}

#[inline]
fn tag_of(hash: u64, base: u32) -> u16 {
    (hash << base >> (u64::BITS - u16::BITS)) as u16
}

impl Piece {
    /// An empty one. Large ones are full with between five and seven eighths of their places taken, for not all of them are to
    /// be split at the same time.
    fn new(lines: Box<[Line]>, number: usize, bits: u32, (base, freed): (u32, u64)) -> Piece {
        let places = lines.len() * PLACES;
        let earlier = match lines.len() < MANY {
            true => 0,
            false => (number as u32).wrapping_mul(0x9E37_79B9) as usize >> 8,
        };
        Piece {
            lines,
            taken: 0,
            full: places * 7 / 8 - earlier % (places / 4),
            bits,
            base,
            freed,
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

    #[inline]
    fn put(&mut self, hash: u64, number: u32) {
        self.put_from(self.line_of(hash), tag_of(hash, self.base), number);
    }

    /// Into the first free place from a line on; one there is.
    #[inline]
    fn put_from(&mut self, home: usize, tag: u16, number: u32) {
        let mut at = home;
        while !self.lines[at].put(tag, number, at != home) {
            self.lines[at].passed = true;
            at = self.behind(at);
        }
        self.taken += 1;
    }
}

impl Line {
    /// Whether there was a place.
    #[inline]
    fn put(&mut self, tag: u16, number: u32, is_behind: bool) -> bool {
        let place = usize::from(self.taken);
        let is_free = place < PLACES;
        if is_free {
            (self.tags[place], self.numbers[place]) = (tag, number);
            self.behind |= u16::from(is_behind) << place;
            self.taken += 1;
        }
        is_free
    }

    /// Bit i is set where place i has this tag.
    #[inline]
    fn same(&self, tag: u16) -> u32 {
        let bits = self.tags.iter().enumerate();
        let same = bits.fold(0, |mask, (place, kept)| mask | u32::from(*kept == tag) << place);
        same & !(u32::MAX << self.taken)
    }

    fn taken(&self) -> impl Iterator<Item = (u16, u32)> {
        let kept = self.tags.into_iter().zip(self.numbers);
        kept.take(usize::from(self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes by number; None: let go.
    #[derive(Default)]
    struct Hashes {
        of: Vec<Option<u64>>,
        freed: u64,
    }

    impl Numbered for Hashes {
        fn hash_of(&self, number: u32) -> Option<u64> {
            self.of.get(number as usize).copied().flatten()
        }
        fn expect(&self, _: u32) {}
        fn freed(&self) -> u64 {
            self.freed
        }
    }

    fn random() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(88_172_645_463_325_252u64), |x| {
            let x = x ^ x << 13;
            let x = x ^ x >> 7;
            Some(x ^ x << 17)
        })
    }

    fn put(index: &mut Index, ids: &mut Hashes, hash: u64) {
        ids.of.push(Some(hash));
        index.put(hash, ids.of.len() as u32 - 1, ids);
    }

    fn found(index: &Index, hash: u64) -> Vec<u32> {
        let mut numbers = vec![];
        index.candidates(hash, |number| numbers.push(number));
        numbers
    }

    #[test]
    fn every_number_is_found_after_any_number_of_splits_and_hardly_another_one() {
        let (mut index, mut ids) = (Index::with_room(0), Hashes::default());
        let mut visited = 0;
        for hash in random().take(600_000) {
            visited += found(&index, hash).len();
            put(&mut index, &mut ids, hash);
        }
        assert!(index.pieces.iter().any(|piece| piece.base < piece.bits));
        assert!(visited < 6_000, "{visited} numbers of other ids were looked at");
        for (number, hash) in ids.of.iter().flatten().enumerate() {
            assert!(found(&index, *hash).contains(&(number as u32)));
        }
        assert!(index.size() < 600_000 * 16);
    }

    #[test]
    fn what_was_let_go_makes_room_also_where_its_number_is_that_of_another_id() {
        let (mut index, mut ids) = (Index::with_room(0), Hashes::default());
        let mut hashes = random();
        hashes
            .by_ref()
            .take(300_000)
            .for_each(|hash| put(&mut index, &mut ids, hash));
        let before = index.size();
        for round in 1..=4 {
            let first = (round - 1) * 150_000;
            ids.of
                .iter_mut()
                .skip(first)
                .take(150_000)
                .for_each(|hash| *hash = None);
            ids.freed += 150_000;
            hashes
                .by_ref()
                .take(150_000)
                .for_each(|hash| put(&mut index, &mut ids, hash));
            // Numbers of the first ones are given to others.
            for (number, hash) in hashes.by_ref().take(1_000).enumerate() {
                ids.of[number] = Some(hash);
                index.put(hash, number as u32, &ids);
            }
        }
        assert!(index.size() <= before * 2, "{before} {}", index.size());
        for (number, hash) in ids.of.iter().enumerate() {
            if let Some(hash) = hash {
                assert!(found(&index, *hash).contains(&(number as u32)), "{number}");
            }
        }
    }

    #[test]
    fn equal_hashes_do_not_make_the_directory_large() {
        let (mut index, mut ids) = (Index::with_room(0), Hashes::default());
        (0..200_000).for_each(|_| put(&mut index, &mut ids, 7));
        assert!(index.directory.len() <= 2 * SPARSE * index.pieces.len());
    }
}
