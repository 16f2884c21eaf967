//! What reviews and custody ask of budgets: whether they were kept, by the month and by the quarter, and who is called.

use flyball_budget::correction::{dropped, expand};
use flyball_budget::live::LiveError;
use flyball_budget::{Account, Frame, Threshold};
use flyball_catalog::Catalog;
use flyball_govern::alert::Links;
use flyball_govern::evidence::{
    Part, Period, TRAFFIC_DAYS, complete_quarters, hours_held, is_held, months,
};
use flyball_model::{Duration, Interval, Objective, Severity, Slo, Timestamp};
use flyball_store::{Ledger, LedgerSnapshot, SliceId};

use super::served::{ServedError, check};
use super::status::since;
use super::{Evaluator, Handle, Watched, corrected_series};

/// How long after its beginning data of a period may begin: nobody is there at midnight of every service.
const LATE_MAX: Duration = Duration::from_days(1);

/// Whether the budgets of a service were kept by the calendar, and how busy it is.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    /// The complete months, the latest last.
    pub(crate) months: Vec<Period>,
    /// The complete quarters, the latest last.
    pub(crate) quarters: Vec<Period>,
    /// Valid events in the last [`TRAFFIC_DAYS`], of the SLI that counts the most; `None` without SLO.
    pub(crate) events: Option<u64>,
    /// In how many hours of these days there is data, of the objective that has the least; `None` without SLO.
    pub(crate) hours: Option<Part>,
    /// Whether each SLO has data enough in these days for silence to say anything; false without SLO.
    pub(crate) is_held: bool,
}

impl Evaluator {
    /// Since when anything is counted for an SLO of `service`, events that were stored before among it; `None` without any.
    pub(crate) fn promised_since(&mut self, service: &str) -> Option<Timestamp> {
        let own = self.watched.iter().filter(|watched| watched.slo.service == service);
        // What cannot be read is told when it is read for itself.
        let snapshot = self.ledger.snapshot().ok();
        let first = |watched: &Watched| since(snapshot.as_ref()?, watched).ok();
        own.map(|watched| first(watched).unwrap_or(watched.since)).min()
    }

    /// Whether anything is counted for an SLO of `service`.
    pub(crate) fn is_promised(&self, service: &str) -> bool {
        self.watched.iter().any(|watched| watched.slo.service == service)
    }

    /// The alert rules of `service` that page, and how many of them name a runbook: that of their SLO, else that of
    /// the service.
    pub(crate) fn paging_rules(&self, service: &str) -> Part {
        let of_service = self.catalog.governance.service(service);
        let of_service = of_service.and_then(|of| of.spec.runbook.as_deref());
        let mut rules = Part { part: 0, whole: 0 };
        for watched in self.watched.iter().filter(|watched| watched.slo.service == service) {
            let slo = &watched.slo;
            let page = slo.alert_rules.iter().filter(|rule| rule.severity == Severity::Page);
            let paging = page.count() as u64;
            let mut links = Links::of(&slo.annotations);
            links.or_runbook(of_service);
            rules.whole += paging;
            rules.part += if links.runbook.is_some() { paging } else { 0 };
        }
        rules
    }
}

impl Handle {
    /// Whether the budgets of `service` were kept in the last `quarters` complete quarters of the calendar in UTC,
    /// and in their months and those since; by the targets that are promised now. The parts of composites are SLOs
    /// of their own, so that composites are left out.
    ///
    /// # Errors
    ///
    /// [`ServedError`].
    pub(crate) async fn calendar(
        &self,
        service: &str,
        quarters: u32,
    ) -> Result<Calendar, ServedError> {
        let asked = service.to_owned();
        let is_asked = move |slo: &Slo| slo.service == asked && slo.composition.is_none();
        let found = self.ask(move |evaluator| evaluator.counts_of(is_asked)).await?;
        let (stretches, rest) = complete_quarters(found.complete, quarters);
        let busy = Interval::ending(
            found.complete.floor(Ledger::SLOT_WIDTH),
            Duration::from_days(u32::try_from(TRAFFIC_DAYS).unwrap_or(u32::MAX)),
        );
        let objectives = found.slos.iter().flat_map(|of| &of.objectives);
        let times = || stretches.iter().chain([&rest, &busy]).copied();
        check(objectives.flat_map(|_| times()))?;
        self.look(move |snapshot| {
            let mut calendar = Calendar::default();
            let stretches: Vec<Interval> = stretches.into_iter().chain([rest]).collect();
            let (mut lines, mut is_held) = (Vec::new(), true);
            for of in &found.slos {
                for (objective, counts) in of.slo.objectives.iter().zip(&of.objectives) {
                    let one = Promise {
                        slo: &of.slo,
                        objective,
                        slice: counts.total,
                        since: of.since,
                        catalog: &found.catalog,
                    };
                    lines.push(one.kept(snapshot, &stretches)?);
                    let Busy { events, hours, is_held: held } = one.busy(snapshot, busy)?;
                    calendar.events = calendar.events.max(Some(events));
                    // The whole is longer where less is taken out: shares are compared.
                    let least = calendar.hours.filter(|least| least.share() <= hours.share());
                    calendar.hours =
                        least.or(Some(hours).filter(|of| of.whole > 0)).or(calendar.hours);
                    is_held &= held;
                }
            }
            calendar.is_held = is_held && !lines.is_empty();
            calendar.quarters = together(lines.iter().map(|line| &line.quarters));
            calendar.months = together(lines.iter().map(|line| &line.months));
            // What is of the running quarter is none that is complete.
            calendar.quarters.pop();
            Ok(calendar)
        })
        .await
    }
}

/// What several objectives say of the same periods: missed when one is, not known when one is not.
fn together<'a>(lines: impl Iterator<Item = &'a Vec<Period>>) -> Vec<Period> {
    let mut all: Option<Vec<Period>> = None;
    for line in lines {
        let Some(all) = &mut all else {
            all = Some(line.clone());
            continue;
        };
        for (period, other) in all.iter_mut().zip(line) {
            period.kept = match (period.kept, other.kept) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
    }
    all.unwrap_or_default()
}

/// One objective and where its counts are.
struct Promise<'a> {
    slo: &'a Slo,
    objective: &'a Objective,
    slice: Option<SliceId>,
    since: Timestamp,
    catalog: &'a Catalog,
}

/// Whether one objective was kept.
#[derive(Default)]
struct Line {
    months: Vec<Period>,
    /// Of the running quarter as well.
    quarters: Vec<Period>,
}

impl Promise<'_> {
    /// Whether it was kept in each of `stretches`, which follow each other, and in their months.
    ///
    /// It is not known of a period in which nothing was valid, nor of one that data did not begin with or that holds too
    /// little of it; unless what is there missed the target.
    fn kept(
        &self,
        snapshot: &LedgerSnapshot<'_>,
        stretches: &[Interval],
    ) -> Result<Line, ServedError> {
        let corrections = &self.catalog.set.corrections;
        let slices: Vec<SliceId> = self.slice.into_iter().collect();
        let mut since = self.since.floor(Ledger::SLOT_WIDTH);
        let mut line = Line::default();
        for stretch in stretches {
            let name = &self.slo.name;
            let series = corrected_series(snapshot, &slices, *stretch, name, corrections)?;
            since = series.extent().map_or(since, |extent| since.min(extent.start()));
            let expanded = expand(corrections, name, *stretch)?;
            let taken_out = dropped(&expanded);
            let begin = since.clamp(stretch.start(), stretch.end());
            let span = Interval::starting(begin, stretch.end().since(begin));
            let frame = Frame { span, dropped: &taken_out, no_data: self.slo.no_data };
            let account = Account::new(&series, self.slo.method, self.objective, &frame)?;
            let allowed = Threshold::of(self.objective.target.error_budget());
            let kept = |period: Interval| {
                let order = account.compare(&account.units().range(period), allowed);
                let units = account.units();
                let slots = &units.slots()[units.range(period)];
                let moments = slots.iter().map(|slot| slot.interval(units.width()).start());
                let is_whole = since <= period.start().plus(LATE_MAX)
                    && is_held(period, moments.chain(days(&taken_out, period)));
                let kept = order.map(std::cmp::Ordering::is_le);
                // What is missed in part of a period is missed.
                let kept = kept.filter(|kept| is_whole || !kept);
                Period { start: period.start(), end: period.end(), kept }
            };
            line.quarters.push(kept(*stretch));
            line.months.extend(months(*stretch).into_iter().map(kept));
        }
        Ok(line)
    }

    /// How busy it was in `during`.
    fn busy(&self, snapshot: &LedgerSnapshot<'_>, during: Interval) -> Result<Busy, ServedError> {
        let Some(slice) = self.slice else {
            return Ok(Busy { events: 0, hours: hours_held(during, [], &[]), is_held: false });
        };
        let found = snapshot.tallies(slice, during).map_err(LiveError::History)?;
        let expanded = expand(&self.catalog.set.corrections, &self.slo.name, during)?;
        let there = found.iter().filter(|(_, tally)| !tally.is_empty());
        let moments = there.map(|(slot, _)| slot.interval(Ledger::SLOT_WIDTH).start());
        let taken_out = dropped(&expanded);
        Ok(Busy {
            events: found.iter().map(|(_, tally)| tally.valid()).sum(),
            hours: hours_held(during, moments.clone(), &taken_out),
            is_held: is_held(during, moments.chain(days(&taken_out, during))),
        })
    }
}

/// How busy an objective was.
struct Busy {
    /// Valid events.
    events: u64,
    /// In how many hours there is data.
    hours: Part,
    /// Whether that is enough for silence to say anything.
    is_held: bool,
}

/// A moment of each day of `during` that `taken_out` touches: no data is expected then.
fn days(taken_out: &[Interval], during: Interval) -> impl Iterator<Item = Timestamp> {
    const DAY: Duration = Duration::from_days(1);
    let shared: Vec<Interval> =
        taken_out.iter().filter_map(|stretch| stretch.intersect(during)).collect();
    shared.into_iter().flat_map(|stretch| {
        let first = stretch.start().floor(DAY);
        let all = std::iter::successors(Some(first), |day| Some(day.plus(DAY)));
        all.take_while(move |day| *day < stretch.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_missed_speaks_for_all_and_one_that_is_silent_for_none() {
        let line = |kept: &[Option<bool>]| {
            let (start, end) = (Timestamp::from_seconds(0), Timestamp::from_seconds(1));
            let period = |kept: &Option<bool>| Period { start, end, kept: *kept };
            kept.iter().map(period).collect::<Vec<_>>()
        };
        let (yes, no, unknown) = (Some(true), Some(false), None);
        let lines = [line(&[yes, yes, no, no]), line(&[yes, unknown, unknown, yes])];
        let kept: Vec<_> = together(lines.iter()).iter().map(|period| period.kept).collect();
        assert_eq!(kept, [yes, unknown, no, no]);
        assert_eq!(together(std::iter::empty()), Vec::<Period>::new());
    }
}
