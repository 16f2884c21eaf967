//! `kind: BudgetPolicy`, `PolicyTest`, `Tier`, `Service`, `Risk`, `RiskRules`, `SupportCosts`, `Checklist`,
//! `CustodyRules`, `Rota`, `Escalation`, `Runbook` and `Drill`: carried as plain values to whoever knows what they mean.

use super::Defined;
use crate::decode::{Fields, Reader};
use crate::openslo::Version;
use crate::openslo::metadata::metadata;
use crate::set::{Governing, GoverningKind, Service};
use crate::yaml::Node;

pub(super) fn governing(
    kind: GoverningKind,
    document: &Node,
    fields: &mut Fields<'_>,
    r: &mut Reader<'_, '_>,
) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let page = match kind {
        GoverningKind::Service => "services.md",
        GoverningKind::Runbook => "incidents.md",
        GoverningKind::Risk | GoverningKind::RiskRules => "risk.md",
        GoverningKind::SupportCosts => "money.md",
        GoverningKind::BudgetPolicy | GoverningKind::Tier | GoverningKind::PolicyTest => {
            "policy.md"
        }
        GoverningKind::Checklist | GoverningKind::CustodyRules => "reviews.md",
        GoverningKind::Rota | GoverningKind::Escalation => "oncall.md",
        GoverningKind::Drill => "drills.md",
    };
    let spec = fields.require("spec", &format!("what it says; see docs/{page}"), r)?;
    let metadata = metadata?;
    let name = metadata.name;
    let governing = Governing {
        kind,
        name: name.value.clone(),
        spec: spec.to_json(),
        place: r.place(document.span),
        node: document.clone(),
    };
    if kind != GoverningKind::Service {
        return Some(Defined::Governing(Box::new(governing), name));
    }
    let text = |field: &str| governing.spec[field].as_str().map(str::to_owned);
    let service = Service {
        name: name.value.clone(),
        display_name: metadata.display_name,
        description: text("description"),
        tier: text("tier"),
        tier_at: (r.place(spec.get("tier").unwrap_or(spec).span), "spec.tier"),
    };
    Some(Defined::Service(Box::new(service), Box::new(governing), name))
}
