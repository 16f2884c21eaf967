//! Verdicts against published cases, a second implementation and seeded traffic whose truth is known.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../examples/verdict_rates/traffic.rs"]
mod traffic;

#[path = "../../examples/verdict_rates/peers.rs"]
mod peers;

mod beside_others;
mod published;
mod tallies;
