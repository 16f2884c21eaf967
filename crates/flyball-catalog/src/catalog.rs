//! A set of documents in which everything that is counted has a number and a generation.

use flyball_model::{EventSli, GoodOrBad, Indicator, MetricQuery, MetricSli, Slo};
use flyball_spec::{Diagnostic, Source, SpecSet};
use sha2::{Digest, Sha256};

use crate::condition::conditions;
use crate::load::load;

/// What precedes everything that is hashed for a generation: another meaning, another prefix.
const HASH_PREFIX: &[u8] = b"flyball generation 1\n";

/// Documents that were found usable as a whole.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// What the documents say.
    pub set: SpecSet,
    /// What is counted of each SLO of `set`, in its order.
    pub counted: Vec<Counted>,
}

/// What is counted of one SLO.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// One indicator for all objectives, or one for each.
    pub indicators: Vec<Indicator>,
    /// A hash of everything that changes what is counted: where it differs, counts of before do
    /// not belong to it.
    ///
    /// Targets, windows, methods, alert rules, corrections and names apply when counts are read,
    /// and are not in it.
    pub generation: [u8; 32],
}

impl Catalog {
    /// Loads `sources` as one set, with what else there is to say of them.
    ///
    /// # Errors
    ///
    /// All diagnostics when one of them is an error, conditions that do not compile included.
    pub fn load(sources: &[Source]) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (set, mut diagnostics) = load(sources);
        diagnostics.extend(conditions(&set));
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        let counted = set.slos.iter().map(Counted::of).collect();
        Ok((Self { set, counted }, diagnostics))
    }

    /// The SLOs with what is counted of them.
    pub fn slos(&self) -> impl Iterator<Item = (&Slo, &Counted)> {
        self.set.slos.iter().zip(&self.counted)
    }
}

impl Counted {
    /// What is counted of `slo`.
    fn of(slo: &Slo) -> Self {
        let own: Vec<Indicator> =
            slo.objectives.iter().filter_map(|objective| objective.indicator.clone()).collect();
        let indicators =
            if own.is_empty() { slo.indicator.iter().cloned().collect() } else { own };
        let mut hash = Sha256::new();
        hash.update(HASH_PREFIX);
        for indicator in &indicators {
            match indicator {
                Indicator::Events(sli) => events(sli, &mut hash),
                Indicator::Metric(sli) => {
                    metric(sli, &mut hash);
                    // A threshold is what makes a value good: it belongs to the counting.
                    for objective in &slo.objectives {
                        if let Some((comparison, value)) = objective.threshold {
                            field(&mut hash, &format!("{comparison:?} {value:?}"));
                        }
                    }
                }
            }
        }
        Self { indicators, generation: hash.finalize().into() }
    }
}

/// Adds a text, its length first, so that no two lists of texts are alike.
fn field(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn events(sli: &EventSli, hash: &mut Sha256) {
    let (side, text) = match &sli.side {
        GoodOrBad::Good(text) => ("good", text),
        GoodOrBad::Bad(text) => ("bad", text),
    };
    for text in ["events", &sli.total, side, text, &sli.slice_limit.to_string()] {
        field(hash, text);
    }
    for attribute in &sli.by {
        field(hash, attribute);
    }
}

fn metric(sli: &MetricSli, hash: &mut Sha256) {
    let mut query = |query: &MetricQuery| {
        for text in [query.source_type.as_deref(), query.source_ref.as_deref()] {
            field(hash, text.unwrap_or_default());
        }
        field(hash, &query.spec);
    };
    let kind = match sli {
        MetricSli::Ratio { counter, side, side_is_bad, total } => {
            query(side);
            query(total);
            format!("ratio {counter} {side_is_bad}")
        }
        MetricSli::Raw { failures, query: raw } => {
            query(raw);
            format!("raw {failures}")
        }
        MetricSli::Threshold { query: gauge } => {
            query(gauge);
            "threshold".to_owned()
        }
    };
    field(hash, &kind);
}
