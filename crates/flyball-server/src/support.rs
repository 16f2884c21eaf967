//! What support of services costs beside what it protects: what is known of a service, and what somebody has chosen.
//!
//! `flyball-govern` computes; here it is given what the ledger, incidents and documents know. What only people know,
//! such as what kind of thing a service is and how much hangs on its traffic, is kept with the choice that they make.

use flyball_budget::correction::{dropped, expand};
use flyball_budget::{Account, Frame};
use flyball_govern::SERVER;
use flyball_govern::hours::Hours;
use flyball_govern::incident::IncidentRecord;
use flyball_govern::money::{
    Basis, Load, Money, Product, SupportChoice, SupportCosts, Traffic, is_observed,
};
use flyball_govern::risk::YEAR;
use flyball_govern::service::ServiceSpec;
use flyball_model::{BudgetingMethod, Correction, Duration, Interval, Timestamp};
use flyball_store::{Ledger, LedgerSnapshot, NewRecord, RecordBound, RecordFilter, SliceId};
use serde_json::json;

use crate::changes::ChangesError;
use crate::control::SharedControl;
use crate::evaluator::{ServedError, SloCounts, corrected_series, steps};

/// What such records are called.
const CHOICE: &str = "support";
/// The most choices that are kept: a few of each of many services.
const CHOICES: RecordBound = RecordBound { rows: 10_000, bytes: 16 << 20 };
/// The shortest time from which it is told how often a service is called in a year: what is scaled from less is a
/// guess.
const LOAD_OBSERVED_MIN: Duration = Duration::from_days(28);
/// The hours of a week, over which call-outs are taken to be spread evenly.
const WEEK: Duration = Duration::from_days(7);

/// Keeps a choice for `service`. On disk when this returns.
///
/// # Errors
///
/// [`ChangesError`]; nothing was kept then.
pub(crate) fn keep(
    control: &SharedControl,
    service: &str,
    choice: &SupportChoice,
) -> Result<(), ChangesError> {
    let SupportChoice { who, at, target, model, out_of_hours, .. } = choice;
    let detail = json!({
        "service": service, "target": target, "model": model, "out_of_hours": out_of_hours,
    });
    let (id, text) = (format!("{service}:{at}"), json!(choice).to_string());
    let new = NewRecord { kind: CHOICE, id, service: Some(service.to_owned()), at: *at, text };
    control.lock().note(who, *at, |noting| {
        noting.keep(&new, CHOICES, Some(("support.choose", &detail))).map(|_| ())
    })?;
    Ok(())
}

/// The choices that were made for `service`, each with its number, the last first.
///
/// # Errors
///
/// [`ChangesError::Store`]. What cannot be read is of another version, and left out.
pub(crate) fn choices(
    control: &SharedControl,
    service: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, SupportChoice)>, ChangesError> {
    let services = [service.to_owned()];
    let filter = RecordFilter { services: Some(&services), before, limit };
    let found = control.lock().records(CHOICE, &filter)?;
    let read = |of: &flyball_store::Record| Some((of.number, serde_json::from_str(&of.text).ok()?));
    Ok(found.iter().filter_map(read).collect())
}

/// What such records are called.
const DRIFT: &str = "support.drift";

/// What was found to have left the choice for `service` when it was looked last, in sentences; empty where nothing has.
///
/// # Errors
///
/// [`ChangesError::Store`].
pub(crate) fn drifted(control: &SharedControl, service: &str) -> Result<Vec<String>, ChangesError> {
    let found = control.lock().record(DRIFT, service)?;
    Ok(found.and_then(|of| serde_json::from_str(&of.text).ok()).unwrap_or_default())
}

/// Keeps what has left the choice for `service`; whether it is news. On disk when this returns.
///
/// # Errors
///
/// [`ChangesError`]; nothing was kept then.
pub(crate) fn keep_drifted(
    control: &SharedControl,
    service: &str,
    said: &[String],
    at: Timestamp,
) -> Result<bool, ChangesError> {
    if drifted(control, service)? == said {
        return Ok(false);
    }
    let detail = json!({ "service": service, "said": said });
    let (id, text) = (service.to_owned(), json!(said).to_string());
    let new = NewRecord { kind: DRIFT, id, service: Some(service.to_owned()), at, text };
    control.lock().note(SERVER, at, |noting| {
        noting.keep(&new, CHOICES, Some(("support.drift", &detail))).map(|_| ())
    })?;
    Ok(true)
}

/// What a choice is made from, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inputs {
    pub(crate) an_hour: Option<Money>,
    pub(crate) product: Option<Product>,
    pub(crate) interval: Option<Duration>,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) reviewed: Option<bool>,
    pub(crate) missed: Option<bool>,
    pub(crate) load: Option<Load>,
}

impl Inputs {
    /// What the document of a service says.
    pub(crate) fn said(spec: Option<&ServiceSpec>) -> Self {
        let an_hour = spec.and_then(|spec| spec.revenue_per_hour.as_ref()?.money());
        let interval = spec.and_then(|spec| spec.delivery.targets.interval);
        Self { an_hour, interval, ..Self::default() }
    }

    /// What a choice was made from.
    pub(crate) const fn chosen(basis: &Basis) -> Self {
        let Basis { an_hour, product, interval, traffic, reviewed, missed, load } = *basis;
        Self {
            an_hour: Some(an_hour),
            product: Some(product),
            interval: Some(interval),
            traffic: Some(traffic),
            reviewed: Some(reviewed),
            missed: Some(missed),
            load: Some(load),
        }
    }

    /// These, and where they say nothing `others`.
    #[must_use]
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            an_hour: self.an_hour.or(others.an_hour),
            product: self.product.or(others.product),
            interval: self.interval.or(others.interval),
            traffic: self.traffic.or(others.traffic),
            reviewed: self.reviewed.or(others.reviewed),
            missed: self.missed.or(others.missed),
            load: self.load.or(others.load),
        }
    }

    /// Whether each is known, by its name.
    const fn each(&self) -> [(&'static str, bool); 7] {
        [
            ("an_hour", self.an_hour.is_some()),
            ("product", self.product.is_some()),
            ("interval", self.interval.is_some()),
            ("traffic", self.traffic.is_some()),
            ("reviewed", self.reviewed.is_some()),
            ("missed", self.missed.is_some()),
            ("load", self.load.is_some()),
        ]
    }

    /// The names of those that are known.
    pub(crate) fn known(&self) -> Vec<&'static str> {
        self.each().into_iter().filter_map(|(name, is_known)| is_known.then_some(name)).collect()
    }

    /// All of them together.
    ///
    /// # Errors
    ///
    /// The names of those that nobody knows.
    pub(crate) fn basis(self) -> Result<Basis, Vec<&'static str>> {
        let Self { an_hour, product, interval, traffic, reviewed, missed, load } = self;
        if let (Some(an_hour), Some(product), Some(interval), Some(traffic)) =
            (an_hour, product, interval, traffic)
            && let (Some(reviewed), Some(missed), Some(load)) = (reviewed, missed, load)
        {
            return Ok(Basis { an_hour, product, interval, traffic, reviewed, missed, load });
        }
        let missing = self.each().into_iter().filter(|(_, is_known)| !is_known);
        Err(missing.map(|(name, _)| name).collect())
    }
}

/// What was seen of how often a service fails and somebody is called.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Seen {
    /// Failures: incidents in production that no drill caused.
    pub(crate) failures: u64,
    /// Calls of its rotas; null without a rota.
    pub(crate) calls: Option<u64>,
    /// Whether there were more incidents or calls than are looked at.
    pub(crate) is_cut: bool,
}

/// How often a service fails and somebody is called in a year, from the `incidents` of `observed` and the `calls` of its
/// rotas, each with how long somebody worked; `None` when that is shorter than [`LOAD_OBSERVED_MIN`].
///
/// A call-out is a call, or a failure that was known, outside of the team's working `hours`, whichever there are more of:
/// a rota may be younger than the time that is looked at. Where nobody says the hours, they are taken to be spread evenly
/// over the week. Call-outs last as calls did, else from when somebody knew until users were served, without the times in
/// which it was over before it came back, on average; where that is not known, for as long as is paid at least. Counts are rounded up.
pub(crate) fn load(
    incidents: &[IncidentRecord],
    calls: &[(Timestamp, Option<Duration>)],
    observed: Interval,
    costs: &SupportCosts,
    hours: Option<&Hours>,
) -> Option<Load> {
    if observed.length() < LOAD_OBSERVED_MIN {
        return None;
    }
    let calls: Vec<_> = calls.iter().filter(|(at, _)| observed.contains(*at)).collect();
    let began = |of: &&IncidentRecord| of.incident.opened().is_some_and(|at| observed.contains(at));
    let failures: Vec<&IncidentRecord> = incidents.iter().filter(began).collect();
    let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
    let a_year = |count: usize| (count as u128 * nanos(YEAR)).div_ceil(nanos(observed.length()));
    let whole = |count: u128| u32::try_from(count).unwrap_or(u32::MAX);
    let failures_a_year = a_year(failures.len());
    // Of a zone that is not known nothing is told.
    let is_out = |at: Option<Timestamp>| {
        let (hours, at) = (hours?, at?);
        hours.cover(at, at).map(|is_in| !is_in)
    };
    let outs = |moments: Vec<Option<Timestamp>>| {
        let known: Option<Vec<bool>> = moments.iter().map(|at| is_out(*at)).collect();
        match known.filter(|_| hours.is_some()) {
            Some(known) => a_year(known.into_iter().filter(|is_out| *is_out).count()),
            None => (a_year(moments.len()) * nanos(costs.spec.out_of_hours)).div_ceil(nanos(WEEK)),
        }
    };
    let by_incidents = outs(failures.iter().map(|of| of.incident.known()).collect());
    let by_calls = outs(calls.iter().map(|(at, _)| Some(*at)).collect());
    let call_outs = by_incidents.max(by_calls);
    let worked: Vec<i128> =
        calls.iter().filter_map(|(_, worked)| Some(i128::from((*worked)?.nanos()))).collect();
    let lasted = failures.iter().filter_map(|of| {
        let (from, to) = of.incident.known().zip(of.incident.served_again())?;
        let parts = of.parts(from, to);
        (from <= to).then(|| parts.iter().map(|part| i128::from(part.length().nanos())).sum())
    });
    let lasted: Vec<i128> = if worked.is_empty() { lasted.collect() } else { worked };
    let mean = lasted.iter().sum::<i128>().checked_div(lasted.len() as i128);
    let mean = mean.and_then(|nanos| Duration::from_nanos(i64::try_from(nanos).ok()?));
    Some(Load {
        call_outs_a_year: whole(call_outs),
        call_out_lasts: mean.unwrap_or(costs.spec.call_out_shortest),
        failures_a_year: whole(failures_a_year),
    })
}

/// The weeks of `during`, the last ending where it does; a rest at the beginning is left out.
pub(crate) fn weeks(during: Interval) -> Vec<Interval> {
    let count = during.length().nanos() / WEEK.nanos();
    let mut end = during.end();
    let mut found: Vec<Interval> = (0..count)
        .map(|_| {
            let week = Interval::ending(end, WEEK);
            end = week.start();
            week
        })
        .collect();
    found.reverse();
    found
}

/// The burn of the budgets of `slos` in each of `weeks`, on average over their objectives: 1 spends a budget in its
/// window. `None` for a week in which nothing was valid, or of which less than half was counted.
///
/// # Errors
///
/// A ledger that cannot be read, a correction that cannot be expanded.
pub(crate) fn burn(
    snapshot: &LedgerSnapshot<'_>,
    slos: &[SloCounts],
    corrections: &[Correction],
    weeks: &[Interval],
) -> Result<Vec<Option<f64>>, ServedError> {
    let mut found = Vec::with_capacity(weeks.len());
    for week in weeks {
        let mut burns: Vec<f64> = Vec::new();
        for counts in slos {
            let counted = week.end().since(counts.since.clamp(week.start(), week.end()));
            let objectives = counts.objectives.iter().zip(&counts.slo.objectives);
            for (objective, promise) in objectives.filter(|_| is_observed(counted, WEEK)) {
                let slices: Vec<SliceId> = objective.total.into_iter().collect();
                let is_sliced = counts.slo.method == BudgetingMethod::Timeslices;
                let width = promise.timeslice_window.filter(|_| is_sliced);
                let expanded = expand(corrections, &counts.slo.name, *week)?;
                let taken_out = dropped(&expanded);
                let (mut valid, mut bad) = (0_u64, 0_u64);
                for step in steps(*week, width.unwrap_or(Ledger::SLOT_WIDTH)) {
                    let name = &counts.slo.name;
                    let series = corrected_series(snapshot, &slices, step, name, corrections)?;
                    let begin = counts.since.clamp(step.start(), step.end());
                    let span = Interval::starting(begin, step.end().since(begin));
                    let frame = Frame { span, dropped: &taken_out, no_data: counts.slo.no_data };
                    let account = Account::new(&series, counts.slo.method, promise, &frame)?;
                    let sum = if is_sliced { account.units() } else { &series }.sum(step);
                    valid = valid.saturating_add(sum.valid());
                    bad = bad.saturating_add(sum.bad());
                }
                if valid > 0 {
                    let ratio = bad as f64 / valid as f64;
                    burns.push(ratio / promise.target.error_budget().to_f64());
                }
            }
        }
        let count = burns.len() as f64;
        found.push((!burns.is_empty()).then(|| burns.iter().sum::<f64>() / count));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use flyball_govern::incident::{Calm, Opened};
    use flyball_model::Incident;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// An hour from `from` on.
    fn incident(id: &str, from: &str) -> IncidentRecord {
        let known = at(from);
        let incident = Incident {
            detected: Some(known),
            resolved: Some(known.plus(Duration::from_hours(1))),
            ..Incident::new(id.to_owned())
        };
        IncidentRecord::new(incident, Opened::ByAlerts { alerts: Vec::new() }, known)
    }

    #[test]
    fn what_is_known_of_a_year_is_scaled_and_rounded_up() {
        let governance = flyball_catalog::governance(&flyball_spec::load(&[]).0).0;
        let costs = governance.support_costs(None).unwrap();
        // A Monday at ten, a Sunday at ten, and one before the time that was observed.
        let mut incidents = [
            incident("a", "2026-03-02T10:00:00Z"),
            incident("b", "2026-03-08T10:00:00Z"),
            incident("c", "2026-01-01T10:00:00Z"),
        ];
        let begin = at("2026-02-16T00:00:00Z");
        let month = Interval::starting(begin, Duration::from_days(28));
        let hours: Hours = serde_json::from_str(r#"{"timeZone": "UTC"}"#).unwrap();
        let load_of = |incidents: &[_], hours| load(incidents, &[], month, costs, hours).unwrap();
        let of = |hours| load_of(&incidents, hours);
        // 365.25 / 28 is 13.04: twice that is 26.09.
        let known = of(Some(&hours));
        assert_eq!((known.failures_a_year, known.call_outs_a_year), (27, 14));
        assert_eq!(known.call_out_lasts, Duration::from_hours(1));
        // 128 of 168 hours of 27.
        assert_eq!((of(None).failures_a_year, of(None).call_outs_a_year), (27, 21));
        let short = Interval::starting(begin, Duration::from_days(27));
        assert_eq!(load(&incidents, &[], short, costs, None), None, "a guess is no measurement");
        assert_eq!(load(&[], &[], month, costs, None).unwrap().failures_a_year, 0);
        // Of one that came back the time in between is no work.
        let known = at("2026-03-02T10:00:00Z");
        let (from, to) =
            (known.plus(Duration::from_minutes(20)), known.plus(Duration::from_minutes(50)));
        incidents[0].calm.push(Calm { from, to });
        assert_eq!(load_of(&incidents, None).call_out_lasts, Duration::from_minutes(45));
        // Three calls on a Sunday say more than one incident, and how long somebody worked.
        let minutes = |of| Some(Duration::from_minutes(of));
        let sunday = |text: &str, worked| (at(text), worked);
        let calls = [
            sunday("2026-03-01T10:00:00Z", minutes(20)),
            sunday("2026-03-08T03:00:00Z", minutes(40)),
            sunday("2026-03-08T10:00:00Z", None),
        ];
        let of = load(&incidents, &calls, month, costs, Some(&hours)).unwrap();
        assert_eq!((of.failures_a_year, of.call_outs_a_year), (27, 40));
        assert_eq!(of.call_out_lasts, Duration::from_minutes(30));
    }

    #[test]
    fn weeks_end_where_the_time_ends() {
        let end = at("2026-03-02T12:00:00Z");
        let found = weeks(Interval::ending(end, Duration::from_days(15)));
        assert_eq!(found.len(), 2, "a rest of a day is left out");
        assert_eq!((found[1].end(), found[0].end()), (end, found[1].start()));
        assert_eq!(weeks(Interval::ending(end, Duration::from_days(6))), []);
    }
}
