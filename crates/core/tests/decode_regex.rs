//! Text lines by a regular expression.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::decode::{DecodeLimits, Decoder};
use crossfoot_core::slot::{Malformed, Outcome};

mod decode_support;
use decode_support::{LIMITS, Read, paths, read_all, real, shown};

fn read(pattern: &str, dotted: &[&str], chunk: &[u8]) -> Read {
    let mut decoder = Decoder::regex(pattern, &paths(dotted), LIMITS).unwrap();
    read_all(&mut decoder, chunk, dotted.len()).remove(0)
}

fn slots(pattern: &str, dotted: &[&str], line: &str) -> Vec<String> {
    let read = read(pattern, dotted, line.as_bytes());
    assert_eq!(read.line.outcome, Outcome::Record);
    shown(&read.found)
}

fn fault(pattern: &str, chunk: &[u8], limits: DecodeLimits) -> Outcome {
    let mut decoder = Decoder::regex(pattern, &[], limits).unwrap();
    read_all(&mut decoder, chunk, 0)[0].line.outcome
}

#[test]
fn each_path_is_a_group() {
    assert_eq!(slots(r"(?P<a>\w+) (?<b>\d+)", &["b", "a"], "x 12"), ["'12'", "'x'"]);
}

#[test]
fn a_group_without_part_in_the_match_is_missing_and_an_empty_one_is_empty() {
    assert_eq!(
        slots(r"(?:(?P<a>x)|(?P<b>y))(?P<c>z*)", &["a", "b", "c"], "y"),
        ["Missing", "'y'", "''"]
    );
}

#[test]
fn the_whole_line_must_match() {
    for line in ["xab", "abx", "ab\t"] {
        assert_eq!(
            fault("ab", line.as_bytes(), LIMITS),
            Outcome::Malformed(Malformed::Syntax, 0),
            "{line}"
        );
    }
}

#[test]
fn a_longer_alternative_is_tried_for_the_whole_line() {
    assert_eq!(slots("(?P<a>a|ab)", &["a"], "ab"), ["'ab'"]);
}

#[test]
fn a_pattern_may_be_verbose_and_end_in_a_comment() {
    assert_eq!(slots("(?x) (?P<a> a+ ) # the letters", &["a"], "aa"), ["'aa'"]);
}

#[test]
fn the_line_end_is_no_part_of_the_line() {
    assert_eq!(slots("(?P<a>.*)", &["a"], "ab\r\n"), ["'ab'"]);
}

#[test]
fn a_line_must_be_utf8_and_in_the_size_limit() {
    assert_eq!(fault(".*", b"ab\xff", LIMITS), Outcome::Malformed(Malformed::Utf8, 2));
    let limits = DecodeLimits {
        record_bytes_max: 3,
        ..LIMITS
    };
    assert_eq!(fault(".*", b"abcd\n", limits), Outcome::Malformed(Malformed::Size, 3));
}

#[test]
fn blank_lines_are_no_records() {
    assert_eq!(fault("x", b" \t\r\n", LIMITS), Outcome::Blank);
}

#[test]
fn what_is_wrong_with_a_pattern_is_said() {
    let error = |pattern: &str| Decoder::regex(pattern, &paths(&["b"]), LIMITS).err().unwrap();
    assert!(error("(").contains("unclosed group"));
    assert!(error("a)|(?:b").contains("unopened group"));
    assert_eq!(
        error("(?P<a>x)(?P<c>y)"),
        "the pattern has no group b; its groups: a, c"
    );
}

#[test]
fn an_access_log_is_read_whole() {
    let Some(lines) = real::bytes(real::ACCESS_LOG) else {
        return;
    };
    let pattern =
        r#"(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+|-).*"#;
    let mut decoder = Decoder::regex(pattern, &paths(&["ip", "time", "status"]), LIMITS).unwrap();
    let reads = read_all(&mut decoder, &lines, 3);
    assert_eq!(reads.len(), 10_000);
    assert!(reads.iter().filter(|read| read.line.outcome == Outcome::Record).count() > 9_990);
}
