//! CloudEvents in binary mode (attributes in headers, data in the value) -> the structured form, one JSON object.
use std::fmt::Write as _;

use serde::de::IgnoredAny;

const PREFIXES: [&[u8]; 2] = [b"ce_", b"ce-"];
const VERSION: &[u8] = b"specversion";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A header's name and value, as they came.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// How data stands in the structured form.
enum Kind {
    Json,
    Text,
    Binary,
}

/// Append the event to `into`. A message whose headers name no version is structured already, and left as it is; so is data
/// that calls itself JSON and is none: alone it is malformed.
pub fn append(headers: &[Header<'_>], data: &[u8], into: &mut Vec<u8>) {
    let attributes = || {
        headers
            .iter()
            .filter_map(|(name, text)| Some((attribute(name)?, *text)))
    };
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))
        .map(|(_, value)| *value);
    let kind = kind_of(content_type);
    let is_broken = || matches!(kind, Kind::Json) && !data.is_empty() && !is_json(data);
    if !attributes().any(|(name, _)| name == VERSION) || is_broken() {
        into.extend_from_slice(data);
        return;
    }
    let mut sign = b'{';
    let mut member = |into: &mut Vec<u8>, name: &[u8]| {
        into.push(sign);
        text(name, into);
        into.push(b':');
        sign = b',';
    };
    let named = content_type.map(|value| (b"datacontenttype".as_slice(), value));
    let given = attributes().filter(|(name, _)| named.is_none_or(|(other, _)| *name != other));
    for (name, value) in given.chain(named) {
        member(into, name);
        text(value, into);
    }
    if !data.is_empty() {
        let name: &[u8] = match kind {
            Kind::Json | Kind::Text => b"data",
            Kind::Binary => b"data_base64",
        };
        member(into, name);
        match kind {
            Kind::Json => into.extend_from_slice(data),
            Kind::Text => text(data, into),
            Kind::Binary => base64(data, into),
        }
    }
    into.push(b'}');
}

/// An attribute's name, where a header holds one.
fn attribute(header: &[u8]) -> Option<&[u8]> {
    PREFIXES.iter().find_map(|prefix| header.strip_prefix(*prefix))
}

/// Without a content type, data is JSON.
fn kind_of(content_type: Option<&[u8]>) -> Kind {
    let Some(content_type) = content_type else {
        return Kind::Json;
    };
    let said = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (media, parameters) = said.split_once(';').unwrap_or((&said, ""));
    let media = media.trim();
    if media == "application/json" || media.ends_with("+json") {
        return Kind::Json;
    }
    let is_text = media.starts_with("text/") || media == "application/xml" || media.ends_with("+xml");
    let charset = parameters
        .split(';')
        .find_map(|one| one.trim().strip_prefix("charset="));
    let is_utf8 = charset.is_none_or(|name| matches!(name.trim_matches('"'), "utf-8" | "us-ascii"));
    if is_text && is_utf8 { Kind::Text } else { Kind::Binary }
}

/// One whole value, so that nothing in it can pass for an attribute.
fn is_json(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// A JSON string. Bytes that are no UTF-8 stay what they are: two texts are never made one, and the record is malformed.
fn text(bytes: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => into.extend([b'\\', byte]),
            0..0x20 => {
                let mut escaped = String::new();
                let _ = write!(escaped, "\\u{byte:04x}");
                into.extend_from_slice(escaped.as_bytes());
            }
            _ => into.push(byte),
        }
    }
    into.push(b'"');
}

/// A JSON string of the bytes in base64.
fn base64(data: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for three in data.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            (bits << 8) | usize::from(three.get(at).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let sign = BASE64.get((bits >> (18 - 6 * place)) & 0x3f).copied().unwrap_or(b'=');
            into.push(if place <= three.len() { sign } else { b'=' });
        }
    }
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(more: &[(&str, &str)], data: &[u8]) -> String {
        let headers = [("ce_specversion", "1.0"), ("ce_id", "1")].iter().chain(more);
        let headers: Vec<Header<'_>> = headers
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let mut into = vec![];
        append(&headers, data, &mut into);
        String::from_utf8(into).unwrap()
    }

    #[test]
    fn headers_become_attributes_and_data_stays_as_it_is() {
        assert_eq!(
            event(
                &[("content-type", "application/json"), ("other", "x")],
                br#"{"v": 1.10}"#
            ),
            r#"{"specversion":"1.0","id":"1","datacontenttype":"application/json","data":{"v": 1.10}}"#
        );
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(
            event(&[("ce_source", "\"a\\\n")], b""),
            r#"{"specversion":"1.0","id":"1","source":"\"a\\\u000a"}"#
        );
    }

    #[test]
    fn other_data_is_text_or_base64_by_its_content_type() {
        let of = |kind: &str, data: &[u8]| event(&[("Content-Type", kind)], data);
        assert!(of("text/plain", b"a\"b").ends_with(r#""data":"a\"b"}"#));
        assert!(of("text/plain; charset=latin1", b"ab").ends_with(r#""data_base64":"YWI="}"#));
        assert!(of("image/png", b"\xff").ends_with(r#""data_base64":"/w=="}"#));
        assert!(of("image/png", b"abc").ends_with(r#""data_base64":"YWJj"}"#));
        assert!(of("application/vnd.a+json", b"[1]").ends_with(r#""data":[1]}"#));
    }

    #[test]
    fn what_is_structured_already_is_left_as_it_is() {
        let mut into = vec![];
        append(&[(b"ce_id", b"1")], b"{}", &mut into);
        assert_eq!(into, b"{}");
    }

    #[test]
    fn data_that_is_no_json_cannot_pass_for_an_attribute() {
        for data in [r#"1, "id": "2""#, "{", "NaN", &"[".repeat(100_000)] {
            assert_eq!(event(&[], data.as_bytes()), data);
        }
    }

    #[test]
    fn a_text_that_is_no_utf8_is_not_mended() {
        let mut into = vec![];
        append(&[(b"ce_specversion", b"1.0"), (b"ce_id", b"\xff")], b"", &mut into);
        assert_eq!(into, b"{\"specversion\":\"1.0\",\"id\":\"\xff\"}");
    }
}
