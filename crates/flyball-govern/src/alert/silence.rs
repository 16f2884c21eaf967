//! Silences: somebody knows already, until then.

use flyball_model::{Duration, Severity, Timestamp};

use super::desk::Desk;
use super::episode::{Alert, State};
use super::observed::Subject;

/// The longest silence: longer ones outlive the reason for them.
pub const SILENCE_LENGTH_MAX: Duration = Duration::from_days(30);
/// The most silences that are kept, those that are over included.
pub const SILENCES_MAX: usize = 1_000;
/// The most matchers of one silence.
pub const MATCHERS_MAX: usize = 8;
/// The longest text of a silence or an acknowledgement, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;

/// How the silence of a drill says why it is there, before the key of the run.
pub const OF_DRILL: &str = "the drill ";

/// What of an alert a matcher looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The service.
    Service,
    /// The SLO.
    Slo,
    /// The slice by its label; the empty text for alerts about a whole.
    Slice,
    /// `page` or `ticket`.
    Severity,
}

/// A condition on alerts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Matcher {
    /// What is looked at.
    pub field: Field,
    /// What it is compared with, as a whole.
    pub value: String,
    /// Whether it must be something else.
    #[serde(default)]
    pub is_not: bool,
}

impl Matcher {
    /// Whether an alert of `severity` about `subject` meets the condition.
    pub fn matches(&self, subject: &Subject, severity: Severity) -> bool {
        let text = match self.field {
            Field::Service => &subject.service,
            Field::Slo => &subject.slo,
            Field::Slice => subject.slice.as_deref().unwrap_or(""),
            Field::Severity => severity_name(severity),
        };
        (text == self.value) != self.is_not
    }
}

/// The severity in one word, as it is written everywhere.
pub(super) const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    }
}

/// A time in which nobody is told of alerts that match.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Silence {
    /// What it is known by; 0 before it is kept.
    #[serde(default)]
    pub id: u64,
    /// All of them must match; at least one.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    pub from: Timestamp,
    /// When it is over: what happens then is told.
    pub until: Timestamp,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Who ended it before its time.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Whether its end was announced.
    #[serde(default)]
    pub is_announced: bool,
    /// The time whose counts alone it is about: what fires without them is to be told. `None` covers whatever fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because_of: Option<Because>,
    /// The run of the drill whose own it is, by its key; `None` of one that somebody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<String>,
}

/// A time whose counts make alerts fire that nobody is to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Because {
    /// From when on.
    pub from: Timestamp,
    /// Up to and without this moment.
    pub to: Timestamp,
}

impl Silence {
    /// Whether it is the own one of the run of a drill called `key`. Those from before runs were named say so in words; they
    /// are about a time alone, as none is that somebody asked for.
    pub fn is_of_drill(&self, key: &str) -> bool {
        match &self.drill {
            Some(drill) => drill == key,
            None => {
                self.because_of.is_some()
                    && self.why.strip_prefix(OF_DRILL).is_some_and(|of| of == key)
            }
        }
    }

    /// Whether it is in force at `at`: from its beginning, up to its end.
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether it speaks of an alert of `severity` about `subject`.
    pub fn matches(&self, subject: &Subject, severity: Severity) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(subject, severity))
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    ///
    /// [`SilenceError`]: why not.
    pub fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        if self.matchers.is_empty() {
            return Err(SilenceError::Everything);
        }
        if self.matchers.len() > MATCHERS_MAX {
            return Err(SilenceError::Matchers(self.matchers.len()));
        }
        if self.until <= self.from || self.until <= now {
            return Err(SilenceError::Over);
        }
        if self.until.since(self.from) > SILENCE_LENGTH_MAX {
            return Err(SilenceError::Long);
        }
        let texts = self.matchers.iter().map(|matcher| &matcher.value);
        if texts.chain([&self.who, &self.why]).any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(SilenceError::Text);
        }
        if self.who.trim().is_empty() || self.why.trim().is_empty() {
            return Err(SilenceError::Unsigned);
        }
        Ok(())
    }
}

/// Why a silence cannot be kept, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It would silence everything.
    #[error(
        "a silence needs at least one matcher; name the service, the SLO, the slice or the severity"
    )]
    Everything,
    /// It has more matchers than are kept.
    #[error("the silence has {0} matchers; at most {MATCHERS_MAX} are kept, write two silences")]
    Matchers(usize),
    /// It has no length, or has passed.
    #[error("the silence is over before it begins; let it end later than it begins and than now")]
    Over,
    /// It is longer than silences are.
    #[error(
        "the silence is longer than {SILENCE_LENGTH_MAX}; end it earlier and renew it, or change the alert rule"
    )]
    Long,
    /// A text is longer than is kept.
    #[error("a text of the silence is longer than {TEXT_BYTES_MAX} bytes; shorten it")]
    Text,
    /// Nobody would know whom to ask.
    #[error("a silence needs who asked for it and why; say both")]
    Unsigned,
    /// There is no room.
    #[error("{SILENCES_MAX} silences are kept already; end some of them")]
    Full,
    /// There is none of this id.
    #[error("there is no silence {0}; `flyball alert silences` lists them")]
    Unknown(u64),
    /// It is over.
    #[error("the silence {0} is over already")]
    Ended(u64),
}

impl Desk {
    /// All that fires has been observed up to a moment: silences that are about the counts of a time alone end then and no
    /// sooner, since a server that was away for their end does not know yet whether it is over what they were about.
    pub fn observed(&mut self, up_to: Timestamp) {
        self.observed_up_to = Some(up_to);
    }

    /// The silences that cover an alert at `at`.
    pub fn covering<'a>(
        &'a self,
        alert: &'a Alert,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Silence> {
        let covers = move |silence: &&Silence| {
            let is_in_force = silence.is_active(at) || silence.until <= at && self.is_held(silence);
            is_in_force && silence.matches(&alert.subject, alert.severity)
        };
        self.silences.values().filter(covers)
    }

    /// The alerts that fire and that `silence` is about, in force or not.
    pub fn firing_under<'a>(&'a self, silence: &'a Silence) -> impl Iterator<Item = &'a Alert> {
        let firing = self.alerts.values().filter(|alert| alert.state == State::Firing);
        firing.filter(|alert| silence.matches(&alert.subject, alert.severity))
    }

    /// The silences that end at their time: their end is not announced yet, and nothing holds them beyond.
    pub(super) fn silences_ending(&self) -> impl Iterator<Item = &Silence> {
        let ending = self.silences.values().filter(|silence| !silence.is_announced);
        ending.filter(|silence| !self.is_held(silence))
    }

    /// Those of them whose time has come by `at`.
    pub(super) fn silences_over(&self, at: Timestamp) -> impl Iterator<Item = &Silence> {
        self.silences_ending().filter(move |silence| silence.until <= at)
    }

    /// Whether a silence holds although its time may have come.
    fn is_held(&self, silence: &Silence) -> bool {
        let is_known = self.observed_up_to.is_some_and(|up_to| silence.until <= up_to);
        silence.because_of.is_some()
            && !silence.is_announced
            && silence.ended_by.is_none()
            && !is_known
    }
}
