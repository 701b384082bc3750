//! The rules of decoding JSON lines, one by one. Where a record is read, it is read by both ways and they are equal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::slot::{Line, Malformed, Outcome};

mod decode_support;
use decode_support::{LIMITS, fault, paths, read_all, shown, values};

fn slots(dotted: &[&str], line: &str) -> Vec<String> {
    shown(&values(dotted, line))
}

fn reason(line: &str) -> Option<(Malformed, u32)> {
    fault(line.as_bytes(), LIMITS)
}

fn limited(line: &str, limits: DecodeLimits) -> Option<(Malformed, u32)> {
    fault(line.as_bytes(), limits)
}

fn lines(chunk: &str) -> Vec<Line> {
    read_all(&mut Decoder::json(&paths(&["a"]), LIMITS), chunk.as_bytes(), 1)
        .iter()
        .map(|read| read.line)
        .collect()
}

// Values

#[test]
fn each_kind_of_value_has_its_slot() {
    let line = r#"{"a":null,"b":true,"c":false,"d":-1.50e3,"e":"x","f":{},"g":[1],"h":""}"#;
    assert_eq!(
        slots(&["a", "b", "c", "d", "e", "f", "g", "h", "i"], line),
        [
            "Null", "True", "False", "-1.50e3", "'x'", "Nested", "Nested", "''", "Missing"
        ]
    );
}

#[test]
fn a_number_is_its_literal_whatever_its_size() {
    let digits = "9".repeat(400);
    assert_eq!(
        slots(&["a"], &format!(r#"{{"a":{digits}.{digits}e-{digits}}}"#)),
        [format!("{digits}.{digits}e-{digits}")]
    );
}

#[test]
fn a_text_comes_without_its_escapes() {
    assert_eq!(slots(&["a"], r#"{"a":"\u0041\ud83d\ude00\n\"ü"}"#), ["'A😀\n\"ü'"]);
}

#[test]
fn keys_may_have_escapes() {
    assert_eq!(slots(&["key", "ü"], r#"{"k\u0065y":1,"\u00fc":2}"#), ["1", "2"]);
}

#[test]
fn keys_are_compared_whole() {
    assert_eq!(
        slots(&["long_key_one", ""], r#"{"long_key_on":1,"long_key_one_":2,"":3}"#),
        ["Missing", "3"]
    );
}

#[test]
fn white_space_is_allowed_wherever_json_has_it() {
    assert_eq!(
        slots(&["a", "b.c"], " \t{ \"a\"\t: 1 ,\r\"b\" : { \"c\" : [ ] } } \t"),
        ["1", "Nested"]
    );
}

#[test]
fn keys_longer_than_a_window_are_read() {
    let key = "k".repeat(100);
    assert_eq!(slots(&[&key, "z"], &format!(r#"{{"{key}":"v","z":1}}"#)), ["'v'", "1"]);
}

// Paths

#[test]
fn nested_values_are_found_by_path() {
    assert_eq!(
        slots(&["a.b.c", "a.d"], r#"{"x":{"b":9},"a":{"b":{"x":8,"c":1},"d":2}}"#),
        ["1", "2"]
    );
}

#[test]
fn a_path_and_its_continuation_may_both_be_wanted() {
    assert_eq!(slots(&["a", "a.b"], r#"{"a":{"b":1}}"#), ["Nested", "1"]);
    assert_eq!(slots(&["a", "a.b"], r#"{"a":5}"#), ["5", "Missing"]);
}

#[test]
fn a_path_through_an_array_is_missing() {
    assert_eq!(
        slots(&["a.b", "a", "a.0"], r#"{"a":[{"b":1}]}"#),
        ["Missing", "Nested", "Missing"]
    );
}

#[test]
fn an_array_of_objects_does_not_hide_what_follows() {
    assert_eq!(
        slots(&["a.b", "c"], r#"{"x":[{"a":{"b":1}}],"c":2,"a":{"b":3}}"#),
        ["3", "2"]
    );
}

// Repeated keys

#[test]
fn the_last_of_equal_keys_wins() {
    assert_eq!(slots(&["a"], r#"{"a":1,"b":2,"a":"x"}"#), ["'x'"]);
    assert_eq!(slots(&["a"], r#"{"a":"\n","\u0061":null}"#), ["Null"]);
}

#[test]
fn a_repeated_key_forgets_what_was_below_it() {
    assert_eq!(slots(&["a", "a.b"], r#"{"a":{"b":1},"a":5}"#), ["5", "Missing"]);
    assert_eq!(slots(&["a.b", "a.c"], r#"{"a":{"b":1},"a":{"c":2}}"#), ["Missing", "2"]);
    assert_eq!(slots(&["a.b.c"], r#"{"a":{"b":{"c":1}},"a":{"b":{}}}"#), ["Missing"]);
}

#[test]
fn a_repeated_key_inside_an_object_wins_too() {
    assert_eq!(slots(&["a.b"], r#"{"a":{"b":1,"b":2}}"#), ["2"]);
}

#[test]
fn repeated_keys_that_nobody_wants_are_allowed() {
    assert_eq!(slots(&["a"], r#"{"x":1,"x":2,"a":3}"#), ["3"]);
}

// Malformed

#[test]
fn broken_json_is_syntax_at_the_broken_byte() {
    for (line, at) in [
        ("{", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":}"#, 5),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":1"#, 6),
        (r#"{a:1}"#, 1),
        (r#"{"a":01}"#, 6),
        (r#"{"a":tru}"#, 5),
        (r#"{"a":NaN}"#, 5),
        (r#"{"a":-}"#, 6),
        (r#"{"a":1]"#, 6),
        (r#"{"a":[1}"#, 7),
        (r#"{"a":'b'}"#, 5),
        ("{\"a\":\"x\ty\"}", 7),
        (r#"{"a":"\q"}"#, 6),
        (r#"{"a":"x"#, 7),
        ("}", 0),
        ("x", 0),
        (r#"{"a":[1,]}"#, 8),
        (r#"{,}"#, 1),
    ] {
        assert_eq!(reason(line), Some((Malformed::Syntax, at)), "{line}");
    }
}

#[test]
fn bytes_behind_the_object_are_syntax() {
    assert_eq!(reason(r#"{"a":1} x"#), Some((Malformed::Syntax, 8)));
    assert_eq!(reason(r#"{"a":1}{"a":1}"#), Some((Malformed::Syntax, 7)));
}

#[test]
fn only_json_white_space_is_white_space() {
    assert_eq!(reason("{\u{b}}"), Some((Malformed::Syntax, 1)));
    assert_eq!(reason("{}\u{a0}"), Some((Malformed::Syntax, 2)));
    assert_eq!(reason("\0"), Some((Malformed::Syntax, 0)));
}

#[test]
fn other_json_is_not_an_object() {
    for line in ["[]", "1", "null", r#""x""#, r#" [{"a":1}] "#] {
        let at = line.len() as u32 - line.trim_start().len() as u32;
        assert_eq!(reason(line), Some((Malformed::NotObject, at)), "{line}");
    }
}

#[test]
fn other_json_that_is_broken_is_syntax() {
    assert_eq!(reason("[1"), Some((Malformed::Syntax, 2)));
    assert_eq!(reason("1 2"), Some((Malformed::Syntax, 2)));
}

#[test]
fn invalid_utf8_anywhere_comes_before_syntax() {
    assert_eq!(fault(b"{\"a\":1,,\"x\":\"\xff\"}", LIMITS), Some((Malformed::Utf8, 13)));
    assert_eq!(fault(b"{\"a\":1}\xc3", LIMITS), Some((Malformed::Utf8, 7)));
    assert_eq!(fault(b"{\"a\":\"\xed\xa0\x80\"}", LIMITS), Some((Malformed::Utf8, 6)));
}

#[test]
fn lone_surrogates_are_not_utf8() {
    assert_eq!(reason(r#"{"x":"a\ud800"}"#), Some((Malformed::Utf8, 7)));
    assert_eq!(reason(r#"{"\udfff":1}"#), Some((Malformed::Utf8, 2)));
    assert_eq!(reason(r#"{"x":"\ud800\ud800"}"#), Some((Malformed::Utf8, 6)));
}

// Limits

#[test]
fn a_line_over_the_size_limit_is_not_parsed() {
    let limits = DecodeLimits {
        record_bytes_max: 8,
        ..LIMITS
    };
    assert_eq!(limited("{\"a\":11}\r\n", limits), None);
    assert_eq!(limited("{\"a\":111}\n", limits), Some((Malformed::Size, 8)));
    assert_eq!(
        limited("\u{7f}garbage that is no json", limits),
        Some((Malformed::Size, 8))
    );
}

#[test]
fn the_bracket_over_the_depth_limit_is_named() {
    let nested = |depth: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(reason(&nested(63)), None);
    assert_eq!(reason(&nested(64)), Some((Malformed::Depth, 5 + 63)));
    assert_eq!(
        limited("{}", DecodeLimits { depth_max: 0, ..LIMITS }),
        Some((Malformed::Depth, 0))
    );
}

#[test]
fn a_hundred_thousand_brackets_are_read_without_a_deep_stack() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        limited(
            &deep,
            DecodeLimits {
                depth_max: 200_000,
                ..LIMITS
            }
        ),
        None
    );
    assert_eq!(reason(&"[".repeat(100_000)), Some((Malformed::Depth, 64)));
    assert_eq!(reason(&"{\"a\":".repeat(100_000)), Some((Malformed::Depth, 64 * 5)));
}

#[test]
fn members_are_counted_over_the_whole_record() {
    let limits = DecodeLimits {
        members_max: 4,
        ..LIMITS
    };
    assert_eq!(limited(r#"{"a":{"b":1},"c":2,"c":3}"#, limits), None);
    assert_eq!(
        limited(r#"{"a":{"b":1},"c":[{"d":1}],"e":2}"#, limits),
        Some((Malformed::Members, 27))
    );
}

#[test]
fn the_first_fault_that_is_met_is_named() {
    let limits = DecodeLimits {
        depth_max: 2,
        members_max: 2,
        ..LIMITS
    };
    assert_eq!(
        limited(r#"{"a":1,"b":2,"c":[[]]}"#, limits),
        Some((Malformed::Members, 13))
    );
    assert_eq!(limited(r#"{"a":[[]],"b":2,"c":}"#, limits), Some((Malformed::Depth, 6)));
    assert_eq!(limited(r#"{"a":,"b":2,"c":3}"#, limits), Some((Malformed::Syntax, 5)));
    assert_eq!(limited("[[[]]]", limits), Some((Malformed::Depth, 2)));
}

// Lines

#[test]
fn lines_end_with_either_line_end_or_the_chunk() {
    let found: Vec<_> = lines("{}\n{}\r\n{}")
        .iter()
        .map(|line| (line.start, line.end, line.after))
        .collect();
    assert_eq!(found, [(0, 2, 3), (3, 5, 7), (7, 9, 9)]);
}

#[test]
fn lines_of_white_space_are_blank() {
    let outcomes: Vec<_> = lines("\n \t\r\n{}\n\r").iter().map(|line| line.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Blank, Outcome::Blank, Outcome::Record, Outcome::Blank]
    );
}

#[test]
fn a_blank_line_over_the_size_limit_is_blank() {
    let limits = DecodeLimits {
        record_bytes_max: 2,
        ..LIMITS
    };
    let read = read_all(&mut Decoder::json(&paths(&["a"]), limits), b"      \n", 1).remove(0);
    assert_eq!(read.line.outcome, Outcome::Blank);
}

#[test]
fn an_object_does_not_go_on_in_the_next_line() {
    let outcomes: Vec<_> = lines("{\"a\":1,\n\"b\":2}\n{\"a\":\"x\ny\"}")
        .iter()
        .map(|line| line.outcome)
        .collect();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Malformed(Malformed::Syntax, _)))
    );
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn a_malformed_record_leaves_no_slots() {
    let chunk = b"{\"a\":\"\\n\",\"b\":x}\n";
    let read = read_all(&mut Decoder::json(&paths(&["a"]), LIMITS), chunk, 1).remove(0);
    assert_eq!(shown(&read.found), ["Missing"]);
}

#[test]
fn without_paths_records_are_still_checked() {
    let outcomes = |chunk: &[u8]| read_all(&mut Decoder::json(&[], LIMITS), chunk, 0)[0].line.outcome;
    assert_eq!(outcomes(b"{\"a\":1}"), Outcome::Record);
    assert_eq!(outcomes(b"{\"a\":}"), Outcome::Malformed(Malformed::Syntax, 5));
}
