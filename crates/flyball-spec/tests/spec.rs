//! Conformance with documents that others labelled, and properties of reading and writing.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data is to fail")]

#[path = "spec/backstage.rs"]
mod backstage;
#[path = "spec/conformance.rs"]
mod conformance;
#[path = "spec/deviations.rs"]
mod deviations;
#[path = "spec/docs.rs"]
mod docs;
#[path = "spec/extensions.rs"]
mod extensions;
#[path = "spec/imports.rs"]
mod imports;
#[path = "spec/mistakes.rs"]
mod mistakes;
#[path = "spec/robust.rs"]
mod robust;
#[path = "spec/shape.rs"]
mod shape;
