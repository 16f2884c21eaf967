//! Which failures came of which risks: said by people, kept, and held beside what the register says.
//!
//! An incident, a change or a drill is an occurrence of a risk when somebody has said so; nothing is guessed. What
//! nobody has named is counted, so that a register which agrees with what was measured of half of it does not pass for
//! a whole.

use std::collections::{BTreeMap, BTreeSet};

use flyball_budget::live::LiveError;
use flyball_catalog::Catalog;
use flyball_govern::risk::{Occurrence, Register, Risk, RiskObjective, ToldBy};
use flyball_model::{Change, ChangeKind, Incident, Interval, Timestamp};
use flyball_store::{
    Ledger, LedgerSnapshot, NewRecord, Noting, RecordBound, RecordFilter, StoreError,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::changes::{ChangesError, DrillMeasured, Kept};
use crate::control::SharedControl;
use crate::evaluator::{SloCounts, steps};

/// What such records are called.
const NAMING: &str = "risk";
/// The most that are kept: one for each incident.
const NAMINGS: RecordBound = RecordBound { rows: 20_000, bytes: 32 << 20 };
/// The most of one service that are looked at when its risks are measured.
const NAMINGS_SEEN: RecordBound = RecordBound { rows: 5_000, bytes: 8 << 20 };
/// The failures whose shares are read from the ledger, the latest first: each reads a stretch of it.
const READ_MAX: usize = 500;
/// The longest failure whose share is read; what lasts longer is how the service is.
const READ_LONGEST: flyball_model::Duration = flyball_model::Duration::from_days(7);

/// What somebody has said a failure came of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Naming {
    /// The service.
    pub(crate) service: String,
    /// The incident, change or drill, by its id.
    pub(crate) posting: String,
    /// The risk; `None` takes back what was said.
    pub(crate) risk: Option<String>,
    /// Who said so.
    pub(crate) who: String,
    /// Why, in a sentence.
    pub(crate) why: String,
    /// When.
    pub(crate) at: Timestamp,
}

/// Keeps what somebody says; the last word on a failure counts. On disk when this returns.
///
/// # Errors
///
/// [`ChangesError`]; nothing was kept then.
pub(crate) fn keep(control: &SharedControl, naming: &Naming) -> Result<(), ChangesError> {
    control.lock().note(&naming.who, naming.at, |noting| note(noting, naming))
}

/// As [`keep`], in a transaction that keeps more.
///
/// # Errors
///
/// [`ChangesError`].
pub(crate) fn note(noting: &Noting<'_>, naming: &Naming) -> Result<(), ChangesError> {
    let Naming { service, posting, risk, why, at, .. } = naming;
    let detail = json!({ "service": service, "posting": posting, "risk": risk, "why": why });
    let (id, text) = (format!("{service}:{posting}"), json!(naming).to_string());
    let new = NewRecord { kind: NAMING, id, service: Some(service.clone()), at: *at, text };
    noting.keep(&new, NAMINGS, Some(("risk.name", &detail)))?;
    Ok(())
}

/// What was said of failures of `service`, each with its number, those that were first said last first.
///
/// # Errors
///
/// [`ChangesError::Store`]. What cannot be read is of another version, and left out.
pub(crate) fn page(
    control: &SharedControl,
    service: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, Naming)>, ChangesError> {
    let services = [service.to_owned()];
    let filter = RecordFilter { services: Some(&services), before, limit };
    let found = control.lock().records(NAMING, &filter)?;
    let read = |of: &flyball_store::Record| Some((of.number, serde_json::from_str(&of.text).ok()?));
    Ok(found.iter().filter_map(read).collect())
}

/// The risk of each failure of `service` that has one, by the failure's id; and whether these are all.
///
/// # Errors
///
/// [`ChangesError::Store`].
pub(crate) fn named(
    control: &SharedControl,
    service: &str,
) -> Result<(BTreeMap<String, String>, bool), ChangesError> {
    let services = [service.to_owned()];
    let always = (Timestamp::MIN, Timestamp::MAX);
    let (found, are_all) = control.lock().records_of(NAMING, &services, always, NAMINGS_SEEN)?;
    let read = |of: &flyball_store::Record| serde_json::from_str::<Naming>(&of.text).ok();
    let namings = found.iter().filter_map(read);
    Ok((namings.filter_map(|of| Some((of.posting, of.risk?))).collect(), are_all))
}

/// The objectives whose budgets risks of `service` can spend: those of `slo` where one is named. Composites promise
/// what their parts do.
pub(crate) fn objectives(
    catalog: &Catalog,
    service: &str,
    slo: Option<&str>,
) -> Vec<RiskObjective> {
    let is_asked = |name: &str| slo.is_none_or(|asked| asked == name);
    let own =
        catalog.set.slos.iter().filter(|of| of.service == service && of.composition.is_none());
    let own = own.filter(|of| is_asked(&of.name));
    let each = own.flat_map(|slo| {
        let window = flyball_budget::nominal_length(&slo.window);
        slo.objectives.iter().map(move |objective| RiskObjective {
            slo: slo.name.clone(),
            target: objective.target,
            window,
        })
    });
    each.collect()
}

/// What draws are keyed by where nobody says: the same for the same register.
pub(crate) fn seed(register: &Register) -> u64 {
    let text = json!({ "rules": register.rules(), "risks": register.risks() }).to_string();
    let digest = Sha256::digest(text.as_bytes());
    // 53 bits, so that it is the same number in JavaScript.
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes) >> 11
}

/// What failed of a service, by the risk that it came of.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// By risk, in no order.
    pub(crate) occurrences: BTreeMap<String, Vec<Occurrence>>,
    /// The failures that came of no risk that somebody has named, the latest first.
    pub(crate) unnamed: Vec<Unnamed>,
}

/// A failure that came of no risk that somebody has named.
#[derive(Debug)]
pub(crate) struct Unnamed {
    /// The incident or change, by its id.
    pub(crate) id: String,
    /// The class of outage, where somebody has classified it.
    class: Option<String>,
    /// The kind of the change that caused it, or that it is.
    cause: Option<ChangeKind>,
}

impl Unnamed {
    /// Whether it is likely to have come of `risk`, by what that matches.
    pub(crate) fn fits(&self, risk: &Risk) -> bool {
        let matches = risk.spec.matches.as_ref();
        matches.is_some_and(|of| of.fits(self.class.as_deref(), self.cause))
    }
}

impl Failures {
    /// What is known of `changes` and `incidents`, the latest first, given which risk each came of, and what drills
    /// measured by the ids of their changes; `classes` are those that people have put them into.
    ///
    /// An incident that a change caused is one failure with it: of that risk which either is said to come of.
    pub(crate) fn of(
        changes: &[Kept],
        incidents: &[Incident],
        (named, measured): (&BTreeMap<String, String>, &BTreeMap<String, DrillMeasured>),
        classes: &BTreeMap<String, String>,
    ) -> Self {
        let mut found = Self::default();
        let kinds = changes.iter().map(|kept| (&*kept.change.id, kept.change.kind));
        let kinds: BTreeMap<&str, ChangeKind> = kinds.collect();
        let drills = changes.iter().map(|kept| &kept.change).filter(|change| is_drill(change));
        let drills: BTreeSet<&str> = drills.map(|of| &*of.id).collect();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for incident in incidents {
            let cause = incident.cause.as_deref();
            told.extend(cause);
            let risk = named.get(&incident.id).or_else(|| named.get(cause?));
            let mut occurrence = Occurrence::of_incident(incident, None);
            if cause.is_some_and(|cause| drills.contains(cause)) {
                occurrence.source = ToldBy::Drill;
            }
            let cause = cause.and_then(|cause| kinds.get(cause).copied());
            found.add(risk, occurrence, (classes.get(&incident.id), cause));
        }
        for kept in changes.iter().filter(|kept| !told.contains(kept.change.id.as_str())) {
            let change = &kept.change;
            let risk = named.get(&change.id);
            if is_drill(change) {
                // A drill without an incident, whose alerts were not looked at either, tells that nobody noticed, and not
                // how long that took.
                let measured = measured.get(&change.id);
                let occurrence = Occurrence {
                    started: change.started.or(change.shipped()),
                    detected: measured.and_then(|of| of.detected),
                    ended: measured.and_then(|of| of.recovered).or(change.finished),
                    source: ToldBy::Drill,
                    ..Occurrence::of_change(change, None, None, None)
                };
                if risk.is_some() {
                    found.add(risk, occurrence, (None, None));
                }
                continue;
            }
            let broken = kept.breaks.first();
            if risk.is_none() && broken.is_none() {
                continue;
            }
            let ended = kept.failing(incidents).map(|failing| failing.repaired);
            let occurrence = Occurrence::of_change(change, broken, ended, None);
            found.add(risk, occurrence, (classes.get(&change.id), Some(change.kind)));
        }
        found
    }

    fn add(
        &mut self,
        risk: Option<&String>,
        occurrence: Occurrence,
        (class, cause): (Option<&String>, Option<ChangeKind>),
    ) {
        match risk {
            Some(risk) => self.occurrences.entry(risk.clone()).or_default().push(occurrence),
            None if occurrence.source == ToldBy::Drill => {}
            None => {
                self.unnamed.push(Unnamed { id: occurrence.id, class: class.cloned(), cause });
            }
        }
    }

    /// Reads from the ledger which share of events each failure hit: of the SLOs that its risk spends that which
    /// fared worst, corrections left out, for what was agreed afterwards was felt all the same. Answers whether it
    /// was read of all of them.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read.
    pub(crate) fn read(
        &mut self,
        snapshot: &LedgerSnapshot<'_>,
        register: &Register,
        counts: &[SloCounts],
    ) -> Result<bool, LiveError<StoreError>> {
        let mut left = READ_MAX;
        for risk in register.risks() {
            let Some(occurrences) = self.occurrences.get_mut(&risk.name) else { continue };
            let spends = |of: &&SloCounts| {
                risk.spec.slos.is_empty() || risk.spec.slos.contains(&of.slo.name)
            };
            for occurrence in occurrences {
                // Where nobody knows when the first user was hit, the share is that from when somebody knew.
                let began = occurrence.started.or(occurrence.detected);
                let Some(time) = began.zip(occurrence.ended).and_then(lasted) else {
                    continue;
                };
                if left == 0 {
                    return Ok(false);
                }
                left -= 1;
                for counts in counts.iter().filter(spends) {
                    let read = share(snapshot, counts, time)?;
                    occurrence.share = worse(occurrence.share, read);
                }
            }
        }
        Ok(true)
    }
}

/// Whether a change breaks something on purpose.
fn is_drill(change: &Change) -> bool {
    change.kind == ChangeKind::Drill
}

/// The slots of a failure; `None` where it is too long, or ends before it begins.
fn lasted((start, end): (Timestamp, Timestamp)) -> Option<Interval> {
    let width = Ledger::SLOT_WIDTH;
    let time = Interval::new(start.floor(width), end.ceil(width)).ok()?;
    (!time.is_empty() && time.length() <= READ_LONGEST).then_some(time)
}

/// Bad and valid events of an SLO's first objective in `time`; `None` where there are none.
fn share(
    snapshot: &LedgerSnapshot<'_>,
    counts: &SloCounts,
    time: Interval,
) -> Result<Option<(u64, u64)>, LiveError<StoreError>> {
    let Some(slice) = counts.objectives.first().and_then(|objective| objective.total) else {
        return Ok(None);
    };
    let (mut bad, mut valid) = (0_u64, 0_u64);
    for step in steps(time, Ledger::SLOT_WIDTH) {
        for (_, tally) in snapshot.tallies(slice, step).map_err(LiveError::History)? {
            (bad, valid) = (bad.saturating_add(tally.bad()), valid.saturating_add(tally.valid()));
        }
    }
    Ok((valid > 0).then_some((bad, valid)))
}

/// That of two shares which is larger, exactly.
fn worse(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let less =
                u128::from(one.0) * u128::from(other.1) < u128::from(other.0) * u128::from(one.1);
            Some(if less { other } else { one })
        }
        (one, other) => one.or(other),
    }
}
