//! What is said of a change.

use flyball_model::{Slot, Tally};

use super::blocks::Design;

/// What a change did to an SLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is not worse by the margin: a claim with an error bound of its own.
    Healthy,
    /// It is worse by more than the margin.
    Regressed,
    /// Neither can be claimed; [`Why`] says what is missing. This is not health.
    Undecided,
}

impl Answer {
    /// One answer for several SLIs or dependants: regressed when any is, healthy only when all are.
    ///
    /// Undecided for nothing. The errors of the single answers add up, so each is to be judged at
    /// its share of the error allowed: [`Settings::shared_by`](super::Settings::shared_by).
    pub fn joint(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut joint = None;
        for answer in answers {
            joint = match (joint, answer) {
                (_, Self::Regressed) => return Self::Regressed,
                (None | Some(Self::Healthy), Self::Healthy) => Some(Self::Healthy),
                _ => Some(Self::Undecided),
            };
        }
        joint.unwrap_or(Self::Undecided)
    }
}

/// Why the answer is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The evidence that it is worse by more than the margin reached its bound.
    Worse,
    /// The evidence that it is not worse by the margin reached its bound.
    WithinMargin,
    /// The candidate had no valid events.
    NoData,
    /// The control had no valid events: there is nothing to compare with.
    NoBaseline,
    /// Both had events, not enough for either claim.
    TooLittleData,
}

/// A range that holds the true value with the stated confidence, whenever it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end; `None` when there is none.
    pub high: Option<f64>,
}

/// How far the candidate's error ratio is from the control's.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Effect {
    /// Bad events past those that the control's ratios explain, over valid events.
    pub difference: f64,
    /// Where the difference lies.
    pub difference_range: Range,
    /// Bad events over those that the control's ratios explain; `None` when they explain none.
    pub ratio: Option<f64>,
    /// Where the ratio lies.
    pub ratio_range: Range,
    /// The confidence of both ranges.
    pub confidence: f64,
}

/// Budget spent by a change, in bad events.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Burned {
    /// Bad events that the control does not explain, rounded down; none when it explains all.
    pub events: u64,
    /// At least as many, with the confidence of the effect; rounded down.
    pub low: u64,
    /// At most as many, with the confidence of the effect; rounded up, never more than there were.
    pub high: u64,
}

/// How sure the answer is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Certainty {
    /// The bound of the probability that a harmless change is ever called regressed.
    pub false_alarm: f64,
    /// The bound of the probability that a harmful change is ever called healthy.
    pub false_health: f64,
    /// A p-value that holds at any time, for "not worse by more than the margin": one over the
    /// strongest evidence so far, at most one. Regressed means that it reached `false_alarm`.
    pub p_regressed: f64,
    /// The same for "worse by the margin at least"; healthy means that it reached `false_health`.
    pub p_healthy: f64,
    /// By how much the evidence was divided at the end, because blocks vary more than independent
    /// events would; one where they do not.
    pub dispersion: f64,
}

/// What a change did to one SLI, with the evidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// Why.
    pub why: Why,
    /// What it was held against.
    pub design: Design,
    /// The smallest difference of error ratios that matters.
    pub margin: f64,
    /// All that was compared of the candidate.
    pub candidate: Tally,
    /// All that was compared of the control.
    pub control: Tally,
    /// How far they are apart; `None` before there is a block.
    pub effect: Option<Effect>,
    /// What the change spent.
    pub burned: Burned,
    /// How sure the answer is.
    pub certainty: Certainty,
    /// The slot whose end decided it.
    #[serde(serialize_with = "slot_number")]
    pub decided_in: Option<Slot>,
    /// Slots from the first of the candidate to that one, both counted: the time to detection.
    pub slots_to_decision: Option<u64>,
    /// How often the evidence was looked at: after every block.
    pub looks: u64,
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn slot_number<S: serde::Serializer>(
    slot: &Option<Slot>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&slot.map(|slot| slot.0), serializer)
}

#[cfg(test)]
mod tests {
    use super::Answer::{self, Healthy, Regressed, Undecided};

    #[test]
    fn a_joint_answer_is_as_bad_as_the_worst_and_never_healthy_by_absence() {
        assert_eq!(Answer::joint([]), Undecided);
        assert_eq!(Answer::joint([Healthy, Healthy]), Healthy);
        assert_eq!(Answer::joint([Healthy, Undecided, Healthy]), Undecided);
        assert_eq!(Answer::joint([Undecided, Healthy, Regressed]), Regressed);
    }
}
