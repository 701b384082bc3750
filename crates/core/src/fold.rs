//! Fold: an accepted event changes its cells. Only the finest instants (atoms) and the largest dimension sets are folded
//! per event; coarser grains and smaller sets are derived from them (`rollup`).
use crate::batch::Value;
use crate::error::Result;
use crate::identity::Key;
use crate::intern::{Codes, DimCodes, Groups, Strings};
use crate::measure::Layout;
use crate::plan::{Metric, Plan};
use crate::rows::Rows;
use crate::windows::Calendar;

/// The dimension sets of a metric: which are folded (`base`) and from which base each set is derived.
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
                !metric.sets.iter().enumerate().any(|(j, other)| {
                    j != i && holds(other, me) && (other.len() > me.len() || j < i)
                })
            })
            .collect();
        let from = metric.sets.iter().map(|set| Self::source(metric, &bases, set)).collect();
        Sets { bases, from }
    }

    /// The smallest base that holds the set.
    fn source(metric: &Metric, bases: &[usize], set: &[usize]) -> (usize, Vec<usize>) {
        let positions = |base: &[usize]| set.iter().map(|d| base.iter().position(|b| b == d)).collect::<Option<Vec<_>>>();
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
    keys: Strings,
    /// How many of `keys` earlier frames already hold.
    keys_written: usize,
    /// Group and atom code -> row of `rows`.
    cells: Codes<u64>,
    rows: Rows,
}

struct MetricFold {
    layout: Layout,
    calendar: Calendar,
    bases: Vec<Base>,
    atoms: Atoms,
    passed: u64,
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

/// All metrics' cells of the running epoch.
pub struct Fold {
    metrics: Vec<MetricFold>,
    /// Per field: dimension values as encoded bytes -> code. None: the field is no dimension.
    values: Vec<Option<DimCodes>>,
    codes: Vec<u32>,
    tuple: Vec<u32>,
    key: Key,
}

impl Fold {
    pub fn new(plan: &Plan) -> Result<Fold> {
        let metrics = plan.metrics.iter().map(|m| MetricFold::new(m, plan)).collect::<Result<Vec<_>>>()?;
        let is_dim = |field: usize| plan.metrics.iter().any(|m| m.sets.iter().flatten().any(|d| *d == field));
        let values = (0..plan.fields.len()).map(|f| is_dim(f).then(DimCodes::default)).collect();
        let codes = vec![0; plan.fields.len()];
        Ok(Fold { metrics, values, codes, tuple: vec![], key: Key::of(plan)? })
    }

    /// Fold one counted event. `texts` gives the bytes of a text value.
    pub fn add<'a>(&mut self, event_us: i64, metrics: u64, values: &[Value], texts: impl Fn(&Value) -> &'a [u8]) {
        if metrics == 0 {
            return;
        }
        for ((dictionary, code), value) in self.values.iter_mut().zip(&mut self.codes).zip(values) {
            if let Some(dictionary) = dictionary {
                *code = dictionary.code(value, texts(value));
            }
        }
        let key = &self.key;
        let member = |value: &Value| key.member(value, texts(value));
        for (number, metric) in self.metrics.iter_mut().enumerate() {
            if metrics >> number & 1 == 1 {
                metric.add(event_us, values, &self.codes, &self.values, &mut self.tuple, &member);
            }
        }
    }

    /// Take what the epoch changed: per metric the number of events that passed, and a delta per base set.
    pub fn take(&mut self) -> Vec<(u64, Vec<Delta>)> {
        self.metrics.iter_mut().map(MetricFold::take).collect()
    }

    /// Forget all codes: only after a checkpoint, when no frame refers to them any more.
    pub fn reset(&mut self) {
        self.values.iter_mut().flatten().for_each(DimCodes::clear);
        for metric in &mut self.metrics {
            metric.atoms = Atoms::default();
            for base in &mut metric.bases {
                base.groups.clear();
                base.keys = Strings::default();
                base.keys_written = 0;
            }
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        let dictionaries: usize = self.values.iter().flatten().map(DimCodes::size).sum();
        let bases = self.metrics.iter().flat_map(|m| &m.bases);
        dictionaries + bases.map(|b| b.groups.size() + b.keys.size() + b.rows.size() + b.cells.size()).sum::<usize>()
    }
}

impl MetricFold {
    fn new(metric: &Metric, plan: &Plan) -> Result<MetricFold> {
        let bases = Sets::of(metric).bases;
        let base = |at: &usize| metric.sets.get(*at).map(|dims| Base::new(dims.clone()));
        Ok(MetricFold {
            layout: Layout::new(metric, plan)?,
            calendar: Calendar::new(&metric.grains, plan)?,
            bases: bases.iter().filter_map(base).collect(),
            atoms: Atoms::default(),
            passed: 0,
        })
    }

    fn add(
        &mut self,
        event_us: i64,
        values: &[Value],
        codes: &[u32],
        dictionaries: &[Option<DimCodes>],
        tuple: &mut Vec<u32>,
        member: &impl Fn(&Value) -> u128,
    ) {
        self.passed += 1;
        let start = self.calendar.atom_of(event_us).0;
        let atom = self.atoms.code(start);
        for base in &mut self.bases {
            tuple.clear();
            tuple.extend(base.dims.iter().map(|d| codes.get(*d).copied().unwrap_or(0)));
            let row = base.row(tuple, dictionaries, (start, atom), &self.layout);
            let at = row * self.layout.width;
            if let Some(words) = base.rows.words.get_mut(at..at + self.layout.width) {
                self.layout.add(words, &mut base.rows.objects, values, member);
            }
        }
    }

    fn take(&mut self) -> (u64, Vec<Delta>) {
        (std::mem::take(&mut self.passed), self.bases.iter_mut().map(Base::take).collect())
    }
}

impl Base {
    fn new(dims: Vec<usize>) -> Base {
        Base {
            groups: Groups::new(dims.len()),
            dims,
            keys: Strings::default(),
            keys_written: 0,
            cells: Codes::default(),
            rows: Rows::default(),
        }
    }

    /// The row of a cell, made if it is new in this epoch.
    fn row(&mut self, tuple: &[u32], dictionaries: &[Option<DimCodes>], atom: (i64, u32), layout: &Layout) -> usize {
        let (group, new) = self.groups.code(tuple);
        if new {
            let mut key = Vec::with_capacity(32);
            for (dim, code) in self.dims.iter().zip(tuple) {
                if let Some(Some(dictionary)) = dictionaries.get(*dim) {
                    key.extend_from_slice(dictionary.strings.get(*code));
                }
            }
            self.keys.push(&key);
        }
        let Base { cells, rows, .. } = self;
        let cell = u64::from(group) << 32 | u64::from(atom.1);
        cells.code(cell, || {
            rows.push(group, atom.0, layout);
            rows.len() as u32 - 1
        }) as usize
    }

    fn take(&mut self) -> Delta {
        let mut new_keys = Strings::default();
        for code in self.keys_written..self.keys.len() {
            new_keys.push(self.keys.get(code as u32));
        }
        self.keys_written = self.keys.len();
        self.cells.clear();
        Delta { new_keys, rows: std::mem::take(&mut self.rows) }
    }
}
