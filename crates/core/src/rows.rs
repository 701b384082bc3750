//! Cells as rows: (group, instant) with a state, in columns; and what is done with many of them at once.
use std::cmp::Ordering;
use std::rc::Rc;

use hashbrown::HashSet;

use crate::error::Result;
use crate::fold::BURST;
use crate::intern::{Dictionary, Strings};
use crate::machine::prefetch;
use crate::measure::{Layout, Objects};
use crate::members::put_in_order_of;
use crate::wire::{Short, Take, put_i64, put_u64, skip_dim};

/// Rows of one dimension set. `groups[i]` is a code into the set's group keys; `starts[i]` the start of an atom or window.
#[derive(Clone, Default)]
pub struct Rows {
    pub groups: Vec<u32>,
    pub starts: Vec<i64>,
    pub words: Vec<u64>,
    pub objects: Objects,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.groups.len()
    }
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
    /// Bytes in memory, roughly.
    pub fn size(&self) -> usize {
        self.groups.len() * 12 + self.words.len() * 8 + self.objects.size()
    }
    pub fn state(&self, row: usize, layout: &Layout) -> &[u64] {
        self.words
            .get(row * layout.width..(row + 1) * layout.width)
            .unwrap_or_default()
    }
    /// A state will be read soon: it may lie in two cache lines.
    #[inline]
    pub fn expect(&self, row: usize, layout: &Layout) {
        prefetch(&self.words, row * layout.width);
        prefetch(&self.words, (row + 1) * layout.width - 1);
    }
    /// Add a zero state and return it with the objects.
    pub fn push(&mut self, group: u32, start: i64, layout: &Layout) -> (&mut [u64], &mut Objects) {
        self.groups.push(group);
        self.starts.push(start);
        let at = self.words.len();
        self.words.resize(at + layout.width, 0);
        (self.words.get_mut(at..).unwrap_or_default(), &mut self.objects)
    }
    /// Bring all states that were added to into their final form.
    pub fn gather(&mut self, layout: &Layout) {
        layout.gather(&mut self.words, &mut self.objects);
    }
    /// No rows, with room for so many.
    pub fn with_room(rows: usize, width: usize, objects: Objects) -> Rows {
        Rows {
            groups: Vec::with_capacity(rows),
            starts: Vec::with_capacity(rows),
            words: Vec::with_capacity(rows * width),
            objects,
        }
    }
    pub fn encode(&self, layout: &Layout, out: &mut Vec<u8>) {
        put_u64(out, self.len() as u64);
        let mut last = 0i64;
        for (row, (&group, &start)) in self.groups.iter().zip(&self.starts).enumerate() {
            put_u64(out, u64::from(group));
            put_i64(out, start.wrapping_sub(last));
            last = start;
            layout.encode(self.state(row, layout), &self.objects, out);
        }
    }

    pub fn decode(take: &mut Take<'_>, layout: &Layout) -> Result<Rows> {
        let mut rows = Rows::default();
        let n = take.u64()?;
        let mut last = 0i64;
        for _ in 0..n {
            let group = u32::try_from(take.u64()?).map_err(|_| Short)?;
            last = last.wrapping_add(take.i64()?);
            let (words, objects) = rows.push(group, last, layout);
            layout.decode(take, words, objects)?;
        }
        Ok(rows)
    }
}

/// Where a row lies, and where it belongs: the rank of its group's key and of its start.
#[derive(Clone, Copy, Default)]
struct Place {
    group: u32,
    start: u32,
    list: u32,
    row: u32,
}

/// Rows that are counted elsewhere, or were made by adding some of them up.
#[derive(Clone)]
enum List<'a> {
    Given(&'a Rows),
    Made(Rc<Rows>),
}

impl List<'_> {
    #[inline]
    fn rows(&self) -> &Rows {
        match self {
            List::Given(rows) => rows,
            List::Made(rows) => rows,
        }
    }
}

/// The rows of some lists in the order (group key, start). No row is copied.
#[derive(Clone)]
pub struct Sorted<'a> {
    /// The group keys, ascending.
    pub keys: Rc<Strings>,
    lists: Vec<List<'a>>,
    pub starts: Vec<i64>,
    places: Rc<Vec<Place>>,
    /// Whether each cell is one row.
    is_added_up: bool,
    /// Of each row of the last list, if it was made by adding up, of how many rows.
    made_of: Rc<Vec<u32>>,
}

impl<'a> Sorted<'a> {
    /// Rows over common group keys, without the groups whose keys are not wanted.
    pub fn of(keys: &Strings, lists: &'a [Rows], wanted: impl Fn(&[u8]) -> bool) -> Sorted<'a> {
        let (keys, ranks) = rank(keys, wanted);
        let starts = distinct_starts(lists);
        let mut places = Vec::with_capacity(lists.iter().map(Rows::len).sum());
        for (number, list) in lists.iter().enumerate() {
            let mut last = (i64::MIN, 0);
            for (row, (&group, start)) in list.groups.iter().zip(&list.starts).enumerate() {
                if *start != last.0 {
                    last = (*start, starts.partition_point(|s| s < start) as u32);
                }
                if let Some(&group) = ranks.get(group as usize).filter(|rank| **rank != UNWANTED) {
                    places.push(Place {
                        group,
                        start: last.1,
                        list: number as u32,
                        row: row as u32,
                    });
                }
            }
        }
        Sorted {
            places: Rc::new(by_group(&places, keys.len())),
            keys: Rc::new(keys),
            lists: lists.iter().map(List::Given).collect(),
            starts,
            is_added_up: false,
            made_of: Rc::default(),
        }
    }

    /// The same rows under the dimension values at `positions` of their group keys.
    pub fn project(&self, positions: &[usize]) -> Result<Sorted<'a>> {
        let (ranks, keys) = project_keys(&self.keys, positions)?;
        let moved = |place: &Place| Place {
            group: ranks.get(place.group as usize).copied().unwrap_or(0),
            ..*place
        };
        let mut places: Vec<Place> = self.places.iter().map(moved).collect();
        if places.is_sorted_by_key(|place| place.group) {
            by_start(&mut places);
        } else {
            places = by_group(&places, keys.len());
        }
        Ok(Sorted {
            places: Rc::new(places),
            keys: Rc::new(keys),
            is_added_up: false,
            made_of: Rc::default(),
            ..self.clone()
        })
    }

    /// Cells over coarser starts: the rows that become one are added up. `start_of` must be monotone.
    pub fn coarsen(&self, layout: &Layout, start_of: impl FnMut(i64) -> i64) -> Result<Sorted<'a>> {
        let moved: Vec<i64> = self.starts.iter().copied().map(start_of).collect();
        let mut starts = moved.clone();
        starts.dedup();
        if self.is_added_up && starts.len() == moved.len() {
            return Ok(Sorted { starts, ..self.clone() });
        }
        let number_of = |at: u32| {
            let start = moved.get(at as usize).copied().unwrap_or(i64::MIN);
            starts.partition_point(|s| *s < start) as u32
        };
        let numbers: Vec<u32> = (0..moved.len() as u32).map(number_of).collect();
        let cell_of = |place: &Place| (place.group, numbers.get(place.start as usize).copied().unwrap_or(0));
        let made = self.lists.len() as u32;
        let cells = || self.places.chunk_by(|a, b| cell_of(a) == cell_of(b));
        let (count, several) = cells().fold((0, 0), |(count, several), rows| {
            (count + 1, several + usize::from(rows.len() > 1))
        });
        let mut sums = Rows::with_room(several, layout.width, Objects::default());
        let mut made_of = Vec::with_capacity(several);
        let mut places = Vec::with_capacity(count);
        let (mut from, mut asked) = (0, 0);
        for rows in cells() {
            let [first, ..] = rows else { continue };
            let (group, start) = cell_of(first);
            let (list, row) = match rows {
                [one] => (one.list, one.row),
                _ => {
                    made_of.push(rows.len() as u32);
                    (made, self.sum(from..from + rows.len(), &mut asked, layout, &mut sums)?)
                }
            };
            places.push(Place {
                group,
                start,
                list,
                row,
            });
            from += rows.len();
        }
        let mut lists = self.lists.clone();
        lists.push(List::Made(Rc::new(sums)));
        Ok(Sorted {
            keys: self.keys.clone(),
            lists,
            starts,
            places: Rc::new(places),
            is_added_up: true,
            made_of: Rc::new(made_of),
        })
    }

    /// Rows of one cell are added up.
    pub fn added_up(&self, layout: &Layout) -> Result<Sorted<'a>> {
        self.coarsen(layout, |start| start)
    }

    /// Append the sum of the rows at some places; where it stands is returned.
    fn sum(&self, range: std::ops::Range<usize>, asked: &mut usize, layout: &Layout, sums: &mut Rows) -> Result<u32> {
        let (words, objects) = sums.push(0, 0, layout);
        for number in range {
            self.expect(number, asked, layout);
            let place = self.places.get(number).ok_or(Short)?;
            let list = self.lists.get(place.list as usize).ok_or(Short)?.rows();
            layout.merge(words, objects, list.state(place.row as usize, layout), &list.objects)?;
        }
        layout.settle(words, objects);
        Ok(sums.len() as u32 - 1)
    }

    /// Whether these are the rows of another one, one for one, under other starts.
    pub fn has_the_rows_of(&self, other: &Sorted<'_>) -> bool {
        Rc::ptr_eq(&self.places, &other.places)
    }

    /// Group and start of each row, in order.
    pub fn cells(&self) -> impl Iterator<Item = (u32, i64)> {
        let start_of = |place: &Place| self.starts.get(place.start as usize).copied().unwrap_or(0);
        self.places.iter().map(move |place| (place.group, start_of(place)))
    }

    /// Visit the rows in order: group, start, state.
    pub fn for_each(
        &self,
        layout: &Layout,
        mut visit: impl FnMut(u32, i64, &[u64], &Objects) -> Result<()>,
    ) -> Result<()> {
        let mut asked = 0;
        for (number, place) in self.places.iter().enumerate() {
            self.expect(number, &mut asked, layout);
            let list = self.lists.get(place.list as usize).ok_or(Short)?.rows();
            let start = self.starts.get(place.start as usize).copied().ok_or(Short)?;
            visit(
                place.group,
                start,
                list.state(place.row as usize, layout),
                &list.objects,
            )?;
        }
        Ok(())
    }

    /// Of rows that were made out of finer ones, in order: of how many, and the state of those that were added up.
    pub fn for_each_made(
        &self,
        layout: &Layout,
        mut visit: impl FnMut(usize, Option<(&[u64], &Objects)>) -> Result<()>,
    ) -> Result<()> {
        let (last, rows) = self
            .lists
            .split_last()
            .map_or((0, None), |(rows, before)| (before.len(), Some(rows.rows())));
        let rows = rows.ok_or(Short)?;
        for place in self.places.iter() {
            match self.made_of.get(place.row as usize) {
                Some(finer) if place.list as usize == last => {
                    let state = rows.state(place.row as usize, layout);
                    visit(*finer as usize, Some((state, &rows.objects)))?;
                }
                _ => visit(1, None)?,
            }
        }
        Ok(())
    }

    /// The states from a place on will be read soon. `asked`: how far they were asked for.
    #[inline]
    fn expect(&self, number: usize, asked: &mut usize, layout: &Layout) {
        if number >= *asked {
            *asked = number + BURST;
            let places = self.places.iter().skip(number).take(BURST);
            let rows = |place: &Place| Some((self.lists.get(place.list as usize)?.rows(), place.row as usize));
            let burst = || places.clone().filter_map(rows);
            burst().for_each(|(rows, row)| rows.expect(row, layout));
            burst().for_each(|(rows, row)| layout.expect(rows.state(row, layout), &rows.objects));
        }
    }
}

const UNWANTED: u32 = u32::MAX;

/// The wanted strings in ascending order, each once, and for each string its place there, or `UNWANTED`.
fn rank(strings: &Strings, wanted: impl Fn(&[u8]) -> bool) -> (Strings, Vec<u32>) {
    let numbered = strings.iter().zip(0u32..).filter(|(string, _)| wanted(string));
    let mut order: Vec<(u128, u32)> = numbered.map(|(string, code)| (prefix(string), code)).collect();
    order.sort_unstable_by(|a, b| match a.0.cmp(&b.0) {
        Ordering::Equal => strings.get(a.1).cmp(strings.get(b.1)),
        unequal => unequal,
    });
    let mut ranks = vec![UNWANTED; strings.len()];
    let mut sorted = Strings::with_capacity_of(strings);
    for (_, code) in order {
        let string = strings.get(code);
        let rank = match sorted.last() {
            Some(last) if last == string => sorted.len() as u32 - 1,
            _ => sorted.push(string),
        };
        if let Some(place) = ranks.get_mut(code as usize) {
            *place = rank;
        }
    }
    (sorted, ranks)
}

/// The first bytes as a number, so that most comparisons are one of numbers.
fn prefix(string: &[u8]) -> u128 {
    let mut first = [0; 16];
    let length = string.len().min(16);
    if let (Some(to), Some(from)) = (first.get_mut(..length), string.get(..length)) {
        to.copy_from_slice(from);
    }
    u128::from_be_bytes(first)
}

/// Places in the order of their groups, and of their starts within each.
fn by_group(places: &[Place], groups: usize) -> Vec<Place> {
    let mut ordered = vec![];
    put_in_order_of(places.iter().map(|place| (place.group, *place)), groups, &mut ordered);
    by_start(&mut ordered);
    ordered
}

/// Those of each group come in the order of their starts.
fn by_start(places: &mut [Place]) {
    for group in places.chunk_by_mut(|a, b| a.group == b.group) {
        if !group.is_sorted_by_key(|place| place.start) {
            group.sort_unstable_by_key(|place| (place.start, place.list, place.row));
        }
    }
}

/// All starts, ascending: few, since events that come together happened together.
fn distinct_starts(lists: &[Rows]) -> Vec<i64> {
    let changes = lists.iter().flat_map(|list| list.starts.chunk_by(|a, b| a == b));
    let distinct: HashSet<i64> = changes.filter_map(|same| same.first().copied()).collect();
    let mut starts: Vec<i64> = distinct.into_iter().collect();
    starts.sort_unstable();
    starts
}

/// For each of some ascending keys the place of its projection among the distinct ones, ascending.
fn project_keys(keys: &Strings, positions: &[usize]) -> Result<(Vec<u32>, Strings)> {
    // Where the first dimensions are kept, in their order, the projections ascend as the keys do.
    if positions.iter().copied().eq(0..positions.len()) {
        let (mut ranks, mut strings) = (Vec::with_capacity(keys.len()), Strings::default());
        for key in keys.iter() {
            let mut rest = Take(key);
            for _ in positions {
                skip_dim(&mut rest)?;
            }
            let first = key.get(..key.len() - rest.0.len()).unwrap_or_default();
            ranks.push(match strings.last() {
                Some(last) if last == first => strings.len() as u32 - 1,
                _ => strings.push(first),
            });
        }
        return Ok((ranks, strings));
    }
    let mut subs = Dictionary::default();
    let (mut codes, mut scratch) = (Vec::with_capacity(keys.len()), vec![]);
    for key in keys.iter() {
        scratch.clear();
        pick_dims(key, positions, &mut scratch)?;
        codes.push(subs.code(&scratch));
    }
    let (keys, ranks) = rank(&subs.strings, |_| true);
    let rank_of = |code: u32| ranks.get(code as usize).copied().unwrap_or(0);
    Ok((codes.into_iter().map(rank_of).collect(), keys))
}

/// Copy the dimension values at `positions` of a group key, in that order.
pub fn pick_dims(key: &[u8], positions: &[usize], out: &mut Vec<u8>) -> Result<()> {
    let mut dims: Vec<&[u8]> = Vec::with_capacity(8);
    let mut take = Take(key);
    while !take.is_empty() {
        dims.push(skip_dim(&mut take)?);
    }
    for &at in positions {
        out.extend_from_slice(dims.get(at).ok_or(Short)?);
    }
    Ok(())
}
