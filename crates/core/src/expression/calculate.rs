//! Arithmetic and comparison of numbers: exact between integers and decimals, as floats where one side is a float.
use std::cmp::Ordering;

use super::{Arithmetic, Scalar};
use crate::batch::Invalid;
use crate::number::{SCALE_MAX, decimal_to_float, finite};

/// Digits without the point, the scale, and whether it is a decimal.
type Exact = (i64, u32, bool);

/// The nearest float to a number.
pub fn float(value: &Scalar<'_>) -> Result<f64, Invalid> {
    match value {
        Scalar::Int(value) => Ok(*value as f64),
        Scalar::Dec { v, scale } => Ok(decimal_to_float(*v, *scale)),
        Scalar::Float(value) => Ok(*value),
        _ => Err(Invalid::Type),
    }
}

/// None: a float.
fn exact(value: &Scalar<'_>) -> Result<Option<Exact>, Invalid> {
    match value {
        Scalar::Int(value) => Ok(Some((*value, 0, false))),
        Scalar::Dec { v, scale } => Ok(Some((*v, *scale, true))),
        Scalar::Float(_) => Ok(None),
        _ => Err(Invalid::Type),
    }
}

fn both_exact(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Option<(Exact, Exact)>, Invalid> {
    let (left, right) = (exact(left)?, exact(right)?);
    Ok(left.zip(right))
}

/// Both at the larger scale. An i64 times 10^18 fits.
fn aligned((a, scale_a, _): Exact, (b, scale_b, _): Exact) -> (i128, i128, u32) {
    let scale = scale_a.max(scale_b);
    let up = |v: i64, own: u32| i128::from(v) * 10i128.pow(scale - own);
    (up(a, scale_a), up(b, scale_b), scale)
}

fn checked<'a>(exact: i128, scale: u32, is_decimal: bool) -> Result<Scalar<'a>, Invalid> {
    match i64::try_from(exact) {
        Ok(v) if !is_decimal => Ok(Scalar::Int(v)),
        Ok(v) if scale <= SCALE_MAX => Ok(Scalar::Dec { v, scale }),
        _ => Err(Invalid::Range),
    }
}

pub fn compare(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Ordering, Invalid> {
    if let Some((left, right)) = both_exact(left, right)? {
        let (a, b, _) = aligned(left, right);
        return Ok(a.cmp(&b));
    }
    // Floats here are never NaN.
    float(left)?.partial_cmp(&float(right)?).ok_or(Invalid::Range)
}

pub fn arithmetic<'a>(op: Arithmetic, left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Scalar<'a>, Invalid> {
    match op {
        Arithmetic::Div => divide(left, right),
        Arithmetic::Mod => modulo(left, right),
        _ => match both_exact(left, right)? {
            Some((left, right)) => exactly(op, left, right),
            None => floating(op, float(left)?, float(right)?),
        },
    }
}

fn exactly<'a>(op: Arithmetic, left: Exact, right: Exact) -> Result<Scalar<'a>, Invalid> {
    let is_decimal = left.2 || right.2;
    if op == Arithmetic::Mul {
        return checked(i128::from(left.0) * i128::from(right.0), left.1 + right.1, is_decimal);
    }
    let (a, b, scale) = aligned(left, right);
    checked(if op == Arithmetic::Sub { a - b } else { a + b }, scale, is_decimal)
}

fn floating<'a>(op: Arithmetic, left: f64, right: f64) -> Result<Scalar<'a>, Invalid> {
    let result = match op {
        Arithmetic::Sub => left - right,
        Arithmetic::Mul => left * right,
        _ => left + right,
    };
    finite(result).map(Scalar::Float)
}

fn divide<'a>(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Scalar<'a>, Invalid> {
    let (left, right) = (float(left)?, float(right)?);
    if right == 0.0 {
        Ok(Scalar::Null)
    } else {
        finite(left / right).map(Scalar::Float)
    }
}

/// The sign is the dividend's.
fn modulo<'a>(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Scalar<'a>, Invalid> {
    match (left, right) {
        (Scalar::Int(_), Scalar::Int(0)) => Ok(Scalar::Null),
        (Scalar::Int(a), Scalar::Int(b)) => Ok(Scalar::Int(a.wrapping_rem(*b))),
        _ => Err(Invalid::Type),
    }
}

pub fn negative<'a>(value: &Scalar<'_>) -> Result<Scalar<'a>, Invalid> {
    match exact(value)? {
        Some((v, scale, is_decimal)) => checked(-i128::from(v), scale, is_decimal),
        None => finite(-float(value)?).map(Scalar::Float),
    }
}
