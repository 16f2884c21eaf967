//! Pyrra.
use crate::decode::Reader;
use crate::load::Imported;
use crate::yaml::Node;
pub(crate) fn document(_node: &Node, _kind: &Node, _r: &mut Reader<'_, '_>) -> Option<Imported> {
    None
}
