//! Whether a drill may begin: a closed list, of which every one has to be met. What is not known is not met.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Timestamp};

use super::document::Drill;
use super::dose::{Bound, Dose, NoDose};
use crate::hours::Hours;

/// Something that has to be met before a drill begins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// There is a surplus to spend.
    Surplus,
    /// What is counted is fresh.
    FreshData,
    /// Changes of the service are not frozen.
    NoFreeze,
    /// No incident is open, of the service and of those that depend on it.
    NoIncident,
    /// No change of the service is still being watched.
    NoChangeObserved,
    /// No other drill is underway.
    NoOtherDrill,
    /// People are there from its beginning to its end.
    StaffedHours,
    /// Its window is near its end.
    NearEnd,
    /// Those who depend on the service were told, early enough.
    DependantsTold,
    /// The drill's own burn calls nobody, and everything else still does.
    OwnAlertsSilenced,
    /// Something ends the fault when the server dies.
    Guarded,
}

/// Whether something is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It is.
    Met,
    /// It is not.
    NotMet,
    /// It cannot be told, which holds the drill up like what is not met.
    Unknown,
}

/// One precondition, looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Which.
    pub what: Precondition,
    /// Whether it is met.
    pub state: CheckState,
    /// What was seen, in a sentence.
    pub text: String,
}

/// What is known when a drill is to begin. `None` is what nobody knows.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// Now.
    pub now: Timestamp,
    /// Its dose.
    pub dose: Result<Dose, NoDose>,
    /// Whether the counts of its SLO are fresh.
    pub is_fresh: Option<bool>,
    /// How little ago they are counted up to that are.
    pub fresh_within: Duration,
    /// What freezes the service, in words; `Some(None)` for nothing.
    pub frozen_by: Option<Option<String>>,
    /// The open incidents of the service and its dependants, by id.
    pub incidents: Option<Vec<String>>,
    /// Changes of the service that are being watched, by id.
    pub observed: Option<Vec<String>>,
    /// Drills that are underway, by name.
    pub drills: Option<Vec<String>>,
    /// When the service's team works, where it says so.
    pub team: Option<&'a Hours>,
    /// A moment of it at which the service would call somebody, and nobody's turn it is; `None` where it is always
    /// somebody's, or the service says nothing of whom it calls.
    pub unmanned: Option<Timestamp>,
    /// The calendar window of its SLO; `None` for a rolling one, which has no end.
    pub window: Option<Interval>,
    /// The services that depend on the one that is made worse.
    pub dependants: Option<BTreeSet<&'a str>>,
    /// When each of them was told; those that were not are left out.
    pub told: Vec<(&'a str, Timestamp)>,
    /// Whether alerts for the drill's own burn are silenced while it lasts, and no others.
    pub silenced: Option<bool>,
    /// Whether a guard answers; it need not where the fault ends by itself.
    pub guarded: Option<bool>,
}

/// Looks at everything that has to be met, in the order of [`Precondition`].
pub fn preconditions(drill: &Drill, situation: &Situation<'_>) -> Vec<Check> {
    use Precondition as What;
    let none = |list: &Option<Vec<String>>, of: &str| match list {
        Some(list) if list.is_empty() => (CheckState::Met, format!("no {of}")),
        Some(list) => (CheckState::NotMet, format!("{of}: {}", list.join(", "))),
        None => (CheckState::Unknown, format!("nobody knows whether there is {of}")),
    };
    let frozen = match &situation.frozen_by {
        Some(None) => (CheckState::Met, "changes are not frozen".to_owned()),
        Some(Some(by)) => (CheckState::NotMet, format!("changes are frozen: {by}")),
        None => (CheckState::Unknown, "nobody knows whether changes are frozen".to_owned()),
    };
    let surplus = match &situation.dose {
        Ok(dose) => (
            CheckState::Met,
            format!("{} bad events{}, in {}", dose.bad, held_to(dose), dose.lasts),
        ),
        Err(NoDose::NoData) => (CheckState::Unknown, NoDose::NoData.to_string()),
        Err(why) => (CheckState::NotMet, why.to_string()),
    };
    let said = |known: Option<bool>, yes: &str, no: &str, unknown: &str| match known {
        Some(true) => (CheckState::Met, yes.to_owned()),
        Some(false) => (CheckState::NotMet, no.to_owned()),
        None => (CheckState::Unknown, unknown.to_owned()),
    };
    let fresh = said(
        situation.is_fresh,
        &format!("events came within the last {}", situation.fresh_within),
        &format!("no event came within the last {}", situation.fresh_within),
        "nobody knows when the last event came",
    );
    let silenced = said(
        situation.silenced,
        "what it burns itself will page nobody",
        "the drill's own alerts would call somebody",
        "nobody knows whom the drill would call",
    );
    let guarded = if drill.spec.via.expires() {
        (CheckState::Met, "the fault ends by itself".to_owned())
    } else {
        said(
            situation.guarded,
            "a guard answers",
            "no guard answers",
            "nobody knows whether a guard answers",
        )
    };
    let found = [
        (What::Surplus, surplus),
        (What::FreshData, fresh),
        (What::NoFreeze, frozen),
        (What::NoIncident, none(&situation.incidents, "open incident")),
        (
            What::NoChangeObserved,
            none(&situation.observed, "change under observation that is no drill"),
        ),
        (What::NoOtherDrill, none(&situation.drills, "other drill")),
        (What::StaffedHours, staffed(drill, situation)),
        (What::NearEnd, near_end(drill, situation)),
        (What::DependantsTold, told(drill, situation)),
        (What::OwnAlertsSilenced, silenced),
        (What::Guarded, guarded),
    ];
    found.map(|(what, (state, text))| Check { what, state, text }).into()
}

/// What holds a dose to its size, in words.
fn held_to(dose: &Dose) -> String {
    let Dose { surplus, allowed, bound, .. } = dose;
    match bound {
        Bound::Share => format!(" of {surplus} that are left, as its `dose` says"),
        Bound::Budget => format!(", all that its budget of {allowed} has left above the reserve"),
        Bound::Contract { name } => {
            format!(", all that the contract {name} has left above the reserve")
        }
    }
}

/// Whether a drill may begin: everything is met.
pub fn may_begin(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.state == CheckState::Met)
}

fn staffed(drill: &Drill, situation: &Situation<'_>) -> (CheckState, String) {
    let lasts = situation.dose.as_ref().map_or(drill.spec.longest, |dose| dose.lasts);
    if let Some(at) = situation.unmanned {
        return (CheckState::NotMet, format!("it is nobody's turn to be called at {at}"));
    }
    for (hours, of) in
        [Some((&drill.spec.hours, "its")), situation.team.map(|of| (of, "its team's"))]
            .into_iter()
            .flatten()
    {
        match hours.cover(situation.now, situation.now.plus(lasts)) {
            Some(true) => {}
            Some(false) => {
                let Hours { from, to, time_zone: zone, .. } = hours;
                let text =
                    format!("it would not lie within {from} to {to} of {zone}, on {of} days");
                return (CheckState::NotMet, text);
            }
            None => return (CheckState::Unknown, format!("`{}` is no zone", hours.time_zone)),
        }
    }
    (CheckState::Met, "people are there until its end".to_owned())
}

fn near_end(drill: &Drill, situation: &Situation<'_>) -> (CheckState, String) {
    let Some(near) = drill.spec.near_end else {
        return (CheckState::Met, "it may be anywhere in the window".to_owned());
    };
    let Some(window) = situation.window else {
        let text = "the window rolls, and has no end; leave `nearEnd` out".to_owned();
        return (CheckState::NotMet, text);
    };
    let left = window.end().since(situation.now);
    let is_near = window.contains(situation.now) && left <= near;
    let state = if is_near { CheckState::Met } else { CheckState::NotMet };
    (state, format!("the window ends in {left}, and it is for the last {near}"))
}

fn told(drill: &Drill, situation: &Situation<'_>) -> (CheckState, String) {
    let Some(dependants) = &situation.dependants else {
        return (CheckState::Unknown, "nobody knows who depends on it".to_owned());
    };
    let latest = situation.now.minus(drill.spec.notice);
    let is_told = |of: &str| situation.told.iter().any(|(who, at)| *who == of && *at <= latest);
    let missing: Vec<&str> = dependants.iter().copied().filter(|of| !is_told(of)).collect();
    if missing.is_empty() {
        return (CheckState::Met, format!("{} dependants were told", dependants.len()));
    }
    let text = format!("not told {} before: {}", drill.spec.notice, missing.join(", "));
    (CheckState::NotMet, text)
}
