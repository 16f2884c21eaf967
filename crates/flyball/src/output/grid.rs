//! A list that a server gives, as lines and columns for people: alike in all commands.

use std::fmt;

use super::table::{finish, new_table};
use super::words;

/// A table without lines.
#[derive(Debug)]
pub(crate) struct Grid {
    /// What is said where there are no rows: a head over nothing tells nobody anything.
    nothing: &'static str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table of these columns, whose names are shown in capitals; `nothing` is what is said without rows.
    pub(crate) fn new(nothing: &'static str, header: &[&str]) -> Self {
        let header = header.iter().map(|name| name.to_uppercase()).collect();
        Self { nothing, header, rows: Vec::new() }
    }

    /// Adds a row. A cell that is a time is shown to the second; what is in others is made harmless.
    pub(crate) fn add_row<const N: usize>(&mut self, row: [String; N]) {
        let cells = row.into_iter().map(|cell| words::printable(&words::to_seconds(&cell)));
        self.rows.push(cells.collect());
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return f.write_str(self.nothing);
        }
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        let mut table = new_table(&header);
        for row in &self.rows {
            table.add_row(row);
        }
        f.write_str(&finish(table, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_capitals_times_have_whole_seconds_and_nothing_is_said_in_words() {
        let mut grid = Grid::new("no blocks", &["block", "until", "by"]);
        assert_eq!(grid.to_string(), "no blocks");
        let id = "shop:2026-03-02T12:00:00.5Z";
        let cells = [id, "2026-03-02T12:00:00.069417935Z", "anyone (sre)"];
        grid.add_row(cells.map(str::to_owned));
        let said = grid.to_string();
        let lines: Vec<Vec<&str>> =
            said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["BLOCK", "UNTIL", "BY"]);
        assert_eq!(lines[1], [id, "2026-03-02T12:00:00Z", "anyone", "(sre)"], "ids stay whole");
        assert!(said.lines().all(|line| line == line.trim_end()), "{said:?}");
    }
}
