//! A set of documents in which everything that is counted has a number and a generation.

use std::collections::BTreeSet;

use flyball_metric::{MetricError, Plan, SOURCES};
use flyball_model::{
    BudgetingMethod, EventSli, GoodOrBad, Indicator, MetricQuery, MetricSli, Objective, Rational,
    Slo,
};
use flyball_query::near_matches;
use flyball_spec::{Diagnostic, Level, Origins, Part, Source, SpecSet};
use sha2::{Digest, Sha256};

use crate::condition::conditions;
use crate::governance::{Governance, governance};
use crate::load::load;

/// What precedes everything that is hashed for a generation: another meaning, another prefix.
const HASH_PREFIX: &[u8] = b"flyball generation 1\n";

/// Documents that were found usable as a whole.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// What the documents say.
    pub set: SpecSet,
    /// The SLOs that can be counted, in the order of their documents.
    pub counted: Vec<Counted>,
    /// The SLOs that are valid documents and cannot be counted here.
    pub not_counted: Vec<NotCounted>,
    /// Who decides on changes by which policy.
    pub governance: Governance,
}

/// An SLO and what is counted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// The SLO.
    pub slo: Slo,
    /// What is counted: one indicator for all objectives, or several.
    pub indicators: Vec<CountedBy>,
    /// For each objective the indicator that it is about.
    pub of_objective: Vec<usize>,
    /// A hash of everything that changes what is counted: where it differs, counts of before do
    /// not belong to it.
    ///
    /// Targets, windows, methods, alert rules, corrections and names apply when counts are read,
    /// and are not in it.
    pub generation: [u8; 32],
}

/// What an indicator is counted from.
#[derive(Debug, Clone, PartialEq)]
pub enum CountedBy {
    /// Events, by conditions.
    Events(EventSli),
    /// Samples of metrics, by terms.
    Metric(Plan),
}

/// An SLO that cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotCounted {
    /// Its name.
    pub slo: String,
    /// Why, in words that follow "it is not evaluated:".
    pub reason: String,
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
        let (governance, found) = governance(&set);
        diagnostics.extend(found);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        let (mut counted, mut not_counted) = (Vec::new(), Vec::new());
        for slo in &set.slos {
            match Counted::of(slo, &set.origins) {
                Ok(slo) => counted.push(slo),
                Err(reason) => not_counted.push(NotCounted { slo: slo.name.clone(), reason }),
            }
        }
        for slo in &set.incomplete {
            let reason = slo.reasons.join("; ");
            not_counted.push(NotCounted { slo: slo.name.clone(), reason });
        }
        Ok((Self { set, counted, not_counted, governance }, diagnostics))
    }

    /// The services that documents speak of: those that are described, promise something or are probed.
    pub fn services(&self) -> BTreeSet<&str> {
        let SpecSet { slos, services, probes, .. } = &self.set;
        let described = services.iter().map(|service| service.name.as_str());
        let promising = slos.iter().map(|slo| slo.service.as_str());
        described
            .chain(promising)
            .chain(probes.iter().map(|probe| probe.service.as_str()))
            .collect()
    }

    /// The same where no metrics system can be asked: SLOs with queries that only one can answer are
    /// not counted.
    #[must_use]
    pub fn without_asking(mut self) -> Self {
        let points = |slo: &Counted| {
            slo.indicators.iter().find_map(|indicator| match indicator {
                CountedBy::Metric(plan) => plan.points(),
                CountedBy::Events(_) => None,
            })
        };
        self.counted.retain(|slo| {
            let Some(points) = points(slo) else { return true };
            let reason = format!(
                "only a metrics system can answer `{}`, and this server has none to ask; hint: start \
                 it with `--prometheus URL`",
                points.query
            );
            self.not_counted.push(NotCounted { slo: slo.slo.name.clone(), reason });
            false
        });
        self
    }
}

impl Counted {
    /// What is counted of `slo`, whose parts are where `origins` say.
    ///
    /// # Errors
    ///
    /// Why it cannot be counted.
    fn of(slo: &Slo, origins: &Origins) -> Result<Self, String> {
        let mut hash = Sha256::new();
        hash.update(HASH_PREFIX);
        let (mut indicators, mut of_objective) = (Vec::new(), Vec::new());
        for (at, objective) in slo.objectives.iter().enumerate() {
            let shared = objective.indicator.is_none();
            let indicator = objective.indicator.as_ref().or(slo.indicator.as_ref());
            let indicator = indicator.ok_or_else(|| "it has no indicator".to_owned())?;
            // What is good is the objective's own choice where a value is held against a threshold.
            let ratio = ratio_without_counts(slo, indicator);
            let is_judged = ratio.is_some()
                || matches!(indicator, Indicator::Metric(MetricSli::Threshold { .. }));
            if shared && !is_judged && !indicators.is_empty() {
                of_objective.push(0);
                continue;
            }
            of_objective.push(indicators.len());
            indicators.push(match indicator {
                Indicator::Events(sli) => {
                    events(sli, &mut hash);
                    CountedBy::Events(sli.clone())
                }
                Indicator::Metric(sli) => {
                    metric(sli, &mut hash);
                    if let Some((comparison, value)) = objective.threshold.filter(|_| is_judged) {
                        field(&mut hash, &format!("{comparison:?} {value:?}"));
                    }
                    let plan = match ratio {
                        Some((query, failures)) => {
                            let share = share_of_good(objective);
                            field(&mut hash, &format!("points {share}"));
                            Plan::of_ratio(query, failures, share)
                        }
                        None => Plan::compile(sli, objective.threshold),
                    };
                    let at = (!shared).then_some(at);
                    CountedBy::Metric(plan.map_err(|error| placed(slo, at, sli, &error, origins))?)
                }
            });
        }
        Ok(Self { slo: slo.clone(), indicators, of_objective, generation: hash.finalize().into() })
    }
}

/// What is wrong with a metric SLI, which is that of an objective or of the whole SLO, with the place and
/// the name of the query to blame, where it is one's alone.
fn placed(
    slo: &Slo,
    objective: Option<usize>,
    sli: &MetricSli,
    error: &MetricError,
    origins: &Origins,
) -> String {
    let said = match error {
        MetricError::Source { source_type } => match near_matches(source_type, SOURCES).first() {
            Some(near) => format!("{error}; hint: did you mean `{near}`?"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    };
    let (side, total) = (Part::Side { objective }, Part::Total { objective });
    let queries = match sli {
        MetricSli::Ratio { side: query, side_is_bad, total: all, .. } => {
            let name = if *side_is_bad { "bad" } else { "good" };
            vec![(side, name, query), (total, "total", all)]
        }
        MetricSli::Raw { query, .. } | MetricSli::Threshold { query } => {
            vec![(total, "query", query)]
        }
    };
    let Some((part, name, _)) = queries.into_iter().find(|(_, _, query)| error.is_about(query))
    else {
        return said;
    };
    let within = match error {
        MetricError::Query(error) => Some(error.span()),
        _ => None,
    };
    match origins.diagnostic(&slo.name, part, within, Level::Warning, "", None) {
        Some(Diagnostic { file, line, column, .. }) => {
            format!("{file}:{line}:{column}, `{name}`: {said}")
        }
        None => format!("`{name}`: {said}"),
    }
}

/// The query of a ready ratio that only a metrics system can work out, where time is judged by it, and
/// whether it is that of failures.
fn ratio_without_counts<'s>(
    slo: &Slo,
    indicator: &'s Indicator,
) -> Option<(&'s MetricQuery, bool)> {
    let Indicator::Metric(sli @ MetricSli::Raw { failures, query }) = indicator else {
        return None;
    };
    let has_no_counts =
        || matches!(Plan::compile(sli, None), Err(MetricError::Query(error)) if error.needs_pull());
    (slo.method == BudgetingMethod::Timeslices && has_no_counts()).then_some((query, *failures))
}

/// The share of good that makes a time slice of `objective` a good one.
fn share_of_good(objective: &Objective) -> Rational {
    objective.timeslice_target.unwrap_or(objective.target.share())
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
