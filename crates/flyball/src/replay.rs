//! The replay: inputs and SLOs in, a report out.
//!
//! One streaming pass counts every event SLI of every SLO; what is kept are tallies by slot, so
//! memory does not grow with the input. The budget arithmetic comes after the pass.

mod plan;
mod report;
mod unmatched;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::bail;
use flyball_budget::report::{IndicatorSeries, Measured};
use flyball_budget::{Series, Status, assess, chart, correction};
use flyball_events::{Input, InputSummary, Progress, ReadOptions, ReadSummary, read, remedy};
use flyball_model::{Duration, Interval, Slo, Slot, Timestamp};
use flyball_query::{Measurement, QueryError, listed};
use flyball_spec::SpecSet;

use crate::output::words::plural;
use crate::talk;
pub(crate) use plan::Plan;
pub use report::{
    InputReport, NotEvaluated, RejectedReport, ReplayReport, Replayed, SCHEMA, Verdict,
};
pub(crate) use unmatched::tell_unread;
use unmatched::{all_outside, refuse_unread, renames, unmatched};

/// How far ahead of the clock an event may lie: sources' clocks differ by seconds, not by hours.
const FUTURE_TOLERANCE: Duration = Duration::from_minutes(10);
/// A silence before the last events that is worth a warning: their clock may be wrong.
const LONE_END_GAP: Duration = Duration::from_days(7);
/// "The last events" are at most one in this many.
const LONE_END_SHARE: u64 = 1_000;

/// The times a replay is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Events before this are left out.
    pub(crate) from: Option<Timestamp>,
    /// Events from this on are left out.
    pub(crate) to: Option<Timestamp>,
    /// The moment at which windows end; the end of the data unless given.
    pub(crate) at: Option<Timestamp>,
    /// What the clock says.
    pub(crate) now: Timestamp,
}

/// What else is asked of a replay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Attributes that may be absent from all events.
    pub(crate) optional: BTreeSet<String>,
    /// Whether charts will be drawn.
    pub(crate) charts: bool,
}

impl Times {
    /// All that has happened until now.
    pub(crate) const fn until(now: Timestamp) -> Self {
        Self { from: None, to: None, at: None, now }
    }

    /// The end of what can have happened: events from here on lie in the future.
    fn future(&self) -> Timestamp {
        self.now.plus(FUTURE_TOLERANCE)
    }

    /// Events from this on are not counted: the asked end, else what can have happened by the clock
    /// or by the moment that was asked for.
    pub(crate) fn end(&self) -> Timestamp {
        let known = self.at.map_or(self.future(), |at| at.max(self.future()));
        self.to.unwrap_or(known)
    }
}

/// Reads `inputs` once and says how each SLO of `plan` did.
///
/// # Errors
///
/// An input that cannot be read, an attribute that a condition names and no event has, or a
/// document that cannot be evaluated.
pub(crate) fn replay(
    set: &SpecSet,
    mut plan: Plan,
    inputs: &[Input],
    options: &ReadOptions,
    times: Times,
    asked: &Asked,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Replayed> {
    let mut failed: Option<QueryError> = None;
    let summary = read(inputs, options, progress, &mut |batch| match plan.tallier.add(&batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(plan.refuse_failure(set, error));
    }
    refuse_unread(&summary)?;
    let renames = renames(&options.mapping, &summary);
    plan.refuse_unknown_attributes(set, &summary, &asked.optional)
        .inspect_err(|_| renames.iter().for_each(|warning| talk::warning(warning)))?;
    plan.refuse_faults(set)?;
    let services = plan.tallier.services().clone();
    let slot_width = plan.tallier.slot_width();
    let outside = plan.tallier.outside();
    let in_future = plan.tallier.after_end();
    let (slos, not_evaluated, measured) = plan.finish(set);
    let extent = extent(&measured, slot_width);
    let at = times.at.unwrap_or_else(|| {
        let data = extent.map(Interval::end).or(summary.last());
        times.to.or(data).unwrap_or(times.now).min(times.end().ceil(slot_width)).ceil(slot_width)
    });
    let first = extent.map(Interval::start).or(summary.first()).unwrap_or(at);
    let start = times.from.unwrap_or(first).floor(slot_width).min(at);
    let span = Interval::new(start, at)?;
    let mut warnings = warnings(&summary, &measured, slot_width, times);
    warnings.extend(renames);
    warnings.extend(slos.iter().filter_map(|slo| unwatched(slo, set)));
    if outside > 0 && outside == summary.events() {
        warnings.extend(all_outside(&summary));
    } else if summary.events() > 0 {
        let of_slos = slos.iter().zip(&measured);
        warnings.extend(of_slos.filter_map(|(slo, measured)| unmatched(slo, measured, &services)));
    }
    if times.at.is_none() && times.to.is_none() {
        warnings.extend(lone_end(&measured, slot_width));
    }
    let is_to_end = times.to.is_some();
    let mut replayed = Replayed {
        report: ReplayReport {
            schema: SCHEMA,
            generator: format!("flyball {}", env!("CARGO_PKG_VERSION")),
            status: Status::NoData,
            verdict: Verdict::default(),
            at,
            span,
            slot_width,
            events: summary.events(),
            events_outside_range: if is_to_end { outside } else { outside - in_future },
            events_in_future: if is_to_end { 0 } else { in_future },
            rejected: summary.rejected(),
            inputs: summary.inputs.iter().map(InputReport::new).collect(),
            slos: Vec::with_capacity(slos.len()),
            not_evaluated,
            corrections: Vec::new(),
            warnings,
        },
        charts: Vec::with_capacity(slos.len()),
    };
    for (slo, indicators) in slos.into_iter().zip(measured) {
        let measured = Measured {
            indicators: indicators
                .into_iter()
                .map(|measurement| indicator(slot_width, measurement))
                .collect::<anyhow::Result<_>>()?,
        };
        let about = |error| anyhow::anyhow!("SLO `{}`: {error}", slo.name);
        let report = assess(slo, &measured, &set.corrections, at, span).map_err(about)?;
        replayed.report.slos.push(report);
        if asked.charts {
            let charts = chart(slo, &measured, &set.corrections, at, span, span).map_err(about)?;
            replayed.charts.push(charts);
        }
    }
    let report = &mut replayed.report;
    report.corrections = correction::summarise(&set.corrections, span, &report.slos)?;
    report.verdict = Verdict::of(&report.slos, &report.not_evaluated);
    report.status = report.verdict.status();
    Ok(replayed)
}

fn indicator(width: Duration, measured: Measurement) -> anyhow::Result<IndicatorSeries> {
    Ok(IndicatorSeries {
        total: Series::new(width, measured.total)?,
        slices: measured
            .slices
            .into_iter()
            .map(|(slice, slots)| Ok((slice, Series::new(width, slots)?)))
            .collect::<anyhow::Result<_>>()?,
    })
}

/// The slots with data, from the first to the end of the last.
fn extent(measured: &[Vec<Measurement>], width: Duration) -> Option<Interval> {
    let slots = || measured.iter().flatten().map(|measurement| &measurement.total);
    let first = slots().filter_map(|slots| slots.first()).map(|(slot, _)| *slot).min()?;
    let last = slots().filter_map(|slots| slots.last()).map(|(slot, _)| *slot).max()?;
    Interval::new(first.interval(width).start(), last.interval(width).end()).ok()
}

/// That nobody would be called about an SLO, because no default rule suits its window.
fn unwatched(slo: &Slo, set: &SpecSet) -> Option<String> {
    let left_out = flyball_catalog::left_out(slo, set).filter(|_| slo.alert_rules.is_empty())?;
    Some(format!("{} has no alert rules: the default ones are {left_out}", slo.name))
}

/// What of the inputs was left out but for single records.
fn input_warnings(summary: &ReadSummary) -> Vec<String> {
    let mut warnings = Vec::new();
    for input in &summary.inputs {
        if let Some(damage) = &input.damage {
            let remedy = input.rejects.iter().find_map(|(reason, rejected)| {
                remedy(reason, rejected).filter(|_| damage.starts_with(reason))
            });
            let remedy = remedy.map_or_else(String::new, |remedy| format!("; {remedy}"));
            warnings.push(format!(
                "{}: {damage}; what could be read before is counted{remedy}",
                input.name
            ));
        }
        if input.names_over_limit > 0 {
            let names = plural(input.names_over_limit, "attribute name", "attribute names");
            warnings.push(format!("{}: {names} past the limit of a batch left out", input.name));
        }
        for (position, name) in &input.offered.repeated {
            warnings.push(format!(
                "{}: column {position} is called `{name}` like one before it and is left out; name \
                 the columns yourself, as in --format 'csv;columns=time,status'",
                input.name
            ));
        }
        warnings.extend(clashes(input));
    }
    warnings
}

/// The attributes of which an event had several values, under a name that conventions have replaced
/// and under another one.
fn clashes(input: &InputSummary) -> impl Iterator<Item = String> {
    input.offered.clashed.iter().filter_map(|attribute| {
        // The same key may also stand in several places, of which the innermost counts.
        let keys = input.offered.renamed.get(attribute).filter(|keys| keys.len() > 1)?;
        let which = if keys.contains(attribute) {
            format!("`{attribute}` counts before the others")
        } else {
            "the first counts".to_owned()
        };
        let read = if keys.len() == 2 { "are both" } else { "are all" };
        Some(format!(
            "{}: {} {read} read as `{attribute}`; where an event has several, {which}",
            input.name,
            listed(keys.iter().map(|key| format!("`{key}`")))
        ))
    })
}

fn warnings(
    summary: &ReadSummary,
    measured: &[Vec<Measurement>],
    width: Duration,
    times: Times,
) -> Vec<String> {
    let mut warnings = input_warnings(summary);
    let over: u64 = measured.iter().flatten().map(|m| m.over_slice_limit).sum();
    if over > 0 {
        warnings.push(format!(
            "{} in the slice `other`, because the slice limit was reached; totals are exact",
            plural(over, "event is", "events are")
        ));
    }
    if width > Duration::from_seconds(10) {
        warnings.push(format!("slots are {width} wide, so times of alerts are exact to {width}"));
    }
    if times.at.is_some_and(|at| at > times.now) {
        warnings.push("the windows end in the future, where nothing has happened yet".to_owned());
    }
    warnings
}

/// A warning when a handful of events lies long after all others: default windows end at the last
/// event, and one wrong clock would empty them.
fn lone_end(measured: &[Vec<Measurement>], width: Duration) -> Option<String> {
    let total = measured.iter().flatten().map(|m| &m.total).max_by_key(|slots| slots.len())?;
    let events: u64 = total.iter().map(|(_, tally)| tally.valid()).sum();
    let mut after = 0;
    for pair in total.windows(2).rev() {
        let ((earlier, _), (later, tally)) = (pair[0], pair[1]);
        after += tally.valid();
        if after.saturating_mul(LONE_END_SHARE) > events {
            return None;
        }
        let start = |slot: Slot| slot.interval(width).start();
        let gap = start(later).since(start(earlier));
        if gap > LONE_END_GAP {
            return Some(format!(
                "the last {} {} after all others, and the windows end with them; if their clock was wrong, give --at {}",
                plural(after, "event lies", "events lie"),
                plural(
                    gap.nanos().unsigned_abs() / Duration::from_days(1).nanos().unsigned_abs(),
                    "day",
                    "days"
                ),
                earlier.interval(width).end()
            ));
        }
    }
    None
}

/// The SLOs that only events can answer, and why the others cannot be evaluated.
fn event_indicators(slo: &Slo) -> Result<Vec<&flyball_model::EventSli>, String> {
    use flyball_model::Indicator;
    let shared = slo.indicator.as_ref();
    let own: Vec<_> = slo.objectives.iter().filter_map(|o| o.indicator.as_ref()).collect();
    let indicators = if own.is_empty() { shared.into_iter().collect() } else { own };
    if indicators.is_empty() {
        return Err("it has no indicator".to_owned());
    }
    indicators
        .into_iter()
        .map(|indicator| match indicator {
            Indicator::Events(events) => Ok(events),
            Indicator::Metric(_) => Err("its indicator is a query to a metrics system; \
                a replay counts events (metricSource type flyball)"
                .to_owned()),
        })
        .collect()
}

/// Stops with the count of errors that diagnostics have already shown.
pub(crate) fn refuse(errors: usize) -> anyhow::Result<()> {
    match errors {
        0 => Ok(()),
        1 => bail!("1 error in the SLO documents"),
        errors => bail!("{errors} errors in the SLO documents"),
    }
}
