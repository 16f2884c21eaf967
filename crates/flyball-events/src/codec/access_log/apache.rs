//! Apache's `LogFormat`: `%h %l %u %t "%r" %>s %b`.
//!
//! Directives and their units are those of the `mod_log_config` and `mod_logio` manuals.

use super::compile::{Field, LogFormat, LogFormatError, Part, Resolution, TimeForm};

/// The directives, for the hint.
const KNOWN: &str = "known are %a %A %b %B %C %D %e %f %h %H %i %I %k %l %L %m %n %o %O %p %P %q \
                     %r %R %s %S %t %T %u %U %v %V %X %^FB %^ti %^to";

impl LogFormat {
    /// Compiles an Apache format string, or the whole `LogFormat "…" name` directive.
    ///
    /// # Errors
    ///
    /// [`LogFormatError`] for an unknown directive, an unfinished one, fields with nothing between
    /// them, or no field at all.
    pub fn apache(text: &str) -> Result<Self, LogFormatError> {
        let (start, end) = directive(text);
        let mut parser = Parser { text, at: start, end, parts: Vec::new() };
        while parser.at < end {
            parser.part()?;
        }
        Self::compile(text, parser.parts)
    }
}

/// The range of the format within `LogFormat "…" name`; all of it when it is no directive.
fn directive(text: &str) -> (usize, usize) {
    let start = text.len() - text.trim_start().len();
    let rest = &text[start..];
    if !rest.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("LogFormat")) {
        return (0, text.len());
    }
    let Some(open) = rest.find('"') else { return (0, text.len()) };
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(open + 1) {
        match byte {
            b'"' if !escaped => return (start + open + 1, start + at),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (start + open + 1, text.len())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    parts: Vec<Part>,
}

impl Parser<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.at).copied()
    }

    fn literal(&mut self, byte: u8) {
        self.parts.push(Part::Literal(vec![byte]));
    }

    fn part(&mut self) -> Result<(), LogFormatError> {
        let Some(byte) = self.byte() else { return Ok(()) };
        self.at += 1;
        match byte {
            b'\\' => {
                let escaped = self.byte();
                self.at += 1;
                self.literal(match escaped {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(other) => other,
                    None => b'\\',
                });
                Ok(())
            }
            b'%' => self.directive(self.at - 1),
            byte => {
                self.literal(byte);
                Ok(())
            }
        }
    }

    /// The directive whose `%` stands at `start`.
    fn directive(&mut self, start: usize) -> Result<(), LogFormatError> {
        if self.byte() == Some(b'%') {
            self.at += 1;
            self.literal(b'%');
            return Ok(());
        }
        let mut name = None;
        loop {
            match self.byte() {
                // Conditions on the status, and which of two requests is meant: where they do not
                // hold the field is `-`, which is absence anyway.
                Some(b'<' | b'>' | b'!' | b',' | b'0'..=b'9') => self.at += 1,
                Some(b'{') => {
                    let open = self.at + 1;
                    let Some(len) = self.text[open..self.end].find('}') else {
                        return Err(LogFormatError::new(
                            self.text,
                            self.at,
                            "`{` is not closed",
                            "write `%{Name}i`",
                        ));
                    };
                    name = Some(&self.text[open..open + len]);
                    self.at = open + len + 1;
                }
                _ => break,
            }
        }
        let rest = &self.text[self.at..self.end];
        let letter = match rest.strip_prefix('^') {
            Some(after) => after.get(..2).map_or(rest, |_| &rest[..3]),
            None => rest.chars().next().map_or("", |first| &rest[..first.len_utf8()]),
        };
        if letter.is_empty() {
            return Err(LogFormatError::new(
                self.text,
                start,
                "an unfinished directive",
                "write `%%` for a percent sign",
            ));
        }
        let Some(field) = field(letter, name) else {
            let reason = format!("`%{letter}` is no directive");
            return Err(LogFormatError::new(self.text, start, reason, KNOWN));
        };
        self.at += letter.len();
        let bracketed = matches!(field, Field::Time(TimeForm::Apache)) && name.is_none();
        if bracketed {
            self.literal(b'[');
        }
        self.parts.push(Part::Field(field, start));
        if bracketed {
            self.literal(b']');
        }
        Ok(())
    }
}

fn field(letter: &str, name: Option<&str>) -> Option<Field> {
    let text = |name: &str| Field::Text(name.to_owned());
    let int = |name: &str| Field::Int(name.to_owned());
    let of = |prefix: &str| {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        Field::Text(format!("{prefix}.{name}"))
    };
    let duration = |resolution| Field::Duration("duration_ms".to_owned(), resolution);
    Some(match letter {
        "a" if name == Some("c") => text("network.peer.address"),
        "a" | "h" => text("client.address"),
        "A" => text("network.local.address"),
        "b" | "B" => int("http.response.body.size"),
        "C" => of("http.request.cookie"),
        "D" => duration(Resolution::Microseconds),
        "e" => of("env"),
        "f" => text("file.path"),
        "H" => Field::Protocol,
        "i" => match name.unwrap_or_default() {
            name if name.eq_ignore_ascii_case("user-agent") => text("user_agent.original"),
            _ => of("http.request.header"),
        },
        "I" => int("http.request.size"),
        "k" => int("apache.keepalive_requests"),
        "l" => text("client.ident"),
        "L" => text("apache.log_id"),
        "m" => text("http.request.method"),
        "n" => of("apache.note"),
        "o" => of("http.response.header"),
        "O" => int("http.response.size"),
        "p" if name == Some("remote") => int("client.port"),
        "p" => int("server.port"),
        "P" => {
            int(if matches!(name, Some("tid" | "hextid")) { "thread.id" } else { "process.pid" })
        }
        "q" => Field::Query,
        "r" => Field::Request,
        "R" => text("apache.handler"),
        "s" => int("http.response.status_code"),
        "S" => int("http.transferred.size"),
        "t" => Field::Time(time_form(name)),
        "T" => duration(match name {
            Some("us") => Resolution::Microseconds,
            Some("ms") => Resolution::Milliseconds,
            _ => Resolution::Seconds,
        }),
        "u" => text("user.name"),
        "U" => Field::path(),
        "v" | "V" => text("server.address"),
        "X" => text("apache.connection_status"),
        "^FB" => Field::Duration("time_to_first_byte_ms".to_owned(), Resolution::Microseconds),
        "^ti" => of("http.request.trailer"),
        "^to" => of("http.response.trailer"),
        _ => return None,
    })
}

fn time_form(name: Option<&str>) -> TimeForm {
    let Some(name) = name else { return TimeForm::Apache };
    let name = name.strip_prefix("begin:").or(name.strip_prefix("end:")).unwrap_or(name);
    match name {
        "sec" | "msec" | "usec" => TimeForm::Text,
        "msec_frac" => TimeForm::Fraction(1_000_000),
        "usec_frac" => TimeForm::Fraction(1_000),
        "" | "%d/%b/%Y:%H:%M:%S %z" | "%d/%b/%Y:%T %z" => TimeForm::Apache,
        "%Y-%m-%dT%H:%M:%S%z" | "%FT%T%z" | "%Y-%m-%dT%H:%M:%SZ" | "%FT%TZ" | "%s" => {
            TimeForm::Text
        }
        pattern => TimeForm::Pattern(pattern.to_owned()),
    }
}
