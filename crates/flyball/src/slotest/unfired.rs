//! Why a burn rule has never fired: how far its burns came, against what it asks for.

use flyball_budget::alert::{self, Firing};
use flyball_model::{AlertRule, Comparison, Condition, Duration, Factor, Rational, Window};

use super::quantity::Found;

/// A rule that has never fired, with what it compares.
#[derive(Debug)]
pub(super) struct Unfired<'r> {
    rule: &'r AlertRule,
    lookbacks: Vec<Duration>,
    sign: &'static str,
    factor: f64,
}

impl<'r> Unfired<'r> {
    /// `None` for a rule that does not wait for a high burn.
    pub(super) fn of(rule: &'r AlertRule, window: &Window) -> Option<Self> {
        let Condition::Burn { long, short, factor, comparison } = rule.condition else {
            return None;
        };
        let sign = match comparison {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below | Comparison::AtMost => return None,
        };
        let factor = alert::factor(factor, long, window).ok()?.to_f64();
        Some(Self { rule, lookbacks: std::iter::once(long).chain(short).collect(), sign, factor })
    }

    /// A rule for each lookback that any burn sets off, so that its firings tell the highest.
    pub(super) fn probes(&self) -> Vec<AlertRule> {
        let probe = |lookback: &Duration| AlertRule {
            name: lookback.to_string(),
            severity: self.rule.severity,
            condition: Condition::Burn {
                long: *lookback,
                short: None,
                factor: Factor::Exact(Rational::ZERO),
                comparison: Comparison::Above,
            },
            hold: Duration::ZERO,
            evidence: None,
        };
        self.lookbacks.iter().map(probe).collect()
    }

    /// What the firings of the probes say, in words.
    pub(super) fn words(&self, firings: &[Firing]) -> String {
        let four = |value: f64| Found::Estimate((value * 1e4).round() / 1e4).show();
        let reached = |lookback: &Duration| {
            let name = lookback.to_string();
            let own = firings.iter().filter(|firing| firing.rule == name);
            let highest = own.map(|firing| firing.burn_peak).fold(0.0, f64::max);
            format!("{} over {lookback}", four(highest))
        };
        let reached: Vec<String> = self.lookbacks.iter().map(reached).collect();
        let both = if self.lookbacks.len() > 1 { " over both at once" } else { "" };
        let hold = match self.rule.hold {
            Duration::ZERO => String::new(),
            hold => format!(" for {hold}"),
        };
        let evidence = if self.rule.evidence.is_some() { ", with enough evidence" } else { "" };
        format!(
            "it has never fired: the burn reached {}; needed {} {}{both}{hold}{evidence}",
            reached.join(", "),
            self.sign,
            four(self.factor)
        )
    }
}
