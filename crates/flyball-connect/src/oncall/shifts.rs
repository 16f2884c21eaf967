//! Final shifts as a calendar that people subscribe to.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use flyball_govern::oncall::{By, Carries, Shift};
use flyball_model::{Duration, Timestamp};
use sha2::{Digest, Sha256};

/// The most reminders of each shift.
pub const REMINDERS_MAX: usize = 8;
/// The longest line, in bytes, without its end. Source: RFC 5545, section 3.1.
const LINE_BYTES_MAX: usize = 75;

/// What is said of the calendar as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftCalendar<'a> {
    /// What it is called, such as the rota, or the person whose shifts these are.
    pub name: &'a str,
    /// When it is written: the same moment makes the same bytes.
    pub written: Timestamp,
    /// How long before each shift its person is reminded; those after [`REMINDERS_MAX`] are left out.
    pub reminders: &'a [Duration],
    /// From when on shifts are left out, as there are too many; `None` when none is.
    pub left_out: Option<Timestamp>,
}

/// `shifts` as an iCalendar: one event each, that blocks nobody's time.
///
/// An event keeps its id while its person, rota and end are the same, so that a calendar that is read
/// again moves nothing: SHA-256 of these three as `GoAlert` has it, with the start in place of the end for
/// a shift that goes on, which is marked with `*`. Of two shifts that this makes alike (one person, two
/// layers) the later in the list has its layer in it too.
///
/// Source: RFC 5545; the id as in `calsub/renderical.go` of `GoAlert`, whose published ids are tested.
pub fn shifts(calendar: &ShiftCalendar<'_>, shifts: &[Shift]) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("BEGIN", "VCALENDAR"),
        ("PRODID", "-//Flyball//On call//EN"),
        ("VERSION", "2.0"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        line(&mut text, name, value);
    }
    line(&mut text, "X-WR-CALNAME", &escaped(calendar.name));
    if let Some(from) = calendar.left_out {
        let said =
            format!("Shifts from {from} on are left out: there are too many for one calendar.");
        line(&mut text, "X-WR-CALDESC", &escaped(&said));
    }
    let mut ids = BTreeSet::new();
    for shift in shifts {
        let mut id = uid(shift, "");
        if !ids.insert(id.clone()) {
            id = uid(shift, shift.layer.as_deref().unwrap_or("+"));
            ids.insert(id.clone());
        }
        event(&mut text, calendar, shift, &id);
    }
    line(&mut text, "END", "VCALENDAR");
    text
}

fn event(text: &mut String, calendar: &ShiftCalendar<'_>, shift: &Shift, id: &str) {
    let goes_on = if shift.continues { "*" } else { "" };
    let verb = match shift.carries {
        Carries::Pages => "on call",
        Carries::Tickets => "tickets",
        Carries::Shadow => "looking on",
    };
    let layer = shift.layer.as_ref().map_or_else(String::new, |layer| format!(", {layer}"));
    let summary = format!("{}: {verb} ({}{layer}){goes_on}", shift.who, shift.rota);
    let by = match &shift.by {
        By::Turn => None,
        By::StandIn => Some("Stands in for whose turn it is.".to_owned()),
        By::Override { id } => Some(format!("By the override {id}.")),
        By::Swap { id } => Some(format!("By the swap {id}.")),
        By::Temporary { id } => Some(format!("By the temporary schedule {id}.")),
    };
    let end = shift.continues.then(|| "* It goes on after what this calendar shows.".to_owned());
    let said: Vec<String> = by.into_iter().chain(end).collect();
    line(text, "BEGIN", "VEVENT");
    line(text, "UID", id);
    line(text, "DTSTAMP", &utc(calendar.written));
    line(text, "DTSTART", &utc(shift.start));
    line(text, "DTEND", &utc(shift.end));
    line(text, "SUMMARY", &escaped(&summary));
    if !said.is_empty() {
        line(text, "DESCRIPTION", &escaped(&said.join("\n")));
    }
    line(text, "TRANSP", "TRANSPARENT");
    for before in calendar.reminders.iter().take(REMINDERS_MAX) {
        line(text, "BEGIN", "VALARM");
        line(text, "ACTION", "DISPLAY");
        line(text, "DESCRIPTION", &escaped(&summary));
        line(text, "TRIGGER", &format!("-{}", length(*before)));
        line(text, "END", "VALARM");
    }
    line(text, "END", "VEVENT");
}

/// The id of a shift's event: 64 hexadecimal digits.
fn uid(shift: &Shift, layer: &str) -> String {
    let moment = if shift.continues { shift.start } else { shift.end };
    let digest = Sha256::digest(format!("{}{}{moment}{layer}", shift.who, shift.rota));
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An instant as RFC 5545, section 3.3.5, writes it in UTC: whole seconds.
fn utc(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A length as RFC 5545, section 3.3.6, writes it, in minutes where it has whole ones.
fn length(of: Duration) -> String {
    let seconds = of.nanos() / 1_000_000_000;
    if seconds % 60 == 0 { format!("PT{}M", seconds / 60) } else { format!("PT{seconds}S") }
}

/// A text as a value: RFC 5545, section 3.3.11. Control characters, which it does not allow, are left out.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => value.extend(['\\', letter]),
            '\n' => value.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => value.push(letter),
        }
    }
    value
}

/// Writes one line, folded where it is too long: RFC 5545, section 3.1.
fn line(text: &mut String, name: &str, value: &str) {
    let mut bytes = 0;
    for letter in name.chars().chain([':']).chain(value.chars()) {
        if bytes + letter.len_utf8() > LINE_BYTES_MAX {
            text.push_str("\r\n ");
            bytes = 1;
        }
        text.push(letter);
        bytes += letter.len_utf8();
    }
    text.push_str("\r\n");
}
