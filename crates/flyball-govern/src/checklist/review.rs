//! One going-through of a checklist by a service: who answered what, what was waived, who signed.
//!
//! The team answers by itself and submits; those whom the checklist names sign, and whoever signs has submitted
//! nothing. With the last signature the review is approved, and keeps what was seen then.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};

use super::assess::{Assessment, ItemOutcome};
use super::document::{self, Asks, Checklist, ItemSeverity, Stage};
use super::error::ReviewError;
use crate::evidence::ServiceEvidence;
use crate::policy::{Role, is_same};

/// The longest that any waiver may last, whatever a checklist says.
pub const WAIVER_LONGEST: Duration = document::WAIVER_LONGEST;
/// The longest answer or reason, in bytes: longer ones belong behind a link.
const TEXT_BYTES_MAX: usize = 4_096;
/// The longest name of an adviser, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// The most waivers of a review: several of each item, renewed.
pub(super) const WAIVERS_MAX: usize = 1_024;

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// Yes or no.
    pub yes: bool,
    /// What shows it: words, or where it is.
    pub evidence: String,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// An item that need not hold for a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Waiver {
    /// The item.
    pub item: String,
    /// Why, in a sentence.
    pub why: String,
    /// As what the approver waives.
    pub role: Role,
    /// Who approves it.
    pub approver: String,
    /// From when.
    pub at: Timestamp,
    /// The first instant at which it does not count.
    pub expires: Timestamp,
}

impl Waiver {
    /// Whether it counts at `at`.
    pub fn is_in_force(&self, at: Timestamp) -> bool {
        self.at <= at && at < self.expires
    }
}

/// A signature under a review.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReviewSignature {
    /// As what.
    pub role: Role,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// Who says something of a review, and when.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportedBy {
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// How far a review has come.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ReviewState {
    /// The team answers.
    Open,
    /// The team has answered; signatures are awaited.
    Submitted(ReportedBy),
    /// All have signed.
    Approved {
        /// With the last signature.
        at: Timestamp,
        /// What was seen then.
        seen: Box<Assessment>,
    },
    /// It was given up.
    Withdrawn {
        /// By whom and when.
        #[serde(flatten)]
        by: ReportedBy,
        /// Why.
        why: String,
    },
}

/// What a review is worth at a moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Nothing yet.
    Pending,
    /// It is approved.
    Approved {
        /// Until something has to be done; `None` when nothing is known to end it.
        until: Option<Timestamp>,
    },
    /// It was approved, and waivers that it rested on are over.
    WaiversOver {
        /// Of these items.
        items: Vec<String>,
    },
    /// It was approved too long ago.
    TooOld {
        /// Since when it does not count.
        since: Timestamp,
    },
    /// It was given up.
    Withdrawn,
}

impl Standing {
    /// Whether it opens what its stage opens.
    pub const fn is_approved(&self) -> bool {
        matches!(self, Self::Approved { .. })
    }
}

/// One going-through of a checklist.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Review {
    /// What it is known by.
    pub id: String,
    /// The service.
    pub service: String,
    /// The checklist.
    pub checklist: String,
    /// The version of the checklist.
    pub version: u32,
    /// What passing it opens.
    pub stage: Stage,
    /// Who began it, and when.
    pub opened: ReportedBy,
    /// The version that the service had gone through before; `None` when none.
    pub before: Option<u32>,
    /// Who advises it.
    adviser: Option<String>,
    /// The last answer of each item.
    answers: BTreeMap<String, Answer>,
    /// Every waiver, in the order in which they were given.
    waivers: Vec<Waiver>,
    /// Since it was submitted last.
    signatures: Vec<ReviewSignature>,
    /// Whoever has submitted it, also before it was given back.
    #[serde(default)]
    submitters: BTreeSet<String>,
    /// How far it has come.
    state: ReviewState,
    /// For how long an approval counts.
    #[serde(default, deserialize_with = "crate::policy::read::duration_or_none")]
    valid_for: Option<Duration>,
}

impl Review {
    /// Begins a review of `service`, of which `evidence` is known. `before` is the version of the checklist that
    /// it went through last.
    ///
    /// # Errors
    ///
    /// [`ReviewError::NotEligible`] when what must hold beforehand does not, or is not known;
    /// [`ReviewError::Missing`] without an id or a person.
    pub fn open(
        id: &str,
        service: &str,
        checklist: &Checklist,
        before: Option<u32>,
        evidence: &ServiceEvidence,
        opened: ReportedBy,
    ) -> Result<Self, ReviewError> {
        for (what, text) in [("an id", id), ("a service", service), ("a person", &opened.who)] {
            require(what, text)?;
        }
        eligible(service, checklist, evidence)?;
        Ok(Self {
            id: id.to_owned(),
            service: service.to_owned(),
            checklist: checklist.name().to_owned(),
            version: checklist.spec().version,
            stage: checklist.spec().stage,
            opened,
            before,
            adviser: None,
            answers: BTreeMap::new(),
            waivers: Vec::new(),
            signatures: Vec::new(),
            submitters: BTreeSet::new(),
            state: ReviewState::Open,
            valid_for: checklist.spec().valid_for,
        })
    }

    /// Assigns who advises it; another name takes the place of the one before. `names` are the names of those who
    /// are known by something else, such as an id.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] when it is over, [`ReviewError::Missing`] without a name,
    /// [`ReviewError::TooLong`], [`ReviewError::OwnCause`] for whoever opened or submitted it, by whichever of their
    /// names: advice comes from outside.
    pub fn advise(
        &mut self,
        adviser: &str,
        names: &BTreeMap<String, String>,
    ) -> Result<(), ReviewError> {
        self.is_underway()?;
        require("a name of its adviser", adviser)?;
        fits("the name of its adviser", adviser, NAME_BYTES_MAX)?;
        let act = "advise it";
        self.is_other(adviser, act)?;
        let called = |who: &&str| {
            let name = names.get(*who).map(|name| name.trim().to_lowercase());
            name.is_some_and(|name| name == adviser.trim().to_lowercase())
        };
        let mut own = std::iter::once(&self.opened.who).chain(&self.submitters).map(String::as_str);
        if let Some(who) = own.find(called) {
            self.is_other(who, act)?;
        }
        self.adviser = Some(adviser.to_owned());
        Ok(())
    }

    /// Answers an item; a later answer takes the place of the one before.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] unless it is open, [`ReviewError::OtherVersion`], [`ReviewError::NoItem`],
    /// [`ReviewError::Live`] for what is measured, [`ReviewError::NoEvidence`].
    pub fn answer(
        &mut self,
        checklist: &Checklist,
        item: &str,
        answer: Answer,
    ) -> Result<(), ReviewError> {
        self.is_open()?;
        self.is_of(checklist)?;
        let asked = self.item(checklist, item)?;
        if asked.holds.is_some() {
            return Err(ReviewError::Live { item: item.to_owned() });
        }
        require("a person who answers", &answer.who)?;
        if answer.yes && asked.asks == Asks::Check && answer.evidence.trim().is_empty() {
            return Err(ReviewError::NoEvidence { item: item.to_owned() });
        }
        fits("the evidence", &answer.evidence, TEXT_BYTES_MAX)?;
        self.answers.insert(item.to_owned(), answer);
        Ok(())
    }

    /// Waives an item that would stand in the way. Of an approved review those are waived that it was approved with,
    /// by the rule of the version that `checklist` has now.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] when it was given up, [`ReviewError::OtherVersion`], [`ReviewError::NoItem`],
    /// [`ReviewError::NotWaivable`] for questions of scope, [`ReviewError::NoRight`], [`ReviewError::OwnCause`]
    /// for whoever opened or submitted it, [`ReviewError::Missing`] without a reason or a person,
    /// [`ReviewError::WaiverLength`], [`ReviewError::TooManyWaivers`].
    pub fn waive(&mut self, checklist: &Checklist, waiver: Waiver) -> Result<(), ReviewError> {
        if matches!(self.state, ReviewState::Withdrawn { .. }) {
            return Err(self.wrong_state());
        }
        let asks = if let ReviewState::Approved { seen, .. } = &self.state {
            self.is_by(checklist)?;
            let seen = seen.items.iter().find(|item| item.id == waiver.item);
            match seen.ok_or_else(|| self.no_item(&waiver.item))?.outcome {
                ItemOutcome::Scope { .. } => Asks::Scope,
                _ => Asks::Check,
            }
        } else {
            self.is_of(checklist)?;
            self.item(checklist, &waiver.item)?.asks
        };
        if asks == Asks::Scope {
            let (item, why) = (waiver.item, "both of its answers are right; answer it");
            return Err(ReviewError::NotWaivable { item, why });
        }
        let rule = &checklist.spec().waivers;
        may(&rule.roles, &waiver.role, "waive items")?;
        require("a person who approves the waiver", &waiver.approver)?;
        self.is_other(&waiver.approver, "waive its items")?;
        require("a reason for the waiver", &waiver.why)?;
        fits("the reason", &waiver.why, TEXT_BYTES_MAX)?;
        if waiver.expires <= waiver.at || waiver.expires.since(waiver.at) > rule.longest {
            return Err(ReviewError::WaiverLength { longest: rule.longest });
        }
        if self.waivers.len() >= WAIVERS_MAX {
            return Err(ReviewError::TooManyWaivers);
        }
        self.waivers.push(waiver);
        Ok(())
    }

    /// Submits it: the team says that it is ready.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] unless it is open, [`ReviewError::OtherVersion`], [`ReviewError::NoAdviser`]
    /// where one is asked for, [`ReviewError::OwnCause`] for whoever waived an item or advises it,
    /// [`ReviewError::NotEligible`], [`ReviewError::Blocked`] when items stand in the way.
    pub fn submit(
        &mut self,
        checklist: &Checklist,
        evidence: &ServiceEvidence,
        by: ReportedBy,
    ) -> Result<(), ReviewError> {
        self.is_open()?;
        self.is_of(checklist)?;
        require("a person who submits it", &by.who)?;
        if checklist.spec().adviser && self.adviser.is_none() {
            let (service, checklist) = (self.service.clone(), self.checklist.clone());
            return Err(ReviewError::NoAdviser { service, checklist });
        }
        let is_own = |who: &str| is_same(who, &by.who);
        let did = if self.waivers.iter().any(|waiver| is_own(&waiver.approver)) {
            Some("waived items of this review")
        } else {
            self.adviser.as_deref().filter(|adviser| is_own(adviser)).map(|_| "advises this review")
        };
        if let Some(did) = did {
            return Err(ReviewError::OwnCause { who: by.who, did, act: "submit it" });
        }
        self.unblocked(checklist, evidence, by.at)?;
        self.signatures.clear();
        self.submitters.insert(by.who.clone());
        self.state = ReviewState::Submitted(by);
        Ok(())
    }

    /// Signs it; with the last signature that the checklist asks for it is approved. What is measured is asked
    /// again with each.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] unless it is submitted, [`ReviewError::OtherVersion`],
    /// [`ReviewError::NoRight`] for a role that is not asked for, [`ReviewError::OwnCause`] for whoever opened or
    /// submitted it or signed as another role, [`ReviewError::NotEligible`], [`ReviewError::Blocked`].
    pub fn sign(
        &mut self,
        checklist: &Checklist,
        evidence: &ServiceEvidence,
        signature: ReviewSignature,
    ) -> Result<(), ReviewError> {
        if !matches!(self.state, ReviewState::Submitted(_)) {
            return Err(self.wrong_state());
        }
        self.is_of(checklist)?;
        let signers: BTreeSet<Role> = checklist.spec().signers.iter().cloned().collect();
        may(&signers, &signature.role, "sign")?;
        require("a person who signs", &signature.who)?;
        self.is_other(&signature.who, "sign it")?;
        let is_again = |other: &ReviewSignature| {
            is_same(&other.who, &signature.who) && other.role != signature.role
        };
        if self.signatures.iter().any(is_again) {
            let (who, did) = (signature.who, "signed as another role");
            return Err(ReviewError::OwnCause { who, did, act: "sign as this one" });
        }
        let seen = self.unblocked(checklist, evidence, signature.at)?;
        let at = signature.at;
        self.signatures.retain(|other| other.role != signature.role);
        self.signatures.push(signature);
        if self.missing(checklist).next().is_none() {
            self.state = ReviewState::Approved { at, seen: Box::new(seen) };
        }
        Ok(())
    }

    /// Gives it back to the team, whose answers stay.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] unless it is submitted.
    pub fn reopen(&mut self) -> Result<(), ReviewError> {
        if !matches!(self.state, ReviewState::Submitted(_)) {
            return Err(self.wrong_state());
        }
        self.signatures.clear();
        self.state = ReviewState::Open;
        Ok(())
    }

    /// Gives it up.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] when it is over, [`ReviewError::Missing`] without a person or a reason.
    pub fn withdraw(&mut self, by: ReportedBy, why: &str) -> Result<(), ReviewError> {
        self.is_underway()?;
        require("a person who gives it up", &by.who)?;
        require("a reason to give it up", why)?;
        fits("the reason", why, TEXT_BYTES_MAX)?;
        self.state = ReviewState::Withdrawn { by, why: why.to_owned() };
        Ok(())
    }

    /// Moves it to the version of `checklist`, and back to the team: answers and waivers of items that are gone,
    /// or are answered live now, are dropped.
    ///
    /// # Errors
    ///
    /// [`ReviewError::WrongState`] when it is over, [`ReviewError::OtherVersion`] for another checklist.
    pub fn move_to(&mut self, checklist: &Checklist) -> Result<(), ReviewError> {
        self.is_underway()?;
        if checklist.name() != self.checklist {
            return Err(self.other_version());
        }
        let spec = checklist.spec();
        (self.version, self.stage, self.valid_for) = (spec.version, spec.stage, spec.valid_for);
        self.answers.retain(|id, _| checklist.item(id).is_some_and(|item| item.holds.is_none()));
        self.waivers.retain(|waiver| checklist.item(&waiver.item).is_some());
        self.signatures.clear();
        self.state = ReviewState::Open;
        Ok(())
    }

    /// What it is worth at `at`.
    pub fn standing(&self, at: Timestamp) -> Standing {
        let (approved, seen) = match &self.state {
            ReviewState::Open | ReviewState::Submitted(_) => return Standing::Pending,
            ReviewState::Withdrawn { .. } => return Standing::Withdrawn,
            ReviewState::Approved { at, seen } => (*at, seen),
        };
        let ends = self.valid_for.map(|length| approved.plus(length));
        if let Some(since) = ends.filter(|ends| *ends <= at) {
            return Standing::TooOld { since };
        }
        let waived: Vec<&str> = seen.waived().collect();
        let over = waived.iter().filter(|item| self.waived_until(item, at).is_none());
        let items: Vec<String> = over.map(|item| (*item).to_owned()).collect();
        if !items.is_empty() {
            return Standing::WaiversOver { items };
        }
        let waivers = waived.iter().filter_map(|item| self.waived_until(item, at));
        Standing::Approved { until: waivers.chain(ends).min() }
    }

    /// Until when `item` is waived, at `at`; `None` when it is not.
    pub fn waived_until(&self, item: &str, at: Timestamp) -> Option<Timestamp> {
        let waivers = self.waivers.iter().filter(|waiver| waiver.item == item);
        waivers.filter(|waiver| waiver.is_in_force(at)).map(|waiver| waiver.expires).max()
    }

    /// The roles whose signatures are awaited, each once, in the order of the checklist.
    pub fn missing<'a>(&'a self, checklist: &'a Checklist) -> impl Iterator<Item = &'a Role> {
        let signers = checklist.spec().signers.iter();
        signers.filter(|role| !self.signatures.iter().any(|signed| signed.role == **role))
    }

    /// Everybody who opened or submitted it, answered, waived or signed, each once.
    pub fn people(&self) -> BTreeSet<&str> {
        let mut people: BTreeSet<&str> = self.submitters.iter().map(String::as_str).collect();
        people.insert(&self.opened.who);
        people.extend(self.answers.values().map(|answer| answer.who.as_str()));
        people.extend(self.waivers.iter().map(|waiver| waiver.approver.as_str()));
        people.extend(self.signatures.iter().map(|signed| signed.who.as_str()));
        if let ReviewState::Withdrawn { by, .. } = &self.state {
            people.insert(&by.who);
        }
        people
    }

    /// How far it has come.
    pub const fn state(&self) -> &ReviewState {
        &self.state
    }

    /// Who advises it.
    pub fn adviser(&self) -> Option<&str> {
        self.adviser.as_deref()
    }

    /// The last answer of each item.
    pub const fn answers(&self) -> &BTreeMap<String, Answer> {
        &self.answers
    }

    /// Every waiver, in the order in which they were given.
    pub fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }

    /// Who has signed since it was submitted last.
    pub fn signatures(&self) -> &[ReviewSignature] {
        &self.signatures
    }

    /// Whether it goes through this version of `checklist`.
    pub(super) fn is_of(&self, checklist: &Checklist) -> Result<(), ReviewError> {
        let is_it = checklist.spec().version == self.version;
        if is_it { self.is_by(checklist) } else { Err(self.other_version()) }
    }

    /// Whether it goes through `checklist`, whichever the version.
    fn is_by(&self, checklist: &Checklist) -> Result<(), ReviewError> {
        if checklist.name() == self.checklist { Ok(()) } else { Err(self.other_version()) }
    }

    fn other_version(&self) -> ReviewError {
        ReviewError::OtherVersion { own: self.checklist.clone(), version: self.version }
    }

    fn item<'a>(
        &self,
        checklist: &'a Checklist,
        item: &str,
    ) -> Result<&'a super::Item, ReviewError> {
        checklist.item(item).ok_or_else(|| self.no_item(item))
    }

    fn no_item(&self, item: &str) -> ReviewError {
        let (checklist, item) = (self.checklist.clone(), item.chars().take(TEXT_BYTES_MAX));
        ReviewError::NoItem { checklist, item: item.collect() }
    }

    /// Nothing stands in the way: it is as eligible as when it was opened, and each item is settled.
    fn unblocked(
        &self,
        checklist: &Checklist,
        evidence: &ServiceEvidence,
        at: Timestamp,
    ) -> Result<Assessment, ReviewError> {
        eligible(&self.service, checklist, evidence)?;
        let assessment = checklist.assess(self, evidence, at)?;
        let items: Vec<String> = assessment.blocking().map(|item| item.id.clone()).collect();
        if items.is_empty() { Ok(assessment) } else { Err(ReviewError::Blocked { items }) }
    }

    /// Whoever judges it has neither opened nor ever submitted it.
    fn is_other(&self, who: &str, act: &'static str) -> Result<(), ReviewError> {
        let did = if is_same(&self.opened.who, who) {
            "opened this review"
        } else if self.submitters.iter().any(|by| is_same(by, who)) {
            "submitted this review"
        } else {
            return Ok(());
        };
        Err(ReviewError::OwnCause { who: who.to_owned(), did, act })
    }

    fn is_open(&self) -> Result<(), ReviewError> {
        if matches!(self.state, ReviewState::Open) { Ok(()) } else { Err(self.wrong_state()) }
    }

    fn is_underway(&self) -> Result<(), ReviewError> {
        match self.state {
            ReviewState::Open | ReviewState::Submitted(_) => Ok(()),
            _ => Err(self.wrong_state()),
        }
    }

    fn wrong_state(&self) -> ReviewError {
        let (state, hint) = match self.state {
            ReviewState::Open => ("open", "submit it first"),
            ReviewState::Submitted(_) => ("submitted", "have it given back to the team first"),
            ReviewState::Approved { .. } => ("approved", "open another one"),
            ReviewState::Withdrawn { .. } => ("given up", "open another one"),
        };
        ReviewError::WrongState { state, hint }
    }
}

/// The stages of which one of `reviews` of a service, those opened last first, stands approved at `at`, each with that
/// review's id. Of each checklist the last approval counts, and it was given after `after`.
pub fn approved<'a>(
    reviews: impl IntoIterator<Item = &'a Review>,
    after: Option<Timestamp>,
    at: Timestamp,
) -> BTreeMap<Stage, String> {
    let (mut seen, mut stages) = (BTreeSet::new(), BTreeMap::new());
    for review in reviews {
        let ReviewState::Approved { at: signed, .. } = review.state else { continue };
        let is_last = seen.insert(review.checklist.as_str());
        let is_new = after.is_none_or(|after| signed > after);
        if is_last && is_new && review.standing(at).is_approved() {
            stages.entry(review.stage).or_insert_with(|| review.id.clone());
        }
    }
    stages
}

impl ItemSeverity {
    /// Whether a bad answer stands in the way.
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Required)
    }
}

fn require(what: &'static str, text: &str) -> Result<(), ReviewError> {
    if text.trim().is_empty() { Err(ReviewError::Missing { what }) } else { Ok(()) }
}

fn fits(what: &'static str, text: &str, most: usize) -> Result<(), ReviewError> {
    let length = text.len();
    if length > most { Err(ReviewError::TooLong { what, length, most }) } else { Ok(()) }
}

/// What must hold before a review may begin, and go on, does.
fn eligible(
    service: &str,
    checklist: &Checklist,
    evidence: &ServiceEvidence,
) -> Result<(), ReviewError> {
    let unmet: Vec<String> = checklist.unmet(evidence);
    if unmet.is_empty() {
        return Ok(());
    }
    let (service, checklist) = (service.to_owned(), checklist.name().to_owned());
    Err(ReviewError::NotEligible { service, checklist, unmet })
}

fn may(roles: &BTreeSet<Role>, role: &Role, act: &'static str) -> Result<(), ReviewError> {
    if roles.contains(role) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(Role::name).collect();
    let holders = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    Err(ReviewError::NoRight { role: role.clone(), act, holders })
}
