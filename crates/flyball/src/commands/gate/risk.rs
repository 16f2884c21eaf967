//! What a rollout may cost, told beside a decision.

use crate::output::words::printable;
use crate::remote::Remote;
use crate::talk;

#[derive(Debug, serde::Deserialize)]
struct Risks {
    changes: u64,
    failures: u64,
    budgets: Vec<RiskOf>,
}

#[derive(Debug, serde::Deserialize)]
struct RiskOf {
    slo: String,
    remaining: i64,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum Answer {
    NotEnoughData { failures: usize, needed: usize },
    Estimated { risk: Risk, mitigations: Vec<Mitigation> },
}

#[derive(Debug, serde::Deserialize)]
struct Risk {
    expected_bad: f64,
    overspends: f64,
    overspends_between: (f64, f64),
}

#[derive(Debug, serde::Deserialize)]
struct Mitigation {
    kind: Kind,
    risk: Risk,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    SmallerCanary { rollout: String },
    LongerBake { rollout: String },
    FasterDetection { times: u32 },
}

/// Says what `rollout` of `service` may cost. It decides nothing: where it cannot be told, that is said.
pub(super) fn tell(remote: &Remote, service: &str, rollout: &str) {
    let path = ["api", "v1", "gate", service, "prerelease"];
    match remote.get::<Risks>(&path, &[("rollout", rollout)]) {
        Ok(risks) if risks.budgets.is_empty() => talk::note(
            "what it may cost cannot be told: the service has no budget of counted events",
        ),
        Ok(risks) => {
            risks.budgets.iter().for_each(|one| talk::note(&printable(&sentence(&risks, one))));
        }
        Err(error) => talk::warning(&format!("what it may cost cannot be told: {error:#}")),
    }
}

fn sentence(risks: &Risks, of: &RiskOf) -> String {
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    let RiskOf { slo, remaining, answer } = of;
    let (risk, mitigations) = match answer {
        Answer::NotEnoughData { failures, needed } => {
            return format!(
                "{slo}: what it may cost cannot be told: {failures} changes that failed are known, {needed} are needed"
            );
        }
        Answer::Estimated { risk, mitigations } => (risk, mitigations),
    };
    let (least, most) = risk.overspends_between;
    let mut said = format!(
        "{slo}: {:.0} bad events to be expected, {remaining} are left; with {} (between {} and {}) that is not enough, by \
         {} failures of {} changes",
        risk.expected_bad,
        percent(risk.overspends),
        percent(least),
        percent(most),
        risks.failures,
        risks.changes,
    );
    for Mitigation { kind, risk } in mitigations {
        let what = match kind {
            Kind::SmallerCanary { rollout } | Kind::LongerBake { rollout } => rollout.clone(),
            Kind::FasterDetection { times } => format!("finding failures {times} times as fast"),
        };
        said.push_str("; ");
        said.push_str(&what);
        said.push_str(" makes it ");
        said.push_str(&percent(risk.overspends));
    }
    said
}
