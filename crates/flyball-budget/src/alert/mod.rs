//! When people would have been called: alert rules over a series' history.
//!
//! A rule is looked at whenever a slot ends. What it sees can only change when a slot with data
//! enters or leaves one of its lookbacks, so only those moments are computed, and while nothing
//! bad is in sight the evaluation jumps to the next bad event.
//!
//! Conditions have three answers: true, false, and unknown when a lookback holds no valid event.
//! Unknown freezes a rule: it neither fires nor resolves, because no data is not health. There is
//! no hysteresis; what `hold` and the short lookback do is all there is.

mod evaluate;
mod evidence;
mod onset;
mod outage;
mod presets;
mod published;
mod rule;
mod watch;

pub use evaluate::{Firing, evaluate};
pub use evidence::exceeds;
pub use outage::{Outage, outage};
pub use presets::{
    Defaults, EVIDENCE_DEFAULT, burn_rate, default_rules, duration, increased_window, multi_burn,
    multi_window, strategies, target_rate,
};
pub use published::{detection, reset, spend};
pub use rule::{BURN_GRAVE, FACTOR_MIN, check, factor, low_factor};
pub use watch::{Change, Watch};

pub(crate) use rule::{Ready, ready};
pub(crate) use watch::{Look, View};
