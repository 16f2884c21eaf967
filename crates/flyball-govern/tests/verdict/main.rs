//! Verdicts against published cases, a second implementation and seeded traffic whose truth is known.

#[path = "../../examples/verdict_rates/traffic.rs"]
mod traffic;

mod published;
mod tallies;
