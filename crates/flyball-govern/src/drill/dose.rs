//! How much a drill may spend, and how long it lasts for that.
//!
//! In whole bad events: the surplus is what a budget has left above the reserve, or a contract that counts the same
//! events when that has less; the dose is the surplus, or the share of the budget that the document allows when that is
//! less. It lasts
//! `dose / (arrivals × blast radius × share that goes bad)`, at most as long as the document allows. Every division
//! rounds down: a drill never spends more than it may.
//!
//! Time is counted like events, one a second: at 99.99 % a quarter of 90 days allows 777 bad seconds and a
//! planned outage of 12.95 minutes, where 12.96 is the unrounded number.
//!
//! Source: Site Reliability Engineering, chapter 4: in any quarter in which true failure has not dropped availability
//! below the target, a controlled outage is synthesised, so that the service meets its SLO and does not
//! significantly exceed it.

use flyball_model::{Duration, Rational, Tally, Target};

use super::document::{Drill, LASTS_SHORTEST};

/// A budget, as it will be when its window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    /// What was counted in the window.
    pub counted: Tally,
    /// Valid events that are still expected in it: zero in a rolling window, which is always whole.
    pub to_come: u64,
    /// What is promised.
    pub target: Target,
}

/// A contract that counts the events that a drill makes bad, as it stands in its own window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// What it is called, and whom it is made with.
    pub name: String,
    /// What was counted in its window.
    pub counted: Tally,
    /// What it promises.
    pub target: Target,
}

/// What holds a dose to what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "bound", rename_all = "snake_case")]
pub enum Bound {
    /// The share of the budget that its document lets it spend.
    Share,
    /// What the budget has left above the reserve.
    Budget,
    /// What a contract has left above the reserve.
    Contract {
        /// What it is called, and whom it is made with.
        name: String,
    },
}

/// How fast valid events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arriving {
    /// So many.
    pub valid: u64,
    /// In this time.
    pub per: Duration,
}

/// What a drill may spend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dose {
    /// Bad events, at most.
    pub bad: u64,
    /// The events that may go bad in the whole window.
    pub allowed: u64,
    /// What is left above the reserve: of those, or of what a contract allows when that is less.
    pub surplus: u64,
    /// What holds it to that many.
    #[serde(rename = "bound_by")]
    pub bound: Bound,
    /// How long it lasts for that, in whole seconds.
    pub lasts: Duration,
    /// Whether its length is cut to what the document allows, so that it spends less than the dose.
    pub is_cut: bool,
}

/// Why there is no dose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NoDose {
    /// Nothing was counted, or nothing arrives.
    #[error("there is no data, and no data is not health; hint: wait until events are counted")]
    NoData,
    /// True failures have spent it.
    #[error("{}", none_left(*bad, *allowed, *reserved, of))]
    NoSurplus {
        /// Bad events.
        bad: u64,
        /// Events that may go bad.
        allowed: u64,
        /// What is reserved of them.
        reserved: u64,
        /// Of the budget, or of a contract.
        of: Bound,
    },
    /// It would be over before anybody sees it.
    #[error(
        "{bad} bad events are spent in less than {LASTS_SHORTEST}; hint: reach fewer users with `blastRadius`"
    )]
    TooShort {
        /// The bad events of the dose.
        bad: u64,
    },
}

/// That nothing is left to spend, and what to do about it.
fn none_left(bad: u64, allowed: u64, reserved: u64, of: &Bound) -> String {
    let (whose, target) = match of {
        Bound::Contract { name } => (format!("the contract {name}"), "the contract"),
        Bound::Share | Bound::Budget => ("the budget".to_owned(), "the SLO"),
    };
    if allowed == 0 {
        return format!(
            "{whose} lets not one event of its window go bad; hint: wait for more events, or promise less in {target}"
        );
    }
    let open = allowed - reserved.min(allowed);
    let hint = if bad < allowed {
        "wait until bad events leave its window, or lower the drill's `reserve`"
    } else {
        "wait until bad events leave its window"
    };
    format!(
        "nothing is left to spend: {whose} lets {allowed} events go bad, of which a drill may use {open} and {reserved} stay in \
         reserve, and {bad} have gone bad already; hint: {hint}"
    )
}

/// What may go bad, what of it stays, and what is left above that.
struct Left {
    allowed: u64,
    reserved: u64,
    bad: u64,
}

impl Left {
    /// Of `valid` events of which `bad` are.
    fn of(valid: u64, bad: u64, target: Target, reserve: Rational) -> Self {
        let allowed = share_of(valid, target.error_budget());
        // What is reserved is rounded up, to the harm of the drill.
        let reserved = allowed - share_of(allowed, complement(reserve));
        Self { allowed, reserved, bad }
    }

    const fn surplus(&self) -> u64 {
        self.allowed.saturating_sub(self.reserved).saturating_sub(self.bad)
    }
}

/// The dose of a drill that `budget` pays for, and which leaves each of `contracts` its reserve as well.
///
/// # Errors
///
/// [`NoDose`].
pub fn dose(
    drill: &Drill,
    budget: &Surplus,
    contracts: &[Contract],
    arriving: Arriving,
) -> Result<Dose, NoDose> {
    let spec = &drill.spec;
    if budget.counted.is_empty() || arriving.valid == 0 || arriving.per.is_zero() {
        return Err(NoDose::NoData);
    }
    let valid = budget.counted.valid().saturating_add(budget.to_come);
    let own = Left::of(valid, budget.counted.bad(), budget.target, spec.reserve);
    let allowed = own.allowed;
    let promised = contracts.iter().map(|of| {
        let left = Left::of(of.counted.valid(), of.counted.bad(), of.target, spec.reserve);
        (left, Bound::Contract { name: of.name.clone() })
    });
    // Of those that leave as much, the budget is named.
    let (least, mut bound) = promised.fold((own, Bound::Budget), |least, next| {
        if next.0.surplus() < least.0.surplus() { next } else { least }
    });
    let surplus = least.surplus();
    if surplus == 0 {
        let Left { allowed, reserved, bad } = least;
        return Err(NoDose::NoSurplus { bad, allowed, reserved, of: bound });
    }
    let share = spec.dose.map(|share| share_of(allowed, share)).filter(|share| *share < surplus);
    if share.is_some() {
        bound = Bound::Share;
    }
    let most = share.unwrap_or(surplus);
    let seconds = seconds(most, arriving, [spec.blast_radius, spec.goes_bad]);
    let lasts = Duration::from_seconds(seconds);
    if lasts < LASTS_SHORTEST {
        return Err(NoDose::TooShort { bad: most });
    }
    let is_cut = lasts > spec.longest;
    Ok(Dose { bad: most, allowed, surplus, bound, lasts: lasts.min(spec.longest), is_cut })
}

/// The whole part of a share of `count`.
fn share_of(count: u64, share: Rational) -> u64 {
    let part = u128::from(count) * u128::from(share.numerator()) / u128::from(share.denominator());
    // Shares are at most one.
    u64::try_from(part).unwrap_or(count)
}

fn complement(share: Rational) -> Rational {
    share.complement().unwrap_or(Rational::ZERO)
}

/// How many whole seconds it takes until so many events went bad: `bad × per / (valid × share)`, rounded down and held
/// at the largest 32-bit integer.
fn seconds(bad: u64, arriving: Arriving, [reached, goes_bad]: [Rational; 2]) -> u32 {
    const SECOND: u128 = 1_000_000_000;
    // Where the product has more than twelve places, all of what is reached is taken to go bad: the time is shorter.
    let share = reached.checked_mul(goes_bad).unwrap_or(reached);
    // Both products are below 2^64 × 2^64.
    let events = u128::from(bad) * u128::from(share.denominator());
    let each = u128::from(arriving.valid) * u128::from(share.numerator());
    if each == 0 {
        return u32::MAX;
    }
    let per = u128::from(arriving.per.nanos().unsigned_abs());
    let whole = (events / each).saturating_mul(per);
    let rest = (events % each).checked_mul(per).map_or(0, |scaled| scaled / each);
    u32::try_from(whole.saturating_add(rest) / SECOND).unwrap_or(u32::MAX)
}
