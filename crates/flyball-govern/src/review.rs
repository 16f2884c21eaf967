//! The review of an SLO: what to change about it, by whether it was met, how much toil it took and whether
//! its users are satisfied; and what a reviewer should look at twice.
//!
//! The questions that a review of SLOs asks beside this table are those of a
//! [`Checklist`](crate::checklist::Checklist).

use flyball_model::{Change, ChangeClass, ChangeKind, Duration, Timestamp};

use crate::policy::Retarget;

/// How much of something there is, as those say who know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Little.
    Low,
    /// Much.
    High,
}

impl Mark {
    /// The word that conditions know it by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

/// What somebody says of a service: what no telemetry knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Remark {
    /// How much toil it takes.
    pub toil: Option<Mark>,
    /// The hours that went into it since the remark before.
    pub toil_hours: Option<u32>,
    /// How satisfied its users are.
    pub satisfaction: Option<Mark>,
    /// What was said, in a sentence.
    pub note: Option<String>,
    /// Who says so.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// What remarks come to: what was said last of toil and of satisfaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Said {
    /// How much toil it takes; `None` when nobody said.
    pub toil: Option<Mark>,
    /// How satisfied users are; `None` when nobody said.
    pub satisfaction: Option<Mark>,
}

impl Said {
    /// What `remarks` come to, the latest first.
    pub fn of(remarks: &[Remark]) -> Self {
        Self {
            toil: remarks.iter().find_map(|remark| remark.toil),
            satisfaction: remarks.iter().find_map(|remark| remark.satisfaction),
        }
    }

    /// The same, where `self` says nothing what `other` says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            toil: self.toil.or(other.toil),
            satisfaction: self.satisfaction.or(other.satisfaction),
        }
    }
}

/// What to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Ship faster: there is budget to spend, and nobody suffers.
    ShipFaster,
    /// Promise more: the promise is kept, and users want more than it says.
    Tighten,
    /// Wake fewer people, or promise less: it is kept by hard work that nobody needs.
    QuietenOrLoosen,
    /// Promise less: users are content with less than is promised.
    Loosen,
    /// Notice earlier: users suffer, and nobody is called.
    Sharpen,
    /// Take work off those who operate it, and mend the product.
    OffloadAndMend,
}

impl Advice {
    /// What to do, in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ShipFaster => "Ship faster: relax the release and deployment processes.",
            Self::Tighten => "Tighten the SLO: it is kept, and users want more.",
            Self::QuietenOrLoosen => {
                "Make alerts less sensitive, or loosen the SLO: it is kept by toil that users do not need."
            }
            Self::Loosen => "Loosen the SLO: users are content with less.",
            Self::Sharpen => "Make alerts more sensitive: users suffer and nobody is called.",
            Self::OffloadAndMend => "Take toil off the team, and mend the product.",
        }
    }
}

/// One line of the decision table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Reviewed {
    /// Whether the SLO was met.
    pub met: bool,
    /// How much toil it took.
    pub toil: Mark,
    /// How satisfied its users are.
    pub satisfaction: Mark,
    /// What to change then.
    pub advice: Advice,
}

/// The decision table: the SRE Workbook, chapter 2, table 2-5.
pub const TABLE: [Reviewed; 8] = {
    use Advice::{Loosen, OffloadAndMend, QuietenOrLoosen, Sharpen, ShipFaster, Tighten};
    use Mark::{High, Low};
    const fn line(met: bool, toil: Mark, satisfaction: Mark, advice: Advice) -> Reviewed {
        Reviewed { met, toil, satisfaction, advice }
    }
    [
        line(true, Low, High, ShipFaster),
        line(true, Low, Low, Tighten),
        line(true, High, High, QuietenOrLoosen),
        line(true, High, Low, Tighten),
        line(false, Low, High, Loosen),
        line(false, Low, Low, Sharpen),
        line(false, High, High, Loosen),
        line(false, High, Low, OffloadAndMend),
    ]
};

/// The lines of the [`TABLE`] that are left by what is known; what is `None` is not.
pub fn review(met: Option<bool>, said: Said) -> impl Iterator<Item = Reviewed> {
    let Said { toil, satisfaction } = said;
    TABLE.into_iter().filter(move |line| {
        met.is_none_or(|met| met == line.met)
            && toil.is_none_or(|toil| toil == line.toil)
            && satisfaction.is_none_or(|satisfaction| satisfaction == line.satisfaction)
    })
}

/// Something that makes numbers look better than what users met: a reason to ask, and no proof.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "sign")]
pub enum Sign {
    /// A promise was loosened while its budget was overspent.
    LoosenedWhileOverspent {
        /// What was changed, by whom and why.
        retarget: Retarget,
    },
    /// More time was corrected away than in the time of equal length before.
    GrowingCorrections {
        /// Of which SLO.
        slo: String,
        /// In the time before.
        before: Duration,
        /// In this time.
        after: Duration,
    },
    /// A planned change was filed as a fix that names nothing which it repairs.
    FiledAsFix {
        /// The change.
        change: String,
        /// Its service.
        service: String,
        /// What it says of itself.
        summary: Option<String>,
    },
}

/// The changes that were filed as fixes and look like something else: somebody had planned them, and they name
/// no change that they repair. A fix passes gates that hold features up.
pub fn filed_as_fixes<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<Sign> {
    let is_suspect = |change: &&Change| {
        change.class == ChangeClass::Fix
            && change.kind != ChangeKind::Rollback
            && change.planned == Some(true)
            && change.restores.is_none()
            && change.shipped().is_some()
    };
    let suspects = changes.into_iter().filter(is_suspect);
    let sign = |change: &Change| Sign::FiledAsFix {
        change: change.id.clone(),
        service: change.service.clone(),
        summary: change.summary.clone(),
    };
    suspects.map(sign).collect()
}

/// That more time of `slo` was corrected away than `before`; `None` when it was not.
pub fn growing_corrections(slo: &str, before: Duration, after: Duration) -> Option<Sign> {
    (after > before).then(|| Sign::GrowingCorrections { slo: slo.to_owned(), before, after })
}

#[cfg(test)]
mod tests {
    use flyball_model::{ChangeOutcome, ChangeSource, Timestamp};

    use super::*;

    /// The eight lines as the workbook prints them.
    #[test]
    fn the_table_answers_each_case_once() {
        use Mark::{High, Low};
        let said = |toil, satisfaction| Said { toil, satisfaction };
        for met in [true, false] {
            for toil in [Low, High] {
                for satisfaction in [Low, High] {
                    let found = review(Some(met), said(Some(toil), Some(satisfaction)));
                    assert_eq!(found.count(), 1, "{met} {toil:?} {satisfaction:?}");
                }
            }
        }
        let advice = |met, toil, satisfaction| {
            review(Some(met), said(Some(toil), Some(satisfaction))).next().unwrap().advice
        };
        assert_eq!(advice(true, Low, High), Advice::ShipFaster);
        assert_eq!(advice(true, High, High), Advice::QuietenOrLoosen);
        assert_eq!(advice(false, Low, Low), Advice::Sharpen);
        assert_eq!(advice(false, High, Low), Advice::OffloadAndMend);
        assert_eq!(
            review(Some(true), said(None, Some(Low))).count(),
            2,
            "tighten, whatever the toil"
        );
        assert!(
            review(Some(true), said(None, Some(Low))).all(|line| line.advice == Advice::Tighten)
        );
        assert_eq!(review(None, Said::default()).count(), 8);
    }

    #[test]
    fn what_was_said_last_counts_for_each_question() {
        let remark = |toil, satisfaction| Remark {
            toil,
            satisfaction,
            toil_hours: None,
            note: None,
            who: "bo".to_owned(),
            at: Timestamp::from_seconds(0),
        };
        let (low, high) = (Some(Mark::Low), Some(Mark::High));
        let said = Said::of(&[remark(None, low), remark(high, high), remark(low, None)]);
        assert_eq!(said, Said { toil: high, satisfaction: low });
        let asked = Said { toil: low, satisfaction: None };
        assert_eq!(asked.or(said), Said { toil: low, satisfaction: low });
        assert_eq!(Said::of(&[]), Said::default());
    }

    #[test]
    fn a_planned_fix_of_nothing_is_looked_at_twice() {
        let at = Timestamp::from_seconds(0);
        let source = ChangeSource { system: "test".to_owned(), delivery: "1".to_owned() };
        let (id, name, done) = ("a".to_owned(), "shop".to_owned(), ChangeOutcome::Succeeded);
        let mut change = Change::new(id, name, ChangeKind::Deploy, done, at, source);
        (change.class, change.planned, change.finished) = (ChangeClass::Fix, Some(true), Some(at));
        assert_eq!(filed_as_fixes([&change]).len(), 1);
        for other in [
            Change { restores: Some("b".to_owned()), ..change.clone() },
            Change { planned: None, ..change.clone() },
            Change { class: ChangeClass::Feature, ..change.clone() },
            Change { outcome: ChangeOutcome::Failed, ..change.clone() },
        ] {
            assert_eq!(filed_as_fixes([&other]), []);
        }
    }

    #[test]
    fn corrections_that_grow_are_a_sign() {
        let hours = Duration::from_hours;
        assert!(growing_corrections("a", hours(1), hours(2)).is_some());
        assert_eq!(growing_corrections("a", hours(2), hours(2)), None);
    }
}
