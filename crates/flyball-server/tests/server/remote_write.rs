//! Remote write by the letter of its two specifications: one test for each thing that a receiver must,
//! or should, do. The names and shapes of requests are those that senders send, unsorted labels among
//! them, which senders must not send and do.

mod message;

use std::collections::BTreeMap;

use flyball_model::Duration;
use message::{Histogram, Sent, version_1, version_2};
use reqwest::Response;

use crate::harness::{NOON, Running, TestClock};

/// [`NOON`].
const NOW_MILLIS: i64 = 1_772_452_800_000;
/// The double by which Prometheus says that a series ended.
const STALE: f64 = f64::from_bits(0x7FF0_0000_0000_0002);
const MEDIA_V1: &str = "application/x-protobuf";
const MEDIA_V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What a test sends to.
struct Receiver {
    running: Running,
    clock: TestClock,
    _directory: tempfile::TempDir,
}

/// Samples, histograms, exemplars.
type Counts = (u64, u64, u64);
/// What an answer says was written; none where it says nothing.
type Written = Option<Counts>;
/// A request, and what has to be written of it.
type Taken<'a> = (&'a [Sent<'a>], Counts);
/// A request, what has to be written of it, and what has to be said of the rest.
type Refused<'a> = (&'a [Sent<'a>], Counts, &'a str);

struct Answer {
    status: u16,
    written: Written,
    said: String,
}

impl Receiver {
    async fn start(documents: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOON);
        let running = Running::start(directory.path(), documents, &clock).await;
        Self { running, clock, _directory: directory }
    }

    /// Posts `body` as it is.
    async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self.running.post("/api/v1/write", body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.unwrap()).await
    }

    async fn send(&self, series: &[Sent<'_>]) -> Answer {
        let headers = [
            ("content-type", MEDIA_V2),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "2.0.0"),
        ];
        self.post(&headers, snappy(&version_2(series))).await
    }

    async fn send_v1(&self, series: &[Sent<'_>]) -> Answer {
        let headers = [("content-type", MEDIA_V1), ("content-encoding", "snappy")];
        self.post(&headers, snappy(&version_1(series))).await
    }
}

async fn read(answer: Response) -> Answer {
    let status = answer.status().as_u16();
    let counts = ["samples", "histograms", "exemplars"].map(|what| {
        let header = answer.headers().get(format!("x-prometheus-remote-write-{what}-written"))?;
        Some(header.to_str().unwrap().parse::<u64>().unwrap())
    });
    let written = match counts {
        [Some(samples), Some(histograms), Some(exemplars)] => {
            Some((samples, histograms, exemplars))
        }
        counts => {
            assert_eq!(counts, [None; 3], "all of them or none");
            None
        }
    };
    Answer { status, written, said: answer.text().await.unwrap() }
}

fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// Sends each request to a receiver of its own kind, and all of it has to be written, without a word.
async fn takes(requests: &[Taken<'_>]) {
    let receiver = Receiver::start("").await;
    for (series, written) in requests {
        let answer = receiver.send(series).await;
        assert_eq!((answer.status, answer.written), (204, Some(*written)), "{}", answer.said);
        assert_eq!(answer.said, "");
    }
    receiver.running.server.stop().await;
}

/// Sends each request, and what is not written of it has to be told.
async fn refuses(requests: &[Refused<'_>]) {
    let receiver = Receiver::start("").await;
    for (series, written, why) in requests {
        let answer = receiver.send(series).await;
        assert_eq!((answer.status, answer.written), (400, Some(*written)), "{}", answer.said);
        assert!(answer.said.contains(why), "{why}: {}", answer.said);
    }
    receiver.running.server.stop().await;
}

fn sample(labels: message::Labels<'_>, value: f64) -> Sent<'_> {
    Sent { labels, samples: vec![(0, value)], ..Sent::default() }
}

fn histogram(labels: message::Labels<'_>, histogram: Histogram) -> Sent<'_> {
    Sent { labels, histograms: vec![histogram], ..Sent::default() }
}

/// 23 measurements above zero, in five buckets.
fn positive() -> (Vec<(i32, u32)>, Vec<i64>) {
    (vec![(0, 3), (2, 2)], vec![1, 2, 1, 3, 1])
}

/// 3 measurements below zero, in two buckets.
fn negative() -> (Vec<(i32, u32)>, Vec<i64>) {
    (vec![(0, 2)], vec![1, 1])
}

fn whole() -> Histogram {
    Histogram {
        count: 27,
        zero: Some(1),
        positive: positive(),
        negative: negative(),
        ..Histogram::default()
    }
}

/// 30 measurements in six listed buckets.
fn listed() -> Histogram {
    Histogram {
        count: 30,
        schema: -53,
        positive: (vec![(0, 6)], vec![2, 1, 2, 3, -1, -2]),
        bounds: vec![0.1, 0.5, 1.0, 2.5, 5.0, 10.0],
        ..Histogram::default()
    }
}

const UP: message::Labels<'_> = &[("__name__", "up")];
const TARGET: message::Labels<'_> =
    &[("job", "testjob"), ("__name__", "up"), ("instance", "localhost:9090")];
const NAMELESS: message::Labels<'_> = &[("job", "testjob"), ("instance", "localhost:9090")];
const TRACE: message::Labels<'_> = &[("trace_id", "abc123def456")];

/// Every double there is: numbers, the end of a series, no number, beyond all numbers.
const VALUES: [f64; 9] =
    [1.0, STALE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -123.456, 1e10, 1e-10];

#[tokio::test(flavor = "multi_thread")]
async fn every_double_is_a_sample() {
    let sent: Vec<[Sent<'_>; 1]> = VALUES.iter().map(|value| [sample(UP, *value)]).collect();
    let requests: Vec<(&[Sent<'_>], _)> = sent.iter().map(|one| (&one[..], (1, 0, 0))).collect();
    takes(&requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_in_any_order_are_taken() {
    takes(&[(&[sample(TARGET, 1.0)], (1, 0, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_labels_are_any_text() {
    let lines = [("__name__", "up"), ("job", "test\njob\n"), ("instance", "localhost:9090")];
    let signs = [("__name__", "test_metric"), ("job", "a-b_c.d@e"), ("environment", "test🚀 äöü")];
    takes(&[(&[sample(&lines, 1.0)], (1, 0, 0)), (&[sample(&signs, 1.0)], (1, 0, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_any_text() {
    let dots = [("__name__", "resource.cpu.usage"), ("job.name", "a"), ("instance.name", "b")];
    let blanks = [("__name__", "resource cpu usage"), ("job name", "a"), ("instance name", "b")];
    takes(&[(&[sample(&dots, 1.0)], (1, 0, 0)), (&[sample(&blanks, 1.0)], (1, 0, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_without_a_name_is_refused() {
    refuses(&[
        (&[sample(NAMELESS, 1.0)], (0, 0, 0), "without a metric name"),
        (&[sample(&[], 1.0)], (0, 0, 0), "without a metric name"),
        (&[sample(&[("__name__", "")], 1.0)], (0, 0, 0), "empty name or value"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_are_empty_or_stand_twice_are_refused() {
    refuses(&[
        (&[sample(&[("__name__", "up"), ("job", "")], 1.0)], (0, 0, 0), "empty name or value"),
        (&[sample(&[("__name__", "up"), ("", "job")], 1.0)], (0, 0, 0), "empty name or value"),
        (
            &[sample(&[("a", "1"), ("__name__", "up"), ("a", "1")], 1.0)],
            (0, 0, 0),
            "a label that stands twice",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_series_are_taken_at_once() {
    let labels: Vec<_> = ["localhost:9090", "localhost:9091", "localhost:9092", "localhost:9093"]
        .map(|instance| [("__name__", "up"), ("job", "testjob"), ("instance", instance)])
        .to_vec();
    let all: Vec<Sent<'_>> = labels.iter().map(|labels| sample(labels, 1.0)).collect();
    takes(&[(&all, (4, 0, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_written_beside_what_is_not() {
    let good = [("__name__", "up"), ("instance", "localhost:9091")];
    let request = [sample(NAMELESS, 1.0), sample(&good, 1.0), sample(UP, 1.0), sample(TARGET, 1.0)];
    refuses(&[(
        &request,
        (3, 0, 0),
        "1 of 4 samples, histograms and exemplars were not written: 1: a series without a metric \
         name; the first is in series 1",
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_where_nothing_is_right() {
    let request = [sample(NAMELESS, 1.0), sample(&[("job", "x")], 1.0)];
    refuses(&[(&request, (0, 0, 0), "2 of 2 samples")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_time_is_taken() {
    let counter = Sent { start: -HOUR, ..sample(&[("__name__", "http_requests_total")], 100.0) };
    let measured = Sent { start: -HOUR / 2, ..histogram(&[("__name__", "seconds")], whole()) };
    takes(&[(&[counter], (1, 0, 0)), (&[measured], (0, 1, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_histograms_of_every_shape_are_taken() {
    let name = [("__name__", "test_histogram")];
    let above =
        Histogram { count: 24, zero: Some(1), positive: positive(), ..Histogram::default() };
    let below = Histogram { count: 3, negative: negative(), ..Histogram::default() };
    let around = Histogram { count: 1, zero: Some(1), ..Histogram::default() };
    for shape in [whole(), listed(), above, below, around, Histogram::default()] {
        takes(&[(&[histogram(&name, shape)], (0, 1, 0))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gauge_histograms_are_taken() {
    takes(&[(&[histogram(UP, Histogram { reset: 3, ..whole() })], (0, 1, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_histograms_are_taken_at_once() {
    let (first, second) = ([("__name__", "hist1")], [("__name__", "hist2")]);
    takes(&[(&[histogram(&first, whole()), histogram(&second, listed())], (0, 2, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_that_does_not_add_up_is_refused() {
    let name = [("__name__", "minimal_hist")];
    let wrong = Histogram { count: 99, positive: positive(), ..Histogram::default() };
    let spans = Histogram { positive: (vec![(0, 9)], vec![1]), count: 1, ..Histogram::default() };
    let bounds = Histogram { bounds: vec![1.0, 0.5], ..listed() };
    let schema = Histogram { schema: 60, ..whole() };
    refuses(&[
        (&[histogram(&name, wrong)], (0, 0, 0), "do not add up"),
        (&[histogram(&name, spans)], (0, 0, 0), "spans do not match"),
        (&[histogram(&name, bounds)], (0, 0, 0), "bounds do not ascend"),
        (&[histogram(&name, schema)], (0, 0, 0), "unknown schema"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_samples_or_histograms() {
    let both = Sent { samples: vec![(0, 1.0)], ..histogram(UP, whole()) };
    refuses(&[(&[both], (0, 0, 0), "numbers and histograms")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_are_written_with_their_samples() {
    let several = [("trace_id", "trace456"), ("user", "admin"), ("endpoint", "/login")];
    let unicode = [("trace_id", "unicode_trace_测试")];
    for labels in [TRACE, &several[..], &[("user_id", "user123")], &[], &unicode] {
        let sent = Sent { exemplars: vec![(labels, 1)], ..sample(TARGET, 0.125) };
        takes(&[(&[sent], (1, 0, 1))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_are_written_with_their_histograms() {
    let sent = Sent { exemplars: vec![(TRACE, 1)], ..histogram(TARGET, whole()) };
    let own = Sent { exemplars: vec![(TRACE, 1)], ..histogram(TARGET, listed()) };
    takes(&[(&[sent], (0, 1, 1)), (&[own], (0, 1, 1))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_of_other_times_are_written() {
    let name = [("__name__", "latency_hist")];
    let at = |time: i64| Sent {
        labels: &name,
        samples: vec![(time, 0.05)],
        exemplars: vec![(TRACE, time - 1)],
        ..Sent::default()
    };
    takes(&[(&[at(-HOUR), at(-MINUTE), at(0)], (3, 0, 3))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exemplar_of_a_refused_series_is_not_written() {
    let nameless = Sent { exemplars: vec![(TRACE, 1)], ..sample(&[("job", "test")], 1.0) };
    let empty = Sent { exemplars: vec![(TRACE, 1)], ..sample(&[("__name__", "")], 1.0) };
    refuses(&[
        (&[nameless], (0, 0, 0), "2: a series without a metric name"),
        (&[empty], (0, 0, 0), "2: a label with an empty name or value"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exemplar_without_a_time_is_refused_alone() {
    let sent = Sent { exemplars: vec![(TRACE, 1), (TRACE, 0)], ..sample(UP, 1.0) };
    refuses(&[(&[sent], (1, 0, 1), "1 of 3 samples, histograms and exemplars")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_every_type_is_taken() {
    let help = "with\nnewlines, \"quotes\" and äöü";
    for kind in 0..=7 {
        let sent = Sent { metadata: Some((kind, help, "bytes/sec")), ..sample(TARGET, 1.0) };
        takes(&[(&[sent], (1, 0, 0))]).await;
    }
    let nothing = Sent { metadata: Some((1, "", "")), ..sample(TARGET, 1.0) };
    let measured = Sent { metadata: Some((3, help, "seconds")), ..histogram(TARGET, whole()) };
    takes(&[(&[nothing], (1, 0, 0)), (&[measured], (0, 1, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_does_not_make_up_for_a_name() {
    let nameless = Sent { metadata: Some((1, "help", "unit")), ..sample(NAMELESS, 1.0) };
    let empty = Sent { metadata: Some((2, "help", "unit")), ..sample(&[("__name__", "")], 1.0) };
    refuses(&[(&[nameless], (0, 0, 0), "metric name"), (&[empty], (0, 0, 0), "empty name")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_metadata_and_exemplars_are_taken_together() {
    let texts: Vec<String> = (0..50).map(|number| format!("metric_{number}")).collect();
    let labels: Vec<_> =
        texts.iter().map(|text| [("series", text.as_str()), ("__name__", text)]).collect();
    let samples: Vec<Sent<'_>> = labels
        .iter()
        .map(|labels| Sent {
            metadata: Some((1, "Counter", "count")),
            exemplars: vec![(TRACE, 1)],
            ..sample(labels, 100.0)
        })
        .collect();
    let histograms: Vec<Sent<'_>> = labels
        .iter()
        .map(|labels| Sent {
            metadata: Some((3, "Histogram", "seconds")),
            exemplars: vec![(TRACE, 1)],
            ..histogram(labels, whole())
        })
        .collect();
    takes(&[(&samples, (50, 0, 50)), (&histograms, (0, 50, 50))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_at_least_one_sample() {
    let described = Sent { labels: UP, metadata: Some((1, "help", "count")), ..Sent::default() };
    let shown = Sent { labels: UP, exemplars: vec![(TRACE, 1)], ..Sent::default() };
    refuses(&[
        (&[described], (0, 0, 0), "a series without samples"),
        (&[shown], (0, 0, 0), "a series without samples"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_different_times_are_taken_together() {
    let old = Sent {
        samples: vec![(-HOUR, 1.0)],
        exemplars: vec![(TRACE, -HOUR / 2)],
        ..sample(UP, 1.0)
    };
    takes(&[(&[old, sample(TARGET, 2.0)], (2, 0, 1))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_out_of_order_are_written() {
    let backwards = Sent { samples: vec![(0, 2.0), (-MINUTE, 1.0)], ..sample(UP, 1.0) };
    let before = Sent { samples: vec![(-2 * MINUTE, 0.0)], ..sample(UP, 1.0) };
    takes(&[(&[backwards], (2, 0, 0)), (&[before], (1, 0, 0))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_that_is_sent_twice_is_written_and_another_value_is_not() {
    let twice = Sent { samples: vec![(0, 1.0), (0, 1.0)], ..sample(UP, 1.0) };
    takes(&[(&[twice], (2, 0, 0))]).await;
    let other = Sent { samples: vec![(0, 1.0), (0, 2.0), (MINUTE, 3.0)], ..sample(UP, 1.0) };
    refuses(&[(&[other], (2, 0, 0), "another value")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_the_far_past_and_future_are_refused() {
    let sent = Sent { samples: vec![(-48 * HOUR, 1.0), (0, 2.0), (HOUR, 3.0)], ..sample(UP, 1.0) };
    refuses(&[(
        &[sent],
        (1, 0, 0),
        "1: in the future by more than 10m; 1: older than late events may be: 1d",
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_is_taken() {
    takes(&[(&[], (0, 0, 0))]).await;
    let receiver = Receiver::start("").await;
    assert_eq!(receiver.send_v1(&[]).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_media_types_are_answered_415() {
    let receiver = Receiver::start("").await;
    let body = snappy(&version_2(&[sample(UP, 1.0)]));
    for media in [
        "application/json",
        "image/png",
        "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        "application/x-protobufs",
        "",
    ] {
        let headers = [("content-type", media), ("content-encoding", "snappy")];
        let answer = receiver.post(&headers, body.clone()).await;
        assert_eq!((answer.status, answer.written), (415, None), "{media}: {}", answer.said);
        assert!(!answer.said.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_compressions_are_answered_415() {
    let receiver = Receiver::start("").await;
    for encoding in ["gzip", "deflate", "zstd", "identity", "snappy, gzip"] {
        for media in [MEDIA_V1, MEDIA_V2] {
            let headers = [("content-type", media), ("content-encoding", encoding)];
            let answer = receiver.post(&headers, b"0".to_vec()).await;
            assert_eq!((answer.status, answer.written), (415, None), "{encoding}: {}", answer.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_answered_400() {
    let receiver = Receiver::start("").await;
    let message = version_2(&[sample(UP, 1.0)]);
    let mut spoilt = snappy(&message);
    spoilt[0] = b'0';
    let mut framed = Vec::new();
    std::io::Write::write_all(&mut snap::write::FrameEncoder::new(&mut framed), &message).unwrap();
    for body in [spoilt, framed, message, snappy(b"no protobuf"), Vec::new()] {
        let headers = [("content-type", MEDIA_V2), ("content-encoding", "snappy")];
        let answer = receiver.post(&headers, body).await;
        assert_eq!((answer.status, answer.written), (400, Some((0, 0, 0))), "{}", answer.said);
        assert!(answer.said.contains("detail"), "{}", answer.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_lead_nowhere_are_refused() {
    let receiver = Receiver::start("").await;
    let mut nowhere = Vec::new();
    let mut series = Vec::new();
    prost::encoding::uint32::encode_packed(1, &[1, 2], &mut series);
    prost::encoding::bytes::encode(2, &vec![0x10, 0x01], &mut series);
    prost::encoding::string::encode(4, &String::new(), &mut nowhere);
    prost::encoding::bytes::encode(5, &series, &mut nowhere);
    let headers = [("content-type", MEDIA_V2), ("content-encoding", "snappy")];
    let answer = receiver.post(&headers, snappy(&nowhere)).await;
    assert_eq!((answer.status, answer.written), (400, Some((0, 0, 0))), "{}", answer.said);
    assert!(answer.said.contains("symbol"), "{}", answer.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_not_known_do_not_matter() {
    let receiver = Receiver::start("").await;
    let mut message = version_2(&[sample(UP, 1.0)]);
    prost::encoding::string::encode(90, &"of a later version".to_owned(), &mut message);
    prost::encoding::uint64::encode(91, &7, &mut message);
    let headers = [("content-type", MEDIA_V2), ("content-encoding", "snappy")];
    let answer = receiver.post(&headers, snappy(&message)).await;
    assert_eq!((answer.status, answer.written), (204, Some((1, 0, 0))), "{}", answer.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_is_taken_under_each_of_its_names_without_counts() {
    let receiver = Receiver::start("").await;
    let series = [sample(TARGET, 1.0), sample(&[("__name__", "http_requests_total")], 100.0)];
    let body = snappy(&version_1(&series));
    let named = "application/x-protobuf; proto=prometheus.WriteRequest";
    for headers in [
        vec![("content-type", MEDIA_V1), ("content-encoding", "snappy")],
        vec![("content-type", named), ("content-encoding", "snappy")],
        // The oldest senders say less.
        vec![("content-encoding", "snappy")],
        vec![("content-type", MEDIA_V1)],
    ] {
        let answer = receiver.post(&headers, body.clone()).await;
        assert_eq!((answer.status, answer.written), (204, None), "{}", answer.said);
        assert_eq!(answer.said, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_brings_metadata_exemplars_and_histograms() {
    let receiver = Receiver::start("").await;
    let described = Sent { metadata: Some((1, "help", "unit")), ..Sent::default() };
    let shown = Sent { exemplars: vec![(TRACE, 1)], ..sample(TARGET, 1.0) };
    let only_shown = Sent { labels: UP, exemplars: vec![(TRACE, 1)], ..Sent::default() };
    for sent in [described, shown, only_shown, histogram(TARGET, whole())] {
        let answer = receiver.send_v1(&[sent]).await;
        assert_eq!((answer.status, answer.written), (204, None), "{}", answer.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_that_is_wrong_is_answered_400() {
    let receiver = Receiver::start("").await;
    let answer = receiver.send_v1(&[sample(NAMELESS, 1.0), sample(UP, 1.0)]).await;
    assert_eq!((answer.status, answer.written), (400, None));
    assert!(answer.said.contains("1 of 2 samples"), "{}", answer.said);
    let mut spoilt = snappy(&version_1(&[sample(UP, 1.0)]));
    spoilt[0] = 0xFF;
    let headers = [("content-type", MEDIA_V1), ("content-encoding", "snappy")];
    let answer = receiver.post(&headers, spoilt).await;
    assert_eq!((answer.status, answer.written), (400, None), "{}", answer.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_answered_405() {
    let receiver = Receiver::start("").await;
    let (status, _) = receiver.running.get("/api/v1/write").await;
    assert_eq!(status, 405);
}

/// Requests of which those with an error are bad, as both versions count them.
const REQUESTS: &str = r#"
apiVersion: openslo/v1
kind: SLO
metadata: {name: requests}
spec:
  service: shop
  indicator:
    metadata: {name: requests}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: prometheus, spec: {query: 'requests_total{code="500"}'}}}
        total: {metricSource: {type: prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
"#;

/// What is out of order across requests, or sent again, counts once; what is written of a request
/// that is wrong in part counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_in_the_budget() {
    let receiver = Receiver::start(REQUESTS).await;
    receiver.clock.advance(Duration::from_seconds(1));
    let good: message::Labels<'_> = &[("code", "200"), ("__name__", "requests_total")];
    let bad: message::Labels<'_> = &[("__name__", "requests_total"), ("code", "500")];
    let at = |time, good_count, bad_count| {
        [
            Sent { samples: vec![(time, good_count)], ..sample(good, 0.0) },
            Sent { samples: vec![(time, bad_count)], ..sample(bad, 0.0) },
        ]
    };
    let second = 1_000;
    for (series, status) in [
        (at(second, 100.0, 10.0), 204),
        (at(3 * second, 150.0, 12.0), 204),
        // Overtaken, and sent again.
        (at(2 * second, 120.0, 11.0), 204),
        (at(3 * second, 150.0, 12.0), 204),
    ] {
        assert_eq!(receiver.send(&series).await.status, status);
    }
    let mut last = at(4 * second, 190.0, 15.0).to_vec();
    last.push(sample(NAMELESS, 1.0));
    assert_eq!(receiver.send_v1(&last).await.status, 400);
    receiver.clock.advance(Duration::from_minutes(2));
    let found = receiver.running.budget("requests", |said| said["budget"]["valid"] == 95).await;
    assert_eq!(found["budget"]["bad"], 5, "{found}");
    let metrics = reqwest::get(receiver.running.url("/metrics")).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let left_out: BTreeMap<&str, &str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("flyball_samples_left_out_total{reason=\""))
        .filter_map(|line| line.split_once("\"} "))
        .collect();
    assert_eq!(left_out["a later sample of the series is counted already"], "2", "{metrics}");
    assert_eq!(left_out["a sample of the same time is counted already"], "2", "{metrics}");
    receiver.running.server.stop().await;
}

/// A metric that nobody sends is told with what it may be meant to be: in the plan, and by the SLO.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_metric_is_told_with_the_one_that_is_near() {
    let receiver = Receiver::start("").await;
    let sent = Sent {
        samples: vec![(0, 1.0)],
        ..sample(&[("__name__", "requests_total"), ("job", "x")], 0.0)
    };
    assert_eq!(receiver.send(std::slice::from_ref(&sent)).await.status, 204);
    let apply = async |text: &str, is_plan: bool| {
        let file = serde_json::json!({"name": "a.yaml", "text": text});
        let asked = serde_json::json!({"files": [file], "dry_run": is_plan});
        let post = receiver.running.post("/api/v1/apply", asked.to_string());
        let answer = post.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().await.unwrap()
    };
    let misspelt = REQUESTS.replace("requests_total", "request_total");
    let plan = apply(&misspelt, true).await;
    let hints: Vec<&str> =
        plan["warnings"].as_array().unwrap().iter().filter_map(|w| w["hint"].as_str()).collect();
    assert!(hints.contains(&"did you mean `requests_total`?"), "{plan}");
    apply(&misspelt, false).await;
    let (_, said) = receiver.running.get("/api/v1/slos/requests").await;
    assert_eq!(said["doubts"][0]["hint"], "did you mean `requests_total`?", "{said}");

    // What is written as it is sent is doubted only when labels have had their time to come.
    let plan = apply(REQUESTS, true).await;
    assert!(!plan["warnings"].to_string().contains("no samples"), "{plan}");
    let labels = REQUESTS.replace("query: requests_total", "query: 'requests_total{job=\"y\"}'");
    apply(&labels, false).await;
    let doubts = async || receiver.running.get("/api/v1/slos/requests").await.1["doubts"].clone();
    assert_eq!(doubts().await, serde_json::json!([]));
    receiver.clock.advance(Duration::from_minutes(6));
    let later = Sent { samples: vec![(6 * MINUTE, 2.0)], ..sent };
    assert_eq!(receiver.send(&[later]).await.status, 204);
    let said = doubts().await;
    assert!(
        said[0]["said"].as_str().unwrap().contains("samples of `requests_total` come"),
        "{said}"
    );
    assert_eq!(said.as_array().unwrap().len(), 1, "a service without errors is no doubt: {said}");
    receiver.running.server.stop().await;
}
