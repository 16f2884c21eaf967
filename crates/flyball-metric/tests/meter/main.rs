//! The meter from outside: against hand-made cases, a naive count, and crashes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod cases;
mod crash;
mod documents;
mod naive;
mod support;
