//! Predicates and SQL over event batches; the only crate that names DataFusion.
//!
//! A predicate is a SQL boolean expression over attribute names. It is parsed once into a set that
//! all SLOs share ([`PredicateSet`]), so that a term met in a thousand SLOs is evaluated once per
//! batch. [`Tallier`] turns batches into tallies per slot; [`sql`] runs whole queries.
//!
//! This crate reads no files itself (it is given batches, or a way to scan them) and keeps no
//! ledger beyond the run.

mod coerce;
mod compare;
mod error;
mod leaf;
mod names;
mod outline;
mod predicate;
pub mod sql;
mod tally;
mod truth;
mod value;

pub use error::{PredicateError, QueryError};
pub use names::{listed, near_matches};
pub use outline::Outline;
pub use predicate::{PredicateId, PredicateSet};
pub use tally::{
    Gained, Measurement, SliPart, SlotLadder, Tallier, TallyOptions, UnknownAttribute,
};
