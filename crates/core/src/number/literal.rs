//! The canonical form of number literals: what is exact about them, however long they are.
use super::SCALE_MAX;
use crate::batch::Invalid;

/// Digits of the largest i64.
const DIGITS_MAX: i128 = 19;

/// A literal in canonical form: `whole` then `fraction` are its digits, without leading and trailing zeros, and
/// `exponent` is the power of ten of the last one. Zero has no digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i128,
}

impl<'a> Literal<'a> {
    pub fn parse(text: &'a [u8]) -> Literal<'a> {
        let (negative, text) = sign(text);
        let power = text.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, power) = text.split_at(power.unwrap_or(text.len()));
        let point = mantissa.iter().position(|&b| b == b'.').unwrap_or(mantissa.len());
        let (whole, fraction) = mantissa.split_at(point);
        let fraction = fraction.get(1..).unwrap_or_default();
        let exponent = small(power.get(1..).unwrap_or_default()) - fraction.len() as i128;
        Literal::trim(negative, whole, fraction, exponent)
    }

    fn trim(negative: bool, whole: &'a [u8], fraction: &'a [u8], exponent: i128) -> Literal<'a> {
        let whole = without_first_zeros(whole);
        let fraction = if whole.is_empty() {
            without_first_zeros(fraction)
        } else {
            fraction
        };
        let kept = without_last_zeros(fraction);
        let mut exponent = exponent + (fraction.len() - kept.len()) as i128;
        let mut whole_kept = whole;
        if kept.is_empty() {
            whole_kept = without_last_zeros(whole);
            exponent += (whole.len() - whole_kept.len()) as i128;
        }
        let zero = kept.is_empty() && whole_kept.is_empty();
        let (negative, exponent) = if zero { (false, 0) } else { (negative, exponent) };
        Literal {
            negative,
            whole: whole_kept,
            fraction: kept,
            exponent,
        }
    }

    /// Whether the value is a whole number.
    pub fn integral(&self) -> bool {
        self.exponent >= 0
    }

    /// The least scale that holds the value exactly, where a decimal may have it.
    pub fn scale(&self) -> Option<u32> {
        u32::try_from((-self.exponent).max(0))
            .ok()
            .filter(|&scale| scale <= SCALE_MAX)
    }

    fn len(&self) -> i128 {
        (self.whole.len() + self.fraction.len()) as i128
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The first `count` digits (at most 19) as a number.
    fn first(&self, count: i128) -> u64 {
        let count = usize::try_from(count).unwrap_or(0);
        self.digits()
            .take(count)
            .fold(0, |sum: u64, digit| sum.wrapping_mul(10).wrapping_add(value(digit)))
    }

    /// The value times ten to the power of `shift`, where that is a whole number of at most 19 digits.
    fn magnitude(&self, shift: i128) -> Result<u64, Invalid> {
        if self.len() + shift > DIGITS_MAX {
            return Err(Invalid::Range);
        }
        let power = u32::try_from(shift).map_err(|_| Invalid::Range)?;
        self.first(self.len())
            .checked_mul(10u64.pow(power))
            .ok_or(Invalid::Range)
    }

    /// The value of an integral literal.
    ///
    /// # Errors
    /// `Range` where it does not fit.
    pub fn integer(&self) -> Result<i64, Invalid> {
        if self.len() == 0 {
            Ok(0)
        } else {
            signed(self.negative, self.magnitude(self.exponent)?)
        }
    }

    /// The value times 10^`scale`, rounded half-even.
    ///
    /// # Errors
    /// `Range` where it does not fit.
    pub fn scaled(&self, scale: u32) -> Result<i64, Invalid> {
        let shift = self.exponent + i128::from(scale);
        let kept = self.len() + shift;
        let magnitude = if self.len() == 0 || kept < 0 {
            0
        } else if shift >= 0 {
            self.magnitude(shift)?
        } else if kept > DIGITS_MAX {
            return Err(Invalid::Range);
        } else {
            let (whole, next) = (self.first(kept), self.digits().nth(kept as usize).map_or(0, value));
            // The last digit is never a zero, so anything after a five is above the half.
            let above = next > 5 || (next == 5 && (shift < -1 || whole % 2 == 1));
            whole + u64::from(above)
        };
        signed(self.negative, magnitude)
    }

    /// The value times 10^`power`, rounded to minus infinity.
    ///
    /// # Errors
    /// `Range` where it does not fit.
    pub fn floor(&self, power: i32) -> Result<i64, Invalid> {
        let shift = self.exponent + i128::from(power);
        if self.len() == 0 {
            return Ok(0);
        }
        if shift >= 0 {
            return signed(self.negative, self.magnitude(shift)?);
        }
        let kept = (self.len() + shift).max(0);
        if kept > DIGITS_MAX {
            return Err(Invalid::Range);
        }
        signed(self.negative, self.first(kept) + u64::from(self.negative))
    }

    /// The text that ids are made of: `1e2` for 100, `15e-1` for 1.50, `0e0` for every zero.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(self.whole);
        out.extend_from_slice(self.fraction);
        if self.len() == 0 {
            out.push(b'0');
        }
        out.push(b'e');
        write_integer(out, self.exponent);
    }
}

fn write_integer(out: &mut Vec<u8>, number: i128) {
    match u8::try_from(number) {
        Ok(digit) if digit < 10 => out.push(b'0' + digit),
        _ => out.extend_from_slice(number.to_string().as_bytes()),
    }
}

pub fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    }
}

pub fn value(digit: u8) -> u64 {
    u64::from(digit & 0x0f)
}

fn without_first_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

fn without_last_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|&&b| b == b'0').count();
    digits.get(..digits.len() - zeros).unwrap_or_default()
}

/// An exponent. Beyond 19 digits only its sign and hugeness matter.
fn small(text: &[u8]) -> i128 {
    let (negative, digits) = match text.split_first() {
        Some((b'+', rest)) => (false, rest),
        _ => sign(text),
    };
    let digits = without_first_zeros(digits);
    let size = match digits.len() as i128 {
        0..=DIGITS_MAX => digits.iter().fold(0, |sum, &digit| sum * 10 + i128::from(value(digit))),
        _ => i128::from(i64::MAX),
    };
    if negative { -size } else { size }
}

fn signed(negative: bool, magnitude: u64) -> Result<i64, Invalid> {
    let signed = if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    signed.ok_or(Invalid::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = vec![];
        Literal::parse(text.as_bytes()).write_canonical(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn equal_numbers_have_one_canonical_text() {
        for (text, expected) in [
            ("100", "1e2"),
            ("1.50", "15e-1"),
            ("0", "0e0"),
            ("-0.00e5", "0e0"),
            ("1", "1e0"),
            ("1.0", "1e0"),
            ("1e0", "1e0"),
            ("-0.00120E+02", "-12e-2"),
            ("10.01", "1001e-2"),
            ("1000000000000000000000001", "1000000000000000000000001e0"),
            ("1e9999999999999999999", "1e9999999999999999999"),
            ("1e-99999999999999999999", "1e-9223372036854775807"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn floor_goes_to_minus_infinity() {
        let floor = |text: &str, power| Literal::parse(text.as_bytes()).floor(power);
        assert_eq!(floor("1443.5", 6), Ok(1_443_500_000));
        assert_eq!(floor("1.9999", 3), Ok(1999));
        assert_eq!(floor("-1.9999", 3), Ok(-2000));
        assert_eq!(floor("-1999", -3), Ok(-2));
        assert_eq!(floor("-2000", -3), Ok(-2));
        assert_eq!(floor("-1e-99", 6), Ok(-1));
        assert_eq!(floor("1e14", 6), Err(Invalid::Range));
    }
}
