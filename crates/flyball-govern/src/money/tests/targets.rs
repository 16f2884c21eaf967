//! Targets: Equal Experts' bands and their inconsistencies, and budgets that other texts get wrong.

use flyball_budget::Fraction;

use super::*;
use crate::policy::Number;
use crate::risk::YEAR;

const WEEK: Duration = Duration::from_days(7);

fn banded(an_hour: &str, banding: usize) -> (Target, OutOfHours) {
    let costs = assumed();
    let band = costs.spec.bandings[banding].band(money(an_hour)).unwrap();
    (band.target, band.out_of_hours)
}

/// Equal Experts, availability by money: the services of its example, and the ends of its bands.
#[test]
fn services_get_the_targets_of_the_playbook() {
    for (an_hour, percent, out_of_hours) in [
        ("6000 USD", "95%", OutOfHours::None),
        ("7000 USD", "95%", OutOfHours::None),
        ("7000.01 USD", "99%", OutOfHours::Domain),
        ("200000 USD", "99%", OutOfHours::Domain),
        ("250000 USD", "99%", OutOfHours::Domain),
        ("250000.01 USD", "99.9%", OutOfHours::Team),
        ("800000 USD", "99.9%", OutOfHours::Team),
        // It exceeds the top band, 800 000: the band is open.
        ("810000 USD", "99.9%", OutOfHours::Team),
    ] {
        assert_eq!(banded(an_hour, 0), (target(percent), out_of_hours), "{an_hour}");
    }
}

/// The same text says 99.5 % for the service of 200 000 in one table, and has other bands in its words: neither
/// agrees with its table of bands, and the worksheet shows that they differ.
#[test]
fn the_playbook_contradicts_itself() {
    let (by_table, by_text) = (banded("200000 USD", 0), banded("200000 USD", 1));
    assert_ne!(by_table.0, target("99.5%"));
    assert_ne!(by_text.0, target("99.5%"));
    assert_eq!(by_text, (target("99.9%"), OutOfHours::Team));
    let differ = |an_hour| worksheet(&assumed(), money(an_hour), &[]).unwrap().bandings_differ;
    assert!(differ("200000 USD"));
    assert!(!differ("6000 USD") && !differ("100000 USD") && !differ("810000 USD"));
}

/// What each band allows in a week: 8 h 24 m, 1 h 40 m 48 s, 10 m 4.8 s (printed as 10 m 5 s).
#[test]
fn targets_allow_what_the_playbook_says() {
    let nanos = |minutes_tenths: i128| Fraction::new(minutes_tenths * 6_000_000_000, 1).unwrap();
    assert_eq!(allowed(target("95%"), WEEK), nanos(8 * 600 + 240));
    assert_eq!(allowed(target("99%"), WEEK), nanos(600 + 408));
    assert_eq!(allowed(target("99.9%"), WEEK).to_f64(), 604.8e9);
}

/// A budget is told with its window: 99.99 % is 52.6 minutes a year, 13.1 a quarter of it, 4.32 in 30 days, and
/// 12.96 in the 90 days of the quarter by which Chubby is taken down (Site Reliability Engineering, chapter 4).
#[test]
fn four_nines_are_what_the_texts_say() {
    let minutes = |window| allowed(target("99.99%"), window).to_f64() / 60e9;
    assert!((minutes(YEAR) - 52.596).abs() < 1e-9);
    assert!((minutes(Duration::from_nanos(YEAR.nanos() / 4).unwrap()) - 13.149).abs() < 1e-9);
    assert!((minutes(Duration::from_days(30)) - 4.32).abs() < 1e-9);
    assert_eq!(
        allowed(target("99.99%"), Duration::from_days(90)),
        Fraction::new(777_600_000_000, 1).unwrap(),
        "12.96 minutes, exactly"
    );
}

/// SRE Workbook, appendix B: of 1 000 000 requests in four weeks 99.9 % allows 1 000; a fifth of that is an incident
/// to be written up.
#[test]
fn events_are_allowed_as_the_workbook_says() {
    let of = |bad| Number::spent(bad, 1_000_000, target("99.9%"));
    assert_eq!(of(1_000), Some(Number::ONE));
    assert_eq!(of(200), Number::ratio(1, 5));
}

/// "0.002 % of failing requests in a week consumes 20 %" of a quarter's budget at 99.9 %: it is 2 % of that week's
/// allowance. A fifth of a quarter in one of its 13 weeks takes 0.26 % of that week's requests.
#[test]
fn wrong_numbers_of_texts_are_refuted() {
    let (a_week, weeks) = (10_000_000_u64, 13);
    let three = target("99.9%");
    let failing = a_week / 100_000 * 2;
    assert_eq!(Number::spent(failing, a_week, three), Number::ratio(2, 100));
    let of_the_quarter = |bad| Number::spent(bad, a_week * weeks, three);
    assert!(of_the_quarter(failing) < Number::ratio(1, 5));
    assert_eq!(of_the_quarter(a_week / 10_000 * 26), Number::ratio(1, 5));
    // "99.9 % equates to a 0.01 % budget": it is ten times that.
    assert_eq!(three.error_budget(), Rational::parse_percent("0.1%").unwrap());
    assert_ne!(three.error_budget(), Rational::parse_percent("0.01%").unwrap());
}

/// An outage of half an hour at 200 000 an hour against the 1:40:48 that 99 % tolerates in a week.
#[test]
fn protection_is_that_of_the_playbook() {
    let hour = money("200000 USD");
    let of = protection(hour, target("99%"), WEEK, Duration::from_minutes(30)).unwrap();
    assert_eq!(
        (of.tolerated, of.lost, of.saved),
        (money("336000 USD"), money("100000 USD"), money("236000 USD"))
    );
    assert_eq!((of.share.unwrap() * 100.0).round(), 70.0);
    assert_eq!(of.saved.minus(money("36000 USD")), Some(money("200000 USD")));
    // More lost than is tolerated is shown as such.
    let bad = protection(hour, target("99%"), WEEK, Duration::from_hours(3)).unwrap();
    assert_eq!(bad.saved.to_string(), "-264000 USD");
    assert!(bad.share.unwrap() < 0.0);
    let free = protection(money("0 USD"), target("99%"), WEEK, WEEK).unwrap();
    assert_eq!(free.share, None);
}

/// What nobody observed was neither served nor lost: minutes of data are no good week.
#[test]
fn money_is_said_of_what_was_observed() {
    let hours = Duration::from_hours;
    assert!(is_observed(hours(84), WEEK) && !is_observed(hours(83), WEEK));
    assert!(!is_observed(Duration::ZERO, Duration::ZERO));
    assert_eq!(weekly_minutes(Duration::from_minutes(5), Duration::ZERO), None, "not zero");
    assert_eq!(weekly_minutes(Duration::ZERO, Duration::ZERO), None);
    assert_eq!(weekly_minutes(WEEK, Duration::from_minutes(30)), Some(30.0));
    assert_eq!(
        weekly_minutes(hours(84), Duration::from_minutes(30)),
        Some(60.0),
        "of a whole week"
    );
}

#[test]
fn a_worksheet_says_what_each_nine_buys() {
    let sheet = worksheet(&assumed(), money("200000 USD"), &[]).unwrap();
    assert!(sheet.assumed && sheet.rows.is_sorted_by_key(|row| row.target));
    let row = |of: &str| sheet.rows.iter().find(|row| row.target == target(of)).unwrap();
    let (two, half, three) = (row("99%"), row("99.5%"), row("99.9%"));
    assert_eq!(two.exposure_a_week, money("336000 USD"));
    // 8766 hours, a hundredth of them.
    assert_eq!(two.exposure_a_year, money("17532000 USD"));
    assert_eq!(half.buys_a_year, Some(money("8766000 USD")));
    assert_eq!(three.buys_a_year, Some(money("7012800 USD")));
    assert!(two.recommended && !three.recommended);
    // Ten times as much for each nine: 100 000 for two, 1 000 000 for three, 10 ^ 5.301 for two and a half.
    let step = |row: &WorksheetRow| row.step_costs_a_year.unwrap();
    assert!((step(half) - (10f64.powf(5.0 + 2f64.log10()) - 1e5)).abs() < 1e-3, "{half:?}");
    assert!((step(half) + step(three) - 9e5).abs() < 1e-3, "{three:?}");
    assert_eq!((half.pays, three.pays, row("99.99%").pays), (Some(true), Some(true), Some(false)));
    assert_eq!((sheet.rows[0].buys_a_year, sheet.rows[0].pays), (None, None));
    // Targets of one's own, and those of the bandings.
    let own = worksheet(&assumed(), money("200000 USD"), &[target("98%")]).unwrap();
    let targets: Vec<Target> = own.rows.iter().map(|row| row.target).collect();
    assert_eq!(targets, [target("98%"), target("99%"), target("99.9%")]);
    assert_eq!(worksheet(&assumed(), money("200000 EUR"), &[]), None);
}

proptest::proptest! {
    /// Exposure against doubles; steps add up to the whole, exactly.
    #[test]
    fn steps_add_up(an_hour in 1u64..10_000_000, parts in proptest::collection::btree_set(1u64..100_000, 1..6)) {
        let hour = money(&format!("{an_hour} USD"));
        let targets: Vec<Target> =
            parts.iter().map(|part| Target::new(Rational::new(*part, 100_000).unwrap()).unwrap()).collect();
        let rows = worksheet(&assumed(), hour, &targets).unwrap().rows;
        for row in &rows {
            let naive = an_hour as f64 * 8_766.0 * (1.0 - row.target.share().to_f64());
            proptest::prop_assert!((row.exposure_a_year.amount().to_f64() / naive - 1.0).abs() < 1e-6);
        }
        let bought = rows.iter().filter_map(|row| row.buys_a_year).reduce(|sum, of| sum.plus(of).unwrap());
        let whole = rows[0].exposure_a_year.minus(rows.last().unwrap().exposure_a_year);
        proptest::prop_assert_eq!(bought.or(whole), whole);
    }
}
