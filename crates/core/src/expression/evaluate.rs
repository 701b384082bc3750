//! The evaluator: three-valued logic, errors as values.
//!
//! Except for AND, OR, IN, CASE, COALESCE and IS NULL, arguments are evaluated left to right; the first error is the
//! result; then any null gives null; then the types are checked.
use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Comparison, Node, Scalar, Target, calculate, letters};
use crate::batch::Invalid;
use crate::number;

/// What references stand for.
pub trait Source<'a> {
    /// The value of a raw path.
    fn path(&self, index: usize) -> Result<Scalar<'a>, Invalid>;
    /// The value of a declared field.
    fn field(&self, index: usize) -> Result<Scalar<'a>, Invalid>;
}

/// The value of a tree.
///
/// # Errors
/// Why it has none.
pub fn evaluate<'a>(node: &'a Node, source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    Ok(match node {
        Node::Path(index) => source.path(*index)?,
        Node::Field(index) => source.field(*index)?,
        Node::Null => Scalar::Null,
        Node::Bool(value) => Scalar::Bool(*value),
        Node::Int(value) => Scalar::Int(*value),
        Node::Dec { v, scale } => Scalar::Dec { v: *v, scale: *scale },
        Node::Float(value) => Scalar::Float(*value),
        Node::Text(text) => Scalar::Text(Cow::Borrowed(text)),
        Node::And(args) => all(args, source, false)?,
        Node::Or(args) => all(args, source, true)?,
        Node::In(args) => is_in(args, source)?,
        Node::Case(args) => case(args, source)?,
        Node::Coalesce(args) => coalesce(args, source)?,
        Node::IsNull(arg) => Scalar::Bool(evaluate(arg, source)? == Scalar::Null),
        _ => strict(node, source)?,
    })
}

/// The value of a condition; None is null.
///
/// # Errors
/// Why it has none; `Type` where it is no boolean.
pub fn truth<'a>(node: &'a Node, source: &impl Source<'a>) -> Result<Option<bool>, Invalid> {
    match evaluate(node, source)? {
        Scalar::Null => Ok(None),
        Scalar::Bool(value) => Ok(Some(value)),
        _ => Err(Invalid::Type),
    }
}

/// OR, which stops at the first true; or AND, which stops at the first false.
fn all<'a>(args: &'a [Node], source: &impl Source<'a>, stop: bool) -> Result<Scalar<'a>, Invalid> {
    let mut result = Scalar::Bool(!stop);
    for arg in args {
        match truth(arg, source)? {
            Some(value) if value == stop => return Ok(Scalar::Bool(stop)),
            Some(_) => {}
            None => result = Scalar::Null,
        }
    }
    Ok(result)
}

/// As `x = a OR x = b OR …`, with x evaluated once.
fn is_in<'a>(args: &'a [Node], source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    let Some((value, members)) = args.split_first() else {
        return Err(Invalid::Type);
    };
    let value = evaluate(value, source)?;
    let mut result = Scalar::Bool(false);
    for member in members {
        if let (Scalar::Text(value), Node::Text(member)) = (&value, member) {
            if value == member {
                return Ok(Scalar::Bool(true));
            }
            continue;
        }
        let member = evaluate(member, source)?;
        if value == Scalar::Null || member == Scalar::Null {
            result = Scalar::Null;
        } else if compare(&value, &member)?.is_eq() {
            return Ok(Scalar::Bool(true));
        }
    }
    Ok(result)
}

fn case<'a>(args: &'a [Node], source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    for pair in args.chunks(2) {
        match pair {
            [condition, value] if truth(condition, source)? == Some(true) => return evaluate(value, source),
            [_, _] => {}
            otherwise => {
                return otherwise
                    .first()
                    .map_or(Ok(Scalar::Null), |node| evaluate(node, source));
            }
        }
    }
    Ok(Scalar::Null)
}

fn coalesce<'a>(args: &'a [Node], source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    for arg in args {
        let value = evaluate(arg, source)?;
        if value != Scalar::Null {
            return Ok(value);
        }
    }
    Ok(Scalar::Null)
}

/// The operations that are null where an argument is.
fn strict<'a>(node: &'a Node, source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    match node {
        Node::Compare(op, args) => binary(args, source, |a, b| Ok(Scalar::Bool(holds(*op, compare(a, b)?)))),
        Node::Arithmetic(op, args) => binary(args, source, |a, b| calculate::arithmetic(*op, a, b)),
        Node::Not(arg) => unary(arg, source, |value| match value {
            Scalar::Bool(value) => Ok(Scalar::Bool(!value)),
            _ => Err(Invalid::Type),
        }),
        Node::Neg(arg) => unary(arg, source, |value| calculate::negative(&value)),
        Node::Lower(arg) => unary(arg, source, |value| Ok(Scalar::Text(letters::lower(text(value)?)))),
        Node::Upper(arg) => unary(arg, source, |value| Ok(Scalar::Text(letters::upper(text(value)?)))),
        Node::Trim(arg) => unary(arg, source, |value| Ok(Scalar::Text(letters::trim(text(value)?)))),
        Node::Cast(arg, target) => unary(arg, source, |value| cast(value, *target)),
        Node::Like(args) => three(args, source)?.map_or(Ok(Scalar::Null), like),
        Node::Substr(args) => three(args, source)?.map_or(Ok(Scalar::Null), substr),
        Node::Concat(args) => concat(args, source),
        _ => Err(Invalid::Type),
    }
}

fn unary<'a>(
    arg: &'a Node,
    source: &impl Source<'a>,
    apply: impl FnOnce(Scalar<'a>) -> Result<Scalar<'a>, Invalid>,
) -> Result<Scalar<'a>, Invalid> {
    match evaluate(arg, source)? {
        Scalar::Null => Ok(Scalar::Null),
        value => apply(value),
    }
}

fn binary<'a>(
    args: &'a [Node; 2],
    source: &impl Source<'a>,
    apply: impl FnOnce(&Scalar<'a>, &Scalar<'a>) -> Result<Scalar<'a>, Invalid>,
) -> Result<Scalar<'a>, Invalid> {
    let [left, right] = args;
    match (evaluate(left, source)?, evaluate(right, source)?) {
        (Scalar::Null, _) | (_, Scalar::Null) => Ok(Scalar::Null),
        (left, right) => apply(&left, &right),
    }
}

/// Two or three arguments; the third is null where it is absent. None: one is null.
fn three<'a>(args: &'a [Node], source: &impl Source<'a>) -> Result<Option<[Scalar<'a>; 3]>, Invalid> {
    let mut values = [Scalar::Null, Scalar::Null, Scalar::Null];
    for (value, arg) in values.iter_mut().zip(args) {
        *value = evaluate(arg, source)?;
    }
    let null = values.iter().take(args.len()).any(|value| *value == Scalar::Null);
    Ok((!null).then_some(values))
}

fn holds(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}

/// Both sides are of one class, none null.
fn compare(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Ordering, Invalid> {
    match (left, right) {
        (Scalar::Int(a), Scalar::Int(b)) => Ok(a.cmp(b)),
        (Scalar::Text(a), Scalar::Text(b)) => Ok(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::Bool(a), Scalar::Bool(b)) => Ok(a.cmp(b)),
        _ => calculate::compare(left, right),
    }
}

fn text(value: Scalar<'_>) -> Result<Cow<'_, str>, Invalid> {
    match value {
        Scalar::Text(text) => Ok(text),
        _ => Err(Invalid::Type),
    }
}

fn integer(value: &Scalar<'_>) -> Result<i64, Invalid> {
    match value {
        Scalar::Int(value) => Ok(*value),
        _ => Err(Invalid::Type),
    }
}

fn like<'a>([value, pattern, escape]: [Scalar<'a>; 3]) -> Result<Scalar<'a>, Invalid> {
    let pattern = text(pattern)?;
    let escape = if escape == Scalar::Null {
        Cow::Borrowed("")
    } else {
        text(escape)?
    };
    let mut escape = escape.chars();
    let (escape, None) = (escape.next(), escape.next()) else {
        return Err(Invalid::Range);
    };
    letters::check_pattern(&pattern, escape)?;
    Ok(Scalar::Bool(letters::like(&text(value)?, &pattern, escape)))
}

fn substr<'a>([value, start, count]: [Scalar<'a>; 3]) -> Result<Scalar<'a>, Invalid> {
    let (value, start) = (text(value)?, integer(&start)?);
    let count = if count == Scalar::Null {
        i64::MAX
    } else {
        integer(&count)?
    };
    if start < 1 || count < 0 {
        return Err(Invalid::Range);
    }
    Ok(Scalar::Text(letters::substr(value, start, count)))
}

fn concat<'a>(args: &'a [Node], source: &impl Source<'a>) -> Result<Scalar<'a>, Invalid> {
    let values = args
        .iter()
        .map(|arg| evaluate(arg, source))
        .collect::<Result<Vec<_>, _>>()?;
    if values.contains(&Scalar::Null) {
        return Ok(Scalar::Null);
    }
    let texts = values.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    Ok(Scalar::Text(Cow::Owned(texts.concat())))
}

fn cast(value: Scalar<'_>, target: Target) -> Result<Scalar<'_>, Invalid> {
    match target {
        Target::Text => to_text(value).map(Scalar::Text),
        Target::Integer => to_integer(&value).map(Scalar::Int),
        Target::Decimal { scale } => to_decimal(&value, scale).map(|v| Scalar::Dec { v, scale }),
        Target::Float => to_float(&value).map(Scalar::Float),
        Target::Boolean => match &value {
            Scalar::Bool(value) => Ok(Scalar::Bool(*value)),
            Scalar::Text(text) if text == "true" || text == "false" => Ok(Scalar::Bool(text == "true")),
            _ => Err(Invalid::Type),
        },
    }
}

fn to_text(value: Scalar<'_>) -> Result<Cow<'_, str>, Invalid> {
    match value {
        Scalar::Text(text) => Ok(text),
        Scalar::Int(value) => Ok(Cow::Owned(value.to_string())),
        Scalar::Dec { v, scale } => Ok(Cow::Owned(number::decimal_text(v, scale))),
        Scalar::Bool(value) => Ok(Cow::Borrowed(if value { "true" } else { "false" })),
        Scalar::Float(_) | Scalar::Null => Err(Invalid::Type),
    }
}

fn to_integer(value: &Scalar<'_>) -> Result<i64, Invalid> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Scalar::Text(text) if number::is_integer(text.as_bytes()) => number::integer(text.as_bytes()),
        Scalar::Int(value) => Ok(*value),
        Scalar::Dec { v, scale } => match (v / 10i64.pow(*scale), v % 10i64.pow(*scale)) {
            (whole, 0) => Ok(whole),
            _ => Err(Invalid::Range),
        },
        Scalar::Float(value) if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(value) => Ok(*value as i64),
        Scalar::Float(_) => Err(Invalid::Range),
        _ => Err(Invalid::Type),
    }
}

fn to_decimal(value: &Scalar<'_>, scale: u32) -> Result<i64, Invalid> {
    match value {
        Scalar::Text(text) if number::is_number(text.as_bytes()) => number::decimal(text.as_bytes(), scale),
        Scalar::Int(value) => number::rescale(*value, 0, scale),
        Scalar::Dec { v, scale: own } => number::rescale(*v, *own, scale),
        _ => Err(Invalid::Type),
    }
}

fn to_float(value: &Scalar<'_>) -> Result<f64, Invalid> {
    match value {
        Scalar::Text(text) if number::is_number(text.as_bytes()) => number::float(text.as_bytes()),
        Scalar::Text(_) => Err(Invalid::Type),
        value => calculate::float(value),
    }
}
