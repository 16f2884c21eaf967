//! Selectors that no series has met: nobody sends what they mean, or they do not say what is meant.

use super::Meter;
use super::routes::Goal;
use crate::terms::POINTS_PREFIX;

/// A selector of an SLI, with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The selector as people write it.
    pub selector: String,
    /// The metric's name, where it says a whole one.
    pub name: Option<String>,
    /// Whether it selects what is bad: a healthy service may have no such series.
    pub is_of_bad: bool,
}

impl Meter {
    /// The selectors of an SLI that no series has met since the meter was made or restored, each once;
    /// none where there is no such SLI, or where answers to a query are counted, which only a metrics
    /// system understands.
    pub fn unmet(&self, sli: usize) -> Vec<Unmet> {
        let Some(state) = self.slis.get(sli) else { return Vec::new() };
        let mut found: Vec<Unmet> = Vec::new();
        for (selector, goal) in self.router.unmet(sli) {
            if selector.name.as_ref().is_some_and(|name| name.starts_with(POINTS_PREFIX)) {
                continue;
            }
            let is_of_bad = matches!(goal, Goal::Side { .. }) && state.side_is_bad;
            let (name, selector) = (selector.name.clone(), selector.told());
            match found.iter_mut().find(|known| known.selector == selector) {
                Some(known) => known.is_of_bad &= is_of_bad,
                None => found.push(Unmet { selector, name, is_of_bad }),
            }
        }
        found
    }
}
