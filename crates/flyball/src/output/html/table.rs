//! Tables of the page. On narrow screens each row becomes a block in which every cell says the name
//! of its column, so that nothing is cut off and nothing has to be scrolled sideways.

use std::fmt::{Display, Result, Write};

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    class: &'static str,
}

/// A column of text.
pub(super) const fn text(name: &'static str) -> Column {
    Column { name, class: "" }
}

/// A column of instants, kept on one line.
pub(super) const fn time(name: &'static str) -> Column {
    Column { name, class: "t" }
}

/// A column of numbers, aligned to the right.
pub(super) const fn number(name: &'static str) -> Column {
    Column { name, class: "n" }
}

/// What stands in a cell, as HTML.
#[derive(Debug)]
pub(super) struct Cell {
    html: String,
    /// What the column is sorted by, where that is not the text.
    key: Option<String>,
}

impl Cell {
    /// Sorted by `key`.
    pub(super) fn keyed(html: impl Into<String>, key: impl Display) -> Self {
        Self { html: html.into(), key: Some(key.to_string()) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(html: T) -> Self {
        Self { html: html.into(), key: None }
    }
}

/// A table that is being written.
#[derive(Debug)]
pub(super) struct Table<'a> {
    out: &'a mut String,
    columns: &'a [Column],
}

impl<'a> Table<'a> {
    /// Opens a table with `attributes` as they stand in the tag. The first of `columns` heads the
    /// rows.
    pub(super) fn open(
        out: &'a mut String,
        attributes: &str,
        caption: &str,
        columns: &'a [Column],
    ) -> std::result::Result<Self, std::fmt::Error> {
        write!(out, r#"<div class="scroll"><table {attributes}>"#)?;
        if !caption.is_empty() {
            write!(out, "<caption>{caption}</caption>")?;
        }
        out.push_str("<thead><tr>");
        for column in columns {
            match column.class {
                "n" => write!(out, r#"<th scope="col" class="n">{}</th>"#, column.name)?,
                _ => write!(out, r#"<th scope="col">{}</th>"#, column.name)?,
            }
        }
        out.push_str("</tr></thead><tbody>");
        Ok(Self { out, columns })
    }

    /// One row: what it is about, then a cell for each further column.
    pub(super) fn row<const CELLS: usize>(
        &mut self,
        head: impl Display,
        cells: [Cell; CELLS],
    ) -> Result {
        write!(self.out, r#"<tr><th scope="row">{head}</th>"#)?;
        for (column, cell) in self.columns.iter().skip(1).zip(cells) {
            self.out.push_str("<td");
            if !column.class.is_empty() {
                write!(self.out, r#" class="{}""#, column.class)?;
            }
            // An empty cell has no place in a block.
            if !cell.html.is_empty() {
                write!(self.out, r#" data-label="{}""#, column.name)?;
            }
            if let Some(key) = cell.key {
                write!(self.out, r#" data-sort="{key}""#)?;
            }
            write!(self.out, ">{}</td>", cell.html)?;
        }
        self.out.push_str("</tr>");
        Ok(())
    }

    /// Closes the table.
    pub(super) fn close(self) {
        self.out.push_str("</tbody></table></div>\n");
    }
}
