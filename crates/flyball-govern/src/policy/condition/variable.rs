//! What a condition may speak of.

use std::fmt;

use super::Value;

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An exact number.
    Number,
    /// Text.
    Text,
    /// A length of time, `duration("24h")`.
    Length,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Length => "a length of time",
        })
    }
}

/// A variable of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Variable {
    /// As it is written, such as `budget.remaining_share`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The only texts that it can be; empty when any text may come.
    pub words: &'static [&'static str],
    /// What it means, and when it is unknown.
    pub meaning: &'static str,
}

/// Where a variable stands in the list that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) usize);

/// Declares `Name` and `VARIABLES` side by side, so that neither can lack what the other has.
macro_rules! variables {
    ($($id:ident $name:literal $kind:ident $words:expr, $meaning:literal;)*) => {
        /// A variable, by its place in [`VARIABLES`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Name { $($id),* }

        /// Every variable, in the order of the document.
        pub const VARIABLES: &[$crate::policy::Variable] = &[
            $($crate::policy::Variable {
                name: $name,
                kind: $crate::policy::Kind::$kind,
                words: $words,
                meaning: $meaning,
            }),*
        ];

        impl From<Name> for $crate::policy::Place {
            #[inline]
            fn from(name: Name) -> Self {
                Self(name as usize)
            }
        }

        // A bit for each.
        const _: () = assert!(VARIABLES.len() <= $crate::policy::VARIABLES_MAX);
    };
}
pub(crate) use variables;

const WEEKDAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
pub(crate) const HOLDERS: &[&str] = &["developers", "shared", "sre"];
const CLASSES: &[&str] = &[
    "feature",
    "maintenance",
    "fix",
    "p0",
    "reliability",
    "security",
    "rollback",
    "kill_switch",
    "drain",
];

variables! {
    BudgetExhausted "budget.exhausted" Bool &[],
        "more is bad than the target allows in the window, exempted causes left out; unknown without fresh data";
    BudgetSpent "budget.spent_share" Number &[],
        "bad / (valid × (1 - target)) over the window, exempted causes left out; 1 is all of it";
    BudgetRemaining "budget.remaining_share" Number &[],
        "1 - budget.spent_share; negative when overspent";
    BudgetGross "budget.gross_spent_share" Number &[],
        "as budget.spent_share, with exempted causes counted";
    BudgetCoverage "budget.coverage" Number &[],
        "the share of the window that holds data, 0 to 1";
    BudgetValid "budget.valid" Number &[],
        "valid events (or slices of time) in the window";
    BudgetLargestIncident "budget.largest_incident_share" Number &[],
        "the share of the budget that the largest incident of the window has spent; unknown where nobody keeps incidents";
    BudgetSlo "budget.slo" Text &[],
        "the SLO's name";
    BudgetSlice "budget.slice" Text &[],
        "the slice's label; unknown for the budget of all events";
    ForecastExhausts "forecast.exhausts" Bool &[],
        "at the recent rate the budget will be gone, or is";
    ForecastIn "forecast.exhausts_in" Length &[],
        "how long until then, 0s when it is gone; unknown when it lasts";
    Burn5m "burn.last_5m" Number &[],
        "the burn over the last 5 minutes; unknown when nothing was valid in them";
    Burn1h "burn.last_1h" Number &[],
        "the burn over the last hour";
    Burn6h "burn.last_6h" Number &[],
        "the burn over the last 6 hours";
    Burn1d "burn.last_1d" Number &[],
        "the burn over the last 24 hours";
    Burn3d "burn.last_3d" Number &[],
        "the burn over the last 72 hours";
    CustodyHolder "custody.holder" Text HOLDERS,
        "who carries the pager";
    ReviewLaunch "review.launch" Bool &[],
        "a review of the stage `launch` stands approved";
    ReviewProduction "review.production" Bool &[],
        "a review of the stage `production` stands approved";
    ReviewHandOff "review.hand_off" Bool &[],
        "a review of the stage `hand_off` stands approved";
    IncidentsOpen "incidents.open" Number &[],
        "incidents of the service that are not resolved";
    AlertsPaging "alerts.paging" Number &[],
        "alerts of the service that page now";
    CalendarWeekday "calendar.weekday" Text WEEKDAYS,
        "the day of the week in the policy's time zone";
    CalendarHour "calendar.hour" Number &[],
        "the hour of the day there, 0 to 23";
    CalendarMonth "calendar.month" Number &[],
        "the month there, 1 to 12";
    CalendarDay "calendar.day" Number &[],
        "the day of the month there, 1 to 31";
    ChangeClass "change.class" Text CLASSES,
        "the class of the proposed change";
    ChangeEnvironment "change.environment" Text &[],
        "where it goes; unknown when not said";
    ChangeShare "change.share" Number &[],
        "the largest share of users that the rollout reaches; 1 without a rollout";
    ServiceTier "service.tier" Text &[],
        "the tier's name";
}

impl Variable {
    /// True for what a policy asks of one budget and not of the service.
    pub(crate) fn is_of_budget(&self) -> bool {
        ["budget.", "forecast.", "burn."].iter().any(|prefix| self.name.starts_with(prefix))
    }

    /// True for what changes with the clock alone.
    pub(crate) fn is_of_calendar(&self) -> bool {
        self.name.starts_with("calendar.")
    }
}

/// What is known, by variable, of those that are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    /// A bit for each variable that a condition names.
    asked: u64,
    known: Vec<Option<Value>>,
}

/// The most variables of a list: a bit for each.
pub(crate) const VARIABLES_MAX: usize = u64::BITS as usize;

impl Values {
    /// Nothing is known of what `places` ask for, and nothing else will be kept.
    pub(crate) fn unknown(places: impl IntoIterator<Item = impl Into<Place>>) -> Self {
        let places = places.into_iter().map(Into::into);
        let asked = places.fold(0_u64, |asked, Place(place)| asked | 1 << place);
        let length = u64::BITS - asked.leading_zeros();
        Self { asked, known: vec![None; length as usize] }
    }

    /// The value of what stands at `place`; `None` when unknown.
    #[inline]
    pub(crate) fn get(&self, place: impl Into<Place>) -> Option<&Value> {
        let Place(place) = place.into();
        self.known.get(place)?.as_ref()
    }

    /// Sets or forgets what stands at `place`, if it is asked for.
    #[inline]
    pub(crate) fn set(&mut self, place: impl Into<Place>, value: Option<Value>) {
        let Place(place) = place.into();
        if self.asked & 1 << place != 0 {
            self.known[place] = value;
        }
    }
}
