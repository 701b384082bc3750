//! Text lines by a regular expression: each wanted path is a named group.
use regex::{CaptureLocations, Regex};

use super::general::Fault;
use super::general::Sink;
use super::{DecodeLimits, DecodeStats, lines};
use crate::slot::{Kind, Line, Malformed, Outcome, Slot};

pub struct Matcher {
    regex: Regex,
    /// Of each slot, the number of its group.
    groups: Vec<usize>,
    found: CaptureLocations,
}

impl Matcher {
    pub fn new(pattern: &str, paths: &[Vec<String>]) -> Result<Matcher, String> {
        let regex = whole_line(pattern)?;
        let group = |path: &Vec<String>| {
            let name = path.join(".");
            regex
                .capture_names()
                .position(|group| group == Some(&name))
                .ok_or_else(|| unknown(&name, &regex))
        };
        let groups = paths.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Matcher {
            groups,
            found: regex.capture_locations(),
            regex,
        })
    }

    pub fn next(
        &mut self,
        chunk: &[u8],
        pos: usize,
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Line {
        let (end, after) = lines::bounds(chunk, pos);
        let outcome = self.record(chunk, (pos, end), sink, limits, stats);
        Line {
            start: pos,
            end,
            after,
            outcome,
        }
    }

    /// Decode the text at a span.
    pub fn record(
        &mut self,
        chunk: &[u8],
        (start, end): (usize, usize),
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Outcome {
        sink.slots.fill(Slot::default());
        let text = chunk.get(start..end).unwrap_or_default();
        match self.read(text, start, sink, limits) {
            _ if lines::is_blank(text) => Outcome::Blank,
            Ok(()) => {
                stats.general += 1;
                Outcome::Record
            }
            Err(fault) => {
                stats.malformed += 1;
                Outcome::Malformed(fault.reason, fault.at as u32)
            }
        }
    }

    fn read(&mut self, line: &[u8], pos: usize, sink: &mut Sink, limits: &DecodeLimits) -> Result<(), Fault> {
        if line.len() > limits.record_bytes_max {
            return Err(Fault::new(Malformed::Size, limits.record_bytes_max));
        }
        let text = std::str::from_utf8(line).map_err(|error| Fault::utf8(error.valid_up_to()))?;
        self.regex
            .captures_read(&mut self.found, text)
            .ok_or(Fault::syntax(0))?;
        for (slot, &group) in sink.slots.iter_mut().zip(&self.groups) {
            if let Some((start, end)) = self.found.get(group) {
                *slot = Slot {
                    kind: Kind::Text,
                    in_arena: false,
                    at: (pos + start) as u32,
                    len: (end - start) as u32,
                };
            }
        }
        Ok(())
    }
}

/// The pattern, made to match whole lines. In verbose mode it may end in a comment: that needs a line of its own.
fn whole_line(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| error.to_string())?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
        .or_else(|_| Regex::new(&format!("\\A(?:{pattern}\n)\\z")))
        .map_err(|error| error.to_string())
}

fn unknown(name: &str, regex: &Regex) -> String {
    let names: Vec<&str> = regex.capture_names().flatten().collect();
    format!("the pattern has no group {name}; its groups: {}", names.join(", "))
}
