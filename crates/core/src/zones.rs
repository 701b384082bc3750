//! The time zones that a plan brings along: rules as TZif files in base64, so that every engine uses the same ones.
use jiff::tz::TimeZone;

use crate::error::{CoreError, Result};
use crate::plan::Plan;

/// A zone of the plan.
///
/// # Errors
/// The plan does not bring it, or its bytes are no TZif file.
pub fn zone(plan: &Plan, name: &str) -> Result<TimeZone> {
    let wrong = |what: &str| CoreError::definition(format!("{what}: {name}"));
    let text = plan.zones.get(name).ok_or_else(|| wrong("a time zone without rules"))?;
    let bytes = base64(text).ok_or_else(|| wrong("a time zone whose rules are not base64"))?;
    TimeZone::tzif(name, &bytes).map_err(|error| wrong(&format!("a time zone whose rules cannot be read ({error})")))
}

/// Standard base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(groups.len() * 3);
    for (number, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|&&b| b == b'=').count();
        if padding > 2 || (padding > 0 && number + 1 < groups.len()) {
            return None;
        }
        let six = |b: &u8| LETTERS.iter().position(|letter| letter == b);
        let letters = group.iter().take(4 - padding);
        let bits = letters
            .map(six)
            .try_fold(0, |bits: u32, six| Some(bits << 6 | six? as u32))?;
        let [_, bytes @ ..] = (bits << (6 * padding)).to_be_bytes();
        out.extend(bytes.iter().take(3 - padding));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_back() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("TQ==", b"M"),
            ("TWE=", b"Ma"),
            ("TWFu", b"Man"),
            ("+/+/AA==", b"\xfb\xff\xbf\0"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["TQ", "TQ=", "T===", "TQ==TWFu", "T=Q=", "TW Fu", "TW-u"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
