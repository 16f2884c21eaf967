//! What people make of rotas, told to those whom it calls: to each at the target that is their own, once.

use flyball_govern::oncall::{Override, Swap, SwapEnd, SwapHow, Switchboard, TemporarySchedule};
use flyball_model::{Duration, Interval, Timestamp};

use super::keeping::{NEWS, Told, told};

/// What is told of the exceptions that were made of late and are not over.
pub(super) fn by_exceptions(board: &Switchboard, now: Timestamp) -> Vec<Told> {
    let mut found = Vec::new();
    for (rota, exceptions) in board.all_exceptions() {
        // A rota that no service's pages come to calls nobody.
        let Some(service) = board.services_of(rota).into_iter().next() else { continue };
        let of = Of { board, service, rota, now };
        found.extend(exceptions.overrides.iter().filter_map(|one| of.added(one)));
        found.extend(exceptions.swaps.iter().flat_map(|one| of.swapped(one)));
        found.extend(exceptions.temporary.iter().flat_map(|one| of.written(one)));
    }
    found
}

/// A rota, and a service whose pages come to it.
struct Of<'a> {
    board: &'a Switchboard,
    service: &'a str,
    rota: &'a str,
    now: Timestamp,
}

impl Of<'_> {
    /// What `who` is told; `None` where they have no target of their own, and of what is no news.
    fn tell(
        &self,
        who: &str,
        (key, made, until): (String, Timestamp, Timestamp),
        said: (String, String),
    ) -> Option<Told> {
        let target = self.board.target(self.rota, who)?.to_owned();
        if until <= self.now || self.now.since(made) > NEWS {
            return None;
        }
        let key = format!("on-call/{}/{key}/{who}", self.rota);
        let (action, mut reminder) = told("on_call.tell", (self.service, key), said, made);
        reminder.target = Some(target);
        Some((action, reminder))
    }

    /// Somebody whom an override puts on call.
    fn added(&self, of: &Override) -> Option<Told> {
        let who = of.add.as_ref()?;
        let instead = of.remove.as_ref().map_or_else(String::new, |of| format!(" for {of}"));
        let title = format!("you are on call in {}{instead}, {}", self.rota, words(of.span()));
        let key = (format!("{}/comes", of.id), of.made.at, of.end);
        self.tell(who, key, (title, self.text(&of.made.why)))
    }

    /// Who is asked to take a shift; and once it is taken, both.
    fn swapped(&self, of: &Swap) -> impl Iterator<Item = Told> {
        let rota = self.rota;
        let back = of.takes.map_or_else(String::new, |takes| {
            format!(" {} takes theirs for it, {}.", of.who, words(takes))
        });
        let until = of.takes.map_or(of.gives.end(), |takes| takes.end().max(of.gives.end()));
        let ask = || {
            let asked = of.asked.as_ref().filter(|_| of.state(self.now) == "open")?;
            let title =
                format!("{} asks you to take a shift in {rota}, {}", of.who, words(of.gives));
            let text = format!(
                "{}.{back} `flyball oncall settle {rota} {} --who {asked} --how taken` takes it, `--how declined` does not.",
                of.made.why, of.id
            );
            self.tell(asked, (format!("{}/asked", of.id), of.made.at, until), (title, text))
        };
        let taken = of.ended.as_ref().filter(|end| end.how == SwapHow::Taken);
        let both = taken.map(|SwapEnd { by, at, .. }| {
            let title = format!("you are on call in {rota} for {}, {}", of.who, words(of.gives));
            let takes = (format!("{}/taken", of.id), *at, until);
            let text = format!("{}{back}", self.text(&of.made.why));
            let given = format!("{by} has taken your shift in {rota}, {}", words(of.gives));
            let own = (format!("{}/given", of.id), *at, until);
            [self.tell(by, takes, (title, text.clone())), self.tell(&of.who, own, (given, text))]
        });
        ask().into_iter().chain(both.into_iter().flatten().flatten())
    }

    /// Everybody who has a shift in a schedule that was written out.
    fn written(&self, of: &TemporarySchedule) -> impl Iterator<Item = Told> {
        let mut shifts: Vec<_> = of.shifts.iter().filter(|shift| self.now < shift.end).collect();
        shifts.sort_by_key(|shift| (&shift.who, shift.start));
        let mut found = Vec::new();
        for of_one in shifts.chunk_by(|one, other| one.who == other.who) {
            let [first, more @ ..] = of_one else { continue };
            let more = match more.len() {
                0 => String::new(),
                1 => " and once more".to_owned(),
                count => format!(" and {count} times more"),
            };
            let title = format!("you are on call in {}, {}{more}", self.rota, words(first.span()));
            let key = (format!("{}/written", of.id), of.made.at, of.end);
            found.extend(self.tell(&first.who, key, (title, self.text(&of.made.why))));
        }
        found.into_iter()
    }

    fn text(&self, why: &str) -> String {
        format!("{why}. `flyball oncall who {}` says who is called when.", self.service)
    }
}

/// A stretch of time in words.
fn words(span: Interval) -> String {
    let second = Duration::from_seconds(1);
    format!("from {} to {}", span.start().floor(second), span.end().floor(second))
}
