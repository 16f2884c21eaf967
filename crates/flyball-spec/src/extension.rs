//! Annotations under `flyball.dev/`: what OpenSLO has no field for, in a place where it stays
//! valid OpenSLO.

use std::collections::BTreeMap;

use flyball_model::{Composition, Duration, NoDataRule, Rational};

use crate::decode::{Reader, Text};
use crate::diagnostic::{nearest, shown};
use crate::openslo::Metadata;

/// What the keys of our annotations begin with.
pub(crate) const PREFIX: &str = "flyball.dev/";
/// The lookbacks that are reported when an SLO does not say.
const LOOKBACKS: [u32; 5] = [5, 60, 360, 1_440, 4_320];
/// The most lookbacks of one SLO: each is a column of a report.
const LOOKBACKS_MAX: usize = 12;

const KEYS: [&str; 5] = ["no-data", "coverage-floor", "composite", "lookbacks", "alerting"];

/// The settings of an SLO that OpenSLO has no field for.
#[derive(Debug, Clone)]
pub(crate) struct Extension {
    pub(crate) no_data: NoDataRule,
    pub(crate) coverage_floor: Rational,
    pub(crate) composite: Option<(Composition, Text)>,
    pub(crate) lookbacks: Vec<Duration>,
    pub(crate) alerting: Option<Text>,
}

impl Default for Extension {
    fn default() -> Self {
        Self {
            no_data: NoDataRule::Gap,
            coverage_floor: Rational::ZERO,
            composite: None,
            lookbacks: LOOKBACKS.map(Duration::from_minutes).to_vec(),
            alerting: None,
        }
    }
}

/// Reads the annotations of an SLO; faults are noted and leave the default.
pub(crate) fn extension(metadata: &Metadata, r: &mut Reader<'_, '_>) -> Extension {
    let mut found = Extension::default();
    for (key, text) in &metadata.annotations {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let value = text.value.trim();
        let refused = |expected: &str| {
            let message = format!("`{}` is not {expected}", shown(value));
            Some(message)
        };
        let fault = match name {
            "no-data" => match value {
                "gap" => set(&mut found.no_data, NoDataRule::Gap),
                "good" => set(&mut found.no_data, NoDataRule::Good),
                "bad" => set(&mut found.no_data, NoDataRule::Bad),
                _ => refused("one of gap, good, bad"),
            },
            "coverage-floor" => match share(value) {
                Some(floor) => set(&mut found.coverage_floor, floor),
                None => refused("a share from 0 to 1, like \"0.9\""),
            },
            "composite" => match value {
                "weighted" => {
                    set(&mut found.composite, Some((Composition::Weighted, text.clone())))
                }
                "all-of" => set(&mut found.composite, Some((Composition::AllOf, text.clone()))),
                _ => refused("one of weighted, all-of"),
            },
            "lookbacks" => match lookbacks(value) {
                Some(list) => set(&mut found.lookbacks, list),
                None => refused(
                    "a list of different lengths of time in s, m, h, d or w, like \"5m, 1h, 6h, 1d\"",
                ),
            },
            "alerting" if !value.is_empty() => set(&mut found.alerting, Some(text.clone())),
            "alerting" => refused("the name of an AlertStrategy or preset"),
            _ => {
                let hint = match nearest(name, &KEYS) {
                    Some(near) => format!("did you mean `{PREFIX}{near}`?"),
                    None => {
                        format!("known: {}", KEYS.map(|key| format!("{PREFIX}{key}")).join(", "))
                    }
                };
                r.error(
                    text.at.span,
                    format!("`{}` is not an annotation of ours", shown(key)),
                    hint,
                );
                None
            }
        };
        if let Some(message) = fault {
            r.error(text.at.span, message, "");
        }
    }
    found
}

fn set<T>(slot: &mut T, value: T) -> Option<String> {
    *slot = value;
    None
}

fn share(text: &str) -> Option<Rational> {
    let share =
        if text.ends_with('%') { Rational::parse_percent(text) } else { Rational::parse(text) };
    share.filter(|share| *share <= Rational::ONE)
}

fn lookbacks(text: &str) -> Option<Vec<Duration>> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let length = Duration::parse(part.trim()).ok().filter(|length| !length.is_zero())?;
        if list.contains(&length) || list.len() == LOOKBACKS_MAX {
            return None;
        }
        list.push(length);
    }
    list.sort_unstable();
    Some(list)
}

/// Our settings as annotations, only where they differ from what is assumed without them.
pub(crate) fn annotations(
    slo: &flyball_model::Slo,
    composition: Option<Composition>,
) -> BTreeMap<String, String> {
    let assumed = Extension::default();
    let mut out = BTreeMap::new();
    let mut put = |name: &str, value: String| out.insert(format!("{PREFIX}{name}"), value);
    match slo.no_data {
        NoDataRule::Gap => {}
        NoDataRule::Good => drop(put("no-data", "good".into())),
        NoDataRule::Bad => drop(put("no-data", "bad".into())),
    }
    if slo.coverage_floor != assumed.coverage_floor {
        put("coverage-floor", slo.coverage_floor.to_string());
    }
    match composition {
        None => {}
        Some(Composition::Weighted) => drop(put("composite", "weighted".into())),
        Some(Composition::AllOf) => drop(put("composite", "all-of".into())),
    }
    if slo.lookbacks != assumed.lookbacks && !slo.lookbacks.is_empty() {
        let list: Vec<String> = slo.lookbacks.iter().map(ToString::to_string).collect();
        put("lookbacks", list.join(","));
    }
    out
}
