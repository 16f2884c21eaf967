//! Queries to terms: which series count for an SLI, and what of them.
//!
//! A query of counts is a sum of increases of counters, `rate`s among them: a rate is an increase
//! divided by its window, and in a ratio the windows cancel out. So what remains of
//! `sum(rate(a[5m])) - sum(rate(b[5m]))` is plus the increase of `a`, minus that of `b`, and both
//! are counted from raw samples, exactly and without Prometheus' extrapolation. Anything else is
//! refused where it stands.

use std::hash::Hasher;
use std::ops::Range;

use flyball_model::{Comparison, MetricQuery, MetricSli, Rational};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::error::{Fault, MetricError, QueryError};
use crate::matcher::{Matcher, Selector};
use crate::promql::{Expression, Node, parse, template};
use crate::slicing::Slicing;

/// The most terms of one query: more than any tool writes.
const TERMS_MAX: usize = 64;
/// The label of a classic histogram's buckets, and how their metrics' names end.
const BOUND_LABEL: &str = "le";
const BUCKET_SUFFIX: &str = "_bucket";
/// Types of sources that are queried in `PromQL`, in lower case.
pub const SOURCES: [&str; 6] =
    ["prometheus", "thanos", "mimir", "cortex", "victoriametrics", "flyball"];

/// A metric SLI, compiled: what it counts, or the value that it judges.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) kind: PlanKind,
    /// The query whose answers are judged, where only the metrics system can work them out.
    pub(crate) points: Option<String>,
    pub(crate) slicing: Slicing,
}

/// A query that only the metrics system can answer. Each answer, of each series, is an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points {
    /// What is asked.
    pub query: String,
    /// What the metric is to be called that the answers are given as: the same for equal queries.
    pub name: String,
}

/// A metric that a plan counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'p> {
    /// What it is called.
    pub name: &'p str,
    /// Whether it is counted for what is good or bad, and not for the total.
    pub is_side: bool,
    /// Whether it is counted for what is bad: a healthy service may have no such series.
    pub is_of_bad: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PlanKind {
    /// Counts of a side and of a total.
    Counts { side: Vec<Term>, side_is_bad: bool, total: Vec<Term> },
    /// Every sample is one event.
    Gauge { selector: Selector, reading: Reading, comparison: Comparison, threshold: f64 },
}

/// Which value of a gauge's sample is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The value itself.
    Value,
    /// How many seconds before the sample the instant lies that the value names.
    Age,
}

/// Increases that are added or taken away.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// 1 or -1.
    pub(crate) sign: i8,
    pub(crate) selector: Selector,
    pub(crate) what: What,
}

/// What is counted of a series. Bounds are kept as the bits of a double, so that they can be keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// Nothing: its samples are events themselves.
    Samples,
    /// The number that a counter has.
    Value,
    /// Of a classic histogram's buckets, what is at or below this.
    Classic(u64),
    /// All measurements of a histogram.
    Count,
    /// Of a histogram, the measurements at or below this.
    Below(u64),
}

/// What a sum of terms is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
    /// The counters themselves, ever growing.
    Totals,
    /// What came within the window.
    Increase(String),
    /// Increases a second, whatever the window they are taken over.
    Rate,
}

impl Unit {
    fn told(&self) -> String {
        match self {
            Self::Totals => "a bare counter".to_owned(),
            Self::Increase(window) => format!("an increase over [{window}]"),
            Self::Rate => "a rate".to_owned(),
        }
    }
}

struct Sum {
    unit: Unit,
    terms: Vec<Term>,
}

impl Plan {
    /// The query that has to be asked, where there are no samples to count; `None` where there are.
    pub fn points(&self) -> Option<Points> {
        let query = self.points.clone()?;
        let name = points_name(&query);
        Some(Points { query, name })
    }

    /// The series that are meant, each selector once, as queries that ask for their samples. Where
    /// there are [points](Self::points), the metric that these are given as.
    pub fn selectors(&self) -> Vec<String> {
        let mut selectors: Vec<String> = match &self.kind {
            PlanKind::Counts { side, total, .. } => {
                side.iter().chain(total).map(|term| term.selector.to_string()).collect()
            }
            PlanKind::Gauge { selector, .. } => vec![selector.to_string()],
        };
        selectors.sort_unstable();
        selectors.dedup();
        selectors
    }

    /// The metrics that are meant by their whole names. None where there are [points](Self::points).
    pub fn names(&self) -> Vec<Named<'_>> {
        if self.points.is_some() {
            return Vec::new();
        }
        let mut selectors: Vec<(&Selector, bool, bool)> = Vec::new();
        match &self.kind {
            PlanKind::Counts { side, side_is_bad, total } => {
                selectors.extend(total.iter().map(|term| (&term.selector, false, false)));
                selectors.extend(side.iter().map(|term| (&term.selector, true, *side_is_bad)));
            }
            PlanKind::Gauge { selector, .. } => selectors.push((selector, false, false)),
        }
        let named = selectors.into_iter().filter_map(|(selector, is_side, is_of_bad)| {
            Some(Named { name: selector.name.as_deref()?, is_side, is_of_bad })
        });
        named.collect()
    }

    /// Compiles an SLI. `threshold` is the objective's, which only a threshold SLI needs.
    ///
    /// # Errors
    ///
    /// Why its queries cannot be counted from samples, and where in them.
    pub fn compile(
        sli: &MetricSli,
        threshold: Option<(Comparison, f64)>,
    ) -> Result<Self, MetricError> {
        let mut points = None;
        let kind = match sli {
            MetricSli::Ratio { counter, side, side_is_bad, total } => {
                let sum = |query: &MetricQuery| {
                    let text = text_of(query)?;
                    let sum = Reader { query: &text }.sum(&parse(&text)?)?;
                    if sum.unit == Unit::Totals && !counter {
                        let message = "a bare selector counts only with `counter: true`; without it \
                                       write rate(…) or increase(…) around it";
                        let fault = Fault::Syntax(message.to_owned());
                        return Err(QueryError::new(&text, 0..text.len(), fault).into());
                    }
                    Ok::<_, MetricError>(sum)
                };
                let (side, total) = (sum(side)?, sum(total)?);
                alike(&side.unit, &total.unit)?;
                let (side, total) = (side.terms, total.terms);
                PlanKind::Counts { side, side_is_bad: *side_is_bad, total }
            }
            MetricSli::Raw { failures, query } => {
                let text = text_of(query)?;
                let (side, total, of_rest) = Reader { query: &text }.share(&parse(&text)?)?;
                alike(&side.unit, &total.unit)?;
                let side_is_bad = *failures != of_rest;
                PlanKind::Counts { side: side.terms, side_is_bad, total: total.terms }
            }
            MetricSli::Threshold { query } => {
                let text = text_of(query)?;
                let (comparison, threshold) = threshold
                    .filter(|(_, value)| value.is_finite())
                    .ok_or(MetricError::NoThreshold)?;
                match parse(&text).and_then(|node| Reader { query: &text }.gauge(node)) {
                    Ok((selector, reading)) => {
                        PlanKind::Gauge { selector, reading, comparison, threshold }
                    }
                    Err(error) if error.needs_pull() => {
                        let judged = judged(&text, comparison, threshold)?;
                        points = Some(text);
                        judged
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let total = match sli {
            MetricSli::Ratio { total: query, .. }
            | MetricSli::Raw { query, .. }
            | MetricSli::Threshold { query } => query,
        };
        Ok(Self { kind, points, slicing: Slicing::read(total)? })
    }

    /// Compiles a ready ratio without counts, of which each answer is good when the share of good
    /// in it is at least `share`. With `failures` the ratio is that of what is bad.
    ///
    /// # Errors
    ///
    /// Why the query cannot be asked.
    pub fn of_ratio(
        query: &MetricQuery,
        failures: bool,
        share: Rational,
    ) -> Result<Self, MetricError> {
        let text = text_of(query)?;
        let (whole, part) = (share.denominator(), share.numerator());
        let kind = if failures {
            judged(&text, Comparison::AtMost, whole.saturating_sub(part) as f64 / whole as f64)?
        } else {
            judged(&text, Comparison::AtLeast, share.to_f64())?
        };
        Ok(Self { kind, points: Some(text), slicing: Slicing::read(query)? })
    }

    /// Whether both sides come from the same samples, so that they need not wait for each other.
    pub(crate) fn is_of_one_piece(&self) -> bool {
        match &self.kind {
            PlanKind::Gauge { .. } => true,
            PlanKind::Counts { side, total, .. } => {
                let mut terms = side.iter().chain(total);
                let first = terms.next();
                let is_histogram = |what| matches!(what, What::Count | What::Below(_));
                let fits = |term: &Term| {
                    is_histogram(term.what) && first.is_some_and(|f| f.selector == term.selector)
                };
                first.is_some_and(fits) && terms.all(fits)
            }
        }
    }
}

/// Answers to the query `text`, held against a threshold.
fn judged(text: &str, comparison: Comparison, threshold: f64) -> Result<PlanKind, QueryError> {
    if let Some(span) = template(text)? {
        let message = "a template is no window that the metrics system can be asked for: write one";
        return Err(QueryError::new(text, span, Fault::Syntax(message.to_owned())));
    }
    let selector = Selector { name: Some(points_name(text)), matchers: Vec::new() };
    Ok(PlanKind::Gauge { selector, reading: Reading::Value, comparison, threshold })
}

/// What the names of answers to queries begin with. Nothing that is sent may be called so.
pub const POINTS_PREFIX: &str = "flyball:points:";

/// What the answers to a query are called.
fn points_name(query: &str) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(query.as_bytes());
    format!("{POINTS_PREFIX}{:032x}", hasher.finish128().as_u128())
}

fn alike(side: &Unit, total: &Unit) -> Result<(), MetricError> {
    if side == total {
        return Ok(());
    }
    Err(MetricError::Unlike { side: side.told(), total: total.told() })
}

/// The query's text, out of the settings of its source.
pub(crate) fn text_of(query: &MetricQuery) -> Result<String, MetricError> {
    if let Some(source_type) = &query.source_type
        && !SOURCES.contains(&source_type.to_lowercase().as_str())
    {
        return Err(MetricError::Source { source_type: source_type.clone() });
    }
    let spec: Option<serde_json::Value> = serde_json::from_str(&query.spec).ok();
    let text = spec.as_ref().and_then(|spec| spec.get("query")).and_then(|text| text.as_str());
    text.map(str::to_owned).ok_or(MetricError::NoQuery)
}

/// Turns the tree of one query into terms.
struct Reader<'q> {
    query: &'q str,
}

impl Reader<'_> {
    fn pull(&self, span: &Range<usize>, message: &str) -> QueryError {
        QueryError::new(self.query, span.clone(), Fault::Pull(message.to_owned()))
    }

    /// A sum of increases.
    fn sum(&self, node: &Node) -> Result<Sum, QueryError> {
        match &node.expression {
            Expression::Selector(selector) => Ok(counter(selector, Unit::Totals)),
            Expression::Aggregate { name, arguments } if name == "sum" => {
                match arguments.as_slice() {
                    [inner] => self.sum(inner),
                    _ => Err(self.arguments(node)),
                }
            }
            Expression::Call { name, arguments } => self.call(node, name, arguments),
            Expression::Negated(inner) => {
                let mut sum = self.sum(inner)?;
                sum.terms.iter_mut().for_each(|term| term.sign = -term.sign);
                Ok(sum)
            }
            Expression::Binary { operator, modifier, left, right } => {
                self.operation(node, operator, modifier.as_ref(), [left, right])
            }
            _ => Err(self.pull(&node.span, "this is no sum of increases of counters")),
        }
    }

    fn arguments(&self, node: &Node) -> QueryError {
        let message = "this is not what the function takes".to_owned();
        QueryError::new(self.query, node.span.clone(), Fault::Syntax(message))
    }

    /// `rate`, `increase` and `histogram_count`.
    fn call(&self, node: &Node, name: &str, arguments: &[Node]) -> Result<Sum, QueryError> {
        match (name, arguments) {
            (
                "rate" | "increase",
                [Node { expression: Expression::Range { selector, window }, .. }],
            ) => {
                let unit = if name == "rate" { Unit::Rate } else { Unit::Increase(window.clone()) };
                Ok(counter(selector, unit))
            }
            ("histogram_count", [inner]) => self.histogram(inner, What::Count),
            ("rate" | "increase" | "histogram_count", _) => Err(self.arguments(node)),
            _ => Err(self.pull(&node.span, "this function is no sum of increases of counters")),
        }
    }

    /// The same sum, of `what` of the histograms that it adds up.
    fn histogram(&self, node: &Node, what: What) -> Result<Sum, QueryError> {
        let mut sum = self.sum(node)?;
        for term in &mut sum.terms {
            if term.what != What::Value {
                return Err(self.pull(&node.span, "this is no sum of histograms"));
            }
            term.what = what;
        }
        Ok(sum)
    }

    fn operation(
        &self,
        node: &Node,
        operator: &str,
        modifier: Option<&Range<usize>>,
        [left, right]: [&Node; 2],
    ) -> Result<Sum, QueryError> {
        match operator {
            // Nothing where there are no series yet: the usual way to write it.
            "or" if is_zero(right) => self.sum(left),
            "+" | "-" if modifier.is_none() => {
                let (mut sum, mut other) = (self.sum(left)?, self.sum(right)?);
                if sum.unit != other.unit {
                    return Err(self.pull(&node.span, "these two do not count alike"));
                }
                if operator == "-" {
                    other.terms.iter_mut().for_each(|term| term.sign = -term.sign);
                }
                sum.terms.append(&mut other.terms);
                if sum.terms.len() > TERMS_MAX {
                    return Err(self.pull(&node.span, "this has too many terms"));
                }
                Ok(sum)
            }
            // A share of a histogram times its count: the count of that share.
            "*" if modifier.is_none() => {
                let (share, count) =
                    if self.fraction(left).is_some() { (left, right) } else { (right, left) };
                let Some(fraction) = self.fraction(share) else {
                    let message = "a product is no sum of increases of counters";
                    return Err(self.pull(&node.span, message));
                };
                let ((side, total), count) = (fraction?, self.sum(count)?);
                if total.terms != count.terms || total.unit != count.unit {
                    return Err(self.pull(&node.span, "these two are not of the same histogram"));
                }
                Ok(side)
            }
            _ => Err(self.pull(&node.span, "this operation is no sum of increases of counters")),
        }
    }

    /// `histogram_fraction(lower, upper, sum)` as counts of what is inside and of all; `None` for
    /// anything else.
    fn fraction(&self, node: &Node) -> Option<Result<(Sum, Sum), QueryError>> {
        let Expression::Call { name, arguments } = &node.expression else { return None };
        if name != "histogram_fraction" {
            return None;
        }
        let [lower, upper, inner] = arguments.as_slice() else {
            return Some(Err(self.arguments(node)));
        };
        let (Some(lower), Some(upper)) = (number(lower), number(upper)) else {
            return Some(Err(self.pull(&node.span, "the bounds of the fraction are no numbers")));
        };
        if lower.is_nan() || upper.is_nan() || lower >= upper {
            return Some(Err(self.arguments(node)));
        }
        let below = |bound: f64| {
            let what = if bound == f64::INFINITY { What::Count } else { What::Below(bits(bound)) };
            self.histogram(inner, what)
        };
        Some((|| {
            let (mut side, total) = (below(upper)?, self.histogram(inner, What::Count)?);
            if lower != f64::NEG_INFINITY {
                let taken = below(lower)?.terms.into_iter();
                side.terms.extend(taken.map(|term| Term { sign: -term.sign, ..term }));
            }
            Ok((side, total))
        })())
    }

    /// A side and a total, and whether the share is that of the others: `1 - side / total`.
    fn share(&self, node: &Node) -> Result<(Sum, Sum, bool), QueryError> {
        if let Some(fraction) = self.fraction(node) {
            return fraction.map(|(side, total)| (side, total, false));
        }
        match &node.expression {
            Expression::Binary { operator: "/", modifier: None, left, right } => {
                Ok((self.sum(left)?, self.sum(right)?, false))
            }
            Expression::Binary { operator: "-", modifier: None, left, right }
                if number(left) == Some(1.0) =>
            {
                self.share(right).map(|(side, total, of_rest)| (side, total, !of_rest))
            }
            _ => Err(self.pull(&node.span, "this is no share of one count in another")),
        }
    }

    /// A gauge, or `time() - gauge`.
    fn gauge(&self, node: Node) -> Result<(Selector, Reading), QueryError> {
        let is_now = |node: &Node| {
            matches!(&node.expression, Expression::Call { name, arguments }
                if name == "time" && arguments.is_empty())
        };
        match node.expression {
            Expression::Selector(selector) => Ok((selector, Reading::Value)),
            Expression::Binary { operator: "-", modifier: None, left, right }
                if is_now(&left) && matches!(right.expression, Expression::Selector(_)) =>
            {
                match right.expression {
                    Expression::Selector(selector) => Ok((selector, Reading::Age)),
                    _ => Err(self.pull(&node.span, "this is no gauge")),
                }
            }
            Expression::Range { .. } | Expression::Text => {
                let message = "this has no single value at a time".to_owned();
                Err(QueryError::new(self.query, node.span, Fault::Syntax(message)))
            }
            _ => Err(self.pull(&node.span, "this is neither a gauge nor `time()` minus one")),
        }
    }
}

/// One counter, or the bucket of a classic histogram.
fn counter(selector: &Selector, unit: Unit) -> Sum {
    let mut selector = selector.clone();
    let is_bucket = selector.name.as_deref().is_some_and(|n| n.ends_with(BUCKET_SUFFIX));
    let bound = |m: &Matcher| {
        (is_bucket && m.label == BOUND_LABEL && m.is_equality())
            .then(|| m.value.parse::<f64>().ok().filter(|bound| bound.is_finite()))
            .flatten()
    };
    let found = selector.matchers.iter().enumerate().find_map(|(at, m)| Some((at, bound(m)?)));
    let what = match found {
        Some((at, bound)) => {
            selector.matchers.remove(at);
            What::Classic(bits(bound))
        }
        None => What::Value,
    };
    Sum { unit, terms: vec![Term { sign: 1, selector, what }] }
}

/// A bound's bits, with one zero.
fn bits(bound: f64) -> u64 {
    if bound == 0.0 { 0 } else { bound.to_bits() }
}

/// A number with its sign.
fn number(node: &Node) -> Option<f64> {
    match &node.expression {
        Expression::Number(value) => Some(*value),
        Expression::Negated(inner) => number(inner).map(|value| -value),
        _ => None,
    }
}

/// `vector(0)`.
fn is_zero(node: &Node) -> bool {
    matches!(&node.expression, Expression::Call { name, arguments }
        if name == "vector" && matches!(arguments.as_slice(), [value] if number(value) == Some(0.0)))
}

#[cfg(test)]
mod tests;
