//! What rules would have done since a moment, kept up to date beside the state that counts.

use flyball_model::{Severity, Slot, Tally, Timestamp};

use super::{History, Live, LiveError, Plan, Saved};
use crate::alert::Change;

/// Whether a page would have fired since a moment at which no rule did, under a plan of its own; see [`Live`].
///
/// It answers as a replay from that moment does: what was counted late is looked at where it belongs, since nobody was called
/// by what this state decided. The sums of that moment are kept, so that the ledger's stretches are read once.
#[derive(Debug)]
pub struct Shadow {
    plan: Plan,
    /// The state of the moment that it began with.
    began: Live,
    live: Live,
    pages: bool,
}

impl Shadow {
    /// The state at `from`, with every rule idle.
    ///
    /// # Errors
    ///
    /// As [`Live::load`].
    pub fn begin<H: History>(
        plan: Plan,
        from: Timestamp,
        history: &H,
    ) -> Result<Self, LiveError<H::Error>> {
        let saved = Saved { at: from.max(plan.since()).nanos(), watches: Vec::new() };
        let began = Live::load(&plan, &saved, history)?;
        Ok(Self { live: began.clone(), plan, began, pages: false })
    }

    /// Takes in counts that the ledger holds already, as [`Live::record`] does.
    ///
    /// # Errors
    ///
    /// [`LiveError::History`]; it is to be begun anew.
    pub fn record<H: History>(
        &mut self,
        added: &[(Slot, Tally)],
        history: &H,
    ) -> Result<(), LiveError<H::Error>> {
        self.began.record(&self.plan, added, history)?;
        let is_late =
            |(slot, _): &(Slot, Tally)| slot.interval(self.plan.slot).start() < self.live.at();
        if added.iter().any(is_late) {
            (self.live, self.pages) = (self.began.clone(), false);
            return Ok(());
        }
        self.live.record(&self.plan, added, history)
    }

    /// Whether a page would have fired up to `to`.
    ///
    /// # Errors
    ///
    /// As [`Live::advance`]; it is to be begun anew.
    pub fn pages<H: History>(
        &mut self,
        to: Timestamp,
        history: &H,
    ) -> Result<bool, LiveError<H::Error>> {
        let mut changes = Vec::new();
        self.live.advance(&self.plan, to, history, &mut changes)?;
        let is_page =
            |change: &Change| matches!(change, Change::Fired(of) if of.severity == Severity::Page);
        self.pages |= changes.iter().any(is_page);
        Ok(self.pages)
    }
}
