//! What may have spent a service's budget: from when until when each change, incident and drill is charged.

use flyball_model::{
    Break, BreakCause, Change, ChangeKind, Incident, Interval, Slot, Timestamp, Warranty,
};

use super::answer::Answer;
use super::attribution::{Cause, CauseKind};
use super::observation::ChangeVerdict;

/// A change, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'a> {
    /// The change.
    pub change: &'a Change,
    /// What it did, where that is known.
    pub verdict: Option<&'a ChangeVerdict>,
    /// What broke it.
    pub breaks: &'a [Break],
}

/// A cause as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCause {
    /// What it is.
    pub kind: CauseKind,
    /// What it is known by, among those of its kind.
    pub id: String,
    /// The service that it happened to.
    pub service: String,
    /// From when until when it went on.
    pub interval: Interval,
    /// What of that it is charged for: all of it, unless its service was seen to be well in between.
    pub parts: Vec<Interval>,
    /// What happened to the service itself; differs from the kind for dependencies.
    of: CauseKind,
}

impl NamedCause {
    /// Whether it is an incident of a service that is depended on.
    pub fn is_incident_below(&self) -> bool {
        self.kind == CauseKind::Dependency && self.of == CauseKind::Incident
    }

    /// The cause in slots; `slot` finds the slot that holds a moment.
    pub fn in_slots(&self, slot: impl Fn(Timestamp) -> Slot) -> Cause {
        let Self { kind, id, parts, service, of, .. } = self;
        let mut slots: Vec<(Slot, Slot)> = Vec::with_capacity(parts.len());
        for part in parts {
            let last = Timestamp::from_nanos(part.end().nanos().saturating_sub(1));
            let from = slot(part.start());
            let to = Slot(slot(last.max(part.start())).0.saturating_add(1));
            // Parts that share a slot, or touch, are one.
            match slots.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => slots.push((from, to)),
            }
        }
        Cause {
            // A change and an incident may be known by the same.
            id: format!("{of:?} {service} {id}"),
            kind: *kind,
            slots,
            priority: kind.priority(),
        }
    }
}

/// Charges incidents of dependencies only where their service failed, by `failed` for the name of a service and a time
/// ([`Failed::parts`](super::Failed::parts)). A change of one may break others while its own service is well.
pub fn where_it_failed(
    causes: &mut [NamedCause],
    failed: impl Fn(&str, Interval) -> Vec<Interval>,
) {
    for cause in causes.iter_mut().filter(|cause| cause.is_incident_below()) {
        cause.parts = failed(&cause.service, cause.interval);
    }
}

/// What may have spent the budget of `service` within `within`, in the order of its beginning.
///
/// - A **drill** from its beginning to its end.
/// - A **change** that regressed, or that an incident names as its cause, from its beginning until it was
///   restored by a rollback or a fix, failed, or another deployment took its place; at most for as long as
///   it is answered for.
/// - An **incident** of the service from when users were first hit until they no longer were.
/// - Any of these of a service in `dependencies`, as a failure of a **dependency**. What such an incident is said
///   to be caused by is not named beside it.
pub fn causes(
    service: &str,
    dependencies: &[&str],
    suspects: &[Suspect<'_>],
    incidents: &[Incident],
    within: Interval,
) -> Vec<NamedCause> {
    let mut found = of_service(service, suspects, incidents, within);
    for dependency in dependencies.iter().filter(|dependency| **dependency != service) {
        let theirs = of_service(dependency, suspects, incidents, within);
        let is_told = |of: &NamedCause| {
            let named = |incident: &Incident| {
                incident.service.as_deref() == Some(*dependency)
                    && incident.cause.as_ref() == Some(&of.id)
            };
            of.kind == CauseKind::Change && incidents.iter().any(named)
        };
        found.extend(
            theirs
                .into_iter()
                .filter(|of| !is_told(of))
                .map(|of| NamedCause { kind: CauseKind::Dependency, ..of }),
        );
    }
    found.sort_by(|one, two| {
        let key = |of: &NamedCause| (of.interval.start(), of.kind);
        (key(one), &one.service, &one.id).cmp(&(key(two), &two.service, &two.id))
    });
    found
}

/// What happened to `service` itself.
fn of_service(
    service: &str,
    suspects: &[Suspect<'_>],
    incidents: &[Incident],
    within: Interval,
) -> Vec<NamedCause> {
    let own = incidents.iter().filter(|incident| incident.service.as_deref() == Some(service));
    let mut found: Vec<NamedCause> = Vec::new();
    let mut add = |kind, id: &str, from: Timestamp, to: Option<Timestamp>| {
        let to = to.unwrap_or(within.end()).max(from);
        let interval = Interval::starting(from, to.since(from)).intersect(within);
        if let Some(interval) = interval.filter(|interval| !interval.is_empty()) {
            let (id, service) = (id.to_owned(), service.to_owned());
            found.push(NamedCause { kind, id, service, interval, parts: vec![interval], of: kind });
        }
    };
    for suspect in suspects.iter().filter(|suspect| suspect.change.service == service) {
        let change = suspect.change;
        let began = change.started.or(change.finished).unwrap_or(change.recorded);
        let is_named =
            own.clone().any(|incident| incident.cause.as_deref() == Some(change.id.as_str()));
        let regressed = suspect.verdict.is_some_and(|of| of.answer == Answer::Regressed);
        if change.kind == ChangeKind::Drill {
            add(CauseKind::Drill, &change.id, began, change.finished);
        } else if regressed || is_named {
            add(CauseKind::Change, &change.id, began, Some(gone(suspect, suspects)));
        }
    }
    for incident in own {
        if let Some(opened) = incident.opened() {
            let over = incident.served_again();
            add(CauseKind::Incident, &incident.id, opened, over);
        }
    }
    found
}

/// When a change was no longer in force, or answered for.
fn gone(suspect: &Suspect<'_>, suspects: &[Suspect<'_>]) -> Timestamp {
    let Suspect { change, breaks, .. } = *suspect;
    let Some(shipped) = change.shipped() else {
        // Under way, or called off.
        return change.finished.unwrap_or(Timestamp::MAX);
    };
    let restored = breaks.iter().filter_map(|news| {
        let is_restored = matches!(news.cause, BreakCause::Rollback(_) | BreakCause::Fix(_));
        is_restored.then_some(news.at)
    });
    let replaced = suspects.iter().filter_map(|other| {
        let other = other.change;
        let takes_its_place = change.kind.is_deployment() && other.kind.is_deployment();
        let is_there =
            (&other.service, &other.environment) == (&change.service, &change.environment);
        other.shipped().filter(|at| takes_its_place && is_there && *at > shipped)
    });
    let ended = shipped.plus(Warranty::DEFAULT.hold());
    restored.chain(replaced).fold(ended, Timestamp::min)
}

#[cfg(test)]
mod tests {
    use flyball_model::{ChangeOutcome, ChangeSource, Duration};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn change(id: &str, kind: ChangeKind, began: i64, ended: i64) -> Change {
        let source = ChangeSource { system: "api".to_owned(), delivery: id.to_owned() };
        let (service, outcome) = ("shop".to_owned(), ChangeOutcome::Succeeded);
        let mut change = Change::new(id.to_owned(), service, kind, outcome, at(ended), source);
        (change.started, change.finished) = (Some(at(began)), Some(at(ended)));
        change
    }

    fn regressed(change: &Change) -> ChangeVerdict {
        let width = Duration::from_seconds(10);
        let times = (Duration::from_hours(1), width);
        let verdict = ChangeVerdict::of(change, &[], &[], times, at(9_000)).unwrap().unwrap();
        ChangeVerdict { answer: Answer::Regressed, ..verdict }
    }

    #[test]
    fn each_is_charged_while_it_was_in_force() {
        use CauseKind::{Change as Changed, Drill, Incident as Happened};
        let first = change("a", ChangeKind::Deploy, 100, 200);
        let fine = change("b", ChangeKind::Config, 300, 310);
        let next = change("c", ChangeKind::Deploy, 900, 1_000);
        let drill = change("d", ChangeKind::Drill, 400, 500);
        let verdict = regressed(&first);
        let mut incident = Incident::new("a".to_owned());
        incident.service = Some("shop".to_owned());
        (incident.started, incident.resolved) = (Some(at(1_050)), Some(at(5_000)));
        let restored = [Break { at: at(800), cause: BreakCause::Rollback("r".to_owned()) }];
        let told = |breaks, incidents: &[Incident]| -> Vec<_> {
            let suspect = |change, verdict, breaks| Suspect { change, verdict, breaks };
            let suspects = [
                suspect(&first, Some(&verdict), breaks),
                suspect(&fine, None, &[]),
                suspect(&next, None, &[]),
                suspect(&drill, None, &[]),
            ];
            let within = Interval::new(at(150), at(2_000)).unwrap();
            causes("shop", &[], &suspects, incidents, within)
                .into_iter()
                .map(|of| (of.kind, of.id, of.interval.start(), of.interval.end()))
                .collect()
        };
        let one = |kind, id: &str, from, to| (kind, id.to_owned(), at(from), at(to));
        assert_eq!(
            told(&[], std::slice::from_ref(&incident)),
            [
                one(Changed, "a", 150, 1_000),
                one(Drill, "d", 400, 500),
                one(Happened, "a", 1_050, 2_000),
            ],
        );
        assert_eq!(told(&restored, &[])[0], one(Changed, "a", 150, 800));
        // Somebody says what it was.
        incident.cause = Some("c".to_owned());
        let told = told(&restored, &[incident]);
        assert!(told.contains(&one(Changed, "c", 900, 2_000)), "{told:?}");
    }

    #[test]
    fn what_happens_to_a_dependency_is_its_failure() {
        let theirs = |id: &str, kind, began, ended| Change {
            service: "bank".to_owned(),
            ..change(id, kind, began, ended)
        };
        let (told, untold) =
            (theirs("a", ChangeKind::Deploy, 100, 200), theirs("b", ChangeKind::Flag, 600, 700));
        let verdicts = [&told, &untold].map(regressed);
        let mut incident = Incident::new("INC-1".to_owned());
        incident.service = Some("bank".to_owned());
        incident.cause = Some("a".to_owned());
        (incident.started, incident.resolved) = (Some(at(150)), Some(at(500)));
        let suspect = |change, verdict| Suspect { change, verdict: Some(verdict), breaks: &[] };
        let suspects = [suspect(&told, &verdicts[0]), suspect(&untold, &verdicts[1])];
        let within = Interval::new(at(0), at(1_000)).unwrap();
        let named = |dependencies: &[&str]| -> Vec<_> {
            let found = causes("shop", dependencies, &suspects, &[incident.clone()], within);
            found.into_iter().map(|of| (of.kind, of.service, of.id)).collect()
        };
        let one = |id: &str| (CauseKind::Dependency, "bank".to_owned(), id.to_owned());
        assert_eq!(named(&["bank"]), [one("INC-1"), one("b")]);
        assert_eq!(named(&["mail"]), []);
    }

    #[test]
    fn causes_of_two_kinds_may_be_called_the_same() {
        let interval = Interval::new(at(5), at(20)).unwrap();
        let of = |kind| {
            let (id, service) = ("a".to_owned(), "shop".to_owned());
            NamedCause { kind, id, service, interval, parts: vec![interval], of: kind }
        };
        let slot = |at: Timestamp| Slot::of(at, Duration::from_seconds(10));
        let change = of(CauseKind::Change).in_slots(slot);
        assert_eq!(change.slots, [(Slot(0), Slot(2))]);
        assert_ne!(change.id, of(CauseKind::Incident).in_slots(slot).id);
    }
}
