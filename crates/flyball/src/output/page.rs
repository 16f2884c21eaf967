//! One page of what a server says, in every form for people: text, Markdown, HTML.
//!
//! Whoever writes a page says what is on it; how it looks is decided here. The HTML has no script and
//! asks for nothing from anywhere; light or dark is the reader's own choice.

use std::fmt::{Result, Write};

use super::html::{Marked, STYLE, Safe, source};
use super::markdown::cell;
use super::table::{finish, new_table};
use super::words;

/// A page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// What it is of, in a few words.
    about: String,
    /// What it says, in one sentence.
    title: String,
    blocks: Vec<Block>,
}

/// A part of a page. Texts are plain; what is in them is shown as it is.
#[derive(Debug, Clone)]
enum Block {
    Heading(String),
    Text(String),
    List(Vec<String>),
    /// What something is, a line each.
    Facts(Vec<(String, String)>),
    Table(Vec<Column>, Vec<Vec<String>>),
    Bars(Vec<Bar>),
}

/// A line of a bar chart.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// What it is of.
    pub(crate) name: String,
    /// Its length, in words.
    pub(crate) value: String,
    /// Its length, from 0 to 1.
    pub(crate) share: f64,
}

impl Bar {
    /// The bar in characters, one for each thirtieth; what is there at all has one.
    fn drawn(&self) -> String {
        let share = self.share.clamp(0.0, 1.0) * 30.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held from 0 to 30"
        )]
        let length = share.ceil() as usize;
        "█".repeat(length)
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    is_number: bool,
}

/// A column of text.
pub(crate) const fn text(name: &'static str) -> Column {
    Column { name, is_number: false }
}

/// A column of numbers.
pub(crate) const fn number(name: &'static str) -> Column {
    Column { name, is_number: true }
}

impl Page {
    pub(crate) fn new(about: impl Into<String>, title: impl Into<String>) -> Self {
        let (about, title) = (about.into(), words::to_seconds(&title.into()));
        Self { about, title, blocks: Vec::new() }
    }

    pub(crate) fn heading(&mut self, heading: impl Into<String>) {
        self.blocks.push(Block::Heading(heading.into()));
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(words::to_seconds(&text.into())));
    }

    /// A list; nothing for none.
    pub(crate) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().map(|item| words::to_seconds(&item)).collect();
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    pub(crate) fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, String)>) {
        let facts =
            facts.into_iter().map(|(name, fact)| (name.to_owned(), words::to_seconds(&fact)));
        self.blocks.push(Block::Facts(facts.collect()));
    }

    /// A table; nothing without rows.
    pub(crate) fn table<const N: usize>(
        &mut self,
        columns: [Column; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let cells = |row: [String; N]| row.iter().map(|cell| words::to_seconds(cell)).collect();
        let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
        if !rows.is_empty() {
            self.blocks.push(Block::Table(columns.to_vec(), rows));
        }
    }

    /// A bar chart; nothing without bars.
    pub(crate) fn bars(&mut self, bars: impl IntoIterator<Item = Bar>) {
        let bars: Vec<Bar> = bars.into_iter().collect();
        if !bars.is_empty() {
            self.blocks.push(Block::Bars(bars));
        }
    }

    /// For a terminal, readable without colour.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(&mut out);
        words::printable(&out)
    }

    fn write_text(&self, out: &mut String) -> Result {
        writeln!(out, "{}\n{}", self.about, self.title)?;
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => writeln!(out, "\n{}", heading.to_uppercase())?,
                Block::Text(text) => writeln!(out, "{text}")?,
                Block::List(items) => {
                    items.iter().try_for_each(|item| writeln!(out, "- {item}"))?;
                }
                Block::Facts(facts) => {
                    let width = facts.iter().map(|(name, _)| name.chars().count()).max();
                    let width = width.unwrap_or_default();
                    for (name, fact) in facts {
                        writeln!(out, "{name:width$}  {fact}")?;
                    }
                }
                Block::Bars(bars) => {
                    let width = |of: fn(&Bar) -> &String| {
                        bars.iter().map(|bar| of(bar).chars().count()).max().unwrap_or_default()
                    };
                    let (name, value) = (width(|bar| &bar.name), width(|bar| &bar.value));
                    for bar in bars {
                        let line =
                            format!("{:name$}  {:>value$}  {}", bar.name, bar.value, bar.drawn());
                        writeln!(out, "{}", line.trim_end())?;
                    }
                }
                Block::Table(columns, rows) => {
                    let names: Vec<String> =
                        columns.iter().map(|of| of.name.to_uppercase()).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let mut table = new_table(&names);
                    for row in rows {
                        table.add_row(row);
                    }
                    let right = columns.iter().enumerate().filter(|(_, of)| of.is_number);
                    let right: Vec<usize> = right.map(|(at, _)| at).collect();
                    writeln!(out, "{}", finish(table, &right))?;
                }
            }
        }
        Ok(())
    }

    /// For a wiki or a pull request.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_markdown(&mut out);
        out
    }

    fn write_markdown(&self, out: &mut String) -> Result {
        writeln!(out, "# {}\n\n**{}**", cell(&self.about), cell(&self.title))?;
        for block in &self.blocks {
            writeln!(out)?;
            match block {
                Block::Heading(heading) => writeln!(out, "## {}", cell(heading))?,
                Block::Text(text) => writeln!(out, "{}", cell(text))?,
                Block::List(items) => {
                    items.iter().try_for_each(|item| writeln!(out, "- {}", cell(item)))?;
                }
                Block::Facts(facts) => {
                    for (name, fact) in facts {
                        writeln!(out, "- {}: {}", cell(name), cell(fact))?;
                    }
                }
                Block::Bars(bars) => {
                    writeln!(out, "|  |  |  |\n|---|---:|---|")?;
                    for bar in bars {
                        let (name, value) = (cell(&bar.name), cell(&bar.value));
                        writeln!(out, "| {name} | {value} | {} |", bar.drawn())?;
                    }
                }
                Block::Table(columns, rows) => {
                    for column in columns {
                        write!(out, "| {} ", cell(column.name))?;
                    }
                    writeln!(out, "|")?;
                    for column in columns {
                        out.push_str(if column.is_number { "|---:" } else { "|---" });
                    }
                    writeln!(out, "|")?;
                    for row in rows {
                        row.iter().try_for_each(|value| write!(out, "| {} ", cell(value)))?;
                        writeln!(out, "|")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A page for a browser, in one file.
    pub(crate) fn html(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_html(&mut out);
        out
    }

    fn write_html(&self, out: &mut String) -> Result {
        writeln!(
            out,
            r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{}</title>
<style>{STYLE}</style>
</head>
<body>
<header class="top"><p class="eyebrow">{}</p><h1>{}</h1></header>
<main id="main">"#,
            source(STYLE),
            Safe(&self.about),
            Safe(&self.about),
            Safe(&self.title)
        )?;
        let mut is_open = false;
        for block in &self.blocks {
            if let Block::Heading(heading) = block {
                if is_open {
                    writeln!(out, "</section>")?;
                }
                writeln!(out, r#"<section class="card"><h2>{}</h2>"#, Safe(heading))?;
                is_open = true;
                continue;
            }
            if !is_open {
                writeln!(out, r#"<section class="card">"#)?;
                is_open = true;
            }
            block.write_html(out)?;
        }
        if is_open {
            writeln!(out, "</section>")?;
        }
        writeln!(
            out,
            "</main>\n<footer><p>flyball {}. All times are in UTC.</p></footer>\n</body>\n</html>",
            env!("CARGO_PKG_VERSION")
        )
    }
}

impl Block {
    fn write_html(&self, out: &mut String) -> Result {
        match self {
            Self::Heading(heading) => writeln!(out, "<h2>{}</h2>", Safe(heading)),
            Self::Text(text) => writeln!(out, "<p>{}</p>", Marked(text)),
            Self::List(items) => {
                out.push_str("<ul>");
                items.iter().try_for_each(|item| write!(out, "<li>{}</li>", Marked(item)))?;
                writeln!(out, "</ul>")
            }
            Self::Facts(facts) => {
                out.push_str(r#"<dl class="tiles">"#);
                for (name, fact) in facts {
                    write!(out, "<div><dt>{}</dt><dd>{}</dd></div>", Safe(name), Safe(fact))?;
                }
                writeln!(out, "</dl>")
            }
            Self::Bars(bars) => {
                out.push_str(r#"<div class="scroll"><table><tbody>"#);
                for Bar { name, value, share } in bars {
                    let width = share.clamp(0.0, 1.0) * 100.0;
                    write!(
                        out,
                        r#"<tr><th scope="row">{}</th><td class="n">{}</td><td><svg class="tornado" width="240" height="12" aria-hidden="true"><rect width="{width:.2}%" height="12"/></svg></td></tr>"#,
                        Safe(name),
                        Safe(value)
                    )?;
                }
                writeln!(out, "</tbody></table></div>")
            }
            Self::Table(columns, rows) => {
                out.push_str(r#"<div class="scroll"><table><thead><tr>"#);
                for column in columns {
                    let class = if column.is_number { r#" class="n""# } else { "" };
                    write!(out, r#"<th scope="col"{class}>{}</th>"#, Safe(column.name))?;
                }
                out.push_str("</tr></thead><tbody>");
                for row in rows {
                    out.push_str("<tr>");
                    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
                        if at == 0 {
                            write!(out, r#"<th scope="row">{}</th>"#, Safe(value))?;
                            continue;
                        }
                        let class = if column.is_number { r#" class="n""# } else { "" };
                        let name = Safe(column.name);
                        write!(out, r#"<td{class} data-label="{name}">{}</td>"#, Safe(value))?;
                    }
                    out.push_str("</tr>");
                }
                writeln!(out, "</tbody></table></div>")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut page = Page::new("Service shop", "It <may> ship.");
        page.facts([("Team", "a|b".to_owned()), ("On call", "not told".to_owned())]);
        page.heading("Budgets");
        page.table([text("SLO"), number("Left")], [["checkout".to_owned(), "12%".to_owned()]]);
        page.table([text("Nothing")], []);
        page.list(["one\u{202e}".to_owned()]);
        let bar = |name: &str, share| Bar { name: name.to_owned(), value: "5%".to_owned(), share };
        page.bars([bar("store<down>", 1.0), bar("a", 0.001)]);
        page
    }

    #[test]
    fn every_form_says_the_same_and_texts_are_texts() {
        let text = page().text();
        assert!(text.starts_with("Service shop\nIt <may> ship.\nTeam     a|b\n"), "{text}");
        assert!(text.contains("\nBUDGETS\n") && !text.contains("NOTHING"), "{text}");
        let markdown = page().markdown();
        assert!(markdown.contains("**It \\<may\\> ship.**"), "{markdown}");
        assert!(markdown.contains("| SLO | Left |\n|---|---:|\n| checkout | 12% |"), "{markdown}");
        let html = page().html();
        assert!(text.contains("store<down>  5%  ██████"), "{text}");
        assert!(text.contains("\na            5%  █\n"), "what is there is seen: {text}");
        assert!(markdown.contains("| a | 5% | █ |"), "{markdown}");
        assert!(html.contains(r#"store&lt;down&gt;</th><td class="n">5%</td>"#), "{html}");
        assert!(html.contains(r#"<rect width="100.00%""#), "{html}");
        assert!(html.contains("<h1>It &lt;may&gt; ship.</h1>"), "{html}");
        assert!(html.contains("<dt>Team</dt><dd>a|b</dd>"), "{html}");
        assert_eq!(html.matches("<section").count(), html.matches("</section>").count());
        assert!(!html.contains("<script"), "nothing runs");
        for form in [text, markdown, html] {
            assert!(!form.contains('\u{202e}'), "what turns the direction of writing is shown");
        }
    }
}
