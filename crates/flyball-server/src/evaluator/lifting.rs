//! Silences that are about the counts of a time alone, such as a drill's: they end as soon as a page fires without these.

use std::collections::HashMap;

use flyball_budget::live::{LiveError, Plan, Shadow};
use flyball_govern::SERVER;
use flyball_govern::alert::{Because, Subject};
use flyball_model::{
    Correction, CorrectionMode, Duration, Interval, Schedule, Slo, Slot, Tally, Timestamp,
};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};

use super::Evaluator;
use super::alerting::state_of;
use super::objective::{Objective, SliceHistory};

/// How far ahead corrections are expanded to look whether a silence still holds: beyond that it is looked at anew.
const AHEAD: Duration = Duration::from_days(1);

/// What alert rules would have done without the counts that silences are about, kept while it is looked at: each slot moves it
/// on instead of replaying the time since.
#[derive(Debug, Default)]
pub(super) struct Shadows(HashMap<(u64, Subject), Cast>);

/// What rules would have done for one subject under one silence.
#[derive(Debug)]
struct Cast {
    because: Because,
    /// Where the ledger keeps the counts; `None` before the first.
    slice: Option<SliceId>,
    shadow: Shadow,
}

impl Shadows {
    /// Takes in what the ledger has gained; what cannot be told of it is made anew.
    pub(super) fn record(
        &mut self,
        added: &HashMap<SliceId, Vec<(Slot, Tally)>>,
        snapshot: &LedgerSnapshot<'_>,
    ) {
        self.0.retain(|_, Cast { slice, shadow, .. }| {
            let added = slice.and_then(|slice| added.get(&slice));
            let history = SliceHistory { snapshot, slice: *slice };
            added.is_none_or(|added| shadow.record(added, &history).is_ok())
        });
    }

    /// Forgets all, because the ledger, or what is counted, is another.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a page would have fired up to `to` without the counts of `because`.
    fn pages(
        &mut self,
        key: &(u64, Subject),
        (because, slice): (Because, Option<SliceId>),
        to: Timestamp,
        (snapshot, plan): (
            &LedgerSnapshot<'_>,
            impl FnOnce() -> Result<Plan, LiveError<StoreError>>,
        ),
    ) -> Result<bool, LiveError<StoreError>> {
        let history = SliceHistory { snapshot, slice };
        let known = self.0.remove(key).filter(|of| of.because == because && of.slice == slice);
        if let Some(mut cast) = known
            && let Ok(pages) = cast.shadow.pages(to, &history)
        {
            self.0.insert(key.clone(), cast);
            return Ok(pages);
        }
        let mut shadow = Shadow::begin(plan()?, because.to, &history)?;
        let pages = shadow.pages(to, &history)?;
        self.0.insert(key.clone(), Cast { because, slice, shadow });
        Ok(pages)
    }
}

/// The plan of an objective as if nothing had been counted `during` a time.
fn plan_without(
    (slo, index, objective): (&Slo, usize, &Objective),
    during: Interval,
    corrections: &[Correction],
    now: Timestamp,
) -> Result<Plan, LiveError<StoreError>> {
    let mut corrections = corrections.to_vec();
    corrections.push(Correction {
        name: String::new(),
        slos: vec![slo.name.clone()],
        schedule: Schedule::Once(during),
        mode: CorrectionMode::Drop,
        category: String::new(),
        author: String::new(),
        reason: None,
    });
    let (since, until) = (objective.plan.since(), now.plus(AHEAD));
    Ok(Plan::new(slo, index, Ledger::SLOT_WIDTH, &corrections, since, until)?)
}

impl Evaluator {
    /// Ends the silences of which the time that they are about does not explain what fires: what fires is told then.
    pub(super) fn lift_silences(&mut self) {
        let now = self.clock.now();
        let desk = self.desk();
        let about = desk.silences().filter(|silence| !silence.is_announced);
        let mut doubted: Vec<(u64, Because, Vec<Subject>)> = Vec::new();
        let about = about.filter_map(|of| Some((of, of.because_of?)));
        // While the time goes on that it is about, all that fires may be because of that.
        for (silence, because) in about.filter(|(_, because)| because.to <= self.at) {
            let fires = desk.firing_under(silence).map(|alert| alert.subject.clone());
            doubted.push((silence.id, because, fires.collect()));
        }
        let is_doubted = |(id, subject): &(u64, Subject)| {
            doubted.iter().any(|(known, _, fires)| known == id && fires.contains(subject))
        };
        self.shadows.0.retain(|key, _| is_doubted(key));
        for (id, because, subjects) in doubted {
            let pages = |subject| self.pages_without(&(id, subject), because, now);
            if !subjects.into_iter().any(pages) {
                continue;
            }
            if let Err(error) = self.end_silence(id, SERVER) {
                tracing::error!(silence = id, %error, "a silence that holds no more is not ended");
            }
        }
    }

    /// Whether a page would have fired for the subject of `key` since the end of `without`, had nothing been counted in that
    /// time.
    fn pages_without(&mut self, key: &(u64, Subject), without: Because, now: Timestamp) -> bool {
        let Self { watched, ledger, catalog, telemetry, shadows, at, .. } = self;
        let Some((slo, index, objective, state)) = state_of(watched, &key.1) else { return false };
        let Ok(during) = Interval::new(without.from, without.to) else { return false };
        let snapshot = ledger.snapshot().map_err(LiveError::History);
        let pages = snapshot.and_then(|snapshot| {
            let corrections = &catalog.set.corrections;
            let plan = || plan_without((slo, index, objective), during, corrections, now);
            shadows.pages(key, (without, state.slice), *at, (&snapshot, plan))
        });
        pages.unwrap_or_else(|error| {
            telemetry.state_failed(&slo.name, &error);
            // Rather one call too many than an outage of which nobody hears.
            true
        })
    }
}
