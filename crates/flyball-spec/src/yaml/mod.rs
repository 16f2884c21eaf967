//! YAML and JSON text to a tree in which every node knows its place.
//!
//! The tree keeps scalars as written, because what `no` or `010` means depends on the field that
//! reads it. Everything is bounded: bytes, depth, and nodes after aliases are expanded. This
//! module knows no document kinds.

mod emit;
mod node;
mod parse;
mod scalar;

pub(crate) use emit::{CommentMap, json as emit_json, yaml as emit_yaml};
pub(crate) use node::{Data, Entry, Node, Scalar, ScalarForm};
pub(crate) use parse::{Parsed, parse};
pub(crate) use scalar::{Meaning, Trap, meaning, number, trap, trap_of_text};
