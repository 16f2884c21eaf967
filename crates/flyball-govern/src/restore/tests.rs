use flyball_model::{Address, ChangeOutcome, ChangeSource, SecretRef};

use super::*;
use crate::verdict::SuggestionReason;

fn change(id: &str, kind: ChangeKind, at: i64) -> Change {
    let source = ChangeSource { system: "api".to_owned(), delivery: id.to_owned() };
    let (id, service) = (id.to_owned(), "shop".to_owned());
    let at = Timestamp::from_seconds(at);
    let mut change = Change::new(id, service, kind, ChangeOutcome::Succeeded, at, source);
    change.finished = Some(at);
    change
}

fn hook(name: &str, purpose: HookPurpose) -> RestoreAction {
    let secret = SecretRef::File("secret".to_owned());
    let url = Address::Plain("http://deploys.example/".to_owned());
    RestoreAction {
        name: name.to_owned(),
        service: "shop".to_owned(),
        kinds: Vec::new(),
        classes: Vec::new(),
        automatic: false,
        dry_run: true,
        via: RestoreVia::Hook { purpose, url, secret },
    }
}

fn flagd(name: &str, flag: Option<&str>) -> RestoreAction {
    let flag = flag.map(str::to_owned);
    let via = RestoreVia::Flagd { file: "flags.json".to_owned(), flag, off: None };
    RestoreAction { via, ..hook(name, HookPurpose::Rollback) }
}

fn names(actions: &[RestoreAction], change: &Change, remedy: Remedy) -> Vec<String> {
    let reasons = vec![SuggestionReason::Newest];
    let suggestion = Suggestion { remedy, reasons, otherwise: Vec::new() };
    suggested(actions, change, &suggestion).into_iter().map(|it| it.name.clone()).collect()
}

#[test]
fn an_action_does_what_is_suggested_for_changes_that_it_is_for() {
    let mut narrow = hook("c", HookPurpose::Rollback);
    narrow.kinds = vec![ChangeKind::Config];
    let actions = [
        narrow,
        hook("b", HookPurpose::Rollback),
        hook("a", HookPurpose::Drain),
        flagd("any", None),
        flagd("own", Some("cart")),
    ];
    let deploy = change("1", ChangeKind::Deploy, 10);
    assert_eq!(names(&actions, &deploy, Remedy::RollBack), ["b"]);
    assert_eq!(names(&actions, &deploy, Remedy::FixForward), Vec::<String>::new());
    assert_eq!(names(&actions, &deploy, Remedy::ToggleOff), ["own"], "nobody says which flag");
    let config = change("2", ChangeKind::Config, 10);
    assert_eq!(names(&actions, &config, Remedy::RollBack), ["b", "c"]);
    let mut flag = change("3", ChangeKind::Flag, 10);
    flag.flag = Some("cart".to_owned());
    assert_eq!(names(&actions, &flag, Remedy::ToggleOff), ["any", "own"]);
    flag.flag = Some("search".to_owned());
    assert_eq!(names(&actions, &flag, Remedy::ToggleOff), ["any"], "it is of another flag");
    flag.service = "bank".to_owned();
    assert_eq!(names(&actions, &flag, Remedy::ToggleOff), Vec::<String>::new());
}

#[test]
fn what_restored_is_not_undone_and_what_ran_before_is_gone_back_to() {
    let bad = change("bad", ChangeKind::Deploy, 30);
    assert!(!is_restore(&bad));
    assert!(is_restore(&change("back", ChangeKind::Rollback, 40)));
    assert!(is_restore(&Change { restores: Some("x".to_owned()), ..bad.clone() }));
    let others = [
        change("first", ChangeKind::Deploy, 10),
        change("second", ChangeKind::Deploy, 20),
        change("flip", ChangeKind::Flag, 25),
        bad.clone(),
        change("later", ChangeKind::Deploy, 40),
    ];
    assert_eq!(before(&bad, &others).map(|it| it.id.as_str()), Some("second"));
    assert_eq!(before(&others[0], &others), None);
}

#[test]
fn attempts_end_by_an_answer_or_by_their_age() {
    let at = Timestamp::from_seconds(1_000);
    let begun = Restoring {
        key: "k".to_owned(),
        action: "a".to_owned(),
        does: Restores::RollBack,
        slice: None,
        flag: None,
        by: "server".to_owned(),
        role: None,
        automatic: true,
        at,
        plan: None,
        state: RestoreState::Begun,
        attempts: 0,
        next: Some(at),
        problem: None,
        ended: None,
        change: None,
        is_owed: false,
    };
    let later = || Outcome::Later { problem: "it answered 503".to_owned(), after: None };
    let mut done = begun.clone();
    done.settle(later(), at);
    assert_eq!((done.state, done.attempts, done.is_owed), (RestoreState::Begun, 1, false));
    assert!(done.next.is_some_and(|next| next > at));
    done.settle(Outcome::Delivered, at);
    assert_eq!((done.state, done.next, done.is_owed), (RestoreState::Done, None, true));
    let mut refused = begun.clone();
    refused.settle(Outcome::Refused { problem: "it answered 404".to_owned() }, at);
    assert_eq!((refused.state, refused.ended), (RestoreState::Failed, Some(at)));
    let (mut tried, mut now, mut attempts) = (begun.clone(), at, 0);
    while tried.state == RestoreState::Begun {
        tried.settle(later(), now);
        now = tried.next.unwrap_or(now);
        attempts += 1;
    }
    assert_eq!(tried.state, RestoreState::Failed);
    assert!(now.since(at) <= RETRY.age_max && attempts > 10, "{attempts} until {now}");
    let mut off = begun;
    off.call_off(at);
    assert_eq!((off.state, off.is_owed), (RestoreState::CalledOff, false), "nothing was done");
}
