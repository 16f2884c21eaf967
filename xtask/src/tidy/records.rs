//! Decision records: `docs/adr/NNN-title.md`, numbered without gaps, each with its number in the
//! heading, a date, a status, a decision and its consequences.

use super::Finding;
use super::tree::Tree;

const DIRECTORY: &str = "docs/adr/";
/// A record is read in two minutes or not at all.
const LINES_MAX: usize = 70;
const SECTIONS: &[&str] = &["## Decision", "## Consequences"];
const STATUSES: &[&str] = &["proposed", "accepted", "superseded by "];

/// Everything that is wrong with the decision records.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected = 1;
    for (path, text) in tree.texts("md") {
        let Some(name) = path.strip_prefix(DIRECTORY).filter(|name| *name != "README.md") else {
            continue;
        };
        let number: Option<u32> = name
            .split_once('-')
            .filter(|(digits, _)| digits.len() == 3)
            .and_then(|(digits, _)| digits.parse().ok());
        match number {
            None => findings.push(Finding::new(
                path,
                1,
                "the name has no number",
                "name it NNN-title.md with three digits",
            )),
            Some(number) if number != expected => {
                findings.push(Finding::new(
                    path,
                    1,
                    format!("{number:03} follows where {expected:03} is due"),
                    "records are numbered from 001 without gaps; numbers are never used again",
                ));
                expected = number + 1;
            }
            Some(_) => expected += 1,
        }
        findings.extend(content(path, text, number));
    }
    findings
}

fn content(path: &str, text: &str, number: Option<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |line, message: String, hint| {
        findings.push(Finding::new(path, line, message, hint));
    };
    if let Some(number) = number
        && !text.starts_with(&format!("# {number:03} · "))
    {
        wrong(1, "the heading lacks the number".to_owned(), "write `# NNN · Title`");
    }
    let status =
        text.lines().find_map(|line| line.split_once("Status: ").map(|(_, status)| status));
    if !status.is_some_and(|status| STATUSES.iter().any(|known| status.starts_with(known))) {
        wrong(
            1,
            "there is no status".to_owned(),
            "write `Date: YYYY-MM-DD · Status: accepted` (or proposed, superseded by NNN)",
        );
    }
    for section in SECTIONS {
        if !text.lines().any(|line| line.trim_end() == *section) {
            wrong(1, format!("the section `{section}` is missing"), "see the other records");
        }
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        wrong(
            LINES_MAX,
            format!("{lines} lines are more than {LINES_MAX}"),
            "keep the decision and move the detail into docs/",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# 001 · A\n\nDate: 2026-01-01 · Status: accepted\n\n## Decision\n\n\
                        ## Consequences\n";

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn good_records_pass() {
        let second = GOOD.replace("001", "002").replace("accepted", "superseded by 001");
        let files = [("docs/adr/001-a.md", GOOD), ("docs/adr/002-b.md", &second)];
        assert_eq!(messages(&files), [""; 0]);
    }

    #[test]
    fn gaps_and_repeats_are_found() {
        let third = GOOD.replace("001", "003");
        let files = [("docs/adr/001-a.md", GOOD), ("docs/adr/003-b.md", &third)];
        assert_eq!(messages(&files), ["003 follows where 002 is due"]);
        let files = [("docs/adr/001-a.md", GOOD), ("docs/adr/001-b.md", GOOD)];
        assert_eq!(messages(&files), ["001 follows where 002 is due"]);
        assert_eq!(messages(&[("docs/adr/first.md", GOOD)]), ["the name has no number"]);
    }

    #[test]
    fn what_a_record_lacks_is_found() {
        let found = messages(&[("docs/adr/001-a.md", "# A\n\nStatus: maybe\n")]);
        assert_eq!(
            found,
            [
                "the heading lacks the number",
                "there is no status",
                "the section `## Decision` is missing",
                "the section `## Consequences` is missing",
            ]
        );
    }
}
