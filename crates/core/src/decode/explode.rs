//! A record that is several events: the elements of a list, each read in the list's place.
use super::general::{Frame, Sink, Walk};
use super::paths::{Paths, ROOT};
use super::{DecodeLimits, peek};
use crate::slot::{Kind, Slot};

/// The record was held to its limits when it was decoded.
const DECODED: DecodeLimits = DecodeLimits {
    record_bytes_max: usize::MAX,
    depth_max: u32::MAX,
    members_max: u32::MAX,
};

/// Reads the elements of the list at one path, after a `Decoder` has read the record.
pub struct Elements {
    /// The wanted paths inside an element, and the slots of the record that are theirs.
    paths: Paths,
    slots: Vec<usize>,
    list: usize,
    found: Vec<Slot>,
    stack: Vec<Frame>,
}

/// What stands where the list should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Nothing, null, or a list without elements.
    Empty,
    /// Something else.
    Other,
    /// A list whose first element is here.
    First(usize),
}

impl Elements {
    /// `wanted` are the paths of the record, `list` that of the list; it joins them where it is none of them.
    pub fn new(wanted: &mut Vec<Vec<String>>, list: &[String]) -> Elements {
        let inside = wanted.iter().enumerate().filter(|(_, path)| path.starts_with(list));
        let (slots, paths): (Vec<usize>, Vec<Vec<String>>) = inside
            .map(|(slot, path)| (slot, path.get(list.len()..).unwrap_or_default().to_vec()))
            .unzip();
        let place = wanted.iter().position(|path| *path == list);
        let place = place.unwrap_or_else(|| {
            wanted.push(list.to_vec());
            wanted.len() - 1
        });
        Elements {
            paths: Paths::new(&paths),
            found: vec![Slot::default(); slots.len()],
            slots,
            list: place,
            stack: vec![],
        }
    }

    /// Where the list of the record that was decoded into the slots begins.
    pub fn first(&mut self, chunk: &[u8], slots: &[Slot]) -> List {
        let list = slots.get(self.list).copied().unwrap_or_default();
        match list.kind {
            Kind::Missing | Kind::Null => return List::Empty,
            Kind::Nested if peek(chunk, list.at as usize) == b'[' => {}
            _ => return List::Other,
        }
        let mut walk = walk(&self.paths, &mut self.stack, chunk, list.at as usize + 1);
        walk.skip_space();
        match peek(chunk, walk.at) {
            b']' => List::Empty,
            _ => List::First(walk.at),
        }
    }

    /// Read the element that begins here into its slots. Where the next one begins, if there is one.
    pub fn read(&mut self, chunk: &[u8], at: usize, slots: &mut [Slot], arena: &mut Vec<u8>) -> Option<usize> {
        self.found.fill(Slot::default());
        let mut walk = walk(&self.paths, &mut self.stack, chunk, at);
        let mut sink = Sink {
            slots: &mut self.found,
            arena,
        };
        let read = walk.value(ROOT, &mut sink);
        walk.skip_space();
        let after = walk.at;
        for (slot, found) in self.slots.iter().zip(&self.found) {
            if let Some(place) = slots.get_mut(*slot) {
                *place = *found;
            }
        }
        if read.is_err() || peek(chunk, after) != b',' {
            return None;
        }
        let mut next = self::walk(&self.paths, &mut self.stack, chunk, after + 1);
        next.skip_space();
        Some(next.at)
    }
}

fn walk<'a>(paths: &'a Paths, stack: &'a mut Vec<Frame>, buf: &'a [u8], at: usize) -> Walk<'a> {
    Walk {
        buf,
        at,
        depth: 0,
        members: 0,
        paths,
        limits: &DECODED,
        stack,
    }
}
