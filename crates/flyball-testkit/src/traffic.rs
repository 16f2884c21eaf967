//! Generated requests to some services, as NDJSON events or access log lines.
//!
//! A seed decides everything, so a file can be written again byte by byte, and its counts are
//! known without reading it: [`Traffic`] gives the requests, [`Truth`] counts them as they are
//! generated, and the writers only spell them. Times advance by a fixed step, so more events mean
//! a longer time, not a denser one.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::Random;

/// The services of generated traffic.
pub const SERVICES: [&str; 20] = [
    "checkout",
    "cart",
    "search",
    "recommendation",
    "payment",
    "catalogue",
    "shipping",
    "frontend",
    "accounts",
    "inventory",
    "pricing",
    "reviews",
    "email",
    "currency",
    "ads",
    "images",
    "ledger",
    "sessions",
    "fraud",
    "feature-flags",
];

/// Between two requests, in milliseconds: a million requests take about a day.
const STEP_MILLIS: u64 = 86;
/// 2025-03-01T00:00:00Z: past on any clock, because a replay leaves out what lies in the future.
const START_SECONDS: u64 = 1_740_787_200;
/// A request is good below this status …
pub const STATUS_MAX_EXCLUSIVE: u16 = 500;
/// … and up to this duration, in milliseconds.
pub const DURATION_MS_MAX: u64 = 300;

const METHODS: [&str; 4] = ["GET", "GET", "GET", "POST"];
const ROUTES: [&str; 6] = [
    "/",
    "/api/v1/products/{id}",
    "/api/v1/cart/items",
    "/api/v1/checkout",
    "/search",
    "/assets/{file}",
];
const PATHS: [&str; 6] = [
    "/",
    "/api/v1/products/60731",
    "/api/v1/cart/items",
    "/api/v1/checkout",
    "/search?q=blue+shoes",
    "/assets/main.4f2a91.css",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
/// Clients of services: shorter than browsers.
const CLIENTS: [&str; 4] = [
    "shop-android/8.41.0 (Android 15; Pixel 8)",
    "shop-ios/8.41.2 (iOS 18.3; iPhone15,2)",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
    "okhttp/4.12.0",
];
const REFERRERS: [&str; 4] =
    ["-", "https://shop.example/", "https://shop.example/search?q=blue+shoes&page=2", "-"];
const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-south-1"];
const STATUSES: [(u16, u64); 8] =
    [(200, 900), (201, 30), (204, 20), (301, 10), (304, 20), (404, 12), (500, 5), (503, 3)];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since 1970 in UTC.
    pub unix_ms: u64,
    /// Which of [`SERVICES`].
    pub service: usize,
    /// The HTTP status.
    pub status: u16,
    /// The duration in thousandths of a millisecond.
    pub duration_us: u64,
    /// What decides the attributes that nobody counts.
    noise: u64,
}

impl Request {
    /// Whether the service answered well and in time.
    pub fn is_good(&self) -> bool {
        self.status < STATUS_MAX_EXCLUSIVE && self.duration_us <= DURATION_MS_MAX * 1_000
    }
}

/// A stretch of generated requests, in order of time.
#[derive(Debug, Clone)]
pub struct Traffic {
    random: Random,
    next: u64,
    count: u64,
}

impl Traffic {
    /// `count` requests that depend on `seed` alone.
    pub fn new(seed: u64, count: u64) -> Self {
        Self { random: Random::new(seed), next: 0, count }
    }
}

impl Iterator for Traffic {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        if self.next == self.count {
            return None;
        }
        let random = &mut self.random;
        let mut weight = random.below(STATUSES.iter().map(|(_, weight)| weight).sum());
        let mut status = STATUSES[0].0;
        for (candidate, share) in STATUSES {
            if weight < share {
                status = candidate;
                break;
            }
            weight -= share;
        }
        // Mostly quick, now and then slow: one in 50 is drawn from up to 2 s.
        let duration_us =
            if random.below(50) == 0 { random.below(2_000_000) } else { random.below(250_000) };
        let service = usize::try_from(random.below(SERVICES.len() as u64)).unwrap_or(0);
        let request = Request {
            unix_ms: START_SECONDS * 1_000 + self.next * STEP_MILLIS,
            service,
            status,
            duration_us,
            noise: random.next_u64(),
        };
        self.next += 1;
        Some(request)
    }
}

/// What there is to count in some requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// By service and minute since 1970: all requests, and the good ones.
    pub minutes: BTreeMap<(usize, u64), (u64, u64)>,
    /// Requests with a status below 500, whatever their duration.
    pub answered: u64,
}

impl Truth {
    /// Counts `requests`.
    pub fn of(requests: impl IntoIterator<Item = Request>) -> Self {
        let mut truth = Self::default();
        for request in requests {
            truth.add(&request);
        }
        truth
    }

    fn add(&mut self, request: &Request) {
        let minute = request.unix_ms / 60_000;
        let cell = self.minutes.entry((request.service, minute)).or_default();
        cell.0 += 1;
        cell.1 += u64::from(request.is_good());
        self.answered += u64::from(request.status < STATUS_MAX_EXCLUSIVE);
    }

    /// All requests and the good ones.
    pub fn total(&self) -> (u64, u64) {
        self.minutes.values().fold((0, 0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1))
    }

    /// All requests to one of [`SERVICES`], and the good ones.
    pub fn of_service(&self, service: usize) -> (u64, u64) {
        let cells = self.minutes.range((service, 0)..=(service, u64::MAX));
        cells.fold((0, 0), |sum, (_, cell)| (sum.0 + cell.0, sum.1 + cell.1))
    }
}

/// Writes `traffic` as NDJSON, 15 attributes and about 432 bytes a line, always in the same order.
///
/// `progress` is told the number of lines now and then.
///
/// # Errors
///
/// Those of `out`.
pub fn write_ndjson(
    traffic: Traffic,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    each(traffic, progress, |request, day, mut noise| {
        let route = noise.below(ROUTES.len() as u64);
        let route = usize::try_from(route).unwrap_or(0);
        write!(
            out,
            "{{\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"service.name\":\"{}\",\
             \"http.request.method\":\"{}\",\"http.route\":\"{}\",\"url.path\":\"{}\",\
             \"http.response.status_code\":{},\"duration_ms\":{}.{:03},",
            day.year,
            day.month,
            day.day,
            day.hour,
            day.minute,
            day.second,
            day.milli,
            SERVICES[request.service],
            noise.pick(&METHODS),
            ROUTES[route],
            PATHS[route],
            request.status,
            request.duration_us / 1_000,
            request.duration_us % 1_000,
        )?;
        writeln!(
            out,
            "\"body_size\":{},\"client\":\"198.18.{}.{}\",\
             \"user_agent\":\"{}\",\"cloud.region\":\"{}\",\"host\":\"node-{:04}\",\
             \"trace_id\":\"{:016x}{:016x}\",\"span_id\":\"{:016x}\",\"retry\":{}}}",
            noise.below(200_000),
            noise.below(256),
            noise.below(256),
            noise.pick(&CLIENTS),
            noise.pick(&REGIONS),
            noise.below(300),
            noise.next_u64(),
            noise.next_u64(),
            noise.next_u64(),
            noise.below(20) == 0,
        )
    })
}

/// Writes `traffic` as access log lines in the combined format, about 230 bytes each, shaped like
/// those of small public sites: a few long referrers, browsers' names, some lines without either.
///
/// # Errors
///
/// Those of `out`.
pub fn write_combined(
    traffic: Traffic,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    each(traffic, progress, |request, day, mut noise| {
        let month = MONTHS[usize::try_from(day.month).unwrap_or(1) - 1];
        writeln!(
            out,
            "198.18.{}.{} - - [{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000] \"{} {} HTTP/1.1\" {} \
             {} \"{}\" \"{}\"",
            noise.below(256),
            noise.below(256),
            day.day,
            day.year,
            day.hour,
            day.minute,
            day.second,
            noise.pick(&METHODS),
            noise.pick(&PATHS),
            request.status,
            noise.below(200_000),
            noise.pick(&REFERRERS),
            noise.pick(&AGENTS),
        )
    })
}

/// Has `write` write each request, with its moment and the chance for what does not count.
fn each(
    traffic: Traffic,
    progress: &mut dyn FnMut(u64),
    mut write: impl FnMut(&Request, &Civil, Random) -> io::Result<()>,
) -> io::Result<()> {
    const EVERY: u64 = 1 << 18;
    for (request, line) in traffic.zip(1u64..) {
        write(&request, &Civil::of(request.unix_ms), Random::new(request.noise))?;
        if line.is_multiple_of(EVERY) {
            progress(line);
        }
    }
    Ok(())
}

/// A moment in UTC, taken apart.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u64,
}

impl Civil {
    fn of(unix_ms: u64) -> Self {
        let seconds = unix_ms / 1_000;
        // Days counted from 0000-03-01: a leap day is then the last day of its year, and the
        // lengths of months from March on follow one line.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            milli: unix_ms % 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let lines = |seed| {
            let mut out = Vec::new();
            write_ndjson(Traffic::new(seed, 100), &mut out, &mut |_| {}).unwrap();
            out
        };
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
    }

    #[test]
    fn ndjson_spells_what_the_truth_counts() {
        let mut out = Vec::new();
        write_ndjson(Traffic::new(7, 5_000), &mut out, &mut |_| {}).unwrap();
        let mut counted: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for line in out.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(event.as_object().unwrap().len(), 15);
            let service = event["service.name"].as_str().unwrap().to_owned();
            let minute = event["time"].as_str().unwrap()[..16].to_owned();
            let is_good = event["http.response.status_code"].as_u64().unwrap() < 500
                && event["duration_ms"].as_f64().unwrap() <= 300.0;
            let cell = counted.entry((service, minute)).or_default();
            cell.0 += 1;
            cell.1 += u64::from(is_good);
        }
        let truth = Truth::of(Traffic::new(7, 5_000));
        let told: BTreeMap<(String, String), (u64, u64)> = truth
            .minutes
            .iter()
            .map(|((service, minute), cell)| {
                let day = Civil::of(minute * 60_000);
                let text = format!(
                    "{:04}-{:02}-{:02}T{:02}:{:02}",
                    day.year, day.month, day.day, day.hour, day.minute
                );
                ((SERVICES[*service].to_owned(), text), *cell)
            })
            .collect();
        assert_eq!(counted, told);
        assert_eq!(truth.total().0, 5_000);
        let by_service: u64 = (0..SERVICES.len()).map(|at| truth.of_service(at).0).sum();
        assert_eq!(by_service, 5_000);
    }

    #[test]
    fn known_dates() {
        let date = |seconds: u64| {
            let day = Civil::of(seconds * 1_000);
            (day.year, day.month, day.day, day.hour, day.minute, day.second)
        };
        assert_eq!(date(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(date(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(date(1_000_000_000), (2001, 9, 9, 1, 46, 40));
        assert_eq!(date(START_SECONDS), (2025, 3, 1, 0, 0, 0));
    }

    #[test]
    fn combined_lines_have_their_nine_parts() {
        let mut out = Vec::new();
        write_combined(Traffic::new(7, 200), &mut out, &mut |_| {}).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 200);
        for line in text.lines() {
            assert_eq!(line.matches('"').count(), 6, "{line}");
            assert!(line.contains("/Mar/2025:"), "{line}");
        }
    }
}
