//! Verdicts against published cases, a second implementation and seeded traffic whose truth is known.

#[path = "../../examples/verdict_rates/traffic.rs"]
mod traffic;

#[path = "../../examples/verdict_rates/peers.rs"]
mod peers;

mod beside_others;
mod published;
mod tallies;
