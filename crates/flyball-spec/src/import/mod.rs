//! Formats of other tools, read into the model.
//!
//! Their queries stay what they are, opaque to us; what has no counterpart here is a warning.

pub(crate) mod backstage;
pub(crate) mod prometheus;
pub(crate) mod pyrra;
pub(crate) mod sloth;
