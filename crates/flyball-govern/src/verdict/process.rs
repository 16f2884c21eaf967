//! Evidence that grows block by block.
//!
//! For a set of stakes that are tried at once the evidence is the mean of their products, which is
//! an e-process as each of them is: under the null the probability that it ever reaches `1 / alpha`
//! is at most `alpha` (Ville's inequality), so it may be looked at after every block.
//!
//! Two forms are kept. *Steady* evidence is the plain product from the first block on. *Watchful*
//! evidence also finds what begins late, such as a leak: it is a mixture over the block `s` in which
//! the effect begins, with weights `1 / (s (s + 1))` that add up to one, and it leaves out the one
//! block that speaks loudest, so that no single burst decides. Leaving out only makes it smaller.

/// Evidence of one set of stakes.
#[derive(Debug, Clone, Copy)]
struct Strand {
    steady: f64,
    every: f64,
    but_one: f64,
}

/// The evidence against one null hypothesis; all in natural logarithms.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    strands: Vec<Strand>,
    blocks: u64,
}

impl Evidence {
    /// No evidence yet, for as many strands as stakes are tried.
    pub(super) fn new(strands: usize) -> Self {
        let strand = Strand { steady: 0.0, every: f64::NEG_INFINITY, but_one: f64::NEG_INFINITY };
        Self { strands: vec![strand; strands], blocks: 0 }
    }

    /// Takes in a block: the logarithm of its e-value for each strand.
    pub(super) fn add(&mut self, log_e: impl Iterator<Item = f64>) {
        self.blocks += 1;
        let start = self.blocks as f64;
        let weight = -(start.ln() + (start + 1.0).ln());
        for (strand, log_e) in self.strands.iter_mut().zip(log_e) {
            strand.steady += log_e;
            let before = log_sum(strand.every, weight);
            strand.but_one = (log_sum(strand.but_one, weight) + log_e).min(before);
            strand.every = before + log_e;
        }
    }

    /// The mean of the plain products, each with a further logarithm.
    pub(super) fn steady_with(&self, further: impl Iterator<Item = f64>) -> f64 {
        let logs = self.strands.iter().zip(further).map(|(strand, log)| strand.steady + log);
        log_mean(logs, self.strands.len())
    }

    /// Evidence of an effect that may have begun in any block, without the loudest block.
    pub(super) fn watchful(&self) -> f64 {
        log_mean(self.strands.iter().map(|strand| strand.but_one), self.strands.len())
    }
}

/// The logarithm of the mean of `count` exponentials.
pub(super) fn log_mean(logs: impl Iterator<Item = f64>, count: usize) -> f64 {
    logs.fold(f64::NEG_INFINITY, log_sum) - (count.max(1) as f64).ln()
}

/// `ln(e^a + e^b)` without overflow.
pub(super) fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loud_block_decides_nothing() {
        let mut evidence = Evidence::new(1);
        for log_e in [-0.1, -0.1, 50.0, -0.1] {
            evidence.add(std::iter::once(log_e));
        }
        assert!(evidence.steady_with(std::iter::once(0.0)) > 49.0);
        assert!(evidence.watchful() < 0.0);
        evidence.add(std::iter::once(9.0));
        assert!(evidence.watchful() > 3.0);
    }

    #[test]
    fn what_begins_late_is_found_all_the_same() {
        let mut evidence = Evidence::new(1);
        for _ in 0..1000 {
            evidence.add(std::iter::once(-0.5));
        }
        for _ in 0..30 {
            evidence.add(std::iter::once(0.7));
        }
        assert!(evidence.steady_with(std::iter::once(0.0)) < -400.0);
        assert!(evidence.watchful() > 3.0);
    }
}
