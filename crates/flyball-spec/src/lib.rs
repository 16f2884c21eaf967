//! Text to model and back: OpenSLO, Flyball's own kinds, Sloth, Pyrra and catalogues of Backstage.
//!
//! [`load`] takes the texts of any number of files and gives a [`SpecSet`] with a list of
//! [`Diagnostic`]s, each with file, line, column, field and a hint. Reading never stops at the
//! first fault and never panics; every input is bounded in size, depth and what aliases expand to.
//!
//! [`Settings`] are read from files of the same language, with the same care.
//!
//! This crate reads no files, no clock and no SQL: conditions of event SLIs stay text, and
//! [`Origins`] lets whoever compiles them point into the YAML.

mod decode;
mod diagnostic;
mod extension;
mod format;
mod import;
mod indicator;
mod inline;
mod lint;
mod load;
mod openslo;
mod origin;
mod own;
mod recurrence;
mod resolve;
mod session;
mod set;
mod settings;
mod source;
mod split;
mod write;
mod yaml;

pub use diagnostic::{DIAGNOSTICS_MAX, Diagnostic, ELSEWHERE, Excerpt, Level, render, split_hint};
pub use format::format;
pub use inline::{Referred, export, inline};
pub use lint::{lint, lint_slo};
pub use load::load;
pub use origin::{Origins, Part};
pub use set::{
    AlertStrategy, Alerting, Beside, Governing, GoverningKind, Incomplete, Service, SpecSet,
};
pub use settings::{Setting, SettingValue, Settings};
pub use source::{SOURCE_BYTES_MAX, Source, Span};
pub use split::{Document, split};
pub use write::{WriteError, write};
