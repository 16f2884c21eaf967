//! Hours for pay: who was on call when, who was called out of hours, and what nobody pays.
//!
//! Standby is paid by time, call-outs by what they take; which rates apply is not said here. Hours are
//! split by the person's own clock: at work, out of hours, of these at night and on public holidays.
//!
//! Source: standby and call-out as Equal Experts' playbook *You Build It You Run It* tells them apart.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use flyball_model::{Duration, Interval, Severity, Timestamp};

use super::document::{Carries, Paid};
use super::load::CallOut;
use super::past::Past;
use super::roster::Shift;
use super::spans;

/// The hours of one person.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PayLine {
    /// Who.
    pub who: String,
    /// What is paid by their agreement; `None` when nobody has said.
    pub paid: Option<Paid>,
    /// On call for pages, at once in several layers counted once.
    pub standby: Duration,
    /// Of that, out of hours.
    pub out_of_hours: Duration,
    /// Of the hours out of hours, those at night.
    pub at_night: Duration,
    /// Of the hours out of hours, those on public holidays.
    pub on_holidays: Duration,
    /// There for tickets alone.
    pub triage: Duration,
    /// Looking on.
    pub shadow: Duration,
    /// Pages that took, or began in, hours out of hours.
    pub call_outs: usize,
    /// How long these took out of hours, as far as it is known; at once on several counted once.
    pub called_out: Duration,
    /// Those of them of which nobody has said when they were done.
    pub unknown: usize,
    /// On call for pages after [`PaySheet::served_until`], as things stand: nobody has served it yet.
    pub to_come: Duration,
}

/// A call-out out of hours that nobody pays.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unpaid {
    /// The trouble.
    pub id: String,
    /// Who was called.
    pub who: String,
    /// When.
    pub called: Timestamp,
    /// How long it took out of hours; `None` when nobody has said when it was over.
    pub length: Option<Duration>,
    /// Why nobody pays.
    pub why: UnpaidReason,
}

/// Why a call-out is not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpaidReason {
    /// Their agreement pays nothing.
    Nothing,
    /// Nobody has said what is paid.
    NotSaid,
    /// Being on call is paid, and they were not.
    NotOnCall,
    /// They are no member of the rota.
    Stranger,
}

/// Hours for pay over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PaySheet {
    /// The stretch.
    pub during: Interval,
    /// Until when hours were served, and are counted: what lies after it is to come.
    pub served_until: Timestamp,
    /// One line a person, by name.
    pub lines: Vec<PayLine>,
    /// Call-outs that nobody pays, by time.
    pub unpaid: Vec<Unpaid>,
}

impl Past {
    /// What `shifts` of this rota and `call_outs` of its alerts come to during `asked`, as far as that was served at `now`.
    pub fn pay(
        &self,
        shifts: &[Shift],
        call_outs: &[CallOut],
        (asked, now): (Interval, Timestamp),
    ) -> PaySheet {
        let served_until = now.clamp(asked.start(), asked.end());
        let during = spans::between(asked.start(), served_until);
        let ahead = spans::between(served_until, asked.end());
        let call_outs = self.members(call_outs);
        let names: BTreeSet<&str> = shifts
            .iter()
            .filter(|shift| shift.span().intersect(asked).is_some())
            .map(|shift| shift.who.as_str())
            .chain(call_outs.iter().map(|call| call.who.as_str()))
            .collect();
        let mut lines = Vec::with_capacity(names.len());
        let mut unpaid = Vec::new();
        for who in names {
            let hours = self.hours_of(who, during);
            let carried_in = |carries: Carries, during: Interval| {
                let own = shifts.iter().filter(|of| of.who == who && of.carries == carries);
                let cut = own.filter_map(|shift| shift.span().intersect(during));
                spans::union(cut.collect())
            };
            let carried = |carries: Carries| carried_in(carries, during);
            let standby = carried(Carries::Pages);
            let out = spans::without(&standby, &hours.working);
            let night = spans::common(&out, &hours.night);
            let holidays = spans::common(&out, &hours.holidays);
            let mut line = PayLine {
                who: who.to_owned(),
                paid: self.member(who, during.end()).and_then(|member| member.paid),
                standby: spans::length(&standby),
                out_of_hours: spans::length(&out),
                at_night: spans::length(&night),
                on_holidays: spans::length(&holidays),
                triage: spans::length(&spans::without(&carried(Carries::Tickets), &standby)),
                shadow: spans::length(&carried(Carries::Shadow)),
                call_outs: 0,
                called_out: Duration::ZERO,
                unknown: 0,
                to_come: spans::length(&carried_in(Carries::Pages, ahead)),
            };
            let mut worked = Vec::new();
            let paged = |call: &&CallOut| call.who == who && call.severity == Severity::Page;
            for call in call_outs.iter().filter(paged).filter(|of| during.contains(of.called)) {
                let Some(part) = out_of_hours(call, &hours.working, during) else { continue };
                line.call_outs += 1;
                line.unknown += usize::from(call.ended.is_none());
                let length = call.ended.map(|_| spans::length(&part));
                worked.extend(part);
                if let Some(why) = self.unpaid(call, &standby) {
                    let (id, who) = (call.id.clone(), call.who.clone());
                    unpaid.push(Unpaid { id, who, called: call.called, length, why });
                }
            }
            line.called_out = spans::length(&spans::union(worked));
            lines.push(line);
        }
        lines.retain(|line| line.call_outs > 0 || !line.is_empty());
        unpaid.sort_by_key(|call| call.called);
        PaySheet { during: asked, served_until, lines, unpaid }
    }

    /// Why nobody pays a call-out that was out of hours.
    fn unpaid(&self, call: &CallOut, standby: &[Interval]) -> Option<UnpaidReason> {
        let member = self.member(&call.who, call.called);
        let member = member.filter(|_| self.is_member(&call.who, call.called));
        let Some(member) = member else { return Some(UnpaidReason::Stranger) };
        let is_on_call = standby.iter().any(|span| span.contains(call.called));
        match member.paid {
            None => Some(UnpaidReason::NotSaid),
            Some(Paid::Nothing) => Some(UnpaidReason::Nothing),
            Some(Paid::Standby) if !is_on_call => Some(UnpaidReason::NotOnCall),
            Some(Paid::Standby | Paid::CallOut | Paid::StandbyAndCallOut) => None,
        }
    }
}

/// The part of a call-out that is out of hours; `None` when none is. Of one of which nobody has said when
/// it was over it is its beginning, which is no time at all.
fn out_of_hours(call: &CallOut, working: &[Interval], during: Interval) -> Option<Vec<Interval>> {
    let is_at_work = working.iter().any(|span| span.contains(call.called));
    let known: Vec<Interval> = call.span().intersect(during).into_iter().collect();
    let part = spans::without(&known, working);
    (!is_at_work || !part.is_empty()).then_some(part)
}

impl PayLine {
    fn is_empty(&self) -> bool {
        [self.standby, self.triage, self.shadow, self.to_come].iter().all(|length| length.is_zero())
    }
}

impl PaySheet {
    /// The lines as CSV (RFC 4180) with a header, lengths in hours to four digits, rounded down; `to` is until when hours
    /// were served. A call-out that nobody pays has a line of its own below them, with the reason in `unpaid`.
    ///
    /// A name that a spreadsheet would take for a formula is written with an apostrophe before it.
    pub fn csv(&self) -> String {
        let mut text = "who,from,to,paid,standby_hours,out_of_hours,night_hours,holiday_hours,\
                        triage_hours,shadow_hours,call_outs,call_out_hours,call_outs_without_end,\
                        to_come_hours,unpaid\r\n"
            .to_owned();
        for line in &self.lines {
            let paid = match line.paid {
                None => "not_said",
                Some(Paid::StandbyAndCallOut) => "standby_and_call_out",
                Some(Paid::Standby) => "standby",
                Some(Paid::CallOut) => "call_out",
                Some(Paid::Nothing) => "nothing",
            };
            let (from, to) = (self.during.start(), self.served_until);
            let lengths = [
                line.standby,
                line.out_of_hours,
                line.at_night,
                line.on_holidays,
                line.triage,
                line.shadow,
            ]
            .map(hours)
            .join(",");
            let (who, calls, took) = (cell(&line.who), line.call_outs, hours(line.called_out));
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "{who},{from},{to},{paid},{lengths},{calls},{took},{},{},\r\n",
                line.unknown,
                hours(line.to_come)
            );
        }
        for Unpaid { who, called, length, why, .. } in &self.unpaid {
            let why = match why {
                UnpaidReason::Nothing => "nothing",
                UnpaidReason::NotSaid => "not_said",
                UnpaidReason::NotOnCall => "not_on_call",
                UnpaidReason::Stranger => "stranger",
            };
            let (who, unknown) = (cell(who), usize::from(length.is_none()));
            let end = called.plus(length.unwrap_or_default());
            let took = hours(length.unwrap_or_default());
            let _ = write!(text, "{who},{called},{end},,,,,,,,1,{took},{unknown},,{why}\r\n");
        }
        text
    }
}

/// A length in hours to four digits, which hold a second.
fn hours(length: Duration) -> String {
    let parts = i128::from(length.nanos()) * 10_000 / i128::from(Duration::from_hours(1).nanos());
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

/// A text as one cell.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}
