//! Sloth.
use crate::decode::Reader;
use crate::load::Imported;
use crate::set::AlertStrategy;
use crate::yaml::Node;
pub(crate) fn document(_node: &Node, _r: &mut Reader<'_, '_>) -> Vec<Imported> {
    Vec::new()
}
pub(crate) fn kubernetes(
    _node: &Node,
    _kind: &Node,
    _r: &mut Reader<'_, '_>,
    _strategies: &mut Vec<AlertStrategy>,
) -> Vec<Imported> {
    Vec::new()
}
