//! Money over real sockets: what targets are worth, who should run a service, what work returned.

use flyball_model::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, events};

/// An outage of an hour costs as much as the two published bandings differ on.
fn owned(amount: u32) -> String {
    format!(
        "
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {{name: shop}}
spec:
  team: checkout
  revenuePerHour: {{amount: {amount}, currency: USD}}
  supportModel: developers
  delivery: {{targets: {{interval: 1d}}}}
"
    )
}

/// What is at `path`, as soon as `is_awaited`.
async fn until(running: &Running, path: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
    let mut ticks = running.server.ticks();
    let look = async {
        loop {
            let (_, said) = running.get(&format!("/api/v1/{path}")).await;
            if is_awaited(&said) {
                return said;
            }
            let _ = tokio::time::timeout(PATIENCE / 600, ticks.changed()).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it is looked at")
}

async fn post(running: &Running, path: &str, body: &Value) -> (u16, Value) {
    let request = running.post(path, body.to_string()).header("content-type", "application/json");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worksheet_says_what_each_target_is_worth_and_what_was_protected() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running =
        Running::start(directory.path(), &format!("{SHOP}{}", owned(120_000)), &clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 3)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    let (status, said) = running.get("/api/v1/services/shop/target?targets=99.9%25").await;
    assert_eq!(status, 200, "{said}");
    assert_eq!((&said["costs"], &said["assumed"]), (&json!("assumed"), &json!(true)));
    let sheet = &said["worksheet"];
    assert_eq!(
        (&sheet["an_hour"], &sheet["bandings_differ"]),
        (&json!("120000 USD"), &json!(true))
    );
    let asked: Vec<(&Value, &Value)> = sheet["banded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (&of["banding"], &of["target"]))
        .collect();
    assert_eq!(
        asked,
        [(&json!("table"), &json!(0.99)), (&json!("text"), &json!(0.999))],
        "{sheet}"
    );
    // A week of 168 hours, of which 1 % and 0.1 % may be lost.
    let rows = sheet["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["exposure_a_week"], &rows[1]["exposure_a_week"]),
        (&json!("201600 USD"), &json!("20160 USD"))
    );
    // Nobody is known to be called yet: what it costs is not.
    let unknown = said["support_unknown"].as_str().unwrap();
    assert!(said["support"].is_null() && unknown.starts_with("how often it fails"), "{unknown}");
    let protected = &said["protection"][0];
    assert_eq!((&protected["slo"], &protected["protection"]), (&json!("checkout"), &Value::Null));
    assert_eq!(said["support_model"], "developers");
    // A third of five minutes, rounded up in the sixth place and then down.
    assert!(protected["lost"].as_str().unwrap().starts_with("100"), "{protected}");
    // Five minutes of an hour: nothing is said of the rest.
    assert!(protected["coverage"].as_f64().unwrap() < 0.1, "{protected}");

    let (_, told) =
        running.get("/api/v1/services/shop/target?an_hour=90%20USD&costs=assumed").await;
    assert_eq!(
        (&told["worksheet"]["an_hour"], told["worksheet"]["rows"].as_array().unwrap().len()),
        (&json!("90 USD"), 8)
    );
    for (query, hint) in [
        ("an_hour=90", "write it like"),
        ("an_hour=90%20EUR", "nothing is converted"),
        ("costs=asumed", "did you mean `assumed`?"),
        ("targets=101%25", "write them in per cent"),
    ] {
        let (status, problem) = running.get(&format!("/api/v1/services/shop/target?{query}")).await;
        assert_eq!(
            (status, problem["hint"].as_str().unwrap_or_default().contains(hint)),
            (422, true),
            "{query}: {problem}"
        );
    }
    running.server.stop().await;
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let (status, problem) = running.get("/api/v1/services/shop/target").await;
    assert_eq!(status, 422, "nobody said what an hour costs: {problem}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_a_service_is_chosen_from_numbers_and_held_against_later_ones() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = |amount| format!("{SHOP}{}", owned(amount));
    let running = Running::start(directory.path(), &documents(90_000), &clock).await;
    let path = "/api/v1/services/shop/support";
    let (status, said) = running.get(path).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["unknown"], json!(["product", "traffic", "reviewed", "missed", "load"]));
    assert_eq!([&said["basis"], &said["recommendation"], &said["drift"]], [&Value::Null; 3]);

    let choice = |basis: Value| json!({"target": "99%", "model": "developers", "out_of_hours": "domain", "basis": basis, "reason": "they know it best"});
    let (status, problem) =
        post(&running, path, &choice(json!({"product": "digital_service"}))).await;
    assert_eq!(status, 422);
    assert!(
        problem["detail"].as_str().unwrap().contains(
            "traffic (--traffic), reviewed (--reviewed), missed (--missed), how often it fails and is called (--failures-a-year"
        ),
        "{problem}"
    );
    let basis = json!({
        "product": "digital_service", "traffic": "critical", "reviewed": true, "missed": false,
        "failures_a_year": 12, "call_outs_a_year": 6, "call_out_lasts": "1h",
    });
    let mut without = choice(basis.clone());
    without["reason"] = Value::Null;
    let (status, problem) = post(&running, path, &without).await;
    assert_eq!(status, 422, "a rule says otherwise, and no reason is given: {problem}");
    let mut nothing = choice(basis.clone());
    nothing["target"] = json!("0%");
    assert_eq!(post(&running, path, &nothing).await.0, 422, "it promises nothing");
    let (status, made) = post(&running, path, &choice(basis)).await;
    assert_eq!(
        (status, &made["who"], &made["basis"]["interval"]),
        (201, &json!("anyone"), &json!("1d")),
        "{made}"
    );

    let (_, said) = running.get(path).await;
    // What was chosen is not what the SLO promises, and one of the rules said otherwise: both are told.
    assert_eq!(
        (&said["choice"]["model"], &said["drift"][0]["kind"]),
        (&json!("developers"), &json!("promised")),
        "{said:#}"
    );
    assert_eq!(said["drifted"], json!(["99% was chosen, and its SLOs promise 90%."]));
    assert_eq!(said["against"].as_array().map(Vec::len), Some(1), "{said:#}");
    assert_eq!((&said["seen"]["failures"], &said["seen"]["is_cut"]), (&json!(0), &json!(false)));
    let rules = &said["recommendation"]["rules"];
    assert_eq!(
        (&rules[0]["model"], &rules[1]["model"]),
        (&json!("developers"), &json!("sre")),
        "both published rules"
    );
    assert_eq!(said["recommendation"]["agreed"], Value::Null);
    assert_eq!(said["reasons"].as_array().map(Vec::len), Some(2));
    assert_eq!(said["recommendation"]["costs"].as_array().map(Vec::len), Some(5));
    assert_eq!(said["choice_cost"]["model"], "developers");
    assert_eq!((&said["currency"], &said["unpriced"]), (&json!("USD"), &Value::Null));
    let from = &said["known_from"];
    assert_eq!(
        [&from["an_hour"], &from["interval"], &from["traffic"], &from["load"]],
        [&json!("document"), &json!("document"), &json!("choice"), &json!("choice")]
    );
    let (_, asked) = running.get(&format!("{path}?traffic=light")).await;
    assert_eq!(asked["known_from"]["traffic"], "asked");
    let (_, target) = running.get("/api/v1/services/shop/target").await;
    assert_eq!(target["support_model"], "developers");
    // It is paid once, whatever objectives there are.
    assert_eq!(target["support"]["yearly"]["total"], said["choice_cost"]["total"], "{target:#}");
    assert_eq!(target["support_unknown"], Value::Null);
    let (_, card) = running.get("/api/v1/services/shop").await;
    assert_eq!(card["chosen"]["model"], "developers", "{card:#}");
    // It is looked at by itself, within the hour, kept on the card, and told once.
    clock.advance(Duration::from_hours(1));
    let card = until(&running, "services/shop", |card| card["drifted"] != json!([])).await;
    assert_eq!(card["drifted"], said["drifted"], "{card:#}");
    running.server.stop().await;

    // An hour costs ten times as much: another target, and failures cost more.
    let running = Running::start(directory.path(), &documents(900_000), &clock).await;
    let (_, said) = running.get(path).await;
    let kinds: Vec<&Value> =
        said["drift"].as_array().unwrap().iter().map(|of| &of["kind"]).collect();
    assert_eq!(kinds, ["target", "loss", "promised"], "{said:#}");
    assert_eq!(said["drift"][0]["because"], json!(["an_hour"]));
    let (_, page) = running.get("/api/v1/services/shop/support/choices?limit=1").await;
    assert_eq!((&page["choices"][0]["target"], page["next"].is_u64()), (&json!("99%"), true));
    let (_, log) = running.get("/api/v1/audit?limit=1000").await;
    let log = log.to_string();
    for action in ["support.choose", "support.drift"] {
        assert!(log.contains(&format!("\"{action}\"")), "{action}: {log}");
    }
    running.server.stop().await;
}

/// Costs in euros that say nothing of any model but developers.
const DEVELOPERS_ONLY: &str = "
---
apiVersion: flyball.dev/v1
kind: SupportCosts
metadata: {name: ours}
spec:
  standby: 12 EUR
  callOut: 90 EUR
  timeOffInLieu: 100%
  workingHour: 85 EUR
  outOfHours: 128h
  servicesPerDomain: 8
  models:
  - {model: developers, setUp: 60000 EUR, setUpYears: 3, setUpFrom: capital, running: 20000 EUR, runningFrom: operating, onStandby: 1, restore: 30m, handOffs: 0}
  bandings:
  - {name: ours, bands: [{target: 90%, outOfHours: team}]}
  nines: {first: 10000 EUR, times: 10}
  tolerance: 25%
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {revenuePerHour: {amount: 9000, currency: EUR}, delivery: {targets: {interval: 1d}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_costs_is_told_and_spoils_nothing_else() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let path = "/api/v1/services/shop/support";
    let sre = |amount: &str| {
        json!({
            "target": "90%", "model": "sre", "out_of_hours": "team", "reason": "they asked for it",
            "basis": {
                "an_hour": amount, "product": "digital_service", "interval": "1d", "traffic": "critical", "reviewed": true,
                "missed": false, "failures_a_year": 12, "call_outs_a_year": 6, "call_out_lasts": "1h",
            },
        })
    };
    // It is chosen while it has costs.
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let (status, said) = post(&running, path, &sre("9000 USD")).await;
    assert_eq!(status, 201, "{said}");
    running.server.stop().await;

    // The next costs are ours, and say nothing of it.
    let running =
        Running::start(directory.path(), &format!("{SHOP}{DEVELOPERS_ONLY}"), &clock).await;
    let (status, problem) = post(&running, path, &sre("9000 EUR")).await;
    assert_eq!(status, 422, "{problem}");
    assert_eq!(
        (problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap()),
        (
            "there are no costs of the model sre in `ours`",
            "add it to `spec.models` of the kind: SupportCosts `ours`"
        ),
        "{problem}"
    );
    // What was chosen before has no costs either, and what is computed of the rest is.
    let (status, problem) = running.get(&format!("{path}?an_hour=9000%20USD")).await;
    assert!(status == 422 && problem.to_string().contains("nothing is converted"), "{problem}");
    let (status, said) = running.get(path).await;
    assert_eq!((status, &said["drift"]), (200, &Value::Null), "{said}");
    assert!(said["unpriced"].as_str().unwrap().starts_with("there are no costs of the model sre"));
    let mut developers = sre("9000 EUR");
    developers["model"] = json!("developers");
    let (status, said) = post(&running, path, &developers).await;
    assert_eq!(status, 201, "{said}");
    let (status, said) = running.get(path).await;
    assert_eq!((status, &said["unpriced"]), (200, &Value::Null), "{said}");
    running.server.stop().await;

    // In the currency of others it is not held against them, and that is told as it is.
    let dollars = DEVELOPERS_ONLY.replace("EUR", "USD");
    let running = Running::start(directory.path(), &format!("{SHOP}{dollars}"), &clock).await;
    let (status, said) = running.get(path).await;
    assert_eq!((status, &said["drift"]), (200, &Value::Null), "{said}");
    let unpriced = said["unpriced"].as_str().unwrap();
    assert!(unpriced.contains("9000 EUR, and the costs `ours` are in USD"), "{unpriced}");
    running.server.stop().await;

    // Its costs are taken away again.
    let others = DEVELOPERS_ONLY.replace("model: developers", "model: operations");
    let running = Running::start(directory.path(), &format!("{SHOP}{others}"), &clock).await;
    let (status, said) = running.get(path).await;
    assert_eq!((status, &said["choice_cost"]), (200, &Value::Null), "{said}");
    assert!(said["unpriced"].as_str().unwrap().starts_with("there are no costs of the model"));
    assert_eq!(said["recommendation"]["costs"][0]["model"], "operations");
    let (status, target) = running.get("/api/v1/services/shop/target").await;
    let unknown = target["support_unknown"].as_str().unwrap_or_default();
    assert!(status == 200 && unknown.contains("no costs of the model developers"), "{target}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_held_against_the_weeks_before_and_teams_are_recognised_for_it() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let documents = format!("{SHOP}{}", owned(90_000));
    let running = Running::start(directory.path(), &documents, &clock).await;
    let begin = clock.now();
    // What came in the first hour is of a week of which less is counted.
    clock.advance(Duration::from_hours(1));
    let position = running.position().await;
    let end = clock.now().minus(Duration::from_minutes(2));
    running.post("/api/v1/events", events(end, 60, 2)).send().await.unwrap();
    running.counts_behind(position).await;
    for week in 0..16 {
        clock.advance(begin.plus(Duration::from_days(7 * (week + 1))).since(clock.now()));
        // Half of a minute's users meet an error, until the work is done.
        let bad_every = if week < 8 { 2 } else { 100 };
        let end = clock.now().minus(Duration::from_minutes(2));
        let position = running.position().await;
        running.post("/api/v1/events", events(end, 60, bad_every)).send().await.unwrap();
        running.counts_behind(position).await;
    }
    let at = begin.plus(Duration::from_days(56));
    let path = format!("/api/v1/services/shop/return?at={at}&weeks=8&cost=1000%20USD");
    let (status, said) = running.get(&path).await;
    assert_eq!(status, 200, "{said}");
    // Five minutes of a week were observed, which is no good week, and no bad one.
    assert_eq!(said["minutes_before"], json!(vec![Value::Null; 8]), "{said:#}");
    assert_eq!(said["minutes_after"], json!(vec![Value::Null; 8]), "{said:#}");
    let of = &said["return"];
    assert_eq!((&of["minutes"]["unknown"], &of["minutes"]["less"]), (&json!(16), &Value::Null));
    assert_eq!(of["pays_within_a_year"], json!("not_enough_data"));
    assert_eq!((&of["pays_after_weeks"], &of["cost"]), (&Value::Null, &json!("1000 USD")));

    let (status, said) = running.get("/api/v1/recognition?weeks=8").await;
    assert_eq!(status, 200, "{said}");
    let team = &said["others"][0];
    assert_eq!(
        (&team["team"], &team["because"]),
        (&json!("checkout"), &json!(["delivery_unknown"])),
        "{said:#}"
    );
    // Half of a promise of nine tenths is a burn of 5; one of sixty still is bad.
    assert!((team["burn"]["less"]["mean"].as_f64().unwrap() - 29.0 / 6.0).abs() < 1e-9, "{team:#}");
    assert_eq!((&said["next"], &said["recognised"]), (&Value::Null, &json!([])));
    let (_, early) = running
        .get(&format!("/api/v1/recognition?weeks=8&to={}", at.plus(Duration::from_days(3))))
        .await;
    let weeks = &early["others"][0]["burn"];
    assert_eq!(
        (&weeks["weeks_before"], &weeks["weeks_after"]),
        (&json!(0), &json!(8)),
        "{early:#}"
    );
    for (path, status) in [
        ("recognition?team=nobody".to_owned(), 404),
        ("recognition?weeks=0".to_owned(), 422),
        (format!("services/shop/return?at={}&cost=5%20USD", clock.now()), 422),
        (format!("services/shop/return?at={at}&cost=5%20EUR"), 422),
    ] {
        let (found, problem) = running.get(&format!("/api/v1/{path}")).await;
        assert_eq!(found, status, "{path}: {problem}");
    }
    running.server.stop().await;
}

/// Five minutes: what is lost is told in them.
const LOOK: u32 = 300;
/// Looks of a week and of a day.
const LOOKS: u32 = 2_016;
const LOOKS_A_DAY: u32 = 288;

/// Events of one day of a week that begins at `week`: one user in every five minutes is served, but of `bad` of the
/// week's five minutes, the last of which begins half an hour before its end, in which twenty are not.
fn day(week: Timestamp, day: u32, bad: u32) -> String {
    let line = |look: u32, second: u32, status: u32| {
        let at = week.plus(Duration::from_seconds(look * LOOK + second));
        format!("{{\"time\":\"{at}\",\"service.name\":\"shop\",\"status\":{status}}}\n")
    };
    let of_look = |look: u32| {
        let before = (LOOKS - 6).checked_sub(look).filter(|before| before % 100 == 0);
        if before.is_some_and(|before| before / 100 < bad) {
            (0..20).map(|of| line(look, 10 * of, 503)).collect()
        } else {
            line(look, 150, 200)
        }
    };
    (day * LOOKS_A_DAY..(day + 1) * LOOKS_A_DAY).map(of_look).collect()
}

fn close(said: &Value, expected: f64) -> bool {
    said.as_f64().is_some_and(|said| (said - expected).abs() <= 1e-9 * expected.abs())
}

/// Eight weeks with an hour that is bad, and eight with ten minutes; a change a week, whose commits waited two hours and
/// then one.
async fn mended(running: &Running, clock: &TestClock) {
    for week in 0..16_u32 {
        let (begin, bad, waited) =
            (clock.now(), if week < 8 { 12 } else { 2 }, if week < 8 { 2 } else { 1 });
        for number in 0..7 {
            clock.advance(Duration::from_days(1));
            let position = running.position().await;
            let sent =
                running.post("/api/v1/events", day(begin, number, bad)).send().await.unwrap();
            assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
            running.counts_behind(position).await;
            if number == 2 {
                let shipped = clock.now().minus(Duration::from_hours(1));
                let authored = shipped.minus(Duration::from_hours(waited));
                let change = json!({"service": "shop", "id": format!("release-{week}"), "finished": shipped,
                    "commits": [{"sha": format!("{week:016x}"), "authored": authored}]});
                assert_eq!(post(running, "/api/v1/changes", &change).await.0, 201);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_work_returned_what_was_protected_and_who_is_recognised_are_known_answers() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running =
        Running::start(directory.path(), &format!("{SHOP}{}", owned(90_000)), &clock).await;
    let begin = clock.now();
    mended(&running, &clock).await;

    // 60 minutes a week before and 10 after: 50 fewer, at 1500 USD each 75 000 USD a week, of which a year of 365.25 days
    // has 52.17857….
    let at = begin.plus(Duration::from_days(56));
    let path = format!("/api/v1/services/shop/return?at={at}&weeks=8&cost=1000000%20USD");
    let (status, said) = running.get(&path).await;
    assert_eq!(status, 200, "{said}");
    for (field, minutes) in [("minutes_before", 60.0), ("minutes_after", 10.0)] {
        let weeks = said[field].as_array().unwrap();
        assert_eq!(weeks.len(), 8);
        assert!(weeks.iter().all(|week| close(week, minutes)), "{field}: {said:#}");
    }
    let of = &said["return"];
    assert_eq!((&of["minutes"]["unknown"], &of["cost"]), (&json!(0), &json!("1000000 USD")));
    let weeks_a_year = 365.25 / 7.0;
    for (field, expected) in [
        ("/minutes/less/mean", 50.0),
        ("/minutes/less/between_90/0", 50.0),
        ("/minutes/less/between_90/1", 50.0),
        ("/avoided_minutes_a_year/mean", 50.0 * weeks_a_year),
        ("/worth_a_year/mean", 75_000.0 * weeks_a_year),
        ("/worth_a_year/between_90/0", 75_000.0 * weeks_a_year),
        ("/pays_after_weeks", 1_000_000.0 / 75_000.0),
    ] {
        assert!(close(of.pointer(field).unwrap(), expected), "{field}: {of:#}");
    }
    assert_eq!(of["pays_within_a_year"], "yes", "{of:#}");
    // 3.91 millions a year: at 4 it does not.
    let dear = path.replace("1000000", "4000000");
    assert_eq!(running.get(&dear).await.1["return"]["pays_within_a_year"], "no");

    // Of the last hour 5 minutes were lost of 6 that a promise of nine tenths tolerates, at 90 000 USD an hour.
    let (_, said) = running.get("/api/v1/services/shop/target").await;
    let protected = &said["protection"][0];
    assert!(close(&protected["coverage"], 1.0), "{protected:#}");
    assert_eq!((&protected["lost"], &protected["observed"]), (&json!("5m"), &json!("1h")));
    let of = &protected["protection"];
    assert_eq!(
        [&of["tolerated"], &of["lost"], &of["saved"]],
        [&json!("9000 USD"), &json!("7500 USD"), &json!("1500 USD")],
        "{protected:#}"
    );
    assert!(close(&of["share"], 1.0 / 6.0), "{of:#}");

    // Of 2004 who were served and 240 who were not a week, and of 2014 and 40 after, against a promise of nine tenths.
    let (status, said) = running.get("/api/v1/recognition?weeks=8").await;
    assert_eq!((status, &said["others"]), (200, &json!([])), "{said:#}");
    let team = &said["recognised"][0];
    assert_eq!((&team["team"], &team["because"]), (&json!("checkout"), &json!([])), "{team:#}");
    assert_eq!(team["lead_time"], "better", "{team:#}");
    let (before, after) = (2_400.0 / 2_244.0, 400.0 / 2_054.0);
    assert!(close(&team["burn"]["before"], before), "{team:#}");
    assert!(close(&team["burn"]["after"], after), "{team:#}");
    assert!(close(&team["burn"]["less"]["mean"], before - after), "{team:#}");
    running.server.stop().await;
}
