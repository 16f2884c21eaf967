//! Post-mortems that were demanded once: a demand stands until it is met, whatever leaves the window.
//!
//! A policy demands by what a window holds ([`PostMortemRule`](crate::policy::PostMortemRule)); a window forgets, and
//! a demand that went with it would be ended by waiting. So each is kept when it first arises.

use flyball_model::{Duration, Rational, Timestamp};

use super::postmortem::{Again, Demand, PostMortemState, WriteUp, demands};
use super::record::IncidentRecord;
use crate::policy::{Number, PostMortem, PostMortemReason};

/// The time over which classes of outages are added up: a quarter, as ninety days that end now.
pub const CLASSED_OVER: Duration = Duration::from_days(90);
/// Parts in which the share of a kept demand is written down.
const PARTS: u64 = 1_000_000;

/// Why a demand is not to be met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waived {
    /// Who answers for it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// A post-mortem, or a place in the next plan, that was demanded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptDemand {
    /// The service.
    pub service: String,
    /// The SLO whose budget was spent.
    pub slo: String,
    /// What it is demanded for.
    #[serde(rename = "for")]
    pub reason: PostMortemReason,
    /// The share of the budget when it arose, in millionths, rounded down.
    pub share_ppm: u64,
    /// When it arose.
    pub since: Timestamp,
    /// Why it is not to be met; `None` unless somebody said so.
    pub waived: Option<Waived>,
    /// The publication that does not meet it: the incident has come back since. `None` where any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
}

/// The publication after which the incident that `of` demands a write-up of for `slo` came back, and has spent more than
/// `least` of the budget beside what was written of, if `own` bad events are its own now; `None` where there is no such.
pub fn come_back(
    (slo, of, own): (&str, &PostMortem, u64),
    least: Rational,
    records: &[IncidentRecord],
    written: &[WriteUp],
) -> Option<Timestamp> {
    let PostMortemReason::Incident { id } = &of.reason else { return None };
    let record = records.iter().find(|record| record.incident.id == *id)?;
    let write_up = written.iter().find(|write_up| write_up.incident == *id)?;
    let at = write_up.published_last()?;
    // Of what it has spent the part that nothing was written of.
    let new = u128::from(own.saturating_sub(write_up.spent(slo)));
    let more = (u128::from(of.share.ppm()) * new).checked_div(u128::from(own))?;
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    let has_come = record.came_back.last().is_some_and(|back| *back > at);
    (has_come && Number::ratio(more, PARTS)? > Number::of(least)).then_some(at)
}

impl KeptDemand {
    /// What arises at `at` for `slo` of `service` by `of`, of which `own` bad events are its own now, unless it is among those
    /// `known`; of an incident that came back and has spent more than `least` since it was written up, a further edition.
    pub fn arising<'a>(
        (service, slo): (&str, &str),
        (of, own, least): (&PostMortem, u64, Rational),
        (records, written): (&[IncidentRecord], &[WriteUp]),
        mut known: impl Iterator<Item = &'a Self>,
        at: Timestamp,
    ) -> Option<Self> {
        let after = come_back((slo, of, own), least, records, written);
        let new = Self { after, ..Self::new((service, slo), of, at) };
        let is_known = known.any(|of| new.repeats(of, at));
        (!is_known).then_some(new)
    }

    /// Whether it is the same as the one that is `known`: for the same thing, and after the same publication.
    fn repeats(&self, known: &Self, at: Timestamp) -> bool {
        self.after == known.after && known.is_for((&self.slo, &self.reason), at)
    }

    /// What arises at `at` for `slo` of `service`.
    pub fn new((service, slo): (&str, &str), of: &PostMortem, at: Timestamp) -> Self {
        Self {
            service: service.to_owned(),
            slo: slo.to_owned(),
            reason: of.reason.clone(),
            share_ppm: of.share.ppm(),
            since: at,
            waived: None,
            after: None,
        }
    }

    /// Whether it is what `of` demands again for the same SLO at `at`: of an incident whenever, of a class within
    /// [`CLASSED_OVER`], since what has spent that long ago is not what spends now.
    pub fn is_again(&self, (slo, of): (&str, &PostMortem), at: Timestamp) -> bool {
        self.is_for((slo, &of.reason), at)
    }

    fn is_for(&self, (slo, reason): (&str, &PostMortemReason), at: Timestamp) -> bool {
        let is_near = match &self.reason {
            PostMortemReason::Incident { .. } => true,
            PostMortemReason::Class { .. } => self.since > at.minus(CLASSED_OVER),
        };
        is_near && self.slo == slo && self.reason == *reason
    }

    /// How it stands: by when it is due and whether it is met, by `records` and what is `written` of them. `None` when
    /// somebody waived it, and when the incident was a false alarm. A class is met by what was published since the
    /// outages that it was demanded for.
    pub fn stands(&self, records: &[IncidentRecord], written: &[WriteUp]) -> Option<Demand> {
        if self.waived.is_some() {
            return None;
        }
        let share = Number::ratio(self.share_ppm, PARTS)?;
        let of = PostMortem { reason: self.reason.clone(), share };
        let counts = |of: &&WriteUp| match (&self.reason, &of.state) {
            (PostMortemReason::Class { .. }, PostMortemState::Published { at, .. }) => {
                *at > self.since.minus(CLASSED_OVER)
            }
            (PostMortemReason::Incident { .. }, _) => {
                self.after.is_none_or(|after| of.published_last().is_some_and(|at| at > after))
            }
            _ => true,
        };
        let again = self.again(records, written);
        let written: Vec<WriteUp> = written.iter().filter(counts).cloned().collect();
        let stands = demands(vec![of], records, &written).pop()?;
        Some(Demand { again, ..stands })
    }

    /// The further edition that it asks for.
    fn again(&self, records: &[IncidentRecord], written: &[WriteUp]) -> Option<Again> {
        let (PostMortemReason::Incident { id }, Some(after)) = (&self.reason, self.after) else {
            return None;
        };
        let record = records.iter().find(|record| record.incident.id == *id);
        let write_up = written.iter().find(|write_up| write_up.incident == *id)?;
        Some(write_up.again(record, after))
    }
}
