//! Risks as they are written, and what holds for all of a service's.

use std::collections::BTreeSet;

use flyball_model::{ChangeKind, Duration, Rational};
use jiff::civil::Date;

use super::range::{Range, ShareRange, TimeRange, Value};
use crate::policy::{PolicyError, read};

/// The most risks of a register: each is drawn in every trial, and nobody weighs more.
pub const RISKS_MAX: usize = 200;
/// The most factors of a register: what is left without each is simulated.
pub const FACTORS_MAX: usize = 16;
/// The most SLOs and the most themes of one risk.
const LIST_MAX: usize = 32;
/// The longest text, in bytes, as for services: longer ones belong behind a link.
const TEXT_BYTES_MAX: usize = 1_024;
/// The longest name of a risk, factor, theme or SLO, in bytes, as labels of Kubernetes have it.
const NAME_BYTES_MAX: usize = 63;
/// The shortest time between failures: what fails more often is no risk but how the service is.
pub(super) const BETWEEN_SHORTEST: Duration = Duration::from_hours(1);
/// The longest time of any kind: 100 years, past which nobody's estimate means anything.
pub(super) const TIME_LONGEST: Duration = Duration::from_days(36_525);
/// Into how many parts shares are divided: finer than any estimate, and sums of them stay exact.
const SHARE_PARTS: u64 = 1_000_000;
/// The share of a budget above which one risk is too big unless the register says otherwise: Google's CRE
/// team, "Know thy enemy: how to prioritize and communicate risks".
const CEILING: (u64, u64) = (1, 4);

/// A risk with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Risk {
    /// What it is called; unique in its register.
    pub name: String,
    /// What it says.
    pub spec: RiskSpec,
}

/// `spec` of a `kind: Risk`: something that can spend budget.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RiskSpec {
    /// What happens, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// The service whose users it hits.
    pub service: String,
    /// The SLOs whose budgets it spends; every one of its service when there are none.
    #[serde(default)]
    pub slos: BTreeSet<String>,
    /// From the first user that is hit until somebody knows.
    pub time_to_detect: TimeRange,
    /// From then until users are served again.
    pub time_to_repair: TimeRange,
    /// The share of users that is hit.
    pub share_of_users: ShareRange,
    /// From one time to the next.
    pub time_between_failures: TimeRange,
    /// What it has in common with others: names of factors, or any words.
    #[serde(default)]
    pub themes: BTreeSet<String>,
    /// Who has decided to live with it.
    #[serde(default)]
    pub accepted: Option<Acceptance>,
    /// Which failures are likely to come of it: they are proposed, and taken by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Matches>,
    /// What factors no longer delay, in an answer to what if; of no document.
    #[serde(skip)]
    pub undelayed: Undelayed,
}

/// Which failures are likely to come of a risk. Where both lists say something a failure fits both.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matches {
    /// Classes of outages that people put failures into.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub classes: BTreeSet<String>,
    /// Kinds of the changes that caused it, or that failed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub causes: BTreeSet<ChangeKind>,
}

impl Matches {
    /// Whether a failure of `class`, which a change of the kind `cause` caused, fits. What is not known fits nothing.
    pub fn fits(&self, class: Option<&str>, cause: Option<ChangeKind>) -> bool {
        let Self { classes, causes } = self;
        let says_something = !classes.is_empty() || !causes.is_empty();
        let is_class = classes.is_empty() || class.is_some_and(|class| classes.contains(class));
        let is_cause = causes.is_empty() || cause.is_some_and(|cause| causes.contains(&cause));
        says_something && is_class && is_cause
    }
}

/// Which times of a risk hold whatever factors would add to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undelayed {
    /// That to detect it.
    pub detect: bool,
    /// That to repair it.
    pub repair: bool,
}

/// That somebody lives with a risk, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Who answers for it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// The first day on which it no longer holds; it is decided again by then.
    #[serde(with = "read::date")]
    pub until: Date,
}

/// What holds for all risks of a service, with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RiskRules {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub spec: RiskRulesSpec,
}

/// `spec` of a `kind: RiskRules`. A service without one has [`RiskRulesSpec::of`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskRulesSpec {
    /// The service.
    pub service: String,
    /// The share of a budget above which one risk is too big.
    #[serde(default = "ceiling", with = "read::share")]
    pub ceiling: Rational,
    /// The share of a budget that is kept for what nobody thought of.
    #[serde(default = "nothing", with = "read::share")]
    pub reserve: Rational,
    /// What makes many risks worse.
    #[serde(default)]
    pub factors: Vec<Factor>,
}

/// What makes many risks worse: no measurement, no rehearsal, nobody who knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// What it is called; risks that have it name it as a theme.
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether every risk has it, and not only those that name it.
    #[serde(default)]
    pub everywhere: bool,
    /// What it adds to the time to detect.
    #[serde(default, deserialize_with = "read::duration")]
    pub detect: Duration,
    /// What it adds to the time to repair.
    #[serde(default, deserialize_with = "read::duration")]
    pub repair: Duration,
    /// The share by which failures are more frequent.
    #[serde(default = "nothing", with = "read::share")]
    pub frequency: Rational,
}

impl Factor {
    /// Whether `risk` has it.
    pub fn is_of(&self, risk: &RiskSpec) -> bool {
        self.everywhere || risk.themes.contains(&self.name)
    }
}

impl RiskRulesSpec {
    /// What holds for a service that says nothing: a ceiling of a quarter, no reserve, no factors.
    pub const fn of(service: String) -> Self {
        Self { service, ceiling: ceiling(), reserve: Rational::ZERO, factors: Vec::new() }
    }
}

const fn ceiling() -> Rational {
    match Rational::new(CEILING.0, CEILING.1) {
        Some(share) => share,
        None => Rational::ONE,
    }
}

const fn nothing() -> Rational {
    Rational::ZERO
}

impl Risk {
    /// Checks a risk as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: RiskSpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.name("metadata.name", name);
        check.text("spec.description", spec.description.as_ref());
        check.name("spec.service", &spec.service);
        check.list("spec.slos", &spec.slos);
        let times = [
            ("timeToDetect", spec.time_to_detect),
            ("timeToRepair", spec.time_to_repair),
            ("timeBetweenFailures", spec.time_between_failures),
        ];
        for (field, range) in times {
            check.time(&format!("spec.{field}"), range);
        }
        if spec.time_between_failures.low() < BETWEEN_SHORTEST {
            let message = format!(
                "a risk fails at most every {BETWEEN_SHORTEST}\nhint: what fails more often is measured, not estimated"
            );
            check.error("spec.timeBetweenFailures", message);
        }
        let lasts = spec.time_to_detect.high().nanos() + spec.time_to_repair.high().nanos();
        if lasts == 0 {
            check.error("spec.timeToRepair", "a failure lasts some time".to_owned());
        }
        let share = spec.share_of_users;
        check.parts("spec.shareOfUsers", share);
        if share.high().is_zero() {
            check.error("spec.shareOfUsers", "a risk hits somebody".to_owned());
        }
        check.list("spec.themes", &spec.themes);
        if let Some(accepted) = &spec.accepted {
            check.said("spec.accepted.who", &accepted.who);
            check.said("spec.accepted.reason", &accepted.reason);
        }
        if let Some(matches) = &spec.matches {
            check.list("spec.matches.classes", &matches.classes);
            if matches.classes.is_empty() && matches.causes.is_empty() {
                let message = "nothing matches\nhint: name `classes` of incidents, `causes` like deploy, or both";
                check.error("spec.matches", message.to_owned());
            }
            if matches.causes.contains(&ChangeKind::Drill) {
                let message = "a drill is put down to the risk that its document names\nhint: leave `drill` out";
                check.error("spec.matches.causes", message.to_owned());
            }
        }
        check.done().map(|()| Self { name: name.to_owned(), spec })
    }
}

impl RiskRules {
    /// Checks the rules of a register as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: RiskRulesSpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.name("metadata.name", name);
        check.name("spec.service", &spec.service);
        check.parts("spec.ceiling", Range::point(spec.ceiling));
        if spec.ceiling.is_zero() {
            check.error("spec.ceiling", "every risk is above nothing".to_owned());
        }
        check.parts("spec.reserve", Range::point(spec.reserve));
        if spec.reserve == Rational::ONE {
            check.error("spec.reserve", "nothing is left for risks that are known".to_owned());
        }
        if spec.factors.len() > FACTORS_MAX {
            check.error("spec.factors", format!("a register has at most {FACTORS_MAX} factors"));
        }
        for (at, factor) in spec.factors.iter().enumerate() {
            let path = format!("spec.factors[{at}]");
            check.name(&format!("{path}.name"), &factor.name);
            if spec.factors[..at].iter().any(|other| other.name == factor.name) {
                check.error(&format!("{path}.name"), format!("`{}` is there already", factor.name));
            }
            check.text(&format!("{path}.description"), factor.description.as_ref());
            check.time(&format!("{path}.detect"), Range::point(factor.detect));
            check.time(&format!("{path}.repair"), Range::point(factor.repair));
            check.parts(&format!("{path}.frequency"), Range::point(factor.frequency));
            if factor.detect.is_zero() && factor.repair.is_zero() && factor.frequency.is_zero() {
                let message = "it makes nothing worse\nhint: say what it adds to `detect`, `repair` or `frequency`; a \
                               theme that adds nothing needs no factor";
                check.error(&path, message.to_owned());
            }
        }
        check.done().map(|()| Self { name: name.to_owned(), spec })
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Check(Vec<PolicyError>);

impl Check {
    fn error(&mut self, path: &str, message: String) {
        self.0.push(PolicyError { path: path.to_owned(), place: None, message });
    }

    fn said(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            self.error(path, "it says nothing".to_owned());
        } else if text.len() > TEXT_BYTES_MAX {
            let length = text.len();
            self.error(path, format!("it has {length} bytes\nhint: say it in {TEXT_BYTES_MAX}"));
        }
    }

    fn text(&mut self, path: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.said(path, text);
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        let is_plain = !name.trim().is_empty() && name.trim() == name;
        // Lists of names are written with semicolons between them in CSV.
        if !is_plain || name.len() > NAME_BYTES_MAX || name.contains([';', '\n', '\r']) {
            let message =
                format!("a name has 1 to {NAME_BYTES_MAX} bytes on one line, without `;`");
            self.error(path, message);
        }
    }

    fn list(&mut self, path: &str, names: &BTreeSet<String>) {
        if names.len() > LIST_MAX {
            self.error(path, format!("there are at most {LIST_MAX}"));
        }
        for name in names {
            self.name(path, name);
        }
    }

    fn time(&mut self, path: &str, range: TimeRange) {
        if range.high() > TIME_LONGEST {
            self.error(path, format!("it is at most {TIME_LONGEST}"));
        }
    }

    fn parts(&mut self, path: &str, range: ShareRange) {
        let is_coarse = |share: Rational| SHARE_PARTS.is_multiple_of(share.denominator());
        if !is_coarse(range.low()) || !is_coarse(range.high()) {
            let example = Rational::write(range.low());
            let message = format!(
                "`{example}` is finer than a part in {SHARE_PARTS}\nhint: leave digits out"
            );
            self.error(path, message);
        }
    }

    fn done(self) -> Result<(), Vec<PolicyError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
