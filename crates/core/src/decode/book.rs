//! Which layouts are tried, in which order, and when new ones are learned in their place.
use super::layout::Layout;

pub const LAYOUTS_MAX: usize = 16;
/// Records after which the book looks back: the first time, and at most.
const PERIOD_FIRST: u32 = 32;
const PERIOD_MAX: u32 = 1024;
/// Layouts that may be learned in a period once it has turned bad.
const LEARN_MAX: u32 = 4;
/// A period is bad with more misses than this; speculation is given up for a while after one with fewer hits.
const MISSES_PERCENT: u32 = 3;
const HITS_PERCENT: u32 = 25;
/// Records without speculation: the first time, and at most.
const PAUSE_FIRST: u32 = 1024;
const PAUSE_MAX: u32 = 64 * 1024;
/// What a new layout is taken to have hit, so that the next new one does not take its place at once.
const CREDIT: u32 = 8;

pub struct Entry {
    pub layout: Layout,
    /// Of each step, a number that stands for all steps up to it: entries that begin in the same way have the same.
    beginnings: Vec<u64>,
    hits: u32,
}

impl Entry {
    /// Whether the first `steps` (at least one) are the same in both.
    pub fn shares(&self, other: &Entry, steps: usize) -> bool {
        let of = |entry: &Entry| entry.beginnings.get(steps.wrapping_sub(1)).copied();
        of(self).is_some_and(|beginning| of(other) == Some(beginning))
    }

    fn steps_shared(&self, layout: &Layout) -> usize {
        self.layout
            .steps
            .iter()
            .zip(&layout.steps)
            .take_while(|(a, b)| a == b)
            .count()
    }
}

pub struct Book {
    entries: Vec<Entry>,
    enabled: bool,
    period: u32,
    seen: u32,
    missed: u32,
    /// Layouts that were learned in this period.
    tried: u32,
    /// Records to go without speculation, and how many it will be the next time.
    rest: u32,
    pause: u32,
    next_beginning: u64,
    pub learned: u64,
    pub evicted: u64,
}

impl Book {
    pub fn new() -> Book {
        Book {
            entries: vec![],
            enabled: true,
            period: PERIOD_FIRST,
            seen: 0,
            missed: 0,
            tried: 0,
            rest: 0,
            pause: PAUSE_FIRST,
            next_beginning: 0,
            learned: 0,
            evicted: 0,
        }
    }

    pub fn enable(&mut self, on: bool) {
        self.enabled = on;
    }

    #[inline]
    pub fn is_active(&self) -> bool {
        self.enabled && self.rest == 0
    }

    #[inline]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The layout at `index` read a record. The more often one does, the earlier it is tried.
    #[inline]
    pub fn hit(&mut self, index: usize) {
        if let Some((entry, before)) = self.entries.get_mut(..=index).and_then(|tried| tried.split_last_mut()) {
            entry.hits += 1;
            if let Some(previous) = before.last_mut()
                && previous.hits < entry.hits
            {
                std::mem::swap(previous, entry);
            }
        }
        self.count();
    }

    /// The general parser read a record; true: a layout should be learned from it.
    pub fn missed(&mut self) -> bool {
        if !self.is_active() {
            self.rest = self.rest.saturating_sub(1);
            return false;
        }
        self.missed += 1;
        let learn = self.tried < LEARN_MAX && self.missed * 100 > self.period * MISSES_PERCENT;
        self.tried += u32::from(learn);
        self.count();
        learn
    }

    pub fn add(&mut self, layout: Layout) {
        if self.entries.iter().any(|entry| entry.layout == layout) {
            return;
        }
        if self.entries.len() == LAYOUTS_MAX {
            self.evict();
        }
        let beginnings = self.beginnings(&layout);
        self.entries.push(Entry {
            layout,
            beginnings,
            hits: CREDIT,
        });
        self.learned += 1;
    }

    fn beginnings(&mut self, layout: &Layout) -> Vec<u64> {
        let nearest = self.entries.iter().max_by_key(|entry| entry.steps_shared(layout));
        let known = nearest.and_then(|entry| entry.beginnings.get(..entry.steps_shared(layout)));
        let mut beginnings = known.unwrap_or_default().to_vec();
        let new = (layout.steps.len() - beginnings.len()) as u64;
        beginnings.extend(self.next_beginning..self.next_beginning + new);
        self.next_beginning += new;
        beginnings
    }

    fn evict(&mut self) {
        let least = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.hits);
        if let Some((index, _)) = least {
            self.entries.remove(index);
            self.evicted += 1;
        }
    }

    #[inline(always)]
    fn count(&mut self) {
        self.seen += 1;
        if self.seen >= self.period {
            self.look_back();
        }
    }

    #[cold]
    fn look_back(&mut self) {
        if (self.seen - self.missed) * 100 < self.seen * HITS_PERCENT {
            self.rest = self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        } else {
            self.pause = PAUSE_FIRST;
        }
        for entry in &mut self.entries {
            entry.hits /= 2;
        }
        self.period = (self.period * 2).min(PERIOD_MAX);
        (self.seen, self.missed, self.tried) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Literal, Step, Take};
    use super::*;

    impl Step {
        fn new(word: &[u8]) -> Step {
            Step {
                before: Literal::new(word).unwrap(),
                take: Take::Any,
                slot: 0,
                depth: 1,
            }
        }
    }

    fn layout(members: u32) -> Layout {
        Layout {
            members,
            ..Layout::default()
        }
    }

    fn filled(count: u32) -> Book {
        let mut book = Book::new();
        (0..count).for_each(|members| book.add(layout(members)));
        book
    }

    fn first(book: &Book) -> u32 {
        book.entries()[0].layout.members
    }

    #[test]
    fn the_layout_that_hits_most_comes_first() {
        let mut book = filled(2);
        book.hit(1);
        assert_eq!(first(&book), 1);
    }

    #[test]
    fn the_same_layout_is_kept_once() {
        let mut book = filled(1);
        book.add(layout(0));
        assert_eq!((book.entries().len(), book.learned), (1, 1));
    }

    #[test]
    fn a_new_layout_takes_the_place_of_the_one_that_hits_least() {
        let mut book = filled(LAYOUTS_MAX as u32);
        (1..LAYOUTS_MAX).for_each(|index| book.hit(index));
        book.add(layout(99));
        assert_eq!((book.entries().len(), book.evicted), (LAYOUTS_MAX, 1));
        assert!(book.entries().iter().all(|entry| entry.layout.members != 0));
    }

    #[test]
    fn nothing_is_learned_while_misses_are_few() {
        let mut book = filled(1);
        (0..20 * PERIOD_MAX).for_each(|_| book.hit(0));
        let few = PERIOD_MAX * MISSES_PERCENT / 100;
        assert!((0..few).all(|_| !book.missed()));
        assert!(book.missed());
    }

    #[test]
    fn few_layouts_are_learned_in_a_period() {
        let mut book = filled(1);
        let learned = (1..PERIOD_FIRST).filter(|turn| {
            if turn % 2 == 0 {
                book.missed()
            } else {
                book.hit(0);
                false
            }
        });
        assert_eq!(learned.count(), LEARN_MAX as usize);
        book.hit(0);
        assert!(!book.missed() && book.missed());
    }

    #[test]
    fn speculation_rests_longer_each_time_that_it_does_not_pay() {
        let mut book = Book::new();
        let mut rests = vec![];
        for _ in 0..3 {
            while book.is_active() {
                book.missed();
            }
            rests.push(book.rest);
            while !book.is_active() {
                book.missed();
            }
        }
        assert_eq!(rests, [PAUSE_FIRST, 2 * PAUSE_FIRST, 4 * PAUSE_FIRST]);
    }

    #[test]
    fn entries_share_the_steps_with_which_both_begin() {
        let steps = |words: &[&str]| words.iter().map(|word| Step::new(word.as_bytes())).collect();
        let mut book = Book::new();
        for words in [&["a", "b", "c"][..], &["a", "b", "d"], &["x", "b", "c"]] {
            book.add(Layout {
                steps: steps(words),
                ..Layout::default()
            });
        }
        let [first, second, third] = book.entries() else {
            unreachable!()
        };
        assert!(first.shares(second, 1) && first.shares(second, 2));
        assert!(!first.shares(second, 3) && !first.shares(third, 3) && !first.shares(second, 0));
    }

    #[test]
    fn a_disabled_book_is_never_active() {
        let mut book = filled(1);
        book.enable(false);
        assert!(!book.is_active() && !book.missed());
    }
}
