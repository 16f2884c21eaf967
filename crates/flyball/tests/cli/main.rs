//! The command line, as a user meets it.

#![expect(clippy::print_stdout, reason = "a campaign says how far it is")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod apply;
mod bounds;
mod change;
mod clients;
mod crash;
mod documents;
mod drill;
mod drill_guard;
mod gate;
mod hostile;
mod html;
mod incident;
mod inputs;
mod live;
mod oncall;
mod pages;
mod process;
mod query;
mod replay;
mod restore;
mod risk;
mod run;
mod schema;
mod service;
mod settings;
mod site;
mod slices;
mod slo;
mod soak;
mod token;
mod verdict;
