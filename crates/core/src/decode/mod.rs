//! Step one of the way: the next line of a chunk becomes one slot per wanted path, or is blank, or is malformed.
//!
//! `general` is the strict parser and the measure of truth. `layout` reads lines whose layout was learned (`learn`,
//! `book`) several times as fast, and only where the result is the same. `regex` is for lines that are not JSON.
mod book;
mod explode;
mod general;
mod json;
mod layout;
mod learn;
mod lines;
mod number;
mod paths;
mod regex;
mod text;

use crate::slot::{Line, Malformed, Outcome, Slot};
pub use explode::{Elements, List};
use general::Sink;

/// Passing one of these makes a record malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a line without its end.
    pub record_bytes_max: usize,
    /// Open brackets at one place.
    pub depth_max: u32,
    /// Object members in the whole record, nested and repeated ones too.
    pub members_max: u32,
}

/// What a decoder has done so far. Records are `fast + general + malformed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeStats {
    /// Records read by a learned layout.
    pub fast: u64,
    /// Records read by the general parser (or by the regular expression).
    pub general: u64,
    pub malformed: u64,
    pub layouts_learned: u64,
    pub layouts_evicted: u64,
}

enum Format {
    Json(json::Json),
    Regex(regex::Matcher),
}

/// Decodes the lines or records of chunks. It learns from what it reads, so each parsing thread has its own.
pub struct Decoder {
    format: Format,
    limits: DecodeLimits,
    stats: DecodeStats,
}

impl Decoder {
    /// JSON lines. `paths` are different from one another; each is a list of object keys.
    pub fn json(paths: &[Vec<String>], limits: DecodeLimits) -> Decoder {
        Decoder {
            format: Format::Json(json::Json::new(paths)),
            limits,
            stats: DecodeStats::default(),
        }
    }

    /// Lines that match `pattern` as a whole. Each path is the name of a group; one that took no part is missing.
    ///
    /// # Errors
    /// The pattern is no regular expression, or has no group of that name.
    pub fn regex(pattern: &str, paths: &[Vec<String>], limits: DecodeLimits) -> Result<Decoder, String> {
        let format = Format::Regex(regex::Matcher::new(pattern, paths)?);
        Ok(Decoder {
            format,
            limits,
            stats: DecodeStats::default(),
        })
    }

    /// Decode the line of `chunk` (under 4 GiB) that begins at `pos` (before its end). Every slot is set anew, one for
    /// each path; texts that had escapes are appended to `arena`. The position in `Outcome::Malformed` counts from the
    /// line's start.
    #[inline]
    pub fn next(&mut self, chunk: &[u8], pos: usize, slots: &mut [Slot], arena: &mut Vec<u8>) -> Line {
        let mut sink = Sink { slots, arena };
        match &mut self.format {
            Format::Json(json) => json.next(chunk, pos, &mut sink, &self.limits, &mut self.stats),
            Format::Regex(regex) => regex.next(chunk, pos, &mut sink, &self.limits, &mut self.stats),
        }
    }

    /// Decode the record at a span of `chunk` that its source gives; it may hold newlines. One without content is
    /// malformed: it has a position, so it has an account.
    #[inline]
    pub fn record(
        &mut self,
        chunk: &[u8],
        (start, end): (usize, usize),
        slots: &mut [Slot],
        arena: &mut Vec<u8>,
    ) -> Line {
        let mut sink = Sink { slots, arena };
        let span = (start, lines::content_end(chunk, start, end));
        let outcome = match &mut self.format {
            Format::Json(json) => json.record(chunk, span, &mut sink, &self.limits, &mut self.stats),
            Format::Regex(regex) => regex.record(chunk, span, &mut sink, &self.limits, &mut self.stats),
        };
        let outcome = match outcome {
            Outcome::Blank => {
                self.stats.malformed += 1;
                Outcome::Malformed(Malformed::Syntax, 0)
            }
            outcome => outcome,
        };
        Line {
            start,
            end,
            after: end,
            outcome,
        }
    }

    pub fn stats(&self) -> DecodeStats {
        let (layouts_learned, layouts_evicted) = match &self.format {
            Format::Json(json) => json.layouts(),
            Format::Regex(_) => (0, 0),
        };
        DecodeStats {
            layouts_learned,
            layouts_evicted,
            ..self.stats
        }
    }

    /// Whether learned layouts are used; they are unless this is called with false.
    pub fn speculate(&mut self, on: bool) {
        if let Format::Json(json) = &mut self.format {
            json.speculate(on);
        }
    }
}

/// The byte at `at`; past the end 0, which is right nowhere in JSON.
#[inline(always)]
fn peek(buf: &[u8], at: usize) -> u8 {
    buf.get(at).copied().unwrap_or(0)
}
