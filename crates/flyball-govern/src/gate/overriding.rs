//! Exceptions: an accountable person lets one change, or a class of changes, through for a time.

use std::collections::BTreeMap;

use flyball_model::{Ending, Phase, Timestamp};

use super::facts::Question;
use crate::policy::{ChangeClass, OverrideRule, Role};

/// An exception to what a policy decides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Override {
    /// What it is known by.
    pub id: String,
    /// For which service.
    pub service: String,
    /// For which change; `None` for any of the class.
    pub change: Option<String>,
    /// For which class.
    pub class: ChangeClass,
    /// As what the person answers for it.
    pub role: Role,
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after: from then on it does nothing.
    pub expires: Timestamp,
    /// The other person who agrees.
    pub second: Option<Agreement>,
    /// Who took it back before its end.
    #[serde(default)]
    pub revoked: Option<EndedEarly>,
}

/// The other person's consent to an override.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Agreement {
    /// As what.
    pub role: Role,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// Somebody ended an override, a block or an approval before its time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EndedEarly {
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// From when on.
    pub at: Timestamp,
}

/// Whoever asks a server that knows nobody.
const ANYONE: &str = "anyone";

/// Why an override does not take what somebody says of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It is over.
    #[error("the override `{id}` is over already; hint: make another, if it is still wanted")]
    Over {
        /// The override.
        id: String,
    },
    /// Nobody has to agree.
    #[error("the policy wants nobody to agree to its overrides; hint: `{id}` holds as it is")]
    NotAsked {
        /// The override.
        id: String,
    },
    /// Another role's to say.
    #[error("the role `{role}` does not decide on this override; hint: these do: {holders}")]
    NoRight {
        /// The role.
        role: Role,
        /// Who may, in words.
        holders: String,
    },
    /// Nobody agrees with themselves.
    #[error(
        "{who} made this override; hint: somebody else has to agree to it, who is known by a token of their own (`flyball token create`)"
    )]
    Same {
        /// Who.
        who: String,
    },
    /// Nobody can be told from whoever made it.
    #[error(
        "nobody can be told from who made this override; hint: make tokens for both (`flyball token create`), and make it \
         again with one of them"
    )]
    Nobody,
    /// Why is missing.
    #[error("an override is not taken back without a reason; hint: say why in a sentence")]
    NoReason,
}

impl Override {
    /// Why it does nothing for `question` under `rule`; `None` when it lets the change through.
    ///
    /// The first of: another service, class or change; not begun, expired, revoked; no person or no
    /// reason; a role that makes no exceptions; longer than the policy allows; a second person missing,
    /// or the same one twice, or of another role.
    pub fn refusal(&self, question: &Question, rule: &OverrideRule) -> Option<String> {
        let other_change = self.change.is_some() && self.change != question.change;
        if self.service != question.service || self.class != question.class || other_change {
            return Some("it is for another change".to_owned());
        }
        let at = question.at;
        if at < self.from {
            return Some(format!("it begins at {:.0}", self.from));
        }
        if at >= self.expires {
            return Some(format!("it expired at {:.0}", self.expires));
        }
        if let Some(EndedEarly { who, why, at }) = self.revoked_at(at) {
            return Some(format!("{who} took it back at {at:.0}: {why}"));
        }
        if self.who.trim().is_empty() || self.why.trim().is_empty() {
            return Some("nobody answers for it, or for no reason".to_owned());
        }
        if !rule.roles.contains(&self.role) {
            return Some(format!("the policy lets no `{}` make exceptions", self.role));
        }
        if self.expires.since(self.from) > rule.longest {
            return Some(format!("it lasts longer than the policy's {}", rule.longest));
        }
        let needed = rule.second.as_ref()?;
        match &self.second {
            Some(second) if second.role == *needed && second.who != self.who && second.at <= at => {
                None
            }
            _ => Some(format!(
                "it needs another person's agreement as `{needed}`: flyball policy agree {} {} --role {needed}",
                self.service, self.id
            )),
        }
    }

    /// Agrees to it as the other person whom `rule` asks for. Who has agreed already is not replaced.
    ///
    /// # Errors
    ///
    /// [`OverrideError`]: it is over, nobody has to agree, another role does, or `who` made it.
    pub fn agree(
        &mut self,
        role: &Role,
        who: &str,
        at: Timestamp,
        rule: &OverrideRule,
    ) -> Result<(), OverrideError> {
        self.still_holds(at)?;
        let needed = rule.second.as_ref();
        let needed = needed.ok_or_else(|| OverrideError::NotAsked { id: self.id.clone() })?;
        if role != needed {
            let holders = needed.to_string();
            return Err(OverrideError::NoRight { role: role.clone(), holders });
        }
        if who == self.who && who == ANYONE {
            return Err(OverrideError::Nobody);
        }
        if who == self.who {
            return Err(OverrideError::Same { who: who.to_owned() });
        }
        let agreed = Agreement { role: role.clone(), who: who.to_owned(), at };
        self.second.get_or_insert(agreed);
        Ok(())
    }

    /// Takes it back from `at` on. Who may make overrides may, and who has to agree to them.
    ///
    /// # Errors
    ///
    /// [`OverrideError`]: it is over, no reason is given, or the role has no say in it.
    pub fn revoke(
        &mut self,
        role: &Role,
        ended: EndedEarly,
        rule: &OverrideRule,
    ) -> Result<(), OverrideError> {
        self.still_holds(ended.at)?;
        let mut holders = rule.roles.iter().chain(&rule.second);
        if !holders.clone().any(|holder| holder == role) {
            let holders = holders.by_ref().map(Role::name).collect::<Vec<_>>().join(", ");
            return Err(OverrideError::NoRight { role: role.clone(), holders });
        }
        if ended.why.trim().is_empty() {
            return Err(OverrideError::NoReason);
        }
        self.revoked = Some(ended);
        Ok(())
    }

    fn still_holds(&self, at: Timestamp) -> Result<(), OverrideError> {
        if at >= self.expires || self.revoked_at(at).is_some() {
            return Err(OverrideError::Over { id: self.id.clone() });
        }
        Ok(())
    }

    fn revoked_at(&self, at: Timestamp) -> Option<&EndedEarly> {
        self.revoked.as_ref().filter(|revoked| revoked.at <= at)
    }

    /// True when it is for the same service, class and change, whatever its time.
    pub(crate) fn concerns(&self, question: &Question) -> bool {
        self.service == question.service
            && self.class == question.class
            && (self.change.is_none() || self.change == question.change)
    }
}

/// How a change ended that an override had let through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing got worse.
    Healthy,
    /// Something did.
    Regressed,
    /// It could not be told.
    Undecided,
}

impl Ended {
    /// How a change ended whose life is in `phase`; `None` while nobody can tell, and for what never shipped.
    pub const fn of(phase: &Phase) -> Option<Self> {
        match phase {
            Phase::Done { ending: Ending::Kept, .. } => Some(Self::Healthy),
            Phase::Done { ending: Ending::Broken(_), .. } => Some(Self::Regressed),
            Phase::Done { ending: Ending::NotShipped, .. }
            | Phase::Recorded
            | Phase::Observing { .. }
            | Phase::InWarranty { .. } => None,
        }
    }
}

/// What one person's overrides came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OverrideRecord {
    /// How many overrides they made.
    pub made: usize,
    /// Changes that shipped under them, by how they ended.
    pub ended: BTreeMap<Ended, usize>,
    /// Changes under them of which nobody knows yet how they end.
    pub open: usize,
    /// Overrides that no change used.
    pub unused: usize,
}

/// Who overrode, and how it ended: `used` tells for each change that was let through by an override which
/// one, and how the change ended, `None` where that is not known. Uses of overrides that are not listed
/// are left out.
pub fn override_report(
    overrides: &[Override],
    used: &[(String, Option<Ended>)],
) -> BTreeMap<String, OverrideRecord> {
    let mut report: BTreeMap<String, OverrideRecord> = BTreeMap::new();
    for one in overrides {
        let record = report.entry(one.who.clone()).or_default();
        record.made += 1;
        let mut endings =
            used.iter().filter(|(id, _)| *id == one.id).map(|(_, ended)| ended).peekable();
        if endings.peek().is_none() {
            record.unused += 1;
        }
        for ended in endings {
            match ended {
                Some(ended) => *record.ended.entry(*ended).or_default() += 1,
                None => record.open += 1,
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn role(name: &str) -> Role {
        Role::new(name).unwrap()
    }

    fn made() -> (Override, OverrideRule) {
        let made = Override {
            id: "shop:1".to_owned(),
            service: "shop".to_owned(),
            change: None,
            class: ChangeClass::Feature,
            role: role("product_manager"),
            who: "ada".to_owned(),
            why: "a contract".to_owned(),
            from: at(0),
            expires: at(100),
            second: None,
            revoked: None,
        };
        let rule = serde_json::json!({
            "roles": ["product_manager"], "second": "sre", "longest": "1h",
        });
        (made, serde_json::from_value(rule).unwrap())
    }

    #[test]
    fn another_person_of_the_role_agrees_once() {
        let (mut one, rule) = made();
        let sre = role("sre");
        assert!(matches!(
            one.agree(&role("cto"), "bo", at(1), &rule),
            Err(OverrideError::NoRight { .. })
        ));
        assert!(matches!(one.agree(&sre, "ada", at(1), &rule), Err(OverrideError::Same { .. })));
        assert!(matches!(one.agree(&sre, "bo", at(100), &rule), Err(OverrideError::Over { .. })));
        one.agree(&sre, "bo", at(1), &rule).unwrap();
        one.agree(&sre, "cy", at(2), &rule).unwrap();
        assert_eq!(one.second.unwrap().who, "bo");
        let (mut one, rule) = made();
        let alone = OverrideRule { second: None, ..rule };
        assert!(matches!(
            one.agree(&sre, "bo", at(1), &alone),
            Err(OverrideError::NotAsked { .. })
        ));
    }

    #[test]
    fn an_override_is_taken_back_by_who_has_a_say_and_says_why() {
        let (mut one, rule) = made();
        let ended = |why: &str, seconds| EndedEarly {
            who: "bo".to_owned(),
            why: why.to_owned(),
            at: at(seconds),
        };
        let refused = one.revoke(&role("developer"), ended("no", 1), &rule).unwrap_err();
        assert!(refused.to_string().ends_with("these do: product_manager, sre"), "{refused}");
        let sre = role("sre");
        assert_eq!(one.revoke(&sre, ended(" ", 1), &rule), Err(OverrideError::NoReason));
        one.revoke(&sre, ended("it broke", 10), &rule).unwrap();
        assert!(matches!(
            one.revoke(&sre, ended("again", 11), &rule),
            Err(OverrideError::Over { .. })
        ));
        assert!(matches!(one.agree(&sre, "cy", at(11), &rule), Err(OverrideError::Over { .. })));
        let kept = serde_json::to_value(&one).unwrap();
        assert_eq!(serde_json::from_value::<Override>(kept).unwrap(), one);
    }
}
