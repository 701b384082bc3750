//! Text operations by code point. Case is the same in every engine and every version of Unicode: a code point is mapped
//! where its mapping is one code point; others stay, and so do letters that got their mapping after Unicode 14.
use std::borrow::Cow;
use std::str::Chars;

use crate::batch::Invalid;

/// First and last code point of every range that a Unicode version after 14.0 gave case mappings to.
const NEWER: [(u32, u32); 9] = [
    (0x1C89, 0x1C8A),
    (0xA7CB, 0xA7CF),
    (0xA7D2, 0xA7D2),
    (0xA7D4, 0xA7D4),
    (0xA7DA, 0xA7DC),
    (0x10D50, 0x10D65),
    (0x10D70, 0x10D85),
    (0x16EA0, 0x16EB8),
    (0x16EBB, 0x16ED3),
];

fn newer(c: char) -> bool {
    NEWER
        .iter()
        .any(|&(first, last)| (first..=last).contains(&u32::from(c)))
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) if !newer(c) && !newer(one) => one,
        _ => c,
    }
}

pub fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| single(c, c.to_lowercase())).collect())
}

pub fn upper(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| single(c, c.to_uppercase())).collect())
}

/// Without the spaces at both ends.
pub fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(' ')),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(' ').into()),
    }
}

/// `count` code points from `start`, which counts from 1.
pub fn substr(text: Cow<'_, str>, start: i64, count: i64) -> Cow<'_, str> {
    let (start, count) = (usize::try_from(start - 1), usize::try_from(count));
    let (start, count) = (start.unwrap_or(usize::MAX), count.unwrap_or(usize::MAX));
    let at = |text: &str, n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let cut = |text: &str| {
        let first = at(text, start);
        first..first + at(text.get(first..).unwrap_or_default(), count)
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(cut(text)).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(cut(&text)).unwrap_or_default().into()),
    }
}

#[derive(PartialEq)]
enum Token {
    Any,
    One,
    Is(char),
}

/// The next token of a pattern; None: its end.
fn token(pattern: &mut Chars<'_>, escape: Option<char>) -> Option<Token> {
    match pattern.next()? {
        c if Some(c) == escape => pattern.next().map(Token::Is),
        '%' => Some(Token::Any),
        '_' => Some(Token::One),
        c => Some(Token::Is(c)),
    }
}

/// `Range` where a LIKE pattern ends in an escape that escapes nothing.
pub fn check_pattern(pattern: &str, escape: Option<char>) -> Result<(), Invalid> {
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            rest.next().ok_or(Invalid::Range)?;
        }
    }
    Ok(())
}

/// Whether a text matches a LIKE pattern that was checked.
pub fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // Where to go on from when a match fails: after the last %, with one code point more taken by it.
    let mut again: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let mut after = pattern.clone();
        match (token(&mut after, escape), text.clone().next()) {
            (Some(Token::Any), _) => again = Some((text.clone(), after.clone())),
            (None, None) => return true,
            (Some(wanted), Some(c)) if wanted == Token::One || wanted == Token::Is(c) => {
                text.next();
            }
            _ => {
                let Some((mut from, tail)) = again.take() else {
                    return false;
                };
                if from.next().is_none() {
                    return false;
                }
                (text, after) = (from.clone(), tail.clone());
                again = Some((from, tail));
            }
        }
        pattern = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_mapped_code_point_by_code_point() {
        assert_eq!(lower("ÀΣß İ\u{a7cb}".into()), "àσß İ\u{a7cb}");
        assert_eq!(upper("straße ŉ ǆ".into()), "STRAßE ŉ Ǆ");
    }

    #[test]
    fn letters_with_a_newer_mapping_stay() {
        assert_eq!(lower("\u{a7dc}".into()), "\u{a7dc}");
        assert_eq!(upper("\u{19b}\u{264}".into()), "\u{19b}\u{264}");
    }

    #[test]
    fn substr_counts_code_points() {
        assert_eq!(substr("aßc😀e".into(), 2, 3), "ßc😀");
        assert_eq!(substr("abc".into(), 3, i64::MAX), "c");
        assert_eq!(substr("abc".into(), i64::MAX, 1), "");
        assert_eq!(substr("abc".into(), 1, 0), "");
    }

    #[test]
    fn trim_takes_spaces_only() {
        assert_eq!(trim("  a\t ".into()), "a\t");
    }

    #[test]
    fn like_matches_as_sql_does() {
        for (text, pattern, matches) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abcbc", "a%bc", true),
            ("abcbd", "a%bc", false),
            ("ß", "_", true),
            ("ab", "_", false),
            ("a\nb", "a%b", true),
            ("mississippi", "%iss%ip%i", true),
            ("ABC", "abc", false),
        ] {
            assert_eq!(like(text, pattern, None), matches, "{text} {pattern}");
        }
    }

    #[test]
    fn an_escape_takes_the_next_character_as_it_is() {
        assert!(like("10%", "10!%", Some('!')));
        assert!(!like("100", "10!%", Some('!')));
        assert!(like("%", "%%", Some('%')));
    }

    #[test]
    fn an_escape_that_escapes_nothing_is_out_of_range() {
        assert_eq!(check_pattern("y!", Some('!')), Err(Invalid::Range));
        assert_eq!(check_pattern("y!!", Some('!')), Ok(()));
        assert_eq!(check_pattern("y!", None), Ok(()));
    }
}
