//! Where a review stands: what each item comes to, and what follows.

use flyball_model::Timestamp;

use super::document::{Asks, Checklist, Heading, Item, ItemSeverity, Learnt};
use super::error::ReviewError;
use super::review::{Answer, Review};
use crate::evidence::{Answered, Criterion, Seen, ServiceEvidence};
use crate::policy::SignOff;

/// What an item comes to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ItemOutcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Nobody has answered.
    Unanswered,
    /// What is measured cannot tell: no data is not health.
    Unknown,
    /// It does not hold, or is not known to, and need not for a time.
    Waived {
        /// The first instant at which it has to.
        until: Timestamp,
    },
    /// A question of scope was answered.
    Scope {
        /// What applies, applies.
        yes: bool,
    },
    /// It is not asked of services of this tier.
    Skipped,
}

impl ItemOutcome {
    /// Whether it is good enough to go on.
    pub const fn is_settled(&self) -> bool {
        match self {
            Self::Passed | Self::Waived { .. } | Self::Scope { .. } | Self::Skipped => true,
            Self::Failed | Self::Unanswered | Self::Unknown => false,
        }
    }
}

/// Where one item stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ItemStanding {
    /// The item.
    pub id: String,
    /// Under what it stands.
    pub heading: Heading,
    /// The question.
    pub ask: String,
    /// What a bad answer does.
    pub severity: ItemSeverity,
    /// What it comes to.
    pub outcome: ItemOutcome,
    /// What a person answered.
    pub answer: Option<Answer>,
    /// What was looked at, of items that are answered live.
    pub seen: Vec<Seen>,
    /// What taught it.
    pub learnt: Option<Learnt>,
    /// It was added after an incident since the service's review before.
    pub is_new: bool,
}

/// A signature that changes of a service need because of what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Control {
    /// The item whose answer asks for it.
    pub item: String,
    /// The question.
    pub ask: String,
    /// Whose signature, for which classes.
    pub sign_off: SignOff,
}

/// Where a review stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Assessment {
    /// When.
    pub at: Timestamp,
    /// Of a service of this tier.
    pub tier: Option<String>,
    /// Every item, in the order of the checklist.
    pub items: Vec<ItemStanding>,
    /// The controls that follow from its answers.
    pub controls: Vec<Control>,
}

impl Assessment {
    /// The items that stand in the way.
    pub fn blocking(&self) -> impl Iterator<Item = &ItemStanding> {
        self.items.iter().filter(|item| item.severity.blocks() && !item.outcome.is_settled())
    }

    /// The items that rest on a waiver.
    pub fn waived(&self) -> impl Iterator<Item = &str> {
        let is_waived = |item: &&ItemStanding| matches!(item.outcome, ItemOutcome::Waived { .. });
        self.items.iter().filter(is_waived).map(|item| item.id.as_str())
    }

    /// What incidents taught since the service's review before.
    pub fn learnt(&self) -> impl Iterator<Item = &ItemStanding> {
        self.items.iter().filter(|item| item.is_new)
    }
}

impl Checklist {
    /// Where `review` stands at `at`, with what is known of the service then.
    ///
    /// # Errors
    ///
    /// [`ReviewError::OtherVersion`] when the review goes through another checklist or version.
    pub fn assess(
        &self,
        review: &Review,
        evidence: &ServiceEvidence,
        at: Timestamp,
    ) -> Result<Assessment, ReviewError> {
        review.is_of(self)?;
        let items: Vec<ItemStanding> =
            self.items().map(|(item, live)| standing(item, live, review, evidence, at)).collect();
        let is_yes = |id: &str| {
            let found = items.iter().find(|standing| standing.id == id);
            found.is_some_and(|standing| standing.outcome == ItemOutcome::Scope { yes: true })
        };
        let asked = self.spec().items.iter().filter(|item| is_yes(&item.id));
        let controls = asked.flat_map(|item| {
            item.controls.iter().map(|sign_off| Control {
                item: item.id.clone(),
                ask: item.ask.clone(),
                sign_off: sign_off.clone(),
            })
        });
        let controls = controls.collect();
        Ok(Assessment { at, tier: evidence.tier.clone(), items, controls })
    }

    /// What must hold before a review may begin and does not, or is not known to, in words.
    pub fn unmet(&self, evidence: &ServiceEvidence) -> Vec<String> {
        let asked = self.eligibility().map(|(rule, criterion)| (rule, criterion.ask(evidence)));
        let unmet = asked.filter(|(_, answered)| answered.holds != Some(true));
        unmet.map(|(rule, answered)| rule.told(&answered.seen)).collect()
    }
}

fn standing(
    item: &Item,
    live: Option<&Criterion>,
    review: &Review,
    evidence: &ServiceEvidence,
    at: Timestamp,
) -> ItemStanding {
    let severity = item.severity_for(evidence.tier.as_deref());
    let answer = review.answers().get(&item.id);
    let Answered { holds, seen } = match live {
        Some(criterion) => criterion.ask(evidence),
        None => Answered { holds: answer.map(|answer| answer.yes), seen: Vec::new() },
    };
    let outcome = match (item.asks, holds) {
        _ if severity == ItemSeverity::Skipped => ItemOutcome::Skipped,
        (Asks::Scope, Some(yes)) => ItemOutcome::Scope { yes },
        (Asks::Check, Some(true)) => ItemOutcome::Passed,
        (Asks::Check, Some(false)) => ItemOutcome::Failed,
        (_, None) if live.is_some() => ItemOutcome::Unknown,
        (_, None) => ItemOutcome::Unanswered,
    };
    let waived = review.waived_until(&item.id, at).filter(|_| !outcome.is_settled());
    let outcome = waived.map_or(outcome, |until| ItemOutcome::Waived { until });
    let is_later = review.before.is_none_or(|before| item.came_with() > before);
    ItemStanding {
        id: item.id.clone(),
        heading: item.heading,
        ask: item.ask.clone(),
        severity,
        outcome,
        answer: answer.cloned(),
        seen,
        learnt: item.learnt.clone(),
        is_new: item.learnt.is_some() && is_later,
    }
}
