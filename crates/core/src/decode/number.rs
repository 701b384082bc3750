//! Numbers by JSON's grammar, of any size: what matters here is where a literal ends.
use super::peek;
use crate::machine::{self, WINDOW};

/// The end of the number literal that begins at `at`, or the byte where the grammar is broken.
pub fn end(buf: &[u8], at: usize) -> Result<usize, usize> {
    let mut at = at + usize::from(peek(buf, at) == b'-');
    at = match peek(buf, at) {
        b'0' => at + 1,
        _ => some_digits(buf, at)?,
    };
    if peek(buf, at) == b'.' {
        at = some_digits(buf, at + 1)?;
    }
    if peek(buf, at) | 0x20 == b'e' {
        at += 1;
        at = some_digits(buf, at + usize::from(matches!(peek(buf, at), b'+' | b'-')))?;
    }
    Ok(at)
}

fn some_digits(buf: &[u8], at: usize) -> Result<usize, usize> {
    let end = digits(buf, at);
    if end > at { Ok(end) } else { Err(at) }
}

/// Where the digits that begin at `at` end.
fn digits(buf: &[u8], mut at: usize) -> usize {
    while let Some(w) = machine::window(buf, at) {
        let others = machine::not_digits(w);
        if others != 0 {
            return at + others.trailing_zeros() as usize;
        }
        at += WINDOW;
    }
    let rest = buf.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| b.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> bool {
        end(text.as_bytes(), 0) == Ok(text.len())
    }

    #[test]
    fn what_the_grammar_allows() {
        for text in [
            "0",
            "-0",
            "7",
            "-12",
            "0.0",
            "1.50",
            "1e5",
            "1E+5",
            "1e-05",
            "-0.1e00",
            "123456789012345678901",
        ] {
            assert!(whole(text), "{text}");
        }
        assert!(whole(&"9".repeat(1000)));
    }

    #[test]
    fn what_the_grammar_forbids() {
        for text in [
            "",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1.e5",
            "1e",
            "1e+",
            "+1",
            "0x1",
            "NaN",
            "-Infinity",
            "1_0",
        ] {
            assert!(!whole(text), "{text}");
        }
    }

    #[test]
    fn the_broken_byte_is_reported() {
        assert_eq!(end(b"-x", 0), Err(1));
        assert_eq!(end(b"12.x", 0), Err(3));
        assert_eq!(end(b"12e+", 0), Err(4));
    }

    #[test]
    fn a_literal_ends_before_what_follows() {
        assert_eq!(end(b"[10.25,3]", 1), Ok(6));
        assert_eq!(end(b"01", 0), Ok(1));
    }
}
