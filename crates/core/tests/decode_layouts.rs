//! The learned layouts: what they read, what they leave to the general parser, how they come and go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::decode::{DecodeLimits, DecodeStats, Decoder};
use crossfoot_core::slot::{Malformed, Outcome, Slot};

mod decode_support;
use decode_support::{ENGAGEMENT, LIMITS, Read, engagement, paths, read_all, read_next, shown};

/// What is read of `line` after the layout of `first` was learned, and whether a layout did it.
fn after(first: &str, line: &[u8], dotted: &[&str], limits: DecodeLimits) -> (Read, bool) {
    let paths = paths(dotted);
    let mut decoder = Decoder::json(&paths, limits);
    read_all(&mut decoder, first.as_bytes(), paths.len());
    let mut slots = vec![Slot::default(); paths.len()];
    let read = read_next(&mut decoder, line, 0, &mut slots, &mut vec![]);
    (read, decoder.stats().fast == 1)
}

fn is_fast(first: &str, line: &str) -> bool {
    let (read, fast) = after(first, line.as_bytes(), &["a", "b.c"], LIMITS);
    assert_eq!(read.line.outcome, Outcome::Record, "{line}");
    fast
}

fn refused(first: &str, line: &[u8], limits: DecodeLimits) -> Malformed {
    let (read, fast) = after(first, line, &["a", "b.c"], limits);
    assert!(!fast);
    match read.line.outcome {
        Outcome::Malformed(reason, _) => reason,
        other => unreachable!("{other:?}"),
    }
}

fn stats(dotted: &[&str], chunk: &str) -> DecodeStats {
    let paths = paths(dotted);
    let mut decoder = Decoder::json(&paths, LIMITS);
    read_all(&mut decoder, chunk.as_bytes(), paths.len());
    decoder.stats()
}

#[test]
fn a_value_of_another_kind_keeps_the_layout() {
    let first = r#"{"x":null,"a":"t","y":true}"#;
    for (x, a, y) in [
        ("1", "null", "false"),
        ("\"é\\n\"", "-1.5e3", "[1,{}]"),
        ("{\"z\":1}", "{}", "\"\""),
        ("0.5", "12.25", "1e5"),
    ] {
        assert!(
            is_fast(first, &format!(r#"{{"x":{x},"a":{a},"y":{y}}}"#)),
            "{x} {a} {y}"
        );
    }
}

#[test]
fn an_object_on_a_wanted_path_is_another_layout() {
    assert!(!is_fast(r#"{"b":null}"#, r#"{"b":{"c":1}}"#));
    assert!(!is_fast(r#"{"b":{"c":1}}"#, r#"{"b":null}"#));
    assert!(is_fast(r#"{"b":{"c":1}}"#, r#"{"b":{"c":null}}"#));
}

#[test]
fn other_keys_or_white_space_are_another_layout() {
    let first = r#"{"a":1,"b":{"c":2}}"#;
    for line in [
        r#"{"b":{"c":2},"a":1}"#,
        r#"{"a":1}"#,
        r#"{"a": 1,"b":{"c":2}}"#,
        r#"{"a":1,"b":{"c":2}} "#,
    ] {
        assert!(!is_fast(first, line), "{line}");
    }
}

#[test]
fn a_repeated_wanted_key_makes_no_layout() {
    assert!(!is_fast(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#));
    assert!(is_fast(r#"{"x":1,"a":1,"x":2}"#, r#"{"x":1,"a":1,"x":2}"#));
}

#[test]
fn skipped_values_are_held_to_the_grammar() {
    let first = r#"{"x":1,"a":2}"#;
    for x in [
        "01",
        "1.",
        "-",
        "nul",
        "tru",
        "[1,]",
        "{\"z\"}",
        "\"\\q\"",
        "\"\u{1}\"",
        "",
        "1 1",
        "nulll",
        "+1",
        "1e",
    ] {
        assert_eq!(
            refused(first, format!(r#"{{"x":{x},"a":2}}"#).as_bytes(), LIMITS),
            Malformed::Syntax,
            "{x}"
        );
    }
}

#[test]
fn skipped_texts_are_held_to_utf8() {
    let first = r#"{"x":1,"a":2}"#;
    for x in [
        &b"\"\xff\""[..],
        b"[\"\xc3\"]",
        b"\"\\ud800\"",
        b"{\"\xe2\x82\":1}",
        b"[\"\\udc00\"]",
    ] {
        assert_eq!(
            refused(first, &[b"{\"x\":", x, b",\"a\":2}"].concat(), LIMITS),
            Malformed::Utf8
        );
    }
}

#[test]
fn skipped_values_count_for_the_limits() {
    let first = r#"{"x":1,"a":2}"#;
    let deep = br#"{"x":[[{}]],"a":2}"#;
    assert_eq!(
        refused(first, deep, DecodeLimits { depth_max: 3, ..LIMITS }),
        Malformed::Depth
    );
    assert!(after(first, deep, &["a"], DecodeLimits { depth_max: 4, ..LIMITS }).1);
    let wide = br#"{"x":{"p":1,"q":2},"a":2}"#;
    assert_eq!(
        refused(
            first,
            wide,
            DecodeLimits {
                members_max: 3,
                ..LIMITS
            }
        ),
        Malformed::Members
    );
    assert!(
        after(
            first,
            wide,
            &["a"],
            DecodeLimits {
                members_max: 4,
                ..LIMITS
            }
        )
        .1
    );
}

#[test]
fn a_line_over_the_size_limit_is_left_to_the_general_parser() {
    let limits = DecodeLimits {
        record_bytes_max: 12,
        ..LIMITS
    };
    assert_eq!(
        refused(r#"{"a":"1234"}"#, b"{\"a\":\"12345\"}\n", limits),
        Malformed::Size
    );
    let long = format!("{{\"a\":\"{}\"}}\n{}", "x".repeat(100), "{}\n".repeat(100));
    assert_eq!(refused(r#"{"a":"1234"}"#, long.as_bytes(), limits), Malformed::Size);
}

#[test]
fn a_record_must_end_its_line() {
    let first = r#"{"a":1}"#;
    for line in [
        &b"{\"a\":1}x"[..],
        b"{\"a\":1}{\"a\":1}",
        b"{\"a\":1}}\n",
        b"{\"a\":1}\rx\n",
    ] {
        assert_eq!(refused(first, line, LIMITS), Malformed::Syntax);
    }
}

#[test]
fn every_line_end_is_read() {
    for line in ["{\"a\":1}", "{\"a\":1}\n", "{\"a\":1}\r\n", "{\"a\":1}\n{}"] {
        assert!(is_fast("{\"a\":2}\r\n", line), "{line:?}");
    }
}

/// Found by the agreement test: learned from a last line with a bare carriage return.
#[test]
fn a_carriage_return_at_the_end_is_no_part_of_a_layout() {
    let (read, fast) = after("{\"a\":1}\r", b"{\"a\":1}\r\n", &["a"], LIMITS);
    assert!(!fast);
    assert_eq!((read.line.end, read.line.after), (7, 9));
}

#[test]
fn the_last_lines_of_a_chunk_are_read_where_they_lie() {
    let chunk = r#"{"a":"x","b":{"c":1}}"#.to_owned() + "\n" + r#"{"a":"yy","b":{"c":22}}"#;
    let (read, fast) = after(r#"{"a":"x","b":{"c":1}}"#, chunk.as_bytes(), &["a", "b.c"], LIMITS);
    assert!(fast);
    assert_eq!(shown(&read.found), ["'x'", "1"]);
    let reads = read_all(&mut Decoder::json(&paths(&["a", "b.c"]), LIMITS), chunk.as_bytes(), 2);
    assert_eq!(shown(&reads[1].found), ["'yy'", "22"]);
}

#[test]
fn a_chunk_of_one_record_is_read_by_its_layout() {
    assert_eq!(stats(&["a"], "{\"a\":1}").general, 1);
    assert!(is_fast(r#"{"a":1}"#, r#"{"a":2}"#));
}

#[test]
fn layouts_that_begin_alike_are_read_from_where_they_part() {
    let with = r#"{"x":{"p":"\u0041"},"a":"\n1","b":{"c":"\t2"},"y":1,"z":0}"#;
    let without = r#"{"x":{"p":"\u0041"},"a":"\n3","b":{"c":"\t4"},"z":0}"#;
    let chunk = [with, without, with, without, without, with].join("\n");
    let reads = read_all(
        &mut Decoder::json(&paths(&["a", "b.c", "y"]), LIMITS),
        chunk.as_bytes(),
        3,
    );
    assert_eq!(shown(&reads[4].found), ["'\n3'", "'\t4'", "Missing"]);
    assert_eq!(shown(&reads[5].found), ["'\n1'", "'\t2'", "1"]);
    assert_eq!(stats(&["a", "b.c", "y"], &chunk).fast, 4);
}

#[test]
fn members_skipped_before_layouts_part_count_in_both() {
    let limits = DecodeLimits {
        members_max: 5,
        ..LIMITS
    };
    let chunk = [
        r#"{"x":1,"a":2}"#,
        r#"{"x":1,"a":2,"y":1}"#,
        r#"{"x":{"p":1,"q":2,"r":3},"a":2}"#,
        r#"{"x":{"p":1,"q":2,"r":3},"a":2,"y":1}"#,
    ]
    .join("\n");
    let reads = read_all(&mut Decoder::json(&paths(&["a"]), limits), chunk.as_bytes(), 1);
    assert_eq!(reads[2].line.outcome, Outcome::Record);
    assert!(matches!(
        reads[3].line.outcome,
        Outcome::Malformed(Malformed::Members, _)
    ));
}

#[test]
fn a_source_that_changes_its_layout_is_learned_again() {
    let lines = |key: &str| format!("{{\"{key}\":1,\"a\":2}}\n").repeat(4000);
    let keys: Vec<String> = (0..24).map(|i| format!("key{i}")).collect();
    let chunk: String = keys.iter().map(|key| lines(key)).collect();
    let stats = stats(&["a"], &chunk);
    assert!(stats.fast * 100 > 90 * (stats.fast + stats.general), "{stats:?}");
    assert!(stats.layouts_learned == 24 && stats.layouts_evicted == 8, "{stats:?}");
}

#[test]
fn several_layouts_in_turn_are_all_known() {
    let chunk: String = (0..20_000)
        .map(|i| format!("{{\"k{}\":1,\"a\":{i}}}\n", i % 12))
        .collect();
    let stats = stats(&["a"], &chunk);
    assert!(stats.fast * 100 > 95 * (stats.fast + stats.general), "{stats:?}");
}

#[test]
fn keys_in_random_order_soon_cost_no_speculation() {
    let stats = stats(&ENGAGEMENT, str::from_utf8(&engagement(20_000, true)).unwrap());
    assert!(stats.layouts_learned < 100, "{stats:?}");
}

#[test]
fn without_speculation_nothing_is_learned() {
    let mut decoder = Decoder::json(&paths(&["a"]), LIMITS);
    decoder.speculate(false);
    read_all(&mut decoder, "{\"a\":1}\n".repeat(100).as_bytes(), 1);
    assert_eq!(
        decoder.stats(),
        DecodeStats {
            general: 100,
            ..DecodeStats::default()
        }
    );
}

#[test]
fn records_are_counted_by_the_way_they_took() {
    let stats = stats(&["a"], &format!("{}{{]\n\n", "{\"a\":1}\n".repeat(10)));
    assert_eq!((stats.fast, stats.general, stats.malformed), (9, 1, 1));
}
