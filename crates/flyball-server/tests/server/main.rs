//! The server over real sockets: what is acknowledged, what is counted, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod annotations;
mod approvals;
mod asked;
mod auth;
mod blamed;
mod came_back;
mod changes;
mod compressed;
mod contract;
mod counted;
mod custody;
mod definitions;
mod delivery;
mod drills;
mod exempted;
mod failing;
mod gate;
mod harness;
mod incidents;
mod ingest;
mod money;
mod oncall;
mod payloads;
mod people;
mod pipelines;
mod probes;
mod remote_write;
mod restart;
mod restores;
mod retention;
mod reviews;
mod risks;
mod routes;
mod services;
mod stored;
mod streams;
mod tls;
mod verdicts;
mod watched;
mod year;
