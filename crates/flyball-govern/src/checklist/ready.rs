//! Checklists that ship, as the text of their documents.
//!
//! They are documents like any other: copied, changed, added to after an incident.

/// Before real users come.
pub const LAUNCH: &str = include_str!("../../checklists/launch-readiness.yaml");

/// Before others rely on it.
pub const PRODUCTION: &str = include_str!("../../checklists/production-readiness.yaml");

/// Before another team carries the pager.
pub const HAND_OFF: &str = include_str!("../../checklists/hand-off-readiness.yaml");

/// Whether its promises are still the right ones.
pub const SLO_REVIEW: &str = include_str!("../../checklists/slo-review.yaml");

/// All of them, in the order of their stages.
pub const READY: [&str; 4] = [LAUNCH, PRODUCTION, HAND_OFF, SLO_REVIEW];
