//! The command line, as a user meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod hostile;
mod html;
mod inputs;
mod live;
mod process;
mod query;
mod replay;
mod run;
mod schema;
mod settings;
mod slices;
mod slo;
mod token;
mod verdict;
