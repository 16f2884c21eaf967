//! Changes: whatever altered production, or is about to.
//!
//! A deploy is told of many times: requested, begun, succeeded, each in a message of its own and
//! each perhaps twice. All of them speak of one [`Change`], known by its id; [`Change::merge`] joins
//! them whichever comes first. What becomes of it after it has shipped is its [`Life`].

mod life;

pub use life::{Break, BreakCause, Ending, Life, LifeError, Phase, Warranty};

use crate::time::Timestamp;

/// The longest name, version, link or sentence of a change, in bytes: longer ones are mistakes, and
/// all of them are kept for years.
pub const CHANGE_TEXT_BYTES_MAX: usize = 1_024;
/// The most commits that a change lists; GitHub sends no more of them in one push.
pub const CHANGE_COMMITS_MAX: usize = 2_048;
/// The most links of a change.
pub const CHANGE_LINKS_MAX: usize = 16;

/// What altered production.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another version of the service.
    Deploy,
    /// Back to a version of before.
    Rollback,
    /// Another configuration of the same version.
    Config,
    /// A feature flag that was flipped.
    Flag,
    /// What the service runs on.
    Infrastructure,
    /// A fault caused on purpose.
    Drill,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Deploy, Self::Rollback, Self::Config, Self::Flag, Self::Infrastructure, Self::Drill];

    /// The kind in one word, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Config => "config",
            Self::Flag => "flag",
            Self::Infrastructure => "infrastructure",
            Self::Drill => "drill",
        }
    }

    /// The kind of a word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// True for what ships code to users: deploys and rollbacks.
    pub const fn is_deployment(self) -> bool {
        matches!(self, Self::Deploy | Self::Rollback)
    }
}

/// Why a change was made.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeClass {
    /// Something new for users.
    Feature,
    /// Repairs what users saw broken.
    Fix,
    /// Makes the service hold.
    Reliability,
    /// Closes a hole.
    Security,
    /// Upgrades, tidying, anything that users should not see.
    Maintenance,
    /// Nobody said.
    #[default]
    Unknown,
}

impl ChangeClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Feature,
        Self::Fix,
        Self::Reliability,
        Self::Security,
        Self::Maintenance,
        Self::Unknown,
    ];

    /// The class in one word, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Fix => "fix",
            Self::Reliability => "reliability",
            Self::Security => "security",
            Self::Maintenance => "maintenance",
            Self::Unknown => "unknown",
        }
    }

    /// The class of a word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == word)
    }
}

/// How far the act itself has come: the act, not what it did to users.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// Announced, queued or waiting; production is as before.
    Planned,
    /// Begun.
    Underway,
    /// Carried out.
    Succeeded,
    /// Begun and not carried out.
    Failed,
    /// Called off.
    Cancelled,
}

impl ChangeOutcome {
    /// Every outcome, in the order in which they can follow each other.
    pub const ALL: [Self; 5] =
        [Self::Planned, Self::Underway, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The outcome in one word, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Underway => "underway",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome of a word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == word)
    }

    /// True when nothing follows any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A commit that a change ships.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Commit {
    /// Its hash, in full where the source tells it in full.
    pub sha: String,
    /// When its author wrote it: where lead time begins.
    pub authored: Timestamp,
}

/// Where more is said of a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ChangeLink {
    /// What is found there, in a word or two.
    pub name: String,
    /// The address.
    pub url: String,
}

/// Which message told of a change. A message that comes again has the same two, and changes nothing.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ChangeSource {
    /// The system that told: `github`, `argocd`, `api`.
    pub system: String,
    /// What the system knows the message by.
    pub delivery: String,
}

/// Anything that altered production, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// What it is known by; the same in every message that speaks of it.
    pub id: String,
    /// The service that was changed.
    pub service: String,
    /// What altered production.
    pub kind: ChangeKind,
    /// Why it was made.
    #[serde(default)]
    pub class: ChangeClass,
    /// How far it has come.
    pub outcome: ChangeOutcome,
    /// Whether somebody had planned it, as opposed to having had to do it; `None` when nobody said.
    pub planned: Option<bool>,
    /// Where: `production` and others; `None` when nobody said.
    pub environment: Option<String>,
    /// The version that runs afterwards, as events of the service name it.
    pub version: Option<String>,
    /// The commit that runs afterwards.
    pub revision: Option<String>,
    /// What was deployed, as a package URL.
    pub artifact: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// What it is about, in a sentence.
    pub summary: Option<String>,
    /// When it was first heard of.
    pub recorded: Timestamp,
    /// When the act began.
    pub started: Option<Timestamp>,
    /// When the act ended, whichever way.
    pub finished: Option<Timestamp>,
    /// For a planned change: it does not begin before.
    pub not_before: Option<Timestamp>,
    /// For a planned change: it has ended by then.
    pub not_after: Option<Timestamp>,
    /// For a planned change: how it reaches users step by step, as `canary:5%:30m`.
    pub rollout: Option<String>,
    /// The change that this one undoes or repairs, by id.
    pub restores: Option<String>,
    /// The feature flag that what it did is behind, or that it flipped, by the flag's own name.
    #[serde(default)]
    pub flag: Option<String>,
    /// What it ships that the one before did not; empty when nobody said.
    #[serde(default)]
    pub commits: Vec<Commit>,
    /// Where more is said of it.
    #[serde(default)]
    pub links: Vec<ChangeLink>,
    /// The message that told of it last.
    pub source: ChangeSource,
}

/// Why something is no change, or not the same one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A text that must say something does not.
    #[error("`{field}` is empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A text that is too long to be kept.
    #[error("`{field}` has {bytes} bytes, of which at most {CHANGE_TEXT_BYTES_MAX} are kept")]
    Long {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// More entries than are kept.
    #[error("`{field}` has {entries} entries, of which at most {most} are kept")]
    Many {
        /// The field.
        field: &'static str,
        /// How many there are.
        entries: usize,
        /// How many there may be.
        most: usize,
    },
    /// An end before its beginning.
    #[error("`{end}` lies before `{start}`")]
    Reversed {
        /// The field with the beginning.
        start: &'static str,
        /// The field with the end.
        end: &'static str,
    },
    /// An end without a time, or a time without an end.
    #[error("`finished` belongs to a change that has succeeded, failed or been cancelled")]
    Unfinished,
    /// A change that undoes itself.
    #[error("`restores` names the change itself")]
    RestoresItself,
    /// Two different changes.
    #[error("`{field}` was `{before}` and cannot become `{after}`")]
    Another {
        /// The field.
        field: &'static str,
        /// What it was.
        before: String,
        /// What it should become.
        after: String,
    },
}

impl ChangeError {
    /// The field that is wrong.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Empty { field }
            | Self::Long { field, .. }
            | Self::Many { field, .. }
            | Self::Another { field, .. } => field,
            Self::Reversed { end, .. } => end,
            Self::Unfinished => "finished",
            Self::RestoresItself => "restores",
        }
    }
}

impl Change {
    /// A change of which only the least is known.
    pub fn new(
        id: String,
        service: String,
        kind: ChangeKind,
        outcome: ChangeOutcome,
        recorded: Timestamp,
        source: ChangeSource,
    ) -> Self {
        Self {
            id,
            service,
            kind,
            class: ChangeClass::Unknown,
            outcome,
            planned: None,
            environment: None,
            version: None,
            revision: None,
            artifact: None,
            actor: None,
            summary: None,
            recorded,
            started: None,
            finished: None,
            not_before: None,
            not_after: None,
            rollout: None,
            restores: None,
            flag: None,
            commits: Vec::new(),
            links: Vec::new(),
            source,
        }
    }

    /// Whether this can be kept.
    ///
    /// # Errors
    ///
    /// The first field that is empty, too long, too many or at odds with another.
    pub fn check(&self) -> Result<(), ChangeError> {
        let must = [
            ("id", &self.id),
            ("service", &self.service),
            ("source.system", &self.source.system),
            ("source.delivery", &self.source.delivery),
        ];
        let may = [
            ("environment", &self.environment),
            ("version", &self.version),
            ("revision", &self.revision),
            ("artifact", &self.artifact),
            ("actor", &self.actor),
            ("summary", &self.summary),
            ("rollout", &self.rollout),
            ("restores", &self.restores),
            ("flag", &self.flag),
        ];
        let texts = must.into_iter().map(|(field, text)| (field, Some(text)));
        let texts = texts.chain(may.into_iter().map(|(field, text)| (field, text.as_ref())));
        let texts = texts.chain(self.commits.iter().map(|commit| ("commits", Some(&commit.sha))));
        let links = self.links.iter().flat_map(|link| [&link.name, &link.url]);
        for (field, text) in texts.chain(links.map(|text| ("links", Some(text)))) {
            match text {
                Some(text) if text.is_empty() => return Err(ChangeError::Empty { field }),
                Some(text) if text.len() > CHANGE_TEXT_BYTES_MAX => {
                    return Err(ChangeError::Long { field, bytes: text.len() });
                }
                _ => {}
            }
        }
        for (field, entries, most) in [
            ("commits", self.commits.len(), CHANGE_COMMITS_MAX),
            ("links", self.links.len(), CHANGE_LINKS_MAX),
        ] {
            if entries > most {
                return Err(ChangeError::Many { field, entries, most });
            }
        }
        let ends = [
            ("started", self.started, "finished", self.finished),
            ("not_before", self.not_before, "not_after", self.not_after),
        ];
        for (start, from, end, to) in ends {
            if from.zip(to).is_some_and(|(from, to)| to < from) {
                return Err(ChangeError::Reversed { start, end });
            }
        }
        if self.finished.is_some() && !self.outcome.is_final() {
            return Err(ChangeError::Unfinished);
        }
        if self.restores.as_ref() == Some(&self.id) {
            return Err(ChangeError::RestoresItself);
        }
        Ok(())
    }

    /// Where it is under way and nobody said since when: since `heard`.
    pub fn begun_when(&mut self, heard: Timestamp) {
        if self.outcome == ChangeOutcome::Underway {
            self.started = self.started.or(Some(heard));
        }
    }

    /// Where it has ended and nobody said when: that was at `heard`, or when it began if that was later.
    pub fn ended_when(&mut self, heard: Timestamp) {
        if self.outcome.is_final() && self.finished.is_none() {
            self.finished = Some(self.started.map_or(heard, |started| started.max(heard)));
        }
    }

    /// When users met it: its end when it succeeded, `None` otherwise.
    ///
    /// A source that says that it succeeded and not when leaves the moment at which it was heard of.
    pub fn shipped(&self) -> Option<Timestamp> {
        (self.outcome == ChangeOutcome::Succeeded).then(|| self.finished.unwrap_or(self.recorded))
    }

    /// Joins what another message says of the same change.
    ///
    /// Messages come in any order and more than once. The outcome that is further along stands, and
    /// a final one is not taken back; the later of two different final ones (by its end) stands,
    /// since a deployment that failed may be tried again. What one message says and the other does
    /// not is kept; of two different texts that of the outcome that stands, so that only messages
    /// that contradict each other depend on their order. Joining the same message twice changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Another`] when id, service or environment differ: that is another change. The
    /// change is then as it was.
    pub fn merge(&mut self, other: Self) -> Result<(), ChangeError> {
        let texts = [
            ("id", Some(&self.id), Some(&other.id)),
            ("service", Some(&self.service), Some(&other.service)),
            ("environment", self.environment.as_ref(), other.environment.as_ref()),
        ];
        for (field, before, after) in texts {
            if let (Some(before), Some(after)) = (before, after)
                && before != after
            {
                let (before, after) = (before.clone(), after.clone());
                return Err(ChangeError::Another { field, before, after });
            }
        }
        let (mut first, mut second) = (other, self.clone());
        let standing = |change: &Self| {
            (change.outcome.is_final(), change.finished, change.outcome, change.source.clone())
        };
        if standing(&second) > standing(&first) {
            std::mem::swap(&mut first, &mut second);
        }
        let recorded = first.recorded.min(second.recorded);
        let started = match (first.started, second.started) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        *self = Self {
            class: if first.class == ChangeClass::Unknown { second.class } else { first.class },
            planned: first.planned.or(second.planned),
            environment: first.environment.or(second.environment),
            version: first.version.or(second.version),
            revision: first.revision.or(second.revision),
            artifact: first.artifact.or(second.artifact),
            actor: first.actor.or(second.actor),
            summary: first.summary.or(second.summary),
            recorded,
            started,
            not_before: first.not_before.or(second.not_before),
            not_after: first.not_after.or(second.not_after),
            rollout: first.rollout.or(second.rollout),
            restores: first.restores.or(second.restores),
            flag: first.flag.or(second.flag),
            commits: if first.commits.is_empty() { second.commits } else { first.commits },
            links: if first.links.is_empty() { second.links } else { first.links },
            ..first
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(delivery: &str, outcome: ChangeOutcome) -> Change {
        let source = ChangeSource { system: "api".to_owned(), delivery: delivery.to_owned() };
        let (id, service) = ("1".to_owned(), "shop".to_owned());
        Change::new(id, service, ChangeKind::Deploy, outcome, Timestamp::from_seconds(100), source)
    }

    #[test]
    fn messages_join_whichever_comes_first() {
        let mut planned = told("a", ChangeOutcome::Planned);
        planned.version = Some("1.2.3".to_owned());
        let mut underway = told("b", ChangeOutcome::Underway);
        underway.started = Some(Timestamp::from_seconds(110));
        let mut succeeded = told("c", ChangeOutcome::Succeeded);
        succeeded.finished = Some(Timestamp::from_seconds(120));
        succeeded.recorded = Timestamp::from_seconds(121);
        let messages = [planned, underway, succeeded];
        let mut joined = Vec::new();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2]] {
            let mut change = messages[order[0]].clone();
            for &message in &order[1..] {
                change.merge(messages[message].clone()).unwrap();
                change.merge(messages[message].clone()).unwrap();
            }
            joined.push(change);
        }
        let first = &joined[0];
        assert!(joined.iter().all(|change| change == first), "{joined:#?}");
        assert_eq!(first.outcome, ChangeOutcome::Succeeded);
        assert_eq!(first.version.as_deref(), Some("1.2.3"));
        assert_eq!(first.recorded, Timestamp::from_seconds(100));
        assert_eq!(first.shipped(), Some(Timestamp::from_seconds(120)));
    }

    #[test]
    fn a_second_attempt_outweighs_the_first() {
        let mut failed = told("a", ChangeOutcome::Failed);
        failed.finished = Some(Timestamp::from_seconds(110));
        let mut succeeded = told("b", ChangeOutcome::Succeeded);
        succeeded.finished = Some(Timestamp::from_seconds(120));
        let mut change = succeeded.clone();
        change.merge(failed.clone()).unwrap();
        assert_eq!(change.outcome, ChangeOutcome::Succeeded);
        failed.merge(succeeded).unwrap();
        assert_eq!(change, failed);
    }

    #[test]
    fn another_change_is_not_joined() {
        let mut change = told("a", ChangeOutcome::Planned);
        let mut other = told("b", ChangeOutcome::Succeeded);
        other.service = "search".to_owned();
        let before = change.clone();
        let error = change.merge(other).unwrap_err();
        assert_eq!(error.to_string(), "`service` was `shop` and cannot become `search`");
        assert_eq!(change, before);
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let mut change = told("a", ChangeOutcome::Planned);
        change.finished = Some(Timestamp::from_seconds(120));
        assert_eq!(change.check().unwrap_err().field(), "finished");
        change.outcome = ChangeOutcome::Succeeded;
        assert_eq!(change.check(), Ok(()));
        change.started = Some(Timestamp::from_seconds(121));
        assert_eq!(change.check().unwrap_err().to_string(), "`finished` lies before `started`");
        change.started = None;
        change.restores = Some("1".to_owned());
        assert_eq!(change.check(), Err(ChangeError::RestoresItself));
        change.restores = Some("x".repeat(CHANGE_TEXT_BYTES_MAX + 1));
        assert_eq!(change.check().unwrap_err().field(), "restores");
        change.restores = Some(String::new());
        assert_eq!(change.check(), Err(ChangeError::Empty { field: "restores" }));
    }
}
