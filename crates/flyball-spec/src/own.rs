//! Own kinds.
use crate::decode::Reader;
use crate::set::SpecSet;
use crate::yaml::Node;
pub(crate) fn document(_node: &Node, _kind: &Node, _r: &mut Reader<'_, '_>, _set: &mut SpecSet) {}
