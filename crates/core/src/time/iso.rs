//! ISO 8601 texts: `YYYY-MM-DD[T or space]HH:MM[:SS[.frac]][Z|±HH:MM|±HHMM|±HH]`, or the date alone.
use super::{Offset, Wall, four, micros, two};

/// What the text says; None: it has another form.
#[inline]
pub fn read(text: &[u8]) -> Option<Wall> {
    let (date, clock) = text.split_first_chunk::<10>()?;
    let mut wall = date_of(*date)?;
    let rest = match clock {
        [] => return Some(wall),
        [b'T' | b' ', a, b, b':', c, d, rest @ ..] => {
            wall.hour = two([*a, *b])?;
            wall.minute = two([*c, *d])?;
            rest
        }
        _ => return None,
    };
    let rest = match rest {
        [b':', a, b, rest @ ..] => {
            wall.second = two([*a, *b])?;
            fraction(&mut wall, rest)?
        }
        rest => rest,
    };
    if !rest.is_empty() {
        wall.offset = Some(offset(rest)?);
    }
    Some(wall)
}

#[inline]
fn date_of([a, b, c, d, dash, e, f, second_dash, g, h]: [u8; 10]) -> Option<Wall> {
    let (year, month, day) = (four([a, b, c, d])?, two([e, f])?, two([g, h])?);
    (dash == b'-' && second_dash == b'-').then(|| Wall {
        year,
        month,
        day,
        ..Wall::default()
    })
}

#[inline]
fn fraction<'a>(wall: &mut Wall, rest: &'a [u8]) -> Option<&'a [u8]> {
    let [b'.', rest @ ..] = rest else { return Some(rest) };
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(count).filter(|_| count > 0)?;
    wall.micros = micros(digits);
    Some(rest)
}

#[inline]
fn offset(rest: &[u8]) -> Option<Offset> {
    let (sign, hours, minutes) = match rest {
        [b'Z'] => return Some(Offset::UTC),
        [sign @ (b'+' | b'-'), a, b] => (*sign, two([*a, *b])?, 0),
        [sign @ (b'+' | b'-'), a, b, c, d] | [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            (*sign, two([*a, *b])?, two([*c, *d])?)
        }
        _ => return None,
    };
    Some(Offset {
        west: sign == b'-',
        hours,
        minutes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> Option<[i64; 7]> {
        let wall = read(text.as_bytes())?;
        Some([
            wall.year,
            wall.month,
            wall.day,
            wall.hour,
            wall.minute,
            wall.second,
            wall.micros,
        ])
    }

    #[test]
    fn dates_and_clocks_are_read() {
        assert_eq!(clock("2015-09-12"), Some([2015, 9, 12, 0, 0, 0, 0]));
        assert_eq!(clock("2015-09-12T00:47"), Some([2015, 9, 12, 0, 47, 0, 0]));
        assert_eq!(clock("2015-09-12 00:47:05"), Some([2015, 9, 12, 0, 47, 5, 0]));
        assert_eq!(
            clock("2015-09-12T00:47:05.1234567Z"),
            Some([2015, 9, 12, 0, 47, 5, 123_456])
        );
    }

    #[test]
    fn offsets_have_three_forms_and_utc_one() {
        let offset = |text: &str| read(text.as_bytes()).and_then(|wall| wall.offset);
        let west = |hours, minutes| {
            Some(Offset {
                west: true,
                hours,
                minutes,
            })
        };
        assert_eq!(offset("2015-09-12T00:47-07:30"), west(7, 30));
        assert_eq!(offset("2015-09-12T00:47:05-0730"), west(7, 30));
        assert_eq!(offset("2015-09-12T00:47:05.1-07"), west(7, 0));
        assert_eq!(offset("2015-09-12T00:47:05Z"), Some(Offset::UTC));
        assert_eq!(offset("2015-09-12T00:47:05"), None);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2015-09",
            "2015-9-12",
            "2015/09/12",
            "20150912",
            "2015-09-12Z",
            "2015-09-12T",
            "2015-09-12T00",
            "2015-09-12t00:47",
            "2015-09-12T00:47:5",
            "2015-09-12T00:47:05.",
            "2015-09-12T00:47:05,5",
            "2015-09-12T00:47.5",
            "2015-09-12T00:47:05z",
            "2015-09-12T00:47:05 Z",
            "2015-09-12T00:47:05+7",
            "2015-09-12T00:47:05+07:3",
            "2015-09-12T00:47:05+07:30x",
            " 2015-09-12",
            "+2015-09-12",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
