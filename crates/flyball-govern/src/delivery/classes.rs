//! What deployments were for.

use flyball_model::ChangeClass;

use super::facts::Facts;
use super::spread::Share;

/// The share of deployments that were of one class.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ClassShare {
    /// Why they were made.
    pub class: ChangeClass,
    /// How many, of all that reached users in the time.
    pub deployments: Share,
}

/// The share of each class of deployments, in the order of [`ChangeClass::ALL`]; empty without any.
pub fn classes(facts: &Facts<'_>) -> Vec<ClassShare> {
    let deployments = facts.deployments();
    let of_class = |class: &ChangeClass| {
        let of = deployments.iter().filter(|(_, change)| change.class == *class).count();
        let deployments = Share::new(of as u64, deployments.len() as u64)?;
        Some(ClassShare { class: *class, deployments })
    };
    ChangeClass::ALL.iter().filter_map(of_class).collect()
}
