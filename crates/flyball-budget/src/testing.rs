//! What the unit tests of this crate share.

use flyball_model::{Duration, Objective, Rational, Slot, Tally, Target};

use crate::series::Series;

/// An objective of `target` with nothing else set.
pub(crate) fn objective(target: &str) -> Objective {
    Objective {
        display_name: None,
        target: Target::new(Rational::parse(target).unwrap()).unwrap(),
        threshold: None,
        indicator: None,
        weight: Rational::ONE,
        timeslice_target: None,
        timeslice_window: None,
    }
}

/// One-minute slots from the epoch on, each (valid, bad).
pub(crate) fn series_of_minutes(tallies: &[(u64, u64)]) -> Series {
    series(Duration::from_minutes(1), tallies)
}

/// Slots of `width` from the epoch on, each (valid, bad).
pub(crate) fn series(width: Duration, tallies: &[(u64, u64)]) -> Series {
    let slots = tallies.iter().enumerate().map(|(index, (valid, bad))| {
        let slot = Slot(i64::try_from(index).unwrap());
        (slot, Tally::new(*valid, valid - bad).unwrap())
    });
    Series::new(width, slots).unwrap()
}
