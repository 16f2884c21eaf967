//! A year of forty services and six teams: users, deployments, incidents, drills, launches, hand-offs, a hand-back, rotas.
//!
//! All of it is drawn from one seed, or written down where it has to be told as a story (`plan`), and played over HTTP
//! under a clock that is moved (`play`, `acts`). What was sent and done is added up by plain additions (`sums`), and
//! every report is held against that (`checks`), never against another report. Two servers play the year beside each
//! other, one of which is stopped and started again every few weeks and in the middle of incidents: everything that
//! they tell (`collect`) is the same, and everybody is told the same by both, once.

mod acts;
mod checks;
mod collect;
mod company;
mod drills;
mod lists;
mod plan;
mod play;
mod sums;
mod traffic;
mod worth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flyball_catalog::Catalog;
use flyball_model::{Duration, Timestamp};
use flyball_server::{Limits, Scope, TokenRequest, Tokens};

use crate::alerts::receiver::Receiver;
use collect::{Reports, difference};
use company::Sent;
use plan::QUARTER_ENDS;
use play::{PEOPLE, Player};
use sums::Sums;

/// The seed of the year.
const SEED: u64 = 2_026;

/// A data directory that holds nothing but the tokens of people.
fn people(home: &Path) -> Vec<String> {
    let tokens = Tokens::open(&home.join("data")).unwrap();
    let at = Timestamp::parse("2025-12-31T00:00:00Z").unwrap();
    let made = PEOPLE.map(|name| {
        let (name, scopes) = (name.to_owned(), vec![Scope::Admin]);
        let request = TokenRequest {
            name,
            scopes,
            services: Vec::new(),
            functions: Vec::new(),
            expires: None,
        };
        tokens.create(&request, "test", at).unwrap().token
    });
    made.to_vec()
}

/// Plays the year in `home`; returns what was told of it, and the sums. What is told by the first is held against these;
/// the other one is restarted.
async fn play(home: PathBuf, tokens: Vec<String>, desk: String, is_first: bool) -> (Reports, Sums) {
    let at = |path: &str| format!("{desk}{path}");
    let mut player = Player::start(SEED, &home, tokens, at, !is_first).await;
    let (mut reports, mut from) = (Reports::new(), 0);
    for to in QUARTER_ENDS {
        player.days(from, to).await;
        if is_first {
            player.check_quarter((from, to)).await;
        }
        player.collect_quarter((from, to), &mut reports).await;
        from = to;
    }
    if is_first {
        player.check_year().await;
    }
    player.collect_year(&mut reports).await;
    player.close().await;
    (reports, player.sums)
}

/// Everybody was told everything once by each of two servers; and those who were called, and no others, that an alert
/// began. Reminders are left out: they come of looks that go by the time since a server began, and count in the keys of
/// what is told after them.
fn check_notices(receiver: &mut Receiver, sums: &Sums) {
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut opened: BTreeMap<String, usize> = BTreeMap::new();
    for heard in receiver.heard() {
        let said = heard.json();
        if said["event"] == "service.reminder" {
            continue;
        }
        // That a silence is over is told when the server looks next, and says when it was.
        let at = match said["event"].as_str() {
            Some("silence.over") => &said["silence"]["silence"]["until"],
            _ => &said["at"],
        };
        let what = format!("{} of {} at {at}", said["event"], said["title"]);
        let count = told.entry((heard.path.clone(), what)).or_default();
        *count += 1;
        if *count == 1 && said["event"] == "alert.open" {
            *opened.entry(heard.path).or_default() += 1;
        }
    }
    let others: Vec<_> = told.iter().filter(|(_, count)| **count != 2).collect();
    assert!(others.is_empty(), "not told once by each: {others:#?}");
    let mut called: BTreeMap<String, usize> = BTreeMap::new();
    for happened in &sums.happened {
        *called.entry(format!("/{}", happened.who)).or_default() += 1;
    }
    called.insert("/desk".to_owned(), sums.happened.len());
    assert_eq!(opened, called);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_adds_up_and_is_the_same_when_it_is_replayed_across_restarts() {
    flyball_server::choose_cryptography();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let tokens = people(homes[0].path());
    copy(&homes[0].path().join("data"), &homes[1].path().join("data"));
    let mut receiver = Receiver::start().await;
    let run = |number: usize| {
        let home = homes[number].path().to_owned();
        tokio::spawn(play(home, tokens.clone(), receiver.url(""), number == 0))
    };
    let (first, second) = (run(0), run(1));
    let ((first, sums), (second, _)) = (first.await.unwrap(), second.await.unwrap());
    check_notices(&mut receiver, &sums);
    assert!(first.keys().eq(second.keys()), "they were asked the same");
    let differ = first.iter().filter_map(|(asked, said)| {
        Some(format!("{asked}{}", difference(said, &second[asked], " ")?))
    });
    let differ: Vec<String> = differ.collect();
    assert!(
        differ.is_empty(),
        "{} of {} differ: {:#?}",
        differ.len(),
        first.len(),
        &differ[..differ.len().min(20)]
    );
    for home in &homes {
        check_ledger(&home.path().join("data"));
    }
}

/// Counting what is stored once more finds what the ledger has.
fn check_ledger(data: &Path) {
    let sources = flyball_server::applied_to(data).unwrap();
    let (catalog, _) = Catalog::load(&sources).unwrap();
    let limits = Limits { late_max: Duration::from_days(2), ..Limits::default() };
    let verified = flyball_server::verify(data, &catalog, &limits).unwrap();
    assert_eq!((verified.differing, verified.differences.len()), (0, 0), "{verified:?}");
    // Increases of counters are not stored event by event.
    let of_lines = company::services(&[]);
    let of_lines = of_lines.iter().filter(|service| service.sent == Sent::Lines);
    let names = of_lines
        .flat_map(|service| [Some(service.served()), service.has_hours.then(|| service.hours())]);
    let names: BTreeSet<String> = names.flatten().collect();
    assert_eq!(verified.slos.into_iter().collect::<BTreeSet<_>>(), names);
    assert!(verified.slots > 0);
}
