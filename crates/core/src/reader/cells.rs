//! Cells that add up: by group and start of the window, and by group alone.
use hashbrown::HashMap;

use crate::error::Result;
use crate::intern::Dictionary;
use crate::measure::{Layout, Objects};
use crate::rows::Rows;
use crate::wire::{Short, Take};

const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(crate) struct Cells {
    pub groups: Dictionary,
    pub rows: Rows,
    places: HashMap<(u32, i64), u32>,
    /// The newest row of each group, and for each row the one before it in its group.
    newest: Vec<u32>,
    before: Vec<u32>,
    /// The group that was asked for last: many cells of one come together.
    last: Option<u32>,
    /// Room for a state that is read.
    read: Vec<u64>,
}

impl Cells {
    /// The code of a group, which it gets at first sight.
    pub fn group(&mut self, group: &[u8]) -> u32 {
        if let Some(last) = self.last.filter(|last| self.groups.strings.get(*last) == group) {
            return last;
        }
        let code = self.groups.code(group);
        self.last = Some(code);
        self.newest.resize(self.groups.strings.len(), NONE);
        code
    }

    /// The row of a cell, which it gets at first sight.
    pub fn row(&mut self, group: u32, start: i64, layout: &Layout) -> usize {
        let Cells {
            rows,
            places,
            newest,
            before,
            ..
        } = self;
        let row = *places.entry((group, start)).or_insert_with(|| {
            rows.push(group, start, layout);
            let row = rows.len() as u32 - 1;
            let last = newest.get_mut(group as usize);
            before.push(last.map_or(NONE, |last| std::mem::replace(last, row)));
            row
        });
        row as usize
    }

    /// A row for a cell that comes once and is not looked for again.
    pub fn push(&mut self, group: u32, start: i64, layout: &Layout) -> usize {
        self.rows.push(group, start, layout);
        self.rows.len() - 1
    }

    /// Add to the state of a row.
    pub fn add(&mut self, row: usize, state: &[u64], objects: &Objects, layout: &Layout) -> Result<()> {
        let places = row * layout.width..(row + 1) * layout.width;
        let words = self.rows.words.get_mut(places).ok_or(Short)?;
        layout.merge(words, &mut self.rows.objects, state, objects)
    }

    /// Add a state that was written as bytes.
    pub fn add_bytes(&mut self, row: usize, bytes: &[u8], layout: &Layout) -> Result<()> {
        let places = row * layout.width..(row + 1) * layout.width;
        let words = self.rows.words.get_mut(places).ok_or(Short)?;
        if words.first() == Some(&0) {
            // No event is in it yet.
            return layout.decode(&mut Take(bytes), words, &mut self.rows.objects);
        }
        let (mut state, mut objects) = (std::mem::take(&mut self.read), Objects::default());
        state.clear();
        state.resize(layout.width, 0);
        layout.decode(&mut Take(bytes), &mut state, &mut objects)?;
        self.add(row, &state, &objects, layout)?;
        self.read = state;
        Ok(())
    }

    /// As `add`, for states that are kept and added to again: repeats among their members are removed.
    pub fn add_settled(&mut self, row: usize, state: &[u64], objects: &Objects, layout: &Layout) -> Result<()> {
        self.add(row, state, objects, layout)?;
        let Rows { words, objects, .. } = &mut self.rows;
        let words = words.get_mut(row * layout.width..).unwrap_or_default();
        layout.settle(words, objects);
        Ok(())
    }

    /// The row of a cell, if there is one.
    pub fn find(&self, group: &[u8], start: i64) -> Option<usize> {
        let group = self.groups.find(group)?;
        self.places.get(&(group, start)).map(|row| *row as usize)
    }

    /// The rows of a group, the newest first.
    pub fn rows_of(&self, group: u32) -> impl Iterator<Item = usize> {
        let existing = |row: u32| Some(row).filter(|row| *row != NONE);
        let newest = self.newest.get(group as usize).copied().and_then(existing);
        std::iter::successors(newest, move |row| {
            self.before.get(*row as usize).copied().and_then(existing)
        })
        .map(|row| row as usize)
    }

    pub fn start(&self, row: usize) -> i64 {
        self.rows.starts.get(row).copied().unwrap_or(i64::MIN)
    }

    /// The group of a row.
    pub fn key(&self, row: usize) -> &[u8] {
        self.groups
            .strings
            .get(self.rows.groups.get(row).copied().unwrap_or(NONE))
    }
}
