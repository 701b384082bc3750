//! Expressions: what `where`, `fields` and a metric's `where` say. Trees come from the definition already checked; here
//! they are read (`load`), evaluated (`evaluate`) and offered to the agreement test (`json`).
mod calculate;
mod evaluate;
mod json;
mod letters;
mod load;

use std::borrow::Cow;

pub use evaluate::{Source, evaluate, truth};
pub use json::evaluate_json;

/// The value of an expression, or of what it refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// `v` divided by 10 to the power of `scale` (at most 18).
    Dec {
        v: i64,
        scale: u32,
    },
    /// Never NaN, never infinite, never -0.
    Float(f64),
    Text(Cow<'a, str>),
}

/// One operation on values. References are indices: `Path` of the wanted raw paths, `Field` of the declared fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Path(usize),
    Field(usize),
    Null,
    Bool(bool),
    Int(i64),
    /// `v` divided by 10 to the power of `scale` (at most 18).
    Dec {
        v: i64,
        scale: u32,
    },
    Float(f64),
    Text(String),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Comparison, Box<[Node; 2]>),
    /// The value, then the members.
    In(Vec<Node>),
    /// Value, pattern, and the escape where there is one.
    Like(Vec<Node>),
    IsNull(Box<Node>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Neg(Box<Node>),
    /// Condition, value, condition, value, …, else.
    Case(Vec<Node>),
    Coalesce(Vec<Node>),
    Lower(Box<Node>),
    Upper(Box<Node>),
    Trim(Box<Node>),
    /// Text, start, and the length where there is one.
    Substr(Vec<Node>),
    Concat(Vec<Node>),
    Cast(Box<Node>, Target),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

/// What a cast makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Text,
    Integer,
    Decimal { scale: u32 },
    Float,
    Boolean,
}
