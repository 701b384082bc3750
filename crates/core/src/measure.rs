//! The measures of a metric: create, add, merge, encode, present. A cell's state is a row of words; what does not fit in
//! words (member sets, sketches) is an object that a word points to.
use datasketches::kll::KllFloat;

use crate::batch::Value;
use crate::bits::{join, split};
use crate::error::{CoreError, Result};
use crate::members::{merge_members, put_members, settle_members, show_distinct, take_members};
use crate::objects::reach;
pub use crate::objects::{Object, Objects};
use crate::plan::{Measure, MeasureKind, Metric, Plan, Type};
use crate::sketch::{FIRST_SKETCH, merge_sketch, new_floats, new_ints, object, show_quantile, take_sketch};
use crate::wire::{Take, put_bytes, put_i64, put_u64};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Count,
    Sum,
    Min,
    Max,
    /// `nth`: which of the distinct measures.
    Distinct {
        exact: usize,
        nth: usize,
    },
    Ints,
    Floats,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    op: Op,
    field: usize,
    at: usize,
    float: bool,
}

/// The state of a metric's cells: word 0 is the number of events; each measure that needs words of its own follows.
#[derive(Clone, Debug)]
pub struct Layout {
    steps: Vec<Step>,
    /// For each declared measure its index into `steps`; None: the number of events itself.
    measures: Vec<Option<usize>>,
    pub width: usize,
}

/// What a measure of a cell presents.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Null,
    Count(u64),
    /// Scaled if the field is a decimal.
    Sum(i128),
    Int(i64),
    Float(f64),
    /// Sum (scaled if the field is a decimal) and number of values.
    Mean(i128, u64),
    /// Estimate, and whether it is exact.
    Distinct(u64, bool),
}

impl Layout {
    pub fn new(metric: &Metric, plan: &Plan) -> Result<Layout> {
        let (mut steps, mut measures, mut width, mut distinct) = (vec![], vec![], 1, 0);
        for measure in &metric.measures {
            let Some(field) = measure.field else {
                measures.push(None);
                continue;
            };
            let kind = plan
                .fields
                .get(field)
                .map(|f| f.kind)
                .ok_or_else(|| CoreError::definition("a measure names no field"))?;
            let op = op_of(measure, kind, distinct);
            distinct += usize::from(matches!(op, Op::Distinct { .. }));
            measures.push(Some(steps.len()));
            steps.push(Step {
                op,
                field,
                at: width,
                float: kind == Type::Float,
            });
            width += match op {
                Op::Count | Op::Ints | Op::Floats => 1,
                Op::Min | Op::Max => 2,
                Op::Sum | Op::Distinct { .. } => 3,
            };
        }
        Ok(Layout { steps, measures, width })
    }

    /// Add one event to the state of row number `row`; members of distinct measures are put there by `gather`. `member`
    /// resolves a value to its distinct member.
    #[inline]
    pub fn add(
        &self,
        (row, words): (u32, &mut [u64]),
        objects: &mut Objects,
        values: &[Value],
        member: &impl Fn(&Value) -> u128,
    ) {
        if let Some(n) = words.first_mut() {
            *n += 1;
        }
        for step in &self.steps {
            let value = values.get(step.field).copied().unwrap_or_default();
            if value == Value::Null {
                continue;
            }
            let Some(words) = words.get_mut(step.at..) else {
                continue;
            };
            match (step.op, words) {
                (Op::Count, [n, ..]) => *n += 1,
                (Op::Sum, [n, lo, hi, ..]) => {
                    *n += 1;
                    add_sum(lo, hi, i128::from(scaled(value)));
                }
                (Op::Min, [n, v, ..]) => keep(n, v, ordered(value), |new, old| new < old),
                (Op::Max, [n, v, ..]) => keep(n, v, ordered(value), |new, old| new > old),
                (Op::Distinct { nth, .. }, _) => objects.add(nth, row, member(&value)),
                (Op::Ints, [at, ..]) => {
                    if let Some(Object::Ints(sketch)) = object(at, objects, new_ints) {
                        sketch.update(scaled(value));
                    }
                }
                (Op::Floats, [at, ..]) => {
                    if let (Some(Object::Floats(sketch)), Value::Float(v)) = (object(at, objects, new_floats), value)
                        && let Ok(v) = KllFloat::<f64>::new(v)
                    {
                        sketch.update(v);
                    }
                }
                _ => {}
            }
        }
    }

    /// Put what was added to distinct measures into the rows' words.
    pub fn gather(&self, words: &mut [u64], objects: &mut Objects) {
        for step in &self.steps {
            if let Op::Distinct { exact, nth } = step.op {
                let rows = words.chunks_exact_mut(self.width);
                let cells = rows.filter_map(|words| words.get_mut(step.at..)?.first_chunk_mut());
                objects.gather(nth, cells, exact);
            }
        }
    }

    /// A state will be read soon: what it points to is asked for.
    #[inline]
    pub fn expect(&self, words: &[u64], objects: &Objects) {
        for step in &self.steps {
            let words = words.get(step.at..).and_then(<[u64]>::first_chunk);
            if let (Op::Distinct { .. }, Some(words)) = (step.op, words) {
                objects.expect(words);
            }
        }
    }

    /// Merge another cell's state into this one.
    pub fn merge(&self, words: &mut [u64], objects: &mut Objects, other: &[u64], others: &Objects) -> Result<()> {
        if let (Some(a), Some(b)) = (words.first_mut(), other.first()) {
            *a += b;
        }
        for step in &self.steps {
            let (Some(words), Some(other)) = (words.get_mut(step.at..), other.get(step.at..)) else {
                continue;
            };
            match (step.op, words, other) {
                (Op::Count, [a, ..], [b, ..]) => *a += b,
                (Op::Sum, [n, lo, hi, ..], [m, l, h, ..]) => {
                    *n += m;
                    add_sum(lo, hi, join_sum(*l, *h));
                }
                (Op::Min, [n, v, ..], [m, w, ..]) if *m > 0 => keep(n, v, *w as i64, |new, old| new < old),
                (Op::Max, [n, v, ..], [m, w, ..]) if *m > 0 => keep(n, v, *w as i64, |new, old| new > old),
                (Op::Distinct { exact, .. }, words, other) => {
                    if let (Some(words), Some(other)) = (words.first_chunk_mut(), other.first_chunk()) {
                        merge_members(words, objects, (other, others), exact)?;
                    }
                }
                (Op::Ints | Op::Floats, [at, ..], [b, ..]) => merge_sketch(at, objects, *b, others)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Bring a state that others were merged into into its final form, which is quick to write and to merge.
    pub fn settle(&self, words: &mut [u64], objects: &mut Objects) {
        for step in &self.steps {
            let words = words.get_mut(step.at..).and_then(<[u64]>::first_chunk_mut);
            if let (Op::Distinct { exact, .. }, Some(words)) = (step.op, words) {
                settle_members(words, objects, exact);
            }
        }
    }

    /// Append the state as bytes.
    pub fn encode(&self, words: &[u64], objects: &Objects, out: &mut Vec<u8>) {
        put_u64(out, words.first().copied().unwrap_or(0));
        for step in &self.steps {
            match (step.op, words.get(step.at..).unwrap_or_default()) {
                (Op::Count, [n, ..]) => put_u64(out, *n),
                (Op::Sum, [n, lo, hi, ..]) => {
                    put_u64(out, *n);
                    put_sum(out, join_sum(*lo, *hi));
                }
                (Op::Min | Op::Max, [n, v, ..]) => {
                    put_u64(out, *n);
                    if *n > 0 {
                        put_i64(out, *v as i64);
                    }
                }
                (Op::Distinct { .. }, [state, lo, hi, ..]) => put_members(out, &[*state, *lo, *hi], objects),
                (Op::Ints | Op::Floats, [at, ..]) => match reach(*at, FIRST_SKETCH, objects) {
                    Some(Object::Ints(sketch)) => put_bytes(out, &sketch.serialize()),
                    Some(Object::Floats(sketch)) => put_bytes(out, &sketch.serialize()),
                    _ => put_u64(out, 0),
                },
                _ => {}
            }
        }
    }

    /// Read a state back; `words` has `width` places, all zero.
    pub fn decode(&self, take: &mut Take<'_>, words: &mut [u64], objects: &mut Objects) -> Result<()> {
        if let Some(n) = words.first_mut() {
            *n = take.u64()?;
        }
        for step in &self.steps {
            match (step.op, words.get_mut(step.at..).unwrap_or_default()) {
                (Op::Count, [n, ..]) => *n = take.u64()?,
                (Op::Sum, [n, lo, hi, ..]) => {
                    *n = take.u64()?;
                    (*lo, *hi) = split(take_sum(take)? as u128);
                }
                (Op::Min | Op::Max, [n, v, ..]) => {
                    *n = take.u64()?;
                    if *n > 0 {
                        *v = take.i64()? as u64;
                    }
                }
                (Op::Distinct { .. }, words) => {
                    if let Some(words) = words.first_chunk_mut() {
                        take_members(take, words, objects)?;
                    }
                }
                (Op::Ints | Op::Floats, [at, ..]) => take_sketch(take, step.op == Op::Ints, at, objects)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What measure number `index` shows for a cell.
    pub fn show(&self, index: usize, measure: &Measure, words: &[u64], objects: &Objects) -> Shown {
        let Some(step) = self
            .measures
            .get(index)
            .copied()
            .flatten()
            .and_then(|i| self.steps.get(i))
        else {
            return Shown::Count(words.first().copied().unwrap_or(0));
        };
        match (step.op, words.get(step.at..).unwrap_or_default()) {
            (Op::Count, [n, ..]) => Shown::Count(*n),
            (Op::Sum | Op::Min | Op::Max, [0, ..]) => Shown::Null,
            (Op::Sum, [n, lo, hi, ..]) => match measure.kind {
                MeasureKind::Mean => Shown::Mean(join_sum(*lo, *hi), *n),
                _ => Shown::Sum(join_sum(*lo, *hi)),
            },
            (Op::Min | Op::Max, [_, v, ..]) if step.float => Shown::Float(float_of(*v as i64)),
            (Op::Min | Op::Max, [_, v, ..]) => Shown::Int(*v as i64),
            (Op::Distinct { exact, .. }, [state, lo, hi, ..]) => show_distinct(&[*state, *lo, *hi], objects, exact),
            (Op::Ints | Op::Floats, [at, ..]) => show_quantile(*at, objects, measure.rank),
            _ => Shown::Null,
        }
    }
}

fn op_of(measure: &Measure, kind: Type, nth: usize) -> Op {
    match measure.kind {
        MeasureKind::Count => Op::Count,
        MeasureKind::Sum | MeasureKind::Mean => Op::Sum,
        MeasureKind::Min => Op::Min,
        MeasureKind::Max => Op::Max,
        MeasureKind::Distinct => Op::Distinct {
            exact: measure.exact as usize,
            nth,
        },
        MeasureKind::Quantile if kind == Type::Float => Op::Floats,
        MeasureKind::Quantile => Op::Ints,
    }
}

fn scaled(value: Value) -> i64 {
    match value {
        Value::Int(v) | Value::Decimal(v) => v,
        _ => 0,
    }
}

/// A number as an i64 whose order is the value's order (floats by their bits).
fn ordered(value: Value) -> i64 {
    match value {
        Value::Float(v) => {
            let bits = v.to_bits() as i64;
            if bits < 0 { bits ^ i64::MAX } else { bits }
        }
        other => scaled(other),
    }
}

fn float_of(ordered: i64) -> f64 {
    f64::from_bits((if ordered < 0 { ordered ^ i64::MAX } else { ordered }) as u64)
}

fn keep(n: &mut u64, kept: &mut u64, value: i64, better: impl Fn(i64, i64) -> bool) {
    if *n == 0 || better(value, *kept as i64) {
        *kept = value as u64;
    }
    *n = 1;
}

fn join_sum(lo: u64, hi: u64) -> i128 {
    join(lo, hi) as i128
}

#[inline]
fn add_sum(lo: &mut u64, hi: &mut u64, v: i128) {
    (*lo, *hi) = split(join_sum(*lo, *hi).wrapping_add(v) as u128);
}

fn put_sum(out: &mut Vec<u8>, sum: i128) {
    match i64::try_from(sum) {
        Ok(v) => {
            out.push(0);
            put_i64(out, v);
        }
        Err(_) => {
            out.push(1);
            out.extend_from_slice(&sum.to_le_bytes());
        }
    }
}

fn take_sum(take: &mut Take<'_>) -> Result<i128> {
    Ok(match take.u8()? {
        0 => i128::from(take.i64()?),
        _ => i128::from_le_bytes(take.array()?),
    })
}
