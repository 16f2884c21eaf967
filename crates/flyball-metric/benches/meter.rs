//! Measures the meter on scrapes of many series, against the way anybody would write first: hold
//! every sample against the matchers of every SLI, and keep the last value in a map by label text.
//!
//! ```text
//! cargo bench -p flyball-metric --profile quick --bench meter -- [--series N] [--slis N] [--scrapes N]
//! ```
//!
//! Both see the same samples in one run. Every SLI means the series of one service: its errors of
//! all its requests. Memory is what the process has more of (`VmRSS`) after the first scrape has
//! been counted, the maps of the meter being all that has grown. Counts are compared at the end.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use flyball_events::{MetricKind, Sample, SampleValue, Series};
use flyball_metric::{Meter, Plan, Watched};
use flyball_model::{MetricQuery, MetricSli, Tally, Timestamp};

const SERIES: usize = 100_000;
const SLIS: usize = 100;
const SCRAPES: usize = 10;
/// Series in one request; what Prometheus sends at once by default.
const REQUEST: usize = 2_000;
/// Codes that a service answers with, one of them an error.
const CODES: [&str; 5] = ["200", "201", "304", "404", "500"];

fn main() -> anyhow::Result<()> {
    let (mut series, mut slis, mut scrapes) = (SERIES, SLIS, SCRAPES);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--series" => series = value()?.parse()?,
            "--slis" => slis = value()?.parse()?,
            "--scrapes" => scrapes = value()?.parse()?,
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => bail!("unknown argument {other}; there are --series, --slis and --scrapes"),
        }
    }
    ensure!(slis > 0 && scrapes > 1, "there have to be SLIs, and two scrapes or more");
    let mut world = world(series, slis);
    say(&format!("{series} series, {slis} SLIs, {scrapes} scrapes, a drain after each"))?;

    let resident = resident()?;
    let mut meter = Meter::new((0..slis).map(watched).collect::<anyhow::Result<_>>()?, at(0));
    let (mut times, mut bytes, mut kept) = (Vec::new(), 0, 0);
    let mut counted: Vec<Tally> = vec![Tally::EMPTY; slis];
    for scrape in 0..scrapes {
        advance(&mut world, scrape);
        let begun = now();
        for request in world.chunks(REQUEST) {
            meter.apply(request, at(scrape * 15 + 1));
        }
        let applied = begun.elapsed();
        if scrape == 0 {
            // Before the drain, whose pairs are not what is remembered.
            bytes = self::resident()?.saturating_sub(resident);
        }
        let begun = now();
        let drained = meter.drain();
        times.push((applied, begun.elapsed()));
        for count in &drained.counts {
            counted[count.sli] = counted[count.sli].plus(count.tally);
        }
        kept = drained.changes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
    }
    meter.apply(&[], at(scrapes * 15 + 3_600));
    for count in meter.drain().counts {
        counted[count.sli] = counted[count.sli].plus(count.tally);
    }
    let first = rate(series, times[0].0);
    let later: Duration = times[1..].iter().map(|(applied, _)| *applied).sum();
    let drains: Duration = times[1..].iter().map(|(_, drained)| *drained).sum();
    let known = rate(series * (scrapes - 1), later);
    say(&format!("meter, series met for the first time    {first:>12.0} samples/s"))?;
    say(&format!("meter, series known                     {known:>12.0} samples/s"))?;
    say(&format!(
        "drain                                   {:>12.0} samples/s, {} bytes a series",
        rate(series * (scrapes - 1), drains),
        kept / series
    ))?;
    say(&format!("memory                                  {:>12} bytes a series", bytes / series))?;

    let mut naive = Naive { slis: (0..slis).map(service).collect(), ..Naive::default() };
    naive.sums = vec![(0, 0); slis];
    for series in &mut world {
        for sample in &mut series.samples {
            sample.value = SampleValue::Number(0.0);
        }
    }
    let mut time = Duration::ZERO;
    // Two scrapes are enough of it.
    for scrape in 0..2 {
        advance(&mut world, scrape);
        let begun = now();
        for series in &world {
            naive.count(series);
        }
        time += begun.elapsed();
    }
    let naive_rate = rate(series * 2, time);
    say(&format!("naive                                   {naive_rate:>12.0} samples/s"))?;
    say(&format!("the meter is {:.1} times as fast", known / naive_rate))?;
    // Increases are equal from scrape to scrape, so that one tells of all.
    for (counted, (bad, valid)) in counted.iter().zip(&naive.sums) {
        let times = (scrapes - 1) as u64;
        ensure!(counted.bad() == bad * times && counted.valid() == valid * times, "counts differ");
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("writing the figures")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Bytes of memory that the process has.
fn resident() -> anyhow::Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse::<usize>()?;
    Ok(kilobytes * 1_024)
}

fn at(seconds: usize) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + i64::try_from(seconds).unwrap_or(0))
}

fn service(sli: usize) -> String {
    format!("service-{sli}")
}

fn watched(sli: usize) -> anyhow::Result<Watched> {
    let query = |text: String| MetricQuery {
        source_type: Some("prometheus".to_owned()),
        source_ref: None,
        spec: format!("{{\"query\": \"{}\"}}", text.replace('"', "\\\"")),
    };
    let service = service(sli);
    let name = "http_server_requests_total";
    let sli = MetricSli::Ratio {
        counter: false,
        side: query(format!("sum(rate({name}{{service=\"{service}\",code=~\"5..\"}}[5m]))")),
        side_is_bad: true,
        total: query(format!("sum(rate({name}{{service=\"{service}\"}}[5m]))")),
    };
    Ok(Watched { identity: service, plan: Plan::compile(&sli, None)?, after: None })
}

/// Series of all services in turn, each with one sample of nothing.
fn world(series: usize, slis: usize) -> Vec<Series> {
    let label = |name: &str, value: String| (name.to_owned(), value);
    let one = |index: usize| Series {
        labels: vec![
            label("__name__", "http_server_requests_total".to_owned()),
            label("code", CODES[index / slis % CODES.len()].to_owned()),
            label("instance", format!("10.0.{}.{}:8080", index / slis / 256, index / slis % 256)),
            label("job", "kubernetes-pods".to_owned()),
            label("method", "GET".to_owned()),
            label("route", format!("/api/v1/resources/{}", index / slis / CODES.len() % 20)),
            label("service", service(index % slis)),
        ],
        kind: MetricKind::Counter,
        samples: vec![Sample { at: at(0), since: None, value: SampleValue::Number(0.0) }],
        temporality: flyball_events::Temporality::Cumulative,
        exemplars: 0,
    };
    (0..series).map(one).collect()
}

/// The next scrape: every counter goes on by the same.
fn advance(world: &mut [Series], scrape: usize) {
    for (index, series) in world.iter_mut().enumerate() {
        for sample in &mut series.samples {
            sample.at = at(scrape * 15);
            if let SampleValue::Number(value) = &mut sample.value {
                *value += (index % 7 + 1) as f64;
            }
        }
    }
}

/// What anybody would write first.
#[derive(Default)]
struct Naive {
    slis: Vec<String>,
    last: HashMap<String, f64>,
    /// Bad and valid events by SLI.
    sums: Vec<(u64, u64)>,
}

impl Naive {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small whole numbers"
    )]
    fn count(&mut self, series: &Series) {
        let label = |name: &str| {
            series.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
        };
        let key: Vec<String> = series.labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        let Some(SampleValue::Number(value)) = series.samples.first().map(|s| &s.value) else {
            return;
        };
        let before = self.last.insert(key.join(","), *value);
        for (service, sums) in self.slis.iter().zip(&mut self.sums) {
            let is_meant = label("__name__") == "http_server_requests_total"
                && label("service") == service.as_str();
            if let Some(before) = before.filter(|_| is_meant) {
                let increase = (value - before) as u64;
                sums.1 += increase;
                sums.0 += if label("code").starts_with('5') { increase } else { 0 };
            }
        }
    }
}
