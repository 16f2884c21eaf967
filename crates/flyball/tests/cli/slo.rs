//! `flyball slo`.

mod documents;
mod slotest;
mod suggest;

use std::path::Path;

use crate::run::{Ran, flyball};

/// Runs `flyball slo` with `args` in `directory`.
fn slo(directory: &Path, args: &[&str]) -> Ran {
    flyball(directory, &[&["slo"], args].concat())
}
