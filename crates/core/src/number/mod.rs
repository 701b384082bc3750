//! Numbers without loss: from the literal of a record to integers, scaled decimals and floats.
//!
//! Literals follow JSON's grammar; whoever holds a text asks `is_number` or `is_integer` first.
mod literal;

use crate::batch::Invalid;
pub use literal::Literal;
use literal::{sign, value};

/// Digits after the point that a decimal may have.
pub const SCALE_MAX: u32 = 18;
/// As many digits fit an i64 whatever they are.
const SAFE_DIGITS: usize = 18;

/// A number as an expression sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Dec { v: i64, scale: u32 },
    Float(f64),
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight digits at once.
#[inline]
fn eight(digits: u64) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let over_nine = digits.wrapping_add(0x0606_0606_0606_0606);
    if (digits & HIGH) != ZEROS || (over_nine & HIGH) != ZEROS {
        return None;
    }
    let ones = digits & 0x0f0f_0f0f_0f0f_0f0f;
    let tens = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let hundreds = (tens * 100 + (tens >> 16)) & 0x0000_ffff_0000_ffff;
    Some((hundreds * 10_000 + (hundreds >> 32)) & 0xffff_ffff)
}

/// One to eighteen digits. Loads of fixed length may overlap, so that there is no loop for the branch predictor to miss.
#[inline]
fn digits(text: &[u8]) -> Option<i64> {
    let magnitude = match (text.len(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (8, _, Some(last)) => eight(u64::from_le_bytes(*last))?,
        (len @ 9..=15, Some(first), Some(last)) => {
            let shift = 8 * (16 - len as u32);
            let first = u64::from_le_bytes(*first) << shift | ZEROS >> (64 - shift);
            eight(first)? * 100_000_000 + eight(u64::from_le_bytes(*last))?
        }
        (len @ 16..=18, Some(first), Some(last)) => {
            let middle = text.get(8..len - 8)?;
            let power = 10u64.pow(middle.len() as u32);
            let first = eight(u64::from_le_bytes(*first))? * power + few(middle)?;
            first * 100_000_000 + eight(u64::from_le_bytes(*last))?
        }
        (len @ 4..=7, _, _) => {
            let (first, last) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
            let first = u64::from(u32::from_le_bytes(*first)) << (8 * (8 - len)) & 0xffff_ffff;
            let zeros = (ZEROS & 0xffff_ffff) >> (8 * (len - 4));
            eight(first | zeros | u64::from(u32::from_le_bytes(*last)) << 32)?
        }
        (1..=3, _, _) => few(text)?,
        _ => return None,
    };
    i64::try_from(magnitude).ok()
}

/// Digits one by one.
#[inline]
fn few(text: &[u8]) -> Option<u64> {
    text.iter()
        .try_fold(0, |sum, &b| b.is_ascii_digit().then(|| sum * 10 + value(b)))
}

/// The value of a literal that is a sign and at most 18 digits: most are.
#[inline]
pub fn plain(text: &[u8]) -> Option<i64> {
    let (negative, text) = sign(text);
    if text.len() > SAFE_DIGITS {
        return None;
    }
    let magnitude = digits(text)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// The digits of a literal without an exponent and of at most 18 digits, and how many stand after the point.
fn short(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = sign(text);
    if text.len() > SAFE_DIGITS + 1 {
        return None;
    }
    let (mut sum, mut count, mut places) = (0i64, 0, None);
    for &b in text {
        if b.is_ascii_digit() {
            sum = sum.checked_mul(10)?.checked_add(value(b) as i64)?;
            count += 1;
        } else if b == b'.' && places.is_none() {
            places = Some(count);
        } else {
            return None;
        }
    }
    Some((
        if negative { -sum } else { sum },
        places.map_or(0, |before: u32| count - before),
    ))
}

/// The integer that an integral literal names: 1, 1.0, 1e0.
///
/// # Errors
/// `Type` where it is not integral, `Range` where it does not fit.
#[inline]
pub fn integer(text: &[u8]) -> Result<i64, Invalid> {
    match plain(text) {
        Some(value) => Ok(value),
        None => integer_slow(&Literal::parse(text)),
    }
}

#[cold]
fn integer_slow(literal: &Literal<'_>) -> Result<i64, Invalid> {
    if !literal.integral() {
        return Err(Invalid::Type);
    }
    literal.integer()
}

/// A decimal by the literal's own digits, rounded half-even to `scale`, times 10^`scale`.
///
/// # Errors
/// `Range` where it does not fit.
pub fn decimal(text: &[u8], scale: u32) -> Result<i64, Invalid> {
    match short(text) {
        Some((v, places)) => rescale(v, places, scale),
        None => Literal::parse(text).scaled(scale),
    }
}

/// The nearest float; -0 is 0.
///
/// # Errors
/// `Range` where it is not finite.
pub fn float(text: &[u8]) -> Result<f64, Invalid> {
    let text = std::str::from_utf8(text).map_err(|_| Invalid::Type)?;
    finite(text.parse().map_err(|_| Invalid::Type)?)
}

/// `value` with -0 as 0.
///
/// # Errors
/// `Range` where it is infinite or not a number.
pub fn finite(value: f64) -> Result<f64, Invalid> {
    if value.is_finite() {
        Ok(value + 0.0)
    } else {
        Err(Invalid::Range)
    }
}

/// A raw number's value in an expression: integer, else exact decimal of the least scale, else the nearest float.
///
/// # Errors
/// `Range` where not even a float holds it.
pub fn number(text: &[u8]) -> Result<Number, Invalid> {
    if let Some(value) = plain(text) {
        return Ok(Number::Int(value));
    }
    let literal = Literal::parse(text);
    match (literal.scale(), literal.scale().map(|scale| literal.scaled(scale))) {
        (Some(0), Some(Ok(v))) => Ok(Number::Int(v)),
        (Some(scale), Some(Ok(v))) => Ok(Number::Dec { v, scale }),
        _ => float(text).map(Number::Float),
    }
}

/// A decimal of scale `own` rounded half-even to `scale`.
///
/// # Errors
/// `Range` where it does not fit.
pub fn rescale(v: i64, own: u32, scale: u32) -> Result<i64, Invalid> {
    if own == scale {
        return Ok(v);
    }
    if own < scale {
        let power = 10i64.checked_pow(scale - own);
        return power
            .and_then(|power| v.checked_mul(power))
            .or((v == 0).then_some(0))
            .ok_or(Invalid::Range);
    }
    let Some(power) = 10i64.checked_pow(own - scale) else {
        return Ok(0);
    };
    let (whole, rest) = (v.div_euclid(power), v.rem_euclid(power));
    let twice = rest.cmp(&(power - rest));
    let above = twice.is_gt() || (twice.is_eq() && whole % 2 != 0);
    Ok(whole + i64::from(above))
}

/// The float nearest to a quotient, rounded once. `denominator` is neither 0 nor above 2^127.
pub fn quotient(numerator: i128, denominator: u128) -> f64 {
    let magnitude = numerator.unsigned_abs();
    let (mut whole, mut rest, mut power) = (magnitude / denominator, magnitude % denominator, 0);
    // A float has 53 bits; a few more, and whether anything follows them, decide the rounding.
    while rest != 0 && whole >> 55 == 0 {
        rest <<= 1;
        let bit = rest >= denominator;
        rest -= if bit { denominator } else { 0 };
        whole = whole << 1 | u128::from(bit);
        power -= 1;
    }
    let nearest = (whole | u128::from(rest != 0)) as f64 * 2f64.powi(power);
    if numerator < 0 { -nearest } else { nearest }
}

/// The nearest float to `v` / 10^`scale`.
pub fn decimal_to_float(v: i64, scale: u32) -> f64 {
    // Both sides are exact as floats, so the quotient is rounded once.
    if v.unsigned_abs() <= 1 << 53
        && let Some(power) = 10u64.checked_pow(scale)
    {
        return v as f64 / power as f64;
    }
    format!("{v}e-{scale}").parse().unwrap_or(0.0)
}

/// A decimal with all digits of its scale: `1.50`.
pub fn decimal_text(v: i64, scale: u32) -> String {
    let scale = scale as usize;
    let sign = if v < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", v.unsigned_abs(), width = scale + 1);
    match digits.split_at_checked(digits.len() - scale) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}

/// Whether a text follows JSON's grammar of numbers without fraction and exponent.
pub fn is_integer(text: &[u8]) -> bool {
    integer_end(text) == Some(text.len())
}

/// Whether a text follows JSON's grammar of numbers.
pub fn is_number(text: &[u8]) -> bool {
    let Some(mut at) = integer_end(text) else { return false };
    if text.get(at) == Some(&b'.') {
        match some_digits(text, at + 1) {
            Some(end) => at = end,
            None => return false,
        }
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = matches!(text.get(at + 1), Some(b'+' | b'-'));
        match some_digits(text, at + 1 + usize::from(sign)) {
            Some(end) => at = end,
            None => return false,
        }
    }
    at == text.len()
}

fn integer_end(text: &[u8]) -> Option<usize> {
    let at = usize::from(text.first() == Some(&b'-'));
    if text.get(at) == Some(&b'0') {
        Some(at + 1)
    } else {
        some_digits(text, at)
    }
}

fn some_digits(text: &[u8], at: usize) -> Option<usize> {
    let count = text.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
    (count > 0).then_some(at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_once() {
        for (numerator, denominator, nearest) in [
            (0, 7, 0.0),
            (2, 3, 0.6666666666666666),
            (200, 300, 0.6666666666666666),
            (-200, 300, -0.6666666666666666),
            (18446744073709551617, 3, 6.148914691236517e+18),
            (18014398509481986, 2, 9007199254740992.0),
            (9007199254740995, 1, 9007199254740996.0),
            (-170141183460469231731687303715884105728, 3, -5.671372782015641e+37),
            (1, 1329227995784915872903807060280344576, 7.52316384526264e-37),
            (9007199254740993, 1, 9007199254740992.0),
            (
                100000000000000000000000000000000000000,
                7000000000000000000,
                1.4285714285714287e+19,
            ),
            (5, 100000000000000000000, 5e-20),
        ] {
            assert_eq!(quotient(numerator, denominator), nearest, "{numerator} / {denominator}");
        }
    }

    #[test]
    fn integral_literals_are_integers() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("7", 7),
            ("12345678", 12_345_678),
            ("1443505200123", 1_443_505_200_123),
            ("-1443505200123456", -1_443_505_200_123_456),
            ("123456789012345678", 123_456_789_012_345_678),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("1.0", 1),
            ("1e0", 1),
            ("1.20e1", 12),
            ("0e99999999999999999999", 0),
        ] {
            assert_eq!(integer(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_literals_are_no_integers() {
        for text in ["1.5", "1e-1", "-0.1", "1e-99999999999999999999"] {
            assert_eq!(integer(text.as_bytes()), Err(Invalid::Type), "{text}");
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e99999999999999999999",
        ] {
            assert_eq!(integer(text.as_bytes()), Err(Invalid::Range), "{text}");
        }
    }

    #[test]
    fn every_length_of_plain_digits_is_read() {
        for len in 1..=18 {
            let text = "987654321987654321".get(..len).unwrap();
            assert_eq!(plain(text.as_bytes()), text.parse().ok(), "{text}");
            for at in 0..len {
                let mut broken = text.as_bytes().to_vec();
                broken[at] = b':';
                assert_eq!(plain(&broken), None);
            }
        }
    }

    #[test]
    fn decimals_are_rounded_half_even_by_their_digits() {
        for (text, expected) in [
            ("1.5", 150),
            ("1.005", 100),
            ("1.015", 102),
            ("-1.005", -100),
            ("-1.015", -102),
            ("1.0050000000000000000000001", 101),
            ("0.004", 0),
            ("0.006", 1),
            ("5e-3", 0),
            ("15e-3", 2),
            ("5e-99999999999999999999", 0),
            ("1.2345e2", 12345),
            ("92233720368547758.07", i64::MAX),
            ("-92233720368547758.080", i64::MIN),
        ] {
            assert_eq!(decimal(text.as_bytes(), 2), Ok(expected), "{text}");
        }
    }

    #[test]
    fn decimals_beyond_64_bits_are_out_of_range() {
        for text in [
            "92233720368547758.08",
            "1e17",
            "-1e99",
            "99999999999999999999.99",
            "92233720368547758.075",
        ] {
            assert_eq!(decimal(text.as_bytes(), 2), Err(Invalid::Range), "{text}");
        }
    }

    #[test]
    fn floats_are_the_nearest_and_finite() {
        assert_eq!(float(b"0.1"), Ok(0.1));
        assert_eq!(float(b"-0.0").map(f64::to_bits), Ok(0));
        assert_eq!(float(b"1e400"), Err(Invalid::Range));
    }

    #[test]
    fn a_raw_number_is_as_exact_as_it_can_be() {
        for (text, expected) in [
            ("1.0", Number::Int(1)),
            ("1.50", Number::Dec { v: 15, scale: 1 }),
            ("-1e-18", Number::Dec { v: -1, scale: 18 }),
            ("1e-19", Number::Float(1e-19)),
            ("9223372036854775808", Number::Float(9_223_372_036_854_775_808.0)),
            ("1e18", Number::Int(1_000_000_000_000_000_000)),
            ("9.223372036854775808", Number::Float(9.223_372_036_854_776)),
        ] {
            assert_eq!(number(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn rescaling_is_exact_or_half_even() {
        assert_eq!(rescale(15, 1, 3), Ok(1500));
        assert_eq!(rescale(25, 1, 0), Ok(2));
        assert_eq!(rescale(-25, 1, 0), Ok(-2));
        assert_eq!(rescale(-35, 1, 0), Ok(-4));
        assert_eq!(rescale(i64::MIN, 18, 0), Ok(-9));
        assert_eq!(rescale(i64::MAX, 0, 1), Err(Invalid::Range));
        assert_eq!(rescale(0, 0, 18), Ok(0));
    }

    #[test]
    fn decimal_texts_show_their_scale() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(150, 2), "1.50");
        assert_eq!(decimal_text(i64::MIN, 0), "-9223372036854775808");
    }

    #[test]
    fn a_decimal_becomes_the_nearest_float() {
        assert_eq!(decimal_to_float(1, 1), 0.1);
        assert_eq!(decimal_to_float(i64::MAX, 18), 9.223_372_036_854_776);
    }

    #[test]
    fn texts_follow_the_grammar_or_not() {
        for text in ["0", "-0", "12", "-1.5", "1e5", "0.1E-7"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "+1", " 1", "1.", ".5", "1e", "NaN", "1 "] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
        assert!(is_integer(b"-12") && !is_integer(b"1.0") && !is_integer(b"1e5"));
    }
}
