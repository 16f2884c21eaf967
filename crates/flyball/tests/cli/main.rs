//! The command line, as a user meets it.

mod replay;
mod run;
mod slo;
