//! Against the sheet of Google's CRE team and the table of its post ("Know thy enemy: how to prioritize and
//! communicate risks"), and an article on production excellence that has the canary.

use super::*;

/// The sheet's template, with the bad minutes a year that follow.
const TEMPLATE: [(&str, &str, f64); 8] = [
    ("config", "30m 120m 20% 120d", 91.31),
    ("small", "1440m 30m 2% 90d", 119.32),
    ("sizeable", "5m 120m 50% 180d", 126.82),
    ("growth", "5m 120m 100% 365d", 125.09),
    ("noisy", "240m 10m 15% 180d", 76.09),
    ("operator", "5m 510m 100% 1460d", 128.84),
    ("zone", "5m 40m 50% 365d", 22.52),
    ("region", "2m 30m 100% 730d", 16.01),
];

/// The blog's table, in bad minutes a year.
const BLOG: [u32; 14] = [3559, 507, 395, 242, 213, 150, 129, 125, 122, 119, 76, 71, 52, 16];

fn template() -> Vec<Risk> {
    TEMPLATE.iter().map(|(name, inputs, _)| risk(name, inputs)).collect()
}

/// Each of the blog's risks as one failure a year of all users.
fn blog() -> Register {
    let one =
        |minutes: &u32| risk(&format!("risk-{minutes:04}"), &format!("0s {minutes}m 100% 8766h"));
    register(&BLOG.iter().map(one).collect::<Vec<_>>())
}

fn line<'a>(of: &'a Assessment, name: &str) -> &'a RiskLine {
    of.risks.iter().find(|line| line.name == name).unwrap()
}

fn named(of: &Assessment, standing: RiskStanding) -> usize {
    of.risks.iter().filter(|line| line.standing == standing).count()
}

#[test]
fn the_template_costs_what_the_sheet_says() {
    let assessed = assessed(&register(&template()), "99.9%");
    for (name, _, minutes) in TEMPLATE {
        let line = line(&assessed, name);
        assert!((line.minutes_a_year[1] - minutes).abs() < 0.005, "{name}: {line:?}");
        assert_eq!(line.minutes_a_year[0], line.minutes_a_year[2], "{name} has no ranges");
    }
    // The sum of the rounded eight is 706.00; that of the exact ones 705.99.
    assert!((assessed.expected_minutes_a_year - 705.99).abs() < 0.005);
    let order: Vec<&str> = assessed.risks.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(order[..3], ["operator", "sizeable", "growth"]);
}

/// Four rows of the blog follow from the template; the row "config mishap" does not.
#[test]
fn the_blog_shows_the_template_rounded() {
    let assessed = assessed(&register(&template()), "99.9%");
    for (name, minutes) in
        [("small", 119.0), ("growth", 125.0), ("noisy", 76.0), ("operator", 129.0)]
    {
        assert_eq!(line(&assessed, name).minutes_a_year[1].round(), minutes);
    }
    let blogs = risk("config", "30m 120m 20% 90d");
    let cost =
        |risk: &Risk| minutes(register(std::slice::from_ref(risk)).cost(&risk.spec).mean, YEAR);
    assert!((cost(&blogs) - 121.75).abs() < 0.005, "the blog's 122 has failed every 90 days");
    assert_ne!(line(&assessed, "config").minutes_a_year[1].round(), 122.0, "and not every 120");
    // Rows whose inputs are inferred.
    for (inputs, minutes) in
        [("5m 120m 100% 90d", 507.0), ("0s 1m 100% 7d", 52.0), ("0s 725m 100% 1095d", 242.0)]
    {
        assert_eq!(cost(&risk("inferred", inputs)).round(), minutes, "{inputs}");
    }
}

/// Budgets of a year of 525 960 minutes, and a quarter of each.
#[test]
fn budgets_and_ceilings_are_those_of_the_sheet() {
    let register = register(&template());
    for (target, budget, ceiling) in [
        ("99%", 5_259.6, 1_314.9),
        ("99.5%", 2_629.8, 657.45),
        ("99.9%", 525.96, 131.49),
        ("99.95%", 262.98, 65.745),
        ("99.99%", 52.596, 13.149),
    ] {
        let of = assessed(&register, target);
        assert!((of.budget_minutes_a_year - budget).abs() < 1e-6, "{target}: {of:?}");
        assert!((of.ceiling_minutes_a_year - ceiling).abs() < 1e-6, "{target}: {of:?}");
    }
    // "99.9 % equates to a 0.01 % budget" would leave a tenth of it.
    assert!(assessed(&register, "99.9%").budget_minutes_a_year > 9.0 * 525_960.0 * 0.000_1);
}

/// A year, a quarter of it and 30 days of one target differ: a budget is told with its window.
#[test]
fn a_budget_has_a_window() {
    let register = register(&template());
    let in_days = |days| Duration::from_days(days);
    let quarter = Duration::from_nanos(YEAR.nanos() / 4).unwrap();
    for (window, minutes) in
        [(YEAR, 52.596), (quarter, 13.149), (in_days(30), 4.32), (in_days(90), 12.96)]
    {
        let of = assess(&register, &objective("99.99%", window), TODAY).unwrap();
        assert!((of.budget_minutes_a_window - minutes).abs() < 1e-9, "{window}");
        assert!((of.budget_minutes_a_year - 52.596).abs() < 1e-9, "the year is the same");
        let line = &of.risks[0];
        assert!(
            (line.minutes_a_window / of.budget_minutes_a_window - line.budget_share).abs() < 1e-9
        );
    }
}

#[test]
fn the_blog_is_too_much_for_three_nines() {
    let register = blog();
    let two_and_a_half = assessed(&register, "99.5%");
    assert!((two_and_a_half.expected_minutes_a_year - 5_776.0).abs() < 1e-6);
    assert_eq!(named(&two_and_a_half, RiskStanding::TooBig), 1);
    assert_eq!(two_and_a_half.risks[0].name, "risk-3559");
    let rest = |of: &Assessment| -> (usize, f64) {
        let rest = of.risks.iter().filter(|line| line.standing != RiskStanding::TooBig);
        rest.fold((0, 0.0), |(count, sum), line| (count + 1, sum + line.minutes_a_year[1]))
    };
    let (count, sum) = rest(&two_and_a_half);
    assert_eq!(count, 13);
    assert!((sum - 2_217.0).abs() < 1e-6, "{sum}");
    assert_eq!(named(&two_and_a_half, RiskStanding::Fits), 13, "the other 13 fit");
    assert_eq!(two_and_a_half.rest_overspent, Above { above: false, sure: true });
    assert_eq!(two_and_a_half.overspent, Above { above: true, sure: true });

    let three = assessed(&register, "99.9%");
    let big: Vec<&str> = three
        .risks
        .iter()
        .filter(|line| line.standing == RiskStanding::TooBig)
        .map(|line| line.name.as_str())
        .collect();
    assert_eq!(big, ["risk-3559", "risk-0507", "risk-0395", "risk-0242", "risk-0213", "risk-0150"]);
    let (count, sum) = rest(&three);
    assert_eq!(count, 8);
    assert!((sum - 710.0).abs() < 1e-6, "{sum}");
    assert_eq!(three.rest_overspent, Above { above: true, sure: true });
    assert_eq!(named(&three, RiskStanding::Fits), 8, "each by itself fits");

    let four = assessed(&register, "99.99%");
    assert_eq!(named(&four, RiskStanding::TooBig), 14);
}

/// What is accepted leaves less for the rest, until one no longer fits.
#[test]
fn what_is_accepted_is_taken_from_the_budget() {
    let accept = |mut risk: Risk| {
        let until = date(2027, 1, 1);
        risk.spec.accepted =
            Some(Acceptance { who: "ada".to_owned(), reason: "rare".to_owned(), until });
        risk
    };
    let mut risks = blog().risks().to_vec();
    // 129 + 125 + 122 + 119 = 495 of 525.96: 30.96 are left, which 16 fit and 52 do not.
    for risk in &mut risks {
        if ["risk-0129", "risk-0125", "risk-0122", "risk-0119"].contains(&risk.name.as_str()) {
            *risk = accept(risk.clone());
        }
    }
    let of = assessed(&register(&risks), "99.9%");
    assert!((of.accepted_minutes_a_year - 495.0).abs() < 1e-6);
    assert!((of.unallocated_minutes_a_year - 30.96).abs() < 1e-6);
    assert_eq!(line(&of, "risk-0016").standing, RiskStanding::Fits);
    assert_eq!(line(&of, "risk-0052").standing, RiskStanding::DoesNotFit);
    assert_eq!(line(&of, "risk-0129").standing, RiskStanding::Accepted);
    // With a reserve of a twentieth, 26.298, not even that one fits.
    let reserved = ruled(&risks, serde_json::json!({"service": "shop", "reserve": "5%"}));
    let reserved = assessed(&reserved, "99.9%");
    assert!((reserved.reserve_minutes_a_year - 26.298).abs() < 1e-6);
    assert_eq!(line(&reserved, "risk-0016").standing, RiskStanding::DoesNotFit);
    // On the first day on which they no longer hold, acceptances are as if they were not.
    let late = assess(&register(&risks), &objective("99.9%", YEAR), date(2027, 1, 1)).unwrap();
    assert_eq!(late.accepted_minutes_a_year, 0.0);
    assert!(line(&late, "risk-0129").lapsed);
    // What is accepted though it is too big says so.
    risks[13] = accept(risks[13].clone());
    let big = assessed(&register(&risks), "99.9%");
    let accepted = line(&big, "risk-3559");
    assert_eq!((accepted.standing, accepted.ceiling.above), (RiskStanding::Accepted, true));
    assert!(big.unallocated_minutes_a_year < 0.0);
}

/// A ceiling is reached and not passed at its boundary: 25 % of 525.96 minutes, exactly.
#[test]
fn a_risk_at_the_ceiling_is_not_too_big() {
    // 7889.4 seconds of a year; half of them every half year.
    let at = risk("at", "0s 7889s 100% 8766h");
    let of = |risk: Risk| assessed(&register(&[risk]), "99.9%").risks[0].standing;
    assert_eq!(of(at), RiskStanding::Fits);
    assert_eq!(of(risk("over", "0s 7890s 100% 8766h")), RiskStanding::TooBig);
    // 39447 s × 20 % = 7889.4 s.
    assert_eq!(of(risk("exact", "0s 39447s 20% 8766h")), RiskStanding::Fits);
    assert_eq!(of(risk("above", "1s 39447s 20% 8766h")), RiskStanding::TooBig);
}

/// The sheet's factors, over Σ(impact · n) of 4.26042.
#[test]
fn factors_add_what_the_sheet_says() {
    let added = |factor: serde_json::Value| {
        let mut factor = factor;
        factor["name"] = "common".into();
        factor["everywhere"] = true.into();
        let rules = serde_json::json!({"service": "shop", "factors": [factor]});
        let of = assessed(&ruled(&template(), rules), "99.9%");
        assert_eq!((of.themes.len(), of.themes[0].risks), (1, 8));
        let adds = of.themes[0].adds.unwrap();
        assert!((of.expected_minutes_a_year - adds - 705.99).abs() < 0.005, "{of:?}");
        adds
    };
    let near = |adds: f64, wanted: f64| assert!((adds - wanted).abs() < 0.005, "{adds}");
    near(added(serde_json::json!({"detect": "30m"})), 127.81);
    near(added(serde_json::json!({"repair": "5m"})), 21.30);
    near(added(serde_json::json!({"frequency": "10%"})), 70.60);
    near(added(serde_json::json!({"detect": "1m", "frequency": "0%"})), 4.26042);
    // All at once, by the sheet's formula.
    let all = serde_json::json!({"detect": "30m", "repair": "5m", "frequency": "10%"});
    near(added(all), 1.1 * 35.0 * 4.260_42 + 70.599);
}

/// A canary turns 120 bad minutes per user and month into 1.5: 100 % × 2 h monthly into 5 % × 30 min.
#[test]
fn a_canary_saves_what_the_article_says() {
    let before = register(&[risk("release", "20m 100m 100% 30d")]);
    let canary = WhatIf {
        mitigation: Mitigation::Canary { share: share("5%"), within: Duration::from_minutes(30) },
        risks: ["release".to_owned()].into(),
        themes: BTreeSet::new(),
    };
    let (after, changed) = canary.of(&before).unwrap();
    assert_eq!(changed, ["release"]);
    let month = Duration::from_days(30);
    let cost = |of: &Register| minutes(of.cost(&of.risks()[0].spec).mean, month);
    assert!((cost(&before) - 120.0).abs() < 1e-9);
    assert!((cost(&after) - 1.5).abs() < 1e-9);
    let spec = &after.risks()[0].spec;
    assert_eq!(spec.time_to_detect, "20m".parse().unwrap());
    assert_eq!(spec.time_to_repair, "10m".parse().unwrap());
}
