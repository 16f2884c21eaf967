//! How far a change reaches, step by step.

use std::fmt;
use std::str::FromStr;

use flyball_model::{Duration, Rational};

use crate::policy::read::{share, share_text};

/// The most steps of a rollout.
pub const STEPS_MAX: usize = 64;

/// One step: this share of users, for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The share of users that the change reaches, above 0.
    pub share: Rational,
    /// How long until the next step; of the last step, how long it is watched.
    pub bake: Duration,
}

/// A staged rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    name: String,
    steps: Vec<Step>,
}

/// Why a text is no rollout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a rollout: {reason}; hint: write it like canary:5%:30m or canary:5%:30m,50%:1h,100%:2h"
)]
pub struct RolloutError {
    /// The text as given.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl Rollout {
    /// A rollout of `steps`.
    ///
    /// # Errors
    ///
    /// What is wrong: no steps or more than [`STEPS_MAX`], a share that is 0 or above 1, a step that
    /// reaches fewer users than the one before it.
    pub fn new(name: &str, steps: Vec<Step>) -> Result<Self, &'static str> {
        if name.trim().is_empty() {
            return Err("it has no name");
        }
        if steps.is_empty() || steps.len() > STEPS_MAX {
            return Err("it has no steps, or too many");
        }
        if steps.iter().any(|step| step.share.is_zero() || step.share > Rational::ONE) {
            return Err("a step reaches more than nobody and at most everybody");
        }
        if !steps.is_sorted_by_key(|step| step.share) {
            return Err("a step reaches fewer users than the one before it");
        }
        Ok(Self { name: name.to_owned(), steps })
    }

    /// What it is called, such as `canary`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its steps, in order; at least one.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The largest share of users that it reaches.
    pub fn reach(&self) -> Rational {
        self.steps.last().map_or(Rational::ONE, |step| step.share)
    }

    /// The shortest time that a step is watched.
    pub fn shortest_bake(&self) -> Duration {
        self.steps.iter().map(|step| step.bake).min().unwrap_or(Duration::ZERO)
    }
}

impl FromStr for Rollout {
    type Err = RolloutError;

    /// Reads `NAME:SHARE:BAKE`, with further `SHARE:BAKE` behind commas.
    fn from_str(text: &str) -> Result<Self, RolloutError> {
        let bad = |reason| RolloutError { text: text.chars().take(200).collect(), reason };
        let (name, steps) = text.split_once(':').ok_or_else(|| bad("it has no steps"))?;
        let steps = steps
            .split(',')
            .take(STEPS_MAX + 1)
            .map(|step| {
                let (reach, bake) =
                    step.split_once(':').ok_or_else(|| bad("a step is a share and a time"))?;
                let share = share_text(reach).ok_or_else(|| bad("a share is like 5%"))?;
                let bake = Duration::parse(bake).map_err(|_| bad("a time is like 30m"))?;
                Ok(Step { share, bake })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(name, steps).map_err(bad)
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, step) in self.steps.iter().enumerate() {
            let between = if index == 0 { ':' } else { ',' };
            write!(f, "{between}{}:{}", share::percent(step.share), step.bake)?;
        }
        Ok(())
    }
}

impl serde::Serialize for Rollout {
    /// As it is written.
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Rollout {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_read_and_print_alike() {
        for text in ["canary:5%:30m", "staged:0.5%:10m,25%:1h,100%:2h"] {
            assert_eq!(text.parse::<Rollout>().unwrap().to_string(), text);
        }
        let staged: Rollout = "staged:5%:30m,100%:2h".parse().unwrap();
        assert_eq!(
            (staged.reach(), staged.shortest_bake()),
            (Rational::ONE, Duration::from_minutes(30))
        );
        for text in
            ["", "canary", "canary:5%", "canary:0%:1m", "c:101%:1m", "c:5%:1m,2%:1m", ":5%:1m"]
        {
            assert!(text.parse::<Rollout>().is_err(), "{text} was accepted");
        }
        assert!(format!("c{}", ":1%:1s,".repeat(100)).parse::<Rollout>().is_err());
    }
}
