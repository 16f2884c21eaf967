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

/// Declares [`Name`] and [`VARIABLES`] side by side, so that neither can lack what the other has.
macro_rules! variables {
    ($($id:ident $name:literal $kind:ident $words:expr, $meaning:literal;)*) => {
        /// A variable, by its place in [`VARIABLES`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Name { $($id),* }

        /// Every variable, in the order of the document.
        pub const VARIABLES: &[Variable] = &[
            $(Variable { name: $name, kind: Kind::$kind, words: $words, meaning: $meaning }),*
        ];

        const NAMES: &[Name] = &[$(Name::$id),*];
    };
}

const WEEKDAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const HOLDERS: &[&str] = &["developers", "shared", "sre"];
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

impl Name {
    /// The variable called `text`.
    pub(super) fn find(text: &str) -> Option<Self> {
        NAMES.iter().copied().find(|name| name.variable().name == text)
    }

    /// What it is.
    pub(crate) fn variable(self) -> &'static Variable {
        &VARIABLES[self as usize]
    }

    /// True for what is of one budget and not of the service.
    pub(crate) fn is_of_budget(self) -> bool {
        let name = self.variable().name;
        ["budget.", "forecast.", "burn."].iter().any(|prefix| name.starts_with(prefix))
    }

    /// True for what changes with the clock alone.
    pub(crate) fn is_of_calendar(self) -> bool {
        self.variable().name.starts_with("calendar.")
    }
}

/// What is known, by variable, of those that are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    /// A bit for each variable that a condition names.
    asked: u32,
    known: Vec<Option<Value>>,
}

// A bit for each.
const _: () = assert!(VARIABLES.len() <= u32::BITS as usize);

impl Values {
    /// Nothing is known of what `names` ask for, and nothing else will be kept.
    pub(crate) fn unknown(names: impl IntoIterator<Item = Name>) -> Self {
        let asked = names.into_iter().fold(0, |asked, name| asked | 1 << name as u32);
        Self { asked, known: vec![None; VARIABLES.len()] }
    }

    /// The value of `name`; `None` when unknown.
    pub(crate) fn get(&self, name: Name) -> Option<&Value> {
        self.known[name as usize].as_ref()
    }

    /// Sets or forgets `name`, if it is asked for.
    #[inline]
    pub(crate) fn set(&mut self, name: Name, value: Option<Value>) {
        if self.asked & 1 << name as u32 != 0 {
            self.known[name as usize] = value;
        }
    }
}
