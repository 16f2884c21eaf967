//! What is read of answers about money.

use std::collections::BTreeMap;

use flyball_model::Timestamp;
use serde::Deserialize;

use crate::commands::delivery::view::{Length, Stretch};

/// The answer of `GET /api/v1/services/{name}/target`.
#[derive(Debug, Deserialize)]
pub(super) struct TargetSheet {
    pub(super) service: String,
    pub(super) at: Timestamp,
    pub(super) costs: String,
    pub(super) assumed: bool,
    pub(super) worksheet: Worksheet,
    pub(super) protection: Vec<Protected>,
    pub(super) support: Option<Supported>,
    pub(super) support_unknown: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Supported {
    pub(super) yearly: Yearly,
    pub(super) observed: Length,
    pub(super) cost: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Worksheet {
    pub(super) an_hour: String,
    pub(super) banded: Vec<Banded>,
    pub(super) bandings_differ: bool,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Banded {
    pub(super) banding: String,
    pub(super) target: f64,
    pub(super) out_of_hours: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) target: f64,
    pub(super) minutes_a_week: f64,
    pub(super) exposure_a_week: String,
    pub(super) exposure_a_year: String,
    pub(super) buys_a_year: Option<String>,
    pub(super) step_costs_a_year: Option<f64>,
    pub(super) pays: Option<bool>,
    pub(super) recommended: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Protected {
    pub(super) slo: String,
    pub(super) target: f64,
    pub(super) coverage: f64,
    pub(super) lost: Option<Length>,
    pub(super) protection: Option<Protection>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Protection {
    pub(super) tolerated: String,
    pub(super) lost: String,
    pub(super) saved: String,
}

/// The answer of `GET /api/v1/services/{name}/support`.
#[derive(Debug, Deserialize)]
pub(super) struct Support {
    pub(super) service: String,
    pub(super) at: Timestamp,
    pub(super) costs: String,
    pub(super) assumed: bool,
    pub(super) currency: String,
    pub(super) unknown: Vec<String>,
    pub(super) known_from: BTreeMap<String, String>,
    pub(super) quarters: Vec<Quarter>,
    pub(super) recommendation: Option<Recommended>,
    pub(super) reasons: Vec<String>,
    pub(super) choice: Option<Choice>,
    pub(super) people: BTreeMap<String, String>,
    pub(super) choice_cost: Option<Yearly>,
    pub(super) unpriced: Option<String>,
    pub(super) drifted: Option<Vec<String>>,
    pub(super) against: Option<Vec<String>>,
    pub(super) observed: Stretch,
    pub(super) seen: Seen,
}

/// A quarter that was measured.
#[derive(Debug, Deserialize)]
pub(super) struct Quarter {
    pub(super) start: Timestamp,
    pub(super) kept: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) failures: u64,
    pub(super) calls: Option<u64>,
    pub(super) is_cut: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Recommended {
    pub(super) rules: Vec<Ruled>,
    pub(super) agreed: Option<String>,
    pub(super) costs: Vec<Yearly>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ruled {
    pub(super) rule: String,
    pub(super) model: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Yearly {
    pub(super) model: String,
    pub(super) out_of_hours: String,
    pub(super) total: String,
    pub(super) standby: String,
    pub(super) call_outs: String,
    pub(super) time_off: String,
    pub(super) capital: String,
    pub(super) operating: String,
    pub(super) expected_loss: String,
    pub(super) with_loss: String,
    pub(super) hand_offs: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) who: String,
    pub(super) at: Timestamp,
    /// As documents write it.
    #[serde(deserialize_with = "share")]
    pub(super) target: f64,
    pub(super) model: String,
    pub(super) out_of_hours: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// A share of one, of a percentage.
fn share<'de, D: serde::Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    let text = String::deserialize(input)?;
    let share = flyball_model::Rational::parse_percent(&text);
    share.map(flyball_model::Rational::to_f64).ok_or_else(|| serde::de::Error::custom("no target"))
}

/// A published rule by its name.
pub(super) fn rule(name: &str) -> &str {
    match name {
        "equal_experts" => "Equal Experts, by availability and deployments",
        "sre_run_it" => "SRE teams, by traffic and review",
        other => other,
    }
}

/// Who is called out of hours.
pub(super) fn out_of_hours(name: &str) -> &str {
    match name {
        "none" => "nobody",
        "domain" => "a rota of the domain",
        "team" => "a rota of the team",
        other => other,
    }
}

/// The answer of `GET /api/v1/services/{name}/return`.
#[derive(Debug, Deserialize)]
pub(super) struct Return {
    pub(super) service: String,
    pub(super) before: Stretch,
    pub(super) after: Stretch,
    #[serde(rename = "return")]
    pub(super) of: Returned,
}

#[derive(Debug, Deserialize)]
pub(super) struct Returned {
    pub(super) minutes: Weeks,
    pub(super) avoided_minutes_a_year: Option<Estimate>,
    pub(super) worth_a_year: Option<Estimate>,
    pub(super) cost: String,
    pub(super) pays_within_a_year: String,
    pub(super) pays_after_weeks: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Weeks {
    #[serde(rename = "weeks_before")]
    pub(super) count_before: u64,
    #[serde(rename = "weeks_after")]
    pub(super) count_after: u64,
    pub(super) unknown: u64,
    pub(super) before: Option<f64>,
    pub(super) after: Option<f64>,
    pub(super) less: Option<Estimate>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    pub(super) between_90: [f64; 2],
}

/// The answer of `GET /api/v1/recognition`.
#[derive(Debug, Deserialize)]
pub(super) struct Recognition {
    pub(super) after: Stretch,
    pub(super) recognised: Vec<TeamLine>,
    pub(super) others: Vec<TeamLine>,
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TeamLine {
    pub(super) team: String,
    pub(super) burn: Weeks,
    pub(super) interval: String,
    pub(super) lead_time: String,
    pub(super) because: Vec<String>,
}

/// Why a team is not recognised, in words.
pub(super) fn because(why: &str) -> &str {
    match why {
        "burn_undecided" => "chance may have done it",
        "burns_no_less" => "it burns no less",
        "deploys_less" => "it deploys less often",
        "leads_longer" => "commits take longer to users",
        "delivery_unknown" => "how it delivers is not known",
        "more_corrected" => "more of its time was corrected away",
        other => other,
    }
}
