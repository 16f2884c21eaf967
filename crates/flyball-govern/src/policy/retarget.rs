//! Another target for an SLO, as the recorded decision of whoever is accountable.

use flyball_model::{Target, Timestamp};

use super::Accountable;
use super::read::share;

/// A target that was changed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Retarget {
    /// Of which SLO.
    pub slo: String,
    /// Of which slice, where the slice has a target of its own.
    pub slice: Option<String>,
    /// Before.
    #[serde(with = "super::read::target")]
    pub from: Target,
    /// After.
    #[serde(with = "super::read::target")]
    pub to: Target,
    /// Who decided.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// Whether the budget was overspent then; `None` when nobody knew.
    pub overspent: Option<bool>,
}

/// Why a target is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetargetError {
    /// No reason given.
    #[error("a target is changed for a reason; hint: say it in a sentence")]
    NoReason,
    /// Nothing changes.
    #[error("the target is {target} already")]
    Same {
        /// It, in per cent.
        target: String,
    },
    /// Somebody else's to decide.
    #[error(
        "{who} does not decide on targets of this service; hint: {accountable} does, or whom they name"
    )]
    NotTheirs {
        /// Who tried.
        who: String,
        /// Who is accountable.
        accountable: String,
    },
}

impl Retarget {
    /// This change, if `accountable` lets its author decide it then.
    ///
    /// # Errors
    ///
    /// [`RetargetError`]: it is not theirs to decide, has no reason, or changes nothing.
    pub fn decided(self, accountable: &Accountable) -> Result<Self, RetargetError> {
        if !accountable.may_decide(&self.who, self.at) {
            let accountable = accountable.who.clone();
            return Err(RetargetError::NotTheirs { who: self.who, accountable });
        }
        if self.why.trim().is_empty() {
            return Err(RetargetError::NoReason);
        }
        if self.from == self.to {
            return Err(RetargetError::Same { target: share::percent(self.to.share()) });
        }
        Ok(self)
    }

    /// True when less is promised than before.
    pub fn is_looser(&self) -> bool {
        self.to.share() < self.from.share()
    }

    /// True when less is promised than before while the budget was overspent: a sign of gaming, and no
    /// proof of it.
    pub fn is_suspect(&self) -> bool {
        self.is_looser() && self.overspent == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::Rational;

    use super::*;

    #[test]
    fn the_accountable_decide_on_targets() {
        let target = |text| Target::new(Rational::parse(text).unwrap()).unwrap();
        let change = Retarget {
            slo: "availability".to_owned(),
            slice: None,
            from: target("0.999"),
            to: target("0.99"),
            who: "ada".to_owned(),
            why: "users do not notice".to_owned(),
            at: Timestamp::from_seconds(0),
            overspent: Some(true),
        };
        let ada = Accountable { who: "ada".to_owned(), delegate: None };
        let decided = change.clone().decided(&ada).unwrap();
        assert!(decided.is_looser() && decided.is_suspect());
        assert!(!Retarget { overspent: None, ..change.clone() }.is_suspect());
        for refused in [
            Retarget { who: "bo".to_owned(), ..change.clone() },
            Retarget { why: " ".to_owned(), ..change.clone() },
            Retarget { to: target("0.999"), ..change },
        ] {
            assert!(refused.clone().decided(&ada).is_err(), "{refused:?} was accepted");
        }
    }
}
