//! The server over real sockets: what is acknowledged, what is counted, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod contract;
mod definitions;
mod harness;
mod ingest;
mod probes;
mod restart;
mod stored;
mod tls;
