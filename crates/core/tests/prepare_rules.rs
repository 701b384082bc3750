//! The pure step, rule by rule: order of the checks, types, defaults, identities, metrics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::batch::{Invalid, Verdict, part};
use crossfoot_core::identity::Key;
use crossfoot_core::plan::Plan;
use crossfoot_core::prepare::Preparer;
use serde_json::{Value as Json, json};

mod prepare_support;
use prepare_support::{field, plan, prepare, prepare_at, verdict};

const A: u16 = part::FIELD;
const B: u16 = part::FIELD + 1;

/// One field `x` of a type over the raw path `a`.
fn typed(kind: &str) -> Plan {
    plan(json!({"fields": [field("x", kind, json!(["path", 2]))]}))
}

/// The value of `x`, or why the record is invalid.
fn value(plan: &Plan, a: &str) -> Result<String, Invalid> {
    let prepared = prepare(plan, &format!(r#"{{"t":1,"id":1,"a":{a}}}"#));
    match prepared.row.verdict {
        Verdict::Event => Ok(prepared.values[0].clone()),
        Verdict::Invalid(reason, A) => Err(reason),
        other => unreachable!("{other:?}"),
    }
}

/// Two fields over `a` and `b`, both strictly integers; `where` is over the second.
fn filtered() -> Plan {
    let fields = [
        field("x", "integer", json!(["path", 2])),
        field("y", "integer", json!(["path", 3])),
    ];
    let r#where = json!(["gt", ["field", 1], ["int", 0]]);
    plan(json!({"fields": fields, "where": r#where, "where_fields": [1]}))
}

fn invalid(reason: Invalid, part: u16) -> Verdict {
    Verdict::Invalid(reason, part)
}

// Order

#[test]
fn the_fields_of_where_are_checked_first() {
    let line = r#"{"t":"x","id":1.5,"a":"x","b":"x"}"#;
    assert_eq!(verdict(&filtered(), line), invalid(Invalid::Type, B));
}

#[test]
fn a_record_that_is_filtered_may_be_wrong_elsewhere() {
    for b in ["0", "null"] {
        let line = format!(r#"{{"t":"x","a":"x","b":{b}}}"#);
        assert_eq!(verdict(&filtered(), &line), Verdict::Filtered);
    }
}

#[test]
fn then_come_time_id_and_the_other_fields() {
    let plan = filtered();
    assert_eq!(
        verdict(&plan, r#"{"t":"x","a":"x","b":1}"#),
        invalid(Invalid::Type, part::TIME)
    );
    assert_eq!(
        verdict(&plan, r#"{"t":1,"a":"x","b":1}"#),
        invalid(Invalid::Missing, part::ID)
    );
    assert_eq!(
        verdict(&plan, r#"{"t":1,"id":1,"a":"x","b":1}"#),
        invalid(Invalid::Type, A)
    );
    assert_eq!(verdict(&plan, r#"{"t":1,"id":1,"a":1,"b":1}"#), Verdict::Event);
}

#[test]
fn received_comes_after_time_and_before_id() {
    let received = json!({"path": 4, "unit": "us", "pattern": null, "zone": null});
    let plan = plan(json!({"received": received}));
    assert_eq!(verdict(&plan, r#"{"r":1}"#), invalid(Invalid::Missing, part::TIME));
    assert_eq!(verdict(&plan, r#"{"t":1}"#), invalid(Invalid::Missing, part::RECEIVED));
    let prepared = prepare(&plan, r#"{"t":1,"r":2,"id":3}"#);
    assert_eq!((prepared.row.event_us, prepared.row.stamp_us), (1, 2));
}

#[test]
fn a_stamp_beyond_the_clock_and_the_allowed_future_is_invalid() {
    let received = json!({"path": 4, "unit": "us", "pattern": null, "zone": null});
    let mut plan = plan(json!({"received": received}));
    plan.accept.future_us = 10;
    let at = |stamp: i64| {
        prepare_at(&plan, &format!(r#"{{"t":1,"r":{stamp},"id":3}}"#), 100)[0]
            .row
            .verdict
    };
    assert_eq!(at(110), Verdict::Event);
    assert_eq!(at(111), invalid(Invalid::Stamp, part::RECEIVED));
}

#[test]
fn an_error_in_where_is_invalid() {
    let fields = [field("x", "any", json!(["path", 2]))];
    let plan = plan(json!({"fields": fields, "where": ["gt", ["field", 0], ["int", 0]], "where_fields": [0]}));
    assert_eq!(verdict(&plan, r#"{"a":"x"}"#), invalid(Invalid::Type, part::WHERE));
}

#[test]
fn event_times_may_be_bounded() {
    let mut plan = plan(json!({}));
    (plan.accept.not_before_us, plan.accept.not_after_us) = (Some(10), Some(20));
    let at = |t: i64| verdict(&plan, &format!(r#"{{"t":{t},"id":1}}"#));
    assert_eq!([at(10), at(20)], [Verdict::Event; 2]);
    assert_eq!([at(9), at(21)], [invalid(Invalid::Range, part::TIME); 2]);
}

#[test]
fn only_events_have_values() {
    let lines = "{\"t\":1,\"a\":1,\"b\":1}\n{\"b\":0}\nx\n\n{\"t\":1,\"id\":1,\"a\":1,\"b\":1}\n";
    let prepared = prepare_at(&filtered(), lines, 0);
    assert_eq!(prepared.len(), 4);
    for refused in &prepared[..3] {
        assert_eq!(refused.values, ["Null", "Null"]);
    }
    assert_eq!(prepared[3].values, ["Int(1)", "Int(1)"]);
}

// Types

#[test]
fn an_integer_is_a_whole_number() {
    let plan = typed("integer");
    assert_eq!(value(&plan, "1.0e1"), Ok("Int(10)".into()));
    assert_eq!(value(&plan, "null"), Ok("Null".into()));
    assert_eq!(value(&plan, "1e19"), Err(Invalid::Range));
    for a in ["1.5", "\"1\"", "true", "[1]", "{}"] {
        assert_eq!(value(&plan, a), Err(Invalid::Type), "{a}");
    }
}

#[test]
fn a_decimal_is_a_number_or_the_text_of_one() {
    let plan = typed("decimal");
    assert_eq!(value(&plan, "1.005"), Ok("Decimal(100)".into()));
    assert_eq!(value(&plan, "\"1.015\""), Ok("Decimal(102)".into()));
    assert_eq!(value(&plan, "12345678901234567890"), Err(Invalid::Range));
    for a in ["\"1,5\"", "\"\"", "false", "[]"] {
        assert_eq!(value(&plan, a), Err(Invalid::Type), "{a}");
    }
}

#[test]
fn a_float_is_a_number() {
    let plan = typed("float");
    assert_eq!(value(&plan, "-0.0"), Ok("Float(0.0)".into()));
    assert_eq!(value(&plan, "1e400"), Err(Invalid::Range));
    assert_eq!(value(&plan, "\"1\""), Err(Invalid::Type));
}

#[test]
fn texts_and_booleans_are_taken_as_they_are() {
    assert_eq!(value(&typed("text"), r#""\u00e9""#), Ok("'é'".into()));
    assert_eq!(value(&typed("text"), "1"), Err(Invalid::Type));
    assert_eq!(value(&typed("boolean"), "true"), Ok("Bool(true)".into()));
    assert_eq!(value(&typed("boolean"), "\"true\""), Err(Invalid::Type));
}

#[test]
fn without_a_type_texts_integers_and_booleans_are_found() {
    let plan = typed("any");
    assert_eq!(value(&plan, "\"1\""), Ok("'1'".into()));
    assert_eq!(value(&plan, "1.0"), Ok("Int(1)".into()));
    assert_eq!(value(&plan, "false"), Ok("Bool(false)".into()));
    assert_eq!(value(&plan, "1.5"), Err(Invalid::Type));
    assert_eq!(value(&plan, "1e30"), Err(Invalid::Type));
    assert_eq!(value(&plan, "1e400"), Err(Invalid::Range));
}

#[test]
fn in_untyped_formats_texts_are_read_as_the_declared_type() {
    let input = json!({"kind": "json", "untyped": true, "regex": null});
    let untyped = |kind: &str| plan(json!({"fields": [field("x", kind, json!(["path", 2]))], "input": input}));
    assert_eq!(value(&untyped("integer"), "\"-12\""), Ok("Int(-12)".into()));
    assert_eq!(value(&untyped("integer"), "\"1.0\""), Err(Invalid::Type));
    assert_eq!(value(&untyped("float"), "\"1.5\""), Ok("Float(1.5)".into()));
    assert_eq!(value(&untyped("boolean"), "\"true\""), Ok("Bool(true)".into()));
    assert_eq!(value(&untyped("boolean"), "\"True\""), Err(Invalid::Type));
    assert_eq!(value(&untyped("any"), "\"12\""), Ok("'12'".into()));
}

// Expressions and defaults

#[test]
fn texts_of_expressions_lie_in_the_arena() {
    let plan = plan(json!({"fields": [field("x", "text", json!(["lower", ["path", 2]]))]}));
    assert_eq!(value(&plan, "\"ABC\""), Ok("'abc'".into()));
    assert_eq!(value(&plan, r#""\u0041bc""#), Ok("'abc'".into()));
    assert_eq!(value(&plan, "1"), Err(Invalid::Type));
}

#[test]
fn results_of_expressions_are_checked_strictly() {
    let over = |kind: &str, expression: Json| plan(json!({"fields": [field("x", kind, expression)]}));
    let half = json!(["mul", ["path", 2], ["dec", "0.5"]]);
    assert_eq!(value(&over("integer", half.clone()), "4"), Ok("Int(2)".into()));
    assert_eq!(value(&over("integer", half.clone()), "5"), Err(Invalid::Type));
    assert_eq!(value(&over("decimal", half.clone()), "0.25"), Ok("Decimal(12)".into()));
    assert_eq!(value(&over("float", half.clone()), "5"), Ok("Float(2.5)".into()));
    assert_eq!(value(&over("any", half), "5"), Err(Invalid::Type));
    let quarter = json!(["div", ["path", 2], ["int", 4]]);
    assert_eq!(value(&over("decimal", quarter.clone()), "1"), Err(Invalid::Type));
    assert_eq!(value(&over("float", quarter), "1"), Ok("Float(0.25)".into()));
}

#[test]
fn a_default_stands_for_null_and_missing() {
    let with = |kind: &str, default: Json| {
        let mut x = field("x", kind, json!(["path", 2]));
        x["default"] = default;
        plan(json!({"fields": [x]}))
    };
    assert_eq!(value(&with("text", json!(["text", "ZZ"])), "null"), Ok("'ZZ'".into()));
    assert_eq!(
        prepare(&with("text", json!(["text", "ZZ"])), r#"{"t":1,"id":1}"#).values,
        ["'ZZ'"]
    );
    assert_eq!(value(&with("text", json!(["text", "ZZ"])), "\"a\""), Ok("'a'".into()));
    assert_eq!(
        value(&with("decimal", json!(["dec", "1.5"])), "null"),
        Ok("Decimal(150)".into())
    );
}

// Identity

#[test]
fn a_uuid_text_is_its_own_uuid_and_other_ids_are_hashed() {
    let uuid = |id: &str| prepare(&plan(json!({})), &format!(r#"{{"t":1,"id":{id}}}"#)).row.uuid;
    let key = Key::of(&plan(json!({}))).unwrap();
    let lower = "0190163d-8694-739b-aea5-966c26f8ad91";
    assert_eq!(uuid(&format!("\"{lower}\"")), 0x0190_163d_8694_739b_aea5_966c_26f8_ad91);
    let mut upper = b"i\x01\0\0\0\x04\x24\0\0\0".to_vec();
    upper.extend(lower.to_uppercase().bytes());
    assert_eq!(uuid(&format!("\"{}\"", lower.to_uppercase())), key.hash(&upper));
    assert_eq!(uuid("10"), key.hash(b"i\x01\0\0\0\x03\x03\0\0\x001e1"));
    assert_eq!(uuid("1e1"), uuid("10"));
    assert_ne!(uuid("\"10\""), uuid("10"));
}

#[test]
fn a_fingerprint_is_of_values_that_may_be_missing() {
    let plan = plan(json!({"id": {"fingerprint": [1, 2]}}));
    let key = Key::of(&plan).unwrap();
    let expected = key.hash(b"f\x02\0\0\0\0\x03\x05\0\0\x0015e-1");
    assert_eq!(prepare(&plan, r#"{"t":1,"a":1.50}"#).row.uuid, expected);
    assert_eq!(verdict(&plan, r#"{"t":1,"a":[]}"#), invalid(Invalid::Type, part::ID));
}

#[test]
fn ids_of_records_by_position_are_left_to_the_owner_of_positions() {
    let plan = plan(json!({"id": "position"}));
    assert_eq!(prepare(&plan, r#"{"t":1}"#).row.uuid, 0);
}

#[test]
fn the_digest_is_of_the_declared_fields() {
    let plan = typed("integer");
    let digest = |line: &str| prepare(&plan, line).row.digest;
    let first = digest(r#"{"t":1,"id":1,"a":1}"#);
    assert_eq!(digest(r#"{"t":2,"id":3,"a":1.0,"b":"other"}"#), first);
    assert_ne!(digest(r#"{"t":1,"id":1,"a":2}"#), first);
}

// Metrics

#[test]
fn a_metric_has_its_bit_where_its_own_filter_is_true() {
    let metric = |filter: Json| json!({"name": "m", "where": filter, "sets": [[]], "measures": [], "grains": []});
    let over_x = |op: &str| metric(json!([op, ["field", 0], ["int", 5]]));
    let metrics = [
        metric(Json::Null),
        over_x("gt"),
        over_x("lt"),
        metric(json!(["lower", ["field", 0]])),
    ];
    let plan = plan(json!({"fields": [field("x", "integer", json!(["path", 2]))], "metrics": metrics}));
    let bits = |a: &str| prepare(&plan, &format!(r#"{{"t":1,"id":1,"a":{a}}}"#)).row.metrics;
    assert_eq!(
        (bits("6"), bits("4"), bits("5"), bits("null")),
        (0b0011, 0b0101, 0b0001, 0b0001)
    );
}

#[test]
fn more_metrics_than_bits_are_refused() {
    let metric = json!({"name": "m", "where": null, "sets": [[]], "measures": [], "grains": []});
    let metrics = |count: usize| plan(json!({"metrics": vec![metric.clone(); count]}));
    assert!(Preparer::new(&metrics(64)).is_ok());
    assert!(Preparer::new(&metrics(65)).is_err());
}
