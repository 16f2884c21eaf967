//! Until when a service's team is paid.

use flyball_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::ServiceSpec;

/// How many days before its end funding is told to end: a quarter, in which a budget can still be asked for.
pub const FUNDING_NOTICE: i64 = 90;

/// Whether a service's team is paid, on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "funding", rename_all = "snake_case")]
pub enum Funding {
    /// Nobody says until when: nobody may be paying.
    Unknown,
    /// It is, and for longer than [`FUNDING_NOTICE`].
    Lasts {
        /// The last day.
        #[serde(with = "crate::policy::read::date")]
        until: Date,
    },
    /// It is, and not for long.
    Ends {
        /// The last day.
        #[serde(with = "crate::policy::read::date")]
        until: Date,
    },
    /// It is not any more.
    Ended {
        /// The last day that it was.
        #[serde(with = "crate::policy::read::date")]
        last: Date,
    },
}

impl Funding {
    /// What `spec` says of `today`; its last day is still paid.
    pub fn of(spec: &ServiceSpec, today: Date) -> Self {
        let Some(until) = spec.funded_until else { return Self::Unknown };
        let notice: Span = FUNDING_NOTICE.days();
        if until < today {
            return Self::Ended { last: until };
        }
        // Past the end of the calendar everything that is paid lasts.
        let is_near = today.checked_add(notice).is_ok_and(|near| until < near);
        if is_near { Self::Ends { until } } else { Self::Lasts { until } }
    }
}

/// The day of `at`, in UTC: budgets of money have no time zone.
pub fn day(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(TimeZone::UTC).date()
}
