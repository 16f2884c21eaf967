//! Who carries the pager: rotas and their exceptions, escalation, load and pay.
//!
//! A [`Rota`] has layers; each is a rotation through some of its members. [`Rota::on_call`] says who is
//! there at an instant, [`Rota::shifts`] over a stretch of time, both with the [`Exceptions`] that people
//! have made. What somebody cannot be asked for (days of rest, holidays, hours outside their own) is
//! skipped, and made up for later within one turn. An [`Escalation`] says who is called after whom,
//! a [`Call`] is one trouble on its way along it, and a [`Switchboard`] knows which service is whose.
//!
//! All is computed from documents and records: nothing is drawn, stored or sent, and no clock is read.
//! A rota that is changed answers differently about its past; what was served, its [`Past`] says.

mod coverage;
mod document;
mod escalation;
mod exception;
mod fair;
mod holidays;
mod layer;
mod load;
mod past;
mod pay;
mod roster;
mod rotation;
mod spans;
mod switchboard;
mod weekly;

#[cfg(test)]
mod tests;

pub use coverage::{Coverage, Doubled, Effect, Gap};
pub use document::{
    CALENDARS_MAX, Carries, Duty, HOLIDAYS_MAX, HOURS_MAX, LAYERS_MAX, LayerSpec, MEMBERS_MAX,
    MemberSpec, NAME_BYTES_MAX, Paid, Rota, RotaSpec, Side,
};
pub use escalation::{
    Call, CallError, CallStep, Escalation, EscalationSpec, HandOffs, LEVELS_MAX, Moved,
    REPEATS_MAX, SERVICES_MAX, SupportLevel, Taken, is,
};
pub use exception::{
    EXCEPTION_LONGEST, ExceptionError, Exceptions, FIXED_SHIFTS_MAX, FixedShift, Made, Override,
    Swap, SwapEnd, SwapHow, TemporarySchedule,
};
pub use holidays::{Holiday, HolidayCalendar};
pub use load::{
    CallOut, EVENTS_MAX, Load, OPERATIONS_SHARE_MAX, PersonLoad, ShiftLoad, SideLoad, WATCH,
};
pub use past::Past;
pub use pay::{PayLine, PaySheet, Unpaid, UnpaidReason};
pub use roster::{Absence, Answer, By, OnCall, SHIFTS_LONGEST, Shift};
pub use rotation::{Rotation, TurnUnit};
pub use switchboard::{Switchboard, WAIT_USUAL};
pub use weekly::{Clock, Day, Weekly};
