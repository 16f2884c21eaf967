//! Grafana's annotations: changes and verdicts as marks on every dashboard that asks for their tags.
//!
//! Grafana takes whatever it is sent, also twice. So each mark has a tag of its own, by which it is looked
//! for where nobody knows whether it has arrived.

use flyball_govern::verdict::{Answer, ChangeVerdict};
use flyball_model::{Change, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Request, Secret, cut, hex};

/// The longest tag; Grafana keeps 100 characters of each.
const TAG_BYTES_MAX: usize = 100;
/// The longest text: a tooltip.
const TEXT_BYTES_MAX: usize = 2_000;
/// How much of a digest makes a tag: enough that no two marks share one.
const DIGITS: usize = 24;

/// A mark on dashboards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What it is known by here.
    pub key: String,
    /// The tag that no other mark has.
    pub tag: String,
    /// The moment that it stands at.
    pub at: Timestamp,
    tags: Vec<String>,
    text: String,
}

impl Annotation {
    /// The mark of a change, where it has shipped.
    pub fn of_change(change: &Change, origin: &str) -> Option<Self> {
        let at = change.shipped()?;
        let by = change.actor.as_ref().map(|actor| format!(", by {actor}")).unwrap_or_default();
        let first = format!("{}{by}", sentence(change));
        let links = change.links.iter().map(|link| format!("{}: {}", link.name, link.url));
        let lines: Vec<String> =
            [first].into_iter().chain(change.summary.clone()).chain(links).collect();
        let text = lines.join("\n");
        Some(Self::new(change, at, ("change", change.kind.name()), &text, origin))
    }

    /// The mark of what a change did: where it was decided, or where it is over and nothing was.
    pub fn of_verdict(change: &Change, verdict: &ChangeVerdict, origin: &str) -> Option<Self> {
        let is_said = verdict.decided.is_some() || verdict.is_over;
        let at = verdict.decided.unwrap_or(verdict.seen);
        let word = match verdict.answer {
            Answer::Healthy => "healthy",
            Answer::Regressed => "regressed",
            Answer::Undecided => "undecided",
        };
        let regressed = verdict.objectives.iter().filter(|of| of.answer == Answer::Regressed);
        let regressed = regressed
            .map(|of| format!("{} regressed, {} bad events burned", of.slo, of.burned.events));
        let lines = [format!("{word}: {}", sentence(change))].into_iter().chain(regressed);
        let text = lines.collect::<Vec<_>>().join("\n");
        is_said.then(|| Self::new(change, at, ("verdict", word), &text, origin))
    }

    fn new(
        change: &Change,
        at: Timestamp,
        (what, word): (&str, &str),
        text: &str,
        origin: &str,
    ) -> Self {
        let key = format!("{what}/{word}/{}", change.id);
        let digest = hex(&Sha256::digest(format!("{origin}\0{key}")));
        let tag = format!("flyball-{}", &digest[..DIGITS]);
        let tags = ["flyball".to_owned(), what.to_owned(), word.to_owned()].into_iter();
        let tags = tags.chain([format!("service:{}", change.service)]);
        let tags = tags.chain(change.environment.iter().map(|of| format!("environment:{of}")));
        let tags = tags.chain([tag.clone()]);
        let tags = tags.map(|tag| cut(&tag, TAG_BYTES_MAX).to_owned()).collect();
        Self { key, tag, at, tags, text: cut(text, TEXT_BYTES_MAX).to_owned() }
    }

    /// The request that makes the mark in the Grafana at `url`, which has no slash at its end.
    pub fn request(&self, url: &str, token: &Secret) -> Request {
        let time = self.at.nanos() / 1_000_000;
        let body = json!({ "time": time, "tags": self.tags, "text": self.text });
        let mut request = Request::json(&format!("{url}/api/annotations"), &body);
        request.headers.push(("authorization", format!("Bearer {}", token.expose())));
        request
    }

    /// The address at which the Grafana at `url` lists the mark, if it is there.
    pub fn address(&self, url: &str) -> String {
        format!("{url}/api/annotations?type=annotation&limit=1&tags={}", self.tag)
    }

    /// Whether the answer to a question to [`Self::address`] lists the mark; `None` when it cannot be
    /// understood.
    pub fn is_listed(&self, answer: &[u8]) -> Option<bool> {
        let listed: Value = serde_json::from_slice(answer).ok()?;
        let has_tag = |one: &Value| {
            let tags = one["tags"].as_array();
            tags.is_some_and(|tags| tags.iter().any(|tag| tag.as_str() == Some(&self.tag)))
        };
        Some(listed.as_array()?.iter().any(has_tag))
    }
}

/// A change in one line.
fn sentence(change: &Change) -> String {
    let version = change.version.as_deref().or(change.revision.as_deref());
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let environment = change.environment.as_ref().map(|of| format!(" to {of}"));
    format!(
        "{} of {}{version}{}",
        change.kind.name(),
        change.service,
        environment.unwrap_or_default()
    )
}
