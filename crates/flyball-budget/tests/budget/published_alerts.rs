//! Alerts as the SRE Workbook, chapter 5, and others print them.
//!
//! Published times are exact for continuous time; evaluation sees the end of slots, so a rule that
//! fires at 51.84 s fires at the end of the 52nd second.

use flyball_budget::alert::{
    Firing, burn_rate, check, default_rules, detection, duration as duration_strategy, evaluate,
    factor, increased_window, multi_burn, multi_window, reset, spend, strategies, target_rate,
};
use flyball_budget::{Account, BudgetError, Frame, RuleProblem, Series};
use flyball_model::{
    AlertRule, BudgetingMethod, CalendarUnit, CalendarWindow, Comparison, Condition, Duration,
    Evidence, Factor, Severity, Window,
};

use crate::support::{close, duration, history, objective, rolling, share, target};

fn fire(series: &Series, target_text: &str, rules: &[AlertRule]) -> Vec<Firing> {
    let extent = series.extent().unwrap();
    let objective = objective(target_text);
    let frame = Frame::plain(extent);
    let account = Account::new(series, BudgetingMethod::Occurrences, &objective, &frame).unwrap();
    evaluate(&account, objective.target, &rolling("30d"), rules, extent).unwrap()
}

fn seconds(length: Duration) -> i64 {
    length.nanos() / 1_000_000_000
}

/// One rule of the default pairs.
fn pair(index: usize) -> Vec<AlertRule> {
    vec![multi_window(None)[index].clone()]
}

fn factors(rules: &[AlertRule], window: &str) -> Vec<f64> {
    let of = |rule: &AlertRule| match rule.condition {
        Condition::Burn { long, factor: given, .. } => {
            factor(given, long, &rolling(window)).unwrap().to_f64()
        }
        _ => unreachable!("the presets are burn conditions"),
    };
    rules.iter().map(of).collect()
}

#[test]
fn factors_of_tables_5_6_and_5_8() {
    assert_eq!(factors(&multi_burn(), "30d"), [14.4, 6.0, 1.0]);
    assert_eq!(factors(&multi_window(None), "30d"), [14.4, 6.0, 3.0, 1.0]);
    assert_eq!(factors(&burn_rate(), "30d"), [36.0]);
    let severities: Vec<_> = multi_window(None).iter().map(|rule| rule.severity).collect();
    let (page, ticket) = (Severity::Page, Severity::Ticket);
    assert_eq!(severities, [page, page, ticket, ticket]);
    for rule in multi_window(None) {
        let Condition::Burn { long, short: Some(short), .. } = rule.condition else {
            panic!("{} has no short lookback", rule.name)
        };
        assert_eq!(long.nanos(), short.nanos() * 12, "short is a twelfth of long");
    }
}

#[test]
fn factors_over_28_days_are_sloths() {
    for (ours, published) in
        factors(&multi_window(None), "28d").iter().zip([13.44, 5.6, 2.8, 0.9333])
    {
        close(*ours, published, 0.00005);
    }
}

#[test]
fn factors_of_datadogs_table() {
    let table = [
        ("7d", [("0.1", "1h", 16.8), ("0.2", "6h", 5.6), ("0.4", "24h", 2.8)]),
        ("30d", [("0.02", "1h", 14.4), ("0.05", "6h", 6.0), ("0.1", "24h", 3.0)]),
        ("90d", [("0.01", "1h", 21.6), ("0.03", "6h", 10.8), ("0.05", "24h", 4.5)]),
    ];
    for (window, rows) in table {
        for (spent, long, published) in rows {
            let derived =
                factor(Factor::BudgetShare(share(spent)), duration(long), &rolling(window))
                    .unwrap();
            close(derived.to_f64(), published, 1e-12);
            close(spend(published, duration(long), duration(window)), share(spent).to_f64(), 1e-12);
        }
    }
}

#[test]
fn factors_of_sloths_catalogue_for_a_week() {
    // Sloth, examples/windows/7d.yaml.
    let rows =
        [("0.08", "1h", 13.44), ("0.125", "6h", 3.5), ("0.2", "1d", 1.4), ("0.42", "3d", 0.98)];
    for (spent, long, published) in rows {
        let spent = Factor::BudgetShare(share(spent));
        let derived = factor(spent, duration(long), &rolling("7d")).unwrap();
        close(derived.to_f64(), published, 1e-12);
    }
}

#[test]
fn what_pyrras_fixed_factors_spend_of_four_weeks() {
    for (burn, long, percent) in
        [(14.0, "1h", 2.08), (7.0, "6h", 6.25), (2.0, "1d", 7.14), (1.0, "4d", 14.29)]
    {
        close(spend(burn, duration(long), duration("28d")) * 100.0, percent, 0.005);
    }
}

#[test]
fn nothing_is_rounded_before_a_comparison() {
    // slo-generator rounds burns to one decimal, so that 9.04 does not exceed its threshold of 9.
    let rule = AlertRule {
        condition: Condition::Burn {
            long: duration("1h"),
            short: None,
            factor: Factor::Exact(share("9")),
            comparison: Comparison::Above,
        },
        ..multi_window(None)[0].clone()
    };
    let firings = fire(&history("1h", &[(1, 100_000, 904)]), "0.999", std::slice::from_ref(&rule));
    close(firings[0].burn, 9.04, 1e-9);
    assert_eq!(fire(&history("1h", &[(1, 100_000, 900)]), "0.999", &[rule]), []);
}

#[test]
fn table_5_4_burn_and_time_to_exhaustion() {
    let gone = |burn, after| spend(burn, duration(after), duration("30d"));
    for (burn, after) in [(1.0, "30d"), (2.0, "15d"), (10.0, "3d"), (1000.0, "2592s")] {
        // 2,592 s are the 43 minutes of the table.
        close(gone(burn, after), 1.0, 1e-12);
    }
    // A burn of 35: 20.5 hours in the text, exactly 20 h 34 min 17 s.
    close(gone(35.0, "74057s"), 1.0, 1e-5);
}

/// A spell of errors from (ratio × 10,000) of 10,000 requests a slot, after clean lookbacks.
fn spell(width: &str, clean_before: &str, per_10_000: u64, slots: usize, after: usize) -> Series {
    let clean = duration(clean_before).nanos() / duration(width).nanos();
    history(
        width,
        &[
            (usize::try_from(clean).unwrap(), 10_000, 0),
            (slots, 10_000, per_10_000),
            (after, 10_000, 0),
        ],
    )
}

#[test]
fn pairs_fire_and_reset_when_the_workbook_says() {
    // (pair, slot, clean history, bad per 10,000, exact minutes to detection, exact minutes to reset)
    let cases = [
        (0, "1s", "1h", 10_000u64, 0.864f64, Some(4.928)),
        (0, "1s", "1h", 1500, 5.76, Some(4.52)),
        (0, "1s", "1h", 1000, 8.64, Some(4.28)),
        (0, "1s", "1h", 500, 17.28, Some(3.56)),
        (0, "1s", "1h", 200, 43.2, Some(1.40)),
        (1, "1s", "6h", 10_000, 2.16, None),
        (1, "1s", "6h", 1500, 14.4, None),
        (1, "1s", "6h", 500, 43.2, None),
        (1, "1s", "6h", 100, 216.0, None),
        (2, "10s", "24h", 10_000, 4.32, None),
        (2, "10s", "24h", 500, 86.4, None),
        (2, "10s", "24h", 50, 864.0, None),
        (3, "10s", "72h", 10_000, 4.32, None),
        (3, "10s", "72h", 20, 2160.0, None),
        (3, "10s", "72h", 15, 2880.0, None),
    ];
    for (index, width, clean, bad, detection_minutes, reset_minutes) in cases {
        let rules = pair(index);
        let slot = seconds(duration(width));
        let case = format!("{} at {bad} of 10,000", rules[0].name);
        // Long enough to fire, and at least the short lookback so that the reset is the book's.
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        let exact = (detection_minutes * 60.0 * 1000.0).round() as i64;
        let fires = exact / 1000 / slot * slot + slot;
        let lasting = usize::try_from((fires / slot).max(300 / slot + 1)).unwrap();
        let series = spell(width, clean, bad, lasting, 400);
        let firings = fire(&series, "0.999", &rules);
        assert_eq!(firings.len(), 1, "{case}");
        let onset = seconds(duration(clean));
        assert_eq!(firings[0].onset.nanos() / 1_000_000_000, onset, "{case}");
        assert_eq!(firings[0].detection_delay_seconds, fires as f64, "{case}");
        // "Always 2 % spent": the share that defines the pair, to the slot.
        let defined = [0.02, 0.05, 0.1, 0.1][index];
        let one_slot = defined * slot as f64 / (detection_minutes * 60.0) + 1e-9;
        close(firings[0].spent_in_lookback, defined, one_slot);
        if let Some(minutes) = reset_minutes {
            let stopped = onset + i64::try_from(lasting).unwrap() * slot;
            let ended = firings[0].end.unwrap().nanos() / 1_000_000_000;
            #[expect(clippy::cast_possible_truncation, reason = "small")]
            let expected = stopped + f64::ceil(minutes * 60.0 - 1e-6) as i64;
            assert_eq!(ended, expected, "{case}");
            let spell_end = firings[0].spell_end.unwrap().nanos() / 1_000_000_000;
            assert_eq!(spell_end, stopped, "{case}");
        }
        // The formulas say the same as the history.
        let Condition::Burn { long, short, .. } = rules[0].condition else { unreachable!() };
        let burn = factors(&rules, "30d")[0];
        let ratio = bad as f64 / 10_000.0;
        let paper = detection(target("0.999"), burn, long, ratio).unwrap();
        close(paper, detection_minutes * 60.0, 1e-6);
        close(spend(burn, long, duration("30d")), defined, 1e-12);
        if let Some(minutes) = reset_minutes {
            let paper = reset(target("0.999"), burn, short.unwrap(), ratio).unwrap();
            close(paper, minutes * 60.0, 1e-6);
        }
    }
}

#[test]
fn at_the_factor_itself_a_pair_never_fires() {
    for (index, width, clean, bad, lasting) in [
        (0, "1s", "1h", 144, 4000),
        (1, "10s", "6h", 60, 2500),
        (2, "1m", "24h", 30, 1500),
        (3, "1m", "72h", 10, 4500),
    ] {
        let series = spell(width, clean, bad, lasting, 10);
        assert_eq!(fire(&series, "0.999", &pair(index)), [], "pair {index}");
        let more = spell(width, clean, bad + 1, lasting, 10);
        assert_eq!(fire(&more, "0.999", &pair(index)).len(), 1, "pair {index}");
    }
}

#[test]
fn figure_5_6_fifteen_percent_for_ten_minutes() {
    let series = spell("1s", "6h", 1500, 600, 4000);
    let firings = fire(&series, "0.999", &pair(0));
    assert_eq!(firings.len(), 1);
    // The short lookback alone is above after 0.48 minutes, 28.8 s.
    let Condition::Burn { short: Some(short), factor, comparison, .. } =
        pair(0)[0].condition.clone()
    else {
        panic!("a pair has a short lookback")
    };
    let exact = Factor::Exact(share("14.4"));
    assert_eq!(factor, Factor::BudgetShare(share("0.02")));
    let alone = AlertRule {
        condition: Condition::Burn { long: short, short: None, factor: exact, comparison },
        ..pair(0)[0].clone()
    };
    assert_eq!(fire(&series, "0.999", &[alone])[0].detection_delay_seconds, 29.0);
    close(detection(target("0.999"), 14.4, short, 0.15).unwrap() / 60.0, 0.48, 1e-9);
    // The text says 5 minutes; exactly 5.76. It clears 4.52 minutes after the errors stop.
    assert_eq!(firings[0].detection_delay_seconds, 346.0);
    let stop = 6 * 3600 + 600;
    assert_eq!(firings[0].end.unwrap().nanos() / 1_000_000_000, stop + 272);
    // Without the short lookback it goes on for 54.24 minutes.
    let firings = fire(&series, "0.999", &[multi_burn()[0].clone()]);
    assert_eq!(firings[0].end.unwrap().nanos() / 1_000_000_000, stop + 3255);
}

#[test]
fn strategy_1_calls_at_a_fiftieth_of_a_percent() {
    // 0.1 % for 10 minutes alerts, though it spends 0.02 % of the budget; an outage in 0.6 s.
    let series = spell("10s", "1h", 10, 60, 100);
    let firings = fire(&series, "0.999", &target_rate());
    assert_eq!(firings.len(), 1);
    close(firings[0].spent_in_lookback * 100.0, 0.02, 0.005);
    close(detection(target("0.999"), 1.0, duration("10m"), 1.0).unwrap(), 0.6, 1e-9);
}

#[test]
fn strategy_1_calls_144_times_a_day_and_the_objective_is_met() {
    // One call for each ten minutes of the day: six failures at once put 10 minutes of 10 requests
    // a second at exactly 0.1 %, and a second after they have left the lookback come six more.
    let burst = [(1, 10, 6), (600, 10, 0)];
    let day = [&burst.repeat(143)[..], &[(1, 10, 6), (456, 10, 0)]].concat();
    let series = history("1s", &day);
    assert_eq!(series.len(), 86_400);
    assert_eq!(fire(&series, "0.999", &target_rate()).len(), 144);
    // 864 of 864,000 are 0.1 %: no more than what the objective allows.
    let all = series.sum(series.extent().unwrap());
    let allowed = flyball_budget::Fraction::share_of(all.valid(), target("0.999").error_budget());
    assert_eq!((all.bad(), allowed.to_string().as_str()), (864, "864"));
}

#[test]
fn strategy_2_notices_in_two_minutes_and_lets_go_after_36_hours() {
    let series = spell("10s", "36h", 10_000, 20, 13_200);
    let firings = fire(&series, "0.999", &increased_window());
    assert_eq!(firings.len(), 1);
    // 129.6 s, printed as 2 min 10 s.
    assert_eq!(firings[0].detection_delay_seconds, 130.0);
    close(firings[0].spent_in_lookback, 0.05, 0.001);
    let paper = reset(target("0.999"), 1.0, duration("36h"), 1.0).unwrap();
    close(paper / 3600.0, 35.96, 0.005);
    // 12.96 slots of errors may stay in the lookback, so it lets go when 12 of 20 are left:
    // 36 h after the eighth slot ended.
    let ended = firings[0].end.unwrap().nanos() / 1_000_000_000;
    assert_eq!(ended, 36 * 3600 + 80 + 36 * 3600);
}

#[test]
fn strategy_3_waits_an_hour_and_never_sees_spikes() {
    let outage = spell("1m", "1h", 10_000, 90, 60);
    let firings = fire(&outage, "0.999", &duration_strategy());
    assert_eq!(firings.len(), 1);
    // True since the first minute's end, for one hour.
    assert_eq!(firings[0].detection_delay_seconds, 3660.0);
    close(spend(1000.0, duration("1h"), duration("30d")) * 100.0, 138.9, 0.05);
    // Total outages of 5 minutes every 10 minutes: never noticed. Three of them spend "35 %".
    let spikes: Vec<_> = (0..60).flat_map(|_| [(5, 100, 100), (5, 100, 0)]).collect();
    assert_eq!(fire(&history("1m", &spikes), "0.999", &duration_strategy()), []);
    close(spend(1000.0, duration("5m"), duration("30d")) * 100.0, 11.57, 0.005);
    close(3.0 * spend(1000.0, duration("5m"), duration("30d")) * 100.0, 34.7, 0.05);
}

#[test]
fn strategy_4_misses_a_burn_of_35() {
    let quick = spell("1s", "1h", 10_000, 300, 4000);
    let firings = fire(&quick, "0.999", &burn_rate());
    assert_eq!(firings.len(), 1);
    // 2.16 min; lets go 57.84 min after an outage (printed as 58).
    assert_eq!(firings[0].detection_delay_seconds, 130.0);
    close(reset(target("0.999"), 36.0, duration("1h"), 1.0).unwrap() / 60.0, 57.84, 1e-9);
    let slow = spell("10s", "1h", 350, 8000, 10);
    assert_eq!(fire(&slow, "0.999", &burn_rate()), []);
}

#[test]
fn strategy_5_goes_on_for_days() {
    let series = spell("1m", "72h", 10_000, 10, 4400);
    let firings = fire(&series, "0.999", &multi_burn());
    let names: Vec<_> = firings.iter().map(|firing| firing.rule.as_str()).collect();
    assert_eq!(names, ["burn-1h", "burn-6h", "burn-3d"]);
    let lasted = |index: usize| {
        firings[index].end.unwrap().since(firings[index].start).as_minutes_f64() / 60.0
    };
    assert!(lasted(2) > 71.0, "the ticket stays for nearly three days");
    // 59.136 min after the ten minutes of errors stop, less the first slot.
    close(lasted(0) * 60.0, 69.0, 1.0);
}

#[test]
fn low_traffic_one_failure_of_ten() {
    // 10 requests an hour, one fails: 10 % of the hour. The book prints "1,000x burn rate"; with
    // 0.1 % allowed it is 100x, and only 100x agrees with the 13.9 % of the budget printed beside.
    let series = history("1h", &[(719, 10, 0), (1, 10, 1)]);
    let rule = AlertRule {
        condition: Condition::Burn {
            long: duration("1h"),
            short: None,
            factor: Factor::Exact(share("14.4")),
            comparison: Comparison::Above,
        },
        ..multi_window(None)[0].clone()
    };
    let firings = fire(&series, "0.999", std::slice::from_ref(&rule));
    assert_eq!(firings.len(), 1);
    close(firings[0].burn, 100.0, 1e-9);
    close(firings[0].spent_in_lookback * 100.0, 13.9, 0.05);
    // 7,200 requests in 30 days allow 7 failures.
    assert_eq!(flyball_budget::Fraction::share_of(7200, target("0.999").error_budget()).floor(), 7);
    // With evidence asked for, one failure wakes nobody: at a burn of 4 it happens by chance in 3.9 %
    // of hours, at 14.4 in 13.5 %.
    let careful = |confidence, bad_min, valid_min| AlertRule {
        evidence: Some(Evidence { confidence, bad_min, valid_min }),
        ..rule.clone()
    };
    let strict = Some(share("0.97"));
    assert_eq!(fire(&series, "0.999", &[careful(strict, 0, 0)]), []);
    assert_eq!(fire(&series, "0.999", &[careful(None, 2, 0)]), []);
    assert_eq!(fire(&series, "0.999", &[careful(None, 0, 11)]), []);
    assert_eq!(fire(&series, "0.999", &[careful(Some(share("0.96")), 1, 10)]).len(), 1);
    let two = history("1h", &[(719, 10, 0), (1, 10, 2)]);
    assert_eq!(fire(&two, "0.999", &[careful(strict, 0, 0)]).len(), 1);
}

#[test]
fn extreme_targets() {
    // 90 %: a full outage spends 1.4 % an hour, so 2 % an hour can never happen.
    close(spend(target("0.9").burn_max(), duration("1h"), duration("30d")) * 100.0, 1.4, 0.05);
    let error = check(&multi_window(None)[0], target("0.9"), &rolling("30d")).unwrap_err();
    let BudgetError::Rule { rule, problem } = &error else { panic!("{error}") };
    assert_eq!(rule, "burn-1h-5m");
    assert!(matches!(**problem, RuleProblem::CanNeverFire { .. }));
    assert_eq!(
        error.to_string(),
        "alert rule `burn-1h-5m`: a burn of 14.4 can never be exceeded: with a target of 90% the \
         burn is at most 10, when everything fails; hint: spend less than 1.3889% of the budget \
         within 1h, or use a longer lookback"
    );
    // 99.999 %: an outage spends everything in 26 s (25.92), a rollout to 1 % in 43 min (2,592 s).
    let burn_max = target("0.99999").burn_max();
    close(spend(burn_max, duration("26s"), duration("30d")), 26.0 / 25.92, 1e-9);
    close(spend(burn_max * 0.01, duration("2592s"), duration("30d")), 1.0, 1e-9);
}

#[test]
fn table_5_10_classes_share_one_set_of_rules() {
    // CRITICAL, HIGH_FAST and HIGH_SLOW, LOW: "the same alert parameters for all services".
    for class in ["0.9999", "0.999", "0.99"] {
        let defaults = default_rules(&rolling("30d"));
        assert_eq!((defaults.rules.len(), defaults.left_out.len()), (5, 0));
        for rule in &defaults.rules {
            check(rule, target(class), &rolling("30d")).unwrap();
        }
    }
}

#[test]
fn dead_thresholds_are_refused_where_sloth_keeps_them() {
    // With 14.4 the quick pair is dead from 93.05 % down, with 6 the page is from 83.3 % down.
    for (rule, dead, alive) in [(0, "0.9305", "0.9306"), (1, "0.8333", "0.8334")] {
        let rule = &multi_window(None)[rule];
        assert!(check(rule, target(dead), &rolling("30d")).is_err(), "{dead}");
        check(rule, target(alive), &rolling("30d")).unwrap();
    }
    // Datadog allows exactly 1 / (1 - target) with `>=`.
    let at_least = |comparison| AlertRule {
        condition: Condition::Burn {
            long: duration("1h"),
            short: None,
            factor: Factor::Exact(share("10")),
            comparison,
        },
        ..multi_window(None)[0].clone()
    };
    check(&at_least(Comparison::AtLeast), target("0.9"), &rolling("30d")).unwrap();
    check(&at_least(Comparison::Above), target("0.9"), &rolling("30d")).unwrap_err();
}

#[test]
fn calendar_factors_use_nominal_lengths() {
    let month = Window::Calendar(CalendarWindow {
        unit: CalendarUnit::Month,
        count: 1,
        zone: jiff::tz::TimeZone::UTC,
        anchor: jiff::civil::date(2026, 2, 1).at(0, 0, 0, 0),
    });
    let derived = factor(Factor::BudgetShare(share("0.02")), duration("1h"), &month).unwrap();
    close(derived.to_f64(), 14.4, 1e-12);
}

#[test]
fn all_six_strategies_can_work_at_three_nines() {
    let strategies = strategies();
    assert_eq!(strategies.len(), 6);
    for (name, rules) in strategies {
        for rule in rules {
            check(&rule, target("0.999"), &rolling("30d"))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}
