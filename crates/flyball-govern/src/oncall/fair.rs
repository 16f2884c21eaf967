//! Whose turn it is: a queue that skips nobody for good.
//!
//! Whoever may serve and has served least is next; of those the one whose last time is longest ago; of
//! those, who have not served, the order of the list from where the queue begins. Where everybody may
//! always serve that is one after the other. Who is skipped stays behind and is therefore next as
//! soon as they may serve again.
//!
//! How much somebody serves, whoever asks says: a [`TURN`] for a whole one, a part of it for a part.
//!
//! What that promises: nobody serves while somebody who may has served less. So those who may serve
//! every time differ by one service at most, and who was skipped differs by more only until they may serve.

/// What a whole turn counts, however long it lasts: a week in which clocks change counts as any other.
pub(super) const TURN: u64 = 1 << 32;

/// The queue of the members of one layer, by their place in its list.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    places: Vec<Place>,
    served: u64,
}

/// What is counted of one member.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// How much they have served.
    amount: u64,
    /// When they last served, counted in services of the whole queue.
    last: Option<u64>,
    /// Where they stand while they have not served.
    rank: usize,
}

impl Queue {
    /// A queue of `members` that begins with the one at `first`, of which nobody has served.
    pub(super) fn new(members: usize, first: usize) -> Self {
        let place = |at: usize| Place {
            amount: 0,
            last: None,
            rank: (at + members - first) % members.max(1),
        };
        Self { places: (0..members).map(place).collect(), served: 0 }
    }

    /// The next of those of whom `may` is true; `None` when there is none.
    pub(super) fn next(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let order = |at: &usize| {
            let place = self.places[*at];
            (place.amount, place.last, place.rank)
        };
        (0..self.places.len()).filter(|at| may(*at)).min_by_key(order)
    }

    /// Counts that the member at `at` has served so much.
    pub(super) fn serve(&mut self, at: usize, amount: u64) {
        self.served += 1;
        let place = &mut self.places[at];
        place.amount = place.amount.saturating_add(amount);
        place.last = Some(self.served);
    }
}
