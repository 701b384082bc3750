//! JSON records: by a learned layout where one fits, by the general parser where none does.
use super::book::Book;
use super::general::{Fault, Frame, Sink, Walk};
use super::layout::{Context, Framing, Input, Miss, Progress};
use super::learn::learn;
use super::paths::Paths;
use super::{DecodeLimits, DecodeStats, lines};
use crate::machine::WINDOW;
use crate::slot::{Kind, Line, Malformed, Outcome, Slot};

/// Bytes that a line may be followed by for its layout to be read: its end and one window.
const BEHIND: usize = WINDOW + 2;

pub struct Json {
    paths: Paths,
    book: Book,
    stack: Vec<Frame>,
    /// The last record of a chunk with room for whole windows behind it.
    padded: Vec<u8>,
}

impl Json {
    pub fn new(paths: &[Vec<String>]) -> Json {
        Json {
            paths: Paths::new(paths),
            book: Book::new(),
            stack: vec![],
            padded: vec![],
        }
    }

    pub fn speculate(&mut self, on: bool) {
        self.book.enable(on);
    }

    pub fn layouts(&self) -> (u64, u64) {
        (self.book.learned, self.book.evicted)
    }

    #[inline]
    pub fn next(
        &mut self,
        chunk: &[u8],
        pos: usize,
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Line {
        if self.book.is_active()
            && let Some((index, line)) = self.speculative(chunk, pos, sink, limits)
        {
            self.book.hit(index);
            stats.fast += 1;
            return line;
        }
        let (end, after) = lines::bounds(chunk, pos);
        let outcome = self.general(chunk, (pos, end), sink, limits, stats);
        Line {
            start: pos,
            end,
            after,
            outcome,
        }
    }

    /// Decode a record whose span is given; white space at its end is not looked at again.
    #[inline]
    pub fn record(
        &mut self,
        chunk: &[u8],
        (start, end): (usize, usize),
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Outcome {
        if self.book.is_active()
            && end - start <= limits.record_bytes_max
            && let Some(index) = self.speculative_record(chunk, (start, end), sink, limits)
        {
            self.book.hit(index);
            stats.fast += 1;
            return Outcome::Record;
        }
        self.general(chunk, (start, end), sink, limits, stats)
    }

    /// The index of the layout that fits the record. Bytes behind the record may be looked at, but belong to no value: a
    /// layout fits only if it ends where the record does.
    #[inline]
    fn speculative_record(
        &mut self,
        chunk: &[u8],
        (start, end): (usize, usize),
        sink: &mut Sink,
        limits: &DecodeLimits,
    ) -> Option<usize> {
        let input = Input {
            buf: chunk,
            start,
            end,
            framing: Framing::Given,
        };
        match self.try_layouts(input, sink, limits) {
            Ok((index, _)) => Some(index),
            Err(Miss::Short) => self.padded(chunk, (start, end), Framing::Given, sink, limits),
            Err(Miss::Differs) => None,
        }
    }

    /// The line by the first layout that fits it, and that layout's index.
    #[inline]
    fn speculative(
        &mut self,
        chunk: &[u8],
        pos: usize,
        sink: &mut Sink,
        limits: &DecodeLimits,
    ) -> Option<(usize, Line)> {
        let view = chunk
            .get(..pos.saturating_add(limits.record_bytes_max).saturating_add(BEHIND))
            .unwrap_or(chunk);
        let end = if view.len() == chunk.len() {
            chunk.len()
        } else {
            usize::MAX
        };
        match self.try_layouts(
            Input {
                buf: view,
                start: pos,
                end,
                framing: Framing::Line,
            },
            sink,
            limits,
        ) {
            Ok((index, (end, after))) => Some((
                index,
                Line {
                    start: pos,
                    end,
                    after,
                    outcome: Outcome::Record,
                },
            )),
            Err(Miss::Short) if view.len() == chunk.len() => {
                let (end, after) = lines::bounds(chunk, pos);
                if end - pos > limits.record_bytes_max {
                    return None;
                }
                let index = self.padded(chunk, (pos, after), Framing::Line, sink, limits)?;
                let outcome = Outcome::Record;
                Some((
                    index,
                    Line {
                        start: pos,
                        end,
                        after,
                        outcome,
                    },
                ))
            }
            Err(_) => None,
        }
    }

    /// Index of the layout, end of the line's content, start of the next line.
    #[inline]
    fn try_layouts(
        &mut self,
        input: Input,
        sink: &mut Sink,
        limits: &DecodeLimits,
    ) -> Result<(usize, (usize, usize)), Miss> {
        let mark = sink.arena.len();
        let progress = Progress {
            steps: 0,
            at: input.start,
            skipped: 0,
        };
        let mut context = Context {
            paths: &self.paths,
            limits,
            stack: &mut self.stack,
            progress,
        };
        let (mut before, mut miss) = (None, Miss::Differs);
        for (index, entry) in self.book.entries().iter().enumerate() {
            // What the layout before this one has read is not read again if both begin in the same way.
            if before.is_some_and(|before| !entry.shares(before, context.progress.steps)) {
                context.progress = progress;
                sink.arena.truncate(mark);
            }
            match entry.layout.read(input, &mut context, sink) {
                Ok(line) => return Ok((index, line)),
                Err(Miss::Differs) => before = Some(entry),
                Err(Miss::Short) => {
                    miss = Miss::Short;
                    break;
                }
            }
        }
        sink.arena.truncate(mark);
        Err(miss)
    }

    /// A record so near to the chunk's end that windows do not fit: read from a copy with room behind it.
    #[cold]
    fn padded(
        &mut self,
        chunk: &[u8],
        (start, end): (usize, usize),
        framing: Framing,
        sink: &mut Sink,
        limits: &DecodeLimits,
    ) -> Option<usize> {
        let mut copy = std::mem::take(&mut self.padded);
        copy.clear();
        copy.extend_from_slice(chunk.get(start..end)?);
        copy.resize(end - start + WINDOW, 0);
        let input = Input {
            buf: &copy,
            start: 0,
            end: end - start,
            framing,
        };
        let found = self.try_layouts(input, sink, limits);
        self.padded = copy;
        let (index, _) = found.ok()?;
        let in_chunk = |slot: &&mut Slot| !slot.in_arena && matches!(slot.kind, Kind::Text | Kind::Number);
        sink.slots
            .iter_mut()
            .filter(in_chunk)
            .for_each(|slot| slot.at += start as u32);
        Some(index)
    }

    fn general(
        &mut self,
        chunk: &[u8],
        (pos, end): (usize, usize),
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Outcome {
        let chunk = chunk.get(..end).unwrap_or(chunk);
        let line = chunk.get(pos..).unwrap_or_default();
        let mark = sink.arena.len();
        sink.slots.fill(Slot::default());
        match self.decode(chunk, pos, line, sink, limits) {
            Ok(None) => Outcome::Blank,
            Ok(Some(())) => {
                stats.general += 1;
                self.maybe_learn(chunk, pos, end, limits);
                Outcome::Record
            }
            Err(fault) => {
                stats.malformed += 1;
                sink.slots.fill(Slot::default());
                sink.arena.truncate(mark);
                Outcome::Malformed(fault.reason, (fault.at.min(end) - pos) as u32)
            }
        }
    }

    /// None: a blank line.
    fn decode(
        &mut self,
        chunk: &[u8],
        pos: usize,
        line: &[u8],
        sink: &mut Sink,
        limits: &DecodeLimits,
    ) -> Result<Option<()>, Fault> {
        if lines::is_blank(line) {
            return Ok(None);
        }
        if line.len() > limits.record_bytes_max {
            return Err(Fault::new(Malformed::Size, pos + limits.record_bytes_max));
        }
        std::str::from_utf8(line).map_err(|error| Fault::utf8(pos + error.valid_up_to()))?;
        self.walk(chunk, pos, limits).record(pos + line.len(), sink).map(Some)
    }

    fn walk<'a>(&'a mut self, buf: &'a [u8], at: usize, limits: &'a DecodeLimits) -> Walk<'a> {
        Walk {
            buf,
            at,
            depth: 0,
            members: 0,
            paths: &self.paths,
            limits,
            stack: &mut self.stack,
        }
    }

    fn maybe_learn(&mut self, chunk: &[u8], pos: usize, end: usize, limits: &DecodeLimits) {
        if self.book.missed()
            && let Some(layout) = learn(self.walk(chunk, pos, limits), end)
        {
            self.book.add(layout);
        }
    }
}
