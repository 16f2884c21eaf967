//! Expectations against what the replay's arithmetic says at the clock's time.

use std::collections::HashMap;

use flyball_budget::alert::Firing;
use flyball_budget::report::{Assessment, CompositeReport};
use flyball_budget::{Fraction, SloReport, assess};
use flyball_model::{AlertRule, Duration, Interval, Slo, Timestamp, Window};

use super::lex::Token;
use super::parse::{Claim, Expect};
use super::problem::{Fault, Place, Problem, meant};
use super::quantity::{Demand, Found, share, word};
use super::unfired::Unfired;
use super::world::World;

/// The words of a status, as reports have them.
const STATUSES: [&str; 3] = ["met", "missed", "no_data"];
/// The words of an outlook, as reports have them.
const OUTLOOKS: [&str; 4] = ["exhausts", "not_exhausting", "already_exhausted", "no_data"];

/// Checks expectations at moments of one world.
#[derive(Debug)]
pub(super) struct Checker<'w> {
    world: &'w World,
    /// Reports by SLO, lookback asked instead of the window, and moment.
    reports: HashMap<(usize, Option<Duration>, Timestamp), SloReport>,
}

type Fields = Vec<(&'static str, Found)>;

impl<'w> Checker<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        Self { world, reports: HashMap::new() }
    }

    /// Every demand of `expect` that does not hold at `now`.
    pub(super) fn check(&mut self, expect: &Expect, now: Timestamp) -> Vec<Problem> {
        match self.claim(expect, now) {
            Ok(fields) => expect
                .demands
                .iter()
                .filter_map(|demand| demand_of(demand, &fields).err())
                .map(|mut problem| {
                    problem.message = format!("{}: {}", expect.slo.text, problem.message);
                    *problem
                })
                .collect(),
            Err(problem) => vec![*problem],
        }
    }

    /// Checks what an expectation claims by itself and gives the fields its demands may ask for.
    fn claim(&mut self, expect: &Expect, now: Timestamp) -> Result<Fields, Fault> {
        let world = self.world;
        let index = world.slo(&expect.slo)?;
        let slo = &world.set.slos[index];
        match &expect.claim {
            Claim::Status { status, reason } => {
                let report = self.report(expect, index, None, now)?;
                check_status(expect, slo, report, status, reason.as_ref())?;
                Ok(Vec::new())
            }
            Claim::Budget => {
                let report = self.report(expect, index, None, now)?;
                if expect.selector.composite.is_some()
                    && let Some(CompositeReport::Weighted(weighted)) = &report.composite
                {
                    return Ok(vec![
                        ("status", Found::word(&weighted.status)),
                        ("spent", Found::estimate(weighted.spent_share)),
                        ("remaining", Found::estimate(weighted.remaining_share)),
                        ("sli", Found::estimate(weighted.sli)),
                        ("target", Found::estimate(weighted.target)),
                    ]);
                }
                Ok(budget_fields(assessment(expect, slo, report)?))
            }
            Claim::Burn { lookback } => {
                let report = self.report(expect, index, Some(*lookback), now)?;
                let budget = &assessment(expect, slo, report)?.budget;
                // Bad over valid, over what the target allows: the spent share of a window as
                // long as the lookback, and so exact.
                let burn = share(budget.spent, budget.allowed).map_or(Found::Missing, Found::Exact);
                Ok(vec![
                    ("burn", burn),
                    ("valid", Found::count(budget.valid)),
                    ("good", Found::count(budget.good)),
                    ("bad", Found::count(budget.bad)),
                ])
            }
            Claim::Alert { rule, state, since, until } => {
                let own = known_rule(slo, rule)?;
                let first = assessment(expect, slo, self.report(expect, index, None, now)?)?;
                let never = match refusal(first, rule) {
                    Some(error) => error.clone(),
                    None if first.firings.iter().any(|firing| firing.rule == rule.text) => {
                        String::new()
                    }
                    None => self.unfired(expect, index, own, now),
                };
                let report = self.report(expect, index, None, now)?;
                let firings = &assessment(expect, slo, report)?.firings;
                let firings: Vec<&Firing> =
                    firings.iter().filter(|firing| firing.rule == rule.text).collect();
                check_alert(expect, state, &firings, *since, *until, &never, rule)
            }
            Claim::NoAlert { rule, ever } => {
                if let Some(rule) = rule {
                    known_rule(slo, rule)?;
                }
                let report = self.report(expect, index, None, now)?;
                check_no_alert(expect, slo, report, rule.as_ref(), *ever)?;
                Ok(Vec::new())
            }
            Claim::Forecast { outlook, within } => {
                let report = self.report(expect, index, None, now)?;
                check_forecast(expect, slo, report, outlook, *within)
            }
            Claim::Coverage => {
                let report = self.report(expect, index, None, now)?;
                let coverage = &assessment(expect, slo, report)?.coverage;
                let whole = Fraction::whole(coverage.expected);
                let observed = share(Fraction::whole(coverage.observed), whole);
                Ok(vec![
                    ("share", observed.map_or(Found::Missing, Found::Share)),
                    ("observed", Found::count(coverage.observed)),
                    ("expected", Found::count(coverage.expected)),
                    ("gaps", Found::count(coverage.gap_count)),
                ])
            }
            Claim::Correction { name } => {
                let report = self.report(expect, index, None, now)?;
                correction_fields(world, report, name)
            }
            Claim::Refused { rule, reason } => {
                known_rule(slo, rule)?;
                let report = self.report(expect, index, None, now)?;
                check_refused(expect, assessment(expect, slo, report)?, rule, reason.as_ref())?;
                Ok(Vec::new())
            }
        }
    }

    /// Why a rule has never fired, as far as its burns say.
    fn unfired(&self, expect: &Expect, index: usize, rule: &AlertRule, now: Timestamp) -> String {
        let slo = &self.world.set.slos[index];
        let words = || {
            let unfired = Unfired::of(rule, &slo.window)?;
            let probed = Slo { alert_rules: unfired.probes(), ..slo.clone() };
            let report = self.assess(expect, &probed, index, now).ok()?;
            Some(unfired.words(&assessment(expect, slo, &report).ok()?.firings))
        };
        words().unwrap_or_else(|| "it has never fired".to_owned())
    }

    /// The report of an SLO at `now`, over its window or over a lookback.
    fn report(
        &mut self,
        expect: &Expect,
        index: usize,
        lookback: Option<Duration>,
        now: Timestamp,
    ) -> Result<&SloReport, Fault> {
        let key = (index, lookback, now);
        if !self.reports.contains_key(&key) {
            let mut slo = self.world.set.slos[index].clone();
            if let Some(length) = lookback {
                slo.window = Window::Rolling { length };
                slo.alert_rules.clear();
            }
            self.reports.insert(key, self.assess(expect, &slo, index, now)?);
        }
        self.reports.get(&key).ok_or_else(|| unreachable!("inserted above"))
    }

    /// The report of `slo`, measured as the one at `index` of the set.
    fn assess(
        &self,
        expect: &Expect,
        slo: &Slo,
        index: usize,
        now: Timestamp,
    ) -> Result<SloReport, Fault> {
        let world = self.world;
        let broken = |error: &dyn std::fmt::Display| {
            Problem::script(expect.slo.place, format!("`{}`: {error}", expect.slo.text))
        };
        let start = world.extent.map_or(now, |extent| extent.start().min(now));
        let span = Interval::new(start, now).map_err(|error| broken(&error))?;
        assess(slo, world.measured(index), &world.set.corrections, now, span)
            .map_err(|error| broken(&error))
    }
}

/// Holds one demand against the field it names.
fn demand_of(demand: &Demand, fields: &Fields) -> Result<(), Fault> {
    let Some((_, found)) = fields.iter().find(|(name, _)| *name == demand.field) else {
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let message = format!("`{}` is no field here", demand.field);
        return Err(Problem::script(demand.field_place, message).hint(meant(&demand.field, &names)));
    };
    if let (Found::Exact(_), true) = (found, demand.is_percent() && demand.field != "burn") {
        return Err(Problem::script(
            demand.place,
            format!("`{}` is a count, not a share", demand.field),
        ));
    }
    demand.check(found)
}

/// The position of the objective that a token names: a number from 1, or its display name.
pub(super) fn objective_index(slo: &Slo, given: &Token) -> Result<usize, Fault> {
    let by_name = slo.objectives.iter().position(|o| o.display_name.as_ref() == Some(&given.text));
    let by_number = || given.text.parse::<usize>().ok()?.checked_sub(1);
    let found = by_name.or_else(by_number).filter(|index| *index < slo.objectives.len());
    found.ok_or_else(|| {
        let names: Vec<&str> =
            slo.objectives.iter().filter_map(|o| o.display_name.as_deref()).collect();
        let message = format!("`{}` has no objective `{}`", slo.name, given.text);
        let hint = format!(
            "number them from 1 to {}; {}",
            slo.objectives.len(),
            meant(&given.text, &names)
        );
        Problem::script(given.place, message).hint(hint)
    })
}

/// The assessment that an expectation's selectors mean.
fn assessment<'r>(
    expect: &Expect,
    slo: &Slo,
    report: &'r SloReport,
) -> Result<&'r Assessment, Fault> {
    if let Some(place) = expect.selector.composite {
        return match &report.composite {
            Some(CompositeReport::AllOf(all_of)) => Ok(&all_of.total),
            Some(CompositeReport::Weighted(_)) => {
                let message = "a weighted composite has a budget and a status only";
                Err(Problem::script(place, message).hint("expect budget or status of it"))
            }
            None => {
                let message = format!("`{}` is no composite", slo.name);
                Err(Problem::script(place, message))
            }
        };
    }
    let index = match &expect.selector.objective {
        Some(given) => objective_index(slo, given)?,
        None if report.objectives.len() > 1 => {
            let message = format!("`{}` has {} objectives", slo.name, report.objectives.len());
            return Err(Problem::script(expect.slo.place, message)
                .hint(format!("say which: {} objective 1", slo.name)));
        }
        None => 0,
    };
    let objective = &report.objectives[index];
    let Some(slice) = &expect.selector.slice else { return Ok(&objective.total) };
    let found = objective.slices.iter().find(|own| own.slice == slice.text);
    found.map(|own| &own.assessment).ok_or_else(|| {
        let names: Vec<&str> = objective.slices.iter().map(|own| own.slice.as_str()).collect();
        let message = format!("`{}` has no slice `{}`", slo.name, slice.text);
        Problem::script(slice.place, message).hint(meant(&slice.text, &names))
    })
}

fn budget_fields(assessment: &Assessment) -> Fields {
    let budget = &assessment.budget;
    let amount = |amount| Found::Amount(amount, share(amount, budget.allowed));
    let known = |amount: Fraction| {
        if budget.sli.is_some() { amount } else { Fraction::ZERO }
    };
    let units = budget.slices.map_or_else(|| Fraction::whole(budget.valid), Fraction::whole);
    let sli = units.checked_sub(budget.spent).and_then(|good| share(good, units));
    let mut fields = vec![
        ("valid", Found::count(budget.valid)),
        ("good", Found::count(budget.good)),
        ("bad", Found::count(budget.bad)),
        ("undecided", Found::count(budget.undecided)),
        ("slices", budget.slices.map_or(Found::Missing, Found::count)),
        ("sli", sli.map_or(Found::Missing, Found::Share)),
        ("target", Found::Share(rational(budget.target.share()))),
        ("allowed", Found::Exact(budget.allowed)),
        ("spent", amount(known(budget.spent))),
        ("remaining", amount(known(budget.remaining))),
        ("status", Found::word(&assessment.status)),
        ("reason", Found::word(&assessment.reason)),
        ("window.start", Found::Time(assessment.window.full.start())),
        ("window.end", Found::Time(assessment.window.full.end())),
        ("minutes.allowed", Found::Estimate(budget.minutes.allowed)),
        ("minutes.spent", Found::estimate(budget.minutes.spent)),
        ("minutes.remaining", Found::estimate(budget.minutes.remaining)),
        ("minutes.whole", Found::Estimate(budget.minutes.allowed_whole_window)),
    ];
    if let Some(calendar) = &budget.calendar {
        let projected = |of: fn(&flyball_budget::budget::Projection) -> f64| {
            Found::estimate(calendar.projection.as_ref().map(of))
        };
        fields.extend([
            ("elapsed", Found::Estimate(calendar.elapsed_share)),
            ("projected.valid", projected(|p| p.valid)),
            ("projected.bad", projected(|p| p.bad)),
            ("projected.allowed", projected(|p| p.allowed)),
            ("projected.remaining", projected(|p| p.remaining_at_end)),
        ]);
    }
    fields
}

fn rational(value: flyball_model::Rational) -> Fraction {
    Fraction::new(i128::from(value.numerator()), u128::from(value.denominator()))
        .unwrap_or(Fraction::ZERO)
}

fn check_status(
    expect: &Expect,
    slo: &Slo,
    report: &SloReport,
    wanted: &Token,
    reason: Option<&Token>,
) -> Result<(), Fault> {
    if !STATUSES.contains(&wanted.text.as_str()) {
        let message = format!("`{}` is no status", wanted.text);
        return Err(Problem::script(wanted.place, message).hint(meant(&wanted.text, &STATUSES)));
    }
    let is_whole = expect.selector.objective.is_none()
        && expect.selector.slice.is_none()
        && (reason.is_none() || report.objectives.len() > 1);
    let composite = expect.selector.composite.and(report.composite.as_ref());
    let (status, why) = match (is_whole, composite) {
        (_, Some(CompositeReport::Weighted(weighted))) => (weighted.status, Some(weighted.reason)),
        (true, None) => (report.status, None),
        _ => {
            let assessment = assessment(expect, slo, report)?;
            (assessment.status, Some(assessment.reason))
        }
    };
    let first = &report.objectives[0].total;
    let shown =
        |status: String| match why.or((report.objectives.len() == 1).then_some(first.reason)) {
            Some(why) => format!("{status} ({})", word(&why).replace('_', " ")),
            None => status,
        };
    let found = word(&status);
    if found != wanted.text {
        let message = format!("{}: status is not as expected", slo.name);
        return Err(Problem::failure(wanted.place, message, &wanted.text, shown(found)));
    }
    let Some(reason) = reason else { return Ok(()) };
    match why.map(|why| word(&why)) {
        Some(why) if why == reason.text => Ok(()),
        Some(why) => {
            let message = format!("{}: the reason is not as expected", slo.name);
            Err(Problem::failure(reason.place, message, &reason.text, why))
        }
        None => {
            Err(Problem::script(reason.place, "an SLO of several objectives has no single reason")
                .hint("say which objective"))
        }
    }
}

fn known_rule<'s>(slo: &'s Slo, rule: &Token) -> Result<&'s AlertRule, Fault> {
    if let Some(own) = slo.alert_rules.iter().find(|own| own.name == rule.text) {
        return Ok(own);
    }
    let names: Vec<&str> = slo.alert_rules.iter().map(|own| own.name.as_str()).collect();
    let message = format!("`{}` has no alert rule `{}`", slo.name, rule.text);
    Err(Problem::script(rule.place, message).hint(meant(&rule.text, &names)))
}

/// A firing in words.
fn shown(firing: &Firing) -> String {
    match firing.end {
        Some(end) => format!("`{}` fired from {} until {end}", firing.rule, firing.start),
        None => format!("`{}` firing since {}", firing.rule, firing.start),
    }
}

fn check_alert(
    expect: &Expect,
    state: &Token,
    firings: &[&Firing],
    since: Option<(Timestamp, Place)>,
    until: Option<(Timestamp, Place)>,
    never: &str,
    rule: &Token,
) -> Result<Fields, Fault> {
    let is_firing = match state.text.as_str() {
        "firing" => true,
        "resolved" => false,
        other => {
            let hint = meant(other, &["firing", "resolved"]);
            let message = format!("`{other}` is no state of an alert");
            return Err(Problem::script(state.place, message).hint(hint));
        }
    };
    if let (true, Some((_, place))) = (is_firing, until) {
        let message = "an alert that is firing has no end yet";
        return Err(Problem::script(place, message).hint("write `resolved` for one that has"));
    }
    let name = &expect.slo.text;
    let Some(latest) = firings.last() else {
        let message = format!("{name}: `{}` is not {}", rule.text, state.text);
        return Err(Problem::failure(state.place, message, &state.text, never));
    };
    if latest.end.is_none() != is_firing {
        let message = format!("{name}: `{}` is not {}", rule.text, state.text);
        return Err(Problem::failure(state.place, message, &state.text, shown(latest)));
    }
    for (asked, found, what) in [(since, Some(latest.start), "since"), (until, latest.end, "until")]
    {
        if let Some((wanted, place)) = asked
            && found != Some(wanted)
        {
            let message = format!("{name}: `{}` is {} at another time", rule.text, state.text);
            let expected = format!("{what} {wanted}");
            return Err(Problem::failure(place, message, expected, shown(latest)));
        }
    }
    Ok(vec![
        ("count", Found::count(firings.len() as u64)),
        ("severity", Found::word(&latest.severity)),
        ("since", Found::Time(latest.start)),
        ("until", Found::time(latest.end)),
        ("onset", Found::Time(latest.onset)),
        ("delay", Found::Seconds(latest.detection_delay_seconds)),
        ("valid", Found::count(latest.valid)),
        ("good", Found::count(latest.good)),
        ("bad", Found::count(latest.bad)),
        ("factor", Found::estimate(latest.factor)),
        ("burn", Found::Estimate(latest.burn)),
        ("peak", Found::Estimate(latest.burn_peak)),
        ("spent", Found::Estimate(latest.spent_in_lookback)),
        ("spent_in_window", Found::estimate(latest.spent_in_window)),
        ("frozen", Found::Word(if latest.frozen { "yes" } else { "no" }.to_owned())),
    ])
}

fn check_no_alert(
    expect: &Expect,
    slo: &Slo,
    report: &SloReport,
    rule: Option<&Token>,
    ever: bool,
) -> Result<(), Fault> {
    let selected = &expect.selector;
    let is_narrow =
        selected.objective.is_some() || selected.slice.is_some() || selected.composite.is_some();
    let assessments: Vec<&Assessment> = if is_narrow {
        vec![assessment(expect, slo, report)?]
    } else {
        report.objectives.iter().map(|objective| &objective.total).collect()
    };
    let fired = assessments.iter().flat_map(|assessment| &assessment.firings).find(|firing| {
        rule.is_none_or(|rule| rule.text == firing.rule) && (ever || firing.end.is_none())
    });
    let Some(firing) = fired else { return Ok(()) };
    let expected = if ever { "no alert, ever" } else { "no alert" };
    let message =
        format!("{}: an alert {}", slo.name, if ever { "has fired" } else { "is firing" });
    Err(Problem::failure(expect.place, message, expected, shown(firing)))
}

fn check_forecast(
    expect: &Expect,
    slo: &Slo,
    report: &SloReport,
    outlook: &Token,
    within: Option<(Duration, Place)>,
) -> Result<Fields, Fault> {
    if !OUTLOOKS.contains(&outlook.text.as_str()) {
        let message = format!("`{}` is no outlook", outlook.text);
        let hint = meant(&outlook.text, &OUTLOOKS);
        return Err(Problem::script(outlook.place, message).hint(hint));
    }
    let forecast = &assessment(expect, slo, report)?.forecast;
    let found = word(&forecast.outlook);
    let shown = match forecast.hours {
        Some(hours) => format!("{found} in {hours:.2} h"),
        None => found.clone(),
    };
    if found != outlook.text {
        let message = format!("{}: the outlook is not as expected", slo.name);
        return Err(Problem::failure(outlook.place, message, &outlook.text, shown));
    }
    if let Some((within, place)) = within
        && forecast.hours.is_none_or(|hours| hours * 3600.0 > within.as_seconds_f64())
    {
        let message = format!("{}: the budget lasts longer than expected", slo.name);
        return Err(Problem::failure(place, message, format!("within {within}"), shown));
    }
    Ok(vec![
        ("hours", Found::estimate(forecast.hours)),
        ("earliest", Found::estimate(forecast.hours_earliest)),
        ("latest", Found::estimate(forecast.hours_latest)),
        ("at", Found::time(forecast.exhausts_at)),
        ("lookback", Found::Seconds(forecast.lookback.as_seconds_f64())),
    ])
}

fn correction_fields(world: &World, report: &SloReport, name: &Token) -> Result<Fields, Fault> {
    let names: Vec<&str> = world.set.corrections.iter().map(|c| c.name.as_str()).collect();
    if !names.contains(&name.text.as_str()) {
        let message = format!("no correction `{}` was loaded", name.text);
        return Err(Problem::script(name.place, message).hint(meant(&name.text, &names)));
    }
    let applied: Vec<_> = report.corrections.iter().filter(|a| a.name == name.text).collect();
    let sum = |of: fn(&flyball_budget::correction::Applied) -> u64| {
        Found::count(applied.iter().map(|applied| of(applied)).sum())
    };
    Ok(vec![
        ("times", Found::count(applied.len() as u64)),
        ("slots", sum(|a| a.slots)),
        ("valid.before", sum(|a| a.before.valid)),
        ("valid.after", sum(|a| a.after.valid)),
        ("bad.before", sum(|a| a.before.bad)),
        ("bad.after", sum(|a| a.after.bad)),
    ])
}

/// Why a rule cannot work; `None` when it can.
fn refusal<'r>(assessment: &'r Assessment, rule: &Token) -> Option<&'r String> {
    let about = format!("alert rule `{}`:", rule.text);
    assessment.rule_errors.iter().find(|error| error.starts_with(&about))
}

fn check_refused(
    expect: &Expect,
    assessment: &Assessment,
    rule: &Token,
    reason: Option<&Token>,
) -> Result<(), Fault> {
    let Some(error) = refusal(assessment, rule) else {
        let message = format!("{}: `{}` is not refused", expect.slo.text, rule.text);
        return Err(Problem::failure(rule.place, message, "refused", "it can work"));
    };
    match reason {
        Some(reason) if !error.contains(&reason.text) => {
            let message =
                format!("{}: `{}` is refused for another reason", expect.slo.text, rule.text);
            Err(Problem::failure(reason.place, message, &reason.text, error))
        }
        _ => Ok(()),
    }
}
