//! The business outcome that a team has chosen, beside the measures of its delivery.
//!
//! What is delivered is for something: orders, sign-ups, minutes played. No change tells of it, so it is
//! pushed as a series of points. A time's value is the sum, the mean or the last of its points; a time without
//! any has none, and not zero. The definitions are ours, and are in `docs/delivery.md`.

use flyball_model::{Interval, Timestamp};

use super::target::Direction;

/// The outcome that a service has chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeSpec {
    /// What it is called.
    pub name: String,
    /// What its values are in, as it is written behind them.
    pub unit: String,
    /// What a time's value is.
    pub of: OutcomeOf,
    /// Which values are wanted.
    #[serde(default)]
    pub better: Better,
}

/// What a time's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeOf {
    /// All of its points together: what is counted.
    Sum,
    /// Their mean, each weighing the same: what is rated.
    Mean,
    /// The last of them: what there is at a moment.
    Last,
}

/// Which values are wanted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Larger ones.
    #[default]
    Higher,
    /// Smaller ones.
    Lower,
}

/// One value that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Point {
    /// The moment that it is of.
    pub at: Timestamp,
    /// The value; finite.
    pub value: f64,
}

/// What was pushed of an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    spec: OutcomeSpec,
    /// In the order of their moments.
    points: Vec<Point>,
}

/// The outcome of a time.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// Which.
    #[serde(flatten)]
    pub spec: OutcomeSpec,
    /// Its value, in its unit.
    pub value: f64,
    /// How many points lie in the time; never zero.
    pub points: u64,
}

impl Series {
    /// The series of `points`, in any order, one a moment.
    pub fn new(spec: OutcomeSpec, mut points: Vec<Point>) -> Self {
        points.sort_by_key(|point| point.at);
        Self { spec, points }
    }

    /// What it is of.
    pub const fn spec(&self) -> &OutcomeSpec {
        &self.spec
    }

    /// The outcome of a time; `None` when no point lies in it.
    pub fn over(&self, during: Interval) -> Option<Outcome> {
        let from = self.points.partition_point(|point| point.at < during.start());
        let to = self.points.partition_point(|point| point.at < during.end());
        let inside = &self.points[from..to];
        let (last, points) = (inside.last()?, inside.len() as u64);
        let value = match self.spec.of {
            OutcomeOf::Sum => sum(inside),
            OutcomeOf::Mean => sum(inside) / points as f64,
            OutcomeOf::Last => last.value,
        };
        Some(Outcome { spec: self.spec.clone(), value, points })
    }
}

impl Outcome {
    /// Which way an outcome went from one time to the next; `None` where a time has none.
    pub fn trend(before: Option<&Self>, after: Option<&Self>) -> Direction {
        let ordering = before.zip(after).and_then(|(before, after)| match after.spec.better {
            Better::Higher => before.value.partial_cmp(&after.value),
            Better::Lower => after.value.partial_cmp(&before.value),
        });
        Direction::of_smaller(ordering)
    }
}

/// The sum of the values, with what each addition rounds away added at the end: A. Neumaier
/// (Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54, 1974). Sums of
/// amounts of money are so the same in whichever order these came.
fn sum(points: &[Point]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for Point { value, .. } in points {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { sum - next + value } else { value - next + sum };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use flyball_model::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

    fn spec(of: OutcomeOf, better: Better) -> OutcomeSpec {
        OutcomeSpec { name: "orders".to_owned(), unit: "orders".to_owned(), of, better }
    }

    /// One value an hour, given the latest first.
    fn series(of: OutcomeOf, values: &[f64]) -> Series {
        let point = |(hour, value): (u32, &f64)| Point {
            at: START.plus(Duration::from_hours(hour)),
            value: *value,
        };
        let mut points: Vec<Point> = (0..).zip(values).map(point).collect();
        points.reverse();
        Series::new(spec(of, Better::Higher), points)
    }

    fn hours(from: u32, to: u32) -> Interval {
        let at = |hour| START.plus(Duration::from_hours(hour));
        Interval::new(at(from), at(to)).unwrap()
    }

    #[test]
    fn a_time_has_the_sum_the_mean_or_the_last_of_its_points() {
        let values = [4.0, 1.0, 10.0, 7.0];
        for (of, whole, middle) in [
            (OutcomeOf::Sum, 22.0, 11.0),
            (OutcomeOf::Mean, 5.5, 5.5),
            (OutcomeOf::Last, 7.0, 10.0),
        ] {
            let series = series(of, &values);
            let value = |during| series.over(during).map(|found| (found.value, found.points));
            assert_eq!(value(hours(0, 4)), Some((whole, 4)), "{of:?}");
            // A point at the beginning counts, one at the end does not.
            assert_eq!(value(hours(1, 3)), Some((middle, 2)), "{of:?}");
            assert_eq!(value(hours(4, 9)), None, "{of:?}: nothing was pushed, which is not zero");
            assert_eq!(Series::new(spec(of, Better::Higher), Vec::new()).over(hours(0, 4)), None);
        }
    }

    #[test]
    fn sums_do_not_hang_on_the_order() {
        let value =
            |values: &[f64]| series(OutcomeOf::Sum, values).over(hours(0, 9)).unwrap().value;
        assert_eq!(value(&[0.1, 0.2, 0.3]), value(&[0.3, 0.2, 0.1]));
        assert_eq!(value(&[1.0, 1e100, 1.0, -1e100]), 2.0, "Neumaier's own case");
        assert_eq!(value(&[0.1; 9]), 0.9);
    }

    #[test]
    fn better_is_what_is_wanted() {
        let outcome =
            |value, better| Outcome { spec: spec(OutcomeOf::Sum, better), value, points: 1 };
        for (better, more, less) in [
            (Better::Higher, Direction::Better, Direction::Worse),
            (Better::Lower, Direction::Worse, Direction::Better),
        ] {
            let (one, two) = (outcome(1.0, better), outcome(2.0, better));
            assert_eq!(Outcome::trend(Some(&one), Some(&two)), more);
            assert_eq!(Outcome::trend(Some(&two), Some(&one)), less);
            assert_eq!(Outcome::trend(Some(&one), Some(&one)), Direction::Same);
            assert_eq!(Outcome::trend(None, Some(&one)), Direction::NotEnoughData);
            assert_eq!(Outcome::trend(Some(&one), None), Direction::NotEnoughData);
        }
    }

    #[test]
    fn a_choice_says_what_a_value_is() {
        let text = r#"{"name": "orders", "unit": "orders", "of": "sum"}"#;
        let read: OutcomeSpec = serde_json::from_str(text).unwrap();
        assert_eq!(read, spec(OutcomeOf::Sum, Better::Higher));
        for wrong in [
            r#"{"name": "orders", "unit": "orders"}"#,
            r#"{"name": "orders", "unit": "orders", "of": "median"}"#,
            r#"{"name": "orders", "unit": "orders", "of": "sum", "better": "more"}"#,
            r#"{"name": "orders", "unit": "orders", "of": "sum", "target": 5}"#,
        ] {
            assert!(serde_json::from_str::<OutcomeSpec>(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
