//! Cells as rows: (group, instant) with a state, in columns; and what is done with many of them at once.
use crate::error::Result;
use crate::intern::{Dictionary, Strings};
use crate::measure::{Layout, Objects};
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
    /// Bytes in memory, roughly (objects by a flat guess).
    pub fn size(&self) -> usize {
        self.groups.len() * 12 + self.words.len() * 8 + self.objects.len() * 96
    }
    pub fn state(&self, row: usize, layout: &Layout) -> &[u64] {
        self.words.get(row * layout.width..(row + 1) * layout.width).unwrap_or_default()
    }
    /// Add a zero state and return it with the objects.
    pub fn push(&mut self, group: u32, start: i64, layout: &Layout) -> (&mut [u64], &mut Objects) {
        self.groups.push(group);
        self.starts.push(start);
        let at = self.words.len();
        self.words.resize(at + layout.width, 0);
        (self.words.get_mut(at..).unwrap_or_default(), &mut self.objects)
    }
    fn reserve(&mut self, rows: usize, layout: &Layout) {
        self.groups.reserve(rows);
        self.starts.reserve(rows);
        self.words.reserve(rows * layout.width);
    }
    fn last_state(&mut self, layout: &Layout) -> (&mut [u64], &mut Objects) {
        let at = self.words.len().saturating_sub(layout.width);
        (self.words.get_mut(at..).unwrap_or_default(), &mut self.objects)
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

/// Rows in the order (group key, start), one per pair; `keys` holds the group keys in ascending order.
#[derive(Default)]
pub struct Sorted {
    pub keys: Strings,
    pub rows: Rows,
}

/// Merge many lists of rows over the same group keys into one sorted list, each key mapped by `project` first.
pub fn sort_merge(
    layout: &Layout,
    keys: &Strings,
    lists: &[&Rows],
    project: impl Fn(&[u8], &mut Vec<u8>) -> Result<()>,
) -> Result<Sorted> {
    let (sub_of, sub_keys) = project_keys(keys, project)?;
    let mut by_key: Vec<u32> = (0..sub_keys.len() as u32).collect();
    by_key.sort_unstable_by(|a, b| sub_keys.get(*a).cmp(sub_keys.get(*b)));
    let mut rank_of = vec![0u32; by_key.len()];
    let mut sorted = Sorted::default();
    for (rank, &code) in by_key.iter().enumerate() {
        sorted.keys.push(sub_keys.get(code));
        if let Some(place) = rank_of.get_mut(code as usize) {
            *place = rank as u32;
        }
    }
    let starts = distinct_starts(lists);
    let mut order: Vec<(u64, u32, u32)> = Vec::with_capacity(lists.iter().map(|l| l.len()).sum());
    for (number, list) in lists.iter().enumerate() {
        let mut last = (i64::MIN, 0);
        for (row, (&group, start)) in list.groups.iter().zip(&list.starts).enumerate() {
            if *start != last.0 {
                last = (*start, starts.binary_search(start).map_err(|_| Short)? as u64);
            }
            let sub = sub_of.get(group as usize).copied().ok_or(Short)?;
            let rank = rank_of.get(sub as usize).copied().unwrap_or(0);
            order.push((u64::from(rank) << 32 | last.1, number as u32, row as u32));
        }
    }
    order.sort_unstable();
    sorted.rows.reserve(order.len(), layout);
    for (key, number, row) in order {
        if let (Some(list), Some(start)) = (lists.get(number as usize), starts.get(key as u32 as usize)) {
            append(&mut sorted.rows, layout, ((key >> 32) as u32, *start), list, row as usize)?;
        }
    }
    Ok(sorted)
}

/// All starts, ascending: few, since events that come together happened together.
fn distinct_starts(lists: &[&Rows]) -> Vec<i64> {
    let mut starts = std::collections::BTreeSet::new();
    for list in lists {
        let mut last = None;
        for start in &list.starts {
            if last != Some(*start) {
                starts.insert(*start);
                last = Some(*start);
            }
        }
    }
    starts.into_iter().collect()
}

/// For each key the code of its projection, and the distinct projections.
fn project_keys(keys: &Strings, project: impl Fn(&[u8], &mut Vec<u8>) -> Result<()>) -> Result<(Vec<u32>, Strings)> {
    let mut subs = Dictionary::default();
    let mut scratch = vec![];
    let mut sub_of = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        scratch.clear();
        project(key, &mut scratch)?;
        sub_of.push(subs.code(&scratch));
    }
    Ok((sub_of, subs.strings))
}

/// Append a row, or merge it into the last one if that is the same cell.
fn append(rows: &mut Rows, layout: &Layout, cell: (u32, i64), from: &Rows, row: usize) -> Result<()> {
    if rows.groups.last() != Some(&cell.0) || rows.starts.last() != Some(&cell.1) {
        rows.groups.push(cell.0);
        rows.starts.push(cell.1);
        layout.copy(&mut rows.words, &mut rows.objects, from.state(row, layout), &from.objects);
        return Ok(());
    }
    let (words, objects) = rows.last_state(layout);
    layout.merge(words, objects, from.state(row, layout), &from.objects)
}

/// The same rows over coarser starts. `start_of` must be monotone, so rows that become one are neighbours.
pub fn coarsen(layout: &Layout, sorted: &Rows, mut start_of: impl FnMut(i64) -> i64) -> Result<Rows> {
    let mut rows = Rows::default();
    for (row, (&group, &start)) in sorted.groups.iter().zip(&sorted.starts).enumerate() {
        append(&mut rows, layout, (group, start_of(start)), sorted, row)?;
    }
    Ok(rows)
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
