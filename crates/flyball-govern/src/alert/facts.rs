//! What an alert says beside that it fires: what is left, since which change, where to look.

use std::collections::BTreeMap;

use flyball_model::{Change, ChangeKind, Timestamp};

use super::episode::PAIRS_MAX;
use super::observed::Pair;

/// The most changes that an alert lists: the newest are the ones to suspect.
pub const CHANGES_MAX: usize = 5;
/// The most attributes that an alert lists.
pub const DIFFERENCES_MAX: usize = 5;
/// The longest link, in bytes; what browsers and chats agree on.
pub const LINK_BYTES_MAX: usize = 2_000;

/// Where somebody who was called looks first.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Links {
    /// What to do.
    pub runbook: Option<String>,
    /// What to look at.
    pub dashboard: Option<String>,
}

impl Links {
    /// The links in an SLO's annotations: `runbook_url`, else `runbook`, and `dashboard_url`, else
    /// `dashboard`; only `http` and `https` addresses are.
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let find = |name: &str| {
            let keys = [&format!("{name}_url"), name];
            let mut texts = keys.into_iter().filter_map(|key| annotations.get(key));
            texts.find(|text| is_link(text)).cloned()
        };
        Self { runbook: find("runbook"), dashboard: find("dashboard") }
    }

    /// Takes the runbook of the service, a link, where the SLO has none of its own.
    pub fn or_runbook(&mut self, of_service: Option<&str>) {
        let own = self.runbook.take();
        self.runbook = own.or_else(|| of_service.filter(|link| is_link(link)).map(str::to_owned));
    }
}

/// Whether a text can be shown as a link.
fn is_link(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = !text.contains(|sign: char| sign.is_whitespace() || sign.is_control());
    is_web && is_plain && text.len() <= LINK_BYTES_MAX
}

/// A change that came before the alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecentChange {
    /// What it is known by.
    pub id: String,
    /// What altered production.
    pub kind: ChangeKind,
    /// When it was carried out, begun or heard of, whichever is known.
    pub at: Timestamp,
    /// The version that runs afterwards.
    pub version: Option<String>,
    /// What it is about.
    pub summary: Option<String>,
    /// Where more is said of it.
    pub link: Option<String>,
}

/// An attribute value that is more frequent among bad events than among good ones.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: String,
    /// Bad events that have it.
    pub bad: u64,
    /// All bad events that were looked at.
    pub bad_of: u64,
    /// Good events that have it.
    pub good: u64,
    /// All good events that were looked at.
    pub good_of: u64,
}

/// What a rule that fires has in its long lookback at the moment of a transition.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// The rule.
    pub rule: String,
    /// Valid events.
    pub valid: u64,
    /// Bad events.
    pub bad: u64,
    /// The burn.
    pub burn: f64,
    /// The share of the whole budget that the lookback has spent at even traffic.
    pub spent_in_lookback: f64,
    /// The share of what the window allows by what it has counted so far that the lookback has spent, as
    /// [`Facts::remaining`] is of; `None` where it is not known.
    #[serde(default)]
    pub spent_of_window: Option<f64>,
}

impl From<&Pair> for Reading {
    /// What it had when it fired.
    fn from(pair: &Pair) -> Self {
        let Pair { rule, valid, bad, burn, spent_in_lookback, .. } = pair;
        let (valid, bad, burn) = (*valid, *bad, *burn);
        let spent_in_lookback = *spent_in_lookback;
        Self { rule: rule.clone(), valid, bad, burn, spent_in_lookback, spent_of_window: None }
    }
}

/// What is known of an alert's subject at the moment of a transition; all of it may be unknown.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// What was promised, in words: `99.9% over 30d`.
    pub promise: Option<String>,
    /// The share of the window's budget that is left; negative when it is overspent.
    pub remaining: Option<f64>,
    /// When the budget will be gone at the burn of what fires; `None` when it will not, or nobody knows.
    pub exhausted: Option<Timestamp>,
    /// What the rules that fire have in their lookbacks.
    #[serde(default)]
    pub readings: Vec<Reading>,
    /// What changed before, newest first; at most [`CHANGES_MAX`].
    pub changes: Vec<RecentChange>,
    /// What tells bad events from good ones, the most telling first; at most [`DIFFERENCES_MAX`].
    pub differing: Vec<Difference>,
    /// Where to look.
    pub links: Links,
}

impl Facts {
    /// Lists those of `changes` that were made between `since` and `until`, or began then, the newest of them
    /// first. What is only planned has made nothing happen.
    #[must_use]
    pub fn with_changes<'a>(
        mut self,
        changes: impl IntoIterator<Item = &'a Change>,
        since: Timestamp,
        until: Timestamp,
    ) -> Self {
        let made = |change: &'a Change| Some((change, change.finished.or(change.started)?));
        let recent = changes.into_iter().filter_map(made);
        let recent = recent.filter(|(_, at)| (since..=until).contains(at));
        self.changes = recent
            .map(|(change, at)| RecentChange {
                id: change.id.clone(),
                kind: change.kind,
                at,
                version: change.version.clone(),
                summary: change.summary.clone(),
                link: change.links.first().map(|link| link.url.clone()),
            })
            .collect();
        self.changes.sort_by(|one, two| (two.at, &one.id).cmp(&(one.at, &two.id)));
        self.bounded()
    }

    /// Without what is more than an alert carries.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        self.changes.truncate(CHANGES_MAX);
        self.differing.truncate(DIFFERENCES_MAX);
        self.readings.truncate(PAIRS_MAX);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_addresses() {
        let of = |pairs: &[(&str, &str)]| {
            Links::of(
                &pairs.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect(),
            )
        };
        let links = of(&[
            ("runbook_url", "see the wiki"),
            ("runbook", "https://wiki/checkout"),
            ("dashboard", "javascript:alert(1)"),
        ]);
        assert_eq!(links.runbook.as_deref(), Some("https://wiki/checkout"));
        assert_eq!(links.dashboard, None);
        assert_eq!(of(&[]), Links::default());
        let runbook = |mut links: Links, of_service| {
            links.or_runbook(of_service);
            links.runbook
        };
        assert_eq!(
            runbook(Links::default(), Some("https://wiki/shop")).as_deref(),
            Some("https://wiki/shop")
        );
        assert_eq!(runbook(Links::default(), Some("the wiki")), None);
        let own = of(&[("runbook", "https://wiki/checkout")]);
        assert_eq!(runbook(own.clone(), Some("https://wiki/shop")), own.runbook);
    }
}
