//! Making a layout from a line that the general parser has accepted.
use super::general::{Sink, Walk};
use super::layout::{Layout, Literal, Step, Take};
use super::paths::{NodeIndex, ROOT};
use super::peek;
use crate::machine::WINDOW;

/// A layout of more steps would hardly be met again.
const STEPS_MAX: usize = 1024;

pub struct Learner<'a> {
    walk: Walk<'a>,
    layout: Layout,
    /// Where the literal that is being gathered began.
    from: usize,
    scratch: Vec<u8>,
    visited: Vec<NodeIndex>,
}

/// The layout of the line at `walk` that ends at `end`; None: it has none (a wanted key twice, too many steps, a carriage
/// return at its end: before a newline that would be part of the line end; a newline in it: of a line it would be the end).
pub fn learn(walk: Walk, end: usize) -> Option<Layout> {
    let from = walk.at;
    if memchr::memchr(b'\n', walk.buf.get(from..end)?).is_some() {
        return None;
    }
    let mut learner = Learner {
        walk,
        layout: Layout::default(),
        from,
        scratch: vec![],
        visited: vec![ROOT],
    };
    learner.walk.skip_space();
    learner.object(ROOT)?;
    learner.tail(end)?;
    learner.layout.missing = learner.missing();
    Some(learner.layout)
}

impl Learner<'_> {
    /// Read an object that is on a wanted path. The recursion is as deep as the longest of them.
    fn object(&mut self, node: NodeIndex) -> Option<()> {
        self.layout.nested.extend(self.walk.paths.slot(node));
        self.walk.depth += 1;
        self.walk.at += 1;
        self.walk.skip_space();
        while peek(self.walk.buf, self.walk.at) == b'"' {
            self.member(node)?;
            self.walk.skip_space();
            if peek(self.walk.buf, self.walk.at) == b',' {
                self.walk.at += 1;
                self.walk.skip_space();
            }
        }
        self.walk.depth -= 1;
        self.walk.at += 1;
        Some(())
    }

    fn member(&mut self, parent: NodeIndex) -> Option<()> {
        let node = self.walk.member(parent, &mut self.scratch).ok()?;
        self.layout.members += 1;
        let is_wanted = node != super::paths::UNWANTED;
        if is_wanted {
            if self.visited.contains(&node) {
                return None;
            }
            self.visited.push(node);
        }
        let has_paths = !self.walk.paths.slots_below(node).is_empty();
        if has_paths && peek(self.walk.buf, self.walk.at) == b'{' {
            return self.object(node);
        }
        self.value(node, if has_paths { Take::NoObject } else { Take::Any })
    }

    fn value(&mut self, node: NodeIndex, take: Take) -> Option<()> {
        let slot = self.walk.paths.slot(node).unwrap_or(usize::MAX);
        self.step(take, slot)?;
        let mut sink = Sink {
            slots: &mut [],
            arena: &mut self.scratch,
        };
        self.walk.value(super::paths::UNWANTED, &mut sink).ok()?;
        self.from = self.walk.at;
        Some(())
    }

    /// The bytes gathered so far become literals; the last of them stands before a value.
    fn step(&mut self, take: Take, slot: usize) -> Option<()> {
        let gathered = self.walk.buf.get(self.from..self.walk.at)?;
        let count = gathered.len().div_ceil(WINDOW);
        for (i, bytes) in gathered.chunks(WINDOW).enumerate() {
            let take = if i + 1 == count { take } else { Take::More };
            self.layout.steps.push(Step {
                before: Literal::new(bytes)?,
                take,
                slot,
                depth: self.walk.depth,
            });
        }
        (self.layout.steps.len() <= STEPS_MAX).then_some(())
    }

    fn tail(&mut self, end: usize) -> Option<()> {
        let gathered = self
            .walk
            .buf
            .get(self.from..end)
            .filter(|bytes| !bytes.ends_with(b"\r"))?;
        self.layout.tail = gathered.chunks(WINDOW).map(Literal::new).collect::<Option<_>>()?;
        (self.layout.tail.len() <= STEPS_MAX).then_some(())
    }

    fn missing(&self) -> Vec<usize> {
        let found = |slot: &usize| {
            self.layout.nested.contains(slot)
                || self
                    .layout
                    .steps
                    .iter()
                    .any(|step| step.take != Take::More && step.slot == *slot)
        };
        (0..self.walk.paths.slots()).filter(|slot| !found(slot)).collect()
    }
}
