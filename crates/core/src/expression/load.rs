//! Reads trees from their list form: `["eq", ["field", 0], ["int", 5]]`.
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::{Arithmetic, Comparison, Node, Target};

/// Operations inside operations; evaluation recurses this deep and no deeper.
pub const DEPTH_MAX: u32 = 100;
/// Digits after the point that a decimal may have.
const SCALE_MAX: u32 = 18;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        Node::from_json(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Node {
    /// The tree that a JSON list names.
    ///
    /// # Errors
    /// An unknown operation, the wrong number or kind of arguments, or more than `DEPTH_MAX` levels.
    pub fn from_json(json: &Value) -> Result<Node, String> {
        node(json, DEPTH_MAX)
    }
}

fn node(json: &Value, depth: u32) -> Result<Node, String> {
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| format!("an expression of more than {DEPTH_MAX} levels"))?;
    let items = json.as_array().ok_or_else(|| wrong(json))?;
    let (op, args) = items.split_first().ok_or_else(|| wrong(json))?;
    let op = op.as_str().ok_or_else(|| wrong(json))?;
    if let Some(leaf) = leaf(op, args) {
        return leaf.ok_or_else(|| wrong(json));
    }
    if op == "cast" {
        return cast(args, depth)?.ok_or_else(|| wrong(json));
    }
    let args = args.iter().map(|arg| node(arg, depth)).collect::<Result<Vec<_>, _>>()?;
    call(op, args).ok_or_else(|| wrong(json))
}

fn wrong(json: &Value) -> String {
    let text: String = json.to_string().chars().take(80).collect();
    format!("not an expression: {text}")
}

/// None: the operation is not a leaf. Some(None): it is one, but its argument is wrong.
fn leaf(op: &str, args: &[Value]) -> Option<Option<Node>> {
    let index = |value: &Value| value.as_u64().and_then(|i| usize::try_from(i).ok());
    Some(match (op, args) {
        ("path", [value]) => index(value).map(Node::Path),
        ("field", [value]) => index(value).map(Node::Field),
        ("null", []) => Some(Node::Null),
        ("bool", [value]) => value.as_bool().map(Node::Bool),
        ("int", [value]) => value.as_i64().map(Node::Int),
        ("dec", [value]) => value.as_str().and_then(decimal),
        ("float", [value]) => value.as_f64().map(|f| Node::Float(f + 0.0)),
        ("text", [value]) => value.as_str().map(|text| Node::Text(text.into())),
        ("path" | "field" | "null" | "bool" | "int" | "dec" | "float" | "text", _) => None,
        _ => return None,
    })
}

/// `-1.50`: the scale is the number of digits after the point.
fn decimal(text: &str) -> Option<Node> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = u32::try_from(fraction.len()).ok().filter(|&scale| scale <= SCALE_MAX)?;
    let v = format!("{whole}{fraction}").parse().ok()?;
    Some(Node::Dec { v, scale })
}

fn cast(args: &[Value], depth: u32) -> Result<Option<Node>, String> {
    let [value, to, scale @ ..] = args else { return Ok(None) };
    let scale = scale
        .first()
        .map_or(Some(0), Value::as_u64)
        .and_then(|scale| u32::try_from(scale).ok());
    let target = match (to.as_str(), scale.filter(|&scale| scale <= SCALE_MAX)) {
        (Some("text"), _) => Target::Text,
        (Some("integer"), _) => Target::Integer,
        (Some("decimal"), Some(scale)) => Target::Decimal { scale },
        (Some("float"), _) => Target::Float,
        (Some("boolean"), _) => Target::Boolean,
        _ => return Ok(None),
    };
    Ok(Some(Node::Cast(Box::new(node(value, depth)?), target)))
}

fn call(op: &str, args: Vec<Node>) -> Option<Node> {
    let count = args.len();
    Some(match op {
        "and" if count >= 2 => Node::And(args),
        "or" if count >= 2 => Node::Or(args),
        "in" if count >= 2 => Node::In(args),
        "like" if count == 2 || count == 3 => Node::Like(args),
        "substr" if count == 2 || count == 3 => Node::Substr(args),
        "case" if count >= 3 && count % 2 == 1 => Node::Case(args),
        "coalesce" if count >= 1 => Node::Coalesce(args),
        "concat" if count >= 1 => Node::Concat(args),
        "not" | "is_null" | "neg" | "lower" | "upper" | "trim" => return unary(op, args),
        _ => return binary(op, args),
    })
}

fn unary(op: &str, args: Vec<Node>) -> Option<Node> {
    let [arg] = <[Node; 1]>::try_from(args).ok()?;
    let arg = Box::new(arg);
    Some(match op {
        "not" => Node::Not(arg),
        "is_null" => Node::IsNull(arg),
        "neg" => Node::Neg(arg),
        "lower" => Node::Lower(arg),
        "upper" => Node::Upper(arg),
        _ => Node::Trim(arg),
    })
}

fn binary(op: &str, args: Vec<Node>) -> Option<Node> {
    let args = Box::new(<[Node; 2]>::try_from(args).ok()?);
    let compare = |op| Node::Compare(op, args.clone());
    let arithmetic = |op| Node::Arithmetic(op, args.clone());
    Some(match op {
        "eq" => compare(Comparison::Eq),
        "ne" => compare(Comparison::Ne),
        "lt" => compare(Comparison::Lt),
        "le" => compare(Comparison::Le),
        "gt" => compare(Comparison::Gt),
        "ge" => compare(Comparison::Ge),
        "add" => arithmetic(Arithmetic::Add),
        "sub" => arithmetic(Arithmetic::Sub),
        "mul" => arithmetic(Arithmetic::Mul),
        "div" => arithmetic(Arithmetic::Div),
        "mod" => arithmetic(Arithmetic::Mod),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Node, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn a_comparison_is_read() {
        let args = Box::new([Node::Field(0), Node::Int(5)]);
        assert_eq!(
            read(r#"["eq", ["field", 0], ["int", 5]]"#),
            Ok(Node::Compare(Comparison::Eq, args))
        );
    }

    #[test]
    fn a_decimal_keeps_its_digits() {
        assert_eq!(read(r#"["dec", "-0.50"]"#), Ok(Node::Dec { v: -50, scale: 2 }));
    }

    #[test]
    fn a_cast_to_decimal_names_its_scale() {
        let cast = Node::Cast(Box::new(Node::Path(1)), Target::Decimal { scale: 2 });
        assert_eq!(read(r#"["cast", ["path", 1], "decimal", 2]"#), Ok(cast));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for json in [
            "5",
            "[]",
            r#"["eq", ["int", 1]]"#,
            r#"["case", ["null"], ["null"]]"#,
            r#"["fold", ["null"]]"#,
            r#"["int", 1.5]"#,
            r#"["int", 9223372036854775808]"#,
            r#"["dec", "1e5"]"#,
            r#"["dec", "0.0000000000000000001"]"#,
            r#"["cast", ["null"], "money", 0]"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn trees_deeper_than_the_limit_are_refused() {
        let nested = |levels: usize| format!("{}[\"null\"]{}", "[\"not\",".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(99)).is_ok());
        assert!(read(&nested(100)).is_err());
    }
}
