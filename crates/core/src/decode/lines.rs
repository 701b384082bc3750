//! Lines of a chunk: `\n` or `\r\n` ends one; the last may lack its end.

/// Of the line that begins at `start`: where its content ends, and where the next line begins.
pub fn bounds(chunk: &[u8], start: usize) -> (usize, usize) {
    let rest = chunk.get(start..).unwrap_or_default();
    let Some(length) = memchr::memchr(b'\n', rest) else {
        return (chunk.len(), chunk.len());
    };
    let carriage_return = rest.get(..length).is_some_and(|line| line.ends_with(b"\r"));
    (start + length - usize::from(carriage_return), start + length + 1)
}

/// Of a record whose end is given: where its content ends. White space at the end of JSON says nothing, and a text that
/// was written as a line keeps its line end on the way.
pub fn content_end(chunk: &[u8], start: usize, end: usize) -> usize {
    let record = chunk.get(start..end).unwrap_or_default();
    let trailing = record.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    end - trailing
}

/// Only JSON white space.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// If a line's content ends at `at`: where the next line begins. `end` is the end of the last line.
#[inline(always)]
pub fn after(buf: &[u8], at: usize, end: usize) -> Option<usize> {
    match buf.get(at) {
        Some(b'\n') => Some(at + 1),
        Some(b'\r') if buf.get(at + 1) == Some(&b'\n') => Some(at + 2),
        _ if at == end => Some(at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_newline() {
        assert_eq!(bounds(b"ab\ncd\n", 0), (2, 3));
        assert_eq!(bounds(b"ab\ncd\n", 3), (5, 6));
    }

    #[test]
    fn a_carriage_return_belongs_to_the_line_end() {
        assert_eq!(bounds(b"ab\r\ncd", 0), (2, 4));
        assert_eq!(bounds(b"\r\n", 0), (0, 2));
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        assert_eq!(bounds(b"ab", 0), (2, 2));
        assert_eq!(bounds(b"ab\r", 0), (3, 3));
    }

    #[test]
    fn blank_is_json_white_space_only() {
        assert!(is_blank(b" \t\r"));
        assert!(!is_blank(b"\x0b"));
        assert!(!is_blank("\u{a0}".as_bytes()));
    }

    #[test]
    fn both_readings_of_a_line_end_agree() {
        for chunk in [b"x\ny".as_slice(), b"x\r\ny", b"x", b"x\n", b"x\r\n"] {
            let (end, next) = bounds(chunk, 0);
            assert_eq!(after(chunk, end, chunk.len()), Some(next));
        }
        assert_eq!(after(b"xy\n", 1, 3), None);
    }
}
