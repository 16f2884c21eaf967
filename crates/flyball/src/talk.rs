//! What is said on standard error: errors, warnings, hints, diagnostics.

use std::io::{IsTerminal, Write};

use flyball_spec::{Diagnostic, Level};

use crate::output::words::{printable, to_seconds};

const RED: &str = "\x1b[31;1m";
const YELLOW: &str = "\x1b[33;1m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// True when standard error takes colour: a terminal, and `NO_COLOR` is not set.
fn has_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn paint(text: &str, colour: &str) -> String {
    if has_colour() { format!("{colour}{text}{RESET}") } else { text.to_owned() }
}

/// Text that may hold what an event or document says, made harmless, its hints set off.
fn told(text: &str) -> String {
    printable(&to_seconds(text)).replace("\nhint:", &format!("\n{}", paint("hint:", CYAN)))
}

fn say(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// An error with its causes; a line that begins with `hint:` stands out.
pub(crate) fn error(error: &anyhow::Error) {
    say(&format!("{} {}", paint("error:", RED), told(&format!("{error:#}"))));
}

/// A warning.
pub(crate) fn warning(text: &str) {
    say(&format!("{} {}", paint("warning:", YELLOW), told(text)));
}

/// A remark.
pub(crate) fn note(text: &str) {
    say(&told(text));
}

/// Diagnostics of documents, each with its place, errors last so that they stay on the screen.
pub(crate) fn diagnostics(diagnostics: &[Diagnostic]) {
    for level in [Level::Warning, Level::Error] {
        for diagnostic in diagnostics.iter().filter(|d| d.severity == level) {
            let colour = if level == Level::Error { RED } else { YELLOW };
            let label = format!("{level}:");
            let text =
                printable(&diagnostic.to_string()).replacen(&label, &paint(&label, colour), 1);
            say(&format!("{text}\n"));
        }
    }
}
