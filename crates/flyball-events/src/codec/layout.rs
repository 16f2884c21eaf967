//! What a codec has learnt of the order in which a source writes its keys.
//!
//! Every key that was met is a [`Node`]; each remembers, byte for byte, what stood between its
//! value and the next one ([`Edge`]). Reading a record is then following edges by comparison, and
//! only values are looked at. What no edge matches is parsed and becomes an edge. Lines of JSON and
//! attributes of OTLP in protobuf are read so.
//!
//! A node is a key *in its place*: the same name with other objects open around it is another
//! node. So whatever an edge once matched in valid JSON is valid JSON wherever the edge is taken,
//! and the answer never depends on what was learnt.

#![expect(
    clippy::inline_always,
    reason = "inlined, they are compiled for the instruction set that `flyball_scan::widest` chose"
)]

use std::collections::HashMap;

use crate::batch::Role;

/// Nodes kept; a source with more keys uses keys as data, and learning starts anew.
const NODES_MAX: usize = 8_192;
/// Edges kept of a node beside the one taken last: as many orders in which optional keys may follow.
const OTHERS_MAX: usize = 7;
/// Bytes of the longest text between two values that is worth remembering.
const LITERAL_BYTES_MAX: usize = 256;
/// Bytes of the longest name that is worth remembering.
const NAME_BYTES_MAX: usize = 256;

/// Bytes that are compared at once.
const WIDE_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// Before the line.
pub(crate) const ROOT: NodeId = NodeId(0);
/// After the line, its newline included.
pub(crate) const END: NodeId = NodeId(1);
/// A key that is not remembered; what it says is overwritten by the next such key.
const UNLEARNT: NodeId = NodeId(2);
/// The line has nothing in it; no node.
pub(crate) const BLANK: NodeId = NodeId(u32::MAX);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    /// The edge taken last. In the node itself: from field to field, nothing else is looked up.
    hot: Option<Edge>,
    others: Vec<Edge>,
    /// The one of `others` that is replaced next when there are too many.
    oldest: usize,
    /// For each open object, how much of `name` is its prefix.
    pub(crate) opens: Vec<usize>,
    /// The key with those of the objects around it, joined with dots.
    pub(crate) name: String,
}

#[derive(Debug)]
struct Edge {
    literal: Literal,
    target: NodeId,
}

/// A text that is compared with the line.
#[derive(Debug)]
struct Literal {
    /// The first bytes, zero past the length.
    bytes: [u128; 2],
    /// Which bits of `bytes` are part of the text.
    mask: [u128; 2],
    len: usize,
    text: Box<[u8]>,
}

impl Literal {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; WIDE_BYTES];
        let mut mask = [0; WIDE_BYTES];
        let len = text.len().min(WIDE_BYTES);
        bytes[..len].copy_from_slice(&text[..len]);
        mask[..len].fill(0xFF);
        Self { bytes: halves(&bytes), mask: halves(&mask), len: text.len(), text: text.into() }
    }

    #[inline(always)]
    fn matches(&self, line: &[u8]) -> bool {
        let Some(wide) = line.first_chunk::<WIDE_BYTES>() else {
            return line.starts_with(&self.text);
        };
        let [low, high] = halves(wide);
        let differs =
            ((low ^ self.bytes[0]) & self.mask[0]) | ((high ^ self.bytes[1]) & self.mask[1]);
        differs == 0 && (self.len <= WIDE_BYTES || line.starts_with(&self.text))
    }
}

#[inline(always)]
fn halves(bytes: &[u8; WIDE_BYTES]) -> [u128; 2] {
    let (low, high) = bytes.split_at(WIDE_BYTES / 2);
    let half = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
    [half(low), half(high)]
}

/// Nodes and edges; bounded.
#[derive(Debug)]
pub(crate) struct Layout {
    nodes: Vec<Node>,
    ids: HashMap<Vec<u8>, NodeId, foldhash::fast::FixedState>,
    /// Kept to spare an allocation a look-up.
    id_key: Vec<u8>,
}

impl Default for Layout {
    fn default() -> Self {
        Self::new()
    }
}

impl Layout {
    pub(crate) fn new() -> Self {
        let mut layout = Self { nodes: Vec::new(), ids: HashMap::default(), id_key: Vec::new() };
        layout.forget();
        layout
    }

    fn forget(&mut self) {
        self.ids.clear();
        self.nodes.clear();
        for _ in [ROOT, END, UNLEARNT] {
            self.nodes.push(Node::new(Role::Skip, &[], ""));
        }
    }

    /// Starts anew when full. Only between lines: a line in the middle holds a node.
    pub(crate) fn make_room(&mut self) {
        if self.nodes.len() >= NODES_MAX {
            self.forget();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline(always)]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Where the line goes on after the value of `from`, if it does so in a known way: the next
    /// key and the length of what stands before its value.
    #[inline(always)]
    pub(crate) fn follow(&mut self, from: NodeId, line: &[u8]) -> Option<(NodeId, usize)> {
        let node = &mut self.nodes[from.0 as usize];
        let hot = node.hot.as_ref()?;
        if hot.literal.matches(line) {
            return Some((hot.target, hot.literal.len));
        }
        node.follow_other(line)
    }

    /// The node of a key. `role` is asked only for a key that is not known.
    pub(crate) fn intern(
        &mut self,
        opens: &[usize],
        name: &str,
        role: impl FnOnce(&str) -> Role,
    ) -> NodeId {
        if name.len() > NAME_BYTES_MAX {
            return self.unlearnt(opens, name, role);
        }
        self.id_key.clear();
        for open in opens {
            self.id_key.extend_from_slice(&open.to_le_bytes());
        }
        self.id_key.extend_from_slice(name.as_bytes());
        // Opens are fixed-width and their count must be told apart from the name's first bytes.
        self.id_key.push(u8::try_from(opens.len()).unwrap_or(u8::MAX));
        if let Some(id) = self.ids.get(&self.id_key) {
            return *id;
        }
        if self.nodes.len() >= NODES_MAX {
            return self.unlearnt(opens, name, role);
        }
        let Ok(id) = u32::try_from(self.nodes.len()).map(NodeId) else {
            return self.unlearnt(opens, name, role);
        };
        self.nodes.push(Node::new(role(name), opens, name));
        self.ids.insert(self.id_key.clone(), id);
        id
    }

    fn unlearnt(&mut self, opens: &[usize], name: &str, role: impl FnOnce(&str) -> Role) -> NodeId {
        self.nodes[UNLEARNT.0 as usize] = Node::new(role(name), opens, name);
        UNLEARNT
    }

    /// Remembers that `literal` led from the value of `from` to that of `target`.
    pub(crate) fn learn(&mut self, from: NodeId, literal: &[u8], target: NodeId) {
        if from == UNLEARNT || target == UNLEARNT || literal.len() > LITERAL_BYTES_MAX {
            return;
        }
        let node = &mut self.nodes[from.0 as usize];
        if node.hot.iter().chain(&node.others).any(|edge| *edge.literal.text == *literal) {
            return;
        }
        let edge = Edge { literal: Literal::new(literal), target };
        let Some(before) = node.hot.replace(edge) else { return };
        if node.others.len() < OTHERS_MAX {
            node.others.push(before);
        } else {
            node.others[node.oldest] = before;
            node.oldest = (node.oldest + 1) % OTHERS_MAX;
        }
    }
}

impl Node {
    fn new(role: Role, opens: &[usize], name: &str) -> Self {
        Self {
            role,
            hot: None,
            others: Vec::new(),
            oldest: 0,
            opens: opens.into(),
            name: name.into(),
        }
    }

    /// As [`Layout::follow`] where the hot edge does not match; the one that does becomes hot.
    fn follow_other(&mut self, line: &[u8]) -> Option<(NodeId, usize)> {
        let at = self.others.iter().position(|edge| edge.literal.matches(line))?;
        let hot = self.hot.as_mut()?;
        std::mem::swap(hot, &mut self.others[at]);
        Some((hot.target, hot.literal.len))
    }
}
