//! JSON texts: where one ends, whether its escapes are right, and its content without them.
use super::general::Fault;
use super::peek;
use crate::machine::{self, WINDOW};

/// A text's content: where it ends (its closing quote), and whether there are escapes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub end: usize,
    pub escaped: bool,
}

/// Read the content that begins at `at`, after the opening quote. UTF-8 is not looked at.
pub fn scan(buf: &[u8], mut at: usize) -> Result<Content, Fault> {
    let mut escaped = false;
    loop {
        at = stop(buf, at);
        match peek(buf, at) {
            b'"' => return Ok(Content { end: at, escaped }),
            b'\\' => at = escape_end(buf, at)?,
            _ => return Err(Fault::syntax(at)),
        }
        escaped = true;
    }
}

/// The next quote, backslash or control byte, or the end of the buffer.
#[inline(always)]
fn stop(buf: &[u8], mut at: usize) -> usize {
    while let Some(w) = machine::window(buf, at) {
        let stops = machine::text_stops(w);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += WINDOW;
    }
    let rest = buf.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|&&b| b != b'"' && b != b'\\' && b >= 0x20)
        .count()
}

fn escape_end(buf: &[u8], at: usize) -> Result<usize, Fault> {
    match peek(buf, at + 1) {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => match hex4(buf, at + 2).ok_or(Fault::syntax(at))? {
            0xd800..=0xdbff => low_surrogate(buf, at + 6).map(|_| at + 12).ok_or(Fault::utf8(at)),
            0xdc00..=0xdfff => Err(Fault::utf8(at)),
            _ => Ok(at + 6),
        },
        _ => Err(Fault::syntax(at)),
    }
}

fn low_surrogate(buf: &[u8], at: usize) -> Option<u32> {
    let unit = if peek(buf, at) == b'\\' && peek(buf, at + 1) == b'u' {
        hex4(buf, at + 2)
    } else {
        None
    };
    unit.filter(|unit| (0xdc00..=0xdfff).contains(unit))
}

fn hex4(buf: &[u8], at: usize) -> Option<u32> {
    let digits = buf.get(at..at + 4)?;
    digits
        .iter()
        .try_fold(0, |unit, &b| Some(unit << 4 | char::from(b).to_digit(16)?))
}

/// Append the content `raw`, which `scan` accepted, without its escapes.
pub fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some((plain, escape)) = memchr::memchr(b'\\', raw).and_then(|n| raw.split_at_checked(n)) {
        out.extend_from_slice(plain);
        let (code, length) = escape_value(escape);
        out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
        raw = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(raw);
}

/// The code point of the escape at the start of `raw`, and the escape's length.
fn escape_value(raw: &[u8]) -> (char, usize) {
    let simple = match peek(raw, 1) {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(raw),
        other => char::from(other),
    };
    (simple, 2)
}

fn unicode_escape(raw: &[u8]) -> (char, usize) {
    let unit = hex4(raw, 2).unwrap_or(0xfffd);
    let (code, length) = match low_surrogate(raw, 6) {
        Some(low) if (0xd800..=0xdbff).contains(&unit) => (0x1_0000 + ((unit & 0x3ff) << 10 | (low & 0x3ff)), 12),
        _ => (unit, 6),
    };
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<String, Fault> {
        let buf = format!("{content}\"");
        let found = scan(buf.as_bytes(), 0)?;
        let mut out = vec![];
        unescape(&buf.as_bytes()[..found.end], &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_short_escape_is_resolved() {
        assert_eq!(read(r#"\"\\\/\b\f\n\r\t"#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t");
    }

    #[test]
    fn unicode_escapes_are_resolved() {
        assert_eq!(read(r"a\u0041\u00e9\u20ACz").unwrap(), "aAé€z");
        assert_eq!(read(r"\u0000").unwrap(), "\0");
    }

    #[test]
    fn a_surrogate_pair_is_one_code_point() {
        assert_eq!(read(r"x\ud83d\uDE00y").unwrap(), "x😀y");
        assert_eq!(read(r"\udbff\udfff").unwrap(), "\u{10ffff}");
    }

    #[test]
    fn lone_surrogates_are_not_utf8() {
        for (content, at) in [
            (r"ab\ud800", 2),
            (r"\udc00", 0),
            (r"\ud800\u0041", 0),
            (r"\ud800x", 0),
            (r"\ud800\n", 0),
        ] {
            assert_eq!(read(content), Err(Fault::utf8(at)), "{content}");
        }
    }

    #[test]
    fn unknown_or_cut_escapes_are_syntax() {
        for content in [r"\x", r"\u12", r"\u12g4", r"\U0041", r"\u+123"] {
            assert_eq!(read(content), Err(Fault::syntax(0)), "{content}");
        }
    }

    #[test]
    fn control_bytes_and_missing_quotes_are_syntax() {
        for control in 0..0x20u8 {
            let text = format!("ab{}c", char::from(control));
            assert_eq!(read(&text), Err(Fault::syntax(2)), "{control}");
            assert_eq!(read(&(text + &"x".repeat(40))), Err(Fault::syntax(2)), "{control}");
        }
        assert_eq!(scan(b"abc", 0), Err(Fault::syntax(3)));
        assert_eq!(scan(&[b'a'; 100], 0), Err(Fault::syntax(100)));
    }

    #[test]
    fn a_quote_is_found_at_any_distance() {
        for length in 0..100 {
            let buf = format!("{}\"{}", "a".repeat(length), "b".repeat(40));
            assert_eq!(
                scan(buf.as_bytes(), 0),
                Ok(Content {
                    end: length,
                    escaped: false
                })
            );
        }
    }
}
