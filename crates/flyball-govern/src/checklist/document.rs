//! A checklist as it is written, and the same checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::Duration;

use crate::evidence::{Criterion, Requirement, requirement};
use crate::policy::{LIST_MAX, PolicyError, Role, SignOff, read};

/// The most items of a checklist: more than that nobody answers with care.
pub const ITEMS_MAX: usize = 256;
/// The longest text of an item, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// The longest name of an item, in bytes: answers are kept by it.
const ID_BYTES_MAX: usize = 64;
/// The longest that a waiver may last by a checklist that does not say: a quarter, in which it can be mended.
const WAIVER_USUAL: Duration = Duration::from_days(90);
/// The longest that any waiver may last: a year, after which somebody has to want it again.
pub(super) const WAIVER_LONGEST: Duration = Duration::from_days(366);

/// `spec` of a `kind: Checklist`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChecklistSpec {
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Raised with every change; a review goes through one version.
    pub version: u32,
    /// What passing it opens.
    pub stage: Stage,
    /// Whose signatures approve a review.
    pub signers: Vec<Role>,
    /// Whether somebody outside the team advises it, from before it is submitted.
    #[serde(default)]
    pub adviser: bool,
    /// What must hold before a review may begin.
    #[serde(default)]
    pub eligibility: Vec<Requirement>,
    /// For how long an approval counts; without it, for good.
    #[serde(
        default,
        deserialize_with = "read::duration_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_for: Option<Duration>,
    /// Who may waive an item, and for how long.
    #[serde(default)]
    pub waivers: WaiverRule,
    /// What is asked.
    pub items: Vec<Item>,
}

impl ChecklistSpec {
    /// The functions that it names: who signs, waives and controls; some more than once.
    pub fn functions(&self) -> impl Iterator<Item = &Role> {
        let controls = self.items.iter().flat_map(|item| &item.controls);
        let controllers = controls.map(|sign_off| &sign_off.role);
        self.signers.iter().chain(&self.waivers.roles).chain(controllers)
    }
}

/// What passing a checklist opens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Traffic of real users: the launch readiness review.
    Launch,
    /// Being relied on: the production readiness review.
    Production,
    /// Another team's pager: the hand-off readiness review.
    HandOff,
    /// Nothing; it looks whether promises are the right ones.
    SloReview,
}

impl Stage {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Production => "production",
            Self::HandOff => "hand_off",
            Self::SloReview => "slo_review",
        }
    }
}

/// Under what an item stands.
///
/// Sources: the headings of launch guidance in the *DevOps Handbook*, chapter 16.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Heading {
    /// How many defects there are, and how severe.
    Defects,
    /// How often alerts page, and about what.
    PagerAlerts,
    /// Whether what matters is measured.
    MonitoringCoverage,
    /// How loosely its parts are coupled.
    Architecture,
    /// Whether deploying it is predictable and automatic.
    DeploymentProcess,
    /// Whether good habits of production let somebody else look after it.
    ProductionHygiene,
    /// Which laws and contracts apply.
    RegulatoryScope,
    /// Whether what is promised is right; of reviews of SLOs.
    Promises,
}

/// Who may waive an item, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverRule {
    /// Any of these; nobody when empty.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// The longest that one lasts.
    #[serde(default = "waiver_usual", deserialize_with = "read::duration")]
    pub longest: Duration,
}

impl Default for WaiverRule {
    /// Nobody: a checklist that does not say who may waive its items has no waivers.
    fn default() -> Self {
        Self { roles: BTreeSet::new(), longest: WAIVER_USUAL }
    }
}

const fn waiver_usual() -> Duration {
    WAIVER_USUAL
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Item {
    /// What answers are kept by; unique, and not used again for something else.
    pub id: String,
    /// Under what it stands.
    pub heading: Heading,
    /// The question, which yes or no answers.
    pub ask: String,
    /// What helps to answer it, or why it is asked.
    #[serde(default)]
    pub help: String,
    /// What a yes means.
    #[serde(default)]
    pub asks: Asks,
    /// What answers it live, in CEL over [`crate::evidence::VARIABLES`]; without it a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// What a bad answer does.
    #[serde(default)]
    pub severity: ItemSeverity,
    /// The same for tiers where it differs.
    #[serde(default)]
    pub severity_by_tier: BTreeMap<String, ItemSeverity>,
    /// Signatures that changes need at the gate once the answer is yes; of questions of scope only. A change that
    /// restores is not held up: it owes the signature.
    #[serde(default)]
    pub controls: Vec<SignOff>,
    /// The incident that taught it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
    /// The version of the checklist that it came with; the first unless told, which what was learnt has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
}

/// What a yes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// Yes is good.
    #[default]
    Check,
    /// Yes and no are both right: what applies follows.
    Scope,
}

/// What a bad answer does.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ItemSeverity {
    /// It is not asked.
    Skipped,
    /// It is shown.
    Advised,
    /// It stands in the way, unless it is waived.
    #[default]
    Required,
}

/// What taught an item.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// The incident.
    pub incident: String,
    /// Where it is written up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Item {
    /// The version of the checklist that it came with.
    pub fn came_with(&self) -> u32 {
        self.since.unwrap_or(1)
    }

    /// What a bad answer of a service of `tier` does.
    pub fn severity_for(&self, tier: Option<&str>) -> ItemSeverity {
        let own = tier.and_then(|tier| self.severity_by_tier.get(tier));
        own.copied().unwrap_or(self.severity)
    }
}

/// A checklist that reviews can go through.
#[derive(Debug, Clone, PartialEq)]
pub struct Checklist {
    name: String,
    spec: ChecklistSpec,
    eligibility: Vec<Criterion>,
    live: Vec<Option<Criterion>>,
}

impl Checklist {
    /// Checks a checklist as a whole and compiles its criteria.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: ChecklistSpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.head(name, &spec);
        let eligibility =
            requirement::compile("spec.eligibility", &spec.eligibility, &mut check.errors);
        check.waivers(&spec.waivers);
        if spec.items.is_empty() || spec.items.len() > ITEMS_MAX {
            let found = spec.items.len();
            let message = format!("a checklist has 1 to {ITEMS_MAX} items, not {found}");
            check.error("spec.items", message);
        }
        let mut ids = BTreeSet::new();
        let mut live = Vec::new();
        for (at, item) in spec.items.iter().enumerate().take(ITEMS_MAX) {
            let path = format!("spec.items[{at}]");
            check.item(&path, item, spec.version);
            if !ids.insert(item.id.as_str()) {
                check.error(format!("{path}.id"), "each item has a name of its own");
            }
            let path = format!("{path}.holds");
            let holds = item.holds.as_deref();
            live.push(
                holds.and_then(|text| requirement::criterion(&path, text, &mut check.errors)),
            );
        }
        if !check.errors.is_empty() {
            return Err(check.errors);
        }
        Ok(Self { name: name.to_owned(), spec, eligibility, live })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it was written.
    pub const fn spec(&self) -> &ChecklistSpec {
        &self.spec
    }

    /// The item called `id`.
    pub fn item(&self, id: &str) -> Option<&Item> {
        self.spec.items.iter().find(|item| item.id == id)
    }

    /// Each item with what answers it live; without that a person does.
    pub fn items(&self) -> impl Iterator<Item = (&Item, Option<&Criterion>)> {
        self.spec.items.iter().zip(self.live.iter().map(Option::as_ref))
    }

    /// What must hold before a review may begin.
    pub fn eligibility(&self) -> impl Iterator<Item = (&Requirement, &Criterion)> {
        self.spec.eligibility.iter().zip(&self.eligibility)
    }

    /// What was learnt since the version `before`, which a service went through last; all that was ever learnt
    /// for a service that went through none.
    pub fn learnt_since(&self, before: Option<u32>) -> impl Iterator<Item = &Item> {
        let is_new = move |item: &&Item| before.is_none_or(|before| item.came_with() > before);
        self.spec.items.iter().filter(|item| item.learnt.is_some()).filter(is_new)
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Check {
    errors: Vec<PolicyError>,
}

impl Check {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(PolicyError::at(path, message));
    }

    fn text(&mut self, path: String, text: &str) {
        if text.trim().is_empty() {
            self.error(path, "it says nothing");
        } else if text.len() > TEXT_BYTES_MAX {
            let message = format!("it has {} bytes; hint: say it in {TEXT_BYTES_MAX}", text.len());
            self.error(path, message);
        }
    }

    fn head(&mut self, name: &str, spec: &ChecklistSpec) {
        if name.trim().is_empty() {
            self.error("metadata.name", "a checklist has a name");
        }
        if spec.version == 0 {
            self.error("spec.version", "versions count from 1");
        }
        if spec.signers.is_empty() {
            let message = "a checklist names whose signatures approve a review; hint: list roles, like `- sre`";
            self.error("spec.signers", message);
        }
        if spec.valid_for.is_some_and(Duration::is_zero) {
            self.error("spec.validFor", "an approval that ends at once is none");
        }
        if spec.signers.len() > LIST_MAX {
            let message =
                format!("a list has at most {LIST_MAX} entries, not {}", spec.signers.len());
            self.error("spec.signers", message);
        }
    }

    fn waivers(&mut self, rule: &WaiverRule) {
        if rule.longest.is_zero() || rule.longest > WAIVER_LONGEST {
            let message = format!("a waiver lasts for some time, and at most {WAIVER_LONGEST}");
            self.error("spec.waivers.longest", message);
        }
    }

    fn item(&mut self, path: &str, item: &Item, version: u32) {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if item.id.is_empty() || item.id.len() > ID_BYTES_MAX || !item.id.bytes().all(is_plain) {
            let message = format!(
                "`{}` is not the name of an item; hint: write 1 to {ID_BYTES_MAX} lower-case letters, digits or `-`",
                item.id.chars().take(ID_BYTES_MAX).collect::<String>()
            );
            self.error(format!("{path}.id"), message);
        }
        self.text(format!("{path}.ask"), &item.ask);
        if item.help.len() > TEXT_BYTES_MAX {
            self.text(format!("{path}.help"), &item.help);
        }
        if item.asks == Asks::Check && !item.controls.is_empty() {
            let message = "controls follow from questions of scope; hint: set `asks: scope`";
            self.error(format!("{path}.controls"), message);
        }
        if item.controls.len() > LIST_MAX {
            let message = format!("a list has at most {LIST_MAX} entries");
            self.error(format!("{path}.controls"), message);
        }
        if item.severity_by_tier.len() > LIST_MAX {
            let message = format!("at most {LIST_MAX} tiers are told apart");
            self.error(format!("{path}.severityByTier"), message);
        }
        if let Some(learnt) = &item.learnt {
            self.text(format!("{path}.learnt.incident"), &learnt.incident);
            if item.since.is_none() {
                let message = format!(
                    "what was learnt says with which version it came, or no later review shows it; hint: `since: \
                     {version}` when it is new"
                );
                self.error(format!("{path}.since"), message);
            }
        }
        if item.came_with() == 0 || item.came_with() > version {
            let message = format!("it came with a version from 1 to {version}, which this is");
            self.error(format!("{path}.since"), message);
        }
    }
}
