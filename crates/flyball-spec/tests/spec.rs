//! Conformance with documents that others labelled, and properties of reading and writing.

#[path = "spec/conformance.rs"]
mod conformance;
#[path = "spec/imports.rs"]
mod imports;
