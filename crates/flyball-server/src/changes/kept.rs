//! One change as it is kept, and as it is shown.

use flyball_connect::Hook;
use flyball_govern::delivery::Judgement;
use flyball_govern::gate::Failing;
use flyball_govern::restore::Restoring;
use flyball_govern::verdict::{Answer, ChangeVerdict, ObjectiveVerdict, Suggestion};
use flyball_govern::warranty::life;
use flyball_model::{Break, BreakCause, Change, ChangeKind, Incident, Phase, Timestamp, Warranty};
use flyball_store::Record;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ChangesError;
use crate::auth::Caller;
use crate::http::shapes;

/// A change with what is known of what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// In which order changes were first heard of; 0 before it is kept.
    #[serde(skip)]
    pub(crate) number: u64,
    pub(crate) change: Change,
    /// What broke it, the earliest first; at most [`Self::BREAKS_MAX`].
    pub(crate) breaks: Vec<Break>,
    /// What it did to users, as far as it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<ChangeVerdict>,
    /// What is done about it, the earliest first; at most [`Self::RESTORES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) restores: Vec<Restoring>,
}

/// A change and where it is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangeView {
    /// In which order changes were first heard of.
    number: u64,
    /// What is known of it.
    #[schema(value_type = shapes::ChangeFields)]
    change: Change,
    /// Where it is in its life.
    #[schema(value_type = shapes::ChangeLife)]
    life: Phase,
    /// What it did to the objectives of its service, as far as it was looked at; null before that.
    #[schema(value_type = Option<shapes::ChangeVerdict>)]
    verdict: Option<ChangeVerdict>,
    /// What to do about it, where it regressed and nothing has restored the service yet.
    #[schema(value_type = Option<shapes::ChangeSuggestion>)]
    suggestion: Option<Suggestion>,
    /// What was planned, begun or done about it by restore actions, the earliest first.
    #[schema(value_type = Vec<shapes::ChangeRestore>)]
    restores: Vec<Restoring>,
}

impl ChangeView {
    /// As `caller` may see it: without what services that they may not see promise.
    #[must_use]
    pub(crate) fn seen_by(mut self, caller: &Caller) -> Self {
        if let Some(verdict) = &mut self.verdict {
            let is_seen = |of: &ObjectiveVerdict| {
                of.dependant.as_ref().is_none_or(|service| caller.sees(service))
            };
            verdict.objectives.retain(is_seen);
        }
        self
    }
}

/// Whether users met `change`: it is of production, or says nothing of where it is.
pub(crate) fn is_in_production(change: &Change) -> bool {
    change.environment.as_deref().is_none_or(|of| of == Hook::ENVIRONMENT)
}

impl Kept {
    /// The most pages that are kept as breaks of a change: the earliest counts, and may turn out to lie
    /// outside of its warranty.
    const PAGES_MAX: usize = 16;
    /// The most breaks of all kinds.
    const BREAKS_MAX: usize = 64;
    /// The most uses of restore actions: one for each action and slice.
    pub(super) const RESTORES_MAX: usize = 16;

    pub(super) fn new(change: Change) -> Self {
        let (breaks, restores) = (Vec::new(), Vec::new());
        Self { number: 0, change, breaks, verdict: None, restores }
    }

    /// What is kept in `record`.
    pub(super) fn read(record: &Record) -> Result<Self, ChangesError> {
        let kept: Self = super::told::parse(record)?;
        Ok(Self { number: record.number, ..kept })
    }

    /// Sets what broke it. `false` when that was known.
    pub(super) fn is_broken_by(&mut self, breaks: &[Break]) -> bool {
        let mut pages = 0;
        let is_kept = |news: &&Break| {
            pages += usize::from(matches!(news.cause, BreakCause::Page(_)));
            !matches!(news.cause, BreakCause::Page(_)) || pages <= Self::PAGES_MAX
        };
        let breaks: Vec<Break> =
            breaks.iter().filter(is_kept).take(Self::BREAKS_MAX).cloned().collect();
        let is_news = self.breaks != breaks;
        self.breaks = breaks;
        is_news
    }

    /// What came of it, as far as it is known: what its verdict says of it, and what broke it within its
    /// warranty. By these delivery is measured.
    pub(crate) fn outcome(&self) -> (Option<Judgement>, Option<Break>) {
        let judged = self.verdict.as_ref().map(|verdict| match verdict.answer {
            Answer::Healthy => Judgement::Healthy,
            Answer::Regressed => Judgement::Regressed,
            Answer::Undecided => Judgement::Undecided,
        });
        let life = life(&self.change, Warranty::DEFAULT, &self.breaks);
        (judged, life.broken().cloned())
    }

    /// How long users had to do with it, if it failed and that is known.
    pub(crate) fn failing(&self, incidents: &[Incident]) -> Option<Failing> {
        Failing::of(&self.change, Warranty::DEFAULT, &self.breaks, incidents)
    }

    /// Where it is in its life at `now`.
    pub(crate) fn phase(&self, now: Timestamp) -> Phase {
        let mut life = life(&self.change, Warranty::DEFAULT, &self.breaks);
        if let Some(healthy) = self.verdict.as_ref().and_then(ChangeVerdict::healthy_since) {
            // What was decided before it had shipped ends no observation.
            let _ = life.observe(healthy);
        }
        life.phase(now)
    }

    /// The change as it is at `now`, among `others`.
    pub(super) fn view(self, others: &[Change], now: Timestamp) -> ChangeView {
        let (life, suggestion) = (self.phase(now), self.suggestion(others, now));
        let Self { number, change, verdict, restores, breaks: _ } = self;
        ChangeView { number, change, life, verdict, suggestion, restores }
    }

    /// What to do about it at `now`, among `others`; `None` where there is nothing to do.
    pub(crate) fn suggestion(&self, others: &[Change], now: Timestamp) -> Option<Suggestion> {
        let Self { change, breaks, verdict, .. } = self;
        // A drill ends by itself.
        let is_over = !self.is_answered_for(now) || change.kind == ChangeKind::Drill;
        verdict.as_ref().filter(|_| !is_over)?.suggestion(change, others, breaks, now)
    }

    /// Whether it is answered for at `now`: later, other changes lie over it.
    pub(crate) fn is_answered_for(&self, now: Timestamp) -> bool {
        let held = self.change.shipped().map(|shipped| shipped.plus(Warranty::DEFAULT.hold()));
        held.is_none_or(|until| now < until)
    }
}
