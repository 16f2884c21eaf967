//! SLO documents made ready to be evaluated: read from files, rules filled in, conditions compiled.
//!
//! `flyball-spec` knows documents and no SQL, `flyball-query` knows SQL and no documents; here
//! they meet, so that what is wrong with a condition is shown in the document that holds it. A
//! [`Catalog`] is a set of documents in which everything that is counted has a number.
//!
//! This crate counts nothing and decides nothing.

mod alert_rules;
mod attributes;
mod catalog;
mod condition;
mod faults;
mod governance;
mod load;
mod sources;

pub use alert_rules::{alert_rules, decimals, left_out};
pub use attributes::{missing_attributes, place_of};
pub use catalog::{Catalog, Counted, CountedBy, NotCounted};
pub use condition::{condition, conditions, event_slis, unfit_conditions};
pub use faults::faults;
pub use governance::{Governance, governance, policy_test};
pub use load::{DEFAULT_ALERTING, load};
pub use sources::{SourcesError, read_sources, source};
