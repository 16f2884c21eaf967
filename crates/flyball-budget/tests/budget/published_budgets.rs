//! Budgets as their sources print them.

use flyball_budget::report::Assessment;
use flyball_budget::{Measured, Series, Status, assess};
use flyball_model::{BudgetingMethod, Objective, Rational, Slot, Tally, Target};

use crate::support::{close, duration, history, objective, rolling, share, slo, span};

/// All of `series` under a window that holds it.
fn assessment(method: BudgetingMethod, objective: Objective, series: Series) -> Assessment {
    let extent = series.extent().unwrap();
    let window = flyball_model::Window::Rolling { length: extent.length() };
    let slo = slo(method, window, vec![objective]);
    let report = assess(&slo, &Measured::single(series), &[], extent.end(), extent).unwrap();
    report.objectives.into_iter().next().unwrap().total
}

/// One slot with everything in it.
fn lump(valid: u64, bad: u64) -> Series {
    history("1h", &[(1, valid, bad)])
}

fn sliced(target: &str, window: &str, slice_target: Option<&str>) -> Objective {
    Objective {
        timeslice_window: Some(duration(window)),
        timeslice_target: slice_target.map(share),
        ..objective(target)
    }
}

#[test]
fn workbook_chapter_2_allowed_failures_of_four_weeks() {
    // SRE Workbook, chapter 2: 3,663,253 requests in four weeks.
    for (target, allowed) in [("0.97", 109_897), ("0.90", 366_325), ("0.99", 36_632)] {
        let total = assessment(BudgetingMethod::Occurrences, objective(target), lump(3_663_253, 0));
        assert_eq!(total.budget.allowed.floor(), allowed, "{target}");
    }
}

#[test]
fn workbook_chapter_2_sli_and_shares_of_the_budget() {
    let total = assessment(
        BudgetingMethod::Occurrences,
        objective("0.97"),
        lump(3_663_253, 3_663_253 - 3_557_865),
    );
    close(total.budget.sli.unwrap() * 100.0, 97.123, 0.0005);
    assert_eq!(total.status, Status::Met);
    for (errors, percent) in [(14_066, 12.80), (72_000, 65.5)] {
        let total =
            assessment(BudgetingMethod::Occurrences, objective("0.97"), lump(3_663_253, errors));
        close(total.budget.spent_share.unwrap() * 100.0, percent, 0.05);
    }
}

#[test]
fn a_million_requests_at_three_nines() {
    // SRE Workbook, appendix B: 1,000 errors allowed. Honeycomb's documentation: 550 failed of
    // them leaves 45 %.
    let total = assessment(BudgetingMethod::Occurrences, objective("0.999"), lump(1_000_000, 550));
    assert_eq!(total.budget.allowed.to_string(), "1000");
    assert_eq!(total.budget.remaining.to_string(), "450");
    assert_eq!(total.budget.remaining_share, Some(0.45));
    let exact = assessment(BudgetingMethod::Occurrences, objective("0.999"), lump(1_000_000, 1000));
    assert_eq!((exact.status, exact.budget.remaining.is_zero()), (Status::Met, true));
    let over = assessment(BudgetingMethod::Occurrences, objective("0.999"), lump(1_000_000, 1001));
    assert_eq!((over.status, over.budget.remaining.to_string().as_str()), (Status::Missed, "-1"));
}

/// Nobl9's published example, target 95 %: good and valid of ten intervals.
const NOBL9_GOOD: [u64; 10] = [2, 10, 12, 13, 13, 12, 13, 13, 12, 11];
const NOBL9_VALID: [u64; 10] = [4, 10, 12, 13, 14, 15, 14, 13, 12, 11];

fn nobl9() -> Series {
    let tallies = NOBL9_VALID.iter().zip(NOBL9_GOOD).enumerate().map(|(slot, (valid, good))| {
        (Slot(i64::try_from(slot).unwrap()), Tally::new(*valid, good).unwrap())
    });
    Series::new(duration("1m"), tallies).unwrap()
}

#[test]
fn nobl9_occurrences() {
    let budget = assessment(BudgetingMethod::Occurrences, objective("0.95"), nobl9()).budget;
    assert_eq!((budget.valid, budget.good, budget.bad), (118, 111, 7));
    close(budget.sli.unwrap() * 100.0, 94.0677, 0.0001);
    // Printed as 118.646; 7 / 5.9 is 118.644.
    close(budget.spent_share.unwrap() * 100.0, 118.644, 0.0005);
    assert_eq!(budget.allowed.to_string(), "5.9");
    assert_eq!(budget.remaining.to_string(), "-1.1");
}

#[test]
fn nobl9_time_slices() {
    let total = assessment(BudgetingMethod::Timeslices, sliced("0.95", "1m", Some("1")), nobl9());
    assert_eq!(total.budget.slices, Some(10));
    assert_eq!(total.budget.sli, Some(0.6));
    assert_eq!(total.budget.spent_share, Some(8.0));
    assert_eq!(total.budget.minutes.spent, Some(4.0));
    assert_eq!(total.budget.minutes.remaining, Some(-3.5));
    let ratio = assessment(BudgetingMethod::RatioTimeslices, sliced("0.95", "1m", None), nobl9());
    close(ratio.budget.sli.unwrap() * 100.0, 91.571, 0.0005);
    close(ratio.budget.spent_share.unwrap() * 100.0, 168.57, 0.005);
    assert_eq!(ratio.status, Status::Missed);
}

#[test]
fn grafana_event_based_and_time_based() {
    // Grafana SLO documentation: four intervals of 10/10, then 20/40.
    let series = || history("1m", &[(4, 10, 0), (1, 40, 20)]);
    let events = assessment(BudgetingMethod::Occurrences, objective("0.5"), series());
    assert_eq!(events.budget.sli, Some(0.75));
    let time = assessment(BudgetingMethod::RatioTimeslices, sliced("0.5", "1m", None), series());
    assert_eq!(time.budget.sli, Some(0.9));
}

#[test]
fn openslo_attack_by_occurrences() {
    // 336,000 requests in two weeks at 95 %: 16,800 of them during the attack, 1 % of those good.
    let attacked = lump(336_000, 16_632);
    let budget = assessment(BudgetingMethod::Occurrences, objective("0.95"), attacked).budget;
    assert_eq!((budget.allowed.to_string().as_str(), budget.bad), ("16800", 16_632));
    assert_eq!(budget.remaining.to_string(), "168");
}

/// Two weeks of one-minute slices at 99 %, the first `attacked` of them at 1 %.
fn attack(attacked: usize) -> Series {
    history("1m", &[(attacked, 100, 99), (20_160 - attacked, 100, 1)])
}

#[test]
fn openslo_attack_by_timeslices() {
    let lasting = |attacked| {
        let objective = sliced("0.95", "1m", Some("0.95"));
        assessment(BudgetingMethod::Timeslices, objective, attack(attacked))
    };
    let minutes = 16 * 60 + 48;
    let total = lasting(minutes);
    assert_eq!(total.budget.minutes.allowed, 1008.0);
    assert_eq!((total.status, total.budget.remaining.is_zero()), (Status::Met, true));
    assert_eq!(lasting(minutes + 1).status, Status::Missed);
}

#[test]
fn openslo_attack_by_ratio_timeslices() {
    // "About 13 h 45": exactly 13 h 42 min 51 s, so 822 whole minutes are kept and 823 are not.
    let lasting = |attacked| {
        assessment(BudgetingMethod::RatioTimeslices, sliced("0.95", "1m", None), attack(attacked))
    };
    assert_eq!(lasting(13 * 60 + 42).status, Status::Met);
    assert_eq!(lasting(13 * 60 + 43).status, Status::Missed);
    close(lasting(822).budget.minutes.remaining.unwrap(), 51.0 / 60.0 * 0.98, 0.01);
}

#[test]
fn time_budgets_of_a_week() {
    let week = |objective| {
        let slo = slo(BudgetingMethod::Timeslices, rolling("1w"), vec![objective]);
        let series = history("1m", &[(400, 1, 1), (10_080 - 400, 1, 0)]);
        let span = span(0, 604_800);
        let report = assess(&slo, &Measured::single(series), &[], span.end(), span).unwrap();
        report.objectives[0].total.clone()
    };
    // OpenSLO: one week at 99.95 % is 5 min 2.4 s.
    let openslo = week(sliced("0.9995", "1m", Some("0.95")));
    close(openslo.budget.minutes.allowed_whole_window, 5.0 + 2.4 / 60.0, 1e-9);
    // IBM Instana: one week at 90 % is 1008 min; 400 bad minutes are 96.03 %.
    let instana = week(sliced("0.9", "1m", Some("0.95")));
    close(instana.budget.minutes.allowed, 1008.0, 1e-9);
    assert_eq!(instana.budget.minutes.spent, Some(400.0));
    close(instana.budget.sli.unwrap() * 100.0, 96.03, 0.005);
}

#[test]
fn openobserve_burn() {
    // Target 35 %: SLI 35.85 burns at 0.987, SLI 57.46 at 0.654; 94 % burns at most at 16.67.
    for (good, burn) in [(3585, 0.987), (5746, 0.654)] {
        let mut slo = slo(BudgetingMethod::Occurrences, rolling("7d"), vec![objective("0.35")]);
        slo.lookbacks = vec![duration("1h")];
        let measured = Measured::single(lump(10_000, 10_000 - good));
        let report = assess(&slo, &measured, &[], span(0, 3600).end(), span(0, 3600)).unwrap();
        close(report.objectives[0].total.burns[0].burn.unwrap(), burn, 0.0005);
    }
    close(crate::support::target("0.94").burn_max(), 16.67, 0.005);
}

#[test]
fn datadog_remaining_percent() {
    // remaining % = 100 (status - target) / (100 - target).
    for (bad, target) in [(3u64, "0.99"), (17, "0.98"), (250, "0.9")] {
        let total = assessment(BudgetingMethod::Occurrences, objective(target), lump(1000, bad));
        let status = 100.0 - bad as f64 / 10.0;
        let target = share(target).to_f64() * 100.0;
        let published = 100.0 * (status - target) / (100.0 - target);
        close(total.budget.remaining_share.unwrap() * 100.0, published, 1e-9);
    }
}

#[test]
fn an_objective_of_100_percent_is_refused() {
    let error = Target::new(Rational::parse_percent("100%").unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a target of 1 leaves no error budget; it must be below 1 (100 %)"
    );
}

#[test]
fn a_target_of_zero_allows_everything() {
    let total = assessment(BudgetingMethod::Occurrences, objective("0"), lump(5, 5));
    assert_eq!((total.status, total.budget.remaining.is_zero()), (Status::Met, true));
}
