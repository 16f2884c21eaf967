//! Which commits a deployment ships: those of its branch since the deployment before.
//!
//! Deployments name one commit, pushes bring all of them. Where no checkout is at hand to ask, the
//! pushes of the branch are history enough, as far back as they are known.

use flyball_model::Commit;

/// The commits that a deployment of `after` ships, when `before` was live, out of the commits of a
/// branch in the order in which they were pushed; hashes may be cut.
///
/// Empty when `after` is `before`, or lies before it: going back ships nothing new. `None` when it is
/// not known, because either commit is not among those of the branch, and for a first deployment,
/// whose history has no beginning.
pub fn shipped_commits(
    branch: &[Commit],
    before: Option<&str>,
    after: &str,
) -> Option<Vec<Commit>> {
    // A commit that is pushed again, as after a branch was rewritten, counts where it came last.
    let place = |sha: &str| branch.iter().rposition(|commit| same(&commit.sha, sha));
    let (from, to) = (place(before?)?, place(after)?);
    Some(branch.get(from + 1..=to).unwrap_or_default().to_vec())
}

/// Whether two hashes are the same where both are known; seven digits are the fewest that git cuts to.
fn same(one: &str, other: &str) -> bool {
    const CUT_MIN: usize = 7;
    let length = one.len().min(other.len());
    one == other
        || (length >= CUT_MIN
            && one
                .get(..length)
                .zip(other.get(..length))
                .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)))
}
