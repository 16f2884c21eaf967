//! What reliability is worth, against plain sums: targets, work that was felt, teams that burn less.

use serde_json::Value;

use super::company::TEAMS;
use super::plan::{self, MENDED};
use super::play::{Player, moment};

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;
/// A look: what pages looks back over it.
const LOOK: i64 = 300;
/// Weeks on each side of the day on which work was felt; and of what teams are asked for.
const WEEKS: i64 = 10;
const QUARTER: i64 = 13;
/// What the work cost, in dollars.
const COST: f64 = 1_000.0;

fn float(of: &Value, field: &str) -> f64 {
    of.pointer(field).and_then(Value::as_f64).unwrap_or_else(|| panic!("{field}: {of:#}"))
}

#[track_caller]
fn assert_close(told: f64, known: f64, of: &Value) {
    assert!((told - known).abs() <= 1e-9 * known.abs().max(1e-3), "{told} of {known}: {of:#}");
}

/// Amounts are told in cents.
#[track_caller]
fn assert_cents(told: f64, known: f64, of: &Value) {
    assert!((told - known).abs() <= 0.011, "{told} of {known}: {of:#}");
}

/// An amount in dollars.
fn dollars(of: &Value, field: &str) -> f64 {
    let text = of.pointer(field).and_then(Value::as_str);
    let amount = text.and_then(|text| text.strip_suffix(" USD")?.parse().ok());
    amount.unwrap_or_else(|| panic!("{field}: {of:#}"))
}

impl Player {
    /// For how long of a time users of the mended service came, and how much of it was lost at least and at most, in
    /// seconds: looks that are much worse than promised are lost, and none that is as good as promised is.
    fn lost(&self, from: i64, to: i64) -> (f64, f64, f64) {
        let (service, _) = MENDED;
        let allowed = self.services[service].allowed;
        let (mut observed, mut least, mut most) = (0.0, 0.0, 0.0);
        for look in (from..to).step_by(300) {
            let (valid, bad) = self.sums.events(service, look, look + LOOK);
            if valid == 0 {
                continue;
            }
            let lost = LOOK as f64 * bad as f64 / valid as f64;
            observed += LOOK as f64;
            if bad >= 10 && 1_000 * bad >= 3 * allowed * valid {
                least += lost;
            }
            if 1_000 * bad > allowed * valid {
                most += lost + LOOK as f64 * 1e-6;
            }
        }
        (observed, least, most)
    }

    /// What a target of the mended service protected in its window, which ends at `to`.
    pub(super) async fn check_target(&self, to: i64) {
        let of = &self.services[MENDED.0];
        let said = self.get(&format!("services/{}/target", of.name)).await;
        let protected = said["protection"].as_array().unwrap();
        let own = protected.iter().find(|one| one["slo"] == of.served().as_str()).unwrap();
        let (observed, least, most) = self.lost(to - 28 * DAY, to);
        let seconds = |field: &str| super::checks::seconds(own, field);
        // The window ends a few seconds after the last look.
        assert!((seconds("/observed") - observed).abs() <= 600.0, "{observed}: {own:#}");
        let lost = seconds("/lost");
        assert!((least - 600.0..=most + 600.0).contains(&lost), "{least} to {most}: {own:#}");
        assert!(most - least < 0.2 * least, "the bounds say something: {least} to {most}");
        let an_hour = of.events as f64;
        let tolerated = an_hour * of.allowed as f64 / 1_000.0 * seconds("/observed") / 3_600.0;
        assert_cents(dollars(own, "/protection/tolerated"), tolerated, own);
        assert_cents(dollars(own, "/protection/lost"), an_hour * lost / 3_600.0, own);
        let saved = dollars(own, "/protection/tolerated") - dollars(own, "/protection/lost");
        assert_cents(dollars(own, "/protection/saved"), saved, own);
    }

    /// What work on the mended service returned, week by week.
    pub(super) async fn check_return(&self) {
        let (service, day) = MENDED;
        let (of, at) = (&self.services[service], plan::at(day, 0));
        let path = format!(
            "services/{}/return?at={}&cost={COST}%20USD&weeks={WEEKS}",
            of.name,
            moment(at)
        );
        let said = self.get(&path).await;
        let mut means = [0.0; 2];
        for (side, (field, from)) in
            [("/minutes_before", at - WEEKS * WEEK), ("/minutes_after", at)].into_iter().enumerate()
        {
            let told = said.pointer(field).and_then(Value::as_array).unwrap();
            assert_eq!(i64::try_from(told.len()), Ok(WEEKS), "{said:#}");
            for (week, minutes) in (0..).zip(told) {
                let from = from + week * WEEK;
                let (observed, least, most) = self.lost(from, from + WEEK);
                let minutes = minutes.as_f64().unwrap_or_else(|| panic!("{said:#}"));
                let scaled = |lost: f64| lost / observed * 10_080.0;
                let between = scaled(least) - 0.01..=scaled(most) + 0.01;
                assert!(between.contains(&minutes), "{minutes} of {between:?}: {said:#}");
                means[side] += minutes / WEEKS as f64;
            }
        }
        let of_return = &said["return"];
        assert_close(float(of_return, "/minutes/before"), means[0], of_return);
        let less = means[0] - means[1];
        assert_close(float(of_return, "/minutes/less/mean"), less, of_return);
        let a_year = less * 365.25 / 7.0;
        assert_close(float(of_return, "/avoided_minutes_a_year/mean"), a_year, of_return);
        let worth = a_year * of.events as f64 / 60.0;
        assert_close(float(of_return, "/worth_a_year/mean"), worth, of_return);
        assert_eq!(of_return["pays_within_a_year"], "yes", "{of_return:#}");
        let weeks = COST / (less * of.events as f64 / 60.0);
        assert_close(float(of_return, "/pays_after_weeks"), weeks, of_return);
    }

    /// How often each service was seen to fail and to call somebody is how often that happened.
    pub(super) async fn check_support(&self) {
        for (place, service) in self.services.iter().enumerate() {
            let said = self.get(&format!("services/{}/support", service.name)).await;
            let own = self.sums.happened.iter().filter(|of| of.service == place);
            let failed = own.clone().filter(|of| !of.is_false).count();
            let told = ["/failures", "/calls"].map(|field| float(&said["seen"], field));
            assert_eq!(told, [failed as f64, own.count() as f64], "{:#}", said["seen"]);
        }
    }

    /// The burn of a team in a week: on average over what its services promise.
    fn burn(&self, team: usize, from: i64) -> Option<f64> {
        let to = from + WEEK;
        let mut burns = Vec::new();
        for (place, service) in self.services.iter().enumerate() {
            let since = plan::at(service.since, if service.since == 0 { 0 } else { 6 });
            if service.team != team || 2 * (to - since.clamp(from, to)) < WEEK {
                continue;
            }
            let (valid, bad) = self.sums.events(place, from, to);
            if valid > 0 {
                burns.push(bad as f64 / valid as f64 / (service.allowed as f64 / 1_000.0));
            }
            let (hours, lost) = self.sums.hours(place, from, to);
            if service.has_hours && hours > 0 {
                burns.push(lost as f64 / hours as f64 / 0.05);
            }
        }
        (!burns.is_empty()).then(|| burns.iter().sum::<f64>() / burns.len() as f64)
    }

    /// Teams are recognised for what their burn came to before and after the work on the mended service was felt.
    pub(super) async fn check_recognition(&self) {
        let (service, day) = MENDED;
        let at = plan::at(day, 0);
        let to = at + QUARTER * WEEK;
        let path = format!("recognition?weeks={QUARTER}&to={}", moment(to));
        let said = self.get(&path).await;
        let lines = ["recognised", "others"].map(|field| said[field].as_array().unwrap());
        let all: Vec<&Value> = lines.into_iter().flatten().collect();
        assert_eq!(all.len(), TEAMS.len(), "{said:#}");
        for (team, name) in TEAMS.iter().enumerate() {
            let line = all.iter().find(|line| line["team"] == *name).unwrap();
            let mean = |from: i64| {
                let weeks = (0..QUARTER).filter_map(|week| self.burn(team, from + week * WEEK));
                weeks.sum::<f64>() / QUARTER as f64
            };
            let (before, after) = (mean(at - QUARTER * WEEK), mean(at));
            assert_close(float(line, "/burn/before"), before, line);
            assert_close(float(line, "/burn/after"), after, line);
            let is_less = float(line, "/burn/less/between_90/0") > 0.0;
            let because = line["because"].as_array().unwrap();
            let burns =
                because.iter().any(|why| *why == "burns_no_less" || *why == "burn_undecided");
            assert_eq!(is_less, !burns, "{line:#}");
            let is_recognised = lines[0].contains(line);
            assert_eq!(is_recognised, because.is_empty(), "{line:#}");
            if team == self.services[service].team {
                assert!(is_less, "work on it was felt: {line:#}");
            }
        }
    }
}
