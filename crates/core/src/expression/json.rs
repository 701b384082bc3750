//! Evaluation from text to text, so that other evaluators can be compared with this one.
use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Node, Scalar, Source, evaluate};
use crate::batch::Invalid;
use crate::number::{self, Number};

/// A row's values, which both kinds of references see.
struct Row(Vec<Result<Scalar<'static>, Invalid>>);

impl<'a> Source<'a> for Row {
    fn path(&self, index: usize) -> Result<Scalar<'a>, Invalid> {
        self.0.get(index).cloned().unwrap_or(Err(Invalid::Missing))
    }
    fn field(&self, index: usize) -> Result<Scalar<'a>, Invalid> {
        self.path(index)
    }
}

/// Evaluate one tree over rows: a JSON array of arrays of typed literals (`["int", 5]`, `["dec", "1.50"]`, `["null"]`,
/// also `["number", "1e5"]` for a raw number). The result is an array of typed literals or `["error", reason]`.
///
/// # Errors
/// The tree or the rows are not what they should be.
pub fn evaluate_json(node_json: &str, rows_json: &str) -> Result<String, String> {
    let node: Node = serde_json::from_str(node_json).map_err(|e| e.to_string())?;
    let rows: Vec<Vec<Value>> = serde_json::from_str(rows_json).map_err(|e| e.to_string())?;
    let mut results = vec![];
    for row in &rows {
        let row = Row(row.iter().map(scalar).collect::<Result<_, String>>()?);
        results.push(result(evaluate(&node, &row)));
    }
    Ok(Value::Array(results).to_string())
}

fn scalar(literal: &Value) -> Result<Result<Scalar<'static>, Invalid>, String> {
    if let Some([Value::String(tag), Value::String(text)]) = literal.as_array().map(Vec::as_slice)
        && tag == "number"
        && number::is_number(text.as_bytes())
    {
        return Ok(number::number(text.as_bytes()).map(|number| number.into()));
    }
    Ok(Ok(match Node::from_json(literal)? {
        Node::Null => Scalar::Null,
        Node::Bool(value) => Scalar::Bool(value),
        Node::Int(value) => Scalar::Int(value),
        Node::Dec { v, scale } => Scalar::Dec { v, scale },
        Node::Float(value) => Scalar::Float(value),
        Node::Text(text) => Scalar::Text(Cow::Owned(text)),
        _ => return Err(format!("not a literal: {literal}")),
    }))
}

impl From<Number> for Scalar<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(value) => Scalar::Int(value),
            Number::Dec { v, scale } => Scalar::Dec { v, scale },
            Number::Float(value) => Scalar::Float(value),
        }
    }
}

fn result(value: Result<Scalar<'_>, Invalid>) -> Value {
    match value {
        Ok(Scalar::Null) => json!(["null"]),
        Ok(Scalar::Bool(value)) => json!(["bool", value]),
        Ok(Scalar::Int(value)) => json!(["int", value]),
        Ok(Scalar::Dec { v, scale }) => json!(["dec", number::decimal_text(v, scale)]),
        Ok(Scalar::Float(value)) => json!(["float", value]),
        Ok(Scalar::Text(text)) => json!(["text", text]),
        Err(reason) => json!(["error", reason_text(reason)]),
    }
}

fn reason_text(reason: Invalid) -> &'static str {
    match reason {
        Invalid::Missing => "missing",
        Invalid::Type => "type",
        Invalid::Range => "range",
        Invalid::Stamp => "stamp",
        Invalid::Zone => "zone",
        Invalid::Definition => "definition",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tree over one row of typed literals.
    #[track_caller]
    fn check(node: &str, row: &str, expected: &str) {
        assert_eq!(
            evaluate_json(node, &format!("[{row}]")),
            Ok(format!("[{expected}]")),
            "{node} {row}"
        );
    }

    const A: &str = r#"["field",0]"#;
    const B: &str = r#"["field",1]"#;

    #[test]
    fn and_and_or_are_three_valued_and_stop_early() {
        let (and, or) = (format!(r#"["and",{A},{B}]"#), format!(r#"["or",{A},{B}]"#));
        check(&and, r#"[["null"],["bool",false]]"#, r#"["bool",false]"#);
        check(&and, r#"[["null"],["bool",true]]"#, r#"["null"]"#);
        check(&and, r#"[["bool",false],["int",1]]"#, r#"["bool",false]"#);
        check(&and, r#"[["bool",true],["int",1]]"#, r#"["error","type"]"#);
        check(&or, r#"[["null"],["bool",true]]"#, r#"["bool",true]"#);
        check(&or, r#"[["bool",false],["null"]]"#, r#"["null"]"#);
        check(&or, r#"[["int",1],["bool",true]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn numbers_compare_exactly_and_with_floats_as_floats() {
        let (eq, lt) = (format!(r#"["eq",{A},{B}]"#), format!(r#"["lt",{A},{B}]"#));
        check(&eq, r#"[["int",1],["dec","1.00"]]"#, r#"["bool",true]"#);
        check(
            &lt,
            r#"[["int",9223372036854775806],["dec","9.223372036854775807"]]"#,
            r#"["bool",false]"#,
        );
        check(&eq, r#"[["dec","0.1"],["float",0.1]]"#, r#"["bool",true]"#);
        check(
            &eq,
            r#"[["int",9007199254740993],["float",9007199254740992.0]]"#,
            r#"["bool",true]"#,
        );
    }

    #[test]
    fn other_classes_do_not_compare() {
        let eq = format!(r#"["eq",{A},{B}]"#);
        check(&eq, r#"[["int",1],["text","1"]]"#, r#"["error","type"]"#);
        check(&eq, r#"[["int",1],["bool",true]]"#, r#"["error","type"]"#);
        check(&eq, r#"[["null"],["text","1"]]"#, r#"["null"]"#);
    }

    #[test]
    fn texts_compare_by_their_bytes() {
        check(
            &format!(r#"["lt",{A},{B}]"#),
            r#"[["text","Z"],["text","a"]]"#,
            r#"["bool",true]"#,
        );
    }

    #[test]
    fn in_is_three_valued() {
        let node = format!(r#"["in",{A},["int",1],["null"]]"#);
        check(&node, r#"[["int",1]]"#, r#"["bool",true]"#);
        check(&node, r#"[["int",2]]"#, r#"["null"]"#);
        check(&node, r#"[["null"]]"#, r#"["null"]"#);
        check(&node, r#"[["text","x"]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn sums_and_products_are_exact_or_out_of_range() {
        let (add, mul) = (format!(r#"["add",{A},{B}]"#), format!(r#"["mul",{A},{B}]"#));
        check(&add, r#"[["int",1],["dec","0.50"]]"#, r#"["dec","1.50"]"#);
        check(
            &add,
            r#"[["int",9223372036854775807],["int",1]]"#,
            r#"["error","range"]"#,
        );
        check(&mul, r#"[["dec","1.5"],["dec","0.50"]]"#, r#"["dec","0.750"]"#);
        check(
            &mul,
            r#"[["dec","0.0000000001"],["dec","0.000000001"]]"#,
            r#"["error","range"]"#,
        );
        check(&mul, r#"[["int",2],["float",0.5]]"#, r#"["float",1.0]"#);
        check(&mul, r#"[["float",1e300],["float",1e300]]"#, r#"["error","range"]"#);
        check(&mul, r#"[["int",-1],["float",0.0]]"#, r#"["float",0.0]"#);
        check(&add, r#"[["text","a"],["int",1]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn division_is_of_floats_and_by_zero_null() {
        let div = format!(r#"["div",{A},{B}]"#);
        check(&div, r#"[["int",1],["int",4]]"#, r#"["float",0.25]"#);
        check(&div, r#"[["int",1],["dec","0.00"]]"#, r#"["null"]"#);
    }

    #[test]
    fn the_rest_has_the_sign_of_the_dividend() {
        let rest = format!(r#"["mod",{A},{B}]"#);
        check(&rest, r#"[["int",-7],["int",3]]"#, r#"["int",-1]"#);
        check(&rest, r#"[["int",7],["int",-3]]"#, r#"["int",1]"#);
        check(&rest, r#"[["int",7],["int",0]]"#, r#"["null"]"#);
        check(&rest, r#"[["int",-9223372036854775808],["int",-1]]"#, r#"["int",0]"#);
        check(&rest, r#"[["dec","7.0"],["int",3]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn negation_may_leave_the_range() {
        let neg = format!(r#"["neg",{A}]"#);
        check(&neg, r#"[["dec","-1.50"]]"#, r#"["dec","1.50"]"#);
        check(&neg, r#"[["int",-9223372036854775808]]"#, r#"["error","range"]"#);
        check(&neg, r#"[["float",0.0]]"#, r#"["float",0.0]"#);
    }

    #[test]
    fn errors_come_before_nulls_and_nulls_before_types() {
        let add = format!(r#"["add",{A},["div",{B},["bool",true]]]"#);
        check(&add, r#"[["null"],["int",1]]"#, r#"["error","type"]"#);
        check(
            &format!(r#"["add",{A},{B}]"#),
            r#"[["null"],["text","x"]]"#,
            r#"["null"]"#,
        );
        check(
            &format!(r#"["substr",{A},{B}]"#),
            r#"[["int",5],["null"]]"#,
            r#"["null"]"#,
        );
    }

    #[test]
    fn case_takes_the_first_true_condition() {
        let case = format!(r#"["case",["gt",{A},["int",5]],["text","big"],["is_null",{A}],["text","none"],["null"]]"#);
        check(&case, r#"[["int",6]]"#, r#"["text","big"]"#);
        check(&case, r#"[["null"]]"#, r#"["text","none"]"#);
        check(&case, r#"[["int",5]]"#, r#"["null"]"#);
    }

    #[test]
    fn coalesce_takes_the_first_that_is_not_null() {
        check(
            &format!(r#"["coalesce",{A},{B}]"#),
            r#"[["null"],["int",3]]"#,
            r#"["int",3]"#,
        );
    }

    #[test]
    fn casts_to_text_keep_the_digits() {
        let cast = format!(r#"["cast",{A},"text",0]"#);
        check(&cast, r#"[["dec","1.50"]]"#, r#"["text","1.50"]"#);
        check(&cast, r#"[["bool",true]]"#, r#"["text","true"]"#);
        check(&cast, r#"[["float",1.5]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn casts_to_integer_take_whole_numbers_only() {
        let cast = format!(r#"["cast",{A},"integer",0]"#);
        check(&cast, r#"[["text","-12"]]"#, r#"["int",-12]"#);
        check(&cast, r#"[["text","1.0"]]"#, r#"["error","type"]"#);
        check(&cast, r#"[["text","9223372036854775808"]]"#, r#"["error","range"]"#);
        check(&cast, r#"[["dec","2.00"]]"#, r#"["int",2]"#);
        check(&cast, r#"[["dec","2.50"]]"#, r#"["error","range"]"#);
        check(
            &cast,
            r#"[["float",-9223372036854775808.0]]"#,
            r#"["int",-9223372036854775808]"#,
        );
        check(&cast, r#"[["float",9223372036854775808.0]]"#, r#"["error","range"]"#);
        check(&cast, r#"[["bool",true]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn casts_to_decimal_round_half_even() {
        let cast = format!(r#"["cast",{A},"decimal",2]"#);
        check(&cast, r#"[["text","1.005"]]"#, r#"["dec","1.00"]"#);
        check(&cast, r#"[["dec","1.015"]]"#, r#"["dec","1.02"]"#);
        check(&cast, r#"[["int",3]]"#, r#"["dec","3.00"]"#);
        check(&cast, r#"[["float",1.5]]"#, r#"["error","type"]"#);
    }

    #[test]
    fn raw_numbers_are_read_as_the_record_has_them() {
        check(A, r#"[["number","1e2"]]"#, r#"["int",100]"#);
        check(A, r#"[["number","1.50"]]"#, r#"["dec","1.5"]"#);
        check(A, r#"[["number","1e400"]]"#, r#"["error","range"]"#);
    }

    #[test]
    fn text_functions_work_on_texts_only() {
        check(
            &format!(r#"["concat",{A},["text","-"],{B}]"#),
            r#"[["text","a"],["text","b"]]"#,
            r#"["text","a-b"]"#,
        );
        check(
            &format!(r#"["concat",{A},{B}]"#),
            r#"[["text","a"],["null"]]"#,
            r#"["null"]"#,
        );
        check(&format!(r#"["lower",{A}]"#), r#"[["int",1]]"#, r#"["error","type"]"#);
        check(
            &format!(r#"["substr",{A},["int",0]]"#),
            r#"[["text","abc"]]"#,
            r#"["error","range"]"#,
        );
        check(
            &format!(r#"["like",{A},["text","a!_"],["text","!!"]]"#),
            r#"[["text","a"]]"#,
            r#"["error","range"]"#,
        );
    }
}
