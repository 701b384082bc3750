//! Quantile sketches of cells: Apache DataSketches' KLL.
use datasketches::common::SearchCriteria;
use datasketches::kll::KllSketch;

use crate::error::{CoreError, Result};
use crate::measure::Shown;
use crate::objects::{Object, Objects, damaged_sketch, push_object, reach};
use crate::wire::Take;

/// KLL's k: 1.65 % normalised rank error at 99 % confidence.
const KLL_K: u16 = 200;
/// The word of a quantile sketch: 0 none, 1 + i object i.
pub(crate) const FIRST_SKETCH: u64 = 1;

/// The object of a sketch word, made if there is none yet.
pub(crate) fn object<'a>(at: &mut u64, objects: &'a mut Objects, make: impl Fn() -> Object) -> Option<&'a mut Object> {
    if *at == 0 {
        *at = push_object(objects, FIRST_SKETCH, make());
    }
    objects.list.get_mut((*at - FIRST_SKETCH) as usize)
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

pub(crate) fn merge_sketch(at: &mut u64, objects: &mut Objects, other: u64, others: &Objects) -> Result<()> {
    let Some(theirs) = reach(other, FIRST_SKETCH, others) else {
        return Ok(());
    };
    if *at == 0 {
        *at = push_object(objects, FIRST_SKETCH, theirs.clone());
        return Ok(());
    }
    let Some(mine) = objects.list.get_mut((*at - FIRST_SKETCH) as usize) else {
        return Ok(());
    };
    match (mine, theirs) {
        (Object::Ints(a), Object::Ints(b)) => a.merge(b),
        (Object::Floats(a), Object::Floats(b)) => a.merge(b),
        _ => Ok(()),
    }
    .map_err(|e| CoreError::internal(e.to_string()))
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
