//! What to do about a change that regressed.
//!
//! Restoring comes first, by the way that is fastest and touches least else. The order of the rules
//! is the order of the code; each that spoke is named.

use flyball_model::Duration;

use super::answer::Answer;

/// The age past which a change that others were built on is no longer rolled back by reflex.
const SETTLED: Duration = Duration::from_hours(24);

/// What is known of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it did is behind a flag that can be switched off.
    pub has_flag: bool,
    /// There is an earlier version to go back to.
    pub has_previous: bool,
    /// It changed stored data or a schema so that the earlier version cannot work with it.
    pub is_one_way: bool,
    /// How long it has been in production.
    pub age: Duration,
    /// Changes of the same service that went out after it.
    pub later_changes: u32,
}

/// A way to restore the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Switch its flag off.
    ToggleOff,
    /// Go back to the version before it.
    RollBack,
    /// Mend it by another change.
    FixForward,
}

/// A fact that spoke for the suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionReason {
    /// A flag undoes it at once and nothing else with it.
    BehindAFlag,
    /// The earlier version could not work with what it did to the data.
    OneWay,
    /// There is nothing to go back to.
    NothingBefore,
    /// Going back would undo later changes too.
    LaterChanges,
    /// It is old enough that others rely on it.
    Settled,
    /// It is the newest change and can be undone by itself.
    Newest,
    /// Later changes are young; undoing them too restores sooner than a fix.
    YoungEnough,
}

/// What to do, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Suggestion {
    /// What to do first.
    pub remedy: Remedy,
    /// The facts that spoke for it.
    pub reasons: Vec<SuggestionReason>,
    /// What is possible besides, best first.
    pub otherwise: Vec<Remedy>,
}

/// What to do about a change with this answer; nothing unless it regressed.
pub fn suggest(answer: Answer, facts: &Facts) -> Option<Suggestion> {
    use SuggestionReason as Reason;
    if answer != Answer::Regressed {
        return None;
    }
    let (without_flag, mut reasons) = if facts.is_one_way {
        (Remedy::FixForward, vec![Reason::OneWay])
    } else if !facts.has_previous {
        (Remedy::FixForward, vec![Reason::NothingBefore])
    } else if facts.later_changes == 0 {
        (Remedy::RollBack, vec![Reason::Newest])
    } else if facts.age >= SETTLED {
        (Remedy::FixForward, vec![Reason::LaterChanges, Reason::Settled])
    } else {
        (Remedy::RollBack, vec![Reason::LaterChanges, Reason::YoungEnough])
    };
    let remedy = if facts.has_flag {
        reasons = vec![Reason::BehindAFlag];
        Remedy::ToggleOff
    } else {
        without_flag
    };
    let can_roll_back = facts.has_previous && !facts.is_one_way;
    let otherwise =
        [(without_flag, true), (Remedy::RollBack, can_roll_back), (Remedy::FixForward, true)];
    let mut others = Vec::new();
    for (other, possible) in otherwise {
        if possible && other != remedy && !others.contains(&other) {
            others.push(other);
        }
    }
    Some(Suggestion { remedy, reasons, otherwise: others })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Facts = Facts {
        has_flag: false,
        has_previous: true,
        is_one_way: false,
        age: Duration::from_minutes(10),
        later_changes: 0,
    };

    fn remedy(facts: Facts) -> (Remedy, Vec<Remedy>) {
        let suggestion = suggest(Answer::Regressed, &facts).unwrap();
        (suggestion.remedy, suggestion.otherwise)
    }

    #[test]
    fn only_a_regression_asks_for_anything() {
        assert_eq!(suggest(Answer::Healthy, &PLAIN), None);
        assert_eq!(suggest(Answer::Undecided, &PLAIN), None);
    }

    #[test]
    fn the_fastest_way_that_works_comes_first() {
        use Remedy::{FixForward, RollBack, ToggleOff};
        assert_eq!(remedy(PLAIN), (RollBack, vec![FixForward]));
        assert_eq!(
            remedy(Facts { has_flag: true, ..PLAIN }),
            (ToggleOff, vec![RollBack, FixForward])
        );
        assert_eq!(remedy(Facts { is_one_way: true, ..PLAIN }), (FixForward, vec![]));
        assert_eq!(remedy(Facts { has_previous: false, ..PLAIN }), (FixForward, vec![]));
        let flagged = Facts { has_flag: true, is_one_way: true, ..PLAIN };
        assert_eq!(remedy(flagged), (ToggleOff, vec![FixForward]));
        let built_on = Facts { later_changes: 2, ..PLAIN };
        assert_eq!(remedy(built_on), (RollBack, vec![FixForward]));
        let settled = Facts { age: Duration::from_days(3), ..built_on };
        assert_eq!(remedy(settled), (FixForward, vec![RollBack]));
    }
}
