//! Whether a feature of a service may ship, in words: what nobody denies is no approval.

use super::{Card, Policy, Ship, capital, told};
use crate::output::page::Page;
use crate::output::words;

/// The least that is left of a budget, where one is overspent.
pub(super) fn overspent(card: &Card) -> Option<f64> {
    let left = card.budgets.iter().filter_map(|budget| budget.remaining_share);
    left.filter(|left| *left < 0.0).min_by(f64::total_cmp)
}

/// What is decided on a feature, as a part of a sentence; `overspent` is what is left of a budget that is.
pub(super) fn verdict(ship: &Ship, overspent: Option<f64>) -> String {
    let Policy { name, .. } = &ship.policy;
    let passes = |outcome: &str| matches!(outcome, "allow" | "warn");
    if ship.outcome == "deny" {
        return "a feature may not ship now".to_owned();
    }
    if !passes(&ship.outcome) {
        return "whether a feature may ship cannot be told, so it waits".to_owned();
    }
    let spent =
        overspent.map(|left| format!("a budget is overspent ({} left)", words::percent(left)));
    let otherwise = ship.otherwise.as_deref().filter(|otherwise| !passes(otherwise));
    let says = match otherwise {
        Some("deny") => "would deny a feature",
        _ => "could not tell whether a feature may ship",
    };
    let ships = match (otherwise, ship.in_force) {
        (Some(_), false) => {
            format!("no policy in force asks anything of it: {name}, which {says}, is unsigned")
        }
        (Some(_), true) => {
            format!("a feature may ship now by an exception, without which {name} {says}")
        }
        (None, false) => {
            format!("a feature may ship now: {name}, which is unsigned, would not deny it")
        }
        (None, true) => format!("a feature may ship now by {name}"),
    };
    spent.into_iter().chain([ships]).collect::<Vec<_>>().join(", and ")
}

/// Says whether a feature may ship, why, and by which policy.
pub(super) fn shipping(page: &mut Page, card: &Card) {
    let Some(ship) = &card.ship else {
        page.say(told(card.ship_problem.as_ref()));
        return;
    };
    let until = ship.until.map(words::moment);
    let parts = [
        Some(capital(&verdict(ship, overspent(card)))),
        until.map(|until| format!("until {until} if nothing more goes wrong")),
        ship.reach.as_ref().map(|reach| format!("to at most {reach} of users")),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    page.say(format!("{}.", said.join(", ")));
    if let Some(otherwise) = &ship.otherwise {
        let once =
            if ship.in_force { "Without the exception" } else { "Once the policy is signed" };
        page.say(format!("{once}, it would be: {otherwise}."));
    }
    page.list(ship.reasons.iter().map(|reason| reason.text.clone()));
    let Policy { name, version, standing } = &ship.policy;
    let level = ship.level.as_deref().unwrap_or("cannot be told");
    page.say(format!("By the policy {name}, version {version}, {standing}; level {level}."));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ship(outcome: &str, in_force: bool, otherwise: Option<&str>) -> Ship {
        Ship {
            outcome: outcome.to_owned(),
            in_force,
            otherwise: otherwise.map(str::to_owned),
            level: None,
            policy: Policy {
                name: "weeks".to_owned(),
                version: 1,
                standing: "advisory".to_owned(),
            },
            until: None,
            reach: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn what_nobody_denies_is_no_approval() {
        let overspent = "a budget is overspent (-418.0% left), and ";
        let unsigned = "no policy in force asks anything of it: weeks, which would deny a feature, is unsigned";
        let by_exception =
            "a feature may ship now by an exception, without which weeks would deny a feature";
        for (ship, said) in [
            (ship("warn", false, Some("deny")), unsigned),
            (ship("allow", true, Some("deny")), by_exception),
            (ship("allow", true, None), "a feature may ship now by weeks"),
            (
                ship("allow", false, None),
                "a feature may ship now: weeks, which is unsigned, would not deny it",
            ),
        ] {
            assert_eq!(verdict(&ship, None), said);
            assert_eq!(verdict(&ship, Some(-4.18)), format!("{overspent}{said}"));
        }
        for (outcome, said) in [
            ("deny", "a feature may not ship now"),
            ("undecidable", "whether a feature may ship cannot be told, so it waits"),
        ] {
            assert_eq!(verdict(&ship(outcome, true, None), Some(-4.18)), said);
        }
    }
}
