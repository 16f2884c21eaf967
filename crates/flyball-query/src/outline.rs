//! What attributes events have and of which types, without the events.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use flyball_events::TWIN_SUFFIX;

/// The attributes of some events, and their time, with the types that they have together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The types by attribute, for each way in which a batch had them.
    shapes: BTreeSet<Shape>,
}

/// The types of the attributes of a batch.
pub(crate) type Shape = BTreeMap<String, Held>;

/// What a batch holds of an attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// The type of its values; that of the texts where they are coded.
    pub(crate) own: Option<DataType>,
    /// Whether some events have texts that are of another type.
    pub(crate) has_others: bool,
}

impl Outline {
    /// Takes note of what `batch` has. Its rows are not looked at; there need not be any.
    pub fn add(&mut self, batch: &RecordBatch) {
        let mut shape = Shape::new();
        for field in batch.schema_ref().fields() {
            if let Some(name) = field.name().strip_suffix(TWIN_SUFFIX) {
                shape.entry(name.to_owned()).or_default().has_others = true;
                continue;
            }
            let own = match field.data_type() {
                DataType::Dictionary(_, values) => values.as_ref(),
                own => own,
            };
            shape.entry(field.name().clone()).or_default().own = Some(own.clone());
        }
        self.shapes.insert(shape);
    }

    /// The names of all attributes, and of the time; empty when there was no batch.
    pub fn names(&self) -> BTreeSet<String> {
        self.shapes.iter().flat_map(|shape| shape.keys().cloned()).collect()
    }

    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter()
    }
}
