//! The course of one objective as a drawing: budget, SLI, bad events and alerts on one time axis.
//!
//! Drawn here and not in the browser, so that the page works without script and prints. Each panel
//! is stretched to the page's width while text and line widths keep their size: lengths along the
//! time axis are percentages, and curves lie in nested drawings of 1,000 units' width. Values hold
//! for a whole bucket and are drawn as steps; buckets without data are gaps, never a line.

use std::fmt::{Result, Write};

use flyball_budget::alert::Firing;
use flyball_budget::chart::{Chart, Point};
use flyball_model::{Duration, Interval, Severity, Target, Timestamp};

use super::super::words;
use super::text::Safe;

/// Width of the curves' own coordinates.
const UNITS: f64 = 1_000.0;
/// Below this a budget's curve is drawn at the foot: one long outage must not flatten the rest.
const REMAINING_MIN: f64 = -3.0;
/// The SLI panel shows error ratios up to this many times what the target allows.
const ERROR_MULTIPLE_MAX: f64 = 30.0;
/// Alerts drawn at most; the table holds the counts.
const FIRINGS_DRAWN_MAX: usize = 200;
/// About one label per 130 pixels on a wide screen, per 60 on a narrow one.
const TICKS_MAX: u8 = 6;

const BUDGET: Panel = Panel { top: 22.0, height: 150.0 };
const SLI: Panel = Panel { top: 200.0, height: 96.0 };
const BAD: Panel = Panel { top: 324.0, height: 44.0 };
const ALERTS_TOP: f64 = 396.0;
const LANE: f64 = 13.0;

#[derive(Debug, Clone, Copy)]
struct Panel {
    top: f64,
    height: f64,
}

/// Values from `bottom` to `top` onto a panel's height, measured from its upper edge.
#[derive(Debug, Clone, Copy)]
struct Scale {
    bottom: f64,
    top: f64,
    height: f64,
}

impl Scale {
    fn y(self, value: f64) -> f64 {
        let value = value.clamp(self.bottom, self.top);
        (self.top - value) / (self.top - self.bottom) * self.height
    }
}

/// Draws `chart`; nothing without points.
pub(super) fn draw(
    out: &mut String,
    id: &str,
    name: &str,
    target: Target,
    chart: &Chart,
    firings: &[Firing],
) -> Result {
    let (Some(first), Some(last)) = (chart.points.first(), chart.points.last()) else {
        return Ok(());
    };
    let Ok(time) = Interval::new(first.interval.start(), last.interval.end()) else {
        return Ok(());
    };
    let points = &chart.points;
    let lanes = [Severity::Page, Severity::Ticket]
        .into_iter()
        .filter(|severity| firings.iter().any(|firing| firing.severity == *severity))
        .collect::<Vec<_>>();
    let axis = if lanes.is_empty() {
        BAD.top + BAD.height
    } else {
        ALERTS_TOP + LANE * lanes.len() as f64 + 4.0
    };
    let height = axis + 22.0;
    write!(
        out,
        r#"<figure><svg class="chart" height="{height}" role="img" tabindex="0" aria-labelledby="{id}-t {id}-d" data-start="{}" data-bucket="{}" data-count="{}" data-points=""#,
        time.start().nanos() / 1_000_000,
        chart.bucket.nanos() as f64 / 1e6,
        points.len()
    )?;
    for (at, point) in points.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        write!(out, "{space}{},{},", point.valid, point.bad)?;
        // As text, so that a tooltip says what the tables say.
        if let Some(sli) = point.sli {
            out.push_str(&words::percent_down(sli, 4));
        }
        out.push(',');
        if let Some(left) = point.remaining_share {
            out.push_str(&words::percent(left));
        }
    }
    let ends = points.iter().rev().find_map(|point| point.remaining_share);
    write!(
        out,
        r#""><title id="{id}-t">{}: budget, SLI and alerts over time</title><desc id="{id}-d">{}; target {target}; {} left of the budget at the end; {} alerts.</desc>"#,
        Safe(name),
        words::stretch(time),
        super::text::share(ends),
        firings.len()
    )?;
    let ticks = ticks(time);
    for tick in &ticks {
        let x = percent(*tick, time);
        write!(
            out,
            r#"<line class="grid" x1="{x:.3}%" x2="{x:.3}%" y1="{}" y2="{axis}"/>"#,
            BUDGET.top
        )?;
    }
    bands(out, time, firings, axis)?;
    remaining(out, points)?;
    sli(out, points, target)?;
    bad(out, points, chart.bucket)?;
    alerts(out, time, firings, &lanes)?;
    write!(out, r#"<line class="axis" x1="0" x2="100%" y1="{axis}" y2="{axis}"/>"#)?;
    for (at, tick) in ticks.iter().enumerate() {
        let x = percent(*tick, time);
        let anchor = if x < 4.0 {
            "start"
        } else if x > 96.0 {
            "end"
        } else {
            "middle"
        };
        // Narrow screens leave out every second label.
        let odd = if at % 2 == 1 { r#" class="odd""# } else { "" };
        write!(
            out,
            r#"<text{odd} x="{x:.3}%" y="{}" text-anchor="{anchor}">{}</text>"#,
            axis + 16.0,
            label(*tick, time)
        )?;
    }
    write!(out, r#"<line class="cross" x1="0" x2="0" y1="{}" y2="{axis}"/></svg>"#, BUDGET.top)?;
    writeln!(
        out,
        "<figcaption>Times in UTC, {} a step; grey: no data, dashed: the target. Hover, or focus and use the arrow keys, for the numbers of a step.</figcaption></figure>",
        words::duration(chart.bucket)
    )
}

fn open(out: &mut String, panel: Panel) -> Result {
    part(out, panel, 0.0, panel.height)
}

/// Opens what lies between two heights of `panel`; what is drawn outside them is cut off.
fn part(out: &mut String, panel: Panel, from: f64, to: f64) -> Result {
    let (y, height) = (panel.top + from, to - from);
    write!(
        out,
        r#"<svg x="0" y="{y:.2}" width="100%" height="{height:.2}" viewBox="0 {from:.2} {UNITS} {height:.2}" preserveAspectRatio="none">"#
    )
}

fn title(out: &mut String, panel: Panel, name: &str, note: &str) -> Result {
    let y = panel.top - 7.0;
    write!(out, r#"<text class="name" x="0" y="{y}">{name}</text>"#)?;
    if !note.is_empty() {
        write!(out, r#"<text x="100%" y="{y}" text-anchor="end">{note}</text>"#)?;
    }
    Ok(())
}

fn rule(out: &mut String, panel: Panel, y: f64, class: &str, text: &str) -> Result {
    let y = panel.top + y;
    write!(out, r#"<line class="{class}" x1="0" x2="100%" y1="{y:.2}" y2="{y:.2}"/>"#)?;
    margin(out, y + 4.0, text)
}

/// A label in the margin to the left of the panels, where no curve runs through it.
fn margin(out: &mut String, y: f64, text: &str) -> Result {
    write!(out, r#"<text x="-6" y="{y:.2}" text-anchor="end">{text}</text>"#)
}

/// Stretches of equal kind: the positions from which and up to which `holds`.
fn runs(points: &[Point], holds: impl Fn(&Point) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for at in points.iter().enumerate().filter(|(_, point)| holds(point)).map(|(at, _)| at) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn gaps(out: &mut String, points: &[Point], height: f64, known: impl Fn(&Point) -> bool) -> Result {
    let step = UNITS / points.len() as f64;
    let gaps = runs(points, |point| !known(point));
    if gaps.is_empty() {
        return Ok(());
    }
    out.push_str(r#"<path class="gap" d=""#);
    for gap in gaps {
        write!(
            out,
            "M{:.1} 0h{:.1}v{height}h-{:.1}z",
            gap.start as f64 * step,
            gap.len() as f64 * step,
            gap.len() as f64 * step
        )?;
    }
    out.push_str(r#""/>"#);
    Ok(())
}

/// What steps are drawn as.
#[derive(Debug, Clone, Copy)]
enum Drawn {
    Line,
    /// The area between the steps and this height.
    Area(f64),
}

/// Steps through `value`, broken where it is unknown.
fn steps(
    out: &mut String,
    class: &str,
    points: &[Point],
    drawn: Drawn,
    value: impl Fn(&Point) -> Option<f64>,
) -> Result {
    let step = UNITS / points.len() as f64;
    write!(out, r#"<path class="{class}" d=""#)?;
    for run in runs(points, |point| value(point).is_some()) {
        let x = run.start as f64 * step;
        let mut before = f64::NAN;
        for (at, point) in points.iter().enumerate().take(run.end).skip(run.start) {
            let Some(y) = value(point) else { continue };
            let right = (at + 1) as f64 * step;
            match drawn {
                _ if at > run.start && (y - before).abs() < 0.005 => {}
                Drawn::Area(foot) if at == run.start => write!(out, "M{x:.1} {foot:.2}V{y:.2}")?,
                Drawn::Line if at == run.start => write!(out, "M{x:.1} {y:.2}")?,
                _ => write!(out, "V{y:.2}")?,
            }
            // A level stretch is one line: wait for the next change.
            let next = points.get(at + 1).filter(|_| at + 1 < run.end).and_then(&value);
            if next.is_none_or(|next| (next - y).abs() >= 0.005) {
                write!(out, "H{right:.1}")?;
            }
            before = y;
        }
        if let Drawn::Area(foot) = drawn {
            write!(out, "V{foot:.2}Z")?;
        }
    }
    out.push_str(r#""/>"#);
    Ok(())
}

/// The shares that the budget's panel names below zero: a few round ones down to `bottom`.
fn levels_below(bottom: f64) -> impl Iterator<Item = f64> {
    let step = [0.25, 0.5, 1.0].into_iter().find(|step| -bottom / step < 4.0).unwrap_or(1.0);
    (1..).map(move |number| f64::from(number) * -step).take_while(move |level| *level >= bottom)
}

fn remaining(out: &mut String, points: &[Point]) -> Result {
    let lowest = points.iter().filter_map(|point| point.remaining_share).fold(0.0, f64::min);
    let bottom = if lowest < 0.0 { lowest.clamp(REMAINING_MIN, -0.25) * 1.05 } else { 0.0 };
    let scale = Scale { bottom, top: 1.0, height: BUDGET.height };
    let zero = scale.y(0.0);
    let note = if lowest < REMAINING_MIN {
        format!("reaches {}; cut off at {}", words::percent(lowest), words::percent(bottom))
    } else {
        String::new()
    };
    title(out, BUDGET, "Budget remaining", &note)?;
    open(out, BUDGET)?;
    gaps(out, points, BUDGET.height, |point| point.remaining_share.is_some())?;
    let above = |point: &Point| {
        point.remaining_share.filter(|share| *share >= 0.0).map(|share| scale.y(share))
    };
    let below = |point: &Point| {
        point.remaining_share.filter(|share| *share < 0.0).map(|share| scale.y(share))
    };
    steps(out, "left", points, Drawn::Area(zero), above)?;
    steps(out, "over", points, Drawn::Area(zero), below)?;
    out.push_str("</svg>");
    // One line in two colours, each cut off at zero, so that no gap is left where it crosses.
    let all = |point: &Point| point.remaining_share.map(|share| scale.y(share));
    let above = if bottom < 0.0 { zero } else { BUDGET.height + 1.0 };
    for (class, from, to) in [("line", -1.0, above), ("below", above, BUDGET.height + 1.0)] {
        if from < to {
            part(out, BUDGET, from, to)?;
            steps(out, class, points, Drawn::Line, all)?;
            out.push_str("</svg>");
        }
    }
    rule(out, BUDGET, 0.0, "grid", "100%")?;
    if zero > 60.0 {
        rule(out, BUDGET, scale.y(0.5), "grid", "50%")?;
    }
    for level in levels_below(bottom) {
        rule(out, BUDGET, scale.y(level), "grid", &format!("{:.0}%", level * 100.0))?;
    }
    rule(out, BUDGET, zero, "axis", "0%")
}

fn sli(out: &mut String, points: &[Point], target: Target) -> Result {
    let budget = target.error_budget().to_f64();
    let promised = 1.0 - budget;
    let lowest = points.iter().filter_map(|point| point.sli).fold(promised, f64::min);
    let floor = (1.0 - budget * ERROR_MULTIPLE_MAX).max(0.0);
    let bottom = (1.0 - (1.0 - lowest.max(floor)).max(budget * 2.0) * 1.05).max(0.0);
    // Some room above, so that the line of a perfect step is seen whole.
    let top = 1.0 + (1.0 - bottom) * 0.06;
    let scale = Scale { bottom, top, height: SLI.height - 1.5 };
    let note = if lowest < bottom {
        format!(
            "lowest {}; cut off at {}",
            words::percent_down(lowest, 2),
            words::percent_down(bottom, 2)
        )
    } else {
        String::new()
    };
    title(out, SLI, "SLI by step", &note)?;
    open(out, SLI)?;
    gaps(out, points, SLI.height, |point| point.sli.is_some())?;
    write!(out, r#"<path class="grid" d="M0 {0:.2}H{UNITS}"/>"#, scale.y(1.0))?;
    steps(out, "line", points, Drawn::Line, |point| point.sli.map(|sli| scale.y(sli)))?;
    out.push_str("</svg>");
    rule(out, SLI, scale.y(promised), "target", &target.to_string())?;
    rule(out, SLI, SLI.height, "grid", &words::percent_down(bottom, 2))
}

fn bad(out: &mut String, points: &[Point], bucket: Duration) -> Result {
    let most = points.iter().map(|point| point.bad).max().unwrap_or(0);
    title(
        out,
        BAD,
        "Bad events",
        &format!("at most {} in {}", words::count(most), words::duration(bucket)),
    )?;
    open(out, BAD)?;
    gaps(out, points, BAD.height, |point| point.valid > 0)?;
    let step = UNITS / points.len() as f64;
    if most > 0 {
        out.push_str(r#"<path class="bars" d=""#);
        for (at, point) in points.iter().enumerate().filter(|(_, point)| point.bad > 0) {
            let height = point.bad as f64 / most as f64 * (BAD.height - 1.0);
            write!(
                out,
                "M{:.1} {}v-{height:.1}h{step:.1}v{height:.1}z",
                at as f64 * step,
                BAD.height
            )?;
        }
        out.push_str(r#""/>"#);
    }
    out.push_str("</svg>");
    rule(out, BAD, BAD.height, "grid", "")
}

fn extent(firing: &Firing, time: Interval) -> Option<(f64, f64)> {
    let end = firing.end.unwrap_or(time.end()).min(time.end());
    let start = firing.start.max(time.start());
    (start <= end).then(|| (percent(start, time), percent(end, time)))
}

/// Alerts behind the curves, so that cause and call line up.
fn bands(out: &mut String, time: Interval, firings: &[Firing], axis: f64) -> Result {
    for firing in firings.iter().take(FIRINGS_DRAWN_MAX) {
        let Some((start, end)) = extent(firing, time) else { continue };
        write!(
            out,
            r#"<rect class="band-{}" x="{start:.3}%" y="{}" width="{:.3}%" height="{}"/>"#,
            words::severity(firing.severity),
            BUDGET.top,
            (end - start).max(0.15),
            axis - BUDGET.top
        )?;
    }
    Ok(())
}

fn alerts(out: &mut String, time: Interval, firings: &[Firing], lanes: &[Severity]) -> Result {
    if lanes.is_empty() {
        return Ok(());
    }
    let note = if firings.len() > FIRINGS_DRAWN_MAX {
        format!("the first {FIRINGS_DRAWN_MAX} drawn")
    } else {
        String::new()
    };
    title(out, Panel { top: ALERTS_TOP, height: LANE }, "Alerts", &note)?;
    for (lane, severity) in lanes.iter().enumerate() {
        let y = ALERTS_TOP + LANE * lane as f64;
        let name = words::severity(*severity);
        for firing in
            firings.iter().take(FIRINGS_DRAWN_MAX).filter(|firing| firing.severity == *severity)
        {
            let Some((start, end)) = extent(firing, time) else { continue };
            write!(
                out,
                r#"<rect class="{name}" x="{start:.3}%" y="{:.1}" width="{:.3}%" height="7"><title>{name}: {} from {}</title></rect>"#,
                y + 3.0,
                (end - start).max(0.1),
                Safe(&firing.rule),
                words::moment(firing.start)
            )?;
        }
        margin(out, y + 10.5, name)?;
    }
    Ok(())
}

fn percent(at: Timestamp, time: Interval) -> f64 {
    let whole = time.length().as_seconds_f64();
    if whole > 0.0 { at.since(time.start()).as_seconds_f64() / whole * 100.0 } else { 0.0 }
}

/// Round moments, the same distance apart.
fn ticks(time: Interval) -> Vec<Timestamp> {
    const MINUTE: i64 = 60;
    const DAY: i64 = 86_400;
    const STEPS: [i64; 20] = [
        1,
        5,
        15,
        30,
        MINUTE,
        5 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        60 * MINUTE,
        180 * MINUTE,
        360 * MINUTE,
        720 * MINUTE,
        DAY,
        2 * DAY,
        4 * DAY,
        7 * DAY,
        14 * DAY,
        30 * DAY,
        90 * DAY,
        365 * DAY,
    ];
    let length = time.length().nanos() / 1_000_000_000;
    let step = STEPS
        .into_iter()
        .find(|step| length / step <= i64::from(TICKS_MAX))
        .unwrap_or(length / i64::from(TICKS_MAX));
    let Some(step) = step.checked_mul(1_000_000_000).and_then(Duration::from_nanos) else {
        return Vec::new();
    };
    if step.is_zero() {
        return Vec::new();
    }
    let mut ticks = Vec::new();
    let mut at = time.start().ceil(step);
    while at <= time.end() && ticks.len() <= usize::from(TICKS_MAX) + 1 {
        ticks.push(at);
        at = at.plus(step);
    }
    ticks
}

/// The date where days are told apart, else the time of day; the date again at midnight.
fn label(at: Timestamp, time: Interval) -> String {
    const DAY: i64 = 86_400_000_000_000;
    let length = time.length().nanos();
    let form = if length > 300 * DAY {
        "%b %Y"
    } else if at.nanos() % DAY == 0 {
        "%b %-d"
    } else if length < 120_000_000_000 {
        "%H:%M:%S"
    } else {
        "%H:%M"
    };
    at.to_jiff().strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for hours in [1, 5, 24, 72, 400, 5_000, 40_000] {
            let time = Interval::starting(
                Timestamp::from_seconds(1_700_000_123),
                Duration::from_hours(hours),
            );
            let ticks = ticks(time);
            assert!((2..=7).contains(&ticks.len()), "{hours} h: {}", ticks.len());
            assert!(ticks.iter().all(|tick| tick.nanos() % 60_000_000_000 == 0));
            assert!(ticks.iter().all(|tick| *tick >= time.start() && *tick <= time.end()));
        }
    }

    fn point(at: u32, sli: Option<f64>, remaining_share: Option<f64>) -> Point {
        let interval = Interval::starting(
            Timestamp::from_seconds(i64::from(at) * 60),
            Duration::from_minutes(1),
        );
        Point { interval, valid: 10, good: 9, bad: 1, sli, remaining_share }
    }

    #[test]
    fn a_gap_breaks_the_line_and_is_shaded() {
        let points = [
            point(0, Some(1.0), None),
            point(1, None, None),
            point(2, Some(1.0), None),
            point(3, Some(1.0), None),
        ];
        let mut out = String::new();
        steps(&mut out, "line", &points, Drawn::Line, |point| point.sli.map(|_| 5.0)).unwrap();
        assert_eq!(out, r#"<path class="line" d="M0.0 5.00H250.0M500.0 5.00H1000.0"/>"#);
        out.clear();
        gaps(&mut out, &points, 9.0, |point| point.sli.is_some()).unwrap();
        assert_eq!(out, r#"<path class="gap" d="M250.0 0h250.0v9h-250.0z"/>"#);
    }

    #[test]
    fn overspending_is_shaded_below_zero_only() {
        let points = [point(0, None, Some(0.5)), point(1, None, Some(-0.5))];
        let mut out = String::new();
        remaining(&mut out, &points).unwrap();
        // Zero lies at 150 / 1.525 of the height; only the second half goes below it.
        assert!(
            out.contains(r#"<path class="over" d="M500.0 98.36V147.54H1000.0V98.36Z"/>"#),
            "{out}"
        );
        assert!(out.contains(r#"<path class="left" d="M0.0 98.36V49.18H500.0V98.36Z"/>"#), "{out}");
        // The line itself is whole in both colours, and each is cut off at zero.
        let line = "M0.0 49.18H500.0V147.54H1000.0";
        let above = r#"viewBox="0 -1.00 1000 99.36" preserveAspectRatio="none"><path class="line""#;
        let below =
            r#"viewBox="0 98.36 1000 52.64" preserveAspectRatio="none"><path class="below""#;
        for part in [above, below] {
            assert!(out.contains(&format!(r#"{part} d="{line}"/>"#)), "{part}: {out}");
        }
        assert!(out.contains(">-25%</text>") && out.contains(">-50%</text>"), "{out}");
    }

    #[test]
    fn a_few_round_shares_are_named_below_zero() {
        let named = |bottom: f64| levels_below(bottom).collect::<Vec<_>>();
        assert_eq!(named(0.0), [0.0; 0]);
        assert_eq!(named(-0.2625), [-0.25]);
        assert_eq!(named(-1.05), [-0.5, -1.0]);
        assert_eq!(named(-3.15), [-1.0, -2.0, -3.0]);
    }
}
