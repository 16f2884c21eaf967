//! Classes of what spent a budget: given by hand to an incident, a change or a drill, so that a policy can exempt
//! all of a class, and ask for a write-up of it.

use flyball_model::Timestamp;

use super::{Act, Rights, Role};

/// What causes are called without anybody naming them: a planned fault, a failure of a service that this one depends
/// on, and one of a service that it cannot do without and that ships nothing now.
pub const CAUSES: [&str; 3] = ["drill", "dependency", "frozen-dependency"];
/// The classes that the policies that ship exempt.
pub const CLASSES: [&str; 3] = ["company-network", "miscategorised", "out-of-scope"];

/// Somebody's word on which class of outage something was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Classing {
    /// The service.
    pub service: String,
    /// The incident, change or drill, by its id.
    pub posting: String,
    /// The class; `None` when it was taken back.
    pub class: Option<String>,
    /// As what the person says so.
    pub role: Role,
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// Why something is not put into a class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassingError {
    /// The class has no name that is one.
    #[error(
        "`{text}` is no class; hint: write 1 to {} lower-case letters, digits, `_` or `-`, like `company-network`",
        Role::BYTES_MAX
    )]
    Name {
        /// The text as given.
        text: String,
    },
    /// Nobody gives it: it is found.
    #[error("`{text}` is found, not given; hint: causes of this name are told by what happened")]
    Found {
        /// The name.
        text: String,
    },
    /// Why is missing.
    #[error("a class is not given without a reason; hint: say why in a sentence")]
    NoReason,
    /// Not this role's to say: it excepts from the policy.
    #[error("the role `{role}` may not except from the policy; hint: these may: {holders}")]
    NoRight {
        /// The role.
        role: Role,
        /// Who may, in words.
        holders: String,
    },
}

impl Classing {
    /// Whether `rights` let its role say so: who may override may.
    ///
    /// # Errors
    ///
    /// [`ClassingError`].
    pub fn check(&self, rights: &Rights) -> Result<(), ClassingError> {
        if let Some(class) = &self.class {
            let text = class.clone();
            if CAUSES.contains(&class.as_str()) {
                return Err(ClassingError::Found { text });
            }
            // Classes are written as roles are.
            if Role::new(class).is_err() {
                return Err(ClassingError::Name { text });
            }
        }
        if self.why.trim().is_empty() {
            return Err(ClassingError::NoReason);
        }
        if rights.may(&self.role, Act::Override) {
            return Ok(());
        }
        let holders: Vec<&str> = rights.holders(Act::Override).map(Role::name).collect();
        let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
        Err(ClassingError::NoRight { role: self.role.clone(), holders })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Tier;

    #[test]
    fn a_class_is_given_by_who_may_override_and_for_a_reason() {
        let rights = Tier::default().spec.rights;
        let made = Classing {
            service: "shop".to_owned(),
            posting: "INC-1".to_owned(),
            class: Some("company-network".to_owned()),
            role: Role::new("engineering_lead").unwrap(),
            who: "ada".to_owned(),
            why: "the backbone was down".to_owned(),
            at: Timestamp::from_seconds(0),
        };
        made.check(&rights).unwrap();
        Classing { class: None, ..made.clone() }.check(&rights).unwrap();
        let classed = |class: &str| Classing { class: Some(class.to_owned()), ..made.clone() };
        for (wrong, said) in [
            (classed("frozen-dependency"), "is found, not given"),
            (classed("Company network"), "is no class"),
            (Classing { why: " ".to_owned(), ..made.clone() }, "without a reason"),
            (
                Classing { role: Role::new("developer").unwrap(), ..made.clone() },
                "these may: engineering_lead",
            ),
        ] {
            let error = wrong.check(&rights).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("; hint: "), "{error}");
        }
    }
}
