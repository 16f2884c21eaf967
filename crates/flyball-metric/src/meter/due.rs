//! Which SLIs and slices have slots that wait, so that none of the others is looked at.

use std::collections::BTreeSet;

use flyball_model::Timestamp;

/// The places of SLIs and slices by when the first of their slots is settled; those of which no slot
/// waits are not in it.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeSet<(Timestamp, usize)>);

impl Due {
    /// Notes that the first slot of the one at `place` is no longer due at `before` but at `after`;
    /// [`Timestamp::MAX`] where none waits.
    pub(super) fn moved(&mut self, place: usize, before: Timestamp, after: Timestamp) {
        if before == after {
            return;
        }
        self.0.remove(&(before, place));
        if after < Timestamp::MAX {
            self.0.insert((after, place));
        }
    }

    /// The place of the one whose slot is due first, if it is by `now`.
    pub(super) fn first(&self, now: Timestamp) -> Option<usize> {
        self.0.first().filter(|(due, _)| *due <= now).map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_due_is_looked_at() {
        let at = Timestamp::from_seconds;
        let mut due = Due::default();
        due.moved(7, Timestamp::MAX, at(30));
        due.moved(3, Timestamp::MAX, at(20));
        due.moved(3, at(20), at(40));
        assert_eq!(due.first(at(29)), None);
        assert_eq!(due.first(at(100)), Some(7));
        due.moved(7, at(30), Timestamp::MAX);
        assert_eq!(due.first(at(100)), Some(3));
        due.moved(3, at(40), Timestamp::MAX);
        assert_eq!(due.first(Timestamp::MAX), None);
    }
}
