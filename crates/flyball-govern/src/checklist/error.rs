//! Why a review does not move, in words.

use flyball_model::Duration;

use super::review::WAIVERS_MAX;
use crate::policy::Role;

/// Why a review does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// Something that it cannot be without.
    #[error("a review needs {what}; hint: give it as well")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// A yes without anything that shows it.
    #[error(
        "`{item}` is not answered by a yes alone; hint: say what shows it, or where it is, as `evidence` (--evidence)"
    )]
    NoEvidence {
        /// The item.
        item: String,
    },
    /// Nobody from outside the team advises it.
    #[error(
        "nobody from outside the team advises the review; hint: `flyball review adviser {service} {checklist} --who NAME` says \
         who does"
    )]
    NoAdviser {
        /// The service.
        service: String,
        /// The checklist.
        checklist: String,
    },
    /// Too much text.
    #[error("{what} has {length} bytes; hint: say it in {most}, and link to the rest")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The most.
        most: usize,
    },
    /// The service is not ready to be reviewed.
    #[error("`{service}` is not eligible for `{checklist}`: {}; hint: it may ask again when these hold", unmet.join("; "))]
    NotEligible {
        /// The service.
        service: String,
        /// The checklist.
        checklist: String,
        /// What does not hold, or is not known, with what was seen.
        unmet: Vec<String>,
    },
    /// Another checklist, or another version of it.
    #[error(
        "the review goes through `{own}` version {version}; hint: move it to the version that counts now (`flyball review renew`)"
    )]
    OtherVersion {
        /// The review's checklist.
        own: String,
        /// The review's version.
        version: u32,
    },
    /// It is too late or too early for this.
    #[error("the review is {state}; hint: {hint}")]
    WrongState {
        /// Where it is.
        state: &'static str,
        /// What can be done.
        hint: &'static str,
    },
    /// No such item.
    #[error("`{checklist}` has no item `{item}`; hint: the review lists its items")]
    NoItem {
        /// The checklist.
        checklist: String,
        /// The item.
        item: String,
    },
    /// The item is answered live.
    #[error("`{item}` is answered by what is measured; hint: mend that, or have it waived")]
    Live {
        /// The item.
        item: String,
    },
    /// Items stand in the way.
    #[error("{} in the way: {}; hint: answer them with yes, mend them, or have them waived", if items.len() == 1 { "an item stands" } else { "items stand" }, items.join(", "))]
    Blocked {
        /// Which.
        items: Vec<String>,
    },
    /// Not theirs to do.
    #[error("the role `{role}` may not {act} here; hint: these may: {holders}")]
    NoRight {
        /// The role.
        role: Role,
        /// What it tried.
        act: &'static str,
        /// Who may, in words.
        holders: String,
    },
    /// Nobody judges their own cause.
    #[error("{who} {did}, and cannot {act} as well; hint: ask somebody else who holds the role")]
    OwnCause {
        /// Who.
        who: String,
        /// What they have done.
        did: &'static str,
        /// What they tried.
        act: &'static str,
    },
    /// It is about nothing.
    #[error("`{item}` needs no waiver; hint: {why}")]
    NotWaivable {
        /// The item.
        item: String,
        /// Why.
        why: &'static str,
    },
    /// Too much.
    #[error("a review has at most {WAIVERS_MAX} waivers; hint: open another one")]
    TooManyWaivers,
    /// Its end is not after its start, or too far.
    #[error(
        "a waiver ends after it starts and lasts at most {longest}; hint: renew it then, if it is still wanted"
    )]
    WaiverLength {
        /// The longest.
        longest: Duration,
    },
}
