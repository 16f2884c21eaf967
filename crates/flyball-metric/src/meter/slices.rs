//! Which slices of which SLIs there are, and where their states stand.

use std::collections::HashMap;

use flyball_model::Slice;

use super::Meter;
use super::sli::SliState;
use crate::slicing::Slicing;
use crate::terms::Plan;

/// What stands between the identity of an SLI and the name of a slice of it, in keys that are kept.
const SEPARATOR: char = '\0';
/// The name of what is kept together beyond the most slices. Those of others are JSON.
const OVERFLOW: &str = "other";

/// The slices of all SLIs that keep some.
#[derive(Debug)]
pub(super) struct Slices {
    of: Vec<(Slicing, HashMap<Slice, usize>)>,
    /// Those that were met here and not told yet, with the places of their SLIs.
    met: Vec<(usize, Slice)>,
}

impl Slices {
    /// No slices yet, of the SLIs of `plans`.
    pub(super) fn new(plans: &[&Plan]) -> Self {
        let of = plans.iter().map(|plan| (plan.slicing.clone(), HashMap::new()));
        Self { of: of.collect(), met: Vec::new() }
    }

    /// Those that were met since the last time.
    pub(super) fn take_met(&mut self) -> Vec<(usize, Slice)> {
        std::mem::take(&mut self.met)
    }

    /// How many SLIs are watched.
    pub(super) fn watched(&self) -> usize {
        self.of.len()
    }

    /// For each of `slis` that keeps slices the place of the one that a series with `labels` belongs to.
    pub(super) fn of_series(
        &mut self,
        slis: impl Iterator<Item = usize>,
        labels: &[(String, String)],
        states: &mut Vec<SliState>,
    ) -> Box<[(usize, usize)]> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for sli in slis {
            if found.iter().any(|(known, _)| *known == sli) {
                continue;
            }
            let Some(slice) = self.of[sli].0.slice_of(labels) else { continue };
            found.push((sli, self.place(sli, slice, states, false)));
        }
        found.into()
    }

    /// Where the state of a slice stands among `states`; it is made when it is new. Beyond the most slices
    /// it is that of the overflow, but for one that `is_kept` elsewhere.
    pub(super) fn place(
        &mut self,
        sli: usize,
        mut slice: Slice,
        states: &mut Vec<SliState>,
        is_kept: bool,
    ) -> usize {
        let (slicing, known) = &mut self.of[sli];
        if let Some(place) = known.get(&slice) {
            return *place;
        }
        if known.len() >= slicing.most && !is_kept {
            slice = Slice::Overflow;
            if let Some(place) = known.get(&slice) {
                return *place;
            }
        }
        let identity = format!("{}{SEPARATOR}{}", states[sli].identity, name(&slice));
        let place = states.len();
        states.push(states[sli].sliced(sli, slice.clone(), identity));
        if !is_kept && slice != Slice::Overflow {
            self.met.push((sli, slice.clone()));
        }
        known.insert(slice, place);
        place
    }
}

impl Meter {
    /// The SLIs that are watched, by their identities.
    pub(super) fn places(&self) -> HashMap<String, usize> {
        let slis = self.slis.iter().enumerate();
        slis.map(|(place, sli)| (sli.identity.clone(), place)).collect()
    }

    /// Where the state stands of which the identity was kept, that of a slice too; `None` where nothing
    /// of this identity is watched.
    pub(super) fn place_of(
        &mut self,
        identity: &[u8],
        places: &HashMap<String, usize>,
    ) -> Option<usize> {
        let identity = std::str::from_utf8(identity).ok()?;
        if let Some(place) = places.get(identity) {
            return Some(*place);
        }
        let (sli, slice) = identity.rsplit_once(SEPARATOR)?;
        let sli = *places.get(sli)?;
        let slice = match slice {
            OVERFLOW => Slice::Overflow,
            values => Slice::Of(serde_json::from_str(values).ok()?),
        };
        Some(self.slices.place(sli, slice, &mut self.slis, true))
    }
}

fn name(slice: &Slice) -> String {
    match slice {
        Slice::Overflow => OVERFLOW.to_owned(),
        Slice::Of(values) => serde_json::to_string(values).unwrap_or_default(),
    }
}
