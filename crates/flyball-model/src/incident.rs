//! Incidents: a time in which users did not get what they were promised, and who noticed when.

use crate::time::Timestamp;

/// One incident, with the moments that are known of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Incident {
    /// What it is known by; the same in every message that speaks of it.
    pub id: String,
    /// The service whose users were hit; `None` when nobody said.
    pub service: Option<String>,
    /// Where; `None` when nobody said.
    pub environment: Option<String>,
    /// What happened, in a sentence.
    pub summary: Option<String>,
    /// When users were first hit; `None` when it is not known.
    pub started: Option<Timestamp>,
    /// When it was noticed: the first alert that fired, or the first report.
    pub detected: Option<Timestamp>,
    /// When somebody took it on.
    pub acknowledged: Option<Timestamp>,
    /// When users were no longer hit, though the cause remained.
    pub mitigated: Option<Timestamp>,
    /// When it was over; `None` while it lasts.
    pub resolved: Option<Timestamp>,
    /// The change that caused it, by id, where somebody has said so.
    pub cause: Option<String>,
    /// Where more is said of it.
    pub link: Option<String>,
}

impl Incident {
    /// An incident of which nothing is known yet.
    pub const fn new(id: String) -> Self {
        Self {
            id,
            service: None,
            environment: None,
            summary: None,
            started: None,
            detected: None,
            acknowledged: None,
            mitigated: None,
            resolved: None,
            cause: None,
            link: None,
        }
    }

    /// Joins what another message says of the same incident.
    ///
    /// Of two beginnings the earlier stands, of two ends the later, since an incident may be opened
    /// again; texts that are known stay. `false`, and nothing changes, when it is another incident.
    pub fn merge(&mut self, other: Self) -> bool {
        if self.id != other.id {
            return false;
        }
        let earlier = |one: Option<Timestamp>, two: Option<Timestamp>| match (one, two) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.started = earlier(self.started, other.started);
        self.detected = earlier(self.detected, other.detected);
        self.acknowledged = earlier(self.acknowledged, other.acknowledged);
        self.mitigated = self.mitigated.max(other.mitigated);
        self.resolved = self.resolved.max(other.resolved);
        let texts = [
            (&mut self.service, other.service),
            (&mut self.environment, other.environment),
            (&mut self.summary, other.summary),
            (&mut self.cause, other.cause),
            (&mut self.link, other.link),
        ];
        for (known, told) in texts {
            if known.is_none() {
                *known = told;
            }
        }
        true
    }

    /// The earliest moment that is known of it; `None` when none is.
    pub fn opened(&self) -> Option<Timestamp> {
        let moments =
            [self.started, self.detected, self.acknowledged, self.mitigated, self.resolved];
        moments.into_iter().flatten().min()
    }

    /// When users were no longer hit: when it was mitigated, else when it was over; `None` while it lasts. All lengths of what
    /// users met end here.
    pub fn served_again(&self) -> Option<Timestamp> {
        self.mitigated.or(self.resolved)
    }

    /// When it was known: when it was noticed, else the earliest moment that is known of it; `None` when
    /// none is.
    pub fn known(&self) -> Option<Timestamp> {
        self.detected.or_else(|| self.opened())
    }
}
