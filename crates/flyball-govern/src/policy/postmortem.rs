//! Which incidents demand a post-mortem, and which classes of outage a place in the next plan.

use std::collections::BTreeMap;

use flyball_model::{Rational, Target};

use super::Number;

/// From which share of the budget on an incident is written up.
///
/// Source: SRE Workbook, appendix B: a single incident over 20 % of the four-week budget; a class of
/// outages over 20 % of a quarter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PostMortemRule {
    /// More than this share of the window's budget by one incident.
    #[serde(with = "super::read::share")]
    pub incident: Rational,
    /// More than this share of the budget by all incidents of one class together.
    #[serde(with = "super::read::share")]
    pub class: Rational,
}

/// What one incident has spent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IncidentSpent {
    /// The incident.
    pub id: String,
    /// The class of outage, such as `dependency` or `capacity`; `None` when not classified.
    pub class: Option<String>,
    /// The bad events (or slices) that are its own.
    pub bad: u64,
}

/// A write-up that is due.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PostMortem {
    /// Why.
    pub reason: PostMortemReason,
    /// The share of the budget.
    pub share: Number,
}

/// What a write-up is due for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum PostMortemReason {
    /// One incident.
    Incident {
        /// Which.
        id: String,
    },
    /// All of a class: it belongs in the next quarter's plan.
    Class {
        /// Which.
        class: String,
    },
}

/// What `rule` demands for `incidents` of a stretch in which `valid` events promised `target`: single
/// incidents in their order, then classes by name. Nothing when nothing was valid.
///
/// For the class rule give the incidents and events of the quarter, for the other those of the window.
pub fn post_mortems(
    rule: &PostMortemRule,
    incidents: &[IncidentSpent],
    valid: u64,
    target: Target,
) -> Vec<PostMortem> {
    let above = |bad: u64, limit: Rational, reason: &dyn Fn() -> PostMortemReason| {
        let share = Number::spent(bad, valid, target)?;
        (share > Number::of(limit)).then(|| PostMortem { reason: reason(), share })
    };
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    for incident in incidents {
        if let Some(class) = &incident.class {
            let sum = classes.entry(class).or_default();
            *sum = sum.saturating_add(incident.bad);
        }
    }
    let singles = incidents.iter().filter_map(|incident| {
        above(incident.bad, rule.incident, &|| PostMortemReason::Incident {
            id: incident.id.clone(),
        })
    });
    let classes = classes.into_iter().filter_map(|(class, bad)| {
        above(bad, rule.class, &|| PostMortemReason::Class { class: class.to_owned() })
    });
    singles.chain(classes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_over_a_fifth_is_written_up() {
        // SRE Workbook, appendix B: 1,000,000 requests in four weeks at 99.9 % allow 1,000 errors, of
        // which 20 % are 200.
        let fifth = Rational::new(1, 5).unwrap();
        let rule = PostMortemRule { incident: fifth, class: fifth };
        let target = Target::new(Rational::new(999, 1_000).unwrap()).unwrap();
        let incident = |id: &str, class: &str, bad| IncidentSpent {
            id: id.to_owned(),
            class: Some(class.to_owned()),
            bad,
        };
        let incidents =
            [incident("a", "dns", 200), incident("b", "dns", 1), incident("c", "db", 201)];
        let due = post_mortems(&rule, &incidents, 1_000_000, target);
        let reasons: Vec<_> = due.iter().map(|due| due.reason.clone()).collect();
        assert_eq!(
            reasons,
            [
                PostMortemReason::Incident { id: "c".to_owned() },
                PostMortemReason::Class { class: "db".to_owned() },
                PostMortemReason::Class { class: "dns".to_owned() },
            ]
        );
        assert!(post_mortems(&rule, &incidents, 0, target).is_empty());
    }
}
