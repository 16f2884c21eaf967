//! `kind: BudgetPolicy`, `kind: PolicyTest` and `kind: Tier`: carried as plain values to whoever knows what they mean.

use super::Defined;
use crate::decode::{Fields, Reader};
use crate::openslo::Version;
use crate::openslo::metadata::metadata;
use crate::set::{Governing, GoverningKind};
use crate::yaml::Node;

pub(super) fn governing(
    kind: GoverningKind,
    document: &Node,
    fields: &mut Fields<'_>,
    r: &mut Reader<'_, '_>,
) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let spec = fields.require("spec", "what it says; see docs/policy.md", r)?;
    let name = metadata?.name;
    let governing = Governing {
        kind,
        name: name.value.clone(),
        spec: spec.to_json(),
        place: r.place(document.span),
        node: document.clone(),
    };
    Some(Defined::Governing(Box::new(governing), name))
}
