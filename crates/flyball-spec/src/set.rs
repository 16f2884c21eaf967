//! What a load gives: the model, with what the model has no room for beside it.

use std::collections::BTreeSet;

use flyball_model::{AlertRule, AlertTarget, Correction, Duration, Probe, RestoreAction, Slo};
use indexmap::IndexMap;

use crate::decode::Place;
use crate::origin::Origins;
use crate::yaml::Node;

/// Everything that was read and can be used.
#[derive(Debug, Clone, Default)]
pub struct SpecSet {
    /// The SLOs in the order of their sources; names are unique.
    pub slos: Vec<Slo>,
    /// How each SLO of `slos` is alerted on, by its name.
    pub alerting: IndexMap<String, Alerting>,
    /// Agreed exceptions.
    pub corrections: Vec<Correction>,
    /// Named sets of alert rules.
    pub strategies: Vec<AlertStrategy>,
    /// Checks to make from outside.
    pub probes: Vec<Probe>,
    /// Who is told of alerts.
    pub alert_targets: Vec<AlertTarget>,
    /// What may be done about changes that regressed.
    pub restore_actions: Vec<RestoreAction>,
    /// Policies, tiers and services, as they were written; what they mean is for others to say.
    pub governing: Vec<Governing>,
    /// Such as do not count, since one before them has their kind and name.
    pub(crate) shadowed: Vec<Governing>,
    /// The services that were described.
    pub services: Vec<Service>,
    /// SLOs that are valid documents and still cannot be evaluated.
    pub incomplete: Vec<Incomplete>,
    /// Where the parts of each SLO stand in the sources.
    pub origins: Origins,
}

impl SpecSet {
    /// What would count if of the documents that do not the first of each kind and name did; `None` where all count.
    pub fn beside(&self) -> Option<Beside> {
        let mut names = BTreeSet::new();
        let (mut first, mut later) = (Vec::new(), Vec::new());
        for of in &self.shadowed {
            let is_first = names.insert((of.kind, of.name.as_str()));
            if is_first { &mut first } else { &mut later }.push(of);
        }
        if first.is_empty() {
            return None;
        }
        let is_free = |of: &&Governing| !names.contains(&(of.kind, of.name.as_str()));
        let others = self.governing.iter().filter(is_free);
        let governing = others.chain(first.iter().copied()).cloned().collect();
        let [first, later] = [first, later].map(|of| of.into_iter().cloned().collect());
        Some(Beside { set: Self { governing, shadowed: Vec::new(), ..self.clone() }, first, later })
    }
}

/// Documents that do not count, since one before them has their kind and name.
#[derive(Debug)]
pub struct Beside {
    /// The set in which the first of each kind and name counts.
    pub set: SpecSet,
    /// These.
    pub first: Vec<Governing>,
    /// All others.
    pub later: Vec<Governing>,
}

/// Where an SLO's alert rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alerting {
    /// The document says: [`Slo::alert_rules`] are all there are, maybe none.
    Own,
    /// The rules that the tool an imported document was written for would generate.
    Imported,
    /// The document is silent: the caller's default applies.
    Default,
    /// A set of rules that the program knows by this name; the caller looks it up.
    Preset(String),
    /// Switched off.
    None,
}

/// A named set of alert rules, to be shared by SLOs.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertStrategy {
    /// What `flyball.dev/alerting` refers to.
    pub name: String,
    /// The window that its budget shares were chosen for, where the document says; rules apply
    /// to other windows as well, with factors derived for those.
    pub period: Option<Duration>,
    /// The rules.
    pub rules: Vec<AlertRule>,
    /// What each of `rules` compares with.
    pub(crate) places: Vec<Place>,
}

/// A described service, by OpenSLO or by the kind of our own, which says more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What SLOs refer to.
    pub name: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// How critical it is: the name of a tier, where `spec.tier` or the annotation `flyball.dev/tier` says so.
    pub tier: Option<String>,
    /// Where the tier is named, and by which field.
    pub(crate) tier_at: (Place, &'static str),
}

/// Which kind of document governs changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoverningKind {
    /// Levels of a budget and what follows.
    BudgetPolicy,
    /// What services of a criticality are held to.
    Tier,
    /// Whose a service is, and what it is to reach.
    Service,
    /// What a policy is to decide on given facts.
    PolicyTest,
    /// Something that can spend the budgets of a service.
    Risk,
    /// What holds for all risks of a service.
    RiskRules,
    /// What support costs.
    SupportCosts,
    /// What is asked before a service goes a step further.
    Checklist,
    /// When a pager changes hands.
    CustodyRules,
    /// Who takes turns to carry a pager.
    Rota,
    /// Who is called after whom.
    Escalation,
    /// What to do in an incident, and when to go back.
    Runbook,
    /// What is broken on purpose, paid for from a surplus.
    Drill,
}

impl GoverningKind {
    /// The `kind` that documents write.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BudgetPolicy => "BudgetPolicy",
            Self::Tier => "Tier",
            Self::Service => "Service",
            Self::PolicyTest => "PolicyTest",
            Self::Risk => "Risk",
            Self::RiskRules => "RiskRules",
            Self::SupportCosts => "SupportCosts",
            Self::Checklist => "Checklist",
            Self::CustodyRules => "CustodyRules",
            Self::Rota => "Rota",
            Self::Escalation => "Escalation",
            Self::Runbook => "Runbook",
            Self::Drill => "Drill",
        }
    }
}

/// A policy, its tests, a tier, a service, a risk, costs, a checklist, rules of custody, a rota, an escalation, a runbook or a drill,
/// as it was written.
#[derive(Debug, Clone)]
pub struct Governing {
    /// Which of them.
    pub kind: GoverningKind,
    /// Its name.
    pub name: String,
    /// Its `spec`, keys sorted.
    pub spec: serde_json::Value,
    /// Where the document begins.
    pub(crate) place: Place,
    /// The whole document.
    pub(crate) node: Node,
}

impl Governing {
    /// The service whose own document it is: what it says of itself, a risk of it, what holds for its risks. `None`
    /// for what is of several services, or of all.
    pub fn service(&self) -> Option<&str> {
        match self.kind {
            GoverningKind::Service => Some(&self.name),
            GoverningKind::Risk | GoverningKind::RiskRules => self.spec["service"].as_str(),
            _ => None,
        }
    }

    /// The services that it names as those it is of: that of [`Self::service`], those whose alerts take an escalation,
    /// those that a runbook is for.
    pub fn services(&self) -> Vec<&str> {
        match self.kind {
            GoverningKind::Escalation | GoverningKind::Runbook => {
                let listed = self.spec["services"].as_array().into_iter().flatten();
                listed.filter_map(serde_json::Value::as_str).collect()
            }
            _ => self.service().into_iter().collect(),
        }
    }

    /// The escalation that a service names.
    pub fn on_call(&self) -> Option<&str> {
        match self.kind {
            GoverningKind::Service => self.spec["onCall"].as_str(),
            _ => None,
        }
    }

    /// The rotas that an escalation calls, each once; none for other kinds.
    pub fn rotas(&self) -> BTreeSet<&str> {
        let levels = match self.kind {
            GoverningKind::Escalation => self.spec["levels"].as_array(),
            _ => None,
        };
        levels.into_iter().flatten().filter_map(|level| level["rota"].as_str()).collect()
    }
}

/// What they say, wherever it stands.
impl PartialEq for Governing {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.spec) == (other.kind, &other.name, &other.spec)
    }
}

/// A valid SLO that cannot be evaluated, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The SLO's name.
    pub name: String,
    /// What stands in the way, in words that follow "cannot be evaluated:".
    pub reasons: Vec<String>,
}
