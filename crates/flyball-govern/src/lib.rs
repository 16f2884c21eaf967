//! Decisions that follow from a service's budget, as pure functions: who is told of what, what a
//! change did, whether the next one may ship, how a team delivers, what risks and support cost.
//!
//! Nothing here reads a clock, a file or a source of randomness: time and seeds come in as
//! arguments, and what is decided is carried out elsewhere (I7).

/// Who acts where nobody asked for it: the server by itself, in audit logs and records.
pub const SERVER: &str = "server";

pub mod alert;
pub mod catalogue;
pub mod checklist;
pub mod custody;
pub mod delivery;
mod draws;
pub mod drill;
pub mod evidence;
pub mod friction;
pub mod gate;
pub mod hours;
pub mod incident;
pub mod money;
pub mod oncall;
pub mod policy;
pub mod restore;
pub mod review;
pub mod risk;
pub mod service;
pub mod verdict;
pub mod warranty;
