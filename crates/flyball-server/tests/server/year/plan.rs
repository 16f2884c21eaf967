//! What is to happen in the year: drawn from the seed, or written down where it has to be told as a story.

use flyball_model::Timestamp;
use flyball_testkit::Random;

use super::company::{Sent, Service};
use super::traffic::{Episode, Fares};

/// How many days the year has.
pub(super) const DAYS: u32 = 365;
/// The quarters of the calendar: the day after each.
pub(super) const QUARTER_ENDS: [u32; 4] = [90, 181, 273, 365];
/// The services that have users from a day on: their numbers and the day.
pub(super) const LAUNCHES: [(usize, u32); 4] = [(35, 40), (36, 95), (37, 160), (38, 230)];
/// The service that SRE takes, that misses its budget in two quarters and is handed back.
pub(super) const HANDED_BACK: usize = 6;
/// The service that SRE takes and keeps, and one that shares its pager.
pub(super) const KEPT: usize = 8;
pub(super) const SHARED: usize = 10;
/// The services that are broken on purpose, and the day: nobody depends on the first.
pub(super) const DRILLED: [(usize, u32); 2] = [(1, 120), (8, 250)];
/// The service that SRE takes by the lists and the rules that ship.
pub(super) const GROWN: usize = 0;
/// The service on which work is felt from a day on; for how many days on both sides users come every five minutes.
pub(super) const MENDED: (usize, u32) = (11, 200);
pub(super) const FELT: u32 = 71;
/// The service that is frozen by hand.
pub(super) const FROZEN: usize = 3;
/// What a deployment is thought to need to be judged, in seconds: users every five minutes from four hours before until
/// an hour after.
const BUSY: (i64, i64, i64) = (-4 * 3_600, 3_700, 300);

/// The hour at which what was asked for before noon ships, and at which incidents begin.
pub(super) const SHIPS: u32 = 10;
pub(super) const FAILS: u32 = 14;
/// Around an incident users come every minute, so that it is seen from its beginning to its end.
const WATCHED: (i64, i64, i64) = (-600, 3_600, 60);

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A feature is to ship; what it does to users where it does.
    Deploy { service: usize, id: String, fails: bool },
    /// Users are hit until somebody who is called mends it.
    Incident { service: usize, is_false: bool, minutes: u32 },
    /// A fault that was planned.
    Drill { service: usize },
    /// A service shows that it is ready for its users.
    Launch { service: usize },
    /// The next step of who carries a pager.
    Custody { service: usize, step: Step },
    /// Nobody ships a service for two days.
    Freeze { service: usize },
    /// Somebody cannot come, and somebody else does.
    Override { team: usize },
    /// Two people change a shift.
    Swap { team: usize },
    /// What people say of a service.
    Remark { service: usize, hours: u32 },
    /// What hurts at work.
    Friction { team: usize, minutes: u32 },
}

/// A step of custody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Found,
    Share,
    Take,
    /// The same two by the lists that ship.
    ShareByLists,
    TakeByLists,
    Notice,
    Returned,
}

/// The beginning of the year, in seconds.
pub(super) fn start() -> i64 {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap().nanos() / 1_000_000_000
}

/// The second at which `hour` of `day` begins.
pub(super) fn at(day: u32, hour: u32) -> i64 {
    start() + i64::from(day) * 86_400 + i64::from(hour) * 3_600
}

/// A number below `bound`.
fn drawn(random: &mut Random, bound: u64) -> u32 {
    u32::try_from(random.below(bound)).unwrap()
}

/// Everything that happens, by day and hour; and how services fare whatever anybody does.
pub(super) fn plan(seed: u64, services: &[Service]) -> (Vec<(u32, u32, Act)>, Vec<Episode>) {
    let random = &mut Random::new(seed);
    let mut acts = story();
    let mut episodes = Vec::new();
    // Two quarters, a month and another month in which more fails than was promised.
    for (service, first, last) in [(HANDED_BACK, 90, 273), (12, 120, 150), (13, 212, 243)] {
        let what = Fares::Badly(2 * services[service].allowed);
        episodes.push(Episode { service, from: at(first, 0), to: at(last, 0), what });
    }
    deployments(random, services, &mut acts);
    incidents(random, services, &mut acts);
    let (service, day) = MENDED;
    let (first, last) = (at(day - FELT, 0), at(day + FELT, 0));
    episodes.push(Episode { service, from: first, to: last, what: Fares::Busily(300) });
    // Less than what pages.
    let what = Fares::Badly(4 * services[service].allowed);
    episodes.push(Episode { service, from: first, to: at(day, 0), what });
    for (service, day) in DRILLED {
        acts.push((day, SHIPS - 1, Act::Drill { service }));
        let from = at(day, SHIPS);
        episodes.push(Episode {
            service,
            from: from - 900,
            to: from + 900,
            what: Fares::Busily(10),
        });
    }
    for team in 0..6 {
        for quarter in 0..4 {
            let day = 90 * quarter + 3 + drawn(random, 80);
            acts.push((day, 7, Act::Override { team }));
            acts.push((day + 4, 7, Act::Swap { team }));
        }
        acts.push((
            30 + drawn(random, 300),
            8,
            Act::Friction { team, minutes: 5 + drawn(random, 60) },
        ));
    }
    for service in 0..services.len() {
        let (day, hours) = (20 + drawn(random, 340), 1 + drawn(random, 20));
        acts.push((day, 8, Act::Remark { service, hours }));
    }
    grown(&mut acts);
    for (day, _, act) in &acts {
        let (service, (before, after, every), hour) = match act {
            Act::Deploy { service, .. } | Act::Drill { service } => (*service, BUSY, SHIPS),
            Act::Incident { service, .. } => (*service, WATCHED, FAILS),
            _ => continue,
        };
        let (from, to) = (at(*day, hour) + before, at(*day, hour) + after);
        episodes.push(Episode { service, from, to, what: Fares::Busily(every) });
    }
    // A day's acts follow each other by the hour, and within it in the order in which they were thought of.
    acts.sort_by_key(|(day, hour, _)| (*day, *hour));
    (acts, episodes)
}

/// Launches, hand-offs, the hand-back and the freeze.
fn story() -> Vec<(u32, u32, Act)> {
    let mut acts: Vec<(u32, u32, Act)> = Vec::new();
    for (service, day) in LAUNCHES {
        acts.push((day, 6, Act::Launch { service }));
    }
    for (service, shares, takes) in [(HANDED_BACK, 20, 75), (KEPT, 30, 100)] {
        acts.push((5, 6, Act::Custody { service, step: Step::Found }));
        acts.push((shares, 6, Act::Custody { service, step: Step::Share }));
        acts.push((takes, 6, Act::Custody { service, step: Step::Take }));
    }
    acts.push((60, 6, Act::Custody { service: SHARED, step: Step::Share }));
    acts.push((275, 6, Act::Custody { service: HANDED_BACK, step: Step::Notice }));
    acts.push((280, 6, Act::Custody { service: HANDED_BACK, step: Step::Returned }));
    acts.push((200, 6, Act::Freeze { service: FROZEN }));
    acts.push((
        201,
        SHIPS - 1,
        Act::Deploy { service: FROZEN, id: format!("{FROZEN}-frozen"), fails: false },
    ));
    acts
}

/// A service that nothing happens to but what it ships every week, all of it well, until it is ready for others.
fn grown(acts: &mut Vec<(u32, u32, Act)>) {
    acts.retain(|(_, _, act)| match act {
        Act::Deploy { service, .. }
        | Act::Incident { service, .. }
        | Act::Remark { service, .. } => *service != GROWN,
        _ => true,
    });
    acts.push((15, 8, Act::Remark { service: GROWN, hours: 2 }));
    for week in 1..30 {
        let id = format!("{GROWN}-{week}");
        acts.push((7 * week, SHIPS - 1, Act::Deploy { service: GROWN, id, fails: false }));
    }
    for (day, step) in [(5, Step::Found), (100, Step::ShareByLists), (190, Step::TakeByLists)] {
        acts.push((day, 6, Act::Custody { service: GROWN, step }));
    }
}

/// Each service ships a few times, one in five of them badly; days of one service are weeks apart.
fn deployments(random: &mut Random, services: &[Service], acts: &mut Vec<(u32, u32, Act)>) {
    for (number, service) in services.iter().enumerate() {
        if service.sent == Sent::Lines || number == FROZEN {
            continue;
        }
        let mut day = service.since + 10 + drawn(random, 60);
        let mut count = 0;
        while day < DAYS - 5 {
            let fails = random.below(5) == 0;
            acts.push((
                day,
                SHIPS - 1,
                Act::Deploy { service: number, id: format!("{number}-{count}"), fails },
            ));
            count += 1;
            day += 60 + drawn(random, 90);
        }
    }
}

/// Twenty incidents of services with many users, one a day at most and of one service weeks apart.
fn incidents(random: &mut Random, services: &[Service], acts: &mut Vec<(u32, u32, Act)>) {
    let mut free: Vec<u32> = services.iter().map(|service| service.since + 20).collect();
    let mut day = 20;
    let mut number = 0;
    while day < DAYS - 12 {
        let chosen = usize::try_from(random.below(services.len() as u64)).unwrap();
        let service = &services[chosen];
        if service.sent == Sent::Lines || day < free[chosen] {
            continue;
        }
        free[chosen] = day + 60;
        let minutes = 6 + drawn(random, 14);
        acts.push((
            day,
            FAILS - 1,
            Act::Incident { service: chosen, is_false: number % 7 == 3, minutes },
        ));
        number += 1;
        day += 10 + drawn(random, 12);
    }
}
