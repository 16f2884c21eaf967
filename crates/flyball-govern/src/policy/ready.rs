//! Policies that ship, as the text of their documents.
//!
//! They are documents like any other: copied, changed, signed. Until somebody has signed them they
//! are advisory.

/// The error-budget policy of the SRE Workbook: four weeks, features wait while the budget is
/// overspent.
pub const FOUR_WEEKS: &str = include_str!("../../policies/four-weeks.yaml");

/// A budget by the quarter: once it is overspent no feature ships until SRE signs that the errors are
/// resolved, whatever the window says meanwhile.
pub const QUARTERLY: &str = include_str!("../../policies/quarterly-with-sign-off.yaml");

/// That of four weeks, stricter while others than its developers carry a service's pager.
pub const BY_CUSTODY: &str = include_str!("../../policies/by-custody.yaml");
