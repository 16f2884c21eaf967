//! What is wrong with a catalogue of services: nobody who answers, nobody who pays, nothing promised, or more
//! promised than hard dependencies allow.
//!
//! Who asks a service says which of its SLOs they need. Where nobody says and its SLOs promise different shares, a target
//! above the highest is too much, one up to the lowest is not, and of one between them it is told that nobody knows.
//! Windows are not compared: a promise of 99.9 % is one over any window.

mod asked;

use std::cmp::Ordering;

use asked::Asked;
use flyball_model::{Rational, Target};
use jiff::civil::Date;

use crate::service::{Funding, Lifecycle, Service};

#[cfg(test)]
mod tests;

/// A service as the catalogue has it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it says of itself; `None` when nothing describes it.
    pub service: Option<&'a Service>,
    /// Its SLOs with the target of each.
    pub promises: &'a [(String, Target)],
}

/// Something that is wrong with one service.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// No document of ours describes it.
    Undescribed,
    /// No team.
    NoTeam,
    /// No product manager who answers for its targets.
    NobodyAccountable,
    /// Nobody says until when its team is paid, or it is not for long, or not any more.
    NotFunded {
        /// What is said.
        #[serde(flatten)]
        funding: Funding,
    },
    /// It promises nothing.
    NoSlo,
    /// An SLO promises more than a service that it cannot do without: it is broken even when the other keeps its
    /// promise to the last error.
    AboveDependency {
        /// The SLO.
        slo: String,
        /// What it promises, in per cent.
        target: String,
        /// What it cannot do without.
        dependency: String,
        /// What that promises, in per cent.
        promised: String,
    },
    /// An SLO promises more than all that it cannot do without promise together, if they fail independently.
    AboveProduct {
        /// The SLO.
        slo: String,
        /// What it promises, in per cent.
        target: String,
        /// The product of what they promise, about.
        bound: f64,
        /// What it cannot do without, as far as that promises anything.
        dependencies: Vec<String>,
    },
    /// It cannot do without a service that promises nothing, so that nobody knows what it can promise itself.
    DependencyWithoutSlo {
        /// The other.
        dependency: String,
        /// The SLO of the other that it names, which is not there; `None` when it names none.
        #[serde(skip_serializing_if = "Option::is_none")]
        slo: Option<String>,
    },
    /// An SLO promises more than some and less than others of the SLOs of a service that it cannot do without, and
    /// nobody says which of these it needs.
    DependencyUnclear {
        /// The SLO.
        slo: String,
        /// What it promises, in per cent.
        target: String,
        /// What it cannot do without.
        dependency: String,
        /// The least that this promises, in per cent.
        lowest: String,
        /// The most that this promises, in per cent.
        highest: String,
    },
    /// It cannot do without a service that cannot do without it: neither starts without the other.
    DependencyCycle {
        /// The services on the way from it back to it, itself first.
        services: Vec<String>,
    },
}

impl Fault {
    /// What is wrong and what to do, in a sentence or two.
    pub fn sentence(&self) -> String {
        match self {
            Self::Undescribed => {
                "Nothing describes it; hint: write a document of `kind: Service`.".to_owned()
            }
            Self::NoTeam => "No team builds and runs it; hint: set `team`.".to_owned(),
            Self::NobodyAccountable => {
                "No product manager answers for its targets; hint: set `accountable`.".to_owned()
            }
            Self::NotFunded { funding } => not_funded(*funding),
            Self::NoSlo => {
                "It promises nothing; hint: `flyball slo suggest` proposes SLOs.".to_owned()
            }
            Self::AboveDependency { slo, target, dependency, promised } => format!(
                "`{slo}` promises {target}, and cannot do without `{dependency}`, which promises {promised}; hint: \
                 promise less, have it promise more, or learn to do without it and call it `soft`."
            ),
            Self::AboveProduct { slo, target, bound, dependencies } => format!(
                "`{slo}` promises {target}; {} promise about {:.4}% together, if they fail independently; hint: promise \
                 less, or cannot do without fewer.",
                dependencies.join(", "),
                bound * 100.0
            ),
            Self::DependencyWithoutSlo { dependency, slo: Some(slo) } => format!(
                "It cannot do without `{dependency}`, which has no SLO `{slo}`; hint: name one that it has."
            ),
            Self::DependencyWithoutSlo { dependency, slo: None } => format!(
                "It cannot do without `{dependency}`, which promises nothing; hint: write an SLO of it, or measure it \
                 from here."
            ),
            Self::DependencyUnclear { slo, target, dependency, lowest, highest } => format!(
                "`{slo}` promises {target}; `{dependency}`, which it cannot do without, promises between {lowest} and \
                 {highest}; hint: say which of its SLOs it needs, like `{{service: {dependency}, slo: NAME}}`."
            ),
            Self::DependencyCycle { services } => format!(
                "It cannot do without itself: {} and back; hint: learn to do without one of them and call it `soft`.",
                services.join(" asks ")
            ),
        }
    }
}

fn not_funded(funding: Funding) -> String {
    match funding {
        Funding::Unknown => {
            "Nobody says until when its team is paid; hint: set `fundedUntil`.".to_owned()
        }
        Funding::Lasts { until } => format!("Its team is paid until {until}."),
        Funding::Ends { until } => format!(
            "Its team is paid until {until} only; hint: prolong it, or find the service another home."
        ),
        Funding::Ended { last } => format!(
            "Its team has not been paid since {last}; hint: find the service another home, or retire it."
        ),
    }
}

/// What is wrong with each of `entries` on `today`, in their order; services without fault are left out.
///
/// The bound on what a service can promise is the product of what its hard dependencies promise, each once: the
/// availability of parts that are all needed and fail independently (Treynor, Dahlin, Rau, Beyer, *The Calculus
/// of Service Availability*, ACM Queue 15(2), 2017). What only they ask in turn is in their promises already; through
/// one that promises nothing what it asks itself is looked at. Parts that fail together allow more than the product and
/// never more than the least of them, which is why a target above one dependency's own is told as a fault of its own.
pub fn check(entries: &[Entry<'_>], today: Date) -> Vec<(String, Vec<Fault>)> {
    let all = Asked::of(entries);
    let checked = entries.iter().map(|entry| {
        let mut faults = standing(entry, today);
        faults.extend(all.beyond(entry));
        faults.extend(all.cycle(entry.name).map(|services| Fault::DependencyCycle { services }));
        (entry.name.to_owned(), faults)
    });
    checked.filter(|(_, faults)| !faults.is_empty()).collect()
}

/// What is wrong with a service by itself. Of one that goes nobody is asked to pay for it, or to promise anything.
fn standing(entry: &Entry<'_>, today: Date) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lifecycle = entry.service.and_then(|service| service.spec.lifecycle);
    let goes = lifecycle == Some(Lifecycle::Deprecated);
    match entry.service {
        None => faults.push(Fault::Undescribed),
        Some(Service { spec, .. }) => {
            faults.extend(spec.team.is_none().then_some(Fault::NoTeam));
            faults.extend(spec.accountable.is_none().then_some(Fault::NobodyAccountable));
            let funding = Funding::of(spec, today);
            let lasts = matches!(funding, Funding::Lasts { .. });
            faults.extend((!lasts && !goes).then_some(Fault::NotFunded { funding }));
        }
    }
    faults.extend((entry.promises.is_empty() && !goes).then_some(Fault::NoSlo));
    faults
}

/// How `share` compares with the product of `factors`, exactly; of no factors that is 1.
fn compare_with_product(share: Rational, factors: &[Rational]) -> Ordering {
    // share > Π n/d exactly when share's numerator × Π d > share's denominator × Π n.
    let denominators = factors.iter().map(|factor| factor.denominator());
    let numerators = factors.iter().map(|factor| factor.numerator());
    let left = product(std::iter::once(share.numerator()).chain(denominators));
    let right = product(std::iter::once(share.denominator()).chain(numerators));
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

/// The product of `factors` in digits of 2^64, the lowest first, without leading zeros.
fn product(factors: impl Iterator<Item = u64>) -> Vec<u128> {
    const LOW: u128 = u64::MAX as u128;
    let mut digits = vec![1];
    for factor in factors {
        let mut carry = 0;
        for digit in &mut digits {
            // At most (2^64 - 1)² + 2^64 - 1, which is below 2^128.
            let wide = *digit * u128::from(factor) + carry;
            (*digit, carry) = (wide & LOW, wide >> u64::BITS);
        }
        digits.push(carry);
        while digits.last() == Some(&0) {
            digits.pop();
        }
    }
    digits
}
