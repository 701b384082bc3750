//! The general parser: strict RFC 8259, one value at a time, without recursion. It is the measure of every other way.
use super::DecodeLimits;
use super::paths::{NodeIndex, Paths, ROOT, UNWANTED};
use super::{number, peek, text};
use crate::slot::{Kind, Malformed, Slot};

/// Why a record is malformed, and the byte of the buffer where that was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: Malformed,
    pub at: usize,
}

impl Fault {
    pub fn new(reason: Malformed, at: usize) -> Fault {
        Fault { reason, at }
    }

    pub fn syntax(at: usize) -> Fault {
        Fault::new(Malformed::Syntax, at)
    }

    pub fn utf8(at: usize) -> Fault {
        Fault::new(Malformed::Utf8, at)
    }
}

/// An open object (with its node) or array.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    Object(NodeIndex),
    Array,
}

/// What comes next in the text.
enum Next {
    Value(NodeIndex),
    /// A value has just ended.
    End,
}

/// Where wanted values go.
pub struct Sink<'a> {
    pub slots: &'a mut [Slot],
    pub arena: &'a mut Vec<u8>,
}

/// A walk through a buffer that ends where the record ends.
pub struct Walk<'a> {
    pub buf: &'a [u8],
    pub at: usize,
    /// Open brackets around the value that is read, and members met so far.
    pub depth: u32,
    pub members: u32,
    pub paths: &'a Paths,
    pub limits: &'a DecodeLimits,
    /// Empty between values; kept by the caller for its memory.
    pub stack: &'a mut Vec<Frame>,
}

impl Walk<'_> {
    /// Read the record that begins here and ends at `end`: one object and white space around it.
    pub fn record(&mut self, end: usize, sink: &mut Sink) -> Result<(), Fault> {
        self.skip_space();
        let first = self.at;
        let is_object = peek(self.buf, first) == b'{';
        self.value(if is_object { ROOT } else { UNWANTED }, sink)?;
        self.skip_space();
        if self.at < end {
            return Err(Fault::syntax(self.at));
        }
        if is_object {
            Ok(())
        } else {
            Err(Fault::new(Malformed::NotObject, first))
        }
    }

    /// Read one value that begins here, and stop after it.
    pub fn value(&mut self, node: NodeIndex, sink: &mut Sink) -> Result<(), Fault> {
        self.stack.clear();
        let mut next = Next::Value(node);
        loop {
            next = match next {
                Next::Value(node) => self.begin(node, sink)?,
                Next::End => match self.stack.last() {
                    Some(&frame) => self.go_on(frame, sink)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn begin(&mut self, node: NodeIndex, sink: &mut Sink) -> Result<Next, Fault> {
        match peek(self.buf, self.at) {
            b'"' => self.text(node, sink)?,
            b'{' => return self.open(Frame::Object(node), node, sink),
            b'[' => return self.open(Frame::Array, node, sink),
            b't' => self.word(b"true", Kind::True, node, sink)?,
            b'f' => self.word(b"false", Kind::False, node, sink)?,
            b'n' => self.word(b"null", Kind::Null, node, sink)?,
            _ => self.number(node, sink)?,
        }
        Ok(Next::End)
    }

    /// After a value inside `frame`.
    fn go_on(&mut self, frame: Frame, sink: &mut Sink) -> Result<Next, Fault> {
        self.skip_space();
        match (peek(self.buf, self.at), frame) {
            (b',', Frame::Object(node)) => {
                self.at += 1;
                self.skip_space();
                self.key(node, sink)
            }
            (b',', Frame::Array) => {
                self.at += 1;
                self.skip_space();
                Ok(Next::Value(UNWANTED))
            }
            (b'}', Frame::Object(_)) | (b']', Frame::Array) => self.close(),
            _ => Err(Fault::syntax(self.at)),
        }
    }

    fn open(&mut self, frame: Frame, node: NodeIndex, sink: &mut Sink) -> Result<Next, Fault> {
        if self.depth >= self.limits.depth_max {
            return Err(Fault::new(Malformed::Depth, self.at));
        }
        self.set(node, Kind::Nested, self.at..self.at, sink);
        self.depth += 1;
        self.stack.push(frame);
        self.at += 1;
        self.skip_space();
        match (peek(self.buf, self.at), frame) {
            (b'}', Frame::Object(_)) | (b']', Frame::Array) => self.close(),
            (_, Frame::Object(node)) => self.key(node, sink),
            (_, Frame::Array) => Ok(Next::Value(UNWANTED)),
        }
    }

    fn close(&mut self) -> Result<Next, Fault> {
        self.stack.pop();
        self.depth -= 1;
        self.at += 1;
        Ok(Next::End)
    }

    /// Read a member's key and colon. A key that comes again begins anew: what was found below it is forgotten.
    fn key(&mut self, parent: NodeIndex, sink: &mut Sink) -> Result<Next, Fault> {
        let node = self.member(parent, sink.arena)?;
        for &slot in self.paths.slots_below(node) {
            if let Some(slot) = sink.slots.get_mut(slot) {
                *slot = Slot::default();
            }
        }
        Ok(Next::Value(node))
    }

    /// Read a key, its colon and the white space after it; the child of `parent` that it names.
    pub fn member(&mut self, parent: NodeIndex, scratch: &mut Vec<u8>) -> Result<NodeIndex, Fault> {
        if peek(self.buf, self.at) != b'"' {
            return Err(Fault::syntax(self.at));
        }
        if self.members >= self.limits.members_max {
            return Err(Fault::new(Malformed::Members, self.at));
        }
        self.members += 1;
        let start = self.at + 1;
        let content = text::scan(self.buf, start)?;
        let raw = self.buf.get(start..content.end).unwrap_or_default();
        let node = if content.escaped {
            self.escaped_child(parent, raw, scratch)
        } else {
            self.paths.child(parent, raw)
        };
        self.at = content.end + 1;
        self.skip_space();
        if peek(self.buf, self.at) != b':' {
            return Err(Fault::syntax(self.at));
        }
        self.at += 1;
        self.skip_space();
        Ok(node)
    }

    fn escaped_child(&self, parent: NodeIndex, raw: &[u8], scratch: &mut Vec<u8>) -> NodeIndex {
        let mark = scratch.len();
        text::unescape(raw, scratch);
        let node = self.paths.child(parent, scratch.get(mark..).unwrap_or_default());
        scratch.truncate(mark);
        node
    }

    fn text(&mut self, node: NodeIndex, sink: &mut Sink) -> Result<(), Fault> {
        let start = self.at + 1;
        let content = text::scan(self.buf, start)?;
        self.at = content.end + 1;
        if let Some(slot) = self.paths.slot(node).and_then(|slot| sink.slots.get_mut(slot)) {
            let raw = self.buf.get(start..content.end).unwrap_or_default();
            *slot = text_slot(start, raw, content.escaped, sink.arena);
        }
        Ok(())
    }

    fn number(&mut self, node: NodeIndex, sink: &mut Sink) -> Result<(), Fault> {
        let start = self.at;
        self.at = number::end(self.buf, start).map_err(Fault::syntax)?;
        self.set(node, Kind::Number, start..self.at, sink);
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind, node: NodeIndex, sink: &mut Sink) -> Result<(), Fault> {
        let rest = self.buf.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Fault::syntax(self.at));
        }
        self.at += word.len();
        self.set(node, kind, 0..0, sink);
        Ok(())
    }

    #[inline(always)]
    fn set(&self, node: NodeIndex, kind: Kind, span: std::ops::Range<usize>, sink: &mut Sink) {
        if let Some(slot) = self.paths.slot(node).and_then(|slot| sink.slots.get_mut(slot)) {
            *slot = Slot {
                kind,
                in_arena: false,
                at: span.start as u32,
                len: span.len() as u32,
            };
        }
    }

    #[inline(always)]
    pub fn skip_space(&mut self) {
        while matches!(peek(self.buf, self.at), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }
}

/// The slot of a text whose content `raw` begins at `start`; without its escapes, if any, it goes to the arena.
pub fn text_slot(start: usize, raw: &[u8], escaped: bool, arena: &mut Vec<u8>) -> Slot {
    if !escaped {
        return Slot {
            kind: Kind::Text,
            in_arena: false,
            at: start as u32,
            len: raw.len() as u32,
        };
    }
    let at = arena.len();
    text::unescape(raw, arena);
    Slot {
        kind: Kind::Text,
        in_arena: true,
        at: at as u32,
        len: (arena.len() - at) as u32,
    }
}
