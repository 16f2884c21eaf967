//! Samples from a Prometheus-compatible system that can be asked.
//!
//! What is asked for are raw samples of the series that an SLI's queries mean, never rates or sums:
//! so the same meter counts them as counts what is sent here, exactly. SLIs that mean the same series
//! are asked for once. An SLI that is new is asked for over its whole window as well, an hour at a
//! time, up to the moment at which it was given: that past is a source of its own, of which some is
//! read in each round while the present goes on.
//!
//! Queries that only the system itself can work out are asked for their answers at each full minute,
//! once that is a minute ago, in the past as in the present. Each answer is taken for a sample.
//!
//! Sources are asked a few at a time. One whose answers do not come, or cannot be used, pauses longer
//! each time; how far the present is behind is a metric.
//!
//! Source: the HTTP API of Prometheus, "Instant queries" with a range selector, which answers the
//! samples as they are stored; "Range queries" for answers of queries.

pub(crate) mod matrix;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration as Wait;

use bytes::{Bytes, BytesMut};
use flyball_metric::{Points, TARGET_GAP_MAX};
use flyball_model::{Duration, Timestamp};
use futures::StreamExt as _;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Context;
use crate::entry::{Compression, Content, Mark};
use crate::evaluator::{Metered, PASTS_MAX, Question, Unfinished};
use crate::hex::hex;
use crate::intake::Offer;
use crate::urls::masked;

/// How often samples are asked for.
const EVERY: Wait = Wait::from_secs(10);
/// How long a source pauses at most whose answers do not come.
const PAUSE_MAX: Wait = Wait::from_mins(2);
/// Sources of the present that are asked at the same time.
const ASKED_AT_ONCE: usize = 4;
/// How long one answer may take.
const ANSWER_MAX: Wait = Wait::from_secs(30);
/// The longest stretch that is asked for at once, and the shortest.
const CHUNK_MAX: Duration = Duration::from_hours(1);
const CHUNK_MIN: Duration = Duration::from_minutes(1);
/// What was asked for before and is asked for again: a sample can only be found after its scrape
/// has ended, and carries the time at which that began. Samples that are met twice count once.
const OVERLAP: Duration = Duration::from_minutes(1);
/// How long before an SLI was given its series are asked for, so that what they count from then on has
/// something to be compared with.
const LEAD: Duration = TARGET_GAP_MAX;
/// How much of a past is asked for last, when all of its samples can be found.
const HELD_BACK: Duration = Duration::from_seconds(1);
/// How far apart the moments are at which queries are asked for their answers: as far as those at which
/// Prometheus evaluates its rules by itself.
const POINTS_EVERY: Duration = Duration::from_minutes(1);
/// How old such a moment is when it is asked for: what its answer is made of has been scraped then.
const POINTS_AGE: Duration = Duration::from_minutes(1);
/// Stretches of the past that are asked for in one round at most.
const PAST_CHUNKS_MAX: usize = 64;

/// A system that can be asked.
#[derive(Debug, Clone)]
pub struct Prometheus {
    url: reqwest::Url,
    range_url: reqwest::Url,
    client: reqwest::Client,
}

/// A system that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// No URL of HTTP; without its password.
    #[error("`{0}` is no URL of a metrics system\nhint: write http://HOST:9090")]
    Url(String),
    /// No client can be made.
    #[error("cannot make a client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Prometheus {
    /// The system whose API is below `url`.
    ///
    /// # Errors
    ///
    /// [`PrometheusError`].
    pub fn new(url: &str) -> Result<Self, PrometheusError> {
        crate::choose_cryptography();
        let base = if url.ends_with('/') { url.to_owned() } else { format!("{url}/") };
        let parsed = reqwest::Url::parse(&base).ok().filter(|url| url.scheme().starts_with("http"));
        let join = |path| parsed.as_ref().and_then(|url| url.join(path).ok());
        let urls = join("api/v1/query").zip(join("api/v1/query_range"));
        let (url, range_url) = urls.ok_or_else(|| PrometheusError::Url(masked(&base)))?;
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
        Ok(Self { url, range_url, client })
    }

    /// Asks until the server goes down.
    pub(super) async fn run(self, context: Context) {
        let mut asked: HashMap<String, Asked> = HashMap::new();
        loop {
            let now = context.clock.now();
            let wanted = context.evaluator.ask(move |evaluator| wanted(evaluator.metered(), now));
            let Ok(Wanted { present, past }) = wanted.await else { return };
            let all = || present.iter().chain(&past);
            asked.retain(|source, _| all().any(|wanted| wanted.name == *source));
            let Some(is_up_to_date) = self.round(&context, &present, &past, &mut asked).await
            else {
                return;
            };
            if is_up_to_date && context.wait(EVERY).await.is_none() {
                return;
            }
        }
    }

    /// Asks for all of the present, and for some of the past. Answers whether nothing more is there to
    /// be asked for at once; `None` when the server goes down.
    async fn round(
        &self,
        context: &Context,
        present: &[Source],
        past: &[Source],
        asked: &mut HashMap<String, Asked>,
    ) -> Option<bool> {
        let mut turns = Vec::new();
        for source in present {
            let asked = known(context, source, asked).await;
            turns.push(self.turn(context, source, asked));
        }
        let turns: Vec<_> =
            futures::stream::iter(turns).buffer_unordered(ASKED_AT_ONCE).collect().await;
        let now = context.clock.now();
        let behind = turns.iter().map(|(_, asked, _)| now.since(asked.reached)).max();
        context.telemetry.behind(behind.unwrap_or_default());
        for (source, of, went_on) in turns {
            asked.insert(source.name.clone(), of);
            went_on?;
        }
        // Those that cannot be had do not keep others waiting.
        let mut past: Vec<&Source> = past.iter().collect();
        past.sort_by_key(|source| asked.get(&source.name).map_or(0, |asked| asked.failures));
        let mut chunks = PAST_CHUNKS_MAX;
        for source in past.into_iter().take(PASTS_MAX) {
            let mut of = known(context, source, asked).await;
            let asked_for = self.catch_up(context, source, &mut of, chunks).await;
            asked.insert(source.name.clone(), of);
            chunks -= asked_for?;
            if chunks == 0 {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Asks for all there is since the last time.
    async fn turn<'a>(
        &self,
        context: &Context,
        source: &'a Source,
        mut asked: Asked,
    ) -> (&'a Source, Asked, Option<usize>) {
        let went_on = self.catch_up(context, source, &mut asked, usize::MAX).await;
        (source, asked, went_on)
    }

    /// Asks for what there is since the last time, at most `chunks_max` times, and returns how often;
    /// `None` when the server goes down.
    async fn catch_up(
        &self,
        context: &Context,
        source: &Source,
        asked: &mut Asked,
        chunks_max: usize,
    ) -> Option<usize> {
        let mut chunks = 0;
        if asked.pauses_until.is_some_and(|until| Instant::now() < until) {
            return Some(0);
        }
        while chunks < chunks_max {
            if context.stop.is_cancelled() {
                return None;
            }
            let now = context.clock.now();
            let latest = match &source.question {
                Question::Samples(_) => now,
                Question::Points(_) => now.minus(POINTS_AGE).floor(POINTS_EVERY),
            };
            let mut to = asked.reached.plus(asked.chunk).min(latest);
            if let Some(until) = source.until {
                // The last samples can be found a while after their time.
                let is_settled = now >= until.plus(OVERLAP);
                to = to.min(if is_settled { until } else { until.minus(HELD_BACK) });
            }
            if to <= asked.reached {
                return Some(chunks);
            }
            chunks += 1;
            let most = context.intake.limits().request_bytes_max;
            let body = match self.answers(&source.question, asked.reached, to, most).await {
                Ok(body) => body,
                Err(Unanswered::TooLarge) if asked.chunk > CHUNK_MIN => {
                    let half = Duration::from_nanos(asked.chunk.nanos() / 2);
                    asked.chunk = half.unwrap_or(CHUNK_MIN).max(CHUNK_MIN);
                    continue;
                }
                Err(error) => {
                    context.telemetry.ask_failed(&source.name, &error);
                    asked.fail();
                    return Some(chunks);
                }
            };
            let mark = Mark { source: source.name.clone(), reached: to.nanos().to_string() };
            let offer = Offer {
                mark: Some(mark),
                ..Offer::new(Content::PrometheusMatrix, Compression::None, body)
            };
            if let Err(refusal) = context.offer(&source.name, offer).await? {
                context.telemetry.ask_failed(&source.name, &refusal);
                asked.fail();
                return Some(chunks);
            }
            (asked.reached, asked.failures, asked.pauses_until) = (to, 0, None);
            if to == latest {
                return Some(chunks);
            }
        }
        Some(chunks)
    }

    /// What is answered to `question` for the time behind `reached` up to `to`, an answer a line.
    async fn answers(
        &self,
        question: &Question,
        reached: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Result<Bytes, Unanswered> {
        match question {
            Question::Samples(selectors) => {
                self.samples(selectors, reached.minus(OVERLAP), to, most).await
            }
            Question::Points(points) => self.points(points, reached, to, most).await,
        }
    }

    /// The answers to a query at the full minutes in `(reached, to]`.
    async fn points(
        &self,
        points: &Points,
        reached: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Result<Bytes, Unanswered> {
        let (start, end) = (reached.floor(POINTS_EVERY).plus(POINTS_EVERY), to.floor(POINTS_EVERY));
        let mut whole = BytesMut::new();
        if start <= end {
            let mut url = self.range_url.clone();
            let every = POINTS_EVERY.nanos() / 1_000_000_000;
            url.query_pairs_mut()
                .append_pair("query", &points.query)
                .append_pair("start", &seconds(start))
                .append_pair("end", &seconds(end))
                .append_pair("step", &every.to_string());
            self.ask(url, most, &mut whole).await?;
        } else {
            whole.extend_from_slice(matrix::NOTHING);
        }
        Ok(Bytes::from(matrix::named(&whole, &points.name)))
    }

    /// The samples of all `selectors` in `[from, to]`, an answer a line.
    async fn samples(
        &self,
        selectors: &[String],
        from: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Result<Bytes, Unanswered> {
        let millis = to.since(from).nanos() / 1_000_000;
        let time = seconds(to);
        let mut whole = BytesMut::new();
        for selector in selectors {
            let query = format!("{selector}[{millis}ms]");
            let mut url = self.url.clone();
            url.query_pairs_mut().append_pair("query", &query).append_pair("time", &time);
            self.ask(url, most, &mut whole).await?;
        }
        Ok(whole.freeze())
    }

    /// Adds what is answered to `whole` as a line; together that is `most` bytes at most.
    async fn ask(
        &self,
        url: reqwest::Url,
        most: usize,
        whole: &mut BytesMut,
    ) -> Result<(), Unanswered> {
        let mut answer = self.client.get(url).send().await?;
        let status = answer.status();
        let start = whole.len();
        while let Some(part) = answer.chunk().await? {
            if whole.len() + part.len() > most {
                return Err(Unanswered::TooLarge);
            }
            whole.extend_from_slice(&part);
        }
        if !status.is_success() {
            let said = String::from_utf8_lossy(&whole[start..]);
            let said = said.chars().take(SAID_CHARS_MAX).collect();
            return Err(Unanswered::Refused { status: status.as_u16(), said });
        }
        // Between values, JSON takes a line end and a blank alike.
        whole[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        whole.extend_from_slice(b"\n");
        Ok(())
    }
}

/// A time as the API has it.
fn seconds(at: Timestamp) -> String {
    format!("{:.3}", at.nanos() as f64 / 1e9)
}

/// Characters of a refusal that are shown.
const SAID_CHARS_MAX: usize = 300;

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    /// What goes on: one source for all SLIs of the same series.
    present: Vec<Source>,
    /// What ends: one source for each SLI, the earliest first.
    past: Vec<Source>,
}

/// Series that are asked for together, so that sides and totals of a ratio come together.
#[derive(Debug)]
struct Source {
    /// What it is called where it is kept how far it was read.
    name: String,
    question: Question,
    /// From when on, where it was never read.
    from: Timestamp,
    /// The last moment; `None` where it goes on.
    until: Option<Timestamp>,
}

/// How far a source was asked.
#[derive(Debug)]
struct Asked {
    reached: Timestamp,
    chunk: Duration,
    /// How often it could not be had since the last time it was.
    failures: u32,
    /// When it is asked again, after failures.
    pauses_until: Option<Instant>,
}

impl Asked {
    /// Pauses twice as long as after the failure before.
    fn fail(&mut self) {
        let pause = EVERY.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.pauses_until = Some(Instant::now() + pause);
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the answer is too large")]
    TooLarge,
    #[error("it answers {status}: {said}")]
    Refused { status: u16, said: String },
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// How far `source` was asked, taken out of `asked` where it is known there.
async fn known(context: &Context, source: &Source, asked: &mut HashMap<String, Asked>) -> Asked {
    if let Some(asked) = asked.remove(&source.name) {
        return asked;
    }
    let mark = context.mark(&source.name).await;
    let mark = mark.and_then(|mark| mark.parse().ok()).map(Timestamp::from_nanos);
    let reached = mark.unwrap_or(source.from);
    Asked { reached, chunk: CHUNK_MAX, failures: 0, pauses_until: None }
}

/// What has to be asked for at `now`, so that all of `metered` is counted.
fn wanted(metered: Vec<Metered>, now: Timestamp) -> Wanted {
    let mut present: BTreeMap<String, Source> = BTreeMap::new();
    let mut past = Vec::new();
    for Metered { mut question, window, past: unfinished } in metered {
        let given = unfinished.as_ref().map_or(now, |unfinished| unfinished.until);
        let from = given.minus(LEAD);
        // Queries may be long, and names are kept in every entry.
        let hashed = |text: &str| hex(&Sha256::digest(text)[..16]);
        let name = match &mut question {
            Question::Samples(selectors) => {
                selectors.sort_unstable();
                selectors.dedup();
                format!("prometheus {}", hashed(&selectors.join("\n")))
            }
            Question::Points(points) => format!("prometheus-points {}", hashed(&points.query)),
        };
        let new = Source { name, question: question.clone(), from, until: None };
        let known = present.entry(new.name.clone()).or_insert(new);
        known.from = known.from.min(from);
        past.extend(unfinished.map(|Unfinished { source: name, until }| Source {
            name,
            question,
            from: until.minus(window),
            until: Some(until),
        }));
    }
    past.sort_unstable_by(|a, b| (a.until, &a.name).cmp(&(b.until, &b.name)));
    Wanted { present: present.into_values().collect(), past }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_the_refusal() {
        let refused = Prometheus::new("http://u:secret@h:port").unwrap_err().to_string();
        assert!(
            refused.contains("http://u:***@h:port") && !refused.contains("secret"),
            "{refused}"
        );
    }

    fn metered(selectors: &[&str], past: Option<(&str, i64)>) -> Metered {
        let past = past.map(|(source, until)| Unfinished {
            source: source.to_owned(),
            until: Timestamp::from_seconds(until),
        });
        let selectors = selectors.iter().map(|&selector| selector.to_owned()).collect();
        Metered { question: Question::Samples(selectors), window: Duration::from_hours(1), past }
    }

    #[test]
    fn slis_of_the_same_series_are_asked_for_once_and_pasts_for_themselves() {
        let now = Timestamp::from_seconds(10_000);
        let all = vec![
            metered(&["b", "a"], Some(("second", 9_000))),
            metered(&["a", "b", "b"], Some(("first", 8_000))),
            metered(&["a"], None),
        ];
        let Wanted { present, past } = wanted(all, now);
        let froms = |sources: &[Source]| -> Vec<(usize, i64)> {
            let length = |question: &Question| match question {
                Question::Samples(selectors) => selectors.len(),
                Question::Points(_) => 0,
            };
            let from = |of: &Source| (length(&of.question), of.from.nanos() / 1_000_000_000);
            sources.iter().map(from).collect()
        };
        let mut asked = froms(&present);
        asked.sort_unstable();
        assert_eq!(asked, [(1, 10_000 - 300), (2, 8_000 - 300)]);
        assert_eq!(froms(&past), [(2, 8_000 - 3_600), (2, 9_000 - 3_600)]);
        assert_eq!([&past[0].name, &past[1].name], ["first", "second"]);
    }
}
