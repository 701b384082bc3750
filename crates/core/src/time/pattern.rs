//! Times by a pattern: the directives %Y %m %d %b %H %M %S %f %z %% and literal text, as a whole.
use super::{Offset, Wall, four, micros, two};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// Digits that `%f` may have.
const FRACTION_MAX: usize = 9;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(Vec<u8>),
    Year,
    Month,
    /// Two digits that say nothing.
    Ignored,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
    Offset,
}

pub struct Pattern {
    items: Vec<Item>,
}

impl Pattern {
    /// # Errors
    /// An unknown directive, or one that stands twice.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let mut items: Vec<Item> = vec![];
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let item = if c == '%' {
                directive(rest.next(), text)?
            } else {
                Item::Literal(c.to_string().into_bytes())
            };
            if !matches!(item, Item::Literal(_)) && items.contains(&item) {
                return Err(format!("a directive that stands twice in {text}"));
            }
            items.push(item);
        }
        // A month's name is stronger than its number.
        if items.contains(&Item::MonthName) {
            items
                .iter_mut()
                .filter(|item| **item == Item::Month)
                .for_each(|item| *item = Item::Ignored);
        }
        Ok(Pattern { items })
    }

    /// What the text says; None: it has another form.
    pub fn read(&self, text: &[u8]) -> Option<Wall> {
        let mut wall = Wall::default();
        matches(&self.items, text, &mut wall).then_some(wall)
    }
}

fn directive(name: Option<char>, text: &str) -> Result<Item, String> {
    Ok(match name {
        Some('Y') => Item::Year,
        Some('m') => Item::Month,
        Some('b') => Item::MonthName,
        Some('d') => Item::Day,
        Some('H') => Item::Hour,
        Some('M') => Item::Minute,
        Some('S') => Item::Second,
        Some('f') => Item::Fraction,
        Some('z') => Item::Offset,
        Some('%') => Item::Literal(b"%".into()),
        _ => return Err(format!("an unknown directive in {text}")),
    })
}

fn matches(items: &[Item], mut text: &[u8], wall: &mut Wall) -> bool {
    for (at, item) in items.iter().enumerate() {
        if *item == Item::Fraction {
            return fraction(items.get(at + 1..).unwrap_or_default(), text, wall);
        }
        match take(item, text, wall) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    text.is_empty()
}

/// The longest run of digits after which the rest of the pattern matches. There is one `%f` at most.
fn fraction(items: &[Item], text: &[u8], wall: &mut Wall) -> bool {
    let digits = text
        .iter()
        .take(FRACTION_MAX)
        .take_while(|b| b.is_ascii_digit())
        .count();
    (1..=digits).rev().any(|count| {
        let (digits, rest) = text.split_at(count);
        wall.micros = micros(digits);
        matches(items, rest, wall)
    })
}

/// The text after an item. None: it does not match.
fn take<'a>(item: &Item, text: &'a [u8], wall: &mut Wall) -> Option<&'a [u8]> {
    let place = match item {
        Item::Literal(literal) => return text.strip_prefix(literal.as_slice()),
        Item::Offset => return offset(text, wall),
        Item::Year => {
            let (digits, rest) = text.split_first_chunk::<4>()?;
            wall.year = four(*digits)?;
            return Some(rest);
        }
        Item::MonthName => {
            let (name, rest) = text.split_first_chunk::<3>()?;
            wall.month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
            return Some(rest);
        }
        Item::Month => &mut wall.month,
        Item::Day => &mut wall.day,
        Item::Hour => &mut wall.hour,
        Item::Minute => &mut wall.minute,
        Item::Second => &mut wall.second,
        Item::Ignored | Item::Fraction => &mut 0,
    };
    let (digits, rest) = text.split_first_chunk::<2>()?;
    *place = two(*digits)?;
    Some(rest)
}

fn offset<'a>(text: &'a [u8], wall: &mut Wall) -> Option<&'a [u8]> {
    let (offset, rest) = match text {
        [b'Z', rest @ ..] => (Offset::UTC, rest),
        [sign @ (b'+' | b'-'), a, b, b':', c, d, rest @ ..] | [sign @ (b'+' | b'-'), a, b, c, d, rest @ ..] => (
            Offset {
                west: *sign == b'-',
                hours: two([*a, *b])?,
                minutes: two([*c, *d])?,
            },
            rest,
        ),
        _ => return None,
    };
    wall.offset = Some(offset);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Option<Wall> {
        Pattern::new(pattern).unwrap().read(text.as_bytes())
    }

    #[test]
    fn an_access_log_time_is_read() {
        let wall = read("%d/%b/%Y:%H:%M:%S %z", "17/May/2015:10:05:03 -0730").unwrap();
        let clock = (wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second);
        assert_eq!(clock, (2015, 5, 17, 10, 5, 3));
        assert_eq!(
            wall.offset,
            Some(Offset {
                west: true,
                hours: 7,
                minutes: 30
            })
        );
    }

    #[test]
    fn what_a_pattern_does_not_name_is_the_first() {
        assert_eq!(
            read("%H", "07"),
            Some(Wall {
                hour: 7,
                ..Wall::default()
            })
        );
    }

    #[test]
    fn the_whole_text_must_match() {
        for text in ["2015-1-01", "2015-01-01 ", " 2015-01-01", "2015-01", "15-01-01", ""] {
            assert_eq!(read("%Y-%m-%d", text), None, "{text}");
        }
        assert_eq!(read("%b", "jan"), None);
    }

    #[test]
    fn a_fraction_has_one_to_nine_digits() {
        let micros = |text| read("%S.%f", text).map(|wall| wall.micros);
        assert_eq!(micros("01.5"), Some(500_000));
        assert_eq!(micros("01.123456789"), Some(123_456));
        assert_eq!(micros("01.1234567890"), None);
        assert_eq!(micros("01."), None);
    }

    #[test]
    fn a_fraction_leaves_digits_that_others_need() {
        assert_eq!(
            read("%f%S", "1234"),
            Some(Wall {
                micros: 120_000,
                second: 34,
                ..Wall::default()
            })
        );
    }

    #[test]
    fn a_percent_sign_and_other_text_stand_for_themselves() {
        assert_eq!(
            read("é%%%d", "é%07"),
            Some(Wall {
                day: 7,
                ..Wall::default()
            })
        );
    }

    #[test]
    fn a_month_name_is_stronger_than_its_number() {
        assert_eq!(
            read("%b %m", "Mar 01"),
            Some(Wall {
                month: 3,
                ..Wall::default()
            })
        );
    }

    #[test]
    fn unknown_and_repeated_directives_are_refused() {
        for pattern in ["%y", "%", "%d %d"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
