//! How long users had to do with a change that failed, as far as changes, pages and incidents tell.

use flyball_model::{Break, BreakCause, Change, Incident, Timestamp, Warranty};

use crate::warranty::life;

/// A change that failed: when users met it, when that was noticed, when they were well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The first moment at which a user may have met it.
    pub met: Timestamp,
    /// The first page, report or repair.
    pub detected: Timestamp,
    /// The rollback or fix, or the end of the last incident that it caused.
    pub repaired: Timestamp,
}

impl Failing {
    /// What is known of `change`, broken by `breaks`, of whose service `incidents` are; `None` when nobody knows
    /// that it ended, and for a change that did not fail within `warranty`.
    pub fn of(
        change: &Change,
        warranty: Warranty,
        breaks: &[Break],
        incidents: &[Incident],
    ) -> Option<Self> {
        let shipped = change.shipped()?;
        let broken = life(change, warranty, breaks).broken()?.at;
        let met = change.started.map_or(shipped, |started| started.min(shipped));
        let caused = || incidents.iter().filter(|one| one.cause.as_deref() == Some(&change.id));
        let noticed = caused().filter_map(Incident::known);
        let detected = noticed.chain([broken]).min()?.max(met);
        let mended = breaks
            .iter()
            .filter(|news| matches!(news.cause, BreakCause::Rollback(_) | BreakCause::Fix(_)));
        let ended = caused().filter_map(Incident::served_again).max();
        let repaired = mended.map(|news| news.at).min().or(ended)?.max(detected);
        Some(Self { met, detected, repaired })
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::{ChangeKind, ChangeOutcome, ChangeSource};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn change() -> Change {
        let source = ChangeSource { system: "api".to_owned(), delivery: "d".to_owned() };
        let (kind, outcome) = (ChangeKind::Deploy, ChangeOutcome::Succeeded);
        let mut change =
            Change::new("a".to_owned(), "shop".to_owned(), kind, outcome, at(100), source);
        (change.started, change.finished) = (Some(at(90)), Some(at(100)));
        change
    }

    #[test]
    fn a_failure_lasts_from_the_first_user_to_its_repair() {
        let of = |breaks: &[Break], incidents: &[Incident]| {
            Failing::of(&change(), Warranty::DEFAULT, breaks, incidents)
        };
        let page = Break { at: at(150), cause: BreakCause::Page("p".to_owned()) };
        let back = Break { at: at(300), cause: BreakCause::Rollback("b".to_owned()) };
        let failing = |detected, repaired| {
            Some(Failing { met: at(90), detected: at(detected), repaired: at(repaired) })
        };
        assert_eq!(of(&[], &[]), None, "it did not fail");
        assert_eq!(of(std::slice::from_ref(&page), &[]), None, "nobody knows that it ended");
        assert_eq!(of(&[page.clone(), back.clone()], &[]), failing(150, 300));
        assert_eq!(of(&[back], &[]), failing(300, 300));
        let mut incident = Incident::new("i".to_owned());
        incident.cause = Some("a".to_owned());
        (incident.detected, incident.mitigated) = (Some(at(120)), Some(at(200)));
        assert_eq!(of(std::slice::from_ref(&page), &[incident.clone()]), failing(120, 200));
        incident.cause = Some("other".to_owned());
        assert_eq!(of(&[page], &[incident]), None);
    }
}
