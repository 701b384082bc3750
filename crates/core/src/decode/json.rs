//! JSON lines: by a learned layout where one fits, by the general parser where none does.
use super::book::Book;
use super::general::{Fault, Frame, Sink, Walk};
use super::layout::{Context, Input, Miss, Progress};
use super::learn::learn;
use super::paths::Paths;
use super::simd::WINDOW;
use super::{DecodeLimits, DecodeStats, lines};
use crate::slot::{Kind, Line, Malformed, Outcome, Slot};

/// Bytes that a line may be followed by for its layout to be read: its end and one window.
const BEHIND: usize = WINDOW + 2;

pub struct Json {
    paths: Paths,
    book: Book,
    stack: Vec<Frame>,
    /// The last line of a chunk with room for whole windows behind it.
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
        self.general(chunk, pos, sink, limits, stats)
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
            Err(Miss::Short) if view.len() == chunk.len() => self.padded(chunk, pos, sink, limits),
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

    /// A line so near to the chunk's end that windows do not fit: read from a copy with room behind it.
    #[cold]
    fn padded(&mut self, chunk: &[u8], pos: usize, sink: &mut Sink, limits: &DecodeLimits) -> Option<(usize, Line)> {
        let (end, after) = lines::bounds(chunk, pos);
        if end - pos > limits.record_bytes_max {
            return None;
        }
        let mut copy = std::mem::take(&mut self.padded);
        copy.clear();
        copy.extend_from_slice(chunk.get(pos..after)?);
        copy.resize(after - pos + WINDOW, 0);
        let found = self.try_layouts(
            Input {
                buf: &copy,
                start: 0,
                end: after - pos,
            },
            sink,
            limits,
        );
        self.padded = copy;
        let (index, _) = found.ok()?;
        let in_chunk = |slot: &&mut Slot| !slot.in_arena && matches!(slot.kind, Kind::Text | Kind::Number);
        sink.slots
            .iter_mut()
            .filter(in_chunk)
            .for_each(|slot| slot.at += pos as u32);
        Some((
            index,
            Line {
                start: pos,
                end,
                after,
                outcome: Outcome::Record,
            },
        ))
    }

    fn general(
        &mut self,
        chunk: &[u8],
        pos: usize,
        sink: &mut Sink,
        limits: &DecodeLimits,
        stats: &mut DecodeStats,
    ) -> Line {
        let (end, after) = lines::bounds(chunk, pos);
        let line = chunk.get(pos..end).unwrap_or_default();
        let mark = sink.arena.len();
        sink.slots.fill(Slot::default());
        let outcome = match self.record(chunk, pos, line, sink, limits) {
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
        };
        Line {
            start: pos,
            end,
            after,
            outcome,
        }
    }

    /// None: a blank line.
    fn record(
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
