//! Whether a policy is in force: advisory until each of its approvers has signed this version.

use std::collections::BTreeSet;

use flyball_model::Timestamp;

use super::{Policy, Role};

/// One approver's signature under one version of a policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The policy's name.
    pub policy: String,
    /// The version that was signed; a later version needs new signatures.
    pub version: u32,
    /// As what they signed.
    pub role: Role,
    /// Who signed.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// How binding a policy is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// It says what it would do, and denies nothing.
    Advisory {
        /// Whose signatures are missing.
        missing: Vec<Role>,
    },
    /// It decides.
    Enforced {
        /// Since the last missing signature.
        since: Timestamp,
    },
}

impl Standing {
    /// True when the policy decides.
    pub const fn is_enforced(&self) -> bool {
        matches!(self, Self::Enforced { .. })
    }
}

/// How binding `policy` is at `at`, given who has signed what; signatures of later times, other policies
/// and other versions do not count.
pub fn standing(policy: &Policy, signatures: &[Signature], at: Timestamp) -> Standing {
    let mut since = Timestamp::MIN;
    let mut missing = Vec::new();
    let approvers: BTreeSet<&Role> = policy.spec().approvers.iter().collect();
    for role in approvers {
        let first = signatures
            .iter()
            .filter(|s| s.policy == policy.name() && s.version == policy.spec().version)
            .filter(|s| s.role == *role && s.at <= at)
            .map(|s| s.at)
            .min();
        match first {
            Some(signed) => since = since.max(signed),
            None => missing.push(role.clone()),
        }
    }
    if missing.is_empty() { Standing::Enforced { since } } else { Standing::Advisory { missing } }
}
