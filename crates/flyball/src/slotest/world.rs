//! What a test has loaded: SLOs, and the tallies of their indicators.
//!
//! Loading has no order: documents may refer to each other and events carry their own times, so
//! everything a test loads is there for all its expectations, and only the clock decides what of
//! it an expectation sees. Events are counted by the replay's own code.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use flyball_budget::Series;
use flyball_budget::report::{IndicatorSeries, Measured};
use flyball_catalog::place_of;
use flyball_events::{
    BatchBuilder, Codec, Decoded, Format, Mapping, Projection, ReadOptions, TimeRule, expand, read,
};
use flyball_model::{Duration, Interval, Slice, Slo, Slot, Timestamp};
use flyball_query::UnknownAttribute;
use flyball_spec::{Diagnostic, Level, Source, SpecSet, render, split_hint};

use super::lex::Token;
use super::parse::{EventsStep, SeriesStep, Step, What};
use super::problem::{Fault, Place, Problem, meant};
use crate::replay::{Plan, Times};

/// The bytes of a text that a format is told by.
const HEAD_BYTES: usize = 64 << 10;

/// Everything a test has loaded.
#[derive(Debug)]
pub(super) struct World {
    pub(super) set: SpecSet,
    /// For each SLO of the set.
    measured: Vec<Measured>,
    /// From the first slot or event to the end of the last.
    pub(super) extent: Option<Interval>,
}

impl World {
    /// Loads what `steps` name; paths are relative to `directory`.
    pub(super) fn load(file: &Path, directory: &Path, steps: &[&Step]) -> Result<Self, Fault> {
        let set = documents(file, directory, steps)?;
        let mut world =
            Self { measured: set.slos.iter().map(unmeasured).collect(), set, extent: None };
        world.count(directory, steps)?;
        for step in steps {
            if let Step::Series(series) = step {
                world.add(series)?;
            }
        }
        Ok(world)
    }

    /// The SLO that a token names.
    pub(super) fn slo(&self, name: &Token) -> Result<usize, Fault> {
        if let Some(at) = self.set.slos.iter().position(|slo| slo.name == name.text) {
            return Ok(at);
        }
        if let Some(slo) = self.set.incomplete.iter().find(|slo| slo.name == name.text) {
            let message = format!("`{}` cannot be evaluated: {}", slo.name, slo.reasons.join("; "));
            return Err(Problem::script(name.place, message));
        }
        let names: Vec<&str> = self.set.slos.iter().map(|slo| slo.name.as_str()).collect();
        let message = format!("no SLO `{}` was loaded", name.text);
        let hint = if names.is_empty() {
            "load its document: slo \"file.yaml\"".to_owned()
        } else {
            meant(&name.text, &names)
        };
        Err(Problem::script(name.place, message).hint(hint))
    }

    /// What was measured of the SLO at `index` of the set.
    pub(super) fn measured(&self, index: usize) -> &Measured {
        &self.measured[index]
    }

    /// An attribute that no event has and that a condition of `slo` reads.
    fn unknown(
        &self,
        unknown: &UnknownAttribute,
        slo: &Slo,
        objective: Option<usize>,
        events: Place,
    ) -> Fault {
        let name = &unknown.attribute;
        let message = format!("no event has the attribute `{name}`, which `{}` reads", slo.name);
        let near = unknown.near.first().map(|near| format!("did you mean `{near}`? "));
        let hint =
            format!("{}if it may be absent: events optional {name} …", near.unwrap_or_default());
        let mut problem = Problem::script(events, message.clone()).hint(hint);
        problem.detail = place_of(slo, objective, name).and_then(|(part, within)| {
            let about = format!("`{name}` is read here");
            let origins = &self.set.origins;
            let shown = origins.diagnostic(&slo.name, part, within, Level::Error, about, None);
            shown.map(|diagnostic| render(&[diagnostic]))
        });
        problem
    }

    /// Counts the events of all `events` statements in one pass each.
    fn count(&mut self, directory: &Path, steps: &[&Step]) -> Result<(), Fault> {
        let expected = expected(steps);
        let steps: Vec<&EventsStep> = steps
            .iter()
            .filter_map(|step| if let Step::Events(events) = step { Some(events) } else { None })
            .collect();
        let Some(first) = steps.first() else { return Ok(()) };
        let place = first.content.place;
        let times = Times { from: None, to: None, at: None, now: Timestamp::MAX };
        let broken = |error: anyhow::Error| Problem::script(place, format!("{error:#}"));
        let mut plan = Plan::new(&self.set, times).map_err(broken)?;
        let mut optional: Vec<&str> = Vec::new();
        for step in &steps {
            let projection = Projection::Only(plan.tallier.attributes());
            events(directory, step, projection, &mut |batch| {
                let added = plan.tallier.add(&batch);
                added.map_err(|error| Problem::script(step.content.place, error.to_string()))
            })?;
            optional.extend(step.optional.iter().map(String::as_str));
        }
        for unknown in plan.tallier.unknown_attributes(&[]) {
            if optional.contains(&unknown.attribute.as_str()) {
                continue;
            }
            let mut read_by = unknown.slis.iter().map(|sli| plan.sli(*sli));
            let own =
                read_by.find(|(slo, _)| expected.contains(&self.set.slos[*slo].name.as_str()));
            if let Some((slo, objective)) = own {
                return Err(self.unknown(&unknown, &self.set.slos[slo], objective, place));
            }
        }
        for (sli, _, error) in plan.tallier.faults() {
            let slo = &self.set.slos[plan.sli(sli).0].name;
            if expected.contains(&slo.as_str()) {
                let hint = error.hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
                let message = format!("SLO `{slo}`: {}{hint}", error.message);
                return Err(Problem::script(place, message));
            }
        }
        let width = plan.tallier.slot_width();
        let (slos, _, measured) = plan.finish(&self.set);
        let indices: Vec<Option<usize>> = slos
            .iter()
            .map(|slo| self.set.slos.iter().position(|own| own.name == slo.name))
            .collect();
        for (index, measurements) in indices.into_iter().zip(measured) {
            let Some(index) = index else { continue };
            for (slot, measurement) in self.measured[index].indicators.iter_mut().zip(measurements)
            {
                let series = |tallies| Series::new(width, tallies).map_err(|e| broken(e.into()));
                slot.total = series(measurement.total)?;
                for (slice, tallies) in measurement.slices {
                    slot.slices.push((slice, series(tallies)?));
                }
                if let Some(extent) = slot.total.extent() {
                    self.extent = Some(union(self.extent, extent));
                }
            }
        }
        Ok(())
    }

    /// Adds slot tallies that the script spells out.
    fn add(&mut self, step: &SeriesStep) -> Result<(), Fault> {
        let index = self.slo(&step.slo)?;
        let slo = &self.set.slos[index];
        let objective = step.selector.objective.as_ref();
        let indicator = match objective {
            Some(given) => super::expect::objective_index(slo, given)?,
            None => 0,
        };
        let place = objective.map_or(step.place, |given| given.place);
        let indicators = &mut self.measured[index].indicators;
        if let Some(given) = objective.filter(|_| indicators.len() == 1) {
            return Err(Problem::script(given.place, "all objectives share one indicator")
                .hint("leave `objective` out: the series is for all of them"));
        }
        if objective.is_none() && indicators.len() > 1 {
            return Err(Problem::script(step.slo.place, "each objective has its own indicator")
                .hint("say which the series is for: series NAME objective 1 every …"));
        }
        if let Some(composite) = step.selector.composite {
            return Err(Problem::script(composite, "a composite is measured by its objectives"));
        }
        let broken = |error: flyball_budget::BudgetError| Problem::script(place, error.to_string());
        let mut slot = Slot::of(step.from, step.width);
        let mut tallies = Vec::new();
        for run in &step.runs {
            let count = i64::try_from(run.count).unwrap_or(i64::MAX);
            if let Some(tally) = run.tally {
                tallies.extend((0..count).map(|offset| (Slot(slot.0 + offset), tally)));
            }
            slot = Slot(slot.0.saturating_add(count));
        }
        let end = slot.interval(step.width).start();
        let extent = Interval::new(step.from, end.max(step.from)).map_err(|e| broken(e.into()))?;
        self.extent = Some(union(self.extent, extent));
        let series = Series::new(step.width, tallies).map_err(broken)?;
        let indicator = &mut indicators[indicator];
        if let Some(slice) = &step.selector.slice {
            match indicator.slices.iter_mut().find(|(own, _)| own.to_string() == slice.text) {
                Some((_, own)) => *own = join(own, &series).map_err(broken)?,
                None => indicator.slices.push((labelled(&slice.text), series.clone())),
            }
        }
        indicator.total = join(&indicator.total, &series).map_err(broken)?;
        Ok(())
    }
}

/// The slice that a test calls so. What it is a slice by does not matter to a test, so the whole
/// label stands for the value of one attribute.
fn labelled(label: &str) -> Slice {
    let named = |value: Option<String>| Slice::Of(vec![(String::new(), value)]);
    [Slice::Overflow, named(None)]
        .into_iter()
        .find(|slice| slice.to_string() == label)
        .unwrap_or_else(|| named(Some(label.to_owned())))
}

/// The SLOs that something is expected of: what the conditions of others read may be absent from
/// the events of this test.
fn expected<'s>(steps: &[&'s Step]) -> Vec<&'s str> {
    let slo = |step: &&'s Step| match *step {
        Step::Expect(expect) => Some(expect.slo.text.as_str()),
        _ => None,
    };
    steps.iter().filter_map(slo).collect()
}

/// The indicators of an SLO before anything was measured.
fn unmeasured(slo: &Slo) -> Measured {
    let has_own = slo.objectives.iter().any(|objective| objective.indicator.is_some());
    let count = if has_own { slo.objectives.len() } else { 1 };
    let empty = || IndicatorSeries {
        total: Series::empty(flyball_budget::report::slot_width(slo, Duration::from_minutes(1))),
        slices: Vec::new(),
    };
    Measured { indicators: (0..count).map(|_| empty()).collect() }
}

fn union(known: Option<Interval>, more: Interval) -> Interval {
    let Some(known) = known else { return more };
    let (start, end) = (known.start().min(more.start()), known.end().max(more.end()));
    Interval::new(start, end).unwrap_or(known)
}

/// Both series in the wider of their slots.
fn join(own: &Series, more: &Series) -> Result<Series, flyball_budget::BudgetError> {
    if own.is_empty() {
        return Ok(more.clone());
    }
    let width = own.width().max(more.width());
    own.coarsen(width)?.merge(&more.coarsen(width)?)
}

/// Loads the documents of all `slo` statements together, as references may lead between them.
fn documents(file: &Path, directory: &Path, steps: &[&Step]) -> Result<SpecSet, Fault> {
    let mut sources = Vec::new();
    let mut place = None;
    for step in steps {
        let Step::Slo(content) = step else { continue };
        place.get_or_insert(content.place);
        match &content.what {
            What::File(path) => {
                let read = flyball_catalog::read_sources(&[directory.join(path)]);
                sources.extend(read.map_err(|e| Problem::script(content.place, format!("{e:#}")))?);
            }
            What::Text(text) => {
                // Blank lines before it, so that faults point into the script.
                let above = "\n".repeat(content.place.line - 1);
                sources.push(Source::new(file.display().to_string(), format!("{above}{text}")));
            }
        }
    }
    let (set, diagnostics) = flyball_catalog::load(&sources);
    let errors: Vec<Diagnostic> = diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    if errors.is_empty() {
        return Ok(set);
    }
    let message = match errors.len() {
        1 => "an SLO document has an error".to_owned(),
        count => format!("the SLO documents have {count} errors"),
    };
    let mut problem = Problem::script(place.unwrap_or_default(), message);
    problem.detail = Some(render(&errors));
    Err(problem)
}

type Sink<'a> = dyn FnMut(RecordBatch) -> Result<(), Fault> + 'a;

/// Passes the events of one statement to `sink`.
fn events(
    directory: &Path,
    step: &EventsStep,
    projection: Projection,
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    let place = step.content.place;
    let mapping = Mapping::parse(step.map.iter().map(|token| token.text.as_str()))
        .map_err(|error| at(step.map.first().map_or(place, |token| token.place), &error))?;
    let format = match &step.format {
        None => None,
        Some(given) => Format::parse(&given.text).map_err(|error| at(given.place, &error))?,
    };
    let options = ReadOptions {
        format,
        projection,
        mapping: Arc::new(mapping),
        time_rule: TimeRule::Required,
        service: step.service.clone(),
        strict: true,
        threads: 1,
    };
    match &step.content.what {
        What::File(path) => {
            let pattern = directory.join(path).display().to_string();
            let inputs = expand(&[pattern]).map_err(|error| at(place, &error))?.inputs;
            let mut failed = None;
            read(&inputs, &options, &mut |_| {}, &mut |batch| match sink(batch) {
                Ok(()) => ControlFlow::Continue(()),
                Err(problem) => {
                    failed = Some(problem);
                    ControlFlow::Break(())
                }
            })
            .map_err(|error| at(place, &error))?;
            failed.map_or(Ok(()), Err)
        }
        What::Text(text) => inline(text, place, options, sink),
    }
}

/// Decodes events that stand in the script itself.
fn inline(
    text: &str,
    place: Place,
    options: ReadOptions,
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    let head = &text.as_bytes()[..text.len().min(HEAD_BYTES)];
    let Some(format) = options.format.or_else(|| Format::detect("", head)) else {
        return Err(Problem::script(place, "cannot tell the format of these events")
            .hint("name it: events format combined <<END"));
    };
    let mut batch =
        BatchBuilder::new(options.projection, options.mapping, options.time_rule, options.service);
    let mut decoded = Decoded::default();
    match format.codec() {
        Codec::Lines { header, new, .. } => {
            let (head, lines) = match text.split_once('\n') {
                Some((head, lines)) if header => (head, lines),
                _ if header => (text, ""),
                _ => ("", text),
            };
            new(head.as_bytes()).decode(lines.as_bytes(), &mut batch, &mut decoded);
            // The header is a line of the script too.
            let before = Decoded { lines: u64::from(header), ..Decoded::default() };
            let rest = std::mem::replace(&mut decoded, before);
            decoded.append(rest);
        }
        Codec::Stream(mut codec) => {
            let mut passed = Ok(());
            let mut flush = |batch: &mut BatchBuilder| {
                passed = sink(batch.finish());
                passed.is_ok()
            };
            let mut bytes = Cursor::new(text.as_bytes());
            let read = codec.decode(&mut bytes, &mut batch, &mut decoded, &mut flush);
            read.map_err(|error| at(place, &error))?;
            passed?;
        }
        Codec::Seekable(_) => {
            return Err(Problem::script(place, "events of this format need a file of their own"));
        }
    }
    if let Some((reason, example)) = decoded.rejects.first() {
        let line = place.line + usize::try_from(example.line).unwrap_or(1) - 1;
        let column = example.column.and_then(|column| usize::try_from(column).ok()).unwrap_or(1);
        let place = Place { line, column, length: 1 };
        return Err(Problem::script(place, format!("this event cannot be read: {reason}")));
    }
    sink(batch.finish())
}

fn at(place: Place, error: &dyn std::fmt::Display) -> Fault {
    let text = error.to_string();
    match split_hint(&text) {
        (message, Some(hint)) => Problem::script(place, message).hint(hint),
        (message, None) => Problem::script(place, message),
    }
}
