//! What broke which change within its warranty, as far as changes and pages tell.
//!
//! A rollback breaks what it undoes, a fix what it repairs, a page the latest change that users had met
//! by then. Each is put down to one change only: to the one that is named, else to the one that was
//! live. The answer depends on what happened and not on the order in which it was heard of.

use std::collections::BTreeMap;

use flyball_model::{
    Break, BreakCause, Change, ChangeClass, ChangeKind, Life, Timestamp, Warranty,
};

use crate::delivery::History;
use crate::verdict::{Answer, ChangeVerdict};

/// Somebody was paged for a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Page {
    /// The alert's id.
    pub alert: String,
    /// The service that the alert is of.
    pub service: String,
    /// Where the users are that the alert is about.
    pub environment: String,
    /// When somebody was paged.
    pub at: Timestamp,
}

/// What broke each of `changes`, by its id, in order; without those that nothing broke. `changes` and
/// `pages` may be in any order and of any service; no change breaks one of another service.
///
/// A fix that somebody had planned, and names no change that it repairs, breaks nothing: it is upkeep.
/// Whether a break lies within the warranty is for the change's [`life`] to say.
pub fn breaks(changes: &[Change], pages: &[Page]) -> BTreeMap<String, Vec<Break>> {
    let history = History::new(changes, "");
    let mut found: BTreeMap<String, Vec<Break>> = BTreeMap::new();
    for restorer in changes {
        let Some(at) = restorer.shipped() else { continue };
        let is_rollback = restorer.kind == ChangeKind::Rollback;
        let named = restorer.restores.as_deref();
        let broken = match named {
            Some(named) => changes.iter().find(|change| change.id == named),
            None if is_rollback => history.undone(restorer),
            None if restorer.class == ChangeClass::Fix && restorer.planned != Some(true) => {
                let is_other = |change: &Change| change.id != restorer.id;
                let place = (restorer.service.as_str(), restorer.environment.as_deref());
                latest(changes, place, at, is_other)
            }
            None => None,
        };
        let Some(broken) = broken.filter(|broken| broken.service == restorer.service) else {
            continue;
        };
        let by = restorer.id.clone();
        let cause = if is_rollback { BreakCause::Rollback(by) } else { BreakCause::Fix(by) };
        found.entry(broken.id.clone()).or_default().push(Break { at, cause });
    }
    for page in pages {
        let place = (page.service.as_str(), Some(page.environment.as_str()));
        // What ships at the very moment of a page cannot have caused it.
        if let Some(broken) = latest(changes, place, page.at, |_| true) {
            let cause = BreakCause::Page(page.alert.clone());
            found.entry(broken.id.clone()).or_default().push(Break { at: page.at, cause });
        }
    }
    for breaks in found.values_mut() {
        breaks.sort();
    }
    found
}

/// The latest change of a service in an environment that had shipped before `at`; drills, which break
/// on purpose, and rollbacks, which restore, left out. Of two at the same moment the one with the
/// greater id.
fn latest<'a>(
    changes: &'a [Change],
    place: (&str, Option<&str>),
    at: Timestamp,
    is_meant: impl Fn(&Change) -> bool,
) -> Option<&'a Change> {
    let there = changes.iter().filter(|change| {
        (change.service.as_str(), change.environment.as_deref()) == place
            && !matches!(change.kind, ChangeKind::Drill | ChangeKind::Rollback)
            && change.shipped().is_some_and(|shipped| shipped < at)
            && is_meant(change)
    });
    there.max_by_key(|change| (change.shipped(), &change.id))
}

/// What the verdict on `change` breaks; nothing unless it regressed. Drills, which break on purpose, are left
/// out. What was seen before it had shipped, while it was underway, breaks it as it ships.
pub fn verdict_break(change: &Change, verdict: &ChangeVerdict) -> Option<Break> {
    let regressed = verdict.answer == Answer::Regressed && change.kind != ChangeKind::Drill;
    let decided = verdict.decided.filter(|_| regressed)?;
    let at = decided.max(change.shipped()?);
    Some(Break { at, cause: BreakCause::Verdict(change.id.clone()) })
}

/// The life of `change` under `warranty`, given what broke it. Breaks outside its warranty do nothing.
pub fn life(change: &Change, warranty: Warranty, breaks: &[Break]) -> Life {
    let mut life = Life::new(warranty);
    // A life is told of one end only, so that what it refuses is breaks outside its warranty.
    if let Some(at) = change.shipped() {
        let _ = life.ship(at);
        for news in breaks {
            let _ = life.break_by(news.clone());
        }
    } else if change.outcome.is_final() {
        let _ = life.call_off(change.finished.unwrap_or(change.recorded));
    }
    life
}

#[cfg(test)]
mod tests {
    use flyball_model::{ChangeOutcome, ChangeSource, Duration, Ending, Phase};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn change(id: &str, kind: ChangeKind, shipped: i64) -> Change {
        let source = ChangeSource { system: "api".to_owned(), delivery: id.to_owned() };
        let (name, outcome) = ("shop".to_owned(), ChangeOutcome::Succeeded);
        let mut change = Change::new(id.to_owned(), name, kind, outcome, at(shipped), source);
        change.environment = Some("production".to_owned());
        change.finished = Some(at(shipped));
        change
    }

    fn page(seconds: i64) -> Page {
        let (service, environment) = ("shop".to_owned(), "production".to_owned());
        Page { alert: "p".to_owned(), service, environment, at: at(seconds) }
    }

    fn told(changes: &[Change], pages: &[Page]) -> Vec<(String, Vec<BreakCause>)> {
        let found = breaks(changes, pages).into_iter();
        found.map(|(id, all)| (id, all.into_iter().map(|news| news.cause).collect())).collect()
    }

    #[test]
    fn a_rollback_breaks_what_was_live_and_a_page_what_came_last() {
        let changes = [
            change("a", ChangeKind::Deploy, 100),
            change("b", ChangeKind::Deploy, 200),
            change("c", ChangeKind::Rollback, 300),
        ];
        let rollback = || BreakCause::Rollback("c".to_owned());
        assert_eq!(told(&changes, &[]), [("b".to_owned(), vec![rollback()])]);
        let paged = BreakCause::Page("p".to_owned());
        let both = vec![paged.clone(), rollback()];
        assert_eq!(told(&changes, &[page(250)]), [("b".to_owned(), both)]);
        assert_eq!(
            told(&changes, &[page(200)]),
            [("a".to_owned(), vec![paged]), ("b".to_owned(), vec![rollback()])]
        );
        assert_eq!(told(&changes[..1], &[page(100)]), []);
        assert_eq!(told(&[], &[page(100)]), []);
    }

    #[test]
    fn a_fix_breaks_what_it_names_or_what_came_last_unless_it_was_planned() {
        let mut fix = change("f", ChangeKind::Deploy, 300);
        fix.class = ChangeClass::Fix;
        let before = [change("a", ChangeKind::Deploy, 100), change("b", ChangeKind::Deploy, 200)];
        let with = |fix: &Change| told(&[before[0].clone(), before[1].clone(), fix.clone()], &[]);
        let cause = || vec![BreakCause::Fix("f".to_owned())];
        assert_eq!(with(&fix), [("b".to_owned(), cause())]);
        fix.planned = Some(true);
        assert_eq!(with(&fix), []);
        fix.restores = Some("a".to_owned());
        assert_eq!(with(&fix), [("a".to_owned(), cause())]);
        fix.service = "search".to_owned();
        assert_eq!(with(&fix), [], "no change breaks one of another service");
        fix.service = "shop".to_owned();
        fix.outcome = ChangeOutcome::Failed;
        assert_eq!(with(&fix), [], "what did not ship repairs nothing");
    }

    #[test]
    fn lives_follow_from_outcomes_and_breaks() {
        let warranty = Warranty::new(Duration::from_seconds(10), Duration::from_seconds(100));
        let warranty = warranty.unwrap();
        let mut deploy = change("a", ChangeKind::Deploy, 100);
        let news = |seconds| Break { at: at(seconds), cause: BreakCause::Page("p".to_owned()) };
        let lived = life(&deploy, warranty, &[news(99), news(150), news(200)]);
        assert_eq!(lived.broken(), Some(&news(150)));
        deploy.outcome = ChangeOutcome::Failed;
        let lived = life(&deploy, warranty, &[news(150)]);
        let ending = Ending::NotShipped;
        assert_eq!(lived.phase(at(100)), Phase::Done { at: at(100), ending });
        deploy.outcome = ChangeOutcome::Underway;
        deploy.finished = None;
        assert_eq!(life(&deploy, warranty, &[]).phase(at(500)), Phase::Recorded);
    }

    proptest::proptest! {
        #[test]
        fn the_order_in_which_changes_are_given_does_not_matter(
            told in proptest::collection::vec((0_usize..3, 0_usize..3, 0_i64..20), 0..8),
            turn in 0_usize..8,
        ) {
            let kinds = [ChangeKind::Deploy, ChangeKind::Rollback, ChangeKind::Drill];
            let classes = [ChangeClass::Unknown, ChangeClass::Fix, ChangeClass::Feature];
            let mut changes: Vec<Change> = Vec::new();
            for (number, (kind, class, shipped)) in told.into_iter().enumerate() {
                let mut one = change(&number.to_string(), kinds[kind], shipped);
                one.class = classes[class];
                changes.push(one);
            }
            let pages = [page(5), page(15)];
            let before = breaks(&changes, &pages);
            let turn = turn.min(changes.len());
            changes.rotate_left(turn);
            proptest::prop_assert_eq!(before, breaks(&changes, &pages));
        }
    }
}
