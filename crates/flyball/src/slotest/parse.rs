//! Statements become steps: what a script loads, when it looks, what it expects.

use flyball_model::{Duration, Tally, Timestamp};

use super::lex::{Kind, SCRIPT_BYTES_MAX, Statement, Token, statements};
use super::problem::{Fault, Place, Problem, meant};
use super::quantity::{Demand, Sign};

/// The most slots with data that one `series` statement may spell out.
const SLOTS_MAX: u64 = 5_000_000;
/// The most events that one `series` statement may stand for: sums stay far below 2⁶⁴, where
/// counts are held.
const EVENTS_MAX: u64 = 1 << 59;

/// A script: what all its tests share, and the tests.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) shared: Vec<Step>,
    pub(super) tests: Vec<Test>,
}

/// One test: everything from `test` to the next one.
#[derive(Debug)]
pub(super) struct Test {
    /// `None` in a script without `test` lines, which is one test.
    pub(super) name: Option<String>,
    pub(super) place: Place,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    Slo(Content),
    Events(EventsStep),
    Series(SeriesStep),
    At(Timestamp),
    Advance(Duration, Place),
    Expect(Box<Expect>),
}

/// A file, or a text in the script.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) what: What,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum What {
    File(String),
    Text(String),
}

#[derive(Debug)]
pub(super) struct EventsStep {
    pub(super) content: Content,
    pub(super) format: Option<Token>,
    pub(super) service: Option<String>,
    pub(super) map: Vec<Token>,
    /// Attributes that no event needs to have.
    pub(super) optional: Vec<String>,
}

/// Slot tallies of one SLO's indicator.
#[derive(Debug)]
pub(super) struct SeriesStep {
    pub(super) slo: Token,
    pub(super) selector: Selector,
    pub(super) width: Duration,
    pub(super) from: Timestamp,
    pub(super) runs: Vec<Run>,
    pub(super) place: Place,
}

/// `count` slots alike; `None` is a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) tally: Option<Tally>,
    pub(super) count: u64,
}

/// Which part of an SLO is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    /// An objective by number from 1 or by its display name; the first unless said.
    pub(super) objective: Option<Token>,
    pub(super) slice: Option<Token>,
    /// The joint promise of a composite.
    pub(super) composite: Option<Place>,
}

/// One expectation.
#[derive(Debug)]
pub(super) struct Expect {
    pub(super) place: Place,
    pub(super) slo: Token,
    pub(super) selector: Selector,
    pub(super) claim: Claim,
    pub(super) demands: Vec<Demand>,
}

#[derive(Debug)]
pub(super) enum Claim {
    Status {
        status: Token,
        reason: Option<Token>,
    },
    Budget,
    Burn {
        lookback: Duration,
    },
    Alert {
        rule: Token,
        state: Token,
        since: Option<(Timestamp, Place)>,
        until: Option<(Timestamp, Place)>,
    },
    NoAlert {
        rule: Option<Token>,
        ever: bool,
    },
    Forecast {
        outlook: Token,
        within: Option<(Duration, Place)>,
    },
    Coverage,
    Correction {
        name: Token,
    },
    Refused {
        rule: Token,
        reason: Option<Token>,
    },
}

/// The statements there are.
const STATEMENTS: [&str; 7] = ["slo", "events", "series", "at", "advance", "expect", "test"];
/// What can be expected.
const CLAIMS: [&str; 9] =
    ["status", "budget", "burn", "alert", "no alert", "forecast", "coverage", "correction", "rule"];

/// The most faults of one script that are shown: past this a person mends what is shown first.
const FAULTS_MAX: usize = 50;

/// Reads a script; all that is wrong with it, in the order of its lines.
pub(super) fn parse(text: &str) -> Result<Script, Vec<Problem>> {
    if text.len() > SCRIPT_BYTES_MAX {
        let message =
            format!("the script has {} bytes; {SCRIPT_BYTES_MAX} are read at most", text.len());
        let fault = Problem::script(Place { line: 1, column: 1, length: 1 }, message)
            .hint("keep events in files of their own: events \"requests.ndjson\"");
        return Err(vec![*fault]);
    }
    let mut script = Script { shared: Vec::new(), tests: Vec::new() };
    let (statements, mut faults) = statements(text);
    for statement in statements {
        faults.extend(script.take(&statement).err().map(|fault| *fault));
    }
    // What is missing from the whole is known only when every part of it was read.
    if faults.is_empty() {
        faults.extend(script.finish());
    }
    if faults.is_empty() {
        return Ok(script);
    }
    faults.sort_by_key(|fault| (fault.place.line, fault.place.column));
    faults.truncate(FAULTS_MAX);
    Err(faults)
}

impl Script {
    /// Takes one statement in.
    fn take(&mut self, statement: &Statement) -> Result<(), Fault> {
        let mut cursor = Cursor::new(statement);
        let head = cursor.word("a statement")?;
        if head.text == "test" {
            let name = cursor.name("the test's name")?;
            cursor.end()?;
            let taken = self.tests.iter().any(|test| test.name.as_ref() == Some(&name.text));
            let place = name.place;
            self.tests.push(Test { name: Some(name.text.clone()), place, steps: Vec::new() });
            if taken {
                let message = format!("two tests are called `{}`", name.text);
                return Err(Problem::script(place, message).hint("give each its own name"));
            }
            return Ok(());
        }
        let step = step(&head, &mut cursor)?;
        cursor.end()?;
        match self.tests.last_mut() {
            Some(test) => test.steps.push(step),
            None => self.shared.push(step),
        }
        Ok(())
    }

    /// A script without `test` lines is one test; what is wrong with the whole.
    fn finish(&mut self) -> Vec<Problem> {
        if self.tests.is_empty() {
            let steps = std::mem::take(&mut self.shared);
            let place = Place { line: 1, column: 1, length: 1 };
            self.tests.push(Test { name: None, place, steps });
        }
        let expects = |step: &&Step| matches!(step, Step::Expect(_));
        let mut faults = Vec::new();
        for test in self.tests.iter().filter(|test| !test.steps.iter().any(|s| expects(&s))) {
            let problem = Problem::script(test.place, "a test without an expectation cannot fail");
            faults.push(*problem.hint("add a line such as: expect status NAME met"));
        }
        for step in self.shared.iter().filter(expects) {
            let Step::Expect(expect) = step else { continue };
            let message = "an expectation before the first `test` belongs to no test";
            faults
                .push(*Problem::script(expect.place, message).hint("move it below a `test` line"));
        }
        faults
    }
}

fn step(head: &Token, cursor: &mut Cursor<'_>) -> Result<Step, Fault> {
    Ok(match head.text.as_str() {
        "slo" => Step::Slo(cursor.content()?),
        "events" => Step::Events(events(cursor)?),
        "series" => Step::Series(series(head, cursor)?),
        "at" => {
            let (at, _) = cursor.instant()?;
            Step::At(at)
        }
        "advance" => {
            let (by, place) = cursor.length()?;
            Step::Advance(by, place)
        }
        "expect" => Step::Expect(Box::new(expect(head, cursor)?)),
        other => {
            return Err(Problem::script(head.place, format!("`{other}` is no statement"))
                .hint(meant(other, &STATEMENTS)));
        }
    })
}

fn events(cursor: &mut Cursor<'_>) -> Result<EventsStep, Fault> {
    let (mut format, mut service, mut map, mut optional) = (None, None, Vec::new(), Vec::new());
    let mut file = None;
    loop {
        if let Some(path) = cursor.take(Kind::Quoted) {
            file = Some(path);
        } else if cursor.keyword("format") {
            format = Some(cursor.name("a format")?);
        } else if cursor.keyword("service") {
            service = Some(cursor.name("a service")?.text);
        } else if cursor.keyword("map") {
            map.push(cursor.name("a mapping such as \"status=http.response.status_code\"")?);
        } else if cursor.keyword("optional") {
            optional.push(cursor.name("an attribute")?.text);
        } else {
            break;
        }
    }
    let content = match file {
        Some(path) => Content { what: What::File(path.text), place: path.place },
        None => cursor.content()?,
    };
    Ok(EventsStep { content, format, service, map, optional })
}

fn series(head: &Token, cursor: &mut Cursor<'_>) -> Result<SeriesStep, Fault> {
    let slo = cursor.name("an SLO")?;
    let selector = cursor.selector()?;
    cursor.expect_keyword("every")?;
    let (width, width_place) = cursor.length()?;
    if width.is_zero() {
        return Err(Problem::script(width_place, "slots of no length hold nothing").hint("like 1m"));
    }
    cursor.expect_keyword("from")?;
    let (from, from_place) = cursor.instant()?;
    if from.floor(width) != from {
        let message = format!("{from} is not the start of a slot of {width}");
        let hint = format!(
            "slots are counted from the epoch; the one before starts {}",
            from.floor(width)
        );
        return Err(Problem::script(from_place, message).hint(hint));
    }
    if cursor.take(Kind::Colon).is_none() {
        return Err(cursor.missing("`:` and the slots, such as 99/100x60"));
    }
    let mut runs = Vec::new();
    let (mut slots, mut events): (u64, u64) = (0, 0);
    let mut before: Option<String> = None;
    while let Some(token) = cursor.take(Kind::Word) {
        let run = run(&token).map_err(|fault| match (token.text.strip_prefix('x'), &before) {
            // `1/1 x5` or `1/1 x 5`: meant as one word.
            (Some(times), Some(slot)) => {
                let next = cursor.take(Kind::Word).filter(|_| times.is_empty());
                let times = next.map_or_else(|| times.to_owned(), |next| next.text);
                fault.hint(format!("close the gap: {slot}x{times}"))
            }
            _ => fault,
        })?;
        before = Some(token.text.clone());
        if let Some(tally) = run.tally {
            slots = slots.saturating_add(run.count);
            events = events.saturating_add(tally.valid().saturating_mul(run.count));
        }
        if events > EVENTS_MAX {
            let message = format!("the series has more than {EVENTS_MAX} events");
            return Err(Problem::script(token.place, message).hint("use smaller counts"));
        }
        if slots > SLOTS_MAX {
            let message = format!("the series has more than {SLOTS_MAX} slots");
            return Err(Problem::script(token.place, message).hint("use wider slots"));
        }
        runs.push(run);
    }
    if runs.is_empty() {
        return Err(cursor.missing("slots, such as 99/100x60 (good/valid, 60 times) or _x5 (gaps)"));
    }
    Ok(SeriesStep { slo, selector, width, from, runs, place: head.place })
}

/// `good/valid`, `good/validxCOUNT`, `_`, `_xCOUNT`.
fn run(token: &Token) -> Result<Run, Fault> {
    let wrong = |message: String| {
        Problem::script(token.place, message)
            .hint("write good/valid, as in 99/100, with x60 to repeat it; _ is a slot without data")
    };
    let shape = || wrong(format!("`{}` is no slot", token.text));
    let count = |text: &str| text.replace('_', "").parse::<u64>().map_err(|_| shape());
    let (slot, times) = match token.text.split_once('x') {
        Some((slot, times)) => (slot, count(times)?),
        None => (token.text.as_str(), 1),
    };
    if slot == "_" {
        return Ok(Run { tally: None, count: times });
    }
    let (good, valid) = slot.split_once('/').ok_or_else(shape)?;
    let (good, valid) = (count(good)?, count(valid)?);
    let Some(tally) = Tally::new(valid, good) else {
        return Err(wrong(format!("{good} of {valid} is more good than valid")));
    };
    Ok(Run { tally: Some(tally), count: times })
}

fn expect(head: &Token, cursor: &mut Cursor<'_>) -> Result<Expect, Fault> {
    let claim = cursor.word("what to expect")?;
    let is_no = claim.text == "no";
    if is_no {
        cursor.expect_keyword("alert")?;
    }
    let slo = cursor.name("an SLO")?;
    let selector = cursor.selector()?;
    let mut demands = Vec::new();
    let parsed = match claim.text.as_str() {
        "no" => {
            let mut rule = None;
            let mut ever = cursor.keyword("ever");
            if !ever && !cursor.is_at_end() {
                rule = Some(cursor.name("a rule")?);
                ever = cursor.keyword("ever");
            }
            Claim::NoAlert { rule, ever }
        }
        "status" => {
            let status = cursor.word("a status: met, missed or no_data")?;
            let reason =
                if cursor.keyword("because") { Some(cursor.word("a reason")?) } else { None };
            Claim::Status { status, reason }
        }
        "budget" => Claim::Budget,
        "burn" => {
            let (lookback, place) = cursor.length()?;
            if lookback.is_zero() {
                return Err(Problem::script(place, "a lookback of no length").hint("like 1h"));
            }
            demands.push(cursor.demand(Some(("burn", place)))?);
            Claim::Burn { lookback }
        }
        "alert" => {
            let rule = cursor.name("an alert rule")?;
            let state = cursor.word("`firing` or `resolved`")?;
            let since = if cursor.keyword("since") { Some(cursor.instant()?) } else { None };
            let until = if cursor.keyword("until") { Some(cursor.instant()?) } else { None };
            Claim::Alert { rule, state, since, until }
        }
        "forecast" => {
            let outlook = cursor.word("an outlook")?;
            let within = if cursor.keyword("within") { Some(cursor.length()?) } else { None };
            Claim::Forecast { outlook, within }
        }
        "coverage" => Claim::Coverage,
        "correction" => Claim::Correction { name: cursor.name("a correction")? },
        "rule" => {
            let rule = cursor.name("an alert rule")?;
            cursor.expect_keyword("refused")?;
            Claim::Refused { rule, reason: cursor.take(Kind::Quoted) }
        }
        other => {
            let message = format!("`{other}` cannot be expected");
            return Err(Problem::script(claim.place, message).hint(meant(other, &CLAIMS)));
        }
    };
    let needs_fields = matches!(parsed, Claim::Budget | Claim::Coverage | Claim::Correction { .. });
    if cursor.take(Kind::Colon).is_some() {
        while !cursor.is_at_end() {
            demands.push(cursor.demand(None)?);
        }
    }
    if needs_fields && demands.is_empty() {
        return Err(cursor.missing("`:` and what to hold, such as valid=1000 spent~12.8%"));
    }
    let place = head.place.to(cursor.last);
    Ok(Expect { place, slo, selector, claim: parsed, demands })
}

/// Reads the tokens of one statement.
struct Cursor<'t> {
    tokens: &'t [Token],
    at: usize,
    last: Place,
}

impl<'t> Cursor<'t> {
    fn new(statement: &'t Statement) -> Self {
        let last = statement.first().map(|token| token.place).unwrap_or_default();
        Self { tokens: statement, at: 0, last }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        self.last = token.place;
        Some(token)
    }

    fn take(&mut self, kind: Kind) -> Option<Token> {
        (self.tokens.get(self.at)?.kind == kind).then(|| self.next()).flatten()
    }

    /// The statement ends, or goes on with something else, where `what` is needed.
    fn missing(&self, what: &str) -> Fault {
        let Some(token) = self.tokens.get(self.at) else {
            let column = self.last.column + self.last.length;
            let place = Place { line: self.last.line, column, length: 1 };
            return Problem::script(place, format!("{what} is missing here"));
        };
        let text = token.text.lines().next().unwrap_or("");
        Problem::script(token.place, format!("`{text}` stands where {what} is needed"))
    }

    fn word(&mut self, what: &str) -> Result<Token, Fault> {
        self.take(Kind::Word).ok_or_else(|| self.missing(what))
    }

    /// A word, or a text in quotes.
    fn name(&mut self, what: &str) -> Result<Token, Fault> {
        self.take(Kind::Word).or_else(|| self.take(Kind::Quoted)).ok_or_else(|| self.missing(what))
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is_next = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.kind == Kind::Word && token.text == word);
        if is_next {
            self.next();
        }
        is_next
    }

    fn expect_keyword(&mut self, word: &str) -> Result<(), Fault> {
        if self.keyword(word) { Ok(()) } else { Err(self.missing(&format!("`{word}`"))) }
    }

    fn instant(&mut self) -> Result<(Timestamp, Place), Fault> {
        let token = self.word("an instant")?;
        let at = Timestamp::parse(&token.text)
            .map_err(|error| Problem::script(token.place, error.to_string()))?;
        Ok((at, token.place))
    }

    fn length(&mut self) -> Result<(Duration, Place), Fault> {
        let token = self.word("a length of time")?;
        let length = Duration::parse(&token.text)
            .map_err(|error| Problem::script(token.place, error.to_string()))?;
        Ok((length, token.place))
    }

    /// A path in quotes, or lines below.
    fn content(&mut self) -> Result<Content, Fault> {
        if let Some(path) = self.take(Kind::Quoted) {
            return Ok(Content { what: What::File(path.text), place: path.place });
        }
        match self.take(Kind::Text) {
            Some(text) => Ok(Content { what: What::Text(text.text), place: text.place }),
            None => Err(self.missing("a path in quotes, or `<<END` with lines below,")),
        }
    }

    fn selector(&mut self) -> Result<Selector, Fault> {
        let mut selector = Selector::default();
        loop {
            if self.keyword("objective") {
                selector.objective = Some(self.name("the objective's number or name")?);
            } else if self.keyword("slice") {
                selector.slice = Some(self.name("a slice")?);
            } else if self.keyword("composite") {
                selector.composite = Some(self.last);
            } else {
                return Ok(selector);
            }
        }
    }

    /// `field sign value`, or `sign value` for a `field` that is known.
    fn demand(&mut self, field: Option<(&str, Place)>) -> Result<Demand, Fault> {
        let (field, field_place) = if let Some((field, place)) = field {
            (field.to_owned(), place)
        } else {
            let token = self.word("a field")?;
            (token.text, token.place)
        };
        let sign = match self.tokens.get(self.at).and_then(Sign::parse) {
            Some(sign) => {
                self.at += 1;
                sign
            }
            None => return Err(self.missing("one of = ~ != < <= > >=")),
        };
        let value = self.name("a value")?;
        let place = field_place.to(value.place);
        Ok(Demand { field, field_place, sign, value: value.text, place })
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.tokens.get(self.at) {
            None => Ok(()),
            Some(token) => {
                let text = token.text.lines().next().unwrap_or("");
                Err(Problem::script(
                    token.place,
                    format!("`{text}` is more than this statement takes"),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests;
