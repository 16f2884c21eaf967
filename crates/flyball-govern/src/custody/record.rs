//! One service's custody: who holds it, what is proposed, what notice was given.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};

use super::handback::{
    Decided, Ground, HandBack, HandBackOutcome, REPRIEVE_LONGEST, RETIREMENT_LONGEST,
};
use super::{Carried, CustodyRules, Holder};
use crate::checklist::Stage;
use crate::evidence::{Seen, ServiceEvidence};
use crate::policy::{Role, is_same};
use crate::service::Funding;

/// The most moves that are kept; the audit log has them all.
const MOVES_MAX: usize = 64;
/// The longest reason, in bytes: longer ones belong behind a link.
pub const REASON_BYTES_MAX: usize = 4_096;
/// The longest name of those who help, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The team that builds it.
    Developers,
    /// The team that runs it for them.
    Operations,
    /// Whoever's turn it is in the rota of both.
    Rota,
}

/// A step towards SRE that was proposed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Transfer {
    /// To whom.
    pub to: Holder,
    /// Who proposes it.
    pub by: String,
    /// Why, in a sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// Who has signed.
    pub signed: Vec<Signed>,
}

/// A signature under a step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Signed {
    /// As what.
    pub role: Role,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What the criteria of the step looked at then; [`Custody::sign`] writes it down.
    #[serde(default)]
    pub seen: Vec<Seen>,
    /// The review that stood approved, of a step that needs one; [`Custody::sign`] writes it down.
    #[serde(default)]
    pub review: Option<String>,
}

/// Why a pager changed hands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum MoveReason {
    /// All have signed.
    Signed {
        /// The step.
        transfer: Transfer,
    },
    /// It was handed back.
    HandedBack {
        /// After this notice.
        notice: HandBack,
    },
}

/// A pager that changed hands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Move {
    /// From whom.
    pub from: Holder,
    /// Since when they had carried it.
    pub since: Timestamp,
    /// To whom.
    pub to: Holder,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(flatten)]
    pub why: MoveReason,
}

/// Who advises after a hand-back, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Advice {
    /// Those who had carried the pager.
    pub from: Holder,
    /// Since when they advise.
    pub since: Timestamp,
}

/// A service whose team is not paid for, or not for long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FundingAlarm {
    /// The service.
    pub service: String,
    /// Who carries its pager.
    pub holder: Holder,
    /// What is said of its funding.
    #[serde(flatten)]
    pub funding: Funding,
    /// What it means, in a sentence.
    pub sentence: String,
}

/// Why a custody does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustodyError {
    /// Something that it cannot be without.
    #[error("a change of custody needs {what}; hint: give it as well")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// Too much text.
    #[error("{what} has {length} bytes; hint: say it in {most}, and link to the rest")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The most.
        most: usize,
    },
    /// Not the next step.
    #[error("`{from}` hands over to {}, not to `{to}`; hint: one step after the other", next(*from))]
    NotNext {
        /// Who holds it.
        from: Holder,
        /// To whom it was to go.
        to: Holder,
    },
    /// Something else is underway.
    #[error("{what} is underway already; hint: decide or withdraw it first")]
    Underway {
        /// What.
        what: &'static str,
    },
    /// Nothing is underway.
    #[error("{what} is underway; hint: {hint}")]
    NotUnderway {
        /// What is not.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The service is gone.
    #[error("`{service}` was retired at {at}; hint: nobody carries its pager")]
    Retired {
        /// The service.
        service: String,
        /// Since when.
        at: Timestamp,
    },
    /// The evidence does not carry it.
    #[error("`{service}` is not ready for `{to}`: {}; hint: it is signed once these hold", unmet.join("; "))]
    Unmet {
        /// The service.
        service: String,
        /// To whom it was to go.
        to: Holder,
        /// What does not hold, or is not known.
        unmet: Vec<String>,
    },
    /// There is no reason.
    #[error("nothing is reason to hand `{service}` back; hint: the rules say what is")]
    NoGrounds {
        /// The service.
        service: String,
    },
    /// Developers have it.
    #[error(
        "the developers of `{service}` carry its pager already; hint: there is nobody to hand it back"
    )]
    AtHome {
        /// The service.
        service: String,
    },
    /// Work is being done.
    #[error(
        "what was decided on the last notice lasts until {until}; hint: the evidence is looked at again then"
    )]
    Reprieved {
        /// Until when.
        until: Timestamp,
    },
    /// Its end is not after its start, or too far.
    #[error("{what} ends after it begins, and at most {longest} later; hint: name another end")]
    Length {
        /// What.
        what: &'static str,
        /// The longest.
        longest: Duration,
    },
    /// Not theirs to do.
    #[error("the role `{role}` may not {act}; hint: these may: {holders}")]
    NoRight {
        /// The role.
        role: Role,
        /// What it tried.
        act: &'static str,
        /// Who may, in words.
        holders: String,
    },
    /// Nobody judges their own cause.
    #[error("{who} {did}; hint: ask somebody else who holds the role")]
    OwnCause {
        /// Who.
        who: String,
        /// What they have done.
        did: &'static str,
    },
}

fn next(from: Holder) -> String {
    from.next().map_or_else(|| "nobody".to_owned(), |to| format!("`{to}`"))
}

/// Who carries a service's pager, and what is to change about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Custody {
    service: String,
    holder: Holder,
    since: Timestamp,
    /// Whether somebody said so; else it is since when anything is known of the service.
    #[serde(default = "said")]
    is_said: bool,
    transfer: Option<Transfer>,
    notice: Option<HandBack>,
    moves: Vec<Move>,
}

/// What is kept of older custodies does not tell.
const fn said() -> bool {
    true
}

impl Custody {
    /// The custody that every service begins with: its developers', since `since`.
    pub fn new(service: &str, since: Timestamp) -> Self {
        Self {
            service: service.to_owned(),
            holder: Holder::Developers,
            since,
            is_said: false,
            transfer: None,
            notice: None,
            moves: Vec::new(),
        }
    }

    /// The custody as it was found when somebody began to keep it: with `holder`, since `since`.
    pub fn found(service: &str, holder: Holder, since: Timestamp) -> Self {
        Self { holder, is_said: true, ..Self::new(service, since) }
    }

    /// Whether it is known since when its holder carries the pager: somebody said so, or it has moved.
    pub const fn is_since_known(&self) -> bool {
        self.is_said || !self.moves.is_empty()
    }

    /// Whether nothing was done about it since it was found.
    pub const fn is_as_found(&self) -> bool {
        self.moves.is_empty() && self.transfer.is_none() && self.notice.is_none()
    }

    /// Whether what was decided on a notice has the service switched off by `at`.
    pub fn is_retired(&self, at: Timestamp) -> bool {
        self.retired(at).is_some()
    }

    /// Who carries the pager at `at`, which is no earlier than what was done last; `None` once it is retired.
    pub fn holder(&self, at: Timestamp) -> Option<Holder> {
        if self.retired(at).is_some() {
            return None;
        }
        Some(self.returned(at).map_or(self.holder, |_| Holder::Developers))
    }

    /// Since when they carry it.
    pub fn since(&self, at: Timestamp) -> Timestamp {
        self.returned(at).unwrap_or(self.since)
    }

    /// Since when its developers have carried the pager without a break, alone or in a shared rota, at `at`. `None` while
    /// SRE carries it, and once it is retired.
    pub fn self_managed(&self, at: Timestamp) -> Option<Timestamp> {
        if self.holder(at)? == Holder::Sre {
            return None;
        }
        let returned = self.returned(at).map(|_| (self.holder, self.since));
        let before = self.moves.iter().map(|of| (of.from, of.since)).chain(returned).rev();
        let own = before.take_while(|(from, _)| *from != Holder::Sre);
        Some(own.last().map_or_else(|| self.since(at), |(_, since)| since))
    }

    /// When the pager went back to its developers last, by `at`; `None` when it never did.
    pub fn handed_back(&self, at: Timestamp) -> Option<Timestamp> {
        let is_back = |of: &&Move| matches!(of.why, MoveReason::HandedBack { .. });
        let last = || self.moves.iter().rev().find(is_back).map(|of| of.at);
        self.returned(at).or_else(last)
    }

    /// Everybody who proposed, signed, gave notice or decided, each once.
    pub fn people(&self) -> BTreeSet<&str> {
        let mut people = BTreeSet::new();
        let steps = self.moves.iter().filter_map(|of| match &of.why {
            MoveReason::Signed { transfer } => Some(transfer),
            MoveReason::HandedBack { .. } => None,
        });
        for step in steps.chain(&self.transfer) {
            people.insert(step.by.as_str());
            people.extend(step.signed.iter().map(|signed| signed.who.as_str()));
        }
        let notices = self.moves.iter().filter_map(|of| match &of.why {
            MoveReason::HandedBack { notice } => Some(notice),
            MoveReason::Signed { .. } => None,
        });
        for notice in notices.chain(&self.notice) {
            people.insert(notice.who.as_str());
            people.extend(notice.decided.iter().map(|decided| decided.who.as_str()));
        }
        people
    }

    /// The signature that was given last, under the step that is proposed or the one that was taken.
    pub fn signed_last(&self) -> Option<&Signed> {
        let taken = self.moves.last().and_then(|of| match &of.why {
            MoveReason::Signed { transfer } => Some(transfer),
            MoveReason::HandedBack { .. } => None,
        });
        self.transfer.as_ref().or(taken)?.signed.last()
    }

    /// The step that is proposed.
    pub const fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }

    /// The last notice, until the pager went back or it was withdrawn.
    pub const fn notice(&self) -> Option<&HandBack> {
        self.notice.as_ref()
    }

    /// How often the pager changed hands, and why, the latest last; what only time has done is among it once
    /// [`Self::settle`] has seen it.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// Who advises the developers at `at`: those who handed it back to them, until it changes hands again.
    pub fn advice(&self, at: Timestamp) -> Option<Advice> {
        if let Some(since) = self.returned(at) {
            return Some(Advice { from: self.holder, since });
        }
        let last = self.moves.last()?;
        let is_back = matches!(last.why, MoveReason::HandedBack { .. });
        let is_there = self.holder(at).is_some();
        (is_back && is_there).then_some(Advice { from: last.from, since: last.at })
    }

    /// How the pager is carried at `at`; `None` once the service is retired.
    pub fn carried(&self, at: Timestamp) -> Option<Carried> {
        match (self.holder(at)?, self.advice(at)) {
            (Holder::Developers, Some(_)) => Some(Carried::Advised),
            (holder, _) => Some(holder.into()),
        }
    }

    /// Writes down what time alone has done by `at`: a notice whose day has come. True when there was something.
    pub fn settle(&mut self, at: Timestamp) -> bool {
        let Some(returned) = self.returned(at) else { return false };
        let Some(notice) = self.notice.take() else { return false };
        self.transfer = None;
        self.go(Holder::Developers, returned, MoveReason::HandedBack { notice });
        true
    }

    /// Proposes the next step towards SRE.
    ///
    /// # Errors
    ///
    /// [`CustodyError::NotNext`] for another step, [`CustodyError::Underway`] when one is proposed or a notice is
    /// to be decided, [`CustodyError::Reprieved`] while work is being done, [`CustodyError::Missing`] without a
    /// person or a reason, [`CustodyError::TooLong`], [`CustodyError::Retired`].
    pub fn propose(
        &mut self,
        to: Holder,
        by: &str,
        why: &str,
        at: Timestamp,
    ) -> Result<(), CustodyError> {
        self.begin(at)?;
        if self.holder.next() != Some(to) {
            return Err(CustodyError::NotNext { from: self.holder, to });
        }
        if self.transfer.is_some() {
            return Err(CustodyError::Underway { what: "a step" });
        }
        self.no_notice(at)?;
        require("a person who proposes it", by)?;
        reason(why)?;
        let (by, why) = (by.to_owned(), why.to_owned());
        self.transfer = Some(Transfer { to, by, why, at, signed: Vec::new() });
        Ok(())
    }

    /// Signs the proposed step; with the last signature that `rules` ask for the pager changes hands. The evidence
    /// is asked with each, and what was seen is kept. `approved` are the stages of which a review stands approved, each
    /// with that review.
    ///
    /// # Errors
    ///
    /// [`CustodyError::NotUnderway`] without a step, [`CustodyError::NoRight`], [`CustodyError::OwnCause`] for
    /// whoever proposed it or signed as another role, [`CustodyError::Unmet`] when the evidence does not carry it,
    /// [`CustodyError::Missing`] without a person, [`CustodyError::Retired`].
    pub fn sign(
        &mut self,
        rules: &CustodyRules,
        mut signed: Signed,
        evidence: &ServiceEvidence,
        approved: &BTreeMap<Stage, String>,
    ) -> Result<(), CustodyError> {
        self.begin(signed.at)?;
        let what = "no step";
        let nothing = CustodyError::NotUnderway { what, hint: "propose one" };
        let (Some(transfer), at) = (self.transfer.as_mut(), signed.at) else { return Err(nothing) };
        let Some(entry) = rules.entry(transfer.to) else { return Err(nothing) };
        let signers: BTreeSet<Role> = entry.signers.iter().cloned().collect();
        may(&signers, &signed.role, "sign this step")?;
        require("a person who signs", &signed.who)?;
        let is_again =
            |other: &Signed| is_same(&other.who, &signed.who) && other.role != signed.role;
        let own = [
            (is_same(&transfer.by, &signed.who), "proposed this step, and cannot sign it as well"),
            (transfer.signed.iter().any(is_again), "signed as another role already"),
        ];
        if let Some((_, did)) = own.into_iter().find(|(own, _)| *own) {
            return Err(CustodyError::OwnCause { who: signed.who, did });
        }
        let unmet = rules.unmet(transfer.to, evidence, approved);
        if !unmet.is_empty() {
            let (service, to) = (self.service.clone(), transfer.to);
            return Err(CustodyError::Unmet { service, to, unmet });
        }
        signed.seen = rules.seen(transfer.to, evidence);
        signed.review = entry.review.and_then(|stage| approved.get(&stage).cloned());
        transfer.signed.retain(|other| other.role != signed.role);
        transfer.signed.push(signed);
        let has_signed = |role: &Role| transfer.signed.iter().any(|of| of.role == *role);
        if signers.iter().all(has_signed) {
            let transfer = transfer.clone();
            self.transfer = None;
            self.go(transfer.to, at, MoveReason::Signed { transfer });
        }
        Ok(())
    }

    /// Takes the proposed step back.
    ///
    /// # Errors
    ///
    /// [`CustodyError::NotUnderway`] without one.
    pub fn drop_step(&mut self) -> Result<Transfer, CustodyError> {
        let what = "no step";
        self.transfer.take().ok_or(CustodyError::NotUnderway { what, hint: "propose one" })
    }

    /// Gives notice that the pager goes back, for the reasons that `evidence` holds. A proposed step falls.
    ///
    /// # Errors
    ///
    /// [`CustodyError::AtHome`] when developers have it, [`CustodyError::Underway`] when notice was given,
    /// [`CustodyError::Reprieved`] while work is being done, [`CustodyError::NoRight`],
    /// [`CustodyError::NoGrounds`], [`CustodyError::Missing`] without a person, [`CustodyError::Retired`].
    pub fn give_notice(
        &mut self,
        rules: &CustodyRules,
        evidence: &ServiceEvidence,
        role: &Role,
        who: &str,
        at: Timestamp,
    ) -> Result<&HandBack, CustodyError> {
        self.begin(at)?;
        if self.holder == Holder::Developers {
            return Err(CustodyError::AtHome { service: self.service.clone() });
        }
        self.no_notice(at)?;
        let rule = &rules.spec().hand_back;
        may(&rule.roles, role, "give notice")?;
        require("a person who gives notice", who)?;
        let grounds: Vec<Ground> = rules.grounds(self, evidence, at);
        if grounds.is_empty() {
            return Err(CustodyError::NoGrounds { service: self.service.clone() });
        }
        self.transfer = None;
        Ok(self.notice.insert(HandBack {
            grounds,
            role: role.clone(),
            who: who.to_owned(),
            given: at,
            notice_until: at.plus(rule.notice),
            deadline: at.plus(rule.deadline),
            decided: None,
        }))
    }

    /// Decides what comes of the notice.
    ///
    /// # Errors
    ///
    /// [`CustodyError::NotUnderway`] without one that is to be decided, [`CustodyError::NoRight`],
    /// [`CustodyError::Missing`] without a person or a reason, [`CustodyError::TooLong`], [`CustodyError::Length`] for
    /// an end that is past or too far, [`CustodyError::Retired`].
    pub fn decide(&mut self, rules: &CustodyRules, decided: Decided) -> Result<(), CustodyError> {
        self.begin(decided.at)?;
        let hint = "give notice first; one whose deadline is over has happened";
        let pending = self.notice.as_mut().filter(|notice| notice.is_pending());
        let Some(notice) = pending else {
            return Err(CustodyError::NotUnderway { what: "no notice", hint });
        };
        may(&rules.spec().hand_back.deciders, &decided.role, "decide on it")?;
        require("a person who decides", &decided.who)?;
        reason(&decided.why)?;
        let end = match &decided.outcome {
            HandBackOutcome::Returned => None,
            HandBackOutcome::Blitz { until } => Some(("a blitz", *until, REPRIEVE_LONGEST)),
            HandBackOutcome::Staffed { by, until } => {
                require("somebody who helps", by)?;
                fits("the name of those who help", by, NAME_BYTES_MAX)?;
                Some(("help", *until, REPRIEVE_LONGEST))
            }
            HandBackOutcome::Retired { off } => Some(("a retirement", *off, RETIREMENT_LONGEST)),
        };
        if let Some((what, end, longest)) = end
            && (end <= decided.at || end.since(decided.at) > longest)
        {
            return Err(CustodyError::Length { what, longest });
        }
        notice.decided = Some(decided);
        Ok(())
    }

    /// Takes the notice back that is to be decided.
    ///
    /// # Errors
    ///
    /// [`CustodyError::NotUnderway`] without one, [`CustodyError::NoRight`], [`CustodyError::Retired`].
    pub fn take_back(
        &mut self,
        rules: &CustodyRules,
        role: &Role,
        at: Timestamp,
    ) -> Result<HandBack, CustodyError> {
        self.begin(at)?;
        may(&rules.spec().hand_back.roles, role, "take notice back")?;
        let hint = "what was decided is done";
        let nothing = CustodyError::NotUnderway { what: "no notice", hint };
        if self.notice.as_ref().is_none_or(|notice| !notice.is_pending()) {
            return Err(nothing);
        }
        self.notice.take().ok_or(nothing)
    }

    /// That the team of the service is not paid for, or not for long: there may soon be nobody to carry its pager,
    /// or to hand it back to. `None` while it is, or nobody says; the catalogue tells of that.
    pub fn funding_alarm(&self, funding: Funding, at: Timestamp) -> Option<FundingAlarm> {
        let holder = self.holder(at)?;
        let when = match funding {
            Funding::Unknown | Funding::Lasts { .. } => return None,
            Funding::Ends { until } => format!("is paid until {until} only"),
            Funding::Ended { last } => format!("has not been paid since {last}"),
        };
        let service = self.service.clone();
        let what = match holder {
            Holder::Developers => "nobody will carry its pager",
            Holder::Shared => "half of its rota is gone then",
            Holder::Sre => "there will be nobody to hand it back to",
        };
        let sentence = format!(
            "The team of `{service}` {when}: {what}; hint: find it another home, or retire it."
        );
        Some(FundingAlarm { service, holder, funding, sentence })
    }

    /// When the pager went back by itself, by `at`, and nobody has written it down yet.
    fn returned(&self, at: Timestamp) -> Option<Timestamp> {
        self.notice.as_ref()?.returns().filter(|returns| *returns <= at)
    }

    fn retired(&self, at: Timestamp) -> Option<Timestamp> {
        self.notice.as_ref()?.retires().filter(|off| *off <= at)
    }

    /// Settles what time has done, before anything else is done at `at`.
    fn begin(&mut self, at: Timestamp) -> Result<(), CustodyError> {
        if let Some(at) = self.retired(at) {
            return Err(CustodyError::Retired { service: self.service.clone(), at });
        }
        self.settle(at);
        Ok(())
    }

    /// Refuses while a notice is to be decided, or what was decided goes on.
    fn no_notice(&self, at: Timestamp) -> Result<(), CustodyError> {
        let Some(notice) = &self.notice else { return Ok(()) };
        match notice.reprieve() {
            Some(until) if at < until => Err(CustodyError::Reprieved { until }),
            Some(_) => Ok(()),
            None => Err(CustodyError::Underway { what: "a notice" }),
        }
    }

    fn go(&mut self, to: Holder, at: Timestamp, why: MoveReason) {
        if self.moves.len() >= MOVES_MAX {
            self.moves.remove(0);
        }
        self.moves.push(Move { from: self.holder, since: self.since, to, at, why });
        (self.holder, self.since, self.notice) = (to, at, None);
    }
}

fn require(what: &'static str, text: &str) -> Result<(), CustodyError> {
    if text.trim().is_empty() { Err(CustodyError::Missing { what }) } else { Ok(()) }
}

fn fits(what: &'static str, text: &str, most: usize) -> Result<(), CustodyError> {
    let length = text.len();
    if length > most { Err(CustodyError::TooLong { what, length, most }) } else { Ok(()) }
}

/// Somebody says why, in few words.
fn reason(why: &str) -> Result<(), CustodyError> {
    require("a reason", why)?;
    fits("the reason", why, REASON_BYTES_MAX)
}

fn may(roles: &BTreeSet<Role>, role: &Role, act: &'static str) -> Result<(), CustodyError> {
    if roles.contains(role) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(Role::name).collect();
    Err(CustodyError::NoRight { role: role.clone(), act, holders: names.join(", ") })
}
