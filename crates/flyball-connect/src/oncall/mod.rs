//! On call in the formats of calendars (RFC 5545): shifts out, holidays in.
//!
//! What is written is made here and not by the library that reads: that one puts the time of its own
//! clock and random ids into alarms, and the same shifts are to be the same bytes.

mod holidays;
mod shifts;

pub use holidays::{HOLIDAYS_BYTES_MAX, HolidaysError, HolidaysRead, holidays};
pub use shifts::{REMINDERS_MAX, ShiftCalendar, shifts};
