//! What waits for somebody: notices to be decided, pagers that go back soon, steps and reviews to be signed, approvals
//! that end.

use std::collections::HashSet;

use flyball_govern::checklist::{Review, ReviewState, Standing};
use flyball_govern::custody::{Custody, HandBack};
use flyball_model::{Duration, Timestamp};

use super::keeping::{NEWS, Told, told};

/// How long before a pager goes back that is told once more.
const RETURNS_SOON: Duration = Duration::from_days(7);
/// How long before an approval ends that is told: time enough to answer again, or to have a waiver renewed.
const ENDS_SOON: Duration = Duration::from_days(14);

/// How long a step may wait for signatures before that is told, and a review: whoever is about to sign is not hurried.
const STEP_WAITS: Duration = Duration::from_hours(1);
const REVIEW_WAITS: Duration = Duration::from_days(1);

/// What waits in a service's custody.
pub(super) fn in_custody<'a>(
    (service, custody): (&'a String, &'a Custody),
    now: Timestamp,
) -> impl Iterator<Item = Told> + 'a {
    let notice = custody.notice();
    let given = notice.and_then(|of| noticed(service, of, now));
    let soon = notice.and_then(|of| returning(service, of, now));
    [given, soon, proposed(service, custody, now)].into_iter().flatten()
}

/// That notice was given of late, and what happens when nobody decides.
fn noticed(service: &str, notice: &HandBack, now: Timestamp) -> Option<Told> {
    if !notice.is_pending() || now.since(notice.given) > NEWS {
        return None;
    }
    let HandBack { grounds, given, deadline, role, .. } = notice;
    let said: Vec<&str> = grounds.iter().map(|of| of.say.as_str()).collect();
    let title = "notice was given that its pager goes back to its developers".to_owned();
    let text = format!(
        "Given as {role}: {} Its developers carry it from {deadline} on unless something else is decided before: \
         `flyball custody decide {service}`.",
        said.join(" ")
    );
    Some(told(
        "custody.tell",
        (service, format!("custody/{service}/notice/{given}")),
        (title, text),
        *given,
    ))
}

/// That a pager goes back soon.
fn returning(service: &str, notice: &HandBack, now: Timestamp) -> Option<Told> {
    let at = notice.returns()?;
    let is_soon = now < at && at.since(now) <= RETURNS_SOON;
    // Who was told of the notice today need not be told twice.
    if !is_soon || now.since(notice.given) < Duration::from_days(1) {
        return None;
    }
    let title = format!("its developers carry its pager from {at} on");
    let text = format!(
        "`flyball oncall gaps` says whether they can be reached then, `flyball custody show {service}` why it goes back."
    );
    Some(told(
        "custody.tell",
        (service, format!("custody/{service}/returns/{at}")),
        (title, text),
        now,
    ))
}

/// That a step towards SRE waits for signatures.
fn proposed(service: &str, custody: &Custody, now: Timestamp) -> Option<Told> {
    let step = custody.transfer()?;
    if !(STEP_WAITS..=NEWS).contains(&now.since(step.at)) {
        return None;
    }
    let title = format!("it is proposed that its pager goes to {}", step.to.word());
    let text = format!(
        "It waits for signatures, for this reason: {}. `flyball custody show {service}` says for whose, `flyball custody sign {service}` signs.",
        step.why
    );
    let key = format!("custody/{service}/step/{}", step.at);
    Some(told("custody.tell", (service, key), (title, text), step.at))
}

/// What waits in the last reviews of services, of which `reviews` begin with those opened last: of each checklist the one
/// opened last, and the one approved last.
pub(super) fn in_reviews<'a>(
    reviews: impl IntoIterator<Item = &'a Review>,
    now: Timestamp,
) -> Vec<Told> {
    let (mut opened, mut approved) = (HashSet::new(), HashSet::new());
    let mut told = Vec::new();
    for review in reviews {
        let of = (&review.service, &review.checklist);
        if opened.insert(of) {
            told.extend(submitted(review, now));
        }
        // One that was begun anew, or given up, takes nothing from what was approved before.
        if matches!(review.state(), ReviewState::Approved { .. }) && approved.insert(of) {
            told.extend(ending(review, now));
        }
    }
    told
}

/// That a review waits for signatures.
fn submitted(review: &Review, now: Timestamp) -> Option<Told> {
    let ReviewState::Submitted(by) = review.state() else { return None };
    if !(REVIEW_WAITS..=NEWS).contains(&now.since(by.at)) {
        return None;
    }
    let Review { id, service, checklist, .. } = review;
    let adviser = review.adviser().map_or_else(String::new, |who| format!(" {who} advises."));
    let title = format!("its review by {checklist} waits for signatures");
    let text = format!(
        "The team has answered.{adviser} `flyball review show {service} {checklist}` says whose are missing, `flyball \
         review sign {service} {checklist}` signs."
    );
    Some(told(
        "review.tell",
        (service, format!("review/{id}/submitted/{}", by.at)),
        (title, text),
        by.at,
    ))
}

/// That an approval ends soon, or has ended of late.
fn ending(review: &Review, now: Timestamp) -> Option<Told> {
    let Review { id, service, checklist, .. } = review;
    let (key, title) = match review.standing(now) {
        Standing::Approved { until: Some(until) } if until.since(now) <= ENDS_SOON => (
            format!("review/{id}/ends/{until}"),
            format!("its approval by {checklist} ends at {until}"),
        ),
        Standing::WaiversOver { items } => {
            let over =
                review.waivers().iter().filter(|of| items.contains(&of.item) && of.expires <= now);
            let last = over.map(|of| of.expires).max().filter(|at| now.since(*at) <= NEWS)?;
            let (first, more) = (items.first()?, items.len() - 1);
            let more = if more > 0 { format!(", nor are {more} more") } else { String::new() };
            let title = format!(
                "its approval by {checklist} has ended: {first} is not waived any more{more}"
            );
            (format!("review/{id}/waivers/{last}"), title)
        }
        Standing::TooOld { since } if now.since(since) <= NEWS => (
            format!("review/{id}/old/{since}"),
            format!("its approval by {checklist} has ended at {since}"),
        ),
        _ => return None,
    };
    let text = format!(
        "`flyball review show {service} {checklist}` says what it rests on. `flyball review waive` renews a waiver, `flyball \
         review open {service} {checklist}` begins anew."
    );
    Some(told("review.tell", (service, key), (title, text), now))
}
