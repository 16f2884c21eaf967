//! Sets of instants as sorted stretches of time that neither overlap nor touch.

use flyball_model::{Duration, Interval, Timestamp};

/// `spans` in order, joined where they overlap or touch; the empty ones are left out.
pub(super) fn union(mut spans: Vec<Interval>) -> Vec<Interval> {
    spans.retain(|span| !span.is_empty());
    spans.sort_by_key(|span| span.start());
    let mut joined: Vec<Interval> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start() <= last.end() => {
                *last = between(last.start(), last.end().max(span.end()));
            }
            _ => joined.push(span),
        }
    }
    joined
}

/// The part of `spans` inside `bounds`.
pub(super) fn within(spans: &[Interval], bounds: Interval) -> Vec<Interval> {
    let first = spans.partition_point(|span| span.end() <= bounds.start());
    let inside = spans[first..].iter().take_while(|span| span.start() < bounds.end());
    inside.filter_map(|span| span.intersect(bounds)).collect()
}

/// What both hold.
pub(super) fn common(one: &[Interval], other: &[Interval]) -> Vec<Interval> {
    one.iter().flat_map(|span| within(other, *span)).collect()
}

/// What `one` holds and `other` does not.
pub(super) fn without(one: &[Interval], other: &[Interval]) -> Vec<Interval> {
    let mut left = Vec::with_capacity(one.len());
    for span in one {
        let mut from = span.start();
        for hole in within(other, *span) {
            left.push(between(from, hole.start()));
            from = hole.end();
        }
        left.push(between(from, span.end()));
    }
    left.retain(|span| !span.is_empty());
    left
}

/// How long they are together.
pub(super) fn length(spans: &[Interval]) -> Duration {
    sum(spans.iter().map(|span| span.length()))
}

/// All of `lengths` together, held at about 292 years.
pub(super) fn sum(lengths: impl IntoIterator<Item = Duration>) -> Duration {
    let nanos = lengths.into_iter().fold(0_i64, |sum, next| sum.saturating_add(next.nanos()));
    Duration::from_nanos(nanos).unwrap_or_default()
}

/// From `start` up to `end`; empty when that lies before it.
pub(super) const fn between(start: Timestamp, end: Timestamp) -> Interval {
    Interval::starting(start, end.since(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAST: i64 = 40;

    fn spans(pairs: &[(i64, i64)]) -> Vec<Interval> {
        let at = Timestamp::from_seconds;
        union(pairs.iter().map(|(from, length)| between(at(*from), at(from + length))).collect())
    }

    fn holds(spans: &[Interval], second: i64) -> bool {
        spans.iter().any(|span| span.contains(Timestamp::from_seconds(second)))
    }

    fn pairs() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((0..LAST, 0_i64..12), 0..6)
    }

    proptest! {
        #[test]
        fn sets_agree_with_instants_one_by_one(one in pairs(), other in pairs(), at in pairs()) {
            let raw = |pairs: &[(i64, i64)], second: i64| {
                pairs.iter().any(|(from, length)| (*from..from + length).contains(&second))
            };
            let (left, right) = (spans(&one), spans(&other));
            let bounds = spans(&at).first().copied().unwrap_or(between(Timestamp::MIN, Timestamp::MIN));
            for second in 0..LAST + 12 {
                let (in_one, in_other) = (raw(&one, second), raw(&other, second));
                prop_assert_eq!(holds(&left, second), in_one);
                prop_assert_eq!(holds(&common(&left, &right), second), in_one && in_other);
                prop_assert_eq!(holds(&without(&left, &right), second), in_one && !in_other);
                let inside = bounds.contains(Timestamp::from_seconds(second));
                prop_assert_eq!(holds(&within(&left, bounds), second), in_one && inside);
            }
            let seconds = (0..LAST + 12).filter(|second| raw(&one, *second)).count();
            prop_assert_eq!(length(&left), Duration::from_seconds(u32::try_from(seconds).unwrap()));
        }
    }
}
