//! What a decoder hands on: for each wanted path of a record, the kind of value found and where its bytes are.

/// The kind of a raw value. `Nested` is an object or an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Missing,
    Null,
    False,
    True,
    Number,
    Text,
    Nested,
}

/// One wanted path of one record: a number's literal or a text's content (unescaped, valid UTF-8), as a span of the
/// chunk or, where escapes had to be resolved, of the batch's arena. Of an object or array the general parser says where it
/// begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub kind: Kind,
    pub in_arena: bool,
    pub at: u32,
    pub len: u32,
}

impl Slot {
    /// The bytes of a number or text; empty for every other kind.
    #[inline]
    pub fn bytes<'a>(&self, chunk: &'a [u8], arena: &'a [u8]) -> &'a [u8] {
        let home = if self.in_arena { arena } else { chunk };
        home.get(self.at as usize..self.at as usize + self.len as usize)
            .unwrap_or_default()
    }
}

/// Why a record could not be decoded (account `malformed`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not valid JSON (or no match of the regular expression).
    Syntax,
    Utf8,
    /// Valid JSON, but not an object.
    NotObject,
    /// Over `record_bytes_max`.
    Size,
    /// Over `depth_max`.
    Depth,
    /// Over `members_max`.
    Members,
}

impl Malformed {
    /// All, each at the number of its reason.
    pub const ALL: [Malformed; 6] = [
        Malformed::Syntax,
        Malformed::Utf8,
        Malformed::NotObject,
        Malformed::Size,
        Malformed::Depth,
        Malformed::Members,
    ];
}

/// What stood at a position of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Only white space: not a record.
    Blank,
    Record,
    /// Reason, and the byte inside the record where it was noticed.
    Malformed(Malformed, u32),
}

/// One line of a chunk: its span without the line end, and where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub start: usize,
    pub end: usize,
    pub after: usize,
    pub outcome: Outcome,
}
