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
    put_in_order(list);
    if list.len() <= exact {
        return;
    }
    if let Some(mut sketch) = EMPTY_HLL.clone() {
        list.iter().for_each(|m| sketch.update(*m));
        *object = Object::Hll(Box::new(sketch));
    }
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
pub(crate) fn settle_members(state: u64, objects: &mut Objects, exact: usize) {
    let at = state.checked_sub(FIRST_DISTINCT).map(|at| at as usize);
    if let Some(object) = at.and_then(|at| objects.get_mut(at)) {
        settle(object, exact);
    }
}

/// Add a member set; repeats are removed now and then.
fn merge_list(object: &mut Object, list: &[u128], exact: usize) {
    match object {
        Object::Members(mine) => {
            mine.extend_from_slice(list);
            if mine.len() > exact.saturating_mul(4) {
                settle(object, exact);
            }
        }
        Object::Hll(sketch) => list.iter().for_each(|m| sketch.update(*m)),
        _ => {}
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
            Some(theirs @ Object::Members(list)) => match *state {
                0 => *state = push_object(objects, FIRST_DISTINCT, theirs.clone()),
                ONE => {
                    let mine = join_u128(*lo, *hi);
                    *state = push_object(objects, FIRST_DISTINCT, theirs.clone());
                    add_member(state, lo, hi, objects, mine, exact);
                }
                at => {
                    if let Some(mine) = objects.get_mut((at - FIRST_DISTINCT) as usize) {
                        merge_list(mine, list, exact);
                    }
                }
            },
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
        (ONE, _) => put_list(out, &[one]),
        (_, Some(Object::Members(list))) if in_order(list) => put_list(out, list),
        (_, Some(Object::Members(list))) => {
            let mut list = list.clone();
            put_in_order(&mut list);
            put_list(out, &list);
        }
        (_, Some(Object::Hll(sketch))) => {
            out.push(HLL);
            put_bytes(out, &sketch.serialize());
        }
        _ => out.push(NONE),
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
    let upper = list.first().map_or(0, |first| first >> 64) as u64;
    let numbers = list.last().is_some_and(|last| (last >> 64) as u64 == upper) && upper << 4 == 0;
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

fn take_list(take: &mut Take<'_>, form: u8) -> Result<Vec<u128>> {
    let upper = u128::from(form >> 4) << 124;
    let n = take.u64()?;
    let mut last = 0u64;
    let one = |_| match form {
        WHOLE => Ok(u128::from_le_bytes(take.array()?)),
        _ => {
            last = last.wrapping_add(take.u64()?);
            Ok(upper | u128::from(last))
        }
    };
    (0..n).map(one).collect()
}

pub(crate) fn take_members(
    take: &mut Take<'_>,
    state: &mut u64,
    lo: &mut u64,
    hi: &mut u64,
    objects: &mut Objects,
) -> Result<()> {
    match take.u8()? {
        NONE => {}
        form if form & 15 == NUMBER => {
            *state = ONE;
            (*lo, *hi) = (take.u64()?, u64::from(form >> 4) << 60);
        }
        form if form != HLL => {
            let list = take_list(take, form)?;
            if let [one] = list.as_slice() {
                *state = ONE;
                (*lo, *hi) = split_u128(*one);
            } else {
                *state = push_object(objects, FIRST_DISTINCT, Object::Members(list));
            }
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
