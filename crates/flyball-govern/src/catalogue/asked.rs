//! What services cannot do without, and what that promises.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flyball_model::Rational;

use super::{Entry, Fault, compare_with_product};
use crate::policy::read::share;
use crate::service::{Dependency, DependencyKind, Service};

/// All services, and which of them are looked at for cycles.
pub(super) struct Asked<'a> {
    /// By name.
    all: BTreeMap<&'a str, &'a Entry<'a>>,
    /// Services that are on a cycle of hard dependencies, and those on a way from one cycle to another.
    turning: BTreeSet<&'a str>,
}

/// What a service promises to those who cannot do without it.
struct Promised<'a> {
    dependency: &'a str,
    lowest: Rational,
    highest: Rational,
}

impl<'a> Asked<'a> {
    pub(super) fn of(entries: &'a [Entry<'a>]) -> Self {
        let all: BTreeMap<&str, &Entry<'_>> =
            entries.iter().map(|entry| (entry.name, entry)).collect();
        let mut turning: BTreeSet<&str> = all.keys().copied().collect();
        // Who asks nobody that is left, or is asked by nobody that is left, is on no cycle.
        loop {
            let asking = |name: &&str| hard(all.get(name).copied());
            let asked: BTreeSet<&str> = turning.iter().flat_map(asking).map(name).collect();
            let is_on = |of: &&str| {
                asked.contains(of) && asking(of).map(name).any(|other| turning.contains(other))
            };
            let left: BTreeSet<&str> = turning.iter().copied().filter(|of| is_on(of)).collect();
            if left.len() == turning.len() {
                return Self { all, turning };
            }
            turning = left;
        }
    }

    /// The shortest way from `from` back to it over hard dependencies, itself first; `None` when there is none.
    pub(super) fn cycle(&self, from: &str) -> Option<Vec<String>> {
        let (start, _) = self.all.get_key_value(from)?;
        let mut came: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next: VecDeque<&str> = self.turning.get(start).copied().into_iter().collect();
        while let Some(at) = next.pop_front() {
            for other in hard(self.all.get(at).copied()).map(name) {
                if other == from {
                    let mut way = vec![at.to_owned()];
                    while let Some(before) = came.get(way.last().map_or("", String::as_str)) {
                        way.push((*before).to_owned());
                    }
                    way.reverse();
                    return Some(way);
                }
                if self.turning.contains(other) && !came.contains_key(other) {
                    came.insert(other, at);
                    next.push_back(other);
                }
            }
        }
        None
    }

    /// Where a service promises more than its hard dependencies allow, or nobody knows whether it does.
    pub(super) fn beyond(&self, entry: &Entry<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let promised = self.promised(entry, &mut faults);
        let highest: Vec<Rational> = promised.iter().map(|of| of.highest).collect();
        for (slo, target) in entry.promises {
            let own = target.share();
            let (slo, target) = (slo.clone(), share::percent(own));
            let is_beyond = promised.iter().any(|of| own > of.highest);
            for of in promised.iter().filter(|of| own > of.lowest) {
                let (slo, target) = (slo.clone(), target.clone());
                let dependency = of.dependency.to_owned();
                let (lowest, highest) = (share::percent(of.lowest), share::percent(of.highest));
                faults.push(if own > of.highest {
                    Fault::AboveDependency { slo, target, dependency, promised: highest }
                } else {
                    Fault::DependencyUnclear { slo, target, dependency, lowest, highest }
                });
            }
            // Of a target that is above one of them it goes without saying.
            if !is_beyond && compare_with_product(own, &highest).is_gt() {
                faults.push(Fault::AboveProduct {
                    slo,
                    target,
                    bound: highest.iter().map(|share| share.to_f64()).product(),
                    dependencies: promised.iter().map(|of| of.dependency.to_owned()).collect(),
                });
            }
        }
        faults
    }

    /// What all promise that `entry` cannot do without, each once; what promises nothing is added to `faults`, and what it
    /// cannot do without itself takes its place.
    fn promised(&self, entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Vec<Promised<'a>> {
        let mut promised: Vec<Promised<'_>> = Vec::new();
        let mut met = BTreeSet::from([entry.name.to_owned()]);
        let mut next: VecDeque<(&Dependency, bool)> =
            hard(Some(entry)).map(|of| (of, true)).collect();
        while let Some((of, is_own)) = next.pop_front() {
            if !met.insert(of.service.clone()) {
                continue;
            }
            let known = self.all.get_key_value(of.service.as_str());
            let promises = known.map_or(&[][..], |(_, other)| other.promises);
            let is_named = |name: &str| of.slo.as_ref().is_none_or(|slo| slo == name);
            let named = promises.iter().filter(|(name, _)| is_named(name));
            let shares: Vec<Rational> = named.map(|(_, target)| target.share()).collect();
            let ends = shares.iter().min().zip(shares.iter().max()).zip(known);
            if let Some(((lowest, highest), (dependency, _))) = ends {
                let (lowest, highest) = (*lowest, *highest);
                promised.push(Promised { dependency, lowest, highest });
                continue;
            }
            if is_own {
                let slo = of.slo.clone().filter(|_| !promises.is_empty());
                faults.push(Fault::DependencyWithoutSlo { dependency: of.service.clone(), slo });
            }
            next.extend(hard(known.map(|(_, other)| *other)).map(|of| (of, false)));
        }
        promised
    }
}

/// What a service cannot do without.
fn hard<'a>(entry: Option<&Entry<'a>>) -> impl Iterator<Item = &'a Dependency> + use<'a> {
    let service: Option<&'a Service> = entry.and_then(|entry| entry.service);
    let all = service.into_iter().flat_map(|service| &service.spec.dependencies);
    all.filter(|of| of.kind == DependencyKind::Hard)
}

fn name(of: &Dependency) -> &str {
    &of.service
}
