//! Slices of metric SLIs: the values of labels that get a budget of their own.

use flyball_model::{MetricQuery, SLICE_LIMIT_DEFAULT, SLICE_LIMIT_MAX, Slice};

use crate::error::MetricError;
use crate::matcher::value;

/// The most labels that slices are kept by: each multiplies the slices. As for events.
const BY_MAX: usize = 8;

/// By which labels slices are kept, and how many.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Slicing {
    by: Vec<String>,
    /// The most slices; what is met beyond them is kept together.
    pub(crate) most: usize,
}

impl Slicing {
    /// What `by` and `sliceLimit` beside the query say; no slices where there is no `by`.
    ///
    /// # Errors
    ///
    /// [`MetricError::Slices`].
    pub(crate) fn read(query: &MetricQuery) -> Result<Self, MetricError> {
        let spec: serde_json::Value = serde_json::from_str(&query.spec).unwrap_or_default();
        let wrong = |said: &str| MetricError::Slices { said: said.to_owned() };
        let labels = match spec.get("by") {
            None => return Ok(Self::default()),
            Some(by) => by.as_array().ok_or_else(|| wrong("`by` has to be a list of labels"))?,
        };
        let mut by: Vec<String> = Vec::with_capacity(labels.len());
        for label in labels {
            let label = label.as_str().filter(|label| !label.is_empty());
            let label = label.filter(|label| by.iter().all(|known| known != label));
            let label = label.ok_or_else(|| wrong("each label of `by` has to be named once"))?;
            by.push(label.to_owned());
        }
        if by.len() > BY_MAX {
            return Err(wrong(&format!("`by` has more than {BY_MAX} labels")));
        }
        let most = match spec.get("sliceLimit") {
            None => SLICE_LIMIT_DEFAULT,
            Some(limit) => limit
                .as_u64()
                .and_then(|limit| u32::try_from(limit).ok())
                .filter(|limit| (1..=SLICE_LIMIT_MAX).contains(limit))
                .ok_or_else(|| wrong(&format!("`sliceLimit` is 1 to {SLICE_LIMIT_MAX}")))?,
        };
        Ok(Self { by, most: usize::try_from(most).unwrap_or(usize::MAX) })
    }

    /// The slice that a series with `labels` belongs to; `None` where none are kept. A label that the
    /// series does not have is a value of its own.
    pub(crate) fn slice_of(&self, labels: &[(String, String)]) -> Option<Slice> {
        if self.by.is_empty() {
            return None;
        }
        let of = |label: &String| {
            let value = value(labels, label);
            (label.clone(), (!value.is_empty()).then(|| value.to_owned()))
        };
        Some(Slice::Of(self.by.iter().map(of).collect()))
    }
}
