//! Distinct members of cells: exact up to a declared number of them, and Apache DataSketches' HyperLogLog beyond it.
use std::ops::Range;
use std::sync::LazyLock;

use datasketches::hll::{HllSketch, HllType, HllUnion};

use crate::bits::{join, split};
use crate::error::{CoreError, Result};
use crate::machine::prefetch;
use crate::measure::Shown;
use crate::objects::{Added, Object, Objects, damaged_sketch, push_object, reach};
use crate::wire::{Take, put_bytes, put_u64};

/// log2 of the HyperLogLog registers: 4,096, a relative standard error of 1.6 %.
const HLL_LG_K: u8 = 12;
static EMPTY_HLL: LazyLock<Option<HllSketch>> = LazyLock::new(|| HllSketch::new(HLL_LG_K, HllType::Hll8).ok());

/// A cell's words of a distinct measure. The first: 0 no member, 1 one in the two others, 2 those from a place in `members` on
/// (second word: which; third: how many), 3 + i object i.
pub(crate) type Words = [u64; 3];
const ONE: u64 = 1;
const SPAN: u64 = 2;
const FIRST_DISTINCT: u64 = 3;

impl Objects {
    /// Add a member to a row's cell, of distinct measure number `measure`: `gather` puts it there.
    #[inline]
    pub(crate) fn add(&mut self, measure: usize, row: u32, member: u128) {
        if self.added.len() <= measure {
            self.added.resize_with(measure + 1, Added::default);
        }
        if let Some(Added { rows, members, .. }) = self.added.get_mut(measure) {
            rows.push(row);
            members.push(member);
        }
    }

    /// Put the members that were added to distinct measure number `measure` into its rows' words, which are empty before.
    pub(crate) fn gather<'a>(&mut self, measure: usize, cells: impl Iterator<Item = &'a mut Words>, exact: usize) {
        let Some(mut added) = self.added.get_mut(measure).map(std::mem::take) else {
            return;
        };
        let Added { rows, members, ordered } = &mut added;
        let last = rows.iter().max().map_or(0, |last| *last as usize + 1);
        let ends = put_in_order_of(rows.iter().copied().zip(members.iter().copied()), last, ordered);
        self.members.reserve(members.len());
        let mut from = 0;
        for (words, end) in cells.zip(ends) {
            if let Some(list) = ordered.get_mut(from..end as usize) {
                self.put(words, list, exact);
            }
            from = end as usize;
        }
        self.members.shrink_to_fit();
        added.clear();
        if let Some(place) = self.added.get_mut(measure) {
            *place = added;
        }
    }

    /// Put all members of a cell, with repeats, into its words.
    fn put(&mut self, words: &mut Words, list: &mut [u128], exact: usize) {
        match list {
            [] => {}
            [one] => *words = one_of(*one),
            _ if list.len() <= exact => {
                list.sort_unstable();
                let from = self.members.len();
                self.members
                    .extend(list.chunk_by(|a, b| a == b).filter_map(<[u128]>::first));
                *words = self.span_from(from);
            }
            _ => {
                let mut object = Object::Members(vec![]);
                list.iter()
                    .for_each(|member| insert_member(&mut object, *member, exact));
                settle_object(&mut object, exact);
                *words = match object {
                    Object::Members(list) => self.put_span(&list),
                    sketch => self.push(sketch),
                };
            }
        }
    }

    /// The words of the members from a place on.
    fn span_from(&mut self, from: usize) -> Words {
        match self.members.get(from..).unwrap_or_default() {
            &[one] => {
                self.members.truncate(from);
                one_of(one)
            }
            list => [SPAN, from as u64, list.len() as u64],
        }
    }

    fn put_span(&mut self, list: &[u128]) -> Words {
        let from = self.members.len();
        self.members.extend_from_slice(list);
        self.span_from(from)
    }

    fn push(&mut self, object: Object) -> Words {
        [push_object(self, FIRST_DISTINCT, object), 0, 0]
    }

    /// Members that a cell has are to be added to: what makes that quick is done. Returns them if they are the last ones.
    fn open(&mut self, words: &mut Words) -> Option<usize> {
        let Range { start, end } = span(words)?;
        if end == self.members.len() {
            return Some(start);
        }
        let list = self.members.get(start..end).unwrap_or_default().to_vec();
        *words = self.push(Object::Members(list));
        None
    }

    /// The object of a cell's members.
    fn mine(&mut self, words: &Words) -> Option<&mut Object> {
        self.list.get_mut(words[0].checked_sub(FIRST_DISTINCT)? as usize)
    }

    /// Those that a cell points to will be read soon.
    #[inline]
    pub(crate) fn expect(&self, words: &Words) {
        match words {
            [SPAN, from, _] => prefetch(&self.members, *from as usize),
            [at, ..] => prefetch(&self.list, at.wrapping_sub(FIRST_DISTINCT) as usize),
        }
    }
}

/// Put items in the order of their numbers, which are below `numbers`; those of one number as they came. Returns where those of
/// each number end. Counted, then laid out.
pub(crate) fn put_in_order_of<T: Copy + Default>(
    items: impl ExactSizeIterator<Item = (u32, T)> + Clone,
    numbers: usize,
    ordered: &mut Vec<T>,
) -> Vec<u32> {
    let mut ends = vec![0u32; numbers + 1];
    for (number, _) in items.clone() {
        if let Some(end) = ends.get_mut(number as usize + 1) {
            *end += 1;
        }
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    ordered.resize(items.len(), T::default());
    for (number, item) in items {
        if let Some(end) = ends.get_mut(number as usize) {
            if let Some(free) = ordered.get_mut(*end as usize) {
                *free = item;
            }
            *end += 1;
        }
    }
    ends
}

fn one_of(member: u128) -> Words {
    let (lo, hi) = split(member);
    [ONE, lo, hi]
}

fn span(words: &Words) -> Option<Range<usize>> {
    match *words {
        [SPAN, from, count] => Some(from as usize..from as usize + count as usize),
        _ => None,
    }
}

/// The members that a cell's words stand for.
enum Found<'a> {
    None,
    One(u128),
    List(&'a [u128]),
    Hll(&'a HllSketch),
}

fn found<'a>(words: &Words, objects: &'a Objects) -> Found<'a> {
    let list = span(words).and_then(|span| objects.members.get(span));
    match (*words, list, reach(words[0], FIRST_DISTINCT, objects)) {
        ([ONE, lo, hi], ..) => Found::One(join(lo, hi)),
        (_, Some(list), _) => Found::List(list),
        (_, _, Some(Object::Members(list))) => Found::List(list),
        (_, _, Some(Object::Hll(sketch))) => Found::Hll(sketch),
        _ => Found::None,
    }
}

fn add_member(words: &mut Words, objects: &mut Objects, member: u128, exact: usize) {
    match found(words, objects) {
        Found::None => *words = one_of(member),
        Found::One(mine) if mine == member => {}
        Found::List(list) if list.len() < 16 && list.contains(&member) => {}
        Found::One(mine) => *words = objects.put_span(&[mine, member]),
        _ => {
            merge_list(words, objects, &[member], exact);
            if matches!(found(words, objects), Found::List(list) if has_doubled(list.len(), exact)) {
                settle_members(words, objects, exact);
            }
        }
    }
}

/// Whether a list that grows by one is due to lose its repeats: then the cost per member stays small, and so does the list.
fn has_doubled(length: usize, exact: usize) -> bool {
    length >= 16 && length.is_power_of_two() || length > exact * 2
}

fn insert_member(object: &mut Object, member: u128, exact: usize) {
    match object {
        Object::Members(list) => {
            if list.len() < 16 && list.contains(&member) {
                return;
            }
            list.push(member);
            if has_doubled(list.len(), exact) {
                settle_object(object, exact);
            }
        }
        Object::Hll(sketch) => sketch.update(member),
        _ => {}
    }
}

/// Sort, drop repeats, and turn into a sketch what holds more members than are counted exactly.
fn settle_object(object: &mut Object, exact: usize) {
    let Object::Members(list) = object else { return };
    put_in_order(list);
    if let Some(sketch) = sketch_beyond(list, exact) {
        *object = sketch;
    }
}

/// The sketch of members that are more than are counted exactly.
fn sketch_beyond(list: &[u128], exact: usize) -> Option<Object> {
    if list.len() <= exact {
        return None;
    }
    let mut sketch = EMPTY_HLL.clone()?;
    list.iter().for_each(|m| sketch.update(*m));
    Some(Object::Hll(Box::new(sketch)))
}

/// Ascending, without repeats. A stable sort, for it finds the runs that are in order already.
fn put_in_order(list: &mut Vec<u128>) {
    if !in_order(list) {
        list.sort();
        list.dedup();
    }
}

fn in_order(list: &[u128]) -> bool {
    list.is_sorted_by(|a, b| a < b)
}

/// Bring a cell's members into the form in which they are written and merged.
pub(crate) fn settle_members(words: &mut Words, objects: &mut Objects, exact: usize) {
    if let Some(object) = objects.mine(words) {
        return settle_object(object, exact);
    }
    match span(words).and_then(|span| objects.members.get(span)) {
        Some(list) if list.len() > exact || !in_order(list) => {}
        _ => return,
    }
    if let Some(start) = objects.open(words) {
        let mut list = objects.members.split_off(start);
        put_in_order(&mut list);
        *words = match sketch_beyond(&list, exact) {
            Some(sketch) => objects.push(sketch),
            None => objects.put_span(&list),
        };
    } else if let Some(object) = objects.mine(words) {
        settle_object(object, exact);
    }
}

/// Add a member set; repeats are removed now and then.
fn merge_list(words: &mut Words, objects: &mut Objects, list: &[u128], exact: usize) {
    match *words {
        [0, ..] => {
            *words = objects.put_span(list);
            return;
        }
        [ONE, lo, hi] => {
            *words = objects.put_span(list);
            return add_member(words, objects, join(lo, hi), exact);
        }
        _ => {}
    }
    let length = if let Some(start) = objects.open(words) {
        objects.members.extend_from_slice(list);
        *words = objects.span_from(start);
        objects.members.len() - start
    } else {
        match objects.mine(words) {
            Some(Object::Members(mine)) => {
                mine.extend_from_slice(list);
                mine.len()
            }
            Some(Object::Hll(sketch)) => {
                list.iter().for_each(|m| sketch.update(*m));
                0
            }
            _ => 0,
        }
    };
    if length > exact.saturating_mul(4) {
        settle_members(words, objects, exact);
    }
}

pub(crate) fn merge_members(
    words: &mut Words,
    objects: &mut Objects,
    (other, others): (&Words, &Objects),
    exact: usize,
) -> Result<()> {
    match found(other, others) {
        Found::None => {}
        Found::One(member) => add_member(words, objects, member, exact),
        Found::List(list) => merge_list(words, objects, list, exact),
        Found::Hll(sketch) => {
            let mut union = HllUnion::new(HLL_LG_K).map_err(|e| CoreError::internal(e.to_string()))?;
            union.update(sketch);
            match found(words, objects) {
                Found::None => {}
                Found::One(member) => union.update_value(member),
                Found::List(list) => list.iter().for_each(|m| union.update_value(*m)),
                Found::Hll(mine) => union.update(mine),
            }
            let merged = Object::Hll(Box::new(union.to_sketch(HllType::Hll8)));
            match objects.mine(words) {
                Some(place) => *place = merged,
                None => *words = objects.push(merged),
            }
        }
    }
    Ok(())
}

pub(crate) fn put_members(out: &mut Vec<u8>, words: &Words, objects: &Objects) {
    match found(words, objects) {
        Found::None => out.push(NONE),
        Found::One(one) => put_list(out, &[one]),
        Found::List(list) if in_order(list) => put_list(out, list),
        Found::List(list) => {
            let mut list = list.to_vec();
            put_in_order(&mut list);
            put_list(out, &list);
        }
        Found::Hll(sketch) => {
            out.push(HLL);
            put_bytes(out, &sketch.serialize());
        }
    }
}

// Forms of members in bytes. A number's type stands in the upper half of the form, for it is all of the member's upper half.
const NONE: u8 = 0;
const WHOLE: u8 = 1;
const NUMBERS: u8 = 2;
const HLL: u8 = 3;
const NUMBER: u8 = 4;

/// Sorted members: whole, or numbers by their steps.
fn put_list(out: &mut Vec<u8>, list: &[u128]) {
    let upper = list.first().map_or(0, |first| split(*first).1);
    let numbers = list.last().is_some_and(|last| split(*last).1 == upper) && upper << 4 == 0;
    let kind = (upper >> 60) as u8;
    match list {
        [one] if numbers => {
            out.push(NUMBER | kind << 4);
            put_u64(out, *one as u64);
        }
        _ if numbers => {
            out.push(NUMBERS | kind << 4);
            put_u64(out, list.len() as u64);
            let mut last = 0;
            for member in list {
                put_u64(out, (*member as u64).wrapping_sub(last));
                last = *member as u64;
            }
        }
        _ => {
            out.push(WHOLE);
            put_u64(out, list.len() as u64);
            list.iter().for_each(|m| out.extend_from_slice(&m.to_le_bytes()));
        }
    }
}

/// Append members that were written in one of the forms of lists.
fn take_list(take: &mut Take<'_>, form: u8, members: &mut Vec<u128>) -> Result<()> {
    let upper = u128::from(form >> 4) << 124;
    let mut last = 0u64;
    for _ in 0..take.u64()? {
        members.push(match form {
            WHOLE => u128::from_le_bytes(take.array()?),
            _ => {
                last = last.wrapping_add(take.u64()?);
                upper | u128::from(last)
            }
        });
    }
    Ok(())
}

pub(crate) fn take_members(take: &mut Take<'_>, words: &mut Words, objects: &mut Objects) -> Result<()> {
    *words = match take.u8()? {
        NONE => return Ok(()),
        form if form & 15 == NUMBER => [ONE, take.u64()?, u64::from(form >> 4) << 60],
        form if form != HLL => {
            let from = objects.members.len();
            take_list(take, form, &mut objects.members)?;
            objects.span_from(from)
        }
        _ => {
            let sketch = HllSketch::deserialize(take.bytes()?).map_err(|e| damaged_sketch(&e))?;
            objects.push(Object::Hll(Box::new(sketch)))
        }
    };
    Ok(())
}

pub(crate) fn show_distinct(words: &Words, objects: &Objects, exact: usize) -> Shown {
    let estimate = |sketch: &HllSketch| Shown::Distinct(sketch.estimate().round() as u64, false);
    match found(words, objects) {
        Found::None => Shown::Distinct(0, true),
        Found::One(_) => Shown::Distinct(1, true),
        Found::Hll(sketch) => estimate(sketch),
        Found::List(list) => {
            let mut object = Object::Members(list.to_vec());
            settle_object(&mut object, exact);
            match object {
                Object::Members(list) => Shown::Distinct(list.len() as u64, true),
                Object::Hll(sketch) => estimate(&sketch),
                _ => Shown::Null,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const EXACT: usize = 20;

    fn bytes_of(words: &Words, objects: &Objects) -> Vec<u8> {
        let mut out = vec![];
        put_members(&mut out, words, objects);
        out
    }

    fn bytes_of_set(set: &BTreeSet<u128>) -> Vec<u8> {
        let (mut objects, list) = (Objects::default(), set.iter().copied().collect::<Vec<_>>());
        let words = match list.as_slice() {
            [] => Words::default(),
            list => objects.put_span(list),
        };
        bytes_of(&words, &objects)
    }

    fn shown(words: &Words, objects: &Objects) -> (u64, bool) {
        match show_distinct(words, objects, EXACT) {
            Shown::Distinct(number, exact) => (number, exact),
            _ => (u64::MAX, false),
        }
    }

    proptest! {
        #[test]
        fn gathered_members_are_those_that_were_added(
            added in prop::collection::vec((0u32..5, 0u128..30), 0..200),
            upper in prop::sample::select(vec![0u128, 3 << 124, 1 << 70]),
        ) {
            let (mut objects, mut cells) = (Objects::default(), [Words::default(); 6]);
            let mut sets = vec![BTreeSet::new(); 6];
            for (row, member) in added {
                objects.add(1, row, upper | member);
                sets[row as usize].insert(upper | member);
            }
            objects.gather(1, cells.iter_mut(), EXACT);
            objects.gather(0, cells.iter_mut(), EXACT);
            for (words, set) in cells.iter().zip(&sets) {
                prop_assert_eq!(shown(words, &objects), (set.len() as u64, set.len() <= EXACT));
                if set.len() <= EXACT {
                    prop_assert_eq!(bytes_of(words, &objects), bytes_of_set(set));
                }
            }
        }

        #[test]
        fn members_that_come_again_and_again_do_not_let_a_cell_grow(members in prop::collection::vec(0u128..18, 300)) {
            let (mut objects, mut cells) = (Objects::default(), [Words::default(); 2]);
            for (number, member) in members.iter().enumerate() {
                add_member(&mut cells[number % 2], &mut objects, *member, 1_000);
                let held = cells.map(|words| match found(&words, &objects) {
                    Found::List(list) => list.len(),
                    _ => 1,
                });
                prop_assert!(held.iter().all(|held| *held < 32), "{held:?}");
            }
            let mut alone = (Objects::default(), Words::default());
            for member in members {
                add_member(&mut alone.1, &mut alone.0, member, 1_000);
                prop_assert!(alone.0.members.len() < 32, "{}", alone.0.members.len());
            }
        }

        #[test]
        fn cells_that_others_are_merged_into_hold_them_all_whatever_lies_between(
            merged in prop::collection::vec((0usize..3, prop::collection::btree_set(0u128..25, 0..9), any::<bool>()), 0..40),
        ) {
            let (mut objects, mut cells) = (Objects::default(), [Words::default(); 3]);
            let mut sets = vec![BTreeSet::new(); 3];
            for (cell, other, settled) in merged {
                let (mut others, bytes) = (Objects::default(), bytes_of_set(&other));
                let mut words = Words::default();
                take_members(&mut Take(&bytes), &mut words, &mut others).unwrap();
                prop_assert_eq!(bytes_of(&words, &others), bytes);
                merge_members(&mut cells[cell], &mut objects, (&words, &others), EXACT).unwrap();
                if settled {
                    settle_members(&mut cells[cell], &mut objects, EXACT);
                }
                sets[cell].extend(other);
            }
            for (words, set) in cells.iter_mut().zip(&sets) {
                prop_assert_eq!(shown(words, &objects), (set.len() as u64, set.len() <= EXACT));
                settle_members(words, &mut objects, EXACT);
                prop_assert_eq!(shown(words, &objects), (set.len() as u64, set.len() <= EXACT));
                if set.len() <= EXACT {
                    prop_assert_eq!(bytes_of(words, &objects), bytes_of_set(set));
                }
            }
        }
    }
}
