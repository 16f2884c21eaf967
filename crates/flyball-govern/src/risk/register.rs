//! The risks of a service together, and what each is expected to cost.
//!
//! Expected bad time = (time to detect + time to repair) × share of users ÷ time between failures. A risk is so
//! a share of time that users are not served, whatever the window: it is compared with the share that an
//! objective allows. This takes traffic to be even; what fails at the busiest hour costs more events than is
//! said here.
//!
//! Source: Google's CRE team, "Know thy enemy: how to prioritize and communicate risks" (2018), and its sheet,
//! in which a year has 365.25 days and a factor that is common to all risks adds
//! `(1 + Δf) · (ΔETTD + ΔETTR) · Σ(impact · n) + Δf · Σ bad minutes`.

use flyball_budget::Fraction;
use flyball_model::{Duration, Rational};

use super::document::{Factor, RISKS_MAX, Risk, RiskRules, RiskRulesSpec, RiskSpec, TIME_LONGEST};
use super::range::{Range, TimeRange, Value};
use crate::policy::PolicyError;

/// A year as risks count it: 365.25 days.
pub const YEAR: Duration = Duration::from_hours(8_766);

/// The risks of one service and what holds for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    rules: RiskRulesSpec,
    /// In the order of their names.
    risks: Vec<Risk>,
}

impl Register {
    /// The register of `risks`, in any order; without rules those of a service that says nothing hold.
    ///
    /// # Errors
    ///
    /// Names that are there twice, risks of another service, and more than [`RISKS_MAX`]; paths begin with the
    /// name of the risk.
    pub fn new(
        service: &str,
        rules: Option<&RiskRules>,
        mut risks: Vec<Risk>,
    ) -> Result<Self, Vec<PolicyError>> {
        let rules =
            rules.map_or_else(|| RiskRulesSpec::of(service.to_owned()), |of| of.spec.clone());
        risks.sort_by(|a, b| a.name.cmp(&b.name));
        let mut wrong = Vec::new();
        let mut fault = |path: String, message: String| {
            wrong.push(PolicyError { path, place: None, message });
        };
        if rules.service != service {
            fault(
                "spec.service".to_owned(),
                format!("these rules are those of `{}`", rules.service),
            );
        }
        if risks.len() > RISKS_MAX {
            fault(service.to_owned(), format!("a register has at most {RISKS_MAX} risks"));
        }
        for (at, risk) in risks.iter().enumerate() {
            if at > 0 && risks[at - 1].name == risk.name {
                fault(format!("{}.metadata.name", risk.name), "it is there twice".to_owned());
            }
            if risk.spec.service != service {
                let message = format!("it is a risk of `{}`", risk.spec.service);
                fault(format!("{}.spec.service", risk.name), message);
            }
        }
        if wrong.is_empty() { Ok(Self { rules, risks }) } else { Err(wrong) }
    }

    /// What holds for all risks.
    pub const fn rules(&self) -> &RiskRulesSpec {
        &self.rules
    }

    /// The risks, in the order of their names.
    pub fn risks(&self) -> &[Risk] {
        &self.risks
    }

    /// The risks that spend the budget of `slo`, in the order of their names.
    pub fn spenders(&self, slo: &str) -> impl Iterator<Item = &Risk> {
        let spends = move |risk: &&Risk| risk.spec.slos.is_empty() || risk.spec.slos.contains(slo);
        self.risks.iter().filter(spends)
    }

    /// What `risk` costs, with the factors that it has.
    pub fn cost(&self, risk: &RiskSpec) -> Cost {
        Cost::of(risk, self.rules.factors.iter().filter(|factor| factor.is_of(risk)))
    }

    /// What the factors of `risk` add to the time to detect and to the time to repair it.
    pub(super) fn delays(&self, risk: &RiskSpec) -> (Duration, Duration) {
        let factors = self.rules.factors.iter().filter(|factor| factor.is_of(risk));
        delays(risk, factors)
    }

    /// `risk` as its factors let it be seen: they add to the times to detect and to repair it, and let it come more
    /// often.
    #[must_use]
    pub fn with_factors(&self, risk: &RiskSpec) -> RiskSpec {
        let (detect, repair) = self.delays(risk);
        let more = self.more(risk);
        RiskSpec {
            time_to_detect: shifted(risk.time_to_detect, detect.nanos()),
            time_to_repair: shifted(risk.time_to_repair, repair.nanos()),
            time_between_failures: stretched(risk.time_between_failures, 1.0 / more),
            ..risk.clone()
        }
    }

    /// The other way round: what is to be said of a risk that is seen so, for its factors to make that of it. No time is
    /// less than none.
    #[must_use]
    pub fn without_factors(&self, seen: &RiskSpec) -> RiskSpec {
        let (detect, repair) = self.delays(seen);
        let more = self.more(seen);
        RiskSpec {
            time_to_detect: shifted(seen.time_to_detect, -detect.nanos()),
            time_to_repair: shifted(seen.time_to_repair, -repair.nanos()),
            time_between_failures: stretched(seen.time_between_failures, more),
            ..seen.clone()
        }
    }

    /// By how much more often its factors let `risk` come; 1 without any.
    pub(super) fn more(&self, risk: &RiskSpec) -> f64 {
        let factors = self.rules.factors.iter().filter(|factor| factor.is_of(risk));
        1.0 + factors.map(|factor| factor.frequency.to_f64()).sum::<f64>()
    }

    /// The same register with other risks, by what `change` makes of each.
    #[must_use]
    pub(super) fn changed(&self, change: impl Fn(&Risk) -> RiskSpec) -> Self {
        let risks = self.risks.iter();
        let risks =
            risks.map(|risk| Risk { name: risk.name.clone(), spec: change(risk) }).collect();
        Self { rules: self.rules.clone(), risks }
    }

    /// The same register without one of its factors.
    #[must_use]
    pub fn without_factor(&self, name: &str) -> Self {
        let mut rules = self.rules.clone();
        rules.factors.retain(|factor| factor.name != name);
        Self { rules, risks: self.risks.clone() }
    }
}

/// What a risk costs: the share of time that its users are not served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// At the better end of every range, exactly.
    pub best: Fraction,
    /// At the worse end of every range, exactly; the same where every input is a value.
    pub worst: Fraction,
    /// On average over the ranges, as the nearest double.
    pub mean: f64,
    /// The part of the mean that passes before somebody knows, from 0 to 1.
    pub undetected: f64,
}

impl Cost {
    /// What `risk` costs when `factors` make it worse. Factors add up: two that make failures a tenth more
    /// frequent make them a fifth more frequent.
    pub fn of<'a>(risk: &RiskSpec, factors: impl Iterator<Item = &'a Factor>) -> Self {
        let factors: Vec<&Factor> = factors.collect();
        let (detect, repair) = delays(risk, factors.iter().copied());
        let mut more = Fraction::whole(1);
        for factor in factors {
            more = more.checked_add(Fraction::of(factor.frequency)).unwrap_or(more);
        }
        let at = |detected: Duration, repaired: Duration, share: Rational, between: Duration| {
            let lasts = added(added(detected, detect), added(repaired, repair));
            exact(lasts, between, share, more)
        };
        let (detects, repairs) = (risk.time_to_detect, risk.time_to_repair);
        let (share, between) = (risk.share_of_users, risk.time_between_failures);
        let best = at(detects.low(), repairs.low(), share.low(), between.high());
        let worst = at(detects.high(), repairs.high(), share.high(), between.low());
        let before = detects.mean() + detect.estimate();
        let lasts = before + repairs.mean() + repair.estimate();
        let mean = lasts * share.mean() * between.mean_of_inverse() * more.to_f64();
        let undetected = if lasts > 0.0 { before / lasts } else { 0.0 };
        Self { best, worst, mean: if best == worst { best.to_f64() } else { mean }, undetected }
    }

    /// Whether every input of it is a value.
    pub fn is_certain(&self) -> bool {
        self.best == self.worst
    }
}

/// What `factors` add to the time to detect and to the time to repair `risk`.
fn delays<'a>(risk: &RiskSpec, factors: impl Iterator<Item = &'a Factor>) -> (Duration, Duration) {
    let (mut detect, mut repair) = (Duration::ZERO, Duration::ZERO);
    for factor in factors {
        (detect, repair) = (added(detect, factor.detect), added(repair, factor.repair));
    }
    let held = |of: Duration, is_held: bool| if is_held { Duration::ZERO } else { of };
    (held(detect, risk.undelayed.detect), held(repair, risk.undelayed.repair))
}

/// Both ends of `range` moved by so many nanoseconds, down to none.
fn shifted(range: TimeRange, by: i64) -> TimeRange {
    let moved = |of: Duration| {
        Duration::from_nanos(of.nanos().saturating_add(by).max(0)).unwrap_or(Duration::ZERO)
    };
    let (low, high) = (moved(range.low()), moved(range.high()));
    Range::new(low, high).unwrap_or_else(|| Range::point(high))
}

/// Both ends of `range` times `by`, in whole seconds, within what a register says; as it is where that is 1.
fn stretched(range: TimeRange, by: f64) -> TimeRange {
    let times = |of: Duration| {
        let seconds = (of.as_seconds_f64() * by).round();
        let most = TIME_LONGEST.as_seconds_f64();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "held within what a length of time can be"
        )]
        let nanos = seconds.clamp(1.0, most) as i64 * 1_000_000_000;
        Duration::from_nanos(nanos).unwrap_or(of)
    };
    if by == 1.0 {
        return range;
    }
    Range::new(times(range.low()), times(range.high())).unwrap_or(range)
}

/// `lasts ÷ between × share × more`. Documents hold whole seconds of at most 100 years and parts in a million,
/// so that 2^33 × 2^20 × 2^25 stays within 127 bits; a register of other numbers is held at all of the time.
fn exact(lasts: Duration, between: Duration, share: Rational, more: Fraction) -> Fraction {
    Fraction::new(i128::from(lasts.nanos()), between.nanos().unsigned_abs().into())
        .and_then(|rate| rate.checked_mul(Fraction::of(share)))
        .and_then(|rate| rate.checked_mul(more))
        .unwrap_or(Fraction::whole(1))
}

/// Both together, held at about 292 years.
pub(super) fn added(one: Duration, other: Duration) -> Duration {
    Duration::from_nanos(one.nanos().saturating_add(other.nanos())).unwrap_or(Duration::ZERO)
}

/// Minutes in `window` of a share of time.
pub fn minutes(share: f64, window: Duration) -> f64 {
    share * window.as_minutes_f64()
}
