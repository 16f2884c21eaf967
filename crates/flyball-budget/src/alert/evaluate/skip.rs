//! Which moments need no look, because no answer can change in between.

use flyball_model::{Comparison, Slot};

use super::Run;
use crate::alert::rule::Check;
use crate::alert::watch::Watch;
use crate::sum::Kind;

impl Run<'_> {
    /// The next slot end at which an answer can change.
    pub(super) fn next(&self, now: i64, watch: &Watch) -> i64 {
        let slots = self.account.units().slots();
        if watch.is_idle() && self.needs_bad() {
            let short = self.short.as_ref().map_or(&self.long.range, |short| &short.range);
            let units = self.account.units();
            if units.bad_range(&self.long.range) == 0 || units.bad_range(short) == 0 {
                let bad = units.next_bad(self.long.range.end);
                return slots.get(bad).map_or(i64::MAX, |slot| slot.0 + 1);
            }
            if let Some(next) = self.first_chance(now) {
                return next;
            }
        }
        let mut next = slots.get(self.long.range.end).map_or(i64::MAX, |slot| slot.0 + 1);
        let departures = [
            self.ready.long.and_then(|_| self.long.next_departure(slots)),
            self.short.as_ref().and_then(|short| short.next_departure(slots)),
            self.ready.needs_window().then(|| self.whole.next_departure(slots)).flatten(),
            self.period.filter(|_| self.ready.needs_window()).map(|(_, leaves)| leaves),
            watch.pending_since().map(|since| {
                Slot::of(
                    since.plus(self.ready.rule.hold).ceil(self.account.width()),
                    self.account.width(),
                )
                .0
            }),
        ];
        for departure in departures.into_iter().flatten().filter(|next| *next > now) {
            next = next.min(departure);
        }
        // The elapsed share of a calendar period moves with time itself, data or none.
        if self.period.is_some() && self.ready.needs_window() { now + 1 } else { next }
    }

    /// The first slot end at which a burn over the long lookback could pass the bound, where that
    /// can be bounded from running sums alone; `None` where it cannot.
    ///
    /// For the next `ahead` slots the lookback keeps its newest part, so at least that part's
    /// valid units stay in it, and at most what is bad in it now comes with what is added.
    fn first_chance(&self, now: i64) -> Option<i64> {
        let Check::Ratio { bound, comparison, .. } = self.ready.check else { return None };
        if self.account.kind() == Kind::Ratios {
            return None;
        }
        let units = self.account.units();
        let (slots, range) = (units.slots(), &self.long.range);
        for shift in [1, 3, 5] {
            let ahead = self.long.slots >> shift;
            if ahead == 0 {
                return None;
            }
            let kept = now - (self.long.slots - ahead);
            let kept = range.start + slots[range.clone()].partition_point(|slot| slot.0 < kept);
            let stays = units.valid_range(&(kept..range.end)) as f64 * bound.to_f64();
            // Rounded well down, so that a bound in doubles is a bound.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and a cast of a double holds at the ends"
            )]
            let harmless = (stays * (1.0 - 1e-12)) as u64;
            let harmless = match comparison {
                Comparison::AtLeast => harmless.saturating_sub(1),
                _ => harmless,
            };
            let chance = units.bad_beyond(range.start, harmless);
            if chance < range.end {
                continue;
            }
            let chance = slots.get(chance).map_or(i64::MAX, |slot| slot.0 + 1);
            return Some(chance.min(now + ahead + 1));
        }
        None
    }

    /// Whether the condition is false whenever the long lookback is spotless.
    fn needs_bad(&self) -> bool {
        match self.ready.check {
            Check::Ratio { comparison, .. } => {
                matches!(comparison, Comparison::Above | Comparison::AtLeast)
            }
            Check::Remaining { .. } | Check::Exhaustion { .. } => true,
        }
    }
}
