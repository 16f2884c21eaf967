//! The server over real sockets: what is acknowledged, what is counted, what is refused.

mod definitions;
mod harness;
mod ingest;
mod restart;
