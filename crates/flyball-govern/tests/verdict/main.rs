//! Verdicts against published cases, a second implementation and seeded traffic whose truth is known;
//! alerts over whatever can happen.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../examples/verdict_rates/traffic.rs"]
mod traffic;

#[path = "../../examples/verdict_rates/peers.rs"]
mod peers;

#[path = "../alerts/mod.rs"]
mod alerts;

mod beside_others;
mod published;
mod tallies;
