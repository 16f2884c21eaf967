//! What has come in by name: what metrics are called, and whose events are. A definition that names
//! another is likely misspelt.
//!
//! Names are kept in memory, since the start; what was counted before is in the ledger.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::datatypes::UInt32Type;
use flyball_events::{NAME_LABEL, Series};
use flyball_metric::{POINTS_PREFIX, Unmet};
use flyball_model::{Duration, Timestamp};
use flyball_query::{listed, near_matches};

use crate::decode::{Body, SERVICE};
use crate::entry::Mark;

/// Names of metrics that are kept at most, some megabytes; a large Prometheus has fewer. What is met
/// beyond it is not known by name.
const METRICS_MAX: usize = 10_000;
/// Names of services that are kept at most.
const SERVICES_MAX: usize = 1_000;
/// The longest name that is kept. Bytes.
const NAME_BYTES_MAX: usize = 256;
/// How long samples have to have come before it is said that none was of some series: what is scraped
/// more seldom is gone for Prometheus itself.
const WATCHED_MIN: Duration = Duration::from_minutes(5);

/// What the names of sources begin with that a metrics system is asked for.
const ASKED_PREFIX: &str = "prometheus";

/// What is likely not meant in an SLO, as what has come in shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Doubt {
    /// What was expected and has not come.
    pub said: String,
    /// What to try; only for those who may see every service, since names of others may be in it.
    pub hint: Option<String>,
}

/// A bounded set of names.
#[derive(Debug, Clone, Default)]
struct Names {
    known: BTreeSet<String>,
    /// Whether there was one more than is kept.
    is_full: bool,
}

impl Names {
    fn add(&mut self, name: &str, most: usize) {
        if self.known.contains(name) {
            return;
        }
        if self.known.len() >= most || name.len() > NAME_BYTES_MAX {
            self.is_full = true;
            return;
        }
        self.known.insert(name.to_owned());
    }

    /// Whether `name` is surely not among those that were met.
    fn lacks(&self, name: &str) -> bool {
        !self.is_full && !self.known.contains(name)
    }

    /// What `name` may be meant to be, in words.
    fn near(&self, name: &str) -> Option<String> {
        let near = near_matches(name, self.known.iter().map(String::as_str));
        let near: Vec<String> = near.iter().map(|near| format!("`{near}`")).collect();
        (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
    }
}

/// The names of what has come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met {
    metrics: Names,
    services: Names,
    /// When samples came first, or a metrics system answered.
    since: Option<Timestamp>,
}

impl Met {
    /// Notes what `body` holds, which came at `arrival`, and where it was asked for has a `mark`.
    pub(super) fn add(&mut self, body: &Body, mark: Option<&Mark>, arrival: Timestamp) {
        // A metrics system that was asked may have had nothing.
        if mark.is_some_and(|mark| mark.source.starts_with(ASKED_PREFIX)) {
            self.since.get_or_insert(arrival);
        }
        self.samples(&body.series, arrival);
        for batch in &body.batches {
            let column = batch.column_by_name(SERVICE);
            let Some(coded) = column.and_then(|column| column.as_dictionary_opt::<UInt32Type>())
            else {
                continue;
            };
            let Some(names) = coded.values().as_string_opt::<i32>() else { continue };
            for name in names.iter().flatten() {
                self.services.add(name, SERVICES_MAX);
            }
        }
    }

    fn samples(&mut self, series: &[Series], arrival: Timestamp) {
        if !series.is_empty() {
            self.since.get_or_insert(arrival);
        }
        for series in series {
            let name = series.labels.iter().find(|(label, _)| label == NAME_LABEL);
            if let Some((_, name)) = name.filter(|(_, name)| !name.starts_with(POINTS_PREFIX)) {
                self.metrics.add(name, METRICS_MAX);
            }
        }
    }

    /// What to try where metrics have come and none is called `name`; `None` where one is, or that is not
    /// known. What was near is in it for those who may know.
    pub(crate) fn unlike_metrics(&self, name: &str, suggests: bool) -> Option<Unlike> {
        if self.metrics.known.is_empty() || !self.metrics.lacks(name) {
            return None;
        }
        let near = self.metrics.near(name);
        let is_near = near.is_some();
        let hint = match near.filter(|_| suggests) {
            Some(near) => near,
            None if suggests => {
                format!("unless it is still to come; what comes is {}", listed(&self.metrics.known))
            }
            None => "unless it is still to come".to_owned(),
        };
        Some(Unlike { is_near, hint })
    }

    /// The same where events of a near service have come and none of `name`.
    pub(crate) fn unlike_services(&self, name: &str, suggests: bool) -> Option<Unlike> {
        let near = self.services.lacks(name).then(|| self.services.near(name))??;
        let hint = if suggests { near } else { "unless it is still to come".to_owned() };
        Some(Unlike { is_near: true, hint })
    }

    /// What is to be said of selectors that no series has met since the definitions in force began to be
    /// counted, at `began`.
    pub(super) fn doubts(&self, unmet: &[Unmet], began: Timestamp, now: Timestamp) -> Vec<Doubt> {
        let Some(first) = self.since else { return Vec::new() };
        let since = first.max(began);
        let is_watched = now.since(since) >= WATCHED_MIN;
        let of = |unmet: &Unmet| {
            let Unmet { selector, name, is_of_bad } = unmet;
            let unlike = name.as_ref().and_then(|name| self.unlike_metrics(name, true));
            let is_near = unlike.as_ref().is_some_and(|unlike| unlike.is_near);
            // A healthy service may have no series of what is bad.
            if !is_near && (*is_of_bad || !is_watched) {
                return None;
            }
            match (name, unlike) {
                (Some(name), Some(Unlike { hint, .. })) => Some(Doubt {
                    said: format!("no samples of `{name}` have come since {}", seconds(first)),
                    hint: Some(hint),
                }),
                (Some(name), None) if self.metrics.known.contains(name) => Some(Doubt {
                    said: format!(
                        "samples of `{name}` come, and none of them since {} is one of `{selector}`",
                        seconds(since)
                    ),
                    hint: Some("compare its labels with those of what is sent".to_owned()),
                }),
                _ => Some(Doubt {
                    said: format!("no samples of `{selector}` have come since {}", seconds(since)),
                    hint: None,
                }),
            }
        };
        unmet.iter().filter_map(of).collect()
    }

    /// What is to be said of an attribute that no event has had since `began`.
    pub(super) fn doubt_of_attribute(name: &str, began: Timestamp) -> Doubt {
        let since = seconds(began);
        let said = format!("no event that came since {since} has the attribute `{name}`");
        Doubt { said, hint: None }
    }

    /// What is to be said of a service of which no event was ever counted.
    pub(super) fn doubt_of_service(&self, name: &str) -> Option<Doubt> {
        let Unlike { hint, .. } = self.unlike_services(name, true)?;
        let said = format!("no event of the service `{name}` has come");
        Some(Doubt { said, hint: Some(hint) })
    }
}

/// What to try where a name is unlike all that were met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unlike {
    /// Whether one that was met is near.
    pub(crate) is_near: bool,
    /// What to try.
    pub(crate) hint: String,
}

/// A time in whole seconds.
fn seconds(at: Timestamp) -> Timestamp {
    at.floor(Duration::from_seconds(1))
}

#[cfg(test)]
mod tests {
    use flyball_events::{MetricKind, Temporality};

    use super::*;

    fn series(name: &str) -> Series {
        let labels = vec![(NAME_LABEL.to_owned(), name.to_owned())];
        let (kind, temporality) = (MetricKind::Unknown, Temporality::Cumulative);
        Series { labels, kind, temporality, samples: Vec::new(), exemplars: 0 }
    }

    fn unmet(name: &str, is_of_bad: bool) -> Unmet {
        let selector = format!("{name}{{job=\"x\"}}");
        Unmet { selector, name: Some(name.to_owned()), is_of_bad }
    }

    #[test]
    fn what_never_came_is_doubted_and_what_is_near_is_told() {
        let (began, soon, later) = (at(0), at(1), at(600));
        let mut met = Met::default();
        let all = [unmet("http_request_total", false), unmet("errors_total", true)];
        assert_eq!(met.doubts(&all, began, later), [], "nothing came at all");
        met.samples(&[series("http_requests_total"), series("up")], began);
        let [doubt] = &met.doubts(&all, began, soon)[..] else { panic!("one is near") };
        assert_eq!(doubt.hint.as_deref(), Some("did you mean `http_requests_total`?"));
        // What is far from all is told later, and what is bad may be absent.
        assert_eq!(met.doubts(&[unmet("jobs_total", false)], began, soon), []);
        let [doubt] = &met.doubts(&[unmet("jobs_total", false)], began, later)[..] else {
            panic!("it was watched for long enough")
        };
        assert!(doubt.hint.as_ref().unwrap().ends_with("http_requests_total, up"), "{doubt:?}");
        assert_eq!(met.doubts(&[unmet("jobs_total", true)], began, later), []);
        let labels = met.doubts(&[unmet("up", false)], began, later);
        assert!(labels[0].said.contains("`up` come, and none"), "{labels:?}");
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn what_is_too_much_to_be_known_is_not_doubted() {
        let mut met = Met::default();
        met.services.add("checkout", SERVICES_MAX);
        assert!(met.doubt_of_service("chekout").is_some());
        assert!(met.doubt_of_service("checkout").is_none());
        assert!(met.doubt_of_service("mail").is_none(), "nothing is near");
        for n in 0..SERVICES_MAX {
            met.services.add(&format!("service-{n}"), SERVICES_MAX);
        }
        assert!(met.doubt_of_service("chekout").is_none());
    }
}
