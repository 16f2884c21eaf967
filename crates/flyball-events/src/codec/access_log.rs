//! Access logs of Apache and nginx, in the usual formats or any that the servers can be told.
//!
//! A format string is compiled ([`LogFormat`]) into fields and the text between them; a line is
//! taken apart by searching that text, without regular expressions. The usual formats are compiled
//! strings like any other. Only fields that somebody wants are looked at further.
//!
//! - Attributes have OpenTelemetry's names. `-` and nothing are absence.
//! - The request line gives method, path, query and protocol version. One that is no request line
//!   still was a request: the event has no `url.path` but the text in `http.request.line`.
//! - Where a line has several durations or times, the finest counts.
//! - Escapes are decoded ([`text`]); bytes that are not UTF-8 are shown as `\xHH`.
//! - A line whose separators do not fit, or with text where the format has a number, is refused.

mod apache;
mod compile;
mod nginx;
mod request;
mod text;

use std::sync::Arc;

use crate::batch::{BatchBuilder, Role};
use crate::codec::infer::set_role;
use crate::codec::{Decoded, LineCodec, NO_TIME};
use crate::time::TimeReader;
use compile::{Field, Resolution, Step, TimeForm};
pub use compile::{LogFormat, LogFormatError};

/// `%h %l %u %t "%r" %>s %b`, as Apache and its manual call it.
pub(crate) const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";
/// `common` with referer and user agent; nginx calls it so as well.
pub(crate) const COMBINED: &str = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"";
/// `combined` with the virtual host before it, Debian's and Ubuntu's default.
pub(crate) const VHOST_COMBINED: &str =
    "%v:%p %h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"";
/// The `main` of the configuration that nginx comes with: `combined` with the addresses that
/// proxies passed on.
pub(crate) const NGINX_MAIN: &str = "$remote_addr - $remote_user [$time_local] \"$request\" \
    $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"";

/// The reason for a line in which the text between two fields is not there.
const MISMATCH: &str = "the line does not fit the log format";
/// The reason for a text in a field that holds a number.
const NOT_A_NUMBER: &str = "not a number where the log format has one";

/// `05/Dec/2024:00:10:18 +0000`
const APACHE_TIME_BYTES: usize = 26;

/// Bytes of a field that are searched one by one before a vector search pays.
const SHORT_BYTES: usize = 24;

/// Decodes access logs of one format.
#[derive(Debug)]
pub struct AccessLogCodec {
    format: Arc<LogFormat>,
    /// What to do with each field, the best of its kind first; made for the first batch.
    actions: Option<Vec<Action>>,
    /// Where the fields of the line are.
    spans: Vec<(usize, usize)>,
    times: TimeReader,
    room: Room,
}

/// Buffers that are kept from line to line.
#[derive(Debug, Default)]
struct Room {
    bytes: Vec<u8>,
    text: String,
    digits: String,
}

/// What becomes of one field.
#[derive(Debug)]
struct Action {
    step: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(Role),
    Inferred(Role),
    Int(Role),
    /// Nanoseconds of one unit.
    Duration(Role, i64),
    DurationList(Role),
    Request(Request),
    Target {
        path: Role,
        query: Role,
    },
    Query(Role),
    Protocol(Role),
    Time(u8, TimeForm),
}

#[derive(Debug)]
struct Request {
    method: Role,
    path: Role,
    query: Role,
    version: Role,
    line: Role,
}

/// Why a line is refused, and the byte where.
type Fault = (&'static str, Option<usize>);

impl AccessLogCodec {
    /// A codec for lines of `format`.
    pub fn new(format: Arc<LogFormat>) -> Self {
        Self {
            format,
            actions: None,
            spans: Vec::new(),
            times: TimeReader::new(),
            room: Room::default(),
        }
    }

    fn line(
        &mut self,
        line: &[u8],
        actions: &[Action],
        batch: &mut BatchBuilder,
    ) -> Result<(), Fault> {
        self.spans.clear();
        split(&self.format, line, &mut self.spans)?;
        let mut time = None;
        let mut fraction = 0;
        for Action { step, kind } in actions {
            let (start, end) = self.spans[*step];
            let raw = &line[start..end];
            if let Kind::Request(request) = kind {
                request.set(raw, batch, &mut self.times, &mut self.room);
                continue;
            }
            if raw.is_empty() || raw == b"-" {
                continue;
            }
            let number = || (NOT_A_NUMBER, Some(start));
            match kind {
                Kind::Text(role) => text(*role, raw, batch, &mut self.times, &mut self.room),
                Kind::Inferred(role) => {
                    let text = text::decode(raw, &mut self.room.bytes, &mut self.room.text);
                    set_role(batch, &mut self.times, *role, text);
                }
                Kind::Int(role) => {
                    let value = int(raw).ok_or_else(number)?;
                    if let Role::Attribute(column) = role {
                        batch.set_int(*column, value);
                    } else {
                        text(*role, raw, batch, &mut self.times, &mut self.room);
                    }
                }
                Kind::Duration(role, unit) => {
                    let nanos = decimal(raw, *unit).ok_or_else(number)?;
                    millis(*role, nanos, batch, &mut self.room.digits);
                }
                Kind::DurationList(role) => {
                    let nanos = list_nanos(raw).map_err(|()| number())?;
                    if let Some(nanos) = nanos {
                        millis(*role, nanos, batch, &mut self.room.digits);
                    }
                }
                Kind::Target { path, query } => {
                    let (path_raw, query_raw) = request::split_query(raw);
                    text(*path, path_raw, batch, &mut self.times, &mut self.room);
                    if let Some(raw) = query_raw {
                        text(*query, raw, batch, &mut self.times, &mut self.room);
                    }
                }
                Kind::Query(role) => {
                    let raw = raw.strip_prefix(b"?").unwrap_or(raw);
                    text(*role, raw, batch, &mut self.times, &mut self.room);
                }
                Kind::Protocol(role) => {
                    let raw = raw.strip_prefix(b"HTTP/").unwrap_or(raw);
                    text(*role, raw, batch, &mut self.times, &mut self.room);
                }
                Kind::Time(_, TimeForm::Fraction(unit)) => {
                    fraction = decimal(raw, *unit).ok_or_else(number)?;
                }
                Kind::Time(rank, form) => {
                    if let Some(nanos) = read_time(&mut self.times, form, raw)
                        && time.is_none()
                    {
                        time = Some((*rank, nanos));
                    }
                }
                Kind::Request(_) => {}
            }
        }
        if let Some((rank, nanos)) = time {
            batch.set_time(rank, nanos.saturating_add(fraction));
        }
        Ok(())
    }
}

impl LineCodec for AccessLogCodec {
    fn decode(&mut self, lines: &[u8], batch: &mut BatchBuilder, decoded: &mut Decoded) {
        let actions = self.actions.take().unwrap_or_else(|| actions(&self.format, batch));
        let mut rest = lines;
        while !rest.is_empty() {
            let (line, after) = match memchr::memchr(b'\n', rest) {
                Some(newline) => (&rest[..newline], &rest[newline + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = after;
            decoded.lines += 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let fault = match self.line(line, &actions, batch) {
                Ok(()) if batch.end_row() => {
                    decoded.events += 1;
                    continue;
                }
                Ok(()) => (NO_TIME, None),
                Err(fault) => fault,
            };
            batch.abandon_row();
            let column = fault.1.map(|at| at as u64 + 1);
            decoded.rejects.add(fault.0, decoded.lines, column, line);
        }
        self.actions = Some(actions);
    }
}

/// Finds where each field of `line` is.
#[inline]
fn split(format: &LogFormat, line: &[u8], spans: &mut Vec<(usize, usize)>) -> Result<(), Fault> {
    if !line.starts_with(&format.lead) {
        return Err((MISMATCH, Some(0)));
    }
    let mut at = format.lead.len();
    for (index, step) in format.steps.iter().enumerate() {
        let last = index + 1 == format.steps.len();
        let end = if last { last_end(step, line, at) } else { field_end(step, line, at) };
        let end = end.ok_or((MISMATCH, Some(at)))?;
        spans.push((at, end));
        at = end + step.consumed;
    }
    Ok(())
}

/// Where the last field ends: before the text that ends the line.
///
/// A quoted last field whose closing quote is missing was cut off by the server's limit on the
/// length of a line; what there is of it is kept, because everything before it is whole.
fn last_end(step: &Step, line: &[u8], at: usize) -> Option<usize> {
    let end = line.len().checked_sub(step.after.len())?;
    if end >= at && line.ends_with(&step.after) {
        // An odd number of backslashes makes the quote a part of the text.
        let escapes = || line[at..end].iter().rev().take_while(|b| **b == b'\\').count();
        if !step.quoted {
            return Some(end);
        }
        if escapes() % 2 == 0 {
            return (!has_more_fields(&line[at..end])).then_some(end);
        }
    }
    let cut_off = step.quoted && step.after == b"\"" && at <= line.len();
    (cut_off && quoted_end(&step.after, line, at).is_none()).then_some(line.len())
}

/// Whether what stands between the first and the last quote of a last field is several fields: a
/// quote that is not escaped ends the first one, and another opens one more.
fn has_more_fields(text: &[u8]) -> bool {
    // Nearly every line ends here.
    if memchr::memchr(b'"', text).is_none() {
        return false;
    }
    let Some(first) = quoted_end(b"\" ", text, 0) else { return false };
    // Where a server escapes nothing, a quote inside the text comes before this one.
    quoted_end(b"\"", text, 0) == Some(first)
        && memchr::memchr_iter(b'"', &text[first + 1..])
            .any(|quote| matches!(text[first + quote], b' ' | b'='))
}

/// Where a field that begins at `at` ends: where the text after it is first found.
#[inline]
fn field_end(step: &Step, line: &[u8], at: usize) -> Option<usize> {
    let after = &*step.after;
    let stop = *after.first()?;
    match step.field {
        Field::Time(TimeForm::Apache) => {
            // Its length is fixed, and what is not such a time is refused later anyway.
            let end = at + APACHE_TIME_BYTES;
            if line.get(end..).is_some_and(|rest| rest.starts_with(after)) {
                return Some(end);
            }
        }
        Field::Time(TimeForm::Pattern(ref pattern)) => {
            return pattern_end(pattern, after, line, at);
        }
        Field::List(_) | Field::DurationList(_) if !step.quoted => {
            return list_end(after, line, at);
        }
        _ => {}
    }
    if step.quoted {
        return quoted_end(after, line, at);
    }
    let short = &line[at..line.len().min(at + SHORT_BYTES)];
    for (len, byte) in short.iter().enumerate() {
        if *byte == stop && (after.len() == 1 || line[at + len..].starts_with(after)) {
            return Some(at + len);
        }
    }
    let mut from = at + short.len();
    loop {
        let found = from + memchr::memchr(stop, line.get(from..)?)?;
        if after.len() == 1 || line[found..].starts_with(after) {
            return Some(found);
        }
        from = found + 1;
    }
}

/// Where the quote that is not escaped stands, followed by the rest of `after`.
///
/// Servers that escape nothing leave quotes inside; such a one only ends the field if what comes
/// after it fits.
#[inline]
fn quoted_end(after: &[u8], line: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', line.get(from..)?)?;
        if line[found] == b'\\' {
            from = found + 2;
        } else if line[found..].starts_with(after) {
            return Some(found);
        } else {
            from = found + 1;
        }
    }
}

/// As [`field_end`] for a time whose pattern may itself have the text that stands after it.
fn pattern_end(pattern: &str, after: &[u8], line: &[u8], at: usize) -> Option<usize> {
    let inside = memchr::memmem::find_iter(pattern.as_bytes(), after).count();
    memchr::memmem::find_iter(line.get(at..)?, after).nth(inside).map(|len| at + len)
}

/// As [`field_end`] for nginx's lists: `, ` and ` : ` stand between their values.
fn list_end(after: &[u8], line: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memmem::find(line.get(from..)?, after)?;
        let rest = &line[found..];
        if line[..found].ends_with(b",") || rest.starts_with(b", ") {
            from = found + 1;
        } else if rest.starts_with(b" : ") {
            from = found + 3;
        } else {
            return Some(found);
        }
    }
}

fn read_time(times: &mut TimeReader, form: &TimeForm, raw: &[u8]) -> Option<i64> {
    match form {
        TimeForm::Apache => times.apache(raw),
        TimeForm::Text => times.text(raw),
        TimeForm::Fraction(_) => None,
        TimeForm::Pattern(pattern) => {
            let mut parts = jiff::fmt::strtime::parse(pattern, raw).ok()?;
            if parts.offset().is_none() {
                parts.set_offset(Some(jiff::tz::Offset::UTC));
            }
            i64::try_from(parts.to_timestamp().ok()?.as_nanosecond()).ok()
        }
    }
}

#[inline]
fn text(role: Role, raw: &[u8], batch: &mut BatchBuilder, times: &mut TimeReader, room: &mut Room) {
    match role {
        Role::Skip => {}
        Role::Attribute(column) => {
            batch.set_text(column, text::decode(raw, &mut room.bytes, &mut room.text));
        }
        Role::Time { .. } => {
            set_role(batch, times, role, text::decode(raw, &mut room.bytes, &mut room.text));
        }
    }
}

impl Request {
    fn is_skipped(&self) -> bool {
        let roles = [self.method, self.path, self.query, self.version, self.line];
        roles.iter().all(|role| *role == Role::Skip)
    }

    #[inline]
    fn set(&self, raw: &[u8], batch: &mut BatchBuilder, times: &mut TimeReader, room: &mut Room) {
        let parts = request::request(raw);
        let request = parts.unwrap_or_default();
        for (role, part) in [
            (self.method, request.method),
            (self.path, request.path),
            (self.query, request.query),
            (self.version, request.version),
        ] {
            if let Some(part) = part {
                text(role, part, batch, times, room);
            }
        }
        if request.path.is_none() && !raw.is_empty() {
            text(self.line, raw, batch, times, room);
        }
    }
}

#[inline]
fn int(raw: &[u8]) -> Option<i64> {
    let (negative, digits) = match raw {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// A decimal number of units as nanoseconds; digits below are cut off.
fn decimal(raw: &[u8], unit: i64) -> Option<i64> {
    let point = raw.iter().position(|b| *b == b'.').unwrap_or(raw.len());
    let whole = int(&raw[..point])?;
    let mut nanos = whole.checked_mul(unit)?;
    let mut scale = unit;
    for byte in raw.get(point + 1..).unwrap_or_default() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        scale /= 10;
        let part = scale * i64::from(digit);
        nanos = nanos.checked_add(if raw[0] == b'-' { -part } else { part })?;
    }
    Some(nanos)
}

/// The sum of `0.001, 0.250 : -`; `None` where no try took time.
fn list_nanos(raw: &[u8]) -> Result<Option<i64>, ()> {
    let mut sum = None;
    for part in raw.split(|b| matches!(b, b',' | b':' | b' ')) {
        if part.is_empty() || part == b"-" {
            continue;
        }
        let nanos = decimal(part, 1_000_000_000).ok_or(())?;
        sum = Some(sum.unwrap_or(0_i64).saturating_add(nanos));
    }
    Ok(sum)
}

/// Sets nanoseconds as milliseconds.
fn millis(role: Role, nanos: i64, batch: &mut BatchBuilder, digits: &mut String) {
    let Role::Attribute(column) = role else { return };
    // The text counts only where the column already is one; microseconds are all that logs have.
    digits.clear();
    let micros = nanos / 1_000;
    let sign = if nanos < 0 { "-" } else { "" };
    digits.push_str(sign);
    let mut buffer = [b'0'; 24];
    let mut at = buffer.len();
    let mut left = micros.unsigned_abs();
    let mut written = 0;
    while left > 0 || written < 4 {
        if written == 3 {
            at -= 1;
            buffer[at] = b'.';
        }
        at -= 1;
        buffer[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        written += 1;
    }
    digits.push_str(std::str::from_utf8(&buffer[at..]).unwrap_or_default());
    batch.set_float(column, nanos as f64 / 1e6, digits);
}

/// What to do with the fields of `format`, those of the same kind in the order in which they count.
fn actions(format: &LogFormat, batch: &mut BatchBuilder) -> Vec<Action> {
    let mut actions: Vec<(u8, Action)> = Vec::new();
    for (step, Step { field, .. }) in format.steps.iter().enumerate() {
        let mut order = 0;
        let kind = match field {
            Field::Ignored | Field::QuestionMark => continue,
            Field::Text(name) | Field::List(name) => Kind::Text(batch.role(name)),
            Field::Inferred(name) => Kind::Inferred(batch.role(name)),
            Field::Int(name) => Kind::Int(batch.role(name)),
            Field::Duration(name, resolution) => {
                order = *resolution as u8;
                let unit = match resolution {
                    Resolution::Microseconds => 1_000,
                    Resolution::Milliseconds => 1_000_000,
                    Resolution::DecimalSeconds | Resolution::Seconds => 1_000_000_000,
                };
                Kind::Duration(batch.role(name), unit)
            }
            Field::DurationList(name) => Kind::DurationList(batch.role(name)),
            Field::Request => Kind::Request(Request {
                method: batch.role("http.request.method"),
                path: batch.role("url.path"),
                query: batch.role("url.query"),
                version: batch.role("network.protocol.version"),
                line: batch.role("http.request.line"),
            }),
            Field::Target => {
                Kind::Target { path: batch.role("url.path"), query: batch.role("url.query") }
            }
            Field::Query => Kind::Query(batch.role("url.query")),
            Field::Protocol => Kind::Protocol(batch.role("network.protocol.version")),
            Field::Time(form) => {
                // An epoch count is mostly finer than a text of whole seconds.
                order = match form {
                    TimeForm::Text => 0,
                    TimeForm::Pattern(_) => 1,
                    TimeForm::Apache => 2,
                    TimeForm::Fraction(_) => 3,
                };
                Kind::Time(1 + order, form.clone())
            }
        };
        actions.push((order, Action { step, kind }));
    }
    // What is not wanted is still checked where it is a number: a line is read the same way
    // whatever is asked of it.
    actions.retain(|(_, action)| match &action.kind {
        Kind::Text(role) | Kind::Inferred(role) | Kind::Query(role) | Kind::Protocol(role) => {
            *role != Role::Skip
        }
        Kind::Request(request) => !request.is_skipped(),
        Kind::Target { path, query } => (*path, *query) != (Role::Skip, Role::Skip),
        Kind::Int(_) | Kind::Duration(..) | Kind::DurationList(_) | Kind::Time(..) => true,
    });
    actions.sort_by_key(|(order, _)| *order);
    actions.into_iter().map(|(_, action)| action).collect()
}

#[cfg(test)]
mod tests;
