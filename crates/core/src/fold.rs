//! Fold: an accepted event changes its cells. Only the finest instants (atoms) and the largest dimension sets are folded
//! per event; coarser grains and smaller sets are derived from them (`rollup`).
use crate::batch::{Batch, Value};
use crate::decode::simd::prefetch;
use crate::error::Result;
use crate::identity::Key;
use crate::intern::{Codes, DimCodes, Groups, Strings};
use crate::kept::{Kept, OTHER_CODE};
use crate::measure::Layout;
use crate::plan::{Metric, Plan};
use crate::rows::Rows;
use crate::windows::Calendar;
use crate::wire::OTHER_DIM;

/// How many events ahead of the one in hand memory is asked for.
const AHEAD: usize = 12;

/// The dimension sets of a metric: which are folded (`base`) and from which base each set is derived. Where dimension values
/// are bounded nothing is derived: which have rows of their own is another question in each set.
#[derive(Clone, Debug)]
pub struct Sets {
    /// Indices of the base sets.
    pub bases: Vec<usize>,
    /// For each set: its base (index into `bases`) and the positions of its dimensions in the base.
    pub from: Vec<(usize, Vec<usize>)>,
}

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
        let from = metric
            .sets
            .iter()
            .map(|set| Self::source(metric, &bases, set))
            .collect();
        Sets { bases, from }
    }

    /// Whether a set is folded itself.
    pub fn is_base(&self, set: usize) -> bool {
        self.bases.contains(&set)
    }

    /// The smallest base that holds the set.
    fn source(metric: &Metric, bases: &[usize], set: &[usize]) -> (usize, Vec<usize>) {
        let positions = |base: &[usize]| {
            set.iter()
                .map(|d| base.iter().position(|b| b == d))
                .collect::<Option<Vec<_>>>()
        };
        bases
            .iter()
            .enumerate()
            .filter_map(|(at, &base)| {
                let dims = metric.sets.get(base)?;
                Some((dims.len(), at, positions(dims)?))
            })
            .min()
            .map_or((0, vec![]), |(_, at, positions)| (at, positions))
    }
}

/// One base set of one metric: its groups and the cells of the running epoch.
struct Base {
    dims: Vec<usize>,
    groups: Groups,
    /// Of a set whose dimension values are bounded.
    kept: Option<Kept>,
    /// Keys of the groups that no frame holds yet, in the order of their codes.
    new_keys: Strings,
    /// Group and atom code -> row of `rows`.
    cells: Codes<u64>,
    rows: Rows,
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

/// Atom start -> small code.
#[derive(Default)]
struct Atoms {
    codes: hashbrown::HashMap<i64, u32>,
    last: (i64, u32),
}

impl Atoms {
    #[inline]
    fn code(&mut self, start: i64) -> u32 {
        if self.last.0 != start || self.codes.is_empty() {
            let next = self.codes.len() as u32;
            self.last = (start, *self.codes.entry(start).or_insert(next));
        }
        self.last.1
    }
}

/// What one epoch changed in one base set.
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
    #[inline]
    fn text(&self, value: &Value) -> &'a [u8] {
        match *value {
            Value::Text { in_arena, at, len } => {
                let home = if in_arena {
                    self.batch.arena.as_slice()
                } else {
                    self.chunk
                };
                home.get(at as usize..at as usize + len as usize).unwrap_or_default()
            }
            _ => &[],
        }
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
            for (number, event) in events.iter().enumerate() {
                if let Some(ahead) = events.get(number + AHEAD) {
                    dictionary.expect(&value_of(ahead));
                }
                let value = value_of(event);
                codes.push(dictionary.code(&value, values.text(&value)));
            }
        }
        for (number, metric) in self.metrics.iter_mut().enumerate() {
            metric.select(number, events);
            for base in &mut metric.bases {
                base.place(&metric.events, &metric.starts, &self.dims, &metric.layout);
                base.add(&metric.events, events, values, &metric.layout, &self.key);
            }
        }
    }

    /// Take what the epoch changed: per metric the number of events that passed, and a delta per base set.
    pub fn take(&mut self) -> Vec<(u64, Vec<Delta>)> {
        self.metrics.iter_mut().map(MetricFold::take).collect()
    }

    /// Forget all codes: only after a checkpoint, when no frame refers to them any more.
    pub fn reset(&mut self) {
        self.dims.iter_mut().for_each(|(_, dictionary, _)| dictionary.clear());
        for metric in &mut self.metrics {
            metric.atoms = Atoms::default();
            for base in &mut metric.bases {
                base.groups.clear();
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
        dictionaries
            + bases
                .map(|b| b.groups.size() + b.rows.size() + b.cells.size() + b.kept.as_ref().map_or(0, Kept::size))
                .sum::<usize>()
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
        let MetricFold { layout, bases, .. } = self;
        let deltas = bases.iter_mut().map(|base| base.take(layout)).collect();
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
            places: vec![],
        }
    }

    /// Find the row of each event's cell; make those that are new in this epoch.
    fn place(&mut self, events: &[u32], starts: &[(i64, u32)], dims: &[Column], layout: &Layout) {
        let Base {
            dims: wanted,
            groups,
            kept,
            new_keys,
            cells,
            rows,
            places,
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
        let mut tuple = Vec::with_capacity(columns.len());
        places.clear();
        for (number, &event) in events.iter().enumerate() {
            if let Some(ahead) = events.get(number + AHEAD) {
                tuple_of(*ahead, &mut tuple);
                groups.expect(&tuple);
            }
            tuple_of(event, &mut tuple);
            if let Some(kept) = kept {
                kept.settle(&mut tuple, |tuple, group| {
                    parts_of(&columns, tuple).for_each(|part| group.extend_from_slice(part))
                });
            }
            let (group, new) = groups.code(&tuple);
            if new {
                new_keys.push_all(parts_of(&columns, &tuple));
            }
            places.push(group);
        }
        let cell_of = |group: u32, atom: u32| u64::from(group) << 32 | u64::from(atom);
        for number in 0..places.len() {
            if let (Some(group), Some((_, atom))) = (places.get(number + AHEAD), starts.get(number + AHEAD)) {
                cells.expect(cell_of(*group, *atom));
            }
            if let (Some(place), Some((start, atom))) = (places.get_mut(number), starts.get(number)) {
                let group = *place;
                *place = cells.code(cell_of(group, *atom), || {
                    rows.push(group, *start, layout);
                    rows.len() as u32 - 1
                });
            }
        }
    }

    fn add(&mut self, events: &[u32], all: &[Counted], values: Values<'_>, layout: &Layout, key: &Key) {
        let member = |value: &Value| key.member(value, values.text(value));
        for (number, (&place, &event)) in self.places.iter().zip(events).enumerate() {
            if let Some(ahead) = self.places.get(number + AHEAD) {
                prefetch(&self.rows.words, *ahead as usize * layout.width);
            }
            let at = place as usize * layout.width;
            let words = self.rows.words.get_mut(at..at + layout.width);
            if let (Some(words), Some(event)) = (words, all.get(event as usize)) {
                layout.add(words, &mut self.rows.objects, values.row(event.row), &member);
            }
        }
    }

    fn take(&mut self, layout: &Layout) -> Delta {
        self.cells.clear();
        self.rows.settle(layout);
        let rows = Rows::with_capacity_of(&self.rows);
        Delta {
            new_keys: std::mem::take(&mut self.new_keys),
            rows: std::mem::replace(&mut self.rows, rows),
        }
    }
}

/// A field that is a dimension: its number, its codes, and the codes of the batch's events.
type Column = (usize, DimCodes, Vec<u32>);

/// The encoded values of a tuple of codes.
fn parts_of<'a>(columns: &'a [&'a Column], tuple: &'a [u32]) -> impl Iterator<Item = &'a [u8]> {
    columns.iter().zip(tuple).map(|((_, dictionary, _), code)| match *code {
        OTHER_CODE => &[OTHER_DIM][..],
        code => dictionary.strings.get(code),
    })
}
