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
        self.words
            .get(row * layout.width..(row + 1) * layout.width)
            .unwrap_or_default()
    }
    /// Add a zero state and return it with the objects.
    pub fn push(&mut self, group: u32, start: i64, layout: &Layout) -> (&mut [u64], &mut Objects) {
        self.groups.push(group);
        self.starts.push(start);
        let at = self.words.len();
        self.words.resize(at + layout.width, 0);
        (self.words.get_mut(at..).unwrap_or_default(), &mut self.objects)
    }
    /// No rows, with room for as many as `other` has.
    pub fn with_capacity_of(other: &Rows) -> Rows {
        Rows {
            groups: Vec::with_capacity(other.groups.len()),
            starts: Vec::with_capacity(other.starts.len()),
            words: Vec::with_capacity(other.words.len()),
            objects: Objects::with_capacity(other.objects.len()),
        }
    }
    fn clear(&mut self) {
        self.groups.clear();
        self.starts.clear();
        self.words.clear();
        self.objects.clear();
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
            append(
                &mut sorted.rows,
                layout,
                ((key >> 32) as u32, *start),
                list,
                row as usize,
            )?;
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
        layout.copy(
            &mut rows.words,
            &mut rows.objects,
            from.state(row, layout),
            &from.objects,
        );
        return Ok(());
    }
    let (words, objects) = rows.last_state(layout);
    layout.merge(words, objects, from.state(row, layout), &from.objects)
}

/// Visit the cells of sorted rows over coarser starts: group, start, state. `start_of` must be monotone, so rows that become
/// one cell are neighbours; a row that stays alone is shown as it is.
pub fn for_each_cell(
    layout: &Layout,
    sorted: &Rows,
    mut start_of: impl FnMut(i64) -> i64,
    mut visit: impl FnMut(u32, i64, &[u64], &Objects) -> Result<()>,
) -> Result<()> {
    let mut known = (i64::MIN, start_of(i64::MIN));
    let mut start_at = |row: usize| {
        let start = sorted.starts.get(row).copied().unwrap_or(i64::MIN);
        if start != known.0 {
            known = (start, start_of(start));
        }
        known.1
    };
    let mut sum = Rows::default();
    let mut row = 0;
    while let Some(&group) = sorted.groups.get(row) {
        let (first, start) = (row, start_at(row));
        row += 1;
        while sorted.groups.get(row) == Some(&group) && start_at(row) == start {
            row += 1;
        }
        if row == first + 1 {
            visit(group, start, sorted.state(first, layout), &sorted.objects)?;
            continue;
        }
        sum.clear();
        for part in first..row {
            append(&mut sum, layout, (group, start), sorted, part)?;
        }
        visit(group, start, &sum.words, &sum.objects)?;
    }
    Ok(())
}

/// The same rows over coarser starts, as rows.
pub fn coarsen(layout: &Layout, sorted: &Rows, start_of: impl FnMut(i64) -> i64) -> Result<Rows> {
    let mut rows = Rows::default();
    for_each_cell(layout, sorted, start_of, |group, start, words, objects| {
        rows.groups.push(group);
        rows.starts.push(start);
        layout.copy(&mut rows.words, &mut rows.objects, words, objects);
        Ok(())
    })?;
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
