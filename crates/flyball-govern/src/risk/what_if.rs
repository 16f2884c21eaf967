//! What would follow if something were done: a canary, faster detection or repair, a softer dependency.

use std::collections::BTreeSet;

use flyball_model::{Duration, Rational};
use jiff::civil::Date;

use super::document::{Risk, RiskSpec, Undelayed};
use super::range::{Range, ShareRange};
use super::register::{Register, added};
use super::simulate::{Simulated, simulate};
use super::standing::{Assessment, RiskObjective, assess};
use crate::policy::read;

/// Something that could be done about risks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mitigation {
    /// A change reaches some users first, and is gone back from while it has reached no more.
    Canary {
        /// The share of users that it reaches, of those that it would have.
        #[serde(with = "read::share")]
        share: Rational,
        /// The longest that a failure then lasts: found in the canary and undone.
        #[serde(deserialize_with = "read::duration")]
        within: Duration,
    },
    /// Failures are known of sooner.
    FasterDetection {
        /// The longest that it takes.
        #[serde(deserialize_with = "read::duration")]
        within: Duration,
    },
    /// Failures are repaired sooner.
    FasterRepair {
        /// The longest that it takes.
        #[serde(deserialize_with = "read::duration")]
        within: Duration,
    },
    /// A service serves, though worse, while what it depends on is down.
    SoftDependency {
        /// The share of the users that are still hit.
        #[serde(with = "read::share")]
        share: Rational,
    },
}

/// What would be done, and about what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// What.
    pub mitigation: Mitigation,
    /// The names of the risks.
    #[serde(default)]
    pub risks: BTreeSet<String>,
    /// Themes: every risk that names one of them.
    #[serde(default)]
    pub themes: BTreeSet<String>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// No risk is meant.
    #[error(
        "nothing would change: no risk is named; hint: name risks (--risk) or themes (--theme) that the register has"
    )]
    Nothing,
    /// What is meant is no worse already.
    #[error(
        "nothing would change: the register says no worse of {names} already; hint: try less than it says"
    )]
    Already {
        /// The risks that were meant.
        names: String,
    },
    /// There is no such risk.
    #[error("the register has no risk `{name}`; hint: it has {has}")]
    Risk {
        /// As given.
        name: String,
        /// Those that there are.
        has: String,
    },
    /// No risk has the theme.
    #[error("no risk has the theme `{name}`; hint: their themes are {has}")]
    Theme {
        /// As given.
        name: String,
        /// Those that there are.
        has: String,
    },
}

/// The register as it would be once all of `steps` are done, one after the other, and the names of the risks that
/// change.
///
/// # Errors
///
/// As [`WhatIf::of`]: of each step, held against what those before it leave. Without steps nothing is meant.
pub fn done(
    register: &Register,
    steps: &[WhatIf],
) -> Result<(Register, BTreeSet<String>), WhatIfError> {
    let (first, rest) = steps.split_first().ok_or(WhatIfError::Nothing)?;
    let (mut after, changed) = first.of(register)?;
    let mut names: BTreeSet<String> = changed.into_iter().collect();
    for step in rest {
        let (next, changed) = step.of(&after)?;
        after = next;
        names.extend(changed);
    }
    Ok((after, names))
}

/// An objective before and after something is done.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The risks that it changes and that spend the objective's budget, by name.
    pub risks: Vec<String>,
    /// As it is.
    pub before: Assessment,
    /// As it would be.
    pub after: Assessment,
    /// How likely it is missed as it is.
    pub missed_before: Simulated,
    /// How likely it would be missed, over the same luck.
    pub missed_after: Simulated,
    /// Bad minutes a year that would be saved.
    pub saves_minutes_a_year: f64,
}

impl Mitigation {
    /// What becomes of a risk to which factors add these times to detect and to repair it. Nothing becomes worse: a canary
    /// that is watched for longer than a failure lasts makes it no longer. What is done within a time is done within it
    /// whatever factors add.
    #[must_use]
    pub fn of(&self, risk: &RiskSpec, (detect, repair): (Duration, Duration)) -> RiskSpec {
        let mut risk = risk.clone();
        let left = |within: Duration, later: Duration| {
            Duration::from_nanos(within.nanos() - later.nanos()).filter(|left| !left.is_zero())
        };
        match *self {
            Self::Canary { share, within } => {
                risk.share_of_users = part(risk.share_of_users, share);
                let Some(within) = left(within, added(detect, repair)) else {
                    risk.time_to_detect = Range::point(within);
                    risk.time_to_repair = Range::point(Duration::ZERO);
                    risk.undelayed = Undelayed { detect: true, repair: true };
                    return risk;
                };
                risk.time_to_detect = risk.time_to_detect.at_most(within);
                let left = |detected: Duration| {
                    Duration::from_nanos(within.nanos() - detected.nanos())
                        .unwrap_or(Duration::ZERO)
                };
                let (detect, repair) = (risk.time_to_detect, risk.time_to_repair);
                let low = repair.low().min(left(detect.low()));
                let high = repair.high().min(left(detect.high()));
                // What is detected late leaves less time for its repair: the ends may change places.
                risk.time_to_repair = Range::new(low.min(high), low.max(high))
                    .unwrap_or_else(|| Range::point(low.max(high)));
            }
            Self::FasterDetection { within } => {
                if let Some(within) = left(within, detect) {
                    risk.time_to_detect = risk.time_to_detect.at_most(within);
                } else {
                    risk.time_to_detect = Range::point(within);
                    risk.undelayed.detect = true;
                }
            }
            Self::FasterRepair { within } => {
                if let Some(within) = left(within, repair) {
                    risk.time_to_repair = risk.time_to_repair.at_most(within);
                } else {
                    risk.time_to_repair = Range::point(within);
                    risk.undelayed.repair = true;
                }
            }
            Self::SoftDependency { share } => {
                risk.share_of_users = part(risk.share_of_users, share);
            }
        }
        risk
    }
}

/// `of` of a share, or of each end of a range; a product that does not fit leaves the range as it is.
fn part(range: ShareRange, of: Rational) -> ShareRange {
    let ends = range.low().checked_mul(of).zip(range.high().checked_mul(of));
    ends.and_then(|(low, high)| Range::new(low, high)).unwrap_or(if of.is_zero() {
        Range::point(Rational::ZERO)
    } else {
        range
    })
}

impl WhatIf {
    /// The register as it would be, and the names of the risks that change.
    ///
    /// # Errors
    ///
    /// Names that the register does not have, and that nothing would change.
    pub fn of(&self, register: &Register) -> Result<(Register, Vec<String>), WhatIfError> {
        let listed = |names: BTreeSet<&String>| {
            let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
            if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
        };
        let risks = register.risks();
        if let Some(name) = self.risks.iter().find(|name| !risks.iter().any(|of| of.name == **name))
        {
            let has = listed(risks.iter().map(|risk| &risk.name).collect());
            return Err(WhatIfError::Risk { name: name.clone(), has });
        }
        let themes: BTreeSet<&String> = risks.iter().flat_map(|risk| &risk.spec.themes).collect();
        if let Some(name) = self.themes.iter().find(|name| !themes.contains(name)) {
            return Err(WhatIfError::Theme { name: name.clone(), has: listed(themes) });
        }
        let is_meant = |risk: &Risk| {
            self.risks.contains(&risk.name) || !self.themes.is_disjoint(&risk.spec.themes)
        };
        let change = |risk: &Risk| {
            if is_meant(risk) {
                self.mitigation.of(&risk.spec, register.delays(&risk.spec))
            } else {
                risk.spec.clone()
            }
        };
        let after = register.changed(change);
        let both = risks.iter().zip(after.risks());
        let changed: Vec<String> =
            both.filter(|(a, b)| a != b).map(|(risk, _)| risk.name.clone()).collect();
        let meant: BTreeSet<&String> =
            risks.iter().filter(|risk| is_meant(risk)).map(|risk| &risk.name).collect();
        if !changed.is_empty() {
            return Ok((after, changed));
        }
        Err(if meant.is_empty() {
            WhatIfError::Nothing
        } else {
            WhatIfError::Already { names: listed(meant) }
        })
    }
}

/// Holds a register against an objective before and after all of `steps` are done; `None` when none of the risks that
/// change spends its budget.
///
/// # Errors
///
/// As [`done`].
pub fn what_if(
    register: &Register,
    steps: &[WhatIf],
    objective: &RiskObjective,
    today: Date,
    seed: u64,
) -> Result<Option<Difference>, WhatIfError> {
    let (changed, names) = done(register, steps)?;
    let spenders = register.spenders(&objective.slo).map(|risk| &risk.name);
    let risks: Vec<String> = spenders.filter(|name| names.contains(*name)).cloned().collect();
    let difference = || {
        if risks.is_empty() {
            return None;
        }
        let before = assess(register, objective, today)?;
        let after = assess(&changed, objective, today)?;
        Some(Difference {
            risks,
            saves_minutes_a_year: before.expected_minutes_a_year - after.expected_minutes_a_year,
            before,
            after,
            missed_before: simulate(register, objective, seed)?,
            missed_after: simulate(&changed, objective, seed)?,
        })
    };
    Ok(difference())
}
