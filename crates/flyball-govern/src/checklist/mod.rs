//! Checklists, and reviews that go through them: launch, production, hand-off, and reviews of SLOs.
//!
//! A [`Checklist`] is a document with versions. Its items are answered by a person with evidence, or *live*: by
//! a criterion over what is known of the service. A [`Review`] is one going-through by a service: answers,
//! waivers that expire, signatures. [`Checklist::assess`] says where it stands; nothing passes for want of data.
//!
//! What to change about an SLO is for the decision table of [`crate::review`] to say.

mod assess;
mod document;
mod error;
mod ready;
mod review;

pub use assess::{Assessment, Control, ItemOutcome, ItemStanding};
pub use document::{
    Asks, Checklist, ChecklistSpec, Heading, ITEMS_MAX, Item, ItemSeverity, Learnt, Stage,
    WaiverRule,
};
pub use error::ReviewError;
pub use ready::{HAND_OFF, LAUNCH, PRODUCTION, READY, SLO_REVIEW};
pub use review::{
    Answer, ReportedBy, Review, ReviewSignature, ReviewState, Standing, WAIVER_LONGEST, Waiver,
    approved,
};

#[cfg(test)]
mod tests;
