//! Fold: an accepted event changes its cells. Only the finest instants (atoms) and the largest dimension sets are folded
//! per event; coarser grains and smaller sets are derived from them (`rollup`).
use crate::batch::{Batch, Value};
use crate::error::Result;
use crate::identity::Key;
use crate::intern::{Codes, DimCodes, Groups, Strings};
use crate::kept::{Kept, OTHER_CODE};
use crate::machine::prefetch;
use crate::measure::{Layout, Objects};
use crate::plan::{Metric, Plan};
use crate::rows::Rows;
use crate::windows::Calendar;
use crate::wire::OTHER_DIM;

/// Memory is asked for of so many events at once: the processor waits for where an address lies before it goes on to other
/// work, but finds out many of them together.
pub const BURST: usize = 32;

/// The dimension sets of a metric: which are folded (`base`) and from which bases each set can be derived. Where dimension
/// values are bounded nothing is derived: which have rows of their own is another question in each set.
#[derive(Clone, Debug)]
pub struct Sets {
    /// Indices of the base sets.
    pub bases: Vec<usize>,
    /// For each set the bases that hold it; itself alone if it is one.
    from: Vec<Vec<Source>>,
}

/// A base (index into `bases`) and the positions of a set's dimensions in it.
pub type Source = (usize, Vec<usize>);

impl Sets {
    pub fn of(metric: &Metric) -> Sets {
        let holds = |big: &[usize], small: &[usize]| small.iter().all(|d| big.contains(d));
        let bases: Vec<usize> = (0..metric.sets.len())
            .filter(|&i| {
                let me = metric.sets.get(i).map_or(&[][..], |s| s);
                metric.values_max.is_some()
                    || !metric
                        .sets
                        .iter()
                        .enumerate()
                        .any(|(j, other)| j != i && holds(other, me) && (other.len() > me.len() || j < i))
            })
            .collect();
        let from = (0..metric.sets.len())
            .map(|set| Self::sources(metric, &bases, set))
            .collect();
        Sets { bases, from }
    }

    /// Whether a set is folded itself.
    pub fn is_base(&self, set: usize) -> bool {
        self.bases.contains(&set)
    }

    /// Where a set is derived from: out of any base that holds it it is the same, so out of that of the smallest size.
    pub fn smallest<S: Ord>(&self, set: usize, size_of: impl Fn(usize) -> S) -> Option<&Source> {
        self.from.get(set)?.iter().min_by_key(|(base, _)| size_of(*base))
    }

    /// The smallest first.
    fn sources(metric: &Metric, bases: &[usize], set: usize) -> Vec<Source> {
        let dims_of = |set: usize| metric.sets.get(set).map_or(&[][..], |dims| dims);
        let positions = |base: &[usize]| {
            let of = |dim: &usize| base.iter().position(|b| b == dim);
            dims_of(set).iter().map(of).collect::<Option<Vec<_>>>()
        };
        let mine = |(_, base): &(usize, &usize)| !bases.contains(&set) || **base == set;
        let of_base = |(at, base): (usize, &usize)| Some((at, positions(dims_of(*base))?));
        let mut sources: Vec<Source> = bases.iter().enumerate().filter(mine).filter_map(of_base).collect();
        sources.sort_by_key(|(at, _)| bases.get(*at).map_or(0, |base| dims_of(*base).len()));
        sources
    }
}

/// One base set of one metric: its groups and the cells of the running epoch.
struct Base {
    dims: Vec<usize>,
    /// With each group the atom of the cell that was added to last, and its row of `rows`.
    groups: Groups<(u32, u32)>,
    /// Of a set whose dimension values are bounded.
    kept: Option<Kept>,
    /// Keys of the groups that no frame holds yet, in the order of their codes.
    new_keys: Strings,
    /// Group and atom -> row, of groups with several cells in this epoch.
    cells: Codes<u64>,
    rows: Rows,
    /// Out of an epoch that was written, for the next one.
    room: Objects,
    /// Row of each event of the batch.
    places: Vec<u32>,
}

struct MetricFold {
    layout: Layout,
    calendar: Calendar,
    bases: Vec<Base>,
    atoms: Atoms,
    passed: u64,
    /// The events of the batch that pass, and their atoms.
    events: Vec<u32>,
    starts: Vec<(i64, u32)>,
}

/// Atom start -> small code, from 1 on. No epoch has a code of another one.
#[derive(Default)]
struct Atoms {
    /// Codes that epochs before have used.
    before: u32,
    codes: hashbrown::HashMap<i64, u32>,
    last: (i64, u32),
}

impl Atoms {
    #[inline]
    fn code(&mut self, start: i64) -> u32 {
        if self.last.0 != start || self.codes.is_empty() {
            let next = self.before + self.codes.len() as u32 + 1;
            self.last = (start, *self.codes.entry(start).or_insert(next));
        }
        self.last.1
    }

    fn next_epoch(&mut self) {
        self.before += self.codes.len() as u32;
        self.codes.clear();
    }
}

/// What one epoch changed in one base set.
#[derive(Default)]
pub struct Delta {
    pub new_keys: Strings,
    pub rows: Rows,
}

/// A counted event: its time, the metrics that it passes, and its row in the batch.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub event_us: i64,
    pub metrics: u64,
    pub row: u32,
}

/// All metrics' cells of the running epoch.
pub struct Fold {
    metrics: Vec<MetricFold>,
    dims: Vec<Column>,
    key: Key,
}

/// Field values of a batch, by row.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    batch: &'a Batch,
    chunk: &'a [u8],
    fields: usize,
}

impl<'a> Values<'a> {
    pub fn of(batch: &'a Batch, chunk: &'a [u8]) -> Values<'a> {
        Values {
            batch,
            chunk,
            fields: batch.values.len() / batch.rows.len().max(1),
        }
    }

    #[inline]
    fn row(&self, row: u32) -> &'a [Value] {
        let at = row as usize * self.fields;
        self.batch.values.get(at..at + self.fields).unwrap_or_default()
    }
    /// The values of a row will be read soon: another thread has written them.
    #[inline]
    fn expect_row(&self, row: u32) {
        let at = row as usize * self.fields;
        prefetch(&self.batch.values, at);
        prefetch(&self.batch.values, at + self.fields - 1);
    }
    #[inline]
    fn text(&self, value: &Value) -> &'a [u8] {
        match *value {
            Value::Text { in_arena, at, len } => {
                let range = at as usize..at as usize + len as usize;
                self.home(in_arena).get(range).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// A text will be read soon.
    #[inline]
    fn expect(&self, value: &Value) {
        if let Value::Text { in_arena, at, .. } = *value {
            prefetch(self.home(in_arena), at as usize);
        }
    }

    #[inline]
    fn home(&self, in_arena: bool) -> &'a [u8] {
        if in_arena { &self.batch.arena } else { self.chunk }
    }
}

impl Fold {
    pub fn new(plan: &Plan) -> Result<Fold> {
        let metrics = plan
            .metrics
            .iter()
            .map(|m| MetricFold::new(m, plan))
            .collect::<Result<Vec<_>>>()?;
        let is_dim = |field: &usize| plan.metrics.iter().any(|m| m.sets.iter().flatten().any(|d| d == field));
        let dims = (0..plan.fields.len())
            .filter(is_dim)
            .map(|f| (f, DimCodes::default(), vec![]))
            .collect();
        Ok(Fold {
            metrics,
            dims,
            key: Key::of(plan)?,
        })
    }

    /// Fold the counted events of a batch: column by column, so that the memory of many events is fetched at once.
    pub fn add(&mut self, events: &[Counted], values: Values<'_>) {
        for (field, dictionary, codes) in &mut self.dims {
            codes.clear();
            let value_of = |event: &Counted| values.row(event.row).get(*field).copied().unwrap_or_default();
            let mut bursts = events.chunks(BURST).peekable();
            while let Some(burst) = bursts.next() {
                let next = bursts.peek().copied().unwrap_or_default();
                next.iter().for_each(|event| values.expect_row(event.row));
                for event in burst {
                    let value = value_of(event);
                    dictionary.expect(&value);
                    values.expect(&value);
                }
                for event in burst {
                    let value = value_of(event);
                    codes.push(dictionary.code(&value, values.text(&value)));
                }
            }
        }
        for (number, metric) in self.metrics.iter_mut().enumerate() {
            metric.select(number, events);
            for base in &mut metric.bases {
                base.find_rows(
                    &metric.events,
                    &metric.starts,
                    &self.dims,
                    metric.atoms.before,
                    &metric.layout,
                );
                base.add(&metric.events, events, values, &metric.layout, &self.key);
            }
        }
    }

    /// Take what the epoch changed: per metric the number of events that passed, and a delta per base set.
    pub fn take(&mut self) -> Vec<(u64, Vec<Delta>)> {
        self.metrics.iter_mut().map(MetricFold::take).collect()
    }

    /// What an epoch had room for is used again.
    pub fn take_room(&mut self, written: &mut [(u64, Vec<Delta>)]) {
        for (metric, (_, deltas)) in self.metrics.iter_mut().zip(written) {
            for (base, delta) in metric.bases.iter_mut().zip(deltas) {
                base.room = delta.rows.objects.take_room();
            }
        }
    }

    /// Forget all codes: only after a checkpoint, when no frame refers to them any more.
    pub fn reset(&mut self) {
        self.dims.iter_mut().for_each(|(_, dictionary, _)| dictionary.clear());
        for metric in &mut self.metrics {
            metric.atoms = Atoms::default();
            for base in &mut metric.bases {
                base.groups.clear();
                base.room = Objects::default();
                base.kept.iter_mut().for_each(Kept::forget_codes);
            }
        }
    }

    /// A group that the store holds.
    pub fn remember(&mut self, metric: usize, base: usize, group: &[u8]) {
        let base = self.metrics.get_mut(metric).and_then(|m| m.bases.get_mut(base));
        if let Some(kept) = base.and_then(|b| b.kept.as_mut()) {
            kept.remember(group);
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        let dictionaries: usize = self.dims.iter().map(|(_, dictionary, _)| dictionary.size()).sum();
        let bases = self.metrics.iter().flat_map(|m| &m.bases);
        dictionaries + bases.map(Base::size).sum::<usize>()
    }
}

impl MetricFold {
    fn new(metric: &Metric, plan: &Plan) -> Result<MetricFold> {
        let bases = Sets::of(metric).bases;
        let base = |at: &usize| {
            metric
                .sets
                .get(*at)
                .map(|dims| Base::new(dims.clone(), metric.values_max))
        };
        Ok(MetricFold {
            layout: Layout::new(metric, plan)?,
            calendar: Calendar::new(&metric.grains, plan)?,
            bases: bases.iter().filter_map(base).collect(),
            atoms: Atoms::default(),
            passed: 0,
            events: vec![],
            starts: vec![],
        })
    }

    /// Which events pass this metric's own `where`, and in which atoms they lie.
    fn select(&mut self, number: usize, events: &[Counted]) {
        self.events.clear();
        self.starts.clear();
        for (at, event) in events.iter().enumerate() {
            if event.metrics >> number & 1 == 1 {
                let start = self.calendar.atom_of(event.event_us).0;
                self.events.push(at as u32);
                self.starts.push((start, self.atoms.code(start)));
            }
        }
        self.passed += self.events.len() as u64;
    }

    fn take(&mut self) -> (u64, Vec<Delta>) {
        self.atoms.next_epoch();
        let width = self.layout.width;
        let deltas = self.bases.iter_mut().map(|base| base.take(width)).collect();
        (std::mem::take(&mut self.passed), deltas)
    }
}

impl Base {
    fn new(dims: Vec<usize>, values_max: Option<u64>) -> Base {
        Base {
            groups: Groups::default(),
            kept: values_max.filter(|_| !dims.is_empty()).map(Kept::new),
            dims,
            new_keys: Strings::default(),
            cells: Codes::default(),
            rows: Rows::default(),
            room: Objects::default(),
            places: vec![],
        }
    }

    /// Bytes in memory.
    fn size(&self) -> usize {
        let kept = self.kept.as_ref().map_or(0, Kept::size);
        self.groups.size() + self.rows.size() + self.cells.size() + kept
    }

    /// Find the row of each event's cell; make those that are new in this epoch. `before`: codes of atoms that epochs before
    /// have used.
    fn find_rows(&mut self, events: &[u32], starts: &[(i64, u32)], dims: &[Column], before: u32, layout: &Layout) {
        let Base {
            dims: wanted,
            groups,
            kept,
            new_keys,
            cells,
            rows,
            places,
            ..
        } = self;
        let columns: Vec<_> = wanted
            .iter()
            .filter_map(|d| dims.iter().find(|(field, ..)| field == d))
            .collect();
        let tuple_of = |event: u32, tuple: &mut Vec<u32>| {
            tuple.clear();
            let codes = columns.iter().map(|(_, _, codes)| codes.get(event as usize));
            tuple.extend(codes.map(|code| code.copied().unwrap_or(0)));
        };
        let cell_of = |group: u32, atom: u32| u64::from(group) << 32 | u64::from(atom);
        let (mut tuple, mut key) = (Vec::with_capacity(columns.len()), vec![]);
        places.clear();
        for (events, starts) in events.chunks(BURST).zip(starts.chunks(BURST)) {
            for &event in events {
                tuple_of(event, &mut tuple);
                groups.expect(&tuple);
            }
            for (&event, &(start, atom)) in events.iter().zip(starts) {
                tuple_of(event, &mut tuple);
                if let Some(kept) = kept {
                    kept.settle(&mut tuple, |tuple, key| put_key(&columns, tuple, key));
                }
                let (group, is_new, newest) = groups.entry(&tuple);
                if is_new {
                    key.clear();
                    put_key(&columns, &tuple, &mut key);
                    new_keys.push(&key);
                }
                let (last, row) = *newest;
                if last != atom {
                    let mut push = || {
                        rows.push(group, start, layout);
                        rows.len() as u32 - 1
                    };
                    let row = if last > before {
                        cells.code(cell_of(group, last), || row);
                        cells.code(cell_of(group, atom), push)
                    } else {
                        push()
                    };
                    *newest = (atom, row);
                }
                places.push(newest.1);
            }
        }
    }

    fn add(&mut self, events: &[u32], all: &[Counted], values: Values<'_>, layout: &Layout, key: &Key) {
        let member = |value: &Value| key.member(value, values.text(value));
        let rows = &mut self.rows;
        for (places, events) in self.places.chunks(BURST).zip(events.chunks(BURST)) {
            places.iter().for_each(|row| rows.expect(*row as usize, layout));
            for (&place, &event) in places.iter().zip(events) {
                let at = place as usize * layout.width;
                let words = rows.words.get_mut(at..at + layout.width);
                if let (Some(words), Some(event)) = (words, all.get(event as usize)) {
                    layout.add((place, words), &mut rows.objects, values.row(event.row), &member);
                }
            }
        }
    }

    /// What the epoch has changed. The next one gets room for some more: to move what outgrows its room costs more than room
    /// that is not used.
    fn take(&mut self, width: usize) -> Delta {
        self.cells.clear();
        let more = |count: usize| count + count / 4;
        let rows = Rows::with_room(more(self.rows.len()), width, std::mem::take(&mut self.room));
        Delta {
            new_keys: std::mem::take(&mut self.new_keys),
            rows: std::mem::replace(&mut self.rows, rows),
        }
    }
}

/// A field that is a dimension: its number, its codes, and the codes of the batch's events.
type Column = (usize, DimCodes, Vec<u32>);

/// Append the group key of a tuple of codes.
fn put_key(columns: &[&Column], tuple: &[u32], key: &mut Vec<u8>) {
    for ((_, dictionary, _), code) in columns.iter().zip(tuple) {
        match *code {
            OTHER_CODE => key.push(OTHER_DIM),
            code => dictionary.put(code, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_row_for_each_atom_of_an_epoch() {
        let plan: Plan = serde_json::from_str(include_str!("../tests/store_plan.json")).unwrap();
        let layout = Layout::new(&plan.metrics[0], &plan).unwrap();
        let mut base = Base::new(vec![0], None);
        let mut atoms = Atoms::default();
        let mut rows_of = |events: &[(usize, i64)], base: &mut Base| {
            let starts: Vec<_> = events.iter().map(|(_, start)| (*start, atoms.code(*start))).collect();
            let codes = events.iter().map(|(group, _)| *group as u32).collect();
            let numbers: Vec<u32> = (0..events.len() as u32).collect();
            base.find_rows(
                &numbers,
                &starts,
                &[(0, DimCodes::default(), codes)],
                atoms.before,
                &layout,
            );
            atoms.next_epoch();
            let rows = base.take(layout.width).rows;
            let row_of = |place: &u32| (rows.groups[*place as usize], rows.starts[*place as usize]);
            (base.places.iter().map(row_of).collect::<Vec<_>>(), rows.len())
        };
        for events in [
            &[(0, 10), (1, 10), (0, 20), (0, 10), (0, 30), (0, 20)][..],
            &[(0, 20), (1, 30), (0, 20)],
        ] {
            let expected: Vec<_> = events.iter().map(|(group, start)| (*group as u32, *start)).collect();
            let cells: std::collections::BTreeSet<_> = expected.iter().collect();
            assert_eq!(rows_of(events, &mut base), (expected.clone(), cells.len()));
        }
    }
}
