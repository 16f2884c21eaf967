//! The rows of the table of all objectives, alike in every form.

use flyball_budget::Status;
use flyball_budget::report::{Assessment, CompositeReport, SliceReport, SloReport};
use flyball_model::Target;

use super::words;

/// One promise, or a component of one.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The SLO's place in the report, from 1.
    pub(super) number: usize,
    pub(super) slo: &'a SloReport,
    /// Which of the SLO's promises this is; empty for the only one.
    pub(super) part: String,
    pub(super) status: Status,
    pub(super) sli: Option<f64>,
    pub(super) target: Option<f64>,
    /// The target as it is written.
    pub(super) target_text: String,
    pub(super) remaining_share: Option<f64>,
    /// Counts, burns and forecast; a weighted whole has none of its own.
    pub(super) total: Option<&'a Assessment>,
    pub(super) slices: &'a [SliceReport],
}

impl Row<'_> {
    /// The SLO's name and the part.
    pub(super) fn name(&self) -> String {
        match self.part.as_str() {
            "" => self.slo.slo.clone(),
            part => format!("{} · {part}", self.slo.slo),
        }
    }

    /// The share of good; a dash for nothing.
    pub(super) fn sli_text(&self) -> String {
        self.sli.map_or_else(|| "–".to_owned(), |sli| words::percent_down(sli, 4))
    }
}

/// The rows of `slos` in their order, each composite before its components.
pub(super) fn rows<'a>(slos: &'a [SloReport]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (at, slo) in slos.iter().enumerate() {
        let number = at + 1;
        let assessed = |part, target: Target, total: &'a Assessment, slices| Row {
            number,
            slo,
            part,
            status: total.status,
            sli: total.budget.sli,
            target: Some(target.share().to_f64()),
            target_text: target.to_string(),
            remaining_share: total.budget.remaining_share,
            total: Some(total),
            slices,
        };
        match &slo.composite {
            Some(CompositeReport::AllOf(whole)) => {
                rows.push(assessed("as a whole".to_owned(), whole.target, &whole.total, &[]));
            }
            Some(CompositeReport::Weighted(whole)) => rows.push(Row {
                number,
                slo,
                part: "as a whole".to_owned(),
                status: whole.status,
                sli: whole.sli,
                target: whole.target,
                target_text: whole
                    .target
                    .map_or_else(|| "–".to_owned(), |target| words::percent_down(target, 4)),
                remaining_share: whole.remaining_share,
                total: None,
                slices: &[],
            }),
            None => {}
        }
        for (at, objective) in slo.objectives.iter().enumerate() {
            let name = match &objective.name {
                Some(name) if slo.objectives.len() > 1 => Some(name.clone()),
                None if slo.objectives.len() > 1 => Some((at + 1).to_string()),
                _ => None,
            };
            let part = match (&slo.composite, name) {
                (Some(_), Some(name)) => format!("component {name}"),
                (Some(_), None) => "component".to_owned(),
                (None, name) => name.unwrap_or_default(),
            };
            rows.push(assessed(
                part,
                objective.target,
                &objective.total,
                objective.slices.as_slice(),
            ));
        }
    }
    rows
}
