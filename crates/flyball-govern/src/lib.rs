//! Decisions that follow from a service's budget, as pure functions: who is told of what, what a
//! change did, whether the next one may ship, how a team delivers.
//!
//! Nothing here reads a clock, a file or a source of randomness: time and seeds come in as
//! arguments, and what is decided is carried out elsewhere (I7).

pub mod alert;
pub mod delivery;
pub mod drill;
pub mod friction;
pub mod gate;
pub mod incident;
pub mod policy;
pub mod restore;
pub mod review;
pub mod service;
pub mod verdict;
pub mod warranty;
