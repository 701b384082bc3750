//! A learned layout: machines write the same keys in the same order, so the bytes between the values are compared
//! as they are and the values, of whatever kind, are stepped over. What differs is left to the general parser.
use super::DecodeLimits;
use super::general::{self, Frame, Sink, Walk};
use super::paths::{Paths, UNWANTED};
use super::{lines, number, peek, text};
use crate::machine::{self, WINDOW, Window};
use crate::slot::{Kind, Slot};

/// Up to a window of bytes that must stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    bytes: Window,
    length: usize,
    /// Set bits for the bytes of the window behind the literal.
    ignored: u32,
}

impl Literal {
    /// None: longer than a window.
    pub fn new(bytes: &[u8]) -> Option<Literal> {
        let mut window = [0; WINDOW];
        window.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let ignored = u32::MAX.checked_shl(bytes.len() as u32).unwrap_or(0);
        Some(Literal {
            bytes: window,
            length: bytes.len(),
            ignored,
        })
    }

    #[inline(always)]
    fn end(&self, buf: &[u8], at: usize) -> Result<usize, Miss> {
        let window = machine::window(buf, at).ok_or(Miss::Short)?;
        if machine::same(window, &self.bytes) | self.ignored == u32::MAX {
            Ok(at + self.length)
        } else {
            Err(Miss::Differs)
        }
    }
}

/// What stands behind a step's literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The rest of a literal that is longer than a window.
    More,
    /// A value of any kind.
    Any,
    /// As `Any`, but an object has wanted paths in it: that would be another layout.
    NoObject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub before: Literal,
    pub take: Take,
    /// `usize::MAX`: the value is not wanted.
    pub slot: usize,
    /// Open brackets around the value.
    pub depth: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub steps: Vec<Step>,
    /// What stands behind the last value, in windows.
    pub tail: Vec<Literal>,
    /// Slots whose paths this layout does not have, and those that are objects in it.
    pub missing: Vec<usize>,
    pub nested: Vec<usize>,
    /// Members outside of skipped values.
    pub members: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    Differs,
    /// The buffer ended before one could know.
    Short,
}

/// A buffer with a record to read. Of lines, `end` is the end of the last one; of a record whose end is given, that.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub buf: &'a [u8],
    pub start: usize,
    pub end: usize,
    pub framing: Framing,
}

/// How the end of a record is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Line,
    Given,
}

/// How far into a line a layout has come: steps done, the next byte, members met in skipped values.
#[derive(Clone, Copy)]
pub struct Progress {
    pub steps: usize,
    pub at: usize,
    pub skipped: u32,
}

/// What a value may need on its way besides its bytes.
pub struct Context<'a> {
    pub paths: &'a Paths,
    pub limits: &'a DecodeLimits,
    pub stack: &'a mut Vec<Frame>,
    pub progress: Progress,
}

impl Layout {
    /// Read a line from where `context.progress` stands: its content's end and the next line's start. After a miss
    /// the progress says how far it went, and only the slots of those steps are defined.
    #[inline]
    pub fn read(&self, input: Input, context: &mut Context, sink: &mut Sink) -> Result<(usize, usize), Miss> {
        let mut at = context.progress.at;
        for (done, step) in self.steps.iter().enumerate().skip(context.progress.steps) {
            match step.end(input.buf, at, context, sink) {
                Ok(end) => at = end,
                Err(miss) => {
                    (context.progress.steps, context.progress.at) = (done, at);
                    return Err(miss);
                }
            }
        }
        (context.progress.steps, context.progress.at) = (self.steps.len(), at);
        let (end, next) = self.line_end(input, at)?;
        let limits = context.limits;
        if end - input.start > limits.record_bytes_max
            || self.members.saturating_add(context.progress.skipped) > limits.members_max
        {
            return Err(Miss::Differs);
        }
        self.set_constant(sink.slots);
        Ok((end, next))
    }

    #[inline(always)]
    fn line_end(&self, input: Input, mut at: usize) -> Result<(usize, usize), Miss> {
        for literal in &self.tail {
            at = literal.end(input.buf, at)?;
        }
        let next = match input.framing {
            Framing::Line => lines::after(input.buf, at, input.end),
            Framing::Given => (at == input.end).then_some(at),
        };
        Ok((at, next.ok_or(Miss::Differs)?))
    }

    fn set_constant(&self, slots: &mut [Slot]) {
        for (list, kind) in [(&self.missing, Kind::Missing), (&self.nested, Kind::Nested)] {
            for &slot in list {
                if let Some(slot) = slots.get_mut(slot) {
                    *slot = Slot {
                        kind,
                        ..Slot::default()
                    };
                }
            }
        }
    }
}

impl Step {
    #[inline(always)]
    fn end(&self, buf: &[u8], at: usize, context: &mut Context, sink: &mut Sink) -> Result<usize, Miss> {
        let at = self.before.end(buf, at)?;
        if self.take == Take::More {
            Ok(at)
        } else {
            self.value(buf, at, context, sink)
        }
    }

    /// The end of a value. Its slot is put where it will be read, in each branch: as a result of several branches it would
    /// go through memory in parts, and reading it as a whole would wait for them.
    #[inline(always)]
    fn value(&self, buf: &[u8], at: usize, context: &mut Context, sink: &mut Sink) -> Result<usize, Miss> {
        match peek(buf, at) {
            b'"' => match plain_text_end(buf, at + 1)? {
                Some(end) => {
                    self.put(sink, span(Kind::Text, at + 1, end));
                    Ok(end + 1)
                }
                None => self.odd_text(buf, at + 1, sink),
            },
            b'0'..=b'9' | b'-' => {
                let end = number_end(buf, at)?;
                self.put(sink, span(Kind::Number, at, end));
                Ok(end)
            }
            _ => self.other(buf, at, context, sink),
        }
    }

    #[inline(always)]
    fn put(&self, sink: &mut Sink, slot: Slot) {
        if let Some(place) = sink.slots.get_mut(self.slot) {
            *place = slot;
        }
    }

    /// A text with escapes or bytes over 0x7f.
    #[inline(never)]
    fn odd_text(&self, buf: &[u8], start: usize, sink: &mut Sink) -> Result<usize, Miss> {
        let content = text::scan(buf, start).or(Err(Miss::Differs))?;
        let raw = buf.get(start..content.end).unwrap_or_default();
        std::str::from_utf8(raw).or(Err(Miss::Differs))?;
        let wanted = self.slot < sink.slots.len();
        let slot = general::text_slot(start, raw, content.escaped && wanted, sink.arena);
        self.put(sink, slot);
        Ok(content.end + 1)
    }

    #[inline(never)]
    fn other(&self, buf: &[u8], at: usize, context: &mut Context, sink: &mut Sink) -> Result<usize, Miss> {
        let rest = buf.get(at..).unwrap_or_default();
        let (kind, end) = match rest.first() {
            Some(b'n') if rest.starts_with(b"null") => (Kind::Null, at + 4),
            Some(b't') if rest.starts_with(b"true") => (Kind::True, at + 4),
            Some(b'f') if rest.starts_with(b"false") => (Kind::False, at + 5),
            Some(b'{') if self.take == Take::NoObject => return Err(Miss::Differs),
            Some(b'{' | b'[') => (Kind::Nested, self.nested(buf, at, context, sink)?),
            _ => return Err(Miss::Differs),
        };
        self.put(sink, span(kind, 0, 0));
        Ok(end)
    }

    fn nested(&self, buf: &[u8], at: usize, context: &mut Context, sink: &mut Sink) -> Result<usize, Miss> {
        let Context {
            paths,
            limits,
            stack,
            progress,
        } = context;
        let mut walk = Walk {
            buf,
            at,
            depth: self.depth,
            members: progress.skipped,
            paths,
            limits,
            stack,
        };
        walk.value(UNWANTED, sink).or(Err(Miss::Differs))?;
        let raw = buf.get(at..walk.at).unwrap_or_default();
        std::str::from_utf8(raw).or(Err(Miss::Differs))?;
        if memchr::memchr(b'\n', raw).is_some() {
            return Err(Miss::Differs);
        }
        progress.skipped = walk.members;
        Ok(walk.at)
    }
}

#[inline(always)]
fn span(kind: Kind, start: usize, end: usize) -> Slot {
    Slot {
        kind,
        in_arena: false,
        at: start as u32,
        len: (end - start) as u32,
    }
}

/// The closing quote of an ASCII text without escapes; None: it is another text.
#[inline(always)]
fn plain_text_end(buf: &[u8], mut at: usize) -> Result<Option<usize>, Miss> {
    loop {
        let stops = machine::plain_stops(machine::window(buf, at).ok_or(Miss::Short)?);
        if stops != 0 {
            at += stops.trailing_zeros() as usize;
            return Ok((peek(buf, at) == b'"').then_some(at));
        }
        at += WINDOW;
    }
}

/// The end of a number: that of the usual one, an integer of less than a window, is seen at once.
#[inline(always)]
fn number_end(buf: &[u8], at: usize) -> Result<usize, Miss> {
    let others = machine::not_digits(machine::window(buf, at).ok_or(Miss::Short)?);
    let end = at + others.trailing_zeros() as usize;
    let usual = others & 1 == 0 && (end == at + 1 || peek(buf, at) != b'0') && matches!(peek(buf, end), b',' | b'}');
    match usual {
        true => Ok(end),
        false => number::end(buf, at).or(Err(Miss::Differs)),
    }
}
