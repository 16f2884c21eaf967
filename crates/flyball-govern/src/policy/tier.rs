//! Tiers: what a service is held to, and who decides about it, by how critical it is.
//!
//! A service that says nothing has [`Tier::default`], so that a first event is enough to begin.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Rational, Target};

use super::document::EscalationStep;
use super::{Act, LIST_MAX, PolicyError, Rights, Role};

/// A tier with its name.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Tier {
    /// Its name, such as `critical`.
    pub name: String,
    /// What it holds.
    pub spec: TierSpec,
}

/// What a tier says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TierSpec {
    /// What services belong here, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The share of good that a service of this tier promises unless its own SLO says otherwise.
    #[serde(with = "super::read::target")]
    pub target: Target,
    /// Over which rolling window.
    #[serde(deserialize_with = "super::read::duration")]
    pub window: Duration,
    /// The alert strategy: the name of a preset or of a document, or `default` for the default rules.
    pub alerting: String,
    /// The policy that decides on its changes.
    pub policy: String,
    /// Who is told, and after how long the next.
    #[serde(default)]
    pub escalation: Vec<EscalationStep>,
    /// Who may decide what.
    #[serde(default = "default_rights")]
    pub rights: Rights,
}

impl Default for Tier {
    /// The tier of a service that names none: 99.5 % over 28 days, the default alerting, the four-week
    /// policy, which is advisory until it is signed.
    fn default() -> Self {
        Self::shipped().swap_remove(1)
    }
}

impl Tier {
    /// Checks a tier as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: TierSpec) -> Result<Self, Vec<PolicyError>> {
        let sorted = spec.escalation.is_sorted_by_key(|step| step.after);
        let wrong = [
            ("metadata.name", name.trim().is_empty(), "a tier has a name"),
            ("spec.window", spec.window.is_zero(), "a window has a length"),
            ("spec.alerting", spec.alerting.trim().is_empty(), "name a strategy, or `default`"),
            ("spec.policy", spec.policy.trim().is_empty(), "name a policy"),
            ("spec.escalation", !sorted, "each step comes after the one before it"),
            ("spec.escalation", spec.escalation.len() > LIST_MAX, "the path has too many steps"),
        ];
        let wrong: Vec<_> = wrong
            .into_iter()
            .filter(|(_, wrong, _)| *wrong)
            .map(|(path, _, message)| PolicyError {
                path: path.to_owned(),
                place: None,
                message: message.to_owned(),
            })
            .collect();
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), spec }) } else { Err(wrong) }
    }

    /// The tiers that need not be written, most critical first: `critical`, `standard`, `low`.
    ///
    /// The targets follow the bands in which a further nine costs about ten times as much (Equal
    /// Experts, *Digital Platform Playbook*, availability levels); they are starting points.
    pub fn shipped() -> Vec<Self> {
        let tier = |name: &str, description: &str, target: (u64, u64), policy: &str| Self {
            name: name.to_owned(),
            spec: TierSpec {
                description: description.to_owned(),
                target: Rational::new(target.0, target.1)
                    .and_then(|share| Target::new(share).ok())
                    .expect("a shipped target is below one"),
                window: Duration::from_days(28),
                alerting: "default".to_owned(),
                policy: policy.to_owned(),
                escalation: escalation(),
                rights: default_rights(),
            },
        };
        vec![
            tier(
                "critical",
                "Without it the business stops, or people come to harm.",
                (999, 1_000),
                "quarterly-with-sign-off",
            ),
            tier("standard", "People notice within minutes.", (995, 1_000), "four-weeks"),
            tier("low", "People can wait until the next working day.", (95, 100), "four-weeks"),
        ]
    }
}

fn escalation() -> Vec<EscalationStep> {
    [("on_call", 0), ("engineering_lead", 1), ("product_manager", 24)]
        .into_iter()
        .map(|(name, hours)| EscalationStep {
            role: role(name),
            after: Duration::from_hours(hours),
        })
        .collect()
}

/// Whoever is on call restores; who is accountable freezes and excepts.
fn default_rights() -> Rights {
    let rights: [(Act, &[&str]); 6] = [
        (Act::Rollback, &["on_call", "developer", "sre", "engineering_lead", "product_manager"]),
        (Act::Throttle, &["on_call", "sre", "engineering_lead"]),
        (Act::Freeze, &["sre", "engineering_lead", "product_manager"]),
        (Act::Override, &["engineering_lead", "product_manager"]),
        (Act::ChangeTarget, &["product_manager"]),
        (Act::DecideContest, &["cto"]),
    ];
    let set = |names: &[&str]| names.iter().map(|name| role(name)).collect::<BTreeSet<_>>();
    Rights(rights.into_iter().map(|(act, names)| (act, set(names))).collect::<BTreeMap<_, _>>())
}

fn role(name: &str) -> Role {
    Role::new(name).expect("a shipped role has a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_says_nothing_is_standard() {
        let tier = Tier::default();
        assert_eq!(tier.name, "standard");
        assert!(tier.spec.rights.may(&role("on_call"), Act::Rollback));
        assert!(!tier.spec.rights.may(&role("on_call"), Act::Override));
    }

    #[test]
    fn targets_rise_with_criticality() {
        let targets: Vec<_> = Tier::shipped().iter().map(|t| t.spec.target.share()).collect();
        assert!(targets.is_sorted_by(|a, b| a > b), "{targets:?}");
    }

    #[test]
    fn a_tier_is_read_strictly() {
        let mut text = serde_json::json!({
            "target": "99.9%", "window": "28d", "alerting": "default", "policy": "four-weeks",
            "rights": {"rollback": ["on_call"]},
        });
        let spec: TierSpec = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(spec.target.share(), Rational::new(999, 1_000).unwrap());
        assert_eq!(spec.rights.holders(Act::Freeze).count(), 0);
        assert!(Tier::new("mine", spec.clone()).is_ok());
        let broken = TierSpec { window: Duration::ZERO, policy: String::new(), ..spec };
        assert_eq!(Tier::new(" ", broken).unwrap_err().len(), 3);
        text["target"] = "100%".into();
        assert!(serde_json::from_value::<TierSpec>(text.clone()).is_err());
        text["target"] = "99%".into();
        text["windoww"] = "28d".into();
        assert!(serde_json::from_value::<TierSpec>(text).is_err());
    }
}
