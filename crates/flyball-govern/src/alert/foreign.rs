//! Alerts of others: what Prometheus and Alertmanager tell.

use std::collections::BTreeMap;

use flyball_model::Timestamp;

/// The most alerts of others that are kept.
pub const FOREIGN_MAX: usize = 10_000;

/// The most that they take together, so that long labels are no way around their number. Bytes; ten
/// thousand usual ones.
pub const FOREIGN_BYTES_MAX: usize = 32 << 20;

/// An alert that another system told of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForeignAlert {
    /// Its labels: what it is known by.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// When it began.
    pub starts: Timestamp,
    /// When it ended, or will be taken to have ended unless it is told of again.
    pub ends: Timestamp,
    /// Where it comes from.
    pub generator: Option<String>,
}

impl ForeignAlert {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        let texts = self.labels.iter().chain(&self.annotations);
        let texts: usize = texts.map(|(name, text)| name.len() + text.len()).sum();
        size_of::<Self>() + texts + self.generator.as_ref().map_or(0, String::len)
    }
}

/// The alerts of others, by their labels.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Foreign {
    alerts: Vec<ForeignAlert>,
    refused: u64,
    /// What `alerts` take.
    bytes: usize,
}

impl Foreign {
    /// Joins what another system tells: of one alert, known by its labels, the earliest beginning of a
    /// spell and the last word on its end stand. Returns how many alerts had no room.
    ///
    /// Source of the rule: Alertmanager keeps the earlier start of alerts that overlap.
    pub fn take(&mut self, told: Vec<ForeignAlert>, now: Timestamp) -> u64 {
        self.forget(now);
        let before = self.refused;
        for alert in told {
            match self.alerts.binary_search_by(|known| known.labels.cmp(&alert.labels)) {
                Ok(at) => {
                    let known = &mut self.alerts[at];
                    let bytes = self.bytes - known.bytes() + alert.bytes();
                    if bytes > FOREIGN_BYTES_MAX {
                        self.refused += 1;
                        continue;
                    }
                    self.bytes = bytes;
                    let overlaps = alert.starts <= known.ends && known.starts <= alert.ends;
                    let starts =
                        if overlaps { known.starts.min(alert.starts) } else { alert.starts };
                    *known = ForeignAlert { starts, ..alert };
                }
                // What is over and was never known of is no news.
                Err(_) if alert.ends <= now => {}
                Err(_)
                    if self.alerts.len() >= FOREIGN_MAX
                        || self.bytes + alert.bytes() > FOREIGN_BYTES_MAX =>
                {
                    self.refused += 1;
                }
                Err(at) => {
                    self.bytes += alert.bytes();
                    self.alerts.insert(at, alert);
                }
            }
        }
        self.refused - before
    }

    /// Forgets the alerts that have ended at `now`.
    pub fn forget(&mut self, now: Timestamp) {
        self.alerts.retain(|alert| alert.ends > now);
        self.bytes = self.alerts.iter().map(ForeignAlert::bytes).sum();
    }

    /// The alerts that fire at `now`, in the order of their labels.
    pub fn firing(&self, now: Timestamp) -> impl Iterator<Item = &ForeignAlert> {
        self.alerts.iter().filter(move |alert| alert.starts <= now && now < alert.ends)
    }

    /// The alerts that fire at `now`, in groups that agree in the labels `by`; a label that an alert
    /// does not have counts as empty.
    pub fn groups(
        &self,
        by: &[&str],
        now: Timestamp,
    ) -> BTreeMap<Vec<(String, String)>, Vec<&ForeignAlert>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for alert in self.firing(now) {
            let value = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
            let key = by.iter().map(|name| ((*name).to_owned(), value(name))).collect();
            groups.entry(key).or_default().push(alert);
        }
        groups
    }

    /// How many alerts had no room.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str, job: &str, starts: i64, ends: i64) -> ForeignAlert {
        let labels = [("alertname", name), ("job", job)];
        ForeignAlert {
            labels: labels.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            annotations: BTreeMap::new(),
            starts: Timestamp::from_seconds(starts),
            ends: Timestamp::from_seconds(ends),
            generator: None,
        }
    }

    #[test]
    fn told_again_is_one_alert_until_it_ends() {
        let at = Timestamp::from_seconds;
        let mut foreign = Foreign::default();
        assert_eq!(foreign.take(vec![alert("Down", "api", 10, 300)], at(20)), 0);
        foreign.take(vec![alert("Down", "api", 70, 360), alert("Down", "web", 70, 360)], at(80));
        let by_name = foreign.groups(&["alertname"], at(80));
        assert_eq!(by_name.len(), 1);
        let group = by_name.values().next().unwrap();
        assert_eq!(group.iter().map(|alert| alert.starts).collect::<Vec<_>>(), [at(10), at(70)]);
        assert_eq!(foreign.groups(&["job", "none"], at(80)).len(), 2);
        foreign.take(vec![alert("Down", "api", 10, 90)], at(90));
        assert_eq!(foreign.groups(&["alertname"], at(90)).values().next().unwrap().len(), 1);
        assert!(foreign.groups(&[], at(360)).is_empty());
        foreign.forget(at(360));
        assert_eq!(foreign, Foreign::default());
    }
}
