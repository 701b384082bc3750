//! The wanted paths as a tree of keys, so that a record is walked once for all of them.

/// A node's place in the tree. `UNWANTED` is no node: nothing below it is wanted.
pub type NodeIndex = u32;
pub const ROOT: NodeIndex = 0;
pub const UNWANTED: NodeIndex = NodeIndex::MAX;

#[derive(Default)]
struct Node {
    slot: Option<usize>,
    children: Vec<Child>,
    /// Slots of every path that goes on below this node.
    below: Vec<usize>,
}

struct Child {
    /// The key's length and first bytes: most other keys differ here already.
    head: (usize, u64),
    key: Box<[u8]>,
    node: NodeIndex,
}

pub struct Paths {
    nodes: Vec<Node>,
    slots: usize,
}

impl Paths {
    /// Slot i belongs to `paths[i]`; the paths are different from one another.
    pub fn new(paths: &[Vec<String>]) -> Paths {
        let mut tree = Paths {
            nodes: vec![Node::default()],
            slots: paths.len(),
        };
        for (slot, path) in paths.iter().enumerate() {
            let mut at = ROOT;
            for key in path {
                let child = tree.child_or_new(at, key.as_bytes());
                tree.update(at, |node| node.below.push(slot));
                at = child;
            }
            tree.update(at, |node| node.slot = Some(slot));
        }
        tree
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn slot(&self, node: NodeIndex) -> Option<usize> {
        self.nodes.get(node as usize)?.slot
    }

    /// The slots of all paths below the node, without its own.
    pub fn slots_below(&self, node: NodeIndex) -> &[usize] {
        self.nodes.get(node as usize).map_or(&[], |node| &node.below)
    }

    /// The child of a node under a key (without escapes).
    #[inline]
    pub fn child(&self, node: NodeIndex, key: &[u8]) -> NodeIndex {
        let Some(node) = self.nodes.get(node as usize) else {
            return UNWANTED;
        };
        let head = head(key);
        let found = node
            .children
            .iter()
            .find(|child| child.head == head && (key.len() <= 8 || *child.key == *key));
        found.map_or(UNWANTED, |child| child.node)
    }

    fn update(&mut self, at: NodeIndex, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            change(node);
        }
    }

    fn child_or_new(&mut self, at: NodeIndex, key: &[u8]) -> NodeIndex {
        let found = self.child(at, key);
        if found != UNWANTED {
            return found;
        }
        let node = self.nodes.len() as NodeIndex;
        self.nodes.push(Node::default());
        self.update(at, |parent| {
            parent.children.push(Child {
                head: head(key),
                key: key.into(),
                node,
            })
        });
        node
    }
}

#[inline(always)]
fn head(key: &[u8]) -> (usize, u64) {
    let first = match key.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => key.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b)),
    };
    (key.len(), first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Paths {
        Paths::new(
            &paths
                .iter()
                .map(|p| p.split('.').map(String::from).collect())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn each_path_leads_to_its_slot() {
        let paths = tree(&["a", "b.c", "b.d"]);
        let b = paths.child(ROOT, b"b");
        assert_eq!(paths.slot(paths.child(ROOT, b"a")), Some(0));
        assert_eq!((paths.slot(b), paths.slot(paths.child(b, b"d"))), (None, Some(2)));
        assert_eq!(paths.slots_below(b), [1, 2]);
    }

    #[test]
    fn a_path_may_be_the_beginning_of_another() {
        let paths = tree(&["a.b", "a"]);
        let a = paths.child(ROOT, b"a");
        assert_eq!((paths.slot(a), paths.slots_below(a)), (Some(1), &[0][..]));
    }

    #[test]
    fn keys_with_equal_heads_are_told_apart() {
        let paths = tree(&["timestamp_a", "timestamp_b", "time"]);
        assert_eq!(paths.slot(paths.child(ROOT, b"timestamp_b")), Some(1));
        for other in ["timestamp_c", "tim", "time\0", "timestamp_"] {
            assert_eq!(paths.child(ROOT, other.as_bytes()), UNWANTED, "{other}");
        }
    }

    #[test]
    fn nothing_is_wanted_below_the_unwanted() {
        assert_eq!(tree(&["a"]).child(UNWANTED, b"a"), UNWANTED);
    }
}
