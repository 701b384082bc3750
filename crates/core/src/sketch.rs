//! What a cell holds beside words: member sets, exact up to a declared number of members, and Apache DataSketches beyond
//! it; quantile sketches.
use std::sync::LazyLock;

use datasketches::common::SearchCriteria;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::kll::{KllFloat, KllSketch};

use crate::error::{CoreError, Result};
use crate::measure::{Shown, join_u128, split_u128};
use crate::wire::{Take, put_bytes, put_u64};

/// log2 of the HyperLogLog registers: 4,096, a relative standard error of 1.6 %.
const HLL_LG_K: u8 = 12;
/// KLL's k: 1.65 % normalised rank error at 99 % confidence.
const KLL_K: u16 = 200;

static EMPTY_HLL: LazyLock<Option<HllSketch>> = LazyLock::new(|| HllSketch::new(HLL_LG_K, HllType::Hll8).ok());

#[derive(Clone)]
pub enum Object {
    /// Distinct members, possibly with repeats at the end that `settle` removes.
    Members(Vec<u128>),
    Hll(Box<HllSketch>),
    Ints(Box<KllSketch<i64>>),
    Floats(Box<KllSketch<KllFloat<f64>>>),
}

/// Where a cell's objects live.
pub type Objects = Vec<Object>;

/// The object a word points to: values below `first` mean something else.
pub(crate) fn reach(word: u64, first: u64, objects: &Objects) -> Option<&Object> {
    objects.get(usize::try_from(word.checked_sub(first)?).ok()?)
}

pub(crate) fn push_object(objects: &mut Objects, first: u64, object: Object) -> u64 {
    objects.push(object);
    objects.len() as u64 - 1 + first
}

/// The object of a sketch word, made if there is none yet.
pub(crate) fn object<'a>(at: &mut u64, objects: &'a mut Objects, make: impl Fn() -> Object) -> Option<&'a mut Object> {
    if *at == 0 {
        *at = push_object(objects, FIRST_SKETCH, make());
    }
    objects.get_mut((*at - FIRST_SKETCH) as usize)
}

pub(crate) fn new_ints() -> Object {
    match KllSketch::new(KLL_K) {
        Ok(sketch) => Object::Ints(Box::new(sketch)),
        Err(_) => Object::Members(vec![]),
    }
}

pub(crate) fn new_floats() -> Object {
    match KllSketch::new(KLL_K) {
        Ok(sketch) => Object::Floats(Box::new(sketch)),
        Err(_) => Object::Members(vec![]),
    }
}

// Distinct. State word: 0 none, 1 one member in the next two words, 2 + i object i.
const ONE: u64 = 1;
pub(crate) const FIRST_DISTINCT: u64 = 2;
/// The word of a quantile sketch: 0 none, 1 + i object i.
pub(crate) const FIRST_SKETCH: u64 = 1;

pub(crate) fn add_member(
    state: &mut u64,
    lo: &mut u64,
    hi: &mut u64,
    objects: &mut Objects,
    member: u128,
    exact: usize,
) {
    match *state {
        0 => {
            *state = ONE;
            (*lo, *hi) = split_u128(member);
        }
        ONE if join_u128(*lo, *hi) == member => {}
        ONE => {
            *state = push_object(
                objects,
                FIRST_DISTINCT,
                Object::Members(vec![join_u128(*lo, *hi), member]),
            )
        }
        at => {
            if let Some(object) = objects.get_mut((at - FIRST_DISTINCT) as usize) {
                insert_member(object, member, exact);
            }
        }
    }
}

fn insert_member(object: &mut Object, member: u128, exact: usize) {
    match object {
        Object::Members(list) => {
            if list.len() < 16 && list.contains(&member) {
                return;
            }
            list.push(member);
            // Repeats are removed when the list has doubled, so the cost per member stays small.
            if list.len() >= 16 && list.len().is_power_of_two() || list.len() > exact * 2 {
                settle(object, exact);
            }
        }
        Object::Hll(sketch) => sketch.update(member),
        _ => {}
    }
}

/// Sort, drop repeats, and turn into a sketch what holds more members than are counted exactly.
fn settle(object: &mut Object, exact: usize) {
    let Object::Members(list) = object else { return };
    list.sort_unstable();
    list.dedup();
    if list.len() <= exact {
        return;
    }
    if let Some(mut sketch) = EMPTY_HLL.clone() {
        list.iter().for_each(|m| sketch.update(*m));
        *object = Object::Hll(Box::new(sketch));
    }
}

pub(crate) fn merge_members(
    state: &mut u64,
    lo: &mut u64,
    hi: &mut u64,
    objects: &mut Objects,
    other: (u64, u64, u64),
    others: &Objects,
    exact: usize,
) -> Result<()> {
    match other.0 {
        0 => {}
        ONE => add_member(state, lo, hi, objects, join_u128(other.1, other.2), exact),
        _ => match reach(other.0, FIRST_DISTINCT, others) {
            Some(Object::Members(list)) => list.iter().for_each(|m| add_member(state, lo, hi, objects, *m, exact)),
            Some(Object::Hll(sketch)) => {
                let mut union = HllUnion::new(HLL_LG_K).map_err(|e| CoreError::internal(e.to_string()))?;
                union.update(sketch);
                match *state {
                    0 => {}
                    ONE => union.update_value(join_u128(*lo, *hi)),
                    at => match reach(at, FIRST_DISTINCT, objects) {
                        Some(Object::Members(list)) => list.iter().for_each(|m| union.update_value(*m)),
                        Some(Object::Hll(mine)) => union.update(mine),
                        _ => {}
                    },
                }
                let merged = Object::Hll(Box::new(union.to_sketch(HllType::Hll8)));
                match state
                    .checked_sub(FIRST_DISTINCT)
                    .and_then(|i| objects.get_mut(i as usize))
                {
                    Some(place) => *place = merged,
                    None => *state = push_object(objects, FIRST_DISTINCT, merged),
                }
            }
            _ => {}
        },
    }
    Ok(())
}

pub(crate) fn merge_sketch(at: &mut u64, objects: &mut Objects, other: u64, others: &Objects) -> Result<()> {
    let Some(theirs) = reach(other, FIRST_SKETCH, others) else {
        return Ok(());
    };
    if *at == 0 {
        *at = push_object(objects, FIRST_SKETCH, theirs.clone());
        return Ok(());
    }
    let Some(mine) = objects.get_mut((*at - FIRST_SKETCH) as usize) else {
        return Ok(());
    };
    match (mine, theirs) {
        (Object::Ints(a), Object::Ints(b)) => a.merge(b),
        (Object::Floats(a), Object::Floats(b)) => a.merge(b),
        _ => Ok(()),
    }
    .map_err(|e| CoreError::internal(e.to_string()))
}

pub(crate) fn put_members(out: &mut Vec<u8>, state: u64, one: u128, objects: &Objects) {
    match (state, reach(state, FIRST_DISTINCT, objects)) {
        (ONE, _) => match one >> 64 {
            // Half of the member is its kind alone: numbers.
            kind if one >> 124 << 60 == kind => {
                out.push(4 + (one >> 124) as u8);
                put_u64(out, one as u64);
            }
            _ => {
                out.push(1);
                out.extend_from_slice(&one.to_le_bytes());
            }
        },
        (_, Some(Object::Members(list))) => {
            let mut list = list.clone();
            list.sort_unstable();
            list.dedup();
            out.push(2);
            put_u64(out, list.len() as u64);
            list.iter().for_each(|m| out.extend_from_slice(&m.to_le_bytes()));
        }
        (_, Some(Object::Hll(sketch))) => {
            out.push(3);
            put_bytes(out, &sketch.serialize());
        }
        _ => out.push(0),
    }
}

pub(crate) fn take_members(
    take: &mut Take<'_>,
    state: &mut u64,
    lo: &mut u64,
    hi: &mut u64,
    objects: &mut Objects,
) -> Result<()> {
    match take.u8()? {
        0 => {}
        1 => {
            *state = ONE;
            (*lo, *hi) = split_u128(u128::from_le_bytes(take.array()?));
        }
        kind @ 4.. => {
            *state = ONE;
            (*lo, *hi) = (take.u64()?, u64::from(kind - 4) << 60);
        }
        2 => {
            let n = take.u64()?;
            let list = (0..n)
                .map(|_| Ok(u128::from_le_bytes(take.array()?)))
                .collect::<Result<Vec<_>>>()?;
            *state = push_object(objects, FIRST_DISTINCT, Object::Members(list));
        }
        _ => {
            let sketch = HllSketch::deserialize(take.bytes()?).map_err(|e| damaged_sketch(&e))?;
            *state = push_object(objects, FIRST_DISTINCT, Object::Hll(Box::new(sketch)));
        }
    }
    Ok(())
}

pub(crate) fn take_sketch(take: &mut Take<'_>, integers: bool, at: &mut u64, objects: &mut Objects) -> Result<()> {
    let bytes = take.bytes()?;
    if bytes.is_empty() {
        return Ok(());
    }
    let sketch = match integers {
        true => Object::Ints(Box::new(KllSketch::deserialize(bytes).map_err(|e| damaged_sketch(&e))?)),
        false => Object::Floats(Box::new(KllSketch::deserialize(bytes).map_err(|e| damaged_sketch(&e))?)),
    };
    *at = push_object(objects, FIRST_SKETCH, sketch);
    Ok(())
}

fn damaged_sketch(error: &datasketches::error::Error) -> CoreError {
    CoreError::store(
        format!("a stored sketch is damaged: {error}"),
        "run `crossfoot verify`, then restore a backup or count again",
    )
}

pub(crate) fn show_distinct(state: u64, objects: &Objects, exact: usize) -> Shown {
    match (state, reach(state, FIRST_DISTINCT, objects)) {
        (ONE, _) => Shown::Distinct(1, true),
        (_, Some(Object::Members(list))) => {
            let mut object = Object::Members(list.clone());
            settle(&mut object, exact);
            match object {
                Object::Members(list) => Shown::Distinct(list.len() as u64, true),
                Object::Hll(sketch) => Shown::Distinct(sketch.estimate().round() as u64, false),
                _ => Shown::Null,
            }
        }
        (_, Some(Object::Hll(sketch))) => Shown::Distinct(sketch.estimate().round() as u64, false),
        _ => Shown::Distinct(0, true),
    }
}

pub(crate) fn show_quantile(at: u64, objects: &Objects, rank: f64) -> Shown {
    // A rank of 0.07 is a float a little above it, and 7 of 100 values would not reach that.
    let rank = rank * (1.0 - 4.0 * f64::EPSILON);
    match reach(at, FIRST_SKETCH, objects) {
        Some(Object::Ints(sketch)) => sketch
            .quantile(rank, SearchCriteria::Inclusive)
            .ok()
            .flatten()
            .map_or(Shown::Null, Shown::Int),
        Some(Object::Floats(sketch)) => sketch
            .quantile(rank, SearchCriteria::Inclusive)
            .ok()
            .flatten()
            .map_or(Shown::Null, |v| Shown::Float(v.into_inner())),
        _ => Shown::Null,
    }
}
